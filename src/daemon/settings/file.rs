//! `settings.toml` in the state directory: the settings of the page, read at the start and written at each change.
//!
//! The file is complete at every moment, also after a power cut: a new one is written beside it, synced and renamed,
//! and the folder is synced. A copy of the last good file is used if somebody has broken or emptied the file. If a
//! single value is wrong, the copy's value of that key is used. A file that cannot be used is never overwritten. It is
//! set aside with its date, once its successor is on the disk.
//!
//! Everything here blocks: at the start on the main thread, later on the runtime's pool. The caller makes sure that
//! there is only one writer.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::maintenance::LAST_GOOD_SETTINGS as LAST_GOOD;
use tallycam_base::{clock, private};
use tallycam_config::{Faulty, Saved};

/// The file's name.
pub const NAME: &str = "settings.toml";

/// Name of a new file until it is complete.
const NEW: &str = "settings.toml.new";

/// The result of a read.
#[derive(Debug)]
pub struct LoadedSettings {
    /// The settings to apply.
    pub saved: Saved,
    /// The faults and what is used instead, in sentences for people; empty without faults.
    pub complaint: String,
    /// True if parts were not understood, so that the file must not be overwritten.
    pub is_faulty: bool,
}

/// Reads the settings in `directory` and changes nothing there. A missing file is no fault without a copy.
pub fn read(directory: &Path) -> LoadedSettings {
    let (file, copy) = (directory.join(NAME), directory.join(LAST_GOOD));
    let good = || Saved::load(&copy).ok().map(|(good, _)| good);
    // Neither tallycam nor a power cut empties or removes the file and leaves the copy.
    let lost = |what: &str| {
        let Some(good) = good().filter(|good| good.paths().next().is_some()) else {
            let (mut saved, mut complaint) = (Saved::empty(file.clone()), String::new());
            // A copy that cannot be read may have had a mask.
            let is_unreadable = copy.exists() && good().is_none();
            if is_unreadable {
                complaint = format!("{} {what}, and {} cannot be read.", file.display(), copy.display());
                mask_all(&mut saved, &mut complaint);
            }
            return LoadedSettings { saved, complaint, is_faulty: is_unreadable };
        };
        let complaint = format!(
            "{} {what}.\nWhat was last good is in force instead: {}. To begin with the defaults, remove both.",
            file.display(),
            copy.display()
        );
        LoadedSettings { saved: good, complaint, is_faulty: true }
    };
    if matches!(fs::symlink_metadata(&file), Err(error) if error.kind() == ErrorKind::NotFound) {
        return lost("is missing");
    }
    let complaints = match Saved::load(&file) {
        Ok((saved, None)) if saved.paths().next().is_none() && is_blank(&file) => return lost("is empty"),
        Ok((saved, None)) => return LoadedSettings { saved, complaint: String::new(), is_faulty: false },
        Ok((saved, Some(faulty))) => return repair_settings(saved, &faulty, good()),
        Err(complaints) => complaints,
    };
    // A pipe would be waited for.
    let names_mask =
        file.is_file() && fs::read(&file).is_ok_and(|text| memchr::memmem::find(&text, b"mask").is_some());
    let (mut saved, instead, has_mask) = match good() {
        // A mask that was written by hand is not in the copy.
        Some(good) => {
            let has_mask = good.get(MASK.0).is_some() || !names_mask;
            (good, format!("What was last good is in force instead: {}", copy.display()), has_mask)
        }
        // Nobody knows whether there was one.
        None => {
            (Saved::empty(file), String::from("Nothing of it is in force, and no good copy is there"), false)
        }
    };
    let mut complaint = format!("{complaints}\n{instead}.");
    if !has_mask {
        mask_all(&mut saved, &mut complaint);
    }
    LoadedSettings { saved, complaint, is_faulty: true }
}

/// The setting of the privacy mask, and a value that blackens everything.
const MASK: (&str, &str) = ("privacy.mask", "[[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]]");

/// Blackens every frame in place of a mask that was lost.
fn mask_all(saved: &mut Saved, complaint: &mut String) {
    // The setting accepts this value.
    if saved.set(MASK.0, Some(MASK.1)).is_ok() {
        let words = "The privacy mask cannot be read: every frame is black until the mask is drawn again on the page \
                     Lines, or deleted there.";
        *complaint = format!("{complaint}\n{words}");
    }
}

