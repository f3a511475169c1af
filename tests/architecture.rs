//! Rules of the architecture that no compiler checks, read from the source text.
//!
//! - A layer uses only layers below it; modules of the same layer never use each other.
//! - A crate that wraps hardware, a protocol or the system is named in its own place only.
//! - Only `base/clock` asks for the time, only `base/worker` starts threads.
//! - Every module says what it is for.
//! - A public name of a crate is one that others use.
//! - At most two files import each other; lines, files, folders and prose keep to `tests/budget.toml`.
//!
//! Test modules (`#[cfg(test)] mod …` at the end of a file, or a file of their own) are left out.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "architecture/budget.rs"]
mod budget;
#[path = "architecture/floors.rs"]
mod floors;
#[path = "architecture/fronts.rs"]
mod fronts;
#[path = "architecture/lock.rs"]
mod lock;
#[path = "architecture/prose.rs"]
mod prose;
#[path = "architecture/rings.rs"]
mod rings;

use std::path::{Path, PathBuf};

/// Modules that each top-level module may use: the drawing in `src/lib.rs` as a table.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("access", &["base"]),
    ("media", &["base"]),
    ("source", &["base", "media"]),
    ("encode", &["base", "media"]),
    ("vision", &["base", "media"]),
    ("lens", &["base", "media"]),
    ("lights", &["base", "media"]),
    ("config", &["base", "media"]),
    ("card", &["access", "base", "config"]),
    ("models", &["base", "media", "encode", "vision", "source"]),
    ("store", &["base", "media", "vision"]),
    ("maintenance", &["access", "base", "config", "store"]),
    ("pipeline", &["base", "media", "source", "encode", "lens", "lights", "config", "vision", "store"]),
    ("ui", &["access", "base", "media", "config", "store"]),
    ("outbound", &["base", "config", "pipeline", "store"]),
    (
        "http",
        &[
            "access",
            "base",
            "media",
            "config",
            "maintenance",
            "store",
            "models",
            "outbound",
            "pipeline",
            "ui",
        ],
    ),
    (
        "daemon",
        &[
            "access",
            "base",
            "card",
            "media",
            "source",
            "lens",
            "vision",
            "config",
            "maintenance",
            "store",
            "models",
            "outbound",
            "pipeline",
            "http",
        ],
    ),
    (
        "cli",
        &[
            "access",
            "base",
            "card",
            "media",
            "source",
            "encode",
            "vision",
            "config",
            "maintenance",
            "store",
            "models",
            "pipeline",
            "ui",
            "http",
            "daemon",
        ],
    ),
];

/// Crates, the paths (prefixes) in which they may be named, and the maximum number of files.
const NAMED_IN: &[(&str, &[&str], usize)] = &[
    ("rscam", &["source/v4l2"], 1),
    ("turbojpeg", &["encode/"], 1),
    ("hyper", &["http/", "source/url", "cli/common/daemon.rs", "outbound/web.rs"], usize::MAX),
    ("http_body_util", &["http/", "source/url", "cli/common/daemon.rs", "outbound/web.rs"], usize::MAX),
    ("mqtt_protocol_core", &["outbound/mqtt/wire.rs"], usize::MAX),
    ("tokio_rustls", &["source/url", "http/server/tls.rs", "outbound/connect.rs"], usize::MAX),
    ("lettre", &["outbound/mail.rs"], 1),
    ("digest_auth", &["source/url"], usize::MAX),
    ("rusqlite", &["store/"], usize::MAX),
    ("tract_onnx", &["vision/onnx/"], 2),
    ("tallycam_libcamera", &["source/libcamera/"], usize::MAX),
    ("rppal", &["lights/"], 1),
    ("rs_ws281x", &["lights/"], 1),
    ("gpiocdev", &["lights/"], 1),
    ("gpiocdev_uapi", &["lights/"], 1),
    ("clap", &["cli/"], usize::MAX),
    ("clap_complete", &["cli/"], 1),
    ("indicatif", &["cli/"], 1),
    ("argon2", &["access/"], 1),
    ("flate2", &["http/server/gzip.rs"], 1),
    ("tar", &["maintenance/"], usize::MAX),
    ("minisign_verify", &["maintenance/update/"], 1),
    ("saphyr_parser", &["card/yaml.rs"], 1),
    ("sd_notify", &["daemon/systemd.rs", "daemon/sockets.rs"], 2),
    ("systemd_journal_logger", &["daemon/"], 1),
];

