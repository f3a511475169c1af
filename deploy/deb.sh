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

# Where the Makefile puts cargo-deb.
PATH=$PWD/target/tools/bin:$PATH

say() { printf 'tallycam: %s\n' "$*" >&2; }

case $architecture in
    amd64) triple=x86_64-unknown-linux-gnu ;;
    arm64) triple=aarch64-unknown-linux-gnu ;;
    *)
        say "$architecture: packages are made for amd64 and arm64"
        exit 64
        ;;
esac

# strip knows one machine; LLVM's knows all.
stripper() {
    if [ "$(dpkg --print-architecture)" = "$architecture" ]; then
        echo strip
        return
    fi
    gnu=$(echo "$triple" | sed 's/-unknown//')-strip
    if command -v "$gnu" >/dev/null; then echo "$gnu"; else echo llvm-strip; fi
}

# The newest version of the C library that the program wants a symbol of.
glibc() {
    LC_ALL=C readelf --wide --dyn-syms "$1" | sed -n 's/.*@GLIBC_\([0-9][0-9.]*\).*/\1/p' | sort -Vu | tail -n 1
}

made=target/deb
mkdir -p "$made" "$folder"
rm -rf "$made/man" "$made/completions"
# The command line is the same everywhere: this machine's program tells it, optimised where it has just been built so anyhow
# (with the same features: with others all of it would be built anew).
profile=dev
if [ "$program" = "${CARGO_TARGET_DIR:-target}/release/tallycam" ] && [ $# -eq 0 ]; then profile=release; fi
cargo run --quiet --locked --profile "$profile" --example manual -- "$made"
gzip -9n <CHANGELOG.md >"$made/changelog.gz"
deploy/copyright.py "$triple" "$@" >"$made/copyright"
"$(stripper)" --strip-all --remove-section=.comment -o "$made/tallycam" "$program"

# Packages of the same sources are the same to the byte.
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l deploy/debian/changelog -S Timestamp)
export SOURCE_DATE_EPOCH
cargo deb --quiet --locked --no-build --no-strip --target "$triple" --output "$made/"
package=$(dpkg-parsechangelog -l deploy/debian/changelog -S Version)
package=tallycam_${package}_$architecture.deb

# The manifest cannot know which C library the program was linked against.
rm -rf "$made/root"
dpkg-deb --raw-extract "$made/$package" "$made/root"
sed -i "s/(>= GLIBC)/(>= $(glibc "$made/tallycam"))/" "$made/root/DEBIAN/control"
dpkg-deb --root-owner-group -Zxz --build "$made/root" "$folder/$package" >/dev/null
rm -rf "$made/root"

report=$folder/report-$architecture.txt
{
    echo "$package: $(stat -c %s "$folder/$package") bytes, the program in it $(stat -c %s "$made/tallycam")"
    echo "needed: $(LC_ALL=C readelf --wide --dynamic "$made/tallycam" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')"
    echo "newest symbol: GLIBC_$(glibc "$made/tallycam")"
} >"$report"
failed=
found=$(lintian --fail-on error --profile debian "$folder/$package") || failed=yes
echo "lintian: ${found:-nothing}" >>"$report"
# The last line says how much of 10 the service's unit leaves open; more than 2.5 is an error.
open=$(systemd-analyze security --offline=yes --threshold=25 --no-pager systemd/tallycam.service) || failed=yes
if [ -z "$failed" ]; then open=$(printf '%s\n' "$open" | tail -n 1); fi
echo "systemd-analyze security: $open" >>"$report"
cat "$report"
if [ -n "$failed" ]; then exit 1; fi
