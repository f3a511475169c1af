//! Replays every file of `fuzz/corpus/` through the checks of the fuzz targets.

use std::path::Path;

/// Runs `check` on every file of a target's corpus, which must not be empty.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        if std::panic::catch_unwind(|| check(&data)).is_err() {
            panic!("{} fails", path.display());
        }
        files += 1;
    }
    assert!(files > 0, "{} is empty", folder.display());
}

#[test]
fn jpeg() {
    replay("jpeg", crate::checks::jpeg);
}

#[test]
fn entropy() {
    replay("entropy", crate::checks::entropy);
}

#[test]
fn multipart() {
    replay("multipart", crate::checks::multipart);
}

#[test]
fn avi() {
    replay("avi", crate::checks::avi);
}

#[test]
fn mdns() {
    replay("mdns", crate::checks::mdns);
}

#[test]
fn mp4() {
    replay("mp4", crate::checks::mp4);
}

#[test]
fn exif() {
    replay("exif", crate::checks::exif);
}

#[test]
fn config() {
    replay("config", crate::checks::config);
}

#[test]
fn recording() {
    replay("recording", crate::checks::recording);
}

#[test]
fn helper() {
    replay("helper", crate::checks::helper);
}

#[test]
fn onnx() {
    replay("onnx", crate::checks::onnx);
}

#[test]
fn card() {
    replay("card", crate::checks::card);
}

#[test]
fn archive() {
    replay("archive", crate::checks::archive);
}
