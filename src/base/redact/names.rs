//! What names of options and of parts of an address say of their values. Pure.

/// What stands in the names of secrets: cameras have `loginpas`, `psw` and worse.
pub(super) const NAMES: [&str; 13] = [
    "pas",
    "pwd",
    "psw",
    "psk",
    "token",
    "jwt",
    "key",
    "auth",
    "secret",
    "cookie",
    "session",
    "cred",
    "signature",
];

/// Names of secrets that are parts of others.
pub(super) const WHOLE_NAMES: [&str; 7] = ["p", "sig", "sid", "pin", "code", "basic", "hash"];

/// What has one of [`NAMES`] in it and is none: options of encoders and filters, mostly.
pub(super) const NO_SECRETS: [&str; 18] = [
    "keyint",
    "key-int",
    "key-unit",
    "keyframe",
    "key_frame",
    "colorkey",
    "chromakey",
    "lumakey",
    "stricthostkeychecking",
    "anyauth",
    "auth-no-challenge",
    "allpass",
    "multipass",
    "bypass",
    "highpass",
    "lowpass",
    "bandpass",
    "compass",
];

/// Names in a query whose values say which picture is wanted, and how: all others are secrets.
pub(super) const HARMLESS: [&str; 46] = [
    "width",
    "height",
    "w",
    "h",
    "x",
    "y",
    "size",
    "imgsize",
    "resolution",
    "res",
    "fps",
    "rate",
    "framerate",
    "camera",
    "cam",
    "cameraid",
    "channel",
    "ch",
    "chn",
    "id",
    "stream",
    "streamtype",
    "subtype",
    "profile",
    "action",
    "cmd",
    "type",
    "mode",
    "format",
    "codec",
    "videocodec",
    "compression",
    "quality",
    "q",
    "bitrate",
    "keyint",
    "rotation",
    "rotate",
    "mirror",
    "flip",
    "audio",
    "video",
    "color",
    "proto",
    "transport",
    "transportmode",
];

/// Programs whose `-p` is a path, a port or a place.
pub(super) const PLAIN_P: [&str; 6] =
    ["mkdir", "ssh", "rpicam-vid", "rpicam-still", "libcamera-vid", "libcamera-still"];

/// A part of an address's path of so many letters and digits is a key, as UniFi has it: words are shorter, or have signs.
pub(super) const SHORTEST_PATH_KEY: usize = 12;

/// Letters of an option's cluster: more of them are a name.
pub(super) const LONGEST_CLUSTER: usize = 6;

/// What a word of a command is, by the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretKind {
    Anything,
    /// A name, and perhaps a colon and a password.
    Login,
    Secret,
}

pub(super) fn is_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_lowercase();
    let is_named = WHOLE_NAMES.contains(&name.as_str())
        || name.ends_with("pw")
        || NAMES.iter().any(|part| name.contains(part));
    is_named && !name.ends_with("author") && !NO_SECRETS.iter().any(|part| name.contains(part))
}

pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a part of a path is a key: letters and digits, mixed.
pub(super) fn is_path_key(part: &str) -> bool {
    part.len() >= SHORTEST_PATH_KEY
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && part.bytes().any(|byte| byte.is_ascii_digit())
        && part.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether an option, perhaps with its value, is for a user's name and password: `-u` of curl and others, also behind
/// other letters (`-sSu`).
pub(super) fn is_login(option: &str) -> bool {
    if let Some(long) = option.strip_prefix("--") {
        return ["user", "username", "login"].iter().any(|name| long.ends_with(name));
    }
    let Some(letters) = option.strip_prefix('-') else { return false };
    match letters.find(['u', 'U']) {
        // With its value: `-uadmin`.
        Some(0) => !letters.starts_with("user_") && letters != "update",
        Some(_) => letters.len() <= LONGEST_CLUSTER && letters.ends_with(['u', 'U']),
        None => false,
    }
}

/// Whether letters of a cluster are such an option, and a name follows (`-sume`). Only where a password follows that.
pub(super) fn is_login_cluster(option: &str) -> bool {
    let letters = option.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
    letters.and_then(|letters| letters.find(['u', 'U'])).is_some_and(|at| at < LONGEST_CLUSTER)
}

pub(super) fn option_kind(option: &str) -> SecretKind {
    if is_login(option) {
        SecretKind::Login
    } else if is_secret(option) {
        SecretKind::Secret
    } else {
        SecretKind::Anything
    }
}
