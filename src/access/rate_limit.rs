//! How often a client may guess passwords. Pure; the caller passes the current time.
//!
//! The first tries of an address are free, because people mistype. Each further try doubles the wait, up to a minute.
//! A guesser gets a thousand tries a day; eight random letters take more than a million years. Each try is counted
//! before its password is checked, so parallel tries gain nothing.

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
const MOST: usize = 1024;

/// Tries that all addresses share; one comes back per second. Many addresses together guess no faster.
const ALL_FREE: u64 = 100;
const BACK_EVERY_US: u64 = 1_000_000;

/// A client, as far as clients can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitedClient {
    /// An IPv4 address, or the /64 network of an IPv6 address, because a household has 2⁶⁴ of those.
    Address(IpAddr),
    /// A client on this machine, or behind a proxy that does not name its clients.
    Unnamed,
}

impl LimitedClient {
    /// The client with this address.
    pub fn from_address(address: IpAddr) -> LimitedClient {
        match address.to_canonical() {
            IpAddr::V4(v4) => LimitedClient::Address(v4.into()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                LimitedClient::Address(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
        }
    }
}

/// The number of recent tries per client.
#[derive(Debug, Default)]
pub struct Guessing {
    tries: HashMap<LimitedClient, Tries>,
    /// When all shared tries will be back.
    spent_until_us: u64,
}

#[derive(Debug)]
struct Tries {
    count: u32,
    last_us: u64,
    /// The client's next try is refused before this time.
    next_us: u64,
}

impl Guessing {
    /// Number of recent tries of `client`.
    pub fn count(&self, client: LimitedClient) -> u32 {
        self.tries.get(&client).map_or(0, |tries| tries.count)
    }

    /// Time that `client` has to wait before the next try.
    pub fn wait(&self, client: LimitedClient, now_us: u64) -> Option<Duration> {
        let tries = self.tries.get(&client).filter(|tries| !tries.is_expired(now_us))?;
        let left = tries.next_us.checked_sub(now_us).filter(|left| *left > 0)?;
        Some(Duration::from_micros(left))
    }

    /// Counts a try before its password is checked.
    ///
    /// # Errors
    /// The try comes too early. The value is the time to wait; the password must not be checked.
    pub fn check_attempt(&mut self, client: LimitedClient, now_us: u64) -> Result<(), Duration> {
        if let Some(wait) = self.wait(client, now_us) {
            return Err(wait);
        }
        if !self.tries.contains_key(&client) && self.tries.len() >= MOST {
            self.make_room(now_us);
        }
        let tries = self.tries.entry(client).or_insert(Tries { count: 0, last_us: now_us, next_us: 0 });
        if tries.is_expired(now_us) {
            tries.count = 0;
        }
        tries.count = tries.count.saturating_add(1);
        tries.last_us = now_us;
        let wait = match tries.count.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(beyond) => LONGEST.min(Duration::from_secs(1 << beyond.min(10))),
        };
        tries.next_us = now_us + wait.as_micros() as u64;
        Ok(())
    }

    /// Takes one of the shared tries, or returns the time until the next one. Clients on this machine or behind an
    /// anonymous proxy take none.
    pub fn take_attempt(&mut self, client: LimitedClient, now_us: u64) -> Option<Duration> {
        if client == LimitedClient::Unnamed {
            return None;
        }
        let spent_us = self.spent_until_us.saturating_sub(now_us) + BACK_EVERY_US;
        if let Some(early_us) = spent_us.checked_sub(ALL_FREE * BACK_EVERY_US).filter(|early| *early > 0) {
            return Some(Duration::from_micros(early_us));
        }
        self.spent_until_us = now_us + spent_us;
        None
    }

    /// Records a correct password: the client's earlier tries are forgotten.
    pub fn record_success(&mut self, client: LimitedClient) {
        self.tries.remove(&client);
        self.spent_until_us = self.spent_until_us.saturating_sub(BACK_EVERY_US);
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
            assert_eq!(guessing.check_attempt(me, SECOND), Ok(()));
        }
        let mut now = SECOND;
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = guessing.check_attempt(me, now).unwrap_err();
            assert_eq!(guessing.wait(me, now), Some(wait));
            waits.push(wait.as_secs());
            now += wait.as_micros() as u64;
            assert_eq!(guessing.wait(me, now), None);
            guessing.check_attempt(me, now).unwrap();
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(guessing.check_attempt(client("10.0.0.8"), now), Ok(()), "others do not wait");
        assert_eq!(guessing.check_attempt(me, now + FORGOTTEN_AFTER_US), Ok(()), "tries are forgotten");
        assert_eq!(guessing.check_attempt(me, now + FORGOTTEN_AFTER_US), Ok(()));
        guessing.record_success(me);
        assert_eq!(guessing.wait(me, now), None);
    }

    #[test]
    fn many_addresses_guess_no_faster_than_one_a_second() {
        let mut guessing = Guessing::default();
        let nth = |n: u32| LimitedClient::from_address(std::net::Ipv4Addr::from(n).into());
        for n in 0..ALL_FREE as u32 {
            assert_eq!(guessing.take_attempt(nth(n), SECOND), None);
        }
        assert_eq!(guessing.take_attempt(nth(1000), SECOND), Some(Duration::from_secs(1)));
        assert_eq!(
            guessing.take_attempt(LimitedClient::Unnamed, SECOND),
            None,
            "a local client does not wait"
        );
        assert_eq!(guessing.take_attempt(nth(1000), 2 * SECOND), None);
        assert_eq!(
            guessing.take_attempt(nth(1001), 2 * SECOND + SECOND / 2),
            Some(Duration::from_millis(500))
        );
        guessing.record_success(nth(1000));
        assert_eq!(
            guessing.take_attempt(nth(1001), 2 * SECOND + SECOND / 2),
            None,
            "a correct password costs no try"
        );
        let within = ALL_FREE + FORGOTTEN_AFTER_US / BACK_EVERY_US;
        assert!(within < MOST as u64, "a flood makes no address forgotten");
    }

    #[test]
    fn a_network_is_one_guesser() {
        assert_eq!(client("2001:db8::1"), client("2001:db8::2:3"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:10.0.0.7"), client("10.0.0.7"));
        assert_ne!(client("10.0.0.7"), client("10.0.0.8"));
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (mut guessing, worst) = (Guessing::default(), client("10.0.0.7"));
        for _ in 0..=FREE {
            let _ = guessing.check_attempt(worst, SECOND);
        }
        for n in 0..10_000_u32 {
            guessing
                .check_attempt(
                    LimitedClient::from_address(std::net::Ipv4Addr::from(n).into()),
                    SECOND + u64::from(n),
                )
                .unwrap();
        }
        assert!(guessing.tries.len() <= MOST);
        assert!(guessing.wait(worst, SECOND).is_some());
    }
}
