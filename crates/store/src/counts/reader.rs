//! Reads `counts.db`: pages of crossings, buckets of charts, gaps.
//!
//! A read-only connection of its own. Its methods block, and never delay the writer. Charts come from the sums by
//! hour and day; buckets of minutes alone come from the crossings. `paging` has the pages of crossings.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::audit;
use super::clock_correction::{Clock, SystemClock};
use super::coverage::counting_time::EXTEND_AFTER_US;
use super::coverage::{self, CoverageSpan, LineNow, LineTimes, RecountedSpan, Shares};
use super::geometry::lines;
use super::occupancy;
use super::rows::{
    CountsRowError, SELECT_CROSSINGS, SqlFilter, crossing, direction_of, number, parse_line_ids, parse_scene,
    unsigned,
};
use super::schema::{FILE_NAME, open_to_read, store_error};
use super::shared::CountsShared;
use super::sums::calendar::Calendar;
use super::sums::opening::{OpeningHours, open_buckets, read_size};
use super::sums::resets::load_resets;
use super::{
    AuditRow, BucketRow, BucketSize, Count, CountsOptions, CountsQuery, Coverage, CrossingChange,
    CrossingsQuery, Gap, GapsByLine, LineRow, OccupancyRow, Reset, Scene, StoreError, StoredCrossing, check,
};
use tallycam_vision::Direction;

/// Maximum number of buckets per query: two years of hours, fifty of days.
pub const MOST_BUCKETS: usize = 20_000;

/// The reason of the gap before `counts.db` began.
const NOT_BEGUN: &str = "not_begun";

/// Sums by line, class and direction.
type Sums = BTreeMap<(u64, Arc<str>, Direction), u64>;

/// A read-only connection. Its methods block.
pub struct CountsReader {
    pub(super) connection: Connection,
    file: std::path::PathBuf,
    pub(super) calendar: Calendar,
    clock: Arc<dyn Clock + Sync>,
    /// The shared state of the writer in this process, if there is one.
    shared: Option<Arc<CountsShared>>,
}

impl std::fmt::Debug for CountsReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("file", &self.file).finish_non_exhaustive()
    }
}

impl CountsReader {
    /// Opens `counts.db` for reading, beside a daemon in another process or without one. The camera's name in
    /// `settings` is ignored.
    ///
    /// # Errors
    /// There is no file, it cannot be read, or its sums are for another time zone or start of day.
    pub fn open(settings: &CountsOptions) -> Result<CountsReader, StoreError> {
        let file = settings.directory.join(FILE_NAME);
        if !file.exists() {
            let hint = "it is made when `tallycam serve` starts";
            return Err(StoreError::file(&file, "there is no counts.db yet", Some(hint)));
        }
        let connection = open_to_read(&file)?;
        let calendar = Calendar::new(settings.zone.clone(), settings.day_starts);
        let kept: Option<String> = connection
            .query_row("SELECT value FROM settings WHERE key = 'calendar'", [], |row| row.get(0))
            .optional()
            .map_err(|error| store_error(&file, &error))?;
        let identity = calendar.identity();
        if let Some(kept) = kept.filter(|kept| *kept != identity) {
            let reason = format!("its days and hours are those of {kept}, and {identity} are asked for");
            let hint = "restart `tallycam serve` with the new time zone and start of day";
            return Err(StoreError::file(&file, reason, Some(hint)));
        }
        Ok(CountsReader { connection, file, calendar, clock: Arc::new(SystemClock), shared: None })
    }

    /// Opens the file beside the writer of this process.
    pub(super) fn open_beside_writer(
        file: &Path,
        calendar: Calendar,
        clock: Arc<dyn Clock + Sync>,
        shared: Arc<CountsShared>,
    ) -> Result<CountsReader, StoreError> {
        let connection = open_to_read(file)?;
        Ok(CountsReader { connection, file: file.to_owned(), calendar, clock, shared: Some(shared) })
    }

