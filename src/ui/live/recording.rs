//! Recording on the live page: the buttons under the picture, the newest items, and faults of the disk.

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::LocalClock;
use crate::ui::form;
use crate::ui::format::{format_time_in_recording, size};
use crate::ui::frame::hidden_attribute;
use crate::ui::media::storage_view::{RecordedWords as _, grid_item};
use tallycam_store::media::{Item, Recorded};

/// Data of recording on the live page.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRecording {
    pub clock: LocalClock,
    /// The recording in progress.
    pub now: Option<Recorded>,
    /// The newest items, newest first.
    pub newest: Vec<Item>,
    /// The result of the last request, in a sentence; may be empty.
    pub said: String,
    /// The number of the item that was just stored.
    pub stored: Option<u64>,
}

/// The page with the message that an item was stored.
const STORED: &str = "./?stored={id}";

/// The parts of the page that change with the stored items.
const PARTS: &str = "keep record kept-said newest kept-none";

/// Number of the newest items that are shown: one row.
const MOST: usize = 3;

/// The choices, which start at once: the time between two frames, and the words of the button.
const LAPSES: [[&str; 2]; 5] = [
    ["", "Video"],
    ["1s", "Time-lapse, every second"],
    ["10s", "Time-lapse, every 10 s"],
    ["1m", "Time-lapse, every minute"],
    ["5m", "Time-lapse, every 5 minutes"],
];

/// Snapshot and Record. `can_take`: the camera gives pictures. `is_second`: another button is the main one.
pub(in crate::ui) fn action_buttons(recording: &LiveRecording, can_take: bool, is_second: bool) -> String {
    let (action, next, word, figures) = match &recording.now {
        Some(now) => ("recording/stop", STORED, "Stop recording", now.length_and_size()),
        None => ("recordings", "./", "Record", String::new()),
    };
    format!(
        "<form method=\"post\" data-swap=\"{PARTS}\" action=\"api/v1/snapshots\" \
         id=\"keep\"{hidden}>{stored}<button \
         class=\"btn{main}\">Snapshot</button></form>\
         <form method=\"post\" data-swap=\"{PARTS}\" action=\"api/v1/{action}\" id=\"record\"{record_hidden}>{next}\
         <button class=\"btn rec\" id=\"record-button\"><span class=\"dot rec\" aria-hidden=\"true\"></span><span \
         id=\"record-word\">{word}</span> \
         <span class=\"num\" id=\"record-figures\">{figures}</span></button><details \
         id=\"lapses\"{lapses_hidden}><summary class=\"btn\" aria-label=\"Record a time-lapse\">▾</summary><div \
         class=\"popped menu\">{lapses}</div></details></form>",
        lapses = LAPSES
            .map(|[every, words]| format!("<button name=\"every\" value=\"{every}\">{words}</button>"))
            .concat(),
        lapses_hidden = hidden_attribute(recording.now.is_some()),
        stored = form::hidden("post", STORED),
        next = form::hidden("post", next),
        hidden = hidden_attribute(!can_take),
        main = if is_second { "" } else { " main" },
        record_hidden = hidden_attribute(!can_take && recording.now.is_none()),
    )
}

/// The result of the last request beside its button: a refusal, or a link to the stored item.
pub(in crate::ui) fn said(recording: &LiveRecording) -> String {
    let Some(row) = recording.stored.and_then(|id| recording.newest.iter().find(|row| row.id == id)) else {
        return MarkedText(&recording.said).to_string();
    };
    let length = match row.is_recording() {
        true => format!(": {}, {}", format_time_in_recording(row.duration_us), size(row.bytes)),
        false => String::new(),
    };
    format!(
        "<a href=\"player?id={id}\"><img src=\"api/v1/media/{id}/thumbnail.jpg\" alt=\"\">Saved as {name}{length}</a>",
        id = row.id,
        name = Text(&row.name)
    )
}

/// The section of the newest items.
pub(in crate::ui) fn newest(recording: &LiveRecording) -> String {
    let items: String =
        recording.newest.iter().take(MOST).map(|row| grid_item(row, &recording.clock, "")).collect();
    format!(
        "<section id=\"kept\" aria-labelledby=\"kept-head\"><header><h2 id=\"kept-head\">Newest</h2><a class=\"small\" \
         href=\"media\">Media</a></header><p class=\"small muted\" id=\"kept-none\"{}>{}</p><ul class=\"grid strip\" \
         id=\"newest\">{items}</ul></section>",
        hidden_attribute(!items.is_empty()),
        Text("No snapshots or recordings yet."),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ui::{LivePage, fixtures, live_page};

    fn page(change: impl FnOnce(&mut LivePage)) -> String {
        let mut page = fixtures::live();
        change(&mut page);
        live_page(&page)
    }

    #[test]
    fn the_button_shows_length_and_size_of_the_recording() {
        let html = page(|_| ());
        assert!(html.contains("action=\"api/v1/recording/stop\" id=\"record\"><input"), "{html}");
        assert!(html.contains(
            "<span id=\"record-word\">Stop recording</span> <span class=\"num\" \
            id=\"record-figures\">2:14, 41 MB</span>"
        ));
        let html = page(|page| page.recording.as_mut().unwrap().now = None);
        assert!(html.contains("action=\"api/v1/recordings\" id=\"record\"><input"));
        assert!(html.contains("<span id=\"record-word\">Record</span>"));
    }

    #[test]
    fn a_pause_says_that_it_ends_the_recording() {
        assert!(
            page(|_| ())
                .contains("The stream stops for 3 viewers, the recording ends, and nothing is recorded")
        );
        assert!(!page(|page| page.recording.as_mut().unwrap().now = None).contains("the recording ends"));
    }

    #[test]
    fn without_a_picture_a_recording_can_only_be_stopped() {
        let html = page(|page| page.state = "paused".into());
        assert!(
            html.contains("id=\"keep\" hidden")
                && html.contains("action=\"api/v1/recording/stop\" id=\"record\"><input")
        );
        let html = page(|page| {
            page.state = "unplugged".into();
            page.recording.as_mut().unwrap().now = None;
        });
        assert!(html.contains("id=\"record\" hidden"));
    }

    #[test]
    fn the_newest_items_link_to_the_player() {
        let html = page(|_| ());
        let newest = html.split("id=\"newest\"").nth(1).unwrap();
        assert_eq!(newest.matches("<a href=\"player?id=").count(), MOST);
        assert!(html.contains("id=\"kept-none\" hidden"));
        let html = page(|page| page.recording.as_mut().unwrap().newest.clear());
        assert!(html.contains("id=\"kept-none\">No snapshots or recordings yet."));
    }

    #[test]
    fn a_stored_item_is_linked_beside_the_button() {
        let html = page(|page| {
            let kept = page.recording.as_mut().unwrap();
            kept.stored = Some(kept.newest[0].id);
        });
        let said =
            html.split("id=\"kept-said\" role=\"status\">").nth(1).unwrap().split("</p>").next().unwrap();
        assert!(said.starts_with("<a href=\"player?id=") && said.contains(">Saved as "), "{said}");
        assert!(html.find("id=\"kept-said\"") < html.find("class=\"side\""), "at the button");
        let html = page(|page| page.recording.as_mut().unwrap().said = "the disk is <full>".into());
        assert!(html.contains("role=\"status\">the disk is &lt;full&gt;</p>"), "{html}");
    }

    #[test]
    fn privacy_mode_shows_no_recording() {
        let html = page(|page| page.is_counts_only = true);
        assert!(
            !html.contains("recordings?")
                && !html.contains("id=\"record\"")
                && !html.contains("thumbnail.jpg")
        );
    }
}
