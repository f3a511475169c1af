//! `/metrics`: metrics in Prometheus' text format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>). Names follow its rules: base units, counters end
//! in `_total`, the process's own metrics have their usual names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::fs;

use crate::http::report::light::LightSummary;
use crate::http::server::link::ConnectionUse;
use crate::http::site::Site;
use crate::pipeline::counting::{CountingStatus, Overlay, StaySums};
use crate::pipeline::{CameraState, RecorderHandle};
use tallycam_store::media::{MediaKind, Storage};
use tallycam_store::{Counts, StayRow};

/// The media type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics, as text.
pub fn text(site: &Site) -> String {
    let status = site.pipeline.status();
    let mut page =
        MetricsPage { text: String::with_capacity(8192), camera: escape(&site.settings().name).into_owned() };
    page.family("tallycam_build_info", "gauge", "The program's version.");
    page.sample("tallycam_build_info", &[("version", crate::http::VERSION)], 1);
    let word = status.state.as_str();
    page.family("tallycam_camera_state", "gauge", "1 for the state the camera is in, 0 for the others.");
    for state in CameraState::all_names() {
        page.sample("tallycam_camera_state", &[("state", state)], u8::from(state == word));
    }
    page.one("tallycam_healthy", "gauge", "1 while /health says True.", u8::from(site.is_healthy(&status)));
    page.one(
        "tallycam_camera_healthy",
        "gauge",
        "0 after too many failed reads in a row.",
        u8::from(status.is_healthy),
    );
    page.one(
        "tallycam_camera_held",
        "gauge",
        "1 while /start_stream holds it open.",
        u8::from(status.is_held),
    );
    page.one("tallycam_camera_failed_reads", "gauge", "Failed reads in a row.", status.failed_reads);
    page.one("tallycam_camera_opens_total", "counter", "Times the camera was opened.", status.opens);
    page.one("tallycam_frames_total", "counter", "Frames taken from the source.", status.frames);
    page.one(
        "tallycam_frames_lost_total",
        "counter",
        "Frames lost before tallycam received them.",
        status.lost,
    );
    page.one("tallycam_frames_broken_total", "counter", "Broken frames.", status.broken);
    page.one("tallycam_pictures_total", "counter", "Frames encoded.", status.pictures);
    page.one("tallycam_picture_bytes_total", "counter", "Bytes of encoded frames.", status.bytes);
    page.one("tallycam_pictures_per_second", "gauge", "Recent frame rate of encoded frames.", status.fps);
    page.one("tallycam_viewers", "gauge", "Open streams.", site.places.taken());
    page.one("tallycam_viewer_skips_total", "counter", "Frames that viewers skipped.", site.skipped());
    page.one(
        "tallycam_listeners",
        "gauge",
        "Clients of /api/v1/events.",
        site.links.users(ConnectionUse::Events),
    );
    page.one("tallycam_http_connections", "gauge", "Open connections.", site.links.count());
    page.one("tallycam_http_accepted_total", "counter", "Connections accepted.", site.accepted.get());
    page.one(
        "tallycam_http_refused_total",
        "counter",
        "Connections refused because too many were open.",
        site.refused.get(),
    );
    page.family("tallycam_http_requests_total", "counter", "Requests answered, by class of status.");
    for (class, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(site.answered.get()) {
        page.sample("tallycam_http_requests_total", &[("class", class)], count);
    }
    page.family(
        "tallycam_pictures_changed_total",
        "counter",
        "Frames that were changed, for all or for single viewers.",
    );
    page.sample("tallycam_pictures_changed_total", &[("for", "all")], status.changed);
    if let Some(views) = &site.views {
        page.sample("tallycam_pictures_changed_total", &[("for", "views")], views.made_count());
        page.one("tallycam_views", "gauge", "Distinct views in use.", views.count());
    }
    if let Some(counting) = &site.counting {
        let status = counting.status();
        detections(&mut page, &status);
        if let Ok(counts) = counting.counts() {
            let wanted = site.preferences().map(|all| all.in_force().resolved.config.detect.classes.clone());
            let classes = wanted.ok().filter(|classes| !classes.is_empty()).unwrap_or(status.labels);
            counted(&mut page, counts, &counting.overlay().borrow(), &classes);
            stays(&mut page, counts, &counting.stays());
        }
    }
    if let Ok(recorder) = site.recorder() {
        kept(&mut page, recorder, site.storage_usage.known().as_deref());
    }
    if let Some(light) = LightSummary::of(site) {
        page.one(
            "tallycam_light_on",
            "gauge",
            "1 while the light is on.",
            u8::from(light.shows.as_str() != "off"),
        );
        page.one(
            "tallycam_light_healthy",
            "gauge",
            "0 while it does not work.",
            u8::from(light.reason.is_none()),
        );
    }
    process(&mut page);
    page.text
}

/// Stored media. A store that cannot be read has only the metric that says so.
fn kept(page: &mut MetricsPage, recorder: &RecorderHandle, storage: Option<&Storage>) {
    let recording = recorder.status();
    page.one("tallycam_recording", "gauge", "1 while recording.", u8::from(recording.now.is_some()));
    page.one(
        "tallycam_recording_dropped_pictures_total",
        "counter",
        "Frames not recorded because the disk was too slow.",
        recording.dropped,
    );
    let status = recorder.media().ok().map(|media| media.status().borrow().as_ref().clone());
    let is_well = status.as_ref().is_some_and(|status| status.trouble.is_none());
    page.one("tallycam_media_healthy", "gauge", "1 while media.db accepts recordings.", u8::from(is_well));
    if let Some(status) = status {
        page.one(
            "tallycam_media_dropped_chunks_total",
            "counter",
            "Chunks of recordings that the disk did not accept in time.",
            status.chunks_dropped,
        );
        let is_full = status.is_full || storage.is_some_and(|storage| storage.lacks_ballast);
        page.one("tallycam_media_full", "gauge", "1 while the disk is full.", u8::from(is_full));
    }
    let Some(storage) = storage else { return };
    let kinds = [(MediaKind::Snapshot, storage.snapshots), (MediaKind::Recording, storage.recordings)];
    page.family("tallycam_media_items", "gauge", "Stored items.");
    for (kind, (items, _)) in kinds {
        page.sample("tallycam_media_items", &[("kind", kind.as_str())], items);
    }
    page.family("tallycam_media_bytes", "gauge", "Bytes of their frames.");
    for (kind, (_, bytes)) in kinds {
        page.sample("tallycam_media_bytes", &[("kind", kind.as_str())], bytes);
    }
    page.one("tallycam_media_file_bytes", "gauge", "Bytes of media.db.", storage.file_bytes);
    page.one("tallycam_storage_free_bytes", "gauge", "Free bytes of the file system.", storage.free_bytes);
    page.one("tallycam_storage_total_bytes", "gauge", "Bytes of the file system.", storage.total_bytes);
}

/// The state of counting.
fn detections(page: &mut MetricsPage, status: &CountingStatus) {
    page.one("tallycam_counting", "gauge", "1 while counting.", u8::from(status.state == "counting"));
    page.one("tallycam_detections_total", "counter", "Detections.", status.detections);
    page.one(
        "tallycam_detections_skipped_total",
        "counter",
        "Detections skipped by the model because nothing moved.",
        status.detections_skipped,
    );
    page.one("tallycam_detections_failed_total", "counter", "Failed detections.", status.failed);
    page.one(
        "tallycam_detections_per_second",
        "gauge",
        "Recent detections per second.",
        status.detections_per_second,
    );
    page.one("tallycam_detection_seconds", "gauge", "Recent median time of a detection.", status.detection_s);
    page.one(
        "tallycam_inference_seconds",
        "gauge",
        "Recent median time of its inference (without a model: of the detector's part).",
        status.inference_s,
    );
    page.one("tallycam_tracks", "gauge", "Tracked objects.", status.tracks);
}

/// The counts; `classes` are those that are counted. Every series starts at 0, because Prometheus sees no increase in
/// a series that first appears above 0. Lines with the same name (one of them deleted) share a series, which only the
/// name identifies.
fn counted(page: &mut MetricsPage, counts: &Counts, overlay: &Overlay, classes: &[String]) {
    let (lines, totals) = (counts.lines(), counts.totals());
    let lines = lines.borrow();
    let mut crossings: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.is_in_scene(counts.scene())) {
        let classes = if line.draft.classes.is_empty() { classes } else { &line.draft.classes };
        for (class, direction) in classes.iter().flat_map(|class| [(class, "in"), (class, "out")]) {
            crossings.entry((&line.draft.name, direction, class)).or_default();
        }
    }
    for count in &totals {
        *crossings.entry((&count.line, count.direction.as_str(), &count.class)).or_default() += count.count;
    }
    page.family(
        "tallycam_crossings_total",
        "counter",
        "Stored crossings. A recount changes this at the next start, and may lower it; /api/v1/counts has it at once.",
    );
    for ((line, direction, class), count) in &crossings {
        page.sample(
            "tallycam_crossings_total",
            &[("line", line), ("direction", direction), ("class", class)],
            count,
        );
    }
    page.family("tallycam_inside", "gauge", "In minus out since the day began or the reset.");
    for row in &counts.subscribe_tallies().borrow().lines {
        page.sample("tallycam_inside", &[("line", &row.line)], row.inside);
    }
    page.family("tallycam_zone_occupancy", "gauge", "Occupancy of a zone.");
    let scene = counts.scene();
    for zone in counts.zones().borrow().iter().filter(|zone| zone.is_in_scene(scene) && !zone.draft.exclude) {
        let inside = overlay.zones.iter().find(|(id, _)| *id == zone.id).map_or(0, |(_, inside)| *inside);
        page.sample("tallycam_zone_occupancy", &[("zone", &zone.draft.name)], inside);
    }
    page.one(
        "tallycam_crossings_lost_total",
        "counter",
        "Crossings that counts.db could not accept in time.",
        counts.lost_count(),
    );
    page.one(
        "tallycam_counts_db_healthy",
        "gauge",
        "1 while counts.db accepts crossings.",
        u8::from(counts.error().is_none()),
    );
}

