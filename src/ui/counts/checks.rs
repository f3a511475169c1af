//! The pages of checks: the list and the start, and one check with its certificate.

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::{Head, LocalClock, Reader, RefusalReason};
use crate::ui::form::{form_to, lock};
use crate::ui::format::{
    capital, day, format_long_day, format_thousands, format_when, percent, second, to_zoned,
};
use crate::ui::frame::{PageFrame, Tab, refusal_html};
use tallycam_store::media::Item;
use tallycam_store::{CheckEvent, CheckVerdict, CheckedShare, Direction, LineCheck, LineRow, TrialChange};

/// The choice of minutes.
const MINUTES: [&str; 3] = ["5", "15", "30"];

/// The newest check of a line, wherever the line is named.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckBadge {
    pub line: u64,
    pub id: u64,
    /// "checked 12 Nov: 97 %, 15 min".
    words: String,
    /// Why it has faded; empty while it holds.
    faded: String,
}

impl CheckBadge {
    pub fn new(check: &LineCheck, clock: &LocalClock) -> CheckBadge {
        let (at, now) = (to_zoned(check.made_us, &clock.zone), to_zoned(clock.now_us, &clock.zone));
        let year = if at.year() == now.year() { String::new() } else { format!(" {}", at.year()) };
        let is_telling = check.checked_us >= 60_000_000 && check.found + check.missed + check.wrong >= 10;
        let share = check.share().filter(|_| is_telling);
        let share = share.map_or_else(|| String::from("too few to tell"), percent);
        let words = format!("checked {}{year}: {share}, {}", day(&at), minutes(check.checked_us));
        CheckBadge { line: check.line_id, id: check.id, words, faded: check.faded.join(", ") }
    }

    fn html(&self) -> String {
        let (class, why) = match self.faded.as_str() {
            "" => ("small", String::new()),
            why => ("small muted", format!(" <small>no longer holds: {why}</small>")),
        };
        format!("<a class=\"{class}\" href=\"checks?id={}\">{}</a>{why}", self.id, self.words)
    }
}

/// The badge of a line, or the link that checks it, on a line of its own.
pub(in crate::ui) fn badge(badges: &[CheckBadge], line: u64, reader: Reader) -> String {
    match badges.iter().find(|badge| badge.line == line) {
        Some(badge) => format!("<br>{}", badge.html()),
        None if reader < Reader::Operator => String::new(),
        None => format!("<br><a class=\"small muted\" href=\"checks?line={line}\">not checked yet</a>"),
    }
}

/// A paragraph with the badges of several lines: their numbers and names.
pub(in crate::ui) fn badges_html<'a>(
    badges: &[CheckBadge],
    lines: impl Iterator<Item = (u64, &'a str)>,
) -> String {
    let one = |(line, name): (u64, &str)| {
        let badge = badges.iter().find(|badge| badge.line == line)?;
        Some(format!("{}: {}", Text(name), badge.html()))
    };
    let all: Vec<String> = lines.filter_map(one).collect();
    if all.is_empty() {
        String::new()
    } else {
        format!("<p class=\"small muted\" id=\"checked\">{}</p>", all.join(" · "))
    }
}

/// "15 min"; below ten minutes with a decimal digit if it is not whole, and below one in seconds.
pub(super) fn minutes(us: u64) -> String {
    let minutes = us as f64 / 6e7;
    if minutes < 1.0 {
        return format!("{} s", us / 1_000_000);
    }
    let is_whole = minutes >= 9.95 || (minutes - minutes.round()).abs() < 0.05;
    if is_whole { format!("{minutes:.0} min") } else { format!("{minutes:.1} min") }
}

/// Data of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct ChecksPage {
    pub head: Head,
    pub clock: LocalClock,
    /// Lines of the scene that are not deleted.
    pub lines: Vec<LineRow>,
    pub line: Option<u64>,
    /// Recordings to watch, newest first.
    pub items: Vec<Item>,
    /// Newest first.
    pub checks: Vec<LineCheck>,
    /// Name of each line, its crossings of the last 90 days, and those that are marked as wrong.
    pub marked: Vec<(String, u64, u64)>,
    pub refused: Option<RefusalReason>,
}

pub(super) fn option(value: &str, words: &str, is_chosen: bool) -> String {
    let selected = if is_chosen { " selected" } else { "" };
    format!("<option value=\"{value}\"{selected}>{}</option>", Text(words))
}

fn share(share: Option<CheckedShare>) -> String {
    share.map_or_else(|| String::from("–"), |share| percent(share.value))
}

/// A signed share: "−5 %".
fn error(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    if value == 0.0 { String::from("0 %") } else { format!("{sign}{}", percent(value.abs())) }
}

