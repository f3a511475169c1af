//! The installed models: finds, checks and adds them.
//!
//! A model is two files, `NAME.onnx` and its description `NAME.toml`, in one of a few directories. The first
//! directory with the name counts. Only the last one, in the state directory, is written to. Everything here blocks:
//! it reads files, loads networks or downloads.

mod catalogue;
mod description;
mod found;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guess;
mod known_labels;
mod metadata;
mod trial_run;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use catalogue::{
    BUILT_IN, CATALOGUE, CatalogueEntry, FORMER_BUILT_IN, FORMER_BUILT_IN_HINT, FORMER_BUILT_IN_IS_GONE,
};
use catalogue::{BUILT_IN_BYTES, BUILT_IN_SIZE, BUILT_IN_SUM};
pub use found::FoundModel;
pub use trial_run::{Proof, ProofRun};

use crate::onnx::card::InputCard;
use crate::onnx::{Card, Network, format_by_ending, require_engine};
use tallycam_base::private;
use tallycam_base::redact::redact_url;
use tallycam_base::unicode::hex;
use tallycam_base::{Fault, FaultKind};

/// Maximum length of an ONNX file in bytes.
pub const MOST_BYTES: u64 = 256 << 20;
/// Maximum length of a description in bytes.
const LONGEST_DESCRIPTION: u64 = 1 << 20;
/// Time limit of a download.
const DOWNLOAD_WITHIN: Duration = Duration::from_secs(300);

/// The directories with models.
#[derive(Debug, Clone)]
pub struct Models {
    /// In the order of the search; the last is our own, where models are added.
    places: Vec<PathBuf>,
}

/// Options for adding a model.
#[derive(Debug, Clone, Default)]
pub struct Addition {
    /// The name of the new model; `None`: the file's name.
    pub name: Option<String>,
    /// The labels, if neither the file nor the catalogue has them.
    pub labels: Option<Vec<String>>,
    /// Width and height of the input; `None`: the file's own.
    pub size: Option<(u32, u32)>,
    /// The JPEG for the trial run; `None`: the test picture.
    pub picture: Option<PathBuf>,
    /// Replace a model with the same name.
    pub replace: bool,
}

/// A model that was added.
#[derive(Debug, Clone, PartialEq)]
pub struct AddedModel {
    /// Its name.
    pub name: String,
    /// Its ONNX file.
    pub path: PathBuf,
    /// Its description.
    pub card: Card,
    /// The result of the trial run.
    pub proof: Proof,
}

impl Models {
    /// The usual directories, and our own: `models` in `state_directory`.
    ///
    /// The usual ones: `models` in the working directory, `models` beside the program, `share/tallycam/models` where
    /// the program was unpacked, `/usr/share/tallycam/models`.
    pub fn new(state_directory: &Path) -> Models {
        let mut places = vec![PathBuf::from("models")];
        let program = std::env::current_exe().ok();
        places.extend(program.as_deref().and_then(Path::parent).map(|folder| folder.join("models")));
        // For a program that was unpacked elsewhere, its own models win over the system's.
        let beside = program.as_deref().and_then(Path::parent).and_then(Path::parent);
        let shared = beside.map(|folder| folder.join("share/tallycam/models"));
        places.extend(shared.filter(|folder| !folder.starts_with("/usr")));
        places.push(PathBuf::from("/usr/share/tallycam/models"));
        Models::with_places(places, state_directory.join("models"))
    }

    /// Searches `places` in order, then `own`, where models are added.
    pub fn with_places(mut places: Vec<PathBuf>, own: PathBuf) -> Models {
        places.push(own);
        Models { places }
    }

    fn own_directory(&self) -> &Path {
        self.places.last().map_or(Path::new("models"), PathBuf::as_path)
    }

