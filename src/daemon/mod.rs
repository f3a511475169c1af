//! The daemon's life: the order of its start, its main loop, and its end.
//!
//! ```text
//! start   configuration, settings of the page ► log ► sockets (systemd's or own) ► counts.db, media.db ►
//!         capture, detect, annotate, record, lights, views ► password ► HTTP server ► READY=1
//! wait    a service with a wrong configuration shows the error and reads the file again until it is valid
//! run     SIGHUP: read the configuration again · watchdog: fed on progress · STATUS= kept up to date
//! stop    STOPPING=1 ► listeners close, streams end ► camera released ► counting ended ► recording
//!         closed ► counts.db and media.db closed ► light off ► done
//! ```
//!
//! Runs on the main thread, which has the one tokio runtime. READY does not wait for a camera: the page that shows
//! its fault must come first. A stop takes less than 3 s whatever viewers and drivers do, and less than 5 s if a
//! detection or a disk hangs, too. A second signal ends it at once.

pub mod access;
pub mod addresses;
mod config_error_mode;
pub mod diagnosis;
mod error;
mod https;
pub mod log;
pub mod parts;
pub mod power;
pub mod settings;
mod shutdown;
pub mod sockets;
pub mod systemd;
mod threads;
mod waits;

use std::future::{Future as _, poll_fn};
use std::io::IsTerminal;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use ::log::{error, info, warn};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, LocalSet, spawn_blocking, spawn_local};

use crate::access::Access;
use crate::http::{self, Preferences as _};
use crate::maintenance::Maintenance;
use crate::maintenance::start::{Finished, finish, has_pending_work};
use crate::maintenance::update::describe_version;
use crate::outbound::notify::Notifier;
use crate::outbound::{self, Outbound};
use crate::pipeline::{Lights, Pipeline};
pub use error::DaemonError;
pub use parts::server::{http_settings, pipeline_settings};
pub use parts::{counting, lights, model_sandbox, models, picture, recording, source, still};
pub use settings::apply::saved_controls;
use settings::apply::{Parts, server_settings};
pub use settings::file as settings_file;
use settings::{Settings, Started};
use tallycam_base::{ClockTime, Fault, FaultKind, Recent, Stop, Worker, wait_job};
use tallycam_config::{Config, Listen, OperatorConfig};
use threads::Threads;
use waits::{SignalName, Signals, new_interval, next_tick};

/// True if systemd supervises this process and restarts it after an error.
pub fn is_supervised() -> bool {
    systemd::is_listening()
}

/// Serves until SIGTERM or SIGINT, then stops cleanly.
///
/// Settings of the page come from the state directory and rank below those of `operator`. Each SIGHUP calls `reload`
/// for the operator's present configuration. With `fallback_to_sim`, `auto` shows the simulation if no camera is
/// found.
///
/// A service with a wrong configuration shows the error and waits for a valid one.
///
/// # Errors
/// [`DaemonError`]. The process should exit after one: threads may be left behind.
pub fn serve(
    operator: OperatorConfig,
    reload: impl Fn() -> OperatorConfig + Send + Sync + 'static,
    fallback_to_sim: bool,
) -> Result<(), DaemonError> {
    let ended = run_daemon(operator, reload, fallback_to_sim);
    if let Err(error) = &ended {
        systemd::notify_failing(error, error.hint().as_deref());
    }
    ended
}

