//! The tallycams of the network, for the API and the page of all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Serialize;

/// This tallycam and its neighbours.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct NeighboursReport {
    /// This tallycam, then the others.
    pub items: Vec<NeighbourReport>,
    /// All crossings today, each counts.db once; `null` unless every tallycam shows its own.
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
    /// Only operators read the words of `problem`.
    #[serde(skip)]
    pub is_problem_inside: bool,
}

/// Crossings in both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct InOut {
    pub r#in: u64,
    pub out: u64,
}

impl NeighboursReport {
    /// All of these, with their sum. A counts.db counts once. A later tallycam that answers with the same one stays in
    /// the list and says so, because anybody on the network can claim the identity of another one's.
    pub fn of(mut items: Vec<NeighbourReport>) -> NeighboursReport {
        let (mut sum, mut known) = (Some(InOut::default()), HashMap::new());
        for one in &mut items {
            if let (Some(ledger), Some(_)) = (&one.ledger, &one.state) {
                match known.entry(ledger.clone()) {
                    Entry::Vacant(free) => {
                        free.insert(one.name.clone());
                    }
                    Entry::Occupied(first) => {
                        let first: &String = first.get();
                        one.problem = Some(format!(
                            "not in the sum: it is {first} at another address, or a copy of its card"
                        ));
                        continue;
                    }
                }
            }
            sum = sum.zip(one.today).map(|(sum, today)| InOut {
                r#in: sum.r#in.saturating_add(today.r#in),
                out: sum.out.saturating_add(today.out),
            });
        }
        NeighboursReport { items, sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_with_the_same_ledger_is_shown_and_counts_once() {
        let camera = |name: &str, ledger: &str, has_answered: bool, count: u64| NeighbourReport {
            name: name.into(),
            ledger: Some(ledger.into()),
            state: has_answered.then(|| "live".into()),
            today: has_answered.then_some(InOut { r#in: count, out: 0 }),
            ..NeighbourReport::default()
        };
        let all = NeighboursReport::of(vec![
            camera("Yard", "4f", true, 1),
            camera("Hall", "5a", true, 2),
            camera("Copy", "5a", true, 4),
        ]);
        assert_eq!((all.items.len(), all.sum), (3, Some(InOut { r#in: 3, out: 0 })));
        let problems: Vec<_> = all.items.iter().map(|one| one.problem.as_deref()).collect();
        let said = "not in the sum: it is Hall at another address, or a copy of its card";
        assert_eq!(problems, [None, None, Some(said)]);
        // What only claims the identity hides nothing.
        let all = NeighboursReport::of(vec![camera("Claims", "5a", false, 0), camera("Hall", "5a", true, 2)]);
        assert!(all.items.iter().all(|one| one.problem.is_none()) && all.sum.is_none(), "{all:?}");
    }
}
