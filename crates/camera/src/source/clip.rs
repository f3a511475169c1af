//! Reads a clip frame by frame, as fast as the caller takes frames: any file that `ffmpeg` can read.
//!
//! `ffmpeg` decodes, rotates frames of phones upright, and writes planes to standard output. Its filter `showinfo`
//! announces the size and time of each frame on standard error. Clips of a varying frame rate or size thus keep their
//! true times and sizes. Both are non-blocking pipes, polled together on the reading thread.
//!
//! `ffprobe` runs first: its errors are shorter, and it knows the length of the clip, which reveals an incomplete
//! one.
//!
//! No frame is skipped or doubled. The same file gives the same frames: `ffmpeg` runs in bit-exact mode.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdout, Output, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_setfl};

use super::exec::Program;
use tallycam_base::{Fault, FaultKind, child};

/// The filters: full range BT.601 as in JFIF, in whole planes, each frame announced.
const FILTERS: &str = "scale=out_range=pc:out_color_matrix=bt601:flags=bicubic+accurate_rnd+bitexact,\
                       format=yuv420p,showinfo=checksum=0";
/// How a line of `showinfo` begins.
const ANNOUNCES: &str = "[Parsed_showinfo_";
/// Maximum width and height in pixels; no camera has more.
const MOST_PIXELS: u32 = 16_384;
/// Bytes of a line of standard error that are kept.
const LONGEST_LINE: usize = 1000;
/// A clip whose last frame ends earlier than promised by more than this (and by more than three frames) is
/// incomplete. Containers round, and some have last frames that cannot be decoded.
const MISSING_S: f64 = 0.5;
/// How long `ffmpeg` may take to end after it has closed its output.
const GRACE: Duration = Duration::from_secs(5);
/// Messages of `ffmpeg` for a file that ends before its index or its blocks do.
const BREAKS_OFF: [&str; 4] = ["partial file", "prematurely", "Truncat", "truncat"];
/// Message of `ffmpeg` for a packet that is incomplete in the file or damaged in transit.
const DAMAGED: &str = "corrupt input packet";
/// Messages of `ffmpeg` for a frame that is partly or wholly concealed. In containers and streams of unknown length,
/// nothing else reveals an early end.
const MADE_UP: [&str; 5] = [
    "corrupt decoded frame",
    "[info] concealing ",
    "EOI missing",
    "Error while decoding stream",
    "Error submitting packet to decoder",
];
/// Damage within this many frames of the end means that the clip is incomplete: decoders delay frames that much.
const NEAR_THE_END: u64 = 20;
/// Formats without a stated length, although `ffprobe` guesses one. In other formats a concealed frame is only a
/// damaged one, not an early end.
const WITHOUT_LENGTH: [&str; 8] =
    ["mpegts", "mpeg", "mpegvideo", "h264", "hevc", "m4v", "mjpeg", "jpeg_pipe"];
/// Concealment is reported this many frames before the frame, plus one for each decoding processor.
const MADE_UP_LATE: u64 = 4;
/// Message of `ffprobe` for an MP4 without its index, which is written last, and its meaning.
const NO_INDEX: &str = "moov atom not found";
const NOT_FINISHED: &str = "its index (moov atom) is missing, as in a recording that was never finished";

/// One frame of a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipFrame {
    /// Its number; the first is 1.
    pub number: u64,
    /// Presentation time in microseconds from the start of the clip; never earlier than that of the frame before.
    pub time_us: u64,
    /// Width in pixels, after the rotation that the clip asks for.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Full planes of Y, U and V (4:2:0, chroma rounded up), full range BT.601, without padding.
    pub planes: Vec<u8>,
}

/// Reads a clip. Dropping it ends `ffmpeg`.
pub struct ClipReader {
    file: PathBuf,
    /// `None` at its end.
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// Dropped after the pipes, so that a program that still writes gets SIGPIPE as well.
    program: Program,
    /// Stated length of the clip in seconds.
    promised_s: Option<f64>,
    /// The format states the length; otherwise it is a guess.
    tells_length: bool,
    log: Log,
    /// The frame that is being read, and how many bytes of it have arrived.
    planes: Vec<u8>,
    filled: usize,
    number: u64,
    time_us: u64,
    /// Time between the newest two frames.
    step_us: u64,
    broken_off: Option<String>,
}

impl ClipReader {
    /// Stated length of the clip in microseconds.
    pub fn duration_us(&self) -> Option<u64> {
        self.promised_s.map(|seconds| (seconds * 1e6) as u64).filter(|us| *us > 0)
    }

