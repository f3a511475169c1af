//! A folder with a helper that speaks tallycam-libcamera's protocol and has a fake Camera Module 3
//! (`libcamera_helper.py`). It tests the daemon's side without libcamera. Each test program uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tallycam_base::testing::write_executable;
use tempfile::TempDir;

/// The camera's permanent name.
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

    pub fn put(&self, name: &str) {
        write_executable(&self.folder().join(name), include_str!("libcamera_helper.py"));
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("lib/tallycam")
    }

    /// A copy of `program` beside the helpers: it finds them relative to its own path.
    pub fn program(&self, program: &str) -> PathBuf {
        let folder = self.folder.path().join("bin");
        fs::create_dir_all(&folder).unwrap();
        let own = folder.join("tallycam");
        if !own.exists() {
            fs::hard_link(program, &own).unwrap();
        }
        own
    }

    /// Sets the faults of `helper` from its next start on; see `libcamera_helper.py`.
    pub fn goes_wrong(&self, helper: &str, how: &Value) {
        fs::write(self.folder().join(format!("{helper}.json")), how.to_string()).unwrap();
    }

    pub fn behaves(&self) {
        self.goes_wrong("libcamera-0.7", &json!({}));
    }

    /// The requests to the helper for 0.7, in order.
    pub fn requests(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.folder().join("libcamera-0.7.log")).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The controls that were set, in order.
    pub fn set(&self) -> Vec<(String, f64)> {
        let set = |requests: &Value| {
            let set = requests.get("set")?;
            Some((set[0].as_str()?.to_owned(), set[1].as_f64()?))
        };
        self.requests().iter().filter_map(set).collect()
    }

    /// The helper's processes, as it reported them.
    pub fn processes(&self) -> Vec<i32> {
        self.requests()
            .iter()
            .filter_map(|requests| requests.get("start")?.as_i64())
            .map(|pid| pid as i32)
            .collect()
    }
}

/// The process exists and is no zombie.
pub fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}
