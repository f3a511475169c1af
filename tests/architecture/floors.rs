//! Layers inside the large modules: a part uses only parts below it.

use super::rings::imports;
use super::{Source, assert_none, sources};

/// The parts of a module from the bottom up; parts of one layer never use each other. A part is a folder or a file. A
/// file or folder that is listed with its parent folder stands apart from that folder. `mod.rs` of the module
/// re-exports names and belongs to no layer.
const FLOORS: &[(&str, &[&[&str]])] = &[
    (
        "config",
        &[
            &["duration", "mqtt", "origin", "redact", "size"],
            &["diagnostic"],
            &["kind"],
            &["keys"],
            &["default_file", "defaults", "file", "geometry"],
            &["overrides"],
            &["resolve"],
        ],
    ),
    (
        "pipeline",
        &[
            &["backoff", "change", "options", "rate", "single_flight", "stability", "warm_up"],
            &["commands", "state"],
            &["focus", "lights/settings"],
            &["lights/shared"],
            &["lights/shot"],
            &["capture_state"],
            &["capture", "recording"],
            &["counting", "lights"],
            &["clip", "video"],
            &["recount", "requests"],
            &["views"],
        ],
    ),
    (
        "http",
        &[
            &["server"],
            &["request"],
            &["auth"],
            &["site"],
            &["report"],
            &["api"],
            &["legacy", "pages"],
            &["openapi"],
            &["routes"],
            &["cors", "forms"],
            &["dispatch"],
            &["connection"],
            &["accept"],
            &["fuzz"],
        ],
    ),
    (
        "cli",
        &[
            &["common", "examples"],
            &["media"],
            &["camera", "card", "counting", "people", "service"],
            &["checking"],
        ],
    ),
];

/// Index of the layer that holds `path`, found by the longest listed prefix.
fn floor(floors: &[&[&str]], path: &[&str]) -> Option<(usize, String)> {
    (1..=path.len()).rev().map(|len| path[..len].join("/")).find_map(|part| {
        let place = floors.iter().position(|parts| parts.contains(&part.as_str()))?;
        Some((place, part))
    })
}

/// Faults of `sources`: arrows up or sideways, and parts without a layer.
fn faults(sources: &[Source], floors: &[(&str, &[&[&str]])]) -> Vec<String> {
    let mut found = Vec::new();
    let placed: Vec<_> = sources
        .iter()
        .map(|source| {
            let module = source.module();
            let (_, floors) = floors.iter().find(|(name, _)| *name == module[0])?;
            let place = floor(floors, &module[1..]);
            if place.is_none() && module.len() > 1 {
                found.push(format!("{}: stands on no floor of {} (see FLOORS)", source.path, module[0]));
            }
            place.map(|place| (module[0], place))
        })
        .collect();
    for (from, used) in imports(sources).iter().enumerate() {
        let Some((module, (height, part))) = &placed[from] else { continue };
        for &to in used {
            let Some((other, (below, lower))) = &placed[to] else { continue };
            if module == other && part != lower && below >= height {
                found.push(format!("{}: {part} must not use {}", sources[from].path, sources[to].path));
            }
        }
    }
    found
}

#[test]
fn parts_use_only_parts_below_them() {
    assert_none(faults(&sources(), FLOORS));
}

#[test]
fn arrows_up_or_sideways_and_parts_without_a_floor_are_found() {
    let sources = [
        Source::new("a/mod.rs", "use self::top::f;"),
        Source::new("a/low.rs", "use super::top::f; use crate::b::g;"),
        Source::new("a/beside.rs", "use super::low::f;"),
        Source::new("a/top/mod.rs", "use super::low::f; use self::apart::f;"),
        Source::new("a/top/apart.rs", ""),
        Source::new("a/new.rs", ""),
        Source::new("b.rs", ""),
    ];
    let floors: &[(&str, &[&[&str]])] = &[("a", &[&["low", "beside", "top/apart"], &["top"]])];
    let found = faults(&sources, floors);
    assert_eq!(
        found,
        [
            "a/new.rs: stands on no floor of a (see FLOORS)",
            "a/low.rs: low must not use a/top/mod.rs",
            "a/beside.rs: beside must not use a/low.rs"
        ]
    );
}
