//! The API's report on the state of the whole service.

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::http::auth::caller::Who;
use crate::http::report::alerts;
use crate::http::report::light::LightSummary;
use crate::http::report::media::{RecordingReport, StorageSummary};
use crate::http::report::wire;
use crate::http::report::wire::Redact;
use crate::http::request::right::Right;
use crate::http::server::https::HttpsReport;
use crate::http::site::Site;
use crate::http::site::findings::{SET_CLOCK, clock_is_wrong};
use crate::maintenance::update::describe_version;
use crate::outbound::mqtt::MqttReport;
use crate::outbound::notify::{Notifier, NotifySummary};
use crate::pipeline::{CameraState, CameraStatus};
use crate::ui::{Alert, CountingReport, LiveControls, LivePage, Reader};
use tallycam_base::json::Rfc3339;
use tallycam_base::{ClockTime, clock};
use tallycam_store::media::ClockWait;

/// The state of the service. Callers below operator get no `source` and no `viewer_list`, and `camera` is null. They
/// see only the kind of a camera fault, and only the presence of other faults.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct StateReport {
    /// The camera's name.
    pub name: String,
    /// The program's version.
    pub version: &'static str,
    /// One word: `live`, `idle`, `starting`, `paused`, or a kind of fault.
    #[schemars(extend("enum" = CameraState::all_names().collect::<Vec<_>>()))]
    pub state: &'static str,
    /// The state in a few words.
    pub headline: &'static str,
    #[serde(skip)]
    outside: Option<&'static str>,
    /// The wall clock shows a plausible time.
    #[serde(skip)]
    pub is_clock_set: bool,
    /// Latest time at which deletion by age starts, in microseconds since 1970, if a rule by age exists.
    #[serde(skip)]
    pub ages_wait_us: Option<u64>,
    /// There are other tallycams.
    #[serde(skip)]
    pub has_neighbours: bool,
    /// The reader of the report.
    #[serde(skip)]
    pub reader: Reader,
    /// The reason, in a sentence.
    pub reason: Option<String>,
    /// A remedy for the reader.
    pub hint: Option<String>,
    /// Start of this state.
    #[schemars(with = "Rfc3339")]
    pub since: String,
    /// The configured source; for operators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The opened camera; for others `null`.
    pub camera: Option<String>,
    /// The source is the simulation.
    pub simulated: bool,
    /// Requests that the camera could not meet, invalid or lost files, and an unset clock, in sentences.
    pub notes: Vec<String>,
    /// The camera's pixel format, a fourcc.
    pub format: Option<String>,
    /// Pixels in a row.
    pub width: Option<u32>,
    /// Rows.
    pub height: Option<u32>,
    /// Frames per second.
    pub fps: f64,
    /// Streams being watched.
    pub viewers: usize,
    /// The viewers; for operators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewer_list: Option<Vec<ViewerReport>>,
    /// Connections that are open.
    pub connections: usize,
    /// `/start_stream` holds the camera open.
    pub held: bool,
    /// The result of `/health`.
    pub healthy: bool,
    /// Faults that keep the camera from its work, worst first: the banner of every page.
    pub alerts: Vec<Alert>,
    /// Failed reads in a row.
    pub failed_reads: u32,
    /// Frames taken from the source since start.
    pub frames: u64,
    /// Frames lost before they reached the service.
    pub lost: u64,
    /// Frames without a valid picture.
    pub broken: u64,
    /// Pictures made.
    pub pictures: u64,
    /// Bytes of these pictures.
    pub bytes: u64,
    /// How often the camera was opened.
    pub opens: u64,
    /// Anybody can change it: there is no password, and other machines can reach it.
    pub open: bool,
    /// This server's own HTTPS; `null` without an HTTPS listener.
    pub https: Option<HttpsReport>,
    /// Seconds since the server started.
    pub uptime_s: f64,
    /// The machine's clock is set.
    pub time_sure: bool,
    /// Identifies counts.db: with it, the id of a crossing is unique everywhere; `null` without counting.
    pub ledger: Option<String>,
    /// Counting; `null` without it.
    pub counting: Option<CountingReport>,
    /// Recording; `null` without a store.
    pub recording: Option<RecordingReport>,
    /// Stored media and disk space; `null` without a store, and before the first measurement.
    pub storage: Option<StorageSummary>,
    /// The light; `null` without one.
    pub light: Option<LightSummary>,
    /// Notifications; `null` without rules.
    pub notifications: Option<NotifySummary>,
    /// MQTT; `null` if it is off.
    pub mqtt: Option<MqttReport>,
}

