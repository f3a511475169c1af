//! Stores damaged in every way that the check reports, repaired, and then found sound.

use super::*;
use crate::media::faults::tests::{House, chunk, contents, jpeg};
use crate::media::schema::chunk_id;
use crate::media::{MediaKind, RetentionRules, Vacuumed};

/// Makes a store with one snapshot and one recording of five chunks. Returns their numbers.
fn store(directory: &Path) -> (u64, u64) {
    let house = House::open(directory, RetentionRules::default()).unwrap();
    let snapshot = house.snapshot("a.jpg", &jpeg(1, 30_000)).unwrap().id;
    let recording = house.record("b.mp4", 5, 20_000).unwrap().id;
    let report = house.check(true);
    assert_eq!((report.items, report.chunks, report.pictures), (2, 6, 26));
    assert_eq!((report.faults, report.repaired), (Vec::new(), Vec::new()));
    house.close();
    (snapshot, recording)
}

/// Damages a store with SQL, expects a report with `told`, and repairs it. `{r}` is the recording, `{s}` the
/// snapshot, `{c}` the recording's chunk 2.
fn damaged(sql: &str, told: &str) -> (tempfile::TempDir, CheckReport) {
    let directory = tempfile::tempdir().unwrap();
    let (snapshot, recording) = store(directory.path());
    let file = directory.path().join(FILE_NAME);
    let sql = sql
        .replace("{r}", &recording.to_string())
        .replace("{s}", &snapshot.to_string())
        .replace("{c}", &chunk_id(recording, 2).to_string());
    Connection::open(&file).unwrap().execute_batch(&sql).unwrap();
    let before = check_offline(directory.path(), false).unwrap();
    assert!(before.faults.iter().any(|fault| fault.contains(told)), "{told}: {before:?}");
    assert!(before.repaired.is_empty());
    let report = check_offline(directory.path(), true).unwrap();
    assert!(report.repaired.iter().any(|mended| mended.contains(told)), "{told}: {report:?}");
    assert_eq!(report.faults, Vec::<String>::new(), "{told}");
    let after = check_offline(directory.path(), true).unwrap();
    assert_eq!((after.faults, after.repaired), (Vec::new(), Vec::new()), "{told}");
    (directory, report)
}

#[test]
fn a_lost_end_is_a_gap_without_a_chunk() {
    let directory = tempfile::tempdir().unwrap();
    let (_, recording) = store(directory.path());
    let file = directory.path().join(FILE_NAME);
    let cut = format!("UPDATE items SET ended = 'cut', gaps = gaps + 1 WHERE id = {recording}");
    Connection::open(&file).unwrap().execute_batch(&cut).unwrap();
    assert_eq!(check_offline(directory.path(), false).unwrap().faults, Vec::<String>::new());
    let (directory, _) = damaged(
        "UPDATE items SET ended = 'cut', gaps = 7 WHERE id = {r}",
        "not the sums of its chunks: gaps",
    );
    let gaps: i64 = Connection::open(directory.path().join(FILE_NAME))
        .unwrap()
        .query_row("SELECT gaps FROM items WHERE ended = 'cut'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(gaps, 1);
}

#[test]
fn wrong_sums_are_computed_again() {
    for (set, told) in [
        ("items SET frames = 7 WHERE id = {r}", "not the sums of its chunks: pictures"),
        ("items SET bytes = bytes + 1 WHERE id = {s}", "not the sums of its chunks: bytes"),
        ("items SET duration_us = 1, width = 1 WHERE id = {r}", "size, duration"),
        ("chunks SET frames_before = 3 WHERE id = {c}", "chunk 2: not right is what comes before it"),
        ("chunks SET bytes = 3, frames = 1 WHERE id = {c}", "its number of pictures, its bytes"),
        ("chunks SET to_us = to_us + 1 WHERE id = {c}", "its times"),
    ] {
        let (directory, _) = damaged(&format!("UPDATE {set}"), told);
        let whole = tempfile::tempdir().unwrap();
        store(whole.path());
        let bytes = |directory: &Path| -> Vec<u64> {
            contents(&directory.join(FILE_NAME)).values().map(|(_, hash)| *hash).collect()
        };
        assert_eq!(bytes(directory.path()), bytes(whole.path()), "{told}");
    }
}

#[test]
fn bad_chunks_go_and_leave_a_gap() {
    for (sql, told, frames, gaps) in [
        ("UPDATE chunks SET frames_index = x'07' WHERE id = {c}", "its index is none", 20, 1),
        ("UPDATE chunks SET jpegs = zeroblob(9) WHERE id = {c}", "it has no picture", 20, 1),
        (
            "UPDATE chunks SET jpegs = CAST(x'00' || substr(jpegs, 2) AS BLOB) WHERE id = {c}",
            "1 of 5 pictures are no JPEGs",
            24,
            1,
        ),
        ("DELETE FROM chunks WHERE id = {c}", "what comes before it", 20, 0),
    ] {
        let (directory, _) = damaged(sql, told);
        let items = contents(&directory.path().join(FILE_NAME));
        let recording = &items.values().find(|(item, _)| item.kind == MediaKind::Recording).unwrap().0;
        assert_eq!((recording.frames, recording.gaps), (frames, gaps), "{told}");
    }
}

#[test]
fn orphans_are_freed() {
    damaged("DELETE FROM items WHERE id = {r}", "which is not there");
    let copy = "INSERT INTO chunks SELECT id + (9 << 32), from_us, to_us, frames, bytes, width, height, gap,
        frames_before, bytes_before, gaps_before, step_us, frames_index, jpegs, filling FROM chunks WHERE id = {c}";
    damaged(copy, "which is not there");
    let (directory, _) =
        damaged("DELETE FROM chunks WHERE id = {s} << 32", "has no picture that can be read");
    assert_eq!(contents(&directory.path().join(FILE_NAME)).len(), 1);
}

#[test]
fn repair_removes_an_unfinished_import() {
    let directory = tempfile::tempdir().unwrap();
    let (_, recording) = store(directory.path());
    let sql = format!("UPDATE items SET state = 1, origin = 'import' WHERE id = {recording}");
    Connection::open(directory.path().join(FILE_NAME)).unwrap().execute_batch(&sql).unwrap();
    let report = check_offline(directory.path(), true).unwrap();
    assert!(report.repaired.iter().any(|mended| mended.contains("nothing of it stays")), "{report:?}");
    assert_eq!(report.faults, Vec::<String>::new());
    let after = check_offline(directory.path(), false).unwrap();
    assert_eq!((after.items, after.faults), (1, Vec::<String>::new()));
}

#[test]
fn an_open_item_that_nobody_records_is_reported_while_the_store_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let (_, recording) = store(directory.path());
    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    let mut handle = house.begin("c.mp4").unwrap();
    handle.append_waiting(chunk(0, 5, 1000)).unwrap();
    // A recording under way is sound.
    assert_eq!(house.check(false).faults, Vec::<String>::new());
    let other = Connection::open(house.media.file()).unwrap();
    other.execute("UPDATE items SET state = 1 WHERE id = ?1", [recording as i64]).unwrap();
    drop(other);
    assert!(house.check(false).faults[0].contains("is open, and nobody records it"));
    assert!(house.check(true).repaired[0].contains("it is closed"));
    assert_eq!(house.check(false).faults, Vec::<String>::new());
    handle.end(crate::media::Ended::Asked).unwrap();
    assert_eq!(house.check(false).faults, Vec::<String>::new());
    house.close();
}

