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
