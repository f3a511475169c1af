//! A network with its description as a detector.

use std::time::Duration;

use super::card::{Card, ResizeMode, unfit};
use super::families::{self, Decode};
use super::input::letterbox::{self, Letterbox};
use super::input::light::GainOffset;
use super::network::{InputShape, Network, Output, TensorLayout};
use crate::detection::{Class, Detection};
use crate::detector::Detector;
use crate::labels::Labels;
use crate::region::RegionMode;
use crate::region::plan::{RegionShape, WIDE};
use crate::tracker::TrackerOptions;
use crate::{CounterOptions, Filter};
use tallycam_base::Fault;
use tallycam_camera::media::SmallImage;

/// Finds objects with a neural network. Remembers nothing of earlier frames.
pub struct OnnxDetector {
    name: String,
    labels: Labels,
    network: Network,
    resize: ResizeMode,
    letterbox: Letterbox,
    decoder: Box<dyn Decode>,
    options: CounterOptions,
    card: Card,
    /// Width and height of the network's own input; regions of another shape may change the current one.
    own: (u32, u32),
    threads: usize,
    /// Stretches the contrast of dull regions.
    has_stretched_light: bool,
    /// Reads the network's file again; `None` if it has changed or is gone.
    read_file: Option<Box<dyn Fn() -> Option<Vec<u8>> + Send>>,
}

impl OnnxDetector {
    /// The network in `onnx` (the bytes of the file), called `name`, as `card` describes it. `size` (width and height
    /// in pixels) takes precedence over the card's. If the network does not accept it, its sides are rounded up to
    /// the network's largest stride. `threads` (at least 1) share a detection. Takes from tenths of a second to
    /// seconds.
    ///
    /// # Errors
    /// The file is no network, or the description does not fit it.
    pub fn new(
        name: &str,
        onnx: &[u8],
        card: &Card,
        size: Option<(u32, u32)>,
        threads: usize,
    ) -> Result<OnnxDetector, Fault> {
        card.check()?;
        let load = |size: Option<(u32, u32)>| {
            let network = Network::load(onnx, size.or(card.input.size), threads)?;
            let detector = OnnxDetector::from_network(name, network, card)?;
            Ok(OnnxDetector { threads, ..detector })
        };
        let stride = card.family.largest_stride().unwrap_or(1);
        let rounded =
            size.map(|(width, height)| (width.next_multiple_of(stride), height.next_multiple_of(stride)));
        load(size).or_else(|error| if rounded == size { Err(error) } else { load(rounded) })
    }

    /// Also accepts regions of other shapes than its own: `read` reads the file again for them.
    #[must_use]
    pub fn with_file(self, read: impl Fn() -> Option<Vec<u8>> + Send + 'static) -> OnnxDetector {
        OnnxDetector { read_file: Some(Box::new(read)), ..self }
    }

    /// Reloads the network with another input size.
    fn load_at(&mut self, size: (u32, u32)) -> Result<(), String> {
        let read = self.read_file.as_ref().ok_or("its file is not at hand")?;
        let onnx = read().ok_or("its file is another one now")?;
        let network = Network::load(&onnx, Some(size), self.threads).map_err(|error| error.to_string())?;
        let decoder =
            families::decoder(&self.card.family, network.input(), network.outputs(), self.card.labels.len())
                .map_err(|error| error.to_string())?;
        self.letterbox = Letterbox::new(network.input(), &self.card.input);
        (self.network, self.decoder) = (network, decoder);
        Ok(())
    }

