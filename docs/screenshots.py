#!/usr/bin/env python3
"""Takes the screenshots of README.md, with Debian's chromium and chromium-driver, and ffmpeg for their palettes.

    docs/screenshots.py TALLYCAM FOLDER

TALLYCAM is the program. FOLDER holds the clip of `make demo`, which is fetched if it is missing. The pages are those of a
simulated street with a week of drawn counts; demo.png is `make demo`.
"""

import contextlib
import json
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64decode
from datetime import datetime, timedelta
from pathlib import Path

DOCS = Path(__file__).resolve().parent
SIZE = (1280, 900)
# Smaller, because footage has more colours.
DEMO_SIZE = (1040, 740)
# Bytes; a repository is cloned more often than a screenshot is looked at.
LARGEST = 150_000
# Crossings in an hour of an ordinary day, in and out together.
DAY = [0, 0, 0, 0, 0, 0, 2, 6, 18, 41, 64, 72, 88, 81, 70, 66, 74, 79, 43, 17, 6, 3, 1, 0]
# Actions that need the page's password are allowed here without it.
COMMON = ["access.local=open"]
# Set as on the page, so that they do not show as pinned.
STREET = {"name": "Museum", "source.kind": "sim", "source.fps": 10, "source.width": 1280, "source.height": 720}


def ask(method, url, body=None):
    """The answer's JSON, or None if it has none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text.startswith((b"{", b"[")) else None


def wait_for(what, is_so, seconds=120):
    """Its first true value; the machine may be slow."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if value := is_so():
                return value
        time.sleep(0.2)
    sys.exit(f"screenshots: no {what} within {seconds} s")


def wait_for_counting(address):
    wait_for("counting", lambda: ask("GET", f"{address}/api/v1/state")["counting"]["state"] == "counting")


