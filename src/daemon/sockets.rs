//! The sockets to serve on: those of systemd, else our own.
//!
//! systemd's protocol is sd_listen_fds(3): `LISTEN_FDS` descriptors from 3 on, for the process `LISTEN_PID`. They
//! replace `[http] listen` altogether, so that a `.socket` unit alone decides. TCP sockets with the name `https`
//! (`FileDescriptorName=`) speak HTTPS.

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd as _, OwnedFd};

use log::{error, info, warn};
use socket2::{Domain, SockRef, Socket};

use super::addresses::{Listening, MachineAddresses};
use super::error::DaemonError;
use crate::http;
use tallycam_base::{Fault, FaultKind};
use tallycam_config::Listen;

/// systemd's sockets; empty if it passes none. To be called once.
///
/// # Errors
/// A descriptor is no listening socket.
pub fn systemd_listeners() -> Result<Vec<http::Listener>, DaemonError> {
    let refused = |which: &str, error: std::io::Error| {
        let what = format!("{which}, handed over by systemd, cannot be served on: {error}");
        Fault::new(FaultKind::File, what).hint("the .socket unit needs ListenStream= and Accept=no")
    };
    let handed = match sd_notify::listen_fds() {
        Ok(handed) => handed,
        // Variables that systemd did not write.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => return Ok(Vec::new()),
        Err(error) => return Err(refused("a socket", error).into()),
    };
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat(String::new()));
    let listeners = handed.zip(names).map(|(fd, name)| {
        // SAFETY: systemd passes this descriptor to this process, where nothing else takes it: it was seen to be open
        // just now, and is taken once.
        let socket = unsafe { Socket::from_raw_fd(fd) };
        take_listener(socket, &name).map_err(|error| refused(&format!("descriptor {fd}"), error).into())
    });
    listeners.collect()
}

/// Binds `listen`. Also returns the addresses that are not there yet, if others are.
///
/// # Errors
/// A socket cannot be bound, or no address is there.
pub fn bind(listen: &[Listen]) -> Result<(Vec<http::Listener>, Vec<Listen>), DaemonError> {
    let (mut bound, mut absent) = (Vec::new(), Vec::new());
    for address in listen {
        match http::listen::bind(address) {
            Ok(listener) => bound.push(listener),
            Err(cause) if http::listen::is_absent(&cause) => {
                absent.push((address.clone(), http::listen::refused(address, &cause)));
            }
            Err(cause) => return Err(http::listen::refused(address, &cause).into()),
        }
    }
    if bound.is_empty() && !absent.is_empty() {
        return Err(absent.swap_remove(0).1.into());
    }
    let waits = |(address, fault)| {
        warn!("{fault}; the other addresses are served, and this one as soon as it is there");
        address
    };
    Ok((bound, absent.into_iter().map(waits).collect()))
}

