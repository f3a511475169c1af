//! The OpenAPI 3.1.0 document, generated from the table of routes, so that the two cannot differ.

pub(in crate::http) mod schemas;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::http::request::keys;
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::server::gzip;
use crate::http::server::multipart::CONTENT_TYPE_VALUE;
use crate::http::site::handler::{Changes, Content, Doc, Request, Route, Tag, Wanted};

/// `GET /api/v1/openapi.json`.
pub async fn get(request: Request) -> Response<Body> {
    // Constant while the program runs, and slower to make than any other answer here.
    static DOCUMENT: OnceCell<(Bytes, Option<Bytes>, String)> = OnceCell::const_new();
    let make = || async {
        let text = Bytes::from(document(request.table).to_string());
        let tag = format!("\"{:08x}-{:x}\"", crc32fast::hash(&text), text.len());
        let plain = text.clone();
        let compressed = tokio::task::spawn_blocking(move || gzip::best(&plain)).await;
        (text, compressed.ok().flatten(), tag)
    };
    let (text, compressed, tag) = DOCUMENT.get_or_init(make).await;
    reply::kept(&request.headers, "application/json", tag, text.clone(), || compressed.clone())
}

/// The whole document.
pub fn document(table: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in table {
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        methods[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "tallycam",
            "version": crate::http::VERSION,
            "description": "Shows what a camera sees. Addresses are relative to where the program is reached, so that \
             a prefix works. HEAD is answered wherever GET is, OPTIONS everywhere.",
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
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "A user's name and password, or any name \
                 with the admin's or the viewer's password, or a token as the password."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token."},
                "token": {"type": "apiKey", "in": "query", "name": "token", "description": "A token, for an `<img>`."},
                "session": {"type": "apiKey", "in": "cookie", "name": "tallycam_…", "description": "From `/sign-in`."},
            },
        },
    })
}

fn tag(tag: Tag, description: &str) -> Value {
    json!({"name": tag.name(), "description": description})
}

/// The possible answers of a route: its own, and the faults common to such requests.
fn responses(route: &Route) -> Map<String, Value> {
    let doc = &route.doc;
    let problem = if route.path.starts_with("/api/") { Content::Problem } else { Content::Text };
    let mut responses = Map::new();
    for (status, words, content) in doc.answers {
        let response = responses.entry(status.to_string()).or_insert_with(|| json!({"description": ""}));
        // A status may have several meanings, each with its own media type.
        let before = response["description"].as_str().unwrap_or_default();
        response["description"] =
            if before.is_empty() { json!(words) } else { json!(format!("{before} {words}")) };
        add_content(response, *content);
    }
    let mut add = |answers: &[(u16, &str)], content: Content| {
        for (status, words) in answers {
            let response =
                responses.entry(status.to_string()).or_insert_with(|| json!({"description": words}));
            add_content(response, content);
        }
    };
    match doc.body {
        Wanted::Json(_) | Wanted::LongJson(..) | Wanted::JsonOrNothing(_) => add(&BODY_PROBLEMS, problem),
        _ if doc.body != Wanted::Nothing || route.method != Method::GET => add(&BODY_PROBLEMS[..3], problem),
        _ => {}
    }
    add(&ANY_PROBLEMS, problem);
    add(&BARE_ANSWERS, Content::Nothing);
    if doc.body == Wanted::Form {
        add(&FORM_PROBLEMS, Content::Html);
        add(&FORM_PROBLEMS, problem);
    }
    if route.method != Method::GET || matches!(route.changes, Changes::Always | Changes::WithKey(_)) {
        add(&[(507, "It could not be kept: there is no room, or the disk refuses.")], problem);
    }
    if route.changes == Changes::Always {
        add(&[(422, "It is understood, and cannot be.")], problem);
    }
    // Only the operator knows whether reading needs a password.
    if route.right.role().is_some() {
        add(&PASSWORD_PROBLEMS, problem);
        if doc.tag == Tag::Pages {
            add(&[(303, "A browser is led to `/sign-in`.")], Content::Nothing);
        }
    }
    responses
}

fn add_content(response: &mut Value, content: Content) {
    for (kind, schema) in content_of(content) {
        response["content"][kind] = schema;
    }
}

/// True if the document lists this answer of `route`. Status 500 is an internal fault, which it never lists.
pub fn has(route: &Route, answered: &Result<Response<Body>, Problem>) -> bool {
    let problem = if route.path.starts_with("/api/") { "application/problem+json" } else { "text/plain" };
    let (status, kind) = match answered {
        Ok(response) => (response.status(), response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes)),
        Err(refused) => (refused.status, Some(problem.as_bytes())),
    };
    let media = |kind: &[u8]| kind.split(|byte| *byte == b';').next().map(<[u8]>::to_vec);
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        return true;
    }
    let responses = responses(route);
    let Some(response) = responses.get(status.as_str()) else { return false };
    let Some(kind) = kind.filter(|_| status != StatusCode::NOT_MODIFIED) else { return true };
    let said = response["content"].as_object();
    said.is_some_and(|kinds| kinds.keys().any(|said| media(said.as_bytes()) == media(kind)))
}

