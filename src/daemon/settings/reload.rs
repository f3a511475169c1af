//! Finds the settings that need a restart. Pure.

use tallycam_config::Resolved;
use tallycam_config::keys;

/// Keys that differ between `started` and `now` and take effect only at a start, as in `http.listen`.
pub fn keys_needing_restart(started: &Resolved, now: &Resolved) -> Vec<String> {
    let value = |resolved: &Resolved, path: &str| resolved.setting(path).map(|setting| setting.value.clone());
    let late = keys::all().filter(|key| key.at_start).map(|key| key.path());
    late.filter(|path| value(started, path) != value(now, path)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;
    use tallycam_config::Config;

    #[test]
    fn listen_addresses_and_the_state_directory_wait_for_a_restart() {
        let with = |text: &str| Config::from_text(Path::new("config.toml"), text, &[], []).unwrap();
        let started = with("");
        assert!(
            keys_needing_restart(&started, &with("name = \"door\"\n[stream]\nquality = 12\n")).is_empty()
        );
        let other =
            with("[store]\ndirectory = \"/x\"\n[http]\nlisten = [\"127.0.0.1:1\"]\nmax_head = 9000\n");
        assert_eq!(keys_needing_restart(&started, &other), ["store.directory", "http.listen"]);
        assert!(keys_needing_restart(&other, &other).is_empty());
    }
}
