//! Finds, describes and names device nodes.

use std::path::{Path, PathBuf};

use crate::media::{CameraFormat, Control, Mode, SourceError, SourceErrorKind};

use super::choose::{Interval, Intervals, SizeRange};
use super::device::Device;
use super::failure;
use super::sys::Capability;

/// One `/dev/video…` node, for lists and for diagnosis.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoNode {
    /// Path, such as `/dev/video0`.
    pub path: PathBuf,
    /// Its permanent name: the link in `/dev/v4l/by-id` that leads to it.
    pub by_id: Option<PathBuf>,
    /// Facts about it, or why it could not be opened.
    pub facts: Result<NodeInfo, SourceError>,
}

/// Facts and offers of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeInfo {
    /// Name of the device: "HD Pro Webcam C920".
    pub card: String,
    /// Name of the driver: "uvcvideo".
    pub driver: String,
    /// Bus address: "usb-0000:01:00.0-1.2".
    pub bus: String,
    /// Why it is no usable camera: "carries data about pictures, no pictures"; `None` if it is one.
    pub unusable: Option<String>,
    /// Offered formats; empty if it is not usable.
    pub formats: Vec<CameraFormat>,
    /// Its controls; empty if it is not usable.
    pub controls: Vec<Control>,
}

/// Every video node of this machine, by number. Only queries: a camera that streams to another program is not
/// disturbed.
pub fn list() -> Vec<VideoNode> {
    list_under(Path::new("/"))
}

/// As [`list`], with another root than `/` for the `dev` folder (a container that has the machine's devices mounted
/// elsewhere).
pub fn list_under(root: &Path) -> Vec<VideoNode> {
    node_paths(root)
        .into_iter()
        .map(|path| VideoNode { by_id: by_id(root, &path), facts: read_facts(&path), path })
        .collect()
}

/// The video nodes under `root`, by number.
pub(super) fn node_paths(root: &Path) -> Vec<PathBuf> {
    let dev = root.join("dev");
    let mut numbers: Vec<u32> = std::fs::read_dir(&dev)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("video")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|number| dev.join(format!("video{number}"))).collect()
}

/// The video nodes seen by the last open, to see whether another open is worthwhile.
#[derive(Debug, Clone)]
pub(in crate::source) struct Nodes {
    root: PathBuf,
    seen: Vec<PathBuf>,
}

impl Nodes {
    /// No nodes seen yet under `root`.
    pub fn with_root(root: &Path) -> Nodes {
        Nodes { root: root.to_owned(), seen: Vec::new() }
    }

    /// Remembers the current nodes.
    pub fn refresh(&mut self) {
        self.seen = node_paths(&self.root);
    }

    /// True if there is a node that [`refresh`](Nodes::refresh) has not seen.
    pub(crate) fn has_new_node(&self) -> bool {
        node_paths(&self.root).iter().any(|path| !self.seen.contains(path))
    }
}

/// The node of a configured name: a path, an index ("0"), a node's name ("video0") or a name in `/dev/v4l/by-id`.
pub(super) fn resolve_name(root: &Path, name: &str) -> PathBuf {
    let dev = root.join("dev");
    if name.contains('/') {
        PathBuf::from(name)
    } else if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        dev.join(format!("video{name}"))
    } else if name.strip_prefix("video").is_some_and(|n| n.parse::<u32>().is_ok()) {
        dev.join(name)
    } else {
        dev.join("v4l/by-id").join(name)
    }
}

/// The nodes under `root` that are worth an open: usable cameras, and nodes that cannot be queried (busy, denied), so
/// that the open reports the reason. The search is lazy.
pub(in crate::source) fn cameras_under(root: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let is_worth_it = |path: &PathBuf| match open_node(path) {
        Ok((_, capability)) => match unusable_reason(&capability) {
            None => true,
            Some(reason) => {
                log::debug!("{} ({}) {reason}", path.display(), capability.card);
                false
            }
        },
        // Not a video device.
        Err(fault) => fault.kind != SourceErrorKind::Unsupported,
    };
    node_paths(root).into_iter().filter(is_worth_it)
}

