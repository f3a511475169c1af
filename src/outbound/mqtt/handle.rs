//! How MQTT does, for the page, the API and `tallycam check`; and messages of rules, on their way to the broker.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::{Notify, oneshot};

use super::message::MqttMessage;
use tallycam_base::json::Rfc3339;
use tallycam_base::{Fault, FaultKind};

/// Messages of rules that may wait or be on their way to the broker.
const RULE_MESSAGES: usize = 16;

tallycam_base::words! {
    MqttState { Connected "connected", Waiting "waiting", Stopped "stopped" }
}

/// The state of the connection to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttState {
    /// The broker takes messages.
    Connected,
    /// Not connected, and the next try follows.
    Waiting,
    /// Not connected, and not tried again until the configuration changes or the service restarts.
    Stopped,
}

/// MQTT in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct MqttReport {
    pub state: MqttState,
    /// The camera's name in topics: `PREFIX/ID`.
    pub topic: String,
    /// How it does, in a sentence; for operators only.
    pub words: Option<String>,
    /// The remedy; for operators only.
    pub hint: Option<String>,
    /// Number of crossings that are not sent yet, with those that were taken back.
    pub behind: u64,
    /// Time of the oldest one; `null` if all are sent.
    pub behind_since: Option<Rfc3339>,
    /// The connection does not work, or something is left out.
    #[serde(skip)]
    pub is_faulty: bool,
}

/// Shares the report, and takes messages of rules. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MqttHandle(Arc<HandleInner>);

#[derive(Debug, Default)]
struct HandleInner {
    /// `None` if MQTT is off.
    report: Mutex<Option<MqttReport>>,
    waiting: Mutex<VecDeque<RuleMessage>>,
    /// Each message of a rule holds a clone until it has arrived or is dropped.
    places: Arc<()>,
    /// The wish that the broker forgets this camera; hears of the end, or is dropped.
    forgetting: Mutex<Option<oneshot::Sender<()>>>,
    queued: Notify,
}

/// A message of a rule.
#[derive(Debug)]
pub(super) struct RuleMessage {
    pub(super) message: MqttMessage,
    pub(super) arrived: RuleArrival,
}

/// Tells the rule of the acknowledgement, or is dropped.
#[derive(Debug)]
pub(super) struct RuleArrival {
    sender: oneshot::Sender<()>,
    _place: Arc<()>,
}

impl RuleArrival {
    pub(super) fn tell(self) {
        // The rule may have ended.
        let _ = self.sender.send(());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MqttHandle {
    /// The present report; `None` if MQTT is off.
    pub fn report(&self) -> Option<MqttReport> {
        lock(&self.0.report).clone()
    }

    /// Publishes a message that is no topic of the camera's own. Returns once the broker has acknowledged it. The
    /// connection's own limits end the wait: an earlier second try would only add a copy behind a slow broker.
    ///
    /// # Errors
    /// There is no connection, or no acknowledgement, or too many messages wait.
    pub async fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<String, Fault> {
        self.connected()?;
        let (sender, acknowledged) = oneshot::channel();
        {
            let mut waiting = lock(&self.0.waiting);
            waiting.retain(|rule| !rule.arrived.sender.is_closed());
            if Arc::strong_count(&self.0.places) > RULE_MESSAGES {
                return Err(Fault::new(FaultKind::Busy, "too many messages wait for the broker"));
            }
            let message = MqttMessage::passing(topic.to_owned(), payload);
            let arrived = RuleArrival { sender, _place: self.0.places.clone() };
            waiting.push_back(RuleMessage { message, arrived });
        }
        self.acknowledged(acknowledged).await?;
        Ok(String::from("the broker has acknowledged it"))
    }

    /// Removes the device from Home Assistant and empties the retained topics of this camera. MQTT stops then, until
    /// the configuration changes or the service restarts.
    ///
    /// # Errors
    /// There is no connection, or no acknowledgement.
    pub async fn forget(&self) -> Result<(), Fault> {
        self.connected()?;
        let (forgotten, acknowledged) = oneshot::channel();
        *lock(&self.0.forgetting) = Some(forgotten);
        self.acknowledged(acknowledged).await
    }

    fn connected(&self) -> Result<(), Fault> {
        let off = || Fault::wrong("MQTT is off").hint("set `mqtt.url`");
        let report = self.report().ok_or_else(off)?;
        if report.state == MqttState::Connected {
            return Ok(());
        }
        let words = report.words.unwrap_or_default();
        Err(Fault::new(FaultKind::Unreachable, format!("MQTT is not connected: {words}")))
    }

    /// Wakes the task, and waits for the acknowledgement.
    async fn acknowledged(&self, acknowledged: oneshot::Receiver<()>) -> Result<(), Fault> {
        self.0.queued.notify_one();
        acknowledged.await.map_err(|_| {
            let what = "the broker was lost before it acknowledged the message, or takes none of this size";
            Fault::new(FaultKind::Unreachable, what)
        })
    }

    /// Sets the report, `None` if MQTT is off. Returns true if state or remedy are others.
    pub(super) fn set(&self, report: Option<MqttReport>) -> bool {
        let mut now = lock(&self.0.report);
        let told = |report: &Option<MqttReport>| {
            report.as_ref().map(|report| (report.state, report.is_faulty.then(|| report.hint.clone())))
        };
        let is_news = told(&now) != told(&report);
        if report.as_ref().is_none_or(|report| report.state != MqttState::Connected) {
            lock(&self.0.waiting).clear();
            *lock(&self.0.forgetting) = None;
        }
        *now = report;
        is_news
    }

    /// The next message of a rule, unless the rule has ended.
    pub(super) fn take(&self) -> Option<RuleMessage> {
        let mut waiting = lock(&self.0.waiting);
        waiting.retain(|rule| !rule.arrived.sender.is_closed());
        waiting.pop_front()
    }

    /// The wish that the broker forgets this camera, unless nobody waits for it any more.
    pub(super) fn take_forgetting(&self) -> Option<oneshot::Sender<()>> {
        lock(&self.0.forgetting).take().filter(|wish| !wish.is_closed())
    }

    /// Waits for a message of a rule, or for that wish.
    pub(super) async fn queued(&self) {
        self.0.queued.notified().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use tokio::task::{LocalSet, spawn_local, yield_now};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn only_some_messages_wait_and_those_that_are_given_up_make_room() {
        let handle = MqttHandle::default();
        handle.set(Some(MqttReport {
            state: MqttState::Connected,
            topic: String::from("tallycam/door"),
            words: None,
            hint: None,
            behind: 0,
            behind_since: None,
            is_faulty: false,
        }));
        let publish = || {
            let handle = handle.clone();
            spawn_local(async move { handle.publish("t", Vec::new()).await })
        };
        LocalSet::new()
            .run_until(async {
                let mut waiting: Vec<_> = (0..RULE_MESSAGES).map(|_| publish()).collect();
                yield_now().await;
                // On its way to the broker it still counts.
                let under_way = handle.take().unwrap();
                let refused = timeout(Duration::from_secs(60), publish()).await.unwrap().unwrap();
                assert_eq!(refused.unwrap_err().kind, FaultKind::Busy);
                let given_up = waiting.pop().unwrap();
                given_up.abort();
                assert!(given_up.await.is_err());
                let last = publish();
                yield_now().await;
                under_way.arrived.tell();
                while let Some(rule) = handle.take() {
                    rule.arrived.tell();
                }
                assert!(last.await.unwrap().is_ok());
                for one in waiting {
                    assert!(one.await.unwrap().is_ok());
                }
            })
            .await;
    }
}
