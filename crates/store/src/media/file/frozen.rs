//! The file as it was at one moment, while writing continues. A backup reads it.
//!
//! Before a page that the backup has not read yet is overwritten or cut off, its old content is saved once. It goes
//! to the same position in a sparse file without a name. The copy takes only the room of overwritten pages, and
//! disappears on its own, even after a kill. All other pages are read from the file itself.
//!
//! Deleted data is not included. Unused pages are returned as zeros, and so are the unused parts of pages of the free
//! list or of a b-tree ([`zero_unused_bytes`]).
//!
//! If saving fails, the backup is broken and the write continues.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::free_list::Trunk;
use tallycam_base::private;

/// The state of one backup.
#[derive(Debug)]
pub(crate) struct Frozen {
    page: usize,
    pages: u32,
    /// The first page that has not been read, from 0.
    next: u32,
    /// Unused pages, which are returned as zeros and never saved.
    unused: PageSet,
    /// Pages with unused bytes at the end, and the number of used bytes at their start.
    cut: BTreeMap<u32, usize>,
    /// The kinds of the next pages, if the file has a pointer map.
    kinds: Option<PageKinds>,
    /// Pages whose old content was saved.
    saved: PageSet,
    path: PathBuf,
    aside: Option<File>,
    broken: Option<String>,
}

impl Frozen {
    /// Freezes a file of `pages` pages of `page` bytes. `has_kinds` is true for a file with `auto_vacuum`, which has
    /// a pointer map. Old content is saved in a file at `path`, which is created on demand and unlinked at once.
    pub fn new(page: usize, pages: u32, has_kinds: bool, path: &Path) -> Frozen {
        Frozen {
            page,
            pages,
            next: 0,
            unused: PageSet::new(pages),
            cut: BTreeMap::new(),
            kinds: has_kinds.then(|| PageKinds::new(page)),
            saved: PageSet::new(pages),
            path: path.to_owned(),
            aside: None,
            broken: None,
        }
    }

    /// Excludes the leaves of a trunk of the free list, and the unused part of the trunk itself.
    pub(crate) fn exclude_free_pages(&mut self, trunk: &Trunk) {
        self.cut.insert(trunk.number, trunk.used);
        trunk.leaves.iter().for_each(|&leaf| self.unused.set(leaf));
    }

    /// Original bytes of a page, before the first `read`. `read` reads the file.
    pub(crate) fn read_original(
        &self,
        at: u64,
        into: &mut [u8],
        mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        match (&self.aside, self.saved.has((at / self.page as u64) as u32)) {
            (Some(aside), true) => aside.read_exact_at(into, at),
            _ => read(at, into),
        }
    }

    /// Must be called before the bytes from `from` to `to` change. Saves the pages that the backup still needs.
    /// `read` reads the file.
    pub(crate) fn before_change(
        &mut self,
        from: u64,
        to: u64,
        mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) {
        let page = self.page as u64;
        let first = u32::try_from(from / page).unwrap_or(u32::MAX).max(self.next);
        let last = u32::try_from(to.div_ceil(page)).unwrap_or(u32::MAX).min(self.pages);
        let mut buffer = Vec::new();
        for number in first..last {
            if self.broken.is_some() {
                return;
            }
            if self.unused.has(number) || self.saved.has(number) {
                continue;
            }
            buffer.resize(self.page, 0);
            let at = u64::from(number) * page;
            match read(at, &mut buffer).and_then(|()| self.save_original(at, &buffer)) {
                Ok(()) => self.saved.set(number),
                Err(error) => {
                    self.broken = Some(format!("what recording overwrites could not be put aside: {error}"));
                    self.aside = None;
                }
            }
        }
    }

    fn save_original(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let aside = match &mut self.aside {
            Some(aside) => aside,
            none => {
                // A kill between the two calls may have left one.
                let _ = std::fs::remove_file(&self.path);
                let file = private::options().read(true).write(true).create_new(true).open(&self.path)?;
                std::fs::remove_file(&self.path)?;
                none.insert(file)
            }
        };
        aside.write_all_at(bytes, at)
    }

