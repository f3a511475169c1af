//! The configuration from the user's side: precedence, origins, the shipped file, and every error message word for
//! word.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use tallycam::config::keys::{self, SECTIONS};
use tallycam::config::{
    Config, DetectorKind, Diagnostics, Listen, Origin, Resolved, SourceKind, default_text,
};

const SHIPPED: &str = include_str!("../../config.toml");

fn no_environment() -> [(OsString, OsString); 0] {
    []
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn sets(sets: &[&str]) -> Vec<String> {
    sets.iter().map(|set| (*set).to_owned()).collect()
}

fn text(text: &str) -> Result<Resolved, Diagnostics> {
    Config::from_text(Path::new("config.toml"), text, &[], no_environment())
}

fn nth_key(n: usize) -> &'static keys::Key {
    keys::all().nth(n).unwrap()
}

/// The text of a golden file; with `UPDATE_GOLDEN` set, writes it first.
fn golden(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{} differs (UPDATE_GOLDEN=1 writes it again)", path.display());
}

#[test]
fn every_error_agrees_with_its_golden_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/complaints");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    cases.sort();
    assert!(cases.len() > 10, "the cases have gone");
    for case in cases {
        let complaints = Config::load(Some(&case), &[], no_environment()).expect_err("this has no fault");
        let shown = complaints.to_string().replace(&case.display().to_string(), "config.toml");
        golden(&case.with_extension("txt"), &format!("{shown}\n"));
    }
}

#[test]
fn errors_of_command_line_and_environment_agree_with_golden_files() {
    let complaints = Config::from_text(
        Path::new("config.toml"),
        "[stream]\nquality = 101\n",
        &sets(&[
            "stream.quality=high",
            "quality=3",
            "strem.quality=3",
            "stream=3",
            "source.controls.gain=much",
            "source.controls=5",
            "fps",
            "http.listen=[\"127.0.0.1:80\", \"nowhere\"]",
            "source.password=[1]",
            "source.kind=exec",
        ]),
        environment(&[
            ("TALLYCAM_STREAM_QUALTIY", "80"),
            ("TALLYCAM_QUALITY", "80"),
            ("TALLYCAM_SOURCE_TASTE", "sweet"),
            ("TALLYCAM_STREAM_STALL", "5"),
            ("TALLYCAM_SOURCE_CONTROLS", "{ gain = nan }"),
            ("TALLYCAM_FAVOURITE_COLOUR", "blue"),
            ("HOME", "/root"),
        ]),
    )
    .unwrap_err();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/complaints/elsewhere.txt");
    golden(&file, &format!("{complaints}\n"));
}

#[test]
fn a_missing_file_is_named() {
    let complaints = Config::load(Some(Path::new("/nowhere/x.toml")), &[], no_environment()).unwrap_err();
    assert_eq!(
        complaints.to_string(),
        "/nowhere/x.toml: cannot be read: No such file or directory (os error 2)\n  \
         = hint: `tallycam config default > /nowhere/x.toml` writes one, with every key explained"
    );
    let endless = Config::load(Some(Path::new("/dev/zero")), &[], no_environment()).unwrap_err();
    assert_eq!(endless.to_string(), "/dev/zero: is no configuration: it is longer than 64 kB");
}

#[test]
fn the_command_line_goes_before_the_environment_before_the_file_before_the_default() {
    let variables = environment(&[("TALLYCAM_STREAM_QUALITY", "60"), ("TALLYCAM_SOURCE_WIDTH", "640")]);
    let file = "[stream]\nquality = 50\nmax_viewers = 7\n[source]\nwidth = 320\nheight = 240\n";
    let resolved =
        Config::from_text(Path::new("c.toml"), file, &sets(&["stream.quality=70"]), variables).unwrap();
    assert_eq!(resolved.config.stream.quality, 70);
    assert_eq!(resolved.config.source.width, Some(640));
    assert_eq!(resolved.config.source.height, Some(240));
    assert_eq!(resolved.config.stream.stall, Duration::from_secs(5));
    let origin = |path| resolved.origin(path).unwrap();
    assert_eq!(origin("stream.quality"), &Origin::CommandLine);
    assert_eq!(origin("source.width"), &Origin::Environment("TALLYCAM_SOURCE_WIDTH".into()));
    assert_eq!(origin("source.height"), &Origin::File { file: "c.toml".into(), line: 6 });
    assert_eq!(origin("stream.stall"), &Origin::Default);
    assert_eq!(resolved.origin("stream.colour"), None);
    let untouched = Config { source: Config::default().source, ..resolved.config };
    let mut expected = Config::default();
    expected.stream.quality = 70;
    expected.stream.max_viewers = 7;
    assert_eq!(untouched, expected);
}

