//! Streams a zip archive that never exists as a whole: the headers come between the entries, and the length is known
//! beforehand if those of all entries are. Pure.
//!
//! Follows PKWARE's "APPNOTE.TXT", version 6.3.10. Entries are stored, not compressed (JPEGs do not shrink).
//! Checksums are known only after the data and follow in a data descriptor (4.3.9). Sizes and offsets above four
//! gigabytes are in ZIP64 fields (4.5.3). The existing zip crates know lengths only after writing and cannot tell the
//! archive's length beforehand.

use std::collections::HashSet;

/// An entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipEntry {
    /// Its name, from [`FileNames`].
    pub name: String,
    /// Its length in bytes; `None` for one that is made while it is sent, until [`Zip::set_len`].
    pub len: Option<u64>,
    /// Time of modification, seconds since 1970.
    pub changed_s: i64,
    /// The same in local time: year, month, day, hour, minute, second.
    pub changed: [i16; 6],
}

/// The layout of an archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Zip {
    entries: Vec<PlacedEntry>,
}

#[derive(Debug, Clone, PartialEq)]
struct PlacedEntry {
    entry: ZipEntry,
    /// Its sizes have 64 bits, because they are large or were unknown.
    is_large: bool,
    /// Bytes before it that no directory names: a try that failed.
    gap: u64,
}

impl PlacedEntry {
    fn new(entry: ZipEntry) -> PlacedEntry {
        PlacedEntry { is_large: entry.len.is_none_or(|len| len >= ELSEWHERE), gap: 0, entry }
    }

    fn len(&self) -> u64 {
        self.entry.len.unwrap_or(0)
    }
}

/// The 32-bit value that refers to the ZIP64 field.
const ELSEWHERE: u64 = 0xffff_ffff;
/// Flags: sizes and checksum follow; the name is UTF-8.
const FLAGS: u16 = (1 << 3) | (1 << 11);
/// Versions needed: 4.5 for ZIP64, otherwise 2.0.
const ZIP64: u16 = 45;
const PLAIN: u16 = 20;

impl Zip {
    /// An archive of `entries`.
    pub fn new(entries: Vec<ZipEntry>) -> Zip {
        Zip { entries: entries.into_iter().map(PlacedEntry::new).collect() }
    }

    /// Exchanges entry `n` for one of another name and length. The old one stays in the archive without a place in its
    /// directory if it `is_sent`, with its descriptor.
    pub fn exchange(&mut self, n: usize, is_sent: bool, name: String, len: u64) {
        let sent = if is_sent { self.placed_len(n) } else { 0 };
        let old = &self.entries[n];
        let gap = old.gap + sent;
        let entry = ZipEntry { name, len: Some(len), ..old.entry.clone() };
        self.entries[n] = PlacedEntry { gap, ..PlacedEntry::new(entry) };
    }

    /// Bytes of entry `n` with its header and descriptor.
    fn placed_len(&self, n: usize) -> u64 {
        self.local_header(n).len() as u64 + self.entries[n].len() + self.data_descriptor(n, 0).len() as u64
    }

    /// Sets the length of entry `n`, once it is made.
    pub fn set_len(&mut self, n: usize, len: u64) {
        self.entries[n].entry.len = Some(len);
    }

    /// Length of the whole archive in bytes; `None` if one of an entry is unknown.
    pub fn total_bytes(&self) -> Option<u64> {
        self.entries.iter().all(|entry| entry.entry.len.is_some()).then(|| self.whole_len())
    }

    fn whole_len(&self) -> u64 {
        let (places, at) = self.offsets();
        let directory: usize = (0..self.entries.len()).map(|n| self.record(n, places[n], 0).len()).sum();
        let end = self.end_of_directory(at, directory as u64).len();
        at + directory as u64 + end as u64
    }

    /// The header before the bytes of entry `n`.
    pub fn local_header(&self, n: usize) -> Vec<u8> {
        let PlacedEntry { entry, is_large, .. } = &self.entries[n];
        let is_large = *is_large;
        let mut out = b"PK\x03\x04".to_vec();
        push_u16(&mut out, if is_large { ZIP64 } else { PLAIN });
        push_u16(&mut out, FLAGS);
        stored(&mut out, entry);
        // Checksum and sizes follow. An empty ZIP64 field here announces that they have 64 bits.
        let size = if is_large { ELSEWHERE as u32 } else { 0 };
        for number in [0, size, size] {
            push_u32(&mut out, number);
        }
        push_u16(&mut out, entry.name.len() as u16);
        push_u16(&mut out, if is_large { 20 } else { 0 } + 9);
        out.extend(entry.name.as_bytes());
        if is_large {
            push_u16(&mut out, 1);
            push_u16(&mut out, 16);
            out.extend([0; 16]);
        }
        timestamp(&mut out, entry);
        out
    }

