//! The page of settings and what its forms send. Every form works without scripts: carried out, it leads back to its
//! part of the page (303); else the page comes again, with what was typed and why.

use std::rc::Rc;

use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::http::api::camera::controls;
use crate::http::api::machine::settings;
use crate::http::auth::audit::{AuditNote, noted};
use crate::http::auth::caller::Who;
use crate::http::pages::data_settings::AtFields;
use crate::http::pages::html::{again, form, html, nothing_to_do, see};
use crate::http::pages::{data_counting, data_media, data_settings, retention};
use crate::http::preferences::{NotSet, PreferenceChanges, Terms, meanwhile};
use crate::http::request::handler::Request;
use crate::http::request::json_body::MOST_KEYS;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::pipeline::CameraControls;
use crate::ui::{self, RetentionPreview, Setting, SettingsPage};

/// So often a change is tried again where somebody else has changed something else meanwhile.
const TRIES: usize = 5;

/// What is said when settings were imported.
const IMPORTED: &str = "These settings are in force, in the place of those that were set here before";

/// `GET /settings`.
pub async fn settings(request: Request) -> Response<Body> {
    let done = match request.query.get("done") {
        Some("import") => Some(IMPORTED),
        Some("off") => Some("The machine is switching off"),
        Some("reboot") => Some("The machine is restarting: this page is back in about a minute"),
        _ => None,
    };
    let of = |key: &str| request.query.get(key).unwrap_or_default();
    let mut page = data_settings::page(&request.site, &request.who).await;
    page.head.returned.clone_from(&request.returned);
    let page = SettingsPage {
        refused: request.refused(),
        saved: of("saved").split(',').map(String::from).collect(),
        search: of("q").trim().to_owned(),
        ..page
    };
    html(show(&request.site, done.map(String::from), page))
}

fn show(site: &Site, done: Option<String>, page: SettingsPage) -> String {
    ui::settings_page(&SettingsPage { has_power: site.power.is_some(), done, ..page })
}

/// `POST /settings?do=…`, from the page's forms.
pub async fn post_settings(request: Request) -> Result<Response<Body>, Problem> {
    let (site, who, fields) = (&request.site, &request.who, form(&request));
    match request.query.get("do") {
        Some("set" | "reset") => set(site, who, &fields, request.query.get("do") == Some("reset")).await,
        Some(what @ ("controls" | "control" | "default")) => Ok(turn(site, who, what, &fields).await),
        Some("import") => import(site, who, &fields).await,
        _ => Err(nothing_to_do()),
    }
}

/// Puts what was typed in the place of all settings. What would delete media is asked first.
async fn import(site: &Site, who: &Who, fields: &Query) -> Result<Response<Body>, Problem> {
    let typed = fields.get("toml").unwrap_or_default();
    let terms = Terms { expected: None, may_delete: fields.get("sure").is_some() };
    let imported = async {
        let preferences = site.preferences()?;
        let (toml, keys) = settings::to_import(typed.to_owned()).await?;
        Ok::<_, Problem>((preferences, preferences.import(toml, terms).await, keys))
    };
    let problem = match imported.await {
        Ok((preferences, Ok(done), keys)) => {
            let note = AuditNote::Did(format!("imported settings: {keys}"));
            if done.complaint == preferences.in_force().complaint {
                return Ok(noted(see("settings?done=import"), note));
            }
            // What has no effect is told now or never.
            let page = data_settings::page(site, who).await;
            let page = SettingsPage { complaint: done.complaint.clone(), ..page };
            return Ok(noted(html(show(site, Some(String::from(IMPORTED)), page)), note));
        }
        Ok((_, Err(NotSet::Deletes(plan)), _)) => {
            let deletes = data_media::plan(&plan, site.clock()).in_words();
            let page = data_settings::page(site, who).await;
            let page = SettingsPage { import: typed.to_owned(), import_deletes: deletes, ..page };
            return Ok(noted(html(show(site, None, page)), AuditNote::Nothing));
        }
        Ok((_, Err(not), _)) => Problem::from(not),
        Err(problem) => problem,
    };
    let page = data_settings::page(site, who).await;
    let refused = Some(data_counting::refusal(&problem));
    let page = SettingsPage { import: typed.to_owned(), refused, ..page };
    Ok(again(&problem, show(site, None, page)))
}

