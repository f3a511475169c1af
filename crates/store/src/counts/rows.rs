//! Conversions between values and columns.

use rusqlite::Row;
use rusqlite::types::Value;
use rusqlite::types::{FromSqlError, Type};

use super::{CrossingChange, GoneCrossing, Scene, StoredCrossing};
use tallycam_vision::{Anchor, Direction, Recrossing};

/// A row cannot be read: SQLite's error, or an unknown word.
pub(super) type CountsRowError = rusqlite::Error;

pub(super) fn unknown_word(what: &str, word: &str) -> CountsRowError {
    CountsRowError::FromSqlConversionFailure(0, Type::Text, format!("no {what}: {word:?}").into())
}

pub(super) fn parse_scene(word: &str) -> Result<Scene, CountsRowError> {
    Scene::parse(word).ok_or_else(|| unknown_word("scene", word))
}

pub(super) fn direction_of(word: &str) -> Result<Direction, CountsRowError> {
    Direction::parse(word).ok_or_else(|| unknown_word("direction", word))
}

pub(super) fn parse_anchor(word: &str) -> Result<Anchor, CountsRowError> {
    Anchor::parse(word).ok_or_else(|| unknown_word("anchor", word))
}

pub(super) fn parse_recrossing(word: &str) -> Result<Recrossing, CountsRowError> {
    Recrossing::parse(word).ok_or_else(|| unknown_word("policy", word))
}

/// Parses a JSON column.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, CountsRowError> {
    serde_json::from_str(text).map_err(|error| FromSqlError::other(error).into())
}

/// The line numbers in a recount's column `lines`.
pub(super) fn parse_line_ids(lines: &str) -> Result<impl Iterator<Item = u64>, CountsRowError> {
    let with_versions: Vec<(u64, u64)> = from_json(lines)?;
    Ok(with_versions.into_iter().map(|(line, _)| line))
}

/// Formats a JSON column.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, CountsRowError> {
    serde_json::to_string(value).map_err(|error| CountsRowError::ToSqlConversionFailure(Box::new(error)))
}

/// A number that is never negative in a sound file.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, CountsRowError> {
    Ok(row.get::<_, i64>(column)?.max(0) as u64)
}

/// The columns for [`crossing`]; conditions follow.
pub(super) const SELECT_CROSSINGS: &str = "SELECT c.id, c.run, r.camera, c.scene, c.line, l.name, c.track, c.ordinal, \
     c.class, c.direction, c.score, c.wall_us, c.sure, EXISTS (SELECT 1 FROM thumbnails t WHERE t.crossing = c.id), \
     EXISTS (SELECT 1 FROM recounts n WHERE n.run = c.run), \
     ifnull(c.revised, c.id), ifnull((SELECT value FROM settings WHERE key = 'ledger'), ''), c.mark \
     FROM crossings c JOIN runs r ON r.id = c.run JOIN lines l ON l.id = c.line";

/// A row of [`SELECT_CROSSINGS`].
pub(super) fn crossing(row: &Row<'_>) -> Result<StoredCrossing, CountsRowError> {
    Ok(StoredCrossing {
        id: unsigned(row, 0)?,
        run: unsigned(row, 1)?,
        camera: row.get::<_, std::sync::Arc<str>>(2)?,
        scene: parse_scene(row.get_ref(3)?.as_str()?)?,
        line_id: unsigned(row, 4)?,
        line: row.get(5)?,
        // Only track numbers may use the highest bit.
        track: row.get::<_, i64>(6)? as u64,
        ordinal: row.get(7)?,
        class: row.get(8)?,
        direction: direction_of(row.get_ref(9)?.as_str()?)?,
        score: row.get::<_, f64>(10)? as f32,
        time_us: unsigned(row, 11)?,
        is_time_sure: row.get(12)?,
        has_thumbnail: row.get(13)?,
        is_recounted: row.get(14)?,
        seq: unsigned(row, 15)?,
        ledger: row.get(16)?,
        is_wrong: row.get::<_, i64>(17)? > 0,
        is_excluded: row.get::<_, i64>(17)? == 2,
    })
}

/// The columns for [`gone_crossing`]; conditions follow.
pub(super) const SELECT_GONE: &str = "SELECT c.id, c.revised, \
     ifnull((SELECT value FROM settings WHERE key = 'ledger'), '') FROM superseded c";

/// A row of [`SELECT_GONE`].
pub(super) fn gone_crossing(row: &Row<'_>) -> Result<CrossingChange, CountsRowError> {
    let (id, seq) = (unsigned(row, 0)?, unsigned(row, 1)?);
    Ok(CrossingChange::Gone(GoneCrossing { ledger: row.get(2)?, id, seq, is_gone: true }))
}

/// The conditions of a query and their values.
pub(crate) struct SqlFilter {
    pub text: String,
    pub values: Vec<Value>,
}

impl SqlFilter {
    /// The rows of a scene, or of all scenes.
    pub(crate) fn of_scene(column: &str, scene: Option<Scene>) -> SqlFilter {
        let mut filter = SqlFilter { text: String::from("TRUE"), values: Vec::new() };
        if let Some(scene) = scene {
            filter.add(&format!("{column} = ?"), scene.as_str().to_owned());
        }
        filter
    }

    pub fn add(&mut self, text: &str, value: impl Into<Value>) {
        self.text.push_str(" AND ");
        self.text.push_str(text);
        self.values.push(value.into());
    }

    /// Adds no condition if `values` is empty.
    pub(crate) fn add_any_of(&mut self, column: &str, values: impl ExactSizeIterator<Item = Value>) {
        if values.len() > 0 {
            let places = vec!["?"; values.len()].join(", ");
            self.text.push_str(&format!(" AND {column} IN ({places})"));
            self.values.extend(values);
        }
    }
}

/// A number for SQLite, whose integers are signed.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
