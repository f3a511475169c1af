//! The page Models: the detector in use, the installed models, and the catalogue.

use std::fmt::Write;

use serde::Serialize;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::{CountingReport, Head, Reader, RefusalReason};
use crate::ui::form::{field, form_to};
use crate::ui::format::{bytes, maybe_sentence, sentence};
use crate::ui::frame::{PageFrame, Tab, refusal_html};
use crate::ui::live::counting::describe_rate;

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelsPage {
    pub head: Head,
    /// The detector in use and its speed.
    pub counting: CountingReport,
    /// The model that was chosen on the page, if any.
    pub chosen: Option<String>,
    /// The place in the operator's file that pins the model (`config.toml:88`).
    pub pinned: Option<String>,
    /// Installed models.
    pub found: Vec<ModelRow>,
    /// Models to download.
    pub catalogue: Vec<CatalogueModel>,
    /// The refusal of the last request.
    pub refused: Option<RefusalReason>,
}

/// A model that is on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ModelRow {
    pub name: String,
    /// A phrase for people: `People, bicycles, vehicles (built in)`; may be empty.
    pub about: String,
    /// Its family: `ssd`, `yolox`, …
    pub family: String,
    /// Input size: width and height in pixels.
    #[schemars(with = "Option<[u32; 2]>")]
    pub input: Option<(u32, u32)>,
    /// Number of classes.
    pub classes: usize,
    pub licence: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// It is in use.
    #[serde(rename = "in_use")]
    pub is_in_use: bool,
    /// Guessed parts of its description, a sentence each.
    #[serde(rename = "notes")]
    pub guessed: Vec<String>,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct CatalogueModel {
    pub name: String,
    /// Its purpose.
    pub about: String,
    pub licence: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Download address.
    #[schemars(extend("format" = "uri"))]
    pub url: String,
    /// It is installed.
    #[serde(rename = "installed")]
    pub is_here: bool,
}

/// The page as HTML, at `models`.
///
/// It posts `models?do=use` and `models?do=fetch`, each with a field `name`, and `models?do=motion`. An empty name
/// for `use` means the configured model. The answer is a 303 to `models`, or this page with [`ModelsPage::refused`].
pub fn models_page(page: &ModelsPage) -> String {
    let main = format!(
        include_str!("models.html"),
        refused = page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        by = detector_name(&page.counting),
        state = state(&page.counting),
        speed = speed(&page.counting),
        classes = classes(&page.counting),
        chosen = chosen_html(page),
        motion = match &page.counting.pinned {
            _ if page.counting.backend == "motion" || !can_choose(page) => String::new(),
            Some(place) => format!("<p class=\"small muted\">The detector is set in {}.</p>", Text(place)),
            None => motion(),
        },
        found = found_html(page),
        catalogue = catalogue(page),
    );
    PageFrame::new(&page.head, Tab::Models, "Models", &["page.js", "head.js"])
        .for_changes_by(Reader::Admin)
        .render(&main)
}

/// True if the reader may choose another model.
fn can_choose(page: &ModelsPage) -> bool {
    page.pinned.is_none() && page.head.reader == Reader::Admin
}

/// The button that counts by motion.
fn motion() -> String {
    format!(
        "{}{}<button class=\"btn\" id=\"motion\">Count by motion</button> <span class=\"small muted\">No model: \
         everything \
         that moves counts.</span></form>\n",
        form_to("patch", "api/v1/settings", "models", " class=\"row field\""),
        field("detect.backend", "motion"),
    )
}

/// The name of the detector in use.
fn detector_name(facts: &CountingReport) -> String {
    match (facts.backend, facts.model.as_str()) {
        ("", _) => "Loads with the first frame.".into(),
        ("motion", _) => "Motion: no model, low CPU use, everything that moves counts.".into(),
        ("replay", _) => "Recorded detections, played again.".into(),
        (_, model) => Text(model).to_string(),
    }
}

fn state(facts: &CountingReport) -> String {
    if facts.state == "counting" {
        return "Counting".into();
    }
    let why = format!(
        "{} {}",
        MarkedText(&maybe_sentence(&facts.reason)),
        MarkedText(&maybe_sentence(&facts.hint))
    );
    if why.trim().is_empty() { "Not counting now".into() } else { why.trim().to_owned() }
}

