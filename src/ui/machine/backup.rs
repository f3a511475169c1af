//! The page Backup: makes and restores backups, and resets the camera.

use crate::ui::escape::Text;
use crate::ui::facts::{Head, RefusalReason};
use crate::ui::frame::{PageFrame, Tab, refusal_html};

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupPage {
    pub head: Head,
    /// Privacy mode: a backup has no pictures.
    pub is_counts_only: bool,
    /// The first browser on the network chooses the first password.
    pub is_claimed_by_network: bool,
    pub step: BackupStep,
    pub replaced: Replaced,
    /// The refusal of the last request.
    pub refused: Option<RefusalReason>,
}

/// The present contents, which a restore replaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replaced {
    pub lines: usize,
    pub zones: usize,
    pub users: usize,
    pub tokens: usize,
    /// Snapshots and recordings; `None` before they are known.
    pub media: Option<(u64, u64)>,
}

impl Replaced {
    /// "the settings, all counts, 2 lines, 1 zone, 3 users, 1 token".
    fn in_words(self) -> String {
        let many = [(self.lines, "line"), (self.zones, "zone"), (self.users, "user"), (self.tokens, "token")];
        let many =
            many.iter().filter(|(number, _)| *number > 0).map(|&(number, what)| counted(number as u64, what));
        [String::from("the settings"), String::from("all counts")]
            .into_iter()
            .chain(many)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The state of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupStep {
    /// All actions are offered.
    Begin,
    /// Asks for the camera's name before a reset.
    Ask,
    /// A backup is being restored.
    Restored {
        /// The camera of the backup.
        name: String,
        /// The time of the backup.
        made: String,
        /// The users who may sign in then, with their roles.
        users: Vec<String>,
        /// The tokens that are valid then, with their scopes.
        tokens: Vec<String>,
        /// No password is asked then.
        is_open: bool,
    },
    /// Everything is being deleted.
    Reset,
}

/// The page as HTML, at `backup` and `factory-reset`. It posts a file to `backup` and `name` to `factory-reset`.
pub fn backup_page(page: &BackupPage) -> String {
    let refused = page.refused.as_ref().map(refusal_html).unwrap_or_default();
    let name = Text(&page.head.name);
    let panels = match &page.step {
        BackupStep::Begin => {
            let media = if page.is_counts_only {
                ""
            } else {
                "<a class=\"btn\" href=\"api/v1/backup?media=1\" download>With snapshots and recordings</a>"
            };
            let kept = page.replaced.media.map_or_else(
                || String::from("snapshots and recordings"),
                |(snapshots, recordings)| {
                    format!("{} and {}", counted(snapshots, "snapshot"), counted(recordings, "recording"))
                },
            );
            format!(
                include_str!("backup.html"),
                media = media,
                replaced = page.replaced.in_words(),
                kept = kept
            )
        }
        BackupStep::Ask => format!(include_str!("factory_reset.html"), name = name),
        BackupStep::Restored { name, made, users, tokens, is_open } => {
            let signing_in = if *is_open {
                "the backup has no password, so whoever reaches the camera can change it"
            } else {
                "sign in with the passwords that held then"
            };
            restarting_page(&format!(
                "The backup of {} of {} is verified. The camera restarts with it; {signing_in}. {} {}",
                Text(name),
                Text(made),
                listed("Users who may sign in", users),
                listed("Tokens that are valid", tokens)
            ))
        }
        BackupStep::Reset => {
            let first = if page.is_claimed_by_network {
                "the first browser on this network that opens its page chooses the password, unless \
                 <code>tallycam.toml</code> \
                 has one"
            } else {
                "its first password is in the log of its machine, and on a screen at the camera"
            };
            restarting_page(&format!("Everything is being removed. The camera restarts as new; {first}."))
        }
    };
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>Backup &amp; restore</h1><p \
         class=\"lead muted\">Save the state of this camera, \
         and move it to another card or machine.</p></div>\n{refused}{panels}</main>\n"
    );
    PageFrame::new(&page.head, Tab::Backup, "Backup", &["page.js", "head.js"]).render(&main)
}

/// A sentence with all of `who`.
fn listed(what: &str, who: &[String]) -> String {
    let all = if who.is_empty() { String::from("none") } else { who.join(", ") };
    format!("{what}: {}.", Text(&all))
}

fn restarting_page(words: &str) -> String {
    format!(
        "<section class=\"panel\" role=\"status\" id=\"comes-back\"><h2>Restarting</h2><p>{words}</p><p \
         class=\"row\"><a \
         class=\"btn main\" href=\"./\">Open Live</a></p><p class=\"small muted\">This page goes to Live by itself, in \
         some seconds; with many recordings it takes longer.</p><noscript><meta http-equiv=\"refresh\" \
         content=\"20;url=./\"></noscript></section>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn pictures_are_offered_outside_privacy_mode_and_a_reset_asks_for_the_name() {
        let head = Head { name: String::from("<b>door"), ..fixtures::access().head };
        let page = BackupPage {
            head,
            is_counts_only: false,
            is_claimed_by_network: false,
            step: BackupStep::Begin,
            replaced: Replaced { lines: 2, zones: 1, users: 1, tokens: 0, media: Some((3, 1)) },
            refused: None,
        };
        let begin = backup_page(&page);
        assert!(begin.contains("the settings, all counts, 2 lines, 1 zone, 1 user."), "{begin}");
        assert!(
            begin.contains("3 snapshots and 1 recording") && begin.contains("api/v1/backup?media=1"),
            "{begin}"
        );
        assert!(!backup_page(&BackupPage { is_counts_only: true, ..page.clone() }).contains("media=1"));
        let asked = backup_page(&BackupPage { step: BackupStep::Ask, ..page.clone() });
        assert!(
            asked.contains("action=\"api/v1/factory-reset\"") && asked.contains("&lt;b&gt;door"),
            "{asked}"
        );
        let reset = BackupPage { step: BackupStep::Reset, ..page.clone() };
        assert!(backup_page(&reset).contains("is in the log of its machine"));
        assert!(
            backup_page(&BackupPage { is_claimed_by_network: true, ..reset }).contains("the first browser")
        );
        let step = BackupStep::Restored {
            name: String::from("<i>"),
            made: String::from("2026"),
            users: vec![String::from("admin (admin)"), String::from("ann (viewer)")],
            tokens: Vec::new(),
            is_open: false,
        };
        let mut open = step.clone();
        if let BackupStep::Restored { is_open, .. } = &mut open {
            *is_open = true;
        }
        let open = backup_page(&BackupPage { step: open, ..page.clone() });
        assert!(
            open.contains("whoever reaches the camera can change it")
                && !open.contains("passwords that held")
        );
        let restored = backup_page(&BackupPage { step, ..page });
        assert!(
            restored.contains("sign in: admin (admin), ann (viewer). Tokens that are valid: none."),
            "{restored}"
        );
        assert!(
            restored.contains("restarts with it")
                && !restored.contains("<i>")
                && !restored.contains("<b>door")
        );
    }
}
