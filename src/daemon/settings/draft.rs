//! Drafts of settings, made from changes or from a file, and their errors. Pure.

use std::collections::{BTreeMap, HashSet};

use super::external_change;
use crate::daemon::parts::lights;
use crate::http::{NotSet, PreferenceChanges, WrongSetting, is_of_the_moment};
use tallycam_base::redact::STARS;
use tallycam_config::{
    Config, Diagnostic, Diagnostics, Faulty, MqttBroker, Origin, Resolved, Saved, control_of, keys, kind,
};

/// The settings that a change would lead to.
pub(super) struct Draft {
    pub(super) saved: Saved,
    /// Values stored in the databases, as TOML. `None` returns to the operator's file or the default.
    pub(super) elsewhere: BTreeMap<String, Option<String>>,
    /// Keys for which the operator sets another value, and where: `stream.quality in config.toml:3`.
    pub(super) pinned: Vec<String>,
    /// True for an exported file. Everything in it was in force once, also ranges that wait for a longer strip.
    pub(super) is_export: bool,
}

/// True if only switches differ.
pub(super) fn is_switch_only_change(before: &Saved, after: &Saved) -> bool {
    let differs = |path: &&str| before.get(path) != after.get(path);
    before.paths().chain(after.paths()).filter(differs).all(is_of_the_moment)
}

/// Applies `changes` to `saved`. An unchanged value stays as it is, because a form may send all its fields.
pub(super) fn draft(saved: &Saved, now: &Resolved, changes: &PreferenceChanges) -> Result<Draft, NotSet> {
    let mut draft =
        Draft { saved: saved.clone(), elsewhere: BTreeMap::new(), pinned: Vec::new(), is_export: false };
    let (mut wrong, mut pinned) = (Vec::new(), None);
    for (path, text) in changes {
        // A key that the page cannot set may be sent unchanged: the form shows it like all others.
        if is_current_value(now, path, text.as_deref()) {
            continue;
        }
        let whole = text.as_deref().filter(|text| path == NOTIFY && text.contains(STARS));
        let whole = whole.map(|text| kind::fill_in_hidden(text, saved.get(NOTIFY).unwrap_or_default()));
        let path = match draft.saved.set(path, whole.as_deref().or(text.as_deref())) {
            Ok(path) => path,
            Err(fault) => {
                wrong.push(WrongSetting {
                    path: fault.path,
                    given: fault.given,
                    message: format!("{}.", fault.message),
                    hint: fault.hint,
                });
                continue;
            }
        };
        let toml = draft.saved.get(&path).map(str::to_owned);
        let is_kept =
            toml.is_none() && saved.get(&path).is_none() && !external_change::is_stored_elsewhere(&path);
        let is_so = toml.is_some() && now.setting(&path).map(|setting| &setting.value) == toml.as_ref();
        if is_kept || is_so {
            restore(&mut draft.saved, saved, &path);
        } else if let Some(place) = pinned_place(now, &path) {
            pinned.get_or_insert(NotSet::Pinned { path, place });
        } else if let Some(fault) = missing_password_error(&path, toml.as_deref()) {
            wrong.push(fault);
        } else if external_change::is_stored_elsewhere(&path) {
            // The value now lives only in the database.
            let _ = draft.saved.set(&path, None);
            draft.elsewhere.insert(path, toml);
        }
    }
    let is_written = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.contains(STARS));
    let password = changes.get(PASSWORD).is_some_and(is_written);
    wrong.extend(password_for_another(now, &draft.saved, password));
    forget_mqtt_password(now, &mut draft.saved, changes.get(MQTT_PASSWORD).is_some_and(is_written));
    match (wrong.is_empty(), pinned) {
        (false, _) => Err(NotSet::Wrong(wrong)),
        (true, Some(pinned)) => Err(pinned),
        (true, None) => Ok(draft),
    }
}

/// Exports all settings as a file that can be imported again.
///
/// It includes those in the databases, if they are in force, and those that the operator's values override now,
/// because the operator may remove these.
pub(super) fn export_settings(saved: &Saved, now: &Resolved) -> String {
    let mut all = saved.redacted();
    for setting in &now.settings {
        if external_change::is_stored_elsewhere(&setting.path)
            && matches!(setting.origin, Origin::Page { .. })
        {
            // A value in force is valid.
            let _ = all.set(&setting.path, Some(&setting.value));
        }
    }
    // A set, because thousands of controls may be stored in no order.
    let operators = now.settings.iter().filter(|setting| setting.origin.is_operators());
    let pins: HashSet<&str> = operators.map(|setting| setting.path.as_str()).collect();
    let is_pinned = |path: &str| {
        pins.contains(path) || any_camera_path(path).is_some_and(|path| pins.contains(path.as_str()))
    };
    all.to_toml_with(|path| is_pinned(path).then_some(PINNED))
}

