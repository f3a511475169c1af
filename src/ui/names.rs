//! The pages' names for settings. Texts from below name keys, for the command line and the log; on a page they become
//! the labels of the page Settings. Pure.

use tallycam_config::keys::{self, Key, PagePlace};

/// The row that chooses format, width and height in one, and its label.
pub(super) const MODE: &str = "mode";
pub(super) const MODE_LABEL: &str = "Resolution";

/// The page's name for the setting.
pub(super) fn label(path: &str) -> Option<&'static str> {
    let label = if path == MODE { MODE_LABEL } else { keys::find_path(path)?.label };
    Some(label).filter(|label| !label.is_empty())
}

/// Replaces keys in `text` by the page's names for them: "`stream.fps` must" becomes "“Stream frame rate” must".
pub(super) fn name_settings(text: &str) -> String {
    let text = name_sections(text);
    let mut parts = text.split('`');
    let mut named = parts.next().unwrap_or_default().to_owned();
    // The part between two marks, and the text after it.
    while let Some(part) = parts.next() {
        match (label(part), parts.next()) {
            (Some(label), Some(after)) => named.extend(["“", label, "”", after]),
            (_, Some(after)) => named.extend(["`", part, "`", after]),
            (_, None) => named.extend(["`", part]),
        }
    }
    named
}

/// Fields of requests, as the forms label them.
const FIELDS: &[(&str, &str)] = &[
    ("address", "Address"),
    ("anchor", "Count point"),
    ("ax", "End a, from the left"),
    ("ay", "End a, from the top"),
    ("brightness", "Brightness"),
    ("bx", "End b, from the left"),
    ("by", "End b, from the top"),
    ("classes", "Classes"),
    ("color", "Colour"),
    ("corners", "Corners"),
    ("current", "Current password"),
    ("days", "Days"),
    ("every", "Frame rate"),
    ("exclude", "This zone"),
    ("hours", "Hours"),
    ("in_name", "Name along the arrow"),
    ("line", "Line"),
    ("name", "Name"),
    ("note", "Note"),
    ("out_name", "Name against the arrow"),
    ("password", "Password"),
    ("position", "Focus position"),
    ("recrossing", "Repeat crossings"),
    ("role", "Role"),
    ("scopes", "Permissions"),
];

/// Fields of a rule of notifications, likewise.
const RULE: &[(&str, &str)] = &[
    ("address", "Address"),
    ("at", "Time of day"),
    ("close", "Closes at"),
    ("days", "Open days"),
    ("for", "For"),
    ("from", "From"),
    ("more_than", "More than"),
    ("name", "Name"),
    ("open", "Opens at"),
    ("place", "Line or zone"),
    ("secret", "Secret"),
    ("server", "Mail server"),
    ("to", "To"),
    ("user", "User"),
    ("when", "When"),
];