    /// All models, by name. Unusable ones are included, with their problem.
    pub fn list(&self) -> Vec<FoundModel> {
        let mut found: Vec<FoundModel> = Vec::new();
        for place in &self.places {
            let entries = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
            let mut names: Vec<String> = entries.filter_map(|path| model_name(&path)).collect();
            names.sort();
            names.dedup();
            for name in names {
                if !found.iter().any(|model| model.name == name) {
                    found.push(describe_file(place, &name));
                }
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// The description and the bytes of the model `name`, checked against the SHA-256 in the description.
    ///
    /// # Errors
    /// The model does not exist, cannot be read, or does not match its description.
    pub fn load(&self, name: &str) -> Result<(Card, Vec<u8>), Fault> {
        check_name(name)?;
        let place = self.find_place(name).ok_or_else(|| self.unknown_model(name))?;
        let card = read_card(place, name)?;
        let path = file(place, name, "onnx");
        let bytes = read_onnx(&path)?;
        if let Some(wanted) = &card.sha256 {
            let found = sha256(&bytes);
            if found != *wanted {
                return Err(other_file(&path, wanted, &found));
            }
        }
        Ok((card, bytes))
    }

    /// The ONNX file of the model `name`, if it exists.
    pub fn path_of(&self, name: &str) -> Option<PathBuf> {
        check_name(name).ok()?;
        self.find_place(name).map(|place| file(place, name, "onnx"))
    }

    fn find_place(&self, name: &str) -> Option<&PathBuf> {
        self.places.iter().find(|place| has(place, name))
    }

    /// Adds the ONNX file at `path`: describes it unless a description lies beside it, tries it on a picture, and
    /// copies both files into our own directory. Each file appears as a whole.
    ///
    /// # Errors
    /// The network is not usable, or a file cannot be written. Nothing has changed then.
    pub fn add(&self, path: &Path, addition: &Addition) -> Result<AddedModel, Fault> {
        if !path.exists() {
            let names: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name).collect();
            let what = format!("{} is no file here, and no model of the catalogue", path.display());
            return Err(Fault::new(FaultKind::File, what)
                .hint(format!("name a file, its address, or one of the catalogue ({})", names.join(", "))));
        }
        let bytes = read_onnx(path)?;
        let known = catalogue::find_by_sha256(&sha256(&bytes));
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // Users look for a file under its own name. If that cannot be a model's name, the catalogue's is used.
        let name = match (&addition.name, known) {
            (Some(name), _) => name.clone(),
            (None, Some(entry)) if check_name(&stem).is_err() => entry.name.to_owned(),
            (None, _) => stem,
        };
        self.check_name_free(&name, addition.replace)?;
        let (mut card, is_written) = resolve_card(path, &bytes, addition)?;
        // A hand-written description may lack the sum; ours have it.
        card.sha256.get_or_insert_with(|| sha256(&bytes));
        self.save_model(name, &bytes, addition, (card, is_written))
    }

    /// Downloads a model of the catalogue and adds it like a file.
    ///
    /// # Errors
    /// As for [`Models::add`]; also if the catalogue has no such model or the download fails.
    pub fn fetch(&self, name: &str, addition: &Addition) -> Result<AddedModel, Fault> {
        let entry = CATALOGUE.iter().find(|entry| entry.name == name);
        self.fetch_entry(entry.ok_or_else(|| self.unknown_model(name))?, addition)
    }

    /// Downloads an ONNX file from any address and adds it like a file. If `sha256` is given (64 digits of either
    /// case), the file must match it.
    ///
    /// # Errors
    /// As for [`Models::add`]; also if the download fails or the sum differs.
    pub fn fetch_from(
        &self,
        url: &str,
        sha256: Option<&str>,
        addition: &Addition,
    ) -> Result<AddedModel, Fault> {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let file = path.split_once("://").and_then(|(_, rest)| rest.rsplit_once('/')).map(|(_, file)| file);
        let stem = file
            .map(Path::new)
            .and_then(|file| if is_onnx(file) { file.file_stem() } else { file.file_name() });
        let stem = stem.unwrap_or_default().to_string_lossy();
        let name = addition.name.clone().unwrap_or_else(|| stem.into_owned());
        // Checked first, so that no download is wasted.
        self.check_name_free(&name, addition.replace)?;
        let bytes = download(url, MOST_BYTES)?;
        let found = self::sha256(&bytes);
        if sha256.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(&found)) {
            return Err(wrong_download(&redact_url(url), &found));
        }
        let card = describe(&bytes, addition, catalogue::find_by_sha256(&found))?;
        self.save_model(name, &bytes, addition, (card, false))
    }

    /// Downloads the model of `entry` and adds it.
    ///
    /// # Errors
    /// As for [`Models::fetch`].
    pub(crate) fn fetch_entry(
        &self,
        entry: &CatalogueEntry,
        addition: &Addition,
    ) -> Result<AddedModel, Fault> {
        let name = addition.name.clone().unwrap_or_else(|| entry.name.to_owned());
        // Checked first, so that no download is wasted.
        self.check_name_free(&name, addition.replace)?;
        // A user who gives another name or forces it wants a second copy.
        if addition.name.is_none()
            && !addition.replace
            && let Some(there) =
                self.list().into_iter().find(|model| entry.matches(model) && model.name != name)
        {
            let there = there.name;
            let what = format!("{name} of the catalogue is here already: it is called {there}");
            return Err(Fault::new(FaultKind::Taken, what).hint(format!(
                "set `detect.model = {there:?}` to count with it, or fetch it once more with --name or --force"
            )));
        }
        let bytes = download(entry.url, entry.bytes)?;
        let found = sha256(&bytes);
        if found != entry.sha256 {
            return Err(wrong_download(entry.url, &found));
        }
        let card = describe(&bytes, addition, Some(entry))?;
        self.save_model(name, &bytes, addition, (card, false))
    }

    /// Runs the model `name` on the picture and at the size of `addition`.
    ///
    /// # Errors
    /// It cannot be loaded or run.
    pub fn check(&self, name: &str, addition: &Addition) -> Result<(Card, Proof), Fault> {
        let (card, bytes) = self.load(name)?;
        let picture = addition.picture.as_deref();
        let proof = trial_run::prove_new_model(name, &bytes, (&card, true), addition.size, picture)?;
        Ok((card, proof))
    }

    /// Runs the ONNX file at `path` on a picture, with the description beside it or the one that adding it would
    /// make.
    ///
    /// # Errors
    /// It is not usable.
    pub fn check_file(&self, path: &Path, addition: &Addition) -> Result<(Card, Proof), Fault> {
        let bytes = read_onnx(path)?;
        let (card, is_written) = resolve_card(path, &bytes, addition)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let picture = addition.picture.as_deref();
        let proof = trial_run::prove_new_model(&name, &bytes, (&card, is_written), addition.size, picture)?;
        Ok((card, proof))
    }

    fn save_model(
        &self,
        name: String,
        bytes: &[u8],
        addition: &Addition,
        (card, is_written): (Card, bool),
    ) -> Result<AddedModel, Fault> {
        self.check_name_free(&name, addition.replace)?;
        let picture = addition.picture.as_deref();
        let proof = trial_run::prove_new_model(&name, bytes, (&card, is_written), None, picture)?;
        let own = self.own_directory();
        let path = file(own, &name, "onnx");
        let description = description::write(&card);
        let written = private::make_directory(own)
            .and_then(|()| private::replace(&path, bytes))
            .and_then(|()| private::replace(&file(own, &name, "toml"), description.as_bytes()));
        written.map_err(|error| {
            Fault::new(FaultKind::File, format!("{} cannot be written: {error}", path.display()))
        })?;
        Ok(AddedModel { name, path, card, proof })
    }

    /// Checks that a model may be added under this name.
    fn check_name_free(&self, name: &str, replace: bool) -> Result<(), Fault> {
        require_engine()?;
        check_name(name)?;
        let Some(place) = self.find_place(name) else { return Ok(()) };
        let is_own = place == self.own_directory();
        if is_own && replace {
            return Ok(());
        }
        let what = format!("{} is there already", file(place, name, "onnx").display());
        Err(Fault::new(FaultKind::Taken, what).hint(match is_own {
            true => "--force replaces it, or give the new one another name with --name",
            false => "give the new one another name with --name",
        }))
    }

    fn unknown_model(&self, name: &str) -> Fault {
        let known: Vec<String> = self.list().into_iter().map(|model| model.name).collect();
        Fault::new(FaultKind::Unknown, format!("there is no model called {name:?}")).hint(match known[..] {
            [] => {
                String::from("`tallycam model add FILE` adds one; `tallycam model list` shows the catalogue")
            }
            _ => format!("there are: {}", known.join(", ")),
        })
    }
}

/// The description and the bytes of the ONNX file at `path`. The description comes from the file beside it, or else
/// from the catalogue or the ONNX file itself.
///
/// # Errors
/// It cannot be read, or its format is not recognized.
pub fn load_file(path: &Path) -> Result<(Card, Vec<u8>), Fault> {
    let bytes = read_onnx(path)?;
    let (card, _) = resolve_card(path, &bytes, &Addition::default())?;
    Ok((card, bytes))
}

/// Loads the ONNX file at `path` for the input `size` (default: its own) and runs it once with `threads` threads.
///
/// # Errors
/// It is not usable.
pub fn try_model_file(path: &Path, size: Option<(u32, u32)>, threads: usize) -> Result<Proof, Fault> {
    let (card, bytes) = load_file(path)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    trial_run::prove_model(&name, &bytes, &card, (size, threads), None)
}

/// Whether the file at `path` is the built-in model or one of the catalogue, at the input size of its description.
/// Those were tried before the release. Other files are not even read.
pub fn is_already_proved(path: &Path) -> bool {
    let has_length = |bytes| path.metadata().is_ok_and(|found| found.len() == bytes);
    if !has_length(BUILT_IN_BYTES) && !CATALOGUE.iter().any(|entry| has_length(entry.bytes)) {
        return false;
    }
    let Ok(bytes) = read_onnx(path) else { return false };
    let sum = sha256(&bytes);
    let own = match catalogue::find_by_sha256(&sum) {
        Some(entry) => description::read(entry.description).ok().and_then(|card| card.input.size),
        None if sum == BUILT_IN_SUM => Some(BUILT_IN_SIZE),
        None => return false,
    };
    // Last, because without a description the network itself must be read.
    resolve_card(path, &bytes, &Addition::default())
        .is_ok_and(|(card, _)| card.input.size.is_none() || card.input.size == own)
}

/// Whether the file has the extension `.onnx`, in any case.
pub fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
}

