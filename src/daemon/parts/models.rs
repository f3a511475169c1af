//! Models for the daemon: the detector in use, and the list that the page offers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::http::{CatalogueModel, ModelLibrary, ModelRow};
use crate::pipeline::LoadedDetector;
use tallycam_base::{Fault, FaultKind};
use tallycam_config::{DetectConfig, DetectorKind, Origin, Resolved};
use tallycam_vision::models::{
    self, Addition, BUILT_IN, CATALOGUE, FORMER_BUILT_IN, FORMER_BUILT_IN_HINT, FORMER_BUILT_IN_IS_GONE,
    Models, is_onnx,
};
use tallycam_vision::onnx::{Card, OnnxDetector, require_engine};

use super::model_sandbox::Prover;

/// The installed models, with a memory of the last trial and the last refusal.
#[derive(Debug, Clone)]
pub struct ModelStore {
    models: Models,
    /// The origin of the model, if the operator names it: `config.toml:88`.
    pinned: Arc<Mutex<Option<String>>>,
    /// The model that was refused last.
    refused: Arc<Mutex<Option<RefusedModel>>>,
    /// The model that was tried last and works.
    proved: Arc<Mutex<Option<Files>>>,
    /// Tries unknown models, if set.
    prover: Option<Prover>,
}

/// The files of a refused model and the reason.
#[derive(Debug, Clone)]
struct RefusedModel {
    files: Files,
    why: Fault,
    at: Instant,
}

/// The origin of a model that a command line names.
const COMMAND_LINE: &str = "--model";

/// A refused model is loaded again after this time, because memory may have been short.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// The state of a model's files and how it is loaded. While this is equal, a trial gives the same result.
#[derive(Debug, Clone, PartialEq)]
struct Files {
    onnx: PathBuf,
    /// The model is named by its path and needs no description.
    is_path: bool,
    /// Length and modification time of the network and of its description.
    states: [Option<(u64, SystemTime)>; 2],
    size: Option<(u32, u32)>,
    threads: usize,
}

impl Files {
    fn new(onnx: PathBuf, is_path: bool, config: &DetectConfig) -> Files {
        let state = |path: &Path| path.metadata().and_then(|found| Ok((found.len(), found.modified()?))).ok();
        let states = [state(&onnx), state(&onnx.with_extension("toml"))];
        Files { onnx, is_path, states, size: config.size, threads: config.threads }
    }
}

impl ModelStore {
    /// The usual folders, and that in `state_directory`. `pinned` is the origin of the model, if the operator names
    /// it (`config.toml:88`).
    pub fn new(state_directory: &Path, pinned: Option<String>) -> ModelStore {
        ModelStore {
            models: Models::new(state_directory),
            pinned: Arc::new(Mutex::new(pinned)),
            refused: Arc::default(),
            proved: Arc::default(),
            prover: None,
        }
    }

    /// Lets `prover` try unknown models first, so that a bad one ends only a child process.
    #[must_use]
    pub fn with_prover(self, prover: Prover) -> ModelStore {
        ModelStore { prover: Some(prover), ..self }
    }

    /// Sets where the operator names the model; `None` if nowhere.
    pub fn set_pinned(&self, pinned: Option<String>) {
        *self.pinned.lock().unwrap_or_else(PoisonError::into_inner) = pinned;
    }

    /// The models of one folder only.
    #[cfg(test)]
    pub fn in_folder(folder: &Path) -> ModelStore {
        let models = Models::with_places(Vec::new(), folder.to_owned());
        ModelStore {
            models,
            pinned: Arc::default(),
            refused: Arc::default(),
            proved: Arc::default(),
            prover: None,
        }
    }

