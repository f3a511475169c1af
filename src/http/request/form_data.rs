//! Reads streamed `multipart/form-data` (RFC 7578, RFC 2046 §5.1): a browser's form with a file, sent without a
//! script.
//!
//! Parts come one after the other; a part's bytes are a [`Read`] of any length. Memory is bounded: some kilobytes of
//! buffer, part heads of at most [`MAX_HEAD`] bytes, and as many parts as the caller asks for. Knows no socket.

use std::io::{self, Read};

use memchr::memmem;

/// The longest head of a part.
const MAX_HEAD: usize = 8 << 10;

/// Bytes requested per read.
const RUN: usize = 16 << 10;

/// The boundary in a `Content-Type`; `None` for other media types.
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    // RFC 2046 §5.1.1.
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// The value of a parameter: `; name="front door"; filename=a.jpg`.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (key, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

/// A quoted text up to its closing quote, and the rest. Browsers write `%22` for a quote and keep a backslash; others
/// write `\"`.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value.replace("%22", "\""), &text[at + 1..])),
            '\\' if text[at + 1..].starts_with('"') => {
                value.push('"');
                letters.next();
            }
            _ => value.push(letter),
        }
    }
    None
}

/// The head of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormPart {
    /// The field's name.
    pub name: String,
    /// The file's name from the sender, without folders; `None` for a plain field.
    pub file: Option<String>,
}

/// A form being read.
#[derive(Debug)]
pub struct FormData<R> {
    input: R,
    /// Bytes read and not yet delivered.
    buffer: Vec<u8>,
    /// CR LF, two dashes, and the boundary.
    delimiter: Vec<u8>,
    is_at_end: bool,
    /// Inside a part whose end has not been found.
    is_inside: bool,
}

impl<R: Read> FormData<R> {
    /// A form with this boundary.
    pub fn new(input: R, boundary: &str) -> FormData<R> {
        // The first delimiter may be at the very beginning.
        let buffer = b"\r\n".to_vec();
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        FormData { input, buffer, delimiter, is_at_end: false, is_inside: true }
    }

    /// The next part, even if the previous one was not read to its end; `None` after the last.
    ///
    /// # Errors
    /// The input's; the input is not such a form, or breaks off.
    pub fn part(&mut self) -> io::Result<Option<FormPart>> {
        io::copy(&mut self.body(), &mut io::sink())?;
        // After the delimiter: two dashes, or white space and the end of the line.
        let line = self.up_to(b"\r\n", true)?;
        if line.starts_with(b"--") {
            return Ok(None);
        }
        if !line.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            return Err(broken("something stands behind a boundary"));
        }
        let (mut name, mut file) = (None, None);
        loop {
            let line = self.up_to(b"\r\n", false)?;
            if line.is_empty() {
                break;
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            let Some((key, value)) = line.split_once(':') else { continue };
            if key.trim().eq_ignore_ascii_case("content-disposition") {
                let parameters = value.split_once(';').map_or("", |(_, parameters)| parameters);
                name = parameter(parameters, "name");
                // Some browsers send the whole path.
                file = parameter(parameters, "filename")
                    .map(|path| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned());
            }
        }
        self.is_inside = true;
        Ok(Some(FormPart { name: name.unwrap_or_default(), file }))
    }

