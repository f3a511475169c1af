//! Results on standard output.

use std::io::{self, Write as _};

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
