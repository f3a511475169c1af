//! Converts the planes of a small image to a network's input: resized, coloured and normalised in one pass over the
//! rows.
//!
//! Everything that depends only on sizes (which pixels contribute to which, with which weights) is computed when a
//! size changes, so that a detection allocates nothing.

use super::light::GainOffset;
use super::resize::Resize;
use crate::geometry::Bounds;
use crate::onnx::card::{self, Colours, InputCard, InputPlacement};
use crate::onnx::network::{InputShape, TensorLayout};
use tallycam_camera::media::SmallImage;

/// Position of the frame in a network's input, in pixels of the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Left edge.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Width, above 0.
    pub width: f32,
    /// Height, above 0.
    pub height: f32,
}

impl Fit {
    /// Converts a box from pixels of the input (left, top, right, bottom) to fractions of the frame.
    pub(crate) fn to_picture_bounds(self, pixels: [f32; 4]) -> Bounds {
        let [left, top, right, bottom] = pixels;
        Bounds::new(
            (left - self.left) / self.width,
            (top - self.top) / self.height,
            (right - self.left) / self.width,
            (bottom - self.top) / self.height,
        )
    }
}

/// The rectangle (left, top, width, height) that a frame of `of.0` × `of.1` pixels takes in an input of `width` ×
/// `height`.
pub(crate) fn picture_rect(
    resize: card::ResizeMode,
    width: u32,
    height: u32,
    of: (u32, u32),
) -> (u32, u32, u32, u32) {
    let card::ResizeMode::Letterbox { place, .. } = resize else { return (0, 0, width, height) };
    let (of_width, of_height) = (f64::from(of.0.max(1)), f64::from(of.1.max(1)));
    let scale = (f64::from(width) / of_width).min(f64::from(height) / of_height);
    let inner = |of: f64, most: u32| ((of * scale).round() as u32).clamp(1, most);
    let (inner_width, inner_height) = (inner(of_width, width), inner(of_height, height));
    match place {
        InputPlacement::TopLeft => (0, 0, inner_width, inner_height),
        InputPlacement::Centre => {
            ((width - inner_width) / 2, (height - inner_height) / 2, inner_width, inner_height)
        }
    }
}

/// Converts luma, blue minus luma and red minus luma to a colour channel.
#[derive(Debug, Clone, Copy)]
struct Channel {
    /// Weights of the two differences.
    of_u: f32,
    of_v: f32,
    /// Normalises 0–255.
    factor: f32,
    summand: f32,
}

impl Channel {
    /// The value 128 stands for a difference of 0.
    #[inline(always)]
    fn convert_yuv(self, y: f32, u: f32, v: f32) -> f32 {
        self.normalise(y + self.of_u * (u - 128.0) + self.of_v * (v - 128.0))
    }

    #[inline(always)]
    fn normalise(self, colour: f32) -> f32 {
        colour.clamp(0.0, 255.0) * self.factor + self.summand
    }
}

/// Sizes of a plan: of luma, of chroma, and of the frame itself.
type Sizes = [usize; 6];

/// Makes a network's input from images. Owns the input and reuses it.
#[derive(Debug)]
pub struct Letterbox {
    width: usize,
    height: usize,
    layout: TensorLayout,
    resize: card::ResizeMode,
    /// In the network's order.
    channels: [Channel; 3],
    made_for: Sizes,
    inner: (usize, usize, usize, usize),
    luma: Resize,
    /// Blue minus luma, red minus luma.
    chroma: [Resize; 2],
    light: GainOffset,
    tensor: Vec<f32>,
}

impl Letterbox {
    /// For a network with this input, described by `card` (which has been checked).
    pub fn new(input: &InputShape, card: &InputCard) -> Letterbox {
        // ITU-R BT.601, full range, as in JFIF: weights for red, green and blue.
        let mut shares = [(0.0, 1.402), (-0.344_136, -0.714_136), (1.772, 0.0)];
        if card.colours == Colours::Bgr {
            shares.reverse();
        }
        let channels = [0, 1, 2].map(|c| {
            let ((of_u, of_v), factor) = (shares[c], 1.0 / card.deviation[c]);
            Channel { of_u, of_v, factor, summand: -card.mean[c] / card.deviation[c] }
        });
        Letterbox {
            width: input.width as usize,
            height: input.height as usize,
            layout: input.layout,
            resize: card.resize,
            channels,
            made_for: [0; 6],
            inner: (0, 0, 0, 0),
            luma: Resize::default(),
            chroma: [Resize::default(), Resize::default()],
            light: GainOffset::default(),
            tensor: vec![0.0; input.width as usize * input.height as usize * 3],
        }
    }