/// Overwrites each page of the file in turn. The report is true, and undamaged data stays.
#[test]
fn a_damaged_page_costs_only_its_own_data() {
    let directory = tempfile::tempdir().unwrap();
    store(directory.path());
    let file = directory.path().join(FILE_NAME);
    let whole = std::fs::read(&file).unwrap();
    let pages = whole.len() / 4096;
    let (mut unusable, mut told, mut unseen) = (0, 0, 0);
    for page in (0..pages).step_by(3) {
        let mut bytes = whole.clone();
        bytes[page * 4096..][..4096].fill(0xa5);
        std::fs::write(&file, &bytes).unwrap();
        match check_offline(directory.path(), true) {
            Err(error) => {
                println!("page {page}: {error}");
                unusable += 1;
                assert!(std::fs::read(&file).unwrap() == bytes, "page {page}: the file is left as it is");
            }
            Ok(report) if report.faults.is_empty() && report.repaired.is_empty() => unseen += 1,
            Ok(_) => {
                told += 1;
                // The rest can be read as a store.
                let again = check_offline(directory.path(), false).unwrap();
                assert!(again.chunks + 1 >= 4 || again.items < 2, "page {page}: {again:?}");
            }
        }
    }
    println!("{pages} pages: {told} told, {unusable} made the file unusable, {unseen} within a picture");
    assert!(told > 20 && unusable < 5, "{told} {unusable} {unseen}");
}

/// If the check itself cannot read the file, its hint must not be to run `media check`.
#[test]
fn the_hint_for_an_uncheckable_file_names_another_way() {
    let directory = tempfile::tempdir().unwrap();
    store(directory.path());
    let file = directory.path().join(FILE_NAME);
    let whole = std::fs::read(&file).unwrap();
    for bytes in [&whole[..whole.len() / 2], &whole[..5000], &[0x5a; 100_000]] {
        std::fs::write(&file, bytes).unwrap();
        for repair in [false, true] {
            let error = check_offline(directory.path(), repair).unwrap_err();
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains("`tallycam media new`") && hint.contains(".recover"), "{error}: {hint}");
            assert!(!hint.contains("media check"), "{hint}");
        }
        assert!(std::fs::read(&file).unwrap() == bytes, "it is left as it is");
    }
}

#[test]
fn a_check_of_nothing_and_of_a_store_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(check_offline(directory.path(), false), Err(MediaError::File { .. })));
    store(directory.path());
    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    assert!(matches!(check_offline(directory.path(), false), Err(MediaError::Locked { .. })));
    house.close();
}

#[test]
fn room_goes_back_to_the_file_system() {
    let directory = tempfile::tempdir().unwrap();
    let (snapshot, recording) = store(directory.path());
    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    let before = std::fs::metadata(house.media.file()).unwrap().len();
    house.wait(house.media.remove(vec![recording])).unwrap();
    while house.media.reader().unwrap().storage(&RetentionRules::default()).unwrap().going_bytes > 0 {
        std::thread::yield_now();
    }
    assert_eq!(std::fs::metadata(house.media.file()).unwrap().len(), before, "the room stays in the file");
    let given = house.wait(house.media.vacuum(false)).unwrap().freed;
    assert!(given > 400_000, "{given}");
    assert_eq!(std::fs::metadata(house.media.file()).unwrap().len(), before - given);
    assert_eq!(house.wait(house.media.vacuum(false)).unwrap(), Vacuumed::default());
    assert_eq!(house.check(false).faults, Vec::<String>::new());
    assert_eq!(contents(house.media.file()).keys().copied().collect::<Vec<_>>(), [snapshot]);
    house.close();
}
