//! The camera's controls on the capture thread: values set at open, values set while streaming, and values that wait
//! for the next open.
//!
//! A value is set once per open; setting it again is skipped. Auto modes are set before the values that they manage.
//! A value that an active mode manages is not set at open. A saved value is set when its auto mode is switched off.
//!
//! Between a value set on a closed camera and a saved value, the later one wins. Defaults are set before the modes
//! that will manage them. If a mode manages one already, the mode is off meanwhile. Saved values that the camera has
//! not accepted are reported to every reader while they are saved.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::pipeline::commands::{CameraControls, ControlsError, SavedControls, WrongControl};
use tallycam_camera::media::{Control, ControlKind, ControlValue, SourceError, SourceErrorKind};
use tallycam_camera::source::controls::{ControlPlan, Objection, is_auto_mode, plan};
use tallycam_camera::source::{Opener, Source};

/// State of the controls. Lives on the capture thread.
#[derive(Debug, Default)]
pub struct CameraTuning {
    /// Identity of the camera that was opened last.
    identity: Option<String>,
    /// Its most recently read controls; `None` if not read since the open.
    known: Option<Vec<Control>>,
    /// Values set since the open that the camera has accepted.
    asked: BTreeMap<String, f64>,
    /// Values saved for it at the previous check.
    held: BTreeMap<String, f64>,
    /// Values for the next open, unless a later saved value replaces them; `None` means the default.
    waiting: BTreeMap<String, Option<f64>>,
    /// Values of the last open or saved since that the camera has not accepted.
    unmet: Vec<Unmet>,
    /// The last answer to a reader, its time, and true if the camera was open. `None` after a change.
    answered: Option<(Instant, bool, CameraControls)>,
}

/// A value that the camera has not accepted as requested.
#[derive(Debug, Clone)]
struct Unmet {
    name: String,
    wanted: f64,
    /// The value that it has set instead; `None` if it refused.
    taken: Option<f64>,
    why: String,
}

impl Unmet {
    /// A value that was never sent to the camera.
    fn from_objection(objection: &Objection) -> Unmet {
        let ControlValue { name, value } = objection.wanted.clone();
        Unmet { name, wanted: value, taken: None, why: objection.why.clone() }
    }
}

/// Maximum age of an answer for readers, about the interval at which pages and programs ask.
const RECENT: Duration = Duration::from_secs(1);

impl CameraTuning {
    /// Sets the values for a camera that was just opened, except those that an automatic mode manages. Returns
    /// messages about values that cannot be set.
    pub fn apply_on_open(&mut self, source: &mut dyn Source, saved: &SavedControls) -> Vec<String> {
        self.invalidate();
        self.identify_camera(source.identity(), saved);
        self.known = None;
        self.asked.clear();
        self.unmet.clear();
        let waiting = std::mem::take(&mut self.waiting);
        if self.held.is_empty() && waiting.is_empty() {
            return Vec::new();
        }
        let controls = match source.controls() {
            Ok(controls) => controls,
            Err(trouble) => return vec![format!("The camera's controls cannot be set: {trouble}.")],
        };
        let (mut wanted, mut notes) = order_values(&controls, &self.held);
        let mut defaults = Vec::new();
        for (name, value) in waiting {
            let of = controls.iter().find(|control| control.name == name);
            let is_default = value.is_none();
            if let Some(value) = value.or(of.map(|control| control.default)) {
                defaults.extend(is_default.then(|| name.clone()));
                set_wanted(&mut wanted, ControlValue { name, value });
            }
        }
        let plan = plan(&controls, &wanted);
        let mut setting = ControlSetter::new(source, controls);
        // Missing frames will reveal a camera that is gone.
        let done = setting.apply_unmanaged(&plan).and_then(|ruled| {
            let is_default = |value: &ControlValue| defaults.contains(&value.name);
            setting.apply_managed(ruled.into_iter().filter(is_default).collect())
        });
        self.unmet = plan.objections.iter().map(Unmet::from_objection).chain(setting.unmet).collect();
        notes.extend(self.unmet.iter().map(|unmet| unmet.why.clone()));
        notes.extend(done.err().map(|trouble| format!("{trouble}.")));
        self.asked = setting.taken;
        self.known = Some(setting.controls);
        notes
    }

    /// The last known controls of the camera that was opened last.
    pub fn known_controls(&self) -> Option<&[Control]> {
        self.known.as_deref()
    }

    /// Reads the controls of an open camera.
    pub fn read(&mut self, source: &mut dyn Source) -> Result<CameraControls, ControlsError> {
        let controls = source.controls()?;
        self.known = Some(controls.clone());
        let read = CameraControls {
            notes: self.unmet.iter().map(|unmet| unmet.why.clone()).collect(),
            refused: refused_names(&self.unmet),
            ..report(source, controls)
        };
        self.answered = Some((Instant::now(), true, read.clone()));
        Ok(read)
    }

    /// The last answer if it is less than a second old at `now`, the camera was open (or closed) as it is now, and
    /// nothing was set since.
    pub fn recently_read(&self, is_open: bool, now: Instant) -> Option<CameraControls> {
        let (at, was_open, read) = self.answered.as_ref()?;
        (*was_open == is_open && now.saturating_duration_since(*at) < RECENT).then(|| read.clone())
    }

    /// Discards the last answer.
    pub fn invalidate(&mut self) {
        self.answered = None;
    }

