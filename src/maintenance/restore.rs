//! Receives a backup for a restore: unpacks it into a folder of its own, checks it as a whole, and stages it for the
//! next start.
//!
//! An archive may contain only the names of a backup, as plain files, each once; paths and links are refused. It may
//! not be larger than the free room on the disk. Nothing is compressed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::backup::{ArchiveHeader, FORMAT, Summed, is_model};
use super::{
    VERSION, cut, file_error, has_room, lock, names, power_cut_point, remove, rename, sync_folder,
    system_error, unfit,
};
use crate::access;
use crate::access::RestoredAccess;
use tallycam_base::Fault;
use tallycam_base::private;
use tallycam_base::unicode::hex;
use tallycam_config::Saved;
use tallycam_store::AuditEntry;
use tallycam_store::backup::{check_counts, check_media};

/// Maximum number of files in an archive.
const MOST_FILES: usize = 500;

/// Maximum lengths in bytes of a text file and of a model.
const LONGEST_WORDS: u64 = 1 << 20;
const LONGEST_MODEL: u64 = 1 << 30;

/// Maximum characters of a text in the head. The rest is cut off.
const LONGEST_TEXT: usize = 100;

/// Maximum number of bytes that are read and ignored after the end. Programs pad an archive to a full block.
const LONGEST_END: u64 = 1 << 20;

/// Instructions for the next start: how to use the unpacked files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RestorePlan {
    pub head: ArchiveHeader,
    pub files: Vec<String>,
    /// The user who asked for the restore, for the restored audit list.
    #[serde(default)]
    pub by: Option<AuditEntry>,
}

/// A backup that the next start restores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedRestore {
    pub head: ArchiveHeader,
    /// The users and tokens that it brings.
    pub access: RestoredAccess,
}

/// Conditions of a restore.
#[derive(Debug, Default)]
pub struct RestoreOptions {
    /// Bytes that must stay free on the file system. With less room, recordings are deleted.
    pub floor: u64,
    /// The user who sends the backup.
    pub by: Option<AuditEntry>,
}

/// The file of the [`RestorePlan`].
pub(super) const PLAN: &str = "plan.json";

/// Unpacks `archive`, checks it as a whole, and stages it for the next start. It replaces a staged one.
///
/// # Errors
/// The reason for the refusal. Nothing has changed then.
pub fn stage_restore(
    state: &Path,
    archive: impl Read,
    terms: RestoreOptions,
) -> Result<StagedRestore, Fault> {
    let _lock = lock(state)?;
    let new = state.join(names::NEW);
    remove(&new)?;
    create_folder(&new)?;
    let laid = unpack(&new, archive, terms.floor).and_then(|(head, sums)| {
        let access = check(&new, &head, &sums)?;
        let by = terms.by.map(|by| AuditEntry { what: head.restored(), ..by });
        commit(state, &new, RestorePlan { files: sums.into_keys().collect(), head: head.clone(), by })?;
        Ok(StagedRestore { head, access })
    });
    if laid.is_err() {
        // The caller reports the original fault, not this one.
        let _ = remove(&new);
    }
    laid
}

/// Reads an archive to its end without unpacking it, and checks that it is whole.
///
/// # Errors
/// It is not a backup, or is truncated.
pub fn verify_archive(archive: impl Read) -> Result<ArchiveHeader, Fault> {
    for_each_file(archive, |_, _, from| io::copy(from, &mut io::sink()).map_err(cut)).map(|(head, _)| head)
}

fn create_folder(folder: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(folder).map_err(file_error(folder))?;
    private::match_new_folder_owner(folder);
    Ok(())
}

fn unusable<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(unfit(why.into()))
}

type Sums = BTreeMap<String, String>;

fn unpack(new: &Path, archive: impl Read, floor: u64) -> Result<(ArchiveHeader, Sums), Fault> {
    for_each_file(archive, |name, len, from| {
        has_room(new, len, floor)?;
        if name.starts_with(names::MODELS) && !new.join(names::MODELS).exists() {
            create_folder(&new.join(names::MODELS))?;
        }
        power_cut_point()?;
        let file = new.join(name);
        let mut out =
            private::options().write(true).create_new(true).open(&file).map_err(file_error(&file))?;
        private::match_folder_owner(&file);
        let mut piece = vec![0; 256 << 10];
        let mut written = 0;
        loop {
            // Read errors are the sender's, write errors are ours.
            let got = from.read(&mut piece).map_err(cut)?;
            if got == 0 {
                break;
            }
            io::Write::write_all(&mut out, &piece[..got]).map_err(file_error(&file))?;
            written += got as u64;
        }
        out.sync_all().map_err(file_error(&file))?;
        Ok(written)
    })
}