    /// The descriptor after the bytes of entry `n`.
    pub fn data_descriptor(&self, n: usize, check_sum: u32) -> Vec<u8> {
        let entry = &self.entries[n];
        let mut out = b"PK\x07\x08".to_vec();
        push_u32(&mut out, check_sum);
        for _ in 0..2 {
            if entry.is_large {
                push_u64(&mut out, entry.len());
            } else {
                push_u32(&mut out, entry.len() as u32);
            }
        }
        out
    }

    /// The directory, which ends the archive. `check_sums`: those of all entries (CRC-32 of ISO 3309).
    pub fn directory(&self, check_sums: &[u32]) -> Vec<u8> {
        let (places, at) = self.offsets();
        let mut out = Vec::new();
        for (n, check_sum) in check_sums.iter().enumerate().take(self.entries.len()) {
            out.extend(self.record(n, places[n], *check_sum));
        }
        let end = self.end_of_directory(at, out.len() as u64);
        out.extend(end);
        out
    }

    /// Offsets of the entries, and of the directory.
    fn offsets(&self) -> (Vec<u64>, u64) {
        let mut at = 0;
        let places = self.entries.iter().enumerate().map(|(n, entry)| {
            let place = at + entry.gap;
            at = place + self.placed_len(n);
            place
        });
        (places.collect(), at)
    }

    /// An entry's record in the directory.
    fn record(&self, n: usize, place: u64, check_sum: u32) -> Vec<u8> {
        let (entry, len) = (&self.entries[n].entry, self.entries[n].len());
        let mut large = Vec::new();
        for number in [len, len, place] {
            if number >= ELSEWHERE {
                push_u64(&mut large, number);
            }
        }
        let version = if large.is_empty() && !self.entries[n].is_large { PLAIN } else { ZIP64 };
        let mut out = b"PK\x01\x02".to_vec();
        // Made on Unix: defines the meaning of names and permissions.
        push_u16(&mut out, (3 << 8) | version);
        push_u16(&mut out, version);
        push_u16(&mut out, FLAGS);
        stored(&mut out, entry);
        push_u32(&mut out, check_sum);
        push_u32(&mut out, len.min(ELSEWHERE) as u32);
        push_u32(&mut out, len.min(ELSEWHERE) as u32);
        push_u16(&mut out, entry.name.len() as u16);
        let large_len = if large.is_empty() { 0 } else { 4 + large.len() };
        push_u16(&mut out, large_len as u16 + 9);
        // No comment, first disk, no text.
        for _ in 0..3 {
            push_u16(&mut out, 0);
        }
        // A regular file that its owner may write.
        push_u32(&mut out, 0o100_644 << 16);
        push_u32(&mut out, place.min(ELSEWHERE) as u32);
        out.extend(entry.name.as_bytes());
        if !large.is_empty() {
            push_u16(&mut out, 1);
            push_u16(&mut out, large.len() as u16);
            out.extend(large);
        }
        timestamp(&mut out, entry);
        out
    }

    /// The end record of a directory that begins at `at` and has `len` bytes.
    fn end_of_directory(&self, at: u64, len: u64) -> Vec<u8> {
        let count = self.entries.len() as u64;
        let mut out = Vec::new();
        if count >= 0xffff || at >= ELSEWHERE || len >= ELSEWHERE {
            out.extend(b"PK\x06\x06");
            push_u64(&mut out, 44);
            push_u16(&mut out, (3 << 8) | ZIP64);
            push_u16(&mut out, ZIP64);
            push_u32(&mut out, 0);
            push_u32(&mut out, 0);
            for number in [count, count, len, at] {
                push_u64(&mut out, number);
            }
            out.extend(b"PK\x06\x07");
            push_u32(&mut out, 0);
            push_u64(&mut out, at + len);
            push_u32(&mut out, 1);
        }
        out.extend(b"PK\x05\x06");
        push_u32(&mut out, 0);
        push_u16(&mut out, count.min(0xffff) as u16);
        push_u16(&mut out, count.min(0xffff) as u16);
        push_u32(&mut out, len.min(ELSEWHERE) as u32);
        push_u32(&mut out, at.min(ELSEWHERE) as u32);
        push_u16(&mut out, 0);
        out
    }
}

