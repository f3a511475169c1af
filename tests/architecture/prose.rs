//! Sentences in comments and documents that a stranger has to read twice: `[prose]` in `tests/budget.toml` limits them.
//!
//! Counted are sentences that open with a relative clause, words of an old dialect, and sentences of 30 words or more.
//! A sentence that is right as it stands ends with `// ok`, in documents with `<!-- ok -->`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::budget::held;

/// Words that begin a clause instead of a subject.
const OPENERS: &[&str] = &[
    "Who",
    "Whoever",
    "Whom",
    "Whose",
    "What",
    "Whatever",
    "Whichever",
    "Of",
    "So",
    "That",
    "Where",
    "Wherever",
    "Such",
    "Nor",
    "Neither of",
];

/// A question may begin with one of the openers and one of these.
const AUXILIARIES: &[&str] = &["is", "are", "was", "does", "do", "can"];

const DIALECT: &[&str] = &[
    "whoever",
    "anew",
    "merely",
    "of which",
    "so long",
    "is told",
    "are told",
    "was told",
    "told of",
    "let go",
    "lets go",
    "take down",
    "takes down",
    "nobody knows of it",
    "look a second",
    "looks a second",
    "heed",
    "heeds",
    "heeded",
    "obey",
    "obeys",
    "obeyed",
    "is meant by it",
    "by itself alone",
    "that it be",
    "no more than that",
    "for good and all",
    "give way",
    "gives way",
    "has come to be",
    "is to have",
    "be it",
    "at the last",
    "as usual",
    "such a one",
    "the one who",
    "those who",
];

const LONG: usize = 30;

/// Paths that are left out: copies of output, and documents that tests write.
const LEFT_OUT: &[&str] = &["target", "fuzz/corpus", "tests/golden", "docs/compatibility.md", "docs/e2e.md"];

/// Consecutive lines of a comment, or a paragraph of a document.
struct Block {
    /// Line number of its beginning, from 1.
    line: usize,
    text: String,
    /// A module header (`//!`).
    is_header: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Reason {
    Opener,
    Dialect,
    Long,
}

/// Joins lines to blocks.
#[derive(Default)]
struct Blocks {
    done: Vec<Block>,
    open: Option<Block>,
}

impl Blocks {
    fn push(&mut self, line: usize, text: &str, is_header: bool) {
        if let Some(block) = &mut self.open {
            block.text.push(' ');
            block.text.push_str(text);
        } else {
            self.open = Some(Block { line, text: text.to_owned(), is_header });
        }
    }

    fn close(&mut self) {
        self.done.extend(self.open.take());
    }
}

/// The comment in a line of Rust or JavaScript, without its sign.
fn slashed(line: &str) -> Option<&str> {
    let own = line.trim();
    let signs = ["///", "//!", "//"];
    if let Some(body) = signs.iter().find_map(|sign| own.strip_prefix(sign)) {
        return Some(body);
    }
    line.match_indices("//").find_map(|(at, sign)| {
        let (before, after) = (&line[..at], &line[at + sign.len()..]);
        let code = before.trim_end();
        let is_behind_code = code.len() < before.len() && code.ends_with([';', '{', '}', ',', ')']);
        (is_behind_code && after.starts_with(char::is_whitespace)).then_some(after)
    })
}

/// The comment in a line of a script, without its sign.
fn hashed(line: &str) -> Option<&str> {
    let own = line.trim();
    (own.starts_with('#') && !own.starts_with("#!")).then(|| own.trim_start_matches('#'))
}

/// The blocks of the comments that `comment` finds, without fenced code.
fn comments(text: &str, comment: fn(&str) -> Option<&str>) -> Vec<Block> {
    let mut blocks = Blocks::default();
    let mut is_fenced = false;
    for (number, line) in text.lines().enumerate() {
        let mut body = comment(line).map_or("", str::trim);
        if body.starts_with("```") {
            is_fenced = !is_fenced;
            body = "";
        }
        if is_fenced || body.is_empty() {
            blocks.close();
        } else {
            blocks.push(number + 1, body, line.trim_start().starts_with("//!"));
        }
    }
    blocks.close();
    blocks.done
}

/// The text of a list item, without its sign or number.
fn list_item(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let after_digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = (after_digits.len() < line.len()).then(|| after_digits.strip_prefix(". ")).flatten();
    numbered.or_else(|| line.strip_prefix("- ")).or_else(|| line.strip_prefix("* "))
}

/// Paragraphs and list items of a document, without headings, tables, pictures and fenced code.
fn paragraphs(text: &str) -> Vec<Block> {
    let mut blocks = Blocks::default();
    let mut is_fenced = false;
    for (number, line) in text.lines().enumerate() {
        let own = line.trim();
        if own.starts_with("```") {
            is_fenced = !is_fenced;
        }
        let is_markup = own.starts_with(['|', '#', '!', '<']) || own.starts_with("```");
        let is_plain = !is_fenced && !own.is_empty() && !is_markup;
        let item = list_item(line);
        if !is_plain || item.is_some() {
            blocks.close();
        }
        if is_plain {
            blocks.push(number + 1, item.unwrap_or(own).trim(), false);
        }
    }
    blocks.close();
    blocks.done
}

/// Replaces each piece of code in backticks by `x`.
fn without_code(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((_, next)) = after.split_once('`') else { break };
        plain += before;
        plain.push('x');
        rest = next;
    }
    plain + rest
}

