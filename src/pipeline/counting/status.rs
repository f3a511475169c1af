//! How counting stands: one decision from all that is known, in words for people and as the cover
//! that counts.db keeps.
//!
//! Counting means that looks are really happening and that what they see is recorded: everything
//! else is a gap, with the first reason that applies.

use super::NoDetector;
use crate::base::ClockTime;
use crate::media::source_error::SEE_DIAGNOSIS;
use crate::pipeline::CameraState;
use crate::pipeline::state::sentence;
use crate::store::{Coverage, Scene};

/// How counting is going.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CountingStatus {
    /// One word: `counting`, `idle` (no line), `waiting` (no picture), `off`, `trouble`.
    pub word: &'static str,
    /// Why it does not count, in one word, as gaps have it: `no_model`, `no_class`, `counts_db`; empty while it does.
    pub why: &'static str,
    /// Since when it is so, on the wall clock.
    pub since_us: u64,
    /// Why it does not count, in a sentence; empty while it does.
    pub reason: String,
    /// What can be done about it.
    pub hint: Option<String>,
    /// `onnx`, `motion`, `replay`; empty before one was made.
    pub backend: &'static str,
    /// The name of the model.
    pub model: String,
    /// Its classes.
    pub labels: Vec<String>,
    /// Whether the classes mean what things are.
    pub tells_classes: bool,
    /// Looks a second over the last seconds.
    pub looks_per_second: f64,
    /// Looks since start.
    pub looks: u64,
    /// Of these, how many found that nothing moved, and asked no network.
    pub looks_saved: u64,
    /// Median time of a look over the last looks, in seconds.
    pub look_s: f64,
    /// The part of it that the network took; all of the detector's where there is none.
    pub inference_s: f64,
    /// Tracks that live.
    pub tracks: usize,
    /// Looks that failed.
    pub failed: u64,
    /// What is not as it was asked for though it counts, in sentences: a class that the model does not
    /// know, a model that was not found.
    pub notes: Vec<String>,
    /// Whether counting itself keeps the camera open: it is one of the pipeline's demands.
    pub holds_camera: bool,
    /// What is shown and counted.
    pub scene: Scene,
}

/// How the looks go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DetectionState<'a> {
    /// None was made of what the camera shows now.
    NotYet,
    /// They are made.
    Fine,
    /// The pictures have stopped coming.
    Overdue,
    /// The last one failed, for this reason.
    Failing(&'a str),
}

/// What the decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct StatusInputs<'a> {
    /// Whether the settings let anything be counted.
    pub is_on: bool,
    /// The scene that is looked at.
    pub scene: Scene,
    /// Why counts.db does not take crossings, if it does not.
    pub counts_db: Option<&'a str>,
    /// What can be done about that, where it is known.
    pub counts_hint: Option<&'a str>,
    /// Lines that are drawn in the scene.
    pub drawn: usize,
    /// Lines that can count something with this detector; those that are drawn, before there is one.
    pub countable: usize,
    /// Whether the old programs' hold is on.
    pub is_held: bool,
    /// What the camera does.
    pub camera: &'a CameraState,
    /// Why there is no detector, if it was tried.
    pub refused: Option<&'a NoDetector>,
    /// How the looks go.
    pub looking: DetectionState<'a>,
}

/// How counting stands.
#[derive(Debug, Clone, PartialEq)]
pub struct CountingState {
    /// See [`super::CountingStatus::word`].
    pub word: &'static str,
    /// Why it does not count, in a sentence; empty while it does.
    pub reason: String,
    /// What can be done about it.
    pub hint: Option<String>,
    /// What counts.db is told.
    pub cover: Coverage,
}

impl CountingState {
    /// Why it does not count, in one word; empty while it does.
    fn why(&self) -> &'static str {
        match self.cover {
            Coverage::Not(why) if self.word != "counting" => why,
            _ => "",
        }
    }

    /// Puts it where it is read; a change is logged, and dated.
    pub fn write_to(self, status: &mut CountingStatus) {
        let why = self.why();
        if (status.word, &status.reason) != (self.word, &self.reason) {
            match self.reason.as_str() {
                "" => log::info!("counting: {}", self.word),
                reason => log::info!("counting: {}: {reason}", self.word),
            }
        }
        if (status.word, status.why) != (self.word, why) {
            status.since_us = ClockTime::now().wall_us;
        }
        (status.word, status.why, status.reason, status.hint) = (self.word, why, self.reason, self.hint);
    }
}

