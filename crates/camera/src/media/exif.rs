//! The Exif header of a snapshot (Exif 2.32 §4.5–4.7, TIFF 6.0 §2) with time and camera.

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use tallycam_base::ClockTime;

/// Types of TIFF fields.
const ASCII: u16 = 2;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;

/// Maximum number of characters of a text: a segment has room for 65 533 bytes in all.
const LONGEST: usize = 1000;

/// Contents of the header.
#[derive(Debug, Clone, Copy)]
pub struct Label<'a> {
    /// The owner's name for this camera.
    pub name: &'a str,
    /// The device's own name; empty if unknown.
    pub model: &'a str,
    /// Capture time; omitted if the clock was not set.
    pub stamp: ClockTime,
    /// Time zone for dates.
    pub zone: &'a TimeZone,
}

/// Tag, type and value of one field.
type Field = (u16, u16, Vec<u8>);

/// `jpeg` with a header made from `label`. An image that already has an Exif header, which may contain its
/// orientation, stays unchanged.
pub fn labelled(jpeg: Bytes, label: &Label<'_>) -> Bytes {
    let Some(at) = header_offset(&jpeg) else { return jpeg };
    let tiff = tiff(label);
    // The length counts itself and `Exif\0\0`.
    let Ok(length) = u16::try_from(2 + 6 + tiff.len()) else { return jpeg };
    let length = length.to_be_bytes();
    Bytes::from([&jpeg[..at], &[0xff, 0xe1], &length, b"Exif\0\0", &tiff, &jpeg[at..]].concat())
}

/// Offset for the header: after SOI, or after the JFIF header, which must come first.
fn header_offset(jpeg: &[u8]) -> Option<usize> {
    let mut at = jpeg.starts_with(&[0xff, 0xd8]).then_some(2)?;
    let mut place = at;
    loop {
        let &[0xff, marker, high, low, ..] = jpeg.get(at..)? else { return None };
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        match marker {
            0xe0 if at == 2 => place = end,
            0xe1 if jpeg[at + 4..].starts_with(b"Exif\0\0") => return None,
            0xe0..=0xef | 0xfe => {}
            _ => return Some(place),
        }
        at = end;
    }
}

