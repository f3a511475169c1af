//! Lasting conditions: too many inside, nothing counted, a fault.

use jiff::Zoned;

use super::alert::{LastingCondition, Turn};
use super::message::Message;
use super::rule::{LOOKS_EVERY, RuleTask, TryPauses, named, no_place, now};
use tallycam_base::{Fault, clock};
use tallycam_config::{NotifyRule, RuleWhen, show_duration};

/// The result of a look at a condition.
struct ConditionLook {
    is_so: bool,
    /// The message without the camera's name.
    words: String,
}

impl RuleTask {
    /// Tells a lasting condition, and the end of a fault.
    pub(super) async fn watch(&mut self) {
        let mut watch = LastingCondition::new(self.progress.is_reported);
        let mut quiet = Quiet::told(&self.progress.quiet);
        let (mut backoff, mut next_try_s, mut pending) = (TryPauses::default(), 0, None::<Message>);
        loop {
            self.refresh();
            let now_s = clock::monotonic_us() / 1_000_000;
            let found = match self.rule.when {
                RuleWhen::Above => self.above().await,
                RuleWhen::Quiet => self.quiet(&mut quiet, now_s).await,
                _ => self.trouble().await,
            };
            // Its time without a crossing is the condition itself.
            let lasting_s = if self.rule.when == RuleWhen::Quiet { 0 } else { self.rule.lasting.as_secs() };
            let step = found.map(|found| (watch.step(found.is_so, now_s, lasting_s), found.words));
            match step {
                Err(fault) => self.show(Some(&fault), None),
                Ok((Some(Turn::Over), _)) if self.rule.when != RuleWhen::Trouble => watch.arrived(Turn::Over),
                Ok((Some(turn), words)) if now_s >= next_try_s => {
                    let kind = if turn == Turn::Over { "over" } else { self.rule.when.as_str() };
                    let message = pending.take().filter(|message| message.kind == kind);
                    let message = message.unwrap_or_else(|| self.message(kind, &words));
                    if self.try_once(&message).await.is_ok() {
                        watch.arrived(turn);
                        backoff = TryPauses::default();
                    } else {
                        next_try_s = now_s + backoff.next().as_secs();
                        pending = Some(message);
                    }
                }
                Ok((Some(_), _)) => {}
                Ok((None, _)) => {
                    (pending, backoff, next_try_s) = (None, TryPauses::default(), 0);
                    self.show(None, None);
                }
            }
            if self.progress.is_reported != watch.is_reported() {
                self.progress.is_reported = watch.is_reported();
                self.progress.quiet = if watch.is_reported() { quiet.of.clone() } else { String::new() };
                self.keep(false).await;
            }
            self.pause(LOOKS_EVERY).await;
        }
    }

    async fn trouble(&self) -> Result<ConditionLook, Fault> {
        let state = self.api.read("/state").await?;
        let bad = state["alerts"].as_array().into_iter().flatten().find(|alert| alert["bad"] == true);
        let Some(alert) = bad else {
            return Ok(ConditionLook { is_so: false, words: String::from("all works again") });
        };
        let text = |key: &str| alert[key].as_str().filter(|text| !text.is_empty());
        let words = [text("headline"), text("reason"), text("hint")].into_iter().flatten();
        let words: Vec<&str> = words.map(|words| words.trim_end_matches('.')).collect();
        Ok(ConditionLook { is_so: true, words: words.join(". ") })
    }

    async fn above(&self) -> Result<ConditionLook, Fault> {
        let name = self.rule.place.as_deref().unwrap_or_default();
        let zones = self.api.read("/api/v1/zones").await?;
        let inside = match named(&zones, name).and_then(|zone| zone["occupancy"].as_u64()) {
            Some(inside) => inside,
            None => {
                let tallies = self.api.read("/api/v1/tallies").await?;
                let line =
                    tallies["lines"].as_array().into_iter().flatten().find(|line| line["line"] == name);
                line.and_then(|line| line["inside"].as_u64()).ok_or_else(|| no_place("zone or line", name))?
            }
        };
        let most = self.rule.more_than;
        Ok(ConditionLook {
            is_so: inside > u64::from(most),
            words: format!(
                "{inside} inside {name}, more than {most} for {}",
                show_duration(self.rule.lasting)
            ),
        })
    }

    async fn quiet(&self, quiet: &mut Quiet, now_s: u64) -> Result<ConditionLook, Fault> {
        let line = self.line().await?;
        let newest = self.api.read(format!("/api/v1/crossings?limit=1{line}")).await?;
        let last = newest["items"].get(0).and_then(|crossing| crossing["id"].as_u64());
        let opening = opening(&self.rule, &now(&self.context.zone));
        let at = self.rule.place.as_ref().map_or_else(String::new, |name| format!(" at {name}"));
        Ok(ConditionLook {
            is_so: quiet.lasts_s(last, opening.as_deref(), now_s) >= Some(self.rule.lasting.as_secs()),
            words: format!("nothing counted{at} for {}", show_duration(self.rule.lasting)),
        })
    }
}

