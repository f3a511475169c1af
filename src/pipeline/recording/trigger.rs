//! Crossings that start a recording. Pure.

use std::time::Duration;

use tallycam_base::unicode::quoted;
use tallycam_store::{Scene, StoredCrossing};

/// Maximum delay of a crossing's report, microseconds. After that the scene is over.
const STALE_US: u64 = 10_000_000;

/// `[record] on_crossing` and `after_crossing`.
#[derive(Debug, Clone)]
pub struct Trigger {
    lines: Vec<String>,
    after: Duration,
}

impl Trigger {
    /// Crossings of `lines` (`*` for any) record until `after` the last one; `None` without lines.
    pub fn new(lines: &[String], after: Duration) -> Option<Trigger> {
        (!lines.is_empty()).then(|| Trigger { lines: lines.to_vec(), after })
    }

    /// Time from the last crossing to the end of the recording.
    pub fn quiet_time(&self) -> Duration {
        self.after
    }

    /// A message about configured names that none of the existing `lines` has.
    pub fn unknown_names_note<'a>(&self, lines: impl Iterator<Item = &'a str>) -> Option<String> {
        let there: Vec<&str> = lines.collect();
        let is_unknown = |name: &&String| *name != "*" && !there.contains(&name.as_str());
        let unknown: Vec<String> = self.lines.iter().filter(is_unknown).map(|name| quoted(name)).collect();
        if unknown.is_empty() {
            return None;
        }
        let there: Vec<String> = there.iter().map(|name| quoted(name)).collect();
        let there = if there.is_empty() {
            String::from("there is no line yet")
        } else {
            format!("lines are {}", there.join(", "))
        };
        Some(format!(
            "nothing is recorded at crossings of {}: no line is called so; {there} (`record.on_crossing`)",
            unknown.join(", ")
        ))
    }

    /// True if `crossing`, reported at `now_us` while `scene` is shown, starts a recording.
    pub fn matches(&self, crossing: &StoredCrossing, scene: Scene, now_us: u64) -> bool {
        let is_named = self.lines.iter().any(|name| name == "*" || **name == *crossing.line);
        // counts.db reports late if it could not write for a while. Times of a clock that is not set are not
        // compared.
        let is_stale = crossing.is_time_sure && now_us.saturating_sub(crossing.time_us) > STALE_US;
        is_named && crossing.scene == scene && !is_stale
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use tallycam_vision::Direction;

    fn crossing(line: &str) -> StoredCrossing {
        StoredCrossing {
            ledger: Arc::from("5c1e0d2f9b7a4468"),
            id: 1,
            seq: 1,
            run: 1,
            camera: Arc::from("door"),
            scene: Scene::Camera,
            line_id: 1,
            line: Arc::from(line),
            track: 1,
            ordinal: 1,
            class: Arc::from("person"),
            direction: Direction::In,
            score: 0.5,
            time_us: 100_000_000,
            is_time_sure: true,
            is_wrong: false,
            is_excluded: false,
            has_thumbnail: false,
            is_recounted: false,
        }
    }

    #[test]
    fn named_or_all_lines_of_the_shown_scene_match() {
        let trigger = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
            Trigger::new(&lines, Duration::from_secs(5))
        };
        assert!(trigger(&[]).is_none());
        let (door, any) = (trigger(&["Gate", "Door"]).unwrap(), trigger(&["*"]).unwrap());
        let now = 100_500_000;
        assert!(door.matches(&crossing("Door"), Scene::Camera, now));
        assert!(!door.matches(&crossing("door"), Scene::Camera, now));
        assert!(any.matches(&crossing("door"), Scene::Camera, now));
        assert!(!any.matches(&crossing("door"), Scene::Sim, now));
    }

    #[test]
    fn a_name_that_no_line_has_is_reported() {
        let of = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
            Trigger::new(&lines, Duration::from_secs(5)).unwrap()
        };
        assert_eq!(of(&["*"]).unknown_names_note([].into_iter()), None);
        assert_eq!(of(&["Door", "*"]).unknown_names_note(["Door", "Gate"].into_iter()), None);
        let said = of(&["Gate", "Gat"]).unknown_names_note(["Door", "Gate"].into_iter()).unwrap();
        assert!(said.contains("crossings of “Gat”:") && said.contains("lines are “Door”, “Gate”"), "{said}");
        assert!(of(&["Gate"]).unknown_names_note([].into_iter()).unwrap().contains("there is no line yet"));
    }

    #[test]
    fn a_late_report_starts_no_recording() {
        let any = Trigger::new(&[String::from("*")], Duration::from_secs(5)).unwrap();
        assert!(!any.matches(&crossing("Door"), Scene::Camera, 111_000_000));
        let unsure = StoredCrossing { is_time_sure: false, ..crossing("Door") };
        assert!(any.matches(&unsure, Scene::Camera, 1_800_000_000_000_000));
    }
}
