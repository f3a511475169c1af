//! `tallycam model list|check|add`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use serde_json::{Value, json};

use crate::cli::common::terminal::{Of, Progress};
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::daemon::counting::state_directory;
use crate::daemon::model_sandbox::{SandboxVerdict, WITHIN};
use tallycam_base::set_nice_only;
use tallycam_vision::models::{self, Addition, CATALOGUE, FoundModel, Models, Proof, ProofRun};
use tallycam_vision::onnx::{Card, require_engine};

/// List, check or add detection models.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    List(ModelListArgs),
    Check(ModelCheckArgs),
    Add(ModelAddArgs),
    #[command(hide = true)]
    Prove(ModelProveArgs),
}

/// Show installed models, and those that can be downloaded.
///
/// Searched: ./models, beside the program, /usr/share/tallycam/models and the state directory.
#[derive(Debug, Args)]
pub struct ModelListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Run a model on a picture and show its detections.
#[derive(Debug, Args)]
pub struct ModelCheckArgs {
    /// Name of an installed model, or an ONNX file
    #[arg(value_name = "NAME|FILE")]
    model: String,
    #[command(flatten)]
    trial: ModelTrial,
}

/// Add an ONNX file, from this machine or a URL, or a model of the catalogue.
///
/// Its outputs show the kind of model (YOLOX, YOLOv5, v8, v11, SSD, NanoDet, PicoDet, or final boxes). It is tested on
/// a picture, and copied into the state directory with a description that can be edited.
#[derive(Debug, Args)]
pub struct ModelAddArgs {
    /// The ONNX file, its URL (http:// or https://), or a name of the catalogue (see `tallycam model list`)
    #[arg(value_name = "FILE|URL|NAME")]
    model: String,
    /// Required SHA-256 of a downloaded file
    #[arg(long, value_name = "64 DIGITS")]
    sha256: Option<String>,
    /// Name of the model; default: the file's name
    #[arg(long)]
    name: Option<String>,
    /// Replace a model of that name
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    trial: ModelTrial,
}

/// Test a model for the service. A crash ends only this process.
#[derive(Debug, Args)]
pub struct ModelProveArgs {
    /// Memory limit in bytes
    #[arg(long)]
    memory: u64,
    /// Frame size, for example 416x416
    #[arg(long, value_parser = parse_size)]
    size: Option<(u32, u32)>,
    /// Number of threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=16))]
    threads: u64,
    file: PathBuf,
}

/// Options of a trial run.
#[derive(Debug, Args)]
struct ModelTrial {
    /// JPEG to test it on; default: a built-in photograph
    #[arg(long, value_name = "JPEG")]
    picture: Option<PathBuf>,
    /// File with the names of its classes, one per line
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Size of its input in pixels, for a model that leaves it open, for example 640x640
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size)]
    size: Option<(u32, u32)>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ModelCommand {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        require_engine()?;
        match self {
            ModelCommand::List(list) => list.run(given),
            ModelCommand::Check(check) => check.run(given),
            ModelCommand::Add(add) => add.run(given),
            ModelCommand::Prove(prove) => prove.run(),
        }
    }
}

impl ModelListArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let models = models(given)?.list();
        if self.json {
            return print_json(&json!({
                "items": models.iter().map(model_to_json).collect::<Vec<_>>(),
                "catalogue": CATALOGUE.iter().map(|entry| json!({
                    "name": entry.name,
                    "about": entry.about,
                    "licence": entry.licence,
                    "bytes": entry.bytes,
                    "url": entry.url,
                    "installed": entry.is_installed(&models),
                })).collect::<Vec<_>>(),
            }));
        }
        let mut out = String::new();
        for model in &models {
            out.push_str(&model_to_text(model));
        }
        if models.is_empty() {
            out.push_str("no models installed\n");
        }
        for entry in CATALOGUE.iter().filter(|entry| !entry.is_installed(&models)) {
            let megabytes = entry.bytes as f64 / 1e6;
            out.push_str(&format!(
                "\ncan be downloaded: tallycam model add {} ({megabytes:.1} MB, {})\n    {}\n",
                entry.name, entry.licence, entry.about
            ));
        }
        print_stdout(&out)
    }
}

