//! The player: a recording over time, with crossings and gaps marked on its ruler; or a snapshot with its facts.

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::{Head, LocalClock, Reader, RefusalReason};
use crate::ui::form::{field, form_to, lock};
use crate::ui::format::{
    capital, format_count, format_duration, format_long_day, format_time_in_recording, second, size, to_zoned,
};
use crate::ui::frame::{PageFrame, Tab, marked, refusal_html};
use crate::ui::media::storage_view::{delete_prompt, format_frame_rate, gaps, item_among, pictures};
use crate::ui::media::{MediaAsk, days};
use tallycam_base::unicode::percent_decoded;
use tallycam_store::media::Item;

/// Most marks of one direction on the ruler: more could not be told apart.
const MOST_MARKS: usize = 2000;

/// Height of the ruler's marks, in units of the drawing.
const HIGH: u32 = 72;

/// Data of the player.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayerPage {
    pub head: Head,
    pub clock: LocalClock,
    pub item: Item,
    /// The start position, in microseconds from the start of the recording.
    pub at_us: u64,
    /// The speed, one of [`SPEEDS`].
    pub speed: f64,
    /// Gaps: start and end, in microseconds from the start of the recording.
    pub gaps: Vec<(u64, u64)>,
    /// Crossings: microseconds from the start of the recording, and true for in. `None` if unknown.
    pub crossed: Option<Vec<(u64, bool)>>,
    /// The estimated bytes of a video that every browser and phone plays; `None` if none can be made.
    pub video_bytes: Option<u64>,
    /// The filters under which it is shown, and the items around it, newest first.
    pub ask: MediaAsk,
    pub rows: Vec<Item>,
    /// The refusal of its form.
    pub refused: Option<RefusalReason>,
}

pub const SPEEDS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// The player as HTML, at `player?id=…&t=…`.
///
/// `player.js` plays `api/v1/media/{id}/frames` and shows `frame.jpg`; without it an image shows the first frame.
pub fn player_page(page: &PlayerPage) -> String {
    let item = &page.item;
    let at = to_zoned(item.at_us, &page.clock.zone);
    let refused = page.refused.as_ref();
    let [lock, unlock] = lock(page.head.reader, Reader::Operator);
    let typed = |field: &str| page.head.returned.as_ref().and_then(|form| form.get(field));
    let [name_wrong, date_wrong, note_wrong] = ["name", "date", "note"].map(|field| marked(refused, field));
    let address = format!("api/v1/media/{}", item.id);
    let here = page.ask.player(item.id);
    let place = page.rows.iter().position(|row| row.id == item.id);
    let newer = place.and_then(|n| page.rows.get(n.checked_sub(1)?));
    let older = place.and_then(|n| page.rows.get(n + 1));
    let main = format!(
        include_str!("player.html"),
        id = item.id,
        began = item.at_us,
        duration = item.duration_us,
        frames = item.frames,
        offset = at.offset().seconds(),
        name = Text(&item.name),
        when = format_args!("{} {}, {}", format_long_day(&at), at.year(), second(&at)),
        refused = refused.map(refusal_html).unwrap_or_default(),
        screen = if item.is_recording() { screen(page) } else { picture(item) },
        here = Text(&here),
        list = Text(&format!("media{}", page.ask.query(None))),
        newer = neighbour(page, newer, "prev", "‹ Newer", "p"),
        older = neighbour(page, older, "next", "Older ›", "n"),
        days = days(&page.rows, &page.clock, (true, true), |row| {
            item_among(row, &page.clock, &page.ask, Some(item.id), "")
        }),
        take = download_links(item, page.video_bytes),
        kind = capital(item.kind.as_str()),
        facts = facts_html(item),
        form = form_to("patch", &address, &format!("{here}#saved"), " id=\"edit\"")
            + &field("_version", &item.version.to_string()),
        name_wrong = name_wrong.0,
        name_said = name_wrong.1,
        date_wrong = date_wrong.0,
        date_said = date_wrong.1,
        note_wrong = note_wrong.0,
        note_said = note_wrong.1,
        typed_name = Text(typed("name").unwrap_or(&item.name)),
        typed_date = Text(typed("date").unwrap_or(&item.date)),
        typed_note = Text(typed("note").unwrap_or(&item.note)),
        kept = if typed("kept").map_or(item.is_kept, |kept| kept == "1") { " checked" } else { "" },
        lock = lock,
        unlock = unlock,
        delete = delete(item, [lock, unlock]),
    );
    PageFrame::new(&page.head, Tab::Media, &item.name, &["page.js", "head.js", "player.js"])
        .for_changes_by(Reader::Operator)
        .render(&main)
}

