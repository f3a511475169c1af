"""A true USB camera with MJPG: UVC by USB/IP."""
import glob
import hashlib
import json
import os
import shutil

from client import Viewer
from machine import Failure, wait_for

BY_ID = "/dev/v4l/by-id/*UVC_camera_of_the_tests*index0"
LINK = "/dev/tallycam/camera"
PICTURES = 200


def pictures(run, wanted=PICTURES, fps=15):
    """The JPEGs that the camera plays: a stretch of the simulated street at the rate at which it plays them. SHA-256 of each."""
    folder = os.path.join(run.machine.share, "pictures")
    if len(glob.glob(folder + "/*.jpg")) < wanted:
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        run.set(source__kind="sim", source__width=640, source__height=360, source__fps=fps)
        viewer = Viewer(run.machine.ports[80], password=run.site.password)
        kept = {}
        while len(kept) < wanted:
            viewer.wait_more(1, 60, "pictures of the simulated street")
            kept.setdefault(hashlib.sha256(viewer.last).hexdigest(), viewer.last)
        viewer.leave()
        for number, jpeg in enumerate(kept.values()):
            with open(f"{folder}/{number:04}.jpg", "wb") as file:
                file.write(jpeg)
    digests = set()
    for name in glob.glob(folder + "/*.jpg"):
        with open(name, "rb") as file:
            digests.add(hashlib.sha256(file.read()).hexdigest())
    return digests


def plug_in(run, folder="/share/pictures", fps=15):
    """Plugs the camera in; its lasting name."""
    run.guest("modprobe vhci_hcd; modprobe uvcvideo; rm -f /run/uvc-camera; systemctl reset-failed uvc-camera 2>/dev/null; "
              f"systemd-run -q --unit=uvc-camera python3 /usr/local/lib/e2e/uvc_camera.py {folder} {fps}")
    return wait_for("the camera's node", lambda: run.machine.ask(f"ls {BY_ID} 2>/dev/null")[1], 30)


def pull(run):
    run.guest("echo 0 > /sys/devices/platform/vhci_hcd.0/detach")
    wait_for("the cable's end", lambda: run.machine.ask("systemctl is-active uvc-camera")[1] != "active", 30)


def is_plugged(run):
    return run.machine.ask(f"ls {BY_ID}")[0] == 0


def begin(run):
    digests = pictures(run)
    name = run.guest(f"ls {BY_ID}") if is_plugged(run) else plug_in(run)
    run.set(source__kind="v4l2", source__device=name, source__format=None, source__width=None, source__height=None, source__fps=None,
            detect__backend="motion")
    return digests


def streams(run):
    """A UVC camera's own JPEGs, byte for byte, seen from outside"""
    digests = begin(run)
    viewer = Viewer(run.machine.ports[80])
    run.wait_word("live")
    viewer.wait_more(5, 60)
    seen = viewer.wait_more(100, 120, "pictures of the UVC camera")
    foreign = [digest for digest in seen if digest not in digests]
    if foreign:
        raise Failure(f"{len(foreign)} of {len(seen)} pictures are not the camera's")
    state = run.site.state()
    if state["format"] != "MJPG":
        raise Failure(state["format"])
    run.proved(f"{state['camera']} ({os.path.basename(run.guest('ls ' + BY_ID))}): {state['format']} "
               f"{state['width']}×{state['height']}, {state['fps']} pictures a second")
    # By the package's udev rules, which are applied by now.
    node, linked = run.guest(f"udevadm settle; readlink -f {BY_ID}; readlink -f {LINK}").splitlines()
    if linked != node:
        raise Failure(f"{LINK} is {linked}, and the camera {node}")
    run.proved(f"{LINK} → {linked}; names in /dev/tallycam: {', '.join(run.guest('ls /dev/tallycam').split())}")
    run.proved(f"{len(seen)} pictures in a row, {len(set(seen))} different ones: each has the SHA-256 of one of the "
               f"{len(digests)} JPEGs that the camera was given")
    viewer.leave()


def counts_and_records(run):
    """Counting on, a recording made and downloaded"""
    digests = begin(run)
    if not run.site.json("/api/v1/lines")["items"]:
        run.site.send("POST", "/api/v1/lines", {"name": "Middle", "a": [0.5, 1.0], "b": [0.5, 0.0]})
    state = run.wait_state("counting", lambda s: s["counting"]["state"] == "counting", 90)
    began = run.site.send("POST", "/api/v1/recordings", {"name": "e2e.mp4"})
    wait_for("60 recorded pictures", lambda: (run.site.state()["recording"]["now"] or {"frames": 0})["frames"] >= 60, 90)
    item = run.site.send("POST", "/api/v1/recording/stop")
    films = {kind: run.site.get(f"/api/v1/media/{began['id']}/content?as={kind}", 120) for kind in ("avi", "mp4")}
    frames = list(frames_of_avi(films["avi"]))
    same = [frame for frame in frames if hashlib.sha256(frame).hexdigest() in digests]
    if len(frames) != item["frames"] or len(same) != len(frames) or item["open"]:
        raise Failure(f"{len(frames)} frames downloaded, {len(same)} of them the camera's, {item}")
    if films["mp4"][4:8] != b"ftyp" or any(frame not in films["mp4"] for frame in frames):
        raise Failure("the MP4 lacks frames")
    crossings = wait_for("a crossing", lambda: run.site.json("/api/v1/crossings")["items"], 120)
    totals = run.site.json("/api/v1/counts?from=-1d&bucket=total&by=line")["items"]
    run.proved(f"counting ({state['counting']['backend']}, {state['counting']['detections_per_second']} detections per second): "
               f"{len(crossings)} crossings on record, total {json.dumps(totals[0], sort_keys=True)[:120]}")
    run.proved(f"recording “{item['name']}”: {item['frames']} pictures, {item['gaps']} gaps; downloaded as AVI "
               f"(SHA-256 {hashlib.sha256(films['avi']).hexdigest()[:16]}…) and MP4 "
               f"({hashlib.sha256(films['mp4']).hexdigest()[:16]}…): every picture in them is the camera's, byte for byte")


