//! Items: names, pages, changes, removal, the clock, setting the store aside.

use super::*;

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
fn names_are_stored_exactly_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let letters = "x".repeat(300);
    for name in [
        "../../etc/passwd",
        "a/b.jpg",
        "..",
        ".",
        "",
        "\0",
        "tab\there",
        "line\nbreak",
        "\u{1b}[31m",
        &letters,
    ] {
        let kept = bench.snapshot(Some(name), &jpeg(1, 100));
        assert!(matches!(kept, Err(MediaError::Wrong(_))), "{name:?}: {kept:?}");
    }
    assert!(bench.items().is_empty());
    let two_hundred = "ß".repeat(200);
    let names = [
        "it's",
        "\"quoted\".jpg",
        "🎞️ été.jpg",
        "'; DROP TABLE items; --",
        "%2e%2e%2f",
        "back\\slash",
        " a ",
        &two_hundred,
    ];
    for name in names {
        let item = bench.snapshot(Some(name), &jpeg(1, 100)).expect(name);
        assert_eq!(item.name, name);
        assert_eq!(bench.reader().by_name(name).expect(name), item);
        assert!(matches!(bench.snapshot(Some(name), &jpeg(1, 100)), Err(MediaError::SameName(_))));
    }
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).expect("read").map(|e| e.expect("one").file_name()).collect();
    let is_ours = |name: &std::ffi::OsString| {
        name.to_string_lossy().starts_with("media.") || name == tallycam_base::ballast::NAME
    };
    assert!(files.iter().all(is_ours), "{files:?}");
    bench.assert_sound();
}

#[test]
fn a_name_is_free_again_when_its_item_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let first = bench.snapshot(Some("a.jpg"), &jpeg(1, 10_000)).expect("kept");
    bench.remove(vec![first.id]).expect("removed");
    let second = bench.snapshot(Some("a.jpg"), &jpeg(2, 10_000)).expect("the first is still being freed");
    assert!(second.id > first.id, "numbers are never reused");
    assert!(matches!(bench.reader().snapshot(first.id), Err(MediaError::Unknown(_))));
    bench.settle();
    let last = second.id;
    bench.remove(vec![last]).expect("removed");
    bench.settle();
    assert!(bench.snapshot(None, &jpeg(3, 100)).expect("kept").id > last);
    bench.assert_sound();
}

#[test]
fn all_are_removed_or_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let ids: Vec<u64> = (0..3).map(|n| bench.snapshot(None, &jpeg(n, 1000)).expect("kept").id).collect();
    let handle = bench.begin(None);
    let open = bench.remove(vec![ids[0], handle.id()]);
    assert!(matches!(open, Err(MediaError::Open(_))), "{open:?}");
    assert!(matches!(bench.remove(vec![ids[0], 777]), Err(MediaError::Unknown(_))));
    assert_eq!(bench.items().len(), 4);
    bench.remove(vec![ids[0], ids[1], ids[0]]).expect("removed");
    assert_eq!(bench.items().len(), 2);
    assert_eq!(bench.end(handle).expect("it ends"), None, "it had no picture");
    assert_eq!(bench.items().len(), 1);
    bench.settle();
    bench.assert_sound();
    assert_eq!(bench.reader().storage(&RetentionRules::default()).expect("read").going_bytes, 0);
}