/// Goes through an archive. `take` gets each file's name, length and bytes, and returns the number of bytes it took.
fn for_each_file(
    archive: impl Read,
    mut take: impl FnMut(&str, u64, &mut dyn Read) -> Result<u64, Fault>,
) -> Result<(ArchiveHeader, Sums), Fault> {
    let mut tar = tar::Archive::new(archive);
    let (mut head, mut stated) = (None, None);
    let mut sums = Sums::new();
    // Raw, because otherwise a long name (a GNU entry of its own) would be read into memory, however long.
    let entries = tar.entries().map_err(cut)?.raw(true);
    for entry in entries {
        let mut entry = entry.map_err(|error| read_error(&error, head.is_some()))?;
        let name = String::from_utf8_lossy(&entry.header().path_bytes()).into_owned();
        let len = entry.header().entry_size().map_err(|error| read_error(&error, head.is_some()))?;
        if head.is_none() {
            if name != names::HEAD || len > LONGEST_WORDS {
                return unusable("it is not a backup of tallycam");
            }
            head = Some(read_head(&read_text(&mut entry, len)?)?);
            continue;
        }
        if entry.header().entry_type() != tar::EntryType::Regular {
            return unusable(format!("{name:?} in it is no plain file"));
        }
        if stated.is_some() {
            return unusable(format!("{name:?} comes after its checksums, which must be last"));
        }
        if name == names::SUMS {
            if len > LONGEST_WORDS {
                return unusable("its checksums cannot be read");
            }
            stated = Some(read_sums(&read_text(&mut entry, len)?)?);
            continue;
        }
        let longest = size_limit(&name).ok_or_else(|| unfit(format!("{name:?} is not part of a backup")))?;
        if len > longest {
            return unusable(format!("{name} in it is too long: {len} bytes"));
        }
        if sums.len() >= MOST_FILES || sums.contains_key(&name) {
            return unusable(format!("{name} is in it twice, or there are too many files"));
        }
        let mut from = Summed { from: entry, sum: Context::new(&SHA256), len: 0 };
        let taken = take(&name, len, &mut from)?;
        if taken != len || from.len != len {
            return Err(cut(format!("{name} has {taken} of {len} bytes")));
        }
        let sum = hex(from.sum.finish().as_ref());
        sums.insert(name, sum);
    }
    let Some(head) = head else { return unusable("it is empty") };
    let Some(mut stated) = stated else {
        return Err(cut("its end with the checksums is missing"));
    };
    // The sums include the head's, but `read_head` has already checked the head.
    stated.remove(names::HEAD);
    if let Some((name, _)) = sums.iter().find(|(name, sum)| stated.get(*name) != Some(*sum)) {
        return unusable(format!("{name} in it is damaged: its checksum differs"));
    }
    if let Some(name) = stated.keys().find(|name| !sums.contains_key(*name)) {
        return unusable(format!("{name} is missing in it"));
    }
    if head.media != sums.contains_key(names::MEDIA) {
        return unusable("its header and its files disagree about recordings");
    }
    // The sender expects its whole body to be read.
    let _ = io::copy(&mut tar.into_inner().take(LONGEST_END), &mut io::sink());
    Ok((head, sums))
}

/// Maximum length of a file with this name; `None` if a backup has no such file.
fn size_limit(name: &str) -> Option<u64> {
    match name {
        names::CONFIG | names::SETTINGS | names::ACCESS => Some(LONGEST_WORDS),
        names::COUNTS | names::MEDIA => Some(u64::MAX),
        name => {
            let model = name.strip_prefix(names::MODELS)?.strip_prefix('/')?;
            is_model(model).then_some(LONGEST_MODEL)
        }
    }
}

/// The fault of an invalid header block: a truncated archive, or not an archive at all.
fn read_error(error: &io::Error, has_begun: bool) -> Fault {
    if has_begun { cut(error) } else { unfit("it is no tar archive") }
}

