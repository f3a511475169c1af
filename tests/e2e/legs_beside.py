"""What a picture costs, beside µStreamer on the same kernel's devices.

The viewer is in the guest: to send a picture through the guest's emulated network card, packet by packet, takes each of the
two the same 3.5 ms of the kernel's time, beside which what they do differently would not be seen.
"""
import glob
import http.client
import json
import os
import shutil
import statistics
import time

import legs_uvc
import legs_vivid
from client import Site, Viewer
from machine import Failure, wait_for

ROUNDS = 5
SECONDS = 12
MOST = 0.6
# Attempts to start µStreamer for one run of it, and minimum number of runs of both for a figure.
TRIES = 6
LEAST_ROUNDS = 3
VIEWER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest", "viewer.py")


class TooFew(Failure):
    """No stream worth a measurement."""


def cost(run, port, pid):
    """CPU milliseconds of process `pid` for a picture delivered to one viewer, and pictures a second."""
    seen = json.loads(run.guest(f"python3 {run.machine.bring(VIEWER)} {port} {pid} {SECONDS}", 60 + SECONDS))
    if seen["pictures"] < 20:
        raise TooFew(f"only {seen['pictures']} pictures in {SECONDS} s")
    return seen["cpu_ms"] / seen["pictures"], seen["pictures"] / SECONDS


def wait_until_free(run, device):
    """Waits until no process has the device open, and a moment more: a camera may still be ending its stream."""
    held = f"ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q -e \"-> $(readlink -f {device})\\$\""
    wait_for(f"{device} to be let go", lambda: run.machine.ask(held)[0] != 0, 30)
    time.sleep(2)


def has_camera(site):
    """Whether µStreamer has its camera, as it says itself; one that does not say is believed."""
    try:
        return site.json("/state", timeout=10)["result"]["source"]["online"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, Failure):
        return True


def cost_of_ustreamer(run, device, mode, encoder, plug_again):
    """The same of µStreamer, which now and then does not get a UVC camera that another program has just let go, and then
    shows a card once a second: it is started anew, and from the third try on the camera is plugged in anew before that."""
    for number in range(1, TRIES + 1):
        if number > 2 and plug_again:
            plug_again()
        wait_until_free(run, device)
        run.guest(f"systemd-run -q --unit=ustreamer ustreamer -d {device} -r 1280x720 -m {mode} -c {encoder} -q 80 "
                  "--host 0.0.0.0 --port 8080 --log-level 1")
        try:
            site = Site(run.machine.ports[8080])
            try:
                wait_for("µStreamer", lambda: run.machine.ask("ss -ltn | grep -q :8080")[0] == 0, 30)
                wait_for("µStreamer's camera", lambda: has_camera(site), 20)
            except Failure as why:
                raise TooFew(str(why)) from why
            return cost(run, 8080, int(run.show("MainPID", unit="ustreamer.service")[0]))
        except TooFew as why:
            said = run.machine.ask("journalctl -u ustreamer -b -q -o cat | tail -n 5")[1]
            print(f"    µStreamer, try {number} of {TRIES}: {why}; it says:\n{said}", flush=True)
            if number == TRIES:
                raise
        finally:
            run.guest("systemctl stop ustreamer; systemctl reset-failed ustreamer 2>/dev/null || true")


def compare(run, device, mode, encoder, plug_again=None):
    """Alternating runs of both on `device`."""
    ours, theirs, rates, missed = [], [], ([], []), []
    for _ in range(ROUNDS):
        run.site.send("POST", "/api/v1/resume")
        run.wait_state("a start", lambda s: s["state"] != "paused", 30)
        mine = cost(run, 80, run.pid())
        # A pause is answered once the camera is closed.
        run.site.send("POST", "/api/v1/pause")
        try:
            other = cost_of_ustreamer(run, device, mode, encoder, plug_again)
        except TooFew as why:
            # A run of only one of them cannot be compared.
            missed.append(str(why))
            continue
        for (milliseconds, rate), costs, their_rates in ((mine, ours, rates[0]), (other, theirs, rates[1])):
            costs.append(milliseconds)
            their_rates.append(rate)
    run.site.send("POST", "/api/v1/resume")
    if len(ours) < LEAST_ROUNDS:
        # This says nothing about tallycam: it is reported, and is no failure.
        run.proved(f"**not compared**: µStreamer showed the camera in {len(ours)} of {ROUNDS} runs, each tried {TRIES} times; "
                   f"of the others: {'; '.join(missed)}")
        return
    ratio = statistics.median(ours) / statistics.median(theirs)
    told = [" ".join(f"{value:.2f}" for value in values) for values in (ours, theirs)]
    version = run.guest("ustreamer --version")
    # A missed target is reported and is no failure: a figure is no proof.
    verdict = "" if ratio <= MOST else ": **missed**"
    run.proved(f"{len(ours)} alternating runs of {SECONDS} s, CPU ms a picture: tallycam {told[0]} (at {statistics.mean(rates[0]):.0f} "
               f"pictures a second), µStreamer {version} {told[1]} (at {statistics.mean(rates[1]):.0f}): "
               f"ratio of medians {ratio:.2f}, at most {MOST}{verdict}")


def raw(run):
    """CPU time beside µStreamer: vivid, YUYV, 1280×720"""
    run.set(detect__backend="none")
    device = legs_vivid.begin(run, 1280, 720)
    compare(run, device, "YUYV", "CPU")


def mjpg(run):
    """CPU time beside µStreamer: a UVC camera, MJPG, 1280×720"""
    run.set(detect__backend="none", source__kind="sim", source__width=1280, source__height=720, source__fps=30)
    folder = os.path.join(run.machine.share, "pictures-720")
    if len(glob.glob(folder + "/*.jpg")) < 30:
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        viewer = Viewer(run.machine.ports[80])
        for number in range(30):
            viewer.wait_more(1, 60)
            with open(f"{folder}/{number:04}.jpg", "wb") as file:
                file.write(viewer.last)
        viewer.leave()
    if legs_uvc.is_plugged(run):
        legs_uvc.pull(run)
    name = legs_uvc.plug_in(run, "/share/pictures-720", 30)
    run.set(source__kind="v4l2", source__device=name, source__format=None, source__width=None, source__height=None, source__fps=None)

    def plug_again():
        legs_uvc.pull(run)
        legs_uvc.plug_in(run, "/share/pictures-720", 30)
    compare(run, name, "MJPEG", "HW", plug_again)


# Time for µStreamer's further attempts.
LEGS = [(raw, 600), (mjpg, 1500)]
