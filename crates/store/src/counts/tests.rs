//! `counts.db` as a whole, with a scripted clock and a writer whose turns the tests run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::clock_correction::Clock;
use super::recounts::MOST_RECOUNTED;
use super::writer::CountsWriter;
use super::*;
use tallycam_base::{ClockTime, Heartbeat};
use tallycam_camera::media::Geometry;
use tallycam_vision::{Anchor, Direction};

const S: u64 = 1_000_000;
const HOUR: u64 = 3600 * S;
/// 2026-06-01T10:00:00Z, a Monday.
const MONDAY: u64 = 1_780_308_000 * S;

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

/// A `counts.db` whose writer runs turn by turn.
struct Bench {
    clock: Script,
    counts: Counts,
    writer: CountsWriter,
    tracks: u64,
}

const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const LORD_HOWE: &str = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";

fn settings(directory: &std::path::Path, zone: &str, day_starts: u8) -> CountsOptions {
    let zone = TimeZone::posix(zone).expect("rules of a zone");
    CountsOptions { directory: directory.to_owned(), camera: String::from("door"), zone, day_starts }
}

impl Bench {
    fn open(directory: &std::path::Path, clock: &Script) -> Bench {
        Bench::of(settings(directory, BERLIN, 0), clock)
    }

    fn of(settings: CountsOptions, clock: &Script) -> Bench {
        let (counts, writer) =
            Counts::open_parts(settings, Arc::new(clock.clone())).expect("counts.db opens");
        Bench { clock: clock.clone(), counts, writer, tracks: 0 }
    }

    fn turn(&mut self) {
        self.writer.run_once(self.counts.taken());
    }

    fn draw(&mut self, name: &str, scene: Scene) -> LineRow {
        self.edit(|counts| {
            let draft = draft(name);
            async move { counts.add_line(scene, draft).await }
        })
        .expect("the line is drawn")
    }

    /// Pins lines and zones of the operator's file. The line number of each in the file is the length of its name.
    fn pin(&mut self, lines: &[&str], zones: &[&str]) -> Result<(), EditError> {
        let place = |name: &str| format!("config.toml:{}", name.len());
        let lines = lines.iter().map(|name| (draft(name), place(name))).collect();
        let points = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
        let zone = |name: &&str| {
            let draft = ZoneDraft {
                name: (*name).to_owned(),
                points: points.clone(),
                classes: vec![],
                anchor: Anchor::Center,
                exclude: false,
            };
            (draft, place(name))
        };
        let zones = zones.iter().map(zone).collect();
        let counts = self.counts.clone();
        let waiting = std::thread::spawn(move || counts.pin(lines, zones));
        while !waiting.is_finished() {
            self.turn();
            std::thread::yield_now();
        }
        waiting.join().expect("no panic")
    }

    /// Makes an edit and runs the turn that it waits for.
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

    fn reader(&self) -> CountsReader {
        self.counts.reader().expect("it can be read")
    }

    fn all(&self) -> Vec<StoredCrossing> {
        self.reader().crossings(&every(Scene::Camera)).expect("it can be read")
    }

    fn assert_sound(&self) {
        let reader = self.reader();
        assert_eq!(reader.check().expect("it can be read"), Vec::<String>::new());
        // The common gaps and a line's further gaps are together the gaps of that line.
        let lines = reader.lines().expect("it can be read");
        let lines: std::collections::BTreeSet<u64> = lines.iter().map(|line| line.id).collect();
        let lines: Vec<u64> = lines.into_iter().collect();
        for scene in [Scene::Camera, Scene::Sim, Scene::Files] {
            for (from_us, to_us) in
                [(0, u64::MAX), (MONDAY + 3 * S, MONDAY + 700 * S), (MONDAY - HOUR, MONDAY + S)]
            {
                for filter in [&[][..], &lines[..lines.len().min(2)]] {
                    let gaps_of = |lines: &[u64]| {
                        reader.gaps_of_lines(scene, lines, from_us, to_us).expect("it can be read")
                    };
                    let gaps = reader.gaps_by_line(scene, filter, from_us, to_us).expect("it can be read");
                    assert_eq!(gaps.all, gaps_of(filter));
                    let said: Vec<u64> = gaps.by_line.iter().map(|(line, _)| line.id).collect();
                    assert!(filter.is_empty() || said == filter, "{said:?}");
                    for (line, own) in gaps.by_line {
                        let both = merged([&gaps.all[..], &own].concat());
                        assert_eq!(both, merged(gaps_of(&[line.id])), "{own:?}");
                    }
                    // A line without an entry is unknown for the whole time.
                    let never_drawn = gaps_of(&[1 << 40]);
                    for id in lines.iter().filter(|id| filter.is_empty() && !said.contains(id)) {
                        let gaps = merged(gaps_of(&[*id]));
                        assert_eq!(gaps, merged(never_drawn.clone()), "line {id}, {scene:?}");
                    }
                }
            }
        }
    }
}

/// The times of the gaps, merged, in order and disjoint, without those shorter than a second.
fn merged(mut gaps: Vec<Gap>) -> Vec<(u64, u64)> {
    gaps.sort_by_key(|gap| gap.from_us);
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for Gap { from_us, to_us, .. } in gaps {
        match merged.last_mut() {
            Some(last) if from_us <= last.1 => last.1 = last.1.max(to_us),
            _ => merged.push((from_us, to_us)),
        }
    }
    merged.retain(|(from_us, to_us)| to_us - from_us >= S);
    merged
}

fn every(scene: Scene) -> CrossingsQuery {
    CrossingsQuery {
        scene: Some(scene),
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
    CountsQuery { scene: Scene::Camera, from_us, to_us, bucket, lines: vec![], classes: vec![], hours: None }
}

fn draft(name: &str) -> LineDraft {
    LineDraft::new(name, [0.1, 0.5], [0.9, 0.5])
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
        kmh: None,
        thumbnail: None,
    }
}

#[test]
fn a_stored_crossing_is_announced_and_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
    let line = bench.draw("Door", Scene::Camera);
    assert_eq!((line.id, line.version, line.created_us), (1, 1, MONDAY));
    let mut told = bench.counts.subscribe_crossings();
    let mut new = bench.crossing(line.id, Direction::In);
    new.thumbnail = Some(bytes::Bytes::from_static(b"jpeg"));
    let again = new.clone();
    bench.counts.record(vec![new]).expect("there is room");
    assert!(told.try_recv().is_err(), "announced before it is stored");
    bench.turn();
    let event = told.try_recv().expect("it is told");
    bench.counts.record(vec![again]).expect("there is room");
    bench.turn();
    assert!(told.try_recv().is_err(), "offered twice, it counts once");
    assert_eq!(bench.all(), [(*event).clone()]);
    assert_eq!((event.id, event.time_us, event.is_time_sure, event.has_thumbnail), (1, MONDAY, true, true));
    assert_eq!((&*event.line, &*event.camera, event.run), ("Door", "door", bench.counts.run));
    assert_eq!(bench.reader().thumbnail(1).expect("read").as_deref(), Some(&b"jpeg"[..]));
    assert_eq!(bench.reader().crossing(1).expect("read"), Some((*event).clone()));
    assert_eq!(bench.reader().crossing(2).expect("read"), None);
    let classes = |scene| bench.reader().classes(scene).expect("read").into_iter().collect::<Vec<_>>();
    assert_eq!((classes(Scene::Camera), classes(Scene::Files)), (vec![event.class.to_string()], vec![]));
    let tallies = bench.counts.subscribe_tallies().borrow().clone();
    assert_eq!((tallies.lines[0].count_in, tallies.lines[0].inside), (1, 1));
    assert_eq!(bench.counts.totals()[0].count, 1);
    bench.assert_sound();
}

#[test]
fn only_many_consecutive_commits_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
    let line = bench.draw("Door", Scene::Camera);
    bench.draw("Gate", Scene::Camera);
    assert_eq!(bench.writer.pause(), None, "a start makes two edits");
    for _ in 0..3 {
        bench.record(line.id, Direction::In, 1);
    }
    assert_eq!(bench.writer.pause(), Some(std::time::Duration::from_millis(200)));
    bench.clock.pass(S / 5);
    assert_eq!(bench.writer.pause(), None);
}

#[test]
fn setting_the_clock_moves_unsure_rows_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(2 * HOUR); // 1970: no battery.
    clock.with(|clock| clock.is_synchronised = false);
    let mut bench = Bench::open(folder.path(), &clock);
    let line = bench.draw("Door", Scene::Camera).id;
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.record(line, Direction::In, 2);
    let reset = bench.edit(|counts| async move { counts.reset(Some(line)).await }).expect("reset");
    assert_eq!(reset.time_us, 2 * HOUR);
    clock.pass(60 * S);
    bench.record(line, Direction::Out, 1);
    assert_eq!(bench.all().iter().filter(|crossing| crossing.is_time_sure).count(), 0);
    assert!(!bench.counts.is_clock_sure());
    // Somebody sets it by hand, wrong by an hour; then the network sets it.
    clock.with(|clock| clock.wall = MONDAY + 60 * S + HOUR);
    bench.turn();
    assert_eq!(bench.all()[0].time_us, MONDAY + HOUR);
    bench.assert_sound();
    clock.with(|clock| {
        clock.wall = MONDAY + 60 * S;
        clock.is_synchronised = true;
    });
    bench.turn();
    let times: Vec<(u64, bool)> = bench.all().iter().map(|c| (c.time_us, c.is_time_sure)).collect();
    assert_eq!(times, [(MONDAY, true), (MONDAY, true), (MONDAY + 60 * S, true)]);
    assert!(bench.counts.is_clock_sure());
    assert_eq!(bench.reader().resets(Scene::Camera, 0, u64::MAX).expect("read")[0].time_us, MONDAY);
    assert_eq!(bench.reader().lines().expect("read")[0].created_us, MONDAY);
    let rows = bench.reader().counts(&chart(BucketSize::Hour, MONDAY, MONDAY + 60 * S)).expect("read");
    assert_eq!(rows[0].counts.iter().map(|count| count.count).sum::<u64>(), 3);
    assert!((rows[0].covered - 1.0).abs() < 1e-9, "{}", rows[0].covered);
    let tally = bench.counts.subscribe_tallies().borrow().lines[0].clone();
    assert_eq!((tally.count_in, tally.count_out, tally.inside, tally.since_us), (0, 1, 0, MONDAY));
    bench.assert_sound();
    // Sure rows never move, neither by another step nor at the next start.
    clock.with(|clock| clock.wall += 5 * HOUR);
    bench.record(line, Direction::In, 1);
    drop(bench);
    clock.with(|clock| clock.wall -= 5 * HOUR);
    let mut bench = Bench::open(folder.path(), &clock);
    bench.record(line, Direction::In, 1);
    let times: Vec<u64> = bench.all().iter().map(|c| (c.time_us - MONDAY) / (60 * S)).collect();
    assert_eq!(times, [0, 0, 1, 301, 1]);
    bench.assert_sound();
}

#[test]
fn a_restarted_daemon_corrects_the_earlier_run_of_this_boot() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    clock.with(|clock| clock.is_synchronised = false);
    let mut bench = Bench::open(folder.path(), &clock);
    let line = bench.draw("Door", Scene::Camera).id;
    bench.record(line, Direction::In, 1);
    drop(bench);
    clock.with(|clock| {
        clock.wall += 24 * HOUR;
        clock.is_synchronised = true;
    });
    let bench = Bench::open(folder.path(), &clock);
    assert_eq!(bench.all()[0].time_us, MONDAY + 24 * HOUR);
    assert!(bench.all()[0].is_time_sure);
    bench.assert_sound();
    drop(bench);
    // The clock of another boot is independent.
    clock.with(|clock| {
        (clock.boot, clock.mono, clock.wall) = (String::from("second"), 5 * S, MONDAY + 72 * HOUR)
    });
    let bench = Bench::open(folder.path(), &clock);
    assert_eq!(bench.all()[0].time_us, MONDAY + 24 * HOUR);
    bench.assert_sound();
}

#[test]
fn a_sure_clock_set_back_covers_no_time_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let line = bench.draw("Door", Scene::Camera).id;
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    clock.pass(600 * S);
    bench.record(line, Direction::In, 1);
    clock.pass(10 * S);
    clock.with(|clock| clock.wall -= 300 * S);
    bench.record(line, Direction::In, 1);
    clock.pass(100 * S);
    bench.turn();
    bench.assert_sound();
    clock.pass(400 * S);
    bench.record(line, Direction::In, 1);
    bench.assert_sound();
    assert_eq!(bench.reader().gaps(Scene::Camera, MONDAY, MONDAY + HOUR).expect("read"), []);
}

#[test]
fn a_time_without_counting_is_a_gap_with_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    clock.pass(600 * S);
    bench.counts.set_coverage(Coverage::Not("paused"));
    bench.counts.set_coverage(Coverage::Not("paused"));
    bench.turn();
    clock.pass(300 * S);
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    clock.pass(40 * S);
    bench.turn(); // The span is extended on its own.
    clock.pass(20 * S);
    drop(bench); // The power fails: 20 s are not stored.
    clock.pass(240 * S);
    let mut bench = Bench::open(folder.path(), &clock);
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    clock.pass(600 * S);
    let gaps = bench.reader().gaps(Scene::Camera, 0, u64::MAX).expect("read");
    let of = |from: u64, to: u64, why: &str| Gap {
        from_us: MONDAY + from * S,
        to_us: MONDAY + to * S,
        why: why.to_owned(),
    };
    let before = Gap { from_us: 0, ..of(0, 0, "not_begun") };
    assert_eq!(gaps, [before, of(600, 900, "paused"), of(940, 1200, "off")]);
    // Half an hour has passed, which is the measure of the current bucket.
    let rows = bench.reader().counts(&chart(BucketSize::Hour, MONDAY, MONDAY + 2 * HOUR)).expect("read");
    assert!((rows[0].covered - (1800.0 - 560.0) / 1800.0).abs() < 1e-9, "{}", rows[0].covered);
    assert_eq!((rows[1].covered, rows[1].counts.len()), (0.0, 0));
    assert_eq!(bench.reader().gaps(Scene::Sim, MONDAY, MONDAY + 10 * S).expect("read")[0].why, "other_scene");
    bench.assert_sound();
}

#[test]
fn a_change_during_an_extension_covers_no_time_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(2 * HOUR);
    clock.with(|clock| clock.is_synchronised = false);
    let mut bench = Bench::open(folder.path(), &clock);
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    clock.pass(40 * S);
    bench.counts.set_coverage(Coverage::Not("paused"));
    let late = bench.counts.taken();
    clock.pass(S);
    bench.turn(); // The span is extended on its own, beyond the change.
    bench.writer.run_once(late);
    clock.pass(10 * S);
    clock.with(|clock| (clock.wall, clock.is_synchronised) = (MONDAY, true));
    bench.turn();
    bench.assert_sound();
}

#[test]
fn the_time_before_counts_db_is_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY + 2700 * S);
    let mut bench = Bench::open(folder.path(), &clock);
    let gaps = |bench: &Bench, lines: &[u64], from: u64, to: u64| -> Vec<(u64, u64, String)> {
        let gaps = bench.reader().gaps_of_lines(Scene::Camera, lines, MONDAY + from * S, MONDAY + to * S);
        let gaps = gaps.expect("read").into_iter();
        gaps.map(|gap| ((gap.from_us - MONDAY) / S, (gap.to_us - MONDAY) / S, gap.why)).collect()
    };
    let not_begun = |from: u64, to: u64| (from, to, String::from("not_begun"));
    // Without any coverage report, the whole past is one such gap.
    assert_eq!(gaps(&bench, &[], 0, 3600), [not_begun(0, 2700)]);
    let door = bench.draw("Door", Scene::Camera);
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    clock.pass(1800 * S);
    bench.turn();
    assert_eq!(gaps(&bench, &[], 0, 3600), [not_begun(0, 2700)]);
    assert_eq!(gaps(&bench, &[door.id], 0, 3600), [not_begun(0, 2700)]);
    assert_eq!(gaps(&bench, &[], 1200, 1800), [not_begun(1200, 1800)]);
    assert_eq!(gaps(&bench, &[], 2700, 3600), []);
    let rows = bench.reader().counts(&chart(BucketSize::Hour, MONDAY, MONDAY + HOUR)).expect("read");
    assert!((rows[0].covered - 0.25).abs() < 1e-9, "{}", rows[0].covered);
    // A recount of an older recording covers its time all the same.
    bench.recount(recount(&door, &[(600, 900)], &[])).expect("recounted");
    assert_eq!(gaps(&bench, &[], 0, 3600), [not_begun(0, 600), not_begun(900, 2700)]);
    bench.assert_sound();
}