fn run_daemon(
    operator: OperatorConfig,
    reload: impl Fn() -> OperatorConfig + Send + Sync + 'static,
    fallback_to_sim: bool,
) -> Result<(), DaemonError> {
    let began = Instant::now();
    // Before the first thread starts: systemd passes the sockets through the environment.
    let handed = sockets::systemd_listeners()?;
    // Before any file of the state is read.
    let state = operator.resolve(None).ok().map(|alone| counting::state_directory(&alone.config));
    let finished = state.as_deref().map(finish);
    let settings = match Started::read(operator) {
        Ok(settings) => settings,
        Err(wrong) if systemd::is_listening() => {
            match config_error_mode::wait_for_valid_config(wrong, &reload, &handed)? {
                Some(settings) => settings,
                None => return Ok(()),
            }
        }
        Err(wrong) => return Err(wrong.into()),
    };
    let pinned = models::pinned_origin(&settings.resolved);
    let pinned_rules = recording::pinned_keys(&settings.resolved);
    let config = settings.resolved.config.clone();
    let recent = Recent::default();
    log::start(config.log.level, &config.name, recent.clone());
    set_mmap_threshold();
    let is_other = matches!(finished, Some(Ok(Finished::Reset | Finished::Restored { .. })));
    log_finished_maintenance(finished, &config);
    // On a card, a step before each start applies the password and settings of tallycam.toml. It must run again on
    // the new state before anybody can use it.
    if is_other && is_supervised() {
        return Err(DaemonError::Reopen("the state is another one"));
    }
    // The work was requested in a state directory that a wrong configuration hid until now.
    if has_pending_work(&counting::state_directory(&config)) && state.is_none() {
        return Err(DaemonError::Reopen("another state is wanted"));
    }
    info!("tallycam {} starts, camera \"{}\"", describe_version(), config.name);

    // The sockets are bound first and served last: a second daemon ends here and leaves counts.db alone. If the
    // page's addresses fail, the operator's are tried, so that settings of the page cannot lock the page away.
    let alone = settings.operator.resolve(None)?.config;
    let (mut listeners, absent) = if handed.is_empty() {
        sockets::bind_or_rescue(&config.http.listen, &alone.http.listen)?
    } else {
        info!("serving on {} socket(s) from systemd; [http] listen is not used", handed.len());
        (handed, Vec::new())
    };
    let opener = source::make_opener(&config.source, fallback_to_sim).or_else(|trouble| {
        if alone.source == config.source {
            return Err(trouble);
        }
        error!("[source], as it was set on the page, cannot be used: {}", trouble.line());
        source::make_opener(&alone.source, fallback_to_sim)
    })?;
    let is_secure = listeners.iter().any(http::Listener::is_https)
        || absent.iter().any(|address| matches!(address, Listen::Https(_)));
    let certificate = is_secure
        .then(|| https::CertificateWatcher::start(&config, &counting::state_directory(&config)))
        .transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| DaemonError::refused("a runtime", &error))?;
    let counts_db = counting::open_counts(&config);
    let store = recording::open_store(&config, &pinned_rules);
    let (pipeline, capture) = match Pipeline::start(opener, pipeline_settings(&config)) {
        Ok(started) => started,
        Err(error) => {
            counting::close(counts_db);
            recording::close(store);
            return Err(error.into());
        }
    };
    pipeline.set_saved_controls(saved_controls(&config));
    let model_store = models::ModelStore::new(&counting::state_directory(&config), pinned)
        .with_prover(model_sandbox::Prover::from_current_exe());
    let counting = match counting::start(&config, &pipeline, counts_db, model_store, fallback_to_sim) {
        Ok(counting) => counting,
        Err(error) => {
            // The worker is joined when it is dropped, so it must be told to end.
            pipeline.stop();
            recording::close(store);
            return Err(error.into());
        }
    };
    let counts = counting.counting.counts().ok().cloned();
    let recorder = match recording::start(&config, &pipeline, store, counts) {
        Ok(recorder) => recorder,
        Err(error) => {
            pipeline.stop();
            counting.request_stop();
            return Err(error.into());
        }
    };
    let kept = Some(recorder.recorder.clone());
    let lights = match Lights::start(&pipeline, kept, lights::settings(&config)) {
        Ok(lights) => lights,
        Err(error) => {
            pipeline.stop();
            counting.request_stop();
            recorder.request_stop();
            return Err(error.into());
        }
    };

    let views = match picture::start(&config, &pipeline) {
        Ok(views) => views,
        Err(error) => {
            pipeline.stop();
            counting.request_stop();
            recorder.request_stop();
            lights.0.stop();
            return Err(error.into());
        }
    };

    let control = http::listen::control_path(&counting::state_directory(&config));
    let server_parts = ServerParts {
        access: access::open(&counting::state_directory(&config), config.access.is_claimed_by_network),
        certificate,
        absent,
        recent,
    };
    let tasks = LocalSet::new();
    // A separate task: `block_on` polls its own future at every wake-up of any task, which is every picture.
    let life = tasks.spawn_local(async move {
        let urls = sockets::urls(&listeners);
        let control = http::listen::bind_private(&control).inspect_err(|error| {
            info!("the command line is answered over TCP only: {}: {error}", control.display())
        });
        listeners.extend(control.map(http::Listener::Unix));
        let threads = Threads { capture, counting, recorder, lights, views };
        let mut running = start(settings, pipeline, threads, server_parts, listeners, fallback_to_sim)?;
        info!("ready after {} ms", began.elapsed().as_millis());
        systemd::notify_ready();
        sockets::announce(&urls);
        let reason = running.run(Arc::new(reload)).await;
        running.stop(reason).await
    });
    let ended = tasks.block_on(&runtime, life).unwrap_or_else(|error| Err(server_ended(&error)));
    drop(tasks);
    // A driver's call that does not return would block a normal shutdown.
    runtime.shutdown_background();
    ended
}