/// The comment in an export beside a value that the operator overrides.
pub(super) const PINNED: &str = "not in force: the operator sets it elsewhere";

/// A draft that replaces all settings by those of an imported file.
pub(super) fn imported(saved: &Saved, now: &Resolved, toml: &str) -> Result<Draft, NotSet> {
    // Errors name lines only: this is not the daemon's file, and its sender knows its name.
    let of = |complaint: &Diagnostic| {
        let at = match complaint.line_and_column() {
            Some((line, column)) => format!("line {line}, column {column}"),
            None => complaint.place().to_owned(),
        };
        let (path, given) = complaint.key_and_value().unwrap_or((&at, ""));
        WrongSetting {
            path: path.to_owned(),
            given: given.to_owned(),
            message: format!("{at}: {}.", complaint.message()),
            hint: complaint.hint().map(str::to_owned),
        }
    };
    let wrong = |complaints: &Diagnostics| NotSet::Wrong(complaints.iter().map(of).collect());
    let mut draft = match Saved::read(std::path::Path::new("this file"), toml) {
        Ok((read, None)) => {
            let saved = read.with_file(saved.file());
            Draft {
                saved,
                elsewhere: BTreeMap::new(),
                pinned: Vec::new(),
                is_export: Saved::is_our_format(toml),
            }
        }
        Ok((_, Some(Faulty { complaints, .. }))) | Err(complaints) => return Err(wrong(&complaints)),
    };
    let paths: Vec<String> = draft.saved.paths().map(str::to_owned).collect();
    let mut faults = Vec::new();
    let (mut is_password_written, mut is_mqtt_written) = (true, true);
    let shown = saved.redacted();
    for path in paths {
        let toml = draft.saved.get(&path).map(str::to_owned);
        let is_shown = |toml: &str| {
            shown.get(&path) == Some(toml) || now.setting(&path).is_some_and(|setting| setting.value == toml)
        };
        let is_stand_in = toml.as_deref().is_some_and(|toml| toml.contains(STARS) && is_shown(toml));
        if is_stand_in {
            restore(&mut draft.saved, saved, &path);
            is_password_written &= path != PASSWORD;
            is_mqtt_written &= path != MQTT_PASSWORD;
        } else if let Some(fault) = missing_password_error(&path, toml.as_deref()) {
            faults.push(fault);
        }
    }
    faults.extend(password_for_another(now, &draft.saved, is_password_written));
    forget_mqtt_password(now, &mut draft.saved, is_mqtt_written);
    if !faults.is_empty() {
        return Err(NotSet::Wrong(faults));
    }
    draft.pinned = pinned_conflicts(&draft.saved, saved, now);
    for key in keys::all().map(keys::Key::path).filter(|path| external_change::is_stored_elsewhere(path)) {
        let toml = draft.saved.get(&key).map(str::to_owned);
        if pinned_place(now, &key).is_none() {
            let _ = draft.saved.set(&key, None);
            draft.elsewhere.insert(key, toml);
        } else {
            restore(&mut draft.saved, saved, &key);
        }
    }
    Ok(draft)
}

/// Keys of `draft` that the operator sets to another value, except those that were stored below the operator's
/// before.
pub(super) fn pinned_conflicts(draft: &Saved, saved: &Saved, now: &Resolved) -> Vec<String> {
    let pinned = draft.paths().filter_map(|path| {
        let place = pinned_place(now, path)?;
        let shown = now.setting(path).map(|setting| setting.value.as_str());
        let is_so = shown == draft.get(path) || saved.get(path) == draft.get(path);
        (!is_so).then(|| format!("{path} in {place}"))
    });
    pinned.collect()
}

/// A note about imported values that the operator overrides; empty if there are none.
pub(super) fn no_effect_note(draft: &Draft) -> String {
    match draft.pinned.as_slice() {
        [] => String::new(),
        pinned => format!(
            "Of what was imported this has no effect, since it is set elsewhere and can be changed only there: {}.",
            pinned.join(", ")
        ),
    }
}

/// Refuses changed pixel ranges beyond the end of the strip, as the light's own route does. A strip that becomes
/// shorter shows as much of its ranges as it can.
pub(super) fn check_strip_range(now: &Resolved, to: &Resolved) -> Option<WrongSetting> {
    let strip = lights::settings(&to.config).strip;
    if to.config.lights.ranges == now.config.lights.ranges || !strip.kind.has_colors() {
        return None;
    }
    let beyond = to.config.lights.ranges.iter().find(|range| usize::from(range.to) >= strip.count())?;
    let (path, pixels) = (String::from("lights.ranges"), strip.count());
    Some(WrongSetting {
        message: format!(
            "`{path}` names pixel {}, and the strip has the pixels 0 to {}.",
            beyond.to,
            pixels.saturating_sub(1)
        ),
        path,
        given: beyond.to_string(),
        hint: Some(String::from("`lights.pixels` says how many it has")),
    })
}

