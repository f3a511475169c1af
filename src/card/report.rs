//! What became of the files: for `/diagnosis` as JSON, and for people as text beside the files.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::base::unicode::is_unseen_control;

/// At most so many entries of one file are told.
const MOST_OF_A_FILE: usize = 50;

/// How much an entry matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is wrong and not in force.
    Mistake,
    /// It is not used.
    NotUsed,
    /// It is worth knowing.
    Note,
}

/// One thing to say about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// How much it matters.
    pub severity: Severity,
    /// The file's name; empty: about the card.
    pub file: String,
    /// The line, from 1; 0: about all of the file.
    pub line: usize,
    /// The key; empty where there is none.
    pub key: String,
    /// What is said: a sentence without its full stop.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl Entry {
    /// Something that is wrong.
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

    /// Something that is not used.
    pub fn not_used(
        file: &str,
        line: usize,
        key: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Entry {
        Entry { severity: Severity::NotUsed, ..Entry::mistake(file, line, key, message, hint) }
    }

    /// Something about the card itself.
    pub fn note(message: impl Into<String>) -> Entry {
        Entry { severity: Severity::Note, ..Entry::mistake("", 0, "", message, None) }
    }

    /// In one line: `tallycam.toml:3: country: must be …`.
    pub fn line(&self) -> String {
        let place = match (self.file.as_str(), self.line) {
            ("", _) => String::new(),
            (file, 0) => format!("{file}: "),
            (file, line) => format!("{file}:{line}: "),
        };
        let key = match self.key.as_str() {
            "" => String::new(),
            // A complaint of the configuration names its key itself.
            key if self.message.contains(&format!("`{key}`")) => String::new(),
            key => format!("{key}: "),
        };
        format!("{place}{key}{}", self.message)
    }
}

/// `text` on one line, without what cannot be seen.
fn to_printable_line(text: &str) -> String {
    let seen = |c: char| if c.is_control() || is_unseen_control(c) { '\u{fffd}' } else { c };
    text.chars().map(seen).take(500).collect()
}

/// Something that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// What it is, in a few words.
    pub what: String,
    /// Its value, as far as it may be told.
    pub value: String,
    /// Where it stands: `tallycam.toml:3`.
    pub place: String,
}

impl Applied {
    /// Something that is in force; the value without what cannot be seen.
    pub fn new(what: &str, value: impl AsRef<str>, place: impl Into<String>) -> Applied {
        Applied { what: what.to_owned(), value: to_printable_line(value.as_ref()), place: place.into() }
    }
}

/// What became of the files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardReport {
    /// What is wrong or not used, mistakes first.
    pub entries: Vec<Entry>,
    /// What is in force.
    pub applied: Vec<Applied>,
}

impl CardReport {
    /// The entries in the order of what they matter, of each file not more than anybody reads.
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

    /// How many entries there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.entries.iter().filter(|entry| entry.severity == severity).count()
    }

    /// The text for people: the same for the same report, whenever it is made.
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
