//! Recordings: chunk by chunk, refused, closed, freed.

use super::*;

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

#[test]
fn two_chunks_wait_and_buffers_go_round() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(None);
    assert!(handle.append(chunk(0, 1, 5000)).expect("a place").jpegs.capacity() == 0, "a new one");
    handle.append(chunk(1, 1, 5000)).expect("a place");
    let RefusedChunk(back) = handle.append(chunk(2, 1, 5000)).expect_err("two wait");
    assert_eq!(back.frames.len(), 1, "it is given back whole");
    bench.turn();
    let buffer = handle.append(back).expect("a place");
    assert!(buffer.jpegs.capacity() >= 5000 && buffer.jpegs.is_empty() && buffer.frames.is_empty());
    handle.count_dropped();
    assert_eq!(bench.media.status().borrow().chunks_dropped, 1);
    assert_eq!(bench.end(handle).expect("it ends").expect("pictures").frames, 3);
    bench.assert_sound();
}

#[test]
fn an_unreadable_chunk_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(None);
    let good = chunk(5, 2, 100);
    let broken = |change: fn(&mut Chunk)| {
        let mut chunk = good.clone();
        change(&mut chunk);
        chunk
    };
    for chunk in [
        Chunk::default(),
        broken(|chunk| chunk.jpegs.truncate(150)),
        broken(|chunk| chunk.frames[1].offset += 1),
        broken(|chunk| chunk.frames[1].at_us = 0),
    ] {
        assert!(handle.append(chunk.clone()).is_err());
        assert!(matches!(handle.append_waiting(chunk), Err(MediaError::Wrong(_))));
    }
    handle.append(good).expect("that one is");
    bench.turn();
    assert_eq!(bench.reader().item(handle.id()).expect("there").frames, 2);
}

#[test]
fn a_recording_interrupted_by_a_power_cut_is_closed_and_playable() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(Some("ride"));
    let id = handle.id();
    let empty = bench.begin(Some("nothing yet"));
    for number in 0..5 {
        bench.append(&mut handle, chunk(number * 10, 10, 3000));
    }
    bench.cut(vec![handle, empty]);
    let bench = Bench::open(folder.path());
    let items = bench.items();
    assert_eq!(items.len(), 1, "one without a picture leaves no row");
    let item = &items[0];
    assert_eq!(
        (item.id, item.frames, item.bytes, item.duration_us, item.is_open),
        (id, 50, 150_000, 5 * S, false)
    );
    let ended: String = bench
        .writer
        .connection
        .query_row("SELECT ended FROM items WHERE id = ?1", [id as i64], |row| row.get(0))
        .expect("read");
    assert_eq!(ended, "interrupted");
    bench.assert_sound();
}

#[test]
fn an_import_interrupted_by_a_power_cut_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let new = |stamp| NewRecording { origin: MediaOrigin::Import, ..new_recording(Some("clip.avi"), stamp) };
    let clip = new(bench.clock.now());
    let mut handle = bench.block(move |media| media.begin_recording(clip)).expect("it begins");
    bench.append(&mut handle, chunk(0, 10, 3000));
    bench.cut(vec![handle]);
    let mut bench = Bench::open(folder.path());
    assert!(bench.items().is_empty(), "{:?}", bench.items());
    bench.assert_sound();
    bench.settle();
    bench.assert_sound();
    // A second, complete import works: the name is free.
    let clip = new(bench.clock.now());
    let mut handle = bench.block(move |media| media.begin_recording(clip)).expect("it begins");
    bench.append(&mut handle, chunk(0, 10, 3000));
    let item = bench.end(handle).expect("it ends").expect("it has pictures");
    assert_eq!((item.name.as_str(), item.frames), ("clip.avi", 10));
}

#[test]
fn dropping_a_handle_ends_its_recording_and_one_can_be_discarded() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(Some("dropped"));
    handle.append(chunk(0, 10, 100)).expect("a place");
    drop(handle);
    bench.turn();
    assert!(!bench.items()[0].is_open);
    let mut handle = bench.begin(Some("discarded"));
    handle.append(chunk(0, 10, 100)).expect("a place");
    bench.block(move |_| handle.discard()).expect("discarded");
    assert_eq!(bench.items().len(), 1);
    bench.settle();
    bench.assert_sound();
}

