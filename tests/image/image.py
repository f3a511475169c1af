#!/usr/bin/env python3
"""The card in emulated machines, seen from outside: `make image-e2e`.

    tests/image/image.py FOLDER PACKAGE [--machines "virt raspi3b"] [--cuts N] [--only LEG,LEG]

FOLDER has the image that `make image` has made of PACKAGE. Nothing of the image is changed for it: what takes commands in the guest comes
with the initrd. On `virt` the card boots, shows and counts a USB camera that is plugged in from outside, and loses its power N
times while it records and counts; on `raspi3b` it boots from SD and shows the camera. E2E_PATIENCE=3 on a busy machine.
"""
import argparse
import glob
import http.client
import os
import shutil
import sys
import time
import urllib.parse

from card import Card, partitions
from machine import Failure, PATIENCE, wait_for
from client import Site, Viewer

import e2e
import legs_change
import legs_power
import legs_raspios
import legs_setup
import legs_uvc
import usb_camera

# Settings of the page for a size and frame rate that an emulated processor can handle.
CAMERA_FPS = 5
PICTURES = 60
PASSWORD = "correct horse"
# Maximum memory in use while it streams, in MB; a Pi's own drivers need more than virt's.
MOST_MEMORY = {"virt": 160, "raspi3b": 176}
# Announced crossings that each cut may lose.
WANTED = 6
# The hook puts a machine's files there.
BROUGHT = "/usr/local/lib/e2e/"


class Run(e2e.Run):
    """A card in a machine, and what was proved of it."""

    def __init__(self, directory, image, package, kind, cuts):
        self.machine = Card(directory, image, kind)
        self.image = image
        self.package = package
        self.cycles = cuts
        self.site = Site(self.machine.ports[80])
        self.records = []
        self.hashes = None
        self.camera = None

    def settled(self):
        """What systemd says of itself when everything has started."""
        return wait_for("the end of the start", lambda: (word := self.machine.ask("systemctl is-system-running", 60)[1]) not in
                        ("starting", "initializing", "") and word, 300)

    def untouched(self):
        found = self.machine.hashes()
        if found != self.hashes:
            raise Failure(f"the first two partitions have been written: {self.hashes} → {found}")


def boots(run):
    """Flashed, plugged in, browsed to"""
    machine = run.machine
    machine.new_disk()
    run.hashes = machine.hashes()
    after = machine.switch_on()
    run.proved(f"the page is there {after:.0f} s after the power ({machine.kind}, {machine.mib} MiB card)")
    word = run.settled()
    failed = run.guest("systemctl --failed --no-legend --plain")
    if word != "running" or failed:
        raise Failure(f"systemd is {word}; failed: {failed}\n" + run.machine.ask("systemctl list-jobs --no-legend")[1])
    # The first start leaves its report beside the files; after it nothing may change.
    flashed, run.hashes = run.hashes, machine.hashes()
    if run.hashes[1] != flashed[1]:
        raise Failure(f"the root has been written: {flashed[1]} → {run.hashes[1]}")
    run.proved(f"systemd is {word}, no unit has failed; kernel {run.guest('uname -r')}; "
               f"started in {run.guest('systemd-analyze time | head -n 1')}")
    with open(machine.card, "rb") as file:
        at, length = partitions(file)[2]
    # 256 MiB stay free for a second state.
    rest = machine.mib - (at + length) / (1 << 20)
    size = int(run.guest("df -BM --output=size /state | tail -n 1").strip("M "))
    if rest != 256 or size < length / (1 << 20) * 0.9:
        raise Failure(f"{rest} MiB are left, and /state has {size} MiB")
    run.proved(f"/state has {size} MiB of the card's {machine.mib}; 256 MiB stay free")
    if run.machine.ask("test -e /run/tallycam-card/notes")[0] == 0:
        raise Failure("the initrd notes " + run.guest("cat /run/tallycam-card/notes"))