impl ModelCheckArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let models = models(given)?;
        let path = Path::new(&self.model);
        let (card, proof) = if path.is_file() {
            models.check_file(path, &self.trial.addition()?)
        } else if self.trial.labels.is_some() {
            return Err(Failure::usage("--labels is for a file; an installed model has its labels"));
        } else {
            models.check(&self.model, &self.trial.addition()?)
        }?;
        let name =
            path.file_stem().map_or_else(|| self.model.clone(), |stem| stem.to_string_lossy().into_owned());
        if self.trial.json {
            return print_json(&proof_as_json(&name, &card, &proof));
        }
        let is_good = !proof.seen.is_empty() && proof.doubt.is_none();
        let verdict = if is_good { "is good" } else { "can be run" };
        print_stdout(&format!(
            "{name} {verdict}: {}\n{}",
            format_card(&card, &proof),
            proof_as_text(&card, &proof)
        ))
    }
}

impl ModelProveArgs {
    fn run(&self) -> Result<(), Failure> {
        self.limit_resources();
        print_json(&SandboxVerdict::from_result(models::try_model_file(
            &self.file,
            self.size,
            self.threads as usize,
        )))
    }

    /// A failed limit is ignored: the service also limits its own wait.
    fn limit_resources(&self) {
        let at_most = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
        let limits = [
            (Resource::Data, self.memory),
            // CPU seconds of all threads together.
            (Resource::Cpu, WITHIN.as_secs() * self.threads),
            // The process may well crash, and nobody reads its core file.
            (Resource::Core, 0),
        ];
        for (resource, most) in limits {
            if let Err(error) = setrlimit(resource, at_most(most)) {
                log::debug!("{resource:?} cannot be limited: {error}");
            }
        }
        // The parent thread runs in the idle class, where a trial could starve unnoticed.
        if let Err(error) = set_nice_only() {
            log::debug!("it stays of the class it is of: {error}");
        }
        // The process must end with its parent and be the first to go when memory is short.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        let _ = fs::write("/proc/self/oom_score_adj", "1000");
    }
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let side = |text: &str| text.parse().map_err(|_| String::from("a size is WIDTHxHEIGHT"));
    let (width, height) = text.split_once('x').unwrap_or((text, ""));
    Ok((side(width)?, side(height)?))
}

impl ModelAddArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let models = models(given)?;
        let addition = Addition { name: self.name.clone(), replace: self.force, ..self.trial.addition()? };
        let path = Path::new(&self.model);
        let is_listed = CATALOGUE.iter().any(|entry| entry.name == self.model);
        let is_address = ["http://", "https://"].iter().any(|scheme| self.model.starts_with(scheme));
        if self.sha256.is_some() && !is_address {
            return Err(Failure::usage("--sha256 is for an address"));
        }
        let progress = Progress::new(&format!("adding {}", self.model), Of::Unknown);
        let added = match (is_address, is_listed && !path.is_file()) {
            (true, _) => models.fetch_from(&self.model, self.sha256.as_deref(), &addition),
            (_, true) => models.fetch(&self.model, &addition),
            _ => models.add(path, &addition),
        }?;
        drop(progress);
        if self.trial.json {
            let mut value = proof_as_json(&added.name, &added.card, &added.proof);
            value["path"] = json!(added.path);
            return print_json(&value);
        }
        print_stdout(&format!(
            "added {} as {}: {}\n{}its description, which can be edited: {}\n",
            added.name,
            added.path.display(),
            format_card(&added.card, &added.proof),
            proof_as_text(&added.card, &added.proof),
            added.path.with_extension("toml").display(),
        ))
    }
}

impl ModelTrial {
    fn addition(&self) -> Result<Addition, Failure> {
        let labels = match &self.labels {
            None => None,
            Some(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| Failure::io(format!("{} cannot be read: {error}", path.display())))?;
                let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
                Some(names.map(str::to_owned).collect())
            }
        };
        Ok(Addition { labels, size: self.size, picture: self.picture.clone(), ..Addition::default() })
    }
}

fn models(given: &ConfigArgs) -> Result<Models, Failure> {
    let resolved = given.load()?;
    Ok(Models::new(&state_directory(&resolved.config)))
}

