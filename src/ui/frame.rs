//! What is around every page: its head with the camera's state, the tabs, the footer; and what several pages say alike.

use std::fmt::Write;

use super::banner::banner;
use super::escape::{MarkedText, Text};
use super::facts::{Alert, Head, Reader, RefusalReason, ReturnedForm};
use super::form::locked_banner;
use super::format::{as_sentence, sentence};

/// The pages, in the order in which one gets to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Live,
    Counts,
    Media,
    Lines,
    Settings,
    Models,
    Lights,
    Diagnosis,
    Log,
    Database,
    Access,
    SignIn,
    None,
}

impl Tab {
    const ALL: [(Tab, &'static str, &'static str); 12] = [
        (Tab::Live, "./", "Live"),
        (Tab::Counts, "counts", "Counts"),
        (Tab::Media, "media", "Media"),
        (Tab::Lines, "lines", "Lines"),
        (Tab::Settings, "settings", "Settings"),
        (Tab::Models, "models", "Models"),
        (Tab::Lights, "lights", "Light"),
        (Tab::Diagnosis, "diagnosis", "Diagnosis"),
        (Tab::Log, "log", "Log"),
        (Tab::Database, "database", "Database"),
        (Tab::Access, "access", "Access"),
        (Tab::SignIn, "sign-in", "Account"),
    ];

    /// So many have room on a telephone; the others are in a menu.
    const IN_SIGHT: usize = 5;
}

/// What is around every page: head, tabs and footer.
pub(super) struct PageFrame<'a> {
    /// Begins the window's title.
    pub(super) title: &'a str,
    /// The camera's name.
    pub(super) name: &'a str,
    /// The program's version.
    pub(super) version: &'a str,
    /// How the page looks at the state: see [`state_class`].
    pub(super) look: &'a str,
    /// The state in words.
    pub(super) headline: &'a str,
    /// The figures beside it; may be empty.
    pub(super) figures: &'a str,
    /// Which page it is.
    pub(super) tab: Tab,
    /// The scripts it runs.
    pub(super) scripts: &'a [&'a str],
    /// What keeps the camera from its work, the worst first.
    pub(super) alerts: &'a [Alert],
    /// Who looks at it.
    pub(super) reader: Reader,
    /// Who may send its forms.
    pub(super) least: Reader,
    /// The address that signs in and leads back.
    pub(super) sign_in: &'a str,
    /// The form that was sent from the page and not carried out.
    pub(super) returned: Option<&'a ReturnedForm>,
}

impl<'a> PageFrame<'a> {
    /// The frame of a page that knows no more of the camera than `head`.
    pub(super) fn new(head: &'a Head, tab: Tab, title: &'a str, scripts: &'a [&'a str]) -> PageFrame<'a> {
        PageFrame {
            title,
            name: &head.name,
            version: &head.version,
            look: state_class(&head.state),
            headline: &head.headline,
            figures: "",
            tab,
            scripts,
            alerts: &head.alerts,
            reader: head.reader,
            least: Reader::Viewer,
            sign_in: &head.sign_in,
            returned: head.returned.as_deref(),
        }
    }

    /// The same of a page whose forms only some may send.
    pub(super) fn for_changes_by(self, least: Reader) -> PageFrame<'a> {
        PageFrame { least, ..self }
    }

    /// The whole page around `main`, which is HTML already.
    pub(super) fn render(&self, main: &str) -> String {
        let (mut tabs, mut scripts) = (String::new(), String::new());
        // Writing to a string does not fail.
        for (i, (tab, address, name)) in Tab::ALL.into_iter().enumerate() {
            if i == Tab::IN_SIGHT {
                tabs.push_str("<details id=\"menu\"><summary>More</summary><div>");
            }
            if tab == Tab::Access && self.reader < Reader::Admin {
                continue;
            }
            let current = if tab == self.tab { " aria-current=\"page\"" } else { "" };
            let _ = write!(tabs, "<a href=\"{address}\"{current}>{name}</a>");
        }
        tabs.push_str("</div></details>");
        for script in self.scripts {
            let _ = writeln!(scripts, "<script src=\"{script}\" defer></script>");
        }
        // The state in the head is the worst of picture, counting and storage.
        let worst = self.alerts.first().filter(|alert| alert.kind.is_bad());
        let headline = worst.map_or(self.headline, |alert| alert.headline);
        format!(
            include_str!("frame.html"),
            base = self
                .returned
                .map_or_else(String::new, |form| format!("<base href=\"{}\">\n", Text(&form.base))),
            title = Text(if self.tab == Tab::Live { headline } else { self.title }),
            badge = if worst.is_some() { "⚠ " } else { "" },
            bad = if worst.is_some() { " data-bad" } else { "" },
            name = Text(self.name),
            version = Text(self.version),
            look = Text(self.look),
            headline = Text(headline),
            figures = Text(self.figures),
            tabs = tabs,
            scripts = scripts,
            alerts = banner(self.alerts, self.reader),
            locked = locked_banner(self.reader, self.least, self.sign_in),
            main = main,
        )
    }
}

