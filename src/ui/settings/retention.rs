//! A preview of the items that the retention rules would delete.

use std::fmt::Write;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::LocalClock;
use crate::ui::format::{format_count, format_long_day, format_when, sentence, size, to_zoned};
use tallycam_store::media::{ClockWait, Item};

/// Most listed items of a preview.
pub const LISTED: usize = 20;

/// The effect of retention rules.
#[derive(Debug, Clone, PartialEq)]
pub struct RetentionPreview {
    pub items: usize,
    pub bytes: u64,
    /// Times of the oldest and the newest of them, in microseconds since 1970.
    pub span_us: Option<(u64, u64)>,
    /// The oldest of them, at most [`LISTED`], and the reason: `age`, `bytes` or `free`.
    pub goes: Vec<(Item, &'static str)>,
    /// Why the rules cannot be met even then.
    pub unmet: Option<String>,
    /// The reason why items that are too old are not deleted yet.
    pub waits: Option<ClockWait>,
    pub clock: LocalClock,
}

/// The time at which items that are too old are deleted: "Deletion by age starts when …".
pub(super) fn wait_in_words(wait: ClockWait, clock: &LocalClock) -> String {
    match wait {
        ClockWait::Until(us) => {
            let latest = format_when(&to_zoned(us, &clock.zone), &to_zoned(clock.now_us, &clock.zone));
            format!("Deletion by age starts when the clock is set, or at {latest}.")
        }
        ClockWait::Unset => "Deletion by age starts when the clock is set.".into(),
    }
}

impl RetentionPreview {
    /// As in "This deletes 2 items, 39 MB, from 1 October to 2 October.", with the time if it is later.
    pub fn in_words(&self) -> String {
        let day = |us| format_long_day(&to_zoned(us, &self.clock.zone));
        let when = match self.span_us.map(|(first, last)| (day(first), day(last))) {
            Some((first, last)) if first == last => format!(" of {first}"),
            Some((first, last)) => format!(" from {first} to {last}"),
            None => String::new(),
        };
        let waits =
            self.waits.map(|wait| format!(" {}", wait_in_words(wait, &self.clock))).unwrap_or_default();
        format!(
            "This deletes {}, {},{when}.{waits}",
            format_count(self.items as u64, "item"),
            size(self.bytes)
        )
    }
}

/// The items that the rules delete, and the reasons.
pub(super) fn preview(plan: &RetentionPreview) -> String {
    let mut html = String::from("<div role=\"status\">");
    if plan.items == 0 {
        html.push_str("<p>By these rules nothing is deleted.</p>");
    } else {
        let clock = &plan.clock;
        let _ = write!(
            html,
            "<p><b>{}</b></p><div class=\"scroll\"><table><thead><tr><th class=\"l\">Name</th><th \
             class=\"l\">Taken</th>\
             <th>Size</th><th class=\"l\">Why</th></tr></thead><tbody>",
            plan.in_words(),
        );
        let now = to_zoned(clock.now_us, &clock.zone);
        for (row, why) in &plan.goes {
            let _ = write!(
                html,
                "<tr><th scope=\"row\" class=\"l\"><a href=\"player?id={}\">{}</a></th><td \
                 class=\"l\">{}</td><td>{}</td><td class=\"l\">{}</td></tr>",
                row.id,
                Text(&row.name),
                format_when(&to_zoned(row.at_us, &clock.zone), &now),
                size(row.bytes),
                match *why {
                    "age" => "too old",
                    "bytes" => "too much of its kind",
                    _ => "too little room",
                },
            );
        }
        html.push_str("</tbody></table></div>");
        let more = plan.items.saturating_sub(plan.goes.len());
        if more > 0 {
            let _ = write!(html, "<p class=\"small muted\">and {more} more</p>");
        }
    }
    if let Some(unmet) = &plan.unmet {
        let _ = write!(html, "<p class=\"bad\">{}</p>", MarkedText(&sentence(unmet)));
    }
    html.push_str("</div>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures::controls;

    #[test]
    fn deletions_are_summed_up_and_listed_with_their_reasons() {
        let plan = controls::plan();
        assert_eq!(
            plan.in_words(),
            "This deletes 2 items, 39 MB, from Thursday 1 October to Friday 2 October."
        );
        let until = plan.clock.now_us + 1_800_000_000;
        let waiting = |waits| RetentionPreview { waits: Some(waits), ..plan.clone() }.in_words();
        let said = waiting(ClockWait::Until(until));
        assert!(
            said.contains(" Deletion by age starts when the clock is set, or at ")
                && said.ends_with(&format!(
                    "{}.",
                    format_when(
                        &to_zoned(until, &plan.clock.zone),
                        &to_zoned(plan.clock.now_us, &plan.clock.zone)
                    )
                )),
            "{said}"
        );
        assert!(waiting(ClockWait::Unset).ends_with("starts when the clock is set."));
        let html = preview(&plan);
        assert!(html.contains("too much of its kind") && html.contains("player?id=17"), "{html}");
        let html =
            preview(&RetentionPreview { items: 0, unmet: Some("all that is left is kept".into()), ..plan });
        assert!(html.contains("By these rules nothing is deleted."));
        assert!(html.contains("<p class=\"bad\">all that is left is kept.</p>"));
    }
}