fn find(labels: &[(&str, &'static str)], field: &str) -> Option<&'static str> {
    labels.iter().find(|(own, _)| *own == field).map(|(_, label)| *label)
}

/// Replaces the fields of requests that begin a sentence of `text` by the labels of the forms: "ax is missing" becomes
/// "“End a, from the left” is missing".
pub fn name_fields(text: &str) -> String {
    if let Some(fault) = text.strip_prefix("`notify` ") {
        return name_rule(fault);
    }
    let named = text.split(". ").map(|sentence| {
        if let Some((begin, rest)) = sentence.split_once(" is set in ")
            && let Some((place, end)) = rest.split_once(" and can be changed only there")
            && place.contains('/')
        {
            let begin = if label(begin).is_some() { format!("`{begin}`") } else { begin.to_owned() };
            return format!("{begin} is set in the configuration file and can be changed only there{end}");
        }
        if let Some((place, _)) = sentence.split_once(": this is not TOML: ") {
            return format!("{place}: this is no file of settings");
        }
        // Controls of a camera have the kernel's names.
        if let Some((control, range)) =
            sentence.strip_prefix("The camera's control ").and_then(|it| it.split_once(" takes "))
        {
            return format!("The camera's control “{}” takes {range}", control.replace('_', " "));
        }
        let (word, rest) = sentence.split_once(' ').unwrap_or((sentence, ""));
        let says = ["is ", "should ", "must ", "takes "].iter().any(|verb| rest.starts_with(verb));
        let of_key = || keys::all().find(|key| key.name == word && word.contains('_')).map(|key| key.label);
        match find(FIELDS, word).or_else(of_key).filter(|label| says && !label.is_empty()) {
            Some(label) => format!("“{label}” {rest}"),
            // The key of a setting gets its name on the page.
            None if word.contains('.') && label(word).is_some() => format!("`{word}` {rest}"),
            None => sentence.to_owned(),
        }
    });
    named.collect::<Vec<_>>().join(". ")
}

/// The fault of a rule without its keys: "has a wrong `when`: it must" becomes "“When” must".
fn name_rule(fault: &str) -> String {
    let mut named = fault.to_owned();
    for (field, label) in RULE {
        named = named
            .replace(&format!("has a wrong `{field}`: it "), &format!("“{label}” "))
            .replace(&format!("needs `{field}`"), &format!("“{label}” is missing"))
            .replace(&format!("`{field}`"), &format!("“{label}”"));
    }
    if named.starts_with("has ") { format!("the list of rules {named}") } else { named }
}

/// A value for a field of a rule without the field: "for example name = "Door"" becomes "for example "Door"".
pub fn name_example(hint: &str) -> String {
    let value = hint.strip_prefix("for example ").and_then(|line| line.split_once(" = "));
    match value.filter(|(field, _)| find(RULE, field).is_some()) {
        Some((_, value)) => format!("for example {value}"),
        None => hint.to_owned(),
    }
}

/// The same for keys with their section: "`kind` under [lights]" and "[lights] kind" become "“Light type”".
fn name_sections(text: &str) -> String {
    let (mut named, mut rest) = (String::new(), text);
    while let Some((before, section, after)) = next_section(rest) {
        named.push_str(before);
        rest = after;
        if let Some(head) = named.strip_suffix(" under ") {
            let (end, (from, key)) = (head.len(), last_key(head, section));
            match key {
                Some((key, value)) => {
                    let words = name(key, value);
                    named.replace_range(from.., &words);
                }
                None => named.replace_range(end.., " on the page Settings"),
            }
            let more = [" in the configuration", " of the configuration"];
            rest = more.iter().find_map(|more| rest.strip_prefix(*more)).unwrap_or(rest);
            continue;
        }
        let (word, after) = first_word(after.strip_prefix(' ').unwrap_or_default());
        // With a program, it is a line for the configuration file.
        match keys::find(section, word).filter(|_| !after.contains("command = ")) {
            Some(key) if named.ends_with('`') => {
                named.pop();
                let (value, after) = after.split_once('`').unwrap_or((after, ""));
                named += &name(key, value);
                rest = after;
            }
            Some(key) => {
                named += &name(key, "");
                rest = after;
            }
            None => named += &format!("[{section}]"),
        }
    }
    named + rest
}

/// The first "[section]" of `text`, with the text before and after it.
fn next_section(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('[').find_map(|(at, _)| {
        let (section, after) = text[at + 1..].split_once(']')?;
        keys::is_section(section).then_some((&text[..at], section, after))
    })
}

/// The key at the end of `text` and the value that is given with it: "`key`", "`key = value`" or a bare word; and its
/// place.
fn last_key<'a>(text: &'a str, section: &str) -> (usize, Option<(&'static Key, &'a str)>) {
    let inner = text.strip_suffix('`').and_then(|text| Some((text.rfind('`')?, text)));
    let (from, inside) = match inner {
        Some((from, text)) => (from, &text[from + 1..]),
        None => {
            let from = text.rfind(' ').map_or(0, |at| at + 1);
            (from, &text[from..])
        }
    };
    let (word, value) = first_word(inside);
    (from, keys::find(section, word).map(|key| (key, value)))
}

fn first_word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len()))
}

/// The label of a setting, with a value; a setting that no page shows is in the configuration file.
fn name(key: &Key, value: &str) -> String {
    match key.page {
        PagePlace::Elsewhere => String::from("the configuration file"),
        _ if key.label.is_empty() => String::from("the configuration file"),
        _ => format!("“{}”{value}", key.label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_name_that_the_page_gives_it() {
        for (text, named) in [
            ("`stream.fps` must", "“Stream frame rate” must"),
            ("`kind` under [lights] in the configuration sets it", "“Light type” sets it"),
            ("set [detect] backend to \"auto\"", "set “Detector” to \"auto\""),
            ("`[privacy] counts_only` is on.", "“Privacy mode” is on."),
            ("set least_height under [detect], and", "set “Minimum height”, and"),
            ("set limits under [retention]", "set limits on the page Settings"),
            ("`listen = [\"x\"]` under [http] lets others in", "the configuration file lets others in"),
            (
                "[source] kind = \"exec\", command = \"ffmpeg\"",
                "[source] kind = \"exec\", command = \"ffmpeg\"",
            ),
            ("the directory of [store] `and` [more", "the directory of [store] `and` [more"),
        ] {
            assert_eq!(name_settings(text), named);
        }
    }

    #[test]
    fn a_field_has_the_label_of_its_form() {
        for (text, named) in [
            (
                "ax is missing; it should be x. by is missing",
                "“End a, from the left” is missing; it should be x. “End b, from the top” is missing",
            ),
            ("anchor should be one of a, b", "“Count point” should be one of a, b"),
            ("line 1 has been changed", "line 1 has been changed"),
            ("snapshots_age is set elsewhere", "“Delete snapshots after” is set elsewhere"),
            ("access.view must be x", "`access.view` must be x"),
            ("`notify` has a wrong `more_than`: it must be 1", "“More than” must be 1"),
            (
                "source.kind is set in /x/c.toml:3 and can be changed only there",
                "`source.kind` is set in the configuration file and can be changed only there",
            ),
            ("line 1: this is not TOML: invalid key", "line 1: this is no file of settings"),
            ("The camera's control a_b takes true", "The camera's control “a b” takes true"),
            ("`notify` needs `name`", "“Name” is missing"),
            ("`notify` has two of the name \"x\"", "the list of rules has two of the name \"x\""),
        ] {
            assert_eq!(name_fields(text), named);
        }
        assert_eq!(name_example("for example name = \"Door\""), "for example \"Door\"");
    }
}
