//! A camera that the test directs: its pictures, its speed, and every kind of failure.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use tallycam::base::{ClockTime, Stop, Worker};
use tallycam::media::{Fourcc, Frame, SourceError, SourceErrorKind};
use tallycam::pipeline::{CaptureOptions, Pipeline};
use tallycam::source::{Opener, Source, StreamFormat};

/// The camera's current behaviour.
#[derive(Debug, Clone)]
pub enum Manner {
    /// One frame per interval.
    Flows(Duration),
    /// One frame for each [`TestCam::give`].
    OnRequest,
    /// Open, but without frames.
    Silent,
    /// Frames are truncated.
    Broken(Duration),
    /// Frames are truncated but for every fifth.
    MostlyBroken(Duration),
    /// Reading fails: the device is gone.
    Fails(SourceError),
    /// Reading panics, as a bug in the program would.
    Panics,
}

/// A directed camera. Clones share it.
#[derive(Clone)]
pub struct TestCam(Arc<(Mutex<Script>, Condvar)>);

struct Script {
    manner: Manner,
    open_fault: Option<SourceError>,
    is_there: Option<bool>,
    better: Option<TestCam>,
    picture_len: usize,
    has_larger: bool,
    is_simulated: bool,
    first_within: Duration,
    requested: u64,
    sequence: u64,
    opens: u64,
    open_now: u64,
    open_at_most: u64,
}

impl TestCam {
    /// A camera of 50 fps with small pictures of 64×48 pixels.
    pub fn new() -> TestCam {
        let script = Script {
            manner: Manner::Flows(Duration::from_millis(20)),
            open_fault: None,
            is_there: None,
            better: None,
            picture_len: 0,
            has_larger: false,
            is_simulated: false,
            first_within: Duration::from_secs(5),
            requested: 0,
            sequence: 0,
            opens: 0,
            open_now: 0,
            open_at_most: 0,
        };
        TestCam(Arc::new((Mutex::new(script), Condvar::new())))
    }

    /// Pictures of at least `len` bytes.
    pub fn picture_len(self, len: usize) -> TestCam {
        self.lock().picture_len = len;
        self
    }

    /// It offers [`LARGER`], too.
    pub fn with_larger(self) -> TestCam {
        self.lock().has_larger = true;
        self
    }

    /// Longest time until its first frame.
    pub fn first_within(self, time: Duration) -> TestCam {
        self.lock().first_within = time;
        self
    }

    /// It reports itself as a simulation.
    pub fn simulated(self) -> TestCam {
        self.lock().is_simulated = true;
        self
    }

    pub fn manner(&self, manner: Manner) {
        self.lock().manner = manner;
        self.0.1.notify_all();
    }

    /// `fps` frames per second from now on.
    pub fn fps(self, fps: f64) -> TestCam {
        self.manner(Manner::Flows(Duration::from_secs_f64(1.0 / fps)));
        self
    }

    /// Gives one frame, with [`Manner::OnRequest`].
    pub fn give(&self) {
        self.lock().requested += 1;
        self.0.1.notify_all();
    }

    /// Opening fails with `fault` from now on, or succeeds again.
    pub fn open_fault(&self, fault: Option<SourceError>) {
        self.lock().open_fault = fault;
    }

    /// The result of a search for the device from now on.
    pub fn is_there(&self, there: Option<bool>) {
        self.lock().is_there = there;
    }

    /// A search for a better source finds `camera` from now on.
    pub fn gives_way_to(&self, camera: &TestCam) {
        self.lock().better = Some(camera.clone());
    }

    pub fn opens(&self) -> u64 {
        self.lock().opens
    }

    pub fn is_open(&self) -> bool {
        self.lock().open_now > 0
    }

    /// Maximum number that were ever open at once.
    pub fn open_at_most(&self) -> u64 {
        self.lock().open_at_most
    }

    pub fn sequence(&self) -> u64 {
        self.lock().sequence
    }

    pub fn pipeline(&self, settings: CaptureOptions) -> Running {
        let (pipeline, worker) = Pipeline::start(Box::new(self.clone()), settings).unwrap();
        Running { pipeline, worker: Some(worker) }
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.0.lock().unwrap()
    }

    fn open_at(&self, (width, height): (u32, u32)) -> Result<Box<dyn Source>, SourceError> {
        let cam = self.clone();
        let mut script = self.lock();
        if let Some(fault) = &script.open_fault {
            return Err(fault.clone());
        }
        script.opens += 1;
        script.open_now += 1;
        script.open_at_most = script.open_at_most.max(script.open_now);
        let delivers = StreamFormat {
            name: String::from("Test camera"),
            fourcc: Fourcc::MJPG,
            width,
            height,
            fps: None,
            notes: Vec::new(),
            is_simulated: script.is_simulated,
        };
        Ok(Box::new(Open { cam, delivers, jpeg: Vec::new() }))
    }
}

/// Sizes in pixels of the test camera's pictures, and of its larger ones.
pub const USUAL: (u32, u32) = (64, 48);
pub const LARGER: (u32, u32) = (128, 96);

/// A running pipeline, stopped and joined when dropped.
pub struct Running {
    pub pipeline: Pipeline,
    worker: Option<Worker>,
}

impl Running {
    /// A pipeline that was started elsewhere.
    pub fn of(pipeline: Pipeline, worker: Worker) -> Running {
        Running { pipeline, worker: Some(worker) }
    }

    pub fn worker(&self) -> &Worker {
        self.worker.as_ref().unwrap()
    }

    /// Stops it now; true if the thread ended.
    pub fn stop(&mut self) -> bool {
        self.pipeline.stop();
        self.worker.take().is_none_or(|worker| worker.join_within(super::DEADLINE).is_ok())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        assert!(self.stop(), "the capture thread did not end");
    }
}

