//! Backups, restores and resets, with the power cut between any two changes to the disk.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use super::backup::{Contents, write};
use super::restore::{self, RestoreOptions, verify_archive};
use super::start::{Finished, finish, has_pending_work};
use super::*;
use crate::access::Access;
use tallycam_store::{AuditEntry, AuditKind, Counts, CountsOptions};

thread_local! {
    /// Changes to the disk until the power is cut; `None`: no cut.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

pub(super) fn step() -> Result<(), Fault> {
    match LEFT.get() {
        None => Ok(()),
        Some(0) => Err(system_error("the power", "it is gone")),
        Some(left) => {
            LEFT.set(Some(left - 1));
            Ok(())
        }
    }
}

/// Runs `work` with the power cut after `steps` changes. True if `work` ended before.
fn cut<T>(steps: u32, work: impl FnOnce() -> Result<T, Fault>) -> bool {
    LEFT.set(Some(steps));
    let done = work();
    LEFT.set(None);
    done.is_ok()
}

/// A state directory with all kinds of content, marked with `mark`.
fn state(mark: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = CountsOptions {
        directory: folder.path().to_owned(),
        camera: mark.to_owned(),
        zone: jiff::tz::TimeZone::UTC,
        day_starts: 0,
    };
    let (counts, worker) = Counts::open(settings).unwrap();
    counts.stop();
    drop(worker);
    fs::write(folder.path().join("settings.toml"), format!("name = \"{mark}\"\n")).unwrap();
    fs::write(folder.path().join("settings.toml.last-good"), format!("name = \"{mark}\"\n")).unwrap();
    fs::create_dir(folder.path().join("models")).unwrap();
    fs::write(folder.path().join("models").join(format!("{mark}.onnx")), mark).unwrap();
    fs::write(folder.path().join("models/both.toml"), mark).unwrap();
    Access::open(folder.path()).set(&format!("{mark} password")).unwrap();
    folder
}

fn lay(state: &Path, archive: &[u8]) -> Result<backup::ArchiveHeader, Fault> {
    restore::stage_restore(state, archive, RestoreOptions::default()).map(|staged| staged.head)
}

fn archive(state: &Path) -> Vec<u8> {
    let contents = Contents {
        state: state.to_owned(),
        name: String::from("door"),
        config: None,
        settings: fs::read_to_string(state.join("settings.toml")).unwrap(),
        pictures: true,
    };
    let mut out = Vec::new();
    write(&contents, contents.copy_counts().unwrap(), None, &mut out).unwrap();
    out
}

/// The files that a daemon reads from a state directory, by name.
fn seen(state: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut seen = BTreeMap::new();
    for name in
        ["settings.toml", "access.json", "counts.db", "counts.db-wal", "models/both.toml", "models/one.onnx"]
    {
        if let Ok(bytes) = fs::read(state.join(name)) {
            seen.insert(name.to_owned(), bytes);
        }
    }
    seen
}

fn copy(from: &Path) -> tempfile::TempDir {
    fn all(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                fs::create_dir(&to).unwrap();
                all(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    all(from, folder.path());
    folder
}

#[test]
fn a_restore_brings_back_the_backed_up_state() {
    let (one, other) = (state("one"), state("two"));
    let archive = archive(one.path());
    assert_eq!(verify_archive(&archive[..]).unwrap().name, "door");
    let before = seen(other.path());
    let head = lay(other.path(), &archive[..]).unwrap();
    assert_eq!((head.name.as_str(), head.media), ("door", false));
    assert!(has_pending_work(other.path()));
    assert_eq!(seen(other.path()), before, "nothing changes before the start");
    let Finished::Restored { name, .. } = finish(other.path()).unwrap() else {
        panic!("nothing was restored")
    };
    assert_eq!(name, "door");
    assert_eq!(fs::read(other.path().join("settings.toml")).unwrap(), b"name = \"one\"\n");
    assert_eq!(fs::read(other.path().join("models/one.onnx")).unwrap(), b"one");
    assert_eq!(fs::read(other.path().join("models/two.onnx")).unwrap(), b"two", "models are added");
    assert!(Access::open(other.path()).verify_password("admin", "one password").is_some());
    assert!(!other.path().join("settings.toml.last-good").exists());
    assert_eq!(finish(other.path()).unwrap(), Finished::Nothing);
    assert!(!other.path().join("restore").exists() && !other.path().join("restore.old").exists());
}

/// The restore replaces the audit list, so the new list must name the user.
#[test]
fn the_restored_audit_list_names_the_user() {
    let (one, other) = (state("one"), state("two"));
    let by = AuditEntry {
        kind: AuditKind::Changed,
        who: String::from("ann"),
        role: String::from("admin"),
        address: String::from("192.0.2.9"),
        browser: String::new(),
        method: String::from("POST"),
        route: String::from("/backup"),
        what: String::new(),
        count: 1,
        monotonic_us: 7,
    };
    let terms = RestoreOptions { floor: 0, by: Some(by.clone()) };
    let head = restore::stage_restore(other.path(), &archive(one.path())[..], terms).unwrap().head;
    let Finished::Restored { by: told, .. } = finish(other.path()).unwrap() else { panic!("not restored") };
    let what = format!("restored the backup of \"door\" of {}", head.made);
    assert_eq!(told.as_deref(), Some(&AuditEntry { what, ..by }));
}

#[test]
fn a_restore_leaves_the_reserved_room_free() {
    let one = state("one");
    let terms = RestoreOptions { floor: 1 << 60, by: None };
    let refused = restore::stage_restore(one.path(), &archive(one.path())[..], terms);
    assert!(refused.unwrap_err().to_string().ends_with("and 0 MB are available"));
    assert!(!one.path().join("restore.new").exists());
}

#[test]
fn a_power_cut_leaves_the_old_state_or_the_new_one() {
    let (one, other) = (state("one"), state("two"));
    let archive = archive(one.path());
    let old = seen(other.path());
    let done = copy(other.path());
    lay(done.path(), &archive[..]).unwrap();
    let laid = copy(done.path());
    finish(done.path()).unwrap();
    let new = seen(done.path());
    assert_ne!(old, new);

    let (mut olds, mut news) = (0, 0);
    for steps in 0.. {
        let place = copy(other.path());
        let is_done = cut(steps, || lay(place.path(), &archive[..]));
        assert_eq!(seen(place.path()), old, "laying changes nothing, cut after {steps}");
        finish(place.path()).unwrap();
        let is = seen(place.path());
        assert!(is == old || is == new, "laid, and cut after {steps} changes");
        if is == old {
            olds += 1
        } else {
            news += 1
        }
        let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("restore")), "{left:?}");
        if is_done {
            break;
        }
    }
    assert!(olds > 3 && news > 0, "{olds} {news}");
    for steps in 0.. {
        let place = copy(laid.path());
        let is_done = cut(steps, || finish(place.path()));
        // A second cut, during the second start.
        cut(steps / 2, || finish(place.path()));
        finish(place.path()).unwrap();
        assert_eq!(seen(place.path()), new, "begun, and cut after {steps} changes");
        if is_done {
            assert!(steps > 5, "{steps}");
            break;
        }
    }
}

#[test]
fn a_reset_leaves_nothing_despite_power_cuts() {
    let one = state("one");
    let more = [
        "settings.toml.2026-11-20T14-53-07",
        "media.db",
        "media-2026-11-20.db",
        "https.key",
        "counts.db-wal",
        "provisioned.json",
    ];
    for name in more {
        fs::write(one.path().join(name), name).unwrap();
    }
    let stays = ["mqtt.json", "somebody's own"];
    for name in stays {
        fs::write(one.path().join(name), "stays").unwrap();
    }
    lay(one.path(), &archive(state("two").path())[..]).unwrap();
    request_reset(one.path()).unwrap();
    for steps in 0.. {
        let place = copy(one.path());
        let is_done = cut(steps, || finish(place.path()));
        assert!(is_done || has_pending_work(place.path()) || seen(place.path()).is_empty());
        finish(place.path()).unwrap();
        let mut left: Vec<String> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".lock"))
            .collect();
        left.sort();
        assert_eq!(left, stays, "cut after {steps} changes");
        if is_done {
            assert!(steps > 5, "{steps}");
            break;
        }
    }
    // A later restore replaces the request for a reset.
    request_reset(one.path()).unwrap();
    lay(one.path(), &archive(state("two").path())[..]).unwrap();
    assert!(matches!(finish(one.path()).unwrap(), Finished::Restored { .. }));
}

