//! Colours and progress bars on a terminal, and texts that may not steer it.
//!
//! Colours appear only on a terminal, and not with `NO_COLOR` (no-color.org) or `TERM=dumb`. Bars appear only on
//! standard error, and only if it is a terminal: pipes and logs get neither.

use std::borrow::Cow;
use std::io::{self, BufRead as _, IsTerminal, Read as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Failure;

/// For faults.
const RED: &str = "\x1b[1;31m";
/// For warnings.
const YELLOW: &str = "\x1b[1;33m";
/// For good findings.
const GREEN: &str = "\x1b[32m";
/// For hints.
const CYAN: &str = "\x1b[36m";
/// For headings.
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// `text` with its control characters written as in JSON: names come from files and cameras, and may not steer the
/// terminal or turn the line around.
pub(in crate::cli) fn shown(text: &str) -> Cow<'_, str> {
    let is_odd = |at: usize, letter: char| match letter {
        '\n' | '\t' => false,
        '\r' => !text[at + 1..].starts_with('\n'),
        letter => letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'),
    };
    if !text.char_indices().any(|(at, letter)| is_odd(at, letter)) {
        return Cow::Borrowed(text);
    }
    let plain = text.char_indices().map(|(at, letter)| match is_odd(at, letter) {
        true => format!("\\u{:04x}", u32::from(letter)),
        false => String::from(letter),
    });
    Cow::Owned(plain.collect())
}

/// True if text for `stream` may have colours.
pub(in crate::cli) fn takes_colour(stream: &impl IsTerminal) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Colours hints, marks of a check, carets below a quoted line, and headings of the help.
pub(in crate::cli) fn coloured(text: &str) -> String {
    let paint = |line: &str| {
        let trimmed = line.trim_start();
        let (before, first) = (&line[..line.len() - trimmed.len()], trimmed.chars().next());
        let begin = |mark: &str, colour: &str| {
            let rest = trimmed.strip_prefix(mark)?;
            Some(format!("{before}{colour}{mark}{PLAIN}{rest}"))
        };
        // The line below a quoted one: `  |      ^^^^`.
        let carets = line
            .split_once('^')
            .filter(|_| line.contains('|') && line.chars().all(|c| matches!(c, ' ' | '\t' | '|' | '^')));
        match first {
            _ if let Some((before, carets)) = carets => format!("{before}{RED}^{carets}{PLAIN}"),
            Some('✗') => begin("✗", RED).unwrap_or_default(),
            Some('✓') => begin("✓", GREEN).unwrap_or_default(),
            Some('!') if trimmed.starts_with("! ") => begin("!", YELLOW).unwrap_or_default(),
            _ => begin("tallycam:", RED)
                .or_else(|| begin("hint:", CYAN))
                .or_else(|| begin("= hint:", CYAN))
                .or_else(|| {
                    let is_heading = before.is_empty() && HEADINGS.contains(&trimmed);
                    is_heading.then(|| format!("{BOLD}{trimmed}{PLAIN}"))
                })
                .or_else(|| begin("Usage:", BOLD).filter(|_| before.is_empty()))
                .unwrap_or_else(|| line.to_owned()),
        }
    };
    text.split('\n').map(paint).collect::<Vec<_>>().join("\n")
}

