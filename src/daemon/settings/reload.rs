//! What of a configuration takes effect only by a restart. Pure.

use crate::config::Resolved;
use crate::config::keys;

/// Keys whose values in `now` are other than those that the daemon has `started` with, and that take effect only when
/// it starts again, as written in the file: `http.listen`.
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
    use crate::config::Config;

    #[test]
    fn what_is_listened_on_and_where_things_are_kept_wait_for_a_restart() {
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
