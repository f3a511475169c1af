//! Diagnostics of a configuration: the fault, its place and a remedy.
//!
//! All are collected before any is shown. Each names its place as compilers do (`config.toml:12:11:`, the variable or
//! `--set`). It shows the line as typed with a caret under the place, and a hint if there is one. Passwords are never
//! shown.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use super::redact::masked;

/// Further diagnostics are counted, not shown: the file is no configuration at all.
const SHOWN: usize = 50;

/// Maximum characters of a shown source line. A longer line is cut around the caret.
const WIDEST: usize = 110;

/// One fault of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub(super) place: FilePosition,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) about: Option<(String, String)>,
}

impl Diagnostic {
    /// The place: `config.toml:12:11`, `--set`, `environment`.
    pub fn place(&self) -> &str {
        &self.place.at
    }

    /// Line and column in the file, from 1; `None` if the fault concerns the whole file, or no file.
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        let (_, line, column) = self.place.order;
        (self.place.line() > 0).then_some((line, column))
    }

    /// The key and its faulty value, secrets redacted; `None` if the fault concerns no key.
    pub fn key_and_value(&self) -> Option<(&str, &str)> {
        self.about.as_ref().map(|(path, given)| (path.as_str(), given.as_str()))
    }

    /// The fault and the expected value: a sentence without its full stop.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// A remedy.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilePosition {
    /// The text before the message: `config.toml:12:11`, `--set`, `environment`.
    pub at: String,
    /// Sort key: origin, line and column. Both count from 1; 0 means outside any line.
    pub order: (ComplaintOrigin, usize, usize),
    /// The lines under the message.
    pub excerpt: Option<Excerpt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ComplaintOrigin {
    File,
    Environment,
    /// `--set` on the command line.
    CommandLine,
}

impl ComplaintOrigin {
    fn as_str(self) -> &'static str {
        match self {
            ComplaintOrigin::File => "file",
            ComplaintOrigin::Environment => "environment",
            ComplaintOrigin::CommandLine => "--set",
        }
    }
}

/// A line as typed, and its marked characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    text: String,
    mark: Range<usize>,
    /// The parser's words beside the mark, for the owner of the file; may be empty.
    pub note: String,
}

impl FilePosition {
    /// The whole file, outside any line.
    pub(crate) fn whole_file(at: impl Into<String>) -> FilePosition {
        FilePosition { at: at.into(), order: (ComplaintOrigin::File, 0, 0), excerpt: None }
    }

    /// The bytes `span` of `text`, the argument number `n` of the command line or the environment.
    pub(crate) fn in_argument(
        said: ComplaintOrigin,
        n: usize,
        text: &str,
        span: Range<usize>,
    ) -> FilePosition {
        FilePosition {
            at: said.as_str().to_owned(),
            order: (said, 0, n),
            excerpt: Some(Excerpt::new(&ShownLine::new(text), span)),
        }
    }

    /// The marked text, secrets redacted; empty without an excerpt.
    pub(crate) fn marked_text(&self) -> String {
        let marked =
            |Excerpt { text, mark, .. }: &Excerpt| text.chars().skip(mark.start).take(mark.len()).collect();
        self.excerpt.as_ref().map(marked).unwrap_or_default()
    }

    /// The line in the file, from 1; 0 outside any line.
    pub fn line(&self) -> usize {
        self.order.1
    }
}

/// A line in its redacted form.
#[derive(Debug)]
struct ShownLine {
    text: Vec<char>,
    /// The byte in the typed line at which each character begins.
    starts: Vec<usize>,
    has_secret: bool,
}

impl ShownLine {
    fn new(typed: &str) -> ShownLine {
        let text = masked(typed);
        ShownLine {
            has_secret: text != typed,
            text: text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect(),
            starts: typed.char_indices().map(|(start, _)| start).collect(),
        }
    }

    /// Number of characters that begin before byte `at` of the typed line.
    fn column_at(&self, at: usize) -> usize {
        self.starts.partition_point(|&start| start < at)
    }
}

