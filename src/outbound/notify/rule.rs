//! One rule at work: waits for its event, makes the message, and sends it until it has arrived.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::alert::{LastingCondition, Turn};
use super::context::Context;
use super::deliver::deliver;
use super::kept::{KeptRules, RuleProgress};
use super::message::{Message, counts_in_words, crossing_in_words};
use super::report::Notifier;
use crate::outbound::api::ApiCaller;
use crate::outbound::follow::{self, Announcements, READS_AFTER, place, varied};
use crate::outbound::kept::save;
use crate::outbound::parts::TaskParts;
use crate::outbound::web::WebClient;
use tallycam_base::{ClockTime, Fault, clock};
use tallycam_config::{NotifyRule, RuleWhen};

/// Interval at which conditions are looked at.
const LOOKS_EVERY: Duration = Duration::from_secs(5);

/// Crossings that are read at once.
const PAGE: usize = 100;

/// Shortest time between two messages about crossings for people.
const PEOPLE_PAUSE: Duration = Duration::from_secs(60);

/// Pauses after a failure: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

pub(super) struct RuleTask {
    rule: NotifyRule,
    api: ApiCaller,
    announced: Announcements,
    notifier: Notifier,
    kept: Rc<RefCell<KeptRules>>,
    context: Context,
    client: WebClient,
    progress: RuleProgress,
    /// The place to begin at is known.
    is_begun: bool,
}

/// The result of a look at a condition.
struct ConditionLook {
    is_so: bool,
    /// The message without the camera's name.
    words: String,
}

