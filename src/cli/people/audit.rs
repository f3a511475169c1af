//! `tallycam audit`: who signed in, who was refused, and who changed what. Reads the file itself, whether the daemon runs or
//! not.

use clap::Args;

use crate::cli::counting::counts::store_failure;
use crate::cli::{ConfigArgs, Failure, print_stdout};
use crate::daemon::counting::store_settings;
use crate::http::time_param;
use crate::http::{activity_in_words, activity_table};
use crate::store::{AuditRow, CountsReader};

/// Show sign-ins, refusals and changes, newest first.
///
/// While the service runs, refusals and repeated sign-ins of the last ten seconds may be missing.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Maximum number
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    limit: u64,
    /// Print CSV
    #[arg(long)]
    csv: bool,
}

impl AuditArgs {
    /// Does it.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let counts_db = store_settings(&given.load()?.config);
        let rows = CountsReader::open(&counts_db).and_then(|reader| reader.audit(None, self.limit as usize));
        let rows = rows.map_err(store_failure)?;
        if self.csv {
            return print_stdout(&activity_table(&rows, &counts_db.zone));
        }
        let line = |row: &AuditRow| {
            let (time, what) = (time_param::local(row.time_us, &counts_db.zone), activity_in_words(row));
            let who = if row.entry.who.is_empty() { "-" } else { &row.entry.who };
            format!("{time}  {who}  {}  {what}\n", row.entry.address)
        };
        print_stdout(&rows.iter().map(line).collect::<String>())
    }
}
