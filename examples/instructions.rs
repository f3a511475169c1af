//! Does one part of a frame's work over and over, so that the processor's instructions can be counted.
//!
//! `instructions WHAT FRAMES`: WHAT is one of the names that `instructions list` prints. It handles two frames to
//! warm up, asks for its parent's process id, handles FRAMES of them and asks again: benches/insncount.c counts
//! between these two system calls. All input is drawn here, the same on every machine.

use std::error::Error;

use bytes::Bytes;
use tallycam::base::ClockTime;
use tallycam::encode::{Encoder, Reducer, Transformer};
use tallycam::media::{Fourcc, Frame, Picture, PicturePool, SmallImage, View};
use tallycam::models::Models;
use tallycam::vision::onnx::GainOffset;
use tallycam::vision::onnx::{Letterbox, Network, OnnxDetector};
use tallycam::vision::{
    Aspect, Bounds, Class, Counter, CounterOptions, CountingLine, Detection, Detector, Labels, LineId,
    MotionDetector, Point, ReadPicture, RegionMode, RegionSchedule, region_geometry,
};

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
/// Always the same, so that headers have the same length.
const STAMP: ClockTime =
    ClockTime { monotonic_us: 1_000_000, wall_us: 1_700_000_000_000_000, wall_trusted: true };
const MODEL: &str = "yolox_nano_320";
const WARM_UP: usize = 2;
/// Pictures, at five per second, after which motion detection has settled.
const SETTLED: usize = 80;
const KINDS: [&str; 13] = [
    "yuyv",
    "nv12",
    "gray",
    "half",
    "small",
    "letterbox",
    "detect",
    "motion",
    "track",
    "part",
    "empty",
    "shop",
    "street",
];
/// Pictures of one cycle of a scene, at five per second, and pictures that a person takes to cross it.
const CYCLE: usize = 100;
const WALK: usize = 20;

type Step = Box<dyn FnMut(usize) -> Result<(), Box<dyn Error>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let what = words.first().map_or("", String::as_str);
    if what == "list" {
        println!("{}", KINDS.join(" "));
        return Ok(());
    }
    let frames: usize = words.get(1).ok_or("instructions WHAT FRAMES")?.parse()?;
    let mut step = prepare(what)?;
    for at in 0..WARM_UP {
        step(at)?;
    }
    let _ = rustix::process::getppid();
    for at in WARM_UP..WARM_UP + frames {
        step(at)?;
    }
    let _ = rustix::process::getppid();
    Ok(())
}

fn prepare(what: &str) -> Result<Step, Box<dyn Error>> {
    Ok(match what {
        "yuyv" => encoding(Fourcc::YUYV, packed(), WIDTH * 2)?,
        "nv12" => encoding(Fourcc::NV12, planar(), WIDTH)?,
        "gray" => changing("gray", "1")?,
        "half" => changing("scale", "1/2")?,
        "small" => {
            let (picture, mut reducer, mut small) = (picture()?, Reducer::new()?, SmallImage::empty());
            Box::new(move |_| Ok(reducer.reduce(&picture, (400, 300), &mut small)?))
        }
        "letterbox" => {
            let (card, onnx) = Models::with_places(Vec::new(), "models".into()).load(MODEL)?;
            let network = Network::load(&onnx, card.input.size, 1)?;
            let (mut letterbox, small) = (Letterbox::new(network.input(), &card.input), small()?);
            Box::new(move |_| {
                letterbox.fill(&small, GainOffset::contrast_stretch(&small));
                Ok(())
            })
        }
        "detect" => {
            let (card, onnx) = Models::with_places(Vec::new(), "models".into()).load(MODEL)?;
            let mut detector = OnnxDetector::new(MODEL, &onnx, &card, None, 1)?;
            let (small, mut found) = (small()?, Vec::new());
            Box::new(move |_| Ok(detector.detect(&small, &mut found)?))
        }
        "motion" => {
            let (mut detector, mut before, mut found) =
                (MotionDetector::new(), SmallImage::empty(), Vec::new());
            let least = detector.least_size(WIDTH, HEIGHT);
            Reducer::new()?.reduce(&picture()?, least, &mut before)?;
            let mut now = before.clone();
            let mut look = move |at: usize| {
                now.y.copy_from_slice(&before.y);
                now.stamp.monotonic_us = STAMP.monotonic_us + at as u64 * 200_000;
                for n in 0..3 {
                    let left = (at * 2 + n * 50) % (now.width - 20);
                    for row in now.y.chunks_exact_mut(now.width).skip(20 + 55 * n).take(30) {
                        row[left..left + 20].fill(250);
                    }
                }
                detector.detect(&now, &mut found).map(|()| found.len())
            };
            // It learns the background first.
            let mut seen = 0;
            for at in 0..SETTLED {
                seen = look(at)?;
            }
            if seen != 3 {
                return Err(format!("{seen} moving things seen, 3 are there").into());
            }
            Box::new(move |at| Ok(look(SETTLED + at).map(|_| ())?))
        }
        "track" => {
            let mut counter =
                Counter::new(CounterOptions::default(), Labels::new(["person"]), Aspect::new(WIDTH, HEIGHT));
            let line = CountingLine::new(LineId(1), "middle", Point::new(0.5, 1.0), Point::new(0.5, 0.0))?;
            counter.set_lines(vec![line])?;
            Box::new(move |at| {
                let seen: Vec<Detection> = (0..10).map(|n| walker(n, at)).collect();
                counter.update(&seen, at as u64 * 100_000);
                Ok(())
            })
        }
        "part" => {
            let (jpeg, pool) = (picture()?.jpeg(), PicturePool::default());
            Box::new(move |at| {
                let mut builder = pool.builder(jpeg.len());
                builder.push(&jpeg);
                let picture = builder.finish(WIDTH, HEIGHT, STAMP, at as u64, false);
                std::hint::black_box(picture.part());
                Ok(())
            })
        }
        "empty" => counting(0)?,
        "shop" => counting(WALK)?,
        "street" => counting(CYCLE)?,
        _ => return Err(format!("{what}: none of {}", KINDS.join(" ")).into()),
    })
}

