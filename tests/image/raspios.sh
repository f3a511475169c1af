#!/bin/sh
# Makes the card that legs_raspios.py boots. It is laid out like Raspberry Pi OS Lite (64-bit), from Debian's
# packages, because Raspberry Pi's own archive differs. deploy/card.sh has prepared its first partition.
#
#   tests/image/raspios.sh FOLDER OUT [FIRSTRUN]    FOLDER is make image's; OUT gets card.img, vmlinuz, initrd.img
#
# FIRSTRUN is a script as Raspberry Pi Imager leaves it for Raspberry Pi OS 12; card.sh extends it. Needs root.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
image=$(readlink -f "$1")
out=$(readlink -f "$2")
firstrun=${3:-}
cache=$image
mark=5a5ac0de
fat=256

# shellcheck source=deploy/roots.sh
. "$here/deploy/roots.sh"

emulate
# The parts of Raspberry Pi OS Lite that matter at a first start: network, names, accounts.
packages=systemd-sysv,systemd-timesyncd,udev,dbus,kmod,polkitd,network-manager,avahi-daemon,libnss-mdns,openssh-server,sudo,iproute2,e2fsprogs,ca-certificates
made raspios trixie --variant=minbase --architectures=arm64 --include="$packages" --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*'

root=$out/root
boot=$out/boot
remove "$root"
rm -rf "$boot"
cp -a "$cache/raspios" "$root"
cp -r "$image"/root/usr/lib/modules "$root/usr/lib/"
mkdir -p "$root/boot/firmware" "$boot"
echo raspberrypi >"$root/etc/hostname"
printf 'uninitialized\n' >"$root/etc/machine-id"
# As in Raspberry Pi OS, except for the time-out of a disk: an emulated machine is slow beside other work.
cat >"$root/etc/fstab" <<END
proc            /proc           proc    defaults          0       0
PARTUUID=$mark-01  /boot/firmware  vfat    defaults,x-systemd.device-timeout=10min  0  2
PARTUUID=$mark-02  /               ext4    defaults,noatime  0       1
END

cp "$image"/boot/vmlinuz "$boot/kernel8.img"
cp "$image"/boot/vmlinuz "$image"/boot/initrd.img "$image"/boot/bcm2837-rpi-3-b.dtb "$out/"
printf '# As of Raspberry Pi OS.\narm_64bit=1\n' >"$boot/config.txt"
line="console=serial0,115200 console=tty1 root=PARTUUID=$mark-02 rootfstype=ext4 fsck.repair=yes rootwait net.ifnames=0"
if [ -n "$firstrun" ]; then
    cp "$firstrun" "$boot/firstrun.sh"
    line="$line systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot systemd.unit=kernel-command-line.target"
fi
echo "$line" >"$boot/cmdline.txt"
"$here/deploy/card.sh" "$boot" "$out/tallycam.toml"

rm -f "$out/fat" "$out/ext4"
mkfs.vfat -F 32 -n bootfs -C "$out/fat" $((fat * 1024)) >/dev/null
(cd "$boot" && mcopy -s -Q -i "$out/fat" ./* ::/)
mke2fs -q -F -t ext4 -L rootfs -d "$root" "$out/ext4" 2560m
rm -f "$out/card.img"
truncate -s $((fat + 2564 + 4))M "$out/card.img"
sfdisk -q "$out/card.img" <<END
label: dos
label-id: 0x$mark
unit: sectors
start=8192, size=$((fat * 2048)), type=c
start=$((8192 + fat * 2048)), size=$((2560 * 2048)), type=83
END
dd if="$out/fat" of="$out/card.img" bs=1M seek=4 conv=notrunc,sparse status=none
dd if="$out/ext4" of="$out/card.img" bs=1M seek=$((4 + fat)) conv=notrunc,sparse status=none
rm -rf "$out/fat" "$out/ext4" "$root"
