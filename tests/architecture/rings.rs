//! Rings: files that import each other, directly or through others. To understand one file of a ring means to read
//! all of them.
//!
//! An import through a re-export (`pub use`) counts as an import of the file that defines the name. A re-export
//! itself is no import.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, is_word};

type Path<'a> = Vec<&'a str>;

/// An imported path, and its alias if there is one.
struct Named<'a> {
    path: Path<'a>,
    alias: Option<&'a str>,
}

/// Collects the paths of the `use` tree that begins at `at`, below `prefix`; returns the index after it.
fn tree<'a>(tokens: &[&'a str], mut at: usize, mut prefix: Path<'a>, found: &mut Vec<Named<'a>>) -> usize {
    loop {
        match tokens.get(at).copied() {
            Some("{") => {
                at += 1;
                while let Some(&token) = tokens.get(at) {
                    match token {
                        "}" => return at + 1,
                        "," => at += 1,
                        _ => {
                            at = tree(tokens, at, prefix.clone(), found);
                            while !matches!(tokens.get(at), None | Some(&("," | "}"))) {
                                at += 1;
                            }
                        }
                    }
                }
                return at;
            }
            Some(word) if word != "self" && is_word(word) => {
                prefix.push(word);
                if tokens.get(at + 1) == Some(&"::") {
                    at += 2;
                    continue;
                }
                let alias = (tokens.get(at + 1) == Some(&"as")).then(|| tokens[at + 2]);
                found.push(Named { path: prefix, alias });
                return at + 1;
            }
            end => {
                found.push(Named { path: prefix, alias: None });
                return at + usize::from(end == Some("self"));
            }
        }
    }
}

/// The files by module, and the names that each re-exports.
struct House<'a> {
    files: BTreeMap<Path<'a>, usize>,
    handed_on: Vec<BTreeMap<&'a str, Path<'a>>>,
}

impl<'a> House<'a> {
    /// Reads the path from the crate's root that begins at `at`, if there is one; returns the next index.
    fn rooted(&self, own: &Path<'a>, tokens: &[&'a str], at: usize, found: &mut Vec<Named<'a>>) -> usize {
        let is_next = |at: usize| tokens.get(at + 1) == Some(&"::");
        let child = || [&own[..], &[tokens[at]]].concat();
        match tokens[at] {
            // `pub(in crate::…)` imports nothing.
            "crate" if at > 1 && tokens[at - 2..at] == ["(", "in"] => at + 1,
            "crate" if is_next(at) => tree(tokens, at + 2, Vec::new(), found),
            "self" if is_next(at) => tree(tokens, at + 2, own.clone(), found),
            "super" if is_next(at) => {
                let rise = tokens[at..].chunks(2).take_while(|pair| *pair == ["super", "::"]).count();
                tree(tokens, at + 2 * rise, own[..own.len().saturating_sub(rise)].to_vec(), found)
            }
            word if is_word(word) && is_next(at) && self.files.contains_key(&child()) => {
                if at > 0 && tokens[at - 1] == "::" { at + 1 } else { tree(tokens, at, own.clone(), found) }
            }
            _ => at + 1,
        }
    }

    /// The file that defines `path`.
    fn file(&self, path: &[&'a str], left: usize) -> Option<usize> {
        let known = (1..=path.len()).rev().find(|&len| self.files.contains_key(&path[..len]))?;
        let file = self.files[&path[..known]];
        let handed_on = path.get(known).and_then(|name| self.handed_on[file].get(name));
        match handed_on {
            Some(on) if left > 0 => self.file(&[&on[..], &path[known + 1..]].concat(), left - 1),
            _ => Some(file),
        }
    }
}

/// The files that each file imports, as indices into `sources`.
pub(super) fn imports(sources: &[Source]) -> Vec<BTreeSet<usize>> {
    let files: BTreeMap<Path<'_>, usize> =
        sources.iter().enumerate().map(|(place, source)| (source.module(), place)).collect();
    let mut house = House { files, handed_on: vec![BTreeMap::new(); sources.len()] };
    let mut rest: Vec<Vec<&str>> = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let (tokens, own) = (source.tokens(), source.module());
        let (mut left, mut at) = (Vec::new(), 0);
        while at < tokens.len() {
            let mut use_at = at + 1;
            if tokens[at] == "pub" && tokens.get(use_at) == Some(&"(") {
                use_at += tokens[use_at..].iter().position(|token| *token == ")").unwrap_or(0) + 1;
            }
            if tokens[at] == "pub" && tokens.get(use_at) == Some(&"use") {
                let mut found = Vec::new();
                house.rooted(&own, &tokens, use_at + 1, &mut found);
                for Named { path, alias } in found {
                    let name = alias.or(path.last().copied());
                    house.handed_on[place].extend(name.map(|name| (name, path)));
                }
                at = use_at + tokens[use_at..].iter().position(|token| *token == ";").unwrap_or(0);
            } else {
                left.push(tokens[at]);
                at += 1;
            }
        }
        rest.push(left);
    }
    let mut all = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let (own, tokens, mut found, mut at) = (source.module(), &rest[place], Vec::new(), 0);
        while at < tokens.len() {
            at = house.rooted(&own, tokens, at, &mut found);
        }
        let used = found.iter().filter_map(|named| house.file(&named.path, 8)).filter(|used| *used != place);
        all.push(used.collect());
    }
    all
}

/// Everything that `from` imports, directly or indirectly.
fn reached(imports: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(place) = open.pop() {
        open.extend(imports[place].iter().copied().filter(|next| seen.insert(*next)));
    }
    seen
}

/// The rings, each as the paths of its files.
pub fn rings(sources: &[Source]) -> Vec<Vec<&str>> {
    let imports = imports(sources);
    let reached: Vec<BTreeSet<usize>> = (0..sources.len()).map(|place| reached(&imports, place)).collect();
    let mut rings: BTreeSet<Vec<usize>> = BTreeSet::new();
    for place in 0..sources.len() {
        let ring: Vec<usize> =
            reached[place].iter().copied().filter(|other| reached[*other].contains(&place)).collect();
        if ring.len() > 1 {
            rings.insert(ring);
        }
    }
    rings.into_iter().map(|ring| ring.into_iter().map(|at| sources[at].path.as_str()).collect()).collect()
}

#[test]
fn a_ring_through_reexports_is_found() {
    let sources = [
        Source::new("a/mod.rs", "mod x; mod y; pub use x::Name as Other; pub(crate) use y::{Two, Three};"),
        Source::new("a/x.rs", "use super::y::Two; fn f() { crate::b::g() }"),
        Source::new("a/y.rs", "use super::z::Four;"),
        Source::new("a/z.rs", "use crate::a::{Other, Three};"),
        Source::new("b.rs", "pub(in crate::a) fn g() {}"),
    ];
    assert_eq!(rings(&sources), [["a/x.rs", "a/y.rs", "a/z.rs"]]);
}
