//! The picture's geometry for which lines and zones were last placed. It is stored beside them. When it changes, on
//! the page or by another configuration at the next start, they are moved once.

use rusqlite::OptionalExtension;

use super::shapes;
use crate::counts::writer::transaction::{CountsFault, CountsTransaction};
use crate::counts::{LineRow, ZoneRow};
use tallycam_camera::media::{Geometry, Orientation};

pub(crate) const KEY: &str = "placed_for";

/// Moves the page's lines and zones from the stored geometry to `shown`, and stores that. Without a stored geometry,
/// they are taken to be right. Returns the number of moved shapes.
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
pub(crate) fn to_text(Geometry { orientation, crop }: Geometry) -> String {
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
    fn a_stored_geometry_is_read_back() {
        for crop in [None, Some([0.125, 0.0, 0.3, 1.0])] {
            let shown = Geometry { orientation: Orientation { quarters: 3, mirrored: true }, crop };
            assert_eq!(from_text(&to_text(shown)), Some(shown));
        }
        assert_eq!(from_text("upside down"), None);
    }
}
