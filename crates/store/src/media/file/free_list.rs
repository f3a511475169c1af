//! SQLite's list of unused pages in the file (sqlite.org/fileformat2.html, 1.5): trunk pages that list leaf pages.
//! The content of a leaf has no meaning, nor have the bytes after the numbers in a trunk. Both still hold deleted
//! data. Pages count from 0 here. Pure, except for the caller's [`Read`].

use std::collections::BTreeSet;
use std::io;

/// Reads the file at a position.
pub type Read<'a> = &'a mut dyn FnMut(u64, &mut [u8]) -> io::Result<()>;

/// A trunk page of the list.
#[derive(Debug)]
pub(crate) struct Trunk {
    pub number: u32,
    /// Number of bytes with a meaning.
    pub used: usize,
    pub leaves: Vec<u32>,
}

/// A walk along the list.
#[derive(Debug)]
pub(crate) struct FreeListWalk {
    page: usize,
    pages: u32,
    /// The next trunk as the file names it, from 1; 0 is none.
    next: u32,
    seen: BTreeSet<u32>,
}

impl FreeListWalk {
    /// Starts at the head of the list. The file has `pages` pages of `page` bytes.
    pub fn start(page: usize, pages: u32, read: Read<'_>) -> io::Result<FreeListWalk> {
        let mut header = [0; 100];
        read(0, &mut header)?;
        Ok(FreeListWalk { page, pages, next: number(&header, 32), seen: BTreeSet::new() })
    }

    /// The next trunk; `None` at the end, or if the list is damaged.
    pub fn next(&mut self, read: Read<'_>) -> io::Result<Option<Trunk>> {
        let Some(trunk) = self.next.checked_sub(1).filter(|&trunk| trunk < self.pages) else {
            return Ok(None);
        };
        if !self.seen.insert(trunk) {
            return Ok(None);
        }
        let mut bytes = vec![0; self.page];
        read(u64::from(trunk) * self.page as u64, &mut bytes)?;
        let count = number(&bytes, 4) as usize;
        if count > self.page / 4 - 2 {
            return Ok(None);
        }
        self.next = number(&bytes, 0);
        let leaves = (0..count).filter_map(|leaf| number(&bytes, 8 + 4 * leaf).checked_sub(1));
        let leaves = leaves.filter(|&leaf| leaf < self.pages).collect();
        Ok(Some(Trunk { number: trunk, used: 8 + 4 * count, leaves }))
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_damaged_ends_the_walk() {
        let page = 512;
        let mut file = vec![0; 4 * page];
        let mut put = |at: usize, number: u32| file[at..at + 4].copy_from_slice(&number.to_be_bytes());
        put(32, 2);
        // A trunk with two leaves. One is beyond a file of four pages, and the trunk names itself as the next.
        for (place, value) in [2, 2, 3, 9].into_iter().enumerate() {
            put(page + 4 * place, value);
        }
        let mut read = |at: u64, into: &mut [u8]| {
            into.copy_from_slice(&file[at as usize..at as usize + into.len()]);
            Ok(())
        };
        let mut walk = FreeListWalk::start(page, 4, &mut read).expect("read");
        let trunk = walk.next(&mut read).expect("read").expect("a trunk");
        assert_eq!((trunk.number, trunk.used, trunk.leaves), (1, 16, vec![2]));
        assert!(walk.next(&mut read).expect("read").is_none());
    }
}
