#!/usr/bin/env python3
"""The list by which Raspberry Pi Imager offers the card image.

    deploy/release/imager.py VERSION IMAGE.img.xz ADDRESS OUT    makes it, with sizes and hashes of the image, and checks it
    deploy/release/imager.py --check LIST                        only checks one

ADDRESS is where the image's file will be found. Imager reads it by "App options › Content repository", or
`rpi-imager --repo ADDRESS/os_list.json`. What a list may hold: deploy/release/os_list.schema.json.
"""
import datetime
import hashlib
import json
import lzma
import os
import sys
from pathlib import Path

# Imager's own names of boards. A Zero 2 W counts as a pi3.
DEVICES = ["pi3-64bit", "pi4-64bit", "pi5-64bit"]


def entry(version, image, address):
    hashed, size = hashlib.sha256(), 0
    with lzma.open(image) as file:
        while piece := file.read(1 << 20):
            hashed.update(piece)
            size += len(piece)
    # The date of the sources, so that the same sources give the same list.
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or Path(image).stat().st_mtime)
    return {
        "name": f"tallycam {version}",
        "description": "Shows what a USB or network camera sees, and counts what crosses a line. Pi 3, 4, Zero 2 W; Pi 5 untested.",
        "icon": f"{address}/tallycam.svg",
        "url": f"{address}/{Path(image).name}",
        "extract_size": size,
        "extract_sha256": hashed.hexdigest(),
        "image_download_size": Path(image).stat().st_size,
        "release_date": datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date().isoformat(),
        # Imager writes the answers of its form in this format; the card reads it (docs/card.md).
        "init_format": "cloudinit",
        "devices": DEVICES,
        "website": "https://github.com/tallycam/tallycam",
    }


def check(made):
    import jsonschema

    schema = json.loads((Path(__file__).parent / "os_list.schema.json").read_text(encoding="utf-8"))
    try:
        jsonschema.validate(made, schema, format_checker=jsonschema.FormatChecker())
    except jsonschema.ValidationError as error:
        sys.exit(f"tallycam: the list for Imager is wrong: {'/'.join(map(str, error.absolute_path))}: {error.message}")


def main():
    if sys.argv[1:2] == ["--check"] and len(sys.argv) == 3:
        check(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
        return
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    version, image, address, out = sys.argv[1:]
    made = {"os_list": [entry(version, image, address.rstrip("/"))]}
    check(made)
    Path(out).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


main()
