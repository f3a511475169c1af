//! How often a client may guess passwords. Pure; the caller passes the current time.
//!
//! The first tries of an address are free, because people mistype. Each further try doubles the wait, up to a minute.
//! A guesser gets a thousand tries a day; eight random letters take more than a million years. Each try is counted
//! before its password is checked, so parallel tries gain nothing.
//!
//! All addresses share tries; one comes back per second. The fewer an address has taken, the more of them it may take.
//! A crowd that has spent its own part does not stop an address that has not tried yet.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Number of wrong tries without a wait.
const FREE: u32 = 10;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// Tries are forgotten after this time without a new one.
const FORGOTTEN_AFTER_US: u64 = 15 * 60 * 1_000_000;

/// Maximum number of remembered addresses. Fewer than this can try within [`FORGOTTEN_AFTER_US`]. When full, the
/// address with the fewest tries is forgotten.
const MOST: usize = 2048;

/// Shared tries of an address that has spent its free ones; one comes back per second. An address with `n` free tries
/// left may take `n` times as many more.
const SHARED: u64 = 100;
const BACK_EVERY_US: u64 = 1_000_000;

/// One network may spend this part of the shared tries.
const NETWORK_SHARE: u64 = 2;

/// A client, as far as clients can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitedClient {
    /// An IP address.
    Address(IpAddr),
    /// A client on this machine, or behind a proxy that does not name its clients.
    Unnamed,
}

impl LimitedClient {
    /// The client with this address.
    pub fn from_address(address: IpAddr) -> LimitedClient {
        LimitedClient::Address(address.to_canonical())
    }

    /// The client that connects from `address`. Those over a Unix socket or from this machine are not distinguished.
    pub fn from_peer(address: Option<IpAddr>) -> LimitedClient {
        let address = address.filter(|address| !address.to_canonical().is_loopback());
        address.map_or(LimitedClient::Unnamed, LimitedClient::from_address)
    }

