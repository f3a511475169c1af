//! The live page: the picture, its controls, and the state of the camera.

pub mod controls;
pub mod counting;
pub mod recording;

use std::fmt::Write;
use std::rc::Rc;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::{Alert, Reader, ReturnedForm, SetUp, ZoneNow};
use crate::ui::form::{self, hidden};
use crate::ui::format::{as_sentence, sentence};
use crate::ui::frame::{PageFrame, Tab, hidden_attribute, state_class};
use crate::ui::lines::draw;
use crate::ui::live::controls::LiveControls;
use crate::ui::live::counting::LiveCounting;
use crate::ui::live::recording::LiveRecording;
use tallycam_store::LineRow;

/// Data of the live page at its first paint; afterwards the script updates it from `api/v1/state`.
#[derive(Debug, Clone, PartialEq)]
pub struct LivePage {
    pub name: String,
    pub version: String,
    /// One word: `live`, `idle`, `starting`, `paused`, or a kind of fault.
    pub state: String,
    /// The state in words: "Live", "Camera idle", "Camera in use".
    pub headline: String,
    /// The reason in a sentence; empty without a fault.
    pub reason: String,
    /// The remedy for the reader; may be empty.
    pub hint: String,
    /// The source of the picture.
    pub camera: String,
    /// Minor faults, in sentences: settings that the camera refused, a clock that is not set.
    pub notes: Vec<String>,
    /// The source is the simulation.
    pub is_simulated: bool,
    /// Width and height in pixels, for the layout; `None` while unknown.
    pub size: Option<(u32, u32)>,
    /// Frames per second.
    pub fps: f64,
    /// Number of watched streams.
    pub viewers: usize,
    /// Held open by `/start_stream`.
    pub is_held: bool,
    /// Counting; `None` if it is switched off (`[detect] backend = "none"`).
    pub counting: Option<LiveCounting>,
    /// Recording; `None` if it is not available.
    pub recording: Option<LiveRecording>,
    pub controls: LiveControls,
    /// `privacy.counts_only` is on: no picture is shown.
    pub is_counts_only: bool,
    /// Faults and open tasks, the worst first.
    pub alerts: Vec<Alert>,
    pub has_neighbours: bool,
    /// The rights of the reader.
    pub reader: Reader,
    /// How far the first set-up is, as in [`Head`](crate::ui::Head).
    pub set_up: Option<SetUp>,
    /// The form that was sent from the page and refused.
    pub returned: Option<Rc<ReturnedForm>>,
}

