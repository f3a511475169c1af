//! The fuzz targets use the same crate versions as the program: `fuzz/Cargo.lock` agrees with `Cargo.lock`.

use std::collections::BTreeMap;
use std::path::Path;

/// Each package of a lock file with its versions.
fn versions(lock: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for package in lock.split("[[package]]").skip(1) {
        let of = |key| {
            let line = package.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.split('"').nth(1)).expect("a package has a name and a version")
        };
        all.entry(of("name = ")).or_default().push(of("version = "));
    }
    all
}

/// Dependencies that the program links with any set of features.
fn needed(manifest: &str) -> Vec<&str> {
    let (_, rest) = manifest.split_once("\n[workspace.dependencies]\n").expect("there are dependencies");
    let lines = rest.lines().take_while(|line| !line.starts_with("# Optional"));
    let keys =
        lines.filter(|line| !line.contains("optional = true")).filter_map(|line| line.split_once(" = "));
    keys.map(|(name, _)| name).filter(|name| !name.starts_with(['#', ' '])).collect()
}

/// Differences of the fuzz lock file: other versions, and crates that the program uses and the fuzz targets lack.
fn drift(shipped: &str, fuzz: &str, needed: &[&str]) -> Vec<String> {
    let (shipped, fuzz) = (versions(shipped), versions(fuzz));
    let other = fuzz.iter().filter_map(|(name, own)| {
        let shipped = shipped.get(name)?;
        own.iter()
            .any(|version| !shipped.contains(version))
            .then(|| format!("{name}: {own:?} instead of {shipped:?}"))
    });
    let missing =
        needed.iter().filter(|name| !fuzz.contains_key(**name)).map(|name| format!("{name} is missing"));
    other.chain(missing).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_fuzz_targets_use_the_versions_that_ship() {
    let manifest = read("Cargo.toml");
    let needed = needed(&manifest);
    assert!(needed.contains(&"hyper") && needed.contains(&"clap"), "{needed:?}");
    let drift = drift(&read("Cargo.lock"), &read("fuzz/Cargo.lock"), &needed);
    assert!(
        drift.is_empty(),
        "{drift:#?}\nmend with: cp Cargo.lock fuzz/Cargo.lock && cargo update --workspace --manifest-path fuzz/Cargo.toml"
    );
}

#[test]
fn a_lock_file_that_has_drifted_is_found() {
    let lock = |packages: &[(&str, &str)]| -> String {
        let text = packages
            .iter()
            .map(|(name, version)| format!("[[package]]\nname = {name:?}\nversion = {version:?}\n"));
        text.collect()
    };
    let shipped = lock(&[("regex", "1.0.1"), ("syn", "1.0.0"), ("syn", "2.0.0")]);
    let same = lock(&[("regex", "1.0.1"), ("syn", "2.0.0"), ("fuzzer", "7.0.0")]);
    assert!(drift(&shipped, &same, &["regex"]).is_empty());
    assert_eq!(drift(&shipped, &lock(&[("regex", "1.0.2")]), &["syn"]).len(), 2);
}
