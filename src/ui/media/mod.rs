//! The page Media: recordings and snapshots by days, newest first, with their actions.

pub mod player;
pub mod storage_view;

use std::fmt::Write;

use jiff::civil::Date;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::{Head, LocalClock, Reader, RefusalReason};
use crate::ui::form::{field, form_to, lock};
use crate::ui::format::{format_count, format_long_day, size, to_zoned};
use crate::ui::frame::{PageFrame, Tab, hidden_attribute, options, refusal_html};
use crate::ui::media::storage_view::{
    RecordedWords as _, StorageWords as _, delete_prompt, grid_item, item_among,
};
use tallycam_base::unicode::percent_encoded;
use tallycam_store::media::{Item, Recorded, Storage};

/// Items on one page.
pub const MEDIA_PAGE: usize = 60;

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaPage {
    pub head: Head,
    pub clock: LocalClock,
    /// The parsed query.
    pub ask: MediaAsk,
    /// Items, newest first.
    pub rows: Vec<Item>,
    /// The cursor of the next page.
    pub next: Option<String>,
    /// The disk space; `None` if unknown.
    pub room: Option<Storage>,
    /// The recording in progress.
    pub now: Option<Recorded>,
    /// `privacy.counts_only` is on: nothing is stored.
    pub is_counts_only: bool,
    /// The refusal of the last request.
    pub refused: Option<RefusalReason>,
    /// The last change and its number of items: `kept-3`; may be empty.
    pub done: String,
    /// The item with a form for its name and note.
    pub edit: Option<ItemEdit>,
}

/// A form for the name and note of an item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemEdit {
    pub id: u64,
    /// The typed name and note, if they were refused.
    pub typed: Option<[String; 2]>,
    /// The reason.
    pub said: String,
}

/// The filters of the page's address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaAsk {
    /// Text in names and notes; empty for any.
    pub text: String,
    /// `snapshot`, `recording`, or empty for both.
    pub kind: &'static str,
    /// Only protected items (`true`), only others (`false`), or both.
    pub is_kept: Option<bool>,
    /// The first day.
    pub from: Option<Date>,
    /// The last day, included.
    pub to: Option<Date>,
    /// The end of the page before.
    pub cursor: Option<String>,
}

impl MediaAsk {
    /// Reads the keys of an address. Unknown and invalid ones are ignored.
    pub fn from_pairs(pairs: &[(String, String)]) -> MediaAsk {
        let mut ask = MediaAsk::default();
        for (key, value) in pairs {
            let value = value.trim();
            match key.as_str() {
                "q" => ask.text = value.chars().take(200).collect(),
                "kind" if value == "snapshot" => ask.kind = "snapshot",
                "kind" if value == "recording" => ask.kind = "recording",
                "kept" if value == "1" => ask.is_kept = Some(true),
                "kept" if value == "0" => ask.is_kept = Some(false),
                "from" => ask.from = value.parse().ok(),
                "to" => ask.to = value.parse().ok(),
                "cursor" if !value.is_empty() => ask.cursor = Some(value.to_owned()),
                _ => {}
            }
        }
        ask
    }

    /// True if any filter is set.
    fn has_filters(&self) -> bool {
        *self != MediaAsk { cursor: self.cursor.clone(), ..MediaAsk::default() }
    }

    /// The address of the player for an item among those that the query finds.
    pub fn player(&self, id: u64) -> String {
        format!("player?id={id}{}", self.query(None).replacen('?', "&", 1))
    }

    /// The query with another cursor: empty, or from its `?` on.
    pub fn query(&self, cursor: Option<&str>) -> String {
        let mut query = String::new();
        let mut put = |key: &str, value: &str| {
            if !value.is_empty() {
                let mark = if query.is_empty() { '?' } else { '&' };
                let _ = write!(query, "{mark}{key}={}", percent_encoded(value));
            }
        };
        put("q", &self.text);
        put("kind", self.kind);
        put(
            "kept",
            match self.is_kept {
                Some(true) => "1",
                Some(false) => "0",
                None => "",
            },
        );
        put("from", &self.from.map(|day| day.to_string()).unwrap_or_default());
        put("to", &self.to.map(|day| day.to_string()).unwrap_or_default());
        put("cursor", cursor.unwrap_or_default());
        query
    }
}

