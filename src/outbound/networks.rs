//! The networks that this machine is in, from the kernel's tables. An address of the Internet inside one of them is a
//! neighbour: with IPv6, every machine of a home has a global address.
//!
//! The tables are files of `/proc/self/net`. The unit denies netlink, which `getifaddrs` needs.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Shortest prefixes of a route that count as a network of this machine. Shorter ones are halves of the Internet that
/// lead into a tunnel.
const SHORTEST_V4: u32 = 8;
const SHORTEST_V6: u32 = 48;

/// Flags of a route: over a router; unreachable.
const GATEWAY: u32 = 0x2;
const REJECT: u32 = 0x200;

/// The networks that this machine is in, with the length of their prefixes, and its own addresses.
#[derive(Debug, Default)]
pub struct OwnNetworks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u32)>,
}

impl OwnNetworks {
    /// Reads the tables. Blocks. A missing one is empty, as without IPv6.
    pub fn read() -> OwnNetworks {
        let text =
            |name: &str| std::fs::read_to_string(Path::new("/proc/self/net").join(name)).unwrap_or_default();
        OwnNetworks::of(&text("route"), &text("fib_trie"), &text("if_inet6"), &text("ipv6_route"))
    }

    /// The IPv4 networks at each interface, without the own addresses. Blocks.
    pub fn read_by_interface() -> BTreeMap<String, OwnNetworks> {
        OwnNetworks::by_interface(&std::fs::read_to_string("/proc/self/net/route").unwrap_or_default())
    }

    pub(super) fn by_interface(route: &str) -> BTreeMap<String, OwnNetworks> {
        let mut found: BTreeMap<String, OwnNetworks> = BTreeMap::new();
        for line in route.lines() {
            if let (Some(network), Some(name)) = (route_v4(line), line.split_whitespace().next()) {
                found.entry(name.to_owned()).or_default().v4.push(network);
            }
        }
        found
    }

    fn of(route: &str, fib_trie: &str, if_inet6: &str, ipv6_route: &str) -> OwnNetworks {
        let mut v4: Vec<(u32, u32)> = route.lines().filter_map(route_v4).collect();
        v4.extend(own_v4(fib_trie).map(|address| (address, 32)));
        let mut v6: Vec<(u128, u32)> = if_inet6.lines().filter_map(address_v6).collect();
        v6.extend(ipv6_route.lines().filter_map(route_v6));
        OwnNetworks { v4, v6 }
    }

    /// True if `address` is inside one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let same = |(network, len): &(u32, u32)| {
                    (u32::from(address) ^ network).checked_shr(32 - len).unwrap_or(0) == 0
                };
                self.v4.iter().any(same)
            }
            IpAddr::V6(address) => {
                let same = |(network, len): &(u128, u32)| {
                    (u128::from(address) ^ network).checked_shr(128 - len).unwrap_or(0) == 0
                };
                self.v6.iter().any(same)
            }
        }
    }
}

/// A line of `route`: interface, network, router, flags, …, mask. Addresses are numbers in this machine's byte order.
fn route_v4(line: &str) -> Option<(u32, u32)> {
    let mut words = line.split_whitespace().skip(1);
    let number = |text: Option<&str>| u32::from_str_radix(text?, 16).ok();
    let (network, _router, flags) = (number(words.next())?, words.next()?, number(words.next())?);
    let mask = number(words.nth(3))?.to_ne_bytes();
    let len = u32::from_be_bytes(mask).leading_ones();
    let is_own = flags & (GATEWAY | REJECT) == 0 && len >= SHORTEST_V4;
    is_own.then_some((u32::from_be_bytes(network.to_ne_bytes()), len))
}

/// The own addresses in `fib_trie`: each on a line before one that ends with `host LOCAL`.
fn own_v4(fib_trie: &str) -> impl Iterator<Item = u32> {
    let lines = fib_trie.lines().map(str::trim);
    let pairs = lines.clone().zip(lines.skip(1)).filter(|(_, next)| next.ends_with("host LOCAL"));
    pairs.filter_map(|(line, _)| line.strip_prefix("|-- ")?.parse::<Ipv4Addr>().ok()).map(u32::from)
}