/// Calls, and the only file that may make each.
const CALLED_IN: &[(&[&str], &str)] = &[
    (&["SystemTime", "::", "now"], "base/clock.rs"),
    (&["Command", "::", "new"], "base/child.rs"),
    (&["Timestamp", "::", "now"], "base/clock.rs"),
    (&["Zoned", "::", "now"], "base/clock.rs"),
    (&["ClockId", "::", "Monotonic"], "base/clock.rs"),
    (&["ClockId", "::", "Realtime"], "base/clock.rs"),
    (&["thread", "::", "spawn"], "base/worker.rs"),
    (&["thread", "::", "Builder"], "base/worker.rs"),
];

/// The crates below `crates/` whose modules belong to the house, and the name of each crate's root there. The root of
/// camera is the house itself: its modules stand beside those of `src/`.
const CRATES: [(&str, &str); 5] =
    [("base", "base"), ("camera", ""), ("vision", "vision"), ("store", "store"), ("config", "config")];

struct Source {
    /// The place in the house, whatever the crate: `source/v4l2.rs`, `store/sqlite.rs`, `http/routes.rs`.
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// `source/v4l2.rs` is `["source", "v4l2"]`, `source/mod.rs` is `["source"]`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        path.split('/').filter(|&part| part != "mod").collect()
    }

    /// The words and signs of the shipped code. A path that begins at a crate begins at the house: in `crates/store`
    /// both `crate::sqlite` and, elsewhere, `tallycam_store::sqlite` are `crate::store::sqlite`.
    fn tokens(&self) -> Vec<&str> {
        let found = tokens(self.shipped());
        let own = match self.module()[0] {
            "models" => "vision",
            module => CRATES.iter().find(|(_, root)| *root == module).map_or("", |(_, root)| root),
        };
        let mut placed = Vec::with_capacity(found.len());
        for (at, &token) in found.iter().enumerate() {
            let crate_name = token.strip_prefix("tallycam_");
            let is_path = found.get(at + 1) == Some(&"::");
            let root = match crate_name.and_then(|name| CRATES.iter().find(|(own, _)| *own == name)) {
                Some((_, root)) => root,
                None if token == "crate" && is_path => own,
                None => {
                    placed.push(token);
                    continue;
                }
            };
            placed.push("crate");
            // The models stand beside the detectors, in their crate.
            let is_models = root == "vision" && found.get(at + 2) == Some(&"models");
            if !root.is_empty() && !is_models {
                placed.extend(["::", root]);
            }
        }
        placed
    }

    /// The text without the test module at its end. Code after the declaration of a test module in its own file is
    /// shipped.
    fn shipped(&self) -> &str {
        let tests = self.text.match_indices("#[cfg(test)]\n").find(|(at, attribute)| {
            let next = self.text[at + attribute.len()..].lines().next().unwrap_or_default();
            next.contains("mod ") && next.contains('{')
        });
        &self.text[..tests.map_or(self.text.len(), |(at, _)| at)]
    }

    /// The other top-level modules named here by `crate::…` or by `super::…`.
    fn uses(&self) -> Vec<&str> {
        let tokens = self.tokens();
        let depth = self.module().len();
        let mut used = Vec::new();
        for at in 0..tokens.len() {
            let mut next = match tokens[at] {
                "crate" if tokens.get(at + 1) == Some(&"::") => at + 2,
                "super" if at < 2 || tokens[at - 2] != "super" => {
                    let rise = tokens[at..].chunks(2).take_while(|pair| *pair == ["super", "::"]).count();
                    if rise < depth {
                        continue;
                    }
                    at + 2 * rise
                }
                _ => continue,
            };
            if tokens.get(next) != Some(&"{") {
                used.extend(tokens.get(next));
                continue;
            }
            // A group: the first word after the brace and after every comma of its own level.
            let mut level = 0;
            loop {
                match tokens.get(next) {
                    Some(&"{") => level += 1,
                    Some(&"}") => level -= 1,
                    Some(_) => {}
                    None => break,
                }
                if level == 0 {
                    break;
                }
                let opens = level == 1 && (tokens[next] == "{" || tokens[next] == ",");
                if opens && tokens.get(next + 1).is_some_and(|t| *t != "}") {
                    used.push(tokens[next + 1]);
                }
                next += 1;
            }
        }
        used
    }

    /// The file names the crate `name`, as `use name…` or `name::…`.
    fn names(&self, name: &str) -> bool {
        let tokens = self.tokens();
        (0..tokens.len()).any(|at| {
            let before = at.checked_sub(1).map(|before| tokens[before]);
            let is_root = before != Some("::") || at < 2 || !is_word(tokens[at - 2]);
            let after = tokens.get(at + 1).copied();
            tokens[at] == name && is_root && (after == Some("::") || before == Some("use"))
        })
    }

    fn calls(&self, call: &[&str]) -> bool {
        self.tokens().windows(call.len()).any(|window| window == call)
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Pages show these hints beside a button that solves the problem; `.shell(…)` holds hints for the shell.
#[test]
fn no_hint_of_a_source_names_a_command() {
    let mut seen = 0;
    for source in sources().iter().filter(|source| source.path.starts_with("source/")) {
        let text = source.text.as_str();
        for (at, _) in text.match_indices(".hint(") {
            let hint = argument(&text[at + 6..]);
            assert!(!hint.contains('`') && !hint.contains(" --"), "{}: {hint}", source.path);
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

/// The text up to the bracket that closes the call.
fn argument(text: &str) -> &str {
    let (mut at, mut depth) = (0, 0);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' => {
                at += quoted(&text[at..], '"');
                continue;
            }
            '(' => depth += 1,
            ')' if depth == 0 => return &text[..at],
            ')' => depth -= 1,
            _ => {}
        }
        at += c.len_utf8();
    }
    text
}

/// Splits Rust text into words, `::` and other signs; comments, strings and characters are left out.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(string) = raw_string(rest) {
            string
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' {
            match rest[1..].chars().next() {
                Some('\\') => quoted(rest, '\''),
                Some(one) if rest[1 + one.len_utf8()..].starts_with('\'') => 2 + one.len_utf8(),
                _ => 1, // A lifetime.
            }
        } else if is_word(rest) {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            tokens.push(&rest[..end]);
            end
        } else if rest.starts_with("::") {
            tokens.push("::");
            2
        } else {
            if !c.is_whitespace() {
                tokens.push(&rest[..c.len_utf8()]);
            }
            c.len_utf8()
        };
        rest = &rest[taken..];
    }
    tokens
}