    /// The detector of the operator's model, else of the one `chosen` on the page, else of the settings', else of the
    /// built-in one. Takes seconds.
    ///
    /// The operator may name any file. Everybody else may name only an installed model, so that no browser can open
    /// files of this machine. A refused model is refused again without being loaded for ten minutes, unless its files
    /// change.
    ///
    /// # Errors
    /// There is no such model, or it cannot be used.
    pub fn detector(&self, config: &DetectConfig, chosen: Option<&str>) -> Result<LoadedDetector, Fault> {
        require_engine()?;
        let named = config.model.as_deref();
        let (wanted, path) = match self.pinned() {
            Some(_) => (named.or(chosen), named.and_then(as_path)),
            None => (chosen.or(named), None),
        };
        let mut wanted = wanted.unwrap_or(BUILT_IN);
        let mut path = path;
        let mut note = None;
        let is_former = |path: &Path| path.file_stem().is_some_and(|stem| stem == FORMER_BUILT_IN);
        if path.is_some_and(|path| is_former(path) && !path.is_file()) {
            (wanted, path) = (FORMER_BUILT_IN, None);
        }
        let is_there = |name| self.models.path_of(name).is_some_and(|onnx| onnx.is_file());
        // Settings outlive an upgrade, so the successor stands in. A command line gets an error instead.
        let is_asked = self.pinned().as_deref() == Some(COMMAND_LINE);
        if wanted == FORMER_BUILT_IN && path.is_none() && !is_asked && !is_there(wanted) {
            wanted = BUILT_IN;
            note = Some(format!("{FORMER_BUILT_IN_IS_GONE}; {FORMER_BUILT_IN_HINT}."));
        }
        let onnx = path.map(Path::to_owned).or_else(|| self.models.path_of(wanted));
        let files = onnx.map(|onnx| Files::new(onnx, path.is_some(), config));
        let is_still =
            |of: &&RefusedModel| Some(&of.files) == files.as_ref() && of.at.elapsed() < AGAIN_AFTER;
        if let Some(refused) = self.lock_refused().as_ref().filter(is_still) {
            return Err(refused.why.clone());
        }
        let loaded = self.ensure_proved(files.as_ref()).and_then(|()| self.load(wanted, path, config));
        let with_note = |mut loaded: LoadedDetector| {
            loaded.notes.extend(note);
            loaded
        };
        loaded.map(with_note).map_err(|error| {
            // A read error may pass, so it is not remembered.
            let lasts = !matches!(error.kind, FaultKind::File | FaultKind::Passing);
            let mut why = Fault { kind: FaultKind::Wrong, ..error };
            // The file's name comes first, because the reason is about its content.
            if path.is_some() && !why.what.contains(wanted) {
                why.what = format!("{wanted}: {why}");
            }
            let refused = |files| RefusedModel { files, why: why.clone(), at: Instant::now() };
            *self.lock_refused() = files.filter(|_| lasts).map(refused);
            why
        })
    }

    /// Tries files that are not known to work.
    fn ensure_proved(&self, files: Option<&Files>) -> Result<(), Fault> {
        let (Some(prover), Some(files)) = (&self.prover, files) else { return Ok(()) };
        // Loading refuses a model whose description is missing.
        let is_loaded = files.is_path || files.states[1].is_some();
        let is_proved = self.lock_proved().as_ref() == Some(files);
        // The known models are known only at their own size.
        let is_known = || files.size.is_none() && models::is_already_proved(&files.onnx);
        if !is_loaded || is_proved || is_known() {
            return Ok(());
        }
        prover.prove_in_child(&files.onnx, files.size, files.threads)?;
        *self.lock_proved() = Some(files.clone());
        Ok(())
    }

