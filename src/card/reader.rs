//! Reads values out of a parsed file, and reports mistakes with file, line and key.

use super::check::Checked;
use super::report::Entry;
use super::tree::{Node, NodeValue, Table, get};
use super::{SettingOrigin, Sourced};
use tallycam_config::closest_match;

/// The reader of one file.
pub struct CardReader<'e> {
    /// The file's name.
    pub file: &'static str,
    /// Receives mistakes and unused values.
    pub entries: &'e mut Vec<Entry>,
}

/// The path of `name` below `path`.
pub fn child_path(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl CardReader<'_> {
    /// Reports a mistake.
    pub fn report_mistake(
        &mut self,
        line: usize,
        key: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.entries.push(Entry::mistake(self.file, line, key, message, hint));
    }

    /// Reports a value as not used.
    pub fn report_not_used(&mut self, line: usize, key: &str, message: &str) {
        self.entries.push(Entry::not_used(self.file, line, key, message, None));
    }

    /// `value` with the location of `key` in this file.
    pub fn with_location<T>(&self, value: T, line: usize, key: &str) -> Sourced<T> {
        Sourced { value, origin: SettingOrigin { file: self.file, line, key: key.to_owned() } }
    }

    /// The table `name`.
    pub fn table<'t>(&mut self, table: &'t Table, path: &str, name: &str) -> Option<&'t Table> {
        let node = get(table, name)?;
        match &node.value {
            NodeValue::Table(table) => Some(table),
            NodeValue::Nothing => None,
            _ => {
                self.report_mistake(
                    node.line,
                    &child_path(path, name),
                    "must have keys of its own below it",
                    None,
                );
                None
            }
        }
    }

    /// The text of `name`.
    pub fn read_text(&mut self, table: &Table, path: &str, name: &str) -> Option<Sourced<String>> {
        let node = get(table, name)?;
        let key = child_path(path, name);
        match &node.value {
            NodeValue::Text(text) => Some(self.with_location(text.clone(), node.line, &key)),
            NodeValue::Nothing => None,
            _ => {
                self.report_mistake(node.line, &key, "must be text in quotes", None);
                None
            }
        }
    }

    /// The text of `name`, if `check` accepts it.
    pub fn checked<T>(
        &mut self,
        table: &Table,
        path: &str,
        name: &str,
        check: impl FnOnce(&str) -> Checked<T>,
    ) -> Option<Sourced<T>> {
        let Sourced { value, origin } = self.read_text(table, path, name)?;
        match check(&value) {
            Ok(value) => Some(Sourced { value, origin }),
            Err((message, hint)) => {
                self.report_mistake(origin.line, &origin.key, message, hint);
                None
            }
        }
    }

    /// The boolean `name`.
    pub fn boolean(&mut self, table: &Table, path: &str, name: &str) -> Option<Sourced<bool>> {
        let node = get(table, name)?;
        let key = child_path(path, name);
        match &node.value {
            NodeValue::Bool(is_true) => Some(self.with_location(*is_true, node.line, &key)),
            NodeValue::Nothing => None,
            _ => {
                self.report_mistake(node.line, &key, "must be true or false", None);
                None
            }
        }
    }

    /// The texts of `name` with their lines. The file may have one text or a list.
    pub fn read_texts(
        &mut self,
        table: &Table,
        path: &str,
        name: &str,
    ) -> Option<Sourced<Vec<(String, usize)>>> {
        let node = get(table, name)?;
        let key = child_path(path, name);
        let all: &[Node] = match &node.value {
            NodeValue::List(all) => all,
            NodeValue::Text(_) => std::slice::from_ref(node),
            NodeValue::Nothing => return None,
            _ => {
                self.report_mistake(node.line, &key, "must be a list of texts", None);
                return None;
            }
        };
        let mut texts = Vec::new();
        for one in all {
            match &one.value {
                NodeValue::Text(text) => texts.push((text.clone(), one.line)),
                _ => self.report_mistake(one.line, &key, "must be a list of texts", None),
            }
        }
        Some(self.with_location(texts, node.line, &key))
    }

    /// The texts of `name` that `check` accepts; `None` if it accepts none.
    pub fn checked_list<T>(
        &mut self,
        table: &Table,
        path: &str,
        name: &str,
        check: impl Fn(&str) -> Checked<T>,
    ) -> Option<Sourced<Vec<T>>> {
        let Sourced { value, origin } = self.read_texts(table, path, name)?;
        let mut good = Vec::new();
        for (text, line) in value {
            match check(&text) {
                Ok(value) => good.push(value),
                Err((message, hint)) => self.report_mistake(line, &origin.key, message, hint),
            }
        }
        (!good.is_empty()).then_some(Sourced { value: good, origin })
    }

    /// Reports keys outside `known` as mistakes. For our own file, whose keys are all known.
    pub fn report_unknown_keys(&mut self, table: &Table, path: &str, known: &[&str]) {
        for (name, line, _) in table.iter().filter(|(name, ..)| !known.contains(&name.as_str())) {
            let hint = match closest_match(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys here are {}", known.join(", ")),
            };
            let message = format!("there is no key `{name}` in [{path}]");
            self.report_mistake(*line, &child_path(path, name), message, Some(hint));
        }
    }

    /// Reports keys outside `known` as not used. For files of other programs, which have more keys.
    pub fn note_unknown_keys(&mut self, table: &Table, path: &str, known: &[&str]) {
        for (name, line, _) in table.iter().filter(|(name, ..)| !known.contains(&name.as_str())) {
            self.report_not_used(
                *line,
                &child_path(path, name),
                "not used: tallycam's card does not know it",
            );
        }
    }
}