#[test]
fn a_chunk_is_found_however_many_are_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(None);
    let id = handle.id();
    for number in 0..200 {
        bench.append(&mut handle, chunk(number * 3, 3, 50));
    }
    for missing in [vec![], vec![0, 1, 2], vec![50], (60..130).collect(), vec![198, 199], (3..197).collect()]
    {
        for number in missing {
            let row = schema::chunk_id(id, number);
            bench.writer.connection.execute("DELETE FROM chunks WHERE id = ?1", [row]).expect("deleted");
        }
        let reader = bench.reader();
        let chunks = reader.chunks(id).expect("there");
        for tenth in 0..620 {
            let at_us = tenth * S / 10 + 7;
            let expected = chunks.iter().rfind(|chunk| chunk.from_us <= at_us).or(chunks.first());
            assert_eq!(reader.chunk_at(id, at_us).expect("there").as_ref(), expected, "at {at_us}");
        }
    }
}

#[test]
fn a_time_lapse_is_as_long_as_its_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(None);
    for number in 0..5 {
        bench.append(&mut handle, chunk(number * 36_000, 1, 100));
    }
    let item = bench.end(handle).expect("it ends").expect("pictures");
    assert_eq!((item.frames, item.duration_us, item.gaps), (5, 5 * 3600 * S, 0));
}

#[test]
fn retention_deletes_as_fast_as_recording_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    bench
        .media
        .set_retention(RetentionRules { recordings_bytes: Some(2_000_000), ..RetentionRules::default() });
    let mut most_pages = 0;
    let pages = |bench: &Bench| storage::pages(&bench.writer.connection).expect("read").0;
    for recording in 0..12 {
        let mut handle = bench.begin(Some(&format!("{recording}")));
        for number in 0..10 {
            bench.append(&mut handle, chunk(number * 10, 10, 5000));
            bench.clock.pass(S);
            bench.writer.run_background();
        }
        bench.end(handle).expect("it ends");
        bench.assert_sound();
        if recording == 5 {
            most_pages = pages(&bench);
        }
    }
    assert!(pages(&bench) <= most_pages + 20 * 4096, "{} > {most_pages}", pages(&bench));
    let names: Vec<String> = bench.items().into_iter().map(|item| item.name).collect();
    assert_eq!(names, ["11", "10", "9", "8"]);
}

#[test]
fn protected_items_stay_and_old_ones_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let kept = bench.snapshot(Some("kept"), &jpeg(1, 1000)).expect("kept");
    bench.edit(kept.id, None, MediaEdit { is_kept: Some(true), ..MediaEdit::default() }).expect("changed");
    bench.snapshot(Some("old"), &jpeg(2, 1000)).expect("kept");
    bench.clock.pass(3600 * S);
    bench.snapshot(Some("new"), &jpeg(3, 1000)).expect("kept");
    let age = std::time::Duration::from_secs(1800);
    let rules = RetentionRules { snapshots_age: Some(age), ..RetentionRules::default() };
    bench.media.set_retention(rules);
    bench.settle();
    let names: Vec<String> = bench.items().into_iter().map(|item| item.name).collect();
    assert_eq!(names, ["new", "kept"]);
    bench.clock.pass(3600 * S);
    bench.settle();
    assert_eq!(bench.items().len(), 1);
    bench.assert_sound();
}

