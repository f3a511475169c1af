//! Resolves the configuration. Order of precedence: command line, environment, file, values set on the page, default.
//! Every value keeps its origin.

mod given;
mod relations;
mod resolved;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::diagnostic::{ComplaintOrigin, Diagnostic, Diagnostics, FilePosition, LineStarts};
use super::keys::{self, BY_CAMERA, CONTROLS, Key, SECTIONS};
use super::kind::{self, Wrong};
use super::overrides::{self, Faulty, OverrideValue, Saved};
use super::{Config, StoreConfig, file, geometry};
pub use resolved::{Origin, Resolved, ResolvedSetting};

const LEANING: [&str; 3] = ["source.kind", "http.certificate", "http.key"];

/// Default paths of the file; the first that exists is used.
pub const FILES: [&str; 2] = ["config.toml", "/etc/tallycam/config.toml"];

/// The operator's input: file, environment and command line. It wins over values set on the page.
#[derive(Debug, Clone)]
pub struct OperatorConfig {
    file: Option<(PathBuf, String)>,
    /// The error if the file cannot be read.
    unread: Option<Diagnostic>,
    sets: Vec<String>,
    /// Variables, of tallycam or not.
    environment: Vec<(OsString, OsString)>,
}

impl OperatorConfig {
    /// The file that was read.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|(path, _)| path.as_path())
    }

    /// Reads the file at `path`, or the first of [`FILES`] that exists, or none. Adds the variables of `environment`
    /// with our prefix, and `sets`, each `section.key=value`.
    ///
    /// [`OperatorConfig::resolve`] reports a file that cannot be read, together with all other faults.
    pub fn read(
        path: Option<&Path>,
        sets: &[String],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> OperatorConfig {
        let looked_up = || FILES.iter().map(PathBuf::from).find(|file| file.try_exists().unwrap_or(true));
        let path = path.map(PathBuf::from).or_else(looked_up);
        // If the file cannot be read, the faults of the rest are still reported.
        let (file, unread) = match path.map(|path| (file::read(&path), path)) {
            None => (None, None),
            Some((Ok(text), path)) => (Some((path, text)), None),
            Some((Err(complaint), _)) => (None, Some(*complaint)),
        };
        OperatorConfig { file, unread, sets: sets.to_vec(), environment: environment.into_iter().collect() }
    }

    /// The values in force; `saved` replaces defaults.
    ///
    /// # Errors
    /// All faults of the operator's input, or the conflicts of `saved` with it.
    pub fn resolve(&self, saved: Option<&Saved>) -> Result<Resolved, Diagnostics> {
        let mut resolving = Resolving::new(self.unread.clone());
        if let Some(saved) = saved {
            resolving.apply_saved(saved);
        }
        let file = self.file.as_ref().map(|(path, text)| (path.as_path(), text.as_str()));
        if let Some((path, text)) = file {
            resolving.file(path, text);
        }
        resolving.environment(self.environment.iter().cloned());
        resolving.command_line(&self.sets);
        resolving.check_source_keys();
        resolving.check_https_keys();
        resolving.check_claim_keys();
        resolving.finish(file.map(|(path, _)| path.to_owned()))
    }

    /// Like [`OperatorConfig::resolve`], but leaves out saved values that conflict with the rest, such as a kind of
    /// source whose key is missing. Returns diagnostics of them.
    ///
    /// # Errors
    /// All faults of the operator's input.
    pub fn resolve_with(&self, saved: &Saved) -> Result<(Resolved, Option<Diagnostics>), Diagnostics> {
        let alone = self.resolve(None)?;
        let complaints = match self.resolve(Some(saved)) {
            Ok(resolved) => return Ok((resolved, None)),
            Err(complaints) => complaints,
        };
        let without = self.resolve(Some(&saved.without_key("source.kind"))).unwrap_or(alone);
        Ok((without, Some(complaints)))
    }
}

