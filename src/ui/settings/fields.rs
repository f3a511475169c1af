//! One setting as a row: label, what it takes, its field, and where its value comes from.

use super::setting::{Field, Setting, ValueOrigin};
use super::table::{Group, WORDS};
use crate::ui::escape::{Text, Words};
use crate::ui::format::{capital, sentence};

/// What a setting is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels<'a> {
    /// Its name for people.
    pub label: &'a str,
    /// What it does, in few words; may be empty.
    pub hint: &'a str,
    /// What its number counts; may be empty.
    pub unit: &'a str,
}

pub(super) fn selected(is_it: bool) -> &'static str {
    if is_it { " selected" } else { "" }
}

/// The row. `only` are the kinds of source that it is for; all if empty.
pub(super) fn row(setting: &Setting, labels: &Labels<'_>, only: &str, is_fixed: bool) -> String {
    let is_pinned = matches!(setting.origin, ValueOrigin::Pinned(_));
    let path = Text(&setting.path);
    let is_off = is_fixed || is_pinned;
    let only: String = only.split_whitespace().map(|kind| format!(" for-{kind}")).collect();
    let hint = hint_html(setting, labels);
    let rules = format!(
        " aria-describedby=\"s-{path}-hint s-{path}-org\"{}{}",
        if setting.wrong.is_some() { " aria-invalid=\"true\"" } else { "" },
        if is_off { " disabled" } else { "" },
    );
    let was = if is_off || setting.field == Field::Secret {
        String::new()
    } else {
        format!("<input type=\"hidden\" name=\"was.{path}\" value=\"{}\">", Text(&setting.is))
    };
    format!(
        "<div class=\"set{only}\" data-key=\"{path}\" data-was=\"{is}\"><div><label for=\"s-{path}\">{label}</label><span \
         class=\"hint\" id=\"s-{path}-hint\">{hint}</span></div>{field}<span class=\"org\" \
         id=\"s-{path}-org\">{origin}</span><p class=\"err\" id=\"s-{path}-said\" role=\"status\">{wrong}</p>{was}</div>\n",
        is = Text(&setting.is),
        label = Text(labels.label),
        field = field(setting, labels, &rules),
        origin = origin(setting, labels.label, is_fixed),
        wrong = setting.wrong.as_ref().map(|wrong| Words(&sentence(wrong)).to_string()).unwrap_or_default(),
    )
}

/// What it does and what it takes; the configuration's own words in full on demand.
fn hint_html(setting: &Setting, labels: &Labels<'_>) -> String {
    let parts = [labels.hint.to_owned(), range(setting)];
    let mut words: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    // The configuration's own words, where they are few.
    let first = setting.about.split(['\n', ':', ';']).next().unwrap_or_default();
    let first = first.split(". ").next().unwrap_or_default().trim_end_matches('.');
    if words.is_empty() && first.chars().count() <= 80 && !first.starts_with("For \"") {
        words.push(first.to_owned());
    }
    Words(&words.join(". ")).to_string()
}