/// The databases in `directory` that have no content, in one sentence; empty if there are none. tallycam leaves no
/// such file, so what it held, if anything, is lost.
pub fn emptied_databases(directory: &Path) -> String {
    let is_empty = |name: &&str| fs::symlink_metadata(directory.join(name)).is_ok_and(|file| file.len() == 0);
    let anew = match ["counts.db", "media.db"].into_iter().filter(is_empty).collect::<Vec<_>>()[..] {
        [] => return String::new(),
        ["counts.db"] => "counts.db was empty (0 bytes): counts and lines begin",
        ["media.db"] => "media.db was empty (0 bytes): snapshots and recordings begin",
        _ => "counts.db and media.db were empty (0 bytes): counts, lines, snapshots and recordings begin",
    };
    format!("{}: {anew} anew. `tallycam restore` brings a backup of them back.", directory.display())
}

/// Replaces wrong values of a file by the last good ones.
fn repair_settings(saved: Saved, faulty: &Faulty, good: Option<Saved>) -> LoadedSettings {
    let (mut saved, taken) = match good {
        Some(good) => saved.fill_from(&good, |path| faulty.affects(path)),
        None => (saved, Vec::new()),
    };
    let instead = match taken.as_slice() {
        [] => String::new(),
        taken => format!(" Of what is wrong the last good is in force: {}.", taken.join(", ")),
    };
    let complaints = &faulty.complaints;
    let mut complaint = format!("{complaints}\nEverything else that stands there is in force.{instead}");
    if faulty.affects(MASK.0) && saved.get(MASK.0).is_none() {
        mask_all(&mut saved, &mut complaint);
    }
    LoadedSettings { saved, complaint, is_faulty: true }
}

/// True if the file has nothing but blanks.
fn is_blank(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim_start_matches('\u{feff}').trim().is_empty())
}

/// Copies a file that was found good, unless the copy is equal. A failure is only logged, because it costs nothing
/// but the copy.
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

/// Writes `saved` and returns it as it is read again, once it is on the disk. With `set_aside` the old file is kept
/// under another name.
///
/// # Errors
/// The file could not be written; the old one is unchanged.
pub fn write(directory: &Path, saved: &Saved, set_aside: bool) -> io::Result<Saved> {
    let file = directory.join(NAME);
    let text = saved.to_toml();
    // A text that could not be read again is not written.
    let (again, faulty) = Saved::read(&file, &text).map_err(|e| io::Error::other(e.to_string()))?;
    if let Some(faulty) = faulty {
        return Err(io::Error::other(faulty.complaints.to_string()));
    }
    private::make_directory(directory)?;
    let new = directory.join(NEW);
    let before = || if set_aside { move_aside(directory, &file) } else { Ok(()) };
    private::replace_through(&new, &file, text.as_bytes(), true, before)?;
    // The copy is needed only if somebody breaks the file. No power cut breaks both, so the copy is not synced.
    let last_good = directory.join(LAST_GOOD);
    if let Err(error) = private::replace_through(&new, &last_good, text.as_bytes(), false, || Ok(())) {
        log::warn!(
            "{}: the copy of the settings could not be written: {error}",
            directory.join(LAST_GOOD).display()
        );
    }
    Ok(again)
}

