//! Data of the settings page: settings, controls and formats in its own types, and the typed values of its forms.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::http::api::camera::controls_form;
use crate::http::api::counting::model::ModelList;
use crate::http::api::machine::settings::{item, items};
use crate::http::api::machine::settings_form::{self, key, text, wanted};
use crate::http::auth::caller::Who;
use crate::http::pages::{data_counting, retention};
use crate::http::report;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::site::Site;
use crate::http::site::forms;
use crate::http::site::handler::Request;
use crate::http::site::preferences::{SettingsInForce, meanwhile};
use crate::pipeline::CameraControls;
use crate::ui::{
    CameraMode, ControlsFacts, RefusalReason, ReturnedForm, Setting, SettingField, SettingsPage, ValueOrigin,
};
use tallycam_camera::media;
use tallycam_config::keys::Key;
use tallycam_config::{self as config, Origin, SourceKind, show_duration};

/// Messages at controls, by name.
type AtFields = Vec<(String, String)>;

/// The page in its current state.
pub async fn page(request: &Request) -> SettingsPage {
    let (site, who) = (&request.site, &request.who);
    let in_force = site.preferences().map(|preferences| preferences.in_force());
    let (controls, no_controls) = match site.pipeline.recent_controls().await {
        Ok(found) => (Some(of_camera(&found, in_force.as_deref().ok())), String::new()),
        Err(error) => (None, error.to_string()),
    };
    let modes = site.pipeline.formats().await.map(|formats| modes(&formats)).unwrap_or_default();
    let head = data_counting::head(request);
    let offers = Offers::of(site, who).await;
    match in_force {
        Ok(in_force) => SettingsPage {
            head,
            settings: in_force
                .resolved
                .settings
                .iter()
                .filter_map(|own| of(own, &in_force, &offers))
                .collect(),
            modes: if modes.is_empty() && in_force.resolved.config.source.kind == SourceKind::Sim {
                SIZES
                    .map(|(width, height)| CameraMode { format: "auto".into(), width, height, fps: 0.0 })
                    .to_vec()
            } else {
                modes
            },
            controls,
            no_controls,
            complaint: in_force.complaint.clone(),
            unsaved: in_force.unsaved.clone(),
            waits: site.clock_wait().map(|wait| (wait, site.clock())),
            ..SettingsPage::default()
        },
        Err(none) => {
            SettingsPage { head, controls, no_controls, fixed: none.detail, ..SettingsPage::default() }
        }
    }
}

/// The sizes offered for the simulation.
const SIZES: [(u32, u32); 4] = [(640, 360), (640, 480), (1280, 720), (1920, 1080)];

/// The choices that the page offers.
#[derive(Debug, Default)]
struct Offers {
    zones: Arc<[String]>,
    models: Arc<[String]>,
    /// Classes of the model; empty if unknown.
    classes: Vec<String>,
    /// Names of lines; `None` without counting.
    lines: Option<Vec<String>>,
    /// libcamera cameras can be used.
    has_libcamera: bool,
}

impl Offers {
    async fn of(site: &Site, who: &Who) -> Offers {
        let list = ModelList::of(site).await.ok();
        let machine = site.machine.clone();
        let has_libcamera = move || machine.is_some_and(|machine| machine.has_libcamera());
        let lines = site.counts().ok().map(|counts| data_counting::lines(counts, who));
        let name = |list: &ModelList| list.found.iter().map(|model| model.name.clone()).collect();
        Offers {
            zones: zones().await,
            models: list.as_ref().map(name).unwrap_or_default(),
            classes: list
                .filter(|list| list.status.tells_classes)
                .map(|list| list.status.labels)
                .unwrap_or_default(),
            lines: lines.map(|lines| lines.into_iter().map(|line| line.draft.name).collect()),
            has_libcamera: tokio::task::spawn_blocking(has_libcamera).await.unwrap_or_default(),
        }
    }