fn operation(route: &Route) -> Value {
    let doc = &route.doc;
    let (responses, asks) = (responses(route), route.right.role().is_some());
    let mut parameters: Vec<Value> = doc
        .query
        .iter()
        .map(|key| {
            // Outside the API, reading routes ignore malformed values.
            let is_lenient = !route.path.starts_with("/api/") && route.right.is_look();
            let schema = if is_lenient { keys::TEXT } else { key.may_be }.schema();
            let mut parameter = json!({"name": key.name, "in": "query", "required": key.is_needed, "description": key.about, "schema": schema});
            // Empty values count as absent: forms and scripts send fields that were not filled in.
            if !key.is_needed && !key.may_be.may_be_empty() {
                parameter["allowEmptyValue"] = true.into();
            }
            parameter
        })
        .collect();
    if route.path.contains("{id}") {
        parameters.push(json!({
            "name": "id", "in": "path", "required": true, "description": "Its number.",
            "schema": {"type": "integer", "minimum": 1},
        }));
    }
    if route.path.contains("{name}") {
        parameters.push(json!({
            "name": "name", "in": "path", "required": true, "description": "Its name.",
            "schema": {"type": "string"},
        }));
    }
    let mut operation = json!({"operationId": operation_id(route), "tags": [doc.tag.name()], "summary": doc.summary, "parameters": parameters, "responses": responses});
    operation["x-right"] = route.right.word().into();
    if asks {
        // Empty security: the camera's own machine, or no password set.
        operation["security"] = json!([{"basic": []}, {"bearer": []}, {"token": []}, {"session": []}, {}]);
    }
    if let Some(body) = request_body(doc) {
        operation["requestBody"] = body;
    }
    operation
}

/// The method name in generated clients: `get_lines_by_id` for `GET /api/v1/lines/{id}`. Other addresses have their
/// group as a prefix, because pages share names with resources.
fn operation_id(route: &Route) -> String {
    let method = route.method.as_str().to_ascii_lowercase();
    let (before, path) = match route.path.strip_prefix("/api/v1/") {
        Some(path) => (method, path),
        None => (format!("{}_{method}", route.doc.tag.name()), route.path),
    };
    let path = path.replace(['{', '}'], " ").replace(" id ", "by_id").replace(" name ", "by_name");
    let words = path.split(['/', '.', '-']).filter(|word| !word.is_empty());
    std::iter::once(before.as_str()).chain(words).collect::<Vec<_>>().join("_")
}

/// Faults of the caller of a change. A page's form is redirected to `/sign-in` instead (303).
const PASSWORD_PROBLEMS: [(u16, &str); 3] = [
    (401, "It needs the camera's password, or that was wrong."),
    (403, "It takes another role than that of who asks, or a browser sent this for another site."),
    (429, "Too many wrong passwords came from there; Retry-After says when to try again."),
];

/// Faults of any body; the first three apply to optional bodies, too.
const BODY_PROBLEMS: [(u16, &str); 5] = [
    (400, "There is no body, or it is no JSON."),
    (408, "The body did not come in time."),
    (413, "The body is longer than is ever needed."),
    (415, "The body is of a kind that is not understood."),
    (422, "The body is no object of such keys, or one of them is there twice."),
];

/// Faults of any request, before its route is reached.
const ANY_PROBLEMS: [(u16, &str); 4] = [
    (400, "A key of the query means nothing here, or is there twice; or `Host` is not there once."),
    (421, "The camera does not answer to the name in `Host`."),
    (503, "Too much is asked at once; Retry-After says when to try again."),
    (508, "It was sent by this tallycam itself."),
];

/// Answers before the request is read.
const BARE_ANSWERS: [(u16, &str); 2] = [
    (308, "The same is there by HTTPS."),
    (431, "The head of the request is longer than `max_head` under [http]."),
];

/// Faults of a page's form.
const FORM_PROBLEMS: [(u16, &str); 8] = [
    (400, "The page again: the form says nothing that is understood."),
    (403, "The page again: this is not done here, or not for who asks."),
    (409, "The page again: the operator's file sets it, or it clashes with something else."),
    (412, "The page again: somebody else has changed it meanwhile."),
    (422, "The page again, with the error."),
    (429, "The page again: too many wrong passwords; Retry-After says when to try again."),
    (503, "The page again: it cannot be done now."),
    (507, "The page again: the disk is full."),
];

