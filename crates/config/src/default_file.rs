//! Writes the shipped `config.toml` from the table of keys: every key explained and commented out at its default, so
//! that it pins nothing.

use super::keys::{BY_CAMERA, CONTROLS, Key, SECTIONS, VARIABLE_PREFIX, keys_of_section};

const WIDTH: usize = 100;

const HEAD: &str = "The configuration of tallycam. Every key is here at its default, commented out: remove the # to \
    set it.\n\
\n\
`tallycam config check` shows errors, `systemctl reload tallycam` applies a change, and `tallycam config \
show` shows each value in force and its origin. Order of precedence: --set section.key=value, the environment \
(TALLYCAM_SECTION_KEY, such as TALLYCAM_STREAM_QUALITY; empty sets nothing), this file, the page. A key that \
is set here cannot be changed on the page.";

const TAIL: &str = "Lines and zones. Draw them on the page, or write them here, below everything else; then the page \
    cannot \
change them. Coordinates are fractions of the picture as it is shown, from its upper left corner: write them anew when \
you rotate, mirror, \
flip or crop it (what is drawn on the page moves along). In is crossing from the \
right-hand side of a→b to its left. Only name, a, b and points are required. Example:\n\
\x20 [[line]]\n\
\x20 name = \"Door\"\n\
\x20 a = [0.5, 1.0]\n\
\x20 b = [0.5, 0.0]\n\
\x20 in = \"entered\"         # name of the direction in\n\
\x20 out = \"left\"           # name of the direction out\n\
\x20 classes = [\"person\"]   # what counts; everything if left out\n\
\x20 anchor = \"bottom\"      # count point: bottom, center, top, left, right, or the whole box\n\
\x20 recrossing = \"every\"   # or \"once\" for each object\n\
\n\
\x20 [[zone]]               # occupancy\n\
\x20 name = \"Queue\"\n\
\x20 points = [[0.1, 0.5], [0.4, 0.5], [0.4, 1.0], [0.1, 1.0]]\n\
\n\
\x20 [[zone]]               # an area to ignore: a screen, a mirror\n\
\x20 name = \"Screen\"\n\
\x20 points = [[0.7, 0.1], [0.9, 0.1], [0.9, 0.3]]\n\
\x20 exclude = true         # objects whose feet are in it are not tracked\n\
\n\
Notifications, also on the page Notifications. docs/notifications.md explains them. Example:\n\
\x20 [[notify]]\n\
\x20 name = \"Till\"\n\
\x20 when = \"crossing\"      # or above, quiet, trouble, daily\n\
\x20 to = \"webhook\"         # or ntfy, email\n\
\x20 address = \"https://example.org/hook\"\n\
\x20 secret = \"\"            # signs each message: X-Tallycam-Signature\n\
\x20 place = \"Door\"         # a line or zone; every line if left out\n\
Environment: TALLYCAM_LINE, TALLYCAM_ZONE: [{ name = \"Door\", a = [0.5, 1.0], b = [0.5, 0.0] }].";

/// The exact text of the shipped `config.toml`.
pub fn default_text() -> String {
    let mut out = String::new();
    write_comment(&mut out, HEAD);
    for key in keys_of_section("") {
        explain_key(&mut out, key);
    }
    for section in SECTIONS {
        out.push_str(&format!("\n\n[{}]\n", section.name));
        write_comment(&mut out, section.about);
        if section.name == CONTROLS {
            write_comment(
                &mut out,
                &format!("Environment: {VARIABLE_PREFIX}SOURCE_CONTROLS, as {{ brightness = 128 }}."),
            );
        }
        if section.name == BY_CAMERA {
            write_comment(
                &mut out,
                &format!(
                    "Environment: {VARIABLE_PREFIX}CONTROLS, as {{ \"CAMERA\" = {{ brightness = 128 }} }}."
                ),
            );
        }
        for key in section.keys {
            explain_key(&mut out, key);
        }
    }
    out.push_str("\n\n");
    write_comment(&mut out, TAIL);
    out
}

fn explain_key(out: &mut String, key: &Key) {
    out.push('\n');
    let mut text = key.about.to_owned();
    if !key.kind.is_explained(key.about) {
        let expects = key.kind.describe_expected();
        let plain = ["a whole number from ", "a number from ", "a time from ", "a list of "];
        let mut expects =
            plain.iter().find_map(|kind| expects.strip_prefix(kind)).unwrap_or(&expects).to_owned();
        if let Some(first) = expects.get(..1).map(str::to_uppercase) {
            expects.replace_range(..1, &first);
        }
        text.push_str(&format!(" {expects}."));
    }
    write_comment(out, &text);
    out.push_str(&format!("#{} = {}\n", key.name, key.default));
}

/// Writes `text` as a comment, wrapped at [`WIDTH`]. Lines that begin with a space stay as they are.
fn write_comment(out: &mut String, text: &str) {
    for paragraph in text.split('\n') {
        if paragraph.is_empty() || paragraph.starts_with(' ') {
            out.push_str(format!("# {paragraph}").trim_end());
            out.push('\n');
            continue;
        }
        let mut line = String::from("#");
        for word in paragraph.split(' ') {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                out.push_str(&line);
                out.push('\n');
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        out.push_str(&line);
        out.push('\n');
    }
}
