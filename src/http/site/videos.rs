//! Which video is being made of a recording: one at a time, however many ask.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::OnceCell;

use crate::pipeline::video::VideoEncoders;

/// What is known of videos. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Videos(Rc<VideoState>);

#[derive(Debug, Default)]
struct VideoState {
    /// What makes them, once it was found.
    encoders: OnceCell<VideoEncoders>,
    now: RefCell<Option<Rc<VideoJob>>>,
}

/// A video that is being made.
#[derive(Debug)]
pub struct VideoJob {
    /// The recording's number.
    id: u64,
    began: Instant,
    /// Pictures that it will have.
    frames: u64,
    /// Pictures that it has.
    made: Cell<u64>,
}

impl VideoJob {
    /// So many pictures are made.
    pub fn set_made(&self, made: u64) {
        self.made.set(made);
    }

    /// How much is made, 0 to 1.
    fn share(&self) -> f64 {
        (self.made.get() as f64 / self.frames.max(1) as f64).min(1.0)
    }

    /// How long it will take still; not known at the beginning.
    fn left(&self) -> Option<Duration> {
        let share = Some(self.share()).filter(|share| *share > 0.0)?;
        Some(self.began.elapsed().mul_f64((1.0 - share) / share))
    }
}

/// The place of the one that is made; free again when this is dropped.
#[derive(Debug)]
pub struct VideoPlace {
    videos: Videos,
    /// What is told of it.
    pub job: Rc<VideoJob>,
}

impl Drop for VideoPlace {
    fn drop(&mut self) {
        *self.videos.0.now.borrow_mut() = None;
    }
}

/// How it goes with videos.
#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct VideosReport {
    /// Whether H.264 can be made here.
    possible: bool,
    now: Option<VideoReport>,
}

#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct VideoReport {
    id: u64,
    done: f64,
    seconds_left: Option<u64>,
}

impl Videos {
    /// What encodes; `None`: nothing does. It is looked for once, and again as long as there was none.
    pub async fn encoders(&self) -> Option<&VideoEncoders> {
        let find =
            || async { tokio::task::spawn_blocking(VideoEncoders::find).await.ok().flatten().ok_or(()) };
        self.0.encoders.get_or_try_init(find).await.ok()
    }

    /// Takes the one place.
    ///
    /// # Errors
    /// It is taken, for so many seconds still.
    pub fn take_place(&self, id: u64, frames: u64) -> Result<VideoPlace, u32> {
        let mut now = self.0.now.borrow_mut();
        if let Some(other) = now.as_ref() {
            let left = other.left().unwrap_or(Duration::from_secs(10));
            return Err(left.as_secs().clamp(2, 600) as u32);
        }
        let job = Rc::new(VideoJob { id, began: Instant::now(), frames, made: Cell::new(0) });
        *now = Some(Rc::clone(&job));
        Ok(VideoPlace { videos: self.clone(), job })
    }

    /// What is told.
    pub async fn report(&self) -> VideosReport {
        let possible = self.encoders().await.is_some();
        let now = self.0.now.borrow().as_ref().map(|job| VideoReport {
            id: job.id,
            done: (job.share() * 1000.0).round() / 1000.0,
            seconds_left: job.left().map(|left| left.as_secs() + 1),
        });
        VideosReport { possible, now }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_is_made_at_a_time_and_another_when_it_is_over() {
        let videos = Videos::default();
        let place = videos.take_place(7, 200).unwrap();
        place.job.set_made(50);
        assert!((2..=600).contains(&videos.take_place(8, 1).unwrap_err()));
        assert!((place.job.share() - 0.25).abs() < 1e-9 && place.job.left().is_some());
        drop(place);
        assert_eq!(videos.take_place(8, 1).unwrap().job.left(), None);
    }
}
