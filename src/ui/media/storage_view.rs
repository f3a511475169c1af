//! Stored media as the pages show them: items, disk space, the recording in progress, and their shared words.
//!
//! Plain data; callers fill it. Times are in microseconds since 1970, sizes in bytes, texts unescaped.

use std::fmt::Write;

use crate::ui::MediaAsk;
use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::LocalClock;
use crate::ui::format::{
    as_sentence, capital, format_count, format_duration, format_thousands, format_time_in_recording,
    format_when, size, to_zoned,
};
use tallycam_store::media::{Item, MediaOrigin, Recorded, Storage};

/// A stored item in words.
pub(in crate::ui) trait ItemWords {
    /// The name in a grid. A name of date and time is replaced by the kind, because the grid shows both anyway.
    fn display_name(&self) -> String;

    /// The line under its thumbnail: "13:47, 27 MB, protected".
    fn line(&self, clock: &LocalClock) -> String;
}

impl ItemWords for Item {
    fn display_name(&self) -> String {
        let shape: String =
            self.name.chars().take(19).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        if shape == "0000-00-00_00-00-00" { capital(self.kind.as_str()) } else { self.name.clone() }
    }

    fn line(&self, clock: &LocalClock) -> String {
        let at = to_zoned(self.at_us, &clock.zone);
        let mut words = format!("{:02}:{:02}, {}", at.hour(), at.minute(), size(self.bytes));
        match self.origin {
            MediaOrigin::Crossing => words.push_str(", at a crossing"),
            MediaOrigin::TimeLapse => words.push_str(", time-lapse"),
            MediaOrigin::Import => words.push_str(", imported"),
            MediaOrigin::Asked => {}
        }
        if self.is_open {
            words.push_str(", recording now");
        }
        if self.is_kept {
            words.push_str(", protected");
        }
        words
    }
}

/// Disk space in words.
pub(in crate::ui) trait StorageWords {
    /// Bytes of the file system that media use.
    fn used_bytes(&self) -> u64;

    /// The number of all items.
    fn item_count(&self) -> u64;

    /// The bar of disk space with its words and a link to the page Database. Media are dark, other use of the disk is
    /// lighter.
    fn usage_bar(&self, link: &str) -> String;

    /// As in "8.1 GB free, 41 days left at this rate".
    fn describe_left(&self) -> String;

    /// As in "41 days left at this rate".
    fn describe_days_left(&self) -> Option<String>;
}

impl StorageWords for Storage {
    fn used_bytes(&self) -> u64 {
        self.file_bytes + self.aside.iter().map(|file| file.bytes).sum::<u64>()
    }

    fn item_count(&self) -> u64 {
        self.snapshots.0 + self.recordings.0
    }

    fn usage_bar(&self, link: &str) -> String {
        let total = self.total_bytes.max(1) as f64;
        let used = self.total_bytes.saturating_sub(self.free_bytes) as f64 / total * 100.0;
        let own = self.used_bytes() as f64 / total * 100.0;
        format!(
            "<div class=\"gauge\"><svg role=\"img\" aria-label=\"{label}\"><rect class=\"x\" width=\"{used:.2}%\" \
             height=\"8\"/><rect class=\"u\" width=\"{own:.2}%\" height=\"8\"/></svg>\
             <p class=\"small muted\"><b class=\"num\">{own_bytes}</b> here. Disk: {total_bytes}, \
             {left}.{link}</p></div>",
            label = Text(&format!(
                "{} of {} used by media; {} free",
                size(self.used_bytes()),
                size(self.total_bytes),
                size(self.free_bytes)
            )),
            own = own.min(100.0),
            used = used.min(100.0),
            own_bytes = size(self.used_bytes()),
            total_bytes = size(self.total_bytes),
            left = self.describe_left(),
        )
    }

    fn describe_left(&self) -> String {
        let free = format!("{} free", size(self.free_bytes));
        match self.describe_days_left() {
            Some(lasts) => format!("{free}, {lasts}"),
            None => free,
        }
    }

    fn describe_days_left(&self) -> Option<String> {
        match (self.days_left, self.bytes_a_day) {
            (Some(days), _) => Some(format!("{} left at this rate", format_days(days))),
            (None, Some(rate)) if rate >= 1.0 => Some("the oldest make room for the newest".into()),
            _ => None,
        }
    }
}

