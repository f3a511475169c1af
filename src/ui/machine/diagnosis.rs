//! The page Diagnosis: the findings of `tallycam check`, worst first.

use std::fmt::Write;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::diagnosis::{Finding, Verdict};
use crate::ui::facts::{Head, LocalClock};
use crate::ui::format::{capital, second, sentence, to_zoned};
use crate::ui::frame::{PageFrame, Tab};

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagnosisPage {
    pub head: Head,
    pub clock: LocalClock,
    pub findings: Vec<Finding>,
}

/// The parts of the page in order: verdict, heading, and word beside each finding.
const PARTS: [(Verdict, &str, &str); 4] = [
    (Verdict::Bad, "Problems", "Fix"),
    (Verdict::Warning, "Notes", "Note"),
    (Verdict::Good, "OK", "OK"),
    (Verdict::None, "Not available", "–"),
];

/// The page as HTML, at `diagnosis`.
pub fn diagnosis_page(page: &DiagnosisPage) -> String {
    let (mut parts, mut bad, mut warnings) = (String::new(), 0, 0);
    for (verdict, title, word) in PARTS {
        let of: Vec<&Finding> = page.findings.iter().filter(|own| own.verdict == verdict).collect();
        match verdict {
            Verdict::Bad => bad = of.len(),
            Verdict::Warning => warnings = of.len(),
            _ => {}
        }
        let state = verdict.as_str();
        if of.is_empty() {
            continue;
        }
        let _ = write!(
            parts,
            "<section class=\"panel\" aria-labelledby=\"{state}-head\"><h2 id=\"{state}-head\">{title}</h2>"
        );
        for finding in of {
            let _ = write!(
                parts,
                "<div class=\"check\"><b class=\"{state}\">{word}</b><div><h3>{}</h3>{}{}</div></div>",
                Text(&capital(finding.name)),
                format_finding(&finding.message),
                finding.hint.as_deref().map(sentence).map_or_else(String::new, |hint| match verdict {
                    Verdict::Bad | Verdict::Warning =>
                        format!("<p><b>Do this:</b> {}</p>", MarkedText(&hint)),
                    _ => format!("<p>{}</p>", MarkedText(&capital(&hint))),
                }),
            );
        }
        parts.push_str("</section>\n");
    }
    let many =
        |count: usize, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
    let title = match (bad, warnings) {
        (0, 0) => String::from("All OK"),
        (0, warnings) => many(warnings, "note"),
        (bad, 0) => many(bad, "problem"),
        (bad, warnings) => format!("{}, {}", many(bad, "problem"), many(warnings, "note")),
    };
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>{title}</h1><p class=\"row\"><a class=\"btn\" \
         href=\"api/v1/diagnosis\" download=\"diagnosis.json\">Save</a> <a class=\"btn main\" href=\"diagnosis\">Check \
         again</a></p><p class=\"lead muted\">Checked at {at}. The same list as <code>tallycam check</code>. <a \
         href=\"log\">Log</a></p></div>\n{parts}</main>\n",
        at = second(&to_zoned(page.clock.now_us, &page.clock.zone)),
    );
    PageFrame::new(&page.head, Tab::Diagnosis, "Diagnosis", &["page.js", "head.js"]).render(&main)
}

/// The text of a finding: a sentence, or lines.
fn format_finding(said: &str) -> String {
    let mut lines = said.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let mut html = format!("<p>{}</p>", MarkedText(&sentence(&capital(first))));
    let rest: Vec<&str> = lines.collect();
    if !rest.is_empty() {
        let _ = write!(html, "<pre tabindex=\"0\">{}</pre>", Text(&rest.join("\n")));
    }
    html
}
