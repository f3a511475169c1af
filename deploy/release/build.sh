#!/bin/sh
# Collects a release in target/release-files: packages, card image, lists of contents, checksums, notes. `make
# release` calls it after it has made packages and image.
#
#   deploy/release/build.sh [ADDRESS]    ADDRESS is the later address of the files, for Raspberry Pi Imager's list
set -eu

cd "$(dirname "$0")/../.."
address=${1:-https://github.com/tallycam/tallycam/releases/latest/download}
out=target/release-files
say() { printf 'tallycam: %s\n' "$*" >&2; }
give_up() {
    say "$@"
    exit 1
}

# Cargo.toml has the version. Debian's changelog and CHANGELOG.md must agree with it.
version=$(cargo metadata --locked --format-version 1 --no-deps | python3 -c '
import json, sys
found = {package["version"] for package in json.load(sys.stdin)["packages"]}
sys.exit(f"the packages have several versions: {found}") if len(found) > 1 else print(*found)')
debian=$(dpkg-parsechangelog -l deploy/debian/changelog -S Version)
[ "${debian%-*}" = "$version" ] || give_up "deploy/debian/changelog says $debian, Cargo.toml $version"
notes=$(awk -v wanted="$version" '/^## / { found = $2 ~ "^" wanted ",?$"; next } found' CHANGELOG.md)
[ -n "$notes" ] || give_up "CHANGELOG.md has no section \"## $version\""

rm -rf "$out"
mkdir -p "$out"
for architecture in amd64 arm64; do
    for package in tallycam tallycam-libcamera; do
        cp "target/deb/${package}_${debian}_$architecture.deb" "$out/"
    done
done
image=tallycam-$debian-pi-arm64
cp "target/image/$image.img.xz" "target/image/$image.packages" "$out/"

# `tallycam model add` downloads this file of the release.
cp models/catalogue/ssdlite_mobilenet_v2.onnx "$out/"
cp src/ui/assets/icon.svg "$out/tallycam.svg"
printf '%s\n' "$notes" >"$out/notes.md"
deploy/release/contents.py "$version" "$out/$image.packages" "$out"
deploy/release/imager.py "$version" "$out/$image.img.xz" "$address" "$out/os_list.json"

(cd "$out" && sha256sum -- *.deb *.onnx *.xz *.json *.packages *.svg >SHA256SUMS && sha256sum --quiet --check SHA256SUMS)
say "$out holds tallycam $version:"
(cd "$out" && ls -l)