impl RuleTask {
    pub(super) fn new(
        rule: NotifyRule,
        parts: &TaskParts,
        notifier: &Notifier,
        kept: &Rc<RefCell<KeptRules>>,
        context: Context,
    ) -> RuleTask {
        RuleTask {
            api: parts.api.named("notifications"),
            announced: Announcements::of(parts.counts.as_ref()),
            notifier: notifier.clone(),
            kept: kept.clone(),
            client: WebClient::new(context.limit.clone()),
            progress: kept.borrow().content().get(&rule.name).cloned().unwrap_or_default(),
            is_begun: false,
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

    async fn keep(&mut self, is_more_to_send: bool) {
        let (name, progress) = (self.rule.name.clone(), self.progress.clone());
        self.kept.borrow_mut().change(|all| all.insert(name, progress));
        save(&self.kept, is_more_to_send).await;
    }

    /// Shows the fault of the rule, and logs it if it is news.
    fn show(&self, fault: Option<&Fault>, behind_since: Option<u64>) {
        if self.notifier.set(&self.rule.name, fault, behind_since) {
            match fault {
                Some(fault) => log::warn!("notification {:?}: {}", self.rule.name, fault.what),
                None => log::info!("notification {:?} works again", self.rule.name),
            }
        }
    }

    /// One try.
    async fn try_once(&mut self, message: &Message) -> Result<(), Fault> {
        let outcome = deliver(&mut self.client, self.notifier.mqtt(), &self.rule, &self.context, message).await;
        self.notifier.note(&self.rule.name, message, &outcome);
        self.show(outcome.as_ref().err(), outcome.is_err().then_some(message.at_us));
        outcome.map(drop)
    }

    // Crossings

    /// Sends all crossings from now on, each until it has arrived.
    async fn follow_crossings(&mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let (items, is_more) = match self.next_crossings().await {
                Ok(next) => next,
                Err(fault) => {
                    self.show(Some(&fault), None);
                    sleep(LOOKS_EVERY).await;
                    continue;
                }
            };
            let at_once = if self.rule.to.is_for_people() { PAGE } else { 1 };
            let mut has_told = false;
            for (at, group) in items.chunks(at_once).enumerate() {
                if let Some(message) = self.crossings(group).await {
                    has_told = true;
                    while self.try_once(&message).await.is_err() {
                        sleep(varied(pause)).await;
                        pause = (2 * pause).min(LONGEST_PAUSE);
                    }
                }
                pause = FIRST_PAUSE;
                self.progress.sent = group.last().and_then(place).or(self.progress.sent);
                let ids = group.iter().filter_map(|crossing| crossing["id"].as_u64());
                self.progress.last = ids.fold(self.progress.last, u64::max);
                self.keep(is_more || (at + 1) * at_once < items.len()).await;
            }
            if self.rule.to.is_for_people() && has_told {
                sleep(PEOPLE_PAUSE).await;
            }
            if items.is_empty() {
                self.show(None, None);
                let _ = timeout(READS_AFTER, self.announced.next()).await;
            }
        }
    }

    /// Finds where to begin: a new or changed rule begins now, and another counts.db with what is made from now on.
    async fn begin(&mut self) -> Result<(), Fault> {
        let newest = follow::newest(&self.api).await?;
        let follows =
            format!("{} {}", self.rule.when.as_str(), self.rule.place.as_deref().unwrap_or_default());
        let RuleProgress { sent, ledger: before, follows: followed, .. } = &mut self.progress;
        if sent.is_none() || newest.ledger != *before || follows != *followed {
            (*sent, *before, *followed) = (Some(newest.place), newest.ledger, follows);
            self.progress.last = newest.id;
            self.keep(false).await;
        }
        self.is_begun = true;
        Ok(())
    }

    /// The crossings that follow, and whether there are more.
    async fn next_crossings(&mut self) -> Result<(Vec<Value>, bool), Fault> {
        if !self.is_begun {
            self.begin().await?;
        }
        let (line, sent) = (self.line().await?, self.progress.sent.unwrap_or(0));
        let page = follow::after(&self.api, sent, PAGE, &line).await?;
        Ok((page.items, page.is_more))
    }

    /// The line of the rule, as the end of a query.
    async fn line(&self) -> Result<String, Fault> {
        let Some(name) = &self.rule.place else { return Ok(String::new()) };
        let lines = self.api.read("/api/v1/lines").await?;
        let id = named(&lines, name).and_then(|line| line["id"].as_u64());
        id.map(|id| format!("&line={id}")).ok_or_else(|| no_place("line", name))
    }

    /// The message about a crossing; for people about the last of several. People get nothing about a crossing again
    /// because a recount or a clock corrected it.
    async fn crossings(&self, group: &[Value]) -> Option<Message> {
        if !self.rule.to.is_for_people() {
            return Some(self.crossing(group.last()?).await);
        }
        let is_news = |crossing: &&Value| crossing["id"].as_u64() > Some(self.progress.last);
        let news: Vec<&Value> =
            group.iter().filter(|crossing| crossing["gone"].is_null()).filter(is_news).collect();
        let message = self.crossing(news.last()?).await;
        let text = match news.len() {
            1 => message.text,
            many => format!("{} ({many} crossings since the last message)", message.text),
        };
        Some(Message { text, ..message })
    }

    async fn crossing(&self, crossing: &Value) -> Message {
        let id = crossing["id"].as_u64().unwrap_or_default();
        let is_gone = crossing["gone"] == true;
        let words = match is_gone {
            true => format!("crossing {id} was taken back by a recount"),
            false => crossing_in_words(crossing, &self.context.zone),
        };
        let at = crossing["time"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
        Message {
            // The order of changes: a receiver that drops repeats takes a correction as news.
            id: format!("{}-{}", self.progress.ledger, place(crossing).unwrap_or(id)),
            kind: if is_gone { "gone" } else { "crossing" },
            at_us: at.map_or_else(clock::wall_us, |at| u64::try_from(at.as_microsecond()).unwrap_or(0)),
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

    // Conditions

    /// Tells a lasting condition, and the end of a fault.
    async fn watch(&mut self) {
        let mut watch = LastingCondition::new(self.progress.is_reported);
        let mut quiet = Quiet::default();
        let (mut pause, mut next_try_s, mut pending) = (FIRST_PAUSE, 0, None::<Message>);
        loop {
            let now_s = clock::monotonic_us() / 1_000_000;
            let found = match self.rule.when {
                RuleWhen::Above => self.above().await,
                RuleWhen::Quiet => self.quiet(&mut quiet, now_s).await,
                _ => self.trouble().await,
            };
            // Its time without a crossing is the condition itself.
            let lasting_s = if self.rule.when == RuleWhen::Quiet { 0 } else { self.rule.lasting.as_secs() };
            let step = found.map(|found| (watch.step(found.is_so, now_s, lasting_s), found.words));
            match step {
                Err(fault) => self.show(Some(&fault), None),
                Ok((Some(Turn::Over), _)) if self.rule.when != RuleWhen::Trouble => watch.arrived(Turn::Over),
                Ok((Some(turn), words)) if now_s >= next_try_s => {
                    let kind = if turn == Turn::Over { "over" } else { self.rule.when.as_str() };
                    let message = pending.take().filter(|message| message.kind == kind);
                    let message = message.unwrap_or_else(|| self.message(kind, &words));
                    if self.try_once(&message).await.is_ok() {
                        watch.arrived(turn);
                        pause = FIRST_PAUSE;
                    } else {
                        next_try_s = now_s + varied(pause).as_secs();
                        pause = (2 * pause).min(LONGEST_PAUSE);
                        pending = Some(message);
                    }
                }
                Ok((Some(_), _)) => {}
                Ok((None, _)) => {
                    (pending, pause, next_try_s) = (None, FIRST_PAUSE, 0);
                    self.show(None, None);
                }
            }
            if self.progress.is_reported != watch.is_reported() {
                self.progress.is_reported = watch.is_reported();
                self.keep(false).await;
            }
            sleep(LOOKS_EVERY).await;
        }
    }

    fn message(&self, kind: &'static str, words: &str) -> Message {
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

    async fn trouble(&self) -> Result<ConditionLook, Fault> {
        let state = self.api.read("/state").await?;
        let bad = state["alerts"].as_array().into_iter().flatten().find(|alert| alert["bad"] == true);
        let Some(alert) = bad else {
            return Ok(ConditionLook { is_so: false, words: String::from("all works again") });
        };
        let text = |key: &str| alert[key].as_str().filter(|text| !text.is_empty());
        let words = [text("headline"), text("reason"), text("hint")].into_iter().flatten();
        let words: Vec<&str> = words.map(|words| words.trim_end_matches('.')).collect();
        Ok(ConditionLook { is_so: true, words: words.join(". ") })
    }

    async fn above(&self) -> Result<ConditionLook, Fault> {
        let name = self.rule.place.as_deref().unwrap_or_default();
        let zones = self.api.read("/api/v1/zones").await?;
        let inside = match named(&zones, name).and_then(|zone| zone["occupancy"].as_u64()) {
            Some(inside) => inside,
            None => {
                let tallies = self.api.read("/api/v1/tallies").await?;
                let line =
                    tallies["lines"].as_array().into_iter().flatten().find(|line| line["line"] == name);
                line.and_then(|line| line["inside"].as_u64()).ok_or_else(|| no_place("zone or line", name))?
            }
        };
        let most = self.rule.more_than;
        Ok(ConditionLook {
            is_so: inside > u64::from(most),
            words: format!("{inside} inside {name}, more than {most} for {}", in_words(self.rule.lasting)),
        })
    }

    async fn quiet(&self, quiet: &mut Quiet, now_s: u64) -> Result<ConditionLook, Fault> {
        let line = self.line().await?;
        let newest = self.api.read(format!("/api/v1/crossings?limit=1{line}")).await?;
        let last = newest["items"].get(0).and_then(|crossing| crossing["id"].as_u64());
        let is_open = is_open(&self.rule, &now(&self.context.zone));
        let at = self.rule.place.as_ref().map_or_else(String::new, |name| format!(" at {name}"));
        Ok(ConditionLook {
            is_so: quiet.lasts_s(last, is_open, now_s) >= Some(self.rule.lasting.as_secs()),
            words: format!("nothing counted{at} for {}", in_words(self.rule.lasting)),
        })
    }

    // Days

    /// Tells the counts of each day at its time.
    async fn follow_days(&mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
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
                        pause = FIRST_PAUSE;
                        self.keep(false).await;
                    }
                    outcome => {
                        outcome.err().iter().for_each(|fault| self.show(Some(fault), None));
                        sleep(varied(pause)).await;
                        pause = (2 * pause).min(LONGEST_PAUSE);
                    }
                }
            }
            sleep(LOOKS_EVERY).await;
        }
    }

    async fn summary(&self) -> Result<Message, Fault> {
        let counts = self.api.read("/api/v1/counts?from=today&bucket=total&by=line,direction").await?;
        let id = format!("daily-{}", now(&self.context.zone).date());
        Ok(Message { id, ..self.message("daily", &format!("today {}", counts_in_words(&counts))) })
    }
}

/// The time without a crossing within opening hours.
#[derive(Debug, Default)]
struct Quiet {
    last: Option<u64>,
    since_s: Option<u64>,
}

impl Quiet {
    /// How long there has been no other crossing than `last`; `None` outside opening hours.
    fn lasts_s(&mut self, last: Option<u64>, is_open: bool, now_s: u64) -> Option<u64> {
        if !is_open || last != self.last {
            (self.last, self.since_s) = (last, None);
        }
        is_open.then(|| now_s - *self.since_s.get_or_insert(now_s))
    }
}

/// True within the opening hours of `rule`. The hours after midnight belong to the day before.
fn is_open(rule: &NotifyRule, now: &Zoned) -> bool {
    let (hour, today) = (now.hour() as u8, now.weekday().to_monday_zero_offset() as usize);
    let (open, close) = (rule.open, rule.close);
    match open < close {
        true => rule.days[today] && (open..close).contains(&hour),
        false if hour >= open => rule.days[today],
        false => hour < close && rule.days[(today + 6) % 7],
    }
}

fn now(zone: &TimeZone) -> Zoned {
    let us = i64::try_from(clock::wall_us()).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::MAX).to_zoned(zone.clone())
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list["items"].as_array()?.iter().find(|item| item["name"] == name && item["deleted"].is_null())
}

