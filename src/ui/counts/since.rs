//! Names of today's sums after a reset, for the pages Live and Counts.

use crate::ui::facts::LocalClock;
use crate::ui::format::{format_thousands, format_when, minute, to_zoned};
use tallycam_store::TallyRow;

/// The name of the sums of these lines if some were reset since the day began at `day_us`: "Since 14:00", or "Today,
/// Door since 14:00".
pub(in crate::ui) fn reset_name(tallies: &[&TallyRow], day_us: u64, clock: &LocalClock) -> Option<String> {
    let reset: Vec<&&TallyRow> = tallies.iter().filter(|tally| tally.since_us > day_us).collect();
    let last_us = reset.iter().map(|tally| tally.since_us).max()?;
    let is_at_once = reset.iter().all(|tally| tally.since_us == last_us);
    let time = minute(&to_zoned(last_us, &clock.zone));
    Some(match reset.as_slice() {
        all if all.len() == tallies.len() && is_at_once => format!("Since {time}"),
        [one] => format!("Today, {} since {time}", one.line),
        some if is_at_once => format!("Today, {} lines since {time}", some.len()),
        some => format!("Today, {} lines since they were set to zero", some.len()),
    })
}

/// In and out of these lines together.
pub(in crate::ui) fn tally_sums(tallies: &[&TallyRow]) -> (u64, u64) {
    tallies.iter().fold((0, 0), |sum, tally| (sum.0 + tally.count_in, sum.1 + tally.count_out))
}

/// How the number inside comes about: "since 00:00", "since 00:00, 14 corrected".
pub(in crate::ui) fn inside_in_words(tallies: &[&TallyRow], clock: &LocalClock) -> String {
    let since_us = tallies.iter().map(|tally| tally.inside_since_us).max().unwrap_or_default();
    let since = format_when(&to_zoned(since_us, &clock.zone), &to_zoned(clock.now_us, &clock.zone));
    match tallies.iter().map(|tally| tally.corrected).sum() {
        0 => format!("since {since}"),
        corrected => format!("since {since}, {} corrected", format_thousands(corrected)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn sums_are_named_after_their_reset() {
        let counting = fixtures::live().counting.unwrap();
        let (day_us, hour) = (counting.hours[0].start_us, 3_600_000_000);
        let name = |hours: &[u64]| {
            let mut rows = counting.tallies.clone();
            rows.truncate(hours.len());
            rows.iter_mut().zip(hours).for_each(|(row, at)| row.since_us = day_us + at * hour);
            reset_name(&rows.iter().collect::<Vec<_>>(), day_us, &counting.clock)
        };
        let first = &counting.tallies[0].line;
        assert_eq!(name(&[0, 0]), None);
        assert_eq!(name(&[2, 2]).unwrap(), "Since 02:00");
        assert_eq!(name(&[2, 0]).unwrap(), format!("Today, {first} since 02:00"));
        assert_eq!(name(&[2, 3]).unwrap(), "Today, 2 lines since they were set to zero");
    }
}