/// The description of the ONNX file at `path`: the one beside it, with the given labels and size if any; otherwise the
/// catalogue's, or a guess from the file. A file beside it with width and height alone says only these. The flag tells
/// that somebody wrote it.
fn resolve_card(path: &Path, bytes: &[u8], addition: &Addition) -> Result<(Card, bool), Fault> {
    let sum = sha256(bytes);
    let described = path.with_extension("toml");
    if !is_onnx(path) || !described.exists() {
        return Ok((describe(bytes, addition, catalogue::find_by_sha256(&sum))?, false));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let place = path.parent().unwrap_or(Path::new(""));
    if let Some(size) = read_description(place, &name).ok().and_then(|text| description::read_size(&text)) {
        let addition = Addition { size: addition.size.or(Some(size)), ..addition.clone() };
        return Ok((describe(bytes, &addition, catalogue::find_by_sha256(&sum))?, false));
    }
    let mut card = read_card(place, &name)?;
    card.input.size = addition.size.or(card.input.size);
    if let Some(wanted) = card.sha256.as_ref().filter(|wanted| **wanted != sum) {
        return Err(other_file(path, wanted, &sum));
    }
    if let Some(labels) = &addition.labels {
        card.labels.clone_from(labels);
        // Only the labels are ever noted as guessed.
        card.guessed.clear();
        card.check().map_err(|error| wrong_description(&described, &error))?;
    }
    Ok((card, true))
}

/// Describes a network that has no description yet.
fn describe(bytes: &[u8], addition: &Addition, known: Option<&CatalogueEntry>) -> Result<Card, Fault> {
    if let (Some(entry), None) = (known, &addition.labels) {
        let path = Path::new(entry.name).with_extension("toml");
        let card = description::read(entry.description).map_err(|error| wrong_description(&path, &error))?;
        let size = addition.size.or(card.input.size);
        return Ok(Card { input: InputCard { size, ..card.input }, ..card });
    }
    let mut network = Network::load(bytes, addition.size, 1)?;
    let facts = metadata::read_facts(network.origin());
    let picture = trial_run::test_image()?;
    let mut card = guess::guess_description(&mut network, &facts, addition.labels.as_deref(), &picture)?;
    card.sha256 = Some(sha256(bytes));
    Ok(card)
}

/// Downloads the file at `url`, at most `most` bytes.
fn download(url: &str, most: u64) -> Result<Vec<u8>, Fault> {
    tallycam_camera::source::url::download(url, most, DOWNLOAD_WITHIN).map_err(|trouble| {
        let (url, reason) = (redact_url(url), trouble.line());
        Fault::new(FaultKind::Unreachable, format!("{url} cannot be fetched: {reason}")).hint(by_hand(&url))
    })
}

fn wrong_download(url: &str, found: &str) -> Fault {
    let what = format!("{url} is another file than it should be (SHA-256 {found}); nothing was added");
    Fault::wrong(what).hint(by_hand(url))
}

fn by_hand(url: &str) -> String {
    format!("on a computer with internet download {url}, copy it here, and run `tallycam model add FILE`")
}

fn wrong_description(path: &Path, error: &Fault) -> Fault {
    let what = format!("{}: {error}", path.display());
    Fault::wrong(what).hint("models/README.md explains every key of a description")
}

/// The fault of a file that does not match its description.
fn other_file(path: &Path, wanted: &str, found: &str) -> Fault {
    Fault::wrong(format!(
        "{} is damaged or another file: its SHA-256 is {found}, its description says {wanted}",
        path.display()
    ))
    .hint("copy or fetch it again; if you changed it on purpose, correct sha256 in its .toml")
}

fn unread(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(FaultKind::File, format!("{} cannot be read: {error}", path.display()))
}

/// SHA-256 as 64 lower-case digits.
fn sha256(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes))
}

