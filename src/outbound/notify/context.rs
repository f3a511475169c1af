//! The settings that all rules share.

use jiff::tz::TimeZone;

use crate::outbound::connect::HostLimit;
use tallycam_config::{Listen, Origin, Resolved};

/// The settings that all rules share.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Context {
    /// The camera's name.
    pub(super) camera: String,
    pub(super) zone: TimeZone,
    /// The address of the page, with a slash at the end.
    pub(super) page: String,
    /// The hosts that the rules may send to.
    pub(super) limit: HostLimit,
}

impl Context {
    pub(super) fn of(resolved: &Resolved) -> Context {
        let config = &resolved.config;
        let zone = config.counts.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok());
        let is_operators = resolved.origin("notify").is_some_and(Origin::is_operators);
        Context {
            camera: config.name.clone(),
            zone: zone.unwrap_or_else(TimeZone::system),
            page: page(config.messages.page.as_deref(), &config.http.listen),
            limit: if is_operators {
                HostLimit::Anywhere
            } else {
                HostLimit::Public(config.messages.hosts.clone())
            },
        }
    }
}

/// The address of the page: as it is set, or else by the machine's name.
fn page(set: Option<&str>, listen: &[Listen]) -> String {
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
        assert_eq!(page(Some("https://cam.example.org/gate"), &[]), "https://cam.example.org/gate/");
        let own = page(None, &[Listen::Tcp("0.0.0.0:8080".parse().unwrap())]);
        assert!(own.starts_with("http://") && own.ends_with(".local:8080/"), "{own}");
    }

    #[test]
    fn rules_of_the_page_reach_only_public_hosts_and_the_named_ones() {
        let text = |text: &str| {
            tallycam_config::Config::from_text(std::path::Path::new("config.toml"), text, &[], []).unwrap()
        };
        let of_page = Context::of(&text("[messages]\nhosts = [\"nodered.lan\"]\n"));
        assert_eq!(of_page.limit, HostLimit::Public(vec![String::from("nodered.lan")]));
        assert_eq!(Context::of(&text("notify = []\n")).limit, HostLimit::Anywhere, "the operator's file");
    }
}
