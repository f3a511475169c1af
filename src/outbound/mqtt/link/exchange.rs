//! Bytes to and from the socket of a connection.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::outbound::connect::OutboundSocket;

/// Bytes that have moved.
pub(super) enum MovedBytes {
    Sent(usize),
    Received(usize),
}

/// Waits until bytes have gone or come.
pub(super) async fn exchange(
    socket: &mut Box<dyn OutboundSocket>,
    outgoing: &[u8],
    buffer: &mut [u8],
) -> io::Result<MovedBytes> {
    poll_fn(|context| poll_exchange(socket, outgoing, buffer, context)).await
}

fn poll_exchange(
    socket: &mut Box<dyn OutboundSocket>,
    outgoing: &[u8],
    buffer: &mut [u8],
    context: &mut Context<'_>,
) -> Poll<io::Result<MovedBytes>> {
    if outgoing.is_empty() {
        // TLS keeps bytes that the socket did not take.
        if let Poll::Ready(Err(error)) = Pin::new(&mut *socket).poll_flush(context) {
            return Poll::Ready(Err(error));
        }
    } else if let Poll::Ready(sent) = Pin::new(&mut *socket).poll_write(context, outgoing) {
        return Poll::Ready(sent.map(MovedBytes::Sent));
    }
    let mut buffer = ReadBuf::new(buffer);
    match Pin::new(&mut *socket).poll_read(context, &mut buffer) {
        Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| MovedBytes::Received(buffer.filled().len()))),
        Poll::Pending => Poll::Pending,
    }
}
