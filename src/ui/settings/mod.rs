//! The page Settings: the settings that can be changed at run time, in groups, each with unit, range and origin; and
//! the camera's own controls. Pure.
//!
//! Each group is a form. `settings.js` sends each changed row alone, and replaces it by the row of the returned page.

mod controls;
mod fields;
mod retention;
mod setting;
mod table;
mod units;

use std::fmt::Write;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::Reader;
use crate::ui::form::form_to;
use crate::ui::format::sentence;
use crate::ui::frame::{PageFrame, Tab, hidden_attribute, refusal_html};
use crate::ui::names::{MODE, MODE_LABEL, label};
pub use controls::format_value as control_in_words;
use fields::{APPLY, FieldLabels, format_rounded, group_help};
pub use retention::{LISTED, RetentionPreview};
pub use setting::{CameraMode, ControlsFacts, Setting, SettingField, SettingsPage, ValueOrigin};
use table::{CAMERA, CONTROLS, ELSEWHERE, GROUPS, Group, MODE_HINT, RETENTION, synonyms};
use tallycam_config::keys::{self, Key, PagePlace};

/// True if the page shows and changes the setting with this key.
fn is_shown_on_page(path: &str) -> bool {
    place(path) != PagePlace::Elsewhere
        && !path.starts_with("controls.")
        && !path.starts_with("source.controls")
}

/// The place of the setting with this key.
fn place(path: &str) -> PagePlace {
    if path == MODE {
        PagePlace::Shown(CAMERA)
    } else {
        keys::find_path(path).map_or(PagePlace::End, |key| key.page)
    }
}

/// The page Settings as HTML, at `settings`.
///
/// Its forms ask the API. Settings are fields under their keys, a unit is `unit.KEY`, `was.KEY` is the former value,
/// and `mode` is [`CameraMode::to_form_value`]. Controls are fields under their names, likewise.
pub fn settings_page(page: &SettingsPage) -> String {
    let (mut nav, mut groups) = (String::new(), String::new());
    let mut shown: Vec<&Setting> = page.settings.iter().filter(|own| is_shown_on_page(&own.path)).collect();
    let mut add = |group: &Group, html: String| {
        if !html.is_empty() {
            let _ = write!(nav, "<a href=\"#{}\">{}</a>", group.id, group.title);
            groups.push_str(&html);
        }
    };
    for group in GROUPS {
        let mut rows = |place| {
            let row = |key: &Key| {
                let at = shown.iter().position(|own| own.path == key.path())?;
                let own = shown.remove(at);
                is_found(page, own).then(|| fields::row(page, own))
            };
            group.keys(place).into_iter().filter_map(row).collect::<String>()
        };
        let html = if group.id == CONTROLS {
            controls::controls_panel(page, group)
        } else {
            let modes = modes(page).filter(|_| group.id == CAMERA).unwrap_or_default();
            let in_sight = rows(PagePlace::Shown(group.id)) + &modes;
            group_form(page, group, &in_sight, &rows(PagePlace::Advanced(group.id)))
        };
        add(group, html);
    }
    let further = Group { id: "other", title: "Further", about: "", first: &[] };
    let rows: String =
        shown.iter().filter(|own| is_found(page, own)).map(|own| fields::row(page, own)).collect();
    add(&further, group_form(page, &further, "", &rows));
    let has_more = page.head.reader == Reader::Admin && page.search.is_empty();
    if has_more {
        nav.push_str("<a href=\"#file\">Settings file</a>");
    }
    if page.has_power && has_more {
        nav.push_str("<a href=\"#power\">Power</a>");
    }
    groups.push_str(&elsewhere(&page.search));
    let main = format!(
        include_str!("settings.html"),
        refused = page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        banners = banners(page),
        search = Text(&page.search),
        none_hidden = hidden_attribute(!groups.is_empty()),
        all_hidden = hidden_attribute(page.search.is_empty()),
        nav = nav,
        groups = groups,
        file = if has_more && page.fixed.is_empty() { settings_file(page) } else { String::new() },
        acts = ACTS
            .map(|[id, method, address, next]| form_to(method, address, next, &format!(" id=\"{id}\""))
                + "</form>\n")
            .concat(),
        power = if has_more && page.has_power { include_str!("power.html") } else { "" },
    );
    PageFrame::new(&page.head, Tab::Settings, "Settings", &["page.js", "head.js", "settings.js"])
        .for_changes_by(Reader::Admin)
        .render(&main)
}

