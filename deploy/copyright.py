#!/usr/bin/env python3
"""Writes a package's copyright file: tallycam, its model and its font, every crate that is in the program with its licence, the
C code that crates carry along, and the text of each licence once.

    deploy/copyright.py PACKAGE TARGET [FEATURE...] > copyright

PACKAGE is tallycam, or tallycam-libcamera, which has neither model nor font. TARGET is a Rust target such as
aarch64-unknown-linux-gnu: other crates are in the program of another one. Made of what cargo knows (Cargo.lock) and of the
licence files in the crates' own sources: the same sources give the same bytes. A crate that names no licence, or one whose text
is nowhere, is an error: somebody has to look.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
LICENCE_FILE = re.compile(r"^(licen[sc]e|copying|notice|unlicense|copyright)(\..*|-.*)?$", re.IGNORECASE)
COPYRIGHT_LINE = re.compile(r"^\W*(copyright\b|\(c\)\s|©).*\d{4}.*$|^\W*copyright (\(c\)|©|the|by) .*$", re.IGNORECASE)
# Code in other languages that is compiled into the program: its name, and its licence file in the crate.
CARRIED = {
    "turbojpeg-sys": [
        ("libjpeg-turbo (C and assembler; this software is based in part on the work of the Independent JPEG Group)",
         "libjpeg-turbo/LICENSE.md", None),
        ("libjpeg-turbo, the part of the Independent JPEG Group", "libjpeg-turbo/README.ijg", ("LEGAL ISSUES", "REFERENCES")),
    ],
    "libsqlite3-sys": [("SQLite (C), in the public domain", "sqlite3/sqlite3.h", ("** The author disclaims", "****"))],
    "ring": [
        ("BoringSSL (C and assembler)", "LICENSE-BoringSSL", None),
        ("fiat-crypto (C)", "third_party/fiat/LICENSE", None),
        ("ring's own code", "LICENSE-other-bits", None),
    ],
    "rs_ws281x": [
        ("rpi_ws281x (C)", "src/rpi_ws281x/LICENSE", None),
        ("rpi_ws281x (C), its files", "src/rpi_ws281x/pcm.c", (" * Copyright", " */")),
        ("rpi_ws281x (C), the mailbox", "src/rpi_ws281x/mailbox.c", ("Copyright", "*/")),
    ],
}
# For a crate without the text of its licence: the text of another crate, or Debian's copy.
COMMON = {"Apache-2.0": "On Debian systems the text of the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0."}
MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to
use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom
the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


def crates(package, target, features):
    """The crates in the program of `package` for `target`, tallycam's own left out, in order of names."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    if features:
        command += ["--features", ",".join(f"{package}/{feature}" for feature in features)]
    known = json.loads(subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in known["packages"]}
    needs = {node["id"]: node["deps"] for node in known["resolve"]["nodes"]}
    own = known["workspace_members"]
    found, waiting = set(), [one for one in own if packages[one]["name"] == package]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        # Crates that are only built or tested with are not in it.
        waiting += [need["pkg"] for need in needs[one] if any(kind["kind"] is None for kind in need["dep_kinds"])]
    return sorted((packages[one] for one in found.difference(own)), key=lambda package: (package["name"], package["version"]))


def read(path):
    """The text of a file, lines without blanks at their ends."""
    text = path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n").replace("\f", "")
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def body(text):
    """A licence's text without the lines that say whose it is, as a key to tell that two are the same."""
    lines = [line for line in text.split("\n") if not COPYRIGHT_LINE.match(line)]
    return re.sub(r"\W+", " ", " ".join(lines)).strip().lower()


def indented(text, by="    "):
    return "\n".join(by + line if line else "" for line in text.split("\n"))


class Texts:
    """Licence texts, each once, numbered as they come."""

    def __init__(self):
        self.numbers = {}
        self.texts = []

    def number(self, text):
        key = body(text)
        if key not in self.numbers:
            self.texts.append(text)
            self.numbers[key] = len(self.texts)
        return self.numbers[key]


def is_apache(text):
    return "apache license version 2 0 january 2004" in body(text)


