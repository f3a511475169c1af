//! Tallycams that announce themselves on the local networks: one question by multicast DNS (RFC 6762 §5.1).
//!
//! The question leaves each interface from a port of its own, so responders answer to that port. Answers are
//! untrusted. An answer counts only if it comes from the interface's own network, and names an address in it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time::{Instant, timeout_at};

use super::{MOST, shown};
use crate::outbound::networks::OwnNetworks;

/// The responders' group (RFC 6762 §3).
const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), 5353);

/// The service, as labels.
const SERVICE: [&str; 3] = ["_tallycam", "_tcp", "local"];

/// Time for answers.
const WITHIN: Duration = Duration::from_millis(800);

/// Interfaces that are asked, and packets that are read on each.
const INTERFACES: usize = 8;
const PACKETS: usize = 64;

/// Questions, and records, that are read of a packet. A tallycam's answer has one question and a handful of records.
const RECORDS: usize = 64;

/// Labels of a name, and compressed names in a row: an instance of the service has four labels.
const LABELS: usize = 8;
const JUMPS: usize = 16;

/// Record types (RFC 1035 §3.2.2, RFC 2782).
const A: u16 = 1;
const PTR: u16 = 12;
const TXT: u16 = 16;
const SRV: u16 = 33;

/// A tallycam as it announces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedCamera {
    pub address: SocketAddrV4,
    /// Its name in `.local`.
    pub host: String,
    /// The `id` and the `name` of its announcement, if there are any.
    pub id: Option<String>,
    pub name: Option<String>,
}

/// The tallycams that answer.
pub async fn browse() -> Vec<AnnouncedCamera> {
    let networks = spawn_blocking(OwnNetworks::read_by_interface).await.unwrap_or_default();
    let until = Instant::now() + WITHIN;
    let mut asked = Vec::new();
    for (interface, near) in networks.into_iter().take(INTERFACES) {
        match socket(&interface) {
            Ok(socket) => asked.push(spawn_local(ask(socket, GROUP, near, until))),
            Err(error) => log::debug!("no tallycams are looked for at {interface}: {error}"),
        }
    }
    let mut found: Vec<AnnouncedCamera> = Vec::new();
    for task in asked {
        found.extend(task.await.unwrap_or_default());
    }
    found
}

/// A socket of this interface. It is never bound: the sandbox of the service allows only some ports.
fn socket(interface: &str) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.bind_device(Some(interface.as_bytes()))?;
    UdpSocket::from_std(socket.into())
}

async fn ask(socket: UdpSocket, to: SocketAddrV4, near: OwnNetworks, until: Instant) -> Vec<AnnouncedCamera> {
    let mut found: Vec<AnnouncedCamera> = Vec::new();
    if socket.send_to(&question(), to).await.is_err() {
        return found;
    }
    let mut packet = vec![0; 9000];
    for _ in 0..PACKETS {
        // `timeout_at` still reads packets that wait already.
        if Instant::now() >= until {
            break;
        }
        let Ok(Ok((len, SocketAddr::V4(from)))) = timeout_at(until, socket.recv_from(&mut packet)).await
        else {
            break;
        };
        if !near.contain(IpAddr::V4(*from.ip())) {
            continue;
        }
        for one in announced(packet.get(..len).unwrap_or_default()) {
            if found.len() == MOST {
                return found;
            }
            if near.contain(IpAddr::V4(*one.address.ip()))
                && found.iter().all(|known| known.address != one.address)
            {
                found.push(one);
            }
        }
    }
    found
}

/// The question for the service.
fn question() -> Vec<u8> {
    let mut packet = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in SERVICE {
        packet.push(label.len() as u8);
        packet.extend(label.bytes());
    }
    packet.extend([0, 0, PTR as u8, 0, 1]);
    packet
}

/// The tallycams in an answer, at most [`MOST`].
pub fn announced(packet: &[u8]) -> Vec<AnnouncedCamera> {
    let records = records(packet);
    let of = |kind: u16, name: &[String]| {
        let name = name.to_vec();
        records.iter().filter(move |record| record.kind == kind && record.name == name)
    };
    let service = SERVICE.map(String::from);
    let mut found = Vec::new();
    for instance in of(PTR, &service).filter_map(|pointer| Some(name(packet, pointer.data)?.0)) {
        let target = of(SRV, &instance).find_map(|record| {
            let port = u16::from_be_bytes([*packet.get(record.data + 4)?, *packet.get(record.data + 5)?]);
            Some((port, name(packet, record.data + 6)?.0))
        });
        let Some((port, target)) = target.filter(|(port, _)| *port > 0) else { continue };
        let address = of(A, &target).find_map(|record| {
            let bytes: [u8; 4] = packet.get(record.data..record.end)?.try_into().ok()?;
            Some(Ipv4Addr::from(bytes))
        });
        let (Some(address), Some(host)) = (address, host(&target)) else { continue };
        let texts: Vec<&[u8]> = of(TXT, &instance).flat_map(|record| texts(packet, record)).collect();
        let value = |key: &str| {
            let value = texts.iter().find_map(|text| text.strip_prefix(key.as_bytes()))?;
            Some(shown(&String::from_utf8_lossy(value))).filter(|value| !value.is_empty())
        };
        let address = SocketAddrV4::new(address, port);
        found.push(AnnouncedCamera { address, host, id: value("id="), name: value("name=") });
        if found.len() == MOST {
            break;
        }
    }
    found
}

