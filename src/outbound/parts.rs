//! The parts that a task works with, and the settings that several tasks read.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::api::ApiCaller;
use tallycam_base::Stop;
use tallycam_config::{Config, Listen, Resolved};
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

/// The address of the page, with a slash at the end: as it is set, or else by the machine's name.
pub(super) fn page(config: &Config) -> String {
    page_of(config.messages.page.as_deref(), &config.http.listen)
}

fn page_of(set: Option<&str>, listen: &[Listen]) -> String {
    let of_listen = |listen: &Listen| match listen {
        Listen::Tcp(address) if address.port() == 80 => Some(String::new()),
        Listen::Tcp(address) => Some(format!(":{}", address.port())),
        _ => None,
    };
    let own = || {
        let name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
        let name = name.split('.').next().unwrap_or_default();
        format!("http://{name}.local{}", listen.iter().find_map(of_listen).unwrap_or_default())
    };
    let page = set.map_or_else(own, str::to_owned);
    format!("{}/", page.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn links_lead_to_the_page() {
        assert_eq!(page_of(Some("https://cam.example.org/gate"), &[]), "https://cam.example.org/gate/");
        let own = page_of(None, &[Listen::Tcp("0.0.0.0:8080".parse().unwrap())]);
        assert!(own.starts_with("http://") && own.ends_with(".local:8080/"), "{own}");
    }
}
