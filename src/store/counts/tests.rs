//! The ledger as a whole, with a scripted clock, and its writer taken turn by turn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::mending::Clock;
use super::writer::Writer;
use super::*;
use crate::base::Stamp;
use crate::vision::{Anchor, Direction, Recrossing};

const S: u64 = 1_000_000;
const HOUR: u64 = 3600 * S;
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
    fn new(wall: u64) -> Script {
        let boot = String::from("first");
        Script(Arc::new(Mutex::new(Scripted { mono: 100 * S, wall, is_synchronised: true, boot })))
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

    fn mono(&self) -> u64 {
        self.with(|clock| clock.mono)
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

/// A ledger whose writer is taken turn by turn.
struct Bench {
    clock: Script,
    counts: Counts,
    writer: Writer,
    tracks: u64,
}

const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const LORD_HOWE: &str = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";

fn settings(directory: &std::path::Path, zone: &str, day_starts: u8) -> Settings {
    let zone = TimeZone::posix(zone).expect("rules of a zone");
    Settings { directory: directory.to_owned(), camera: String::from("door"), zone, day_starts }
}

impl Bench {
    fn open(directory: &std::path::Path, clock: &Script) -> Bench {
        Bench::of(settings(directory, BERLIN, 0), clock)
    }

    fn of(settings: Settings, clock: &Script) -> Bench {
        let (counts, writer) = Counts::begin(settings, Arc::new(clock.clone())).expect("the ledger opens");
        Bench { clock: clock.clone(), counts, writer, tracks: 0 }
    }

    fn turn(&mut self) {
        self.writer.turn(self.counts.taken());
    }

    fn draw(&mut self, name: &str, scene: Scene) -> LineRow {
        self.edit(|counts| {
            let draft = draft(name);
            async move { counts.add_line(scene, draft).await }
        })
        .expect("the line is drawn")
    }

    /// Has an edit made: it waits for a turn, which is taken here.
    fn edit<T: Send + 'static, F: Future<Output = T>>(&mut self, make: impl FnOnce(Counts) -> F) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let mut made = Box::pin(make(self.counts.clone()));
        runtime.block_on(async {
            std::future::poll_fn(|context| match made.as_mut().poll(context) {
                std::task::Poll::Ready(done) => std::task::Poll::Ready(done),
                std::task::Poll::Pending => {
                    self.turn();
                    made.as_mut().poll(context)
                }
            })
            .await
        })
    }

    fn crossing(&mut self, line: u64, direction: Direction) -> NewCrossing {
        self.tracks += 1;
        crossing(line, self.tracks, direction, self.clock.mono())
    }

    fn record(&mut self, line: u64, direction: Direction, count: usize) {
        let crossings = (0..count).map(|_| self.crossing(line, direction)).collect();
        self.counts.record(crossings).expect("there is room");
        self.turn();
    }

    fn reader(&self) -> Reader {
        self.counts.reader().expect("it can be read")
    }

    fn all(&self) -> Vec<Crossing> {
        self.reader().crossings(&every(Scene::Camera)).expect("it can be read")
    }

    fn assert_sound(&self) {
        assert_eq!(self.reader().check().expect("it can be read"), Vec::<String>::new());
    }
}

fn every(scene: Scene) -> CrossingsQuery {
    CrossingsQuery {
        scene,
        from_us: None,
        to_us: None,
        lines: vec![],
        classes: vec![],
        direction: None,
        after: None,
        oldest_first: true,
        limit: 10_000,
    }
}

fn chart(bucket: BucketSize, from_us: u64, to_us: u64) -> CountsQuery {
    CountsQuery { scene: Scene::Camera, from_us, to_us, bucket, lines: vec![], classes: vec![] }
}

fn draft(name: &str) -> LineDraft {
    LineDraft {
        name: name.to_owned(),
        a: [0.1, 0.5],
        b: [0.9, 0.5],
        in_name: String::from("in"),
        out_name: String::from("out"),
        classes: vec![],
        anchor: Anchor::BottomCenter,
        recrossing: Recrossing::Every,
    }
}

fn crossing(line: u64, track: u64, direction: Direction, monotonic_us: u64) -> NewCrossing {
    NewCrossing {
        line,
        scene: Scene::Camera,
        track,
        ordinal: 1,
        class: Arc::from("person"),
        direction,
        score: 0.75,
        monotonic_us,
        thumbnail: None,
    }
}

#[test]
fn what_is_recorded_is_told_and_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
    let line = bench.draw("Door", Scene::Camera);
    assert_eq!((line.id, line.version, line.created_us), (1, 1, MONDAY));
    let mut told = bench.counts.committed();
    let mut new = bench.crossing(line.id, Direction::In);
    new.thumbnail = Some(bytes::Bytes::from_static(b"jpeg"));
    let again = new.clone();
    bench.counts.record(vec![new]).expect("there is room");
    assert!(told.try_recv().is_err(), "told before it is on record");
    bench.turn();
    let event = told.try_recv().expect("it is told");
    bench.counts.record(vec![again]).expect("there is room");
    bench.turn();
    assert!(told.try_recv().is_err(), "told twice, it counts once");
    assert_eq!(bench.all(), [(*event).clone()]);
    assert_eq!((event.id, event.time_us, event.is_time_sure, event.has_thumbnail), (1, MONDAY, true, true));
    assert_eq!((&*event.line, &*event.camera, event.run), ("Door", "door", bench.counts.run()));
    assert_eq!(bench.reader().thumbnail(1).expect("read").as_deref(), Some(&b"jpeg"[..]));
    assert_eq!(bench.reader().crossing(1).expect("read"), Some((*event).clone()));
    assert_eq!(bench.reader().crossing(2).expect("read"), None);
    let tallies = bench.counts.tallies().borrow().clone();
    assert_eq!((tallies.lines[0].count_in, tallies.lines[0].inside), (1, 1));
    assert_eq!(bench.counts.totals()[0].count, 1);
    bench.assert_sound();
}