impl Excerpt {
    fn new(line: &ShownLine, span: Range<usize>) -> Excerpt {
        let begin = line.column_at(span.start);
        let mark = begin..line.column_at(span.end).max(begin + 1);
        let text = &line.text;
        let first = if text.len() <= WIDEST {
            0
        } else {
            mark.start.saturating_sub(WIDEST / 2).min(text.len() - WIDEST)
        };
        let last = text.len().min(first + WIDEST);
        let mut shown: String = text[first..last].iter().collect();
        let mut shift = first;
        if first > 0 {
            shown.insert(0, '…');
            shift -= 1;
        }
        if last < text.len() {
            shown.push('…');
        }
        let start = mark.start - shift;
        Excerpt {
            text: shown,
            mark: start..(mark.end - shift).min(WIDEST + 2).max(start + 1),
            note: String::new(),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = if self.place.line() > 0 { self.place.line().to_string() } else { String::new() };
        let margin = " ".repeat(number.len().max(1));
        write!(f, "{}: {}", self.place.at, self.message)?;
        if let Some(Excerpt { text, mark, note }) = &self.place.excerpt {
            // Tabs stay tabs, so that the caret stands under its place.
            let before: String = (0..mark.start)
                .map(|at| if text.chars().nth(at) == Some('\t') { '\t' } else { ' ' })
                .collect();
            let mark = format!("{} {note}", "^".repeat(mark.len()));
            write!(f, "\n{margin} |\n{number:>1} | {text}\n{margin} | {before}{}", mark.trim_end())?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{margin} = hint: {hint}")?;
        }
        Ok(())
    }
}

/// All faults of a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(pub(super) Vec<Diagnostic>);

impl Diagnostics {
    /// Number of faults.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The faults of the file in its order, then those of the environment, then those of the command line.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// The number in words: "1 error", "3 errors".
    pub fn count_text(&self) -> String {
        format!("{} error{}", self.count(), if self.count() == 1 { "" } else { "s" })
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, complaint) in self.0.iter().take(SHOWN).enumerate() {
            if n > 0 {
                f.write_str("\n\n")?;
            }
            complaint.fmt(f)?;
        }
        if self.count() > SHOWN {
            write!(f, "\n\n… and {} more", self.count() - SHOWN)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// A text with its line starts, to turn byte offsets into places.
#[derive(Debug)]
pub(super) struct LineStarts<'t> {
    name: &'t str,
    text: &'t str,
    starts: Vec<usize>,
    /// Number of calls of [`LineStarts::line_text`].
    #[cfg(test)]
    pub asked: std::cell::Cell<usize>,
    /// Redacted lines with diagnostics. A line may have thousands of faults but is redacted once.
    shown: RefCell<BTreeMap<usize, Rc<ShownLine>>>,
}

impl<'t> LineStarts<'t> {
    /// The lines of `text` from the file `name`.
    pub fn new(name: &'t str, text: &'t str) -> LineStarts<'t> {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        LineStarts {
            name,
            text,
            starts,
            #[cfg(test)]
            asked: std::cell::Cell::default(),
            shown: RefCell::default(),
        }
    }

