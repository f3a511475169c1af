//! `tallycam check --report`: one text that tells a maintainer about a camera that is not at hand.
//!
//! Only chosen facts are written: numbers, choices and flags of the configuration, and the parts of state and log
//! that concern the camera. Free text also passes [`Redaction`].

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::common::daemon::{Daemon, RequestBody};
use tallycam_base::child;
use tallycam_base::clock;
use tallycam_base::redact::{STARS, redact_known, secrets_in_command, secrets_in_path};
use tallycam_camera::source::libcamera::{Survey, folder, survey_libcamera};
use tallycam_config::keys;
use tallycam_config::{Config, Origin, Resolved};

/// Questions for the person at the camera.
const QUESTIONS: &str = "\
## Please fill in

board (Zero 2, 3, 4, 5; how much memory):
camera (Module 1, 2, 3, 3 wide, HQ, GS; which lens):
the picture is live on the page (yes, no, what does it say):
colours and brightness are right, also a minute later (yes, no):
focus: auto, by hand, the sweep, a click on the picture (each: works, does not, the camera has none):
ribbon pulled while live (only on a Pi you would risk): what did the page say:
                                                  live again after so many seconds, or not:
a stopwatch filmed: it, minus what the page shows of it (milliseconds):
an hour of running: frame rate, temperature, anything in the log:
anything else:
";

/// How long the frame rate of the running service is observed.
const WATCHED_FOR: Duration = Duration::from_secs(3);
/// Time limit for a program that prints its version.
const SAYS_WITHIN: Duration = Duration::from_secs(5);
const MOST_LINES: usize = 80;
/// Reported fields of `/api/v1/state`.
const STATE: [&str; 20] = [
    "version",
    "state",
    "headline",
    "reason",
    "hint",
    "since",
    "camera",
    "simulated",
    "notes",
    "format",
    "width",
    "height",
    "fps",
    "viewers",
    "healthy",
    "failed_reads",
    "lost",
    "broken",
    "opens",
    "uptime_s",
];
/// Reported parts of the log.
const PLACES: [&str; 4] = ["source", "pipeline::capture", "lens", "daemon::parts::source"];

/// Builds the report from the findings of `tallycam check` and the list of V4L2 cameras (`devices`).
pub fn build_report(resolved: Option<&Resolved>, findings: &str, devices: &str) -> String {
    let config = resolved.map(|resolved| &resolved.config);
    let mut out = String::new();
    let mut part = |title: &str, text: &str| {
        let text = text.trim_end();
        let _ = write!(out, "## {title}\n\n{}\n\n", if text.is_empty() { "nothing" } else { text });
    };
    part("Machine", &describe_machine());
    part("tallycam check", findings);
    part("Configuration, where it is not the default", &resolved.map(configuration).unwrap_or_default());
    part("libcamera", &libcamera(&folder(), &survey_libcamera(&folder())));
    part("Cameras of V4L2", devices);
    part("Device nodes", &nodes(Path::new("/dev")));
    part(
        "The tallycam that runs",
        &config.and_then(Daemon::find).map(|daemon| describe_running(&daemon)).unwrap_or_default(),
    );
    let user = ["USER", "LOGNAME", "SUDO_USER"].iter().filter_map(|name| std::env::var(name).ok());
    let is_everywhere = |name: &String| matches!(name.as_str(), "root" | "tallycam" | "pi");
    let names = user.filter(|name| !is_everywhere(name)).chain([read("/proc/sys/kernel/hostname")]);
    let redaction = Redaction::new(config, names.collect());
    format!(
        "# tallycam {} on a camera, {}\n\n\
         It contains no image, and no recognisable password, address or name of yours.\n\
         Read it before you send it.\n\n{QUESTIONS}\n{}",
        env!("CARGO_PKG_VERSION"),
        clock::rfc3339(clock::wall_us()),
        redaction.redact(&out)
    )
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned()
}

