//! What values look like, and what is wrong with one.

use std::ops::Range;

/// Reads one text of a list; else what it must be, and what was probably meant.
pub type Parse = fn(&str) -> Result<String, (String, Option<String>)>;

/// What values look like.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    /// One lower-case word: `boolean`, `integer`, `number`, `choice`, `text`, `secret`, `time`, `pixels`,
    /// `size`, `crop`, `color`, `ranges`, `list`, `zone`, `device`, `url`, `command`, `path`.
    pub word: &'static str,
    /// The least, of a time in seconds.
    pub least: Option<f64>,
    /// The most.
    pub most: Option<f64>,
    /// All there are, of a choice.
    pub choices: Vec<String>,
    /// A word that may stand in its place: `auto`, `never`, `off`, `unlimited`, `none`.
    pub or: Option<&'static str>,
}

impl Shape {
    /// Values of this word, without a range.
    pub(super) fn plain(word: &'static str) -> Shape {
        Shape { word, ..Shape::default() }
    }

    /// One of these.
    pub(super) fn one_of<T: ToString>(choices: impl IntoIterator<Item = T>) -> Shape {
        Shape { choices: choices.into_iter().map(|one| one.to_string()).collect(), ..Shape::plain("choice") }
    }

    /// Whether a value is written in quotes: all but numbers, flags and lists are.
    pub fn is_text(&self) -> bool {
        !matches!(self.word, "boolean" | "integer" | "number" | "crop" | "ranges" | "list" | "command")
    }
}

/// A value that is not what its key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The end of a sentence that begins with the key: "must be a whole number from 1 to 100, not 500".
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The part that is wrong, in bytes of the document.
    pub span: Range<usize>,
    /// What else is wrong with the value: further items of a list.
    pub further: Vec<Wrong>,
}

impl Wrong {
    pub(in crate::config) fn new((message, hint): Fault, span: Range<usize>) -> Wrong {
        Wrong { message, hint, span, further: Vec::new() }
    }

    /// All of several as one; `None` of none.
    pub(in crate::config) fn merge(wrongs: Vec<Wrong>) -> Option<Wrong> {
        let mut wrongs = wrongs.into_iter();
        wrongs.next().map(|first| Wrong { further: wrongs.collect(), ..first })
    }
}

/// What is wrong, before it is known where: message and hint.
pub(in crate::config) type Fault = (String, Option<String>);
