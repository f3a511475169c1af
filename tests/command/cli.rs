//! The program on the command line: output, standard error and exit codes.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tallycam::store::{Counts, CountsOptions, LineDraft, Scene};
use tempfile::TempDir;

/// The program run in a folder without a configuration.
struct Run {
    folder: TempDir,
}

impl Run {
    fn new() -> Run {
        Run { folder: tempfile::tempdir().unwrap() }
    }

    fn with(config: &str) -> Run {
        let run = Run::new();
        fs::write(run.folder.path().join("config.toml"), config).unwrap();
        run
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).env("COLUMNS", "100");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TALLYCAM_") {
                command.env_remove(name);
            }
        }
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        output_of(&self.output(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (code, out, err) = self.run(arguments);
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?} ({code}): {e}: {out}{err}"))
    }
}

fn output_of(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// Compares with a golden file; with `UPDATE_GOLDEN` set, writes it first.
fn golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cli").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{} differs (UPDATE_GOLDEN=1 writes it again)", path.display());
}

#[test]
fn help_agrees_with_the_golden_files() {
    let run = Run::new();
    for (name, arguments) in [
        ("help.txt", &["--help"][..]),
        ("help-serve.txt", &["serve", "--help"]),
        ("help-check.txt", &["check", "--help"]),
        ("help-config.txt", &["config", "--help"]),
        ("help-config-check.txt", &["config", "check", "--help"]),
        ("help-config-show.txt", &["config", "show", "--help"]),
        ("help-mqtt.txt", &["mqtt", "--help"]),
        ("help-mqtt-forget.txt", &["mqtt", "forget", "--help"]),
        ("help-config-default.txt", &["config", "default", "--help"]),
        ("help-settings.txt", &["settings", "--help"]),
        ("help-settings-list.txt", &["settings", "list", "--help"]),
        ("help-settings-get.txt", &["settings", "get", "--help"]),
        ("help-settings-set.txt", &["settings", "set", "--help"]),
        ("help-settings-unset.txt", &["settings", "unset", "--help"]),
        ("help-settings-export.txt", &["settings", "export", "--help"]),
        ("help-settings-import.txt", &["settings", "import", "--help"]),
        ("help-audit.txt", &["audit", "--help"]),
        ("help-backup.txt", &["backup", "--help"]),
        ("help-restore.txt", &["restore", "--help"]),
        ("help-reset.txt", &["reset", "--help"]),
        ("help-update.txt", &["update", "--help"]),
        ("help-card.txt", &["card", "--help"]),
        ("help-card-apply.txt", &["card", "apply", "--help"]),
        ("help-devices.txt", &["devices", "--help"]),
        ("help-controls.txt", &["controls", "--help"]),
        ("help-controls-list.txt", &["controls", "list", "--help"]),
        ("help-controls-set.txt", &["controls", "set", "--help"]),
        ("help-controls-reset.txt", &["controls", "reset", "--help"]),
        ("help-light.txt", &["light", "--help"]),
        ("help-light-set.txt", &["light", "set", "--help"]),
        ("help-focus.txt", &["focus", "--help"]),
        ("help-focus-show.txt", &["focus", "show", "--help"]),
        ("help-focus-auto.txt", &["focus", "auto", "--help"]),
        ("help-focus-set.txt", &["focus", "set", "--help"]),
        ("help-focus-step.txt", &["focus", "step", "--help"]),
        ("help-focus-at.txt", &["focus", "at", "--help"]),
        ("help-focus-reset.txt", &["focus", "reset", "--help"]),
        ("help-focus-sweep.txt", &["focus", "sweep", "--help"]),
        ("help-model.txt", &["model", "--help"]),
        ("help-model-list.txt", &["model", "list", "--help"]),
        ("help-model-check.txt", &["model", "check", "--help"]),
        ("help-model-add.txt", &["model", "add", "--help"]),
        ("help-snapshot.txt", &["snapshot", "--help"]),
        ("help-count.txt", &["count", "--help"]),
        ("help-counts.txt", &["counts", "--help"]),
        ("help-counts-show.txt", &["counts", "show", "--help"]),
        ("help-counts-export.txt", &["counts", "export", "--help"]),
        ("help-counts-reset.txt", &["counts", "reset", "--help"]),
        ("help-counts-recount.txt", &["counts", "recount", "--help"]),
        ("help-record.txt", &["record", "--help"]),
        ("help-record-stop.txt", &["record", "stop", "--help"]),
        ("help-record-status.txt", &["record", "status", "--help"]),
        ("help-media.txt", &["media", "--help"]),
        ("help-media-list.txt", &["media", "list", "--help"]),
        ("help-media-show.txt", &["media", "show", "--help"]),
        ("help-media-add.txt", &["media", "add", "--help"]),
        ("help-media-export.txt", &["media", "export", "--help"]),
        ("help-media-rename.txt", &["media", "rename", "--help"]),
        ("help-media-date.txt", &["media", "date", "--help"]),
        ("help-media-note.txt", &["media", "note", "--help"]),
        ("help-media-keep.txt", &["media", "keep", "--help"]),
        ("help-media-remove.txt", &["media", "remove", "--help"]),
        ("help-media-new.txt", &["media", "new", "--help"]),
        ("help-media-check.txt", &["media", "check", "--help"]),
        ("help-media-vacuum.txt", &["media", "vacuum", "--help"]),
        ("help-media-backup.txt", &["media", "backup", "--help"]),
        ("help-media-retention.txt", &["media", "retention", "--help"]),
    ] {
        let (code, out, err) = run.run(arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
        golden(name, &out);
    }
}

#[test]
fn completions_are_those_of_the_shell() {
    for (shell, word) in
        [("bash", "complete -F _tallycam"), ("zsh", "#compdef tallycam"), ("fish", "complete -c tallycam")]
    {
        let (code, out, err) = Run::new().run(&["completions", shell]);
        assert_eq!((code, err.as_str()), (0, ""), "{shell}");
        assert!(out.contains(word) && out.contains("media"), "{shell}");
    }
    assert_eq!(Run::new().run(&["completions", "tcsh"]).0, 64);
}

#[test]
fn the_version_goes_to_standard_output() {
    let want = format!("tallycam {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Run::new().run(&["--version"]), (0, want, String::new()));
}

#[test]
fn without_a_command_help_is_printed_with_exit_code_64() {
    for arguments in [&[][..], &["config"]] {
        let (code, out, err) = Run::new().run(arguments);
        assert_eq!((code, out.as_str()), (64, ""));
        assert!(err.contains("Usage: tallycam"), "{err}");
    }
}

#[test]
fn wrong_usage_is_one_line_and_a_hint() {
    for (arguments, message, hint) in [
        (
            &["serve", "--colour"][..],
            "unexpected argument '--colour' found",
            "`tallycam serve --help` explains the usage and has examples",
        ),
        (
            &["serve", "--fallbak", "sim"],
            "unexpected argument '--fallbak' found",
            "a similar argument exists: '--fallback'",
        ),
        (&["snapshoot"], "unrecognized subcommand 'snapshoot'", "a similar subcommand exists: 'snapshot'"),
        (
            &["serve", "--config"],
            "a value is required for '--config <FILE>' but none was supplied",
            "`tallycam --help` explains the usage and has examples",
        ),
        (
            &["serve", "--fallback", "film"],
            "invalid value 'film' for '--fallback <SCENE>' [possible values: sim]",
            "a similar value exists: 'sim'",
        ),
    ] {
        let want = format!("tallycam: {message}\nhint: {hint}\n");
        assert_eq!(Run::new().run(arguments), (64, String::new(), want), "{arguments:?}");
    }
}

#[test]
fn config_default_is_the_shipped_file_and_is_good() {
    let run = Run::new();
    let (code, out, err) = run.run(&["config", "default"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, include_str!("../../config.toml"));
    fs::write(run.folder.path().join("config.toml"), &out).unwrap();
    let want = String::from("config.toml is good: 0 keys set in it\n");
    assert_eq!(run.run(&["config", "check"]), (0, want, String::new()));
}

#[test]
fn config_check_lists_every_error() {
    let run = Run::with("[stream]\nqualtiy = 80\nfps = \"fast\"\n");
    let (code, out, err) = run.run(&["config", "check", "--set", "log.level=loud"]);
    assert_eq!((code, out.as_str()), (78, ""));
    golden("config-check.txt", &err);
}

#[test]
fn every_command_that_needs_the_configuration_refuses_a_wrong_one() {
    let run = Run::with("[stream]\nquality = 0\n");
    for arguments in [&["serve"][..], &["config", "show"], &["config", "check"], &["snapshot", "a.jpg"]] {
        let (code, out, err) = run.run(arguments);
        assert_eq!((code, out.as_str()), (78, ""), "{arguments:?}");
        assert!(err.starts_with("config.toml:2:11: "), "{err}");
        assert!(err.ends_with("\ntallycam: 1 error in the configuration\n"), "{err}");
    }
}

#[test]
fn config_show_tells_where_each_value_comes_from() {
    let run = Run::with(
        "name = \"porch\"\n[source]\nkind = \"url\"\nurl = \"http://me:hunter2@cam/\"\npassword = \"hunter2\"\n\
         [source.controls]\ngain = 3\n",
    );
    let output = run
        .command(&["--set", "stream.quality=90", "config", "show", "--set", "stream.fps=5"])
        .env("TALLYCAM_STREAM_STALL", "9s")
        .output()
        .unwrap();
    let (code, out, err) = output_of(&output);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(!out.contains("hunter2"));
    golden("config-show.txt", &out);
    // The output is a valid configuration, except for the passwords.
    fs::write(run.folder.path().join("config.toml"), &out).unwrap();
    assert_eq!(run.run(&["config", "check"]).0, 0);
}

#[test]
fn config_show_speaks_json() {
    let run = Run::with("[stream]\nquality = 70\n");
    let output = run.command(&["config", "show", "--json"]).env("TALLYCAM_NAME", "porch").output().unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["file"], "config.toml");
    assert_eq!(
        shown["values"]["stream.quality"],
        serde_json::json!({"value": 70, "origin": "file", "line": 2})
    );
    let name = serde_json::json!({"value": "porch", "origin": "environment", "variable": "TALLYCAM_NAME"});
    assert_eq!(shown["values"]["name"], name);
    assert_eq!(shown["values"]["stream.fps"], serde_json::json!({"value": "auto", "origin": "default"}));
}

#[test]
fn the_file_is_named_before_or_after_the_command() {
    let run = Run::new();
    fs::write(run.folder.path().join("other.toml"), "name = \"other\"\n").unwrap();
    for arguments in
        [&["--config", "other.toml", "config", "check"][..], &["config", "check", "--config", "other.toml"]]
    {
        let want = String::from("other.toml is good: 1 key set in it\n");
        assert_eq!(run.run(arguments), (0, want, String::new()));
    }
    let (code, out, err) = run.run(&["config", "check", "--config", "gone.toml"]);
    assert_eq!((code, out.as_str()), (78, ""));
    assert!(err.starts_with("gone.toml: cannot be read: No such file or directory"), "{err}");
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = Run::new();
    for arguments in [&["config", "default"][..], &["--help"], &["config", "show"]] {
        let output = run.command(arguments).stdout(writer.try_clone().unwrap()).output().unwrap();
        assert_eq!(output_of(&output), (0, String::new(), String::new()), "{arguments:?}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, _, err) = output_of(&run.command(&["config", "default"]).stdout(full).output().unwrap());
    assert_eq!(code, 74);
    assert!(err.starts_with("tallycam: standard output could not be written: "), "{err}");
}

#[test]
fn devices_lists_or_says_what_to_do() {
    let run = Run::new();
    let listed = run.json(&["devices", "--json"]);
    let is_usable = |item: &Value| item["usable"] == true;
    let any = listed["items"].as_array().unwrap().iter().any(is_usable);
    let (code, _, err) = run.run(&["devices"]);
    assert_eq!(code, if any { 0 } else { 69 });
    if !any {
        assert!(err.starts_with("tallycam: ") && err.contains("\nhint: "), "{err}");
    }
}

#[test]
fn snapshot_replaces_no_existing_file() {
    let run = Run::new();
    let file = run.folder.path().join("a.jpg");
    fs::write(&file, "precious").unwrap();
    let want = String::from("tallycam: a.jpg is there already\nhint: --force replaces it\n");
    assert_eq!(run.run(&["snapshot", "a.jpg"]), (74, String::new(), want));
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn snapshot_without_a_camera_says_so_and_leaves_nothing() {
    let run = Run::new();
    let nowhere = "source.device=/dev/nowhere";
    let (code, out, err) = run.run(&["snapshot", "a.jpg", "--set", "source.kind=v4l2", "--set", nowhere]);
    assert_eq!((code, out.as_str()), (69, ""), "{err}");
    assert!(err.starts_with("tallycam: "), "{err}");
    assert_eq!(fs::read_dir(run.folder.path()).unwrap().count(), 0);
}

#[test]
fn snapshot_is_refused_in_privacy_mode() {
    let run = Run::with("[source]\nkind = \"sim\"\n[privacy]\ncounts_only = true\n");
    let (code, out, err) = run.run(&["snapshot", "a.jpg"]);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("privacy mode is on\nhint: "), "{err}");
    assert!(!run.folder.path().join("a.jpg").exists());
    assert_eq!(run.run(&["snapshot", "a.jpg", "--set", "privacy.counts_only=false"]).0, 0);
}

#[test]
fn snapshot_reports_a_wrong_url_as_a_configuration_error() {
    let (code, _, err) = Run::new().run(&["snapshot", "a.jpg", "--url", "camera.local"]);
    assert_eq!(code, 78);
    assert!(err.contains("did you mean \"http://camera.local\"?"), "{err}");
}

/// Arguments of a check that needs no camera and listens on `address`.
fn check(address: &str) -> Vec<String> {
    let sets = ["source.kind=url", "source.url=http://127.0.0.1:9/", &format!("http.listen={address}")];
    let sets = sets.iter().map(|set| format!("--set={set}"));
    ["check", "--no-camera"].iter().map(|word| (*word).to_owned()).chain(sets).collect()
}

#[test]
fn check_finds_nothing_wrong() {
    let arguments = check("127.0.0.1:0");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, out, err) = Run::new().run(&arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("✓ address        127.0.0.1:0 can be listened on.\n"), "{out}");
    assert!(out.contains("- camera         Left alone, as asked.\n"), "{out}");
}

#[test]
fn check_names_the_program_on_the_address_and_sorts_by_severity() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = check(&address);
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, out, err) = Run::new().run(&arguments);
    assert_eq!((code, err.as_str()), (74, ""));
    let want = format!("✗ address        {address} is in use by ");
    assert!(out.starts_with(&want), "{out}");
    assert!(out.contains(&format!("(process {}).\n", std::process::id())), "{out}");
    arguments.push("--json");
    let found = Run::new().json(&arguments);
    assert_eq!((&found["ok"], &found["items"][0]["state"]), (&Value::Bool(false), &Value::from("bad")));
}

#[test]
fn a_report_has_no_secrets_and_replaces_a_file_only_if_told() {
    let run = Run::with(
        "name = \"Kindergarten\"\n[source]\nkind = \"url\"\n\
         url = \"http://zoltan:hunter22@cam.example:81/live?token=abcdef\"\nusername = \"brunhild\"\n\
         password = \"correct horse\"\nwidth = 1234\n[picture]\ntext = \"Anna's garden\"\n[power]\nkey = \"switch-off-by-me\"\n\
         [store]\ndirectory = \"kept-here\"\n[http]\nlisten = [\"127.0.0.1:0\"]\n",
    );
    let arguments = ["check", "--no-camera", "--report", "answers.txt"];
    let (code, out, err) = run.run(&arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(out, "answers.txt: fill in its first part, read the rest, and send it back\n");
    let text = fs::read_to_string(run.folder.path().join("answers.txt")).unwrap();
    for secret in [
        "Kinder",
        "zoltan",
        "brunhild",
        "hunter22",
        "cam.example",
        "abcdef",
        "horse",
        "Anna",
        "switch-off-by-me",
        "kept-here",
        "JFIF",
    ] {
        assert!(!text.contains(secret), "{secret}:\n{text}");
    }
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(!text.split_whitespace().any(|word| word == host.trim()), "{text}");
    for part in [
        "ribbon pulled",
        "kernel: ",
        "source.width = 1234",
        "source.url = (set)",
        "## libcamera\n",
        "✓ address",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let (code, _, err) = run.run(&arguments);
    assert_eq!(code, 74);
    assert!(err.contains("answers.txt is there already\nhint: --force replaces it"), "{err}");
    assert_eq!(run.run(&[&arguments[..], &["--force"]].concat()).0, 0);
    // An error never quotes a file that is wrong.
    fs::write(
        run.folder.path().join("config.toml"),
        "[source]\npasword = \"hunter22\"\nurl = 7 # hunter22\n",
    )
    .unwrap();
    assert_eq!(run.run(&[&arguments[..], &["--force"]].concat()).0, 0);
    let text = fs::read_to_string(run.folder.path().join("answers.txt")).unwrap();
    assert!(text.contains("✗ configuration  2 errors.\n") && !text.contains("hunter"), "{text}");
}

#[test]
fn check_names_configured_lines_replaced_by_drawn_ones_of_the_same_name() {
    let run = Run::with(
        "[[line]]\nname = \"Door\"\na = [0.5, 1.0]\nb = [0.5, 0.0]\n\n[[line]]\nname = \"Gate\"\na = [0.2, 1.0]\nb = [0.2, 0.0]\n",
    );
    let (counts, writer) = Counts::open(CountsOptions {
        directory: run.folder.path().join("data"),
        camera: String::from("door"),
        zone: jiff::tz::TimeZone::system(),
        day_starts: 0,
    })
    .unwrap();
    let draft = LineDraft::new("Door", [0.5, 1.0], [0.5, 0.0]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(counts.add_line(Scene::Camera, draft)).unwrap();
    counts.stop();
    drop(writer);
    let arguments = check("127.0.0.1:0");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, out, err) = run.run(&arguments);
    assert_eq!((code, err.as_str()), (78, ""), "{out}");
    let want = "✗ lines          The line \"Door\" of config.toml:1 is ignored, because a drawn line has the same name.\n";
    assert!(out.starts_with(want) && out.contains("/lines"), "{out}");
    assert!(!out.contains("Gate"), "{out}");
}

#[test]
fn check_shows_the_errors_of_the_configuration() {
    let (code, out, err) = Run::with("[stream]\nquality = 0\n").run(&["check"]);
    assert_eq!((code, err.as_str()), (78, ""));
    assert!(out.starts_with("✗ configuration  1 error\n\nconfig.toml:2:11: "), "{out}");
}