    /// The controls of a closed camera, with the values that they will have after the open.
    pub fn read_closed(
        &mut self,
        opener: &mut dyn Opener,
        saved: &SavedControls,
    ) -> Result<CameraControls, ControlsError> {
        let mut controls = opener.controls()?;
        let identity = opener.identity();
        let (mut wanted, _) = order_values(&controls, &saved.for_camera(identity.as_deref()));
        if identity == self.identity {
            for (name, value) in &self.waiting {
                let of = controls.iter().find(|control| control.name == *name);
                if let Some(value) = value.or(of.map(|control| control.default)) {
                    set_wanted(&mut wanted, ControlValue { name: name.clone(), value });
                }
            }
        }
        let plan = plan(&controls, &wanted);
        let mut unmet: Vec<Unmet> = plan.objections.iter().map(Unmet::from_objection).collect();
        let mut is_other_mode = false;
        for will in plan.settings() {
            // A value that the camera did not accept before is not accepted now either.
            let known = self.unmet.iter().find(|unmet| unmet.name == will.name && unmet.wanted == will.value);
            let known = known.filter(|_| identity == self.identity);
            unmet.extend(known.cloned());
            let Some(value) = known.map_or(Some(will.value), |unmet| unmet.taken) else { continue };
            if let Some(control) =
                controls.iter_mut().find(|c| c.name == will.name && c.kind != ControlKind::Button)
            {
                is_other_mode |= control.value != value && is_auto_mode(control);
                control.value = value;
            }
        }
        if is_other_mode {
            // The controls that the new mode will manage are known only after it is set.
            controls.iter_mut().for_each(|control| control.inactive = false);
        }
        let camera = opener.describe();
        let refused = refused_names(&unmet);
        let notes = unmet.into_iter().map(|unmet| unmet.why).collect();
        let read = CameraControls { identity, camera, controls, notes, refused };
        self.answered = Some((Instant::now(), false, read.clone()));
        Ok(read)
    }

    /// Sets controls of an open camera: all, or none if one is wrong.
    pub fn set(
        &mut self,
        source: &mut dyn Source,
        wanted: &[ControlValue],
        saved: &SavedControls,
    ) -> Result<CameraControls, ControlsError> {
        self.set_by(source, wanted, saved, |setting, plan| setting.apply_all(plan))
    }

    /// Like [`CameraTuning::set`] with `wanted` as the controls' defaults. Also sets those that an automatic mode
    /// manages.
    pub fn reset(
        &mut self,
        source: &mut dyn Source,
        wanted: &[ControlValue],
        saved: &SavedControls,
    ) -> Result<CameraControls, ControlsError> {
        self.set_by(source, wanted, saved, |setting, plan| setting.defaults(plan))
    }