#[test]
fn a_line_has_gaps_before_it_was_drawn_and_after_it_was_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let gate = bench.draw("Gate", Scene::Camera).id;
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    clock.pass(600 * S);
    let door = bench.draw("Door", Scene::Camera).id;
    clock.pass(600 * S);
    bench.edit(|c| async move { c.delete_line(door, None).await }).expect("deleted");
    clock.pass(600 * S);
    bench.turn();
    let covered = |lines: &[u64]| {
        let query = CountsQuery { lines: lines.to_vec(), ..chart(BucketSize::Hour, MONDAY, MONDAY + HOUR) };
        bench.reader().counts(&query).expect("read")[0].covered
    };
    assert_eq!((covered(&[]), covered(&[gate]), covered(&[gate, door])), (1.0, 1.0, 1.0));
    assert!((covered(&[door]) - 1.0 / 3.0).abs() < 1e-9, "{}", covered(&[door]));
    let gaps = |line: u64| -> Vec<(u64, u64, String)> {
        let gaps = bench.reader().gaps_of_lines(Scene::Camera, &[line], MONDAY, MONDAY + HOUR).expect("read");
        gaps.into_iter().map(|gap| ((gap.from_us - MONDAY) / S, (gap.to_us - MONDAY) / S, gap.why)).collect()
    };
    let no_line = |from: u64, to: u64| (from, to, String::from("no_line"));
    assert_eq!(gaps(door), [no_line(0, 600), no_line(1200, 1800)]);
    assert!(gaps(gate).is_empty());
    bench.assert_sound();
}

#[test]
fn lines_of_other_scenes_and_recounted_lines_are_neither_zero_nor_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let street = bench.draw("Street", Scene::Sim).id;
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    clock.pass(600 * S);
    let (door, gate) = (bench.draw("Door", Scene::Camera), bench.draw("Gate", Scene::Camera));
    bench.turn();
    let (from_us, to_us) = (MONDAY, MONDAY + 500 * S);
    let covered = |bench: &Bench, line: u64| {
        let query = CountsQuery { lines: vec![line], ..chart(BucketSize::Hour, MONDAY, MONDAY + HOUR) };
        bench.reader().counts(&query).expect("read")[0].covered
    };
    assert_eq!((covered(&bench, street), covered(&bench, gate.id)), (0.0, 0.0));
    let told = |bench: &Bench| {
        let gaps = bench.reader().gaps_by_line(Scene::Camera, &[], from_us, to_us).expect("read");
        let of = |gap: Gap| ((gap.from_us - MONDAY) / S, (gap.to_us - MONDAY) / S, gap.why);
        let of_line = |(line, gaps): (LineRow, Vec<Gap>)| {
            (line.id, gaps.into_iter().map(of).collect::<Vec<(u64, u64, String)>>())
        };
        gaps.by_line.into_iter().map(of_line).collect::<Vec<_>>()
    };
    assert_eq!(told(&bench), []);
    // Nobody crossed the other line either, but only the first line's recount says so.
    bench.recount(recount(&door, &[(100, 400)], &[])).expect("it is made");
    let none = recount(&gate, &[(100, 400)], &[]);
    assert_eq!(bench.recount(none.clone()).expect("it is made").id, Some(2));
    assert_eq!(bench.recount(none).expect("it is known").id, None);
    let no_line = |from: u64, to: u64| (from, to, String::from("no_line"));
    let own = vec![no_line(0, 100), no_line(400, 500)];
    assert_eq!(told(&bench), [(door.id, own.clone()), (gate.id, own)]);
    assert!((covered(&bench, gate.id) - 0.5).abs() < 1e-9, "{}", covered(&bench, gate.id));
    // A line of the operator's file counts in every scene.
    bench.pin(&["Road"], &[]).expect("pinned");
    clock.pass(200 * S);
    bench.turn();
    let road =
        bench.counts.lines().borrow().iter().find(|line| line.pinned.is_some()).expect("it is there").id;
    assert!((covered(&bench, road) - 0.25).abs() < 1e-9, "{}", covered(&bench, road));
    bench.assert_sound();
}

/// The verdict on a line that was never changed.
fn able(line: u64) -> LineStatus {
    LineStatus { line, version: 1, is_able: true }
}

fn unable(line: u64) -> LineStatus {
    LineStatus { is_able: false, ..able(line) }
}

#[test]
fn a_line_without_a_known_class_has_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let (door, gate) = (bench.draw("Door", Scene::Camera).id, bench.draw("Gate", Scene::Camera).id);
    // The counting thread learns of the lines a moment later; its verdict holds since they were drawn.
    clock.pass(S / 2);
    bench.counts.set_line_verdicts(&[able(door), unable(gate)]);
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    let gaps = |bench: &Bench, lines: &[u64]| -> Vec<(u64, u64, String)> {
        let gaps =
            bench.reader().gaps_of_lines(Scene::Camera, lines, MONDAY + S, MONDAY + HOUR).expect("read");
        gaps.into_iter().map(|gap| ((gap.from_us - MONDAY) / S, (gap.to_us - MONDAY) / S, gap.why)).collect()
    };
    let no_class = |from: u64, to: u64| (from, to, String::from("no_class"));
    clock.pass(600 * S);
    // A repetition adds nothing. Another detector knows the gate's class but not the door's.
    bench.counts.set_line_verdicts(&[able(door), unable(gate)]);
    bench.counts.set_line_verdicts(&[unable(door), able(gate)]);
    bench.turn();
    clock.pass(600 * S);
    bench.edit(|c| async move { c.delete_line(gate, None).await }).expect("deleted");
    clock.pass(600 * S);
    bench.turn();
    assert_eq!(gaps(&bench, &[gate]), [no_class(1, 600), (1200, 1800, String::from("no_line"))]);
    assert_eq!(gaps(&bench, &[door]), [no_class(600, 1800)]);
    assert_eq!(gaps(&bench, &[door, gate]), [no_class(1200, 1800)], "one of them");
    assert_eq!(gaps(&bench, &[]), []);
    // The verdicts are stored, not only in memory.
    drop(bench);
    let mut bench = Bench::open(folder.path(), &clock);
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    clock.pass(600 * S);
    bench.turn();
    bench.counts.set_line_verdicts(&[able(door)]);
    clock.pass(600 * S);
    bench.turn();
    let last = gaps(&bench, &[door]).pop().expect("a gap");
    assert_eq!((last.1, last.2.as_str()), (2400, "no_class"), "{last:?}");
    bench.assert_sound();
}

#[test]
fn a_late_verdict_holds_since_the_change_of_the_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    let gaps = |bench: &Bench, line: u64| -> Vec<(u64, u64)> {
        let gaps = bench.reader().gaps_of_lines(Scene::Camera, &[line], MONDAY, MONDAY + HOUR).expect("read");
        let known = gaps.iter().filter(|gap| gap.why == "no_class");
        known.map(|gap| ((gap.from_us - MONDAY) / S, (gap.to_us - MONDAY) / S)).collect()
    };
    let change = |bench: &mut Bench, line: u64, name: &str, x: f64| {
        let draft = LineDraft { a: [x, 0.0], ..draft(name) };
        bench.edit(|counts| async move { counts.change_line(line, None, draft).await }).expect("changed");
    };
    clock.pass(100 * S);
    let door = bench.draw("Door", Scene::Camera).id;
    bench.counts.set_line_verdicts(&[able(door)]);
    bench.turn();
    // The thread knew this version already, so another detector's verdict holds from now on only.
    clock.pass(20 * S);
    bench.counts.set_line_verdicts(&[unable(door)]);
    bench.turn();
    clock.pass(30 * S);
    bench.counts.set_line_verdicts(&[able(door)]);
    bench.turn();
    assert_eq!(gaps(&bench, door), [(120, 150)]);
    // Changed twice during a detection of a minute; the first change never got a verdict.
    clock.pass(50 * S);
    change(&mut bench, door, "Dogs", 0.5);
    clock.pass(10 * S);
    change(&mut bench, door, "Dogs", 0.6);
    clock.pass(50 * S);
    bench.counts.set_line_verdicts(&[LineStatus { version: 3, ..unable(door) }]);
    bench.turn();
    clock.pass(40 * S);
    bench.counts.set_line_verdicts(&[LineStatus { version: 3, ..able(door) }]);
    bench.turn();
    clock.pass(10 * S);
    bench.turn();
    assert_eq!(gaps(&bench, door), [(120, 150), (200, 300)]);
    bench.assert_sound();
}

#[test]
fn verdicts_during_a_disk_fault_are_stored_afterwards() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let door = bench.draw("Door", Scene::Camera).id;
    bench.counts.set_line_verdicts(&[able(door)]);
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    clock.pass(100 * S);
    bench.writer.limit_growth(0);
    bench.record(door, Direction::In, 5_000);
    assert!(bench.counts.error().is_some(), "the disk took all of it");
    for n in 0..1000 {
        clock.pass(S / 10);
        bench.counts.set_line_verdicts(&[LineStatus { is_able: n % 2 == 1, ..able(door) }]);
        bench.turn();
    }
    assert!(bench.writer.held() < 200, "{} are held", bench.writer.held());
    clock.pass(100 * S);
    bench.counts.set_line_verdicts(&[unable(door)]);
    bench.turn();
    bench.writer.limit_growth(1_000_000);
    clock.pass(100 * S);
    bench.turn();
    assert_eq!(bench.counts.error(), None);
    let gaps = bench.reader().gaps_of_lines(Scene::Camera, &[door], MONDAY, MONDAY + HOUR).expect("read");
    let last =
        gaps.last().map(|gap| ((gap.from_us - MONDAY) / S, (gap.to_us - MONDAY) / S, gap.why.as_str()));
    // Beyond the limit the newest is kept, and nothing is claimed about the time before it.
    assert_eq!(last, Some((109, 400, "no_class")), "{gaps:?}");
    assert_eq!(gaps[0].from_us, MONDAY + 100 * S + S / 10, "the first is kept");
    bench.assert_sound();
}

#[test]
fn what_is_inside_is_followed_crossing_by_crossing_and_can_be_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let (door, gate) = (bench.draw("Door", Scene::Camera).id, bench.draw("Gate", Scene::Camera).id);
    let inside = |bench: &Bench| -> Vec<u64> {
        bench.counts.subscribe_tallies().borrow().lines.iter().map(|line| line.inside).collect()
    };
    // Two leave who were there in the morning; then three come.
    for (way, count) in [(Direction::Out, 2), (Direction::In, 3), (Direction::Out, 1)] {
        bench.record(door, way, count);
        clock.pass(S);
    }
    assert_eq!(inside(&bench), [2, 0]);
    for tally in &bench.counts.subscribe_tallies().borrow().lines {
        assert_eq!(tally.inside + tally.count_out, tally.count_in + tally.corrected, "it adds up");
    }
    let set = bench.edit(move |counts| async move { counts.set_inside(door, 12).await }).expect("it is set");
    assert_eq!((set.line_id, set.inside, inside(&bench)), (Some(door), Some(12), vec![12, 0]));
    clock.pass(S);
    bench.record(door, Direction::Out, 1);
    bench.record(gate, Direction::In, 1);
    let tally = bench.counts.subscribe_tallies().borrow().lines[0].clone();
    assert_eq!((tally.count_in, tally.count_out, tally.inside), (3, 4, 11), "the counters stay");
    assert_eq!(
        (tally.inside_since_us, tally.since_us),
        (set.time_us, bench.counts.subscribe_tallies().borrow().day_us)
    );
    drop(bench);
    let mut bench = Bench::open(folder.path(), &clock);
    assert_eq!(inside(&bench), [11, 1], "it outlives the run");
    bench.edit(move |counts| async move { counts.undo_reset(set.id).await }).expect("undone");
    assert_eq!(inside(&bench), [1, 1]);
    bench.edit(|counts| async move { counts.reset(None).await }).expect("reset");
    assert_eq!(inside(&bench), [0, 0]);
    bench.assert_sound();
}

#[test]
fn the_peak_of_all_lines_counts_a_number_from_when_it_was_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let (door, gate) = (bench.draw("Door", Scene::Camera).id, bench.draw("Gate", Scene::Camera).id);
    let set = |bench: &mut Bench, line, inside| {
        let set = bench.edit(move |counts| async move { counts.set_inside(line, inside).await });
        set.expect("it is set").time_us
    };
    let peak = |bench: &Bench| bench.counts.subscribe_tallies().borrow().peak;
    let at_ten = set(&mut bench, door, 12);
    clock.pass(S);
    bench.record(door, Direction::Out, 12);
    clock.pass(5 * HOUR);
    let at_three = set(&mut bench, gate, 5);
    assert_eq!(peak(&bench), (12, at_ten));
    drop(bench);
    let mut bench = Bench::open(folder.path(), &clock);
    assert_eq!(peak(&bench), (12, at_ten));
    bench.edit(move |counts| async move { counts.delete_line(door, None).await }).expect("deleted");
    assert_eq!(peak(&bench), (5, at_three), "nobody is inside a deleted line");
}

#[test]
fn what_is_inside_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let door = bench.draw("Door", Scene::Camera).id;
    clock.pass(10 * S);
    bench.record(door, Direction::Out, 1);
    // After a slow detection, an earlier arrival is stored after a departure.
    let came = bench.crossing(door, Direction::In);
    let came = NewCrossing { monotonic_us: came.monotonic_us - 5 * S, ..came };
    bench.counts.record(vec![came]).expect("there is room");
    bench.turn();
    let inside = |bench: &Bench| bench.counts.subscribe_tallies().borrow().lines[0].inside;
    assert_eq!(inside(&bench), 1);
    drop(bench);
    let bench = Bench::open(folder.path(), &clock);
    assert_eq!(inside(&bench), 1);
    bench.assert_sound();
}

#[test]
fn a_day_without_crossings_does_not_read_those_of_other_days() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let door = bench.draw("Door", Scene::Camera).id;
    bench.record(door, Direction::In, 40);
    clock.pass(24 * HOUR);
    // The rows up to this one are not read again.
    let followed = |bench: &Bench| bench.writer.board.followed;
    bench.turn();
    assert_eq!(followed(&bench), 40, "the day has changed");
    drop(bench);
    let mut bench = Bench::open(folder.path(), &clock);
    assert_eq!(followed(&bench), 40, "a new run");
    bench.record(door, Direction::In, 2);
    assert_eq!(followed(&bench), 42);
    assert_eq!(bench.counts.subscribe_tallies().borrow().lines[0].inside, 2);
}

#[test]
fn buckets_of_minutes_add_up_to_those_of_hours() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let door = bench.draw("Door", Scene::Camera).id;
    for minutes in [4, 3, 7, 1, 29, 20] {
        clock.pass(minutes * 60 * S);
        bench.record(door, Direction::In, minutes as usize);
    }
    let read = |size, hours| {
        let query = CountsQuery { hours, ..chart(size, MONDAY, MONDAY + 2 * HOUR) };
        let rows = bench.reader().counts(&query).expect("read");
        rows.iter().map(|row| row.counts.iter().map(|count| count.count).sum()).collect::<Vec<u64>>()
    };
    assert_eq!(read(BucketSize::Minutes(15), None), [14, 1, 29, 0, 20, 0, 0, 0]);
    assert_eq!(read(BucketSize::Minutes(5), None)[..4], [4, 3, 7, 1]);
    assert_eq!(read(BucketSize::Minutes(30), None), [15, 29, 20, 0]);
    assert_eq!(read(BucketSize::Hour, None), [44, 20]);
    // It is noon in Berlin.
    assert_eq!(read(BucketSize::Minutes(30), Some((13, 14))), [20, 0]);
}

