//! How far the first set-up is.

use crate::http::report::state::StateReport;
use crate::http::site::Site;
use crate::ui::{Reader, SetUp};
use tallycam_store::LineRow;

/// Key in the database, set when the reader has ended the set-up.
pub const ENDED: &str = "first_start_done";

/// The steps as they are.
pub fn steps(site: &Site, report: &StateReport) -> SetUp {
    let counts = site.counts().ok();
    let own: Vec<u64> = counts.map_or_else(Vec::new, |counts| {
        let (lines, scene) = (counts.lines(), counts.scene());
        let is_own =
            |line: &&LineRow| line.deleted_us.is_none() && line.is_in_scene(scene) && !line.is_given();
        lines.borrow().iter().filter(is_own).map(|line| line.id).collect()
    });
    let has_walked = counts.is_some_and(|counts| {
        let tallies = counts.subscribe_tallies();
        let tallies = tallies.borrow();
        tallies.lines.iter().any(|tally| own.contains(&tally.line_id) && tally.count_in + tally.count_out > 0)
    });
    // A camera at rest has shown its picture before.
    let is_well = matches!(report.state, "live" | "idle" | "starting" | "paused");
    SetUp {
        has_camera: is_well && report.camera.is_some() && !report.simulated,
        is_simulated: report.simulated,
        has_password: !site.auth.is_open(),
        has_line: !own.is_empty(),
        has_walked: has_walked && !report.simulated,
    }
}

/// The same for the readers of pages. `None` once the set-up is over, and for readers who may not set the camera up.
pub fn unfinished(site: &Site, report: &StateReport) -> Option<SetUp> {
    let counts = site.counts().ok().filter(|counts| counts.setting(ENDED).is_none());
    counts.filter(|_| report.reader == Reader::Admin)?;
    Some(steps(site, report)).filter(|steps| !steps.is_over())
}
