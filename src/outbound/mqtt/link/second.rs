//! What a broker may send in a second. Pure; times are microseconds of the monotonic clock.

/// Commands and wishes for replays in a second, and commands that may wait.
pub(super) const COMMANDS: usize = 10;

/// Bytes in a second. A broker sends acknowledgements and a few commands; a flood would take the CPU from the stream.
const BYTES: usize = 64 << 10;

/// What came in the present second.
#[derive(Debug, Default)]
pub(super) struct HeardInSecond {
    second: u64,
    bytes: usize,
    commands: usize,
}

impl HeardInSecond {
    /// Counts bytes. Returns false if there are too many.
    pub(super) fn takes(&mut self, now_us: u64, bytes: usize) -> bool {
        self.go_on(now_us);
        self.bytes += bytes;
        self.bytes <= BYTES
    }

    /// Counts a command or a wish for a replay. Returns false for one too many.
    pub(super) fn takes_command(&mut self, now_us: u64) -> bool {
        self.go_on(now_us);
        self.commands += 1;
        self.commands <= COMMANDS
    }

    fn go_on(&mut self, now_us: u64) {
        let second = now_us / 1_000_000;
        if self.second != second {
            *self = HeardInSecond { second, ..HeardInSecond::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_limits() {
        let mut heard = HeardInSecond::default();
        assert!(heard.takes(1_000_000, BYTES) && !heard.takes(1_999_999, 1));
        assert!(heard.takes(2_000_000, 4096), "the next second");
        assert_eq!((0..12).filter(|_| heard.takes_command(2_500_000)).count(), COMMANDS);
        assert!(heard.takes_command(3_000_000));
    }
}