    /// Opens `file`. Its frames are `fps` a second apart if that is given, whatever the file says: raw streams have no
    /// times, and their headers often lie.
    ///
    /// # Errors
    /// The file is no clip, or `ffmpeg` is missing.
    pub fn open(file: &Path, fps: Option<f64>) -> Result<ClipReader, Fault> {
        // For a missing file ffmpeg's message says less, and it takes a folder for an image.
        let opened = std::fs::File::open(file).and_then(|opened| opened.metadata());
        let reason = match opened {
            Ok(data) if data.is_dir() => Some(ErrorKind::IsADirectory.into()),
            Ok(_) => None,
            Err(reason) => Some(reason),
        };
        if let Some(reason) = reason {
            let what = format!("{} cannot be read: {reason}", file.display());
            return Err(Fault::new(FaultKind::File, what));
        }
        let Probed { mut promised_s, mut tells_length } = probe_clip(file)?;
        if fps.is_some() {
            (promised_s, tells_length) = (None, false);
        }
        let child = child::command("ffmpeg")
            .args(["-nostdin", "-hide_banner", "-nostats", "-loglevel", "repeat+level+info"])
            .args(fps.iter().flat_map(|fps| [String::from("-r"), fps.to_string()]))
            .arg("-i")
            .arg(as_file(file))
            .args(["-map", "0:V:0", "-autoscale", "0", "-vf", FILTERS, "-fps_mode", "passthrough"])
            .args(["-f", "rawvideo", "-c:v", "rawvideo", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut child = child.map_err(|reason| start_error("ffmpeg", reason))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        for pipe in [stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)].into_iter().flatten()
        {
            fcntl_setfl(pipe, OFlags::NONBLOCK).map_err(|reason| start_error("ffmpeg", reason.into()))?;
            // Room for most of a frame, so that ffmpeg need not wait; if refused, it waits.
            let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
        }
        Ok(ClipReader {
            file: file.to_owned(),
            stdout,
            stderr,
            program: Program::new(child),
            promised_s,
            tells_length,
            log: Log::default(),
            planes: Vec::new(),
            filled: 0,
            number: 0,
            time_us: 0,
            step_us: 0,
            broken_off: None,
        })
    }

    /// The next frame; `None` at the end. `recycled` is the buffer of an earlier frame, or a new one.
    ///
    /// # Errors
    /// The file is no clip, or `ffmpeg` is missing. An incomplete clip is no error: it ends, and
    /// [`ClipReader::incomplete_reason`] gives the reason.
    pub fn next(&mut self, recycled: Vec<u8>) -> Result<Option<ClipFrame>, Fault> {
        if self.filled == 0 {
            self.planes = recycled;
        }
        loop {
            self.listen();
            if let Some(&Announced { width, height, .. }) = self.log.announced.front() {
                let possible = (1..=MOST_PIXELS).contains(&width) && (1..=MOST_PIXELS).contains(&height);
                if !possible {
                    let number = self.number + 1;
                    let what = format!("frame {number} of the clip is said to be {width}×{height} pixels");
                    return Err(Fault::new(FaultKind::File, what));
                }
                self.planes.resize(frame_bytes(width, height), 0);
                if self.read()? {
                    return Ok(self.finish());
                }
            } else if self.stderr.is_none() {
                self.stdout = None;
            }
            if self.stdout.is_none() {
                // After standard error closes there are no more messages.
                if self.stderr.is_none() {
                    return self.check_end().map(|()| None);
                }
            }
            self.wait();
        }
    }

    /// Why the clip is incomplete, once [`ClipReader::next`] has given `None`; `None` for a complete clip.
    pub fn incomplete_reason(&self) -> Option<&str> {
        self.broken_off.as_deref()
    }

    /// How many times `ffmpeg` has reported damaged data so far, and its last message.
    pub fn complaints(&self) -> (u64, Option<&str>) {
        (self.log.complaints, self.log.last_complaint.as_deref())
    }

    /// Reads available bytes of the frame; true once it is complete.
    fn read(&mut self) -> Result<bool, Fault> {
        while self.filled < self.planes.len() {
            let Some(stdout) = &mut self.stdout else { return Ok(false) };
            match stdout.read(&mut self.planes[self.filled..]) {
                Ok(0) => self.stdout = None,
                Ok(len) => self.filled += len,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(reason) => return Err(start_error("ffmpeg", reason)),
            }
        }
        Ok(true)
    }

    /// Reads the messages of `ffmpeg`.
    fn listen(&mut self) {
        let mut run = [0; 8192];
        while let Some(stderr) = &mut self.stderr {
            match stderr.read(&mut run) {
                Ok(0) => self.stderr = None,
                Ok(len) => self.log.push(&run[..len]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.stderr = None,
            }
        }
    }

    /// Waits until one of the pipes is readable.
    fn wait(&self) {
        let wants_frame = !self.log.announced.is_empty();
        let stdout = self.stdout.as_ref().filter(|_| wants_frame).map(AsFd::as_fd);
        let stderr = self.stderr.as_ref().map(AsFd::as_fd);
        let mut polled: Vec<PollFd<'_>> = [stdout, stderr]
            .into_iter()
            .flatten()
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        if !polled.is_empty() {
            // The caller checks again, so an interrupted wait does no harm.
            let _ = poll(&mut polled, None);
        }
    }

    fn finish(&mut self) -> Option<ClipFrame> {
        let Announced { width, height, time_us } = self.log.announced.pop_front()?;
        let time_us = time_us.unwrap_or(self.time_us + self.step_us).max(self.time_us);
        if self.number > 0 {
            self.step_us = time_us - self.time_us;
        }
        self.time_us = time_us;
        self.number += 1;
        self.filled = 0;
        let planes = std::mem::take(&mut self.planes);
        Some(ClipFrame { number: self.number, time_us, width, height, planes })
    }

    /// Checks at the end whether the clip was complete.
    fn check_end(&mut self) -> Result<(), Fault> {
        let status = self.program.wait_exit_within(GRACE);
        let last = self.log.last_complaint.clone();
        if self.log.is_old {
            return Err(Fault::wrong("this ffmpeg is too old; 5.1 or newer is needed")
                .hint("Debian 12 and everything newer has it: apt install ffmpeg"));
        }
        if self.number == 0 {
            let reason = last.unwrap_or_else(|| String::from("no frame of it can be decoded"));
            return Err(no_clip(&self.file, &reason));
        }
        let ended_s = (self.time_us + self.step_us) as f64 / 1e6;
        let missing = self.promised_s.map(|promised| promised - ended_s);
        let allowed = MISSING_S.max(3.0 * self.step_us as f64 / 1e6);
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
        let late = NEAR_THE_END.min(MADE_UP_LATE + processors);
        let damaged_at_the_end = self.log.since_damage.is_some_and(|frames| frames <= NEAR_THE_END)
            || (!self.tells_length && self.log.since_made_up.is_some_and(|frames| frames <= late));
        self.broken_off = if let Some(reason) = &self.log.breaks_off {
            Some(reason.clone())
        } else if damaged_at_the_end {
            Some(String::from("its last data is damaged or missing"))
        } else if missing.is_some_and(|missing| missing > allowed) {
            let promised = self.promised_s.unwrap_or_default();
            Some(format!("it should last {promised:.1} s and ends after {ended_s:.1} s"))
        } else if self.filled > 0 {
            Some(String::from("its last frame is not whole"))
        } else {
            status.filter(|status| !status.success()).map(|status| {
                last.map_or_else(|| format!("ffmpeg ended with {status}"), |last| format!("ffmpeg: {last}"))
            })
        };
        Ok(())
    }
}

/// Bytes of the planes of a frame.
fn frame_bytes(width: u32, height: u32) -> usize {
    let (width, height) = (width as usize, height as usize);
    width * height + 2 * width.div_ceil(2) * height.div_ceil(2)
}

/// A name that `ffmpeg` always takes for a file.
fn as_file(file: &Path) -> std::ffi::OsString {
    let mut name = std::ffi::OsString::from("file:");
    name.push(file);
    name
}

fn start_error(program: &str, reason: io::Error) -> Fault {
    match reason.kind() {
        ErrorKind::NotFound => {
            Fault::wrong(format!("reading a clip takes ffmpeg, and there is no program {program}"))
                .hint("install it: apt install ffmpeg")
        }
        _ => Fault::new(FaultKind::File, format!("{program} could not be run: {reason}")),
    }
}

fn no_clip(file: &Path, reason: &str) -> Fault {
    Fault::new(FaultKind::File, format!("{} is no clip that ffmpeg can read: {reason}", file.display()))
}

/// The error for a clip with only sound, or with nothing.
pub fn no_pictures(file: &Path) -> Fault {
    Fault::new(FaultKind::File, format!("{} has no pictures", file.display()))
}

/// The result of `ffprobe`.
struct Probed {
    /// Length of its video in seconds.
    promised_s: Option<f64>,
    /// The format states the length; otherwise it is a guess.
    tells_length: bool,
}

fn probe_clip(file: &Path) -> Result<Probed, Fault> {
    let asked = child::command("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "V:0",
            "-show_entries",
            "stream=index,duration:format=format_name",
        ])
        .args(["-of", "default=noprint_wrappers=1"])
        .arg(as_file(file))
        .stdin(Stdio::null())
        .output();
    let Output { status, stdout, stderr } = asked.map_err(|reason| start_error("ffprobe", reason))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        let named = as_file(file).to_string_lossy().into_owned();
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason was given");
        let last = last.trim().trim_start_matches(named.as_str()).trim_start_matches(": ");
        return Err(no_clip(file, if said.contains(NO_INDEX) { NOT_FINISHED } else { last }));
    }
    let said = String::from_utf8_lossy(&stdout);
    if !said.lines().any(|line| line.starts_with("index=")) {
        return Err(no_pictures(file));
    }
    let value_of = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let promised_s = value_of("duration=").and_then(|seconds| seconds.parse().ok());
    let is_guess = value_of("format_name=").is_some_and(|name| WITHOUT_LENGTH.contains(&name));
    // Many formats state no length of the video stream: Matroska, NUT, FLV.
    Ok(Probed { promised_s, tells_length: promised_s.is_some() && !is_guess })
}

