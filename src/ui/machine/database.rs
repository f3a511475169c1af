//! The page Database: the file of media, its maintenance, and files that were set aside.

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::{Head, LocalClock, Reader, RefusalReason};
use crate::ui::form::{field, form_to, lock};
use crate::ui::format::{format_count, format_when, sentence, size, to_zoned};
use crate::ui::frame::{PageFrame, Tab, hidden_attribute, refusal_html};
use crate::ui::media::storage_view::{StorageFault, StorageWords as _};
use tallycam_store::media::{CheckReport, Storage};

/// Data of the page Database.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabasePage {
    pub head: Head,
    pub clock: LocalClock,
    /// The path of the file; empty if unknown.
    pub file: String,
    /// The disk space; `None` if unknown.
    pub room: Option<Storage>,
    /// The result of a check.
    pub checked: Option<CheckReport>,
    /// The result of the last action, in a sentence.
    pub done: Option<String>,
    /// The reason why storing fails, wholly or in part.
    pub trouble: Option<StorageFault>,
    /// `privacy.counts_only` is on: nothing is stored.
    pub is_counts_only: bool,
    /// The refusal of the last request.
    pub refused: Option<RefusalReason>,
}

/// The page as HTML, at `database`.
///
/// It posts `database?do=` `check` (with `repair=1`), `vacuum` (with `wipe=1`), `new` and `aside` (`name`).
/// `database.js` sends files to `api/v1/media`.
pub fn database_page(page: &DatabasePage) -> String {
    let room = page.room.as_ref();
    let [lock_care, unlock_care] = lock(page.head.reader, Reader::Admin);
    let [lock_upload, unlock_upload] = lock(page.head.reader, Reader::Operator);
    let main = format!(
        include_str!("database.html"),
        refused = page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        trouble = page.trouble.as_ref().map(StorageFault::banner).unwrap_or_default(),
        done = page.done.as_ref().map(|done| done_banner(done)).unwrap_or_default(),
        only = if page.is_counts_only {
            "<div class=\"banner\"><p><b>Privacy mode.</b> This camera counts. No image is stored or shown.</p></div>"
        } else {
            ""
        },
        gauge = room.map(|room| room.usage_bar("")).unwrap_or_default(),
        facts = facts_table(page),
        unused = room.map_or_else(|| "Some".into(), |room| size(room.unused_bytes)),
        checked = page.checked.as_ref().map(checked).unwrap_or_default(),
        aside = aside_section(page, [lock_care, unlock_care]),
        lock = lock_care,
        unlock = unlock_care,
        lock_upload = lock_upload,
        unlock_upload = unlock_upload,
    );
    PageFrame::new(&page.head, Tab::Database, "Database", &["page.js", "head.js", "database.js"])
        .for_changes_by(Reader::Admin)
        .render(&main)
}

fn done_banner(done: &str) -> String {
    format!("<div class=\"banner\" role=\"status\" id=\"done\"><p>{}</p></div>", Text(&sentence(done)))
}

fn facts_table(page: &DatabasePage) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if !page.file.is_empty() {
        rows.push(("Location", page.file.clone()));
    }
    if let Some(room) = &page.room {
        let of = |(count, bytes): (u64, u64), kind| format!("{}, {}", format_count(count, kind), size(bytes));
        rows.push(("Snapshots", of(room.snapshots, "snapshot")));
        rows.push(("Recordings", of(room.recordings, "recording")));
        rows.push(("Protected", format!("{}, never deleted by retention", size(room.kept_bytes))));
        rows.push(("File", format!("{}, {} of it unused", size(room.file_bytes), size(room.unused_bytes))));
        if room.going_bytes > 0 {
            rows.push(("Going", format!("{} are being freed", size(room.going_bytes))));
        }
        let disk = format!("{} of {} are free", size(room.free_bytes), size(room.total_bytes));
        rows.push((
            "Disk",
            room.describe_days_left().map_or_else(|| disk.clone(), |lasts| format!("{disk}: {lasts}")),
        ));
        let rate = room
            .bytes_a_day
            .map_or_else(|| "known after an hour".into(), |rate| format!("{} a day", size(rate as u64)));
        rows.push(("Growth", rate));
    } else {
        rows.push(("State", "unknown at the moment".into()));
    }
    rows.iter().fold(String::new(), |mut html, (name, value)| {
        let _ = write!(html, "<dt>{name}</dt><dd>{}</dd>", Text(value));
        html
    })
}

