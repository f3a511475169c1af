//! Videos made from recordings: one at a time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::OnceCell;

use crate::pipeline::video::VideoEncoders;

/// The state of video making. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Videos(Rc<VideoState>);

#[derive(Debug, Default)]
struct VideoState {
    /// The video encoders, once found.
    encoders: OnceCell<VideoEncoders>,
    now: RefCell<Option<Rc<VideoJob>>>,
}

/// A video that is being made.
#[derive(Debug)]
pub struct VideoJob {
    /// The recording's ID.
    id: u64,
    began: Instant,
    /// Frames that the video will have.
    frames: u64,
    /// Frames that are done.
    made: Cell<u64>,
}

impl VideoJob {
    /// Notes that `made` frames are done.
    pub fn set_made(&self, made: u64) {
        self.made.set(made);
    }

    /// The share that is done, 0 to 1.
    fn share(&self) -> f64 {
        (self.made.get() as f64 / self.frames.max(1) as f64).min(1.0)
    }

    /// The estimated time left; unknown at the beginning.
    fn left(&self) -> Option<Duration> {
        let share = Some(self.share()).filter(|share| *share > 0.0)?;
        Some(self.began.elapsed().mul_f64((1.0 - share) / share))
    }
}

/// The only place for making a video; dropping it frees the place.
#[derive(Debug)]
pub struct VideoPlace {
    videos: Videos,
    /// The progress that reports show.
    pub job: Rc<VideoJob>,
}

impl Drop for VideoPlace {
    fn drop(&mut self) {
        *self.videos.0.now.borrow_mut() = None;
    }
}

/// The state of video making.
#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct VideosReport {
    /// This machine can make H.264.
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
    /// The video encoders; `None` if there are none. They are looked for until they are found.
    pub async fn encoders(&self) -> Option<&VideoEncoders> {
        let find =
            || async { tokio::task::spawn_blocking(VideoEncoders::find).await.ok().flatten().ok_or(()) };
        self.0.encoders.get_or_try_init(find).await.ok()
    }

    /// Takes the only place.
    ///
    /// # Errors
    /// The place is taken; the value is the estimated number of seconds until it is free.
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

    /// The report for pages and the API.
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
    fn one_video_is_made_at_a_time() {
        let videos = Videos::default();
        let place = videos.take_place(7, 200).unwrap();
        place.job.set_made(50);
        assert!((2..=600).contains(&videos.take_place(8, 1).unwrap_err()));
        assert!((place.job.share() - 0.25).abs() < 1e-9 && place.job.left().is_some());
        drop(place);
        assert_eq!(videos.take_place(8, 1).unwrap().job.left(), None);
    }
}
