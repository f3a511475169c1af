//! The page of the first set-up: numbered steps. The first open one is unfolded.

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::{Head, RefusalReason, SetUp};
use crate::ui::form::form_to;
use crate::ui::frame::{PageFrame, Tab, field_error};
use crate::ui::machine::cameras::{CameraChoice, choices_html};
use crate::ui::set_up::STEPS;

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct WelcomePage {
    /// The head of the page, with the camera's name.
    pub head: Head,
    /// The source of the picture; empty while unknown.
    pub camera: String,
    /// The cameras of this machine.
    pub choices: Vec<CameraChoice>,
    /// There is a live picture.
    pub has_picture: bool,
    pub steps: SetUp,
    /// The name of the first line of the reader's own; empty without one.
    pub line: String,
    /// The typed name, if it was refused.
    pub typed: Option<String>,
    /// The reason of that refusal.
    pub refused: Option<RefusalReason>,
}

/// The page as HTML, at `welcome`.
pub fn welcome_page(page: &WelcomePage) -> String {
    let steps = page.steps;
    let line = match page.line.as_str() {
        "" => String::from("Draw it where people pass, across their way. What crosses it is counted."),
        name => format!("\u{201c}{}\u{201d} is drawn.", Text(name)),
    };
    let link = |step: usize, words: &str| {
        let main = if steps.next() == Some(step) { " main" } else { "" };
        let address = STEPS.get(step).map(|(_, address)| *address).unwrap_or_default();
        format!("<p class=\"row\"><a class=\"btn{main}\" href=\"{address}\">{words}</a></p>")
    };
    let password = if steps.has_password { "Who can watch" } else { "Set a password" };
    let walk = if steps.has_walked {
        "A crossing of your line is counted."
    } else {
        "Walk across your line once. The figure on Live goes up."
    };
    let parts = [
        (
            "Camera",
            camera(page)
                + &link(0, if page.choices.is_empty() { "Choose a camera" } else { "Another camera" }),
        ),
        (
            "Password",
            String::from("<p>Without one, anyone on this network can change this camera.</p>")
                + &link(1, password),
        ),
        ("First line", format!("<p>{line}</p>") + &link(2, "Draw a line")),
        ("Test walk", format!("<p>{walk}</p>") + &link(3, "Open Live")),
    ];
    let mut html = String::new();
    for (step, ((title, inner), is_done)) in parts.into_iter().zip(steps.done()).enumerate() {
        // A refused name is in the first step.
        let is_open = steps.next() == Some(step) || (step == 0 && page.refused.is_some());
        let mark = match is_done {
            true => "<span class=\"small muted\">done</span>",
            false if step == 0 && steps.is_simulated => "<span class=\"small muted\">simulated</span>",
            false => "",
        };
        let _ = write!(
            html,
            "<li><details{}><summary><i>{}</i><h2>{title}</h2>{mark}</summary>{inner}</details></li>",
            if is_open { " open" } else { "" },
            if is_done { String::from("✓") } else { (step + 1).to_string() },
        );
    }
    let is_over = steps.next().is_none();
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>Set up this camera</h1><p class=\"lead \
         muted\">Four steps. Skip what you like.</p></div>\n<section class=\"panel\" aria-label=\"Steps\"><ol \
         class=\"steps\">{html}</ol></section>\n{done}<button class=\"btn{main}\">{words}</button></form>\n</main>\n",
        done = form_to("post", "api/v1/welcome/done", "./", ""),
        main = if is_over { " main" } else { "" },
        words = if is_over { "Finish" } else { "Hide set-up" },
    );
    PageFrame::new(&page.head, Tab::None, "Set up", &["page.js", "head.js"]).render(&main)
}

/// The first step: the name of the camera, and its source.
fn camera(page: &WelcomePage) -> String {
    let (mark, why) = field_error("called", page.refused.as_ref());
    let camera = match page.camera.as_str() {
        _ if page.steps.is_simulated => String::from(
            "The simulated scene is shown, to try it out. Choose a camera, or go on without one.",
        ),
        "" => String::from("No camera works yet."),
        camera => Text(camera).to_string(),
    };
    // A local camera in use shows its picture in the list; a network camera stands alone.
    let picture = if page.has_picture && !page.choices.iter().any(|choice| choice.is_shown) {
        "<img class=\"now-seen\" src=\"snapshot.jpg?w=320\" alt=\"What the camera sees now\">"
    } else {
        ""
    };
    let found = if page.choices.is_empty() {
        String::new()
    } else {
        format!("<ul class=\"rows\">{}</ul>", choices_html(&page.choices, page.head.reader))
    };
    format!(
        "{}<label for=\"called\">Name</label> <input id=\"called\" name=\"name\" value=\"{}\" required \
         maxlength=\"64\"{mark}> <button class=\"btn\">Save</button>{why}</form><p>{camera}</p>{picture}{found}",
        form_to("patch", "api/v1/settings", "welcome", " class=\"row\""),
        Text(page.typed.as_ref().unwrap_or(&page.head.name)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn every_step_leads_somewhere_and_says_whether_it_is_done() {
        let html = welcome_page(&fixtures::welcome());
        for (_, address) in STEPS {
            assert!(html.contains(&format!("href=\"{address}\">")), "{address}: {html}");
        }
        assert_eq!(html.matches(">done</span>").count(), 2, "{html}");
        assert_eq!(html.matches("<details open>").count(), 1, "the first open step is unfolded: {html}");
        assert!(html.contains("<details open><summary><i>2</i><h2>Password"), "{html}");
        assert_eq!(html.matches("btn main").count(), 1, "{html}");
        // The cameras that were found can be seen and chosen here.
        assert!(html.contains("snapshot.jpg?w=320") && html.contains("still.jpg?camera="), "{html}");
        assert!(html.contains("name=\"source.device\" value=\"/dev/video2\">"), "{html}");
        assert!(
            html.contains("Main &lt;path&gt;") && html.contains("action=\"api/v1/welcome/done\""),
            "{html}"
        );
    }

    #[test]
    fn the_simulation_is_never_done() {
        let steps = SetUp { has_camera: false, is_simulated: true, ..fixtures::set_up() };
        let html = welcome_page(&WelcomePage { steps, ..fixtures::welcome() });
        assert!(!html.contains(">done<") && html.contains("The simulated scene"), "{html}");
    }
}
