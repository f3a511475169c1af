//! The thread `lights`: opens the strip, shows the newest request, and switches the strip off at the end.
//!
//! Invariants: The strip is opened, used and dropped here. Pixels that it already shows are not sent again. A panic
//! in a driver is a fault of the strip and ends nothing else. Every wait ends when a request arrives.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::auto::Auto;
use super::shared::{LightCommand, LightState, LightStatus, Shows};
use super::{Color, LightsSettings, LitLight, OpenStrip, Strip, StripKind, StripSettings};
use crate::pipeline::recording::RecorderHandle;
use crate::pipeline::{CameraState, Pipeline};
use tallycam_base::{ClockTime, Heartbeat, clock};
use tallycam_camera::encode::Reducer;
use tallycam_camera::lights::{LightScene, pixels};
use tallycam_camera::media::{PictureBuilder, SmallImage, SourceError, SourceErrorKind};

/// Time until a faulty strip is retried without a request.
const AGAIN: Duration = Duration::from_secs(30);

/// Interval of status checks while there is a status LED.
const LOOK: Duration = Duration::from_millis(500);

/// Interval of brightness measurements while the light is automatic.
const MEASURE: Duration = Duration::from_secs(1);

/// Time without a picture after which the automatic light stays off.
const UNSEEN: Duration = Duration::from_secs(10);

/// Colours of the status LED: lost camera, full disk, recording.
const LOST: Color = [255, 0, 0];
const FULL: Color = [255, 126, 0];
const RECORDING: Color = [0, 0, 255];

/// Runs until the stop is requested.
pub fn run(
    shared: &LightState,
    pipeline: &Pipeline,
    recorder: Option<&RecorderHandle>,
    open: OpenStrip,
    beat: &Heartbeat,
) {
    let mut lamp = ShownStrip {
        open,
        strip: None,
        made_of: None,
        shown: None,
        shown_us: 0,
        trouble: None,
        failed: None,
    };
    let mut dusk = LightMeter {
        auto: None,
        reducer: None,
        small: SmallImage::empty(),
        measured: None,
        measured_us: None,
        seen: None,
    };
    let mut seen = 0;
    let mut wait = Some(Duration::ZERO);
    loop {
        let request = shared.wait(seen, wait);
        beat.beat();
        let is_news = request.number != seen;
        seen = request.number;
        let settings = &request.settings;
        let is_dark_by_itself = !request.is_stopping && dusk.is_light_due(settings, &request, pipeline);
        let status = (settings.has_status && settings.strip.kind.has_colors())
            .then(|| status_color(pipeline, recorder))
            .flatten();
        let (shows, scene) = scene(&request, is_dark_by_itself, status);
        if is_news {
            lamp.failed = None;
        }
        let is_shown = lamp.show_scene(&settings.strip, &scene);
        let next_status = LightStatus {
            shows: if is_shown { shows } else { Shows::Off },
            pixels: lamp.shown.clone().unwrap_or_else(|| vec![[0; 3]; settings.strip.count()]),
            trouble: lamp.trouble.clone(),
            luma: dusk.measured.map(|(_, luma)| luma),
        };
        shared.status.send_if_modified(|status| {
            let is_other = **status != next_status;
            if is_other {
                *status = Arc::new(next_status);
            }
            is_other
        });
        shared.complete_request(request.number, (is_shown && shows == Shows::Shot).then_some(lamp.shown_us));
        if request.is_stopping {
            lamp.close();
            return;
        }
        let waits = [
            lamp.failed.map(|at| AGAIN.saturating_sub(at.elapsed())),
            settings.has_status.then_some(LOOK).filter(|_| settings.strip.kind.has_colors()),
            dusk.auto.as_ref().map(|_| MEASURE),
        ];
        wait = waits.into_iter().flatten().min();
    }
}

/// The scene to show, by order of precedence.
fn scene(request: &LightCommand, is_dark: bool, status: Option<Color>) -> (Shows, LightScene) {
    let settings = &request.settings;
    let steady = || Some(settings.light.clone());
    match () {
        () if request.is_stopping => (Shows::Off, LightScene::default()),
        () if request.is_shot => {
            (Shows::Shot, LightScene { light: Some(LitLight::full_brightness()), status: None })
        }
        () if settings.is_on => (Shows::On, LightScene { light: steady(), status }),
        () if is_dark => (Shows::Auto, LightScene { light: steady(), status }),
        () => (Shows::Off, LightScene { light: None, status }),
    }
}

/// Colour of the status LED; `None` if there is nothing to report.
fn status_color(pipeline: &Pipeline, recorder: Option<&RecorderHandle>) -> Option<Color> {
    let is_lost = matches!(*pipeline.states().borrow(), CameraState::Trouble(_));
    let is_full =
        recorder.is_some_and(|recorder| recorder.media().is_ok_and(|media| media.status().borrow().is_full));
    color_of(is_lost, is_full, recorder.is_some_and(|recorder| recorder.status().now.is_some()))
}