/// Opens a node and queries its capabilities.
pub(super) fn open_node(path: &Path) -> Result<(Device, Capability), SourceError> {
    let device = Device::open(path)?;
    match device.capability() {
        Ok(capability) => Ok((device, capability)),
        Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => {
            let what = format!("{} is not a camera device", path.display());
            Err(SourceError::new(SourceErrorKind::Unsupported, what).because(error))
        }
        Err(error) => Err(failure::io_fault(path, "ask", &error)),
    }
}

/// Why a node of this kind gives no usable frames; `None` if it does.
pub(super) fn unusable_reason(capability: &Capability) -> Option<String> {
    const CAPTURE: u32 = 0x1;
    const CAPTURE_MPLANE: u32 = 0x1000;
    const M2M: u32 = 0x8000 | 0x4000;
    const META_CAPTURE: u32 = 0x0080_0000;
    const STREAMING: u32 = 0x0400_0000;
    const IO_MC: u32 = 0x2000_0000;
    let has = |flag| capability.flags & flag != 0;
    // A Pi's codecs and image processors have capture nodes, too, for frames that a program sends them.
    let processors =
        ["bcm2835-codec", "bcm2835-isp", "pispbe", "pisp_be", "rpivid", "rpi-hevc", "hevc_dec", "hantro"];
    let receivers = ["unicam", "rp1-cfe", "rp1_cfe"];
    let is_one_of = |names: &[&str]| names.iter().any(|name| capability.driver.starts_with(name));
    let reason = if is_one_of(&processors) || has(M2M) {
        "is a codec or image processor, not a camera"
    } else if is_one_of(&receivers) || has(IO_MC) {
        "is the receiver of a camera that needs libcamera: choose libcamera or automatic as its kind"
    } else if !has(CAPTURE) && has(META_CAPTURE) {
        "carries data about pictures, no pictures"
    } else if !has(CAPTURE) && has(CAPTURE_MPLANE) {
        "gives its pictures in several planes, which tallycam cannot take"
    } else if !has(CAPTURE) {
        "is not for capturing pictures"
    } else if !has(STREAMING) {
        "cannot stream"
    } else {
        return None;
    };
    Some(reason.to_owned())
}

