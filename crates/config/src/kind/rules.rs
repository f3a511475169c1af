//! `[[notify]]`: rules about messages to other machines.

use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::scalar::{integer, parse_given, url_fault};
use super::tables::{Named, TableReader, TableShape, label, parse_one_of, read_all};
use super::value::{BadValue, Kind};
use super::wrong::Complaint;
use crate::duration;
use crate::mqtt::{self, MqttBroker};
use tallycam_base::json::quoted;
use tallycam_base::redact::{STARS, redact_url};

/// Maximum number of rules.
const MOST: usize = 32;

/// Minimum characters of a webhook's key; a shorter one can be guessed.
const SHORTEST_SECRET: usize = 8;

/// Limits of `for`.
const BRIEFEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

const KEYS: [&str; 15] = [
    "name",
    "when",
    "to",
    "address",
    "server",
    "from",
    "user",
    "secret",
    "place",
    "more_than",
    "for",
    "open",
    "close",
    "days",
    "at",
];

const SHAPE: TableShape = TableShape { what: "notify", most: MOST, keys: &KEYS, example };

fn example(name: &str) -> &'static str {
    match name {
        "name" => "name = \"Door to the till\"",
        "when" => "when = \"crossing\"",
        "to" => "to = \"webhook\"",
        "place" => "place = \"Queue\", the name of a zone or line",
        "more_than" => "more_than = 20",
        "server" => "server = \"smtps://mail.example.org\"",
        "secret" => "secret = \"…\", the password of `user`",
        _ => "address = \"https://example.org/hook\"",
    }
}

/// The event that a rule waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleWhen {
    /// A crossing.
    Crossing,
    /// More than a number of objects in a zone or inside a line, for a time.
    Above,
    /// No crossing for a time within opening hours.
    Quiet,
    /// A fault of camera, counting or disk for a time, and its end.
    Trouble,
    /// A time of day.
    Daily,
}

impl RuleWhen {
    /// All words, in the order of the variants.
    pub const WORDS: [&'static str; 5] = ["crossing", "above", "quiet", "trouble", "daily"];
    const ALL: [RuleWhen; 5] =
        [RuleWhen::Crossing, RuleWhen::Above, RuleWhen::Quiet, RuleWhen::Trouble, RuleWhen::Daily];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        RuleWhen::WORDS[self as usize]
    }
}

/// How a rule tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleTo {
    /// A POST of a CloudEvent in JSON.
    Webhook,
    /// A POST of plain text, as ntfy takes it.
    Ntfy,
    /// An e-mail.
    Email,
    /// A CloudEvent in JSON on a topic of the broker of `[mqtt]`.
    Mqtt,
}

impl RuleTo {
    /// All words, in the order of the variants.
    pub const WORDS: [&'static str; 4] = ["webhook", "ntfy", "email", "mqtt"];
    const ALL: [RuleTo; 4] = [RuleTo::Webhook, RuleTo::Ntfy, RuleTo::Email, RuleTo::Mqtt];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        RuleTo::WORDS[self as usize]
    }

    /// People read the messages: many crossings make one message.
    pub fn is_for_people(self) -> bool {
        matches!(self, RuleTo::Ntfy | RuleTo::Email)
    }
}

/// The days of the week, as `days` has them.
pub const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// One `[[notify]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyRule {
    /// `name`: 1–60 characters, unique.
    pub name: String,
    /// `when`: the event.
    pub when: RuleWhen,
    /// `to`: the way of the messages.
    pub to: RuleTo,
    /// `address`: the URL, the e-mail address or the topic that gets the messages.
    pub address: String,
    /// `server`: the URL of the mail server.
    pub server: Option<String>,
    /// `from`: the sender of e-mails.
    pub from: Option<String>,
    /// `user`: the name that the mail server knows.
    pub user: Option<String>,
    /// `secret`: the key of a webhook's signature, the token of an ntfy server, or the password of `user`.
    pub secret: Option<String>,
    /// `place`: the name of a line or zone; every line without it.
    pub place: Option<String>,
    /// `more_than`: this many objects are not enough.
    pub more_than: u32,
    /// `for`: how long something must last.
    pub lasting: Duration,
    /// `open`: the first opening hour, 0–23.
    pub open: u8,
    /// `close`: the hour that ends them, 1–24.
    pub close: u8,
    /// `days`: the open days, from Monday.
    pub days: [bool; 7],
    /// `at`: minutes after midnight.
    pub at: u16,
}

