//! `tallycam count`: its JSON, its exit codes, its films.

use std::fmt::Write as _;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A clip of forty black frames of 160 × 120 at 10 fps, and recorded detections of a person who walks across to the
/// right.
fn clip(folder: &Path) -> (PathBuf, PathBuf) {
    let (clip, boxes) = (folder.join("walk.mp4"), folder.join("walk.csv"));
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "color=black:s=160x120:r=10:d=4"])
        .args(["-pix_fmt", "yuv420p", "-c:v", "mpeg4", "-movflags", "faststart"])
        .arg(&clip)
        .status()
        .expect("ffmpeg is in the prerequisites");
    assert!(status.success());
    let mut text = String::from("frame,class,score,x1,y1,x2,y2\n");
    for frame in 1..=40 {
        let left = 4 * frame - 14;
        writeln!(text, "{frame},person,0.9,{left},40,{},100", left + 24).unwrap();
    }
    std::fs::write(&boxes, text).unwrap();
    (clip, boxes)
}

fn count(folder: &Path, clip: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tallycam"))
        .args(["count", "--config", "/dev/null"])
        .arg(clip)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_json_has_line_object_and_frame_of_each_crossing() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, _) = clip(folder.path());
    let lines = ["--line", "door=80,120,80,0", "--line", "0.25,0,0.25,1", "--replay", "walk.csv", "--json"];
    let output = count(folder.path(), &clip, &lines);
    assert!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["frames"], report.get("complete")), (&json!(40), None));
    assert_eq!(report["clip"], json!(clip.to_str().unwrap()));
    let door = &report["lines"][0];
    assert_eq!(door["name"], json!("door"));
    assert_eq!((&door["a"], &door["b"]), (&json!([80.0, 120.0]), &json!([80.0, 0.0])));
    // Drawn upwards: to the right is out.
    assert_eq!((&door["in"], &door["out"]), (&json!(0), &json!(1)));
    assert_eq!(door["by_class"], json!({"person": {"in": 0, "out": 1}}));
    let crossing = &door["crossings"][0];
    assert_eq!((&crossing["class"], &crossing["direction"]), (&json!("person"), &json!("out")));
    assert_eq!(crossing["track"], json!(1));
    // The middle of the box is at 80 between frames 20 and 21.
    assert!((20..=22).contains(&crossing["frame"].as_u64().unwrap()), "{crossing}");
    assert!((crossing["time_s"].as_f64().unwrap() - 2.0).abs() < 0.15, "{crossing}");
    // Drawn downwards, in fractions: to the right is in.
    let other = &report["lines"][1];
    assert_eq!((&other["name"], &other["in"], &other["out"]), (&json!("line 2"), &json!(1), &json!(0)));
    let again = count(folder.path(), &clip, &lines);
    assert_eq!(again.stdout, output.stdout, "the same answer, byte for byte");
}

#[test]
fn a_line_that_objects_appear_beyond_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, boxes) = clip(folder.path());
    // Three people come in at the left edge, already past the line.
    let mut text = String::new();
    for frame in 1..=40 {
        for (top, bottom) in [(0, 30), (40, 70), (80, 110)] {
            writeln!(text, "{frame},person,0.9,{},{top},{},{bottom}", 3 * frame, 3 * frame + 24).unwrap();
        }
    }
    std::fs::write(boxes, text).unwrap();
    let note = "line “door”: 3 were first seen already past this line: move it away from the edge.";
    let line = ["--line", "door=8,120,8,0", "--replay", "walk.csv", "--json"];
    let output = count(folder.path(), &clip, &line);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["lines"][0]["note"], json!(note));
    let output = count(folder.path(), &clip, &line[..4]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(note), "{text}");
    let output = count(folder.path(), &clip, &["--line", "80,120,80,0", "--replay", "walk.csv", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["lines"][0].get("note"), None);
}

#[test]
fn without_json_a_table_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, _) = clip(folder.path());
    let output =
        count(folder.path(), &clip, &["--line", "door=80,120,80,0", "--replay", "walk.csv", "--every", "2"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(": 40 frames, 3.9 s, walk.csv\n"), "{text}");
    assert!(text.contains("door      0      1  person 0/1\n"), "{text}");
}

