//! Announcements after a commit: crossings for listeners; lines, zones, today's sums and totals for readers. Also
//! the fault, if a turn failed. Everything is read back from the file, so only stored data is announced.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::CountsWriter;
use crate::counts::geometry::{lines, zones};
use crate::counts::rows::{CountsRowError, SELECT_CROSSINGS, crossing, direction_of, unsigned};
use crate::counts::schema::store_error;
use crate::counts::shared::Live;
use crate::counts::sums::rollups::RollupTable;
use crate::counts::sums::tallies::TodayTotals;
use crate::counts::{Count, LineRow, StoreError, StoredCrossing};

impl CountsWriter {
    /// Announces committed changes.
    pub fn publish(
        &mut self,
        is_edited: bool,
        is_other_scene: bool,
        has_new_times: bool,
    ) -> Result<(), CountsRowError> {
        let (is_edited, is_other_scene) = (is_edited || self.is_behind, is_other_scene || self.is_behind);
        self.is_behind = true;
        let committed = self.read_new()?;
        if is_edited {
            self.publish_edits()?;
        }
        if is_other_scene {
            self.load_totals()?;
        }
        for crossing in &committed {
            if crossing.scene == self.state.scene && !is_other_scene {
                let kind = RollupTable {
                    scene: crossing.scene,
                    line: crossing.line_id,
                    class: Arc::clone(&crossing.class),
                    direction: crossing.direction,
                };
                *self.totals.entry(kind).or_insert(0) += 1;
            }
        }
        if is_edited || is_other_scene || has_new_times {
            self.refresh_board()?;
        }
        self.publish_sums()?;
        // Last, because a failed read above must leave them to the next turn. A listener that then asks for the sums
        // also finds the crossing in them.
        for crossing in committed {
            self.announced = crossing.id as i64;
            // Without listeners the send fails, which is fine.
            let _ = self.shared.committed.send(Arc::new(crossing));
        }
        self.is_behind = false;
        Ok(())
    }

    /// Stored crossings that have not been announced. Recounted ones are left out, because they are not new events.
    fn read_new(&mut self) -> Result<Vec<StoredCrossing>, CountsRowError> {
        let mut new = self.connection.prepare(&format!(
            "{SELECT_CROSSINGS} WHERE c.id > ?1 AND c.run NOT IN (SELECT run FROM recounts) ORDER BY c.id"
        ))?;
        new.query_map([self.announced], crossing)?.collect()
    }

    pub(crate) fn publish_edits(&mut self) -> Result<(), CountsRowError> {
        self.all_lines = lines::load_all(&self.connection)?;
        self.line_ids = self.all_lines.iter().map(|line| line.id).collect();
        let shown: Vec<LineRow> =
            self.all_lines.iter().filter(|line| line.deleted_us.is_none()).cloned().collect();
        let tell = |old: &mut Arc<Vec<_>>, new| {
            let is_new = **old != new;
            if is_new {
                *old = Arc::new(new);
            }
            is_new
        };
        self.shared.lines.send_if_modified(|old| tell(old, shown));
        let zones = zones::load_all(&self.connection)?;
        self.shared.zones.send_if_modified(|old| {
            let is_new = **old != zones;
            if is_new {
                *old = Arc::new(zones);
            }
            is_new
        });
        let mut query = self.connection.prepare("SELECT key, value FROM settings")?;
        let settings =
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        self.shared.set_settings(settings);
        Ok(())
    }

    /// Reports the outcome of announcing. Stored data stays stored even if it could not be read back.
    pub(super) fn record_publish_result(&mut self, told: Result<(), CountsRowError>) {
        match told {
            Ok(()) => self.shared.set_error(None, false),
            Err(error) => {
                let words = String::from("counts.db cannot be read back");
                self.publish_error(words, &store_error(&self.file, &error), false);
            }
        }
    }

    /// The effect of a failed write in words.
    pub(super) fn waiting_words(&self) -> String {
        let mut words = match self.held_crossings {
            0 => return String::from("counts.db cannot be written"),
            1 => String::from("1 crossing is waiting to be saved"),
            waiting => format!("{waiting} crossings are waiting to be saved"),
        };
        if self.lost > 0 {
            words.push_str(&format!(", {} are lost", self.lost));
        }
        words
    }

    pub(super) fn publish_error(&self, mut words: String, error: &StoreError, is_full: bool) {
        if !is_full {
            // A full disk has a headline of its own.
            words.push_str(&format!(": {error}"));
            error.hint().iter().for_each(|hint| words.push_str(&format!("; {hint}")));
        }
        self.shared.set_error(Some(words), is_full);
    }

    fn refresh_board(&mut self) -> Result<(), CountsRowError> {
        let now_us = self.state.wall.wall_us(self.clock.now().monotonic_us as i64);
        self.board =
            TodayTotals::new(&self.connection, &self.calendar, self.state.scene, now_us, &self.all_lines)?;
        Ok(())
    }

    pub(crate) fn load_totals(&mut self) -> Result<(), CountsRowError> {
        let scene = self.state.scene;
        let mut query = self.connection.prepare(
            "SELECT line, class, direction, sum(count) FROM daily WHERE scene = ?1 GROUP BY line, class, direction",
        )?;
        let mut rows = query.query([scene.as_str()])?;
        let mut totals = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let direction = direction_of(row.get_ref(2)?.as_str()?)?;
            let kind = RollupTable { scene, line: unsigned(row, 0)?, class: row.get(1)?, direction };
            totals.insert(kind, unsigned(row, 3)?);
        }
        self.totals = totals;
        Ok(())
    }

    /// Publishes today's sums, the totals and the current span.
    pub(crate) fn publish_sums(&mut self) -> Result<(), CountsRowError> {
        let tallies = self.board.load_tallies(&self.connection, &self.all_lines)?;
        self.shared.tallies.send_if_modified(|old| {
            let is_new = **old != tallies;
            if is_new {
                *old = Arc::new(tallies);
            }
            is_new
        });
        let names: BTreeMap<u64, Arc<str>> =
            self.all_lines.iter().map(|line| (line.id, Arc::from(line.draft.name.as_str()))).collect();
        let totals = self.totals.iter().map(|(kind, &count)| Count {
            line_id: kind.line,
            line: names.get(&kind.line).cloned().unwrap_or_default(),
            class: Arc::clone(&kind.class),
            direction: kind.direction,
            count,
        });
        self.shared.set_totals(totals.collect());
        self.shared.set_live(Live { wall: self.state.wall, span: self.state.span.clone() });
        Ok(())
    }
}
