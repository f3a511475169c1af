//! Pictures on their way into a recording, oldest first: the pre-roll, or the pictures that wait for the store. Its
//! owner bounds it. A picture in it shares its bytes with the viewers. Pure.

use std::collections::VecDeque;

use tallycam_camera::media::Picture;

/// A picture that may be recorded.
#[derive(Debug, Clone)]
pub struct Shot {
    /// The picture.
    pub picture: Picture,
    /// A gap precedes it.
    pub is_after_gap: bool,
}

/// Pictures in order.
#[derive(Debug, Default)]
pub struct Backlog {
    shots: VecDeque<Shot>,
    bytes: usize,
}

impl Backlog {
    pub fn push(&mut self, shot: Shot) {
        self.bytes += shot.picture.jpeg_len();
        self.shots.push_back(shot);
    }

    pub fn oldest(&self) -> Option<&Shot> {
        self.shots.front()
    }

    pub fn pop(&mut self) -> Option<Shot> {
        let shot = self.shots.pop_front()?;
        self.bytes -= shot.picture.jpeg_len();
        Some(shot)
    }

    /// Drops the oldest picture; the next one then follows a gap.
    pub fn drop_oldest(&mut self) -> Option<Shot> {
        let lost = self.pop();
        if let Some(next) = self.shots.front_mut() {
            next.is_after_gap = true;
        }
        lost
    }

    /// Keeps the newest pictures within `span_us` and `bytes`, like a ring.
    pub fn trim_to(&mut self, span_us: u64, bytes: usize) {
        while self.bytes > bytes || self.span_us() > span_us {
            if self.pop().is_none() {
                break;
            }
        }
    }

    /// Drops pictures captured before `at_us`.
    pub fn drop_before(&mut self, at_us: u64) {
        while self.oldest().is_some_and(|shot| shot.picture.stamp.monotonic_us < at_us) {
            self.pop();
        }
    }

    pub fn clear(&mut self) {
        self.shots.clear();
        self.bytes = 0;
    }

    pub fn len(&self) -> usize {
        self.shots.len()
    }

    /// Bytes of all pictures.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Time from the oldest to the newest picture, microseconds.
    pub fn span_us(&self) -> u64 {
        let at = |shot: &Shot| shot.picture.stamp.monotonic_us;
        match (self.shots.front(), self.shots.back()) {
            (Some(first), Some(last)) => at(last).saturating_sub(at(first)),
            _ => 0,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use tallycam_base::ClockTime;
    use tallycam_camera::media::PictureBuilder;

    /// A shot of 8×8 pixels whose JPEG repeats its number `len` times.
    pub fn shot(sequence: u64, at_us: u64, len: usize) -> Shot {
        let mut builder = PictureBuilder::with_capacity(len);
        builder.push(&vec![sequence as u8; len]);
        let stamp =
            ClockTime { monotonic_us: at_us, wall_us: 1_800_000_000_000_000 + at_us, wall_trusted: true };
        Shot { picture: builder.finish(8, 8, stamp, sequence, false), is_after_gap: false }
    }

    fn numbers(backlog: &Backlog) -> Vec<u64> {
        backlog.shots.iter().map(|shot| shot.picture.sequence).collect()
    }

    #[test]
    fn a_ring_is_bounded_by_time_and_bytes() {
        let mut ring = Backlog::default();
        for n in 0..100 {
            ring.push(shot(n, n * 100_000, 10));
            ring.trim_to(500_000, 1000);
        }
        assert_eq!(numbers(&ring), [94, 95, 96, 97, 98, 99]);
        assert_eq!((ring.span_us(), ring.bytes()), (500_000, 60));
        ring.trim_to(500_000, 25);
        assert_eq!((numbers(&ring), ring.bytes()), (vec![98, 99], 20));
        ring.drop_before(9_900_000);
        assert_eq!((numbers(&ring), ring.bytes()), (vec![99], 10));
        ring.push(shot(100, 10_000_000, 1001));
        ring.trim_to(500_000, 1000);
        assert_eq!((numbers(&ring), ring.bytes(), ring.span_us()), (vec![], 0, 0));
    }

    #[test]
    fn a_picture_after_a_lost_one_follows_a_gap() {
        let mut backlog = Backlog::default();
        assert!(backlog.drop_oldest().is_none());
        (0..3).for_each(|n| backlog.push(shot(n, n, 7)));
        assert_eq!(backlog.drop_oldest().map(|lost| lost.picture.sequence), Some(0));
        assert_eq!(backlog.bytes(), 14);
        let after: Vec<_> = std::iter::from_fn(|| backlog.pop()).map(|s| s.is_after_gap).collect();
        assert_eq!(after, [true, false]);
    }
}
