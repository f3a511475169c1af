//! `tallycam media import`: the whole folder of the old Flask program becomes items.
//!
//! Its index says names, dates and order; the pictures and clips lie beside it. What the index names is taken in its
//! order; files that it does not name come after, in the order of their times. A file whose very pictures are there
//! already, under its name or renamed since it was taken, is not taken twice: so a folder can be taken again, also after
//! it was taken in part. What was removed meanwhile comes back: nothing is remembered of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::add::{AddOptions, NotAdded, add, modified_us};
use super::{Store, check_storing_allowed, file, format_count, store_failure};
use crate::base::child;
use crate::base::clock::monotonic_us;
use crate::cli::common::terminal::{Of, Progress};
use crate::cli::{Failure, Given, print_json, print_stdout};
use crate::config::Config;
use crate::daemon::counting::store_settings;
use crate::pipeline::recording::import::same::has_same_pictures;
use crate::store::media::{Item, MediaError, MediaReader, read_old_rows};

/// The old program's index in its folder.
const INDEX: &str = "media.db";

/// What SQLite leaves beside a file.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// Import a media folder of the earlier Flask program.
///
/// Reads its media.db and the images and clips beside it, and keeps names, dates and order. Lists rows without a file
/// and files without a row; those files are imported with the file's own date. The folder is not changed. A second run
/// imports nothing twice, renamed or not, but brings back deleted items. The exit code is 1 if something could not be
/// imported.
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    given: Given,
    /// The folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The index, if it is not DIR/media.db
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    /// Convert other clips to MJPEG with ffmpeg, with a small loss of quality
    #[arg(long)]
    convert: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came of a folder.
#[derive(Debug, Default, Serialize)]
struct Report {
    imported: Vec<Taken>,
    /// Names that are there already, with the same pictures.
    there_already: Vec<String>,
    /// Rows of the index whose file is not there.
    rows_without_file: Vec<OrphanRow>,
    /// Files that the index does not name, and that were taken, are there already, or were refused, as the other lists
    /// say.
    files_without_row: Vec<String>,
    refused: Vec<RefusedFile>,
}

#[derive(Debug, Serialize)]
struct Taken {
    id: u64,
    name: String,
    kind: &'static str,
    date: String,
    frames: u64,
    /// Pictures in the file that were none.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Serialize)]
struct OrphanRow {
    id: i64,
    name: String,
    date: String,
}

#[derive(Debug, Serialize)]
struct RefusedFile {
    name: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// A file that is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileToImport {
    path: PathBuf,
    name: String,
    /// As the index has it; `None`: it has none.
    date: Option<String>,
    taken_us: Option<u64>,
}

impl Import {
    pub fn run(&self, given: &Given) -> Result<(), Failure> {
        let config = given.merge(&self.given).load()?.config;
        check_storing_allowed(&config)?;
        let mut report = Report::default();
        let wanted = self.collect_wanted(&store_settings(&config).zone, &mut report)?;
        let store = Store::open(&config)?;
        let reader = MediaReader::open(&file(&config)).map_err(store_failure)?;
        let before = reader.imported_numbers().map_err(store_failure)?;
        let progress = Progress::new("importing", Of::Files(wanted.len() as u64));
        for wanted in wanted {
            self.import_file(&config, &store, &reader, &before, &wanted, &mut report)?;
            progress.step();
        }
        drop(progress);
        drop(store);
        if self.json {
            print_json(&report)?
        } else {
            print_stdout(&report.to_text())?
        }
        if report.refused.is_empty() { Ok(()) } else { Err(Failure::AlreadyReported(1)) }
    }

