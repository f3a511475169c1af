//! The first camera that works.
//!
//! Several finders search for cameras in a fixed order; the first camera that opens is used. A camera that is busy,
//! denied, or gave no frames last time is skipped if another one works, with a note.
//!
//! If no camera has ever worked, the fallback is used if there is one. It is replaced as soon as a camera works:
//! after it is plugged in or is no longer busy. If a camera has worked and is gone, nothing replaces it.
//!
//! Lives on the capture thread, as every source.

mod csi;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::media::{CameraFormat, Control, ControlValue, Frame, SourceError, SourceErrorKind};
use tallycam_base::{Stop, WakeFd};

use super::v4l2::{self, Nodes, V4l2Opener};
use super::{FormatRequest, Opener, Source, StreamFormat, libcamera};
use csi::CsiCamera;

/// Opens the first camera that works.
pub struct AutoOpener {
    finders: Vec<Box<dyn Finder>>,
    fallback: Option<Box<dyn Opener>>,
    /// A new node is a reason for another open.
    nodes: Nodes,
    last: Option<Tried>,
    /// A camera has given frames.
    has_worked: bool,
    /// The fault of the cameras, if the fallback was opened last.
    stands_in_for: Option<SourceErrorKind>,
}

/// The camera that was opened last.
struct Tried {
    name: String,
    opener: Box<dyn Opener>,
    gave_frames: Arc<AtomicBool>,
}

/// One way to find cameras.
trait Finder: Send {
    /// Openers of the cameras found, best first. The search is lazy: each camera is probed when its turn comes.
    fn find<'a>(&'a self, stop: &'a Stop) -> Box<dyn Iterator<Item = CandidateCamera> + 'a>;
}

/// A camera that may work.
struct CandidateCamera {
    opener: Box<dyn Opener>,
    /// Note for viewers about how the camera is used.
    note: Option<String>,
}

impl AutoOpener {
    /// Searches this machine's cameras: V4L2 first, then ribbon cameras through libcamera or `rpicam-vid`. `fallback`
    /// is shown without a camera, for example the simulation.
    pub fn new(wanted: FormatRequest, fallback: Option<Box<dyn Opener>>) -> AutoOpener {
        let path = std::env::var_os("PATH").unwrap_or_default();
        AutoOpener::with_root(Path::new("/"), &path, libcamera::folder(), wanted, fallback)
    }

    /// As [`AutoOpener::new`], with another root than `/` (a container that has the machine's `dev`, `proc` and `sys`
    /// mounted elsewhere), another `PATH` for programs, and another folder of libcamera's helpers.
    pub fn with_root(
        root: &Path,
        path: &OsStr,
        helpers: PathBuf,
        wanted: FormatRequest,
        fallback: Option<Box<dyn Opener>>,
    ) -> AutoOpener {
        let finders: Vec<Box<dyn Finder>> = vec![
            Box::new(V4l2Cameras { root: root.to_owned(), wanted: wanted.clone() }),
            Box::new(CsiCamera::new(root, path, helpers, wanted, run_program)),
        ];
        AutoOpener::with_finders(root, finders, fallback)
    }

    fn with_finders(
        root: &Path,
        finders: Vec<Box<dyn Finder>>,
        fallback: Option<Box<dyn Opener>>,
    ) -> AutoOpener {
        AutoOpener {
            finders,
            fallback,
            nodes: Nodes::with_root(root),
            last: None,
            has_worked: false,
            stands_in_for: None,
        }
    }

    /// Opens the first camera that works.
    fn camera(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        self.nodes.refresh();
        let gave_frames = |last: &Tried| last.gave_frames.load(Ordering::Relaxed);
        self.has_worked |= self.last.as_ref().is_some_and(gave_frames);
        let mute = self.last.take().filter(|last| !gave_frames(last));
        match self.first_camera(stop, mute.as_ref().map(|last| last.name.as_str())) {
            Ok(opened) => {
                let gave_frames = Arc::new(AtomicBool::new(false));
                self.last = Some(Tried {
                    name: opened.name,
                    opener: opened.opener,
                    gave_frames: Arc::clone(&gave_frames),
                });
                Ok(Box::new(Noted::new(opened.source, opened.notes, gave_frames)))
            }
            Err(troubles) => Err(most_useful(troubles).unwrap_or_else(v4l2::no_camera_fault)),
        }
    }