impl Config {
    /// Reads the configuration: the file at `path` (or the first of [`FILES`] that exists, or none), the variables of
    /// `environment` with our prefix, and `sets`, each `section.key=value`. Ignores values set on the page.
    ///
    /// # Errors
    /// All faults of all of them.
    pub fn load(
        path: Option<&Path>,
        sets: &[String],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Resolved, Diagnostics> {
        OperatorConfig::read(path, sets, environment).resolve(None)
    }

    /// Like [`Config::load`], with the file's text; `name` is its name in diagnostics.
    ///
    /// # Errors
    /// All faults.
    pub fn from_text(
        name: &Path,
        text: &str,
        sets: &[String],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Resolved, Diagnostics> {
        let environment = environment.into_iter().collect();
        let file = Some((name.to_owned(), text.to_owned()));
        OperatorConfig { file, unread: None, sets: sets.to_vec(), environment }.resolve(None)
    }
}

impl Saved {
    /// Reads the text of `file`. Unknown keys and wrong values are left out and reported; the rest is used.
    ///
    /// # Errors
    /// The text is not TOML or too long, so none of it is reliable.
    pub fn read(file: &Path, text: &str) -> Result<(Saved, Option<Faulty>), Diagnostics> {
        if Saved::is_cut(text) {
            let message = format!("is cut off: its last line, `{}`, is missing", overrides::END);
            let place = file.display().to_string();
            return Err(Diagnostics(vec![*super::file::file_complaint(&place, message, None)]));
        }
        Saved::read_as(file, text, None)
    }

    /// Reads the text of the operator's file `file`. Ignores the keys and sections `others`, which belong to another
    /// reader.
    ///
    /// Uses every valid value, also of keys that only the operator may set. Lines and zones are values, too.
    ///
    /// # Errors
    /// Like [`Saved::read`].
    pub fn read_shared(
        file: &Path,
        text: &str,
        others: &'static [&'static str],
    ) -> Result<(Saved, Option<Faulty>), Diagnostics> {
        Saved::read_as(file, text, Some(others))
    }

    /// The same values with the lines that they get when the file is written.
    #[must_use]
    pub fn as_written(&self) -> Saved {
        Saved::read_all(self.file(), &self.to_toml(), None).0
    }

    fn read_as(
        path: &Path,
        text: &str,
        others: Option<&'static [&'static str]>,
    ) -> Result<(Saved, Option<Faulty>), Diagnostics> {
        file::check_length(&path.display().to_string(), text.len())
            .map_err(|complaint| Diagnostics(vec![*complaint]))?;
        let (saved, faulty, is_broken) = Saved::read_all(path, text, others);
        match (faulty.complaints.0.is_empty(), is_broken) {
            (true, _) => Ok((saved, None)),
            (false, false) => Ok((saved, Some(faulty))),
            (false, true) => Err(faulty.complaints),
        }
    }

    /// The usable values, the faults, and true if the text is not TOML.
    fn read_all(path: &Path, text: &str, others: Option<&'static [&'static str]>) -> (Saved, Faulty, bool) {
        let mut resolving = Resolving::new(None);
        resolving.typed = Some(BTreeMap::new());
        resolving.others = others;
        resolving.file(path, text);
        if others.is_some() {
            resolving.check_source_keys();
            resolving.check_https_keys();
        }
        resolving.into_values(path)
    }
}

/// The state of resolving: each layer's values replace those before.
struct Resolving {
    config: Config,
    settings: BTreeMap<String, (String, Origin)>,
    controls: BTreeMap<String, f64>,
    complaints: Vec<Diagnostic>,
    faulty: BTreeSet<String>,
    /// The file's syntax is broken or it cannot be read, so a missing key may be in there.
    is_broken: bool,
    /// Places of the keys of [`LEANING`].
    places: BTreeMap<String, FilePosition>,
    /// When reading saved values: the values to write again.
    typed: Option<BTreeMap<String, OverrideValue>>,
    /// When reading an operator's file that others share: their keys, which are ignored.
    others: Option<&'static [&'static str]>,
}

