//! Models for the daemon: the one that is to look, as a detector, and those that the page offers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::base::{Fault, FaultKind};
use crate::config::{DetectConfig, DetectorKind, Origin, Resolved};
use crate::http::{CatalogueModel, ModelLibrary, ModelRow};
use crate::models::{
    self, Addition, BUILT_IN, CATALOGUE, FORMER_BUILT_IN, FORMER_BUILT_IN_HINT, FORMER_BUILT_IN_IS_GONE,
    Models, is_onnx,
};
use crate::pipeline::{LoadedDetector, NoDetector};
use crate::vision::onnx::{Card, OnnxDetector};

use super::model_sandbox::{Proved, Prover};

/// The folders of models.
#[derive(Debug, Clone)]
pub struct ModelStore {
    models: Models,
    /// Where the operator names the model.
    pinned: Arc<Mutex<Option<String>>>,
    /// The model that was refused last, and why.
    refused: Arc<Mutex<Option<RefusedModel>>>,
    /// The model that was tried last and is good.
    proved: Arc<Mutex<Option<Files>>>,
    /// What tries models that nobody has tried before, where that is done.
    prover: Option<Prover>,
}

/// A model's files, and why they were refused.
#[derive(Debug, Clone)]
struct RefusedModel {
    files: Files,
    why: NoDetector,
    at: Instant,
}

/// The origin of a model that a command line names.
const COMMAND_LINE: &str = "--model";

/// What is refused is loaded again so much later all the same: memory may have been short.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// A model's files as they lie there, and how it is to be loaded: as long as that is the same, so is what comes of it.
#[derive(Debug, Clone, PartialEq)]
struct Files {
    onnx: PathBuf,
    /// It is named by its path, and need not have a description.
    is_path: bool,
    /// Length and time of the last change, of the network and of its description.
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
    /// The usual folders, and our own in `state_directory`. `pinned`: where the operator names the model
    /// (`config.toml:88`), if so.
    pub fn new(state_directory: &Path, pinned: Option<String>) -> ModelStore {
        ModelStore {
            models: Models::new(state_directory),
            pinned: Arc::new(Mutex::new(pinned)),
            refused: Arc::default(),
            proved: Arc::default(),
            prover: None,
        }
    }

    /// Models that were not tried before they were given out are tried first, so that they end nothing but a child.
    #[must_use]
    pub fn with_prover(self, prover: Prover) -> ModelStore {
        ModelStore { prover: Some(prover), ..self }
    }

    /// The operator names the model there, or no longer.
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

