//! What the page of settings is given: settings, controls and formats as the page's own data; and what its form sends
//! as changes of settings and of controls.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::Value;

use crate::config::keys::{self, Key};
use crate::config::{self, Origin, SourceKind, kind, show_duration};
use crate::http::api::camera::controls;
use crate::http::api::counting::model::ModelList;
use crate::http::api::machine::settings::{item, items, typed};
use crate::http::auth::caller::Who;
use crate::http::pages::data_counting;
use crate::http::preferences::{NotSet, PreferenceChanges, SettingsInForce, Terms, WrongSetting, meanwhile};
use crate::http::report::state::StateReport;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::site::Site;
use crate::media::{self, Control, ControlKind};
use crate::ui::{
    self, CameraMode, ControlsFacts, RefusalReason, Setting, SettingField, SettingsPage, ValueOrigin,
};

/// What is to be told at controls, by their names.
pub type AtFields = Vec<(String, String)>;

/// Changes settings as a page's form asks for it.
pub async fn change(site: &Site, changes: PreferenceChanges) -> Result<(), Problem> {
    site.preferences()?.change(changes, Terms::default()).await?;
    Ok(())
}

/// The page as things are now.
pub async fn page(site: &Site, who: &Who) -> SettingsPage {
    let in_force = site.preferences().map(|preferences| preferences.in_force());
    let (controls, no_controls) = match site.pipeline.recent_controls().await {
        Ok(found) => (Some(of_camera(&found, in_force.as_deref().ok())), String::new()),
        Err(error) => (None, error.to_string()),
    };
    let modes = site.pipeline.formats().await.map(|formats| modes(&formats)).unwrap_or_default();
    let head = data_counting::head_of(&StateReport::of(site, who));
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
            unkept: in_force.unkept.clone(),
            waits: site.clock_wait().map(|wait| (wait, site.clock())),
            ..SettingsPage::default()
        },
        Err(none) => {
            SettingsPage { head, controls, no_controls, fixed: none.to_string(), ..SettingsPage::default() }
        }
    }
}

/// What the simulated scene is offered in.
const SIZES: [(u32, u32); 4] = [(640, 360), (640, 480), (1280, 720), (1920, 1080)];

/// What there is to choose from.
#[derive(Debug, Default)]
struct Offers {
    /// Names of time zones.
    zones: Arc<[String]>,
    /// Names of models.
    models: Arc<[String]>,
    /// Classes of the model; empty where unknown.
    classes: Vec<String>,
    /// Names of lines; `None` where nothing is counted.
    lines: Option<Vec<String>>,
    /// Cameras of libcamera can be used.
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

    /// Words of a choice that lead nowhere here: what is not installed, and what only the operator's file can complete.
    fn is_left_out(&self, path: &str, word: &str) -> bool {
        match (path, word) {
            ("source.kind", "libcamera") => !self.has_libcamera,
            ("source.kind", "exec") | ("detect.backend", "replay") => true,
            _ => false,
        }
    }
}

