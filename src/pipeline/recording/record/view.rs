//! The recorder's look at the hub: each new picture, and whether some are missing before it. There is one only while
//! something may be recorded: otherwise nobody is woken by pictures. While nothing hangs on the single picture, it lets
//! them wait and takes many at once: waking the thread for each costs as much as copying it.

use crate::media::{Picture, Subscriber};
use crate::pipeline::Pipeline;

use crate::pipeline::recording::continuity::Continuity;
use crate::pipeline::recording::queue::Shot;

/// Pictures that wait for the recorder, together: on a machine that is busy for a moment none is missed.
const WAITING_BYTES: usize = 4 << 20;

/// So many waiting pictures, in bytes, wake a recorder that lets them wait.
const MANY_BYTES: usize = 256 << 10;

/// What came.
#[derive(Debug)]
pub enum NextPicture {
    /// A picture of the camera.
    Shot(Shot),
    /// A card with words: the camera sees nothing.
    Card,
    /// The hub is closed: no more will come.
    End,
}

/// A subscriber that knows where pictures are missing.
#[derive(Debug)]
pub struct RecordedView {
    pipeline: Pipeline,
    /// What viewers see, not the camera's own pictures.
    pub as_shown: bool,
    /// Which source the newest picture is of.
    source: Option<u64>,
    subscriber: Subscriber,
    skipped: u64,
    /// The number of the newest picture, and when it was captured.
    newest: Option<(u64, u64)>,
    continuity: Continuity,
    is_patient: bool,
}

impl RecordedView {
    /// From the newest picture on.
    pub fn new(pipeline: &Pipeline, as_shown: bool) -> RecordedView {
        let hub = if as_shown { pipeline.hub() } else { pipeline.originals() };
        RecordedView {
            as_shown,
            pipeline: pipeline.clone(),
            source: None,
            subscriber: hub.subscribe_to_all(WAITING_BYTES),
            skipped: 0,
            newest: None,
            continuity: Continuity::default(),
            is_patient: false,
        }
    }

    /// Whether pictures are let wait: then the owner polls ([`RecordedView::try_next`]) before long.
    pub fn set_batching(&mut self, is_patient: bool) {
        if std::mem::replace(&mut self.is_patient, is_patient) != is_patient {
            self.subscriber.wake_at_bytes(if is_patient { MANY_BYTES } else { 0 });
        }
    }

    /// Whether pictures are let wait.
    pub fn is_batching(&self) -> bool {
        self.is_patient
    }

    /// The next picture.
    pub async fn next(&mut self) -> NextPicture {
        loop {
            let Some(picture) = self.subscriber.next().await else { return NextPicture::End };
            if let Some(seen) = self.accept(picture) {
                return seen;
            }
        }
    }

    /// The next picture, if it waits.
    pub fn try_next(&mut self) -> Option<NextPicture> {
        loop {
            let Some(picture) = self.subscriber.try_next()? else { return Some(NextPicture::End) };
            if let Some(seen) = self.accept(picture) {
                return Some(seen);
            }
        }
    }

    /// The camera has stopped seeing.
    pub fn mark_gap(&mut self) {
        self.continuity.mark_gap();
    }

    /// What has come; `None`: a frame that has come before, and is shown otherwise since.
    fn accept(&mut self, picture: Picture) -> Option<NextPicture> {
        let at_us = picture.stamp.monotonic_us;
        let which = (picture.sequence, at_us);
        if !picture.is_card && self.newest.replace(which) == Some(which) {
            return None;
        }
        let skipped = self.subscriber.skipped();
        let has_skipped = std::mem::replace(&mut self.skipped, skipped) != skipped;
        if picture.is_card {
            self.continuity.mark_gap();
            return Some(NextPicture::Card);
        }
        // It was opened again without a card between: for a picture of its largest size, or by what took a stand-in's
        // place.
        let newest = self.pipeline.newest_source().filter(|source| source.opened_us <= at_us);
        if let Some(newest) = newest
            && self.source.replace(newest.number).is_some_and(|source| source != newest.number)
        {
            self.continuity.mark_gap();
        }
        let is_after_gap = self.continuity.is_after_gap(picture.sequence, at_us, has_skipped);
        Some(NextPicture::Shot(Shot { picture, is_after_gap }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::base::ClockTime;
    use crate::media::PictureBuilder;
    use crate::pipeline::CaptureOptions;
    use crate::source::FormatRequest;
    use crate::source::sim::SimOpener;

    #[test]
    fn a_frame_that_is_shown_once_more_is_taken_once() {
        let opener = Box::new(SimOpener::new(1, FormatRequest::ANYTHING, true));
        let (pipeline, capture) = Pipeline::start(opener, CaptureOptions::default()).unwrap();
        let mut view = RecordedView::new(&pipeline, true);
        let stamp = |at_us| ClockTime { monotonic_us: at_us, ..ClockTime::now() };
        let picture = |number: u64, is_card| {
            PictureBuilder::with_capacity(0).finish(1, 1, stamp(number * 33_333), number, is_card)
        };
        for (number, is_card) in [(1, false), (1, false), (2, false), (3, false), (3, true), (4, false)] {
            pipeline.hub().publish(picture(number, is_card));
        }
        let seen: Vec<_> = std::iter::from_fn(|| view.try_next())
            .map(|seen| match seen {
                NextPicture::Shot(shot) => Some((shot.picture.sequence, shot.is_after_gap)),
                NextPicture::Card | NextPicture::End => None,
            })
            .collect();
        pipeline.stop();
        capture.join_within(Duration::from_secs(60)).unwrap();
        let shot = |number| Some((number, false));
        assert_eq!(seen, [shot(1), shot(2), shot(3), None, Some((4, true))]);
    }
}
