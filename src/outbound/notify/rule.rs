//! One rule at work: waits for its event, makes the message, and sends it until it has arrived. A change of its address
//! or of the shared settings reaches it while it runs, so its clocks go on.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;

use super::context::Context;
use super::deliver::Courier;
use super::kept::{KeptRules, RuleProgress};
use super::message::{Message, counts_in_words};
use super::report::Notifier;
use crate::outbound::api::ApiCaller;
use crate::outbound::follow::{Announcements, varied};
use crate::outbound::kept::save;
use crate::outbound::parts::TaskParts;
use tallycam_base::{ClockTime, Fault, clock};
use tallycam_config::{NotifyRule, RuleWhen};

/// Interval at which conditions are looked at.
pub(super) const LOOKS_EVERY: Duration = Duration::from_secs(5);

/// Pauses after a failure: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The pauses between tries: each twice as long as the one before.
#[derive(Debug)]
pub(super) struct TryPauses(Duration);

impl Default for TryPauses {
    fn default() -> TryPauses {
        TryPauses(FIRST_PAUSE)
    }
}

impl TryPauses {
    /// The next pause, up to a quarter more or less, so that many cameras do not come all at once.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (2 * pause).min(LONGEST_PAUSE);
        varied(pause)
    }
}

/// A rule with the settings that all rules share.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RuleSettings {
    pub(super) rule: NotifyRule,
    pub(super) context: Context,
}

/// The event and the place of `rule`. A rule with another event or place starts from the beginning.
pub(super) fn follows(rule: &NotifyRule) -> String {
    format!("{} {}", rule.when.as_str(), rule.place.as_deref().unwrap_or_default())
}

pub(super) struct RuleTask {
    pub(super) rule: NotifyRule,
    pub(super) context: Context,
    settings: watch::Receiver<Rc<RuleSettings>>,
    pub(super) api: ApiCaller,
    pub(super) announced: Announcements,
    notifier: Notifier,
    kept: Rc<RefCell<KeptRules>>,
    courier: Courier,
    pub(super) progress: RuleProgress,
    /// The place to begin at is known.
    pub(super) is_begun: bool,
}

impl RuleTask {
    pub(super) fn new(
        mut settings: watch::Receiver<Rc<RuleSettings>>,
        parts: &TaskParts,
        notifier: &Notifier,
        kept: &Rc<RefCell<KeptRules>>,
    ) -> RuleTask {
        let RuleSettings { rule, context } = (**settings.borrow_and_update()).clone();
        let mut progress = kept.borrow().content().get(&rule.name).cloned().unwrap_or_default();
        let follows = follows(&rule);
        // Earlier versions did not note it for every rule.
        if progress.follows != follows && !progress.follows.is_empty() {
            progress = RuleProgress::default();
        }
        progress.follows = follows;
        RuleTask {
            api: parts.api.named("notifications"),
            announced: Announcements::of(parts.counts.as_ref()),
            notifier: notifier.clone(),
            kept: kept.clone(),
            courier: Courier::default(),
            progress,
            is_begun: false,
            settings,
            context,
            rule,
        }
    }

    pub(super) async fn run(mut self) {
        match self.rule.when {
            RuleWhen::Crossing => self.follow_crossings().await,
            RuleWhen::Daily => self.follow_days().await,
            RuleWhen::Above | RuleWhen::Quiet | RuleWhen::Trouble => self.watch().await,
        }
    }

    /// Takes over settings that have changed.
    pub(super) fn refresh(&mut self) {
        if self.settings.has_changed().unwrap_or(false) {
            RuleSettings { rule: self.rule, context: self.context } =
                (**self.settings.borrow_and_update()).clone();
        }
    }

    /// Waits for `time`, or until the settings change.
    pub(super) async fn pause(&mut self, time: Duration) {
        let changed = async {
            if self.settings.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            self.settings.mark_changed();
        };
        tokio::select! {
            () = sleep(time) => {}
            () = changed => {}
        }
        self.refresh();
    }

