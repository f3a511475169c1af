//! What a network is, as plain data: how a picture is fed to it and what its numbers mean. It is
//! written in the `NAME.toml` beside `NAME.onnx`, which is read and written elsewhere (`models`).

use super::network::TensorLayout;
use crate::base::Fault;
use crate::vision::RegionMode;

/// Everything that an ONNX file does not say of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// What it is, a sentence for people; may be empty.
    pub about: String,
    /// Its licence, an SPDX name where there is one; may be empty.
    pub licence: String,
    /// Where it comes from; may be empty.
    pub origin: String,
    /// SHA-256 of the ONNX file, 64 lower-case digits; `None` where nobody has said.
    pub sha256: Option<String>,
    /// What of all this is guessed, a sentence each.
    pub guessed: Vec<String>,
    /// How the picture is fed.
    pub input: InputCard,
    /// What the outputs mean.
    pub family: Family,
    /// The names of the classes, in the network's order.
    pub labels: Vec<String>,
    /// Names of classes that are so alike that one thing gets boxes of several, beside those that
    /// are always taken for alike (see [`Labels`](crate::vision::Labels)).
    pub groups: Vec<Vec<String>>,
    /// How its detections are counted.
    pub counting: CountingCard,
}

/// How the picture is fed.
#[derive(Debug, Clone, PartialEq)]
pub struct InputCard {
    /// Pixels in a row and rows; `None` to take what the file says.
    pub size: Option<(u32, u32)>,
    /// The order of the numbers; `None` to take what the file says.
    pub layout: Option<TensorLayout>,
    /// The order of the colours.
    pub colours: Colours,
    /// What is subtracted from each colour's 0–255, in the order of `colours`.
    pub mean: [f32; 3],
    /// What each colour is divided by then, above 0.
    pub deviation: [f32; 3],
    /// How the picture is brought to size.
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

/// How a picture is brought to a network's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeMode {
    /// Width and height each for itself: things become thinner or thicker.
    Stretch,
    /// As it is, with bars where the shapes differ.
    Letterbox {
        /// Where the picture lies.
        place: InputPlacement,
        /// The grey of the bars, 0–255.
        pad: u8,
    },
}

/// Where a picture lies in a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputPlacement {
    /// At the upper left; bars right or below.
    TopLeft,
    /// In the middle; bars on two sides.
    Centre,
}

/// What the outputs of a network mean.
#[derive(Debug, Clone, PartialEq)]
pub enum Family {
    /// SSD (Liu et al. 2016) with raw heads: box offsets from anchors, and scores.
    Ssd(SsdCard),
    /// Boxes [1, n, 4] and scores [1, n, classes], decoded in the network, before suppression.
    Decoded(DecodedCard),
    /// YOLOX (Ge et al. 2021): [1, n, 5 + classes], centres and logarithms of sizes from grids of
    /// strides 8, 16 and 32 (or those given).
    Yolox {
        /// Pixels a cell, one for each level.
        strides: Vec<u32>,
    },
    /// YOLOv5, v6 and v7: [1, n, 5 + classes], decoded boxes, a score that something is there, and one
    /// for each class.
    Yolov5(RowsCard),
    /// YOLOv8, v9 and v11, and RT-DETR as Ultralytics export it: [1, 4 + classes, n] or turned, decoded
    /// boxes and a score for each class.
    Yolov8(RowsCard),
    /// Boxes that are final: boxes, scores, classes, in one output [1, n, 6 or more], in an output each, or
    /// boxes with scores [1, n, 5] and classes.
    EndToEnd(EndToEndCard),
    /// NanoDet and PicoDet (Generalized Focal Loss, Li et al. 2020): for each side of a box a
    /// distribution over distances from the cell's point.
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

    /// The network's largest stride in pixels: the sides of its input must be multiples. `None`: any side will do.
    pub fn largest_stride(&self) -> Option<u32> {
        match self {
            Family::Yolox { strides } => strides.iter().max().copied(),
            Family::Distribution(card) => card.strides.iter().max().copied(),
            Family::Yolov5(_) | Family::Yolov8(_) => Some(32),
            Family::Ssd(_) | Family::Decoded(_) | Family::EndToEnd(_) => None,
        }
    }