/// An announced frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Announced {
    width: u32,
    height: u32,
    /// `None` if the clip states no time.
    time_us: Option<u64>,
}

/// The messages of `ffmpeg`: announced frames and complaints.
#[derive(Debug, Default)]
struct Log {
    unfinished: Vec<u8>,
    announced: VecDeque<Announced>,
    /// Seconds in a tick of the clip's time stamps.
    tick_s: f64,
    /// Number that `showinfo` should give the next frame.
    next: u64,
    complaints: u64,
    last_complaint: Option<String>,
    breaks_off: Option<String>,
    /// Frames announced so far, of all sizes.
    frames: u64,
    /// Frames that were partly or wholly concealed, after the first frame.
    made_up: u64,
    /// Frames announced since a damaged packet was read.
    since_damage: Option<u64>,
    /// Frames announced since one was concealed.
    since_made_up: Option<u64>,
    is_old: bool,
}

impl Log {
    fn push(&mut self, run: &[u8]) {
        for piece in run.split_inclusive(|&b| b == b'\n') {
            let text = piece.strip_suffix(b"\n");
            let room = LONGEST_LINE.saturating_sub(self.unfinished.len());
            let more = text.unwrap_or(piece);
            self.unfinished.extend_from_slice(&more[..more.len().min(room)]);
            if text.is_some() {
                let line = String::from_utf8_lossy(&self.unfinished).into_owned();
                self.unfinished.clear();
                self.add_line(line.trim());
            }
        }
    }

