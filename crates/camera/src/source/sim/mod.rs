//! A simulated street in place of a camera. People, bicycles, cars and buses cross the frame and never hide each
//! other, and a record says who crossed its middle when.
//!
//! The demo, benchmarks and bug reports use it. A seed and a frame number give the same frame at any pace, and
//! [`crossings`] and [`boxes`] state its content. A caption in the frame names it. The simulation has the controls of
//! a camera with a lens, which blurs out of focus (`optics.rs`); until they are used, only the seed decides.
//!
//! It lives on the capture thread. The empty street is drawn once; for each frame only the moved parts are restored
//! and drawn again, without allocating.

mod figures;
mod optics;
mod scene;
mod street;

use std::time::{Duration, Instant};

pub use scene::{Heading, boxes, crossings};

use super::pace::Pace;
use super::{FormatRequest, Opener, Source, StreamFormat};
use crate::media::canvas::{Area, Canvas, Face, Ink, Mask};
use crate::media::{Control, ControlValue, Fourcc, Frame, SourceError, SourceErrorKind};
use optics::{Optics, SimControls};
use scene::{CROWD, Mover, RoadPosition, SimScene};
use tallycam_base::{ClockTime, Stop};

/// The scene's name in the log, on the page and in the frame.
const NAME: &str = "Simulated scene";

/// Defaults without a request.
const SIZE: (u32, u32) = (1280, 720);
const FPS: f64 = 30.0;

/// Least and greatest width and height in pixels.
const SMALLEST: u32 = 64;
const LARGEST: u32 = 7680;

/// Range of frames a second.
const PACES: std::ops::RangeInclusive<f64> = 0.001..=1000.0;

/// Opens the simulated street of one seed, always from its first frame.
#[derive(Debug, Clone)]
pub struct SimOpener {
    seed: u64,
    delivers: StreamFormat,
    fps: f64,
    real_time: bool,
    knobs: SimControls,
}

/// The simulated camera's permanent name.
const IDENTITY: &str = "sim";

impl SimOpener {
    /// The street of `seed`. In `real_time` frames come at their pace, and late ones are skipped; otherwise each
    /// comes as soon as it is requested.
    ///
    /// Any even size from 64 to 7680 is possible (others are rounded), and any rate from 0.001 to 1000 fps. A size
    /// with one side is completed to 16:9; without any it is 1280 × 720 at 30 fps. Unmet requests are named in
    /// [`StreamFormat::notes`].
    pub fn new(seed: u64, wanted: FormatRequest, real_time: bool) -> SimOpener {
        let mut notes = Vec::new();
        let (width, height) = size(&wanted, &mut notes);
        let fps = match wanted.fps {
            Some(fps) if PACES.contains(&fps) => fps,
            Some(fps) => {
                notes.push(format!("The simulated scene cannot do {fps} frames a second: it does {FPS}."));
                FPS
            }
            None => FPS,
        };
        if let Some(format) = wanted.format.filter(|f| *f != Fourcc::YU12) {
            notes.push(format!("The simulated scene has no {format}: it delivers {}.", Fourcc::YU12));
        }
        let knobs = SimControls::new();
        let delivers = StreamFormat {
            name: NAME.to_owned(),
            fourcc: Fourcc::YU12,
            width,
            height,
            fps: Some(fps),
            notes,
            is_simulated: true,
        };
        SimOpener { seed, delivers, fps, real_time, knobs }
    }
}

/// The size to deliver; adds a note if it is not the requested one.
fn size(wanted: &FormatRequest, notes: &mut Vec<String>) -> (u32, u32) {
    let (width, height) = match (wanted.width, wanted.height) {
        (None, None) => SIZE,
        (Some(width), Some(height)) => (width, height),
        (Some(width), None) => (width, (u64::from(width) * 9 / 16).min(u64::from(LARGEST)) as u32 & !1),
        (None, Some(height)) => ((u64::from(height) * 16 / 9).min(u64::from(LARGEST)) as u32 & !1, height),
    };
    let fit = |pixels: u32| pixels.clamp(SMALLEST, LARGEST).next_multiple_of(2);
    let had = (fit(width), fit(height));
    if had != (width, height) {
        notes.push(format!(
            "The simulated scene cannot be {width}×{height}: it is {}×{} (even, {SMALLEST} to {LARGEST}).",
            had.0, had.1
        ));
    }
    had
}

