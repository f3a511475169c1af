//! A full disk, and a failing one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::media::maintenance::jobs::{Job, JobDesk, Next};
use tallycam_base::Heartbeat;

#[test]
fn a_full_disk_refuses_new_items_and_keeps_stored_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let kept = bench.snapshot(Some("kept"), &jpeg(1, 50_000)).expect("kept");
    let mut handle = bench.begin(Some("ride"));
    bench.append(&mut handle, chunk(0, 10, 5000));
    let ballast = folder.path().join(tallycam_base::ballast::NAME);
    std::fs::write(&ballast, "room").expect("written");
    bench.writer.limit_growth(Some(2));
    handle.append(chunk(10, 10, 20_000)).expect("a place");
    bench.turn();
    assert!(ballast.exists(), "pictures never get its room");
    assert!(matches!(handle.error(), Some(MediaError::Full)));
    assert!(bench.media.status().borrow().is_full && bench.media.status().borrow().trouble.is_some());
    let refused = bench.snapshot(Some("too much"), &jpeg(2, 50_000));
    assert!(matches!(refused, Err(MediaError::Full)), "{refused:?}");
    assert!(!ballast.exists(), "the next edit has its room");
    handle.append(chunk(20, 10, 5000)).expect("the second that waits");
    assert!(handle.append(chunk(30, 10, 5000)).is_err(), "no more");
    bench.turn();
    assert_eq!(bench.reader().item(kept.id).expect("there"), kept);
    assert_eq!(bench.reader().item(handle.id()).expect("there").frames, 10);
    assert_eq!(bench.items().len(), 2);
    // Removal makes room even on a full disk.
    bench.remove(vec![kept.id]).expect("removed");
    bench.writer.limit_growth(None);
    bench.clock.pass(S);
    bench.turn();
    assert!(handle.error().is_none());
    assert!(!bench.media.status().borrow().is_full && bench.media.status().borrow().trouble.is_none());
    let mut after = chunk(40, 10, 5000);
    after.is_after_gap = true;
    handle.append(after).expect("a place");
    let item = bench.end(handle).expect("it ends").expect("pictures");
    assert_eq!((item.frames, item.gaps), (40, 1));
    bench.settle();
    bench.assert_sound();
}

#[test]
fn a_recording_ends_on_a_full_disk_too_and_can_be_removed_to_make_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(Some("ride"));
    bench.append(&mut handle, chunk(0, 10, 5000));
    let id = handle.id();
    // More than the disk has.
    bench.media.set_retention(RetentionRules { min_free: Some(u64::MAX / 4), ..RetentionRules::default() });
    handle.append(chunk(10, 10, 50_000)).expect("there is a place");
    let item = bench.end(handle).expect("it ends").expect("it has pictures");
    assert_eq!((item.frames, item.is_open), (10, false));
    assert_eq!(item.gaps, 1, "its end is missing");
    assert_eq!(bench.media.status().borrow().chunks_dropped, 1);
    bench.assert_sound();
    bench.remove(vec![id]).expect("it makes room");
    bench.settle();
    assert!(bench.items().is_empty());
}

#[test]
fn a_chunk_that_waits_when_the_store_ends_is_a_lost_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(Some("ride"));
    bench.append(&mut handle, chunk(0, 10, 5000));
    assert_eq!((handle.written().frames, handle.written().to_us), (10, 9 * S / 10));
    bench.media.set_retention(RetentionRules { min_free: Some(u64::MAX / 4), ..RetentionRules::default() });
    bench.append(&mut handle, chunk(10, 10, 5000));
    assert_eq!(handle.written().frames, 10, "it waits");
    let Bench { media, writer, .. } = bench;
    media.stop();
    writer.run_thread(&Heartbeat::new());
    drop(handle);
    let bench = Bench::open(folder.path());
    let items = bench.items();
    assert_eq!((items[0].frames, items[0].gaps, items[0].is_open), (10, 1, false));
    bench.assert_sound();
}

