//! The server: one thread, every connection a task on it, and a picture to all of them for the
//! price of one `Bytes` each.
//!
//! ```text
//! [accept] ─► connection ─► dispatch ─► api · pages · legacy, each by the one table of routes
//!              │  ▲                              │                       │
//!        hyper │  │ sweep: late heads, idle      ▼                       ▼
//!              ▼  │ connections, stalled peers  viewers ◄── relay ◄── Hub, ledger (4 readers)
//!             socket ◄───────────────────────────┘
//! ```
//!
//! Nothing here blocks and nothing waits for a slow peer: connections, viewers and listeners are
//! limited in number, heads and bodies in size and time, and what a stalled viewer holds is one
//! picture. counts.db is read on threads of the runtime's pool, by a few at a time.
//! On [`Stop`](crate::base::Stop) the listeners close, streams end themselves, and what is left after a second is cut.
//!
//! The rooms, from the ground up: `server` reads and writes, and knows no route; `request` is what comes and what is
//! answered; `auth` says who asks and what they may do; `site` is what handlers share; `report` is what is told of one
//! concept, whoever asks; `api`, `pages` and `legacy` answer; `routes` is the one table, `dispatch` goes by it, and
//! `accept` begins it all.

mod accept;
mod api;
mod auth;
mod connection;
mod cors;
mod dispatch;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod legacy;
mod openapi;
mod pages;
pub(crate) mod report;
mod request;
mod routes;
mod server;
mod site;

pub use crate::ui::format_bytes;
pub use api::counting::recount::{RecountBody, RecountReport};
pub use request::{csv, time_param};
pub use server::https::SPEAKS_HTTPS;
pub use server::listen::Listener;
pub use server::tls::{IdentityError, TlsIdentity};
pub use server::{listen, multipart};
pub use site::findings::{Diagnose, Finding, FoundCamera, SET_CLOCK, Verdict, clock_is_wrong, room_finding};
pub use site::model_store::{CatalogueModel, ModelLibrary, ModelRow};
pub use site::power_switch::{NotSwitched, Power, PowerAction};
pub use site::preferences::{
    Changing, NotSet, PreferenceChanges, Preferences, SettingsInForce, Terms, WrongSetting, is_of_the_moment,
};
pub use site::{Server, ServerSettings};

/// The program's version, as pages and the API name it.
const VERSION: &str = env!("CARGO_PKG_VERSION");
