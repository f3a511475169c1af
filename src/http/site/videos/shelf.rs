//! Finished videos, kept for a while so that a player finds their length and seeks in them.
//!
//! Each is an unnamed file beside `media.db`, so that none is left after a stop or a crash. Clients that ask for the
//! same video share the file: they read it while it grows, and with ranges afterwards. Recordings come first: the
//! files take what is free and at most half of `min_free` ([`Loan`]). They are removed when this room is gone.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use tallycam_base::private;
use tallycam_store::media::{Loan, Media};

/// A video that nobody has asked for during this time is removed.
const KEPT: Duration = Duration::from_secs(600);

/// A video in the making is given up when nobody has waited for it during this time: a browser that opens an address
/// asks, leaves, and asks again for a range.
const LINGER: Duration = Duration::from_secs(10);

/// Maximum bytes of all files together.
const MOST_BYTES: u64 = 512 << 20;

/// Interval between two looks at the room and the age of the files.
pub const SWEEP: Duration = Duration::from_secs(2);

/// The facts that the bytes of a video depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipKey {
    /// The recording's ID.
    pub id: u64,
    /// Start and end of the part, in microseconds.
    pub part: (u64, u64),
    /// Capture time and duration of the recording in microseconds, its number of frames, and their bytes.
    pub facts: [u64; 4],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClipState {
    /// This many bytes are there, and more will come.
    Growing(u64),
    /// All bytes are there; their number.
    Whole(u64),
    /// It was given up: why.
    Broken(String),
}

/// A video in its file.
#[derive(Debug)]
pub struct ShelvedVideo {
    key: ClipKey,
    /// Its entity tag. Another conversion of the same recording may have other bytes.
    pub tag: String,
    file: Arc<ShelfFile>,
    state: watch::Sender<ClipState>,
    /// Clients that wait for it or read it.
    users: Cell<usize>,
    used: Cell<Instant>,
    /// The expected number of bytes.
    expected: u64,
}

/// The file of a video.
#[derive(Debug)]
struct ShelfFile {
    file: File,
    loan: Loan,
}

impl ShelfFile {
    /// Gives its room back. Blocks: a large file has many blocks to free.
    fn empty(&self) {
        match self.file.set_len(0) {
            Ok(()) => self.loan.give_back(),
            Err(error) => log::warn!("a video that is no longer needed keeps its room: {error}"),
        }
    }
}

impl Drop for ShelvedVideo {
    fn drop(&mut self) {
        // Closing the file would give its room back here. Without a runtime the program ends, and closes it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let file = Arc::clone(&self.file);
            drop(runtime.spawn_blocking(move || file.empty()));
        }
    }
}

impl ShelvedVideo {
    /// Adds bytes to its end.
    ///
    /// # Errors
    /// The disk does not take them, or it was removed meanwhile.
    pub async fn append(&self, piece: Bytes) -> io::Result<()> {
        let ClipState::Growing(at) = *self.state.borrow() else { return Err(removed()) };
        let (file, len) = (Arc::clone(&self.file), piece.len() as u64);
        blocking(move || {
            file.loan.take(len);
            file.file.write_all_at(&piece, at)
        })
        .await?;
        // It may have been removed while this was written.
        let is_there = self.state.send_if_modified(|state| {
            let is_growing = matches!(state, ClipState::Growing(_));
            if is_growing {
                *state = ClipState::Growing(at + len);
            }
            is_growing
        });
        if is_there {
            return Ok(());
        }
        let file = Arc::clone(&self.file);
        blocking(move || {
            file.empty();
            Err(removed())
        })
        .await
    }

    /// Notes that all bytes are there.
    pub fn finish(&self) {
        self.state.send_modify(|state| {
            if let ClipState::Growing(len) = *state {
                *state = ClipState::Whole(len);
            }
        });
    }

    /// Gives it up, and soon its room back, even if clients read it.
    pub fn break_off(&self, why: &str) {
        self.state.send_replace(ClipState::Broken(why.to_owned()));
        let file = Arc::clone(&self.file);
        drop(tokio::task::spawn_blocking(move || file.empty()));
    }

    /// Waits until its state is `wanted`, and returns it.
    pub async fn wait(&self, wanted: impl FnMut(&ClipState) -> bool) -> ClipState {
        let mut states = self.state.subscribe();
        let state = states.wait_for(wanted).await.map(|state| state.clone());
        state.unwrap_or_else(|_| ClipState::Broken(String::from("the server stops")))
    }