#[test]
fn changes_need_the_version_they_were_made_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let item = bench.snapshot(Some("a.jpg"), &jpeg(1, 1000)).expect("kept");
    bench.snapshot(Some("b.jpg"), &jpeg(2, 1000)).expect("kept");
    let named = |name: &str| MediaEdit { name: Some(name.to_owned()), ..MediaEdit::default() };
    let taken = bench.edit(item.id, None, named("b.jpg"));
    assert!(matches!(taken, Err(MediaError::SameName(_))), "{taken:?}");
    assert!(matches!(bench.edit(item.id, None, named("a/b")), Err(MediaError::Wrong(_))));
    let edited = bench.edit(item.id, Some(item.version), named("c.jpg")).expect("changed");
    assert_eq!((edited.name.as_str(), edited.version), ("c.jpg", item.version + 1));
    assert_eq!(bench.edit(item.id, None, named("c.jpg")).expect("as it is").version, edited.version);
    let late = bench.edit(item.id, Some(item.version), named("d.jpg"));
    assert!(
        matches!(late, Err(MediaError::Changed { version, .. }) if version == edited.version),
        "{late:?}"
    );
    let gone = bench.wait(|media| async move { media.remove_one(item.id, Some(item.version)).await });
    assert!(matches!(gone, Err(MediaError::Changed { .. })), "{gone:?}");
    let day = MediaEdit {
        date: Some(String::from("2026-05-31")),
        note: Some(String::from("two\nlines")),
        is_kept: Some(true),
        ..MediaEdit::default()
    };
    let moved = bench.edit(item.id, None, day).expect("changed");
    assert_eq!(moved.at_us, item.at_us - 86_400 * S, "the same time of day");
    assert_eq!((moved.date.as_str(), moved.note.as_str(), moved.is_kept), ("2026-05-31", "two\nlines", true));
    let words = MediaEdit { date: Some(String::from("last summer")), ..MediaEdit::default() };
    assert!(matches!(bench.edit(item.id, None, words), Err(MediaError::Wrong(_))));
    assert!(matches!(bench.edit(99, None, named("x")), Err(MediaError::Unknown(_))));
}

#[test]
fn several_items_are_protected_or_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let ids: Vec<u64> = (0..3).map(|n| bench.snapshot(None, &jpeg(n, 1000)).expect("kept").id).collect();
    let set = |bench: &mut Bench, ids: Vec<u64>, is_kept| {
        bench.wait(|media| async move { media.set_kept(ids, is_kept).await })
    };
    let missing = set(&mut bench, vec![ids[0], 777], true);
    assert!(matches!(missing, Err(MediaError::Unknown(_))), "{missing:?}");
    assert!(bench.items().iter().all(|item| !item.is_kept && item.version == 1), "none");
    let before = bench.media.status().borrow().revision;
    set(&mut bench, vec![ids[0], ids[2]], true).expect("kept");
    set(&mut bench, ids.clone(), true).expect("kept");
    assert!(bench.items().iter().all(|item| item.is_kept && item.version == 2), "each changed once");
    assert_eq!(bench.media.status().borrow().revision, before + 2);
    set(&mut bench, ids, true).expect("as they are");
    assert_eq!(bench.media.status().borrow().revision, before + 2, "a no-op is not announced");
    bench.assert_sound();
}

/// Inserts many rows without pictures, quickly.
pub(super) fn fill(bench: &Bench, count: u64) {
    let transaction = bench.writer.connection.unchecked_transaction().expect("begun");
    let mut row = transaction
        .prepare(
            "INSERT INTO items (name, kind, date, at_us, added_us, state, frames, width, height, bytes, camera, source,
               origin, note, added_mono_us, dated)
             VALUES (?1, ?2, '2026-06-01', ?3, ?3, 0, 1, 640, 480, 50000, 'door', 'a test', 'asked', ?4, 0, 0)",
        )
        .expect("prepared");
    for number in 0..count {
        // Several at one time, and not in their order.
        let at_us = MONDAY + (number * 7919 % count) / 3 * S;
        let kind = if number % 10 == 0 { "recording" } else { "snapshot" };
        let note = if number % 1000 == 0 { "the Fox" } else { "" };
        row.execute(rusqlite::params![format!("picture {number}.jpg"), kind, at_us as i64, note])
            .expect("a row");
    }
    drop(row);
    transaction.commit().expect("committed");
}