#[test]
fn a_wrong_value_is_reported_even_if_another_overrides_it() {
    let file = "[stream]\nquality = 500\n";
    let complaints =
        Config::from_text(Path::new("c.toml"), file, &sets(&["stream.quality=70"]), no_environment())
            .unwrap_err();
    assert_eq!(complaints.count(), 1);
}

#[test]
fn the_last_of_equals_counts_and_an_empty_variable_sets_nothing() {
    let resolved = Config::from_text(
        Path::new("c.toml"),
        "name = \"porch\"",
        &sets(&["stream.quality=70", "stream.quality = 71"]),
        environment(&[("TALLYCAM_NAME", "")]),
    )
    .unwrap();
    assert_eq!(resolved.config.stream.quality, 71);
    assert_eq!(resolved.config.name, "porch");
}

#[test]
fn values_on_the_command_line_need_no_quotes() {
    let resolved = Config::from_text(
        Path::new("c.toml"),
        "",
        &sets(&[
            "name=Front door",
            "source.kind=exec",
            "source.command=rpicam-vid -t 0 -o '-'",
            "source.device=2",
            "source.username=12345",
            "source.password=true",
            "source.fps=12.5",
            "source.format=yuyv",
            "source.loop=false",
            "source.controls.gain=0x10",
            "stream.idle_stop=never",
            "http.listen=[\"[::1]:80\", \"unix:/run/t.sock\"]",
            "log.level=debug",
        ]),
        no_environment(),
    )
    .unwrap();
    let Config { name, source, stream, http, log, .. } = resolved.config;
    assert_eq!(name, "Front door");
    assert_eq!(source.kind, SourceKind::Exec);
    assert_eq!(source.command, ["rpicam-vid", "-t", "0", "-o", "-"]);
    assert_eq!(source.device.as_deref(), Some("2"));
    assert_eq!(source.username.as_deref(), Some("12345"));
    assert_eq!(source.password.as_deref(), Some("true"));
    assert_eq!(source.fps, Some(12.5));
    assert_eq!(source.format.as_deref(), Some("YUYV"));
    assert!(!source.looped);
    assert_eq!(source.controls, [(String::from("gain"), 16.0)]);
    assert_eq!(stream.idle_stop, None);
    assert_eq!(http.listen, [Listen::Tcp("[::1]:80".parse().unwrap()), Listen::Unix("/run/t.sock".into())]);
    assert_eq!(log.level, log::LevelFilter::Debug);
}

#[test]
fn controls_of_all_origins_are_merged() {
    let resolved = Config::from_text(
        Path::new("c.toml"),
        "[source.controls]\ngain = 1\nbrightness = 2\nwhite_balance_automatic = false\n",
        &sets(&["source.controls.gain=5"]),
        environment(&[("TALLYCAM_SOURCE_CONTROLS", "{ gain = 3, brightness = 4, sharpness = 6 }")]),
    )
    .unwrap();
    let controls: Vec<(&str, i64)> =
        resolved.config.source.controls.iter().map(|(name, value)| (name.as_str(), *value as i64)).collect();
    assert_eq!(controls, [("brightness", 4), ("gain", 5), ("sharpness", 6), ("white_balance_automatic", 0)]);
    assert_eq!(resolved.origin("source.controls.gain"), Some(&Origin::CommandLine));
}

const DRAWN: &str = r#"
[detect]
classes = "person, car"

