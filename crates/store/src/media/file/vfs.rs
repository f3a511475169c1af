//! The layer between SQLite and the writer's file: a VFS (sqlite.org/vfs.html) over SQLite's own one for Unix.
//!
//! It passes everything on unchanged. During a backup it saves pages that the backup has not read before they are
//! overwritten ([`Frozen`]). Tests make the disk fail here.
//!
//! Locks are SQLite's own, on its own descriptor. A connection and its files belong to one thread at a time.
//!
//! This is the only file of the store with `unsafe`, for SQLite's C interface.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;

use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};
use rusqlite::{Connection, OpenFlags};

use super::free_list::Trunk;
use super::frozen::Frozen;
use crate::sqlite;

/// Bytes per read call; SQLite's layer over the file accepts fewer than 128 KiB.
const READ_AT_ONCE: usize = 64 << 10;

const NAME: &CStr = c"tallycam-media";

/// Opens `file` through this VFS.
pub fn open(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    static REGISTERED: OnceLock<c_int> = OnceLock::new();
    match *REGISTERED.get_or_init(register_vfs) {
        ffi::SQLITE_OK => sqlite::open_private(file, flags, |file, flags| {
            Connection::open_with_flags_and_vfs(file, flags, NAME)
        }),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

fn register_vfs() -> c_int {
    // SAFETY: the name is a C string; SQLite initialises itself in this call.
    let inner = unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) };
    if inner.is_null() {
        return ffi::SQLITE_ERROR;
    }
    // SAFETY: a VFS that is found is whole, and SQLite's own ones live as long as the process.
    let mut outer: sqlite3_vfs = unsafe { *inner };
    outer.szOsFile += size_of::<File>() as c_int;
    outer.pNext = ptr::null_mut();
    outer.zName = NAME.as_ptr();
    outer.xOpen = Some(open_file);
    // All other methods are those of the inner VFS, which use only numbers of the VFS that they are called with.
    // SAFETY: it is whole, and lives as long as the process since it is never freed.
    unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(outer)), 0) }
}

/// SQLite's memory for an open file: its own part, then ours, then the inner VFS's file in the same allocation.
#[repr(C)]
struct File {
    base: sqlite3_file,
    state: *mut OpenFileState,
}

/// Our state of an open file.
struct OpenFileState {
    inner: InnerFile,
    frozen: Option<Frozen>,
}

struct InnerFile {
    file: *mut sqlite3_file,
    #[cfg(test)]
    faults: Option<crate::media::faults::Faults>,
}

/// Calls a method of the inner file. A missing method returns the code that a VFS should.
macro_rules! inner {
    ($inner:expr, $method:ident $(, $argument:expr)*) => {{
        let file = $inner.file;
        // SAFETY: the inner file is open as long as its state lives, so its table of methods is valid. The arguments
        // are those that SQLite gave for this very method, or slices of ours with their length.
        unsafe {
            match (*(*file).pMethods).$method {
                Some(method) => method(file $(, $argument)*),
                None => ffi::SQLITE_NOTFOUND,
            }
        }
    }};
}

impl InnerFile {
    fn write(&self, at: u64, bytes: &[u8]) -> c_int {
        #[cfg(test)]
        if let Some(code) = self.fault(crate::media::faults::Operation::Write) {
            // As a failing disk would do: half of the bytes are written.
            inner!(self, xWrite, bytes.as_ptr().cast(), bytes.len() as c_int / 2, at as i64);
            return code;
        }
        inner!(self, xWrite, bytes.as_ptr().cast(), bytes.len() as c_int, at as i64)
    }

    fn read(&self, at: u64, into: &mut [u8]) -> c_int {
        inner!(self, xRead, into.as_mut_ptr().cast(), into.len() as c_int, at as i64)
    }

    /// Reads a piece of any size.
    fn read_all(&self, mut at: u64, into: &mut [u8]) -> io::Result<()> {
        for piece in into.chunks_mut(READ_AT_ONCE) {
            match self.read(at, piece) {
                // SQLite has filled the part beyond the end with zeros.
                ffi::SQLITE_OK | ffi::SQLITE_IOERR_SHORT_READ => at += piece.len() as u64,
                code => check_code(code)?,
            }
        }
        Ok(())
    }

