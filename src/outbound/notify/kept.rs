//! The progress of each rule, in the small file `notify.json` beside counts.db: a restart repeats nothing and leaves
//! nothing out.
//!
//! It is a file of its own and no table of counts.db. A place that was sent to somebody is no count, and a backup of
//! counts.db must not take it along. A damaged counts.db must not make every message come again. The file is written
//! at most every [`PAUSE`], and when there is nothing more to send: after a power cut the last crossings may be sent
//! twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tallycam_base::private;

/// Shortest time between two writes while there is more to send.
const PAUSE: Duration = Duration::from_secs(5);

/// Name of the file.
pub const FILE: &str = "notify.json";

/// The progress of one rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleProgress {
    /// The ledger of the counts.db that `sent` belongs to.
    pub ledger: String,
    /// The condition and place of the rule then.
    pub follows: String,
    /// The place in counts.db up to which everything has arrived.
    pub sent: Option<u64>,
    /// The highest number of a crossing that has arrived.
    pub last: u64,
    /// The condition was reported, and its end was not.
    pub is_reported: bool,
    /// The last crossing and the opening of the quiet that was reported.
    pub quiet: String,
    /// The last day with a summary.
    pub day: String,
}

/// The progress of all rules, by name.
#[derive(Debug)]
pub struct Kept {
    file: PathBuf,
    rules: BTreeMap<String, RuleProgress>,
    is_dirty: bool,
    written: Option<Instant>,
    complaint: Option<String>,
    /// Held while the file is written.
    pub writing: Arc<tokio::sync::Mutex<()>>,
}

impl Kept {
    /// Reads the file. One that cannot be read counts as empty: rules begin with what happens from now on.
    pub fn read(directory: &Path) -> Kept {
        let file = directory.join(FILE);
        let read = std::fs::read(&file).ok().map(|bytes| serde_json::from_slice(&bytes));
        if let Some(Err(error)) = &read {
            log::error!("{} is damaged, rules begin with what happens from now on: {error}", file.display());
        }
        let rules = read.and_then(Result::ok).unwrap_or_default();
        Kept { file, rules, is_dirty: false, written: None, complaint: None, writing: Arc::default() }
    }

    /// The progress of the rule `name`.
    pub fn of(&self, name: &str) -> RuleProgress {
        self.rules.get(name).cloned().unwrap_or_default()
    }

    pub fn set(&mut self, name: &str, told: RuleProgress) {
        if self.rules.get(name) != Some(&told) {
            self.rules.insert(name.to_owned(), told);
            self.is_dirty = true;
        }
    }

    /// Forgets the rules that are not in `names`.
    pub fn retain(&mut self, names: &[&str]) {
        let before = self.rules.len();
        self.rules.retain(|name, _| names.contains(&name.as_str()));
        self.is_dirty |= self.rules.len() < before;
    }

    /// The file and its text, if it is to be written now.
    pub fn due(&mut self, is_more_to_send: bool) -> Option<(PathBuf, String)> {
        let is_early = self.written.is_some_and(|at| at.elapsed() < PAUSE);
        if !self.is_dirty || (is_more_to_send && is_early) {
            return None;
        }
        (self.is_dirty, self.written) = (false, Some(Instant::now()));
        Some((self.file.clone(), serde_json::to_string(&self.rules).unwrap_or_default()))
    }

    /// Notes the outcome of a write. Each reason is logged once.
    pub fn wrote(&mut self, outcome: std::io::Result<()>) {
        let complaint = outcome.err().map(|error| error.to_string());
        if let Some(why) = complaint.as_ref().filter(|why| self.complaint.as_ref() != Some(why)) {
            log::error!("{} cannot be written, a restart may repeat messages: {why}", self.file.display());
        }
        self.is_dirty |= complaint.is_some();
        self.complaint = complaint;
    }
}

/// Writes the text. Blocks.
pub fn write(file: &Path, text: &str) -> std::io::Result<()> {
    private::replace(file, text.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_told_is_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::read(folder.path());
        let told = RuleProgress { sent: Some(7), ..RuleProgress::default() };
        kept.set("Till", told.clone());
        let (file, text) = kept.due(true).unwrap();
        write(&file, &text).unwrap();
        assert_eq!(Kept::read(folder.path()).of("Till"), told);
        kept.set("Till", RuleProgress { sent: Some(8), ..told });
        assert!(kept.due(true).is_none(), "not at each crossing");
        assert!(kept.due(false).is_some());
        kept.wrote(Err(std::io::ErrorKind::StorageFull.into()));
        assert!(kept.due(false).is_some(), "it is tried again");
    }

    #[test]
    fn a_damaged_file_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(Kept::read(folder.path()).of("Till"), RuleProgress::default());
    }
}
