//! The readers and the resulting files, on input as people and Imager write it.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;

use super::accounts::Accounts;
use super::files::{Before, FileChange, plan};
use super::*;

pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA alice@home";

/// A preseed file by Imager (customization_generator.cpp, generateRpiPreseedToml).
fn imagers_preseed() -> String {
    let psk = "0123456789abcdef".repeat(4);
    format!(
        "config_version = \"1.0\"\n\n[system]\nhostname = \"Gate\"\n\n[user]\nname = \"alice\"\npassword = \
         \"$y$j9T$abc$def\"\npassword_encrypted = true\ngroups = [\"sudo\"]\n\n[ssh]\nenabled = \
         true\npassword_authentication = false\nauthorized_keys = [\n  \"{KEY}\",\n]\n\n[wlan]\nssid = \"My \
         \\\"Net\\\"\"\npassword = \"{psk}\"\npassword_encrypted = true\nhidden = true\ncountry = \
         \"DE\"\n\n[locale]\nkeymap = \"de\"\ntimezone = \"Europe/Berlin\"\n"
    )
}

/// cloud-init files by Imager (generateCloudInitUserData and generateCloudInitNetworkConfig, downloadthread.cpp).
fn imagers_cloud() -> [String; 3] {
    let user_data = format!(
        "#cloud-config\nmanage_resolv_conf: false\n\nhostname: gate\nmanage_etc_hosts: true\npackages:\n- \
         avahi-daemon\napt:\n  preserve_sources_list: true\n  conf: |\n    Acquire {{\n      \
         Check-Date \"false\";\n    \
         }};\ntimezone: Europe/Berlin\nkeyboard:\n  model: pc105\n  layout: \"de\"\nuser:\n  name: alice\n  shell: \
         /bin/bash\n  lock_passwd: false\n  passwd: \"$y$j9T$abc$def\"\n  ssh_authorized_keys:\n    - \"{KEY}\"\n  \
         sudo: \
         null\nssh_pwauth: false\nruncmd:\n  - [ systemctl, enable, --now, ssh ]\n"
    );
    let psk = "0123456789abcdef".repeat(4);
    let network = format!(
        "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      dhcp6: true\n      optional: \
         true\n  \
         wifis:\n    wlan0:\n      dhcp4: true\n      regulatory-domain: \"DE\"\n      access-points:\n        \
         \"Caf\\xc3\\xa9 \\\"1\\\"\":\n          hidden: true\n          password: \"{psk}\"\n      optional: true\n"
    );
    [user_data, network, String::from("instance-id: rpi-imager-1764000000000\n")]
}

/// Reads these files for a root with a few zones and system users.
fn read_all(files: &[(&str, &str)]) -> ReadFiles {
    let files: HashMap<&str, &str> = files.iter().copied().collect();
    let load = |name: &str| Ok(files.get(name).map(|text| text.as_bytes().to_vec()));
    read(&load, &facts())
}

fn facts() -> SystemInfo<'static> {
    SystemInfo {
        is_zone: &|zone| ["Europe/Berlin", "Asia/Tokyo"].contains(&zone),
        is_system_user: &|name| ["root", "tallycam"].contains(&name),
    }
}

fn lines(found: &ReadFiles) -> Vec<String> {
    found.entries.iter().map(Entry::line).collect()
}

fn value<T: Clone>(given: &Option<Sourced<T>>) -> T {
    given.as_ref().unwrap().value.clone()
}

