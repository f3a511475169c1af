#!/usr/bin/env python3
"""tallycam in a booted guest, on the kernel's own devices, seen from outside: `make e2e`.

    tests/e2e/e2e.py DIRECTORY PACKAGE [--only LEG,LEG] [--cycles N] [--report FILE]

DIRECTORY is what guest.sh has made; PACKAGE the .deb for amd64. One boot serves most legs. Each leg is
a function that raises Failure, and prints and records one line for everything it has proved; the report
(docs/e2e.md) is written when all of them have passed. Standard library only; Debian's QEMU.
"""
import argparse
import os
import platform
import signal
import sys
import time

import legs_beside
import legs_faults
import legs_install
import legs_libcamera
import legs_lights
import legs_off
import legs_power
import legs_remove
import legs_service
import legs_upgrade
import legs_uvc
import legs_vivid
from client import Site
from machine import Crashed, Failure, Machine, PATIENCE, wait_for

# In the order of execution: the later ones disturb more.
MODULES = (legs_install, legs_vivid, legs_uvc, legs_libcamera, legs_lights, legs_service, legs_faults, legs_beside, legs_power,
           legs_off, legs_upgrade, legs_remove)
# These leave changes on the disk, so they are not retried.
ONCE = ("install", "power", "off", "upgrade", "remove")
REPORT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "e2e.md")


class Run:
    """What legs work with: the machine, what it serves, and the record of what was proved."""

    def __init__(self, directory, package, cycles):
        self.machine = Machine(directory)
        self.package = package
        self.cycles = cycles
        self.site = Site(self.machine.ports[80])
        self.records = []
        # The configuration as in the package.
        self.shipped = None
        # The first password, from apt's output.
        self.told = None

    def proved(self, text):
        print(f"    {text}", flush=True)
        self.records[-1][3].append(text)

    # ---- Common helpers of the legs -----------------------------------------------------------

    def guest(self, command, timeout=60):
        return self.machine.run(command, timeout)

    def journal(self, pattern, since=None):
        """The newest line of the service's journal that contains `pattern`; "" if there is none."""
        since = f"--since=@{since}" if since else "-b"
        return self.machine.ask(f"journalctl -u tallycam -q -o cat {since} | grep -F -- '{pattern}' | tail -n 1")[1]

    def now(self):
        """The guest's clock, for `journal`."""
        return self.guest("date +%s.%N")

    def wait_state(self, what, check, timeout=60):
        """Waits until /api/v1/state is as `check` wants it; the state."""
        def found():
            state = self.site.try_state()
            return state if state and check(state) else None
        return wait_for(what, found, timeout)

    def wait_word(self, word, timeout=60):
        return self.wait_state(f"the state {word}", lambda state: state["state"] == word, timeout)

    def configure(self, text):
        """Makes `text` the operator's configuration and restarts the service with it."""
        self.write("/etc/tallycam/config.toml", text)
        self.guest("systemctl restart tallycam", 90)

    def as_shipped(self):
        """The configuration that the package came with, and nothing set on the page."""
        self.guest("rm -f /var/lib/tallycam/settings.toml*")
        self.configure(self.shipped)

    def write(self, path, text):
        with open(os.path.join(self.machine.share, "written"), "w", encoding="utf-8") as file:
            file.write(text)
        self.guest(f"cat /share/written > '{path}'")

    def set(self, **settings):
        """Changes settings from outside; a dot is written as two underscores."""
        return self.site.send("PATCH", "/api/v1/settings",
                              {name.replace("__", "."): value for name, value in settings.items()}, timeout=120)

    def allow_power(self):
        """What the owner types once, so that the service may switch the machine off."""
        self.guest("install -m 644 /usr/share/doc/tallycam/examples/tallycam-power.rules /etc/polkit-1/rules.d/")

    def show(self, *properties, unit="tallycam.service"):
        """What systemd knows of a unit, in this order."""
        lines = self.guest(f"systemctl show {unit} " + " ".join("-p " + name for name in properties)).splitlines()
        known = dict(line.split("=", 1) for line in lines if "=" in line)
        return [known.get(name, "") for name in properties]

    def pid(self):
        return int(self.show("MainPID")[0])

    def restarts(self):
        return int(self.show("NRestarts")[0])


