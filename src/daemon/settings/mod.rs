//! The daemon's settings: the operator's configuration, the settings of the page, and their changes at run time.
//! Pages, API, old routes, command line and SIGHUP all change them here.
//!
//! ```text
//! changes ─► checked, all of them ─► in force (apply) ─► on the disk (file) ─► shown
//!                 nothing changed ◄─ undone ◄──┴────────────────────┘ it does not work
//! ```
//!
//! A switch (light, picture, camera controls) changes even if the disk fails. The page then says that it is not
//! stored, and the next successful write includes it.
//!
//! One change runs at a time. Sixteen may wait, including the running one; further ones are refused. A change runs to
//! its end and keeps its place, also when its client has gone. Runs on the main thread; files are written on the
//! runtime's pool.

pub(super) mod apply;
mod draft;
pub(super) mod external_change;
pub mod file;
pub mod reload;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::daemon::sockets;
use crate::http::{Changing, NotSet, PreferenceChanges, Preferences, SettingsInForce, Terms, WrongSetting};
use apply::Parts;
use draft::{
    Draft, check_strip_range, conflict_error, draft, export_settings, imported, is_switch_only_change,
    no_effect_note,
};
use external_change::{DatabaseSettings, KeptElsewhere};
use file::LoadedSettings;
use reload::keys_needing_restart;
use tallycam_base::{Fault, FaultKind, clock, without_error_number};
use tallycam_config::{Diagnostics, OperatorConfig, Origin, Resolved, Saved};

/// Most changes at a time, waiting or running: one that tries another source may run for a minute.
const AT_ONCE: usize = 16;

/// The daemon's settings. Clones share them.
#[derive(Debug, Clone)]
pub struct Settings(Arc<SettingsInner>);

#[derive(Debug)]
struct SettingsInner {
    /// The folder of `settings.toml`.
    directory: PathBuf,
    parts: Parts,
    elsewhere: DatabaseSettings,
    /// The configuration at the start.
    started: Resolved,
    /// Places for changes, [`AT_ONCE`].
    places: Arc<Semaphore>,
    /// Locked by the running change.
    turn: tokio::sync::Mutex<SettingsTurn>,
    shared: Mutex<SharedSettings>,
}

/// State that only the running change uses.
#[derive(Debug)]
struct SettingsTurn {
    operator: OperatorConfig,
    /// The reason why the operator's present configuration is not in force; empty if it is.
    refused: String,
    saved: Saved,
    /// The databases that were empty at the start, in a sentence; empty if there were none.
    lost: String,
    /// The faults of the settings file; empty if there are none.
    complaint: String,
    /// True if the file must be set aside before it is written.
    is_faulty: bool,
}

impl SettingsTurn {
    /// All faults of files, for people.
    fn complaints(&self) -> String {
        let both = [self.lost.as_str(), self.refused.as_str(), self.complaint.as_str()];
        both.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
    }
}

/// State for all readers in the daemon; it includes secrets.
#[derive(Debug)]
struct SharedSettings {
    in_force: Arc<SettingsInForce>,
    /// The settings in force without those of the databases.
    base: Arc<Resolved>,
    /// The settings of the file, also those that the operator overrides.
    saved: Arc<Saved>,
    kept_elsewhere: KeptElsewhere,
}

/// The configuration that was read at the start: the operator's above the settings of the page.
#[derive(Debug)]
pub struct Started {
    pub operator: OperatorConfig,
    /// The settings of the page, from the state directory.
    pub found: LoadedSettings,
    /// Both together.
    pub resolved: Resolved,
    /// The databases that were empty, in a sentence.
    pub lost: String,
}

