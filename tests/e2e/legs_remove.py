"""The end: removed, installed again, purged."""
from machine import Failure, wait_for

STATE, CONFIG = "/var/lib/tallycam", "/etc/tallycam/config.toml"
# Whatever bears its name, but for what the tests themselves have brought, and for logs.
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
    apt(run, "remove tallycam")
    state = run.machine.ask("systemctl is-active tallycam.service tallycam.socket")[1].split()
    if "active" in state or run.machine.ask("test -e /usr/bin/tallycam")[0] == 0:
        raise Failure(f"after the removal service and socket are {state}")
    kept = run.guest(f"tail -n 1 {CONFIG}; ls {STATE}").splitlines()
    if kept[0] != "# by hand" or not {"counts.db", "media.db"} <= set(kept):
        raise Failure(f"the removal left {kept}")
    run.proved(f"removed: service and socket stopped; configuration and {', '.join(kept[1:])} stay")
    apt(run, f"install {package}")
    wait_for("the start", lambda: run.machine.ask("systemctl is-active tallycam")[1] == "active", 60)
    if run.guest(f"tail -n 1 {CONFIG}") != "# by hand":
        raise Failure("the installation has changed the configuration")
    run.proved("installed again: starts, with the configuration that was there")
    apt(run, "purge tallycam")
    left = run.machine.ask(LEFT, 120)[1]
    if left:
        raise Failure(f"the purge left:\n{left}")
    run.proved("purged: no file of its name, no user, no unit")


LEGS = [(goes, 300)]
