//! The library's example prints ten pictures of its own source.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;

#[test]
fn the_example_prints_ten_pictures() {
    // `cargo test` builds the examples beside the program; `cargo test --test embed` alone does not.
    let example = Path::new(env!("CARGO_BIN_EXE_tallycam")).with_file_name("examples").join("embed");
    if !example.exists() {
        println!("LEFT OUT: {} is not built; `cargo test` does", example.display());
        assert!(std::env::var_os("CI").is_none());
        return;
    }
    let out =
        Command::new(example).env("EMBED_ONCE", "1").env("EMBED_LISTEN", "127.0.0.1:0").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let pictures: Vec<&str> = text.lines().filter(|line| line.contains(": 320×240, ")).collect();
    assert_eq!(pictures.len(), 10, "{text}");
    assert!(text.contains("http://127.0.0.1:"), "{text}");
}
