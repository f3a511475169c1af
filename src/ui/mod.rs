//! The pages: rendered on the server, one style sheet, a little script, all embedded in the program.
//!
//! Pure: data in, HTML out. URLs in pages are relative, so that any prefix works. No page carries
//! a style attribute, an inline script or an inline style, so the strictest content security policy
//! will do: `default-src 'none'; connect-src 'self'; form-action 'self'; img-src 'self';
//! script-src 'self'; style-src 'self'; worker-src 'self'`.
//!
//! A page is one HTML file beside this one with `{names}` in it, filled by `format!` (so the
//! compiler checks the names), inside the frame that all pages share (`frame.html`).

mod access;
mod assets;
mod audit;
mod backup;
mod chart;
mod counts;
mod crossing_report;
mod database;
mod diagnosis;
mod draw;
mod escape;
mod facts;
mod facts_diagnosis;
mod facts_lens;
mod facts_lights;
mod format;
mod lens;
mod lights;
mod lines;
mod live;
mod live_controls;
mod live_counting;
mod live_recording;
mod log;
mod media;
mod minify;
mod models;
mod player;
mod range;
mod settings;
mod sign_in;
mod storage_view;
mod update;

pub use access::{AccessPage, access_page, claim_page};
pub use assets::{Asset, asset};
pub use audit::{ActivityPage, ActivityRow, activity_page};
pub use backup::{BackupPage, BackupStep, backup_page};
pub use counts::{CountsPage, counts_page};
pub use crossing_report::{CrossingFigure, CrossingsPage, LineCrossings, crossings_page, report_page};
pub use database::{Checked, DatabasePage, RetentionPreview, Rule, Rules, database_page};
pub use diagnosis::{DiagnosisPage, diagnosis_page};
pub use escape::Text;
pub use facts::{
    ChartBucket, Clock, CountingFacts, Crossed, DrawnLine, Head, KindCount, LineTally, LogLine, NotCounted,
    Refusal, SetToZero,
};
pub use facts_diagnosis::FindingFacts;
pub use facts_lens::LensFacts;
pub use facts_lights::{LightFacts, LightRange};
pub use lights::{LightsPage, lights_page};
pub use lines::{ChosenLine, LineAction, LineForm, LinesPage, lines_page};
pub use live::{LivePage, live_page};
pub use live_controls::{LiveHands, ViewFacts};
pub use live_counting::LiveCounting;
pub use live_recording::LiveKeeping;
pub use log::{LEVELS, LogPage, log_page};
pub use media::{MEDIA_PAGE, MediaAsk, MediaPage, media_ask_page, media_page};
pub use models::{CatalogueModel, FoundModel, ModelsPage, models_page};
pub use player::{MediaForm, PlayerPage, SPEEDS, player_page};
pub use range::{CountsAsk, Heatmap, Span};
pub use settings::{
    CameraMode, ControlsFacts, Field, Setting, SettingsPage, ValueOrigin, control_in_words, group_of_key,
    is_shown_on_page, settings_page,
};
pub use sign_in::{SignInPage, sign_in_page};
pub use storage_view::{AsideRow, KeepingTrouble, MediaRoom, MediaRow, NotKept, RecordingNow};
pub use update::{UpdatePage, UpdateState, update_page};

use std::fmt::Write;

/// Bytes in the unit that suits them: "8.9 MB".
pub fn format_bytes(bytes: u64) -> String {
    format::size(bytes)
}

/// A time of day: "14:03:27".
pub fn second_in_words(us: u64, clock: &Clock) -> String {
    format::second(&format::to_zoned(us, &clock.zone))
}

/// The pages, in the order in which one gets to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tab {
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

/// Stands above every page of a camera without a password.
const OPEN: &str = "<div class=\"banner\" id=\"open\"><p><b>Anyone on this network can watch and change this camera.</b> <code>tallycam password random</code> on its machine makes a password.</p></div>\n";

/// What is around every page: head, tabs and footer.
struct Frame<'a> {
    /// Begins the window's title.
    title: &'a str,
    /// The camera's name.
    name: &'a str,
    /// The program's version.
    version: &'a str,
    /// How the page looks at the state: see [`live`].
    look: &'a str,
    /// The state in words.
    headline: &'a str,
    /// The figures beside it; may be empty.
    figures: &'a str,
    /// Which page it is.
    tab: Tab,
    /// The scripts it runs.
    scripts: &'a [&'a str],
    /// Whoever reaches the camera can change it.
    is_open: bool,
    /// Whoever looks may do everything.
    is_admin: bool,
}

impl<'a> Frame<'a> {
    /// The frame of a page that knows no more of the camera than `head`.
    fn new(head: &'a Head, tab: Tab, title: &'a str, scripts: &'a [&'a str]) -> Frame<'a> {
        Frame {
            title,
            name: &head.name,
            version: &head.version,
            look: live::state_class(&head.state),
            headline: &head.headline,
            figures: "",
            tab,
            scripts,
            is_open: head.is_open,
            is_admin: head.is_admin,
        }
    }

    /// The whole page around `main`, which is HTML already.
    fn render(&self, main: &str) -> String {
        let (mut tabs, mut scripts) = (String::new(), String::new());
        // Writing to a string does not fail.
        for (i, (tab, address, name)) in Tab::ALL.into_iter().enumerate() {
            if i == Tab::IN_SIGHT {
                tabs.push_str("<details id=\"menu\"><summary>More</summary><div>");
            }
            if tab == Tab::Access && !self.is_admin {
                continue;
            }
            let current = if tab == self.tab { " aria-current=\"page\"" } else { "" };
            let _ = write!(tabs, "<a href=\"{address}\"{current}>{name}</a>");
        }
        tabs.push_str("</div></details>");
        for script in self.scripts {
            let _ = writeln!(scripts, "<script src=\"{script}\" defer></script>");
        }
        format!(
            include_str!("frame.html"),
            title = Text(self.title),
            name = Text(self.name),
            version = Text(self.version),
            look = Text(self.look),
            headline = Text(self.headline),
            figures = Text(self.figures),
            tabs = tabs,
            scripts = scripts,
            open = if self.is_open { OPEN } else { "" },
            main = main,
        )
    }
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod fixtures_controls;
#[cfg(test)]
mod fixtures_media;
