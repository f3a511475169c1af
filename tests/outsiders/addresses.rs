//! Camera addresses with passwords that contain characters with a meaning in URLs.

use std::process::Command;

use crate::row;

#[test]
fn a_password_with_reserved_characters_is_understood_or_refused_and_never_shown() {
    for (url, secrets) in [
        ("rtsp://admin:12345#@127.0.0.1:1/live", &["12345"][..]),
        ("http://admin:12345#@127.0.0.1:1/", &["12345"]),
        ("rtsp://admin:1/2hush@127.0.0.1:1/live", &["2hush"]),
        ("http://admin:80?hush@127.0.0.1:1/", &["hush"]),
        ("rtsp://admin:65535#hush@127.0.0.1:1/live", &["65535", "hush"]),
        ("rtsp://admin:q@1/w0rd@127.0.0.1:1/live", &["w0rd"]),
        ("http://admin:q@zz/w0rd@127.0.0.1:1/", &["zz", "w0rd"]),
        ("http://admin:q@zz#w0rd@127.0.0.1:1/", &["zz", "w0rd"]),
        ("http://tok#hush@127.0.0.1:1/", &["hush"]),
        ("http://admin:q@zz@127.0.0.1:1/", &["q@zz"]),
        ("http://admin:%23hush@127.0.0.1:1/", &["hush"]),
        ("http://127.0.0.1:1/video@1?user=me@example.org", &[]),
    ] {
        let set = format!("source.url={url}");
        let program = Command::new(env!("CARGO_BIN_EXE_tallycam"))
            .args(["check", "--no-camera", "--set", "source.kind=url", "--set", &set])
            .output()
            .unwrap();
        let said = [program.stdout, program.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        for secret in secrets {
            assert!(!said.contains(secret), "{url}: {secret} in {said}");
        }
        let is_refused = said.contains("must be a URL");
        assert!(!is_refused || said.contains("%23"), "{url}: {said}");
        row("Camera addresses", url, if is_refused { "refused, with how to write it" } else { "understood" });
    }
}
