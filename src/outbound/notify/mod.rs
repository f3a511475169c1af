//! Notifications: each rule waits for an event and sends messages about it to one address.
//!
//! ```text
//!             ┌─ crossings after the place that was sent (counts.db is the queue) ─┐
//! API ─► rule ┤                                                                    ├─► message ─► webhook
//!             └─ state, zones, counts every few seconds ─► lasting condition ──────┘        │
//!                                                             notify.json ◄── arrived
//! ```
//!
//! Each rule is a task of its own, so a receiver that hangs delays no other rule. Crossings arrive at least once and in
//! order: the next one is sent when the one before has arrived. A lasting condition makes one
//! message, and its end another (`alert`). Nothing else is queued: a condition that ends early makes no message.

mod alert;
mod context;
mod deliver;
mod kept;
mod message;
mod report;
mod rule;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use tokio::task::{JoinSet, spawn_blocking};

use super::kept::save;
use super::parts::TaskParts;
use context::Context;
use kept::{FILE, KeptRules};
pub use report::{DeliveryReport, Notifier, NotifyReport, NotifySummary, RuleReport};
use rule::RuleTask;
use tallycam_base::Stop;

/// Follows the rules of the configuration until the daemon stops. Files are in `directory`.
pub async fn run(parts: TaskParts, notifier: Notifier, directory: PathBuf) {
    let Ok(kept) = spawn_blocking(move || KeptRules::read(&directory, FILE)).await else { return };
    let kept = Rc::new(RefCell::new(kept));
    let mut config = parts.config.clone();
    while !parts.stop.is_set() {
        let resolved = config.borrow_and_update().clone();
        let (rules, context) = (resolved.config.notify.clone(), Context::of(&resolved));
        let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        kept.borrow_mut().change(|all| all.retain(|name, _| names.contains(&name.as_str())));
        notifier.begin(&rules);
        let (end, mut running) = (Stop::new(), JoinSet::new());
        for rule in &rules {
            let task = RuleTask::new(rule.clone(), &parts, &notifier, &kept, context.clone());
            let end = end.clone();
            running.spawn_local(async move {
                tokio::select! {
                    () = end.stopped() => {}
                    () = task.run() => {}
                }
            });
        }
        loop {
            tokio::select! {
                () = parts.stop.stopped() => break,
                changed = config.changed() => {
                    let now = config.borrow_and_update().clone();
                    let is_same = now.config.notify == rules && Context::of(&now) == context;
                    if changed.is_err() || !is_same {
                        config.mark_changed();
                        break;
                    }
                }
            }
        }
        end.set();
        while let Some(ended) = running.join_next().await {
            if let Err(panicked) = ended {
                log::error!("a rule of [[notify]] ended by a mistake in tallycam: {panicked}");
            }
        }
        save(&kept, false).await;
    }
}
