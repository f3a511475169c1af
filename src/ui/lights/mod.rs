//! The light: a card beside the live picture, and a page for phones and readers without scripts.

pub mod lens;

use std::fmt::Write;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::lights::{LightReport, PresetReport};
use crate::ui::facts::{Head, Reader};
use crate::ui::form::{change_link, form_to, lock};
use crate::ui::format::maybe_sentence;
use crate::ui::frame::{PageFrame, Tab, hidden_attribute};

#[derive(Debug, Clone, PartialEq, Default)]
pub struct LightsPage {
    pub head: Head,
    /// The light; `None` without one.
    pub light: Option<LightReport>,
    /// The refusal of the last request, or that its change is not stored; may be empty.
    pub said: String,
}

/// The parts of a page that change with the light.
pub(super) const PARTS: &str = "light light-too turned";

/// Pixels in a row of the drawing.
const IN_A_ROW: usize = 24;

/// The page as HTML, at `lights`.
pub fn lights_page(page: &LightsPage) -> String {
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>Light</h1></div>\n<p class=\"sr\" \
         id=\"news\" role=\"status\"></p>{body}</main>\n",
        body = match &page.light {
            Some(light) => format!(
                "<section class=\"panel card\" id=\"light\" data-swap=\"{PARTS}\">{}</section>\n<p \
                 class=\"small muted\">Kind, number of \
                 pixels, greatest brightness, light for snapshots: <a href=\"settings#lights\">Settings</a></p>\n",
                card(light, false, page.head.reader, &page.said)
            ),
            None => format!(
                "<section class=\"panel empty\"><h2>No light configured</h2><p class=\"muted\">A NeoPixel strip or a \
                 lamp beside \
                 the camera can be switched here once it is configured.</p>{}</section>\n",
                change_link(page.head.reader, Reader::Admin, "btn main", "settings#lights", "Set up a light")
            ),
        },
    );
    let least = if page.light.is_some() { Reader::Operator } else { Reader::Visitor };
    PageFrame::new(&page.head, Tab::Lights, "Light", &["page.js", "head.js", "controls.js"])
        .for_changes_by(least)
        .render(&main)
}

/// The card beside the live picture.
pub(super) fn section(light: &LightReport, said: &str) -> String {
    format!(
        "<section id=\"light\" class=\"card\" data-swap=\"{PARTS}\" aria-labelledby=\"light-head\"><header><h2 \
         id=\"light-head\">Light</h2><a class=\"small\" href=\"settings#lights\">Settings</a></header>{}</section>\n    ",
        card(light, true, Reader::Operator, said)
    )
}

fn card(light: &LightReport, is_live: bool, reader: Reader, said: &str) -> String {
    let [lock, unlock] = lock(reader, Reader::Operator);
    let next = if is_live { "./#light" } else { "lights" };
    let form = |more: &str| form_to("patch", "api/v1/light", next, more);
    format!(
        "{act}</form>{set}{lock}\n\
         <p class=\"small bad\" id=\"light-why\"{why_hidden}>{why}</p>\n{pinned}{dots}\
         <p class=\"row\"><button class=\"btn\" form=\"light-act\" id=\"light-on\" name=\"on\" value=\"{other}\" \
         aria-pressed=\"{on}\">Light</button> <span class=\"muted\" id=\"light-shows\">{shows}</span></p>\n\
         <p class=\"field\"><label for=\"brightness\">Brightness</label><span class=\"unit\"><input id=\"brightness\" \
         name=\"brightness\" type=\"range\" min=\"0\" max=\"255\" value=\"{brightness}\"><output for=\"brightness\" \
         id=\"brightness-now\" class=\"num\">{brightness}</output><span>of 255</span></span></p>\n{colors}\
         <noscript>{was}<p class=\"row\"><button class=\"btn\">Set</button></p></noscript>\n\
         <p class=\"small said\" id=\"light-said\" role=\"status\">{said}</p>{unlock}</form>",
        act = form(" id=\"light-act\" hidden"),
        set = form(" id=\"light-form\""),
        why_hidden = hidden_attribute(light.reason.is_none()),
        why = MarkedText(format!("{} {}", maybe_sentence(&light.reason), maybe_sentence(&light.hint)).trim()),
        pinned = light.pinned.as_ref().map_or_else(String::new, |place| {
            format!("<p class=\"small\"><b>Set in {}</b>: change it there.</p>\n", Text(place))
        }),
        dots = if light.has_colors { pixel_dots(light) } else { String::new() },
        on = light.is_on,
        other = !light.is_on,
        shows = Text(describe_scene(light)),
        brightness = light.brightness,
        colors = if light.has_colors { colors(light) } else { String::new() },
        was = previous_values_html(light),
        said = MarkedText(said),
    )
}

