//! The page of the first setup, step by step. Every step is optional, and the page is shown until the reader finishes
//! it.

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::{Head, RefusalReason};
use crate::ui::form::form_to;
use crate::ui::frame::{PageFrame, Tab, field_error};
use crate::ui::machine::cameras::{CameraChoice, choices_html};

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
    pub has_password: bool,
    /// The name of the first line; empty without one.
    pub line: String,
    /// Crossings of today.
    pub crossings: u64,
    /// The typed name, if it was refused.
    pub typed: Option<String>,
    /// The reason of that refusal.
    pub refused: Option<RefusalReason>,
}

/// The page as HTML, at `welcome`.
pub fn welcome_page(page: &WelcomePage) -> String {
    let mut steps = String::new();
    let mut step = |title: &str, is_done: bool, words: &str, more: &str, act: &str| {
        let _ = write!(
            steps,
            "<li><div><h2>{title}{}</h2><p class=\"muted\">{words}</p>{more}</div><div class=\"act\">{act}</div></li>",
            if is_done { " <span class=\"small muted\">done</span>" } else { "" },
        );
    };
    let (mark, why) = field_error("called", page.refused.as_ref());
    let link = |address: &str, words: &str| format!("<a class=\"btn\" href=\"{address}\">{words}</a>");
    step(
        "Name",
        false,
        "What this camera is called, on its pages and in its files.",
        "",
        &format!(
            "{}<label class=\"sr\" for=\"called\">Name</label><input \
             id=\"called\" name=\"name\" value=\"{}\" required maxlength=\"64\"{mark}> <button \
             class=\"btn\">Set</button>{why}</form>",
            form_to("patch", "api/v1/settings", "welcome", " class=\"row\""),
            Text(page.typed.as_ref().unwrap_or(&page.head.name))
        ),
    );
    let camera = if page.camera.is_empty() {
        String::from("No camera works yet.")
    } else {
        Text(&page.camera).to_string()
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
    let other = if found.is_empty() { "Choose a camera" } else { "Another camera" };
    step(
        "Camera",
        page.has_picture,
        &camera,
        &found,
        &format!("{picture}<p class=\"row\">{}</p>", link("cameras", other)),
    );
    step(
        "Password",
        page.has_password,
        "Without one, anyone on this network can change this camera.",
        "",
        &link("access", if page.has_password { "Who may watch" } else { "Set a password" }),
    );
    let line = if page.line.is_empty() {
        String::from("Draw it where people pass; what crosses it is counted.")
    } else {
        format!("\u{201c}{}\u{201d} is drawn.", Text(&page.line))
    };
    step("First line", !page.line.is_empty(), &line, "", &link("lines?line=new", "Draw a line"));
    let walked = match page.crossings {
        0 => String::from("Walk across the line and watch the figure on Live."),
        1 => String::from("1 crossing is counted today."),
        n => format!("{n} crossings are counted today."),
    };
    step("Test walk", page.crossings > 0, &walked, "", &link("./", "Go to Live"));
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>Set up this camera</h1><p class=\"lead \
         muted\">In any \
         order; what you leave out can be done later.</p></div>\n<section class=\"panel\" aria-label=\"Steps\"><ol \
         class=\"rows\">{steps}</ol></section>\n{done}<button class=\"btn main\">Done, do not show \
         again</button></form>\n</main>\n",
        done = form_to("post", "api/v1/welcome/done", "./", ""),
    );
    PageFrame::new(&page.head, Tab::None, "Set up", &["page.js", "head.js"]).render(&main)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn every_step_leads_somewhere_and_says_whether_it_is_done() {
        let html = welcome_page(&fixtures::welcome());
        for address in ["cameras", "access", "lines?line=new", "./"] {
            assert!(html.contains(&format!("class=\"btn\" href=\"{address}\"")), "{address}: {html}");
        }
        assert_eq!(html.matches(">done</span>").count(), 3, "{html}");
        // The cameras that were found can be seen and chosen here.
        assert!(html.contains("snapshot.jpg?w=320") && html.contains("still.jpg?camera="), "{html}");
        assert!(html.contains("name=\"source.device\" value=\"/dev/video2\">"), "{html}");
        assert!(
            html.contains("Main &lt;path&gt;") && html.contains("action=\"api/v1/welcome/done\""),
            "{html}"
        );
    }
}