impl Opener for SimOpener {
    fn describe(&self) -> String {
        "the simulated scene".to_owned()
    }

    fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        let pace = if self.real_time { Pace::fps(self.fps) } else { Pace::every(Duration::ZERO) };
        Ok(Box::new(SimSource {
            delivers: self.delivers.clone(),
            fps: self.fps,
            real_time: self.real_time,
            pace,
            begun: None,
            last: None,
            painter: Painter::new(self.seed, self.delivers.width, self.delivers.height),
            knobs: self.knobs.clone(),
            optics: Optics::default(),
        }))
    }

    fn identity(&mut self) -> Option<String> {
        Some(IDENTITY.to_owned())
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        Ok(self.knobs.list())
    }

    fn is_present(&self) -> Option<bool> {
        Some(true)
    }
}

struct SimSource {
    delivers: StreamFormat,
    fps: f64,
    real_time: bool,
    pace: Pace,
    /// Start time of frame 0, and the number of the newest frame.
    begun: Option<Instant>,
    last: Option<u64>,
    painter: Painter,
    knobs: SimControls,
    optics: Optics,
}

impl Source for SimSource {
    fn source_info(&self) -> &StreamFormat {
        &self.delivers
    }

    /// A frame's `sequence` is its number in the scene, so that in real time late frames show as a gap. `wait` is
    /// slept on this thread without interruption (see [`Pace`]): use short ones.
    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        if !self.pace.wait(wait) {
            return Ok(None);
        }
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let due = if self.real_time { (begun.elapsed().as_secs_f64() * self.fps).round() as u64 } else { 0 };
        let number = frame_after(self.last, due);
        self.last = Some(number);
        self.painter.paint_frame(number, self.fps);
        let frame = self.painter.canvas.frame(ClockTime::now(), number);
        let size = (frame.width as usize, frame.height as usize);
        Ok(Some(match self.optics.apply(frame.data, size.0, size.1, self.knobs.for_frame()) {
            Some(data) => Frame { data, ..frame },
            None => frame,
        }))
    }

    fn identity(&self) -> Option<String> {
        Some(IDENTITY.to_owned())
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        Ok(self.knobs.list())
    }

    fn set_control(&mut self, wanted: &ControlValue) -> Result<f64, SourceError> {
        self.knobs.set(wanted).ok_or_else(|| {
            let what = format!("{NAME} has no control {}", wanted.name);
            SourceError::new(SourceErrorKind::Unsupported, what)
        })
    }
}

/// The frame that follows `last` when `due` is due: never an old one again, and frames in between are skipped.
fn frame_after(last: Option<u64>, due: u64) -> u64 {
    last.map_or(0, |last| due.max(last + 1))
}

/// Paints any frame of a street over the frame painted before.
struct Painter {
    scene: SimScene,
    /// The empty street with the caption's text.
    ground: Canvas,
    canvas: Canvas,
    /// Areas of `canvas` that differ from `ground`: one for each mover, and the clock.
    changed: Vec<Area>,
    movers: Vec<(Mover, RoadPosition)>,
    clock: DrawnClock,
}

impl Painter {
    fn new(seed: u64, width: u32, height: u32) -> Painter {
        let mut ground = street::draw(seed, width, height);
        let clock = DrawnClock::caption(&mut ground);
        let mut canvas = ground.clone();
        canvas.take_dirty_area();
        Painter {
            scene: SimScene::new(seed),
            ground,
            canvas,
            changed: Vec::with_capacity(CROWD + 1),
            movers: Vec::with_capacity(CROWD),
            clock,
        }
    }