/// How a state looks: every kind of trouble looks the same.
pub(super) fn state_class(state: &str) -> &'static str {
    match state {
        "live" => "live",
        "asleep" => "asleep",
        "waking" => "waking",
        "paused" => "paused",
        _ => "trouble",
    }
}

pub(super) fn hidden_attribute(is_hidden: bool) -> &'static str {
    if is_hidden { " hidden" } else { "" }
}

/// What is wrong with the field `id`: what marks it, and the words beneath it. Both are empty where nothing is.
pub(super) fn field_error(id: &str, refusal: Option<&RefusalReason>) -> (String, String) {
    let Some(RefusalReason { detail, hint, .. }) = refusal else { return Default::default() };
    let words = MarkedText(format!("{} {}", as_sentence(detail), as_sentence(hint)).trim()).to_string();
    (
        format!(" aria-invalid=\"true\" aria-describedby=\"{id}-said\" autofocus"),
        format!("<p class=\"small bad\" id=\"{id}-said\" role=\"alert\">{words}</p>"),
    )
}

/// What marks the field with this name, if it is the one that is wrong, and the words that stand behind it.
pub(super) fn marked(refusal: Option<&RefusalReason>, field: &str) -> (&'static str, String) {
    match refusal.filter(|refusal| refusal.field == field) {
        Some(refusal) => (
            " aria-invalid=\"true\" aria-describedby=\"wrong\" autofocus",
            format!("<span class=\"err\" id=\"wrong\">{}</span>", MarkedText(&as_sentence(&refusal.detail))),
        ),
        None => ("", String::new()),
    }
}

/// What could not be done, where the reader looks first.
pub(super) fn refusal_html(refusal: &RefusalReason) -> String {
    let hint = if refusal.hint.is_empty() { String::new() } else { format!(" {}", remedy(&refusal.hint)) };
    format!(
        "<div class=\"banner trouble\" role=\"alert\"><p><b>{}</b>{hint}</p></div>",
        MarkedText(&sentence(&refusal.detail))
    )
}

/// What can be done, as HTML. What a shell mends is mended here by a page.
pub(super) fn remedy(hint: &str) -> String {
    let pages = [("`tallycam model", "models", "Models"), ("`tallycam devices`", "cameras", "Cameras")];
    match pages.iter().find(|(command, ..)| hint.starts_with(command)) {
        Some((_, address, name)) => format!("Choose or add one: <a href=\"{address}\">{name}</a>."),
        None => MarkedText(&sentence(hint)).to_string(),
    }
}

/// The options of a selection: values with their words, the one that is `chosen` selected. Both stand in HTML as they
/// are.
pub(super) fn options(choices: &[(&str, &str)], chosen: &str) -> String {
    let mut html = String::new();
    for (value, words) in choices {
        let selected = if *value == chosen { " selected" } else { "" };
        // Writing to a string does not fail.
        let _ = write!(html, "<option value=\"{value}\"{selected}>{words}</option>");
    }
    html
}
