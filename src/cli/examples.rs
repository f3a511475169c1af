//! Examples for the help of each command; a group shows those of its commands. A test checks that every example parses.

use std::collections::BTreeMap;

use clap::Command;

/// A command and complete command lines for it.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("serve", &["tallycam serve", "tallycam serve --set source.kind=sim --set http.listen=127.0.0.1:8080"]),
    ("status", &["tallycam status", "tallycam status --json"]),
    ("check", &["tallycam check", "tallycam check --no-camera --json"]),
    ("config check", &["tallycam config check", "tallycam config check --config /etc/tallycam/config.toml"]),
    ("config show", &["tallycam config show", "tallycam config show --json"]),
    ("config default", &["tallycam config default", "tallycam config default > config.toml"]),
    ("devices", &["tallycam devices", "tallycam devices --json"]),
    ("controls", &["tallycam controls", "tallycam controls set brightness=120"]),
    ("controls list", &["tallycam controls list", "tallycam controls list --json"]),
    (
        "controls set",
        &["tallycam controls set brightness=120", "tallycam controls set exposure_auto=1 gain=default"],
    ),
    ("controls reset", &["tallycam controls reset", "tallycam controls reset --json"]),
    ("settings", &["tallycam settings", "tallycam settings set stream.fps=15"]),
    ("settings list", &["tallycam settings list", "tallycam settings list stream"]),
    ("settings get", &["tallycam settings get name", "tallycam settings get stream.quality --json"]),
    (
        "settings set",
        &["tallycam settings set name=Gate", "tallycam settings set stream.fps=15 stream.quality=85"],
    ),
    (
        "settings unset",
        &["tallycam settings unset stream.fps", "tallycam settings unset stream.fps stream.quality"],
    ),
    ("settings export", &["tallycam settings export", "tallycam settings export > settings.toml"]),
    ("settings import", &["tallycam settings import settings.toml", "tallycam settings import -"]),
    ("model list", &["tallycam model list", "tallycam model list --json"]),
    (
        "model check",
        &["tallycam model check yolox-nano", "tallycam model check gate.onnx --picture gate.jpg"],
    ),
    ("model add", &["tallycam model add yolox-nano", "tallycam model add gate.onnx --labels names.txt"]),
    ("focus", &["tallycam focus", "tallycam focus auto on"]),
    ("focus show", &["tallycam focus show", "tallycam focus show --json"]),
    ("focus auto", &["tallycam focus auto on", "tallycam focus auto off"]),
    ("focus set", &["tallycam focus set 0.4", "tallycam focus set 0"]),
    ("focus step", &["tallycam focus step 0.05", "tallycam focus step -0.05"]),
    ("focus at", &["tallycam focus at 0.5 0.5", "tallycam focus at"]),
    ("focus reset", &["tallycam focus reset", "tallycam focus reset --json"]),
    ("focus sweep", &["tallycam focus sweep", "tallycam focus sweep --json"]),
    ("snapshot", &["tallycam snapshot gate.jpg", "tallycam snapshot - > gate.jpg"]),
    (
        "record",
        &["tallycam record --duration 10m --wait", "tallycam record --every 10s --name \"Building site\""],
    ),
    ("record stop", &["tallycam record stop", "tallycam record stop --json"]),
    ("record status", &["tallycam record status", "tallycam record status --json"]),
    ("light", &["tallycam light", "tallycam light on"]),
    ("light show", &["tallycam light show", "tallycam light show --json"]),
    ("light on", &["tallycam light on", "tallycam light on --json"]),
    ("light off", &["tallycam light off", "tallycam light off --json"]),
    ("light set", &["tallycam light set --brightness 120", "tallycam light set --color ffb060"]),
    (
        "count",
        &[
            "tallycam count street.mp4 --line Door=0.5,0.1,0.5,0.9",
            "tallycam count street.mp4 --line 0.5,0,0.5,1 --model motion --report street.html",
        ],
    ),
    (
        "prove",
        &["tallycam prove Door --minutes 30", "tallycam prove Door --recording 17 --taps taps.csv --json"],
    ),
    ("counts show", &["tallycam counts show", "tallycam counts show --from -7d --bucket day --by direction"]),
    (
        "counts export",
        &["tallycam counts export > today.csv", "tallycam counts export --from yesterday --to today --json"],
    ),
    ("counts reset", &["tallycam counts reset --line 2", "tallycam counts reset --undo 7"]),
    (
        "counts recount",
        &["tallycam counts recount 17", "tallycam counts recount 17 --model yolox-nano --dry-run"],
    ),
    ("mqtt forget", &["tallycam mqtt forget"]),
    ("media list", &["tallycam media list", "tallycam media list --kind recording --from -7d"]),
    ("media show", &["tallycam media show 17", "tallycam media show name:gate.jpg --json"]),
    ("media add", &["tallycam media add gate.jpg", "tallycam media add *.avi --date 2026-11-20"]),
    ("media export", &["tallycam media export 17", "tallycam media export 17 street.avi"]),
    ("media rename", &["tallycam media rename 17 \"Rush hour\"", "tallycam media rename gate.jpg door.jpg"]),
    ("media date", &["tallycam media date 17 2026-11-20", "tallycam media date 17 2026-11-20T14:53"]),
    ("media note", &["tallycam media note 17 \"the red van\"", "tallycam media note 17 \"\""]),
    ("media keep", &["tallycam media keep 17", "tallycam media keep --off 17 18"]),
    ("media remove", &["tallycam media remove 17", "tallycam media remove --yes 17 18"]),
    ("media new", &["tallycam media new", "tallycam media new --json"]),
    ("media check", &["tallycam media check", "tallycam media check --repair"]),
    ("media vacuum", &["tallycam media vacuum", "tallycam media vacuum --wipe"]),
    ("media backup", &["tallycam media backup /mnt/usb/media.db", "tallycam media backup media.db --force"]),
    ("media retention", &["tallycam media retention", "tallycam media retention --plan"]),
    ("password status", &["tallycam password status"]),
    ("password set", &["tallycam password set", "tallycam password set < password.txt"]),
    ("password random", &["tallycam password random"]),
    ("password remove", &["tallycam password remove"]),
    ("user list", &["tallycam user list"]),
    ("user add", &["tallycam user add anna", "tallycam user add anna --role viewer"]),
    ("user remove", &["tallycam user remove anna"]),
    ("token list", &["tallycam token list"]),
    (
        "token add",
        &[
            "tallycam token add shop --scope counts",
            "tallycam token add wall --scope stream --scope snapshot",
        ],
    ),
    ("token revoke", &["tallycam token revoke 3"]),
    ("link", &["tallycam link /stream", "tallycam link /snapshot.jpg"]),
    ("audit", &["tallycam audit"]),
    ("backup", &["tallycam backup camera.tar", "tallycam backup camera.tar --media"]),
    ("restore", &["tallycam restore camera.tar"]),
    ("reset", &["tallycam reset"]),
    ("update", &["tallycam update tallycam_0.2.0_arm64.deb"]),
    ("card apply", &["tallycam card apply"]),
    ("completions", &["tallycam completions bash > tallycam.bash", "tallycam completions zsh > _tallycam"]),
];