/// Splits after a sign of punctuation that a capital letter or code follows.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, sign) in text.match_indices(['.', ':', ';', '!', '?']) {
        let rest = &text[at + sign.len()..];
        let next = rest.trim_start();
        if next.len() < rest.len()
            && next.starts_with(|c: char| c.is_ascii_uppercase() || c == '`' || c == 'x')
        {
            found.push(&text[from..at + sign.len()]);
            from = text.len() - next.len();
        }
    }
    found.push(&text[from..]);
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(sentence: &str) -> usize {
    let mut rest = sentence;
    let mut count = 0;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        count += 1;
        rest = rest[at..].trim_start_matches(|c| is_word(c) || ['\'', '’', '-'].contains(&c));
    }
    count
}

/// The rest after `word`, if `text` begins with it as a whole word.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.strip_prefix(word).filter(|rest| !rest.starts_with(is_word))
}

fn opens_with_clause(sentence: &str) -> bool {
    let is_question = |rest: &str| {
        let after = rest.strip_prefix(' ').unwrap_or_default();
        let after = AUXILIARIES.iter().find_map(|word| after_word(after, word));
        after.is_some_and(|after| after.split('.').next().is_some_and(|clause| clause.contains('?')))
    };
    let opener = OPENERS.iter().find_map(|word| after_word(sentence, word));
    opener.is_some_and(|rest| !sentence.trim_end().ends_with('?') && !is_question(rest))
}

fn has_dialect(sentence: &str) -> bool {
    let lower = sentence.to_ascii_lowercase();
    DIALECT.iter().any(|phrase| {
        lower
            .match_indices(phrase)
            .any(|(at, _)| after_word(&lower[at..], phrase).is_some() && !lower[..at].ends_with(is_word))
    })
}

/// The faults of a block: each reason with its sentence.
fn faults(block: &Block) -> Vec<(Reason, String)> {
    let text = without_code(&block.text);
    let mut found = Vec::new();
    for sentence in sentences(&text) {
        let count = words(sentence);
        if count < 3 || ["<!-- ok -->", "// ok"].iter().any(|mark| sentence.trim_end().ends_with(mark)) {
            continue;
        }
        let reasons = [
            (Reason::Opener, opens_with_clause(sentence)),
            (Reason::Dialect, has_dialect(sentence)),
            (Reason::Long, count >= LONG),
        ];
        let reasons = reasons.into_iter().filter(|(_, is_so)| *is_so);
        found.extend(reasons.map(|(reason, _)| (reason, sentence.to_owned())));
    }
    found
}

/// Calls `visit` with each file of the repository that has comments or prose: its path and its blocks.
fn walk(root: &Path, folder: &Path, visit: &mut dyn FnMut(&str, Vec<Block>)) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_hidden || LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, visit);
            continue;
        }
        let read: fn(&str) -> Vec<Block> = match path.extension().and_then(|ending| ending.to_str()) {
            Some("rs" | "js") => |text| comments(text, slashed),
            Some("py" | "sh") => |text| comments(text, hashed),
            Some("md") => paragraphs,
            _ => continue,
        };
        if let Ok(text) = fs::read_to_string(&path) {
            visit(&name, read(&text));
        }
    }
}

#[test]
fn faults_of_sentences_are_found() {
    let reasons = |text: &str| -> Vec<Reason> {
        let blocks = comments(text, slashed);
        blocks.iter().flat_map(faults).map(|(reason, _)| reason).collect()
    };
    assert!(reasons("// What was given here.\n").contains(&Reason::Opener));
    assert!(reasons(&format!("let a = f(); {} Of two lines, the second.\n", "//")).contains(&Reason::Opener));
    assert!(reasons("/// A viewer `x` merely\n/// waits here.\n").contains(&Reason::Dialect));
    assert!(reasons(&format!("//! A{}.\n", " word".repeat(LONG - 1))).contains(&Reason::Long));
    let fine = [
        "// What is a frame, and who made it?\n",
        "// What was given here. // ok\n",
        "// The thread reads `what is told`.\n",
        "let url = \"http://What was given\";\n",
        "// ```\n// What was given here.\n// ```\n",
        "let what = 1;\n",
    ];
    for text in fine {
        assert!(reasons(text).is_empty(), "{text}");
    }
    let document = paragraphs(
        "# What was given\n\n- One line\n  goes on.\n2. Who comes late waits.\n\n| What was given |\n",
    );
    let lines: Vec<(usize, &str)> = document.iter().map(|block| (block.line, block.text.as_str())).collect();
    assert_eq!(lines, [(3, "One line goes on."), (5, "Who comes late waits.")]);
    assert_eq!(
        sentences("One: Two is here; three, e.g. four. x ends."),
        ["One:", "Two is here; three, e.g. four.", "x ends."]
    );
}

#[test]
fn comments_and_documents_keep_to_the_budget() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = 0;
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    walk(root, root, &mut |name, blocks| {
        files += 1;
        let is_front = name.ends_with("/lib.rs") || name.ends_with("/mod.rs");
        for block in &blocks {
            for (reason, sentence) in faults(block) {
                let place = format!("{name}:{}: {sentence}", block.line);
                if block.is_header && is_front {
                    found.entry("headers").or_default().push(place.clone());
                }
                let kind = if reason == Reason::Long { "long" } else { "clauses_and_dialect" };
                found.entry(kind).or_default().push(place);
            }
        }
    });
    assert!(files > 500, "{files} files are found");
    let counts = found.iter().map(|(kind, places)| ((*kind).to_owned(), places.len())).collect();
    let mut wrong = held("prose", counts, 0);
    for (kind, places) in &found {
        if wrong.iter().any(|complaint| complaint.contains(&format!("] {kind}:"))) {
            wrong.push(format!("{kind}:\n    {}", places.join("\n    ")));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
