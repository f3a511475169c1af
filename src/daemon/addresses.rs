//! The addresses to type into a browser, for the log and for a daemon that is started by hand.
//!
//! Pure, except for reads of small files under `/proc`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A TCP socket on which the server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// The socket's address.
    pub address: SocketAddr,
    /// True if the socket serves IPv4 clients; an IPv6 socket may.
    pub with_ipv4: bool,
    /// True if the socket speaks HTTPS.
    pub is_https: bool,
}

/// Names and addresses of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MachineAddresses {
    /// The machine's own hostname: `door`, `door.example.org`.
    pub host: String,
    /// The machine's name on the local network (mDNS), if a responder runs: `door.local`.
    pub mdns_name: Option<String>,
    /// The machine's addresses, without loopback and link-local ones.
    pub addresses: Vec<IpAddr>,
}

impl MachineAddresses {
    /// Reads the present names and addresses.
    pub fn detect() -> MachineAddresses {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let host = read("/proc/sys/kernel/hostname").trim().to_owned();
        let hostname = host.split('.').next().unwrap_or_default();
        // Without a responder nobody could resolve the name; Raspberry Pi OS runs this one.
        let is_announced = std::path::Path::new("/run/avahi-daemon/socket").exists();
        let mut addresses: Vec<IpAddr> =
            parse_ipv4_addresses(&read("/proc/net/fib_trie")).into_iter().map(IpAddr::V4).collect();
        addresses.extend(parse_ipv6_addresses(&read("/proc/net/if_inet6")).into_iter().map(IpAddr::V6));
        MachineAddresses {
            mdns_name: (is_announced && !hostname.is_empty()).then(|| format!("{hostname}.local")),
            addresses,
            host,
        }
    }

    /// The names under which the machine may be reached.
    pub fn names(&self) -> Vec<String> {
        let short = self.host.split('.').next().unwrap_or_default();
        let mut names = vec![String::from("localhost")];
        for name in [self.host.clone(), short.to_owned(), format!("{short}.local")] {
            let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if is_name && !short.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The URLs of a server that listens on `listening`, nearest first.
    pub fn urls(&self, listening: &Listening) -> Vec<String> {
        let &Listening { address: listening, with_ipv4, is_https } = listening;
        let (scheme, usual) = if is_https { ("https", 443) } else { ("http", 80) };
        let url = |host: &str| match listening.port() {
            port if port == usual => format!("{scheme}://{host}/"),
            port => format!("{scheme}://{host}:{port}/"),
        };
        let host = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        if !listening.ip().is_unspecified() {
            let name =
                if listening.ip().is_loopback() { String::from("localhost") } else { host(&listening.ip()) };
            return vec![url(&name)];
        }
        let reachable =
            self.addresses.iter().filter(|ip| if ip.is_ipv4() { with_ipv4 } else { listening.is_ipv6() });
        std::iter::once(String::from("localhost"))
            .chain(self.mdns_name.clone())
            .chain(reachable.map(host))
            .map(|host| url(&host))
            .collect()
    }
}

/// This machine's IPv4 addresses in `/proc/net/fib_trie`: a leaf `|-- ADDRESS` followed by
/// `/32 host LOCAL`, once in each of two tables.
fn parse_ipv4_addresses(fib_trie: &str) -> Vec<Ipv4Addr> {
    let mut own: Vec<Ipv4Addr> = Vec::new();
    let mut leaf = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(ip) = leaf
            && !ip.is_loopback()
            && !ip.is_link_local()
            && !own.contains(&ip)
        {
            own.push(ip);
        }
    }
    own
}

/// This machine's IPv6 addresses of global or site scope in `/proc/net/if_inet6`.
///
/// Fields of a line: address in hexadecimal, interface number, prefix length, scope (`00` is global, `40` site),
/// flags (`01` is temporary, RFC 8981, and changes daily), name.
fn parse_ipv6_addresses(if_inet6: &str) -> Vec<Ipv6Addr> {
    const TEMPORARY: u32 = 0x01;
    if_inet6
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let address = u128::from_str_radix(fields.next()?, 16).ok()?;
            let scope = fields.nth(2)?;
            let flags = u32::from_str_radix(fields.next()?, 16).ok()?;
            (matches!(scope, "00" | "40") && flags & TEMPORARY == 0).then(|| Ipv6Addr::from(address))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    const FIB_TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 192.168.1.0/24 2 0 2
        +-- 192.168.1.0/30 2 0 2
           |-- 192.168.1.0
              /24 link UNICAST
           |-- 192.168.1.20
              /32 host LOCAL
        |-- 192.168.1.255
           /32 link BROADCAST
        |-- 169.254.7.7
           /32 host LOCAL
Local:
           |-- 192.168.1.20
              /32 host LOCAL
";
    const IF_INET6: &str = "\
fd000000000000000000000000000002 04 40 00 80     eth0
fd0000000000000000000000000000aa 04 40 00 01     eth0
00000000000000000000000000000001 01 80 10 80       lo
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
";

    fn machine() -> MachineAddresses {
        let mut addresses: Vec<IpAddr> = parse_ipv4_addresses(FIB_TRIE).into_iter().map(IpAddr::V4).collect();
        addresses.extend(parse_ipv6_addresses(IF_INET6).into_iter().map(IpAddr::V6));
        MachineAddresses {
            host: String::from("door"),
            mdns_name: Some(String::from("door.local")),
            addresses,
        }
    }

    fn urls(listening: &str, with_ipv4: bool) -> Vec<String> {
        let (rest, is_https) = match listening.strip_prefix("https://") {
            Some(rest) => (rest, true),
            None => (listening, false),
        };
        let address = rest.parse().expect("an address");
        machine().urls(&Listening { address, with_ipv4, is_https })
    }

    #[test]
    fn a_server_on_every_address_is_named_by_each() {
        assert_eq!(
            urls("0.0.0.0:8080", true),
            ["http://localhost:8080/", "http://door.local:8080/", "http://192.168.1.20:8080/"]
        );
        assert_eq!(
            urls("[::]:80", true),
            ["http://localhost/", "http://door.local/", "http://192.168.1.20/", "http://[fd00::2]/"]
        );
        assert_eq!(urls("[::]:80", false), ["http://localhost/", "http://door.local/", "http://[fd00::2]/"]);
    }

    #[test]
    fn a_server_on_one_address_is_named_by_it() {
        assert_eq!(urls("127.0.0.1:8081", true), ["http://localhost:8081/"]);
        assert_eq!(urls("[fd00::2]:8080", false), ["http://[fd00::2]:8080/"]);
        assert_eq!(urls("https://127.0.0.1:443", true), ["https://localhost/"]);
        assert_eq!(urls("https://127.0.0.1:80", true), ["https://localhost:80/"]);
    }

    #[test]
    fn the_names_of_a_machine_are_its_own_and_those_on_its_network() {
        let names =
            |host: &str| MachineAddresses { host: host.to_owned(), ..MachineAddresses::default() }.names();
        assert_eq!(names("door"), ["localhost", "door", "door.local"]);
        assert_eq!(names("door.example.org"), ["localhost", "door.example.org", "door", "door.local"]);
        assert_eq!(names("tür"), ["localhost"]);
        assert_eq!(names(""), ["localhost"]);
    }

    #[test]
    fn tables_of_another_shape_name_nothing() {
        for text in ["", "|-- \n/32 host LOCAL", "zz 1", "00 01"] {
            assert_eq!(parse_ipv4_addresses(text), [] as [Ipv4Addr; 0]);
            assert_eq!(parse_ipv6_addresses(text), [] as [Ipv6Addr; 0]);
        }
    }
}