impl Started {
    /// Reads the settings in the state directory that `operator` names. Their faults go into `found` and do not stop
    /// a start.
    ///
    /// # Errors
    /// The operator's configuration is wrong.
    pub fn read(operator: OperatorConfig) -> Result<Started, Diagnostics> {
        let directory = super::parts::counting::state_directory(&operator.resolve(None)?.config);
        let mut found = file::read(&directory);
        let (resolved, left_out) = operator.resolve_with(&found.saved)?;
        if let Some(complaints) = left_out {
            let said = format!("{complaints}\nThe kind of source that was set is not in force.");
            found.complaint =
                [found.complaint, said].into_iter().filter(|c| !c.is_empty()).collect::<Vec<_>>().join("\n");
        }
        let lost = file::emptied_databases(&directory);
        Ok(Started { operator, found, resolved, lost })
    }
}

impl Settings {
    /// Settings that are already in force in `parts`.
    pub fn new(started: Started, parts: Parts) -> Settings {
        let Started { operator, found, resolved, lost } = started;
        let directory = super::parts::counting::state_directory(&resolved.config);
        if !lost.is_empty() {
            log::error!("{lost}");
        }
        if !found.complaint.is_empty() {
            log::error!("{}", found.complaint);
        } else if !found.is_faulty {
            file::save_known_good(&directory);
        }
        let elsewhere = parts.stored_settings();
        let kept_elsewhere = elsewhere.read_current();
        let mut shared = resolved.clone();
        kept_elsewhere.overlay(&mut shared, |_| false);
        let turn = SettingsTurn {
            operator,
            refused: String::new(),
            saved: found.saved,
            lost,
            complaint: found.complaint,
            is_faulty: found.is_faulty,
        };
        let in_force = SettingsInForce {
            // Based on the clock, so that entity tags of an earlier run are never valid now.
            version: clock::wall_us() / 1000,
            resolved: Arc::new(shared),
            complaint: turn.complaints(),
            unsaved: String::new(),
            needs_restart: Vec::new(),
        };
        let shared = SharedSettings {
            in_force: Arc::new(in_force),
            base: Arc::new(resolved.clone()),
            saved: Arc::new(turn.saved.clone()),
            kept_elsewhere,
        };
        Settings(Arc::new(SettingsInner {
            directory,
            parts,
            elsewhere,
            started: resolved,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            turn: tokio::sync::Mutex::new(turn),
            shared: Mutex::new(shared),
        }))
    }

    /// Applies the operator's present configuration. On error everything is as before, and the text is for the log.
    ///
    /// # Errors
    /// The configuration is wrong or does not work.
    pub async fn reload(&self, operator: OperatorConfig) -> Result<Arc<SettingsInForce>, String> {
        let inner = Arc::clone(&self.0);
        let reloaded = tokio::spawn(async move { inner.reload(operator).await });
        reloaded.await.unwrap_or_else(|panicked| Err(panicked.to_string()))
    }

    fn spawn<F>(&self, change: impl FnOnce(Arc<SettingsInner>) -> F) -> Changing<'static>
    where
        F: Future<Output = Result<Arc<SettingsInForce>, NotSet>> + Send + 'static,
    {
        let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() else {
            return Box::pin(std::future::ready(Err(NotSet::Busy)));
        };
        let change = change(Arc::clone(&self.0));
        // A separate task, so that a change ends and frees its place even if its client goes.
        let changed = tokio::spawn(async move {
            let _place = place;
            change.await
        });
        Box::pin(async move {
            changed
                .await
                .unwrap_or_else(|panicked| Err(NotSet::RolledBack(Fault::passing(panicked.to_string()))))
        })
    }
}

impl Preferences for Settings {
    fn in_force(&self) -> Arc<SettingsInForce> {
        self.0.current()
    }

