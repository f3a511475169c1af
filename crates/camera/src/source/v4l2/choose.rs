//! Chooses a mode of a camera from its offers and a request. Pure.
//!
//! The size comes first, then the rate, then how cheap the format is for the pipeline. A request that cannot be met
//! is replaced by the nearest offer, with a note; only a format that is requested by name and not offered is refused.

use std::path::Path;

use crate::media::{Fourcc, SourceError};
use crate::source::{DEFAULT_SIZE, FormatRequest, is_same_rate};

/// Frames a second without a request.
const DEFAULT_FPS: f64 = 30.0;

/// The time between frames in seconds, as a V4L2 fraction (`struct v4l2_fract`).
///
/// Invariant: both parts are above 0 if this comes from [`Interval::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Numerator, in seconds.
    pub numerator: u32,
    /// Denominator.
    pub denominator: u32,
}

impl Interval {
    /// The fraction in lowest terms; `None` if either part is 0, with which drivers say "unknown".
    pub fn new(numerator: u32, denominator: u32) -> Option<Interval> {
        Interval::reduced(numerator.into(), denominator.into())
    }

    /// Frames a second.
    pub fn fps(self) -> f64 {
        f64::from(self.denominator) / f64::from(self.numerator)
    }

    /// The interval of `fps` frames a second, to a thousandth.
    fn from_fps(fps: f64) -> Option<Interval> {
        Interval::reduced(1000, (fps * 1000.0).round() as u128)
    }

    fn reduced(numerator: u128, denominator: u128) -> Option<Interval> {
        let (mut a, mut b) = (numerator, denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let part = |n: u128| n.checked_div(a).and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0);
        Some(Interval { numerator: part(numerator)?, denominator: part(denominator)? })
    }

    fn is_longer(self, other: Interval) -> bool {
        u64::from(self.numerator) * u64::from(other.denominator)
            > u64::from(other.numerator) * u64::from(self.denominator)
    }
}

/// The sizes (width, height in pixels) offered in one format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SizeRange {
    /// Exactly these.
    List(Vec<(u32, u32)>),
    /// Every `step` from `min` to `max`; a step of 0 means 1.
    Range {
        /// Smallest.
        min: (u32, u32),
        /// Largest.
        max: (u32, u32),
        /// Distance between sizes.
        step: (u32, u32),
    },
    /// The driver does not tell, and adjusts a requested size to what it supports.
    Unknown,
}

/// The intervals offered at one format and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Intervals {
    /// Exactly these.
    List(Vec<Interval>),
    /// Every `step` from `min` (fastest) to `max`; `None`: any value between them.
    Range {
        /// Shortest.
        min: Interval,
        /// Longest.
        max: Interval,
        /// Distance between intervals.
        step: Option<Interval>,
    },
    /// The driver does not tell.
    Unknown,
}

/// One pixel format a camera offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The format.
    pub fourcc: Fourcc,
    /// The driver's description.
    pub description: String,
    pub sizes: SizeRange,
}

/// The mode to request from the driver.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModeChoice {
    /// Pixel format.
    pub fourcc: Fourcc,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Time between frames; `None` for the driver's own.
    pub interval: Option<Interval>,
}

/// Completes the fault that no mode of the camera at `path` can be chosen among `offers`.
pub(super) fn advise(fault: SourceError, offers: &[Offer], path: &Path) -> SourceError {
    if offers.iter().any(is_usable) {
        return fault.hint("choose another format in Settings, or none");
    }
    fault
        .hint("choose another camera, or let ffmpeg convert its pictures")
        .shell(convert_with_ffmpeg(offers, path))
}

fn convert_with_ffmpeg(offers: &[Offer], path: &Path) -> String {
    let path = path.display();
    let Some(name) = offers.iter().find_map(|offer| ffmpeg_name(offer.fourcc)) else {
        return format!(
            "`ffmpeg -f v4l2 -list_formats all -i {path}` says whether ffmpeg can read it; then take [source] \
                 kind = \"exec\" with a command that writes Motion JPEG"
        );
    };
    format!(
        "ffmpeg can turn it into pictures: [source] kind = \"exec\", command = \"ffmpeg -nostdin -loglevel error \
             -f v4l2 -input_format {name} -i {path} -vf setpts=N/TB -fps_mode passthrough -q:v 4 -f mjpeg -\""
    )
}