/// Carries out what a group's form wants, or takes one setting back. What would delete media is asked first.
async fn set(site: &Site, who: &Who, fields: &Query, is_reset: bool) -> Result<Response<Body>, Problem> {
    let preferences = match site.preferences() {
        Ok(preferences) => preferences,
        Err(none) => {
            let problem = Problem::from(none);
            let page = data_settings::page(site, who).await;
            let page = SettingsPage { refused: Some(data_counting::refusal(&problem)), ..page };
            return Ok(again(&problem, show(site, None, page)));
        }
    };
    let refused = async |not: NotSet| {
        let (problem, page) = data_settings::refused(site, who, fields, not).await;
        Ok(again(&problem, show(site, None, page)))
    };
    let key = fields.get("key").filter(|_| is_reset);
    let first = fields.pairs().iter().find_map(|(name, _)| name.strip_prefix("was."));
    let group = ui::group_of_key(key.or(first).unwrap_or_default());
    let mut tries = 0;
    loop {
        let in_force = preferences.in_force();
        let changes = match key {
            Some(key) => PreferenceChanges::from([(key.to_owned(), None)]),
            None => match data_settings::changes(fields, &in_force) {
                Ok(changes) => changes,
                Err(not) => return refused(not).await,
            },
        };
        if fields.get("plan").is_some() {
            let plan = match retention::preview(site, &changes).await {
                Ok(plan) => plan,
                Err(not) => return refused(not).await,
            };
            let page = SettingsPage { plan, ..typed(site, who, fields).await };
            return Ok(noted(html(show(site, None, page)), AuditNote::Nothing));
        }
        if changes.is_empty() {
            return Ok(noted(see(&format!("settings#{group}")), AuditNote::Nothing));
        }
        let saved = data_settings::saved(fields, &changes);
        let keys = changes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let terms = Terms { expected: Some(in_force.version), may_delete: fields.get("sure").is_some() };
        match preferences.change(changes.clone(), terms).await {
            Ok(_) => {
                let note = AuditNote::Did(format!("changed settings: {keys}"));
                return Ok(noted(see(&format!("settings?saved={saved}#{group}")), note));
            }
            // Of something else, perhaps: looked at again.
            Err(NotSet::Changed) if tries < TRIES => tries += 1,
            Err(NotSet::Deletes(plan)) => {
                let plan = data_media::plan(&plan, site.clock());
                let page = ask(typed(site, who, fields).await, &changes, plan);
                return Ok(noted(html(show(site, None, page)), AuditNote::Nothing));
            }
            Err(not) => return refused(not).await,
        }
    }
}

/// The page with what was typed, which is not in force.
async fn typed(site: &Site, who: &Who, fields: &Query) -> SettingsPage {
    let mut page = data_settings::page(site, who).await;
    data_settings::put_typed(&mut page, fields);
    page
}

/// The page that asks, at the first rule that is changed, whether what goes by it may go.
fn ask(mut page: SettingsPage, changes: &PreferenceChanges, plan: RetentionPreview) -> SettingsPage {
    let is_rule = |own: &&mut Setting| changes.contains_key(&own.path) && retention::is_rule(&own.path);
    if let Some(own) = page.settings.iter_mut().find(is_rule) {
        own.deletes = Some(plan.in_words());
        // Of what is taken back nothing was typed.
        if let Some(None) = changes.get(&own.path) {
            own.text.clone_from(&own.default);
            own.unit = None;
        }
    }
    SettingsPage { plan: Some(plan), ..page }
}