/// The link to the item before or after this one.
fn neighbour(page: &PlayerPage, item: Option<&Item>, rel: &str, words: &str, key: &str) -> String {
    match item {
        Some(item) => format!(
            "<a class=\"btn\" rel=\"{rel}\" href=\"{}\" title=\"{}\" aria-keyshortcuts=\"{key}\">{words}</a>",
            Text(&page.ask.player(item.id)),
            Text(&item.name),
        ),
        None => format!("<button class=\"btn\" disabled>{words}</button>"),
    }
}

/// The picture of a snapshot.
fn picture(item: &Item) -> String {
    format!(
        "<figure class=\"shot\"><img src=\"api/v1/media/{}/content\" width=\"{}\" height=\"{}\" alt=\"{}\"></figure>",
        item.id,
        item.width,
        item.height,
        Text(&item.name)
    )
}

/// Picture, ruler and buttons of a recording.
fn screen(page: &PlayerPage) -> String {
    let item = &page.item;
    let long = item.duration_us;
    let at_us = page.at_us.min(long);
    let at = format_seconds(at_us);
    let mut here = page.ask.player(item.id);
    let fields = here.split_once('?').map_or("", |(_, query)| query).split('&');
    let among = fields
        .filter_map(|pair| pair.split_once('='))
        .fold(String::new(), |html, (name, value)| html + &field(name, &percent_decoded(value)));
    if at_us > 0 {
        let _ = write!(here, "&t={at}");
    }
    format!(
        include_str!("player_screen.html"),
        id = item.id,
        name = Text(&item.name),
        width = item.width.max(16),
        height = item.height.max(9),
        at = at,
        last = format_seconds(long),
        speed = page.speed,
        ruler = ruler_html(page),
        at_words = format_time_in_recording(at_us),
        long = format_time_in_recording(long),
        speeds = SPEEDS.iter().fold(String::new(), |mut html, speed| {
            let selected = if (speed - page.speed).abs() < 1e-9 { " selected" } else { "" };
            let _ = write!(html, "<option value=\"{speed}\"{selected}>{speed}×</option>");
            html
        }),
        stamp = second(&to_zoned(item.at_us + at_us, &page.clock.zone)),
        here = Text(&here),
        among = among,
        keys = keys(page),
    )
}

/// Seconds with as many digits as needed: "12.5".
fn format_seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The ruler: in above the line, out below it, gaps hatched.
fn ruler_html(page: &PlayerPage) -> String {
    let long = page.item.duration_us.max(1);
    let share = |us: u64| us.min(long) as f64 / long as f64 * 100.0;
    let mut svg = format!(
        "<svg role=\"img\" aria-label=\"{}\" height=\"96\"><defs><pattern id=\"hatch\" width=\"6\" height=\"6\" \
         patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path class=\"hl\" d=\"M0 \
         0v6\"/></pattern></defs><rect class=\"h0\" width=\"100%\" height=\"{HIGH}\"/><rect class=\"played\" \
         id=\"played\" width=\"{:.3}%\" height=\"{HIGH}\"/>",
        Text(&label(page)),
        share(page.at_us),
    );
    for (from, to) in &page.gaps {
        let (x, wide) = (share(*from), (share(*to) - share(*from)).max(0.4));
        let _ = write!(
            svg,
            "<rect class=\"gap\" x=\"{x:.3}%\" width=\"{wide:.3}%\" height=\"{HIGH}\"/><rect class=\"hatch\" \
             x=\"{x:.3}%\" width=\"{wide:.3}%\" height=\"{HIGH}\"/>"
        );
    }
    let marks = |is_in: bool, from: u32, to: u32| {
        let of = page.crossed.iter().flatten().filter(|(_, one)| *one == is_in).take(MOST_MARKS);
        of.fold(String::new(), |mut path, (at, _)| {
            let _ = write!(path, "M{:.1} {from}V{to}", share(*at) * 10.0);
            path
        })
    };
    let _ = write!(
        svg,
        "<svg width=\"100%\" height=\"{HIGH}\" viewBox=\"0 0 1000 {HIGH}\" preserveAspectRatio=\"none\"><path \
         class=\"mi\" d=\"{}\"/><path class=\"mo\" d=\"{}\"/></svg><line class=\"axis\" x2=\"100%\" y1=\"36\" \
         y2=\"36\"/>",
        marks(true, 34, 12),
        marks(false, 38, 60),
    );
    let step = label_step(long);
    for n in 0..long.div_ceil(step) {
        let at = n * step;
        // A last label would collide with the end's.
        if n > 0 && share(at) > 91.0 {
            break;
        }
        let class = match n {
            0 => "",
            n if n % 2 == 1 => " class=\"mid minor\"",
            _ => " class=\"mid\"",
        };
        let _ = write!(
            svg,
            "<text x=\"{:.2}%\" y=\"90\"{class}>{}</text>",
            share(at),
            format_time_in_recording(at)
        );
    }
    let _ = write!(
        svg,
        "<text class=\"end\" x=\"100%\" y=\"90\">{}</text><line class=\"head-line\" id=\"head-line\" x1=\"{at:.3}%\" \
         x2=\"{at:.3}%\" y1=\"-4\" y2=\"76\"/></svg>",
        format_time_in_recording(long),
        at = share(page.at_us),
    );
    svg
}