#[test]
fn what_a_kill_left_behind_goes_at_the_next_start() {
    let one = state("one");
    let ended = u32::MAX;
    let here = std::process::id();
    fs::create_dir(one.path().join("update")).unwrap();
    let left = [
        format!("access.json.{ended}.part"),
        format!("models/street.onnx.{ended}.part"),
        String::from("counts.7-7.backup.tmp"),
        String::from("counts.7-7.backup.tmp-journal"),
        String::from("settings.toml.new"),
        String::from("update/tallycam.deb"),
    ];
    // Root may be copying a new package.
    let kept = [format!("https.pem.{here}.part"), "notes.part".into(), "update/new.deb".into()];
    for name in left.iter().chain(&kept) {
        fs::write(one.path().join(name), name).unwrap();
    }
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3700);
    let package = fs::File::options().write(true).open(one.path().join("update/tallycam.deb")).unwrap();
    package.set_modified(long_ago).unwrap();
    let before = seen(one.path());
    let is_there = |name: &String| one.path().join(name).exists();
    // A program that has the state open may be writing them.
    let access = Access::open(one.path());
    assert_eq!(finish(one.path()).unwrap(), Finished::Nothing);
    assert!(left.iter().all(is_there));
    drop(access);
    assert_eq!(finish(one.path()).unwrap(), Finished::Nothing);
    assert_eq!(seen(one.path()), before);
    assert!(!left.iter().any(is_there) && kept.iter().all(is_there), "{left:?} {kept:?}");
    // A package that waits for root stays.
    for name in ["update/tallycam.deb", "update/pending"] {
        fs::write(one.path().join(name), name).unwrap();
    }
    package.set_modified(long_ago).unwrap();
    finish(one.path()).unwrap();
    assert!(one.path().join("update/tallycam.deb").exists());
}