fn file(place: &Path, name: &str, ending: &str) -> PathBuf {
    place.join(format!("{name}.{ending}"))
}

fn has(place: &Path, name: &str) -> bool {
    ["toml", "onnx"].iter().any(|ending| file(place, name, ending).exists())
}

/// The name of the model that a file belongs to.
fn model_name(path: &Path) -> Option<String> {
    let ending = path.extension()?;
    let name = path.file_stem()?.to_str()?;
    ((ending == "onnx" || ending == "toml") && check_name(name).is_ok()).then(|| name.to_owned())
}

/// Checks a model's name. Names become parts of file names and of addresses.
fn check_name(name: &str) -> Result<(), Fault> {
    let sound = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    // `[detect] backend` and `--model` use these words for other things.
    let is_taken = ["auto", "onnx", "motion", "replay", "none"].contains(&name);
    if !sound || is_taken || name.is_empty() || name.starts_with('.') || name.len() > 100 {
        return Err(Fault::wrong(format!("{name:?} is no name for a model")).hint(
            "letters, digits, - and _ make a name (but for auto, onnx, motion, replay, none); give one with --name",
        ));
    }
    Ok(())
}

fn describe_file(place: &Path, name: &str) -> FoundModel {
    let path = file(place, name, "onnx");
    let (bytes, missing) = match fs::metadata(&path) {
        Ok(metadata) => (metadata.len(), None),
        Err(error) => (0, Some(unread(&path, &error))),
    };
    let usable = require_engine().and_then(|()| read_card(place, name));
    let (card, problem) = match (usable, missing) {
        (Ok(card), None) => (Some(card), None),
        (Ok(card), Some(missing)) => (Some(card), Some(missing.to_string())),
        (Err(error), _) => (None, Some(error.to_string())),
    };
    FoundModel { name: name.to_owned(), path, bytes, card, problem }
}

