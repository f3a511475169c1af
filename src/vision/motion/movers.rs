//! Who moves: regions of this look given to the movers of the looks before.

use super::figure::{Figure, MOST_OFF, Seen};
use super::regions::{Frame, Region};

/// A region of fewer pixels than this share of the picture is a speck.
const LEAST_AREA: f32 = 0.0008;
/// Nor is what is lower than this share of the picture's height a mover.
const LEAST_HEIGHT: f32 = 0.05;
/// A mover that is not seen for so long is gone. Seconds.
const PATIENCE_S: f32 = 2.5;
/// What was seen by itself for so long is a mover of its own. Seconds.
const PROVED_S: f32 = 0.3;
/// Most movers at one time.
const MOST: usize = 64;
/// A picture that fits worse than this is not found.
const WORST_FIT: f32 = 0.62 * MOST_OFF as f32;

/// All who move.
#[derive(Debug, Default)]
pub struct Movers {
    figures: Vec<Figure>,
    claimed: Vec<u8>,
    shown: Vec<([f32; 4], f32)>,
}

impl Movers {
    /// Forgets all.
    pub fn forget(&mut self) {
        self.figures.clear();
        self.shown.clear();
    }

    /// Boxes (left, top, right, bottom in pixels) and scores of who is seen.
    pub fn shown(&self) -> impl Iterator<Item = ([f32; 4], f32)> {
        self.shown.iter().copied()
    }

    /// Takes in the regions of a look `seconds` after the one before.
    pub fn look(&mut self, seen: &Seen<'_>, regions: &[Region], seconds: f32) {
        let least_area = (LEAST_AREA * (seen.width * seen.height) as f32) as i32;
        for figure in &mut self.figures {
            figure.predict(seconds);
        }
        let picture = seen.frame();
        // How many pixels of each region lie where each mover should be.
        let count = self.figures.len();
        let mut shares = vec![0i32; count * regions.len()];
        let mut bodies = shares.clone();
        for (number, figure) in self.figures.iter().enumerate() {
            let frame = figure.frame().wider(2).shared(&picture);
            if frame.width() <= 0 {
                continue;
            }
            for y in frame.top..frame.bottom {
                for x in frame.left..frame.right {
                    let label = usize::from(seen.labels[seen.at(x, y)]);
                    if label != 0 {
                        shares[number * regions.len() + label - 1] += 1;
                        bodies[number * regions.len() + label - 1] += i32::from(figure.is_at(x, y));
                    }
                }
            }
        }
        // A mover and a region belong together if a good part of either is in the other.
        let together = |number: usize, region: usize, figures: &[Figure]| {
            let shared = shares[number * regions.len() + region];
            let own = figures[number].frame().shared(&picture).area().max(1);
            shared > 0 && (shared * 2 > regions[region].area || shared * 8 > own)
        };
        let mut groups: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
        for region in 0..regions.len() {
            // Whose body is there, if anybody's is; else whose frame is.
            let mut members: Vec<usize> = (0..count)
                .filter(|&number| {
                    let body = bodies[number * regions.len() + region];
                    body * 3 > regions[region].area || body * 6 > self.figures[number].body()
                })
                .collect();
            if members.is_empty() {
                members = (0..count).filter(|&number| together(number, region, &self.figures)).collect();
            }
            if members.is_empty() && regions[region].area < least_area {
                continue;
            }
            let mut group = (members, vec![region]);
            groups.retain_mut(|other| {
                let shares = other.0.iter().any(|number| group.0.contains(number));
                if shares {
                    group.0.append(&mut other.0);
                    group.1.append(&mut other.1);
                }
                !shares
            });
            group.0.sort_unstable();
            group.0.dedup();
            groups.push(group);
        }
        self.claimed.clear();
        self.claimed.resize(seen.labels.len(), 0);
        let mut born = Vec::new();
        for (members, parts) in groups {
            match members[..] {
                [] if !is_tall(
                    &parts.iter().fold(Frame::NOTHING, |f, &p| f.add(&regions[p].frame)),
                    seen,
                ) => {}
                [] => born.push(newcomer(seen, regions, &parts)),
                [one] => self.alone(one, seen, regions, &parts, seconds, least_area, &mut born),
                _ => self.together(&members, seen, regions, &parts, seconds, least_area, &mut born),
            }
        }
        let mut halves = Vec::new();
        for figure in &mut self.figures {
            if figure.two >= 3.0
                && let Some((left, right)) = halves_of(figure, seen)
            {
                halves.push(right);
                *figure = left;
            }
        }
        born.append(&mut halves);
        self.figures.append(&mut born);
        self.put_together(seen);
        self.figures.truncate(MOST);
        self.figures.retain(|figure| {
            let frame = figure.frame();
            let outside = frame.shared(&picture);
            let gone = outside.width() <= 1 || outside.height() <= 1;
            let patience = if figure.age < 0.5 { 0.3 } else { PATIENCE_S };
            !gone && figure.unseen <= patience
        });
        self.shown.clear();
        for figure in &self.figures {
            let proved = figure.alone > 0.0 || figure.age > 0.35;
            if proved && figure.visible > 0.2 && figure.unseen == 0.0 {
                let [left, top, right, bottom] = figure.reach;
                let frame = [figure.x + left, figure.y + top, figure.x + right, figure.y + bottom];
                if frame[2] - frame[0] >= 2.0 && frame[3] - frame[1] >= 2.0 {
                    self.shown.push((frame, 0.5 + 0.5 * figure.visible));
                }
            }
        }
    }

