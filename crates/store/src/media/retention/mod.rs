//! Decides which items retention deletes, and why: a pure plan over rows and sums, without files or threads.
//!
//! Invariants:
//! - Protected items and those being recorded are never deleted.
//! - The oldest by adding time go first. A rule deletes only what it needs.
//! - Snapshots and recordings have separate rules. `min_free` deletes the oldest of either kind, and only what the
//!   other rules have not freed already.
//! - Removed items that are still being freed count as freed. Unused room in the file counts as free, because new
//!   items use it or it is returned.
//! - Without a trusted wall clock nothing is too old. The writer trusts a clock that is synchronized or was not set
//!   for an hour. Items added "later than now" are not too old either.

pub(super) mod apply;
pub(super) mod reclaim;
pub(super) mod rules;

use tallycam_base::ClockTime;

use super::{Item, MediaKind, RetentionPlan, RetentionReason, RetentionRules};

/// The sums at the start of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RetentionSums {
    /// Bytes of all snapshots, including protected ones.
    pub(super) snapshots: u64,
    /// Bytes of all recordings, including protected and open ones.
    pub(super) recordings: u64,
    /// Unused bytes of the file.
    pub(super) unused: u64,
    /// Bytes of removed items that are not freed yet.
    pub(super) going: u64,
    /// Free bytes of the file system.
    pub(super) free: u64,
}

/// The plan for items in order of [`Item::added_us`], oldest first. It reads only as many as it needs: one if all
/// rules are met.
pub(super) fn plan<E>(
    rules: &RetentionRules,
    now: ClockTime,
    sums: &RetentionSums,
    oldest_first: impl IntoIterator<Item = Result<Item, E>>,
) -> Result<RetentionPlan, E> {
    let mut items = oldest_first.into_iter();
    let mut goes: Vec<(Item, RetentionReason)> = Vec::new();
    // Items that the first two rules spare and `min_free` may delete.
    let mut left = Vec::new();
    let mut over = [MediaKind::Snapshot, MediaKind::Recording]
        .map(|kind| sums.for_kind(kind).saturating_sub(byte_limit(rules, kind)));
    let mut missing = rules.min_free.unwrap_or(0).saturating_sub(sums.usable_bytes());
    let mut is_aging = rules.snapshots_age.is_some() || rules.recordings_age.is_some();
    while is_aging || over.iter().any(|&over| over > 0) {
        let Some(item) = items.next().transpose()? else { break };
        // An item that was added while the clock was ahead tells nothing about later ones.
        is_aging = is_aging
            && (item.added_us > now.wall_us
                || [MediaKind::Snapshot, MediaKind::Recording]
                    .into_iter()
                    .any(|kind| is_too_old(rules, kind, &item, now)));
        let over = &mut over[item.kind as usize];
        let reason = match () {
            () if item.is_kept || item.is_open => None,
            () if is_too_old(rules, item.kind, &item, now) => Some(RetentionReason::Age),
            () if *over > 0 => Some(RetentionReason::Bytes),
            () => None,
        };
        match reason {
            Some(reason) => {
                *over = over.saturating_sub(item.bytes);
                missing = missing.saturating_sub(item.bytes);
                goes.push((item, reason));
            }
            None if missing > 0 => left.push(item),
            None => {}
        }
    }
    let mut rest = left.into_iter().map(Ok).chain(items);
    while missing > 0 {
        let Some(item) = rest.next().transpose()? else { break };
        if !item.is_kept && !item.is_open {
            missing = missing.saturating_sub(item.bytes);
            goes.push((item, RetentionReason::Free));
        }
    }
    goes.sort_by_key(|(item, _)| (item.added_us, item.id));
    Ok(RetentionPlan { goes, unmet: describe_shortfall(over, missing), waits: None })
}

/// Bytes of the file that should return to the file system for `min_free`. None if less than `least` is missing,
/// because new items reuse the room without extra writes.
pub(super) fn bytes_to_reclaim(rules: &RetentionRules, free: u64, unused: u64, least: u64) -> u64 {
    let missing = rules.min_free.unwrap_or(0).saturating_sub(free);
    if missing < least { 0 } else { missing.min(unused) }
}

