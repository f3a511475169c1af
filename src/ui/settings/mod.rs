//! The page of settings: what can be changed while it runs, in groups, each value with its unit, its range and where it
//! comes from; and the camera's own controls. Pure. Every group is a form of its own; `settings.js` sends each field by
//! itself when it is changed.

mod controls;
mod fields;
mod setting;
mod table;

use std::fmt::Write;

use crate::ui::escape::{Text, Words};
use crate::ui::format::sentence;
use crate::ui::frame::{Frame, Tab, hidden_attribute, refusal_html};
pub use controls::format_value as control_in_words;
use fields::{APPLY, format_rounded, group_help};
pub use setting::{CameraMode, ControlsFacts, Field, Setting, SettingsPage, ValueOrigin};
use table::{CONTROLS, GROUPS, Group, LEFT_OUT, ONLY_FOR};

/// Whether the page shows and changes the setting with this key.
pub fn is_shown_on_page(path: &str) -> bool {
    !LEFT_OUT.contains(&path) && !path.starts_with("controls.") && !path.starts_with("source.controls")
}

/// The keys of a group's form. `other` has those that no group has.
pub fn group_of_key(path: &str) -> &'static str {
    let of = GROUPS.iter().find(|group| group.rows.iter().any(|row| row.0 == path));
    of.map_or("other", |group| group.id)
}

