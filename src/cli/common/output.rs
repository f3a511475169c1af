//! Results on standard output.

use std::io::{self, Write as _};

use serde_json::Value;

use super::terminal::{coloured, shown, takes_colour};
use crate::cli::Failure;

/// Writes `text` to standard output, its control characters [`shown`].
pub(in crate::cli) fn print_stdout(text: &str) -> Result<(), Failure> {
    write_stdout(shown(text).as_bytes())
}

/// Writes `text` to standard output, with colours on a terminal.
pub(in crate::cli) fn print_coloured(text: &str) -> Result<(), Failure> {
    match takes_colour(&io::stdout()) {
        true => write_stdout(coloured(&shown(text)).as_bytes()),
        false => print_stdout(text),
    }
}

/// Writes `bytes` to standard output.
pub(in crate::cli) fn write_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Writes `value` to standard output as indented JSON.
pub(in crate::cli) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::failed(format!("no JSON could be made: {error}")))?;
    print_stdout(&format!("{text}\n"))
}

/// The text at `key` of an answer; empty if it has none.
pub(in crate::cli) fn text_field<'a>(item: &'a Value, key: &str) -> &'a str {
    item[key].as_str().unwrap_or_default()
}

/// The whole number at `key` of an answer; 0 if it has none.
pub(in crate::cli) fn number_field(item: &Value, key: &str) -> u64 {
    item[key].as_u64().unwrap_or_default()
}