/// Binds `listen`, which the page or the operator has set. Also returns the addresses that are not there yet.
///
/// The page's list must not lock the page away, and it may be meant as a restriction. An address that it leaves out is
/// never served. If its port is taken or forbidden, the operator's ports are served at the same address. The start goes
/// on without any address if none is there yet.
///
/// # Errors
/// As [`bind`] for the operator's; of the page's none can be served, and one of them is there.
pub fn bind_or_rescue(
    listen: &[Listen],
    operators: &[Listen],
) -> Result<(Vec<http::Listener>, Vec<Listen>), DaemonError> {
    if listen == operators {
        return bind(listen);
    }
    let (mut bound, mut absent, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for address in listen {
        match http::listen::bind(address) {
            Ok(listener) => bound.push(listener),
            Err(cause) => {
                let fault = http::listen::refused(address, &cause);
                if http::listen::is_absent(&cause) {
                    warn!("{fault}; it is served as soon as it is there");
                    absent.push(address.clone());
                } else {
                    error!("[http] listen, as it was set on the page, cannot be used: {fault}");
                    refused.push((address, fault));
                }
            }
        }
    }
    for (address, _) in &refused {
        let ports = operators.iter().filter_map(tcp).map(|address| address.port());
        let instead = ports.filter_map(|port| with_port(address, port));
        for instead in instead.filter(|instead| !listen.contains(instead)) {
            match http::listen::bind(&instead) {
                Ok(listener) => {
                    warn!("{instead} is served instead of {address}");
                    bound.push(listener);
                }
                Err(cause) => error!("{}", http::listen::refused(&instead, &cause)),
            }
        }
    }
    match refused.into_iter().next() {
        Some((_, fault)) if bound.is_empty() => Err(fault.into()),
        _ => Ok((bound, absent)),
    }
}

/// The fault of the first address in `listen` that is new and that this machine does not have, or whose port is
/// forbidden here.
pub fn check_new(listen: &[Listen], former: &[Listen]) -> Option<(Listen, Fault)> {
    let mut new = listen.iter().filter(|address| !former.contains(address));
    new.find_map(|address| {
        let cause = http::listen::try_address(tcp(address)?).err()?;
        Some((address.clone(), http::listen::refused(address, &cause)))
    })
}

fn tcp(listen: &Listen) -> Option<SocketAddr> {
    match listen {
        Listen::Tcp(address) | Listen::Https(address) => Some(*address),
        Listen::Unix(_) => None,
    }
}

/// The same address at another port; `None` for a Unix socket.
fn with_port(listen: &Listen, port: u16) -> Option<Listen> {
    let at = |address: &SocketAddr| SocketAddr::new(address.ip(), port);
    match listen {
        Listen::Tcp(address) => Some(Listen::Tcp(at(address))),
        Listen::Https(address) => Some(Listen::Https(at(address))),
        Listen::Unix(_) => None,
    }
}

fn take_listener(socket: Socket, name: &str) -> std::io::Result<http::Listener> {
    match socket.domain()? {
        _ if !socket.is_listener()? => Err(std::io::Error::other("it is no listening socket")),
        Domain::UNIX => Ok(http::Listener::Unix(OwnedFd::from(socket).into())),
        _ if name == "https" => Ok(http::Listener::Https(socket.into())),
        _ => Ok(http::Listener::Tcp(socket.into())),
    }
}

/// The TCP addresses of `listeners`.
pub fn addresses(listeners: &[http::Listener]) -> Vec<Listening> {
    let tcp = listeners.iter().filter_map(|listener| match listener {
        http::Listener::Tcp(tcp) | http::Listener::Https(tcp) => Some(Listening {
            address: tcp.local_addr().ok()?,
            with_ipv4: serves_ipv4(tcp),
            is_https: listener.is_https(),
        }),
        http::Listener::Unix(_) => None,
    });
    tcp.collect()
}

/// The URLs of the page on `listeners`. Logs each listener.
pub fn urls(listeners: &[http::Listener]) -> Vec<String> {
    let machine = MachineAddresses::detect();
    for listener in listeners {
        info!("listening on {}", listener.address());
    }
    let listening = addresses(listeners);
    let mut urls: Vec<String> = listening.iter().flat_map(|at| machine.urls(at)).collect();
    urls.dedup();
    urls
}

/// Prints the URLs to standard output if the daemon was started by hand or by `make run`, else logs them.
pub fn announce(urls: &[String]) {
    if urls.is_empty() {
        return;
    }
    // make sets MAKELEVEL for its commands.
    if std::io::stdout().is_terminal() || std::env::var_os("MAKELEVEL").is_some() {
        let (bold, plain) = if std::io::stdout().is_terminal() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let list: String = urls.iter().map(|url| format!("    {bold}{url}{plain}\n")).collect();
        // The daemon serves even if standard output is closed.
        let _ = write!(std::io::stdout(), "\n  Ctrl-C stops it. tallycam is here:\n{list}\n");
    } else {
        info!("open {}", urls.join(" or "));
    }
}

/// True if IPv4 clients reach it: an IPv6 socket takes them too, unless `IPV6_V6ONLY` is set (ipv6(7)).
fn serves_ipv4(tcp: &TcpListener) -> bool {
    tcp.local_addr().is_ok_and(|address| address.is_ipv4())
        || SockRef::from(tcp).only_v6().is_ok_and(|only| !only)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    #[test]
    fn an_address_that_is_not_there_is_no_reason_to_serve_none() {
        let [here, absent] =
            ["127.0.0.1:0", "192.0.2.1:8080"].map(|at| Listen::Tcp(at.parse().expect("TCP")));
        let (bound, later) = bind(&[absent.clone(), here]).expect("one is there");
        assert_eq!((bound.len(), later), (1, vec![absent.clone()]));
        let refused = bind(&[absent]).expect_err("none is there").to_string();
        assert!(refused.starts_with("cannot listen on 192.0.2.1:8080: "), "{refused}");
        let taken = Listen::Tcp(bound[0].address().parse().expect("an address"));
        assert!(bind(&[Listen::Tcp("127.0.0.1:0".parse().expect("TCP")), taken]).is_err());
    }

    #[test]
    fn an_address_of_the_page_that_cannot_be_served_opens_no_other() {
        let at = |address: &str| Listen::Tcp(address.parse().expect("TCP"));
        let other = TcpListener::bind("127.0.0.2:0").expect("a free port");
        let port = other.local_addr().expect("an address").port();
        let (here, absent) = (at("127.0.0.1:0"), at("192.0.2.1:8080"));
        let taken = |host: &str| at(&format!("{host}:{port}"));
        for (listen, operators, served, waits) in [
            // Restricted to this machine and an address that comes later, as that of a VPN.
            (vec![here.clone(), absent.clone()], vec![at("0.0.0.0:0")], vec!["127.0.0.1"], 1),
            (vec![absent.clone()], vec![at("0.0.0.0:0")], vec![], 1),
            // Another program has the port.
            (vec![taken("127.0.0.2")], vec![at("0.0.0.0:0")], vec!["127.0.0.2"], 0),
            (vec![taken("0.0.0.0")], vec![at("127.0.0.1:0")], vec!["0.0.0.0"], 0),
            (
                vec![here.clone(), taken("127.0.0.2")],
                vec![at("0.0.0.0:0")],
                vec!["127.0.0.1", "127.0.0.2"],
                0,
            ),
            // The operator's own are as they are.
            (vec![here.clone(), absent.clone()], vec![here.clone(), absent.clone()], vec!["127.0.0.1"], 1),
        ] {
            let (bound, later) = bind_or_rescue(&listen, &operators).expect("no start ends");
            let hosts: Vec<String> = addresses(&bound).iter().map(|at| at.address.ip().to_string()).collect();
            assert_eq!(
                (hosts, later.len()),
                (served.iter().map(|&host| host.into()).collect(), waits),
                "{listen:?}"
            );
        }
        let refused =
            bind_or_rescue(&[taken("127.0.0.2")], &[taken("0.0.0.0")]).expect_err("nothing is left");
        assert!(refused.to_string().contains("cannot listen on 127.0.0.2"), "{refused}");
    }

    #[test]
    fn a_mistyped_address_is_found_when_it_is_set() {
        let at = |address: &str| Listen::Tcp(address.parse().expect("TCP"));
        let own = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = Listen::Tcp(own.local_addr().expect("an address"));
        let absent = at("192.0.2.1:8080");
        let listen = [own, at("0.0.0.0:8080"), Listen::Unix("/nowhere/x.sock".into()), absent.clone()];
        let (found, fault) = check_new(&listen, &[]).expect("nobody has it");
        assert!(
            found == absent && fault.hint.as_ref().is_some_and(|hint| hint.contains("no such address")),
            "{fault}"
        );
        assert_eq!(check_new(&listen, &[absent]).map(|(found, _)| found), None, "it stays");
    }

    #[test]
    fn only_a_listening_socket_is_taken() {
        let listening = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let connected =
            std::net::TcpStream::connect(listening.local_addr().expect("an address")).expect("a connection");
        assert!(take_listener(connected.into(), "").is_err());
        let listening = take_listener(listening.into(), "https").expect("it listens");
        assert!(listening.is_https());
    }
}
