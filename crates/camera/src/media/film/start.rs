//! The capture time of a film's first frame, as films state it. Pure.
//!
//! The times in the heads of MP4 and AVI are whole seconds, or missing. Hence films also have the time as text (`©day`
//! of QuickTime, `ICRD` of RIFF): ISO 8601 with microseconds in UTC. A question mark after it means that the clock was
//! not set, as in ISO 8601-2.

/// The capture time of the first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilmStart {
    /// Microseconds since 1970.
    pub us: u64,
    /// The clock was set, or the file states a time.
    pub is_sure: bool,
}

impl From<u64> for FilmStart {
    fn from(us: u64) -> FilmStart {
        FilmStart { us, is_sure: true }
    }
}

impl FilmStart {
    /// It as text.
    pub(crate) fn text(self) -> String {
        let time = jiff::Timestamp::from_microsecond(i64::try_from(self.us).unwrap_or(i64::MAX));
        format!("{:.6}{}", time.unwrap_or_default(), if self.is_sure { "" } else { "?" })
    }

    /// The time that such a text states. `None` for other texts and times before 1970.
    pub(crate) fn parse(text: &[u8]) -> Option<FilmStart> {
        let text = std::str::from_utf8(text).ok()?.trim_end_matches('\0').trim();
        let (time, is_sure) = text.strip_suffix('?').map_or((text, true), |time| (time, false));
        let us = time.parse::<jiff::Timestamp>().ok()?.as_microsecond();
        Some(FilmStart { us: u64::try_from(us).ok()?, is_sure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_was_written() {
        for is_sure in [true, false] {
            for us in [0, 1_763_650_387_000_001, 1_763_650_387_120_000] {
                let start = FilmStart { us, is_sure };
                assert_eq!(FilmStart::parse(start.text().as_bytes()), Some(start), "{}", start.text());
            }
        }
        for other in ["", "?", "2026", "2026-11-20", "20.11.2026 14:53", "1969-12-31T23:59:59Z"] {
            assert_eq!(FilmStart::parse(other.as_bytes()), None, "{other}");
        }
        assert!(FilmStart::parse(b"\xff").is_none());
    }
}
