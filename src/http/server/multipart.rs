//! The body of a stream: `multipart/x-mixed-replace`, a part per picture, without end.
//!
//! [`MultipartStream`] decides what comes next, and when. The daemon's server asks it for a viewer whose socket it
//! knows (see the module `viewers`). [`StreamBody`] asks it with a timer, for programs that embed tallycam in their own
//! server.
//!
//! A stream is sent close-delimited as HTTP/1.0, since naive readers and old embedded clients do
//! not know chunks; a response for one is made by [`head`]. A lane (see the module `lane`) writes between hyper's own
//! writes, which chunks would not allow either.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, EXPIRES, HeaderValue, PRAGMA};
use hyper::{Response, Version};
use tokio::time::Sleep;

use crate::media::{Hub, Picture, Subscriber};

/// The first bytes of every stream; what follows are [`Picture::part`]s.
pub const OPENING: Bytes = Bytes::from_static(b"--frame\r\n");

/// The value of the header `Content-Type`.
pub const CONTENT_TYPE_VALUE: &str = "multipart/x-mixed-replace; boundary=frame";

/// A picture is repeated when nothing new came for so long: it tells viewers, and what lies
/// between, that the stream lives.
pub const REPEAT: Duration = Duration::from_secs(1);

/// A picture that comes this little before it is due is sent: waiting for the timer would cost
/// more than it gains.
const EARLY: Duration = Duration::from_millis(2);

/// Pictures a second that a viewer may ask for.
pub const FPS: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

