//! The store as a whole, with a scripted clock and a writer whose turns the tests run.

mod copies;
mod disk;
mod items;
mod measured;
mod opening;
mod recordings;
mod sequences;

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::tz::TimeZone;

use super::retention::reclaim;
use super::writer::{MediaWriter, rotate};
use super::*;
use crate::clock_correction::Clock;
use tallycam_base::ClockTime;

const S: u64 = 1_000_000;
/// 2026-06-01T10:00:00Z, a Monday.
const MONDAY: u64 = 1_780_308_000 * S;

/// A snapshot of 64 × 48 pixels, taken on request.
pub(super) fn new_snapshot(name: Option<&str>, jpeg: &[u8], stamp: ClockTime) -> NewSnapshot {
    NewSnapshot {
        name: name.map(str::to_owned),
        may_rename: false,
        date: None,
        jpeg: Bytes::copy_from_slice(jpeg),
        stamp,
        width: 64,
        height: 48,
        source: String::from("a test"),
        origin: MediaOrigin::Asked,
        note: String::new(),
    }
}

/// A recording, started on request.
pub(super) fn new_recording(name: Option<&str>, stamp: ClockTime) -> NewRecording {
    NewRecording {
        name: name.map(str::to_owned),
        may_rename: false,
        date: None,
        stamp,
        source: String::from("a test"),
        origin: MediaOrigin::Asked,
        note: String::new(),
    }
}

/// A clock that tests set.
#[derive(Clone)]
struct Script(Arc<Mutex<Scripted>>);

struct Scripted {
    mono: u64,
    wall: u64,
    is_synchronised: bool,
    boot: String,
}

impl Script {
    fn new() -> Script {
        let boot = String::from("first");
        Script(Arc::new(Mutex::new(Scripted { mono: 100 * S, wall: MONDAY, is_synchronised: true, boot })))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Scripted) -> T) -> T {
        change(&mut self.0.lock().expect("no test panicked with it"))
    }

    fn pass(&self, time: u64) {
        self.with(|clock| {
            clock.mono += time;
            clock.wall += time;
        });
    }
}

impl Clock for Script {
    fn now(&self) -> ClockTime {
        self.with(|clock| ClockTime {
            monotonic_us: clock.mono,
            wall_us: clock.wall,
            wall_trusted: clock.wall >= 1_767_225_600 * S,
        })
    }
    fn is_synchronised(&self) -> bool {
        self.with(|clock| clock.is_synchronised)
    }
    fn boot(&self) -> String {
        self.with(|clock| clock.boot.clone())
    }
}

/// A store whose writer runs turn by turn.
struct Bench {
    clock: Script,
    media: Media,
    writer: MediaWriter,
}

fn settings(directory: &Path) -> MediaSettings {
    MediaSettings {
        directory: directory.to_owned(),
        camera: String::from("door"),
        zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("rules of a zone"),
        retention: RetentionRules::default(),
    }
}

impl Bench {
    fn open(directory: &Path) -> Bench {
        Bench::with(directory, &Script::new())
    }

    fn with(directory: &Path, clock: &Script) -> Bench {
        let (media, writer) =
            Media::open_parts(settings(directory), Arc::new(clock.clone())).expect("it opens");
        Bench { clock: clock.clone(), media, writer }
    }

    fn turn(&mut self) {
        self.writer.run_once(self.media.taken());
    }