/// The time without a crossing within opening hours.
#[derive(Debug, Default)]
struct Quiet {
    /// The last crossing and the opening that the time belongs to.
    of: String,
    since_s: Option<u64>,
    /// The same of the time that an earlier run has told.
    told: String,
}

impl Quiet {
    /// A time that an earlier run may have told.
    fn told(told: &str) -> Quiet {
        Quiet { told: told.to_owned(), ..Quiet::default() }
    }

    /// How long there has been no other crossing than `last`; `None` outside opening hours.
    fn lasts_s(&mut self, last: Option<u64>, opening: Option<&str>, now_s: u64) -> Option<u64> {
        let Some(opening) = opening else {
            *self = Quiet::default();
            return None;
        };
        let of = format!("{} {opening}", last.unwrap_or(0));
        if self.of != of {
            (self.of, self.since_s) = (of, None);
        }
        let since_s = *self.since_s.get_or_insert(now_s);
        Some(if self.told == self.of { u64::MAX } else { now_s - since_s })
    }
}

/// The opening that `now` is in: the day on which it began, or the empty text if it is always open. `None` outside
/// opening hours. The hours after midnight belong to the day before.
fn opening(rule: &NotifyRule, now: &Zoned) -> Option<String> {
    let (open, close, hour) = (rule.open, rule.close, now.hour() as u8);
    let is_before_close = open > close && hour < close;
    let day = if is_before_close { now.date().yesterday().ok()? } else { now.date() };
    let is_in_hours = is_before_close || (hour >= open && (hour < close || open > close));
    let is_open = is_in_hours && rule.days[day.weekday().to_monday_zero_offset() as usize];
    let is_all_day = (open, close) == (0, 24);
    is_open.then(|| if is_all_day { String::new() } else { day.to_string() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rule(keys: &str) -> NotifyRule {
        let text = format!(
            "[[notify]]\nname = \"x\"\nwhen = \"quiet\"\nto = \"webhook\"\naddress = \"https://a.example\"\n{keys}"
        );
        let file = std::path::Path::new("config.toml");
        tallycam_config::Config::from_text(file, &text, &[], []).unwrap().config.notify.remove(0)
    }

    fn opened(rule: &NotifyRule, text: &str) -> Option<String> {
        opening(rule, &format!("{text}[Europe/Berlin]").parse().unwrap())
    }

    #[test]
    fn opening_hours_may_span_midnight() {
        let shop = rule("open = 8\nclose = 18\ndays = [\"mon\"]\n");
        assert_eq!(opened(&shop, "2026-11-30T08:00").as_deref(), Some("2026-11-30"));
        assert_eq!(opened(&shop, "2026-11-30T18:00"), None);
        assert_eq!(opened(&shop, "2026-12-01T09:00"), None, "a Tuesday");
        let bar = rule("open = 20\nclose = 3\ndays = [\"sat\"]\n");
        for during in ["2026-12-05T23:00", "2026-12-06T02:59"] {
            assert_eq!(opened(&bar, during).as_deref(), Some("2026-12-05"), "{during}");
        }
        for outside in ["2026-12-05T02:00", "2026-12-06T21:00", "2026-12-05T19:59", "2026-12-06T03:00"] {
            assert_eq!(opened(&bar, outside), None, "{outside}");
        }
        assert_eq!(opened(&rule(""), "2026-12-06T03:00").as_deref(), Some(""), "always open");
    }

    #[test]
    fn quiet_begins_with_the_last_crossing_or_with_the_opening() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.lasts_s(Some(1), None, 0), None);
        assert_eq!(quiet.lasts_s(Some(1), Some("mon"), 100), Some(0));
        assert_eq!(quiet.lasts_s(Some(1), Some("mon"), 160), Some(60));
        assert_eq!(quiet.lasts_s(Some(2), Some("mon"), 170), Some(0));
        assert_eq!(quiet.lasts_s(Some(2), None, 180), None);
        assert_eq!(quiet.lasts_s(Some(2), Some("tue"), 900), Some(0));
    }

    /// Looks every 5 seconds from `from_s` on, with no crossing after the first; returns the number of messages.
    fn told(progress: &mut (bool, String), opening: &str, from_s: u64) -> usize {
        let (mut watch, mut quiet) = (LastingCondition::new(progress.0), Quiet::told(&progress.1));
        let mut count = 0;
        for now_s in (from_s..from_s + 1000).step_by(5) {
            let is_so = quiet.lasts_s(Some(1), Some(opening), now_s) >= Some(300);
            if let Some(turn) = watch.step(is_so, now_s, 0) {
                watch.arrived(turn);
                count += usize::from(turn == Turn::Begun);
            }
        }
        *progress = (watch.is_reported(), quiet.of);
        count
    }

    #[test]
    fn a_restart_does_not_tell_the_same_quiet_again() {
        let mut progress = (false, String::new());
        assert_eq!(told(&mut progress, "2026-11-30", 7), 1);
        assert_eq!(told(&mut progress, "2026-11-30", 2), 0, "a restart");
        assert_eq!(told(&mut progress, "2026-12-01", 9), 1, "another day");
    }
}
