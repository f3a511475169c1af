//! Tables as comma-separated values (RFC 4180): a header, lines that end in CR LF, quotes as needed. Pure.
//!
//! Spreadsheets run a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return as a formula. Anybody who
//! may draw a line can type a name like that, so such a text gets a leading apostrophe, which marks it as text.
//! Numbers stay unchanged.

use std::fmt::{Display, Write};

/// The media type.
pub const CONTENT_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// Begins a table over HTTP; without it Excel reads UTF-8 as the local code page.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Rows under one header.
#[derive(Debug, Default)]
pub struct CsvTable {
    text: String,
    is_begun: bool,
    /// For spreadsheets of a language with decimal commas: cells end in semicolons.
    has_commas: bool,
}

// Writing to a string cannot fail.
impl CsvTable {
    /// An empty table.
    pub fn begin(has_commas: bool) -> CsvTable {
        CsvTable { has_commas, ..CsvTable::default() }
    }

    /// A table with this header.
    pub fn new(header: &[&str], has_commas: bool) -> CsvTable {
        let mut table = CsvTable::begin(has_commas);
        header.iter().for_each(|name| table.text(name));
        table.end_row();
        table
    }

    /// A cell of text.
    pub fn text(&mut self, text: &str) {
        self.separate();
        let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let guard = if is_formula { "'" } else { "" };
        if text.contains([',', ';', '"', '\r', '\n']) {
            let _ = write!(self.text, "\"{guard}{}\"", text.replace('"', "\"\""));
        } else {
            let _ = write!(self.text, "{guard}{text}");
        }
    }

    /// A cell with a number, a time or a word of our own.
    pub fn plain(&mut self, value: impl Display) {
        self.separate();
        let _ = write!(self.text, "{value}");
    }

    /// A cell with a decimal number.
    pub fn decimal(&mut self, value: impl Display) {
        let text = value.to_string();
        self.plain(if self.has_commas { text.replace('.', ",") } else { text });
    }

    /// An empty cell.
    pub fn empty(&mut self) {
        self.separate();
    }

    /// Ends the row.
    pub fn end_row(&mut self) {
        self.text.push_str("\r\n");
        self.is_begun = false;
    }

    /// The text written since the last call.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    fn separate(&mut self) {
        if self.is_begun {
            self.text.push(if self.has_commas { ';' } else { ',' });
        }
        self.is_begun = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> String {
        let mut table = CsvTable::default();
        table.text(text);
        table.take()
    }

    #[test]
    fn rows_are_those_of_rfc_4180() {
        let mut table = CsvTable::new(&["id", "line", "count"], false);
        table.plain(7);
        table.text("Door, \"north\"");
        table.empty();
        table.end_row();
        assert_eq!(table.take(), "id,line,count\r\n7,\"Door, \"\"north\"\"\",\r\n");
        table.plain(-0.5);
        table.end_row();
        assert_eq!(table.take(), "-0.5\r\n");
        let mut sheet = CsvTable::new(&["a", "b"], true);
        sheet.decimal(0.5);
        sheet.text("x;y");
        sheet.end_row();
        assert_eq!(sheet.take(), "a;b\r\n0,5;\"x;y\"\r\n");
    }

    #[test]
    fn a_name_is_no_formula() {
        for (text, want) in [
            ("=1+2", "'=1+2"),
            ("@x", "'@x"),
            ("+49", "'+49"),
            ("-a", "'-a"),
            ("\tx", "'\tx"),
            ("=HYPERLINK(\"a\",\"b\")", "\"'=HYPERLINK(\"\"a\"\",\"\"b\"\")\""),
            ("Door", "Door"),
            ("Tür 1 = A", "Tür 1 = A"),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(text), want, "{text}");
        }
    }
}