/// Bytes of the quoted literal at the beginning, including its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Bytes of the raw string at the beginning, if there is one.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let before = text.len() - body.len();
    Some(body.find(&close).map_or(text.len(), |at| before + at + close.len()))
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Every Rust file below `folder`, except built ones.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// Every file of `src/` and `crates/` except tests, `main.rs` and the `lib.rs` of crates that have no name of their
/// own in the house.
fn sources() -> Vec<Source> {
    let read = |folder: String, name: &str| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let paths = rust_files(&root);
        let place =
            |path: &Path| match path.strip_prefix(&root).expect("below it").to_string_lossy().into_owned() {
                own if name.is_empty() || own.starts_with("models/") => own,
                own if own == "lib.rs" => format!("{name}/mod.rs"),
                own => format!("{name}/{own}"),
            };
        let source = |path: PathBuf| Source {
            text: std::fs::read_to_string(&path).expect("a source file"),
            path: place(&path),
        };
        paths.into_iter().map(source).collect::<Vec<_>>()
    };
    let mut sources = read(String::from("src"), "");
    sources.extend(CRATES.iter().flat_map(|(own, name)| read(format!("crates/{own}/src"), name)));
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
        .into_iter()
        .filter(|source| !matches!(source.path.as_str(), "main.rs" | "lib.rs"))
        .filter(|source| !source.module().contains(&"tests"))
        .collect()
}

