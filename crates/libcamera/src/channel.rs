//! One end of the socket: one message a packet, with at most one descriptor.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Maximum size of a message in bytes.
pub const MAX_MESSAGE: usize = 128 << 10;

/// One end of the socket, with its receive buffer.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
    room: Vec<u8>,
}

/// Why no message was received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The other side has closed its end.
    #[error("the other side has ended")]
    Closed,
    /// The message does not belong to this protocol.
    #[error("a message of {len} bytes is none of this protocol: {why}")]
    Garbage {
        /// Length in bytes.
        len: usize,
        /// The parser's message.
        why: String,
    },
    /// The socket failed.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Channel {
    /// A pair of connected ends, both closed on exec. The second one is for the helper.
    ///
    /// # Errors
    /// There is no free descriptor.
    pub fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Channel::new(ours), theirs))
    }

    /// Wraps an end of the socket.
    pub fn new(socket: OwnedFd) -> Channel {
        Channel { socket, room: Vec::new() }
    }

    /// Sends `message`, with `descriptor` if there is one. With `must_not_wait`, the error is `WouldBlock` if the
    /// other side has left too much unread.
    ///
    /// # Errors
    /// The other side has ended, or there is no room.
    pub fn send(
        &self,
        message: &impl Serialize,
        descriptor: Option<BorrowedFd<'_>>,
        must_not_wait: bool,
    ) -> io::Result<()> {
        let line = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut with = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
        if !descriptors.is_empty() {
            with.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let flags =
            SendFlags::NOSIGNAL | if must_not_wait { SendFlags::DONTWAIT } else { SendFlags::empty() };
        loop {
            match rustix::net::sendmsg(&self.socket, &[io::IoSlice::new(&line)], &mut with, flags) {
                Err(rustix::io::Errno::INTR) => {}
                sent => return sent.map(drop).map_err(Into::into),
            }
        }
    }

    /// The next message with its descriptor; `None` if there is none now. Does not wait.
    ///
    /// # Errors
    /// [`ReceiveError`]: the other side is unusable.
    pub fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<(T, Option<OwnedFd>)>, ReceiveError> {
        self.room.resize(MAX_MESSAGE, 0);
        // Room for several descriptors, so that surplus ones are received and closed.
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut with = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let received = loop {
            let room = &mut [io::IoSliceMut::new(&mut self.room)];
            match rustix::net::recvmsg(&self.socket, room, &mut with, flags) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(rustix::io::Errno::CONNRESET) => return Err(ReceiveError::Closed),
                received => break received.map_err(io::Error::from)?,
            }
        };
        let mut descriptors = with.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptor = descriptors.next().and_then(|mut descriptors| descriptors.next());
        drop(descriptors);
        let len = received.bytes;
        if len == 0 {
            return Err(ReceiveError::Closed);
        }
        let garbage = |why: String| ReceiveError::Garbage { len, why };
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(garbage(format!("it is longer than {MAX_MESSAGE} bytes")));
        }
        let message =
            serde_json::from_slice(&self.room[..len]).map_err(|error| garbage(error.to_string()))?;
        Ok(Some((message, descriptor)))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Buffer, FromHelper, ToHelper};

    fn pair() -> (Channel, Channel) {
        let (ours, theirs) = Channel::pair().unwrap();
        (ours, Channel::new(theirs))
    }

    #[test]
    fn a_descriptor_comes_with_its_message_and_the_end_is_reported() {
        let (mut daemon, helper) = pair();
        assert!(daemon.receive::<FromHelper>().unwrap().is_none());
        let memory = rustix::fs::memfd_create("frame", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::io::write(&memory, b"pixels").unwrap();
        let said = FromHelper::Buffer(Buffer { stream: 0, buffer: 1, bytes: 6 });
        helper.send(&said, Some(memory.as_fd()), false).unwrap();
        let (message, descriptor) = daemon.receive::<FromHelper>().unwrap().unwrap();
        assert_eq!(message, said);
        let mut pixels = [0; 6];
        rustix::io::pread(descriptor.unwrap(), &mut pixels, 0).unwrap();
        assert_eq!(&pixels, b"pixels");
        drop(helper);
        assert!(matches!(daemon.receive::<FromHelper>(), Err(ReceiveError::Closed)));
        assert!(daemon.send(&ToHelper::Return { buffer: 1 }, None, true).is_err());
    }

    #[test]
    fn half_a_message_and_one_too_long_are_garbage() {
        let (mut daemon, helper) = pair();
        rustix::io::write(&helper.socket, b"{\"frame\":{\"buffer\":").unwrap();
        assert!(matches!(daemon.receive::<FromHelper>(), Err(ReceiveError::Garbage { len: 19, .. })));
        rustix::io::write(&helper.socket, &vec![b' '; MAX_MESSAGE + 1]).unwrap();
        assert!(matches!(daemon.receive::<FromHelper>(), Err(ReceiveError::Garbage { .. })));
    }

    #[test]
    fn a_peer_that_does_not_read_blocks_nobody() {
        let (daemon, _helper) = pair();
        let full =
            (0..1_000_000).find_map(|n| daemon.send(&ToHelper::Return { buffer: n }, None, true).err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }
}
