//! A [`View`]: the transformation of pictures for viewers, as plain data. Pure; nothing is transformed here.
//!
//! The order is always: rotate, mirror and flip, crop, scale, remove colour, add a caption. Two views in succession
//! are one view ([`View::compose`]), so that a picture is transformed once for all requests.
//!
//! Invariants: [`View::output_size`] gives at least one pixel; a crop is within the picture.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use tallycam_base::ClockTime;

/// Least share of a picture's width or height that a crop keeps.
pub(crate) const LEAST_CROP: f64 = 0.01;

/// Maximum number of characters of a caption.
const LONGEST_TEXT: usize = 200;

/// The transformation of pictures. The default is none.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Removes colour.
    pub gray: bool,
    /// Scale of width and height in eighths: 8 (full size), 4, 2 or 1; others count as the next larger one.
    pub eighths: u8,
    /// Clockwise rotation by 0, 90, 180 or 270 degrees; other multiples of 90 are equivalent to these, anything else
    /// is none.
    pub rotate: u16,
    /// Swaps left and right, after the rotation.
    pub mirror: bool,
    /// Swaps top and bottom, after the rotation.
    pub flip: bool,
    /// Left, top, width and height of the visible part, as fractions of the rotated picture; `None` for all of it.
    pub crop: Option<[f64; 4]>,
    /// The caption. Any text is accepted; control characters are dropped.
    pub text: Option<String>,
    /// Adds date and time in this zone to the caption.
    pub timestamp: Option<TimeZone>,
}

impl Default for View {
    fn default() -> View {
        View {
            gray: false,
            eighths: 8,
            rotate: 0,
            mirror: false,
            flip: false,
            crop: None,
            text: None,
            timestamp: None,
        }
    }
}

/// A value of a view's key is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongView {
    /// The key, such as `rotate`.
    pub key: &'static str,
    /// The given value.
    pub given: String,
    /// The expected values, to follow "should be".
    pub expected: &'static str,
}

