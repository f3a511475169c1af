//! The limits of `tests/budget.toml`: a larger figure fails, and a smaller one must be entered there. Each type name
//! exists once.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use super::rings::rings;
use super::{Source, sources};

/// Maximum lines of code per file, files per folder, and files in a ring of imports.
const FILE: usize = 500;
const FOLDER: usize = 15;
const RING: usize = 2;

const COLUMNS: usize = 120;

/// An exception may be this much too high before the test asks for it to be lowered.
const SLACK: usize = 20;

/// The figures of a section of `tests/budget.toml`.
fn section(name: &str) -> BTreeMap<String, usize> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/budget.toml");
    let text = std::fs::read_to_string(file).unwrap();
    let (_, after) = text.split_once(&format!("[{name}]\n")).unwrap_or_else(|| panic!("no [{name}]"));
    let own = after.split("\n[").next().unwrap();
    let figures = own.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let figures = figures.map(|line| {
        let (key, value) = line.split_once('=').unwrap();
        (key.trim().trim_matches('"').to_owned(), value.trim().parse().unwrap())
    });
    figures.collect()
}

/// Lines of shipped code: no tests, comments or blanks.
fn lines(source: &Source) -> usize {
    let lines = source.shipped().lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// Compares the figures above `usual` with the exceptions of a section. An exception that is too high is reported,
/// too.
pub(super) fn held(name: &str, found: BTreeMap<String, usize>, usual: usize) -> Vec<String> {
    let allowed = section(name);
    let mut wrong = Vec::new();
    for (key, &count) in &found {
        let most = allowed.get(key).copied().unwrap_or(usual).max(usual);
        if count > most {
            wrong.push(format!("[{name}] {key}: {count}, and {most} are the most"));
        }
    }
    for (key, most) in allowed {
        let count = found.get(&key).copied().unwrap_or_default();
        if usual > 0 && (count <= usual || count + SLACK < most) {
            wrong.push(format!("[{name}] {key}: {count} now, so {most} can be lowered or go"));
        }
    }
    wrong
}

/// Modules that exist only for tests and fuzzing.
fn for_tests(sources: &[Source]) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    for source in sources {
        for (line, next) in source.text.lines().zip(source.text.lines().skip(1)) {
            let name = next.rsplit_once("mod ").and_then(|(_, name)| name.strip_suffix(';'));
            if let (true, Some(name)) = (
                ["#[cfg(test)]", "#[cfg(any(test, fuzzing))]", "#[cfg(any(test, feature = \"testing\"))]"]
                    .contains(&line),
                name,
            ) {
                found.push([source.module(), vec![name]].concat());
            }
        }
    }
    found
}

fn shipped_sources() -> Vec<Source> {
    let all = sources();
    let left_out = for_tests(&all);
    let is_shipped = |source: &&Source| !left_out.iter().any(|module| source.module().starts_with(module));
    all.iter().filter(is_shipped).map(|source| Source::new(&source.path, &source.text)).collect()
}

/// Names of the structs, enums and traits that `source` defines.
fn types(source: &Source) -> impl Iterator<Item = &str> {
    source.shipped().lines().filter_map(|line| {
        let line = line.trim_start();
        let line = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
            Some(rest) => rest.trim_start(),
            None => line,
        };
        let line = line.strip_prefix("unsafe ").unwrap_or(line);
        let name = ["struct ", "enum ", "trait "].iter().find_map(|word| line.strip_prefix(word))?;
        // None where a macro supplies the name.
        name.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
    })
}

#[test]
fn each_type_has_a_name_of_its_own() {
    let forms = Source::new(
        "x.rs",
        "pub(in crate::ui) struct A<'a>;\npub enum B {}\n    trait C: D {}\n// struct E\npub unsafe trait F {}",
    );
    assert_eq!(types(&forms).collect::<Vec<_>>(), ["A", "B", "C", "F"]);
    let sources = shipped_sources();
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in &sources {
        for name in types(source) {
            places.entry(name).or_default().push(&source.path);
        }
    }
    assert!(places.len() > 500, "{} types are found", places.len());
    places.retain(|_, files| files.len() > 1);
    assert!(places.is_empty(), "these names stand for several types: {places:?}");
}

/// Scripts, styles and pieces of HTML below `src/`, with their paths.
fn assets() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if path.is_dir() {
                walk(&path, found);
            } else if ["js", "css", "html"].contains(&ending) {
                found.push((path.to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 30, "{} are found", found.len());
    found
}

/// Lines of a script, a style or a page, without comments and blanks.
fn asset_lines(text: &str) -> usize {
    let mut is_comment = false;
    let counts = |line: &&str| {
        let begins = ["/*", "<!--"].iter().any(|sign| line.starts_with(sign));
        let was_comment = is_comment || begins;
        is_comment = was_comment && !line.contains("*/") && !line.contains("-->");
        !was_comment && !line.is_empty() && !line.starts_with("//")
    };
    text.lines().map(str::trim).filter(counts).count()
}

/// Number of lines that are too long.
fn wide_lines(text: &str) -> usize {
    text.lines().filter(|line| line.chars().count() > COLUMNS).count()
}

#[test]
fn comments_are_not_counted_and_wide_lines_are() {
    assert_eq!(asset_lines("/* one\n\n   two */\na {}\n// b\n<!-- c -->\nd\n"), 2);
    assert_eq!(wide_lines(&format!("{}\n{}\n", "–".repeat(COLUMNS), "x".repeat(COLUMNS + 1))), 1);
}

#[test]
fn the_sources_keep_to_the_budget() {
    let sources = shipped_sources();
    let mut modules: BTreeMap<String, usize> = BTreeMap::new();
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    let mut wide: BTreeMap<String, usize> = BTreeMap::new();
    for (path, text) in assets() {
        let (_, ending) = path.rsplit_once('.').unwrap();
        *modules.entry(ending.to_owned()).or_default() += asset_lines(&text);
        *wide.entry(ending.to_owned()).or_default() += wide_lines(&text);
    }
    for source in &sources {
        let count = lines(source);
        *modules.entry(source.module()[0].to_owned()).or_default() += count;
        files.insert(source.path.clone(), count);
        *wide.entry(String::from("rs")).or_default() += wide_lines(&source.text);
        let (folder, name) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
        *folders.entry(folder.to_owned()).or_default() += usize::from(name != "mod.rs");
    }
    let mut largest: BTreeMap<String, usize> = BTreeMap::new();
    for ring in rings(&sources) {
        let own = largest.entry(ring[0].split('/').next().unwrap().to_owned()).or_default();
        *own = ring.len().max(*own);
    }
    let mut said = String::from("lines of code:");
    for (module, count) in &modules {
        said += &format!(" {module} {count}");
    }
    let total: usize = modules.values().sum();
    let _ =
        writeln!(std::io::stderr(), "{said}; in all {total}; too wide: {wide:?}; largest rings: {largest:?}");
    modules.insert(String::from("all"), total);

    let mut wrong = held("lines", modules, 0);
    wrong.extend(held("files", files, FILE));
    wrong.extend(held("folders", folders, FOLDER));
    wrong.extend(held("rings", largest, RING));
    wrong.extend(held("columns", wide, 0));
    assert!(
        wrong.is_empty(),
        "\n{}\n(tests/budget.toml; one that needs more says why in its commit)\n",
        wrong.join("\n")
    );
}

#[test]
fn the_page_of_the_architecture_stays_short() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ARCHITECTURE.md");
    let lines = std::fs::read_to_string(file).unwrap().lines().count();
    assert!(lines <= 250, "docs/ARCHITECTURE.md has {lines} lines, and 250 are the most");
}
