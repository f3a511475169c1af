//! A network's description as plain data: its input and the meaning of its outputs. It is stored in the `NAME.toml`
//! beside `NAME.onnx`; `models` reads and writes that file.

use super::network::TensorLayout;
use crate::{Labels, RegionMode};
use tallycam_base::Fault;

/// Everything that an ONNX file does not say about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// A sentence for people; may be empty.
    pub about: String,
    /// Licence, an SPDX name where there is one; may be empty.
    pub licence: String,
    /// Origin of the model; may be empty.
    pub origin: String,
    /// SHA-256 of the ONNX file, 64 lower-case digits; `None` if unknown.
    pub sha256: Option<String>,
    /// The guessed parts of this description, a sentence each.
    pub guessed: Vec<String>,
    /// The input.
    pub input: InputCard,
    /// The meaning of the outputs.
    pub family: Family,
    /// Class names, in the network's order.
    pub labels: Vec<String>,
    /// Groups of class names that the network confuses for one object, in addition to the built-in groups (see
    /// [`Labels`](crate::Labels)).
    pub groups: Vec<Vec<String>>,
    /// How its detections are counted.
    pub counting: CountingCard,
}

/// The input of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct InputCard {
    /// Width and height in pixels; `None` for the file's own.
    pub size: Option<(u32, u32)>,
    /// Order of the numbers; `None` for the file's own.
    pub layout: Option<TensorLayout>,
    /// The order of the colours.
    pub colours: Colours,
    /// Mean to subtract from each colour's 0–255, in the order of `colours`.
    pub mean: [f32; 3],
    /// Divisor of each colour after that, above 0.
    pub deviation: [f32; 3],
    /// How the frame is brought to the input size.
    pub resize: ResizeMode,
}

/// The order of the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red, as OpenCV has them.
    Bgr,
}

/// How a frame is brought to a network's input size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeMode {
    /// Scales width and height independently, which distorts objects.
    Stretch,
    /// Keeps the aspect and fills the rest with bars.
    Letterbox {
        /// Position of the frame.
        place: InputPlacement,
        /// The grey of the bars, 0–255.
        pad: u8,
    },
}

/// Position of a frame in a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputPlacement {
    /// At the upper left; bars right or below.
    TopLeft,
    /// In the middle; bars on two sides.
    Centre,
}

/// The meaning of a network's outputs.
#[derive(Debug, Clone, PartialEq)]
pub enum Family {
    /// SSD (Liu et al. 2016) with raw heads: box offsets from anchors, and scores.
    Ssd(SsdCard),
    /// Boxes [1, n, 4] and scores [1, n, classes], decoded by the network, before suppression.
    Decoded(DecodedCard),
    /// YOLOX (Ge et al. 2021): [1, n, 5 + classes], centres and logarithms of sizes on grids of strides 8, 16 and 32
    /// (or those given).
    Yolox {
        /// Pixels a cell, one for each level.
        strides: Vec<u32>,
    },
    /// YOLOv5, v6 and v7: [1, n, 5 + classes], decoded boxes, an objectness score, and a score for each class.
    Yolov5(RowsCard),
    /// YOLOv8, v9 and v11, and RT-DETR as Ultralytics export it: [1, 4 + classes, n] or transposed, decoded boxes and
    /// a score for each class.
    Yolov8(RowsCard),
    /// Final boxes: boxes, scores and classes in one output [1, n, 6 or more] or in one output each; or boxes with
    /// scores [1, n, 5] and classes.
    EndToEnd(EndToEndCard),
    /// NanoDet and PicoDet (Generalized Focal Loss, Li et al. 2020): for each side of a box a distribution over
    /// distances from the cell's point.
    Distribution(DistributionCard),
}

