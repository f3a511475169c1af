//! Crossings, and the sums that are made of them.

use std::collections::BTreeMap;

use super::detection::Class;
use super::line::{Direction, LineId};
use super::tracker::TrackId;

/// Somebody or something crossed a line. Within one run of the daemon, line, track and ordinal
/// together name it: to write it twice is to write it once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// Which line.
    pub line: LineId,
    /// Who.
    pub track: TrackId,
    /// The how-manieth crossing of this line by this track, from 1.
    pub ordinal: u32,
    /// What the track was taken for then.
    pub class: Class,
    /// Which way.
    pub direction: Direction,
    /// The score (0–1) of the detection by which it was counted.
    pub score: f32,
    /// When it was on the line, in microseconds of the frames' clock; that may be between two
    /// frames, and is before the crossing was sure.
    pub time_us: u64,
}

/// How often each line was crossed, by class and direction. A tally is never the truth: it can be
/// made again from the crossings at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<(LineId, Class, Direction), u64>,
}

impl Tally {
    /// One more.
    pub fn add(&mut self, crossing: &Crossing) {
        *self.counts.entry((crossing.line, crossing.class, crossing.direction)).or_default() += 1;
    }

    /// How often `line` was crossed in `direction`.
    pub fn count(&self, line: LineId, direction: Direction) -> u64 {
        self.iter().filter(|(of, _, way, _)| (*of, *way) == (line, direction)).map(|entry| entry.3).sum()
    }

    /// How many more went in over `line` than out, not below 0: nobody is inside a negative number
    /// of times, somebody was missed.
    pub fn inside(&self, line: LineId) -> u64 {
        self.count(line, Direction::In).saturating_sub(self.count(line, Direction::Out))
    }

    /// Everything that is not 0, in order of lines, classes and directions.
    pub fn iter(&self) -> impl Iterator<Item = (LineId, Class, Direction, u64)> + '_ {
        self.counts.iter().map(|(&(line, class, direction), &count)| (line, class, direction, count))
    }
}

impl<'a> FromIterator<&'a Crossing> for Tally {
    fn from_iter<I: IntoIterator<Item = &'a Crossing>>(crossings: I) -> Tally {
        let mut tally = Tally::default();
        for crossing in crossings {
            tally.add(crossing);
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: u64, class: u16, direction: Direction) -> Crossing {
        let (line, track, class) = (LineId(line), TrackId(1), Class(class));
        Crossing { line, track, ordinal: 1, class, direction, score: 0.5, time_us: 0 }
    }

    #[test]
    fn a_tally_is_made_of_crossings() {
        use Direction::{In, Out};
        let crossings = [of(1, 0, In), of(1, 2, In), of(1, 0, In), of(1, 0, Out), of(2, 0, Out)];
        let tally: Tally = crossings.iter().collect();
        assert_eq!((tally.count(LineId(1), In), tally.count(LineId(1), Out)), (3, 1));
        assert_eq!((tally.inside(LineId(1)), tally.inside(LineId(2)), tally.inside(LineId(3))), (2, 0, 0));
        let all: Vec<_> = tally.iter().collect();
        assert_eq!(all[0], (LineId(1), Class(0), In, 2));
        assert_eq!(all.len(), 4);
        let mut again = Tally::default();
        crossings.iter().for_each(|c| again.add(c));
        assert_eq!(again, tally);
    }
}
