//! The recorder's look at the hub: each new picture, and whether some are missing before it. There is one only while
//! something may be recorded: otherwise nobody is woken by pictures.

use crate::media::{Hub, Picture, Subscriber};

use super::backlog::Shot;
use super::continuity::Continuity;

/// What came.
#[derive(Debug)]
pub enum Seen {
    /// A picture of the camera.
    Shot(Shot),
    /// A card with words: the camera sees nothing.
    Card,
    /// The hub is closed: no more will come.
    End,
}

/// A subscriber that knows where pictures are missing.
#[derive(Debug)]
pub struct View {
    subscriber: Subscriber,
    skipped: u64,
    continuity: Continuity,
}

impl View {
    /// From the newest picture on.
    pub fn new(hub: &Hub) -> View {
        View { subscriber: hub.subscribe(), skipped: 0, continuity: Continuity::default() }
    }

    /// The next picture.
    pub async fn next(&mut self) -> Seen {
        let Some(picture) = self.subscriber.next().await else { return Seen::End };
        self.see(picture)
    }

    /// The camera has stopped seeing.
    pub fn break_off(&mut self) {
        self.continuity.break_off();
    }

    fn see(&mut self, picture: Picture) -> Seen {
        let skipped = self.subscriber.skipped();
        let has_skipped = std::mem::replace(&mut self.skipped, skipped) != skipped;
        if picture.is_card {
            self.continuity.break_off();
            return Seen::Card;
        }
        let at_us = picture.stamp.monotonic_us;
        let is_after_gap = self.continuity.is_after_gap(picture.sequence, at_us, has_skipped);
        Seen::Shot(Shot { picture, is_after_gap })
    }
}
