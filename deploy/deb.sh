#!/bin/sh
# Makes a Debian package of the built program; `make deb` builds it first.
#
#   deploy/deb.sh ARCHITECTURE PROGRAM FOLDER [FEATURE...]
#
# ARCHITECTURE is Debian's word, PROGRAM the tallycam built for it (with the FEATUREs), FOLDER gets the package.
# Cargo.toml lists its files under [package.metadata.deb]; cargo-deb packs them. Manual pages, completions, the
# copyright file and the stripped program are made here, in target/deb, and are the same for the same sources. FOLDER
# also gets report-ARCHITECTURE.txt: size, dependencies, and findings of lintian and systemd-analyze. Their errors end
# the script.
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
# The command line is the same on every architecture, so this machine's program describes it. An optimised program
# that was just built is reused if it has the same features; otherwise everything would be built again.
profile=dev
if [ "$program" = "${CARGO_TARGET_DIR:-target}/release/tallycam" ] && [ $# -eq 0 ]; then profile=release; fi
cargo run --quiet --locked --profile "$profile" --example manual -- "$made"
gzip -9n <CHANGELOG.md >"$made/changelog.gz"
deploy/copyright.py tallycam "$triple" "$@" >"$made/copyright"
"$(stripper)" --strip-all --remove-section=.comment -o "$made/tallycam" "$program"

# The program must not name the folder in which it was built. C has stack protectors (.cargo/config.toml).
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

# The manifest cannot know against which C library the program was linked.
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
# The exposure of the service's units, out of 10. More than 1.5 is an error, and then the whole list is printed.
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
