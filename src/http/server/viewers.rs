//! The viewers, and when each of them looks for a picture.
//!
//! Waking a task from the capture thread takes a lock and often a system call, so it wakes only one task, the
//! [`relay`]. The relay shares a thread with the viewers and wakes them at almost no cost. This whole module lives on
//! the server's one thread.
//!
//! **Freshness.** Before a viewer takes the newest picture, it asks the kernel whether the previous one has left.
//! While bytes of it are unsent, the viewer takes none and looks again at the next publication, or after
//! [`LOOK_AGAIN`]. A stalled viewer that resumes therefore sees the contents of its own receive buffer and one more
//! picture.
//!
//! **Alone.** A lone viewer that keeps up is not woken at all: the publishing thread sends its pictures through its
//! [`Lane`].

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::http::server::lane::{Lane, SendRate};
use crate::http::server::link::Link;
use crate::http::server::multipart::{FoundPicture, MultipartStream, OPENING, StreamStep};
use crate::pipeline::{Demand, Viewed};
use tallycam_base::clock;
use tallycam_camera::media::Hub;

/// A viewer whose last picture has not left looks again after this time.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The number of viewers of all streams and views.
#[derive(Debug, Default)]
pub struct ViewerPlaces {
    taken: Cell<usize>,
    /// Skipped pictures of viewers whose view has ended.
    skipped_before: Cell<u64>,
}

impl ViewerPlaces {
    /// Skipped pictures of viewers whose view has ended.
    pub fn skipped_before(&self) -> u64 {
        self.skipped_before.get()
    }

    /// The number of viewers.
    pub fn taken(&self) -> usize {
        self.taken.get()
    }
}

/// All viewers of one hub, and the state for waking them.
#[derive(Debug)]
pub struct Viewers {
    hub: Hub,
    places: Rc<ViewerPlaces>,
    present: RefCell<Vec<Rc<Viewer>>>,
    /// Skipped pictures of viewers that have left, so that the total never falls.
    skipped_before: Cell<u64>,
    /// Publications that the relay has seen.
    published: Cell<u64>,
    ended: Cell<bool>,
    arrival: Notify,
    /// The view of these viewers, if they have one. It is made while there are viewers, and they end with its last
    /// one.
    viewed: Option<Viewed>,
    /// The hub has the lane of the only viewer.
    is_direct: Cell<bool>,
    /// The relay's own waker, and the time that its timer is set to.
    relay: RefCell<Option<Waker>>,
    armed: Cell<Option<Instant>>,
}

#[derive(Debug)]
pub struct Viewer {
    /// The address of the client.
    pub peer: Rc<str>,
    /// Start of the stream, wall time in microseconds.
    pub since_us: u64,
    /// Pictures that it skipped: it was slow, or asked for fewer.
    pub skipped: Cell<u64>,
    sent: Arc<SendRate>,
    /// Made when the viewer is first alone.
    lane: OnceCell<Option<Arc<Lane>>>,
    waker: RefCell<Option<Waker>>,
    wakes_on_news: Cell<bool>,
    wakes_at: Cell<Option<Instant>>,
    /// The stream is to end.
    is_dismissed: Cell<bool>,
}

impl Viewer {
    /// Sent pictures per second over the last seconds.
    pub fn fps(&self) -> f64 {
        self.sent.per_second()
    }

    /// The lane, if made.
    fn lane(&self) -> Option<&Arc<Lane>> {
        self.lane.get()?.as_ref()
    }

    /// Ends the stream at once.
    fn dismiss(&self) {
        self.is_dismissed.set(true);
        if let Some(lane) = self.lane() {
            lane.close();
        }
        self.wake();
    }