    /// What is to be taken, in its order. What cannot be is in the report.
    fn collect_wanted(&self, zone: &TimeZone, report: &mut Report) -> Result<Vec<FileToImport>, Failure> {
        let index = self.index.clone().unwrap_or_else(|| self.folder.join(INDEX));
        let mut files = self.files(&index, report)?;
        if !index.exists() {
            return Err(Failure::Io {
                message: format!("{}: no index of the earlier program", index.display()),
                hint: Some(String::from(
                    "name it with --index FILE; use `tallycam media add FILE...` for single files",
                )),
            });
        }
        let mut wanted: Vec<FileToImport> = Vec::new();
        let mut days = Days { zone, before: None };
        for row in read_old_rows(&index).map_err(store_failure)? {
            // The old program kept plain names; whoever wrote a path meant the file at its end.
            let name = row.file_name.rsplit('/').next().unwrap_or_default().to_owned();
            if wanted.iter().any(|other| other.name == name) {
                report.record_refusal(&row.file_name, "the index names it twice; the first row counts", None);
                continue;
            }
            if !files.remove(&name) {
                report.rows_without_file.push(OrphanRow { id: row.id, name: row.file_name, date: row.date });
                continue;
            }
            let path = self.folder.join(&name);
            let taken_us = days.time(&row.date, modified_us(&path));
            let date = Some(row.date).filter(|date| !date.trim().is_empty());
            wanted.push(FileToImport { path, name, date, taken_us });
        }
        let mut others: Vec<FileToImport> = files
            .into_iter()
            .map(|name| {
                let path = self.folder.join(&name);
                let taken_us = modified_us(&path);
                FileToImport { path, name, date: None, taken_us }
            })
            .collect();
        others.sort_by_key(|wanted| wanted.taken_us);
        report.files_without_row = others.iter().map(|wanted| wanted.name.clone()).collect();
        wanted.append(&mut others);
        Ok(wanted)
    }

    /// The names of the files in the folder, the index and what SQLite leaves beside it left out.
    fn files(&self, index: &Path, report: &mut Report) -> Result<BTreeSet<String>, Failure> {
        let unread = |error: std::io::Error| Failure::Io {
            message: format!("{} could not be read: {error}", self.folder.display()),
            hint: None,
        };
        let own: Vec<PathBuf> = std::iter::once("")
            .chain(BESIDE)
            .map(|ending| {
                let mut path = index.as_os_str().to_owned();
                path.push(ending);
                PathBuf::from(path)
            })
            .collect();
        let folder = self.folder.canonicalize().map_err(unread)?;
        let mut files = BTreeSet::new();
        for entry in std::fs::read_dir(&self.folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let path = entry.path();
            // Folders are none of the old program's; a link to a file of the folder is a file.
            if own.contains(&path) || !std::fs::metadata(&path).is_ok_and(|found| found.is_file()) {
                continue;
            }
            let is_inside = || path.canonicalize().is_ok_and(|found| found.starts_with(&folder));
            match entry.file_name().into_string() {
                Ok(name) if path.is_symlink() && !is_inside() => report.record_refusal(
                    &name,
                    "it is a symbolic link that leads out of the folder",
                    Some("put the file itself there"),
                ),
                Ok(name) => drop(files.insert(name)),
                Err(name) => {
                    report.record_refusal(&name.to_string_lossy(), "its name is not UTF-8", Some("rename it"))
                }
            }
        }
        Ok(files)
    }

