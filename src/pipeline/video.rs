//! Converts a recording to H.264 in MP4 for browsers, phones and messengers, with `ffmpeg` if it is installed.
//!
//! ```text
//! recording ─► film (Motion JPEG in MOV) ─► ffmpeg ─► fragments ─► one MP4 (Remux)
//! ```
//!
//! `ffmpeg` reads the film from its standard input and writes fragmented MP4 to its standard output, both with the
//! original times. It has a high niceness and two threads, and is killed with its process group.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Stdio};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group, setpriority_process};
use tokio::net::unix::pipe;

use tallycam_base::{child, json};
use tallycam_camera::media::film::Film;
use tallycam_camera::media::film::h264::{NotFragmented, Remux, SCALE};

/// Maximum bytes that are read from `ffmpeg` at once.
const PIECE: usize = 64 << 10;

/// Bytes kept of `ffmpeg`'s messages.
const WORDS: usize = 500;

const FFMPEG: &str = "ffmpeg";

/// Niceness of `ffmpeg` (sched(7)): the live stream goes first.
const NICE: i32 = 10;

/// Name of the Raspberry Pi's encoder driver in sysfs. Other encoders for `h264_v4l2m2m` are not tried, because its
/// search opens every camera.
const PI_ENCODER: &str = "bcm2835-codec-encode";

/// Maximum width and height of the Raspberry Pi's encoder.
const PI_LARGEST: (u32, u32) = (1920, 1088);

/// Range of pictures from one key frame to the next; a player can start at a key frame.
const KEY_FRAMES: std::ops::RangeInclusive<u64> = 1..=120;

json::words! { VideoEncoder { Pi "h264_v4l2m2m", X264 "libx264", OpenH264 "libopenh264" } }

/// An H.264 encoder, with its name in `ffmpeg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoEncoder {
    /// A Raspberry Pi's own encoder, up to the Pi 4.
    Pi,
    /// libx264.
    X264,
    /// Cisco's OpenH264.
    OpenH264,
}

impl VideoEncoder {
    /// Bits per second of pictures of this size and rate, where the encoder has no constant quality.
    fn bit_rate((width, height): (u32, u32), fps: f64) -> f64 {
        let bits = f64::from(width) * f64::from(height) * fps.clamp(5.0, 60.0) * 0.1;
        bits.clamp(500_000.0, 20_000_000.0)
    }

    /// Estimated bytes of the video of a recording with `frames` and `bytes` of Motion JPEG.
    pub fn estimate(self, size: (u32, u32), (frames, duration_us): (u64, u64), bytes: u64) -> u64 {
        let seconds = (duration_us as f64 / 1e6).max(0.1);
        match self {
            // Measured: a fifth for a scene with some people.
            VideoEncoder::X264 => bytes / 5,
            _ => ((VideoEncoder::bit_rate(size, frames as f64 / seconds) * seconds / 8.0) as u64).min(bytes),
        }
    }

    /// Quality and speed for pictures of this size and rate.
    fn options(self, size: (u32, u32), fps: f64) -> Vec<String> {
        let rate = format!("{:.0}", VideoEncoder::bit_rate(size, fps));
        let options: &[&str] = match self {
            VideoEncoder::Pi => &["-b:v", &rate],
            VideoEncoder::X264 => &["-preset", "veryfast", "-crf", "23", "-threads", "2"],
            VideoEncoder::OpenH264 => &["-b:v", &rate, "-threads", "2"],
        };
        options.iter().map(|&option| option.to_owned()).collect()
    }
}

/// The available encoders, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoEncoders(Vec<VideoEncoder>);

