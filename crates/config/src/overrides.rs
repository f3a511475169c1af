//! Values set on the page, by the API or by `tallycam settings`. They are in `settings.toml` in the state directory,
//! with the grammar and the keys of `config.toml`. Pure; runs on the calling thread.
//!
//! Invariants: every value is valid for its key on its own, and is written as it is read. Secrets are in plain text
//! here, so only [`WrongChange`] may be shown to users.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeString, DeTable, DeValue};

use super::Config;
use super::diagnostic::Diagnostics;
use super::keys::{self, BY_CAMERA, CONTROLS, Key, SECTIONS};
use super::kind::{self, Wrong, quoted};
use super::redact::{may_be_secret, may_hold_secret};
use tallycam_base::redact::{STARS, redact_url};
use tallycam_camera::media::number_json;

const HEAD: &str = "\
# What was set on tallycam's page, by its API or with `tallycam settings`. tallycam writes this file
# again at each change, without your comments. The keys are those of config.toml, and a value there
# wins over the one here. Without its last line the file counts as cut off.
";

/// The last line of the file.
pub(super) const END: &str = "# end";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OverrideValue {
    /// TOML on one line.
    pub toml: String,
    /// Line in the file, from 1.
    pub line: usize,
}

/// All values set on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    file: PathBuf,
    values: BTreeMap<String, OverrideValue>,
}

/// The unusable part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faulty {
    /// All faults of the file.
    pub complaints: Diagnostics,
    /// Keys with a wrong value, and sections that have a value instead of keys. Unknown names are not included.
    pub paths: Vec<String>,
}