/// A record: where its data begins and ends.
struct MdnsRecord {
    name: Vec<String>,
    kind: u16,
    data: usize,
    end: usize,
}

/// The records up to the first that makes no sense, at most [`RECORDS`].
fn records(packet: &[u8]) -> Vec<MdnsRecord> {
    let number = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    let read = || -> Option<(usize, usize)> {
        // The first bit is an answer's.
        packet.get(2).filter(|flags| **flags & 0x80 != 0)?;
        let mut at = 12;
        for _ in 0..number(4).filter(|questions| usize::from(*questions) <= RECORDS)? {
            at = name(packet, at)?.1 + 4;
        }
        Some((at, usize::from(number(6)?) + usize::from(number(8)?) + usize::from(number(10)?)))
    };
    let Some((mut at, count)) = read() else { return Vec::new() };
    let mut found = Vec::new();
    let mut next = || -> Option<MdnsRecord> {
        let (name, begin) = name(packet, at)?;
        let (kind, data) = (number(begin)?, begin + 10);
        let end = data + usize::from(number(begin + 8)?);
        at = end;
        (end <= packet.len()).then_some(MdnsRecord { name, kind, data, end })
    };
    for _ in 0..count.min(RECORDS) {
        match next() {
            Some(record) => found.push(record),
            None => break,
        }
    }
    found
}

/// The labels of the name at `at` in lower case, and the place after it.
fn name(packet: &[u8], mut at: usize) -> Option<(Vec<String>, usize)> {
    let (mut labels, mut after, mut jumps) = (Vec::new(), None, 0);
    loop {
        let len = usize::from(*packet.get(at)?);
        match len >> 6 {
            0 if len == 0 => return Some((labels, after.unwrap_or(at + 1))),
            0 => {
                let label = packet.get(at + 1..at + 1 + len)?;
                labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
                at += 1 + len;
            }
            3 => {
                after.get_or_insert(at + 2);
                at = (len & 0x3f) << 8 | usize::from(*packet.get(at + 1)?);
                jumps += 1;
            }
            _ => return None,
        }
        if jumps > JUMPS || labels.len() > LABELS {
            return None;
        }
    }
}

/// The texts of a record.
fn texts<'a>(packet: &'a [u8], record: &MdnsRecord) -> Vec<&'a [u8]> {
    let mut rest = packet.get(record.data..record.end).unwrap_or_default();
    let mut texts = Vec::new();
    while let Some((len, after)) = rest.split_first()
        && let Some((text, after)) = after.split_at_checked(usize::from(*len))
    {
        texts.push(text);
        rest = after;
    }
    texts
}