fn server_ended(error: &impl std::fmt::Display) -> DaemonError {
    Fault::new(FaultKind::Passing, format!("the HTTP server ended: {error}")).into()
}

/// Logs the maintenance of the state that ran before the log was set up.
fn log_finished_maintenance(finished: Option<Result<Finished, Fault>>, config: &Config) {
    match finished {
        None | Some(Ok(Finished::Nothing)) => {}
        Some(Ok(Finished::Reset)) => warn!("factory reset: the state is as new"),
        Some(Ok(Finished::Restored { name, made, by })) => {
            warn!(
                "the backup of {name:?} of {made} is restored; the operator's file of then is config.toml.restored"
            );
            if let Some(by) = by {
                counting::record_audit_entry(config, *by);
            }
        }
        Some(Err(fault)) => {
            error!("a restore or reset could not be carried out, and is tried again: {fault}")
        }
    }
}

/// Makes glibc return freed blocks of 4 MiB and more to the kernel.
///
/// By default its threshold grows once such a block is freed, and each thread's arena keeps the next ones
/// (mallopt(3), `M_MMAP_THRESHOLD`). This would cost 19 MiB for each thread that ever checked a password, and likewise
/// for pictures that are scaled down.
fn set_mmap_threshold() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two numbers and touches nothing of ours.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 4 << 20);
    }
}

/// The daemon between READY and STOPPING.
struct RunningDaemon {
    settings: Settings,
    pipeline: Pipeline,
    threads: Threads,
    stop: Stop,
    server: JoinHandle<std::io::Result<()>>,
    signals: Signals,
    has_terminal: bool,
    /// Asks for the certificate's files to be read again.
    renewal: Rc<Notify>,
    maintenance: Arc<Maintenance>,
    outbound: Outbound,
}

