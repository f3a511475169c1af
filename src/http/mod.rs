//! The server: one thread, every connection a task on it, and a picture to all of them for the
//! price of one `Bytes` each.
//!
//! ```text
//! [accept] ─► connection ─► route ─► legacy · pictures · page · v1 · lines · counts · events …
//!              │  ▲                              │                       │
//!        hyper │  │ sweep: late heads, idle      ▼                       ▼
//!              ▼  │ connections, stalled peers  viewers ◄── relay ◄── Hub, ledger (4 readers)
//!             socket ◄───────────────────────────┘
//! ```
//!
//! Nothing here blocks and nothing waits for a slow peer: connections, viewers and listeners are
//! limited in number, heads and bodies in size and time, and what a stalled viewer holds is one
//! picture. The ledger is read on threads of the runtime's pool, by a few at a time.
//! On [`Stop`] the listeners close, streams end themselves, and what is left after a second is cut.

mod accept;
mod access;
mod activity;
mod audit;
mod backup;
mod body;
mod client;
mod connection;
mod controls;
mod cors;
mod counts;
mod crossings;
pub mod csv;
mod diagnosis;
mod dispatch;
mod download;
mod etag;
mod events;
mod facts;
mod facts_media;
mod facts_settings;
mod fields;
mod findings;
mod form_data;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guard;
mod handler;
mod https;
mod keys;
mod lane;
mod ledger;
mod legacy;
mod lens;
mod light;
mod lines;
mod link;
pub mod listen;
mod listeners;
mod logs;
mod media;
mod metrics;
mod model;
mod model_store;
mod names;
mod openapi;
mod page;
mod page_hands;
mod page_media;
mod page_settings;
mod payload;
mod people;
mod picture;
mod pictures;
mod place;
mod power;
mod power_switch;
mod preferences;
mod problem;
mod query;
mod range;
mod recordings;
mod recount;
mod refusals;
mod replay;
mod reply;
mod right;
mod room;
mod routes;
mod schema;
mod schemas;
mod schemas_media;
mod settings;
mod sign_in;
mod site;
mod snapshots;
mod socket;
mod state;
mod state_routes;
mod still;
mod storage;
pub mod stream;
mod tallies;
mod task;
mod thumbnail;
mod tls;
mod turns;
mod update;
mod upload;
mod uploads;
mod view;
mod viewers;
pub mod when;
pub(crate) mod wire;
mod wire_controls;
pub(crate) mod wire_counts;
mod wire_media;
mod zip;
mod zones;

pub use crate::ui::bytes_in_words;
pub use activity::{in_words as activity_in_words, table as activity_table};
pub use findings::{Diagnose, Finding, FindingReport, SET_CLOCK, Verdict, clock_is_wrong, room_finding};
pub use https::SPEAKS_HTTPS;
pub use listen::Listener;
pub use model_store::{CatalogueModel, FoundModel, Models, NotFetched};
pub use power_switch::{NotSwitched, Power, PowerAction};
pub use preferences::{Changes, Changing, InForce, NotSet, Preferences, WrongSetting, is_of_the_moment};
pub use recount::{RecountBody, RecountReport};
pub use site::{Server, Settings};
pub use tls::{Identity, IdentityError};
pub use wire_media::ItemReport;

/// The program's version, as pages and the API name it.
const VERSION: &str = env!("CARGO_PKG_VERSION");
