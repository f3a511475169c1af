//! One setting as a row: label, range, field, and origin of the value.

use std::fmt::Write;

use super::setting::{Setting, SettingField, SettingsPage, ValueOrigin};
use super::table::{Group, WORDS, synonyms};
use super::units::{self, Unit};
use crate::ui::escape::{MarkedText, Text};
use crate::ui::format::{capital, sentence};
use tallycam_config::keys;

/// The words for a setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldLabels<'a> {
    /// Its name for people.
    pub label: &'a str,
    /// Its effect, in few words; may be empty.
    pub hint: &'a str,
    /// The unit of its number; may be empty.
    pub unit: &'a str,
}

impl<'a> FieldLabels<'a> {
    /// The words of the setting's key; without a label the key itself.
    pub(super) fn of(setting: &'a Setting) -> FieldLabels<'a> {
        match keys::find_path(&setting.path).filter(|key| !key.label.is_empty()) {
            Some(key) => FieldLabels { label: key.label, hint: key.hint, unit: key.unit },
            None => FieldLabels { label: &setting.path, hint: "", unit: "" },
        }
    }
}

pub(super) fn selected(is_it: bool) -> &'static str {
    if is_it { " selected" } else { "" }
}

/// The row of a setting.
pub(super) fn row(page: &SettingsPage, setting: &Setting) -> String {
    let labels = &FieldLabels::of(setting);
    let is_fixed = page.is_fixed();
    let is_off = is_fixed || matches!(setting.origin, ValueOrigin::Pinned(_));
    let path = Text(&setting.path);
    let out = if is_out(page, setting) { " out" } else { "" };
    let rules = format!(
        " aria-describedby=\"s-{path}-hint s-{path}-org s-{path}-said\"{}{}",
        if setting.wrong.is_some() { " aria-invalid=\"true\" autofocus" } else { "" },
        if is_off { " disabled" } else { "" },
    );
    let was = if is_off || setting.field == SettingField::Secret {
        String::new()
    } else {
        format!("<input type=\"hidden\" name=\"was.{path}\" value=\"{}\">", Text(&setting.is))
    };
    let label = if matches!(setting.field, SettingField::Several { .. }) {
        format!("<span class=\"lab\" id=\"s-{path}-label\">{}</span>", Text(labels.label))
    } else {
        format!("<label for=\"s-{path}\">{}</label>", Text(labels.label))
    };
    format!(
        "<div class=\"set{out}\" id=\"row-{path}\" data-swap=\"row-{path}\" \
         data-key=\"{path}\"{find}><div>{label}<span class=\"hint\" \
         id=\"s-{path}-hint\">{hint}</span></div>{field}<span class=\"org\" \
         id=\"s-{path}-org\">{origin}</span>{said}{was}</div>\n",
        find = Some(synonyms(&setting.path))
            .filter(|words| !words.is_empty())
            .map(|words| format!(" data-find=\"{words}\""))
            .unwrap_or_default(),
        hint = hint_html(setting, labels),
        field = field(setting, labels, &rules),
        origin = origin(setting, labels.label, is_fixed),
        said = said(setting, labels.label, page.saved.contains(&setting.path)),
    )
}

/// True if the setting belongs to another kind of source or light than the chosen one.
fn is_out(page: &SettingsPage, setting: &Setting) -> bool {
    let only_for = keys::find_path(&setting.path).map_or(&[][..], |key| key.only_for);
    let section = setting.path.split('.').next().unwrap_or_default();
    let chosen = page.settings.iter().find(|own| own.path.strip_prefix(section) == Some(".kind"));
    let is_other = chosen.is_some_and(|chosen| !only_for.is_empty() && !only_for.contains(&&*chosen.text));
    is_other && setting.wrong.is_none() && page.search.is_empty()
}