/// The page Media as HTML, at `media`.
///
/// Its form asks the API with one of `ids` for each picked item; deleting goes through [`media_ask_page`]
/// first.
pub fn media_page(page: &MediaPage) -> String {
    let ask = &page.ask;
    let can_pick = !page.rows.is_empty();
    let [lock, unlock] = lock(page.head.reader, Reader::Operator);
    let main = format!(
        include_str!("media.html"),
        gauge = page
            .room
            .as_ref()
            .map(|room| room.usage_bar(" <a href=\"database\">Database</a>"))
            .unwrap_or_default(),
        text = Text(&ask.text),
        kinds =
            options(&[("", "Everything"), ("recording", "Recordings"), ("snapshot", "Snapshots")], ask.kind),
        kepts = options(
            &[("", "Protected or not"), ("1", "Protected"), ("0", "Not protected")],
            match ask.is_kept {
                Some(true) => "1",
                Some(false) => "0",
                None => "",
            }
        ),
        filters_open = if ask.has_filters() { " open" } else { "" },
        from = ask.from.map(|day| day.to_string()).unwrap_or_default(),
        to = ask.to.map(|day| day.to_string()).unwrap_or_default(),
        all = if ask.has_filters() { "<a class=\"btn quiet\" href=\"media\">Show all</a>" } else { "" },
        refused = page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        now = match &page.now {
            Some(now) => recording(now, &page.clock, page.head.reader),
            None => start(page.head.reader),
        },
        lock = lock,
        unlock = unlock,
        parts = PARTS,
        here = Text(&done_next(ask)),
        said = done_words(&page.done),
        pick_hidden = hidden_attribute(!can_pick),
        days = if can_pick { days_of_page(page) } else { empty(page) },
        more_hidden = hidden_attribute(page.next.is_none()),
        older = Text(&format!("media{}", ask.query(page.next.as_deref()))),
        more = total_html(page),
    );
    PageFrame::new(&page.head, Tab::Media, "Media", &["page.js", "head.js", "media.js"])
        .for_changes_by(Reader::Operator)
        .render(&main)
}

/// The page that asks before items are deleted, for browsers without scripts.
pub fn media_ask_page(head: &Head, clock: &LocalClock, ask: &MediaAsk, rows: &[Item]) -> String {
    let (mut ids, mut items) = (String::new(), String::new());
    for row in rows {
        let _ = write!(ids, "<input type=\"hidden\" name=\"ids\" value=\"{}\">", row.id);
        items.push_str(&grid_item(row, clock, ""));
    }
    let is_one = rows.len() == 1;
    let [lock, unlock] = lock(head.reader, Reader::Operator);
    let main = format!(
        include_str!("ask.html"),
        question = delete_prompt(rows),
        ids = ids,
        lock = lock,
        unlock = unlock,
        items = items,
        why = if is_one {
            "It cannot be brought back. Its crossings stay in Counts."
        } else {
            "They cannot be brought back. Their crossings stay in Counts."
        },
        query = Text(&ask.query(None)),
        parts = PARTS,
        here = Text(&done_next(ask)),
        yes = match rows.len() {
            1 => "Delete it".into(),
            2 => "Delete both".into(),
            n => format!("Delete all {n}"),
        },
    );
    PageFrame::new(head, Tab::Media, "Delete?", &["page.js", "head.js"])
        .for_changes_by(Reader::Operator)
        .render(&main)
}

/// The parts of the page that change with the stored items.
const PARTS: &str = "refused now pick days more room";

/// The page with the message of a change of several items.
fn done_next(ask: &MediaAsk) -> String {
    address(ask, None, "done={id}")
}

/// The page's address with `more` in its query.
fn address(ask: &MediaAsk, cursor: Option<&str>, more: &str) -> String {
    let query = ask.query(cursor);
    format!("media{query}{}{more}", if query.is_empty() { '?' } else { '&' })
}

