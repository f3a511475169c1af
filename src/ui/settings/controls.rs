//! The camera's own controls as sliders, switches, menus and buttons.

use std::fmt::Write;

use super::fields::{APPLY, group_help, selected};
use super::setting::{ControlsFacts, SettingsPage};
use super::table::Group;
use crate::ui::escape::{MarkedText, Text};
use crate::ui::form::form_to;
use crate::ui::format::{format_count, sentence};
use crate::ui::frame::hidden_attribute;
use tallycam_camera::media::{Control, ControlKind};

/// The panel of the group. Without controls it says why, or is empty.
pub(super) fn controls_panel(page: &SettingsPage, group: &Group) -> String {
    let head = |body: String| {
        let id = group.id;
        let more = format!(" class=\"panel\" aria-labelledby=\"{id}-head\"");
        let form = form_to("patch", "api/v1/controls", "settings#controls", &more);
        format!("{form}<h2 id=\"{id}-head\">{}</h2>{body}</form>\n", group.title)
    };
    let word = page.search.to_lowercase();
    let is_found = |control: &&Control| {
        [&control.name, &control.title].iter().any(|text| text.to_lowercase().contains(&word))
    };
    let Some(facts) = page.controls.as_ref().filter(|facts| !facts.controls.is_empty()) else {
        if page.no_controls.is_empty() || !word.is_empty() {
            return String::new();
        }
        return head(format!(
            "<p class=\"muted\" id=\"{}\">{}</p>",
            group.id,
            MarkedText(&sentence(&page.no_controls))
        ));
    };
    let found: Vec<&Control> = facts.controls.iter().filter(is_found).collect();
    if found.is_empty() {
        return String::new();
    }
    let is_fixed = page.is_fixed();
    // Folded; an address with its name opens it.
    let is_open = !word.is_empty() || !facts.wrong.is_empty() || !facts.notes.is_empty();
    let mut body = format!(
        "<details class=\"adv\"{}><summary>{} of this camera</summary><div id=\"{}\">",
        if is_open { " open" } else { "" },
        format_count(found.len() as u64, "control"),
        group.id,
    );
    if !is_fixed {
        body.push_str(
            "<button class=\"btn\" form=\"defaults\" id=\"controls-reset\">Back to the \
             camera's defaults</button>",
        );
    }
    let _ = write!(
        body,
        "{}<p class=\"small muted\">{}{}</p>",
        group_help(group),
        Text(&facts.camera),
        if facts.identity.is_empty() {
            String::from("; it tells no lasting name, so what is set holds until it is unplugged")
        } else {
            format!(", kept as {}", Text(&facts.identity))
        },
    );
    let _ = write!(
        body,
        "<div class=\"banner\" id=\"controls-said\" role=\"status\"{}><p>{}</p></div>",
        hidden_attribute(facts.notes.is_empty()),
        MarkedText(&facts.notes.join(" ")),
    );
    for control in found {
        body.push_str(&row(control, facts, is_fixed));
    }
    if !is_fixed {
        body.push_str(APPLY);
    }
    body.push_str("</div></details>");
    head(body)
}

/// A value of a control in words: "on", "50 Hz".
pub fn format_value(control: &Control, value: f64) -> String {
    match &control.kind {
        ControlKind::Boolean => if value == 0.0 { "off" } else { "on" }.into(),
        ControlKind::Menu(choices) => choices
            .iter()
            .find(|(number, _)| *number as f64 == value)
            .map_or_else(|| value.to_string(), |(_, title)| title.clone()),
        ControlKind::Number { .. } | ControlKind::Button => format!("{value}{}", control.spaced_unit()),
    }
}