impl View {
    /// The keys that [`View::read`] requests.
    pub const KEYS: [&'static str; 8] =
        ["gray", "scale", "rotate", "mirror", "flip", "crop", "text", "timestamp"];

    /// True if it leaves pictures unchanged.
    pub fn is_identity(&self) -> bool {
        !self.gray && self.scale_eighths() == 8 && self.geometry().is_identity() && !self.has_caption()
    }

    /// True if there is a caption.
    pub fn has_caption(&self) -> bool {
        self.timestamp.is_some() || self.text.as_ref().is_some_and(|text| !text.is_empty())
    }

    /// The caption of a picture with this stamp, if there is one: the time, then the text. Times of a clock that was
    /// not set say so.
    pub fn caption_text(&self, stamp: &ClockTime) -> Option<String> {
        let text = self.text.as_deref().unwrap_or_default();
        let Some(zone) = &self.timestamp else { return (!text.is_empty()).then(|| text.to_owned()) };
        let at = Timestamp::from_microsecond(i64::try_from(stamp.wall_us).ok()?).ok()?.to_zoned(zone.clone());
        let mut words = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        if !stamp.wall_trusted {
            words.push_str(" (clock not set)");
        }
        if !text.is_empty() {
            words.push_str("  ");
            words.push_str(text);
        }
        Some(words)
    }

    /// The scale in eighths: 8, 4, 2 or 1.
    pub fn scale_eighths(&self) -> u8 {
        match self.eighths {
            0..=1 => 1,
            2 => 2,
            3..=4 => 4,
            _ => 8,
        }
    }

    /// Orientation and crop.
    pub fn geometry(&self) -> Geometry {
        let quarters = if self.rotate.is_multiple_of(90) { (self.rotate / 90 % 4) as u8 } else { 0 };
        // A flip is a half rotation and a mirroring.
        let quarters = if self.flip { (quarters + 2) % 4 } else { quarters };
        let orientation = Orientation { quarters, mirrored: self.mirror != self.flip };
        Geometry { orientation, crop: self.crop.filter(|crop| !is_all(crop)) }
    }

    /// The canonical form of equivalent views: a half rotation is a mirroring and a flip, and a crop to everything is
    /// none.
    #[must_use]
    pub fn canonical(&self) -> View {
        View::default().compose(self)
    }

    /// A single view that applies this view and then `next`. The caption comes last, whichever of the two has it, so
    /// that it is readable. Scales below an eighth become an eighth.
    #[must_use]
    pub fn compose(&self, next: &View) -> View {
        let both = self.geometry().compose(&next.geometry());
        View {
            gray: self.gray || next.gray,
            eighths: (self.scale_eighths() * next.scale_eighths() / 8).max(1),
            rotate: u16::from(both.orientation.quarters) * 90,
            mirror: both.orientation.mirrored,
            flip: false,
            crop: both.crop,
            text: next.text.clone().or_else(|| self.text.clone()),
            timestamp: next.timestamp.clone().or_else(|| self.timestamp.clone()),
        }
    }

    /// The size of a transformed picture of `size` pixels.
    pub fn output_size(&self, size: (u32, u32)) -> (u32, u32) {
        let (width, height) = self.geometry().visible_size(size);
        let eighths = u32::from(self.scale_eighths());
        ((width * eighths).div_ceil(8), (height * eighths).div_ceil(8))
    }

    /// Parses a view from a query; `get` returns the value of a key: `gray=1`, `scale=1/2`, `rotate=90`, `mirror=1`,
    /// `flip=1`, `crop=0.25,0,0.5,1` (left, top, width, height), `text=door`, `timestamp=1` (in UTC until
    /// [`View::with_zone`]). Missing and empty keys have no effect.
    ///
    /// # Errors
    /// The first invalid value.
    pub fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<View, WrongView> {
        let mut view = View::default();
        for key in View::KEYS {
            view.read_key(key, get(key))?;
        }
        Ok(view)
    }

    /// Like [`View::read`], but ignores invalid values.
    pub fn parse_lenient<'a>(get: impl Fn(&str) -> Option<&'a str>) -> View {
        let mut view = View::default();
        for key in View::KEYS {
            // An invalid value changes nothing.
            let _ = view.read_key(key, get(key));
        }
        view
    }

    /// The same view with times in `zone`.
    #[must_use]
    pub fn with_zone(mut self, zone: &TimeZone) -> View {
        if self.timestamp.is_some() {
            self.timestamp = Some(zone.clone());
        }
        self
    }

    fn read_key(&mut self, key: &'static str, value: Option<&str>) -> Result<(), WrongView> {
        let Some(given) = value.map(str::trim).filter(|value| !value.is_empty()) else { return Ok(()) };
        let wrong = |expected| Err(WrongView { key, given: given.chars().take(100).collect(), expected });
        match key {
            "scale" => match scale(given) {
                Some(eighths) => self.eighths = eighths,
                None => return wrong("1, 1/2, 1/4 or 1/8"),
            },
            "rotate" => match given {
                "0" => self.rotate = 0,
                "90" => self.rotate = 90,
                "180" => self.rotate = 180,
                "270" => self.rotate = 270,
                _ => return wrong("0, 90, 180 or 270"),
            },
            "crop" => match crop(given) {
                Some(crop) => self.crop = Some(crop).filter(|crop| !is_all(crop)),
                None => {
                    return wrong(
                        "left,top,width,height within the picture, as fractions such as 0.25,0.25,0.5,0.5, width and \
                         height at least 0.01",
                    );
                }
            },
            "text" if given.chars().count() <= LONGEST_TEXT && !given.contains(char::is_control) => {
                self.text = Some(given.to_owned());
            }
            "text" => return wrong("a line of at most 200 characters"),
            _ => {
                let yes = match given {
                    "1" | "true" => true,
                    "0" | "false" => false,
                    _ => return wrong("1 or 0"),
                };
                match key {
                    "gray" => self.gray = yes,
                    "mirror" => self.mirror = yes,
                    "timestamp" => self.timestamp = yes.then_some(TimeZone::UTC),
                    _ => self.flip = yes,
                }
            }
        }
        Ok(())
    }
}