/// A host name in `.local` that may stand in an address.
fn host(labels: &[String]) -> Option<String> {
    let is_label = |label: &String| label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match labels {
        [name, zone] if zone == "local" && is_label(name) => Some(format!("{name}.local")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use tokio::task::LocalSet;

    fn put_name(packet: &mut Vec<u8>, labels: &[&str]) {
        for label in labels {
            packet.push(label.len() as u8);
            packet.extend(label.bytes());
        }
        packet.push(0);
    }

    fn put(packet: &mut Vec<u8>, name: &[&str], kind: u16, data: &[u8]) {
        put_name(packet, name);
        packet.extend(kind.to_be_bytes());
        packet.extend([0x80, 1, 0, 0, 0, 10]);
        packet.extend((data.len() as u16).to_be_bytes());
        packet.extend(data);
        packet[7] += 1;
    }

    /// An answer as Avahi gives it to a port of its own: the question again, then all records.
    fn answer(instance: &str, host: &[&str], address: [u8; 4], port: u16, texts: &[&str]) -> Vec<u8> {
        let mut packet = question();
        packet[2] = 0x84;
        // The instance's name ends with a jump to the service in the question.
        let mut pointer = vec![instance.len() as u8];
        pointer.extend(instance.bytes());
        pointer.extend([0xc0, 12]);
        put(&mut packet, &SERVICE, PTR, &pointer);
        let whole = [&[instance], &SERVICE[..]].concat();
        let mut target = vec![0, 0, 0, 0];
        target.extend(port.to_be_bytes());
        put_name(&mut target, host);
        put(&mut packet, &whole, SRV, &target);
        let mut all = Vec::new();
        for text in texts {
            all.push(text.len() as u8);
            all.extend(text.bytes());
        }
        put(&mut packet, &whole, TXT, &all);
        put(&mut packet, host, A, &address);
        packet
    }

    #[test]
    fn an_answer_gives_address_host_and_texts() {
        let packet = answer(
            "tallycam on Door.5",
            &["Door", "local"],
            [192, 168, 1, 7],
            8080,
            &["path=/", "id=4f", "name=<b>Hall\u{202e}"],
        );
        let found = announced(&packet);
        assert_eq!(
            found,
            [AnnouncedCamera {
                address: "192.168.1.7:8080".parse().unwrap(),
                host: "door.local".into(),
                id: Some("4f".into()),
                name: Some("<b>Hall".into()),
            }]
        );
        // A question, a truncated answer, and a name that leads to itself are nothing.
        assert_eq!(announced(&question()), []);
        assert_eq!(announced(&packet[..packet.len() - 1]), []);
        let mut ring = packet;
        ring[12..14].copy_from_slice(&[0xc0, 12]);
        assert_eq!(announced(&ring), []);
    }

    #[test]
    fn a_crowded_answer_costs_little() {
        let one = answer("x", &["door", "local"], [10, 0, 0, 1], 80, &[]);
        let after = |put_first: &dyn Fn(&mut Vec<u8>)| {
            let mut packet = question();
            packet[2] = 0x84;
            put_first(&mut packet);
            let begin = question().len();
            packet.extend(&one[begin..]);
            packet[7] += one[7];
            announced(&packet).len()
        };
        let text = |packet: &mut Vec<u8>| put(packet, &["local"], TXT, &[]);
        // The four records of the answer still count, and then they no longer do.
        assert_eq!(after(&|packet| (4..RECORDS).for_each(|_| text(packet))), 1);
        assert_eq!(after(&|packet| (3..RECORDS).for_each(|_| text(packet))), 0);
        assert_eq!(after(&|packet| put(packet, &["a"; LABELS], TXT, &[])), 1);
        assert_eq!(after(&|packet| put(packet, &["a"; LABELS + 1], TXT, &[])), 0);
        // Many pointers to one camera.
        let pointer = [1, b'x', 0xc0, 12];
        let many = |packet: &mut Vec<u8>| (4..RECORDS).for_each(|_| put(packet, &SERVICE, PTR, &pointer));
        assert_eq!(after(&many), MOST);
    }

    #[test]
    fn a_host_that_is_no_name_in_local_is_left_out() {
        for host in
            [&["evil.example/x?", "local"][..], &["door", "example"], &["a", "b", "local"], &["local"]]
        {
            assert_eq!(announced(&answer("x", host, [10, 0, 0, 1], 80, &[])), [], "{host:?}");
        }
        assert_eq!(announced(&answer("x", &["door", "local"], [10, 0, 0, 1], 0, &[])), []);
    }

    #[tokio::test]
    async fn only_addresses_of_the_own_network_are_taken() {
        let responder = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let Ok(SocketAddr::V4(to)) = responder.local_addr() else { panic!("no IPv4") };
        let answers = async {
            let mut asked = [0; 100];
            let (len, from) = responder.recv_from(&mut asked).await.unwrap();
            assert_eq!(asked[..len], question());
            for address in [[127, 0, 0, 9], [169, 254, 169, 254], [127, 0, 0, 9]] {
                let answer = answer("x", &["door", "local"], address, 80, &[]);
                responder.send_to(&answer, from).await.unwrap();
            }
            // Longer than all answers take, and shorter than a test may.
            std::future::pending::<()>().await;
        };
        let [network, mask] = [[127, 0, 0, 0], [255, 0, 0, 0]].map(u32::from_ne_bytes);
        let route = format!("lo {network:08X} 00000000 0001 0 0 0 {mask:08X}");
        let near = OwnNetworks::by_interface(&route).remove("lo").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let asks = ask(socket, to, near, Instant::now() + WITHIN);
        let tasks = LocalSet::new();
        let found = tasks.run_until(async {
            tokio::select! { found = asks => found, () = answers => Vec::new() }
        });
        let found = found.await;
        assert_eq!(found.iter().map(|one| one.address.to_string()).collect::<Vec<_>>(), ["127.0.0.9:80"]);
    }

    proptest! {
        #[test]
        fn any_packet_is_read(mut packet in proptest::collection::vec(any::<u8>(), 0..300), flags: u8) {
            announced(&packet);
            if let Some(first) = packet.get_mut(2) { *first = flags | 0x80; }
            announced(&packet);
        }

        #[test]
        fn any_answer_with_a_wrong_byte_is_read(at in 0_usize..150, byte: u8) {
            let mut packet = answer("x", &["door", "local"], [10, 0, 0, 1], 80, &["name=a"]);
            if let Some(wrong) = packet.get_mut(at) { *wrong = byte; }
            announced(&packet);
        }
    }
}
