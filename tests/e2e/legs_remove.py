"""The end: removed, installed again, purged."""
import json

from legs_service import DOOR
from machine import Failure, wait_for

# A second camera, whose port is requested inside the guest.
DOOR_PORT = 8082
COPY = "/var/lib/tallycam-copy"
STATE, CONFIG = "/var/lib/tallycam", "/etc/tallycam/config.toml"
# Everything with its name, except the tests' own files and logs.
LEFT = ("find / -xdev \\( -path /root -o -path /var/log -o -path /var/tmp -o -path /tmp \\) -prune -o -name '*tallycam*' -print; "
        "getent passwd tallycam; systemctl list-units --all --no-legend 'tallycam*'")


def apt(run, words):
    return run.guest(f"DEBIAN_FRONTEND=noninteractive apt-get -q -y {words}", 240)


def goes(run):
    """Removed, installed again, purged"""
    if not run.package.endswith(".deb"):
        return
    package = run.machine.bring(run.package)
    run.write(CONFIG, run.shipped + "# by hand\n")
    run.write("/etc/tallycam/door.toml", DOOR.replace("8080", str(DOOR_PORT)))
    run.guest("systemctl enable -q --now tallycam@door.service", 90)
    if door(run) != "door":
        raise Failure(f"at port {DOOR_PORT} is “{door(run)}”")
    apt(run, "remove tallycam")
    state = run.machine.ask("systemctl is-active tallycam.service tallycam.socket tallycam@door.service")[1].split()
    if "active" in state or run.machine.ask("test -e /usr/bin/tallycam")[0] == 0:
        raise Failure(f"after the removal service, socket and second camera are {state}")
    kept = run.guest(f"tail -n 1 {CONFIG}; ls {STATE}").splitlines()
    if kept[0] != "# by hand" or not {"counts.db", "media.db"} <= set(kept):
        raise Failure(f"the removal left {kept}")
    run.proved(f"removed: service, socket and a second camera (tallycam@door) stopped; configuration and {', '.join(kept[1:])} stay")
    apt(run, f"install {package}")
    wait_for("the start", lambda: run.machine.ask("systemctl is-active tallycam")[1] == "active", 60)
    if run.guest(f"tail -n 1 {CONFIG}") != "# by hand":
        raise Failure("the installation has changed the configuration")
    name = wait_for("the second camera's start", lambda: door(run), 60)
    run.proved(f"installed again: starts, with the configuration that was there, and so does the second camera (“{name}”)")
    # Somebody's copy of the counts, which belongs to no known camera.
    run.guest(f"systemctl stop tallycam.socket tallycam; cp -a {STATE} {COPY}; systemctl start tallycam.socket tallycam", 90)
    said = apt(run, "purge tallycam")
    if f"{COPY} stays" not in said:
        raise Failure(f"of the copy the purge said nothing:\n{said}")
    owners = run.guest(f"stat -c %U:%G {COPY} {COPY}/counts.db && rm -r {COPY}").splitlines()
    if owners != ["root:root"] * 2:
        raise Failure(f"of the copy and its counts.db the owners are {owners}")
    left = run.machine.ask(LEFT, 120)[1]
    if left:
        raise Failure(f"the purge left:\n{left}")
    run.proved("purged: no file of its name, no user, no unit, of the second camera neither; a copy of its state that somebody "
               "made stays, and is root's")


def door(run):
    """The name of what answers at the second camera's port; "" where nobody does."""
    ask = f"python3 -c 'from urllib.request import urlopen; print(urlopen(\"http://localhost:{DOOR_PORT}/api/v1/state\").read().decode())'"
    code, said = run.machine.ask(ask, 30)
    return json.loads(said)["name"] if code == 0 else ""


LEGS = [(goes, 300)]
