//! Data of the page Settings: settings, their kinds of values, and the origins of values.

use std::sync::Arc;

use crate::ui::facts::{Head, LocalClock, Reader, RefusalReason};
use tallycam_camera::media::Control;
use tallycam_store::media::ClockWait;

use super::retention::RetentionPreview;

/// Data of the page Settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SettingsPage {
    pub head: Head,
    pub settings: Vec<Setting>,
    /// The modes that the camera offers; empty if unknown.
    pub modes: Vec<CameraMode>,
    /// The camera's own controls; `None` if it has none.
    pub controls: Option<ControlsFacts>,
    /// Why they cannot be shown, in a sentence; may be empty.
    pub no_controls: String,
    /// Faults of a settings file; empty without faults.
    pub complaint: String,
    /// Why the last change is not stored; empty if it is.
    pub unsaved: String,
    /// Why settings cannot be changed here, in a sentence; empty if they can.
    pub fixed: String,
    /// The machine can be switched off from here.
    pub has_power: bool,
    /// The result of the last action, in a sentence.
    pub done: Option<String>,
    /// The refusal of the last request.
    pub refused: Option<RefusalReason>,
    /// The rows that have just been changed.
    pub saved: Vec<String>,
    /// Only settings that contain this text are shown; empty for all.
    pub search: String,
    /// The preview of the typed retention rules, if it was asked for.
    pub plan: Option<RetentionPreview>,
    /// Why items that are too old are not deleted yet, and the local clock; `None` if no rule asks for it.
    pub waits: Option<(ClockWait, LocalClock)>,
    /// The file of a refused import.
    pub import: String,
    /// The items that it would delete, in a sentence; may be empty.
    pub import_deletes: String,
}

impl SettingsPage {
    /// True if the reader can change nothing here.
    pub(super) fn is_fixed(&self) -> bool {
        !self.fixed.is_empty() || self.head.reader < Reader::Admin
    }
}

/// One setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its key: `stream.quality`.
    pub path: String,
    pub field: SettingField,
    /// The text in its field: the typed one if it was refused. A secret is never included.
    pub text: String,
    /// The unit that was chosen for a refused value.
    pub typed_unit: Option<String>,
    /// The value in force, likewise.
    pub is: String,
    /// The default, likewise.
    pub default: String,
    pub origin: ValueOrigin,
    /// The description of the configuration file.
    pub about: String,
    /// Why the typed value is wrong, in a sentence.
    pub wrong: Option<String>,
    /// Changed, but in force only after a restart.
    pub needs_restart: bool,
    /// Somebody else has changed it meanwhile; the typed value can be sent again.
    pub is_changed: bool,
    /// The items that the typed value would delete, in a sentence, as a question.
    pub deletes: Option<String>,
}

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ValueOrigin {
    /// Nobody has set it.
    #[default]
    Default,
    /// Set on the page or by a program.
    Page,
    /// Set by the operator, and changeable only there: "/etc/tallycam/config.toml line 12".
    Pinned(String),
}

/// The kind of a setting's value, and so its field.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingField {
    /// `true` or `false`.
    Switch,
    /// A number between two limits.
    Number {
        least: f64,
        most: f64,
        /// Whole numbers only.
        is_whole: bool,
    },
    /// A number between two limits, or a word: "auto".
    NumberOr {
        least: f64,
        most: f64,
        word: &'static str,
    },
    /// One of these words.
    Choice(Vec<String>),
    /// A duration between two limits, or a word.
    Time(String, String, Option<&'static str>),
    /// A size in bytes, or a word.
    Size(Option<&'static str>),
    /// Words separated by commas.
    List,
    /// Words separated by commas, out of these.
    Several {
        /// The words that are set.
        chosen: Vec<String>,
        /// The other possible words.
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
    /// As in `MJPG`.
    pub format: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The highest frame rate; 0 if unknown.
    pub fps: f64,
}

/// The camera's own controls.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ControlsFacts {
    /// The camera's name for people.
    pub camera: String,
    /// The identity under which its controls are stored; empty if they are not.
    pub identity: String,
    /// All controls with their present values.
    pub controls: Vec<Control>,
    /// Names of the controls that are stored for this camera.
    pub saved: Vec<String>,
    /// Names of the controls that the operator pins.
    pub pinned: Vec<String>,
    /// Typed values of a refused form, by name.
    pub typed: Vec<(String, f64)>,
    /// Errors of given values, by name.
    pub wrong: Vec<(String, String)>,
    /// Deviations of the camera from the request, in sentences.
    pub notes: Vec<String>,
}

impl CameraMode {
    /// The mode in one word, as the form sends it.
    pub fn to_form_value(&self) -> String {
        format!("{}-{}x{}", self.format, self.width, self.height)
    }
}
