//! Plans rectangles around lines and zones. Pure.
//!
//! A network's input has the same number of pixels for every region, so a smaller region gives more pixels to each
//! object. A square with the line's length as its side holds everything that crosses, unless objects are larger. The
//! sizes observed at the line decide (see [`RegionNeed::observe`]).

use crate::geometry::{Bounds, Point};

/// Least side of a region, as a share of the frame's shorter side: objects at a short line are not small.
const LEAST_SHARE: f32 = 0.5;
/// Width over height of the region of a line longer than the frame is high; inverted for a tall one.
pub const WIDE: f32 = 432.0 / 208.0;
/// Two lines share a region that is at most this many times as large as the larger of their own.
const MOST_GROWTH: f32 = 1.5;
/// Most regions: with more, each waits too long for its turn. The nearest are merged.
const MOST_REGIONS: usize = 4;
/// Least side of a region, in sizes of the objects there.
const ROOM: f32 = 1.5;
/// Factors on the remembered size for a larger and a smaller observation. Nine of ten observations end up smaller.
const GROWS: f32 = 1.045;
const FALLS: f32 = 0.995;
/// The plan is remade when the remembered size has changed by this factor.
const MOST_CHANGE: f32 = 1.2;
/// A region with this share of the frame becomes the whole frame.
const NEARLY_ALL: f32 = 0.9;

/// The shape of a network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionShape {
    /// The shape of the whole frame.
    Picture,
    /// As wide as high.
    Square,
    /// About twice as wide as high.
    Wide,
    /// About twice as high as wide.
    Tall,
}

/// The space that a line or zone needs: its bounds and length, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RegionNeed {
    bounds: Bounds,
    length: f32,
    /// Size of the objects there, and their size when the plan was made.
    things: f32,
    planned: f32,
    least_things: f32,
}

impl RegionNeed {
    /// The need of a line between two points, in fractions of a frame of `size`. `None` if it lies outside.
    pub(crate) fn from_line(a: Point, b: Point, size: (u32, u32)) -> Option<RegionNeed> {
        let (a, b) = clip(a, b)?;
        let (width, height) = (size.0 as f32, size.1 as f32);
        let [a, b] = [a, b].map(|p| Point::new(p.x * width, p.y * height));
        let bounds = Bounds::new(a.x.min(b.x), a.y.min(b.y), a.x.max(b.x), a.y.max(b.y));
        Some(RegionNeed::new(bounds, (b.x - a.x).hypot(b.y - a.y), size))
    }

    /// The need of an area with these corners.
    pub(crate) fn from_area(corners: &[Point], size: (u32, u32)) -> Option<RegionNeed> {
        let mut within = corners.iter().map(|p| {
            let (x, y) = (p.x.clamp(0.0, 1.0) * size.0 as f32, p.y.clamp(0.0, 1.0) * size.1 as f32);
            Bounds::new(x, y, x, y)
        });
        let first = within.next()?;
        let bounds = within.fold(first, |all, point| all.union(&point));
        Some(RegionNeed::new(bounds, bounds.width().max(bounds.height()), size))
    }

    /// A need whose objects are too small to change the region.
    fn new(bounds: Bounds, length: f32, size: (u32, u32)) -> RegionNeed {
        let least_things = LEAST_SHARE * size.0.min(size.1) as f32 / ROOM;
        RegionNeed { bounds, length, things: least_things, planned: least_things, least_things }
    }

    /// Takes in the box, in pixels, of an object that was seen in this many detections. Ignores boxes elsewhere.
    pub fn observe(&mut self, seen: &Bounds, looks: i32) {
        let (center, b) = (seen.center(), &self.bounds);
        let (width, height) = (seen.width(), seen.height());
        let is_near = (b.left - width..=b.right + width).contains(&center.x)
            && (b.top - height..=b.bottom + height).contains(&center.y);
        if is_near {
            let size = width.max(height);
            self.things = match size > self.things {
                true => (self.things * GROWS.powi(looks)).min(size),
                false => (self.things * FALLS.powi(looks)).max(size),
            };
            self.things = self.things.max(self.least_things);
        }
    }

    /// True if the size of the objects has changed since the plan.
    pub(crate) fn needs_plan(&self) -> bool {
        self.things > MOST_CHANGE * self.planned || self.things * MOST_CHANGE < self.planned
    }

    /// A plan is made for the current sizes.
    pub(crate) fn set_planned(&mut self) {
        self.planned = self.things;
    }

    fn union(&self, other: &RegionNeed) -> RegionNeed {
        let bounds = self.bounds.union(&other.bounds);
        let length = self.length.max(other.length).max(bounds.width()).max(bounds.height());
        RegionNeed { bounds, length, things: self.things.max(other.things), ..*self }
    }
}

