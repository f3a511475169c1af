//! Every disk operation of the writer fails in turn. After each fault the store is opened again and must be sound,
//! with everything that was confirmed. Also has helpers for other tests of a whole store.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::media::tests::{new_recording, new_snapshot};
use crate::media::{
    CheckReport, Chunk, ChunkFrame, Ended, Item, Media, MediaError, MediaKind, MediaQuery, MediaSettings,
    RecordingHandle, RetentionRules, check_offline,
};
use tallycam_base::{ClockTime, Worker};

/// Prints past the output capture of `cargo test`, so that it is seen though the test succeeds.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A store with its thread, and a runtime to wait with.
pub(in crate::media) struct House {
    pub(in crate::media) media: Media,
    worker: Option<Worker>,
    runtime: tokio::runtime::Runtime,
}

impl House {
    pub(in crate::media) fn open(directory: &Path, rules: RetentionRules) -> Result<House, MediaError> {
        let (media, worker) = Media::open(MediaSettings {
            directory: directory.to_owned(),
            camera: String::from("door"),
            zone: jiff::tz::TimeZone::UTC,
            retention: rules,
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Ok(House { media, worker: Some(worker), runtime })
    }

    /// Another handle of the same store, for another thread.
    pub(in crate::media) fn beside(other: &House) -> House {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        House { media: other.media.clone(), worker: None, runtime }
    }

    pub(in crate::media) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(in crate::media) fn snapshot(&self, name: &str, jpeg: &[u8]) -> Result<Item, MediaError> {
        self.wait(self.media.add_snapshot(new_snapshot(Some(name), jpeg, ClockTime::now())))
    }

    pub(in crate::media) fn begin(&self, name: &str) -> Result<RecordingHandle, MediaError> {
        self.media.begin_recording(new_recording(Some(name), ClockTime::now()))
    }

    /// Makes a recording with `chunks` chunks.
    pub(in crate::media) fn record(&self, name: &str, chunks: u64, len: usize) -> Result<Item, MediaError> {
        let mut handle = self.begin(name)?;
        for number in 0..chunks {
            handle.append_waiting(chunk(number, 5, len))?;
        }
        handle.end(Ended::Asked)?.ok_or(MediaError::Busy)
    }

    pub(in crate::media) fn check(&self, repair: bool) -> CheckReport {
        self.wait(self.media.check(repair)).unwrap()
    }

    pub(in crate::media) fn close(mut self) {
        self.media.stop();
        if let Some(worker) = self.worker.take() {
            worker.join_within(Duration::from_secs(30)).unwrap();
        }
    }
}

/// A test that fails ends too: the worker waits for no more commands.
impl Drop for House {
    fn drop(&mut self) {
        if self.worker.is_some() {
            self.media.stop();
        }
    }
}

/// Bytes that start and end as a JPEG and depend on `number`.
pub(in crate::media) fn jpeg(number: u64, len: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes: Vec<u8> = (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    bytes[..2].copy_from_slice(&[0xff, 0xd8]);
    bytes[len - 2..].copy_from_slice(&[0xff, 0xd9]);
    bytes
}

/// The chunk with this number: `pictures` pictures of `len` bytes, five a second.
pub(in crate::media) fn chunk(number: u64, pictures: u64, len: usize) -> Chunk {
    let mut chunk = Chunk { width: 64, height: 48, ..Chunk::default() };
    for picture in 0..pictures {
        let n = number * pictures + picture;
        let offset = chunk.jpegs.len() as u32;
        chunk.jpegs.extend_from_slice(&jpeg(n, len));
        chunk.frames.push(ChunkFrame { at_us: n * 200_000, offset, len: len as u32, sequence: n });
    }
    chunk
}

/// All items: their rows, and hashes of their bytes.
pub(in crate::media) fn contents(file: &Path) -> BTreeMap<u64, (Item, u64)> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let reader = crate::media::MediaReader::open(file).unwrap();
    let page = reader.list(&MediaQuery { limit: 1000, ..MediaQuery::default() }).unwrap();
    let hashed = page.items.into_iter().map(|item| {
        let mut hasher = DefaultHasher::new();
        if item.kind == MediaKind::Snapshot {
            reader.snapshot(item.id).unwrap().hash(&mut hasher);
        } else {
            for chunk in reader.chunks(item.id).unwrap() {
                reader
                    .frames(item.id, chunk.number)
                    .unwrap()
                    .iter()
                    .for_each(|f| (f.at_us, f.len).hash(&mut hasher));
                reader.bytes(item.id, chunk.number, 0, chunk.bytes).unwrap().hash(&mut hasher);
            }
        }
        (item.id, (item, hasher.finish()))
    });
    hashed.collect()
}

/// Confirmed results: stored items with their bytes, and removed ones.
#[derive(Default)]
struct Answered {
    there: BTreeMap<u64, Vec<u8>>,
    gone: Vec<u64>,
}

/// Every kind of write, once. Failures are skipped.
fn work(house: &House, answered: &mut Answered, old: &[Item]) {
    if let Ok(item) = house.snapshot("new.jpg", &jpeg(1000, 30_000)) {
        answered.there.insert(item.id, jpeg(1000, 30_000));
    }
    if let Ok(mut handle) = house.begin("new.mp4") {
        let id = handle.id();
        let mut expected = Vec::new();
        for number in 0..3 {
            // The daemon would drop a refused chunk; here it is offered until it fails.
            let offered = chunk(number, 5, 6000);
            let bytes = offered.jpegs.clone();
            if handle.append_waiting(offered).is_err() {
                break;
            }
            expected.extend_from_slice(&bytes);
        }
        if let Ok(Some(_)) = handle.end(Ended::Asked) {
            answered.there.insert(id, expected);
        }
    }
    if house.wait(house.media.remove(vec![old[REMOVED].id])).is_ok() {
        answered.gone.push(old[REMOVED].id);
    }
    let _ = house.snapshot("newest.jpg", &jpeg(1001, 9_000)).map(|item| {
        answered.there.insert(item.id, jpeg(1001, 9_000));
    });
    let _ = house.wait(house.media.vacuum(true));
}

/// The retention during the writes. It deletes the oldest recording and the two oldest snapshots of `template`.
const RULES: RetentionRules = RetentionRules {
    snapshots_age: None,
    snapshots_bytes: Some(75_000),
    recordings_age: None,
    recordings_bytes: Some(310_000),
    min_free: None,
};

/// Indices of `template`'s items that these rules delete, and of the one that is removed.
const RETIRED: [usize; 3] = [0, 1, 3];
const REMOVED: usize = 2;

/// Fills a directory with three recordings and three snapshots, the start of every run.
fn template(directory: &Path) -> Vec<Item> {
    let house = House::open(directory, RetentionRules::default()).unwrap();
    let mut items = Vec::new();
    for n in 0..3 {
        items.push(house.record(&format!("old-{n}.mp4"), 4, 5000).unwrap());
        items.push(house.snapshot(&format!("old-{n}.jpg"), &jpeg(n, 20_000)).unwrap());
    }
    house.close();
    items
}

/// A directory in memory if possible, because there are hundreds of runs.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// One run with `failing`. True if a fault occurred.
fn run(template_file: &Path, old: &[Item], failing: Failing) -> bool {
    let directory = directory();
    let file = directory.path().join("media.db");
    std::fs::copy(template_file, &file).unwrap();
    let before = contents(&file);
    let faults = Faults::register_directory(directory.path());
    faults.set(failing);
    let mut answered = Answered::default();
    if let Ok(house) = House::open(directory.path(), RULES) {
        work(&house, &mut answered, old);
        house.close();
    }
    let (_, met) = faults.counts();
    faults.set(Failing::None);

    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    let report = house.check(false);
    assert_eq!(report.faults, Vec::<String>::new(), "after {failing:?}");
    house.close();
    let report = check_offline(directory.path(), false).unwrap();
    assert_eq!(report.faults, Vec::<String>::new(), "after {failing:?}");
    let after = contents(&file);
    let reader = crate::media::MediaReader::open(&file).unwrap();
    for (id, expected) in &answered.there {
        let item = &after.get(id).unwrap_or_else(|| panic!("item {id} was answered, after {failing:?}")).0;
        let bytes = match item.kind {
            MediaKind::Snapshot => reader.snapshot(*id).unwrap().to_vec(),
            MediaKind::Recording => {
                let chunks = reader.chunks(*id).unwrap();
                chunks
                    .iter()
                    .flat_map(|c| reader.bytes(*id, c.number, 0, c.bytes).unwrap().to_vec())
                    .collect()
            }
        };
        assert!(bytes == *expected, "the bytes of item {id}, after {failing:?}");
    }
    for id in &answered.gone {
        assert!(!after.contains_key(id), "item {id} was told gone, after {failing:?}");
    }
    for (at, Item { id, .. }) in old.iter().enumerate() {
        match after.get(id) {
            Some(left) => assert!(*left == before[id], "old item {id}, after {failing:?}"),
            None => assert!(at == REMOVED || RETIRED.contains(&at), "old item {id}, after {failing:?}"),
        }
        // Without a fault the rules are met.
        let is_to_go = at == REMOVED || RETIRED.contains(&at);
        assert!(met > 0 || is_to_go != after.contains_key(id), "old item {id}, after no fault");
    }
    met > 0
}

#[test]
fn every_operation_may_fail() {
    let directory = directory();
    let old = template(directory.path());
    let file = directory.path().join("media.db");
    let met = (1..).take_while(|&n| run(&file, &old, Failing::Nth(n))).count();
    say(&format!("one operation failed: {met} runs, each sound afterwards"));
    assert!(met > 40, "{met}");
}

#[test]
fn a_kill_may_come_at_every_operation() {
    let directory = directory();
    let old = template(directory.path());
    let file = directory.path().join("media.db");
    // Each of these runs waits for the writer's own pauses, so only every ninth operation is tried.
    let met = (1..).step_by(9).take_while(|&n| run(&file, &old, Failing::From(n))).count();
    say(&format!("everything ended at an operation: {met} runs, each sound afterwards"));
    assert!(met > 40, "{met}");
}

/// Sets a store aside with `failing`, and stores something afterwards. True if a fault occurred. Everything is in one
/// of the two stores then, whatever was confirmed.
fn set_aside(template_file: &Path, old: &[Item], failing: Failing) -> bool {
    let directory = directory();
    let file = directory.path().join("media.db");
    std::fs::copy(template_file, &file).unwrap();
    let before = contents(&file);
    let faults = Faults::register_directory(directory.path());
    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    let mut handle = house.begin("open.mp4").unwrap();
    let open = handle.id();
    handle.append_waiting(chunk(0, 5, 6000)).unwrap();
    faults.set(failing);
    let answer = house.wait(house.media.recreate());
    let (_, met) = faults.counts();
    faults.set(Failing::None);
    // The writer recovers on its own. A snapshot that was reported as failed may exist all the same, so each has its
    // own name.
    let kept = (0..).find_map(|n| house.snapshot(&format!("after-{n}.jpg"), &jpeg(n, 9000)).ok()).unwrap();
    assert!(kept.id > open, "numbers go on, after {failing:?}");
    drop(handle);
    house.close();

    let now = contents(&file);
    let aside: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "db"))
        .filter(|path| !path.ends_with("media.db") && !path.ends_with("media.next.db"))
        .collect();
    assert!(aside.len() <= 1, "{aside:?}, after {failing:?}");
    let then = aside.first().map(|path| contents(path)).unwrap_or_default();
    assert!(answer.is_ok() || met > 0, "{answer:?} without a fault");
    assert!(answer.is_err() || then.len() == old.len() + 1, "all is set aside, after {failing:?}");
    assert!(now.contains_key(&kept.id), "after {failing:?}");
    for (id, content) in &before {
        let places = [&now, &then].map(|items| items.get(id));
        assert!(
            places == [Some(content), None] || places == [None, Some(content)],
            "{id}, after {failing:?}"
        );
    }
    let recorded = now.get(&open).or(then.get(&open)).unwrap();
    assert_eq!((recorded.0.is_open, recorded.0.frames), (false, 5), "after {failing:?}");
    for store in std::iter::once(&file).chain(&aside) {
        let copy = self::directory();
        std::fs::copy(store, copy.path().join("media.db")).unwrap();
        let report = check_offline(copy.path(), false).unwrap();
        assert_eq!(report.faults, Vec::<String>::new(), "{}, after {failing:?}", store.display());
    }
    met > 0
}