/// Parses a scale as eighths.
fn scale(given: &str) -> Option<u8> {
    match given {
        "1" | "1/1" => Some(8),
        "1/2" | "0.5" => Some(4),
        "1/4" | "0.25" => Some(2),
        "1/8" | "0.125" => Some(1),
        _ => None,
    }
}

fn crop(given: &str) -> Option<[f64; 4]> {
    let mut parts = given.split(',');
    let mut crop = [0.0; 4];
    for part in &mut crop {
        *part = parts.next()?.trim().parse().ok().filter(|part: &f64| part.is_finite())?;
    }
    (parts.next().is_none() && is_part(&crop)).then_some(crop)
}

/// True if left, top, width and height are within the picture and not too small.
fn is_part(&[left, top, width, height]: &[f64; 4]) -> bool {
    let within = |from: f64, length: f64| from >= 0.0 && length >= LEAST_CROP && from + length <= 1.0 + 1e-9;
    within(left, width) && within(top, height)
}

/// True if a crop keeps everything.
fn is_all(&[left, top, width, height]: &[f64; 4]) -> bool {
    left <= 0.0 && top <= 0.0 && width >= 1.0 && height >= 1.0
}

/// One of eight orientations of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orientation {
    /// Clockwise rotation in quarters, 0–3.
    pub quarters: u8,
    /// Swaps left and right after the rotation.
    pub mirrored: bool,
}

impl Orientation {
    /// This orientation followed by `next`.
    #[must_use]
    pub fn compose(self, next: Orientation) -> Orientation {
        // A mirrored picture rotates the other way.
        let turn = if self.mirrored { 4 - next.quarters % 4 } else { next.quarters };
        Orientation { quarters: (self.quarters + turn) % 4, mirrored: self.mirrored != next.mirrored }
    }

    /// True if width and height are swapped.
    pub(crate) fn swaps_axes(self) -> bool {
        self.quarters % 2 == 1
    }

    /// Width and height of a picture of `size` after the orientation.
    pub(crate) fn oriented_size<T>(self, size: (T, T)) -> (T, T) {
        if self.swaps_axes() { (size.1, size.0) } else { size }
    }

    /// Left, top, width and height of a part after the orientation, in fractions.
    fn orient_part(self, [left, top, width, height]: [f64; 4]) -> [f64; 4] {
        let [left, top, width, height] = match self.quarters % 4 {
            1 => [1.0 - top - height, left, height, width],
            2 => [1.0 - left - width, 1.0 - top - height, width, height],
            3 => [top, 1.0 - left - width, height, width],
            _ => [left, top, width, height],
        };
        [if self.mirrored { 1.0 - left - width } else { left }, top, width, height]
    }
}

/// The geometric part of a view: lines and boxes are fractions of its result.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Geometry {
    /// The orientation.
    pub orientation: Orientation,
    /// Left, top, width and height of the visible part, as fractions of the rotated picture; `None` for all of it.
    pub crop: Option<[f64; 4]>,
}

/// Columns and rows of a picture: `left..left + width`, `top..top + height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
}

impl Geometry {
    /// True if it leaves pictures unchanged.
    pub fn is_identity(&self) -> bool {
        *self == Geometry::default()
    }

    /// This geometry followed by `next`.
    #[must_use]
    pub fn compose(&self, next: &Geometry) -> Geometry {
        let orientation = self.orientation.compose(next.orientation);
        let outer = self.crop.map(|crop| next.orientation.orient_part(crop));
        let crop = match (outer, next.crop) {
            (Some([left, top, width, height]), Some([x, y, w, h])) => {
                Some([left + x * width, top + y * height, w * width, h * height])
            }
            (outer, inner) => outer.or(inner),
        };
        Geometry { orientation, crop }
    }

