#!/usr/bin/env python3
"""Checks the crates of Cargo.lock: licences that deny.toml allows, crates from the registry only, and the advisories of
RustSec by cargo-deny.

    deploy/deny.py

The first two need nothing but cargo, and always run. The advisories need cargo-deny and RustSec's database. Without
them a line says that they were left out; with an old database it says how old. TARGET/advisories.txt holds this line
for the end of .ci/run.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
DAY_S = 86_400


def is_allowed(expression, allowed):
    """True if `expression`, of SPDX or in the old form `MIT/Apache-2.0`, can be met by `allowed` licences."""
    words = re.findall(r"\(|\)|[^\s()]+(?:\s+WITH\s+[^\s()]+)?", expression.replace("/", " OR "))
    terms = {"(": "(", ")": ")", "AND": "and", "OR": "or"}
    return eval(" ".join(terms.get(word) or str(" ".join(word.split()) in allowed) for word in words))


def metadata():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--all-features"]
    for target in ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"):
        command += ["--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


def faults(packages, allowed):
    """What is wrong with the crates, a sentence each."""
    for package in packages:
        name = f"{package['name']} {package['version']}"
        licence = package["license"]
        if package["source"] not in (None, REGISTRY):
            yield f"{name} comes from {package['source']}, and only the registry is allowed"
        elif not licence:
            yield f"{name} names no licence"
        elif not is_allowed(licence, allowed):
            yield f"{name} has the licence {licence}, which deny.toml does not allow"


def advisories():
    """Checks the advisories. Returns what could not be checked, in a sentence; None if all was."""
    if subprocess.run(["cargo", "deny", "--version"], capture_output=True).returncode:
        return "not checked: there is no cargo-deny; `cargo install --locked cargo-deny` makes it"
    deny = ["cargo", "deny", "--locked", "--log-level", "error"]
    try:
        is_fresh = not subprocess.run(deny + ["fetch", "db"], cwd=ROOT, capture_output=True, timeout=60).returncode
    except subprocess.TimeoutExpired:
        is_fresh = False
    folder = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo")) / "advisory-dbs"
    # A fresh clone has no FETCH_HEAD.
    fetched = [path.stat().st_mtime for name in ("FETCH_HEAD", "HEAD") for path in folder.glob(f"*/.git/{name}")]
    if not is_fresh and not fetched:
        return "not checked: RustSec's database cannot be fetched from here"
    if subprocess.run(deny + ["check", "--disable-fetch", "advisories"], cwd=ROOT).returncode:
        sys.exit("error: a crate has an advisory: update it, or say in deny.toml why it does no harm")
    days = 0 if is_fresh else int((time.time() - max(fetched)) / DAY_S)
    return f"checked with a database that is {days} days old: a newer one cannot be fetched" if days else None


def main():
    with open(ROOT / "deny.toml", "rb") as file:
        allowed = tomllib.load(file)["licenses"]["allow"]
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    target.mkdir(parents=True, exist_ok=True)
    note = target / "advisories.txt"
    note.unlink(missing_ok=True)
    packages = metadata()["packages"]
    wrong = sorted(faults(packages, allowed))
    if wrong:
        sys.exit("\n".join(f"error: {sentence}" for sentence in wrong))
    print(f"licences and sources of {len(packages)} crates are as deny.toml wants them")
    if unchecked := advisories():
        line = f"LEFT OUT: make deny: advisories {unchecked}"
        note.write_text(line + "\n", encoding="utf-8")
        print(line)


if __name__ == "__main__":
    main()
