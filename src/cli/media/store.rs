//! The store of pictures, for the commands that read and change it: by the daemon that has it, else here.

use crate::base::{Worker, block_on};
use crate::cli::Failure;
use crate::cli::common::daemon::Daemon;
use crate::config::Config;
use crate::daemon::counting::state_directory;
use crate::daemon::recording::media_settings;
use crate::maintenance::backup::MediaCopy;
use crate::store::media::{Item, Media, MediaError, MediaReader, MediaSettings, RetentionRules};
use std::path::PathBuf;

/// Where everything is kept.
pub(in crate::cli::media) fn file(config: &Config) -> PathBuf {
    state_directory(config).join("media.db")
}

/// The store, to look at.
///
/// # Errors
/// There is none yet, or it cannot be read.
pub fn reader(config: &Config) -> Result<MediaReader, Failure> {
    let file = file(config);
    if !file.exists() {
        return Err(Failure::io(format!("{}: nothing is stored yet", file.display()))
            .hint("`tallycam serve` creates it, in [store] directory"));
    }
    MediaReader::open(&file).map_err(store_failure)
}

/// The item of this number, or of exactly this name; `id:7` and `name:7` say which is meant.
///
/// # Errors
/// There is none, or it is one's number and another's name.
pub fn find_item(reader: &MediaReader, wanted: &str) -> Result<Item, Failure> {
    let by_number = |number: &str| match number.parse() {
        Ok(id) => reader.item(id),
        Err(_) => Err(MediaError::Unknown(String::from(number))),
    };
    let found = match wanted.split_once(':') {
        Some(("id", number)) => by_number(number),
        Some(("name", name)) => reader.by_name(name),
        _ => match (by_number(wanted), reader.by_name(wanted)) {
            // A guess would have another one removed than was meant.
            (Ok(numbered), Ok(named)) if numbered.id != named.id => {
                return Err(Failure::usage(format!(
                    "{wanted:?} is the number of {:?} and the name of item {}",
                    numbered.name, named.id
                ))
                .hint(format!("say which: id:{wanted} or name:{wanted}")));
            }
            // A name may be a number.
            (Err(MediaError::Unknown(_)), named) => named,
            (numbered, _) => numbered,
        },
    };
    found.map_err(|error| match error {
        MediaError::Unknown(_) => Failure::failed(format!("there is no item {wanted:?}"))
            .hint("`tallycam media list` shows all items"),
        error => store_failure(error),
    })
}

/// What went wrong with the store.
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

/// The store, to be changed: by us, or by the daemon that has it.
pub(in crate::cli::media) enum Store {
    Own(LocalStore),
    Daemon(Daemon),
}

/// The store, opened here; closed when dropped.
pub(in crate::cli::media) struct LocalStore {
    pub(in crate::cli::media) media: Media,
    pub(in crate::cli::media) runtime: tokio::runtime::Runtime,
    /// Joined after the store was told to end.
    pub(in crate::cli::media) worker: Option<Worker>,
}

impl Store {
    /// Opens it, or finds who has it.
    ///
    /// # Errors
    /// It cannot be used, or another tallycam has it that does not answer.
    pub(in crate::cli::media) fn open(config: &Config) -> Result<Store, Failure> {
        match open(config) {
            Ok((media, worker)) => LocalStore::new(media, worker).map(Store::Own),
            Err(MediaError::Locked { .. }) => require_store_daemon(config).map(Store::Daemon),
            Err(error) => Err(store_failure(error)),
        }
    }
}

/// Opens the store here. Retention is the daemon's: a command removes nothing but what it is told to.
pub(in crate::cli::media) fn open(config: &Config) -> Result<(Media, Worker), MediaError> {
    Media::open(MediaSettings { retention: RetentionRules::default(), ..media_settings(config) })
}

/// The daemon that has the store.
///
/// # Errors
/// None answers.
pub(in crate::cli::media) fn require_store_daemon(config: &Config) -> Result<Daemon, Failure> {
    Daemon::find(config).ok_or_else(|| {
        Failure::failed(format!(
            "another tallycam uses the database in {}, and does not answer",
            state_directory(config).display()
        ))
        .hint("wait until that command is done; if it is a service, give its configuration: --config FILE")
    })
}

impl LocalStore {
    /// The store that was opened.
    pub(in crate::cli::media) fn new(media: Media, worker: Worker) -> Result<LocalStore, Failure> {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => Ok(LocalStore { media, runtime, worker: Some(worker) }),
            Err(error) => {
                media.stop();
                Err(Failure::failed(error.to_string()))
            }
        }
    }

    /// Waits for what the store does.
    pub(in crate::cli::media) fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, MediaError>>,
    ) -> Result<T, Failure> {
        block_on(&self.runtime, work).map_err(store_failure)
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        self.media.stop();
        drop(self.worker.take());
    }
}

/// A copy of the store as it comes, where no daemon has it.
pub struct OwnCopy {
    /// What is to be read.
    pub copy: MediaCopy,
    /// Kept until that is done.
    pub(in crate::cli::media) _own: LocalStore,
}

impl OwnCopy {
    /// Begins one; `None`: there is no store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(config: &Config) -> Result<Option<OwnCopy>, Failure> {
        if !file(config).exists() {
            return Ok(None);
        }
        let (media, worker) = open(config).map_err(store_failure)?;
        let own = LocalStore::new(media, worker)?;
        let copy = MediaCopy::new(own.wait(own.media.backup())?);
        Ok(Some(OwnCopy { copy, _own: own }))
    }
}

/// Nothing is added where no picture is to be kept.
pub(in crate::cli::media) fn check_storing_allowed(config: &Config) -> Result<(), Failure> {
    if !config.privacy.counts_only {
        return Ok(());
    }
    Err(Failure::failed("no snapshot is stored: privacy mode is on")
        .hint("set [privacy] counts_only = false to store images"))
}

/// Bytes as people read them: `412 B`, `3.2 MB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut amount, mut unit) = (bytes as f64 / 1e3, 0);
    // What would be rounded up to a thousand is one of the next.
    while amount >= 999.95 && unit + 1 < UNITS.len() {
        (amount, unit) = (amount / 1e3, unit + 1);
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// A time as a player shows it: `0:07`, `1:02:03`.
pub fn format_duration(duration_us: u64) -> String {
    let seconds = (duration_us + 500_000) / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `1 item`, `3 items`.
pub fn format_count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