    /// The visible part of a picture whose size is `size` before rotation, in pixels of the rotated one. Rounded to
    /// the nearest even pixel or the edge (two pixels share a chroma sample), and at least one pixel.
    pub fn visible_part(&self, size: (u32, u32)) -> Crop {
        let (width, height) = self.orientation.oriented_size(size);
        let Some([left, top, wide, high]) = self.crop else { return Crop { left: 0, top: 0, width, height } };
        let cut = |from: f64, length: f64, most: u32| {
            // `as` turns NaN into 0 and clamps other values.
            let even = |at: f64| (at * f64::from(most) / 2.0).round() as u32 * 2;
            let first = even(from).min(most.saturating_sub(1) / 2 * 2);
            let end = if from + length >= 1.0 - 1e-9 { most } else { even(from + length).min(most) };
            (first, end.saturating_sub(first).max(2).min(most - first))
        };
        let ((left, wide), (top, high)) = (cut(left, wide, width), cut(top, high, height));
        Crop { left, top, width: wide, height: high }
    }

    /// The same part in pixels of the picture before rotation.
    pub(crate) fn source_part(&self, size: (u32, u32)) -> Crop {
        let Crop { left, top, width, height } = self.visible_part(size);
        let (turned_width, turned_height) = self.orientation.oriented_size(size);
        let left = if self.orientation.mirrored { turned_width - left - width } else { left };
        let (right, bottom) = (turned_width - left - width, turned_height - top - height);
        match self.orientation.quarters % 4 {
            1 => Crop { left: top, top: right, width: height, height: width },
            2 => Crop { left: right, top: bottom, width, height },
            3 => Crop { left: bottom, top: left, width: height, height: width },
            _ => Crop { left, top, width, height },
        }
    }

    /// Maps a point of the visible part to the picture before rotation; both in 0…1.
    pub fn to_source(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [left, top, width, height] = self.crop.unwrap_or([0.0, 0.0, 1.0, 1.0]);
        let (x, y) = (left + x * width, top + y * height);
        let x = if self.orientation.mirrored { 1.0 - x } else { x };
        match self.orientation.quarters % 4 {
            1 => [y, 1.0 - x],
            2 => [1.0 - x, 1.0 - y],
            3 => [1.0 - y, x],
            _ => [x, y],
        }
    }

    /// The inverse of [`Geometry::to_source`]; outside 0…1 if the point is not visible.
    pub fn from_source(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [x, y, ..] = self.orientation.orient_part([x, y, 0.0, 0.0]);
        let [left, top, width, height] = self.crop.unwrap_or([0.0, 0.0, 1.0, 1.0]);
        [(x - left) / width, (y - top) / height]
    }

    /// The size of the visible part of a picture of `size`.
    pub fn visible_size(&self, size: (u32, u32)) -> (u32, u32) {
        let part = self.visible_part(size);
        (part.width, part.height)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use tallycam_base::proptest_floats::between;

    fn of(query: &str) -> Result<View, WrongView> {
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        View::read(|key| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value))
    }

    /// Maps the point (x, y) of a picture step by step: rotated, mirrored, flipped.
    fn point(view: &View, (x, y): (f64, f64)) -> (f64, f64) {
        let (x, y) = match view.rotate {
            90 => (1.0 - y, x),
            180 => (1.0 - x, 1.0 - y),
            270 => (y, 1.0 - x),
            _ => (x, y),
        };
        let (x, y) = (if view.mirror { 1.0 - x } else { x }, if view.flip { 1.0 - y } else { y });
        match view.crop {
            Some([left, top, width, height]) => ((x - left) / width, (y - top) / height),
            None => (x, y),
        }
    }

