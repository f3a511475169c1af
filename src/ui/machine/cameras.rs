//! The page Cameras: choose a camera of this machine, a network camera, or the simulation.

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::{Head, Reader, RefusalReason};
use crate::ui::form::{field, form_to, lock};
use crate::ui::frame::{PageFrame, Tab, field_error, refusal_html};

/// Data of the page Cameras.
#[derive(Debug, Clone, PartialEq)]
pub struct CamerasPage {
    pub head: Head,
    /// The cameras that were found.
    pub choices: Vec<CameraChoice>,
    /// The source is `auto`: any camera.
    pub is_auto: bool,
    /// The simulation is in use.
    pub is_simulated: bool,
    /// There is a live picture.
    pub has_picture: bool,
    /// The source of the picture; may be empty.
    pub what: String,
    /// The refused address; empty if a button was pressed.
    pub typed: String,
    /// The refusal of the choice.
    pub refused: Option<RefusalReason>,
}

/// A camera that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraChoice {
    /// Its kind of source: `v4l2`.
    pub kind: String,
    /// Its device.
    pub device: String,
    pub name: String,
    /// Formats and place, for people.
    pub about: String,
    /// It is the configured source.
    pub is_used: bool,
    /// It gives the live picture.
    pub is_shown: bool,
    /// The address of a picture of it; `None` while none may be taken.
    pub still: Option<String>,
}

/// The page as HTML, at `cameras`.
pub fn cameras_page(page: &CamerasPage) -> String {
    let (reader, [lock, unlock]) = (page.head.reader, lock(page.head.reader, Reader::Admin));
    let mut rows = choices_html(&page.choices, reader);
    if page.choices.is_empty() {
        rows.push_str(
            "<li><div><b>No camera is found on this machine.</b><p class=\"small muted\">Plug one in and look again; \
             a ribbon cable only with the power off.</p></div><div class=\"act\"><a class=\"btn\" \
             href=\"cameras\">Look again</a></div></li>",
        );
    }
    let others = row(
        ["auto", ""],
        "Automatic",
        "The first camera that works, and a camera that is plugged in later.",
        page.is_auto,
        "",
        reader,
    ) + &row(
        ["sim", ""],
        "Simulated scene",
        "To try it out without a camera. Its crossings are kept apart.",
        page.is_simulated,
        "",
        reader,
    );
    let picture = if page.has_picture {
        format!(
            "<p><img class=\"now-seen\" src=\"snapshot.jpg?w=640\" alt=\"What the camera sees now\"></p><p \
             class=\"small muted\">{}</p>",
            Text(&page.what)
        )
    } else {
        String::new()
    };
    let (at_field, at_button) = match &page.refused {
        Some(refusal) if !page.typed.is_empty() => (Some(refusal), None),
        refusal => (None, refusal.as_ref()),
    };
    let (mark, why) = field_error("url", at_field);
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>Cameras</h1><p class=\"lead muted\">If the new \
         camera does not work, the previous one is used again.</p></div>\n{refused}{picture}<section \
         class=\"panel\" aria-labelledby=\"found-head\"><h2 id=\"found-head\">On this machine</h2><ul \
         class=\"rows\">{rows}</ul></section>\n<section class=\"panel\" aria-labelledby=\"net-head\"><h2 \
         id=\"net-head\">On the network</h2>{form}{lock}<label class=\"field\"><span>Address, \
         http:// or rtsp://</span><input name=\"source.url\" value=\"{typed}\" inputmode=\"url\" \
         autocapitalize=\"none\" \
         spellcheck=\"false\" required maxlength=\"2000\" id=\"url\"{mark}></label>{why}<p class=\"row field\"><button \
         class=\"btn\">Use this \
         address</button> <a class=\"small\" href=\"settings#camera\">Name and password of the \
         camera</a></p>{unlock}</form></section>\n\
         <section class=\"panel\" aria-labelledby=\"other-head\"><h2 id=\"other-head\">Other</h2><ul \
         class=\"rows\">{others}</ul></section>\n</main>\n",
        refused = at_button.map(refusal_html).unwrap_or_default(),
        form = choose("url", ""),
        typed = Text(&page.typed),
    );
    PageFrame::new(&page.head, Tab::Settings, "Cameras", &["page.js", "head.js"])
        .for_changes_by(Reader::Admin)
        .render(&main)
}

/// The cameras as items of a list.
pub(in crate::ui) fn choices_html(choices: &[CameraChoice], reader: Reader) -> String {
    choices
        .iter()
        .map(|it| row([&it.kind, &it.device], &it.name, &it.about, it.is_used, &still(it), reader))
        .collect()
}

/// Its picture: at once if it is in use, else on request, because the camera must be opened for it.
fn still(choice: &CameraChoice) -> String {
    let Some(address) = &choice.still else { return String::new() };
    let image = format!(
        "<img class=\"now-seen\" src=\"{}\" alt=\"What {} sees\" width=\"320\" height=\"180\" loading=\"lazy\">",
        Text(address),
        Text(&choice.name)
    );
    match choice.is_shown {
        true => image,
        false => format!("<details><summary>Show picture</summary>{image}</details>"),
    }
}

/// The start of a form that sets the source. Without a device the former one is removed.
fn choose(kind: &str, device: &str) -> String {
    let device = match device {
        "" => field("_null", "source.device"),
        device => field("source.device", device),
    };
    form_to("patch", "api/v1/settings", "./", "") + &field("source.kind", kind) + &device
}

fn row(
    [kind, device]: [&str; 2],
    name: &str,
    about: &str,
    is_used: bool,
    still: &str,
    reader: Reader,
) -> String {
    let mut html = format!(
        "<li><div><b>{}</b><p class=\"small muted\">{}</p>{still}</div><div class=\"act\">",
        Text(name),
        Text(about)
    );
    let _ = if is_used {
        write!(html, "<b>In use</b>")
    } else if reader < Reader::Admin {
        Ok(())
    } else {
        write!(
            html,
            "{}<button class=\"btn\">Use <span class=\"sr\">{}</span></button></form>",
            choose(kind, device),
            Text(name)
        )
    };
    html + "</div></li>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn found_cameras_can_be_chosen_and_without_one_there_is_a_way_on() {
        let html = cameras_page(&fixtures::cameras());
        assert!(html.contains("name=\"source.device\" value=\"/dev/video2\">"), "{html}");
        assert_eq!(html.matches("<b>In use</b>").count(), 1, "{html}");
        // The camera in use is shown; another one is opened only on request.
        let (used, other) = html.split_once("/dev/video2").unwrap_or_default();
        assert!(used.contains("src=\"snapshot.jpg?w=320\"") && !used.contains("still.jpg"), "{html}");
        assert!(
            other.contains("<details><summary>Show picture</summary><img")
                && other.contains("loading=\"lazy\"")
        );
        let html = cameras_page(&CamerasPage { choices: Vec::new(), ..fixtures::cameras() });
        assert!(
            html.contains("Look again")
                && html.contains("name=\"source.url\"")
                && html.contains("value=\"sim\"")
        );
    }
}