/// The text of one file of the plan.
fn text_of(found: &ReadFiles, path: &str) -> String {
    let plan = plan(&found.wanted, &Before::default());
    let write = plan.writes.iter().find(|write| write.path == path).unwrap_or_else(|| panic!("no {path}"));
    match &write.what {
        FileChange::File(bytes, _) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_formats_of_imager_give_the_same_settings() {
    let [user_data, network, meta_data] = imagers_cloud();
    let cloud =
        read_all(&[("user-data", &user_data), ("network-config", &network), ("meta-data", &meta_data)]);
    let preseed = read_all(&[(PRESEED, &imagers_preseed())]);
    for found in [&cloud, &preseed] {
        let wanted = &found.wanted;
        assert_eq!(lines(found), [""; 0]);
        assert_eq!(value(&wanted.host), "gate");
        assert_eq!(value(&wanted.time_zone), "Europe/Berlin");
        assert_eq!(value(&wanted.country), "DE");
        assert_eq!((value(&wanted.user), value(&wanted.keys)), ("alice".into(), vec![KEY.to_owned()]));
        assert_eq!(value(&wanted.user_password), "$y$j9T$abc$def");
        let [wifi] = &value(&wanted.wifi)[..] else { panic!("one network") };
        assert!(wifi.is_hidden && wifi.secret == Secret::Key("0123456789abcdef".repeat(4)));
    }
    assert_eq!(value(&preseed.wanted.wifi)[0].ssid, b"My \"Net\"");
    assert_eq!(value(&cloud.wanted.wifi)[0].ssid, "Café \"1\"".as_bytes(), "escapes are bytes");
    assert_eq!(cloud.wanted.user.unwrap().origin.line, 19);
}

#[test]
fn a_network_name_outside_ascii_is_letters() {
    let text =
        "version: 2\nwifis:\n  wlan0:\n    access-points:\n      \"Café\":\n        password: longenough\n";
    let found = read_all(&[("network-config", text)]);
    assert_eq!(value(&found.wanted.wifi)[0].ssid, "Café".as_bytes());
    assert_eq!(value(&found.wanted.wifi)[0].secret, Secret::Passphrase("longenough".into()));
}

#[test]
fn per_key_our_own_file_wins_over_the_preseed_and_that_over_cloud_init() {
    let [user_data, network, _] = imagers_cloud();
    let own = "host = \"own\"\n[ssh]\nuser = \"bob\"\n[stream]\nquality = 70\n";
    let preseed =
        "config_version = \"1.0\"\n[system]\nhostname = \"second\"\n[locale]\ntimezone = \"Asia/Tokyo\"\n";
    let files = [(OWN, own), (PRESEED, preseed), ("user-data", &user_data), ("network-config", &network)];
    let found = read_all(&files);
    let CardSettings { host, time_zone, user, keys, wifi, .. } = &found.wanted;
    assert_eq!(
        (value(host), value(time_zone), value(user)),
        ("own".into(), "Asia/Tokyo".into(), "bob".into())
    );
    assert_eq!(keys.as_ref().unwrap().origin.file, "user-data");
    assert_eq!(wifi.as_ref().unwrap().origin.file, "network-config");
    // After a mistake, the next file supplies the key.
    let wrong = own.replace("own", "not a host");
    let found = read_all(&[(OWN, &wrong), (PRESEED, preseed)]);
    assert_eq!(value(&found.wanted.host), "second");
    assert!(
        lines(&found)[0].starts_with("tallycam.toml:1: host: must be a host name"),
        "{:?}",
        lines(&found)
    );
}

#[test]
fn our_own_file_can_set_everything() {
    let text = format!(
        "name = \"North Gate\"\ntime_zone = \"Europe/Berlin\"\ncountry = \"de\"\n[[wifi]]\nssid = \"Home\"\npassword = \
         \"correct horse\"\n[[wifi]]\nssid = \"Shed\\n\"\nhidden = true\n[network]\naddress \
         = \"192.168.1.20/24\"\ngateway \
         = \"192.168.1.1\"\n[network.wifi]\naddress = \"dhcp\"\n[access]\npassword = 'long enough'\nview = \
         \"password\"\n[ssh]\nkeys = [\"{KEY}\"]\n[stream]\nquality = 70\n[[line]]\nname = \"Door\"\na = [0, 0]\nb = \
         [1, 1]\n"
    );
    let found = read_all(&[(OWN, &text)]);
    assert_eq!(lines(&found), [""; 0]);
    assert_eq!(value(&found.wanted.host), "north-gate");
    let settings: Vec<&str> = found.settings.paths().collect();
    assert_eq!(settings, ["access.view", "line", "name", "stream.quality"]);
    assert_eq!(found.settings.get("line"), Some("[{ a = [0, 0], b = [1, 1], name = \"Door\" }]"));
    assert_eq!(found.settings.line("stream.quality"), 21);
    let Password::Plain(plain, span) = value(&found.wanted.password) else { panic!("it is plain") };
    assert_eq!((plain.as_str(), &text[span]), ("long enough", "'long enough'"));
    assert_eq!(
        text_of(&found, "etc/wpa_supplicant/wpa_supplicant-wlan0.conf").split_once("\n").unwrap().1,
        "ctrl_interface=DIR=/run/wpa_supplicant\nupdate_config=0\ncountry=DE\n\nnetwork={\n\tssid=\"Home\"\n\t\
         key_mgmt=WPA-PSK SAE\n\tpsk=\"correct horse\"\n\tieee80211w=1\n\tpriority=2\n}\n\nnetwork={\n\tssid=536865640a\n\tscan_ssid=1\n\
         \tkey_mgmt=NONE\n\tpriority=1\n}\n"
    );
    let wired = text_of(&found, "etc/systemd/network/10-tallycam-wired.network");
    assert!(wired.contains("[Match]\nName=en* eth* usb*\n"), "{wired}");
    assert!(wired.ends_with("Address=192.168.1.20/24\nGateway=192.168.1.1\nDNS=192.168.1.1\n"), "{wired}");
    assert!(text_of(&found, "etc/resolv.conf").ends_with("nameserver 192.168.1.1\n"));
    assert!(text_of(&found, "etc/hosts").ends_with("127.0.1.1\tnorth-gate\n"));
    assert_eq!(text_of(&found, "home/pi/.ssh/authorized_keys"), format!("{KEY}\n"));
}

#[test]
fn a_mistake_is_reported_with_line_and_key_and_the_rest_is_used() {
    let text = "time_zone = \"Europe/Berlinn\"\ncountry = \"UK\"\ntimezone = \"x\"\n[[wifi]]\nssid = \"A\"\npassword = \
                \"short\"\n[[wifi]]\nssid = \"B\"\npasword = \"longenough\"\n[stream]\nquality = 700\nidle_stop = \
                \"5m\"\n[access]\npassword = \"short\"\n[ssh]\nuser = \"root\"\n[network]\naddress = \
                \"192.168.1.20\"\n[colour]\nx = 1\n[source]\nkind = \"url\"\n";
    let found = read_all(&[(OWN, text)]);
    let lines = lines(&found);
    for (at, line) in [
        ("tallycam.toml:3: ", "there is no key `timezone`"),
        ("tallycam.toml:11: ", "`stream.quality` must be"),
        ("tallycam.toml:19: ", "there is no section `colour`"),
        ("tallycam.toml:22: ", "which needs `source.url`"),
        ("tallycam.toml:1: time_zone: ", "must be a time zone, not \"Europe/Berlinn\""),
        ("tallycam.toml:2: country: ", "must be a country's code, not \"UK\""),
        ("tallycam.toml:6: wifi.password: ", "must be a Wi-Fi password"),
        ("tallycam.toml:9: ", "there is no key `pasword` in [wifi]"),
        ("tallycam.toml:14: access.password: ", "must be a password of 8"),
        ("tallycam.toml:16: ssh.user: ", "root is the system's"),
        ("tallycam.toml:18: network.address: ", "must end in the length"),
    ] {
        assert!(
            lines.iter().any(|message| message.starts_with(at) && message.contains(line)),
            "{at}{line}: {lines:#?}"
        );
    }
    let hint = |at: usize| found.entries.iter().find(|entry| entry.line == at).unwrap().hint.clone().unwrap();
    assert_eq!((hint(3), hint(2)), ("did you mean `time_zone`?".into(), "did you mean \"GB\"?".into()));
    assert_eq!(found.settings.paths().collect::<Vec<_>>(), ["stream.idle_stop"]);
    assert!(found.faulty.contains(&String::from("stream.quality")) && !found.is_broken);
    // Its password key is misspelt and reported, so the second network counts as open.
    assert_eq!(value(&found.wanted.wifi)[0].ssid, b"B");
    assert!(!lines.iter().any(|line| line.contains("longenough") || line.contains("short\"")), "{lines:#?}");
}

#[test]
fn a_malformed_file_is_reported_and_the_others_are_read() {
    let preseed = imagers_preseed();
    let other = (PRESEED, preseed.as_str());
    let found = read_all(&[(OWN, "host = \"own\"\n[stream\nquality = 70\n"), other]);
    assert!(found.is_broken && found.settings.paths().next().is_none());
    assert_eq!(value(&found.wanted.host), "gate");
    assert!(lines(&found)[0].starts_with("tallycam.toml:2: "), "{:?}", lines(&found));
    let found = read_all(&[
        (PRESEED, "[system\nhostname = 'x'"),
        ("user-data", "#cloud-config\nhostname: [a\n"),
        ("network-config", "a: *a\n"),
        ("meta-data", "local-hostname: last\n"),
    ]);
    assert_eq!((value(&found.wanted.host), found.is_broken), ("last".into(), false));
    let count = |file: &str| found.entries.iter().filter(|entry| entry.file == file).count();
    assert_eq!([PRESEED, "user-data", "network-config"].map(count), [1, 1, 1], "{:?}", lines(&found));
}

#[test]
fn unreadable_bytes_are_reported() {
    let message = |bytes: &[u8]| {
        let load = |name: &str| Ok((name == OWN).then(|| bytes.to_vec()));
        let found = read(&load, &facts());
        assert!(found.is_broken && found.entries.len() == 1, "{:?}", lines(&found));
        lines(&found).remove(0)
    };
    assert_eq!(
        message(b"host = \"a\"\nx = \"\xe9\"\n"),
        "tallycam.toml:2: is not read: this is not UTF-8 text"
    );
    assert_eq!(message(b"\xff\xfeh\0"), "tallycam.toml: is not read: it is UTF-16");
    assert_eq!(message(&vec![b'#'; LONGEST + 1]), "tallycam.toml: is not read: it is longer than 64 kB");
    let unread =
        |name: &str| if name == OWN { Err(String::from("cannot be read: I/O error")) } else { Ok(None) };
    let found = read(&unread, &facts());
    assert!(found.is_broken && lines(&found) == ["tallycam.toml: cannot be read: I/O error"]);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_accepted() {
    let text = "\u{feff}# mine\r\nhost = \"gate\"\r\n\r\n[access]\r\npassword = \"long enough\"  # \
        secret\r\n\r\n[stream]\r\nquality = 70\r\n";
    let found = read_all(&[(OWN, text)]);
    assert_eq!(lines(&found), [""; 0]);
    assert_eq!(value(&found.wanted.host), "gate");
    assert_eq!(found.settings.get("stream.quality"), Some("70"));
    let Password::Plain(_, span) = value(&found.wanted.password) else { panic!("it is plain") };
    let hash = crate::access::hashed("long enough").unwrap();
    let replaced = replace_password(text, &span, &hash).unwrap();
    assert_eq!(replaced, text.replace("\"long enough\"", &format!("\"{hash}\"")));
    let again = read_all(&[(OWN, &replaced)]);
    assert_eq!(value(&again.wanted.password), Password::Hash(hash.clone()));
    assert_eq!(replace_password(text, &(0..3), &hash), None, "nothing else is replaced");
    let [user_data, network, meta] =
        imagers_cloud().map(|text| format!("\u{feff}{}", text.replace('\n', "\r\n")));
    let found = read_all(&[("user-data", &user_data), ("network-config", &network), ("meta-data", &meta)]);
    assert_eq!(lines(&found), [""; 0]);
    assert_eq!((value(&found.wanted.host), value(&found.wanted.wifi).len()), ("gate".into(), 1));
}

#[test]
fn without_a_key_there_is_no_user() {
    let preseed = imagers_preseed().replace(KEY, "ssh-ed25519 nonsense");
    let found = read_all(&[(PRESEED, &preseed)]);
    let CardSettings { user, user_password, keys, .. } = &found.wanted;
    assert!(user.is_none() && user_password.is_none() && keys.is_none());
    let lines = lines(&found);
    assert!(lines.iter().any(|line| line.contains(": user.password: not used: without an")), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("$y$")), "{lines:?}");
    let before = Before { accounts: Accounts::default(), ..Before::default() };
    let plan = plan(&found.wanted, &before);
    assert!(plan.writes.iter().all(|write| !write.path.contains("passwd") && !write.path.contains("ssh")));
    assert!(!plan.units.contains(&"ssh.service"));
}

#[test]
fn unsupported_requests_are_reported_and_never_done() {
    let user_data = format!(
        "#cloud-config\nruncmd:\n  - [ systemctl, enable, --now, ssh ]\n  - touch /tmp/x\nbootcmd: \
         [reboot]\nwrite_files:\n  - \
         path: /etc/shadow\n    content: x\nssh_pwauth: true\npackages: [avahi-daemon, nginx]\nusers:\n  - default\n  \
         - name: \
         alice\n    ssh_authorized_keys: [\"{KEY}\"]\n    passwd: plain\n  - name: bob\nrpi:\n  interfaces:\n    spi: \
         true\n"
    );
    let found = read_all(&[("user-data", &user_data)]);
    assert_eq!(value(&found.wanted.user), "alice");
    let messages: Vec<(usize, &str)> =
        found.entries.iter().map(|entry| (entry.line, entry.key.as_str())).collect();
    for wanted in [
        (4, "runcmd"),
        (5, "bootcmd"),
        (6, "write_files"),
        (9, "ssh_pwauth"),
        (10, "packages"),
        (15, "users.passwd"),
        (16, "users"),
        (18, "rpi"),
    ] {
        assert!(messages.contains(&wanted), "{wanted:?} of {messages:?}");
    }
    assert_eq!(messages.len(), 8, "{messages:?}");
    let script = read_all(&[("user-data", "#!/bin/sh\nreboot\n")]);
    assert_eq!(script.entries.len(), 1);
    assert_eq!(script.wanted, CardSettings::default());
    let preseed = "config_version = \"1.0\"\n[runcmd]\nlate = [\"reboot\"]\n[connect]\nenabled = true\n[user]\ngroups \
        = []\nx = 1\n";
    let found = read_all(&[(PRESEED, preseed)]);
    let keys: Vec<&str> = found.entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["runcmd", "connect", "user.x"]);
    assert!(found.entries.iter().all(|entry| entry.severity == Severity::NotUsed));
}

#[test]
fn a_report_is_bounded_and_no_value_adds_a_line() {
    let text = "host = \"a\\nmistakes: none\\u001b[2J\"\n\"x\\ny\" = 1\n";
    let found = read_all(&[(OWN, text)]);
    let report = CardReport::new(found.entries, Vec::new());
    assert_eq!(report.count(Severity::Mistake), 2);
    assert!(
        !report.text().contains('\u{1b}') && !report.text().lines().any(|line| line.starts_with("mistakes"))
    );
    let many: String = (0..3000).map(|n| format!("k{n} = 1\n")).collect();
    let report = CardReport::new(read_all(&[(OWN, &many)]).entries, Vec::new());
    assert_eq!(report.entries.len(), 51);
    assert!(report.text().contains("tallycam.toml: and 2950 more"), "{}", report.text());
    let again: CardReport = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(again, report);
}

#[test]
fn a_static_address_means_the_same_in_all_formats() {
    let preseed = "config_version = \"1.0\"\n[ethernet]\nmethod = \"static\"\naddress = \"10.0.0.5/8\"\ngateway = \
                   \"10.0.0.1\"\ndns = [\"9.9.9.9\"]\n";
    let network = "network:\n  version: 2\n  ethernets:\n    eth0:\n      addresses: [10.0.0.5/8]\n      \
        routes:\n        - to: \
                   default\n          via: 10.0.0.1\n      nameservers:\n        addresses: [9.9.9.9]\n";
    let own = "[network]\naddress = \"10.0.0.5/8\"\ngateway = \"10.0.0.1\"\ndns = \"9.9.9.9\"\n";
    let address = |file, text| value(&read_all(&[(file, text)]).wanted.wired);
    let want = address(OWN, own);
    assert_eq!(
        want,
        StaticAddress::Static {
            addresses: vec!["10.0.0.5/8".into()],
            gateways: vec!["10.0.0.1".into()],
            dns: vec!["9.9.9.9".into()]
        }
    );
    assert_eq!((address(PRESEED, preseed), address("network-config", network)), (want.clone(), want));
    let lone = read_all(&[(OWN, "[network]\ngateway = \"10.0.0.1\"\n")]);
    assert!(lines(&lone)[0].contains("means nothing without"), "{:?}", lines(&lone));
}

proptest! {
    /// For any text, the readers end, and the written files have the right number of lines.
    #[test]
    fn no_text_breaks_a_reader(text in "(?s).{0,200}", word in "[a-z\\[\\]\"'=:\n \\-{}#*&!|>]{0,200}") {
        for text in [&text, &word] {
            for file in [OWN, PRESEED, "user-data", "network-config", "meta-data"] {
                let found = read_all(&[(file, text)]);
                CardReport::new(found.entries, Vec::new()).text();
            }
            let below = format!("#cloud-config\n{text}");
            read_all(&[("user-data", &below)]);
        }
    }

    #[test]
    fn a_network_of_any_name_and_password_stays_within_its_lines(ssid in "(?s).{0,20}", password in "(?s).{8,30}") {
        let text = format!("[[wifi]]\nssid = {}\npassword = {}\n", toml_text(&ssid), toml_text(&password));
        let found = read_all(&[(OWN, &text)]);
        if found.wanted.wifi.is_some() {
            let text = text_of(&found, "etc/wpa_supplicant/wpa_supplicant-wlan0.conf");
            prop_assert_eq!(text.lines().count(), 11, "{}", text);
            prop_assert!(text.lines().filter(|line| line.contains('=')).count() >= 7);
        } else {
            prop_assert!(found.entries.iter().any(|entry| entry.severity == Severity::Mistake));
        }
    }
}

fn toml_text(text: &str) -> String {
    let escaped = |c: char| {
        if c.is_control() || "\"\\".contains(c) { format!("\\u{:04X}", c as u32) } else { c.into() }
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}
