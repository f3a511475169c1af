//! Crossings: a webhook gets each one, in order; people get one message about all that wait.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::kept::RuleProgress;
use super::message::{Message, crossing_in_words, time_of};
use super::rule::{LOOKS_EVERY, RuleTask, TryPauses, follows, named, no_place};
use crate::outbound::follow::{self, ChangesPage, READS_AFTER, place};
use tallycam_base::{Fault, clock};

/// Crossings that are read at once.
const PAGE: usize = 100;

/// Shortest time between two messages for people.
const PEOPLE_PAUSE: Duration = Duration::from_secs(60);

/// The crossings that one message for people is about.
#[derive(Debug, Default)]
struct Waiting {
    count: u64,
    first: Option<Value>,
    last: Option<Value>,
    /// The place in counts.db up to which they were read.
    up_to: u64,
    /// The highest number of a crossing.
    highest: u64,
}

impl Waiting {
    /// Nothing yet, behind the place and the number of the last message.
    fn behind(progress: &RuleProgress) -> Waiting {
        let (up_to, highest) = (progress.sent.unwrap_or(0), progress.last);
        Waiting { up_to, highest, ..Waiting::default() }
    }

    /// Adds the next crossing. People hear nothing again because a recount or a clock corrected a crossing.
    fn add(&mut self, crossing: Value, told: u64) {
        self.up_to = place(&crossing).unwrap_or(self.up_to);
        let Some(id) = crossing["id"].as_u64() else { return };
        self.highest = self.highest.max(id);
        if id > told && crossing["gone"].is_null() {
            self.count += 1;
            self.first.get_or_insert_with(|| crossing.clone());
            self.last = Some(crossing);
        }
    }

    /// The message without the camera's name: "37 crossings since 14:02; the last: 14:09:11 person in at Door".
    fn in_words(&self, zone: &TimeZone) -> Option<String> {
        let (first, last) = (self.first.as_ref()?, self.last.as_ref()?);
        let newest = crossing_in_words(last, zone);
        if self.count == 1 {
            return Some(newest);
        }
        let at = |crossing| time_of(crossing).map(|at| at.to_zoned(zone.clone()));
        let since = match (at(first), at(last)) {
            (Some(first), Some(last)) if first.date() == last.date() => {
                first.strftime(" since %H:%M").to_string()
            }
            (Some(first), _) => first.strftime(" since %Y-%m-%d %H:%M").to_string(),
            (None, _) => String::new(),
        };
        Some(format!("{} crossings{since}; the last: {newest}", self.count))
    }
}

impl RuleTask {
    /// Sends all crossings from now on.
    pub(super) async fn follow_crossings(&mut self) {
        loop {
            self.refresh();
            let is_for_people = self.rule.to.is_for_people();
            let told = if is_for_people { self.tell_people().await } else { self.tell_each().await };
            match told {
                Ok(true) if is_for_people => sleep(PEOPLE_PAUSE).await,
                Ok(true) => {}
                Ok(false) => {
                    self.show(None, None);
                    let _ = timeout(READS_AFTER, self.announced.next()).await;
                }
                Err(fault) => {
                    self.show(Some(&fault), None);
                    self.pause(LOOKS_EVERY).await;
                }
            }
        }
    }

    /// Sends the next crossings one by one, each until it has arrived. Returns false if there are none.
    async fn tell_each(&mut self) -> Result<bool, Fault> {
        self.begin().await?;
        let ChangesPage { items, is_more } = self.crossings_after(self.progress.sent.unwrap_or(0)).await?;
        for (at, crossing) in items.iter().enumerate() {
            let message = self.crossing(crossing).await;
            let mut backoff = TryPauses::default();
            while self.try_once(&message).await.is_err() {
                self.pause(backoff.next()).await;
            }
            let id = crossing["id"].as_u64().unwrap_or_default();
            self.arrived_up_to(place(crossing), id, is_more || at + 1 < items.len()).await;
        }
        Ok(!items.is_empty())
    }

    /// Sends one message about all crossings that wait, until it has arrived. Those that come meanwhile join it, so it
    /// cannot fall behind. Returns false if there are none.
    async fn tell_people(&mut self) -> Result<bool, Fault> {
        self.begin().await?;
        let mut waiting = Waiting::behind(&self.progress);
        let mut backoff = TryPauses::default();
        loop {
            self.collect(&mut waiting).await?;
            let message = self.about(&waiting).await;
            if let Some(message) = &message
                && self.try_once(message).await.is_err()
            {
                self.pause(backoff.next()).await;
                continue;
            }
            self.arrived_up_to(Some(waiting.up_to), waiting.highest, false).await;
            return Ok(message.is_some());
        }
    }

    async fn collect(&self, waiting: &mut Waiting) -> Result<(), Fault> {
        loop {
            let page = self.crossings_after(waiting.up_to).await?;
            page.items.into_iter().for_each(|crossing| waiting.add(crossing, self.progress.last));
            if !page.is_more {
                return Ok(());
            }
        }
    }

