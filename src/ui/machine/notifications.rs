//! The page Notifications: rules, each with a form and a test, and the last deliveries.

use std::fmt::Write;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::{Head, LocalClock, Reader, ReturnedForm};
use crate::ui::form::{field, form_to, lock};
use crate::ui::format::{format_when, second, sentence, to_zoned};
use crate::ui::frame::{PageFrame, Tab, options, refusal_html};
use tallycam_config::kind::WEEKDAYS;
use tallycam_config::{NotifyRule, RuleTo, RuleWhen, show_duration};

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct NotificationsPage {
    pub head: Head,
    pub clock: LocalClock,
    pub rules: Vec<RuleRow>,
    /// The last deliveries, newest first.
    pub deliveries: Vec<DeliveryRow>,
    /// The names of lines and zones.
    pub places: Vec<String>,
    /// The place in the operator's file that pins the rules.
    pub pinned: Option<String>,
    /// The state of MQTT; `None` if it is off.
    pub mqtt: Option<MqttFacts>,
    /// The test that was just sent: its rule, and what the other side answered.
    pub tested: Option<(String, String)>,
}

/// The state of MQTT.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttFacts {
    /// `PREFIX/ID`.
    pub topic: String,
    /// A sentence.
    pub words: String,
    pub hint: Option<String>,
    pub is_faulty: bool,
}

/// A rule and how it does.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleRow {
    /// The rule; address and secret are hidden.
    pub rule: NotifyRule,
    /// Why it does not work.
    pub fault: Option<String>,
    pub hint: Option<String>,
    /// The time of the oldest message that has not arrived.
    pub behind_since_us: Option<u64>,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRow {
    pub time_us: u64,
    pub rule: String,
    pub text: String,
    pub has_arrived: bool,
    pub answer: String,
    pub tries: u32,
}

const WHEN: [(&str, &str); 5] = [
    ("crossing", "a line is crossed"),
    ("above", "more are inside than"),
    ("quiet", "nothing is counted in opening hours"),
    ("trouble", "camera, counting or disk have a fault"),
    ("daily", "it is time for the day's counts"),
];

const TO: [(&str, &str); RuleTo::WORDS.len()] = [
    ("webhook", "Webhook (CloudEvents)"),
    ("ntfy", "ntfy, plain text"),
    ("email", "E-mail"),
    ("mqtt", "MQTT topic (CloudEvents)"),
];

/// The address of the page, which follows each form.
const PAGE: &str = "notifications";

/// The page as HTML, at `notifications`.
pub fn notifications_page(page: &NotificationsPage) -> String {
    let returned = page.head.returned.as_deref();
    let is_edit = |form: &&ReturnedForm| form.action == "api/v1/settings";
    let refused = returned.and_then(|form| form.refusal.as_ref()).map(refusal_html).unwrap_or_default();
    let edited = returned.filter(is_edit);
    let tested = page.tested.as_ref().map(|(rule, answer)| {
        format!(
            "<div class=\"banner\" role=\"status\" id=\"tested\"><p><b>The test of {} has arrived.</b> The other side \
             answered {}</p></div>\n",
            Text(rule),
            Text(&sentence(answer))
        )
    });
    let pinned = page.pinned.as_ref().map(|place| {
        format!(
            "<div class=\"banner\"><p>The rules are set in {}, and can be changed only there.</p></div>\n",
            Text(place)
        )
    });
    let mut rules = String::new();
    for (at, row) in page.rules.iter().enumerate() {
        rules.push_str(&rule_panel(page, at, Some(row), edited));
    }
    if page.pinned.is_none() {
        rules.push_str(&rule_panel(page, page.rules.len(), None, edited));
    }
    let places: String =
        page.places.iter().map(|name| format!("<option value=\"{}\"></option>", Text(name))).collect();
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>Notifications</h1><p class=\"lead muted\">Rules \
         about messages to others.</p></div>\n{refused}{}{}<datalist \
         id=\"places\">{places}</datalist>\n{rules}{}{}</main>\n",
        tested.unwrap_or_default(),
        pinned.unwrap_or_default(),
        mqtt(page.mqtt.as_ref()),
        deliveries(page),
    );
    PageFrame::new(&page.head, Tab::Notifications, "Notifications", &["page.js", "head.js"])
        .for_changes_by(Reader::Admin)
        .render(&main)
}

