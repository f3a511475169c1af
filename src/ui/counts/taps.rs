//! The page on which somebody taps what crosses a line. `player.js` takes the taps and sends them; the page shows
//! nothing that was counted.

use std::fmt::Write;

use crate::ui::counts::checks::{self, option};
use crate::ui::escape::Text;
use crate::ui::facts::{Head, LocalClock, RefusalReason};
use crate::ui::form::{field, form_to};
use crate::ui::format::{capital, to_zoned};
use crate::ui::frame::{PageFrame, Tab, refusal_html};
use crate::ui::lines::draw;
use tallycam_store::LineRow;
use tallycam_store::media::Item;

/// Data of the page for tapping.
#[derive(Debug, Clone, PartialEq)]
pub struct TapsPage {
    pub head: Head,
    pub clock: LocalClock,
    pub line: LineRow,
    pub minutes: u64,
    /// The recording to watch, and where it starts, in microseconds; else the live picture.
    pub item: Option<(Item, u64)>,
    /// Why a check of the recording would be refused.
    pub useless: Option<String>,
    /// Width and height of the live picture, once they are known.
    pub size: Option<(u32, u32)>,
    pub is_counts_only: bool,
    /// A recording can be started now.
    pub can_record: bool,
    pub refused: Option<RefusalReason>,
}

/// Attributes of a page that plays a recording, and the parts that `player.js` needs.
fn played(recording: &Item, at_us: u64, here: &str, clock: &LocalClock) -> (String, String) {
    let attributes = format!(
        " data-item=\"{id}\" data-id=\"{id}\" data-began=\"{}\" data-duration=\"{}\" data-frames=\"{}\" \
             data-here=\"{}\" data-offset=\"{}\"",
        recording.at_us,
        recording.duration_us,
        recording.frames,
        Text(here),
        to_zoned(recording.at_us, &clock.zone).offset().seconds(),
        id = recording.id,
    );
    let deck = format!(
        include_str!("check_deck.html"),
        last = recording.duration_us as f64 / 1e6,
        at = at_us as f64 / 1e6,
        speeds = ["1", "2", "4"].map(|speed| option(speed, &format!("{speed}×"), speed == "1")).concat(),
    );
    (attributes, deck)
}

/// The page for tapping as HTML, at `check?line=…`.
pub fn taps_page(page: &TapsPage) -> String {
    let (line, minutes) = (&page.line, page.minutes);
    let mut here = format!("check?line={}&minutes={minutes}", line.id);
    let scripts = ["page.js", "head.js", "player.js"];
    let (mut item, mut deck, mut record) = (String::new(), String::new(), String::new());
    // A recording that is shorter is watched to its end.
    let length_us =
        page.item.as_ref().map_or(u64::MAX, |(item, _)| item.duration_us).min(minutes * 60_000_000);
    let size = page.item.as_ref().map(|(item, _)| (item.width, item.height)).or(page.size);
    let size = size.unwrap_or((640, 360));
    let (wide, high) = draw::view_box(size);
    let drawn = format!(
        "<svg class=\"ov still\" viewBox=\"0 0 {wide} {high}\" aria-hidden=\"true\">{}</svg>",
        draw::all(std::slice::from_ref(line), &[], size)
    );
    let screen = match &page.item {
        Some((recording, at_us)) => {
            let _ = write!(here, "&item={}", recording.id);
            (item, deck) = played(recording, *at_us, &here, &page.clock);
            format!(
                "<canvas id=\"screen\" width=\"{}\" height=\"{}\" role=\"img\" aria-label=\"The recording\"></canvas>\
                 {drawn}",
                recording.width.max(16),
                recording.height.max(9)
            )
        }
        None if page.is_counts_only => {
            "<p class=\"muted\">Privacy mode shows no picture: watch the place itself.</p>".into()
        }
        None => format!(
            "<img src=\"stream\" width=\"{}\" height=\"{}\" alt=\"The live picture\">{drawn}",
            size.0, size.1
        ),
    };
    let useless = page.useless.as_ref().map_or_else(String::new, |why| {
        format!(
            "<p class=\"bad\">A check of it would be refused: {}. <code>tallycam counts recount</code> counts a \
             recording again.</p>",
            Text(why)
        )
    });
    if page.can_record && page.item.is_none() {
        record = form_to("post", "api/v1/recordings", &here, " class=\"row\"")
            + &field("name", &format!("Check of {}", line.draft.name))
            + &field("duration", &format!("{}m", minutes + 5))
            + "<button class=\"btn\">Record meanwhile</button><span class=\"small muted\">Then missed crossings have a \
               clip.</span></form>";
    }
    let main = format!(
        include_str!("check_taps.html"),
        line = line.id,
        minutes = length_us as f64 / 6e7,
        item = item,
        screen = screen,
        deck = deck,
        now = page.clock.now_us as f64 / 1e3,
        what = format_args!(
            "{}, {}",
            if page.item.is_some() { "A recording" } else { "Live" },
            checks::minutes(length_us)
        ),
        space = if page.item.is_some() {
            "plays it. Going back takes back the taps from there on"
        } else {
            "pauses"
        },
        name = Text(&line.draft.name),
        pause = match page.item {
            Some(_) => "",
            None =>
                " <button class=\"btn main\" id=\"pause\" type=\"button\" aria-keyshortcuts=\"Space\">Begin</button>",
        },
        in_name = Text(&capital(&line.draft.in_name)),
        out_name = Text(&capital(&line.draft.out_name)),
        refused = page.refused.as_ref().map(refusal_html).unwrap_or_default() + &useless,
        record = record,
    );
    PageFrame::new(&page.head, Tab::Counts, "Check", &scripts).render(&main)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures::checks;

    #[test]
    fn who_taps_sees_nothing_that_was_counted() {
        for is_recorded in [false, true] {
            let html = taps_page(&checks::taps(is_recorded));
            for told in ["annotated", "overlay.js", "tallies", "api/v1/crossings", "class=\"mi\""] {
                assert!(!html.contains(told), "{told} in {html}");
            }
            assert_eq!(html.contains("id=\"screen\""), is_recorded);
            assert_eq!(html.contains("Record meanwhile"), !is_recorded);
        }
        let only = TapsPage { is_counts_only: true, can_record: false, ..checks::taps(false) };
        assert!(!taps_page(&only).contains("src=\"stream\""));
    }
}