    /// Takes one file, or says why not.
    fn import_file(
        &self,
        config: &Config,
        store: &Store,
        reader: &MediaReader,
        brought_in: &BTreeMap<String, Vec<u64>>,
        wanted: &FileToImport,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let name = &wanted.name;
        let named = match reader.by_name(name) {
            Ok(item) => Some(item),
            Err(MediaError::Unknown(_)) => None,
            Err(error) => return Err(store_failure(error)),
        };
        let mut before = Before { named, renamed: Vec::new() };
        for &id in brought_in.get(&source(name)).into_iter().flatten() {
            match reader.item(id) {
                Ok(item) if item.name != *name => before.renamed.push(item),
                Ok(_) | Err(MediaError::Unknown(_)) => {}
                Err(error) => return Err(store_failure(error)),
            }
        }
        let mut made = None;
        let mut taken = import_one(config, store, reader, &wanted.path, wanted, &before);
        if self.convert && matches!(taken, Err(NotAdded::Refused { .. })) {
            match Converted::convert(&wanted.path) {
                Ok(Some(converted)) => {
                    taken = import_one(config, store, reader, &converted.path, wanted, &before);
                    made = Some(converted);
                }
                Ok(None) => {}
                Err(reason) => taken = Err(NotAdded::Refused { message: reason, hint: None }),
            }
        }
        drop(made);
        match taken {
            Ok(ImportOutcome::There) => report.there_already.push(name.clone()),
            Ok(ImportOutcome::Taken(taken)) => report.imported.push(taken),
            Err(NotAdded::Failed(failure)) => {
                if !self.json {
                    // What was done before the trouble is done.
                    print_stdout(&report.to_text())?;
                }
                return Err(failure);
            }
            Err(NotAdded::Refused { message, hint }) => {
                report.record_refusal(name, &message, hint.as_deref())
            }
        }
        Ok(())
    }
}

/// What there is already that may be a file's.
struct Before {
    /// What has its name.
    named: Option<Item>,
    /// What came of a file of this name, and is called otherwise now.
    renamed: Vec<Item>,
}

/// Where an item comes from that was brought in of the file of this name, as daemon and commands say it.
fn source(name: &str) -> String {
    format!("file {name}")
}

/// What came of a file.
enum ImportOutcome {
    There,
    Taken(Taken),
}

fn import_one(
    config: &Config,
    store: &Store,
    reader: &MediaReader,
    path: &Path,
    wanted: &FileToImport,
    before: &Before,
) -> Result<ImportOutcome, NotAdded> {
    for item in before.named.iter().chain(&before.renamed) {
        let compared = File::open(path)
            .map_err(|error| error.to_string())
            .and_then(|opened| has_same_pictures(reader, item, opened).map_err(|error| error.to_string()));
        match compared {
            Ok(true) => return Ok(ImportOutcome::There),
            Ok(false) => {}
            Err(message) => return Err(NotAdded::Refused { message, hint: None }),
        }
    }
    if let Some(item) = &before.named {
        return Err(NotAdded::Refused {
            message: format!("item {} has this name and other frames", item.id),
            hint: Some(format!("rename one of them: tallycam media rename {} NAME", item.id)),
        });
    }
    let options = AddOptions {
        name: wanted.name.clone(),
        // Not as what ffmpeg has made of it is called.
        source: source(&wanted.name),
        date: wanted.date.clone(),
        taken_us: wanted.taken_us,
        modified_us: None,
        note: String::new(),
        fps: None,
        zone: store_settings(config).zone,
    };
    let added = add(config, store, path, options)?;
    let Item { id, name, kind, date, frames, .. } = added.item;
    Ok(ImportOutcome::Taken(Taken { id, name, kind: kind.as_str(), date, frames, left_out: added.left_out }))
}

/// When things of the index were taken: it knows days only.
struct Days<'a> {
    zone: &'a TimeZone,
    /// The time before, if it was made up.
    before: Option<u64>,
}

impl Days<'_> {
    /// The file's own time if that is on the row's day; else noon of that day, each a second after the one before, so
    /// that their order stays. The file's own time for a date that is none.
    fn time(&mut self, date: &str, modified_us: Option<u64>) -> Option<u64> {
        let Ok(day) = date.trim().parse::<Date>() else { return modified_us };
        let own_day = |us: u64| {
            let time = Timestamp::from_microsecond(i64::try_from(us).ok()?).ok()?;
            Some(time.to_zoned(self.zone.clone()).date())
        };
        if modified_us.and_then(own_day) == Some(day) {
            return modified_us;
        }
        let noon = day.at(12, 0, 0, 0).to_zoned(self.zone.clone()).ok()?.timestamp().as_microsecond();
        let noon = u64::try_from(noon).ok()?;
        let next = self.before.map(|before| before + 1_000_000).filter(|us| own_day(*us) == Some(day));
        let time = next.unwrap_or(noon).max(noon);
        self.before = Some(time);
        Some(time)
    }
}

/// A clip that ffmpeg has made MJPEG of, in a folder of its own; gone when dropped.
struct Converted {
    folder: PathBuf,
    path: PathBuf,
}

