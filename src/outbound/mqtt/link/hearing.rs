//! A connection handles the packets of the broker.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::second::COMMANDS;
use super::{BrokerLink, LinkEnd};
use crate::outbound::follow::varied;
use crate::outbound::mqtt::command;
use crate::outbound::mqtt::message::MqttMessage;
use crate::outbound::mqtt::wire::Heard;
use tallycam_base::clock;

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

impl BrokerLink<'_> {
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<(), LinkEnd> {
        self.heard = Instant::now();
        if !self.this_second.takes(clock::monotonic_us(), bytes.len()) {
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
        } else if self.commands.len() >= COMMANDS || !self.this_second.takes_command(clock::monotonic_us()) {
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