/// The live page as HTML.
///
/// Its forms ask the API. It refers to `stream`, `snapshot.jpg`, the [assets](crate::ui::asset), the other pages,
/// and, from the scripts, `api/v1/state`, `api/v1/pause`, `api/v1/resume` and `api/v1/events`; all relative.
/// `tallycam.js` and `overlay.js` render the same words: change both.
pub fn live_page(page: &LivePage) -> String {
    let look = state_class(&page.state);
    let can_change = page.reader >= Reader::Operator;
    let [lock, unlock] = form::lock(page.reader, Reader::Operator);
    let is_only = page.is_counts_only;
    // The picture's space before its size is known: most cameras give 16:9.
    let size = page.size.unwrap_or((1280, 720));
    let lines: &[LineRow] = page.counting.as_ref().map_or(&[], |counting| &counting.lines);
    let zones: &[ZoneNow] = page.counting.as_ref().map_or(&[], |counting| &counting.zones);
    let (view_width, view_height) = draw::view_box(size);
    let can_take = !is_only && matches!(look, "live" | "idle" | "starting");
    let kept = page.recording.as_ref().filter(|_| !is_only);
    let acts = kept.filter(|_| can_change);
    // A page has one main button; without a line it is the one that draws a line.
    let has_other_main = lines.is_empty() && page.counting.is_some();
    let save = |words: &str, class: Option<&str>| {
        let class = class.map_or_else(String::new, |class| format!(" class=\"{class}\""));
        format!(
            "<a{class} id=\"snapshot\" href=\"snapshot.jpg\" download=\"{}.jpg\"{}>{words}</a>\n      ",
            Text(&file_name(&page.name)),
            hidden_attribute(!can_take),
        )
    };
    let main = format!(
        include_str!("live.html"),
        only = if is_only { " data-only=\"counts\"" } else { "" },
        show = if is_only { " data-show=\"words\"" } else { "" },
        // With scripts, the script first checks that the browser may open another stream.
        stream = if is_only { "" } else { "<noscript><img src=\"stream\" alt=\"\"></noscript>" },
        over_hidden = hidden_attribute(!is_only),
        over_head = if is_only { ONLY[0] } else { "" },
        over_why = if is_only { ONLY[1] } else { "" },
        over_do = if is_only { MarkedText(ONLY[2]).to_string() } else { String::new() },
        name = Text(&page.name),
        width = size.0,
        height = size.1,
        view_box = format_args!("0 0 {view_width} {view_height}"),
        drawn = if is_only { String::new() } else { draw::all(lines, zones, size) },
        chips = page.counting.as_ref().map(counting::chips).unwrap_or_default(),
        acts = acts.map(|kept| recording::action_buttons(kept, can_take, has_other_main)).unwrap_or_default(),
        save_first = if acts.is_some() {
            String::new()
        } else {
            save("Snapshot", Some(if has_other_main { "btn" } else { "btn main" }))
        },
        kept_said = kept.map(recording::said).unwrap_or_default(),
        controls = if is_only {
            String::new()
        } else {
            let save = acts.map(|_| save("Download frame", None)).unwrap_or_default();
            controls::view_menu(&page.controls, page.counting.is_some(), can_change.then_some(lines), &save)
        },
        said = MarkedText(&page.controls.said),
        cards = if can_change { controls::cards(&page.controls) } else { String::new() },
        newest = kept.map(recording::newest).unwrap_or_default(),
        home = hidden("post", "./"),
        lock = lock,
        unlock = unlock,
        resume_hidden = hidden_attribute(look != "paused" || !can_change),
        pause_hidden = hidden_attribute(look == "paused" || !can_change),
        locked = if can_change { "" } else { " data-locked" },
        sign_in = if can_change { String::new() } else { sign_in(page.reader) },
        full_hidden = hidden_attribute(is_only),
        banner_hidden = hidden_attribute(!page.is_simulated),
        counting = page.counting.as_ref().map_or_else(counting::counting_off_html, |counting| {
            counting::sections_html(counting, page.reader)
        }),
        stops = pause_effects(page.viewers, page.is_held, kept.is_some_and(|kept| kept.now.is_some())),
        headline = Text(&page.headline),
        picture =
            page.size.map_or_else(|| String::from("–"), |(width, height)| format!("{width} × {height}")),
        rate = rate(page.fps),
        viewers = viewers(page.viewers, page.is_held),
        // The device's path is on the page Diagnosis.
        camera = Text(page.camera.split(" (/").next().unwrap_or_default()),
        facts = page.counting.as_ref().map(counting::facts_html).unwrap_or_default(),
        count_why =
            page.counting.as_ref().map(|counting| counting::reason_html(&counting.facts)).unwrap_or_default(),
        why = reason_paragraphs(page),
        notes = MarkedText(&page.notes.iter().map(|note| sentence(note)).collect::<Vec<_>>().join(" ")),
    );
    let figures = match look {
        "live" => format!("{}, {} watching", rate(page.fps), page.viewers),
        _ => String::new(),
    };
    PageFrame {
        title: &page.headline,
        name: &page.name,
        version: &page.version,
        look,
        headline: &page.headline,
        figures: &figures,
        tab: Tab::Live,
        scripts: match &page.counting {
            Some(_) => &["page.js", "tallycam.js", "overlay.js", "controls.js"],
            None => &["page.js", "tallycam.js", "controls.js"],
        },
        alerts: &page.alerts,
        has_neighbours: page.has_neighbours,
        reader: page.reader,
        least: Reader::Visitor,
        set_up: page.set_up.as_ref(),
        sign_in: "",
        returned: page.returned.as_deref(),
    }
    .render(&main)
}

/// Replaces the buttons that the reader may not use.
fn sign_in(reader: Reader) -> String {
    let words = form::sign_in_words(reader);
    format!("<a class=\"btn quiet\" id=\"sign-in\" href=\"sign-in?next=./\">{words}</a>\n      ")
}

/// Replaces the picture under `privacy.counts_only`.
const ONLY: [&str; 3] =
    ["Privacy mode", "This camera counts and shows no images.", "`privacy.counts_only` is on."];

fn non_empty_or<'a>(text: &'a str, instead: &'a str) -> &'a str {
    if text.is_empty() { instead } else { text }
}

/// The frame rate in words; never a zero.
fn rate(fps: f64) -> String {
    if fps > 0.0 { format!("{fps:.*} fps", if fps < 1.0 { 2 } else { 1 }) } else { "no frames".into() }
}