#[test]
fn ten_thousand_items_come_page_by_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(folder.path());
    fill(&bench, 10_000);
    let reader = bench.reader();
    let walk = |query: MediaQuery| {
        let mut query = MediaQuery { limit: 333, ..query };
        let mut found: Vec<Item> = Vec::new();
        loop {
            let page = reader.list(&query).expect("a page");
            assert!(page.items.len() <= 333);
            found.extend(page.items);
            query.cursor = page.next;
            if query.cursor.is_none() {
                assert!(
                    found.windows(2).all(|pair| (pair[0].at_us, pair[0].id) > (pair[1].at_us, pair[1].id))
                );
                return found;
            }
        }
    };
    let all = walk(MediaQuery::default());
    assert_eq!(all.len(), 10_000);
    let recordings = walk(MediaQuery { kind: Some(MediaKind::Recording), ..MediaQuery::default() });
    assert_eq!(recordings.len(), 1000);
    let foxes = walk(MediaQuery { text: Some(String::from("FOX")), ..MediaQuery::default() });
    assert_eq!(foxes.len(), 10);
    assert_eq!(
        walk(MediaQuery { text: Some(String::from("Picture 77")), ..MediaQuery::default() }).len(),
        111
    );
    assert_eq!(walk(MediaQuery { is_kept: Some(true), ..MediaQuery::default() }).len(), 0);
    let hour = MediaQuery {
        from_us: Some(MONDAY + 1000 * S),
        to_us: Some(MONDAY + 2000 * S),
        ..MediaQuery::default()
    };
    assert_eq!(walk(hour).len(), 3000);
    let around = |is_upward| {
        let query =
            MediaQuery { cursor: Some(all[500].cursor()), is_upward, limit: 2, ..MediaQuery::default() };
        reader.list(&query).expect("a page").items.iter().map(|item| item.id).collect::<Vec<_>>()
    };
    let ids = [499, 498, 501, 502].map(|n| all[n].id);
    assert_eq!([around(true), around(false)].concat(), ids);
    for cursor in ["", "7", "a.b", "1.2.3"] {
        let query = MediaQuery { cursor: Some(cursor.to_owned()), limit: 5, ..MediaQuery::default() };
        assert!(matches!(reader.list(&query), Err(MediaError::Wrong(_))), "{cursor}");
    }
    // Pages are read from an index, not sorted.
    let plan: String = bench
        .writer
        .connection
        .query_row(
            "EXPLAIN QUERY PLAN SELECT * FROM items WHERE state < 2 AND (at_us, id) < (7, 7) ORDER BY at_us DESC, id \
             DESC",
            [],
            |row| row.get(3),
        )
        .expect("a plan");
    assert!(plan.contains("items_by_time"), "{plan}");
    assert_eq!(reader.legacy_list().expect("read").len(), 10_000);
    assert_eq!(reader.storage(&RetentionRules::default()).expect("read").snapshots, (9000, 450_000_000));
}