def frames_of_avi(film):
    """The JPEGs of an AVI, by its movi lists; a slot of a gap holds none."""
    at = 12
    while at + 8 <= len(film):
        name, length = film[at:at + 4], int.from_bytes(film[at + 4:at + 8], "little")
        if name in (b"LIST", b"RIFF"):
            # Into movi and a further RIFF; past every other list.
            at += 12 if name == b"RIFF" or film[at + 8:at + 12] == b"movi" else 8 + length + length % 2
            continue
        if name == b"00dc" and length:
            yield film[at + 8:at + 8 + length]
        at += 8 + length + length % 2


def cable_pulled(run):
    """The cable is pulled and put back"""
    digests = begin(run)
    viewers = [Viewer(run.machine.ports[80]) for _ in range(2)]
    for viewer in viewers:
        viewer.wait_more(10, 60)
    pid, marks = run.pid(), [viewer.mark() for viewer in viewers]
    pull(run)
    # Unplugged, until the next attempt finds nothing there.
    state = run.wait_state("a camera that is gone", lambda s: s["state"] in ("unplugged", "absent"))
    cards = [wait_for("a card", lambda v=viewer, m=mark: [d for d in v.since(m) if d not in digests], 30)[0]
             for viewer, mark in zip(viewers, marks)]
    said = run.show("StatusText")[0]
    plug_in(run)
    run.wait_word("live")
    for viewer in viewers:
        back = viewer.wait_more(10, 60, "pictures after the cable is back")
        if [digest for digest in back[1:] if digest not in digests]:
            raise Failure("what came after the cable was back is not the camera's")
        viewer.must_watch()
        viewer.leave()
    if run.pid() != pid:
        raise Failure("the service was restarted")
    run.proved(f"`detach`: {state['state']}, “{state['reason']}”; status: “{said}”; both viewers got the card (SHA-256 {cards[0][:16]}…)")
    run.proved("attached again: the camera's own pictures, on the same two connections, by the same process")


def goes_silent(run):
    """A camera that sends nothing any more"""
    digests = begin(run)
    viewer = Viewer(run.machine.ports[80])
    viewer.wait_more(10, 60)
    pid, opens, mark, since = run.pid(), run.site.state()["opens"], viewer.mark(), run.now()
    run.guest("echo silent > /run/uvc-camera")
    run.wait_word("silent", 60)
    wait_for("a card", lambda: [d for d in viewer.since(mark) if d not in digests], 30)
    run.wait_state("another opening", lambda s: s["opens"] > opens, 60)
    run.guest("echo run > /run/uvc-camera")
    state = run.wait_word("live", 90)
    viewer.wait_more(10, 60, "pictures after the silence")
    viewer.must_watch()
    viewer.leave()
    if run.pid() != pid:
        raise Failure("the service was restarted")
    said = [wait_for(f"“{words}” in the journal", lambda w=words: run.journal(w, since), 20)
            for words in ("has sent no frame for", "the camera is back")]
    run.proved(f"silent: a card; opened again ({state['opens'] - opens} times) by the same process, live again on the same connection; "
               f"journal: “{said[0]}”, then “{said[1]}”")


def hangs(run):
    """A request to the camera's driver that never returns"""
    begin(run)
    viewer = Viewer(run.machine.ports[80])
    viewer.wait_more(10, 60)
    pid, restarts, since = run.pid(), run.restarts(), run.now()
    run.guest("echo hang > /run/uvc-camera")

    def restarted():
        # The counter rises when systemd has reaped the old process.
        return run.restarts() > restarts and run.pid() not in (0, pid)
    wait_for("the watchdog's restart", restarted, 150)
    run.guest("echo run > /run/uvc-camera")
    stuck, watchdog = run.journal("has been stuck", since), run.journal("Watchdog timeout", since)
    if not stuck or not watchdog:
        raise Failure(f"the journal says {stuck!r} and {watchdog!r}")
    # The old process kept counts.db open until its driver answered. The service restarts once more to open it, which
    # disconnects viewers.
    run.wait_state("an open counts.db", lambda s: s["counting"]["state"] != "fault", 120)
    viewer = Viewer(run.machine.ports[80])
    run.wait_word("live", 120)
    viewer.wait_more(10, 60, "pictures after the restart")
    viewer.leave()
    run.proved(f"journal: “{stuck}”; systemd: “{watchdog}”")
    run.proved(f"restarted (process {pid} → {run.pid()}), live again when the driver answers")


LEGS = [(streams, 240), (counts_and_records, 240), (cable_pulled, 180), (goes_silent, 180), (hangs, 300)]
