//! Text of a camera, as it may be shown.

use crate::base::unicode::is_unseen_control;

/// What a camera or libcamera says, as it may be shown: without control characters, and not without end.
pub fn sanitise_text(text: &str) -> String {
    const MOST: usize = 300;
    text.chars().map(|letter| if is_unseen_control(letter) { ' ' } else { letter }).take(MOST).collect()
}