/// The result of the last change: "Saved" for a while, an error, or a question.
fn said(setting: &Setting, label: &str, is_saved: bool) -> String {
    let path = Text(&setting.path);
    let more = match (&setting.deletes, setting.is_changed) {
        (Some(deletes), _) => format!(
            "<div class=\"ask\"><p><b>{}</b> It cannot be undone.</p><p class=\"row\"><button class=\"btn danger\" \
             formaction=\"api/v1/settings?confirm=1\">Save and delete</button> <a class=\"btn\" \
             href=\"settings#s-{path}\" data-swap=\"row-{path}\">Cancel</a></p></div>",
            MarkedText(deletes)
        ),
        (None, true) => format!(
            " <a class=\"link\" href=\"settings#s-{path}\" data-swap=\"row-{path}\">Take theirs</a> \
             <button class=\"link\">Set mine</button>"
        ),
        (None, false) => String::new(),
    };
    let wrong =
        setting.wrong.as_ref().map(|wrong| MarkedText(&sentence(wrong)).to_string()).unwrap_or_default();
    let role = if wrong.is_empty() && more.is_empty() { "" } else { " role=\"status\"" };
    format!("<div class=\"err\" id=\"s-{path}-said\"{role}>{wrong}{more}</div>{}", saved(label, is_saved))
}

/// Shown for some seconds instead of the origin.
pub(super) fn saved(label: &str, is_saved: bool) -> String {
    let said =
        format!("<span class=\"ok\" role=\"status\"><span class=\"sr\">{}: </span>Saved</span>", Text(label));
    Some(said).filter(|_| is_saved).unwrap_or_default()
}

/// Effect and range; the full text of the configuration on demand.
fn hint_html(setting: &Setting, labels: &FieldLabels<'_>) -> String {
    let parts = [labels.hint.to_owned(), range(setting)];
    let mut words: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    // The text of the configuration, if it is short.
    let first = setting.about.split(['\n', ':', ';']).next().unwrap_or_default();
    let first = first.split(". ").next().unwrap_or_default().trim_end_matches('.');
    if words.is_empty()
        && first != labels.label
        && first.chars().count() <= 80
        && !first.starts_with("For \"")
    {
        words.push(first.to_owned());
    }
    MarkedText(&words.join(". ")).to_string()
}

fn field(setting: &Setting, labels: &FieldLabels<'_>, rules: &str) -> String {
    let (path, text) = (Text(&setting.path), Text(&setting.text));
    let begin = format!(" id=\"s-{path}\" name=\"{path}\"{rules}");
    let unit = |input: String| {
        if labels.unit.is_empty() {
            input
        } else {
            format!("<span class=\"unit\">{input}<span>{}</span></span>", Text(labels.unit))
        }
    };
    match &setting.field {
        SettingField::Switch => format!(
            "<input class=\"switch\" type=\"checkbox\" role=\"switch\" value=\"true\"{begin}{}>",
            if setting.text == "true" { " checked" } else { "" }
        ),
        // Not of the type "number": the server must see a wrong value and give the reason.
        SettingField::Number { is_whole, .. } => unit(format!(
            "<input inputmode=\"{}\" autocomplete=\"off\" value=\"{text}\"{begin}>",
            if *is_whole { "numeric" } else { "decimal" }
        )),
        // An empty field means the word that may replace the number.
        SettingField::NumberOr { word, .. } => unit(format!(
            "<input inputmode=\"decimal\" autocomplete=\"off\" value=\"{}\" placeholder=\"{}\"{begin}>",
            if setting.text == *word && setting.default == *word { Text("") } else { text },
            Text(&format_word(&setting.path, word))
        )),
        SettingField::Choice(words) => {
            let options = words.iter().fold(String::new(), |mut options, word| {
                let (is_it, words) = (selected(*word == setting.text), format_word(&setting.path, word));
                let _ = write!(options, "<option value=\"{}\"{is_it}>{}</option>", Text(word), Text(&words));
                options
            });
            format!("<select{begin}>{options}</select>")
        }
        SettingField::Time(_, most, or) => with_unit(setting, units::times(most), *or, &begin, labels.label),
        SettingField::Size(or) => with_unit(setting, units::SIZES, *or, &begin, labels.label),
        SettingField::List | SettingField::Text => {
            format!("<input autocomplete=\"off\" spellcheck=\"false\" value=\"{text}\"{begin}>")
        }
        SettingField::Several { chosen, others } => several(setting, chosen, others, rules),
        SettingField::Suggested(words) => {
            let options: String =
                words.iter().map(|word| format!("<option value=\"{}\"></option>", Text(word))).collect();
            format!(
                "<input autocomplete=\"off\" spellcheck=\"false\" list=\"s-{path}-list\" value=\"{}\" \
                 placeholder=\"{}\"{begin}>\
                 <datalist id=\"s-{path}-list\">{options}</datalist>",
                if is_auto(setting) { Text("") } else { text },
                if setting.default == AUTO { "Automatic" } else { "" },
            )
        }
        // The stored secret is not shown, and an empty field leaves it unchanged.
        SettingField::Secret => format!(
            "<input type=\"password\" autocomplete=\"new-password\" placeholder=\"{}\"{begin}>",
            if setting.is.is_empty() { "" } else { "unchanged" }
        ),
    }
}