impl Redact for StateReport {
    fn redact(&mut self) {
        (self.source, self.camera, self.viewer_list) = (None, None, None);
        // Notes of the camera come from its driver, and others from files; the note about the clock is for everybody.
        self.notes.retain(|note| note.starts_with(CLOCK));
        if let Some(said) = self.outside {
            (self.reason, self.hint) = (Some(said.to_owned()), None);
        }
        self.counting.iter_mut().for_each(Redact::redact);
        self.recording.iter_mut().for_each(Redact::redact);
        self.storage.iter_mut().for_each(Redact::redact);
        self.light.iter_mut().for_each(Redact::redact);
        self.mqtt.iter_mut().for_each(|mqtt| (mqtt.words, mqtt.hint) = (None, None));
        self.notifications.iter_mut().for_each(|rules| rules.faults.clear());
    }
}

/// A viewer.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ViewerReport {
    pub address: String,
    /// Pictures per second sent to it.
    pub fps: f64,
    /// Pictures that it skipped.
    pub skipped: u64,
    /// Start of the stream.
    pub since: Rfc3339,
}

impl StateReport {
    /// The current state, redacted for `who`.
    pub fn of(site: &Site, who: &Who) -> StateReport {
        let whole = StateReport {
            reader: match who {
                who if who.has(Right::Admin, false) => Reader::Admin,
                who if who.has(Right::Operator, false) => Reader::Operator,
                who if who.has(Right::Viewer, false) => Reader::Viewer,
                _ => Reader::Visitor,
            },
            ..StateReport::whole(site)
        };
        let mut told = wire::redacted_for(who, whole);
        told.alerts = alerts::of(&told, &site.now());
        told
    }

