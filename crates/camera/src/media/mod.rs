//! Image data: formats, frames, finished JPEGs, and the hub that distributes them. Nothing here uses a device, file
//! or socket.

pub mod canvas;
pub mod caption;
pub mod control;
pub mod exif;
pub mod film;
pub mod format;
pub mod fourcc;
pub mod frame;
pub mod hub;
pub mod jpeg;
pub mod picture;
pub mod small_image;
pub mod source_error;
pub mod still_card;
pub mod view;
pub mod zip;

pub use control::{Control, ControlKind, ControlValue};
pub use format::{CameraFormat, Mode};
pub use fourcc::Fourcc;
pub use frame::{Frame, SecondFrame};
pub use hub::Direct;
pub use hub::{Hub, Pictures, Subscriber, TimedOut};
pub use picture::{Picture, PictureBuilder, PicturePool};
pub use small_image::SmallImage;
pub use source_error::{SourceError, SourceErrorKind};
pub use view::{Crop, Geometry, Orientation, View, WrongView};