/// The panel of the rule in the place `at`, or of a new one.
fn rule_panel(
    page: &NotificationsPage,
    at: usize,
    row: Option<&RuleRow>,
    edited: Option<&ReturnedForm>,
) -> String {
    let was = row.map_or("", |row| &row.rule.name);
    let edited = edited.filter(|form| form.get("notify.was") == Some(was));
    let head = row.map_or("New rule", |row| &row.rule.name);
    let open = if edited.is_some() || (row.is_none() && page.rules.is_empty()) { " open" } else { "" };
    let (test, state) = row.map_or_else(Default::default, |row| (test_form(&row.rule, at), state(page, row)));
    let form = match page.pinned {
        Some(_) => String::new(),
        None => rule_form(page, at, row.map(|row| &row.rule), edited),
    };
    format!(
        "<details class=\"panel\" id=\"rule-{at}\"{open}><summary><h2>{}</h2> {state}</summary>{form}{test}\
         </details>\n",
        Text(head)
    )
}

/// How a rule does, beside its name.
fn state(page: &NotificationsPage, row: &RuleRow) -> String {
    let Some(fault) = &row.fault else { return String::from("<span class=\"small muted\">works</span>") };
    let zone = &page.clock.zone;
    let behind = row.behind_since_us.map(|us| {
        let when = format_when(&to_zoned(us, zone), &to_zoned(page.clock.now_us, zone));
        format!(" Waiting since {when}.")
    });
    let hint = row.hint.as_deref().map(|hint| format!(" {}", sentence(hint))).unwrap_or_default();
    let words = format!("{}{hint}{}", sentence(fault), behind.unwrap_or_default());
    format!("<span class=\"small bad\">{}</span>", MarkedText(&words))
}

fn test_form(rule: &NotifyRule, at: usize) -> String {
    format!(
        "{}{}<p class=\"row\"><button class=\"btn\" aria-label=\"Test {name}\">Test</button> <small \
         class=\"hint\">Sends a message now, as it is saved</small></p></form>",
        form_to("post", "api/v1/notifications/test", &format!("{PAGE}#rule-{at}"), ""),
        field("name", &rule.name),
        name = Text(&rule.name),
    )
}