impl Named for NotifyRule {
    fn name(&self) -> &str {
        &self.name
    }
}

/// A list of rules.
#[derive(Debug)]
pub(crate) struct Rules;

impl Kind for Rules {
    type Value = Vec<NotifyRule>;
    const WORD: &'static str = "rules";
    const EXPECTED: &'static str = "a list of tables [[notify]]";
    const IS_EXPLAINED: bool = true;

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        if given.as_array().is_none() {
            let hint = "write [[notify]] on a line of its own, once for each rule, and its keys below";
            return Err(BadValue::Other(Some(String::from(hint))));
        }
        let rules = read_all(given, 0..0, &SHAPE, rule)?;
        let shown: Vec<String> = rules.iter().map(|rule| inline(&rule.hidden())).collect();
        Ok((rules, format!("[{}]", shown.join(", "))))
    }
}

fn rule(table: &DeTable<'_>, reading: &mut TableReader) -> NotifyRule {
    let when =
        reading.read_required(table, "when", |v| parse_one_of(v, &RuleWhen::WORDS)).unwrap_or_default();
    let to = reading.read_required(table, "to", |v| parse_one_of(v, &RuleTo::WORDS)).unwrap_or_default();
    let when = RuleWhen::ALL.into_iter().find(|one| one.as_str() == when).unwrap_or(RuleWhen::Crossing);
    let to = RuleTo::ALL.into_iter().find(|one| one.as_str() == to).unwrap_or(RuleTo::Webhook);
    let is_above = when == RuleWhen::Above;
    let place = match is_above {
        true => reading.read_required(table, "place", label::<60>),
        false => reading.read_optional(table, "place", maybe(label::<60>)).flatten(),
    };
    let more_than = match is_above {
        true => reading.read_required(table, "more_than", whole::<0, 100_000>),
        false => reading.read_optional(table, "more_than", whole::<0, 100_000>),
    };
    let is_mail = to == RuleTo::Email;
    let server = match is_mail {
        true => reading.read_required(table, "server", server),
        false => reading.read_optional(table, "server", maybe(server)).flatten(),
    };
    let user = reading.read_optional(table, "user", maybe(label::<256>)).flatten();
    let secret = match is_mail {
        true if user.is_some() => reading.read_required(table, "secret", password),
        true => reading.read_optional(table, "secret", maybe(password)).flatten(),
        false => reading.read_optional(table, "secret", maybe(secret)).flatten(),
    };
    let address: fn(&Given<'_>) -> Result<String, Complaint> = match to {
        RuleTo::Email => mail,
        RuleTo::Mqtt => topic,
        RuleTo::Webhook | RuleTo::Ntfy => url,
    };
    let rule = NotifyRule {
        name: reading.read_required(table, "name", label::<60>).unwrap_or_default(),
        when,
        to,
        address: reading.read_required(table, "address", address).unwrap_or_default(),
        server,
        from: reading.read_optional(table, "from", maybe(mail)).flatten(),
        user,
        secret,
        place,
        more_than: more_than.unwrap_or_default(),
        lasting: reading.read_optional(table, "for", time).unwrap_or(USUAL_TIME),
        open: reading.read_optional(table, "open", whole::<0, 23>).map_or(0, |hour| hour as u8),
        close: reading.read_optional(table, "close", whole::<1, 24>).map_or(24, |hour| hour as u8),
        days: reading.read_optional(table, "days", days).unwrap_or([true; 7]),
        at: reading.read_optional(table, "at", minute).unwrap_or(USUAL_MINUTE),
    };
    if rule.open == rule.close {
        let span = table.get("close").or_else(|| table.get("open")).map(Spanned::span).unwrap_or_default();
        let message = String::from("has a wrong `close`: it must be another hour than `open`");
        reading.wrongs.push(super::Wrong::new((message, None), span));
    }
    rule
}

const USUAL_TIME: Duration = Duration::from_secs(300);
const USUAL_MINUTE: u16 = 20 * 60;

type Given<'a> = Spanned<DeValue<'a>>;