    /// A page of crossings.
    ///
    /// # Errors
    /// The file cannot be read. The same holds for the other methods.
    pub fn crossings(&self, query: &CrossingsQuery) -> Result<Vec<StoredCrossing>, StoreError> {
        self.map_error(self.read_page(query, "TRUE"))
    }

    /// The crossings that are new or changed since the place `after` in the order of changes, in that order. A
    /// consumer that continues after the last place it got ends with what is stored. Times do not filter crossings that
    /// are gone.
    pub fn changes(&self, query: &CrossingsQuery) -> Result<Vec<CrossingChange>, StoreError> {
        self.map_error(self.read_changes(query))
    }

    /// Number of changes after the place `after`, of all source classes.
    pub fn changes_after(&self, after: u64) -> Result<u64, StoreError> {
        self.map_error(self.count_changes(after))
    }

    /// The crossing with this number.
    pub fn crossing(&self, id: u64) -> Result<Option<StoredCrossing>, StoreError> {
        let text = format!("{SELECT_CROSSINGS} WHERE c.id = ?1");
        self.map_error(self.connection.query_row(&text, [number(id)], crossing).optional())
    }

    /// Rows of the audit list before the row `before`, newest first.
    pub fn audit(&self, before: Option<u64>, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        self.map_error(audit::rows(&self.connection, before, limit))
    }

    /// The JPEG thumbnail of a crossing, if it was stored.
    pub fn thumbnail(&self, id: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let text = "SELECT jpeg FROM thumbnails WHERE crossing = ?1";
        self.map_error(self.connection.query_row(text, [number(id)], |row| row.get(0)).optional())
    }

    /// Consecutive buckets from the sums, from the one that contains `from_us` to the one with the last moment before
    /// `to_us`. A total covers full hours.
    ///
    /// # Errors
    /// [`StoreError::TooManyBuckets`] for more than [`MOST_BUCKETS`]; otherwise as for crossings.
    pub fn counts(&self, query: &CountsQuery) -> Result<Vec<BucketRow>, StoreError> {
        let (from_us, to_us) = (number(query.from_us), number(query.to_us));
        if from_us >= to_us {
            return Ok(Vec::new());
        }
        let size = read_size(query.bucket, query.hours);
        let bounds = self.buckets(size, from_us, to_us).ok_or(StoreError::TooManyBuckets)?;
        let read = self.map_error(self.read_counts(query, size, bounds))?;
        Ok(open_buckets(read, query.bucket, query.hours, &self.calendar, self.now_us()))
    }

    /// The occupancy of each zone that is not deleted, by zone number, in buckets as for [`CountsReader::counts`].
    /// Zones without data are left out. A bucket of minutes in old data, which are kept for each hour, is the hour's.
    pub fn occupancy(
        &self,
        scene: Scene,
        from_us: u64,
        to_us: u64,
        size: BucketSize,
        hours: Option<OpeningHours>,
    ) -> Result<BTreeMap<u64, Vec<OccupancyRow>>, StoreError> {
        let mut bounds = self
            .buckets(read_size(size, hours), number(from_us), number(to_us))
            .ok_or(StoreError::TooManyBuckets)?;
        self.map_error(occupancy::merge_rolled(&self.connection, &self.calendar, &mut bounds))?;
        let read = self.map_error(occupancy::read(&self.connection, scene, &bounds))?;
        let opened = |buckets| open_buckets(buckets, size, hours, &self.calendar, self.now_us());
        Ok(read.into_iter().map(|(zone, buckets)| (zone, opened(buckets))).collect())
    }

    /// The gaps within `from_us..to_us`, cut to it and to the past, oldest first. The time before `counts.db` began
    /// is a gap with its own reason.
    pub fn gaps(&self, scene: Scene, from_us: u64, to_us: u64) -> Result<Vec<Gap>, StoreError> {
        self.gaps_of_lines(scene, &[], from_us, to_us)
    }

