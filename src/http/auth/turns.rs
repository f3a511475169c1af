//! The queue of passwords to verify: one at a time, and callers with the fewest tries first, so that many guessers
//! cannot lock others out. Among callers with equally many tries, the network with fewer comes first, then the newest
//! caller: a crowd that waits gains nothing. Bounded: if all places are taken, the last waiter loses its place to a
//! caller that comes before it.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::access::LimitedClient;

/// Maximum number of waiters.
const MOST: usize = 64;

/// Places for all clients behind one proxy or on this machine, which cannot be distinguished. Any other address has
/// one.
const UNNAMED: usize = 8;

#[derive(Debug, Clone, Default)]
pub struct Turns {
    state: Arc<Mutex<TurnQueue>>,
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct TurnQueue {
    waiting: Vec<Waiter>,
    /// The waiter whose password is being verified.
    turn: Option<Waiter>,
    next: u64,
}

/// Ordered by turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiter {
    tries: Tried,
    number: Reverse<u64>,
    client: LimitedClient,
}

/// The recent tries of a client, and of its network.
pub type Tried = (u32, u64);

/// A place in the queue, which then has the turn; both end when it is dropped.
#[derive(Debug)]
pub struct TurnPlace {
    turns: Turns,
    number: u64,
}

impl Turns {
    /// A place for `client`, which has tried `tries` times before. `None`: it has a place, or all are taken by
    /// clients with fewer tries.
    pub fn enter(&self, client: LimitedClient, tries: Tried) -> Option<TurnPlace> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let own = state.waiting.iter().chain(&state.turn).filter(|other| other.client == client).count();
        if own >= if client == LimitedClient::Unnamed { UNNAMED } else { 1 } {
            return None;
        }
        if state.waiting.len() >= MOST {
            let last = state.waiting.iter().max().copied().filter(|last| last.tries >= tries)?;
            state.waiting.retain(|other| *other != last);
            self.news.notify_waiters();
        }
        let number = state.next;
        state.next += 1;
        state.waiting.push(Waiter { tries, number: Reverse(number), client });
        Some(TurnPlace { turns: self.clone(), number })
    }
}

impl TurnPlace {
    /// Waits for the turn; false if the place went to a client with fewer tries.
    pub async fn turn(&self) -> bool {
        loop {
            // Created before the check, so that no notification in between is missed.
            let news = self.turns.news.notified();
            if let Some(has_turn) = self.look() {
                return has_turn;
            }
            news.await;
        }
    }

    fn look(&self) -> Option<bool> {
        let mut state = self.turns.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = state.waiting.iter().position(|other| other.number.0 == self.number) else {
            return Some(false);
        };
        if state.turn.is_some() || state.waiting.iter().min() != Some(&state.waiting[at]) {
            return None;
        }
        state.turn = Some(state.waiting.swap_remove(at));
        Some(true)
    }
}

impl Drop for TurnPlace {
    fn drop(&mut self) {
        let mut state = self.turns.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.retain(|other| other.number.0 != self.number);
        state.turn = state.turn.filter(|turn| turn.number.0 != self.number);
        drop(state);
        self.turns.news.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::Ipv4Addr;

    use super::*;

    fn nth(n: u32) -> LimitedClient {
        LimitedClient::from_address(Ipv4Addr::from(n).into())
    }

    #[tokio::test]
    async fn the_client_with_the_fewest_tries_comes_first() {
        let turns = Turns::default();
        let first = turns.enter(nth(1), (30, 0)).unwrap();
        assert!(first.turn().await);
        let (often, seldom) = (turns.enter(nth(2), (20, 0)).unwrap(), turns.enter(nth(3), (0, 9)).unwrap());
        assert!(turns.enter(nth(1), (30, 0)).is_none() && turns.enter(nth(2), (20, 0)).is_none());
        assert_eq!((often.look(), seldom.look()), (None, None), "one at a time");
        drop(first);
        assert_eq!((often.look(), seldom.look()), (None, Some(true)));
        drop(seldom);
        assert!(often.turn().await);
    }

    #[test]
    fn a_crowd_of_guessers_makes_room_for_a_client_without_tries() {
        let turns = Turns::default();
        let mut crowd: Vec<TurnPlace> =
            (0..MOST as u32).map(|n| turns.enter(nth(n), (0, 5)).unwrap()).collect();
        assert!(turns.enter(nth(1000), (1, 0)).is_none() && turns.enter(nth(1000), (0, 6)).is_none());
        let owner = turns.enter(nth(1001), (0, 5)).unwrap();
        assert_eq!(crowd.pop().unwrap().look(), None);
        assert_eq!(owner.look(), Some(true), "the newest of as many tries");
        assert_eq!(crowd.swap_remove(0).look(), Some(false), "the oldest");
        assert_eq!(turns.state.lock().unwrap().waiting.len(), MOST - 2);
        drop((crowd, owner));
        let state = turns.state.lock().unwrap();
        assert!(state.waiting.is_empty() && state.turn.is_none());
    }

    #[test]
    fn indistinguishable_clients_have_few_places() {
        let turns = Turns::default();
        let places: Vec<_> = (0..10).filter_map(|_| turns.enter(LimitedClient::Unnamed, (0, 0))).collect();
        assert_eq!(places.len(), UNNAMED);
    }
}
