//! Parts that the forms of lines and zones share.

use std::iter;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::RefusalReason;
use crate::ui::form::{field, form_to};
use crate::ui::format::{capital, sentence};

/// The start of a line's or zone's form, with the button that Enter presses.
pub(super) fn shape_form(kind: &str, id: Option<u64>, version: Option<u64>) -> String {
    let (method, address, next) = match id {
        Some(id) => ("put", format!("api/v1/{kind}s/{id}"), format!("lines?{kind}={id}")),
        None => ("post", format!("api/v1/{kind}s"), format!("lines?{kind}={{id}}")),
    };
    let version = version.map_or_else(String::new, |version| field("_version", &version.to_string()));
    let save = format!("<button class=\"sr\" tabindex=\"-1\" aria-hidden=\"true\">Save {kind}</button>");
    let more = " id=\"form\" autocomplete=\"off\" data-swap=\"title list\"";
    form_to(method, &address, &next, more) + &version + &save
}

/// The last value of this field, trimmed; empty if there is none.
pub(super) fn named(fields: &[(String, String)], name: &str) -> String {
    let all = fields.iter().filter(|(own, _)| own == name);
    all.map(|(_, value)| value.trim()).next_back().unwrap_or_default().to_owned()
}

pub(super) fn class_names(fields: &[(String, String)]) -> Vec<String> {
    let ticked = fields.iter().filter(|(own, value)| own == "classes" && !value.trim().is_empty());
    ticked.map(|(_, value)| value.trim().to_owned()).collect()
}

/// The reasons of a refusal and its remedy, in sentences, as HTML.
pub(super) fn reasons(why: &RefusalReason) -> String {
    // With several wrong fields, the detail is the first one's.
    let others = why.errors.iter().skip(1).map(|(_, words)| sentence(&capital(words)));
    let all: Vec<String> =
        iter::once(sentence(&why.detail)).chain(others).chain([sentence(&why.hint)]).collect();
    MarkedText(all.join(" ").trim_end()).to_string()
}

/// Instructions for drawing, with and without a script.
pub(super) fn how_to_draw(words: &str, ends: &str) -> String {
    format!(
        "<span id=\"how-js\" hidden>{words} {KEYS}</span><noscript>Its {ends} are numbers, under Advanced.</noscript>"
    )
}

const KEYS: &str = "Arrow keys move one; with Shift, further. Esc cancels.";

/// The question before a line or zone is deleted.
pub(super) fn ask_to_delete(name: &str, stays: &str) -> String {
    format!(
        "<div class=\"ask\"><p><b>Delete {}?</b> It cannot be undone. {stays}</p><p class=\"row\"><button class=\"btn \
         danger\" \
         id=\"delete\" name=\"_method\" value=\"delete\" formnovalidate>Delete now</button></p></div>",
        Text(name)
    )
}

/// The line or zone to edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenShape {
    /// `line=7`; an unknown number means [`ChosenShape::First`].
    Line(u64),
    /// `line=new`.
    NewLine,
    /// `zone=7`, likewise.
    Zone(u64),
    /// `zone=new`.
    NewZone,
    /// `mask=7`, likewise; `None` for `mask=new`.
    Mask(Option<u64>),
    /// No choice: the first line that is not pinned, else the first, else a new one.
    First,
}

impl ChosenShape {
    /// Reads the values of `line`, `zone` and `mask` in the page's address.
    pub fn parse(line: Option<&str>, zone: Option<&str>, mask: Option<&str>) -> ChosenShape {
        let number = |text: &str, of: fn(u64) -> ChosenShape| text.parse().map_or(ChosenShape::First, of);
        match (line, zone) {
            _ if mask == Some("new") => ChosenShape::Mask(None),
            _ if mask.is_some() => number(mask.unwrap_or_default(), |id| ChosenShape::Mask(Some(id))),
            (_, Some("new")) => ChosenShape::NewZone,
            (_, Some(text)) => number(text, ChosenShape::Zone),
            (Some("new"), _) => ChosenShape::NewLine,
            (Some(text), _) => number(text, ChosenShape::Line),
            (None, None) => ChosenShape::First,
        }
    }
}

/// The values of a line's form, which shows the ends in per cent.
#[derive(Debug, Clone, PartialEq)]
pub struct LineForm {
    /// The line; `None` for a new one.
    pub id: Option<u64>,
    /// Its version when the page was made, as in If-Match.
    pub version: Option<u64>,
    pub name: String,
    /// The start, in fractions of the picture.
    pub a: [f64; 2],
    /// The end, in fractions of the picture.
    pub b: [f64; 2],
    /// The typed texts of both ends, where one is no number.
    pub typed: Option<[String; 4]>,
    /// Name of the direction in.
    pub in_name: String,
    /// Name of the direction out.
    pub out_name: String,
    /// Names of the counted classes; empty for all.
    pub classes: Vec<String>,
    /// The count point of a box.
    pub anchor: String,
    /// `every` or `once`.
    pub recrossing: String,
}

impl LineForm {
    /// Reads the decoded fields of the form. Missing values become empty or 0, and counts.db reports what is wrong
    /// with such a line.
    pub fn from_fields(fields: &[(String, String)]) -> LineForm {
        let text = |name: &str| named(fields, name);
        let or = |text: String, usual: &str| if text.is_empty() { usual.to_owned() } else { text };
        // Many countries write 50,5.
        let fraction = |name: &'static str| {
            let typed = text(name);
            // A position that is no number is refused by counts.db.
            if typed.is_empty() { 0.0 } else { typed.replace(',', ".").parse().unwrap_or(f64::NAN) / 100.0 }
        };
        let (mut a, mut b) = ([fraction("ax"), fraction("ay")], [fraction("bx"), fraction("by")]);
        let is_number = a.iter().chain(&b).all(|part| part.is_finite());
        let typed = (!is_number).then(|| ["ax", "ay", "bx", "by"].map(text));
        if text("reverse") == "1" && is_number {
            std::mem::swap(&mut a, &mut b);
        }
        LineForm {
            id: None,
            version: None,
            name: text("name"),
            a,
            b,
            typed,
            in_name: or(text("in_name"), "in"),
            out_name: or(text("out_name"), "out"),
            classes: class_names(fields),
            anchor: or(text("anchor"), "bottom"),
            recrossing: or(text("recrossing"), "every"),
        }
    }
}
