//! The viewers: who watches, and when each is to look for a picture.
//!
//! Waking a task from the capture thread takes a lock and often a system call, so only one task,
//! the [`relay`], is woken there. It wakes the viewers, on whose thread it lives, for next to
//! nothing. All of this module lives on the server's one thread.
//!
//! **Freshness.** Before a viewer takes the newest picture it asks the kernel whether the one
//! before has left: while anything of it is unsent nothing is taken, and it looks again at the
//! next publication, at the latest after [`LOOK_AGAIN`]. So what a stalled viewer sees when it
//! resumes is what its own receive buffer holds, and one picture more.
//!
//! **Alone.** Who watches alone is not woken at all while it keeps up: its pictures go through its [`Lane`],
//! on the thread that publishes them.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::base::clock;
use crate::http::server::lane::{Lane, SendRate};
use crate::http::server::link::Link;
use crate::http::server::multipart::{FoundPicture, MultipartStream, OPENING, StreamStep};
use crate::media::Hub;
use crate::pipeline::{Demand, Viewed};

/// A viewer whose last picture has not left looks again after this time.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How many watch, whatever they watch.
#[derive(Debug, Default)]
pub struct ViewerPlaces {
    taken: Cell<usize>,
    /// Skips of viewers whose view is no longer made.
    skipped_before: Cell<u64>,
}

impl ViewerPlaces {
    /// Pictures that viewers of views that are no longer made did not get.
    pub fn skipped_before(&self) -> u64 {
        self.skipped_before.get()
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.get()
    }
}

/// All viewers of one hub, and the way they are woken.
#[derive(Debug)]
pub struct Viewers {
    hub: Hub,
    places: Rc<ViewerPlaces>,
    present: RefCell<Vec<Rc<Viewer>>>,
    /// Skips of those who have left; the total never falls.
    skipped_before: Cell<u64>,
    /// Publications the relay has seen.
    published: Cell<u64>,
    ended: Cell<bool>,
    arrival: Notify,
    /// Of a view of its own: it is made as long as there are viewers, and these end with the last one.
    viewed: Option<Viewed>,
    /// The hub knows the lane of the one who watches.
    is_direct: Cell<bool>,
    /// The relay's own waker, and the time to which its timer is set.
    relay: RefCell<Option<Waker>>,
    armed: Cell<Option<Instant>>,
}

/// One viewer.
#[derive(Debug)]
pub struct Viewer {
    /// The address it comes from.
    pub peer: Rc<str>,
    /// Since when, wall time in microseconds.
    pub since_us: u64,
    /// Pictures it did not get: it was slow, or asked for fewer.
    pub skipped: Cell<u64>,
    sent: Arc<SendRate>,
    /// Made when it first watches alone.
    lane: OnceCell<Option<Arc<Lane>>>,
    waker: RefCell<Option<Waker>>,
    wakes_on_news: Cell<bool>,
    wakes_at: Cell<Option<Instant>>,
    /// No more is shown.
    is_dismissed: Cell<bool>,
}

impl Viewer {
    /// Pictures a second sent over the last seconds.
    pub fn fps(&self) -> f64 {
        self.sent.per_second()
    }

    /// Its lane, if it has been made.
    fn lane(&self) -> Option<&Arc<Lane>> {
        self.lane.get()?.as_ref()
    }

    /// No more is shown, from this moment on.
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
    /// Nobody yet; those who come take one of `places`.
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

    /// Those of a view of its own.
    pub fn of_view(viewed: Viewed, places: Rc<ViewerPlaces>) -> Rc<Viewers> {
        let mut viewers = Viewers::new(viewed.hub().clone(), places);
        // Nobody else has it yet.
        if let Some(viewers) = Rc::get_mut(&mut viewers) {
            viewers.viewed = Some(viewed);
        }
        viewers
    }

    /// Lets a viewer in, over the connection `link`, with at most `fps` pictures a second.
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

    /// How many there are.
    pub fn count(&self) -> usize {
        self.present.borrow().len()
    }

    /// Does `each` with every viewer.
    pub fn each(&self, each: impl FnMut(&Rc<Viewer>)) {
        self.present.borrow().iter().for_each(each);
    }

    /// Pictures that viewers did not get, since the start.
    pub fn skipped(&self) -> u64 {
        self.present.borrow().iter().map(|v| v.skipped.get()).sum::<u64>() + self.skipped_before.get()
    }

    /// Ends every stream, and those that come later at once.
    pub fn end(&self) {
        self.ended.set(true);
        self.dismiss();
        self.arrival.notify_one();
    }

    /// Ends the streams of all who watch now; others may come.
    pub fn dismiss(&self) {
        self.each(|viewer| viewer.dismiss());
    }

    /// Has pictures go to a lone viewer's lane, while it is open.
    fn go_direct(&self, lane: &Arc<Lane>) {
        if !self.is_direct.replace(true) {
            self.hub.set_direct(Some(lane.clone()));
        }
    }

    /// Has the relay woken by every picture again.
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

    /// The relay is to look at the viewers' times again, if `at` comes before its timer.
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

    /// Wakes those whose time has come; tells when the next one's comes.
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

/// Wakes the viewers, as long as the server lives. While there are none it does nothing at all.
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
                // Times mostly move on with every picture. The timer stays where it is until it
                // has rung: setting it a second ahead each time would cost more than one ring.
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
    /// The publication after which it last looked; `None` before its first look.
    seen: Option<u64>,
    _demand: Demand,
}

impl ViewerBody {
    /// The next bytes of the stream; `Ready(None)` at its end. Takes no memory.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // First of all, so that nobody else writes: a picture begun is a picture sent, whatever comes then.
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

    /// Closes the lane. What of the last picture that went through is still to be written.
    fn take_back(&mut self) -> Option<Bytes> {
        let passed = self.viewer.lane()?.take_back()?;
        self.parts.news.record_handled(passed.count, passed.number);
        self.viewer.skipped.set(self.parts.news.skipped());
        self.parts.record_sent(passed.picture, passed.at);
        self.link.holds(passed.rest.len());
        Some(passed.rest).filter(|rest| !rest.is_empty())
    }

    /// Opens the lane of a viewer that watches alone and takes every picture, when nothing is left to be written.
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
        // The head and the opening go through hyper, which does not tell of them, and so does the first picture.
        if on_news && self.parts.last.is_some() {
            self.open_lane();
        }
        Poll::Pending
    }
}

impl Drop for ViewerBody {
    fn drop(&mut self) {
        // What went through the lane, and what did not, counts until the last moment.
        self.take_back();
        self.viewers.leave(&self.viewer);
    }
}