/// The step between labels of the ruler, in microseconds, for at most eight labels.
fn label_step(long: u64) -> u64 {
    const STEPS: [u64; 14] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200];
    let fits = STEPS.into_iter().map(|step| step * 1_000_000).find(|step| long / step < 8);
    fits.unwrap_or_else(|| (long / 8 / 14_400_000_000 + 1) * 14_400_000_000)
}

/// Crossings in and out, if known.
fn sums(page: &PlayerPage) -> Option<(usize, usize)> {
    let crossed = page.crossed.as_ref()?;
    let count_in = crossed.iter().filter(|(_, is_in)| *is_in).count();
    Some((count_in, crossed.len() - count_in))
}

fn label(page: &PlayerPage) -> String {
    let mut words = match sums(page) {
        Some((count_in, out)) => format!("{count_in} crossings in and {out} out over "),
        None => String::new(),
    };
    words.push_str(&format_duration(page.item.duration_us));
    let gaps = long_gaps(page).count();
    if gaps > 0 {
        let _ = write!(words, "; dropped frames at {}", format_count(gaps as u64, "place"));
    }
    words
}

/// Gaps of a second or more; shorter ones are only hatched on the ruler.
fn long_gaps(page: &PlayerPage) -> impl Iterator<Item = &(u64, u64)> {
    page.gaps.iter().filter(|(from, to)| to.saturating_sub(*from) >= 1_000_000)
}

/// The legend of the ruler.
fn keys(page: &PlayerPage) -> String {
    let mut html = String::new();
    if let Some((count_in, out)) = sums(page) {
        let _ = write!(
            html,
            "<span><span class=\"key\"></span>{count_in} in</span> <span><span class=\"key o\"></span>{out} out</span> "
        );
    }
    for (from, to) in long_gaps(page).take(3) {
        let _ = write!(
            html,
            "<span><span class=\"key g\"></span>dropped frames at {} ({})</span> ",
            format_time_in_recording(*from),
            format_duration(to.saturating_sub(*from)),
        );
    }
    if let more @ 1.. = long_gaps(page).count().saturating_sub(3) {
        let _ = write!(html, "<span>and at {}</span>", format_count(more as u64, "more place"));
    }
    html
}

