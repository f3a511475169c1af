//! Room that is lent out: bytes of files that can be removed at any time, such as finished videos.
//!
//! Up to half of `min_free` may be lent, so recordings lose nothing while they fill the disk to `min_free`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::RetentionRules;

/// Bytes that stay free if there is no `min_free`.
const USUAL_FLOOR: u64 = 128 << 20;

/// The bytes of one file. They are given back when this is dropped.
#[derive(Debug, Default)]
pub struct Loan {
    own: AtomicU64,
    all: Lent,
}

/// The bytes of all such files.
#[derive(Debug, Clone, Default)]
pub(super) struct Lent(Arc<AtomicU64>);

impl Lent {
    /// A loan of nothing yet.
    pub(super) fn loan(&self) -> Loan {
        Loan { own: AtomicU64::new(0), all: self.clone() }
    }

    /// Bytes that files may take together, if the file system has `free` bytes left beside them.
    pub(super) fn limit(&self, rules: &RetentionRules, free: u64) -> u64 {
        let floor = rules.min_free.filter(|least| *least > 0).map_or(USUAL_FLOOR, |least| least / 2);
        free.saturating_add(self.0.load(Ordering::Relaxed)).saturating_sub(floor)
    }

    /// The rules for recordings: what is lent counts as free.
    pub(super) fn beside(&self, rules: RetentionRules) -> RetentionRules {
        let lent = self.0.load(Ordering::Relaxed);
        let min_free = rules.min_free.map(|least| least - lent.min(least / 2));
        RetentionRules { min_free, ..rules }
    }
}

impl Loan {
    /// Takes `bytes` more. Call it before they are written, so that no recording makes room for them.
    pub fn take(&self, bytes: u64) {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.all.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives everything back. Call it when the file is empty.
    pub fn give_back(&self) {
        let own = self.own.swap(0, Ordering::Relaxed);
        self.all.0.fetch_sub(own, Ordering::Relaxed);
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_min_free_may_be_lent_and_recordings_do_not_notice() {
        let lent = Lent::default();
        let rules = RetentionRules { min_free: Some(500), ..RetentionRules::default() };
        assert_eq!(lent.limit(&rules, 500), 250, "recordings fill the disk up to `min_free`");
        let (first, second) = (lent.loan(), lent.loan());
        first.take(100);
        second.take(100);
        assert_eq!(lent.limit(&rules, 300), 250, "the files themselves do not count");
        assert_eq!(lent.beside(rules.clone()).min_free, Some(300));
        second.take(300);
        assert_eq!(lent.beside(rules.clone()).min_free, Some(250), "never more than half");
        second.give_back();
        drop(second);
        assert_eq!(lent.beside(rules.clone()).min_free, Some(400));
        drop(first);
        assert_eq!(lent.beside(rules.clone()), rules);
        assert_eq!(lent.limit(&RetentionRules::default(), USUAL_FLOOR + 7), 7);
    }
}
