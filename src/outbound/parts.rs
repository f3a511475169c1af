//! The parts that a task works with, and the settings that several tasks read.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::api::ApiCaller;
use tallycam_base::Stop;
use tallycam_config::{Config, Resolved};
use tallycam_store::Counts;

/// The parts that every task gets.
#[derive(Debug, Clone)]
pub struct TaskParts {
    /// The service's own API; [`ApiCaller::named`] gives the task its name.
    pub api: ApiCaller,
    /// `counts.db`, if it could be opened: its announcements wake the task.
    pub counts: Option<Counts>,
    /// The configuration in force; changes wake the task.
    pub config: watch::Receiver<Arc<Resolved>>,
    /// Set when the daemon stops.
    pub stop: Stop,
}

/// The time zone of times for people.
pub(super) fn zone(config: &Config) -> TimeZone {
    let zone = config.counts.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok());
    zone.unwrap_or_else(TimeZone::system)
}
