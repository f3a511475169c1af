#!/usr/bin/env python3
"""Takes over what the earlier Flask program has: its settings, and its snapshots and clips.

    from-flask.py config config.txt > config.toml
    from-flask.py media [--index FILE] FOLDER [OPTION...]

`config` prints a configuration; what has no counterpart becomes a comment. `media` adds what the index (FOLDER/media.db) names,
in its order and with its dates, then the other files of FOLDER, by `tallycam media add`, which needs the running service;
OPTIONs are tallycam's own, such as --config FILE. FOLDER is only read. A second run adds nothing twice, but brings back what was
deleted. The exit code is 1 if something could not be taken.
"""

import argparse
import configparser
import datetime
import json
import os
import re
import sqlite3
import subprocess
import sys
import urllib.parse

# Parts of the earlier program's names of lights.
LIGHTS = {"spi": r"spi", "pwm": r"neopixel|ws28|sk68|adafruit|pwm|strip|rgb", "gpio": r"gpio|relay|lamp|led|switch"}
SHORTEST_KEY = 16


def config(path):
    """The configuration that says what the earlier file says."""
    old = configparser.ConfigParser()
    with open(path, encoding="utf-8-sig") as file:
        old.read_file(file)
    if not {"SETTINGS", "KEYS"} & set(old.sections()):
        sys.exit(f"{path}: neither [SETTINGS] nor [KEYS] is in it: is it the config.txt of the Flask program?")
    raw = dict(old["SETTINGS"]) if "SETTINGS" in old else {}
    # A comment after a value does not belong to it.
    settings = {key: re.split(r"(?:^|\s)[;#]", value)[0].strip().strip("\"'") for key, value in raw.items()}
    notes, source, lights, power = [], [], [], []
    camera, pixels = settings.pop("camera", ""), settings.pop("numlights", "")
    if camera.isdecimal() or camera.startswith("/"):
        source = ["[source]", 'kind = "v4l2"', f"device = {json.dumps(camera)}"]
    elif camera and not camera.isalpha():
        sys.exit(f"{path}: camera must be the camera's number, such as 0, not {camera!r}")
    elif camera:
        notes.append(f"camera = {camera}: a camera on the Pi's own connector is found by itself")
    if not re.fullmatch(r"\d{0,3}|1000", pixels):
        sys.exit(f"{path}: numlights must be a whole number from 0 to 1000, not {pixels!r}")
    light, name = settings.pop("light", "").lower(), settings.pop("lighttype", "")
    kind = next((kind for kind, parts in LIGHTS.items() if re.search(parts, name.lower())), None)
    if light not in ("true", "yes", "on", "1") or kind in ("spi", "pwm") and pixels.strip("0") == "" != pixels:
        notes.append("there was no light")
    elif not kind:
        notes.append(f"lighttype = {name}: not known here; kind in [lights] names the light")
    else:
        lights = ['# At GPIO 18, which needs root. Wired to GPIO 10, it is "spi" and does not.'] if kind == "pwm" else []
        lights.append(f'kind = "{kind}"')
        has_white = re.search(r"(r[gb]|g[rb]|b[rg])[rgb]w|sk6812_?w", name.lower())
        lights += ['order = "GRBW"  # Or "RGBW", where red and green are swapped.'] if has_white else []
        lights += [f"pixels = {int(pixels)}"] if pixels.strip("0") else []
    notes += [f"{key} = {value}: no counterpart" for key, value in settings.items() if key != "userkey"]
    key = old.get("KEYS", "userkey", fallback="")
    if len(key) >= SHORTEST_KEY and key[0] not in ";#":
        power = ["[power]", "# For /shutdown?key= and /reboot?key=: let nobody else read this file."]
        power.append(f"key = {json.dumps(key, ensure_ascii=False)}")
    elif key:
        notes.append(f"userkey: left out, since it is a comment or shorter than {SHORTEST_KEY} characters and could be guessed")
    head = ["# Made of the earlier program's config.txt. `tallycam config default` explains every key."]
    head += ["# " + " ".join(note.split()) for note in notes]
    lights = ["[lights]", *lights, "# As earlier: /light?status=false switches the light off.", 'old_status = "program"']
    http = ["[http]", "# 5000 is where the earlier program was.", 'listen = ["0.0.0.0:8080", "0.0.0.0:5000"]']
    print("\n\n".join("\n".join(part) for part in (head, source, lights, power, http) if part))


