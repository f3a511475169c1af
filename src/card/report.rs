//! The report on a card's files: JSON for `/diagnosis`, and a text file next to them.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use tallycam_base::unicode::is_unseen_control;

/// Maximum number of entries per file.
const MOST_OF_A_FILE: usize = 50;

/// The severity of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The value is wrong and not in force.
    Mistake,
    /// The value is not used.
    NotUsed,
    /// Information.
    Note,
}

/// A remark about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The severity.
    pub severity: Severity,
    /// The file's name; empty for the card itself.
    pub file: String,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// The key; may be empty.
    pub key: String,
    /// The message: a sentence without its full stop.
    pub message: String,
    /// The way to fix it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl Entry {
    /// A mistake. All texts are made printable.
    pub fn mistake(
        file: &str,
        line: usize,
        key: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Entry {
        let (file, key, message) =
            (to_printable_line(file), to_printable_line(key), to_printable_line(&message.into()));
        Entry {
            severity: Severity::Mistake,
            file,
            line,
            key,
            message,
            hint: hint.map(|hint| to_printable_line(&hint)),
        }
    }

    /// A value that is not used.
    pub fn not_used(
        file: &str,
        line: usize,
        key: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Entry {
        Entry { severity: Severity::NotUsed, ..Entry::mistake(file, line, key, message, hint) }
    }

    /// A note about the card itself.
    pub fn note(message: impl Into<String>) -> Entry {
        Entry { severity: Severity::Note, ..Entry::mistake("", 0, "", message, None) }
    }

    /// The entry as one line: `tallycam.toml:3: country: must be …`.
    pub fn line(&self) -> String {
        let place = match (self.file.as_str(), self.line) {
            ("", _) => String::new(),
            (file, 0) => format!("{file}: "),
            (file, line) => format!("{file}:{line}: "),
        };
        let key = match self.key.as_str() {
            "" => String::new(),
            // Messages of the configuration already name the key.
            key if self.message.contains(&format!("`{key}`")) => String::new(),
            key => format!("{key}: "),
        };
        format!("{place}{key}{}", self.message)
    }
}

/// `text` on one line, at most 500 characters, with invisible ones replaced.
fn to_printable_line(text: &str) -> String {
    let seen = |c: char| if c.is_control() || is_unseen_control(c) { '\u{fffd}' } else { c };
    text.chars().map(seen).take(500).collect()
}

/// A setting that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The setting, in a few words.
    pub what: String,
    /// Its value, without secrets.
    pub value: String,
    /// Its origin: `tallycam.toml:3`.
    pub place: String,
}

impl Applied {
    /// A setting that is in force; `value` is made printable.
    pub fn new(what: &str, value: impl AsRef<str>, place: impl Into<String>) -> Applied {
        Applied { what: what.to_owned(), value: to_printable_line(value.as_ref()), place: place.into() }
    }
}

/// The report on all files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardReport {
    /// Mistakes, unused values and notes, in this order.
    pub entries: Vec<Entry>,
    /// The settings that are in force.
    pub applied: Vec<Applied>,
}

impl CardReport {
    /// Sorts the entries by severity, and keeps at most 50 per file.
    #[must_use]
    pub fn new(mut entries: Vec<Entry>, applied: Vec<Applied>) -> CardReport {
        entries.sort_by_key(|entry| entry.severity);
        let mut counted: Vec<(String, usize)> = Vec::new();
        entries.retain(|entry| {
            let at = counted.iter().position(|(file, _)| *file == entry.file).unwrap_or_else(|| {
                counted.push((entry.file.clone(), 0));
                counted.len() - 1
            });
            counted[at].1 += 1;
            counted[at].1 <= MOST_OF_A_FILE
        });
        for (file, count) in counted {
            if count > MOST_OF_A_FILE {
                let more = format!("and {} more", count - MOST_OF_A_FILE);
                entries.push(Entry { file, ..Entry::note(more) });
            }
        }
        CardReport { entries, applied }
    }

    /// The number of entries with this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.entries.iter().filter(|entry| entry.severity == severity).count()
    }

    /// The report as text. Equal reports have equal texts.
    pub fn text(&self) -> String {
        let mut out = String::from(concat!(
            "tallycam ",
            env!("CARGO_PKG_VERSION"),
            ": what became of the files on this card at its last start.\n"
        ));
        for (severity, one, many) in [
            (Severity::Mistake, "mistake, not in force", "mistakes, not in force"),
            (Severity::NotUsed, "thing is not used", "things are not used"),
            (Severity::Note, "thing to know", "things to know"),
        ] {
            let count = self.count(severity);
            if count > 0 {
                let _ = writeln!(out, "\n{count} {}:", if count == 1 { one } else { many });
            }
            for entry in self.entries.iter().filter(|entry| entry.severity == severity) {
                let _ = writeln!(out, "  {}", entry.line());
                if let Some(hint) = &entry.hint {
                    let _ = writeln!(out, "      hint: {hint}");
                }
            }
        }
        if self.count(Severity::Mistake) == 0 {
            out.push_str("\nNo mistakes.\n");
        }
        if self.applied.is_empty() {
            out.push_str("\nNothing was given: everything is at its default.\n");
        } else {
            out.push_str("\nIn force:\n");
        }
        for Applied { what, value, place } in &self.applied {
            let _ = writeln!(out, "  {what}: {value} ({place})");
        }
        out
    }
}