#[test]
fn tallies_follow_resets_scenes_and_days() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let (door, gate) = (bench.draw("Door", Scene::Camera).id, bench.draw("Gate", Scene::Camera).id);
    bench.record(door, Direction::In, 5);
    bench.record(gate, Direction::Out, 2);
    let sums = |bench: &Bench| -> Vec<(u64, u64, u64)> {
        bench
            .counts
            .subscribe_tallies()
            .borrow()
            .lines
            .iter()
            .map(|l| (l.count_in, l.count_out, l.inside))
            .collect()
    };
    assert_eq!(sums(&bench), [(5, 0, 5), (0, 2, 0)]);
    clock.pass(60 * S);
    bench.edit(|counts| async move { counts.reset(Some(door)).await }).expect("reset");
    assert_eq!(sums(&bench), [(0, 0, 0), (0, 2, 0)]);
    bench.record(door, Direction::In, 1);
    assert_eq!(sums(&bench), [(1, 0, 1), (0, 2, 0)]);
    drop(bench);
    let mut bench = Bench::open(folder.path(), &clock);
    assert_eq!(sums(&bench), [(1, 0, 1), (0, 2, 0)], "resets outlive the run");
    assert_eq!(bench.counts.subscribe_tallies().borrow().lines[0].since_us, MONDAY + 60 * S);
    bench.edit(|counts| async move { counts.reset(None).await }).expect("reset");
    bench.record(gate, Direction::In, 3);
    assert_eq!(sums(&bench), [(0, 0, 0), (3, 0, 3)]);
    let resets = |bench: &Bench, scene| bench.reader().resets(scene, 0, u64::MAX).expect("read").len();
    assert_eq!((resets(&bench, Scene::Camera), resets(&bench, Scene::Sim)), (2, 0));
    let error = bench.edit(|counts| async move { counts.reset(Some(99)).await }).expect_err("no such line");
    assert!(matches!(error, EditError::Unknown { what: "line", id: 99 }));
    // Another scene has other lines; the simulation gets one, once.
    bench.counts.show_scene(Scene::Sim);
    bench.turn();
    let lines = bench.counts.lines().borrow().clone();
    assert_eq!(lines.iter().filter(|line| line.scene == Some(Scene::Sim)).count(), 1);
    assert_eq!(bench.counts.subscribe_tallies().borrow().lines[0].line.as_ref(), "Middle of the street");
    assert!(bench.counts.totals().is_empty());
    let street = bench.counts.subscribe_tallies().borrow().lines[0].line_id;
    bench.edit(|counts| async move { counts.delete_line(street, None).await }).expect("deleted");
    bench.counts.show_scene(Scene::Camera);
    bench.turn();
    bench.counts.show_scene(Scene::Sim);
    bench.turn();
    assert!(bench.counts.subscribe_tallies().borrow().lines.is_empty(), "it is made once");
    bench.counts.show_scene(Scene::Camera);
    bench.turn();
    assert_eq!(bench.counts.totals().iter().map(|count| count.count).sum::<u64>(), 11);
    // Midnight in Berlin.
    clock.pass(12 * HOUR);
    bench.turn();
    assert_eq!(sums(&bench), [(0, 0, 0), (0, 0, 0)]);
    assert_eq!(bench.counts.subscribe_tallies().borrow().day_us, MONDAY + 12 * HOUR);
    bench.assert_sound();
}

#[test]
fn lines_are_drawn_changed_pinned_and_never_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let door = bench.draw("Door", Scene::Camera);
    let add = |bench: &mut Bench, scene, draft| bench.edit(|c| async move { c.add_line(scene, draft).await });
    assert!(matches!(add(&mut bench, Scene::Camera, draft("Door")), Err(EditError::SameName { .. })));
    assert!(matches!(add(&mut bench, Scene::Camera, draft("")), Err(EditError::Wrong { field: "name", .. })));
    assert!(add(&mut bench, Scene::Files, draft("Door")).is_ok(), "another scene, another door");
    clock.pass(S);
    let change = |bench: &mut Bench, id, version, draft| {
        bench.edit(|c| async move { c.change_line(id, version, draft).await })
    };
    let renamed = change(&mut bench, door.id, Some(1), draft("Front door")).expect("renamed");
    assert_eq!((renamed.version, renamed.moved_us), (2, None));
    let stale = change(&mut bench, door.id, Some(1), draft("Back door"));
    assert!(matches!(stale, Err(EditError::Changed { version: 2, .. })));
    let moved = LineDraft { a: [0.2, 0.5], ..draft("Front door") };
    let moved = change(&mut bench, door.id, None, moved).expect("moved");
    assert_eq!((moved.version, moved.moved_us, moved.created_us), (3, Some(MONDAY + S), MONDAY));
    assert_eq!(bench.reader().line_moves(MONDAY, MONDAY + 2 * S).expect("read"), [(door.id, MONDAY + S)]);
    assert_eq!(bench.reader().line_moves(MONDAY, MONDAY + S).expect("read"), [], "the end is excluded");
    assert_eq!(change(&mut bench, door.id, Some(3), moved.draft.clone()).expect("as it is").version, 3);
    // Pinned lines come first, only the file changes them, and their name identifies them.
    let pin = |bench: &mut Bench, names: &[&str]| bench.pin(names, &[]);
    pin(&mut bench, &["Gate", "Road"]).expect("pinned");
    let lines = bench.counts.lines().borrow().clone();
    assert_eq!(lines[0].pinned.as_deref(), Some("config.toml:4"));
    assert_eq!((lines[0].scene, lines.len()), (None, 4));
    let gate = lines[0].id;
    assert!(matches!(change(&mut bench, gate, None, draft("x")), Err(EditError::Fault(_))));
    assert!(matches!(add(&mut bench, Scene::Sim, draft("Gate")), Err(EditError::SameName { .. })));
    bench.record(gate, Direction::In, 1);
    pin(&mut bench, &["Road"]).expect("pinned");
    assert_eq!(bench.counts.unpinned_reason(), None);
    assert!(bench.counts.lines().borrow().iter().all(|line| line.id != gate));
    let row = bench.reader().lines().expect("read").into_iter().find(|line| line.id == gate).expect("kept");
    assert_eq!(row.deleted_us, Some(MONDAY + S));
    pin(&mut bench, &["Gate"]).expect("pinned");
    assert_eq!(bench.counts.lines().borrow()[0].id, gate, "it is the same line again");
    assert_eq!(bench.all()[0].line.as_ref(), "Gate");
    // The counts of a deleted line stay.
    bench.edit(|c| async move { c.delete_line(door.id, Some(3)).await }).expect("deleted");
    let gone = bench.edit(|c| async move { c.delete_line(door.id, None).await });
    assert!(matches!(gone, Err(EditError::Unknown { .. })));
    assert!(bench.draw("Front door", Scene::Camera).id > door.id);
    bench.assert_sound();
}

#[test]
fn a_taken_name_leaves_out_one_pinned_line_until_it_is_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let (door, yard) = (bench.draw("Door", Scene::Camera), bench.draw("Yard", Scene::Sim));
    let zone = |name: &str| {
        let points = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
        ZoneDraft { name: name.to_owned(), points, classes: vec![], anchor: Anchor::Center, exclude: false }
    };
    let hall = bench.edit(|c| async move { c.add_zone(Scene::Camera, zone("Hall")).await }).expect("drawn");
    let refused = bench.pin(&["Door", "Gate", "Yard"], &["Hall", "Queue"]);
    assert!(
        matches!(refused, Err(EditError::Fault(fault)) if fault.what.starts_with("the line \"Door\" of "))
    );
    let names = |bench: &Bench| {
        let (lines, zones) = (bench.counts.lines().borrow().clone(), bench.counts.zones().borrow().clone());
        let lines = lines.iter().map(|row| (row.draft.name.clone(), row.pinned.is_some()));
        let zones = zones.iter().map(|row| (row.draft.name.clone(), row.pinned.is_some()));
        let mut names: Vec<_> = lines.chain(zones).collect();
        names.sort();
        names
    };
    let own = |names: &[(&str, bool)]| -> Vec<(String, bool)> {
        names.iter().map(|&(name, is_pinned)| (name.to_owned(), is_pinned)).collect()
    };
    assert_eq!(
        names(&bench),
        own(&[("Door", false), ("Gate", true), ("Hall", false), ("Queue", true), ("Yard", false)])
    );
    let unpinned = bench.counts.unpinned_reason().expect("and it is said");
    let words = "the line \"Door\" of config.toml:4 is left out, for one that was drawn is called so; rename or delete \
        that one";
    assert!(!unpinned.is_all && unpinned.why.starts_with(words), "{}", unpinned.why);
    assert!(unpinned.why.contains("the line \"Yard\"") && unpinned.why.contains("the zone \"Hall\""));
    // When a name becomes free, the file's line counts at once.
    let id = door.id;
    bench.edit(|c| async move { c.change_line(id, None, draft("Front door")).await }).expect("renamed");
    bench.edit(|c| async move { c.delete_line(yard.id, None).await }).expect("deleted");
    assert!(!bench.counts.unpinned_reason().expect("one is left").why.contains("line"));
    bench.edit(|c| async move { c.change_zone(hall.id, None, zone("Lobby")).await }).expect("renamed");
    assert_eq!(bench.counts.unpinned_reason(), None);
    let free = [
        ("Door", true),
        ("Front door", false),
        ("Gate", true),
        ("Hall", true),
        ("Lobby", false),
        ("Queue", true),
        ("Yard", true),
    ];
    assert_eq!(names(&bench), own(&free));
    bench.assert_sound();
}

#[test]
fn thumbnails_of_old_crossings_go_and_the_crossings_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let door = bench.draw("Door", Scene::Camera).id;
    let seen = |bench: &mut Bench| {
        let mut new = bench.crossing(door, Direction::In);
        new.thumbnail = Some(bytes::Bytes::from_static(b"jpeg"));
        bench.counts.record(vec![new]).expect("there is room");
        bench.turn();
    };
    seen(&mut bench);
    seen(&mut bench);
    let most = super::writer::crossings::MOST_THUMBNAILS as usize;
    bench.record(door, Direction::Out, most - 2);
    assert!(bench.reader().thumbnail(1).expect("read").is_some());
    seen(&mut bench);
    let reader = bench.reader();
    assert!(reader.thumbnail(1).expect("read").is_none(), "the oldest has gone");
    assert!(
        reader.thumbnail(2).expect("read").is_some()
            && reader.thumbnail(most as u64 + 1).expect("read").is_some()
    );
    let first = reader.crossing(1).expect("read").expect("it stays");
    assert!(!first.has_thumbnail);
    bench.assert_sound();
}

#[test]
fn zones_and_settings_outlive_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let hall = ZoneDraft {
        name: String::from("Hall"),
        points: vec![[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]],
        classes: vec![String::from("person")],
        anchor: Anchor::Center,
        exclude: false,
    };
    let draft = hall.clone();
    let zone = bench.edit(|c| async move { c.add_zone(Scene::Camera, draft).await }).expect("drawn");
    let wide = ZoneDraft { points: vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], exclude: true, ..hall };
    let changed = wide.clone();
    let zone =
        bench.edit(|c| async move { c.change_zone(zone.id, Some(1), changed).await }).expect("changed");
    let value = Some(String::from("nano"));
    bench.edit(|c| async move { c.set_setting("model", value).await }).expect("kept");
    drop(bench);
    let mut bench = Bench::open(folder.path(), &clock);
    let zones = bench.counts.zones().borrow().clone();
    assert_eq!((zones.len(), zones[0].version, &zones[0].draft), (1, 2, &wide));
    assert_eq!(bench.counts.setting("model").as_deref(), Some("nano"));
    bench.edit(|c| async move { c.set_setting("model", None).await }).expect("forgotten");
    bench.edit(|c| async move { c.delete_zone(zone.id, None).await }).expect("deleted");
    assert_eq!((bench.counts.setting("model"), bench.counts.zones().borrow().len()), (None, 0));
}

#[test]
fn a_full_disk_loses_nothing_and_counts_nothing_twice() {
    for pages in 0..12 {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
        let line = bench.draw("Door", Scene::Camera).id;
        bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
        bench.record(line, Direction::In, 1);
        let mut told = bench.counts.subscribe_crossings();
        let ballast = folder.path().join(tallycam_base::ballast::NAME);
        std::fs::write(&ballast, "room").expect("written");
        bench.writer.limit_growth(pages);
        for _ in 0..30 {
            bench.clock.pass(S);
            bench.record(line, Direction::In, 30);
        }
        let trouble = bench.counts.error().expect("900 crossings need more pages");
        assert!(trouble.contains("crossings are waiting to be saved") && bench.counts.is_full(), "{trouble}");
        assert!(!ballast.exists(), "the next try has its room");
        let refused = bench.edit(|c| async move { c.add_line(Scene::Camera, draft("Gate")).await });
        assert!(matches!(refused, Err(EditError::Store(_))), "{refused:?}");
        let mut acknowledged: Vec<u64> =
            std::iter::from_fn(|| told.try_recv().ok()).map(|c| c.track).collect();
        assert_eq!(acknowledged.len() + 1, bench.all().len(), "announced crossings are stored");
        bench.assert_sound();
        bench.writer.limit_growth(1_000_000);
        bench.turn();
        assert_eq!(bench.counts.error(), None);
        acknowledged.extend(std::iter::from_fn(|| told.try_recv().ok()).map(|c| c.track));
        assert!(acknowledged.into_iter().eq(2..=901), "each once, in order");
        assert!(bench.all().iter().map(|c| c.track).eq(1..=901));
        bench.assert_sound();
    }
}

#[test]
fn a_failed_edit_claims_no_waiting_crossings() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
    bench.writer.limit_growth(0);
    let value = Some("x".repeat(100_000));
    bench.edit(|c| async move { c.set_setting("model", value).await }).expect_err("there is no room");
    assert_eq!(bench.counts.error().as_deref(), Some("counts.db cannot be written"));
    bench.writer.limit_growth(1_000_000);
    bench.draw("Door", Scene::Camera);
    assert_eq!(bench.counts.error(), None);
}

#[test]
fn changes_during_a_disk_fault_are_not_claimed_after_a_clock_change_or_the_end() {
    for is_end in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Script::new(MONDAY);
        let mut bench = Bench::open(folder.path(), &clock);
        let line = bench.draw("Door", Scene::Camera).id;
        bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
        bench.turn();
        clock.pass(20 * S);
        bench.counts.set_coverage(Coverage::Not("paused"));
        bench.writer.limit_growth(0);
        bench.record(line, Direction::In, 5_000);
        assert!(bench.counts.error().is_some(), "the disk took all of it");
        clock.pass(600 * S);
        if is_end {
            // The end needs no more room than there is.
            let Bench { counts, writer, .. } = bench;
            counts.stop();
            writer.run_thread(&Heartbeat::new());
            bench = Bench::open(folder.path(), &clock);
        } else {
            clock.with(|clock| clock.wall += 300 * S);
            bench.writer.limit_growth(1_000_000);
            bench.turn();
        }
        let rows = bench.reader().counts(&chart(BucketSize::Hour, MONDAY, MONDAY + HOUR)).expect("read");
        let elapsed = (clock.with(|clock| clock.wall) - MONDAY) as f64;
        let counted = rows[0].covered * elapsed / S as f64;
        assert!((counted - 20.0).abs() < 1e-6, "{counted} s are claimed");
        let gap =
            bench.reader().gaps(Scene::Camera, MONDAY, MONDAY + HOUR).expect("read").pop().expect("a gap");
        // By the clock that is right now, the pause began 300 s later.
        let is_told = gap.why == "paused" && gap.from_us == MONDAY + 320 * S;
        assert!(is_end || is_told, "{gap:?}");
        bench.assert_sound();
    }
}