#[test]
fn an_edit_without_a_transaction_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(Some("ride"));
    // The wait takes one turn, so the test hangs without an answer.
    bench.writer.connection.pragma_update(None, "query_only", true).expect("set");
    let refused = bench.snapshot(None, &jpeg(1, 5000));
    assert!(matches!(refused, Err(MediaError::File { .. })), "{refused:?}");
    assert!(bench.media.status().borrow().trouble.is_some());
    // The file was opened again.
    bench.append(&mut handle, chunk(0, 10, 5000));
    assert_eq!(bench.media.status().borrow().trouble, None);
    assert_eq!(bench.end(handle).expect("it ends").expect("pictures").frames, 10);
    bench.assert_sound();
}

#[test]
fn a_disk_fault_ends_when_a_write_succeeds() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    bench.writer.limit_growth(Some(0));
    assert!(bench.snapshot(None, &jpeg(1, 50_000)).is_err());
    assert!(bench.media.status().borrow().trouble.is_some());
    bench.writer.limit_growth(None);
    bench.clock.pass(6 * S);
    bench.turn();
    bench.writer.run_background();
    assert_eq!(bench.media.status().borrow().trouble, None);
}

#[test]
fn min_free_is_kept_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let kept = bench.snapshot(Some("kept"), &jpeg(1, 500_000)).expect("kept");
    bench.edit(kept.id, None, MediaEdit { is_kept: Some(true), ..MediaEdit::default() }).expect("changed");
    // More than the disk has.
    bench.media.set_retention(RetentionRules { min_free: Some(u64::MAX / 4), ..RetentionRules::default() });
    let refused = bench.snapshot(None, &jpeg(2, 100_000));
    assert!(matches!(refused, Err(MediaError::Full)), "{refused:?}");
    let new = bench.edit(kept.id, None, MediaEdit { is_kept: Some(false), ..MediaEdit::default() });
    new.expect("words can be changed");
    bench.settle();
    assert!(bench.items().is_empty(), "it goes for what is to be free");
    // Its room returns to the file system, which lacks it, and is not used again.
    let (_, unused) = storage::pages(&bench.writer.connection).expect("read");
    assert!(unused < 100_000, "{unused} bytes of the file are not used");
    let refused = bench.snapshot(None, &jpeg(3, 100_000));
    assert!(matches!(refused, Err(MediaError::Full)), "{refused:?}");
    bench.media.set_retention(RetentionRules::default());
    bench.snapshot(None, &jpeg(3, 100_000)).expect("nothing is to be kept free any more");
    bench.assert_sound();
}

#[test]
fn too_little_free_room_is_reported_until_there_is_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let kept = bench.snapshot(Some("kept"), &jpeg(1, 50_000)).expect("kept");
    bench.edit(kept.id, None, MediaEdit { is_kept: Some(true), ..MediaEdit::default() }).expect("changed");
    let told = |bench: &Bench| {
        let status = bench.media.status().borrow().clone();
        (status.is_full, status.trouble.is_some())
    };
    let short = RetentionRules { min_free: Some(u64::MAX / 4), ..RetentionRules::default() };
    bench.media.set_retention(short.clone());
    let refused = bench.snapshot(None, &jpeg(2, 50_000));
    assert!(matches!(refused, Err(MediaError::Full)), "{refused:?}");
    assert_eq!(told(&bench), (true, true));
    // A change that takes no room does not report room.
    let note = MediaEdit { note: Some(String::from("a word")), ..MediaEdit::default() };
    bench.edit(kept.id, None, note).expect("changed");
    bench.clock.pass(60 * S);
    bench.turn();
    bench.writer.run_background();
    assert_eq!(told(&bench), (true, true));
    bench.media.set_retention(RetentionRules::default());
    bench.turn();
    bench.writer.run_background();
    assert_eq!(told(&bench), (false, false));
    // It is reported without a refused write.
    bench.media.set_retention(short);
    bench.turn();
    bench.writer.run_background();
    assert_eq!(told(&bench), (true, true));
    bench.assert_sound();
}