/// Counts people at a line down the middle, from JPEGs to crossings. The first `busy` of each [`CYCLE`] pictures show
/// a person who walks across.
fn counting(busy: usize) -> Result<Step, Box<dyn Error>> {
    let (card, onnx) = Models::with_places(Vec::new(), "models".into()).load(MODEL)?;
    let again = onnx.clone();
    let detector = OnnxDetector::new(MODEL, &onnx, &card, None, 1)?;
    let mut detector = detector.with_file(move || Some(again.clone()));
    let aspect = Aspect::new(WIDTH, HEIGHT);
    let mut counter = Counter::new(detector.options(), detector.labels().clone(), aspect);
    let mut line = CountingLine::new(LineId(1), "middle", Point::new(0.5, 1.0), Point::new(0.5, 0.0))?;
    line.classes = vec![Class(0)];
    counter.set_lines(vec![line])?;
    let mut schedule = RegionSchedule::new(RegionMode::Classes);
    let (ground, mut encoder) = (planar(), Encoder::new(80)?);
    let mut draw = |walker: Option<Bounds>| -> Result<Picture, Box<dyn Error>> {
        let mut data = ground.clone();
        if let Some(b) = walker {
            let [left, right] = [b.left, b.right].map(|x| (x * WIDTH as f32) as usize);
            let [top, bottom] = [b.top, b.bottom].map(|y| (y * HEIGHT as f32) as usize);
            for row in data.chunks_exact_mut(WIDTH as usize).take(bottom).skip(top) {
                row[left..right].fill(20);
            }
        }
        Ok(encoder.encode(&nv12(&data))?)
    };
    let place =
        |at: usize| Bounds::centered_at(Point::new(0.05 + 0.9 * at as f32 / WALK as f32, 0.5), 0.05, 0.25);
    let empty = draw(None)?;
    let walks = (0..WALK).map(|at| draw(Some(place(at)))).collect::<Result<Vec<_>, _>>()?;
    let mut reducer = Reducer::new()?;
    let mut image = SmallImage::empty();
    let mut look = move |at: usize, walker: Option<usize>, is_warm: bool| -> Result<(), Box<dyn Error>> {
        let mut picture = walker.map_or(&empty, |at| &walks[at]).clone();
        picture.stamp.monotonic_us = at as u64 * 200_000;
        let mut jpeg = Jpeg { picture: &picture, reducer: &mut reducer, image: &mut image };
        schedule.detect(&mut jpeg, &mut detector, &mut counter, |detector, image, part, found| {
            if !is_warm {
                detector.detect(image, found)?;
            }
            // The network does not recognise the drawn figure as a person, so the true box is used.
            found.clear();
            let seen = walker.map(place).filter(|seen| seen.intersection_area(part) > 0.0);
            found.extend(seen.map(|b| {
                let across = |x: f32| (x - part.left) / part.width();
                let down = |y: f32| (y - part.top) / part.height();
                let bounds = Bounds::new(across(b.left), down(b.top), across(b.right), down(b.bottom));
                Detection { class: Class(0), score: 0.9, bounds }
            }));
            Ok(())
        })?;
        Ok(())
    };
    // It learns the background first.
    for at in 0..SETTLED {
        look(at, None, true)?;
    }
    Ok(Box::new(move |at| look(SETTLED + at, (at % CYCLE < busy).then_some(at % WALK), false)))
}

