//! The preloaded fake camera of `tests/fakecam/`: [`FakeCam`] is one camera, unplugged for good on drop.
//!
//! ```ignore
//! let camera = FakeCam::new().formats("MJPG").sizes("640x480");
//! let mut server = camera.command(env!("CARGO_BIN_EXE_tallycam")).arg("serve").spawn()?;
//! camera.control("unplug");
//! camera.wait_for_log("unplug");
//! camera.control("plug");
//! ```
#![allow(dead_code, reason = "each test program uses its part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The preload library, built by `cc` if it is older than its sources. Test programs that run at the same time may
/// each build it; the rename replaces it atomically.
pub fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(build).clone()
}

fn build() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fakecam");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fakecam.so");
    let changed = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    let files: Vec<PathBuf> = fs::read_dir(&sources)
        .expect("tests/fakecam is part of the source tree")
        .map(|entry| entry.unwrap().path())
        .collect();
    if let Some(built) = changed(&library)
        && files.iter().filter_map(|file| changed(file)).all(|source| source < built)
    {
        return library;
    }
    let fresh = library.with_extension(format!("so.{}", std::process::id()));
    let output = Command::new("cc")
        .args(["-O2", "-g", "-std=gnu11", "-Wall", "-Wextra", "-U_FORTIFY_SOURCE"])
        .args(["-fPIC", "-shared", "-fvisibility=hidden", "-o"])
        .arg(&fresh)
        .args(files.iter().filter(|file| file.extension() == Some(OsStr::new("c"))))
        .output()
        .expect("a C compiler is needed for the fake camera: apt install gcc libc6-dev");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&fresh, &library).unwrap();
    library
}

/// A fake camera at its own path, by default 1280x720 YUYV and MJPG at 30 fps. `tests/fakecam/README.md` explains
/// each setting.
pub struct FakeCam {
    folder: TempDir,
    device: PathBuf,
    settings: Vec<(&'static str, String)>,
}

impl FakeCam {
    pub fn new() -> FakeCam {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("video0");
        FakeCam { folder, device, settings: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> FakeCam {
        self.settings.push((name, value.to_string()));
        self
    }

    /// Pixel formats, e.g. `"YUYV,MJPG"`.
    pub fn formats(self, list: &str) -> FakeCam {
        self.with("FAKECAM_FORMATS", list)
    }

    /// Sizes, e.g. `"1280x720,640x480"`.
    pub fn sizes(self, list: &str) -> FakeCam {
        self.with("FAKECAM_SIZES", list)
    }

    /// Frame rates, e.g. `"30,15"`.
    pub fn fps(self, list: &str) -> FakeCam {
        self.with("FAKECAM_FPS", list)
    }

    /// Faults, e.g. `"short%10,unplug@100:2"`.
    pub fn faults(self, list: &str) -> FakeCam {
        self.with("FAKECAM_FAULTS", list)
    }

    /// The driver's time stamps: `"zero"`, `"real"`, `"still"`, `"slow"` or `"jump"`.
    pub fn stamps(self, kind: &str) -> FakeCam {
        self.with("FAKECAM_STAMP", kind)
    }

    /// A directory of pictures to show instead of a moving ramp.
    pub fn frames(self, folder: &Path) -> FakeCam {
        self.with("FAKECAM_FRAMES", folder.display())
    }

    /// Raw pictures are drawn once, so that a frame costs next to nothing.
    pub fn still(self) -> FakeCam {
        self.with("FAKECAM_STATIC", 1)
    }

    /// Rows of raw frames are padded to a multiple of this many bytes.
    pub fn stride(self, multiple: usize) -> FakeCam {
        self.with("FAKECAM_STRIDE", multiple)
    }

    pub fn name(self, name: &str) -> FakeCam {
        self.with("FAKECAM_NAME", name)
    }

    /// The device at this path instead of its own, for example for code that searches `/dev`.
    pub fn at(mut self, device: &Path) -> FakeCam {
        self.device = device.to_path_buf();
        self
    }

    /// The device's path. The node is made when the first program starts.
    pub fn path(&self) -> &Path {
        &self.device
    }

    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", library())
            .env("FAKECAM_PATH", &self.device)
            .env("FAKECAM_STATE", self.folder.path())
            .env("FAKECAM_LOG", self.folder.path().join("log"))
            .env("FAKECAM_CTL", self.folder.path().join("control"))
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Steers the running camera: `unplug`, `unplug:2`, `plug`, `stall`, `stall:2`, `go`. `busy` and `deny` hold
    /// until the next word; `well` ends them.
    pub fn control(&self, word: &str) {
        let fresh = self.folder.path().join("control.new");
        fs::write(&fresh, word).unwrap();
        fs::rename(fresh, self.folder.path().join("control")).unwrap();
    }

    /// The events so far, one per line.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until the log contains `text`, and returns the log.
    pub fn wait_for_log(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let log = self.log();
            if log.contains(text) {
                return log;
            }
            assert!(Instant::now() < deadline, "{text:?} never came up in the camera's log:\n{log}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for FakeCam {
    fn drop(&mut self) {
        // A node in the folder is removed with the folder.
        let _ = fs::remove_file(&self.device);
    }
}

/// The mark that the camera writes into each frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Index of the picture in the frames' directory.
    pub picture: u8,
    /// The frame's number since the stream began, modulo 2^24.
    pub sequence: u32,
    /// Due time: microseconds of CLOCK_MONOTONIC.
    pub micros: u64,
}

impl Stamp {
    /// Reads it from the APP9 segment of a JPEG that was passed through.
    pub fn in_jpeg(jpeg: &[u8]) -> Option<Stamp> {
        let mark = b"FAKECAM\0";
        let at = jpeg.windows(mark.len()).take(4096).position(|w| w == mark)? + mark.len();
        let bytes = jpeg.get(at..at + 16)?;
        let word = |i: usize| u32::from_be_bytes(bytes[i * 4..i * 4 + 4].try_into().unwrap());
        Stamp::from_words([word(0), word(1), word(2), word(3)])
    }

    /// Reads it from pixels: `luma(x, y)` of a picture of `width` pixels, at least 256.
    pub fn in_pixels(luma: impl Fn(usize, usize) -> u8, width: usize) -> Option<Stamp> {
        let columns = (width / 8).min(32);
        let mut words = [0_u32; 4];
        for square in 0..128 {
            let (x, y) = (square % columns * 8 + 4, square / columns * 8 + 4);
            words[square / 32] |= u32::from(luma(x, y) > 125) << (31 - square % 32);
        }
        Stamp::from_words(words)
    }

    fn from_words(words: [u32; 4]) -> Option<Stamp> {
        let mix = words[1] ^ words[2] ^ words[3];
        (words[0] == 0xFA4E_0000 | ((mix ^ mix >> 16) & 0xffff)).then_some(Stamp {
            picture: (words[1] >> 24) as u8,
            sequence: words[1] & 0x00ff_ffff,
            micros: u64::from(words[2]) << 32 | u64::from(words[3]),
        })
    }
}
