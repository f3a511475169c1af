"""What systemctl and journalctl say and do."""
import http.client
import json
import re
import time

from client import Site, Viewer
from machine import Failure, wait_for

# A further camera, with a port of its own.
DOOR = """name = "door"
[http]
listen = ["0.0.0.0:8080"]
[source]
kind = "sim"
width = 320
height = 240
fps = 10
[detect]
backend = "motion"
"""

JOURNAL_FIELDS = ("PRIORITY", "MESSAGE", "CAMERA", "SYSLOG_IDENTIFIER", "TARGET", "CODE_FILE", "CODE_LINE", "_SYSTEMD_UNIT")


def switches(run):
    """systemctl status, reload, restart, stop"""
    run.set(source__kind="sim", source__width=320, source__height=240)
    viewer = Viewer(run.machine.ports[80])
    viewer.wait_more(3, 60)
    status = run.guest("systemctl status --no-pager -n 0 tallycam")
    lines = [" ".join(line.split()) for line in status.splitlines() if line.strip().startswith(("Active:", "Status:"))]
    run.proved("status: " + "; ".join(lines))

    pid = run.pid()
    before = run.guest("cat /etc/tallycam/config.toml")
    run.write("/etc/tallycam/config.toml", before.replace('#name = "camera"', 'name = "gate"') + "\n")
    run.guest("systemctl reload tallycam")
    state = run.wait_state("the new name", lambda s: s["name"] == "gate", 30)
    viewer.wait_more(3, 60, "pictures after the reload")
    if run.pid() != pid:
        raise Failure("the reload restarted it")
    run.proved(f"reload: the camera is called “{state['name']}” now, by the same process, the viewer stays")

    answers, cut = [], 0
    run.guest("systemctl restart --no-block tallycam")
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            answers.append(run.site.request("GET", "/health", timeout=60)[0])
        except (OSError, http.client.HTTPException):
            cut += 1
    # A connection that the old process had accepted, but not read when it stopped, may be cut.
    if run.pid() == pid or set(answers) - {200, 503} or cut > 1:
        raise Failure(f"answers during the restart: {sorted(set(answers))}, {cut} cut")
    done = run.journal("stop: done")
    run.proved(f"restart: {len(answers)} requests meanwhile, none refused (the socket holds them); “{done}”")

    took = run.guest("systemctl stop tallycam.socket; s=$(date +%s%N); systemctl stop tallycam.service; e=$(date +%s%N); "
                     "echo $(((e-s)/1000000))", 60)
    left = run.show("ActiveState", "Result", "ExecMainStatus")
    if left != ["inactive", "success", "0"]:
        raise Failure(str(left))
    run.guest("systemctl start tallycam.socket tallycam.service", 60)
    run.proved(f"stop: {took} ms, {', '.join(left)}")


def journals(run):
    """journalctl -o json carries levels and fields"""
    lines = [json.loads(line) for line in run.guest("journalctl -b -u tallycam -o json _COMM=tallycam | tail -n 300").splitlines()]
    ours = [line for line in lines if line.get("_TRANSPORT") == "journal"]
    lacking = {field for line in ours for field in JOURNAL_FIELDS if field not in line}
    levels = sorted({line["PRIORITY"] for line in ours})
    if not ours or lacking:
        raise Failure(f"{len(ours)} lines; without {lacking}")
    sample = {field: ours[-1][field] for field in JOURNAL_FIELDS}
    run.proved(f"{len(ours)} lines, priorities {', '.join(levels)}; the last: {json.dumps(sample, ensure_ascii=False)}")
    camera = run.guest("journalctl -b -q -o cat CAMERA=gate | wc -l")
    run.proved(f"`journalctl CAMERA=gate` finds {camera} lines")


