//! A failed turn: reports, retries, and opening the file again.

use std::collections::{BTreeMap, VecDeque};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::transaction::MediaState;
use super::{MediaWrite, MediaWriter, retime};
use crate::media::retention::reclaim;
use crate::media::rows::{self, MediaRowError, StoredSums};
use crate::media::schema::{media_error, open_to_write};
use crate::media::storage::Totals;
use crate::media::{Ended, MediaError, chunks};
use tallycam_base::ClockTime;

impl MediaWriter {
    /// Handles a failed turn. Edits that were made have been answered and are not tried again; other commands are
    /// held. If the turn had only edits and none could be started, they are refused, so that nobody waits until the
    /// disk works.
    pub(super) fn handle_failed_turn(&mut self, error: &MediaError, mut commands: VecDeque<MediaWrite>) {
        if self.failed.is_none() {
            log::error!("pictures cannot be kept: {error}; it is tried again every second");
        }
        self.failed = Some((error.clone(), self.clock.now().monotonic_us));
        let is_none_begun = commands.iter().all(|command| matches!(command, MediaWrite::Edit(Some(_))));
        let cut_short = self.drop_writes_when_full(error, &mut commands);
        commands.retain_mut(|command| match command {
            // Its end is written in the next turn.
            MediaWrite::End(track, ..) if cut_short.contains(&track.id) => true,
            MediaWrite::Chunk(track, _, was_tried) => {
                track.set_error(Some(error.clone()));
                *was_tried = true;
                true
            }
            MediaWrite::End(track, _, tell) => {
                track.set_error(Some(error.clone()));
                if let Some(tell) = tell.take() {
                    // Dropped if the caller has gone.
                    let _ = tell.send(Err(error.clone()));
                }
                true
            }
            MediaWrite::Edit(edit) if is_none_begun => {
                if let Some(edit) = edit.take() {
                    // Answers the caller.
                    let _ = edit(Err(error.clone()));
                }
                false
            }
            MediaWrite::Edit(edit) => edit.is_some(),
            _ => false,
        });
        commands.append(&mut self.held);
        self.held = commands;
        self.tell_trouble();
        self.is_stale |= !matches!(error, MediaError::Full);
    }

    /// On a full disk, lets a recording end without its unwritten chunks. Otherwise it would stay open, and could not
    /// even be removed to make room. Its row marks the missing end. Returns the numbers of such recordings.
    pub(super) fn drop_writes_when_full(
        &self,
        error: &MediaError,
        commands: &mut VecDeque<MediaWrite>,
    ) -> Vec<u64> {
        if !matches!(error, MediaError::Full) {
            return Vec::new();
        }
        let ends = |command: &MediaWrite| match command {
            MediaWrite::End(track, ..) => Some(track.id),
            _ => None,
        };
        let ending: Vec<u64> = commands.iter().filter_map(ends).collect();
        let mut cut_short = Vec::new();
        commands.retain_mut(|command| {
            let MediaWrite::Chunk(track, chunk, _) = command else { return true };
            if !ending.contains(&track.id) {
                return true;
            }
            // The caller of the end reports the total loss.
            log::debug!("{} pictures of recording {} are lost: {error}", chunk.frames.len(), track.id);
            self.shared.change_status(|status| status.chunks_dropped += 1);
            track.return_buffer(std::mem::take(chunk));
            cut_short.push(track.id);
            false
        });
        for command in commands {
            if let MediaWrite::End(track, ended, _) = command
                && cut_short.contains(&track.id)
            {
                *ended = Ended::Cut;
            }
        }
        cut_short
    }

    /// Opens the file again if necessary, and reads the writer's state from it.
    pub(super) fn reopen_if_needed(&mut self) -> Result<(), MediaError> {
        if !self.is_stale {
            return Ok(());
        }
        let connection = open_to_write(&self.file)?;
        let loaded = self.load(&connection).map_err(|error| media_error(&self.file, &error))?;
        self.connection = connection;
        (self.boot, self.state) = loaded;
        self.is_stale = false;
        Ok(())
    }

    /// Reads the writer's state from the file. An open recording in the file that nobody makes is closed: its start
    /// was reported as failed but reached the disk. A recording that the file does not have is dropped. Also returns
    /// this boot's row, because the file may be new.
    pub(super) fn load(&self, connection: &Connection) -> Result<(i64, MediaState), MediaRowError> {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let (boot, _) = retime::boot(&transaction, &self.clock.boot(), self.clock.now())?;
        chunks::end_leftover_recordings(&transaction, |id| self.state.recordings.contains_key(&id))?;
        transaction.commit()?;
        let mut recordings = BTreeMap::new();
        for &id in self.state.recordings.keys() {
            if rows::item_of(connection, id)?.is_some_and(|item| item.is_open) {
                recordings.insert(id, StoredSums::read(connection, id)?.unwrap_or_default());
            }
        }
        let state = MediaState {
            wall: self.state.wall,
            recordings,
            totals: Totals::read(connection)?,
            is_freeing: reclaim::has_marked_items(connection)?,
        };
        Ok((boot, state))
    }

    /// Called after a successful write.
    pub(super) fn recover_from_failure(&mut self) {
        if self.failed.take().is_some() {
            log::info!("media.db accepts recordings again");
            self.tell_trouble();
        }
    }

    /// Records that `lacking` bytes of pictures do not fit, or that there is room again.
    pub(super) fn note_room(&mut self, now: ClockTime, lacking: Option<u64>) {
        match (lacking, self.lacks_room) {
            (Some(bytes), None) => {
                log::warn!(
                    "media.db: {}: {bytes} bytes find none beside what is to stay free",
                    MediaError::Full
                );
            }
            (None, Some(_)) => log::info!("media.db: there is room again"),
            _ => {}
        }
        self.lacks_room = lacking.map(|bytes| (bytes, now.monotonic_us));
        self.tell_trouble();
    }

    /// Sets the status: the last failure, or else a lack of room.
    fn tell_trouble(&self) {
        let failed = self.failed.as_ref().map(|(error, _)| error.clone());
        let error = failed.or_else(|| self.lacks_room.map(|_| MediaError::Full));
        self.shared.change_status(|status| {
            status.is_full = matches!(error, Some(MediaError::Full));
            status.trouble = error.map(|error| (error.to_string(), error.hint().map(str::to_owned)));
        });
    }
}
