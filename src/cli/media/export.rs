//! `tallycam media export`: writes an item to a file.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;

use super::{bytes as amount, find_stored_item, reader, store_failure};
use crate::cli::common::atomic_file::{already_exists, write_atomically, write_failure};
use crate::cli::common::terminal::{Of, Progress};
use crate::cli::{ConfigArgs, Failure, print_stdout};
use crate::pipeline::video::{NotMade, VideoEncoders, VideoRequest};
use tallycam_base::{Fault, FaultKind, block_on};
use tallycam_camera::media::film::{FilmFormat, FilmReadError, empty_film};
use tallycam_camera::media::zip::joined;
use tallycam_store::media::{
    CutFootage, Item, MediaError, MediaKind, MediaReader, StoredFootage, clip, film,
};

/// Bytes that are written at once.
const PIECE: usize = 1 << 20;

/// Write an item to a file.
///
/// A snapshot is a JPEG. The ending of FILE or --as selects the format of a recording. MP4 is H.264, which browsers
/// and phones play; ffmpeg makes it. AVI and MOV have every frame as recorded (Motion JPEG), at its own time; mjpeg has
/// the frames one after the other; jpg is the first frame.
#[derive(Debug, Args)]
pub struct MediaExportArgs {
    /// Its number or its name; id:7 and name:7 say which
    #[arg(value_name = "ITEM")]
    item: String,
    /// Output file; - is standard output; default: a file with the item's name here
    #[arg(value_name = "FILE")]
    to: Option<PathBuf>,
    /// Output format; default for a recording: mp4 if there is ffmpeg, else avi
    #[arg(long = "as", value_name = "FORMAT", value_parser = ["mp4", "avi", "mov", "mjpeg", "jpg"])]
    format: Option<String>,
    /// Overwrite FILE
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExportFormat {
    /// H.264 in MP4.
    Video,
    Film(FilmFormat),
    Jpeg,
}

impl ExportFormat {
    fn parse(word: &str) -> Option<ExportFormat> {
        match word.to_ascii_lowercase().as_str() {
            "mp4" => Some(ExportFormat::Video),
            "mov" => Some(ExportFormat::Film(FilmFormat::Mov)),
            "avi" => Some(ExportFormat::Film(FilmFormat::Avi)),
            "mjpeg" | "mjpg" => Some(ExportFormat::Film(FilmFormat::Mjpeg)),
            "jpg" | "jpeg" => Some(ExportFormat::Jpeg),
            _ => None,
        }
    }

    fn from_path(path: &Path) -> Option<ExportFormat> {
        ExportFormat::parse(path.extension()?.to_str()?)
    }

    fn extension(self) -> &'static str {
        match self {
            ExportFormat::Video => "mp4",
            ExportFormat::Film(film) => film.as_str(),
            ExportFormat::Jpeg => "jpg",
        }
    }
}

impl MediaExportArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        let reader = reader(&config)?;
        let item = find_stored_item(&reader, &self.item)?;
        let is_stdout = self.to.as_deref() == Some(Path::new("-"));
        let format = self.format(&item, is_stdout)?;
        let to = match &self.to {
            _ if is_stdout => None,
            Some(to) if to.is_dir() => Some(to.join(export_name(&item.name, format))),
            Some(to) => Some(to.clone()),
            None => Some(PathBuf::from(export_name(&item.name, format))),
        };
        let Some(to) = to else {
            let mut out = io::stdout().lock();
            if out.is_terminal() {
                return Err(Failure::usage("images are not written to a terminal")
                    .hint(format!("name a file: tallycam media export {} FILE", item.id)));
            }
            write(&reader, &item, format, &mut out, Failure::Output)?;
            return out.flush().map_err(Failure::Output);
        };
        if !self.force && to.exists() {
            return Err(already_exists(&to));
        }
        let len = write_atomically(&to, self.force, |part, _| {
            write(&reader, &item, format, part, |error| write_failure(&to, &error))
        })?;
        print_stdout(&format!("{}: {}\n", to.display(), amount(len)))
    }

    /// The format of --as, else of the file's ending, else JPEG for a snapshot, and the default for a recording.
    fn format(&self, item: &Item, is_stdout: bool) -> Result<ExportFormat, Failure> {
        let asked = self.format.as_deref().and_then(ExportFormat::parse);
        let named =
            || self.to.as_deref().filter(|to| !is_stdout && !to.is_dir()).and_then(ExportFormat::from_path);
        let usual = || match item.kind {
            MediaKind::Snapshot => ExportFormat::Jpeg,
            MediaKind::Recording if VideoEncoders::find().is_some() => ExportFormat::Video,
            MediaKind::Recording => ExportFormat::Film(FilmFormat::Avi),
        };
        let format = asked.or_else(named).unwrap_or_else(usual);
        if item.kind == MediaKind::Snapshot && format != ExportFormat::Jpeg {
            return Err(Failure::usage(format!(
                "{:?} is a snapshot, and cannot be written as {}",
                item.name,
                format.extension()
            ))
            .hint("call the file something.jpg"));
        }
        Ok(format)
    }
}

/// The item's name with the ending of the format, cut to the length of a file name. It is never a path: a name has no
/// `/` and is no `..`.
fn export_name(name: &str, format: ExportFormat) -> String {
    let ending = format!(".{}", format.extension());
    let (stem, own) = name.split_at(name.rfind('.').unwrap_or(name.len()));
    match ExportFormat::from_path(Path::new(name)) {
        Some(is) if is == format => joined(stem, own),
        Some(_) => joined(stem, &ending),
        None => joined(name, &ending),
    }
}

