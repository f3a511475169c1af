//! The result of `tallycam card apply` for the files on a card's boot partition, from its report in `/run`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::card::{CardReport, Severity};
use crate::http::{Finding, Verdict};

/// This file marks a system that runs from a card.
pub const MARKER: &str = "etc/tallycam/card";

/// Path of the report.
pub const REPORT: &str = "run/tallycam-card/report.json";

/// A longer report is refused.
const LONGEST: u64 = 1024 * 1024;

/// The finding for the card that `root` runs from; `None` if it runs from no card.
pub fn card_finding(root: &Path) -> Option<Finding> {
    root.join(MARKER).is_file().then(|| match read(&root.join(REPORT)) {
        Ok(report) => report_finding(&report),
        Err(error) => {
            let said = format!("What became of the files on the card is not known: {error}");
            Finding::warning("card", said).hint("`journalctl -u tallycam-card` says more")
        }
    })
}

fn read(file: &Path) -> io::Result<CardReport> {
    let mut text = String::new();
    File::open(file)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

fn report_finding(report: &CardReport) -> Finding {
    let (mistakes, unused) = (report.count(Severity::Mistake), report.count(Severity::NotUsed));
    let things = |count, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let (verdict, summary) = match (mistakes, unused) {
        (0, 0) => (Verdict::Good, String::from("What its files say is in force")),
        (0, unused) => (Verdict::Warning, things(unused, "thing is not used", "things are not used")),
        (mistakes, _) => (Verdict::Bad, things(mistakes, "mistake in its files", "mistakes in its files")),
    };
    let mut said = summary;
    for entry in &report.entries {
        said.push_str(&format!("\n{}", entry.line()));
        if let Some(hint) = &entry.hint {
            said.push_str(&format!("\n    {hint}"));
        }
    }
    let hint = "put the card into a computer, mend the file there, and start from it again; \
                tallycam-report.txt beside it says the same";
    Finding::new("card", verdict, said).maybe_hint((mistakes > 0).then(|| hint.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::card::Entry;

    fn root(report: Option<&str>) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in ["etc/tallycam", "run/tallycam-card"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join(MARKER), "").unwrap();
        if let Some(report) = report {
            fs::write(root.path().join(REPORT), report).unwrap();
        }
        root
    }

    #[test]
    fn only_a_card_has_a_finding() {
        assert_eq!(card_finding(tempfile::tempdir().unwrap().path()), None);
        for nonsense in [None, Some("{"), Some("[]")] {
            assert_eq!(
                card_finding(root(nonsense).path()).unwrap().verdict,
                Verdict::Warning,
                "{nonsense:?}"
            );
        }
        // A folder or an endless file in its place is no report.
        let root = root(None);
        fs::write(root.path().join(REPORT), vec![b' '; LONGEST as usize + 10]).unwrap();
        assert_eq!(card_finding(root.path()).unwrap().verdict, Verdict::Warning);
    }

    #[test]
    fn mistakes_are_reported_with_their_place() {
        let entry = Entry::mistake("tallycam.toml", 3, "country", "must be …", Some("as \"DE\"".into()));
        let told = |entries| {
            let report = serde_json::to_string(&CardReport::new(entries, Vec::new())).unwrap();
            card_finding(root(Some(&report)).path()).unwrap()
        };
        let bad = told(vec![Entry::note("state was checked"), entry]);
        assert_eq!(bad.verdict, Verdict::Bad);
        let lines: Vec<&str> = bad.message.lines().collect();
        assert_eq!(
            lines,
            [
                "1 mistake in its files",
                "tallycam.toml:3: country: must be …",
                "    as \"DE\"",
                "state was checked"
            ]
        );
        assert_eq!(
            told(vec![Entry::not_used("user-data", 9, "x", "not used", None)]).verdict,
            Verdict::Warning
        );
        assert_eq!(told(Vec::new()).verdict, Verdict::Good);
    }
}