/// The message of a change of several items.
fn done_words(done: &str) -> String {
    let Some((act, count)) = done.split_once('-').and_then(|(act, count)| Some((act, count.parse().ok()?)))
    else {
        return String::new();
    };
    let items = format_count(count, "item");
    match act {
        "kept" => format!("{items} protected: never deleted by retention."),
        "unprotected" => format!("{items} no longer protected."),
        "deleted" => format!("{items} deleted."),
        _ => String::new(),
    }
}

/// The box that selects an item, and the link or form for its name and note.
fn pick(page: &MediaPage, row: &Item) -> String {
    let (ask, id, name) = (&page.ask, row.id, Text(&row.name));
    let cursor = ask.cursor.as_deref();
    let tick = format!(
        "<label><span class=\"sr\">Select {name}</span><input type=\"checkbox\" form=\"picked\" name=\"ids\" \
         value=\"{id}\"{}></label>",
        if row.is_open { " disabled" } else { "" },
    );
    let Some(edit) = page.edit.as_ref().filter(|edit| edit.id == id) else {
        let here = address(ask, cursor, &format!("edit={id}#m{id}"));
        return format!(
            "{tick}<a class=\"edit\" href=\"{}\" data-swap=\"m{id}\" title=\"Rename or note\" aria-label=\"Rename or \
             note {name}\">✎</a>",
            Text(&here)
        );
    };
    let here = format!("media{}#m{id}", ask.query(cursor));
    let [typed_name, typed_note] = edit.typed.clone().unwrap_or_else(|| [row.name.clone(), row.note.clone()]);
    format!(
        "{tick}{}{}{}{}<input name=\"name\" value=\"{}\" aria-label=\"Name\" placeholder=\"Name\" maxlength=\"200\" \
         autofocus><textarea name=\"note\" aria-label=\"Note\" placeholder=\"Note\" \
         maxlength=\"2000\">{}</textarea><p class=\"row\"><button class=\"btn main\">Save</button> <a class=\"btn\" \
         href=\"{}\" data-swap=\"m{id}\">Cancel</a></p><p class=\"small bad said\" role=\"alert\">{}</p></form>",
        form_to(
            "patch",
            &format!("api/v1/media/{id}"),
            &here,
            &format!(" class=\"rename\" data-swap=\"m{id}\"")
        ),
        field("_version", &row.version.to_string()),
        field("date", &row.date),
        field("kept", if row.is_kept { "1" } else { "0" }),
        Text(&typed_name),
        Text(&typed_note),
        Text(&here),
        MarkedText(&edit.said),
    )
}

/// The choice between a video and a time-lapse, which plays at 25 frames per second.
pub(in crate::ui) const LAPSES: &str = "<select id=\"lapse\" name=\"every\"><option value=\"\">Video</option><option \
    value=\"1s\">Time-lapse: every second, 25 × faster</option><option value=\"10s\">Time-lapse: every 10 s, 250 × \
    faster</option><option value=\"1m\">Time-lapse: every minute, 1500 × faster</option><option \
    value=\"5m\">Time-lapse: \
    every 5 minutes, 7500 × faster</option></select>";

/// The form that starts a recording.
fn start(reader: Reader) -> String {
    let [lock, unlock] = lock(reader, Reader::Operator);
    format!(
        "{}{lock}<label class=\"sr\" for=\"lapse\">What to record</label>{LAPSES}<button class=\"btn\" \
         id=\"start\">Record</button>{unlock}</form>",
        form_to("post", "api/v1/recordings", "media", " class=\"row\"")
    )
}

/// The recording in progress, with the button that stops it.
fn recording(now: &Recorded, clock: &LocalClock, reader: Reader) -> String {
    let [lock, unlock] = lock(reader, Reader::Operator);
    format!(
        "<section class=\"panel now\" aria-labelledby=\"now-head\"><div><h2 id=\"now-head\"><span class=\"dot rec\" \
         aria-hidden=\"true\"></span>Recording now: <a href=\"player?id={}\">{}</a></h2><p class=\"muted\"><b \
         class=\"num\" id=\"now-figures\">{}</b>, {}</p></div>{}{lock}<button class=\"btn\">Stop \
         recording</button>{unlock}</form></section>",
        now.id,
        Text(&now.name),
        now.length_and_size(),
        Text(&now.describe_progress(clock)),
        form_to("post", "api/v1/recording/stop", "media", ""),
    )
}

