//! What the log is told of requests that are refused: one line a minute for each kind and address, with how many there were,
//! so that nobody floods the journal, or the page of the log, by asking. Lives on the server's thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::access::Client;

/// A kind of refusal from one address is logged this often at most.
const EVERY: Duration = Duration::from_secs(60);

/// So many kinds and addresses are told apart; those beyond share one line.
const MOST: usize = 64;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It comes from a page of another site.
    OtherSite,
    /// No password was shown.
    NotSignedIn,
    /// A wrong password.
    WrongPassword,
    /// A wrong key for switching the machine off.
    WrongKey,
}

/// What was logged last, of whom.
#[derive(Debug, Default)]
pub struct Refusals(RefCell<HashMap<(Refusal, Option<Client>), Told>>);

#[derive(Debug)]
struct Told {
    at: Instant,
    since: u64,
}

impl Refusals {
    /// What the log is to be told of another one, after its own words: nothing yet, or how many went before it unsaid.
    pub fn note(&self, refusal: Refusal, client: Client, now: Instant) -> Option<String> {
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST && !all.contains_key(&(refusal, Some(client))) {
            all.retain(|_, told| told.since > 0 || now.saturating_duration_since(told.at) < EVERY);
        }
        let is_one_too_many = all.len() >= MOST && !all.contains_key(&(refusal, Some(client)));
        let key = (refusal, (!is_one_too_many).then_some(client));
        let Some(told) = all.get_mut(&key) else {
            all.insert(key, Told { at: now, since: 0 });
            return Some(String::new());
        };
        if now.saturating_duration_since(told.at) < EVERY {
            told.since += 1;
            return None;
        }
        let before = std::mem::replace(told, Told { at: now, since: 0 }).since;
        Some(if before == 0 { String::new() } else { format!(" ({before} more since the last such line)") })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_minute_with_its_number() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let from = |n: u8| Client::of([10, 0, 0, n].into());
        let said = |seconds: u64, n: u8| {
            refusals.note(Refusal::OtherSite, from(n), start + Duration::from_secs(seconds))
        };
        assert_eq!(said(0, 1).as_deref(), Some(""));
        assert!((0..59).all(|second| said(second, 1).is_none()));
        assert_eq!(said(1, 2).as_deref(), Some(""), "another address has a line of its own");
        assert_eq!(said(60, 1).as_deref(), Some(" (59 more since the last such line)"));
        assert_eq!(said(200, 1).as_deref(), Some(""));
        assert!(refusals.note(Refusal::WrongKey, from(1), start).is_some(), "so has another kind");
    }

    #[test]
    fn many_addresses_are_no_many_lines_and_no_memory() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        let lines = (0..60_000_u32).filter(|n| {
            let client = Client::of(std::net::Ipv4Addr::from_bits(*n).into());
            refusals.note(Refusal::NotSignedIn, client, now).is_some()
        });
        assert_eq!(lines.count(), MOST + 1);
        assert!(refusals.0.borrow().len() <= MOST + 1);
    }
}
