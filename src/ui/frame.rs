//! The frame of every page: head with the camera's state, tabs, footer; and words that several pages share.

use std::fmt::Write;

use super::banner::banner;
use super::escape::{MarkedText, Text};
use super::facts::{Alert, Head, Reader, RefusalReason, ReturnedForm, SetUp};
use super::form::locked_banner;
use super::format::{as_sentence, thousands};
use super::set_up::set_up_bar;

/// The pages, in the order of the tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Live,
    Counts,
    Media,
    Lines,
    Settings,
    All,
    Models,
    Lights,
    Notifications,
    Diagnosis,
    Log,
    Database,
    Access,
    Backup,
    Update,
    Power,
    SignIn,
    None,
}

impl Tab {
    const ALL: [(Tab, &'static str, &'static str); 17] = [
        (Tab::Live, "./", "Live"),
        (Tab::Counts, "counts", "Counts"),
        (Tab::Media, "media", "Media"),
        (Tab::Lines, "lines", "Lines"),
        (Tab::Settings, "settings", "Settings"),
        (Tab::All, "all", "All cameras"),
        (Tab::Models, "models", "Models"),
        (Tab::Lights, "lights", "Light"),
        (Tab::Notifications, "notifications", "Notifications"),
        (Tab::Diagnosis, "diagnosis", "Diagnosis"),
        (Tab::Log, "log", "Log"),
        (Tab::Database, "database", "Database"),
        (Tab::Access, "access", "Access"),
        (Tab::Backup, "backup", "Backup &amp; restore"),
        (Tab::Update, "update", "Update"),
        (Tab::Power, "settings#power", "Power"),
        (Tab::SignIn, "sign-in", "Account"),
    ];

    /// Number of tabs that fit on a phone; the others are in a menu.
    const IN_SIGHT: usize = 5;

    /// Outlines of the icons that a phone shows: of the tabs in sight, and of their menu.
    const ICONS: [&'static str; 6] = [
        "M3 7h12v10H3zm12 5 6-4v8z",
        "M5 20v-8m7 8V4m7 16v-5",
        "M3 5h18v14H3zm0 11 5-5 8 8m-2-3 3-3 4 4",
        "M5 20 12 4m0 9h9m-4-4 4 4-4 4",
        "M4 7h8m4 0h4m-6-3v6M4 17h2m4 0h10M8 14v6",
        "M4 12h2m5 0h2m5 0h2",
    ];
}

/// The icon of a tab as SVG.
fn icon(place: usize) -> String {
    let icon = |path| {
        format!("<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"{path}\"/></svg>")
    };
    Tab::ICONS.get(place).map(icon).unwrap_or_default()
}

/// The pages that only an admin may open.
const MACHINE: [Tab; 4] = [Tab::Access, Tab::Backup, Tab::Update, Tab::Power];

/// Head, tabs and footer of a page.
pub(super) struct PageFrame<'a> {
    /// Begins the window's title.
    pub(super) title: &'a str,
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// The state's class in the style sheet, from [`state_class`].
    pub(super) look: &'a str,
    /// The state in words.
    pub(super) headline: &'a str,
    /// Figures beside the state; may be empty.
    pub(super) figures: &'a str,
    pub(super) tab: Tab,
    pub(super) scripts: &'a [&'a str],
    /// Faults and open tasks, the worst first.
    pub(super) alerts: &'a [Alert],
    pub(super) has_neighbours: bool,
    /// The rights of the reader.
    pub(super) reader: Reader,
    /// The rights that the page's forms need.
    pub(super) least: Reader,
    /// How far the first set-up is.
    pub(super) set_up: Option<&'a SetUp>,
    /// The address that signs in and leads back.
    pub(super) sign_in: &'a str,
    /// The form that was sent from the page and refused.
    pub(super) returned: Option<&'a ReturnedForm>,
}

