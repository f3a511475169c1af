//! Items as the service reports them, and the database file for commands that need no service.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::cli::common::daemon::{Daemon, RequestBody, WORKS_WITHIN};
use crate::cli::{ConfigArgs, Failure};
use crate::daemon::counting::state_directory;
use crate::daemon::recording::media_settings;
use crate::http::time_param;
use crate::maintenance::backup::MediaCopy;
use tallycam_base::unicode::percent_encoded;
use tallycam_base::{Worker, block_on};
use tallycam_config::Config;
use tallycam_store::media::{Item, Media, MediaError, MediaReader, MediaSettings, RetentionRules};

/// An item in the API's form.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::cli::media) struct MediaItem {
    pub(in crate::cli::media) id: u64,
    pub(in crate::cli::media) name: String,
    pub(in crate::cli::media) kind: String,
    pub(in crate::cli::media) date: String,
    pub(in crate::cli::media) time: String,
    pub(in crate::cli::media) time_sure: bool,
    pub(in crate::cli::media) added: String,
    pub(in crate::cli::media) width: u32,
    pub(in crate::cli::media) height: u32,
    pub(in crate::cli::media) duration: f64,
    pub(in crate::cli::media) frames: u64,
    pub(in crate::cli::media) gaps: u64,
    pub(in crate::cli::media) bytes: u64,
    pub(in crate::cli::media) camera: String,
    pub(in crate::cli::media) source: String,
    pub(in crate::cli::media) origin: String,
    pub(in crate::cli::media) note: String,
    pub(in crate::cli::media) kept: bool,
    pub(in crate::cli::media) open: bool,
    pub(in crate::cli::media) version: u64,
}

impl MediaItem {
    pub(in crate::cli::media) fn is_recording(&self) -> bool {
        self.kind == "recording"
    }

    /// The length as a player shows it.
    pub(in crate::cli::media) fn length(&self) -> String {
        format_duration((self.duration * 1e6).round() as u64)
    }
}

/// A time of the API as local time.
pub(in crate::cli) fn local_time(time: &str, zone: &TimeZone) -> String {
    let us = time.parse::<Timestamp>().map_or(0, |time| time.as_microsecond());
    time_param::local(u64::try_from(us).unwrap_or_default(), zone)
}

/// A page of items.
#[derive(Debug, Deserialize)]
pub(in crate::cli::media) struct ListedItems {
    pub(in crate::cli::media) items: Vec<MediaItem>,
    pub(in crate::cli::media) next: Option<String>,
}

/// The service, which has the items.
///
/// # Errors
/// No service runs here.
pub(in crate::cli::media) fn require_service(given: &ConfigArgs) -> Result<Daemon, Failure> {
    Ok(Daemon::require_own(&given.load()?.config, "this")?.with_timeout(WORKS_WITHIN))
}

/// A page of the items that match `query`.
pub(in crate::cli::media) fn list_items(
    daemon: &Daemon,
    query: &[(&str, String)],
) -> Result<ListedItems, Failure> {
    let pairs = query.iter().map(|(key, value)| format!("{key}={}", percent_encoded(value)));
    let path = format!("/api/v1/media?{}", pairs.collect::<Vec<_>>().join("&"));
    daemon.request("GET", &path, RequestBody::Nothing)?.expect_valid("nothing is listed")?.read()
}

/// The item of exactly this name.
pub(in crate::cli::media) fn item_of_name(daemon: &Daemon, name: &str) -> Result<Option<MediaItem>, Failure> {
    let mut query = vec![("q", name.to_owned()), ("limit", String::from("1000"))];
    while !name.is_empty() {
        let page = list_items(daemon, &query)?;
        let found = page.items.into_iter().find(|item| item.name == name);
        query.truncate(2);
        match (found, page.next) {
            (None, Some(next)) => query.push(("cursor", next)),
            (found, _) => return Ok(found),
        }
    }
    Ok(None)
}

/// The item that `wanted` names, from the service.
///
/// # Errors
/// As [`named`].
pub(in crate::cli::media) fn find_item(daemon: &Daemon, wanted: &str) -> Result<MediaItem, Failure> {
    let by_number = |id: u64| {
        let answer = daemon.request("GET", &format!("/api/v1/media/{id}"), RequestBody::Nothing)?;
        if answer.status() == 404 { Ok(None) } else { answer.expect_success("it was not found")?.read() }
    };
    named(wanted, by_number, |name| item_of_name(daemon, name), |item| (item.id, &item.name))
}

