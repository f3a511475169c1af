//! Four-character codes of pixel formats, as V4L2 names them (`linux/videodev2.h`).

use std::fmt;
use std::str::FromStr;

/// A pixel format's four-character code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fourcc(pub [u8; 4]);

impl Fourcc {
    /// JPEG, as UVC cameras send it (often without Huffman tables).
    pub const MJPG: Fourcc = Fourcc(*b"MJPG");
    /// JFIF JPEG; treated like [`Fourcc::MJPG`].
    pub const JPEG: Fourcc = Fourcc(*b"JPEG");
    /// 4:2:2 packed, Y0 U Y1 V: 2 bytes a pixel.
    pub const YUYV: Fourcc = Fourcc(*b"YUYV");
    /// 4:2:2 packed, U Y0 V Y1: 2 bytes a pixel.
    pub const UYVY: Fourcc = Fourcc(*b"UYVY");
    /// 4:2:0, a plane of Y, then one of interleaved U and V: 1.5 bytes a pixel.
    pub const NV12: Fourcc = Fourcc(*b"NV12");
    /// 4:2:0, planes of Y, U and V (also called I420): 1.5 bytes a pixel.
    pub const YU12: Fourcc = Fourcc(*b"YU12");
    /// 8-bit grey: 1 byte a pixel.
    pub const GREY: Fourcc = Fourcc(*b"GREY");

    /// Supported formats, the cheapest for the pipeline first.
    pub const USABLE: [Fourcc; 7] =
        [Fourcc::MJPG, Fourcc::JPEG, Fourcc::YU12, Fourcc::NV12, Fourcc::YUYV, Fourcc::UYVY, Fourcc::GREY];

    /// True if frames of this format are finished JPEGs.
    pub fn is_jpeg(self) -> bool {
        matches!(self, Fourcc::MJPG | Fourcc::JPEG)
    }

    /// Bytes from row to row of the first plane without padding; `None` for formats without rows (JPEG) and for
    /// unknown ones.
    pub fn tight_stride(self, width: u32) -> Option<u32> {
        match self {
            Fourcc::YUYV | Fourcc::UYVY => width.checked_mul(2),
            Fourcc::NV12 | Fourcc::YU12 | Fourcc::GREY => Some(width),
            _ => None,
        }
    }

    /// Bytes of a whole frame with `stride` bytes a row in the first plane and `height` rows; `None` for formats
    /// without rows and for unknown ones.
    pub fn frame_len(self, stride: u32, height: u32) -> Option<usize> {
        let first = stride as usize * height as usize;
        let half_rows = height.div_ceil(2) as usize;
        match self {
            Fourcc::YUYV | Fourcc::UYVY | Fourcc::GREY => Some(first),
            Fourcc::NV12 => Some(first + stride as usize * half_rows),
            Fourcc::YU12 => Some(first + 2 * (stride as usize).div_ceil(2) * half_rows),
            _ => None,
        }
    }
}

impl fmt::Display for Fourcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&b| match b {
            b' ' => Ok(()),
            b if b.is_ascii_graphic() => write!(f, "{}", b as char),
            b => write!(f, "\\x{b:02x}"),
        })
    }
}

impl fmt::Debug for Fourcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fourcc({self})")
    }
}

/// The text is not one to four printable ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pixel format is named by four characters, such as MJPG or YUYV")]
pub struct NotAFourcc;

impl FromStr for Fourcc {
    type Err = NotAFourcc;

    /// Parses `YUYV`, `mjpg`, `Y16`: letters of any case, padded with spaces to four.
    fn from_str(text: &str) -> Result<Fourcc, NotAFourcc> {
        if text.is_empty() || text.len() > 4 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(NotAFourcc);
        }
        let mut code = [b' '; 4];
        code[..text.len()].copy_from_slice(text.to_ascii_uppercase().as_bytes());
        Ok(Fourcc(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        assert_eq!("mjpg".parse(), Ok(Fourcc::MJPG));
        assert_eq!("Y16".parse(), Ok(Fourcc(*b"Y16 ")));
        assert_eq!(Fourcc(*b"Y16 ").to_string(), "Y16");
        for bad in ["", "YUYV2", "a b", "é"] {
            assert_eq!(bad.parse::<Fourcc>(), Err(NotAFourcc), "{bad:?}");
        }
    }

    #[test]
    fn lengths_of_frames() {
        assert_eq!(Fourcc::YUYV.frame_len(2560, 720), Some(1_843_200));
        assert_eq!(Fourcc::NV12.frame_len(1280, 720), Some(1_382_400));
        assert_eq!(Fourcc::YU12.frame_len(5, 3), Some(15 + 2 * 3 * 2));
        assert_eq!(Fourcc::GREY.frame_len(640, 480), Some(307_200));
        assert_eq!(Fourcc::MJPG.frame_len(1280, 720), None);
    }
}