impl VideoEncoders {
    /// Asks `ffmpeg` and blocks while it runs. `None` if it is missing or has no H.264 encoder.
    pub fn find() -> Option<VideoEncoders> {
        let asked = child::command(FFMPEG)
            .args(["-hide_banner", "-loglevel", "error", "-encoders"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let listed = asked.ok().filter(|asked| asked.status.success())?;
        let has_pi = has_pi_encoder(Path::new("/sys/class/video4linux"));
        let found = listed_encoders(&String::from_utf8_lossy(&listed.stdout), has_pi);
        (!found.is_empty()).then_some(VideoEncoders(found))
    }

    /// The best encoder for pictures of this size.
    pub fn best(&self, (width, height): (u32, u32)) -> Option<VideoEncoder> {
        let fits = |encoder: &&VideoEncoder| {
            **encoder != VideoEncoder::Pi || (width <= PI_LARGEST.0 && height <= PI_LARGEST.1)
        };
        self.0.iter().find(fits).copied()
    }
}

fn listed_encoders(listed: &str, has_pi: bool) -> Vec<VideoEncoder> {
    let is_listed = |encoder: &VideoEncoder| {
        listed.lines().any(|line| line.split_whitespace().nth(1) == Some(encoder.as_str()))
    };
    let all = [VideoEncoder::Pi, VideoEncoder::X264, VideoEncoder::OpenH264];
    all.into_iter().filter(|encoder| has_pi || *encoder != VideoEncoder::Pi).filter(is_listed).collect()
}

fn has_pi_encoder(devices: &Path) -> bool {
    let devices = std::fs::read_dir(devices).into_iter().flatten().flatten();
    devices.into_iter().any(|device| {
        std::fs::read_to_string(device.path().join("name")).is_ok_and(|name| name.starts_with(PI_ENCODER))
    })
}

/// A video to encode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VideoRequest {
    /// The encoder.
    pub encoder: VideoEncoder,
    /// Width and height of the first picture in pixels; others are fitted into it.
    pub size: (u32, u32),
    /// Pictures per second, on average.
    pub fps: f64,
}

impl VideoRequest {
    /// A video of this film.
    pub fn of(encoder: VideoEncoder, film: &Film) -> VideoRequest {
        let seconds = film.duration_us() as f64 / 1e6;
        VideoRequest { encoder, size: film.size(), fps: film.frames() as f64 / seconds.max(0.001) }
    }

    fn arguments(&self) -> Vec<String> {
        // Chroma has half the resolution, so both sides must be even.
        let (width, height) = (self.size.0 & !1, self.size.1 & !1);
        let (width, height) = (width.max(2), height.max(2));
        // JPEG is full range BT.601. Players expect limited range, and BT.709 unless the file says otherwise.
        let filters = format!(
            "crop=trunc(iw/2)*2:trunc(ih/2)*2,scale={width}:{height}:force_original_aspect_ratio=decrease:\
             in_range=full:out_range=tv:in_color_matrix=bt601:out_color_matrix=bt709,\
             pad={width}:{height}:(ow-iw)/2:(oh-ih)/2,setsar=1,format=yuv420p"
        );
        let key_frames = ((self.fps * 2.0).round() as u64).clamp(*KEY_FRAMES.start(), *KEY_FRAMES.end());
        let (key_frames, scale) = (key_frames.to_string(), SCALE.to_string());
        let time_base = format!("1:{SCALE}");
        let before =
            ["-hide_banner", "-nostats", "-loglevel", "error", "-f", "mov", "-i", "pipe:0", "-map", "0:v:0"];
        // Each picture has its own time, in the order of capture.
        let timing = [
            "-vf",
            &filters,
            "-fps_mode",
            "passthrough",
            "-enc_time_base",
            &time_base,
            "-video_track_timescale",
            &scale,
            "-bf",
            "0",
            "-g",
            &key_frames,
            "-c:v",
            self.encoder.as_str(),
        ];
        let colours = [
            "-color_range",
            "tv",
            "-colorspace",
            "bt709",
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
        ];
        let after = ["-movflags", "frag_keyframe+delay_moov+default_base_moof", "-f", "mp4", "pipe:1"];
        let own = self.encoder.options(self.size, self.fps);
        let words = before.into_iter().chain(timing).map(str::to_owned).chain(own);
        words.chain(colours.into_iter().chain(after).map(str::to_owned)).collect()
    }