[[line]]
name = "Door"
a = [0.5, 1]
b = [0.5, 0.0]

[[line]]
name = "Gate"
a = [0.0, 0.25]
b = [1.0, 0.25]
in = "entered"
out = "left"
classes = ["person"]
anchor = "center"
recrossing = "once"

[[zone]]
name = "Queue"
points = [[0.1, 0.5], [0.4, 0.5], [0.4, 1.0]]

[[zone]]
name = "Screen"
points = [[0.7, 0.1], [0.9, 0.1], [0.9, 0.3]]
exclude = true
"#;

#[test]
fn lines_and_zones_of_the_file_have_their_values_and_origins() {
    let resolved = text(DRAWN).unwrap();
    let Config { detect, lines, zones, .. } = &resolved.config;
    assert_eq!(detect.classes, ["person", "car"]);
    assert_eq!((lines.len(), zones.len()), (2, 2));
    assert_eq!((zones[0].exclude, zones[1].exclude), (false, true));
    assert_eq!((lines[0].name.as_str(), lines[0].a, lines[0].b), ("Door", [0.5, 1.0], [0.5, 0.0]));
    assert_eq!((lines[0].in_name.as_str(), lines[0].anchor, lines[0].recrossing), ("in", "bottom", "every"));
    assert_eq!((lines[1].in_name.as_str(), lines[1].out_name.as_str()), ("entered", "left"));
    assert_eq!((lines[1].classes.as_slice(), lines[1].anchor), (&[String::from("person")][..], "center"));
    assert_eq!(lines[1].recrossing, "once");
    assert_eq!(
        [&lines[0].origin, &lines[1].origin, &zones[0].origin],
        ["config.toml:5", "config.toml:10", "config.toml:20"]
    );
    assert_eq!(zones[0].points, [[0.1, 0.5], [0.4, 0.5], [0.4, 1.0]]);
    assert!(resolved.origin("line.Gate").is_some() && resolved.origin("zone.Queue").is_some());
}

#[test]
fn an_impossible_line_is_reported_with_its_place() {
    let line = |more: &str| format!("[[line]]\nname = \"Door\"\n{more}\n");
    let zone = |more: &str| format!("[[zone]]\nname = \"Hall\"\n{more}\n");
    let ends = "a = [0.5, 1.0]\nb = [0.5, 0.0]";
    let corners = "points = [[0.1, 0.5], [0.4, 0.5], [0.4, 1.0]]";
    for (file, words) in [
        (line("a = [1.5, 0.0]\nb = [1.5, 1.0]"), "no part of the line from `a` to it is on the picture"),
        (line("a = [-0.5, 0.4]\nb = [0.4, -0.5]"), "no part of the line"),
        (line("a = [0.5, 0.5]\nb = [0.50001, 0.5]"), "the same point as `a`"),
        (line(&format!("{ends}\nin = \"through\"\nout = \"through\"")), "calls both directions \"through\""),
        (line(&format!("{ends}\nout = \"in\"")), "calls both directions \"in\""),
        (line(&format!("{ends}\nclasses = [\"person\", \" \"]")), "each of 1 to 60 characters"),
        (zone("points = [[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]"), "its corners lie on one line"),
        (zone("points = [[1.1, 0.1], [1.2, 0.2], [1.3, 0.1]]"), "lies outside the picture"),
        (zone(&format!("{corners}\nexclude = 1")), "must be true or false, not 1"),
        ((0..51).map(|n| format!("[[zone]]\nname = \"{n}\"\n{corners}\n")).collect(), "at most 50, not 51"),
    ] {
        let complaints = text(&file).expect_err(&file).to_string();
        assert!(complaints.contains(words), "{file}: {complaints}");
    }
    for file in [line("a = [-0.2, 0.5]\nb = [1.2, 0.5]"), line(ends), zone(corners)] {
        assert!(text(&file).is_ok(), "{file}");
    }
}