fn describe_machine() -> String {
    let release = read("/etc/os-release");
    let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default();
    let first_kb = |key: &str| {
        let meminfo = read("/proc/meminfo");
        meminfo.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned()
    };
    let boot = [read("/boot/firmware/config.txt"), read("/boot/config.txt")];
    let is_of_cameras = |line: &&str| {
        [
            "camera_auto_detect",
            "dtoverlay=imx",
            "dtoverlay=ov",
            "dtoverlay=arducam",
            "gpu_mem",
            "start_x",
            "dtoverlay=vc4",
        ]
        .iter()
        .any(|word| line.starts_with(word))
    };
    let boot: Vec<&str> =
        boot.iter().flat_map(|text| text.lines()).map(str::trim).filter(is_of_cameras).collect();
    let asked = [
        "-W",
        "-f",
        "${db:Status-Abbrev} ${Package} ${Version}\n",
        "tallycam*",
        "libcamera*",
        "rpicam*",
        "libpisp*",
    ];
    let packages = command_output("dpkg-query", &asked);
    let packages: Vec<&str> =
        packages.lines().filter_map(|line| line.strip_prefix("ii")).map(str::trim).collect();
    format!(
        "board: {}\nsystem: {}\nkernel: {} {}\nmemory: {} of {} available\nthrottled: {}\nboot: {}\npackages: {}\n",
        read("/proc/device-tree/model"),
        system.trim_matches('"'),
        read("/proc/sys/kernel/osrelease"),
        std::env::consts::ARCH,
        first_kb("MemAvailable:"),
        first_kb("MemTotal:"),
        read("/sys/devices/platform/soc/soc:firmware/get_throttled"),
        boot.join("; "),
        packages.join("; ")
    )
}

/// The settings that are not at their default, and who set them. Values of free text are left out.
fn configuration(resolved: &Resolved) -> String {
    let set = resolved.settings.iter().filter(|setting| setting.origin != Origin::Default);
    set.map(|setting| {
        let (section, name) = setting.path.rsplit_once('.').unwrap_or(("", &setting.path));
        // A camera's identity contains its serial number.
        let section = if section.starts_with(keys::BY_CAMERA) { keys::BY_CAMERA } else { section };
        let key = keys::find(section, name);
        let is_plain = key.is_none_or(|key| is_harmless_shape(key.kind.shape().word));
        let value = if is_plain || is_system_name(setting.value.trim_matches('"')) {
            &setting.value
        } else {
            "(set)"
        };
        let dot = if section.is_empty() { "" } else { "." };
        format!("{section}{dot}{name} = {value}  # {}\n", setting.origin.as_str())
    })
    .collect()
}

/// True for a device name that the system derives from the camera's place.
fn is_system_name(device: &str) -> bool {
    ["/dev/video", "/base/"].iter().any(|start| device.starts_with(start))
}

/// True for shapes whose values are numbers, flags or choices.
fn is_harmless_shape(shape: &str) -> bool {
    matches!(
        shape,
        "boolean" | "integer" | "number" | "choice" | "time" | "pixels" | "size" | "crop" | "color"
    )
}

fn libcamera(folder: &Path, survey: &Survey) -> String {
    let mut out = format!("{}\n", survey.describe());
    if let Err(trouble) = &survey.used {
        let _ = writeln!(out, "{}", trouble.line());
    }
    let _ = writeln!(out, "installed libraries: {}", survey.libraries.join(", "));
    let _ = writeln!(out, "helpers in {}:", folder.display());
    for (_, helper) in &survey.helpers {
        let _ = writeln!(out, "  {} --probe: {}", helper.display(), command_output(helper, &["--probe"]));
    }
    out
}

/// Device nodes that a camera may have, and this user's access to them.
fn nodes(dev: &Path) -> String {
    let entries =
        |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_of_cameras = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ["video", "media", "v4l-subdev", "udmabuf"].iter().any(|start| name.starts_with(start))
    };
    let mut paths: Vec<PathBuf> =
        entries(dev.to_owned()).filter(is_of_cameras).chain(entries(dev.join("dma_heap"))).collect();
    paths.sort();
    let may = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
    let line = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let of = read(&format!("/sys/class/video4linux/{name}/name"));
        let denied =
            if rustix::fs::access(path, may).is_ok() { "" } else { " (may not be opened by this user)" };
        format!("{} {of}{denied}\n", path.display())
    };
    paths.iter().map(line).collect()
}

