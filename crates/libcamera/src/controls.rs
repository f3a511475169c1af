//! A camera's controls as named single numbers, and their settings until a request takes them along.
//!
//! libcamera checks little: a value of the wrong type ends the process in an assertion. Everything is therefore
//! checked here against the control's own range.

use std::collections::{BTreeMap, HashMap, VecDeque};

use libcamera::camera::Camera;
use libcamera::control::{ControlIdRef, ControlInfo, ControlList};
use libcamera::control_value::{ControlType, ControlValue};
use libcamera::controls::ControlId;
use libcamera::geometry::Rectangle;
use tallycam_libcamera::{Control, Kind, Value};

use crate::cameras::property;
use crate::names;

/// Not for users: this program sets the rate, and the rest is for camera developers.
const LEFT_OUT: [&str; 12] = [
    "FrameDurationLimits",
    "AfPause",
    "AePrecaptureTrigger",
    "ColorCorrectionAberrationMode",
    "DebugMetadataEnable",
    "LensShadingMapMode",
    "ScalerCrops",
    "StatsOutputEnable",
    "CnnEnableInputTensor",
    "SyncMode",
    "SyncFrames",
    "TestPatternMode",
];
/// `AeEnable` sets both of these; in the same request they would be applied before it.
const OF_AE_ENABLE: [&str; 2] = ["exposure_time_mode", "analogue_gain_mode"];
/// Modes that hand other controls over to the camera or take them back.
const MODES: [&str; 4] = ["ae_enable", "awb_enable", "af_mode", "af_metering"];
/// Maximum number of prepared requests; later settings go with the last one.
const MOST_BATCHES: usize = 16;
/// Greater limits are nonsense in any camera's control.
const ABSURD: f64 = 1e12;
const MAX_ZOOM: f64 = 8.0;
/// Size of the focus window, as a share of the frame's width and height.
const FOCUS_WINDOW: f64 = 0.2;

#[derive(Default)]
pub struct Controls {
    entries: Vec<Entry>,
    /// Settings for the next requests, by libcamera's number. Within one request libcamera has an order of its own.
    pending: VecDeque<BTreeMap<u32, ControlValue>>,
    ids: HashMap<String, u32>,
    gains: [f64; 2],
    zoom: f64,
    /// Centre of the focus window.
    focus: [f64; 2],
    /// The part of the sensor that frames show without zoom.
    whole: Option<Rectangle>,
}

struct Entry {
    control: Control,
    id: u32,
    target: Target,
}

#[derive(Clone, Copy)]
enum Target {
    /// The control itself, with this type.
    Scalar(Type),
    /// Red or blue of `ColourGains`.
    Gain(usize),
    /// `AfTrigger`.
    Trigger,
    /// x or y of the window in `AfWindows`.
    Focus(usize),
    /// `ScalerCrop`.
    Zoom,
}

#[derive(Clone, Copy)]
enum Type {
    Bool,
    Byte,
    Uint16,
    Uint32,
    Int32,
    Int64,
    Float,
}

impl Type {
    fn of(id: &ControlIdRef) -> Option<Type> {
        Some(match id.ty() {
            _ if id.is_array() => return None,
            ControlType::Bool => Type::Bool,
            ControlType::Byte => Type::Byte,
            ControlType::Uint16 => Type::Uint16,
            ControlType::Uint32 => Type::Uint32,
            ControlType::Int32 => Type::Int32,
            ControlType::Int64 => Type::Int64,
            ControlType::Float => Type::Float,
            _ => return None,
        })
    }

    fn value(self, number: f64) -> ControlValue {
        match self {
            Type::Bool => ControlValue::from(number != 0.0),
            Type::Byte => ControlValue::from(number as u8),
            Type::Uint16 => ControlValue::from(number as u16),
            Type::Uint32 => ControlValue::from(number as u32),
            Type::Int32 => ControlValue::from(number as i32),
            Type::Int64 => ControlValue::from(number as i64),
            Type::Float => ControlValue::from(number as f32),
        }
    }
}

