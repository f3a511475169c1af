//! The tallycams of the network, for the API and the page of all.

use serde::Serialize;

/// This tallycam and its neighbours.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct NeighboursReport {
    /// This tallycam, then the others.
    pub items: Vec<NeighbourReport>,
    /// All crossings today; `null` unless every tallycam shows its own.
    pub sum: Option<InOut>,
}

/// A tallycam.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct NeighbourReport {
    pub name: String,
    /// Its address; `null` for the tallycam that answers.
    pub address: Option<String>,
    /// Identifies its counts.db, if it tells.
    pub ledger: Option<String>,
    /// One word, as in its own state; `null` if it does not tell.
    pub state: Option<String>,
    /// The state in a few words.
    pub headline: Option<String>,
    /// Crossings of all its lines today; `null` if it does not tell.
    pub today: Option<InOut>,
    /// The reason why something is missing.
    pub problem: Option<String>,
}

/// Crossings in both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct InOut {
    pub r#in: u64,
    pub out: u64,
}

impl NeighboursReport {
    /// All of these, with their sum.
    pub fn of(items: Vec<NeighbourReport>) -> NeighboursReport {
        let add = |sum: InOut, one: &NeighbourReport| {
            let today = one.today?;
            Some(InOut { r#in: sum.r#in.saturating_add(today.r#in), out: sum.out.saturating_add(today.out) })
        };
        NeighboursReport { sum: items.iter().try_fold(InOut::default(), add), items }
    }
}