fn no_place(what: &str, name: &str) -> Fault {
    Fault::wrong(format!("there is no {what} called {name:?}"))
        .hint("it was deleted or has another name now: change the rule, or draw it again")
}

fn in_words(time: Duration) -> String {
    tallycam_config::show_duration(time)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rule(keys: &str) -> NotifyRule {
        let text = format!(
            "[[notify]]\nname = \"x\"\nwhen = \"quiet\"\nto = \"webhook\"\naddress = \"https://a.example\"\n{keys}"
        );
        let file = std::path::Path::new("config.toml");
        tallycam_config::Config::from_text(file, &text, &[], []).unwrap().config.notify.remove(0)
    }

    fn at(text: &str) -> Zoned {
        format!("{text}[Europe/Berlin]").parse().unwrap()
    }

    #[test]
    fn opening_hours_may_span_midnight() {
        let shop = rule("open = 8\nclose = 18\ndays = [\"mon\"]\n");
        assert!(is_open(&shop, &at("2026-11-30T08:00")) && !is_open(&shop, &at("2026-11-30T18:00")));
        assert!(!is_open(&shop, &at("2026-12-01T09:00")), "a Tuesday");
        let bar = rule("open = 20\nclose = 3\ndays = [\"sat\"]\n");
        assert!(is_open(&bar, &at("2026-12-05T23:00")) && is_open(&bar, &at("2026-12-06T02:59")));
        assert!(!is_open(&bar, &at("2026-12-05T02:00")) && !is_open(&bar, &at("2026-12-06T21:00")));
    }

    #[test]
    fn quiet_begins_with_the_last_crossing_or_with_the_opening() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.lasts_s(Some(1), false, 0), None);
        assert_eq!(quiet.lasts_s(Some(1), true, 100), Some(0));
        assert_eq!(quiet.lasts_s(Some(1), true, 160), Some(60));
        assert_eq!(quiet.lasts_s(Some(2), true, 170), Some(0));
        assert_eq!(quiet.lasts_s(Some(2), false, 180), None);
        assert_eq!(quiet.lasts_s(Some(2), true, 900), Some(0));
    }
}