    /// True for choices that cannot work here: not installed, or incomplete without the operator's file.
    fn is_left_out(&self, path: &str, word: &str) -> bool {
        match (path, word) {
            ("source.kind", "libcamera") => !self.has_libcamera,
            ("source.kind", "exec") | ("detect.backend", "replay") => true,
            _ => false,
        }
    }
}

/// One setting; `None` for lines, zones and controls.
fn of(setting: &config::ResolvedSetting, in_force: &SettingsInForce, offers: &Offers) -> Option<Setting> {
    let key = key(&setting.path)?;
    let is =
        if key.kind.is_secret() && setting.value == "\"\"" { String::new() } else { text(&setting.value) };
    Some(Setting {
        path: setting.path.clone(),
        field: field(key, &setting.path, &is, offers),
        text: is.clone(),
        typed_unit: None,
        is,
        default: text(key.default),
        origin: whence(&setting.origin),
        about: key.about.to_owned(),
        wrong: None,
        needs_restart: in_force.needs_restart.contains(&setting.path),
        is_changed: false,
        deletes: None,
    })
}

fn whence(origin: &Origin) -> ValueOrigin {
    match origin {
        Origin::Default => ValueOrigin::Default,
        Origin::Page { .. } => ValueOrigin::Page,
        Origin::File { file, line } => ValueOrigin::Pinned(format!("{} line {line}", file.display())),
        Origin::Environment(variable) => ValueOrigin::Pinned(format!("the environment, {variable}")),
        Origin::CommandLine => ValueOrigin::Pinned(String::from("the command line, --set")),
    }
}

fn field(key: &Key, path: &str, is: &str, offers: &Offers) -> SettingField {
    let shape = key.kind.shape();
    let (least, most) = (shape.least.unwrap_or(0.0), shape.most.unwrap_or(f64::MAX));
    let time = |seconds: Option<f64>| {
        seconds.map(|seconds| show_duration(Duration::from_secs_f64(seconds))).unwrap_or_default()
    };
    match (shape.word, shape.or) {
        ("boolean", _) => SettingField::Switch,
        ("choice", _) => {
            let is_offered = |word: &String| word == is || !offers.is_left_out(path, word);
            SettingField::Choice(shape.choices.into_iter().filter(is_offered).collect())
        }
        ("secret", _) => SettingField::Secret,
        ("zone", _) => SettingField::Suggested(Arc::clone(&offers.zones)),
        ("integer" | "number", Some(word)) => SettingField::NumberOr { least, most, word },
        (word @ ("integer" | "number"), None) => {
            SettingField::Number { least, most, is_whole: word == "integer" }
        }
        ("time", or) => SettingField::Time(time(shape.least), time(shape.most), or),
        ("size", or) => SettingField::Size(or),
        _ if path == "detect.model" => SettingField::Suggested(Arc::clone(&offers.models)),
        _ if path == "detect.classes" && !offers.classes.is_empty() => several(is, &offers.classes),
        ("list", _) if path == "record.on_crossing" && offers.lines.is_some() => {
            let lines = offers.lines.iter().flatten().cloned();
            several(is, &std::iter::once(String::from("*")).chain(lines).collect::<Vec<_>>())
        }
        ("list" | "crop", _) => SettingField::List,
        _ => SettingField::Text,
    }
}

/// Checkboxes for the items of a list; `is` names the checked ones.
fn several(is: &str, all: &[String]) -> SettingField {
    let listed = |all: &[String]| all.iter().map(|one| item(one)).collect::<Vec<_>>();
    let chosen = listed(&items(is).unwrap_or_default());
    let mut others = listed(all);
    others.retain(|one| !chosen.contains(one));
    SettingField::Several { chosen, others }
}

