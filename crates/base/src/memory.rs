//! The memory limit of this process.

use std::fs;
use std::path::Path;

/// Bytes of memory that this process may use: the least of the machine's memory and the limits of its cgroups (v2).
/// `None` if neither can be read.
pub fn allowed_memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|meminfo| total(&meminfo));
    let own = fs::read_to_string("/proc/self/cgroup").ok();
    let own = own.as_deref().and_then(|own| own.lines().find_map(|line| line.strip_prefix("0::/")));
    let group = own.and_then(|own| least_limit_in(Path::new("/sys/fs/cgroup"), Path::new(own)));
    machine.into_iter().chain(group).min()
}

/// "MemTotal:    1234 kB" (proc_meminfo(5)).
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The least limit of the group `own` and its ancestors, in the tree at `root`.
fn least_limit_in(root: &Path, own: &Path) -> Option<u64> {
    let limit = |group: &Path, name: &str| {
        // "max" means no limit and does not parse.
        fs::read_to_string(root.join(group).join(name)).ok()?.trim().parse().ok()
    };
    own.ancestors()
        .flat_map(|group| ["memory.high", "memory.max"].map(|name| limit(group, name)))
        .flatten()
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_counts() {
        assert_eq!(total("MemTotal:  2 kB\nMemFree: 1 kB\n"), Some(2048));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        let root = tempfile::tempdir().expect("a folder");
        let own = Path::new("system.slice/tallycam.service");
        fs::create_dir_all(root.path().join(own)).expect("made");
        assert_eq!(least_limit_in(root.path(), own), None);
        let limits = [
            ("memory.max", "900"),
            ("system.slice/memory.max", "max"),
            ("system.slice/memory.high", "700\n"),
        ];
        for (file, limit) in limits {
            fs::write(root.path().join(file), limit).expect("written");
        }
        assert_eq!(least_limit_in(root.path(), own), Some(700));
        assert!(allowed_memory().is_some_and(|bytes| bytes > 0));
    }
}
