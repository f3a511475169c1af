//! Messages for unknown sections, keys and variables, with suggestions.

use crate::diagnostic::closest_match;
use crate::keys::{self, Key, SECTIONS, VARIABLE_PREFIX};

/// Message and hint for the unknown section `name`.
pub(crate) fn unknown_section(name: &str) -> (String, Option<String>) {
    let top = || SECTIONS.iter().map(|section| section.name).filter(|name| !name.contains('.'));
    let hint = match closest_match(name, SECTIONS.iter().map(|section| section.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the sections are {}", top().collect::<Vec<_>>().join(", ")),
    };
    (format!("there is no section `{name}`"), Some(hint))
}

/// Message and hint for the unknown key `name` in `section`; `""` is outside all sections.
pub(crate) fn unknown_key(section: &str, name: &str) -> (String, Option<String>) {
    let message = match section {
        "" => format!("there is no key `{name}` outside the sections"),
        section => format!("there is no key `{name}` in [{section}]"),
    };
    let hint = match keys::suggest_key(section, name) {
        // Other programs have one value for these two keys.
        Some(key) if key.name == "width" && key.aliases.contains(&name) => {
            String::from("did you mean `source.width` and `source.height`?")
        }
        Some(key) if key.section == section => format!("did you mean `{}`?", key.name),
        Some(key) if key.section.is_empty() => format!("did you mean `{}`, above all sections?", key.name),
        Some(key) => format!("did you mean `{}` in [{}]?", key.name, key.section),
        None if section.is_empty() => String::from("`tallycam config default` explains all keys"),
        None => {
            let names: Vec<&str> = keys::keys_of_section(section).map(|key| key.name).collect();
            format!("its keys are {}", names.join(", "))
        }
    };
    (message, Some(hint))
}

/// Message and hint for a variable with our prefix that names no key. `None` if it is far from any key: it may belong
/// to another program.
pub(crate) fn unknown_variable(variable: &str) -> Option<(String, Option<String>)> {
    let rest = variable.strip_prefix(VARIABLE_PREFIX)?.to_lowercase();
    let in_section =
        SECTIONS.iter().find_map(|s| Some((s.name, rest.strip_prefix(s.name)?.strip_prefix('_')?)));
    let (section, name) = in_section.unwrap_or(("", &rest));
    let all: Vec<String> = keys::all().map(Key::variable).collect();
    let misspelt =
        || closest_match(variable, all.iter().map(String::as_str)).filter(|_| in_section.is_none());
    let near = keys::suggest_key(section, name).map(Key::variable).or_else(|| misspelt().map(str::to_owned));
    let hint = match near {
        Some(near) => format!("did you mean {near}?"),
        None => {
            in_section?;
            String::from("`tallycam config default` names them all")
        }
    };
    Some((format!("`{variable}` names no key of the configuration"), Some(hint)))
}