#[test]
fn setting_aside_may_fail_at_every_operation() {
    let directory = directory();
    let old = template(directory.path());
    let file = directory.path().join("media.db");
    let one = (1..).take_while(|&n| set_aside(&file, &old, Failing::Nth(n))).count();
    let all = (1..).take_while(|&n| set_aside(&file, &old, Failing::From(n))).count();
    say(&format!(
        "setting aside: one operation failed {one} times, everything ended {all} times; nothing is lost"
    ));
    assert!(one > 10 && all > 10, "{one}, {all}");
}

#[test]
fn a_full_disk_stores_pictures_again_when_it_has_room() {
    let directory = directory();
    let faults = Faults::register_directory(directory.path());
    let mut full = 0;
    for n in (1..60).step_by(3) {
        let house = House::open(directory.path(), RetentionRules::default()).unwrap();
        let mut handle = house.begin(&format!("{n}.mp4")).unwrap();
        handle.append_waiting(chunk(0, 5, 6000)).unwrap();
        faults.set(Failing::FullFrom(n));
        let mut taken = 1;
        for number in 1..3 {
            taken += u64::from(handle.append_waiting(chunk(number, 5, 6000)).is_ok());
        }
        full += u64::from(faults.counts().1 > 0);
        faults.set(Failing::None);
        // The waiting chunk is written within a second or two, and so are new ones.
        let item = loop {
            match handle.append_waiting(chunk(5, 5, 6000)) {
                Ok(_) => break handle.end(Ended::Asked).unwrap().unwrap(),
                Err(_) => house.media.status().borrow().trouble.clone(),
            };
        };
        assert_eq!(item.frames, (taken + 1) * 5, "full from {n}");
        assert_eq!(house.check(false).faults, Vec::<String>::new(), "full from {n}");
        assert!(house.media.status().borrow().trouble.is_none());
        house.close();
    }
    say(&format!("the disk was full: {full} times, recording went on each time"));
    assert!(full > 5, "{full}");
}