    fn wake(&self) {
        self.wakes_on_news.set(false);
        self.wakes_at.set(None);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Viewers {
    /// An empty list, whose viewers count in `places`.
    pub fn new(hub: Hub, places: Rc<ViewerPlaces>) -> Rc<Viewers> {
        Rc::new(Viewers {
            hub,
            places,
            present: RefCell::default(),
            skipped_before: Cell::new(0),
            published: Cell::new(0),
            ended: Cell::new(false),
            arrival: Notify::new(),
            viewed: None,
            is_direct: Cell::new(false),
            relay: RefCell::default(),
            armed: Cell::new(None),
        })
    }

    /// An empty list for viewers of a view.
    pub fn of_view(viewed: Viewed, places: Rc<ViewerPlaces>) -> Rc<Viewers> {
        let mut viewers = Viewers::new(viewed.hub().clone(), places);
        // Nobody else has a reference yet.
        if let Some(viewers) = Rc::get_mut(&mut viewers) {
            viewers.viewed = Some(viewed);
        }
        viewers
    }

    /// Admits a viewer on the connection `link`, with at most `fps` pictures per second.
    pub fn admit(self: &Rc<Viewers>, link: &Rc<Link>, fps: Option<f64>, demand: Demand) -> ViewerBody {
        self.places.taken.set(self.places.taken.get() + 1);
        let viewer = Rc::new(Viewer {
            peer: link.peer().clone(),
            since_us: clock::wall_us(),
            skipped: Cell::new(0),
            sent: SendRate::new(),
            lane: OnceCell::new(),
            waker: RefCell::default(),
            wakes_on_news: Cell::new(false),
            wakes_at: Cell::new(None),
            is_dismissed: Cell::new(false),
        });
        self.present.borrow_mut().push(viewer.clone());
        self.go_by_relay();
        self.arrival.notify_one();
        link.watches();
        ViewerBody {
            viewers: self.clone(),
            viewer,
            link: link.clone(),
            parts: MultipartStream::new(&self.hub, fps),
            seen: None,
            _demand: demand,
        }
    }

    pub fn count(&self) -> usize {
        self.present.borrow().len()
    }

    /// Calls `each` for every viewer.
    pub fn each(&self, each: impl FnMut(&Rc<Viewer>)) {
        self.present.borrow().iter().for_each(each);
    }

    /// Pictures that viewers skipped since the start.
    pub fn skipped(&self) -> u64 {
        self.present.borrow().iter().map(|v| v.skipped.get()).sum::<u64>() + self.skipped_before.get()
    }

    /// Ends every stream, including later ones.
    pub fn end(&self) {
        self.ended.set(true);
        self.dismiss();
        self.arrival.notify_one();
    }

    /// Ends the current streams; new ones are possible.
    pub fn dismiss(&self) {
        self.each(|viewer| viewer.dismiss());
    }

    /// Sends pictures directly to a lone viewer's lane, while it is open.
    fn go_direct(&self, lane: &Arc<Lane>) {
        if !self.is_direct.replace(true) {
            self.hub.set_direct(Some(lane.clone()));
        }
    }

    /// Makes every picture wake the relay again.
    fn go_by_relay(&self) {
        if self.is_direct.replace(false) {
            self.hub.set_direct(None);
        }
    }

    fn leave(&self, viewer: &Rc<Viewer>) {
        self.go_by_relay();
        if let Some(lane) = viewer.lane() {
            lane.close();
        }
        self.places.taken.set(self.places.taken.get() - 1);
        self.skipped_before.set(self.skipped_before.get() + viewer.skipped.get());
        let mut present = self.present.borrow_mut();
        if let Some(place) = present.iter().position(|v| Rc::ptr_eq(v, viewer)) {
            present.swap_remove(place);
        }
        if present.is_empty() {
            self.wake_relay();
        }
    }

    /// Makes the relay look at the viewers' times again if `at` is before its timer.
    fn alarm_at(&self, at: Instant) {
        if self.armed.get().is_none_or(|armed| at < armed) {
            self.wake_relay();
        }
    }

    fn wake_relay(&self) {
        if let Some(waker) = self.relay.borrow_mut().take() {
            waker.wake();
        }
    }

    fn publication(&self) {
        self.published.set(self.published.get() + 1);
        self.each(|viewer| {
            if viewer.wakes_on_news.get() {
                viewer.wake();
            }
        });
    }

    /// Wakes the viewers that are due; returns the next due time.
    fn wake_due(&self, now: Instant) -> Option<Instant> {
        let mut next = None;
        self.each(|viewer| match viewer.wakes_at.get() {
            Some(at) if at <= now => viewer.wake(),
            Some(at) => next = Some(next.map_or(at, |next: Instant| next.min(at))),
            None => {}
        });
        next
    }
}

/// Wakes the viewers until the server ends, or the view loses its last viewer. Idle while there are none.
pub async fn relay(viewers: Rc<Viewers>) {
    while !viewers.ended.get() {
        if viewers.count() == 0 {
            if viewers.viewed.is_some() {
                viewers.places.skipped_before.set(viewers.places.skipped_before.get() + viewers.skipped());
                return;
            }
            viewers.arrival.notified().await;
            continue;
        }
        let mut news = viewers.hub.subscribe();
        news.suppress_wakes();
        viewers.armed.set(None);
        let timer = tokio::time::sleep(LOOK_AGAIN);
        tokio::pin!(timer);
        std::future::poll_fn(|cx| {
            viewers.relay.replace(Some(cx.waker().clone()));
            loop {
                match news.poll_next(cx) {
                    Poll::Ready(Some(_)) => viewers.publication(),
                    Poll::Ready(None) => {
                        viewers.end();
                        return Poll::Ready(());
                    }
                    Poll::Pending => break,
                }
            }
            loop {
                if viewers.count() == 0 || viewers.ended.get() {
                    return Poll::Ready(());
                }
                let next = viewers.wake_due(Instant::now());
                // Due times mostly move on with every picture. The timer stays until it fires: resetting it a second
                // ahead each time would cost more than one extra wake-up.
                if let Some(next) = next.filter(|next| viewers.armed.get().is_none_or(|at| *next < at)) {
                    viewers.armed.set(Some(next));
                    timer.as_mut().reset(next.into());
                }
                if viewers.armed.get().is_none() || timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                viewers.armed.set(None);
            }
        })
        .await;
    }
}

/// One viewer's stream over one connection of this server.
#[derive(Debug)]
pub struct ViewerBody {
    viewers: Rc<Viewers>,
    viewer: Rc<Viewer>,
    link: Rc<Link>,
    parts: MultipartStream,
    /// The publication at its last look; `None` before the first look.
    seen: Option<u64>,
    _demand: Demand,
}

impl ViewerBody {
    /// The next bytes of the stream; `Ready(None)` at its end. Allocates no memory.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // First, so that no other thread writes. A picture that has begun is always completed.
        if let Some(rest) = self.take_back() {
            return Poll::Ready(Some(rest));
        }
        if self.viewers.ended.get() || self.viewer.is_dismissed.get() {
            return Poll::Ready(None);
        }
        let now = Instant::now();
        let next = self.parts.next(now, |news, repeat| {
            let published = self.viewers.published.get();
            if self.seen == Some(published) && repeat.is_none_or(|at| now < at) {
                return FoundPicture::Nothing;
            }
            if !self.link.has_room() {
                return FoundPicture::Later(now + LOOK_AGAIN);
            }
            self.seen = Some(published);
            match news.next_timeout(Duration::ZERO) {
                Ok(Some(picture)) => FoundPicture::Picture(picture),
                Ok(None) => FoundPicture::Closed,
                Err(_) => FoundPicture::Nothing,
            }
        });
        match next {
            StreamStep::Opening => Poll::Ready(Some(OPENING)),
            StreamStep::Part(part) => {
                self.viewer.skipped.set(self.parts.news.skipped());
                self.viewer.sent.count(now);
                self.link.holds(part.len());
                Poll::Ready(Some(part))
            }
            StreamStep::Wait { is_on_news, until } => self.wait(cx, is_on_news, until),
            StreamStep::End => Poll::Ready(None),
        }
    }

    /// Closes the lane. Returns the unwritten bytes of the last picture that went through.
    fn take_back(&mut self) -> Option<Bytes> {
        let passed = self.viewer.lane()?.take_back()?;
        self.parts.news.record_handled(passed.count, passed.number);
        self.viewer.skipped.set(self.parts.news.skipped());
        self.parts.record_sent(passed.picture, passed.at);
        self.link.holds(passed.rest.len());
        Some(passed.rest).filter(|rest| !rest.is_empty())
    }

    /// Opens the lane of a lone viewer that takes every picture, when no bytes are left to be written.
    fn open_lane(&self) {
        if self.viewers.count() != 1 || self.parts.pacer.is_limited() || !self.link.is_written() {
            return;
        }
        let lane = self.viewer.lane.get_or_init(|| self.link.lane(&self.viewer.sent).map(Arc::new));
        if let Some(lane) = lane {
            self.viewers.go_direct(lane);
            lane.open(self.parts.news.last_seen());
        }
    }

    fn wait(&mut self, cx: &mut Context<'_>, on_news: bool, at: Option<Instant>) -> Poll<Option<Bytes>> {
        self.viewer.wakes_on_news.set(on_news);
        self.viewer.wakes_at.set(at);
        let mut waker = self.viewer.waker.borrow_mut();
        match &*waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => *waker = Some(cx.waker().clone()),
        }
        if let Some(at) = at {
            self.viewers.alarm_at(at);
        }
        drop(waker);
        // The head, the opening and the first picture go through hyper, which does not report head and opening.
        if on_news && self.parts.last.is_some() {
            self.open_lane();
        }
        Poll::Pending
    }
}

impl Drop for ViewerBody {
    fn drop(&mut self) {
        // Pictures count until the last moment, sent through the lane or skipped.
        self.take_back();
        self.viewers.leave(&self.viewer);
    }
}