#[test]
fn crossings_beyond_the_limit_are_reported_as_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
    let line = bench.draw("Door", Scene::Camera).id;
    bench.writer.limit_growth(0);
    bench.record(line, Direction::In, 5_000);
    bench.record(line, Direction::In, super::writer::MOST_HELD + 7 - 5_000);
    assert!(bench.counts.error().expect("trouble").contains("7 are lost"), "{:?}", bench.counts.error());
    bench.writer.limit_growth(1_000_000);
    bench.turn();
    assert_eq!(bench.counts.totals()[0].count, super::writer::MOST_HELD as u64);
    assert_eq!(
        (bench.counts.error(), bench.counts.lost_count()),
        (None, 7),
        "it stores crossings again, and says so"
    );
}

#[test]
fn time_whose_crossings_are_stored_later_is_covered_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
    let line = bench.draw("Door", Scene::Camera).id;
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    bench.writer.limit_growth(0);
    bench.record(line, Direction::In, 5_000);
    for _ in 0..600 {
        bench.clock.pass(S);
    }
    bench.turn();
    let gaps = |bench: &Bench| bench.reader().gaps(Scene::Camera, MONDAY, MONDAY + 600 * S).expect("read");
    assert_eq!(gaps(&bench).last().map(|gap| gap.why.clone()).as_deref(), Some("counts_db"));
    bench.writer.limit_growth(1_000_000);
    bench.clock.pass(S);
    bench.turn();
    assert_eq!(gaps(&bench), [], "nothing was lost");
}

#[test]
fn a_wrong_crossing_stays_and_is_left_out_of_sums_by_choice() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
    let line = bench.draw("Door", Scene::Camera).id;
    bench.record(line, Direction::In, 3);
    bench.record(line, Direction::Out, 1);
    let mark = |bench: &mut Bench, id, mark| {
        bench.edit(move |counts| async move { counts.mark_crossing(id, mark).await })
    };
    let sums = |bench: &Bench| {
        let reader = bench.reader();
        let query = CrossingsQuery { from_us: Some(MONDAY), ..every(Scene::Camera) };
        let of = |size| {
            let rows = reader.counts(&chart(size, MONDAY, MONDAY + S)).expect("read");
            rows.iter().flat_map(|row| &row.counts).map(|count| count.count).sum::<u64>()
        };
        let tally = bench.counts.subscribe_tallies().borrow().lines[0].clone();
        let all = [BucketSize::Minutes(5), BucketSize::Hour, BucketSize::Day, BucketSize::Total].map(of);
        assert!(all.iter().all(|sum| *sum == tally.count_in + tally.count_out), "{all:?}, {tally:?}");
        assert_eq!(reader.crossing_sums(&query).expect("read"), (tally.count_in, tally.count_out));
        assert_eq!((tally.total_in, tally.total_out), (3, 1), "totals never fall");
        (tally.count_in, tally.count_out, tally.inside)
    };
    assert_eq!(sums(&bench), (3, 1, 2));
    let marked = mark(&mut bench, 2, CrossingMark::Excluded).expect("it is marked");
    assert!(marked.is_wrong && marked.is_excluded && marked.seq > 4);
    assert_eq!(sums(&bench), (2, 1, 1));
    let query = CrossingsQuery { after: Some(4), ..every(Scene::Camera) };
    let since = |bench: &Bench| bench.reader().changes(&query).expect("read");
    assert!(matches!(&since(&bench)[..], [CrossingChange::Stored(one)] if one.id == 2 && one.is_excluded));
    assert_eq!(bench.all().len(), 4, "it is kept");
    let wrong = mark(&mut bench, 2, CrossingMark::Wrong).expect("it is marked");
    assert!(wrong.is_wrong && !wrong.is_excluded && wrong.seq > marked.seq);
    assert_eq!(sums(&bench), (3, 1, 2));
    assert_eq!(mark(&mut bench, 2, CrossingMark::Wrong).expect("again").seq, wrong.seq);
    assert!(matches!(
        mark(&mut bench, 9, CrossingMark::Wrong),
        Err(EditError::Unknown { what: "crossing", id: 9 })
    ));
    mark(&mut bench, 1, CrossingMark::Excluded).expect("it is marked");
    bench.edit(|counts| async move { counts.reset(None).await }).expect("it is reset");
    bench.record(line, Direction::In, 1);
    let tally = bench.counts.subscribe_tallies().borrow().lines[0].clone();
    assert_eq!((tally.count_in, tally.count_out, tally.inside), (1, 0, 1), "it is subtracted once");
    bench.assert_sound();
}

#[test]
fn a_camera_that_comes_and_goes_fills_no_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
    let line = bench.draw("Door", Scene::Camera).id;
    bench.writer.limit_growth(0);
    bench.record(line, Direction::In, 5_000);
    let most = super::writer::MOST_HELD_COVERS;
    for n in 0..3 * most {
        bench.clock.pass(S);
        let cover = if n % 2 == 0 { Coverage::Counting(Scene::Camera) } else { Coverage::Not("unplugged") };
        bench.counts.set_coverage(cover);
        bench.turn();
        assert!(bench.writer.held() <= most + 2, "{} are held", bench.writer.held());
    }
    bench.writer.limit_growth(1_000_000);
    bench.clock.pass(S);
    bench.turn();
    let now = MONDAY + (3 * most as u64 + 1) * S;
    let rows = bench.reader().counts(&chart(BucketSize::Total, MONDAY, now)).expect("read");
    // Every other second of the first thousand, none of the rest; the last state is "unplugged".
    let counted = rows[0].covered * (rows[0].end_us.min(now) - rows[0].start_us) as f64 / S as f64;
    assert!((counted - most as f64 / 2.0).abs() <= 1.5, "{counted} s");
    let gaps = bench.reader().gaps(Scene::Camera, MONDAY, now).expect("read");
    assert!(gaps.iter().any(|gap| gap.why == "counts_db" && gap.to_us - gap.from_us >= 1900 * S), "{gaps:?}");
    assert_eq!(gaps.last().map(|gap| (gap.why.as_str(), gap.to_us)), Some(("unplugged", now)));
}

#[test]
fn another_calendar_rebuilds_the_sums() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let line = bench.draw("Door", Scene::Camera).id;
    for _ in 0..48 {
        clock.pass(HOUR);
        bench.record(line, Direction::In, 3);
    }
    drop(bench);
    let mut last = None;
    for (zone, day_starts) in [(LORD_HOWE, 4), (BERLIN, 0), ("<+0545>-5:45", 23)] {
        let bench = Bench::of(settings(folder.path(), zone, day_starts), &clock);
        bench.assert_sound();
        let rows = bench.reader().counts(&chart(BucketSize::Day, MONDAY, MONDAY + 72 * HOUR)).expect("read");
        assert_eq!(rows.iter().flat_map(|row| &row.counts).map(|count| count.count).sum::<u64>(), 144);
        assert_ne!(last.as_ref(), Some(&rows));
        last = Some(rows);
        let other = settings(folder.path(), "UTC0", day_starts);
        assert!(CountsReader::open(&other).is_err(), "sums of one calendar are not shown as another's");
        assert!(CountsReader::open(&settings(folder.path(), zone, day_starts)).is_ok());
    }
}

#[test]
fn the_calendar_and_the_name_change_while_it_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let line = bench.draw("Door", Scene::Camera).id;
    for _ in 0..30 {
        clock.pass(HOUR);
        bench.record(line, Direction::In, 2);
    }
    let before = bench.reader();
    for (n, (zone, day_starts)) in [(LORD_HOWE, 4), ("<+0545>-5:45", 23), (BERLIN, 0)].into_iter().enumerate()
    {
        let to = TimeZone::posix(zone).expect("rules of a zone");
        bench.edit(|counts| async move { counts.set_calendar(to, day_starts).await }).expect("it is another");
        assert_eq!(bench.counts.calendars(), n as u64 + 1);
        bench.record(line, Direction::In, 1);
        bench.assert_sound();
        let rows = bench.reader().counts(&chart(BucketSize::Day, MONDAY, MONDAY + 72 * HOUR)).expect("read");
        let sum = rows.iter().flat_map(|row| &row.counts).map(|count| count.count).sum::<u64>();
        assert_eq!(sum, 61 + n as u64);
        assert!(CountsReader::open(&settings(folder.path(), zone, day_starts)).is_ok());
        // Today's tallies equal those of a new start.
        let told = bench.counts.subscribe_tallies().borrow().clone();
        let today =
            bench.writer.board.load_tallies(&bench.writer.connection, &bench.writer.all_lines).expect("read");
        assert_eq!(*told, today);
    }
    drop(before);
    bench.edit(|counts| async move { counts.set_camera(String::from("gate")).await }).expect("it is renamed");
    assert!(bench.all().iter().all(|crossing| &*crossing.camera == "gate"));
}

#[test]
fn a_saved_file_of_every_version_is_opened() {
    // One file per version; the newest is added with its migration.
    let versions = [
        (include_str!("../../../../tests/data/counts-v1.sql"), 3),
        // A recount that found nothing replaced the newest of its crossings.
        (include_str!("../../../../tests/data/counts-v2.sql"), 4),
        (include_str!("../../../../tests/data/counts-v3.sql"), 4),
        (include_str!("../../../../tests/data/counts-v4.sql"), 4),
        (include_str!("../../../../tests/data/counts-v5.sql"), 4),
        (include_str!("../../../../tests/data/counts-v6.sql"), 4),
        // The time of its second crossing was corrected.
        (include_str!("../../../../tests/data/counts-v7.sql"), 4),
        (include_str!("../../../../tests/data/counts-v8.sql"), 4),
        // It has a check.
        (include_str!("../../../../tests/data/counts-v9.sql"), 4),
        // It has a stay, a movement map, a distance, and a size on the ground.
        (include_str!("../../../../tests/data/counts-v10.sql"), 4),
    ];
    let mut ledgers = std::collections::BTreeSet::new();
    for (saved, next) in versions {
        let folder = tempfile::tempdir().expect("a folder");
        let connection = rusqlite::Connection::open(folder.path().join("counts.db")).expect("made");
        connection.execute_batch(saved).expect("filled");
        drop(connection);
        let clock = Script::new(MONDAY + 120 * S);
        let mut bench = Bench::open(folder.path(), &clock);
        bench.assert_sound();
        let all = bench.all();
        assert_eq!(
            all.iter().map(|c| (c.id, c.track, c.time_us - MONDAY)).collect::<Vec<_>>(),
            [(1, 4, 2 * S), (2, 5, 3 * S)]
        );
        assert_eq!(bench.reader().thumbnail(2).expect("read").map(|jpeg| jpeg.len()), Some(4));
        let lines = bench.counts.lines().borrow().clone();
        assert_eq!((lines[0].version, lines[0].moved_us), (2, Some(MONDAY + S)));
        assert_eq!(bench.counts.zones().borrow().len(), 1);
        let found = bench.reader().newest_checks().expect("read").first().map(|check| check.found);
        assert_eq!(found, saved.contains("INSERT INTO checks").then_some(1));
        let has_stay = saved.contains("INSERT INTO stays");
        assert_eq!(bench.rows("SELECT count(*) FROM stays"), i64::from(has_stay));
        assert_eq!(bench.counts.zones().borrow()[0].ground, has_stay.then_some([4.0, 7.5]));
        assert_eq!(bench.counts.setting("model").as_deref(), Some("nano"));
        let tally = bench.counts.subscribe_tallies().borrow().lines[0].clone();
        assert_eq!((tally.count_in, tally.count_out), (0, 1), "it was reset between the two");
        assert_eq!((tally.total_in, tally.total_out), (1, 1));
        assert!(bench.counts.ledger().len() == 16 && ledgers.insert(bench.counts.ledger()));
        assert_eq!(bench.reader().gaps(Scene::Camera, MONDAY, u64::MAX).expect("read").len(), 1);
        // It can be written to.
        bench.record(1, Direction::In, 1);
        assert_eq!(bench.all().last().map(|crossing| crossing.id), Some(next));
        bench.assert_sound();
        assert_eq!(bench.rows("SELECT count(*) FROM superseded"), next as i64 - 3);
    }
}