fn request_body(doc: &Doc) -> Option<Value> {
    let (schema, is_required) = match doc.body {
        Wanted::Nothing => return None,
        Wanted::File => {
            // The bytes tell the kind of file. A page's form sends multipart, and programs may, too.
            let (kind, schema) = match doc.tag {
                Tag::Pages => ("multipart/form-data", json!({"type": "object"})),
                _ => ("application/octet-stream", bytes()),
            };
            let words = "`multipart/form-data` is taken, too.";
            return Some(
                json!({"required": true, "description": words, "content": {kind: {"schema": schema}}}),
            );
        }
        Wanted::Json(name) | Wanted::LongJson(name, _) => (named(name), true),
        Wanted::JsonOrNothing(name) => (named(name), false),
        Wanted::Toml => {
            let file = json!({"application/toml": {"schema": bytes()}});
            return Some(json!({"required": true, "content": file}));
        }
        Wanted::Form => {
            let form = json!({"application/x-www-form-urlencoded": {"schema": {"type": "object"}}});
            return Some(json!({"required": false, "content": form}));
        }
    };
    // A separate media type would be a second class for each body, which client generators handle badly.
    let words = "The same as `application/x-www-form-urlencoded` is taken, too, lists with commas.";
    let content = json!({"application/json": {"schema": schema}});
    Some(json!({"required": is_required, "description": words, "content": content}))
}

fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The schema of bytes. OpenAPI 3.1 needs none, but client generators then accept anything.
fn bytes() -> Value {
    json!({"type": "string", "format": "binary"})
}

/// The media types and schemas of an answer.
fn content_of(content: Content) -> Map<String, Value> {
    let text = || json!({"type": "string"});
    let kinds: Vec<(&str, Value)> = match content {
        Content::Nothing => Vec::new(),
        Content::Text => vec![("text/plain", text())],
        Content::Html => vec![("text/html", text())],
        Content::Jpeg => vec![("image/jpeg", bytes())],
        Content::Svg => vec![("image/svg+xml", bytes())],
        Content::Multipart => vec![(CONTENT_TYPE_VALUE, bytes())],
        Content::Events => vec![(crate::http::api::counting::events::CONTENT_TYPE_VALUE, text())],
        Content::OneOf(kinds) => kinds.iter().map(|kind| (*kind, bytes())).collect(),
        Content::Database => vec![("application/vnd.sqlite3", bytes())],
        Content::Metrics => vec![(crate::http::api::camera::metrics::CONTENT_TYPE, text())],
        Content::Json(schema) => vec![("application/json", named(schema))],
        Content::JsonOrCsv(schema) => vec![("application/json", named(schema)), ("text/csv", text())],
        Content::Toml => vec![("application/toml", bytes())],
        Content::AnyJson => vec![("application/json", json!({"type": "object"}))],
        Content::Problem => vec![("application/problem+json", named("Problem"))],
    };
    kinds.into_iter().map(|(media, schema)| (media.to_owned(), json!({"schema": schema}))).collect()
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
    use crate::http::routes::ROUTES;
    use std::collections::BTreeSet;

    #[test]
    fn document_and_router_name_the_same_routes() {
        let document = document(ROUTES);
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
    fn every_operation_has_a_unique_name() {
        let names: BTreeSet<String> = ROUTES.iter().map(operation_id).collect();
        assert_eq!(names.len(), ROUTES.len());
        assert!(names.contains("get_lines_by_id") && names.contains("pages_get_lines"), "{names:?}");
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        for name in names {
            assert!(name.chars().all(is_word), "{name}");
        }
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
        let document = document(ROUTES);
        let mut found = BTreeSet::new();
        refs(&document, &mut found);
        assert!(found.len() >= 5, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(
                document.pointer(pointer).is_some_and(|schema| {
                    schema["type"].is_string() || schema["anyOf"].is_array() || schema["oneOf"].is_array()
                }),
                "{reference}"
            );
        }
    }

    /// Client generators derive the class names of unnamed schemas from their position.
    #[test]
    fn no_two_inline_schemas_get_the_same_name() {
        fn words(name: &str) -> String {
            name.split(|c: char| !c.is_ascii_alphanumeric())
                .map(|word| match word.chars().next() {
                    Some(first) => first.to_ascii_uppercase().to_string() + &word[1..],
                    None => String::new(),
                })
                .collect()
        }
        fn inline(name: String, schema: &Value, names: &mut Vec<String>) {
            let is_class = schema["properties"].is_object() || schema["enum"].is_array();
            if is_class {
                names.push(name.clone());
            }
            for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
                inline(name.clone() + &words(key), inner, names);
            }
            for (key, end) in [("items", "Item"), ("additionalProperties", "AdditionalProperty")] {
                if schema[key].is_object() {
                    inline(name.clone() + end, &schema[key], names);
                }
            }
            for key in ["anyOf", "oneOf", "allOf"] {
                for (n, inner) in schema[key].as_array().into_iter().flatten().enumerate() {
                    inline(format!("{name}Type{n}"), inner, names);
                }
            }
        }
        let document = document(ROUTES);
        let mut names = Vec::new();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            inline(words(name), schema, &mut names);
        }
        let single: BTreeSet<&String> = names.iter().collect();
        let twice: Vec<_> =
            names.iter().filter(|name| names.iter().filter(|n| n == name).count() > 1).collect();
        assert_eq!(single.len(), names.len(), "{twice:?}");
    }

    #[test]
    fn every_operation_has_answers_and_a_known_tag() {
        let document = document(ROUTES);
        let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|t| t["name"].clone()).collect();
        for methods in document["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                assert!(!operation["responses"].as_object().unwrap().is_empty());
                assert!(tags.contains(&operation["tags"][0]));
            }
        }
    }
}