def run_leg(run, subject, function, limit):
    title = function.__doc__.strip().splitlines()[0]
    name = function.__name__
    print(f"{subject}.{name}: {title}", flush=True)
    run.records.append((subject, name, title, []))

    def too_late(*_):
        raise Failure(f"the whole leg took longer than {limit * PATIENCE:.0f} s")
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(int(limit * PATIENCE))
    began = time.monotonic()
    try:
        function(run)
    except Exception:
        # On a crashed machine everything fails.
        run.machine.must_live()
        raise
    finally:
        signal.alarm(0)
    print(f"    ({time.monotonic() - began:.0f} s)", flush=True)


def report(run, file, seconds):
    lines = [
        "# In a booted guest",
        "",
        "Written by `make e2e`; a line for everything that was proved, in a Debian 13 guest under QEMU without KVM, mostly",
        "from outside. Times are those of an emulated machine: only ratios mean anything.",
        "",
    ]
    for subject, _, title, proofs in run.records:
        lines += [f"## {title}", ""] + [f"- {proof}" for proof in proofs] + [""]
    lines += [f"{len(run.records)} legs, {sum(len(r[3]) for r in run.records)} proofs, {seconds / 60:.1f} minutes on "
              f"{os.cpu_count()} cores ({platform.machine()}).", ""]
    with open(file, "w", encoding="utf-8") as out:
        out.write("\n".join(lines))


def explain(run):
    """The guest's own words after a failure."""
    if run.machine.agent is None:
        print("(the guest was not switched on)")
        return
    try:
        print("---- systemctl status tallycam")
        print(run.machine.ask("systemctl status --no-pager -l -n 0 tallycam tallycam.socket", 30)[1])
        print("---- the last lines of its journal")
        print(run.machine.ask("journalctl -u tallycam --no-pager -n 40", 30)[1])
        print("---- the last lines of the kernel")
        print(run.machine.ask("dmesg | tail -n 15", 30)[1])
    except (Failure, OSError) as why:
        print(f"(the guest says nothing more: {why}; its console is {run.machine.console})")


def run_legs(run, legs):
    """All of them, on a machine that is new."""
    last = "install"
    for subject, function, limit in legs:
        if subject != last:
            run.as_shipped()
        last = subject
        try:
            run_leg(run, subject, function, limit)
        except Failure as why:
            if subject in ONCE:
                raise
            # An emulated machine on a busy host sometimes misses a moment, so a failure must occur twice.
            print(f"    failed: {why}; once more", flush=True)
            explain(run)
            run.records.pop()
            run.machine.ask("systemctl stop squatter ustreamer; systemctl reset-failed", 60)
            run.as_shipped()
            run_leg(run, subject, function, limit)
            run.proved("(at the second try)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory")
    parser.add_argument("package")
    parser.add_argument("--only", help="subjects or legs, with commas; 'install' comes always")
    parser.add_argument("--cycles", type=int, default=3, help="power cuts")
    parser.add_argument("--report", default=None, help="where the proofs are written; docs/e2e.md for a full run")
    given = parser.parse_args()
    only = set(given.only.split(",")) if given.only else None
    began = time.monotonic()
    legs = []
    for module in MODULES:
        subject = module.__name__.removeprefix("legs_")
        for function, limit in module.LEGS:
            wanted = only is None or subject == "install" or only & {subject, f"{subject}.{function.__name__}"}
            if wanted:
                legs.append((subject, function, limit))
    for left in (1, 0):
        run = Run(os.path.abspath(given.directory), os.path.abspath(given.package), given.cycles)
        try:
            run_legs(run, legs)
            break
        except Crashed as why:
            # Emulated processors crash once in a while. The results of such a machine are not used, and nothing of it
            # is kept.
            print(f"e2e: {why}{': from the beginning, on a new one' if left else ''}", flush=True)
            if not left:
                return 1
        except Exception as why:
            explain(run)
            # Last, for readers who see only the end of the log.
            print(f"e2e: FAILED in {run.records[-1][1] if run.records else 'the start'}: {type(why).__name__}: {why}", flush=True)
            if not isinstance(why, Failure):
                raise
            return 1
        finally:
            run.machine.switch_off()
    file = given.report or (REPORT if only is None else None)
    if file:
        report(run, file, time.monotonic() - began)
    print(f"e2e: {len(legs)} legs passed in {(time.monotonic() - began) / 60:.1f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
