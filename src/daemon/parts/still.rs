//! Takes one picture of a camera without the rest of the daemon.

use std::time::Duration;

use super::picture;
use super::server::pipeline_settings;
use super::source::make_opener;
use crate::daemon::settings::apply::saved_controls;
use crate::pipeline::{CameraState, Pipeline};
use tallycam_base::block_on;
use tallycam_camera::media::{Picture, SourceError, SourceErrorKind};
use tallycam_camera::source::StreamFormat;
use tallycam_config::Config;

/// Time for the camera's thread to end after the picture.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A picture and the format of its source.
pub struct CapturedPicture {
    pub picture: Picture,
    pub delivers: Option<StreamFormat>,
}

/// Opens the configured camera, takes its first picture within `wait`, and closes it again. Blocks.
///
/// # Errors
/// There is no picture, or the operating system gives no thread or runtime.
pub fn capture_picture(config: &Config, wait: Duration) -> Result<CapturedPicture, SourceError> {
    let failed = |error: &dyn std::fmt::Display| {
        SourceError::new(SourceErrorKind::Failed, "the camera's thread could not be started").because(error)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| failed(&error))?;
    let (pipeline, worker) = Pipeline::start(make_opener(&config.source, false)?, pipeline_settings(config))
        .map_err(|error| failed(&error))?;
    pipeline.set_saved_controls(saved_controls(config));
    pipeline.set_view(picture::view(config));
    let taken = block_on(&runtime, pipeline.snapshot(wait)).map_err(|none| match none.state {
        CameraState::Trouble(trouble) => trouble,
        _ => SourceError::new(
            SourceErrorKind::Silent,
            format!("the camera delivered no frame in {} s", wait.as_secs()),
        ),
    });
    let delivers = pipeline.status().delivers;
    pipeline.stop();
    if let Err(left) = worker.join_within(ENDS_WITHIN) {
        log::warn!("{left}");
    }
    taken.map(|picture| CapturedPicture { picture, delivers })
}