    fn set_by(
        &mut self,
        source: &mut dyn Source,
        wanted: &[ControlValue],
        saved: &SavedControls,
        set: impl FnOnce(&mut ControlSetter<'_>, &ControlPlan) -> Result<(), SourceError>,
    ) -> Result<CameraControls, ControlsError> {
        self.invalidate();
        let controls = match self.known.take() {
            Some(controls) => controls,
            None => source.controls()?,
        };
        let plan = checked(&controls, wanted);
        let plan = match plan {
            Ok(plan) => plan,
            Err(wrong) => {
                self.known = Some(controls);
                return Err(wrong);
            }
        };
        self.held = saved.for_camera(source.identity().as_deref());
        let held = self.held.clone();
        let mut setting = ControlSetter::new(source, controls);
        let done = set(&mut setting, &plan).and_then(|()| setting.apply_newly_active(&plan, &held));
        let ControlSetter { controls, unmet, taken, .. } = setting;
        self.unmet.retain(|before| !taken.contains_key(&before.name));
        // A refused value that was just requested is not a saved one.
        let of_saved = |unmet: &&Unmet| plan.settings().all(|planned| planned.name != unmet.name);
        self.unmet.extend(unmet.iter().filter(of_saved).cloned());
        self.asked.extend(taken);
        done?;
        self.known = Some(controls.clone());
        let refused = refused_names(&unmet);
        let notes = plan.notes.into_iter().chain(unmet.into_iter().map(|unmet| unmet.why)).collect();
        Ok(CameraControls { notes, refused, ..report(source, controls) })
    }

    /// Like [`CameraTuning::set`] for a closed camera: its controls get these values at the next open.
    pub fn set_closed(
        &mut self,
        opener: &mut dyn Opener,
        wanted: &[ControlValue],
        saved: &SavedControls,
    ) -> Result<CameraControls, ControlsError> {
        self.wait_for(opener, wanted, saved, |setting| Some(setting.value))
    }

    /// Like [`CameraTuning::reset`] for a closed camera.
    pub fn reset_closed(
        &mut self,
        opener: &mut dyn Opener,
        wanted: &[ControlValue],
        saved: &SavedControls,
    ) -> Result<CameraControls, ControlsError> {
        self.wait_for(opener, wanted, saved, |_| None)
    }

    fn wait_for(
        &mut self,
        opener: &mut dyn Opener,
        wanted: &[ControlValue],
        saved: &SavedControls,
        value: impl Fn(&ControlValue) -> Option<f64>,
    ) -> Result<CameraControls, ControlsError> {
        let plan = checked(&opener.controls()?, wanted)?;
        self.identify_camera(opener.identity(), saved);
        for setting in plan.settings() {
            self.waiting.insert(setting.name.clone(), value(setting));
            // The camera is asked again at the next open.
            self.unmet.retain(|unmet| unmet.name != setting.name);
        }
        let mut report = self.read_closed(opener, saved)?;
        self.invalidate();
        report.notes = plan.notes;
        report.refused.clear();
        Ok(report)
    }

    /// Applies a change of the saved values. An open camera gets the new ones, and the defaults of those removed; a
    /// closed camera gets them at the next open. Returns messages about values that cannot be set.
    pub fn sync_saved(
        &mut self,
        source: Option<&mut (dyn Source + 'static)>,
        saved: &SavedControls,
    ) -> Vec<String> {
        self.invalidate();
        let Some(source) = source else {
            self.identify_camera(self.identity.clone(), saved);
            return Vec::new();
        };
        let (before, gone) = self.replace_saved(saved);
        let is_news = |(name, value): &(&String, &f64)| {
            before.get(*name) != Some(value) && self.asked.get(*name) != Some(value)
        };
        let new: BTreeMap<String, f64> =
            self.held.iter().filter(is_news).map(|(name, value)| (name.clone(), *value)).collect();
        if new.is_empty() && gone.is_empty() {
            return Vec::new();
        }
        let controls = match self.known.take().map_or_else(|| source.controls(), Ok) {
            Ok(controls) => controls,
            Err(trouble) => return vec![format!("The camera's controls cannot be set: {trouble}.")],
        };
        let (wanted, mut notes) = order_values(&controls, &new);
        let defaults = controls.iter().filter(|control| gone.contains(&control.name)).filter(|control| {
            !control.read_only && self.asked.get(&control.name).unwrap_or(&control.value) != &control.default
        });
        let defaults: Vec<_> =
            defaults.map(|c| ControlValue { name: c.name.clone(), value: c.default }).collect();
        let (new_plan, defaults) = (plan(&controls, &wanted), plan(&controls, &defaults));
        let mut setting = ControlSetter::new(source, controls);
        let done = setting.apply_changes(&new_plan, &defaults, &self.held);
        notes.extend(done.err().map(|trouble| format!("{trouble}.")));
        let ControlSetter { controls, unmet, taken, .. } = setting;
        let objections = new_plan.objections.iter().chain(&defaults.objections).map(Unmet::from_objection);
        let unmet: Vec<Unmet> = objections.chain(unmet).collect();
        notes.extend(unmet.iter().map(|unmet| unmet.why.clone()));
        self.unmet.retain(|before| {
            let name = &before.name;
            !gone.contains(name) && !new.contains_key(name) && !taken.contains_key(name)
        });
        // A refused value that is no longer saved cannot be corrected by the user.
        self.unmet.extend(unmet.into_iter().filter(|unmet| self.held.contains_key(&unmet.name)));
        self.asked.extend(taken);
        self.known = Some(controls);
        notes
    }

    /// Adopts the identity of the closed or just opened camera and its saved values. A waiting value is dropped if
    /// another value was saved since. A value no longer saved returns to its default.
    fn identify_camera(&mut self, identity: Option<String>, saved: &SavedControls) {
        if identity != self.identity {
            // Waiting and saved values belonged to another camera.
            self.waiting.clear();
            self.held.clear();
            self.unmet.clear();
            self.identity = identity;
        }
        let (before, gone) = self.replace_saved(saved);
        let held = &self.held;
        self.waiting.retain(|name, _| before.get(name) == held.get(name));
        self.waiting.extend(gone.into_iter().map(|name| (name, None)));
    }

    /// Replaces the saved values. Returns the values before and the names that were removed.
    fn replace_saved(&mut self, saved: &SavedControls) -> (BTreeMap<String, f64>, Vec<String>) {
        let held = saved.for_camera(self.identity.as_deref());
        let before = std::mem::replace(&mut self.held, held);
        let gone = before.keys().filter(|name| !self.held.contains_key(*name)).cloned().collect();
        (before, gone)
    }
}

/// Sets controls on an open camera and records the results.
struct ControlSetter<'a> {
    source: &'a mut dyn Source,
    controls: Vec<Control>,
    taken: BTreeMap<String, f64>,
    unmet: Vec<Unmet>,
}

impl<'a> ControlSetter<'a> {
    fn new(source: &'a mut dyn Source, controls: Vec<Control>) -> ControlSetter<'a> {
        ControlSetter { source, controls, taken: BTreeMap::new(), unmet: Vec::new() }
    }

    /// Sets all values of the plan, and reads the controls again if they may have changed.
    fn apply_all(&mut self, plan: &ControlPlan) -> Result<(), SourceError> {
        let mut is_known = true;
        for wanted in plan.settings() {
            is_known &= self.apply_one(wanted)?;
        }
        if !is_known {
            self.controls = self.source.controls()?;
        }
        Ok(())
    }

    /// Like [`ControlSetter::apply_all`], without values that a mode manages once all modes are set. The camera would
    /// refuse them at every open. [`ControlSetter::apply_newly_active`] sets the saved ones when the mode ends.
    /// Returns the values left out.
    fn apply_unmanaged(&mut self, plan: &ControlPlan) -> Result<Vec<ControlValue>, SourceError> {
        self.apply_all(&ControlPlan { modes: plan.modes.clone(), ..ControlPlan::default() })?;
        let (ruled, values) = plan.values.iter().cloned().partition(|value| self.is_managed(value));
        self.apply_all(&ControlPlan { values, ..ControlPlan::default() })?;
        Ok(ruled)
    }

    /// Like [`ControlSetter::apply_all`] for defaults. Values go first, because a mode that is automatic by default
    /// would make the camera refuse them.
    fn defaults(&mut self, plan: &ControlPlan) -> Result<(), SourceError> {
        let (ruled, values) = plan.values.iter().cloned().partition(|value| self.is_managed(value));
        self.apply_all(&ControlPlan { values, ..ControlPlan::default() })?;
        self.apply_managed(ruled)?;
        let is_so = |mode: &&ControlValue| self.taken.get(&mode.name) == Some(&mode.value);
        let modes = plan.modes.iter().filter(|mode| !is_so(mode)).cloned().collect();
        self.apply_all(&ControlPlan { modes, ..ControlPlan::default() })
    }

    /// Sets new saved values and the defaults of those removed; `held` has all values saved now. Defaults go before a
    /// mode that will manage them, and after one that is switched off.
    fn apply_changes(
        &mut self,
        new: &ControlPlan,
        defaults: &ControlPlan,
        held: &BTreeMap<String, f64>,
    ) -> Result<(), SourceError> {
        let (ruled, values) = defaults.values.iter().cloned().partition(|value| self.is_managed(value));
        self.apply_all(&ControlPlan { values, ..ControlPlan::default() })?;
        self.apply_all(&ControlPlan { modes: new.modes.clone(), ..ControlPlan::default() })?;
        self.defaults(&ControlPlan {
            modes: defaults.modes.clone(),
            values: ruled,
            ..ControlPlan::default()
        })?;
        self.apply_all(&ControlPlan { values: new.values.clone(), ..ControlPlan::default() })?;
        let both = |new: &[ControlValue], defaults: &[ControlValue]| [new, defaults].concat();
        let (modes, values) = (both(&new.modes, &defaults.modes), both(&new.values, &defaults.values));
        self.apply_newly_active(&ControlPlan { modes, values, ..ControlPlan::default() }, held)
    }

    /// Sets values that automatic modes manage, with the mode off meanwhile. V4L2 does not say which mode manages
    /// which value, so the modes are tried, those with the most common words in their names first. A value that all
    /// modes leave managed is sent anyway; the camera's refusal is reported.
    fn apply_managed(&mut self, mut ruled: Vec<ControlValue>) -> Result<(), SourceError> {
        let alike = |mode: &ControlValue| {
            ruled.iter().map(|value| common_word_count(&mode.name, &value.name)).max().unwrap_or_default()
        };
        let mut modes: Vec<_> = self.controls.iter().filter_map(manual_mode_values).collect();
        modes.sort_by_cached_key(|(manual, _)| std::cmp::Reverse(alike(manual)));
        for (manual, as_it_was) in modes {
            if ruled.is_empty() {
                break;
            }
            let told = self.unmet.len();
            self.apply_all(&ControlPlan { modes: vec![manual], ..ControlPlan::default() })?;
            // Messages about this temporary change are of no interest.
            self.unmet.truncate(told);
            let (still, values) = ruled.into_iter().partition(|value| self.is_managed(value));
            ruled = still;
            self.apply_all(&ControlPlan { values, ..ControlPlan::default() })?;
            self.apply_all(&ControlPlan { modes: vec![as_it_was], ..ControlPlan::default() })?;
        }
        self.apply_all(&ControlPlan { values: ruled, ..ControlPlan::default() })
    }

    fn is_managed(&self, value: &ControlValue) -> bool {
        self.controls.iter().any(|control| control.name == value.name && control.inactive)
    }

    /// Sets one value. Returns true if the other known controls are still valid.
    fn apply_one(&mut self, wanted: &ControlValue) -> Result<bool, SourceError> {
        let at = self.controls.iter().position(|control| control.name == wanted.name);
        let kind = at.map(|at| self.controls[at].kind.clone());
        let name = &wanted.name;
        match self.source.set_control(wanted) {
            Ok(_) if kind == Some(ControlKind::Button) => Ok(false),
            Ok(taken) => {
                if taken != wanted.value {
                    let asked = wanted.value;
                    let why = format!(
                        "The camera was asked to set its control {name} to {asked} and has set it to {taken}."
                    );
                    let name = name.clone();
                    self.unmet.push(Unmet { name, wanted: asked, taken: Some(taken), why });
                }
                self.taken.insert(name.clone(), taken);
                if let Some(at) = at {
                    self.controls[at].value = taken;
                }
                // Modes and switches change other controls.
                Ok(matches!(kind, Some(ControlKind::Number { .. })))
            }
            Err(trouble) if trouble.kind == SourceErrorKind::Unplugged => Err(trouble),
            Err(trouble) => {
                let ruled = self.source.controls()?.iter().any(|c| c.name == *name && c.inactive);
                let why = if ruled {
                    format!("The camera's control `{name}` cannot be set while an automatic mode rules it.")
                } else {
                    format!("{}.", capitalise_first(&trouble.line()))
                };
                self.unmet.push(Unmet { name: name.clone(), wanted: wanted.value, taken: None, why });
                Ok(false)
            }
        }
    }

    /// Sets the saved values of controls that became active because the plan switched their auto mode off.
    fn apply_newly_active(
        &mut self,
        plan: &ControlPlan,
        held: &BTreeMap<String, f64>,
    ) -> Result<(), SourceError> {
        let is_mode = |control: &Control| is_auto_mode(control) && self.taken.contains_key(&control.name);
        if !self.controls.iter().any(is_mode) {
            return Ok(());
        }
        let planned = |name: &str| plan.settings().any(|setting| setting.name == name);
        let held = held.iter().filter(|(name, value)| {
            let control = self.controls.iter().find(|control| control.name == **name);
            !planned(name) && control.is_some_and(|c| !c.inactive && !c.read_only && c.value != **value)
        });
        let held: BTreeMap<String, f64> = held.map(|(name, value)| (name.clone(), *value)).collect();
        let (wanted, _) = order_values(&self.controls, &held);
        self.apply_all(&tallycam_camera::source::controls::plan(&self.controls, &wanted))
    }
}

/// `values` in the order of the camera's own controls, and messages about those that are not restored. Buttons and
/// relative movements are never restored. Unknown controls come last; the plan reports them.
fn order_values(controls: &[Control], values: &BTreeMap<String, f64>) -> (Vec<ControlValue>, Vec<String>) {
    let request = |(name, value): (&String, &f64)| ControlValue { name: name.clone(), value: *value };
    let here = controls.iter().filter_map(|control| values.get_key_value(&control.name));
    let elsewhere = values.iter().filter(|(name, _)| controls.iter().all(|control| control.name != **name));
    let (mut wanted, mut notes) = (Vec::with_capacity(values.len()), Vec::new());
    for request in here.chain(elsewhere).map(request) {
        let is_momentary = |control: &&Control| control.name == request.name && control.is_momentary();
        if let Some(control) = controls.iter().find(is_momentary) {
            let why = match control.kind {
                ControlKind::Button => "is a button, which cannot be kept pressed",
                _ => "moves something, which is not done again at every opening",
            };
            notes.push(format!("The camera's control `{}` {why}.", request.name));
        } else {
            wanted.push(request);
        }
    }
    (wanted, notes)
}

fn set_wanted(wanted: &mut Vec<ControlValue>, request: ControlValue) {
    match wanted.iter_mut().find(|other| other.name == request.name) {
        Some(other) => *other = request,
        None => wanted.push(request),
    }
}

/// The plan for requested values; an error if any of them is wrong.
fn checked(controls: &[Control], wanted: &[ControlValue]) -> Result<ControlPlan, ControlsError> {
    let mut plan = plan(controls, wanted);
    if plan.objections.is_empty() {
        return Ok(plan);
    }
    let wrong = plan.objections.drain(..).map(|objection| WrongControl {
        name: objection.wanted.name,
        given: objection.wanted.value,
        message: objection.why,
    });
    Err(ControlsError::Wrong(wrong.collect()))
}

fn report(source: &dyn Source, controls: Vec<Control>) -> CameraControls {
    CameraControls {
        identity: source.identity(),
        camera: source.source_info().name.clone(),
        controls,
        notes: Vec::new(),
        refused: Vec::new(),
    }
}

fn refused_names(unmet: &[Unmet]) -> Vec<String> {
    unmet.iter().filter(|unmet| unmet.taken.is_none()).map(|unmet| unmet.name.clone()).collect()
}

/// The value that makes an automatic mode manual, and the value that restores it. `None` if `control` is no mode or
/// is manual already.
fn manual_mode_values(control: &Control) -> Option<(ControlValue, ControlValue)> {
    let manual = match &control.kind {
        _ if control.read_only || !is_auto_mode(control) => None,
        ControlKind::Boolean => Some(0.0),
        ControlKind::Menu(choices) => {
            let is_manual = |title: &str| title.to_lowercase().contains("manual");
            choices.iter().find(|(_, title)| is_manual(title)).map(|(number, _)| *number as f64)
        }
        ControlKind::Number { .. } | ControlKind::Button => None,
    }?;
    let to = |value| ControlValue { name: control.name.clone(), value };
    (manual != control.value).then(|| (to(manual), to(control.value)))
}

/// Number of common words of two names: `focus_absolute` and `focus_auto` have one.
fn common_word_count(a: &str, b: &str) -> usize {
    a.split('_').filter(|word| b.split('_').any(|other| other == *word)).count()
}

fn capitalise_first(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use tallycam_base::Stop;
    use tallycam_camera::media::{Fourcc, Frame};
    use tallycam_camera::source::StreamFormat;

    /// A camera with a focus under an auto mode, a gain with a limit of its own, and a button.
    struct Camera {
        delivers: StreamFormat,
        identity: Option<String>,
        controls: Vec<Control>,
        asked: Vec<String>,
        /// The camera refuses values that a mode manages.
        is_strict: bool,
    }

    fn control(name: &str, kind: ControlKind, default: i64) -> Control {
        let default = default as f64;
        Control { default, value: default, ..Control::new(1, name, name, kind) }
    }

    fn camera() -> Camera {
        let range = ControlKind::integer(0, 100, 5);
        let delivers = StreamFormat {
            name: String::from("Cam"),
            fourcc: Fourcc::MJPG,
            width: 0,
            height: 0,
            fps: None,
            notes: Vec::new(),
            is_simulated: false,
        };
        let controls = vec![
            control("gain", range.clone(), 10),
            control("focus", range, 0),
            control("focus_auto", ControlKind::Boolean, 1),
            control("press", ControlKind::Button, 0),
        ];
        let mut camera = Camera {
            delivers,
            identity: Some(String::from("cam-1")),
            controls,
            asked: Vec::new(),
            is_strict: false,
        };
        camera.rule();
        camera
    }

    impl Camera {
        fn rule(&mut self) {
            self.controls[1].inactive = self.controls[2].value != 0.0;
        }

        fn value(&self, name: &str) -> i64 {
            self.controls.iter().find(|control| control.name == name).unwrap().value as i64
        }

        fn asked(&mut self) -> Vec<String> {
            std::mem::take(&mut self.asked)
        }
    }

    impl Source for Camera {
        fn source_info(&self) -> &StreamFormat {
            &self.delivers
        }

        fn next(&mut self, _wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
            Ok(None)
        }

        fn identity(&self) -> Option<String> {
            self.identity.clone()
        }

        fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
            Ok(self.controls.clone())
        }

        fn set_control(&mut self, wanted: &ControlValue) -> Result<f64, SourceError> {
            self.asked.push(format!("{}={}", wanted.name, wanted.value));
            let is_strict = self.is_strict;
            let control = self.controls.iter_mut().find(|control| control.name == wanted.name).unwrap();
            if is_strict && control.inactive {
                return Err(SourceError::new(SourceErrorKind::Unsupported, "not now"));
            }
            // The gain never exceeds 60, whatever its range says.
            control.value = if control.name == "gain" { wanted.value.min(60.0) } else { wanted.value };
            let taken = control.value;
            self.rule();
            Ok(taken)
        }
    }

