//! Programs as cameras.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tallycam::media::SourceErrorKind;
use tallycam::source::ExecOpener;
use tallycam::source::{FormatRequest, Opener};

use super::{LONG, joined, next, open, picture, pictures, refused, to_the_end, until};

fn shell(script: &str, arguments: &[&Path]) -> ExecOpener {
    let mut command: Vec<String> = ["sh", "-c", script, "sh"].map(String::from).into();
    command.extend(arguments.iter().map(|path| path.display().to_string()));
    ExecOpener::new(command, FormatRequest::ANYTHING)
}

fn exists(pid: &str) -> bool {
    // A zombie still has its folder, whose `stat` says so.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

fn gone(pid: &str) {
    let until = Instant::now() + LONG;
    while exists(pid) {
        assert!(Instant::now() < until, "process {pid} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The numbers that a script wrote into a file, once all `count` are there.
fn numbers(file: &Path, count: usize) -> Vec<String> {
    let until = Instant::now() + LONG;
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(String::from).collect();
        if lines.len() == count && text.ends_with('\n') {
            return lines;
        }
        assert!(Instant::now() < until, "the script does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn pictures_one_behind_another_and_as_multipart() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (picture(1), picture(2));
    let file = folder.path().join("clip");
    for between in [&b""[..], b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"] {
        fs::write(&file, [between, &*a, between, &*b, between].concat()).unwrap();
        let mut source = open(&mut shell("cat \"$1\"; exec sleep 1000", &[&file]));
        assert_eq!(until(&mut *source, &b).last(), Some(&b));
        assert_eq!(source.next(Duration::ZERO).map(|frame| frame.is_some()), Ok(false));
    }
}

#[test]
fn an_end_is_explained_by_the_last_output() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip");
    fs::write(&file, &*picture(1)).unwrap();
    let script = "cat \"$1\"; for i in 1 2 3 4 5 6 7 8; do echo \"line $i\" >&2; done; exit 7";
    let mut source = open(&mut shell(script, &[&file]));
    let (frames, trouble) = to_the_end(&mut *source);
    assert_eq!(frames, [picture(1)]);
    assert_eq!(trouble.kind, SourceErrorKind::Failed);
    assert!(trouble.what.contains("ended (exit status: 7)"), "{trouble}");
    assert_eq!(trouble.causes, ["line 4", "line 5", "line 6", "line 7", "line 8"]);

    let mut source = open(&mut shell("exec >&-; exec sleep 1000", &[]));
    let (_, trouble) = to_the_end(&mut *source);
    assert!(trouble.what.contains("closed its output"), "{trouble}");
}

#[test]
fn secrets_in_the_last_output_are_removed() {
    let mut opener = shell("echo 'cannot open rtsp://me:hush@cam' >&2; exit 1", &[])
        .described("rtsp://cam".into(), vec!["hush".into(), String::new()]);
    let (_, trouble) = to_the_end(&mut *open(&mut opener));
    assert_eq!(trouble.causes, ["cannot open rtsp://me:***@cam"]);
    assert!(trouble.what.starts_with("rtsp://cam ended"), "{trouble}");
}

#[test]
fn a_program_that_cannot_be_run_is_named() {
    let refused = |command: &[&str]| {
        refused(&mut ExecOpener::new(command.iter().map(|&s| s.into()).collect(), FormatRequest::ANYTHING))
    };
    let trouble = refused(&["no-such-program-anywhere", "-x"]);
    assert_eq!(trouble.kind, SourceErrorKind::Absent);
    assert!(trouble.line().contains("no-such-program-anywhere") && trouble.hint.is_some(), "{trouble}");
    assert_eq!(refused(&["/etc/passwd"]).kind, SourceErrorKind::Denied);
    assert_eq!(refused(&[]).kind, SourceErrorKind::Unsupported);
}

#[test]
fn noise_is_no_picture() {
    let mut source = open(&mut shell("echo no picture here >&2; exec yes", &[]));
    let (frames, trouble) = to_the_end(&mut *source);
    assert!(frames.is_empty());
    assert_eq!(trouble.kind, SourceErrorKind::Broken);
    assert_eq!(trouble.causes.last().map(String::as_str), Some("no picture here"));
}

#[test]
fn a_program_with_much_output_delays_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip");
    fs::write(&file, &*picture(1)).unwrap();
    let script = "yes chatter >&2 & while :; do cat \"$1\"; done";
    let mut source = open(&mut shell(script, &[&file]));
    let mut before = 0;
    for _ in 0..50 {
        let (frame, number) = next(&mut *source).unwrap();
        assert_eq!(frame, picture(1));
        assert!(number > before);
        before = number;
    }
}

#[test]
fn no_process_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in [
        ("obeys", "sleep 1000 & echo $$ >>\"$1\"; echo $! >>\"$1\"; wait"),
        ("deaf", "trap '' TERM; sleep 1000 & echo $$ >>\"$1\"; echo $! >>\"$1\"; while :; do wait; done"),
        ("leaves its child", "sleep 1000 & echo $$ >>\"$1\"; echo $! >>\"$1\"; exit 0"),
    ] {
        let file = folder.path().join(name);
        let mut source = open(&mut shell(script, &[&file]));
        let pids = numbers(&file, 2);
        assert_eq!(source.next(Duration::ZERO).map(|frame| frame.is_some()), Ok(false), "{name}");
        drop(source);
        // Reaped: not even a zombie of the program itself is left.
        assert!(!Path::new(&format!("/proc/{}", pids[0])).exists(), "{name}");
        gone(&pids[1]);
    }
}

#[test]
fn a_program_ends_with_the_thread_that_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    // As if this process were killed: nothing is dropped.
    let reading = std::thread::spawn(move || {
        let source = open(&mut shell("echo $$ >\"$1\"; exec sleep 1000", &[&file]));
        let pid = numbers(&file, 1).remove(0);
        std::mem::forget(source);
        pid
    });
    gone(&reading.join().unwrap());
}

#[test]
fn the_requested_format_reaches_the_program() {
    let wanted =
        FormatRequest { width: Some(640), height: Some(480), fps: Some(5.0), ..FormatRequest::ANYTHING };
    let command = ["sh", "-c", "echo {width}x{height}+{fps} >&2; exit 1"].map(String::from).to_vec();
    let mut opener = ExecOpener::new(command, wanted);
    let mut source = opener.open(&tallycam::base::Stop::new()).ok().unwrap();
    assert_eq!(source.source_info().fps, Some(5.0));
    assert_eq!(to_the_end(&mut *source).1.causes, ["640x480+5"]);
}

#[test]
fn a_flood_gives_the_newest_and_counts_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    // Fewer bytes than the smallest pipe holds.
    let all = pictures(20);
    let file = folder.path().join("clip");
    fs::write(&file, joined(&all)).unwrap();
    let done = folder.path().join("done");
    let mut source = open(&mut shell("cat \"$1\"; echo 1 >\"$2\"; exec sleep 1000", &[&file, &done]));
    numbers(&done, 1);
    let (frame, number) = next(&mut *source).unwrap();
    assert_eq!((frame, number), (all[19].clone(), 20));
}
