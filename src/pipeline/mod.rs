//! The only place that wires the capture thread to the hub.
//!
//! ```text
//!            Opener ──open──► Source ──Frame──► Encoder ──Picture──► Hub ──► viewers, snapshots
//!            └──────────────── one thread, "capture" ─────────────┘
//!   Demand, pause, hold ───────► wake it           State, figures ◄──── what it says
//! ```

use std::time::Duration;

use tokio::sync::watch;

use crate::base::{Stamp, Worker};
use crate::media::{Hub, Picture, Trouble};
use crate::source::{Delivers, Opener};

/// How the pipeline behaves. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// JPEG quality of raw frames, 1–100.
    pub quality: u8,
    /// At most this many pictures a second are made; `None`: as many as the source gives.
    pub fps: Option<f64>,
    /// The camera is closed this long after nobody needs it; `None`: never.
    pub idle_stop: Option<Duration>,
    /// A camera that sends nothing for this long is silent: still card, and it is opened anew.
    pub silent_after: Duration,
    /// This many failed reads in a row make `/health` False.
    pub failed_reads: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            quality: 80,
            fps: None,
            idle_stop: Some(Duration::from_secs(30)),
            silent_after: Duration::from_secs(3),
            failed_reads: 3,
        }
    }
}

/// What the camera is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Closed, since nobody needs it.
    Asleep,
    /// Being opened, or open and not yet at its first picture.
    Waking,
    /// Pictures flow.
    Live,
    /// Something is wrong; it is tried again by itself.
    Trouble(Trouble),
    /// Let go by `/stop_stream` or Pause, until told otherwise.
    Paused,
}

impl State {
    /// One lower-case word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            State::Asleep => "asleep",
            State::Waking => "waking",
            State::Live => "live",
            State::Trouble(trouble) => trouble.kind.word(),
            State::Paused => "paused",
        }
    }
}

/// Everything a reader may want to know of the camera, at one moment.
#[derive(Debug, Clone)]
pub struct Status {
    /// What the camera is doing.
    pub state: State,
    /// Since when.
    pub since: Stamp,
    /// What is (to be) opened.
    pub source: String,
    /// What the open source delivers; of a closed one, what it delivered last.
    pub delivers: Option<Delivers>,
    /// Size of the newest live picture in pixels; `None` before the first.
    pub size: Option<(u32, u32)>,
    /// Pictures a second over the last seconds; 0 while not live.
    pub fps: f64,
    /// Frames taken from the source since start.
    pub frames: u64,
    /// Frames that were lost before they came to us (the driver's or network's gaps).
    pub lost: u64,
    /// Frames that were no good picture.
    pub broken: u64,
    /// Pictures published.
    pub pictures: u64,
    /// Bytes of JPEG published.
    pub bytes: u64,
    /// Successful opens.
    pub opens: u64,
    /// Failed reads (opens, silences, broken frames) in a row.
    pub failed_reads: u32,
    /// Fewer failed reads in a row than the settings allow.
    pub is_healthy: bool,
    /// `/start_stream` holds the camera open.
    pub is_held: bool,
    /// How many need the camera now: viewers, snapshots, recordings.
    pub demands: usize,
}

/// A camera turned into pictures on demand. Clones share it.
#[derive(Debug, Clone)]
pub struct Pipeline {}

/// Somebody needs the camera, until this is dropped.
#[derive(Debug)]
pub struct Demand {}

/// How [`Pipeline::hold`] ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Held {
    /// The camera is open and held.
    Started,
    /// It was held already.
    AlreadyRunning,
    /// It could not be opened, and is not held.
    CouldNotOpen(Trouble),
}

/// There is no live picture to give.
#[derive(Debug, Clone)]
pub struct NoPicture {
    /// Words and reason as a picture.
    pub card: Picture,
    /// The state that explains it.
    pub state: State,
}

#[allow(unused_variables, clippy::todo, missing_docs, clippy::unused_async)]
impl Pipeline {
    /// Starts the capture thread. The camera stays closed until somebody needs it.
    ///
    /// # Errors
    /// No thread could be had.
    pub fn start(opener: Box<dyn Opener>, settings: Settings) -> std::io::Result<(Pipeline, Worker)> {
        todo!()
    }

    /// Where pictures appear: live ones, and the still card when something is wrong or paused.
    /// While the camera is merely asleep or waking the hub is empty: viewers wait for the picture.
    pub fn hub(&self) -> &Hub {
        todo!()
    }

    /// Wakes the camera and keeps it awake until the returned value is dropped (and `idle_stop`
    /// has passed). Takes no effect on a paused camera.
    pub fn demand(&self) -> Demand {
        todo!()
    }

    /// How things are.
    pub fn status(&self) -> Status {
        todo!()
    }

    /// The state, to wait for changes.
    pub fn states(&self) -> watch::Receiver<State> {
        todo!()
    }

    /// Lets the camera go whoever needs it, until [`Pipeline::resume`] or [`Pipeline::hold`].
    /// Returns once the device is released, or after 2 s if the driver does not return.
    pub async fn pause(&self) {
        todo!()
    }

    /// Ends a pause and any hold: back to on demand.
    pub fn resume(&self) {
        todo!()
    }

    /// Ends a pause and keeps the camera open, watched or not, until [`Pipeline::pause`] or
    /// [`Pipeline::resume`]. Returns when the first picture came or the open failed.
    pub async fn hold(&self) -> Held {
        todo!()
    }

    /// The newest live picture; wakes a sleeping camera and waits at most `wait` for its first.
    ///
    /// # Errors
    /// [`NoPicture`] with a still card: paused, in trouble, or no picture in time.
    pub async fn snapshot(&self, wait: Duration) -> Result<Picture, NoPicture> {
        todo!()
    }

    /// The still card that tells of the present state.
    pub fn card(&self) -> Picture {
        todo!()
    }

    /// Ends it all: closes the camera and the hub. Join the worker afterwards.
    pub fn stop(&self) {
        todo!()
    }
}