/// State, frame rate, age of the pictures, controls and log of the running service.
fn describe_running(daemon: &Daemon) -> String {
    let get = |path: &str| daemon.json::<Value>("GET", path, RequestBody::Nothing, "it was not asked").ok();
    // A request for a picture opens the camera.
    let age = || {
        let answer = daemon.request("GET", "/api/v1/snapshot", RequestBody::Nothing).ok()?;
        let taken: f64 = answer.header("x-timestamp")?.parse().ok()?;
        Some(clock::wall_us() as f64 / 1000.0 - taken * 1000.0)
    };
    let mut ages: Vec<f64> = age().into_iter().collect();
    let frames = || Some((Instant::now(), get("/api/v1/state")?["frames"].as_u64()?));
    let begin = frames();
    while begin.is_some_and(|(begin, _)| begin.elapsed() < WATCHED_FOR) {
        ages.extend(age());
        sleep(Duration::from_millis(97));
    }
    let mut out = String::new();
    if let Some(((began, before), (ended, after))) = begin.zip(frames()) {
        let rate = after.saturating_sub(before) as f64 / (ended - began).as_secs_f64();
        let _ = writeln!(out, "measured: {rate:.2} frames a second");
    }
    if let Some(least) = ages.iter().copied().reduce(f64::min) {
        let _ = writeln!(
            out,
            "age of the newest picture when it came: {least:.1} ms at least, of {}",
            ages.len()
        );
    }
    let state = get("/api/v1/state").unwrap_or_default();
    for key in STATE {
        if let Some(value) = state.get(key).filter(|value| !value.is_null()) {
            let _ = writeln!(out, "{key}: {value}");
        }
    }
    let list = |value: Option<Value>| {
        value.and_then(|mut v| v["items"].as_array_mut().map(std::mem::take)).unwrap_or_default()
    };
    out.push_str("\ncontrols:\n");
    for control in list(get("/api/v1/controls")) {
        let word =
            |key: &str| control.get(key).filter(|v| !v.is_null()).map(Value::to_string).unwrap_or_default();
        let _ = writeln!(
            out,
            "  {} = {}, from {} to {}, default {}",
            control["name"].as_str().unwrap_or_default(),
            word("value"),
            word("min"),
            word("max"),
            word("default")
        );
    }
    out.push_str("\nlog:\n");
    let lines = list(get("/api/v1/log?lines=1000&level=info"));
    let is_of_the_camera = |line: &&Value| {
        line["target"].as_str().is_some_and(|target| PLACES.iter().any(|place| target.starts_with(place)))
    };
    let lines: Vec<&Value> = lines.iter().filter(is_of_the_camera).collect();
    for line in lines.iter().skip(lines.len().saturating_sub(MOST_LINES)) {
        let word = |key: &str| line[key].as_str().unwrap_or_default();
        let _ = writeln!(out, "  {} {} {}: {}", word("time"), word("level"), word("target"), word("message"));
    }
    out
}

/// The output of a program, or why there is none, cut to the length that a report may have of it.
fn command_output(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let program = program.as_ref();
    let spawned = child::command(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return error.to_string(),
    };
    let until = Instant::now() + SAYS_WITHIN;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
        sleep(Duration::from_millis(20));
    }
    // The signal fails if the process has ended.
    let _ = child.kill();
    match child.wait_with_output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr]
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .concat();
            let text: String = text.trim_end().chars().take(4000).collect();
            match output.status.code() {
                Some(0) => text,
                Some(code) => format!("{text} (ended with {code})"),
                None => format!("{text} (ended by a signal)"),
            }
        }
        Err(error) => error.to_string(),
    }
}