    #[cfg(test)]
    fn fault(&self, operation: crate::media::faults::Operation) -> Option<c_int> {
        self.faults.as_ref().and_then(|faults| faults.next(operation))
    }
}

impl OpenFileState {
    fn write(&mut self, at: u64, bytes: &[u8]) -> c_int {
        if let Some(frozen) = &mut self.frozen {
            frozen.before_change(at, at + bytes.len() as u64, |at, into| self.inner.read_all(at, into));
        }
        self.inner.write(at, bytes)
    }

    fn truncate(&mut self, size: i64) -> c_int {
        if let Some(frozen) = &mut self.frozen {
            frozen.before_change(size as u64, u64::MAX, |at, into| self.inner.read_all(at, into));
        }
        #[cfg(test)]
        if let Some(code) = self.inner.fault(crate::media::faults::Operation::Truncate) {
            return code;
        }
        inner!(self.inner, xTruncate, size)
    }

    fn sync(&self, flags: c_int) -> c_int {
        #[cfg(test)]
        if let Some(code) = self.inner.fault(crate::media::faults::Operation::Sync) {
            return code;
        }
        inner!(self.inner, xSync, flags)
    }
}

/// The state behind a file of ours.
///
/// # Safety
/// `file` was opened by [`open_file`] and not closed since, and no other reference to its state is alive.
unsafe fn state<'a>(file: *mut sqlite3_file) -> &'a mut OpenFileState {
    // SAFETY: by the caller: it is the first part of a whole `File`, whose state is set while it is open. SQLite
    // calls the methods of a file from one thread at a time and never from within another.
    unsafe { &mut *(*file.cast::<File>()).state }
}

unsafe extern "C" fn open_file(
    _vfs: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: the name is a C string; this VFS was found when ours was registered.
    let inner_vfs = unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) };
    // SAFETY: SQLite's VFS is whole and stays.
    let Some(open) = (unsafe { inner_vfs.as_ref() }).and_then(|vfs| vfs.xOpen) else {
        return ffi::SQLITE_CANTOPEN;
    };
    if flags & (ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_MAIN_JOURNAL) == 0 {
        // SAFETY: SQLite's own arguments; the memory is large enough for ours, thus for the inner file.
        return unsafe { open(inner_vfs, name, file, flags, flags_out) };
    }
    // SAFETY: SQLite gives `szOsFile` bytes, aligned to eight, for both files.
    let inner = unsafe {
        (*file).pMethods = ptr::null();
        file.cast::<File>().add(1).cast::<sqlite3_file>()
    };
    // SAFETY: a name, if there is one, is a C string that lives while the file is open.
    #[cfg(test)]
    let faults = (!name.is_null())
        .then(|| unsafe { CStr::from_ptr(name) })
        .and_then(crate::media::faults::Faults::lookup);
    #[cfg(test)]
    if let Some(code) = faults.as_ref().and_then(|faults| faults.next(crate::media::faults::Operation::Open))
    {
        return code;
    }
    // SAFETY: as above, with the inner file's own memory, which `xOpen` fills. An inner file that failed to open but
    // has methods must be closed (sqlite3.h, xOpen).
    let code = unsafe {
        (*inner).pMethods = ptr::null();
        let code = open(inner_vfs, name, inner, flags, flags_out);
        if code != ffi::SQLITE_OK
            && let Some(close) = (*inner).pMethods.as_ref().and_then(|methods| methods.xClose)
        {
            close(inner);
        }
        code
    };
    if code == ffi::SQLITE_OK {
        let inner = InnerFile {
            file: inner,
            #[cfg(test)]
            faults,
        };
        let state = Box::new(OpenFileState { inner, frozen: None });
        // SAFETY: the memory is ours until `xClose`, which frees the state.
        unsafe {
            (*file.cast::<File>()).state = Box::into_raw(state);
            (*file).pMethods = &METHODS;
        }
    }
    code
}

