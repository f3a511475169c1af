//! What somebody may do, and what a token is good for. Pure.

use serde::{Deserialize, Serialize};

use crate::base::json;

json::words! {
    Scope { Stream "stream", Snapshot "snapshot", Counts "counts", Metrics "metrics", Control "control" }
}

/// What somebody may do; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at the live picture and the counts, for as long as a signed link lasts. No user has it.
    Guest,
    /// And at what is kept.
    Viewer,
    /// Record, draw lines, set light, lens and picture, pause, delete what is kept; read log and settings.
    Operator,
    /// Settings, passwords, power, the store as a whole.
    Admin,
}

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The live picture as a stream.
    Stream,
    /// Single live pictures.
    Snapshot,
    /// Lines, zones, counts, crossings, events.
    Counts,
    /// Figures, and how things are.
    Metrics,
    /// All that an operator may.
    Control,
}

impl Role {
    /// Those that users have, the least first.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    /// As a word: `viewer`.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Guest => "guest",
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// The role of this word that a user can have.
    pub fn parse(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == word)
    }
}
