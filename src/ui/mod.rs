//! The pages: rendered on the server, with one style sheet and a little script, all embedded in the program.
//!
//! Pure: data in, HTML out. Stored data comes as the store's own plain rows. URLs in pages are relative, so that any
//! prefix works. No page has a style attribute, an inline script or an inline style, so that the strictest content
//! security policy works: `default-src 'none'; connect-src 'self'; form-action 'self'; img-src 'self'; manifest-src
//! 'self'; script-src 'self'; style-src 'self'; worker-src 'self'`.
//!
//! Each page has an HTML file in its folder with `{names}` in it. `format!` fills it, so that the compiler checks the
//! names, and puts it into the frame that all pages share (`frame.html`). Results of `write!` are ignored, because
//! writing to a `String` cannot fail.

mod assets;
mod banner;
mod chart;
mod counts;
mod escape;
mod facts;
mod form;
mod format;
mod frame;
mod lights;
mod lines;
mod live;
mod machine;
mod media;
mod names;
mod set_up;
mod settings;

pub use assets::{Asset, asset, assets};
pub use counts::checks::{CheckBadge, CheckPage, CheckedMedia, ChecksPage, check_page, checks_page};
pub use counts::crossing_report::{
    CrossingFigure, LineCrossings, crossings_address, not_counting_in_words, report_page,
};
pub use counts::crossings::{ClippedCrossing, CrossingsAsk, CrossingsPage, crossings_page};
pub use counts::range::{CountsAsk, DateSpan, export_name};
pub use counts::taps::{TapsPage, taps_page};
pub use counts::{CountsPage, counts_page};
pub use escape::Text;
pub use facts::diagnosis::{Finding, Verdict};
pub use facts::lens::{LastSweep, LensReport, LensWindow, SweepProgress};
pub use facts::lights::{LightReport, PresetReport, RangeReport};
pub use facts::neighbours::{InOut, NeighbourReport, NeighboursReport};
pub use facts::{
    Alert, AlertKind, CountingReport, Head, LocalClock, LogLine, Reader, RefusalReason, ReturnedForm, SetUp,
    ZoneFigures, ZoneNow,
};
pub(crate) use format::as_sentence;
pub use format::{has_decimal_commas, in_language};
pub use lights::{LightsPage, lights_page};
pub use lines::zones::{MaskNow, ZoneForm};
pub use lines::{ChosenShape, LineForm, LinesPage, ShapeForm, lines_page};
pub use live::controls::{LiveControls, ViewFacts};
pub use live::counting::LiveCounting;
pub use live::recording::LiveRecording;
pub use live::{LivePage, live_page};
pub use machine::access::{AccessPage, access_page, claim_page};
pub use machine::all::{AllPage, all_page};
pub use machine::audit::{ActivityPage, ActivityRow, activity_page};
pub use machine::backup::{BackupPage, BackupStep, Replaced, backup_page};
pub use machine::cameras::{CameraChoice, CamerasPage, cameras_page};
pub use machine::database::{DatabasePage, database_page};
pub use machine::diagnosis::{DiagnosisPage, diagnosis_page};
pub use machine::log::{LEVELS, LogPage, log_page};
pub use machine::models::{CatalogueModel, ModelRow, ModelsPage, models_page};
pub use machine::not_found::{ask_back_page, not_found_page, problem_page};
pub use machine::notifications::{DeliveryRow, MqttFacts, NotificationsPage, RuleRow, notifications_page};
pub use machine::people::{AccessMade, People};
pub use machine::sign_in::{SignInPage, sign_in_page};
pub use machine::update::{UpdatePage, UpdateState, update_page};
pub use machine::welcome::{WelcomePage, welcome_page};
pub use media::player::{PlayerPage, SPEEDS, player_page};
pub use media::storage_view::{NotKept, StorageFault};
pub use media::{ItemEdit, MEDIA_PAGE, MediaAsk, MediaPage, media_ask_page, media_page};
pub use names::in_page_words;
pub use settings::{
    CameraMode, ControlsFacts, LISTED, RetentionPreview, Setting, SettingField, SettingsPage, ValueOrigin,
    control_in_words, settings_page,
};

/// Bytes in a suitable unit: "8.9 MB".
pub fn format_bytes(bytes: u64) -> String {
    format::size(bytes)
}

/// A time of day: "14:03:27".
pub fn second_in_words(us: u64, clock: &LocalClock) -> String {
    format::second(&format::to_zoned(us, &clock.zone))
}

#[cfg(test)]
pub(crate) mod fixtures;
