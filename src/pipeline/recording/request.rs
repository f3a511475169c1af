//! What is wanted of a recording or a snapshot. Plain data.

use std::time::Duration;

use super::RecordError;
use crate::pipeline::PictureChange;

/// Pictures a second that a recording may be held down to.
const FPS: std::ops::RangeInclusive<f64> = 0.01..=240.0;

/// Times between two pictures of a time-lapse.
const EVERY: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// Behind the source of a recording whose pictures are those that viewers saw.
pub const AS_SHOWN: &str = ", as shown";

/// What is wanted of a recording.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordingRequest {
    /// Its name; `None`: made of date and time. A taken one gets a number.
    pub name: Option<String>,
    /// Its date as given; `None`: today.
    pub date: Option<String>,
    pub note: String,
    /// At most so many pictures a second; `None`: as configured.
    pub fps: Option<f64>,
    /// One picture in this time, 1 s to 1 h, the camera asleep between where that is long enough; `None`: no
    /// time-lapse.
    pub every: Option<Duration>,
    /// Ends after this time, the pre-roll not counted; `None`: as configured, and a time-lapse when somebody ends it.
    pub duration: Option<Duration>,
    /// Ends at so many bytes; `None`: as configured.
    pub bytes: Option<u64>,
    /// The pictures as viewers see them, not the camera's own. Such a recording has no pre-roll.
    pub as_shown: bool,
}

/// Which picture a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Which {
    /// What viewers see.
    #[default]
    Shown,
    /// The camera's own.
    Original,
    /// The camera's largest size: it is opened again for it, and viewers wait a moment.
    Largest,
}

/// What is wanted of a snapshot that is kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SnapshotRequest {
    /// Its name; `None`: made of date and time. A taken one gets a number.
    pub name: Option<String>,
    /// Its date as given; `None`: today.
    pub date: Option<String>,
    pub note: String,
    /// Which picture.
    pub which: Which,
    /// What is done with it.
    pub change: PictureChange,
}

/// Whether its figures are within their ranges.
pub(super) fn check(request: &RecordingRequest) -> Result<(), RecordError> {
    let wrong = |what: String| Err(RecordError::Wrong(what));
    if let Some(fps) = request.fps.filter(|fps| !FPS.contains(fps)) {
        return wrong(format!("{fps} pictures a second are none: 0.01 to 240"));
    }
    if let Some(every) = request.every.filter(|every| !EVERY.contains(every)) {
        return wrong(format!("one picture in {} s is none: 1 s to 1 h", every.as_secs_f64()));
    }
    if request.fps.is_some() && request.every.is_some() {
        return wrong(String::from("either so many pictures a second, or one in so much time"));
    }
    if request.duration.is_some_and(|duration| duration.is_zero()) || request.bytes == Some(0) {
        return wrong(String::from("a recording of no time or no bytes is none"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_out_of_range_are_refused() {
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
            assert!(matches!(check(&wrong), Err(RecordError::Wrong(_))), "{wrong:?}");
        }
    }
}
