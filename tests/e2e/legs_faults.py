"""What is wrong is said, nothing is overwritten, and it mends itself when the cause goes."""
import html
import html.parser
import http.client
import time

import legs_uvc
import legs_vivid
from client import Viewer
from machine import Failure, wait_for

CONFIG = "/etc/tallycam/config.toml"
STATE = "/var/lib/tallycam"

# Owner and mode that systemd expects of the state directory. Otherwise it would change them, and fail on a read-only
# disk.
OWNED = "mode=750,uid=$(id -u tallycam),gid=$(id -g tallycam)"

# systemd-timesyncd does this when it has set the clock: the service's sandbox forbids asking the kernel.
SYNCHRONISED = "mkdir -p /run/systemd/timesync; touch /run/systemd/timesync/synchronized"

# Needs no camera and little CPU.
SIMULATED = """[source]
kind = "sim"
width = 320
height = 240
fps = 10
[retention]
min_free = "0B"
"""


def status(run):
    return run.show("StatusText")[0]


def wait_status(run, *words, timeout=60):
    """Waits until the status line contains all of `words`; the line."""
    def found():
        line = status(run)
        return line if all(one in line for one in words) else None
    return wait_for(f"a status line with {words}", found, timeout)


# The status line while something cannot be counted or stored, or the clock is wrong.
COMPLAINTS = ("not counting", "no pictures are kept", "the clock")


def wait_calm(run):
    """Waits until the status line complains of nothing any more; the line."""
    def found():
        line = status(run)
        return None if any(one in line for one in COMPLAINTS) else line
    return wait_for("a status line without complaints", found, 60)


def page(run):
    """Code and text of the page, whatever it says."""
    code, _, body = run.site.request("GET", "/", timeout=60)
    return code, body.decode()


class Seen(html.parser.HTMLParser):
    """The words of a page that are seen: not what is in its head or hidden."""

    # These have no end.
    VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}

    def __init__(self):
        super().__init__()
        self.words = []
        # Open elements: the tag, and true if it or a parent is hidden.
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            is_hidden = tag in ("head", "script", "style") or any(name == "hidden" for name, _ in attrs)
            self.open.append((tag, is_hidden or bool(self.open and self.open[-1][1])))

    def handle_endtag(self, tag):
        if tag in [name for name, _ in self.open]:
            while self.open.pop()[0] != tag:
                pass

    def handle_data(self, data):
        if not (self.open and self.open[-1][1]):
            self.words.append(data)


def read(run):
    """The live page as it is read without JavaScript, with one space between words; "" where it is not served."""
    try:
        code, text = page(run)
    except (OSError, http.client.HTTPException):
        return ""
    if code != 200:
        return ""
    seen = Seen()
    seen.feed(text)
    return " ".join("".join(seen.words).split())


def has(text, words):
    """Whether a page has these words of the API's: it begins sentences with capitals, and shows `this` as code."""
    return words.replace("`", "").rstrip(".").casefold() in text.casefold()


def wait_page(run, *words, timeout=30):
    """Waits until the live page has all of `words`."""
    def found():
        text = read(run)
        return all(has(text, one) for one in words)
    wait_for(f"a page with {words}", found, timeout)


def wait_page_without(run, *words, timeout=60):
    """Waits until the live page is served and has none of `words`."""
    def found():
        text = read(run)
        return text and not any(has(text, one) for one in words)
    wait_for(f"a page without {words}", found, timeout)


def wait_told(run):
    """Waits until the state says why nothing is counted and why no pictures are kept, and the live page says both; the two."""
    def found():
        state = run.site.try_state()
        counting, storage = state.get("counting") or {}, state.get("storage") or {}
        words = (counting.get("state") == "fault" and counting.get("reason"), storage.get("fault"))
        text = read(run)
        return words if all(words) and all(has(text, one) for one in words) else None
    return wait_for("a page that says why nothing is counted or kept", found, 60)


def digest(run, files):
    return run.guest(f"cat {files} | sha256sum").split()[0]


def broken_configuration(run):
    """A configuration that is wrong, and a package installed over it"""
    good = SIMULATED + "# by hand\n"
    run.configure('[source]\nkind = "sim"\n[stream]\nqualtiy = 900\n# by hand\n')
    before = digest(run, CONFIG)
    said = wait_status(run, "The configuration is wrong")
    code, text = page(run)
    if code != 503 or "config.toml:4:1" not in text:
        raise Failure(f"{code} {text[:500]}")
    run.proved(f"wrong: status “{said}”; the page, with {code}: “config.toml:4:1 …”")
    if run.package.endswith(".deb"):
        run.guest("DEBIAN_FRONTEND=noninteractive apt-get -q install -y --reinstall "
                  f"/share/{run.package.rsplit('/', 1)[1]}", 240)
        if digest(run, CONFIG) != before:
            raise Failure("the installation has changed the configuration")
        wait_status(run, "The configuration is wrong")
        run.proved("package installed over it: apt succeeds, the file is as it was (same SHA-256)")
    run.write(CONFIG, good)
    since = run.now()
    run.wait_state("an answer", lambda s: s["recording"] is not None, 60)
    run.proved(f"mended: serves by itself, “{status(run)}”; journal: “{run.journal('ready after', since)}”")


