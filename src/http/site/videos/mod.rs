//! Videos made from recordings: one at a time, or two where there are cores for them.

pub mod shelf;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Notify;

use crate::access::LimitedClient;
use crate::http::site::videos::shelf::{ClipKey, Shelf, ShelvedVideo};
use crate::pipeline::video::VideoEncoders;

/// A video is given up for another client if its own client takes nothing for this time.
const STUCK: Duration = Duration::from_secs(5);

/// From this many cores on, two videos are made at a time.
const CORES_FOR_TWO: usize = 4;

/// The state of video making. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Videos(Rc<VideoState>);

#[derive(Debug, Default)]
pub struct VideoState {
    /// The video encoders, once found.
    encoders: tokio::sync::OnceCell<VideoEncoders>,
    /// The oldest first.
    now: RefCell<Vec<Rc<VideoJob>>>,
    /// Finished videos, and those in the making that are kept.
    pub shelf: Shelf,
}

/// Gives access to the kept videos.
impl std::ops::Deref for Videos {
    type Target = VideoState;

    fn deref(&self) -> &VideoState {
        &self.0
    }
}

/// A video that is being made.
#[derive(Debug)]
pub struct VideoJob {
    key: ClipKey,
    client: LimitedClient,
    began: Instant,
    /// Frames that the video will have.
    frames: u64,
    /// Frames that are done.
    made: Cell<u64>,
    /// Since when it waits for its client.
    waits_since: Cell<Option<Instant>>,
    /// The file that it is written to; none if it is only sent.
    clip: OnceCell<Rc<ShelvedVideo>>,
    /// Its place went to another client.
    gives_way: Notify,
}

impl VideoJob {
    /// Notes that `made` frames are done.
    pub fn set_made(&self, made: u64) {
        self.made.set(made);
    }

    /// Waits until `taken`, the client's next step, is done.
    pub async fn wait_for<T>(&self, taken: impl Future<Output = T>) -> T {
        self.waits_since.set(Some(Instant::now()));
        let taken = taken.await;
        self.waits_since.set(None);
        taken
    }

    /// Waits until the place goes to another client.
    pub async fn give_way(&self) {
        self.gives_way.notified().await;
    }

    /// Notes that it is written to `clip`.
    pub fn fills(&self, clip: Rc<ShelvedVideo>) {
        // A job has one file.
        let _ = self.clip.set(clip);
    }

    /// True if a client waits for it.
    fn is_wanted(&self) -> bool {
        self.clip.get().is_none_or(|clip| clip.is_used())
    }

    /// True if its client takes nothing, or all have left.
    fn is_stuck(&self) -> bool {
        match self.clip.get() {
            Some(_) => !self.is_wanted(),
            None => self.waits_since.get().is_some_and(|since| since.elapsed() >= STUCK),
        }
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

/// A place for making a video; dropping it frees the place.
#[derive(Debug)]
pub struct VideoPlace {
    videos: Videos,
    /// The progress that reports show.
    pub job: Rc<VideoJob>,
}

impl Drop for VideoPlace {
    fn drop(&mut self) {
        self.videos.0.now.borrow_mut().retain(|job| !Rc::ptr_eq(job, &self.job));
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

    /// The number of places.
    pub fn places() -> usize {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        if cores < CORES_FOR_TWO { 1 } else { 2 }
    }

    /// Takes a place, if need be that of a video whose client takes nothing, or of the same video for the same client.
    ///
    /// # Errors
    /// All are taken; the value is the estimated number of seconds until one is free.
    pub fn take_place(&self, key: ClipKey, client: LimitedClient, frames: u64) -> Result<VideoPlace, u32> {
        let mut now = self.0.now.borrow_mut();
        let is_same = |job: &Rc<VideoJob>| job.key == key && job.client == client;
        let is_full = now.len() >= Videos::places();
        let ended = now
            .iter()
            .position(is_same)
            .or_else(|| now.iter().position(|job| job.is_stuck()).filter(|_| is_full));
        match ended {
            Some(ended) => now.remove(ended).gives_way.notify_one(),
            None if is_full => {
                let left = now.iter().map(|job| job.left().unwrap_or(Duration::from_secs(10))).min();
                return Err(left.unwrap_or_default().as_secs().clamp(2, 600) as u32);
            }
            None => {}
        }
        let job = Rc::new(VideoJob {
            key,
            client,
            began: Instant::now(),
            frames,
            made: Cell::new(0),
            waits_since: Cell::new(None),
            clip: OnceCell::new(),
            gives_way: Notify::new(),
        });
        now.push(Rc::clone(&job));
        Ok(VideoPlace { videos: self.clone(), job })
    }

    /// The report for pages and the API.
    pub async fn report(&self) -> VideosReport {
        let possible = self.encoders().await.is_some();
        let now = self.0.now.borrow().iter().find(|job| job.is_wanted()).map(|job| VideoReport {
            id: job.key.id,
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

    /// A place for the recording `id` and the client with this last number of its address.
    fn take(videos: &Videos, id: u64, client: u8, frames: u64) -> Result<VideoPlace, u32> {
        let client = LimitedClient::from_address(std::net::Ipv4Addr::new(192, 0, 2, client).into());
        videos.take_place(ClipKey { id, part: (0, 9), facts: [0; 4] }, client, frames)
    }

    #[test]
    fn a_video_whose_client_takes_nothing_gives_way() {
        let videos = Videos::default();
        let _other = (1..Videos::places()).map(|_| take(&videos, 6, 1, 200).unwrap()).collect::<Vec<_>>();
        let stuck = take(&videos, 7, 1, 200).unwrap();
        for since in [None, Some(Instant::now())] {
            stuck.job.waits_since.set(since);
            assert!(take(&videos, 8, 1, 1).is_err(), "{since:?}");
        }
        stuck.job.waits_since.set(Instant::now().checked_sub(STUCK));
        let place = take(&videos, 8, 1, 1).unwrap();
        drop(stuck);
        assert!(take(&videos, 9, 1, 1).is_err(), "the place is the other's");
        drop(place);
        assert!(take(&videos, 9, 1, 1).is_ok());
    }

    #[tokio::test]
    async fn the_same_client_takes_its_own_video_over() {
        let videos = Videos::default();
        let _other = (1..Videos::places()).map(|_| take(&videos, 6, 1, 200).unwrap()).collect::<Vec<_>>();
        let first = take(&videos, 7, 1, 200).unwrap();
        assert!(take(&videos, 7, 2, 200).is_err(), "another client");
        let second = take(&videos, 7, 1, 200).unwrap();
        first.job.give_way().await;
        drop(first);
        assert!(take(&videos, 8, 1, 1).is_err(), "the place is the second's");
        drop(second);
    }

    #[test]
    fn few_videos_are_made_at_a_time() {
        let videos = Videos::default();
        let _other = (1..Videos::places()).map(|_| take(&videos, 6, 1, 200).unwrap()).collect::<Vec<_>>();
        let place = take(&videos, 7, 1, 200).unwrap();
        place.job.set_made(50);
        assert!((2..=600).contains(&take(&videos, 8, 1, 1).unwrap_err()));
        assert!((place.job.share() - 0.25).abs() < 1e-9 && place.job.left().is_some());
        drop(place);
        assert_eq!(take(&videos, 8, 1, 1).unwrap().job.left(), None);
    }
}