    /// At most `most` bytes from `at` on; empty if it was removed meanwhile.
    ///
    /// # Errors
    /// The disk.
    pub async fn read(&self, at: u64, most: usize) -> io::Result<Bytes> {
        let file = Arc::clone(&self.file);
        blocking(move || {
            let mut piece = vec![0; most];
            let len = file.file.read_at(&mut piece, at)?;
            piece.truncate(len);
            Ok(piece.into())
        })
        .await
    }

    /// Waits until nobody has waited for it for a while.
    pub async fn abandoned(&self) {
        while self.is_used() || self.used.get().elapsed() < LINGER {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    pub fn is_used(&self) -> bool {
        self.users.get() > 0
    }

    /// Bytes that it has, or will have.
    fn bytes(&self) -> u64 {
        match *self.state.borrow() {
            ClipState::Growing(len) => len.max(self.expected),
            ClipState::Whole(len) => len,
            ClipState::Broken(_) => 0,
        }
    }
}

fn removed() -> io::Error {
    io::Error::other("there is no more room for it")
}

async fn blocking<T: Send + 'static>(job: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(job).await.map_err(io::Error::other)?
}

/// A client's use of a clip.
#[derive(Debug)]
pub struct ClipUse(Rc<ShelvedVideo>);

impl ClipUse {
    fn new(clip: &Rc<ShelvedVideo>) -> ClipUse {
        clip.users.set(clip.users.get() + 1);
        ClipUse(Rc::clone(clip))
    }

    /// The clip, for its maker, who is no client.
    pub fn clip(&self) -> Rc<ShelvedVideo> {
        Rc::clone(&self.0)
    }
}

impl Deref for ClipUse {
    type Target = ShelvedVideo;

    fn deref(&self) -> &ShelvedVideo {
        &self.0
    }
}

impl Drop for ClipUse {
    fn drop(&mut self) {
        self.0.users.set(self.0.users.get() - 1);
        self.0.used.set(Instant::now());
    }
}

/// All clips.
#[derive(Debug, Default)]
pub struct Shelf {
    clips: RefCell<Vec<Rc<ShelvedVideo>>>,
    /// True while it is swept.
    pub is_swept: Cell<bool>,
}

impl Shelf {
    /// The clip of `key`, finished or in the making.
    pub fn find(&self, key: &ClipKey) -> Option<ClipUse> {
        let clips = self.clips.borrow();
        let is_it = |clip: &&Rc<ShelvedVideo>| {
            clip.key == *key && !matches!(*clip.state.borrow(), ClipState::Broken(_))
        };
        clips.iter().find(is_it).map(ClipUse::new)
    }

    /// A new clip of about `expected` bytes. `None` if there is no room for it.
    pub async fn begin(&self, media: &Media, key: ClipKey, tag: String, expected: u64) -> Option<ClipUse> {
        let store = media.clone();
        let opened = blocking(move || {
            let room = store.lendable_bytes().min(MOST_BYTES);
            if expected > room {
                return Ok(None);
            }
            let folder = store.file().parent().filter(|folder| !folder.as_os_str().is_empty());
            let file = private::unnamed(folder.unwrap_or(Path::new(".")))?;
            Ok(Some((room, ShelfFile { file, loan: store.loan() })))
        });
        let (room, file) =
            opened.await.inspect_err(|error| log::debug!("no video is kept: {error}")).ok()??;
        let file = Arc::new(file);
        if !self.make_room(expected, room) {
            return None;
        }
        let clip = Rc::new(ShelvedVideo {
            key,
            tag,
            file,
            state: watch::Sender::new(ClipState::Growing(0)),
            users: Cell::new(0),
            used: Cell::new(Instant::now()),
            expected,
        });
        self.clips.borrow_mut().push(Rc::clone(&clip));
        Some(ClipUse::new(&clip))
    }

    /// Removes finished clips that nobody reads, the longest unused first, until all and `expected` more bytes
    /// fit into `room`.
    fn make_room(&self, expected: u64, room: u64) -> bool {
        let mut clips = self.clips.borrow_mut();
        while clips.iter().map(|clip| clip.bytes()).sum::<u64>().saturating_add(expected) > room {
            let is_idle = |clip: &ShelvedVideo| {
                !clip.is_used() && !matches!(*clip.state.borrow(), ClipState::Growing(_))
            };
            let oldest =
                (0..clips.len()).filter(|n| is_idle(&clips[*n])).min_by_key(|n| clips[*n].used.get());
            match oldest {
                Some(oldest) => drop(clips.remove(oldest)),
                None => return false,
            }
        }
        true
    }