const AUTO: &str = "auto";

fn is_auto(setting: &Setting) -> bool {
    setting.text == AUTO && setting.default == AUTO
}

/// A number and its unit. A word that may replace them is one of the units.
fn with_unit(setting: &Setting, units: &[Unit], or: Option<&str>, begin: &str, label: &str) -> String {
    let (number, unit) = match &setting.typed_unit {
        Some(unit) => (setting.text.as_str(), unit.as_str()),
        None if Some(setting.text.as_str()) == or => ("", ""),
        None => {
            let (number, unit) = units::split(&setting.text);
            let is_one = units.iter().any(|(word, ..)| *word == unit);
            if is_one { (number, unit) } else { (setting.text.as_str(), "") }
        }
    };
    // Without a unit it is that of the default; without that, days for a time and gigabytes for a size.
    let is_one = |own: &&str| units.iter().any(|(word, ..)| word == own);
    let is_word = setting.typed_unit.is_some() && Some(unit) == or;
    let first = [unit, units::split(&setting.default).1, "d", "GB"].into_iter().find(is_one);
    let unit = if is_word { unit } else { first.unwrap_or(unit) };
    let mut options = String::new();
    let mut option = |word: &str, name: &str| {
        let _ = write!(
            options,
            "<option value=\"{}\"{}>{}</option>",
            Text(word),
            selected(word == unit),
            Text(name)
        );
    };
    for (word, name, _) in units.iter().filter(|(word, _, is_common)| *is_common || *word == unit) {
        option(word, name);
    }
    if let Some(word) = or {
        option(word, word);
    }
    format!(
        "<span class=\"unit\"><input inputmode=\"decimal\" autocomplete=\"off\" value=\"{}\" \
         placeholder=\"{}\"{begin}><select \
         name=\"unit.{path}\" id=\"s-{path}-unit\" aria-label=\"{}: unit\"{off}>{options}</select></span>",
        Text(number),
        Text(&or.map(capital).unwrap_or_default()),
        Text(label),
        path = Text(&setting.path),
        off = if begin.ends_with(" disabled") { " disabled" } else { "" },
    )
}