/// A response with the headers of a stream around `body`.
pub fn head<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.version_mut() = Version::HTTP_10;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, CONTENT_TYPE_VALUE),
        (CACHE_CONTROL, "no-store, no-cache, must-revalidate, max-age=0, no-transform"),
        (PRAGMA, "no-cache"),
        (EXPIRES, "0"),
        (CONNECTION, "close"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // nginx would else collect megabytes of pictures before it passes them on.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// When one viewer's next picture is due. Pure: the time is handed in.
///
/// With a limit the due times stand on a grid that does not drift: a late picture does not delay
/// those after it. A viewer that falls more than one place behind starts a new grid, so that it is
/// not sent a burst.
#[derive(Debug, Clone)]
pub struct Pacer {
    interval: Option<Duration>,
    due: Option<Instant>,
    repeat: Option<Instant>,
}

impl Pacer {
    /// At most `fps` pictures a second, where given and within [`FPS`].
    pub fn new(fps: Option<f64>) -> Pacer {
        let interval = fps.filter(|fps| FPS.contains(fps)).map(|fps| Duration::from_secs_f64(1.0 / fps));
        Pacer { interval, due: None, repeat: None }
    }

    /// Whether fewer pictures are wanted than there are.
    pub fn is_limited(&self) -> bool {
        self.interval.is_some()
    }

    /// `None` when a new picture may be sent at once, else from when on.
    pub fn wait(&self, now: Instant) -> Option<Instant> {
        self.due.filter(|due| *due > now + EARLY)
    }

    /// When the last picture is to be repeated if none has come; `None` before the first.
    pub fn repeat_at(&self) -> Option<Instant> {
        self.repeat
    }

    /// A picture was sent.
    pub fn sent(&mut self, now: Instant) {
        if let Some(interval) = self.interval {
            let next = self.due.map_or(now, |due| due) + interval;
            self.due = Some(if next + interval < now { now + interval } else { next });
        }
        self.repeat = Some(now + self.interval.map_or(REPEAT, |interval| interval.max(REPEAT)));
    }
}

/// What of a hub's pictures was found for a part.
#[derive(Debug)]
pub enum FoundPicture {
    Picture(Picture),
    /// None is there that was not sent yet; the last may be repeated.
    Nothing,
    /// None may be sent before this time, whatever is there.
    Later(Instant),
    /// No more will come.
    Closed,
}

/// What a stream goes on with.
#[derive(Debug)]
pub enum StreamStep {
    /// [`OPENING`], once.
    Opening,
    /// A picture with its part's header.
    Part(Bytes),
    /// Nothing before `until`, if that is given, or before a picture is published, if that `is_on_news`.
    Wait {
        is_on_news: bool,
        until: Option<Instant>,
    },
    End,
}

/// The parts of one stream: the newest picture when one is due, and the last again after [`REPEAT`] without a new one.
#[derive(Debug)]
pub struct MultipartStream {
    pub news: Subscriber,
    pub pacer: Pacer,
    /// The picture that was sent last.
    pub last: Option<Picture>,
    is_open: bool,
}

impl MultipartStream {
    /// Of the pictures of `hub`, at most `fps` a second.
    pub fn new(hub: &Hub, fps: Option<f64>) -> MultipartStream {
        MultipartStream { news: hub.subscribe(), pacer: Pacer::new(fps), last: None, is_open: false }
    }

    /// What comes next. When a part is due, `find` looks for its picture, and is told when the last one is repeated.
    /// Copies no picture.
    pub fn next(
        &mut self,
        now: Instant,
        find: impl FnOnce(&mut Subscriber, Option<Instant>) -> FoundPicture,
    ) -> StreamStep {
        if !std::mem::replace(&mut self.is_open, true) {
            return StreamStep::Opening;
        }
        if let Some(due) = self.pacer.wait(now) {
            return StreamStep::Wait { is_on_news: false, until: Some(due) };
        }
        let repeat = self.pacer.repeat_at();
        let picture = match find(&mut self.news, repeat) {
            FoundPicture::Picture(picture) => picture,
            FoundPicture::Nothing => match self.last.take_if(|_| repeat.is_some_and(|at| at <= now)) {
                Some(last) => last,
                None => return StreamStep::Wait { is_on_news: true, until: repeat },
            },
            FoundPicture::Later(at) => return StreamStep::Wait { is_on_news: true, until: Some(at) },
            FoundPicture::Closed => return StreamStep::End,
        };
        let part = picture.part();
        self.record_sent(picture, now);
        StreamStep::Part(part)
    }

    /// A picture was sent at `at`.
    pub fn record_sent(&mut self, picture: Picture, at: Instant) {
        self.pacer.sent(at);
        self.last = Some(picture);
    }
}

/// A stream of a [`Hub`]'s pictures as an HTTP body, for servers that are not ours.
///
/// First part at once (the newest picture, or the next to come), newest only, the same picture
/// again after [`REPEAT`] without a new one; it ends when the hub is closed. What the server and
/// the kernel buffer behind it is not seen from here: keep the server's buffer small, or a slow
/// viewer sees old pictures.
///
/// Needs a tokio runtime with time. Hold a [`crate::pipeline::Demand`] as long as it lives, or the
/// camera falls asleep.
#[derive(Debug)]
pub struct StreamBody {
    parts: MultipartStream,
    timer: Pin<Box<Sleep>>,
}

impl StreamBody {
    /// A stream of all pictures of `hub`.
    pub fn new(hub: &Hub) -> StreamBody {
        StreamBody { parts: MultipartStream::new(hub, None), timer: Box::pin(tokio::time::sleep(REPEAT)) }
    }

    /// At most `fps` pictures a second; values outside [`FPS`] are ignored.
    #[must_use]
    pub fn limited(mut self, fps: f64) -> StreamBody {
        self.parts.pacer = Pacer::new(Some(fps));
        self
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            let next = self.parts.next(Instant::now(), |news, _| match news.poll_next(cx) {
                Poll::Ready(Some(picture)) => FoundPicture::Picture(picture),
                Poll::Ready(None) => FoundPicture::Closed,
                Poll::Pending => FoundPicture::Nothing,
            });
            let part = match next {
                StreamStep::Opening => OPENING,
                StreamStep::Part(part) => part,
                StreamStep::End => return Poll::Ready(None),
                StreamStep::Wait { until: None, .. } => return Poll::Pending,
                StreamStep::Wait { until: Some(until), .. } => {
                    self.timer.as_mut().reset(until.into());
                    std::task::ready!(self.timer.as_mut().poll(cx));
                    continue;
                }
            };
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::base::ClockTime;
    use crate::media::PictureBuilder;
    use http_body_util::BodyExt;

    fn picture(sequence: u64) -> Picture {
        let mut builder = PictureBuilder::with_capacity(2);
        builder.push(&sequence.to_be_bytes());
        builder.finish(1, 1, ClockTime::now(), sequence, false)
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_limit_holds_on_average_and_does_not_drift() {
        let start = Instant::now();
        // A camera of 30 pictures a second, each with some jitter, and a viewer who wants 12.
        let mut pacer = Pacer::new(Some(12.0));
        let mut sent = 0;
        for n in 0..3000u64 {
            let now = start + Duration::from_micros(n * 33_333 + (n * 7919) % 4_000);
            if pacer.wait(now).is_none() {
                pacer.sent(now);
                sent += 1;
            }
        }
        assert!((1196..=1204).contains(&sent), "{sent} pictures in 100 s at 12 a second");
    }

    #[test]
    fn one_who_fell_behind_gets_no_burst() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Some(10.0));
        pacer.sent(start);
        let later = start + ms(5_000);
        assert_eq!(pacer.wait(later), None);
        pacer.sent(later);
        assert_eq!(pacer.wait(later + ms(1)), Some(later + ms(100)));
    }

    #[test]
    fn limits_outside_the_range_are_none() {
        for fps in [0.0, -1.0, 0.001, 1e9, f64::NAN] {
            let mut pacer = Pacer::new(Some(fps));
            let now = Instant::now();
            pacer.sent(now);
            assert_eq!(pacer.wait(now), None, "{fps}");
        }
        let mut slowest = Pacer::new(Some(0.01));
        let now = Instant::now();
        slowest.sent(now);
        assert_eq!(slowest.wait(now), Some(now + Duration::from_secs(100)));
        assert_eq!(slowest.repeat_at(), Some(now + Duration::from_secs(100)));
    }

    #[tokio::test]
    async fn a_body_opens_sends_repeats_and_ends() {
        let hub = Hub::new();
        hub.publish(picture(1));
        let mut body = StreamBody::new(&hub);
        let mut next = async || body.frame().await.map(|frame| frame.unwrap().into_data().unwrap());
        assert_eq!(next().await.unwrap(), OPENING);
        let first = next().await.unwrap();
        assert!(first.starts_with(b"Content-Type: image/jpeg\r\nContent-Length: 8\r\n"));
        assert!(first.ends_with(b"\r\n--frame\r\n"));
        // Nothing new comes: the same again.
        assert_eq!(next().await.unwrap(), first);
        hub.publish(picture(2));
        hub.publish(picture(3));
        assert_eq!(next().await.unwrap(), hub.newest().unwrap().part());
        hub.close();
        assert_eq!(next().await, None);
    }

    #[test]
    fn a_body_may_go_to_another_thread() {
        fn sent<T: Send>() {}
        sent::<StreamBody>();
    }
}
