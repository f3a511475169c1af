"""Booting, installing, the first start."""
import os
import re

from machine import Failure, wait_for


def boots(run):
    """A Debian 13 with systemd"""
    run.machine.new_disk()
    took = run.machine.switch_on()
    system = run.guest(". /etc/os-release; echo $PRETTY_NAME; uname -r; systemctl --version | head -1")
    wait_for("the end of the boot", lambda: run.machine.ask("systemctl is-active multi-user.target")[0] == 0, 60)
    name, kernel, systemd = system.splitlines()
    run.proved(f"{name}, kernel {kernel}, {systemd.split(' (')[0]}: takes commands {took:.0f} s after power-on")


def installs(run):
    """The package, installed with apt"""
    package = run.machine.bring(run.package)
    if not package.endswith(".deb"):
        # Before there is a package: what `make install DESTDIR=` puts into a tree.
        run.guest(f"tar -C / --no-same-owner -xf {package} && systemd-sysusers && systemctl daemon-reload && systemctl start tallycam", 120)
    else:
        out = run.guest(f"DEBIAN_FRONTEND=noninteractive apt-get -q install -y {package}", 240)
        if "Setting up tallycam" not in out:
            raise Failure(f"apt said:\n{out}")
        run.proved(f"`apt-get install ./{os.path.basename(package)}`: "
                   + run.guest("dpkg-query -W -f '${Package} ${Version} ${Architecture} ${Status}' tallycam"))
    wait_for("the start", lambda: run.machine.ask("systemctl is-active tallycam")[1] == "active", 60)
    run.shipped = run.guest("cat /etc/tallycam/config.toml") + "\n"


def is_ready(run):
    """The service is ready, and has made its first password"""
    *shown, status = run.show("Type", "ActiveState", "SubState", "NRestarts", "StatusText")
    if shown != ["notify", "active", "running", "0"]:
        raise Failure(f"{shown} {status}")
    ready = run.journal("ready after")
    run.proved(f"Type=notify, active (running), no restart; journal: “{ready}”; status: “{status}”")
    line = run.guest("journalctl -u tallycam -g password -o cat | grep 'other machines is' | tail -n 1")
    run.site.password = re.search(r"other machines is (\S+)", line).group(1)
    run.proved(f"`journalctl -u tallycam -g password` shows the first password ({len(run.site.password)} characters)")


def is_activated(run):
    """The socket hands over port 80"""
    run.guest("systemctl stop tallycam.service tallycam.socket; mkdir -p /etc/systemd/system/tallycam.socket.d; "
              "printf '[Socket]\\nListenStream=\\nListenStream=80\\n' > /etc/systemd/system/tallycam.socket.d/port.conf; "
              "systemctl daemon-reload; systemctl enable -q --now tallycam.socket", 90)
    state = run.machine.ask("systemctl is-active tallycam.service tallycam.socket")[1].split()
    if state != ["inactive", "active"]:
        raise Failure(f"service and socket are {state}")
    status, headers, body = run.site.request("GET", "/", timeout=120)
    if status != 200 or b"<title>" not in body:
        raise Failure(f"{status} {headers} {body[:200]!r}")
    user = run.guest("ps -o user= -p $(systemctl show -P MainPID tallycam)")
    run.proved(f"service stopped, socket on port 80: a request from outside starts it and is answered {status}, "
               f"{len(body)} bytes of page; the process runs as {user}")
    status, _, body = run.site.request("POST", "/api/v1/pause", signed_in=False)
    if status != 401:
        raise Failure(f"a change without the password: {status} {body[:200]!r}")
    run.site.send("POST", "/api/v1/pause")
    run.site.send("POST", "/api/v1/resume")
    run.proved("from outside a change without the password is answered 401, with it 200")


LEGS = [(boots, 300), (installs, 300), (is_ready, 60), (is_activated, 180)]