    fn whole(site: &Site) -> StateReport {
        let status = site.pipeline.status();
        let CameraStatus { state, delivers, .. } = &status;
        let mut viewer_list = Vec::with_capacity(site.places.taken());
        site.each_viewers(|viewers| {
            viewers.each(|viewer| {
                viewer_list.push(ViewerReport {
                    address: viewer.peer.to_string(),
                    fps: tenths(viewer.fps()),
                    skipped: viewer.skipped.get(),
                    since: Rfc3339(viewer.since_us),
                });
            });
        });
        let counting = site.counting.as_ref();
        let now = ClockTime::now();
        StateReport {
            name: site.settings().name.clone(),
            version: crate::http::VERSION,
            state: state.as_str(),
            headline: state.headline(),
            outside: state.public_reason(),
            is_clock_set: now.wall_trusted,
            ages_wait_us: site.clock_wait().and_then(|wait| match wait {
                ClockWait::Until(us) => Some(us),
                ClockWait::Unset => None,
            }),
            has_neighbours: site.neighbours.are_found() || !site.settings().neighbours.is_empty(),
            reader: Reader::Visitor,
            reason: Some(state.reason()).filter(|reason| !reason.is_empty()),
            hint: state.hint(),
            since: clock::rfc3339(status.since.wall_us),
            source: Some(status.source.clone()),
            camera: delivers.as_ref().map(|d| d.name.clone()),
            simulated: delivers.as_ref().is_some_and(|d| d.is_simulated),
            notes: notes(
                delivers.as_ref().map_or(&[], |d| &d.notes),
                site.preferences.as_ref().map(|all| all.in_force().complaint.clone()),
                now,
                &site.settings().zone,
            ),
            format: delivers.as_ref().map(|d| d.fourcc.to_string()),
            width: status.size.map(|(width, _)| width),
            height: status.size.map(|(_, height)| height),
            fps: tenths(status.fps),
            viewers: viewer_list.len(),
            viewer_list: Some(viewer_list),
            connections: site.links.count(),
            held: status.is_held,
            healthy: site.is_healthy(&status),
            alerts: Vec::new(),
            failed_reads: status.failed_reads,
            frames: status.frames,
            lost: status.lost,
            broken: status.broken,
            pictures: status.pictures,
            bytes: status.bytes,
            opens: status.opens,
            open: site.is_open(),
            https: HttpsReport::of(site.https.as_ref()),
            uptime_s: site.started.elapsed().as_millis() as f64 / 1000.0,
            time_sure: site.is_time_sure(),
            ledger: site.counts().ok().map(|counts| counts.ledger()),
            counting: counting.map(|counting| CountingReport {
                pinned: site.pinned("detect.backend"),
                ..CountingReport::of(&counting.status(), counting.counts().ok())
            }),
            recording: site.recorder().ok().map(|recorder| RecordingReport::from(&recorder.status())),
            storage: StorageSummary::of(site),
            light: LightSummary::of(site),
            notifications: site.notifier.as_ref().and_then(Notifier::summary),
            mqtt: site.notifier.as_ref().and_then(|notifier| notifier.mqtt().report()),
        }
    }

    pub fn json(&self) -> String {
        // Strings, numbers and lists of them: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The live page's data, from the same report.
    pub fn page(&self) -> LivePage {
        LivePage {
            name: self.name.clone(),
            version: describe_version(),
            state: self.state.to_owned(),
            headline: self.headline.to_owned(),
            reason: self.reason.clone().unwrap_or_default(),
            hint: self.hint.clone().unwrap_or_default(),
            camera: self.camera.as_ref().or(self.source.as_ref()).unwrap_or(&self.name).clone(),
            notes: self.notes.clone(),
            is_simulated: self.simulated,
            size: self.width.zip(self.height),
            fps: self.fps,
            viewers: self.viewers,
            is_held: self.held,
            has_neighbours: self.has_neighbours,
            counting: None,
            recording: None,
            controls: LiveControls::default(),
            is_counts_only: false,
            alerts: self.alerts.clone(),
            reader: self.reader,
            set_up: None,
            returned: None,
        }
    }
}

/// Start of the note about the clock.
const CLOCK: &str = "The clock";

/// Faults that end nothing: the camera's notes, the first line about files that are `invalid`, and an unset clock.
fn notes(of_camera: &[String], invalid: Option<String>, now: ClockTime, zone: &TimeZone) -> Vec<String> {
    let clock = clock_is_wrong(now, zone).map(|wrong| format!("{CLOCK} {wrong}; {SET_CLOCK}."));
    let invalid = invalid.and_then(|all| {
        all.lines().next().map(|first| format!("{} (page Settings)", first.trim_end_matches('.')))
    });
    of_camera.iter().cloned().chain(invalid).chain(clock).collect()
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_not_set_is_a_note_until_it_is_set() {
        let of_camera = [String::from("It gives 15 pictures a second at most.")];
        let notes = |wall_us, wall_trusted| {
            let now = ClockTime { monotonic_us: 1, wall_us, wall_trusted };
            notes(&of_camera, Some(String::new()), now, &TimeZone::UTC)
        };
        let unset = notes(86_402_000_000, false);
        assert_eq!(unset[0], of_camera[0]);
        assert!(
            unset[1].starts_with("The clock is not set: it says 1970-01-02; connect the machine"),
            "{unset:?}"
        );
        assert_eq!(notes(1_795_000_000_000_000, true), of_camera);
    }
}
