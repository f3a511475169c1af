//! What a response carries: nothing, some bytes, or a stream without end.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::connection::Link;
use super::viewers::ViewerBody;

/// The body of every response of the server.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    /// Told when the response is done: the body is dropped by then.
    link: Option<Rc<Link>>,
}

#[derive(Debug)]
enum Kind {
    Full(Bytes),
    Viewer(Box<ViewerBody>),
}

impl Body {
    /// These bytes; none at all is fine.
    pub fn full(bytes: impl Into<Bytes>) -> Body {
        Body { kind: Kind::Full(bytes.into()), link: None }
    }

    /// Pictures, until the viewer leaves.
    pub fn viewer(viewer: ViewerBody) -> Body {
        Body { kind: Kind::Viewer(Box::new(viewer)), link: None }
    }

    /// The same body, which tells `link` when it is over.
    pub fn tells(mut self, link: Rc<Link>) -> Body {
        self.link = Some(link);
        self
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.kind {
            Kind::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Viewer(viewer) => viewer.poll(cx).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.kind, Kind::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Viewer(_) => SizeHint::default(),
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
