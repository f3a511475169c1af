//! Messages that tallycam sends to other machines by itself.
//!
//! ```text
//! counts.db, camera, disk ─► the service's own API ─► [api] ─► tasks ─► other machines
//! ```
//!
//! Each task runs on the main thread's runtime, and reads and acts through the service's [own API](api). No other
//! machine can slow down counting or streams. The daemon starts the tasks, gives them each changed
//! configuration, and waits for their end when it stops.

pub mod api;
pub mod connect;
mod follow;
mod kept;
mod letter;
mod mail;
pub mod mqtt;
pub mod neighbours;
mod networks;
pub mod notify;
mod page;
mod parts;
mod web;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use api::ApiCaller;
use notify::Notifier;
pub use parts::TaskParts;
use tallycam_base::Stop;
use tallycam_config::Resolved;
use tallycam_store::Counts;

/// The running tasks.
#[derive(Debug)]
pub struct Outbound {
    stop: Stop,
    tasks: Vec<(&'static str, JoinHandle<()>)>,
}

impl Outbound {
    /// Starts all tasks, which keep their files in `directory`. Needs a `LocalSet`.
    pub fn start(
        api: ApiCaller,
        counts: Option<Counts>,
        config: watch::Receiver<Arc<Resolved>>,
        notifier: Notifier,
        directory: PathBuf,
    ) -> Outbound {
        let stop = Stop::new();
        let parts = TaskParts { api, counts, config, stop: stop.clone() };
        let mut outbound = Outbound { stop, tasks: Vec::new() };
        outbound.spawn("MQTT", mqtt::follow(parts.clone(), notifier.mqtt().clone(), directory.clone()));
        outbound.spawn("notifications", notify::run(parts, notifier, directory));
        outbound
    }

    /// Runs `task` until it ends, which it does once the flag of its [`TaskParts`] is set. A panic is logged: counting
    /// and streams go on without the task.
    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + 'static) {
        let watched = async move {
            if let Err(panicked) = spawn_local(task).await {
                log::error!("{name} ended by a mistake in tallycam, until the next start: {panicked}");
            }
        };
        self.tasks.push((name, spawn_local(watched)));
    }

    /// Tells every task to end.
    pub fn request_stop(&self) {
        self.stop.set();
    }

    /// Waits for the tasks, at most `within` for all of them.
    ///
    /// # Errors
    /// The name of the first task that did not end in time.
    pub async fn join_within(self, within: Duration) -> Result<(), &'static str> {
        let mut late = None;
        let all = async {
            for (name, task) in self.tasks {
                late = Some(name);
                let _ = task.await;
            }
            late = None;
        };
        let _ = timeout(within, all).await;
        late.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::task::LocalSet;

    use super::*;

    fn started() -> Outbound {
        Outbound { stop: Stop::new(), tasks: Vec::new() }
    }

    #[tokio::test]
    async fn a_late_task_is_named_and_left_behind() {
        let tasks = LocalSet::new();
        let ended = tasks.run_until(async {
            let mut outbound = started();
            let stop = outbound.stop.clone();
            outbound.spawn("prompt", async move { stop.stopped().await });
            outbound.spawn("late", std::future::pending());
            outbound.request_stop();
            outbound.join_within(Duration::from_millis(50)).await
        });
        assert_eq!(ended.await, Err("late"));
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_own_task() {
        let tasks = LocalSet::new();
        let ended = tasks.run_until(async {
            let mut outbound = started();
            outbound.spawn("broken", async { panic!("the test wants it so") });
            outbound.join_within(Duration::from_millis(50)).await
        });
        assert_eq!(ended.await, Ok(()));
    }
}