    fn change(&self, changes: PreferenceChanges, terms: Terms) -> Changing<'_> {
        self.spawn(async move |inner| {
            let mut turn = inner.turn.lock().await;
            let now = inner.current();
            if terms.expected.is_some_and(|version| version != now.version) {
                return Err(NotSet::Changed);
            }
            let draft = draft(&turn.saved, &now.resolved, &changes)?;
            inner.apply_draft(&mut turn, draft, terms).await
        })
    }

    fn export(&self) -> String {
        let now = self.in_force();
        // Does not wait for a running change and exports the state before it.
        let saved = Arc::clone(&self.0.lock_shared().saved);
        export_settings(&saved, &now.resolved)
    }

    fn stored(&self) -> String {
        self.0.lock_shared().saved.to_toml()
    }

    fn import(&self, toml: String, terms: Terms) -> Changing<'_> {
        self.spawn(async move |inner| {
            let mut turn = inner.turn.lock().await;
            let now = inner.current();
            if terms.expected.is_some_and(|version| version != now.version) {
                return Err(NotSet::Changed);
            }
            let (saved, resolved) = (turn.saved.clone(), Arc::clone(&now.resolved));
            // A file may have thousands of faults, which would delay the streams on this thread.
            let draft = spawn_blocking(move || imported(&saved, &resolved, &toml)).await;
            let draft = draft
                .unwrap_or_else(|panicked| Err(NotSet::RolledBack(Fault::passing(panicked.to_string()))))?;
            let of_no_effect = no_effect_note(&draft);
            let in_force = inner.apply_draft(&mut turn, draft, terms).await?;
            if of_no_effect.is_empty() {
                return Ok(in_force);
            }
            // A complaint only for the importing client: the settings in force have no fault.
            let both = [in_force.complaint.as_str(), of_no_effect.as_str()];
            let complaint = both.into_iter().filter(|c| !c.is_empty()).collect::<Vec<_>>().join("\n");
            Ok(Arc::new(SettingsInForce { complaint, ..SettingsInForce::clone(&in_force) }))
        })
    }
}

/// Refuses a new address of `http.listen` that this machine cannot serve: it may be mistyped, and after the next start
/// the page would be out of reach.
fn check_addresses(now: &Resolved, to: &Resolved) -> Option<WrongSetting> {
    let (address, fault) = sockets::check_new(&to.config.http.listen, &now.config.http.listen)?;
    Some(WrongSetting {
        path: String::from("http.listen"),
        given: address.to_string(),
        message: format!("{}.", fault.what),
        hint: fault.hint,
    })
}

impl SettingsInner {
    fn lock_shared(&self) -> std::sync::MutexGuard<'_, SharedSettings> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings in force, including changes in the databases.
    fn current(&self) -> Arc<SettingsInForce> {
        let kept = self.elsewhere.read_current();
        let mut shared = self.lock_shared();
        if kept != shared.kept_elsewhere {
            let mut resolved = Resolved::clone(&shared.base);
            kept.overlay(&mut resolved, |_| false);
            let before = &shared.in_force;
            shared.in_force = Arc::new(SettingsInForce {
                version: before.version + 1,
                resolved: Arc::new(resolved),
                ..SettingsInForce::clone(before)
            });
            shared.kept_elsewhere = kept;
        }
        Arc::clone(&shared.in_force)
    }