/// A value and the place of its parts in the file or in a given text.
struct GivenValue<'a> {
    place: &'a dyn Fn(std::ops::Range<usize>) -> FilePosition,
    span: std::ops::Range<usize>,
    origin: Origin,
}

impl Resolving {
    fn new(unread: Option<Diagnostic>) -> Resolving {
        let defaults = keys::all().map(|key| (key.path(), (key.default.to_owned(), Origin::Default)));
        Resolving {
            config: Config::default(),
            settings: defaults.collect(),
            controls: BTreeMap::new(),
            is_broken: unread.is_some(),
            complaints: unread.into_iter().collect(),
            faulty: BTreeSet::new(),
            places: BTreeMap::new(),
            typed: None,
            others: None,
        }
    }

    /// The values of a file, its faults, and true if it is not TOML.
    fn into_values(mut self, path: &Path) -> (Saved, Faulty, bool) {
        self.complaints.sort_by_key(|complaint| complaint.place.order);
        let mut values = self.typed.unwrap_or_default();
        values.retain(|path, _| !self.faulty.contains(path));
        let paths = self.faulty.into_iter().collect();
        let faulty = Faulty { complaints: Diagnostics(self.complaints), paths };
        (Saved::new(path.to_owned(), values), faulty, self.is_broken)
    }

    fn is_page_file(&self) -> bool {
        self.typed.is_some() && self.others.is_none()
    }

    fn is_operator_key(&self, path: &str) -> bool {
        self.others.is_some_and(|others| others.contains(&path))
    }

    fn record_complaint(&mut self, place: FilePosition, message: impl Into<String>, hint: Option<String>) {
        self.complaints.push(Diagnostic { place, message: message.into(), hint, about: None });
    }

    /// Reports a fault of the key `path`, whose value is at `given`.
    fn record_key_complaint(
        &mut self,
        path: String,
        given: &FilePosition,
        place: FilePosition,
        (message, hint): (String, Option<String>),
    ) {
        let about = Some((path, given.marked_text()));
        self.complaints.push(Diagnostic { place, message, hint, about });
    }

    /// Records the outcome of reading `path`: a value that is in `config` now, or a fault.
    fn read(&mut self, path: String, read: Result<String, Wrong>, given: &GivenValue<'_>) {
        match read {
            Ok(value) => {
                if LEANING.contains(&path.as_str()) {
                    self.places.insert(path.clone(), (given.place)(given.span.clone()));
                }
                self.settings.insert(path, (value, given.origin.clone()));
            }
            Err(mut first) => {
                let further = std::mem::take(&mut first.further);
                for wrong in std::iter::once(first).chain(further) {
                    let place = (given.place)(wrong.span);
                    let fault = (format!("`{path}` {}", wrong.message), wrong.hint);
                    self.record_key_complaint(path.clone(), &place.clone(), place, fault);
                }
                self.faulty.insert(path);
            }
        }
    }

    fn control(&mut self, name: &str, value: &Spanned<DeValue<'_>>, given: &GivenValue<'_>) {
        let read = kind::control(name, value).map(|number| {
            self.controls.insert(name.to_owned(), number);
            number.to_string()
        });
        let path = format!("{CONTROLS}.{}", overrides::quote_key_part(name));
        self.record_saved_value(&path, &read, given);
        self.read(path, read, given);
    }

    /// `[controls."CAMERA"]`: controls of single cameras.
    fn read_camera_controls(
        &mut self,
        camera: &str,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        given: &GivenValue<'_>,
    ) {
        let read = kind::control(name, value).map(|number| {
            self.config.controls.entry(camera.to_owned()).or_default().insert(name.to_owned(), number);
            number.to_string()
        });
        let path = overrides::control_path(camera, name);
        self.record_saved_value(&path, &read, given);
        self.read(path, read, given);
    }

    /// Records a saved value in the form to write again.
    fn record_saved_value(&mut self, path: &str, read: &Result<String, Wrong>, given: &GivenValue<'_>) {
        if let (Some(typed), Ok(toml), Origin::File { line, .. }) = (&mut self.typed, read, &given.origin) {
            typed.insert(path.to_owned(), OverrideValue { toml: toml.clone(), line: *line });
        }
    }

