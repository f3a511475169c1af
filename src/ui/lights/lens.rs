//! The card of the lens beside the live picture. A lens that cannot be focused has none; the page Diagnosis says why.

use crate::ui::escape::MarkedText;
use crate::ui::facts::lens::{LensReport, SweepProgress};
use crate::ui::form::form_to;
use crate::ui::format::sentence;
use crate::ui::frame::hidden_attribute;

/// The card; empty if the lens cannot be focused. `said` is the refusal of the last request.
pub(in crate::ui) fn section(lens: &LensReport, said: &str) -> String {
    if !lens.supported {
        return String::new();
    }
    let auto = lens.auto.map_or_else(String::new, |auto| {
        format!(
            "<button class=\"btn\" form=\"lens-act\" id=\"auto\" name=\"auto\" value=\"{}\" \
             aria-pressed=\"{auto}\">Autofocus</button> ",
            !auto
        )
    });
    let position = if lens.has_position {
        let at = lens.position.map_or_else(|| "0".to_owned(), |at| format!("{at:.3}"));
        format!(
            "<p class=\"field\"><label for=\"position\">Focus</label><span class=\"unit\"><input id=\"position\" \
             name=\"position\" type=\"range\" min=\"0\" max=\"1\" step=\"0.005\" value=\"{at}\" \
             aria-describedby=\"position-ends\"><output for=\"position\" class=\"num\" \
             id=\"position-now\">{now}</output></span><span class=\"hint ends-of\" \
             id=\"position-ends\"><span>0 far</span><span>near 1</span></span></p>\n",
            now = lens.position.map_or_else(|| "–".into(), |at| format!("{at:.2}")),
        )
    } else {
        String::new()
    };
    let sweep = if lens.has_position {
        "<button class=\"btn\" form=\"lens-sweep\" id=\"sweep\">Focus sweep</button>"
    } else {
        ""
    };
    let set = if lens.has_position { "<noscript><button class=\"btn\">Set</button></noscript>" } else { "" };
    // `controls.js` shows the button, because a spot needs a pointer.
    let window = if lens.has_window {
        "<button class=\"btn\" type=\"button\" id=\"spot\" aria-pressed=\"false\" hidden>Focus on a \
         spot</button><button \
         class=\"btn\" form=\"lens-act\" name=\"_null\" value=\"window\">Focus on all of it</button>"
    } else {
        ""
    };
    let SweepProgress { done, of } = lens.sweep.unwrap_or(SweepProgress { done: 0, of: 25 });
    format!(
        "<section id=\"lens\" class=\"card\" data-swap=\"lens\" aria-labelledby=\"lens-head\"><header><h2 \
         id=\"lens-head\">Lens</h2><span \
         class=\"small muted\">Sharpness <b class=\"num\" id=\"sharpness\">{sharpness}</b></span></header>\n\
         {acts}{form}\n{position}\
         <p class=\"row\">{set}<button class=\"btn\" form=\"lens-act\" name=\"step\" value=\"-0.05\">− \
         Farther</button><button \
         class=\"btn\" form=\"lens-act\" name=\"step\" value=\"0.05\">Nearer +</button>{auto}{sweep}{window}<button \
         class=\"btn\" \
         form=\"lens-reset\">Reset</button></p>\n\
         <p class=\"row\" id=\"sweeping\"{hidden}><progress id=\"sweep-bar\" max=\"{of}\" value=\"{done}\" \
         aria-label=\"Focus sweep\"></progress><button class=\"btn\" form=\"lens-stop\">Stop the \
         sweep</button></p>\n\
         <p class=\"small said\" id=\"lens-said\" role=\"status\">{swept}</p></form></section>\n    ",
        form = form_to("patch", "api/v1/lens", NEXT, " id=\"lens-form\""),
        acts = ACTS
            .map(|[id, method, address]| form_to(method, address, NEXT, &format!(" id=\"{id}\" hidden"))
                + "</form>")
            .concat(),
        sharpness = lens.sharpness.map_or_else(|| "–".into(), sharpness),
        hidden = hidden_attribute(lens.sweep.is_none()),
        swept = MarkedText(&match &lens.last_sweep {
            Some(last) if said.is_empty() => sentence(&last.message),
            _ => sentence(said),
        }),
    )
}

/// Forms of the card's buttons: name, method, address. The slider has its own form.
const ACTS: [[&str; 3]; 4] = [
    ["lens-act", "patch", "api/v1/lens"],
    ["lens-reset", "post", "api/v1/lens/reset"],
    ["lens-sweep", "post", "api/v1/lens/sweep"],
    ["lens-stop", "delete", "api/v1/lens/sweep"],
];

const NEXT: &str = "./#lens";

/// Sharpness has no upper limit; three digits are enough.
fn sharpness(sharpness: f64) -> String {
    if sharpness < 10.0 { format!("{sharpness:.2}") } else { format!("{sharpness:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures::controls;

    #[test]
    fn a_lens_that_cannot_be_focused_has_no_card() {
        assert_eq!(section(&LensReport { supported: false, ..controls::live().lens }, ""), "");
    }

    #[test]
    fn a_lens_offers_what_it_has() {
        let lens = controls::live().lens;
        let html = section(&lens, "");
        for words in
            ["value=\"0.350\"", ">0.35</output>", "id=\"sharpness\">212<", "id=\"sweep\"", "id=\"auto\""]
        {
            assert!(html.contains(words), "no {words} in {html}");
        }
        assert!(html.contains("id=\"sweeping\" hidden"));
        // A lens that only takes steps.
        let html =
            section(&LensReport { has_position: false, position: None, auto: None, ..lens.clone() }, "");
        assert!(
            !html.contains("type=\"range\"") && !html.contains("id=\"sweep\"") && html.contains("Nearer +")
        );
        assert!(!html.contains("id=\"spot\""));
        let html = section(&LensReport { has_window: true, ..lens.clone() }, "");
        assert!(html.contains("id=\"spot\"") && html.contains("value=\"window\""));
        let lens = LensReport { sweep: Some(SweepProgress { done: 7, of: 25 }), sharpness: None, ..lens };
        let html = section(&lens, "");
        assert!(html.contains("max=\"25\" value=\"7\"") && html.contains("id=\"sharpness\">–<"));
    }
}
