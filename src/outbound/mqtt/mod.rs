//! MQTT: crossings, state and the device in Home Assistant, at a broker.
//!
//! ```text
//! counts.db ─► API ─► rows  ─► session (20 unacknowledged, news first) ─┐
//!              API ─► facts ─► state, discovery, event ─────────────────┴─► link ─► wire ─► broker
//!              API ◄─ command ◄─ …/set ◄────────────────────────────────── link ◄─ wire ◄─┘
//! ```
//!
//! One task owns everything: `task` connects, and `link` is one connection at work. counts.db is the queue, and
//! `mqtt.json` keeps how far the broker has acknowledged it. A broker that is dead, slow or flooding holds up nothing
//! but this task.

mod command;
mod discovery;
mod entity;
mod event;
mod facts;
mod handle;
mod link;
mod message;
mod rows;
mod session;
mod state;
mod task;
mod topics;
mod wire;

#[cfg(test)]
mod samples;

pub use handle::{MqttHandle, MqttReport, MqttState};
pub use task::follow;
