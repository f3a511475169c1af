//! The page of settings and what its forms send. Every form works without scripts: carried out, it leads back to its
//! part of the page (303); else the page comes again, with what was typed and why.

use std::rc::Rc;

use hyper::{Response, StatusCode};
use serde_json::Value;

use super::body::Body;
use super::page::{again, form, html, nothing_to_do, see};
use super::payload::MOST_KEYS;
use super::power::PowerAction;
use super::preferences::{Changes, NotSet};
use super::problem::Problem;
use super::query::Query;
use super::route::Request;
use super::{Site, controls, facts, facts_settings, power};
use crate::ui::{self, SettingsPage};

/// So often a change is tried again where somebody else has changed something else meanwhile.
const TRIES: usize = 5;

/// `GET /settings`.
pub async fn settings(request: Request) -> Response<Body> {
    let done = match request.query.get("done") {
        Some("import") => {
            Some("These settings are in force, in the place of those that were set here before")
        }
        Some("off") => Some("The machine is switching off"),
        Some("reboot") => Some("The machine is restarting: this page is back in about a minute"),
        _ => None,
    };
    html(show(&request.site, done.map(String::from), facts_settings::page(&request.site).await))
}

fn show(site: &Site, done: Option<String>, page: SettingsPage) -> String {
    ui::settings_page(&SettingsPage { has_power: site.power.is_some(), done, ..page })
}

/// `POST /settings?do=…`, from the page's forms.
pub async fn post_settings(request: Request) -> Result<Response<Body>, Problem> {
    let (site, fields) = (&request.site, form(&request));
    let done = match request.query.get("do") {
        Some("set") => match set(site, &fields).await {
            Ok(group) => return Ok(see(&format!("settings#{group}"))),
            Err(Refused::Settings(not)) => {
                let (problem, page) = facts_settings::refused(site, &fields, not).await;
                return Ok(again(&problem, show(site, None, page)));
            }
            Err(Refused::Other(problem)) => Err(problem),
        },
        Some("reset") => match site.preferences() {
            Ok(preferences) => {
                let key = fields.get("key").unwrap_or_default().to_owned();
                let group = ui::group_of(&key);
                let done = preferences.change(Changes::from([(key, None)]), None).await;
                done.map(|_| format!("settings#{group}")).map_err(Problem::from)
            }
            Err(none) => Err(none.into()),
        },
        Some("controls") => set_controls(site, &fields).await.map(|()| String::from("settings#controls")),
        Some("control") => {
            let name = fields.get("name").unwrap_or_default().to_owned();
            set_these(site, vec![(name, Value::Bool(true))]).await.map(|()| String::from("settings#controls"))
        }
        Some("default") => {
            let done = match fields.get("name").filter(|name| !name.is_empty()) {
                Some(name) => set_these(site, vec![(name.to_owned(), Value::Null)]).await,
                None => controls::set_defaults(site, None).await.map(drop),
            };
            done.map(|()| String::from("settings#controls"))
        }
        Some("import") => match site.preferences() {
            Ok(preferences) => {
                let done = preferences.import(fields.get("toml").unwrap_or_default().to_owned(), None).await;
                done.map(|_| String::from("settings?done=import")).map_err(Problem::from)
            }
            Err(none) => Err(none.into()),
        },
        Some("power") => {
            let (action, word) = match fields.get("what") {
                Some("off") => (PowerAction::Off, "off"),
                Some("reboot") => (PowerAction::Reboot, "reboot"),
                _ => return Err(nothing_to_do()),
            };
            power::ask(&request, action).await.map(|()| format!("settings?done={word}"))
        }
        _ => return Err(nothing_to_do()),
    };
    match done {
        Ok(place) => Ok(see(&place)),
        Err(problem) => {
            let page = facts_settings::page(site).await;
            let page = SettingsPage { refused: Some(facts::refusal(&problem)), ..page };
            Ok(again(&problem, show(site, None, page)))
        }
    }
}

/// Why settings were not changed.
enum Refused {
    /// What is wrong is told at the fields.
    Settings(NotSet),
    /// Something else.
    Other(Problem),
}

/// Carries out what a group's form wants; gives the group.
async fn set(site: &Site, fields: &Query) -> Result<&'static str, Refused> {
    let preferences = site.preferences().map_err(|none| Refused::Other(none.into()))?;
    let first = fields.pairs().iter().find_map(|(name, _)| name.strip_prefix("was.")).unwrap_or_default();
    let mut tries = 0;
    loop {
        let in_force = preferences.in_force();
        let changes =
            facts_settings::changes(fields, &in_force).map_err(|_| Refused::Settings(NotSet::Changed))?;
        if changes.is_empty() {
            return Ok(ui::group_of(first));
        }
        match preferences.change(changes, Some(in_force.version)).await {
            Ok(_) => return Ok(ui::group_of(first)),
            // Of something else, perhaps: looked at again.
            Err(NotSet::Changed) if tries < TRIES => tries += 1,
            Err(not) => return Err(Refused::Settings(not)),
        }
    }
}

/// Controls that are other than they were when the page was made.
async fn set_controls(site: &Rc<Site>, fields: &Query) -> Result<(), Problem> {
    let mut pairs = Vec::new();
    for (name, was) in fields.pairs() {
        let Some(name) = name.strip_prefix("was.") else { continue };
        let wanted = fields.get(name).unwrap_or("0");
        if wanted != was {
            pairs.push((name.to_owned(), Value::String(wanted.to_owned())));
        }
    }
    match pairs.len() {
        0 => Ok(()),
        many if many > MOST_KEYS => Err(nothing_to_do()),
        _ => set_these(site, pairs).await,
    }
}

async fn set_these(site: &Rc<Site>, pairs: Vec<(String, Value)>) -> Result<(), Problem> {
    let now = site.pipeline.controls().await?;
    let wanted = controls::wanted(&now.controls, &pairs)?;
    let set = controls::set(site, now, wanted, None).await?;
    if set.notes.is_empty() {
        return Ok(());
    }
    Err(Problem::new(StatusCode::CONFLICT, set.notes.join(" ")))
}
