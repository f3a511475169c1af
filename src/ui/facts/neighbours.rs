//! The tallycams of the network, for the API and the page of all.

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
    /// The moment at which its program started, in seconds since 1970 by this machine's clock.
    #[serde(skip)]
    pub started_s: Option<u64>,
}

/// The same program gives the same moment of its start, but for the time on the way.
const SAME_START_S: u64 = 5;

/// Crossings in both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct InOut {
    pub r#in: u64,
    pub out: u64,
}

impl NeighboursReport {
    /// All of these, with their sum. A tallycam that answers at two addresses is shown once. A copy of a card has the
    /// same counts.db, but another start: it says so, and is not in the sum.
    pub fn of(given: Vec<NeighbourReport>) -> NeighboursReport {
        let (mut sum, mut items) = (Some(InOut::default()), Vec::<NeighbourReport>::new());
        for mut one in given {
            let is_twin = |other: &&NeighbourReport| {
                one.ledger.is_some()
                    && other.ledger == one.ledger
                    && other.state.is_some()
                    && one.state.is_some()
            };
            if let Some(first) = items.iter().find(is_twin) {
                let starts = first.started_s.zip(one.started_s);
                if starts.is_none_or(|(first, one)| first.abs_diff(one) > SAME_START_S) {
                    one.problem =
                        Some(format!("not in the sum: its card is a copy of that of {}", first.name));
                    items.push(one);
                }
                continue;
            }
            sum = sum.zip(one.today).map(|(sum, today)| InOut {
                r#in: sum.r#in.saturating_add(today.r#in),
                out: sum.out.saturating_add(today.out),
            });
            items.push(one);
        }
        NeighboursReport { items, sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_card_is_shown_and_not_in_the_sum() {
        let camera = |name: &str, ledger: &str, has_answered: bool, count: u64| NeighbourReport {
            name: name.into(),
            ledger: Some(ledger.into()),
            state: has_answered.then(|| "live".into()),
            today: has_answered.then_some(InOut { r#in: count, out: 0 }),
            started_s: Some(100 * count),
            ..NeighbourReport::default()
        };
        let all = NeighboursReport::of(vec![
            camera("Yard", "4f", true, 1),
            camera("Hall", "5a", true, 2),
            camera("Copy", "5a", true, 4),
        ]);
        assert_eq!((all.items.len(), all.sum), (3, Some(InOut { r#in: 3, out: 0 })));
        let problems: Vec<_> = all.items.iter().map(|one| one.problem.as_deref()).collect();
        assert_eq!(problems, [None, None, Some("not in the sum: its card is a copy of that of Hall")]);
        // The same program at another address.
        let all = NeighboursReport::of(vec![camera("Hall", "5a", true, 2), camera("Hall", "5a", true, 2)]);
        assert_eq!((all.items.len(), all.sum), (1, Some(InOut { r#in: 2, out: 0 })));
        // A claimed identity hides nothing.
        let all = NeighboursReport::of(vec![camera("Claims", "5a", false, 0), camera("Hall", "5a", true, 2)]);
        assert!(all.items.iter().all(|one| one.problem.is_none()) && all.sum.is_none(), "{all:?}");
    }
}
