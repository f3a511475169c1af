//! The writer's part of setting the store aside and starting an empty one.

use std::collections::{BTreeMap, VecDeque};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{MediaWriter, rotate};
use crate::media::rows::{self, MediaRowError};
use crate::media::schema::media_error;
use crate::media::{AsideFile, Ended, Item, MediaError, chunks, names};

impl MediaWriter {
    /// Sets the store aside. Fails if held commands cannot be written.
    pub(super) fn recreate(&mut self) -> Result<AsideFile, MediaError> {
        let readied = match &self.failed {
            Some((error, _)) => Err(error.clone()),
            None => self.prepare_exchange(),
        };
        let tell = |error: MediaRowError| media_error(&self.file, &error);
        let (closed, is_damaged) = match readied {
            Ok(closed) => (closed, false),
            Err(error) if error.is_damage() => {
                log::warn!("{error}: the file is renamed and kept");
                rotate::prepare_replacement(&self.connection, &self.directory)?;
                (BTreeMap::new(), true)
            }
            Err(error) => return Err(error),
        };
        self.state.recordings.clear();
        self.shared.close_tracks(&closed);
        self.jobs.clear();
        // The file must not be open while it is moved, because its journal has its name.
        let nothing = Connection::open_in_memory().map_err(tell)?;
        drop(std::mem::replace(&mut self.connection, nothing));
        let now_us = self.state.wall.wall_us(self.clock.now().monotonic_us as i64);
        let exchange = if is_damaged { rotate::replace_damaged } else { rotate::exchange };
        let exchanged = exchange(&self.directory, &names::format_stamp(now_us, &self.zone));
        // Opens whichever file has the name now. A sure clock stays sure.
        self.is_stale = true;
        if let Err(error) = self.reopen_if_needed() {
            self.handle_failed_turn(&error, VecDeque::new());
            return exchanged.and(Err(error));
        }
        if is_damaged && exchanged.is_ok() {
            self.recover_from_failure();
        }
        self.shared.change_status(|status| status.revision += 1);
        exchanged
    }

    /// Makes the new store, and closes the recordings under way in the old one. Returns their items.
    pub(super) fn prepare_exchange(&self) -> Result<BTreeMap<u64, Option<Item>>, MediaError> {
        rotate::prepare(&self.connection, &self.directory)?;
        let tell = |error: MediaRowError| media_error(&self.file, &error);
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate).map_err(tell)?;
        let mut closed = BTreeMap::new();
        for (&id, sums) in &self.state.recordings {
            chunks::close(&transaction, id, sums, Ended::Stopped).map_err(tell)?;
            closed.insert(id, rows::item_of(&transaction, id).map_err(tell)?);
        }
        transaction.commit().map_err(tell)?;
        Ok(closed)
    }
}
