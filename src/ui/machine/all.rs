//! The page of all tallycams of the network: still, state, today's counts and a link.

use std::fmt::Write;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::Head;
use crate::ui::facts::neighbours::{InOut, NeighbourReport, NeighboursReport};
use crate::ui::format::{as_sentence, format_thousands};
use crate::ui::frame::{PageFrame, Tab, state_class};

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct AllPage {
    pub head: Head,
    pub all: NeighboursReport,
    /// The picture of this tallycam may be shown.
    pub has_picture: bool,
    /// Changes when new stills should be loaded.
    pub moment: u64,
}

/// The page as HTML, at `all`. Browsers load each still from its own camera.
pub fn all_page(page: &AllPage) -> String {
    let AllPage { head, all, .. } = page;
    let sum = all.sum.filter(|_| all.items.len() > 1).map(|sum| {
        format!(
            "<section class=\"panel\" aria-labelledby=\"sum-head\"><h2 id=\"sum-head\">Together</h2>{}</section>\n",
            figures(sum)
        )
    });
    let cards: String = all.items.iter().map(|one| card(page, one)).collect();
    let alone = if all.items.len() > 1 {
        ""
    } else {
        "<p class=\"muted\">No other tallycam is found on this network. Those of other networks are named in the \
         configuration file.</p>\n"
    };
    let main = format!(
        "<main id=\"main\" class=\"page\">\n<div class=\"top\"><h1>All cameras</h1><p class=\"lead muted\">Each camera \
         has its own sign-in. Pictures come from the cameras themselves.</p></div>\n<div id=\"all\">{sum}<ul \
         class=\"cams\">\n{cards}</ul>\n{alone}</div>\n</main>\n",
        sum = sum.unwrap_or_default(),
    );
    PageFrame::new(head, Tab::All, "All cameras", &["page.js", "head.js"]).render(&main)
}

fn card(page: &AllPage, one: &NeighbourReport) -> String {
    let base = one.address.as_ref().map_or_else(String::new, |address| format!("{address}/"));
    let (name, address) = (Text(&one.name), if base.is_empty() { "./" } else { &base });
    let has_still = if base.is_empty() { page.has_picture } else { one.state.is_some() };
    let mut html = format!("<li class=\"panel\"><h2><a href=\"{}\">{name}</a></h2>\n", Text(address));
    let problem = one.problem.as_deref().map(as_sentence);
    if has_still {
        let _ = writeln!(
            html,
            "<img src=\"{}snapshot.jpg?w=480&amp;_={}\" alt=\"{name} now. If no picture is here, sign in there, or \
             this browser does not load it.\" width=\"480\" height=\"270\" loading=\"lazy\">",
            Text(&base),
            page.moment,
        );
    } else {
        let why = problem.as_deref().unwrap_or("Privacy mode: no pictures.");
        let _ = writeln!(html, "<p class=\"none\">{}</p>", MarkedText(why));
    }
    if let Some(headline) = &one.headline {
        let look = state_class(one.state.as_deref().unwrap_or_default());
        let bad = if look == "trouble" { " class=\"bad\"" } else { "" };
        let here = if base.is_empty() { " <span class=\"muted\">· this camera</span>" } else { "" };
        let _ = writeln!(html, "<p><b{bad}>{}</b>{here}</p>", Text(headline));
    }
    if let Some(problem) = problem.filter(|_| has_still) {
        let _ = writeln!(html, "<p class=\"muted\">{}</p>", MarkedText(&problem));
    }
    html + &one.today.map(figures).unwrap_or_default() + "</li>\n"
}

fn figures(InOut { r#in: count_in, out }: InOut) -> String {
    format!(
        "<dl class=\"figs two-figs\"><div><dt>In today</dt><dd class=\"in\">{}</dd></div><div><dt>Out today</dt><dd \
         class=\"out\">{}</dd></div></dl>",
        format_thousands(count_in),
        format_thousands(out),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn hostile_names_are_text_and_a_sum_needs_all() {
        let mut page = fixtures::all_cameras();
        let html = all_page(&page);
        assert!(
            html.contains("Together</h2>") && html.contains("<a href=\"http://10.0.0.7:8080/\">Hall</a>"),
            "{html}"
        );
        assert!(html.contains("src=\"http://10.0.0.7:8080/snapshot.jpg?w=480&amp;_=5\""), "{html}");
        assert!(html.contains("<dd class=\"in\">7\u{202f}236<"), "{html}");
        assert!(html.contains("<dd class=\"in\">7\u{202f}239<"), "{html}");
        let hostile = NeighbourReport {
            name: String::from("\"><script>alert(1)</script>"),
            address: Some(String::from("http://gate.lan")),
            problem: Some(String::from("sign in there to see it")),
            ..NeighbourReport::default()
        };
        page.all = NeighboursReport::of([page.all.items, vec![hostile]].concat());
        let html = all_page(&page);
        assert!(!html.contains("<script>alert") && html.contains("&lt;script&gt;alert(1)"), "{html}");
        assert!(
            html.contains("Sign in there to see it.") && !html.contains("gate.lan/snapshot.jpg"),
            "{html}"
        );
        assert!(!html.contains("Together</h2>"), "{html}");
    }
}