def no_camera(run):
    """No camera at the start"""
    if legs_uvc.is_plugged(run):
        legs_uvc.pull(run)
    run.guest("systemctl stop tallycam; rmmod vivid 2>/dev/null; rm -f /var/lib/tallycam/settings.toml; ls /dev/video* 2>/dev/null | wc -l")
    run.configure("# everything as it is by default\n[detect]\nbackend = \"none\"\n")
    viewer = Viewer(run.machine.ports[80])
    viewer.wait_more(1, 60, "a card")
    state = run.wait_word("absent", 60)
    said = status(run)
    code, text = page(run)
    if not state["reason"] or state["reason"] not in html.unescape(text):
        raise Failure(f"the page does not say “{state['reason']}”")
    device = legs_vivid.load(run)
    state = run.wait_word("live", 60)
    viewer.wait_more(10, 60, "pictures of the camera that came")
    viewer.must_watch()
    viewer.leave()
    run.proved(f"status: “{said}”; the page ({code}): “{state['reason']}”; a viewer has the card")
    run.proved(f"{device} appears: live ({state['camera']}), on the viewer's same connection")


def state_is_full(run):
    """The state directory's disk is full"""
    run.guest(f"systemctl stop tallycam; mount -t tmpfs -o size=64M,{OWNED} tmpfs {STATE}")
    try:
        run.guest(f"head -c 128M /dev/zero > {STATE}/filler 2>/dev/null; df --output=avail {STATE} | tail -n 1")
        run.configure(SIMULATED)
        said = wait_status(run, "not counting", "no pictures are kept")
        told = wait_told(run)
        run.proved(f"full at the start: status “{said}”; the page: “{told[0]}” and “{told[1]}”")
        run.guest(f"rm {STATE}/filler")
        run.proved(f"room again: {mended(run, told)}")
    finally:
        run.guest(f"systemctl stop tallycam; umount {STATE}")


def state_is_read_only(run):
    """The state directory is read-only"""
    run.guest(f"systemctl stop tallycam; mount -t tmpfs -o size=64M,{OWNED} tmpfs {STATE}; "
              f"mount -o remount,ro {STATE}")
    try:
        run.configure(SIMULATED)
        said = wait_status(run, "not counting", "no pictures are kept")
        told = wait_told(run)
        code, _ = page(run)
        run.proved(f"read-only at the start: status “{said}”; the page ({code}): “{told[0]}” and “{told[1]}”")
        # Also in the service's own mount namespace, which is the one that it sees.
        run.guest(f"mount -o remount,rw {STATE}; nsenter -m -t $(systemctl show -P MainPID tallycam) mount -o remount,rw {STATE} || true")
        run.proved(f"writable again: {mended(run, told)}")
    finally:
        run.guest(f"systemctl stop tallycam; umount {STATE}")


def state_is_foreign(run):
    """The stores are another program's files"""
    run.guest("systemctl stop tallycam; mkdir -p /root/kept; cp -a /var/lib/tallycam/. /root/kept/; "
              f"rm -f {STATE}/counts.db* {STATE}/media.db*; "
              f"python3 -c 'import sqlite3; d=sqlite3.connect(\"{STATE}/counts.db\"); d.execute(\"create table theirs(a)\"); "
              "d.execute(\"insert into theirs values(7)\"); d.commit()'; "
              f"echo 'dear diary' > {STATE}/media.db; chown tallycam: {STATE}/*.db", 60)
    before = digest(run, f"{STATE}/counts.db {STATE}/media.db")
    run.configure(SIMULATED)
    said = wait_status(run, "not counting", "no pictures are kept")
    told = wait_told(run)
    if digest(run, f"{STATE}/counts.db {STATE}/media.db") != before:
        raise Failure("what was another program's has been changed")
    run.proved(f"status “{said}”; the page: “{told[0]}” and “{told[1]}”; both files as they were (same SHA-256)")
    run.guest(f"mkdir -p /root/theirs; mv {STATE}/counts.db* {STATE}/media.db* /root/theirs/")
    run.proved(f"moved away: {mended(run, told, is_new=False)}")
    run.guest(f"systemctl stop tallycam; cp -a /root/kept/. {STATE}/; rm -f {STATE}/counts.db-* {STATE}/media.db-*; systemctl start tallycam", 60)


def mended(run, told, is_new=True):
    """Waits until crossings and pictures are kept again, and neither the status line nor the page says what was `told`; that in
    words. A directory that was new has got a password of its own."""
    kept = run.site.password

    def keeps():
        state = run.site.try_state()
        if not state or state["counting"]["state"] == "fault" or (state["storage"] or {}).get("fault"):
            return None
        if is_new:
            line = run.journal("other machines is")
            run.site.password = line.split("other machines is ")[1].split(" ")[0].rstrip(",")
        return run.site.request("POST", "/api/v1/snapshots")[0] == 201
    try:
        wait_for("pictures and crossings that are kept", keeps, 90)
    finally:
        run.site.password = kept
    line = wait_calm(run)
    wait_page_without(run, *told)
    return f"mended by itself; a snapshot is kept; status “{line}”; the page says neither any more"