/// Removes what identifies the owner from a text.
#[derive(Debug)]
struct Redaction {
    secrets: Vec<String>,
    /// Names of the machine and its user, removed where they stand as a word.
    names: Vec<String>,
}

/// Shorter texts of the configuration occur inside too many words, so they are removed only as whole words.
const LEAST: usize = 4;

impl Redaction {
    /// Redacts the texts of the configuration and `names`, those of machine and user.
    fn new(config: Option<&Config>, names: Vec<String>) -> Redaction {
        let mut secrets = Vec::new();
        if let Some(config) = config {
            let source = &config.source;
            let texts = [
                Some(&config.name),
                source.url.as_ref(),
                // The name of a USB camera contains its serial number.
                source.device.as_ref().filter(|device| !is_system_name(device)),
                source.username.as_ref(),
                source.password.as_ref(),
                config.picture.text.as_ref(),
                config.power.key.as_ref(),
            ];
            secrets.extend(texts.into_iter().flatten().cloned());
            let paths = [&source.path, &config.store.directory, &config.detect.replay];
            secrets.extend(paths.into_iter().flatten().map(|path| path.display().to_string()));
            // Shorter parts are common words and numbers.
            let is_long = |part: &String| part.chars().count() >= LEAST;
            secrets.extend(secrets_in_command(&source.command).into_iter().filter(is_long));
            secrets.extend(source.url.as_deref().map(identifying_parts).unwrap_or_default());
            let drawn = config.lines.iter().map(|line| &line.name);
            secrets.extend(drawn.chain(config.zones.iter().map(|zone| &zone.name)).cloned());
        }
        secrets.retain(|secret| *secret != Config::default().name);
        let (secrets, short) = secrets.into_iter().partition(|secret| secret.chars().count() >= LEAST);
        Redaction { secrets, names: [names, short].concat() }
    }

    fn redact(&self, text: &str) -> String {
        let text = redact_known(text, &self.secrets);
        let mut out = String::new();
        for word in text.split_inclusive(|c: char| c.is_whitespace() || "\"'`,;<>(){}|".contains(c)) {
            let end = word
                .char_indices()
                .last()
                .map_or(0, |(at, c)| if is_word_character(c) { at + c.len_utf8() } else { at });
            let (word, rest) = word.split_at(end);
            out.push_str(&self.redact_word(word));
            out.push_str(rest);
        }
        out
    }

    fn redact_word(&self, word: &str) -> String {
        if let Some((scheme, _)) = word.split_once("://") {
            return format!("{scheme}://…");
        }
        let plain = word.trim_matches(|c| ".:[]=".contains(c));
        let plain = plain.split(['%', '/']).next().unwrap_or_default().trim_matches(['[', ']']);
        let is_mac = plain.len() == 17
            && plain.split(':').filter(|part| u8::from_str_radix(part, 16).is_ok()).count() == 6;
        let is_elsewhere = |ip: IpAddr| !ip.is_loopback() && !ip.is_unspecified();
        let socket = |text: &str| text.parse::<SocketAddr>().map(|address| address.ip());
        let ip = plain.parse().or_else(|_| socket(plain)).or_else(|_| socket(word));
        if is_mac || ip.is_ok_and(is_elsewhere) {
            return String::from("(address)");
        }
        if let Some((before, home)) = word.split_once("/home/") {
            let rest = home.find('/').map_or("", |at| &home[at..]);
            return format!("{before}/home/{STARS}{rest}");
        }
        // A name may have a domain behind it or stand before a colon.
        let is_name = |part: &str| !part.is_empty() && self.names.iter().any(|name| name == part);
        if word.split(['.', '@', ':', '/']).any(is_name) { STARS.to_owned() } else { word.to_owned() }
    }
}

fn is_word_character(c: char) -> bool {
    !(c.is_whitespace() || "\"'`,;<>(){}|".contains(c))
}