/// Methods that only call the inner one.
macro_rules! passing {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) => $method:ident;)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $argument: $kind)*) -> c_int {
            // SAFETY: SQLite calls this for files that `open_file` opened.
            let state = unsafe { state(file) };
            inner!(state.inner, $method $(, $argument)*)
        }
    )*};
}

passing! {
    fn read(into: *mut c_void, count: c_int, at: i64) => xRead;
    fn file_size(size: *mut i64) => xFileSize;
    fn lock(level: c_int) => xLock;
    fn unlock(level: c_int) => xUnlock;
    fn check_reserved_lock(out: *mut c_int) => xCheckReservedLock;
    fn shm_map(region: c_int, size: c_int, extend: c_int, out: *mut *mut c_void) => xShmMap;
    fn shm_lock(offset: c_int, count: c_int, flags: c_int) => xShmLock;
    fn shm_unmap(delete: c_int) => xShmUnmap;
    fn sector_size() => xSectorSize;
    fn device_characteristics() => xDeviceCharacteristics;
    fn file_control(operation: c_int, argument: *mut c_void) => xFileControl;
}

unsafe extern "C" fn write(file: *mut sqlite3_file, bytes: *const c_void, count: c_int, at: i64) -> c_int {
    // SAFETY: SQLite calls this for files that `open_file` opened, with `count` bytes at `bytes`.
    let (state, bytes) =
        unsafe { (state(file), std::slice::from_raw_parts(bytes.cast::<u8>(), count.max(0) as usize)) };
    state.write(at as u64, bytes)
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    // SAFETY: SQLite calls this for files that `open_file` opened.
    unsafe { state(file) }.truncate(size)
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite calls this for files that `open_file` opened.
    unsafe { state(file) }.sync(flags)
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: SQLite calls this for files that `open_file` opened; the inner file is open and has its methods.
    unsafe {
        let inner = state(file).inner.file;
        if let Some(barrier) = (*(*inner).pMethods).xShmBarrier {
            barrier(inner);
        }
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite calls this once for a file that `open_file` opened: the state is a box that it made.
    let state = unsafe { Box::from_raw((*file.cast::<File>()).state) };
    let code = inner!(state.inner, xClose);
    // SAFETY: it is still SQLite's memory; without methods it is a closed file.
    unsafe { (*file).pMethods = ptr::null() };
    code
}

/// Version 2 has no memory mapping, which would bypass these methods.
static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The file behind a connection that [`open`] opened, for operations that SQL lacks. It borrows the connection, so
/// that the file stays open and no statement runs meanwhile: a connection is not used by two threads at once.
#[derive(Debug)]
pub(crate) struct WriterFile<'c> {
    file: *mut sqlite3_file,
    connection: PhantomData<&'c Connection>,
}

impl<'c> WriterFile<'c> {
    /// `None` if the connection does not use this VFS.
    pub(crate) fn from_connection(connection: &'c Connection) -> Option<WriterFile<'c>> {
        let mut file: *mut sqlite3_file = ptr::null_mut();
        // SAFETY: the connection is open. This operation only writes a pointer to the main file to `out`.
        let code = unsafe {
            let out = ptr::from_mut(&mut file).cast::<c_void>();
            ffi::sqlite3_file_control(
                connection.handle(),
                c"main".as_ptr(),
                ffi::SQLITE_FCNTL_FILE_POINTER,
                out,
            )
        };
        // SAFETY: a pointer it gave is to a file that is open as long as the connection.
        let methods = unsafe { file.as_ref() }.map(|file| file.pMethods);
        (code == ffi::SQLITE_OK && methods.is_some_and(|methods| ptr::eq(methods, &METHODS)))
            .then_some(WriterFile { file, connection: PhantomData })
    }

    fn with_state<T>(&mut self, act: impl FnOnce(&mut OpenFileState) -> T) -> T {
        // SAFETY: it is one of ours and open, see `from_connection`. No method of it runs, because methods run within
        // calls that use the connection, and `act` (in this file) makes no such call.
        act(unsafe { state(self.file) })
    }

    /// Reads the current file.
    pub fn read(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.with_state(|state| state.inner.read_all(at, into))
    }

    /// Overwrites unused bytes with zeros. They are on the disk after [`WriterFile::sync`].
    pub fn wipe(&mut self, at: u64, len: usize) -> io::Result<()> {
        let zeros = vec![0; len];
        self.with_state(|state| check_code(state.write(at, &zeros)))
    }

    /// Syncs written bytes to the disk.
    pub fn sync(&mut self) -> io::Result<()> {
        self.with_state(|state| check_code(state.sync(ffi::SQLITE_SYNC_NORMAL)))
    }

    /// Starts a backup: pages that `frozen` needs are saved from now on. It ends an earlier one.
    pub fn freeze(&mut self, frozen: Frozen) {
        self.with_state(|state| state.frozen = Some(frozen));
    }

    /// Whether a backup is under way.
    pub(crate) fn is_frozen(&mut self) -> bool {
        self.with_state(|state| state.frozen.is_some())
    }

    /// A part of the frozen file, before the first `read_frozen`.
    pub(crate) fn read_frozen_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.with_state(|state| match &state.frozen {
            Some(frozen) => frozen.read_original(at, into, |at, into| state.inner.read_all(at, into)),
            None => Err(io::Error::other("the file is not frozen")),
        })
    }