/// One setting; `None` for what is no key: lines, zones, controls.
fn of(setting: &config::ResolvedSetting, in_force: &SettingsInForce, offers: &Offers) -> Option<Setting> {
    let key = key(&setting.path)?;
    let is =
        if key.kind.is_secret() && setting.value == "\"\"" { String::new() } else { text(&setting.value) };
    Some(Setting {
        path: setting.path.clone(),
        field: field(key, &setting.path, &is, offers),
        text: is.clone(),
        unit: None,
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

fn key(path: &str) -> Option<&'static Key> {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    keys::find(section, name)
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

/// Ticks for the items of a list, `is` those that are set.
fn several(is: &str, all: &[String]) -> SettingField {
    let listed = |all: &[String]| all.iter().map(|one| item(one)).collect::<Vec<_>>();
    let chosen = listed(&items(is).unwrap_or_default());
    let mut others = listed(all);
    others.retain(|one| !chosen.contains(one));
    SettingField::Several { chosen, others }
}

/// Names of time zones: those of the machine, or those that came with the program; without the aliases of one word, of
/// which only UTC is in use. Read once, on a thread that may wait.
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

/// A value of TOML as it stands in its field.
fn text(value: &str) -> String {
    fn plain(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(list) => list.iter().map(listed).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        }
    }
    fn listed(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::String(text) => item(text),
            other => plain(other),
        }
    }
    serde_json::from_str(value).map_or_else(|_| value.to_owned(), |value| plain(&value))
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

/// What is told at controls that the camera has refused.
pub fn not_taken(refused: &[String]) -> AtFields {
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
        saved: names(&|in_force, name| controls::is_saved(in_force, identity, name)),
        pinned: names(&|in_force, name| controls::pinned(in_force, identity, name).is_some()),
        typed: Vec::new(),
        wrong: not_taken(&found.refused),
        notes: found.notes.clone(),
    }
}

/// What the form of a group changes of what is in force: fields that are other than they were when the page was made. A
/// switch that is off, and a list without a tick, send nothing but what they were.
///
/// # Errors
/// Somebody else has set one of them meanwhile, or nobody knows where a list's items end.
pub fn changes(form: &Query, in_force: &SettingsInForce) -> Result<PreferenceChanges, NotSet> {
    let mut changes = PreferenceChanges::new();
    let toml = |path: &str, wanted: &str| typed(path, wanted).map_err(|wrong| NotSet::Wrong(vec![wrong]));
    for (name, was) in form.pairs() {
        let Some((path, key)) = name.strip_prefix("was.").and_then(|path| Some((path, key(path)?))) else {
            continue;
        };
        let Some(setting) = in_force.resolved.settings.iter().find(|own| own.path == path) else { continue };
        let Some(wanted) = wanted(form, path, key) else { continue };
        let (was, is) = (was.trim(), text(&setting.value));
        // Where there is a word in a number's place, its field is empty.
        let is_untouched =
            wanted.is_empty() && (was == text(key.default) || key.kind.shape().or == Some(was));
        if wanted == was || wanted == is || is_untouched {
            continue;
        }
        if is != was {
            return Err(NotSet::Changed);
        }
        let wanted = Some(wanted).filter(|wanted| !wanted.is_empty());
        changes.insert(path.to_owned(), wanted.map(|wanted| toml(path, &wanted)).transpose()?);
    }
    // What a secret was is not told: an empty field leaves it.
    for (path, wanted) in form.pairs() {
        if key(path).is_some_and(|key| key.kind.is_secret()) && !wanted.is_empty() {
            changes.insert(path.clone(), Some(toml(path, wanted)?));
        }
    }
    let is_touched = |mode: &&str| !mode.is_empty() && form.get("was.mode") != Some(*mode);
    if let Some(mode) = form.get(MODE).filter(is_touched) {
        changes.extend(mode_changes(mode, in_force).map_err(|wrong| NotSet::Wrong(vec![wrong]))?);
    }
    Ok(changes)
}

/// What the field of a setting says, with its unit; `None` where the form has none.
fn wanted(form: &Query, path: &str, key: &Key) -> Option<String> {
    let shape = key.kind.shape();
    let sent: Vec<&str> =
        form.pairs().iter().filter(|(name, _)| name == path).map(|(_, value)| value.trim()).collect();
    let typed = match (sent.last(), shape.word) {
        (_, "list") => return Some(sent.join(", ")),
        (None, "boolean") => "false",
        (typed, _) => typed?,
    };
    let Some(unit) = form.get(&format!("unit.{path}")) else { return Some(typed.to_owned()) };
    if shape.or == Some(unit) {
        return Some(unit.to_owned());
    }
    // As people write it where a comma parts the decimals. What is no number may have a unit of its own: "1 week".
    let number = typed.replace(',', ".");
    let is_number = number.parse::<f64>().is_ok_and(|number| number.is_finite() && number >= 0.0);
    Some(if is_number { number + unit } else { typed.to_owned() })
}

/// The field that chooses a mode.
const MODE: &str = "mode";

/// The rows that say “Saved” after `changes`: the mode is one.
pub fn saved(form: &Query, changes: &PreferenceChanges) -> String {
    let is_mode = |path: &&str| form.get(MODE).is_some() && MODE_KEYS.contains(path);
    let keys = changes.keys().map(String::as_str);
    let mode = keys.clone().find(is_mode).map(|_| MODE);
    keys.filter(|path| !is_mode(path)).chain(mode).collect::<Vec<_>>().join(",")
}

const MODE_KEYS: [&str; 3] = ["source.format", "source.width", "source.height"];

/// A mode as its three settings; nothing where it is in force already.
///
/// # Errors
/// It is none.
fn mode_changes(mode: &str, in_force: &SettingsInForce) -> Result<PreferenceChanges, WrongSetting> {
    let sized = || {
        let (format, size) = mode.split_once('-')?;
        let (width, height) = size.split_once('x')?;
        Some([Some(format), Some(width), Some(height)])
    };
    let values = if mode == "auto" { Some([None; 3]) } else { sized() };
    let values = values.ok_or_else(|| WrongSetting {
        path: String::from("source.width"),
        given: kind::quoted(mode),
        message: format!("there is no resolution {mode:?}."),
        hint: Some(String::from("choose one of the list")),
    })?;
    let wanted = MODE_KEYS.into_iter().zip(values);
    let is = |path: &str| {
        let setting = in_force.resolved.settings.iter().find(|own| own.path == path);
        setting.map(|own| text(&own.value)).unwrap_or_default()
    };
    wanted
        .filter(|(path, value)| is(path) != value.unwrap_or("auto"))
        .map(|(path, value)| Ok((path.to_owned(), value.map(|value| typed(path, value)).transpose()?)))
        .collect()
}

/// What the form of controls wants otherwise than its page has shown it: name, what it was, what is wanted. A switch that
/// is off sends nothing but what it was.
fn moved<'a>(form: &'a Query, controls: &[Control]) -> Vec<(&'a str, &'a str, &'a str)> {
    let moved = form.pairs().iter().filter_map(|(name, was)| {
        let name = name.strip_prefix("was.")?;
        let wanted = form.get(name).unwrap_or("0");
        let control = controls.iter().find(|control| control.name == name);
        let is_same =
            wanted == was || control.is_some_and(|control| number(wanted) == at_field(control, number(was)));
        (!is_same).then_some((name, was.as_str(), wanted))
    });
    moved.collect()
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// What the control's field holds where it is given `value`: browsers move a slider to the nearest of its steps, and show
/// the first choice of a menu that is at none.
fn at_field(control: &Control, value: Option<f64>) -> Option<f64> {
    let value = value?;
    Some(match &control.kind {
        ControlKind::Number { .. } => control.kind.round_to_step(value),
        ControlKind::Boolean => f64::from(value != 0.0),
        ControlKind::Menu(choices) if choices.iter().all(|(choice, _)| *choice as f64 != value) => {
            choices.first()?.0 as f64
        }
        ControlKind::Menu(_) | ControlKind::Button => value,
    })
}

/// What the form of controls changes of what `controls` are now.
///
/// # Errors
/// Somebody else has set some of them meanwhile: their names, and to what, in words.
pub fn control_changes(form: &Query, controls: &[Control]) -> Result<Vec<(String, Value)>, AtFields> {
    let (mut changes, mut theirs) = (Vec::new(), Vec::new());
    for (name, was, wanted) in moved(form, controls) {
        if let Some(control) = controls.iter().find(|control| control.name == name) {
            let is = Some(control.value);
            if number(wanted) == is {
                continue;
            }
            // What an automatic mode rules moves by itself.
            if !control.inactive && at_field(control, number(was)) != at_field(control, is) {
                let is = ui::control_in_words(control, control.value);
                theirs.push((name.to_owned(), format!("Somebody else has set this to {is} meanwhile")));
            }
        }
        changes.push((name.to_owned(), Value::from(wanted)));
    }
    if theirs.is_empty() { Ok(changes) } else { Err(theirs) }
}

/// The page again, with what was typed into the form of controls, if that it was, and what is `wrong` with it.
pub async fn controls_refused(
    site: &Site,
    who: &Who,
    form: &Query,
    problem: &Problem,
    mut wrong: AtFields,
) -> SettingsPage {
    let mut page = page(site, who).await;
    if let Some(field) = problem.wrong.as_ref().filter(|_| wrong.is_empty()) {
        let range = Some(&field.range).filter(|range| !range.is_empty());
        let why = range.map_or_else(|| problem.detail.clone(), |range| format!("This takes {range}"));
        wrong.push((field.field.clone(), why));
    }
    if let Some(facts) = &mut page.controls {
        let moved = moved(form, &facts.controls).into_iter();
        facts.typed =
            moved.filter_map(|(name, _, wanted)| Some((name.to_owned(), number(wanted)?))).collect();
        facts.wrong = wrong;
    }
    page.refused = Some(data_counting::refusal(problem));
    page
}

/// The page again, with what was typed and what is wrong with it.
pub async fn refused(site: &Site, who: &Who, form: &Query, not: NotSet) -> (Problem, SettingsPage) {
    let mut page = page(site, who).await;
    put_typed(&mut page, form);
    let is_changed = matches!(not, NotSet::Changed);
    for setting in page.settings.iter_mut().filter(|_| is_changed) {
        let was = form.get(&format!("was.{}", setting.path));
        if was.is_some_and(|was| was != setting.is) && setting.text != setting.is {
            setting.is_changed = true;
            setting.wrong = Some(format!("Somebody else has set this to {} meanwhile", setting.is));
        }
    }
    if let NotSet::Wrong(wrong) = &not {
        for wrong in wrong {
            let setting = page.settings.iter_mut().find(|own| own.path == wrong.path);
            if let Some(setting) = setting {
                let hint = wrong.hint.as_ref().map(|hint| format!(". {hint}"));
                let message = wrong.message.trim_end_matches('.').to_owned() + &hint.unwrap_or_default();
                setting.wrong = Some(ui::name_settings(&message));
            }
        }
    }
    if let NotSet::Pinned { path, .. } = &not
        && let Some(setting) = page.settings.iter_mut().find(|own| own.path == *path)
    {
        setting.wrong = Some(refusal(data_counting::refusal(&Problem::from(not.clone()))).detail);
    }
    let problem = if is_changed { meanwhile() } else { Problem::from(not) };
    page.refused = Some(refusal(data_counting::refusal(&problem)));
    (problem, page)
}

/// Why a setting was not changed, with the labels of the page of settings in the place of keys.
pub fn refusal(reason: RefusalReason) -> RefusalReason {
    let RefusalReason { mut detail, hint, field } = reason;
    if let Some(rest) = detail.strip_prefix(&field).filter(|rest| rest.starts_with(' ')) {
        detail = format!("`{field}`{rest}");
    }
    RefusalReason { detail: ui::name_settings(&detail), hint: ui::name_settings(&hint), field }
}

/// Puts what was typed into the fields of the page.
pub fn put_typed(page: &mut SettingsPage, form: &Query) {
    for setting in &mut page.settings {
        let path = &setting.path;
        let Some(key) = key(path).filter(|_| form.get(&format!("was.{path}")).is_some()) else { continue };
        setting.unit = form.get(&format!("unit.{path}")).map(str::to_owned);
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
    fn only_what_is_other_than_it_was_is_changed() {
        let in_force = SettingsInForce::of("[stream]\nquality = 70");
        let changes = |form: &str| changes(&Query::parse(form), &in_force);
        assert_eq!(changes("stream.quality=70&was.stream.quality=70"), Ok(PreferenceChanges::new()));
        assert_eq!(
            changes(
                "stream.quality=60&was.stream.quality=70&name=&was.name=camera&picture.gray=true&was.picture.gray=false&\
                 unit.stream.stall=s&stream.stall=5&was.stream.stall=5s&unit.stream.idle_stop=m&stream.idle_stop=2&\
                 was.stream.idle_stop=30s&unit.record.max_duration=d&record.max_duration=1+week&was.record.max_duration=1h&\
                 unit.retention.snapshots_age=d&retention.snapshots_age=&was.retention.snapshots_age=never&\
                 unit.retention.recordings_size=unlimited&retention.recordings_size=5&was.retention.recordings_size=unlimited&\
                 unit.retention.min_free=GB&retention.min_free=0,5&was.retention.min_free=500MB"
            ),
            Ok(PreferenceChanges::from([
                ("picture.gray".into(), Some("true".into())),
                ("record.max_duration".into(), Some("\"1 week\"".into())),
                ("retention.min_free".into(), Some("\"0.5GB\"".into())),
                ("stream.idle_stop".into(), Some("\"2m\"".into())),
                ("stream.quality".into(), Some("60".into())),
            ]))
        );
        assert_eq!(changes("stream.quality=60&was.stream.quality=80"), Err(NotSet::Changed));
        // An empty field is the default; where it is that already, nothing is changed.
        assert_eq!(
            changes("stream.quality=&was.stream.quality=70"),
            Ok(PreferenceChanges::from([("stream.quality".into(), None)]))
        );
        // Somebody else wants the same.
        assert_eq!(changes("stream.quality=70&was.stream.quality=80"), Ok(PreferenceChanges::new()));
        assert_eq!(changes("source.password=&name=x"), Ok(PreferenceChanges::new()));
        assert_eq!(
            changes("source.password=s%22x"),
            Ok(PreferenceChanges::from([("source.password".into(), Some("\"s\\\"x\"".into()))]))
        );
    }

    fn control(name: &str, kind: ControlKind, value: i64) -> Control {
        Control { value: value as f64, ..Control::new(1, name, name, kind) }
    }

    #[test]
    fn only_controls_that_somebody_has_moved_are_changed() {
        let mains = ControlKind::Menu(vec![(1, "50 Hz".into()), (2, "60 Hz".into())]);
        let mut controls = vec![
            control("gain", ControlKind::integer(0, 255, 1), 128),
            control("focus", ControlKind::integer(0, 255, 5), 42),
            control("zoom", ControlKind::integer(10, 52, 10), 300),
            control("flip", ControlKind::Boolean, 1),
            control("mains", mains, 0),
        ];
        let shown = "was.gain=128&was.focus=42&was.zoom=300&was.flip=1&was.mains=0";
        let changes = |controls: &[Control], typed: &str| {
            control_changes(&Query::parse(&format!("{shown}&{typed}")), controls)
        };
        let is = |name: &str, value: &str| Ok(vec![(name.to_owned(), Value::from(value))]);
        // As a browser sends it where nothing was touched: each slider at one of its steps, a menu at its first choice.
        let untouched = "focus=40&zoom=50&flip=1&mains=1";
        assert_eq!(changes(&controls, &format!("gain=128&{untouched}")), Ok(Vec::new()));
        assert_eq!(changes(&controls, &format!("gain=60&{untouched}")), is("gain", "60"));
        assert_eq!(changes(&controls, "gain=128&focus=45&zoom=50&flip=1&mains=1"), is("focus", "45"));
        assert_eq!(changes(&controls, "gain=128&focus=40&zoom=50&mains=1"), is("flip", "0"));
        assert_eq!(changes(&controls, "gain=128&focus=40&zoom=50&flip=1&mains=2"), is("mains", "2"));

        // Somebody else has turned what is not touched here, and what is.
        (controls[0].value, controls[3].value) = (200.0, 0.0);
        assert_eq!(changes(&controls, "gain=128&focus=45&zoom=50&flip=1&mains=1"), is("focus", "45"));
        let theirs = |name: &str, is: &str| {
            Err(vec![(name.to_owned(), format!("Somebody else has set this to {is} meanwhile"))])
        };
        assert_eq!(
            changes(&controls, "gain=60&focus=45&zoom=50&flip=1&mains=1"),
            theirs("gain", "200"),
            "and nothing of the rest is set"
        );
        assert_eq!(changes(&controls, &format!("gain=200&{untouched}")), Ok(Vec::new()), "the same");
        // Between the same two steps, and of what an automatic mode rules, nobody has turned anything.
        (controls[1].value, controls[0].inactive) = (41.0, true);
        assert_eq!(changes(&controls, "gain=128&focus=55&zoom=50&flip=1&mains=1"), is("focus", "55"));
        assert_eq!(changes(&controls, &format!("gain=60&{untouched}")), is("gain", "60"));
        assert_eq!(changes(&controls, &format!("gain=128&was.no=1&no=2&{untouched}")), is("no", "2"));
    }

    #[test]
    fn lists_parts_and_modes_are_written_as_people_do() {
        let in_force = SettingsInForce::of("");
        let changes = |form: &str| changes(&Query::parse(form), &in_force).unwrap();
        assert_eq!(
            changes(
                "detect.classes=person,+car&was.detect.classes=&picture.crop=0,0,.5,1&was.picture.crop=none"
            ),
            PreferenceChanges::from([
                ("detect.classes".into(), Some("[\"person\", \"car\"]".into())),
                ("picture.crop".into(), Some("[0, 0, 0.5, 1]".into())),
            ])
        );
        let names = SettingsInForce::of("[record]\non_crossing = ['T\u{fc}r', 'a, b']");
        assert_eq!(text(&names.resolved.setting("record.on_crossing").unwrap().value), "T\u{fc}r, \"a, b\"");
        assert_eq!(
            changes("record.on_crossing=T%C3%BCr,+%22a,+b%22&was.record.on_crossing="),
            PreferenceChanges::from([("record.on_crossing".into(), Some("[\"T\u{fc}r\", \"a, b\"]".into()))])
        );
        let unclosed = Query::parse("record.on_crossing=%22a,+b&was.record.on_crossing=");
        assert!(matches!(super::changes(&unclosed, &in_force), Err(NotSet::Wrong(_))));
        assert_eq!(
            changes("mode=MJPG-960x720"),
            PreferenceChanges::from([
                ("source.format".into(), Some("\"MJPG\"".into())),
                ("source.height".into(), Some("720".into())),
                ("source.width".into(), Some("960".into())),
            ])
        );
        assert_eq!(changes("mode=auto"), PreferenceChanges::new(), "it is so already");
    }

    #[test]
    fn every_key_has_a_field_and_its_default_in_it() {
        let in_force = SettingsInForce::of("name = 'Yard'");
        let settings: Vec<Setting> = in_force
            .resolved
            .settings
            .iter()
            .filter_map(|own| of(own, &in_force, &Offers::default()))
            .collect();
        assert_eq!(settings.len(), crate::config::keys::all().count());
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
