#!/usr/bin/env python3
"""The card's initrd, made on any machine: busybox, the tools of ext4 with their libraries, kernel modules, and deploy/image/init.

    deploy/image/initrd.py ROOT KERNEL BUSYBOX INIT OUT

ROOT is the arm64 tree and KERNEL the version of its modules. The same input gives the same bytes.
"""
import lzma
import os
import re
import subprocess
import sys

# Modules for reading the card or disk, on a Pi and in QEMU: SD cards, USB disks behind a Pi's USB, virtio.
MODULES = """
    sdhci_iproc bcm2835 sdhci_brcmstb mmc_block gpio_regulator irq_bcm2712_mip
    dwc2 xhci_pci pcie_brcmstb reset_raspberrypi usb_storage uas sd_mod
    virtio_blk virtio_pci virtio_mmio
    ext4 vfat nls_cp437 nls_ascii nls_iso8859_1 overlay
    raspberrypi_cpufreq bcm2835_wdt
""".split()
TOOLS = ("usr/sbin/e2fsck", "usr/sbin/mke2fs", "usr/sbin/resize2fs")
LIBRARIES = "usr/lib/aarch64-linux-gnu"
# A Pi has no clock: time stamps in the future are no damage.
E2FSCK = "[options]\nbroken_system_clock = 1\n"


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    return lzma.decompress(data) if path.endswith(".xz") else data


def modules(root, kernel):
    """The paths of MODULES and of what they need, that first, as modprobe would load them."""
    order, absent = {}, []
    for name in MODULES:
        told = subprocess.run(["/sbin/modprobe", "-C", "/dev/null", "-d", root, "-S", kernel, "--show-depends", name], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
        if told.returncode != 0:
            absent.append(name)
        # "insmod PATH" or "builtin NAME".
        order |= dict.fromkeys(line.split()[1] for line in told.stdout.splitlines() if line.startswith("insmod "))
    if not order:
        sys.exit(f"initrd: modprobe finds no module of {kernel} in {root}: run depmod there first")
    if absent:
        print(f"initrd: this kernel has no {', '.join(absent)}", file=sys.stderr)
    return list(order)


def libraries(root, programs):
    """The names of the libraries that `programs` are linked against, with those that these want."""
    found, wanted = {}, list(programs)
    while wanted:
        said = subprocess.run(["readelf", "-d", wanted.pop()], check=True, stdout=subprocess.PIPE, encoding="utf-8",
                              env={**os.environ, "LC_ALL": "C"}).stdout
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", said):
            if name not in found:
                found[name] = os.path.realpath(os.path.join(root, LIBRARIES, name))
                wanted.append(found[name])
    return found


class Archive:
    """A cpio archive of the kind "newc"."""

    def __init__(self, stamp):
        self.stamp = stamp
        self.data = bytearray()
        self.count = 0

    def add(self, name, mode, data=b"", device=(0, 0)):
        self.count += 1
        name = name.encode() + b"\0"
        fields = (self.count, mode, 0, 0, 1, self.stamp, len(data), 0, 0, device[0], device[1], len(name), 0)
        self.data += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self.data += b"\0" * (-len(self.data) % 4) + data
        self.data += b"\0" * (-len(self.data) % 4)

    def folder(self, name):
        self.add(name, 0o40755)

    def file(self, name, data, mode=0o644):
        self.add(name, 0o100000 | mode, data)


def main():
    root, kernel, busybox, init, out = sys.argv[1:]
    archive = Archive(int(os.environ["SOURCE_DATE_EPOCH"]))
    for folder in ("bin", "dev", "etc", "lib", "modules", "proc", "root", "run", "sys"):
        archive.folder(folder)
    archive.add("dev/console", 0o20600, device=(5, 1))
    archive.add("dev/null", 0o20666, device=(1, 3))
    archive.file("init", read(init), 0o755)
    archive.file("bin/busybox", read(busybox), 0o755)
    tools = [os.path.join(root, tool) for tool in TOOLS]
    for tool in tools:
        archive.file("bin/" + os.path.basename(tool), read(tool), 0o755)
    for name, path in sorted(libraries(root, tools).items()):
        archive.file("lib/" + name, read(path), 0o755)
    archive.file("etc/mke2fs.conf", read(os.path.join(root, "etc/mke2fs.conf")))
    archive.file("etc/e2fsck.conf", E2FSCK.encode())
    order = []
    for path in modules(root, kernel):
        order.append(os.path.basename(path).replace(".xz", ""))
        archive.file("modules/" + order[-1], read(path))
    archive.file("modules/order", "".join(name + "\n" for name in order).encode())
    archive.add("TRAILER!!!", 0)
    with open(out, "wb") as file:
        subprocess.run(["zstd", "-19", "-q", "-c", "-T1"], input=bytes(archive.data), stdout=file, check=True)
    print(f"initrd: {len(order)} modules, {len(archive.data)} bytes, {os.path.getsize(out)} packed", file=sys.stderr)


if __name__ == "__main__":
    main()
