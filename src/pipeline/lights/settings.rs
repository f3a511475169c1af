//! How the light behaves, and what opens it. Plain data.

use std::time::Duration;

use crate::lights::{LitLight, Strip, StripSettings};
use crate::media::SourceError;

/// How the light behaves. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct LightsSettings {
    /// What it is made of.
    pub strip: StripSettings,
    /// Whether it was switched on.
    pub is_on: bool,
    /// How it shines when it is on.
    pub light: LitLight,
    /// The first pixel tells how things are.
    pub has_status: bool,
    /// Full light for a snapshot.
    pub for_shots: bool,
    /// Time for the camera to adjust to that.
    pub settle: Duration,
    /// It goes on by itself where the picture without it is darker than this, mean luma of 255; `None`: never.
    pub auto_below: Option<f64>,
}

impl Default for LightsSettings {
    fn default() -> LightsSettings {
        LightsSettings {
            strip: StripSettings::default(),
            is_on: false,
            light: LitLight::full_brightness(),
            has_status: false,
            for_shots: false,
            settle: Duration::from_millis(300),
            auto_below: None,
        }
    }
}

/// Opens a light, on the thread that will use it. May block for a moment.
pub type OpenStrip = Box<dyn FnMut(&StripSettings) -> Result<Box<dyn Strip>, SourceError> + Send>;