/// What there is to tell of controls that were turned.
#[derive(Default)]
struct SetOutcome {
    /// What came out otherwise than it was asked, in sentences.
    notes: Vec<String>,
    /// What the camera has not taken.
    wrong: AtFields,
}

/// Why controls were not turned.
struct NotTurned {
    problem: Problem,
    wrong: AtFields,
}

impl<E: Into<Problem>> From<E> for NotTurned {
    fn from(error: E) -> NotTurned {
        NotTurned { problem: error.into(), wrong: Vec::new() }
    }
}

/// Carries out what a form of the camera's controls wants. Where the camera does otherwise, the page comes at once and
/// says so, in the place of the way back to it.
async fn turn(site: &Rc<Site>, who: &Who, what: &str, fields: &Query) -> Response<Body> {
    let name = fields.get("name").unwrap_or_default();
    let turned = match what {
        "controls" => set_controls(site, fields).await,
        "control" => set_one(site, name, Value::Bool(true)).await,
        _ if name.is_empty() => match controls::set_defaults(site, None).await {
            Ok(set) => Ok(SetOutcome::of(site, set)),
            Err(problem) => Err(problem.into()),
        },
        _ => set_one(site, name, Value::Null).await,
    };
    match turned {
        Ok(told) if told.notes.is_empty() && told.wrong.is_empty() => see("settings#controls"),
        Ok(told) => {
            let mut page = data_settings::page(site, who).await;
            if let Some(facts) = &mut page.controls {
                // Before what is so since the camera was opened.
                facts.notes.retain(|note| !told.notes.contains(note));
                facts.notes.splice(0..0, told.notes);
                facts.wrong.retain(|wrong| !told.wrong.contains(wrong));
                facts.wrong.splice(0..0, told.wrong);
            }
            html(show(site, None, page))
        }
        Err(NotTurned { problem, wrong }) => {
            let page = data_settings::controls_refused(site, who, fields, &problem, wrong).await;
            again(&problem, show(site, None, page))
        }
    }
}

/// Controls that are other than they were when the page was made.
async fn set_controls(site: &Rc<Site>, fields: &Query) -> Result<SetOutcome, NotTurned> {
    let now = site.pipeline.controls().await?;
    let pairs = data_settings::control_changes(fields, &now.controls)
        .map_err(|wrong| NotTurned { problem: meanwhile(), wrong })?;
    match pairs.len() {
        0 => Ok(SetOutcome::default()),
        many if many > MOST_KEYS => Err(nothing_to_do().into()),
        _ => set_these(site, now, pairs).await,
    }
}

async fn set_one(site: &Rc<Site>, name: &str, value: Value) -> Result<SetOutcome, NotTurned> {
    let now = site.pipeline.controls().await?;
    set_these(site, now, vec![(name.to_owned(), value)]).await
}

async fn set_these(
    site: &Rc<Site>,
    now: CameraControls,
    pairs: Vec<(String, Value)>,
) -> Result<SetOutcome, NotTurned> {
    let kept = controls::kept(site, now.identity.as_deref());
    let wanted = controls::wanted(&now.controls, &pairs, kept)?;
    let set = controls::set(site, now, wanted, None).await?;
    // What goes back to the default is kept no longer, whatever the camera says to it.
    let is_refused = |(name, value): &(String, Value)| !value.is_null() && set.refused.contains(name);
    let is_nothing_done = pairs.iter().all(is_refused);
    let SetOutcome { notes, wrong } = SetOutcome::of(site, set);
    if is_nothing_done {
        return Err(NotTurned { problem: Problem::new(StatusCode::CONFLICT, notes.join(" ")), wrong });
    }
    Ok(SetOutcome { notes, wrong })
}

impl SetOutcome {
    fn of(site: &Site, set: CameraControls) -> SetOutcome {
        // What is not kept has its own place on the page.
        let unkept = site.unkept();
        let notes = set.notes.into_iter().filter(|note| unkept.as_ref() != Some(note));
        SetOutcome { notes: notes.collect(), wrong: data_settings::not_taken(&set.refused) }
    }
}
