//! From the configuration to the shown picture, and the thread that makes single viewers' views.

use crate::pipeline::{Pipeline, Views};
use tallycam_base::{Fault, Worker};
use tallycam_camera::media::View;
use tallycam_config::Config;

use super::counting;

/// The view of `[picture]`. Times are written in the time zone of `[counts]`.
pub fn view(config: &Config) -> View {
    let picture = &config.picture;
    View {
        gray: picture.gray,
        eighths: picture.eighths,
        rotate: picture.rotate,
        mirror: picture.mirror,
        flip: picture.flip,
        crop: picture.crop,
        text: picture.text.clone(),
        timestamp: picture.timestamp.then(|| counting::zone(config.counts.time_zone.as_deref())),
    }
}

/// The thread `views` and its handle.
pub struct RunningViews {
    /// Views of single viewers.
    pub views: Views,
    pub worker: Worker,
}

/// Sets the view of all viewers and starts the thread for single viewers' views.
///
/// # Errors
/// The thread could not be started.
pub fn start(config: &Config, pipeline: &Pipeline) -> Result<RunningViews, Fault> {
    pipeline.set_view(view(config));
    let (views, worker) = Views::start(pipeline)?;
    Ok(RunningViews { views, worker })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_changes_nothing() {
        assert!(view(&Config::default()).is_identity());
        let mut config = Config::default();
        config.picture.timestamp = true;
        config.picture.crop = Some([0.5, 0.0, 0.5, 1.0]);
        config.counts.time_zone = Some(String::from("UTC"));
        let view = view(&config);
        assert_eq!(view.output_size((1280, 720)), (640, 720));
        assert!(view.timestamp.is_some() && view.has_caption());
    }
}