/// True if somebody can be asked: standard input and standard error are a terminal.
pub(in crate::cli) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal; true for "y" and "yes".
///
/// # Errors
///
/// The answer cannot be read.
pub(in crate::cli) fn ask(question: &str) -> Result<bool, Failure> {
    eprint!("{} [y/N] ", shown(question));
    let mut answer = String::new();
    let read = io::stdin().lock().take(64).read_line(&mut answer);
    read.map_err(|error| Failure::io(format!("the answer could not be read: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The same for what cannot be undone, for the reason `why`: refused where nobody can be asked.
///
/// # Errors
/// There is no terminal, or the answer cannot be read.
pub(in crate::cli) fn confirm(question: &str, why: &str) -> Result<bool, Failure> {
    if !can_ask() {
        return Err(Failure::usage(format!("{why}, and nobody can be asked here"))
            .hint("--yes does it without asking"));
    }
    ask(question)
}

/// Headings of clap's help and of the examples.
const HEADINGS: [&str; 4] = ["Commands:", "Arguments:", "Options:", "Examples:"];

/// A progress bar on the last line of standard error; dropping it removes the bar.
#[derive(Debug)]
pub(in crate::cli) struct Progress(ProgressBar);

/// The unit and the total of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Of {
    Frames(u64),
    Bytes(u64),
    /// Microseconds of a clip; the number of frames is shown beside it.
    ClipTime(u64),
    /// The total is unknown.
    Unknown,
}

impl Progress {
    /// Starts a bar; `what` names the work in a few words.
    pub(in crate::cli) fn new(what: &str, of: Of) -> Progress {
        let (len, rate) = match of {
            Of::Frames(len) => (len, "{per_sec:.0} frames, "),
            Of::Bytes(len) => (len, "{bytes} of {total_bytes}, {bytes_per_sec}, "),
            Of::ClipTime(len) => (len, "{msg}, "),
            Of::Unknown => (0, ""),
        };
        let template = match of {
            Of::Unknown => String::from("{prefix} {spinner} {elapsed}"),
            _ => format!("{{prefix}} [{{wide_bar}}] {{percent}} % {rate}{{eta}} left"),
        };
        let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
        // A test checks every template.
        let style = ProgressStyle::with_template(&template);
        let bar =
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_prefix(shown(what).into_owned());
        if of == Of::Unknown && !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Progress(bar)
    }

    /// Sets the amount of work that is done.
    pub(in crate::cli) fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Sets the number of frames of a clip that are done.
    pub(in crate::cli) fn set_frames(&self, frames: u64) {
        if !self.0.is_hidden() {
            let seconds = self.0.elapsed().as_secs_f64().max(0.001);
            self.0.set_message(format!("{frames} frames, {:.0}/s", frames as f64 / seconds));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn colours_change_no_word() {
        let text = "tallycam: it is wrong\nhint: do this\n✗ camera  none\n    hint: look\n! clock  x\n✓ all\n  |\n1 | \
            a = b\n  \
                    |     ^^\n  = hint: quote it\nOptions:\n  --x  Options: here\nUsage: tallycam";
        let painted = coloured(text);
        let mut plain = painted.clone();
        for code in [RED, YELLOW, GREEN, CYAN, BOLD, PLAIN] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, text);
        assert!(
            painted.contains(&format!("{RED}✗{PLAIN} camera"))
                && painted.contains(&format!("{RED}^^{PLAIN}"))
        );
        assert!(painted.contains("1 | a = b") && painted.contains("\n  --x  Options: here\n"), "{painted}");
        assert_eq!(painted.matches(PLAIN).count(), 10);
    }

    #[test]
    fn a_name_does_not_steer_the_terminal() {
        assert_eq!(shown("\u{1b}]0;x\u{7}door\u{9b}2J"), "\\u001b]0;x\\u0007door\\u009b2J");
        assert_eq!(shown("a\rb \u{202e}gpj.exe"), "a\\u000db \\u202egpj.exe");
        for kept in ["\u{feff}id,time\r\n7,\tx\r\n", "Tür 👩\u{200d}🔬", ""] {
            assert!(matches!(shown(kept), Cow::Borrowed(same) if same == kept));
        }
    }

    #[test]
    fn every_template_is_valid_and_bars_are_hidden_without_a_terminal() {
        for of in [Of::Frames(3), Of::Bytes(9), Of::ClipTime(7), Of::Unknown] {
            let progress = Progress::new("street.mp4", of);
            progress.set(1);
            progress.set_frames(4);
        }
    }
}
