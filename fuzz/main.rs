//! Runs one fuzz target, named by `TALLYCAM_FUZZ`; `fuzz/run` sets it.

#![no_main]

mod checks;
mod server;

use std::panic::{self, AssertUnwindSafe};
use std::process::abort;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

type Check = fn(&[u8]);

/// All readers of outside bytes.
const TARGETS: &[(&str, Check)] = &[
    ("archive", checks::archive),
    ("avi", checks::avi),
    ("card", checks::card),
    ("config", checks::config),
    ("drawn", tallycam::store::fuzz_drafts),
    ("entropy", checks::entropy),
    ("exif", checks::exif),
    ("helper", checks::helper),
    ("jpeg", checks::jpeg),
    ("mdns", checks::mdns),
    ("mp4", checks::mp4),
    ("multipart", checks::multipart),
    ("onnx", checks::onnx),
    ("recording", checks::recording),
    ("request", tallycam::http::fuzz::request),
    ("server", server::server),
    ("url", tallycam::source::url::fuzz::url),
    ("words", tallycam::models::fuzz::fuzz_description),
];

/// The last panic. A panic that the program catches, as those of a network, is no finding, except in the daemon.
static LAST: Mutex<String> = Mutex::new(String::new());
static HAS_PANICKED: AtomicBool = AtomicBool::new(false);

fn target() -> Check {
    static TARGET: OnceLock<Check> = OnceLock::new();
    *TARGET.get_or_init(|| {
        panic::set_hook(Box::new(|panic| {
            if let Ok(mut last) = LAST.lock() {
                *last = panic.to_string();
            }
            HAS_PANICKED.store(true, Ordering::Release);
        }));
        let wanted = std::env::var("TALLYCAM_FUZZ").unwrap_or_default();
        let Some((_, check)) = TARGETS.iter().find(|(name, _)| *name == wanted) else {
            let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            eprintln!("TALLYCAM_FUZZ is {wanted:?}, and should be one of {}", names.join(", "));
            abort();
        };
        *check
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let check = target();
    let has_failed = panic::catch_unwind(AssertUnwindSafe(|| check(data))).is_err();
    if has_failed || server::has_started() && HAS_PANICKED.load(Ordering::Acquire) {
        eprintln!("{}", LAST.lock().map(|last| last.clone()).unwrap_or_default());
        abort();
    }
});