    /// Opens the first camera that opens. The camera called `mute` comes last.
    fn first_camera(&self, stop: &Stop, mute: Option<&str>) -> Result<OpenedCamera, Vec<SourceError>> {
        let mut troubles: Vec<SourceError> = Vec::new();
        let mut last: Option<CandidateCamera> = None;
        for found in self.finders.iter().flat_map(|finder| finder.find(stop)) {
            if stop.is_set() {
                return Err(troubles);
            }
            if Some(found.opener.describe().as_str()) == mute {
                last = Some(found);
                continue;
            }
            match open(found, stop) {
                Ok(mut opened) => {
                    let passed_over =
                        last.and(mute).map(|name| format!("{name} opens but gives no pictures."));
                    let refused = troubles.iter().map(|t| sentence(&t.what));
                    opened.notes.extend(passed_over.into_iter().chain(refused));
                    return Ok(opened);
                }
                Err(fault) => troubles.push(fault),
            }
        }
        match last {
            Some(found) => open(found, stop).map_err(|fault| {
                troubles.push(fault);
                troubles
            }),
            None => Err(troubles),
        }
    }
}

impl AutoOpener {
    /// Calls `look` with the camera that was opened last, else with the first candidate; `None` if there is none.
    fn with_current<T>(&mut self, look: impl FnOnce(&mut dyn Opener) -> T) -> Option<T> {
        if let (Some(fallback), Some(_)) = (&mut self.fallback, self.stands_in_for) {
            return Some(look(&mut **fallback));
        }
        if let Some(last) = &mut self.last {
            return Some(look(&mut *last.opener));
        }
        let stop = Stop::new();
        let first = self.finders.iter().flat_map(|finder| finder.find(&stop)).next();
        match (first, &mut self.fallback) {
            (Some(mut found), _) => Some(look(&mut *found.opener)),
            (None, Some(fallback)) if !self.has_worked => Some(look(&mut **fallback)),
            (None, _) => None,
        }
    }
}

struct OpenedCamera {
    name: String,
    opener: Box<dyn Opener>,
    source: Box<dyn Source>,
    notes: Vec<String>,
}

/// Opens a camera; logs the name of one that fails.
fn open(found: CandidateCamera, stop: &Stop) -> Result<OpenedCamera, SourceError> {
    let CandidateCamera { mut opener, note } = found;
    let name = opener.describe();
    match opener.open(stop) {
        Ok(source) => Ok(OpenedCamera { name, opener, source, notes: note.into_iter().collect() }),
        Err(fault) => {
            log::debug!("{name}: {fault}");
            Err(fault)
        }
    }
}

impl Opener for AutoOpener {
    fn describe(&self) -> String {
        String::from("the first camera that works")
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        self.stands_in_for = None;
        let fault = match self.camera(stop) {
            Ok(source) => return Ok(source),
            Err(fault) => fault,
        };
        match self.fallback.as_mut().filter(|_| !self.has_worked && !stop.is_set()) {
            None => Err(fault),
            Some(fallback) => {
                let source = fallback.open(stop)?;
                self.stands_in_for = Some(fault.kind);
                let note = match fault.kind {
                    SourceErrorKind::Absent => String::from("No camera was found."),
                    _ => format!("No camera could be used: {}.", fault.what),
                };
                Ok(Box::new(Noted::new(source, vec![note], Arc::default())))
            }
        }
    }

    fn find_better(&mut self, stop: &Stop) -> Option<Box<dyn Source>> {
        let fault = self.stands_in_for?;
        // An absent or unsupported camera can only be replaced by a new node; a busy or denied one may become usable.
        let may_mend_itself = !matches!(fault, SourceErrorKind::Absent | SourceErrorKind::Unsupported);
        if !may_mend_itself && !self.nodes.has_new_node() {
            return None;
        }
        let camera = self.camera(stop);
        self.stands_in_for = camera.as_ref().err().map(|fault| fault.kind);
        camera.ok()
    }

    fn largest_size(&mut self) -> Option<(u32, u32)> {
        match &mut self.last {
            Some(last) if self.stands_in_for.is_none() => last.opener.largest_size(),
            _ => None,
        }
    }

    fn open_largest(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        match &mut self.last {
            Some(last) if self.stands_in_for.is_none() => last.opener.open_largest(stop),
            _ => self.open(stop),
        }
    }