/// Whether `new` is stricter than `old` in any rule, so that room should be returned.
pub(super) fn is_lower(old: &RetentionRules, new: &RetentionRules) -> bool {
    fn is_stricter<T: PartialOrd>(old: Option<T>, new: Option<T>) -> bool {
        match (old, new) {
            (None, Some(_)) => true,
            (Some(old), Some(new)) => new < old,
            (_, None) => false,
        }
    }
    is_stricter(old.snapshots_age, new.snapshots_age)
        || is_stricter(old.snapshots_bytes, new.snapshots_bytes)
        || is_stricter(old.recordings_age, new.recordings_age)
        || is_stricter(old.recordings_bytes, new.recordings_bytes)
        || new.min_free > old.min_free
}

impl RetentionSums {
    fn for_kind(&self, kind: MediaKind) -> u64 {
        match kind {
            MediaKind::Snapshot => self.snapshots,
            MediaKind::Recording => self.recordings,
        }
    }

    /// Bytes that can be written before the file system is full.
    fn usable_bytes(&self) -> u64 {
        self.free.saturating_add(self.unused).saturating_add(self.going)
    }
}

fn byte_limit(rules: &RetentionRules, kind: MediaKind) -> u64 {
    match kind {
        MediaKind::Snapshot => rules.snapshots_bytes,
        MediaKind::Recording => rules.recordings_bytes,
    }
    .unwrap_or(u64::MAX)
}

/// Whether an item with the adding time of `item` would be too old if it were of this kind.
fn is_too_old(rules: &RetentionRules, kind: MediaKind, item: &Item, now: ClockTime) -> bool {
    let age = match kind {
        MediaKind::Snapshot => rules.snapshots_age,
        MediaKind::Recording => rules.recordings_age,
    };
    now.wall_trusted
        && age.is_some_and(|age| u128::from(now.wall_us.saturating_sub(item.added_us)) > age.as_micros())
}

/// The unmet rules, in words.
fn describe_shortfall([snapshots, recordings]: [u64; 2], missing: u64) -> Option<String> {
    let mut lacks = Vec::new();
    if snapshots > 0 {
        lacks.push(format!(
            "snapshots have {} more than they may, and all that are left are kept",
            bytes(snapshots)
        ));
    }
    if recordings > 0 {
        lacks.push(format!(
            "recordings have {} more than they may, and all that are left are kept or being recorded",
            bytes(recordings)
        ));
    }
    if missing > 0 {
        lacks.push(format!(
            "the file system has {} less free than it should, and all that is left is kept or being recorded",
            bytes(missing)
        ));
    }
    (!lacks.is_empty()).then(|| lacks.join("; "))
}