    fn add_line(&mut self, line: &str) {
        if let Some(announced) = line.strip_prefix(ANNOUNCES).and_then(|rest| rest.split_once("] [info] ")) {
            return self.announce(announced.1);
        }
        if line.contains(DAMAGED) {
            self.since_damage = Some(0);
        }
        // A clip that begins between two key frames starts with concealed frames, and some cameras omit the end of
        // each frame. In both cases they are as many as the good ones.
        if self.frames > 0 && MADE_UP.iter().any(|sign| line.contains(sign)) {
            self.made_up += 1;
            if self.made_up * 2 <= self.frames {
                self.since_made_up = Some(0);
            }
        }
        let Some((_, said)) = line.split_once("[error] ").or_else(|| line.split_once("[fatal] ")) else {
            return;
        };
        self.complaints += 1;
        self.is_old |= said.contains("Unrecognized option 'fps_mode'");
        if self.breaks_off.is_none() && BREAKS_OFF.iter().any(|sign| said.contains(sign)) {
            self.breaks_off = Some(said.to_owned());
        }
        self.last_complaint = Some(said.to_owned());
    }

    /// Parses a line of `showinfo`: `config in time_base: 1/10, …` or `n:   0 pts:      0 … s:768x576 …`.
    fn announce(&mut self, said: &str) {
        if let Some(rest) = said.strip_prefix("config in time_base: ") {
            let ratio = rest.split(',').next().and_then(|ratio| ratio.split_once('/'));
            let parts = ratio.and_then(|(over, under)| Some((over.parse().ok()?, under.parse().ok()?)));
            self.tick_s = parts.map_or(0.0, |(over, under): (f64, f64)| over / under);
            self.next = 0;
            return;
        }
        let (Some(number), Some(size)) = (number_after_name(said, "n:"), value_after(said, " s:")) else {
            return;
        };
        let size = size.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
        let Some((width, height)) = size else { return };
        // Another line has torn this one; its frame arrives all the same.
        for _ in self.next..number.min(self.next + 100) {
            self.announced.push_back(Announced { width, height, time_us: None });
            self.frames += 1;
        }
        self.next = number + 1;
        let ticks = value_after(said, " pts:").and_then(|word| word.parse::<i64>().ok());
        let time_us = ticks.map(|ticks| (ticks.max(0) as f64 * self.tick_s * 1e6).round() as u64);
        for since in [&mut self.since_damage, &mut self.since_made_up] {
            *since = since.map(|frames| frames + 1);
        }
        self.frames += 1;
        self.announced.push_back(Announced { width, height, time_us });
    }
}

