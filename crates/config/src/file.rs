//! The file as typed: its text, the place of every value, and all syntax errors at once.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use super::diagnostic::{Diagnostic, FilePosition, LineStarts};
use super::kind::quoted;

/// Maximum bytes of a file. The shipped one has 11 kB.
const LONGEST: u64 = 64 * 1024;

const LIST_NOT_CLOSED: &str = "a comma, or the list's closing `]`, is missing before this";

/// A parsed file. If its syntax is broken, `table` holds the readable part.
#[derive(Debug)]
pub(super) struct Document<'t> {
    pub lines: LineStarts<'t>,
    pub table: DeTable<'t>,
}

/// Reads the file at `path` as text.
///
/// # Errors
/// The file cannot be read, is too long, or is not UTF-8.
pub(super) fn read(path: &Path) -> Result<String, Box<Diagnostic>> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => {
                Some(format!("`tallycam config default > {name}` writes one, with every key explained"))
            }
            _ => None,
        };
        return Err(file_complaint(&name, format!("cannot be read: {error}"), hint));
    }
    check_length(&name, bytes.len())?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let place = LineStarts::new(&name, &text).place_of_span(good..good + 1);
        let hint = Some(String::from("save the file as UTF-8"));
        Box::new(Diagnostic { place, message: String::from("this is not UTF-8 text"), hint, about: None })
    })
}

/// Refuses anything at `path` that is not a file, because opening a pipe would block.
///
/// # Errors
/// The diagnostic.
pub(super) fn check_kind(path: &Path) -> Result<(), Box<Diagnostic>> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(file_complaint(&path.display().to_string(), String::from("is no file"), None))
        }
        _ => Ok(()),
    }
}

/// Refuses a file of `len` bytes that is too long.
///
/// # Errors
/// A diagnostic of the file `name`.
pub(super) fn check_length(name: &str, len: usize) -> Result<(), Box<Diagnostic>> {
    if len as u64 <= LONGEST {
        return Ok(());
    }
    Err(file_complaint(name, format!("is no configuration: it is longer than {} kB", LONGEST / 1024), None))
}

pub(super) fn file_complaint(name: &str, message: String, hint: Option<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic { place: FilePosition::whole_file(name), message, hint, about: None })
}