/// The part of a segment that lies in the frame (Liang and Barsky, 1984).
fn clip(a: Point, b: Point) -> Option<(Point, Point)> {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let (mut from, mut to) = (0.0_f32, 1.0_f32);
    for (step, room) in [(-dx, a.x), (dx, 1.0 - a.x), (-dy, a.y), (dy, 1.0 - a.y)] {
        if step == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if step < 0.0 {
            from = from.max(room / step);
        } else {
            to = to.min(room / step);
        }
    }
    let at = |share: f32| Point::new(a.x + share * dx, a.y + share * dy);
    (from <= to).then(|| (at(from), at(to)))
}

/// The regions of one frame, all of one shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RegionPlan {
    /// The shape of all of them.
    pub shape: RegionShape,
    /// In fractions of the frame; used in turns.
    pub regions: Vec<Bounds>,
}

impl RegionPlan {
    /// A single region: the whole frame.
    pub fn picture() -> RegionPlan {
        RegionPlan { shape: RegionShape::Picture, regions: vec![Bounds::PICTURE] }
    }

    /// The regions for these needs in a frame of `size`. With `oblong`, the network accepts other shapes than its
    /// own.
    pub fn new(needs: &[RegionNeed], size: (u32, u32), oblong: bool) -> RegionPlan {
        let frame = PlannedFrame { width: size.0 as f32, height: size.1 as f32, oblong };
        frame.plan(needs.to_vec()).unwrap_or_else(RegionPlan::picture)
    }
}

struct PlannedFrame {
    width: f32,
    height: f32,
    oblong: bool,
}

impl PlannedFrame {
    /// `None`: the whole frame.
    fn plan(&self, mut needs: Vec<RegionNeed>) -> Option<RegionPlan> {
        while let Some((one, other)) = self.best_merge(&needs) {
            needs[one] = needs[one].union(&needs[other]);
            needs.swap_remove(other);
        }
        let mut fits = needs.iter().map(|need| self.region_for(need)).collect::<Option<Vec<_>>>()?;
        let is_of = |shape| move |fit: &(RegionShape, Bounds)| fit.0 == shape;
        let shape =
            match (fits.iter().any(is_of(RegionShape::Wide)), fits.iter().any(is_of(RegionShape::Tall))) {
                (true, true) => return None,
                (true, false) => RegionShape::Wide,
                (false, true) => RegionShape::Tall,
                (false, false) => RegionShape::Square,
            };
        for (own, bounds) in fits.iter_mut().filter(|fit| fit.0 != shape) {
            *bounds = self.rect_around(bounds, self.expand_shape(shape, bounds.width()));
            *own = shape;
        }
        let holds_all = |b: &Bounds| b.area() >= NEARLY_ALL * self.width * self.height;
        let is_none = fits.is_empty() || fits.iter().any(|fit| holds_all(&fit.1));
        let regions = fits.iter().map(|fit| self.in_fractions(&fit.1)).collect();
        (!is_none).then_some(RegionPlan { shape, regions })
    }

    /// The two needs to merge: those that one region serves best, or the nearest if there are too many.
    fn best_merge(&self, needs: &[RegionNeed]) -> Option<(usize, usize)> {
        let area =
            |need: &RegionNeed| self.region_for(need).map_or(self.width * self.height, |fit| fit.1.area());
        let pairs = (0..needs.len()).flat_map(|other| (0..other).map(move |one| (one, other)));
        let grown = pairs.map(|(one, other)| {
            let larger = area(&needs[one]).max(area(&needs[other]));
            (area(&needs[one].union(&needs[other])) / larger, (one, other))
        });
        let (growth, pair) = grown.min_by(|a, b| a.0.total_cmp(&b.0))?;
        (growth <= MOST_GROWTH || needs.len() > MOST_REGIONS).then_some(pair)
    }

    /// The region for a need; `None` for the whole frame.
    fn region_for(&self, need: &RegionNeed) -> Option<(RegionShape, Bounds)> {
        let short = self.width.min(self.height);
        if need.things > short {
            return None;
        }
        let least = (ROOM * need.things).min(short);
        let side = need.length.max(least);
        if side <= short {
            return Some((RegionShape::Square, self.rect_around(&need.bounds, (side, side))));
        }
        if !self.oblong {
            return None;
        }
        let (wide, high) = (need.bounds.width(), need.bounds.height());
        let shape = if wide >= high { RegionShape::Wide } else { RegionShape::Tall };
        let (width, height) = match shape {
            RegionShape::Wide => (side, (side / WIDE).max(least)),
            _ => ((side / WIDE).max(least), side),
        };
        let holds = width >= wide && height >= high && width <= self.width && height <= self.height;
        holds.then(|| (shape, self.rect_around(&need.bounds, (width, height))))
    }