/// Formats `1.5 GB`, in powers of 1000.
pub(super) fn bytes(count: u64) -> String {
    let (unit, word) = match count {
        0..1_000 => return format!("{count} bytes"),
        1_000..1_000_000 => (1e3, "kB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    format!("{:.1} {word}", count as f64 / unit)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::media::MediaOrigin;

    const NOW_US: u64 = 1_800_000_000_000_000;

    fn now() -> ClockTime {
        ClockTime { monotonic_us: 0, wall_us: NOW_US, wall_trusted: true }
    }

    /// An item that was added `age_s` seconds ago.
    fn item(id: u64, kind: MediaKind, age_s: u64, bytes: u64) -> Item {
        Item {
            id,
            name: format!("{id}"),
            kind,
            date: String::new(),
            at_us: 0,
            is_sure: true,
            added_us: NOW_US - age_s * 1_000_000,
            duration_us: 0,
            frames: 1,
            gaps: 0,
            width: 1,
            height: 1,
            bytes,
            camera: String::new(),
            source: String::new(),
            origin: MediaOrigin::Asked,
            note: String::new(),
            is_kept: false,
            is_open: false,
            version: 1,
        }
    }

    fn sums(items: &[Item], free: u64) -> RetentionSums {
        let of = |kind| items.iter().filter(|i| i.kind == kind).map(|i| i.bytes).sum();
        RetentionSums {
            snapshots: of(MediaKind::Snapshot),
            recordings: of(MediaKind::Recording),
            unused: 0,
            going: 0,
            free,
        }
    }

    fn planned(rules: &RetentionRules, sums: &RetentionSums, items: &[Item]) -> RetentionPlan {
        match plan(rules, now(), sums, items.iter().cloned().map(Ok::<_, Infallible>)) {
            Ok(plan) => plan,
            Err(never) => match never {},
        }
    }

    fn numbers(plan: &RetentionPlan) -> Vec<(u64, &str)> {
        plan.goes.iter().map(|(item, reason)| (item.id, reason.as_str())).collect()
    }

    #[test]
    fn an_item_added_with_a_clock_ahead_protects_no_other() {
        let mut ahead = item(1, MediaKind::Snapshot, 0, 50);
        ahead.added_us = NOW_US + 86_400_000_000;
        let items = [ahead, item(2, MediaKind::Snapshot, 900, 50), item(3, MediaKind::Snapshot, 10, 50)];
        let rules =
            RetentionRules { snapshots_age: Some(Duration::from_secs(600)), ..RetentionRules::default() };
        assert_eq!(numbers(&planned(&rules, &sums(&items, 0), &items)), [(2, "age")]);
    }

    #[test]
    fn each_kind_has_its_rules() {
        let items = [
            item(1, MediaKind::Recording, 900, 50),
            item(2, MediaKind::Snapshot, 800, 10),
            item(3, MediaKind::Snapshot, 300, 10),
            item(4, MediaKind::Recording, 200, 50),
            item(5, MediaKind::Snapshot, 100, 10),
        ];
        let rules = RetentionRules {
            snapshots_age: Some(Duration::from_secs(500)),
            recordings_bytes: Some(60),
            ..RetentionRules::default()
        };
        let plan = planned(&rules, &sums(&items, 0), &items);
        assert_eq!(numbers(&plan), [(1, "bytes"), (2, "age")]);
        assert_eq!(plan.unmet, None);
        assert_eq!(planned(&RetentionRules::default(), &sums(&items, 0), &items), RetentionPlan::default());
    }

    #[test]
    fn removed_items_and_unused_room_count_as_free() {
        let items = [item(1, MediaKind::Snapshot, 9, 10), item(2, MediaKind::Recording, 8, 10)];
        let rules = RetentionRules { min_free: Some(100), ..RetentionRules::default() };
        let mut sums = RetentionSums { unused: 30, going: 20, ..sums(&items, 50) };
        assert_eq!(planned(&rules, &sums, &items), RetentionPlan::default());
        sums.going = 19;
        assert_eq!(numbers(&planned(&rules, &sums, &items)), [(1, "free")]);
        sums.going = 9;
        assert_eq!(numbers(&planned(&rules, &sums, &items)), [(1, "free"), (2, "free")]);
    }

    #[test]
    fn free_room_takes_only_what_the_other_rules_have_not_freed() {
        // The newer recording goes by size, which leaves enough room for the older snapshot.
        let items = [item(1, MediaKind::Snapshot, 9, 40), item(2, MediaKind::Recording, 8, 40)];
        let rules =
            RetentionRules { min_free: Some(30), recordings_bytes: Some(0), ..RetentionRules::default() };
        assert_eq!(numbers(&planned(&rules, &sums(&items, 0), &items)), [(2, "bytes")]);
    }

    #[test]
    fn unmet_rules_are_reported() {
        let mut items = [item(1, MediaKind::Recording, 9, 2_500_000), item(2, MediaKind::Snapshot, 8, 700)];
        items[0].is_open = true;
        items[1].is_kept = true;
        let rules = RetentionRules {
            recordings_bytes: Some(1_000_000),
            snapshots_bytes: Some(0),
            recordings_age: Some(Duration::ZERO),
            min_free: Some(10_000_000_000),
            ..RetentionRules::default()
        };
        let plan = planned(&rules, &sums(&items, 0), &items);
        assert!(plan.goes.is_empty());
        let unmet = plan.unmet.unwrap_or_default();
        for part in ["snapshots have 700 bytes more", "recordings have 1.5 MB more", "10.0 GB less free"] {
            assert!(unmet.contains(part), "{unmet}");
        }
    }

    #[test]
    fn with_an_untrusted_clock_nothing_is_too_old() {
        let items = [item(1, MediaKind::Snapshot, 1_000_000, 10)];
        let rules =
            RetentionRules { snapshots_age: Some(Duration::from_secs(1)), ..RetentionRules::default() };
        assert_eq!(numbers(&planned(&rules, &sums(&items, 0), &items)), [(1, "age")]);
        let lost = ClockTime { wall_trusted: false, ..now() };
        let early = ClockTime { wall_us: NOW_US - 2_000_000_000_000, ..now() };
        for now in [lost, early] {
            let plan = plan(&rules, now, &sums(&items, 0), items.iter().cloned().map(Ok::<_, Infallible>));
            assert_eq!(plan, Ok(RetentionPlan::default()));
        }
    }

    #[test]
    fn a_plan_reads_no_more_rows_than_it_needs() {
        let rules = RetentionRules {
            snapshots_age: Some(Duration::from_secs(5000)),
            recordings_age: Some(Duration::from_secs(4000)),
            recordings_bytes: Some(1 << 40),
            min_free: Some(1),
            ..RetentionRules::default()
        };
        let mut read = 0;
        let items = (0..1000).map(|n| {
            read += 1;
            Ok::<_, Infallible>(item(n, MediaKind::Snapshot, 1000 - n, 10))
        });
        let sums = RetentionSums { snapshots: 10_000, recordings: 0, unused: 0, going: 0, free: 1 };
        assert_eq!(plan(&rules, now(), &sums, items), Ok(RetentionPlan::default()));
        assert_eq!(read, 1);
    }

    #[test]
    fn an_error_of_the_rows_ends_the_plan() {
        let rules = RetentionRules { min_free: Some(1), ..RetentionRules::default() };
        assert_eq!(plan(&rules, now(), &sums(&[], 0), [Err("gone")]), Err("gone"));
    }

    #[test]
    fn room_is_given_back_for_min_free_and_lower_rules() {
        let rules = RetentionRules { min_free: Some(1000), ..RetentionRules::default() };
        assert_eq!(bytes_to_reclaim(&rules, 1000, 500, 10), 0);
        assert_eq!(bytes_to_reclaim(&rules, 995, 500, 10), 0);
        assert_eq!(bytes_to_reclaim(&rules, 900, 500, 10), 100);
        assert_eq!(bytes_to_reclaim(&rules, 100, 500, 10), 500);
        let none = RetentionRules::default();
        assert!(is_lower(&none, &rules) && !is_lower(&rules, &none) && !is_lower(&rules, &rules));
        let day = |days: u64| RetentionRules {
            recordings_age: Some(Duration::from_secs(days * 86_400)),
            ..RetentionRules::default()
        };
        assert!(is_lower(&day(2), &day(1)) && !is_lower(&day(1), &day(2)));
    }

    fn some_items() -> impl Strategy<Value = Vec<Item>> {
        let one = (any::<bool>(), 0..1000u64, 0..200u64, 0..10u8);
        proptest::collection::vec(one, 0..40).prop_map(|rows| {
            let mut items: Vec<Item> = rows
                .into_iter()
                .enumerate()
                .map(|(id, (is_snapshot, age, bytes, state))| {
                    let kind = if is_snapshot { MediaKind::Snapshot } else { MediaKind::Recording };
                    let mut item = item(id as u64, kind, age, bytes);
                    item.is_kept = state == 0 || state == 1;
                    item.is_open = state == 2;
                    item
                })
                .collect();
            items.sort_by_key(|item| (item.added_us, item.id));
            items
        })
    }

    fn some_rules() -> impl Strategy<Value = RetentionRules> {
        let age = || proptest::option::of((0..1000u64).prop_map(Duration::from_secs));
        let most = || proptest::option::of(0..2000u64);
        (age(), most(), age(), most(), most()).prop_map(|(sa, sb, ra, rb, free)| RetentionRules {
            snapshots_age: sa,
            snapshots_bytes: sb,
            recordings_age: ra,
            recordings_bytes: rb,
            min_free: free,
        })
    }

    /// The rules that are broken after `gone` is deleted: bytes of each kind, and free room.
    fn broken(rules: &RetentionRules, before: &RetentionSums, gone: &[&Item]) -> [bool; 3] {
        let freed = |kind| gone.iter().filter(|i| i.kind == kind).map(|i| i.bytes).sum::<u64>();
        [
            before.snapshots - freed(MediaKind::Snapshot) > byte_limit(rules, MediaKind::Snapshot),
            before.recordings - freed(MediaKind::Recording) > byte_limit(rules, MediaKind::Recording),
            before.usable_bytes() + gone.iter().map(|i| i.bytes).sum::<u64>() < rules.min_free.unwrap_or(0),
        ]
    }

    proptest! {
        #[test]
        fn a_plan_is_right(
            items in some_items(), rules in some_rules(),
            unused in 0..300u64, going in 0..300u64, free in 0..300u64,
        ) {
            let sums = RetentionSums { unused, going, ..sums(&items, free) };
            let plan = planned(&rules, &sums, &items);
            let gone: Vec<&Item> = plan.goes.iter().map(|(item, _)| item).collect();
            // Never protected, never open, each once, oldest first.
            prop_assert!(gone.iter().all(|i| !i.is_kept && !i.is_open));
            prop_assert!(gone.windows(2).all(|w| (w[0].added_us, w[0].id) < (w[1].added_us, w[1].id)));
            // Exactly the items that are too old go by age.
            for item in items.iter().filter(|i| !i.is_kept && !i.is_open) {
                let reason = plan.goes.iter().find(|(gone, _)| gone.id == item.id).map(|(_, reason)| *reason);
                prop_assert_eq!(
                    is_too_old(&rules, item.kind, item, now()),
                    reason == Some(RetentionReason::Age)
                );
            }
            // Oldest first for each rule: what stays is younger than the newest that the rule deletes.
            for (reason, kinds) in [
                (RetentionReason::Bytes, &[MediaKind::Snapshot][..]),
                (RetentionReason::Bytes, &[MediaKind::Recording][..]),
                (RetentionReason::Free, &[MediaKind::Snapshot, MediaKind::Recording][..]),
            ] {
                let last = plan.goes.iter().rfind(|(i, r)| *r == reason && kinds.contains(&i.kind));
                let Some((last, _)) = last else { continue };
                for item in items.iter().filter(|i| kinds.contains(&i.kind) && !i.is_kept && !i.is_open) {
                    let stays = !gone.iter().any(|g| g.id == item.id);
                    prop_assert!(!stays || (item.added_us, item.id) > (last.added_us, last.id));
                }
                // Minimal: without the last deletion the rule is broken. Deletions for room come after the other
                // rules.
                let without: Vec<&Item> = plan
                    .goes
                    .iter()
                    .filter(|(i, r)| i.id != last.id && (*r != RetentionReason::Free || *r == reason))
                    .map(|(i, _)| i)
                    .collect();
                prop_assert!(last.bytes == 0 || broken(&rules, &sums, &without).contains(&true));
            }
            // All rules are met. Otherwise the plan says so, and nothing more could be deleted.
            let is_broken = broken(&rules, &sums, &gone);
            prop_assert_eq!(is_broken.contains(&true), plan.unmet.is_some());
            for (kinds, is_broken) in [
                (&[MediaKind::Snapshot][..], is_broken[0]),
                (&[MediaKind::Recording][..], is_broken[1]),
                (&[MediaKind::Snapshot, MediaKind::Recording][..], is_broken[2]),
            ] {
                let left = items.iter().any(|i| {
                    kinds.contains(&i.kind) && !i.is_kept && !i.is_open && !gone.iter().any(|g| g.id == i.id)
                });
                prop_assert!(!is_broken || !left);
            }
        }
    }
}
