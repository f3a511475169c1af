//! Movement maps: how many objects came into each cell of the picture, a row an hour.

use rusqlite::params;

use crate::counts::geometry::orientation;
use crate::counts::rows::number;
use crate::counts::{CountsReader, Scene, StoreError};
use tallycam_vision::MOVEMENT_GRID;

/// Adds packed counts (see `pack`) to `cells`. Other lengths are ignored.
fn add_packed(packed: &[u8], cells: &mut [u64]) {
    let mut numbers = packed.split_inclusive(|byte| byte & 0x80 == 0).map(|bytes| {
        let bits = bytes.iter().take(4).enumerate().map(|(at, byte)| usize::from(byte & 0x7f) << (7 * at));
        bits.sum::<usize>()
    });
    let mut at = 0;
    while let (Some(gap), Some(count)) = (numbers.next(), numbers.next()) {
        at += gap;
        if let Some(cell) = cells.get_mut(at) {
            *cell += count as u64;
        }
        at += 1;
    }
}

impl CountsReader {
    /// The sums of the maps that began between two wall times, row by row; `None` without a map. Maps of a picture that
    /// was turned or cropped otherwise than now are left out.
    ///
    /// # Errors
    /// As for [`CountsReader::crossings`].
    pub fn movement(&self, scene: Scene, from_us: u64, to_us: u64) -> Result<Option<Vec<u64>>, StoreError> {
        self.map_error((|| {
            let mut query = self.connection.prepare(
                "SELECT cells FROM movement WHERE wall_us >= ?1 AND wall_us < ?2 AND scene = ?3
                 AND picture = ifnull((SELECT value FROM settings WHERE key = ?4), picture)",
            )?;
            let asked = params![number(from_us), number(to_us), scene.as_str(), orientation::KEY];
            let mut rows = query.query(asked)?;
            let mut sums = None;
            while let Some(row) = rows.next()? {
                add_packed(
                    row.get_ref(0)?.as_blob()?,
                    sums.get_or_insert_with(|| vec![0; MOVEMENT_GRID.0 * MOVEMENT_GRID.1]),
                );
            }
            Ok(sums)
        })())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::writer::waiting::pack;

    #[test]
    fn a_map_is_packed_and_added_up() {
        let mut cells = vec![0u16; 2304];
        (cells[0], cells[1], cells[700], cells[2303]) = (1, 127, 128, u16::MAX);
        let packed = pack(&cells);
        assert_eq!(packed.len(), 2 + 2 + 4 + 5);
        let mut sums = vec![0u64; 2304];
        add_packed(&packed, &mut sums);
        add_packed(&packed, &mut sums);
        assert!(sums.iter().zip(&cells).all(|(sum, count)| *sum == 2 * u64::from(*count)));
        // Rubbish harms nobody, and nothing is nothing.
        add_packed(&[0xff; 40], &mut sums);
        add_packed(&[0x01, 0x81], &mut sums[..1]);
        assert_eq!(pack(&[0; 9]), Vec::<u8>::new());
        // The busiest scene takes 7 kB an hour.
        assert!(pack(&[30_000; 2304]).len() <= 2304 * 4);
    }
}
