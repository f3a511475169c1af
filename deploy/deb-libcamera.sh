#!/bin/sh
# Makes the Debian package of the helpers that read a camera through libcamera: `make deb` builds them first.
#
#   deploy/deb-libcamera.sh ARCHITECTURE HELPERS FOLDER
#
# HELPERS has a helper for each soname, libcamera-0.4 and so on; FOLDER gets the package. The package depends only on
# the C and C++ libraries. Each release has another libcamera, so a package that depended on one could soon not be
# installed anywhere. It recommends libcamera-ipa, which depends on the libcamera of its own version; recommending a
# certain libcamera would keep the old one after an upgrade. FOLDER also gets report-libcamera-ARCHITECTURE.txt:
# sizes, dependencies, and lintian's findings. Errors of lintian end the script.
set -eu

cd "$(dirname "$0")/.."
architecture=$1
helpers=$2
folder=$3

# shellcheck source=deploy/deb-parts.sh
. deploy/deb-parts.sh

name=tallycam-libcamera
root=$made/libcamera
mkdir -p "$folder"
rm -rf "$root"
umask 022
mkdir -p "$root/DEBIAN" "$root/usr/lib/tallycam" "$root/usr/share/doc/$name" "$root/usr/share/lintian/overrides"
install -m 755 -t "$root/usr/lib/tallycam" "$helpers"/libcamera-*
deploy/copyright.py "$name" "$triple" helper >"$root/usr/share/doc/$name/copyright"
gzip -9n <deploy/debian/changelog >"$root/usr/share/doc/$name/changelog.Debian.gz"
gzip -9n <CHANGELOG.md >"$root/usr/share/doc/$name/changelog.gz"
cp deploy/debian/libcamera/lintian-overrides "$root/usr/share/lintian/overrides/$name"

# GCC versions by the symbol versions of its C++ library (GCC's manual, "ABI Policy and Guidelines").
newest_glibc=$(newest GLIBC "$root"/usr/lib/tallycam/*)
newest_cxx=$(newest GLIBCXX "$root"/usr/lib/tallycam/*)
case ${newest_cxx#3.4.} in
    "" | ? | 1? | 2[0-9] | 30) gcc=12 ;;
    31 | 32) gcc=13.1 ;;
    33) gcc=14 ;;
    *)
        say "GLIBCXX_$newest_cxx is newer than what Debian 13 has"
        exit 1
        ;;
esac
sed -e "s/@ARCHITECTURE@/$architecture/; s/@VERSION@/$version/; s/@GLIBC@/$newest_glibc/; s/@GCC@/$gcc/" \
    -e "s/@SIZE@/$(du -sk --apparent-size "$root/usr" | cut -f1)/" deploy/debian/libcamera/control >"$root/DEBIAN/control"
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
package=${name}_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$folder/$package" >/dev/null

failed=
found=$(lintian --fail-on error --profile debian "$folder/$package") || failed=yes
{
    echo "$package: $(stat -c %s "$folder/$package") bytes"
    for helper in "$root"/usr/lib/tallycam/*; do
        echo "$(basename "$helper"): $(stat -c %s "$helper") bytes; needed: $(needed "$helper")"
    done
    echo "newest symbols: GLIBC_$newest_glibc GLIBCXX_$newest_cxx"
    echo "lintian: ${found:-nothing}"
} | tee "$folder/report-libcamera-$architecture.txt"
rm -rf "$root"
if [ -n "$failed" ]; then exit 1; fi