/// Forms of the rows' buttons: name, method, address, next page.
const ACTS: [[&str; 4]; 4] = [
    ["reset", "patch", "api/v1/settings", "settings?saved={id}#s-{id}"],
    ["press", "patch", "api/v1/controls", "settings#controls"],
    ["default", "patch", "api/v1/controls", "settings#controls"],
    ["defaults", "post", "api/v1/controls/reset", "settings#controls"],
];

/// Links to settings that are on other pages, shown during a search.
fn elsewhere(search: &str) -> String {
    let word = search.to_lowercase();
    let mut rows = String::new();
    for (names, row) in ELSEWHERE.iter().filter(|(names, _)| names.contains(&word)) {
        let _ = write!(rows, "<div class=\"set\" data-find=\"{names}\"><span>{row}</span></div>");
    }
    if rows.is_empty() {
        return rows;
    }
    let out = if search.is_empty() { " out" } else { "" };
    format!("<section class=\"panel{out}\" aria-label=\"On other pages\">{rows}</section>\n")
}

/// True if the setting matches the search.
fn is_found(page: &SettingsPage, setting: &Setting) -> bool {
    let labels = FieldLabels::of(setting);
    let word = page.search.to_lowercase();
    [labels.label, labels.hint, &setting.path, &setting.about, synonyms(&setting.path)]
        .iter()
        .any(|text| text.to_lowercase().contains(&word))
}

fn banners(page: &SettingsPage) -> String {
    let mut html = String::new();
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
            "<div class=\"banner trouble\" id=\"complaint\"><p><b>A file is invalid or was lost; other values or none \
             are in force.</b></p><pre tabindex=\"0\">{}</pre></div>",
            Text(&page.complaint)
        );
    }
    if !page.unsaved.is_empty() {
        let _ =
            write!(html, "<div class=\"banner trouble\" id=\"unsaved\"><p>{}</p></div>", Text(&page.unsaved));
    }
    if !page.fixed.is_empty() {
        let _ = write!(html, "<div class=\"banner\"><p>{}</p></div>", MarkedText(&sentence(&page.fixed)));
    }
    let waiting: Vec<String> = page
        .settings
        .iter()
        .filter(|own| own.needs_restart)
        .map(|own| label(&own.path).unwrap_or_else(|| own.path.clone()))
        .collect();
    let _ = write!(
        html,
        "<div class=\"banner\" id=\"restart\"{hidden}><p><b>After a restart of tallycam</b> <span \
         id=\"restart-keys\">{keys}</span> will be in force.</p></div>",
        hidden = hidden_attribute(waiting.is_empty()),
        keys = Text(&waiting.join(", ")),
    );
    html
}

/// Export and import. The reader is asked before an import that deletes media.
fn settings_file(page: &SettingsPage) -> String {
    let button = if page.import_deletes.is_empty() {
        String::from("<p class=\"row\"><button class=\"btn\">Import</button></p>")
    } else {
        format!(
            "<div class=\"ask\"><p><b>{}</b> It cannot be undone.</p><p class=\"row\"><button class=\"btn danger\" \
             formaction=\"api/v1/settings.toml?confirm=1\">Import and delete</button> <a class=\"btn\" \
             href=\"settings#file\">Cancel</a></p></div>",
            Text(&page.import_deletes)
        )
    };
    let form =
        form_to("put", "api/v1/settings.toml", "settings?done=import", " class=\"field\" id=\"import\"");
    format!(include_str!("file.html"), form = form, typed = Text(&page.import), button = button)
}