/// Histograms of the stays in zones.
fn stays(page: &mut MetricsPage, counts: &Counts, sums: &StaySums) {
    const NAME: &str = "tallycam_zone_stay_seconds";
    page.family(NAME, "histogram", "Ended stays in a zone since the start; whole ones.");
    let scene = counts.scene();
    for zone in counts.zones().borrow().iter().filter(|zone| zone.is_in_scene(scene) && !zone.draft.exclude) {
        let (steps, length_us) = sums.0.get(&zone.id).copied().unwrap_or_default();
        let label = ("zone", zone.draft.name.as_str());
        let ends = StayRow::STEPS_S.iter().map(u64::to_string).chain([String::from("+Inf")]);
        let mut count = 0;
        for (step, end) in steps.iter().zip(ends) {
            count += step;
            page.sample(&format!("{NAME}_bucket"), &[label, ("le", &end)], count);
        }
        page.sample(&format!("{NAME}_sum"), &[label], length_us as f64 / 1e6);
        page.sample(&format!("{NAME}_count"), &[label], count);
    }
}

/// The process's own metrics, named as in Prometheus' client libraries. Values that the kernel does not give are left
/// out.
fn process(page: &mut MetricsPage) {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    page.plain("process_cpu_seconds_total", "counter", "CPU time of the process.", seconds);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.split_whitespace().next()?.parse::<u64>().ok()
    };
    if let Some(kb) = field("VmRSS") {
        page.plain("process_resident_memory_bytes", "gauge", "Memory in use.", kb * 1024);
    }
    if let Some(kb) = field("VmSize") {
        page.plain("process_virtual_memory_bytes", "gauge", "Address space.", kb * 1024);
    }
    if let Some(threads) = field("Threads") {
        page.plain("process_threads", "gauge", "Threads.", threads);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them reads the directory.
        page.plain("process_open_fds", "gauge", "Open file descriptors.", open.count().saturating_sub(1));
    }
    if let Some(limit) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        page.plain("process_max_fds", "gauge", "Maximum number of file descriptors.", limit);
    }
}

struct MetricsPage {
    text: String,
    camera: String,
}

// Writing to a string cannot fail.
impl MetricsPage {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{name}{{camera=\"{}\"", self.camera);
        for (label, text) in labels {
            let _ = write!(self.text, ",{label}=\"{}\"", escape(text));
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn plain(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        let _ = writeln!(self.text, "{name} {value}");
    }
}

/// A label's value: backslash, quote and line feed are escaped.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '"', '\n']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escape("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    }
}