#[test]
fn lines_of_a_later_origin_replace_those_of_the_file() {
    let given = sets(&["line=[{name = \"Only\", a = [0, 0.5], b = [1, 0.5]}]"]);
    let resolved = Config::from_text(Path::new("c.toml"), DRAWN, &given, no_environment()).unwrap();
    assert_eq!(resolved.config.lines.len(), 1);
    assert_eq!(resolved.config.lines[0].origin, "--set");
    assert_eq!(resolved.origin("line.Gate"), None);
    assert_eq!(resolved.config.zones.len(), 2);
}

#[test]
fn a_list_of_one_may_be_written_as_text() {
    let config = text("http.listen = \"127.0.0.1:81\"\nsource.device = 3").unwrap().config;
    assert_eq!(config.http.listen, [Listen::Tcp("127.0.0.1:81".parse().unwrap())]);
    assert_eq!(config.source.device.as_deref(), Some("3"));
}

#[test]
fn an_input_size_has_its_pixels_or_a_name() {
    for (word, size) in [("auto", None), ("far", Some((512, 384))), ("640 × 480", Some((640, 480)))] {
        let resolved = text(&format!("detect.size = \"{word}\"")).unwrap();
        assert_eq!(resolved.config.detect.size, size, "{word}");
    }
    assert!(text("detect.size = \"near\"").is_err());
}

#[test]
fn passwords_are_never_shown() {
    let resolved = text(
        "[source]\nkind = \"url\"\nurl = \"http://me:hunter2@cam/\"\nusername = \"me\"\npassword = \"hunter2\"",
    )
    .unwrap();
    assert_eq!(resolved.config.source.password.as_deref(), Some("hunter2"));
    assert_eq!(resolved.config.source.url.as_deref(), Some("http://me:hunter2@cam/"));
    assert!(!format!("{:?}", resolved.settings).contains("hunter2"));
    let complaints = Config::load(
        Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/complaints/passwords.toml")),
        &sets(&["source.password=[\"hunter2\"]", "source.url=http://me:hunter2@:80/"]),
        no_environment(),
    )
    .unwrap_err();
    assert!(complaints.count() >= 4);
    assert!(!complaints.to_string().contains("hunter2") && !complaints.to_string().contains("4711"));
}

#[test]
fn the_defaults_are_those_of_the_documents() {
    let config = Config::default();
    assert_eq!(config.name, "camera");
    assert_eq!(config.source.kind, SourceKind::Auto);
    assert!(config.source.looped && config.source.real_time);
    assert_eq!(config.source.seed, 1);
    assert_eq!((config.source.width, config.source.height, config.source.fps), (None, None, None));
    assert_eq!(config.source.silent_after, Duration::from_secs(3));
    assert_eq!(config.source.failed_reads, 3);
    assert_eq!(config.stream.quality, 80);
    assert_eq!(config.stream.idle_stop, Some(Duration::from_secs(30)));
    assert_eq!(config.stream.max_viewers, 200);
    assert_eq!(config.stream.stall, Duration::from_secs(5));
    assert_eq!(config.http.listen, [Listen::Tcp("0.0.0.0:8080".parse().unwrap())]);
    assert_eq!((config.http.max_connections, config.http.max_head), (512, 8192));
    assert_eq!(config.http.head_timeout, Duration::from_secs(10));
    assert_eq!(config.http.keep_alive, Duration::from_secs(60));
    assert_eq!(config.log.level, log::LevelFilter::Info);
    assert_eq!(config.detect.backend, DetectorKind::Auto);
    assert_eq!((config.detect.threads, config.detect.fps, config.detect.score), (1, None, None));
    assert_eq!((config.detect.least_height, config.detect.most_height), (None, None));
    assert!(config.detect.classes.is_empty() && config.lines.is_empty() && config.zones.is_empty());
    assert_eq!((config.counts.time_zone.as_deref(), config.counts.day_starts), (None, 0));
    assert!(config.store.directory.is_none() && !config.privacy.counts_only);
    assert_eq!(text("").unwrap().config, config);
}

#[test]
fn the_shipped_file_is_the_table_of_keys_and_pins_nothing() {
    assert_eq!(default_text(), SHIPPED, "`cargo run -- config default > config.toml` writes it again");
    let resolved = text(SHIPPED).unwrap();
    assert_eq!(resolved.config, Config::default());
    assert!(resolved.settings.iter().all(|setting| setting.origin == Origin::Default));
}