    /// Like [`new`](OnnxDetector::new), with a loaded network.
    ///
    /// # Errors
    /// The description does not fit it.
    pub(crate) fn from_network(name: &str, network: Network, card: &Card) -> Result<OnnxDetector, Fault> {
        card.check()?;
        let input = network.input();
        if let Some(layout) = card.input.layout.filter(|layout| *layout != input.layout) {
            let (network, described) = (layout_name(input.layout), layout_name(layout));
            return Err(unfit(format!(
                "the network takes its input as {network}, the description says {described}"
            )));
        }
        let decoder = families::decoder(&card.family, input, network.outputs(), card.labels.len())?;
        let labels = card.grouped_labels();
        let letterbox = Letterbox::new(input, &card.input);
        let own = (input.width, input.height);
        Ok(OnnxDetector {
            name: name.to_owned(),
            labels,
            network,
            resize: card.input.resize,
            letterbox,
            decoder,
            options: options(card),
            card: card.clone(),
            own,
            threads: 1,
            has_stretched_light: false,
            read_file: None,
        })
    }

    /// How many numbers the network outputs for a frame.
    pub fn numbers(&self) -> usize {
        self.network.outputs().iter().map(|output| output.shape.iter().product::<usize>()).sum()
    }

    /// Its description.
    pub(crate) fn card(&self) -> &Card {
        &self.card
    }

    /// True if the network's file is quantised, see [`Network::is_quantised`].
    pub(crate) fn is_quantised(&self) -> bool {
        self.network.is_quantised()
    }

    /// The network's input.
    pub fn input(&self) -> &InputShape {
        self.network.input()
    }
}

/// The counting options for a network with this description.
fn options(card: &Card) -> CounterOptions {
    let counting = &card.counting;
    let usual = CounterOptions::default();
    let sure_score = counting.sure_score.unwrap_or(usual.tracker.sure_score);
    CounterOptions {
        filter: Filter { most_area: counting.most_area, ..Filter::default() },
        most_iou: counting.most_iou.unwrap_or(usual.most_iou),
        tracker: TrackerOptions {
            sure_score,
            birth_score: counting.sure_score.unwrap_or(usual.tracker.birth_score),
            least_score: counting.least_score.unwrap_or(usual.tracker.least_score),
            ..usual.tracker
        },
        ..usual
    }
}

/// Limit of an input's pixels for another shape, in percent of the network's own.
const MORE_PIXELS: u64 = 105;

/// Input size for regions of this ratio of width to height. The sides are multiples of `stride`, and there are about
/// as many pixels as in `own`; within that the region is shown as large as possible.
fn input_size_for(ratio: f32, own: (u32, u32), stride: u32) -> (u32, u32) {
    let most = u64::from(own.0) * u64::from(own.1) * MORE_PIXELS / 100;
    let sides = (1..=(most / u64::from(stride)).min(4096) as u32 / stride).map(|across| {
        let width = across * stride;
        let height = ((most / u64::from(width)).min(4096) as u32 / stride * stride).max(stride);
        // Rows that the region does not need would be bars.
        let needed = ((width as f32 / ratio / stride as f32).ceil() as u32 * stride).max(stride);
        (width, height.min(needed))
    });
    let scale = |(width, height): &(u32, u32)| (*width as f32).min(*height as f32 * ratio);
    sides.max_by(|a, b| scale(a).total_cmp(&scale(b)).then(b.0.cmp(&a.0))).unwrap_or(own)
}

/// A layout's name in a description.
fn layout_name(layout: TensorLayout) -> &'static str {
    match layout {
        TensorLayout::Nchw => "nchw",
        TensorLayout::Nhwc => "nhwc",
    }
}

