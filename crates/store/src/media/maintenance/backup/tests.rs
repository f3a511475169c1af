//! Backups while everything else continues.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::media::faults::tests::{House, chunk, contents, jpeg};
use crate::media::{Ended, RetentionRules, check_offline};

/// The bytes of a whole backup, or the error that ended it.
async fn take(mut backup: Backup) -> Result<Vec<u8>, MediaError> {
    let mut bytes = Vec::new();
    while let Some(piece) = backup.pieces.recv().await {
        bytes.extend_from_slice(&piece?);
    }
    assert_eq!(bytes.len() as u64, backup.len);
    Ok(bytes)
}

/// A store with the bytes of a backup; checks that it is sound.
fn restored(bytes: &[u8]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("media.db"), bytes).unwrap();
    let report = check_offline(directory.path(), false).unwrap();
    assert_eq!(report.faults, Vec::<String>::new());
    directory
}

#[test]
fn a_backup_is_a_snapshot_of_the_store_despite_recording_and_deleting() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(house.record(&format!("{n}.mp4"), 6, 60_000).unwrap().id);
        house.snapshot(&format!("{n}.jpg"), &jpeg(n, 40_000)).unwrap();
    }
    // Leaves unused room in the file.
    house.wait(house.media.remove(vec![ids[0]])).unwrap();
    let before = contents(house.media.file());
    let backup = house.wait(house.media.backup()).unwrap();
    let is_taken = AtomicBool::new(false);
    let bytes = std::thread::scope(|scope| {
        scope.spawn(|| {
            let other = House::beside(&house);
            for n in 0.. {
                let mut handle = other.begin(&format!("while-{n}.mp4")).unwrap();
                for number in 0..4 {
                    handle.append_waiting(chunk(number, 5, 60_000)).unwrap();
                }
                handle.end(Ended::Asked).unwrap();
                if n < 4 {
                    other.wait(other.media.remove(vec![ids[n + 1]])).unwrap();
                }
                if n >= 5 && is_taken.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let bytes = house.wait(take(backup)).unwrap();
        is_taken.store(true, Ordering::Relaxed);
        bytes
    });
    let copy = restored(&bytes);
    assert!(contents(&copy.path().join("media.db")) == before);
    assert!(contents(house.media.file()) != before, "the store itself went on");
    assert_eq!(house.check(false).faults, Vec::<String>::new());
    house.close();
}

#[test]
fn one_backup_runs_at_a_time_and_has_no_deleted_data() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    let secret = jpeg(77, 700_000);
    let item = house.snapshot("secret.jpg", &secret).unwrap();
    for n in 0..20 {
        house.snapshot(&format!("{n}.jpg"), &jpeg(n, 200_000)).unwrap();
    }
    house.wait(house.media.remove(vec![item.id])).unwrap();
    // The next writes free its room.
    house.record("next.mp4", 4, 1000).unwrap();
    while house.media.reader().unwrap().storage(&RetentionRules::default()).unwrap().going_bytes > 0 {
        std::thread::yield_now();
    }
    let backup = house.wait(house.media.backup()).unwrap();
    let second = house.wait(house.media.backup()).unwrap_err();
    assert!(second.to_string().contains("one at a time"), "{second}");
    let bytes = house.wait(take(backup)).unwrap();
    let of_it = |bytes: &[u8]| memchr::memmem::find(bytes, &secret[350_000..350_256]).is_some();
    assert!(!of_it(&bytes));
    restored(&bytes);
    // A backup whose receiver has gone does not block the next one.
    drop(house.wait(house.media.backup()).unwrap());
    let again = loop {
        match house.wait(house.media.backup()) {
            Ok(backup) => break backup,
            Err(_) => std::thread::yield_now(),
        }
    };
    house.wait(take(again)).unwrap();
    let files = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(files, 4, "store, journal, lock, ballast; nothing else");
    house.close();
}

/// Number of pieces of `picture` that `bytes` still contains, with one piece from each page.
fn left_of(picture: &[u8], bytes: &[u8]) -> usize {
    let pieces = picture.chunks_exact(200).step_by(7);
    pieces.filter(|piece| memchr::memmem::find(bytes, piece).is_some()).count()
}

/// Also data that was just deleted, and the unused bytes of free list pages and half-empty pages.
#[test]
fn a_backup_has_no_bytes_of_deleted_data() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    let secrets: Vec<Vec<u8>> =
        [700_000, 40_000, 3000, 900, 400].iter().enumerate().map(|(n, &len)| jpeg(n as u64, len)).collect();
    let mut ids = Vec::new();
    for (n, secret) in secrets.iter().enumerate() {
        house.snapshot(&format!("kept-{n}.jpg"), &jpeg(100 + n as u64, 700)).unwrap();
        ids.push(house.snapshot(&format!("secret-{n}.jpg"), secret).unwrap().id);
    }
    house.wait(house.media.remove(ids)).unwrap();
    let bytes = house.wait(async { take(house.media.backup().await.unwrap()).await.unwrap() });
    for secret in &secrets {
        assert_eq!(left_of(secret, &bytes), 0, "of {} bytes", secret.len());
    }
    let copy = restored(&bytes);
    assert!(contents(&copy.path().join("media.db")) == contents(house.media.file()));
    house.close();
}

