//! `kill -9` at random times while a camera is recorded, snapshots are stored, items are removed, retention deletes
//! and a backup is made, all at once. Every acknowledged item is there byte for byte. The interrupted recording is
//! closed and lacks at most its last second. The store is sound.
//!
//! `cargo test` kills it 200 times (`TALLYCAM_KILLS` sets another number), which takes two or three minutes. Three of
//! four kills wait until the rollback journal is not empty, which is within a transaction: SQLite writes its header
//! with the first changed page, and truncates it to commit. The journal left behind shows which kills were within
//! one. The test prints its figures. One life in eight lasts a second or two longer, so that its recording has chunks
//! on the disk; in the others hardly more was recorded than is missing.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tallycam::base::Worker;
use tallycam::pipeline::recording::RecordingRequest;
use tallycam::pipeline::{CaptureOptions, Pipeline, RecorderHandle, RecorderSettings};
use tallycam::source::FormatRequest;
use tallycam::source::sim::SimOpener;
use tallycam::store::media::{
    Item, Media, MediaEdit, MediaError, MediaKind, MediaOrigin, MediaQuery, MediaReader, MediaSettings,
    NewSnapshot, RetentionRules,
};

const DIRECTORY: &str = "TALLYCAM_KILL_DIRECTORY";
const LIFE: &str = "TALLYCAM_KILL_LIFE";

/// Small limits, so that retention is at work all the time.
const RULES: RetentionRules = RetentionRules {
    snapshots_age: None,
    snapshots_bytes: Some(400_000),
    recordings_age: None,
    recordings_bytes: Some(2_000_000),
    min_free: None,
};

fn open(directory: &Path, retention: RetentionRules) -> Store {
    let settings = MediaSettings {
        directory: directory.to_owned(),
        camera: String::from("door"),
        zone: jiff::tz::TimeZone::UTC,
        retention,
    };
    let (media, writer) = Media::open(settings).expect("the store opens");
    Store { media, _writer: writer }
}

/// A store that is closed on drop.
struct Store {
    media: Media,
    _writer: Worker,
}

impl Drop for Store {
    fn drop(&mut self) {
        // The worker is dropped, and thereby joined, after this.
        self.media.stop();
    }
}

fn hash(pieces: impl IntoIterator<Item = bytes::Bytes>) -> u64 {
    let mut hasher = DefaultHasher::new();
    pieces.into_iter().for_each(|piece| hasher.write(&piece));
    hasher.finish()
}

fn hash_of(reader: &MediaReader, item: &Item) -> u64 {
    if item.kind == MediaKind::Snapshot {
        return hash([reader.snapshot(item.id).expect("its picture")]);
    }
    let chunks = reader.chunks(item.id).expect("its chunks");
    hash(chunks.iter().map(|chunk| reader.bytes(item.id, chunk.number, 0, chunk.bytes).expect("its bytes")))
}

/// Reproducible pseudo-random numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Prints one acknowledged fact for the parent process. The end mark tells a complete line from an incomplete one.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The write fails if the parent has killed this process already.
    let _ = writeln!(out, "~ {line} .").and_then(|()| out.flush());
}