def rows(index):
    """Number, date and file's name of each row of the earlier index."""
    old = sqlite3.connect(f"file:{urllib.parse.quote(os.path.abspath(index))}?mode=ro", uri=True)
    old.text_factory = lambda data: data.decode("utf-8", "replace")
    if old.execute("PRAGMA application_id").fetchone() != (0,):
        raise sqlite3.DatabaseError("it is not the earlier program's")
    found = old.execute("SELECT id, date, fileName FROM media ORDER BY id, rowid").fetchall()
    return [(number, str(date or "").strip(), str(name or "")) for number, date, name in found]


def files(folder, index):
    """Names of the files in `folder`, and of links that lead out of it."""
    own = {os.path.abspath(index) + ending for ending in ("", "-journal", "-wal", "-shm")}
    root = os.path.realpath(folder) + os.sep
    found = [entry for entry in os.scandir(folder) if entry.is_file() and os.path.abspath(entry.path) not in own]
    inside = [entry.name for entry in found if os.path.realpath(entry.path).startswith(root)]
    return inside, [entry.name for entry in found if entry.name not in inside]


def media(folder, index, tallycam):
    """Adds what is in the folder; whether all of it is taken."""
    index = index or os.path.join(folder, "media.db")
    try:
        named, (found, refused) = rows(index), files(folder, index)
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"{index}: {error}; single files are added by `tallycam media add FILE...`")
    listed = subprocess.run([*tallycam, "media", "list", "--json"], stdout=subprocess.PIPE, check=False)
    if listed.returncode:
        sys.exit(listed.returncode)
    there = {item["source"] for item in json.loads(listed.stdout)["items"]}
    written = {name: os.path.getmtime(os.path.join(folder, name)) for name in found}
    wanted, before = {}, {}
    for number, date, path in named:
        name = path.rsplit("/", 1)[-1]
        if name in wanted or name not in written:
            why = "named twice, the first row counts" if name in wanted else "its file is not there"
            print(f"row {number}, {path!r} of {date}: {why}", flush=True)
            continue
        time = datetime.datetime.fromtimestamp(written[name], datetime.timezone.utc)
        if time.astimezone().date().isoformat() == date:
            wanted[name] = [f"--date={time:%Y-%m-%dT%H:%M:%SZ}"]
        elif re.fullmatch(r"\d{4}-\d\d-\d\d", date):
            # Only the day is known: each item is a second after the previous one, so that the order stays.
            second = before[date] = before.get(date, -1) + 1
            wanted[name] = [f"--date={date}T12:{second // 60 % 60:02}:{second % 60:02}"]
        else:
            wanted[name] = []
    failed = [f"{name} leads out of the folder" for name in refused]
    for name in [*wanted, *sorted(set(found) - set(wanted), key=written.get)]:
        if f"file {name}" in there:
            print(f"{name}: there already", flush=True)
            continue
        add = ["media", "add", f"--name={name}", *wanted.get(name, []), os.path.abspath(os.path.join(folder, name))]
        if subprocess.run([*tallycam, *add], check=False).returncode:
            failed.append(name)
    print("".join(f"not taken: {name}\n" for name in failed), end="")
    return not failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    whats = parser.add_subparsers(dest="what", required=True)
    whats.add_parser("config").add_argument("file")
    of_media = whats.add_parser("media")
    of_media.add_argument("--index", help="the index, if it is not FOLDER/media.db")
    of_media.add_argument("folder")
    of_media.add_argument("options", nargs=argparse.REMAINDER, help="tallycam's own, such as --config FILE")
    given = parser.parse_args()
    if given.what == "media":
        sys.exit(0 if media(given.folder, given.index, ["tallycam", *given.options]) else 1)
    try:
        config(given.file)
    except (OSError, ValueError, configparser.Error) as error:
        sys.exit(f"{given.file}: {error}")
