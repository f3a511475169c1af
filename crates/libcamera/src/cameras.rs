//! Lists the cameras and their capabilities.

use libcamera::camera::{Camera, CameraConfiguration, Orientation as Turn};
use libcamera::camera_manager::CameraManager;
use libcamera::control_value::ControlValue;
use libcamera::geometry::Size;
use libcamera::pixel_format::PixelFormat;
use libcamera::properties::PropertyId;
use libcamera::stream::StreamRole;
use tallycam_libcamera::{Camera as Described, Format, Location, Orientation};

use crate::controls::{Controls, number};

/// Supported formats, best first: image processors produce NV12 without conversion.
pub const FOURCCS: [&str; 3] = ["NV12", "YU12", "MJPG"];

pub fn describe_all(manager: &CameraManager) -> Vec<Described> {
    let cameras = manager.cameras();
    (0..cameras.len()).filter_map(|at| cameras.get(at)).map(|camera| describe(&camera)).collect()
}

fn describe(camera: &Camera<'_>) -> Described {
    let configuration = camera.generate_configuration(&[StreamRole::ViewFinder]);
    Described {
        id: camera.id().to_owned(),
        model: model(camera),
        location: location(camera),
        formats: configuration.as_ref().map(formats).unwrap_or_default(),
        orientations: configuration.map(orientations).unwrap_or_default(),
        controls: Controls::of_camera(camera).list(),
    }
}

/// The value of a property by its name, because the numbers differ between versions of the library.
pub fn property(camera: &Camera<'_>, name: &str) -> Option<ControlValue> {
    let is_named = |id: u32| PropertyId::try_from(id).is_ok_and(|id| id.name() == name);
    camera.properties().into_iter().find(|(id, _)| is_named(*id)).map(|(_, value)| value)
}

pub fn model(camera: &Camera<'_>) -> String {
    let named = property(camera, "Model").and_then(|value| String::try_from(value).ok());
    named.unwrap_or_else(|| camera.id().to_owned())
}

fn location(camera: &Camera<'_>) -> Location {
    match property(camera, "Location").as_ref().and_then(number) {
        Some(0.0) => Location::Front,
        Some(1.0) => Location::Back,
        Some(2.0) => Location::External,
        _ => Location::Unknown,
    }
}

pub fn pixel_format(fourcc: &str) -> Option<PixelFormat> {
    Some(PixelFormat::new(u32::from_le_bytes(fourcc.as_bytes().try_into().ok()?), 0))
}

/// The format's name, if tallycam supports it.
pub fn fourcc(format: PixelFormat) -> Option<&'static str> {
    FOURCCS.into_iter().find(|name| pixel_format(name) == Some(format))
}

fn formats(configuration: &CameraConfiguration) -> Vec<Format> {
    let Some(stream) = configuration.get(0) else { return Vec::new() };
    let known = stream.formats();
    let offered: Vec<PixelFormat> = known.pixel_formats().into_iter().collect();
    let described = |name: &str| {
        let format = pixel_format(name).filter(|format| offered.contains(format))?;
        let range = known.range(format);
        let is_range = range.h_step > 0 && range.v_step > 0 && range.min.width < range.max.width;
        let pair = |size: &Size| (size.width, size.height);
        Some(Format {
            fourcc: name.to_owned(),
            // libcamera lists only common sizes of a range; the greatest is the sensor's own.
            sizes: known.sizes(format).iter().chain(is_range.then_some(&range.max)).map(pair).collect(),
            is_range,
        })
    };
    FOURCCS.into_iter().filter_map(described).collect()
}

const TURNS: [(Orientation, Turn); 4] = [
    (Orientation::Upright, Turn::Rotate0),
    (Orientation::Rotated180, Turn::Rotate180),
    (Orientation::Mirrored, Turn::Rotate0Mirror),
    (Orientation::Flipped, Turn::Rotate180Mirror),
];

pub fn turn(orientation: Orientation) -> Turn {
    TURNS.iter().find(|(known, _)| *known == orientation).map_or(Turn::Rotate0, |(_, turn)| *turn)
}

pub fn orientation(turn: Turn) -> Orientation {
    TURNS
        .iter()
        .find(|(_, known)| *known == turn)
        .map_or(Orientation::Upright, |(orientation, _)| *orientation)
}

/// The orientations that the camera accepts unchanged.
fn orientations(mut configuration: CameraConfiguration) -> Vec<Orientation> {
    let mut holds = |turn: Turn| {
        configuration.set_orientation(turn);
        !configuration.validate().is_invalid() && configuration.orientation() == turn
    };
    TURNS.into_iter().filter(|(_, turn)| holds(*turn)).map(|(orientation, _)| orientation).collect()
}