/// Identifying parts of a URL: host, user, password, and secrets in its path.
fn identifying_parts(url: &str) -> Vec<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host);
    let mut parts: Vec<String> = user.split(':').chain([host, path]).map(str::to_owned).collect();
    parts.extend(secrets_in_path(path).into_iter().filter(|part| part.chars().count() >= LEAST));
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tallycam_config::keys::{self, Key};

    fn resolved(text: &str) -> Resolved {
        Config::from_text(Path::new("config.toml"), text, &[], []).unwrap()
    }

    /// No free text of the configuration reaches the report, neither as a setting nor inside other text.
    #[test]
    fn no_text_of_the_configuration_is_reported() {
        let free = |key: &&Key| !is_harmless_shape(key.kind.shape().word);
        for key in keys::all().filter(free) {
            let value = match key.kind.shape().word {
                "text" | "secret" | "path" | "command" => "\"s3cretvalue\"",
                "url" => "\"http://s3cretvalue.example/s3cretvalue?pwd=s3cretvalue\"",
                "device" => "\"usb-s3cretvalue\"",
                "list" if key.section != "http" => "[\"s3cretvalue\"]",
                // Lists of words or addresses, which are not free text.
                _ => continue,
            };
            let text = match key.section {
                "" => format!("{} = {value}\n", key.name),
                section => format!("[{section}]\n{} = {value}\n", key.name),
            };
            // Keys that refuse such a text cannot reveal it.
            let Ok(resolved) = Config::from_text(Path::new("config.toml"), &text, &[], []) else { continue };
            let written = configuration(&resolved);
            assert!(written.contains(key.name) && !written.contains("s3cretvalue"), "{written}");
        }
    }

    #[test]
    fn configured_texts_are_removed_from_a_log() {
        let resolved = resolved(
            "name = \"Kindergarten\"\n[source]\nkind = \"url\"\nurl \
             = \"http://eve:hunter22@cam.example:81/live?token=abcdef\"\n\
             password = \"correct horse\"\n[power]\nkey = \"switch-off-by-me\"\n[[line]]\nname = \"Annas door\"\na = \
             [0.5, 1.0]\nb = [0.5, 0.0]\n",
        );
        let redaction =
            Redaction::new(Some(&resolved.config), vec![String::from("shedpi"), String::from("eva")]);
        let said = redaction.redact(
            "cam.example does not answer; hunter22, eve:hunter22; http://other.example/x. \"correct horse\" abcdef\n\
             Kindergarten: Annas door; switch-off-by-me; 192.168.1.7:554, [fe80::1%eth0]:80 2001:db8::7 \
             dc:a6:32:01:02:03\n\
             open http://shedpi.local:8080/ at shedpi.local; /home/anna/x.mp4; eva may use it\n",
        );
        for secret in [
            "cam.example",
            "hunter22",
            "eve:",
            "other.example",
            "horse",
            "abcdef",
            "Kinder",
            "Annas",
            "switch",
            "192.168",
            "fe80",
            "2001",
            "dc:a6",
            "shedpi",
            "anna",
            "eva ",
        ] {
            assert!(!said.contains(secret), "{secret}: {said}");
        }
        let plain = "imx708 at 2026-11-25T17:00:00Z: 1920×1080, 30.00 fps, libcamera 0.7.1, kernel 6.12.47, \
            127.0.0.1:8080 0::\n";
        assert_eq!(redaction.redact(plain), plain);
    }

    #[test]
    fn plain_settings_are_reported_with_who_set_them() {
        let written = configuration(&resolved(
            "[source]\nkind = \"libcamera\"\nwidth = 1280\ndevice = \"/dev/video2\"\n",
        ));
        assert!(
            written.contains("source.kind = \"libcamera\"  # file\nsource.device = \"/dev/video2\""),
            "{written}"
        );
        assert!(written.contains("source.width = 1280"), "{written}");
    }

    #[test]
    fn a_program_is_quoted_or_its_failure_is_explained() {
        assert_eq!(command_output("/bin/echo", &["0.7.1"]), "0.7.1");
        assert_eq!(command_output("/bin/sh", &["-c", "echo no; exit 127"]), "no (ended with 127)");
        assert!(command_output("/nowhere", &[]).contains("No such file"));
    }
}
