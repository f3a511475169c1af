//! The progress of each rule, in the file `notify.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outbound::kept::KeptFile;

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
pub type KeptRules = KeptFile<BTreeMap<String, RuleProgress>>;