fn read_card(place: &Path, name: &str) -> Result<Card, Fault> {
    let text = read_description(place, name)?;
    description::read(&text).map_err(|error| wrong_description(&file(place, name, "toml"), &error))
}

fn read_description(place: &Path, name: &str) -> Result<String, Fault> {
    let path = file(place, name, "toml");
    let mut text = String::new();
    let read =
        fs::File::open(&path).and_then(|file| file.take(LONGEST_DESCRIPTION).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let onnx = file(place, name, "onnx");
            Err(Fault::wrong(format!("{} has no description beside it", onnx.display()))
                .hint(format!("`tallycam model add {}` finds out what it is", onnx.display())))
        }
        Err(error) => Err(unread(&path, &error)),
    }
}

/// The bytes of the ONNX file at `path`, at most [`MOST_BYTES`].
fn read_onnx(path: &Path) -> Result<Vec<u8>, Fault> {
    let failed = |error| unread(path, &error);
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    if let Some((what, instead)) = format_by_ending(&ending) {
        return Err(Fault::wrong(format!("this is no ONNX file but {what}")).hint(instead));
    }
    let file = fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let (length, kind) = (metadata.len(), metadata.file_type());
    // For example /dev/zero, which has no length and never ends.
    if kind.is_char_device() || kind.is_block_device() {
        return Err(failed(std::io::Error::other("it is a device, not a file")));
    }
    let mut bytes = Vec::new();
    if length <= MOST_BYTES {
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if length > MOST_BYTES || bytes.len() as u64 > MOST_BYTES {
        let bytes = length.max(bytes.len() as u64);
        return Err(Fault::wrong(format!("{} is too large for a model: {bytes} bytes", path.display())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
