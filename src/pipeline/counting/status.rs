//! The status of counting: one decision from all facts, in words for people and as the coverage in counts.db.
//!
//! Counting means that detections take place and crossings are recorded. Everything else is a gap, with the first
//! reason that applies.

use crate::pipeline::CameraState;
use tallycam_base::{ClockTime, Fault, sentence};
use tallycam_camera::media::SEE_DIAGNOSIS;
use tallycam_store::{Coverage, Scene};

/// The status of counting.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CountingStatus {
    /// A word: `counting`, `idle` (no line), `waiting` (no picture), `off`, `fault`.
    pub state: &'static str,
    /// The reason of a gap in a word: `no_model`, `no_class`, `counts_db`; empty while counting.
    pub why: &'static str,
    /// Wall time of the last change.
    pub since_us: u64,
    /// The reason of a gap in a sentence; empty while counting.
    pub reason: String,
    /// The remedy.
    pub hint: Option<String>,
    /// `onnx`, `motion`, `replay`; empty before the first detector.
    pub backend: &'static str,
    /// Name of the model.
    pub model: String,
    /// Classes of the model.
    pub labels: Vec<String>,
    /// The classes name kinds of objects.
    pub tells_classes: bool,
    /// Detections per second over the last seconds.
    pub detections_per_second: f64,
    /// Detections since the start.
    pub detections: u64,
    /// Detections that skipped the network, because nothing moved.
    pub detections_skipped: u64,
    /// Median time of the last detections, in seconds.
    pub detection_s: f64,
    /// The network's part of it; the whole detector's part without a network.
    pub inference_s: f64,
    /// Number of current tracks.
    pub tracks: usize,
    /// Failed detections since the start.
    pub failed: u64,
    /// Deviations from the request while counting works, in sentences: an unknown class, a model that was not found.
    pub notes: Vec<String>,
    /// Counting itself keeps the camera open, as one of the pipeline's demands.
    pub holds_camera: bool,
    /// The shown and counted scene.
    pub scene: Scene,
}

/// State of the detections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DetectionState<'a> {
    /// There was none in the current view yet.
    NotYet,
    /// Detections take place.
    Fine,
    /// No more pictures arrive.
    Overdue,
    /// The last detection failed for this reason.
    Failing(&'a str),
}

/// Facts for the decision.
#[derive(Debug, Clone, Copy)]
pub struct StatusInputs<'a> {
    /// The settings allow counting.
    pub is_on: bool,
    /// The current scene.
    pub scene: Scene,
    /// The reason why counts.db rejects crossings, if it does.
    pub counts_db: Option<&'a str>,
    /// The remedy for that, if known.
    pub counts_hint: Option<&'a str>,
    /// The rejected crossings wait in memory, and none is lost: their time counts once they are stored.
    pub has_lost_none: bool,
    /// Number of lines drawn in the scene.
    pub drawn: usize,
    /// Number of lines that can count with this detector; before there is one, all drawn lines.
    pub countable: usize,
    /// The hold of the earlier programs is on.
    pub is_held: bool,
    /// State of the camera.
    pub camera: &'a CameraState,
    /// The reason why a detector could not be made.
    pub refused: Option<&'a Fault>,
    /// State of the detections.
    pub looking: DetectionState<'a>,
}

/// The decided status.
#[derive(Debug, Clone, PartialEq)]
pub struct CountingState {
    /// See [`super::CountingStatus::state`].
    pub state: &'static str,
    /// See [`super::CountingStatus::why`].
    pub why: &'static str,
    /// The reason of a gap in a sentence; empty while counting.
    pub reason: String,
    /// The remedy.
    pub hint: Option<String>,
    /// The coverage for counts.db.
    pub cover: Coverage,
}

impl CountingState {
    /// Writes the status. A change is logged and gets a time.
    pub fn write_to(self, status: &mut CountingStatus) {
        if (status.state, &status.reason) != (self.state, &self.reason) {
            match self.reason.as_str() {
                "" => log::info!("counting: {}", self.state),
                reason => log::info!("counting: {}: {reason}", self.state),
            }
        }
        if (status.state, status.why) != (self.state, self.why) {
            status.since_us = ClockTime::now().wall_us;
        }
        (status.state, status.why, status.reason, status.hint) =
            (self.state, self.why, self.reason, self.hint);
    }
}

