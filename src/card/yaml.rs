//! Parses YAML: one document of mappings, lists and scalars. Depth and number of values are bounded. Aliases are
//! refused, so that a few lines cannot stand for millions of values.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::tree::{Node, NodeValue, Table};

/// Maximum depth.
const DEEPEST: usize = 20;

/// Maximum number of values.
const MOST: usize = 5000;

/// An unfinished list, or an unfinished mapping with the key that waits for its value. Each has its line.
enum OpenNode {
    List(usize, Vec<Node>),
    Mapping(usize, Table, Option<(String, usize)>),
}

/// Parses `text`. The top must be a mapping; an empty text is an empty mapping.
///
/// # Errors
/// The line and the message of the first fault.
pub fn parse(text: &str) -> Result<Table, (usize, String)> {
    let mut open: Vec<OpenNode> = Vec::new();
    let mut top: Option<Node> = None;
    let mut count = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| (error.marker().line(), error.info().to_owned()))?;
        let line = span.start.line();
        let fault = |what: &str| Err((line, what.to_owned()));
        count += 1;
        if count > 2 * MOST {
            return fault("there are too many values");
        }
        let node = |value: NodeValue| Node { line, span: 0..0, value };
        let done = match event {
            Event::Alias(_) => return fault("aliases (*) are not read"),
            Event::DocumentStart(_) if top.is_some() => return fault("a second document is not read"),
            Event::Scalar(text, style, ..) => node(scalar(&text, style)),
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= DEEPEST => {
                return fault("it is nested too deep");
            }
            Event::SequenceStart(..) => {
                open.push(OpenNode::List(line, Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(OpenNode::Mapping(line, Table::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(OpenNode::List(line, all)) => Node { line, span: 0..0, value: NodeValue::List(all) },
                Some(OpenNode::Mapping(line, table, _)) => {
                    Node { line, span: 0..0, value: NodeValue::Table(table) }
                }
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            None => top = Some(done),
            Some(OpenNode::List(_, all)) => all.push(done),
            Some(OpenNode::Mapping(_, table, key)) => match (key.take(), done) {
                (Some((name, line)), done) => table.push((name, line, done)),
                (None, Node { line, value: NodeValue::Text(name), .. }) => *key = Some((name, line)),
                (None, _) => return fault("a key has to be text"),
            },
        }
    }
    match top {
        None | Some(Node { value: NodeValue::Nothing, .. }) => Ok(Table::new()),
        Some(Node { value: NodeValue::Table(table), .. }) => Ok(table),
        Some(Node { line, .. }) => Err((line, String::from("keys and values are expected (`key: value`)"))),
    }
}

fn scalar(text: &str, style: ScalarStyle) -> NodeValue {
    if style != ScalarStyle::Plain {
        return NodeValue::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => NodeValue::Nothing,
        // The words that PyYAML and users of libyaml read as booleans.
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => NodeValue::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => NodeValue::Bool(false),
        text => NodeValue::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::card::tree::get;

    #[test]
    fn nested_values_have_their_lines() {
        let table = parse("# x\na: 1\nb:\n  - \"c\\xE9\"\n  - {d: no}\n").unwrap();
        assert_eq!(get(&table, "a").unwrap().value, NodeValue::Text("1".into()));
        let NodeValue::List(all) = &get(&table, "b").unwrap().value else { panic!("no list") };
        assert_eq!((all[0].line, &all[0].value), (4, &NodeValue::Text("c\u{e9}".into())));
        let NodeValue::Table(inner) = &all[1].value else { panic!("no table") };
        assert_eq!(get(inner, "d").unwrap().value, NodeValue::Bool(false));
        assert_eq!(parse("# nothing\n"), Ok(Table::new()));
    }

    #[test]
    fn deep_long_and_aliased_texts_are_refused() {
        let bomb = "a: &a [x,x]\nb: &b [*a,*a]\n";
        assert_eq!(parse(bomb).unwrap_err(), (2, String::from("aliases (*) are not read")));
        assert!(parse(&"[".repeat(40)).is_err());
        let deep = format!("a: {}{}", "[".repeat(30), "]".repeat(30));
        assert!(parse(&deep).unwrap_err().1.contains("deep"));
        assert!(parse(&format!("a: [{}]", "x,".repeat(20_000))).unwrap_err().1.contains("too many"));
        for nonsense in
            ["- a\n", "just text", "a: b: c: d", "a: [", "\t- x", "{a: 1}\n---\n{b: 2}", "? [x]\n: 1\n"]
        {
            assert!(parse(nonsense).is_err(), "{nonsense}");
        }
    }
}