/// Names of time zones, from the machine or from the program. Aliases of one word are left out, except UTC. Read
/// once, on a thread that may wait.
async fn zones() -> Arc<[String]> {
    static ZONES: OnceLock<Arc<[String]>> = OnceLock::new();
    let read = || -> Arc<[String]> {
        let is_usual = |name: &String| {
            let of_a_place =
                name.split_once('/').is_some_and(|(first, _)| !["posix", "right", "Etc"].contains(&first));
            of_a_place || name == "UTC"
        };
        let names = jiff::tz::db().available().map(|name| name.to_string());
        let mut names: Vec<String> =
            std::iter::once(String::from("auto")).chain(names.filter(is_usual)).collect();
        names[1..].sort();
        names.into()
    };
    if let Some(known) = ZONES.get() {
        return Arc::clone(known);
    }
    tokio::task::spawn_blocking(move || Arc::clone(ZONES.get_or_init(read))).await.unwrap_or_default()
}

fn modes(formats: &[media::CameraFormat]) -> Vec<CameraMode> {
    let of = |format: &media::CameraFormat| {
        let name = format.fourcc.to_string();
        let is_usable = media::Fourcc::USABLE.contains(&format.fourcc);
        let modes = format.modes.iter().filter(move |_| is_usable);
        modes
            .map(|mode| CameraMode {
                format: name.clone(),
                width: mode.width,
                height: mode.height,
                fps: mode.fps.iter().copied().fold(0.0, f64::max),
            })
            .collect::<Vec<_>>()
    };
    formats.iter().flat_map(of).collect()
}

/// The messages at controls that the camera has refused.
fn not_taken(refused: &[String]) -> AtFields {
    refused.iter().map(|name| (name.clone(), String::from("The camera has not taken this"))).collect()
}

fn of_camera(found: &crate::pipeline::CameraControls, in_force: Option<&SettingsInForce>) -> ControlsFacts {
    let identity = found.identity.as_deref();
    let names = |wanted: &dyn Fn(&SettingsInForce, &str) -> bool| -> Vec<String> {
        let named = found.controls.iter().map(|control| control.name.clone());
        named.filter(|name| in_force.is_some_and(|in_force| wanted(in_force, name))).collect()
    };
    ControlsFacts {
        camera: found.camera.clone(),
        identity: identity.unwrap_or_default().to_owned(),
        controls: found.controls.clone(),
        saved: names(&|in_force, name| report::controls::is_saved(in_force, identity, name)),
        pinned: names(&|in_force, name| report::controls::pinned(in_force, identity, name).is_some()),
        typed: Vec::new(),
        wrong: not_taken(&found.refused),
        notes: found.notes.clone(),
    }
}

/// Puts the result of the page's form into it: the typed values and their faults.
pub async fn put_returned(site: &Site, page: &mut SettingsPage, form: &ReturnedForm) {
    let fields = Query::of(form.fields.clone());
    let Some(reason) = &form.refusal else { return };
    let is_deleting = reason.detail.starts_with(DELETES);
    let is_changed = reason.detail == meanwhile().detail;
    match &*form.action {
        "api/v1/settings" => {
            put_typed(page, &fields);
            if is_deleting {
                ask_to_delete(site, page, &fields).await;
            }
            for setting in page.settings.iter_mut() {
                let was = fields.get(&format!("was.{}", setting.path));
                if is_changed && was.is_some_and(|was| was != setting.is) && setting.text != setting.is {
                    setting.is_changed = true;
                    setting.wrong = Some(format!("Somebody else has set this to {} meanwhile", setting.is));
                }
            }
            mark_wrong(page, reason);
        }
        "api/v1/settings.toml" => {
            page.import = fields.get("toml").unwrap_or_default().to_owned();
            if is_deleting {
                let what =
                    reason.detail.trim_start_matches(DELETES).trim_end_matches(", and nothing was changed");
                page.import_deletes = format!("This deletes {what}.");
            }
        }
        _ => {
            if let Some(facts) = &mut page.controls {
                facts.typed = controls_form::typed(&fields, &facts.controls);
                facts.wrong.clone_from(&reason.errors);
            }
        }
    }
    page.refused = Some(reason.clone()).filter(|_| !is_deleting);
}

/// Marks the page's rows with their faults.
fn mark_wrong(page: &mut SettingsPage, reason: &RefusalReason) {
    for setting in &mut page.settings {
        if let Some((_, why)) = reason.errors.iter().find(|(path, _)| *path == setting.path) {
            setting.wrong = Some(why.clone());
        }
    }
}

