//! `settings.toml` in the state directory: what was set on the page, as it is read at start and written at each change.
//!
//! What holds: at every moment, also after a power cut, the file is one that was whole (written beside, synced,
//! renamed, the folder synced). A copy of what was last good lies beside it; where somebody has edited the file to
//! nonsense or emptied it, that copy is in force, and where a single value is wrong, the copy's of that key. A file
//! that cannot be used is never written over: it is set aside with its date, and only once what takes its place is
//! whole on the disk.
//!
//! Everything here blocks: at start on the main thread, later on the runtime's pool. One writer at a time, which is
//! whoever calls.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::base::{clock, private};
use crate::config::{Faulty, Saved};

/// The file's name.
pub const NAME: &str = "settings.toml";

/// The name of the copy of what was last good.
const LAST_GOOD: &str = "settings.toml.last-good";

/// What is being written, before it takes the file's name.
const NEW: &str = "settings.toml.new";

/// What was found.
#[derive(Debug)]
pub struct LoadedSettings {
    /// What is to be in force.
    pub saved: Saved,
    /// What is wrong, and what is in force instead: for people, in sentences; empty when all is well.
    pub complaint: String,
    /// The file is not to be written over: not all of it was understood.
    pub is_faulty: bool,
}

/// Settings could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", file.display())]
pub struct NotWritten {
    pub file: PathBuf,
    /// What the operating system said.
    pub error: io::Error,
}

/// Reads what is kept in `directory`, and changes nothing there. That there is nothing is no fault.
pub fn read(directory: &Path) -> LoadedSettings {
    let file = directory.join(NAME);
    if matches!(fs::symlink_metadata(&file), Err(error) if error.kind() == ErrorKind::NotFound) {
        return LoadedSettings { saved: Saved::empty(file), complaint: String::new(), is_faulty: false };
    }
    let copy = directory.join(LAST_GOOD);
    let good = || Saved::load(&copy).ok().map(|(good, _)| good);
    let complaints = match Saved::load(&file) {
        Ok((saved, None)) if saved.paths().next().is_none() && is_blank(&file) => {
            // tallycam itself writes no such file, and neither does a power cut.
            let Some(good) = good().filter(|good| good.paths().next().is_some()) else {
                return LoadedSettings { saved, complaint: String::new(), is_faulty: false };
            };
            let complaint = format!(
                "{} is empty.\nWhat was last good is in force instead: {}. To begin with the defaults, remove both.",
                file.display(),
                copy.display()
            );
            return LoadedSettings { saved: good, complaint, is_faulty: true };
        }
        Ok((saved, None)) => return LoadedSettings { saved, complaint: String::new(), is_faulty: false },
        Ok((saved, Some(faulty))) => return repair_settings(saved, &faulty, good()),
        Err(complaints) => complaints,
    };
    let (saved, instead) = match good() {
        Some(good) => (good, format!("What was last good is in force instead: {}", copy.display())),
        None => (Saved::empty(file), String::from("Nothing of it is in force, and no good copy is there")),
    };
    LoadedSettings { saved, complaint: format!("{complaints}\n{instead}."), is_faulty: true }
}

/// What is in force of a file in which single values are wrong: of those the last that were good.
fn repair_settings(saved: Saved, faulty: &Faulty, good: Option<Saved>) -> LoadedSettings {
    let (saved, taken) = match good {
        Some(good) => saved.fill_from(&good, |path| faulty.affects(path)),
        None => (saved, Vec::new()),
    };
    let instead = match taken.as_slice() {
        [] => String::new(),
        taken => format!(" Of what is wrong the last good is in force: {}.", taken.join(", ")),
    };
    let complaints = &faulty.complaints;
    let complaint = format!("{complaints}\nEverything else that stands there is in force.{instead}");
    LoadedSettings { saved, complaint, is_faulty: true }
}

/// Whether there is nothing in the file at all.
fn is_blank(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim_start_matches('\u{feff}').trim().is_empty())
}

/// Keeps a copy of a file that was found to be good, if the one there is another. That this does not succeed is in the
/// log: it costs nothing but the copy.
pub fn save_known_good(directory: &Path) {
    let (file, copy) = (directory.join(NAME), directory.join(LAST_GOOD));
    let Ok(text) = fs::read(&file) else { return };
    if fs::read(&copy).is_ok_and(|copied| copied == text) {
        return;
    }
    if let Err(error) = private::replace_through(&directory.join(NEW), &copy, &text, false, || Ok(())) {
        log::warn!("{}: the copy of the settings could not be written: {error}", copy.display());
    }
}