/// The item that `wanted` names, from the file.
///
/// # Errors
/// As [`named`].
pub fn find_stored_item(reader: &MediaReader, wanted: &str) -> Result<Item, Failure> {
    let known = |item| match item {
        Ok(item) => Ok(Some(item)),
        Err(MediaError::Unknown(_)) => Ok(None),
        Err(error) => Err(store_failure(error)),
    };
    let (by_number, by_name) = (|id| known(reader.item(id)), |name: &str| known(reader.by_name(name)));
    named(wanted, by_number, by_name, |item| (item.id, &item.name))
}

/// The item of this number or of exactly this name; `id:7` and `name:7` decide between them.
///
/// # Errors
/// No item matches, or the number of one item is the name of another.
fn named<T>(
    wanted: &str,
    by_number: impl Fn(u64) -> Result<Option<T>, Failure>,
    by_name: impl Fn(&str) -> Result<Option<T>, Failure>,
    of: impl Fn(&T) -> (u64, &String),
) -> Result<T, Failure> {
    let numbered = |number: &str| number.parse().map_or(Ok(None), &by_number);
    let found = match wanted.split_once(':') {
        Some(("id", number)) => numbered(number)?,
        Some(("name", name)) => by_name(name)?,
        _ => match (numbered(wanted)?, by_name(wanted)?) {
            // A guess could remove the wrong item.
            (Some(numbered), Some(named)) if of(&numbered).0 != of(&named).0 => {
                let (name, id) = (of(&numbered).1, of(&named).0);
                let message = format!("{wanted:?} is the number of {name:?} and the name of item {id}");
                return Err(Failure::usage(message).hint(format!("say which: id:{wanted} or name:{wanted}")));
            }
            (numbered, named) => numbered.or(named),
        },
    };
    found.ok_or_else(|| {
        Failure::failed(format!("there is no item {wanted:?}")).hint("`tallycam media list` shows all items")
    })
}

/// The database file.
pub(in crate::cli::media) fn file(config: &Config) -> PathBuf {
    state_directory(config).join("media.db")
}

/// Opens the store for reading.
///
/// # Errors
/// The store does not exist yet or cannot be read.
pub fn reader(config: &Config) -> Result<MediaReader, Failure> {
    let file = file(config);
    // One that this user may not see is reported when it is opened.
    if matches!(file.try_exists(), Ok(false)) {
        return Err(Failure::io(format!("{}: nothing is stored yet", file.display()))
            .hint("`tallycam serve` creates it, in [store] directory"));
    }
    MediaReader::open(&file).map_err(store_failure)
}

/// The failure for an error of the store.
pub fn store_failure(error: MediaError) -> Failure {
    let (message, hint) = (error.to_string(), error.hint().map(str::to_owned));
    match error {
        MediaError::File { .. } | MediaError::Full | MediaError::Locked { .. } => {
            Failure::Io { message, hint }
        }
        MediaError::Wrong(_) => Failure::Usage { message, hint },
        MediaError::Busy
        | MediaError::BackingUp
        | MediaError::Unknown(_)
        | MediaError::SameName(_)
        | MediaError::Changed { .. }
        | MediaError::Open(_) => Failure::Failed { message, hint },
    }
}

/// A copy of a store that no service has open.
pub struct OwnCopy {
    /// The source of the bytes.
    pub copy: MediaCopy,
    media: Media,
    /// Joined when the store has been told to stop.
    _worker: Worker,
}

impl OwnCopy {
    /// Starts a copy; `None` if there is no store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(config: &Config) -> Result<Option<OwnCopy>, Failure> {
        if !file(config).exists() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| Failure::failed(error.to_string()))?;
        // Only the service applies retention: a command deletes nothing.
        let settings = MediaSettings { retention: RetentionRules::default(), ..media_settings(config) };
        let (media, worker) = Media::open(settings).map_err(store_failure)?;
        match block_on(&runtime, media.backup()) {
            Ok(backup) => Ok(Some(OwnCopy { copy: MediaCopy::new(backup), media, _worker: worker })),
            Err(error) => {
                media.stop();
                Err(store_failure(error))
            }
        }
    }
}

impl Drop for OwnCopy {
    fn drop(&mut self) {
        self.media.stop();
    }
}

/// Bytes for people: `412 B`, `3.2 MB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut amount, mut unit) = (bytes as f64 / 1e3, 0);
    // An amount that would round to 1000 moves to the next unit.
    while amount >= 999.95 && unit + 1 < UNITS.len() {
        (amount, unit) = (amount / 1e3, unit + 1);
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// A duration as a player shows it: `0:07`, `1:02:03`.
pub fn format_duration(duration_us: u64) -> String {
    let seconds = (duration_us + 500_000) / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// As in `1 item`, `3 items`.
pub fn format_count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