    /// Number of the line with byte `at`, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|&start| start <= at)
    }

    /// Text of the line `number` without its end.
    pub(crate) fn line_text(&self, number: usize) -> &'t str {
        #[cfg(test)]
        self.asked.set(self.asked.get() + 1);
        let line = self.text.get(self.line_start(number)..self.line_start(number + 1)).unwrap_or("");
        line.trim_end_matches('\n').trim_end_matches('\r')
    }

    /// First byte of the line `number`.
    pub(crate) fn line_start(&self, number: usize) -> usize {
        number.checked_sub(1).and_then(|n| self.starts.get(n)).copied().unwrap_or(self.text.len())
    }

    /// The text of `span`.
    pub fn slice(&self, span: Range<usize>) -> &'t str {
        self.text.get(span).unwrap_or("")
    }

    /// The place of `span`, cut to its first line.
    pub(crate) fn place_of_span(&self, span: Range<usize>) -> FilePosition {
        let mut at = span.start.min(self.text.len());
        // An error at the very end is shown at the end of the last line with text.
        if at == self.text.len() {
            at = self.text.trim_end().len();
        }
        let line = self.line(at);
        let text = self.line_text(line);
        let shown = self.shown_line(line);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let from = (at - start).min(text.len());
        let to = span.end.saturating_sub(start).clamp(from, text.len());
        let column = shown.column_at(from) + 1;
        FilePosition {
            at: format!("{}:{line}:{column}", self.name),
            order: (ComplaintOrigin::File, line, column),
            excerpt: Some(Excerpt::new(&shown, from..to)),
        }
    }

    /// A part of line `number` is redacted.
    pub(crate) fn has_secret(&self, number: usize) -> bool {
        self.shown_line(number).has_secret
    }

    fn shown_line(&self, number: usize) -> Rc<ShownLine> {
        let mut shown = self.shown.borrow_mut();
        Rc::clone(shown.entry(number).or_insert_with(|| Rc::new(ShownLine::new(self.line_text(number)))))
    }
}

/// The candidate closest to `word`. At most a third of its letters, and at most three, differ.
pub fn closest_match<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    if length > 60 {
        return None;
    }
    candidates
        .map(|c| (strsim::damerau_levenshtein(&word, &c.to_lowercase()), c))
        .filter(|&(distance, _)| distance <= (length / 3).clamp(1, 3) && distance < length)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, c)| c)
}

/// "a", "a or b", "a, b or c".
pub(super) fn join_with_or(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_place() {
        let lines = LineStarts::new("x.toml", "a = 1\n\tü = \"é\" # ö\r\n");
        let span = "a = 1\n\tü = ".len().."a = 1\n\tü = \"é\"".len();
        let complaint = Diagnostic {
            place: lines.place_of_span(span),
            message: "no".into(),
            hint: Some("yes".into()),
            about: None,
        };
        assert_eq!(
            complaint.to_string(),
            "x.toml:2:6: no\n  |\n2 | \tü = \"é\" # ö\n  | \t    ^^^\n  = hint: yes"
        );
    }

    #[test]
    fn every_span_has_a_place() {
        for text in ["", "\n", "a\n\nb", "é"] {
            let lines = LineStarts::new("x", text);
            for start in 0..=text.len() + 1 {
                for end in start..=text.len() + 2 {
                    assert!(lines.place_of_span(start..end).at.starts_with("x:"));
                }
            }
        }
    }

    /// The longest file can have this many faults. Each gets its place, and the line is redacted once.
    #[test]
    fn a_line_may_have_thousands_of_faults() {
        let text = "a=1,".repeat(16_000);
        let lines = LineStarts::new("x", &text);
        let places: Vec<FilePosition> = (0..16_000).map(|n| lines.place_of_span(n * 4..n * 4 + 3)).collect();
        assert_eq!(places[15_999].at, "x:1:63997");
        assert!(places.iter().all(|place| place.marked_text() == "a=1"));
        assert_eq!(lines.shown.borrow().len(), 1);
        assert!(!lines.has_secret(1));
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}HERE{}", "x".repeat(5000), "y".repeat(5000));
        let excerpt = Excerpt::new(&ShownLine::new(&text), 5000..5004);
        let marked: String = excerpt.text.chars().skip(excerpt.mark.start).take(excerpt.mark.len()).collect();
        assert_eq!(marked, "HERE");
        assert!(excerpt.text.chars().count() <= WIDEST + 2);
    }

    #[test]
    fn the_nearest_word_is_near() {
        let words = ["quality", "idle_stop", "fps"];
        assert_eq!(closest_match("qualtiy", words.into_iter()), Some("quality"));
        assert_eq!(closest_match("idlestop", words.into_iter()), Some("idle_stop"));
        assert_eq!(closest_match("gps", words.into_iter()), Some("fps"));
        for far in ["brightness", "xyz", "", "é"] {
            assert_eq!(closest_match(far, words.into_iter()), None, "{far}");
        }
    }
}