#[test]
fn the_shipped_file_names_every_key_at_its_default() {
    let keys = |line: &&str| line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase());
    assert_eq!(SHIPPED.lines().filter(keys).count(), keys::all().count());
    let typed: Vec<&str> = SHIPPED.lines().map(|line| if keys(&line) { &line[1..] } else { line }).collect();
    let resolved = text(&typed.join("\n")).unwrap();
    assert_eq!(resolved.config, Config::default());
    for key in keys::all() {
        let origin = resolved.origin(&key.path()).unwrap();
        assert!(matches!(origin, Origin::File { .. }), "{} is not in the file", key.path());
    }
    assert!(SHIPPED.contains(&keys::all().find(|key| key.path() == "stream.quality").unwrap().variable()));
    for section in SECTIONS {
        assert_eq!(SHIPPED.matches(&format!("\n[{}]\n", section.name)).count(), 1);
    }
    assert!(SHIPPED.lines().all(|line| line.chars().count() <= 100 && line.trim_end() == line));
}

#[test]
fn values_are_shown_as_toml_that_is_read_again_and_as_json() {
    let resolved = text(
        "name = \"a \\\"b\\\" \\u0007\"\n[source]\nkind = \"files\"\npath = \"C:\\\\x\"\nfps = 7.25\n\
         command = [\"a b\", \"\"]\n[stream]\nidle_stop = \"90m\"\n",
    )
    .map(|_| ())
    .unwrap_err();
    assert_eq!(resolved.count(), 1, "a bell is no label");
    let resolved = text(
        "name = \"a \\\"b\\\" é\"\n[source]\nkind = \"files\"\npath = \"C:\\\\x\\ty\"\nfps = 7.25\n\
         command = [\"a\"]\n[stream]\nidle_stop = \"90m\"\n",
    )
    .unwrap();
    let mut again = String::new();
    for setting in &resolved.settings {
        assert!(serde_json::from_str::<serde_json::Value>(&setting.value).is_ok(), "{setting:?}");
        again.push_str(&format!("{} = {}\n", setting.path, setting.value));
    }
    assert_eq!(text(&again).unwrap().config, resolved.config);
}

/// Lines that are nearly right, where mistakes are made.
fn nearly_right() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just(String::from("[source]")),
        Just(String::from("[stream]")),
        Just(String::from("[source.controls]")),
        (0..keys::all().count(), "[ -~é\\t]{0,12}")
            .prop_map(|(n, value)| format!("{} = {value}", nth_key(n).name)),
        (0..keys::all().count(), any::<f64>())
            .prop_map(|(n, value)| format!("{} = {value}", nth_key(n).path())),
        (0..keys::all().count(), "[0-9smhd.\"]{0,8}")
            .prop_map(|(n, value)| format!("{} = \"{value}\"", nth_key(n).name)),
        "[\\[\\]{}\"'=,.#a-z0-9 \\n]{0,20}",
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        if let Err(complaints) = Config::load(Some(file.path()), &[], no_environment()) {
            prop_assert!(complaints.count() > 0 && !complaints.to_string().is_empty());
        }
    }

    #[test]
    fn nothing_nearly_right_makes_it_panic(typed in nearly_right(), set in ".{0,40}") {
        if let Err(complaints) = Config::from_text(Path::new("x"), &typed, &[set], no_environment()) {
            prop_assert!(complaints.count() > 0 && !complaints.to_string().is_empty());
        }
    }

    #[test]
    fn any_text_for_any_key_is_accepted_or_reported(n in 0..keys::all().count(), value in ".{0,40}") {
        let set = format!("{}={value}", nth_key(n).path());
        if let Ok(resolved) = Config::from_text(Path::new("x"), "", &[set], no_environment()) {
            prop_assert!(resolved.settings.iter().all(|s| serde_json::from_str::<serde_json::Value>(&s.value).is_ok()));
        }
    }
}