/// Decides the status.
pub fn decide(facts: &StatusInputs<'_>) -> CountingState {
    let not = |state, why, reason: &str, hint: Option<&str>| CountingState {
        state,
        why,
        reason: reason.to_owned(),
        hint: hint.map(str::to_owned),
        cover: Coverage::Not(why),
    };
    if !facts.is_on {
        let hint = "set `detect.backend` to \"auto\"";
        return not("off", "off", "Counting is switched off.", Some(hint));
    }
    if facts.drawn == 0 && !facts.is_held {
        if let Some(reason) = facts.counts_db {
            return not(
                "fault",
                "counts_db",
                &sentence(reason),
                Some(facts.counts_hint.unwrap_or(COUNTS_HINT)),
            );
        }
        return not("idle", "no_line", "No line is drawn.", Some("draw one on the page \"Lines\""));
    }
    match facts.camera {
        CameraState::Paused => {
            return not("waiting", "paused", "The camera is paused.", Some("Resume counts on"));
        }
        CameraState::Trouble(trouble) => {
            return not("waiting", trouble.kind.as_str(), trouble.kind.public_message(), Some(SEE_DIAGNOSIS));
        }
        CameraState::Asleep | CameraState::Waking | CameraState::Live => {}
    }
    if let Some(refused) = facts.refused {
        return not("fault", "no_model", &sentence(&refused.what), refused.hint.as_deref());
    }
    if facts.countable == 0 && !facts.is_held {
        let hint = "choose other classes for the lines or in `detect.classes`, or another model";
        return not("fault", "no_class", "No line has a class that is looked for.", Some(hint));
    }
    match facts.looking {
        DetectionState::Failing(reason) => return not("fault", "detector", &sentence(reason), None),
        DetectionState::Overdue => {
            return not("waiting", "no_picture", "The camera's pictures have stopped.", None);
        }
        DetectionState::NotYet => {
            return not("waiting", "no_picture", "The first picture comes in a moment.", None);
        }
        DetectionState::Fine if *facts.camera != CameraState::Live => {
            return not("waiting", "no_picture", "The first picture comes in a moment.", None);
        }
        DetectionState::Fine => {}
    }
    // The middle line of a hold is not recorded.
    let cover = if facts.countable > 0 { Coverage::Counting(facts.scene) } else { Coverage::Not("no_line") };
    if let Some(reason) = facts.counts_db {
        let hint = Some(facts.counts_hint.unwrap_or(COUNTS_HINT));
        let fault = not("fault", "counts_db", &sentence(reason), hint);
        return if facts.has_lost_none { CountingState { cover, ..fault } } else { fault };
    }
    CountingState { state: "counting", why: "", reason: String::new(), hint: None, cover }
}

const COUNTS_HINT: &str = "see that the disk is not full, and that tallycam may write to its directory";

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_camera::media::{SourceError, SourceErrorKind};

    const COUNTS: StatusInputs<'static> = StatusInputs {
        is_on: true,
        scene: Scene::Camera,
        counts_db: None,
        counts_hint: None,
        has_lost_none: false,
        drawn: 1,
        countable: 1,
        is_held: false,
        camera: &CameraState::Live,
        refused: None,
        looking: DetectionState::Fine,
    };

    #[track_caller]
    fn stands(facts: &StatusInputs<'_>, word: &str, why: &'static str) {
        let standing = decide(facts);
        assert_eq!((standing.state, &standing.cover), (word, &Coverage::Not(why)));
        assert!(standing.reason.ends_with('.'), "{:?}", standing.reason);
    }

    #[test]
    fn detections_on_a_line_count() {
        let standing = decide(&COUNTS);
        assert_eq!((standing.state, standing.reason.as_str()), ("counting", ""));
        assert_eq!(standing.cover, Coverage::Counting(Scene::Camera));
    }

    #[test]
    fn a_hold_alone_counts_and_covers_nothing() {
        let standing = decide(&StatusInputs { drawn: 0, countable: 0, is_held: true, ..COUNTS });
        assert_eq!((standing.state, standing.cover), ("counting", Coverage::Not("no_line")));
    }

    #[test]
    fn everything_else_is_a_gap_with_its_reason() {
        let trouble =
            CameraState::Trouble(SourceError::new(SourceErrorKind::Unplugged, "SECRET").hint("SECRET"));
        let refused = Fault::wrong("no such model");
        stands(&StatusInputs { is_on: false, ..COUNTS }, "off", "off");
        stands(&StatusInputs { drawn: 0, countable: 0, ..COUNTS }, "idle", "no_line");
        stands(&StatusInputs { camera: &CameraState::Paused, ..COUNTS }, "waiting", "paused");
        stands(&StatusInputs { camera: &trouble, ..COUNTS }, "waiting", "unplugged");
        let waits = decide(&StatusInputs { camera: &trouble, ..COUNTS });
        assert!(!format!("{waits:?}").contains("SECRET"), "everybody can read it");
        stands(&StatusInputs { refused: Some(&refused), ..COUNTS }, "fault", "no_model");
        stands(&StatusInputs { countable: 0, ..COUNTS }, "fault", "no_class");
        stands(&StatusInputs { looking: DetectionState::Failing("it broke"), ..COUNTS }, "fault", "detector");
        for looking in [DetectionState::NotYet, DetectionState::Overdue] {
            stands(&StatusInputs { looking, ..COUNTS }, "waiting", "no_picture");
        }
        stands(&StatusInputs { camera: &CameraState::Waking, ..COUNTS }, "waiting", "no_picture");
        let full = StatusInputs { counts_db: Some("the disk is full"), ..COUNTS };
        stands(&full, "fault", "counts_db");
        let kept = decide(&StatusInputs { has_lost_none: true, ..full });
        assert_eq!((kept.state, kept.why), ("fault", "counts_db"));
        assert_eq!(kept.cover, Coverage::Counting(Scene::Camera), "the crossings are stored later");
        stands(
            &StatusInputs { counts_db: Some("no counts.db"), drawn: 0, countable: 0, ..COUNTS },
            "fault",
            "counts_db",
        );
        let known =
            StatusInputs { counts_db: Some("it is damaged"), counts_hint: Some("move it away"), ..COUNTS };
        assert_eq!(decide(&known).hint.as_deref(), Some("move it away"));
    }
}
