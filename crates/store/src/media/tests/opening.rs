//! Opening: refused files, migrations, the only writer.

use rusqlite::Connection;

use super::*;

#[test]
fn other_files_are_refused_and_left_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let make = |name: &str, sql: &str| {
        let file = folder.path().join(name);
        Connection::open(&file).expect("made").execute_batch(sql).expect("filled");
        file
    };
    let newer = folder.path().join("newer.db");
    drop(schema::open_to_write(&newer).expect("made"));
    make("newer.db", "PRAGMA user_version = 1000");
    // A database of the old program.
    let foreign = make("foreign.db", "CREATE TABLE media (id INTEGER PRIMARY KEY, date TEXT, fileName TEXT)");
    let counts_db = make("ledger.db", "PRAGMA application_id = 0x74616c79; CREATE TABLE lines (a)");
    let rubbish = folder.path().join("rubbish.db");
    std::fs::write(&rubbish, "no database at all ".repeat(500)).expect("written");
    let cases = [
        (newer, "newer tallycam"),
        (foreign, "not a store"),
        (counts_db, "not a store"),
        (rubbish, "not a database"),
    ];
    for (file, words) in cases {
        let before = std::fs::read(&file).expect("read");
        for refused in [schema::open_to_write(&file).err(), MediaReader::open(&file).err()] {
            let Some(MediaError::File { reason, hint, .. }) = refused else { panic!("{refused:?}") };
            assert!(reason.contains(words), "{reason}");
            assert!(hint.is_some(), "{reason}: there is no hint");
        }
        assert_eq!(std::fs::read(&file).expect("read"), before, "{words}");
    }
    assert!(MediaReader::open(&folder.path().join("none.db")).is_err());
    assert!(!folder.path().join("none.db").exists(), "a reader makes nothing");
}

#[test]
fn an_empty_file_is_a_store_without_items() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("media.db");
    std::fs::write(&file, "").expect("made");
    let Err(MediaError::File { reason, .. }) = MediaReader::open(&file) else { panic!("it is read") };
    assert_eq!(reason, "nothing is stored yet: the file is empty");
    drop(schema::open_to_write(&file).expect("it becomes a store"));
    assert!(MediaReader::open(&file).is_ok());
}

#[test]
fn a_damaged_page_costs_only_its_own_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let ids: Vec<u64> = (0..4).map(|n| bench.snapshot(None, &jpeg(n, 40_000)).expect("kept").id).collect();
    bench.cut(Vec::new());
    let file = folder.path().join("media.db");
    let mut bytes = std::fs::read(&file).expect("read");
    let middle = jpeg(1, 40_000)[20_000..20_032].to_vec();
    let place =
        bytes.windows(32).position(|window| window == middle).expect("the second picture") / 4096 * 4096;
    bytes[place..place + 4].fill(0xff);
    std::fs::write(&file, &bytes).expect("written");
    let bench = Bench::open(folder.path());
    let reader = bench.reader();
    assert!(reader.snapshot(ids[1]).is_err());
    for (number, &id) in ids.iter().enumerate().filter(|(number, _)| *number != 1) {
        assert_eq!(reader.snapshot(id).expect("sound"), jpeg(number as u64, 40_000));
    }
}

#[test]
fn one_writer_has_the_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::open(folder.path());
    let second = Media::open_parts(settings(folder.path()), Arc::new(Script::new()));
    assert!(matches!(second.map(drop), Err(MediaError::Locked { .. })));
    bench.cut(Vec::new());
    Bench::open(folder.path()).assert_sound();
}

#[test]
fn an_unwritable_directory_is_reported() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let refused = |place: &Path| match Media::open_parts(settings(place), Arc::new(Script::new())).map(drop) {
        Err(error @ MediaError::File { .. }) => assert!(error.hint().is_some(), "{error}"),
        other => panic!("{other:?}"),
    };
    refused(&file.join("below"));
    std::fs::create_dir_all(folder.path().join("taken/media.db")).expect("made");
    refused(&folder.path().join("taken"));
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).expect("made");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).expect("set");
    if std::fs::write(closed.join("try"), "").is_ok() {
        println!("a directory that may not be written to is not tried: this user may write anywhere");
        return;
    }
    refused(&closed);
}

