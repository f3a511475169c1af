//! A thread that reads files: a call into a hanging file system returns late or never.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Advance, MediaFile, ReelInfo};
use crate::media::{SourceError, SourceErrorKind};
use tallycam_base::{Stop, Worker};

const NAME: &str = "files";
/// Latency of a stop while a file is opened.
const SLICE: Duration = Duration::from_millis(50);

/// Does one thing at a time on its own thread. A thread that does not return is abandoned, and nothing else starts
/// while it is stuck: retries do not pile threads up.
#[derive(Debug, Default)]
pub(super) struct ReaderThread(Mutex<Option<Worker>>);

impl ReaderThread {
    /// Starts `run`; true if it did. The one before may end until `until`, or until `stop` is set.
    fn start(
        &self,
        until: Instant,
        stop: &Stop,
        run: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<bool> {
        let mut worker = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while worker.as_ref().is_some_and(|before| !before.wait_ended_within(SLICE)) {
            if Instant::now() >= until || stop.is_set() {
                return Ok(false);
            }
        }
        *worker = Some(Worker::spawn(NAME, |_| run())?);
        Ok(true)
    }

    /// The result of `run`; `None` if it takes longer than `time`.
    pub(super) fn run_within<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> T + Send + 'static,
        time: Duration,
    ) -> Option<T> {
        let (answer, answered) = sync_channel(1);
        // A caller that has given up does not need the answer.
        let is_started = self.start(Instant::now() + time, &Stop::new(), move || drop(answer.send(run())));
        is_started.is_ok_and(|is_started| is_started).then(|| answered.recv_timeout(time).ok()).flatten()
    }
}

impl Drop for ReaderThread {
    fn drop(&mut self) {
        let worker = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // Not joined: it may be stuck.
        let _ = worker.map(|worker| worker.join_within(Duration::ZERO));
    }
}

/// Plays a file on its own thread, which ends when this is dropped, or as soon as the file system allows it.
pub(super) struct ReelReader {
    asks: SyncSender<Vec<u8>>,
    answers: Receiver<(Result<Advance, SourceError>, Vec<u8>)>,
    is_asked: bool,
}

impl ReelReader {
    /// Opens `path` within `time`.
    pub(super) fn open(
        aside: &ReaderThread,
        path: &Path,
        looped: bool,
        time: Duration,
        stop: &Stop,
    ) -> Result<(ReelReader, ReelInfo), SourceError> {
        let until = Instant::now() + time;
        let (asks, asked) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let (opened, is_open) = sync_channel(1);
        let started = aside.start(until, stop, {
            let path = path.to_owned();
            move || run_reader(&path, looped, &opened, &asked, &answer)
        });
        let is_started = started.map_err(|error| {
            SourceError::new(SourceErrorKind::Failed, format!("the thread {NAME} cannot be started"))
                .because(error)
        })?;
        let is_time = || Instant::now() < until && !stop.is_set();
        while is_started && is_time() {
            match is_open.recv_timeout(SLICE) {
                Ok(own) => return Ok((ReelReader { asks, answers, is_asked: false }, own?)),
                Err(RecvTimeoutError::Disconnected) => return Err(reader_ended_fault()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        // Also if the reader of the source before is stuck.
        let (path, thread) = (path.display(), NAME);
        let what = format!("{path} does not answer: the thread {thread} waits for its file system");
        Err(SourceError::new(SourceErrorKind::Silent, what)
            .hint("mount it again")
            .shell(format!("`timeout 5 ls -l {path}` shows whether it answers")))
    }

    /// Advances to the next frame, into `picture`. `None` if it takes longer than `wait`; it advances all the same.
    pub(super) fn advance(
        &mut self,
        picture: &mut Vec<u8>,
        wait: Duration,
    ) -> Result<Option<Advance>, SourceError> {
        if !self.is_asked {
            self.asks.send(std::mem::take(picture)).map_err(|_| reader_ended_fault())?;
            self.is_asked = true;
        }
        match self.answers.recv_timeout(wait) {
            Ok((advance, read)) => {
                self.is_asked = false;
                *picture = read;
                advance.map(Some)
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(reader_ended_fault()),
        }
    }
}

fn reader_ended_fault() -> SourceError {
    SourceError::new(SourceErrorKind::Failed, format!("the thread {NAME} has ended"))
}

/// Body of the thread: opens, then advances once per request until the channel closes.
fn run_reader(
    path: &Path,
    looped: bool,
    opened: &SyncSender<Result<ReelInfo, SourceError>>,
    asked: &Receiver<Vec<u8>>,
    answer: &SyncSender<(Result<Advance, SourceError>, Vec<u8>)>,
) {
    let mut reel = match MediaFile::open(path).and_then(|mut reel| reel.own_pace(path).map(|own| (reel, own)))
    {
        Ok((reel, own)) if opened.send(Ok(own)).is_ok() => reel,
        Ok(_) => return,
        // A caller that has given up does not need the answer.
        Err(fault) => return drop(opened.send(Err(fault))),
    };
    let mut in_round = 0;
    while let Ok(mut picture) = asked.recv() {
        let advance = advance_reel(&mut reel, path, looped, &mut in_round);
        if matches!(advance, Ok(Advance::Picture)) {
            picture.clear();
            picture.extend_from_slice(reel.picture());
        }
        if answer.send((advance, picture)).is_err() {
            return;
        }
    }
}

/// `in_round` counts the frames of this round; a round without any is the last.
fn advance_reel(
    reel: &mut MediaFile,
    path: &Path,
    looped: bool,
    in_round: &mut u64,
) -> Result<Advance, SourceError> {
    match reel.advance(path)? {
        Advance::End if *in_round == 0 => Err(reel.no_picture_fault(path)),
        Advance::End if !looped => {
            let what = format!("{} has been played to its end", path.display());
            Err(SourceError::new(SourceErrorKind::Ended, what).hint("Settings can repeat it"))
        }
        Advance::End => {
            reel.rewind(path)?;
            *in_round = 0;
            Ok(Advance::LeftOut)
        }
        Advance::Picture => {
            *in_round += 1;
            Ok(Advance::Picture)
        }
        other => Ok(other),
    }
}
