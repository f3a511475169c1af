//! Today's sums: the daily sums minus the crossings before a reset and those that are excluded; and the number inside,
//! crossing by crossing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::calendar::Calendar;
use crate::counts::rows::{CountsRowError, direction_of, unsigned};
use crate::counts::{BucketSize, LineRow, Scene, Tallies, TallyRow};
use tallycam_vision::Direction;

/// Sums by line, class and direction.
type Sums = BTreeMap<(u64, Arc<str>, Direction), u64>;

/// The current day and its resets. Created again when the day, the scene or a reset changes, or the clock moved rows.
/// Otherwise today's sums are a short read.
#[derive(Debug)]
pub(crate) struct TodayTotals {
    scene: Scene,
    /// Start and end of the day, wall time in microseconds.
    day: (i64, i64),
    /// The time of today's reset of each line.
    resets: BTreeMap<u64, i64>,
    /// The sums of those lines before their reset.
    before: Sums,
    /// The sums of today's crossings that are excluded.
    excluded: Sums,
    /// The number inside each line, after the crossings up to number `followed`.
    inside: InsideLines,
    pub(in crate::counts) followed: i64,
    /// The time at which it was last set for each line.
    inside_set: BTreeMap<u64, i64>,
    /// The crossings of each line on other days.
    elsewhere: Totals,
    /// The totals below which none falls.
    least: Totals,
}

/// Crossings in and out by line.
type Totals = BTreeMap<u64, [u64; 2]>;

fn load_totals(
    connection: &Connection,
    query: &str,
    of: impl rusqlite::Params,
) -> Result<Totals, CountsRowError> {
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query(of)?;
    let mut totals = Totals::new();
    while let Some(row) = rows.next()? {
        let direction = direction_of(row.get_ref(1)?.as_str()?)?;
        totals.entry(unsigned(row, 0)?).or_default()[direction as usize] += unsigned(row, 2)?;
    }
    Ok(totals)
}

/// The number of the last crossing before a reset, and its time.
type Mark = (i64, i64);

/// The number inside a line from a moment of today on.
#[derive(Debug, Clone, Copy)]
struct InsideSet {
    since: Mark,
    number: u64,
}

/// The number inside a line, and how often nobody was inside when somebody left.
#[derive(Debug, Clone, Copy, Default)]
struct Inside {
    number: u64,
    corrected: u64,
    /// The highest number, and its time.
    peak: (u64, u64),
}

impl Inside {
    /// Starts with this number at a wall time.
    fn from(number: u64, at_us: i64) -> Inside {
        Inside { number, corrected: 0, peak: (number, at_us.max(0) as u64) }
    }

    fn set(&mut self, number: u64, at_us: i64) {
        self.number = number;
        if number > self.peak.0 {
            self.peak = (number, at_us.max(0) as u64);
        }
    }
}

/// The numbers inside the lines of a day.
#[derive(Debug, Clone, Default)]
struct InsideLines {
    of_lines: BTreeMap<u64, Inside>,
    together: Inside,
    /// Nobody is inside these.
    deleted: BTreeSet<u64>,
}

impl InsideLines {
    /// Starts a line with the number that was set. It has no crossings before.
    fn begin(&mut self, line: u64, set: &InsideSet) {
        if !self.deleted.contains(&line) {
            let at_us = set.since.1;
            self.of_lines.insert(line, Inside::from(set.number, at_us));
            self.together.set(self.together.number + set.number, at_us);
        }
    }

    /// A further crossing: nobody leaves who has not come in, or was not seen to.
    fn follow(&mut self, line: u64, direction: Direction, at_us: i64) {
        if self.deleted.contains(&line) {
            return;
        }
        let inside = self.of_lines.entry(line).or_default();
        let all = self.together.number - inside.number;
        match (direction, inside.number) {
            (Direction::In, number) => inside.set(number + 1, at_us),
            (Direction::Out, 0) => inside.corrected += 1,
            (Direction::Out, number) => inside.set(number - 1, at_us),
        }
        self.together.set(all + inside.number, at_us);
    }
}

