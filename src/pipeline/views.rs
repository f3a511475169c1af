//! The thread `views`: makes the pictures of single viewers' views (`/stream?gray=1&scale=1/2`), each distinct view
//! once, and only while somebody watches it.
//!
//! ```text
//! originals (or annotated) ── newest picture ─► [views] ─► a hub for each distinct view ─► its viewers
//! ```
//!
//! The thread subscribes to a hub like every viewer and takes the newest picture after finishing the previous one. A
//! slow change skips pictures and delays nobody else. Originals and annotated pictures take turns. A view is applied
//! after the changes for everyone ([`super::Pipeline::set_view`]); both are one transformation of the original.
//! Without views the thread only beats.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::capture::out_of_memory_card;
use super::{Pipeline, not_started};
use tallycam_base::{Fault, Heartbeat, IDLE, Stop, Worker, block_on};
use tallycam_camera::encode::Transformer;
use tallycam_camera::media::{Hub, Picture, Subscriber, View};

/// Views of single viewers. Clones share it.
#[derive(Debug, Clone)]
pub struct Views {
    shared: Arc<ViewState>,
}

#[derive(Debug)]
struct ViewState {
    pipeline: Pipeline,
    wanted: Mutex<Vec<SharedView>>,
    /// Increases with every change of `wanted`.
    changes: watch::Sender<u64>,
    made: AtomicU64,
    failed: AtomicU64,
    stop: Stop,
}

impl ViewState {
    fn new(pipeline: Pipeline) -> ViewState {
        ViewState {
            pipeline,
            wanted: Mutex::default(),
            changes: watch::Sender::new(0),
            made: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            stop: Stop::new(),
        }
    }
}

/// A view with at least one viewer.
#[derive(Debug)]
struct SharedView {
    view: View,
    /// Hub of its source pictures; `None` for the originals, after the changes for everyone.
    over: Option<Hub>,
    hub: Hub,
    users: usize,
}

/// A viewer's handle of a view. The view is made until its last handle is dropped.
#[derive(Debug)]
pub struct Viewed {
    shared: Arc<ViewState>,
    hub: Hub,
}

impl Views {
    /// Maximum number of distinct views.
    pub const MOST: usize = 8;

    /// Starts the thread `views`, which ends after [`Views::stop`].
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(pipeline: &Pipeline) -> Result<(Views, Worker), Fault> {
        let shared = Arc::new(ViewState::new(pipeline.clone()));
        let failed = not_started("the thread of single viewers' views");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(&failed)?;
        let worker = Worker::spawn("views", {
            let shared = Arc::clone(&shared);
            move |beat| Maker::new(shared, beat).run(&runtime)
        })
        .map_err(failed)?;
        Ok((Views { shared }, worker))
    }

    /// Makes pictures in `view`: of the pictures of `over` (annotated ones), or of the originals after the changes
    /// for everyone. Hold a [`super::Demand`] beside it. `None` if [`Views::MOST`] others are being watched.
    pub fn watch(&self, view: &View, over: Option<&Hub>) -> Option<Viewed> {
        let view = view.canonical();
        let mut wanted = self.shared.lock_wanted();
        let is_this = |one: &SharedView| {
            let is_over = match (&one.over, over) {
                (Some(one), Some(over)) => one.is_same(over),
                (one, over) => one.is_none() && over.is_none(),
            };
            is_over && one.view == view
        };
        let hub = match wanted.iter().position(is_this) {
            Some(at) => {
                wanted[at].users += 1;
                wanted[at].hub.clone()
            }
            None if wanted.len() >= Views::MOST => return None,
            None => {
                let hub = self.shared.pipeline.originals().derive();
                wanted.push(SharedView { view, over: over.cloned(), hub: hub.clone(), users: 1 });
                hub
            }
        };
        drop(wanted);
        self.shared.notify();
        Some(Viewed { shared: Arc::clone(&self.shared), hub })
    }

    /// Number of distinct views.
    pub fn count(&self) -> usize {
        self.shared.lock_wanted().len()
    }

    /// Number of pictures made since the start.
    pub fn made_count(&self) -> u64 {
        self.shared.made.load(Ordering::Relaxed)
    }

    /// Ends the thread. Join the worker afterwards.
    pub fn stop(&self) {
        self.shared.stop.set();
    }
}