#[test]
fn a_file_of_each_version_is_opened() {
    opens_saved(include_str!("../../../../../tests/data/media-v1.sql"));
    opens_saved(include_str!("../../../../../tests/data/media-v2.sql"));
}

/// Opens a saved file of an older version; everything in it must be there.
fn opens_saved(saved: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let connection = Connection::open(folder.path().join("media.db")).expect("made");
    connection.execute_batch("PRAGMA auto_vacuum = incremental").expect("set");
    connection.execute_batch(saved).expect("a saved file");
    drop(connection);
    let bench = Bench::open(folder.path());
    let items = bench.items();
    let said: Vec<(&str, MediaKind, u64, bool)> =
        items.iter().map(|item| (item.name.as_str(), item.kind, item.frames, item.is_open)).collect();
    assert_eq!(
        said,
        [("ride.mp4", MediaKind::Recording, 3, false), ("gate.jpg", MediaKind::Snapshot, 1, false)]
    );
    let reader = bench.reader();
    assert_eq!(reader.snapshot(1).expect("there"), [0xff, 0xd8, 0xff, 0xd9][..]);
    assert_eq!(reader.frames(2, 0).expect("there").len(), 2);
    assert_eq!(reader.bytes(2, 1, 0, 4).expect("there"), [0xff, 0xd8, 0xff, 0xd9][..]);
    let filenames: Vec<String> = {
        let mut query =
            bench.writer.connection.prepare("SELECT filename FROM media ORDER BY id").expect("the view");
        query.query_map([], |row| row.get(0)).expect("read").collect::<Result<_, _>>().expect("names")
    };
    assert_eq!(filenames, ["gate.jpg", "ride.mp4"]);
    bench.assert_sound();
}

#[test]
fn a_reader_rolls_back_an_interrupted_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let item = bench.snapshot(Some("a"), &jpeg(1, 30_000)).expect("kept");
    // The file and its journal as a power cut during a commit leaves them.
    let connection = &bench.writer.connection;
    connection.pragma_update(None, "cache_spill", 1).expect("set");
    connection.pragma_update(None, "cache_size", 1).expect("set");
    let transaction = connection.unchecked_transaction().expect("begun");
    transaction.execute("UPDATE items SET name = 'b', note = zeroblob(100000)", []).expect("changed");
    transaction.execute("INSERT INTO settings VALUES ('x', zeroblob(500000))", []).expect("changed");
    let cut = tempfile::tempdir().expect("a folder");
    for name in ["media.db", "media.db-journal"] {
        std::fs::copy(folder.path().join(name), cut.path().join(name)).expect("copied");
    }
    transaction.rollback().expect("rolled back");
    assert!(std::fs::metadata(cut.path().join("media.db-journal")).expect("there").len() > 0);
    let reader = MediaReader::open(&cut.path().join("media.db")).expect("it opens");
    assert_eq!(reader.item(item.id).expect("there"), item);
    assert_eq!(reader.snapshot(item.id).expect("there"), jpeg(1, 30_000));
}

#[test]
fn an_unusable_file_is_set_aside_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("media.db");
    std::fs::write(&file, "rubbish ".repeat(1000)).expect("written");
    std::fs::write(folder.path().join("media.db-journal"), "left").expect("written");
    let aside = Media::set_aside(folder.path(), &TimeZone::UTC).expect("set aside");
    assert_eq!(
        std::fs::read(folder.path().join(&aside.name)).expect("read"),
        "rubbish ".repeat(1000).as_bytes()
    );
    assert!(folder.path().join(format!("{}-journal", aside.name)).exists() && !file.exists());
    let bench = Bench::open(folder.path());
    assert!(matches!(Media::set_aside(folder.path(), &TimeZone::UTC), Err(MediaError::Locked { .. })));
    bench.assert_sound();
}
