//! A neural network from an ONNX file, ready to run. Only `engine` and `volume` name `tract`; a build without the
//! feature `onnx` has `no_engine` in their place, which loads nothing.
//!
//! [`Network::load`] takes untrusted bytes. It checks sizes before it allocates memory, and it catches panics of the
//! engine: a damaged or hostile file is an error and never ends the program. Loading takes from tenths of a second to
//! seconds and belongs on a thread that may wait. Running belongs on the detect thread.
//!
//! Everything is computed in 32-bit floats. Weights stored as 16-bit floats (half the file size) are widened at load
//! without loss. The same input gives the same output, byte for byte, on the same machine with any number of threads.

// Without an engine nothing is loaded, so that nobody asks for the rest.
#![cfg_attr(not(feature = "onnx"), allow(dead_code))]

#[cfg_attr(not(feature = "onnx"), path = "no_engine.rs")]
mod engine;
pub(super) mod error;
pub(super) mod other;
#[cfg(feature = "onnx")]
mod volume;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use engine::Engine;
use error::{require_engine, too_large_error};
use tallycam_base::Fault;

/// Largest accepted file. The largest network that a small computer can run several times a second is a tenth of it.
const MOST_FILE_BYTES: usize = 256 << 20;

/// The order of the numbers of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorLayout {
    /// All of the first colour row by row, then all of the second, then the third.
    Nchw,
    /// Pixel by pixel, row by row; the three colours of a pixel lie together.
    Nhwc,
}

/// The image that a network takes: three colours, one image at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputShape {
    /// Its name in the file.
    pub name: String,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The order of its numbers.
    pub layout: TensorLayout,
}

impl InputShape {
    /// How many numbers [`Network::run`] takes.
    pub fn len(&self) -> usize {
        3 * self.width as usize * self.height as usize
    }

    /// Always false: an image has pixels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn dimensions(&self) -> [usize; 4] {
        let (width, height) = (self.width as usize, self.height as usize);
        match self.layout {
            TensorLayout::Nchw => [1, 3, height, width],
            TensorLayout::Nhwc => [1, height, width, 3],
        }
    }
}

/// An output tensor of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputShape {
    /// Its name in the file.
    pub name: String,
    /// Its dimensions, the outermost first.
    pub shape: Vec<usize>,
}

/// The results of a run: one tensor for each of [`Network::outputs`], in their order.
#[derive(Debug, Clone, Copy)]
pub struct Outputs<'a> {
    shapes: &'a [OutputShape],
    engine: &'a Engine,
}

/// One tensor of a run.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// Its name in the file.
    pub name: &'a str,
    /// Its dimensions, the outermost first.
    pub shape: &'a [usize],
    /// Its numbers; the innermost dimension varies fastest.
    pub values: &'a [f32],
}

impl<'a> Outputs<'a> {
    /// The output at this index of [`Network::outputs`].
    pub fn get(&self, at: usize) -> Option<Output<'a>> {
        let (shape, values) = (self.shapes.get(at)?, self.engine.values(at)?);
        Some(Output { name: &shape.name, shape: &shape.shape, values })
    }

    /// The output with this name.
    pub fn named(&self, name: &str) -> Option<Output<'a>> {
        self.get(self.shapes.iter().position(|shape| shape.name == name)?)
    }

    /// The number of outputs.
    pub fn len(&self) -> usize {
        self.shapes.len()
    }

    /// Always false: a network without outputs is not loaded.
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    /// All outputs in order.
    pub fn iter(&self) -> impl Iterator<Item = Output<'a>> + use<'a> {
        let all = *self;
        (0..all.len()).filter_map(move |at| all.get(at))
    }
}

/// The origin that a file states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnnxHeader {
    /// The program that wrote it, such as `pytorch`.
    pub producer: String,
    /// Names and values (`metadata_props`), as the exporter wrote them.
    pub properties: Vec<(String, String)>,
}