impl Faulty {
    /// True if `path` has no value because of a fault in the file.
    pub fn affects(&self, path: &str) -> bool {
        self.paths.iter().any(|wrong| {
            path.strip_prefix(wrong.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

/// A refused change of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongChange {
    /// The key.
    pub path: String,
    /// The given value; a secret as `"***"`.
    pub given: String,
    /// The fault and the expected value: a sentence without its full stop.
    pub message: String,
    /// A remedy.
    pub hint: Option<String>,
}

enum KeyTarget {
    Key(&'static Key),
    /// `source.controls.NAME`.
    Control(String),
    /// `controls."IDENTITY".NAME`.
    OfCamera(String, String),
}

impl Saved {
    pub(super) fn new(file: PathBuf, values: BTreeMap<String, OverrideValue>) -> Saved {
        Saved { file, values }
    }

    /// No values, to be stored in `file`.
    pub fn empty(file: PathBuf) -> Saved {
        Saved::new(file, BTreeMap::new())
    }

    /// Line of the value of `path` in the file; 0 if it has none.
    pub fn line(&self, path: &str) -> usize {
        self.values.get(path).map_or(0, |value| value.line)
    }

    /// Copies the value of `path` from `other`, or removes it if `other` has none.
    pub fn copy(&mut self, path: &str, other: &Saved) {
        match other.values.get(path) {
            Some(value) => drop(self.values.insert(path.to_owned(), value.clone())),
            None => drop(self.values.remove(path)),
        }
    }

    /// The text of a `config.toml` with these values, below the comment `head`.
    pub fn to_config(&self, head: &str) -> String {
        self.to_toml_commented(head, |_| None)
    }

    /// True if the file would be too long to be read again.
    pub fn is_too_long(&self) -> bool {
        super::file::check_length("", self.to_toml().len()).is_err()
    }

    /// Reads the file at `file` with [`Saved::read`].
    ///
    /// # Errors
    /// It is not a file, cannot be read, is too long, or is not UTF-8 or TOML.
    pub fn load(file: &Path) -> Result<(Saved, Option<Faulty>), Diagnostics> {
        super::file::check_kind(file).map_err(|complaint| Diagnostics(vec![*complaint]))?;
        let text = super::file::read(file).map_err(|complaint| Diagnostics(vec![*complaint]))?;
        Saved::read(file, &text)
    }

    /// True if `text` begins like [`Saved::to_toml`] and its end is missing. A file with another head has no such
    /// end: somebody wrote it by hand, or an earlier version did.
    pub(super) fn is_cut(text: &str) -> bool {
        let is_begun = !text.is_empty() && HEAD.starts_with(text);
        is_begun || (text.starts_with(HEAD) && text.lines().all(|line| line.trim_end() != END))
    }

    /// True if the first line of `text` is that of [`Saved::to_toml`], in any version. A file with only this head
    /// says that no value is set.
    pub fn is_our_format(text: &str) -> bool {
        HEAD.lines().next() == text.lines().next()
    }

    /// The file that stores the values.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The same values, stored in `file`.
    #[must_use]
    pub fn with_file(self, file: &Path) -> Saved {
        Saved { file: file.to_owned(), ..self }
    }

    /// Adds those values of `other` that `is_wanted` accepts and that are missing here. Also returns their paths.
    #[must_use]
    pub fn fill_from(mut self, other: &Saved, is_wanted: impl Fn(&str) -> bool) -> (Saved, Vec<String>) {
        let mut taken = Vec::new();
        for (path, value) in &other.values {
            if is_wanted(path) && !self.values.contains_key(path) {
                self.values.insert(path.clone(), value.clone());
                taken.push(path.clone());
            }
        }
        (self, taken)
    }

    pub(super) fn values(&self) -> &BTreeMap<String, OverrideValue> {
        &self.values
    }

    /// The paths of all values.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The value of `path` as TOML. It may be a secret.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.values.get(path).map(|value| value.toml.as_str())
    }

    /// All values except that of `path`.
    #[must_use]
    pub fn without_key(&self, path: &str) -> Saved {
        let mut less = self.clone();
        less.values.remove(path);
        less
    }

    /// Sets `path` to `text`: a TOML value, or plain text if it is none (`30s`). `None` removes the value. Returns
    /// the path in its normal form.
    ///
    /// # Errors
    /// There is no such key, or `text` is no value for it. Nothing changes then.
    pub fn set(&mut self, path: &str, text: Option<&str>) -> Result<String, WrongChange> {
        let given = text.unwrap_or_default();
        let wrong = |shown: String, (message, hint): (String, Option<String>)| WrongChange {
            path: path.to_owned(),
            given: shown,
            message,
            hint,
        };
        let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
        let key = keys::find(section, name);
        let shown = |is_secret: bool| {
            let is_url = key.is_some_and(|key| key.kind.shape().word == "url");
            let short = |text: &str| match () {
                () if is_url => kind::abbreviate(&redact_url(text)),
                () if may_hold_secret(text) => STARS.to_owned(),
                () => kind::abbreviate(text),
            };
            match kind::parse_given(given).ok().map(|value| value.into_inner()) {
                _ if is_secret => quoted("***"),
                // A shortened text keeps its quotes.
                Some(DeValue::String(text)) => quoted(&short(&text)),
                _ => short(given),
            }
        };
        let meant = parse_path(path);
        let is_secret = match (&meant, key) {
            // Only the control's name counts: a camera's identity may contain such a word.
            (Ok(KeyTarget::Control(name) | KeyTarget::OfCamera(_, name)), _) => may_be_secret(name),
            (_, Some(key)) => key.kind.is_secret(),
            (_, None) => may_be_secret(path),
        };
        let meant = meant.map_err(|fault| wrong(shown(is_secret), fault))?;
        let path = meant.path();
        let read = match (&meant, text) {
            (_, None) => None,
            (KeyTarget::Key(key), Some(text)) => {
                let mut scratch = Config::default();
                let shown = key.kind.apply_text(text, &mut scratch);
                let shown = shown.and_then(|shown| {
                    key.check_page_path(shown).map_err(|complaint| Wrong::new(complaint, 0..text.len()))
                });
                Some(shown.map(|shown| match kind::parse_given(text) {
                    Ok(value) => value_to_save(key, value.get_ref(), shown),
                    Err(_) => value_to_save(key, &DeValue::String(text.into()), shown),
                }))
            }
            (KeyTarget::Control(name) | KeyTarget::OfCamera(_, name), Some(text)) => {
                let plain = || toml::Spanned::new(0..text.len(), DeValue::String(text.into()));
                let value = kind::parse_given(text).unwrap_or_else(|_| plain());
                Some(kind::control(name, &value).map(|number| number_json(number).to_string()))
            }
        };
        match read.transpose() {
            Ok(Some(toml)) => drop(self.values.insert(path.clone(), OverrideValue { toml, line: 0 })),
            Ok(None) => drop(self.values.remove(&path)),
            Err(fault) => {
                return Err(wrong(shown(is_secret), (format!("`{path}` {}", fault.message), fault.hint)));
            }
        }
        Ok(path)
    }

    /// The same values with secrets redacted.
    #[must_use]
    pub fn redacted(&self) -> Saved {
        let mut shown = self.clone();
        for (path, value) in &mut shown.values {
            let Ok(KeyTarget::Key(key)) = parse_path(path) else { continue };
            // The value is valid: it was checked when it was read or set.
            if let Ok(toml) = key.kind.apply_text(&value.toml, &mut Config::default()) {
                value.toml = toml;
            }
        }
        shown
    }

    /// The file's text: one key per line, in the order of `config.toml`.
    pub fn to_toml(&self) -> String {
        self.to_toml_ended(|_| None)
    }

    fn to_toml_ended(&self, remark: impl Fn(&str) -> Option<&'static str>) -> String {
        format!("{}\n{END}\n", self.to_toml_commented(HEAD, remark))
    }

    /// Like [`Saved::to_toml`], with the one-line `remark` on a path after its value. Omits the remarks if the file
    /// would become too long to be read.
    pub fn to_toml_with(&self, remark: impl Fn(&str) -> Option<&'static str>) -> String {
        let text = self.to_toml_ended(remark);
        if super::file::check_length("", text.len()).is_ok() { text } else { self.to_toml() }
    }

    fn to_toml_commented(&self, head: &str, remark: impl Fn(&str) -> Option<&'static str>) -> String {
        let mut out = String::from(head);
        let mut rest: BTreeMap<&str, &OverrideValue> =
            self.values.iter().map(|(p, v)| (p.as_str(), v)).collect();
        for section in std::iter::once("").chain(SECTIONS.iter().map(|section| section.name)) {
            let mut heading = if section.is_empty() { String::new() } else { format!("[{section}]") };
            let mut begin = true;
            let mut line = |heading: &str, path: &str, name: &str, value: &OverrideValue, is_first: bool| {
                if is_first {
                    out.push('\n');
                    if !heading.is_empty() {
                        out.push_str(&format!("{heading}\n"));
                    }
                }
                let remark = remark(path).map_or_else(String::new, |remark| format!("  # {remark}"));
                out.push_str(&format!("{name} = {}{remark}\n", value.toml));
            };
            for key in keys::keys_of_section(section) {
                let path = key.path();
                if let Some(value) = rest.remove(path.as_str()) {
                    line(&heading, &path, key.name, value, std::mem::take(&mut begin));
                }
            }
            if section.is_empty() {
                for drawn in keys::DRAWN {
                    if let Some(value) = rest.remove(drawn) {
                        line("", drawn, drawn, value, std::mem::take(&mut begin));
                    }
                }
            }
            if ![CONTROLS, BY_CAMERA].contains(&section) {
                continue;
            }
            let below = format!("{section}.");
            let those: Vec<&str> = rest.keys().copied().filter(|path| path.starts_with(&below)).collect();
            for path in those {
                let Some(value) = rest.remove(path) else { continue };
                match parse_path(path) {
                    Ok(KeyTarget::OfCamera(camera, name)) => {
                        let own = format!("[{BY_CAMERA}.{}]", quoted(&camera));
                        let is_first = own != heading;
                        heading = own;
                        line(&heading, path, &quote_key_part(&name), value, is_first);
                    }
                    Ok(KeyTarget::Control(name)) => {
                        line(&heading, path, &quote_key_part(&name), value, std::mem::take(&mut begin));
                    }
                    Ok(KeyTarget::Key(_)) | Err(_) => {}
                }
            }
        }
        out
    }
}

impl KeyTarget {
    fn path(&self) -> String {
        match self {
            KeyTarget::Key(key) => key.path(),
            KeyTarget::Control(name) => format!("{CONTROLS}.{}", quote_key_part(name)),
            KeyTarget::OfCamera(camera, name) => control_path(camera, name),
        }
    }
}

/// The target of `path`, or a message and a hint.
fn parse_path(path: &str) -> Result<KeyTarget, (String, Option<String>)> {
    let parts = split(path);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [BY_CAMERA, camera, name] => {
            return Ok(KeyTarget::OfCamera((*camera).to_owned(), (*name).to_owned()));
        }
        ["source", "controls", name] => return Ok(KeyTarget::Control((*name).to_owned())),
        _ => {}
    }
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    match keys::find(section, name) {
        Some(key) => match key.operator_only {
            None => Ok(KeyTarget::Key(key)),
            Some(why) => {
                Err((format!("`{path}` can be set in the configuration file only"), Some(why.to_owned())))
            }
        },
        None if keys::is_section(path) => Err((format!("`{path}` is a section, not a key"), None)),
        None if section.is_empty() || keys::is_section(section) => Err(keys::unknown_key(section, name)),
        None => Err(keys::unknown_section(section)),
    }
}

/// The parts of a dotted TOML key.
fn split(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let text = format!("{path} = 0");
    let Ok(table) = DeTable::parse(&text) else {
        return path.split('.').map(str::to_owned).collect();
    };
    let mut table = Some(table.get_ref());
    while let Some((name, value)) = table.and_then(|table| table.iter().next()) {
        parts.push(name.get_ref().to_string());
        table = value.get_ref().as_table();
    }
    parts
}

/// The TOML to store for a value: the `shown` one unless it is redacted.
pub(super) fn value_to_save(key: &Key, given: &DeValue<'_>, shown: String) -> String {
    match (key.kind.shape().word, given) {
        ("secret" | "url" | "command", DeValue::String(text)) => quoted(text),
        ("command", DeValue::Array(words)) => {
            let words = words.iter().filter_map(|word| word.get_ref().as_str()).map(quoted);
            format!("[{}]", words.collect::<Vec<_>>().join(", "))
        }
        ("rules", list) => format_inline(list),
        _ => shown,
    }
}

/// True if `path` is a key that can be set on the page.
pub fn is_settable_on_page(path: &str) -> bool {
    parse_path(path).is_ok()
}

pub(super) fn format_inline(value: &DeValue<'_>) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(is_true) => is_true.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(all) => {
            format!("[{}]", list(all.iter().map(|one| format_inline(one.get_ref())).collect()))
        }
        DeValue::Table(table) => {
            let pair = |(name, value): (&toml::Spanned<DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
                format!("{} = {}", quote_key_part(name.get_ref()), format_inline(value.get_ref()))
            };
            format!("{{ {} }}", list(table.iter().map(pair).collect()))
        }
    }
}

/// Path of the control `name` of the camera with the identity `camera`: `controls."IDENTITY".NAME`.
pub fn control_path(camera: &str, name: &str) -> String {
    format!("{BY_CAMERA}.{}.{}", quoted(camera), quote_key_part(name))
}

/// Identity and control name in `path`, if it is such a path.
pub fn control_of(path: &str) -> Option<(String, String)> {
    match path.starts_with(BY_CAMERA).then(|| split(path))?.as_slice() {
        [first, camera, name] if first == BY_CAMERA => Some((camera.clone(), name.clone())),
        _ => None,
    }
}

/// Name of the open camera's control in `path`, if it is such a path.
pub(super) fn any_camera_control(path: &str) -> Option<String> {
    match path.starts_with(CONTROLS).then(|| split(path))?.as_slice() {
        [source, controls, name] if CONTROLS.split('.').eq([source, controls]) && !name.is_empty() => {
            Some(name.clone())
        }
        _ => None,
    }
}

/// `name` as a part of a dotted key, quoted if TOML requires it.
pub fn quote_key_part(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { quoted(name) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::super::{OperatorConfig, Origin};
    use super::*;

    fn nothing() -> Saved {
        Saved::empty(PathBuf::from("state/settings.toml"))
    }

    fn again(saved: &Saved) -> Saved {
        let (again, complaints) = Saved::read(saved.file(), &saved.to_toml()).unwrap();
        assert_eq!(complaints, None);
        again
    }

    fn operator(text: &str) -> OperatorConfig {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        OperatorConfig::read(Some(&file), &[], [])
    }

    #[test]
    fn values_are_written_in_the_order_of_the_configuration() {
        let mut saved = nothing();
        for (path, text) in [
            ("stream.quality", "70"),
            ("stream.idle_stop", "5m"),
            ("name", "Front \"door\""),
            ("source.controls.gain", "true"),
            ("controls.sim.\"odd name\"", "3"),
            ("controls.\"usb.x\".brightness", "128"),
            ("source.password", "\"s3cret\""),
            ("source.url", "\"http://me:pw@cam/\""),
            ("lights.color", "\"#ff8800\""),
        ] {
            saved.set(path, Some(text)).unwrap();
        }
        let text = saved.to_toml();
        let body = text.strip_prefix(HEAD).unwrap();
        assert_eq!(
            body,
            "\nname = \"Front \\\"door\\\"\"\n\n[source]\nurl = \"http://me:pw@cam/\"\npassword = \"s3cret\"\n\n\
             [source.controls]\ngain = 1\n\n[controls.\"sim\"]\n\"odd name\" = 3\n\n[controls.\"usb.x\"]\n\
             brightness = 128\n\n[stream]\nquality = 70\nidle_stop = \"5m\"\n\n[lights]\ncolor = \"FF8800\"\n\n\
             # end\n"
        );
        assert_eq!(again(&saved).to_toml(), text);
        assert_eq!(nothing().to_toml(), format!("{HEAD}\n{END}\n"));
        assert!(
            Saved::is_our_format(HEAD)
                && Saved::is_our_format(&text)
                && Saved::is_our_format(&HEAD.replace('\n', "\r\n"))
        );
        assert!(!Saved::is_our_format("# a comment\n") && !Saved::is_our_format(""));
    }

    #[test]
    fn the_operators_value_wins_over_the_page_and_the_page_over_the_default() {
        let mut saved = nothing();
        saved.set("stream.quality", Some("70")).unwrap();
        saved.set("name", Some("page")).unwrap();
        saved.set(&control_path("sim", "brightness"), Some("5")).unwrap();
        let saved = again(&saved);
        let resolved = operator("name = \"mine\"\n").resolve(Some(&saved)).unwrap();
        assert_eq!((resolved.config.name.as_str(), resolved.config.stream.quality), ("mine", 70));
        assert_eq!(resolved.config.controls["sim"]["brightness"], 5.0);
        let origin = resolved.origin("stream.quality").unwrap();
        assert_eq!(origin, &Origin::Page { file: "state/settings.toml".into(), line: 11 });
        assert_eq!((origin.as_str(), origin.to_string().as_str()), ("page", "state/settings.toml:11"));
        assert!(resolved.origin("name").unwrap().is_operators());
        assert!(!resolved.origin("stream.fps").unwrap().is_operators());
    }

    #[test]
    fn one_bad_key_leaves_the_rest_but_broken_syntax_nothing() {
        let file = Path::new("settings.toml");
        let text = "colour = 1\n[stream]\nquality = 700\nfps = 5\n[store]\ndirectory = \"/x\"\n[[line]]\n";
        let (saved, complaints) = Saved::read(file, text).unwrap();
        assert_eq!(saved.paths().collect::<Vec<_>>(), ["stream.fps"]);
        let shown = complaints.unwrap().complaints.to_string();
        for part in
            ["settings.toml:1:1", "`stream.quality` must be", "`store.directory` is not kept", "`line`"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let broken = Saved::read(file, "[stream]\nquality = \n").unwrap_err().to_string();
        assert!(broken.starts_with("settings.toml:2"), "{broken}");
    }

    #[test]
    fn a_value_that_conflicts_with_the_operators_file_is_left_out() {
        let mut saved = nothing();
        saved.set("source.kind", Some("url")).unwrap();
        saved.set("name", Some("page")).unwrap();
        let (resolved, complaints) = operator("").resolve_with(&again(&saved)).unwrap();
        assert_eq!(resolved.config.name, "page");
        assert_eq!(resolved.config.source.kind, Config::default().source.kind);
        assert!(complaints.unwrap().to_string().contains("settings.toml:"));
        let (_, none) = operator("[source]\nurl = \"http://cam/\"").resolve_with(&again(&saved)).unwrap();
        assert_eq!(none, None);
    }

    #[test]
    fn wrong_changes_name_the_given_and_the_expected_value() {
        let wrong = |path: &str, text: &str| nothing().set(path, Some(text)).unwrap_err();
        let quality = wrong("stream.quality", "700");
        assert_eq!(quality.given, "700");
        assert_eq!(quality.message, "`stream.quality` must be a whole number from 1 to 100, not 700");
        assert!(wrong("stream.qualty", "7").hint.unwrap().contains("quality"));
        assert!(wrong("strem.quality", "7").message.contains("no section"));
        assert!(wrong("stream", "7").message.contains("is a section"));
        for operators in ["store.directory", "source.command", "power.key"] {
            assert!(wrong(operators, "x").message.contains("configuration file only"));
        }
        assert_eq!(wrong("power.key", "s3cret").given, "\"***\"");
        assert!(wrong("controls.sim.gain", "much").message.contains("a number"));
        assert_eq!(wrong("source.password", "[1]").given, "\"***\"");
        // The same for a misspelt key, and for credentials in a long URL.
        assert_eq!(wrong("source.passwd", "hunter2").given, "\"***\"");
        let long =
            wrong("source.url", "htp://admin:averyveryverylongpassword1@192.168.1.20/video of the door")
                .given;
        assert!(!long.contains("admin") && !long.contains("avery"), "{long}");
        assert!(!wrong("source.url", "nothing://me:pw@cam").given.contains("pw"));
        for (url, given) in [
            ("me:12 s3cret@cam", "***"),
            ("http:/me:s3 cret@cam", "***"),
            ("//me:s3 cret@cam", "***"),
            ("\"me:12 x = s3cret@cam\"", "\"***\""),
        ] {
            let fault = wrong("source.url", url);
            assert_eq!(fault.given, given);
            assert!(!format!("{fault:?}").contains("cret"), "{fault:?}");
        }
        // A password among the controls is redacted. A secret word in the camera's identity changes nothing.
        for path in ["source.controls.password", "controls.sim.passwd"] {
            for text in ["\"s3cret\"", "s3cret", "\"4.711\""] {
                let fault = wrong(path, text);
                assert!(!format!("{fault:?}").contains(text.trim_matches('"')), "{fault:?}");
                assert_eq!(fault.given, "\"***\"");
            }
        }
        assert_eq!(wrong("controls.KeyTec.gain", "much").given, "much");
        let unschemed = wrong("source.url", "admin:s3cret@10.0.0.5/video");
        assert!(!format!("{unschemed:?}").contains("s3cret"), "{unschemed:?}");
        assert!(unschemed.hint.unwrap().contains("10.0.0.5/***"));
        assert!(nothing().set("stream.qualty", None).is_err());
        let long = wrong("picture.text", &quoted(&format!("\"{}", "x".repeat(200)))).given;
        assert_eq!(long, format!("\"\\\"{}\u{2026}\"", "x".repeat(38)));
    }

    #[test]
    fn a_removed_value_is_gone_and_paths_follow_toml() {
        let mut saved = nothing();
        assert_eq!(saved.set("controls.a-b.gain", Some("1")).unwrap(), "controls.\"a-b\".gain");
        assert_eq!(saved.set("controls.\"a-b\".\"gain\"", None).unwrap(), "controls.\"a-b\".gain");
        assert_eq!(saved, nothing());
        assert_eq!(control_of("controls.'x.y'.gain"), Some(("x.y".into(), "gain".into())));
        assert_eq!(control_of("controls.x"), None);
    }

    #[test]
    fn the_redacted_text_has_no_secret_and_remarks_are_ignored() {
        let mut saved = nothing();
        for (path, text) in [
            ("source.url", "http://me:pw@cam/"),
            ("source.password", "s3cret"),
            ("stream.quality", "44"),
            ("controls.\"cam\".gain", "3"),
        ] {
            saved.set(path, Some(text)).unwrap();
        }
        let shown = saved.redacted();
        assert_eq!(shown.get("source.url"), Some("\"http://***@cam/\""));
        assert_eq!(shown.get("source.password"), Some("\"***\""));
        let remarked = shown.to_toml_with(|path| (path != "source.url").then_some("it waits"));
        assert!(
            remarked.contains("quality = 44  # it waits\n") && remarked.contains("gain = 3  # it waits\n")
        );
        let (again, faulty) = Saved::read(saved.file(), &remarked).unwrap();
        assert_eq!((again.to_toml(), faulty), (shown.to_toml(), None));
        // The values fit into the file, but not the remarks.
        for n in 0..1500 {
            saved.set(&format!("controls.cam.a_long_name_of_a_control_{n}"), Some("1")).unwrap();
        }
        assert!(!saved.is_too_long());
        assert!(saved.to_toml_with(|_| Some("it waits")) == saved.to_toml());
    }

    proptest! {
        #[test]
        fn every_identity_and_name_survives(camera in any::<String>(), name in any::<String>(), value in any::<i64>()) {
            let mut saved = nothing();
            let path = saved.set(&control_path(&camera, &name), Some(&value.to_string())).unwrap();
            prop_assert_eq!(control_of(&path), Some((camera.clone(), name.clone())));
            let resolved = operator("").resolve(Some(&again(&saved))).unwrap();
            prop_assert_eq!(resolved.config.controls[&camera][&name], value as f64);

            prop_assume!(!name.is_empty());
            let mut saved = nothing();
            let path = saved.set(&format!("{CONTROLS}.{}", quote_key_part(&name)), Some(&value.to_string())).unwrap();
            prop_assert_eq!(any_camera_control(&path), Some(name.clone()));
            let resolved = operator("").resolve(Some(&again(&saved))).unwrap();
            prop_assert_eq!(resolved.config.source.controls, [(name, value as f64)]);
        }

        #[test]
        fn no_text_causes_a_panic(text in any::<String>()) {
            let _ = Saved::read(Path::new("x"), &text);
            for key in keys::all() {
                let _ = nothing().set(&key.path(), Some(&text));
            }
        }

        #[test]
        fn accepted_values_are_written_as_read(at in 0..keys::all().count(), text in "[a-z0-9\"\\[\\]. :/#]{0,12}") {
            let mut saved = nothing();
            if saved.set(&keys::all().nth(at).unwrap().path(), Some(&text)).is_ok() {
                let (one, two) = (saved.to_toml(), again(&saved).to_toml());
                prop_assert_eq!(one, two);
            }
        }
    }
}
