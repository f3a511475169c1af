"""An older package gives way to this one."""
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile

from legs_power import CHECK
from machine import Failure, wait_for

STATE, CONFIG = "/var/lib/tallycam", "/etc/tallycam/config.toml"
OLDER = "0.0.1-1"
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")
# The built-in model of earlier versions.
FORMER = os.path.join(DATA, "..", "..", "models", "catalogue", "ssdlite_mobilenet_v2")
# The content of the first versions of the stores; see there.
STORES = {"media.db": "media-v1.sql", "counts.db": "counts-v1.sql"}


def installed(run):
    return run.guest("dpkg-query -W -f '${Version} ${db:Status-Status}' tallycam")


def version_of(file):
    """A store's own version (PRAGMA user_version: byte 60 of the file on, its log folded in when the service stopped)."""
    return f"od -An -tu1 -j63 -N1 {file}"


def older_package(run, folder):
    """This package under an older number: what matters of an older one is what it leaves behind."""
    tree = os.path.join(folder, "tree")
    subprocess.run(["dpkg-deb", "-R", run.package, tree], check=True)
    control = os.path.join(tree, "DEBIAN", "control")
    with open(control, encoding="utf-8") as file:
        text = re.sub(r"(?m)^Version: .*$", f"Version: {OLDER}", file.read())
    with open(control, "w", encoding="utf-8") as file:
        file.write(text)
    for ending in (".onnx", ".toml"):
        shutil.copy(FORMER + ending, os.path.join(tree, "usr/share/tallycam/models"))
    # Another default than today's: dpkg must decide between it and the edited file.
    with open(os.path.join(tree, CONFIG.lstrip("/")), "a", encoding="utf-8") as file:
        file.write("# of the older package\n")
    package = os.path.join(folder, "older.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, package], check=True, stdout=subprocess.DEVNULL)
    return run.machine.bring(package)


def install(run, package):
    # As deploy/install.sh does: the edited file stays, without a question.
    run.guest("DEBIAN_FRONTEND=noninteractive apt-get -q install -y --allow-downgrades -o Dpkg::Options::=--force-confdef "
              f"-o Dpkg::Options::=--force-confold {package}", 240)


def keeps(run):
    """An upgrade keeps the configuration and brings the stores along"""
    if not run.package.endswith(".deb"):
        return
    package = run.machine.bring(run.package)
    with tempfile.TemporaryDirectory() as folder:
        older = older_package(run, folder)
        install(run, older)
        if installed(run) != f"{OLDER} installed":
            raise Failure(installed(run))
        edited = run.shipped.replace('#name = "camera"', 'name = "attic"').replace('#kind = "auto"', 'kind = "sim"', 1)
        edited = edited.replace('#model = ""', 'model = "ssdlite_mobilenet_v2"') + "# by hand\n"
        run.guest(f"rm -f {STATE}/settings.toml*")
        run.configure(edited)
        before = run.pid()
        install(run, package)
        version, status = installed(run).split()
        if version == OLDER or status != "installed":
            raise Failure(f"{version} {status}")
        wait_for("the restart", lambda: run.machine.ask("systemctl is-active tallycam")[1] == "active" and run.pid() != before, 60)
        if run.guest(f"cat {CONFIG}") + "\n" != edited:
            raise Failure(f"{CONFIG} is another")
        state = run.wait_state("the service", lambda state: state["name"] == "attic")
        run.proved(f"`apt-get install` over {OLDER}: {installed(run)}, restarted; the edited configuration is the one that was there, "
                   f"byte for byte, and the camera “{state['name']}”, as it says")
        known = run.guest("tallycam model check ssdlite_mobilenet_v2 --config " + CONFIG)
        if f"{STATE}/models/" not in run.guest("tallycam model list --config " + CONFIG):
            raise Failure(f"the model that the configuration names is gone: {known}")
        run.proved("the former built-in model, which the configuration names, is kept in the state directory")

        # The older program is this one, which would convert the stores itself; so it is stopped, and stays stopped.
        install(run, older)
        run.guest("systemctl stop tallycam.socket tallycam.service", 90)
        now = {name: run.guest(version_of(f"{STATE}/{name}")) for name in STORES}
        for name, script in STORES.items():
            store = os.path.join(folder, name)
            connection = sqlite3.connect(store)
            with open(os.path.join(DATA, script), encoding="utf-8") as file:
                connection.executescript(file.read())
            connection.close()
            run.machine.bring(store)
            run.guest(f"rm -f {STATE}/{name}-wal {STATE}/{name}-shm; install -o tallycam -g tallycam -m 640 /share/{name} {STATE}/{name}")
        then = {name: run.guest(version_of(f"{STATE}/{name}")) for name in STORES}
    if any(then[name] == now[name] for name in STORES):
        raise Failure(f"the older stores are of versions {then}, and so are today's: {now}")
    install(run, package)
    if "active" in run.machine.ask("systemctl is-active tallycam.service tallycam.socket")[1].split():
        raise Failure("the upgrade has started what somebody had stopped")
    run.guest("systemctl start tallycam.socket tallycam.service", 90)
    run.wait_state("the service", lambda state: state["name"] == "attic")
    names = sorted(item["name"] for item in run.site.json("/api/v1/media")["items"])
    lines = [line["name"] for line in run.site.json("/api/v1/lines?scene=camera")["items"]]
    crossings = run.site.json("/api/v1/crossings?scene=camera&limit=500")["items"]
    if names != ["gate.jpg", "ride.mp4"] or lines != ["Door"] or len(crossings) != 2:
        raise Failure(f"after the upgrade there are {names}, {lines}, {len(crossings)} crossings")
    code, said = run.machine.ask(CHECK, 120)
    if code != 0:
        raise Failure(f"`tallycam check` ends with {code}:\n{said}")
    run.guest("systemctl stop tallycam.socket tallycam.service", 90)
    after = {name: run.guest(version_of(f"{STATE}/{name}")) for name in STORES}
    run.guest("systemctl start tallycam.socket tallycam.service", 90)
    if after != now:
        raise Failure(f"the stores are of versions {after}; new ones are {now}")
    told = ", ".join(f"{name} {then[name].strip()} → {after[name].strip()}" for name in STORES)
    run.proved(f"stores of the first versions are brought along ({told}): {', '.join(names)}, line “Door”, "
               f"{len(crossings)} crossings are there; `tallycam check` finds nothing bad")


LEGS = [(keeps, 400)]