    #[test]
    fn a_point_maps_to_the_source_and_back_in_every_view() {
        for rotate in [0, 90, 180, 270] {
            for (mirror, flip) in [(false, false), (true, false), (false, true), (true, true)] {
                let view =
                    View { rotate, mirror, flip, crop: Some([0.25, 0.5, 0.5, 0.25]), ..View::default() };
                let [x, y] = view.geometry().to_source([0.25, 0.75]);
                assert_eq!(point(&view, (x, y)), (0.25, 0.75), "{view:?}");
                assert_eq!(view.geometry().from_source([x, y]), [0.25, 0.75], "{view:?}");
            }
        }
    }

    #[test]
    fn a_query_is_parsed_or_the_error_names_the_key() {
        let view = of("gray=1&scale=1/2&rotate=90&mirror=true&flip=0&crop=0.25,0, 0.5,1").unwrap();
        let want = View {
            gray: true,
            eighths: 4,
            rotate: 90,
            mirror: true,
            crop: Some([0.25, 0.0, 0.5, 1.0]),
            ..View::default()
        };
        assert_eq!(view, want);
        assert!(of("gray=&scale=1&crop=0,0,1,1&rotate=0&x=y").unwrap().is_identity());
        for (query, key) in [
            ("gray=2", "gray"),
            ("mirror=yes", "mirror"),
            ("flip=nan", "flip"),
            ("scale=1/3", "scale"),
            ("scale=2", "scale"),
            ("rotate=45", "rotate"),
            ("rotate=-90", "rotate"),
            ("crop=0,0,1", "crop"),
            ("crop=0,0,1,1,1", "crop"),
            ("crop=0.5,0,0.6,1", "crop"),
            ("crop=0,0,0,1", "crop"),
            ("crop=nan,0,1,1", "crop"),
            ("crop=-0.1,0,1,1", "crop"),
            ("crop=a,b,c,d", "crop"),
            ("timestamp=maybe", "timestamp"),
            ("text=two\nlines", "text"),
        ] {
            let wrong = of(query).unwrap_err();
            assert_eq!(wrong.key, key, "{query}");
            assert_eq!(wrong.given, query.split_once('=').unwrap().1);
        }
        assert_eq!(of(&format!("text={}", "x".repeat(201))).unwrap_err().key, "text");
        let written = of("text=door 7&timestamp=1").unwrap();
        assert_eq!(
            (written.text.as_deref(), written.timestamp.as_ref()),
            (Some("door 7"), Some(&TimeZone::UTC))
        );
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(written.with_zone(&zone).timestamp, Some(zone.clone()));
        assert_eq!(of("timestamp=0&text=").unwrap().with_zone(&zone), View::default());
        let lenient = View::parse_lenient(|key| match key {
            "gray" => Some("1"),
            "scale" => Some("huge"),
            "crop" => Some("inf,0,1,1"),
            _ => None,
        });
        assert_eq!(lenient, View { gray: true, ..View::default() });
    }

    #[test]
    fn sizes_follow_the_view() {
        let view = of("rotate=90&crop=0.5,0,0.5,0.5&scale=1/2").unwrap();
        assert_eq!(view.output_size((1280, 720)), (180, 320));
        assert_eq!(of("scale=1/8").unwrap().output_size((1, 9)), (1, 2));
        assert_eq!(View::default().output_size((641, 3)), (641, 3));
        let part = of("crop=0.333,0.1,0.01,0.9").unwrap().geometry().visible_part((10, 10));
        assert_eq!(part, Crop { left: 4, top: 2, width: 2, height: 8 });
        let turned = of("rotate=90&mirror=1&crop=0,0.5,0.5,0.5").unwrap().geometry();
        // Rotated and mirrored it is 20 wide and 40 high; its lower left is the upper right of the original.
        assert_eq!(turned.source_part((40, 20)), Crop { left: 20, top: 0, width: 20, height: 10 });
    }

