//! `deploy/fleet/pull.sh` with a `curl` and a `psql` that only note what they are asked.

use std::path::Path;
use std::process::Command;

use tallycam_base::testing::write_executable;

/// Answers with nothing, and notes the address.
const CURL: &str = r#"#!/bin/bash
cat >/dev/null
while [ $# -gt 1 ]; do
    if [ "$1" = -o ]; then echo '{}' >"$2"; fi
    shift
done
echo "$1" >>"$NOTED"
"#;

/// Knows a camera whose coverage ends 200 days ago.
const PSQL: &str = r#"#!/bin/bash
sql=$(cat)
case $sql in
*"select count(*) from coverage"* | *"coalesce((select whole"*) echo 0 ;;
*"select ledger from cameras"* | *"->> 'ledger'"*) echo LEDGER ;;
*"begin;"*) echo 0 0 ;;
*"extract(epoch"*) echo $((NOW - 200 * 86400)) "$NOW" ;;
*"(i ->> 'id')"*) echo 1 ;;
esac
"#;

const NOW: u64 = 1_795_000_000;

fn program(folder: &Path, name: &str, text: &str) {
    write_executable(&folder.join(name), text);
}

#[test]
fn coverage_of_a_long_time_is_asked_in_steps_that_a_camera_answers() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "curl", CURL);
    program(folder.path(), "psql", PSQL);
    let (noted, list) = (folder.path().join("noted"), folder.path().join("cameras"));
    std::fs::write(&list, "cam http://cam.example\n").unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let run = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/fleet/pull.sh"))
        .arg("cam")
        .envs([("PATH", path.as_str()), ("NOW", &NOW.to_string())])
        .envs([("NOTED", &noted), ("FLEET_CAMERAS", &list)])
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let noted = std::fs::read_to_string(noted).unwrap();
    let seconds = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second() as u64;
    let steps: Vec<(u64, Option<u64>)> = noted
        .lines()
        .filter_map(|address| address.split_once("/counts?line=1&from="))
        .map(|(_, query)| {
            let mut fields = query.split('&');
            let from = seconds(fields.next().unwrap());
            (from, fields.find_map(|field| field.strip_prefix("to=")).map(seconds))
        })
        .collect();
    assert_eq!(steps.len(), 4, "{noted}");
    assert!((NOW - 200 * 86_400 - 300..=NOW - 200 * 86_400).contains(&steps[0].0), "{noted}");
    for step in steps.windows(2) {
        assert_eq!(step[0].1, Some(step[1].0), "none is left out: {noted}");
    }
    for (from, to) in &steps {
        assert!(to.unwrap_or(NOW) - from <= 20_000 * 300 && to.is_none_or(|to| to < NOW), "{noted}");
    }
    assert_eq!(steps[3].1, None, "the last one has no end: {noted}");
}