def second_camera(run):
    """A second camera: an instance of the template"""
    pid, name = run.pid(), run.site.state()["name"]
    run.write("/etc/tallycam/door.toml", DOOR)
    run.guest("systemctl enable -q --now tallycam@door.service", 90)
    unit = "tallycam@door.service"
    try:
        shown = run.show("Type", "ActiveState", "SubState", "NRestarts", unit=unit)
        if shown != ["notify", "active", "running", "0"]:
            raise Failure(f"{unit}: {shown}")
        site = Site(run.machine.ports[8080])
        viewer = Viewer(site.port)
        viewer.wait_more(10, 60, "pictures of the second camera")
        state = site.state()
        if state["name"] != "door" or run.site.state()["name"] != name:
            raise Failure(f"the cameras are called {state['name']} and {run.site.state()['name']}")
        viewer.leave()
        # It has its own password, and its own state folder.
        line = wait_for("its first password", lambda: run.machine.ask(
            f"journalctl -b -q -o cat -u {unit} | grep 'other machines is' | tail -n 1")[1], 20)
        site.password = re.search(r"other machines is (\S+)", line).group(1)
        if site.password == run.site.password:
            raise Failure("two cameras have one password")
        kept = site.send("POST", "/api/v1/snapshots")
        there = run.guest("stat -c '%U %n' /var/lib/tallycam-door/counts.db /var/lib/tallycam-door/media.db").split()
        if there[::2] != ["tallycam", "tallycam"]:
            raise Failure(" ".join(there))
        lines = int(run.guest(f"journalctl -b -q -o cat -u {unit} CAMERA=door | wc -l"))
        if not lines:
            raise Failure("the journal has no line with CAMERA=door")
        run.proved(f"/etc/tallycam/door.toml, `systemctl enable --now tallycam@door`: {', '.join(shown[1:3])}; from outside at port 8080 "
                   f"“{state['name']}” gives moving pictures, at port 80 “{name}”; a password of its own; {kept['name']} is in "
                   f"/var/lib/tallycam-door; {lines} lines with CAMERA=door")
    finally:
        run.guest("systemctl disable -q --now tallycam@door.service", 60)
    left = run.show("ActiveState", "Result", unit=unit)
    if left != ["inactive", "success"] or run.pid() != pid:
        raise Failure(f"{unit}: {left}; the first camera's process was {pid} and is {run.pid()}")
    try:
        Site(run.machine.ports[8080]).request("GET", "/health", timeout=10)
        raise Failure("somebody answers at port 8080 still")
    except (OSError, http.client.HTTPException):
        pass
    run.proved(f"`systemctl disable --now tallycam@door`: {', '.join(left)}; the first camera's process is the same")


def runs_nothing_of_its_own(run):
    """What the service can write it cannot run, and it sees no homes"""
    inside = f"nsenter -t {run.pid()} -m runuser -u tallycam -- sh -c "
    places = ("/var/lib/tallycam", "/run/tallycam", "/tmp", "/var/tmp", "/dev/shm")
    for place in places:
        code, said = run.machine.ask(inside + f"'cp /usr/bin/true {place}/x && {place}/x; s=$?; rm -f {place}/x; exit $s'")
        if code != 126:
            raise Failure(f"a program in {place} ended with {code}: {said}")
    run.guest("mkdir -p /home/somebody")
    seen = run.machine.ask(inside + "'ls -A /home /root 2>/dev/null'")[1].split()
    if seen != ["/home:"]:
        raise Failure(f"it sees {seen}")
    run.proved(f"a program that is written to {', '.join(places)} may not be run there; /home is empty, /root closed")


def may_power_off(run):
    """The service's user may switch the machine off once the owner has allowed it, by polkit"""
    def asked(user):
        return run.guest(f"runuser -u {user} -- busctl call org.freedesktop.login1 /org/freedesktop/login1 "
                         "org.freedesktop.login1.Manager CanPowerOff")
    # From an earlier attempt.
    run.guest("rm -f /etc/polkit-1/rules.d/tallycam-power.rules; systemctl try-restart polkit")
    before = asked("tallycam")
    if before == 's "yes"':
        raise Failure("the service may switch the machine off though nobody has allowed it")
    run.allow_power()
    wait_for("the rule", lambda: asked("tallycam") == 's "yes"', 20)
    can = {user: asked(user) for user in ("tallycam", "nobody")}
    if can["nobody"] == 's "yes"':
        raise Failure(str(can))
    status, _, body = run.site.request("POST", "/api/v1/power", {"action": "off"}, signed_in=False)
    if status != 401:
        raise Failure(f"who has no password may switch it off: {status} {body[:200]!r}")
    run.proved(f"CanPowerOff of logind: tallycam {before[2:]}, with tallycam-power.rules {can['tallycam'][2:]}, nobody {can['nobody'][2:]}; "
               f"from outside POST /api/v1/power without the password is answered {status}")


LEGS = [(switches, 180), (journals, 60), (second_camera, 180), (runs_nothing_of_its_own, 60), (may_power_off, 60)]