#[test]
fn pages_follow_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let (door, gate) = (bench.draw("Door", Scene::Camera).id, bench.draw("Gate", Scene::Camera).id);
    for at in 0..30 {
        clock.pass(2 * HOUR);
        bench.record(if at % 3 == 0 { gate } else { door }, Direction::In, 4);
    }
    let reader = bench.reader();
    for oldest_first in [true, false] {
        let mut query = CrossingsQuery {
            lines: vec![door],
            from_us: Some(MONDAY + 10 * HOUR),
            to_us: Some(MONDAY + 50 * HOUR),
            oldest_first,
            limit: 7,
            ..every(Scene::Camera)
        };
        let mut seen = Vec::new();
        loop {
            let page = reader.crossings(&query).expect("read");
            let Some(last) = page.last() else { break };
            query.after = Some(last.id);
            seen.extend(page.into_iter().map(|crossing| crossing.id));
        }
        let mut naive: Vec<u64> = bench
            .all()
            .into_iter()
            .filter(|c| c.line_id == door && (MONDAY + 10 * HOUR..MONDAY + 50 * HOUR).contains(&c.time_us))
            .map(|c| c.id)
            .collect();
        if !oldest_first {
            naive.reverse();
        }
        assert_eq!(seen, naive);
        assert!(!seen.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// For any crossings, over clock changes, offered once or twice: sums equal a naive count, for every size of
    /// bucket.
    #[test]
    fn sums_equal_a_naive_count(
        zone in prop::sample::select(vec![BERLIN, LORD_HOWE, "<+0545>-5:45", "EST5EDT,M3.2.0,M11.1.0", "UTC0"]),
        day_starts in 0u8..24,
        steps in prop::collection::vec((0u64..3 * 86_400, 1usize..4, 0u8..4), 1..40),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        // 2026-09-15: the clock changes of autumn are ahead.
        let start = 1_789_430_400 * S;
        let clock = Script::new(start);
        let mut bench = Bench::of(settings(folder.path(), zone, day_starts), &clock);
        let lines = [bench.draw("Door", Scene::Camera).id, bench.draw("Gate", Scene::Camera).id];
        let mut sent = Vec::new();
        for (pass, count, kind) in steps {
            clock.pass(pass * S);
            let direction = if kind & 1 == 0 { Direction::In } else { Direction::Out };
            for _ in 0..count {
                let mut new = bench.crossing(lines[usize::from(kind >> 1)], direction);
                new.class = Arc::from(if count == 3 { "car" } else { "person" });
                sent.push(new.clone());
                bench.counts.record(vec![new]).expect("there is room");
            }
            bench.turn();
        }
        for index in again {
            bench.counts.record(vec![sent[index.index(sent.len())].clone()]).expect("there is room");
        }
        bench.turn();
        prop_assert_eq!(bench.reader().check().expect("read"), Vec::<String>::new());
        let all = bench.all();
        prop_assert_eq!(all.len(), sent.len());
        let end = clock.with(|clock| clock.wall) + 1;
        for size in [BucketSize::Hour, BucketSize::Day, BucketSize::Week, BucketSize::Month, BucketSize::Total] {
            let rows = bench.reader().counts(&chart(size, start, end)).expect("read");
            prop_assert!(rows.windows(2).all(|pair| pair[0].end_us == pair[1].start_us));
            for row in &rows {
                let mut naive: BTreeMap<(u64, Arc<str>, Direction), u64> = BTreeMap::new();
                for c in all.iter().filter(|c| row.start_us <= c.time_us && c.time_us < row.end_us) {
                    *naive.entry((c.line_id, Arc::clone(&c.class), c.direction)).or_insert(0) += 1;
                }
                let told = row.counts.iter().map(|c| ((c.line_id, Arc::clone(&c.class), c.direction), c.count));
                prop_assert_eq!(told.collect::<BTreeMap<_, _>>(), naive);
            }
        }
        // Spans that begin and end anywhere, without what is excluded.
        for id in [all[0].id, all[all.len() - 1].id] {
            bench
                .edit(move |counts| async move { counts.mark_crossing(id, CrossingMark::Excluded).await })
                .expect("it is marked");
        }
        let (all, reader) = (bench.all(), bench.reader());
        let inner = [start + HOUR / 2 + 7, start + 2 * HOUR, start + 100 * HOUR + 3, end - HOUR / 3];
        let ends: Vec<u64> = [&[0, start][..], &inner, &[end, u64::MAX]].concat();
        let filters = [
            (vec![], vec![], None),
            (vec![lines[0]], vec![], Some(Direction::Out)),
            (vec![], vec![String::from("car")], None),
        ];
        for (from_us, to_us) in ends.iter().flat_map(|&from_us| ends.iter().map(move |&to_us| (from_us, to_us))) {
            for (lines, classes, direction) in filters.clone() {
                let is_found = |c: &&StoredCrossing| {
                    !c.is_excluded
                        && from_us <= c.time_us
                        && c.time_us < to_us
                        && (lines.is_empty() || lines.contains(&c.line_id))
                        && (classes.is_empty() || classes.iter().any(|class| **class == *c.class))
                        && direction.is_none_or(|direction| direction == c.direction)
                };
                let (ins, outs): (Vec<_>, Vec<_>) =
                    all.iter().filter(is_found).partition(|c| c.direction == Direction::In);
                let naive = (ins.len() as u64, outs.len() as u64);
                let (from_us, to_us) = (Some(from_us), Some(to_us));
                let query =
                    CrossingsQuery { from_us, to_us, lines, classes, direction, ..every(Scene::Camera) };
                prop_assert_eq!(reader.crossing_sums(&query).expect("read"), naive, "{:?}", query);
            }
        }
    }
}

/// A recount with crossings of a line at these seconds after Monday ten o'clock.
fn recount(line: &LineRow, spans: &[(u64, u64)], found: &[(u64, Direction)]) -> Recount {
    let found = found.iter().enumerate().map(|(at, &(second, direction))| FoundAgain {
        line: line.id,
        track: at as u64 + 1,
        ordinal: 1,
        class: Arc::from("person"),
        direction,
        score: 0.75,
        time_us: MONDAY + second * S,
    });
    Recount {
        scene: Scene::Camera,
        camera: String::from("door"),
        recording: String::from("recording 7, door.mp4"),
        model: String::from("nano"),
        is_time_sure: true,
        spans: spans.iter().map(|&(from, to)| (MONDAY + from * S, MONDAY + to * S)).collect(),
        lines: vec![(line.id, line.version)],
        crossings: found.collect(),
    }
}

impl Bench {
    fn recount(&mut self, recount: Recount) -> Result<RecountResult, EditError> {
        self.edit(|counts| async move { counts.recount(recount).await })
    }

    /// Second and direction of every counted crossing, by time.
    fn seconds(&self) -> Vec<(u64, Direction)> {
        let all = self.all().into_iter();
        let mut all: Vec<_> = all.map(|c| ((c.time_us - MONDAY) / S, c.direction)).collect();
        all.sort_unstable();
        all
    }

    fn rows(&self, query: &str) -> i64 {
        let file = rusqlite::Connection::open(self.writer.file()).expect("opened");
        file.query_row(query, [], |row| row.get(0)).expect("a number")
    }
}

#[test]
fn a_recount_replaces_the_crossings_of_its_line_and_time_only() {
    use Direction::{In, Out};
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let (line, other) = (bench.draw("Door", Scene::Camera), bench.draw("Gate", Scene::Camera));
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    bench.turn();
    let mut committed = bench.counts.subscribe_crossings();
    // Live: the door at 1, 2 … 9 s, the gate at 5 s.
    for second in 1..10 {
        clock.pass(S);
        bench.record(line.id, In, 1);
        if second == 5 {
            bench.record(other.id, Out, 1);
        }
    }
    let live: Vec<u64> = std::iter::from_fn(|| committed.try_recv().ok()).map(|c| c.id).collect();
    assert_eq!(live.len(), 10);
    let totals = bench.counts.totals();
    // Frames from 2 to 4 s and from 6 to 8 s. Crossings in the gap stay, and so do the gate's.
    let found = recount(&line, &[(2, 4), (6, 8)], &[(3, Out), (7, In), (8, In)]);
    let made = bench.recount(found.clone()).expect("it is made");
    assert_eq!((made.id, made.superseded, made.counted), (Some(1), 6, 3));
    let now = [(1, In), (3, Out), (5, In), (5, Out), (7, In), (8, In), (9, In)];
    assert_eq!(bench.seconds(), now);
    bench.assert_sound();
    assert!(committed.try_recv().is_err(), "recounted crossings are no new events");
    assert_eq!(bench.counts.totals(), totals, "they never fall while it runs");
    let tally = bench.counts.subscribe_tallies().borrow().lines[0].clone();
    assert_eq!((tally.count_in, tally.count_out), (5, 1));
    assert_eq!(bench.rows("SELECT count(*) FROM superseded"), 6, "no crossing is deleted");
    // The same again, also with its crossings in another order, changes nothing.
    let mut again = found.clone();
    again.crossings.reverse();
    for again in [found.clone(), again] {
        let made = bench.recount(again).expect("it is taken");
        assert_eq!((made.id, made.superseded, made.counted), (None, 0, 0));
    }
    assert_eq!((bench.seconds(), bench.rows("SELECT count(*) FROM superseded")), (now.to_vec(), 6));
    // Another model gives another count, which replaces the last one.
    let made = bench.recount(recount(&line, &[(2, 4), (6, 8)], &[])).expect("it is made");
    assert_eq!((made.id, made.superseded, made.counted), (Some(2), 3, 0));
    assert_eq!(bench.seconds(), [(1, In), (5, In), (5, Out), (9, In)]);
    bench.assert_sound();
    // New crossings get new numbers, and are announced.
    clock.pass(S);
    bench.record(line.id, Out, 1);
    assert_eq!(committed.try_recv().map(|c| (c.time_us - MONDAY) / S), Ok(10));
    drop(bench);
    // The next run finds the same.
    let bench = Bench::open(folder.path(), &clock);
    assert_eq!(bench.seconds().len(), 5);
    bench.assert_sound();
}

#[test]
fn a_recount_respects_resets_and_fills_gaps() {
    use Direction::{In, Out};
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let (line, other) = (bench.draw("Door", Scene::Camera), bench.draw("Gate", Scene::Camera));
    bench.counts.set_coverage(Coverage::Not("no_model"));
    clock.pass(30 * S);
    bench.turn();
    let id = line.id;
    bench.edit(|counts| async move { counts.reset(Some(id)).await }).expect("it is reset");
    clock.pass(30 * S);
    bench.turn();
    let gaps = |bench: &Bench| {
        let gaps = bench.reader().gaps(Scene::Camera, MONDAY, MONDAY + 60 * S).expect("read").into_iter();
        gaps.map(|gap| ((gap.from_us - MONDAY) / S, (gap.to_us - MONDAY) / S)).collect::<Vec<_>>()
    };
    assert_eq!(gaps(&bench), [(0, 60)]);
    bench.recount(recount(&line, &[(10, 50)], &[(20, In), (40, In), (45, Out)])).expect("it is made");
    assert_eq!(gaps(&bench), [(0, 10), (50, 60)], "recounted time is no gap");
    // A recount without crossings covers a gap, and does so only once.
    let none = || recount(&line, &[(52, 55)], &[]);
    assert_eq!(bench.recount(none()).expect("it is made").id, Some(2));
    assert_eq!(gaps(&bench), [(0, 10), (50, 52), (55, 60)]);
    assert_eq!(bench.recount(none()).expect("it is taken").id, None);
    // The other line was not recounted.
    let by_line =
        bench.reader().gaps_by_line(Scene::Camera, &[], MONDAY, MONDAY + 60 * S).expect("read").by_line;
    let of = |from: u64, to: u64| Gap {
        from_us: MONDAY + from * S,
        to_us: MONDAY + to * S,
        why: String::from("no_model"),
    };
    assert_eq!(by_line, [(line, vec![]), (other, vec![of(10, 50), of(52, 55)])]);
    // It is before the reset, though found later, so it is not among today's sums.
    let tally = bench.counts.subscribe_tallies().borrow().lines[0].clone();
    assert_eq!((tally.count_in, tally.count_out), (1, 1));
    bench.assert_sound();
}

#[test]
fn a_recount_of_moments_leaves_the_gaps_between() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let (door, gate) = (bench.draw("Door", Scene::Camera), bench.draw("Gate", Scene::Camera));
    bench.counts.set_coverage(Coverage::Not("off"));
    clock.pass(60 * S);
    bench.turn();
    // A camera that comes and goes: each of its recordings is shorter than the shortest gap in a report.
    let moment = |number: u64| (MONDAY + 2 * number * S, MONDAY + 2 * number * S + 9 * S / 10);
    let moments = Recount { spans: (1..=20).map(moment).collect(), ..recount(&door, &[(0, 1)], &[]) };
    bench.recount(moments.clone()).expect("it is made");
    assert_eq!(bench.recount(moments).expect("it is known").id, None);
    let gaps = bench.reader().gaps_by_line(Scene::Camera, &[], MONDAY, MONDAY + 60 * S).expect("read");
    let sum = |gaps: &[Gap]| gaps.iter().map(|gap| gap.to_us - gap.from_us).sum::<u64>();
    assert_eq!((gaps.all.len(), sum(&gaps.all)), (21, 42 * S));
    let own: Vec<(u64, usize, u64)> =
        gaps.by_line.iter().map(|(line, own)| (line.id, own.len(), sum(own))).collect();
    assert_eq!(own, [(door.id, 0, 0), (gate.id, 20, 18 * S)]);
    bench.assert_sound();
}

#[test]
fn an_invalid_recount_is_refused_whole() {
    use Direction::In;
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let (line, sim) = (bench.draw("Door", Scene::Camera), bench.draw("Street", Scene::Sim));
    clock.pass(S);
    bench.record(line.id, In, 1);
    let good = recount(&line, &[(0, 10)], &[(3, In)]);
    let changed = |change: &dyn Fn(&mut Recount)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    let wrong = [
        changed(&|r| r.lines.clear()),
        changed(&|r| r.lines[0].1 += 1),
        changed(&|r| r.lines[0].0 = 99),
        changed(&|r| r.lines.push((sim.id, sim.version))),
        changed(&|r| r.lines.push(r.lines[0])),
        changed(&|r| r.spans.clear()),
        changed(&|r| r.spans.push((MONDAY + 5 * S, MONDAY + 20 * S))),
        changed(&|r| r.spans[0] = (MONDAY + 10 * S, MONDAY)),
        changed(&|r| r.spans[0].1 = u64::MAX),
        changed(&|r| r.crossings[0].time_us = MONDAY + 11 * S),
        changed(&|r| r.crossings[0].line = sim.id),
        changed(&|r| r.crossings[0].ordinal = 0),
        changed(&|r| r.crossings[0].class = Arc::from("")),
        changed(&|r| r.crossings.push(r.crossings[0].clone())),
        changed(&|r| r.crossings = vec![r.crossings[0].clone(); MOST_RECOUNTED + 1]),
        changed(&|r| r.model = String::from("a\nb")),
    ];
    for (at, wrong) in wrong.into_iter().enumerate() {
        assert!(bench.recount(wrong).is_err(), "{at}");
    }
    assert_eq!(bench.seconds(), [(1, In)]);
    assert_eq!(bench.rows("SELECT (SELECT count(*) FROM recounts) + (SELECT count(*) FROM superseded)"), 0);
    let line_id = line.id;
    bench.edit(|counts| async move { counts.delete_line(line_id, None).await }).expect("deleted");
    assert!(bench.recount(good).is_err(), "counts of a deleted line stay");
    bench.assert_sound();
}

#[test]
fn a_recount_of_equal_sums_is_found_by_the_next_one() {
    use Direction::In;
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let line = bench.draw("Door", Scene::Camera);
    for _ in 0..8 {
        clock.pass(S);
        bench.record(line.id, In, 1);
    }
    clock.pass(20 * S);
    for shift in [2, 3, 4] {
        let found: Vec<_> = (0..8).map(|n| (n + shift, In)).collect();
        let made = bench.recount(recount(&line, &[(0, 20)], &found)).expect("it is made");
        assert_eq!((made.superseded, made.counted), (8, 8));
        bench.assert_sound();
        assert_eq!(bench.seconds(), found);
        // A page of the day has them, too.
        let query = CrossingsQuery { from_us: Some(MONDAY), lines: vec![line.id], ..every(Scene::Camera) };
        assert_eq!(bench.reader().crossings(&query).expect("read").len(), 8);
    }
}