fn row(control: &Control, facts: &ControlsFacts, is_fixed: bool) -> String {
    let name = Text(&control.name);
    let is_pinned = facts.pinned.contains(&control.name);
    let is_off = is_fixed || is_pinned || control.read_only;
    let range = control.range();
    let more = if control.read_only {
        "The camera sets it itself"
    } else if control.inactive {
        "Ruled by an automatic mode now"
    } else {
        ""
    };
    let hint =
        [range.as_str(), more].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(". ");
    let wrong = facts.wrong.iter().find(|(own, _)| *own == control.name);
    let begin = format!(
        " id=\"c-{name}\" name=\"{name}\" aria-describedby=\"c-{name}-hint c-{name}-org\"{}{}",
        if is_off { " disabled" } else { "" },
        if wrong.is_some() { " aria-invalid=\"true\"" } else { "" }
    );
    let typed = facts.typed.iter().find(|(own, _)| *own == control.name);
    let value = typed.map_or(control.value, |(_, typed)| *typed);
    let unit = Some(&control.unit).filter(|unit| !unit.is_empty());
    let unit = unit.map_or_else(String::new, |unit| format!("<span>{}</span>", Text(unit)));
    let field = match &control.kind {
        ControlKind::Number { min, max, step } => format!(
            "<span class=\"unit\"><input type=\"range\" min=\"{min}\" max=\"{max}\" step=\"{step}\" \
             value=\"{value}\"{begin}><output for=\"c-{name}\" class=\"num\">{value}</output>{unit}</span>"
        ),
        ControlKind::Boolean => format!(
            "<input class=\"switch\" type=\"checkbox\" role=\"switch\" value=\"1\"{begin}{}>",
            if value == 0.0 { "" } else { " checked" }
        ),
        ControlKind::Menu(choices) => {
            let mut options = String::new();
            for (number, title) in choices {
                let _ = write!(
                    options,
                    "<option value=\"{number}\"{}>{}</option>",
                    selected(*number as f64 == value),
                    Text(title)
                );
            }
            format!("<select{begin}>{options}</select>")
        }
        ControlKind::Button => format!(
            "<button class=\"btn\" form=\"press\" id=\"c-{name}\" name=\"{name}\" value=\"1\" \
             aria-describedby=\"c-{name}-hint c-{name}-org\"{}>{}</button>",
            if is_off { " disabled" } else { "" },
            Text(&control.title)
        ),
    };
    let label = if control.kind == ControlKind::Button {
        format!("<span class=\"lab\">{}</span>", Text(&control.title))
    } else {
        format!("<label for=\"c-{name}\">{}</label>", Text(&control.title))
    };
    let was = if is_off || control.kind == ControlKind::Button {
        String::new()
    } else {
        format!("<input type=\"hidden\" name=\"was.{name}\" value=\"{}\">", control.value)
    };
    format!(
        "<div class=\"set{inactive}\" data-control=\"{name}\"><div>{label}<span class=\"hint\" \
         id=\"c-{name}-hint\">{hint}</span></div>{field}<span class=\"org\" id=\"c-{name}-org\">{origin}</span><p \
         class=\"err\" id=\"c-{name}-said\" role=\"status\">{wrong}</p>{was}</div>\n",
        inactive = if control.inactive { " idle" } else { "" },
        origin = origin(control, facts, is_off, is_pinned),
        wrong = wrong.map(|(_, why)| MarkedText(&sentence(why)).to_string()).unwrap_or_default(),
    )
}

fn origin(control: &Control, facts: &ControlsFacts, is_off: bool, is_pinned: bool) -> String {
    if is_pinned {
        return String::from("<b>Set in the configuration</b>: change it there");
    }
    if control.kind == ControlKind::Button {
        return String::new();
    }
    let default = format_value(control, control.default);
    let is_saved = facts.saved.contains(&control.name);
    if is_off || (!is_saved && control.value == control.default) {
        return if control.value == control.default {
            String::new()
        } else {
            format!("Default {}", Text(&default))
        };
    }
    format!(
        "{}<button class=\"link\" form=\"default\" name=\"_null\" value=\"{}\" aria-label=\"{}: back to {}\">Back to \
         {}</button>",
        if is_saved { "<b>Set on this page</b>. " } else { "" },
        Text(&control.name),
        Text(&control.title),
        Text(&default),
        Text(&default),
    )
}
