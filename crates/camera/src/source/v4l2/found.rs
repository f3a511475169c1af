//! Describes the video devices found. Pure.

use super::VideoNode;
use crate::media::{SourceError, SourceErrorKind};

/// Short title: name and path.
pub fn node_title(node: &VideoNode) -> String {
    match &node.facts {
        Ok(facts) => format!("{} ({})", facts.card, node.path.display()),
        Err(_) => node.path.display().to_string(),
    }
}

/// True if its frames can be shown.
pub fn is_usable(node: &VideoNode) -> bool {
    node.facts.as_ref().is_ok_and(|facts| facts.unusable.is_none())
}

/// The nodes whose frames can be shown.
pub fn usable_nodes(nodes: &[VideoNode]) -> impl Iterator<Item = &VideoNode> {
    nodes.iter().filter(|node| is_usable(node))
}

/// The fault if there is no usable camera, with a hint.
pub fn no_usable_camera(nodes: &[VideoNode]) -> SourceError {
    let denied = nodes.iter().find_map(|node| node.facts.as_ref().err());
    match denied {
        Some(fault) => fault.clone(),
        None if nodes.is_empty() => SourceError::new(SourceErrorKind::Absent, "no camera was found").hint(
            "plug one in and look again, or use a network camera",
        ).shell("in a container, pass it in (`--device /dev/video0`); a network camera is set by [source] kind \
            = \"url\" and url"),
        None => SourceError::new(SourceErrorKind::Absent, "no camera was found among the video devices").hint(
            "a Raspberry Pi's own devices are no cameras: check the ribbon cable, or plug in a USB camera",
        ).shell("`rpicam-hello --list-cameras` lists those on a ribbon cable"),
    }
}