    /// Excludes the unused pages that a trunk of the free list names.
    pub(crate) fn exclude_free_pages(&mut self, trunk: &Trunk) {
        self.with_state(|state| {
            if let Some(frozen) = &mut state.frozen {
                frozen.exclude_free_pages(trunk);
            }
        });
    }

    /// The next bytes of the frozen file; 0 at its end.
    pub(crate) fn read_frozen(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.with_state(|state| match &mut state.frozen {
            Some(frozen) => frozen.read(into, |at, into| state.inner.read_all(at, into)),
            None => Err(io::Error::other("the file is not frozen")),
        })
    }

    /// Ends the backup and frees the saved pages.
    pub(crate) fn thaw(&mut self) {
        self.with_state(|state| state.frozen = None);
    }
}

/// SQLite's code as an error.
fn check_code(code: c_int) -> io::Result<()> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(io::Error::other(ffi::Error::new(code).to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::faults::{Failing, Faults};

    const MAKE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE);

    fn make(file: &Path) -> Connection {
        let connection = open(file, MAKE).unwrap();
        connection
            .execute_batch(
                "PRAGMA page_size=4096; PRAGMA journal_mode=truncate; PRAGMA synchronous=full; PRAGMA cache_size=20;
                 CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB);",
            )
            .unwrap();
        connection
    }

    fn fill(connection: &Connection, ids: std::ops::Range<i64>, len: usize) {
        connection.execute_batch("BEGIN").unwrap();
        for id in ids {
            let bytes = vec![id as u8; len];
            connection.execute("INSERT OR REPLACE INTO t VALUES (?1, ?2)", (id, bytes)).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    }

    fn word(connection: &Connection, pragma: &str) -> String {
        connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_file_is_an_ordinary_database() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a file.db");
        let writer = make(&file);
        fill(&writer, 1..50, 9000);
        let reader = Connection::open(&file).unwrap();
        assert_eq!(word(&reader, "integrity_check"), "ok");
        // Both sides see each other's locks.
        writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
        reader.busy_timeout(std::time::Duration::ZERO).unwrap();
        let busy = reader.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap_err();
        assert_eq!(busy.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
        writer.execute_batch("DELETE FROM t; ROLLBACK").unwrap();
        assert_eq!(reader.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 49);
        // A WAL works too, should somebody have chosen it.
        assert_eq!(word(&writer, "journal_mode=wal"), "wal");
        fill(&writer, 50..60, 9000);
        assert_eq!(reader.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 59);
        drop(reader);
        assert_eq!(word(&writer, "journal_mode=truncate"), "truncate");
        drop(writer);
        assert_eq!(word(&open(&file, MAKE).unwrap(), "integrity_check"), "ok");
        assert!(open(&directory.path().join("none/there.db"), MAKE).is_err());
        // SQLite itself handles memory and temporary files.
        for nameless in [":memory:", ""] {
            let open = Connection::open_with_flags_and_vfs(nameless, MAKE, NAME).unwrap();
            open.execute_batch("CREATE TABLE t (a)").unwrap();
        }
    }

    #[test]
    fn only_our_connections_have_a_writer_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("t.db");
        let writer = make(&file);
        let mut ours = WriterFile::from_connection(&writer).unwrap();
        let mut head = [0; 16];
        ours.read(0, &mut head).unwrap();
        assert_eq!(&head, b"SQLite format 3\0");
        assert!(!ours.is_frozen() && ours.read_frozen(&mut head).is_err());
        assert!(WriterFile::from_connection(&Connection::open(&file).unwrap()).is_none());
        assert!(WriterFile::from_connection(&Connection::open_in_memory().unwrap()).is_none());
    }

    /// Through commits, spilled pages, rolled back transactions and a shrinking file.
    #[test]
    fn a_frozen_file_stays_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("t.db");
        let writer = make(&file);
        fill(&writer, 0..200, 9000);
        writer.execute("DELETE FROM t WHERE id % 3 = 0", []).unwrap();
        let before = std::fs::read(&file).unwrap();
        let pages = (before.len() / 4096) as u32;
        let aside = directory.path().join("aside");
        WriterFile::from_connection(&writer).unwrap().freeze(Frozen::new(4096, pages, false, &aside));
        let mut copy = Vec::new();
        let mut buffer = vec![0; 100 << 10];
        for turn in 0..40 {
            match turn {
                0..30 => fill(&writer, turn * 10..turn * 10 + 15, 5000 + 500 * turn as usize),
                30 => writer.execute_batch("BEGIN; UPDATE t SET bytes = zeroblob(20000); ROLLBACK").unwrap(),
                _ => writer.execute_batch("DELETE FROM t WHERE id > 50; VACUUM").unwrap(),
            }
            if turn % 4 == 0 {
                let count = WriterFile::from_connection(&writer).unwrap().read_frozen(&mut buffer).unwrap();
                copy.extend_from_slice(&buffer[..count]);
            }
        }
        loop {
            let count = WriterFile::from_connection(&writer).unwrap().read_frozen(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            copy.extend_from_slice(&buffer[..count]);
        }
        assert!(copy == before, "{} and {} bytes", copy.len(), before.len());
        WriterFile::from_connection(&writer).unwrap().thaw();
        assert_eq!(word(&writer, "integrity_check"), "ok");
    }

    /// Every write, sync, truncation and opening fails in turn: SQLite reports it, and the file is as before.
    #[test]
    fn a_failure_is_reported_and_rolled_back() {
        fails_in_turn("");
    }

    /// With a small cache, pages are written before their transaction ends. SQLite ignores the results of some of
    /// those calls.
    #[test]
    fn a_failure_before_the_end_of_a_transaction_is_reported_too() {
        fails_in_turn("PRAGMA cache_size=4; PRAGMA cache_spill=1;");
    }

    fn fails_in_turn(more: &str) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("t.db");
        drop(make(&file));
        let faults = Faults::register_directory(directory.path());
        let mut failed = 0;
        for n in 1.. {
            faults.set(Failing::Nth(n));
            let worked = open(&file, MAKE).and_then(|writer| {
                writer.execute_batch(&format!(
                    "PRAGMA journal_mode=truncate; PRAGMA synchronous=full; {more} BEGIN; DELETE FROM t;
                     INSERT INTO t VALUES (1, zeroblob(50000)); INSERT INTO t VALUES (2, zeroblob(90000));
                     UPDATE t SET bytes = zeroblob(70000) WHERE id = 1; COMMIT; DELETE FROM t; "
                ))
            });
            let (_, met) = faults.counts();
            faults.set(Failing::None);
            let reader = open(&file, MAKE).unwrap();
            assert_eq!(word(&reader, "integrity_check"), "ok", "after fault {n}");
            if met == 0 {
                worked.unwrap();
                break;
            }
            failed += 1;
            assert!(n < 1000);
        }
        assert!(failed > 10, "{failed}");
    }
}
