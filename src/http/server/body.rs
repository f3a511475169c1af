//! Response bodies: nothing, bytes, pieces that a task makes one by one, or an endless stream of pictures.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;

use crate::http::server::link::Link;
use crate::http::server::viewers::ViewerBody;

/// A body that could not be completed. The connection is cut, so that no client takes the received part for the
/// whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response could not be completed")]
pub struct BrokenBody;

#[derive(Debug)]
pub struct Body {
    kind: BodyKind,
    /// Notified when the response is done and this body is dropped.
    link: Option<Rc<Link>>,
}

#[derive(Debug)]
enum BodyKind {
    Full(Bytes),
    Viewer(Box<ViewerBody>),
    Pieces(mpsc::Receiver<Result<Bytes, BrokenBody>>),
    /// Pieces, and the number of bytes still to come.
    Sized(mpsc::Receiver<Result<Bytes, BrokenBody>>, u64),
}

impl Body {
    /// These bytes, possibly none.
    pub fn full(bytes: impl Into<Bytes>) -> Body {
        Body { kind: BodyKind::Full(bytes.into()), link: None }
    }

    /// The bytes of a complete answer; empty for one that is made while it is sent.
    pub fn whole(&self) -> &Bytes {
        static NONE: Bytes = Bytes::new();
        if let BodyKind::Full(bytes) = &self.kind { bytes } else { &NONE }
    }

    /// True if the rest is made while the beginning is sent.
    pub fn is_made_while_sent(&self) -> bool {
        !matches!(self.kind, BodyKind::Full(_))
    }

    /// Pictures, until the viewer leaves.
    pub fn viewer(viewer: ViewerBody) -> Body {
        Body { kind: BodyKind::Viewer(Box::new(viewer)), link: None }
    }

    /// Pieces as they are made, until their sender is dropped. The channel's capacity is the bound: the sender waits
    /// while the client is slow.
    pub fn pieces(pieces: mpsc::Receiver<Result<Bytes, BrokenBody>>) -> Body {
        Body { kind: BodyKind::Pieces(pieces), link: None }
    }

    /// The same with a known total of bytes, announced as `Content-Length`. A body that ends earlier is cut.
    pub fn sized(len: u64, pieces: mpsc::Receiver<Result<Bytes, BrokenBody>>) -> Body {
        Body { kind: BodyKind::Sized(pieces, len), link: None }
    }

    /// The same body, which notifies `link` when it is over.
    pub fn tells(mut self, link: Rc<Link>) -> Body {
        self.link = Some(link);
        self
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        let body = &mut *self;
        match &mut body.kind {
            BodyKind::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            BodyKind::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            BodyKind::Viewer(viewer) => {
                viewer.poll(cx).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
            }
            BodyKind::Pieces(pieces) => {
                let next = std::task::ready!(pieces.poll_recv(cx));
                if let (Some(Ok(piece)), Some(link)) = (&next, &body.link) {
                    link.holds(piece.len());
                }
                Poll::Ready(next.map(|piece| piece.map(Frame::data)))
            }
            BodyKind::Sized(_, 0) => Poll::Ready(None),
            BodyKind::Sized(pieces, left) => {
                // The sender is gone, but bytes are missing: the body is broken, not complete.
                let mut piece = std::task::ready!(pieces.poll_recv(cx)).unwrap_or(Err(BrokenBody))?;
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
                if let Some(link) = &body.link {
                    link.holds(piece.len());
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            BodyKind::Full(bytes) => bytes.is_empty(),
            BodyKind::Sized(_, left) => *left == 0,
            BodyKind::Viewer(_) | BodyKind::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            BodyKind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            BodyKind::Sized(_, left) => SizeHint::with_exact(*left),
            BodyKind::Viewer(_) | BodyKind::Pieces(_) => SizeHint::default(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            link.answered();
        }
    }
}