fn value_after<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let at = line.find(name)?;
    line[at + name.len()..].split_whitespace().next()
}

fn number_after_name(line: &str, name: &str) -> Option<u64> {
    value_after(line, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "[Parsed_showinfo_2 @ 0x55] [info] config in time_base: 1/12800, frame_rate: 25/1\n\
        [Parsed_showinfo_2 @ 0x55] [info] n:   0 pts:      0 pts_time:0       pos:  4116 fmt:yuv420p sar:0/1 s:768x576 \
        i:P\n\
        [Parsed_showinfo_2 @ 0x55] [info] color_range:pc color_space:unknown\n";

    #[test]
    fn frames_are_announced_with_size_and_time() {
        let mut log = Log::default();
        for piece in FIRST.as_bytes().chunks(7) {
            log.push(piece);
        }
        log.push(b"[Parsed_showinfo_2 @ 0x55] [info] n:   1 pts:    512 pts_time:0.04 pos: 9 fmt:yuv420p s:768x576 \
            i:P\n");
        let of = |time_us| Announced { width: 768, height: 576, time_us };
        assert_eq!(log.announced, [of(Some(0)), of(Some(40_000))]);
        log.push(b"[Parsed_showinfo_2 @ 0x55] [info] n:   3 pts:NOPTS pts_time:NOPTS pos: 9 s:768x576 i:P\n");
        assert_eq!(
            log.announced.iter().skip(2).copied().collect::<Vec<_>>(),
            [of(None), of(None)],
            "a torn line"
        );
    }

    #[test]
    fn another_size_restarts_the_numbering() {
        let mut log = Log::default();
        log.push(FIRST.as_bytes());
        log.push(FIRST.replace("768x576", "64x48").as_bytes());
        let sizes: Vec<u32> = log.announced.iter().map(|frame| frame.width).collect();
        assert_eq!(sizes, [768, 64]);
    }

    #[test]
    fn metadata_of_a_file_announces_nothing() {
        let mut log = Log::default();
        log.push(b"[info]     title           : [Parsed_showinfo_2 @ 0x55] [info] n:   0 pts: 0 s:9x9\n");
        assert!(log.announced.is_empty());
    }

    #[test]
    fn complaints_are_counted_and_the_useful_one_is_kept() {
        let mut log = Log::default();
        log.push(b"[mov,mp4 @ 0x1] [error] stream 0, offset 0x30: partial file\n");
        log.push(b"[h264 @ 0x1] [error] error while decoding MB 3 4\n[info] frame=  795\n");
        assert_eq!(log.complaints, 2);
        assert_eq!(log.breaks_off.as_deref(), Some("stream 0, offset 0x30: partial file"));
        assert_eq!(log.last_complaint.as_deref(), Some("error while decoding MB 3 4"));
        log.push(b"[fatal] Unrecognized option 'fps_mode'.\n");
        assert!(log.is_old);
    }

    #[test]
    fn concealed_frames_are_damage_where_most_are_not_concealed() {
        let announced =
            |number: u64| format!("[Parsed_showinfo_2 @ 0x5] [info] n: {number} pts: {number} s:4x4\n");
        let damage_of = |of: &dyn Fn(u64) -> bool| {
            let mut log = Log::default();
            for number in 0..40 {
                if of(number) {
                    log.push(b"[warning] corrupt decoded frame in stream 0\n");
                }
                log.push(announced(number).as_bytes());
            }
            log.since_made_up
        };
        assert_eq!(damage_of(&|_| false), None);
        assert_eq!(damage_of(&|number| number == 38), Some(2));
        assert_eq!(damage_of(&|number| number < 12), None, "it begins between two whole pictures");
        assert_eq!(damage_of(&|number| !(5..=37).contains(&number)), Some(1));
        assert_eq!(damage_of(&|_| true), None, "all of them");
    }

    #[test]
    fn chroma_of_odd_sizes_is_rounded_up() {
        assert_eq!(frame_bytes(4, 2), 12);
        assert_eq!(frame_bytes(5, 3), 15 + 2 * 6);
    }
}
