//! The shipped `config.toml`, made from the table of keys: every key explained and commented out
//! at its default, so that it pins nothing.

use super::keys::{BY_CAMERA, CONTROLS, KEYS, Key, SECTIONS, VARIABLE_PREFIX};

/// Width of the text, in characters.
const WIDTH: usize = 100;

const HEAD: &str = "The configuration of tallycam.\n\
\n\
Every key stands here at its default, commented out. Remove the # in front of a key to set it; \
leave the rest as it is, and newer versions may bring better defaults. After a change, \
`tallycam config check` tells what is wrong, if anything is; a running tallycam reads the file anew \
when it is told to reload (`systemctl reload tallycam`).\n\
\n\
A key can also be set by an environment variable, named in its last line here, or for one run by \
`--set section.key=value`. The command line goes before the environment, the environment before this file, and this file before what is set \
on the page: a key that is set here cannot be changed there. \
`tallycam config show` tells what is in force and where each value comes from. An empty environment \
variable sets nothing.";

const TAIL: &str = "Lines and zones. Most are drawn on the page. Those that stand here, below everything else, are \
shown there as pinned and can be changed only here. Ends and corners are fractions of the picture, \
from its upper left corner. In is crossing from the right-hand side of a→b to its left. Every key but \
name, a, b and points may be left out. For example:\n\
\x20 [[line]]\n\
\x20 name = \"Door\"\n\
\x20 a = [0.5, 1.0]\n\
\x20 b = [0.5, 0.0]\n\
\x20 in = \"entered\"         # what going in is called\n\
\x20 out = \"left\"           # what going out is called\n\
\x20 classes = [\"person\"]   # what is counted; everything if left out\n\
\x20 anchor = \"bottom\"      # which point of a box has to pass: bottom, center, top, left, right,\n\
\x20                        # or the whole box\n\
\x20 recrossing = \"every\"   # or \"once\" for each thing that is followed\n\
\n\
\x20 [[zone]]               # how many are in it now\n\
\x20 name = \"Queue\"\n\
\x20 points = [[0.1, 0.5], [0.4, 0.5], [0.4, 1.0], [0.1, 1.0]]\n\
\n\
\x20 [[zone]]               # where nobody is looked for: a screen, a mirror\n\
\x20 name = \"Screen\"\n\
\x20 points = [[0.7, 0.1], [0.9, 0.1], [0.9, 0.3]]\n\
\x20 exclude = true         # whatever has its feet in it is not followed\n\
Environment: TALLYCAM_LINE and TALLYCAM_ZONE, as [{ name = \"Door\", a = [0.5, 1.0], b = [0.5, 0.0] }].";

/// The shipped `config.toml`, to the byte.
pub fn default_text() -> String {
    let mut out = String::new();
    explain(&mut out, HEAD);
    for key in KEYS.iter().filter(|key| key.section.is_empty()) {
        explain_key(&mut out, key);
    }
    for section in SECTIONS {
        out.push_str(&format!("\n\n[{}]\n", section.name));
        explain(&mut out, section.about);
        if section.name == CONTROLS {
            explain(
                &mut out,
                &format!("Environment: {VARIABLE_PREFIX}SOURCE_CONTROLS, as {{ brightness = 128 }}."),
            );
        }
        if section.name == BY_CAMERA {
            explain(
                &mut out,
                &format!(
                    "Environment: {VARIABLE_PREFIX}CONTROLS, as {{ \"CAMERA\" = {{ brightness = 128 }} }}."
                ),
            );
        }
        for key in KEYS.iter().filter(|key| key.section == section.name) {
            explain_key(&mut out, key);
        }
    }
    out.push_str("\n\n");
    explain(&mut out, TAIL);
    out
}

fn explain_key(out: &mut String, key: &Key) {
    out.push('\n');
    explain(out, key.about);
    let mut expects = key.kind.expects();
    if let Some(first) = expects.get(..1).map(str::to_uppercase) {
        expects.replace_range(..1, &first);
    }
    let environment = format!("Environment: {}.", key.variable());
    // One line where both fit, so that a variable never stands apart from its word.
    let gap = if expects.chars().count() + environment.len() + 4 <= WIDTH { ' ' } else { '\n' };
    explain(out, &format!("{expects}.{gap}{environment}"));
    out.push_str(&format!("#{} = {}\n", key.name, key.default));
}

/// Writes `text` as a comment, wrapped at [`WIDTH`]; lines that begin with a space stay as they are.
fn explain(out: &mut String, text: &str) {
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
