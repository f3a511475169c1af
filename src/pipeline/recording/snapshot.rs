//! Snapshots: takes, changes and stores them. Runs on the runtime; CPU-bound work runs on its pool.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::error::not_changed;
use super::{PictureChange, RecordError, RecorderHandle, SnapshotRequest, Which};
use crate::pipeline::change_picture;
use tallycam_base::Fault;
use tallycam_camera::media::exif::{Label, labelled};
use tallycam_camera::media::{Picture, PictureBuilder};
use tallycam_store::media::{Item, MediaOrigin, NewSnapshot};

/// Timeout of a snapshot's picture.
const PICTURE_WITHIN: Duration = Duration::from_secs(10);

/// Valid widths of a changed picture, pixels.
const WIDTHS: std::ops::RangeInclusive<u32> = 16..=8192;

impl RecorderHandle {
    /// Takes a picture without storing it. Opens the camera, skips warm-up frames, and waits at most `wait`.
    ///
    /// # Errors
    /// [`RecordError`].
    pub async fn picture(
        &self,
        which: Which,
        change: PictureChange,
        wait: Duration,
    ) -> Result<Picture, RecordError> {
        if self.is_counts_only() {
            return Err(RecordError::CountsOnly);
        }
        check(&change)?;
        let until = Instant::now() + wait;
        let pipeline = &self.shared.pipeline;
        let is_as_it_is = change == PictureChange::default();
        let (taken, view) = match which {
            Which::Shown if is_as_it_is => (pipeline.snapshot(wait).await, change.view),
            // The changes for everyone and the requested ones are combined into one change of the original.
            Which::Shown => {
                let everyone = pipeline.view().borrow().clone();
                (pipeline.original_snapshot(wait).await, everyone.compose(&change.view))
            }
            Which::Original => (pipeline.original_snapshot(wait).await, change.view),
            Which::Largest => (pipeline.largest_picture(wait).await, change.view),
        };
        let picture = taken.map_err(|none| RecordError::from(&none))?;
        if is_as_it_is {
            return Ok(picture);
        }
        let change = PictureChange { view, ..change };
        let turn = timeout_at(until, self.shared.changing.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(not_changed("others are being changed; try again in a moment"));
        };
        let quality = pipeline.shared.settings().quality;
        let changed = spawn_blocking(move || {
            let _turn = turn;
            changed(&picture, &change, quality)
        });
        changed.await.map_err(|panicked| not_changed(&panicked.to_string()))?
    }

    /// Takes a picture and stores it.
    ///
    /// # Errors
    /// [`RecordError`]; nothing is stored then.
    pub async fn snapshot(&self, request: SnapshotRequest) -> Result<Item, RecordError> {
        let media = self.shared.store()?.clone();
        let picture = self.picture(request.which, request.change, PICTURE_WITHIN).await?;
        let (settings, source) = (self.shared.settings(), self.shared.pipeline.source_name());
        let label =
            Label { name: &settings.name, model: &source, stamp: picture.stamp, zone: &settings.zone };
        let snapshot = NewSnapshot {
            name: request.name,
            may_rename: true,
            date: request.date,
            jpeg: labelled(picture.jpeg(), &label),
            stamp: picture.stamp,
            width: picture.width,
            height: picture.height,
            source,
            origin: MediaOrigin::Asked,
            note: request.note,
        };
        Ok(media.add_snapshot(snapshot).await?)
    }
}

fn check(change: &PictureChange) -> Result<(), RecordError> {
    if let Some(width) = change.width.filter(|width| !WIDTHS.contains(width)) {
        let (least, most) = (WIDTHS.start(), WIDTHS.end());
        return Err(
            Fault::wrong(format!("the width must be from {least} to {most} pixels, not {width}")).into()
        );
    }
    let turn = change.view.rotate;
    if ![0, 90, 180, 270].contains(&turn) {
        return Err(
            Fault::wrong(format!("the rotation must be 0, 90, 180 or 270 degrees, not {turn}")).into()
        );
    }
    Ok(())
}

/// The picture with the requested changes, and with its own stamp and number.
fn changed(picture: &Picture, wanted: &PictureChange, quality: u8) -> Result<Picture, RecordError> {
    let changed = change_picture(&picture.jpeg(), wanted, &picture.stamp, quality).map_err(|error| {
        error
            .out_of_memory()
            .map_or_else(|| not_changed(&error.to_string()), |none| RecordError::NoRoom(*none))
    })?;
    let mut builder = PictureBuilder::with_capacity(changed.jpeg.len());
    builder.push(&changed.jpeg);
    Ok(builder.finish(changed.width, changed.height, picture.stamp, picture.sequence, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_camera::media::View;

    #[test]
    fn requests_out_of_range_are_refused_before_a_picture_is_taken() {
        let change =
            |width, rotate| PictureChange { width, view: View { rotate, gray: true, ..View::default() } };
        for fine in [change(None, 0), change(Some(16), 90), change(Some(8192), 270)] {
            assert!(check(&fine).is_ok());
        }
        for wrong in [change(Some(15), 0), change(Some(8193), 0), change(None, 45), change(None, 360)] {
            assert!(matches!(check(&wrong), Err(RecordError::Fault(_))));
        }
    }
}