/// The list as HTML, at `checks`.
pub fn checks_page(page: &ChecksPage) -> String {
    let [lock, unlock] = lock(page.head.reader, Reader::Operator);
    let when =
        |us| format_when(&to_zoned(us, &page.clock.zone), &to_zoned(page.clock.now_us, &page.clock.zone));
    let mut rows = String::new();
    for check in &page.checks {
        let holds = if check.faded.is_empty() {
            String::from("yes")
        } else {
            format!("no: {}", check.faded.join(", "))
        };
        let _ = write!(
            rows,
            "<tr><th scope=\"row\"><a href=\"checks?id={}\">{}</a></th><td class=\"l\">{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td class=\"l\">{}</td><td class=\"l\">{holds}</td></tr>",
            check.id,
            when(check.made_us),
            Text(&check.line),
            minutes(check.checked_us),
            share(check.recall),
            share(check.precision),
            check.sum_error.map_or_else(|| String::from("–"), |share| error(share.value)),
            Text(&check.setup.model),
        );
    }
    if rows.is_empty() {
        rows.push_str("<tr><td colspan=\"8\" class=\"l muted\">No line was checked yet.</td></tr>");
    }
    let marked = page.marked.iter().filter(|(_, all, _)| *all > 0).map(|(name, all, marked)| {
        format!(
            "{name}: {} of {} crossings in 90 days are marked as wrong.",
            format_thousands(*marked),
            format_thousands(*all)
        )
    });
    let main = format!(
        include_str!("checks.html"),
        refused = page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        lines = page.lines.iter().fold(String::new(), |html, line| {
            html + &option(&line.id.to_string(), &line.draft.name, page.line == Some(line.id))
        }),
        minutes = MINUTES.map(|minutes| option(minutes, minutes, minutes == "15")).concat(),
        items = page.items.iter().fold(String::new(), |html, item| {
            html + &option(&item.id.to_string(), &format!("{}, {}", item.name, when(item.at_us)), false)
        }),
        rows = rows,
        marked = Text(&marked.collect::<Vec<_>>().join(" ")),
        lock = lock,
        unlock = unlock,
    );
    PageFrame::new(&page.head, Tab::Counts, "Checks", &["page.js", "head.js"])
        .for_changes_by(Reader::Operator)
        .render(&main)
}

/// Addresses of the picture of a crossing, and of the player with its clip.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckedMedia {
    pub picture: Option<String>,
    pub clip: Option<String>,
}

/// Data of one check.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckPage {
    pub head: Head,
    pub clock: LocalClock,
    pub check: LineCheck,
    /// Picture and clip of each crossing.
    pub shown: Vec<CheckedMedia>,
    /// Whether the recording that shows it still runs; `None` if there is none.
    pub is_recording_open: Option<bool>,
    pub refused: Option<RefusalReason>,
}

/// A check as HTML, at `checks?id=…`; printed it is one page, the certificate.
pub fn check_page(page: &CheckPage) -> String {
    let check = &page.check;
    let faded = match check.faded.join(", ") {
        why if why.is_empty() => String::new(),
        why => format!("<p class=\"bad\">It no longer holds: {why}.</p>"),
    };
    let [lock, unlock] = lock(page.head.reader, Reader::Operator);
    let main = format!(
        include_str!("check.html"),
        line = Text(&check.line),
        camera = Text(&page.head.name),
        version = Text(&page.head.version),
        printed = format_when(&page.zoned(page.clock.now_us), &page.zoned(0)),
        refused = page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        summary = Text(&format!("{}.", capital(&check.summary))),
        faded = faded,
        figures = page.figures(),
        facts = page.facts(),
        late = check.late_s,
        found = check.found,
        missed = check.missed,
        wrong = check.wrong,
        advice = page.advice(),
        events = page.events(),
        delete = format_args!(
            "<details class=\"panel no-print\"><summary>Delete</summary>{}{lock}<button class=\"btn danger\">Delete \
             this check</button>{unlock}</form></details>",
            form_to("delete", &format!("api/v1/checks/{}", check.id), "checks", " class=\"row\"")
        ),
    );
    PageFrame::new(&page.head, Tab::Counts, "Check", &["page.js", "head.js"])
        .for_changes_by(Reader::Operator)
        .render(&main)
}

impl CheckPage {
    fn zoned(&self, us: u64) -> jiff::Zoned {
        to_zoned(us, &self.clock.zone)
    }

