//! Facts about a model from the `metadata_props` of its file. Ultralytics, NanoDet, Transformers and others write
//! class names there, as a Python literal or as JSON.

use crate::onnx::OnnxHeader;

/// Maximum number of class names.
const MOST_LABELS: usize = 10_000;
/// Maximum characters of a name.
const LONGEST_LABEL: usize = 100;
/// Maximum depth of nested lists.
const DEEPEST: usize = 8;

/// Keys that hold class names.
const NAMES: [&str; 9] = [
    "names",
    "classes",
    "class_names",
    "labels",
    "label_names",
    "id2label",
    "categories",
    "dataset_meta",
    "label_map",
];

/// Facts from the model's file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ModelMetadata {
    /// Class names in order.
    pub names: Option<Vec<String>>,
    /// The task in Ultralytics' words: `detect`, `segment`, `pose` …
    pub task: Option<String>,
    /// A sentence about the model; may be empty.
    pub about: String,
    /// The licence; may be empty.
    pub licence: String,
}

pub(super) fn read_facts(origin: &OnnxHeader) -> ModelMetadata {
    let get = |name: &str| {
        let found = origin.properties.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let text = |name: &str| get(name).map(|value| normalise_text(value, 200)).unwrap_or_default();
    ModelMetadata {
        names: NAMES.iter().find_map(|name| names(get(name)?)),
        task: get("task").map(|task| normalise_text(task, 20).to_ascii_lowercase()),
        about: text("description"),
        licence: text("license"),
    }
}

fn normalise_text(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
    plain.trim().to_owned()
}

/// A literal of Python or JSON.
#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Text(String),
    Number(i64),
    List(Vec<Literal>),
    Pairs(Vec<(Literal, Literal)>),
    Other,
}

/// Class names in `value`: a list, a dictionary in either direction, one of these nested in another, or names
/// separated by commas or newlines.
fn names(value: &str) -> Option<Vec<String>> {
    let mut reader = LiteralReader { rest: value.trim() };
    let is_literal = value.trim_start().starts_with(['{', '[', '(']);
    let names = match reader.value(0).filter(|_| is_literal && reader.rest.trim().is_empty()) {
        Some(literal) => parse_names(&literal)?,
        None if is_literal => return None,
        None => value
            .split(['\n', ','])
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    };
    let is_few = (1..=MOST_LABELS).contains(&names.len());
    is_few.then(|| {
        let named = names.iter().enumerate().map(|(at, name)| match normalise_text(name, LONGEST_LABEL) {
            empty if empty.is_empty() => format!("class {at}"),
            name => name,
        });
        named.collect()
    })
}

fn parse_names(literal: &Literal) -> Option<Vec<String>> {
    match literal {
        Literal::List(items) => items
            .iter()
            .map(|item| match item {
                Literal::Text(name) => Some(name.clone()),
                Literal::Number(number) => Some(number.to_string()),
                // {"id": 1, "name": "person"}
                Literal::Pairs(pairs) => pairs.iter().find_map(|pair| match pair {
                    (Literal::Text(key), Literal::Text(name)) if key == "name" => Some(name.clone()),
                    _ => None,
                }),
                _ => None,
            })
            .collect(),
        Literal::Pairs(pairs) => {
            let numbered: Option<Vec<(usize, String)>> = pairs
                .iter()
                .map(|pair| match pair {
                    (Literal::Number(number), Literal::Text(name))
                    | (Literal::Text(name), Literal::Number(number)) => {
                        Some((usize::try_from(*number).ok()?, name.clone()))
                    }
                    (Literal::Text(number), Literal::Text(name)) => {
                        Some((number.parse().ok()?, name.clone()))
                    }
                    _ => None,
                })
                .collect();
            let is_few = |numbered: &Vec<(usize, String)>| numbered.iter().all(|(at, _)| *at < MOST_LABELS);
            let Some(numbered) = numbered.filter(is_few) else {
                // {"classes": ("person", …), "palette": …}
                return pairs.iter().find_map(|(key, value)| match key {
                    Literal::Text(key) if NAMES.contains(&key.to_ascii_lowercase().as_str()) => {
                        parse_names(value)
                    }
                    _ => None,
                });
            };
            let count = numbered.iter().map(|(number, _)| number + 1).max()?;
            let mut names = vec![String::new(); count];
            for (number, name) in numbered {
                names[number] = name;
            }
            Some(names)
        }
        _ => None,
    }
}