    /// Removes a clip.
    pub fn remove(&self, clip: &Rc<ShelvedVideo>) {
        self.clips.borrow_mut().retain(|kept| !Rc::ptr_eq(kept, clip));
    }

    fn remove_all(&self, why: &str) {
        let clips = std::mem::take(&mut *self.clips.borrow_mut());
        clips.iter().for_each(|clip| clip.break_off(why));
    }

    fn remove_where(&self, is_removed: impl Fn(&ShelvedVideo) -> bool) {
        self.clips.borrow_mut().retain(|clip| !is_removed(clip));
    }

    /// The ids of their items.
    pub fn ids(&self) -> Vec<u64> {
        self.clips.borrow().iter().map(|clip| clip.key.id).collect()
    }

    /// Removes the videos of a recording that was removed.
    pub fn remove_item(&self, id: u64) {
        self.remove_where(|clip| {
            let is_it = clip.key.id == id;
            if is_it {
                clip.break_off("the recording was removed");
            }
            is_it
        });
    }

    /// Removes what nobody has used for a while, and finished videos that nobody reads until the rest fits into `room`.
    /// Removes all if the rest does not fit, or if only counts are given.
    pub fn sweep(&self, room: u64, is_counts_only: bool) {
        if is_counts_only {
            self.remove_all("only counts are given now");
        } else if !self.make_room(0, room) {
            self.remove_all("the disk is nearly full");
        }
        self.remove_where(|clip| {
            let is_finished = !matches!(*clip.state.borrow(), ClipState::Growing(_));
            is_finished && !clip.is_used() && clip.used.get().elapsed() >= KEPT
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn clip(shelf: &Shelf, id: u64, len: u64) -> ClipUse {
        let key = ClipKey { id, part: (0, u64::MAX), facts: [0; 4] };
        let clip = Rc::new(ShelvedVideo {
            key,
            tag: String::new(),
            file: Arc::new(ShelfFile { file: tempfile::tempfile().unwrap(), loan: Loan::default() }),
            state: watch::Sender::new(ClipState::Growing(len)),
            users: Cell::new(0),
            used: Cell::new(Instant::now()),
            expected: 0,
        });
        shelf.clips.borrow_mut().push(Rc::clone(&clip));
        ClipUse::new(&clip)
    }

    #[tokio::test]
    async fn the_longest_unused_goes_first_and_none_that_is_read_or_made() {
        let shelf = Shelf::default();
        let part = MOST_BYTES / 4;
        let (first, second, third) = (clip(&shelf, 1, part), clip(&shelf, 2, part), clip(&shelf, 3, part));
        assert!(
            shelf.make_room(part, MOST_BYTES) && !shelf.make_room(part + 1, MOST_BYTES),
            "all are in the making"
        );
        for clip in [&first, &second, &third] {
            clip.finish();
        }
        assert!(!shelf.make_room(part + 1, MOST_BYTES), "all are read");
        drop(second);
        drop(first);
        assert!(shelf.make_room(part + 1, MOST_BYTES));
        assert_eq!(shelf.ids(), [1, 3], "the first was used later");
        assert!(shelf.make_room(3 * part, MOST_BYTES));
        assert_eq!(shelf.ids(), [3]);
    }

    #[tokio::test]
    async fn a_clip_that_is_removed_gives_its_room_back_and_takes_no_more() {
        let shelf = Shelf::default();
        let used = clip(&shelf, 1, 0);
        used.append(Bytes::from_static(b"film")).await.unwrap();
        assert_eq!(used.read(1, 9).await.unwrap(), "ilm");
        shelf.remove_all("the disk is nearly full");
        assert!(used.append(Bytes::from_static(b"more")).await.is_err());
        while used.file.file.metadata().unwrap().len() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(used.read(0, 9).await.unwrap().is_empty());
        used.finish();
        assert_eq!(used.wait(|_| true).await, ClipState::Broken(String::from("the disk is nearly full")));
        assert!(shelf.find(&used.key).is_none());
    }

    #[tokio::test]
    async fn clips_are_kept_while_they_fit_and_go_when_other_files_take_the_room() {
        let shelf = Shelf::default();
        let (idle, read) = (clip(&shelf, 1, 100), clip(&shelf, 2, 100));
        idle.finish();
        drop(idle);
        shelf.sweep(200, false);
        assert_eq!(shelf.ids(), [1, 2]);
        shelf.sweep(199, false);
        assert_eq!(shelf.ids(), [2], "the one that nobody reads");
        shelf.sweep(99, false);
        assert!(shelf.ids().is_empty() && matches!(*read.state.borrow(), ClipState::Broken(_)));
    }
}
