#!/bin/sh
# The helpers with the real libcamera: its virtual cameras, in a Debian of each soname. `make libcamera-test` calls
# it.
#
#   tests/libcamera/test.sh [arm64]     with arm64 also the helpers of that machine, by qemu-user: their pictures are the same
#
# LONG=1 opens and closes a camera a thousand times instead of a hundred. HELPERS_BUILT=1 uses the existing helpers.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
cache=${TALLYCAM_CROSS:-$here/target/cross}
machine=$(dpkg --print-architecture)
results=$here/target/libcamera/results

left_out() {
    echo "LEFT OUT: make libcamera-test: $1"
    exit 0
}

if [ "$(id -u)" != 0 ] || ! unshare --mount true 2>/dev/null; then left_out "the Debians take root, and mounts"; fi
if [ "$machine" != amd64 ] && [ "$machine" != arm64 ]; then left_out "no helper is made for $machine"; fi

# shellcheck disable=SC2086 # One word or none.
if [ -z "${HELPERS_BUILT:-}" ]; then
    "$here/deploy/libcamera.sh" build "$machine" ${1:-}
    "$here/deploy/libcamera.sh" unit-tests "$machine"
fi

# The pictures of the virtual cameras: a pattern, and ten pictures of a folder.
frames=$here/target/libcamera/frames
if ! [ -e "$frames/9.jpg" ]; then
    mkdir -p "$frames"
    ffmpeg -loglevel error -f lavfi -i testsrc=size=640x480:rate=1 -frames:v 10 -pix_fmt yuvj420p -q:v 3 \
        -start_number 0 -y "$frames/%d.jpg"
fi

# And persons who walk through one after the other, if that footage is available: as a camera, and as a clip.
footage=$here/target/libcamera/footage
clip=$here/../shared/testdata/video/one-by-one-person-detection.mp4
if [ -e "$clip" ] && ! [ -e "$footage/footage.avi" ]; then
    mkdir -p "$footage/frames"
    ffmpeg -loglevel error -ss 8 -i "$clip" -frames:v 400 -pix_fmt yuvj420p -q:v 3 -start_number 0 -y "$footage/frames/%d.jpg"
    ffmpeg -loglevel error -framerate 10 -start_number 0 -i "$footage/frames/%d.jpg" -c copy -y "$footage/footage.avi"
fi

# ready VERSION ARCH: puts cameras, pictures, the helper and, if it can be made, the preloaded library into that
# Debian.
ready() {
    root=$cache/libcamera-$1-$2
    mkdir -p "$root/usr/share/libcamera/pipeline/virtual" "$root/srv" "$root/usr/lib/tallycam"
    cp "$here/tests/libcamera/virtual.yaml" "$root/usr/share/libcamera/pipeline/virtual/virtual.yaml"
    rm -rf "$root/srv/frames"
    cp -r "$frames" "$root/srv/frames"
    rm -rf "$root/srv/footage.avi" "$root/srv/footage" "$root/srv/model"
    cp -r "$here/models" "$root/srv/model"
    if [ -e "$footage/footage.avi" ]; then
        cp "$footage/footage.avi" "$root/srv/footage.avi"
        cp -r "$footage/frames" "$root/srv/footage"
        cp "$here/tests/libcamera/footage.yaml" "$root/srv/footage.yaml"
    fi
    cp "$here/target/libcamera/$2/libcamera-$1" "$root/usr/lib/tallycam/libcamera-$1"
    rm -f "$root/srv/preload.so"
    if [ "$2" = "$machine" ] && command -v g++ >/dev/null; then
        g++ -std=c++17 -shared -fPIC -O1 -isystem "$root/usr/include/libcamera" -o "$root/srv/preload.so" \
            "$here/tests/libcamera/preload.cpp" -ldl
    fi
}

# tests WORD…: client.py in a mount namespace, so that nothing stays mounted in that Debian.
tests() {
    # shellcheck disable=SC2016 # The inner shell's own.
    unshare --mount --propagation private sh -c '
        root=$1
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs tmp "$root/tmp"
        shift
        exec python3 "$@"
    ' sh "$root" "$here/tests/libcamera/client.py" "$@" || failed=$((failed + 1))
}

rm -rf "$results"
mkdir -p "$results"
failed=0
for version in 0.4 0.7; do
    ready "$version" "$machine"
    if [ "$version" = 0.7 ]; then
        cp "$here/target/libcamera/$machine/unit-tests" "$root/srv/unit-tests"
        chroot "$root" /srv/unit-tests || failed=$((failed + 1))
    fi
    tests helper "$root" "$version" "$results" "${LONG:+1000}"
    tests daemon "$root" "$version" "$results" "${PROGRAM:-$here/target/release/tallycam}"
    if [ "${1:-}" = arm64 ] && [ "$machine" != arm64 ]; then
        ready "$version" arm64
        tests emulated "$root" "$version" "$results"
    fi
done
# Each run writes its two numbers.
cat "$results"/*.count | awk '{ p += $1; f += $2 } END { printf "%d passed, %d failed\n", p, f; exit f > 0 }'
[ "$failed" = 0 ]
