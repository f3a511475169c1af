//! The body of a stream: `multipart/x-mixed-replace`, one part per picture, endless.
//!
//! [`MultipartStream`] decides on the next step and its time. This server drives it for viewers whose sockets it
//! knows (see the module `viewers`). For programs that embed tallycam in a server of their own, [`StreamBody`] drives
//! it with a timer.
//!
//! A stream is sent as HTTP/1.0 and ends with the connection, because naive readers and old embedded clients do not
//! know chunks; [`head`] makes its response. Chunks would also forbid a lane (see the module `lane`), which writes
//! between hyper's own writes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, EXPIRES, HeaderValue, PRAGMA};
use hyper::{Response, Version};
use tokio::time::Sleep;

use tallycam_camera::media::{Hub, Picture, Subscriber};

/// The first bytes of every stream; [`Picture::part`]s follow.
pub const OPENING: Bytes = Bytes::from_static(b"--frame\r\n");

/// The value of the header `Content-Type`.
pub const CONTENT_TYPE_VALUE: &str = "multipart/x-mixed-replace; boundary=frame";

/// A picture is repeated after this time without a new one, to show viewers and proxies that the stream lives.
pub const REPEAT: Duration = Duration::from_secs(1);

/// A picture this little ahead of time is sent at once: waiting for the timer would cost more than it gains.
const EARLY: Duration = Duration::from_millis(2);

/// Valid frame rates of a viewer, in pictures per second.
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
    // Otherwise nginx collects megabytes of pictures before it passes them on.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Decides when one viewer's next picture is due. Pure: callers pass the time.
///
/// With a limit, the due times form a grid that does not drift: a late picture does not delay the following ones. A
/// viewer that falls more than one interval behind starts a new grid, so that it gets no burst.
#[derive(Debug, Clone)]
pub struct Pacer {
    interval: Option<Duration>,
    due: Option<Instant>,
    repeat: Option<Instant>,
}

impl Pacer {
    /// At most `fps` pictures per second, if given and within [`FPS`].
    pub fn new(fps: Option<f64>) -> Pacer {
        let interval = fps.filter(|fps| FPS.contains(fps)).map(|fps| Duration::from_secs_f64(1.0 / fps));
        Pacer { interval, due: None, repeat: None }
    }

    /// True if the frame rate is limited.
    pub fn is_limited(&self) -> bool {
        self.interval.is_some()
    }

    /// `None` if a new picture may be sent at once, else the earliest time.
    pub fn wait(&self, now: Instant) -> Option<Instant> {
        self.due.filter(|due| *due > now + EARLY)
    }

    /// When to repeat the last picture if no new one comes; `None` before the first.
    pub fn repeat_at(&self) -> Option<Instant> {
        self.repeat
    }

    /// Notes that a picture was sent.
    pub fn sent(&mut self, now: Instant) {
        if let Some(interval) = self.interval {
            let next = self.due.map_or(now, |due| due) + interval;
            self.due = Some(if next + interval < now { now + interval } else { next });
        }
        self.repeat = Some(now + self.interval.map_or(REPEAT, |interval| interval.max(REPEAT)));
    }
}

/// The result of looking for a picture to send.
#[derive(Debug)]
pub enum FoundPicture {
    Picture(Picture),
    /// There is no unsent picture; the last may be repeated.
    Nothing,
    /// No picture may be sent before this time.
    Later(Instant),
    /// The hub is closed.
    Closed,
}

/// The next step of a stream.
#[derive(Debug)]
pub enum StreamStep {
    /// [`OPENING`], once.
    Opening,
    /// A picture with its part header.
    Part(Bytes),
    /// Wait until `until`, if given, or until a picture is published, if `is_on_news`; whichever is first.
    Wait {
        is_on_news: bool,
        until: Option<Instant>,
    },
    End,
}

/// The parts of one stream: the newest picture when one is due, and the last again after [`REPEAT`] without a new
/// one.
#[derive(Debug)]
pub struct MultipartStream {
    pub news: Subscriber,
    pub pacer: Pacer,
    /// The last sent picture.
    pub last: Option<Picture>,
    is_open: bool,
}

impl MultipartStream {
    /// The pictures of `hub`, at most `fps` per second.
    pub fn new(hub: &Hub, fps: Option<f64>) -> MultipartStream {
        MultipartStream { news: hub.subscribe(), pacer: Pacer::new(fps), last: None, is_open: false }
    }

    /// The next step. When a part is due, `find` looks for its picture; it also gets the time of the next repeat.
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

    /// Notes that a picture was sent at `at`.
    pub fn record_sent(&mut self, picture: Picture, at: Instant) {
        self.pacer.sent(at);
        self.last = Some(picture);
    }
}

/// A stream of a [`Hub`]'s pictures as an HTTP body, for embedding servers.
///
/// The first part comes at once (the newest picture, or the next to come). Slow readers skip to the newest picture.
/// The same picture comes again after [`REPEAT`] without a new one. The stream ends when the hub closes. Buffers of
/// the server and the kernel behind it are invisible here: keep the server's buffer small, or a slow viewer sees old
/// pictures.
///
/// Needs a tokio runtime with time. Hold a [`crate::pipeline::Demand`] while it lives, or the camera closes.
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

    /// Limits the stream to `fps` pictures per second; values outside [`FPS`] are ignored.
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
    use http_body_util::BodyExt;
    use tallycam_base::ClockTime;
    use tallycam_camera::media::PictureBuilder;

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
        // A camera with 30 pictures per second and some jitter, and a viewer with a limit of 12.
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
    fn a_viewer_that_fell_behind_gets_no_burst() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Some(10.0));
        pacer.sent(start);
        let later = start + ms(5_000);
        assert_eq!(pacer.wait(later), None);
        pacer.sent(later);
        assert_eq!(pacer.wait(later + ms(1)), Some(later + ms(100)));
    }

    #[test]
    fn limits_outside_the_range_are_ignored() {
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
        // No new picture comes: the last one is repeated.
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