    /// All clients that may be one: the /64 network of an IPv6 address, because a machine can take 2⁶⁴ of those. On a
    /// local network everybody has the same, so its limits are wider than those of an address.
    pub fn network(self) -> LimitedClient {
        match self {
            LimitedClient::Address(IpAddr::V6(v6)) => {
                let [a, b, c, d, ..] = v6.segments();
                LimitedClient::Address(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            other => other,
        }
    }
}

/// The number of recent tries per client.
#[derive(Debug, Default)]
pub struct Guessing {
    tries: HashMap<LimitedClient, Tries>,
    /// When all shared tries will be back.
    spent_until_us: u64,
    /// When those will be back that a network has spent.
    spent_by: HashMap<LimitedClient, u64>,
}

#[derive(Debug)]
struct Tries {
    count: u32,
    last_us: u64,
    /// The client's next try is refused before this time.
    next_us: u64,
    /// The user whose password all of them tried; `None`: several users.
    user: Option<String>,
}

impl Guessing {
    /// Number of recent tries of `client`, and of its whole network.
    pub fn count(&self, client: LimitedClient, now_us: u64) -> (u32, u64) {
        let own = self.tries.get(&client).filter(|tries| !tries.is_expired(now_us));
        let until_us = self.spent_by.get(&client.network()).copied().unwrap_or_default();
        (own.map_or(0, |tries| tries.count), until_us.saturating_sub(now_us) / BACK_EVERY_US)
    }

    /// Time that `client` has to wait before the next try.
    pub fn wait(&self, client: LimitedClient, now_us: u64) -> Option<Duration> {
        let tries = self.tries.get(&client).filter(|tries| !tries.is_expired(now_us))?;
        let left = tries.next_us.checked_sub(now_us).filter(|left| *left > 0)?;
        Some(Duration::from_micros(left))
    }

    /// Counts a try at the password of `user` before it is checked.
    ///
    /// # Errors
    /// The try comes too early. The value is the time to wait; the password must not be checked.
    pub fn check_attempt(&mut self, client: LimitedClient, user: &str, now_us: u64) -> Result<(), Duration> {
        if let Some(wait) = self.wait(client, now_us) {
            return Err(wait);
        }
        if !self.tries.contains_key(&client) && self.tries.len() >= MOST {
            self.make_room(now_us);
        }
        let none = || Tries { count: 0, last_us: now_us, next_us: 0, user: Some(user.to_owned()) };
        let tries = self.tries.entry(client).or_insert_with(none);
        if tries.is_expired(now_us) {
            *tries = none();
        }
        tries.user.take_if(|other| other.as_str() != user);
        tries.count = tries.count.saturating_add(1);
        tries.last_us = now_us;
        let wait = match tries.count.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(beyond) => LONGEST.min(Duration::from_secs(1 << beyond.min(10))),
        };
        tries.next_us = now_us + wait.as_micros() as u64;
        Ok(())
    }

    /// Takes one of the shared tries. Clients on this machine or behind an anonymous proxy take none.
    ///
    /// # Errors
    /// The client has none left; the value is the time until the next one.
    pub fn take_shared(&mut self, client: LimitedClient, now_us: u64) -> Result<(), Duration> {
        if client == LimitedClient::Unnamed {
            return Ok(());
        }
        let (count, _) = self.count(client, now_us);
        let most_us = SHARED * u64::from(1 + FREE.saturating_sub(count)) * BACK_EVERY_US;
        self.spent_by.retain(|_, until_us| *until_us > now_us);
        let network = client.network();
        let by_us = self.spent_by.get(&network).copied().unwrap_or_default();
        let spent = |until_us: u64| until_us.saturating_sub(now_us) + BACK_EVERY_US;
        let (all_us, by_us) = (spent(self.spent_until_us), spent(by_us));
        let early_us = all_us.saturating_sub(most_us).max(by_us.saturating_sub(most_us / NETWORK_SHARE));
        if early_us > 0 {
            return Err(Duration::from_micros(early_us));
        }
        self.spent_until_us = now_us + all_us;
        self.spent_by.insert(network, now_us + by_us);
        Ok(())
    }

    /// Records a correct password for `user`. The client's earlier tries are forgotten if all were for that user, and
    /// only this one otherwise. `is_sure` is false if the client may have tried another user's.
    pub fn record_success(&mut self, client: LimitedClient, user: &str, is_sure: bool) {
        let Some(tries) = self.tries.get_mut(&client) else { return };
        if is_sure && tries.user.as_deref() == Some(user) {
            self.tries.remove(&client);
        } else {
            tries.count = tries.count.saturating_sub(1);
            tries.next_us = 0;
        }
    }

    fn make_room(&mut self, now_us: u64) {
        self.tries.retain(|_, tries| !tries.is_expired(now_us));
        if self.tries.len() >= MOST {
            let least = self.tries.iter().min_by_key(|(_, tries)| (tries.count, tries.last_us));
            if let Some(client) = least.map(|(client, _)| *client) {
                self.tries.remove(&client);
            }
        }
    }
}

impl Tries {
    fn is_expired(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.last_us) >= FORGOTTEN_AFTER_US
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn client(text: &str) -> LimitedClient {
        LimitedClient::from_address(text.parse().unwrap())
    }

    #[test]
    fn tries_cost_more_and_more_time() {
        let (mut guessing, me) = (Guessing::default(), client("10.0.0.7"));
        for _ in 0..FREE {
            assert_eq!(guessing.check_attempt(me, "", SECOND), Ok(()));
        }
        let mut now = SECOND;
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = guessing.check_attempt(me, "", now).unwrap_err();
            assert_eq!(guessing.wait(me, now), Some(wait));
            waits.push(wait.as_secs());
            now += wait.as_micros() as u64;
            assert_eq!(guessing.wait(me, now), None);
            guessing.check_attempt(me, "", now).unwrap();
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(guessing.check_attempt(client("10.0.0.8"), "", now), Ok(()), "others do not wait");
        assert_eq!(guessing.check_attempt(me, "", now + FORGOTTEN_AFTER_US), Ok(()), "tries are forgotten");
        assert_eq!(guessing.check_attempt(me, "", now + FORGOTTEN_AFTER_US), Ok(()));
        guessing.record_success(me, "", true);
        assert_eq!(guessing.wait(me, now), None);
    }

    /// A try as a sign-in makes it.
    fn attempt(guessing: &mut Guessing, client: LimitedClient, now_us: u64) -> Result<(), Duration> {
        guessing.take_shared(client, now_us)?;
        guessing.check_attempt(client, "", now_us)
    }