impl Converted {
    /// Makes it; `None` if the file is no clip that ffmpeg knows.
    fn convert(from: &Path) -> Result<Option<Converted>, String> {
        let is_avi = from.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| {
            ["avi", "mp4", "mkv", "mov", "m4v", "webm", "mpg", "mpeg", "h264"]
                .iter()
                .any(|known| ending.eq_ignore_ascii_case(known))
        });
        if !is_avi {
            return Ok(None);
        }
        // Nobody else's: what others put at a name that they can foresee would be written through.
        let name = format!("tallycam-import-{}-{}", std::process::id(), monotonic_us());
        let folder = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| format!("{} could not be made: {error}", folder.display()))?;
        let made = Converted { path: folder.join("clip.avi"), folder };
        // One thread and fixed tables: the same clip gives the same bytes, so that it is known again.
        let run = child::command("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-i"])
            .arg(from.canonicalize().map_err(|error| error.to_string())?)
            .args(["-an", "-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p", "-huffman", "default"])
            .args(["-threads", "1", "-bitexact", "-f", "avi"])
            .arg(&made.path)
            .stdin(Stdio::null())
            .output();
        match run {
            Ok(output) if output.status.success() => Ok(Some(made)),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!(
                    "ffmpeg could not convert it: {}",
                    said.lines().last().unwrap_or("no reason given")
                ))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(String::from(
                "it has to be converted, and ffmpeg is not installed: sudo apt install ffmpeg",
            )),
            Err(error) => Err(format!("ffmpeg could not be run: {error}")),
        }
    }
}

impl Drop for Converted {
    fn drop(&mut self) {
        // That it stays is no harm: it is a temporary folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Report {
    fn record_refusal(&mut self, name: &str, reason: &str, hint: Option<&str>) {
        let (name, reason, hint) = (name.to_owned(), reason.to_owned(), hint.map(str::to_owned));
        self.refused.push(RefusedFile { name, reason, hint });
    }

    /// As people read it.
    fn to_text(&self) -> String {
        let mut text = String::new();
        for taken in &self.imported {
            let pictures =
                if taken.frames == 1 { String::new() } else { format!(", {} pictures", taken.frames) };
            let left_out = match taken.left_out {
                0 => String::new(),
                left_out => format!("; {left_out} in it were none"),
            };
            text.push_str(&format!("{} {}: {}{pictures}{left_out}\n", taken.id, taken.name, taken.date));
        }
        for orphan in &self.rows_without_file {
            text.push_str(&format!("row {} without a file: {:?}, {}\n", orphan.id, orphan.name, orphan.date));
        }
        for name in &self.files_without_row {
            text.push_str(&format!("file without a row: {name:?}\n"));
        }
        for refused in &self.refused {
            text.push_str(&format!("not taken: {:?}: {}\n", refused.name, refused.reason));
            if let Some(hint) = &refused.hint {
                text.push_str(&format!("  hint: {hint}\n"));
            }
        }
        text.push_str(&format!(
            "{} taken, {} there already, {} not taken\n",
            format_count(self.imported.len(), "item"),
            self.there_already.len(),
            self.refused.len()
        ));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000_000;

    #[test]
    fn days_keep_their_order_and_files_their_times() {
        let mut days = Days { zone: &TimeZone::UTC, before: None };
        // 2018-01-31 is day 17 562.
        let day = 17_562 * DAY;
        let noon = day + DAY / 2;
        assert_eq!(days.time("2018-01-31", Some(day + 5)), Some(day + 5), "the file's own time");
        assert_eq!(days.time("2018-01-31", Some(day + DAY)), Some(noon), "copied on another day");
        assert_eq!(days.time("2018-01-31", None), Some(noon + 1_000_000));
        assert_eq!(days.time("2018-02-01", None), Some(noon + DAY));
        assert_eq!(days.time("2018-01-31", None), Some(noon));
        assert_eq!(days.time("last year", Some(7)), Some(7));
        assert_eq!(days.time("", None), None);
    }
}
