//! The store as a whole, with a scripted clock, and its writer taken turn by turn.

use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;

use super::writer::Writer;
use super::*;
use crate::base::Stamp;
use crate::store::mending::Clock;

const S: u64 = 1_000_000;
/// 2026-06-01T10:00:00Z, a Monday.
const MONDAY: u64 = 1_780_308_000 * S;

/// A clock that stands where it is put.
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
    fn now(&self) -> Stamp {
        self.with(|clock| Stamp {
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

/// A store whose writer is taken turn by turn.
struct Bench {
    clock: Script,
    media: Media,
    writer: Writer,
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
        let (media, writer) = Media::begin(settings(directory), Arc::new(clock.clone())).expect("it opens");
        Bench { clock: clock.clone(), media, writer }
    }

    fn turn(&mut self) {
        self.writer.turn(self.media.taken());
    }

    /// Has something made that waits for a turn, which is taken here.
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

    /// Has something made on a thread that blocks until a turn was taken.
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
        let new = NewSnapshot {
            name: name.map(str::to_owned),
            may_rename: false,
            date: None,
            jpeg: Bytes::copy_from_slice(jpeg),
            stamp: self.clock.now(),
            width: 640,
            height: 480,
            source: String::from("a test"),
            origin: Origin::Asked,
            note: String::new(),
        };
        self.wait(|media| async move { media.add_snapshot(new).await })
    }

    fn begin(&mut self, name: Option<&str>) -> RecordingHandle {
        let new = NewRecording {
            name: name.map(str::to_owned),
            may_rename: true,
            date: None,
            stamp: self.clock.now(),
            source: String::from("a test"),
            origin: Origin::Asked,
            note: String::new(),
        };
        self.block(move |media| media.begin_recording(new)).expect("it begins")
    }

    fn end(&mut self, handle: RecordingHandle) -> Result<Option<Item>, MediaError> {
        self.block(move |_| handle.end(Ended::Asked))
    }

    fn append(&mut self, handle: &mut RecordingHandle, chunk: Chunk) {
        handle.append(chunk).expect("there is a place");
        self.turn();
    }

    fn reader(&self) -> MediaReader {
        self.media.reader().expect("it can be read")
    }
}

/// A picture of so many bytes that no other is like.
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

/// A chunk of `count` pictures, ten a second, from picture `first` on.
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

#[test]
fn a_snapshot_is_kept_and_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let picture = jpeg(1, 100_000);
    let item = bench.snapshot(None, &picture).expect("kept");
    assert_eq!(item.name, "2026-06-01_12-00-00.jpg");
    assert_eq!((item.id, item.frames, item.bytes, item.is_sure, item.is_open), (1, 1, 100_000, true, false));
    assert_eq!(bench.snapshot(None, &picture).expect("kept").name, "2026-06-01_12-00-00-2.jpg");
    let same = bench.snapshot(Some("2026-06-01_12-00-00.jpg"), &picture);
    assert!(matches!(same, Err(MediaError::SameName(_))), "{same:?}");
    let reader = bench.reader();
    assert_eq!(reader.item(1).expect("there"), item);
    assert_eq!(reader.by_name(&item.name).expect("there"), item);
    assert_eq!(reader.snapshot(1).expect("there"), picture);
    assert_eq!(
        reader.list(&MediaQuery { limit: 10, ..MediaQuery::default() }).expect("a page").items.len(),
        2
    );
    assert!(matches!(reader.item(7), Err(MediaError::Unknown(_))));
}

#[test]
fn a_recording_is_kept_chunk_by_chunk() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(Some("ride.mp4"));
    let id = handle.id();
    assert!(bench.reader().item(id).expect("there at once").is_open);
    for number in 0..20 {
        let mut next = chunk(number * 10, 10, 20_000);
        next.is_after_gap = number == 7;
        bench.append(&mut handle, next);
        bench.clock.pass(S);
        let item = bench.reader().item(id).expect("there");
        assert_eq!((item.frames, item.bytes), ((number + 1) * 10, (number + 1) * 200_000));
    }
    let item = bench.end(handle).expect("it ends").expect("it has pictures");
    assert_eq!((item.frames, item.gaps, item.duration_us, item.is_open), (200, 1, 20 * S, false));
    let reader = bench.reader();
    let chunks = reader.chunks(id).expect("there");
    assert_eq!(chunks.len(), 20);
    for (at, row) in chunks.iter().enumerate() {
        assert_eq!((row.number, row.first_frame, row.is_after_gap), (at as u64, at as u64 * 10, at == 7));
        assert_eq!(reader.chunk_at(id, row.from_us).expect("read"), Some(*row));
        assert_eq!(reader.chunk_at(id, row.to_us + 50_000).expect("read"), Some(*row));
        for (number, frame) in (at as u64 * 10..).zip(reader.frames(id, row.number).expect("read")) {
            assert_eq!((frame.at_us, frame.sequence), (number * S / 10, number));
            let bytes = reader.bytes(id, row.number, frame.offset, frame.len).expect("read");
            assert_eq!(bytes, jpeg(number, 20_000));
        }
    }
}
