//! The recorder's subscription to the hub: new pictures with their gaps. It exists only while something may be
//! recorded; otherwise pictures do not wake the thread. While single pictures do not matter, it batches them: waking
//! the thread costs as much as copying a picture.

use crate::pipeline::Pipeline;
use tallycam_camera::media::{Picture, Subscriber};

use crate::pipeline::recording::continuity::Continuity;
use crate::pipeline::recording::queue::Shot;

/// Maximum bytes of waiting pictures, so that a busy machine misses none.
const WAITING_BYTES: usize = 4 << 20;

/// Bytes of waiting pictures that wake a batching recorder.
const MANY_BYTES: usize = 256 << 10;

/// An event of the subscription.
#[derive(Debug)]
pub enum NextPicture {
    /// A picture of the camera.
    Shot(Shot),
    /// A still card: the camera gives no pictures.
    Card,
    /// The hub is closed.
    End,
}

/// A subscriber that detects gaps.
#[derive(Debug)]
pub struct RecordedView {
    pipeline: Pipeline,
    /// Pictures as viewers see them, instead of originals.
    pub as_shown: bool,
    /// Number of the newest picture's source.
    source: Option<u64>,
    subscriber: Subscriber,
    skipped: u64,
    newest: Option<(u64, u64)>,
    continuity: Continuity,
    is_patient: bool,
}

impl RecordedView {
    /// Subscribes, starting with the newest picture.
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

    /// Switches batching. While it is on, the owner must poll ([`RecordedView::try_next`]) at intervals.
    pub fn set_batching(&mut self, is_patient: bool) {
        if std::mem::replace(&mut self.is_patient, is_patient) != is_patient {
            self.subscriber.wake_at_bytes(if is_patient { MANY_BYTES } else { 0 });
        }
    }

    pub fn is_batching(&self) -> bool {
        self.is_patient
    }

    pub async fn next(&mut self) -> NextPicture {
        loop {
            let Some(picture) = self.subscriber.next().await else { return NextPicture::End };
            if let Some(seen) = self.accept(picture) {
                return seen;
            }
        }
    }

    /// The next picture if it is waiting.
    pub fn try_next(&mut self) -> Option<NextPicture> {
        loop {
            let Some(picture) = self.subscriber.try_next()? else { return Some(NextPicture::End) };
            if let Some(seen) = self.accept(picture) {
                return Some(seen);
            }
        }
    }

    /// Records an interruption of the camera.
    pub fn mark_gap(&mut self) {
        self.continuity.mark_gap();
    }

    /// Converts a picture. `None` for a frame that is published again in another view.
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
        // The source was reopened without a card: for a picture of its largest size, or when the camera replaced a
        // stand-in.
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
    use crate::pipeline::CaptureOptions;
    use tallycam_base::ClockTime;
    use tallycam_camera::media::PictureBuilder;
    use tallycam_camera::source::FormatRequest;
    use tallycam_camera::source::sim::SimOpener;

    #[test]
    fn a_frame_that_is_published_again_is_taken_once() {
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