    /// Starts `ffmpeg`. Blocks for some milliseconds on a Raspberry Pi, because starting a process copies the page
    /// tables of this one.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self) -> io::Result<Transcoder> {
        let mut child = child::command(FFMPEG)
            .args(self.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // From here on dropping it ends the process after any error.
        let running = Running { child, is_reaped: false };
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        if let Some(pid) = running.pid()
            && let Err(error) = setpriority_process(Some(pid), NICE)
        {
            log::debug!("ffmpeg is not nice: {error}");
        }
        Ok(Transcoder { running: Some(running), pipes: Some((stdin, stdout, stderr)) })
    }
}

/// Why a video was not completed.
#[derive(Debug)]
pub enum NotMade<E> {
    /// The recording could not be read, or the video was not taken.
    Ended(E),
    /// `ffmpeg` failed, in words.
    Failed(String),
}

impl<E> From<io::Error> for NotMade<E> {
    fn from(error: io::Error) -> NotMade<E> {
        NotMade::Failed(format!("ffmpeg's pipes: {error}"))
    }
}

impl<E> From<NotFragmented> for NotMade<E> {
    fn from(error: NotFragmented) -> NotMade<E> {
        NotMade::Failed(error.to_string())
    }
}

/// A started `ffmpeg`. Dropping it ends it, on a thread that may block if there is a runtime.
#[derive(Debug)]
pub struct Transcoder {
    running: Option<Running>,
    pipes: Option<(ChildStdin, ChildStdout, ChildStderr)>,
}

impl Drop for Transcoder {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        // Reaping blocks until all its memory is freed.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn_blocking(move || drop(running)));
        }
    }
}

impl Transcoder {
    /// Converts `film`, whose first picture was taken at `began_us` (microseconds since 1970). `read` gives the film's
    /// bytes from an offset on. `take` gets the pieces of the MP4 and the number of pictures so far. The first piece
    /// has a picture, which shows that encoding works.
    ///
    /// # Errors
    /// [`NotMade`]; the pieces are then no whole file.
    pub async fn convert<E>(
        &mut self,
        film: &Film,
        began_us: u64,
        read: impl AsyncFnMut(u64) -> Result<Bytes, E>,
        mut take: impl AsyncFnMut(Bytes, u64) -> Result<(), E>,
    ) -> Result<(), NotMade<E>> {
        let (stdin, stdout, stderr) = self.pipes.take().ok_or(io::Error::from(ErrorKind::BrokenPipe))?;
        let stdin = pipe::Sender::from_owned_fd(OwnedFd::from(stdin))?;
        let stdout = pipe::Receiver::from_owned_fd(OwnedFd::from(stdout))?;
        let stderr = pipe::Receiver::from_owned_fd(OwnedFd::from(stderr))?;
        let mut words = Vec::new();
        let feeding = async { feed(film, stdin, read).await.map_err(NotMade::Ended) };
        let listening = async {
            listen(stderr, &mut words).await;
            Ok(())
        };
        let ((), remux, ()) = tokio::try_join!(feeding, drain(stdout, &mut take), listening)?;
        if let Some(mut running) = self.running.take() {
            let ended = tokio::task::spawn_blocking(move || running.wait()).await;
            let status = ended.map_err(io::Error::other)??;
            if !status.success() {
                let words = String::from_utf8_lossy(&words);
                let last = words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
                let colon = if last.is_empty() { "" } else { ": " };
                return Err(NotMade::Failed(format!("ffmpeg ended ({status}){colon}{last}")));
            }
        }
        let pictures = remux.pictures();
        let mut rest = Vec::new();
        remux.finish(began_us, film.duration_us(), &mut rest)?;
        for piece in rest.chunks(PIECE) {
            take(Bytes::copy_from_slice(piece), pictures).await.map_err(NotMade::Ended)?;
        }
        Ok(())
    }
}