/// A picture as cameras send it.
struct Jpeg<'a> {
    picture: &'a Picture,
    reducer: &'a mut Reducer,
    image: &'a mut SmallImage,
}

impl ReadPicture for Jpeg<'_> {
    type Error = Box<dyn Error>;

    fn size(&self) -> (u32, u32) {
        (WIDTH, HEIGHT)
    }

    fn time_us(&self) -> u64 {
        self.picture.stamp.monotonic_us
    }

    fn read(&mut self, region: &Bounds, least: (u32, u32)) -> Result<&SmallImage, Box<dyn Error>> {
        self.reducer.reduce_visible(self.picture, &region_geometry(region), least, self.image)?;
        Ok(self.image)
    }
}

fn encoding(fourcc: Fourcc, data: Vec<u8>, stride: u32) -> Result<Step, Box<dyn Error>> {
    let mut encoder = Encoder::new(80)?;
    Ok(Box::new(move |at| {
        let frame = Frame {
            fourcc,
            width: WIDTH,
            height: HEIGHT,
            stride,
            data: &data,
            second: None,
            stamp: STAMP,
            sequence: at as u64,
        };
        std::hint::black_box(encoder.encode(&frame)?);
        Ok(())
    }))
}

fn changing(key: &'static str, value: &'static str) -> Result<Step, Box<dyn Error>> {
    let view = View::read(|name| (name == key).then_some(value))
        .map_err(|wrong| format!("{} should be {}", wrong.key, wrong.expected))?;
    let (jpeg, mut transformer): (Bytes, _) = (picture()?.jpeg(), Transformer::new()?);
    Ok(Box::new(move |_| {
        std::hint::black_box(transformer.transform(&jpeg, &view, None, None, 80)?);
        Ok(())
    }))
}

/// The scene's samples, 0–255: wide gradients, edges, and sensor grain, so that its JPEG resembles a real one.
fn scene(x: u32, y: u32, plane: u32) -> u8 {
    let mut grain = (y * WIDTH + x).wrapping_mul(0x9e37_79b1).wrapping_add(plane.wrapping_mul(0x85eb_ca6b));
    grain ^= grain >> 15;
    grain = grain.wrapping_mul(0x2c1b_3c6d);
    grain ^= grain >> 12;
    let slope = (x * 96 / WIDTH + y * 64 / HEIGHT) as i32;
    let edge = if (x / 37 + y / 53).is_multiple_of(3) { 60 } else { 0 };
    let noise = (grain % 13) as i32 - 6;
    (30 + slope + if plane == 0 { edge } else { 20 } + noise).clamp(0, 255) as u8
}

fn packed() -> Vec<u8> {
    let rows = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
    rows.flat_map(|(x, y)| [scene(x, y, 0), scene(x / 2, y, 1 + x % 2)]).collect()
}

fn planar() -> Vec<u8> {
    let luma = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| scene(x, y, 0)));
    let chroma = (0..HEIGHT / 2).flat_map(|y| (0..WIDTH).map(move |x| scene(x / 2, y, 1 + x % 2)));
    luma.chain(chroma).collect()
}

fn nv12(data: &[u8]) -> Frame<'_> {
    let (fourcc, width, height, stride) = (Fourcc::NV12, WIDTH, HEIGHT, WIDTH);
    Frame { fourcc, width, height, stride, data, second: None, stamp: STAMP, sequence: 1 }
}

fn picture() -> Result<Picture, Box<dyn Error>> {
    Ok(Encoder::new(80)?.encode(&nv12(&planar()))?)
}

fn small() -> Result<SmallImage, Box<dyn Error>> {
    let mut small = SmallImage::empty();
    Reducer::new()?.reduce(&picture()?, (400, 300), &mut small)?;
    Ok(small)
}

/// Ten people who walk in circles through a picture, most of them across its middle.
fn walker(n: usize, frame: usize) -> Detection {
    let phase = n as f32 * 1.7 + frame as f32 * 0.05;
    let middle = Point::new(0.5 + 0.3 * phase.sin(), 0.1 + 0.08 * n as f32);
    Detection { class: Class(0), score: 0.8, bounds: Bounds::centered_at(middle, 0.05, 0.1) }
}