    /// Returns the next original pages, as many as fit in `into`, and the number of bytes; 0 at the end. `read` reads
    /// the file.
    pub fn read(
        &mut self,
        into: &mut [u8],
        mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<usize> {
        if let Some(why) = &self.broken {
            return Err(io::Error::other(why.clone()));
        }
        let from = self.next;
        let count = (into.len() / self.page).min((self.pages - from) as usize);
        let mut done = 0;
        while done < count {
            let number = from + done as u32;
            let kind = self.kind(number);
            let alike = (done..count).take_while(|&n| self.kind(from + n as u32) == kind).count();
            let bytes = &mut into[done * self.page..(done + alike) * self.page];
            let at = u64::from(number) * self.page as u64;
            match kind {
                PageSource::Nothing => bytes.fill(0),
                PageSource::File => read(at, bytes)?,
                PageSource::Aside => match &self.aside {
                    Some(aside) => aside.read_exact_at(bytes, at)?,
                    None => return Err(io::Error::other("what was put aside is gone")),
                },
            }
            done += alike;
        }
        for (number, bytes) in (from..).zip(into.chunks_exact_mut(self.page).take(count)) {
            if let Some(kinds) = &mut self.kinds
                && kinds.is_tree(number, bytes)
            {
                zero_unused_bytes(bytes, if number == 0 { FILE_HEADER } else { 0 });
            }
            if let Some(rest) = self.cut.get(&number).and_then(|&used| bytes.get_mut(used..)) {
                rest.fill(0);
            }
        }
        self.next += count as u32;
        self.punch_hole(from, self.next);
        Ok(count * self.page)
    }

    fn kind(&self, number: u32) -> PageSource {
        if self.unused.has(number) {
            PageSource::Nothing
        } else if self.saved.has(number) {
            PageSource::Aside
        } else {
            PageSource::File
        }
    }

    /// Frees the room of saved pages that have been read. A failure does no harm.
    fn punch_hole(&self, from: u32, to: u32) {
        let Some(aside) = &self.aside else { return };
        if !(from..to).any(|number| self.saved.has(number)) {
            return;
        }
        let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
        let page = self.page as u64;
        let _ = rustix::fs::fallocate(aside, flags, u64::from(from) * page, u64::from(to - from) * page);
    }

    /// Length of the frozen file in bytes.
    pub fn len(&self) -> u64 {
        u64::from(self.pages) * self.page as u64
    }
}

#[derive(Clone, Copy, PartialEq)]
enum PageSource {
    File,
    Aside,
    Nothing,
}

/// Length of the file's own header in the first page.
const FILE_HEADER: usize = 100;

/// The kinds of the next pages, from the file's pointer map (sqlite.org/fileformat2.html, 1.8).
#[derive(Debug)]
struct PageKinds {
    /// Number of pages that a map page describes. With pages of 4 KiB no map page collides with SQLite's lock page.
    each: u32,
    map: Vec<u8>,
}

impl PageKinds {
    fn new(page: usize) -> PageKinds {
        PageKinds { each: (page / 5) as u32, map: Vec::new() }
    }

    /// Whether page `number` belongs to a b-tree. Pages must come in order, because the last map page is remembered.
    fn is_tree(&mut self, number: u32, bytes: &[u8]) -> bool {
        let Some(after) = number.checked_sub(1) else { return true };
        match after % (self.each + 1) {
            0 => {
                self.map = bytes.to_vec();
                false
            }
            // A root, or another page of a tree.
            place => matches!(self.map.get(5 * (place as usize - 1)), Some(1 | 5)),
        }
    }
}

/// Zeroes the bytes of a b-tree page that no cell uses (1.6 of the same document), where deleted rows may remain. The
/// page's header is at `head`.
fn zero_unused_bytes(page: &mut [u8], head: usize) {
    let two = |page: &[u8], at: usize| {
        page.get(at..at + 2).map_or(0, |two| usize::from(u16::from_be_bytes([two[0], two[1]])))
    };
    let header = match page.get(head) {
        Some(2 | 5) => 12,
        Some(10 | 13) => 8,
        _ => return,
    };
    let cells = two(page, head + 3);
    // 0 means 65 536.
    let content = two(page, head + 5).wrapping_sub(1) % 65_536 + 1;
    if let Some(gap) = page.get_mut(head + header + 2 * cells..content) {
        gap.fill(0);
    }
    let mut block = two(page, head + 1);
    let mut after = content;
    while block >= after {
        let (next, len) = (two(page, block), two(page, block + 2));
        if let Some(rest) = page.get_mut(block + 4..block + len) {
            rest.fill(0);
        }
        (after, block) = (block + 4, next);
    }
}

/// A set of page numbers, one bit each.
#[derive(Debug, Default)]
pub(crate) struct PageSet(Vec<u64>);

impl PageSet {
    /// An empty set for numbers below `count`.
    pub fn new(count: u32) -> PageSet {
        PageSet(vec![0; count.div_ceil(64) as usize])
    }

