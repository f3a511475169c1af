//! Writes that follow each other, gathered into one: a buffer between SQLite and the file. Pure.
//!
//! SQLite writes a transaction's pages one by one, in the order of the file. Those of a chunk lie side by side, so what
//! would be a hundred calls into the kernel is two or three. Nothing is reordered: a write that does not continue the
//! run ends it.

/// Bytes that are written at once at most: below 128 KiB, of which SQLite's own layer over the file takes no more.
pub(super) const MOST: usize = 120 << 10;

/// What is to be written at one place of a file.
#[derive(Debug, Default)]
pub(super) struct Run {
    at: u64,
    bytes: Vec<u8>,
}

impl Run {
    /// Takes a write if it continues the run or lies within it, and the run does not grow too long by it; says
    /// whether it has. The caller writes the run out before it offers the same again.
    pub(super) fn takes(&mut self, at: u64, bytes: &[u8]) -> bool {
        if self.bytes.is_empty() {
            if bytes.len() > MOST {
                return false;
            }
            self.at = at;
        }
        let Some(from) = at.checked_sub(self.at).and_then(|from| usize::try_from(from).ok()) else { return false };
        let Some(to) = from.checked_add(bytes.len()).filter(|&to| to <= MOST) else { return false };
        if from > self.bytes.len() {
            return false;
        }
        let within = self.bytes.len().min(to) - from;
        self.bytes[from..from + within].copy_from_slice(&bytes[..within]);
        self.bytes.extend_from_slice(&bytes[within..]);
        true
    }

    /// Whether there is something to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where, and what.
    pub(super) fn pending(&self) -> (u64, &[u8]) {
        (self.at, &self.bytes)
    }

    /// Forgets it: it has been written, or cannot be. The buffer stays for the next run.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_join_and_others_do_not() {
        let mut run = Run::default();
        assert!(run.is_empty());
        assert!(run.takes(8, b"abcd") && run.takes(12, b"ef") && run.takes(10, b"CD"));
        assert_eq!(run.pending(), (8, &b"abCDef"[..]));
        assert!(run.takes(13, b"Fg"), "it overlaps the end");
        assert_eq!(run.pending(), (8, &b"abCDeFg"[..]));
        assert!(!run.takes(7, b"x") && !run.takes(16, b"x"), "before it, or with a hole");
        run.clear();
        assert!(run.is_empty() && run.takes(7, b"x"));
    }

    #[test]
    fn a_run_ends_at_its_most() {
        let mut run = Run::default();
        assert!(run.takes(0, &vec![1; MOST - 1]) && !run.takes(MOST as u64 - 1, b"xy"));
        assert!(run.takes(MOST as u64 - 1, b"x") && !run.takes(MOST as u64, b"y"));
        run.clear();
        assert!(!run.takes(0, &vec![1; MOST + 1]));
    }

    proptest! {
        /// Through runs a file gets what it would get without.
        #[test]
        fn a_file_is_the_same(writes in proptest::collection::vec((0..60usize, 1..30usize, any::<u8>()), 0..60)) {
            let mut plain = vec![0; 100];
            let mut file = vec![0; 100];
            let mut run = Run::default();
            let flush = |run: &mut Run, file: &mut Vec<u8>| {
                let (at, bytes) = run.pending();
                file[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
                run.clear();
            };
            for (at, len, value) in writes {
                let bytes = vec![value; len];
                plain[at..at + len].copy_from_slice(&bytes);
                if !run.takes(at as u64, &bytes) {
                    flush(&mut run, &mut file);
                    prop_assert!(run.takes(at as u64, &bytes));
                }
            }
            flush(&mut run, &mut file);
            prop_assert_eq!(plain, file);
        }
    }
}
