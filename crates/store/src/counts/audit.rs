//! The audit list: who signed in, who was refused, and who changed what.
//!
//! Each kind keeps only its newest rows, so a flood of refusals displaces only refusals. The sender sums refusals and
//! sign-ins: an entry that is sent again with the same time, user and address adds to the count of the first.

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::clock_correction::WallClock;
use super::rows::{CountsRowError, unsigned};
use tallycam_base::json;

json::words! {
    AuditKind { SignedIn "signed_in", SignedOut "signed_out", Changed "changed", Refused "refused" }
}

/// Maximum number of rows of a kind.
pub(super) const MOST_OF_A_KIND: i64 = 5000;

/// Maximum age. A new entry deletes older rows, if the clock is right.
const MOST_AGE_US: i64 = 400 * 86_400 * 1_000_000;

/// The kind of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditKind {
    /// A client signed in with a password or a link.
    SignedIn,
    /// A user ended their own session.
    SignedOut,
    /// Something was changed.
    Changed,
    /// Requests were refused.
    Refused,
}

/// An entry for the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The kind.
    pub kind: AuditKind,
    /// The user, the token's name, or "this machine".
    pub who: String,
    /// The user's role; may be empty.
    pub role: String,
    /// The client's address.
    pub address: String,
    /// The client's `User-Agent`.
    pub browser: String,
    /// The HTTP method; empty for a sign-in.
    pub method: String,
    /// The route's path; empty for a sign-in.
    pub route: String,
    /// The change, in words, or the reason of the refusal, as one word.
    pub what: String,
    /// Number of occurrences.
    pub count: u64,
    /// The time by `CLOCK_MONOTONIC`.
    pub monotonic_us: u64,
}

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Increases, and is never reused.
    pub id: u64,
    /// The time in microseconds since 1970.
    pub time_us: u64,
    /// The clock was right at that time.
    pub is_time_sure: bool,
    /// The entry.
    pub entry: AuditEntry,
}

/// Stores `entry`, or adds it to its first row, and deletes rows beyond the limits.
pub(super) fn insert(
    connection: &Connection,
    entry: &AuditEntry,
    run: i64,
    wall: WallClock,
) -> Result<(), CountsRowError> {
    let (kind, mono_us, count) = (entry.kind.as_str(), entry.monotonic_us as i64, entry.count as i64);
    let added = connection.execute(
        "UPDATE audit SET count = count + ?6
         WHERE mono_us = ?1 AND run = ?2 AND kind = ?3 AND address = ?4 AND what = ?5 AND who = ?7",
        params![mono_us, run, kind, entry.address, entry.what, count, entry.who],
    )?;
    if added > 0 {
        return Ok(());
    }
    connection.execute(
        "INSERT INTO audit (run, kind, who, role, address, browser, method, route, what, count, mono_us, wall_us, sure)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            run,
            kind,
            entry.who,
            entry.role,
            entry.address,
            entry.browser,
            entry.method,
            entry.route,
            entry.what,
            count,
            mono_us,
            wall.wall_us(mono_us),
            wall.is_sure
        ],
    )?;
    connection.execute(
        "DELETE FROM audit WHERE kind = ?1
           AND id <= (SELECT id FROM audit WHERE kind = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        params![kind, MOST_OF_A_KIND],
    )?;
    if wall.is_sure {
        let oldest_us = wall.wall_us(mono_us) - MOST_AGE_US;
        connection.execute("DELETE FROM audit WHERE sure AND wall_us < ?1", [oldest_us])?;
    }
    Ok(())
}

/// The newest `limit` rows before the row `before`, newest first.
pub(super) fn rows(
    connection: &Connection,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<AuditRow>, CountsRowError> {
    let before = before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
    let mut query = connection.prepare(
        "SELECT id, wall_us, sure, kind, who, role, address, browser, method, route, what, count, mono_us
         FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    query.query_map(params![before, i64::try_from(limit).unwrap_or(i64::MAX)], row)?.collect()
}

fn row(row: &Row<'_>) -> Result<AuditRow, CountsRowError> {
    let word = row.get_ref(3)?.as_str()?;
    let kind = AuditKind::parse(word);
    Ok(AuditRow {
        id: unsigned(row, 0)?,
        time_us: unsigned(row, 1)?,
        is_time_sure: row.get(2)?,
        entry: AuditEntry {
            // An unknown kind is shown as a change.
            kind: kind.unwrap_or(AuditKind::Changed),
            who: row.get(4)?,
            role: row.get(5)?,
            address: row.get(6)?,
            browser: row.get(7)?,
            method: row.get(8)?,
            route: row.get(9)?,
            what: row.get(10)?,
            count: unsigned(row, 11)?,
            monotonic_us: unsigned(row, 12)?,
        },
    })
}
