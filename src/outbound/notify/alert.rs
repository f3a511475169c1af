//! Decides about messages on a lasting condition: one after it has lasted for its time, and one after its end has
//! lasted as long. A condition that comes and goes makes no further message. Pure; the clock is given.

/// The message that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The condition has lasted for its time.
    Begun,
    /// The reported condition has been over for its time.
    Over,
}

/// One watched condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastingCondition {
    /// Time in seconds since which the condition differs from the reported one.
    since_s: Option<u64>,
    is_reported: bool,
}

impl LastingCondition {
    /// A condition that an earlier run may have reported.
    pub fn new(is_reported: bool) -> LastingCondition {
        LastingCondition { since_s: None, is_reported }
    }

    /// The condition was reported, and its end was not.
    pub fn is_reported(&self) -> bool {
        self.is_reported
    }

    /// The condition at the time `now_s`. Returns the due message, again and again until
    /// [`LastingCondition::arrived`] confirms it. A condition that changes back before makes none.
    pub fn step(&mut self, is_so: bool, now_s: u64, lasting_s: u64) -> Option<Turn> {
        if is_so == self.is_reported {
            self.since_s = None;
            return None;
        }
        let since_s = *self.since_s.get_or_insert(now_s);
        let is_lasting = now_s.saturating_sub(since_s) >= lasting_s;
        is_lasting.then_some(if is_so { Turn::Begun } else { Turn::Over })
    }

    /// `turn` has arrived.
    pub fn arrived(&mut self, turn: Turn) {
        self.is_reported = turn == Turn::Begun;
        self.since_s = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Steps through seconds from 0 on; every message arrives at once.
    fn told(conditions: impl IntoIterator<Item = bool>, lasting_s: u64) -> Vec<(u64, Turn)> {
        let mut watch = LastingCondition::default();
        let step = |(now_s, is_so)| {
            let turn = watch.step(is_so, now_s, lasting_s)?;
            watch.arrived(turn);
            Some((now_s, turn))
        };
        (0..).zip(conditions).filter_map(step).collect()
    }

    fn for_s(is_so: bool, seconds: usize) -> impl Iterator<Item = bool> + Clone {
        std::iter::repeat_n(is_so, seconds)
    }

    #[test]
    fn trouble_is_told_once_and_its_end_once() {
        let all = for_s(false, 100).chain(for_s(true, 5000)).chain(for_s(false, 5000));
        assert_eq!(told(all, 60), [(160, Turn::Begun), (5160, Turn::Over)]);
    }

    #[test]
    fn what_is_too_short_is_not_told() {
        let all = for_s(true, 59).chain(for_s(false, 1)).cycle().take(100_000);
        assert_eq!(told(all, 60), []);
    }

    #[test]
    fn flapping_makes_no_flood() {
        let flaps = (0..10_000).map(|n| n % 7 < 4);
        let all = for_s(true, 100).chain(flaps).chain(for_s(false, 100));
        assert_eq!(told(all, 60).len(), 2);
    }

    #[test]
    fn what_did_not_arrive_is_told_again_or_never() {
        let mut watch = LastingCondition::default();
        assert_eq!(watch.step(true, 0, 10), None);
        assert_eq!(watch.step(true, 10, 10), Some(Turn::Begun));
        assert_eq!(watch.step(true, 500, 10), Some(Turn::Begun), "it has not arrived");
        assert_eq!(watch.step(false, 501, 10), None, "it is over: nobody needs to know any more");
        assert_eq!(watch.step(true, 502, 10), None, "the time begins again");
    }

    #[test]
    fn a_restart_repeats_nothing() {
        let mut watch = LastingCondition::new(true);
        assert_eq!(watch.step(true, 5, 10), None);
        assert_eq!(watch.step(false, 6, 10), None);
        assert_eq!(watch.step(false, 16, 10), Some(Turn::Over));
    }

    proptest! {
        #[test]
        fn turns_alternate_and_are_apart(
            conditions in proptest::collection::vec(any::<bool>(), 0..2000),
            lasting_s in 1..30_u64,
        ) {
            let all = told(conditions, lasting_s);
            for pair in all.windows(2) {
                prop_assert!(pair[0].1 != pair[1].1 && pair[1].0 - pair[0].0 >= lasting_s);
            }
            prop_assert!(all.first().is_none_or(|first| first.1 == Turn::Begun));
        }
    }
}
