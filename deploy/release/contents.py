#!/usr/bin/env python3
"""Lists of contents (SBOM) in CycloneDX 1.5: of the program for arm64, and of the card image.

    deploy/release/contents.py VERSION PACKAGES FOLDER

PACKAGES is the image's list, one Debian package a line: name, version, architecture, SHA-256. FOLDER gets tallycam.cdx.json
(every crate in the program) and image.cdx.json (every package in the image). The format: https://cyclonedx.org/docs/1.5/json/
"""
import json
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import quote

TARGET = "aarch64-unknown-linux-gnu"


def crates():
    """The crates that are compiled into the program, as components."""
    said = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET, "--features", "pwm"],
        check=True, stdout=subprocess.PIPE).stdout
    known = json.loads(said)
    packages = {package["id"]: package for package in known["packages"]}
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    # Only linked crates, not those of tests or build scripts.
    wanted, found = [known["resolve"]["root"]], set()
    while wanted:
        one = wanted.pop()
        if one in found:
            continue
        found.add(one)
        wanted += [need["pkg"] for need in nodes[one]["deps"] if any(kind["kind"] is None for kind in need["dep_kinds"])]
    sums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in locked()}
    for package in sorted((packages[one] for one in found), key=lambda package: (package["name"], package["version"])):
        if package["source"] is None:
            continue
        name, version = package["name"], package["version"]
        component = {"type": "library", "name": name, "version": version, "purl": f"pkg:cargo/{name}@{version}"}
        if package["license"]:
            component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        if sums.get((name, version)):
            component["hashes"] = [{"alg": "SHA-256", "content": sums[name, version]}]
        yield component


def locked():
    import tomllib

    with open("Cargo.lock", "rb") as file:
        return tomllib.load(file)["package"]


def debian(packages):
    for line in Path(packages).read_text(encoding="utf-8").splitlines():
        name, version, architecture, sha256 = line.split()
        purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={architecture}&distro=trixie"
        yield {"type": "library", "name": name, "version": version, "purl": purl,
               "hashes": [{"alg": "SHA-256", "content": sha256}]}


def write(path, kind, name, version, components):
    components = [{"bom-ref": component["purl"], **component} for component in components]
    if not components:
        sys.exit(f"{path} would be empty")
    # The same contents give the same bytes.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([name, version, components]))
    made = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial}", "version": 1,
        "metadata": {"component": {"type": kind, "bom-ref": name, "name": name, "version": version}},
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [component["bom-ref"] for component in components]}],
    }
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def main():
    version, packages, folder = sys.argv[1:]
    write(Path(folder) / "tallycam.cdx.json", "application", "tallycam", version, crates())
    write(Path(folder) / "image.cdx.json", "operating-system", "tallycam-image", version, debian(packages))


main()
