//! Findings about the machine: disk space, clock, temperature, power, memory. Each reads the kernel's files and is
//! judged by a pure function.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::http::{Finding, SET_CLOCK, clock_is_wrong, format_bytes};
use tallycam_base::{ClockTime, clock as clocks};

/// Less free space in bytes is a fault: counts.db needs some, too.
const NO_ROOM: u64 = 50_000_000;

/// Less free space in bytes, or less than a twentieth, is a warning.
const LITTLE_ROOM: u64 = 500_000_000;

/// A processor is hot from this many °C: a Pi throttles from 80 (documentation of `temp_limit`: 85 at most).
const HOT: f64 = 75.0;

/// The processor throttles from this many °C.
const TOO_HOT: f64 = 82.0;

/// Free space of the file system that holds the state.
pub fn disk(directory: &Path) -> Finding {
    // A missing directory is judged by its nearest existing parent.
    let there = directory.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(there) {
        Ok(said) => {
            let bytes = |blocks: u64| blocks.saturating_mul(said.f_frsize);
            disk_finding(directory, bytes(said.f_bavail), bytes(said.f_blocks))
        }
        Err(error) => Finding::bad("disk", format!("{}: {error}", there.display())),
    }
}

fn disk_finding(directory: &Path, free: u64, total: u64) -> Finding {
    let name = "disk";
    let said =
        format!("{} of {} are free at {}", format_bytes(free), format_bytes(total), directory.display());
    let hint = "delete what is not needed; limits for what is kept keep room free";
    match free {
        0..NO_ROOM => Finding::bad(name, said).hint(hint),
        _ if free < LITTLE_ROOM || free < total / 20 => Finding::warning(name, said).hint(hint),
        _ => Finding::good(name, said),
    }
}

/// The wall clock, in the time zone of the counts.
pub fn clock(zone: &TimeZone) -> Finding {
    let kept_by = match clocks::is_set_by_network() {
        true => Some("synchronised"),
        false => clocks::is_synchronised().then_some("set by hand"),
    };
    clock_finding(ClockTime::now(), kept_by, zone)
}

fn clock_finding(now: ClockTime, kept_by: Option<&str>, zone: &TimeZone) -> Finding {
    let name = "clock";
    let time = Timestamp::from_microsecond(now.wall_us as i64)
        .map(|time| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string())
        .unwrap_or_default();
    match (clock_is_wrong(now, zone), kept_by) {
        (Some(wrong), _) => Finding::bad(name, format!("It {wrong}.")).hint(SET_CLOCK),
        (None, None) => Finding::warning(name, format!("{time}, not synchronised (no NTP).")).hint(
            "`sudo timedatectl set-ntp true` has the network set it; where chrony or another program does, \
                 /usr/share/doc/tallycam/examples/tallycam-clock.conf lets the service see that",
        ),
        (None, Some(kept_by)) => Finding::good(name, format!("{time}, {kept_by}.")),
    }
}

/// The processor's temperature (kernel documentation, *Thermal sysfs driver*: thousandths of a degree).
pub fn temperature() -> Finding {
    let zones = fs::read_dir("/sys/class/thermal").into_iter().flatten().flatten();
    let read = |path: &Path, file: &str| fs::read_to_string(path.join(file)).ok();
    let readings: Vec<(String, f64)> = zones
        .filter_map(|zone| {
            let path = zone.path();
            let thousandths: f64 = read(&path, "temp")?.trim().parse().ok()?;
            Some((read(&path, "type")?.trim().to_owned(), thousandths / 1000.0))
        })
        .collect();
    temperature_finding(&readings)
}

fn temperature_finding(readings: &[(String, f64)]) -> Finding {
    let name = "temperature";
    // An unconnected sensor reads as 0 or as nonsense.
    let plausible = readings.iter().filter(|(_, degrees)| (1.0..150.0).contains(degrees));
    let Some((zone, degrees)) = plausible.max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Finding::none(name, "This machine does not tell it.");
    };
    let said = format!("{degrees:.0} °C ({zone})");
    let hint = "give it air or a heat sink; a lower detection rate (`detect.fps`) helps, too";
    match *degrees {
        degrees if degrees >= TOO_HOT => Finding::bad(name, format!("{said}: it is slowed down.")).hint(hint),
        degrees if degrees >= HOT => Finding::warning(name, said).hint(hint),
        _ => Finding::good(name, said),
    }
}