/// The reason why [`RunningDaemon::run`] ended.
enum Reason {
    /// The name of a signal.
    Signal(&'static str),
    /// The server ended by mistake.
    Server(String),
    /// A thread ended by mistake.
    Thread(String),
    /// A restart is needed for this.
    Anew(&'static str),
}

/// Parts that only the server needs.
struct ServerParts {
    access: Access,
    certificate: Option<https::CertificateWatcher>,
    /// Addresses that are not there yet.
    absent: Vec<Listen>,
    recent: Recent,
}

fn start(
    started: Started,
    pipeline: Pipeline,
    threads: Threads,
    server_parts: ServerParts,
    listeners: Vec<http::Listener>,
    fallback_to_sim: bool,
) -> Result<RunningDaemon, DaemonError> {
    let signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            // Workers are joined when they are dropped, so they must be told to end.
            pipeline.stop();
            threads.request_stop();
            return Err(DaemonError::refused("signals", &error));
        }
    };
    let Threads { counting, recorder, lights, views, .. } = &threads;
    let stop = Stop::new();
    let state = counting::state_directory(&started.resolved.config);
    let file = started.operator.file().map(std::path::Path::to_owned);
    let maintenance = Arc::new(Maintenance::new(state.clone(), file));
    let notifier = Notifier::default();
    let (live, live_settings) = watch::channel(Arc::new(server_settings(&started.resolved)));
    let counts = counting.counts_db.as_ref().map(|(counts, _)| counts.clone());
    let (config, live_config) = watch::channel(Arc::new(started.resolved.clone()));
    let (caller, calls) = outbound::api::channel();
    let server = http::Server::new(
        http_settings(&started.resolved.config),
        pipeline.clone(),
        Some(counting.counting.clone()),
    );
    let settings = Settings::new(
        started,
        Parts {
            pipeline: pipeline.clone(),
            counting: counting.counting.clone(),
            model_store: counting.model_store.clone(),
            recorder: recorder.recorder.clone(),
            lights: lights.0.clone(),
            counts: counting.counts_db.as_ref().map(|(counts, _)| counts.clone()),
            http: live,
            outbound: config,
            fallback_to_sim,
        },
    );
    let server = server
        .with_live_settings(live_settings)
        .with_models(Arc::new(counting.model_store.clone()))
        .with_preferences(Arc::new(settings.clone()))
        .with_recorder(recorder.recorder.clone())
        .with_lights(lights.0.clone())
        .with_views(views.views.clone())
        .with_machine(Arc::new(diagnosis::MachineDiagnosis::new(sockets::addresses(&listeners))))
        .with_access(server_parts.access)
        .with_recent(server_parts.recent)
        .with_absent(server_parts.absent)
        .with_power(Arc::new(power::MachinePower::default()))
        .with_calls(calls)
        .with_notifier(notifier.clone())
        .with_maintenance(maintenance.clone());
    let renewal = Rc::new(Notify::new());
    let server = match server_parts.certificate {
        Some(keeper) => {
            let served = keeper.subscribe();
            spawn_local(keeper.watch_files(settings.clone(), renewal.clone()));
            server.with_https(served)
        }
        None => server,
    };
    let server = spawn_local(server.run(listeners, stop.clone()));
    let has_terminal = std::io::stdin().is_terminal();
    Ok(RunningDaemon {
        settings,
        pipeline,
        threads,
        stop,
        server,
        signals,
        has_terminal,
        renewal,
        maintenance,
        outbound: Outbound::start(caller, counts, live_config, notifier, state),
    })
}

impl RunningDaemon {
    /// Runs until a signal asks for the end, or the server or a thread ends.
    async fn run<R>(&mut self, reload: Arc<R>) -> Reason
    where
        R: Fn() -> OperatorConfig + Send + Sync + 'static,
    {
        let hearts = self.threads.watched_workers();
        let mut watchdog =
            systemd::Watchdog::new(hearts.map(|w| (w.name().to_owned(), w.heartbeat().clone())));
        let mut feeding = systemd::Watchdog::interval().map(new_interval);
        let mut looking = systemd::is_listening().then(|| new_interval(systemd::SHOWN_EVERY));
        let mut trying = self.threads.recorder.is_waiting.then(|| new_interval(recording::LATER));
        let mut opening: Option<JoinHandle<recording::Late>> = None;
        let mut refused = String::new();
        let is_without = self.threads.counting.counts_db.is_none();
        let mut asking = is_without.then(|| new_interval(counting::LATER));
        let mut asked: Option<JoinHandle<(bool, Duration)>> = None;
        let mut asked_after = counting::LATER;
        let mut status = systemd::StatusLine::default();
        let mut states = self.pipeline.states();
        loop {
            tokio::select! {
                signal = self.signals.next() => match signal {
                    // A daemon started by hand has lost its terminal: nobody could stop it any more.
                    SignalName::Hup if self.has_terminal && !std::io::stdin().is_terminal() => {
                        return Reason::Signal("SIGHUP, for the terminal is gone");
                    }
                    SignalName::Hup => self.reload(Arc::clone(&reload)).await,
                    SignalName::Term => return Reason::Signal("SIGTERM"),
                    SignalName::Int => return Reason::Signal("SIGINT"),
                },
                ended = &mut self.server => return Reason::Server(describe_end(ended)),
                name = first_ended(self.threads.required_workers()) => {
                    return Reason::Thread(name);
                }
                () = next_tick(&mut feeding) => watchdog.pet(),
                () = next_tick(&mut looking) => self.show_status(&mut status),
                () = next_tick(&mut trying), if opening.is_none() => {
                    let resolved = self.settings.in_force().resolved.clone();
                    let pinned = recording::pinned_keys(&resolved);
                    opening =
                        Some(spawn_blocking(move || recording::open_store_in_background(&resolved.config, &pinned)));
                }
                opened = wait_job(&mut opening) => match opened.map(recording::Late::into_store) {
                    Ok(None) => {}
                    Ok(Some(Ok(store))) => {
                        self.threads.recorder.attach_store(store);
                        trying = None;
                    }
                    Ok(Some(Err(error))) => {
                        // The open is retried; each reason is logged once.
                        let why = error.to_string();
                        if why != refused {
                            error!("no pictures are kept: {why}");
                            refused = why;
                        }
                        self.threads.recorder.recorder.set_open_error(error);
                    }
                    Err(panicked) => error!("the store of pictures could not be opened: {panicked}"),
                },
                () = next_tick(&mut asking), if asked.is_none() => {
                    let config = self.settings.in_force().resolved.config.clone();
                    asked = Some(spawn_blocking(move || {
                        let began = Instant::now();
                        (counting::can_open_counts(&config), began.elapsed())
                    }));
                }
                opens = wait_job(&mut asked) => {
                    let (can_be_opened, took) = opens.unwrap_or_default();
                    if can_be_opened {
                        return Reason::Anew("counts.db can be opened now");
                    }
                    asked_after = counting::retry_delay(asked_after, took);
                    if let Some(asking) = &mut asking {
                        asking.reset_after(asked_after);
                    }
                }
                () = self.maintenance.wait_restart_requested() => return Reason::Anew("another state is wanted"),
                Ok(()) = states.changed() => self.show_status(&mut status),
            }
        }
    }