def port_is_taken(run):
    """Port 80 is taken"""
    # SO_REUSEADDR: earlier connections of that port linger for a minute.
    run.guest("systemctl stop tallycam.socket tallycam.service; "
              "systemd-run -q --unit=squatter python3 -c 'import socket,time; s=socket.socket(socket.AF_INET6); "
              "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); "
              "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind((\"::\",80)); s.listen(); time.sleep(9999)'")
    wait_for("the other program", lambda: run.machine.ask("ss -ltn | grep -q ':80 '")[0] == 0, 20)
    began = run.now()
    code, _ = run.machine.ask("systemctl start tallycam.socket", 30)
    state, result = run.show("ActiveState", "Result", unit="tallycam.socket")
    if code == 0 or state != "failed":
        raise Failure(f"the socket starts on a port that is taken: exit code {code}, {state}, {result}")
    # systemd's own lines reach the journal a moment later, and not always under the unit's name.
    words = f"journalctl -b -q -o cat --since=@{began} | grep -i 'address already in use' | tail -n 1"
    journal = wait_for("systemd's word for it", lambda: run.machine.ask(words)[1], 20)
    run.guest("systemctl start tallycam.service", 60)
    run.proved(f"socket: {state}, {result}; journal: “{journal}”; the service without it: “{status(run)}”, on "
               + run.guest("ss -ltnp | grep tallycam | awk '{print $4}' | tr '\\n' ' '"))
    # Without a socket unit: the configured address, and the right to use low ports.
    run.guest("systemctl stop squatter; systemctl stop tallycam.service; systemctl start tallycam.socket")
    run.wait_state("an answer on port 80", lambda s: s["recording"] is not None, 60)
    run.proved("the other program gone: the socket takes the port again and activates the service")


def port_8080_is_taken(run):
    """The configuration's address is taken"""
    run.guest("systemctl stop tallycam.socket tallycam.service; systemd-run -q --unit=squatter python3 -m http.server 8080")
    wait_for("the other program", lambda: run.machine.ask("ss -ltn | grep -q ':8080 '")[0] == 0, 20)
    run.machine.ask("systemctl start --no-block tallycam.service")
    said = wait_status(run, "8080")
    state = ", ".join(run.show("ActiveState", "SubState"))
    run.guest("systemctl stop squatter")
    wait_for("the start", lambda: run.machine.ask("systemctl is-active tallycam")[1] == "active", 60)
    run.proved(f"{state}: status “{said}”; the other program gone: active by itself after "
               + f"{run.restarts()} tries")
    run.guest("systemctl stop tallycam.service; systemctl start tallycam.socket tallycam.service", 60)


def clock_is_wrong(run):
    """The clock stands at 1970 and is set later"""
    run.configure(SIMULATED)
    run.guest("systemctl stop tallycam; date -s @86400 >/dev/null; systemctl start tallycam", 60)
    state = run.wait_state("an answer", lambda s: s["recording"] is not None, 60)
    if state["time_sure"]:
        raise Failure("1970 is believed")
    wrong = "clock is not set: it says 1970-01-02"
    said = wait_status(run, wrong)
    wait_page(run, wrong)
    found = [one for one in run.site.json("/api/v1/diagnosis")["items"] if one["name"] == "clock"]
    if len(found) != 1 or found[0]["state"] != "bad" or "1970-01-02" not in found[0]["message"]:
        raise Failure(f"the diagnosis says of the clock: {found}")
    item = run.site.send("POST", "/api/v1/snapshots", {"name": "early.jpg"})
    if item["time_sure"]:
        raise Failure(f"the time of {item} is told as sure")
    run.guest(f"date -s @{int(time.time())} >/dev/null; {SYNCHRONISED}")
    def moved():
        now = run.site.json(f"/api/v1/media/{item['id']}")
        return now if now["time_sure"] else None
    now = wait_for("the snapshot's true time", moved, 90)
    state = run.wait_state("a clock that is believed", lambda s: s["time_sure"], 30)
    line = wait_calm(run)
    wait_page_without(run, wrong)
    journal = run.journal("the clock was set")
    if not journal:
        raise Failure("the journal does not say that the clock was set")
    run.proved(f"1970: status “{said}”; the page: “the {wrong}”; diagnosis: “{found[0]['message']}”; a snapshot is kept with "
               f"“time_sure”: false, {item['time']}")
    run.proved(f"clock set: status “{line}”, and the page says it no more; the same snapshot is of {now['time']}, sure; "
               f"journal: “{journal}”")


LEGS = [(broken_configuration, 240), (no_camera, 180), (state_is_full, 240), (state_is_read_only, 240),
        (state_is_foreign, 240), (port_is_taken, 180), (port_8080_is_taken, 180), (clock_is_wrong, 240)]