/// Gives `file` a second name, `settings.toml.2026-11-20T14-53-07`. It keeps the first one too, if the file system
/// has hard links, so that a power cut leaves a complete file under it.
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
    fn written_settings_are_read_again_and_private() {
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
    fn a_missing_file_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let found = read(folder.path());
        assert_eq!((found.saved.paths().count(), found.complaint.as_str()), (0, ""));
    }

    #[test]
    fn a_broken_file_is_set_aside_and_the_last_good_one_used() {
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
        // Bytes that are no text, or a folder in its place, are treated alike.
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
    fn without_a_good_copy_no_setting_is_used() {
        let folder = tempfile::tempdir().unwrap();
        for copy in [None, Some("also = = nonsense")] {
            fs::write(folder.path().join(NAME), "=").unwrap();
            if let Some(copy) = copy {
                fs::write(folder.path().join(LAST_GOOD), copy).unwrap();
            }
            let found = read(folder.path());
            assert!(found.saved.paths().eq([MASK.0]), "{:?}", found.saved);
            assert!(found.complaint.contains("Nothing of it is in force"), "{}", found.complaint);
        }
    }

    #[test]
    fn a_mask_that_cannot_be_read_blackens_everything() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        for broken in [
            "[privacy]\nmask = 7\n",
            "[privacy]\nmask = [[[0.1, 0.1], [0.2, 0.1]]]\n[stream]\nquality = 70\n",
            "[privacy]\nmask = [[[0.1, 0.1], [0.2",
            "\0\0\0\0",
        ] {
            fs::write(directory.join(NAME), broken).unwrap();
            let found = read(directory);
            assert_eq!(found.saved.get(MASK.0), Some(MASK.1), "{broken}");
            assert!(found.complaint.contains("every frame is black"), "{}", found.complaint);
        }
        // The last good one is better.
        fs::remove_file(directory.join(NAME)).unwrap();
        let mask = "[[[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]]]";
        write(directory, &with(directory, MASK.0, mask), false).unwrap();
        for broken in ["[privacy]\nmask = 7\n", "[privacy]\nmask = [[", ""] {
            fs::write(directory.join(NAME), broken).unwrap();
            assert_eq!(read(directory).saved.get(MASK.0), Some(mask), "{broken}");
        }
        // The copy is from before it.
        write(directory, &with(directory, MASK.0, mask).without_key(MASK.0), false).unwrap();
        for (broken, is_black) in [("[privacy]\nmask = [[", true), ("[stream]\nquality =", false)] {
            fs::write(directory.join(NAME), broken).unwrap();
            assert_eq!(read(directory).saved.get(MASK.0).is_some(), is_black, "{broken}");
        }
        // A file that cannot be read at all.
        for name in [NAME, LAST_GOOD] {
            fs::remove_file(directory.join(name)).unwrap();
        }
        fs::create_dir(directory.join(NAME)).unwrap();
        assert_eq!(read(directory).saved.get(MASK.0), Some(MASK.1));
    }

    #[test]
    fn after_an_emptied_file_the_last_good_one_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        for blank in ["", " \n\n", "\u{feff}"] {
            fs::write(directory.join(NAME), blank).unwrap();
            assert_eq!(read(directory).complaint, "", "there is no other copy: {blank:?}");
        }
        write(directory, &with(directory, "stream.quality", "70"), false).unwrap();
        for blank in ["", " \n\n", "\u{feff}"] {
            fs::write(directory.join(NAME), blank).unwrap();
            let found = read(directory);
            assert_eq!(found.saved.get("stream.quality"), Some("70"), "{blank:?}");
            assert!(found.is_faulty && found.complaint.contains("is empty"), "{}", found.complaint);
        }
        // Reset on the page: such a file is good, not emptied.
        let none = read(directory).saved.with_file(&directory.join(NAME)).without_key("stream.quality");
        write(directory, &none, false).unwrap();
        let found = read(directory);
        assert_eq!((found.saved.paths().count(), found.complaint.as_str()), (0, ""));
        fs::write(directory.join(NAME), "").unwrap();
        assert_eq!(read(directory).complaint, "");
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_told_from_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        write(directory, &with(directory, "stream.quality", "55"), false).unwrap();
        let whole = fs::read_to_string(directory.join(NAME)).unwrap();
        for len in 1..whole.len() - 1 {
            fs::write(directory.join(NAME), &whole[..len]).unwrap();
            let found = read(directory);
            assert_eq!(found.saved.get("stream.quality"), Some("55"), "{}", &whole[..len]);
            assert!(found.is_faulty && found.complaint.contains("is cut off"), "{}", found.complaint);
            assert!(found.complaint.contains("settings.toml.last-good"), "{}", found.complaint);
        }
        // Changed by hand, also behind the end, or written without the head.
        for (text, quality) in [
            (whole.replace("55", "60"), "60"),
            (whole.replace("quality = 55", "") + "quality = 65\n", "65"),
            (String::from("[stream]\nquality = 70\n"), "70"),
        ] {
            fs::write(directory.join(NAME), &text).unwrap();
            let found = read(directory);
            assert_eq!((found.saved.get("stream.quality"), found.complaint.as_str()), (Some(quality), ""));
        }
        // A copy that is cut is no good one.
        fs::write(directory.join(NAME), &whole[..whole.len() / 2]).unwrap();
        fs::write(directory.join(LAST_GOOD), &whole[..whole.len() - 3]).unwrap();
        assert!(read(directory).complaint.contains("no good copy is there"), "{}", read(directory).complaint);
    }

    #[test]
    fn a_path_that_an_earlier_version_took_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[source]\nkind = \"files\"\npath = \"/srv/clip.mjpeg\"\n";
        fs::write(folder.path().join(NAME), text).unwrap();
        let found = read(folder.path());
        assert_eq!(found.saved.get("source.path"), None);
        for part in ["settings.toml:3:8: `source.path` is not kept here", "set it in the configuration file"]
        {
            assert!(found.complaint.contains(part), "{}", found.complaint);
        }
    }

    #[test]
    fn after_the_file_has_vanished_the_last_good_one_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        write(directory, &with(directory, "stream.quality", "55"), false).unwrap();
        fs::remove_file(directory.join(NAME)).unwrap();
        let found = read(directory);
        assert_eq!(found.saved.get("stream.quality"), Some("55"));
        assert!(
            found.is_faulty && found.complaint.contains("settings.toml is missing"),
            "{}",
            found.complaint
        );
        write(directory, &with(directory, "name", "door"), true).unwrap();
        assert_eq!((read(directory).complaint.as_str(), names(directory).len()), ("", 2));
    }

    #[test]
    fn an_emptied_database_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(emptied_databases(folder.path()), "");
        fs::write(folder.path().join("counts.db"), "not empty").unwrap();
        fs::write(folder.path().join("media.db"), "").unwrap();
        assert!(emptied_databases(folder.path()).contains("media.db was empty"));
        fs::write(folder.path().join("counts.db"), "").unwrap();
        assert!(emptied_databases(folder.path()).contains("counts.db and media.db were empty"));
    }

    #[test]
    fn a_wrong_value_is_replaced_by_the_last_good_one() {
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
            // The key is absent, not wrong.
            ("stream.idle_stop", None),
        ] {
            assert_eq!(found.saved.get(path), want, "{path}");
        }
        assert!(found.is_faulty && found.complaint.contains("settings.toml:3"), "{}", found.complaint);
        assert!(found.complaint.contains("last good is in force: controls"), "{}", found.complaint);
        // A value in the place of a section costs none of its keys.
        fs::write(directory.join(NAME), "stream = 3\n").unwrap();
        assert_eq!(read(directory).saved.get("stream.idle_stop"), Some("\"5m\""));
        assert_eq!(read(directory).saved.get("name"), None);
    }

    #[test]
    fn an_unknown_key_leaves_the_rest_in_force() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "name = \"door\"\n[wifi]\nssid = \"x\"\n").unwrap();
        let found = read(folder.path());
        assert_eq!(found.saved.paths().collect::<Vec<_>>(), ["name"]);
        assert!(found.is_faulty && found.complaint.contains("settings.toml:2"), "{}", found.complaint);
        save_known_good(folder.path());
        assert_eq!(names(folder.path()), [NAME, LAST_GOOD]);
    }

    #[test]
    fn a_file_too_long_to_read_is_not_written() {
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
    fn a_failed_write_is_reported_and_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path();
        write(directory, &with(directory, "name", "door"), false).unwrap();
        // A folder in place of the new file fails like a full file system.
        fs::create_dir(directory.join(NEW)).unwrap();
        write(directory, &with(directory, "name", "gate"), false).unwrap_err();
        assert_eq!(read(directory).saved.get("name"), Some("\"door\""));
        // A file that is to be set aside stays in place then, too.
        fs::write(directory.join(NAME), "=").unwrap();
        write(directory, &with(directory, "name", "gate"), true).unwrap_err();
        assert_eq!(fs::read_to_string(directory.join(NAME)).unwrap(), "=");
        assert_eq!(names(directory), [NAME, LAST_GOOD, NEW]);
        let no_folder = directory.join(NAME).join("below a file");
        assert!(write(&no_folder, &with(directory, "name", "gate"), false).is_err());
    }
}
