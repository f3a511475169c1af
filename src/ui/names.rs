//! The pages' words for settings and fields. Texts from below mark the name of a key, of a field, of an address or a
//! command with backticks, for programs, the command line and the log. Pure.

use tallycam_config::keys;

/// The row of the page Settings that chooses format, width and height in one, and its label.
pub(super) const MODE: &str = "mode";
pub(super) const MODE_LABEL: &str = "Resolution";

/// Fields of requests, as the forms label them.
const FIELDS: &[(&str, &str)] = &[
    ("address", "Address"),
    ("again", "Repeat password"),
    ("anchor", "Count point"),
    ("at", "Time of day"),
    ("ax", "End a, from the left"),
    ("ay", "End a, from the top"),
    ("brightness", "Brightness"),
    ("bx", "End b, from the left"),
    ("by", "End b, from the top"),
    ("classes", "Classes"),
    ("close", "Closes at"),
    ("color", "Colour"),
    ("current", "Current password"),
    ("days", "Days"),
    ("every", "Frame rate"),
    ("exclude", "This zone"),
    ("for", "For"),
    ("from", "From"),
    ("hours", "Hours"),
    ("in_name", "Name along the arrow"),
    ("line", "Line"),
    ("more_than", "More than"),
    ("note", "Note"),
    ("open", "Opens at"),
    ("out_name", "Name against the arrow"),
    ("password", "Password"),
    ("place", "Line or zone"),
    ("points", "Corners"),
    ("position", "Focus position"),
    ("recrossing", "Repeat crossings"),
    ("role", "Role"),
    ("scopes", "Permissions"),
    ("secret", "Secret"),
    ("server", "Mail server"),
    ("to", "To"),
    ("user", "User"),
    ("when", "When"),
];

/// The pages' name for a setting or a field.
pub(super) fn label(name: &str) -> Option<&'static str> {
    let field = || FIELDS.iter().find(|(own, _)| *own == name).map(|(_, label)| *label);
    let key = || keys::find_path(name).map(|key| key.label).filter(|label| !label.is_empty());
    if name == MODE { Some(MODE_LABEL) } else { key().or_else(field) }
}

/// `text` in the words of the pages: "`stream.fps` must" becomes "“Stream frame rate” must", and "`name = "x"`" becomes
/// "“Name” "x"". A sentence with an address of the API is for programs, and left out. A command stays.
pub fn in_page_words(text: &str) -> String {
    if !text.contains('`') {
        return text.to_owned();
    }
    text.split_inclusive(". ").filter_map(sentence_words).collect::<String>().trim_end().to_owned()
}

fn is_of_a_control(name: &str) -> bool {
    name.contains('_') && name.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn sentence_words(sentence: &str) -> Option<String> {
    let mut words = String::new();
    for (i, part) in sentence.split('`').enumerate() {
        let (name, value) = part.split_once(" = ").unwrap_or((part, ""));
        match label(name) {
            _ if i % 2 == 0 => words.push_str(part),
            _ if part.contains("/api/") || part.starts_with('?') => return None,
            Some(label) if value.is_empty() => words.extend(["“", label, "”"]),
            Some(label) => words.extend(["“", label, "” ", value]),
            None if part.starts_with('/') && part.contains(".toml") => {
                words.push_str("the configuration file")
            }
            None if part.starts_with('/') => {
                words.extend(["“", part.rsplit('/').next().unwrap_or(part), "”"])
            }
            // The kernel's name of a camera's control.
            None if is_of_a_control(part) => words.extend(["“", &part.replace('_', " "), "”"]),
            None => words.extend(["`", part, "`"]),
        }
    }
    Some(words)
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
            ("`fuser x` names it, and ax", "`fuser x` names it, and ax"),
        ] {
            assert_eq!(in_page_words(text), words);
        }
    }
}