/// Prints to standard error even if the test succeeds, past the capture of `cargo test`.
fn show(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[test]
#[ignore = "the process that is killed; the test below starts it"]
fn child() {
    let directory = std::env::var_os(DIRECTORY).expect("the test below says where");
    let life: u64 = std::env::var(LIFE).expect("the test below says which").parse().expect("a number");
    let directory = Path::new(&directory);
    let store = open(directory, RULES);
    let media = store.media.clone();
    let wanted = FormatRequest { width: Some(320), height: Some(180), ..FormatRequest::ANYTHING };
    let (pipeline, _capture) =
        Pipeline::start(Box::new(SimOpener::new(life, wanted, true)), CaptureOptions::default())
            .expect("it starts");
    let settings = RecorderSettings { warm_up: 0, ..RecorderSettings::default() };
    let (recorder, _recorder) =
        RecorderHandle::start(&pipeline, Ok(media.clone()), None, settings).expect("it starts");
    let _viewer = Worker::spawn("viewer", {
        let hub = pipeline.hub().clone();
        move |_| {
            for picture in hub.subscribe() {
                say(&format!("seen {}", picture.stamp.wall_us));
            }
        }
    })
    .expect("it starts");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _demand = pipeline.demand();
    runtime.block_on(async {
        tokio::join!(
            snapshots(&pipeline, &media, life),
            recordings(&recorder, &media, life),
            backups(&media, directory)
        )
    });
}

/// Stores snapshots without end, protects some of them, and removes some.
async fn snapshots(pipeline: &Pipeline, media: &Media, life: u64) {
    let mut dice = Dice(life);
    let mut removable = Vec::new();
    for n in 0.. {
        let picture = pipeline.snapshot(Duration::from_secs(10)).await.expect("a picture");
        let snapshot = NewSnapshot {
            name: None,
            may_rename: true,
            date: None,
            jpeg: picture.jpeg(),
            stamp: picture.stamp,
            width: picture.width,
            height: picture.height,
            source: String::from("street"),
            origin: MediaOrigin::Asked,
            note: String::new(),
        };
        let began = Instant::now();
        let item = media.add_snapshot(snapshot).await.expect("it is stored");
        let took = began.elapsed().as_micros();
        say(&format!("snapshot {} {} {took}", item.id, hash([picture.jpeg()])));
        // Only a few, because protected items leave less room for the others.
        if n == 7 && life.is_multiple_of(5) {
            let edit = MediaEdit { is_kept: Some(true), ..MediaEdit::default() };
            say(&format!("keeping {}", item.id));
            match media.edit(item.id, None, edit).await {
                Ok(_) => say(&format!("kept {}", item.id)),
                // Retention may have been faster.
                Err(MediaError::Unknown(_)) => {}
                Err(error) => panic!("it is changed: {error}"),
            }
        } else {
            removable.push(item.id);
        }
        if dice.below(6) == 0 {
            let id = removable.swap_remove(dice.below(removable.len() as u64) as usize);
            say(&format!("removing {id}"));
            // Retention may have been faster.
            if media.remove(vec![id]).await.is_ok() {
                say(&format!("removed {id}"));
            }
        }
        // Other tasks have their turn.
        tokio::time::sleep(Duration::from_millis(dice.below(8))).await;
    }
}

async fn recordings(recorder: &RecorderHandle, media: &Media, life: u64) {
    let mut dice = Dice(life + 1_000_000);
    loop {
        let item = recorder.record(RecordingRequest::default()).await.expect("it begins");
        say(&format!("open {}", item.id));
        tokio::time::sleep(Duration::from_millis(100 + dice.below(3000))).await;
        if let Some(item) = recorder.end_recording().await.expect("it ends") {
            let reader = media.reader().expect("a reader");
            // Retention may have been faster.
            if reader.item(item.id).is_ok() {
                say(&format!("recording {} {} 0", item.id, hash_of(&reader, &item)));
            }
        }
    }
}

/// Copies the store without end; each complete copy is a sound file.
async fn backups(media: &Media, directory: &Path) {
    let file = directory.join("backup").join("copy.db");
    std::fs::create_dir_all(directory.join("backup")).expect("a folder");
    loop {
        let mut backup = media.backup().await.expect("it begins");
        let mut copy = Vec::new();
        while let Some(piece) = backup.pieces.recv().await {
            copy.extend_from_slice(&piece.expect("a piece"));
        }
        assert_eq!(copy.len() as u64, backup.len);
        std::fs::write(&file, &copy).expect("it is written");
        let connection = rusqlite::Connection::open(&file).expect("a file of SQLite");
        let sound: String =
            connection.query_row("PRAGMA quick_check", [], |row| row.get(0)).expect("it is asked");
        assert_eq!(sound, "ok");
        say("backup");
    }
}

/// Knowledge from all lives so far.
#[derive(Default)]
struct Known {
    /// Acknowledged items: kind, and hash of their bytes.
    items: BTreeMap<u64, (MediaKind, u64)>,
    kept: BTreeSet<u64>,
    /// Items whose removal was requested may be there; those whose removal was acknowledged must not.
    removing: BTreeSet<u64>,
    removed: BTreeSet<u64>,
    backups: u64,
}

/// The last state of one life.
#[derive(Default)]
struct Last {
    open: Option<u64>,
    opened_us: u64,
    seen_us: u64,
    /// Time of the store's last answer, by the newest picture seen then.
    answered_us: u64,
    /// Longest time that the store took for a snapshot.
    slowest: Duration,
    /// Longest time between two pictures that were seen.
    held_up: Duration,
}

impl Last {
    /// Maximum loss of the interrupted recording: its last second, plus the time for which the disk or the machine
    /// stalled in this life. An unanswered snapshot counts for the time that it had taken.
    fn allowance(&self) -> Duration {
        let unanswered =
            Duration::from_micros(self.seen_us.saturating_sub(self.answered_us.max(self.opened_us)));
        Duration::from_millis(1100) + 4 * self.slowest.max(unanswered) + self.held_up
    }
}

impl Known {
    fn hear(&mut self, last: &mut Last, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<u64>().expect("a number");
        match words[0] {
            kind @ ("snapshot" | "recording") => {
                let kind = MediaKind::parse(kind).expect("a kind");
                let before = self.items.insert(number(1), (kind, number(2)));
                assert_eq!(before, None, "a number was given again");
                last.slowest = last.slowest.max(Duration::from_micros(number(3)));
                last.answered_us = last.seen_us;
                if last.open == Some(number(1)) {
                    last.open = None;
                }
            }
            "open" => (last.open, last.opened_us) = (Some(number(1)), last.seen_us),
            "seen" => {
                if last.seen_us > 0 {
                    let since = Duration::from_micros(number(1).saturating_sub(last.seen_us));
                    last.held_up = last.held_up.max(since);
                }
                last.seen_us = number(1);
                if last.opened_us == 0 {
                    last.opened_us = last.seen_us;
                }
            }
            "kept" => drop(self.kept.insert(number(1))),
            "removing" => drop(self.removing.insert(number(1))),
            "removed" => drop(self.removed.insert(number(1))),
            "backup" => self.backups += 1,
            _ => {}
        }
    }
}

fn start(directory: &Path, life: u64) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "media_db::child", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(LIFE, life.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("it starts")
}

#[test]
fn acknowledged_items_survive_every_kill() {
    let kills: u64 = std::env::var("TALLYCAM_KILLS").map_or(200, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("media.db-journal");
    let is_in_transaction = || std::fs::metadata(&journal).is_ok_and(|journal| journal.len() > 0);
    let mut known = Known::default();
    let (mut inside, mut interrupted, mut retired, mut over) = (0, 0, 0, 0);
    let mut lacks: Vec<Duration> = Vec::new();
    // Recordings with a chunk on the disk. Only these show how long a chunk and its commit take.
    let mut with_chunks: Vec<Duration> = Vec::new();
    let mut dice = Dice(4);
    for kill in 0..kills {
        let mut child = start(folder.path(), kill);
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let mut last = Last::default();
        // Mostly early, and sometimes late: then the recording has chunks on the disk.
        let mut left = 5 + dice.below(if kill % 4 == 0 { 200 } else { 50 }) as i64;
        for line in out.split(b'\n') {
            let line = line.unwrap_or_default();
            // The last line may be incomplete.
            let line = String::from_utf8_lossy(&line);
            let whole = line.strip_prefix("~ ").and_then(|line| line.strip_suffix(" ."));
            let Some(line) = whole else { continue };
            known.hear(&mut last, line);
            left -= 1;
            if left == 0 {
                // On a fast disk lines come quickly; counted by lines, no life would last until a chunk is full.
                if kill % 8 == 4 {
                    std::thread::sleep(Duration::from_millis(800 + dice.below(1600)));
                }
                let until = Instant::now() + Duration::from_millis(500);
                while kill % 4 != 0 && !is_in_transaction() && Instant::now() < until {
                    std::hint::spin_loop();
                }
                child.kill().expect("killed");
            }
        }
        let status = child.wait().expect("gone");
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9),
            "it ended by itself: {status}"
        );
        inside += u64::from(is_in_transaction());

        let store = open(folder.path(), RetentionRules::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let report = runtime.block_on(store.media.check(false)).expect("it is looked at");
        assert_eq!(report.faults, Vec::<String>::new(), "after kill {kill}");
        let reader = store.media.reader().expect("a reader");
        let there = all(&reader);
        retired += look(&known, &reader, &there);
        if let Some(id) = last.open {
            interrupted += 1;
            lacks.push(lack(&reader, &there, id, &last));
            if there.contains_key(&id) {
                with_chunks.extend(lacks.last());
            }
            let lacking = lacks[lacks.len() - 1];
            let allowance = last.allowance();
            if lacking > allowance {
                show(&format!("recording {id} lacks {lacking:?}, more than {allowance:?}, kill {kill}"));
                over += 1;
            }
        }
        // An interrupted recording counts as an earlier item from now on.
        for item in there.values() {
            known.items.entry(item.id).or_insert_with(|| (item.kind, hash_of(&reader, item)));
        }
    }
    lacks.sort_unstable();
    with_chunks.sort_unstable();
    show(&format!(
        "keeping: {kills} kills, {inside} inside a transaction, {interrupted} recordings interrupted, which lack at most \
         {:?} (median {:?}), the {} with chunks at most {:?} (median {:?}); {} items answered, {} removed, {} backups, \
         {retired} looks at what retention took",
        lacks.last().copied().unwrap_or_default(),
        lacks.get(lacks.len() / 2).copied().unwrap_or_default(),
        with_chunks.len(),
        with_chunks.last().copied().unwrap_or_default(),
        with_chunks.get(with_chunks.len() / 2).copied().unwrap_or_default(),
        known.items.len(),
        known.removed.len(),
        known.backups,
    ));
    // One in a hundred may exceed it: a machine that stalls just then is no fault of the program.
    assert!(over <= kills / 100, "{over} of {interrupted} recordings lack more than their last second");
    assert!(2 * inside >= kills, "{inside} of {kills} kills were inside a transaction");
    assert!(interrupted > 0 && !known.removed.is_empty() && retired > 0);
    assert!(kills < 100 || !with_chunks.is_empty(), "no interrupted recording has a stored chunk");
}

fn all(reader: &MediaReader) -> BTreeMap<u64, Item> {
    let mut all = BTreeMap::new();
    let mut query = MediaQuery { limit: 1000, ..MediaQuery::default() };
    loop {
        let page = reader.list(&query).expect("it can be read");
        all.extend(page.items.into_iter().map(|item| (item.id, item)));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return all,
        }
    }
}

