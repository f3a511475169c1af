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
mod crossings;
mod deliver;
mod kept;
mod lasting;
mod message;
mod report;
mod rule;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking, spawn_local};

use super::kept::save;
use super::parts::TaskParts;
use context::Context;
use kept::{FILE, KeptRules};
pub use report::{DeliveryReport, Notifier, NotifyReport, NotifySummary, RuleReport};
use rule::{RuleSettings, RuleTask, follows};
use tallycam_base::Stop;
use tallycam_config::NotifyRule;

/// Follows the rules of the configuration until the daemon stops. Files are in `directory`. A changed configuration
/// ends only rules that are gone or now wait for something else.
pub async fn run(parts: TaskParts, notifier: Notifier, directory: PathBuf) {
    let Ok(kept) = spawn_blocking(move || KeptRules::read(&directory, FILE)).await else { return };
    let kept = Rc::new(RefCell::new(kept));
    let mut config = parts.config.clone();
    let mut running: Vec<RunningRule> = Vec::new();
    while !parts.stop.is_set() {
        let resolved = config.borrow_and_update().clone();
        let (rules, context) = (&resolved.config.notify, Context::of(&resolved));
        let settings = rules.iter().map(|rule| RuleSettings { rule: rule.clone(), context: context.clone() });
        let (stays, ended) = running.into_iter().partition(|one| rules.iter().any(|rule| one.is(rule)));
        running = stays;
        end(ended).await;
        let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        kept.borrow_mut().change(|all| all.retain(|name, _| names.contains(&name.as_str())));
        notifier.begin(&names, |name| running.iter().any(|one| one.name() == name));
        for settings in settings {
            match running.iter().find(|one| one.is(&settings.rule)) {
                Some(one) => one.change(settings),
                None => running.push(RunningRule::start(settings, &parts, &notifier, &kept)),
            }
        }
        save(&kept, false).await;
        tokio::select! {
            () = parts.stop.stopped() => {}
            changed = config.changed() => if changed.is_err() {
                parts.stop.stopped().await;
            }
        }
    }
    end(running).await;
    save(&kept, false).await;
}

/// A rule at work.
struct RunningRule {
    settings: watch::Sender<Rc<RuleSettings>>,
    stop: Stop,
    task: JoinHandle<()>,
}

impl RunningRule {
    fn start(
        settings: RuleSettings,
        parts: &TaskParts,
        notifier: &Notifier,
        kept: &Rc<RefCell<KeptRules>>,
    ) -> RunningRule {
        let (settings, changes) = watch::channel(Rc::new(settings));
        let rule = RuleTask::new(changes, parts, notifier, kept);
        let stop = Stop::new();
        let asked = stop.clone();
        let task = spawn_local(async move {
            tokio::select! {
                () = asked.stopped() => {}
                () = rule.run() => {}
            }
        });
        RunningRule { settings, stop, task }
    }

    fn name(&self) -> String {
        self.settings.borrow().rule.name.clone()
    }

    /// True if it does the work of `rule`, perhaps with other settings.
    fn is(&self, rule: &NotifyRule) -> bool {
        let own = self.settings.borrow();
        own.rule.name == rule.name && follows(&own.rule) == follows(rule) && !self.task.is_finished()
    }

    fn change(&self, settings: RuleSettings) {
        self.settings.send_if_modified(|own| {
            let is_news = **own != settings;
            if is_news {
                *own = Rc::new(settings);
            }
            is_news
        });
    }
}

/// Ends these rules.
async fn end(rules: Vec<RunningRule>) {
    rules.iter().for_each(|rule| rule.stop.set());
    for rule in rules {
        if let Err(panicked) = rule.task.await {
            log::error!("a rule of [[notify]] ended by a mistake in tallycam: {panicked}");
        }
    }
}
