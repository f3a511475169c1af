//! Shapes of values, and their faults.

use std::ops::Range;

/// Reads one text of a list. The error is a message and an optional hint.
pub(crate) type Parse = fn(&str) -> Result<String, (String, Option<String>)>;

/// Shape of the values of a kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    /// One lower-case word: `boolean`, `integer`, `number`, `choice`, `text`, `secret`, `time`, `pixels`,
    /// `size`, `crop`, `areas`, `color`, `ranges`, `list`, `rules`, `zone`, `device`, `url`, `command`, `path`.
    pub word: &'static str,
    /// Minimum; of a time in seconds.
    pub least: Option<f64>,
    /// Maximum; of a time in seconds.
    pub most: Option<f64>,
    /// All values of a choice.
    pub choices: Vec<String>,
    /// A word that may replace the value: `auto`, `never`, `off`, `unlimited`, `none`.
    pub or: Option<&'static str>,
}

impl Shape {
    /// Values of this word, without a range.
    pub(super) fn plain(word: &'static str) -> Shape {
        Shape { word, ..Shape::default() }
    }

    /// A choice of these words.
    pub(super) fn one_of<T: ToString>(choices: impl IntoIterator<Item = T>) -> Shape {
        Shape { choices: choices.into_iter().map(|one| one.to_string()).collect(), ..Shape::plain("choice") }
    }

    /// The value is written in quotes. Numbers, booleans and lists are not.
    pub fn is_text(&self) -> bool {
        !matches!(
            self.word,
            "boolean" | "integer" | "number" | "crop" | "areas" | "ranges" | "list" | "rules" | "command"
        )
    }
}

/// A value that its key does not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The end of a sentence that begins with the key: "must be a whole number from 1 to 100, not 500".
    pub message: String,
    /// A remedy.
    pub hint: Option<String>,
    /// The faulty part, in bytes of the document.
    pub span: Range<usize>,
    /// Further faults of the value, one per list item.
    pub further: Vec<Wrong>,
}

impl Wrong {
    pub(crate) fn new((message, hint): Complaint, span: Range<usize>) -> Wrong {
        Wrong { message, hint, span, further: Vec::new() }
    }

    /// Several faults as one; `None` if `wrongs` is empty.
    pub(crate) fn merge(wrongs: Vec<Wrong>) -> Option<Wrong> {
        let mut wrongs = wrongs.into_iter();
        wrongs.next().map(|first| Wrong { further: wrongs.collect(), ..first })
    }
}

/// Message and hint of a fault whose place is not known yet.
pub(crate) type Complaint = (String, Option<String>);
