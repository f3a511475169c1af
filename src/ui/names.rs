//! The pages' words for settings and fields. Texts from below mark the name of a key, of a field, of an address or a
//! command with backticks, for programs, the command line and the log. Pure.

use crate::ui::format::capital;
use tallycam_config::keys;

/// The row of the page Settings that chooses format, width and height in one, and its label.
pub(super) const MODE: &str = "mode";
pub(super) const MODE_LABEL: &str = "Resolution";

/// Fields of requests, as the forms label them.
const FIELDS: &[(&str, &str)] = &[
    (MODE, MODE_LABEL),
    ("again", "Repeat password"),
    ("anchor", "Count point"),
    ("at", "Time of day"),
    ("ax", "End a, from the left"),
    ("ay", "End a, from the top"),
    ("bx", "End b, from the left"),
    ("by", "End b, from the top"),
    ("close", "Closes at"),
    ("color", "Colour"),
    ("current", "Current password"),
    ("depth", "Second side in m"),
    ("every", "Frame rate"),
    ("exclude", "This zone"),
    ("in_name", "Name along the arrow"),
    ("metres", "Distance in m"),
    ("more_than", "More than"),
    ("open", "Opens at"),
    ("other", "From"),
    ("out_name", "Name against the arrow"),
    ("place", "Line or zone"),
    ("points", "Corners"),
    ("position", "Focus position"),
    ("recrossing", "Repeat crossings"),
    ("scopes", "Permissions"),
    ("server", "Mail server"),
    ("width", "First side in m"),
];

/// Fields whose label is their name.
const SAME: &str =
    "address brightness classes days for from hours line note password role secret to user when";

/// The pages' name for a setting or a field.
pub(super) fn label(name: &str) -> Option<String> {
    let key = keys::find_path(name).map(|key| key.label).filter(|label| !label.is_empty());
    let field = || FIELDS.iter().find(|(own, _)| *own == name).map(|(_, label)| *label);
    let same = || SAME.split(' ').find(|own| *own == name).map(capital);
    key.or_else(field).map(str::to_owned).or_else(same)
}

/// `text` in the words of the pages: "`stream.fps` must" becomes "“Stream frame rate” must", and "`name = "x"`" becomes
/// "“Name” "x"". A sentence with an address of the API is for programs, and left out. A command stays.
pub fn in_page_words(text: &str) -> String {
    if !text.contains('`') {
        return text.to_owned();
    }
    let (mut all, mut sentence, mut is_for_programs) = (String::new(), String::new(), false);
    let mut parts = text.split('`').enumerate().peekable();
    while let Some((i, part)) = parts.next() {
        // A mark has an end.
        if i % 2 == 1 && parts.peek().is_some() {
            is_for_programs |= part.contains("/api/") || part.starts_with('?');
            sentence.push_str(&mark_in_words(part));
            continue;
        }
        sentence.push_str(if i % 2 == 1 { "`" } else { "" });
        for piece in part.split_inclusive(". ") {
            sentence.push_str(piece);
            if piece.ends_with(". ") {
                let whole = std::mem::take(&mut sentence);
                all.push_str(if std::mem::take(&mut is_for_programs) { "" } else { &whole });
            }
        }
    }
    all.push_str(if is_for_programs { "" } else { &sentence });
    all.trim_end().to_owned()
}

fn mark_in_words(mark: &str) -> String {
    let (name, value) = mark.split_once(" = ").unwrap_or((mark, ""));
    let control = name.strip_prefix("source.controls.");
    let is_plain = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
    match label(control.unwrap_or(name)) {
        Some(label) => format!("“{label}” {value}").trim_end().to_owned(),
        None if mark.starts_with('/') && mark.contains(".toml") => String::from("the configuration file"),
        None if mark.starts_with('/') => format!("“{}”", mark.rsplit('/').next().unwrap_or(mark)),
        // The kernel's name of a camera's control.
        None if control.is_some() || (mark.contains('_') && mark.chars().all(is_plain)) => {
            format!("“{}”", control.unwrap_or(mark).replace('_', " "))
        }
        None => format!("`{mark}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_label_of_its_form() {
        for (text, words) in [
            ("`stream.fps` must be 5", "“Stream frame rate” must be 5"),
            (
                "`ax` is missing; it should be x. `by` is missing",
                "“End a, from the left” is missing; it should be x. \
              “End b, from the top” is missing",
            ),
            ("for example `name = \"Door\"`", "for example “Name” \"Door\""),
            ("Resume it. `POST /api/v1/resume` does, too.", "Resume it."),
            ("`source.kind` is set in `/x/c.toml:3`", "“Source” is set in the configuration file"),
            ("`/x/media.db`: it is damaged", "“media.db”: it is damaged"),
            ("The camera's control `auto_focus` takes 1", "The camera's control “auto focus” takes 1"),
            ("`source.controls.gain` is set in `--set`", "“gain” is set in `--set`"),
            ("`fuser x` names it, and ax", "`fuser x` names it, and ax"),
            ("`name = \"Main St. Door\"` is wrong", "“Name” \"Main St. Door\" is wrong"),
            ("one ` alone", "one ` alone"),
        ] {
            assert_eq!(in_page_words(text), words);
        }
    }
}