    /// Adds a number; too large ones are ignored.
    pub fn set(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut((number / 64) as usize) {
            *word |= 1 << (number % 64);
        }
    }

    pub fn has(&self, number: u32) -> bool {
        self.0.get((number / 64) as usize).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use proptest::prelude::*;

    use super::*;

    fn read_from(file: &[u8]) -> impl FnMut(u64, &mut [u8]) -> io::Result<()> {
        |at, into| {
            into.copy_from_slice(&file[at as usize..at as usize + into.len()]);
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn the_old_file_is_read_despite_writes(
            steps in proptest::collection::vec((0..70u64, 1..20u64, 0..4usize), 0..60),
            unused in proptest::collection::vec(0..16u32, 0..4),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let mut file: Vec<u8> = (0..64).collect();
            let mut expected = file.clone();
            let mut frozen = Frozen::new(4, 16, false, &directory.path().join("aside"));
            frozen.exclude_free_pages(&Trunk { number: 15, used: 3, leaves: unused.clone() });
            expected[63] = 0;
            for number in unused {
                expected[number as usize * 4..][..4].fill(0);
            }
            let mut copy = Vec::new();
            for (at, len, pages) in steps {
                let (from, to) = (at.min(64), (at + len).min(64));
                frozen.before_change(at, at + len, read_from(&file));
                file[from as usize..to as usize].fill(0xee);
                let mut buffer = vec![0; pages * 4 + 1];
                let count = frozen.read(&mut buffer, read_from(&file)).unwrap();
                copy.extend_from_slice(&buffer[..count]);
            }
            let mut buffer = vec![0; 64];
            let count = frozen.read(&mut buffer, read_from(&file)).unwrap();
            copy.extend_from_slice(&buffer[..count]);
            prop_assert_eq!(copy, expected);
            prop_assert_eq!(frozen.read(&mut buffer, read_from(&file)).unwrap(), 0);
        }
    }

    #[test]
    fn saved_pages_take_room_only_until_they_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let page = 64 << 10;
        let file = vec![7; 32 * page];
        let mut frozen = Frozen::new(page, 32, false, &directory.path().join("aside"));
        assert!(frozen.aside.is_none());
        for _ in 0..3 {
            frozen.before_change(20 * page as u64, 22 * page as u64, read_from(&file));
        }
        let blocks = |frozen: &Frozen| frozen.aside.as_ref().unwrap().metadata().unwrap().blocks() * 512;
        let taken = blocks(&frozen);
        assert!((1..=3 * page as u64).contains(&taken), "{taken}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "it has no name");
        let mut buffer = vec![0; 32 * page];
        frozen.read(&mut buffer, read_from(&file)).unwrap();
        assert_eq!(blocks(&frozen), 0);
        frozen.before_change(0, 32 * page as u64, read_from(&file));
        assert_eq!(blocks(&frozen), 0, "pages that were read are not saved");
    }

    #[test]
    fn a_failure_to_save_a_page_breaks_only_the_copy() {
        let mut frozen = Frozen::new(4, 4, false, Path::new("/dev/null/aside"));
        let file = [1; 16];
        assert_eq!(frozen.read(&mut [0; 4], read_from(&file)).unwrap(), 4);
        frozen.before_change(0, 4, read_from(&file));
        assert_eq!(frozen.read(&mut [0; 4], read_from(&file)).unwrap(), 4, "that page had been read");
        frozen.before_change(8, 12, read_from(&file));
        let error = frozen.read(&mut [0; 4], read_from(&file)).unwrap_err();
        assert!(error.to_string().contains("put aside"), "{error}");
    }
}
