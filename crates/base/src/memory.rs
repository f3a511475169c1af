//! The memory limit of this process.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

/// The files with the limits of a group, in version 2 and in version 1.
const FILES_V2: &[&str] = &["memory.high", "memory.max"];
const FILES_V1: &[&str] = &["memory.limit_in_bytes"];

/// Bytes of memory that this process may use: the least of the machine's memory, the limits of its cgroups, and its
/// own limits (`RLIMIT_AS`, `RLIMIT_DATA`). `None` if none of them can be read.
pub fn allowed_memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|meminfo| total(&meminfo));
    let groups = fs::read_to_string("/proc/self/cgroup").ok();
    let groups = groups.as_deref().and_then(|groups| least_group_limit(Path::new("/sys/fs/cgroup"), groups));
    let own = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    machine.into_iter().chain(groups).chain(own.into_iter().flatten()).min()
}

/// The least limit of the groups of this process, as `/proc/self/cgroup` lists them, in the tree at `root`.
fn least_group_limit(root: &Path, groups: &str) -> Option<u64> {
    let limit = |line: &str| {
        let (_, line) = line.split_once(':')?;
        let (kinds, own) = line.split_once(":/")?;
        match kinds.split(',').any(|kind| kind == "memory") {
            true => least_limit_in(&root.join("memory"), Path::new(own), FILES_V1),
            false if kinds.is_empty() => least_limit_in(root, Path::new(own), FILES_V2),
            false => None,
        }
    };
    groups.lines().filter_map(limit).min()
}

/// "MemTotal:    1234 kB" (proc_meminfo(5)).
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The least limit of the group `own` and its ancestors, in the tree at `root`.
fn least_limit_in(root: &Path, own: &Path, files: &[&str]) -> Option<u64> {
    let limit = |group: &Path, name: &str| {
        // "max" means no limit and does not parse; version 1 has a huge number.
        fs::read_to_string(root.join(group).join(name)).ok()?.trim().parse().ok()
    };
    own.ancestors().flat_map(|group| files.iter().filter_map(move |name| limit(group, name))).min()
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
        let groups = "12:cpu:/x\n0::/system.slice/tallycam.service\n";
        assert_eq!(least_group_limit(root.path(), groups), None);
        let limits = [
            ("memory.max", "900"),
            ("system.slice/memory.max", "max"),
            ("system.slice/memory.high", "700\n"),
        ];
        for (file, limit) in limits {
            fs::write(root.path().join(file), limit).expect("written");
        }
        assert_eq!(least_group_limit(root.path(), groups), Some(700));
        let old = root.path().join("memory/docker");
        fs::create_dir_all(&old).expect("made");
        fs::write(old.join("memory.limit_in_bytes"), "600\n").expect("written");
        fs::write(root.path().join("memory/memory.limit_in_bytes"), "9223372036854771712\n")
            .expect("written");
        assert_eq!(least_group_limit(root.path(), "5:cpuset,memory:/docker/c0ffee\n"), Some(600));
        assert!(allowed_memory().is_some_and(|bytes| bytes > 0));
    }
}