/// Checkboxes in a folded list. The chosen ones come first in their present order, so that an untouched list sends
/// the same value.
fn several(setting: &Setting, chosen: &[String], others: &[String], rules: &str) -> String {
    let path = Text(&setting.path);
    let off = if rules.ends_with(" disabled") { " disabled" } else { "" };
    let name = |word: &str| known_word(&setting.path, word).unwrap_or(word).to_owned();
    let names: Vec<String> = chosen.iter().map(|word| name(word)).collect();
    let summary = if names.is_empty() { name("") } else { names.join(", ") };
    let mut ticks = String::new();
    for (i, word) in chosen.iter().chain(others).enumerate() {
        let _ = write!(
            ticks,
            "<label class=\"tick\"><input type=\"checkbox\" id=\"s-{path}-{i}\" name=\"{path}\" \
             value=\"{}\"{}{off}>{}</label>",
            Text(word),
            if i < chosen.len() { " checked" } else { "" },
            Text(&name(word)),
        );
    }
    format!(
        "<details class=\"several\"><summary id=\"s-{path}\">{}</summary><div class=\"ticks\" role=\"group\" \
         aria-labelledby=\"s-{path}-label\">{ticks}</div></details>",
        Text(&summary)
    )
}

/// The origin of the value, and the button that restores the default.
fn origin(setting: &Setting, label: &str, is_fixed: bool) -> String {
    let restart = if setting.needs_restart { " In force after a restart." } else { "" };
    match &setting.origin {
        // The row names an origin only if the value differs from the default.
        ValueOrigin::Default => String::new(),
        ValueOrigin::Pinned(place) => format!("<b>Set in {}</b>: change it there", Text(place)),
        ValueOrigin::Page if is_fixed => String::from("<b>Set on this page</b>"),
        ValueOrigin::Page => format!(
            "<b>Set on this page</b>.{restart} <button class=\"link\" form=\"reset\" name=\"_null\" value=\"{path}\" \
             aria-label=\"{label}: back to {default}\">Back to {default}</button>",
            path = Text(&setting.path),
            label = Text(label),
            default = Text(&default(setting)),
        ),
    }
}

/// The default in words; long ones are shortened.
fn default(setting: &Setting) -> String {
    match (&setting.field, setting.default.as_str()) {
        (SettingField::Switch, "true") => "on".into(),
        (SettingField::Switch, _) => "off".into(),
        (SettingField::Several { .. }, "") => format_word(&setting.path, ""),
        (_, "") => "none".into(),
        (SettingField::Choice(_), word) => format_word(&setting.path, word),
        (SettingField::Time(..) | SettingField::Size(_), text) => units::in_words(text),
        (_, text) if text.chars().count() > 24 => "the default".into(),
        (SettingField::Text | SettingField::Suggested(_), text) => format!("“{text}”"),
        (_, text) => text.to_owned(),
    }
}

/// With scripts each field is sent alone.
pub(super) const APPLY: &str =
    "<noscript><p class=\"row\"><button class=\"btn main\">Apply</button></p></noscript>";

pub(super) fn group_help(group: &Group) -> String {
    if group.about.is_empty() {
        String::new()
    } else {
        format!("<p class=\"small muted\">{}</p>", group.about)
    }
}

pub(super) fn format_rounded(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The accepted range as a hint: "1 to 100".
fn range(setting: &Setting) -> String {
    match &setting.field {
        SettingField::Number { least, most, .. } if *most > 1e12 => {
            format!("From {}", format_rounded(*least))
        }
        SettingField::Number { least, most, .. } => {
            format!("{} to {}", format_rounded(*least), format_rounded(*most))
        }
        SettingField::NumberOr { least, most, word } => {
            format!("{} to {}, or {word}", format_rounded(*least), format_rounded(*most))
        }
        SettingField::Time(least, most, None) => {
            format!("{} to {}", units::in_words(least), units::in_words(most))
        }
        _ => String::new(),
    }
}

/// A word of the configuration for people.
fn format_word(path: &str, word: &str) -> String {
    known_word(path, word).map_or_else(|| capital(word), str::to_owned)
}

fn known_word(path: &str, word: &str) -> Option<&'static str> {
    let own = keys::find_path(path).map_or(&[][..], |key| key.words);
    own.iter().chain(WORDS).find(|(own, _)| *own == word).map(|(_, words)| *words)
}