    /// The message about the crossings that wait, with the picture of the last.
    async fn about(&self, waiting: &Waiting) -> Option<Message> {
        let words = waiting.in_words(&self.context.zone)?;
        let message = self.crossing(waiting.last.as_ref()?).await;
        let first = waiting.first.as_ref()?;
        Some(Message {
            id: format!("{}-{}", self.progress.ledger, place(first).unwrap_or_default()),
            at_us: time_us(first),
            text: format!("{}: {words}", self.context.camera),
            ..message
        })
    }

    async fn arrived_up_to(&mut self, place: Option<u64>, id: u64, is_more_to_send: bool) {
        self.progress.sent = place.or(self.progress.sent);
        self.progress.last = self.progress.last.max(id);
        self.keep(is_more_to_send).await;
    }

    /// Finds where to begin: a new rule begins now, and another counts.db with what is made from now on.
    async fn begin(&mut self) -> Result<(), Fault> {
        if self.is_begun {
            return Ok(());
        }
        let newest = follow::newest(&self.api).await?;
        if self.progress.sent.is_none() || self.progress.ledger != newest.ledger {
            self.progress = RuleProgress {
                ledger: newest.ledger,
                follows: follows(&self.rule),
                sent: Some(newest.place),
                last: newest.id,
                ..RuleProgress::default()
            };
            self.keep(false).await;
        }
        self.is_begun = true;
        Ok(())
    }

    /// The crossings after the place `after` in the order of changes.
    async fn crossings_after(&self, after: u64) -> Result<ChangesPage, Fault> {
        let line = self.line().await?;
        follow::after(&self.api, after, PAGE, &line).await
    }

    /// The line of the rule, as the end of a query.
    pub(super) async fn line(&self) -> Result<String, Fault> {
        let Some(name) = &self.rule.place else { return Ok(String::new()) };
        let lines = self.api.read("/api/v1/lines").await?;
        let id = named(&lines, name).and_then(|line| line["id"].as_u64());
        id.map(|id| format!("&line={id}")).ok_or_else(|| no_place("line", name))
    }

    async fn crossing(&self, crossing: &Value) -> Message {
        let id = crossing["id"].as_u64().unwrap_or_default();
        let is_gone = crossing["gone"] == true;
        let words = match is_gone {
            true => format!("crossing {id} was taken back by a recount"),
            false => crossing_in_words(crossing, &self.context.zone),
        };
        Message {
            // The order of changes: a receiver that drops repeats takes a correction as news.
            id: format!("{}-{}", self.progress.ledger, place(crossing).unwrap_or(id)),
            kind: if is_gone { "gone" } else { "crossing" },
            at_us: time_us(crossing),
            text: format!("{}: {words}", self.context.camera),
            link: format!("{}counts", self.context.page),
            picture: match crossing["thumbnail"].as_str() {
                // Refused in privacy mode.
                Some(address) => match self.api.get(format!("/api/v1/{address}")).await {
                    Ok(reply) if reply.is_success() => Some(reply.body),
                    _ => None,
                },
                None => None,
            },
            crossing: Some(crossing.clone()),
        }
    }
}

fn time_us(crossing: &Value) -> u64 {
    let at = time_of(crossing);
    at.map_or_else(clock::wall_us, |at| u64::try_from(at.as_microsecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn crossing(id: u64, time: &str) -> Value {
        json!({"id": id, "seq": 10 * id, "time": time, "class": "person", "direction": "in", "line": "Door"})
    }

    #[test]
    fn people_get_the_number_of_those_that_wait_and_nothing_twice() {
        let progress = RuleProgress { sent: Some(20), last: 2, ..RuleProgress::default() };
        let mut waiting = Waiting::behind(&progress);
        assert_eq!(waiting.in_words(&TimeZone::UTC), None);
        waiting.add(json!({"id": 1, "seq": 21, "gone": true}), progress.last);
        waiting.add(crossing(2, "2026-11-12T13:00:00Z"), progress.last);
        assert_eq!((waiting.in_words(&TimeZone::UTC), waiting.up_to), (None, 20), "corrections are no news");
        waiting.add(crossing(3, "2026-11-12T13:02:33Z"), progress.last);
        assert_eq!(waiting.in_words(&TimeZone::UTC).unwrap(), "13:02:33 person in at Door");
        for id in 4..=40 {
            waiting.add(crossing(id, "2026-11-12T13:09:11Z"), progress.last);
        }
        assert_eq!(
            waiting.in_words(&TimeZone::UTC).unwrap(),
            "38 crossings since 13:02; the last: 13:09:11 person in at Door"
        );
        assert_eq!((waiting.up_to, waiting.highest), (400, 40));
        waiting.add(crossing(41, "2026-11-13T01:00:00Z"), progress.last);
        let words = waiting.in_words(&TimeZone::UTC).unwrap();
        assert!(words.starts_with("39 crossings since 2026-11-12 13:02;"), "{words}");
    }
}
