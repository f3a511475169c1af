//! Image data: formats, frames, finished JPEGs, and the hub that distributes them. Nothing here uses a device, file
//! or socket.

pub mod canvas;
pub(crate) mod caption;
mod control;
pub mod exif;
pub mod film;
mod format;
mod fourcc;
mod frame;
mod hub;
pub mod jpeg;
mod picture;
mod small_image;
mod source_error;
pub mod still_card;
mod view;
pub mod zip;

pub(crate) use control::control_name;
pub use control::{Control, ControlKind, ControlValue, number_json};
pub use format::{CameraFormat, Mode};
pub use fourcc::Fourcc;
pub use frame::{Frame, SecondFrame};
pub use hub::{Direct, Hub, Pictures, Subscriber, TimedOut};
pub use picture::{Picture, PictureBuilder, PicturePool};
pub use small_image::SmallImage;
pub use source_error::{SEE_DIAGNOSIS, SourceError, SourceErrorKind};
pub use view::{Crop, Geometry, Orientation, View, WrongView};