/// As in "41 days", "7 hours", "3 years".
pub(in crate::ui) fn format_days(days: f64) -> String {
    match days {
        days if days < 0.05 => "less than an hour".into(),
        days if days < 2.0 => format_count((days * 24.0).round() as u64, "hour"),
        days if days < 730.0 => format_count(days.floor() as u64, "day"),
        days if days < 36_500.0 => format!("{:.0} years", (days / 365.25).floor()),
        _ => "more than a lifetime".into(),
    }
}

/// The recording in progress in words.
pub(in crate::ui) trait RecordedWords {
    /// Length and size, in the button and beside it: "2:14, 41 MB". `page.js` formats alike.
    fn length_and_size(&self) -> String;

    /// As in "since 14:02, one frame every 1 min, 134 frames, 2 gaps".
    fn describe_progress(&self, clock: &LocalClock) -> String;
}

impl RecordedWords for Recorded {
    fn length_and_size(&self) -> String {
        format!("{}, {}", format_time_in_recording(self.duration_us), size(self.bytes))
    }

    fn describe_progress(&self, clock: &LocalClock) -> String {
        let since = format_when(&to_zoned(self.began_us, &clock.zone), &to_zoned(clock.now_us, &clock.zone));
        let mut words = format!("since {since}");
        match (self.every, self.origin) {
            (Some(every), _) => {
                let every_us = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
                let _ = write!(words, ", one frame every {}", format_duration(every_us));
            }
            (None, MediaOrigin::Crossing) => words.push_str(", started by a crossing"),
            _ => {}
        }
        let _ = write!(words, ", {}", format_count(self.frames, "frame"));
        if self.gaps > 0 {
            let _ = write!(words, ", {}", format_count(self.gaps, "gap"));
        }
        words
    }
}

/// The part of storing that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotKept {
    /// Nothing can be stored: the database cannot be used.
    Anything,
    /// The running recording has a gap; it continues automatically.
    Recording,
}

/// The reason why storing fails, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageFault {
    pub what: NotKept,
    /// The reason, in a sentence.
    pub reason: String,
    /// The remedy; may be empty.
    pub hint: String,
}

impl StorageFault {
    /// The words before the reason.
    pub(in crate::ui) fn head(&self) -> &'static str {
        match self.what {
            NotKept::Anything => "Nothing can be stored now.",
            NotKept::Recording => "The recording has a gap now.",
        }
    }

    pub(in crate::ui) fn banner(&self) -> String {
        format!(
            "<div class=\"banner trouble\" role=\"alert\"><p><b>{}</b> {} {} Streaming and counting go on.</p></div>",
            self.head(),
            MarkedText(&as_sentence(&self.reason)),
            MarkedText(&as_sentence(&self.hint)),
        )
    }
}

/// An item in a grid; `more` is HTML at its end.
pub(in crate::ui) fn grid_item(row: &Item, clock: &LocalClock, more: &str) -> String {
    item_among(row, clock, &MediaAsk::default(), None, more)
}

/// An item in a grid, with a link to the player among the items of `ask`. `current` is the one that is played; `more`
/// is HTML at its end.
pub(in crate::ui) fn item_among(
    row: &Item,
    clock: &LocalClock,
    ask: &MediaAsk,
    current: Option<u64>,
    more: &str,
) -> String {
    let length = if row.is_recording() {
        format!("<span class=\"len\">{}</span>", format_time_in_recording(row.duration_us))
    } else {
        String::new()
    };
    let note = if row.note.is_empty() {
        String::new()
    } else {
        format!("<small class=\"note\">{}</small>", Text(&row.note))
    };
    format!(
        "<li class=\"item\" id=\"m{id}\" data-bytes=\"{bytes}\"{kept}><a \
         href=\"{player}\"{here}>{picture}{length}<b \
         title=\"{full}\">{name}</b><small>{line}</small>{note}</a>{more}</li>",
        id = row.id,
        player = Text(&ask.player(row.id)),
        here = if current == Some(row.id) { " aria-current=\"true\"" } else { "" },
        bytes = row.bytes,
        kept = if row.is_kept { " data-kept" } else { "" },
        picture = thumbnail(row),
        full = Text(&row.name),
        name = Text(&row.display_name()),
        line = Text(&row.line(clock)),
    )
}