#[test]
fn crossings_that_recounts_of_version_2_doubled_count_once() {
    // The state that the program of that time left. Recount 2 found one for one, so the day's bounds missed its
    // crossing 4. Recount 3 did not see that crossing and added its own; recount 4 confirmed 3. Recounts 5 and 6 are
    // about another time: 6 covers more and found the same.
    let later = "
        INSERT INTO runs SELECT value, 1, 'door', 1 FROM json_each('[3, 4, 5, 6, 7]');
        INSERT INTO recounts SELECT value - 1, value, 'camera', 'recording 7, door.mp4', 'nano', '[[1,2]]',
          150000000, 1780308050000000, 1 FROM json_each('[3, 4, 5, 6, 7]');
        INSERT INTO superseded SELECT id, 2, run, scene, line, track, ordinal, class, direction, score, mono_us, \
        wall_us,
          sure, NULL FROM crossings WHERE id = 1;
        DELETE FROM crossings WHERE id = 1;
        INSERT INTO recount_spans VALUES (2, 'camera', 1780308002000000, 1780308002900000),
          (3, 'camera', 1780308002000000, 1780308002900000), (4, 'camera', 1780308001900000, 1780308002900000),
          (5, 'camera', 1780308010000000, 1780308012000000), (6, 'camera', 1780308010000000, 1780308013000000);
        INSERT INTO crossings VALUES
          (4, 3, 'camera', 1, 1, 1, 'person', 'in', 0.75, 102000001, 1780308002000001, 1),
          (5, 4, 'camera', 1, 1, 1, 'person', 'in', 0.75, 102000002, 1780308002000002, 1),
          (6, 6, 'camera', 1, 1, 1, 'person', 'in', 0.75, 111000000, 1780308011000000, 1);
        INSERT INTO thumbnails VALUES (4, x'ffd8ffd9');
        UPDATE hourly SET count = 3 WHERE direction = 'in';
        UPDATE daily SET count = 3, first = 1, last = 1 WHERE direction = 'in';";
    let folder = tempfile::tempdir().expect("a folder");
    let connection = rusqlite::Connection::open(folder.path().join("counts.db")).expect("made");
    connection.execute_batch(include_str!("../../../../tests/data/counts-v2.sql")).expect("filled");
    connection.execute_batch(later).expect("filled");
    drop(connection);
    let bench = Bench::open(folder.path(), &Script::new(MONDAY + 120 * S));
    bench.assert_sound();
    assert_eq!(bench.all().iter().map(|c| c.id).collect::<Vec<_>>(), [2, 5, 6]);
    // No crossing is deleted.
    assert_eq!(bench.rows("SELECT recount FROM superseded WHERE id = 4 AND jpeg = x'ffd8ffd9'"), 3);
    assert_eq!(bench.rows("SELECT sum(count) FROM daily"), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However often and with whatever result a time is recounted, only the last recount counts. Pages of any time
    /// have exactly its rows, and the file is sound.
    #[test]
    fn the_last_recount_counts(
        steps in prop::collection::vec(
            (0u64..60 * 3600, 1u64..12 * 3600, prop::collection::vec((0u64..100, any::<bool>()), 0..6), any::<bool>()),
            1..12,
        ),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Script::new(MONDAY);
        let mut bench = Bench::open(folder.path(), &clock);
        let (line, _other) = (bench.draw("Door", Scene::Camera), bench.draw("Gate", Scene::Camera));
        bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
        let mut expected: Vec<(u64, Direction)> = Vec::new();
        let way = |is_in| if is_in { Direction::In } else { Direction::Out };
        for (from, length, found, is_live) in steps {
            if is_live {
                clock.pass(length * S);
                let at = clock.with(|clock| clock.wall - MONDAY) / S;
                for &(_, is_in) in &found {
                    bench.record(line.id, way(is_in), 1);
                    expected.push((at, way(is_in)));
                }
            } else {
                let within = |second: u64| (from..=from + length).contains(&second);
                let found: Vec<_> =
                    found.iter().map(|&(part, is_in)| (from + length * part / 100, way(is_in))).collect();
                bench.recount(recount(&line, &[(from, from + length)], &found)).expect("it is made");
                expected.retain(|&(second, _)| !within(second));
                expected.extend(found);
            }
            expected.sort_unstable();
            bench.assert_sound();
            for day in 0..5 {
                let (from_us, to_us) = (MONDAY + day * 24 * HOUR, MONDAY + (day + 1) * 24 * HOUR);
                let query =
                    CrossingsQuery { from_us: Some(from_us), to_us: Some(to_us), ..every(Scene::Camera) };
                let page = bench.reader().crossings(&query).expect("read").into_iter();
                let mut page: Vec<_> = page.map(|c| ((c.time_us - MONDAY) / S, c.direction)).collect();
                page.sort_unstable();
                let of_day = |second: u64| (from_us..to_us).contains(&(MONDAY + second * S));
                let right: Vec<_> = expected.iter().copied().filter(|&(second, _)| of_day(second)).collect();
                prop_assert_eq!(page, right);
            }
        }
    }
}

#[test]
fn a_recount_of_an_unsure_time_moves_with_its_boot() {
    use Direction::In;
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    clock.with(|clock| clock.is_synchronised = false);
    let mut bench = Bench::open(folder.path(), &clock);
    let line = bench.draw("Door", Scene::Camera);
    clock.pass(20 * S);
    let unsure = Recount { is_time_sure: false, ..recount(&line, &[(2, 10)], &[(3, In)]) };
    bench.recount(unsure).expect("it is made");
    assert_eq!(bench.seconds(), [(3, In)]);
    clock.with(|clock| {
        clock.wall += HOUR;
        clock.is_synchronised = true;
    });
    bench.turn();
    assert_eq!(bench.seconds(), [(3603, In)]);
    bench.assert_sound();
}

/// A consumer of the changes, which knows nothing else.
#[derive(Default)]
struct Follower {
    rows: BTreeMap<u64, StoredCrossing>,
    cursor: u64,
}

impl Follower {
    /// Reads a page. False if there was nothing.
    fn poll(&mut self, reader: &CountsReader, limit: usize) -> bool {
        let asked = CrossingsQuery { after: Some(self.cursor), ..CrossingsQuery::newest(None, limit) };
        let page = reader.changes(&asked).expect("read");
        assert!(page.len() <= limit && page.is_sorted_by(|one, next| one.seq() < next.seq()));
        for change in &page {
            assert!(change.seq() > self.cursor);
            self.cursor = change.seq();
            match change {
                CrossingChange::Stored(crossing) => self.rows.insert(crossing.id, crossing.clone()),
                CrossingChange::Gone(gone) => self.rows.remove(&gone.id),
            };
        }
        !page.is_empty()
    }
}

/// Lifetime totals by line, in and out.
fn totals(bench: &Bench) -> BTreeMap<u64, [u64; 2]> {
    let tallies = bench.counts.subscribe_tallies().borrow().clone();
    tallies.lines.iter().map(|line| (line.line_id, [line.total_in, line.total_out])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A consumer that continues from its last place ends with exactly the stored rows, after any changes. No total
    /// falls.
    #[test]
    fn who_follows_the_changes_has_what_is_stored(
        steps in prop::collection::vec((0u8..12, 1u64..9000, 1usize..6), 1..50),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Script::new(2 * HOUR);
        clock.with(|clock| clock.is_synchronised = false);
        let mut bench = Bench::open(folder.path(), &clock);
        let lines = [bench.draw("Door", Scene::Camera), bench.draw("Gate", Scene::Camera)];
        let mut resets = Vec::new();
        let mut follower = Follower::default();
        let mut highest = BTreeMap::new();
        let ledger = bench.counts.ledger();
        for (kind, time, count) in steps {
            let (line, way) = (&lines[count % 2], if time % 3 == 0 { Direction::Out } else { Direction::In });
            clock.pass(time % 100 * S);
            match kind {
                0..=3 => bench.record(line.id, way, count),
                4 => clock.with(|clock| clock.wall = MONDAY + (time << 2) * S),
                5 => clock.with(|clock| clock.is_synchronised = time % 4 == 0),
                6 | 7 => {
                    let now = clock.with(|clock| clock.wall.saturating_sub(MONDAY)) / S;
                    let from = now.saturating_sub(time % 500);
                    let found: Vec<_> = (0..count as u64 - 1).map(|at| (from + at, way)).collect();
                    let sure = Recount { is_time_sure: time % 2 == 0, ..recount(line, &[(from, from + 200)], &found) };
                    drop(bench.recount(sure));
                }
                8 => resets.extend(bench.edit(|counts| async move { counts.reset(None).await })),
                9 => {
                    if let Some(reset) = resets.pop() {
                        bench.edit(|counts| async move { counts.undo_reset(reset.id).await }).expect("undone");
                    }
                }
                10 if time % 5 == 0 => {
                    let id = line.id;
                    drop(bench.edit(|counts| async move { counts.delete_line(id, None).await }));
                }
                10 => {
                    drop(bench);
                    if time % 2 == 0 {
                        clock.with(|clock| {
                            clock.boot.push('x');
                            (clock.mono, clock.is_synchronised) = (100 * S, false);
                        });
                    }
                    bench = Bench::open(folder.path(), &clock);
                    bench.tracks = 1_000_000 * time;
                }
                _ => drop(follower.poll(&bench.reader(), count)),
            }
            bench.turn();
            for (line, now) in totals(&bench) {
                let before = highest.insert(line, now).unwrap_or_default();
                prop_assert!(now[0] >= before[0] && now[1] >= before[1], "{before:?} {now:?}");
            }
        }
        let reader = bench.reader();
        while follower.poll(&reader, 3) {}
        let stored = reader.crossings(&every(Scene::Camera)).expect("read");
        prop_assert!(stored.iter().all(|crossing| *crossing.ledger == *ledger));
        prop_assert_eq!(follower.rows.into_values().collect::<Vec<_>>(), stored);
        bench.assert_sound();
    }
}

#[test]
fn what_was_taken_back_or_corrected_is_told_to_whoever_has_it() {
    use Direction::{In, Out};
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY - HOUR);
    clock.with(|clock| clock.is_synchronised = false);
    let mut bench = Bench::open(folder.path(), &clock);
    let line = bench.draw("Door", Scene::Camera);
    bench.record(line.id, In, 3);
    let told = |bench: &Bench, after| {
        let all = CrossingsQuery { after: Some(after), ..every(Scene::Camera) };
        let changes = bench.reader().changes(&all).expect("read").into_iter();
        let told = changes.map(|change| match change {
            CrossingChange::Stored(crossing) => (crossing.seq, crossing.id, Some(crossing.time_us)),
            CrossingChange::Gone(gone) => (gone.seq, gone.id, None),
        });
        told.collect::<Vec<_>>()
    };
    let before = Some(MONDAY - HOUR);
    assert_eq!(told(&bench, 1), [(2, 2, before), (3, 3, before)]);
    clock.with(|clock| {
        clock.wall = MONDAY;
        clock.is_synchronised = true;
    });
    bench.turn();
    let now = Some(MONDAY);
    assert_eq!(told(&bench, 3), [(4, 1, now), (5, 2, now), (6, 3, now)]);
    assert_eq!(told(&bench, 0), told(&bench, 3), "each has one place");
    clock.pass(20 * S);
    bench.record(line.id, Out, 1);
    bench.recount(recount(&line, &[(0, 10)], &[(3, In)])).expect("it is made");
    let gone = [(8, 1, None), (9, 2, None), (10, 3, None)];
    assert_eq!(told(&bench, 7), [&gone[..], &[(11, 11, Some(MONDAY + 3 * S))]].concat());
    assert_eq!(told(&bench, 9), told(&bench, 7)[2..]);
    assert_eq!(totals(&bench)[&line.id], [3, 1], "a recount lowers no total");
    bench.record(line.id, In, 3);
    assert_eq!(totals(&bench)[&line.id], [4, 1]);
    let reset = bench.edit(|counts| async move { counts.reset(None).await }).expect("reset");
    assert_eq!(totals(&bench)[&line.id], [4, 1]);
    bench.edit(|counts| async move { counts.undo_reset(reset.id).await }).expect("undone");
    drop(bench);
    clock.pass(24 * HOUR);
    let bench = Bench::open(folder.path(), &clock);
    assert_eq!(totals(&bench)[&line.id], [4, 1]);
    bench.assert_sound();
}

#[test]
fn a_restored_file_has_another_ledger() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let ledger = Bench::open(folder.path(), &clock).counts.ledger();
    assert_eq!(Bench::open(folder.path(), &clock).counts.ledger(), ledger);
    let other = tempfile::tempdir().expect("a folder");
    let copy = other.path().join("counts.db");
    assert!(crate::backup::copy_counts(folder.path(), &copy, true).expect("copied"));
    assert_ne!(Bench::open(other.path(), &clock).counts.ledger(), ledger);
}

fn entry(kind: AuditKind, address: &str, monotonic_us: u64) -> AuditEntry {
    AuditEntry {
        kind,
        who: String::from("ann"),
        role: String::from("admin"),
        address: address.to_owned(),
        browser: String::from("Firefox"),
        method: String::from("PATCH"),
        route: String::from("/api/v1/settings"),
        what: String::from("changed settings: name"),
        count: 1,
        monotonic_us,
    }
}

impl Bench {
    fn audit(&mut self, kind: AuditKind, address: &str) {
        self.counts.audit(entry(kind, address, self.clock.mono()));
        self.turn();
    }

    fn audited(&self) -> Vec<AuditRow> {
        self.reader().audit(None, usize::MAX).expect("read")
    }
}

#[test]
fn the_audit_list_outlives_the_run_and_a_sum_is_one_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    bench.audit(AuditKind::SignedIn, "10.0.0.1");
    let first =
        AuditEntry { what: String::from("wrong_password"), ..entry(AuditKind::Refused, "10.0.0.2", 7) };
    bench.counts.audit(first.clone());
    bench.counts.audit(AuditEntry { count: 49, ..first.clone() });
    bench.counts.audit(AuditEntry { address: String::from("10.0.0.3"), ..first.clone() });
    bench.turn();
    bench.assert_sound();
    drop(bench);
    let bench = Bench::open(folder.path(), &clock);
    let rows = bench.audited();
    let told: Vec<_> = rows.iter().map(|row| (row.id, row.entry.address.as_str(), row.entry.count)).collect();
    assert_eq!(told, [(3, "10.0.0.3", 1), (2, "10.0.0.2", 50), (1, "10.0.0.1", 1)]);
    assert_eq!(rows[1].entry, AuditEntry { count: 50, ..first });
    assert_eq!((rows[2].time_us, rows[2].is_time_sure), (MONDAY, true));
    let page = bench.reader().audit(Some(3), 1).expect("read");
    assert_eq!(page.iter().map(|row| row.id).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_flood_of_refusals_displaces_only_refusals_and_old_rows_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
    bench.audit(AuditKind::Changed, "10.0.0.1");
    let most = super::audit::MOST_OF_A_KIND as u64;
    for n in 0..most + 10 {
        bench.counts.audit(entry(AuditKind::Refused, "10.0.0.2", bench.clock.mono() + n));
        if n % 500 == 0 {
            bench.turn();
        }
    }
    bench.turn();
    assert_eq!(bench.audited().len() as u64, most + 1);
    assert_eq!(bench.audited().last().map(|row| row.entry.kind), Some(AuditKind::Changed));
    bench.clock.pass(401 * 24 * HOUR);
    bench.audit(AuditKind::SignedIn, "10.0.0.1");
    assert_eq!(bench.audited().iter().map(|row| row.entry.kind).collect::<Vec<_>>(), [AuditKind::SignedIn]);
}

#[test]
fn the_audit_list_is_corrected_with_the_clock() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(2 * HOUR); // 1970: no battery.
    clock.with(|clock| clock.is_synchronised = false);
    let mut bench = Bench::open(folder.path(), &clock);
    bench.audit(AuditKind::SignedIn, "10.0.0.1");
    assert!(!bench.audited()[0].is_time_sure);
    clock.with(|clock| {
        clock.wall = MONDAY;
        clock.is_synchronised = true;
    });
    bench.turn();
    assert_eq!((bench.audited()[0].time_us, bench.audited()[0].is_time_sure), (MONDAY, true));
}

#[test]
fn a_full_disk_or_queue_drops_audit_entries_and_blocks_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
    let line = bench.draw("Door", Scene::Camera).id;
    bench.writer.limit_growth(0);
    bench.record(line, Direction::In, 5_000);
    assert!(bench.counts.error().is_some());
    let held = super::writer::MOST_HELD_AUDIT as u64;
    for n in 0..held + 7 {
        bench.clock.pass(1);
        bench.audit(AuditKind::Changed, &n.to_string());
    }
    assert_eq!(bench.counts.dropped_audit_rows(), 7);
    bench.writer.limit_growth(1_000_000);
    bench.turn();
    assert_eq!((bench.counts.error(), bench.audited().len() as u64), (None, held));
    // Nobody takes from the queue.
    let began = std::time::Instant::now();
    (0..2000).for_each(|n| bench.counts.audit(entry(AuditKind::Changed, "10.0.0.1", n)));
    assert!(began.elapsed() < std::time::Duration::from_secs(1));
    assert_eq!(bench.counts.dropped_audit_rows(), 7 + 2000 - 1024);
}

#[test]
fn lines_and_zones_move_with_the_picture() {
    use tallycam_camera::media::View;

    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let shown = |rotate: u16, mirror: bool| View { rotate, mirror, ..View::default() }.geometry();
    let follow = |bench: &mut Bench, geometry| {
        bench.edit(|c| async move { c.follow_picture(geometry).await }).expect("it is written")
    };
    let mut bench = Bench::open(folder.path(), &clock);
    let door = bench.edit(|c| async move {
        let draft = LineDraft { a: [0.25, 0.0], b: [0.25, 1.0], ..draft("Door") };
        c.add_line(Scene::Camera, draft).await
    });
    let zone = ZoneDraft {
        name: String::from("Hall"),
        points: vec![[0.0, 0.0], [0.5, 0.0], [0.5, 0.25]],
        classes: vec![],
        anchor: Anchor::Center,
        exclude: false,
    };
    bench.edit(|c| async move { c.add_zone(Scene::Camera, zone).await }).expect("drawn");
    bench.pin(&["Gate"], &[]).expect("pinned");
    let ends = |bench: &Bench| {
        let lines = bench.counts.lines().borrow().clone();
        let of = |name: &str| {
            let row = lines.iter().find(|row| row.draft.name == name).expect("it is there");
            (row.draft.a, row.draft.b)
        };
        (of("Door"), of("Gate"), bench.counts.zones().borrow()[0].draft.points.clone())
    };
    let before = ends(&bench);
    // A `counts.db` without a stored geometry is taken to be right.
    assert_eq!(follow(&mut bench, shown(90, false)), 0);
    assert_eq!(follow(&mut bench, shown(90, false)), 0);
    assert_eq!(ends(&bench), before);
    assert_eq!(follow(&mut bench, shown(180, false)), 2, "a line and a zone");
    let turned = ends(&bench);
    assert_eq!(turned.0, ([1.0, 0.25], [0.0, 0.25]), "a quarter clockwise");
    assert_eq!(turned.1, before.1, "the file's line stays where the file has it");
    assert_eq!(turned.2, [[1.0, 0.0], [1.0, 0.5], [0.75, 0.5]]);
    drop(bench);
    // Another configuration at the next start.
    let mut bench = Bench::open(folder.path(), &clock);
    assert_eq!(follow(&mut bench, shown(90, true)), 2);
    let mirrored = ends(&bench);
    assert_eq!(mirrored.0, ([0.75, 1.0], [0.75, 0.0]), "its ends are swapped: in stays in");
    assert_eq!(follow(&mut bench, shown(90, false)), 2);
    assert_eq!(ends(&bench), before, "and back");
    assert!(door.expect("drawn").id > 0);
    // One would be outside the picture, so none has moved.
    let part = View { rotate: 90, crop: Some([0.5, 0.0, 0.5, 1.0]), ..View::default() }.geometry();
    assert!(bench.edit(|c| async move { c.follow_picture(part).await }).is_err());
    assert_eq!(ends(&bench), before);
    assert_eq!(follow(&mut bench, shown(90, false)), 0, "the stored geometry is still this one");
}

