//! What the live page has for keeping pictures: the buttons under the picture, the newest that is kept, and what is
//! wrong with the disk.

use crate::store::media::{Item, Recorded};
use crate::ui::escape::Text;
use crate::ui::facts::LocalClock;
use crate::ui::form;
use crate::ui::frame::hidden_attribute;
use crate::ui::media::LAPSES;
use crate::ui::media::storage_view::grid_item;

/// What the live page shows of what is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRecording {
    /// The clock on the wall.
    pub clock: LocalClock,
    /// What is being recorded.
    pub now: Option<Recorded>,
    /// The newest that is kept, newest first.
    pub newest: Vec<Item>,
    /// What came of the last request, in a sentence; empty when nothing is to be said.
    pub said: String,
    /// The number of what was just stored.
    pub stored: Option<u64>,
}

/// The page that says what was stored.
const STORED: &str = "./?stored={id}";

/// So many of the newest are shown.
const MOST: usize = 6;

/// Snapshot and Record; `can_take`: the camera gives pictures; `is_second`: something else is the main thing to do.
pub(in crate::ui) fn action_buttons(recording: &LiveRecording, can_take: bool, is_second: bool) -> String {
    let (action, next, word, figures) = match &recording.now {
        Some(now) => ("recording/stop", STORED, "Stop recording", now.length_and_size()),
        None => ("recordings", "./", "Record", String::new()),
    };
    format!(
        "<form method=\"post\" action=\"api/v1/snapshots\" id=\"keep\"{hidden}>{stored}<button \
         class=\"btn{main}\">Snapshot</button></form>\
         <form method=\"post\" action=\"api/v1/{action}\" id=\"record\"{record_hidden}>{next}<button class=\"btn rec\" \
         id=\"record-button\"><span class=\"dot rec\" aria-hidden=\"true\"></span><span \
         id=\"record-word\">{word}</span> \
         <span class=\"num\" id=\"record-figures\">{figures}</span></button><details \
         id=\"lapses\"{lapses_hidden}><summary \
         class=\"btn\" aria-label=\"What to record\">▾</summary><div class=\"popped\"><label \
         class=\"field\"><span>What to \
         record</span>{LAPSES}</label></div></details></form>",
        lapses_hidden = hidden_attribute(recording.now.is_some()),
        stored = form::hidden("post", STORED),
        next = form::hidden("post", next),
        hidden = hidden_attribute(!can_take),
        main = if is_second { "" } else { " main" },
        record_hidden = hidden_attribute(!can_take && recording.now.is_none()),
    )
}

/// What came of the last request, at its button: a refusal, or what was stored, with a way there. `recording.js` says
/// the same.
pub(in crate::ui) fn said(recording: &LiveRecording) -> String {
    let stored = recording.stored.and_then(|id| recording.newest.iter().find(|row| row.id == id));
    stored.map_or_else(
        || Text(&recording.said).to_string(),
        |row| {
            format!(
                "<a href=\"player?id={id}\"><img src=\"api/v1/media/{id}/thumbnail.jpg\" alt=\"\">Saved as {name}</a>",
                id = row.id,
                name = Text(&row.name)
            )
        },
    )
}

/// The newest that is kept.
pub(in crate::ui) fn newest(recording: &LiveRecording) -> String {
    let items: String =
        recording.newest.iter().take(MOST).map(|row| grid_item(row, &recording.clock, None)).collect();
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
    fn what_is_recorded_stands_in_its_button() {
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
    fn without_a_picture_nothing_is_begun_but_what_runs_can_be_ended() {
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
    fn the_newest_lead_to_the_player_and_nothing_is_said_to_be_there_that_is_not() {
        let html = page(|_| ());
        let newest = html.split("id=\"newest\"").nth(1).unwrap();
        assert_eq!(newest.matches("<a href=\"player?id=").count(), MOST);
        assert!(html.contains("id=\"kept-none\" hidden"));
        let html = page(|page| page.recording.as_mut().unwrap().newest.clear());
        assert!(html.contains("id=\"kept-none\">No snapshots or recordings yet."));
    }

    #[test]
    fn what_was_stored_is_said_at_the_button_with_a_way_there() {
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
    fn figures_only_keep_nothing() {
        let html = page(|page| page.is_counts_only = true);
        assert!(
            !html.contains("recordings?")
                && !html.contains("recording.js")
                && !html.contains("thumbnail.jpg")
        );
    }
}
