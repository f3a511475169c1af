//! What a route asks of whoever asks for it, and who has that: a role, or a token's scope. Pure.

use crate::access::{Role, Scope};

/// What a route asks for. The table of routes states it for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Nothing.
    Anyone,
    /// The key of old programs, which the route looks at by itself.
    Key,
    /// To look, which may be open to everybody (`[access] view`).
    Look,
    /// Likewise, at the live picture as a stream.
    Stream,
    /// Likewise, at single live pictures.
    Snapshot,
    /// Likewise, at what is counted.
    Counts,
    /// Likewise, at figures and how things are.
    Metrics,
    /// To look at what is kept: never open where there is a password.
    Viewer,
    /// To record, draw, light, focus and pause, and to read log and settings.
    Operator,
    /// To change settings, passwords and the store as a whole, and to switch the machine off.
    Admin,
}

impl Right {
    /// The least role that has it, where looking takes a password; `None`: it takes no role.
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

    /// Whether it is no more than to look.
    pub fn is_look(self) -> bool {
        self.role() == Some(Role::Guest)
    }

    /// Whether a token of these scopes has it.
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