/// The items of the page by days.
fn days_of_page(page: &MediaPage) -> String {
    let can_pick = page.head.reader >= Reader::Operator;
    // A day that continues on another page has no sum.
    let is_cut = (page.ask.cursor.is_some(), page.next.is_some());
    days(&page.rows, &page.clock, is_cut, |row| {
        let pick = if can_pick { pick(page, row) } else { String::new() };
        item_among(row, &page.clock, &page.ask, None, &pick)
    })
}

/// Items by days; `is_cut` says whether the first and the last day may have more items.
fn days(rows: &[Item], clock: &LocalClock, is_cut: (bool, bool), item: impl Fn(&Item) -> String) -> String {
    let zone = &clock.zone;
    let day_of = |row: &Item| to_zoned(row.at_us, zone).date();
    let today = to_zoned(clock.now_us, zone).date();
    let mut html = String::new();
    let groups: Vec<&[Item]> = rows.chunk_by(|a, b| day_of(a) == day_of(b)).collect();
    for (n, group) in groups.iter().enumerate() {
        let Some(first) = group.first() else { continue };
        let at = to_zoned(first.at_us, zone);
        let long = if at.year() == today.year() {
            format_long_day(&at)
        } else {
            format!("{} {}", format_long_day(&at), at.year())
        };
        let name = match at.date() {
            date if date == today => "Today",
            date if Some(date) == today.yesterday().ok() => "Yesterday",
            _ => "",
        };
        let (name, mut more) = if name.is_empty() { (long, Vec::new()) } else { (name.into(), vec![long]) };
        let is_whole = (n > 0 || !is_cut.0) && (n + 1 < groups.len() || !is_cut.1);
        if is_whole {
            more.push(format_count(group.len() as u64, "item"));
            more.push(size(group.iter().map(|row| row.bytes).sum()));
        }
        let _ = write!(
            html,
            "<section data-day=\"{}\"><h2 class=\"day\">{name} <small class=\"muted\">{}</small></h2><ul \
             class=\"grid\">",
            at.date(),
            more.join(", "),
        );
        group.iter().for_each(|row| html.push_str(&item(row)));
        html.push_str("</ul></section>");
    }
    html
}

/// The number of all items, if known.
fn total_html(page: &MediaPage) -> String {
    match &page.room {
        Some(room) if !page.ask.has_filters() => {
            format!("{} in all", format_count(room.item_count(), "item"))
        }
        _ => String::new(),
    }
}