/// The form of one group: its visible rows, and the folded advanced ones.
fn group_form(page: &SettingsPage, group: &Group, rows: &str, advanced: &str) -> String {
    if rows.is_empty() && advanced.is_empty() {
        return String::new();
    }
    // Changed rows and found rows are not hidden.
    let is_open = !page.search.is_empty() || [OK, WRONG].iter().any(|mark| advanced.contains(mark));
    let folded = if advanced.is_empty() {
        String::new()
    } else {
        format!(
            "<details class=\"adv\"{}><summary>Advanced</summary>{advanced}</details>",
            if is_open { " open" } else { "" }
        )
    };
    let goes = page.plan.as_ref().map(retention::preview).unwrap_or_default();
    let preview = format!("<div id=\"goes\">{goes}</div>");
    let preview = if group.id == RETENTION { preview } else { String::new() };
    let waits = match &page.waits {
        Some((wait, clock)) if group.id == RETENTION && page.plan.is_none() => {
            format!("<p class=\"small muted\">{}</p>", Text(&retention::wait_in_words(*wait, clock)))
        }
        _ => String::new(),
    };
    let is_off = page.is_fixed() || !(rows.contains("name=\"was.") || advanced.contains("name=\"was."));
    let form = form_to(
        "patch",
        "api/v1/settings",
        &format!("settings?saved={{id}}#{}", group.id),
        &format!(" class=\"panel\" id=\"{id}\" aria-labelledby=\"{id}-head\"", id = group.id),
    );
    format!(
        "{form}{enter}<h2 id=\"{id}-head\">{title}</h2>{about}{rows}{folded}{waits}{plan}{apply}{preview}</form>\n",
        id = group.id,
        title = group.title,
        about = group_help(group),
        enter = if is_off { "" } else { ENTER },
        plan = if group.id == RETENTION && !is_off { PLAN } else { "" },
        apply = if is_off { "" } else { APPLY },
    )
}

/// Marks of rows with a message.
const OK: &str = "class=\"ok\"";
const WRONG: &str = "aria-invalid";

/// The key Enter presses the first button of a form, which must not be one that deletes.
const ENTER: &str = "<button class=\"sr\" tabindex=\"-1\" aria-hidden=\"true\">Apply</button>";

const PLAN: &str = "<p class=\"row\" data-swap=\"goes\"><button class=\"btn\" id=\"plan\" formmethod=\"get\" \
    formaction=\"settings\" \
    name=\"plan\" value=\"1\">Preview</button> <span class=\"small \
    muted\">What these rules delete now</span> <span class=\"small said\" id=\"plan-said\" role=\"status\"></span></p>";