fn tiff(label: &Label<'_>) -> Vec<u8> {
    let mut main = vec![text_field(0x010e, label.name)];
    if !label.model.is_empty() {
        main.push(text_field(0x0110, label.model));
    }
    main.push(text_field(0x0131, "tallycam"));
    let mut exif = vec![(0x9000, UNDEFINED, b"0232".to_vec())];
    let taken = i64::try_from(label.stamp.wall_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    if let Some(taken) = taken.filter(|_| label.stamp.wall_trusted) {
        let taken = taken.to_zoned(label.zone.clone());
        exif.push(text_field(0x9003, &taken.strftime("%Y:%m:%d %H:%M:%S").to_string()));
        exif.push(text_field(0x9011, &taken.strftime("%:z").to_string()));
        exif.push(text_field(0x9291, &format!("{:06}", label.stamp.wall_us % 1_000_000)));
    }
    let mut out = b"MM\0\x2a\0\0\0\x08".to_vec();
    main.push((0x8769, LONG, Vec::new()));
    let behind = out.len() + main.iter().map(|(_, _, value)| 12 + external_len(value)).sum::<usize>() + 6;
    if let Some((_, _, pointer)) = main.last_mut() {
        *pointer = (behind as u32).to_be_bytes().to_vec();
    }
    directory(&mut out, &main);
    directory(&mut out, &exif);
    out
}

/// A text field, which ends with a zero. A name that is not ASCII is written as UTF-8, as other programs do.
fn text_field(tag: u16, text: &str) -> Field {
    let text: String = text.chars().filter(|c| *c != '\0').take(LONGEST).chain(['\0']).collect();
    (tag, ASCII, text.into_bytes())
}

/// Bytes of a value outside its directory entry, rounded up to even: up to four bytes are in the entry itself.
fn external_len(value: &[u8]) -> usize {
    if value.len() <= 4 { 0 } else { value.len().next_multiple_of(2) }
}

/// Appends a directory and its values. No other directory follows.
fn directory(out: &mut Vec<u8>, fields: &[Field]) {
    let mut at = out.len() + 2 + 12 * fields.len() + 4;
    let mut behind = Vec::new();
    out.extend((fields.len() as u16).to_be_bytes());
    for (tag, kind, value) in fields {
        let count = if *kind == LONG { 1 } else { value.len() as u32 };
        out.extend(tag.to_be_bytes());
        out.extend(kind.to_be_bytes());
        out.extend(count.to_be_bytes());
        if value.len() <= 4 {
            let mut four = value.clone();
            four.resize(4, 0);
            out.extend(four);
        } else {
            out.extend((at as u32).to_be_bytes());
            at += external_len(value);
            behind.extend_from_slice(value);
            behind.resize(behind.len().next_multiple_of(2), 0);
        }
    }
    out.extend([0; 4]);
    out.extend(behind);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    const JFIF: &[u8] = b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";

    fn label<'a>(zone: &'a TimeZone, wall_trusted: bool) -> Label<'a> {
        // 2026-07-01T12:00:00.25Z.
        let stamp = ClockTime { monotonic_us: 0, wall_us: 1_782_907_200_250_000, wall_trusted };
        Label { name: "Tür", model: "UVC", stamp, zone }
    }

    fn zone() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    #[test]
    fn the_header_comes_first_and_an_existing_one_is_kept() {
        let zone = zone();
        let with = |parts: &[&[u8]]| labelled(Bytes::from(parts.concat()), &label(&zone, true));
        let dqt: &[u8] = b"\xff\xdb\0\x04ab\xff\xd9";
        assert_eq!(with(&[b"\xff\xd8", dqt])[2..4], [0xff, 0xe1]);
        let behind_jfif = with(&[b"\xff\xd8", JFIF, dqt]);
        assert_eq!(behind_jfif[2..20], *JFIF);
        assert_eq!(behind_jfif[20..22], [0xff, 0xe1]);
        assert!(behind_jfif.ends_with(dqt));
        let others: [&[&[u8]]; 4] = [
            &[b"\xff\xd8", JFIF, b"\xff\xe1\0\x0aExif\0\0MM", dqt],
            &[b"\xff\xd8\xff\xe0\xff\xff"],
            &[b"\xff\xd8"],
            &[b"no picture"],
        ];
        for other in others {
            assert_eq!(with(other), other.concat(), "{other:?}");
        }
    }

    #[test]
    fn exiftool_reads_it() {
        let picture = Bytes::from_static(include_bytes!("../../../../tests/pictures/ffmpeg-422.jpg"));
        let zone = zone();
        for (is_sure, wanted) in
            [(true, "Tür|UVC|tallycam|2026:07:01 14:00:00|+02:00|250000"), (false, "Tür|UVC|tallycam|-|-|-")]
        {
            let labelled = labelled(picture.clone(), &label(&zone, is_sure));
            assert!(crate::media::jpeg::inspect(&labelled).is_ok());
            let format = "$ImageDescription|$Model|$Software|$DateTimeOriginal|$OffsetTimeOriginal|$SubSecTimeOriginal";
            let spawned = Command::new("exiftool")
                .args(["-f", "-p", format, "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn();
            let Ok(mut child) = spawned else {
                println!("LEFT OUT: exiftool is not installed (Debian: libimage-exiftool-perl)");
                return;
            };
            child.stdin.take().unwrap().write_all(&labelled).unwrap();
            let said = child.wait_with_output().unwrap().stdout;
            assert_eq!(String::from_utf8_lossy(&said).trim(), wanted);
        }
    }
}