    fn lock_proved(&self) -> MutexGuard<'_, Option<Files>> {
        self.proved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_refused(&self) -> MutexGuard<'_, Option<RefusedModel>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(
        &self,
        wanted: &str,
        path: Option<&Path>,
        config: &DetectConfig,
    ) -> Result<LoadedDetector, Fault> {
        let (card, onnx) = match path {
            Some(path) => models::load_file(path)?,
            None => self.models.load(wanted)?,
        };
        let name = path.and_then(Path::file_stem).map_or(wanted.into(), |stem| stem.to_string_lossy());
        let detector = OnnxDetector::new(&name, &onnx, &card, config.size, config.threads)?;
        let mut notes = card.guessed.clone();
        let input = detector.input();
        if let Some((width, height)) = config.size.filter(|size| *size != (input.width, input.height)) {
            notes.push(format!(
                "`detect.size = \"{width}x{height}\"`: {name} takes multiples of its largest stride, so it is {}x{}.",
                input.width, input.height
            ));
        }
        let (models, wanted, path) = (self.models.clone(), wanted.to_owned(), path.map(Path::to_owned));
        let (len, sum) = (onnx.len(), card.sha256.clone());
        let detector = detector.with_file(move || {
            let read = path.as_deref().map_or_else(|| models.load(&wanted), models::load_file);
            let is_same = |(card, onnx): &(Card, Vec<u8>)| onnx.len() == len && card.sha256 == sum;
            read.ok().filter(is_same).map(|(_, onnx)| onnx)
        });
        Ok(LoadedDetector { detector: Box::new(detector), backend: "onnx", notes })
    }
}

/// `wanted` as the path of an ONNX file, unless it is a name.
pub fn as_path(wanted: &str) -> Option<&Path> {
    let path = Path::new(wanted);
    (wanted.contains('/') || is_onnx(path)).then_some(path)
}

/// The origin of the operator's detector, which nobody else can change: the model, or a back end without one.
pub fn pinned_origin(resolved: &Resolved) -> Option<String> {
    let detect = &resolved.config.detect;
    let key = match detect.backend {
        DetectorKind::Auto | DetectorKind::Onnx => detect.model.as_ref().map(|_| "detect.model")?,
        DetectorKind::Motion | DetectorKind::Replay | DetectorKind::None => "detect.backend",
    };
    resolved.origin(key).filter(|origin| origin.is_operators()).map(Origin::to_string)
}

/// As [`pinned_origin`], also for a command line that names a model. It may name any file, as the operator may.
pub fn configured_model(model: Option<&str>, resolved: &Resolved) -> Option<String> {
    model.map(|_| String::from(COMMAND_LINE)).or_else(|| pinned_origin(resolved))
}

impl ModelLibrary for ModelStore {
    fn found(&self) -> Vec<ModelRow> {
        let found = self.models.list().into_iter().map(|model| {
            let card = model.card.as_ref();
            ModelRow {
                family: card.map_or_else(String::new, |card| card.family.as_str().to_owned()),
                input: card.and_then(|card| card.input.size),
                classes: card.map_or(0, |card| card.labels.len()),
                about: card.map_or_else(String::new, |card| card.about.clone()),
                licence: card.map_or_else(String::new, |card| card.licence.clone()),
                guessed: card.map_or_else(Vec::new, |card| card.guessed.clone()),
                name: model.name,
                bytes: model.bytes,
                is_in_use: false,
                problem: model.problem,
            }
        });
        found.collect()
    }

    fn catalogue(&self) -> Vec<CatalogueModel> {
        let here = self.models.list();
        let offered = CATALOGUE.iter().map(|entry| CatalogueModel {
            name: entry.name.to_owned(),
            about: entry.about.to_owned(),
            licence: entry.licence.to_owned(),
            bytes: entry.bytes,
            url: entry.url.to_owned(),
            is_here: entry.is_installed(&here),
        });
        offered.collect()
    }

