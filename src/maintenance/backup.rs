//! A backup: a tar archive of plain files, readable by every `tar`, and made while it is sent.
//!
//! It begins with `tallycam-backup.json`, which describes it, and ends with `SHA256SUMS`. A truncated archive lacks
//! the sums.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::{Buf as _, Bytes};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{VERSION, file_error, names, system_error};
use crate::access;
use tallycam_base::unicode::hex;
use tallycam_base::{Fault, clock};
use tallycam_store::backup::copy_counts;
use tallycam_store::media::Backup;

/// The version of the archive's format.
pub(super) const FORMAT: u32 = 1;

/// An archive's description of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveHeader {
    /// The version of the format.
    pub format: u32,
    /// The version of the program that made it.
    pub version: String,
    /// When it was made, RFC 3339.
    pub made: String,
    /// The camera's name.
    pub name: String,
    /// Snapshots and recordings are included.
    pub media: bool,
}

impl ArchiveHeader {
    /// A sentence for the audit list: this backup was restored.
    pub fn restored(&self) -> String {
        format!("restored the backup of {:?} of {}", self.name, self.made)
    }
}

/// The parts of an archive.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The state directory.
    pub state: PathBuf,
    /// The camera's name.
    pub name: String,
    /// The operator's file. If it is unreadable, it is left out.
    pub config: Option<PathBuf>,
    /// `settings.toml` as it is in force. The file may be damaged, and nothing would repair it after a restore.
    pub settings: String,
    /// Include the thumbnails of crossings.
    pub pictures: bool,
}

/// A copy of `media.db`, read piece by piece.
#[derive(Debug)]
pub struct MediaCopy {
    backup: Backup,
    piece: Bytes,
}

impl MediaCopy {
    /// Reading blocks, so the thread that reads must not run an async runtime.
    pub fn new(backup: Backup) -> MediaCopy {
        MediaCopy { backup, piece: Bytes::new() }
    }

    /// Total length in bytes.
    pub fn len(&self) -> u64 {
        self.backup.len
    }

    /// Always false; clippy asks for it beside `len`.
    pub fn is_empty(&self) -> bool {
        self.backup.len == 0
    }
}

impl Read for MediaCopy {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.backup.pieces.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
            }
        }
        let bytes = into.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut into[..bytes]);
        Ok(bytes)
    }
}

/// The archive while it is written.
struct Pack<W: Write> {
    tar: tar::Builder<W>,
    sums: String,
    seconds: u64,
}

impl Contents {
    /// A copy of `counts.db` for [`write`]; `None` without one. Its name is already removed, so the file goes when it
    /// is closed.
    ///
    /// # Errors
    /// There is no room for it, or `counts.db` cannot be read.
    pub fn copy_counts(&self) -> Result<Option<File>, Fault> {
        let name = format!("counts.{}-{}{}", std::process::id(), clock::monotonic_us(), names::COPY);
        let copy = self.state.join(name);
        let copied = copy_counts(&self.state, &copy, self.pictures)
            .map_err(Fault::from)
            .map_err(|fault| Fault { what: format!("the counts could not be copied: {fault}"), ..fault });
        if !copied? {
            return Ok(None);
        }
        let opened = File::open(&copy).map_err(file_error(&copy));
        let _ = fs::remove_file(&copy);
        opened.map(Some)
    }
}

/// Writes an archive to `out`, with the copy of `counts.db` that [`Contents::copy_counts`] made.
///
/// # Errors
/// A file cannot be read, or `out` fails. The written part is not a valid backup then.
pub fn write(
    contents: &Contents,
    counts: Option<File>,
    media: Option<&mut MediaCopy>,
    out: impl Write,
) -> Result<(), Fault> {
    let state = contents.state.as_path();
    let now_us = clock::wall_us();
    let mut pack = Pack { tar: tar::Builder::new(out), sums: String::new(), seconds: now_us / 1_000_000 };
    let head = ArchiveHeader {
        format: FORMAT,
        version: VERSION.to_owned(),
        made: clock::rfc3339(now_us),
        name: contents.name.clone(),
        media: media.is_some(),
    };
    let head = serde_json::to_vec_pretty(&head)
        .map_err(|error| system_error(format_args!("`{}`", names::HEAD), &error))?;
    pack.bytes(names::HEAD, &head)?;
    if let Some(config) = contents.config.as_ref().and_then(|file| fs::read(file).ok()) {
        pack.bytes(names::CONFIG, &config)?;
    }
    pack.bytes(names::SETTINGS, contents.settings.as_bytes())?;
    let users = access::read_for_backup(state).map_err(|why| system_error("no backup was made", &why))?;
    if let Some(users) = users {
        pack.bytes(names::ACCESS, &users)?;
    }
    if let Some(mut counts) = counts {
        let len = counts.metadata().map_err(file_error(state))?.len();
        pack.append_file(names::COUNTS, len, &mut counts)?;
    }
    for (name, file) in models(&state.join(names::MODELS)) {
        let mut model = File::open(&file).map_err(file_error(&file))?;
        let len = model.metadata().map_err(file_error(&file))?.len();
        pack.append_file(&format!("{}/{name}", names::MODELS), len, &mut model)?;
    }
    if let Some(media) = media {
        pack.append_file(names::MEDIA, media.len(), media)?;
    }
    let sums = std::mem::take(&mut pack.sums);
    pack.bytes(names::SUMS, sums.as_bytes())?;
    let out = pack.tar.into_inner();
    out.and_then(|mut out| out.flush())
        .map_err(|error| system_error("the backup could not be written", &error))
}

impl<W: Write> Pack<W> {
    fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.append_file(name, bytes.len() as u64, &mut &bytes[..])
    }

    fn append_file(&mut self, name: &str, len: u64, from: &mut dyn Read) -> Result<(), Fault> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(len);
        header.set_mode(0o600);
        header.set_mtime(self.seconds);
        let failed = |error: io::Error| {
            system_error(format_args!("{name} could not be written into the backup"), &error)
        };
        let mut from = Summed { from: from.take(len), sum: Context::new(&SHA256), len: 0 };
        self.tar.append_data(&mut header, name, &mut from).map_err(failed)?;
        if from.len != len {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        self.sums += &format!("{}  {name}\n", hex(from.sum.finish().as_ref()));
        Ok(())
    }
}

/// Reads from `from`, and hashes and counts the bytes.
pub(super) struct Summed<R> {
    pub from: R,
    pub sum: Context,
    pub len: u64,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.from.read(into)?;
        self.sum.update(&into[..got]);
        self.len += got as u64;
        Ok(got)
    }
}

/// Names and paths of the added models, sorted by name.
fn models(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let named = files.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    let mut found: Vec<_> = named.filter(|(name, _)| is_model(name)).collect();
    found.sort();
    found
}

/// Whether a file of the models folder may have this name.
pub(super) fn is_model(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-+ ".contains(c);
    let ends = name.ends_with(".onnx") || name.ends_with(".toml");
    ends && name.len() <= 80 && !name.starts_with('.') && name.chars().all(is_plain)
}