    /// Paints the frame `number` of a scene with `fps` frames a second.
    fn paint_frame(&mut self, number: u64, fps: f64) {
        for area in self.changed.drain(..) {
            self.canvas.restore(&self.ground, area);
        }
        self.canvas.take_dirty_area();
        let time = number as f64 / fps;
        self.scene.movers_at(time, &mut self.movers);
        let span = scene::span(self.canvas.width() as f32, self.canvas.height() as f32);
        for (mover, place) in &self.movers {
            figures::draw(&mut self.canvas, span, mover, *place);
            self.changed.extend(self.canvas.take_dirty_area());
        }
        self.clock.draw(&mut self.canvas, time);
        self.changed.extend(self.canvas.take_dirty_area());
    }
}

/// The time since frame 0, shown beside the scene's name.
struct DrawnClock {
    /// The digits 0 to 9, the colon and the full stop.
    masks: Vec<Mask>,
    /// Left edge and baseline of the clock, and the widths of a digit and of a mark, in pixels.
    left: f32,
    baseline: f32,
    digit: f32,
    mark: f32,
}

const CAPTION: Ink = Ink::srgb(0xf4f5f6);
const PLATE: Ink = Ink::srgb(0x0b0d0e);

impl DrawnClock {
    /// Writes the caption on `ground` and leaves room for the clock.
    fn caption(ground: &mut Canvas) -> DrawnClock {
        let (width, height) = (ground.width() as f32, ground.height() as f32);
        let face = Face::Regular;
        // In ems: the text, a gap, the clock up to 99 hours, and half an em on both sides.
        let ems = Face::Bold.width(1.0, NAME) + 0.7 + face.width(1.0, "00:00:00.00") + 1.2;
        let size = (scene::span(width, height) * 0.031).max(11.0).min((width - 8.0) / ems);
        let (left, top) = ((size * 0.7).min((width - size * ems) / 2.0).round(), (size * 0.7).round());
        let (plate, baseline) = ((size * ems, size * 1.75), (top + size * 1.23).round());
        ground.fill_rounded_rect(
            (left, top),
            (left + plate.0, top + plate.1),
            size * 0.4,
            PLATE.opacity(0.72),
        );
        ground.draw_text(Face::Bold, size, left + size * 0.6, baseline, NAME, CAPTION);
        DrawnClock {
            masks: "0123456789:.".chars().map(|letter| Mask::letter(face, size, letter)).collect(),
            left: left + size * (1.3 + Face::Bold.width(1.0, NAME)),
            baseline,
            digit: face.width(size, "0"),
            mark: face.width(size, ":"),
        }
    }