    fn is_present(&self) -> Option<bool> {
        Some(self.nodes.has_new_node())
    }

    fn identity(&mut self) -> Option<String> {
        self.with_current(|camera| camera.identity()).flatten()
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        self.with_current(|camera| camera.controls()).unwrap_or_else(|| Err(v4l2::no_camera_fault()))
    }

    fn formats(&mut self) -> Result<Vec<CameraFormat>, SourceError> {
        self.with_current(|camera| camera.formats()).unwrap_or_else(|| Err(v4l2::no_camera_fault()))
    }
}

/// The fault that helps most: those that the user can fix at the camera come first.
fn most_useful(troubles: Vec<SourceError>) -> Option<SourceError> {
    let rank = |kind| match kind {
        SourceErrorKind::Busy => 0,
        SourceErrorKind::Denied => 1,
        SourceErrorKind::Absent => 3,
        _ => 2,
    };
    troubles.into_iter().min_by_key(|fault| rank(fault.kind))
}

/// A fault's `what` as a sentence of its own.
fn sentence(what: &str) -> String {
    let mut letters = what.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Adds notes to a source and remembers whether it gave a frame.
struct Noted {
    source: Box<dyn Source>,
    delivers: StreamFormat,
    gave_frames: Arc<AtomicBool>,
}

impl Noted {
    fn new(source: Box<dyn Source>, notes: Vec<String>, gave_frames: Arc<AtomicBool>) -> Noted {
        let mut delivers = source.source_info().clone();
        delivers.notes.splice(0..0, notes);
        Noted { source, delivers, gave_frames }
    }
}

impl Source for Noted {
    fn source_info(&self) -> &StreamFormat {
        &self.delivers
    }

    fn first_frame_within(&self) -> Duration {
        self.source.first_frame_within()
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        let frame = self.source.next(wait)?;
        if frame.is_some() {
            self.gave_frames.store(true, Ordering::Relaxed);
        }
        Ok(frame)
    }

    fn set_wake_bell(&mut self, wake_fd: &WakeFd) {
        self.source.set_wake_bell(wake_fd);
    }

    fn identity(&self) -> Option<String> {
        self.source.identity()
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        self.source.controls()
    }

    fn set_control(&mut self, wanted: &ControlValue) -> Result<f64, SourceError> {
        self.source.set_control(wanted)
    }
}

/// Cameras with a usable V4L2 node; skips codecs, image processors and the like.
struct V4l2Cameras {
    root: PathBuf,
    wanted: FormatRequest,
}

impl Finder for V4l2Cameras {
    fn find<'a>(&'a self, _stop: &'a Stop) -> Box<dyn Iterator<Item = CandidateCamera> + 'a> {
        Box::new(v4l2::cameras_under(&self.root).filter_map(|path| {
            let device = path.to_str()?.to_owned();
            let opener = V4l2Opener::with_root(&self.root, Some(device), self.wanted.clone());
            Some(CandidateCamera { opener: Box::new(opener), note: None })
        }))
    }
}

/// Opens a program that writes MJPEG to its standard output.
fn run_program(command: Vec<String>, wanted: FormatRequest) -> Box<dyn Opener> {
    Box::new(super::exec::ExecOpener::new(command, wanted))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::media::Fourcc;
    use std::sync::Mutex;
    use tallycam_base::ClockTime;

    /// Behaviour of a test camera when it is opened.
    #[derive(Clone)]
    enum Does {
        Work,
        GiveNothing,
        Fail(SourceErrorKind),
    }

    /// A set of cameras whose behaviour the test changes.
    #[derive(Clone, Default)]
    struct Fakes(Arc<Mutex<Vec<(&'static str, Does)>>>);

    impl Fakes {
        fn of(cameras: &[(&'static str, Does)]) -> Fakes {
            Fakes(Arc::new(Mutex::new(cameras.to_vec())))
        }
    }

    impl Finder for Fakes {
        fn find<'a>(&'a self, _stop: &'a Stop) -> Box<dyn Iterator<Item = CandidateCamera> + 'a> {
            let cameras = self.0.lock().unwrap().clone();
            Box::new(cameras.into_iter().map(|(name, does)| CandidateCamera {
                opener: Box::new(TestCamera { name, does }),
                note: None,
            }))
        }
    }

    struct TestCamera {
        name: &'static str,
        does: Does,
    }

    impl Opener for TestCamera {
        fn describe(&self) -> String {
            self.name.to_owned()
        }

        fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
            if let Does::Fail(kind) = self.does {
                return Err(SourceError::new(kind, format!("{} is {}", self.name, kind.as_str())));
            }
            let delivers = StreamFormat {
                name: self.name.to_owned(),
                fourcc: Fourcc::MJPG,
                width: 0,
                height: 0,
                fps: None,
                notes: vec!["its own".to_owned()],
                is_simulated: self.name == "scene",
            };
            Ok(Box::new(TestSource { delivers, gives: matches!(self.does, Does::Work) }))
        }

        fn largest_size(&mut self) -> Option<(u32, u32)> {
            Some((self.name.len() as u32, 1))
        }
    }

    const SLOW: Duration = Duration::from_secs(77);

    struct TestSource {
        delivers: StreamFormat,
        gives: bool,
    }

    impl Source for TestSource {
        fn source_info(&self) -> &StreamFormat {
            &self.delivers
        }

        fn first_frame_within(&self) -> Duration {
            SLOW
        }

        fn next(&mut self, _wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
            Ok(self.gives.then(|| Frame {
                fourcc: Fourcc::MJPG,
                width: 64,
                height: 48,
                stride: 0,
                data: b"x",
                second: None,
                stamp: ClockTime::now(),
                sequence: 1,
            }))
        }
    }

    fn auto(fakes: &Fakes, fallback: Option<Box<dyn Opener>>) -> AutoOpener {
        AutoOpener::with_finders(Path::new("/nowhere"), vec![Box::new(fakes.clone())], fallback)
    }

    fn scene() -> Option<Box<dyn Opener>> {
        Some(Box::new(TestCamera { name: "scene", does: Does::Work }))
    }

    fn opened(auto: &mut AutoOpener) -> (String, Vec<String>) {
        let source = auto.open(&Stop::new()).map_err(|t| t.line()).unwrap();
        (source.source_info().name.clone(), source.source_info().notes.clone())
    }

    #[test]
    fn the_first_working_camera_is_used_and_the_others_are_reported() {
        let fakes =
            Fakes::of(&[("a", Does::Fail(SourceErrorKind::Busy)), ("b", Does::Work), ("c", Does::Work)]);
        let (name, notes) = opened(&mut auto(&fakes, scene()));
        assert_eq!(name, "b");
        assert_eq!(notes, ["A is busy.", "its own"]);
    }

    #[test]
    fn the_largest_size_is_that_of_the_camera_in_use_and_a_stand_in_has_none() {
        let fakes = Fakes::of(&[("a", Does::Fail(SourceErrorKind::Busy)), ("cam", Does::Work)]);
        let mut with_camera = auto(&fakes, scene());
        assert_eq!(with_camera.largest_size(), None, "nothing was opened yet");
        opened(&mut with_camera);
        assert_eq!(with_camera.largest_size(), Some((3, 1)));
        assert_eq!(
            with_camera.open_largest(&Stop::new()).map(|s| s.source_info().name.clone()).ok(),
            Some("cam".into())
        );
        let mut with_scene = auto(&Fakes::default(), scene());
        opened(&mut with_scene);
        assert_eq!(with_scene.largest_size(), None);
    }

    #[test]
    fn without_a_camera_the_fallback_says_why() {
        let mut none = auto(&Fakes::default(), scene());
        assert_eq!(
            opened(&mut none),
            ("scene".to_owned(), vec!["No camera was found.".to_owned(), "its own".to_owned()])
        );
        let fakes = Fakes::of(&[("a", Does::Fail(SourceErrorKind::Denied))]);
        let (name, notes) = opened(&mut auto(&fakes, scene()));
        assert_eq!((name.as_str(), notes[0].as_str()), ("scene", "No camera could be used: a is denied."));
    }

    #[test]
    fn a_camera_replaces_the_fallback() {
        let fakes = Fakes::of(&[("a", Does::Fail(SourceErrorKind::Busy))]);
        let mut auto = auto(&fakes, scene());
        let stop = Stop::new();
        assert!(auto.find_better(&stop).is_none(), "nothing is open yet");
        assert_eq!(opened(&mut auto).0, "scene");
        assert!(auto.find_better(&stop).is_none(), "it is still busy");
        *fakes.0.lock().unwrap() = vec![("a", Does::Work)];
        let mut camera = auto.find_better(&stop).unwrap();
        assert_eq!(camera.source_info().name, "a");
        assert!(camera.next(Duration::ZERO).unwrap().is_some());
        assert!(auto.find_better(&stop).is_none(), "a camera is not replaced");
        // It has worked: when it is gone, nothing replaces it.
        fakes.0.lock().unwrap().clear();
        assert!(auto.open(&stop).is_err_and(|fault| fault.kind == SourceErrorKind::Absent));
    }

    #[test]
    fn an_absent_camera_is_looked_for_when_a_node_appears() {
        for fakes in [Fakes::default(), Fakes::of(&[("a", Does::Fail(SourceErrorKind::Unsupported))])] {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir(root.path().join("dev")).unwrap();
            let mut auto = AutoOpener::with_finders(root.path(), vec![Box::new(fakes.clone())], scene());
            assert_eq!(opened(&mut auto).0, "scene");
            *fakes.0.lock().unwrap() = vec![("a", Does::Work)];
            assert!(auto.find_better(&Stop::new()).is_none(), "there is no new node");
            std::fs::write(root.path().join("dev/video0"), "").unwrap();
            assert!(auto.find_better(&Stop::new()).is_some());
        }
    }

    #[test]
    fn without_a_fallback_the_most_useful_fault_is_given() {
        let fakes = Fakes::of(&[
            ("a", Does::Fail(SourceErrorKind::Unsupported)),
            ("b", Does::Fail(SourceErrorKind::Denied)),
            ("c", Does::Fail(SourceErrorKind::Busy)),
        ]);
        let fault = auto(&fakes, None).open(&Stop::new()).err().unwrap();
        assert_eq!(fault.what, "c is busy");
        let fault = auto(&Fakes::default(), None).open(&Stop::new()).err().unwrap();
        assert_eq!((fault.kind, fault.what.as_str()), (SourceErrorKind::Absent, "no camera was found"));
    }

    #[test]
    fn a_camera_without_frames_comes_last() {
        let fakes = Fakes::of(&[("a", Does::GiveNothing), ("b", Does::Work)]);
        let mut auto = auto(&fakes, None);
        let mut source = auto.open(&Stop::new()).map_err(|t| t.line()).unwrap();
        assert_eq!(source.source_info().name, "a");
        assert!(source.next(Duration::ZERO).unwrap().is_none());
        drop(source);

        let mut source = auto.open(&Stop::new()).map_err(|t| t.line()).unwrap();
        assert_eq!(source.source_info().notes, ["a opens but gives no pictures.", "its own"]);
        assert!(source.next(Duration::ZERO).unwrap().is_some());
        drop(source);
        // b gave frames: the usual order applies again.
        assert_eq!(opened(&mut auto).0, "a");

        // As the only camera it is tried again and again.
        fakes.0.lock().unwrap().truncate(1);
        assert_eq!(opened(&mut auto).0, "a");
        assert_eq!(opened(&mut auto).0, "a");
    }

    #[test]
    fn a_slow_camera_keeps_its_first_frame_limit() {
        let source = auto(&Fakes::of(&[("a", Does::Work)]), None).open(&Stop::new()).map_err(|t| t.line());
        assert_eq!(source.unwrap().first_frame_within(), SLOW);
    }

    #[test]
    fn nothing_more_is_tried_after_a_stop() {
        let stop = Stop::new();
        stop.set();
        let fakes = Fakes::of(&[("a", Does::Work)]);
        assert!(auto(&fakes, scene()).open(&stop).is_err());
    }

    #[test]
    fn a_new_node_triggers_an_open() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("dev")).unwrap();
        std::fs::write(root.path().join("dev/video0"), "").unwrap();
        let mut auto = AutoOpener::with_root(
            root.path(),
            OsStr::new(""),
            root.path().to_owned(),
            FormatRequest::ANYTHING,
            None,
        );
        assert!(auto.open(&Stop::new()).is_err());
        assert_eq!(auto.is_present(), Some(false));
        std::fs::write(root.path().join("dev/video1"), "").unwrap();
        assert_eq!(auto.is_present(), Some(true));
        assert!(auto.open(&Stop::new()).is_err());
        assert_eq!(auto.is_present(), Some(false));
    }
}