pub(super) fn parse<'t>(name: &'t str, text: &'t str) -> (Document<'t>, Vec<Diagnostic>) {
    let lines = LineStarts::new(name, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let document = Document { lines, table: table.into_inner() };
    let headings: Vec<usize> = match errors.is_empty() {
        true => Vec::new(),
        false => (1..).zip(text.lines()).filter(|(_, line)| is_heading(line)).map(|(n, _)| n).collect(),
    };
    let mut sections = Sections { headings, below: HashMap::new() };
    let mut complaints: Vec<Diagnostic> = errors
        .iter()
        .map(|error| syntax(&document, &mut sections, error.message(), error.span().unwrap_or(0..0)))
        .collect();
    complaints.sort_by_key(|complaint| complaint.place.order);
    // Later errors on a line mostly repeat the first one. After an unclosed list every line has an error.
    complaints.dedup_by(|later, earlier| {
        later.place.line() == earlier.place.line()
            || (earlier.message == LIST_NOT_CLOSED
                && (later.message == LIST_NOT_CLOSED || later.message.contains(" in array")))
    });
    (document, complaints)
}

fn is_heading(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

/// The sections for syntax errors. A heading may be long and have thousands of errors below it.
struct Sections<'d, 't> {
    /// Lines with headings.
    headings: Vec<usize>,
    /// The table of each requested heading, by its line; 0 above the first heading.
    below: HashMap<usize, Option<&'d DeTable<'t>>>,
}

impl<'d, 't> Sections<'d, 't> {
    /// The table at line `line` of `document`.
    fn table_at(&mut self, document: &'d Document<'t>, line: usize) -> Option<&'d DeTable<'t>> {
        let heading = self.headings.partition_point(|&heading| heading < line).checked_sub(1);
        let heading = heading.map_or(0, |at| self.headings[at]);
        *self.below.entry(heading).or_insert_with(|| {
            let heading = document.lines.line_text(heading).trim();
            let section = heading.trim_start_matches('[').split(']').next().unwrap_or("").trim();
            section.split('.').filter(|part| !part.is_empty()).try_fold(&document.table, |table, part| {
                table.get(part.trim()).and_then(|v| v.get_ref().as_table())
            })
        })
    }
}

/// Rewrites the parser's `message` for the file's owner.
fn syntax<'d, 't>(
    document: &'d Document<'t>,
    sections: &mut Sections<'d, 't>,
    message: &str,
    span: Range<usize>,
) -> Diagnostic {
    let lines = &document.lines;
    let mut place = lines.place_of_span(span.clone());
    let typed = lines.slice(span.clone());
    let (message, hint) = if message.starts_with("duplicate key") {
        return duplicate_complaint(document, sections, span);
    } else if message.starts_with("string values must be quoted") {
        if typed.trim().is_empty() {
            (String::from("a value is missing here"), None)
        } else {
            // The hint must not repeat a redacted value.
            let hint = match lines.has_secret(lines.line(span.start)) {
                false => format!("write {}", quoted(typed.trim())),
                true => String::from("write it in quotes"),
            };
            (String::from("text must stand in quotes"), Some(hint))
        }
    } else if message.starts_with("key with no value") {
        (String::from("a key needs `=` and a value"), None)
    } else if message.starts_with("unclosed table") {
        (String::from("the section's name must be closed with `]`"), None)
    } else if message.starts_with("missing comma between array elements") {
        (String::from(LIST_NOT_CLOSED), None)
    } else if message.starts_with("unclosed array") {
        (String::from("the list must be closed with `]`"), None)
    } else if message == "invalid basic string, expected `\"`" {
        (String::from("the quote is not closed on this line"), None)
    } else {
        if let Some(excerpt) = &mut place.excerpt {
            message.clone_into(&mut excerpt.note);
        }
        (String::from("this cannot be read"), None)
    };
    Diagnostic { place, message, hint, about: None }
}

fn duplicate_complaint<'d, 't>(
    document: &'d Document<'t>,
    sections: &mut Sections<'d, 't>,
    span: Range<usize>,
) -> Diagnostic {
    let lines = &document.lines;
    let place = lines.place_of_span(span.clone());
    let line = place.line();
    let name = lines.slice(span.clone());
    if is_heading(lines.line_text(line)) {
        let message = format!("the section of `{name}` is opened twice");
        let hint = Some(String::from("put all its keys under one heading"));
        return Diagnostic { place, message, hint, about: None };
    }
    let first = sections
        .table_at(document, line)
        .and_then(|table| table.get_key_value(name))
        .map(|(key, _)| lines.line(key.span().start))
        .filter(|&first| first < line);
    let hint = first.map(|first| format!("line {first} sets it first: keep one of the two"));
    Diagnostic { place, message: format!("`{name}` is set twice"), hint, about: None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_duplicate_is_searched_in_its_section() {
        let text = "a = 1\n[b]\na = 2\n[c]\n\n[c.d]\na = 3\na = 4\n[b.e]\n";
        let (_, complaints) = parse("x", text);
        assert_eq!((complaints.len(), complaints[0].place.line()), (1, 8));
        assert_eq!(complaints[0].hint.as_deref(), Some("line 7 sets it first: keep one of the two"));
    }

    /// The longest file can have this many faults. None of them searches the whole text before it.
    #[test]
    fn a_file_may_have_a_fault_in_every_line() {
        let count = LONGEST as usize / "a=1\n".len();
        let text = "a=1\n".repeat(count);
        let (document, complaints) = parse("x", &text);
        assert_eq!(complaints.len(), count - 1);
        let hint = complaints[count - 2].hint.as_deref();
        assert_eq!(hint, Some("line 1 sets it first: keep one of the two"));
        assert!(document.lines.asked.get() <= 5 * count, "{}", document.lines.asked.get());
    }
}