    /// Width and height of a region of this shape whose shorter side is `side`.
    fn expand_shape(&self, shape: RegionShape, side: f32) -> (f32, f32) {
        match shape {
            RegionShape::Wide => ((side * WIDE).min(self.width), side),
            _ => (side, (side * WIDE).min(self.height)),
        }
    }

    /// A rectangle of this size centred on `bounds`, as far as the frame allows.
    fn rect_around(&self, bounds: &Bounds, (width, height): (f32, f32)) -> Bounds {
        let center = bounds.center();
        let left = (center.x - width / 2.0).min(self.width - width).max(0.0);
        let top = (center.y - height / 2.0).min(self.height - height).max(0.0);
        Bounds::new(left, top, left + width, top + height)
    }

    /// Aligned to even pixels: two pixels share a chroma sample.
    fn in_fractions(&self, b: &Bounds) -> Bounds {
        let down = |at: f32, of: f32| (at / 2.0).floor() * 2.0 / of;
        let up = |at: f32, of: f32| ((at / 2.0).ceil() * 2.0).min(of) / of;
        let (width, height) = (self.width, self.height);
        Bounds::new(down(b.left, width), down(b.top, height), up(b.right, width), up(b.bottom, height))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STREET: (u32, u32) = (768, 576);
    const HD: (u32, u32) = (1280, 720);

    fn line(size: (u32, u32), [ax, ay, bx, by]: [f32; 4]) -> RegionNeed {
        let at = |x: f32, y: f32| Point::new(x / size.0 as f32, y / size.1 as f32);
        RegionNeed::from_line(at(ax, ay), at(bx, by), size).unwrap()
    }

    fn plan(size: (u32, u32), lines: &[[f32; 4]]) -> (RegionShape, Vec<[i32; 4]>) {
        let needs: Vec<RegionNeed> = lines.iter().map(|&ends| line(size, ends)).collect();
        let RegionPlan { shape, regions } = RegionPlan::new(&needs, size, true);
        let (width, height) = (size.0 as f32, size.1 as f32);
        let pixels = |b: &Bounds| {
            [b.left * width, b.top * height, b.right * width, b.bottom * height].map(|v| v.round() as i32)
        };
        (shape, regions.iter().map(pixels).collect())
    }

    #[test]
    fn a_square_as_wide_as_the_line_is_long() {
        assert_eq!(
            plan(STREET, &[[384.0, 576.0, 384.0, 0.0]]),
            (RegionShape::Square, vec![[96, 0, 672, 576]])
        );
        let diagonal = plan(STREET, &[[150.0, 330.0, 620.0, 160.0]]);
        assert_eq!(diagonal, (RegionShape::Square, vec![[134, 0, 636, 500]]));
    }

    #[test]
    fn no_region_is_smaller_than_half_the_height_of_the_frame() {
        assert_eq!(
            plan(STREET, &[[300.0, 400.0, 300.0, 120.0]]),
            (RegionShape::Square, vec![[156, 116, 444, 404]])
        );
        assert_eq!(plan(HD, &[[4.0, 4.0, 16.0, 4.0]]), (RegionShape::Square, vec![[0, 0, 360, 360]]));
    }

    #[test]
    fn a_line_longer_than_the_frame_is_high_gets_a_rectangle() {
        let (shape, regions) = plan(HD, &[[100.0, 400.0, 1200.0, 420.0]]);
        assert_eq!((shape, regions), (RegionShape::Wide, vec![[98, 144, 1202, 676]]));
        let (shape, _) = plan((720, 1280), &[[400.0, 100.0, 420.0, 1200.0]]);
        assert_eq!(shape, RegionShape::Tall);
        let fixed = RegionPlan::new(&[line(HD, [100.0, 400.0, 1200.0, 420.0])], HD, false);
        assert_eq!(fixed, RegionPlan::picture(), "a network of one size sees all of it");
    }

    /// The plan for a line at which objects of these heights were seen.
    fn plan_for_things(size: (u32, u32), ends: [f32; 4], heights: impl Iterator<Item = f32>) -> RegionPlan {
        let mut need = line(size, ends);
        let center = need.bounds.center();
        heights.for_each(|height| need.observe(&Bounds::centered_at(center, height / 3.0, height), 1));
        RegionPlan::new(&[need], size, true)
    }

    #[test]
    fn large_things_have_room_and_a_few_false_boxes_change_nothing() {
        let door = [384.0, 500.0, 384.0, 300.0];
        let side = |plan: &RegionPlan| (plan.regions[0].height() * 576.0).round() as i32;
        let small = plan_for_things(STREET, door, (0..1000).map(|_| 100.0));
        assert_eq!(side(&small), 288);
        let large = plan_for_things(STREET, door, (0..20).map(|_| 300.0));
        assert!((430..=480).contains(&side(&large)), "{large:?}");
        let some = plan_for_things(STREET, door, (0..1000).map(|n| if n % 20 == 0 { 500.0 } else { 100.0 }));
        assert!(side(&some) <= 304, "{some:?}");
        let again = (0..1000).map(|n| if n < 20 { 300.0 } else { 100.0 });
        assert_eq!(side(&plan_for_things(STREET, door, again)), 288, "they have gone");
        let huge = plan_for_things(STREET, door, (0..100).map(|_| 700.0));
        assert_eq!(huge, RegionPlan::picture());
    }

    #[test]
    fn boxes_elsewhere_change_nothing() {
        let mut need = line(HD, [100.0, 100.0, 100.0, 300.0]);
        (0..100).for_each(|_| need.observe(&Bounds::new(900.0, 100.0, 1100.0, 700.0), 1));
        assert!(!need.needs_plan());
        (0..100).for_each(|_| need.observe(&Bounds::new(100.0, 100.0, 300.0, 700.0), 1));
        assert!(need.needs_plan());
        need.set_planned();
        assert!(!need.needs_plan());
    }

    #[test]
    fn a_need_larger_than_any_rectangle_gets_the_whole_frame() {
        let corner_to_corner = [0.0, 0.0, 1280.0, 720.0];
        assert_eq!(plan(HD, &[corner_to_corner]), (RegionShape::Picture, vec![[0, 0, 1280, 720]]));
        assert_eq!(plan(STREET, &[[0.0, 288.0, 768.0, 288.0]]).0, RegionShape::Wide);
        assert_eq!(RegionPlan::new(&[], HD, true), RegionPlan::picture());
        let all: Vec<Point> =
            [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (-1.0, 1.5)].map(|(x, y)| Point::new(x, y)).into();
        let zone = RegionNeed::from_area(&all, HD).unwrap();
        assert_eq!(RegionPlan::new(&[zone], HD, true), RegionPlan::picture());
    }

    #[test]
    fn near_lines_share_a_region_and_far_ones_take_turns() {
        let near = plan(HD, &[[300.0, 200.0, 300.0, 500.0], [360.0, 200.0, 360.0, 500.0]]);
        assert_eq!(near.1.len(), 1);
        let corners = plan(HD, &[[0.0, 0.0, 60.0, 60.0], [1220.0, 660.0, 1280.0, 720.0]]);
        assert_eq!(corners, (RegionShape::Square, vec![[0, 0, 360, 360], [920, 360, 1280, 720]]));
        let many: Vec<[f32; 4]> = (0..20)
            .map(|n| [(n % 5) as f32 * 250.0, (n / 5) as f32 * 170.0])
            .map(|[x, y]| [x, y, x + 60.0, y + 60.0])
            .collect();
        assert!(plan(HD, &many).1.len() <= MOST_REGIONS);
    }

    #[test]
    fn regions_of_one_picture_have_one_shape() {
        let (shape, regions) = plan(HD, &[[10.0, 650.0, 1100.0, 650.0], [1200.0, 20.0, 1240.0, 60.0]]);
        assert_eq!(shape, RegionShape::Wide);
        assert_eq!(regions.len(), 2, "{regions:?}");
        assert!(regions.iter().all(|[left, top, right, bottom]| right - left > 18 * (bottom - top) / 10));
    }

    #[test]
    fn only_the_part_of_a_line_within_the_frame_counts() {
        let outside = RegionNeed::from_line(Point::new(0.5, -1.0), Point::new(0.5, 0.25), HD).unwrap();
        assert_eq!(outside.length, 180.0);
        assert_eq!(RegionNeed::from_line(Point::new(-0.5, -0.5), Point::new(-0.1, 0.5), HD), None);
    }

    #[test]
    fn every_region_is_in_the_frame_and_holds_its_line() {
        for size in [STREET, HD, (720, 1280), (64, 48), (2, 2), (1, 1)] {
            for n in 0..500_u32 {
                let number =
                    |k: u32| (n.wrapping_mul(2_654_435_761).rotate_left(7 * k) % 1000) as f32 / 1000.0;
                let (a, b) = (Point::new(number(0), number(1)), Point::new(number(2), number(3)));
                let Some(need) = RegionNeed::from_line(a, b, size) else { continue };
                let plan = RegionPlan::new(&[need], size, n % 2 == 0);
                let [region] = &plan.regions[..] else { panic!("{plan:?}") };
                assert!(
                    region.left >= 0.0 && region.top >= 0.0 && region.right <= 1.0 && region.bottom <= 1.0
                );
                for point in [a, b] {
                    let near = |from: f32, at: f32, to: f32| (from - 1e-4..=to + 1e-4).contains(&at);
                    let holds =
                        near(region.left, point.x, region.right) && near(region.top, point.y, region.bottom);
                    assert!(holds, "{size:?} {point:?} {plan:?}");
                }
            }
        }
    }
}
