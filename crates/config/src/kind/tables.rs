//! Lists of tables, such as `[[line]]` and `[[notify]]`: every fault of every table at its own place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::scalar::{describe_value, invisible_character_hint, suggest_word, suggestion};
use super::wrong::{Complaint, Wrong};
use crate::diagnostic::{closest_match, join_with_or};
use tallycam_base::json::quoted;
use tallycam_base::unicode::{is_blank, is_unseen_control};

/// The tables of a list.
#[derive(Clone, Copy)]
pub(crate) struct TableShape {
    /// The name of the list.
    pub what: &'static str,
    /// Maximum number of tables.
    pub most: usize,
    pub keys: &'static [&'static str],
    /// An example of each required key.
    pub example: fn(&str) -> &'static str,
}

/// A table being read, with its faults so far.
pub(crate) struct TableReader {
    /// First byte of the table in the document.
    pub at: usize,
    span: Range<usize>,
    example: fn(&str) -> &'static str,
    pub wrongs: Vec<Wrong>,
}

impl TableReader {
    pub(crate) fn read_optional<T>(
        &mut self,
        table: &DeTable<'_>,
        name: &str,
        read: impl FnOnce(&Spanned<DeValue<'_>>) -> Result<T, Complaint>,
    ) -> Option<T> {
        let value = table.get(name)?;
        match read(value) {
            Ok(value) => Some(value),
            Err((message, hint)) => {
                let message = format!("has a wrong `{name}`: it {message}");
                self.wrongs.push(Wrong::new((message, hint), value.span()));
                None
            }
        }
    }

    pub(crate) fn read_required<T>(
        &mut self,
        table: &DeTable<'_>,
        name: &str,
        read: impl FnOnce(&Spanned<DeValue<'_>>) -> Result<T, Complaint>,
    ) -> Option<T> {
        if table.get(name).is_none() {
            let example = (self.example)(name);
            let fault = (format!("needs `{name}`"), Some(format!("for example `{example}`")));
            self.wrongs.push(Wrong::new(fault, self.span.clone()));
        }
        self.read_optional(table, name, read)
    }
}

/// A table with a name of its own.
pub(crate) trait Named {
    fn name(&self) -> &str;
}

/// Reads each table of the list `value`, whose keys are those of `shape`.
///
/// # Errors
/// All faults of all tables.
pub(crate) fn read_all<T: Named>(
    value: &DeValue<'_>,
    span: Range<usize>,
    shape: &TableShape,
    read: impl Fn(&DeTable<'_>, &mut TableReader) -> T,
) -> Result<Vec<T>, Wrong> {
    let TableShape { what, most, keys, example } = *shape;
    let wrong = |message: String, hint: Option<String>| Wrong::new((message, hint), span.clone());
    let Some(list) = value.as_array() else {
        let hint = format!("write [[{what}]] on a line of its own, once for each, and its keys below");
        return Err(wrong(String::from("must be a list of tables"), Some(hint)));
    };
    if list.len() > most {
        return Err(wrong(format!("must be at most {most}, not {}", list.len()), None));
    }
    let (mut good, mut wrongs): (Vec<T>, Vec<Wrong>) = (Vec::new(), Vec::new());
    for item in list.iter() {
        let Some(table) = item.get_ref().as_table() else {
            let message = format!("must be a list of tables, not of {}", describe_value(item.get_ref()));
            wrongs.push(Wrong::new((message, None), item.span()));
            continue;
        };
        let mut reading =
            TableReader { at: item.span().start, span: item.span(), example, wrongs: Vec::new() };
        for name in table.keys() {
            let word = name.get_ref().as_ref();
            if !keys.contains(&word) {
                let hint = match closest_match(word, keys.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its keys are {}", keys.join(", ")),
                };
                reading.wrongs.push(Wrong::new((format!("has no key `{word}`"), Some(hint)), name.span()));
            }
        }
        let one = read(table, &mut reading);
        if good.iter().any(|other| !one.name().is_empty() && other.name() == one.name()) {
            let message = format!("has two of the name {}", quoted(one.name()));
            let hint = Some(String::from("give each a name of its own"));
            let span = table.get("name").map_or(item.span(), Spanned::span);
            reading.wrongs.push(Wrong::new((message, hint), span));
        }
        wrongs.append(&mut reading.wrongs);
        good.push(one);
    }
    Wrong::merge(wrongs).map_or(Ok(good), Err)
}

/// A text of at most `MOST` characters that can be seen.
pub(crate) fn label<const MOST: usize>(value: &Spanned<DeValue<'_>>) -> Result<String, Complaint> {
    let text = value.get_ref().as_str().filter(|text| {
        (1..=MOST).contains(&text.chars().count())
            && !text.contains(is_unseen_control)
            && !text.chars().all(is_blank)
            && text.trim() == *text
    });
    let must = || format!("must be text of 1 to {MOST} characters, not {}", describe_value(value.get_ref()));
    text.map(str::to_owned).ok_or_else(|| (must(), invisible_character_hint(value.get_ref())))
}

pub(crate) fn parse_yes_no(value: &Spanned<DeValue<'_>>) -> Result<bool, Complaint> {
    let given = value.get_ref();
    given.as_bool().ok_or_else(|| (format!("must be true or false, not {}", describe_value(given)), None))
}

pub(crate) fn parse_one_of(
    value: &Spanned<DeValue<'_>>,
    words: &'static [&'static str],
) -> Result<&'static str, Complaint> {
    let text = value.get_ref().as_str();
    let word = text.and_then(|text| words.iter().find(|word| **word == text));
    word.copied().ok_or_else(|| {
        let all: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let hint = text.and_then(|text| suggest_word(text, words)).map(suggestion);
        (format!("must be {}, not {}", join_with_or(&all), describe_value(value.get_ref())), hint)
    })
}