/// The choice of a camera mode (format, width and height in one); `None` if no modes are known.
fn modes(page: &SettingsPage) -> Option<String> {
    let word = page.search.to_lowercase();
    let is_wanted = MODE_LABEL.to_lowercase().contains(&word) || synonyms(MODE).contains(&word);
    if page.modes.is_empty() || !is_wanted {
        return None;
    }
    let three = ["source.format", "source.width", "source.height"]
        .map(|path| page.settings.iter().find(|own| own.path == path));
    let pinned = three.iter().flatten().find_map(|own| match &own.origin {
        ValueOrigin::Pinned(place) => Some(place.as_str()),
        _ => None,
    });
    let [format, width, height] = three.map(|own| own.map_or("", |own| own.is.as_str()));
    let is_auto = [width, height].iter().all(|text| matches!(*text, "" | "auto"));
    let mut options = format!("<option value=\"auto\"{}>Automatic</option>", fields::selected(is_auto));
    let mut is_known = is_auto;
    let mut was = String::from(if is_auto { "auto" } else { "" });
    for mode in &page.modes {
        let is_it = !is_known
            && (matches!(format, "" | "auto") || format == mode.format)
            && width == mode.width.to_string()
            && height == mode.height.to_string();
        is_known |= is_it;
        if is_it {
            was = mode.to_form_value();
        }
        let mut more = String::new();
        if mode.format != "auto" {
            let _ = write!(more, " {}", Text(&mode.format));
        }
        if mode.fps > 0.0 {
            let _ = write!(more, ", {} fps", format_rounded(mode.fps));
        }
        let _ = write!(
            options,
            "<option value=\"{}\"{}>{} × {}{more}</option>",
            Text(&mode.to_form_value()),
            fields::selected(is_it),
            mode.width,
            mode.height,
        );
    }
    if !is_known {
        let _ = write!(options, "<option value=\"\" selected>{} × {}</option>", Text(width), Text(height));
    }
    Some(format!(
        "<div class=\"set\" id=\"row-mode\" data-swap=\"row-mode\" data-key=\"mode\" \
         data-find=\"{find}\"><div><label for=\"mode\">{label}</label><span class=\"hint\" \
         id=\"mode-hint\">{hint}</span></div><select id=\"mode\" name=\"mode\" \
         aria-describedby=\"mode-hint\"{disabled}>{options}</select><input type=\"hidden\" name=\"was.mode\" \
         value=\"{was}\"><span class=\"org\">{origin}</span><div \
         class=\"err\"></div>{saved}</div>\n",
        was = Text(&was),
        find = synonyms(MODE),
        label = MODE_LABEL,
        hint = MODE_HINT,
        disabled = if page.is_fixed() || pinned.is_some() { " disabled" } else { "" },
        origin =
            pinned.map(|place| format!("<b>Set in {}</b>: change it there", Text(place))).unwrap_or_default(),
        saved = fields::saved(MODE_LABEL, page.saved.iter().any(|saved| saved == MODE)),
    ))
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
        for words in ["JPEG quality", "1 to 100", "<span>of 100</span>", "value=\"80\""] {
            assert!(quality.contains(words), "no {words} in {quality}");
        }
        let kind = row(&html, "source.kind");
        assert!(
            kind.contains(" disabled") && kind.contains("<b>Set in /etc/tallycam/config.toml line 14</b>")
        );
        assert!(!kind.contains("name=\"was."), "a pinned setting is not sent");
        let name = row(&html, "name");
        assert!(name.contains("<b>Set on this page</b>") && name.contains("Back to “camera”"), "{name}");
        assert!(row(&html, "http.max_connections").contains("In force after a restart."));
        assert!(html.contains("id=\"restart-keys\">Maximum connections</span>"));
        // A key that the page does not know is shown all the same.
        assert!(html.contains("Further") && row(&html, "new.key").contains("1 second to 5 minutes"));
    }

    #[test]
    fn synonyms_find_a_setting_or_the_page_that_has_it() {
        let found = |search: &str| {
            settings_page(&SettingsPage { search: search.into(), modes: Vec::new(), ..controls::settings() })
        };
        for (word, mark) in [
            ("resolution", "data-key=\"source.width\""),
            ("timezone", "data-key=\"counts.time_zone\""),
            ("Password", "href=\"access\""),
            ("wifi", "operating system"),
            ("backup", "href=\"database\""),
        ] {
            let html = found(word);
            assert!(
                html.contains(mark) && html.contains("id=\"none\" role=\"status\" hidden"),
                "{word}: {html}"
            );
        }
        let html = found("zzz");
        assert!(
            html.contains("id=\"none\" role=\"status\">No setting has “<b id=\"none-word\">zzz</b>” in"),
            "{html}"
        );
        assert!(found("").contains("class=\"panel out\""));
    }

    #[test]
    fn an_error_is_shown_at_its_field_with_the_typed_value() {
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
        assert!(settings_page(&page).contains("<option value=\"\" selected>800 × 720</option>"));
    }

    #[test]
    fn controls_are_shown_as_the_camera_describes_them() {
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
            "omebody else has set this to 140 meanwhile.</p><input type=\"hidden\" name=\"was.brightness\" \
             value=\"140\">",
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