fn may_use(module: &str) -> Option<&'static [&'static str]> {
    MAY_USE.iter().find(|(name, _)| *name == module).map(|(_, below)| *below)
}

/// Violations of the layer rule in one file.
fn upward_arrows(source: &Source) -> Vec<String> {
    let own = source.module()[0];
    let Some(below) = may_use(own) else {
        return vec![format!("{}: module {own} has no place in the house (see MAY_USE)", source.path)];
    };
    source
        .uses()
        .into_iter()
        .filter(|&used| used != own && may_use(used).is_some() && !below.contains(&used))
        .map(|used| format!("{}: {own} must not use {used}", source.path))
        .collect()
}

fn assert_none(mut complaints: Vec<String>) {
    complaints.sort();
    complaints.dedup();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn arrows_point_down() {
    assert_none(sources().iter().flat_map(upward_arrows).collect());
}

#[test]
fn the_table_itself_points_down() {
    for (place, (_, below)) in MAY_USE.iter().enumerate() {
        for used in *below {
            let lower = MAY_USE.iter().position(|(name, _)| name == used);
            assert!(lower.is_some_and(|lower| lower < place), "{used} is not below");
        }
    }
}

#[test]
fn crates_are_named_in_their_own_place() {
    let sources = sources();
    let mut complaints = Vec::new();
    for (name, places, most) in NAMED_IN {
        let naming: Vec<&str> = sources.iter().filter(|s| s.names(name)).map(|s| s.path.as_str()).collect();
        complaints.extend(
            naming
                .iter()
                .filter(|path| !places.iter().any(|place| path.starts_with(place)))
                .map(|path| format!("{path}: {name} is named only in {places:?}")),
        );
        if naming.len() > *most {
            complaints.push(format!("{name} is named in more than {most} file(s): {naming:?}"));
        }
    }
    assert_none(complaints);
}

#[test]
fn time_and_threads_come_from_base() {
    let mut complaints = Vec::new();
    for source in sources() {
        for (call, place) in CALLED_IN {
            if source.path != *place && source.calls(call) {
                complaints.push(format!("{}: {} is called only in {place}", source.path, call.concat()));
            }
        }
    }
    assert_none(complaints);
}

#[test]
fn every_module_says_what_it_is_for() {
    let undocumented = sources()
        .into_iter()
        // A sentence is longer than a name.
        .filter(|s| s.text.lines().next().is_none_or(|l| !l.starts_with("//! ") || l.len() < 20))
        .map(|s| format!("{}: begins without a doc comment that says what it is for", s.path))
        .collect();
    assert_none(undocumented);
}

/// The tokenizer sees every form of use, and ignores comments, strings and tests.
#[test]
fn uses_are_found_in_every_form() {
    let source = Source::new(
        "source/v4l2.rs",
        r##"
            use crate::media::{self, Frame};
            use crate::{base::{Stop, clock}, pipeline, http::Server};
            use super::super::encode::Encoder;
            use super::Wanted;
            // use crate::cli;
            /* use /* nested */ crate::cli; */
            fn f<'a>(c: char) -> &'a str { let _ = ('"', '\'', "crate::cli"); r#"" crate::cli"# }
            fn g() { crate::daemon::serve() }
#[cfg(test)]
mod tests { use crate::ui; }
"##,
    );
    assert_eq!(source.uses(), ["media", "base", "pipeline", "http", "encode", "daemon"]);
    assert_eq!(upward_arrows(&source).len(), 4);
}

#[test]
fn a_crate_is_not_mistaken_for_a_module_of_the_same_name() {
    let names = |text| Source::new("x.rs", text).names("hyper");
    assert!(names("use hyper::Request;"));
    assert!(names("use hyper;"));
    assert!(names("fn f(r: hyper::Request<()>) {}"));
    assert!(names("fn f() { ::hyper::rt() }"));
    assert!(!names("use crate::hyper::Request;"));
    assert!(!names("let hyper = 1;"));
    assert!(!names("// hyper::Request"));
}