/// The download links.
fn download_links(item: &Item, video_bytes: Option<u64>) -> String {
    let id = item.id;
    if !item.is_recording() {
        return format!(
            "<p class=\"row take\"><a class=\"btn main\" href=\"api/v1/media/{id}/content?as=jpg&amp;download=1\" \
             download>Download <span class=\"num\">{}</span></a></p>",
            size(item.bytes)
        );
    }
    let open = if item.is_open {
        "<p class=\"small muted\">Still recording: reload the page to see the rest.</p>"
    } else {
        ""
    };
    // A format that only VLC plays says so, and is not offered as a video.
    let (video, more, main) = if let Some(bytes) = video_bytes {
        let video = format!(
            "<a class=\"btn main\" id=\"video\" href=\"api/v1/media/{id}/video?download=1\" download>Download video \
             <span class=\"num\">about {}</span></a>",
            size(bytes)
        );
        (
            video,
            "MP4 (H.264), which browsers and phones play. The original is larger: Motion JPEG in AVI.",
            "",
        )
    } else {
        let words = "Motion JPEG in AVI, which VLC plays and most phones do not. With ffmpeg on this machine \
            (<code>sudo \
                     apt install ffmpeg</code>) there is an MP4 for every player.";
        (String::new(), words, " main")
    };
    format!(
        "<p class=\"row take\">{video}<a class=\"btn{main}\" id=\"avi\" \
         href=\"api/v1/media/{id}/content?as=avi&amp;download=1\" download>Original (AVI) <span class=\"num \
         muted\">{size}\
         </span></a><a class=\"btn\" id=\"frame\" href=\"api/v1/media/{id}/frame.jpg?t=0&amp;download=1\" \
         download>This \
         frame</a></p><p class=\"small muted\" id=\"making\" role=\"status\">{more}</p>{open}",
        size = size(item.bytes),
    )
}

fn facts_html(item: &Item) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let clock = if item.is_sure { "" } else { " (unconfirmed)" };
    rows.push(("Date", format!("{}{clock}", item.date)));
    if item.is_recording() {
        rows.push((
            "Length",
            format!(
                "{}{}",
                format_duration(item.duration_us),
                if item.is_open { ", recording now" } else { "" }
            ),
        ));
    }
    rows.push(("Frames", pictures(item) + &format_frame_rate(item)));
    if item.gaps > 0 {
        rows.push(("Gaps", gaps(item)));
    }
    rows.push(("Size", size(item.bytes)));
    if !item.source.is_empty() {
        rows.push(("From", item.source.clone()));
    }
    rows.push((
        "Started",
        match item.origin.as_str() {
            "crossing" => "automatically, on a crossing",
            "time-lapse" => "as a time-lapse; plays at 25 frames per second",
            "import" => "imported from a file",
            _ => "manually",
        }
        .into(),
    ));
    rows.retain(|(_, value)| !value.is_empty());
    rows.iter().fold(String::new(), |mut html, (name, value)| {
        let _ = write!(html, "<dt>{name}</dt><dd>{}</dd>", Text(value));
        html
    })
}