#[test]
fn nothing_is_carried_out_under_a_running_daemon() {
    let one = state("one");
    request_reset(one.path()).unwrap();
    let access = Access::open(one.path());
    assert_eq!(finish(one.path()).unwrap_err().kind, FaultKind::Busy);
    assert!(one.path().join("settings.toml").exists());
    drop(access);
    assert_eq!(finish(one.path()).unwrap(), Finished::Reset);
    let _held = lock(one.path()).unwrap();
    assert_eq!(lay(one.path(), &b""[..]).unwrap_err().kind, FaultKind::Busy, "two at once");
}

/// An archive of these entries: name, type, length according to the header, bytes.
fn tar_of(entries: &[(&str, tar::EntryType, u64, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, len, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(*len);
        header.set_mode(0o600);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn a_damaged_or_foreign_archive_is_refused_in_words_and_changes_nothing() {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let one = state("one");
    let whole = archive(one.path());
    let before = seen(one.path());
    let head = |format: u32, version: &str| {
        format!(
            "{{\"format\":{format},\"version\":\"{version}\",\"made\":\"m\",\"name\":\"n\",\"media\":false}}"
        )
    };
    let good = head(1, VERSION);
    let good = good.as_bytes();
    let begin = ("tallycam-backup.json", Regular, good.len() as u64, good);
    let with = |name: &'static str, kind, bytes: &'static [u8]| {
        tar_of(&[begin, (name, kind, bytes.len() as u64, bytes)])
    };
    let (newer, later) = (head(2, VERSION), head(1, "99.0.0"));
    let long = head(1, VERSION).replace("\"n\"", &format!("\"{}\"", "n\\n".repeat(9000)));
    let ended = tar_of(&[
        ("tallycam-backup.json", Regular, long.len() as u64, long.as_bytes()),
        ("SHA256SUMS", Regular, 0, b""),
    ]);
    assert_eq!(verify_archive(&ended[..]).unwrap().name, "n".repeat(100));
    let headed =
        |head: &str| tar_of(&[("tallycam-backup.json", Regular, head.len() as u64, head.as_bytes())]);
    let mut damaged = whole.clone();
    let at = whole.windows(10).position(|part| part == b"SQLite for").unwrap();
    damaged[at + 5000] ^= 1;
    let mut cases = vec![
        ("empty", Vec::new(), "it is empty"),
        (
            "text",
            b"no archive at all, but text that is somewhat longer than a block. ".repeat(20),
            "no tar archive",
        ),
        ("foreign", tar_of(&[("etc/passwd", Regular, 1, b"x")]), "not a backup of tallycam"),
        ("a foreign head", headed("{\"a\": 1}"), "not a backup of tallycam"),
        ("a newer form", headed(&newer), "newer than this one"),
        ("a newer program", headed(&later), "tallycam 99.0.0 made it, which is newer"),
        ("no end", tar_of(&[begin]), "checksums is missing"),
        ("a path up", with("../settings.toml", Regular, b"x"), "is not part of a backup"),
        ("a path from the root", with("/etc/cron.d/x", Regular, b"x"), "is not part of a backup"),
        ("a path in a folder", with("models/../../x.onnx", Regular, b"x"), "is not part of a backup"),
        ("a hidden model", with("models/.x.onnx", Regular, b"x"), "is not part of a backup"),
        ("a link", with("settings.toml", Symlink, b""), "is no plain file"),
        ("a hard link", with("settings.toml", Link, b""), "is no plain file"),
        ("a folder", with("models", Directory, b""), "is no plain file"),
        (
            "twice",
            tar_of(&[begin, ("settings.toml", Regular, 0, b""), ("settings.toml", Regular, 0, b"")]),
            "twice",
        ),
        ("long words", tar_of(&[begin, ("settings.toml", Regular, 2 << 20, b"")]), "too long"),
        ("larger than the disk", tar_of(&[begin, ("counts.db", Regular, 1 << 60, b"")]), "no room"),
        ("larger than a number", tar_of(&[begin, ("media.db", Regular, 1 << 62, b"")]), "no room"),
        ("cut within a file", tar_of(&[begin, ("counts.db", Regular, 1 << 20, b"x")]), "cut off"),
        (
            "a long name that goes on",
            with("././@LongLink", tar::EntryType::GNULongName, b"x"),
            "no plain file",
        ),
        ("damaged", damaged, "damaged: its checksum"),
        ("no sums", with("SHA256SUMS", Regular, b"no sums"), "checksums cannot be read"),
        (
            "more behind",
            tar_of(&[begin, ("SHA256SUMS", Regular, 0, b""), ("settings.toml", Regular, 0, b"")]),
            "after its checksums",
        ),
    ];
    for len in [1, 511, 512, 700, 1024, whole.len() / 2, whole.len() - 4096] {
        cases.push(("cut off", whole[..len].to_vec(), ""));
    }
    for (case, bytes, words) in cases {
        let fault = lay(one.path(), &bytes[..]).map(|head| panic!("{case} is taken: {head:?}")).unwrap_err();
        assert!(fault.to_string().contains(words), "{case}: {fault}");
        assert!(fault.hint.is_some() && fault.kind != FaultKind::File, "{case}: {fault}");
        assert!(!has_pending_work(one.path()) && !one.path().join("restore.new").exists(), "{case}");
        assert_eq!(seen(one.path()), before, "{case}");
    }
}

/// The sums are right, but the contents are not what the names say.
#[test]
fn files_that_are_not_what_their_names_say_are_refused() {
    let one = state("one");
    for (name, bytes, words) in [
        ("counts.db", &b"no database"[..], "counts.db in it: it is damaged"),
        ("media.db", b"", "media.db in it: it is no such file"),
        ("access.json", b"{}", "access.json in it"),
        ("settings.toml", b"= no toml", "settings.toml in it"),
    ] {
        let sum = tallycam_base::unicode::hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
        let sums = format!("{sum}  {name}\n");
        let is_media = name == "media.db";
        let head = format!(
            "{{\"format\":1,\"version\":\"0.0.1\",\"made\":\"m\",\"name\":\"n\",\"media\":{is_media}}}"
        );
        let archive = tar_of(&[
            ("tallycam-backup.json", tar::EntryType::Regular, head.len() as u64, head.as_bytes()),
            (name, tar::EntryType::Regular, bytes.len() as u64, bytes),
            ("SHA256SUMS", tar::EntryType::Regular, sums.len() as u64, sums.as_bytes()),
        ]);
        let fault = lay(one.path(), &archive[..]).unwrap_err();
        assert!(fault.to_string().contains(words), "{name}: {fault}");
    }
}