fn by_id(root: &Path, node: &Path) -> Option<PathBuf> {
    let node = std::fs::canonicalize(node).ok()?;
    let mut links: Vec<PathBuf> = std::fs::read_dir(root.join("dev/v4l/by-id"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|link| std::fs::canonicalize(link).is_ok_and(|target| target == node))
        .collect();
    links.sort();
    links.into_iter().next()
}

/// Permanent name of the camera at `path`, under which its controls are stored. It is the name of its link in
/// `/dev/v4l/by-id` without the number of the node, else driver, name and bus address.
pub(super) fn camera_identity(root: &Path, path: &Path, capability: &Capability) -> String {
    let link = by_id(root, path).and_then(|link| Some(link.file_name()?.to_str()?.to_owned()));
    match link {
        Some(name) => name.rsplit_once("-video-index").map_or(name.as_str(), |(camera, _)| camera).to_owned(),
        None => format!("{}:{}:{}", capability.driver, capability.card, capability.bus),
    }
}

fn read_facts(path: &Path) -> Result<NodeInfo, SourceError> {
    let (device, capability) = open_node(path)?;
    let unusable = unusable_reason(&capability);
    let (formats, controls) =
        if unusable.is_none() { (formats(&device), device.controls()) } else { (Vec::new(), Vec::new()) };
    let Capability { driver, card, bus, .. } = capability;
    Ok(NodeInfo { card, driver, bus, unusable, formats, controls })
}

/// The formats, sizes and rates that an open device offers.
pub(super) fn formats(device: &Device) -> Vec<CameraFormat> {
    let mode = |fourcc, (width, height)| {
        let fps = match device.intervals(fourcc, (width, height)) {
            Intervals::List(list) => list.into_iter().map(Interval::fps).collect(),
            Intervals::Range { min, max, .. } => vec![min.fps(), max.fps()],
            Intervals::Unknown => Vec::new(),
        };
        Mode { width, height, fps }
    };
    let format = |offer: super::choose::Offer| {
        let (sizes, steps) = match offer.sizes {
            SizeRange::List(list) => (list, None),
            SizeRange::Range { min, max, step } => (vec![min, max], Some((step.0.max(1), step.1.max(1)))),
            SizeRange::Unknown => (Vec::new(), None),
        };
        let modes = sizes.into_iter().map(|size| mode(offer.fourcc, size)).collect();
        CameraFormat { fourcc: offer.fourcc, description: offer.description, modes, steps }
    };
    device.list_formats().into_iter().map(format).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::os::unix::fs::symlink;

    fn node(driver: &str, flags: u32) -> Capability {
        Capability { driver: driver.to_owned(), card: String::new(), bus: String::new(), flags }
    }

    #[test]
    fn only_cameras_are_usable() {
        for (driver, flags, reason) in [
            ("uvcvideo", 0x0420_0001, None),
            ("bm2835 mmal", 0x0520_0005, None),
            ("uvcvideo", 0x04a0_0000, Some("data about pictures")),
            ("bcm2835-codec", 0x0420_4000, Some("codec")),
            ("bcm2835-isp", 0x0420_0001, Some("codec")),
            ("pispbe", 0x0420_1000, Some("codec")),
            ("unicam", 0x2420_0001, Some("libcamera")),
            ("rp1-cfe", 0x2420_0001, Some("libcamera")),
            ("some-bridge", 0x2420_0001, Some("libcamera")),
            ("new-codec", 0x0400_8000, Some("codec")),
            ("ipu", 0x0400_1000, Some("several planes")),
            ("v4l2 loopback", 0x0420_0002, Some("not for capturing")),
            ("bttv", 0x0100_0001, Some("cannot stream")),
        ] {
            let got = unusable_reason(&node(driver, flags));
            match reason {
                None => assert_eq!(got, None, "{driver}"),
                Some(part) => assert!(got.as_ref().is_some_and(|g| g.contains(part)), "{driver}: {got:?}"),
            }
        }
    }

    #[test]
    fn names_lead_to_nodes() {
        for (name, path) in [
            ("0", "/dev/video0"),
            ("12", "/dev/video12"),
            ("video3", "/dev/video3"),
            ("/dev/v4l/by-path/x", "/dev/v4l/by-path/x"),
            ("usb-046d_C920-video-index0", "/dev/v4l/by-id/usb-046d_C920-video-index0"),
            ("videocam", "/dev/v4l/by-id/videocam"),
        ] {
            assert_eq!(resolve_name(Path::new("/"), name), Path::new(path), "{name}");
        }
    }

    #[test]
    fn nodes_are_listed_by_number_with_their_lasting_names() {
        let root = tempfile::tempdir().unwrap();
        let dev = root.path().join("dev");
        std::fs::create_dir_all(dev.join("v4l/by-id")).unwrap();
        for name in ["video10", "video2", "video", "video-old", "vbi0"] {
            std::fs::write(dev.join(name), "").unwrap();
        }
        symlink("../../video2", dev.join("v4l/by-id/usb-cam-index0")).unwrap();
        assert_eq!(node_paths(root.path()), [dev.join("video2"), dev.join("video10")]);

        symlink("../../video10", dev.join("v4l/by-id/usb-046d_C920_5A-video-index0")).unwrap();
        let said = node("uvcvideo", 0);
        let identity = |name: &str| camera_identity(root.path(), &dev.join(name), &said);
        assert_eq!(identity("video10"), "usb-046d_C920_5A");
        assert_eq!(identity("video2"), "usb-cam-index0");
        assert_eq!(identity("video-old"), "uvcvideo::");
        std::fs::remove_file(dev.join("v4l/by-id/usb-046d_C920_5A-video-index0")).unwrap();

        let nodes = list_under(root.path());
        assert_eq!(nodes[0].by_id, Some(dev.join("v4l/by-id/usb-cam-index0")));
        assert_eq!(nodes[1].by_id, None);
        let fault = nodes[0].facts.as_ref().unwrap_err();
        assert_eq!(fault.kind, SourceErrorKind::Unsupported);
        assert!(fault.what.ends_with("video2 is not a camera device"), "{fault}");
    }

    #[test]
    fn a_character_device_that_is_no_camera_is_named() {
        let fault = open_node(Path::new("/dev/null")).err().unwrap();
        assert_eq!(fault.kind, SourceErrorKind::Unsupported);
        assert!(fault.what.contains("/dev/null is not a camera device"), "{fault}");
    }
}
