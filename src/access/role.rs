//! Roles of users and scopes of tokens. Pure.

use serde::{Deserialize, Serialize};

use tallycam_base::json;

json::words! {
    Scope { Stream "stream", Snapshot "snapshot", Counts "counts", Metrics "metrics", Control "control" }
}

/// A user's role. Each includes the rights of the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Watches the live stream and the counts with a signed link, until the link ends. No user has this role.
    Guest,
    /// Also watches recordings and snapshots.
    Viewer,
    /// Records, draws lines, sets light, lens and picture, pauses, deletes media; reads the log and the settings.
    Operator,
    /// Changes settings, passwords, power and the whole store.
    Admin,
}

/// A scope of a token: the routes that it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The live stream.
    Stream,
    /// Single live frames.
    Snapshot,
    /// Lines, zones, counts, crossings, events.
    Counts,
    /// Metrics and health.
    Metrics,
    /// Everything that an operator may do.
    Control,
}

impl Role {
    /// The roles that users can have, the lowest first.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    /// The name in files and requests: `viewer`.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Guest => "guest",
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// The role with this name, if users can have it.
    pub fn parse(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == word)
    }
}
