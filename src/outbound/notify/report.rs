//! How the rules do: for the page, the API and `tallycam check`. In memory, bounded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Semaphore;

use super::context::Context;
use super::deliver::Courier;
use super::message::Message;
use crate::outbound::mqtt::MqttHandle;
use tallycam_base::json::Rfc3339;
use tallycam_base::{Fault, clock};
use tallycam_config::Resolved;

/// Deliveries on the list; older ones are forgotten.
const LISTED: usize = 50;

/// Rules and their last deliveries.
#[derive(Debug, Clone, Default, Serialize, schemars::JsonSchema)]
pub struct NotifyReport {
    /// The rules, in the order of the configuration.
    pub rules: Vec<RuleReport>,
    /// The last deliveries since the start, newest first.
    pub deliveries: VecDeque<DeliveryReport>,
}

/// A rule.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct RuleReport {
    pub name: String,
    /// Why it does not work; `null` if it does.
    pub fault: Option<String>,
    /// The remedy.
    pub hint: Option<String>,
    /// The time of the oldest message that has not arrived; `null` if all have.
    pub behind_since: Option<Rfc3339>,
}

/// The rules in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct NotifySummary {
    /// Number of rules.
    pub rules: usize,
    /// Number of rules that do not work.
    pub failing: usize,
    /// Their names and faults, in sentences; for operators only.
    pub faults: Vec<String>,
}

/// A delivery, or a try.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct DeliveryReport {
    /// The last try.
    pub time: Rfc3339,
    pub rule: String,
    /// The message.
    pub text: String,
    /// It has arrived.
    pub arrived: bool,
    /// The answer of the other side, or the reason why it got nothing.
    pub answer: String,
    /// Number of tries.
    pub tries: u32,
    #[serde(skip)]
    id: String,
}

/// Shares the report, and sends tests. Clones share it.
#[derive(Debug, Clone)]
pub struct Notifier(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    report: Mutex<NotifyReport>,
    mqtt: MqttHandle,
    /// One test at a time.
    testing: Semaphore,
}

impl Default for Notifier {
    fn default() -> Notifier {
        let mqtt = MqttHandle::default();
        Notifier(Arc::new(Shared { report: Mutex::default(), mqtt, testing: Semaphore::new(1) }))
    }
}

impl Notifier {
    fn lock(&self) -> MutexGuard<'_, NotifyReport> {
        self.0.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to the broker.
    pub fn mqtt(&self) -> &MqttHandle {
        &self.0.mqtt
    }

    /// The present report.
    pub fn report(&self) -> NotifyReport {
        self.lock().clone()
    }

    /// The present report in short; `None` without rules.
    pub fn summary(&self) -> Option<NotifySummary> {
        let report = self.lock();
        let fault = |rule: &RuleReport| Some(format!("{}: {}.", rule.name, rule.fault.as_ref()?));
        let faults: Vec<String> = report.rules.iter().filter_map(fault).collect();
        let rules = report.rules.len();
        (rules > 0).then_some(NotifySummary { rules, failing: faults.len(), faults })
    }

    /// Lists the rules of these names. Those that are at work already keep their state.
    pub(super) fn begin(&self, names: &[&str], is_at_work: impl Fn(&str) -> bool) {
        let mut report = self.lock();
        let known = std::mem::take(&mut report.rules);
        let row = |name: &&str| {
            let own = known.iter().find(|row| row.name == **name && is_at_work(name)).cloned();
            let fresh =
                || RuleReport { name: (*name).to_owned(), fault: None, hint: None, behind_since: None };
            own.unwrap_or_else(fresh)
        };
        report.rules = names.iter().map(row).collect();
    }

    /// The state of the rule `name`. Returns true if it is news.
    pub(super) fn set(&self, name: &str, fault: Option<&Fault>, behind_since: Option<u64>) -> bool {
        let mut report = self.lock();
        let Some(rule) = report.rules.iter_mut().find(|rule| rule.name == name) else { return false };
        let what = fault.map(|fault| fault.what.clone());
        let is_news = rule.fault != what;
        rule.fault = what;
        rule.hint = fault.and_then(|fault| fault.hint.clone());
        rule.behind_since = behind_since.map(Rfc3339);
        is_news
    }

    /// Puts a try on the list. Further tries of the same message share its row.
    pub(super) fn note(&self, rule: &str, message: &Message, outcome: &Result<String, Fault>) {
        let answer = match outcome {
            Ok(answer) => answer.clone(),
            Err(fault) => fault.what.clone(),
        };
        let mut report = self.lock();
        let known = report.deliveries.iter().position(|row| row.id == message.id && row.rule == rule);
        let tries = known.and_then(|at| report.deliveries.remove(at)).map_or(0, |row| row.tries);
        report.deliveries.push_front(DeliveryReport {
            time: Rfc3339(clock::wall_us()),
            rule: rule.to_owned(),
            text: message.text.clone(),
            arrived: outcome.is_ok(),
            answer,
            tries: tries.saturating_add(1),
            id: message.id.clone(),
        });
        report.deliveries.truncate(LISTED);
    }

    /// Sends a test by the rule `name` of this configuration. Returns what the other side answered.
    ///
    /// # Errors
    /// There is no such rule, another test is under way, or it did not arrive.
    pub async fn test(&self, name: &str, resolved: &Resolved) -> Result<String, Fault> {
        let _one = self.0.testing.try_acquire().map_err(|_| Fault::passing("another test is under way"))?;
        let rule = resolved.config.notify.iter().find(|rule| rule.name == name);
        let rule = rule.ok_or_else(|| {
            Fault::new(tallycam_base::FaultKind::Unknown, format!("there is no rule called {name:?}"))
        })?;
        let context = Context::of(resolved);
        let at_us = clock::wall_us();
        let message = Message {
            id: format!("test-{at_us}"),
            kind: "test",
            at_us,
            text: format!("{}: this is a test of {name}", context.camera),
            link: format!("{}notifications", context.page),
            crossing: None,
            picture: None,
        };
        let outcome = Courier::default().deliver(self.mqtt(), rule, &context, &message).await;
        self.note(name, &message, &outcome);
        outcome
    }
}
