//! The document of the API (OpenAPI 3.1.0), made from the table of routes, so that the two
//! cannot differ.

use serde_json::{Map, Value, json};

use super::route::{Content, Doc, ROUTES, Tag};
use super::state::{StateReport, ViewerReport};
use super::stream::CONTENT_TYPE_VALUE;

/// The whole document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        methods[route.method.as_str().to_ascii_lowercase()] = operation(&route.doc);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "tallycam",
            "version": super::VERSION,
            "description": "Shows what a camera sees. Addresses are relative to where the program is reached, so that a prefix works. HEAD is answered wherever GET is, OPTIONS everywhere.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "../.."}],
        "tags": [
            tag(Tag::Pictures, "Streams and single pictures."),
            tag(Tag::Api, "What programs ask for."),
            tag(Tag::Legacy, "What older programs offered, unchanged."),
            tag(Tag::Pages, "Pages for people."),
        ],
        "paths": paths,
        "components": {"schemas": {
            "State": StateReport::schema(),
            "Viewer": ViewerReport::schema(),
            "Problem": {
                "type": "object",
                "required": ["type", "title", "status", "detail"],
                "properties": {
                    "type": {"type": "string", "format": "uri-reference"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "hint": {"type": "string"},
                },
            },
            "StreamStatus": {
                "type": "object",
                "required": ["status"],
                "properties": {
                    "status": {"type": "string", "enum": ["started", "already_running", "error", "stopped"]},
                    "message": {"type": "string"},
                },
            },
            "Counts": {
                "type": "object",
                "required": ["in_count", "out_count"],
                "properties": {
                    "in_count": {"type": "integer", "minimum": 0},
                    "out_count": {"type": "integer", "minimum": 0},
                },
            },
        }},
    })
}

fn tag(tag: Tag, description: &str) -> Value {
    json!({"name": tag.name(), "description": description})
}

fn operation(doc: &Doc) -> Value {
    let mut responses = Map::new();
    for (status, words, content) in doc.answers {
        let mut response = json!({"description": words});
        if let Some((media, schema)) = media(*content) {
            response["content"] = json!({media: {"schema": schema}});
        }
        responses.insert(status.to_string(), response);
    }
    let parameters: Vec<Value> = doc
        .query
        .iter()
        .map(|(name, words)| {
            json!({"name": name, "in": "query", "required": false, "description": words, "schema": {"type": "string"}})
        })
        .collect();
    json!({"tags": [doc.tag.name()], "summary": doc.summary, "parameters": parameters, "responses": responses})
}

/// The media type and schema of a body. Bytes have an empty schema (OpenAPI 3.1 §4.8.14).
fn media(content: Content) -> Option<(&'static str, Value)> {
    let named = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    Some(match content {
        Content::Nothing => return None,
        Content::Text => ("text/plain", json!({"type": "string"})),
        Content::Html => ("text/html", json!({"type": "string"})),
        Content::Jpeg => ("image/jpeg", json!({})),
        Content::Svg => ("image/svg+xml", json!({})),
        Content::Multipart => (CONTENT_TYPE_VALUE, json!({})),
        Content::Metrics => (super::metrics::CONTENT_TYPE, json!({"type": "string"})),
        Content::Json(schema) => ("application/json", named(schema)),
        Content::AnyJson => ("application/json", json!({"type": "object"})),
        Content::Problem => ("application/problem+json", named("Problem")),
    })
}

impl Tag {
    fn name(self) -> &'static str {
        match self {
            Tag::Pages => "pages",
            Tag::Pictures => "pictures",
            Tag::Api => "api",
            Tag::Legacy => "legacy",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn document_and_router_name_the_same_routes() {
        let document = document();
        let named: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(move |m| (path.clone(), m.to_ascii_uppercase()))
            })
            .collect();
        let routed: BTreeSet<(String, String)> =
            ROUTES.iter().map(|r| (r.path.to_owned(), r.method.to_string())).collect();
        assert_eq!(named, routed);
        assert_eq!(routed.len(), ROUTES.len());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn refs(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").map(|r| r.as_str().unwrap().to_owned()));
                    map.values().for_each(|v| refs(v, found));
                }
                Value::Array(list) => list.iter().for_each(|v| refs(v, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = BTreeSet::new();
        refs(&document, &mut found);
        assert!(found.len() >= 5, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(
                document.pointer(pointer).is_some_and(|schema| schema["type"] == "object"),
                "{reference}"
            );
        }
    }

    #[test]
    fn every_operation_has_answers_and_a_known_tag() {
        let document = document();
        let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|t| t["name"].clone()).collect();
        for methods in document["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                assert!(!operation["responses"].as_object().unwrap().is_empty());
                assert!(tags.contains(&operation["tags"][0]));
            }
        }
    }
}