def end_welcome(address):
    urllib.request.urlopen(urllib.request.Request(f"{address}/api/v1/welcome/done", b"")).close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def running(command):
    """A child that is ended, and has ended, afterwards."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


@contextlib.contextmanager
def serving(command, state, settings):
    """The address of a daemon that answers."""
    port = free_port()
    settings = [*COMMON, *settings, f'http.listen=["127.0.0.1:{port}"]', f"store.directory={state}"]
    with running([*command, *(part for setting in settings for part in ("--set", setting))]):
        address = f"http://localhost:{port}"
        wait_for("answer", lambda: ask("GET", f"{address}/api/v1/state"))
        yield address


class Browser:
    """One headless window, led by chromedriver (https://www.w3.org/TR/webdriver2/)."""

    def __init__(self, driver):
        options = {"args": ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=1"]}
        # Loading never ends with a live picture.
        wanted = {"browserName": "chrome", "pageLoadStrategy": "eager", "goog:chromeOptions": options}
        made = ask("POST", f"{driver}/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"{driver}/session/{made['value']['sessionId']}"

    def command(self, name, **body):
        return ask("POST", f"{self.session}/{name}", body)["value"]

    def close(self):
        ask("DELETE", self.session)

    def is_so(self, expression):
        return self.command("execute/sync", script=f"return {expression}", args=[])

    def take(self, url, name, shown="true", size=SIZE):
        """Opens the page, waits until the expression `shown` is true, and writes docs/NAME.png."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.command("goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params=metrics)
        self.command("url", url=url)
        wait_for(f"{name}: {shown}", lambda: self.is_so(shown))
        # Charts, the picture and its boxes are drawn last.
        time.sleep(2)
        file = DOCS / f"{name}.png"
        with tempfile.NamedTemporaryFile(suffix=".png") as whole:
            whole.write(b64decode(ask("GET", f"{self.session}/screenshot")["value"]))
            whole.flush()
            for colours in (256, 128, 64):
                palette = f"split[a][b];[a]palettegen=max_colors={colours}:reserve_transparent=0[p];[b][p]paletteuse=dither=none"
                subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", whole.name, "-vf", palette, "-pred", "mixed",
                                "-compression_level", "9", file], check=True)
                if file.stat().st_size <= LARGEST:
                    break
        print(f"{file.name}: {file.stat().st_size} bytes, {colours} colours")
        if file.stat().st_size > LARGEST:
            sys.exit(f"screenshots: {file} has more than {LARGEST} bytes")


def draw_counts(state):
    """Eight days of crossings until now, as if they had been counted. The sums are made at the next start."""
    dice = random.Random(1)
    now = datetime.now().replace(microsecond=0)
    begin = (now - timedelta(days=8)).replace(hour=0, minute=0, second=0)
    micros = lambda moment: int(moment.timestamp() * 1_000_000)
    with contextlib.closing(sqlite3.connect(state / "counts.db")) as base, base:
        (run, line), track = base.execute("SELECT (SELECT max(id) FROM runs), (SELECT min(id) FROM lines)").fetchone(), 1_000_000
        hour = begin
        while hour < now:
            busy = DAY[hour.hour] * (1.3 if hour.weekday() >= 5 else 1.0) * dice.uniform(0.8, 1.2)
            for _ in range(round(busy)):
                at = hour + timedelta(seconds=dice.uniform(0, 3600))
                # Visitors come in before they go out: more "in" in the morning, more "out" in the evening.
                direction = "in" if dice.random() < 0.7 - hour.hour / 24 * 0.35 else "out"
                track += 1
                if at < now:
                    base.execute("INSERT INTO crossings (run, scene, line, track, ordinal, class, direction, score, mono_us, wall_us, sure)"
                                 " VALUES (?, 'sim', ?, ?, 1, 'moving', ?, 0.9, 0, ?, 1)", (run, line, track, direction, micros(at)))
            hour += timedelta(hours=1)
        base.execute("INSERT INTO spans (run, scene, state, from_mono_us, to_mono_us, from_us, to_us, sure)"
                     " VALUES (?, 'sim', 'counting', 0, 0, ?, ?, 1)", (run, micros(begin), micros(now)))
        base.execute("DELETE FROM settings WHERE key = 'calendar'")


def main():
    program, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    for tool in ("chromium", "chromedriver", "ffmpeg"):
        if not shutil.which(tool):
            sys.exit(f"screenshots: {tool} is not installed (Debian: chromium, chromium-driver, ffmpeg)")
    port = free_port()
    driver = f"http://127.0.0.1:{port}"
    live = "document.body.dataset.look === 'live' && document.getElementById('picture').naturalWidth > 0"
    with (tempfile.TemporaryDirectory() as scratch, running(["chromedriver", f"--port={port}", "--log-level=OFF"]),
          contextlib.ExitStack() as stack):
        wait_for("chromedriver", lambda: ask("GET", f"{driver}/status")["value"]["ready"])
        browser = stack.enter_context(contextlib.closing(Browser(driver)))
        state = Path(scratch, "street")
        state.mkdir()
        with serving([program, "serve"], state, []) as camera:
            ask("PUT", f"{camera}/api/v1/password", {"password": "only for these pages"})
            ask("PATCH", f"{camera}/api/v1/settings", STREET)
            wait_for_counting(camera)
            end_welcome(camera)
        draw_counts(state)
        with serving([program, "serve"], state, []) as camera:
            wait_for_counting(camera)
            for name in ("Entrance", "Pavement", "Street", "Shop"):
                time.sleep(3)
                ask("POST", f"{camera}/api/v1/snapshots", {"name": f"{name}.jpg"})
            for name in ("Morning", "Noon", "Evening"):
                ask("POST", f"{camera}/api/v1/recordings", {"name": f"{name}.avi"})
                time.sleep(8)
                ask("POST", f"{camera}/api/v1/recording/stop", {})
            browser.take(f"{camera}/", "live", live)
            browser.take(f"{camera}/counts?range=yesterday", "counts")
            browser.take(f"{camera}/media", "media", "[...document.images].every(image => image.complete)")
            browser.take(f"{camera}/settings", "settings")
        state = Path(scratch, "demo")
        state.mkdir()
        with serving([DOCS.parent / "deploy/demo.sh", program, folder], state, []) as camera:
            wait_for("crossings", lambda: len(ask("GET", f"{camera}/api/v1/crossings")["items"]) >= 5)
            end_welcome(camera)
            browser.take(f"{camera}/", "demo", live, DEMO_SIZE)


main()
