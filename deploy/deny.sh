#!/bin/sh
# Checks the dependencies against deny.toml: licences, sources of crates, and the advisories of RustSec. Checks that
# cannot run here are left out with a message.
set -eu

cd "$(dirname "$0")/.."
if ! cargo deny --version >/dev/null 2>&1; then
    echo "LEFT OUT: make deny: there is no cargo-deny; \`cargo install --locked cargo-deny\` makes it"
    exit
fi
# Two versions of a crate are only a warning, shown by `cargo deny check bans`.
cargo deny --locked --log-level error check licenses bans sources
if timeout 60 cargo deny --locked --log-level off fetch db >/dev/null 2>&1; then
    cargo deny --locked --log-level error check --disable-fetch advisories
else
    echo "LEFT OUT: make deny: advisories: RustSec's database cannot be fetched from here"
fi