/// The form of one rule, with the typed values of a refused one.
fn rule_form(
    page: &NotificationsPage,
    at: usize,
    rule: Option<&NotifyRule>,
    edited: Option<&ReturnedForm>,
) -> String {
    let value = |key: &str, own: String| {
        edited.and_then(|form| form.get(&format!("notify.{key}"))).map_or(own, str::to_owned)
    };
    let input = |key: &str, label: &str, hint: &str, own: String, more: &str| {
        format!(
            "<p class=\"field\"><label for=\"{key}-{at}\">{label}</label><input id=\"{key}-{at}\" \
             name=\"notify.{key}\" value=\"{}\" aria-describedby=\"{key}-{at}-hint\"{more}><small class=\"hint\" \
             id=\"{key}-{at}-hint\">{hint}</small></p>",
            Text(&value(key, own))
        )
    };
    let select = |key: &str, label: &str, choices: &[(&str, &str)], own: &str| {
        format!(
            "<p class=\"field\"><label for=\"{key}-{at}\">{label}</label><select id=\"{key}-{at}\" \
             name=\"notify.{key}\">{}</select></p>",
            options(choices, &value(key, own.to_owned()))
        )
    };
    let of = |own: fn(&NotifyRule) -> String| rule.map(own).unwrap_or_default();
    let number = |number: u32| if number == 0 { String::new() } else { number.to_string() };
    let [locked, unlocked] = lock(page.head.reader, Reader::Admin);
    let mut html = form_to("patch", "api/v1/settings", &format!("{PAGE}#rule-{at}"), "");
    let _ = write!(html, "{}{locked}", field("notify.was", rule.map_or("", |rule| &rule.name)));
    html.push_str(&input(
        "name",
        "Name",
        "Unique",
        of(|rule| rule.name.clone()),
        " required maxlength=\"60\"",
    ));
    html.push_str(&select("when", "When", &WHEN, rule.map_or("crossing", |rule| rule.when.as_str())));
    let place = of(|rule| rule.place.clone().unwrap_or_default());
    html.push_str(&input(
        "place",
        "Line or zone",
        "Empty: every line",
        place,
        " list=\"places\" maxlength=\"60\"",
    ));
    let more_than = rule.map_or_else(String::new, |rule| match rule.when {
        RuleWhen::Above => rule.more_than.to_string(),
        _ => number(rule.more_than),
    });
    html.push_str(&input(
        "more_than",
        "More than",
        "Of those inside",
        more_than,
        " type=\"number\" min=\"0\"",
    ));
    let lasting = rule.map_or_else(|| String::from("5m"), |rule| show_duration(rule.lasting));
    html.push_str(&input("for", "For", "How long it lasts, such as 5m", lasting, ""));
    let open = rule.map_or(0, |rule| rule.open).to_string();
    let close = rule.map_or(24, |rule| rule.close).to_string();
    html.push_str(&input(
        "open",
        "Opens at",
        "The hour, for opening hours",
        open,
        " type=\"number\" min=\"0\" max=\"23\"",
    ));
    html.push_str(&input("close", "Closes at", "The hour", close, " type=\"number\" min=\"1\" max=\"24\""));
    html.push_str(&days(at, rule, edited));
    let time = rule.map_or_else(|| String::from("20:00"), NotifyRule::at_in_words);
    html.push_str(&input("at", "Time of day", "For the day's counts", time, " type=\"time\""));
    html.push_str(&select("to", "To", &TO, rule.map_or("webhook", |rule| rule.to.as_str())));
    let address = of(|rule| rule.address.clone());
    let hint = "A URL, whose path is not shown again; an e-mail address, or a topic";
    html.push_str(&input("address", "Address", hint, address, " required"));
    html.push_str(&mail_and_secret(rule, input));
    let name = rule.map_or("the new rule", |rule| &rule.name);
    let remove = match rule {
        Some(_) => format!(
            " <button class=\"btn danger\" name=\"notify.remove\" value=\"1\" formnovalidate aria-label=\"Delete \
             {}\">Delete</button>",
            Text(name)
        ),
        None => String::new(),
    };
    let _ = write!(
        html,
        "<p class=\"row\"><button class=\"btn main\" aria-label=\"Save {}\">Save</button>{remove}</p>{unlocked}</form>",
        Text(name)
    );
    html
}

/// The fields of a mail server, and of the secrets.
fn mail_and_secret(
    rule: Option<&NotifyRule>,
    input: impl Fn(&str, &str, &str, String, &str) -> String,
) -> String {
    let of = |own: fn(&NotifyRule) -> &Option<String>| rule.and_then(|rule| own(rule).clone());
    let hint = "For e-mail: smtps://mail.example.org, or smtp:// for STARTTLS";
    let mut html = input("server", "Mail server", hint, of(|rule| &rule.server).unwrap_or_default(), "");
    let from = of(|rule| &rule.from).unwrap_or_default();
    html.push_str(&input("from", "From", "The sender of e-mails. Empty: the user, or the address", from, ""));
    let (has_user, has_secret) = (of(|rule| &rule.user).is_some(), of(|rule| &rule.secret).is_some());
    const STAYS: &str = "Is set. Empty: it stays, with the same host";
    let hint = if has_user { STAYS } else { "That the mail server knows" };
    html.push_str(&input("user", "User", hint, String::new(), " autocomplete=\"off\" maxlength=\"256\""));
    let hint = match has_secret {
        true => STAYS,
        false => "Signs each message of a webhook; the token of an ntfy server; the user's password",
    };
    let kind = " type=\"password\" autocomplete=\"off\"";
    html.push_str(&input("secret", "Secret", hint, String::new(), kind));
    if has_user || has_secret {
        html.push_str(
            "<p><label class=\"tick\"><input type=\"checkbox\" name=\"notify.no_secret\" value=\"1\"> Remove \
             user and secret</label></p>",
        );
    }
    html
}