/// The number in a value that holds a single one.
pub fn number(value: &ControlValue) -> Option<f64> {
    let number = match value {
        ControlValue::Bool(v) if v.len() == 1 => f64::from(v[0]),
        ControlValue::Byte(v) if v.len() == 1 => f64::from(v[0]),
        ControlValue::Uint16(v) if v.len() == 1 => f64::from(v[0]),
        ControlValue::Uint32(v) if v.len() == 1 => f64::from(v[0]),
        ControlValue::Int32(v) if v.len() == 1 => f64::from(v[0]),
        ControlValue::Int64(v) if v.len() == 1 => v[0] as f64,
        // 0.1 rather than 0.10000000149.
        ControlValue::Float(v) if v.len() == 1 => v[0].to_string().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

fn rectangle(value: &ControlValue) -> Option<Rectangle> {
    match value {
        ControlValue::Rectangle(v) => v.first().copied().filter(|r| r.width > 0 && r.height > 0),
        _ => None,
    }
}

impl Controls {
    /// The controls of the camera in its current configuration.
    pub fn of_camera(camera: &Camera<'_>) -> Controls {
        let mut controls = Controls { gains: [1.0; 2], zoom: 1.0, focus: [0.5; 2], ..Controls::default() };
        let infos = camera.controls();
        let list = ControlList::from_info_map(infos);
        let known = list.as_ref().and_then(|list| list.id_map()).and_then(|map| map.iter());
        let known: HashMap<u32, ControlIdRef> = known.into_iter().flatten().collect();
        let mut infos: Vec<(u32, &ControlInfo)> = infos.into_iter().collect();
        infos.sort_by_key(|(id, _)| *id);
        for (id, info) in infos {
            let Some(about) = known.get(&id) else { continue };
            controls.ids.insert(about.name().to_owned(), id);
            controls.add(camera, id, about, info);
        }
        if controls.entries.iter().any(|entry| entry.control.name == "ae_enable") {
            controls.entries.retain(|entry| !OF_AE_ENABLE.contains(&entry.control.name.as_str()));
        }
        controls
    }

    /// Limits the exposure to the duration of a frame in microseconds.
    pub fn limit_exposure(&mut self, frame_us: f64) {
        for Entry { control, .. } in &mut self.entries {
            if control.name == "exposure_time" && (control.min + 1.0..control.max).contains(&frame_us) {
                control.max = frame_us.floor();
                control.default = control.default.min(control.max);
            }
        }
    }

    /// Queues a value in the right order: after an earlier one of the same control, and a mode after all earlier
    /// settings.
    fn put(&mut self, id: u32, is_mode: bool, value: ControlValue) {
        let is_after =
            |last: &BTreeMap<u32, ControlValue>| last.contains_key(&id) || is_mode && !last.is_empty();
        let must_wait = self.pending.back().is_none_or(is_after) && self.pending.len() < MOST_BATCHES;
        if must_wait {
            self.pending.push_back(BTreeMap::new());
        }
        if let Some(last) = self.pending.back_mut() {
            last.insert(id, value);
        }
    }

    fn add(&mut self, camera: &Camera<'_>, id: u32, about: &ControlIdRef, info: &ControlInfo) {
        let mut add = |name: &str, kind: Kind, range: Range, target: Target| {
            let choices = Vec::new();
            let unit = names::unit(name).to_owned();
            let Range { min, max, step, default } = range;
            let control = Control { name: name.to_owned(), kind, unit, min, max, step, default, choices };
            self.entries.push(Entry { control, id, target });
        };
        match about.name() {
            name if LEFT_OUT.contains(&name) || about.vendor() == "debug" => {}
            "ColourGains" => {
                let Some(range) = Range::of(info, 0.0, 1.0) else { return };
                add("colour_gains_red", Kind::Decimal, range, Target::Gain(0));
                add("colour_gains_blue", Kind::Decimal, range, Target::Gain(1));
            }
            "AfTrigger" => add(
                "af_trigger",
                Kind::Button,
                Range { min: 0.0, max: 1.0, step: 1.0, default: 0.0 },
                Target::Trigger,
            ),
            "AfWindows" => {
                if self.whole.is_none() {
                    self.whole = sensor(camera);
                }
                let range = Range { min: 0.0, max: 1.0, step: 0.0, default: 0.5 };
                add("af_window_x", Kind::Decimal, range, Target::Focus(0));
                add("af_window_y", Kind::Decimal, range, Target::Focus(1));
            }
            "ScalerCrop" => {
                let whole =
                    rectangle(&info.def()).or_else(|| rectangle(&info.max())).or_else(|| sensor(camera));
                let least = rectangle(&info.min()).map_or(1, |least| least.width);
                let max =
                    whole.map_or(MAX_ZOOM, |whole| f64::from(whole.width) / f64::from(least)).min(MAX_ZOOM);
                self.whole = whole.or(self.whole);
                if max > 1.0 {
                    add(
                        "zoom",
                        Kind::Decimal,
                        Range { min: 1.0, max, step: 0.0, default: 1.0 },
                        Target::Zoom,
                    );
                }
            }
            name => {
                let Some(of_type) = Type::of(about) else { return };
                self.entries.extend(scalar(id, &names::snake(name), of_type, info));
            }
        }
    }

    pub fn list(&self) -> Vec<Control> {
        self.entries.iter().map(|entry| entry.control.clone()).collect()
    }

    /// libcamera's number of the control of this name, if the camera has it.
    pub fn id(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    /// Sets a control with the next request; the error is the reason for a refusal.
    pub fn set(&mut self, value: &Value) -> Result<(), String> {
        let entry = self.entries.iter().find(|entry| entry.control.name == value.name);
        let Entry { control, id, target } = entry.ok_or("the camera has no such control")?;
        check(control, value.value)?;
        let (id, target, number) = (*id, *target, value.value);
        let is_mode = MODES.contains(&control.name.as_str());
        match target {
            Target::Scalar(of_type) => {
                self.put(id, is_mode, of_type.value(number));
            }
            Target::Gain(at) => {
                self.gains[at] = number;
                self.put(id, false, self.gains.map(|gain| gain as f32).into());
            }
            Target::Trigger if number == 0.0 => {}
            // AfTriggerStart.
            Target::Trigger => {
                self.put(id, false, 0_i32.into());
            }
            Target::Focus(at) => {
                let whole = self.whole.ok_or("the camera does not say which part of its sensor it shows")?;
                self.focus[at] = number;
                self.put(id, false, windows(crop(whole, self.zoom), self.focus).into());
            }
            Target::Zoom => {
                let whole = self.whole.ok_or("the camera does not say which part of its sensor it shows")?;
                self.zoom = number;
                self.put(id, false, crop(whole, number).into());
                // The window is a part of the frame, which now shows another part of the sensor.
                if let Some(&windows_id) = self.ids.get("AfWindows").filter(|_| self.focus != [0.5; 2]) {
                    self.put(windows_id, false, windows(crop(whole, number), self.focus).into());
                }
            }
        }
        Ok(())
    }

    /// Writes pending settings to a request's list. They stay pending until [`Controls::taken`].
    pub fn write(&self, list: &mut ControlList) {
        for (id, value) in self.pending.front().into_iter().flatten() {
            // This crate never returns an error here.
            let _ = list.set_raw(*id, value.clone());
        }
    }

    /// The request with the pending settings has been queued.
    pub fn taken(&mut self) {
        self.pending.pop_front();
    }
}

#[derive(Clone, Copy)]
struct Range {
    min: f64,
    max: f64,
    step: f64,
    default: f64,
}

impl Range {
    /// libcamera's range, if it makes sense; the default is often missing.
    fn of(info: &ControlInfo, step: f64, default: f64) -> Option<Range> {
        let (min, max) = (number(&info.min())?, number(&info.max())?);
        if min >= max || min.abs() > ABSURD || max.abs() > ABSURD {
            return None;
        }
        let default = number(&info.def()).unwrap_or(default).clamp(min, max);
        Some(Range { min, max, step, default })
    }
}

fn scalar(id: u32, name: &str, of_type: Type, info: &ControlInfo) -> Option<Entry> {
    let unit = names::unit(name).to_owned();
    let choices = if matches!(of_type, Type::Int32 | Type::Byte) { choices(id, info) } else { Vec::new() };
    let (kind, range) = match (of_type, choices.as_slice()) {
        (_, [first, .., last]) => {
            let named =
                number(&info.def()).filter(|default| choices.iter().any(|(n, _)| *n as f64 == *default));
            let default = named.unwrap_or(first.0 as f64);
            (Kind::Menu, Range { min: first.0 as f64, max: last.0 as f64, step: 0.0, default })
        }
        // There is nothing to choose.
        (_, [_]) => return None,
        (Type::Bool, _) => {
            // Automatic exposure and white balance are on from the start if the library does not tell.
            let default = number(&info.def()).unwrap_or(if name.ends_with("_enable") { 1.0 } else { 0.0 });
            (Kind::Boolean, Range { min: 0.0, max: 1.0, step: 1.0, default })
        }
        (Type::Float, _) => (Kind::Decimal, Range::of(info, 0.0, 0.0)?),
        _ => (Kind::Integer, Range::of(info, 1.0, 0.0)?),
    };
    let Range { min, max, step, default } = range;
    let control = Control { name: name.to_owned(), kind, unit, min, max, step, default, choices };
    Some(Entry { control, id, target: Target::Scalar(of_type) })
}

/// The named choices of a control, in the order of their numbers.
fn choices(id: u32, info: &ControlInfo) -> Vec<(i64, String)> {
    let named = ControlId::try_from(id).map(|id| id.enumerators_map()).unwrap_or_default();
    let mut named: Vec<(i64, String)> = named.into_iter().map(|(n, name)| (i64::from(n), name)).collect();
    named.sort_unstable();
    let values: Vec<f64> = info.values().iter().filter_map(number).collect();
    let (min, max) = (number(&info.min()), number(&info.max()));
    let is_offered = |n: i64| match values.as_slice() {
        [] => min.is_some_and(|min| n as f64 >= min) && max.is_some_and(|max| n as f64 <= max),
        values => values.contains(&(n as f64)),
    };
    names::titles(&named).into_iter().filter(|(n, _)| is_offered(*n)).collect()
}

fn check(control: &Control, number: f64) -> Result<(), String> {
    let Control { min, max, .. } = *control;
    match control.kind {
        _ if !number.is_finite() => Err("it is no number".to_owned()),
        Kind::Boolean | Kind::Button if number != 0.0 && number != 1.0 => Err("it takes 0 or 1".to_owned()),
        Kind::Menu if !control.choices.iter().any(|(n, _)| *n as f64 == number) => {
            let known: Vec<String> =
                control.choices.iter().map(|(n, title)| format!("{n} ({title})")).collect();
            Err(format!("it takes {}", known.join(", ")))
        }
        Kind::Integer if number.fract() != 0.0 => Err("it takes whole numbers".to_owned()),
        Kind::Integer | Kind::Decimal if number < min || number > max => {
            Err(format!("it takes {min} to {max}"))
        }
        _ => Ok(()),
    }
}

/// The part of the sensor that frames can show.
fn sensor(camera: &Camera<'_>) -> Option<Rectangle> {
    let named = |name: &str| property(camera, name).as_ref().and_then(rectangle);
    named("ScalerCropMaximum").or_else(|| named("PixelArrayActiveAreas"))
}

/// The centre part of `whole`, smaller by the factor `zoom`.
fn crop(whole: Rectangle, zoom: f64) -> Rectangle {
    let width = (f64::from(whole.width) / zoom).round().max(1.0) as u32;
    let height = (f64::from(whole.height) / zoom).round().max(1.0) as u32;
    let x = whole.x + ((whole.width - width.min(whole.width)) / 2) as i32;
    let y = whole.y + ((whole.height - height.min(whole.height)) / 2) as i32;
    Rectangle { x, y, width, height }
}

/// The focus window around `middle` of the visible part of the sensor, split into its left and right halves: the
/// crate cannot write a list of one.
fn windows(shown: Rectangle, middle: [f64; 2]) -> [Rectangle; 2] {
    let along = |length: u32, middle: f64| {
        let size = (f64::from(length) * FOCUS_WINDOW).max(2.0);
        let from = (f64::from(length) * middle - size / 2.0).clamp(0.0, (f64::from(length) - size).max(0.0));
        (from as i32, size as u32)
    };
    let (x, width) = along(shown.width, middle[0]);
    let (y, height) = along(shown.height, middle[1]);
    let half = width / 2;
    let left = Rectangle { x: shown.x + x, y: shown.y + y, width: half, height };
    [left, Rectangle { x: left.x + half as i32, ..left }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(kind: Kind, min: f64, max: f64) -> Control {
        let choices = vec![(0, "Auto".to_owned()), (4, "Indoor".to_owned())];
        Control { name: "x".into(), kind, unit: String::new(), min, max, step: 0.0, default: min, choices }
    }

    #[test]
    fn values_that_would_abort_the_library_are_refused() {
        let refused = [
            (Kind::Decimal, f64::NAN),
            (Kind::Decimal, f64::INFINITY),
            (Kind::Decimal, 8.1),
            (Kind::Integer, 1.5),
            (Kind::Boolean, 2.0),
            (Kind::Menu, 1.0),
            (Kind::Button, 0.5),
        ];
        for (kind, number) in refused {
            assert!(check(&control(kind, 0.0, 8.0), number).is_err(), "{kind:?} {number}");
        }
        for (kind, number) in
            [(Kind::Decimal, 8.0), (Kind::Integer, 3.0), (Kind::Boolean, 1.0), (Kind::Menu, 4.0)]
        {
            assert_eq!(check(&control(kind, 0.0, 8.0), number), Ok(()));
        }
    }

    #[test]
    fn zoom_keeps_the_middle() {
        let whole = Rectangle { x: 0, y: 96, width: 4608, height: 2400 };
        let shown = crop(whole, 2.0);
        assert_eq!((shown.x, shown.y, shown.width, shown.height), (1152, 696, 2304, 1200));
        let same = crop(whole, 1.0);
        assert_eq!((same.x, same.y, same.width, same.height), (0, 96, 4608, 2400));
    }

    #[test]
    fn the_focus_window_stays_within_the_frame() {
        let shown = Rectangle { x: 100, y: 200, width: 1000, height: 500 };
        let [left, right] = windows(shown, [0.5, 0.5]);
        assert_eq!((left.x, left.y, left.width, left.height), (500, 400, 100, 100));
        assert_eq!((right.x, right.width), (600, 100));
        let [left, right] = windows(shown, [1.0, 0.0]);
        assert_eq!((left.x, left.y, right.x + right.width as i32), (900, 200, 1100));
    }
}