    /// Applies the saved values, which are valid on their own.
    fn apply_saved(&mut self, saved: &Saved) {
        for (path, OverrideValue { toml, line }) in saved.values() {
            let text = format!("{path} = {toml}");
            let at = saved.file().display();
            let place = |_| FilePosition {
                at: format!("{at}:{line}"),
                ..FilePosition::in_argument(ComplaintOrigin::File, 0, &text, 0..0)
            };
            let origin = Origin::Page { file: saved.file().to_owned(), line: *line };
            self.read_text_value(path, toml, 0, &place, origin);
        }
    }

    fn file(&mut self, path: &Path, text: &str) {
        let name = path.display().to_string();
        let (document, syntax) = file::parse(&name, text);
        let broken: BTreeSet<usize> = syntax.iter().map(|complaint| complaint.place.line()).collect();
        self.read_top_level(&document.table, path, &document.lines);
        // On a line with broken syntax the parsed value is unreliable.
        self.complaints.retain(|complaint| !broken.contains(&complaint.place.line()));
        self.is_broken |= !syntax.is_empty();
        self.complaints.extend(syntax);
    }

    fn read_top_level(&mut self, table: &DeTable<'_>, path: &Path, lines: &LineStarts<'_>) {
        for (name, value) in table {
            let word = name.get_ref().as_ref();
            if self.is_operator_key(word) {
                continue;
            } else if word == BY_CAMERA {
                self.cameras(value, path, lines);
            } else if keys::is_section(word) {
                self.section(word, value, path, lines);
            } else if is_drawn_section(word) && self.is_page_file() {
                let hint = Some(String::from("draw them on the page, or put them in the configuration file"));
                let fault = (format!("`{word}` is not kept here"), hint);
                let place = lines.place_of_span(name.span());
                self.record_key_complaint(word.to_owned(), &place.clone(), place, fault);
            } else if is_drawn_section(word) {
                let file = path.file_name().map_or_else(|| path.display(), |name| Path::new(name).display());
                let origin = |at| format!("{file}:{}", lines.line(at));
                let given = GivenValue {
                    place: &|span| lines.place_of_span(span),
                    span: value.span(),
                    origin: Origin::File { file: path.to_owned(), line: lines.line(value.span().start) },
                };
                self.read_drawn(word, value, &origin, &given);
                self.record_saved_value(word, &Ok(overrides::format_inline(value.get_ref())), &given);
            } else if let Some(key) = keys::find("", word) {
                self.key(key, value, path, lines);
            } else {
                let fault = match value.get_ref() {
                    DeValue::Table(_) => keys::unknown_section(word),
                    _ => keys::unknown_key("", word),
                };
                let given = lines.place_of_span(given_span(name, value));
                self.record_key_complaint(word.to_owned(), &given, lines.place_of_span(name.span()), fault);
            }
        }
    }

    /// `[[line]]` or `[[zone]]`: the list of a later layer replaces that of an earlier one.
    fn read_drawn(
        &mut self,
        what: &str,
        value: &Spanned<DeValue<'_>>,
        origin: &dyn Fn(usize) -> String,
        given: &GivenValue<'_>,
    ) {
        let name_and_ends: Result<Vec<(String, String)>, Wrong> = if what == "line" {
            geometry::lines(value, origin).map(|lines| {
                self.config.lines = lines;
                let shown = |line: &geometry::LineConfig| {
                    (line.name.clone(), format!("[{:?}, {:?}]", line.a, line.b))
                };
                self.config.lines.iter().map(shown).collect()
            })
        } else {
            geometry::zones(value, origin).map(|zones| {
                self.config.zones = zones;
                let shown = |zone: &geometry::ZoneConfig| (zone.name.clone(), format!("{:?}", zone.points));
                self.config.zones.iter().map(shown).collect()
            })
        };
        match name_and_ends {
            Ok(all) => {
                self.settings.retain(|path, _| !path.starts_with(&format!("{what}.")));
                for (name, ends) in all {
                    self.settings.insert(format!("{what}.{name}"), (ends, given.origin.clone()));
                }
            }
            Err(wrong) => self.read(what.to_owned(), Err(wrong), given),
        }
    }

