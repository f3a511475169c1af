//! Long writes to the store's file that go past the kernel's page cache (`O_DIRECT`).
//!
//! SQLite writes page by page, in the order of the file. Neighbours are gathered here until the run ends, and a long
//! run goes to the disk in one piece: the kernel neither copies it nor keeps what nobody is going to read soon. Short
//! runs are left to the page cache, where readers find them. What waits here is in no file yet: whoever has it ends the
//! run before anything else is asked of the file, above all before it is synced.
//!
//! A write past the cache has the kernel forget what it had cached of that place (open(2), `O_DIRECT`); SQLite's locks
//! keep readers away meanwhile. A file system that refuses such writes gets all of them the ordinary way.
//!
//! The descriptor is a second one of the file, and closing one drops every lock that the process has on the file
//! (sqlite.org/howtocorrupt.html, 2.2). So every connection to the file is counted, and descriptors are closed only
//! with the last one.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The longest run, in bytes. Each write of its own costs about as much as moving 200 kB: runs of 256 KiB take half as
/// much CPU again as these, longer ones hardly less.
const MOST: usize = 1 << 20;

/// Shorter runs do not go past the cache.
const LEAST: usize = if cfg!(test) { 8 << 10 } else { 64 << 10 };

/// What places, lengths and memory are multiples of: no disk has larger blocks.
const BLOCK: usize = 4096;

/// A file as the kernel knows it: its device and number.
type Identity = (u64, u64);

/// Files that this process has open through SQLite.
static FILES: Mutex<BTreeMap<Identity, Uses>> = Mutex::new(BTreeMap::new());

#[derive(Default)]
struct Uses {
    connections: usize,
    /// Descriptors past the cache, to be used again.
    parked: Vec<File>,
}

fn files() -> MutexGuard<'static, BTreeMap<Identity, Uses>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn identity(about: &Metadata) -> Identity {
    (about.dev(), about.ino())
}

/// A connection's use of its file, counted until it is dropped, which must be after SQLite has closed it.
pub struct FileUse {
    path: PathBuf,
    identity: Identity,
}

impl FileUse {
    /// Of the file that was just opened; `None` if it is not there any more.
    pub fn from_path(path: &Path) -> Option<FileUse> {
        let identity = identity(&std::fs::metadata(path).ok()?);
        files().entry(identity).or_default().connections += 1;
        Some(FileUse { path: path.to_owned(), identity })
    }

    /// A descriptor of the file past the cache.
    fn descriptor(&self) -> Option<File> {
        if let Some(parked) = files().get_mut(&self.identity).and_then(|uses| uses.parked.pop()) {
            return Some(parked);
        }
        let flags = rustix::fs::OFlags::DIRECT.bits() as i32;
        let file = File::options().write(true).custom_flags(flags).open(&self.path).ok()?;
        if identity(&file.metadata().ok()?) == self.identity {
            return Some(file);
        }
        close_later(file);
        None
    }
}

impl Drop for FileUse {
    fn drop(&mut self) {
        let mut files = files();
        if let Some(uses) = files.get_mut(&self.identity) {
            uses.connections = uses.connections.saturating_sub(1);
            if uses.connections == 0 {
                files.remove(&self.identity);
            }
        }
    }
}

/// Closes a descriptor, as soon as that takes no lock away.
fn close_later(file: File) {
    let Ok(about) = file.metadata() else { return };
    if let Some(uses) = files().get_mut(&identity(&about)) {
        uses.parked.push(file);
    }
}

/// The gathering writer of one connection.
#[derive(Default)]
pub struct DirectFile {
    /// Memory is taken with the first run.
    memory: Vec<u8>,
    /// Where in it the run begins, and how long it is.
    from: usize,
    len: usize,
    /// Its place in the file.
    at: u64,
    /// The size of SQLite's writes in it.
    piece: usize,
    descriptor: Option<File>,
    is_refused: bool,
}

impl DirectFile {
    /// Whether a write would lengthen the run, or begin one.
    pub fn continues(&self, at: u64, len: usize) -> bool {
        if self.len == 0 {
            return !self.is_refused
                && len > 0
                && len.is_multiple_of(BLOCK)
                && at.is_multiple_of(BLOCK as u64);
        }
        at == self.at + self.len as u64 && len == self.piece && self.len + len <= MOST
    }