    fn pinned(&self) -> Option<String> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fetch(&self, name: &str) -> Result<(), Fault> {
        require_engine()?;
        let fetched = self.models.fetch(name, &Addition::default());
        fetched.map(drop).map_err(|error| match error.kind {
            FaultKind::Unknown => {
                Fault::new(FaultKind::Unknown, format!("the catalogue has no model called {name:?}"))
            }
            FaultKind::Taken => {
                let called = || format!("a model called {name:?} is here already");
                let what = self.models.path_of(name).map_or_else(|| error.to_string(), |_| called());
                // Hints for the command line would not help here.
                Fault::new(FaultKind::Taken, what).hint(
                    "choose it by this name; for it to be fetched once more, its files have to go first",
                )
            }
            FaultKind::Unreachable => error,
            _ => Fault { kind: FaultKind::Foreign, ..error },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tallycam_config::Config;

    #[test]
    fn a_path_names_a_file_outside_the_folders() {
        let folder = tempfile::tempdir().unwrap();
        let model_store = ModelStore::new(folder.path(), Some(String::from("config.toml:88")));
        let config = DetectConfig {
            model: Some(folder.path().join("mine.onnx").display().to_string()),
            ..Config::default().detect
        };
        std::fs::write(folder.path().join("mine.onnx"), "no network").unwrap();
        let refused = model_store.detector(&config, Some("chosen")).err().unwrap();
        assert!(refused.what.contains("mine.onnx: this is no ONNX file"), "{refused}");
    }

    #[test]
    fn the_built_in_model_replaces_the_missing_former_one() {
        let folder = tempfile::tempdir().unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let copy = |from: PathBuf, name: &str| {
            for ending in ["onnx", "toml"] {
                let to = folder.path().join(name).with_extension(ending);
                std::fs::copy(from.with_extension(ending), to).unwrap();
            }
        };
        copy(shipped.join(BUILT_IN), BUILT_IN);
        let model_store = ModelStore::in_folder(folder.path());
        let named = |model: &str| DetectConfig { model: Some(model.into()), ..Config::default().detect };
        let loaded = model_store.detector(&named(FORMER_BUILT_IN), None).unwrap();
        assert_eq!(loaded.detector.name(), BUILT_IN);
        assert!(loaded.notes.iter().any(|note| note.contains("model add")), "{:?}", loaded.notes);
        assert!(model_store.detector(&named("another"), None).is_err());
        // A stored copy of the former model is still used.
        copy(shipped.join("catalogue").join(FORMER_BUILT_IN), FORMER_BUILT_IN);
        let loaded = model_store.detector(&named(FORMER_BUILT_IN), None).unwrap();
        assert_eq!((loaded.detector.name(), loaded.notes.len()), (FORMER_BUILT_IN, 0));
    }

    #[test]
    fn a_size_between_strides_becomes_the_next_larger_one() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let model_store = ModelStore::in_folder(&shipped);
        let config = DetectConfig { size: Some((100, 64)), ..Config::default().detect };
        let loaded = model_store.detector(&config, None).unwrap();
        assert!(loaded.notes[0].contains("it is 128x64"), "{:?}", loaded.notes);
    }

    #[test]
    fn a_refused_model_is_loaded_again_when_its_files_change() {
        let folder = tempfile::tempdir().unwrap();
        let model_store = ModelStore::in_folder(folder.path());
        let (onnx, card) = (folder.path().join("mine.onnx"), folder.path().join("mine.toml"));
        std::fs::write(&onnx, "no network").unwrap();
        let refused = || model_store.detector(&Config::default().detect, Some("mine")).err().unwrap();
        let say = |reason: &str| model_store.lock_refused().as_mut().unwrap().why.what = reason.to_owned();
        refused();
        // As if untouched: the same length and time.
        let time = onnx.metadata().unwrap().modified().unwrap();
        std::fs::write(&onnx, "no picture").unwrap();
        std::fs::File::options().write(true).open(&onnx).unwrap().set_modified(time).unwrap();
        say("as before");
        assert_eq!(refused().what, "as before");
        let larger = DetectConfig { size: Some((640, 640)), ..Config::default().detect };
        assert_ne!(model_store.detector(&larger, Some("mine")).err().unwrap().what, "as before");
        refused();
        say("as before");
        if let Some(before) = Instant::now().checked_sub(AGAIN_AFTER) {
            model_store.lock_refused().as_mut().unwrap().at = before;
            assert_ne!(refused().what, "as before", "the refusal has expired");
            say("as before");
        }
        std::fs::write(&card, "family = ").unwrap();
        assert_ne!(refused().what, "as before");
        say("as before");
        std::fs::write(&onnx, "no network at all").unwrap();
        assert_ne!(refused().what, "as before");
        // A missing model is not remembered.
        assert!(model_store.detector(&Config::default().detect, Some("other")).is_err());
        assert!(model_store.lock_refused().is_none());
    }

    #[test]
    fn a_model_is_tried_once_while_its_files_are_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let (onnx, tried) = (folder.path().join("mine.onnx"), folder.path().join("tried"));
        let prover = Prover::of_script(
            folder.path(),
            "echo x >>tried; echo '{\"reason\":\"\",\"hint\":null,\"may_pass\":false}'",
        );
        let model_store = ModelStore::in_folder(folder.path()).with_prover(prover);
        std::fs::write(&onnx, "no network").unwrap();
        let times = |chosen: &str| {
            // The script approves everything, so faults appear only when the model is loaded.
            assert!(model_store.detector(&Config::default().detect, Some(chosen)).is_err());
            *model_store.lock_refused() = None;
            std::fs::read_to_string(&tried).unwrap_or_default().lines().count()
        };
        assert_eq!(times("mine"), 0, "a model without a description is not tried");
        std::fs::write(folder.path().join("mine.toml"), "family = ").unwrap();
        assert_eq!((times("mine"), times("mine")), (1, 1));
        std::fs::write(&onnx, "another file").unwrap();
        assert_eq!(times("mine"), 2);
        std::fs::write(&onnx, "one more file").unwrap();
        let (program, away) = (folder.path().join("program"), folder.path().join("away"));
        std::fs::rename(&program, &away).unwrap();
        assert_eq!(times("mine"), 2, "no program to try it with");
        std::fs::rename(&away, &program).unwrap();
        assert_eq!(times("mine"), 3, "an untried model is tried later");
    }

    #[test]
    fn the_page_cannot_open_files_by_path() {
        let folder = tempfile::tempdir().unwrap();
        let model_store = ModelStore::new(folder.path(), None);
        let path = folder.path().join("mine.onnx");
        std::fs::write(&path, "no network").unwrap();
        for chosen in [path.to_str().unwrap(), "../mine.onnx", "models/../../mine.onnx"] {
            let refused = model_store.detector(&Config::default().detect, Some(chosen)).err().unwrap();
            assert!(refused.what.contains("no name"), "{refused}");
            let kept = DetectConfig { model: Some(chosen.to_owned()), ..Config::default().detect };
            let refused = model_store.detector(&kept, None).err().unwrap();
            assert!(refused.what.contains("no name"), "{refused}");
        }
    }

    #[test]
    fn settings_of_the_operator_are_pinned() {
        let pinned_by = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
            pinned_origin(&Config::load(Some(Path::new("/dev/null")), &sets, []).unwrap())
        };
        assert_eq!(pinned_by(&[]), None);
        assert_eq!(pinned_by(&["detect.model=mine"]).as_deref(), Some("--set"));
        assert_eq!(pinned_by(&["detect.backend=motion"]).as_deref(), Some("--set"));
    }

    #[test]
    fn an_unknown_model_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let model_store = ModelStore::new(folder.path(), Some(String::from("config.toml:88")));
        let refused = model_store.detector(&Config::default().detect, Some("not_there")).err().unwrap();
        assert!(refused.what.contains("not_there"), "{refused}");
        assert_eq!(model_store.pinned().as_deref(), Some("config.toml:88"));
        assert_eq!(model_store.fetch("not_there").unwrap_err().kind, FaultKind::Unknown);
        assert!(model_store.catalogue().iter().any(|model| model.name == "yolox-nano"));
    }

    #[test]
    fn an_installed_model_is_not_fetched_again_and_the_hint_names_no_option() {
        let folder = tempfile::tempdir().unwrap();
        let model_store = ModelStore::in_folder(folder.path());
        std::fs::write(folder.path().join("yolox-nano.onnx"), "a network").unwrap();
        let here = model_store.fetch("yolox-nano").unwrap_err();
        assert_eq!(here.to_string(), "a model called \"yolox-nano\" is here already");
        assert!(here.hint.is_some_and(|hint| !hint.contains("--")));
    }
}