/// Stores of earlier versions left deleted rows where they were.
#[test]
fn nothing_is_left_of_rows_that_an_earlier_version_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    house.snapshot("kept.jpg", &jpeg(1, 700)).unwrap();
    house.close();
    let secret = "a name that was deleted long ago";
    let file = directory.path().join("media.db");
    let old = rusqlite::Connection::open(&file).unwrap();
    old.execute_batch(&format!(
        "PRAGMA secure_delete = off;
         INSERT INTO settings VALUES ('{secret}', 'x'), ('a', 'b'), ('{secret}, too', 'x');
         DELETE FROM settings WHERE key LIKE '{secret}%'"
    ))
    .unwrap();
    drop(old);
    assert!(memchr::memmem::find(&std::fs::read(&file).unwrap(), secret.as_bytes()).is_some());
    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    let bytes = house.wait(async { take(house.media.backup().await.unwrap()).await.unwrap() });
    assert!(memchr::memmem::find(&bytes, secret.as_bytes()).is_none());
    restored(&bytes);
    house.close();
}

#[test]
fn a_wipe_overwrites_deleted_data_only() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    let secrets: Vec<Vec<u8>> =
        [3_000_000, 40_000, 3000, 400].iter().enumerate().map(|(n, &len)| jpeg(n as u64, len)).collect();
    let mut ids = Vec::new();
    for (n, secret) in secrets.iter().enumerate() {
        ids.push(house.snapshot(&format!("secret-{n}.jpg"), secret).unwrap().id);
        house.snapshot(&format!("kept-{n}.jpg"), &jpeg(100 + n as u64, 90_000)).unwrap();
    }
    house.wait(house.media.remove(ids)).unwrap();
    let before = contents(house.media.file());
    let done = house.wait(house.media.vacuum(true)).unwrap();
    assert!(done.wiped > 3_000_000 && done.freed > 3_000_000, "{done:?}");
    let bytes = std::fs::read(house.media.file()).unwrap();
    for secret in &secrets {
        assert_eq!(left_of(secret, &bytes), 0, "of {} bytes", secret.len());
    }
    assert!(contents(house.media.file()) == before);
    assert_eq!(house.check(false).faults, Vec::<String>::new());
    house.close();
}

/// A copy made while recording is whole: the next start closes that recording.
#[test]
fn a_backup_made_while_recording_is_sound_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path(), RetentionRules::default()).unwrap();
    let mut handle = house.begin("open.mp4").unwrap();
    handle.append_waiting(chunk(0, 5, 6000)).unwrap();
    let copy = house.wait(async { take(house.media.backup().await.unwrap()).await.unwrap() });
    let directory = restored(&copy);
    let report = check_offline(directory.path(), true).unwrap();
    assert!(report.repaired.iter().any(|mended| mended.contains("it is closed")), "{report:?}");
    handle.end(Ended::Asked).unwrap();
    house.close();
}