fn read_text(from: &mut impl Read, len: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    from.take(LONGEST_WORDS).read_to_end(&mut bytes).map_err(cut)?;
    if bytes.len() as u64 == len { Ok(bytes) } else { Err(cut("it ends too early")) }
}

fn read_head(bytes: &[u8]) -> Result<ArchiveHeader, Fault> {
    #[derive(Deserialize)]
    struct Begins {
        format: u32,
        version: String,
    }
    let other = || unfit("it is not a backup of tallycam");
    let begins: Begins = serde_json::from_slice(bytes).map_err(|_| other())?;
    if begins.format > FORMAT || numbers(&begins.version) > numbers(VERSION) {
        let version: String = begins.version.chars().filter(|c| !c.is_control()).take(40).collect();
        return unusable(format!("tallycam {version} made it, which is newer than this one, {VERSION}"));
    }
    let head: ArchiveHeader = serde_json::from_slice(bytes).map_err(|_| other())?;
    let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect();
    let (version, made, name) = (short(&head.version), short(&head.made), short(&head.name));
    Ok(ArchiveHeader { version, made, name, ..head })
}

/// The leading numbers of a version.
pub(super) fn numbers(version: &str) -> Vec<u64> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    version[..end].split('.').filter_map(|number| number.parse().ok()).collect()
}

fn read_sums(bytes: &[u8]) -> Result<Sums, Fault> {
    let none = || unfit("its checksums cannot be read");
    let text = std::str::from_utf8(bytes).map_err(|_| none())?;
    let pair = |line: &str| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned()));
    text.lines().map(pair).collect::<Option<Sums>>().ok_or_else(none)
}

/// Checks that each unpacked file is what its name says, and reads every row of it.
fn check(new: &Path, head: &ArchiveHeader, sums: &Sums) -> Result<RestoredAccess, Fault> {
    let has = |name: &str| sums.contains_key(name).then(|| new.join(name));
    let of = |name: &'static str| move |error: Fault| unfit(format!("{name} in it: {error}"));
    if let Some(settings) = has(names::SETTINGS) {
        // Single invalid values are reported at the start, which then uses the defaults.
        Saved::load(&settings).map_err(|_| unfit("settings.toml in it cannot be read"))?;
    }
    let access = match has(names::ACCESS) {
        Some(users) => {
            let folder = format!("{}/", new.display());
            access::prepare_restored(&users).map_err(|why| {
                unfit(format!("access.json in it cannot be used: {}", why.replace(&folder, "")))
            })?
        }
        None => RestoredAccess::default(),
    };
    if let Some(counts) = has(names::COUNTS) {
        check_counts(&counts).map_err(of(names::COUNTS))?;
    }
    if let Some(media) = has(names::MEDIA).filter(|_| head.media) {
        check_media(&media).map_err(of(names::MEDIA))?;
    }
    Ok(access)
}

/// Makes the checked folder the request for the next start.
fn commit(state: &Path, new: &Path, plan: RestorePlan) -> Result<(), Fault> {
    let text =
        serde_json::to_vec_pretty(&plan).map_err(|error| system_error(format_args!("`{PLAN}`"), &error))?;
    private::replace(&new.join(PLAN), &text).map_err(file_error(new))?;
    if new.join(names::MODELS).exists() {
        sync_folder(&new.join(names::MODELS))?;
    }
    sync_folder(new)?;
    let (ready, old) = (state.join(names::READY), state.join(names::OLD));
    if ready.exists() {
        // Until the last rename below, the state is the old one.
        remove(&old)?;
        rename(&ready, &old)?;
    }
    remove(&state.join(names::RESET))?;
    rename(new, &ready)?;
    sync_folder(state)?;
    let _ = remove(&old);
    Ok(())
}

/// The plan in `folder`, if there is one.
pub(super) fn plan(folder: &Path) -> Result<Option<RestorePlan>, Fault> {
    let file = folder.join(PLAN);
    match File::open(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error(&file)(error)),
        Ok(file_) => serde_json::from_reader(file_.take(LONGEST_WORDS))
            .map(Some)
            .map_err(|error| system_error(format_args!("`{}`", file.display()), &error)),
    }
}