/// The Raspberry Pi firmware's flags for low voltage and heat: the number that `vcgencmd get_throttled` prints, in
/// hexadecimal.
const THROTTLED: &str = "/sys/devices/platform/soc/soc:firmware/get_throttled";

/// A Pi 5 has no such file but a kernel sensor `rpi_volt` (kernel doc hwmon/raspberrypi-hwmon).
const SENSORS: &str = "/sys/class/hwmon";

/// Power supply of a Raspberry Pi.
pub fn power() -> Finding {
    match fs::read_to_string(THROTTLED) {
        Ok(flags) => power_finding(Some(&flags)),
        Err(_) => power_finding(sensor_alarm_flags(Path::new(SENSORS))),
    }
}

/// The kernel's under-voltage alarm as the firmware's flag for it; `None` without such a sensor.
fn sensor_alarm_flags(sensors: &Path) -> Option<&'static str> {
    let mut sensors = fs::read_dir(sensors).ok()?.flatten().map(|sensor| sensor.path());
    let is_it = |sensor: &PathBuf| {
        fs::read_to_string(sensor.join("name")).is_ok_and(|name| name.trim() == "rpi_volt")
    };
    let alarm = fs::read_to_string(sensors.find(is_it)?.join("in0_lcrit_alarm")).ok()?;
    match alarm.trim() {
        "0" => Some("0"),
        "1" => Some("1"),
        _ => None,
    }
}

/// Bits by Raspberry Pi's documentation of `get_throttled`: 0 under-voltage now, 1 frequency capped, 2 throttled, 3
/// soft temperature limit. Bits 16–19 mean the same at any time since the start.
fn power_finding(flags: Option<&str>) -> Finding {
    let name = "power";
    let flags = flags.map(|text| text.trim().trim_start_matches("0x"));
    let Some(flags) = flags.and_then(|text| u32::from_str_radix(text, 16).ok()) else {
        return Finding::none(name, "Only a Raspberry Pi tells whether it has enough.");
    };
    let has = |bit: u32| flags & (1 << bit) != 0;
    let supply = "use the power supply that is made for this Pi, and a short cable";
    let cool = "give it air or a heat sink";
    if has(0) {
        Finding::bad(name, "The voltage is too low.").hint(supply)
    } else if has(1) || has(2) {
        Finding::bad(name, "The processor is slowed down.").hint(cool)
    } else if has(3) {
        Finding::warning(name, "The processor is at its soft temperature limit.").hint(cool)
    } else if has(16) {
        Finding::warning(name, "The voltage was too low at some time since the start.").hint(supply)
    } else if has(17) || has(18) || has(19) {
        Finding::warning(name, "The processor was slowed down at some time since the start.").hint(cool)
    } else {
        Finding::good(name, "It is and was enough.")
    }
}

/// Available memory.
pub fn memory() -> Finding {
    memory_finding(&fs::read_to_string("/proc/meminfo").unwrap_or_default())
}