    /// All names, in the order in which they are told.
    pub const WORDS: [&'static str; 7] =
        ["ssd", "decoded", "yolox", "yolov5", "yolov8", "end-to-end", "nanodet"];
}

/// Raw heads of SSD. The outputs come in pairs, boxes then scores, a pair a level; either maps
/// [1, anchors · 4, rows, columns] as the convolutions give them, or rows [1, n, 4] with one level
/// after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct SsdCard {
    /// For each level, width and height of its anchors in pixels of the input. They stay what they
    /// are when the input's size is changed.
    pub anchors: Vec<Vec<[f32; 2]>>,
    /// Pixels a cell, one for each level. Wanted for rows; maps say their size themselves.
    pub strides: Vec<u32>,
    /// What offsets of place and of size are divided by (TensorFlow: 10 and 5).
    pub scales: [f32; 2],
    /// The order of the four numbers of a box: y before x, as TensorFlow has it.
    pub y_first: bool,
    /// What makes scores of the numbers.
    pub activation: Activation,
    /// Whether a class before the first stands for nothing at all.
    pub background: bool,
}

/// See [`Family::Yolov5`] and [`Family::Yolov8`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsCard {
    /// What the four numbers of a box are.
    pub corners: Corners,
    /// What they are measured in.
    pub unit: BoxUnit,
    /// What makes scores of the numbers; not the softmax.
    pub activation: Activation,
    /// Numbers behind the scores that are left alone, such as key points.
    pub extra: usize,
}

impl Default for RowsCard {
    /// As the exporters of YOLO write them.
    fn default() -> RowsCard {
        RowsCard { corners: Corners::Cxcywh, unit: BoxUnit::Pixels, activation: Activation::None, extra: 0 }
    }
}

/// Which column of scores stands for nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackgroundColumn {
    /// None of them.
    None,
    /// The one before the first class.
    First,
    /// The one after the last class, as DETR has it.
    Last,
}

impl BackgroundColumn {
    /// Columns beside those of the classes.
    pub fn columns(self) -> usize {
        usize::from(self != BackgroundColumn::None)
    }
}

impl From<bool> for BackgroundColumn {
    fn from(first: bool) -> BackgroundColumn {
        if first { BackgroundColumn::First } else { BackgroundColumn::None }
    }
}

/// What makes scores of a network's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// They are scores.
    None,
    /// The logistic function, class by class.
    Sigmoid,
    /// The softmax over all classes, the background among them.
    Softmax,
}

/// What the four numbers of a box are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corners {
    /// Left, top, right, bottom.
    Xyxy,
    /// Top, left, bottom, right, as TensorFlow has them.
    Yxyx,
    /// Centre, width, height.
    Cxcywh,
}

/// What a network measures boxes in.
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
    /// What the four numbers are.
    pub corners: Corners,
    /// What they are measured in.
    pub unit: BoxUnit,
    /// What makes scores of the numbers.
    pub activation: Activation,
    /// Which column of scores is none of a class.
    pub background: BackgroundColumn,
    /// Which of the two outputs holds the boxes, 0 or 1, where both have four columns.
    pub boxes: usize,
}

/// See [`Family::EndToEnd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndToEndCard {
    /// What the four numbers are.
    pub corners: Corners,
    /// What they are measured in.
    pub unit: BoxUnit,
    /// The number of the first label: 1 where 0 stands for the background.
    pub first_class: u16,
    /// In one output of rows: the places of the box's first number, of the score and of the class.
    pub places: [usize; 3],
}

/// See [`Family::Distribution`]. One output [1, n, classes + 4 · bins], or scores and distances
/// apart, a pair a level in the order of levels, all scores first or by turns.
#[derive(Debug, Clone, PartialEq)]
pub struct DistributionCard {
    /// Pixels a cell, one for each level.
    pub strides: Vec<u32>,
    /// Where in a cell its point is: 0 at the corner (NanoDet-Plus), 0.5 in the middle (PicoDet).
    pub point: f32,
    /// What makes scores of the numbers.
    pub activation: Activation,
}

/// How a network's detections are counted; `None` for what serves most.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CountingCard {
    /// From this score (0–1) on a detection is sure.
    pub sure_score: Option<f32>,
    /// Below this score (0–1) a detection is not used at all.
    pub least_score: Option<f32>,
    /// Of two boxes of one group with a greater IoU (0–1), the surer stays.
    pub most_iou: Option<f32>,
    /// Greatest area of a box, as a share of the picture's (0–1).
    pub most_area: Option<f32>,
    /// The region it gets. Around lines it gets regions of several shapes, so that is for networks of any size.
    pub region: Option<RegionMode>,
}

/// That a description does not fit its network, and what to do.
pub(super) fn unfit(what: String) -> Fault {
    Fault::wrong(what).hint("correct its .toml, or name the labels with --labels FILE, a label a line")
}

/// That the network tells more or fewer classes apart than the description names.
pub(super) fn wrong_labels(network: usize, described: usize) -> Fault {
    unfit(format!("the network tells {network} classes apart, the description names {described} labels"))
}

impl Card {
    /// Whether its own numbers can be.
    ///
    /// # Errors
    /// The first that cannot.
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