#[test]
fn setting_the_clock_moves_unsure_items() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new();
    clock.with(|clock| (clock.wall, clock.is_synchronised) = (1000 * S, false));
    let mut bench = Bench::with(folder.path(), &clock);
    let early = bench.snapshot(None, &jpeg(1, 1000)).expect("kept");
    assert_eq!((early.is_sure, early.date.as_str(), early.at_us), (false, "1970-01-01", 1000 * S));
    assert!(early.name.starts_with("1970-01-01_"), "{}", early.name);
    assert!(!bench.media.status().borrow().is_clock_sure);
    let second = bench.snapshot(None, &jpeg(5, 1000)).expect("kept");
    let named = bench.snapshot(Some("1970.jpg"), &jpeg(6, 1000)).expect("kept");
    let edited = bench.snapshot(None, &jpeg(2, 1000)).expect("kept");
    let date = MediaEdit { date: Some(String::from("2026-05-01T08:00")), ..MediaEdit::default() };
    let edited = bench.edit(edited.id, None, date).expect("changed");
    let mut handle = bench.begin(Some("r"));
    bench.append(&mut handle, chunk(0, 10, 1000));
    clock.pass(60 * S);
    let revision = bench.media.status().borrow().revision;
    clock.with(|clock| clock.wall = MONDAY);
    bench.turn();
    assert!(bench.media.status().borrow().revision > revision);
    let mended = bench.reader().item(early.id).expect("there");
    assert_eq!((mended.is_sure, mended.at_us, mended.added_us), (false, MONDAY - 60 * S, MONDAY - 60 * S));
    assert_eq!(mended.date, "2026-06-01");
    assert_eq!(mended.name, "2026-06-01_11-59-00.jpg", "it was named after its time");
    let name = |id| bench.reader().item(id).expect("there").name;
    assert_eq!(name(second.id), "2026-06-01_11-59-00-2.jpg");
    assert_eq!((name(named.id), name(handle.id())), (named.name, String::from("r")), "a user has named it");
    assert!(mended.version > early.version);
    let said = bench.reader().item(edited.id).expect("there");
    assert_eq!(
        (said.is_sure, said.at_us, said.added_us),
        (true, edited.at_us, MONDAY - 60 * S),
        "a user has set it"
    );
    clock.pass(S);
    clock.with(|clock| clock.is_synchronised = true);
    bench.turn();
    assert!(bench.media.status().borrow().is_clock_sure);
    let sure = bench.reader().item(early.id).expect("there");
    assert_eq!((sure.is_sure, sure.at_us), (true, MONDAY - 60 * S));
    assert!(bench.reader().item(handle.id()).expect("there").is_sure);
    // Setting a sure clock moves no existing item.
    clock.with(|clock| clock.wall += 3600 * S);
    bench.turn();
    assert_eq!(bench.reader().item(early.id).expect("there").at_us, MONDAY - 60 * S);
    assert_eq!(bench.snapshot(None, &jpeg(3, 1000)).expect("kept").at_us, MONDAY + 3601 * S);
    // Sure until the next boot.
    bench.cut(vec![handle]);
    clock.with(|clock| clock.is_synchronised = false);
    let mut bench = Bench::with(folder.path(), &clock);
    assert!(bench.snapshot(None, &jpeg(4, 1000)).expect("kept").is_sure);
}

#[test]
fn an_import_without_a_time_has_an_unsure_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Script::new();
    let mut bench = Bench::with(folder.path(), &clock);
    let stamp = ClockTime { monotonic_us: 5, wall_us: MONDAY, wall_trusted: false };
    let new =
        NewSnapshot { origin: MediaOrigin::Import, ..new_snapshot(Some("old.jpg"), &jpeg(1, 1000), stamp) };
    let item = bench.wait(|media| async move { media.add_snapshot(new).await }).expect("kept");
    assert_eq!((item.is_sure, item.at_us), (false, MONDAY));
    // No clock corrects it; a user may.
    bench.cut(Vec::new());
    clock.with(|clock| (clock.boot, clock.is_synchronised) = (String::from("next"), true));
    let mut bench = Bench::with(folder.path(), &clock);
    clock.with(|clock| clock.wall += 3600 * S);
    bench.turn();
    let item = bench.reader().item(item.id).expect("there");
    assert_eq!((item.is_sure, item.at_us), (false, MONDAY));
    let date = MediaEdit { date: Some(String::from("2019-05-01")), ..MediaEdit::default() };
    assert!(bench.edit(item.id, None, date).expect("changed").is_sure);
}

#[test]
fn an_import_has_its_given_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let stamp = ClockTime { monotonic_us: 5, wall_us: MONDAY - 3600 * S, wall_trusted: true };
    let new = NewSnapshot {
        date: Some(String::from("12.3.2019")),
        origin: MediaOrigin::Import,
        ..new_snapshot(Some("old.jpg"), &jpeg(1, 1000), stamp)
    };
    let item = bench.wait(|media| async move { media.add_snapshot(new).await }).expect("kept");
    assert_eq!((item.at_us, item.date.as_str(), item.added_us), (MONDAY - 3600 * S, "12.3.2019", MONDAY));
    assert_eq!(
        bench.reader().legacy_list().expect("read"),
        [(1, String::from("12.3.2019"), String::from("old.jpg"))]
    );
}

