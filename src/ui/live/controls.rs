//! What is turned from the live page: buttons under the picture for how it is shown, and the cards of light and lens.

use crate::ui::facts::lens::LensFacts;
use crate::ui::facts::lights::LightFacts;
use crate::ui::lights::{self, lens};

/// What the live page has to turn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveHands {
    /// How everybody sees the picture.
    pub view: ViewFacts,
    /// The light; `None` where there is none.
    pub light: Option<LightFacts>,
    /// The lens.
    pub lens: LensFacts,
    /// Why the last wish was not carried out; empty when nothing is to be said.
    pub said: String,
}

/// How everybody sees the picture: `[picture]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ViewFacts {
    /// Without colour.
    pub is_gray: bool,
    /// Half as wide and high, or smaller.
    pub is_small: bool,
    /// Left and right swapped.
    pub is_mirrored: bool,
    /// Top and bottom swapped.
    pub is_flipped: bool,
}

/// The buttons under the picture. Their form posts to `picture`: `gray`, `half`, `mirror`, `flip` (`true`, `false`), or
/// `turn` (degrees clockwise).
pub(in crate::ui) fn buttons(hands: &LiveHands) -> String {
    let toggle = |name: &str, word: &str, is_on: bool, form: &str, class: &str| {
        format!(
            "<button class=\"btn{class}\" id=\"{name}\" form=\"{form}\" name=\"{name}\" value=\"{}\" \
             aria-pressed=\"{is_on}\">{word}</button>",
            !is_on
        )
    };
    let view = &hands.view;
    let light = hands.light.as_ref().map_or_else(String::new, |light| {
        format!(
            "<button class=\"btn quiet\" id=\"light-too\" form=\"light-form\" name=\"on\" value=\"{}\" \
             aria-pressed=\"{}\">Light</button>\n      ",
            !light.is_on, light.is_on
        )
    });
    format!(
        "{gray}\n      {half}\n      {light}<details id=\"turn\"><summary class=\"btn quiet\">Rotate</summary><div \
         class=\"popped\"><p class=\"row\">{left}{right}</p><p class=\"row\">{mirror}{flip}</p><p class=\"small \
         muted\"><a href=\"settings#picture\">Crop and overlay settings</a></p></div></details>\n      <form \
         method=\"post\" action=\"picture\" id=\"view\" hidden></form>\n      ",
        gray = toggle("gray", "Grayscale", view.is_gray, "view", " quiet"),
        half = toggle("half", "Half size", view.is_small, "view", " quiet"),
        mirror = toggle("mirror", "Mirror", view.is_mirrored, "view", ""),
        flip = toggle("flip", "Flip", view.is_flipped, "view", ""),
        left = "<button class=\"btn\" form=\"view\" name=\"turn\" value=\"270\">Rotate left</button>",
        right = "<button class=\"btn\" form=\"view\" name=\"turn\" value=\"90\">Rotate right</button>",
    )
}

/// The cards beside the picture.
pub(in crate::ui) fn cards(hands: &LiveHands) -> String {
    let light = hands.light.as_ref().map(lights::section).unwrap_or_default();
    light + &lens::section(&hands.lens)
}