#[test]
fn a_wrong_line_is_reported_before_anything_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, _) = clip(folder.path());
    for (lines, words) in [
        (&["--line", "80,120,80,120"][..], "both ends of the line are the same point"),
        (
            &["--line", "400,0,400,120"],
            "line 1: the line is outside the picture\nhint: the pictures are 160 × 120 pixels, and the ends of this line are in \
             pixels\n",
        ),
        (
            &["--line", "80,0,80,5000"],
            "more than a picture beyond the edge\nhint: the pictures are 160 × 120",
        ),
        (&["--line", "-1,0,-0.5,0"], "the line is outside the picture; coordinates go from 0 to 1\nhint"),
        (&["--line", "1,2,3"], "a line is four numbers"),
        (&["--line", "a,b,c,d"], "a line is four numbers"),
        (&["--line", "=1,2,3,4"], "name is empty"),
        (&["--line", "nan,2,3,4"], "a line is four numbers"),
        (&["--line", "x=80,120,80,0", "--line", "x=90,120,90,0"], "two lines are called \"x\""),
        (&[], "--line"),
    ] {
        let output = count(folder.path(), &clip, &[lines, &["--replay", "walk.csv"]].concat());
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_line_of_a_few_pixels_draws_a_warning_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, _) = clip(folder.path());
    let counted = |line: &str| {
        let output = count(folder.path(), &clip, &["--line", line, "--replay", "walk.csv", "--json"]);
        assert!(output.status.success(), "{}", said(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["lines"].as_array().unwrap().len(), 1);
        said(&output)
    };
    let mixed = counted("door=0.5,0,0.5,5");
    assert_eq!(
        mixed,
        "tallycam: door: its ends are in pixels, 5.0 from each other; they are fractions of the picture only where all \
         four are between 0 and 1\n"
    );
    for meant in ["0.5,0,0.5,0.6", "80,120,80,0"] {
        assert_eq!(counted(meant), "", "{meant}");
    }
}

#[test]
fn no_input_or_output_file_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, boxes) = clip(folder.path());
    let kept = || [&clip, &boxes].map(|path| std::fs::read(path).unwrap());
    let bytes = kept();
    std::fs::hard_link(&clip, folder.path().join("other.avi")).unwrap();
    std::fs::write(folder.path().join("truth.csv"), "door,1.6,out\n").unwrap();
    let line = ["--line", "door=80,120,80,0", "--replay", "walk.csv"];
    for (outputs, what) in [
        (&["--annotate", "other.avi"][..], "is the clip itself"),
        (&["--report", "walk.mp4"], "is the clip itself"),
        (&["--report", "./walk.csv"], "is the file of recorded detections itself"),
        (&["--report", "truth.csv", "--truth", "truth.csv"], "is the file of true crossings itself"),
        (&["--report", "./new.avi", "--annotate", "new.avi"], "is the annotated film itself"),
    ] {
        let output = count(folder.path(), &clip, &[&line, outputs].concat());
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        assert!(said(&output).contains(what), "{}", said(&output));
    }
    assert!(kept() == bytes);
    // An unwritable report is refused before anything is counted.
    let output = count(folder.path(), &clip, &[&line[..], &["--report", "not/there.html"]].concat());
    assert_eq!(output.status.code(), Some(74), "{}", said(&output));
    assert!(said(&output).contains("not/there.html could not be written"), "{}", said(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn the_report_has_a_small_picture_of_each_crossing_and_says_how_right_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, _) = clip(folder.path());
    std::fs::write(folder.path().join("truth.csv"), "line,time_s,direction\ndoor,2.0,out\ndoor,3.5,in\n")
        .unwrap();
    let lines = ["--line", "door=80,120,80,0", "--line", "0.25,0,0.25,1", "--replay", "walk.csv"];
    let report = ["--report", "out.html", "--truth", "truth.csv"];
    let output = count(folder.path(), &clip, &[&lines[..], &report].concat());
    assert!(output.status.success(), "{}", said(&output));
    let html = std::fs::read_to_string(folder.path().join("out.html")).unwrap();
    assert!(html.contains("40 frames, 3.9 s; all were used, 0 of 40 skipped without motion."), "{html}");
    assert!(html.contains("0 true: precision 0.000, recall –."), "nothing is known of the other line");
    assert!(html.contains("2 true: precision 1.000, recall 0.500. Missed at 3.5 s (in)."), "{html}");
    assert!(html.contains("s out person #1</figcaption>"), "{html}");
    let pictures: Vec<&str> = html.split("src=\"data:image/jpeg;base64,").skip(1).collect();
    assert_eq!(pictures.len(), 2);
    for picture in pictures {
        let jpeg = STANDARD.decode(picture.split('"').next().unwrap()).unwrap();
        let probed = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-show_entries",
                "stream=width,height",
                "-of",
                "csv=p=0",
                "-f",
                "mjpeg",
                "-",
            ])
            .stdin(file_of(&jpeg))
            .output()
            .unwrap();
        // The box is 60 high in a frame of 120: the full height is shown, and as much of the width.
        let size = String::from_utf8(probed.stdout).unwrap();
        let (width, height) = size.trim().split_once(',').unwrap();
        let is_all = |side: &str| (114..=120).contains(&side.parse().unwrap());
        assert!(is_all(width) && is_all(height), "{size}");
    }
}