/// The decision.
pub fn decide(facts: &StatusInputs<'_>) -> CountingState {
    let not = |word, why, reason: &str, hint: Option<&str>| CountingState {
        word,
        reason: reason.to_owned(),
        hint: hint.map(str::to_owned),
        cover: Coverage::Not(why),
    };
    if !facts.is_on {
        let hint = "set [detect] backend to \"auto\"";
        return not("off", "off", "Counting is switched off.", Some(hint));
    }
    if facts.drawn == 0 && !facts.is_held {
        if let Some(reason) = facts.counts_db {
            return not(
                "trouble",
                "ledger",
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
        return not("trouble", "no_model", &sentence(&refused.reason), refused.hint.as_deref());
    }
    if facts.countable == 0 && !facts.is_held {
        let hint = "choose other classes for the lines or in [detect] classes, or another model";
        return not("trouble", "no_class", "No line has a class that is looked for.", Some(hint));
    }
    match facts.looking {
        DetectionState::Failing(reason) => return not("trouble", "detector", &sentence(reason), None),
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
    if let Some(reason) = facts.counts_db {
        return not("trouble", "ledger", &sentence(reason), Some(facts.counts_hint.unwrap_or(COUNTS_HINT)));
    }
    // The line of a hold alone is on no record.
    let cover = if facts.countable > 0 { Coverage::Counting(facts.scene) } else { Coverage::Not("no_line") };
    CountingState { word: "counting", reason: String::new(), hint: None, cover }
}

const COUNTS_HINT: &str = "see that the directory of [store] can be written to and the disk is not full";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{SourceError, SourceErrorKind};

    const COUNTS: StatusInputs<'static> = StatusInputs {
        is_on: true,
        scene: Scene::Camera,
        counts_db: None,
        counts_hint: None,
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
        assert_eq!((standing.word, &standing.cover), (word, &Coverage::Not(why)));
        assert!(standing.reason.ends_with('.'), "{:?}", standing.reason);
    }

    #[test]
    fn all_is_well() {
        let standing = decide(&COUNTS);
        assert_eq!((standing.word, standing.reason.as_str()), ("counting", ""));
        assert_eq!(standing.cover, Coverage::Counting(Scene::Camera));
    }

    #[test]
    fn a_hold_alone_counts_and_covers_nothing() {
        let standing = decide(&StatusInputs { drawn: 0, countable: 0, is_held: true, ..COUNTS });
        assert_eq!((standing.word, standing.cover), ("counting", Coverage::Not("no_line")));
    }

    #[test]
    fn everything_else_is_a_gap_with_its_reason() {
        let trouble =
            CameraState::Trouble(SourceError::new(SourceErrorKind::Unplugged, "SECRET").hint("SECRET"));
        let refused = NoDetector { reason: String::from("no such model"), hint: None };
        stands(&StatusInputs { is_on: false, ..COUNTS }, "off", "off");
        stands(&StatusInputs { drawn: 0, countable: 0, ..COUNTS }, "idle", "no_line");
        stands(&StatusInputs { camera: &CameraState::Paused, ..COUNTS }, "waiting", "paused");
        stands(&StatusInputs { camera: &trouble, ..COUNTS }, "waiting", "unplugged");
        let waits = decide(&StatusInputs { camera: &trouble, ..COUNTS });
        assert!(!format!("{waits:?}").contains("SECRET"), "it is told to everybody");
        stands(&StatusInputs { refused: Some(&refused), ..COUNTS }, "trouble", "no_model");
        stands(&StatusInputs { countable: 0, ..COUNTS }, "trouble", "no_class");
        stands(
            &StatusInputs { looking: DetectionState::Failing("it broke"), ..COUNTS },
            "trouble",
            "detector",
        );
        for looking in [DetectionState::NotYet, DetectionState::Overdue] {
            stands(&StatusInputs { looking, ..COUNTS }, "waiting", "no_picture");
        }
        stands(&StatusInputs { camera: &CameraState::Waking, ..COUNTS }, "waiting", "no_picture");
        stands(&StatusInputs { counts_db: Some("the disk is full"), ..COUNTS }, "trouble", "ledger");
        stands(
            &StatusInputs { counts_db: Some("no counts.db"), drawn: 0, countable: 0, ..COUNTS },
            "trouble",
            "ledger",
        );
        let known =
            StatusInputs { counts_db: Some("it is damaged"), counts_hint: Some("move it away"), ..COUNTS };
        assert_eq!(decide(&known).hint.as_deref(), Some("move it away"));
    }
}