impl TodayTotals {
    pub fn new(
        connection: &Connection,
        calendar: &Calendar,
        scene: Scene,
        now_us: i64,
        lines: &[LineRow],
    ) -> Result<TodayTotals, CountsRowError> {
        let day = calendar.bucket(BucketSize::Day, now_us);
        // Only the newest reset of each line counts: the number of the last crossing before it, and its time.
        let mut marks: BTreeMap<u64, Mark> = BTreeMap::new();
        let mut set: BTreeMap<u64, InsideSet> = BTreeMap::new();
        let mut resets = connection.prepare(
            "SELECT line, after, wall_us, inside FROM resets WHERE scene = ?1 AND wall_us >= ?2 ORDER BY id",
        )?;
        let mut rows = resets.query(params![scene.as_str(), day.0])?;
        while let Some(row) = rows.next()? {
            let since: Mark = (row.get(1)?, row.get(2)?);
            let number: Option<i64> = row.get(3)?;
            let one = row.get::<_, Option<i64>>(0)?.map(|line| line as u64);
            let those: Vec<u64> =
                one.map_or_else(|| lines.iter().map(|line| line.id).collect(), |line| vec![line]);
            for line in those {
                set.insert(line, InsideSet { since, number: number.unwrap_or(0).max(0) as u64 });
                if number.is_none() {
                    marks.insert(line, since);
                }
            }
        }
        let mut before = Sums::new();
        // For recounted crossings, their time decides whether they are before the reset.
        let mut afters: Vec<Mark> = marks.values().copied().collect();
        afters.sort_unstable();
        afters.dedup();
        for (after, at_us) in afters {
            let mut sums = connection.prepare(
                "SELECT line, class, direction, count(*) FROM crossings
                 WHERE id >= (SELECT min(first) FROM daily WHERE scene = ?1 AND start_us = ?2)
                   AND scene = ?1 AND wall_us >= ?2 AND wall_us < ?3 AND mark < 2
                   AND iif(run IN (SELECT run FROM recounts), wall_us < ?5, id <= ?4)
                 GROUP BY line, class, direction",
            )?;
            let mut rows = sums.query(params![scene.as_str(), day.0, day.1, after, at_us])?;
            while let Some(row) = rows.next()? {
                let line = unsigned(row, 0)?;
                if marks.get(&line) == Some(&(after, at_us)) {
                    let direction = direction_of(row.get_ref(2)?.as_str()?)?;
                    before.insert((line, row.get(1)?, direction), unsigned(row, 3)?);
                }
            }
        }
        let mut excluded = Sums::new();
        let mut sums = connection.prepare(
            "SELECT line, class, direction, count(*) FROM crossings
             WHERE mark = 2 AND scene = ?1 AND wall_us >= ?2 AND wall_us < ?3 GROUP BY line, class, direction",
        )?;
        let mut rows = sums.query(params![scene.as_str(), day.0, day.1])?;
        while let Some(row) = rows.next()? {
            let direction = direction_of(row.get_ref(2)?.as_str()?)?;
            excluded.insert((unsigned(row, 0)?, row.get(1)?, direction), unsigned(row, 3)?);
        }
        let resets = marks.into_iter().map(|(line, (_, at_us))| (line, at_us)).collect();
        let (inside, followed) = follow_day(connection, scene, day, &set, lines)?;
        let inside_set = set.into_iter().map(|(line, set)| (line, set.since.1)).collect();
        let elsewhere = load_totals(
            connection,
            "SELECT line, direction, sum(count) FROM daily WHERE scene = ?1 AND start_us <> ?2
             GROUP BY line, direction",
            params![scene.as_str(), day.0],
        )?;
        let least = "SELECT line, direction, count FROM least_totals WHERE scene = ?1";
        let least = load_totals(connection, least, [scene.as_str()])?;
        Ok(TodayTotals {
            scene,
            day,
            resets,
            before,
            excluded,
            inside,
            followed,
            inside_set,
            elsewhere,
            least,
        })
    }

    /// Follows the crossings that were stored since the last time.
    fn follow(&mut self, connection: &Connection) -> Result<(), CountsRowError> {
        let mut query = connection.prepare(
            "SELECT id, line, direction, wall_us >= ?3 AND wall_us < ?4, wall_us FROM crossings
             WHERE id > ?1 AND scene = ?2 ORDER BY id",
        )?;
        let newest = newest_crossing(connection)?;
        let mut rows = query.query(params![self.followed, self.scene.as_str(), self.day.0, self.day.1])?;
        while let Some(row) = rows.next()? {
            self.followed = row.get(0)?;
            let (line, direction) = (unsigned(row, 1)?, direction_of(row.get_ref(2)?.as_str()?)?);
            if row.get(3)? {
                self.inside.follow(line, direction, row.get(4)?);
            } else {
                self.elsewhere.entry(line).or_default()[direction as usize] += 1;
            }
        }
        // Crossings of another scene are not looked at again.
        self.followed = self.followed.max(newest);
        Ok(())
    }

    /// Whether it is for this scene and the day that contains `now_us`.
    pub fn is_current(&self, scene: Scene, now_us: i64) -> bool {
        self.scene == scene && self.day.0 <= now_us && now_us < self.day.1
    }