pub(super) fn restore(draft: &mut Saved, saved: &Saved, path: &str) {
    // Both values are valid: they were read or set before.
    let _ = draft.set(path, saved.get(path));
}

/// True if `path` has this value already, as the page shows it. Applies only to keys that the page cannot set.
pub(super) fn is_current_value(now: &Resolved, path: &str, text: Option<&str>) -> bool {
    let Some(key) = keys::find_path(path).filter(|key| !key.is_settable_on_page()) else { return false };
    let Some(text) = text else { return false };
    let Ok(shown) = key.kind.apply_text(text, &mut Config::default()) else { return false };
    // Hidden values all look the same, so only the stand-in itself counts as the shown value.
    let bare = |text: &str| text.replace([' ', '"'], "");
    let is_itself = !shown.contains(STARS) || bare(&shown) == bare(text);
    is_itself && now.setting(path).is_some_and(|setting| setting.value == shown)
}

/// The error for a stand-in of a value that is not known here.
pub(super) fn missing_password_error(path: &str, toml: Option<&str>) -> Option<WrongSetting> {
    let toml = toml?;
    let key = keys::find_path(path)?;
    let has_stand_in = match key.kind.shape().word {
        "secret" => toml == "\"***\"",
        "url" | "command" | "rules" => toml.contains(STARS),
        _ => false,
    };
    has_stand_in.then(|| WrongSetting {
        path: path.to_owned(),
        given: toml.to_owned(),
        message: format!("`{path}` has *** where something is hidden."),
        hint: Some(String::from("what is hidden is not shown, nor exported: write all of the value")),
    })
}

/// The rules of notifications, whose addresses and secrets are hidden.
const NOTIFY: &str = "notify";

/// The network camera's password.
pub(super) const PASSWORD: &str = "source.password";

/// Refuses to send a network camera's password to another host than it was written for. Otherwise a user who may
/// change the address could send it to a host of their own and read it there.
pub(super) fn password_for_another(now: &Resolved, draft: &Saved, is_written: bool) -> Option<WrongSetting> {
    let is_pinned = |path| now.origin(path).is_some_and(Origin::is_operators);
    if is_pinned("source.url") {
        return None;
    }
    let is_kept = is_pinned(PASSWORD) || (draft.get(PASSWORD).is_some() && !is_written);
    let stays = now.config.source.password.is_some() && is_kept;
    let (before, url) = (now.config.source.url.as_deref(), draft.get("source.url")?.trim_matches('"'));
    let is_same = before.is_some_and(|before| host(before).eq_ignore_ascii_case(host(url)));
    (stays && !is_same).then(|| WrongSetting {
        path: String::from("source.url"),
        given: host(url).to_owned(),
        message: String::from("`source.password` was written for another host and is not sent to this one."),
        hint: Some(String::from("write `source.password` again in the same change, or take it away")),
    })
}

/// The password of the broker.
const MQTT_PASSWORD: &str = "mqtt.password";

/// Forgets the stored password of the broker when the draft names another host, or a scheme without TLS: it was
/// entered for the one before.
fn forget_mqtt_password(now: &Resolved, draft: &mut Saved, is_written: bool) {
    let target = |url: Option<&str>| {
        let broker = MqttBroker::parse(url?)?;
        Some((broker.host.to_ascii_lowercase(), broker.is_secure))
    };
    let url = draft.get("mqtt.url").map(|toml| toml.trim_matches('"'));
    let is_pinned = now.origin("mqtt.url").is_some_and(Origin::is_operators);
    if !is_written && !is_pinned && target(url) != target(now.config.mqtt.url.as_deref()) {
        let _ = draft.set(MQTT_PASSWORD, None);
    }
}

/// The host of a URL, without user and port.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The place in which the operator sets `path` or a key that overrides it.
pub(super) fn pinned_place(now: &Resolved, path: &str) -> Option<String> {
    let by = |path: &str| now.origin(path).filter(|origin| origin.is_operators()).map(Origin::to_string);
    by(path).or_else(|| by(&any_camera_path(path)?))
}

/// For the control of one camera, the key for all cameras, which overrides it.
pub(super) fn any_camera_path(path: &str) -> Option<String> {
    let (_, name) = control_of(path)?;
    Some(format!("{}.{}", keys::CONTROLS, tallycam_config::quote_key_part(&name)))
}

/// The error for changes that contradict the other settings.
pub(super) fn conflict_error(complaints: &Diagnostics) -> NotSet {
    NotSet::Wrong(
        complaints
            .iter()
            .map(|complaint| WrongSetting {
                path: String::from("source.kind"),
                given: String::new(),
                message: format!("{}.", complaint.message()),
                hint: complaint.hint().map(str::to_owned),
            })
            .collect(),
    )
}