fn model_to_text(model: &FoundModel) -> String {
    let path = model.path.display();
    let (Some(card), None) = (&model.card, &model.problem) else {
        let problem = model.problem.as_deref().unwrap_or_default();
        return format!("{}: cannot be used: {problem}\n", model.name);
    };
    let size = card.input.size.map_or_else(String::new, |(width, height)| format!(", {width}×{height}"));
    let licence = if card.licence.is_empty() { "licence not known" } else { &card.licence };
    let (family, classes) = (card.family.as_str(), classes(card));
    let notes: String = card.guessed.iter().map(|note| format!("    note: {note}\n")).collect();
    let about = if card.about.is_empty() { String::new() } else { format!("{}\n    ", card.about) };
    format!("{}: {about}{family}{size}, {classes}, {licence}\n    {path}\n{notes}", model.name)
}

fn model_to_json(model: &FoundModel) -> Value {
    let card = model.card.as_ref();
    json!({
        "name": model.name,
        "path": model.path,
        "bytes": model.bytes,
        "family": card.map(|card| card.family.as_str()),
        "input": card.and_then(|card| card.input.size).map(|(width, height)| [width, height]),
        "classes": card.map(|card| card.labels.len()),
        "labels": card.map(|card| &card.labels),
        "licence": card.map(|card| &card.licence),
        "about": card.map(|card| &card.about),
        "notes": card.map(|card| &card.guessed),
        "problem": model.problem,
    })
}

fn classes(card: &Card) -> String {
    match &card.labels[..] {
        [one] => format!("one class ({one})"),
        many => format!("{} classes", many.len()),
    }
}

fn format_card(card: &Card, proof: &Proof) -> String {
    let (width, height) = proof.input;
    format!("family {}, looks at {width}×{height}, {}", card.family.as_str(), classes(card))
}

/// Largest number of detections that are listed.
const MOST_TOLD: usize = 30;

/// The guesses about the model, and the doubt.
fn notes<'a>(card: &'a Card, proof: &'a Proof) -> impl Iterator<Item = &'a String> {
    card.guessed.iter().chain(&proof.doubt)
}

fn proof_as_text(card: &Card, proof: &Proof) -> String {
    let Proof { picture, detection_ms, sure_score, .. } = proof;
    let mut notes: String = notes(card, proof).map(|note| format!("note: {note}\n")).collect();
    if proof.is_quantised {
        notes.push_str("note: it is quantised (int8); the same model in floats is faster here\n");
    }
    let groups = card.grouped_labels();
    let groups: Vec<String> = groups.groups().iter().map(|names| names.join(", ")).collect();
    if !groups.is_empty() {
        notes.push_str(&format!("boxes of these are one thing where they overlap: {}\n", groups.join("; ")));
    }
    if proof.seen.is_empty() {
        return format!(
            "it sees nothing on {picture}, with a score of {sure_score} or more ({detection_ms:.0} ms): give --picture \
             with a photograph of what it was trained for\n{notes}"
        );
    }
    let mut out = format!("in {picture} it saw, in {detection_ms:.0} ms:\n");
    for ProofRun { class, score, bounds } in proof.seen.iter().take(MOST_TOLD) {
        let [left, top, right, bottom] = bounds.map(|share| (share * 100.0).round());
        out.push_str(&format!("    {class} {score:.2}, from {left} % {top} % to {right} % {bottom} %\n"));
    }
    if proof.seen.len() > MOST_TOLD {
        let more = proof.seen.len() - MOST_TOLD;
        out.push_str(&format!("    and {more} more; so many may be false: see --json\n"));
    }
    out.push_str(&notes);
    out
}

fn proof_as_json(name: &str, card: &Card, proof: &Proof) -> Value {
    let seen: Vec<Value> = proof
        .seen
        .iter()
        .map(|seen| json!({"class": seen.class, "score": seen.score, "box": seen.bounds}))
        .collect();
    json!({
        "name": name,
        "family": card.family.as_str(),
        "input": [proof.input.0, proof.input.1],
        "classes": card.labels.len(),
        "labels": card.labels,
        "picture": proof.picture,
        "picture_size": [proof.of.0, proof.of.1],
        "detection_ms": proof.detection_ms,
        "sure_score": proof.sure_score,
        "seen": seen,
        "sees_nothing": proof.seen.is_empty(),
        "quantised": proof.is_quantised,
        "groups": card.grouped_labels().groups(),
        "notes": notes(card, proof).collect::<Vec<_>>(),
    })
}
