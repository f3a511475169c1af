#!/usr/bin/env python3
"""The packages that a card's bytes come from: name, version, architecture and SHA-256 of each, from the archive's own signed lists.

    deploy/image/list.py STATUS PACKAGE LISTS… -- DEB…

STATUS is dpkg's of the root, PACKAGE our own, which no archive has, LISTS folders of apt's, DEB what is unpacked without dpkg.
"""
import glob
import hashlib
import os
import subprocess
import sys


def paragraphs(path):
    """The fields that matter, of each paragraph of one of Debian's control files."""
    fields = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line == "\n":
                yield fields
                fields = {}
            elif line[0] not in " \t":
                name, value = line.split(":", 1)
                fields[name] = value.strip()
    if fields:
        yield fields


def named(fields):
    return fields["Package"], fields["Version"], fields["Architecture"]


def hashed(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def of_deb(path):
    said = subprocess.run(["dpkg-deb", "-f", path, "Package", "Version", "Architecture"], check=True, stdout=subprocess.PIPE,
                          encoding="utf-8").stdout
    return named(dict(line.split(": ", 1) for line in said.splitlines()))


def main():
    status, package, *rest = sys.argv[1:]
    split = rest.index("--")
    known = {of_deb(deb): hashed(deb) for deb in (package, *rest[split + 1:])}
    used = set(known)
    for folder in rest[:split]:
        for path in glob.glob(os.path.join(folder, "*_Packages")):
            known.update((named(fields), fields["SHA256"]) for fields in paragraphs(path))
    used |= {named(fields) for fields in paragraphs(status) if fields["Status"] == "install ok installed"}
    for name in sorted(used):
        if name not in known:
            sys.exit(f"no list has {' '.join(name)}: remove target/image/base and make it again")
        print(*name, known[name])


main()
