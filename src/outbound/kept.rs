//! A small JSON file beside counts.db that keeps the progress of a task: a restart repeats nothing and leaves nothing
//! out.
//!
//! It is a file of its own and no table of counts.db. A place that was sent to somebody is no count, and a backup of
//! counts.db must not take it along. A damaged counts.db must not make every message come again. The file is written
//! at most every [`PAUSE`] while there is more to send: after a power cut the last crossings may be sent twice.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tallycam_base::private;
use tokio::task::spawn_blocking;

/// Shortest time between two writes while there is more to send.
const PAUSE: Duration = Duration::from_secs(5);

/// The file, and what it keeps.
#[derive(Debug)]
pub struct KeptFile<T> {
    file: PathBuf,
    content: T,
    is_dirty: bool,
    written: Option<Instant>,
    complaint: Option<String>,
    /// Held while the file is written.
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl<T: Serialize + DeserializeOwned + Default + PartialEq> KeptFile<T> {
    /// Reads the file `name`. One that cannot be read counts as empty. Blocks.
    pub fn read(directory: &Path, name: &str) -> KeptFile<T> {
        let file = directory.join(name);
        let read = std::fs::read(&file).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        let content = read.unwrap_or_else(|error| {
            if error.kind() != std::io::ErrorKind::NotFound {
                let shown = file.display();
                log::error!("{shown} cannot be read, messages begin with what happens from now on: {error}");
            }
            T::default()
        });
        KeptFile { file, content, is_dirty: false, written: None, complaint: None, writing: Arc::default() }
    }

    pub fn content(&self) -> &T {
        &self.content
    }

    /// Changes the content. The file is written by [`save`].
    pub fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R
    where
        T: Clone,
    {
        let before = self.content.clone();
        let result = change(&mut self.content);
        self.is_dirty |= self.content != before;
        result
    }

    /// The file and its text, if it is to be written now.
    fn due(&mut self, is_more_to_send: bool) -> Option<(PathBuf, String)> {
        let is_early = self.written.is_some_and(|at| at.elapsed() < PAUSE);
        if !self.is_dirty || (is_more_to_send && is_early) {
            return None;
        }
        (self.is_dirty, self.written) = (false, Some(Instant::now()));
        Some((self.file.clone(), serde_json::to_string(&self.content).unwrap_or_default()))
    }

    /// Notes the outcome of a write. Each reason is logged once.
    fn wrote(&mut self, outcome: std::io::Result<()>) {
        let complaint = outcome.err().map(|error| error.to_string());
        if let Some(why) = complaint.as_ref().filter(|why| self.complaint.as_ref() != Some(why)) {
            log::error!("{} cannot be written, a restart may repeat messages: {why}", self.file.display());
        }
        self.is_dirty |= complaint.is_some();
        self.complaint = complaint;
    }
}

/// Writes the file, if it is time. One at a time: a write that is overtaken would leave an older text.
pub async fn save<T>(kept: &Rc<RefCell<KeptFile<T>>>, is_more_to_send: bool)
where
    T: Serialize + DeserializeOwned + Default + PartialEq,
{
    let writing = kept.borrow().writing.clone();
    let _one = writing.lock().await;
    let Some((file, text)) = kept.borrow_mut().due(is_more_to_send) else { return };
    if let Ok(outcome) = spawn_blocking(move || private::replace(&file, text.as_bytes())).await {
        kept.borrow_mut().wrote(outcome);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_told_is_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept: KeptFile<u64> = KeptFile::read(folder.path(), "told.json");
        kept.change(|content| *content = 7);
        let (file, text) = kept.due(true).unwrap();
        private::replace(&file, text.as_bytes()).unwrap();
        assert_eq!(KeptFile::<u64>::read(folder.path(), "told.json").content(), &7);
        kept.change(|content| *content = 8);
        assert!(kept.due(true).is_none(), "not at each crossing");
        assert!(kept.due(false).is_some());
        assert!(kept.due(false).is_none(), "nothing has changed");
        kept.wrote(Err(std::io::ErrorKind::StorageFull.into()));
        assert!(kept.due(false).is_some(), "it is tried again");
    }

    #[test]
    fn a_damaged_file_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("told.json"), "{").unwrap();
        assert_eq!(KeptFile::<u64>::read(folder.path(), "told.json").content(), &0);
    }
}
