//! `tallycam card apply`, with folders in place of the root, the boot partition and the state partition.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA alice@home";

const CONFIG: &str = "[access]\nclaim = \"network\"\n\n[http]\nmax_head = 16384\n";

/// A card that is not started.
struct Card(TempDir);

impl Card {
    fn new() -> Card {
        let card = Card(TempDir::new().unwrap());
        card.put("root/etc/tallycam/card", "VERSION=0\n");
        card.put("root/etc/tallycam/config.toml", CONFIG);
        card.put(
            "root/etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\ntallycam:x:990:991::/:/usr/sbin/nologin\n",
        );
        card.put("root/etc/group", "root:x:0:\nsudo:x:27:\ntallycam:x:991:\n");
        card.put("root/etc/shadow", "root:*:19000:0:99999:7:::\n");
        card.put("root/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 tallycam\n");
        card.put("root/usr/share/zoneinfo/Europe/Berlin", "TZif2 and so on");
        fs::create_dir_all(card.at("boot")).unwrap();
        fs::create_dir_all(card.at("state")).unwrap();
        card
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn own(&self, text: &str) {
        self.put("boot/tallycam.toml", text);
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn run(&self) -> (i32, String, String) {
        self.run_with(&[])
    }

    fn run_with(&self, more: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_tallycam"))
            .env_remove("JOURNAL_STREAM")
            .args(["card", "apply"])
            .args(more)
            .args(["--boot", "boot", "--state", "state", "--root", "root"])
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Applies the files and returns the output. Each start begins with the image's configuration.
    fn apply(&self) -> String {
        let _ = fs::remove_dir_all(self.at("root/run"));
        self.put("root/etc/tallycam/config.toml", CONFIG);
        let (code, said, errors) = self.run();
        assert_eq!((code, errors.as_str()), (0, ""), "{said}");
        said
    }

    fn report(&self) -> Value {
        serde_json::from_str(&self.text("root/run/tallycam-card/report.json")).unwrap()
    }

    fn hash(&self) -> String {
        let kept: Value = serde_json::from_str(&self.text("state/tallycam/access.json")).unwrap();
        kept["password"].as_str().unwrap_or_default().to_owned()
    }

    /// Runs `tallycam …` on the state, as the page does, and returns the output.
    fn on_state(&self, arguments: &[&str]) -> String {
        let directory = format!("store.directory={:?}", self.at("state/tallycam").to_str().unwrap());
        let listen = format!("http.listen=[\"unix:{}\"]", self.at("no.sock").display());
        let output = Command::new(env!("CARGO_BIN_EXE_tallycam"))
            .env_remove("JOURNAL_STREAM")
            .args(arguments)
            .args(["--set", &directory, "--set", &listen])
            .current_dir(self.0.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn the_file_becomes_a_system() {
    let card = Card::new();
    card.own(&format!(
        "name = \"Gate\"\ntime_zone = \"Europe/Berlin\"\ncountry = \"DE\"\n[[wifi]]\nssid = \"Home\"\npassword = \"correct \
         horse\"\n[ssh]\nuser = \"alice\"\nkeys = [\"{KEY}\"]\n[stream]\nquality = 70\n[power]\nkey = \"sixteen letters and \
         more\"\n[access]\npassword = \"long enough\" # mine\n"
    ));
    let said = card.apply();
    assert!(
        said.contains("No mistakes.") && !said.contains("long enough") && !said.contains("horse"),
        "{said}"
    );
    assert_eq!(card.text("root/etc/hostname"), "gate\n");
    assert_eq!(card.text("root/etc/hosts"), "127.0.0.1 localhost\n127.0.1.1\tgate\n");
    let link = fs::read_link(card.at("root/etc/localtime")).unwrap();
    assert_eq!(link, Path::new("/usr/share/zoneinfo/Europe/Berlin"));
    let wifi = card.at("root/etc/wpa_supplicant/wpa_supplicant-wlan0.conf");
    assert_eq!(fs::metadata(wifi).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(card.text("root/etc/passwd").ends_with("alice:x:1000:1000::/home/alice:/bin/sh\n"));
    assert!(card.text("root/etc/shadow").ends_with("alice:*:::::::\n"));
    assert_eq!(fs::metadata(card.at("root/etc/shadow")).unwrap().permissions().mode() & 0o777, 0o640);
    let keys = fs::metadata(card.at("root/home/alice/.ssh/authorized_keys")).unwrap();
    assert_eq!(keys.permissions().mode() & 0o777, 0o600);
    if keys.uid() != 1000 {
        assert_ne!(fs::metadata(card.at("root/etc/passwd")).unwrap().uid(), 0, "root gives it to alice");
    }
    // Settings of the page are in the state, the rest in the configuration.
    let settings = card.text("state/tallycam/settings.toml");
    assert!(settings.contains("quality = 70") && !settings.contains("[access]"), "{settings}");
    assert!(settings.contains("name = \"Gate\"") && settings.contains("max_head = 16384"), "{settings}");
    let config = card.text("root/etc/tallycam/config.toml");
    assert!(config.contains("key = \"sixteen letters and more\"") && !config.contains("quality"), "{config}");
    assert!(config.contains("claim = \"network\""), "{config}");
    // The hash replaces the password; everything else stays as typed.
    let own = card.text("boot/tallycam.toml");
    assert!(own.contains(&format!("password = \"{}\" # mine\n", card.hash())), "{own}");
    assert!(card.hash().starts_with("$argon2id$") && own.starts_with("name = \"Gate\"\n"), "{own}");
    assert!(!card.text("state/tallycam/provisioned.json").contains("long enough"));
    assert_eq!(card.text("boot/tallycam-report.txt"), said);
    let mut there: Vec<_> =
        fs::read_dir(card.at("boot")).unwrap().map(|it| it.unwrap().file_name()).collect();
    there.sort();
    assert_eq!(there, ["tallycam-report.txt", "tallycam.toml"], "nothing else is left on the partition");
}

#[test]
fn a_second_start_writes_nothing_to_the_card() {
    let card = Card::new();
    card.own("name = \"Gate\"\n[access]\npassword = \"long enough\"\n[stream]\nquality = 70\n");
    card.apply();
    let marks = || {
        let files = ["boot/tallycam.toml", "boot/tallycam-report.txt", "state/tallycam/provisioned.json"];
        let more = ["state/tallycam/settings.toml", "state/tallycam/access.json"];
        [&files[..], &more[..]]
            .concat()
            .into_iter()
            .map(|file| fs::metadata(card.at(file)).unwrap().ino())
            .collect()
    };
    let first: Vec<u64> = marks();
    card.apply();
    assert_eq!(first, marks());
    // A second run at the same start changes nothing either.
    let config = card.text("root/etc/tallycam/config.toml");
    assert_eq!(card.run().0, 0);
    assert_eq!((first, config), (marks(), card.text("root/etc/tallycam/config.toml")));
}

#[test]
fn a_change_on_the_page_survives_starts_until_the_file_changes() {
    let card = Card::new();
    card.own("[access]\npassword = \"long enough\"\n[stream]\nquality = 70\n[snapshot]\nwarm_up = 7\n");
    card.apply();
    let first = card.hash();
    let kept = card.text("state/tallycam/settings.toml");
    card.put("state/tallycam/settings.toml", &kept.replace("quality = 70", "quality = 90"));
    card.on_state(&["password", "random"]);
    let of_page = card.hash();
    assert_ne!(of_page, first);
    card.apply();
    assert!(card.text("state/tallycam/settings.toml").contains("quality = 90"));
    assert_eq!(card.hash(), of_page);
    let note = "tallycam.toml:4: stream.quality: has been changed on the page";
    assert!(
        card.text("boot/tallycam-report.txt").contains(note),
        "{}",
        card.text("boot/tallycam-report.txt")
    );
    // A new value or password in the file overrides the page's. A removed setting goes back to its default.
    card.own("[access]\npassword = \"another one\"\n[stream]\nquality = 60\n");
    card.apply();
    let settings = card.text("state/tallycam/settings.toml");
    assert!(settings.contains("quality = 60") && !settings.contains("warm_up"), "{settings}");
    assert!(card.hash() != of_page && card.hash() != first);
    // A removed password stays in force, and so does a setting that is malformed.
    let last = card.hash();
    card.own("[stream]\nquality = 700\n");
    card.apply();
    assert_eq!(card.hash(), last);
    assert!(card.text("state/tallycam/settings.toml").contains("quality = 60"));
    card.own("[stream\nquality = 50\n");
    card.apply();
    assert!(card.text("state/tallycam/settings.toml").contains("quality = 60"));
    // An emptied state gets everything again.
    card.own("[access]\npassword = \"another one\"\n[stream]\nquality = 60\n");
    fs::remove_dir_all(card.at("state/tallycam")).unwrap();
    card.apply();
    assert!(card.text("state/tallycam/settings.toml").contains("quality = 60"));
    assert!(card.hash().starts_with("$argon2id$"));
}

/// After a reset of any kind nobody reads or changes anything without the file's password.
#[test]
fn after_a_factory_reset_the_password_of_the_file_holds_and_nothing_is_open() {
    let card = Card::new();
    card.own("[access]\npassword = \"long enough\"\n[stream]\nquality = 70\n");
    card.apply();
    let first = card.hash();
    card.on_state(&["password", "random"]);
    assert_ne!(card.hash(), first);
    card.on_state(&["reset", "--yes"]);
    let left = ["settings.toml", "access.json", "provisioned.json"];
    assert!(left.iter().all(|file| !card.at(&format!("state/tallycam/{file}")).exists()));
    let config = card.at("root/etc/tallycam/config.toml");
    let shown = card.on_state(&["config", "show", "--config", config.to_str().unwrap()]);
    assert!(shown.contains("view = \"password\"") && shown.contains("claim = \"network\""), "{shown}");
    card.apply();
    assert_eq!(card.hash(), first);
    assert!(card.text("state/tallycam/settings.toml").contains("quality = 70"));
}

#[test]
fn a_card_has_its_whole_state_in_one_place() {
    let card = Card::new();
    card.own("[store]\ndirectory = \"/srv/elsewhere\"\n[access]\npassword = \"long enough\"\n");
    let said = card.apply();
    assert!(
        said.contains("tallycam.toml:2: store.directory: not used") && said.contains("No mistakes."),
        "{said}"
    );
    assert!(!card.text("root/etc/tallycam/config.toml").contains("elsewhere"));
    assert!(card.hash().starts_with("$argon2id$"));
}

#[test]
fn a_temporarily_full_state_loses_nothing() {
    let card = Card::new();
    card.own("[stream]\nquality = 70\n");
    card.apply();
    let kept = card.text("state/tallycam/settings.toml");
    card.put("state/tallycam/settings.toml", &kept.replace("quality = 70", "quality = 90"));
    card.put("state/tallycam/settings.toml.new/full", "");
    card.own("[stream]\nquality = 70\n[snapshot]\nwarm_up = 7\n");
    assert!(card.apply().contains("settings cannot be kept"));
    fs::remove_dir_all(card.at("state/tallycam/settings.toml.new")).unwrap();
    card.apply();
    let settings = card.text("state/tallycam/settings.toml");
    assert!(settings.contains("quality = 90") && settings.contains("warm_up = 7"), "{settings}");
}

#[test]
fn a_name_from_imager_is_the_cameras_too() {
    let card = Card::new();
    card.put("boot/rpi-preseed.toml", "config_version = \"1.0\"\n[system]\nhostname = \"porch\"\n");
    card.apply();
    assert_eq!(card.text("root/etc/hostname"), "porch\n");
    assert!(card.text("state/tallycam/settings.toml").contains("name = \"porch\""));
}

#[test]
fn a_missing_boot_partition_changes_nothing() {
    let card = Card::new();
    card.own("[stream]\nquality = 70\n");
    card.apply();
    fs::rename(card.at("boot"), card.at("elsewhere")).unwrap();
    let said = card.apply();
    assert!(said.contains("there is no boot partition at boot"), "{said}");
    assert!(card.text("state/tallycam/settings.toml").contains("quality = 70"));
    assert!(card.report()["entries"][0]["message"].as_str().unwrap().contains("no boot partition"));
}

#[test]
fn a_boot_partition_that_cannot_be_written_keeps_its_password_and_says_so() {
    let card = Card::new();
    card.own("[access]\npassword = \"long enough\"\n");
    // A folder blocks the file that is written, like a file system that refuses writes.
    card.put("boot/tallycam.new/full", "");
    card.apply();
    let first = card.hash();
    let said = card.apply();
    assert!(said.contains("tallycam.toml:2: access.password: is readable there for everybody"), "{said}");
    assert!(said.contains("tallycam-report.txt: could not be written"), "{said}");
    assert_eq!(card.hash(), first, "it is no other password");
    card.on_state(&["password", "random"]);
    let of_page = card.hash();
    card.apply();
    assert_eq!(card.hash(), of_page);
    assert_eq!(card.text("boot/tallycam.toml"), "[access]\npassword = \"long enough\"\n");
}

#[test]
fn a_state_that_takes_nothing_leaves_the_settings_in_the_configuration() {
    let card = Card::new();
    card.own("[access]\npassword = \"long enough\"\n[stream]\nquality = 70\n");
    let in_configuration = |said: &str| {
        let config = card.text("root/etc/tallycam/config.toml");
        assert!(said.contains("settings cannot be kept"), "{said}");
        assert!(said.contains("access.password: could not be set"), "{said}");
        assert!(config.contains("quality = 70") && config.contains("claim = \"network\""), "{config}");
    };
    fs::remove_dir(card.at("state")).unwrap();
    in_configuration(&card.apply());
    // Links in place of its folders lead nowhere.
    fs::create_dir_all(card.at("state")).unwrap();
    fs::create_dir_all(card.at("outside")).unwrap();
    symlink(card.at("outside"), card.at("state/tallycam")).unwrap();
    in_configuration(&card.apply());
    assert_eq!(fs::read_dir(card.at("outside")).unwrap().count(), 0);
    fs::remove_file(card.at("state/tallycam")).unwrap();
    // Folders block the files that are written, like a full file system.
    card.put("state/tallycam/settings.toml.new/full", "");
    card.put("state/tallycam/access.json/full", "");
    card.put("state/tallycam/provisioned.json/full", "");
    let said = card.apply();
    in_configuration(&said);
    assert!(said.contains("could not be recorded") || said.contains("is invalid"), "{said}");
}

#[test]
fn links_in_the_root_lead_nowhere_else() {
    let card = Card::new();
    card.put("outside/theirs", "theirs");
    card.own("host = \"gate\"\n[[wifi]]\nssid = \"A\"\n");
    symlink(card.at("outside/theirs"), card.at("root/etc/hostname")).unwrap();
    symlink(card.at("outside"), card.at("root/etc/wpa_supplicant")).unwrap();
    let said = card.apply();
    assert_eq!(card.text("outside/theirs"), "theirs");
    assert_eq!(fs::read_dir(card.at("outside")).unwrap().count(), 1);
    assert_eq!(card.text("root/etc/hostname"), "gate\n");
    assert!(said.contains("/etc/wpa_supplicant/wpa_supplicant-wlan0.conf could not be written"), "{said}");
}

#[test]
fn files_of_ten_megabytes_and_of_nonsense_do_not_stop_it() {
    let card = Card::new();
    fs::write(card.at("boot/tallycam.toml"), vec![b'x'; 10_000_000]).unwrap();
    fs::write(card.at("boot/rpi-preseed.toml"), b"\xff\xfe\0").unwrap();
    fs::create_dir(card.at("boot/user-data")).unwrap();
    card.put("boot/network-config", "a: &a [b]\nc: [*a, *a]\n");
    card.put("boot/meta-data", "hostname: last\n");
    let said = card.apply();
    for message in [
        "tallycam.toml: is not read: it is longer than 64 kB",
        "rpi-preseed.toml: is not read: it is UTF-16",
        "user-data: cannot be read: it is no file",
        "network-config:2: nothing of this file is used: aliases",
    ] {
        assert!(said.contains(message), "{message}: {said}");
    }
    assert_eq!(card.text("root/etc/hostname"), "last\n");
    let severities: Vec<&str> = card.report()["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| match it["severity"].as_str() {
            Some("mistake") => "mistake",
            _ => "other",
        })
        .collect();
    assert_eq!(severities, ["mistake"; 4]);
}

#[test]
fn a_file_with_a_hidden_ending_and_the_initrds_notes_are_reported() {
    let card = Card::new();
    card.put("boot/tallycam.toml.txt", "name = \"Gate\"\n");
    let _ = card.apply();
    card.put("root/run/tallycam-card/notes", "state was checked and mended\n\nthe card is small\u{7}\n");
    let (code, said, _) = card.run();
    assert_eq!(code, 0);
    assert!(said.contains("tallycam.toml.txt: is not read for its name"), "{said}");
    assert!(said.contains("  state was checked and mended\n  the card is small\u{fffd}\n"), "{said}");
}

#[test]
fn settings_that_do_not_go_together_leave_the_images_own() {
    let card = Card::new();
    card.own("[http]\ncertificate = \"/etc/tallycam/https.pem\"\n[source]\nkind = \"url\"\n[stream]\nquality = 70\n");
    let said = card.apply();
    assert!(said.contains("tallycam.toml:2") && said.contains("needs `http.key`"), "{said}");
    assert!(!card.text("root/etc/tallycam/config.toml").contains("certificate"));
    assert!(!card.text("state/tallycam/settings.toml").contains("kind"));
    assert!(card.text("state/tallycam/settings.toml").contains("quality = 70"));
}

#[test]
fn a_system_that_is_no_card_is_not_touched() {
    let card = Card::new();
    card.own("host = \"gate\"\n");
    fs::remove_file(card.at("root/etc/tallycam/card")).unwrap();
    let (code, said, error) = card.run();
    assert_eq!((code, said.as_str()), (1, ""));
    assert!(error.contains("this system is no card"), "{error}");
    assert!(!card.at("root/etc/hostname").exists() && !card.at("state/tallycam").exists());
}

/// On Raspberry Pi OS, set up by Imager: see deploy/card.sh.
#[test]
fn on_another_system_only_the_settings_are_applied() {
    let card = Card::new();
    fs::remove_file(card.at("root/etc/tallycam/card")).unwrap();
    let config = card.text("root/etc/tallycam/config.toml");
    card.put("boot/rpi-preseed.toml", "[system]\nhostname = \"porch\"\n");
    card.own(
        "name = \"Gate\"\ncountry = \"DE\"\n[access]\npassword = \"long enough\"\n[power]\nkey = \"sixteen letters and \
         more\"\n[stream]\nquality = 70\n",
    );
    let (code, said, errors) = card.run_with(&["--settings"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{said}");
    for message in
        ["tallycam.toml:2: country: not used", "tallycam.toml:6: power.key: not used", "No mistakes."]
    {
        assert!(said.contains(message), "{message}: {said}");
    }
    assert!(!said.contains("porch") && !said.contains("host name"), "{said}");
    assert!(card.text("state/settings.toml").contains("name = \"Gate\"\n"));
    assert!(card.text("state/settings.toml").contains("quality = 70"));
    let kept: Value = serde_json::from_str(&card.text("state/access.json")).unwrap();
    assert!(card.text("boot/tallycam.toml").contains(kept["password"].as_str().unwrap()));
    assert_eq!(card.text("boot/tallycam-report.txt"), said);
    assert_eq!(card.text("root/etc/tallycam/config.toml"), config);
    assert!(!card.at("root/run").exists() && !card.at("root/etc/hostname").exists());
}

/// The example on each card, with nothing commented out.
#[test]
fn the_example_applies_as_it_stands_and_when_it_is_uncommented() {
    let example =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/image/tallycam.toml")).unwrap();
    let card = Card::new();
    card.own(&example);
    let said = card.apply();
    assert!(said.contains("No mistakes.") && said.contains("Nothing was given"), "{said}");
    // `#key = value` and `#[section]` are examples, `# Words` are words.
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    let all: String = example.lines().map(uncomment).collect();
    assert!(all.matches(" = ").count() >= 15, "{all}");
    card.own(&all);
    let said = card.apply();
    assert!(said.contains("No mistakes.") && !said.contains("not used"), "{said}");
    for message in
        ["host name: ", "time zone: ", "Wi-Fi: ", "address by cable: ", "SSH: ", "password of the page: "]
    {
        assert!(said.contains(message), "{message}: {said}");
    }
    // docs/card.md shows the same file.
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/card.md")).unwrap();
    assert!(docs.contains(&example), "docs/card.md shows another file");
}

/// A first partition as Imager leaves it, and a package.
fn raspberry_pi_os(cmdline: &str, firstrun: Option<&str>) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("boot")).unwrap();
    fs::create_dir_all(folder.path().join("packages")).unwrap();
    let put = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
    put("boot/cmdline.txt", cmdline);
    put("boot/config.txt", "");
    put("boot/kernel8.img", "");
    put("packages/tallycam_0.1.0-1_arm64.deb", "a package");
    put("mine.toml", "name = \"Gate\"\n");
    if let Some(firstrun) = firstrun {
        put("boot/firstrun.sh", firstrun);
    }
    folder
}

fn card_sh(folder: &Path) -> (bool, String) {
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/card.sh"))
        .args(["boot", "mine.toml"])
        .env("PACKAGES", "packages")
        .current_dir(folder)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_card_of_raspberry_pi_os_installs_at_its_first_start() {
    let folder = raspberry_pi_os("console=tty1 root=PARTUUID=1 rootwait ds=nocloud;i=rpi-imager-1\r\n", None);
    let text = |path: &str| fs::read_to_string(folder.path().join("boot").join(path)).unwrap();
    for _ in 0..2 {
        let (is_done, said) = card_sh(folder.path());
        assert!(is_done, "{said}");
        assert_eq!(
            text("cmdline.txt"),
            "console=tty1 root=PARTUUID=1 rootwait ds=nocloud;i=rpi-imager-1 systemd.run=/boot/firmware/tallycam/install.sh \
             systemd.run_success_action=reboot systemd.run_failure_action=reboot systemd.unit=kernel-command-line.target\n"
        );
    }
    assert_eq!(text("tallycam/tallycam_0.1.0-1_arm64.deb"), "a package");
    assert_eq!(text("tallycam.toml"), "name = \"Gate\"\n");
    assert!(text("tallycam/install.sh").contains("dpkg"));
    fs::remove_file(folder.path().join("boot/kernel8.img")).unwrap();
    assert!(card_sh(folder.path()).1.contains("64-bit"));
    fs::remove_file(folder.path().join("boot/cmdline.txt")).unwrap();
    assert!(card_sh(folder.path()).1.contains("no boot partition"));
}

#[test]
fn the_first_start_of_imager_installs_the_package_too() {
    let cmdline = "root=PARTUUID=1 systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot systemd.unit=kernel-command-line.target\n";
    let firstrun = "#!/bin/sh\n\nset +e\n\necho imager\nrm -f /boot/firstrun.sh\nexit 0\n";
    let folder = raspberry_pi_os(cmdline, Some(firstrun));
    let text = |path: &str| fs::read_to_string(folder.path().join("boot").join(path)).unwrap();
    for _ in 0..2 {
        let (is_done, said) = card_sh(folder.path());
        assert!(is_done, "{said}");
        assert_eq!(text("cmdline.txt"), cmdline, "the initrd looks for these words");
        let script = text("firstrun.sh");
        assert_eq!(script.matches("install.sh\" --along").count(), 1, "{script}");
        let without: String = script
            .lines()
            .filter(|line| !line.contains("tallycam"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(without, firstrun);
    }
    // The script of the first start, with a stand-in for ours.
    let boot = folder.path().join("boot");
    fs::write(boot.join("tallycam/install.sh"), "echo \"ours $1\"\n").unwrap();
    let script =
        text("firstrun.sh").replace("/boot/firmware", boot.to_str().unwrap()).replace("rm -f", "true");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "ours --along\nimager\n");
}