impl Family {
    /// Its name in a description.
    pub fn as_str(&self) -> &'static str {
        match self {
            Family::Ssd(_) => "ssd",
            Family::Decoded(_) => "decoded",
            Family::Yolox { .. } => "yolox",
            Family::Yolov5(_) => "yolov5",
            Family::Yolov8(_) => "yolov8",
            Family::EndToEnd(_) => "end-to-end",
            Family::Distribution(_) => "nanodet",
        }
    }

    /// The network's largest stride in pixels: the sides of its input must be multiples. `None`: any side is
    /// accepted.
    pub(crate) fn largest_stride(&self) -> Option<u32> {
        match self {
            Family::Yolox { strides } => strides.iter().max().copied(),
            Family::Distribution(card) => card.strides.iter().max().copied(),
            Family::Yolov5(_) | Family::Yolov8(_) => Some(32),
            Family::Ssd(_) | Family::Decoded(_) | Family::EndToEnd(_) => None,
        }
    }

    /// The names of all families, in the order for messages.
    pub const WORDS: [&'static str; 7] =
        ["ssd", "decoded", "yolox", "yolov5", "yolov8", "end-to-end", "nanodet"];
}

/// Raw heads of SSD. The outputs come in pairs of boxes and scores, a pair a level. They are either maps [1, anchors
/// · 4, rows, columns], as convolutions give them, or rows [1, n, 4], level after level.
#[derive(Debug, Clone, PartialEq)]
pub struct SsdCard {
    /// For each level, width and height of its anchors in pixels of the input. They do not scale with the input size.
    pub anchors: Vec<Vec<[f32; 2]>>,
    /// Pixels a cell, one for each level. Needed for rows; maps show their size themselves.
    pub strides: Vec<u32>,
    /// Divisors of the offsets of position and of size (TensorFlow: 10 and 5).
    pub scales: [f32; 2],
    /// Boxes have y before x, as in TensorFlow.
    pub y_first: bool,
    /// Turns the numbers into scores.
    pub activation: Activation,
    /// The class before the first is the background.
    pub background: bool,
}

/// See [`Family::Yolov5`] and [`Family::Yolov8`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsCard {
    /// Meaning of a box's four numbers.
    pub corners: Corners,
    /// Unit of a box's numbers.
    pub unit: BoxUnit,
    /// Turns the numbers into scores; not the softmax.
    pub activation: Activation,
    /// Numbers after the scores that are ignored, such as key points.
    pub extra: usize,
}

impl Default for RowsCard {
    /// As the exporters of YOLO write them.
    fn default() -> RowsCard {
        RowsCard { corners: Corners::Cxcywh, unit: BoxUnit::Pixels, activation: Activation::None, extra: 0 }
    }
}

/// The column of scores that stands for the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackgroundColumn {
    /// None of them.
    None,
    /// The column before the first class.
    First,
    /// The column after the last class, as in DETR.
    Last,
}

impl BackgroundColumn {
    /// Number of columns in addition to the classes.
    pub fn columns(self) -> usize {
        usize::from(self != BackgroundColumn::None)
    }
}

impl From<bool> for BackgroundColumn {
    fn from(first: bool) -> BackgroundColumn {
        if first { BackgroundColumn::First } else { BackgroundColumn::None }
    }
}

/// Function that turns a network's numbers into scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The numbers are scores already.
    None,
    /// The logistic function, class by class.
    Sigmoid,
    /// The softmax over all classes, including the background.
    Softmax,
}

/// Meaning of a box's four numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corners {
    /// Left, top, right, bottom.
    Xyxy,
    /// Top, left, bottom, right, as in TensorFlow.
    Yxyx,
    /// Centre, width, height.
    Cxcywh,
}

/// Unit of a box's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxUnit {
    /// Pixels of the input.
    Pixels,
    /// Fractions of the input, 0–1.
    Fractions,
}

/// See [`Family::Decoded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodedCard {
    /// Meaning of a box's four numbers.
    pub corners: Corners,
    /// Unit of a box's numbers.
    pub unit: BoxUnit,
    /// Turns the numbers into scores.
    pub activation: Activation,
    /// The column of scores that belongs to no class.
    pub background: BackgroundColumn,
    /// The output with the boxes, 0 or 1, if both outputs have four columns.
    pub boxes: usize,
}

