//! Values from the environment and the command line.

use std::collections::BTreeMap;
use std::ffi::OsString;

use toml::Spanned;
use toml::de::DeValue;

use super::resolved::Origin;
use super::{GivenValue, Resolving, is_drawn_section};
use crate::diagnostic::{ComplaintOrigin, FilePosition};
use crate::keys::{BY_CAMERA, CONTROLS, VARIABLE_PREFIX};
use crate::{keys, kind, overrides};

impl Resolving {
    pub(super) fn environment(&mut self, environment: impl IntoIterator<Item = (OsString, OsString)>) {
        let ours = environment
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, value)| name.starts_with(VARIABLE_PREFIX) && !value.is_empty());
        let ours: BTreeMap<String, OsString> = ours.collect();
        for (n, (variable, value)) in ours.iter().enumerate() {
            let text = format!("{variable}={}", value.to_string_lossy());
            let place = |span| FilePosition::in_argument(ComplaintOrigin::Environment, n, &text, span);
            let from = variable.len() + 1;
            let Some(value) = value.to_str() else {
                self.record_complaint(
                    place(from..text.len()),
                    format!("`{variable}` is not UTF-8 text"),
                    None,
                );
                continue;
            };
            if let Some(key) = keys::all().find(|key| key.variable() == *variable) {
                self.read_text_value(&key.path(), value, from, &place, Origin::Environment(variable.clone()));
            } else if let Some(what) = keys::DRAWN.iter().find(|what| *variable == keys::variable(what)) {
                self.read_text_value(what, value, from, &place, Origin::Environment(variable.clone()));
            } else if let Some(what) = [CONTROLS, BY_CAMERA].iter().find(|w| *variable == keys::variable(w)) {
                self.read_text_value(what, value, from, &place, Origin::Environment(variable.clone()));
            } else if let Some((message, hint)) = keys::unknown_variable(variable) {
                self.record_complaint(place(0..variable.len()), message, hint);
            }
        }
    }

    pub(super) fn command_line(&mut self, sets: &[String]) {
        for (n, text) in sets.iter().enumerate() {
            let place = |span| FilePosition::in_argument(ComplaintOrigin::CommandLine, n, text, span);
            match text.split_once('=') {
                Some((path, value)) => {
                    self.read_text_value(path.trim(), value, path.len() + 1, &place, Origin::CommandLine);
                }
                None => {
                    let hint = Some(String::from("for example --set stream.quality=90"));
                    self.record_complaint(place(0..text.len()), "this must be section.key=value", hint);
                }
            }
        }
    }

    /// Reads the value of `path` from `text`, which begins at byte `from` of the text that `place` shows.
    pub(super) fn read_text_value(
        &mut self,
        path: &str,
        text: &str,
        from: usize,
        place: &dyn Fn(std::ops::Range<usize>) -> FilePosition,
        origin: Origin,
    ) {
        let shifted = |span: std::ops::Range<usize>| place(span.start + from..span.end + from);
        let given = GivenValue { place: &shifted, span: 0..text.len(), origin };
        let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
        let value = || {
            kind::parse_given(text)
                .unwrap_or_else(|_| Spanned::new(0..text.len(), DeValue::String(text.into())))
        };
        if let Some(key) = keys::find(section, name) {
            let read = key.kind.apply_text(text, &mut self.config);
            self.read(key.path(), read, &given);
        } else if is_drawn_section(path) {
            let origin = given.origin.to_string();
            self.read_drawn(path, &value(), &|_| origin.clone(), &given);
        } else if let Some((camera, name)) = overrides::control_of(path) {
            self.read_camera_controls(&camera, &name, &value(), &given);
        } else if path == BY_CAMERA {
            self.cameras_in(&value(), &given);
        } else if let Some(name) = overrides::any_camera_control(path) {
            self.control(&name, &value(), &given);
        } else if path == CONTROLS {
            match value().get_ref().as_table() {
                Some(table) => {
                    for (name, value) in table {
                        self.control(name.get_ref(), value, &given);
                    }
                }
                None => {
                    let message = format!("`{path}` must be a table such as {{ brightness = 128 }}");
                    self.record_complaint(shifted(0..text.len()), message, None);
                }
            }
        } else {
            let (message, hint) = if keys::is_section(path) {
                (format!("`{path}` is a section, not a key"), Some(format!("write {path}.KEY=VALUE")))
            } else if section.is_empty() || keys::is_section(section) {
                keys::unknown_key(section, name)
            } else {
                keys::unknown_section(section)
            };
            self.record_complaint(place(0..path.len()), message, hint);
        }
    }

    /// `{ "CAMERA" = { brightness = 128 } }` from the environment or the command line.
    pub(super) fn cameras_in(&mut self, value: &Spanned<DeValue<'_>>, given: &GivenValue<'_>) {
        let cameras = value.get_ref().as_table();
        let Some(cameras) = cameras.filter(|all| all.values().all(|c| c.get_ref().is_table())) else {
            let message =
                format!("`{BY_CAMERA}` must be a table such as {{ \"CAMERA\" = {{ brightness = 128 }} }}");
            return self.record_complaint((given.place)(given.span.clone()), message, None);
        };
        for (camera, controls) in cameras {
            for (name, value) in controls.get_ref().as_table().into_iter().flatten() {
                self.read_camera_controls(camera.get_ref(), name.get_ref(), value, given);
            }
        }
    }
}