impl Opener for TestCam {
    fn describe(&self) -> String {
        String::from("the test camera")
    }

    fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        self.open_at(USUAL)
    }

    fn largest_size(&mut self) -> Option<(u32, u32)> {
        self.lock().has_larger.then_some(LARGER)
    }

    fn open_largest(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        self.open_at(LARGER)
    }

    fn find_better(&mut self, stop: &Stop) -> Option<Box<dyn Source>> {
        let mut better = self.lock().better.take()?;
        better.open(stop).ok()
    }

    fn is_present(&self) -> Option<bool> {
        self.lock().is_there
    }
}

struct Open {
    cam: TestCam,
    delivers: StreamFormat,
    jpeg: Vec<u8>,
}

impl Source for Open {
    fn source_info(&self) -> &StreamFormat {
        &self.delivers
    }

    fn first_frame_within(&self) -> Duration {
        self.cam.lock().first_within
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        let mut script = self.cam.lock();
        let mut is_broken = false;
        match script.manner.clone() {
            Manner::Flows(step) | Manner::Broken(step) | Manner::MostlyBroken(step) => {
                is_broken = match script.manner {
                    Manner::Broken(_) => true,
                    Manner::MostlyBroken(_) => !script.sequence.is_multiple_of(5),
                    _ => false,
                };
                drop(script);
                std::thread::sleep(step.min(wait));
                script = self.cam.lock();
            }
            Manner::OnRequest => {
                let (mut ready, _) = self
                    .cam
                    .0
                    .1
                    .wait_timeout_while(script, wait, |s| {
                        s.requested == 0 && matches!(s.manner, Manner::OnRequest)
                    })
                    .unwrap();
                if ready.requested == 0 {
                    return Ok(None);
                }
                ready.requested -= 1;
                script = ready;
            }
            Manner::Silent => {
                let _ = self
                    .cam
                    .0
                    .1
                    .wait_timeout_while(script, wait, |s| matches!(s.manner, Manner::Silent))
                    .unwrap();
                return Ok(None);
            }
            Manner::Fails(trouble) => return Err(trouble),
            Manner::Panics => {
                drop(script);
                panic!("the test wants it so");
            }
        }
        script.sequence += 1;
        let sequence = script.sequence;
        let len = script.picture_len;
        drop(script);
        let (width, height) = (self.delivers.width, self.delivers.height);
        self.jpeg = numbered_jpeg_of((width, height), sequence, len);
        let data = if is_broken { &self.jpeg[..self.jpeg.len() / 2] } else { &self.jpeg[..] };
        let stamp = ClockTime::now();
        Ok(Some(Frame {
            fourcc: Fourcc::MJPG,
            width,
            height,
            stride: 0,
            data,
            second: None,
            stamp,
            sequence,
        }))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.cam.lock().open_now -= 1;
    }
}

pub fn trouble(kind: SourceErrorKind) -> SourceError {
    SourceError::new(kind, format!("the test camera is {}", kind.as_str())).hint("read the test")
}

/// A real JPEG of 64×48 pixels and at least `len` bytes, with `number` in a comment segment.
pub fn numbered_jpeg(number: u64, len: usize) -> Vec<u8> {
    numbered_jpeg_of(USUAL, number, len)
}

/// The same in the size [`USUAL`] or [`LARGER`].
fn numbered_jpeg_of((width, height): (u32, u32), number: u64, len: usize) -> Vec<u8> {
    static BASES: [std::sync::OnceLock<Vec<u8>>; 2] = [const { std::sync::OnceLock::new() }; 2];
    let base = BASES[usize::from((width, height) == LARGER)].get_or_init(|| {
        let (width, height) = (width as usize, height as usize);
        let pixels: Vec<u8> = (0..width * height).map(|i| (i * 7 % 251) as u8).collect();
        let image = turbojpeg::Image {
            pixels: &pixels[..],
            width,
            pitch: width,
            height,
            format: turbojpeg::PixelFormat::GRAY,
        };
        turbojpeg::compress(image, 80, turbojpeg::Subsamp::Gray).unwrap().to_vec()
    });
    let mut jpeg = base[..2].to_vec();
    let comment = |jpeg: &mut Vec<u8>, text: &[u8]| {
        jpeg.extend([0xff, 0xfe]);
        jpeg.extend((text.len() as u16 + 2).to_be_bytes());
        jpeg.extend(text);
    };
    comment(&mut jpeg, format!("number {number:020}").as_bytes());
    while jpeg.len() + base.len() < len {
        let room = (len - jpeg.len() - base.len()).min(60_000);
        comment(&mut jpeg, &vec![b'.'; room]);
    }
    jpeg.extend(&base[2..]);
    jpeg
}

/// The number that [`numbered_jpeg`] wrote; `None` for another picture, such as a still card.
pub fn number_of(jpeg: &[u8]) -> Option<u64> {
    // After the Exif header of a snapshot.
    let exif = match jpeg.get(2..6)? {
        &[0xff, 0xe1, high, low] => 2 + usize::from(u16::from_be_bytes([high, low])),
        _ => 0,
    };
    let text = jpeg.get(6 + exif..33 + exif)?;
    std::str::from_utf8(text.strip_prefix(b"number ")?).ok()?.parse().ok()
}

/// `program` is installed. In CI it must be.
pub fn has(program: &str, arguments: &[&str]) -> bool {
    use std::process::{Command, Stdio};
    let ran = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let has = ran.is_ok_and(|status| status.success());
    if !has {
        println!("LEFT OUT: {program} {} does not run here", arguments.join(" "));
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{program} is missing");
    }
    has
}