/// See [`Family::EndToEnd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndToEndCard {
    /// Meaning of a box's four numbers.
    pub corners: Corners,
    /// Unit of a box's numbers.
    pub unit: BoxUnit,
    /// Number of the first label: 1 if 0 is the background.
    pub first_class: u16,
    /// In a single output of rows: positions of the box's first number, of the score and of the class.
    pub places: [usize; 3],
}

/// See [`Family::Distribution`]. Either one output [1, n, classes + 4 · bins], or scores and distances in separate
/// outputs: a pair a level in the order of levels, all scores first or alternating.
#[derive(Debug, Clone, PartialEq)]
pub struct DistributionCard {
    /// Pixels a cell, one for each level.
    pub strides: Vec<u32>,
    /// Position of a cell's point: 0 at the corner (NanoDet-Plus), 0.5 in the middle (PicoDet).
    pub point: f32,
    /// Turns the numbers into scores.
    pub activation: Activation,
}

/// Counting parameters for a network; `None` for the default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CountingCard {
    /// A detection is sure from this score (0–1) on.
    pub sure_score: Option<f32>,
    /// Detections below this score (0–1) are ignored.
    pub least_score: Option<f32>,
    /// Overlapping boxes of one group compete above this IoU (0–1); the one with the highest score stays.
    pub most_iou: Option<f32>,
    /// Greatest area of a box, as a share of the frame's (0–1).
    pub most_area: Option<f32>,
    /// The region that the network gets. Regions around lines have several shapes, so they suit only networks of any
    /// input size.
    pub region: Option<RegionMode>,
}

/// The error for a description that does not fit its network, with a hint.
pub(super) fn unfit(what: String) -> Fault {
    Fault::wrong(what).hint("correct its .toml, or name the labels with --labels FILE, a label a line")
}

/// The error for a network with more or fewer classes than the description has labels.
pub(super) fn wrong_labels(network: usize, described: usize) -> Fault {
    unfit(format!("the network tells {network} classes apart, the description names {described} labels"))
}

impl Card {
    /// Its labels with their groups, the built-in ones and its own.
    pub fn grouped_labels(&self) -> Labels {
        let mut labels = Labels::new(self.labels.iter().map(String::as_str));
        for group in &self.groups {
            let names: Vec<&str> = group.iter().map(String::as_str).collect();
            labels.merge_groups(&names);
        }
        labels
    }

    /// Checks the description's own numbers.
    ///
    /// # Errors
    /// The first invalid number.
    pub fn check(&self) -> Result<(), Fault> {
        let value = |what: &str, value: &dyn std::fmt::Display| {
            unfit(format!("{what} in the description cannot be {value}"))
        };
        for (mean, deviation) in self.input.mean.iter().zip(&self.input.deviation) {
            if !mean.is_finite() {
                return Err(value("input.mean", mean));
            }
            if !deviation.is_finite() || *deviation <= 0.0 {
                return Err(value("input.deviation", deviation));
            }
        }
        let CountingCard { sure_score, least_score, most_iou, most_area, region: _ } = self.counting;
        for (what, share) in [
            ("counting.sure_score", sure_score),
            ("counting.least_score", least_score),
            ("counting.most_iou", most_iou),
            ("counting.most_area", most_area),
        ] {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                return Err(value(what, &share));
            }
        }
        let strides: &[u32] = match &self.family {
            Family::Yolox { strides } => strides,
            Family::Distribution(card) => &card.strides,
            Family::Ssd(card) => &card.strides,
            _ => &[],
        };
        if let Some(stride) = strides.iter().find(|stride| !(1..=4096).contains(*stride)) {
            return Err(value("heads.strides", stride));
        }
        if let Family::Ssd(card) = &self.family {
            let sides = card.anchors.iter().flatten().flatten();
            if let Some(side) = sides.copied().find(|side| !(side.is_finite() && *side > 0.0)) {
                return Err(value("heads.anchors", &side));
            }
            if let Some(scale) = card.scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
                return Err(value("heads.scales", scale));
            }
        }
        Ok(())
    }
}
