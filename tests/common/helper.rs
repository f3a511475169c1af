//! A folder with a helper that speaks tallycam-libcamera's protocol and has a made-up Camera Module 3
//! (`libcamera_helper.py`): how the daemon's side is tested without libcamera. Each test program uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The camera's lasting name.
pub const CAMERA: &str = "/base/soc/i2c0mux/i2c@1/imx708@1a";

/// A folder of helpers beside that of a program.
pub struct Helpers {
    folder: TempDir,
}

impl Helpers {
    /// One helper, for libcamera 0.7.
    pub fn new() -> Helpers {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let helpers = Helpers { folder };
        fs::create_dir_all(helpers.folder()).unwrap();
        helpers.put("libcamera-0.7");
        helpers
    }

    /// Another one.
    pub fn put(&self, name: &str) {
        let file = self.folder().join(name);
        // Written under another name: a file that is open for writing anywhere cannot be run.
        let part = self.folder().join("part");
        fs::write(&part, include_str!("libcamera_helper.py")).unwrap();
        fs::set_permissions(&part, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(part, file).unwrap();
    }

    /// Where they are.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("lib/tallycam")
    }

    /// `program` beside them: it finds them by where it is itself.
    pub fn program(&self, program: &str) -> PathBuf {
        let folder = self.folder.path().join("bin");
        fs::create_dir_all(&folder).unwrap();
        let own = folder.join("tallycam");
        if !own.exists() {
            fs::hard_link(program, &own).unwrap();
        }
        own
    }

    /// What `helper` does wrong from its next start on; see `libcamera_helper.py`.
    pub fn goes_wrong(&self, helper: &str, how: &Value) {
        fs::write(self.folder().join(format!("{helper}.json")), how.to_string()).unwrap();
    }

    /// It does nothing wrong any more.
    pub fn behaves(&self) {
        self.goes_wrong("libcamera-0.7", &json!({}));
    }

    /// What the helper for 0.7 was told, in its order.
    pub fn requests(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.folder().join("libcamera-0.7.log")).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The controls that were set, in their order.
    pub fn set(&self) -> Vec<(String, f64)> {
        let set = |requests: &Value| {
            let set = requests.get("set")?;
            Some((set[0].as_str()?.to_owned(), set[1].as_f64()?))
        };
        self.requests().iter().filter_map(set).collect()
    }

    /// The processes of the helper, as it has told of them.
    pub fn processes(&self) -> Vec<i32> {
        self.requests()
            .iter()
            .filter_map(|requests| requests.get("start")?.as_i64())
            .map(|pid| pid as i32)
            .collect()
    }
}

/// Whether a process is there, and no zombie.
pub fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}
