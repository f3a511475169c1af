//! Which figures the page `/counts` asks for: the words of its address, made into spans of time.
//!
//! Pure: the present is handed in. Days begin at [`Clock::day_starts`] of the clock on the wall, whatever
//! daylight saving does to their length.

use super::facts::Clock;

/// A span of time with the buckets it is cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From this wall time in microseconds on.
    pub from_us: u64,
    /// Before this one.
    pub to_us: u64,
    /// `hour`, `day`, `week` or `month`, as `/api/v1/counts` has it.
    pub bucket: &'static str,
}

/// Which direction the heat map shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heat {
    /// In.
    In,
    /// Out.
    Out,
    /// Both together.
    Both,
}

/// What the page is asked to show, and the spans that have to be read for it.
#[derive(Debug, Clone, PartialEq)]
pub struct CountsAsk {
    /// `today`, `yesterday`, `7d`, `30d`, `month` or `own`.
    pub range: &'static str,
    /// Of this line only.
    pub line: Option<u64>,
    /// Of this class only.
    pub class: Option<String>,
    /// What the heat map shows.
    pub heat: Heat,
    /// What is shown.
    pub shown: Span,
    /// The same by the hour, and the time before it that it is compared with, by the hour (begins a
    /// whole number of weeks earlier); `None` where it is too long to compare.
    pub compared: Option<[Span; 2]>,
    /// Four weeks by the hour, for the heat map.
    pub weeks: Span,
}

impl CountsAsk {
    /// What an address with this query asks for. `query` gives the value of a name: `range`, `from` and
    /// `to` (dates, for `range=own`; both days are part of it), `line` (a number), `class`, `heat`
    /// (`in`, `out`, `both`). What cannot be understood is as if it were not there: today, all lines.
    pub fn of<'a>(query: impl Fn(&str) -> Option<&'a str>, clock: &Clock) -> CountsAsk {
        let _ = (query("range"), clock);
        todo!()
    }
}
