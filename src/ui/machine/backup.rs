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
    /// The refusal of the last request.
    pub refused: Option<RefusalReason>,
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
            format!(include_str!("backup.html"), media = media)
        }
        BackupStep::Ask => format!(include_str!("factory_reset.html"), name = name),
        BackupStep::Restored { name, made, users, tokens, is_open } => {
            let signing_in = if *is_open {
                "the backup has no password, so whoever reaches the camera can change it"
            } else {
                "sign in with the passwords that held then"
            };
            restarting_page(&format!(
                "The backup of {} of {} is whole. The camera starts again with it; {signing_in}. {} {}",
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
                "its first password is in the journal, and on a screen at the camera"
            };
            restarting_page(&format!("Everything is being removed. The camera starts again as new; {first}."))
        }
    };
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>Backup</h1><p class=\"lead muted\">Save the \
         state of this camera, and move it to another card or machine.</p></div>\n{refused}{panels}</main>\n"
    );
    PageFrame::new(&page.head, Tab::Settings, "Backup", &["page.js", "head.js"]).render(&main)
}

/// A sentence with all of `who`.
fn listed(what: &str, who: &[String]) -> String {
    let all = if who.is_empty() { String::from("none") } else { who.join(", ") };
    format!("{what}: {}.", Text(&all))
}

fn restarting_page(words: &str) -> String {
    format!(
        "<section class=\"panel\" role=\"status\"><h2>The camera starts again</h2><p>{words}</p><p class=\"row\"><a \
         class=\"btn \
         main\" href=\"./\">To the live page</a></p><p class=\"small muted\">It takes some seconds, and longer with \
         many \
         recordings.</p></section>\n"
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
            refused: None,
        };
        assert!(backup_page(&page).contains("api/v1/backup?media=1"));
        assert!(!backup_page(&BackupPage { is_counts_only: true, ..page.clone() }).contains("media=1"));
        let asked = backup_page(&BackupPage { step: BackupStep::Ask, ..page.clone() });
        assert!(
            asked.contains("action=\"api/v1/factory-reset\"") && asked.contains("&lt;b&gt;door"),
            "{asked}"
        );
        let reset = BackupPage { step: BackupStep::Reset, ..page.clone() };
        assert!(backup_page(&reset).contains("is in the journal"));
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
            restored.contains("starts again") && !restored.contains("<i>") && !restored.contains("<b>door")
        );
    }
}
