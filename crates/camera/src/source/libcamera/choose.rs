//! Chooses the camera and the configuration, and validates the streams that the helper reports. Pure.

use tallycam_libcamera::{Camera, Configured, Location, Open, Orientation, Stream};

use super::super::FormatRequest;
use super::clean::sanitise_text;
use crate::media::{CameraFormat, Fourcc, Mode, SourceError, SourceErrorKind};

/// Width in pixels of the second stream: the least that detectors' networks need, with a margin.
const SECOND_WIDTH: u32 = 640;
/// Maximum width and height in pixels.
const MOST_SIDE: u32 = 16384;
/// Maximum number of buffers of a stream.
const MOST_BUFFERS: u32 = 32;

/// True if a camera is part of the machine, on a ribbon cable: USB cameras belong to V4L2.
pub(crate) fn is_on_board(camera: &Camera) -> bool {
    camera.location != Location::External && !camera.id.contains("usb")
}

/// The camera named by `device`: libcamera's id, its model, or its number from 0. Without `device`, the first on
/// board, else the first.
///
/// # Errors
/// No camera matches.
pub fn camera<'a>(cameras: &'a [Camera], device: Option<&str>) -> Result<&'a Camera, SourceError> {
    let Some(device) = device else {
        let first = cameras.iter().find(|camera| is_on_board(camera)).or(cameras.first());
        return first.ok_or_else(|| {
            SourceError::new(SourceErrorKind::Absent, "libcamera has found no camera")
                .hint("check the ribbon cable at both ends with the Pi switched off")
                .shell("`tallycam devices` lists the cameras")
        });
    };
    let named = cameras.iter().find(|camera| camera.id == device);
    let named = named.or_else(|| cameras.iter().find(|camera| camera.model == device));
    let named = named.or_else(|| cameras.get(device.parse::<usize>().ok()?));
    named.ok_or_else(|| {
        let names: Vec<String> = cameras.iter().map(|camera| sanitise_text(&camera.id)).collect();
        let what = format!("libcamera has no camera {}", sanitise_text(device));
        let hint = match names.as_slice() {
            [] => String::from("it has found none: check the ribbon cable"),
            names => format!("it has {}", names.join(", ")),
        };
        SourceError::new(SourceErrorKind::Absent, what).hint(hint)
    })
}

/// The request to the helper.
pub fn open(camera: &Camera, wanted: &FormatRequest, orientation: Orientation) -> Open {
    let (width, height) = wanted.size();
    // Both streams show the same, so the second keeps the aspect of the frame.
    let high = |width: u32, height: u32| (SECOND_WIDTH * height / width.max(1)).max(2) & !1;
    Open {
        camera: camera.id.clone(),
        format: wanted.format.map(|format| format.to_string()),
        width: Some(width),
        height: Some(height),
        fps: wanted.fps,
        orientation,
        second: (width > SECOND_WIDTH && height <= MOST_SIDE).then(|| (SECOND_WIDTH, high(width, height))),
    }
}

/// The largest size that the camera offers, if it is larger than the wanted one.
pub fn largest_size(camera: &Camera, wanted: &FormatRequest) -> Option<(u32, u32)> {
    let pixels = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    let sizes = camera.formats.iter().filter(|format| wanted_format(format, wanted)).flat_map(|f| &f.sizes);
    let sizes = sizes.copied().filter(|size| pixels(*size) > 0 && size.0 <= MOST_SIDE && size.1 <= MOST_SIDE);
    sizes.max_by_key(|size| pixels(*size)).filter(|size| pixels(*size) > pixels(wanted.size()))
}

fn wanted_format(format: &tallycam_libcamera::Format, wanted: &FormatRequest) -> bool {
    wanted.format.is_none_or(|wanted| format.fourcc == wanted.to_string())
}

/// The selectable formats and sizes.
pub fn formats(camera: &Camera) -> Vec<CameraFormat> {
    let usable = |format: &tallycam_libcamera::Format| {
        let fourcc = format.fourcc.parse::<Fourcc>().ok().filter(|fourcc| Fourcc::USABLE.contains(fourcc))?;
        let mode = |&(width, height): &(u32, u32)| Mode { width, height, fps: Vec::new() };
        Some(CameraFormat {
            fourcc,
            description: String::new(),
            modes: format.sizes.iter().map(mode).collect(),
            steps: format.is_range.then_some((2, 2)),
        })
    };
    camera.formats.iter().filter_map(usable).collect()
}

/// The memory layout of a stream's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BufferLayout {
    /// Pixel format.
    pub fourcc: Fourcc,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from one row of luma to the next; 0 for JPEG.
    pub stride: u32,
}

impl BufferLayout {
    /// Least size in bytes of a buffer for its frames.
    pub(crate) fn min_buffer_bytes(&self) -> u64 {
        self.fourcc.frame_len(self.stride, self.height).map_or(1, |len| len as u64)
    }

    fn from_stream(stream: &Stream) -> Result<BufferLayout, String> {
        let Stream { ref fourcc, width, height, stride } = *stream;
        let known = fourcc.parse::<Fourcc>().ok().filter(|fourcc| Fourcc::USABLE.contains(fourcc));
        let known = known.ok_or_else(|| format!("a stream in the format {}", sanitise_text(fourcc)))?;
        let sides = 1..=MOST_SIDE;
        let stride = if known.is_jpeg() { 0 } else { stride };
        let tight = known.tight_stride(width).unwrap_or(0);
        if !sides.contains(&width) || !sides.contains(&height) || stride < tight || stride > 4 * MOST_SIDE {
            return Err(format!("frames of {width}×{height} pixels with {stride} bytes a row"));
        }
        Ok(BufferLayout { fourcc: known, width, height, stride })
    }
}