    /// Applies `draft` and stores it.
    async fn apply_draft(
        &self,
        turn: &mut SettingsTurn,
        draft: Draft,
        terms: Terms,
    ) -> Result<Arc<SettingsInForce>, NotSet> {
        let now = self.current();
        let file = self.directory.join(file::NAME);
        let saved = draft.saved.with_file(&file).as_written();
        if saved.is_too_long() {
            let what = "this would be more settings than there is room for: their file has 64 kB at most";
            let hint = "remove settings that are no longer needed, such as controls of former cameras";
            return Err(Fault::wrong(what).hint(hint).into());
        }
        let base = turn.operator.resolve(Some(&saved)).map_err(|complaints| conflict_error(&complaints))?;
        let mut to = base.clone();
        self.elsewhere.read_current().overlay(&mut to, |path| draft.elsewhere.contains_key(path));
        for (path, toml) in &draft.elsewhere {
            let origin = Origin::Page { file: self.directory.clone(), line: 0 };
            if let Some(toml) = toml {
                to.override_value(path, toml, origin);
            }
        }
        let strip = check_strip_range(&now.resolved, &to).filter(|_| !draft.is_export);
        if let Some(fault) = strip.or_else(|| check_addresses(&now.resolved, &to)) {
            return Err(NotSet::Wrong(vec![fault]));
        }
        // An equal change also writes what an earlier write failed to store.
        let is_kept = now.unsaved.is_empty() && turn.saved.to_toml() == saved.to_toml();
        if is_kept && to.config == now.resolved.config {
            return Ok(now);
        }
        if !terms.may_delete {
            let plan = self.parts.deletions(&to).await.map_err(NotSet::RolledBack)?;
            if !plan.goes.is_empty() {
                return Err(NotSet::Deletes(Box::new(plan)));
            }
        }
        self.parts.apply(&now.resolved, &to).await.map_err(NotSet::RolledBack)?;
        let mut unsaved = String::new();
        if is_kept {
            turn.saved = saved;
        } else {
            let may_pass = is_switch_only_change(&turn.saved, &saved);
            let unwritten = saved.clone();
            let (directory, is_faulty) = (self.directory.clone(), turn.is_faulty);
            let write = move || file::write(&directory, &saved, is_faulty);
            let written = match spawn_blocking(write).await {
                Ok(written) => written.map_err(|error| match error.kind() {
                    ErrorKind::StorageFull => String::from("the disk is full"),
                    _ => without_error_number(error.to_string()),
                }),
                Err(panicked) => Err(panicked.to_string()),
            };
            let file = file.display();
            match written {
                Ok(written) => {
                    turn.saved = written;
                    if std::mem::take(&mut turn.is_faulty) {
                        turn.complaint.clear();
                    }
                }
                Err(reason) if may_pass => {
                    unsaved = format!(
                        "What was changed last is not kept and holds until tallycam ends: settings could not be \
                         written to {file}: {reason}."
                    );
                    // Every step of a dragged slider would fail the same way.
                    if unsaved != now.unsaved {
                        log::error!("{unsaved}");
                    }
                    turn.saved = unwritten;
                }
                Err(reason) => {
                    log::error!("{file}: settings could not be written, and are as they were: {reason}");
                    if let Err(refused) = self.parts.apply(&to, &now.resolved).await {
                        log::error!("what was in force could not be put in force again: {refused}");
                    }
                    let what = format!("settings could not be saved, and are as they were: {reason}");
                    let hint = "delete what is not needed on the page Media, or look at the page Diagnosis";
                    return Err(Fault::new(FaultKind::Full, what).hint(hint).into());
                }
            }
        }
        Ok(self.publish(turn, base, unsaved))
    }

    /// Applies the operator's present configuration. If that fails, every client sees the fault until it works.
    async fn reload(&self, operator: OperatorConfig) -> Result<Arc<SettingsInForce>, String> {
        let mut turn = self.turn.lock().await;
        let reloaded = self.apply_operator(&mut turn, operator).await;
        let base = match &reloaded {
            Ok(base) => {
                turn.refused.clear();
                base.clone()
            }
            Err(why) => {
                turn.refused = format!("The configuration was read again and is kept as it was, {why}");
                Resolved::clone(&self.lock_shared().base)
            }
        };
        let unsaved = self.current().unsaved.clone();
        let shared = self.publish(&turn, base, unsaved);
        reloaded.map(|_| shared)
    }

    /// Applies the operator's present configuration without publishing it.
    async fn apply_operator(
        &self,
        turn: &mut SettingsTurn,
        operator: OperatorConfig,
    ) -> Result<Resolved, String> {
        let now = self.current();
        let (base, left_out) = operator.resolve_with(&turn.saved).map_err(|complaints| {
            // Only places: every viewer sees this text, and a quoted line may hold a secret.
            let places: Vec<&str> = complaints.iter().take(5).map(|complaint| complaint.place()).collect();
            let more = if complaints.iter().nth(5).is_some() { " and more places" } else { "" };
            let places = places.join(", ") + more;
            format!("for the file is not good at {places}: `tallycam config check` says what is wrong")
        })?;
        if let Some(complaints) = &left_out {
            log::error!("{complaints}\nThe kind of source that was set is not in force.");
        }
        let mut to = base.clone();
        // A reload does not change rules through `apply`; they are applied below.
        to.config.retention = now.resolved.config.retention.clone();
        self.elsewhere.read_current().overlay(&mut to, |path| path.starts_with("retention."));
        self.parts.apply(&now.resolved, &to).await.map_err(|refused| {
            let hint = refused.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("for it does not work: {refused}{hint}")
        })?;
        let rules = |resolved: &Resolved| {
            let its_own =
                |setting: &&tallycam_config::ResolvedSetting| setting.path.starts_with("retention.");
            resolved.settings.iter().filter(its_own).cloned().collect::<Vec<_>>()
        };
        let before = Arc::clone(&self.lock_shared().base);
        if rules(&before) != rules(&base) {
            self.parts.apply_retention_rules(&base);
            log::info!("the [retention] rules apply");
        }
        self.parts.draw(&before.config, &base.config).await;
        turn.operator = operator;
        Ok(base)
    }