    /// Today's sums of `lines`.
    pub(crate) fn load_tallies(
        &mut self,
        connection: &Connection,
        lines: &[LineRow],
    ) -> Result<Tallies, CountsRowError> {
        self.follow(connection)?;
        let mut query = connection.prepare(
            "SELECT line, class, direction, count FROM daily WHERE scene = ?1 AND start_us = ?2
             ORDER BY line, class, direction",
        )?;
        let mut rows = query.query(params![self.scene.as_str(), self.day.0])?;
        let mut sums: BTreeMap<u64, Vec<(Arc<str>, u64, u64)>> = BTreeMap::new();
        let mut today = Totals::new();
        while let Some(row) = rows.next()? {
            let key =
                (unsigned(row, 0)?, row.get::<_, Arc<str>>(1)?, direction_of(row.get_ref(2)?.as_str()?)?);
            let stored = unsigned(row, 3)?;
            today.entry(key.0).or_default()[key.2 as usize] += stored;
            let of = |sums: &Sums| sums.get(&key).copied().unwrap_or(0);
            let count = stored.saturating_sub(of(&self.before) + of(&self.excluded));
            if count == 0 {
                continue;
            }
            let (line, class, direction) = key;
            let (count_in, count_out) = if direction == Direction::In { (count, 0) } else { (0, count) };
            let classes = sums.entry(line).or_default();
            match classes.last_mut() {
                Some(last) if last.0 == class => *last = (class, last.1 + count_in, last.2 + count_out),
                _ => classes.push((class, count_in, count_out)),
            }
        }
        let shown = lines.iter().filter(|line| line.deleted_us.is_none() && line.is_in_scene(self.scene));
        let rows = shown.map(|line| {
            let by_class = sums.remove(&line.id).unwrap_or_default();
            let count_in = by_class.iter().map(|class| class.1).sum();
            let count_out = by_class.iter().map(|class| class.2).sum();
            let [of_today, elsewhere, least] = [&today, &self.elsewhere, &self.least]
                .map(|totals| totals.get(&line.id).copied().unwrap_or_default());
            let [total_in, total_out] =
                std::array::from_fn(|way| (of_today[way] + elsewhere[way]).max(least[way]));
            let inside = self.inside.of_lines.get(&line.id).copied().unwrap_or_default();
            let since = self.resets.get(&line.id).copied().unwrap_or(self.day.0);
            TallyRow {
                line_id: line.id,
                line: Arc::from(line.draft.name.as_str()),
                count_in,
                count_out,
                inside: inside.number,
                corrected: inside.corrected,
                peak: inside.peak,
                inside_since_us: self.inside_set.get(&line.id).copied().unwrap_or(self.day.0).max(0) as u64,
                total_in,
                total_out,
                since_us: since.max(0) as u64,
                by_class,
            }
        });
        let lines = rows.collect();
        Ok(Tallies { day_us: self.day.0.max(0) as u64, lines, peak: self.inside.together.peak })
    }
}

fn newest_crossing(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT ifnull(max(id), 0) FROM crossings", [], |row| row.get(0))
}

/// A crossing of a day.
struct DayCrossing {
    id: i64,
    line: u64,
    direction: Direction,
    wall_us: i64,
    is_recounted: bool,
}

/// The number inside each line after the crossings of a day, and the number of the last crossing. They follow each
/// other as they were stored, as in [`TodayTotals::follow`]; recounted ones come in at their time. `set` has the lines
/// for which it was set, which happens at its place among the crossings.
fn follow_day(
    connection: &Connection,
    scene: Scene,
    day: (i64, i64),
    set: &BTreeMap<u64, InsideSet>,
    lines: &[LineRow],
) -> Result<(InsideLines, i64), CountsRowError> {
    let followed = newest_crossing(connection)?;
    let mut query = connection.prepare(
        "SELECT id, line, direction, wall_us FROM crossings
         WHERE id >= (SELECT min(first) FROM daily WHERE scene = ?1 AND start_us = ?2)
           AND scene = ?1 AND wall_us >= ?2 AND wall_us < ?3 AND mark < 2 AND (run IN (SELECT run FROM recounts)) = ?4
         ORDER BY iif(?4, wall_us, id), id",
    )?;
    let mut load = |is_recounted: bool| {
        let mut found = Vec::new();
        let mut rows = query.query(params![scene.as_str(), day.0, day.1, is_recounted])?;
        while let Some(row) = rows.next()? {
            let direction = direction_of(row.get_ref(2)?.as_str()?)?;
            let (id, line, wall_us) = (row.get(0)?, unsigned(row, 1)?, row.get(3)?);
            found.push(DayCrossing { id, line, direction, wall_us, is_recounted });
        }
        Ok::<_, CountsRowError>(found)
    };
    let (stored, mut recounted) = (load(false)?, load(true)?.into_iter().peekable());
    let deleted = lines.iter().filter(|line| line.deleted_us.is_some()).map(|line| line.id).collect();
    let mut inside = InsideLines { deleted, ..InsideLines::default() };
    let mut to_set: Vec<(&u64, &InsideSet)> = set.iter().collect();
    to_set.sort_by_key(|(_, set)| set.since);
    let mut follow = |crossing: &DayCrossing| {
        // As for the sums before a reset, the time decides for recounted crossings.
        let is_before = |InsideSet { since: (after, at_us), .. }: &InsideSet| match crossing.is_recounted {
            true => crossing.wall_us < *at_us,
            false => crossing.id <= *after,
        };
        let due = to_set.extract_if(.., |(_, set)| !is_before(set));
        due.for_each(|(line, set)| inside.begin(*line, set));
        if !set.get(&crossing.line).is_some_and(is_before) {
            inside.follow(crossing.line, crossing.direction, crossing.wall_us);
        }
    };
    for crossing in &stored {
        while let Some(earlier) = recounted.next_if(|one| one.wall_us < crossing.wall_us) {
            follow(&earlier);
        }
        follow(crossing);
    }
    recounted.for_each(|one| follow(&one));
    to_set.into_iter().for_each(|(line, set)| inside.begin(*line, set));
    Ok((inside, followed))
}