    /// Rows of the table: each figure with its interval.
    fn figures(&self) -> String {
        let check = &self.check;
        let crossed = check.found + check.missed;
        let rows = [
            (
                "Counted of what crossed (recall)",
                check.recall,
                false,
                format!("{} of {crossed}", check.found),
            ),
            (
                "Right of what was counted (precision)",
                check.precision,
                false,
                format!("{} of {}", check.found, check.found + check.wrong),
            ),
            (
                "Error of the sum",
                check.sum_error,
                true,
                format!("{} instead of {crossed}", check.found + check.wrong),
            ),
        ];
        let figure = |(name, share, is_error, of): (&str, Option<CheckedShare>, bool, String)| {
            let word = if is_error { error } else { percent };
            let [value, range] = share.map_or(["–", "–"].map(String::from), |share| {
                [word(share.value), format!("{} to {}", word(share.low), word(share.high))]
            });
            format!(
                "<tr><th scope=\"row\">{name}<br><small>{of}</small></th><td>{value}<br><small>{range}</small></td>\
                 </tr>"
            )
        };
        rows.map(figure).concat()
    }

    /// The circumstances.
    fn facts(&self) -> String {
        let check = &self.check;
        let from = self.zoned(check.from_us);
        let light = match check.setup.light {
            None => String::from("unknown"),
            Some(light) => {
                let word = ["dark", "dim", "bright"][usize::from(light >= 40) + usize::from(light >= 90)];
                format!("{word} ({light} of 255)")
            }
        };
        let size =
            check.setup.size.map_or_else(String::new, |(width, height)| format!(", {width} × {height}"));
        let watched = check.recording.map_or_else(
            || String::from("Live"),
            |id| format!("<a href=\"player?id={id}\">Recording {id}</a>"),
        );
        let facts = [
            (
                "Date",
                format!(
                    "{} {}, {} to {}",
                    format_long_day(&from),
                    from.year(),
                    second(&from),
                    second(&self.zoned(check.to_us))
                ),
            ),
            ("Crossings", format!("{} found, {} missed, {} false", check.found, check.missed, check.wrong)),
            ("Checked", format!("{} of {}", minutes(check.checked_us), minutes(check.to_us - check.from_us))),
            ("Line", format!("{}, version {}", Text(&check.line), check.version)),
            (
                "Model",
                Text(if check.setup.model.is_empty() { "unknown" } else { &check.setup.model }).to_string(),
            ),
            ("Camera", format!("{}{size}", Text(&check.setup.camera))),
            ("Light", light),
            ("Watched", watched),
            ("Stored", format_when(&self.zoned(check.made_us), &self.zoned(0))),
        ];
        facts.map(|(name, words)| format!("<div><dt>{name}</dt><dd>{words}</dd></div>")).concat()
    }

    /// What goes wrong by cause, and the form that tries changes.
    fn advice(&self) -> String {
        let check = &self.check;
        let [lock, unlock] = lock(self.head.reader, Reader::Operator);
        let mut html = String::new();
        if let Some(advice) = &check.advice {
            for one in &advice.causes {
                let setting = match one.change {
                    Some(TrialChange::Rate(_)) => String::from("settings#s-detect.fps"),
                    Some(TrialChange::Score(_)) => String::from("settings#s-detect.score"),
                    Some(TrialChange::Line(_) | TrialChange::Once(_)) => {
                        format!("lines?line={}", check.line_id)
                    }
                    None => String::new(),
                };
                let change = one.change_in_words().map_or_else(
                    || String::from("<span class=\"muted\">No change was found that helps</span>"),
                    |words| {
                        let words = capital(&words);
                        format!("{} <a class=\"btn\" href=\"{setting}\">Change it</a>", Text(&words))
                    },
                );
                let _ = write!(
                    html,
                    "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td class=\"l\">{change}</td></tr>",
                    capital(one.in_words()),
                    one.missed,
                    one.wrong,
                );
            }
            let before = format!(
                "{} are counted, and {} of the counts are right",
                share(advice.before.recall),
                share(advice.before.precision)
            );
            let told = match advice.recording {
                Some(_) => format!("Tried on the recording. With the present settings, {before} there."),
                None => String::from("Told by the tracks of that time."),
            };
            let none = match (html.as_str(), check.missed + check.wrong) {
                ("", 0) => " Nothing was missed or false.",
                ("", _) => " Counted again, nothing is missed or false: no change can be judged by that.",
                _ => "",
            };
            html = match html.as_str() {
                "" => format!("<p>{told}{none}</p>"),
                rows => format!(
                    "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of \
                     causes\"><table><thead><tr><th scope=\"col\">Cause</th><th scope=\"col\">Missed</th><th \
                     scope=\"col\">False</th><th scope=\"col\" class=\"l\">What helps</th></tr></thead><tbody>{rows}\
                     </tbody></table></div><p class=\"small muted\">{told}</p>"
                ),
            };
        }
        if let Some(why) = &check.trial_failed {
            let _ = write!(html, "<p class=\"bad\">{}.</p>", Text(&capital(why)));
        }
        let form = form_to(
            "post",
            &format!("api/v1/checks/{}/advice", check.id),
            &format!("checks?id={}", check.id),
            "",
        );
        let none = |why: &str| format!("<p class=\"small muted\">{why}</p>");
        match (check.trial, check.untriable(), self.is_recording_open) {
            (Some(done), ..) => {
                let _ = write!(html, "<p>Changes are being tried: {}. The page reloads.</p>", percent(done));
            }
            (_, Some([why, hint]), _) => {
                html.push_str(&none(&format!("No change can be tried: {why}. {}.", capital(hint))));
            }
            (.., Some(false)) => {
                let _ = write!(
                    html,
                    "{form}{lock}<button class=\"btn\">Find causes, try changes</button> <span class=\"small \
                     muted\">On the recording of that time.</span>{unlock}</form>"
                );
            }
            (.., Some(true)) => html.push_str(&none(
                "The recording of that time still runs. Changes can be tried once it has ended.",
            )),
            (.., None) => {
                html.push_str(&none("No recording shows that time, so no change can be tried."));
            }
        }
        html
    }