/// Like an edit of the date, so that the item is listed on that day.
#[test]
fn a_date_given_with_a_new_item_moves_its_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let stamp = bench.clock.now();
    let new = |name: &str, date: &str| NewSnapshot {
        date: Some(date.to_owned()),
        ..new_snapshot(Some(name), &jpeg(1, 1000), stamp)
    };
    // MONDAY is noon in the store's zone in summer, and 11 o'clock in winter.
    for (name, date, shown, time) in [
        ("day.jpg", "2018-01-31", "2018-01-31", "2018-01-31T11:00:00Z"),
        ("time.jpg", "2018-01-31T14:05", "2018-01-31", "2018-01-31T13:05:00Z"),
        ("words.jpg", "in May", "in May", "2026-06-01T10:00:00Z"),
    ] {
        let new = new(name, date);
        let item = bench.wait(|media| async move { media.add_snapshot(new).await }).expect("kept");
        let time: jiff::Timestamp = time.parse().expect("a time");
        assert_eq!((item.date.as_str(), item.at_us as i64), (shown, time.as_microsecond()), "{date}");
        let again = MediaEdit { date: Some(date.to_owned()), ..MediaEdit::default() };
        assert_eq!(bench.edit(item.id, None, again).expect("it is so").at_us, item.at_us, "{date}");
    }
    // Items with a given time stay when the clock is set; the other one moves.
    bench.clock.with(|clock| clock.wall += 3600 * S);
    bench.clock.pass(S);
    bench.turn();
    let times: Vec<u64> = bench.items().iter().map(|item| item.at_us).collect();
    assert_eq!(times.len(), 3);
    assert!(times[1..].iter().all(|&at_us| at_us < MONDAY - 86_400 * S), "{times:?}");
}

#[test]
fn a_store_that_is_set_aside_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let old = bench.snapshot(Some("a.jpg"), &jpeg(1, 50_000)).expect("kept");
    bench
        .wait(|media| async move { media.set_setting("key", Some(String::from("value"))).await })
        .expect("set");
    let mut handle = bench.begin(Some("ride"));
    let id = handle.id();
    bench.append(&mut handle, chunk(0, 10, 10_000));
    let aside = bench.wait(|media| async move { media.recreate().await }).expect("set aside");
    assert_eq!(aside.name, "media-2026-06-01-120000.db");
    assert!(handle.is_closed() && handle.append(chunk(10, 10, 100)).is_err());
    let closed = bench.end(handle).expect("it is closed").expect("it had pictures");
    assert_eq!((closed.id, closed.frames, closed.is_open), (id, 10, false));
    assert!(bench.items().is_empty());
    assert_eq!(bench.reader().setting("key").expect("read").as_deref(), Some("value"));
    let before = MediaReader::open(&folder.path().join(&aside.name)).expect("it opens");
    assert_eq!(before.item(old.id).expect("there"), old);
    assert_eq!(before.item(id).expect("there"), closed);
    let new = bench.snapshot(Some("a.jpg"), &jpeg(2, 1000)).expect("kept");
    assert!(new.id > id, "a link to an item never leads to another one");
    assert_eq!(
        bench.wait(|media| async move { media.recreate().await }).expect("again").name,
        "media-2026-06-01-120000-2.db"
    );
    let gauge = bench.reader().storage(&RetentionRules::default()).expect("read");
    assert_eq!(gauge.aside.len(), 2);
    for wrong in ["media.db", "../x", "media-2027-01-01-000000.db", "media.lock"] {
        let removed = bench.wait(|media| async move { media.delete_aside_file(wrong.to_owned()).await });
        assert!(matches!(removed, Err(MediaError::Unknown(_))), "{wrong}: {removed:?}");
    }
    bench.wait(|media| async move { media.delete_aside_file(aside.name).await }).expect("removed");
    assert_eq!(bench.reader().storage(&RetentionRules::default()).expect("read").aside.len(), 1);
    bench.assert_sound();
}