/// Writes the method, and the MS-DOS time, which has a resolution of two seconds.
fn stored(out: &mut Vec<u8>, entry: &ZipEntry) {
    let [year, month, day, hour, minute, second] = entry.changed;
    let since = (year.clamp(1980, 2107) - 1980) as u16;
    push_u16(out, 0);
    push_u16(out, ((hour as u16) << 11) | ((minute as u16) << 5) | (second as u16 / 2));
    push_u16(out, (since << 9) | ((month as u16) << 5) | day as u16);
}

/// Writes the time independent of the zone (Info-ZIP's extended timestamp, only the time of modification).
fn timestamp(out: &mut Vec<u8>, entry: &ZipEntry) {
    push_u16(out, 0x5455);
    push_u16(out, 5);
    out.push(1);
    out.extend(i32::try_from(entry.changed_s).unwrap_or(i32::MAX).to_le_bytes());
}

fn push_u16(out: &mut Vec<u8>, number: u16) {
    out.extend(number.to_le_bytes());
}

fn push_u32(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_le_bytes());
}

fn push_u64(out: &mut Vec<u8>, number: u64) {
    out.extend(number.to_le_bytes());
}

/// Generates unique names that are valid files on every system.
#[derive(Debug, Default)]
pub struct FileNames(HashSet<String>);

impl FileNames {
    /// `name` as a file name with the extension `ending` (`jpg`). Characters that Windows does not accept become `_`.
    /// A repeated name, ignoring case, gets `-2`, `-3` … before its extension. A name has at most [`LONGEST`] bytes.
    pub fn unique_name(&mut self, name: &str, ending: &str) -> String {
        let stem = stem(name);
        for number in 1u64.. {
            let end = if number == 1 { format!(".{ending}") } else { format!("-{number}.{ending}") };
            let given = joined(&stem, &end);
            if self.0.insert(given.to_lowercase()) {
                return given;
            }
        }
        stem
    }
}

/// Maximum length of a file name in bytes, on nearly every file system.
pub const LONGEST: usize = 255;

/// Joins the beginning and the end of a file name; truncates the beginning after a letter if the name is too long.
pub fn joined(stem: &str, end: &str) -> String {
    let room = LONGEST.saturating_sub(end.len());
    let cut = (0..=room.min(stem.len())).rev().find(|at| stem.is_char_boundary(*at)).unwrap_or(0);
    format!("{}{end}", &stem[..cut])
}

/// Truncates `name` before its extension if it is too long for a file name.
pub fn truncate_name(name: &str) -> String {
    match name.rfind('.').filter(|dot| name.len() - dot <= LONGEST_ENDING) {
        Some(dot) => joined(&name[..dot], &name[dot..]),
        None => joined(name, ""),
    }
}

/// Maximum length of an extension in bytes, including its dot; anything longer belongs to the name.
const LONGEST_ENDING: usize = 6;

/// Extensions of images and films.
const ENDINGS: [&str; 7] = [".jpg", ".jpeg", ".mp4", ".avi", ".mjpeg", ".mjpg", ".mov"];

