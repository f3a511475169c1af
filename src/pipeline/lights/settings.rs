//! Settings of the light, and the function that opens it.

use std::time::Duration;

use tallycam_camera::lights::{LitLight, Strip, StripSettings};
use tallycam_camera::media::SourceError;

/// Settings of the light. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct LightsSettings {
    /// Settings of the strip.
    pub strip: StripSettings,
    /// The light is switched on.
    pub is_on: bool,
    /// Colours and brightness while it is on.
    pub light: LitLight,
    /// The first pixel is the status LED.
    pub has_status: bool,
    /// Snapshots get full light.
    pub for_shots: bool,
    /// Time for the camera to adjust to it.
    pub settle: Duration,
    /// The light goes on automatically if the picture without it has a mean luma (0–255) below this; `None` means
    /// never.
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

/// Opens a light on the thread that will use it. May block for a moment.
pub type OpenStrip = Box<dyn FnMut(&StripSettings) -> Result<Box<dyn Strip>, SourceError> + Send>;