#[test]
fn a_clock_that_jumps_ahead_deletes_nothing() {
    const YEAR: u64 = 365 * 86_400 * S;
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let age = std::time::Duration::from_secs(86_400);
    bench.media.set_retention(RetentionRules { snapshots_age: Some(age), ..RetentionRules::default() });
    bench.snapshot(Some("a"), &jpeg(1, 1000)).expect("kept");
    // Somebody sets it, and the kernel reports it as unsynchronized.
    bench.clock.with(|clock| (clock.wall, clock.is_synchronised) = (clock.wall + YEAR, false));
    for _ in 0..59 {
        bench.clock.pass(60 * S);
        bench.snapshot(None, &jpeg(2, 1000)).expect("kept");
        bench.writer.run_background();
    }
    assert_eq!(bench.items().len(), 60);
    // The clock is corrected.
    bench.clock.with(|clock| (clock.wall, clock.is_synchronised) = (clock.wall - YEAR, true));
    bench.clock.pass(60 * S);
    bench.turn();
    bench.settle();
    assert_eq!(bench.items().len(), 60);
    // A start with a wrong year deletes nothing either.
    bench.cut(Vec::new());
    let clock = Script::new();
    clock.with(|clock| {
        (clock.wall, clock.is_synchronised) = (clock.wall + YEAR, false);
        clock.boot = String::from("second");
    });
    let mut bench = Bench::with(folder.path(), &clock);
    bench.media.set_retention(RetentionRules { snapshots_age: Some(age), ..RetentionRules::default() });
    bench.settle();
    assert_eq!(bench.items().len(), 60);
    // An unsynchronized clock is trusted after an hour.
    bench.clock.pass(2 * 86_400 * S);
    bench.settle();
    assert_eq!(bench.items().len(), 0);
    bench.assert_sound();
}

#[test]
fn nothing_is_written_when_idle() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    bench.snapshot(None, &jpeg(1, 1000)).expect("kept");
    let rules =
        RetentionRules { snapshots_bytes: Some(1 << 30), min_free: Some(1), ..RetentionRules::default() };
    bench.media.set_retention(rules);
    let before = std::fs::metadata(folder.path().join("media.db")).expect("there").modified().expect("known");
    let counter = |bench: &Bench| bench.writer.connection.total_changes();
    let changes = counter(&bench);
    for _ in 0..200 {
        bench.clock.pass(7 * S);
        bench.turn();
        bench.writer.run_background();
    }
    assert_eq!(counter(&bench), changes);
    assert_eq!(
        std::fs::metadata(folder.path().join("media.db")).expect("there").modified().expect("known"),
        before
    );
}

#[test]
fn the_thread_writes_what_waits_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let (media, worker) = Media::open(settings(folder.path())).expect("it opens");
    let mut handle = media.begin_recording(new_recording(None, ClockTime::now())).expect("it begins");
    let id = handle.id();
    for number in 0..50 {
        handle.append_waiting(chunk(number * 10, 10, 2000)).expect("taken");
    }
    media.stop();
    assert!(handle.append(chunk(500, 10, 100)).is_err());
    worker.join_within(std::time::Duration::from_secs(60)).expect("it ends");
    assert!(handle.is_closed());
    let item = MediaReader::open(media.file()).expect("it opens").item(id).expect("there");
    assert_eq!((item.frames, item.is_open), (500, false));
    assert_eq!(handle.end(Ended::Asked).expect("it was closed"), Some(item));
}

#[test]
fn room_goes_back_to_the_file_system_when_a_limit_is_lowered() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    for number in 0..20 {
        bench.snapshot(None, &jpeg(number, 100_000)).expect("kept");
    }
    let size = |bench: &Bench| storage::pages(&bench.writer.connection).expect("read").0;
    let before = size(&bench);
    // Removed items leave room for new ones in the file.
    let ids: Vec<u64> = bench.items().iter().take(5).map(|item| item.id).collect();
    bench.remove(ids).expect("removed");
    bench.settle();
    assert_eq!(size(&bench), before);
    bench.media.set_retention(RetentionRules { snapshots_bytes: Some(400_000), ..RetentionRules::default() });
    for _ in 0..100 {
        bench.clock.pass(S);
        bench.turn();
        bench.writer.run_background();
    }
    assert_eq!(bench.items().len(), 4);
    assert!(size(&bench) < 500_000, "{} of {before}", size(&bench));
    bench.assert_sound();
}