/// Asserts that every earlier item is there, byte for byte, unless it was removed or retention took it, oldest first.
/// Returns the number that retention took.
fn look(known: &Known, reader: &MediaReader, there: &BTreeMap<u64, Item>) -> u64 {
    let mut retired = 0;
    let mut youngest_gone = BTreeMap::new();
    for (id, (kind, hash)) in &known.items {
        match there.get(id) {
            Some(item) => {
                assert!(!known.removed.contains(id), "{id} was removed and is there");
                assert_eq!(hash_of(reader, item), *hash, "item {id} is another one");
            }
            None if known.removing.contains(id) => {}
            None => {
                assert!(!known.kept.contains(id), "{id} was protected");
                retired += 1;
                youngest_gone.insert(*kind, *id);
            }
        }
    }
    let open: Vec<&Item> = there.values().filter(|item| item.is_open).collect();
    assert!(open.is_empty(), "the interrupted recording is closed: {open:?}");
    for item in there.values().filter(|item| !known.kept.contains(&item.id)) {
        // An item whose protection was requested may be protected, even if that was not acknowledged.
        let gone = youngest_gone.get(&item.kind).copied().unwrap_or(0);
        assert!(item.is_kept || item.id > gone, "retention took {gone} and left {}", item.id);
    }
    assert!(known.kept.iter().all(|id| there[id].is_kept));
    retired
}

/// The part of an interrupted recording that is missing.
fn lack(reader: &MediaReader, there: &BTreeMap<u64, Item>, id: u64, last: &Last) -> Duration {
    let Some(item) = there.get(&id) else {
        // None of its chunks was on the disk.
        return Duration::from_micros(last.seen_us.saturating_sub(last.opened_us));
    };
    let chunks = reader.chunks(id).expect("its chunks");
    let frames: u64 = chunks.iter().map(|chunk| u64::from(chunk.frames)).sum();
    assert_eq!((frames, item.is_open), (item.frames, false));
    for chunk in &chunks {
        for frame in reader.frames(id, chunk.number).expect("its index") {
            let jpeg = reader.bytes(id, chunk.number, frame.offset, frame.len).expect("its bytes");
            assert!(
                jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]),
                "a stored picture is not valid"
            );
        }
    }
    let ends_us = item.at_us + chunks.last().map_or(0, |chunk| chunk.to_us);
    Duration::from_micros(last.seen_us.saturating_sub(ends_us))
}
