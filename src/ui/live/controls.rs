//! Controls of the live page: the view menu under the picture, and the cards of light and lens.

use crate::ui::facts::lens::LensReport;
use crate::ui::facts::lights::LightReport;
use crate::ui::form::form_to;
use crate::ui::lights::{self, lens};
use tallycam_store::LineRow;

/// Data of the live page's controls.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveControls {
    /// The view of all viewers.
    pub view: ViewFacts,
    /// The light; `None` without one.
    pub light: Option<LightReport>,
    pub lens: LensReport,
    /// Why the last request about the picture, the light or the lens was refused; may be empty.
    pub said: String,
    pub light_said: String,
    pub lens_said: String,
}

/// The view of all viewers: `[picture]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ViewFacts {
    /// Without colour.
    pub is_gray: bool,
    /// Scaled to half the width and height, or smaller.
    pub is_small: bool,
    /// Left and right swapped.
    pub is_mirrored: bool,
    /// Top and bottom swapped.
    pub is_flipped: bool,
}

/// The menu "View": settings of this browser and of all viewers. `save` is the link that saves the picture. Without
/// `lines` the reader cannot change the view of all.
pub(in crate::ui) fn view_menu(
    controls: &LiveControls,
    has_boxes: bool,
    lines: Option<&[LineRow]>,
    save: &str,
) -> String {
    let press = |id: &str, name: &str, value: &str, word: &str, is_on: bool| {
        format!(
            "<button id=\"{id}\" form=\"view\" name=\"{name}\" value=\"{value}\" \
             aria-pressed=\"{is_on}\">{word}</button>"
        )
    };
    let toggle = |name: &str, word: &str, is_on: bool| {
        press(name, name, if is_on { "false" } else { "true" }, word, is_on)
    };
    let turn =
        |by: u16, word: &str| format!("<button form=\"view\" name=\"turn\" value=\"{by}\">{word}</button>");
    let mine = |name: &str, word: &str, more: &str| {
        format!("<button type=\"button\" data-mine=\"{name}\"{more}>{word}</button>")
    };
    let off = " aria-pressed=\"false\"";
    let view = &controls.view;
    let light = controls.light.as_ref().filter(|_| lines.is_some()).map_or_else(String::new, |light| {
        format!(
            "<button id=\"light-too\" form=\"light-act\" data-swap=\"{}\" name=\"on\" value=\"{}\" \
             aria-pressed=\"{}\">Light</button>",
            lights::PARTS,
            !light.is_on,
            light.is_on
        )
    });
    let (pinned, drawn): (Vec<_>, Vec<_>) =
        lines.unwrap_or_default().iter().partition(|line| line.pinned.is_some());
    let mut along = match drawn.len() {
        0 => String::new(),
        1 => String::from(" The line and the zones that are drawn here move along."),
        n => format!(" The {n} lines and the zones that are drawn here move along."),
    };
    if !pinned.is_empty() {
        along.push_str(" Those of the configuration file do not: write them anew there.");
    }
    let everyone = |rows: String| {
        if lines.is_none() {
            return String::new();
        }
        format!(
            "<details id=\"everyone\" data-swap=\"everyone turned\"><summary>For everyone</summary><p \
             class=\"small\">Changes the picture of all viewers, snapshots and recordings.{along}</p>{rows}<a \
             href=\"settings#picture\">Crop and overlay settings</a></details>{}</form>",
            form_to("patch", "api/v1/picture", "./", " id=\"view\" hidden")
        )
    };
    format!(
        "<details id=\"turn\"><summary class=\"btn quiet\">View</summary><div class=\"popped menu\">\
         <div class=\"js\" id=\"mine\" role=\"group\" aria-label=\"In this browser\"><p class=\"small muted\">In this \
         browser</p>{boxes}{my_gray}{my_half}{my_mirror}{my_flip}{my_left}{my_right}</div>{light}{save}{everyone}</div>\
         </details>\n      ",
        my_gray = mine("gray", "Grayscale", off),
        my_half = mine("half", "Half size", off),
        my_left = mine("left", "Rotate left", ""),
        my_right = mine("right", "Rotate right", ""),
        my_mirror = mine("mirror", "Mirror", off),
        my_flip = mine("flip", "Flip", off),
        boxes = if has_boxes {
            "<button id=\"boxes\" type=\"button\" aria-pressed=\"true\">Boxes</button>"
        } else {
            ""
        },
        everyone = everyone(
            [
                toggle("gray", "Grayscale", view.is_gray),
                press("half", "scale", if view.is_small { "1" } else { "1/2" }, "Half size", view.is_small),
                toggle("mirror", "Mirror", view.is_mirrored),
                toggle("flip", "Flip", view.is_flipped),
                turn(270, "Rotate left"),
                turn(90, "Rotate right"),
            ]
            .concat()
        ),
    )
}

/// The folded cards of light and lens, below the others beside the picture.
pub(in crate::ui) fn cards(controls: &LiveControls) -> String {
    let light =
        controls.light.as_ref().map(|light| lights::section(light, &controls.light_said)).unwrap_or_default();
    let lens = lens::section(&controls.lens, &controls.lens_said);
    let name = match (light.is_empty(), lens.is_empty()) {
        (true, true) => return String::new(),
        (false, false) => "Light and lens",
        (false, true) => "Light",
        (true, false) => "Lens",
    };
    format!("<details class=\"fold\" id=\"hands\"><summary>{name}</summary>{light}{lens}</details>")
}