fn memory_finding(meminfo: &str) -> Finding {
    let name = "memory";
    // "MemAvailable:    1234 kB" (proc_meminfo(5)).
    let bytes = |key: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let (Some(total), Some(available)) = (bytes("MemTotal:"), bytes("MemAvailable:")) else {
        return Finding::none(name, "This machine does not tell it.");
    };
    let said = format!("{} of {} can be had", format_bytes(available), format_bytes(total));
    let hint = "end what else runs, or take a smaller picture or model";
    match available {
        few if few < total / 25 => Finding::bad(name, said).hint(hint),
        few if few < total / 10 => Finding::warning(name, said).hint(hint),
        _ => Finding::good(name, said),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::http::Verdict;

    #[test]
    fn disk_space_is_judged_by_free_bytes() {
        let verdict = |free, total| disk_finding(Path::new("/var"), free, total).verdict;
        assert_eq!(verdict(40_000_000, 8_000_000_000), Verdict::Bad);
        assert_eq!(verdict(400_000_000, 2_000_000_000), Verdict::Warning);
        assert_eq!(verdict(900_000_000, 32_000_000_000), Verdict::Warning);
        assert_eq!(verdict(9_000_000_000, 32_000_000_000), Verdict::Good);
        assert!(disk_finding(Path::new("/var"), 1_000, 2_000).message.ends_with("are free at /var"));
    }

    #[test]
    fn a_clock_is_synchronised_wrong_or_unsynchronised() {
        let at = |wall_us: u64, wall_trusted: bool| ClockTime { monotonic_us: 1, wall_us, wall_trusted };
        let finding = |stamp, kept_by| clock_finding(stamp, kept_by, &TimeZone::UTC);
        let now = at(1_795_000_000_000_000, true);
        assert_eq!(finding(now, Some("set by hand")).message, "2026-11-18 11:06:40 UTC, set by hand.");
        assert_eq!(finding(now, Some("synchronised")).verdict, Verdict::Good);
        assert_eq!(finding(now, None).verdict, Verdict::Warning);
        let unset = finding(at(5, false), Some("synchronised"));
        assert_eq!(
            (unset.verdict, unset.message.as_str()),
            (Verdict::Bad, "It is not set: it says 1970-01-01.")
        );
        assert!(unset.hint.unwrap().contains("timedatectl set-time"));
    }

    #[test]
    fn the_hottest_plausible_reading_is_reported() {
        let finding = |degrees: &[f64]| {
            let zones: Vec<(String, f64)> =
                degrees.iter().enumerate().map(|(n, d)| (format!("zone{n}"), *d)).collect();
            temperature_finding(&zones)
        };
        assert_eq!(finding(&[]).verdict, Verdict::None);
        assert_eq!(finding(&[0.0, 9999.0]).verdict, Verdict::None);
        assert_eq!(finding(&[41.2, 55.6, 0.0]).message, "56 °C (zone1)");
        assert_eq!(finding(&[76.0]).verdict, Verdict::Warning);
        assert_eq!(finding(&[83.0]).verdict, Verdict::Bad);
    }

    #[test]
    fn the_firmwares_flags_are_reported_worst_first() {
        for (flags, verdict, word) in [
            ("0", Verdict::Good, "enough"),
            ("50005\n", Verdict::Bad, "too low"),
            ("0x4", Verdict::Bad, "slowed down"),
            ("80008", Verdict::Warning, "limit"),
            ("50000", Verdict::Warning, "was too low"),
            ("40000", Verdict::Warning, "was slowed"),
        ] {
            let finding = power_finding(Some(flags));
            assert!(finding.verdict == verdict && finding.message.contains(word), "{flags}: {finding:?}");
        }
        for none in [None, Some(""), Some("zz")] {
            assert_eq!(power_finding(none).verdict, Verdict::None);
        }
    }

    #[test]
    fn the_kernels_alarm_replaces_missing_firmware_flags() {
        let sensors = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = sensors.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(sensor_alarm_flags(&sensors.path().join("none")), None);
        write("hwmon0/name", "cpu_thermal\n");
        write("hwmon0/in0_lcrit_alarm", "1\n");
        assert_eq!(sensor_alarm_flags(sensors.path()), None, "another sensor's alarm");
        write("hwmon1/name", "rpi_volt\n");
        assert_eq!(sensor_alarm_flags(sensors.path()), None, "no alarm");
        for (alarm, verdict) in [("0\n", Verdict::Good), ("1\n", Verdict::Bad), ("?\n", Verdict::None)] {
            write("hwmon1/in0_lcrit_alarm", alarm);
            assert_eq!(power_finding(sensor_alarm_flags(sensors.path())).verdict, verdict, "{alarm}");
        }
    }

    #[test]
    fn memory_is_judged_by_available_bytes() {
        let finding = |available: u64| {
            memory_finding(&format!("MemTotal:  1000000 kB\nMemFree: 1 kB\nMemAvailable: {available} kB\n"))
        };
        assert_eq!(finding(500_000).verdict, Verdict::Good);
        assert_eq!(finding(90_000).verdict, Verdict::Warning);
        assert_eq!(finding(30_000).verdict, Verdict::Bad);
        assert_eq!(memory_finding("").verdict, Verdict::None);
        assert_eq!(memory_finding("MemTotal: x kB\nMemAvailable: 3").verdict, Verdict::None);
    }
}