    /// The gaps of these lines together; all lines if empty. A time in which none of them was drawn is a gap.
    pub fn gaps_of_lines(
        &self,
        scene: Scene,
        lines: &[u64],
        from_us: u64,
        to_us: u64,
    ) -> Result<Vec<Gap>, StoreError> {
        self.map_error((|| {
            let Some((from_us, to_us)) = self.past_range(from_us, to_us) else { return Ok(Vec::new()) };
            let mut spans = self.spans(scene, lines, from_us, to_us)?;
            spans.push(self.span_before_counting(from_us, to_us)?);
            Ok(coverage::gaps(&spans, scene, from_us, to_us))
        })())
    }

    /// The gaps of [`CountsReader::gaps_of_lines`], and the further gaps of each line. Lines are the given ones, or
    /// all that were drawn or recounted in `scene` in that time.
    ///
    /// A line has few further gaps, however often counting stopped: they are computed as if counting had never
    /// stopped. Times that only other lines' recounts cover are the exception.
    pub fn gaps_by_line(
        &self,
        scene: Scene,
        lines: &[u64],
        from_us: u64,
        to_us: u64,
    ) -> Result<GapsByLine, StoreError> {
        let was_drawn = |row: &LineRow| {
            row.is_in_scene(scene)
                && row.created_us < to_us
                && row.deleted_us.is_none_or(|deleted_us| deleted_us > from_us)
        };
        self.map_error((|| {
            // One transaction, so that all queries see the same state.
            let _state = self.connection.unchecked_transaction()?;
            let past = self.past_range(from_us, to_us);
            let recounts =
                past.map_or_else(|| Ok(Vec::new()), |(from_us, to_us)| self.recounts(from_us, to_us))?;
            let was_recounted = |row: &LineRow| {
                let mut of_the_scene = recounts.iter().filter(|recount| recount.span.scene == Some(scene));
                of_the_scene.any(|recount| recount.lines.contains(&row.id))
            };
            let is_meant = |row: &LineRow| match lines.is_empty() {
                true => was_drawn(row) || was_recounted(row),
                false => lines.contains(&row.id),
            };
            let mut meant: Vec<LineRow> =
                lines::load_all(&self.connection)?.into_iter().filter(is_meant).collect();
            meant.sort_by_key(|row| row.id);
            let Some((from_us, to_us)) = past else {
                let by_line = meant.into_iter().map(|row| (row, Vec::new())).collect();
                return Ok(GapsByLine { all: Vec::new(), by_line });
            };
            let mut spans = self.recorded_spans(from_us, to_us)?;
            spans.push(self.span_before_counting(from_us, to_us)?);
            let all = coverage::gaps(
                &self.spans_of_lines(spans.clone(), &recounts, scene, lines)?,
                scene,
                from_us,
                to_us,
            );
            // A line without a recount stays unknown where counting stopped.
            let timeline = coverage::uncovered_spans(&spans, &all, scene, from_us, to_us);
            let with_its_own = |row: LineRow| {
                let spans = self.spans_of_lines(timeline.clone(), &recounts, scene, &[row.id])?;
                Ok((row, coverage::line_gaps(&spans, &all, scene, from_us, to_us)))
            };
            let by_line = meant.into_iter().map(with_its_own).collect::<Result<_, CountsRowError>>()?;
            Ok(GapsByLine { all, by_line })
        })())
    }

    /// The past part of a time, in microseconds of wall time; `None` if all is in the future.
    fn past_range(&self, from_us: u64, to_us: u64) -> Option<(i64, i64)> {
        let (from_us, to_us) = (number(from_us), number(to_us).min(self.now_us()));
        (from_us < to_us).then_some((from_us, to_us))
    }

    /// The time from `from_us` to the first coverage report; up to `to_us` if there was none.
    fn span_before_counting(&self, from_us: i64, to_us: i64) -> Result<CoverageSpan, CountsRowError> {
        let began_us = self.read_began()?.unwrap_or(to_us);
        Ok(CoverageSpan { from_us, to_us: began_us, scene: None, why: NOT_BEGUN.into() })
    }

    /// The wall time of the first coverage report in microseconds, if there was one.
    fn read_began(&self) -> Result<Option<i64>, CountsRowError> {
        self.connection.query_row("SELECT min(from_us) FROM spans", [], |row| row.get(0))
    }

