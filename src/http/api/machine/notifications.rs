//! `/api/v1/notifications`: how the rules of `[[notify]]` do, and tests of them. The rules are a setting; a page's form
//! changes one of them.

use std::sync::Arc;

use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::auth::audit::{AuditNote, noted};
use crate::http::report::wire;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::request::reply::no_store;
use crate::http::request::{body, json_body, reply};
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::{Request, Told};
use crate::http::site::preferences::SettingsInForce;
use crate::outbound::notify::Notifier;
use tallycam_config::kind;

/// The key of the rules, and the begin of the fields of a form that changes one.
pub const KEY: &str = "notify";

/// The rule to test.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct NotifyTest {
    name: String,
}

/// The answer of the other side.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct TestedReport {
    pub name: String,
    pub answer: String,
}

pub fn notifier(site: &Site) -> Result<&Notifier, Problem> {
    let none = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "there are no notifications here");
    site.notifier.as_ref().ok_or_else(none)
}

/// `GET /api/v1/notifications`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    Ok(no_store(reply::json(wire::json(&notifier(&request.site)?.report()))))
}

/// `POST /api/v1/notifications/test`.
pub async fn test(request: Request) -> Result<Response<Body>, Problem> {
    let NotifyTest { name } = body::read(&request.headers, &request.body).map_err(Problem::unprocessable)?;
    let resolved = request.site.preferences()?.in_force().resolved.clone();
    let answer = notifier(&request.site)?.test(&name, &resolved).await?;
    let tested = TestedReport { name: name.clone(), answer };
    let mut response = reply::json(wire::json(&tested));
    response.extensions_mut().insert(Told(Arc::new(tested)));
    Ok(noted(response, AuditNote::Of(name)))
}

/// The rules as a page's form changes them: `notify.was` is the name of the rule (empty: a new one), `notify.remove`
/// removes it, and each of its keys is a field. `None` for another body.
///
/// # Errors
/// There is no rule of that name any more.
pub fn rules_of_form(
    request: &Request,
    in_force: &SettingsInForce,
) -> Result<Option<Map<String, Value>>, Problem> {
    let form = json_body::form_of(&request.headers, &request.body);
    let Some((form, was)) = form.as_ref().and_then(|form| Some((form, form.get("notify.was")?))) else {
        return Ok(None);
    };
    let shown = in_force.resolved.setting(KEY).map(|setting| kind::toml_to_json(&setting.value));
    let shown: Option<Vec<Value>> = shown.and_then(|shown| serde_json::from_str(&shown).ok());
    let mut rules = shown.unwrap_or_default();
    match rules.iter().position(|rule| rule["name"] == was) {
        None if was.is_empty() => rules.push(rule_of_form(form, None)),
        None => {
            let gone = format!("there is no rule {was:?} any more: somebody has renamed or removed it");
            return Err(Problem::new(StatusCode::CONFLICT, gone).hint("load the page again"));
        }
        Some(at) if form.get("notify.remove").is_some() => drop(rules.remove(at)),
        Some(at) => rules[at] = rule_of_form(form, Some(&rules[at])),
    }
    Ok(Some(Map::from_iter([(KEY.to_owned(), Value::Array(rules))])))
}

/// The rule in the fields. An empty field is a key that is not set; user and secret of `before` stay.
fn rule_of_form(form: &Query, before: Option<&Value>) -> Value {
    let mut rule = Map::new();
    let mut days = Vec::new();
    for (name, text) in form.pairs() {
        let text = text.trim();
        match name.strip_prefix("notify.") {
            Some("days") => days.push(Value::from(text)),
            Some("was" | "no_secret") | None => {}
            Some(key) if !text.is_empty() => drop(rule.insert(key.to_owned(), Value::from(text))),
            Some(_) => {}
        }
    }
    if !days.is_empty() {
        rule.insert(String::from("days"), Value::Array(days));
    }
    for key in ["user", "secret"] {
        let own = before.map(|before| before[key].clone()).filter(Value::is_string);
        if let Some(own) = own.filter(|_| form.get("notify.no_secret").is_none()) {
            rule.entry(key).or_insert(own);
        }
    }
    Value::Object(rule)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_changes_its_rule_and_keeps_the_secret() {
        let form = |more: &str| {
            Query::parse(&format!(
                "notify.was=Shop&notify.name=+Till+&notify.place=&notify.at=07:30&notify.days=mon&\
                notify.days=sat&notify.secret=&{more}"
            ))
        };
        let before = json!({"name": "Shop", "secret": "***"});
        let rule = rule_of_form(&form(""), Some(&before));
        assert_eq!(rule, json!({"name": "Till", "at": "07:30", "days": ["mon", "sat"], "secret": "***"}));
        assert_eq!(rule_of_form(&form("notify.secret=another"), Some(&before))["secret"], "another");
        assert!(rule_of_form(&form("notify.no_secret=1"), Some(&before)).get("secret").is_none());
    }
}
