//! Where the commands meet the parts below: the daemon and the configured camera.

use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use crate::base::child;
use crate::base::{Worker, block_on};
use crate::cli::Failure;
use crate::config::{Config, Operator};
use crate::daemon::picture;
use crate::daemon::source::make_opener;
use crate::daemon::{self, DaemonError, pipeline_settings, saved_controls};
use crate::media::{Picture, SourceError, SourceErrorKind};
use crate::pipeline::{Pipeline, State};
use crate::source::StreamFormat;

/// The camera's thread is given so long to end after a picture was taken.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A picture, and what the source that gave it says of itself.
pub struct CapturedPicture {
    pub picture: Picture,
    /// What the source delivers.
    pub delivers: Option<StreamFormat>,
}

/// Serves until stopped.
///
/// # Errors
/// [`Failure::Configuration`] where it is wrong, [`Failure::Device`] where `[source]` cannot be used, [`Failure::Io`] where an address cannot be
/// served on, [`Failure::Failed`] for the rest.
pub fn serve(
    operator: Operator,
    reload: impl Fn() -> Operator + Send + Sync + 'static,
    fallback_to_sim: bool,
) -> Result<(), Failure> {
    daemon::serve(operator, reload, fallback_to_sim).map_err(|error| {
        if matches!(error, DaemonError::Reopen(_)) && !daemon::is_supervised() {
            return restart_failure();
        }
        let (message, hint) = (error.to_string(), error.hint());
        match error {
            DaemonError::Configuration(complaints) => Failure::Configuration(complaints),
            DaemonError::Source(trouble) => Failure::Device(trouble),
            DaemonError::Listen(_) | DaemonError::NoSocket { .. } => Failure::Io { message, hint },
            _ => Failure::Failed { message, hint },
        }
    })
}

/// The new start that systemd gives a service: this program with the same arguments, in this process. Returns only if
/// that is refused.
fn restart_failure() -> Failure {
    let refused = |error: std::io::Error| Failure::Failed {
        message: format!("a restart was needed and failed: {error}"),
        hint: Some(String::from("start it again")),
    };
    // By the name that it was started by: after an upgrade the file of the running one is gone.
    let mut words = std::env::args_os();
    refused(child::reexec_command(words.next().unwrap_or_default()).args(words).exec())
}

/// Opens the configured camera, takes its first picture within `wait`, and closes it again.
///
/// # Errors
/// [`Failure::Device`] when there is no picture; [`Failure::Failed`] when the operating system
/// gives no thread or runtime.
pub fn capture_picture(config: &Config, wait: Duration) -> Result<CapturedPicture, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed {
        message: format!("the camera's thread could not be started: {error}"),
        hint: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| failed(&error))?;
    let (pipeline, worker) = Pipeline::start(make_opener(&config.source, false)?, pipeline_settings(config))
        .map_err(|error| failed(&error))?;
    pipeline.set_saved_controls(saved_controls(config));
    pipeline.set_view(picture::view(config));
    let taken =
        block_on(&runtime, pipeline.snapshot(wait)).map_err(|none| no_picture_reason(none.state, wait));
    let delivers = pipeline.status().delivers;
    stop_capture(&pipeline, worker);
    taken.map(|picture| CapturedPicture { picture, delivers }).map_err(Failure::Device)
}

/// Lets the camera go.
fn stop_capture(pipeline: &Pipeline, worker: Worker) {
    pipeline.stop();
    if let Err(left) = worker.join_within(ENDS_WITHIN) {
        log::warn!("{left}");
    }
}

fn no_picture_reason(state: State, wait: Duration) -> SourceError {
    match state {
        State::Trouble(trouble) => trouble,
        _ => SourceError::new(
            SourceErrorKind::Silent,
            format!("the camera delivered no frame in {} s", wait.as_secs()),
        ),
    }
}