/// The worst status wins.
fn color_of(is_lost: bool, is_full: bool, is_recording: bool) -> Option<Color> {
    match (is_lost, is_full, is_recording) {
        (true, ..) => Some(LOST),
        (false, true, _) => Some(FULL),
        (false, false, true) => Some(RECORDING),
        (false, false, false) => None,
    }
}

struct ShownStrip {
    open: OpenStrip,
    strip: Option<Box<dyn Strip>>,
    /// Settings of the strip that is open, or could not be opened.
    made_of: Option<StripSettings>,
    shown: Option<Vec<Color>>,
    /// Time since which it shows them, `CLOCK_MONOTONIC` in microseconds.
    shown_us: u64,
    trouble: Option<SourceError>,
    /// Time of the last failure; a retry follows after a while.
    failed: Option<Instant>,
}

impl ShownStrip {
    /// Shows `scene`. Returns true if it is shown.
    fn show_scene(&mut self, made_of: &StripSettings, scene: &LightScene) -> bool {
        if self.made_of.as_ref() != Some(made_of) {
            let was_same_device = self.made_of.as_ref().is_some_and(|before| {
                StripSettings { limit: made_of.limit, gamma: made_of.gamma, ..before.clone() } == *made_of
            });
            if !was_same_device {
                self.close();
            }
            self.made_of = Some(made_of.clone());
        }
        if made_of.kind == StripKind::None {
            (self.trouble, self.failed) = (None, None);
            return false;
        }
        if self.failed.is_some_and(|at| at.elapsed() < AGAIN) {
            return false;
        }
        let wanted = pixels(scene, made_of);
        let shown = match &mut self.strip {
            Some(_) if self.shown.as_ref() == Some(&wanted) => return true,
            Some(strip) => catch_panic(|| strip.show(&wanted)),
            none => {
                let open = &mut self.open;
                catch_panic(|| {
                    let mut strip = open(made_of)?;
                    strip.show(&wanted)?;
                    Ok(strip)
                })
                .map(|strip| *none = Some(strip))
            }
        };
        match shown {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    log::info!("the light works");
                }
                (self.shown, self.shown_us, self.failed) = (Some(wanted), clock::monotonic_us(), None);
                true
            }
            Err(trouble) => {
                // Each kind is logged once; otherwise an absent strip would fill the log.
                if self.trouble.as_ref() != Some(&trouble) {
                    log::error!("the light does not work: {trouble}");
                }
                self.drop_strip();
                (self.trouble, self.failed) = (Some(trouble), Some(Instant::now()));
                false
            }
        }
    }

    fn close(&mut self) {
        if let Some(strip) = &mut self.strip {
            let dark = vec![[0; 3]; self.made_of.as_ref().map_or(0, StripSettings::count)];
            let is_dark = self.shown.as_ref() == Some(&dark);
            if !is_dark && let Err(trouble) = catch_panic(|| strip.show(&dark)) {
                log::warn!("the light was not switched off: {trouble}");
            }
        }
        self.drop_strip();
        (self.trouble, self.failed) = (None, None);
    }

    fn drop_strip(&mut self) {
        self.shown = None;
        if let Some(strip) = self.strip.take()
            && let Err(trouble) = catch_panic(|| {
                drop(strip);
                Ok(())
            })
        {
            log::warn!("{trouble}");
        }
    }
}

/// The result of `work`; a panic becomes an error.
fn catch_panic<T>(work: impl FnOnce() -> Result<T, SourceError>) -> Result<T, SourceError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(SourceError::new(SourceErrorKind::Failed, "the driver of the light panicked")
            .because(panic_message(&*panic)))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| String::from("without words"))
}

/// Measures the brightness in front of the camera.
struct LightMeter {
    auto: Option<Auto>,
    reducer: Option<Reducer>,
    small: SmallImage,
    /// Time and mean luma of the last measurement.
    measured: Option<(Instant, f64)>,
    /// Capture time of the picture that was measured last, `CLOCK_MONOTONIC` in microseconds.
    measured_us: Option<u64>,
    /// Time of the last live picture.
    seen: Option<Instant>,
}