    /// The bytes of the part.
    pub fn body(&mut self) -> PartBody<'_, R> {
        PartBody(self)
    }

    /// The text of a plain field, at most `most` bytes.
    ///
    /// # Errors
    /// As [`FormData::part`]; the text is longer.
    pub fn text(&mut self, most: usize) -> io::Result<String> {
        let mut text = Vec::new();
        self.body().take(most as u64 + 1).read_to_end(&mut text)?;
        if text.len() > most {
            return Err(broken("a field of it is too long"));
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The bytes before `end`; skips `end` itself. With `may_end`, the end of the input also counts.
    fn up_to(&mut self, end: &[u8], may_end: bool) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = memmem::find(&self.buffer, end) {
                let text = self.buffer[..at].to_vec();
                self.buffer.drain(..at + end.len());
                return Ok(text);
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(broken("the head of a part is too long"));
            }
            if !self.more()? {
                if may_end && self.buffer.starts_with(b"--") {
                    return Ok(std::mem::take(&mut self.buffer));
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads more bytes; false at the end of the input.
    fn more(&mut self) -> io::Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        let before = self.buffer.len();
        self.buffer.resize(before + RUN, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        self.is_at_end = read? == 0;
        Ok(!self.is_at_end)
    }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the form is broken: {why}"))
}

/// The bytes of one part.
#[derive(Debug)]
pub struct PartBody<'a, R>(&'a mut FormData<R>);

impl<R: Read> Read for PartBody<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let form = &mut *self.0;
        if into.is_empty() || !form.is_inside {
            return Ok(0);
        }
        loop {
            // Bytes that cannot start a delimiter may be delivered.
            let end = memmem::find(&form.buffer, &form.delimiter);
            let sure = end.unwrap_or_else(|| (form.buffer.len() + 1).saturating_sub(form.delimiter.len()));
            if sure > 0 {
                let len = sure.min(into.len());
                into[..len].copy_from_slice(&form.buffer[..len]);
                form.buffer.drain(..len);
                return Ok(len);
            }
            if end == Some(0) {
                form.buffer.drain(..form.delimiter.len());
                form.is_inside = false;
                return Ok(0);
            }
            if !form.more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Delivers at most this many bytes at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(into.len()).min(self.0.len());
            into[..len].copy_from_slice(&self.0[..len]);
            self.0 = &self.0[len..];
            Ok(len)
        }
    }

    fn form(file: &[u8]) -> Vec<u8> {
        [
            b"--XX\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nat the door\r\n--XX\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"C:\\a\\b %22c%22.jpg\"\r\n\
            Content-Type: image/jpeg\r\n\r\n"
                .as_slice(),
            file,
            b"\r\n--XX--\r\n",
        ]
        .concat()
    }

    type ReadParts = io::Result<Vec<(FormPart, Vec<u8>)>>;

    fn read(bytes: &[u8], run: usize) -> ReadParts {
        let mut form = FormData::new(Slowly(bytes, run), "XX");
        let mut parts = Vec::new();
        while let Some(part) = form.part()? {
            let mut body = Vec::new();
            form.body().read_to_end(&mut body)?;
            parts.push((part, body));
        }
        Ok(parts)
    }

    #[test]
    fn fields_and_files_come_in_order_however_they_are_cut() {
        let file = b"\r\n--X\r\n--\r\r\n\xff\xd8 anything \r\n--";
        for run in [1, 2, 3, 7, 64, 100_000] {
            let parts = read(&form(file), run).unwrap();
            assert_eq!(parts.len(), 2);
            assert_eq!(parts[0], (FormPart { name: "note".into(), file: None }, b"at the door".to_vec()));
            assert_eq!(parts[1].0, FormPart { name: "file".into(), file: Some("b \"c\".jpg".into()) });
            assert_eq!(parts[1].1, file, "in runs of {run}");
        }
    }

    #[test]
    fn a_form_that_breaks_off_is_an_error() {
        let whole = form(b"file");
        for len in 0..whole.len() - 4 {
            assert!(read(&whole[..len], 5).is_err(), "{len} bytes");
        }
        // The line end after the last boundary may be missing.
        assert_eq!(read(&whole[..whole.len() - 2], 5).unwrap().len(), 2);
    }

    #[test]
    fn parts_may_be_skipped_and_have_limits() {
        let bytes = form(&[7; 100_000]);
        let mut form = FormData::new(&bytes[..], "XX");
        assert_eq!(form.part().unwrap().unwrap().name, "note");
        assert_eq!(form.part().unwrap().unwrap().name, "file");
        assert_eq!(form.part().unwrap(), None);
        let mut form = FormData::new(&bytes[..], "XX");
        form.part().unwrap();
        assert!(form.text(5).is_err());
        let long = format!("--XX\r\n{}: a\r\n\r\n", "x".repeat(100_000));
        assert!(FormData::new(long.as_bytes(), "XX").part().is_err());
    }

    #[test]
    fn the_boundary_is_that_of_the_header() {
        for (text, want) in [
            ("multipart/form-data; boundary=XX", Some("XX")),
            ("Multipart/Form-Data; charset=utf-8; boundary=\"a b\"", Some("a b")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/mixed; boundary=XX", None),
            ("image/jpeg", None),
        ] {
            assert_eq!(boundary(text).as_deref(), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(prop::sample::select(b"\r\n-X:;=\" a".to_vec()), 0..300)) {
            let _ = read(&bytes, 7);
        }
    }
}