/// Writes `saved` and gives it back as it is read again. Done when it is on the disk. With `set_aside`, the file that
/// is there is kept under another name.
///
/// # Errors
/// [`NotWritten`]: what was there is there still.
pub fn write(directory: &Path, saved: &Saved, set_aside: bool) -> Result<Saved, NotWritten> {
    let file = directory.join(NAME);
    let failed = |error| NotWritten { file: file.clone(), error };
    let text = saved.to_toml();
    // Read before it is written: what could not be read again is not written at all.
    let (again, faulty) = Saved::read(&file, &text).map_err(|e| failed(io::Error::other(e.to_string())))?;
    if let Some(faulty) = faulty {
        return Err(failed(io::Error::other(faulty.complaints.to_string())));
    }
    private::make_directory(directory).map_err(failed)?;
    let new = directory.join(NEW);
    let before = || if set_aside { move_aside(directory, &file) } else { Ok(()) };
    private::replace_through(&new, &file, text.as_bytes(), true, before).map_err(failed)?;
    // Needed only where somebody spoils the file itself, and no power cut spoils both: it need not be synced.
    let last_good = directory.join(LAST_GOOD);
    if let Err(error) = private::replace_through(&new, &last_good, text.as_bytes(), false, || Ok(())) {
        log::warn!(
            "{}: the copy of the settings could not be written: {error}",
            directory.join(LAST_GOOD).display()
        );
    }
    Ok(again)
}