/// Adds the examples to the help of `command` and of all commands below it. A group gets the first of each command.
pub(in crate::cli) fn with_examples(mut command: Command) -> Command {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (words, examples) in EXAMPLES {
        command = put(command, &words.split(' ').collect::<Vec<_>>(), examples);
        if let Some((group, _)) = words.split_once(' ') {
            groups.entry(group).or_default().push(examples[0]);
        }
    }
    for (group, examples) in
        groups.iter().filter(|(group, _)| EXAMPLES.iter().all(|(words, _)| words != *group))
    {
        command = put(command, &[*group], examples);
    }
    command
}

fn put(command: Command, words: &[&str], examples: &[&str]) -> Command {
    match words.split_first() {
        None => command.after_help(format!("Examples:\n  {}", examples.join("\n  "))),
        // A name that does not exist would create a command; the test reports it.
        Some((word, rest)) if command.find_subcommand(word).is_some() => {
            command.mut_subcommand(word, |below| put(below, rest, examples))
        }
        Some(_) => command,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            let path = format!("{path} {}", below.get_name()).trim().to_owned();
            let is_group = below.is_subcommand_required_set();
            if !is_group {
                found.push(path.clone());
            }
            leaves(below, &path, found);
        }
    }

    #[test]
    fn each_command_has_examples_and_each_is_understood() {
        let mut found = Vec::new();
        leaves(&crate::cli::command(), "", &mut found);
        let given: Vec<&str> = EXAMPLES.iter().map(|(words, _)| *words).collect();
        for words in &found {
            assert!(given.contains(&words.as_str()), "{words} has no examples");
        }
        for words in given {
            assert!(found.iter().any(|other| other == words), "there is no command {words}");
        }
        for example in EXAMPLES.iter().flat_map(|(_, examples)| *examples) {
            let words = shlex::split(example).unwrap();
            let own = words.iter().take_while(|word| !matches!(word.as_str(), ">" | "<"));
            if let Err(error) = crate::cli::command().try_get_matches_from(own) {
                panic!("{example}: {error}");
            }
        }
    }
}
