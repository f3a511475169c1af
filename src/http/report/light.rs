//! Reports on the light.

use serde::Serialize;

use crate::http::auth::caller::Who;
use crate::http::report::wire::{self, Redact};
use crate::http::site::Site;
use crate::pipeline::lights::{Color, LightStatus, PRESETS, Paint, Shows, StripKind};
use crate::ui::{LightReport, PresetReport, RangeReport};

/// The light in brief, for the state and the metrics.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LightSummary {
    /// The kind in the configuration.
    pub kind: StripKind,
    /// It is switched on.
    pub on: bool,
    /// Its current output: `off`, `on`, `auto` or `shot`.
    pub shows: Shows,
    /// Why it does not work.
    pub reason: Option<String>,
    /// A remedy.
    pub hint: Option<String>,
}

impl LightSummary {
    /// The current summary; `None` without a light.
    pub fn of(site: &Site) -> Option<LightSummary> {
        let lights = site.lights.as_ref().filter(|_| has(site))?;
        let (settings, status) = (lights.settings(), lights.status());
        let (reason, hint) = why(&status);
        Some(LightSummary {
            kind: settings.strip.kind,
            on: settings.is_on,
            shows: status.shows,
            reason,
            hint,
        })
    }
}

impl Redact for LightReport {
    fn redact(&mut self) {
        wire::redact_reason(&mut self.reason, &mut self.hint);
        wire::redact_reason(&mut self.unsaved, &mut None);
        wire::redact_place(&mut self.pinned);
    }
}

impl Redact for LightSummary {
    fn redact(&mut self) {
        wire::redact_reason(&mut self.reason, &mut self.hint);
    }
}

/// Its fault and a remedy, in sentences.
fn why(status: &LightStatus) -> (Option<String>, Option<String>) {
    let Some(trouble) = &status.trouble else { return (None, None) };
    let mut reason = trouble.what.clone();
    for cause in &trouble.causes {
        reason.push_str(": ");
        reason.push_str(cause);
    }
    reason.push('.');
    (Some(reason), trouble.hint.as_ref().map(|hint| format!("{hint}.")))
}

fn kind(site: &Site) -> StripKind {
    site.lights.as_ref().map_or(StripKind::None, |lights| lights.settings().strip.kind)
}

/// True if there is a light.
pub fn has(site: &Site) -> bool {
    kind(site) != StripKind::None
}

/// True if there is one with colours.
pub fn has_colors(site: &Site) -> bool {
    kind(site).has_colors()
}

/// The light's state, redacted for `who`; `None` without a light.
pub fn report(site: &Site, who: &Who) -> Option<LightReport> {
    let lights = site.lights.as_ref().filter(|_| has(site))?;
    let (settings, status) = (lights.settings(), lights.status());
    let (reason, hint) = why(&status);
    let range = |paint: &Paint| RangeReport { from: paint.from, to: paint.to, color: hex(paint.color) };
    let report = LightReport {
        kind: settings.strip.kind.as_str(),
        has_colors: settings.strip.kind.has_colors(),
        is_on: settings.is_on,
        brightness: settings.light.brightness,
        color: hex(settings.light.color),
        ranges: settings.light.ranges.iter().map(range).collect(),
        pixels: settings.strip.count(),
        shows: status.shows.as_str(),
        colors: status.pixels.iter().copied().map(hex).collect(),
        reason,
        hint,
        auto: settings.auto_below.map(|_| status.shows == Shows::Auto),
        auto_below: settings.auto_below,
        luma: status.luma.map(|luma| (luma * 10.0).round() / 10.0),
        pinned: pinned(site),
        unsaved: site.unsaved(),
        presets: presets(),
    };
    Some(wire::redacted_for(who, report))
}

/// The report without a light: its defaults.
pub fn no_light() -> LightReport {
    LightReport {
        kind: StripKind::None.as_str(),
        brightness: 255,
        color: hex([255; 3]),
        shows: Shows::Off.as_str(),
        presets: presets(),
        ..LightReport::default()
    }
}

fn presets() -> Vec<PresetReport> {
    PRESETS.iter().map(|(name, color)| PresetReport { name, color: hex(*color) }).collect()
}

/// The place where the operator's file pins a key of the light.
fn pinned(site: &Site) -> Option<String> {
    let in_force = site.preferences().ok()?.in_force();
    let origin = |key: &str| in_force.resolved.origin(key).filter(|origin| origin.is_operators());
    ["lights.on", "lights.brightness", "lights.color", "lights.ranges"]
        .into_iter()
        .find_map(origin)
        .map(ToString::to_string)
}

pub fn hex([red, green, blue]: Color) -> String {
    format!("{red:02X}{green:02X}{blue:02X}")
}