/// Gives `file` another name: `settings.toml.2026-11-20T14-53-07`. Beside its own, where the file system can do that:
/// whenever the power goes, one of the two is whole under that.
fn move_aside(directory: &Path, file: &Path) -> io::Result<()> {
    let now = jiff::Timestamp::from_microsecond(clock::wall_us() as i64).unwrap_or_default();
    let date = now.strftime("%Y-%m-%dT%H-%M-%S");
    for n in 1.. {
        let more = if n == 1 { String::new() } else { format!("-{n}") };
        let aside = directory.join(format!("{NAME}.{date}{more}"));
        if fs::symlink_metadata(&aside).is_ok() {
            continue;
        }
        let linked = fs::hard_link(file, &aside);
        let is_there = !matches!(&linked, Err(error) if error.kind() == ErrorKind::NotFound);
        match if is_there { linked.or_else(|_| fs::rename(file, &aside)) } else { linked } {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        log::warn!("{} was invalid and is saved as {}", file.display(), aside.display());
        return Ok(());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn with(directory: &Path, path: &str, text: &str) -> Saved {
        let mut saved = read(directory).saved.with_file(&directory.join(NAME));
        saved.set(path, Some(text)).unwrap();
        saved
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_written_is_read_again_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("not there yet");
        let saved = write(&directory, &with(&directory, "source.password", "s3cret"), false).unwrap();
        let found = read(&directory);
        assert_eq!((&found.saved, found.complaint.as_str(), found.is_faulty), (&saved, "", false));
        assert_eq!(found.saved.get("source.password"), Some("\"s3cret\""));
        for name in names(&directory) {
            let mode = fs::metadata(directory.join(&name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(names(&directory), [NAME, LAST_GOOD]);
    }

    #[test]
    fn nothing_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let found = read(folder.path());
        assert_eq!((found.saved.paths().count(), found.complaint.as_str()), (0, ""));
    }

    #[test]
    fn a_file_of_nonsense_leaves_the_last_good_one_in_force_and_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        write(directory, &with(directory, "stream.quality", "70"), false).unwrap();
        for nonsense in ["[stream\nquality = ", "\u{feff}\0\0", "quality == 3"] {
            fs::write(directory.join(NAME), nonsense).unwrap();
            let found = read(directory);
            assert_eq!(found.saved.get("stream.quality"), Some("70"));
            assert!(found.is_faulty && found.complaint.contains("settings.toml:1"), "{}", found.complaint);
            assert!(found.complaint.contains("last-good"), "{}", found.complaint);
        }
        // Bytes that are no text, a folder in its place: the same.
        fs::write(directory.join(NAME), [0xff, 0xfe]).unwrap();
        assert!(read(directory).complaint.contains("UTF-8"));
        fs::remove_file(directory.join(NAME)).unwrap();
        fs::create_dir(directory.join(NAME)).unwrap();
        assert_eq!(read(directory).saved.get("stream.quality"), Some("70"));

        write(directory, &with(directory, "name", "door"), true).unwrap();
        let found = read(directory);
        assert_eq!((found.saved.get("stream.quality"), found.complaint.as_str()), (Some("70"), ""));
        assert_eq!(names(directory).len(), 3, "{:?}", names(directory));
        assert!(names(directory)[1].starts_with("settings.toml.2"), "{:?}", names(directory));
    }

    #[test]
    fn without_a_good_copy_nothing_is_in_force() {
        let folder = tempfile::tempdir().unwrap();
        for copy in [None, Some("also = = nonsense")] {
            fs::write(folder.path().join(NAME), "=").unwrap();
            if let Some(copy) = copy {
                fs::write(folder.path().join(LAST_GOOD), copy).unwrap();
            }
            let found = read(folder.path());
            assert_eq!(found.saved.paths().count(), 0);
            assert!(found.complaint.contains("Nothing of it is in force"), "{}", found.complaint);
        }
    }

    #[test]
    fn a_file_that_was_emptied_leaves_the_last_good_one_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        for blank in ["", " \n\n", "\u{feff}"] {
            fs::write(directory.join(NAME), blank).unwrap();
            assert_eq!(read(directory).complaint, "", "there is nothing else: {blank:?}");
        }
        write(directory, &with(directory, "stream.quality", "70"), false).unwrap();
        for blank in ["", " \n\n", "\u{feff}"] {
            fs::write(directory.join(NAME), blank).unwrap();
            let found = read(directory);
            assert_eq!(found.saved.get("stream.quality"), Some("70"), "{blank:?}");
            assert!(found.is_faulty && found.complaint.contains("is empty"), "{}", found.complaint);
        }
        // Set back on the page: that is no emptied file, and what is good then.
        let none = read(directory).saved.with_file(&directory.join(NAME)).without_key("stream.quality");
        write(directory, &none, false).unwrap();
        let found = read(directory);
        assert_eq!((found.saved.paths().count(), found.complaint.as_str()), (0, ""));
        fs::write(directory.join(NAME), "").unwrap();
        assert_eq!(read(directory).complaint, "");
    }

    #[test]
    fn in_the_place_of_a_wrong_value_is_the_last_that_was_good() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        let mut saved = with(directory, "stream.quality", "70");
        for (path, text) in [
            ("stream.idle_stop", "5m"),
            ("source.controls.gain", "7"),
            ("controls.\"cam\".brightness", "128"),
            ("name", "door"),
        ] {
            saved.set(path, Some(text)).unwrap();
        }
        write(directory, &saved, false).unwrap();
        let text = "name = 'gate'\n[stream]\nquality = 700\n[source.controls]\ngain = 'x'\n\
                    [controls.cam]\nbrightness = []\nhue = {}\n";
        fs::write(directory.join(NAME), text).unwrap();
        let found = read(directory);
        for (path, want) in [
            ("stream.quality", Some("70")),
            ("source.controls.gain", Some("7")),
            ("controls.\"cam\".brightness", Some("128")),
            ("controls.\"cam\".hue", None),
            ("name", Some("\"gate\"")),
            // It is not wrong, but gone.
            ("stream.idle_stop", None),
        ] {
            assert_eq!(found.saved.get(path), want, "{path}");
        }
        assert!(found.is_faulty && found.complaint.contains("settings.toml:3"), "{}", found.complaint);
        assert!(found.complaint.contains("last good is in force: controls"), "{}", found.complaint);
        // A value where a section has to be costs none of its keys.
        fs::write(directory.join(NAME), "stream = 3\n").unwrap();
        assert_eq!(read(directory).saved.get("stream.idle_stop"), Some("\"5m\""));
        assert_eq!(read(directory).saved.get("name"), None);
    }

    #[test]
    fn a_key_that_is_not_known_leaves_the_rest_in_force() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "name = \"door\"\n[wifi]\nssid = \"x\"\n").unwrap();
        let found = read(folder.path());
        assert_eq!(found.saved.paths().collect::<Vec<_>>(), ["name"]);
        assert!(found.is_faulty && found.complaint.contains("settings.toml:2"), "{}", found.complaint);
        save_known_good(folder.path());
        assert_eq!(names(folder.path()), [NAME, LAST_GOOD]);
    }

    #[test]
    fn what_would_be_too_long_to_be_read_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        let mut saved = write(directory, &with(directory, "name", "door"), false).unwrap();
        let fitting = (1..).find(|hundred| {
            for n in 100 * (hundred - 1)..100 * hundred {
                saved.set(&format!("controls.cam.control_{n}"), Some("1")).unwrap();
            }
            write(directory, &saved, false).is_err()
        });
        assert!(fitting > Some(10), "{fitting:?}");
        let found = read(directory);
        assert_eq!((found.complaint.as_str(), found.saved.get("name")), ("", Some("\"door\"")));
    }

    #[test]
    fn what_cannot_be_written_is_reported_and_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        write(directory, &with(directory, "name", "door"), false).unwrap();
        // A folder in the way of what is written beside it, as a file system without room would be.
        fs::create_dir(directory.join(NEW)).unwrap();
        let refused = write(directory, &with(directory, "name", "gate"), false).unwrap_err();
        assert!(refused.to_string().contains(NAME), "{refused}");
        assert_eq!(read(directory).saved.get("name"), Some("\"door\""));
        // Nor is one that is to be set aside gone then.
        fs::write(directory.join(NAME), "=").unwrap();
        write(directory, &with(directory, "name", "gate"), true).unwrap_err();
        assert_eq!(fs::read_to_string(directory.join(NAME)).unwrap(), "=");
        assert_eq!(names(directory), [NAME, LAST_GOOD, NEW]);
        let no_folder = directory.join(NAME).join("below a file");
        assert!(write(&no_folder, &with(directory, "name", "gate"), false).is_err());
    }
}