    fn section(&mut self, section: &str, value: &Spanned<DeValue<'_>>, path: &Path, lines: &LineStarts<'_>) {
        let Some(table) = value.get_ref().as_table() else {
            let message = format!("`{section}` is a section, not a key");
            let hint = Some(format!("write [{section}] on a line of its own, and its keys below"));
            self.faulty.insert(section.to_owned());
            let place = lines.place_of_span(value.span());
            return self.record_key_complaint(section.to_owned(), &place.clone(), place, (message, hint));
        };
        for (name, value) in table {
            let word = name.get_ref().as_ref();
            let given = GivenValue {
                place: &|span| lines.place_of_span(span),
                span: value.span(),
                origin: Origin::File { file: path.to_owned(), line: lines.line(name.span().start) },
            };
            if self.is_operator_key(&format!("{section}.{word}")) {
                continue;
            } else if section == CONTROLS {
                self.control(word, value, &given);
            } else if keys::is_section(&format!("{section}.{word}")) {
                self.section(&format!("{section}.{word}"), value, path, lines);
            } else if let Some(key) = keys::find(section, word) {
                self.key(key, value, path, lines);
            } else {
                let given = lines.place_of_span(given_span(name, value));
                let path = format!("{section}.{word}");
                self.record_key_complaint(
                    path,
                    &given,
                    lines.place_of_span(name.span()),
                    keys::unknown_key(section, word),
                );
            }
        }
    }

    /// `[controls]`: one table per camera.
    fn cameras(&mut self, value: &Spanned<DeValue<'_>>, path: &Path, lines: &LineStarts<'_>) {
        let hint = || {
            let text =
                "a camera comes first: [controls.\"CAMERA\"]; for whatever camera is open: [source.controls]";
            Some(String::from(text))
        };
        let Some(cameras) = value.get_ref().as_table() else {
            let message = format!("`{BY_CAMERA}` is a section, not a key");
            self.faulty.insert(BY_CAMERA.to_owned());
            return self.record_complaint(lines.place_of_span(value.span()), message, hint());
        };
        for (camera, value) in cameras {
            let Some(controls) = value.get_ref().as_table() else {
                let message = format!("`{}` in [{BY_CAMERA}] is no camera's table", camera.get_ref());
                self.record_complaint(lines.place_of_span(camera.span()), message, hint());
                continue;
            };
            for (name, value) in controls {
                let given = GivenValue {
                    place: &|span| lines.place_of_span(span),
                    span: value.span(),
                    origin: Origin::File { file: path.to_owned(), line: lines.line(name.span().start) },
                };
                self.read_camera_controls(camera.get_ref(), name.get_ref(), value, &given);
            }
        }
    }

    fn key(&mut self, key: &Key, value: &Spanned<DeValue<'_>>, path: &Path, lines: &LineStarts<'_>) {
        if self.is_page_file() && !key.is_settable_on_page() {
            let message = format!("`{}` is not kept here", key.path());
            let hint = Some(String::from("set it in the configuration file"));
            let place = lines.place_of_span(value.span());
            return self.record_key_complaint(key.path(), &place.clone(), place, (message, hint));
        }
        let origin = Origin::File { file: path.to_owned(), line: lines.line(value.span().start) };
        let given = GivenValue { place: &|span| lines.place_of_span(span), span: value.span(), origin };
        let mut read = key.kind.apply_toml(value, &mut self.config);
        if self.is_page_file() {
            read = read.and_then(|shown| {
                key.check_page_path(shown).map_err(|complaint| Wrong::new(complaint, value.span()))
            });
        }
        let typed = read.clone().map(|shown| overrides::value_to_save(key, value.get_ref(), shown));
        self.record_saved_value(&key.path(), &typed, &given);
        self.read(key.path(), read, &given);
    }