#[test]
fn chunks_for_a_store_that_was_set_aside_count_as_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut handle = bench.begin(Some("ride"));
    bench.append(&mut handle, chunk(0, 10, 1000));
    // The chunk is in the queue behind the command that sets the store aside.
    let media = bench.media.clone();
    let (tell, _told) = tokio::sync::oneshot::channel();
    let mut commands = std::collections::VecDeque::from([super::super::writer::MediaWrite::Anew(tell)]);
    handle.append(chunk(10, 10, 1000)).expect("taken");
    commands.extend(media.taken());
    assert_eq!(media.status().borrow().chunks_dropped, 0);
    bench.writer.run_once(commands);
    assert_eq!(media.status().borrow().chunks_dropped, 1);
    assert!(handle.is_closed());
    bench.assert_sound();
}

#[test]
fn a_preview_of_rules_trusts_the_clock_as_retention_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    bench.snapshot(Some("old.jpg"), &jpeg(1, 1000)).expect("kept");
    let rules = RetentionRules {
        snapshots_age: Some(std::time::Duration::from_secs(86_400)),
        ..RetentionRules::default()
    };
    let goes = |bench: &Bench| {
        let now = bench.media.retention_now();
        bench.reader().plan(&rules, now).expect("planned").goes.len()
    };
    // The clock jumps ahead, and nothing confirms it.
    bench.clock.with(|clock| (clock.wall, clock.is_synchronised) = (clock.wall + 400 * 86_400 * S, false));
    bench.writer.run_once(std::collections::VecDeque::new());
    assert_eq!(goes(&bench), 0);
    // The preview for new rules includes these items, and when they go.
    let asked = bench.media.deletions(&rules).expect("planned");
    let latest = bench.clock.with(|clock| clock.wall) + 3600 * S;
    assert_eq!((asked.goes.len(), asked.waits), (1, Some(ClockWait::Until(latest))));
    assert!(asked.to_string().ends_with("at the latest an hour after it was last set)"), "{asked}");
    bench.clock.pass(3601 * S);
    assert_eq!(goes(&bench), 1);
    let asked = bench.media.deletions(&rules).expect("planned");
    assert_eq!((asked.goes.len(), asked.waits), (1, None));
    bench.clock.with(|clock| clock.wall = 1000 * S);
    assert_eq!(bench.media.clock_wait(), Some(ClockWait::Unset));
}

#[test]
fn a_cut_between_the_two_moves_of_setting_aside_leaves_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let item = bench.snapshot(None, &jpeg(1, 1000)).expect("kept");
    rotate::prepare(&bench.writer.connection, folder.path()).expect("made");
    bench.cut(Vec::new());
    std::fs::rename(folder.path().join("media.db"), folder.path().join("media-2026-06-01-120000.db"))
        .expect("moved");
    let mut bench = Bench::open(folder.path());
    assert!(bench.snapshot(None, &jpeg(1, 1000)).expect("kept").id > item.id);
    // A store that was not moved yet is not replaced.
    rotate::prepare(&bench.writer.connection, folder.path()).expect("made");
    bench.cut(Vec::new());
    assert_eq!(Bench::open(folder.path()).items().len(), 1);
}

#[test]
fn rules_made_on_the_page_outlive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let rules = RetentionRules { min_free: Some(1), snapshots_bytes: Some(2), ..RetentionRules::default() };
    let wanted = rules.clone();
    bench.wait(|media| async move { media.save_retention(wanted).await }).expect("saved");
    assert_eq!(bench.media.retention(), rules);
    bench.cut(Vec::new());
    let bench = Bench::open(folder.path());
    assert_eq!(bench.media.retention(), RetentionRules::default());
    bench.media.apply_saved_retention(&[String::from("min_free")]).expect("read");
    assert_eq!(bench.media.retention(), RetentionRules { min_free: None, ..rules });
}