impl Viewed {
    /// The hub with its pictures.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}

impl Drop for Viewed {
    fn drop(&mut self) {
        let mut wanted = self.shared.lock_wanted();
        if let Some(at) = wanted.iter().position(|one| one.hub.is_same(&self.hub)) {
            wanted[at].users -= 1;
            if wanted[at].users == 0 {
                wanted.remove(at);
            }
        }
        drop(wanted);
        self.shared.notify();
    }
}

impl ViewState {
    fn lock_wanted(&self) -> MutexGuard<'_, Vec<SharedView>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

/// One view to make.
struct ViewWork {
    view: View,
    /// Hub of the source pictures.
    ground: Hub,
    hub: Hub,
}

enum ViewEvent {
    /// The index of a ground, and its new picture.
    Picture(usize, Picture),
    Changed,
    Stopped,
}

/// State of the thread.
struct Maker<'a> {
    shared: Arc<ViewState>,
    beat: &'a Heartbeat,
    changes: watch::Receiver<u64>,
    views: watch::Receiver<Arc<View>>,
    work: Vec<ViewWork>,
    /// The ground that was served last is at the end.
    grounds: Vec<(Hub, Subscriber)>,
    /// Exists only while there is a view to make.
    transformer: Option<Transformer>,
}

impl<'a> Maker<'a> {
    fn new(shared: Arc<ViewState>, beat: &'a Heartbeat) -> Maker<'a> {
        Maker {
            beat,
            changes: shared.changes.subscribe(),
            views: shared.pipeline.view(),
            work: Vec::new(),
            grounds: Vec::new(),
            transformer: None,
            shared,
        }
    }

    fn run(mut self, runtime: &Runtime) {
        self.refresh();
        loop {
            // Beat on both sides, so that neither the work nor the sleep counts for the other.
            self.beat.beat();
            let event = block_on(runtime, self.wait());
            self.beat.beat();
            match event {
                ViewEvent::Picture(ground, picture) => self.picture(ground, &picture),
                ViewEvent::Changed => self.refresh(),
                ViewEvent::Stopped => break,
            }
        }
    }

    async fn wait(&mut self) -> ViewEvent {
        let Maker { shared, changes, views, grounds, .. } = self;
        tokio::select! {
            biased;
            () = shared.stop.stopped() => ViewEvent::Stopped,
            // The senders live as long as `shared`, so these cannot fail.
            Ok(()) = changes.changed() => ViewEvent::Changed,
            Ok(()) = views.changed(), if !grounds.is_empty() => ViewEvent::Changed,
            (ground, picture) = std::future::poll_fn(|cx| next_picture(grounds, cx)) => match picture {
                Some(picture) => ViewEvent::Picture(ground, picture),
                None => ViewEvent::Changed,
            },
            () = tokio::time::sleep(IDLE) => ViewEvent::Changed,
        }
    }

    /// Adapts the work to the wanted views. A new view gets the newest picture at once.
    fn refresh(&mut self) {
        self.changes.borrow_and_update();
        let everyone = Arc::clone(&self.views.borrow_and_update());
        let originals = self.shared.pipeline.originals();
        self.work = self
            .shared
            .lock_wanted()
            .iter()
            .map(|one| match &one.over {
                Some(over) => ViewWork { view: one.view.clone(), ground: over.clone(), hub: one.hub.clone() },
                None => ViewWork {
                    view: everyone.compose(&one.view),
                    ground: originals.clone(),
                    hub: one.hub.clone(),
                },
            })
            .collect();
        // A closed ground has no more pictures. A new subscription to it would end at once, again and again.
        self.work.iter().filter(|work| work.ground.is_closed()).for_each(|work| work.hub.close());
        self.work.retain(|work| !work.ground.is_closed());
        self.grounds.retain(|(hub, _)| self.work.iter().any(|work| work.ground.is_same(hub)));
        if self.work.is_empty() {
            // Dropped because its buffers are as large as pictures.
            self.transformer = None;
            return;
        }
        for at in 0..self.work.len() {
            let ground = self.work[at].ground.clone();
            if !self.grounds.iter().any(|(hub, _)| hub.is_same(&ground)) {
                // The subscription starts with the newest picture.
                self.grounds.push((ground.clone(), ground.subscribe()));
            } else if self.work[at].hub.newest().is_none()
                && let Some(newest) = ground.newest()
            {
                self.encode_view(at, &newest);
                self.beat.beat();
            }
        }
    }

    fn picture(&mut self, ground: usize, picture: &Picture) {
        let ground = self.grounds[ground].0.clone();
        for at in 0..self.work.len() {
            if self.work[at].ground.is_same(&ground) {
                self.encode_view(at, picture);
                self.beat.beat();
            }
        }
    }

    fn encode_view(&mut self, at: usize, picture: &Picture) {
        let work = &self.work[at];
        if picture.is_card {
            return work.hub.publish(picture.clone());
        }
        let quality = self.shared.pipeline.quality();
        let transformer = match self.transformer.take().map_or_else(Transformer::new, Ok) {
            Ok(transformer) => self.transformer.insert(transformer),
            Err(error) => return self.report(&error),
        };
        match transformer.render(picture, &work.view, quality) {
            Ok(shown) => {
                self.shared.made.fetch_add(1, Ordering::Relaxed);
                work.hub.publish(shown);
            }
            Err(error) => {
                if let Some(none) = error.out_of_memory()
                    && work.hub.newest().is_none_or(|newest| !newest.is_card)
                    && let Some(card) = out_of_memory_card(none, (picture.width, picture.height), quality)
                {
                    work.hub.publish(card);
                }
                self.report(&error);
            }
        }
    }

    /// The first, then ever rarer: errors must not fill the log.
    fn report(&self, error: &dyn std::error::Error) {
        let failed = self.shared.failed.fetch_add(1, Ordering::Relaxed) + 1;
        if failed.is_power_of_two() {
            log::warn!("a frame could not be changed for a viewer: {error}, {failed} so far");
        }
    }
}

impl Drop for Maker<'_> {
    fn drop(&mut self) {
        // Also after a panic: no viewer must wait for pictures that will not come.
        self.shared.lock_wanted().iter().for_each(|one| one.hub.close());
    }
}

/// The next picture of any ground; pending without one. Its ground moves to the end, so that the others come first
/// next time, even if a change takes longer than a frame.
fn next_picture(grounds: &mut [(Hub, Subscriber)], cx: &mut Context<'_>) -> Poll<(usize, Option<Picture>)> {
    for at in 0..grounds.len() {
        if let Poll::Ready(picture) = grounds[at].1.poll_next(cx) {
            grounds[at..].rotate_left(1);
            return Poll::Ready((grounds.len() - 1, picture));
        }
    }
    Poll::Pending
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::task::Waker;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::pipeline::CaptureOptions;
    use tallycam_base::ClockTime;
    use tallycam_camera::media::PictureBuilder;
    use tallycam_camera::source::FormatRequest;
    use tallycam_camera::source::sim::SimOpener;

    fn picture(sequence: u64) -> Picture {
        PictureBuilder::with_capacity(0).finish(1, 1, ClockTime::now(), sequence, false)
    }

    #[test]
    fn grounds_that_are_always_ready_take_turns() {
        let hubs = [Hub::new(), Hub::new(), Hub::new()];
        let mut grounds: Vec<_> = hubs.iter().map(|hub| (hub.clone(), hub.subscribe())).collect();
        let mut cx = Context::from_waker(Waker::noop());
        let mut served = Vec::new();
        for n in 0..9 {
            hubs.iter().for_each(|hub| hub.publish(picture(n)));
            let Poll::Ready((at, Some(_))) = next_picture(&mut grounds, &mut cx) else {
                panic!("all of them are ready");
            };
            served.push(hubs.iter().position(|hub| hub.is_same(&grounds[at].0)).unwrap());
        }
        assert_eq!(served, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
        // A single ready ground is served at once.
        while next_picture(&mut grounds, &mut cx).is_ready() {}
        for n in 9..12 {
            hubs[1].publish(picture(n));
            assert!(next_picture(&mut grounds, &mut cx).is_ready());
        }
    }

    #[test]
    fn a_ground_that_has_ended_ends_its_views_and_is_left_alone() {
        let request = FormatRequest { width: Some(320), height: Some(240), ..FormatRequest::ANYTHING };
        let opener = Box::new(SimOpener::new(1, request, true));
        let (pipeline, capture) = Pipeline::start(opener, CaptureOptions::default()).unwrap();
        let shared = Arc::new(ViewState::new(pipeline.clone()));
        let (views, beat) = (Views { shared: Arc::clone(&shared) }, Heartbeat::new());
        let mut maker = Maker::new(shared, &beat);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let over = Hub::new();
        let gray = View { gray: true, ..View::default() };
        let (viewed, other) = (views.watch(&gray, Some(&over)).unwrap(), views.watch(&gray, None).unwrap());
        maker.refresh();
        assert_eq!(maker.grounds.len(), 2);
        over.close();
        assert!(matches!(runtime.block_on(maker.wait()), ViewEvent::Changed));
        // Its present viewers see the end at once, and so do new ones.
        maker.refresh();
        assert!(viewed.hub().is_closed() && !other.hub().is_closed());
        let late = views.watch(&View { flip: true, ..gray }, Some(&over)).unwrap();
        maker.refresh();
        assert!(late.hub().is_closed());
        // Nothing is left to do, so it sleeps.
        assert_eq!(maker.grounds.len(), 1);
        let nothing = runtime.block_on(async { timeout(IDLE / 4, maker.wait()).await.is_err() });
        assert!(nothing, "the thread is awake");
        pipeline.stop();
        capture.join_within(Duration::from_secs(60)).unwrap();
    }
}
