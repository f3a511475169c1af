//! The tasks that send messages to other machines, on a thread of their own.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tallycam::base::{Stop, block_on};
use tallycam::config::{Config, Resolved};
use tallycam::outbound::notify::Notifier;
use tallycam::outbound::{Outbound, api};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::counted::Counted;

/// Running tasks; stopped when dropped.
pub struct OutboundTasks {
    pub notifier: Notifier,
    config: watch::Sender<Arc<Resolved>>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

fn resolved(config: &str) -> Arc<Resolved> {
    Arc::new(Config::from_text(Path::new("config.toml"), config, &[], []).unwrap())
}

impl OutboundTasks {
    /// Starts them with `config` as the operator's file, and their files in `folder`.
    pub fn start(caller: api::ApiCaller, served: &Counted, folder: &TempDir, config: &str) -> OutboundTasks {
        let (notifier, stop, counts) = (Notifier::default(), Stop::new(), served.counts.clone());
        let config = watch::Sender::new(resolved(config));
        let thread = std::thread::spawn({
            let (notifier, stop, directory) = (notifier.clone(), stop.clone(), folder.path().to_owned());
            let config = config.subscribe();
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let tasks = LocalSet::new();
                let life = tasks.run_until(async {
                    let outbound = Outbound::start(caller, Some(counts), config, notifier, directory);
                    stop.stopped().await;
                    outbound.request_stop();
                    outbound.join_within(Duration::from_secs(5)).await.unwrap();
                });
                block_on(&runtime, life);
            }
        });
        OutboundTasks { notifier, config, stop, thread: Some(thread) }
    }

    /// Gives them another file of the operator.
    pub fn change(&self, config: &str) {
        self.config.send_replace(resolved(config));
    }

    pub fn end(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for OutboundTasks {
    fn drop(&mut self) {
        self.end();
    }
}
