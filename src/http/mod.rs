//! The HTTP server: one thread with a task per connection. All viewers share each picture's bytes (`Bytes`).
//!
//! ```text
//! [accept] ─► connection ─► dispatch ─► api · pages · legacy, each by the one table of routes
//!              │  ▲                              │                       │
//!        hyper │  │ sweep: late heads, idle      ▼                       ▼
//!              ▼  │ connections, stalled peers  viewers ◄── relay ◄── Hub, counts.db (4 readers)
//!             socket ◄───────────────────────────┘
//! ```
//!
//! No code here blocks or waits for a slow peer. Connections, viewers and listeners are limited in number, heads and
//! bodies in size and time, and a stalled viewer holds one picture. A few threads of the runtime's pool read
//! counts.db. On [`Stop`](tallycam_base::Stop) the listeners close and streams end by themselves; connections left
//! after a second are cut.
//!
//! Modules, from the ground up: `server` reads and writes, and knows no route. `request` parses requests and builds
//! answers. `auth` identifies callers and their rights. `site` is the state that handlers share. `report` describes
//! one concept for all its readers. `api`, `pages` and `legacy` answer. `routes` is the one table, `dispatch` follows
//! it, and `accept` starts everything.

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
pub use site::power_switch::{Power, PowerAction, not_switched};
pub use site::preferences::{
    Changing, NotSet, PreferenceChanges, Preferences, SettingsInForce, Terms, WrongSetting, is_of_the_moment,
};
pub use site::{Server, ServerSettings};

/// The program's version on pages and in the API.
const VERSION: &str = env!("CARGO_PKG_VERSION");
