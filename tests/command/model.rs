//! `tallycam model`: the models that it lists and adds, and its messages about files that are no models.
//!
//! The larger networks may be absent from this repository. The tests read them from `../shared/testdata` beside it,
//! or from the folder in `TALLYCAM_TESTDATA`; without them those tests say so and pass.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

struct Run {
    folder: TempDir,
}

impl Run {
    fn new() -> Run {
        Run { folder: tempfile::tempdir().unwrap() }
    }

    fn with_shipped() -> Run {
        let run = Run::new();
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        std::os::unix::fs::symlink(models, run.folder.path().join("models")).unwrap();
        run
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        command.arg("model").args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TALLYCAM_") {
                command.env_remove(name);
            }
        }
        let output = command.env_remove("STATE_DIRECTORY").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (code, out, err) = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// Message and hint of a command that fails with `code`.
    fn fails(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let (found, out, err) = self.run(arguments);
        assert_eq!((found, out.as_str()), (code, ""), "{err}");
        let lines: Vec<&str> = err.lines().collect();
        let [message, hint] = lines[..] else { panic!("not a line and a hint: {err}") };
        (message.strip_prefix("tallycam: ").unwrap().into(), hint.strip_prefix("hint: ").unwrap().into())
    }

    fn added(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("data/models")).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn network(name: &str) -> String {
    format!("{}/tests/models/{name}.onnx", env!("CARGO_MANIFEST_DIR"))
}

fn testdata(file: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata");
    let path = std::env::var_os("TALLYCAM_TESTDATA").map_or(beside, PathBuf::from).join(file);
    if path.exists() {
        return Some(path);
    }
    println!("LEFT OUT: no {}", path.display());
    None
}

#[test]
fn a_model_is_tried_within_its_memory_limit() {
    let run = Run::with_shipped();
    let prove = |more: &[&str], file: &str| {
        let arguments = [&["prove", "--memory"], more, &["--", file]].concat();
        let (code, out, _) = run.run(&arguments);
        (code, serde_json::from_str::<Value>(&out).unwrap_or_default()["reason"].clone())
    };
    let shipped = "models/yolox_nano_320.onnx";
    // A slow machine may say that it takes long.
    let (code, reason) = prove(&["1000000000"], shipped);
    let reason = reason.as_str().unwrap();
    assert!(code == 0 && (reason.is_empty() || reason.ends_with(" s to look once")), "{code} {reason}");
    let (code, reason) = prove(&["12000000"], shipped);
    assert!(code != 0 && reason.is_null(), "it has ended: {code} {reason}");
    // The reason is named.
    fs::write(run.folder.path().join("none.onnx"), "no network").unwrap();
    let (code, reason) = prove(&["1000000000"], "none.onnx");
    assert!(code == 0 && reason.as_str().unwrap().contains("no ONNX file"), "{code} {reason}");
}

#[test]
fn the_list_has_installed_and_downloadable_models() {
    let run = Run::with_shipped();
    let (code, out, _) = run.run(&["list"]);
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "yolox_nano_320: People, bicycles, vehicles (built in)\n    yolox, 320×320, 19 classes, Apache-2.0\n    models/yolox_nano_320.onnx\n\
         \n\
         can be downloaded: tallycam model add yolox-nano (3.7 MB, Apache-2.0)\n    \
         YOLOX-Nano at 416 × 416: COCO's 80 classes, with suitcases and balls too\n\
         \n\
         can be downloaded: tallycam model add ssdlite_mobilenet_v2 (6.7 MB, Apache-2.0)\n    \
         SSDLite at 300 × 300: the built-in model of earlier versions; misses most vehicles\n"
    );
    let list = run.json(&["list"]);
    assert_eq!(list["items"][0]["labels"][0], "person");
    assert_eq!(list["items"][0]["problem"], Value::Null);
    assert_eq!(list["catalogue"][0]["installed"], false);
}