fn file_of(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn a_clip_that_breaks_off_is_counted_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, _) = clip(folder.path());
    let bytes = std::fs::read(&clip).unwrap();
    let part = folder.path().join("part.mp4");
    std::fs::write(&part, &bytes[..bytes.len() * 4 / 5]).unwrap();
    let output = count(
        folder.path(),
        &part,
        &["--line", "80,120,80,0", "--replay", "walk.csv", "--json", "--report", "part.html"],
    );
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["complete"], &report["lines"][0]["out"]), (&json!(false), &json!(1)));
    assert!(said(&output).contains("is truncated after frame"), "{}", said(&output));
    let html = std::fs::read_to_string(folder.path().join("part.html")).unwrap();
    assert!(html.contains("The clip is truncated after frame"), "{html}");
}

#[test]
fn an_unreadable_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, _) = clip(folder.path());
    let line = ["--line", "80,120,80,0", "--replay", "walk.csv"];
    let output = count(folder.path(), Path::new("nothing.mp4"), &line);
    assert_eq!(output.status.code(), Some(74));
    assert!(said(&output).contains("nothing.mp4 cannot be read"), "{}", said(&output));
    let output = count(folder.path(), Path::new("walk.csv"), &line);
    assert_eq!(output.status.code(), Some(74));
    assert!(said(&output).contains("is no clip that ffmpeg can read"), "{}", said(&output));
    let output = count(folder.path(), &clip, &["--line", "80,120,80,0", "--model", "not_there"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("not_there"), "{}", said(&output));
    let output = count(folder.path(), &clip, &["--line", "80,120,80,0", "--model", "./mine.onnx"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("./mine.onnx cannot be read"), "{}", said(&output));
    let output = count(folder.path(), &clip, &[&line[..], &["--classes", "zebra"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("knows none of --classes: “zebra”"), "{}", said(&output));
    let output = Command::new(env!("CARGO_BIN_EXE_tallycam"))
        .args(["count", "--config", "/dev/null", clip.to_str().unwrap()])
        .args(line)
        .current_dir(folder.path())
        .env("PATH", folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("apt install ffmpeg"), "{}", said(&output));
}

#[test]
fn a_model_may_be_a_file_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, _) = clip(folder.path());
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/yolox_nano_320");
    let other = folder.path().join("mine.onnx");
    // The copied model has its heads cut off, so that its outputs alone do not reveal its family.
    for ending in ["onnx", "toml"] {
        std::fs::copy(shipped.with_extension(ending), other.with_extension(ending)).unwrap();
    }
    for model in ["mine.onnx", "./mine.onnx", other.to_str().unwrap()] {
        let every = ["--line", "80,120,80,0", "--every", "20", "--json", "--model", model];
        let output = count(folder.path(), &clip, &every);
        assert!(output.status.success(), "{model}: {}", said(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["model"], &report["frames"]), (&json!("mine"), &json!(40)));
    }
}

#[test]
fn films_hold_every_detection() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, _) = clip(folder.path());
    for film in ["out.avi", "out.mjpeg"] {
        let lines = ["--line", "door=80,120,80,0", "--replay", "walk.csv", "--annotate", film];
        let output = count(folder.path(), &clip, &lines);
        assert!(output.status.success(), "{}", said(&output));
        let probed = Command::new("ffprobe")
            .args(["-v", "error", "-count_frames", "-show_entries", "stream=width,height,nb_read_frames"])
            .args(["-of", "csv=p=0", film])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(probed.stdout).unwrap().trim(), "160,120,40", "{}", film);
        assert_eq!(String::from_utf8(probed.stderr).unwrap(), "");
    }
    let output = count(
        folder.path(),
        &clip,
        &["--line", "80,120,80,0", "--replay", "walk.csv", "--annotate", "x.gif"],
    );
    assert_eq!(output.status.code(), Some(64));
}
