//! From the configuration to recording: the place of media.db, how recordings are made, and retention.

use std::time::{Duration, Instant};

use super::counting::{ON_TRIAL, state_directory, store_settings};
use crate::maintenance::update::is_on_trial;
use crate::pipeline::{Pipeline, RecorderHandle, RecorderSettings};
use tallycam_base::{Fault, Worker};
use tallycam_config::{Config, Resolved};
use tallycam_store::Counts;
use tallycam_store::backup::are_media_older;
use tallycam_store::media::{Media, MediaError, MediaSettings, RetentionRules};

/// Wait at the start for a store that another process has open, as most commands do for a moment. Nobody is served
/// meanwhile.
const LOCKED_WITHIN: Duration = Duration::from_secs(5);

/// Interval between attempts.
const AGAIN: Duration = Duration::from_millis(50);

/// Interval between attempts while the daemon serves without the store.
pub const LATER: Duration = Duration::from_secs(2);

/// The running recorder, with everything that must be ended in order.
#[derive(Debug)]
pub struct RunningRecorder {
    pub recorder: RecorderHandle,
    /// The thread `record`.
    pub worker: Worker,
    /// The store and the thread that writes it, if it could be opened.
    pub store: Option<(Media, Worker)>,
    /// True if the store could not be opened at the start and is tried again.
    pub is_waiting: bool,
}

impl RunningRecorder {
    /// The threads that recording needs.
    pub fn threads(&self) -> impl Iterator<Item = &Worker> {
        std::iter::once(&self.worker).chain(self.store.as_ref().map(|(_, writer)| writer))
    }

    /// The threads for the watchdog. The store's thread is left out, because it waits for the disk.
    pub fn watched_workers(&self) -> impl Iterator<Item = &Worker> {
        std::iter::once(&self.worker)
    }

    /// Uses a store that was opened late.
    pub fn attach_store(&mut self, (media, writer): (Media, Worker)) {
        log::info!("media.db is open now: recording and snapshots work");
        self.recorder.attach_store(media.clone());
        self.store = Some((media, writer));
        self.is_waiting = false;
    }

    /// Tells every thread to end, after a failed start.
    pub fn request_stop(&self) {
        self.recorder.stop();
        if let Some((media, _)) = &self.store {
            media.stop();
        }
    }
}

/// The store and its thread, or the reason why there is none.
pub type Store = Result<(Media, Worker), MediaError>;

/// Opens the store. May take a while: it repairs the damage of a power cut, and waits for a command that has the
/// store open.
pub fn open_store(config: &Config, pinned: &[String]) -> Store {
    let (media, writer) = retry_while_locked(LOCKED_WITHIN, || open(config, is_on_trial()))?;
    apply_saved_rules(&media, pinned);
    Ok((media, writer))
}

/// Opens the store, unless `is_on_trial` and this version would upgrade it.
fn open(config: &Config, is_on_trial: bool) -> Store {
    let settings = media_settings(config);
    if is_on_trial && are_media_older(&settings.directory) {
        let (file, hint) = (settings.directory, Some(String::from("wait a minute")));
        return Err(MediaError::File { file, reason: String::from(ON_TRIAL), hint });
    }
    Media::open(settings)
}

/// As [`open_store`] without waiting, for a daemon that serves already. Gives no store while another tallycam has it.
pub fn open_store_in_background(config: &Config, pinned: &[String]) -> Late {
    let opened = match open(config, is_on_trial()) {
        Err(MediaError::Locked { .. }) => return Late(None),
        opened => opened,
    };
    if let Ok((media, _)) = &opened {
        apply_saved_rules(media, pinned);
    }
    Late(Some(opened))
}

/// A store that was opened late. If nobody takes it, as when the daemon ends meanwhile, it is closed: its thread
/// would never end, and dropping the worker would wait for it.
#[derive(Debug)]
pub struct Late(Option<Store>);

impl Late {
    /// The store, or `None` if another tallycam has it.
    pub fn into_store(mut self) -> Option<Store> {
        self.0.take()
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if let Some(store) = self.0.take() {
            close(store);
        }
    }
}

/// Calls `open` again while another tallycam has the store, for at most `patience`.
fn retry_while_locked<T>(
    patience: Duration,
    mut open: impl FnMut() -> Result<T, MediaError>,
) -> Result<T, MediaError> {
    let began = Instant::now();
    let mut is_told = false;
    loop {
        match open() {
            Err(error @ MediaError::Locked { .. }) if began.elapsed() < patience => {
                if !std::mem::replace(&mut is_told, true) {
                    log::warn!("{error}; trying again for {} s", patience.as_secs());
                }
                std::thread::sleep(AGAIN);
            }
            opened => return opened,
        }
    }
}

/// Applies rules of the page where the operator has set none.
pub fn apply_saved_rules(media: &Media, pinned: &[String]) {
    if let Err(error) = media.apply_saved_retention(pinned) {
        log::error!("rules of what is kept how long that were made on the page are not in force: {error}");
    }
}

/// The keys of `[retention]` that the operator has set, in the file or elsewhere.
pub fn pinned_keys(resolved: &Resolved) -> Vec<String> {
    let set = resolved.settings.iter().filter(|setting| setting.origin.is_operators());
    set.filter_map(|setting| setting.path.strip_prefix("retention.").map(str::to_owned)).collect()
}

/// Closes a store that was not written to.
pub fn close(store: Store) {
    if let Ok((media, writer)) = store {
        media.stop();
        drop(writer);
    }
}

