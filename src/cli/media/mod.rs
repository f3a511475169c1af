//! `tallycam media`: snapshots and recordings.
//!
//! Every command asks the service, except `check` and `export`, which work on the file and need no service.

mod add;
mod change;
mod export;
mod list;
mod maintenance;
mod store;

pub(in crate::cli) use store::local_time;
pub(in crate::cli::media) use store::{
    MediaItem, file, find_item, item_of_name, list_items, require_service,
};
pub use store::{OwnCopy, bytes, find_stored_item, format_count, format_duration, reader, store_failure};

use clap::Subcommand;

use crate::cli::{ConfigArgs, Failure};

/// Show, add, change and delete snapshots and recordings (needs the running service, except check and export)
#[derive(Debug, Subcommand)]
pub enum MediaCommand {
    List(list::MediaListArgs),
    Show(list::MediaShowArgs),
    Add(add::MediaAddArgs),
    Export(export::MediaExportArgs),
    Rename(change::RenameArgs),
    Date(change::DateArgs),
    Note(change::NoteArgs),
    Keep(change::KeepArgs),
    Remove(change::RemoveArgs),
    New(change::New),
    Check(maintenance::MediaCheckArgs),
    Vacuum(maintenance::VacuumArgs),
    Backup(maintenance::MediaBackupArgs),
    Retention(maintenance::RetentionArgs),
}

impl MediaCommand {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        match self {
            MediaCommand::List(command) => command.run(given),
            MediaCommand::Show(command) => command.run(given),
            MediaCommand::Add(command) => command.run(given),
            MediaCommand::Export(command) => command.run(given),
            MediaCommand::Rename(command) => command.run(given),
            MediaCommand::Date(command) => command.run(given),
            MediaCommand::Note(command) => command.run(given),
            MediaCommand::Keep(command) => command.run(given),
            MediaCommand::Remove(command) => command.run(given),
            MediaCommand::New(command) => command.run(given),
            MediaCommand::Check(command) => command.run(given),
            MediaCommand::Vacuum(command) => command.run(given),
            MediaCommand::Backup(command) => command.run(given),
            MediaCommand::Retention(command) => command.run(given),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_short() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (12_345_678, "12.3 MB"),
            (5_000_000_000_000_000, "5000.0 TB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        for (us, text) in [(0, "0:00"), (7_400_000, "0:07"), (59_500_000, "1:00"), (3_723_000_000, "1:02:03")]
        {
            assert_eq!(format_duration(us), text);
        }
        assert_eq!(
            (format_count(1, "item").as_str(), format_count(0, "item").as_str()),
            ("1 item", "0 items")
        );
    }
}