#[test]
fn a_small_disk_fills_and_recording_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(folder.path())
        .stderr(std::process::Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: nothing can be mounted here");
        return;
    }
    let ballast = folder.path().join("ballast");
    let result = std::panic::catch_unwind(|| {
        std::fs::write(&ballast, vec![1; 2 << 20]).expect("written");
        let mut bench = Bench::open(folder.path());
        let old = bench.snapshot(Some("old"), &jpeg(1, 300_000)).expect("kept");
        let mut handle = bench.begin(Some("ride"));
        let mut chunks = 0;
        while bench.media.status().borrow().trouble.is_none() {
            bench.append(&mut handle, chunk(chunks * 10, 10, 10_000));
            chunks += 1;
            assert!(chunks < 100, "it is never full");
        }
        assert!(bench.media.status().borrow().is_full);
        let on_record = bench.reader().item(handle.id()).expect("there");
        assert_eq!(on_record.frames, (chunks - 1) * 10, "all but the last");
        // Somebody makes room, which itself needs some.
        bench.remove(vec![old.id]).expect("it can be removed");
        bench.clock.pass(S);
        bench.turn();
        bench.writer.run_background();
        bench.turn();
        assert!(!bench.media.status().borrow().is_full, "its room is used");
        while bench.media.status().borrow().trouble.is_none() {
            bench.append(&mut handle, chunk(chunks * 10, 10, 10_000));
            chunks += 1;
            assert!(chunks < 100, "it is never full again");
        }
        std::fs::remove_file(&ballast).expect("removed");
        bench.clock.pass(S);
        bench.turn();
        assert!(!bench.media.status().borrow().is_full);
        let item = bench.end(handle).expect("it ends").expect("pictures");
        assert_eq!(item.frames, chunks * 10);
        bench.assert_sound();
    });
    let unmounted = std::process::Command::new("umount").arg(folder.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// A file that is damaged during use is set aside unchanged, and its readable settings are taken over.
#[test]
fn a_file_that_is_damaged_while_it_is_in_use_is_set_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    bench.snapshot(Some("a.jpg"), &jpeg(1, 50_000)).expect("kept");
    let mut handle = bench.begin(Some("ride"));
    bench.append(&mut handle, chunk(0, 10, 5000));
    let file = folder.path().join("media.db");
    let len = std::fs::metadata(&file).expect("there").len();
    std::fs::write(&file, vec![0x5a; len as usize]).expect("written");
    assert!(bench.snapshot(None, &jpeg(2, 5000)).is_err());
    let aside = bench.wait(|media| async move { media.recreate().await }).expect("set aside");
    assert_eq!(std::fs::read(folder.path().join(&aside.name)).expect("there"), vec![0x5a; len as usize]);
    assert!(handle.is_closed());
    assert_eq!(bench.media.status().borrow().trouble, None);
    bench.snapshot(Some("b.jpg"), &jpeg(3, 5000)).expect("kept in the new one");
    assert_eq!(bench.items().len(), 1);
    bench.assert_sound();
}

/// An endless job that counts its steps.
struct Steps(Arc<AtomicU64>);

impl Job for Steps {
    fn step(&mut self, _: &mut JobDesk<'_>) -> Next {
        self.0.fetch_add(1, Ordering::Relaxed);
        Next::After(Duration::ZERO)
    }
}

/// A backup is needed most when the disk is full. One step per retry would take hours.
#[test]
fn long_work_goes_on_between_two_tries() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(Some("ride"));
    bench.writer.limit_growth(Some(2));
    handle.append(chunk(0, 10, 20_000)).expect("a place");
    bench.turn();
    assert!(bench.media.status().borrow().is_full);
    let steps = Arc::new(AtomicU64::new(0));
    let job = Steps(Arc::clone(&steps));
    bench.wait(|media| async move { media.run(job).await }).expect("begun");
    bench.turn();
    let before = steps.load(Ordering::Relaxed);
    assert!(!bench.writer.wait_to_retry(&Heartbeat::new()), "the inbox is not closed");
    let made = steps.load(Ordering::Relaxed) - before;
    assert!(made > 1, "{made} steps until the next try");
    bench.media.stop();
    assert!(bench.writer.wait_to_retry(&Heartbeat::new()), "an end is not waited for");
}
