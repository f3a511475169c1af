//! Follows counts.db through the API: the rows that are new or changed after a place, and a wait for more.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::broadcast;
use tokio::time::sleep;

use super::api::ApiCaller;
use tallycam_base::{Fault, clock};
use tallycam_store::{Counts, StoredCrossing};

/// Longest time without a look for crossings: some changes have no announcement.
pub const READS_AFTER: Duration = Duration::from_secs(30);

/// Pause between looks without announcements.
const LOOKS_EVERY: Duration = Duration::from_secs(5);

/// The newest crossing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestCrossing {
    /// The ledger of counts.db.
    pub ledger: String,
    /// Its place in the order of changes; 0 without a crossing.
    pub place: u64,
    /// Its number; 0 without a crossing.
    pub id: u64,
}

/// Rows in the order of changes.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangesPage {
    pub items: Vec<Value>,
    pub is_more: bool,
}

/// The newest crossing of all source classes.
///
/// # Errors
/// The API refuses. The same holds for [`after`].
pub async fn newest(api: &ApiCaller) -> Result<NewestCrossing, Fault> {
    let page = api.read("/api/v1/crossings?limit=1&scene=all").await?;
    let item = &page["items"][0];
    Ok(NewestCrossing {
        ledger: page["ledger"].as_str().unwrap_or_default().to_owned(),
        place: place(item).unwrap_or(0),
        id: item["id"].as_u64().unwrap_or(0),
    })
}

/// At most `limit` rows after the place `since`; `filter` is the end of the query, such as `&line=3`.
pub async fn after(api: &ApiCaller, since: u64, limit: usize, filter: &str) -> Result<ChangesPage, Fault> {
    let mut page =
        api.read(format!("/api/v1/crossings?since={since}&scene=all&limit={limit}{filter}")).await?;
    let items = match page["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    Ok(ChangesPage { items, is_more: !page["next"].is_null() })
}

/// The place of a row in the order of changes.
pub fn place(row: &Value) -> Option<u64> {
    row["seq"].as_u64()
}

/// `pause`, up to a quarter more or less, so that many cameras do not come all at once.
pub fn varied(pause: Duration) -> Duration {
    let share = (clock::monotonic_us() % 512) as u32;
    pause * (768 + share) / 1024
}

/// Wakes at new crossings.
#[derive(Debug)]
pub struct Announcements(Option<broadcast::Receiver<Arc<StoredCrossing>>>);

impl Announcements {
    pub fn of(counts: Option<&Counts>) -> Announcements {
        Announcements(counts.map(Counts::subscribe_crossings))
    }

    /// Waits until there may be a crossing. Announcements that were missed end the wait, too.
    pub async fn next(&mut self) {
        let Some(announced) = &mut self.0 else { return sleep(LOOKS_EVERY).await };
        if matches!(announced.recv().await, Err(broadcast::error::RecvError::Closed)) {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_vary_by_a_quarter() {
        let pause = varied(Duration::from_secs(8));
        assert!((6..10).contains(&pause.as_secs()), "{pause:?}");
    }
}
