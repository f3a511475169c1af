//! A connection handles the packets of the broker.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{BrokerLink, LinkEnd};
use crate::outbound::follow::varied;
use crate::outbound::mqtt::command;
use crate::outbound::mqtt::message::MqttMessage;
use crate::outbound::mqtt::wire::Heard;
use tallycam_base::clock;

/// Commands in a second, and commands that may wait.
const COMMANDS: usize = 10;

/// Bytes in a second. A broker sends acknowledgements and a few commands; a flood would take the CPU from the stream.
const BYTES: usize = 64 << 10;

/// Shortest time between two complaints about commands in the log.
const COMPLAINTS_PAUSE: Duration = Duration::from_secs(10);

/// Longest random delay after Home Assistant's start.
const AGAIN_AFTER: Duration = Duration::from_secs(4);

/// The wish for a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct ReplayWish {
    since: u64,
    until: u64,
}

/// What came in the present second of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct HeardInSecond {
    second: u64,
    bytes: usize,
    commands: usize,
}

impl BrokerLink<'_> {
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<(), LinkEnd> {
        self.heard = Instant::now();
        self.this_second().bytes += bytes.len();
        if self.this_second.bytes > BYTES {
            return Err(LinkEnd::Lost(self.task.settings.unreachable("sends more than 64 KiB in a second")));
        }
        let heard = self.wire.receive(bytes).map_err(|fault| self.broken(&fault))?;
        for heard in heard {
            match heard {
                Heard::Accepted => self.accepted()?,
                Heard::Refused(code) => return Err(LinkEnd::Lost(self.task.refused(code))),
                Heard::Subscribed(taken) if taken.first() == Some(&false) => {
                    return Err(LinkEnd::Lost(self.task.not_allowed()));
                }
                Heard::Subscribed(taken) if taken.contains(&false) => {
                    log::warn!("MQTT: the broker does not let this camera read all topics of commands");
                }
                Heard::Acknowledged(id) => self.acknowledged(id),
                Heard::Message(message) => self.message(message)?,
                Heard::Subscribed(_) | Heard::Alive => {}
            }
        }
        Ok(())
    }

    fn accepted(&mut self) -> Result<(), LinkEnd> {
        self.is_accepted = true;
        let (topics, settings) = (&self.task.topics, &self.task.settings);
        let mut subscriptions = vec![topics.own("availability"), topics.own("replay/set")];
        subscriptions.extend(command::subscriptions(topics, settings.has_control));
        self.wire.subscribe(&subscriptions).map_err(|fault| self.broken(&fault))?;
        self.say_online()
    }

    fn say_online(&mut self) -> Result<(), LinkEnd> {
        let online = MqttMessage::retained(self.task.topics.own("availability"), "online");
        self.wire.publish(&online).map(drop).map_err(|fault| self.broken(&fault))
    }

    fn message(&mut self, message: MqttMessage) -> Result<(), LinkEnd> {
        let MqttMessage { topic, payload, is_retained } = message;
        if is_retained {
            return Ok(());
        }
        if topic == self.task.topics.own("availability") {
            match payload.as_slice() {
                b"online" if !self.is_confirmed => {
                    self.is_confirmed = true;
                    self.task.confirmed();
                    self.remove_picture();
                }
                // The will of an earlier connection comes late.
                b"offline" if self.is_confirmed && !self.is_forgetting => return self.say_online(),
                _ => {}
            }
            return Ok(());
        }
        if !self.is_confirmed || self.is_forgetting {
            return Ok(());
        }
        if command::is_home_assistant_up(&self.task.topics, &topic, &payload) {
            self.due.again = Some(Instant::now() + varied(AGAIN_AFTER));
        } else if !self.may_command() {
            log::debug!("MQTT: {topic} is ignored, there is too much");
        } else if topic == self.task.topics.own("replay/set") {
            match serde_json::from_slice::<ReplayWish>(&payload) {
                Ok(ReplayWish { since, until }) => drop(self.session.begin_replay(since, until)),
                Err(error) => self.complain(&topic, &format!("it needs since and until: {error}")),
            }
        } else if self.task.settings.has_control {
            self.commands.push_back((topic, payload));
        }
        Ok(())
    }

    /// Empties the topic of the picture if none is wanted any more.
    fn remove_picture(&mut self) {
        let was_there = self.task.kept.borrow().content().has_picture;
        if was_there && !self.task.settings.has_pictures {
            self.task.keep(|kept| kept.has_picture = false);
            self.push(MqttMessage::emptied(self.task.topics.own("picture")));
        }
    }

    /// Counts a command or a wish for a replay. Returns false for one too many.
    fn may_command(&mut self) -> bool {
        self.this_second().commands += 1;
        self.this_second.commands <= COMMANDS && self.commands.len() < COMMANDS
    }

    fn this_second(&mut self) -> &mut HeardInSecond {
        let second = clock::monotonic_us() / 1_000_000;
        if self.this_second.second != second {
            self.this_second = HeardInSecond { second, ..HeardInSecond::default() };
        }
        &mut self.this_second
    }

    /// Logs why a command was not carried out; seldom, because others send it.
    pub(super) fn complain(&mut self, topic: &str, why: &str) {
        let now = Instant::now();
        if now >= self.due.complaint {
            self.due.complaint = now + COMPLAINTS_PAUSE;
            log::warn!("MQTT: {topic}: {why}");
        }
    }

    fn acknowledged(&mut self, id: u16) {
        self.flying.remove(&id);
        let Some(mark) = self.session.acknowledged(id) else { return };
        let Some((left, _)) = self.groups.get_mut(&mark) else { return };
        *left -= 1;
        if *left == 0
            && let Some((_, then)) = self.groups.remove(&mark)
        {
            self.group_done(then);
        }
    }
}