def part(text, between):
    """The lines of `text` from the last one that begins with the first mark (the first may be in a list of contents) up to the
    one that begins with the second; of several in a row the first. Without the stars of a comment in C."""
    if between is None:
        return text
    lines = text.split("\n")
    marked = [number for number, line in enumerate(lines) if line.startswith(between[0])]
    start = next((number for number in reversed(marked) if number - 1 not in marked), None)
    if start is None:
        sys.exit(f"copyright.py: no {between[0]!r} where a licence was")
    end = next((number for number in range(start + 1, len(lines)) if lines[number].startswith(between[1])), len(lines))
    return re.sub(r"(?m)^ \*( |$)", "", "\n".join(lines[start:end])).strip("\n")


def shipped_beside():
    """The model and the font of tallycam."""
    return [
        "The model /usr/share/tallycam/models/yolox_nano_320.onnx",
        "",
        "Copyright: 2021-2022 Megvii Inc. and contributors (YOLOX-Nano); exported to ONNX by Kazuhito Takahashi",
        "  (YOLOX-ONNX-TFLite-Sample). Changed as models.md beside this file says.",
        "License: Apache-2.0",
        "",
        "",
        "The letters of cards and captions, in the program: DejaVu Sans and DejaVu Sans Bold 2.37, cut down to Latin-1 and a few",
        "punctuation marks",
        "",
        indented(read(HERE / "crates/camera/src/media/font/LICENSE")),
        "",
        "",
    ]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    of, target, features = sys.argv[1], sys.argv[2], sys.argv[3:]
    texts = Texts()
    out = [
        "tallycam shows what a camera sees to any number of browsers and counts what crosses a line.",
        "",
        "Copyright: 2026 The tallycam contributors",
        "License: MIT OR Apache-2.0, whichever you like",
        "",
        indented(read(HERE / "LICENSE-MIT")),
        "",
        COMMON["Apache-2.0"],
        "",
        "",
    ]
    if of == "tallycam":
        out += shipped_beside()
    out += [
        "Libraries that are in the program",
        "",
        "Each with the licence that it names (SPDX), whose it is, and the numbers of the texts below. Where there is a choice",
        "tallycam takes any of them.",
        "",
    ]
    out += ["The Rust standard library: MIT OR Apache-2.0", "    The Rust Project contributors",
            f"    see text {texts.number(MIT)}, Apache-2.0", ""]
    for package in crates(of, target, features):
        name, folder = package["name"], Path(package["manifest_path"]).parent
        licence = package["license"]
        if not licence:
            sys.exit(f"copyright.py: {name} names no licence")
        files = sorted(path for path in folder.iterdir() if path.is_file() and LICENCE_FILE.match(path.name))
        owners, numbers, refers = [], [], False
        for path in files:
            text = read(path)
            if len(text) < 200 and "\n" not in text.strip():
                continue
            owners += [line.strip(" #*/") for line in text.split("\n") if COPYRIGHT_LINE.match(line) and "[yyyy]" not in line
                       and not is_apache(text)]
            if is_apache(text):
                refers = True
            else:
                numbers.append(texts.number(text))
        if not numbers and "MIT" in licence:
            numbers.append(texts.number(MIT))
        if not numbers and not refers and "Apache-2.0" not in licence:
            sys.exit(f"copyright.py: the text of {name}'s licence, {licence}, is nowhere")
        if not owners:
            owners = package["authors"] or [f"The {name} authors"]
        out.append(f"{name} {package['version']}: {licence.replace('/', ' OR ')}")
        out += [f"    {owner}" for owner in dict.fromkeys(owners)]
        says = [f"text {number}" for number in dict.fromkeys(numbers)]
        if refers or "Apache-2.0" in licence:
            says.append("Apache-2.0")
        out.append(f"    see {', '.join(says)}")
        for what, where, between in CARRIED.get(name, []):
            text = part(read(folder / where), between)
            said = "Apache-2.0" if is_apache(text) else f"text {texts.number(text)}"
            out.append(f"    in it, {what}: see {said}")
        out.append("")
    out += ["", "Apache-2.0", "", COMMON["Apache-2.0"], ""]
    for number, text in enumerate(texts.texts, 1):
        out += ["", f"Text {number}", "", indented(text), ""]
    print("\n".join(out))


if __name__ == "__main__":
    main()