    #[test]
    fn many_addresses_guess_no_faster_than_one_a_second() {
        let mut guessing = Guessing::default();
        let nth = |n: u32| LimitedClient::from_address(std::net::Ipv4Addr::from(n).into());
        let first = SHARED * u64::from(FREE + 1);
        for n in 0..first as u32 {
            assert_eq!(attempt(&mut guessing, nth(n), SECOND), Ok(()));
        }
        assert_eq!(attempt(&mut guessing, nth(5000), SECOND), Err(Duration::from_secs(1)));
        assert_eq!(attempt(&mut guessing, nth(1), SECOND), Err(Duration::from_secs(101)), "it has tried");
        assert_eq!(
            attempt(&mut guessing, LimitedClient::Unnamed, SECOND),
            Ok(()),
            "a local client does not wait"
        );
        guessing.record_success(LimitedClient::Unnamed, "", true);
        guessing.record_success(nth(1), "", true);
        assert_eq!(attempt(&mut guessing, nth(5000), SECOND), Err(Duration::from_secs(1)), "nor frees a try");
        assert_eq!(attempt(&mut guessing, nth(5000), 2 * SECOND), Ok(()));
        assert_eq!(
            attempt(&mut guessing, nth(5001), 2 * SECOND + SECOND / 2),
            Err(Duration::from_millis(500))
        );
        let within = first + FORGOTTEN_AFTER_US / BACK_EVERY_US;
        assert!(within < MOST as u64, "a flood makes no address forgotten");
    }

    #[test]
    fn a_crowd_of_guessers_on_the_local_network_does_not_stop_the_owner() {
        for owner in ["fd00::1", "fe80::1", "2001:db8::1", "10.0.0.7"] {
            let mut guessing = Guessing::default();
            for round in 0..60 {
                for n in 0..150 {
                    for network in ["fd00::", "fe80::", "2001:db8::"] {
                        let _ =
                            attempt(&mut guessing, client(&format!("{network}bad:{n:x}")), round * SECOND);
                    }
                }
            }
            let owner = client(owner);
            assert_eq!(attempt(&mut guessing, owner, 60 * SECOND), Ok(()));
            assert_eq!(attempt(&mut guessing, owner, 60 * SECOND), Ok(()), "after a mistyped one");
        }
    }

    #[test]
    fn a_success_clears_no_tries_at_another_users_password() {
        let (mut guessing, me) = (Guessing::default(), client("10.0.0.7"));
        for n in 0..u64::from(FREE) {
            guessing.check_attempt(me, "admin", n).unwrap();
            if guessing.wait(me, n).is_none() {
                guessing.check_attempt(me, "viewer", n).unwrap();
                guessing.record_success(me, "viewer", true);
            }
        }
        assert!(guessing.wait(me, u64::from(FREE)).is_some());
        // A name that stands for two users.
        let other = client("10.0.0.8");
        for n in 0..u64::from(FREE) {
            guessing.check_attempt(other, "", n).unwrap();
        }
        guessing.record_success(other, "", false);
        assert_eq!(guessing.count(other, 0).0, FREE - 1);
        guessing.record_success(other, "", true);
        assert_eq!(guessing.count(other, 0).0, 0);
    }

    #[test]
    fn an_address_is_a_guesser_in_its_network() {
        assert_ne!(client("2001:db8::1"), client("2001:db8::2:3"));
        assert_eq!(client("2001:db8::1").network(), client("2001:db8::2:3").network());
        assert_ne!(client("2001:db8::1").network(), client("2001:db8:0:1::1").network());
        assert_eq!(client("::ffff:10.0.0.7").network(), client("10.0.0.7"));
        assert_ne!(client("10.0.0.7").network(), client("10.0.0.8").network());
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (mut guessing, worst) = (Guessing::default(), client("10.0.0.7"));
        for _ in 0..=FREE {
            let _ = guessing.check_attempt(worst, "", SECOND);
        }
        for n in 0..10_000_u32 {
            guessing
                .check_attempt(
                    LimitedClient::from_address(std::net::Ipv4Addr::from(n).into()),
                    "",
                    SECOND + u64::from(n),
                )
                .unwrap();
        }
        assert!(guessing.tries.len() <= MOST);
        assert!(guessing.wait(worst, SECOND).is_some());
    }
}