/// Writes the item. Returns the number of bytes.
fn write(
    reader: &MediaReader,
    item: &Item,
    format: ExportFormat,
    out: &mut impl Write,
    not_taken: impl Fn(io::Error) -> Failure,
) -> Result<u64, Failure> {
    let format = match (item.kind, format) {
        (MediaKind::Recording, ExportFormat::Film(format)) => format,
        (MediaKind::Recording, ExportFormat::Video) => return write_video(reader, item, out, not_taken),
        (MediaKind::Snapshot, _) => {
            let jpeg = reader.snapshot(item.id).map_err(store_failure)?;
            out.write_all(&jpeg).map_err(not_taken)?;
            return Ok(jpeg.len() as u64);
        }
        (MediaKind::Recording, ExportFormat::Jpeg) => {
            let jpeg = first_picture(reader, item)?;
            out.write_all(&jpeg).map_err(not_taken)?;
            return Ok(jpeg.len() as u64);
        }
    };
    let chunks = reader.chunks(item.id).map_err(store_failure)?;
    let film = film(item, &chunks, format).map_err(|error| film_failure(item, error))?;
    let mut footage = StoredFootage { reader, id: item.id };
    let mut at = 0;
    let progress = Progress::new(&item.name, Of::Bytes(film.len()));
    while at < film.len() {
        let piece = film.read(at, PIECE, &mut footage).map_err(|error| unreadable(item, error))?;
        out.write_all(&piece).map_err(&not_taken)?;
        at += piece.len() as u64;
        progress.set(at);
    }
    Ok(at)
}

/// Writes the recording as H.264 in MP4. Returns the number of bytes.
fn write_video(
    reader: &MediaReader,
    item: &Item,
    out: &mut impl Write,
    not_taken: impl Fn(io::Error) -> Failure,
) -> Result<u64, Failure> {
    let rows = reader.chunks(item.id).map_err(store_failure)?;
    let film = clip(reader, item, &rows, (0, u64::MAX), FilmFormat::Mov).map_err(store_failure)?;
    let (film, cut, began_us) = film.map_err(|error| film_failure(item, error))?;
    let encoder = VideoEncoders::find().and_then(|encoders| encoders.best(film.size())).ok_or_else(|| {
        Failure::failed("there is no ffmpeg here that makes H.264").hint(
            "install it (sudo apt install ffmpeg), or call the file something.avi: Motion JPEG, as recorded",
        )
    })?;
    let mut footage = CutFootage { whole: StoredFootage { reader, id: item.id }, cut };
    let progress = Progress::new(&item.name, Of::Frames(film.frames()));
    let mut written = 0;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(Failure::Output)?;
    let made = block_on(&runtime, async {
        let read = async |at| film.read(at, PIECE, &mut footage).map_err(|error| unreadable(item, error));
        let take = async |piece: Bytes, pictures| {
            out.write_all(&piece).map_err(&not_taken)?;
            written += piece.len() as u64;
            progress.set(pictures);
            Ok(())
        };
        VideoRequest::of(encoder, &film).start()?.convert(&film, began_us, read, take).await
    });
    match made {
        Ok(()) => Ok(written),
        Err(NotMade::Ended(failure)) => Err(failure),
        Err(NotMade::Failed(reason)) => Err(Failure::failed(format!("{:?}: {reason}", item.name))),
    }
}

fn unreadable(item: &Item, error: FilmReadError<MediaError>) -> Failure {
    match error {
        FilmReadError::Footage(error) => store_failure(error),
        odd @ FilmReadError::Odd(_) => {
            Failure::io(format!("{:?}: {odd}", item.name)).hint("`tallycam media check` says more")
        }
    }
}

fn film_failure(item: &Item, fault: Fault) -> Failure {
    let is_too_long = fault.kind == FaultKind::Wrong;
    let hint = is_too_long.then(|| String::from("--as mjpeg has no limit"));
    Failure::Failed { message: format!("{:?}: {fault}", item.name), hint }
}

fn first_picture(reader: &MediaReader, item: &Item) -> Result<Bytes, Failure> {
    let Some(chunk) = reader.chunk_at(item.id, 0).map_err(store_failure)? else {
        return Err(film_failure(item, empty_film()));
    };
    let frames = reader.frames(item.id, chunk.number).map_err(store_failure)?;
    let first = frames.first().ok_or_else(|| film_failure(item, empty_film()))?;
    reader.bytes(item.id, chunk.number, first.offset, first.len).map_err(store_failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_the_name_of_its_item() {
        let film = ExportFormat::Video;
        let long = "\u{1F600}".repeat(196);
        for (name, format, want) in [
            ("door.jpg", ExportFormat::Jpeg, String::from("door.jpg")),
            ("door.JPEG", ExportFormat::Jpeg, String::from("door.JPEG")),
            ("door.jpg", film, String::from("door.mp4")),
            ("v1.2", film, String::from("v1.2.mp4")),
            (".jpg", ExportFormat::Jpeg, String::from(".jpg.jpg")),
            (&format!("{long}.JPG"), ExportFormat::Jpeg, "\u{1F600}".repeat(62) + ".JPG"),
            (&format!("{long}.jpg"), film, "\u{1F600}".repeat(62) + ".mp4"),
            (&long, film, "\u{1F600}".repeat(62) + ".mp4"),
        ] {
            assert_eq!(export_name(name, format), want, "{name}");
        }
    }
}