#[test]
fn the_built_in_model_is_good() {
    let run = Run::with_shipped();
    let (code, out, err) = run.run(&["check", "yolox_nano_320"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("yolox_nano_320 is good: family yolox, looks at 320×320, 19 classes\n"), "{out}");
}

#[test]
fn a_network_is_added_and_works() {
    let run = Run::new();
    let added = run.json(&["add", &network("one_person")]);
    assert_eq!((&added["family"], &added["labels"][0]), (&"yolov8".into(), &"person".into()));
    // The picture is 640 × 480 and has bars above and below.
    let seen = &added["seen"][0];
    assert_eq!((seen["class"].as_str(), added["seen"].as_array().unwrap().len()), (Some("person"), 1));
    for (found, wanted) in seen["box"].as_array().unwrap().iter().zip([0.375, 1.0 / 6.0, 0.625, 5.0 / 6.0]) {
        assert!((found.as_f64().unwrap() - wanted).abs() < 1e-4, "{seen}");
    }
    assert_eq!(run.added(), ["one_person.onnx", "one_person.toml"]);
    assert_eq!(run.json(&["list"])["items"][0]["name"], "one_person");
    assert_eq!(run.json(&["check", "one_person"])["seen"][0]["class"], "person");

    let (message, hint) = run.fails(74, &["add", &network("one_person")]);
    assert!(message.ends_with("one_person.onnx is there already"), "{message}");
    assert!(hint.contains("--force"), "{hint}");
    run.json(&["add", &network("one_person"), "--force"]);
    run.json(&["add", &network("one_person"), "--name", "other"]);
    assert_eq!(run.added().len(), 4);
}

#[test]
fn a_network_is_fetched_from_an_address() {
    let run = Run::new();
    let onnx = fs::read(network("one_person")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/models/mine.onnx?download=1", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        // The second is a redirect to the third.
        for answer in ["200 OK", "302 Found\r\nLocation: /elsewhere", "200 OK"] {
            let (mut connection, _) = listener.accept().unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let body = if answer.starts_with("200") { &onnx[..] } else { b"" };
            let head =
                format!("HTTP/1.1 {answer}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            connection.write_all(&[head.as_bytes(), body].concat()).unwrap();
        }
    });
    let (message, _) = run.fails(1, &["add", &url, "--sha256", &"0".repeat(64)]);
    assert!(message.contains("is another file than it should be"), "{message}");
    assert!(run.added().is_empty());
    let added = run.json(&["add", &url]);
    assert_eq!((added["name"].as_str(), added["seen"][0]["class"].as_str()), (Some("mine"), Some("person")));
    assert_eq!(run.added(), ["mine.onnx", "mine.toml"]);
    serving.join().unwrap();
    // A name that is taken sends no request.
    let (message, _) = run.fails(74, &["add", &url]);
    assert!(message.ends_with("mine.onnx is there already"), "{message}");
    assert_eq!(run.run(&["add", "mine", "--sha256", "00"]).0, 64);
}

#[test]
fn labels_can_be_given() {
    let run = Run::new();
    let (message, hint) = run.fails(1, &["add", &network("seven_classes")]);
    assert_eq!(message, "the model tells 7 classes apart, and their names are not known");
    assert!(hint.contains("--labels FILE"), "{hint}");
    let labels = run.folder.path().join("labels.txt");
    fs::write(&labels, "a\nb\nc\n").unwrap();
    let labels = labels.to_str().unwrap();
    let (message, _) = run.fails(1, &["add", &network("seven_classes"), "--labels", labels]);
    assert_eq!(message, "the model tells 7 classes apart, and 3 labels are given");
    assert!(run.added().is_empty());
    fs::write(labels, "a\nb\nc\n\nd\ne\nf\n  fork lift \n").unwrap();
    let added = run.json(&["add", &network("seven_classes"), "--labels", labels]);
    assert_eq!(added["seen"][0]["class"], "fork lift");
}

#[test]
fn the_description_gives_the_size_of_a_network_for_any_size() {
    let run = Run::new();
    let file = run.folder.path().join("open_size.onnx");
    fs::copy(network("open_size"), &file).unwrap();
    let add = ["add", file.to_str().unwrap()];
    let (message, hint) = run.fails(1, &add);
    assert!(message.contains("leaves the size of the picture open"), "{message}");
    assert!(hint.contains("--size 640x640") && hint.contains("width and height under [input]"), "{hint}");
    let sized = ["check", file.to_str().unwrap(), "--size", "32x32"];
    assert_eq!(run.json(&sized)["input"], serde_json::json!([32, 32]));
    fs::write(file.with_extension("toml"), "[input]\nwidth = 64\nheight = 32\n").unwrap();
    assert_eq!(run.json(&["check", file.to_str().unwrap()])["input"], serde_json::json!([64, 32]));
    let other = run.folder.path().join("person.weights");
    fs::copy(&file, &other).unwrap();
    let (message, hint) = run.fails(1, &["check", other.to_str().unwrap()]);
    assert!(message.contains("Darknet") && hint.contains(".onnx"), "{message}: {hint}");
    let described =
        "family = \"yolov8\"\nlabels = [\"person\"]\n[input]\ncolours = \"rgb\"\nwidth = 32\nheight = 32\n";
    fs::write(file.with_extension("toml"), described).unwrap();
    assert_eq!(run.json(&add)["seen"][0]["class"], "person");
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let run = Run::new();
    let photograph = run.folder.path().join("photo.onnx");
    fs::write(&photograph, [0xFF, 0xD8, 0xFF, 0xE0, 0, 16, 74, 70, 73, 70]).unwrap();
    let (code, _, err) = run.run(&["add", photograph.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(err.contains("this is no ONNX file") && err.lines().count() <= 2, "{err}");

    let (message, hint) = run.fails(1, &["add", &network("no_detector")]);
    assert_eq!(message, "no known family of models has the outputs [1, 10] for pictures of 32×32");
    assert!(hint.contains(".toml"), "{hint}");

    let (message, hint) = run.fails(1, &["add", &network("no_numbers")]);
    assert_eq!(message, "the model no_numbers gives no numbers (NaN) in out");
    assert!(hint.contains("mean and deviation"), "{hint}");
    let (message, _) = run.fails(1, &["add", &network("no_scores")]);
    assert_eq!(message, "the model no_scores gives no numbers (NaN) in out");

    let (message, _) = run.fails(1, &["check", "nothing"]);
    assert_eq!(message, "there is no model called \"nothing\"");
    let (message, hint) = run.fails(74, &["add", "nothing.onnx"]);
    assert_eq!(message, "nothing.onnx is no file here, and no model of the catalogue");
    assert!(hint.contains("yolox-nano"), "{hint}");

    let (message, hint) = run.fails(1, &["add", &network("one_person"), "--picture", &network("one_person")]);
    assert!(message.contains("one_person.onnx is no picture to try a model on"), "{message}");
    assert_eq!(hint, "give a JPEG with --picture");
    assert!(run.added().is_empty());
    assert_eq!(run.run(&["add"]).0, 64);
}

#[test]
fn a_changed_model_is_refused() {
    let run = Run::new();
    run.json(&["add", &network("one_person")]);
    let path = run.folder.path().join("data/models/one_person.onnx");
    fs::copy(network("no_detector"), &path).unwrap();
    let (message, hint) = run.fails(1, &["check", "one_person"]);
    assert!(message.contains("is damaged or another file: its SHA-256 is"), "{message}");
    assert!(hint.contains("again"), "{hint}");

    let description = run.folder.path().join("data/models/one_person.toml");
    let text = fs::read_to_string(&description).unwrap();
    fs::write(&description, text.replace("yolov8", "yolov99")).unwrap();
    let (message, _) = run.fails(1, &["check", "one_person"]);
    assert!(message.contains("there is no family \"yolov99\""), "{message}");
    assert!(run.json(&["list"])["items"][0]["problem"].as_str().unwrap().contains("yolov99"));

    // One label too many for the network.
    fs::copy(network("one_person"), &path).unwrap();
    fs::write(&description, text.replace("[\"person\"]", "[\"person\", \"dog\"]")).unwrap();
    let (message, hint) = run.fails(1, &["check", "one_person"]);
    assert!(
        message.contains("the network tells 1 classes apart, the description names 2 labels"),
        "{message}"
    );
    assert!(hint.contains("--labels"), "{hint}");
}

#[test]
fn yolox_is_recognised_without_a_description() {
    let Some(path) = testdata("models/yolox_nano_416.onnx") else { return };
    let run = Run::new();
    let added = run.json(&["add", path.to_str().unwrap()]);
    assert_eq!((&added["name"], &added["family"]), (&"yolox_nano_416".into(), &"yolox".into()));
    assert_eq!((&added["classes"], &added["input"][0]), (&80.into(), &416.into()));
    assert_eq!(run.json(&["list"])["catalogue"][0]["installed"], true);

    // The guess for an unknown file equals the catalogue's description of this one.
    let known = fs::read_to_string(run.folder.path().join("data/models/yolox_nano_416.toml")).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // A field that every reader of ONNX ignores (the model's version, 1).
    bytes.extend([0x28, 0x01]);
    let other = run.folder.path().join("mine.onnx");
    fs::write(&other, bytes).unwrap();
    run.json(&["add", other.to_str().unwrap()]);
    let guessed = fs::read_to_string(run.folder.path().join("data/models/mine.toml")).unwrap();
    let facts = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| {
            ["sha256", "about", "licence", "origin", "guessed", "#"]
                .iter()
                .all(|start| !line.starts_with(start))
        });
        lines.map(str::to_owned).collect()
    };
    assert_eq!(facts(&guessed), facts(&known));
    let notes = |text: &str| text.lines().filter(|line| line.starts_with("guessed = ")).count();
    assert_eq!((notes(&guessed), notes(&known)), (1, 0), "and is known to be guessed");
}