/// Feeds the film to `ffmpeg`, then closes its input. If it stops reading, its exit status tells why.
async fn feed<E>(
    film: &Film,
    stdin: pipe::Sender,
    mut read: impl AsyncFnMut(u64) -> Result<Bytes, E>,
) -> Result<(), E> {
    let mut at = 0;
    while at < film.len() {
        let mut piece = read(at).await?;
        at += piece.len() as u64;
        while !piece.is_empty() {
            if stdin.writable().await.is_err() {
                return Ok(());
            }
            match stdin.try_write(&piece) {
                Ok(written) => drop(piece.split_to(written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Ok(()),
            }
        }
    }
    Ok(())
}

/// Passes `ffmpeg`'s output on until it closes.
async fn drain<E>(
    stdout: pipe::Receiver,
    take: &mut impl AsyncFnMut(Bytes, u64) -> Result<(), E>,
) -> Result<Remux, NotMade<E>> {
    let (mut remux, mut held) = (Remux::default(), Vec::new());
    let mut piece = vec![0; PIECE];
    loop {
        stdout.readable().await?;
        let got = match stdout.try_read(&mut piece) {
            Ok(0) => return Ok(remux),
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        remux.push(&piece[..got], &mut held)?;
        if remux.pictures() > 0 && !held.is_empty() {
            take(std::mem::take(&mut held).into(), remux.pictures()).await.map_err(NotMade::Ended)?;
        }
    }
}

/// Reads `ffmpeg`'s messages and keeps their end.
async fn listen(stderr: pipe::Receiver, words: &mut Vec<u8>) {
    let mut piece = [0; WORDS];
    while stderr.readable().await.is_ok() {
        match stderr.try_read(&mut piece) {
            Ok(0) => return,
            Ok(got) => {
                words.extend_from_slice(&piece[..got]);
                words.drain(..words.len().saturating_sub(WORDS));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// A running `ffmpeg`. Dropping it kills and reaps it, which may block for some milliseconds.
#[derive(Debug)]
struct Running {
    child: Child,
    is_reaped: bool,
}

impl Running {
    /// Waits until it ends by itself, which it does when its output is closed.
    fn wait(&mut self) -> io::Result<std::process::ExitStatus> {
        let status = self.child.wait();
        self.is_reaped = true;
        status
    }

    /// Its process id, which is also its group's. `None` once it is reaped, because the id may be reused.
    fn pid(&self) -> Option<Pid> {
        if self.is_reaped { None } else { i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(pid) = self.pid() else { return };
        let _ = kill_process_group(pid, Signal::KILL);
        if let Err(error) = self.child.wait() {
            log::warn!("ffmpeg could not be reaped: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LISTED: &str = "Encoders:\n V..... = Video\n V....D libx264              libx264 H.264\n V....D \
                          libx264rgb           libx264 RGB\n V..... h264_v4l2m2m         V4L2 mem2mem\n";

    #[test]
    fn the_pis_encoder_comes_first_except_for_large_pictures() {
        assert_eq!(listed_encoders(LISTED, false), [VideoEncoder::X264]);
        let both = VideoEncoders(listed_encoders(LISTED, true));
        assert_eq!(both.0, [VideoEncoder::Pi, VideoEncoder::X264]);
        assert_eq!(both.best((1920, 1080)), Some(VideoEncoder::Pi));
        assert_eq!(both.best((4056, 3040)), Some(VideoEncoder::X264));
        assert_eq!(listed_encoders("Encoders:\n V..... mjpeg  MJPEG\n", true), []);
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_pi_encoder(folder.path()));
        for (node, name) in [("video0", "HD Webcam"), ("video11", "bcm2835-codec-encode")] {
            std::fs::create_dir(folder.path().join(node)).unwrap();
            std::fs::write(folder.path().join(node).join("name"), format!("{name}\n")).unwrap();
        }
        assert!(has_pi_encoder(folder.path()));
    }

    #[test]
    fn sides_are_even_and_key_frames_two_seconds_apart() {
        let of = |size, fps| VideoRequest { encoder: VideoEncoder::X264, size, fps }.arguments().join(" ");
        assert!(of((641, 481), 30.0).contains("scale=640:480:") && of((641, 481), 30.0).contains("-g 60 "));
        assert!(of((1, 1), 0.01).contains("scale=2:2:") && of((1, 1), 0.01).contains("-g 1 "));
    }
}