impl LightMeter {
    /// Measures if it is time to. Returns true if the automatic light must be on.
    fn is_light_due(
        &mut self,
        settings: &LightsSettings,
        request: &LightCommand,
        pipeline: &Pipeline,
    ) -> bool {
        let below = settings.auto_below.filter(|_| settings.strip.kind != StripKind::None);
        if below != self.auto.as_ref().map(Auto::limit) {
            self.auto = below.map(Auto::with_threshold);
            (self.measured, self.measured_us) = (None, None);
        }
        let Some(auto) = &mut self.auto else {
            (self.reducer, self.seen) = (None, None);
            return false;
        };
        if settings.is_on {
            // The light is on anyway, so the picture does not show the darkness.
            auto.reset();
            return false;
        }
        let is_due = self.measured.is_none_or(|(at, _)| at.elapsed() >= MEASURE - Duration::from_millis(50));
        if request.is_shot || !is_due {
            return auto.is_on();
        }
        let is_live = *pipeline.states().borrow() == CameraState::Live;
        let picture = pipeline.newest().filter(|picture| is_live && !picture.is_card);
        let Some(picture) = picture else {
            if self.seen.is_none_or(|at| at.elapsed() >= UNSEEN) {
                auto.reset();
                self.measured = None;
            }
            return auto.is_on();
        };
        self.seen = Some(Instant::now());
        let captured_us = picture.stamp.monotonic_us;
        if self.measured_us == Some(captured_us) {
            // A slow camera still has the same picture, which does not show a change of the light since.
            return auto.is_on();
        }
        if self.reducer.is_none() {
            self.reducer =
                Reducer::new().inspect_err(|error| log::error!("dusk cannot be detected: {error}")).ok();
        }
        let Some(reducer) = &mut self.reducer else { return auto.is_on() };
        // The smallest scale: one eighth.
        if let Err(error) = reducer.reduce(&picture, (1, 1), &mut self.small) {
            log::debug!("the brightness cannot be measured: {error}");
            return auto.is_on();
        }
        let luma = mean_luma(&self.small.y);
        (self.measured, self.measured_us) = (Some((Instant::now(), luma)), Some(captured_us));
        auto.record_luma(clock::monotonic_us(), luma)
    }
}

/// The mean brightness of a JPEG, 0–255; `None` if it cannot be read. Decodes it at an eighth of its size.
pub fn brightness(jpeg: &[u8]) -> Option<u8> {
    let (mut builder, mut small) = (PictureBuilder::with_capacity(jpeg.len()), SmallImage::empty());
    builder.push(jpeg);
    let picture = builder.finish(0, 0, ClockTime::now(), 0, false);
    Reducer::new().ok()?.reduce(&picture, (1, 1), &mut small).ok()?;
    Some(mean_luma(&small.y) as u8)
}

fn mean_luma(luma: &[u8]) -> f64 {
    let sum: u64 = luma.iter().map(|value| u64::from(*value)).sum();
    sum as f64 / luma.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(settings: LightsSettings, is_shot: bool) -> LightCommand {
        LightCommand { settings: Arc::new(settings), is_shot, is_stopping: false, number: 1 }
    }

    #[test]
    fn lights_follow_the_order_of_precedence() {
        let red = LitLight { color: [255, 0, 0], brightness: 10, ranges: Vec::new() };
        let off = LightsSettings { light: red.clone(), ..LightsSettings::default() };
        let on = LightsSettings { is_on: true, ..off.clone() };
        for (settings, is_shot, is_dark, shows, light, has_status) in [
            (&off, false, false, Shows::Off, None, true),
            (&off, false, true, Shows::Auto, Some(&red), true),
            (&on, false, false, Shows::On, Some(&red), true),
            (&on, false, true, Shows::On, Some(&red), true),
            (&on, true, true, Shows::Shot, Some(&LitLight::full_brightness()), false),
            (&off, true, false, Shows::Shot, Some(&LitLight::full_brightness()), false),
        ] {
            let (showing, scene) = scene(&request(settings.clone(), is_shot), is_dark, Some(LOST));
            assert_eq!((showing, scene.light.as_ref()), (shows, light));
            assert_eq!(scene.status.is_some(), has_status);
        }
        let ending = LightCommand { is_stopping: true, ..request(on, true) };
        assert_eq!(scene(&ending, true, Some(LOST)), (Shows::Off, LightScene::default()));
    }

    #[test]
    fn a_lost_camera_wins_over_a_full_disk_and_that_over_a_recording() {
        for (is_lost, is_full, is_recording, want) in [
            (false, false, false, None),
            (false, false, true, Some(RECORDING)),
            (false, true, false, Some(FULL)),
            (false, true, true, Some(FULL)),
            (true, false, false, Some(LOST)),
            (true, true, true, Some(LOST)),
        ] {
            assert_eq!(color_of(is_lost, is_full, is_recording), want);
        }
    }

    #[test]
    fn the_mean_luma_is_computed() {
        assert_eq!(mean_luma(&[]), 0.0);
        assert_eq!(mean_luma(&[0, 255, 255, 0]), 127.5);
    }
}