    /// Missed and false crossings come first.
    fn events(&self) -> String {
        let mut all: Vec<(&CheckEvent, &CheckedMedia)> =
            self.check.crossings.iter().zip(&self.shown).collect();
        all.sort_by_key(|(event, _)| (event.verdict == CheckVerdict::Found, event.time_us));
        let mut html = String::new();
        for (event, CheckedMedia { picture, clip }) in all {
            let (class, way) = match event.direction {
                Direction::In => ("in", &self.check.drawn.in_name),
                Direction::Out => ("out", &self.check.drawn.out_name),
            };
            let at = self.zoned(event.time_us);
            let time = second(&at);
            // There it can be marked as wrong.
            let time = match event.crossing {
                Some(id) => format!(
                    "<a href=\"crossings?day={}&amp;line={}&amp;at={id}#one\">{time}</a>",
                    at.date(),
                    self.check.line_id
                ),
                None => time,
            };
            let picture = picture.as_ref().map(|address| {
                format!(
                    "<img src=\"{}\" alt=\"\" width=\"96\" height=\"72\" loading=\"lazy\">",
                    Text(address)
                )
            });
            let clip = clip.as_ref().map(|address| format!("<a href=\"{}\">Play</a>", Text(address)));
            let _ = write!(
                html,
                "<tr><th scope=\"row\">{time}</th><td class=\"l\">{}</td><td class=\"l {class}\">{}</td><td class=\"l \
                 pic\">{}</td><td class=\"l\">{}</td></tr>",
                event.verdict.as_str(),
                Text(way),
                picture.unwrap_or_default(),
                clip.unwrap_or_else(|| "<span class=\"muted\">No recording</span>".into()),
            );
        }
        if html.is_empty() {
            html.push_str("<tr><td colspan=\"5\" class=\"l muted\">Nothing crossed.</td></tr>");
        }
        html
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ui::fixtures::{self, checks};

    #[test]
    fn a_badge_says_what_was_found_and_why_it_has_faded() {
        let html = fixtures::all();
        let of = |name: &str| html.iter().find(|(own, _)| *own == name).unwrap().1.as_str();
        for page in ["lines.html", "counts.html", "live.html"] {
            let page = of(page);
            let badge = "<a class=\"small\" href=\"checks?id=7\">checked 12 Nov: 97 %, 15 min</a>";
            assert!(page.contains(badge), "{page}");
            assert!(page.contains("no longer holds: the model was changed"), "{page}");
        }
    }

    #[test]
    fn a_certificate_has_the_figures_with_their_intervals_and_the_circumstances() {
        let html = check_page(&checks::one());
        for words in [
            "Of 100 people about 94 to 99 are counted.",
            "30 of 31</small></th><td>97 %<br><small>94 % to 99 %</small></td>",
            "31 instead of 31</small></th><td>−1 %<br><small>−4 % to +2 %</small></td>",
            "<dd>yolox_nano_320</dd>",
            "<dd>bright (118 of 255)</dd>",
            "<dd>Main path, version 2</dd>",
            "With 10 detections a second: 98 %, 98 % of the counts are right <a class=\"btn\" \
             href=\"settings#s-detect.fps\">",
            "Cause unknown</th><td>0</td><td>1</td>",
            "action=\"api/v1/checks/7/advice\"",
        ] {
            assert!(html.contains(words), "{words}: {html}");
        }
        let [missed, found] =
            ["<td class=\"l\">missed", "<td class=\"l\">found"].map(|word| html.find(word).unwrap());
        assert!(missed < found, "what went wrong comes first");
    }
}
