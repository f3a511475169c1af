//! A parsed file, TOML or YAML, as one kind of tree. Every value knows its line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The line where it begins, from 1.
    pub line: usize,
    /// Its byte range in the text; empty for YAML.
    pub span: Range<usize>,
    pub value: NodeValue,
}

/// The content of a [`Node`].
#[derive(Debug, Clone, PartialEq)]
pub enum NodeValue {
    /// YAML's null.
    Nothing,
    /// Text; in YAML also an unquoted scalar.
    Text(String),
    Bool(bool),
    /// A number or date of TOML.
    Other,
    List(Vec<Node>),
    Table(Table),
}

/// Rows of key, line of the key, and value.
pub type Table = Vec<(String, usize, Node)>;

/// The value of `name`.
pub fn get<'t>(table: &'t Table, name: &str) -> Option<&'t Node> {
    table.iter().find(|(key, ..)| key == name).map(|(.., node)| node)
}

/// Parses `text`.
///
/// # Errors
/// The line and the message of the first fault.
pub fn toml(text: &str) -> Result<Table, (usize, String)> {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(1, |span| line(span.start));
        (at, error.message().trim_end_matches('.').replace('\n', ", "))
    })?;
    let lines: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    Ok(from_table(table.get_ref(), &|at| lines.partition_point(|start| *start <= at)))
}

fn from_table(table: &DeTable<'_>, line: &dyn Fn(usize) -> usize) -> Table {
    let row = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &Spanned<std::borrow::Cow<'_, str>> = name;
        (name.get_ref().to_string(), line(name.span().start), from_value(value, line))
    };
    let mut rows: Table = table.iter().map(row).collect();
    rows.sort_by_key(|(_, line, _)| *line);
    rows
}

fn from_value(value: &Spanned<DeValue<'_>>, line: &dyn Fn(usize) -> usize) -> Node {
    let what = match value.get_ref() {
        DeValue::String(text) => NodeValue::Text(text.to_string()),
        DeValue::Boolean(is_true) => NodeValue::Bool(*is_true),
        DeValue::Array(all) => NodeValue::List(all.iter().map(|one| from_value(one, line)).collect()),
        DeValue::Table(table) => NodeValue::Table(from_table(table, line)),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => NodeValue::Other,
    };
    Node { line: line(value.span().start), span: value.span(), value: what }
}
