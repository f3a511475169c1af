"""A camera of libcamera's, in the hardened unit: its virtual one, which plays a stretch of the simulated street."""
import hashlib
import os
import re

from client import Viewer
from legs_uvc import pictures
from machine import Failure, wait_for

FRAMES = 40
FOLDER = "/usr/share/libcamera/pipeline/virtual"
YAML = """%YAML 1.1
---
"Street":
  supported_formats:
  - width: 640
    height: 480
    frame_rates:
    - 30
  frames:
    path: "{folder}/frames/"
  location: "CameraLocationBack"
  model: "Street"
"""


def package(run):
    """The package of the helpers beside the other; None where it was not made."""
    folder, name = os.path.split(run.package)
    beside = os.path.join(folder, name.replace("tallycam_", "tallycam-libcamera_", 1))
    return beside if beside != run.package and os.path.exists(beside) else None


def helper(run):
    """The process of the helper; "" where there is none."""
    return run.machine.ask("pgrep -f ^/usr/lib/tallycam/libcamera-")[1]


def begin(run):
    """The camera through libcamera, and somebody who watches; None where the package was not made."""
    if not package(run):
        return None
    run.set(source__kind="libcamera", source__device=None, source__format=None, source__width=640, source__height=480,
            source__fps=10, detect__backend="motion")
    viewer = Viewer(run.machine.ports[80])
    run.wait_word("live", 120)
    return viewer


def installs(run):
    """libcamera's helpers, installed with apt beside the service"""
    made = package(run)
    if not made:
        run.proved("LEFT OUT: tallycam-libcamera is not beside the package: `make deb` makes it")
        return
    pictures(run)
    # The frames are named by number, and taken in that order.
    run.guest(f"mkdir -p {FOLDER}/frames; n=0; for jpeg in $(ls /share/pictures/*.jpg | head -n {FRAMES}); do "
              f"cp $jpeg {FOLDER}/frames/$n.jpg; n=$((n + 1)); done")
    run.write(f"{FOLDER}/virtual.yaml", YAML.format(folder=FOLDER))
    path = run.machine.bring(made)
    out = run.guest(f"DEBIAN_FRONTEND=noninteractive apt-get -q install -y {path}", 120)
    if "Setting up tallycam-libcamera" not in out:
        raise Failure(f"apt said:\n{out}")
    run.proved(f"`apt-get install ./{os.path.basename(path)}`: "
               + run.guest("dpkg-query -W -f '${Package} ${Version} ${Architecture} ${Status}' tallycam-libcamera"))
    # A helper's first start on an emulated machine can take longer than `check` waits.
    found = wait_for("libcamera's ✓ in `tallycam check`", lambda: run.machine.ask(
        "tallycam check --no-camera --config /etc/tallycam/config.toml | grep '✓ libcamera '", 90)[1], 120)
    run.proved(f"`tallycam check`: “{' '.join(found.split())}”")


def streams(run):
    """Moving pictures of libcamera from outside, in memory of dma-buf"""
    viewer = begin(run)
    if not viewer:
        return
    for memory, before in (("dma_heap", "udevadm trigger --subsystem-match=dma_heap; udevadm settle"),
                           ("udmabuf", "chmod 600 /dev/dma_heap/*; chgrp root /dev/dma_heap/*")):
        run.guest(before)
        run.site.send("POST", "/api/v1/pause")
        wait_for("the helper's end", lambda: not helper(run), 30)
        run.site.send("POST", "/api/v1/resume")
        run.wait_word("live", 120)
        viewer.wait_more(1, 60)
        seen = viewer.wait_more(30, 120, "pictures of libcamera")
        state = run.site.state()
        if state["format"] != "NV12" or not re.search("libcamera 0\\.4", state["camera"]):
            raise Failure(f"{state['format']} {state['camera']}")
        pid = helper(run)
        files = run.guest(f"ls -l /proc/{pid}/fd | sed -n 's/.* -> //p' | grep -e dmabuf -e memfd -e dma_heap -e udmabuf | sort | uniq -c")
        maps = run.guest(f"grep -c dmabuf /proc/{run.pid()}/maps")
        if "dmabuf" not in files or maps == "0":
            raise Failure(f"the frames are in no dma-buf: {files}; {maps} mapped by the daemon")
        if memory not in files:
            raise Failure(f"the memory is not of {memory}: {files}")
        who = run.guest(f"ps -o user= -o comm= -p {pid}; grep -o 'system.slice.*' /proc/{pid}/cgroup").split()
        run.proved(f"{state['camera']}: {state['format']} {state['width']}×{state['height']}, {len(set(seen))} different pictures "
                   f"among {len(seen)} on one connection, the last has SHA-256 {hashlib.sha256(viewer.last).hexdigest()[:16]}…; "
                   f"memory of /dev/{memory}: {maps} buffers mapped by the daemon; the helper runs as {' '.join(who)}")
    run.guest("udevadm trigger --subsystem-match=dma_heap; udevadm settle")
    viewer.must_watch()
    viewer.leave()


def takes_controls(run):
    """A control of libcamera's, set from outside and read back"""
    viewer = begin(run)
    if not viewer:
        return

    def controls():
        return {control["name"]: control for control in run.site.json("/api/v1/controls")["items"]}
    known = controls()
    free = [control for control in known.values() if not control["read_only"] and not control["inactive"]]
    if not free:
        raise Failure(f"no control can be set: {known}")
    for control in free:
        name = control["name"]
        choices = [choice["value"] for choice in control.get("choices", [])] or [control.get("min", 0), control.get("max", 1)]
        wanted = next((value for value in choices if value != control["value"]), control["value"])
        run.site.send("PATCH", "/api/v1/controls", {name: wanted})
        read = controls()[name]["value"]
        if read != wanted:
            raise Failure(f"{name}: set {wanted}, read {read}")
        run.proved(f"{name}, which had {control['value']}: PATCH {wanted}, then GET: {read}")
    viewer.wait_more(5, 60)
    viewer.leave()
    run.site.send("POST", "/api/v1/controls/reset")


def reports(run):
    """`tallycam check --report`, with the service running, tells no secret"""
    viewer = begin(run)
    if not viewer:
        return
    said = run.guest("rm -f /tmp/answers.txt; tallycam check --report /tmp/answers.txt --config /etc/tallycam/config.toml", 120)
    text = run.guest("cat /tmp/answers.txt")
    for secret in (run.site.password, "10.0.2.15", "\nguest", " guest "):
        if secret in text:
            raise Failure(f"{secret!r} is in it:\n{text}")
    measured = re.search("(?m)^measured: .*$", text)
    if not measured or "--probe: {" not in text or "Street" not in text:
        raise Failure(f"something is missing:\n{text}")
    run.proved(f"“{said}”; {len(text)} characters, without password, address and host name; “{measured.group(0)}”")
    viewer.leave()
    run.guest(f"DEBIAN_FRONTEND=noninteractive apt-get -q purge -y tallycam-libcamera; rm -rf {FOLDER}; test ! -e /usr/lib/tallycam", 120)


LEGS = [(installs, 240), (streams, 400), (takes_controls, 180), (reports, 240)]
