//! MQTT 3.1.1 as bytes, by the library `mqtt-protocol-core`: no sockets, no clocks.

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait as _, Packet, Qos, SubEntry, SubOpts, v3_1_1};
use mqtt_protocol_core::mqtt::result_code::{ConnectReturnCode, MqttError, SubackReturnCode};
use mqtt_protocol_core::mqtt::{Connection, Version, role};

use super::message::MqttMessage;

/// Maximum bytes of a packet from the broker.
const LARGEST: usize = 16 << 10;

/// First byte of a CONNACK, the only packet that may come first.
const CONNACK: u8 = 0x20;

/// The greeting of a client.
#[derive(Debug)]
pub(super) struct WireClient<'a> {
    pub(super) id: &'a str,
    pub(super) username: Option<&'a str>,
    pub(super) password: Option<&'a str>,
    /// The broker publishes it once the client is gone.
    pub(super) will: &'a MqttMessage,
    pub(super) keep_alive_s: u16,
}

/// Why the broker refuses the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientRefusal {
    Version,
    Id,
    /// It takes nobody now.
    Away,
    /// User or password is wrong, or it does not say.
    User,
}

impl From<ConnectReturnCode> for ClientRefusal {
    fn from(code: ConnectReturnCode) -> ClientRefusal {
        match code {
            ConnectReturnCode::UnacceptableProtocolVersion => ClientRefusal::Version,
            ConnectReturnCode::IdentifierRejected => ClientRefusal::Id,
            ConnectReturnCode::ServerUnavailable => ClientRefusal::Away,
            _ => ClientRefusal::User,
        }
    }
}

/// A packet from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Accepted,
    Refused(ClientRefusal),
    /// The answer to the subscriptions: true for each that the broker takes.
    Subscribed(Vec<bool>),
    Acknowledged(u16),
    Message(MqttMessage),
    /// The answer to a ping.
    Alive,
}

/// The bytes are none of MQTT, or not to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WireFault {
    /// The other side speaks something else.
    NoBroker,
    /// The packet from the broker has this many bytes.
    TooLarge(usize),
    Protocol(MqttError),
}

impl From<MqttError> for WireFault {
    fn from(error: MqttError) -> WireFault {
        WireFault::Protocol(error)
    }
}

/// One connection.
pub(super) struct Wire {
    connection: Connection<role::Client>,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    is_accepted: bool,
}

impl Wire {
    /// A connection that begins with the packet of `client`.
    pub(super) fn connect(client: &WireClient<'_>) -> Result<Wire, WireFault> {
        let mut connection = Connection::new(Version::V3_1_1);
        connection.set_auto_pub_response(true);
        let mut packet = v3_1_1::Connect::builder()
            .client_id(client.id)?
            .clean_session(true)
            .keep_alive(client.keep_alive_s)
            .will_message(
                client.will.topic.as_str(),
                client.will.payload.clone(),
                Qos::AtLeastOnce,
                client.will.is_retained,
            )?;
        if let Some(username) = client.username {
            packet = packet.user_name(username)?;
        }
        if let Some(password) = client.password {
            packet = packet.password(password.as_bytes().to_vec())?;
        }
        let mut wire = Wire { connection, incoming: Vec::new(), outgoing: Vec::new(), is_accepted: false };
        wire.send(packet.build()?.into())?;
        Ok(wire)
    }

    /// Bytes that are to be sent. [`Wire::sent`] removes them.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.outgoing.drain(..bytes);
        if self.outgoing.is_empty() && self.outgoing.capacity() > LARGEST {
            self.outgoing = Vec::new();
        }
    }

    /// Publishes the message. Returns the number by which it will be acknowledged.
    pub(super) fn publish(&mut self, message: &MqttMessage) -> Result<u16, WireFault> {
        let id = self.connection.acquire_packet_id()?;
        let packet = v3_1_1::Publish::builder()
            .topic_name(message.topic.as_str())?
            .qos(Qos::AtLeastOnce)
            .retain(message.is_retained)
            .packet_id(id)
            .payload(message.payload.as_slice())
            .build()?;
        self.send(packet.into())?;
        Ok(id)
    }

    pub(super) fn subscribe(&mut self, topics: &[String]) -> Result<(), WireFault> {
        let id = self.connection.acquire_packet_id()?;
        let entry = |topic: &String| SubEntry::new(topic.as_str(), SubOpts::new().set_qos(Qos::AtLeastOnce));
        let entries = topics.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        self.send(v3_1_1::Subscribe::builder().packet_id(id).entries(entries).build()?.into())
    }

    pub(super) fn ping(&mut self) -> Result<(), WireFault> {
        self.send(v3_1_1::Pingreq::builder().build()?.into())
    }

    /// Says goodbye: the broker does not publish the will.
    pub(super) fn disconnect(&mut self) -> Result<(), WireFault> {
        self.send(v3_1_1::Disconnect::builder().build()?.into())
    }

    /// Takes bytes from the broker. Answers that the protocol demands are put into [`Wire::outgoing`].
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Heard>, WireFault> {
        self.incoming.extend_from_slice(bytes);
        let mut heard = Vec::new();
        while let Some(len) = packet_len(&self.incoming, self.is_accepted)? {
            let packet: Vec<u8> = self.incoming.drain(..len).collect();
            let events = self.connection.recv(&mut Cursor::new(packet.as_slice()));
            self.handle(events, &mut heard)?;
        }
        Ok(heard)
    }

    fn send(&mut self, packet: Packet) -> Result<(), WireFault> {
        let events = self.connection.send(packet);
        self.handle(events, &mut Vec::new())
    }

    fn handle(&mut self, events: Vec<Event>, heard: &mut Vec<Heard>) -> Result<(), WireFault> {
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => {
                    self.outgoing.extend_from_slice(&packet.to_continuous_buffer());
                }
                Event::NotifyPacketReceived(packet) => heard.extend(self.read(packet)),
                Event::NotifyError(error) => return Err(error.into()),
                // The task has its own clock, and closes after an error.
                Event::NotifyPacketIdReleased(_)
                | Event::RequestTimerReset { .. }
                | Event::RequestTimerCancel(_)
                | Event::RequestClose => {}
            }
        }
        Ok(())
    }

    fn read(&mut self, packet: Packet) -> Option<Heard> {
        Some(match packet {
            Packet::V3_1_1Connack(packet) if packet.return_code() == ConnectReturnCode::Accepted => {
                self.is_accepted = true;
                Heard::Accepted
            }
            Packet::V3_1_1Connack(packet) => Heard::Refused(packet.return_code().into()),
            Packet::V3_1_1Suback(packet) => {
                let codes = packet.return_codes();
                Heard::Subscribed(codes.iter().map(SubackReturnCode::is_success).collect())
            }
            Packet::V3_1_1Puback(packet) => Heard::Acknowledged(packet.packet_id()),
            Packet::V3_1_1Publish(packet) => Heard::Message(MqttMessage {
                topic: packet.topic_name().to_owned(),
                payload: packet.payload().as_slice().to_vec(),
                is_retained: packet.retain(),
            }),
            Packet::V3_1_1Pingresp(_) => Heard::Alive,
            _ => return None,
        })
    }
}