/// A line of `if_inet6`: an own address, the number of its interface, the length of its prefix.
fn address_v6(line: &str) -> Option<(u128, u32)> {
    let mut words = line.split_whitespace();
    let address = u128::from_str_radix(words.next()?, 16).ok()?;
    let len = u32::from_str_radix(words.nth(1)?, 16).ok()?;
    (1..=128).contains(&len).then_some((address, len))
}

/// A line of `ipv6_route`: network, length, source, length, router, metric, two counts, flags, interface. The prefix of
/// an address from DHCPv6 is only here.
fn route_v6(line: &str) -> Option<(u128, u32)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let network = u128::from_str_radix(words.first()?, 16).ok()?;
    let len = u32::from_str_radix(words.get(1)?, 16).ok()?;
    let router: Ipv6Addr = u128::from_str_radix(words.get(4)?, 16).ok()?.into();
    let flags = u32::from_str_radix(words.get(8)?, 16).ok()?;
    let is_own = router.is_unspecified() && flags & (GATEWAY | REJECT) == 0;
    (is_own && (SHORTEST_V6..=128).contains(&len)).then_some((network, len))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const IF_INET6: &str = "\
20010db800010002021500fffe010203 02 40 00 00 eth0
fe80000000000000021500fffe010203 02 40 20 80 eth0
00000000000000000000000000000001 01 80 10 80 lo
";
    /// A line of `ipv6_route`.
    fn route6(network: &str, len: u32, router: &str, flags: u32) -> String {
        let [network, router] = [network, router].map(|text| u128::from(text.parse::<Ipv6Addr>().unwrap()));
        let none = "0".repeat(32);
        format!(
            "{network:032x} {len:02x} {none} 00 {router:032x} 00000100 00000001 00000000 {flags:08x} eth0\n"
        )
    }

    /// A line of `route` on this machine.
    fn route(network: [u8; 4], flags: u32, mask: [u8; 4]) -> String {
        let number = u32::from_ne_bytes;
        format!(
            "eth0\t{:08X}\t00000000\t{flags:04X}\t0\t0\t100\t{:08X}\t0\t0\t0\n",
            number(network),
            number(mask)
        )
    }

    #[test]
    fn neighbours_are_found_by_prefix_and_the_internet_is_left() {
        let mut routes = String::from("Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n");
        routes += &route([0, 0, 0, 0], 3, [0, 0, 0, 0]);
        routes += &route([198, 51, 100, 0], 1, [255, 255, 255, 0]);
        routes += &route([203, 0, 113, 0], 3, [255, 255, 255, 0]);
        routes += &route([128, 0, 0, 0], 1, [128, 0, 0, 0]);
        let near: Vec<String> = OwnNetworks::by_interface(&routes).into_keys().collect();
        assert_eq!(near, ["eth0"]);
        let trie = "Local:\n  |-- 192.0.2.7\n     /32 host LOCAL\n  |-- 192.0.2.0\n     /24 link UNICAST\n";
        let routes6 = [
            route6("2001:db8:aa::", 64, "::", 1),
            route6("2001:db8:bb::", 64, "fe80::1", 3),
            route6("2000::", 3, "::", 1),
            route6("::", 0, "::", 0x0020_0200),
        ];
        let own = OwnNetworks::of(&routes, trie, IF_INET6, &routes6.concat());
        for near in [
            "198.51.100.255",
            "192.0.2.7",
            "::ffff:198.51.100.1",
            "2001:db8:1:2:ffff::1",
            "2001:db8:aa::1",
            "fe80::1",
            "::1",
        ] {
            assert!(own.contain(near.parse().unwrap()), "{near}");
        }
        for far in [
            "198.51.101.1",
            "192.0.2.8",
            "203.0.113.1",
            "8.8.8.8",
            "200.1.1.1",
            "2001:db8:1:3::1",
            "2001:db8:bb::1",
            "2606:4700::1",
        ] {
            assert!(!own.contain(far.parse().unwrap()), "{far}");
        }
    }

    #[test]
    fn this_machine_is_in_its_own_network() {
        let own = OwnNetworks::read();
        assert!(own.contain(Ipv4Addr::LOCALHOST.into()), "{own:?}");
        assert!(!OwnNetworks::default().contain(Ipv4Addr::LOCALHOST.into()));
    }
}