    fn finish(mut self, file: Option<PathBuf>) -> Result<Resolved, Diagnostics> {
        if !self.complaints.is_empty() {
            self.complaints.sort_by_key(|complaint| complaint.place.order);
            return Err(Diagnostics(self.complaints));
        }
        self.config.source.controls = self.controls.into_iter().collect();
        self.config.store.unit = file.as_deref().and_then(unit_directory);
        let mut settings = Vec::new();
        let mut rest = self.settings;
        let mut add = |path: String, (value, origin)| settings.push(ResolvedSetting { path, value, origin });
        for section in std::iter::once("").chain(SECTIONS.iter().map(|section| section.name)) {
            for key in keys::keys_of_section(section) {
                if let Some(setting) = rest.remove(&key.path()) {
                    add(key.path(), setting);
                }
            }
            let below: &[&str] = match section {
                CONTROLS => &[CONTROLS],
                BY_CAMERA => &["controls."],
                // Lines and zones are listed where the file explains them.
                "detect" => &["line.", "zone."],
                _ => &[],
            };
            for beginning in below {
                let those: BTreeMap<_, _>;
                (those, rest) = rest.into_iter().partition(|(path, _)| path.starts_with(beginning));
                those.into_iter().for_each(|(path, setting)| add(path, setting));
            }
        }
        Ok(Resolved { config: self.config, settings, file })
    }
}

/// State directory of the unit that runs with `file` (systemd/tallycam.service, systemd/tallycam@.service).
fn unit_directory(file: &Path) -> Option<PathBuf> {
    let name = file.strip_prefix("/etc/tallycam").ok()?.to_str()?.strip_suffix(".toml")?;
    match name {
        "config" => Some(PathBuf::from(StoreConfig::SERVICE)),
        _ if name.is_empty() || name.contains('/') => None,
        _ => Some(PathBuf::from(format!("{}-{name}", StoreConfig::SERVICE))),
    }
}

fn is_drawn_section(word: &str) -> bool {
    keys::DRAWN.contains(&word)
}

/// The span of an unknown key's value; of an unknown section only its name.
fn given_span(name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) -> std::ops::Range<usize> {
    if value.get_ref().is_table() { name.span() } else { value.span() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_claimed_by_the_network_protects_viewing() {
        let saved = |text: &str| Saved::read(Path::new("settings.toml"), text).expect("TOML").0;
        for (file, page, is_open, value, origin) in [
            ("", "", true, "\"open\"", "default"),
            ("claim = \"network\"", "", false, "\"password\"", "default"),
            ("claim = \"network\"\nview = \"open\"", "", true, "\"open\"", "file"),
            ("claim = \"network\"", "view = \"open\"", true, "\"open\"", "page"),
            ("", "claim = \"network\"", true, "\"open\"", "default"),
        ] {
            let file = Some((PathBuf::from("config.toml"), format!("[access]\n{file}\n")));
            let operator = OperatorConfig { file, unread: None, sets: Vec::new(), environment: Vec::new() };
            let resolved = operator.resolve(Some(&saved(&format!("[access]\n{page}\n")))).expect("good");
            let setting = resolved.setting("access.view").expect("a key");
            assert_eq!(resolved.config.access.is_view_open, is_open, "{operator:?} {page}");
            assert_eq!((setting.value.as_str(), setting.origin.as_str()), (value, origin));
        }
    }

    #[test]
    fn a_file_in_etc_gives_its_units_state_directory() {
        let of = |file: &str| unit_directory(Path::new(file));
        assert_eq!(of("/etc/tallycam/config.toml"), Some("/var/lib/tallycam".into()));
        assert_eq!(of("/etc/tallycam/door.toml"), Some("/var/lib/tallycam-door".into()));
        for file in [
            "config.toml",
            "/home/pi/config.toml",
            "/etc/tallycam.toml",
            "/etc/tallycam/.toml",
            "/etc/tallycam/door.toml.dpkg-old",
            "/etc/tallycam/old/door.toml",
        ] {
            assert_eq!(of(file), None, "{file}");
        }
    }
}
