#!/bin/sh
# Plays real footage through the model, in an endless loop and with a line across the road: a road with pedestrians
# (PETS 2009, S2.L1, view 1) from Debian's package opencv-doc.
#
#   deploy/demo.sh TALLYCAM FOLDER [--set …]
#
# TALLYCAM is the program. FOLDER keeps the clip and the demo's own counts, apart from any others.
set -eu

here=$(dirname "$0")
program=$1
folder=$2
shift 2

say() { printf 'tallycam: %s\n' "$*" >&2; }

clip=$folder/vtest.avi
if ! [ -s "$clip" ]; then
    mkdir -p "$folder"
    if ! command -v ffmpeg >/dev/null; then "$here/prerequisites.sh" demo; fi
    original=/usr/share/doc/opencv-doc/examples/data/vtest.avi
    if ! [ -s "$original" ]; then
        say "fetching the clip with Debian's package opencv-doc (96 MB, unpacked into $folder, not installed)"
        (cd "$folder" && apt-get -qq download opencv-doc) || {
            say "apt-get download opencv-doc failed"
            say "hint: sudo apt-get update, or put any clip in place: $clip (MJPEG in AVI)"
            exit 1
        }
        dpkg-deb --fsys-tarfile "$folder"/opencv-doc_*.deb |
            tar -xO ./usr/share/doc/opencv-doc/examples/data/vtest.avi >"$folder/original.avi"
        rm -f "$folder"/opencv-doc_*.deb
        original=$folder/original.avi
    fi
    # tallycam plays MJPEG; the original is MPEG-4. It was filmed at about 7 fps, and claims 10.
    ffmpeg -v error -y -i "$original" -c:v mjpeg -q:v 5 "$folder/part.avi"
    mv "$folder/part.avi" "$clip"
    rm -f "$folder/original.avi"
fi

# The line is in the demo's file, so that it exists at the first start. A line drawn on the page belongs to the user.
exec "$program" serve \
    --set name=Demo --set source.kind=files --set "source.path=$clip" --set source.loop=true \
    --set "store.directory=$folder" \
    --set 'line=[{name = "Road", a = [0.39, 0.70], b = [0.39, 0.21], in = "leftwards", out = "rightwards"}]' \
    "$@"
