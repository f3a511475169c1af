"""What becomes of a card: another version, a backup, another card, the same one flashed again, no room, no clock."""
import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import time

import legs_power
from client import authorization
from legs_setup import PASSWORD, again, begin
from machine import Failure, PATIENCE, wait_for

OWN = f'name = "Gate"\n[access]\npassword = "{PASSWORD}"\n'


def upload(run, path, data, kind, timeout=300):
    """Status and body of what a POST is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", run.site.port, timeout=timeout * PATIENCE)
    name, value = authorization(run.site.password).strip().split(": ")
    try:
        connection.request("POST", path, data, {"Content-Type": kind, name: value, "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


# ---- Packages --------------------------------------------------------------------------------


class Minisign:
    """Signs as minisign does, prehashed, by openssl's Ed25519."""

    def __init__(self, directory):
        self.file = os.path.join(directory, "update.pem")
        self.directory = directory
        self.openssl("genpkey", "-algorithm", "ed25519", "-out", self.file)
        raw = self.openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")[-32:]
        self.number = hashlib.sha256(raw).digest()[:8]
        self.public = base64.b64encode(b"Ed" + self.number + raw).decode()

    def openssl(self, *words):
        return subprocess.run(["openssl", *words], check=True, stdout=subprocess.PIPE).stdout

    def of(self, data):
        path = os.path.join(self.directory, "to-sign")
        with open(path, "wb") as file:
            file.write(data)
        return self.openssl("pkeyutl", "-sign", "-inkey", self.file, "-rawin", "-in", path)

    def signature(self, data):
        one, comment = self.of(hashlib.blake2b(data).digest()), "made by a test"
        both = base64.b64encode(self.of(one + comment.encode())).decode()
        return (f"untrusted comment: of tests\n{base64.b64encode(b'ED' + self.number + one).decode()}\n"
                f"trusted comment: {comment}\n{both}\n").encode()


# A program with the right version that never becomes ready.
NEVER_READY = '#!/bin/sh\nif [ "$1" = --version ]; then echo "tallycam %s"; else exec sleep 1000; fi\n'


