//! `kill -9` at random moments while a camera is recorded, snapshots are kept, things are removed, retention makes room and
//! a backup is taken, all at once: what was answered is there to the byte, what was being recorded is closed and lacks at
//! most its last second, and the store is sound.
//!
//! `cargo test` kills it 200 times, which takes two or three minutes; `TALLYCAM_KILLS` says otherwise. Three of four kills wait
//! for a moment in which the rollback journal is not empty, which is within a transaction (SQLite writes its header with the
//! first page that is changed, and truncates it to commit); how many of all were within one is told by the journal that
//! is left behind. It prints its figures. One life of eight lasts a second or two longer, so that its recording has chunks
//! on the disk: what the others lack is hardly more than what there was.

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

/// What is kept at most: little, so that retention is at work all the time.
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

/// A store that is closed when it is dropped.
struct Store {
    media: Media,
    _writer: Worker,
}

impl Drop for Store {
    fn drop(&mut self) {
        // The worker is joined when it is dropped, which is after this.
        self.media.stop();
    }
}

fn hash(pieces: impl IntoIterator<Item = bytes::Bytes>) -> u64 {
    let mut hasher = DefaultHasher::new();
    pieces.into_iter().for_each(|piece| hasher.write(&piece));
    hasher.finish()
}

/// Every byte of an item.
fn hash_of(reader: &MediaReader, item: &Item) -> u64 {
    if item.kind == MediaKind::Snapshot {
        return hash([reader.snapshot(item.id).expect("its picture")]);
    }
    let chunks = reader.chunks(item.id).expect("its chunks");
    hash(chunks.iter().map(|chunk| reader.bytes(item.id, chunk.number, 0, chunk.bytes).expect("its bytes")))
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// One line for whoever kills this, with an end that tells it from half a line: what was answered.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Who listens has killed this already.
    let _ = writeln!(out, "~ {line} .").and_then(|()| out.flush());
}

/// Says something where it is seen though the test succeeds: past what `cargo test` catches.
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

/// Keeps snapshots without end, has some of them kept for good, and removes some.
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
        let item = media.add_snapshot(snapshot).await.expect("it is kept");
        let took = began.elapsed().as_micros();
        say(&format!("snapshot {} {} {took}", item.id, hash([picture.jpeg()])));
        // A few only: what is kept for good leaves less room for the others.
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
        // Others have their turn.
        tokio::time::sleep(Duration::from_millis(dice.below(8))).await;
    }
}

/// Records without end, one after the other.
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

/// Copies the store without end; each copy that is whole is a sound file.
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

/// What is known from all lives so far.
#[derive(Default)]
struct Known {
    /// Answered items, what they are, and the hash of their bytes.
    items: BTreeMap<u64, (MediaKind, u64)>,
    kept: BTreeSet<u64>,
    /// Somebody asked to remove them: they may be there or not; those that were answered must not.
    removing: BTreeSet<u64>,
    removed: BTreeSet<u64>,
    backups: u64,
}

/// What one life said at its end.
#[derive(Default)]
struct Last {
    open: Option<u64>,
    opened_us: u64,
    seen_us: u64,
    /// When the store last answered, by the newest picture seen then.
    answered_us: u64,
    /// The longest that the store took for a snapshot.
    slowest: Duration,
    /// The longest from one picture that was seen to the next.
    held_up: Duration,
}

impl Last {
    /// How much the recording that was interrupted may lack: its last second, and more as far as the disk or the whole
    /// machine was held up in this life. A snapshot that was not answered any more counts for as long as it took by then.
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
fn what_was_kept_survives_every_kill() {
    let kills: u64 = std::env::var("TALLYCAM_KILLS").map_or(200, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("media.db-journal");
    let is_in_transaction = || std::fs::metadata(&journal).is_ok_and(|journal| journal.len() > 0);
    let mut known = Known::default();
    let (mut inside, mut interrupted, mut retired, mut over) = (0, 0, 0, 0);
    let mut lacks: Vec<Duration> = Vec::new();
    // Those of recordings that have a chunk on the disk: how long one and its commit take is told by these alone.
    let mut with_chunks: Vec<Duration> = Vec::new();
    let mut dice = Dice(4);
    for kill in 0..kills {
        let mut child = start(folder.path(), kill);
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let mut last = Last::default();
        // Mostly soon, now and then late: then the recording has chunks on the disk.
        let mut left = 5 + dice.below(if kill % 4 == 0 { 200 } else { 50 }) as i64;
        for line in out.split(b'\n') {
            let line = line.unwrap_or_default();
            // The last line may be half a one.
            let line = String::from_utf8_lossy(&line);
            let whole = line.strip_prefix("~ ").and_then(|line| line.strip_suffix(" ."));
            let Some(line) = whole else { continue };
            known.hear(&mut last, line);
            left -= 1;
            if left == 0 {
                // Lines come fast where the disk is: by them alone no life would last until a chunk is full.
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
        // What was interrupted is one of the earlier items from now on.
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
    // One of a hundred: a machine that stands still just then is no fault of the program.
    assert!(over <= kills / 100, "{over} of {interrupted} recordings lack more than their last second");
    assert!(2 * inside >= kills, "{inside} of {kills} kills were inside a transaction");
    assert!(interrupted > 0 && !known.removed.is_empty() && retired > 0);
    assert!(kills < 100 || !with_chunks.is_empty(), "of no recording that was interrupted was anything kept");
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

/// Every earlier item is there, byte for byte; what is not was removed, or retention took it, oldest first. Tells how many
/// it took.
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
                assert!(!known.kept.contains(id), "{id} was to be kept for good");
                retired += 1;
                youngest_gone.insert(*kind, *id);
            }
        }
    }
    let open: Vec<&Item> = there.values().filter(|item| item.is_open).collect();
    assert!(open.is_empty(), "what was interrupted is closed: {open:?}");
    for item in there.values().filter(|item| !known.kept.contains(&item.id)) {
        // One that was to be kept may be, though that was not answered.
        let gone = youngest_gone.get(&item.kind).copied().unwrap_or(0);
        assert!(item.is_kept || item.id > gone, "retention took {gone} and left {}", item.id);
    }
    assert!(known.kept.iter().all(|id| there[id].is_kept));
    retired
}

/// How much an interrupted recording lacks of what others saw.
fn lack(reader: &MediaReader, there: &BTreeMap<u64, Item>, id: u64, last: &Last) -> Duration {
    let Some(item) = there.get(&id) else {
        // Not one chunk of it was on the disk.
        return Duration::from_micros(last.seen_us.saturating_sub(last.opened_us));
    };
    let chunks = reader.chunks(id).expect("its chunks");
    let frames: u64 = chunks.iter().map(|chunk| u64::from(chunk.frames)).sum();
    assert_eq!((frames, item.is_open), (item.frames, false));
    for chunk in &chunks {
        for frame in reader.frames(id, chunk.number).expect("its index") {
            let jpeg = reader.bytes(id, chunk.number, frame.offset, frame.len).expect("its bytes");
            assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]), "a picture is none");
        }
    }
    let ends_us = item.at_us + chunks.last().map_or(0, |chunk| chunk.to_us);
    Duration::from_micros(last.seen_us.saturating_sub(ends_us))
}
