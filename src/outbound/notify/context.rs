//! The settings that all rules share.

use jiff::tz::TimeZone;

use crate::outbound::connect::HostLimit;
use crate::outbound::page;
use crate::outbound::parts::zone;
use tallycam_config::Resolved;

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
        Context {
            camera: config.name.clone(),
            zone: zone(config),
            page: page::address(config),
            limit: HostLimit::of(resolved, "notify"),
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