    #[test]
    fn the_caption_comes_last_and_an_empty_one_is_none() {
        let shared =
            View { text: Some(String::from("door")), timestamp: Some(TimeZone::UTC), ..View::default() };
        let both = shared.compose(&of("rotate=180").unwrap());
        assert_eq!((both.text.as_deref(), both.timestamp.is_some(), both.rotate), (Some("door"), true, 180));
        assert!(!both.is_identity());
        assert!(View { text: Some(String::new()), ..View::default() }.is_identity());
        let quarter = View { eighths: 2, ..View::default() };
        assert_eq!(quarter.compose(&quarter).eighths, 1);
    }

    #[test]
    fn times_are_in_the_given_zone() {
        let stamp = ClockTime { monotonic_us: 0, wall_us: 1_700_000_000_500_000, wall_trusted: true };
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
        let mut view = View { timestamp: Some(zone), ..View::default() };
        assert_eq!(view.caption_text(&stamp).as_deref(), Some("2023-11-15 00:13:20"));
        view.text = Some(String::from("door"));
        let unsure = ClockTime { wall_trusted: false, ..stamp };
        assert_eq!(view.caption_text(&unsure).as_deref(), Some("2023-11-15 00:13:20 (clock not set)  door"));
        view.timestamp = None;
        assert_eq!(view.caption_text(&stamp).as_deref(), Some("door"));
        assert_eq!(View::default().caption_text(&stamp), None);
    }

    fn views() -> impl Strategy<Value = View> {
        let parts = prop_oneof![
            Just(None),
            (between(0.0, 0.6), between(0.0, 0.6), between(0.1, 0.4), between(0.1, 0.4))
                .prop_map(|(l, t, w, h)| Some([l, t, w, h])),
        ];
        (0u16..4, any::<bool>(), any::<bool>(), any::<bool>(), parts, 0..4u32).prop_map(
            |(quarters, mirror, flip, gray, crop, halvings)| View {
                gray,
                eighths: 8 >> halvings,
                rotate: quarters * 90,
                mirror,
                flip,
                crop,
                ..View::default()
            },
        )
    }

    proptest! {
        /// A composed view maps every point as the two views in succession do.
        #[test]
        fn two_views_compose_to_one(a in views(), b in views(), x in between(0.0, 1.0), y in between(0.0, 1.0)) {
            let one = point(&a.compose(&b), (x, y));
            let two = point(&b, point(&a, (x, y)));
            prop_assert!((one.0 - two.0).abs() < 1e-6 && (one.1 - two.1).abs() < 1e-6, "{one:?} {two:?}");
        }

        #[test]
        fn composition_is_associative_and_the_default_is_neutral(a in views(), b in views(), c in views()) {
            let (left, right) = (a.compose(&b).compose(&c), a.compose(&b.compose(&c)));
            prop_assert_eq!(left.geometry().orientation, right.geometry().orientation);
            prop_assert_eq!((left.eighths, left.gray), (right.eighths, right.gray));
            prop_assert_eq!(a.compose(&View::default()).geometry(), a.geometry());
            prop_assert_eq!(View::default().compose(&a).geometry(), a.geometry());
        }

        #[test]
        fn there_is_always_a_pixel_and_never_one_outside(view in views(), width in 1u32..5000, height in 1u32..5000) {
            let part = view.geometry().visible_part((width, height));
            let turned = view.geometry().orientation.oriented_size((width, height));
            prop_assert!(part.width >= 1 && part.height >= 1);
            prop_assert!(part.left + part.width <= turned.0 && part.top + part.height <= turned.1);
            let source = view.geometry().source_part((width, height));
            prop_assert_eq!(view.geometry().orientation.oriented_size((source.width, source.height)), (part.width, part.height));
            prop_assert!(source.left + source.width <= width && source.top + source.height <= height);
            let size = view.output_size((width, height));
            prop_assert!(size.0 >= 1 && size.1 >= 1);
        }

        #[test]
        fn any_text_is_read(text in ".{0,60}") {
            for key in View::KEYS {
                let _ = View::read(|asked| (asked == key).then_some(text.as_str()));
            }
        }
    }
}
