//! Requests for recordings and snapshots.

use std::time::Duration;

use super::RecordError;
use crate::pipeline::PictureChange;
use tallycam_base::{Fault, json};

/// Valid pictures per second of a recording.
const FPS: std::ops::RangeInclusive<f64> = 0.01..=240.0;

/// Valid intervals of a time-lapse.
const EVERY: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// A request for a recording.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordingRequest {
    /// Name; `None` derives it from date and time. A duplicate name gets a number.
    pub name: Option<String>,
    /// Date as given; `None` means today.
    pub date: Option<String>,
    pub note: String,
    /// Maximum pictures per second; `None` means the configured value.
    pub fps: Option<f64>,
    /// Interval of a time-lapse, 1 s to 1 h; the camera closes in between if that is worthwhile. `None` is no
    /// time-lapse.
    pub every: Option<Duration>,
    /// Duration without the pre-roll. `None` means the configured maximum; a time-lapse then has no limit.
    pub duration: Option<Duration>,
    /// Maximum bytes; `None` means the configured value.
    pub bytes: Option<u64>,
    /// Records the pictures as viewers see them instead of originals. The recording has no pre-roll then.
    pub as_shown: bool,
}

json::words! { Which { Shown "shown", Original "original", Largest "largest" } }

/// The picture that a snapshot takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Which {
    /// The picture that viewers see.
    #[default]
    Shown,
    /// The camera's original.
    Original,
    /// The camera's largest size. The camera is reopened for it, and viewers wait a moment.
    Largest,
}

/// A request for a stored snapshot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SnapshotRequest {
    /// Name; `None` derives it from date and time. A duplicate name gets a number.
    pub name: Option<String>,
    /// Date as given; `None` means today.
    pub date: Option<String>,
    pub note: String,
    /// The picture to take.
    pub which: Which,
    /// Changes before it is stored.
    pub change: PictureChange,
}

pub(super) fn check(request: &RecordingRequest) -> Result<(), RecordError> {
    let wrong = |what: String| Err(Fault::wrong(what).into());
    if let Some(fps) = request.fps.filter(|fps| !FPS.contains(fps)) {
        return wrong(format!("the rate must be from 0.01 to 240 pictures a second, not {fps}"));
    }
    if let Some(every) = request.every.filter(|every| !EVERY.contains(every)) {
        return wrong(format!(
            "the time between pictures must be from 1 s to 1 h, not {} s",
            every.as_secs_f64()
        ));
    }
    if request.fps.is_some() && request.every.is_some() {
        return wrong(String::from("a recording has a rate or a time between pictures, not both"));
    }
    if request.duration.is_some_and(|duration| duration.is_zero()) || request.bytes == Some(0) {
        return wrong(String::from("the limits of a recording must be more than nothing"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_out_of_range_are_refused() {
        let fine = RecordingRequest {
            fps: Some(0.01),
            duration: Some(Duration::from_millis(1)),
            ..Default::default()
        };
        assert!(check(&fine).is_ok());
        let lapse = |every| RecordingRequest { every: Some(every), ..RecordingRequest::default() };
        assert!(check(&lapse(Duration::from_secs(3600))).is_ok());
        for wrong in [
            RecordingRequest { fps: Some(0.0), ..fine.clone() },
            RecordingRequest { fps: Some(f64::NAN), ..fine.clone() },
            RecordingRequest { fps: Some(241.0), ..fine.clone() },
            RecordingRequest { every: Some(Duration::from_secs(2)), ..fine.clone() },
            RecordingRequest { duration: Some(Duration::ZERO), ..fine.clone() },
            RecordingRequest { bytes: Some(0), ..fine },
            lapse(Duration::from_millis(999)),
            lapse(Duration::from_secs(3601)),
        ] {
            assert!(matches!(check(&wrong), Err(RecordError::Fault(_))), "{wrong:?}");
        }
    }
}
