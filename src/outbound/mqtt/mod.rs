//! MQTT: the camera's topics at a broker, and its device in Home Assistant.
//!
//! ```text
//! API ─► facts ─► state, discovery, event ─► messages ─► broker
//!        API ◄─ command ◄─ …/set ◄────────────────────── broker
//! ```

mod command;
mod discovery;
mod entity;
mod event;
mod facts;
mod message;
mod state;
mod topics;

#[cfg(test)]
mod samples;