impl<'a> PageFrame<'a> {
    /// The frame of a page that knows only `head` of the camera.
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
            has_neighbours: head.has_neighbours,
            reader: head.reader,
            least: Reader::Visitor,
            set_up: head.set_up.as_ref(),
            sign_in: &head.sign_in,
            returned: head.returned.as_deref(),
        }
    }

    /// The same frame for a page whose forms need `least`.
    pub(super) fn for_changes_by(self, least: Reader) -> PageFrame<'a> {
        PageFrame { least, ..self }
    }

    /// The whole page around `main`, which must be HTML.
    pub(super) fn render(&self, main: &str) -> String {
        let (mut tabs, mut scripts) = (String::new(), String::new());
        for (i, (tab, address, name)) in Tab::ALL.into_iter().enumerate() {
            if i == Tab::IN_SIGHT {
                let _ = write!(tabs, "<details id=\"menu\"><summary>{}More</summary><div>", icon(i));
            }
            if (MACHINE.contains(&tab) && self.reader < Reader::Admin)
                || (tab == Tab::All && !self.has_neighbours)
            {
                continue;
            }
            let current = if tab == self.tab { " aria-current=\"page\"" } else { "" };
            let icon = if i < Tab::IN_SIGHT { icon(i) } else { String::new() };
            let _ = write!(tabs, "<a href=\"{address}\"{current}>{icon}{name}</a>");
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
            thousands = thousands(),
            headline = Text(headline),
            figures = Text(self.figures),
            tabs = tabs,
            scripts = scripts,
            set_up = self.set_up.map(set_up_bar).unwrap_or_default(),
            alerts = banner(self.alerts, self.reader),
            locked = locked_banner(self.reader, self.least, self.sign_in),
            main = main,
        )
    }
}

/// The style sheet's class of a state; all faults share one.
pub(super) fn state_class(state: &str) -> &'static str {
    match state {
        "live" => "live",
        "idle" => "idle",
        "starting" => "starting",
        "paused" => "paused",
        _ => "trouble",
    }
}

pub(super) fn hidden_attribute(is_hidden: bool) -> &'static str {
    if is_hidden { " hidden" } else { "" }
}

/// The attributes of the wrong field `id` and the message below it. Both are empty without an error.
pub(super) fn field_error(id: &str, refusal: Option<&RefusalReason>) -> (String, String) {
    let Some(RefusalReason { detail, hint, .. }) = refusal else { return Default::default() };
    let words = MarkedText(format!("{} {}", as_sentence(detail), as_sentence(hint)).trim()).to_string();
    (
        format!(" aria-invalid=\"true\" aria-describedby=\"{id}-said\" autofocus"),
        format!("<p class=\"small bad\" id=\"{id}-said\" role=\"alert\">{words}</p>"),
    )
}

/// The attributes of the field with this name, if it is the wrong one, and the message behind it.
pub(super) fn marked(refusal: Option<&RefusalReason>, field: &str) -> (&'static str, String) {
    match refusal.filter(|refusal| refusal.field == field) {
        Some(refusal) => (
            " aria-invalid=\"true\" aria-describedby=\"wrong\" autofocus",
            format!("<span class=\"err\" id=\"wrong\">{}</span>", MarkedText(&as_sentence(&refusal.detail))),
        ),
        None => ("", String::new()),
    }
}

/// The banner for a refused request, at the top of the page.
pub(super) fn refusal_html(refusal: &RefusalReason) -> String {
    let hint = if refusal.hint.is_empty() { String::new() } else { format!(" {}", remedy(&refusal.hint)) };
    format!(
        "<div class=\"banner trouble\" role=\"alert\"><p><b>{}</b>{hint}</p></div>",
        MarkedText(&as_sentence(&refusal.detail))
    )
}

/// A hint as HTML. A link to a page replaces a hint for the command line.
pub(super) fn remedy(hint: &str) -> String {
    let pages = [("`tallycam model", "models", "Models"), ("`tallycam devices`", "cameras", "Cameras")];
    match pages.iter().find(|(command, ..)| hint.starts_with(command)) {
        Some((_, address, name)) => format!("Choose or add one: <a href=\"{address}\">{name}</a>."),
        None => MarkedText(&as_sentence(hint)).to_string(),
    }
}

/// The options of a selection with the `chosen` one selected. Values and words must be HTML.
pub(super) fn options(choices: &[(&str, &str)], chosen: &str) -> String {
    let mut html = String::new();
    for (value, words) in choices {
        let selected = if *value == chosen { " selected" } else { "" };
        let _ = write!(html, "<option value=\"{value}\"{selected}>{words}</option>");
    }
    html
}
