#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::outbound::mqtt::samples::{self, facts, line, topics, zone};
use crate::outbound::mqtt::state;

const CONFIG: &str = "homeassistant/device/door/config";

fn messages(
    topics: &Topics,
    facts: &Facts,
    published: &mut Published,
    has_control: bool,
) -> Vec<MqttMessage> {
    super::messages(topics, facts, &state::messages(topics, facts), published, has_control)
}

fn payload(message: &MqttMessage) -> Value {
    serde_json::from_slice(&message.payload).unwrap()
}

/// The device message of a camera that announces itself for the first time.
fn first(facts: &Facts, has_control: bool) -> Value {
    let messages = messages(&topics(), facts, &mut Published::default(), has_control);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!((messages[0].topic.as_str(), messages[0].is_retained), (CONFIG, true));
    payload(&messages[0])
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Topics and, for the device, its components: a removed one as `-KEY`. An emptied topic is `TOPIC = nothing`.
fn in_short(messages: &[MqttMessage]) -> Vec<String> {
    let in_short = |message: &MqttMessage| {
        assert!(message.is_retained);
        if message.payload.is_empty() {
            return format!("{} = nothing", message.topic);
        }
        let sent = payload(message);
        let components = sent["components"].as_object().unwrap();
        let is_removed = |component: &Value| component.as_object().unwrap().len() == 1;
        let lines = components.iter().filter(|(key, _)| key.starts_with("line") || key.starts_with("zone"));
        let names =
            lines.map(|(key, component)| if is_removed(component) { format!("-{key}") } else { key.clone() });
        format!("{} {}", message.topic, names.collect::<Vec<_>>().join(" "))
    };
    messages.iter().map(in_short).collect()
}

const LINE_1: &str = "line1_crossing line1_in line1_in_today line1_inside line1_out line1_out_today";
const ZONE_2: &str = "zone2_occupancy zone2_occupied";

#[test]
fn the_message_is_as_the_file_says() {
    for (name, has_control) in [("device", true), ("device-without-control", false)] {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/mqtt/{name}.json"));
        let text = format!("{:#}\n", first(&facts(), has_control));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap();
        assert!(text == expected, "{} differs:\n{text}", file.display());
    }
}

#[test]
fn home_assistant_knows_every_key() {
    let accepted: Value =
        serde_json::from_str(include_str!("../../../../tests/golden/mqtt/accepted.json")).unwrap();
    let knows = |part: &Value, key: &str| part.as_array().unwrap().iter().any(|known| known == key);
    let mut lamp = facts();
    lamp.light = Some(serde_json::from_value(samples::lamp()).unwrap());
    for (facts, has_control) in [(facts(), true), (facts(), false), (lamp, true)] {
        let sent = first(&facts, has_control);
        for (part, known) in [("", "root"), ("/device", "device"), ("/origin", "origin")] {
            for key in keys(sent.pointer(part).unwrap()) {
                assert!(knows(&accepted[known], key), "{part}: {key}");
            }
        }
        for (name, component) in sent["components"].as_object().unwrap() {
            let platform = component["platform"].as_str().unwrap();
            for key in keys(component) {
                let is_known =
                    knows(&accepted["common"], key) || knows(&accepted["platforms"][platform], key);
                assert!(is_known, "{name}: {key}");
            }
        }
    }
}

#[test]
fn every_component_has_an_id_of_its_own_a_name_and_the_availability() {
    for has_control in [true, false] {
        let sent = first(&facts(), has_control);
        assert_eq!(sent["availability_topic"], "tallycam/door/availability");
        let components = sent["components"].as_object().unwrap();
        for (key, component) in components {
            assert_eq!(component["unique_id"], format!("tallycam_door_{key}"));
            assert!(component["name"].as_str().is_some_and(|name| !name.is_empty()), "{key}");
            assert!(component.get("availability_topic").is_none(), "{key} would override the device's");
        }
    }
}

#[test]
fn totals_of_all_time_are_summed_and_todays_are_reset() {
    let components = first(&facts(), true)["components"].take();
    for way in ["in", "out"] {
        let total = &components[format!("line1_{way}")];
        assert_eq!(
            (&total["state_class"], &total["value_template"]),
            (&json!("total_increasing"), &json!(format!("{{{{ value_json.{way}_total }}}}")))
        );
        let today = &components[format!("line1_{way}_today")];
        assert_eq!(
            (&today["state_class"], &today["last_reset_value_template"]),
            (&json!("total"), &json!("{{ value_json.since }}"))
        );
    }
}

#[test]
fn without_control_no_component_has_a_topic_for_commands() {
    let has_commands = |sent: &Value| {
        let components = sent["components"].as_object().unwrap().values();
        components.filter(|component| component.get("command_topic").is_some()).count()
    };
    assert_eq!(has_commands(&first(&facts(), true)), 4);
    let without = first(&facts(), false);
    assert_eq!(has_commands(&without), 0);
    for key in ["light_on", "recording_on", "camera_on"] {
        assert_eq!(without["components"][key]["platform"], "binary_sensor", "{key}");
    }
}

#[test]
fn a_change_of_control_removes_the_former_kind() {
    let mut published = Published::default();
    messages(&topics(), &facts(), &mut published, true);
    let sent = messages(&topics(), &facts(), &mut published, false);
    let removed = payload(&sent[0]);
    for (key, platform) in
        [("light", "light"), ("recording", "switch"), ("camera", "switch"), ("snapshot", "button")]
    {
        assert_eq!(removed["components"][key], json!({"platform": platform}));
        assert_eq!(payload(&sent[1])["components"].get(key), None, "{key}");
    }
}

#[test]
fn a_deleted_line_is_removed_then_left_out_then_its_topic_emptied() {
    let mut facts = facts();
    let mut published = Published::default();
    messages(&topics(), &facts, &mut published, true);
    facts.lines = Some(vec![]);
    let removed = LINE_1.split(' ').map(|key| format!("-{key}")).collect::<Vec<_>>().join(" ");
    assert_eq!(
        in_short(&messages(&topics(), &facts, &mut published, true)),
        [
            format!("{CONFIG} {removed} {ZONE_2}"),
            format!("{CONFIG} {ZONE_2}"),
            String::from("tallycam/door/lines/1 = nothing"),
        ]
    );
    let again = messages(&topics(), &facts, &mut published, true);
    assert_eq!(in_short(&again), [format!("{CONFIG} {ZONE_2}")], "once");
    facts.lines = Some(vec![line(1, "Middle of the street")]);
    let undeleted = messages(&topics(), &facts, &mut published, true);
    assert_eq!(in_short(&undeleted), [format!("{CONFIG} {LINE_1} {ZONE_2}")]);
}

#[test]
fn a_removed_component_is_its_platform_alone() {
    let mut facts = facts();
    let mut published = Published::default();
    messages(&topics(), &facts, &mut published, true);
    (facts.zones, facts.light, facts.has_picture) = (Some(vec![]), None, false);
    let sent = messages(&topics(), &facts, &mut published, true);
    for (key, platform) in [
        ("zone2_occupied", "binary_sensor"),
        ("zone2_occupancy", "sensor"),
        ("light", "light"),
        ("picture", "image"),
    ] {
        assert_eq!(payload(&sent[0])["components"][key], json!({"platform": platform}));
    }
    let emptied: Vec<&str> = sent[2..].iter().map(|message| message.topic.as_str()).collect();
    assert_eq!(emptied, ["tallycam/door/light", "tallycam/door/zones/2"]);
}

#[test]
fn a_renamed_line_keeps_its_ids() {
    let mut facts = facts();
    let mut published = Published::default();
    let before = payload(&messages(&topics(), &facts, &mut published, true)[0]);
    facts.lines = Some(vec![line(1, "Back door")]);
    facts.state.name = String::from("Yard");
    let sent = messages(&topics(), &facts, &mut published, true);
    assert_eq!(sent.len(), 1);
    let after = payload(&sent[0]);
    assert_eq!(after["components"]["line1_in"]["name"], "Back door in");
    let ids = |sent: &Value| {
        let ids = |(key, component): (&String, &Value)| (key.clone(), component["unique_id"].clone());
        sent["components"].as_object().unwrap().iter().map(ids).collect::<Vec<_>>()
    };
    assert_eq!(ids(&before), ids(&after));
    assert_eq!(before["device"]["identifiers"], after["device"]["identifiers"]);
}

#[test]
fn names_are_only_names() {
    for name in
        ["+ # /", "{{ states }} {% raw %}", "\"\\\n\u{0}", "Tür 門 🚪", &"x".repeat(200), &"ü".repeat(200)]
    {
        let mut facts = facts();
        facts.lines = Some(vec![line(1, name)]);
        facts.zones = Some(vec![zone(2, name)]);
        facts.state.name = name.to_owned();
        let sent = first(&facts, true);
        assert_eq!(sent["device"]["name"], name);
        assert_eq!(sent["components"]["line1_in"]["name"], format!("{name} in"));
        for component in sent["components"].as_object().unwrap().values() {
            for (key, value) in component.as_object().unwrap() {
                let is_name = key == "name" || !value.to_string().contains(name);
                assert!(is_name, "{key}: {value}");
            }
        }
    }
}

#[test]
fn lines_that_cannot_be_read_stay_announced() {
    let mut facts = facts();
    let mut published = Published::default();
    messages(&topics(), &facts, &mut published, true);
    let known = published.clone();
    (facts.lines, facts.zones) = (None, None);
    assert_eq!(in_short(&messages(&topics(), &facts, &mut published, true)), [format!("{CONFIG} ")]);
    assert_eq!(published, known);
    (facts.lines, facts.zones) = (Some(vec![]), Some(vec![]));
    assert_eq!(messages(&topics(), &facts, &mut published, true).len(), 4, "then deletions are seen");
}

#[test]
fn without_discovery_the_device_is_removed_once_and_topics_go_on() {
    let mut published = Published::default();
    messages(&topics(), &facts(), &mut published, true);
    let off = Topics { discovery: String::new(), ..topics() };
    let sent = messages(&off, &facts(), &mut published, true);
    assert_eq!(in_short(&sent), [format!("{CONFIG} = nothing")]);
    assert_eq!(messages(&off, &facts(), &mut published, true), []);
    let mut without = facts();
    without.lines = Some(vec![]);
    let sent = messages(&off, &without, &mut published, true);
    assert_eq!(
        in_short(&sent),
        ["tallycam/door/lines/1 = nothing"],
        "a deleted line's topic is emptied all the same"
    );
    assert_eq!(
        in_short(&messages(&topics(), &without, &mut published, true)),
        [format!("{CONFIG} {ZONE_2}")]
    );
}

#[test]
fn another_id_leaves_nothing_of_the_former_one() {
    let mut published = Published::default();
    messages(&topics(), &facts(), &mut published, true);
    let gate = Topics { id: String::from("gate"), ..topics() };
    let sent = messages(&gate, &facts(), &mut published, true);
    let emptied: Vec<&str> = sent
        .iter()
        .filter(|message| message.payload.is_empty())
        .map(|message| message.topic.as_str())
        .collect();
    let own = [
        "camera",
        "light",
        "lines/1",
        "recording",
        "state",
        "update",
        "zones/2",
        "availability",
        "ledger",
        "picture",
    ];
    let expected: Vec<String> =
        [CONFIG.to_owned()].into_iter().chain(own.map(|name| format!("tallycam/door/{name}"))).collect();
    assert_eq!(emptied, expected);
    assert_eq!(sent.iter().filter(|message| !message.payload.is_empty()).count(), 1);
}

#[test]
fn forgetting_empties_everything() {
    let mut published = Published::default();
    let others: Vec<String> =
        OTHERS_RETAINED.iter().map(|name| format!("tallycam/door/{name} = nothing")).collect();
    assert_eq!(in_short(&forget(&topics(), &published)), others, "before anything else was said");
    messages(&topics(), &facts(), &mut published, true);
    let written: BTreeSet<String> =
        state::messages(&topics(), &facts()).into_iter().map(|message| message.topic).collect();
    let sent = forget(&topics(), &published);
    assert_eq!(sent[0].topic, CONFIG, "entities go before their topics");
    assert!(sent.iter().all(|message| message.payload.is_empty() && message.is_retained));
    let emptied: BTreeSet<String> = sent.iter().map(|message| message.topic.clone()).collect();
    assert!(written.is_subset(&emptied), "{emptied:?}");
    assert!(emptied.contains("tallycam/door/availability") && emptied.contains("tallycam/door/picture"));
}

#[test]
fn at_most_32_lines_and_zones_are_announced() {
    let mut facts = facts();
    let mut published = Published::default();
    facts.lines = Some((1..=100).map(|number| line(number, "A line with a name of some length")).collect());
    facts.zones = Some((1..=50).map(|number| zone(number, "A zone")).collect());
    let sent = messages(&topics(), &facts, &mut published, true);
    let components = payload(&sent[0])["components"].take();
    let of = |end: &str| keys(&components).iter().filter(|key| key.ends_with(end)).count();
    assert_eq!((of("_inside"), of("_occupied")), (MOST, MOST));
    assert!(components.get("line32_in").is_some() && components.get("line33_in").is_none());
    assert!(sent[0].payload.len() < 96 << 10, "{} bytes", sent[0].payload.len());
    assert_eq!(
        warning(&facts).as_deref(),
        Some("Home Assistant gets the first 32 lines and zones, and 86 more are left out")
    );
    assert_eq!(warning(&samples::facts()), None);
    facts.lines = Some((2..=100).map(|number| line(number, "x")).collect());
    let sent = messages(&topics(), &facts, &mut published, true);
    assert!(payload(&sent[1])["components"].get("line33_in").is_some(), "the next one takes the place");
}

#[test]
fn the_page_is_linked_only_if_home_assistant_takes_the_address() {
    for (page, is_linked) in
        [("http://door.local:8080/", true), ("https://cam.example/", true), ("door/", false)]
    {
        let mut facts = facts();
        facts.page = page.to_owned();
        assert_eq!(first(&facts, true)["device"].get("configuration_url").is_some(), is_linked, "{page}");
    }
}

#[test]
fn what_was_published_survives_a_restart() {
    let mut published = Published::default();
    messages(&topics(), &facts(), &mut published, true);
    let text = serde_json::to_string(&published).unwrap();
    assert_eq!(serde_json::from_str::<Published>(&text).unwrap(), published);
    assert_eq!(serde_json::from_str::<Published>("{}").unwrap(), Published::default());
}