/// The question before the item is deleted.
fn delete(item: &Item, [lock, unlock]: [&str; 2]) -> String {
    if item.is_open {
        return "<p>It is recording now. Stop the recording first.</p>".into();
    }
    format!(
        "{}{lock}<p><b>{}</b> It cannot be brought back. Its crossings stay in Counts.</p><p class=\"row\"><button \
         class=\"btn danger\" \
         id=\"delete\">Delete for good</button></p>{unlock}</form>",
        form_to("delete", &format!("api/v1/media/{}", item.id), "media", ""),
        delete_prompt(std::slice::from_ref(item)),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ui::{ReturnedForm, fixtures};
    use tallycam_store::media::MediaKind;

    #[test]
    fn seconds_have_the_digits_they_need() {
        for (us, text) in [(0, "0"), (12_500_000, "12.5"), (1, "0.000001"), (100_000_000, "100")] {
            assert_eq!(format_seconds(us), text);
        }
    }

    #[test]
    fn the_ruler_has_a_handful_of_times() {
        for seconds in [1, 7, 60, 242, 3_600, 86_400, 864_000] {
            let step = label_step(seconds * 1_000_000);
            assert!(seconds * 1_000_000 / step < 9, "{seconds} s: {step}");
        }
        assert_eq!(label_step(242_000_000), 60_000_000);
    }

    #[test]
    fn crossings_and_gaps_are_on_the_ruler() {
        let html = player_page(&fixtures::player());
        for words in [
            "aria-label=\"22 crossings in and 12 out over 4 min; dropped frames at 1 place\"",
            "class=\"mi\" d=\"M16.5 34V12M",
            "class=\"mo\" d=\"M33.1 38V60M",
            "<rect class=\"hatch\" x=\"57.438%\" width=\"1.240%\" height=\"72\"/>",
            "dropped frames at 2:19 (3 s)",
            "22 in</span>",
            "value=\"87.5\"",
            "id=\"stamp\">08:32:32</time>",
            "href=\"player?id=1279&amp;t=87.5\"",
            "frames?from=87.5&amp;speed=1&amp;loop=1",
            "7\u{202f}236 frames, 960 × 720, 29.9 fps",
            "<option value=\"1\" selected>1×</option>",
        ] {
            assert!(html.contains(words), "no {words:?} in {html}");
        }
    }

    #[test]
    fn a_position_behind_the_end_is_the_end() {
        let html = player_page(&PlayerPage { at_us: u64::MAX / 4, ..fixtures::player() });
        assert!(html.contains("value=\"242\"") && html.contains("x1=\"100.000%\""), "{html}");
    }

    #[test]
    fn a_recording_without_length_is_still_a_page() {
        let mut page = PlayerPage { gaps: vec![(0, 0)], at_us: 0, ..fixtures::player() };
        (page.item.duration_us, page.item.frames, page.item.width, page.item.height) = (0, 0, 0, 0);
        let html = player_page(&page);
        assert!(!html.contains("NaN") && !html.contains("inf%"), "{html}");
    }

    #[test]
    fn a_gap_of_less_than_a_second_is_only_hatched() {
        let page = PlayerPage { gaps: vec![(3_000_000, 3_100_000)], ..fixtures::player() };
        let html = player_page(&page);
        assert!(html.contains("class=\"hatch\"") && !html.contains("dropped frames"), "{html}");
    }

    #[test]
    fn a_snapshot_is_its_picture_with_its_facts() {
        let mut page = fixtures::player();
        (page.item.kind, page.item.frames, page.item.duration_us) = (MediaKind::Snapshot, 1, 0);
        let html = player_page(&page);
        assert!(html.contains("<img src=\"api/v1/media/1279/content\""));
        assert!(!html.contains("id=\"ruler\""));
        assert!(html.contains("Delete 1 snapshot, 73 MB?"));
    }

    #[test]
    fn a_refused_form_keeps_its_values() {
        let mut page = fixtures::player();
        let fields = vec![("name".into(), "Gate".into()), ("kept".into(), "0".into())];
        page.head.returned = Some(ReturnedForm { fields, ..ReturnedForm::default() }.into());
        let refusal = RefusalReason {
            detail: "there is an item called \"Gate\" already".into(),
            ..RefusalReason::default()
        };
        let html = player_page(&PlayerPage { refused: Some(refusal), ..page });
        assert!(
            html.contains("value=\"Gate\"")
                && html.contains("There is an item called &quot;Gate&quot; already")
        );
        assert!(!html.contains("value=\"1\" checked"), "the box was unticked");
    }

    #[test]
    fn a_download_says_what_plays_it() {
        let html = player_page(&fixtures::player());
        assert!(
            html.contains("download>Download video <span class=\"num\">about 15 MB</span></a>")
                && html.contains("MP4 (H.264)")
        );
        let html = player_page(&PlayerPage { video_bytes: None, ..fixtures::player() });
        assert!(!html.contains("id=\"video\"") && html.contains("which VLC plays"));
        assert!(html.contains("<a class=\"btn main\" id=\"avi\""));
    }

    #[test]
    fn the_list_stands_beside_the_player_with_the_item_before_and_after() {
        let ask = MediaAsk { text: "a b".into(), ..MediaAsk::default() };
        let html = player_page(&PlayerPage { ask, ..fixtures::player() });
        for words in [
            "rel=\"prev\" href=\"player?id=1281&amp;q=a%20b\"",
            "rel=\"next\" href=\"player?id=1278&amp;q=a%20b\"",
            "href=\"player?id=1279&amp;q=a%20b\" aria-current=\"true\"",
            "<a class=\"btn\" href=\"media?q=a%20b\">All media</a>",
            "<input type=\"hidden\" name=\"q\" value=\"a b\">",
        ] {
            assert!(html.contains(words), "no {words:?} in {html}");
        }
        let alone = player_page(&PlayerPage { rows: vec![fixtures::player().item], ..fixtures::player() });
        assert_eq!(alone.matches("<button class=\"btn\" disabled>").count(), 2, "{alone}");
    }

    #[test]
    fn a_running_recording_is_not_deleted() {
        let mut page = fixtures::player();
        page.item.is_open = true;
        let html = player_page(&page);
        assert!(html.contains("Stop the recording first.") && !html.contains("Delete for good"));
        assert!(html.contains("reload the page"));
    }
}