    /// The input, as the last [`Letterbox::fill`] left it.
    pub fn tensor(&self) -> &[f32] {
        &self.tensor
    }

    /// Makes the input from `image` with this light, and returns its position in the input.
    pub fn fill(&mut self, image: &SmallImage, light: GainOffset) -> Fit {
        self.light = light;
        self.plan(image);
        self.write(image);
        let (left, top, width, height) = self.inner;
        Fit { left: left as f32, top: top as f32, width: width as f32, height: height as f32 }
    }

    fn write(&mut self, image: &SmallImage) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: The call needs AVX2, which the processor has: the line above asked for it.
            return unsafe { self.write_avx2(image) };
        }
        self.write_rows(image, Resize::row);
    }

    /// Gives the same numbers as the plain version.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn write_avx2(&mut self, image: &SmallImage) {
        self.write_rows(image, |resize, plane, at| resize.row_avx2(plane, at));
    }

    #[inline(always)]
    fn write_rows(&mut self, image: &SmallImage, resize: impl Fn(&mut Resize, &[u8], usize)) {
        let (left, top, width, height) = self.inner;
        for at in 0..height {
            resize(&mut self.luma, &image.y, at);
            resize(&mut self.chroma[0], &image.u, at);
            resize(&mut self.chroma[1], &image.v, at);
            self.write_row((top + at) * self.width + left, width);
        }
    }

    /// Colours a row and writes it from pixel `begin` on.
    #[inline(always)]
    fn write_row(&mut self, begin: usize, width: usize) {
        let [u, v] = &self.chroma;
        let [y, u, v] = [&self.luma, u, v].map(|plane| &plane.last_row().as_flattened()[..width]);
        let GainOffset { gain, offset } = self.light;
        let planes = y.iter().map(|y| y * gain + offset).zip(u).zip(v);
        match self.layout {
            TensorLayout::Nchw => {
                let tensor = self.tensor.chunks_exact_mut(self.width * self.height);
                for (plane, channel) in tensor.zip(self.channels) {
                    for (to, ((y, &u), &v)) in plane[begin..begin + width].iter_mut().zip(planes.clone()) {
                        *to = channel.convert_yuv(y, u, v);
                    }
                }
            }
            TensorLayout::Nhwc => {
                let [first, second, third] = self.channels;
                let (pixels, _) = self.tensor[begin * 3..(begin + width) * 3].as_chunks_mut::<3>();
                for (pixel, ((y, &u), &v)) in pixels.iter_mut().zip(planes) {
                    *pixel =
                        [first.convert_yuv(y, u, v), second.convert_yuv(y, u, v), third.convert_yuv(y, u, v)];
                }
            }
        }
    }

    /// Computes the taps again and paints the bars if a size has changed.
    fn plan(&mut self, image: &SmallImage) {
        let luma = (image.width, image.height);
        let chroma = (image.chroma_width, image.chroma_height);
        let sizes = [luma.0, luma.1, chroma.0, chroma.1, image.of.0 as usize, image.of.1 as usize];
        if self.made_for == sizes {
            return;
        }
        let (left, top, width, height) =
            picture_rect(self.resize, self.width as u32, self.height as u32, image.of);
        let (width, height) = (width as usize, height as usize);
        self.inner = (left as usize, top as usize, width, height);
        self.luma = Resize::new(luma.0, luma.1, luma, (width, height));
        self.chroma = [0, 1].map(|_| {
            if chroma.0 == 0 || chroma.1 == 0 {
                return Resize::constant_sample(128.0, width);
            }
            Resize::new(chroma.0, chroma.1, luma, (width, height))
        });
        self.made_for = sizes;
        if let card::ResizeMode::Letterbox { pad, .. } = self.resize {
            self.fill_gray(f32::from(pad));
        }
    }

    /// Fills the whole input with a grey.
    fn fill_gray(&mut self, grey: f32) {
        let colours = self.channels.map(|channel| channel.normalise(grey));
        let pixels = self.width * self.height;
        match self.layout {
            TensorLayout::Nchw => {
                for (plane, colour) in self.tensor.chunks_exact_mut(pixels.max(1)).zip(colours) {
                    plane.fill(colour);
                }
            }
            TensorLayout::Nhwc => {
                self.tensor.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&colours));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::card::ResizeMode;
    use super::*;
    use tallycam_base::ClockTime;

    fn image(
        width: usize,
        height: usize,
        chroma: (usize, usize),
        luma: impl Fn(usize, usize) -> u8,
    ) -> SmallImage {
        SmallImage {
            width,
            height,
            y: (0..width * height).map(|at| luma(at % width, at / width)).collect(),
            u: vec![128; chroma.0 * chroma.1],
            v: vec![128; chroma.0 * chroma.1],
            chroma_width: chroma.0,
            chroma_height: chroma.1,
            of: (width as u32, height as u32),
            stamp: ClockTime::at_monotonic(0),
            sequence: 0,
        }
    }

    fn input(width: u32, height: u32, layout: TensorLayout) -> InputShape {
        InputShape { name: "image".into(), width, height, layout }
    }

    fn card(resize: card::ResizeMode) -> InputCard {
        InputCard {
            size: None,
            layout: None,
            colours: Colours::Rgb,
            mean: [0.0; 3],
            deviation: [1.0; 3],
            resize,
        }
    }

    fn close(left: &[f32], right: &[f32]) {
        assert_eq!(left.len(), right.len());
        for (l, r) in left.iter().zip(right) {
            assert!((l - r).abs() < 0.01, "{left:?} is not {right:?}");
        }
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let image = image(4, 2, (2, 1), |x, y| (10 * x + 100 * y) as u8);
        let mut letterbox = Letterbox::new(&input(4, 2, TensorLayout::Nchw), &card(ResizeMode::Stretch));
        let fit = letterbox.fill(&image, GainOffset::default());
        assert_eq!(fit, Fit { left: 0.0, top: 0.0, width: 4.0, height: 2.0 });
        let plane = [0.0, 10.0, 20.0, 30.0, 100.0, 110.0, 120.0, 130.0];
        for colour in letterbox.tensor().chunks(8) {
            close(colour, &plane);
        }
    }

    #[test]
    fn much_smaller_is_the_mean_of_an_area() {
        // Stripes one pixel wide: interpolation between two pixels would give black or white.
        let image = image(12, 8, (6, 4), |x, _| if x % 2 == 0 { 0 } else { 200 });
        let mut letterbox = Letterbox::new(&input(3, 2, TensorLayout::Nchw), &card(ResizeMode::Stretch));
        letterbox.fill(&image, GainOffset::default());
        close(letterbox.tensor(), &[100.0; 18]);
        // A ratio that is not whole: 5 pixels into 2.
        let image = self::image(5, 1, (5, 1), |x, _| [0, 50, 100, 150, 200][x]);
        let mut letterbox = Letterbox::new(&input(2, 1, TensorLayout::Nchw), &card(ResizeMode::Stretch));
        letterbox.fill(&image, GainOffset::default());
        close(&letterbox.tensor()[..2], &[40.0, 160.0]);
    }

    #[test]
    fn a_little_smaller_and_larger_is_interpolated_between_pixel_middles() {
        let image = image(4, 1, (4, 1), |x, _| [0, 40, 80, 120][x]);
        let mut letterbox = Letterbox::new(&input(2, 1, TensorLayout::Nchw), &card(ResizeMode::Stretch));
        letterbox.fill(&image, GainOffset::default());
        close(&letterbox.tensor()[..2], &[20.0, 100.0]);
        let mut letterbox = Letterbox::new(&input(8, 1, TensorLayout::Nchw), &card(ResizeMode::Stretch));
        letterbox.fill(&image, GainOffset::default());
        close(&letterbox.tensor()[..8], &[0.0, 10.0, 30.0, 50.0, 70.0, 90.0, 110.0, 120.0]);
    }

    #[test]
    fn colours_in_either_order_and_layout() {
        // JFIF's pure red.
        let mut red = image(2, 2, (1, 1), |_, _| 76);
        red.u[0] = 85;
        red.v[0] = 255;
        let near = |found: &[f32], wanted: [f32; 3]| {
            assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 2.0), "{found:?}");
        };
        let mut nhwc = Letterbox::new(&input(2, 2, TensorLayout::Nhwc), &card(ResizeMode::Stretch));
        nhwc.fill(&red, GainOffset::default());
        nhwc.tensor().chunks(3).for_each(|pixel| near(pixel, [255.0, 0.0, 0.0]));
        let bgr = InputCard { colours: Colours::Bgr, ..card(ResizeMode::Stretch) };
        let mut nhwc = Letterbox::new(&input(2, 2, TensorLayout::Nhwc), &bgr);
        nhwc.fill(&red, GainOffset::default());
        nhwc.tensor().chunks(3).for_each(|pixel| near(pixel, [0.0, 0.0, 255.0]));
        let mut nchw = Letterbox::new(&input(2, 2, TensorLayout::Nchw), &bgr);
        nchw.fill(&red, GainOffset::default());
        let planes: Vec<f32> = nchw.tensor().chunks(4).map(|plane| plane[3]).collect();
        near(&planes, [0.0, 0.0, 255.0]);
    }

    #[test]
    fn means_and_deviations_belong_to_the_colour_in_its_place() {
        let card = InputCard {
            colours: Colours::Bgr,
            mean: [10.0, 20.0, 30.0],
            deviation: [1.0, 2.0, 4.0],
            ..card(ResizeMode::Stretch)
        };
        let mut letterbox = Letterbox::new(&input(1, 1, TensorLayout::Nchw), &card);
        letterbox.fill(&image(1, 1, (0, 0), |_, _| 110), GainOffset::default());
        close(letterbox.tensor(), &[100.0, 45.0, 20.0]);
    }

    #[test]
    fn bars_where_the_shapes_differ() {
        let wide = image(8, 4, (4, 2), |_, _| 50);
        for (place, top) in [(InputPlacement::TopLeft, 0), (InputPlacement::Centre, 1)] {
            let card = card(ResizeMode::Letterbox { place, pad: 114 });
            let mut letterbox = Letterbox::new(&input(4, 4, TensorLayout::Nchw), &card);
            let fit = letterbox.fill(&wide, GainOffset::default());
            assert_eq!(fit, Fit { left: 0.0, top: top as f32, width: 4.0, height: 2.0 });
            let rows: Vec<f32> = letterbox.tensor()[..16].chunks(4).map(|row| row[0]).collect();
            let mut wanted = [114.0; 4];
            wanted[top..top + 2].fill(50.0);
            close(&rows, &wanted);
            let bounds = fit.to_picture_bounds([1.0, top as f32, 3.0, top as f32 + 1.0]);
            assert_eq!(bounds, Bounds::new(0.25, 0.0, 0.75, 0.5));
        }
    }

    #[test]
    fn bars_are_painted_again_when_the_frame_changes_its_shape() {
        let card = card(ResizeMode::Letterbox { place: InputPlacement::Centre, pad: 0 });
        let mut letterbox = Letterbox::new(&input(4, 4, TensorLayout::Nchw), &card);
        letterbox.fill(&image(8, 4, (4, 2), |_, _| 200), GainOffset::default());
        letterbox.fill(&image(4, 8, (2, 4), |_, _| 100), GainOffset::default());
        close(&letterbox.tensor()[..4], &[0.0, 100.0, 100.0, 0.0]);
    }

    #[test]
    fn planes_of_any_size_are_accepted() {
        for (width, height) in [(1usize, 1usize), (2, 1), (1, 7), (3, 5), (31, 17), (640, 3)] {
            for chroma in [
                (width, height),
                (width.div_ceil(2), height.div_ceil(2)),
                (width.div_ceil(2), height),
                (0, 0),
            ] {
                let image = image(width, height, chroma, |_, _| 77);
                let card = card(ResizeMode::Letterbox { place: InputPlacement::Centre, pad: 77 });
                let mut letterbox = Letterbox::new(&input(16, 9, TensorLayout::Nchw), &card);
                letterbox.fill(&image, GainOffset::default());
                close(letterbox.tensor(), &[77.0; 16 * 9 * 3]);
            }
        }
    }
}
