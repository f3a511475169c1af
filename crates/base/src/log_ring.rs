//! The last lines of the log in memory, for the page and the API. There may be no journal, or the reader may lack the
//! right to read it.
//!
//! Any thread adds a line at the price of one lock and one copy. At most [`MOST_LOGGED`] lines and [`BYTES`] bytes
//! of text are kept; the oldest make room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use log::Level;

/// Maximum number of lines.
pub const MOST_LOGGED: usize = 1000;

/// Maximum bytes of text.
pub const BYTES: usize = 256 * 1024;

/// Bytes that are kept of a longer line.
const LONGEST: usize = 4096;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedLine {
    /// Wall time in microseconds since 1970.
    pub wall_us: u64,
    /// Severity.
    pub level: Level,
    /// Module that logged the line: `source::v4l2`.
    pub place: String,
    /// The message; may have several lines.
    pub text: String,
}

/// The last lines. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct Recent(Arc<Mutex<LogBuffer>>);

#[derive(Debug, Default)]
struct LogBuffer {
    lines: VecDeque<LoggedLine>,
    bytes: usize,
}

impl LoggedLine {
    fn bytes(&self) -> usize {
        self.place.len() + self.text.len()
    }
}

impl Recent {
    /// Adds a line.
    pub fn add(&self, mut line: LoggedLine) {
        if line.text.len() > LONGEST {
            let cut = (0..=LONGEST).rev().find(|&at| line.text.is_char_boundary(at)).unwrap_or(0);
            line.text.truncate(cut);
            line.text.push('…');
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += line.bytes();
        kept.lines.push_back(line);
        while kept.lines.len() > MOST_LOGGED || kept.bytes > BYTES {
            let Some(gone) = kept.lines.pop_front() else { break };
            kept.bytes -= gone.bytes();
        }
    }

    /// The newest `most` lines that are at least as severe as `least`, oldest first.
    pub fn lines(&self, least: Level, most: usize) -> Vec<LoggedLine> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let urgent = kept.lines.iter().rev().filter(|line| line.level <= least);
        let mut lines: Vec<LoggedLine> = urgent.take(most).cloned().collect();
        lines.reverse();
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u64, level: Level, text: String) -> LoggedLine {
        LoggedLine { wall_us: n, level, place: String::from("http"), text }
    }

    #[test]
    fn the_newest_lines_are_kept() {
        let recent = Recent::default();
        for n in 0..MOST_LOGGED as u64 + 10 {
            recent.add(line(n, Level::Info, n.to_string()));
        }
        let lines = recent.lines(Level::Trace, usize::MAX);
        assert_eq!(lines.len(), MOST_LOGGED);
        assert_eq!((lines[0].wall_us, lines[MOST_LOGGED - 1].wall_us), (10, MOST_LOGGED as u64 + 9));
        let last: Vec<u64> = recent.lines(Level::Info, 3).iter().map(|line| line.wall_us).collect();
        assert_eq!(last, [1007, 1008, 1009]);
    }

    #[test]
    fn long_lines_do_not_take_the_memory() {
        let recent = Recent::default();
        for n in 0..MOST_LOGGED as u64 {
            recent.add(line(n, Level::Warn, "ü".repeat(100_000)));
        }
        let lines = recent.lines(Level::Trace, usize::MAX);
        assert!(lines.iter().map(|line| line.text.len()).sum::<usize>() <= BYTES);
        assert!(lines.iter().all(|line| line.text.len() <= LONGEST + 3 && line.text.ends_with("ü…")));
    }

    #[test]
    fn the_less_urgent_are_left_out() {
        let recent = Recent::default();
        for (n, level) in [Level::Error, Level::Debug, Level::Warn, Level::Info].into_iter().enumerate() {
            recent.add(line(n as u64, level, String::new()));
        }
        let of = |level| recent.lines(level, 10).iter().map(|line| line.wall_us).collect::<Vec<_>>();
        assert_eq!(of(Level::Warn), [0, 2]);
        assert_eq!(of(Level::Trace), [0, 1, 2, 3]);
        assert_eq!(of(Level::Error), [0]);
    }
}