fn count(viewers: usize) -> String {
    if viewers == 1 { "1 viewer".into() } else { format!("{viewers} viewers") }
}

fn viewers(viewers: usize, is_held: bool) -> String {
    let mut words = if viewers == 0 { "nobody".into() } else { count(viewers) };
    if is_held {
        words.push_str(", held open");
    }
    words
}

/// The effects of a pause, shown before it.
fn pause_effects(viewers: usize, is_held: bool, is_recording: bool) -> String {
    let mut words = match viewers {
        0 => "Nobody is watching; the stream stops".to_owned(),
        n => format!("The stream stops for {}", count(n)),
    };
    if is_held {
        words.push_str(", also for the program that holds the camera by /start_stream");
    }
    if is_recording {
        words.push_str(", the recording ends, and nothing is recorded or counted");
    }
    words.push_str(", until Resume or a restart.");
    words
}

/// Reason and hint as paragraphs, each with its full stop.
fn reason_paragraphs(page: &LivePage) -> String {
    let mut html = String::new();
    for text in [&page.reason, &page.hint] {
        if !text.is_empty() {
            let _ = write!(html, "<p>{}</p>", MarkedText(&as_sentence(text)));
        }
    }
    html
}

/// The file name of a snapshot, without its ending: the camera's name in lower case, with a hyphen for every
/// character that is neither letter nor digit.
fn file_name(name: &str) -> String {
    let mut file_name = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            file_name.push(c);
        } else if !file_name.is_empty() && !file_name.ends_with('-') {
            file_name.push('-');
        }
    }
    non_empty_or(file_name.trim_end_matches('-'), "snapshot").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_camera::media::SourceErrorKind;

    fn page() -> LivePage {
        LivePage {
            name: "Yard".into(),
            version: "0.1.0".into(),
            state: "live".into(),
            headline: "Live".into(),
            has_neighbours: false,
            reason: String::new(),
            hint: String::new(),
            camera: "HD Pro Webcam C920 (/dev/video0)".into(),
            notes: Vec::new(),
            is_simulated: false,
            size: Some((1280, 720)),
            fps: 29.94,
            viewers: 3,
            is_held: false,
            counting: None,
            recording: None,
            controls: LiveControls::default(),
            is_counts_only: false,
            alerts: Vec::new(),
            reader: Reader::Operator,
            set_up: None,
            returned: None,
        }
    }

    /// The start tag of the element with this id.
    fn tag<'a>(html: &'a str, id: &str) -> &'a str {
        let at = html.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no element {id}"));
        let from = html[..at].rfind('<').unwrap_or(at);
        &html[from..from + html[from..].find('>').unwrap_or(0) + 1]
    }

    fn is_hidden(html: &str, id: &str) -> bool {
        tag(html, id).ends_with(" hidden>")
    }

    #[test]
    fn a_live_camera_is_described_in_words_and_figures() {
        let html = live_page(&page());
        for words in [
            "<title>Live · Yard · tallycam</title>",
            "<b id=\"headline\">Live</b>",
            "29.9 fps, 3 watching",
            "<span id=\"size\">1280 × 720</span>",
            "<dd id=\"camera\">HD Pro Webcam C920</dd>",
            "<dd id=\"viewers\">3 viewers</dd>",
            "The stream stops for 3 viewers, until Resume or a restart.",
            "<canvas id=\"last\" width=\"1280\" height=\"720\"",
            "download=\"yard.jpg\"",
            "tallycam 0.1.0",
        ] {
            assert!(html.contains(words), "no {words:?} in {html}");
        }
        assert!(!is_hidden(&html, "snapshot") && !is_hidden(&html, "pause"));
        assert!(is_hidden(&html, "resume") && is_hidden(&html, "simulated"));
    }

    #[test]
    fn without_sign_in_no_control_is_offered() {
        let html = live_page(&LivePage { reader: Reader::Visitor, ..page() });
        assert!(html.contains(">Sign in to change</a>") && html.contains("id=\"pause\" hidden"), "{html}");
        assert!(!html.contains("For everyone"), "{html}");
        let html = live_page(&LivePage { reader: Reader::Admin, ..page() });
        assert!(!html.contains("Sign in to change"), "{html}");
    }

    #[test]
    fn every_fault_shows_its_reason_and_remedy() {
        for kind in SourceErrorKind::ALL {
            let html = live_page(&LivePage {
                state: kind.as_str().into(),
                headline: kind.headline().into(),
                reason: "/dev/video0 is in use by another program".into(),
                hint: "`fuser /dev/video0` names it.".into(),
                fps: 0.0,
                ..page()
            });
            assert!(html.contains("<body data-look=\"trouble\">"));
            assert!(html.contains(&format!("<b id=\"headline\">{}</b>", kind.headline())));
            assert!(html.contains("<p>/dev/video0 is in use by another program.</p>"));
            assert!(html.contains("<p><code>fuser /dev/video0</code> names it.</p>"));
            assert!(html.contains("<span id=\"rate\">no frames</span>"));
            assert!(is_hidden(&html, "snapshot") && is_hidden(&html, "resume") && !is_hidden(&html, "pause"));
        }
    }

    #[test]
    fn a_paused_camera_offers_resume_only() {
        let html = live_page(&LivePage { state: "paused".into(), headline: "Paused".into(), ..page() });
        assert!(html.contains("<body data-look=\"paused\">"));
        assert!(!is_hidden(&html, "resume"));
        assert!(is_hidden(&html, "pause") && is_hidden(&html, "snapshot"));
    }

    #[test]
    fn an_idle_camera_of_unknown_size_keeps_its_space() {
        for (state, headline) in [("idle", "Camera idle"), ("starting", "Starting the camera")] {
            let html = live_page(&LivePage {
                state: state.into(),
                headline: headline.into(),
                size: None,
                fps: 0.0,
                viewers: 0,
                ..page()
            });
            assert!(html.contains(&format!("<body data-look=\"{state}\">")));
            assert!(html.contains(&format!("<span id=\"state\">{headline}</span>")));
            assert!(html.contains("<span id=\"size\">–</span>"));
            assert!(html.contains("<dd id=\"viewers\">nobody</dd>"));
            assert!(html.contains("width=\"1280\" height=\"720\""));
            assert!(!is_hidden(&html, "snapshot"));
        }
    }

    #[test]
    fn the_simulated_scene_says_so() {
        let html = live_page(&LivePage { is_simulated: true, ..page() });
        assert!(!is_hidden(&html, "simulated"));
        assert!(html.contains("This is a simulation."));
    }

    #[test]
    fn notes_are_shown_without_a_script() {
        let html = live_page(&page());
        assert!(html.contains("id=\"notes\"></p>"), "no note without a fault: {html}");
        let notes = vec!["It gives 15 fps".into(), "The clock is not set; try `sudo timedatectl`.".into()];
        let html = live_page(&LivePage { notes, ..page() });
        let words =
            "id=\"notes\">It gives 15 fps. The clock is not set; try <code>sudo timedatectl</code>.</p>";
        assert!(html.contains(words), "{html}");
    }

    #[test]
    fn pause_names_what_stops() {
        assert_eq!(
            pause_effects(1, false, false),
            "The stream stops for 1 viewer, until Resume or a restart."
        );
        assert_eq!(
            pause_effects(0, true, false),
            "Nobody is watching; the stream stops, also for the program that holds the camera by \
             /start_stream, until Resume or a restart."
        );
        assert_eq!(viewers(2, true), "2 viewers, held open");
    }

    #[test]
    fn rates_are_never_zero() {
        assert_eq!(rate(0.0), "no frames");
        assert_eq!(rate(f64::NAN), "no frames");
        assert_eq!(rate(0.333), "0.33 fps");
        assert_eq!(rate(30.04), "30.0 fps");
    }

    #[test]
    fn names_become_file_names() {
        assert_eq!(file_name("Yard / North (2)"), "yard-north-2");
        assert_eq!(file_name("Größe"), "größe");
        assert_eq!(file_name("../"), "snapshot");
    }

    #[test]
    fn no_text_becomes_markup() {
        let filled_with = |text: &str| {
            live_page(&LivePage {
                name: text.into(),
                version: text.into(),
                state: text.into(),
                headline: text.into(),
                reason: text.into(),
                hint: text.into(),
                camera: text.into(),
                notes: vec![text.into()],
                ..page()
            })
        };
        let evil = filled_with("\"><script>alert('x')</script>&{name}");
        assert!(evil.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;{name}"));
        // As many tags and attributes as with a harmless word.
        let harmless = filled_with("x");
        for mark in ["<", ">", "=\"", "\""] {
            assert_eq!(evil.matches(mark).count(), harmless.matches(mark).count(), "{mark}");
        }
    }
}