/// The streams of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Streams {
    /// The stream for viewers.
    pub main: BufferLayout,
    /// The stream for detectors.
    pub second: Option<BufferLayout>,
}

impl Default for Streams {
    fn default() -> Streams {
        Streams { main: BufferLayout { fourcc: Fourcc::NV12, width: 0, height: 0, stride: 0 }, second: None }
    }
}

impl Streams {
    /// The streams that the helper reports.
    ///
    /// # Errors
    /// The first invalid property.
    pub(crate) fn from_configured(configured: &Configured) -> Result<Streams, String> {
        let (main, second) = match configured.streams.as_slice() {
            [main] => (main, None),
            [main, second] => (main, Some(second)),
            other => return Err(format!("{} streams", other.len())),
        };
        if !(1..=MOST_BUFFERS).contains(&configured.buffers) {
            return Err(format!("{} buffers", configured.buffers));
        }
        let second = second.map(BufferLayout::from_stream).transpose()?;
        // A second stream that needs decoding saves nothing.
        let is_planar = |layout: &BufferLayout| matches!(layout.fourcc, Fourcc::NV12 | Fourcc::YU12);
        if second.is_some_and(|second| !is_planar(&second)) {
            return Err(String::from("a second stream that is neither NV12 nor YU12"));
        }
        Ok(Streams { main: BufferLayout::from_stream(main)?, second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cam(id: &str, model: &str, location: Location) -> Camera {
        Camera {
            id: id.into(),
            model: model.into(),
            location,
            formats: vec![tallycam_libcamera::Format {
                fourcc: "NV12".into(),
                sizes: vec![(640, 480), (4608, 2592), (0, 9), (70000, 2)],
                is_range: true,
            }],
            orientations: vec![Orientation::Upright],
            controls: Vec::new(),
        }
    }

    #[test]
    fn usb_cameras_are_the_last_choice_and_a_device_is_named_in_three_ways() {
        let cameras = [
            cam("\\_SB_.PCI0-usb-1", "C920", Location::External),
            cam("/base/soc/i2c@1/imx708@1a", "imx708", Location::Back),
            cam("/base/soc/i2c@0/imx219@10", "imx219", Location::Front),
        ];
        assert_eq!(camera(&cameras, None).unwrap().model, "imx708");
        assert_eq!(camera(&cameras[..1], None).unwrap().model, "C920");
        for device in ["/base/soc/i2c@0/imx219@10", "imx219", "2"] {
            assert_eq!(camera(&cameras, Some(device)).unwrap().model, "imx219");
        }
        let none = camera(&cameras, Some("ov5647")).unwrap_err();
        assert_eq!(none.kind, SourceErrorKind::Absent);
        assert!(none.line().contains("imx219@10"), "{none}");
        assert!(camera(&[], None).is_err());
    }

    #[test]
    fn a_smaller_second_stream_of_the_same_shape_is_requested() {
        let camera = cam("a", "imx708", Location::Back);
        let second = |width, height| {
            let wanted =
                FormatRequest { width: Some(width), height: Some(height), ..FormatRequest::ANYTHING };
            open(&camera, &wanted, Orientation::Upright).second
        };
        assert_eq!(open(&camera, &FormatRequest::ANYTHING, Orientation::Upright).second, Some((640, 360)));
        assert_eq!(second(1920, 1080), Some((640, 360)));
        assert_eq!(second(1640, 1232), Some((640, 480)));
        assert_eq!(second(640, 480), None);
        assert_eq!(second(16384, 1), Some((640, 2)));
    }

    #[test]
    fn the_largest_size_is_a_valid_one() {
        let camera = cam("a", "imx708", Location::Back);
        assert_eq!(largest_size(&camera, &FormatRequest::ANYTHING), Some((4608, 2592)));
        let wanted = FormatRequest { width: Some(4608), height: Some(2592), ..FormatRequest::ANYTHING };
        assert_eq!(largest_size(&camera, &wanted), None);
        let wanted = FormatRequest { format: Some(Fourcc::YU12), ..FormatRequest::ANYTHING };
        assert_eq!(largest_size(&camera, &wanted), None);
    }

    #[test]
    fn invalid_streams_are_refused() {
        let stream =
            |fourcc: &str, width, height, stride| Stream { fourcc: fourcc.into(), width, height, stride };
        let streams = |streams: Vec<Stream>, buffers| {
            Streams::from_configured(&Configured {
                model: "imx708".into(),
                streams,
                buffers,
                fps: 30.0,
                orientation: Orientation::Upright,
                controls: Vec::new(),
            })
        };
        let good = || stream("NV12", 1280, 720, 1280);
        assert!(streams(vec![good(), stream("YU12", 640, 360, 640)], 4).is_ok());
        assert_eq!(streams(vec![good()], 4).unwrap().main.min_buffer_bytes(), 1280 * 720 * 3 / 2);
        assert!(streams(vec![stream("MJPG", 1280, 720, 0)], 1).is_ok());
        for bad in [
            vec![],
            vec![good(), good(), good()],
            vec![stream("NV12", 0, 720, 1280)],
            vec![stream("NV12", 65536, 720, 65536)],
            vec![stream("NV12", 1280, 720, 1279)],
            vec![stream("NV12", 1280, 720, u32::MAX)],
            vec![stream("RG10", 1280, 720, 2560)],
            vec![stream("no\nformat", 1280, 720, 2560)],
            vec![good(), stream("MJPG", 640, 360, 0)],
        ] {
            assert!(streams(bad.clone(), 4).is_err(), "{bad:?}");
        }
        assert!(streams(vec![good()], 0).is_err() && streams(vec![good()], 33).is_err());
    }
}
