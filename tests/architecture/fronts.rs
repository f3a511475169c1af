//! A public name of a crate below `crates/` is one that somebody outside of its sources spells: the program, another
//! crate, a test, an example or a fuzz target. Types that other public items give or take may stay unspelt. All else
//! is `pub(crate)` or private, so that the compiler sees dead code.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::{CRATES, Source, assert_none, is_word, rust_files, tokens};

/// Public names that nobody outside spells in code, and how they are reached.
const REACHED: &[(&str, &str)] = &[
    ("NotAFourcc", "the error of Fourcc's FromStr"),
    ("maybe_time", "a serde attribute"),
    ("maybe_span", "a serde attribute"),
    ("serialize", "a serde attribute"),
];

const TYPES: [&str; 5] = ["struct", "enum", "union", "trait", "type"];
const OTHERS: [&str; 4] = ["fn", "const", "static", "mod"];

/// A public item, or a public field without a name.
struct Public<'a> {
    name: Option<&'a str>,
    is_type: bool,
    /// The other words of its declaration.
    mentions: Vec<&'a str>,
}

fn public_items(source: &Source) -> Vec<Public<'_>> {
    let tokens = tokens(source.shipped());
    let is_public = |at: &usize| tokens[*at] == "pub" && !["(", "use"].contains(&tokens[at + 1]);
    let item = |at: usize| {
        let after = &tokens[at + 1..];
        let kind = after.iter().take(3).rposition(|word| TYPES.contains(word) || OTHERS.contains(word));
        let name = kind.and_then(|kind| after.get(kind + 1).copied().filter(|name| is_word(name)));
        let is_type = kind.is_some_and(|kind| TYPES.contains(&after[kind]));
        let mentions = declaration(after).into_iter().filter(|word| Some(*word) != name).collect();
        Public { name, is_type, mentions }
    };
    (0..tokens.len().saturating_sub(1)).filter(is_public).map(item).collect()
}

/// The words of the declaration at the beginning, up to its body; those of an enum and of a trait have theirs.
fn declaration<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let has_body = tokens.iter().take(2).any(|word| ["enum", "trait"].contains(word));
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        depth += match *token {
            "{" | "(" | "[" => 1,
            "}" | ")" | "]" => -1,
            _ => 0,
        };
        match *token {
            "{" => !has_body,
            "}" => depth <= 0,
            ";" => depth == 0,
            _ => false,
        }
    });
    tokens[..end.unwrap_or(tokens.len())].iter().copied().filter(|token| is_word(token)).collect()
}

/// The names of `crates` (by crate) that occur in no other group of `words`.
fn unnamed(crates: &BTreeMap<String, Vec<Source>>, words: &BTreeMap<String, HashSet<String>>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (own, sources) in crates {
        let items: Vec<_> = sources.iter().map(|source| (&source.path, public_items(source))).collect();
        let given: HashSet<&str> = items
            .iter()
            .flat_map(|(_, items)| items)
            .flat_map(|item| item.mentions.iter().copied())
            .collect();
        let is_spelt = |name: &str| words.iter().any(|(group, words)| group != own && words.contains(name));
        for (path, items) in &items {
            let names = items.iter().filter_map(|item| Some((item.name?, item.is_type)));
            let is_named = |name: &str, is_type: bool| is_spelt(name) || (is_type && given.contains(name));
            let found = names.filter(|(name, is_type)| !is_named(name, *is_type));
            complaints.extend(found.map(|(name, _)| {
                format!(
                    "{path}: nobody outside of the crate {own} names {name}: make it pub(crate) or private"
                )
            }));
        }
    }
    complaints
}

#[test]
fn a_public_name_is_one_that_others_use() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |folder: &str| {
        let files = rust_files(&root.join(folder)).into_iter().map(|path| {
            let text = std::fs::read_to_string(&path).expect("a source file");
            Source::new(&path.strip_prefix(root).expect("below it").to_string_lossy(), &text)
        });
        files.filter(|source| !source.module().contains(&"tests") || !folder.starts_with("crates")).collect()
    };
    let spelt = |sources: &Vec<Source>| -> HashSet<String> {
        sources.iter().flat_map(|source| tokens(&source.text)).map(str::to_owned).collect()
    };
    let crates: BTreeMap<String, Vec<Source>> =
        CRATES.iter().map(|(own, _)| (own.to_string(), read(&format!("crates/{own}/src")))).collect();
    let mut words: BTreeMap<String, HashSet<String>> =
        crates.iter().map(|(own, sources)| (own.clone(), spelt(sources))).collect();
    for folder in ["src", "tests", "examples", "fuzz"] {
        words.insert(format!("{folder}/"), spelt(&read(folder)));
    }
    words.insert(String::from("REACHED"), REACHED.iter().map(|(name, _)| name.to_string()).collect());
    assert_none(unnamed(&crates, &words));
}

#[test]
fn an_unused_public_name_is_found() {
    let text = "pub struct Used { pub of: Held } pub(crate) struct Inner; impl Used { pub const fn odd() -> Given {} }
                pub use inner::Other; pub unsafe fn raw() {} pub struct Lone; pub struct Given;
                pub enum Held { A(Deep) } pub struct Deep;\n#[cfg(test)]\nmod tests { pub fn helper() {} }";
    let source = Source::new("crates/base/src/used.rs", text);
    let names: Vec<_> = public_items(&source).into_iter().filter_map(|item| item.name).collect();
    assert_eq!(names, ["Used", "odd", "raw", "Lone", "Given", "Held", "Deep"]);
    let words = |own: &[&str]| own.iter().map(|word| word.to_string()).collect::<HashSet<_>>();
    let groups = [("base", words(&["Used", "odd", "raw", "Lone"])), ("src/", words(&["Used", "raw"]))];
    let groups = groups.map(|(group, words)| (group.to_owned(), words)).into();
    let complaints = unnamed(&[(String::from("base"), vec![source])].into(), &groups);
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].contains("names odd:") && complaints[1].contains("names Lone:"), "{complaints:?}");
}