    /// The detector of the operator's model, else of the one `chosen` on the page, else of the one that settings name,
    /// else of the shipped one. Takes seconds. The operator may name a file anywhere; everybody else, a model that is
    /// at hand: no browser has files of this machine opened. What was refused is refused again without being loaded, as
    /// long as nobody has touched its files, for ten minutes.
    ///
    /// # Errors
    /// There is no such model, or it cannot be used.
    pub fn detector(
        &self,
        config: &DetectConfig,
        chosen: Option<&str>,
    ) -> Result<LoadedDetector, NoDetector> {
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
        // Settings outlive an upgrade. Who names it on a command line now is told that it is not there.
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
            let why = NoDetector { reason: error.to_string(), hint: error.hint };
            // Of a file, its name goes first: the words are about what is in it.
            let why = match path {
                Some(_) if !why.reason.contains(wanted) => {
                    NoDetector { reason: format!("{wanted}: {}", why.reason), ..why }
                }
                _ => why,
            };
            // What could not be read may be there the next time, as it is.
            let lasts = !matches!(error.kind, FaultKind::File | FaultKind::Passing);
            let refused = |files| RefusedModel { files, why: why.clone(), at: Instant::now() };
            *self.lock_refused() = files.filter(|_| lasts).map(refused);
            why
        })
    }

    /// Has files tried that nobody has tried so far.
    fn ensure_proved(&self, files: Option<&Files>) -> Result<(), Fault> {
        let (Some(prover), Some(files)) = (&self.prover, files) else { return Ok(()) };
        // What has no description and must have one is told so when it is loaded.
        let is_loaded = files.is_path || files.states[1].is_some();
        let is_proved = self.lock_proved().as_ref() == Some(files);
        // What is known is so at its own size.
        let is_known = || files.size.is_none() && models::is_already_proved(&files.onnx);
        if !is_loaded || is_proved || is_known() {
            return Ok(());
        }
        if prover.prove_in_child(&files.onnx, files.size, files.threads)? == Proved::Good {
            *self.lock_proved() = Some(files.clone());
        }
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
                "[detect] size = \"{width}x{height}\": {name} takes multiples of its largest stride, so it is {}x{}.",
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

/// `wanted` as the path of an ONNX file, if it is no name.
pub fn as_path(wanted: &str) -> Option<&Path> {
    let path = Path::new(wanted);
    (wanted.contains('/') || is_onnx(path)).then_some(path)
}

/// Where the operator says what looks, so that nobody else can: the model, or a back end without one.
pub fn pinned_origin(resolved: &Resolved) -> Option<String> {
    let detect = &resolved.config.detect;
    let key = match detect.backend {
        DetectorKind::Auto | DetectorKind::Onnx => detect.model.as_ref().map(|_| "detect.model")?,
        DetectorKind::Motion | DetectorKind::Replay | DetectorKind::None => "detect.backend",
    };
    resolved.origin(key).filter(|origin| origin.is_operators()).map(Origin::to_string)
}

/// The same for who names the model on a command line, who may name a file as the operator may.
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
        let fetched = self.models.fetch(name, &Addition::default());
        fetched.map(drop).map_err(|error| match error.kind {
            FaultKind::Unknown => {
                Fault::new(FaultKind::Unknown, format!("the catalogue has no model called {name:?}"))
            }
            FaultKind::Taken => {
                let called = || format!("a model called {name:?} is here already");
                let what = self.models.path_of(name).map_or_else(|| error.to_string(), |_| called());
                // What the command line could do about it is no help here.
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
    use crate::config::Config;

    #[test]
    fn a_path_is_looked_for_where_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let model_store = ModelStore::new(folder.path(), Some(String::from("config.toml:88")));
        let config = DetectConfig {
            model: Some(folder.path().join("mine.onnx").display().to_string()),
            ..Config::default().detect
        };
        std::fs::write(folder.path().join("mine.onnx"), "no network").unwrap();
        let refused = model_store.detector(&config, Some("chosen")).err().unwrap();
        assert!(refused.reason.contains("mine.onnx: this is no ONNX file"), "{refused}");
    }

    #[test]
    fn the_built_in_model_counts_where_the_former_one_is_gone() {
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
        // Where it was kept, it counts on.
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
    fn what_was_refused_is_looked_at_again_when_somebody_has_touched_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let model_store = ModelStore::in_folder(folder.path());
        let (onnx, card) = (folder.path().join("mine.onnx"), folder.path().join("mine.toml"));
        std::fs::write(&onnx, "no network").unwrap();
        let refused = || model_store.detector(&Config::default().detect, Some("mine")).err().unwrap();
        let say = |reason: &str| model_store.lock_refused().as_mut().unwrap().why.reason = reason.to_owned();
        refused();
        // As if nobody had touched it: the same length and time.
        let time = onnx.metadata().unwrap().modified().unwrap();
        std::fs::write(&onnx, "no picture").unwrap();
        std::fs::File::options().write(true).open(&onnx).unwrap().set_modified(time).unwrap();
        say("as before");
        assert_eq!(refused().reason, "as before");
        let larger = DetectConfig { size: Some((640, 640)), ..Config::default().detect };
        assert_ne!(model_store.detector(&larger, Some("mine")).err().unwrap().reason, "as before");
        refused();
        say("as before");
        if let Some(before) = Instant::now().checked_sub(AGAIN_AFTER) {
            model_store.lock_refused().as_mut().unwrap().at = before;
            assert_ne!(refused().reason, "as before", "it may be another now");
            say("as before");
        }
        std::fs::write(&card, "family = ").unwrap();
        assert_ne!(refused().reason, "as before");
        say("as before");
        std::fs::write(&onnx, "no network at all").unwrap();
        assert_ne!(refused().reason, "as before");
        // Of what is not there at all nothing is kept.
        assert!(model_store.detector(&Config::default().detect, Some("other")).is_err());
        assert!(model_store.lock_refused().is_none());
    }

    #[test]
    fn a_model_is_tried_once_for_as_long_as_its_files_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (onnx, tried) = (folder.path().join("mine.onnx"), folder.path().join("tried"));
        let prover = Prover::of_script(
            folder.path(),
            "echo x >>tried; echo '{\"reason\":\"\",\"hint\":null,\"may_pass\":false}'",
        );
        let model_store = ModelStore::in_folder(folder.path()).with_prover(prover);
        std::fs::write(&onnx, "no network").unwrap();
        let times = |chosen: &str| {
            // The script takes all for good: what is wrong with it is found when it is loaded.
            assert!(model_store.detector(&Config::default().detect, Some(chosen)).is_err());
            *model_store.lock_refused() = None;
            std::fs::read_to_string(&tried).unwrap_or_default().lines().count()
        };
        assert_eq!(times("mine"), 0, "without a description it is not loaded");
        std::fs::write(folder.path().join("mine.toml"), "family = ").unwrap();
        assert_eq!((times("mine"), times("mine")), (1, 1));
        std::fs::write(&onnx, "another file").unwrap();
        assert_eq!(times("mine"), 2);
        std::fs::write(&onnx, "one more file").unwrap();
        let (program, away) = (folder.path().join("program"), folder.path().join("away"));
        std::fs::rename(&program, &away).unwrap();
        assert_eq!(times("mine"), 2, "nothing tries it");
        std::fs::rename(&away, &program).unwrap();
        assert_eq!(times("mine"), 3, "it was not tried then");
    }

    #[test]
    fn the_page_opens_no_file_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let model_store = ModelStore::new(folder.path(), None);
        let path = folder.path().join("mine.onnx");
        std::fs::write(&path, "no network").unwrap();
        for chosen in [path.to_str().unwrap(), "../mine.onnx", "models/../../mine.onnx"] {
            let refused = model_store.detector(&Config::default().detect, Some(chosen)).err().unwrap();
            assert!(refused.reason.contains("no name"), "{refused}");
            let kept = DetectConfig { model: Some(chosen.to_owned()), ..Config::default().detect };
            let refused = model_store.detector(&kept, None).err().unwrap();
            assert!(refused.reason.contains("no name"), "{refused}");
        }
    }

    #[test]
    fn what_the_operator_sets_is_pinned() {
        let pinned_by = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
            pinned_origin(&Config::load(Some(Path::new("/dev/null")), &sets, []).unwrap())
        };
        assert_eq!(pinned_by(&[]), None);
        assert_eq!(pinned_by(&["detect.model=mine"]).as_deref(), Some("--set"));
        assert_eq!(pinned_by(&["detect.backend=motion"]).as_deref(), Some("--set"));
    }

    #[test]
    fn an_unknown_model_is_said_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let model_store = ModelStore::new(folder.path(), Some(String::from("config.toml:88")));
        let refused = model_store.detector(&Config::default().detect, Some("not_there")).err().unwrap();
        assert!(refused.reason.contains("not_there"), "{refused}");
        assert_eq!(model_store.pinned().as_deref(), Some("config.toml:88"));
        assert_eq!(model_store.fetch("not_there").unwrap_err().kind, FaultKind::Unknown);
        assert!(model_store.catalogue().iter().any(|model| model.name == "yolox-nano"));
    }

    #[test]
    fn what_is_here_is_not_fetched_again_and_no_option_of_a_command_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let model_store = ModelStore::in_folder(folder.path());
        std::fs::write(folder.path().join("yolox-nano.onnx"), "a network").unwrap();
        let here = model_store.fetch("yolox-nano").unwrap_err();
        assert_eq!(here.to_string(), "a model called \"yolox-nano\" is here already");
        assert!(here.hint.is_some_and(|hint| !hint.contains("--")));
    }
}
