//! The order of a stop and the time limit of each step. A step that exceeds its limit is left behind: the process
//! ends all the same, and the next start repairs unclosed files.

use std::time::{Duration, Instant};

use ::log::{info, warn};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::parts::{counting, recording};
use super::threads::Threads;
use crate::outbound::Outbound;
use crate::pipeline::Pipeline;
use tallycam_base::{Stop, Worker};

/// Time limit after which open streams are cut off.
const STREAMS_END_WITHIN: Duration = Duration::from_millis(900);

/// Time limit for the messages to other machines, which end at the same time.
const MESSAGES_END_WITHIN: Duration = Duration::from_millis(200);

/// Time limit for the capture thread.
const CAPTURE_ENDS_WITHIN: Duration = Duration::from_secs(2);

/// Time limit for the counting threads, which may be in the middle of a detection.
const COUNTING_ENDS_WITHIN: Duration = Duration::from_millis(500);

/// Time limit for the recording, which starts to close before the camera is released. The next start closes it
/// otherwise.
const RECORDING_ENDS_WITHIN: Duration = Duration::from_millis(1500);

/// Time limit for counts.db and media.db. Everything that they have confirmed is already on the disk.
const STORE_ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Time limit for switching the light off.
const LIGHT_ENDS_WITHIN: Duration = Duration::from_millis(500);

/// Time limit for all steps together: the service's unit allows 5 s.
const STOP_TAKES: Duration = Duration::from_millis(4800);

/// Ends everything in order, each step within its limit and all within the budget.
pub(super) async fn shut_down(
    stop: Stop,
    server: JoinHandle<std::io::Result<()>>,
    outbound: Outbound,
    pipeline: Pipeline,
    threads: Threads,
) {
    let Threads { capture, counting, recorder, lights: (lights, light), views } = threads;
    let began = Instant::now();
    let within = |limit| recording::remaining(STOP_TAKES, began.elapsed(), limit);
    let ms = || began.elapsed().as_millis();
    // The messages end first: their tasks say farewell while the streams end, and may still call the server.
    outbound.request_stop();
    stop.set();
    if !server.is_finished() {
        match timeout(STREAMS_END_WITHIN, server).await {
            Ok(_) => info!("stop: listeners closed and streams ended, {} ms", ms()),
            Err(_) => warn!("stop: some connections did not end and are cut off, {} ms", ms()),
        }
    }
    if let Err(late) = outbound.join_within(within(MESSAGES_END_WITHIN)).await {
        warn!("stop: {late} did not end and is cut off, {} ms", ms());
    }
    pipeline.stop();
    // They stop at the same time: a running detection and the last chunk get the time until the camera is released, and
    // longer.
    counting.counting.stop();
    recorder.recorder.stop();
    views.views.stop();
    report("camera released", join_within(capture, within(CAPTURE_ENDS_WITHIN)).await, ms());
    let counting::RunningCounting { workers, counts_db, .. } = counting;
    for worker in workers {
        let done = format!("{} ended", worker.name());
        report(&done, join_within(worker, within(COUNTING_ENDS_WITHIN)).await, ms());
    }
    report("views ended", join_within(views.worker, within(COUNTING_ENDS_WITHIN)).await, ms());
    let recording::RunningRecorder { worker, store, .. } = recorder;
    report("recording closed", join_within(worker, within(RECORDING_ENDS_WITHIN)).await, ms());
    // No picture is taken any more, and the light goes off while the disk works.
    lights.stop();
    // Both at once, because they may wait for the same disk.
    if let Some((counts, _)) = &counts_db {
        counts.stop();
    }
    if let Some((media, _)) = &store {
        media.stop();
    }
    let stores_end = within(STORE_ENDS_WITHIN);
    let stopped = Instant::now();
    if let Some((_, writer)) = counts_db {
        report("counts.db written and closed", join_within(writer, stores_end).await, ms());
    }
    if let Some((_, writer)) = store {
        let left = recording::remaining(stores_end, stopped.elapsed(), stores_end);
        report("store of pictures written and closed", join_within(writer, left).await, ms());
    }
    report("light off", join_within(light, within(LIGHT_ENDS_WITHIN)).await, ms());
    info!("stop: done, {} ms", ms());
}

async fn join_within(worker: Worker, within: Duration) -> Result<(), String> {
    match spawn_blocking(move || worker.join_within(within)).await {
        Ok(joined) => joined.map_err(|left_behind| left_behind.to_string()),
        Err(panicked) => Err(panicked.to_string()),
    }
}

fn report(done: &str, joined: Result<(), String>, ms: u128) {
    match joined {
        Ok(()) => info!("stop: {done}, {ms} ms"),
        Err(why) => warn!("stop: {why}, {ms} ms"),
    }
}
