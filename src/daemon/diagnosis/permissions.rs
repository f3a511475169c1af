//! This user's access to the devices that the configuration needs: cameras, SPI, GPIO. On Raspberry Pi OS and Debian
//! each kind belongs to a group (`video`, `spi`, `gpio`) whose members have access.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::http::Finding;
use tallycam_config::{Config, LightKind, SourceKind};

struct DeviceKind {
    /// The name for people.
    title: &'static str,
    /// Prefixes of its files in `/dev`.
    beginnings: &'static [&'static str],
    /// True if the configuration needs such a device.
    is_wanted: fn(&Config) -> bool,
}

const KINDS: [DeviceKind; 3] = [
    DeviceKind {
        title: "cameras",
        beginnings: &["video"],
        is_wanted: |config| matches!(config.source.kind, SourceKind::Auto | SourceKind::V4l2),
    },
    DeviceKind {
        title: "SPI",
        beginnings: &["spidev"],
        is_wanted: |config| config.lights.kind == LightKind::Spi,
    },
    DeviceKind {
        title: "GPIO",
        beginnings: &["gpiochip", "gpiomem"],
        is_wanted: |config| matches!(config.lights.kind, LightKind::Gpio | LightKind::Pwm),
    },
];

/// A device without access for this user.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DeniedDevice {
    path: PathBuf,
    /// The group that has access, if it has a name.
    group: Option<String>,
}

/// The devices of one kind that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DeviceAccess {
    title: &'static str,
    is_wanted: bool,
    count: usize,
    denied: Vec<DeniedDevice>,
}

/// Checks the devices of all kinds.
pub fn permissions_finding(config: &Config) -> Finding {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let seen: Vec<DeviceAccess> =
        KINDS.iter().map(|kind| check_access(kind, config, Path::new("/dev"), &groups)).collect();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    summary_finding(&seen, &user_name(&users, rustix::process::geteuid().as_raw()))
}

fn check_access(kind: &DeviceKind, config: &Config, folder: &Path, groups: &str) -> DeviceAccess {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            kind.beginnings.iter().any(|beginning| name.starts_with(beginning))
        })
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let may = |path: &PathBuf| {
        rustix::fs::access(path, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK).is_ok()
    };
    let denied = paths.iter().filter(|path| !may(path)).map(|path| DeniedDevice {
        group: fs::metadata(path).ok().and_then(|facts| group_name(groups, facts.gid())),
        path: path.clone(),
    });
    DeviceAccess {
        title: kind.title,
        is_wanted: (kind.is_wanted)(config),
        count: paths.len(),
        denied: denied.collect(),
    }
}

fn summary_finding(seen: &[DeviceAccess], user: &str) -> Finding {
    let name = "permissions";
    if let Some((kind, first)) = seen
        .iter()
        .filter(|kind| kind.is_wanted)
        .find_map(|kind| kind.denied.first().map(|first| (kind, first)))
    {
        let said = format!("{user} may not use {} ({}).", first.path.display(), kind.title);
        let hint = match &first.group {
            Some(group) => {
                format!("`sudo usermod -aG {group} {user}`, then log in again, or restart the service")
            }
            None => format!("`ls -l {}` says who may", first.path.display()),
        };
        return Finding::bad(name, said).hint(hint);
    }
    let list = |is: fn(&&DeviceAccess) -> bool| {
        let titles: Vec<&str> = seen.iter().filter(is).map(|kind| kind.title).collect();
        titles.join(", ")
    };
    let (may, may_not) = (
        list(|kind| kind.count > 0 && kind.denied.is_empty()),
        list(|kind| kind.count > 0 && !kind.denied.is_empty()),
    );
    match (may.as_str(), may_not.as_str()) {
        ("", "") => Finding::none(name, "There are no cameras, SPI or GPIO devices here."),
        (may, "") => Finding::good(name, format!("{user} may use: {may}.")),
        ("", not) => {
            Finding::none(name, format!("{user} may not use {not}, which nothing needs as it is set up."))
        }
        (may, not) => Finding::good(
            name,
            format!("{user} may use: {may}. Not {not}, which nothing needs as it is set up."),
        ),
    }
}

/// The name of the group with this number (group(5): name:password:number:members).
fn group_name(groups: &str, number: u32) -> Option<String> {
    let line = groups.lines().find(|line| line.split(':').nth(2).is_some_and(|n| n.parse() == Ok(number)))?;
    line.split(':').next().map(str::to_owned)
}

/// The name of the user with this number, or the number (passwd(5): the third field, too).
fn user_name(users: &str, number: u32) -> String {
    group_name(users, number).unwrap_or_else(|| format!("user {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Verdict;

    const GROUPS: &str = "root:x:0:\nvideo:x:44:pi\nspi:x:999:\n";

    fn kind(title: &'static str, is_wanted: bool, count: usize, denied: Option<&str>) -> DeviceAccess {
        let denied = denied.map(|group| DeniedDevice {
            path: PathBuf::from("/dev/spidev0.0"),
            group: Some(group.to_owned()).filter(|group| !group.is_empty()),
        });
        DeviceAccess { title, is_wanted, count, denied: denied.into_iter().collect() }
    }

    #[test]
    fn a_needed_denied_device_says_which_command_helps() {
        let found =
            summary_finding(&[kind("cameras", true, 2, None), kind("SPI", true, 1, Some("spi"))], "pi");
        assert_eq!(found.verdict, Verdict::Bad);
        assert_eq!(found.message, "pi may not use /dev/spidev0.0 (SPI).");
        assert!(found.hint.is_some_and(|hint| hint.starts_with("`sudo usermod -aG spi pi`")));
        let unnamed = summary_finding(&[kind("SPI", true, 1, Some(""))], "pi");
        assert_eq!(unnamed.hint.as_deref(), Some("`ls -l /dev/spidev0.0` says who may"));
    }

    #[test]
    fn a_denied_device_that_nobody_needs_is_no_fault() {
        let seen = [
            kind("cameras", true, 2, None),
            kind("SPI", false, 1, Some("spi")),
            kind("GPIO", false, 0, None),
        ];
        let found = summary_finding(&seen, "pi");
        assert_eq!(
            (found.verdict, found.message.as_str()),
            (Verdict::Good, "pi may use: cameras. Not SPI, which nothing needs as it is set up.")
        );
        assert_eq!(summary_finding(&[kind("cameras", true, 0, None)], "pi").verdict, Verdict::None);
    }

    #[test]
    fn numbers_have_names() {
        assert_eq!((group_name(GROUPS, 44).as_deref(), group_name(GROUPS, 4)), (Some("video"), None));
        assert_eq!(user_name("pi:x:1000:1000:,,,:/home/pi:/bin/bash", 1000), "pi");
        assert_eq!(user_name("", 7), "user 7");
    }

    #[test]
    fn files_are_recognised_by_their_prefix() {
        #![allow(clippy::unwrap_used)]
        let folder = tempfile::tempdir().unwrap();
        for name in ["video0", "video1", "spidev0.0", "vcio"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let counts = KINDS.map(|kind| check_access(&kind, &Config::default(), folder.path(), "").count);
        assert_eq!(counts, [2, 1, 0]);
    }
}