/// The message instead of items, with one action.
fn empty(page: &MediaPage) -> String {
    let (head, why, act) = if page.is_counts_only {
        (
            "Privacy mode",
            "This camera counts. No image is stored or shown. `privacy.counts_only` is on.".to_owned(),
            "<a class=\"btn\" href=\"counts\">Counts</a>",
        )
    } else if page.ask.has_filters() {
        (
            "No matches",
            "No snapshot or recording matches.".to_owned(),
            "<a class=\"btn main\" href=\"media\">Show all</a>",
        )
    } else if page.room.is_none() {
        (
            "Media cannot be shown",
            "The page `Database` says what is wrong with the file, and what to do.".to_owned(),
            "<a class=\"btn main\" href=\"database\">Database</a>",
        )
    } else {
        let room = page.room.as_ref().map(|room| size(room.free_bytes)).unwrap_or_default();
        (
            "No recordings yet",
            format!(
                "Snapshots and recordings are stored on this machine: {room} are free. Take them on the page Live, or \
                 let a crossing start one: Settings, “Record when a line is crossed”."
            ),
            "<a class=\"btn main\" href=\"./\">Go to Live</a> <a class=\"btn\" href=\"database#import\">Import \
             files</a>",
        )
    };
    format!(
        "<div class=\"empty panel\"><h2>{head}</h2><p class=\"muted\">{}</p><p class=\"row\">{act}</p></div>",
        MarkedText(&why)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ui::fixtures;

    fn pairs(query: &str) -> Vec<(String, String)> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_query_is_read_leniently_and_written_again() {
        let ask = MediaAsk::from_pairs(&pairs(
            "q= Door &kind=recording&kept=1&from=2026-11-01&to=2026-11-12&cursor=c7&x=y",
        ));
        assert_eq!(ask.text, "Door");
        assert!(ask.has_filters());
        assert_eq!(
            ask.query(Some("a/b")),
            "?q=Door&kind=recording&kept=1&from=2026-11-01&to=2026-11-12&cursor=a%2Fb"
        );
        assert_eq!(
            MediaAsk::from_pairs(&pairs("kind=film&kept=maybe&from=soon&cursor=")),
            MediaAsk::default()
        );
        assert!(!MediaAsk { cursor: Some("7".into()), ..MediaAsk::default() }.has_filters());
    }

    #[test]
    fn days_are_named_and_complete_ones_summed() {
        let html = media_page(&fixtures::media());
        for words in [
            "Today <small class=\"muted\">Thursday 12 November, 5 items, 212 MB</small>",
            "Yesterday <small class=\"muted\">Wednesday 11 November</small>",
            "<b title=\"Morning rush\">Morning rush</b><small>08:31, 73 MB, protected</small><small class=\"note\">The \
             school&#39;s first day</small>",
            "<span class=\"len\">4:02</span>",
            "7.2 GB free, 41 days left at this rate",
            "href=\"media?cursor=1276\"",
            "1\u{202f}271 items in all",
        ] {
            assert!(html.contains(words), "no {words:?} in {html}");
        }
        // The same day on the next page: it is complete except for its first part.
        let next = MediaPage {
            ask: MediaAsk { cursor: Some("1276".into()), ..MediaAsk::default() },
            next: None,
            ..fixtures::media()
        };
        let html = media_page(&next);
        assert!(html.contains("Today <small class=\"muted\">Thursday 12 November</small>"));
        assert!(html.contains("Wednesday 11 November, 3 items, 88 MB"));
        assert!(html.contains("id=\"more\" hidden"));
    }

    #[test]
    fn the_running_recording_is_first_and_cannot_be_deleted() {
        let html = media_page(&fixtures::media());
        assert!(html.contains("Recording now: <a href=\"player?id=1285\">Gate &lt;left&gt;</a>"), "{html}");
        assert!(html.contains("id=\"now-figures\">2:14, 41 MB</b>, since 14:00, 4"));
        let mut page = fixtures::media();
        page.rows[0].is_open = true;
        assert!(media_page(&page).contains("value=\"1284\" disabled"));
    }

    #[test]
    fn every_empty_page_says_why_and_what_to_do() {
        let none = MediaPage { rows: Vec::new(), next: None, now: None, ..fixtures::media() };
        let searched = MediaAsk { text: "<moon>".into(), ..MediaAsk::default() };
        for (page, head, act) in [
            (none.clone(), "No recordings yet", "href=\"./\""),
            (MediaPage { ask: searched, ..none.clone() }, "No matches", "href=\"media\""),
            (MediaPage { room: None, ..none.clone() }, "cannot be shown", "href=\"database\""),
            (MediaPage { is_counts_only: true, ..none.clone() }, "Privacy mode", "href=\"counts\""),
        ] {
            let html = media_page(&page);
            assert!(html.contains(head) && html.contains(act), "{head}: {html}");
            assert!(html.contains("id=\"pick\" hidden"), "{head}");
            assert!(!html.contains("<moon>"));
        }
    }

    #[test]
    fn deleting_asks_in_words() {
        let page = fixtures::media();
        let two = [page.rows[0].clone(), page.rows[3].clone()];
        let html = media_ask_page(&page.head, &page.clock, &page.ask, &two);
        assert!(html.contains("Delete 2 recordings, 139 MB?") && html.contains("Delete both"));
        assert_eq!(html.matches("name=\"ids\"").count(), 2);
        let mixed = [page.rows[0].clone(), page.rows[1].clone()];
        assert_eq!(delete_prompt(&mixed), "Delete 1 recording and 1 snapshot, 27 MB?");
        let html = media_ask_page(&page.head, &page.clock, &page.ask, &mixed[1..]);
        assert!(html.contains("Delete 1 snapshot, 212 kB?") && html.contains("It cannot be brought back."));
    }
}