    /// Lengthens the run; only if it [`DirectFile::continues`].
    pub fn append_run(&mut self, at: u64, bytes: &[u8]) {
        if self.memory.is_empty() {
            self.memory = vec![0; MOST + BLOCK];
            self.from = self.memory.as_ptr().align_offset(BLOCK).min(BLOCK);
        }
        if self.len == 0 {
            (self.at, self.piece) = (at, bytes.len());
        }
        let end = self.from + self.len;
        if let Some(place) = self.memory.get_mut(end..end + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    /// The run that waits, with its place and the size of the writes it is made of; none waits from now on. `true`: it
    /// is one that [`DirectFile::write`] is for.
    pub fn take_pending(&mut self) -> Option<(WriteRun, bool)> {
        let run = WriteRun { at: self.at, len: std::mem::take(&mut self.len), piece: self.piece };
        (run.len > 0).then_some((run, run.len >= LEAST && !self.is_refused))
    }

    /// The bytes of the run that was taken last.
    pub fn bytes(&self, run: WriteRun) -> &[u8] {
        self.memory.get(self.from..self.from + run.len).unwrap_or_default()
    }

    /// Writes a run past the cache. What fails can be written the ordinary way still; if the file system does not do it
    /// at all, nothing is gathered any more.
    pub fn write(&mut self, file: &FileUse, run: WriteRun) -> io::Result<()> {
        if self.descriptor.is_none() {
            self.descriptor = file.descriptor();
        }
        let written = match &self.descriptor {
            Some(descriptor) => descriptor.write_all_at(self.bytes(run), run.at),
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        if let Err(error) = &written
            && matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
        {
            self.is_refused = true;
        }
        written
    }

    /// Has the disk keep the file's bytes and size (fdatasync(2)); `None`: this has no descriptor to do it with.
    pub fn sync(&self) -> Option<io::Result<()>> {
        self.descriptor.as_ref().map(File::sync_data)
    }
}

impl Drop for DirectFile {
    fn drop(&mut self) {
        if let Some(descriptor) = self.descriptor.take() {
            close_later(descriptor);
        }
    }
}

/// A run of neighbouring writes.
#[derive(Debug, Clone, Copy)]
pub struct WriteRun {
    /// Its place in the file.
    pub at: u64,
    /// Its bytes.
    pub len: usize,
    /// The bytes of each write.
    pub piece: usize,
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, OpenFlags};

    use super::*;
    use crate::store::media::file::vfs;

    const MAKE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE);

    fn fill(connection: &Connection, id: i64) {
        connection.execute("INSERT OR REPLACE INTO t VALUES (?1, randomblob(300000))", [id]).unwrap();
    }

    fn made(file: &Path) -> Connection {
        let connection = vfs::open(file, MAKE).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode=truncate; CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)",
            )
            .unwrap();
        connection
    }

    #[test]
    fn runs_are_neighbours_of_one_size_and_bounded() {
        let mut direct = DirectFile::default();
        assert!(direct.take_pending().is_none() && !direct.continues(100, 4096) && !direct.continues(0, 100));
        for n in 0..MOST as u64 / 4096 {
            assert!(direct.continues(8192 + n * 4096, 4096));
            direct.append_run(8192 + n * 4096, &[n as u8; 4096]);
        }
        assert!(!direct.continues(8192 + MOST as u64, 4096), "it is full");
        let (run, is_long) = direct.take_pending().unwrap();
        assert_eq!((run.at, run.len, run.piece, is_long), (8192, MOST, 4096, true));
        assert!(direct.bytes(run).chunks(4096).enumerate().all(|(n, page)| page == [n as u8; 4096]));
        assert_eq!(direct.bytes(run).as_ptr().align_offset(BLOCK), 0);
        direct.append_run(0, &[1; 4096]);
        assert!(
            !direct.continues(8192, 4096) && !direct.continues(4096, 8192) && direct.continues(4096, 4096)
        );
        assert!(direct.take_pending().is_some_and(|(run, is_long)| run.len == 4096 && !is_long));
    }

    /// What goes past the cache is found by connections that have read the same pages before.
    #[test]
    fn readers_see_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.db");
        let writer = made(&file);
        let reader = vfs::open(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        for id in 0..30 {
            fill(&writer, id % 5 + 5 * (id / 20));
            let sum = "SELECT count(*), sum(length(bytes)), group_concat(hex(substr(bytes, 1000, 8))) FROM t";
            let read = |connection: &Connection| {
                connection.query_row(sum, [], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
                })
            };
            assert_eq!(read(&reader).unwrap(), read(&writer).unwrap());
            writer.execute("DELETE FROM t WHERE id = ?1", [(id + 1) % 5]).unwrap();
        }
        let ok: String = reader.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(ok, "ok");
    }

    /// The locks that this process has on a file, as the kernel lists them. One reading may miss some: while it goes
    /// on, other tests' locks come and go, and what follows them in the list changes its place.
    fn locks(file: &Path) -> usize {
        let inode = format!(":{} ", std::fs::metadata(file).unwrap().ino());
        let process = format!(" {} ", std::process::id());
        let ours = |line: &&str| line.contains(&inode) && line.contains(&process);
        let reading = |_| std::fs::read_to_string("/proc/locks").unwrap().lines().filter(ours).count();
        (0..50).map(reading).max().unwrap()
    }

    #[test]
    fn no_lock_of_a_reader_goes_with_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.db");
        let writer = made(&file);
        fill(&writer, 1);
        let key = identity(&std::fs::metadata(&file).unwrap());
        let reader = vfs::open(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM t LIMIT 1").unwrap();
        assert!(locks(&file) > 0);
        drop(writer);
        assert!(locks(&file) > 0);
        let parked = || files().get(&key).map(|uses| uses.parked.len());
        if let Some(parked) = parked() {
            assert!(parked <= 1, "one at most: {parked}");
        }
        // The next writer has the same descriptor.
        drop(vfs::open(&file, MAKE).unwrap());
        reader.execute_batch("COMMIT").unwrap();
        drop(reader);
        assert_eq!((parked(), locks(&file)), (None, 0));
    }
}