/// The present values as hidden fields, so that Set changes only what the user moved. With scripts each field is sent
/// alone.
fn previous_values_html(light: &LightReport) -> String {
    let hidden =
        |name: &str, value: &str| format!("<input type=\"hidden\" name=\"was.{name}\" value=\"{value}\">");
    let mut html = hidden("brightness", &light.brightness.to_string());
    if light.has_colors {
        html.push_str(&hidden("color", &format!("#{}", light.color.to_lowercase())));
    }
    html
}

/// The light's mode in words.
fn describe_scene(light: &LightReport) -> &'static str {
    match light.shows {
        "on" => "on",
        "auto" => "on, because the picture is dark",
        "shot" => "full, for a snapshot",
        _ => "off",
    }
}

/// The colours of the pixels, as dots.
fn pixel_dots(light: &LightReport) -> String {
    let (columns, rows) =
        (light.colors.len().clamp(1, IN_A_ROW), light.colors.len().div_ceil(IN_A_ROW).max(1));
    let mut svg = format!(
        "<svg class=\"dots\" id=\"dots\" role=\"img\" aria-label=\"What the {} pixels show\" viewBox=\"0 0 {} {}\">",
        light.colors.len(),
        columns * 10,
        rows * 10
    );
    for (i, color) in light.colors.iter().enumerate() {
        let _ = write!(
            svg,
            "<circle cx=\"{}\" cy=\"{}\" r=\"4\" fill=\"#{}\"/>",
            i % IN_A_ROW * 10 + 5,
            i / IN_A_ROW * 10 + 5,
            color
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn colors(light: &LightReport) -> String {
    let mut html = format!(
        "<p class=\"field\"><label for=\"color\">Colour</label><input id=\"color\" name=\"color\" type=\"color\" \
         value=\"#{}\"></p>\n<p class=\"row presets\" role=\"group\" aria-label=\"Colours\">",
        light.color.to_lowercase()
    );
    for PresetReport { name, color } in &light.presets {
        let _ = write!(
            html,
            "<button class=\"btn\" form=\"light-act\" name=\"color\" value=\"{color}\"><svg viewBox=\"0 0 10 10\" \
             aria-hidden=\"true\"><circle cx=\"5\" cy=\"5\" r=\"4\" fill=\"#{color}\"/></svg>{}</button>",
            Text(&crate::ui::format::capital(name)),
        );
    }
    html.push_str("</p>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures::controls;

    #[test]
    fn a_strip_is_dots_and_colours_a_lamp_is_neither() {
        let light = controls::light();
        let html = card(&light, false, Reader::Operator, "");
        assert_eq!(html.matches("<circle cx=\"").count(), 16 + light.presets.len());
        assert!(html.contains("fill=\"#0072B2\"") && html.contains("value=\"#ffb46b\""));
        assert!(
            html.contains("name=\"on\" value=\"false\" aria-pressed=\"true\""),
            "pressing it again puts it out"
        );
        let html = card(
            &LightReport { has_colors: false, is_on: false, shows: "auto", ..light },
            true,
            Reader::Operator,
            "",
        );
        assert!(!html.contains("circle") && !html.contains("type=\"color\""));
        assert!(
            html.contains("on, because the picture is dark")
                && html.contains("name=\"next\" value=\"./#light\"")
        );
    }

    #[test]
    fn a_failed_light_says_why_and_a_missing_one_links_to_settings() {
        let light = LightReport {
            reason: Some("/dev/spidev0.0 is not there".into()),
            hint: Some("`dtparam=spi=on` makes it".into()),
            ..controls::light()
        };
        let html = card(&light, false, Reader::Operator, "");
        assert!(
            html.contains("/dev/spidev0.0 is not there. <code>dtparam=spi=on</code> makes it."),
            "{html}"
        );
        let mut none = LightsPage::default();
        none.head.reader = Reader::Admin;
        assert!(lights_page(&none).contains("settings#lights"));
    }
}
