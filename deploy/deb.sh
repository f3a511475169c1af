#!/bin/sh
# Makes a Debian package of a program that is built: `make deb` builds it first.
#
#   deploy/deb.sh ARCHITECTURE PROGRAM FOLDER [FEATURE...]
#
# ARCHITECTURE is Debian's word for it, PROGRAM the tallycam built for it (with the FEATUREs), FOLDER where the package goes. What
# the package holds stands in Cargo.toml under [package.metadata.deb]; cargo-deb packs it. Manual pages, completions, the
# copyright file and the stripped program are made here, in target/deb, and are the same for the same sources. FOLDER also gets
# report-ARCHITECTURE.txt: how large it is, what it needs, what lintian and systemd-analyze find. Errors of theirs end it.
set -eu

cd "$(dirname "$0")/.."
architecture=$1
program=$2
folder=$3
shift 3

# shellcheck source=deploy/deb-parts.sh
. deploy/deb-parts.sh

mkdir -p "$made" "$folder"
rm -rf "$made/man" "$made/completions"
# The command line is the same everywhere: this machine's program tells it, optimised where it has just been built so anyhow
# (with the same features: with others all of it would be built again).
profile=dev
if [ "$program" = "${CARGO_TARGET_DIR:-target}/release/tallycam" ] && [ $# -eq 0 ]; then profile=release; fi
cargo run --quiet --locked --profile "$profile" --example manual -- "$made"
gzip -9n <CHANGELOG.md >"$made/changelog.gz"
deploy/copyright.py tallycam "$triple" "$@" >"$made/copyright"
"$(stripper)" --strip-all --remove-section=.comment -o "$made/tallycam" "$program"

# Where it was built is nobody's business, and C is built with stack protectors (.cargo/config.toml).
if LC_ALL=C grep -qaF -e "$HOME/." -e "$PWD/" "$made/tallycam"; then
    say "$program names folders of this machine: make build and make cross build it without"
    exit 1
fi
if ! LC_ALL=C readelf --wide --dyn-syms "$made/tallycam" | grep -q __stack_chk_fail; then
    say "$program has no stack protectors: were CFLAGS given that replace those of .cargo/config.toml?"
    exit 1
fi

cargo deb --quiet --locked --no-build --no-strip --target "$triple" --output "$made/"
package=tallycam_${version}_$architecture.deb

# The manifest cannot know which C library the program was linked against.
rm -rf "$made/root"
dpkg-deb --raw-extract "$made/$package" "$made/root"
sed -i "s/(>= GLIBC)/(>= $(newest GLIBC "$made/tallycam"))/" "$made/root/DEBIAN/control"
dpkg-deb --root-owner-group -Zxz --build "$made/root" "$folder/$package" >/dev/null
rm -rf "$made/root"

report=$folder/report-$architecture.txt
{
    echo "$package: $(stat -c %s "$folder/$package") bytes, the program in it $(stat -c %s "$made/tallycam")"
    echo "needed: $(needed "$made/tallycam")"
    echo "newest symbol: GLIBC_$(newest GLIBC "$made/tallycam")"
} >"$report"
failed=
found=$(lintian --fail-on error --profile debian "$folder/$package") || failed=yes
echo "lintian: ${found:-nothing}" >>"$report"
# How much of 10 the service's units leave open; more than 1.5 is an error, and then all of it is told.
for unit in systemd/tallycam.service systemd/tallycam@.service; do
    if open=$(systemd-analyze security --offline=yes --threshold=15 --no-pager "$unit"); then
        open=$(printf '%s\n' "$open" | tail -n 1)
    else
        failed=yes
    fi
    echo "systemd-analyze security: $open" >>"$report"
done
cat "$report"
if [ -n "$failed" ]; then exit 1; fi