#[test]
fn an_excluded_zone_of_the_file_may_share_its_name_with_a_drawn_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path(), &Script::new(MONDAY));
    let zone = |exclude| ZoneDraft {
        name: String::from("Screen"),
        points: vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]],
        classes: vec![],
        anchor: Anchor::Center,
        exclude,
    };
    let drawn = bench.edit(|c| async move { c.add_zone(Scene::Camera, zone(false)).await }).expect("drawn");
    let pin = |bench: &mut Bench, exclude| {
        let (counts, zones) = (bench.counts.clone(), vec![(zone(exclude), String::from("config.toml:9"))]);
        let waiting = std::thread::spawn(move || counts.pin(vec![], zones));
        while !waiting.is_finished() {
            bench.turn();
            std::thread::yield_now();
        }
        waiting.join().expect("no panic")
    };
    pin(&mut bench, true).expect("it excludes");
    assert_eq!(bench.counts.zones().borrow().len(), 2);
    let moved = ZoneDraft { points: vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0]], ..zone(false) };
    bench.edit(|c| async move { c.change_zone(drawn.id, None, moved).await }).expect("it can be changed");
    // Two counting zones with one name could not be told apart.
    assert!(
        matches!(pin(&mut bench, false), Err(EditError::Fault(fault)) if fault.what.starts_with("the zone "))
    );
}

#[test]
fn occupancy_becomes_hours_and_goes_with_its_zone() {
    const FIVE: u64 = 300 * S;
    const DAY: u64 = 86_400 * S;
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    clock.with(|clock| clock.is_synchronised = true);
    let mut bench = Bench::open(folder.path(), &clock);
    let zone = ZoneDraft {
        name: String::from("Hall"),
        points: vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]],
        classes: vec![],
        anchor: Anchor::Center,
        exclude: false,
    };
    let hall = bench.edit(|c| async move { c.add_zone(Scene::Camera, zone).await }).expect("drawn").id;
    let watch = |bench: &mut Bench, peak| {
        let span = OccupancySpan {
            zone: hall,
            scene: Scene::Camera,
            monotonic_us: bench.clock.mono(),
            watched_us: FIVE,
            inside_us: u64::from(peak) * FIVE / 2,
            peak,
            peak_after_us: 60 * S,
        };
        bench.counts.record_occupancy(vec![span]);
        bench.turn();
    };
    for n in 0..24 {
        watch(&mut bench, if n == 17 { 9 } else { 1 + n % 3 });
        clock.pass(FIVE);
    }
    let rows = |bench: &Bench| -> i64 {
        bench
            .writer
            .connection
            .query_row("SELECT count(*) FROM occupancy", [], |row| row.get(0))
            .expect("read")
    };
    let read = |bench: &Bench| {
        let read = bench.reader().occupancy(Scene::Camera, MONDAY, MONDAY + 2 * HOUR, BucketSize::Hour, None);
        read.expect("read").remove(&hall)
    };
    let (before, fine) = (read(&bench), rows(&bench));
    assert_eq!(fine, 24);
    assert_eq!(
        before.as_ref().map(|b| (b.len(), b[1].peak, b[1].peak_us)),
        Some((2, 9, MONDAY + 17 * FIVE + 60 * S))
    );
    clock.pass(95 * DAY);
    watch(&mut bench, 1);
    watch(&mut bench, 1);
    assert_eq!(rows(&bench), 3, "an hour each, and the newest");
    assert_eq!(read(&bench), before, "the figures are unchanged");
    let fine =
        bench.reader().occupancy(Scene::Camera, MONDAY, MONDAY + 2 * HOUR, BucketSize::Minutes(5), None);
    assert_eq!(fine.expect("read").remove(&hall), before, "no figures of five minutes are made up");
    bench.edit(|c| async move { c.delete_zone(hall, None).await }).expect("deleted");
    watch(&mut bench, 1);
    assert_eq!(rows(&bench), 0, "figures that came before the deletion go, too");
}

#[test]
fn a_check_keeps_what_was_counted_then_and_heeds_marks() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let door = bench.draw("Door", Scene::Camera);
    bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
    let mut taps = Vec::new();
    for n in 0..12 {
        clock.pass(10 * S);
        if n == 6 {
            bench.counts.set_coverage(Coverage::Not("paused"));
            bench.turn();
            clock.pass(60 * S);
            bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
        }
        bench.record(door.id, Direction::In, 1);
        taps.push((clock.with(|clock| clock.wall) + 300_000, Direction::In));
    }
    clock.pass(10 * S);
    bench.turn();
    let words = ["nano", "v4l2 /dev/video0", "0°"].map(String::from);
    let [model, source, view] = words;
    let setup = CheckSetup { model, source, view, ..CheckSetup::default() };
    // Nobody tapped the last one, and one tap saw nobody.
    *taps.last_mut().expect("some") = (MONDAY + 15 * S, Direction::In);
    let draft = CheckDraft {
        line: door.id,
        scene: Scene::Camera,
        from_us: MONDAY,
        to_us: MONDAY + 190 * S,
        recording: None,
        taps,
        pauses: vec![(MONDAY, MONDAY + 5 * S)],
        is_as_shown: false,
        setup: setup.clone(),
    };
    let new = bench.reader().new_check(draft.clone()).expect("read").expect("it is right");
    let id = bench.edit(|counts| async move { counts.add_check(new).await }).expect("stored");
    let check = bench.reader().checked(id).expect("read").expect("it is there");
    assert_eq!((check.found, check.missed, check.wrong, check.marked), (11, 1, 1, 0));
    assert_eq!((check.late_s, check.checked_us, check.line.as_str()), (0.3, 125 * S, "Door"));
    assert_eq!(check.recall.map(|share| share.value), Some(0.9167));
    let first = check.crossings[0].crossing.expect("it was counted");
    bench
        .edit(move |counts| async move { counts.mark_crossing(first, CrossingMark::Wrong).await })
        .expect("marked");
    let newest = bench.reader().newest_checks().expect("read");
    assert_eq!((newest[0].found, newest[0].missed, newest[0].wrong, newest[0].marked), (10, 2, 2, 1));
    assert_eq!(bench.reader().marked(door.id, MONDAY).expect("read"), (12, 1));
    // It fades when something changes, each for its reason.
    let faded = |now: &CheckSetup, line: Option<&LineRow>, now_us| {
        let mut check = check.clone();
        check.fade(now, line, now_us);
        check.faded
    };
    let renamed = LineRow { draft: LineDraft { name: "Gate".into(), ..door.draft.clone() }, ..door.clone() };
    assert!(faded(&setup, Some(&renamed), MONDAY).is_empty(), "a name counts nothing");
    let moved = LineRow { draft: LineDraft { a: [0.1, 0.1], ..door.draft.clone() }, ..door.clone() };
    let other =
        CheckSetup { model: "large".into(), source: "sim".into(), view: "turned".into(), ..setup.clone() };
    let why = [
        "the line was changed",
        "the model was changed",
        "the camera was changed",
        "the picture was changed",
    ];
    assert_eq!(faded(&other, Some(&moved), MONDAY), why);
    assert!(faded(&CheckSetup::default(), Some(&door), MONDAY).is_empty(), "the present is unknown");
    assert_eq!(
        faded(&setup, None, MONDAY + 91 * 24 * HOUR),
        ["the line was deleted", "it is older than 90 days"]
    );
    // Wrong drafts are refused.
    let refused = |change: &dyn Fn(&mut CheckDraft)| {
        let mut draft = draft.clone();
        change(&mut draft);
        bench.reader().new_check(draft).expect("read").expect_err("it is wrong").to_string()
    };
    assert_eq!(refused(&|draft| draft.line = 9), "there is no line 9");
    assert!(refused(&|draft| draft.to_us = draft.from_us).contains("within a day"));
    assert!(refused(&|draft| draft.taps.push((MONDAY - 1, Direction::In))).contains("outside the check"));
    assert!(refused(&|draft| draft.pauses = vec![(0, u64::MAX)]).contains("nothing was counted"));
    // A recount takes the crossings back, and the check is as it was.
    bench.recount(recount(&door, &[(0, 190)], &[])).expect("it is made");
    assert_eq!(bench.seconds(), []);
    assert_eq!(bench.reader().newest_checks().expect("read"), newest);
    // The line is at the same place of the camera's own pictures, and elsewhere in those that were shown then.
    clock.pass(S);
    for crop in [None, Some([0.1, 0.1, 0.8, 0.8])] {
        let shown = Geometry { crop, ..Geometry::default() };
        bench.edit(move |counts| async move { counts.follow_picture(shown).await }).expect("it follows");
    }
    let proved = |is_as_shown| {
        let draft = CheckDraft { is_as_shown, ..draft.clone() };
        bench.reader().new_check(draft).expect("read").err().map(|why| why.to_string())
    };
    assert_eq!(proved(false), None);
    assert!(proved(true).is_some_and(|why| why.contains("was moved")));
    bench.assert_sound();
    bench.edit(move |counts| async move { counts.delete_check(id).await }).expect("deleted");
    assert!(bench.edit(move |counts| async move { counts.delete_check(id).await }).is_err());
    assert_eq!(bench.reader().checks(None, None, 10).expect("read"), []);
}

fn hall() -> ZoneDraft {
    ZoneDraft {
        name: String::from("Hall"),
        points: vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]],
        classes: vec![],
        anchor: Anchor::Center,
        exclude: false,
    }
}

fn stay(zone: u64, track: u64, monotonic_us: u64, length_us: u64) -> NewStay {
    let class = Arc::from("person");
    NewStay { zone, scene: Scene::Camera, track, class, monotonic_us, length_us, is_cut: false }
}

#[test]
fn stays_ride_along_move_with_the_clock_and_go_with_their_zone() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY - 50_000 * HOUR);
    clock.with(|clock| clock.is_synchronised = false);
    let mut bench = Bench::open(folder.path(), &clock);
    let line = bench.draw("Door", Scene::Camera).id;
    let zone = bench.edit(|c| async move { c.add_zone(Scene::Camera, hall()).await }).expect("drawn").id;
    let read = |bench: &Bench, size| {
        let read = bench.reader().stays(Scene::Camera, MONDAY - HOUR, MONDAY + 3 * HOUR, size, None);
        read.expect("read").remove(&zone).unwrap_or_default()
    };
    let mono = clock.mono();
    // 10 whole stays of 1 to 10 s and a cut one in an hour, and one of an hour in the next.
    bench.counts.record_stays((1..=10).map(|n| stay(zone, n, mono + n, n * S)).collect());
    bench.counts.record_stays(vec![NewStay { is_cut: true, ..stay(zone, 11, mono, 90 * S) }]);
    bench.counts.record_stays(vec![stay(zone, 12, mono + HOUR, HOUR), stay(zone + 1, 1, mono, S)]);
    bench.turn();
    assert_eq!(bench.rows("SELECT count(*) FROM stays"), 0, "they cost no commit of their own");
    clock.pass(2 * HOUR);
    bench.record(line, Direction::In, 1);
    assert_eq!(bench.rows("SELECT count(*) FROM stays"), 12, "one is of no zone");
    // Offered again, they count once.
    bench.counts.record_stays(vec![stay(zone, 1, mono + 1, S)]);
    bench.record(line, Direction::In, 1);
    assert_eq!((bench.rows("SELECT count(*) FROM stays"), read(&bench, BucketSize::Hour).len()), (12, 0));
    // The clock is set: they move, and keep their lengths.
    clock.with(|clock| {
        (clock.wall, clock.is_synchronised) = (MONDAY + 2 * HOUR, true);
    });
    bench.turn();
    let hours = read(&bench, BucketSize::Hour);
    let counts: Vec<(usize, u64)> = hours.iter().map(|hour| (hour.lengths_ms.len(), hour.cut)).collect();
    assert_eq!(counts, [(0, 0), (10, 1), (1, 0), (0, 0)]);
    assert_eq!((hours[1].quantile_s(0.5), hours[1].quantile_s(0.9)), (Some(5.0), Some(9.0)));
    assert_eq!((hours[0].quantile_s(0.5), hours[1].histogram()), (None, [9, 1, 0, 0, 0, 0, 0, 0, 0]));
    let total = StayRow::total(&hours);
    assert_eq!(total, read(&bench, BucketSize::Total)[0]);
    assert_eq!((total.cut, total.quantile_s(1.0), total.histogram()[8]), (1, Some(3600.0), 1));
    let open = bench.reader().stays(
        Scene::Camera,
        MONDAY - HOUR,
        MONDAY + 3 * HOUR,
        BucketSize::Day,
        Some((13, 14)),
    );
    let open = open.expect("read").remove(&zone).expect("there are some");
    assert_eq!((open.len(), open[0].quantile_s(0.5)), (1, Some(3600.0)), "11:00 UTC is 13:00");
    bench.assert_sound();
    // They survive a new start and a stop with stays that wait.
    bench.counts.record_stays(vec![stay(zone, 20, clock.mono(), S)]);
    bench.turn();
    let Bench { counts, writer, .. } = bench;
    counts.stop();
    writer.run_thread(&Heartbeat::new());
    let mut bench = Bench::open(folder.path(), &clock);
    assert_eq!(bench.rows("SELECT count(*) FROM stays"), 13);
    // After 400 days they go.
    clock.pass(399 * 24 * HOUR);
    let occupancy = OccupancySpan {
        zone,
        scene: Scene::Camera,
        monotonic_us: clock.mono(),
        watched_us: S,
        inside_us: S,
        peak: 1,
        peak_after_us: 0,
    };
    bench.counts.record_occupancy(vec![occupancy]);
    bench.turn();
    assert_eq!(bench.rows("SELECT count(*) FROM stays"), 13);
    clock.pass(2 * 24 * HOUR);
    bench.counts.record_stays(vec![stay(zone, 21, clock.mono(), S)]);
    bench.counts.record_occupancy(vec![occupancy]);
    bench.turn();
    assert_eq!(bench.rows("SELECT count(*) FROM stays"), 1);
    bench.counts.record_stays(vec![stay(zone, 22, clock.mono(), S)]);
    bench.edit(|c| async move { c.delete_zone(zone, None).await }).expect("deleted");
    assert_eq!(bench.rows("SELECT count(*) FROM stays"), 0);
}

#[test]
fn stays_wait_for_a_full_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let line = bench.draw("Door", Scene::Camera).id;
    let zone = bench.edit(|c| async move { c.add_zone(Scene::Camera, hall()).await }).expect("drawn").id;
    bench.writer.limit_growth(0);
    let many: Vec<NewStay> = (0..3000).map(|n| stay(zone, n, clock.mono() + n, S)).collect();
    bench.counts.record_stays(many.clone());
    bench.record(line, Direction::In, 1);
    assert!(bench.counts.error().is_some());
    for _ in 0..5 {
        bench.counts.record_stays(many.clone());
        bench.turn();
    }
    bench.writer.limit_growth(1 << 20);
    bench.turn();
    assert_eq!((bench.counts.error(), bench.rows("SELECT count(*) FROM stays")), (None, 3000));
}

