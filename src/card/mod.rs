//! Provisioning of a card: the settings on its boot partition, and the system files that follow from them.
//!
//! Pure: the caller, `tallycam card apply`, reads and writes the files. Three readers (`tallycam_toml`, `preseed`,
//! `cloud`) return one [`CardSettings`] each, with the origin of every value. If several have a value for one key, the
//! reader that is named first here wins. Each mistake and each unused value becomes an [`Entry`] of the
//! [`CardReport`]. The report contains no secret.

pub mod accounts;
mod check;
mod cloud;
pub mod files;
mod preseed;
mod reader;
mod report;
mod tallycam_toml;
mod tree;
mod wanted;
mod yaml;

use tallycam_config::Saved;

pub use report::{Applied, CardReport, Entry, Severity};
pub use tallycam_toml::replace_password;
pub use wanted::{
    CLOUD, CardSettings, OWN, PRESEED, Password, Secret, SettingOrigin, Sourced, StaticAddress, SystemInfo,
    Wifi,
};

/// The report's file, next to the files it is about.
pub const REPORT: &str = "tallycam-report.txt";

/// Maximum length of each file in bytes.
pub const LONGEST: usize = 64 * 1024;

/// The result of reading all files.
#[derive(Debug)]
pub struct ReadFiles {
    /// The settings for the system.
    pub wanted: CardSettings,
    /// The daemon's settings in `tallycam.toml`: keys of `config.toml`, each valid by itself.
    pub settings: Saved,
    /// Keys and sections of the daemon's settings with an invalid value.
    pub faulty: Vec<String>,
    /// The daemon's settings are unknown, because `tallycam.toml` exists but could not be read or parsed.
    pub is_broken: bool,
    /// The text of `tallycam.toml`.
    pub own_text: Option<String>,
    /// Mistakes and unused values.
    pub entries: Vec<Entry>,
}

/// The bytes of a file, at most [`LONGEST`] + 1, or `None` without such a file. The error is in words.
pub type Loaded = Result<Option<Vec<u8>>, String>;

/// Reads every file. `load` returns a file by name.
pub fn read(load: &dyn Fn(&str) -> Loaded, facts: &SystemInfo<'_>) -> ReadFiles {
    let mut entries = Vec::new();
    let mut is_broken = false;
    let text = |file: &'static str, entries: &mut Vec<Entry>| match load(file) {
        Ok(None) => None,
        Ok(Some(bytes)) => decoded(file, bytes).map_err(|entry| entries.push(entry)).ok(),
        Err(why) => {
            entries.push(Entry::mistake(file, 0, "", why, None));
            None
        }
    };
    let own_text = text(OWN, &mut entries);
    is_broken |= !entries.is_empty();
    let own = own_text.as_deref().map(|text| tallycam_toml::read(text, facts, &mut entries));
    let own = own.unwrap_or_else(tallycam_toml::CardFile::empty);
    is_broken |= own.is_broken;
    let mut wanted = own.wanted;
    if let Some(text) = text(PRESEED, &mut entries) {
        wanted = wanted.or(preseed::read(&text, facts, &mut entries));
    }
    let [user_data, network, meta_data] = CLOUD;
    if let Some(text) = text(user_data, &mut entries) {
        wanted = wanted.or(cloud::user_data(&text, facts, &mut entries));
    }
    if let Some(text) = text(network, &mut entries) {
        wanted = wanted.or(cloud::network(&text, &mut entries));
    }
    if let Some(text) = text(meta_data, &mut entries) {
        wanted = wanted.or(cloud::read_meta_data(&text, &mut entries));
    }
    ignore_user_without_key(&mut wanted, &mut entries);
    if let (Some(wifi), None) = (&wanted.wifi, &wanted.country) {
        let what = "no country is given: only the channels that are allowed everywhere are used";
        let hint = Some(String::from("country = \"DE\", above all sections of tallycam.toml"));
        let SettingOrigin { file, line, .. } = wifi.origin;
        entries.push(Entry { severity: Severity::Note, ..Entry::mistake(file, line, "country", what, hint) });
    }
    ReadFiles { wanted, settings: own.settings, faulty: own.faulty, is_broken, own_text, entries }
}

/// Without an SSH key nobody can sign in, so the user's other values are not used.
fn ignore_user_without_key(wanted: &mut CardSettings, entries: &mut Vec<Entry>) {
    if wanted.keys.is_some() {
        return;
    }
    let (user, password) = (wanted.user.take(), wanted.user_password.take());
    let origins = user.map(|user| user.origin).into_iter().chain(password.map(|password| password.origin));
    for SettingOrigin { file, line, key } in origins {
        let hint = Some(String::from("give an SSH key, too"));
        let what = "not used: without an SSH key nobody can sign in to Linux";
        entries.push(Entry::not_used(file, line, &key, what, hint));
    }
}

/// The file's bytes as text.
fn decoded(file: &'static str, bytes: Vec<u8>) -> Result<String, Entry> {
    if bytes.len() > LONGEST {
        let what = format!("is not read: it is longer than {} kB", LONGEST / 1024);
        return Err(Entry::mistake(file, 0, "", what, None));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let hint = Some(String::from("save it as UTF-8"));
        return Err(Entry::mistake(file, 0, "", "is not read: it is UTF-16", hint));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let hint = Some(String::from("save it as UTF-8"));
        Entry::mistake(file, line, "", "is not read: this is not UTF-8 text", hint)
    })
}

#[cfg(test)]
mod tests;
