//! `tallycam audit`: sign-ins, refusals and changes.

use clap::Args;
use serde_json::Value;

use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::media::local_time;
use crate::cli::{ConfigArgs, Failure, print_stdout};
use crate::daemon::counting::store_settings;

/// Rows of one request.
const PAGE: u64 = 1000;

const UNREAD: &str = "the list could not be read";

/// Show sign-ins, refusals and changes, newest first (needs the running service).
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Maximum number
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    limit: u64,
    /// Print CSV
    #[arg(long)]
    csv: bool,
}

impl AuditArgs {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        let daemon = Daemon::require_own(&config, "this")?;
        let zone = store_settings(&config).zone;
        if self.csv {
            // The table is cut here: the API gives CSV of a thousand rows or of all.
            let path = "/api/v1/audit?format=csv";
            let table = daemon.request("GET", path, RequestBody::Nothing)?.expect_success(UNREAD)?.table()?;
            return print_stdout(first_records(&table, self.limit.saturating_add(1)));
        }
        let (mut text, mut left, mut cursor) = (String::new(), self.limit, String::new());
        loop {
            let path = format!("/api/v1/audit?limit={}{cursor}", PAGE.min(left));
            let page: Value = daemon.json("GET", &path, RequestBody::Nothing, UNREAD)?;
            for row in page["items"].as_array().into_iter().flatten() {
                let word = |key: &str| row[key].as_str().unwrap_or_default();
                let who = Some(word("who")).filter(|who| !who.is_empty()).unwrap_or("-");
                let time = local_time(word("time"), &zone);
                text.push_str(&format!("{time}  {who}  {}  {}\n", word("from"), word("what")));
            }
            left -= PAGE.min(left);
            match page["next"].as_str() {
                Some(next) if left > 0 => cursor = format!("&cursor={next}"),
                _ => return print_stdout(&text),
            }
        }
    }
}

/// The first records of a table. A line end between quotes ends no record.
fn first_records(table: &str, most: u64) -> &str {
    let (mut is_quoted, mut records) = (false, 0);
    let end = table.bytes().position(|byte| {
        is_quoted ^= byte == b'"';
        records += u64::from(byte == b'\n' && !is_quoted);
        records == most
    });
    end.map_or(table, |end| &table[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_between_quotes_ends_no_record() {
        let table = "id,what\r\n1,\"a\nb \"\"c\"\"\"\r\n2,d\r\n";
        assert_eq!(first_records(table, 2), "id,what\r\n1,\"a\nb \"\"c\"\"\"\r\n");
        assert_eq!(first_records(table, 3), table);
        assert_eq!(first_records(table, 9), table);
    }
}