/// The page of settings as HTML, at `settings`.
///
/// It posts to `settings?do=` `set` (fields under their keys; `was.KEY` is what each was, `mode` a mode's
/// [`CameraMode::to_form_value`]), `reset` (`key`), `controls` (fields under the controls' names, likewise), `control` (`name` of
/// a button), `default` (`name` of a control, or none for all), `import` (`toml`) and `power` (`what`: `off` or
/// `reboot`).
pub fn settings_page(page: &SettingsPage) -> String {
    let (mut nav, mut groups) = (String::new(), String::new());
    let mut rest: Vec<&Setting> = page.settings.iter().filter(|own| is_shown_on_page(&own.path)).collect();
    for group in GROUPS {
        let rows: Vec<(&Setting, fields::Labels<'_>)> = group
            .rows
            .iter()
            .filter_map(|row| {
                let at = rest.iter().position(|own| own.path == row.0)?;
                Some((rest.remove(at), fields::Labels { label: row.1, hint: row.2, unit: row.3 }))
            })
            .collect();
        let html = if group.id == CONTROLS {
            controls::controls_panel(page, group)
        } else {
            group_form(page, group, &rows)
        };
        if !html.is_empty() {
            // Writing to a string does not fail.
            let _ = write!(nav, "<a href=\"#{}\">{}</a>", group.id, group.title);
            groups.push_str(&html);
        }
    }
    if !rest.is_empty() {
        let group = Group { id: "other", title: "Further", about: "", rows: &[] };
        let rows: Vec<_> =
            rest.iter().map(|own| (*own, fields::Labels { label: &own.path, hint: "", unit: "" })).collect();
        let _ = write!(nav, "<a href=\"#other\">{}</a>", group.title);
        groups.push_str(&group_form(page, &group, &rows));
    }
    nav.push_str("<a href=\"#file\">Settings file</a>");
    if page.has_power {
        nav.push_str("<a href=\"#power\">Power</a>");
    }
    let main = format!(
        include_str!("settings.html"),
        banners = banners(page),
        nav = nav,
        groups = groups,
        file = if page.fixed.is_empty() { include_str!("file.html") } else { "" },
        power = if page.has_power { include_str!("power.html") } else { "" },
    );
    Frame::new(&page.head, Tab::Settings, "Settings", &["page.js", "head.js", "settings.js"]).render(&main)
}

fn banners(page: &SettingsPage) -> String {
    let mut html = page.refused.as_ref().map(refusal_html).unwrap_or_default();
    if let Some(done) = &page.done {
        let _ = write!(
            html,
            "<div class=\"banner\" role=\"status\" id=\"done\"><p>{}</p></div>",
            Text(&sentence(done))
        );
    }
    if !page.complaint.is_empty() {
        let _ = write!(
            html,
            "<div class=\"banner trouble\" id=\"complaint\"><p><b>A part of the configuration is not in force; former values stay.</b></p><pre tabindex=\"0\">{}</pre></div>",
            Text(&page.complaint)
        );
    }
    if !page.unkept.is_empty() {
        let _ =
            write!(html, "<div class=\"banner trouble\" id=\"unkept\"><p>{}</p></div>", Text(&page.unkept));
    }
    if !page.fixed.is_empty() {
        let _ = write!(html, "<div class=\"banner\"><p>{}</p></div>", Words(&sentence(&page.fixed)));
    }
    let waiting: Vec<&str> =
        page.settings.iter().filter(|own| own.needs_restart).map(|own| own.path.as_str()).collect();
    let _ = write!(
        html,
        "<div class=\"banner\" id=\"restart\"{hidden}><p><b>After a restart of tallycam</b> <span \
         id=\"restart-keys\">{keys}</span> will be in force.</p></div>",
        hidden = hidden_attribute(waiting.is_empty()),
        keys = Text(&waiting.join(", ")),
    );
    html
}

/// The form of one group.
fn group_form(page: &SettingsPage, group: &Group, rows: &[(&Setting, fields::Labels<'_>)]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let is_fixed = !page.fixed.is_empty();
    let mut body = String::new();
    for (setting, labels) in rows {
        if setting.path == "source.width" && !page.modes.is_empty() {
            body.push_str(&modes(page, is_fixed));
        }
        let only = ONLY_FOR.iter().find(|(path, _)| *path == setting.path).map_or("", |(_, kinds)| *kinds);
        body.push_str(&fields::row(setting, labels, only, is_fixed));
    }
    format!(
        "<form class=\"panel\" method=\"post\" action=\"settings?do=set#{id}\" id=\"{id}\" \
         aria-labelledby=\"{id}-head\"><h2 id=\"{id}-head\">{title}</h2>{about}{body}{apply}</form>\n",
        id = group.id,
        title = group.title,
        about = group_help(group),
        apply = if is_fixed || rows.iter().all(|(own, _)| matches!(own.origin, ValueOrigin::Pinned(_))) {
            ""
        } else {
            APPLY
        },
    )
}

/// The choice of a mode among those the camera offers: format, width and height in one.
fn modes(page: &SettingsPage, is_fixed: bool) -> String {
    let of = |path: &str| page.settings.iter().find(|own| own.path == path);
    let three = ["source.format", "source.width", "source.height"].map(of);
    let pinned = three.iter().flatten().find_map(|own| match &own.origin {
        ValueOrigin::Pinned(place) => Some(place.as_str()),
        _ => None,
    });
    let [format, width, height] = three.map(|own| own.map_or("", |own| own.is.as_str()));
    let is_auto = [format, width, height].iter().all(|text| matches!(*text, "" | "auto"));
    let mut options = format!("<option value=\"auto\"{}>Automatic</option>", fields::selected(is_auto));
    let mut is_known = is_auto;
    for mode in &page.modes {
        let is_it = !is_known
            && matches!(format, "" | "auto" | "any") | (format == mode.format)
            && width == mode.width.to_string()
            && height == mode.height.to_string();
        is_known |= is_it;
        let rate = if mode.fps > 0.0 { format!(", {} fps", format_rounded(mode.fps)) } else { String::new() };
        let _ = write!(
            options,
            "<option value=\"{}\"{}>{} × {} {}{rate}</option>",
            Text(&mode.to_form_value()),
            fields::selected(is_it),
            mode.width,
            mode.height,
            Text(&mode.format),
        );
    }
    if !is_known {
        options.insert_str(0, "<option value=\"\" selected>As set below</option>");
    }
    format!(
        "<div class=\"set\"><div><label for=\"mode\">Size and format</label><span class=\"hint\" id=\"mode-hint\">What \
         this camera offers. If the camera does not take it, the last that worked comes back</span></div><select \
         id=\"mode\" name=\"mode\" aria-describedby=\"mode-hint\"{disabled}>{options}</select><span \
         class=\"org\">{origin}</span><p class=\"err\" id=\"mode-said\" role=\"status\"></p></div>\n",
        disabled = if is_fixed || pinned.is_some() { " disabled" } else { "" },
        origin =
            pinned.map(|place| format!("<b>Set in {}</b>: change it there", Text(place))).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures::controls;

    /// The row of a setting.
    fn row<'a>(html: &'a str, key: &str) -> &'a str {
        let from = html.find(&format!("data-key=\"{key}\"")).unwrap_or_else(|| panic!("no {key}"));
        &html[from..from + html[from..].find("</div>\n").unwrap_or(0)]
    }

    #[test]
    fn each_value_has_its_range_its_unit_and_its_origin() {
        let html = settings_page(&controls::settings());
        let quality = row(&html, "stream.quality");
        for words in ["JPEG quality", "1 to 100", "<span>of 100</span>", "value=\"80\"", ">Default<"] {
            assert!(quality.contains(words), "no {words} in {quality}");
        }
        let kind = row(&html, "source.kind");
        assert!(
            kind.contains(" disabled") && kind.contains("<b>Set in /etc/tallycam/config.toml line 14</b>")
        );
        assert!(!kind.contains("name=\"was."), "what cannot be changed is not sent");
        let name = row(&html, "name");
        assert!(name.contains("<b>Set on this page</b>") && name.contains("Back to “camera”"), "{name}");
        assert!(row(&html, "http.max_connections").contains("In force after a restart."));
        assert!(html.contains("id=\"restart-keys\">http.max_connections</span>"));
        // A key that this page has never heard of is there all the same.
        assert!(html.contains("Further") && row(&html, "new.key").contains("1s to 5m"));
    }

    #[test]
    fn what_is_wrong_stands_at_its_field_with_what_was_typed() {
        let mut page = controls::settings();
        for own in page.settings.iter_mut().filter(|own| own.path == "stream.quality") {
            own.text = "500".into();
            own.wrong = Some("must be a whole number from 1 to 100, not 500".into());
        }
        let html = settings_page(&page);
        let quality = row(&html, "stream.quality");
        assert!(quality.contains("value=\"500\"") && quality.contains("aria-invalid=\"true\""));
        assert!(quality.contains("must be a whole number from 1 to 100, not 500."), "{quality}");
        assert!(quality.contains("name=\"was.stream.quality\" value=\"80\""));
    }

    #[test]
    fn the_mode_in_force_is_chosen_among_those_of_the_camera() {
        let html = settings_page(&controls::settings());
        assert!(html.contains("<option value=\"MJPG-960x720\" selected>960 × 720 MJPG, 30 fps</option>"));
        assert!(html.contains("<option value=\"YUYV-640x480\">640 × 480 YUYV, 25 fps</option>"));
        let mut page = controls::settings();
        for own in page.settings.iter_mut().filter(|own| own.path == "source.width") {
            own.is = "800".into();
        }
        assert!(settings_page(&page).contains("<option value=\"\" selected>As set below</option>"));
    }

    #[test]
    fn controls_are_what_the_camera_says_they_are() {
        let html = settings_page(&controls::settings());
        for words in [
            "type=\"range\" min=\"0\" max=\"255\" step=\"1\" value=\"140\" id=\"c-brightness\"",
            "id=\"c-white_balance_automatic\" name=\"white_balance_automatic\" aria-describedby",
            "<option value=\"3\" selected>Aperture Priority Mode</option>",
            "form=\"press\" id=\"c-pan_reset\"",
            "3 to 2047. Ruled by an automatic mode now",
            "id=\"controls-said\" role=\"status\" hidden><p></p>",
        ] {
            assert!(html.contains(words), "no {words}");
        }
        let mut said = controls::settings();
        if let Some(facts) = &mut said.controls {
            facts.typed = vec![("brightness".into(), 90.0), ("white_balance_automatic".into(), 0.0)];
            facts.wrong = vec![("brightness".into(), "somebody else has set this to 140 meanwhile".into())];
            facts.notes = vec!["It is set to 60.".into(), "This is not kept.".into()];
        }
        let said = settings_page(&said);
        for words in [
            "value=\"90\" id=\"c-brightness\"",
            "c-brightness-org\" aria-invalid=\"true\"><output for=\"c-brightness\" class=\"num\">90<",
            "omebody else has set this to 140 meanwhile.</p><input type=\"hidden\" name=\"was.brightness\" value=\"140\">",
            "c-white_balance_automatic-org\"><span",
            "name=\"was.white_balance_automatic\" value=\"1\">",
            "id=\"controls-said\" role=\"status\"><p>It is set to 60. This is not kept.</p>",
        ] {
            assert!(said.contains(words), "no {words}");
        }
        let page = SettingsPage {
            controls: None,
            no_controls: "the camera is used by another program".into(),
            ..controls::settings()
        };
        assert!(settings_page(&page).contains("the camera is used by another program."));
        assert!(
            !settings_page(&SettingsPage { no_controls: String::new(), ..page })
                .contains("href=\"#controls\"")
        );
    }
}