impl Detector for OnnxDetector {
    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
        let input = self.network.input();
        let (_, _, least_width, least_height) =
            letterbox::picture_rect(self.resize, input.width, input.height, (width, height));
        (least_width.min(width), least_height.min(height))
    }

    fn options(&self) -> CounterOptions {
        self.options.clone()
    }

    fn default_region(&self) -> RegionMode {
        self.card.counting.region.unwrap_or_default()
    }

    fn waits_for_motion(&self) -> bool {
        true
    }

    fn set_region(&mut self, mode: RegionMode, shape: RegionShape, picture: (u32, u32)) -> bool {
        self.has_stretched_light = mode != RegionMode::Picture;
        let takes_any = self.default_region() != RegionMode::Picture;
        let stride = self.card.family.largest_stride().unwrap_or(16);
        let ratio = match shape {
            _ if !takes_any => None,
            RegionShape::Picture if self.resize == ResizeMode::Stretch => None,
            RegionShape::Picture => Some(picture.0 as f32 / picture.1.max(1) as f32),
            RegionShape::Square if self.own.0 == self.own.1 => None,
            RegionShape::Square => Some(1.0),
            RegionShape::Wide => Some(WIDE),
            RegionShape::Tall => Some(1.0 / WIDE),
        };
        let wanted = ratio.map_or(self.own, |ratio| input_size_for(ratio, self.own, stride));
        let input = self.network.input();
        if (input.width, input.height) != wanted {
            log::info!("counting: loading {} for regions of {}×{}", self.name, wanted.0, wanted.1);
            if let Err(reason) = self.load_at(wanted) {
                log::warn!("counting: {} cannot look at {}×{}: {reason}", self.name, wanted.0, wanted.1);
                // The whole frame fits into any input.
                return shape == RegionShape::Picture;
            }
        }
        takes_any || matches!(shape, RegionShape::Picture | RegionShape::Square)
    }

    fn inference(&self) -> Option<Duration> {
        Some(self.network.last_run_time())
    }

    fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault> {
        found.clear();
        let light = if self.has_stretched_light {
            GainOffset::contrast_stretch(image)
        } else {
            GainOffset::default()
        };
        let fit = self.letterbox.fill(image, light);
        let outputs = self
            .network
            .run(self.letterbox.tensor())
            .map_err(|error| Fault::wrong(format!("the model {} failed: {error}", self.name)))?;
        let all: Vec<Output<'_>> = outputs.iter().collect();
        self.decoder.decode(&all, self.options.tracker.least_score, &mut |class, score, pixels| {
            // Boxes that are not finite are no detections.
            if !score.is_finite() || !pixels.iter().all(|pixel| pixel.is_finite()) {
                return;
            }
            found.push(Detection { class: Class(class), score, bounds: fit.to_picture_bounds(pixels) });
        });
        // Distinguishes an empty frame from a useless network. Some networks give minus infinity as the score of what
        // cannot be, but not everywhere.
        let is_none = |value: &f32| value.is_nan() || *value == f32::INFINITY;
        let mut numbers = all.iter().flat_map(|output| output.values).peekable();
        let is_all_none = numbers.peek().is_some() && !numbers.any(|value| value.is_finite());
        let is_of_no_use = |output: &&Output<'_>| is_all_none || output.values.iter().any(is_none);
        if found.is_empty()
            && let Some(output) = all.iter().find(is_of_no_use)
        {
            let what = format!("the model {} gives no numbers (NaN) in {}", self.name, output.name);
            return Err(Fault::wrong(what).hint(
                "the file is damaged, or colours, mean and deviation in its .toml are not what it was trained with",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_has_the_shape_of_its_region_and_hardly_more_pixels() {
        let own = (320, 320);
        for ratio in [0.05, 0.25, 0.5, 0.75, 1.0, 4.0 / 3.0, 16.0 / 9.0, WIDE, 4.0, 30.0] {
            let (width, height) = input_size_for(ratio, own, 32);
            assert!(
                width % 32 == 0 && height % 32 == 0 && width * height <= 107_520,
                "{ratio}: {width}×{height}"
            );
            let shown = |(width, height): (u32, u32)| (width as f32).min(height as f32 * ratio);
            assert!(shown((width, height)) >= shown(own), "{ratio}: {width}×{height}");
        }
        assert_eq!(input_size_for(16.0 / 9.0, own, 32), (416, 256));
        assert_eq!(input_size_for(1.0, own, 32), own);
        assert_eq!(input_size_for(WIDE, (300, 300), 16), (432, 208));
    }
}
