//! Where the commands meet the parts below: the daemon, the configured camera, the list of devices.

use std::time::Duration;

use super::Failure;
use super::devices::Camera;
use crate::base::Worker;
use crate::config::{Complaints, Config, Resolved, SourceConfig};
use crate::media::{Picture, Trouble, TroubleKind};
use crate::pipeline::{Pipeline, Settings, State};
use crate::source::{Delivers, Opener};

/// The camera's thread is given so long to end after a picture was taken.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A picture, and what the source that gave it says of itself.
pub struct Taken {
    /// The picture.
    pub picture: Picture,
    /// What the source delivers.
    pub delivers: Option<Delivers>,
}

/// Serves until stopped.
pub fn serve(
    _resolved: Resolved,
    _reload: impl Fn() -> Result<Resolved, Complaints> + Send + Sync + 'static,
    _fallback_to_sim: bool,
) -> Result<(), Failure> {
    Err(Failure::Failed { message: String::from("this build has no daemon"), hint: None })
}

/// The cameras of this machine.
pub fn cameras() -> Vec<Camera> {
    Vec::new()
}

/// What opens the configured camera.
fn opener(source: &SourceConfig) -> Result<Box<dyn Opener>, Trouble> {
    let what = format!("this build has no source of kind \"{}\"", source.kind.word());
    Err(Trouble::new(TroubleKind::Unsupported, what))
}

fn settings(config: &Config) -> Settings {
    Settings {
        quality: config.stream.quality,
        fps: config.stream.fps,
        idle_stop: config.stream.idle_stop,
        silent_after: config.source.silent_after,
        failed_reads: config.source.failed_reads,
    }
}

/// Opens the configured camera, takes its first picture within `wait`, and closes it again.
///
/// # Errors
/// [`Failure::Device`] when there is no picture; [`Failure::Failed`] when the operating system
/// gives no thread or runtime.
pub fn take_picture(config: &Config, wait: Duration) -> Result<Taken, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed {
        message: format!("the camera's thread could not be started: {error}"),
        hint: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| failed(&error))?;
    let (pipeline, worker) =
        Pipeline::start(opener(&config.source)?, settings(config)).map_err(|error| failed(&error))?;
    let taken = runtime.block_on(pipeline.snapshot(wait)).map_err(|none| why_not(none.state, wait));
    let delivers = pipeline.status().delivers;
    end(&pipeline, worker);
    taken.map(|picture| Taken { picture, delivers }).map_err(Failure::Device)
}

/// Lets the camera go.
fn end(pipeline: &Pipeline, worker: Worker) {
    pipeline.stop();
    if let Err(left) = worker.join_within(ENDS_WITHIN) {
        log::warn!("{left}");
    }
}

fn why_not(state: State, wait: Duration) -> Trouble {
    match state {
        State::Trouble(trouble) => trouble,
        _ => Trouble::new(TroubleKind::Silent, format!("the camera gave no picture in {} s", wait.as_secs())),
    }
}
