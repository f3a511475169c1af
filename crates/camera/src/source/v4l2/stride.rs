//! Determines the stride of raw frames from the driver's report and the frame's length.

use crate::media::Fourcc;

/// Bytes from row to row of a frame of `len` bytes; `None` if the rows cannot be complete.
///
/// The driver's report (`bytes_per_line`, `size_image`; 0 for none) is used if the frame is long enough for it and
/// not longer than a buffer. Some drivers report nothing, or report padded rows and send tight ones, or the other way
/// round. Then the length decides, if exactly one stride fits it. A JPEG frame has no rows: 0, unless it is empty or
/// longer than its buffer.
pub(crate) fn frame_stride(
    fourcc: Fourcc,
    (width, height): (u32, u32),
    (bytes_per_line, size_image): (u32, u32),
    len: usize,
) -> Option<u32> {
    if len == 0 || (size_image > 0 && len > size_image as usize) {
        return None;
    }
    if fourcc.is_jpeg() {
        return Some(0);
    }
    let tight = fourcc.tight_stride(width)?;
    let len_of = |stride: u32| fourcc.frame_len(stride, height);
    // Buffers are often rounded up to pages, and some drivers send the whole buffer.
    let is_said = bytes_per_line >= tight && len_of(bytes_per_line)? <= len;
    if is_said && (len == len_of(bytes_per_line)? || len == size_image as usize) {
        return Some(bytes_per_line);
    }
    let rows = (len_of(2)? / 2).max(1);
    let from_len = u32::try_from(len / rows).ok().filter(|&s| s >= tight && len_of(s) == Some(len));
    from_len.or(is_said.then_some(bytes_per_line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VGA: (u32, u32) = (640, 480);

    #[test]
    fn the_drivers_report_is_used_where_it_fits() {
        for (fourcc, said, len, stride) in [
            (Fourcc::YUYV, (1280, 614_400), 614_400, Some(1280)),
            // Padded rows.
            (Fourcc::YUYV, (1344, 645_120), 645_120, Some(1344)),
            (Fourcc::NV12, (768, 552_960), 552_960, Some(768)),
            (Fourcc::YU12, (768, 552_960), 552_960, Some(768)),
            // A buffer rounded up to pages, sent whole.
            (Fourcc::GREY, (640, 311_296), 311_296, Some(640)),
            // Without its padding at the end.
            (Fourcc::GREY, (640, 311_296), 307_200, Some(640)),
        ] {
            assert_eq!(frame_stride(fourcc, VGA, said, len), stride, "{fourcc} {said:?} {len}");
        }
    }

    #[test]
    fn the_length_decides_where_the_driver_is_silent_or_wrong() {
        for (fourcc, said, len, stride) in [
            (Fourcc::YUYV, (0, 0), 614_400, Some(1280)),
            (Fourcc::NV12, (0, 0), 552_960, Some(768)),
            (Fourcc::YU12, (0, 0), 460_800, Some(640)),
            // Reported padded, sent tight.
            (Fourcc::YUYV, (1344, 645_120), 614_400, Some(1280)),
            // Reported tight, sent padded.
            (Fourcc::YUYV, (1280, 700_000), 645_120, Some(1344)),
        ] {
            assert_eq!(frame_stride(fourcc, VGA, said, len), stride, "{fourcc} {said:?} {len}");
        }
    }

    #[test]
    fn short_empty_and_overlong_frames_are_refused() {
        assert_eq!(frame_stride(Fourcc::YUYV, VGA, (1280, 614_400), 307_200), None);
        assert_eq!(frame_stride(Fourcc::YUYV, VGA, (1280, 614_400), 614_399), None);
        assert_eq!(frame_stride(Fourcc::YUYV, VGA, (1280, 614_400), 614_402), None);
        assert_eq!(frame_stride(Fourcc::YUYV, VGA, (1280, 614_400), 0), None);
        assert_eq!(frame_stride(Fourcc::MJPG, VGA, (0, 600_000), 0), None);
        assert_eq!(frame_stride(Fourcc::MJPG, VGA, (0, 600_000), 600_001), None);
        assert_eq!(frame_stride(Fourcc::MJPG, VGA, (0, 600_000), 31_000), Some(0));
        assert_eq!(frame_stride(Fourcc(*b"H264"), VGA, (0, 0), 31_000), None);
    }

    #[test]
    fn whatever_is_returned_lies_within_the_frame() {
        for fourcc in [Fourcc::YUYV, Fourcc::NV12, Fourcc::YU12, Fourcc::GREY] {
            for len in 0..4000 {
                for said in [0, 16, 20, 34, 48] {
                    if let Some(stride) = frame_stride(fourcc, (17, 11), (said, 0), len) {
                        assert!(fourcc.frame_len(stride, 11).is_some_and(|need| need <= len));
                        assert!(fourcc.tight_stride(17).is_some_and(|tight| tight <= stride));
                    }
                }
            }
        }
    }
}