/// Puts the fault of the page's own request into it.
pub fn put_wrong(page: &mut SettingsPage, problem: &Problem) {
    let reason = forms::refusal(problem);
    mark_wrong(page, &reason);
    page.refused = Some(reason);
}

/// Puts deviations from the requested control values into the page.
pub fn put_told(site: &Site, page: &mut SettingsPage, set: &CameraControls) {
    let Some(facts) = &mut page.controls else { return };
    // A value that is not stored is shown elsewhere on the page.
    let unsaved = site.unsaved();
    let notes: Vec<String> =
        set.notes.iter().filter(|note| unsaved.as_ref() != Some(note)).cloned().collect();
    // Before the notes from the camera's opening.
    facts.notes.retain(|note| !notes.contains(note));
    facts.notes.splice(0..0, notes);
    let wrong = not_taken(&set.refused);
    facts.wrong.retain(|own| !wrong.contains(own));
    facts.wrong.splice(0..0, wrong);
}

/// Start of the refusal of a change that would delete media.
const DELETES: &str = "this would delete ";

/// Asks at the first changed rule whether its media may be deleted.
async fn ask_to_delete(site: &Site, page: &mut SettingsPage, fields: &Query) {
    let Ok(in_force) = site.preferences().map(|preferences| preferences.in_force()) else { return };
    let Ok(changes) = settings_form::changes(fields, &in_force) else { return };
    let Ok(Some(plan)) = retention::preview(site, &changes).await else { return };
    let is_rule = |own: &&mut Setting| changes.contains_key(&own.path) && retention::is_rule(&own.path);
    if let Some(own) = page.settings.iter_mut().find(is_rule) {
        own.deletes = Some(plan.in_words());
        // A reset has no typed value.
        if let Some(None) = changes.get(&own.path) {
            own.text.clone_from(&own.default);
            own.typed_unit = None;
        }
    }
    page.plan = Some(plan);
}

/// Puts the typed values into the page's fields.
pub fn put_typed(page: &mut SettingsPage, form: &Query) {
    for setting in &mut page.settings {
        let path = &setting.path;
        let Some(key) = key(path).filter(|_| form.get(&format!("was.{path}")).is_some()) else { continue };
        setting.typed_unit = form.get(&format!("unit.{path}")).map(str::to_owned);
        match &mut setting.field {
            SettingField::Switch => setting.text = form.get(path).unwrap_or("false").to_owned(),
            SettingField::Several { chosen, others } => {
                let typed = wanted(form, path, key).unwrap_or_default();
                let known = [&chosen[..], &others[..]].concat();
                let known: Vec<String> =
                    known.iter().flat_map(|one| items(one).unwrap_or_default()).collect();
                setting.field = several(&typed, &known);
                setting.text = typed;
            }
            _ => {
                let Some(typed) = form.get(path) else { continue };
                setting.text = typed.to_owned();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_key_has_a_field_and_its_default_in_it() {
        let in_force = SettingsInForce::of("name = 'Yard'");
        let settings: Vec<Setting> = in_force
            .resolved
            .settings
            .iter()
            .filter_map(|own| of(own, &in_force, &Offers::default()))
            .collect();
        assert_eq!(settings.len(), tallycam_config::keys::all().count());
        let of = |path: &str| settings.iter().find(|own| own.path == path).unwrap();
        assert_eq!(of("name").origin, ValueOrigin::Pinned("c.toml line 1".into()));
        assert_eq!(
            (of("stream.idle_stop").text.as_str(), of("stream.idle_stop").default.as_str()),
            ("30s", "30s")
        );
        assert_eq!(of("http.head_timeout").field, SettingField::Time("1s".into(), "5m".into(), None));
        for setting in &settings {
            assert!(
                setting.origin != ValueOrigin::Default || setting.text == setting.default,
                "{}",
                setting.path
            );
        }
    }
}