/// A network ready for inputs of one size.
pub struct Network {
    engine: Engine,
    input: InputShape,
    outputs: Vec<OutputShape>,
    origin: OnnxHeader,
    /// The file computes in bytes for the greater part.
    is_quantised: bool,
    /// The file takes the size or scale of the picture, too.
    takes_size: bool,
    /// The duration of the last run.
    took: Duration,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("input", &self.input)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// Loads a network from the bytes of an ONNX file.
    ///
    /// `size` is the width and height of its input in pixels; `None` takes the file's own. Only a purely
    /// convolutional network takes other sizes than the file's; its outputs then have other shapes. `threads` (at
    /// least 1) share the work of one image.
    ///
    /// # Errors
    /// The bytes are no usable network.
    pub fn load(onnx: &[u8], size: Option<(u32, u32)>, threads: usize) -> Result<Network, Fault> {
        require_engine()?;
        if onnx.len() > MOST_FILE_BYTES {
            return Err(too_large_error("the file", onnx.len() as u128, MOST_FILE_BYTES));
        }
        if let Some((what, instead)) = other::detect_other_format(onnx) {
            return Err(Fault::wrong(format!("this is no ONNX file but {what}")).hint(instead));
        }
        match catch_unwind(AssertUnwindSafe(|| engine::load(onnx, size, threads))) {
            Ok(network) => network,
            Err(panic) => Err(unusable(&panic_message(&*panic))),
        }
    }

    /// The input it takes.
    pub fn input(&self) -> &InputShape {
        &self.input
    }

    /// The origin that its file states.
    pub fn origin(&self) -> &OnnxHeader {
        &self.origin
    }

    /// True if its file is quantised. The engine computes such a network in floats, and takes longer.
    pub(crate) fn is_quantised(&self) -> bool {
        self.is_quantised
    }

    /// True if its file takes the size or scale of the picture as a second input, as D-FINE, RT-DETR and
    /// PaddleDetection do.
    pub(crate) fn takes_size_input(&self) -> bool {
        self.takes_size
    }

    /// True if it takes a colour as a byte, 0–255, rather than as a float.
    pub(crate) fn takes_bytes_input(&self) -> bool {
        self.engine.takes_bytes()
    }

    /// Names and shapes of its outputs.
    pub fn outputs(&self) -> &[OutputShape] {
        &self.outputs
    }

    /// Runs on one image: `input` holds its numbers in the order of [`InputShape::layout`]. The results stay until
    /// the next run.
    ///
    /// # Errors
    /// Too few or too many numbers, or the run failed; the next image may be tried.
    pub fn run(&mut self, input: &[f32]) -> Result<Outputs<'_>, Fault> {
        if input.len() != self.input.len() {
            let (wanted, given) = (self.input.len(), input.len());
            return Err(Fault::wrong(format!("the network wants {wanted} numbers and was given {given}")));
        }
        let failed = |reason: &str| Fault::wrong(format!("the network failed while it ran: {reason}"));
        let began = Instant::now();
        let computed = catch_unwind(AssertUnwindSafe(|| self.engine.run(&self.input, input, &self.outputs)));
        self.took = began.elapsed();
        match computed {
            Ok(Ok(())) => Ok(Outputs { shapes: &self.outputs, engine: &self.engine }),
            Ok(Err(reason)) => Err(failed(&reason)),
            Err(panic) => Err(failed(&panic_message(&*panic))),
        }
    }

    /// Duration of the last run; 0 before the first.
    pub(crate) fn last_run_time(&self) -> Duration {
        self.took
    }
}

impl OnnxHeader {
    /// Width and height of its training images: `imgsz`, one number or rows and columns.
    fn size(&self) -> Option<(u32, u32)> {
        let (_, value) = self.properties.iter().find(|(name, _)| name == "imgsz")?;
        let mut sides = value.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
        let height: u32 = sides.next()?;
        Some((sides.next().unwrap_or(height), height))
    }
}

fn unusable(reason: &str) -> Fault {
    Fault::wrong(format!("the network cannot be prepared: {reason}"))
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the engine stopped: {}", words.unwrap_or("without a word"))
}