#[test]
fn stays_and_speeds_add_less_than_a_quarter_to_the_bytes_of_a_crossing() {
    let bytes = |with_stays: bool| {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Script::new(MONDAY);
        let mut bench = Bench::open(folder.path(), &clock);
        let line = bench.draw("Door", Scene::Camera).id;
        let zone = bench.edit(|c| async move { c.add_zone(Scene::Camera, hall()).await }).expect("drawn").id;
        bench.counts.set_coverage(Coverage::Counting(Scene::Camera));
        bench.turn();
        // No checkpoint, so that the log has all that is written.
        bench.writer.connection.pragma_update(None, "wal_autocheckpoint", 0).expect("set");
        let log = folder.path().join("counts.db-wal");
        let length = || std::fs::metadata(&log).expect("it is there").len();
        let before = length();
        for n in 0..200 {
            clock.pass(20 * S);
            if with_stays {
                bench.counts.record_stays(vec![stay(zone, n, clock.mono() - 15 * S, 14 * S)]);
            }
            let kmh = with_stays.then_some(4.7);
            let new = NewCrossing { kmh, ..bench.crossing(line, Direction::In) };
            bench.counts.record(vec![new]).expect("room");
            bench.turn();
        }
        length() - before
    };
    let (without, with) = (bytes(false), bytes(true));
    println!("bytes a crossing: {} without stays and speeds, {} with one each", without / 200, with / 200);
    assert!(with * 100 <= without * 125, "{with} {without}");
}

#[test]
fn flows_are_the_next_lines_of_the_same_track() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let [north, south] = ["North", "South"].map(|name| bench.draw(name, Scene::Camera).id);
    let (i, o) = (Direction::In, Direction::Out);
    let cross = |bench: &mut Bench, of: &[(u64, u64, Direction, u64)]| {
        let ordinal =
            |at: usize| of[..=at].iter().filter(|c| (c.0, c.1) == (of[at].0, of[at].1)).count() as u32;
        let one = |(at, &(track, line, direction, after)): (usize, &(u64, u64, Direction, u64))| {
            NewCrossing { ordinal: ordinal(at), ..crossing(line, track, direction, clock.mono() + after * S) }
        };
        bench.counts.record(of.iter().enumerate().map(one).collect()).expect("room");
        bench.turn();
    };
    // Track 1 and 2 go through, 3 turns round, 4 comes an hour later, 5 only enters. Not in order of time.
    cross(
        &mut bench,
        &[(1, south, o, 9), (1, north, i, 2), (2, north, i, 3), (2, south, o, 8), (5, north, i, 4)],
    );
    cross(&mut bench, &[(3, north, i, 5), (3, north, o, 7), (4, north, i, 3500), (4, south, o, 3700)]);
    let among = |bench: &Bench, from_us, size, hours, ends: &FlowEnds| {
        let rows =
            bench.reader().flows(Scene::Camera, from_us, MONDAY + 2 * HOUR, size, hours, ends).expect("read");
        let told = |row: &FlowRow| {
            let count = |flow: &FlowCount| {
                let [from, to] = [flow.from, flow.to].map(|c| (c.line, c.direction));
                (from, to, flow.count)
            };
            row.counts.iter().map(count).collect::<Vec<_>>()
        };
        rows.iter().map(told).collect::<Vec<_>>()
    };
    let read = |bench: &Bench, from_us, size, hours| among(bench, from_us, size, hours, &FlowEnds::default());
    let through = |count| ((north, i), (south, o), count);
    let back = ((north, i), (north, o), 1);
    let hours = vec![vec![back, through(2)], vec![through(1)]];
    assert_eq!(read(&bench, MONDAY, BucketSize::Hour, None), hours);
    assert_eq!(read(&bench, MONDAY, BucketSize::Total, None), [vec![back, through(3)]]);
    // The first crossing may be before the time that is asked for.
    assert_eq!(read(&bench, MONDAY + HOUR, BucketSize::Hour, None), [vec![through(1)]]);
    assert_eq!(read(&bench, MONDAY, BucketSize::Day, Some((12, 13))), [vec![back, through(2)]]);
    // A crossing that is excluded is no part of a way; the same track number in another run is another object.
    let wrong = bench.all().iter().find(|c| (c.track, c.line_id) == (2, south)).expect("stored").id;
    bench.edit(|c| async move { c.mark_crossing(wrong, CrossingMark::Excluded).await }).expect("marked");
    assert_eq!(read(&bench, MONDAY, BucketSize::Total, None), [vec![back, through(2)]]);
    drop(bench);
    let mut bench = Bench::open(folder.path(), &clock);
    cross(&mut bench, &[(5, south, o, 20)]);
    assert_eq!(read(&bench, MONDAY, BucketSize::Total, None), [vec![back, through(2)]]);
    // From entries to exits, other lines between do not matter, and each entry has one exit at most.
    let yard = bench.draw("Yard", Scene::Camera).id;
    cross(
        &mut bench,
        &[(6, north, i, 30), (6, yard, i, 31), (6, yard, o, 32), (6, south, o, 33), (6, south, i, 34)],
    );
    let ends = |entries: &[u64], exits: &[u64]| {
        let ends = FlowEnds { entries: entries.to_vec(), exits: exits.to_vec() };
        among(&bench, MONDAY, BucketSize::Total, None, &ends).concat()
    };
    assert_eq!(ends(&[north], &[south]), [through(3)]);
    assert_eq!(ends(&[south], &[north]), []);
    assert_eq!(ends(&[yard], &[]), [((yard, i), (yard, o), 1), ((yard, o), (south, o), 1)]);
    assert_eq!(ends(&[], &[yard]), [((north, i), (yard, i), 1), ((yard, i), (yard, o), 1)]);
    assert_eq!(ends(&[north, yard], &[south, north]), [back, through(2), ((yard, o), (south, o), 1)]);
}

#[test]
fn a_speed_needs_a_distance_and_both_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let [north, south, third] = ["North", "South", "Third"].map(|name| bench.draw(name, Scene::Camera).id);
    let read = |bench: &Bench, from_us| {
        let to_us = MONDAY + 2 * HOUR;
        bench.reader().speeds(Scene::Camera, from_us, to_us, BucketSize::Hour, None).expect("read")
    };
    assert_eq!(read(&bench, MONDAY), [], "it is off until a distance is known");
    let set = |bench: &mut Bench, line, to| bench.edit(|c| async move { c.set_distance(line, to).await });
    let cross = |bench: &mut Bench, track, line, direction, after_us| {
        let new = crossing(line, track, direction, clock.mono() + after_us);
        bench.counts.record(vec![new]).expect("room");
        bench.turn();
    };
    for (line, other, metres, wrong) in [
        (north, north, 10.0, "another line"),
        (north, 99, 10.0, "no line 99"),
        (north, south, 0.0, "too small"),
        (north, south, f64::NAN, "too small"),
    ] {
        let error = set(&mut bench, line, Some((other, metres))).expect_err("refused").to_string();
        assert!(error.contains(wrong), "{error}");
    }
    set(&mut bench, south, Some((north, 20.0))).expect("set");
    // 20 m in 2 s, the other way in 4 s, by way of a third line in 8 s; one turns back, one crosses only one line.
    for (track, line, direction, after_us) in [
        (1, north, Direction::In, 0),
        (1, south, Direction::Out, 2 * S),
        (2, south, Direction::In, 0),
        (2, north, Direction::Out, 4 * S),
        (3, north, Direction::In, 0),
        (3, third, Direction::In, S),
        (3, south, Direction::Out, 8 * S),
        (4, south, Direction::In, 0),
        (4, south, Direction::Out, S),
        (5, south, Direction::Out, S),
    ] {
        let ordinal_two = track == 4 && direction == Direction::Out;
        if ordinal_two {
            let new = NewCrossing { ordinal: 2, ..crossing(line, track, direction, clock.mono() + after_us) };
            bench.counts.record(vec![new]).expect("room");
            bench.turn();
        } else {
            cross(&mut bench, track, line, direction, after_us);
        }
    }
    let speeds = read(&bench, MONDAY);
    let (distance, rows) = &speeds[0];
    assert_eq!(
        (speeds.len(), distance.line, distance.other, distance.metres),
        (1, south, Some(north), Some(20.0))
    );
    let kmh: Vec<f64> = rows[0].measured.iter().map(|speed| speed.kmh).collect();
    assert_eq!((rows[0].crossings, kmh), (6, vec![9.0, 18.0, 36.0]));
    assert_eq!((rows[0].mean_kmh(), rows[0].v85_kmh()), (Some(21.0), Some(36.0)));
    assert_eq!(
        (rows[1].crossings, rows[1].mean_kmh(), rows[1].v85_kmh()),
        (0, None, None),
        "unknown is not 0"
    );
    assert_eq!(rows[0].histogram(), [0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0]);
    assert_eq!(SpeedRow::total(rows).measured.len(), 3);
    // The distance was that of the place before.
    clock.pass(60 * S);
    let moved = LineDraft { a: [0.2, 0.5], ..draft("North") };
    bench.edit(|c| async move { c.change_line(north, None, moved).await }).expect("moved");
    assert_eq!(read(&bench, MONDAY), []);
    set(&mut bench, south, Some((north, 25.0))).expect("set");
    // A turned picture moves nothing on the ground.
    for crop in [Some([0.1, 0.1, 0.8, 0.8]), None] {
        let shown = Geometry { crop, ..Geometry::default() };
        bench.edit(move |c| async move { c.follow_picture(shown).await }).expect("it follows");
        assert_eq!(read(&bench, MONDAY)[0].0.metres, Some(25.0));
    }
    assert_eq!(SpeedRow::total(&read(&bench, MONDAY)[0].1).measured, []);
    clock.pass(S);
    cross(&mut bench, 6, north, Direction::In, 0);
    cross(&mut bench, 6, south, Direction::Out, 2 * S);
    assert_eq!(SpeedRow::total(&read(&bench, MONDAY)[0].1).measured.len(), 1);
    clock.pass(60 * S);
    let shown = Geometry { crop: Some([0.1, 0.1, 0.8, 0.8]), ..Geometry::default() };
    bench.edit(move |c| async move { c.follow_picture(shown).await }).expect("it follows");
    assert_eq!(SpeedRow::total(&read(&bench, MONDAY)[0].1).measured.len(), 1);
    set(&mut bench, south, None).expect("forgotten");
    assert!(set(&mut bench, south, None).is_err());
    assert_eq!(read(&bench, MONDAY), []);
    bench.assert_sound();
}

#[test]
fn speeds_on_the_ground_are_shown_while_a_zone_has_a_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let (line, far) = (bench.draw("Door", Scene::Camera).id, bench.draw("Far", Scene::Camera).id);
    let zone = bench.edit(|c| async move { c.add_zone(Scene::Camera, hall()).await }).expect("drawn").id;
    let read = |bench: &Bench| {
        let to_us = MONDAY + HOUR;
        bench.reader().speeds(Scene::Camera, MONDAY, to_us, BucketSize::Total, None).expect("read")
    };
    let set = |bench: &mut Bench, zone, size| bench.edit(|c| async move { c.set_ground(zone, size).await });
    for (track, kmh) in [(1, Some(4.5)), (2, None), (3, Some(0.0)), (4, Some(6.1))] {
        let new = NewCrossing { kmh, ..crossing(line, track, Direction::In, clock.mono()) };
        bench.counts.record(vec![new]).expect("room");
    }
    bench.record(far, Direction::In, 1);
    assert_eq!(read(&bench), []);
    for (zone, size, wrong) in [(9, [4.0, 6.0], "no zone 9"), (zone, [4.0, 0.0], "too short")] {
        let error = set(&mut bench, zone, Some(size)).expect_err("refused").to_string();
        assert!(error.contains(wrong), "{error}");
    }
    let version = bench.counts.zones().borrow()[0].version;
    set(&mut bench, zone, Some([4.0, 6.0])).expect("set");
    let row = bench.counts.zones().borrow()[0].clone();
    assert_eq!((row.ground, row.version), (Some([4.0, 6.0]), version + 1));
    let speeds = read(&bench);
    let [(LineDistance { line: of, other: None, metres: None }, rows)] = &speeds[..] else {
        panic!("{speeds:?}")
    };
    let kmh: Vec<f64> = rows[0].measured.iter().map(|speed| speed.kmh).collect();
    assert_eq!((*of, rows[0].crossings, kmh), (line, 4, vec![0.0, 4.5, 6.1]));
    // A change of the zone keeps the size.
    let changed = ZoneDraft { name: String::from("Yard"), ..hall() };
    bench.edit(|c| async move { c.change_zone(zone, None, changed).await }).expect("changed");
    assert_eq!(bench.counts.zones().borrow()[0].ground, Some([4.0, 6.0]));
    for crop in [None, Some([0.0, 0.0, 0.9, 0.9])] {
        let shown = Geometry { crop, ..Geometry::default() };
        bench.edit(move |c| async move { c.follow_picture(shown).await }).expect("it follows");
    }
    let turned = bench.counts.zones().borrow()[0].clone();
    assert!(turned.draft.points != hall().points && turned.ground == Some([4.0, 6.0]), "{turned:?}");
    // Another place has another size.
    bench.edit(|c| async move { c.change_zone(zone, None, hall()).await }).expect("moved");
    assert_eq!(bench.counts.zones().borrow()[0].ground, None);
    set(&mut bench, zone, Some([4.0, 6.0])).expect("set");
    set(&mut bench, zone, None).expect("forgotten");
    assert_eq!((read(&bench).len(), bench.counts.zones().borrow()[0].ground), (0, None));
    bench.assert_sound();
}

fn movement(scene: Scene, clock: &Script, picture: Geometry) -> NewMovement {
    NewMovement { scene, picture, monotonic_us: clock.mono(), cells: vec![0, 1, 300, 0] }
}

#[test]
fn a_movement_map_rides_along_and_adds_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new(MONDAY);
    let mut bench = Bench::open(folder.path(), &clock);
    let line = bench.draw("Door", Scene::Camera).id;
    let read = |bench: &Bench, from_us, to_us| {
        bench.reader().movement(Scene::Camera, from_us, to_us).expect("read").map(|cells| cells[..4].to_vec())
    };
    for scene in [Scene::Camera, Scene::Camera, Scene::Sim] {
        let map = movement(scene, &clock, Geometry::default());
        bench.counts.record_movement(map);
        bench.turn();
        assert_eq!(read(&bench, MONDAY, MONDAY + HOUR), None, "it waits for another row");
    }
    bench.record(line, Direction::In, 1);
    assert_eq!(read(&bench, MONDAY, MONDAY + HOUR), Some(vec![0, 2, 600, 0]));
    assert_eq!(read(&bench, MONDAY + HOUR, MONDAY + 2 * HOUR), None, "no map is not an empty map");
    // A map of another part of the picture is not mixed with them.
    let cropped = Geometry { crop: Some([0.25, 0.0, 0.5, 1.0]), ..Geometry::default() };
    bench.edit(|c| async move { c.follow_picture(cropped).await }).expect("it follows");
    assert_eq!(read(&bench, MONDAY, MONDAY + HOUR), None);
    bench.counts.record_movement(movement(Scene::Camera, &clock, cropped));
    bench.turn();
    bench.record(line, Direction::In, 1);
    assert_eq!(read(&bench, MONDAY, MONDAY + HOUR), Some(vec![0, 1, 300, 0]));
    bench.edit(|c| async move { c.follow_picture(Geometry::default()).await }).expect("it follows");
    assert_eq!(read(&bench, MONDAY, MONDAY + HOUR), Some(vec![0, 2, 600, 0]));
    bench.assert_sound();
}
