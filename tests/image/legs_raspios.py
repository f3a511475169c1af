"""A card of Raspberry Pi OS that deploy/card.sh has prepared: it installs tallycam by itself, without a network."""
import os
import shutil
import subprocess
import time

from card import HERE, Card
from client import Site
from machine import Failure, wait_for

PASSWORD = "of the page"
TOML = f'name = "Ribbon"\n[access]\npassword = "{PASSWORD}"\n[stream]\nquality = 63\n'
# Imager's script on a card of Raspberry Pi OS 12, shortened: it sets a name and a user, and removes itself.
FIRSTRUN = r"""#!/bin/bash

set +e

CURRENT_HOSTNAME=`cat /etc/hostname | tr -d " \t\n\r"`
echo orchard >/etc/hostname
sed -i "s/127.0.1.1.*$CURRENT_HOSTNAME/127.0.1.1\torchard/g" /etc/hosts
useradd -m -s /bin/bash dora
rm -f /boot/firmware/firstrun.sh
sed -i 's| systemd.run.*||g' /boot/firmware/cmdline.txt
exit 0
"""


class Prepared(Card):
    """It starts from its first partition's cmdline.txt, read again at each start, as a Pi does."""

    def __init__(self, directory, folder, package, firstrun):
        super().__init__(directory, None, "virt")
        self.folder, self.package, self.firstrun = folder, package, firstrun
        self.more = ["-no-reboot"]

    def new_disk(self):
        packages, words = os.path.join(self.directory, "packages"), []
        os.makedirs(packages, exist_ok=True)
        shutil.copy(self.package, packages)
        with open(os.path.join(self.directory, "tallycam.toml"), "w", encoding="utf-8") as file:
            file.write(TOML)
        if self.firstrun:
            words = [os.path.join(self.directory, "firstrun")]
            with open(words[0], "w", encoding="utf-8") as file:
                file.write(FIRSTRUN)
        subprocess.run([os.path.join(HERE, "raspios.sh"), self.folder, self.directory, *words], check=True,
                       env={**os.environ, "PACKAGES": packages})

    def over(self, archive):
        with open(os.path.join(HERE, "raspios.init"), "rb") as file:
            archive.file("init", file.read(), 0o755)

    def command(self, door):
        subprocess.run(["mcopy", "-n", "-o", "-i", self.first(), "::cmdline.txt", self.directory], check=True)
        return super().command(door)


def prepared(run, firstrun):
    before, machine = run.machine, Prepared(os.path.join(run.machine.directory, "raspios"), os.path.dirname(run.image), run.package, firstrun)
    before.switch_off()
    site, run.machine, run.site = run.site, machine, Site(machine.ports[80])
    try:
        machine.new_disk()
        began = time.monotonic()
        super(Card, machine).switch_on()
        machine.wait_off(600)
        installed = time.monotonic() - began
        after = machine.switch_on()
        run.settled()
        run.site.password = PASSWORD
        told = run.guest("cat /boot/firmware/tallycam-install.txt")
        if "tallycam is installed." not in told or machine.ask("ls /boot/firmware/tallycam")[0] == 0:
            raise Failure(told)
        words = run.guest("cat /proc/cmdline /etc/hostname; getent passwd dora; true")
        if "systemd.run" in words or firstrun and ("orchard" not in words or "dora" not in words):
            raise Failure(words)
        version = run.site.state()["version"]
        quality = next(item["value"] for item in run.site.json("/api/v1/settings")["items"] if item["path"] == "stream.quality")
        name = wait_for("the name in .local", lambda: machine.ask("journalctl -b -u avahi-daemon -o cat | grep -o 'Host name is [^ ]*local'")[1], 60)
        if quality != 63:
            raise Failure(f"quality {quality}")
        failed = run.guest("systemctl --failed --no-legend --plain")
        run.proved(f"first start: installed without a network in {installed:.0f} s, and off and on again; then the page (tallycam {version}) "
                   f"{after:.0f} s after the power, on port 80, with the password and the settings of tallycam.toml; {name}; "
                   f"failed units: {failed or 'none'}")
        machine.cut_power()
        machine.switch_on()
        run.site.state()
        run.proved("started again: the page again")
    finally:
        machine.switch_off()
        run.machine, run.site = before, site


def card_sh(run):
    """deploy/card.sh on a card of Raspberry Pi OS"""
    prepared(run, False)


def card_sh_along(run):
    """The same beside what Imager has set up"""
    prepared(run, True)


LEGS = [(card_sh, 2400), (card_sh_along, 1200)]