/// Starts the recorder. Without a store it runs all the same and reports why nothing is stored.
///
/// # Errors
/// The thread could not be started; then the store is closed.
pub fn start(
    config: &Config,
    pipeline: &Pipeline,
    store: Store,
    counts: Option<Counts>,
) -> Result<RunningRecorder, Fault> {
    let is_waiting = store.is_err();
    let (media, store) = match store {
        Ok((media, writer)) => (Ok(media.clone()), Some((media, writer))),
        Err(error) => {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            log::error!("no pictures are kept: {error}{hint}; it is tried again");
            (Err(error), None)
        }
    };
    match RecorderHandle::start(pipeline, media, counts, settings(config)) {
        Ok((recorder, worker)) => Ok(RunningRecorder { recorder, worker, store, is_waiting }),
        Err(error) => {
            if let Some((media, writer)) = store {
                close(Ok((media, writer)));
            }
            Err(error)
        }
    }
}

/// The recorder's part of the configuration.
pub fn settings(config: &Config) -> RecorderSettings {
    let record = &config.record;
    RecorderSettings {
        name: config.name.clone(),
        zone: store_settings(config).zone,
        warm_up: config.snapshot.warm_up,
        max_duration: record.max_duration,
        max_bytes: record.max_size,
        fps: record.fps,
        pre_roll: record.pre_roll,
        on_crossing: record.on_crossing.clone(),
        after_crossing: record.after_crossing,
        counts_only: config.privacy.counts_only,
        ..RecorderSettings::default()
    }
}

/// The store's part of the configuration.
pub fn media_settings(config: &Config) -> MediaSettings {
    MediaSettings {
        directory: state_directory(config),
        camera: config.name.clone(),
        zone: store_settings(config).zone,
        retention: retention(config),
    }
}

/// The retention rules of the configuration.
pub fn retention(config: &Config) -> RetentionRules {
    let rules = &config.retention;
    RetentionRules {
        snapshots_age: rules.snapshots_age,
        snapshots_bytes: rules.snapshots_size,
        recordings_age: rules.recordings_age,
        recordings_bytes: rules.recordings_size,
        min_free: (rules.min_free > 0).then_some(rules.min_free),
    }
}

/// The rest of `budget` after `gone`, at most `limit`.
pub(in crate::daemon) fn remaining(budget: Duration, gone: Duration, limit: Duration) -> Duration {
    limit.min(budget.saturating_sub(gone))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;

    #[test]
    fn the_parts_defaults_are_those_of_the_configuration() {
        assert_eq!(settings(&Config::default()), RecorderSettings::default());
        let rules = retention(&Config::default());
        assert_eq!(rules, RetentionRules { min_free: Some(500_000_000), ..RetentionRules::default() });
    }

    #[test]
    fn every_rule_of_the_file_is_one_of_the_store() {
        let mut config = Config::default();
        config.retention.snapshots_age = Some(Duration::from_secs(1));
        config.retention.snapshots_size = Some(2);
        config.retention.recordings_age = Some(Duration::from_secs(3));
        config.retention.recordings_size = Some(4);
        config.retention.min_free = 0;
        let rules = RetentionRules {
            snapshots_age: Some(Duration::from_secs(1)),
            snapshots_bytes: Some(2),
            recordings_age: Some(Duration::from_secs(3)),
            recordings_bytes: Some(4),
            min_free: None,
        };
        assert_eq!(retention(&config), rules);
    }

    #[test]
    fn zero_free_space_needs_no_unit() {
        for none in ["0", "\"0\"", "\"0B\""] {
            let file = format!("[retention]\nmin_free = {none}\nrecordings_size = \"1GB\"\n");
            let resolved = Config::from_text(Path::new("config.toml"), &file, &[], []).unwrap();
            assert_eq!(retention(&resolved.config).min_free, None, "{none}");
        }
        let without = Config::from_text(Path::new("config.toml"), "[retention]\nmin_free = 5\n", &[], []);
        assert!(without.is_err(), "5 of what?");
    }

    #[test]
    fn rules_of_the_operator_are_pinned() {
        let file = "[retention]\nrecordings_age = \"30d\"\nmin_free = \"1 GB\"\n";
        let resolved = Config::from_text(Path::new("config.toml"), file, &[], []).unwrap();
        assert_eq!(pinned_keys(&resolved), ["recordings_age", "min_free"]);
    }

    #[test]
    fn an_unused_late_store_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("[store]\ndirectory = {:?}\n", folder.path());
        let resolved = Config::from_text(Path::new("config.toml"), &file, &[], []).unwrap();
        drop(open_store_in_background(&resolved.config, &[]));
        let again = open_store_in_background(&resolved.config, &[]).into_store().unwrap();
        assert!(again.is_ok(), "{again:?}");
        close(again);
    }

    #[test]
    fn a_briefly_locked_store_is_waited_for() {
        let locked = || MediaError::Locked { file: "media.lock".into() };
        let mut tries = 0;
        let opened = retry_while_locked(Duration::from_secs(3600), || {
            tries += 1;
            if tries < 3 { Err(locked()) } else { Ok(tries) }
        });
        assert_eq!(opened.unwrap(), 3);
        let never = retry_while_locked(Duration::from_millis(1), || Err::<(), _>(locked()));
        assert!(matches!(never, Err(MediaError::Locked { .. })));
        let mut tries = 0;
        let broken = retry_while_locked(Duration::from_secs(3600), || {
            tries += 1;
            Err::<(), _>(MediaError::Full)
        });
        assert!(matches!(broken, Err(MediaError::Full)) && tries == 1);
    }

    #[test]
    fn a_step_of_the_stop_has_its_limit_and_all_of_them_the_budget() {
        let s = Duration::from_secs;
        assert_eq!(remaining(s(5), s(1), s(2)), s(2));
        assert_eq!(remaining(s(5), s(4), s(2)), s(1));
        assert_eq!(remaining(s(5), s(9), s(2)), Duration::ZERO);
    }
}