/// The thumbnail; a dark field for a recording that has no frame on the disk yet.
fn thumbnail(row: &Item) -> String {
    if row.is_open && row.frames == 0 {
        return "<span class=\"none\"></span>".into();
    }
    format!(
        "<img src=\"api/v1/media/{}/thumbnail.jpg{}\" width=\"320\" height=\"{}\" alt=\"\" loading=\"lazy\">",
        row.id,
        // A running recording has no final thumbnail yet: another URL keeps it out of the final one's cache.
        if row.is_open { "?_=open" } else { "" },
        // Reserves the space of its shape before it has loaded.
        (u64::from(row.height) * 320 / u64::from(row.width.max(1))).clamp(80, 640),
    )
}

/// The question before items are deleted: "Delete 2 recordings and 1 snapshot, 139 MB?"
pub(in crate::ui) fn delete_prompt(rows: &[Item]) -> String {
    let count = |is_recording| rows.iter().filter(|row| row.is_recording() == is_recording).count() as u64;
    let parts: Vec<String> = [(count(true), "recording"), (count(false), "snapshot")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format_count(count, kind))
        .collect();
    format!("Delete {}, {}?", parts.join(" and "), size(rows.iter().map(|row| row.bytes).sum()))
}

/// As in "7 236 frames, 960 × 720"; a snapshot has only the size.
pub(in crate::ui) fn pictures(row: &Item) -> String {
    let pixels = format!("{} × {}", row.width, row.height);
    if row.is_recording() { format!("{}, {pixels}", format_count(row.frames, "frame")) } else { pixels }
}

/// The frame rate of a recording in words; empty if unknown.
pub(in crate::ui) fn format_frame_rate(row: &Item) -> String {
    if row.frames < 2 || row.duration_us == 0 {
        return String::new();
    }
    let fps = row.frames as f64 * 1e6 / row.duration_us as f64;
    if fps >= 0.5 {
        format!(", {fps:.1} fps")
    } else {
        format!(", one every {}", format_duration((1e6 / fps) as u64))
    }
}

/// The number of gaps as a sentence; empty if there are none.
pub(in crate::ui) fn gaps(row: &Item) -> String {
    match row.gaps {
        0 => String::new(),
        1 => "Dropped frames at 1 place.".into(),
        n => format!("Dropped frames at {} places.", format_thousands(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures::media::{media_room, rows};

    #[test]
    fn a_name_of_date_and_time_is_shown_as_its_kind() {
        let mut row = rows().swap_remove(0);
        for (name, shown) in [
            ("2026-11-12_13-47-02.mp4", "Recording"),
            ("2026-11-12_13-47-02-2.mp4", "Recording"),
            ("2026-11-12.mp4", "2026-11-12.mp4"),
            ("Tür", "Tür"),
            ("", ""),
        ] {
            row.name = name.into();
            assert_eq!(row.display_name(), shown);
        }
    }

    #[test]
    fn a_recording_without_frames_loads_no_thumbnail() {
        let now = Item { is_open: true, frames: 0, ..rows().swap_remove(0) };
        assert!(!thumbnail(&now).contains("src="));
        assert!(thumbnail(&Item { frames: 9, ..now }).contains("thumbnail.jpg?_=open"));
    }

    #[test]
    fn days_are_shown_as_exactly_as_they_are_known() {
        for (days, words) in [
            (0.01, "less than an hour"),
            (0.5, "12 hours"),
            (1.99, "48 hours"),
            (41.9, "41 days"),
            (800.0, "2 years"),
            (1e9, "more than a lifetime"),
        ] {
            assert_eq!(format_days(days), words);
        }
    }

    #[test]
    fn the_gauge_shows_only_known_values_and_at_most_all() {
        let html = Storage { file_bytes: u64::MAX / 4, total_bytes: 10, ..media_room() }.usage_bar("");
        assert!(html.contains("class=\"u\" width=\"100.00%\""), "{html}");
        let html = Storage { days_left: None, ..media_room() }.usage_bar("");
        assert!(html.contains("the oldest make room for the newest"));
        let html = Storage { days_left: None, bytes_a_day: None, ..media_room() }.usage_bar("");
        assert!(html.contains("7.2 GB free.</p>"), "{html}");
        assert!(!Storage::default().usage_bar("").contains("NaN"));
    }
}