/// Bytes of the packet that `bytes` begin with, if all of it is there. The library would reserve memory for any length
/// that a header claims, up to 256 MiB.
fn packet_len(bytes: &[u8], is_accepted: bool) -> Result<Option<usize>, WireFault> {
    let Some(first) = bytes.first() else { return Ok(None) };
    if !is_accepted && *first != CONNACK {
        return Err(WireFault::NoBroker);
    }
    let mut len = 0;
    for (at, byte) in bytes.iter().enumerate().skip(1).take(4) {
        len |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            let whole = 1 + at + len;
            return match whole {
                _ if whole > LARGEST => Err(WireFault::TooLarge(whole)),
                _ => Ok((bytes.len() >= whole).then_some(whole)),
            };
        }
    }
    if bytes.len() > 4 { Err(WireFault::Protocol(MqttError::MalformedPacket)) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn connected() -> Wire {
        let will = MqttMessage::retained("tallycam/door/availability".into(), "offline");
        let client = WireClient {
            id: "door",
            username: Some("me"),
            password: Some("pw"),
            will: &will,
            keep_alive_s: 30,
        };
        let mut wire = Wire::connect(&client).unwrap();
        let sent = wire.outgoing().to_vec();
        // OASIS MQTT 3.1.1, 3.1: protocol level 4; user, password, retained will of QoS 1, clean session.
        assert_eq!(&sent[..12], b"\x10\x3d\x00\x04MQTT\x04\xee\x00\x1e");
        assert!(sent.ends_with(b"\x00\x02me\x00\x02pw"));
        wire.sent(sent.len());
        assert_eq!(wire.receive(b"\x20\x02\x00\x00").unwrap(), [Heard::Accepted]);
        wire
    }

    #[test]
    fn what_is_published_is_acknowledged_by_its_number() {
        let mut wire = connected();
        let id = wire.publish(&MqttMessage::retained("a/b".into(), "hi")).unwrap();
        assert_eq!(wire.outgoing(), [b"\x33\x09\x00\x03a/b".as_slice(), &id.to_be_bytes(), b"hi"].concat());
        let [high, low] = id.to_be_bytes();
        assert_eq!(wire.receive(&[0x40, 2, high]).unwrap(), [], "a part of it");
        assert_eq!(wire.receive(&[low]).unwrap(), [Heard::Acknowledged(id)]);
        assert!(wire.receive(&[0x40, 2, high, low]).is_err(), "twice");
    }

    #[test]
    fn a_message_is_answered_and_told() {
        let mut wire = connected();
        wire.subscribe(&[String::from("a/set")]).unwrap();
        let id = wire.outgoing()[2..4].to_vec();
        wire.sent(wire.outgoing().len());
        let suback = [&[0x90, 3], id.as_slice(), &[0x80]].concat();
        assert_eq!(wire.receive(&suback).unwrap(), [Heard::Subscribed(vec![false])]);
        let heard = wire.receive(b"\x33\x0b\x00\x05a/set\x00\x07ON").unwrap();
        assert_eq!(heard, [Heard::Message(MqttMessage::retained("a/set".into(), "ON"))]);
        assert_eq!(wire.outgoing(), b"\x40\x02\x00\x07");
    }

    #[test]
    fn other_protocols_and_large_packets_are_told_at_once() {
        let will = MqttMessage::retained("x".into(), "");
        let client = WireClient { id: "door", username: None, password: None, will: &will, keep_alive_s: 30 };
        let mut wire = Wire::connect(&client).unwrap();
        assert_eq!(wire.receive(b"HTTP/1.1 400 Bad Request\r\n"), Err(WireFault::NoBroker));
        let mut refused = Wire::connect(&client).unwrap();
        assert_eq!(refused.receive(b"\x20\x02\x00\x05").unwrap(), [Heard::Refused(ClientRefusal::User)]);
        // A header that claims 256 MiB.
        assert_eq!(connected().receive(b"\x30\xff\xff\xff\x7f"), Err(WireFault::TooLarge(268_435_460)));
        assert!(connected().receive(b"\x30\xff\xff\xff\xff\x7f").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..10)
        ) {
            let mut wire = connected();
            for piece in pieces {
                if wire.receive(&piece).is_err() {
                    break;
                }
            }
        }
    }
}
