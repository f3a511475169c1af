//! What the page of settings shows: settings, what they hold, where their values come from.

use std::sync::Arc;

use crate::media::Control;
use crate::store::media::ClockWait;
use crate::ui::facts::{Head, LocalClock, Reader, RefusalReason};

use super::retention::RetentionPreview;

/// What the page of settings shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SettingsPage {
    /// What stands above.
    pub head: Head,
    /// Every setting.
    pub settings: Vec<Setting>,
    /// The modes that the camera really offers; empty where that is not known.
    pub modes: Vec<CameraMode>,
    /// The camera's own controls; `None` where it has none.
    pub controls: Option<ControlsFacts>,
    /// Why they cannot be shown, in a sentence; empty where they can.
    pub no_controls: String,
    /// What is wrong with a file that was read; empty when all is well.
    pub complaint: String,
    /// Why what was changed last is not kept; empty when it is.
    pub unkept: String,
    /// Settings cannot be changed here: why, in a sentence. Empty where they can.
    pub fixed: String,
    /// The machine can be switched off from here.
    pub has_power: bool,
    /// What has just been done, in a sentence.
    pub done: Option<String>,
    /// What was not done.
    pub refused: Option<RefusalReason>,
    /// The rows that have just been changed.
    pub saved: Vec<String>,
    /// Only settings with this in them are shown; empty: all.
    pub search: String,
    /// What the rules of retention that were typed would delete, where that was asked for.
    pub plan: Option<RetentionPreview>,
    /// What keeps all that is too old from going, where a rule wants it to, and the clock on the wall.
    pub waits: Option<(ClockWait, LocalClock)>,
    /// The file that was to be imported and is not.
    pub import: String,
    /// What it would delete, in a sentence; empty: nothing.
    pub import_deletes: String,
}

impl SettingsPage {
    /// Whether the reader can change nothing here.
    pub(super) fn is_fixed(&self) -> bool {
        !self.fixed.is_empty() || self.head.reader < Reader::Admin
    }
}

/// One setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its key: `stream.quality`.
    pub path: String,
    /// What it holds.
    pub field: SettingField,
    /// The value as it stands in its field: as typed, where that was refused. A secret is not told.
    pub text: String,
    /// The unit that was chosen beside it, where that was refused.
    pub unit: Option<String>,
    /// The value in force, likewise.
    pub is: String,
    /// The default, likewise.
    pub default: String,
    /// Where it comes from.
    pub origin: ValueOrigin,
    /// What it does, as the configuration file says.
    pub about: String,
    /// Why what was typed is none, in a sentence.
    pub wrong: Option<String>,
    /// It was changed, and takes effect after a restart.
    pub needs_restart: bool,
    /// Somebody else has changed it meanwhile: what was typed can be sent again.
    pub is_changed: bool,
    /// What would be deleted by what was typed, in a sentence: it is asked first.
    pub deletes: Option<String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ValueOrigin {
    /// Nobody has set it.
    #[default]
    Default,
    /// It was set on the page, or by a program.
    Page,
    /// The operator sets it there, and only there: "/etc/tallycam/config.toml line 12".
    Pinned(String),
}

/// What a setting holds, and so how it is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingField {
    /// On or off: `true`, `false`.
    Switch,
    /// A number from the first to the second.
    Number {
        least: f64,
        most: f64,
        /// Only whole ones.
        is_whole: bool,
    },
    /// The same, or a word: "auto".
    NumberOr {
        least: f64,
        most: f64,
        word: &'static str,
    },
    /// One of these words.
    Choice(Vec<String>),
    /// A length of time from the first to the second, or a word.
    Time(String, String, Option<&'static str>),
    /// An amount of bytes, or a word.
    Size(Option<&'static str>),
    /// Words with commas between.
    List,
    /// The same, of these: each as it stands in such a list.
    Several {
        /// Those that are set.
        chosen: Vec<String>,
        /// Those that could be.
        others: Vec<String>,
    },
    Text,
    /// A text, mostly one of these.
    Suggested(Arc<[String]>),
    /// A text that is not shown.
    Secret,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CameraMode {
    /// `MJPG`.
    pub format: String,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The highest rate, pictures a second; 0 where that is not known.
    pub fps: f64,
}

/// The camera's own controls.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ControlsFacts {
    /// The camera, for people.
    pub camera: String,
    /// Under which its controls are kept; empty where they are not.
    pub identity: String,
    /// Each, as it is now.
    pub controls: Vec<Control>,
    /// Those that are kept for this camera.
    pub saved: Vec<String>,
    /// Those that the operator sets.
    pub pinned: Vec<String>,
    /// What was typed, by name, where the form of controls was not carried out.
    pub typed: Vec<(String, f64)>,
    /// What is wrong with what was given, or was not done with it, by name.
    pub wrong: Vec<(String, String)>,
    /// What came out otherwise than it was asked, in sentences.
    pub notes: Vec<String>,
}

impl CameraMode {
    /// The mode in one word, as the form sends it.
    pub fn to_form_value(&self) -> String {
        format!("{}-{}x{}", self.format, self.width, self.height)
    }
}
