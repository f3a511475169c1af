"""The power is cut while it records and counts: QEMU is killed, and with it what the guest's disk had not been told to keep."""
import hashlib
import random
import time

from client import Listener, name_of
from machine import Failure, wait_for

# Recorded detections: movers in lanes, one below the other, cross the middle of 320 × 180 pixels.
LANES, EVERY, TAKES, FRAMES = 14, 50, 36, 6000
CONFIG = """
name = "power"
[source]
kind = "sim"
width = 320
height = 180
fps = 15
[detect]
backend = "replay"
replay = "/var/lib/tallycam/detections.csv"
fps = 15
[[line]]
name = "Cut"
a = [0.5, 1.0]
b = [0.5, 0.0]
"""
CHECK = ("runuser -u tallycam -- env STATE_DIRECTORY=/var/lib/tallycam tallycam check --config /etc/tallycam/config.toml")


def detections():
    lines = ["frame,class,score,x1,y1,x2,y2"]
    for frame in range(FRAMES):
        for lane in range(LANES):
            at = (frame + EVERY - lane * 17 % EVERY) % EVERY
            if at < TAKES:
                x, y = 112 + 72 * at / TAKES, 4 + 12 * lane
                lines.append(f"{frame + 1},person,0.9,{x:.1f},{y},{x + 24:.1f},{y + 9}")
    return "\n".join(lines) + "\n"


class Answered:
    """What was answered and announced: it must be there after every cut."""

    def __init__(self, newest):
        # The newest crossing of an earlier count, which does not belong to this test.
        self.newest = newest
        self.crossings = {}
        self.snapshots = {}
        self.recordings = {}

    def last(self):
        return max(self.crossings, default=self.newest)


def life(run, answered, wanted):
    """Records and counts until there is enough to lose, then cuts the power at some moment."""
    site = run.site
    # A recording that was ended and confirmed, and one that is under way.
    first = site.send("POST", "/api/v1/recordings", {})
    listener = Listener(site.port, answered.last(), site.password)
    before = len(answered.crossings)

    def snapshot():
        item = site.send("POST", "/api/v1/snapshots")
        answered.snapshots[item["id"]] = hashlib.sha256(site.get(f"/api/v1/media/{item['id']}/content")).hexdigest()
    snapshot()
    wait_for("pictures on record", lambda: (site.state()["recording"]["now"] or {"frames": 0})["frames"] >= 15, 90)
    ended = site.send("POST", "/api/v1/recording/stop")
    answered.recordings[first["id"]] = ended["frames"]
    site.send("POST", "/api/v1/recordings", {})
    snapshot()
    wait_for("crossings", lambda: len(listener.known) >= wanted, 120)
    under_way = wait_for("a recording under way", lambda: site.json("/api/v1/recording")["now"], 30)
    wait_for("a chunk of it", lambda: site.json("/api/v1/recording")["now"]["duration"] > 1.5, 60)
    time.sleep(random.random() * 1.5)
    told = site.json("/api/v1/recording")["now"]["duration"]
    run.machine.cut_power()
    listener.thread.join(10)
    answered.crossings.update(listener.known)
    return under_way["id"], told, len(answered.crossings) - before


def look(run, answered, cut):
    """After the cut: everything is there, and nothing is twice. How many seconds more the recording under way has than was told."""
    site = run.site
    code, said = run.machine.ask(CHECK, 120)
    if code != 0:
        raise Failure(f"`tallycam check` ends with {code}:\n{said}")
    ledger, path = {}, "/api/v1/crossings?order=oldest&scene=sim&limit=500"
    while path:
        page = site.json(path)
        ledger.update({item["id"]: name_of(item) for item in page["items"]})
        path = page["next"] and f"/api/v1/crossings?order=oldest&scene=sim&limit=500&cursor={page['next']}"
    lost = {number: name for number, name in answered.crossings.items() if ledger.get(number) != name}
    if lost:
        raise Failure(f"announced and not on record: {lost}")
    if len(set(ledger.values())) != len(ledger):
        raise Failure("a crossing is on record twice")
    for number, digest in answered.snapshots.items():
        if hashlib.sha256(site.get(f"/api/v1/media/{number}/content")).hexdigest() != digest:
            raise Failure(f"snapshot {number} is another one")
    for number, frames in answered.recordings.items():
        item = site.json(f"/api/v1/media/{number}")
        if item["frames"] != frames or item["open"]:
            raise Failure(f"recording {number} had {frames} pictures: {item}")
    number, told = cut
    item = site.json(f"/api/v1/media/{number}")
    if item["open"]:
        raise Failure(f"recording {number} is still open")
    # Everything reported of a recording is on the disk.
    if item["duration"] < told - 0.001:
        raise Failure(f"recording {number} had {told} s on the disk: {item}")
    return item["duration"] - told


def cuts(run):
    """The power is cut while it records and counts"""
    run.write("/var/lib/tallycam/detections.csv", detections())
    run.guest("chown tallycam: /var/lib/tallycam/detections.csv; systemctl enable -q tallycam.service tallycam.socket; sync")
    run.guest("rm -f /var/lib/tallycam/settings.toml")
    run.configure(CONFIG)
    run.guest("sync")
    run.wait_state("an answer", lambda s: s["recording"] is not None, 60)
    found = [run.site.json(f"/api/v1/crossings?limit=1&scene={scene}")["items"] for scene in ("camera", "files", "sim")]
    answered, more, took = Answered(max((items[0]["id"] for items in found if items), default=0)), [], []
    for cycle in range(run.cycles):
        run.wait_state("counting", lambda s: s["counting"]["state"] == "counting", 120)
        began = time.monotonic()
        number, told, crossings = life(run, answered, 10 + cycle % 7)
        run.machine.switch_on()
        run.wait_state("an answer", lambda s: s["recording"] is not None, 120)
        more.append(look(run, answered, (number, told)))
        took.append(time.monotonic() - began)
        print(f"    cut {cycle + 1}: {crossings} crossings, recording has {more[-1]:.1f} s more than was told, {took[-1]:.0f} s", flush=True)
    run.proved(f"{run.cycles} cuts: `tallycam check` found nothing bad after each; all {len(answered.crossings)} crossings that were "
               f"announced are on record, none twice; all {len(answered.snapshots)} snapshots and {len(answered.recordings)} "
               "recordings that were answered are there, byte for byte and picture for picture")
    run.proved("the recordings under way are closed and have all that was told to be on the disk, and "
               f"{min(more):.1f} to {max(more):.1f} s more")


# For thirty.
LEGS = [(cuts, 7200)]
