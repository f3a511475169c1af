//! The page Diagnosis: the findings of `tallycam check`, worst first.

use std::fmt::Write;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::diagnosis::{Finding, Verdict};
use crate::ui::facts::{Head, LocalClock, Reader, RefusalReason};
use crate::ui::form::{form_to, lock};
use crate::ui::format::{capital, second, sentence, to_zoned};
use crate::ui::frame::{PageFrame, Tab, refusal_html};

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagnosisPage {
    pub head: Head,
    pub clock: LocalClock,
    pub findings: Vec<Finding>,
    /// The network does not keep the machine's clock.
    pub has_clock_form: bool,
    /// The refusal of the last request.
    pub refused: Option<RefusalReason>,
}

/// The parts of the page in order: verdict, heading, and word beside each finding.
const PARTS: [(Verdict, &str, &str); 4] = [
    (Verdict::Bad, "Problems", "Fix"),
    (Verdict::Warning, "Notes", "Note"),
    (Verdict::Good, "OK", "OK"),
    (Verdict::None, "Not available", "–"),
];

/// The form that sets the clock. `head.js` fills in the browser's time.
fn clock_form(page: &DiagnosisPage) -> String {
    let [lock, unlock] = lock(page.head.reader, Reader::Admin);
    let here = to_zoned(page.clock.now_us, &page.clock.zone).strftime("%-d %b %Y, %H:%M");
    format!(
        "<section class=\"panel\" id=\"clock\" aria-labelledby=\"clock-head\"><h2 id=\"clock-head\">Clock</h2><p>The \
         camera\u{2019}s clock says {here}. The network has not confirmed it.</p>{}{lock}<label \
         class=\"field\"><span>The time now</span><input type=\"datetime-local\" name=\"time\" step=\"1\" \
         required></label><button class=\"btn\">Set the clock</button> <button class=\"btn main js\" type=\"button\" \
         id=\"own-time\">Use this browser\u{2019}s time</button>{unlock}</form></section>\n",
        form_to("post", "api/v1/clock", "diagnosis", " class=\"row\"")
    )
}

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
                    Verdict::Bad | Verdict::Warning => format!("<p><b>Fix:</b> {}</p>", MarkedText(&hint)),
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
         href=\"api/v1/diagnosis\" download=\"diagnosis.json\">Save</a> <a class=\"btn{main}\" \
         href=\"diagnosis\">Check again</a></p><p class=\"lead muted\">Checked at {at}. The same list as \
         <code>tallycam check</code>. <a href=\"log\">Log</a></p></div>\n{refused}{clock}{parts}<section \
         class=\"panel\"><h2>For programs</h2><p class=\"row\"><a href=\"stream\">Stream</a> <a \
         href=\"state\">State</a> <a href=\"metrics\">Metrics</a> <a \
         href=\"api/v1/openapi.json\">API</a></p></section>\n</main>\n",
        // One main button: the clock is set first.
        main = if page.has_clock_form { "" } else { " main" },
        refused = page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        clock = if page.has_clock_form { clock_form(page) } else { String::new() },
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
