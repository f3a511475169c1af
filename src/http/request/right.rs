//! The rights that routes require, and the roles and token scopes that include them. Pure.

use crate::access::{Role, Scope};

/// The right that a route requires; stated for each in the table of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    Anyone,
    /// The key of old programs, which the route itself checks.
    Key,
    /// Reading, which may be open to everybody (`[access] view`).
    Look,
    /// The same, for the live stream.
    Stream,
    /// The same, for live snapshots.
    Snapshot,
    /// The same, for counts.
    Counts,
    /// The same, for metrics and status.
    Metrics,
    /// Reading stored media; never open if there is a password.
    Viewer,
    /// Recording, lines, light, focus and pause; reading the log and settings.
    Operator,
    /// Changing settings, passwords and the whole store; switching the machine off.
    Admin,
}

impl Right {
    /// The lowest role with this right if reading needs a password; `None` if no role is needed.
    pub fn role(self) -> Option<Role> {
        match self {
            Right::Anyone | Right::Key => None,
            Right::Look | Right::Stream | Right::Snapshot | Right::Counts | Right::Metrics => {
                Some(Role::Guest)
            }
            Right::Viewer => Some(Role::Viewer),
            Right::Operator => Some(Role::Operator),
            Right::Admin => Some(Role::Admin),
        }
    }

    /// True if it is one of the reading rights that `[access] view` opens.
    pub fn is_look(self) -> bool {
        self.role() == Some(Role::Guest)
    }

    /// True if a token with these scopes has it.
    pub fn is_in(self, scopes: &[Scope]) -> bool {
        let opens = |scope: &Scope| match scope {
            Scope::Stream => self == Right::Stream,
            Scope::Snapshot => self == Right::Snapshot,
            Scope::Counts => self == Right::Counts,
            Scope::Metrics => self == Right::Metrics,
            Scope::Control => self.role() <= Some(Role::Operator),
        };
        self.role().is_none() || scopes.iter().any(opens)
    }

    /// True if routes with this right are parts of the page at `path`, for a guest who was sent a link to it.
    pub fn is_of_page(self, path: &str) -> bool {
        match path {
            "/" => true,
            "/checks" | "/counts" | "/crossings" => self.role().is_none() || self == Right::Counts,
            "/lines" | "/zones" => self.role().is_none() || [Right::Counts, Right::Snapshot].contains(&self),
            _ => self.role().is_none(),
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Right::Anyone => "anyone",
            Right::Key => "key",
            Right::Look => "look",
            Right::Stream => "stream",
            Right::Snapshot => "snapshot",
            Right::Counts => "counts",
            Right::Metrics => "metrics",
            Right::Viewer => "viewer",
            Right::Operator => "operator",
            Right::Admin => "admin",
        }
    }
}