/// The ticks of the open days.
fn days(at: usize, rule: Option<&NotifyRule>, edited: Option<&ReturnedForm>) -> String {
    let mut html = String::from("<fieldset class=\"field\"><legend>Open days</legend>");
    for (n, day) in WEEKDAYS.iter().enumerate() {
        let is_typed =
            |form: &ReturnedForm| form.fields.iter().any(|(name, text)| name == "notify.days" && text == day);
        let is_open = edited.map_or_else(|| rule.is_none_or(|rule| rule.days[n]), is_typed);
        let checked = if is_open { " checked" } else { "" };
        let label = [day[..1].to_uppercase().as_str(), &day[1..]].concat();
        let _ = write!(
            html,
            "<label class=\"tick\"><input type=\"checkbox\" name=\"notify.days\" id=\"{day}-{at}\" \
             value=\"{day}\"{checked}> {label}</label> "
        );
    }
    html + "</fieldset>"
}

/// The state of MQTT, with the way to its settings.
fn mqtt(facts: Option<&MqttFacts>) -> String {
    let state = facts.map_or_else(
        || String::from("<p class=\"muted\">Off: no broker is set.</p>"),
        |facts| {
            let class = if facts.is_faulty { "bad" } else { "muted" };
            let hint = facts.hint.as_deref().map(|hint| format!(" {}", sentence(hint))).unwrap_or_default();
            let words = format!("{}{hint}", sentence(&facts.words));
            let topic = Text(&facts.topic);
            format!("<p class=\"{class}\">{}</p><p>Topics: <code>{topic}/…</code></p>", MarkedText(&words))
        },
    );
    format!(
        "<section class=\"panel\" aria-labelledby=\"mqtt-head\"><h2 id=\"mqtt-head\">MQTT</h2>{state}<p><a \
         href=\"settings#mqtt\">Settings of MQTT</a></p></section>\n"
    )
}

fn deliveries(page: &NotificationsPage) -> String {
    let zone = &page.clock.zone;
    let mut rows = String::new();
    for row in &page.deliveries {
        let at = to_zoned(row.time_us, zone);
        let tries = if row.tries > 1 { format!(", {} tries", row.tries) } else { String::new() };
        let class = if row.has_arrived { "muted" } else { "bad" };
        let _ = write!(
            rows,
            "<li><time>{}</time> <span>{}</span> <span>{}</span> <span class=\"{class}\">{}{tries}</span></li>",
            second(&at),
            Text(&row.rule),
            Text(&row.text),
            Text(&row.answer),
        );
    }
    let list = match page.deliveries.is_empty() {
        true => String::from("<p class=\"muted\">Nothing has been sent since the start.</p>"),
        false => format!("<ol class=\"acts\">{rows}</ol>"),
    };
    format!(
        "<section class=\"panel\" aria-labelledby=\"sent-head\"><h2 id=\"sent-head\">Last deliveries</h2>{list}\
         </section>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn rules_have_forms_and_tests_and_show_no_secret() {
        let html = notifications_page(&fixtures::notifications());
        for part in [
            "name=\"notify.was\" value=\"Till\"",
            "https://hooks.example.org/***",
            "Test Till",
            "works",
            "New rule",
        ] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("value=\"***\""), "no secret, not even its stand-in");
    }

    #[test]
    fn a_fault_and_a_refused_form_are_shown() {
        let mut page = fixtures::notifications();
        page.rules[0].fault = Some(String::from("there is no line called \"Door\""));
        page.head.returned = Some(std::rc::Rc::new(ReturnedForm {
            action: String::from("api/v1/settings"),
            fields: vec![("notify.was".into(), "Till".into()), ("notify.name".into(), "<typed>".into())],
            ..ReturnedForm::default()
        }));
        let html = notifications_page(&page);
        assert!(html.contains("there is no line called") && html.contains("&lt;typed&gt;"), "{html}");
    }

    #[test]
    fn rules_of_the_operators_file_are_not_changed_here() {
        let page =
            NotificationsPage { pinned: Some(String::from("config.toml:7")), ..fixtures::notifications() };
        let html = notifications_page(&page);
        assert!(html.contains("config.toml:7") && !html.contains("notify.was") && html.contains("Test Till"));
    }
}