    /// The resets of a scene between two wall times, oldest first.
    pub fn resets(&self, scene: Scene, from_us: u64, to_us: u64) -> Result<Vec<Reset>, StoreError> {
        self.map_error(load_resets(&self.connection, scene, number(from_us), number(to_us)))
    }

    /// Moves of lines between two wall times, also of deleted ones: line number and time, oldest first.
    /// [`CountsReader::lines`] has only the last move of each.
    pub fn line_moves(&self, from_us: u64, to_us: u64) -> Result<Vec<(u64, u64)>, StoreError> {
        self.map_error(lines::list_moves(&self.connection, number(from_us), number(to_us)))
    }

    /// All lines, including deleted ones.
    pub fn lines(&self) -> Result<Vec<LineRow>, StoreError> {
        self.map_error(lines::load_all(&self.connection))
    }

    /// The classes of all crossings in `scene`. Reads all daily sums.
    pub fn classes(&self, scene: Scene) -> Result<HashSet<String>, StoreError> {
        let read = || {
            let mut classes = self.connection.prepare("SELECT DISTINCT class FROM daily WHERE scene = ?1")?;
            classes.query_map([scene.as_str()], |row| row.get(0))?.collect()
        };
        self.map_error(read())
    }

    /// A small stored value, like [`super::Counts::setting`].
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        let text = "SELECT value FROM settings WHERE key = ?1";
        self.map_error(self.connection.query_row(text, [key], |row| row.get(0)).optional())
    }

    /// Checks the integrity of the file and that sums equal crossings. Returns a sentence for each fault. Reads the
    /// whole file.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        self.map_error(check::find_faults(&self.connection, &self.calendar))
    }

    pub(super) fn map_error<T>(&self, read: Result<T, CountsRowError>) -> Result<T, StoreError> {
        read.map_err(|error| store_error(&self.file, &error))
    }

    /// The current wall time; the writer's view of it if there is a writer.
    pub(super) fn now_us(&self) -> i64 {
        let now = self.clock.now();
        match self.shared.as_ref().and_then(|shared| shared.live()) {
            Some(live) => live.wall.wall_us(now.monotonic_us as i64),
            None => now.wall_us as i64,
        }
    }

    fn read_counts(
        &self,
        query: &CountsQuery,
        size: BucketSize,
        bounds: Vec<(i64, i64)>,
    ) -> Result<Vec<BucketRow>, CountsRowError> {
        let (Some(&(start, _)), Some(&(_, end))) = (bounds.first(), bounds.last()) else {
            return Ok(Vec::new());
        };
        // One transaction, so that all queries see the same state.
        let _state = self.connection.unchecked_transaction()?;
        let spans = self.spans(query.scene, &query.lines, start, end)?;
        let covered = coverage::covered_times(&spans, query.scene, start, end);
        let mut shares = Shares::new(covered, self.now_us());
        let names: BTreeMap<u64, Arc<str>> = lines::load_all(&self.connection)?
            .into_iter()
            .map(|line| (line.id, Arc::from(line.draft.name.as_str())))
            .collect();
        let mut sums: Vec<Sums> = vec![Sums::new(); bounds.len()];
        for (columns, time, start, end) in self.tables(size, start, end) {
            let mut conditions = SqlFilter::of_scene("scene", Some(query.scene));
            conditions.add(&format!("{time} >= ?"), start);
            conditions.add(&format!("{time} < ?"), end);
            conditions.add_any_of("line", query.lines.iter().map(|&id| Value::Integer(number(id))));
            conditions.add_any_of("class", query.classes.iter().map(|class| Value::Text(class.clone())));
            if matches!(size, BucketSize::Minutes(_)) {
                let (scene, from_us, to_us) = (Some(query.scene), Some(query.from_us), Some(query.to_us));
                let asked = CrossingsQuery { scene, from_us, to_us, ..CrossingsQuery::default() };
                let Some((first, last)) = self.bounds(&asked)? else { continue };
                conditions.add("id >= ?", first);
                conditions.add("id <= ?", last);
            }
            let text = format!("SELECT {columns} WHERE {}", conditions.text);
            let mut statement = self.connection.prepare(&text)?;
            let mut rows = statement.query(params_from_iter(conditions.values))?;
            let mut class: Arc<str> = Arc::from("");
            while let Some(row) = rows.next()? {
                let start: i64 = row.get(0)?;
                let at = bounds.partition_point(|&(_, end)| end <= start).min(bounds.len() - 1);
                let name = row.get_ref(2)?.as_str()?;
                if *name != *class {
                    class = Arc::from(name);
                }
                let key = (unsigned(row, 1)?, Arc::clone(&class), direction_of(row.get_ref(3)?.as_str()?)?);
                *sums[at].entry(key).or_insert(0) += unsigned(row, 4)?;
            }
        }
        self.subtract_excluded(query, &bounds, &mut sums)?;
        let rows = bounds.into_iter().zip(sums).map(|((start, end), sums)| BucketRow {
            start_us: start.max(0) as u64,
            end_us: end.max(0) as u64,
            covered: shares.covered_share(start, end),
            counts: sums
                .into_iter()
                .map(|((line_id, class, direction), count)| Count {
                    line_id,
                    line: names.get(&line_id).cloned().unwrap_or_default(),
                    class,
                    direction,
                    count,
                })
                .collect(),
        });
        Ok(rows.collect())
    }

    /// Takes the excluded crossings of a query out of the sums of its buckets.
    fn subtract_excluded(
        &self,
        query: &CountsQuery,
        bounds: &[(i64, i64)],
        sums: &mut [Sums],
    ) -> Result<(), CountsRowError> {
        let (Some(&(start, _)), Some(&(_, end))) = (bounds.first(), bounds.last()) else { return Ok(()) };
        let text = "SELECT wall_us, line, class, direction FROM crossings
            WHERE mark = 2 AND scene = ?1 AND wall_us >= ?2 AND wall_us < ?3";
        let mut statement = self.connection.prepare(text)?;
        let mut rows = statement.query(rusqlite::params![query.scene.as_str(), start, end])?;
        while let Some(row) = rows.next()? {
            let at_us: i64 = row.get(0)?;
            let at = bounds.partition_point(|&(_, end)| end <= at_us).min(bounds.len() - 1);
            let key =
                (unsigned(row, 1)?, row.get::<_, Arc<str>>(2)?, direction_of(row.get_ref(3)?.as_str()?)?);
            // Other lines and classes are not in the sums.
            if let Some(count) = sums[at].get_mut(&key) {
                *count -= 1;
            }
            sums[at].retain(|_, count| *count > 0);
        }
        Ok(())
    }

    /// Crossings in and out of a query of all its pages, without those that are excluded.
    pub fn crossing_sums(&self, query: &CrossingsQuery) -> Result<(u64, u64), StoreError> {
        self.map_error(self.read_sums(query))
    }

    /// The buckets that overlap `from_us..to_us`; `None` if there are too many.
    pub(super) fn buckets(&self, size: BucketSize, from_us: i64, to_us: i64) -> Option<Vec<(i64, i64)>> {
        if size == BucketSize::Total {
            let start = self.calendar.bucket(BucketSize::Hour, from_us).0;
            return Some(vec![(start, self.calendar.bucket(BucketSize::Hour, to_us - 1).1)]);
        }
        let mut buckets = Vec::new();
        let mut at = from_us;
        while at < to_us {
            if buckets.len() == MOST_BUCKETS {
                return None;
            }
            let bucket = self.calendar.bucket(size, at);
            buckets.push(bucket);
            at = bucket.1;
        }
        Some(buckets)
    }

    /// The tables to read, each with its columns, the column of its time, and its range. A total uses whole days and,
    /// at its ends, hours; buckets of minutes use the crossings themselves.
    pub(super) fn tables(
        &self,
        size: BucketSize,
        start: i64,
        end: i64,
    ) -> Vec<(&'static str, &'static str, i64, i64)> {
        let hourly = |from, to| ("start_us, line, class, direction, count FROM hourly", "start_us", from, to);
        let daily = |from, to| ("start_us, line, class, direction, count FROM daily", "start_us", from, to);
        match size {
            BucketSize::Minutes(_) => {
                vec![("wall_us, line, class, direction, 1 FROM crossings", "wall_us", start, end)]
            }
            BucketSize::Hour => vec![hourly(start, end)],
            BucketSize::Day | BucketSize::Week | BucketSize::Month => vec![daily(start, end)],
            BucketSize::Total => {
                let first = match self.calendar.bucket(BucketSize::Day, start) {
                    (day, _) if day == start => start,
                    (_, next) => next.min(end),
                };
                let last = self.calendar.bucket(BucketSize::Day, end).0.max(first);
                vec![hourly(start, first), daily(first, last), hourly(last, end)]
            }
        }
    }

    /// The spans that overlap a time; the current one lasts until now. For given lines, counting in `scene` also
    /// needs that one of them was drawn and could count. Otherwise the count is not 0 but unknown.
    fn spans(
        &self,
        scene: Scene,
        lines: &[u64],
        from_us: i64,
        to_us: i64,
    ) -> Result<Vec<CoverageSpan>, CountsRowError> {
        let spans = self.recorded_spans(from_us, to_us)?;
        self.spans_of_lines(spans, &self.recounts(from_us, to_us)?, scene, lines)
    }

    /// Like [`CountsReader::spans`], from spans that are not cut yet.
    fn spans_of_lines(
        &self,
        mut spans: Vec<CoverageSpan>,
        recounts: &[RecountedSpan],
        scene: Scene,
        lines: &[u64],
    ) -> Result<Vec<CoverageSpan>, CountsRowError> {
        if !lines.is_empty() {
            let LineTimes { drawn, able } = self.line_times(scene, lines)?;
            spans = coverage::clip_to_times(spans, scene, &drawn, "no_line");
            spans = coverage::clip_to_times(spans, scene, &able, "no_class");
        }
        let is_of_them = |recount: &&RecountedSpan| {
            lines.is_empty() || recount.lines.iter().any(|line| lines.contains(line))
        };
        spans.extend(recounts.iter().filter(is_of_them).map(|recount| recount.span.clone()));
        Ok(spans)
    }

    /// The stored spans, and the current one.
    fn recorded_spans(&self, from_us: i64, to_us: i64) -> Result<Vec<CoverageSpan>, CountsRowError> {
        let mut query = self.connection.prepare(
            "SELECT from_us, to_us, scene, state FROM spans WHERE to_us > ?1 AND from_us < ?2 ORDER BY from_us, id",
        )?;
        let rows = query.query_map([from_us, to_us], |row| {
            let scene: Option<String> = row.get(2)?;
            Ok(CoverageSpan {
                from_us: row.get(0)?,
                to_us: row.get(1)?,
                scene: scene.map(|word| parse_scene(&word)).transpose()?,
                why: row.get(3)?,
            })
        })?;
        let mut spans = rows.collect::<Result<Vec<CoverageSpan>, _>>()?;
        let now_us = self.now_us();
        match &self.shared {
            Some(shared) => {
                if let Some(span) = shared.live().and_then(|live| live.span) {
                    let (scene, why) = match span.cover {
                        Coverage::Counting(scene) => (Some(scene), ""),
                        Coverage::Not(why) => (None, why),
                    };
                    // Crossings that wait for the disk are not in the sums, so their time is unknown until then.
                    let until_us = if shared.has_error() { span.to_us.min(now_us) } else { now_us };
                    let of = |from_us, to_us, scene, why: &str| CoverageSpan {
                        from_us,
                        to_us,
                        scene,
                        why: why.into(),
                    };
                    spans.extend(
                        [of(span.from_us, until_us, scene, why), of(until_us, now_us, None, "counts_db")]
                            .into_iter()
                            .filter(|s| s.to_us > s.from_us && s.to_us > from_us && s.from_us < to_us),
                    );
                }
            }
            None => self.extend_to_now(&mut spans, now_us)?,
        }
        Ok(spans)
    }

    /// The times in which each of these lines was drawn in `scene`, and those in which it could also count, as (from,
    /// to). An open end is `i64::MAX`.
    fn line_times(&self, scene: Scene, lines: &[u64]) -> Result<LineTimes, CountsRowError> {
        let places = vec!["?"; lines.len()].join(", ");
        let mut query = self.connection.prepare(&format!(
            "SELECT c.line, c.what, c.wall_us FROM line_changes c JOIN lines l ON l.id = c.line
             WHERE c.line IN ({places}) AND c.what IN ('made', 'revived', 'deleted', 'unable', 'able')
               AND (l.scene IS NULL OR l.scene = ?) ORDER BY c.id"
        ))?;
        let lines = lines.iter().map(|&id| Value::Integer(number(id)));
        let scene = Value::Text(scene.as_str().to_owned());
        let mut rows = query.query(params_from_iter(lines.chain([scene])))?;
        let mut times = LineTimes::default();
        let mut now: BTreeMap<i64, LineNow> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (line, at_us): (i64, i64) = (row.get(0)?, row.get(2)?);
            let line = now.entry(line).or_default();
            match row.get_ref(1)?.as_str()? {
                "deleted" => times.drawn.extend(line.drawn_since.take().map(|from_us| (from_us, at_us))),
                "unable" => line.is_unable = true,
                "able" => line.is_unable = false,
                _ => line.drawn_since = line.drawn_since.or(Some(at_us)),
            }
            if line.drawn_since.is_some() && !line.is_unable {
                line.able_since = line.able_since.or(Some(at_us));
            } else {
                times.able.extend(line.able_since.take().map(|from_us| (from_us, at_us)));
            }
        }
        for line in now.into_values() {
            times.drawn.extend(line.drawn_since.map(|from_us| (from_us, i64::MAX)));
            times.able.extend(line.able_since.map(|from_us| (from_us, i64::MAX)));
        }
        Ok(times)
    }

    /// Recounted times. The lines of a recount are covered then, whatever the coverage was at the time.
    fn recounts(&self, from_us: i64, to_us: i64) -> Result<Vec<RecountedSpan>, CountsRowError> {
        let mut query = self.connection.prepare(
            "SELECT s.from_us, s.to_us, s.scene, r.lines, r.id FROM recount_spans s JOIN recounts r ON r.id = s.recount
             WHERE s.to_us > ?1 AND s.from_us < ?2 ORDER BY s.recount",
        )?;
        let mut rows = query.query([from_us, to_us])?;
        let mut recounts: Vec<RecountedSpan> = Vec::new();
        let mut lines_of = (None, Arc::default());
        while let Some(row) = rows.next()? {
            let recount: i64 = row.get(4)?;
            if lines_of.0 != Some(recount) {
                lines_of = (Some(recount), parse_line_ids(row.get_ref(3)?.as_str()?)?.collect());
            }
            let scene = Some(parse_scene(row.get_ref(2)?.as_str()?)?);
            let span = CoverageSpan { from_us: row.get(0)?, to_us: row.get(1)?, scene, why: "".into() };
            recounts.push(RecountedSpan { span, lines: Arc::clone(&lines_of.1) });
        }
        Ok(recounts)
    }

    /// Extends the last span of a daemon in another process to now, because the daemon stores it with a delay. Its
    /// run must not have ended, and the span must be recent.
    fn extend_to_now(&self, spans: &mut [CoverageSpan], now_us: i64) -> Result<(), CountsRowError> {
        let newest = self
            .connection
            .query_row(
                "SELECT s.to_us FROM spans s JOIN runs r ON r.id = s.run WHERE NOT r.ended
               AND r.id = (SELECT max(id) FROM runs WHERE id NOT IN (SELECT run FROM recounts))
             ORDER BY s.id DESC LIMIT 1",
                [],
                |row| row.get::<_, i64>(0),
            )
            .optional()?;
        if let Some(newest) = newest.filter(|newest| now_us - newest < EXTEND_AFTER_US + 2_000_000) {
            for span in spans.iter_mut().filter(|span| span.to_us == newest) {
                span.to_us = span.to_us.max(now_us);
            }
        }
        Ok(())
    }
}
