//! The settings that all rules share.

use jiff::tz::TimeZone;

use crate::outbound::connect::HostLimit;
use crate::outbound::page;
use tallycam_config::{Origin, Resolved};

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
            page: page::address(config),
            limit: if is_operators {
                HostLimit::Anywhere
            } else {
                HostLimit::Public(config.messages.hosts.clone())
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