/// Reads a value that may be an empty text: a form sends all its fields.
fn maybe<T>(
    read: impl Fn(&Given<'_>) -> Result<T, Complaint>,
) -> impl Fn(&Given<'_>) -> Result<Option<T>, Complaint> {
    move |value| if value.get_ref().as_str() == Some("") { Ok(None) } else { read(value).map(Some) }
}

/// A whole number, also as the text of a form.
fn whole<const LEAST: i64, const MOST: i64>(value: &Given<'_>) -> Result<u32, Complaint> {
    let given = value.get_ref();
    let number = integer(given).or_else(|| given.as_str()?.trim().parse().ok());
    let number = number.filter(|number| (LEAST..=MOST).contains(number));
    number
        .map(|number| number as u32)
        .ok_or_else(|| (format!("must be a whole number from {LEAST} to {MOST}"), None))
}

fn url(value: &Given<'_>) -> Result<String, Complaint> {
    let text = value.get_ref().as_str().map(str::trim).unwrap_or_default();
    let is_web = ["http://", "https://"].iter().any(|scheme| text.to_lowercase().starts_with(scheme));
    if !is_web {
        return Err((String::from("must be a URL that begins with http:// or https://"), None));
    }
    if text.contains('@') {
        return Err((String::from("must have no user or password in it"), None));
    }
    url_fault(text).map_or_else(|| Ok(text.to_owned()), Err)
}

/// An e-mail address of plain letters; the domain as DNS has it.
fn mail(value: &Given<'_>) -> Result<String, Complaint> {
    let text = value.get_ref().as_str().map(str::trim).unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let is_good = text.rsplit_once('@').is_some_and(|(user, domain)| {
        let is_user = (1..=64).contains(&user.len()) && user.chars().all(is_plain);
        is_user && !user.starts_with('.') && !user.ends_with('.') && !user.contains("..") && is_domain(domain)
    });
    let must = || (String::from("must be an e-mail address such as \"me@example.org\""), None);
    is_good.then(|| text.to_owned()).ok_or_else(must)
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// `smtps://HOST[:PORT]` or `smtp://HOST[:PORT]`.
fn server(value: &Given<'_>) -> Result<String, Complaint> {
    let text = value.get_ref().as_str().map(str::trim).unwrap_or_default().trim_end_matches('/');
    let hint = "smtps:// has TLS from the beginning, usually at port 465; smtp:// begins it by STARTTLS, at port 587";
    let must = || {
        let must =
            "must be a mail server such as \"smtps://mail.example.org\" or \"smtp://mail.example.org:587\"";
        (String::from(must), Some(String::from(hint)))
    };
    mail_server(text).map(|_| text.to_owned()).ok_or_else(must)
}

fn mail_server(text: &str) -> Option<MailServer> {
    let MqttBroker { host, port, is_secure } = MqttBroker::of_schemes(text, [("smtp", 587), ("smtps", 465)])?;
    let is_host = is_domain(&host) || host.parse::<std::net::IpAddr>().is_ok();
    is_host.then_some(MailServer { host, port, is_tls_first: is_secure })
}

fn password(value: &Given<'_>) -> Result<String, Complaint> {
    let text = value.get_ref().as_str().unwrap_or_default();
    let is_good = (1..=1024).contains(&text.len()) && !text.contains(char::is_control);
    is_good.then(|| text.to_owned()).ok_or_else(|| (String::from("must be a password"), None))
}

fn topic(value: &Given<'_>) -> Result<String, Complaint> {
    mqtt::topic(value.get_ref().as_str().map(str::trim).unwrap_or_default())
}

fn secret(value: &Given<'_>) -> Result<String, Complaint> {
    let text = value.get_ref().as_str().unwrap_or_default();
    let is_good =
        text == STARS || text.chars().count() >= SHORTEST_SECRET && !text.contains(char::is_control);
    let hint = "`openssl rand -hex 16` makes one that nobody guesses";
    let must =
        || (format!("must be text of at least {SHORTEST_SECRET} characters"), Some(String::from(hint)));
    is_good.then(|| text.to_owned()).ok_or_else(must)
}

fn time(value: &Given<'_>) -> Result<Duration, Complaint> {
    let time =
        value.get_ref().as_str().and_then(duration::parse).filter(|time| (BRIEFEST..=LONGEST).contains(time));
    time.ok_or_else(|| (String::from("must be a time from 10s to 30d, such as \"5m\""), None))
}

/// `"20:00"` in minutes.
fn minute(value: &Given<'_>) -> Result<u16, Complaint> {
    let read = || {
        let (hour, minute) = value.get_ref().as_str()?.split_once(':')?;
        let is_plain =
            [hour, minute].iter().all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()));
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (is_plain && hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    read().ok_or_else(|| (String::from("must be a time of day such as \"20:00\""), None))
}

fn days(value: &Given<'_>) -> Result<[bool; 7], Complaint> {
    let must =
        || (format!("must be a list of days such as [\"mon\", \"sat\"], of {}", WEEKDAYS.join(", ")), None);
    let mut open = [false; 7];
    for day in value.get_ref().as_array().ok_or_else(must)? {
        let day = day.get_ref().as_str().and_then(|day| WEEKDAYS.iter().position(|known| *known == day));
        open[day.ok_or_else(must)?] = true;
    }
    if open == [false; 7] { Err((String::from("must name a day"), None)) } else { Ok(open) }
}

/// The rule as an inline table, without keys at their defaults.
fn inline(rule: &NotifyRule) -> String {
    let mut parts = vec![
        format!("name = {}", quoted(&rule.name)),
        format!("when = {}", quoted(rule.when.as_str())),
        format!("to = {}", quoted(rule.to.as_str())),
        format!("address = {}", quoted(&rule.address)),
    ];
    let mut add = |is_set: bool, key: &str, value: String| {
        if is_set {
            parts.push(format!("{key} = {value}"));
        }
    };
    for (key, value) in [("server", &rule.server), ("from", &rule.from), ("user", &rule.user)] {
        add(value.is_some(), key, quoted(value.as_deref().unwrap_or_default()));
    }
    add(rule.secret.is_some(), "secret", quoted(rule.secret.as_deref().unwrap_or_default()));
    add(rule.place.is_some(), "place", quoted(rule.place.as_deref().unwrap_or_default()));
    add(rule.more_than > 0 || rule.when == RuleWhen::Above, "more_than", rule.more_than.to_string());
    add(rule.lasting != USUAL_TIME, "for", quoted(&duration::format_duration(rule.lasting)));
    add(rule.open != 0, "open", rule.open.to_string());
    add(rule.close != 24, "close", rule.close.to_string());
    let days: Vec<String> =
        WEEKDAYS.iter().zip(rule.days).filter(|(_, open)| *open).map(|(day, _)| quoted(day)).collect();
    add(rule.days != [true; 7], "days", format!("[{}]", days.join(", ")));
    add(rule.at != USUAL_MINUTE, "at", quoted(&rule.at_in_words()));
    format!("{{ {} }}", parts.join(", "))
}

impl NotifyRule {
    /// `at` as in "20:00".
    pub fn at_in_words(&self) -> String {
        format!("{:02}:{:02}", self.at / 60, self.at % 60)
    }

    /// The rule without what nobody may see again: the path of a URL, the user and the secret.
    #[must_use]
    pub fn hidden(&self) -> NotifyRule {
        let stars = |hidden: &Option<String>| hidden.as_ref().map(|_| STARS.to_owned());
        let address = match self.to {
            RuleTo::Email | RuleTo::Mqtt => self.address.clone(),
            RuleTo::Webhook | RuleTo::Ntfy => redact_url(&self.address),
        };
        NotifyRule { address, user: stars(&self.user), secret: stars(&self.secret), ..self.clone() }
    }

    /// The host that gets the messages, with its port if one is written; empty if there is none.
    pub fn host(&self) -> &str {
        let url = match self.to {
            RuleTo::Email => self.server.as_deref().unwrap_or_default(),
            RuleTo::Webhook | RuleTo::Ntfy | RuleTo::Mqtt => &self.address,
        };
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    }

    /// The mail server.
    pub fn mail_server(&self) -> Option<MailServer> {
        mail_server(self.server.as_deref()?)
    }
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS from the beginning, not by STARTTLS.
    pub is_tls_first: bool,
}

/// The rules in `toml`, as a page sends them, with their hidden secrets and addresses filled in from `saved`. A rule is
/// found there by its name, or else by its place. A secret stays hidden if the rule now names another host, which would
/// learn it otherwise.
pub fn fill_in_hidden(toml: &str, saved: &str) -> String {
    let read = |text: &str| {
        let given = parse_given(text).ok()?;
        Rules.read(given.get_ref()).ok().map(|(rules, _)| rules)
    };
    let (Some(mut rules), Some(saved)) = (read(toml), read(saved)) else { return toml.to_owned() };
    for (at, rule) in rules.iter_mut().enumerate() {
        let Some(before) = saved.iter().find(|one| one.name == rule.name).or_else(|| saved.get(at)) else {
            continue;
        };
        if rule.to == before.to && rule.address == before.hidden().address {
            rule.address.clone_from(&before.address);
        }
        if rule.to != before.to || !rule.host().eq_ignore_ascii_case(before.host()) {
            continue;
        }
        for (own, before) in [(&mut rule.user, &before.user), (&mut rule.secret, &before.secret)] {
            if own.as_deref() == Some(STARS) {
                own.clone_from(before);
            }
        }
    }
    let whole: Vec<String> = rules.iter().map(inline).collect();
    format!("[{}]", whole.join(", "))
}

/// A TOML value as JSON; `null` if it is none.
pub fn toml_to_json(toml: &str) -> String {
    fn of(value: &DeValue<'_>) -> String {
        match value {
            DeValue::Array(all) => {
                let all: Vec<String> = all.iter().map(|one| of(one.get_ref())).collect();
                format!("[{}]", all.join(", "))
            }
            DeValue::Table(table) => {
                let pairs = table.iter().map(|(key, value)| (key.get_ref(), of(value.get_ref())));
                let pairs: Vec<String> =
                    pairs.map(|(key, value)| format!("{}: {value}", quoted(key))).collect();
                format!("{{{}}}", pairs.join(", "))
            }
            DeValue::String(text) => quoted(text),
            other => other.as_bool().map(|is_true| is_true.to_string()).unwrap_or_else(|| {
                super::number(other).map_or_else(|| String::from("null"), |number| number.to_string())
            }),
        }
    }
    parse_given(toml).map_or_else(|_| String::from("null"), |value| of(value.get_ref()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::{Config, Saved};

    const HOOK: &str = "\
[[notify]]
name = \"Till\"
when = \"crossing\"
to = \"webhook\"
address = \"https://hooks.example.org/s3cret\"
secret = \"correct horse\"
place = \"Door\"
";

    fn read(text: &str) -> Result<crate::Resolved, String> {
        Config::from_text(Path::new("config.toml"), text, &[], []).map_err(|faults| faults.to_string())
    }

    #[test]
    fn rules_are_read_and_shown_without_secrets() {
        let resolved = read(HOOK).unwrap();
        let rule = &resolved.config.notify[0];
        assert_eq!(
            (rule.when, rule.to, rule.place.as_deref()),
            (RuleWhen::Crossing, RuleTo::Webhook, Some("Door"))
        );
        assert_eq!(rule.secret.as_deref(), Some("correct horse"));
        let shown = &resolved.setting("notify").unwrap().value;
        assert!(!shown.contains("horse") && !shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("https://hooks.example.org/***"), "{shown}");
    }

    #[test]
    fn a_fault_has_its_line_and_caret_and_shows_no_secret() {
        for (from, to, want) in [
            ("\"crossing\"", "\"crosing\"", "config.toml:3"),
            ("https://", "ftp://", "has a wrong `address`"),
            ("https://", "https://me:pass@", "no user or password"),
            ("correct horse", "short", "at least 8 characters"),
            ("place =", "plac =", "did you mean `place`?"),
            ("name = \"Till\"\n", "", "needs `name`"),
            ("place = \"Door\"", "open = 7\nclose = 7", "another hour than `open`"),
            ("\"crossing\"", "\"above\"", "needs `more_than`"),
            ("place = \"Door\"", "for = \"1s\"", "from 10s to 30d"),
            ("place = \"Door\"", "at = \"24:00\"", "a time of day"),
            ("place = \"Door\"", "days = [\"monday\"]", "list of days"),
        ] {
            let said = read(&HOOK.replace(from, to)).unwrap_err();
            assert!(said.contains(want) && said.contains('^'), "{to}: {said}");
            assert!(!said.contains("s3cret") && !said.contains("horse"), "{said}");
        }
        let twice = read(&format!("{HOOK}{HOOK}")).unwrap_err();
        assert!(twice.contains("two of the name"), "{twice}");
        assert!(read("notify = 5").unwrap_err().contains("[[notify]]"));
    }

    #[test]
    fn hidden_values_come_back_for_the_same_host_only() {
        let mut saved = Saved::empty("settings.toml".into());
        let rule = |name: &str, address: &str, secret: &str| {
            let begin = format!("name = \"{name}\", when = \"crossing\", to = \"webhook\"");
            format!("[{{ {begin}, address = \"{address}\", secret = \"{secret}\" }}]")
        };
        saved.set("notify", Some(&rule("Till", "https://a.example/s3cret", "correct horse"))).unwrap();
        let before = saved.get("notify").unwrap();
        assert!(saved.redacted().get("notify").is_some_and(|shown| !shown.contains("horse")));
        let same = fill_in_hidden(&rule("Till", "https://a.example/***", "***"), before);
        assert!(same.contains("s3cret") && same.contains("horse") && !same.contains("***"), "{same}");
        let renamed = fill_in_hidden(&rule("Shop", "https://a.example/***", "***"), before);
        assert!(renamed.contains("s3cret") && renamed.contains("horse"), "{renamed}");
        let elsewhere = fill_in_hidden(&rule("Till", "https://b.example/", "***"), before);
        assert!(elsewhere.contains("\"***\"") && !elsewhere.contains("horse"), "{elsewhere}");
    }

    const MAIL: &str = "\
[[notify]]
name = \"Boss\"
when = \"daily\"
to = \"email\"
address = \"boss@example.org\"
server = \"smtp://mail.example.org\"
user = \"camera\"
secret = \"pass\"
";

    #[test]
    fn a_mail_server_is_read_and_its_user_is_hidden() {
        let resolved = read(MAIL).unwrap();
        let rule = &resolved.config.notify[0];
        let server = |text: &str| mail_server(text).map(|s| (s.host, s.port, s.is_tls_first));
        assert_eq!(server(rule.server.as_deref().unwrap()), Some(("mail.example.org".into(), 587, false)));
        assert_eq!(server("SMTPS://mail.example.org"), Some(("mail.example.org".into(), 465, true)));
        assert_eq!(server("smtp://[::1]:2525"), Some(("::1".into(), 2525, false)));
        for wrong in [
            "mail.example.org",
            "http://a.example",
            "smtp://",
            "smtp://a:0",
            "smtp://u@a",
            "smtp://a/b",
            "smtp://a b",
        ] {
            assert_eq!(server(wrong), None, "{wrong}");
        }
        let shown = &resolved.setting("notify").unwrap().value;
        assert!(shown.contains("boss@example.org") && shown.contains("user = \"***\""), "{shown}");
        assert!(!shown.contains("camera") && !shown.contains("pass\""), "{shown}");
        for (from, to, want) in [
            ("boss@example.org", "boss@example.org\\r\\nBcc: x@y.example", "an e-mail address"),
            ("boss@example.org", "https://example.org", "an e-mail address"),
            ("smtp://", "http://", "smtps://"),
            ("server = \"smtp://mail.example.org\"\n", "", "needs `server`"),
            ("secret = \"pass\"\n", "", "needs `secret`"),
            ("\"camera\"", "\"cam\\r\\nera\"", "has a wrong `user`"),
        ] {
            let said = read(&MAIL.replace(from, to)).unwrap_err();
            assert!(said.contains(want), "{to}: {said}");
        }
    }

    #[test]
    fn user_and_password_are_forgotten_with_another_mail_server() {
        let mut saved = Saved::empty("settings.toml".into());
        let rule = |server: &str, user: &str, secret: &str| {
            format!(
                "[{{ name = \"Boss\", when = \"daily\", to = \"email\", address = \"boss@example.org\", \
                 server = \"{server}\", user = \"{user}\", secret = \"{secret}\" }}]"
            )
        };
        saved.set("notify", Some(&rule("smtp://a.example", "camera", "pass"))).unwrap();
        let before = saved.get("notify").unwrap();
        let same = fill_in_hidden(&rule("smtp://a.example", "***", "***"), before);
        assert!(same.contains("\"camera\"") && same.contains("\"pass\""), "{same}");
        for server in ["smtp://b.example", "smtp://a.example:2525"] {
            let other = fill_in_hidden(&rule(server, "***", "***"), before);
            assert!(
                !other.contains("camera") && !other.contains("pass\"") && other.contains(STARS),
                "{other}"
            );
        }
    }

    #[test]
    fn the_saved_file_has_the_rules_as_they_were_set() {
        let mut saved = Saved::empty("settings.toml".into());
        let full = "[{ name = \"Late\", when = \"quiet\", to = \"webhook\", address = \"https://a.example/x\", \
            place = \"\", open = \"8\", close = 18, days = [\"mon\"], for = \"90m\" }]";
        saved.set("notify", Some(full)).unwrap();
        let (again, faulty) = Saved::read(Path::new("settings.toml"), &saved.to_toml()).unwrap();
        assert!(faulty.is_none(), "{faulty:?}");
        assert_eq!(again.get("notify"), saved.get("notify"));
        let rules = Rules.read(parse_given(again.get("notify").unwrap()).unwrap().get_ref()).unwrap().0;
        assert_eq!((rules[0].open, rules[0].close, rules[0].lasting.as_secs()), (8, 18, 5400));
        assert_eq!(rules[0].days, [true, false, false, false, false, false, false]);
    }
}
