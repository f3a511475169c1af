//! The way the picture was shown when lines and zones were last placed, kept beside them: however that changes, on the
//! page or by another configuration at the next start, they are moved along once.

use rusqlite::OptionalExtension;

use super::shapes;
use crate::media::{Geometry, Orientation};
use crate::store::counts::writer::transaction::{CountsFault, CountsTransaction};
use crate::store::counts::{LineRow, ZoneRow};

/// The setting's key.
const KEY: &str = "placed_for";

/// Moves the lines and zones of the page from the way the picture was shown to `shown`, and keeps that. A ledger that
/// does not say yet is taken to be right. Gives how many have moved.
pub fn follow(tx: &CountsTransaction<'_>, shown: Geometry) -> Result<usize, CountsFault> {
    let wanted = to_text(shown);
    let was: Option<String> = tx
        .connection
        .query_row("SELECT value FROM settings WHERE key = ?1", [KEY], |row| row.get(0))
        .optional()?;
    if was.as_ref() == Some(&wanted) {
        return Ok(0);
    }
    tx.connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)", [KEY, &wanted])?;
    let Some(before) = was.as_deref().and_then(from_text) else { return Ok(0) };
    let turn = |point| shown.from_source(before.to_source(point));
    let is_mirrored = shown.orientation.mirrored != before.orientation.mirrored;
    Ok(shapes::turn::<LineRow>(tx, &turn, is_mirrored)? + shapes::turn::<ZoneRow>(tx, &turn, is_mirrored)?)
}

/// `[quarters, mirrored, crop]` as JSON.
fn to_text(Geometry { orientation, crop }: Geometry) -> String {
    serde_json::json!([orientation.quarters, orientation.mirrored, crop]).to_string()
}

fn from_text(text: &str) -> Option<Geometry> {
    let (quarters, mirrored, crop) = serde_json::from_str(text).ok()?;
    Some(Geometry { orientation: Orientation { quarters, mirrored }, crop })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        for crop in [None, Some([0.125, 0.0, 0.3, 1.0])] {
            let shown = Geometry { orientation: Orientation { quarters: 3, mirrored: true }, crop };
            assert_eq!(from_text(&to_text(shown)), Some(shown));
        }
        assert_eq!(from_text("upside down"), None);
    }
}
