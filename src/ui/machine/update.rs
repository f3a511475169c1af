//! The page Update: the program's version, and the installation of another one.

use crate::ui::escape::Text;
use crate::ui::facts::{Head, RefusalReason};
use crate::ui::frame::{PageFrame, Tab, refusal_html};

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdatePage {
    /// The head of the page; its version is the running one.
    pub head: Head,
    /// The way of installing: `page`, `apt`, or `key` if there is no key to check a package with.
    pub by: &'static str,
    /// The state of the last update, if known.
    pub last: Option<UpdateState>,
    /// The refusal of a package.
    pub refused: Option<RefusalReason>,
}

/// The progress of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateState {
    /// `waiting`, `checking`, `unpacking`, `starting`, `done` or `failed`.
    pub phase: &'static str,
    /// In words; may be empty.
    pub words: String,
}

/// The page as HTML, at `update`. It posts two files there.
pub fn update_page(page: &UpdatePage) -> String {
    let steps = ["waiting", "checking", "unpacking", "starting"];
    let last = page.last.as_ref().map(|last| {
        let (class, title) = match last.phase {
            "failed" => ("banner trouble", "The last update was not taken"),
            "done" => ("banner", "Updated"),
            _ => ("banner", "An update is under way"),
        };
        let step = steps.iter().position(|step| *step == last.phase).map(|at| {
            format!(
                "<br><progress max=\"{}\" value=\"{}\">{}</progress>",
                steps.len() + 1,
                at + 1,
                last.phase
            )
        });
        format!(
            "<div class=\"{class}\" role=\"status\" id=\"last\"><p><b>{title}.</b> {}{}</p></div>\n",
            Text(&last.words),
            step.unwrap_or_default()
        )
    });
    let how = match page.by {
        "page" => include_str!("update.html"),
        "key" => {
            "<p>Updates are taken here when <code>tallycam.toml</code> on the card names the key that they are signed \
             with. Until then: <code>sudo tallycam update FILE.deb</code> on its \
             machine.</p>"
        }
        _ => {
            "<p>The package manager installs other versions: <code>sudo apt install \
             ./tallycam_VERSION_ARCHITECTURE.deb</code>.</p>"
        }
    };
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>Update</h1><p class=\"lead muted\">tallycam {} \
         runs.</p></div>\n{}{}<section class=\"panel\" aria-labelledby=\"other-head\"><h2 id=\"other-head\">Another \
         version</h2>{how}</section>\n</main>\n",
        Text(&page.head.version),
        page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        last.unwrap_or_default(),
    );
    PageFrame::new(&page.head, Tab::Update, "Update", &["page.js", "head.js"]).render(&main)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn an_update_is_described_and_offered() {
        let page = UpdatePage { head: fixtures::access().head, by: "page", last: None, refused: None };
        let html = update_page(&page);
        assert!(html.contains("name=\"package\"") && !html.contains("id=\"last\""));
        for by in ["apt", "key"] {
            assert!(!update_page(&UpdatePage { by, ..page.clone() }).contains("<form"), "{by}");
        }
        for (phase, said) in [
            ("waiting", "value=\"1\""),
            ("starting", "value=\"4\""),
            ("done", "Updated"),
            ("failed", "was not taken"),
        ] {
            let last = Some(UpdateState { phase, words: String::from("<why>") });
            let html = update_page(&UpdatePage { last, ..page.clone() });
            assert!(html.contains(said) && html.contains("&lt;why&gt;"), "{phase}");
            assert_eq!(html.contains("<progress"), ["waiting", "starting"].contains(&phase), "{phase}");
        }
    }
}
