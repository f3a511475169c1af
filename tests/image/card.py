"""A card in an emulated machine: `virt`, which is fast, or `raspi3b`, where it boots from SD as in a Pi 3."""
import hashlib
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [os.path.join(HERE, "..", "e2e"), os.path.join(HERE, "..", "e2e", "guest"), os.path.join(HERE, "..", "..", "deploy", "image")]

from initrd import Archive  # noqa: E402
from machine import Failure, Machine, PATIENCE, free_port  # noqa: E402

SECTOR, MIB = 512, 1 << 20


def partitions(file):
    """Start and length in bytes of the four entries of a partition table."""
    file.seek(446)
    table = file.read(64)
    fields = [table[at + 8:at + 16] for at in range(0, 64, 16)]
    return [tuple(int.from_bytes(field[at:at + 4], "little") * SECTOR for at in (0, 4)) for field in fields]


class Card(Machine):
    """A copy of the image on a card of `mib`, in a machine with an agent that the image does not have."""

    def __init__(self, directory, image, kind, mib=2048):
        super().__init__(directory)
        self.image, self.kind, self.mib = image, kind, mib
        self.card = os.path.join(directory, "card.img")
        self.camera_door = os.path.join(directory, "camera.sock")
        # Files for the guest by name: detections.csv, and config.toml, which replaces the image's own.
        self.brings = {}
        # Further arguments of QEMU.
        self.more = []
        self.ports[22] = free_port()
        self.page_after = None
        self.began = None

    def new_disk(self):
        subprocess.run(["cp", "--sparse=always", self.image, self.card], check=True)
        os.truncate(self.card, self.mib * MIB)
        subprocess.run(["mcopy", "-n", "-o", "-i", self.first(), "::vmlinuz", "::initrd.img", "::cmdline.txt",
                        "::bcm2837-rpi-3-b.dtb", self.directory], check=True)

    def first(self):
        """The card's first partition, as mtools have it."""
        with open(self.card, "rb") as file:
            return f"{self.card}@@{partitions(file)[0][0]}"

    def put(self, name, text):
        """Puts a file onto the first partition of a card that is off, as a computer does; None: removes it."""
        if text is None:
            subprocess.run(["mdel", "-i", self.first(), "::" + name], check=True)
            return
        path = os.path.join(self.directory, "put")
        with open(path, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        subprocess.run(["mcopy", "-o", "-i", self.first(), path, "::" + name], check=True)

    def hashes(self):
        """SHA-256 of the first two partitions, which nobody may write."""
        found = []
        with open(self.card, "rb") as file:
            for start, length in partitions(file)[:2]:
                file.seek(start)
                digest = hashlib.sha256()
                while length:
                    data = file.read(min(length, MIB))
                    digest.update(data)
                    length -= len(data)
                found.append(digest.hexdigest())
        return found

    def initrd(self):
        """The card's own, and one laid over it that brings the agent."""
        with open(os.path.join(self.directory, "initrd.img"), "rb") as file:
            own = file.read()
        over = Archive(0)
        over.folder("brings")
        for name in ("hook", "agent.pl"):
            with open(os.path.join(HERE, name), "rb") as file:
                over.file(name, file.read(), 0o755)
        for name, text in self.brings.items():
            over.file("brings/" + name, text.encode())
        self.over(over)
        over.add("TRAILER!!!", 0)
        path = os.path.join(self.directory, "initrd.both")
        with open(path, "wb") as file:
            file.write(own + b"\0" * (-len(own) % 4) + over.data)
        return path

    def over(self, archive):
        """What else is laid over the card's initrd."""

    def command(self, door):
        with open(os.path.join(self.directory, "cmdline.txt"), encoding="ascii") as file:
            words = [word for word in file.read().split() if not word.startswith("console=") and word != "quiet"]
        agent = "/dev/virtio-ports/e2e" if self.kind == "virt" else "/dev/ttyS1"
        words += ["console=ttyAMA0,115200", f"e2e.agent={agent}", "loglevel=4"]
        if self.kind == "raspi3b":
            # QEMU takes the start of this board's watchdog for a restart, and would restart over and over.
            words.append("systemd.watchdog_sec=0")
        command = ["qemu-system-aarch64", "-accel", "tcg,thread=multi", "-nodefaults", "-display", "none", "-serial", "stdio",
                   "-kernel", os.path.join(self.directory, "vmlinuz"), "-initrd", self.initrd(), "-append", " ".join(words),
                   "-netdev", "user,id=net" + self.forwards(), "-chardev", f"socket,id=agent,path={door},server=on,wait=off",
                   "-chardev", f"socket,id=camera,path={self.camera_door},server=on,wait=off"]
        if self.kind == "virt":
            command += ["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1G",
                        "-drive", f"file={self.card},if=none,format=raw,id=card,cache=writeback", "-device", "virtio-blk-pci,drive=card",
                        "-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci", "-device", "i6300esb",
                        "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=e2e", "-device", "qemu-xhci"]
        else:
            command += ["-M", "raspi3b", "-dtb", os.path.join(self.directory, "bcm2837-rpi-3-b.dtb"), "-serial", "chardev:agent",
                        "-drive", f"file={self.card},if=sd,format=raw,cache=writeback", "-device", "usb-net,netdev=net"]
        return command + ["-device", "usb-redir,chardev=camera", *self.more]

    def switch_on(self):
        self.began, self.page_after = time.monotonic(), None
        threading.Thread(target=self._look_for_page, args=(self.began,), daemon=True).start()
        super().switch_on()
        return self.page()

    def _look_for_page(self, began):
        while self.began == began and self.page_after is None:
            try:
                # The first page asks for the password, with any status.
                urllib.request.urlopen(f"http://127.0.0.1:{self.ports[80]}/", timeout=20)
                self.page_after = time.monotonic() - began
            except urllib.error.HTTPError:
                self.page_after = time.monotonic() - began
            except (OSError, ValueError):
                time.sleep(0.5)

    def page(self):
        """Seconds from the power to the page."""
        until = self.began + 300 * PATIENCE
        while self.page_after is None:
            if time.monotonic() > until:
                raise Failure(f"no page within {300 * PATIENCE:.0f} s; see {self.console}")
            time.sleep(0.2)
        return self.page_after