    fn show_status(&self, status: &mut systemd::StatusLine) {
        let now = self.pipeline.status();
        let counting = self.threads.counting.counting.status();
        let recorder = &self.threads.recorder.recorder;
        // Counting and recording hold the camera, too, but are no viewers.
        let others = usize::from(counting.holds_camera) + recorder.demand_count();
        let viewers = now.demands.saturating_sub(others);
        let mut line = systemd::status_text(&now, viewers, &counting, &recorder.status());
        if let Err(why) = recorder.media() {
            let why = why.to_string().replace(['\n', '\r'], " ");
            line = format!("{line}; no pictures are kept: {why}");
        }
        let zone = || counting::store_settings(&self.settings.in_force().resolved.config).zone;
        status.set(systemd::with_clock(line, ClockTime::now(), zone));
    }

    /// Reads the configuration again and applies it; a wrong file changes nothing.
    async fn reload<R>(&mut self, reload: Arc<R>)
    where
        R: Fn() -> OperatorConfig + Send + Sync + 'static,
    {
        info!("SIGHUP: reading the configuration again");
        systemd::notify_reloading();
        // A file may be on a sleeping disk, so the runtime's own thread does not read it.
        let reloaded = match spawn_blocking(move || reload()).await {
            Ok(operator) => self.settings.reload(operator).await,
            Err(panicked) => Err(panicked.to_string()),
        };
        match reloaded {
            Ok(now) if now.needs_restart.is_empty() => info!("the configuration is in force"),
            Ok(now) => {
                warn!("changed, but in force only after a restart: {}", now.needs_restart.join(", "));
            }
            Err(why) => error!("the configuration is kept as it was, {why}"),
        }
        self.renewal.notify_one();
        systemd::notify_ready();
    }

    /// Ends everything in order, or at once after a second signal.
    async fn stop(mut self, reason: Reason) -> Result<(), DaemonError> {
        let ended = match reason {
            Reason::Signal(name) => {
                info!("stop: {name}");
                Ok(())
            }
            Reason::Server(error) => {
                error!("stop: the HTTP server ended: {error}");
                Err(server_ended(&error))
            }
            Reason::Thread(name) => {
                // Serving or counting would be broken: a restart is better than a daemon that only looks alive.
                error!("stop: the thread {name} ended by itself");
                let what = format!("the thread {name} ended by itself");
                Err(Fault::new(FaultKind::Passing, what)
                    .hint("this is a mistake in tallycam: please report the lines above")
                    .into())
            }
            Reason::Anew(what) => {
                info!("stop: {what}; a new start takes it");
                Err(DaemonError::Reopen(what))
            }
        };
        systemd::notify_stopping();
        let mut steps =
            Box::pin(shutdown::shut_down(self.stop, self.server, self.outbound, self.pipeline, self.threads));
        tokio::select! {
            () = &mut steps => ended,
            name = self.signals.next_end() => {
                warn!("stop: a second signal, {name}: the rest is skipped");
                // Dropping the worker would wait for its thread, perhaps the reason for the second signal. The
                // process ends now.
                std::mem::forget(steps);
                Err(Fault::new(FaultKind::Passing, format!("stopped at once by a second {name}")).into())
            }
        }
    }
}