/// As in "9.8 fps (61 ms), 52 ms of it inference".
fn speed(facts: &CountingReport) -> String {
    let part = if facts.detections_per_second > 0.0 && facts.inference_ms > 0.0 {
        format!(", {:.0} ms of it inference", facts.inference_ms)
    } else {
        String::new()
    };
    describe_rate(facts) + &part
}

fn classes(facts: &CountingReport) -> String {
    if !facts.tells_classes {
        return "none (motion)".into();
    }
    let few: Vec<&str> = facts.labels.iter().take(6).map(String::as_str).collect();
    let more = facts.labels.len() - few.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", Text(&few.join(", ")))
}

/// The origin of the choice.
fn chosen_html(page: &ModelsPage) -> String {
    if let Some(origin) = &page.pinned {
        return format!("<code>{}</code>. It can be changed only there.", Text(origin));
    }
    match &page.chosen {
        Some(name) if !can_choose(page) => format!("on this page: {}", Text(name)),
        Some(name) => format!(
            "on this page: {} {}{}<button class=\"btn\">Use the default</button></form>",
            Text(name),
            form_to("put", "api/v1/model", "models", " class=\"inline\""),
            field("name", ""),
        ),
        None => "default".into(),
    }
}

/// The installed models, each with a button, or the reason why it cannot be used.
fn found_html(page: &ModelsPage) -> String {
    if page.found.is_empty() {
        return "<p><b>No model is installed.</b> <span class=\"muted\">Download one below, or count by \
            motion.</span></p>"
            .into();
    }
    let mut rows = String::new();
    for model in &page.found {
        let act = match &model.problem {
            Some(problem) => format!("<span class=\"bad\">{}</span>", MarkedText(&sentence(problem))),
            None if model.is_in_use => "<b>In use</b>".into(),
            None if !can_choose(page) => String::new(),
            None => format!(
                "{}{}<button class=\"btn\">Use <span class=\"sr\">{}</span></button></form>",
                form_to("put", "api/v1/model", "models", ""),
                field("name", &model.name),
                Text(&model.name)
            ),
        };
        let title = if model.about.is_empty() { &model.name } else { &model.about };
        let mut about = vec![model.family.clone()];
        if title != &model.name {
            about.insert(0, model.name.clone());
        }
        about.extend(model.input.map(|(width, height)| format!("{width} × {height}")));
        about.push(if model.classes == 1 { "1 class".into() } else { format!("{} classes", model.classes) });
        about.push(bytes(model.bytes));
        about.push(model.licence.clone());
        about.retain(|part| !part.is_empty());
        let guessed: String = model
            .guessed
            .iter()
            .map(|note| format!("<p class=\"small\">{}</p>", MarkedText(&sentence(note))))
            .collect();
        let _ = write!(
            rows,
            "<li><div><b>{}</b><p class=\"small muted\">{}</p>{guessed}</div><div class=\"act\">{act}</div></li>",
            Text(title),
            Text(&about.join(", ")),
        );
    }
    format!("<ul class=\"rows\">{rows}</ul>")
}

/// The models to download.
fn catalogue(page: &ModelsPage) -> String {
    if page.catalogue.is_empty() {
        return "<p class=\"muted\">The catalogue is empty.</p>".into();
    }
    let mut rows = String::new();
    for model in &page.catalogue {
        let act = if model.is_here {
            "<span class=\"muted\">Installed</span>".into()
        } else if page.head.reader < Reader::Admin {
            String::new()
        } else {
            format!(
                "{}{}<button class=\"btn\">Download <span class=\"sr\">{}</span></button></form>",
                form_to("post", "api/v1/model/fetch", "models", ""),
                field("name", &model.name),
                Text(&model.name)
            )
        };
        let _ = write!(
            rows,
            "<li><div><b>{}</b><p>{}</p><p class=\"small muted\">{}, {}<br><code>{}</code></p></div><div \
             class=\"act\">{act}</div></li>",
            Text(&model.name),
            Text(&model.about),
            bytes(model.bytes),
            Text(&model.licence),
            Text(&model.url),
        );
    }
    format!("<ul class=\"rows\">{rows}</ul>")
}
