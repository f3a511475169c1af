"""Booting, installing, the first start."""
import os
import re

from client import Site
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
        # Before there is a package: the files that `make install DESTDIR=` puts into a tree.
        run.guest(f"tar -C / --no-same-owner -xf {package} && systemd-sysusers && systemctl daemon-reload && systemctl start tallycam", 120)
    else:
        out = run.guest(f"DEBIAN_FRONTEND=noninteractive apt-get -q install -y {package}", 240)
        if "Setting up tallycam" not in out:
            raise Failure(f"apt said:\n{out}")
        run.proved(f"`apt-get install ./{os.path.basename(package)}`: "
                   + run.guest("dpkg-query -W -f '${Package} ${Version} ${Architecture} ${Status}' tallycam"))
        address, run.told = told_by_apt(out)
        status, _, body = Site(run.machine.ports[8080]).request("GET", "/", timeout=120)
        if "http://10.0.2.15:8080/" not in address or status != 200:
            raise Failure(f"apt names {address}; from outside: {status} {body[:200]!r}")
        run.proved(f"apt's output tells the address, “{address}” (from outside: {status}), and the first password "
                   f"({len(run.told)} characters)")
        announced = run.guest("grep -o -e '_[a-z]*._tcp' -e '<port>[0-9]*' /etc/avahi/services/tallycam.service").split()
        if announced != ["_http._tcp", "<port>8080", "_tallycam._tcp", "<port>8080"]:
            raise Failure(f"/etc/avahi/services/tallycam.service announces {announced}")
        run.proved("/etc/avahi/services/tallycam.service announces _http._tcp and _tallycam._tcp at port 8080")
    wait_for("the start", lambda: run.machine.ask("systemctl is-active tallycam")[1] == "active", 60)
    run.shipped = run.guest("cat /etc/tallycam/config.toml") + "\n"


def told_by_apt(out):
    """Address and first password, which the package prints when it has been installed."""
    address = re.search(r"(?m)^tallycam: (open http://.*?)\s*$", out)
    password = re.search(r"(?m)^tallycam: the password for changing this camera from other machines is (\S+)", out)
    if not address or not password:
        raise Failure(f"no address or no password in what apt said:\n{out[-2000:]}")
    return address.group(1), password.group(1)


def is_ready(run):
    """The service is ready, and has made its first password"""
    *shown, status = run.show("Type", "ActiveState", "SubState", "NRestarts", "StatusText")
    if shown != ["notify", "active", "running", "0"]:
        raise Failure(f"{shown} {status}")
    ready = run.journal("ready after")
    run.proved(f"Type=notify, active (running), no restart; journal: “{ready}”; status: “{status}”")
    line = run.guest("journalctl -u tallycam -g password -o cat | grep 'other machines is' | tail -n 1")
    run.site.password = re.search(r"other machines is (\S+)", line).group(1)
    if run.told not in (None, run.site.password):
        raise Failure("apt's output has another password than the journal")
    run.proved(f"`journalctl -u tallycam -g password` shows the first password ({len(run.site.password)} characters"
               f"{', the one that apt told' if run.told else ''})")


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


def has_its_model(run):
    """The built-in model is there, and says what it sees"""
    listed = run.guest("tallycam model list --config /etc/tallycam/config.toml", 120).splitlines()
    page = run.site.get("/models", timeout=120).decode()
    name, _, about = listed[0].partition(": ")
    if about != "People, bicycles, vehicles (built in)" or about not in page or name not in page:
        raise Failure(f"`tallycam model list`: {listed}; the page Models: {page[:2000]}")
    run.proved(f"`tallycam model list`: “{listed[0]}”, {listed[2].strip()}; the page Models says the same")


LEGS = [(boots, 300), (installs, 300), (is_ready, 60), (is_activated, 180), (has_its_model, 120)]