/// Waits for the first of these threads to end and returns its name.
async fn first_ended<'a>(workers: impl Iterator<Item = &'a Worker>) -> String {
    let mut waits: Vec<_> = workers.map(|worker| (worker.name(), Box::pin(worker.wait_ended()))).collect();
    poll_fn(|cx| {
        let first =
            waits.iter_mut().find_map(|(name, wait)| wait.as_mut().poll(cx).is_ready().then_some(*name));
        first.map_or(Poll::Pending, |name| Poll::Ready(name.to_owned()))
    })
    .await
}

fn describe_end(ended: Result<std::io::Result<()>, tokio::task::JoinError>) -> String {
    match ended {
        Ok(Ok(())) => String::from("nobody asked it to"),
        Ok(Err(error)) => error.to_string(),
        Err(panicked) => panicked.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::path::Path;

    use super::*;
    use crate::pipeline;
    use tallycam_camera::media::SourceError;
    use tallycam_camera::source::{Opener, Source};
    use tallycam_store::StoreError;
    use tallycam_store::media::MediaError;

    #[test]
    fn the_parts_defaults_are_those_of_the_configuration() {
        let config = Config::default();
        assert_eq!(pipeline_settings(&config), pipeline::CaptureOptions::default());
        assert_eq!(http_settings(&config), http::ServerSettings::default());
    }

    #[test]
    fn the_pages_and_counts_db_use_the_same_time_zone() {
        let mut config = Config::default();
        config.counts.time_zone = Some(String::from("Asia/Kathmandu"));
        config.counts.day_starts = 4;
        let (http, store) = (http_settings(&config), counting::store_settings(&config));
        assert_eq!(http.zone.iana_name(), Some("Asia/Kathmandu"));
        assert_eq!((http.zone, http.day_starts), (store.zone, 4));
    }

    struct Panics;

    impl Opener for Panics {
        fn describe(&self) -> String {
            String::from("a mistake")
        }

        fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
            panic!("the test wants it so")
        }
    }

    #[tokio::test]
    async fn a_capture_thread_that_panics_ends_the_daemon() {
        let (pipeline, capture) =
            Pipeline::start(Box::new(Panics), pipeline::CaptureOptions::default()).unwrap();
        let demand = pipeline.demand();
        let config = Config::default();
        let folder = tempfile::tempdir().unwrap();
        // Otherwise it can be opened later, which ends the daemon, too.
        std::fs::write(folder.path().join("counts.db"), "no database").unwrap();
        let sets = [format!("store.directory={}", folder.path().display())];
        let started = Started::read(OperatorConfig::read(Some(Path::new("/dev/null")), &sets, [])).unwrap();
        pipeline.set_saved_controls(saved_controls(&config));
        let model_store = models::ModelStore::new(folder.path(), None);
        let counting =
            counting::start(&config, &pipeline, Err(StoreError::Busy), model_store, false).unwrap();
        assert_eq!(counting.threads().count(), 2);
        let recorder = recording::start(&config, &pipeline, Err(MediaError::Busy), None).unwrap();
        let server_parts = ServerParts {
            access: Access::open(folder.path()),
            certificate: None,
            absent: Vec::new(),
            recent: Recent::default(),
        };
        let ended = LocalSet::new()
            .run_until(async {
                let lights = Lights::start(&pipeline, None, lights::settings(&config))?;
                let views = picture::start(&config, &pipeline).unwrap();
                let threads = Threads { capture, counting, recorder, lights, views };
                let mut running = start(started, pipeline, threads, server_parts, Vec::new(), false)?;
                let reason =
                    running.run(Arc::new(|| -> OperatorConfig { unreachable!("no SIGHUP is sent") })).await;
                running.stop(reason).await
            })
            .await;
        drop(demand);
        assert_eq!(ended.unwrap_err().to_string(), "the thread capture ended by itself");
    }
}