/// Parses literals from the start of a text.
struct LiteralReader<'t> {
    rest: &'t str,
}

impl LiteralReader<'_> {
    fn skip_char(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Literal> {
        if depth > DEEPEST {
            return None;
        }
        for (open, close) in [('[', ']'), ('(', ')'), ('{', '}')] {
            if self.skip_char(open) {
                return self.read_items(close, depth);
            }
        }
        for quote in ['"', '\''] {
            if self.skip_char(quote) {
                return self.read_text(quote).map(Literal::Text);
            }
        }
        let end = self.rest.find([',', ':', ']', ')', '}']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let word = word.trim();
        (!word.is_empty()).then(|| word.parse().map_or(Literal::Other, Literal::Number))
    }

    fn read_items(&mut self, close: char, depth: usize) -> Option<Literal> {
        let (mut items, mut pairs) = (Vec::new(), Vec::new());
        while !self.skip_char(close) {
            let item = self.value(depth + 1)?;
            if close == '}' && self.skip_char(':') {
                pairs.push((item, self.value(depth + 1)?));
            } else {
                items.push(item);
            }
            if !self.skip_char(',') && !self.rest.trim_start().starts_with(close) {
                return None;
            }
        }
        Some(if pairs.is_empty() { Literal::List(items) } else { Literal::Pairs(pairs) })
    }

    fn read_text(&mut self, quote: char) -> Option<String> {
        let mut out = String::new();
        let mut letters = self.rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => match letters.next()?.1 {
                    'u' => {
                        let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                        out.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
                    }
                    'n' | 't' | 'r' => out.push(' '),
                    other => out.push(other),
                },
                end if end == quote => {
                    self.rest = &self.rest[at + end.len_utf8()..];
                    return Some(out);
                }
                other => out.push(other),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_exporters_write_them() {
        for written in [
            "{0: 'a b', 1: \"it's\"}",
            "['a b', \"it's\"]",
            "('a b', 'it\\'s',)",
            r#"{"0": "a b", "1": "it's"}"#,
            r#"["a b", "it\u0027s"]"#,
            "{'a b': 0, \"it's\": 1}",
            "{'classes': ('a b', \"it's\"), 'palette': [(220, 20, 60), (1, 2, 3.5)], 'x': None}",
            r#"[{"id": 0, "name": "a b", "supercategory": null}, {"id": 1, "name": "it's"}]"#,
            "a b, it's",
            "a b\nit's\n",
        ] {
            assert_eq!(
                names(written).as_deref(),
                Some(&["a b".to_owned(), "it's".to_owned()][..]),
                "{written}"
            );
        }
        assert_eq!(names("{0: 'a', 2: 'c'}").unwrap()[1], "class 1");
        assert_eq!(names("['a\nb']").unwrap(), ["a b"]);
        let deep = "[".repeat(100_000);
        for none in [
            "",
            "[]",
            "{}",
            "{0: 'a'",
            "{'18446744073709551615': 'a'}",
            "{99999999: 'a'}",
            "['a' 'b']",
            "[None]",
            &deep,
        ] {
            assert_eq!(names(none), None, "{none:.20}");
        }
    }

    #[test]
    fn the_metadata_of_ultralytics_are_read() {
        let properties = [
            ("description", "Ultralytics YOLO11n model"),
            ("task", "detect"),
            ("stride", "32"),
            ("names", "{0: 'person'}"),
        ];
        let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let facts = read_facts(&OnnxHeader { producer: String::from("pytorch"), properties });
        assert_eq!((facts.names.unwrap()[0].as_str(), facts.task.as_deref()), ("person", Some("detect")));
        assert_eq!(facts.about, "Ultralytics YOLO11n model");
    }
}