fn checked(checked: &CheckReport) -> String {
    let head = match (checked.faults.is_empty(), checked.repaired.is_empty()) {
        (true, true) => "Nothing is wrong",
        (true, false) => "It was repaired",
        (false, _) => "Something is wrong",
    };
    let list = |lines: &[String], class: &str| {
        lines.iter().take(100).fold(String::new(), |mut html, line| {
            let _ = write!(html, "<li class=\"{class}\">{}</li>", Text(&sentence(line)));
            html
        })
    };
    format!(
        "<section class=\"panel\" id=\"report\" aria-labelledby=\"report-head\"><h2 id=\"report-head\">{head}</h2><p \
         class=\"muted\">{} and {} were looked at.</p><ul>{}{}</ul></section>",
        format_count(checked.items, "item"),
        format_count(checked.pictures, "picture"),
        list(&checked.faults, "bad"),
        list(&checked.repaired, ""),
    )
}

fn aside_section(page: &DatabasePage, [lock, unlock]: [&str; 2]) -> String {
    let files = page.room.as_ref().map(|room| room.aside.as_slice()).unwrap_or_default();
    let now = to_zoned(page.clock.now_us, &page.clock.zone);
    let rows = files.iter().fold(String::new(), |mut html, file| {
        let name = Text(&file.name);
        let _ = write!(
            html,
            "<li><div><b>{name}</b><p class=\"small muted\">{}, set aside {}</p></div><details class=\"act\"><summary \
             class=\"btn\">Delete<span class=\"sr\"> {name}</span></summary>{}{lock}{}<p><b>Delete {name}, \
             {}?</b> Everything in it is gone for good.</p><button class=\"btn danger\">Delete for \
             good</button>{unlock}</form></details></li>",
            size(file.bytes),
            format_when(&to_zoned(file.at_us, &page.clock.zone), &now),
            form_to("post", "api/v1/media/aside/delete", "database?done=aside#aside", ""),
            field("name", &file.name),
            size(file.bytes),
        );
        html
    });
    format!(
        "<p class=\"muted\"{}>None</p><ul class=\"rows\">{rows}</ul>",
        hidden_attribute(!files.is_empty())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::{NotKept, fixtures};

    #[test]
    fn the_page_shows_the_file_and_those_set_aside() {
        let html = database_page(&fixtures::database());
        for words in [
            "<dt>Location</dt><dd>/var/lib/tallycam/media.db</dd>",
            "<dd>1\u{202f}180 snapshots, 240 MB</dd>",
            "<dd>91 recordings, 17.1 GB</dd>",
            "1.0 GB of the file are unused.",
            "bytes stay on the card until they are overwritten",
            "<button class=\"btn\" id=\"wipe\" name=\"wipe\" value=\"1\">",
            "media-2026-08-03-101502.db",
            "Delete media-2026-08-03-101502.db, 2.1 GB?",
        ] {
            assert!(html.contains(words), "no {words:?} in {html}");
        }
    }

    #[test]
    fn a_check_says_what_it_found() {
        let with = |checked| database_page(&DatabasePage { checked: Some(checked), ..fixtures::database() });
        let clean = CheckReport { items: 12, pictures: 3_400, ..CheckReport::default() };
        let html = with(clean.clone());
        assert!(
            html.contains("Nothing is wrong")
                && html.contains("12 items and 3\u{202f}400 pictures were looked at.")
        );
        let bad = CheckReport {
            faults: vec!["chunk 7 of item 3 ends before its pictures do".into()],
            ..clean.clone()
        };
        let html = with(bad);
        assert!(html.contains("Something is wrong") && html.contains("ends before its pictures do.</li>"));
        let html = with(CheckReport { repaired: vec!["item 3 was closed".into()], ..clean });
        assert!(html.contains("It was repaired") && html.contains("item 3 was closed."));
    }

    #[test]
    fn an_unreadable_file_is_reported_with_its_remedy() {
        let page = DatabasePage {
            room: None,
            trouble: Some(StorageFault {
                what: NotKept::Anything,
                reason: "media.db: this is no database".into(),
                hint: "move it away; a new one is begun".into(),
            }),
            ..fixtures::database()
        };
        let html = database_page(&page);
        assert!(html.contains("<b>Nothing can be stored now.</b> media.db: this is no database."));
        assert!(html.contains(">None</p>"));
    }
}