    /// Runs an async call and the turns that it waits for.
    fn wait<T, F: Future<Output = T>>(&mut self, make: impl FnOnce(Media) -> F) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let mut made = Box::pin(make(self.media.clone()));
        runtime.block_on(std::future::poll_fn(|context| match made.as_mut().poll(context) {
            std::task::Poll::Ready(done) => std::task::Poll::Ready(done),
            std::task::Poll::Pending => {
                self.turn();
                made.as_mut().poll(context)
            }
        }))
    }

    /// Runs a call on a blocking thread, and turns until it returns.
    fn block<T: Send + 'static>(&mut self, make: impl FnOnce(Media) -> T + Send + 'static) -> T {
        let media = self.media.clone();
        let thread = std::thread::spawn(move || make(media));
        while !thread.is_finished() {
            self.media.waited();
            self.turn();
        }
        thread.join().expect("it did not panic")
    }

    fn snapshot(&mut self, name: Option<&str>, jpeg: &[u8]) -> Result<Item, MediaError> {
        let new = NewSnapshot { width: 640, height: 480, ..new_snapshot(name, jpeg, self.clock.now()) };
        self.wait(|media| async move { media.add_snapshot(new).await })
    }

    fn begin(&mut self, name: Option<&str>) -> RecordingHandle {
        let new = NewRecording { may_rename: true, ..new_recording(name, self.clock.now()) };
        self.block(move |media| media.begin_recording(new)).expect("it begins")
    }

    fn end(&mut self, handle: RecordingHandle) -> Result<Option<Item>, MediaError> {
        self.block(move |_| handle.end(Ended::Asked))
    }

    fn append(&mut self, handle: &mut RecordingHandle, chunk: Chunk) {
        handle.append(chunk).expect("there is a place");
        self.turn();
    }

    /// Simulates a power cut: nothing is closed.
    fn cut(self, handles: Vec<RecordingHandle>) {
        drop(self.writer);
        drop(handles);
    }

    fn remove(&mut self, ids: Vec<u64>) -> Result<(), MediaError> {
        self.wait(|media| async move { media.remove(ids).await })
    }

    fn edit(&mut self, id: u64, version: Option<u64>, edit: MediaEdit) -> Result<Item, MediaError> {
        self.wait(|media| async move { media.edit(id, version, edit).await })
    }

    /// Runs turns while time passes, until nothing is left to free.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.clock.pass(S);
            self.turn();
            self.writer.run_background();
            if !self.writer.state.is_freeing {
                return;
            }
        }
        panic!("freeing does not end");
    }

    fn items(&self) -> Vec<Item> {
        let query = MediaQuery { limit: 1000, ..MediaQuery::default() };
        self.reader().list(&query).expect("a page").items
    }

    /// Checks every invariant of the file, and that the writer's state agrees with it.
    fn assert_sound(&self) {
        let connection = &self.writer.connection;
        let ok: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
        assert_eq!(ok, "ok");
        assert_eq!(storage::Totals::read(connection).expect("read"), self.writer.state.totals);
        assert_eq!(reclaim::has_marked_items(connection).expect("read"), self.writer.state.is_freeing);
        let homeless: i64 = connection
            .query_row(
                "SELECT count(*) FROM chunks WHERE id >> 32 NOT IN (SELECT id FROM items)",
                [],
                |row| row.get(0),
            )
            .expect("read");
        assert_eq!(homeless, 0);
        let reader = self.reader();
        for item in self.items() {
            let chunks = reader.chunks(item.id).expect("there");
            let (mut frames, mut bytes, mut gaps, mut to_us) = (0, 0, 0, 0);
            for chunk in &chunks {
                assert_eq!(chunk.first_frame, frames);
                assert!(chunk.from_us >= to_us && chunk.to_us >= chunk.from_us);
                let index = reader.frames(item.id, chunk.number).expect("there");
                assert_eq!(index.len(), chunk.frames as usize);
                assert_eq!(index.iter().map(|frame| frame.len).sum::<u32>(), chunk.bytes);
                frames += u64::from(chunk.frames);
                bytes += u64::from(chunk.bytes);
                gaps += u64::from(chunk.is_after_gap);
                to_us = chunk.to_us;
            }
            gaps += rows::gaps_at_end(connection, item.id).expect("read");
            assert_eq!((item.frames, item.bytes, item.gaps), (frames, bytes, gaps), "{item:?}");
            assert!(item.duration_us >= to_us);
        }
    }

    fn reader(&self) -> MediaReader {
        self.media.reader().expect("it can be read")
    }
}

/// A unique picture of `len` bytes.
fn jpeg(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while bytes.len() + 2 < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.push((state >> 33) as u8 & 0x7f);
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}

/// A chunk of `count` pictures, ten a second, starting with picture `first`.
fn chunk(first: u64, count: u64, len: usize) -> Chunk {
    let mut chunk = Chunk { width: 640, height: 480, ..Chunk::default() };
    for number in first..first + count {
        let jpeg = jpeg(number, len);
        chunk.frames.push(ChunkFrame {
            at_us: number * S / 10,
            offset: chunk.jpegs.len() as u32,
            len: jpeg.len() as u32,
            sequence: number,
        });
        chunk.jpegs.extend_from_slice(&jpeg);
    }
    chunk
}