def protected(run):
    """Nothing is open that need not be"""
    # There is no password yet: the first browser sets one, and until then nothing else is answered.
    for path in ("/stream", "/api/v1/state", "/api/v1/counts"):
        status, _, _ = run.site.request("GET", path, signed_in=False)
        if status != 401:
            raise Failure(f"GET {path} without the password: {status}")
    form = {"password": PASSWORD, "again": PASSWORD, "view": "password"}
    connection = http.client.HTTPConnection("127.0.0.1", run.site.port, timeout=60 * PATIENCE)
    connection.request("POST", "/claim", urllib.parse.urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
    status = connection.getresponse().status
    connection.close()
    if status != 303:
        raise Failure(f"the first password was not taken: {status}")
    run.site.password = PASSWORD
    run.site.state()
    run.proved("without a password the stream, the state and the counts are answered 401; the first browser has chosen one on /claim")
    ports = run.guest("ss -Hltn | awk '{ print $4 }' | grep -v '^127\\|^\\[::1\\]' | grep -o '[0-9]*$' | sort -nu").split()
    if ports != ["80"]:
        raise Failure(f"these ports take connections: {ports}")
    open_accounts = run.guest("awk -F: '$2 !~ /^[!*]/ { print $1 }' /etc/shadow")
    keys = run.guest("ls /run/lower/etc/ssh | grep host_key; ls -A /state/system; true")
    if open_accounts or "host_key" in keys or run.machine.ask("systemctl is-active ssh.service ssh.socket")[0] == 0:
        raise Failure(f"accounts with a password: {open_accounts!r}; {keys}")
    run.proved("port 80 alone takes connections; no account has a password; no SSH, and no key of a machine in the image")
    name = run.guest("journalctl -b -u avahi-daemon -o cat | grep -o 'Host name is [^ ]*' | tail -n 1")
    watchdog = run.guest("cat /sys/class/watchdog/watchdog0/identity /sys/class/watchdog/watchdog0/state | paste -sd' '")
    if "tallycam.local" not in name or "inactive" in watchdog and run.machine.kind == "virt":
        raise Failure(f"watchdog {watchdog}; avahi:\n{run.guest('journalctl -b -u avahi-daemon -o cat')}")
    swap = run.guest("swapon --noheadings --show=NAME,SIZE,PRIO | paste -sd' '")
    used = run.guest("free -m | awk '/^Mem/ { print $3 }'")
    if "zram" not in swap:
        raise Failure(f"swap: {swap}")
    run.proved(f"{name}; watchdog: {watchdog}; swap: {swap}; {used} MB of memory in use")
    can = run.guest("runuser -u tallycam -- busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager CanPowerOff")
    if can != 's "yes"':
        raise Failure(f"the page cannot switch off: {can}")
    if run.machine.kind == "raspi3b":
        run.proved(f"SPI: {run.guest('ls /dev/spidev0.0 /dev/spidev0.1').replace(chr(10), ', ')}")


def shows_and_counts(run):
    """A USB camera, plugged in from outside, shown and counted"""
    legs_uvc.pictures(run, PICTURES, CAMERA_FPS)
    folder = os.path.join(run.machine.share, "pictures")
    run.camera = usb_camera.plug_in(folder, CAMERA_FPS, run.machine.camera_door)
    name = wait_for("the camera's node", lambda: run.machine.ask("ls /dev/tallycam/camera 2>/dev/null")[1], 90)
    run.set(source__kind="auto", source__device=None, source__width=None, source__height=None, source__fps=None, detect__backend="motion")
    digests = legs_uvc.pictures(run, PICTURES, CAMERA_FPS)
    run.wait_state("the camera's pictures", lambda s: s["state"] == "live" and s["format"] == "MJPG", 120)
    viewer = Viewer(run.machine.ports[80], password=run.site.password)
    viewer.wait_more(5, 120)
    seen = viewer.wait_more(20, 120, "pictures of the camera")
    viewer.leave()
    foreign = [digest for digest in seen if digest not in digests]
    if foreign:
        raise Failure(f"{len(foreign)} of {len(seen)} pictures are not the camera's")
    state = run.site.state()
    run.proved(f"{name}: {state['camera']}, {state['format']} {state['width']}×{state['height']}; {len(seen)} pictures in a row, each of "
               "them the camera's, byte for byte")
    if not run.site.json("/api/v1/lines")["items"]:
        run.site.send("POST", "/api/v1/lines", {"name": "Middle", "a": [0.5, 1.0], "b": [0.5, 0.0]})
    run.wait_state("counting", lambda s: s["counting"]["state"] == "counting", 180)
    crossings = wait_for("a crossing", lambda: run.site.json("/api/v1/crossings")["items"], 300)
    run.proved(f"counted: {len(crossings)} crossings on record within a moment, the first {crossings[-1]['class']} {crossings[-1]['direction']}")
    viewer = Viewer(run.machine.ports[80], password=run.site.password)
    viewer.wait_more(20, 120, "pictures while it counts")
    used = int(run.guest("free -m | awk '/^Mem/ { print $3 }'"))
    viewer.leave()
    if used > MOST_MEMORY[run.machine.kind]:
        raise Failure(f"{used} MB of memory are in use")
    run.proved(f"{used} MB of memory in use while it streams and counts")
    run.camera.pull()


def cuts(run):
    """The plug is pulled while it records and counts"""
    site, machine = run.site, run.machine
    identity = run.guest("cat /etc/machine-id")
    # Movers that cross at a known rate, however slow an emulated processor is.
    machine.brings["detections.csv"] = legs_power.detections()
    machine.brings["config.toml"] = legs_power.CONFIG.replace("/var/lib/tallycam/", BROUGHT) + '[access]\nview = "password"\n'
    machine.cut_power()
    machine.switch_on()
    newest = [item["id"] for scene in ("camera", "sim") for item in site.json(f"/api/v1/crossings?limit=1&scene={scene}")["items"]]
    answered, more, times = legs_power.Answered(max(newest, default=0)), [], []
    for cut in range(run.cycles):
        run.wait_state("counting", lambda s: s["counting"]["state"] == "counting", 180)
        number, told, crossings = legs_power.life(run, answered, WANTED + cut % 5)
        run.untouched()
        times.append(machine.switch_on())
        run.wait_state("an answer", lambda s: s["recording"] is not None, 180)
        more.append(legs_power.look(run, answered, (number, told)))
        print(f"    plug {cut + 1}: {crossings} crossings, page after {times[-1]:.0f} s, recording has {more[-1]:.1f} s more than was told", flush=True)
    if run.guest("cat /etc/machine-id") != identity:
        raise Failure("the machine's identity is another one")
    notes = run.machine.ask("cat /run/tallycam-card/notes")
    if notes[0] == 0:
        raise Failure(f"the initrd notes {notes[1]}")
    run.proved(f"{run.cycles} pulled plugs: the root is byte for byte what was flashed, the first partition what the first start left (SHA-256 "
               f"{run.hashes[0][:16]}…, {run.hashes[1][:16]}…), `tallycam check` found nothing bad after each")
    run.proved(f"all {len(answered.crossings)} crossings that were announced are on record, none twice; all {len(answered.snapshots)} "
               f"snapshots and {len(answered.recordings)} recordings that were answered are there")
    run.proved(f"the page {min(times):.0f} to {max(times):.0f} s after the power; the same identity at each start")


def writes_nothing(run):
    """Idle, it writes nothing to what is not state"""
    machine = run.machine
    machine.brings.clear()
    machine.cut_power()
    machine.switch_on()
    run.settled()
    parts = run.guest("cd /sys/class/block; for p in *; do if test -e $p/partition; then echo $p; fi; done").split()
    count = "cd /sys/class/block; cat " + " ".join(f"{part}/stat" for part in parts) + " | awk '{ print $7 * 512 }'"
    before = [int(line) for line in run.guest(count).split()]
    time.sleep(60)
    after = [int(line) for line in run.guest(count).split()]
    if after[0] or after[1]:
        raise Failure(f"bytes written to {parts}: {after}")
    run.untouched()
    run.proved(f"since the start 0 bytes to the first two partitions; to the state {after[2]} bytes, of them {after[2] - before[2]} in an idle minute")


def second_state(run):
    """A state that is damaged beyond repair"""
    machine = run.machine
    machine.cut_power()
    with open(machine.card, "r+b") as file:
        at, length = partitions(file)[2]
        # Every superblock and its copies, and the bytes between them.
        for offset in range(0, length, 8 << 20):
            file.seek(at + offset)
            file.write(b"\xa5" * min(4 << 20, length - offset))
    after = machine.switch_on()
    notes = run.guest("cat /run/tallycam-card/notes")
    source = run.guest("findmnt -rno SOURCE,LABEL,SIZE /state")
    if "partition 4" not in notes or "state2" not in source:
        raise Failure(f"{notes}; {source}")
    # The report beside the files mentions it; the root is unchanged.
    if machine.hashes()[1] != run.hashes[1]:
        raise Failure("the root has been written")
    run.proved(f"page after {after:.0f} s; “{notes.strip()}”; /state: {source}")
    machine.cut_power()
    machine.switch_on()
    if "state2" not in run.guest("findmnt -rno SOURCE,LABEL /state"):
        raise Failure("at the next start the second state is not used")
    run.proved("at the next start it is used again")


def small_card(run):
    """A card that is smaller than the image"""
    machine = run.machine
    machine.cut_power()
    machine.new_disk()
    with open(machine.card, "rb") as file:
        begin = partitions(file)[2][0]
    os.truncate(machine.card, begin)
    after = machine.switch_on()
    notes = run.guest("cat /run/tallycam-card/notes")
    if "smaller" not in notes or "memory" not in notes:
        raise Failure(notes)
    run.proved(f"page after {after:.0f} s; “{notes.replace(chr(10), '”, “')}”")
    machine.cut_power()


LEGS = {"virt": [(boots, 600), (protected, 120), (shows_and_counts, 900), (cuts, 9000), (writes_nothing, 400), (second_state, 600),
                 (small_card, 400), *legs_setup.LEGS, *legs_change.LEGS,
                 *legs_raspios.LEGS],
        "raspi3b": [(boots, 900), (protected, 240), (shows_and_counts, 1800)]}

# Each of these begins with a card of its own.
ALONE = {function for function, _ in (*legs_setup.LEGS, *legs_change.LEGS, *legs_raspios.LEGS)}


def wanted_legs(kind, names):
    """Those of `names`, and what has to be before them; all of them without names."""
    if not names:
        return LEGS[kind]
    legs = [leg for leg in LEGS[kind] if leg[0].__name__ in names]
    if all(function in ALONE for function, _ in legs):
        return legs
    return [leg for leg in LEGS[kind] if leg in legs or leg[0] in (boots, protected)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("package")
    parser.add_argument("--machines", default="virt")
    parser.add_argument("--cuts", type=int, default=3)
    parser.add_argument("--only", help="legs, with commas; 'boots' and 'protected' come before those that go on with their card")
    given = parser.parse_args()
    images = sorted(glob.glob(os.path.join(given.folder, "tallycam-*-pi-arm64.img")), key=os.path.getmtime)
    if not images:
        sys.exit(f"no image in {given.folder}: make image")
    image, only = os.path.abspath(images[-1]), given.only.split(",") if given.only else []
    packed = f"{os.path.getsize(image + '.xz')} bytes packed, " if os.path.exists(image + ".xz") else ""
    print(f"image-e2e: {os.path.basename(image)}: {packed}{os.path.getsize(image)} unpacked", flush=True)
    began, legs = time.monotonic(), 0
    for kind in given.machines.split():
        directory = os.path.abspath(os.path.join(given.folder, "e2e-" + kind))
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        run = Run(directory, image, os.path.abspath(given.package), kind, given.cuts)
        try:
            for function, limit in wanted_legs(kind, only):
                e2e.run_leg(run, kind, function, limit)
                legs += 1
        except Exception as why:
            print(f"image-e2e: FAILED: {type(why).__name__}: {why}", flush=True)
            e2e.explain(run)
            if not isinstance(why, Failure):
                raise
            return 1
        finally:
            run.machine.switch_off()
    print(f"image-e2e: {legs} legs passed in {(time.monotonic() - began) / 60:.1f} minutes (E2E_PATIENCE={PATIENCE:g})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