/// ffmpeg's name (for `-input_format`) of a format that only it can read.
fn ffmpeg_name(format: Fourcc) -> Option<&'static str> {
    const NAMES: [(&str, &str); 16] = [
        ("H264", "h264"),
        ("AVC1", "h264"),
        ("HEVC", "hevc"),
        ("MPG4", "mpeg4"),
        ("MPG2", "mpeg2video"),
        ("VP80", "vp8"),
        ("VP90", "vp9"),
        ("BA81", "bayer_bggr8"),
        ("GBRG", "bayer_gbrg8"),
        ("GRBG", "bayer_grbg8"),
        ("RGGB", "bayer_rggb8"),
        ("Y16", "gray16le"),
        ("BGR4", "bgr0"),
        ("XR24", "bgr0"),
        ("RGBP", "rgb565le"),
        ("NV16", "nv16"),
    ];
    let format = format.to_string();
    NAMES.iter().find(|(fourcc, _)| *fourcc == format.trim()).map(|(_, name)| *name)
}

fn names(formats: &[Fourcc]) -> String {
    match formats {
        [] => String::from("none"),
        some => some.iter().map(Fourcc::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Chooses among `offers`. `intervals` gives the intervals of a format at a size; it is called only for the best
/// sizes.
///
/// # Errors
/// The reason in words, with the offers.
pub fn choose(
    offers: &[Offer],
    wanted: &FormatRequest,
    intervals: impl Fn(Fourcc, (u32, u32)) -> Intervals,
) -> Result<ModeChoice, String> {
    let candidates = filter_formats(offers, wanted.format)?;
    let sized: Vec<(Fourcc, (u32, u32))> = candidates
        .iter()
        .map(|offer| (offer.fourcc, nearest_size(&offer.sizes, wanted.width, wanted.height)))
        .collect();
    let miss = |size| size_distance(size, wanted.width, wanted.height);
    let fps = wanted.fps.unwrap_or(DEFAULT_FPS);
    let least = sized.iter().map(|&(_, size)| miss(size)).min();
    sized
        .into_iter()
        .filter(|&(_, size)| Some(miss(size)) == least)
        .map(|(fourcc, size)| (fourcc, size, nearest_interval(&intervals(fourcc, size), fps)))
        .min_by_key(|&(fourcc, _, interval)| (rate_miss(interval, fps), decoding_cost(fourcc)))
        .map(|(fourcc, (width, height), interval)| ModeChoice { fourcc, width, height, interval })
        .ok_or_else(|| nothing_usable(offers))
}

/// The largest size among `offers` in the wanted format, or in any supported one; `None` if the driver does not tell
/// sizes.
pub fn largest_size(offers: &[Offer], wanted: &FormatRequest) -> Option<(u32, u32)> {
    let offers = filter_formats(offers, wanted.format).ok()?;
    let sizes = offers.into_iter().filter_map(|offer| match &offer.sizes {
        SizeRange::List(list) => list.iter().copied().max_by_key(|&size| area(size)),
        SizeRange::Range { max, .. } => Some(*max),
        SizeRange::Unknown => None,
    });
    sizes.max_by_key(|&size| area(size))
}

fn area((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

fn filter_formats(offers: &[Offer], wanted: Option<Fourcc>) -> Result<Vec<&Offer>, String> {
    let Some(wanted) = wanted else {
        let all: Vec<&Offer> = offers.iter().filter(|offer| is_usable(offer)).collect();
        return if all.is_empty() { Err(nothing_usable(offers)) } else { Ok(all) };
    };
    if !Fourcc::USABLE.contains(&wanted) {
        return Err(format!("tallycam cannot take {wanted} frames, only {}", names(&Fourcc::USABLE)));
    }
    // MJPG and JPEG are two names of the same format.
    let same = |offer: &&Offer| offer.fourcc == wanted || (offer.fourcc.is_jpeg() && wanted.is_jpeg());
    let named: Vec<&Offer> = offers.iter().filter(same).collect();
    let none = || format!("offers no {wanted}, only {}", names(&fourccs(offers)));
    if named.is_empty() { Err(none()) } else { Ok(named) }
}

fn is_usable(offer: &Offer) -> bool {
    Fourcc::USABLE.contains(&offer.fourcc)
}

fn nothing_usable(offers: &[Offer]) -> String {
    format!("offers no format that tallycam can take, only {}", names(&fourccs(offers)))
}

fn fourccs(offers: &[Offer]) -> Vec<Fourcc> {
    offers.iter().map(|offer| offer.fourcc).collect()
}

fn decoding_cost(fourcc: Fourcc) -> usize {
    Fourcc::USABLE.iter().position(|&f| f == fourcc).unwrap_or(usize::MAX)
}

/// The offered size nearest to the request.
fn nearest_size(sizes: &SizeRange, width: Option<u32>, height: Option<u32>) -> (u32, u32) {
    let (w, h) = FormatRequest { width, height, ..FormatRequest::ANYTHING }.size();
    match *sizes {
        SizeRange::List(ref list) => {
            list.iter().copied().min_by_key(|&size| size_distance(size, width, height)).unwrap_or((w, h))
        }
        SizeRange::Range { min, max, step } => {
            (nearest_step(min.0, max.0, step.0, w), nearest_step(min.1, max.1, step.1, h))
        }
        SizeRange::Unknown => (w, h),
    }
}

/// Distance of a size from the request; less is better. Requested sides count before open ones. Without a request, a
/// size of more pixels than the default is worse than any smaller one.
fn size_distance(size: (u32, u32), width: Option<u32>, height: Option<u32>) -> (bool, u64, u64, u64) {
    let (w, h) = FormatRequest { width, height, ..FormatRequest::ANYTHING }.size();
    let (dw, dh) = (u64::from(size.0.abs_diff(w)), u64::from(size.1.abs_diff(h)));
    match (width, height) {
        (None, None) => (area(size) > area(DEFAULT_SIZE), dw + dh, 0, area(size)),
        (Some(_), Some(_)) => (false, dw + dh, 0, area(size)),
        (Some(_), None) => (false, dw, dh, area(size)),
        (None, Some(_)) => (false, dh, dw, area(size)),
    }
}

/// The value nearest to `request` among `min`, `min + step`, … `max`; of two equally near ones the smaller.
fn nearest_step(min: u32, max: u32, step: u32, request: u32) -> u32 {
    let step = step.max(1);
    let above = request.clamp(min, max.max(min)) - min;
    let below = above / step * step;
    let up = below.checked_add(step).and_then(|n| n.checked_add(min)).filter(|&n| n <= max);
    match up {
        Some(up) if above - below > step / 2 => up,
        _ => min + below,
    }
}

fn nearest_interval(intervals: &Intervals, fps: f64) -> Option<Interval> {
    match *intervals {
        Intervals::List(ref list) => list.iter().copied().min_by(|&a, &b| {
            let order = rate_miss(Some(a), fps).cmp(&rate_miss(Some(b), fps));
            order.then(b.fps().total_cmp(&a.fps()))
        }),
        Intervals::Range { min, max, step } => {
            let want = Interval::from_fps(fps)?;
            if !want.is_longer(min) {
                Some(min)
            } else if !max.is_longer(want) {
                Some(max)
            } else {
                Some(step.map_or(want, |step| nearest_step_to(min, max, step, want)))
            }
        }
        Intervals::Unknown => None,
    }
}

/// The value nearest to `want` among `min`, `min + step`, … `max`; `min` if that fraction overflows.
fn nearest_step_to(min: Interval, max: Interval, step: Interval, want: Interval) -> Interval {
    let seconds = |i: Interval| 1.0 / i.fps();
    let steps = ((seconds(want) - seconds(min)) / seconds(step)).round() as u128;
    let at = |k: u128| {
        let (a, b) = (u128::from(min.numerator), u128::from(min.denominator));
        let (c, d) = (u128::from(step.numerator), u128::from(step.denominator));
        Interval::reduced(a * d + k * c * b, b * d).filter(|i| !i.is_longer(max))
    };
    at(steps).or_else(|| at(steps.checked_sub(1)?)).unwrap_or(min)
}

/// Distance of a rate from the request, in thousandths of its logarithm (half is as far as double); 0 for the same
/// rate. An unknown rate is worse than the right one and better than a wrong one.
fn rate_miss(interval: Option<Interval>, fps: f64) -> u32 {
    interval.map_or(50, |interval| {
        let miss = (interval.fps() / fps).ln().abs();
        if is_same_rate(interval.fps(), fps) { 0 } else { (miss * 1000.0).round() as u32 }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use proptest::prelude::*;
    use tallycam_base::proptest_floats::between;

    fn every(numerator: u32, denominator: u32) -> Interval {
        Interval::new(numerator, denominator).expect("a fraction of 0")
    }

    fn offer(fourcc: Fourcc, sizes: SizeRange) -> Offer {
        Offer { fourcc, description: String::new(), sizes }
    }

    fn wanted(width: u32, height: u32, fps: f64, format: &str) -> FormatRequest {
        let some = |n: u32| (n > 0).then_some(n);
        FormatRequest {
            width: some(width),
            height: some(height),
            fps: (fps > 0.0).then_some(fps),
            format: format.parse().ok(),
        }
    }

    fn notes_of(request: &FormatRequest, got: &ModeChoice) -> Vec<String> {
        request.unmet_requests((got.width, got.height), got.interval.map(|interval| interval.fps()))
    }

    /// A typical webcam: large raw frames are slow.
    fn webcam() -> (Vec<Offer>, impl Fn(Fourcc, (u32, u32)) -> Intervals) {
        let sizes = SizeRange::List(vec![(640, 480), (640, 360), (1280, 720), (1920, 1080)]);
        let rates = |fourcc: Fourcc, (width, _): (u32, u32)| {
            let rates: &[u32] = match (fourcc.is_jpeg(), width) {
                (true, _) => &[30, 24, 15],
                (false, 640) => &[30, 15],
                (false, 1280) => &[10, 5],
                (false, _) => &[5],
            };
            Intervals::List(rates.iter().map(|&fps| every(1, fps)).collect())
        };
        (vec![offer(Fourcc::YUYV, sizes.clone()), offer(Fourcc::MJPG, sizes)], rates)
    }

    #[test]
    fn the_largest_size_is_that_of_any_supported_format() {
        let offer = |fourcc, sizes| Offer { fourcc, description: String::new(), sizes };
        let unusable = Fourcc(*b"H264");
        let offers = [
            offer(Fourcc::MJPG, SizeRange::List(vec![(640, 480), (1920, 1080), (1280, 1024)])),
            offer(Fourcc::YUYV, SizeRange::Range { min: (16, 16), max: (2592, 1944), step: (2, 2) }),
            offer(unusable, SizeRange::List(vec![(3840, 2160)])),
            offer(Fourcc::YU12, SizeRange::Unknown),
        ];
        let largest = |format| largest_size(&offers, &FormatRequest { format, ..FormatRequest::ANYTHING });
        assert_eq!(largest(None), Some((2592, 1944)));
        assert_eq!(largest(Some(Fourcc::MJPG)), Some((1920, 1080)));
        assert_eq!(largest(Some(Fourcc::YU12)), None);
        assert_eq!(largest(Some(unusable)), None);
    }

    #[test]
    fn a_webcam_gives_what_is_wanted() {
        let (offers, rates) = webcam();
        for (request, want) in [
            (wanted(0, 0, 0.0, ""), "MJPG 1280x720 30"),
            (wanted(640, 480, 0.0, ""), "MJPG 640x480 30"),
            (wanted(640, 0, 0.0, ""), "MJPG 640x360 30"),
            (wanted(0, 1080, 0.0, ""), "MJPG 1920x1080 30"),
            (wanted(0, 0, 0.0, "YUYV"), "YUYV 1280x720 10"),
            (wanted(640, 480, 30.0, "YUYV"), "YUYV 640x480 30"),
            (wanted(1280, 720, 10.0, ""), "YUYV 1280x720 10"),
            (wanted(1280, 720, 24.0, ""), "MJPG 1280x720 24"),
            (wanted(0, 0, 0.0, "JPEG"), "MJPG 1280x720 30"),
        ] {
            let got = choose(&offers, &request, &rates).expect("nothing chosen");
            let fps = got.interval.unwrap().fps();
            assert_eq!(format!("{} {}x{} {fps}", got.fourcc, got.width, got.height), want, "{request:?}");
            if request.format != Some(Fourcc::YUYV) {
                assert_eq!(notes_of(&request, &got), [""; 0], "{request:?}");
            }
        }
    }

    #[test]
    fn an_unmet_request_is_reported() {
        let (offers, rates) = webcam();
        let request = wanted(1300, 700, 50.0, "");
        let got = choose(&offers, &request, rates).unwrap();
        assert_eq!((got.width, got.height), (1280, 720));
        assert_eq!(
            notes_of(&request, &got),
            [
                "The camera has no 1300×700: 1280×720 is the nearest.",
                "The camera has no 50 frames a second at 1280×720: 30 is the nearest."
            ]
        );
    }

    #[test]
    fn a_format_by_name_is_not_replaced() {
        let (offers, rates) = webcam();
        let no = choose(&offers, &wanted(0, 0, 0.0, "NV12"), &rates).unwrap_err();
        assert_eq!(no.to_string(), "offers no NV12, only YUYV, MJPG");
        let no = choose(&offers, &wanted(0, 0, 0.0, "H264"), &rates).unwrap_err();
        assert!(no.to_string().starts_with("tallycam cannot take H264 frames, only MJPG, JPEG"), "{no}");
        let bayer = [offer(Fourcc(*b"BA81"), SizeRange::Unknown)];
        let no = choose(&bayer, &FormatRequest::ANYTHING, &rates).unwrap_err();
        assert_eq!(no.to_string(), "offers no format that tallycam can take, only BA81");
        let hint = super::convert_with_ffmpeg(&bayer, Path::new("/dev/video2"));
        assert!(
            hint.contains("kind = \"exec\"") && hint.contains("-input_format bayer_bggr8 -i /dev/video2"),
            "{hint}"
        );
        let hint = super::convert_with_ffmpeg(&[], Path::new("/dev/video2"));
        assert!(hint.contains("-list_formats all -i /dev/video2"), "{hint}");
    }

    #[test]
    fn a_size_beyond_the_default_is_a_last_resort() {
        let rates = |_, _| Intervals::Unknown;
        let list = |sizes: &[(u32, u32)]| vec![offer(Fourcc::MJPG, SizeRange::List(sizes.to_vec()))];
        let size = |sizes: &[(u32, u32)]| {
            let got = choose(&list(sizes), &FormatRequest::ANYTHING, rates).unwrap();
            (got.width, got.height)
        };
        assert_eq!(size(&[(1920, 1080), (320, 240), (640, 480)]), (640, 480));
        assert_eq!(size(&[(3840, 2160), (1920, 1080)]), (1920, 1080));
    }

    #[test]
    fn stepwise_sizes_and_intervals() {
        let sizes = SizeRange::Range { min: (32, 32), max: (2592, 1944), step: (16, 2) };
        let rates = |_, _| Intervals::Range { min: every(1, 60), max: every(1, 1), step: Some(every(1, 60)) };
        let got = choose(&[offer(Fourcc::YU12, sizes)], &wanted(1001, 9999, 20.0, ""), rates).unwrap();
        assert_eq!((got.width, got.height), (1008, 1944));
        assert_eq!(got.interval, Some(every(1, 20)));

        let any = SizeRange::Range { min: (16, 16), max: (4096, 4096), step: (0, 0) };
        let rates = |_, _| Intervals::Range { min: every(1, 120), max: every(1, 1), step: None };
        let request = wanted(333, 222, 29.97, "");
        let got = choose(&[offer(Fourcc::GREY, any)], &request, rates).unwrap();
        assert_eq!((got.width, got.height), (333, 222));
        assert_eq!(got.interval, Some(every(100, 2997)));
        assert_eq!(notes_of(&request, &got), [""; 0]);
    }

    #[test]
    fn fractions_are_reduced_and_never_zero() {
        assert_eq!(Interval::new(333_333, 9_999_990), Interval::new(1, 30));
        assert_eq!(Interval::new(0, 30), None);
        assert_eq!(Interval::new(1, 0), None);
    }

    fn a_size() -> impl Strategy<Value = (u32, u32)> {
        (16u32..5000, 16u32..5000)
    }

    fn some_sizes() -> impl Strategy<Value = SizeRange> {
        prop_oneof![
            prop::collection::vec(a_size(), 1..6).prop_map(SizeRange::List),
            (a_size(), (0u32..3000, 0u32..3000), (0u32..64, 0u32..64)).prop_map(|(min, more, step)| {
                SizeRange::Range { min, max: (min.0 + more.0, min.1 + more.1), step }
            }),
        ]
    }

    fn an_interval() -> impl Strategy<Value = Interval> {
        (1u32..2000, 1u32..60_000).prop_map(|(n, d)| Interval::new(n, d).unwrap())
    }

    fn some_intervals() -> impl Strategy<Value = Intervals> {
        prop_oneof![
            prop::collection::vec(an_interval(), 1..6).prop_map(Intervals::List),
            (an_interval(), an_interval(), prop::option::of(an_interval())).prop_map(|(a, b, step)| {
                let (min, max) = if a.is_longer(b) { (b, a) } else { (a, b) };
                Intervals::Range { min, max, step }
            }),
            Just(Intervals::Unknown),
        ]
    }

    fn has_size(sizes: &SizeRange, (w, h): (u32, u32)) -> bool {
        let on = |min: u32, max: u32, step: u32, n: u32| {
            (min..=max).contains(&n) && (n - min).is_multiple_of(step.max(1))
        };
        match sizes {
            SizeRange::List(list) => list.contains(&(w, h)),
            SizeRange::Range { min, max, step } => on(min.0, max.0, step.0, w) && on(min.1, max.1, step.1, h),
            SizeRange::Unknown => true,
        }
    }

    /// True if `(i - min) / step` is whole, all as exact fractions.
    fn is_whole_steps(i: Interval, min: Interval, step: Interval) -> bool {
        let wide = |n: u32| i128::from(n);
        let over = wide(i.numerator) * wide(min.denominator) - wide(min.numerator) * wide(i.denominator);
        let under = wide(i.denominator) * wide(min.denominator);
        (over * wide(step.denominator)) % (under * wide(step.numerator)) == 0
    }

    fn has_interval(intervals: &Intervals, interval: Option<Interval>) -> bool {
        match (intervals, interval) {
            (Intervals::List(list), Some(i)) => list.contains(&i),
            (Intervals::Range { min, max, step }, Some(i)) => {
                let inside = !min.is_longer(i) && !i.is_longer(*max);
                let end = i == *min || i == *max;
                inside && (end || step.is_none_or(|step| is_whole_steps(i, *min, step)))
            }
            (Intervals::Unknown, i) => i.is_none(),
            (_, None) => false,
        }
    }

    proptest! {
        #[test]
        fn the_chosen_mode_is_offered(
            formats in prop::sample::subsequence(Fourcc::USABLE.to_vec(), 1..=7),
            sizes in prop::collection::vec(some_sizes(), 7),
            intervals in prop::collection::vec(some_intervals(), 7),
            width in prop::option::of(16u32..8192),
            height in prop::option::of(16u32..8192),
            fps in prop::option::of(between(0.01f64, 240.0)),
        ) {
            let offers: Vec<Offer> =
                formats.iter().zip(&sizes).map(|(&f, s)| offer(f, s.clone())).collect();
            let of = |fourcc: Fourcc| {
                intervals[formats.iter().position(|&f| f == fourcc).unwrap()].clone()
            };
            let request = FormatRequest { width, height, fps, ..FormatRequest::ANYTHING };
            let got = choose(&offers, &request, |fourcc, _| of(fourcc)).unwrap();
            let from = offers.iter().find(|o| o.fourcc == got.fourcc).expect("a format of its own");
            prop_assert!(has_size(&from.sizes, (got.width, got.height)), "{got:?} of {from:?}");
            prop_assert!(has_interval(&of(got.fourcc), got.interval), "{got:?} of {:?}", of(got.fourcc));
        }

        #[test]
        fn an_offered_size_is_chosen(list in prop::collection::vec(a_size(), 1..8), nth in 0usize..8) {
            let (width, height) = list[nth % list.len()];
            let request = FormatRequest { width: Some(width), height: Some(height), ..FormatRequest::ANYTHING };
            let got = choose(&[offer(Fourcc::MJPG, SizeRange::List(list))], &request, |_, _| Intervals::Unknown);
            let got = got.unwrap();
            prop_assert_eq!((got.width, got.height), (width, height));
            prop_assert_eq!(notes_of(&request, &got).len(), 0);
        }
    }
}