    /// The same camera while closed.
    impl Opener for Camera {
        fn describe(&self) -> String {
            self.delivers.name.clone()
        }

        fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
            Err(SourceError::new(SourceErrorKind::Failed, "the test opens it itself"))
        }

        fn identity(&mut self) -> Option<String> {
            self.identity.clone()
        }

        fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
            Ok(self.controls.clone())
        }
    }

    fn values(values: &[(&str, i64)]) -> Vec<ControlValue> {
        values
            .iter()
            .map(|&(name, value)| ControlValue { name: name.to_owned(), value: value as f64 })
            .collect()
    }

    fn saved(of: &[(&str, i64)]) -> SavedControls {
        let of = of.iter().map(|&(name, value)| (name.to_owned(), value as f64)).collect();
        SavedControls { cameras: BTreeMap::from([(String::from("cam-1"), of)]), ..SavedControls::default() }
    }

    #[test]
    fn the_operators_values_win_over_those_of_the_camera() {
        let mut saved = saved(&[("gain", 20), ("focus", 30)]);
        saved.pinned.insert(String::from("gain"), 40.0);
        assert_eq!(
            saved.for_camera(Some("cam-1")),
            BTreeMap::from([("gain".into(), 40.0), ("focus".into(), 30.0)])
        );
        assert_eq!(saved.for_camera(Some("cam-2")), BTreeMap::from([("gain".into(), 40.0)]));
        assert_eq!(saved.for_camera(None), BTreeMap::from([("gain".into(), 40.0)]));
    }

    #[test]
    fn the_camera_is_read_once_until_a_value_is_set() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        let (nothing, now) = (SavedControls::default(), Instant::now());
        tuning.apply_on_open(&mut cam, &nothing);
        assert_eq!(tuning.recently_read(true, now), None);
        let read = tuning.read(&mut cam).unwrap();
        assert_eq!(tuning.recently_read(true, now), Some(read));
        assert_eq!(tuning.recently_read(false, now), None, "the answer of a closed camera differs");
        assert_eq!(tuning.recently_read(true, Instant::now() + RECENT), None, "the answer is too old");
        tuning.set(&mut cam, &values(&[("gain", 20)]), &nothing).unwrap();
        assert_eq!(tuning.recently_read(true, now), None, "a value was set");
        tuning.read(&mut cam).unwrap();
        tuning.sync_saved(Some(&mut cam), &saved(&[("gain", 30)]));
        assert_eq!(tuning.recently_read(true, now), None, "a saved value was set");
        tuning.read(&mut cam).unwrap();
        tuning.apply_on_open(&mut cam, &nothing);
        assert_eq!(tuning.recently_read(true, now), None, "the camera was opened again");
    }

    #[test]
    fn a_camera_without_saved_values_is_not_read() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        assert_eq!(tuning.apply_on_open(&mut cam, &SavedControls::default()), [""; 0]);
        assert!(tuning.known.is_none() && cam.asked.is_empty());
    }

    #[test]
    fn saved_values_are_set_once_at_every_open() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        let all = saved(&[("focus", 30), ("focus_auto", 0), ("gain", 20), ("press", 1), ("zoom", 1)]);
        let notes = tuning.apply_on_open(&mut cam, &all);
        assert_eq!(cam.asked(), ["focus_auto=0", "gain=20", "focus=30"]);
        assert!(notes.iter().any(|note| note.contains("`press` is a button")), "{notes:?}");
        assert!(notes.iter().any(|note| note.contains("no control `zoom`")), "{notes:?}");
        // The same value is not set again. Another one is, and a removed one returns to its default.
        assert_eq!(tuning.sync_saved(Some(&mut cam), &all).len(), 0);
        assert_eq!(cam.asked(), [""; 0]);
        tuning.sync_saved(Some(&mut cam), &saved(&[("focus", 45), ("focus_auto", 0)]));
        assert_eq!(cam.asked(), ["gain=10", "focus=45"]);
        tuning.apply_on_open(&mut cam, &saved(&[("focus", 45), ("focus_auto", 0)]));
        assert_eq!(cam.asked(), ["focus_auto=0", "focus=45"]);
    }

    #[test]
    fn a_later_saved_value_wins_over_one_set_on_a_closed_camera() {
        let before = saved(&[("gain", 20)]);
        let (kept, none) = (saved(&[("gain", 30)]), saved(&[]));
        let mut pinned = kept.clone();
        pinned.pinned.insert(String::from("gain"), 40.0);
        for (set, kept, later, woken) in [
            (30, &kept, &pinned, 40),
            (30, &kept, &saved(&[("gain", 50)]), 50),
            // No longer saved: its default.
            (30, &kept, &none, 10),
            // Reset, then saved again.
            (10, &none, &saved(&[("gain", 50)]), 50),
            // Only set.
            (30, &kept, &kept, 30),
            (10, &none, &none, 10),
        ] {
            for was_open in [true, false] {
                let (mut tuning, mut cam) = (CameraTuning::default(), camera());
                if was_open {
                    tuning.apply_on_open(&mut cam, &before);
                } else {
                    tuning.sync_saved(None, &before);
                }
                tuning.set_closed(&mut cam, &values(&[("gain", set)]), &before).unwrap();
                tuning.sync_saved(None, kept);
                assert_eq!(tuning.read_closed(&mut cam, kept).unwrap().controls[0].value as i64, set);
                tuning.sync_saved(None, later);
                assert_eq!(tuning.read_closed(&mut cam, later).unwrap().controls[0].value as i64, woken);
                tuning.apply_on_open(&mut cam, later);
                assert_eq!(cam.value("gain"), woken, "{set}, {kept:?}, {later:?}");
            }
        }
    }

    #[test]
    fn a_value_saved_while_opening_wins_too() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        let kept = saved(&[("gain", 30), ("focus_auto", 0)]);
        tuning.apply_on_open(&mut cam, &kept);
        tuning.set_closed(&mut cam, &values(&[("gain", 30)]), &kept).unwrap();
        cam.asked();
        tuning.apply_on_open(&mut cam, &saved(&[("gain", 40)]));
        assert_eq!(cam.asked(), ["focus_auto=1", "gain=40"]);
    }

    #[test]
    fn values_that_wait_for_one_camera_are_not_set_on_another() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        let kept = saved(&[("gain", 20)]);
        tuning.apply_on_open(&mut cam, &kept);
        tuning.set_closed(&mut cam, &values(&[("gain", 30)]), &kept).unwrap();
        cam.identity = Some(String::from("cam-2"));
        cam.asked();
        tuning.apply_on_open(&mut cam, &kept);
        assert_eq!(
            cam.asked(),
            [""; 0],
            "neither the waiting value nor the default for the other camera's saved value"
        );
    }

    #[test]
    fn a_value_set_and_then_saved_is_sent_once() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        tuning.apply_on_open(&mut cam, &SavedControls::default());
        let report = tuning.set(&mut cam, &values(&[("gain", 83)]), &SavedControls::default()).unwrap();
        assert_eq!(report.controls[0].value, 60.0);
        assert_eq!(
            report.notes.len(),
            2,
            "rounded to a step, and not taken by the camera: {:?}",
            report.notes
        );
        tuning.sync_saved(Some(&mut cam), &saved(&[("gain", 60)]));
        assert_eq!(cam.asked(), ["gain=85"]);
        // Set back and no longer saved: sent once, too.
        tuning.set(&mut cam, &values(&[("gain", 10)]), &saved(&[("gain", 60)])).unwrap();
        tuning.sync_saved(Some(&mut cam), &SavedControls::default());
        assert_eq!((cam.asked(), cam.value("gain")), (vec![String::from("gain=10")], 10));
    }

    #[test]
    fn one_wrong_value_keeps_all_from_being_set() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        tuning.apply_on_open(&mut cam, &SavedControls::default());
        let wanted = values(&[("gain", 20), ("gian", 3), ("focus", 101)]);
        let Err(ControlsError::Wrong(wrong)) = tuning.set(&mut cam, &wanted, &SavedControls::default())
        else {
            panic!("the values were set");
        };
        assert_eq!(wrong.iter().map(|wrong| wrong.name.as_str()).collect::<Vec<_>>(), ["gian", "focus"]);
        assert_eq!(cam.asked(), [""; 0]);
    }

    #[test]
    fn a_saved_value_comes_into_effect_when_its_auto_mode_is_switched_off() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        cam.is_strict = true;
        let kept = saved(&[("focus", 30)]);
        assert_eq!(tuning.apply_on_open(&mut cam, &kept), [""; 0]);
        assert_eq!(cam.asked(), [""; 0], "an automatic mode rules it");
        let report = tuning.set(&mut cam, &values(&[("focus_auto", 0)]), &kept).unwrap();
        assert_eq!(cam.asked(), ["focus_auto=0", "focus=30"]);
        assert_eq!((report.controls[1].value, report.controls[1].inactive), (30.0, false));
        // A request for both wins over the saved value.
        tuning.set(&mut cam, &values(&[("focus_auto", 1)]), &kept).unwrap();
        tuning.set(&mut cam, &values(&[("focus", 50), ("focus_auto", 0)]), &kept).unwrap();
        assert_eq!(cam.asked(), ["focus_auto=1", "focus_auto=0", "focus=50"]);
    }

    #[test]
    fn values_under_an_active_mode_are_not_set_at_open() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        cam.is_strict = true;
        // Manual at first, then automatic; both values are saved.
        tuning.apply_on_open(&mut cam, &saved(&[("focus", 30), ("focus_auto", 0)]));
        assert_eq!(cam.asked(), ["focus_auto=0", "focus=30"]);
        let kept = saved(&[("focus", 30), ("focus_auto", 1), ("gain", 20)]);
        for _ in 0..2 {
            assert_eq!(tuning.apply_on_open(&mut cam, &kept), [""; 0]);
            assert_eq!(cam.asked(), ["focus_auto=1", "gain=20"]);
        }
        // The mode has moved the focus. When it is switched off, the saved value returns.
        cam.controls[1].value = 90.0;
        tuning.sync_saved(Some(&mut cam), &saved(&[("focus", 30), ("focus_auto", 0), ("gain", 20)]));
        assert_eq!(cam.asked(), ["focus_auto=0", "focus=30"]);
    }

    #[test]
    fn a_saved_value_that_is_not_accepted_is_reported_while_it_is_saved() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        let kept = saved(&[("gain", 80), ("focus", 300)]);
        let told =
            |read: &CameraControls| (read.controls[0].value as i64, read.notes.len(), read.refused.clone());
        // Without an open the expected values are reported, except impossible ones.
        let focus = vec![String::from("focus")];
        assert_eq!(told(&tuning.read_closed(&mut cam, &kept).unwrap()), (80, 1, focus.clone()));
        tuning.apply_on_open(&mut cam, &kept);
        let read = tuning.read(&mut cam).unwrap();
        assert_eq!(told(&read), (60, 2, focus.clone()));
        assert!(
            read.notes.iter().any(|note| note.contains("to 80 and has set it to 60")),
            "{:?}",
            read.notes
        );
        // The closed camera reports the same; the answer to setting another control does not repeat it.
        assert_eq!(told(&tuning.read_closed(&mut cam, &kept).unwrap()), (60, 2, focus.clone()));
        let set = tuning.set(&mut cam, &values(&[("press", 1)]), &kept).unwrap();
        assert_eq!(told(&set), (60, 0, Vec::new()));
        // Another value, then none.
        tuning.sync_saved(Some(&mut cam), &saved(&[("gain", 20), ("focus", 300)]));
        assert_eq!(told(&tuning.read(&mut cam).unwrap()), (20, 1, focus));
        tuning.sync_saved(Some(&mut cam), &saved(&[("gain", 20)]));
        assert_eq!(told(&tuning.read(&mut cam).unwrap()), (20, 0, Vec::new()));
    }

    #[test]
    fn a_value_set_again_on_a_closed_camera_is_tried_again() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        let kept = saved(&[("gain", 80)]);
        tuning.apply_on_open(&mut cam, &kept);
        let set = tuning.set_closed(&mut cam, &values(&[("gain", 80)]), &kept).unwrap();
        assert_eq!((set.controls[0].value, set.notes.len(), set.refused.len()), (80.0, 0, 0));
        tuning.apply_on_open(&mut cam, &kept);
        assert_eq!(tuning.read(&mut cam).unwrap().notes.len(), 1);
    }

    #[test]
    fn a_value_under_a_mode_has_its_default_after_a_reset() {
        let defaults = values(&[("gain", 10), ("focus", 0), ("focus_auto", 1)]);
        // Manual mode: values go before the mode.
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        cam.is_strict = true;
        tuning.apply_on_open(&mut cam, &SavedControls::default());
        let by_hand = values(&[("focus_auto", 0), ("focus", 50), ("gain", 20)]);
        let kept = saved(&[("focus_auto", 0), ("focus", 50), ("gain", 20)]);
        tuning.set(&mut cam, &by_hand, &SavedControls::default()).unwrap();
        tuning.sync_saved(Some(&mut cam), &kept);
        cam.asked();
        let report = tuning.reset(&mut cam, &defaults, &kept).unwrap();
        assert_eq!(cam.asked(), ["gain=10", "focus=0", "focus_auto=1"]);
        assert_eq!((report.refused.len(), cam.value("focus"), cam.value("focus_auto")), (0, 0, 1));
        tuning.sync_saved(Some(&mut cam), &SavedControls::default());
        assert_eq!(cam.asked(), [""; 0]);

        // Automatic again: the mode is manual while the value is set.
        tuning.set(&mut cam, &by_hand, &SavedControls::default()).unwrap();
        tuning.set(&mut cam, &values(&[("focus_auto", 1)]), &SavedControls::default()).unwrap();
        cam.asked();
        let report = tuning.reset(&mut cam, &values(&[("focus", 0)]), &SavedControls::default()).unwrap();
        assert_eq!(cam.asked(), ["focus_auto=0", "focus=0", "focus_auto=1"]);
        assert_eq!((report.refused.len(), cam.value("focus")), (0, 0));
        assert!(report.controls[1].inactive);
    }

    #[test]
    fn a_removed_value_returns_to_its_default_under_any_mode() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        cam.is_strict = true;
        let by_hand = saved(&[("focus", 50), ("focus_auto", 0), ("gain", 20)]);
        // The mode becomes automatic: by its default, or because it is saved so.
        for (later, asked) in [
            (saved(&[]), ["gain=10", "focus=0", "focus_auto=1"]),
            (saved(&[("focus_auto", 1)]), ["gain=10", "focus=0", "focus_auto=1"]),
            (saved(&[("gain", 30), ("focus_auto", 1)]), ["focus=0", "focus_auto=1", "gain=30"]),
        ] {
            tuning.apply_on_open(&mut cam, &by_hand);
            cam.asked();
            assert_eq!(tuning.sync_saved(Some(&mut cam), &later), [""; 0]);
            assert_eq!(cam.asked(), asked);
            let read = tuning.read(&mut cam).unwrap();
            assert_eq!((read.notes.len(), read.refused.len()), (0, 0));
            assert!(read.controls[1].inactive);
        }
        // The mode is active already: it is manual while the value is set.
        tuning.apply_on_open(&mut cam, &by_hand);
        tuning.sync_saved(Some(&mut cam), &saved(&[("focus", 50), ("focus_auto", 1), ("gain", 20)]));
        cam.asked();
        tuning.sync_saved(Some(&mut cam), &saved(&[("gain", 20)]));
        assert_eq!(cam.asked(), ["focus_auto=0", "focus=0", "focus_auto=1"]);
        // The saved values switch the mode off, which frees the value.
        tuning.sync_saved(Some(&mut cam), &saved(&[("focus", 50), ("focus_auto", 0)]));
        tuning.sync_saved(Some(&mut cam), &saved(&[("focus", 50), ("focus_auto", 1)]));
        cam.asked();
        tuning.sync_saved(Some(&mut cam), &saved(&[("focus_auto", 0)]));
        assert_eq!(cam.asked(), ["focus_auto=0", "focus=0"]);
    }

    #[test]
    fn a_refused_default_of_a_removed_value_is_not_reported() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        cam.is_strict = true;
        tuning.apply_on_open(&mut cam, &saved(&[("focus", 50), ("focus_auto", 0)]));
        // The code cannot switch off a mode without a manual choice.
        cam.controls[2].kind = ControlKind::Menu(vec![(0, String::from("Off")), (1, String::from("On"))]);
        tuning.known = None;
        tuning.set(&mut cam, &values(&[("focus_auto", 1)]), &SavedControls::default()).unwrap();
        tuning.held = saved(&[("focus", 50)]).for_camera(Some("cam-1"));
        let notes = tuning.sync_saved(Some(&mut cam), &SavedControls::default());
        assert_eq!(notes.len(), 1, "the log reports it");
        let read = tuning.read(&mut cam).unwrap();
        assert_eq!((read.notes.len(), read.refused.len()), (0, 0));
    }

    #[test]
    fn a_control_reset_on_a_closed_camera_has_its_default_at_open() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        cam.is_strict = true;
        let kept = saved(&[("focus", 50), ("focus_auto", 1)]);
        tuning.apply_on_open(&mut cam, &SavedControls::default());
        tuning.set(&mut cam, &values(&[("focus_auto", 0), ("focus", 50)]), &kept).unwrap();
        tuning.set(&mut cam, &values(&[("focus_auto", 1)]), &kept).unwrap();
        cam.asked();
        let set = tuning.reset_closed(&mut cam, &values(&[("focus", 0), ("focus_auto", 1)]), &kept).unwrap();
        assert_eq!(set.controls[1].value, 0.0);
        tuning.sync_saved(None, &SavedControls::default());
        tuning.apply_on_open(&mut cam, &SavedControls::default());
        assert_eq!(cam.asked(), ["focus_auto=1", "focus_auto=0", "focus=0", "focus_auto=1"]);
        assert_eq!((cam.value("focus"), cam.value("focus_auto")), (0, 1));
    }

    #[test]
    fn a_mode_is_manual_at_its_manual_choice() {
        let menu = |titles: &[&str]| {
            let choice = |(n, title): (usize, &&str)| (n as i64, (*title).to_owned());
            ControlKind::Menu(titles.iter().enumerate().map(choice).collect())
        };
        let exposure = control("auto_exposure", menu(&["Auto", "Manual Mode"]), 0);
        let to = |value| ControlValue { name: String::from("auto_exposure"), value };
        assert_eq!(manual_mode_values(&exposure), Some((to(1.0), to(0.0))));
        assert_eq!(manual_mode_values(&Control { value: 1.0, ..exposure.clone() }), None, "it is");
        assert_eq!(
            manual_mode_values(&Control { kind: menu(&["50 Hz"]), ..exposure }),
            None,
            "nothing of it is"
        );
        assert_eq!(manual_mode_values(&control("gain", ControlKind::Boolean, 1)), None, "it is no mode");
        let named = |name: &str| ControlValue { name: name.to_owned(), value: 0.0 };
        let focus = control("af_mode", menu(&["Manual", "Auto", "Continuous"]), 2);
        assert_eq!(manual_mode_values(&focus).unwrap().0, named("af_mode"));
        assert_eq!(
            manual_mode_values(&control("ae_enable", ControlKind::Boolean, 1)).unwrap().0,
            named("ae_enable")
        );
        assert_eq!(common_word_count("focus_automatic_continuous", "focus_absolute"), 1);
        assert_eq!(common_word_count("auto_exposure", "focus_absolute"), 0);
    }

    #[test]
    fn refused_values_are_named() {
        let (mut tuning, mut cam) = (CameraTuning::default(), camera());
        cam.is_strict = true;
        tuning.apply_on_open(&mut cam, &SavedControls::default());
        let wanted = values(&[("focus", 50), ("gain", 20)]);
        let report = tuning.set(&mut cam, &wanted, &SavedControls::default()).unwrap();
        assert_eq!(report.refused, ["focus"]);
        assert_eq!((report.controls[0].value, report.controls[1].value), (20.0, 0.0));
    }
}