    pub(super) async fn keep(&mut self, is_more_to_send: bool) {
        let (name, progress) = (self.rule.name.clone(), self.progress.clone());
        self.kept.borrow_mut().change(|all| all.insert(name, progress));
        save(&self.kept, is_more_to_send).await;
    }

    /// Shows the fault of the rule, and logs it if it is news.
    pub(super) fn show(&self, fault: Option<&Fault>, behind_since: Option<u64>) {
        if self.notifier.set(&self.rule.name, fault, behind_since) {
            match fault {
                Some(fault) => log::warn!("notification {:?}: {}", self.rule.name, fault.what),
                None => log::info!("notification {:?} works again", self.rule.name),
            }
        }
    }

    /// One try.
    pub(super) async fn try_once(&mut self, message: &Message) -> Result<(), Fault> {
        let mqtt = self.notifier.mqtt();
        let outcome = self.courier.deliver(mqtt, &self.rule, &self.context, message).await;
        self.notifier.note(&self.rule.name, message, &outcome);
        self.show(outcome.as_ref().err(), outcome.is_err().then_some(message.at_us));
        outcome.map(drop)
    }

    pub(super) fn message(&self, kind: &'static str, words: &str) -> Message {
        let at_us = clock::wall_us();
        let page = if matches!(kind, "trouble" | "over") { "" } else { "counts" };
        Message {
            id: format!("{kind}-{at_us}"),
            kind,
            at_us,
            text: format!("{}: {words}", self.context.camera),
            link: format!("{}{page}", self.context.page),
            crossing: None,
            picture: None,
        }
    }

    /// Tells the counts of each day at its time.
    async fn follow_days(&mut self) {
        let mut backoff = TryPauses::default();
        loop {
            self.refresh();
            let now = now(&self.context.zone);
            let is_time = now.hour() as u16 * 60 + now.minute() as u16 >= self.rule.at;
            let today = now.date().to_string();
            let is_news = is_time && self.progress.day != today && ClockTime::now().wall_trusted;
            if self.progress.day.is_empty() {
                // A new rule begins with the next time.
                self.progress.day = if is_time { today } else { String::from("new") };
                self.keep(false).await;
            } else if is_news {
                match self.summary().await {
                    Ok(message) if self.try_once(&message).await.is_ok() => {
                        self.progress.day = today;
                        backoff = TryPauses::default();
                        self.keep(false).await;
                    }
                    outcome => {
                        outcome.err().iter().for_each(|fault| self.show(Some(fault), None));
                        self.pause(backoff.next()).await;
                    }
                }
            }
            self.pause(LOOKS_EVERY).await;
        }
    }

    async fn summary(&self) -> Result<Message, Fault> {
        let counts = self.api.read("/api/v1/counts?from=today&bucket=total&by=line,direction").await?;
        let id = format!("daily-{}", now(&self.context.zone).date());
        Ok(Message { id, ..self.message("daily", &format!("today {}", counts_in_words(&counts))) })
    }
}

pub(super) fn now(zone: &TimeZone) -> Zoned {
    let us = i64::try_from(clock::wall_us()).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::MAX).to_zoned(zone.clone())
}

pub(super) fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list["items"].as_array()?.iter().find(|item| item["name"] == name && item["deleted"].is_null())
}

pub(super) fn no_place(what: &str, name: &str) -> Fault {
    Fault::wrong(format!("there is no {what} called {name:?}"))
        .hint("it was deleted or has another name now: change the rule, or draw it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_vary_by_a_quarter() {
        let mut backoff = TryPauses(Duration::from_secs(8));
        let pause = backoff.next();
        assert!((6..10).contains(&pause.as_secs()), "{pause:?}");
        assert_eq!(backoff.0, Duration::from_secs(16));
        for _ in 0..9 {
            let _ = backoff.next();
        }
        assert_eq!(backoff.0, LONGEST_PAUSE);
    }
}