    /// Publishes `base`, overlaid with the settings of the databases.
    fn publish(&self, turn: &SettingsTurn, base: Resolved, unsaved: String) -> Arc<SettingsInForce> {
        let kept_elsewhere = self.elsewhere.read_current();
        let mut resolved = base.clone();
        kept_elsewhere.overlay(&mut resolved, |_| false);
        let mut shared = self.lock_shared();
        shared.in_force = Arc::new(SettingsInForce {
            version: shared.in_force.version + 1,
            needs_restart: keys_needing_restart(&self.started, &resolved),
            resolved: Arc::new(resolved),
            complaint: turn.complaints(),
            unsaved,
        });
        (shared.base, shared.kept_elsewhere) = (Arc::new(base), kept_elsewhere);
        shared.saved = Arc::new(turn.saved.clone());
        Arc::clone(&shared.in_force)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first error of an import.
    fn refused(toml: &str) -> WrongSetting {
        let (saved, now) = (Saved::empty("settings.toml".into()), SettingsInForce::of("").resolved);
        match imported(&saved, &now, toml) {
            Err(NotSet::Wrong(wrong)) if !wrong.is_empty() => wrong[0].clone(),
            other => panic!("{toml}: {:?}", other.err()),
        }
    }

    #[test]
    fn an_error_of_an_import_names_key_and_value() {
        for (toml, path, given, place) in [
            ("\n[lights]\nbrightness = 300\n", "lights.brightness", "300", "line 3, column 14: "),
            ("lights = { brightness = \"x\" }", "lights.brightness", "\"x\"", "line 1, column 25: "),
            ("[lights]\nbrightnes = 9", "lights.brightnes", "9", "line 2, column 1: "),
            ("nmae = \"x\"", "nmae", "\"x\"", "line 1, column 1: "),
            ("[wifi]\nssid = 1", "wifi", "wifi", "line 1, column 2: "),
            ("lights = 5", "lights", "5", "line 1, column 10: "),
            ("[store]\ndirectory = \"/x\"", "store.directory", "\"/x\"", "line 2, column 13: "),
            ("[source.controls]\ngain = \"x\"", "source.controls.gain", "\"x\"", "line 2, column 8: "),
        ] {
            let wrong = refused(toml);
            assert_eq!((wrong.path.as_str(), wrong.given.as_str()), (path, given), "{wrong:?}");
            assert!(wrong.message.starts_with(place), "{wrong:?}");
        }
        // Without syntax there is no key.
        let broken = refused("[lights]\nbrightness = \n");
        assert!(broken.path.starts_with("line 2, column "), "{broken:?}");
        // A download may have broken off.
        let mut export = Saved::empty("settings.toml".into());
        export.set("stream.quality", Some("61")).expect("a value");
        let export = export.to_toml();
        assert!(refused(&export[..export.len() - 2]).message.contains("is cut off"));
        // A secret is not returned to its sender.
        for secret in [
            "[power]\nkey = \"s3cret\"",
            "[source]\npasswordd = \"s3cret\"",
            "[source]\npassword = [\"s3cret\"]",
        ] {
            let wrong = refused(secret);
            assert!(!format!("{wrong:?}").contains("s3cret"), "{wrong:?}");
        }
    }
}