def package(run, version, is_ready=True, architecture="arm64"):
    """The image's package as one of another version: with its program, or one that never becomes ready."""
    root = os.path.join(run.machine.directory, "package")
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-R", run.package, root], check=True)
    control = os.path.join(root, "DEBIAN/control")
    with open(control, encoding="utf-8") as stream:
        text = stream.read()
    text = re.sub("^Version: .*$", f"Version: {version}", text, flags=re.M)
    with open(control, "w", encoding="utf-8") as stream:
        stream.write(re.sub("^Architecture: .*$", f"Architecture: {architecture}", text, flags=re.M))
    if not is_ready:
        with open(os.path.join(root, "usr/bin/tallycam"), "w", encoding="ascii") as stream:
            stream.write(NEVER_READY % version.rsplit("-", 1)[0])
    path = os.path.join(run.machine.directory, f"tallycam_{version}_{architecture}.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "-b", root, path], check=True, stdout=subprocess.DEVNULL)
    with open(path, "rb") as stream:
        return stream.read()


def in_force(run):
    """The program that the service runs."""
    return run.machine.ask("readlink /proc/$(systemctl show -P MainPID tallycam)/exe")[1]


def hand_over(run, deb, signature):
    """By the form of the page /update."""
    body = b"".join(b'--b\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n\r\n%s\r\n' % part
                    for part in ((b"t.deb", deb), (b"t.deb.minisig", signature)) if part[1])
    return upload(run, "/api/v1/update", body + b"--b--\r\n", "multipart/form-data; boundary=b")


def phase(run):
    try:
        return run.site.json("/api/v1/update", timeout=10)
    except (OSError, http.client.HTTPException, ValueError, Failure):
        return {}


def updates(run):
    """Another version: put in force; taken back when it is not ready; refused when it is not what it should be"""
    machine, signer = run.machine, Minisign(run.machine.directory)
    begin(run, {"tallycam.toml": OWN + f'[update]\nkey = "{signer.public}"\n'})
    root = machine.hashes()[1]
    was = run.guest("sed -n 's/^version=//p' /etc/tallycam/card")
    upstream = was.rsplit("-", 1)[0]
    first, second, third = (f"{upstream}-{int(was.rsplit('-', 1)[1]) + more}" for more in (1, 2, 3))
    own, good, bad = "/usr/bin/tallycam", package(run, first), package(run, second, is_ready=False)
    new = f"/state/program/{first}{own}"
    if in_force(run) != own or phase(run)["by"] != "page":
        raise Failure(f"{in_force(run)} {phase(run)}")
    began = time.monotonic()
    status, said = hand_over(run, good, signer.signature(good))
    if status != 202:
        raise Failure(f"{status} {said}")
    done = wait_for("the new version", lambda: (p := phase(run)).get("phase") in ("done", "failed") and p, 200)
    if done["phase"] != "done" or in_force(run) != new:
        raise Failure(f"{done} {in_force(run)}")
    run.proved(f"{was} → {first} {time.monotonic() - began:.0f} s after its upload began: “{done['words']}”; {new} runs")
    after = again(run, {})
    if in_force(run) != new:
        raise Failure(in_force(run))
    run.proved(f"the plug pulled: {first} again, page after {after:.0f} s")

    status, said = hand_over(run, bad, signer.signature(bad))
    if status != 202:
        raise Failure(f"{status} {said}")
    wait_for("its trial", lambda: machine.ask("test -e /state/program/trial")[0] == 0, 120)
    tried = time.monotonic()
    back = wait_for("the old version", lambda: (p := phase(run)).get("phase") == "failed" and p, 200)
    if in_force(run) != new or "was not ready within" not in back["words"]:
        raise Failure(f"{back} {in_force(run)}")
    run.proved(f"a version that is never ready: “{back['words']}”; the page answers {time.monotonic() - tried:.0f} s after the switch")

    # The power is cut while the next one is on trial.
    hand_over(run, bad, signer.signature(bad))
    wait_for("its trial", lambda: machine.ask(f"test -e /state/program/trial && readlink /state/program/current | grep {second}")[0] == 0, 120)
    machine.cut_power()
    after = machine.switch_on()
    wait_for("the old version", lambda: in_force(run) == new, 200)
    run.proved(f"the same, and the plug pulled while it is tried: the page of {first} {after:.0f} s after the power")

    other, old = package(run, third, architecture="amd64"), package(run, "0.0.9-1")
    short = package(run, third)[:99999]
    for what, deb, signature, words in [
            ("unsigned", good, b"", "its signature FILE.minisig, is missing"),
            ("signed with another key", good, Minisign(os.path.join(machine.directory, "share")).signature(good), "signed with another key"),
            ("cut off", good[:-9999], signer.signature(good), "its signature is wrong"),
            ("for another architecture", other, signer.signature(other), "it is for amd64, and this machine is arm64"),
            ("cut off before it was signed", short, signer.signature(short), "it could not be unpacked"),
            ("older", old, signer.signature(old), f"version 0.0.9-1 is not newer than {first}")]:
        status, said = hand_over(run, deb, signature)
        if status == 202:
            said = wait_for(what, lambda: (p := phase(run)).get("phase") == "failed" and p["words"] != back["words"] and p["words"], 120)
            back = phase(run)
            wait_for("the end of it", lambda: machine.ask("systemctl is-active tallycam-update.service")[1] not in ("active", "activating"), 60)
        if words not in said:
            raise Failure(f"{what}: {status} {said}, and not {words!r}")
        run.proved(f"{what}: {status}, “{json.loads(said)['detail'] if said.startswith('{') else said}”")
    if in_force(run) != new or machine.hashes()[1] != root:
        raise Failure(f"{in_force(run)} runs; the second partition: {machine.hashes()[1]}, before {root}")
    run.proved("the second partition is byte for byte what was flashed")


# ---- Another card ------------------------------------------------------------------------------


def tallied(run):
    """Lines, sums and crossings of the simulated scene, which is not the one in force on a card without a camera."""
    lines = run.site.json("/api/v1/lines?scene=sim")["items"]
    counts = run.site.json("/api/v1/counts?from=-1d&bucket=total&by=line&scene=sim")["items"]
    crossings = run.site.json("/api/v1/crossings?limit=500&order=oldest&scene=sim")["items"]
    return [{key: line[key] for key in ("name", "a", "b")} for line in lines], [sum for item in counts for sum in item["counts"]], crossings


def moves(run):
    """A backup of one card restored on another; a card reset; a card flashed again"""
    machine = run.machine
    machine.switch_off()
    machine.new_disk()
    machine.put("tallycam.toml", OWN)
    machine.brings["detections.csv"] = legs_power.detections()
    machine.brings["config.toml"] = legs_power.CONFIG.split("[[line]]")[0].replace("/var/lib/tallycam/", "/usr/local/lib/e2e/")
    run.site.password = PASSWORD
    machine.switch_on()
    run.site.send("POST", "/api/v1/lines", {"name": "Door", "a": [0.5, 1.0], "b": [0.5, 0.0]})
    wait_for("crossings", lambda: len(run.site.json("/api/v1/crossings?limit=100")["items"]) >= 20, 300)
    # Nothing counts any more, so the numbers must not change.
    machine.brings.clear()
    machine.cut_power()
    machine.switch_on()
    before = tallied(run)
    if not all(before):
        raise Failure(f"lines, sums, crossings: {before}")
    archive = run.site.get("/api/v1/backup", timeout=120)
    run.proved(f"a backup of {len(archive)} bytes: line {before[0]}, {len(before[2])} crossings")

    begin(run, {"tallycam.toml": OWN.replace(PASSWORD, "of the other card")})
    run.site.password = "of the other card"
    if any(tallied(run)):
        raise Failure("the other card is not empty")
    for what, data in (("cut off", archive[:-4096]), ("damaged", archive[:9000] + b"\xff" + archive[9001:])):
        status, said = upload(run, "/api/v1/restore", data, "application/x-tar")
        if status != 422:
            raise Failure(f"{what}: {status} {said}")
        run.proved(f"{what}: {status}, “{json.loads(said)['detail']}”")
    status, said = upload(run, "/api/v1/restore", archive, "application/x-tar")
    if status != 202:
        raise Failure(f"{status} {said}")
    run.site.password = PASSWORD

    def same():
        try:
            return tallied(run) == before
        except (OSError, http.client.HTTPException, ValueError, Failure):
            return False
    wait_for("lines and counts of the first card", same, 200)
    again(run, {})
    if tallied(run) != before:
        raise Failure(f"{tallied(run)} is not {before}")
    run.proved("restored on another card: the same line, counts and crossings, also after a pulled plug; it takes the first card's password")

    status, said = upload(run, "/api/v1/factory-reset", json.dumps({"name": "another"}), "application/json")
    if status != 422:
        raise Failure(f"{status} {said}")
    refused = json.loads(said)["detail"]
    status, said = upload(run, "/api/v1/factory-reset", json.dumps({"name": "Gate"}), "application/json")
    if status != 202:
        raise Failure(f"{status} {said}")
    run.site.password = "of the other card"

    def is_as_new():
        try:
            return not any(tallied(run))
        except (OSError, http.client.HTTPException, ValueError, Failure):
            return False
    wait_for("a card as new, with its own file's password", is_as_new, 200)
    again(run, {})
    run.site.password = "of the other card"
    if any(tallied(run)):
        raise Failure(f"after a reset there is {tallied(run)}")
    run.proved(f"a reset without the camera's name: “{refused}”; with it: no line, no crossing; the password of the card's own file is in force")

    # Flashed again over all this: the image's bytes, followed by the old ones.
    machine.switch_off()
    subprocess.run(["dd", f"if={run.image}", f"of={machine.card}", "bs=4M", "conv=notrunc", "status=none"], check=True)
    after = machine.switch_on()
    run.settled()
    notes = machine.ask("cat /run/tallycam-card/notes")
    if not asks_for_a_password(run) or notes[0] == 0:
        raise Failure(f"no first password is asked for; {notes}")
    run.proved(f"flashed again over the old one: page after {after:.0f} s; it asks for a first password, /state is new: "
               f"{run.guest('findmnt -rno SIZE,USED /state')}")


def asks_for_a_password(run):
    try:
        _, headers, _ = run.site.request("GET", "/", signed_in=False)
    except (OSError, http.client.HTTPException):
        return False
    return "claim" in headers.get("location", "")


# ---- No room, no clock -------------------------------------------------------------------------


def full_state(run):
    """A state without room"""
    begin(run, {"tallycam.toml": OWN})
    run.guest("dd if=/dev/zero of=/state/full bs=1M 2>/dev/null; dd if=/dev/zero of=/state/full2 bs=1k 2>/dev/null; sync; df -k /state | tail -n 1", 300)
    after = again(run, {"tallycam.toml": OWN.replace("Gate", "Full")})
    said = [line for item in run.site.json("/api/v1/diagnosis", timeout=120)["items"] if item["state"] in ("bad", "warning")
            for line in [f"{item['name']}: {item['message']}"]]
    run.proved(f"page after {after:.0f} s; free: {run.guest('df -k --output=avail /state | tail -n 1').strip()} kB; “{'”, “'.join(said)}”")
    failed = run.guest("systemctl --failed --no-legend --plain")
    if failed:
        raise Failure(failed)
    run.guest("rm /state/full /state/full2; sync")
    again(run, {})
    name = run.site.state()["name"]
    if name != "Full":
        raise Failure(f"the name is {name}")
    run.proved("with room again the name of the file is in force")


def no_clock(run):
    """A machine whose clock says 1970"""
    machine = run.machine
    machine.more = ["-rtc", "base=1970-01-01T00:00:05"]
    try:
        after = begin(run, {"tallycam.toml": OWN})
        built = run.guest("sed -n 's/^built=//p' /etc/tallycam/card")
        first = run.guest("date -u +%FT%T")
        if first < built:
            raise Failure(f"the clock says {first}, the image is of {built}")
        run.guest("date -s '+40 days' >/dev/null; touch /state/system/timesync/clock; sync")
        again(run, {})
        later = run.guest("date -u +%FT%T")
        if later[:10] <= first[:10]:
            raise Failure(f"the clock says {later} after {first}")
        run.proved(f"page after {after:.0f} s; the clock begins at {first}, when the image was made, and goes on from what is kept at the next start: {later}")
    finally:
        machine.more = []


LEGS = [(updates, 1500), (moves, 1800), (full_state, 600), (no_clock, 600)]