    /// Draws `time`, in seconds, as h:mm:ss.cc.
    fn draw(&self, canvas: &mut Canvas, time: f64) {
        const COLON: usize = 10;
        const POINT: usize = 11;
        let hundredths = (time * 100.0).round() as u64;
        let (seconds, minutes, hours) = (hundredths / 100, hundredths / 6_000, hundredths / 360_000);
        let mut x = self.left;
        let mut put = |mask: usize| {
            canvas.stamp(&self.masks[mask], x.round() as i32, self.baseline as i32, CAPTION);
            x += if mask < COLON { self.digit } else { self.mark };
        };
        let mut tens = 1;
        while hours / tens >= 10 {
            tens *= 10;
        }
        while tens > 0 {
            put((hours / tens % 10) as usize);
            tens /= 10;
        }
        for (mark, two) in [(COLON, minutes % 60), (COLON, seconds % 60), (POINT, hundredths % 100)] {
            put(mark);
            put((two / 10) as usize);
            put((two % 10) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::scene::SimClass;
    use super::*;
    use tallycam_base::proptest_floats::between;

    fn wanted(width: u32, height: u32, fps: f64) -> FormatRequest {
        FormatRequest { width: Some(width), height: Some(height), fps: Some(fps), ..FormatRequest::ANYTHING }
    }

    fn open(seed: u64, wanted: FormatRequest, real_time: bool) -> Box<dyn Source> {
        SimOpener::new(seed, wanted, real_time).open(&Stop::new()).unwrap()
    }

    fn painted(seed: u64, number: u64) -> Vec<u8> {
        let mut painter = Painter::new(seed, 320, 180);
        painter.paint_frame(number, 30.0);
        painter.canvas.yu12().to_vec()
    }

    #[test]
    fn a_seed_and_a_number_make_a_picture() {
        assert!(painted(7, 100) == painted(7, 100));
        assert!(painted(7, 100) != painted(7, 101));
        assert!(painted(7, 100) != painted(8, 100));
    }

    #[test]
    fn earlier_frames_leave_no_traces() {
        let mut painter = Painter::new(3, 320, 180);
        let room = (painter.changed.capacity(), painter.movers.capacity());
        let mut seen = 0;
        // Every frame of the first second, then single frames of the first minutes.
        for number in (0..30).chain((30..9_000).step_by(97)) {
            painter.paint_frame(number, 30.0);
            assert!(painter.canvas.yu12() == painted(3, number), "frame {number} has traces of others");
            seen += painter.movers.len();
        }
        assert!(seen > 100, "an empty street proves nothing");
        assert_eq!((painter.changed.capacity(), painter.movers.capacity()), room, "a frame allocated");
    }

    #[test]
    fn frames_come_in_order_with_their_numbers() {
        let mut source = open(1, wanted(160, 90, 25.0), false);
        for number in 0..40 {
            let frame = source.next(Duration::ZERO).unwrap().unwrap();
            assert_eq!((frame.sequence, frame.width, frame.height, frame.stride), (number, 160, 90, 160));
            assert_eq!((frame.fourcc, frame.data.len()), (Fourcc::YU12, 160 * 90 * 3 / 2));
        }
        assert!(source.source_info().is_simulated);
        assert_eq!(
            (source.source_info().fps, source.source_info().name.as_str()),
            (Some(25.0), "Simulated scene")
        );
    }

    #[test]
    fn the_pace_makes_no_difference_to_a_frame() {
        let mut paced = open(5, wanted(160, 90, 200.0), true);
        let mut last = None;
        for _ in 0..20 {
            let frame = loop {
                // A busy machine may skip frames, but never repeats or misnumbers one.
                if let Some(frame) = paced.next(Duration::from_millis(100)).unwrap() {
                    break (frame.sequence, frame.data.to_vec());
                }
            };
            assert!(last < Some(frame.0));
            last = Some(frame.0);
            let mut fresh = Painter::new(5, 160, 90);
            fresh.paint_frame(frame.0, 200.0);
            assert!(frame.1 == fresh.canvas.yu12());
        }
    }

    #[test]
    fn a_paced_scene_does_not_run_ahead() {
        let mut source = open(5, wanted(64, 64, 0.001), true);
        assert!(source.next(Duration::ZERO).unwrap().is_some());
        assert!(source.next(Duration::ZERO).unwrap().is_none());
    }

    #[test]
    fn late_frames_are_skipped_and_early_ones_wait() {
        assert_eq!(frame_after(None, 0), 0);
        assert_eq!(frame_after(Some(4), 5), 5);
        assert_eq!(frame_after(Some(4), 9), 9);
        assert_eq!(frame_after(Some(4), 4), 5);
    }

    #[test]
    fn unmet_requests_are_noted() {
        let delivers = |w: FormatRequest| SimOpener::new(0, w, true).delivers;
        let plain = delivers(FormatRequest::ANYTHING);
        assert_eq!((plain.width, plain.height, plain.fps), (1280, 720, Some(30.0)));
        assert!(plain.notes.is_empty());
        let half = delivers(FormatRequest { height: Some(480), ..FormatRequest::ANYTHING });
        assert_eq!((half.width, half.height, half.notes.len()), (852, 480, 0));
        let odd = delivers(wanted(641, 3, f64::NAN));
        assert_eq!((odd.width, odd.height, odd.fps, odd.notes.len()), (642, 64, Some(30.0), 2));
        for fps in [0.0, -5.0, 1e-300, f64::INFINITY, 1001.0] {
            assert_eq!(delivers(wanted(64, 64, fps)).fps, Some(30.0), "{fps}");
        }
        let other = FormatRequest { format: Some(Fourcc::YUYV), ..FormatRequest::ANYTHING };
        assert_eq!(delivers(other).notes, ["The simulated scene has no YUYV: it delivers YU12."]);
    }

    #[test]
    fn the_clock_moves_and_the_caption_is_there() {
        let mut painter = Painter::new(1, 1280, 720);
        let street = street::draw(1, 1280, 720);
        let row = |canvas: &Canvas, y: u32| (0..400).map(|x| canvas.luma(x, y).unwrap()).collect::<Vec<_>>();
        let bright = |canvas: &Canvas| (20..50).flat_map(|y| row(canvas, y)).filter(|&l| l > 225).count();
        painter.paint_frame(0, 30.0);
        assert!(
            bright(&painter.canvas) > bright(&painter.ground)
                && bright(&painter.ground) > bright(&street) + 500
        );
        let at = |painter: &Painter| (20..50).flat_map(|y| row(&painter.canvas, y)).collect::<Vec<_>>();
        let before = at(&painter);
        painter.paint_frame(1, 30.0);
        assert!(at(&painter) != before);
        // A scene that has been open for weeks.
        painter.paint_frame(30 * 3600 * 2000, 30.0);
        assert!(at(&painter) != before);
    }

    #[test]
    fn figures_are_drawn_in_their_boxes() {
        let (width, height) = (640, 360);
        let (grey, span) = (Ink::srgb(0x808080), 360.0);
        let (mut scene, mut movers) = (SimScene::new(2), Vec::new());
        let mut seen = std::collections::HashSet::new();
        for number in (0..20_000).step_by(23) {
            scene.movers_at(number as f64 / 30.0, &mut movers);
            let boxes = boxes(2, number, 30.0, width, height);
            for (mover, place) in &movers {
                let Some(known) = boxes.iter().find(|b| b.id == mover.id) else { continue };
                if known.left < 0.04 || known.right > 0.96 {
                    continue;
                }
                seen.insert(mover.class);
                let mut canvas = Canvas::new(width, height, grey);
                figures::draw(&mut canvas, span, mover, *place);
                let drawn = canvas.take_dirty_area().unwrap();
                let (w, h) = (width as f32, height as f32);
                let slack = 0.1 * mover.height * span + 2.0;
                let text = format!("frame {number}, {:?}: {drawn:?} but {known:?}", mover.class);
                for (edge, want) in [
                    (drawn.left as f32, known.left * w),
                    (drawn.right as f32, known.right * w),
                    (drawn.top as f32, known.top * h),
                    (drawn.bottom as f32, known.bottom * h),
                ] {
                    // A person who stands takes less room than one who strides.
                    let room = if mover.class == SimClass::Person { 1.6 * slack } else { slack };
                    assert!((edge - want).abs() < room, "{edge} is not {want}: {text}");
                }
            }
        }
        assert_eq!(seen.len(), 4, "not all were seen: {seen:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn every_size_and_moment_can_be_painted(
            seed: u64,
            width in 64u32..700,
            height in 64u32..700,
            fps in between(0.01f64, 1000.0),
            number in 0u64..1_000_000_000,
        ) {
            let mut painter = Painter::new(seed, width, height);
            painter.paint_frame(number, fps);
            painter.paint_frame(number + 1, fps);
            let mut fresh = Painter::new(seed, width, height);
            fresh.paint_frame(number + 1, fps);
            prop_assert!(painter.canvas.yu12() == fresh.canvas.yu12());
        }
    }
}