/// `name` without such an extension, as a valid file name on every system.
pub fn stem(name: &str) -> String {
    let lower = name.to_lowercase();
    let ending = ENDINGS.iter().find(|ending| lower.ends_with(**ending) && lower.len() > ending.len());
    // The extension is ASCII, but letters before it may have another length in lower case.
    let kept = ending.and_then(|ending| name.get(..name.len() - ending.len())).unwrap_or(name);
    let allowed = |c: char| if c.is_control() || "\\/:*?\"<>|".contains(c) { '_' } else { c };
    let mut stem: String = kept.chars().map(allowed).collect();
    stem.truncate(stem.trim_end_matches([' ', '.']).len());
    let device = stem.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let is_device = matches!(device.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || device.len() == 4 && (device.starts_with("COM") || device.starts_with("LPT"));
    if stem.is_empty() || is_device || stem.starts_with('.') {
        stem.insert(0, '_');
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_everywhere_and_unique() {
        let mut names = FileNames::default();
        for (name, want) in [
            ("door.jpg", "door.jpg"),
            ("door", "door-2.jpg"),
            ("Door.JPEG", "Door-3.jpg"),
            ("a: \"b\" <c>?", "a_ _b_ _c__.jpg"),
            ("..", "_.jpg"),
            (".hidden", "_.hidden.jpg"),
            ("con", "_con.jpg"),
            ("com1.x", "_com1.x.jpg"),
            ("dots. . .", "dots.jpg"),
            ("\u{1F600}.avi", "\u{1F600}.jpg"),
            (".jpg", "_.jpg.jpg"),
            ("İ.jpg", "İ.jpg"),
            ("v1.2", "v1.2.jpg"),
        ] {
            assert_eq!(names.unique_name(name, "jpg"), want, "{name}");
        }
    }

    #[test]
    fn long_names_are_truncated_after_a_letter_and_stay_unique() {
        let mut names = FileNames::default();
        let long = "\u{1F600}".repeat(196);
        let first = names.unique_name(&format!("{long}.jpg"), "jpg");
        assert_eq!(first, "\u{1F600}".repeat(62) + ".jpg", "252 bytes: no more letters fit");
        // Another name with the same beginning up to the limit.
        assert_eq!(names.unique_name(&format!("{long}b.jpg"), "jpg"), "\u{1F600}".repeat(62) + "-2.jpg");
        for _ in 3..120 {
            let given = names.unique_name(&long, "jpg");
            assert!(given.len() <= LONGEST && given.ends_with(".jpg"), "{given}");
        }
        assert_eq!(truncate_name(&format!("{long}.mjpeg")), "\u{1F600}".repeat(62) + ".mjpeg");
        assert_eq!(truncate_name(&format!("a.{long}")).len(), 254);
        assert_eq!(truncate_name("a b.jpg"), "a b.jpg");
        assert_eq!(truncate_name(&"x".repeat(300)), "x".repeat(255));
    }

    #[test]
    fn the_directory_names_the_second_try_only() {
        let entry =
            |len| ZipEntry { name: String::from("a.mp4"), len, changed_s: 7, changed: [2025, 1, 1, 0, 0, 0] };
        for is_sent in [false, true] {
            let mut zip = Zip::new(vec![entry(None), entry(Some(2))]);
            let mut archive = Vec::new();
            if is_sent {
                archive.extend(zip.local_header(0));
                archive.extend(b"half");
                zip.set_len(0, 4);
                archive.extend(zip.data_descriptor(0, 7));
            }
            zip.exchange(0, is_sent, String::from("a.avi"), 5);
            let place = archive.len();
            for (n, bytes) in [&b"whole"[..], b"ok"].into_iter().enumerate() {
                archive.extend(zip.local_header(n));
                archive.extend(bytes);
                archive.extend(zip.data_descriptor(n, 9));
            }
            let at = archive.len();
            let directory = zip.directory(&[9, 9]);
            assert_eq!(&directory[46..51], b"a.avi");
            assert_eq!(directory[42..46], (place as u32).to_le_bytes(), "where it is");
            let end = directory.len() - 22;
            assert_eq!(directory[end + 16..end + 20], (at as u32).to_le_bytes());
            assert_eq!(zip.total_bytes(), Some((at + directory.len()) as u64));
        }
    }

    #[test]
    fn lengths_are_known_beforehand() {
        let entry = |n: usize, len| ZipEntry {
            name: format!("{n} ä.jpg"),
            len: Some(len),
            changed_s: 1_763_650_387,
            changed: [2025, 11, 20, 14, 53, 7],
        };
        for lens in [vec![], vec![0, 5, 70_000], vec![1 << 33, 7, ELSEWHERE - 1, ELSEWHERE], vec![3; 70_000]]
        {
            let zip = Zip::new(lens.iter().enumerate().map(|(n, len)| entry(n, *len)).collect());
            let entries: u64 = (0..lens.len())
                .map(|n| (zip.local_header(n).len() + zip.data_descriptor(n, 1).len()) as u64 + lens[n])
                .sum();
            let directory = zip.directory(&vec![7; lens.len()]);
            assert_eq!(zip.total_bytes(), Some(entries + directory.len() as u64));
            // The directory states its offset.
            let is_large = lens.len() >= 0xffff || entries >= ELSEWHERE;
            let end = directory.len() - 22;
            let stated = match is_large {
                false => u64::from(u32::from_le_bytes([16, 17, 18, 19].map(|n| directory[end + n]))),
                true => {
                    let at = end - 20 - 56 + 48;
                    u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|n| directory[at + n]))
                }
            };
            assert_eq!(stated, entries);
        }
    }
}