fn field(setting: &Setting, labels: &Labels<'_>, rules: &str) -> String {
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
        Field::Switch => format!(
            "<input class=\"switch\" type=\"checkbox\" role=\"switch\" value=\"true\"{begin}{}>",
            if setting.text == "true" { " checked" } else { "" }
        ),
        // Not of the kind "number": what is wrong is to come back with a reason, not to be swallowed by the browser.
        Field::Number { is_whole, .. } => unit(format!(
            "<input inputmode=\"{}\" autocomplete=\"off\" value=\"{text}\"{begin}>",
            if *is_whole { "numeric" } else { "decimal" }
        )),
        Field::NumberOr { word, .. } => {
            unit(format!("<input autocomplete=\"off\" value=\"{text}\" placeholder=\"{word}\"{begin}>"))
        }
        Field::Choice(words) => {
            let mut options = String::new();
            for word in words {
                options.push_str(&format!(
                    "<option value=\"{}\"{}>{}</option>",
                    Text(word),
                    selected(*word == setting.text),
                    Text(&format_word(&setting.path, word))
                ));
            }
            format!("<select{begin}>{options}</select>")
        }
        Field::Time(_, _, word) | Field::Size(word) => format!(
            "<input class=\"short\" autocomplete=\"off\" value=\"{text}\" placeholder=\"{}\"{begin}>",
            word.unwrap_or_default()
        ),
        Field::List | Field::Text => {
            format!("<input autocomplete=\"off\" spellcheck=\"false\" value=\"{text}\"{begin}>")
        }
        Field::Suggested(words) => {
            let options: String =
                words.iter().map(|word| format!("<option value=\"{}\"></option>", Text(word))).collect();
            format!(
                "<input autocomplete=\"off\" spellcheck=\"false\" list=\"s-{path}-list\" value=\"{text}\"{begin}><datalist \
                 id=\"s-{path}-list\">{options}</datalist>"
            )
        }
        // What is set is not told, and an empty field leaves it as it is.
        Field::Secret => format!(
            "<input type=\"password\" autocomplete=\"new-password\" placeholder=\"{}\"{begin}>",
            if setting.is.is_empty() { "" } else { "unchanged" }
        ),
    }
}

/// Where the value comes from, and how it is taken back.
pub(super) fn origin(setting: &Setting, label: &str, is_fixed: bool) -> String {
    let restart = if setting.needs_restart { " In force after a restart." } else { "" };
    match &setting.origin {
        ValueOrigin::Default => String::from("Default"),
        ValueOrigin::Pinned(place) => format!("<b>Set in {}</b>: change it there", Text(place)),
        ValueOrigin::Page if is_fixed => String::from("<b>Set on this page</b>"),
        ValueOrigin::Page => format!(
            "<b>Set on this page</b>.{restart} <button class=\"link\" form=\"reset\" name=\"key\" value=\"{path}\" \
             aria-label=\"{label}: back to {default}\">Back to {default}</button>",
            path = Text(&setting.path),
            label = Text(label),
            default = Text(&default(setting)),
        ),
    }
}

/// The default in words; long ones are not spelled out.
fn default(setting: &Setting) -> String {
    match (&setting.field, setting.default.as_str()) {
        (Field::Switch, "true") => "on".into(),
        (Field::Switch, _) => "off".into(),
        (_, "") => "none".into(),
        (Field::Choice(_), word) => format_word(&setting.path, word),
        (_, text) if text.chars().count() > 24 => "the default".into(),
        (Field::Text | Field::Suggested(_), text) => format!("“{text}”"),
        (_, text) => text.to_owned(),
    }
}

/// With scripts each field is sent by itself.
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

/// What it takes, as a hint: "1 to 100".
fn range(setting: &Setting) -> String {
    match &setting.field {
        Field::Switch
        | Field::Choice(_)
        | Field::Secret
        | Field::Text
        | Field::Suggested(_)
        | Field::List => String::new(),
        Field::Number { least, most, .. } if *most > 1e12 => format!("From {}", format_rounded(*least)),
        Field::Number { least, most, .. } => {
            format!("{} to {}", format_rounded(*least), format_rounded(*most))
        }
        Field::NumberOr { least, most, word } => {
            format!("{} to {}, or {word}", format_rounded(*least), format_rounded(*most))
        }
        Field::Time(least, most, None) => format!("{least} to {most}"),
        Field::Time(_, _, Some(word)) => format!("Such as 30s, 5m or 1h, or {word}"),
        Field::Size(None) => String::from("Such as 500MB or 2GB"),
        Field::Size(Some(word)) => format!("Such as 500MB or 2GB, or {word}"),
    }
}

/// A word of the configuration as people read it.
fn format_word(path: &str, word: &str) -> String {
    let known = WORDS.iter().find(|(of, own, _)| (of.is_empty() || *of == path) && *own == word);
    known.map_or_else(|| capital(word), |(_, _, words)| (*words).to_owned())
}