    /// Pieces that touch and go along with one another are one, unless each is a mover in its own
    /// right: seen by itself and about as high as the other, or with a head of its own.
    fn put_together(&mut self, seen: &Seen<'_>) {
        let mut at = 0;
        while at < self.figures.len() {
            let piece = &self.figures[at];
            let frame = piece.frame();
            let whole = self.figures.iter().enumerate().position(|(number, whole)| {
                number != at && {
                    let large = whole.frame();
                    large.area() >= frame.area() && goes_with(piece, &frame, whole, &large, seen)
                }
            });
            if let Some(whole) = whole {
                let grown = self.figures[whole].frame().add(&frame);
                self.figures[whole].set_reach(&grown, 1.0);
                self.figures.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// A mover that nobody else is near.
    #[allow(clippy::too_many_arguments)]
    fn alone(
        &mut self,
        one: usize,
        seen: &Seen<'_>,
        regions: &[Region],
        parts: &[usize],
        seconds: f32,
        least_area: i32,
        born: &mut Vec<Figure>,
    ) {
        let figure = &mut self.figures[one];
        // The largest part is it; what is above or below it belongs to it, what is beside it does not.
        let Some(&main) = parts.iter().max_by_key(|&&part| regions[part].area) else { return };
        let mut frame = regions[main].frame;
        let mut own = vec![main];
        let mut others = Vec::new();
        for &part in parts.iter().filter(|&&part| part != main) {
            let other = regions[part].frame;
            let beside = other.shared(&frame).width() * 2 < other.width().min(frame.width());
            if beside && regions[part].area * 5 > regions[main].area {
                others.push(part);
            } else {
                own.push(part);
                frame = frame.add(&other);
            }
        }
        for part in others {
            if regions[part].area >= least_area && is_tall(&regions[part].frame, seen) {
                born.push(newcomer(seen, regions, &[part]));
            }
        }
        let before = figure.frame();
        let edge = at_edge(&before.wider(3), seen) || at_edge(&frame.wider(2), seen);
        let larger = frame.width() as f32 > 1.5 * before.width() as f32 + 8.0
            || frame.height() as f32 > 1.35 * before.height() as f32 + 8.0;
        if larger && !edge && figure.alone > 0.4 {
            self.together(&[one], seen, regions, parts, seconds, least_area, born);
            return;
        }
        let far = reach_of(figure, seconds, seen);
        if edge || figure.age < 0.35 {
            // Its picture grows: the side away from the edge is where it is.
            let (x, y) = shift_of_edges(&before, &frame, seen);
            figure.correct(x, y, seconds, 1.0);
        } else if let Some(fit) = figure.fit(seen, &self.claimed, far, 2).filter(|fit| fit.off < WORST_FIT) {
            figure.correct(fit.x as f32, fit.y as f32, seconds, 1.0);
        } else {
            let (x, y) = shift_of_edges(&before, &frame, seen);
            figure.correct(x, y, seconds, 0.6);
        }
        figure.set_reach(&frame, if edge || figure.age < 0.5 { 1.0 } else { 0.4 });
        let is = |at: usize| own.iter().any(|&part| usize::from(seen.labels[at]) == part + 1);
        figure.learn(seen, &frame, is);
        figure.comes_in_at(&frame, seen.width);
        figure.unseen = 0.0;
        figure.visible = 1.0;
        figure.alone += seconds;
        let heads = heads(seen, &frame, is);
        if heads.is_some() && !at_edge(&frame, seen) {
            figure.two += 1.0;
        } else {
            figure.two = (figure.two - 0.5).max(0.0);
        }
    }

    /// Movers whose regions hang together: each is looked for by how it looks, the nearest first.
    #[allow(clippy::too_many_arguments)]
    fn together(
        &mut self,
        members: &[usize],
        seen: &Seen<'_>,
        regions: &[Region],
        parts: &[usize],
        seconds: f32,
        least_area: i32,
        born: &mut Vec<Figure>,
    ) {
        let mut order = members.to_vec();
        order.sort_by(|&a, &b| {
            let foot = |number: usize| {
                let figure: &Figure = &self.figures[number];
                figure.y + figure.reach[3]
            };
            foot(b).total_cmp(&foot(a))
        });
        for &number in &order {
            let figure = &mut self.figures[number];
            let far = reach_of(figure, seconds, seen);
            if let Some(fit) = figure.fit(seen, &self.claimed, far, 2) {
                if fit.off < WORST_FIT {
                    figure.correct(fit.x as f32, fit.y as f32, seconds, fit.visible.min(0.8));
                    figure.visible = fit.visible;
                    figure.unseen = 0.0;
                } else if fit.visible > 0.6 && figure.is_half {
                    figure.see_changed(seen, &self.claimed);
                }
            }
            let claimed = figure.claim(seen, (number + 1).min(255) as u8, &mut self.claimed);
            if figure.unseen == 0.0 && figure.visible > 0.8 && !at_edge(&figure.frame().wider(3), seen) {
                figure.set_reach(&claimed, 0.15);
            }
        }
        // What is beyond all of them is somebody new, or more of one who is coming in.
        let Some(all) = parts.iter().map(|&part| regions[part].frame).reduce(|a, b| a.add(&b)) else {
            return;
        };
        let frames: Vec<(usize, Frame)> =
            order.iter().map(|&number| (number, self.figures[number].frame().wider(4))).collect();
        // What is wide does not swing its legs: what does not look like it there, is not it.
        let stiff: Vec<bool> = order
            .iter()
            .map(|&number| {
                let (figure, frame) = (&self.figures[number], self.figures[number].frame());
                frame.width() * 4 > frame.height() * 5 && figure.age > 0.6
            })
            .collect();
        let wide = all.width() as usize;
        let mut rest = vec![0u8; wide * all.height() as usize];
        for y in all.top..all.bottom {
            for x in all.left..all.right {
                let at = seen.at(x, y);
                let mine = parts.iter().any(|&part| usize::from(seen.labels[at]) == part + 1);
                let known = self.claimed[at] != 0
                    || frames.iter().zip(&stiff).any(|((_, f), stiff)| {
                        !stiff && x >= f.left && x < f.right && y >= f.top && y < f.bottom
                    });
                rest[(y - all.top) as usize * wide + (x - all.left) as usize] = u8::from(mine && !known);
            }
        }
        let mut pieces = super::regions::Regions::default();
        pieces.smooth(&mut rest, wide);
        pieces.find(&rest, wide, 2);
        for (piece, region) in pieces.found.iter().enumerate() {
            if region.area < least_area {
                continue;
            }
            let frame = region.frame.moved(all.left, all.top);
            let is = |at: usize| {
                let (x, y) = (at as i32 % seen.width - all.left, at as i32 / seen.width - all.top);
                x >= 0
                    && y >= 0
                    && x < all.width()
                    && y < all.height()
                    && usize::from(pieces.labels[y as usize * wide + x as usize]) == piece + 1
            };
            let comes = frames.iter().find(|&&(number, ref f)| {
                let (mut left, mut right) = self.figures[number].comes_in;
                let speed = self.figures[number].speed.0;
                if self.figures[number].age > 0.4 {
                    left &= speed > 0.0;
                    right &= speed < 0.0;
                }
                let here = (left && frame.left <= 2) || (right && frame.right >= seen.width - 2);
                (here || self.figures[number].age < 0.4) && f.wider(8).shared(&frame).area() > 0 && {
                    // What comes in behind somebody is as high as that, or lower.
                    let rows = f.shared(&Frame { left: f.left, right: f.right, ..frame });
                    rows.height() * 2 > frame.height()
                }
            });
            if let Some(&(number, _)) = comes {
                let figure = &mut self.figures[number];
                let grown = figure.frame().add(&frame);
                let own = self.claimed.clone();
                let claim = (number + 1).min(255) as u8;
                figure.set_reach(&grown, 1.0);
                figure.learn(seen, &grown, |at| is(at) || own[at] == claim);
                self.figures[number].comes_in_at(&grown, seen.width);
            } else if is_tall(&frame, seen) && frame.width() * 5 >= frame.height() {
                born.push(Figure::new(seen, &frame, is));
            }
        }
    }
}

/// A mover that was not there before.
fn newcomer(seen: &Seen<'_>, regions: &[Region], parts: &[usize]) -> Figure {
    let frame = parts.iter().fold(Frame::NOTHING, |all, &part| all.add(&regions[part].frame));
    Figure::new(seen, &frame, |at| parts.iter().any(|&part| usize::from(seen.labels[at]) == part + 1))
}

/// Whether a piece is of the same mover as a larger one.
fn goes_with(piece: &Figure, frame: &Frame, whole: &Figure, large: &Frame, seen: &Seen<'_>) -> bool {
    let apart = (whole.speed.0 - piece.speed.0).abs();
    let alike = apart < 15.0 + 0.15 * whole.speed.0.abs();
    let shared = large.wider(4).shared(frame);
    if piece.age <= 0.25 || whole.age <= 0.25 || !alike || shared.width() <= 0 || shared.height() <= 0 {
        return false;
    }
    let narrower = frame.width().min(large.width());
    let lower = frame.height().min(large.height());
    let stacked = shared.width() * 10 > narrower * 6 && shared.height() * 100 < lower * 35;
    let small = frame.height() * 100 < large.height() * 65;
    if stacked || small {
        return piece.alone < PROVED_S || piece.age > 0.6;
    }
    let proved = piece.alone > PROVED_S && whole.alone > PROVED_S;
    let halves = piece.is_half || whole.is_half;
    let union = large.add(frame).shared(&seen.frame());
    !proved && !halves && heads(seen, &union, |at| seen.foreground[at] != 0).is_none()
}

/// How many pixels off it may be: one whose speed is not known yet may be anywhere.
fn reach_of(figure: &Figure, seconds: f32, seen: &Seen<'_>) -> i32 {
    if figure.age < 0.35 { seen.width / 16 } else { 4 + (figure.speed.0.abs() * seconds * 0.8) as i32 }
}

fn is_tall(frame: &Frame, seen: &Seen<'_>) -> bool {
    frame.height() as f32 >= LEAST_HEIGHT * seen.height as f32
}

/// Whether it touches the left or the right edge of the picture.
fn at_edge(frame: &Frame, seen: &Seen<'_>) -> bool {
    frame.left <= 0 || frame.right >= seen.width
}

/// How far a frame has moved, by those of its edges that are not the picture's.
fn shift_of_edges(before: &Frame, now: &Frame, seen: &Seen<'_>) -> (f32, f32) {
    let mut x = Vec::new();
    if now.left > 2 {
        x.push((now.left - before.left) as f32);
    }
    if now.right < seen.width - 2 {
        x.push((now.right - before.right) as f32);
    }
    let mean = |shifts: &[f32]| shifts.iter().sum::<f32>() / shifts.len().max(1) as f32;
    (mean(&x), ((now.top - before.top) + (now.bottom - before.bottom)) as f32 / 2.0)
}

/// The columns of the heads of two who stand side by side, if that is what the region looks like
/// from above: two peaks with a dip between them.
fn heads(seen: &Seen<'_>, frame: &Frame, is: impl Fn(usize) -> bool) -> Option<(i32, i32)> {
    let high = frame.height();
    if high < 24 || frame.width() > 2 * high {
        return None;
    }
    let inside = frame.shared(&seen.frame());
    let tops: Vec<i32> = (inside.left..inside.right)
        .map(|x| {
            let top = (inside.top..inside.bottom).find(|&y| is(seen.at(x, y))).unwrap_or(frame.bottom);
            frame.bottom - top
        })
        .collect();
    let least = high * 80 / 100;
    let dip = (high * 7 / 100).max(3);
    // The highest column, then the highest of those beyond a dip on either side of it.
    let first = (0..tops.len()).max_by_key(|&x| tops[x])?;
    let mut second: Option<usize> = None;
    for direction in [-1i32, 1] {
        let mut lowest = tops[first];
        let mut at = first as i32 + direction;
        while at >= 0 && (at as usize) < tops.len() {
            let top = tops[at as usize];
            lowest = lowest.min(top);
            let far = (at - first as i32).abs() * 100 >= high * 12;
            if far && top >= least && top - lowest >= dip && second.is_none_or(|s| tops[s] < top) {
                second = Some(at as usize);
            }
            at += direction;
        }
    }
    let second = second?;
    let (a, b) = (first.min(second) as i32 + inside.left, first.max(second) as i32 + inside.left);
    Some((a, b))
}

/// Two people out of one figure, cut between their heads.
fn halves_of(figure: &Figure, seen: &Seen<'_>) -> Option<(Figure, Figure)> {
    let frame = figure.frame().shared(&seen.frame());
    if frame.width() <= 0 || frame.height() <= 0 {
        return None;
    }
    let (a, b) = heads(seen, &frame, |at| seen.foreground[at] != 0)?;
    let reach = frame.height() / 4;
    let middle = (a + b) / 2;
    let beyond = frame.height() * 35 / 100;
    let left = Frame { left: frame.left.max(a - beyond), right: (a + reach).max(middle), ..frame };
    let right = Frame { left: (b - reach).min(middle), right: frame.right.min(b + beyond), ..frame };
    Some((figure.cut(&left), figure.cut(&right)))
}
