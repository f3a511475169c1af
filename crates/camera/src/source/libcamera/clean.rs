//! Makes a camera's text displayable.

use tallycam_base::unicode::is_unseen_control;

/// Text from a camera or libcamera for display: without control characters, and of limited length.
pub(crate) fn sanitise_text(text: &str) -> String {
    const MOST: usize = 300;
    text.chars().map(|letter| if is_unseen_control(letter) { ' ' } else { letter }).take(MOST).collect()
}
