#!/bin/sh
# Makes the guest that e2e.py boots: a Debian 13 with real V4L2, SPI and GPIO devices, no tallycam in it.
#
#   tests/e2e/guest.sh DIRECTORY
#
# DIRECTORY gets vmlinuz, initrd and disk.ext4; up-to-date files are kept. Needs root, Debian's archive (or
# TALLYCAM_MIRROR), three minutes and 4 GB. deploy/prerequisites.sh e2e installs the tools.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
root=$out/root

# The system; the guest's devices; tools to inspect them; µStreamer for comparison; libcamera; the tools that build
# modules.
packages=systemd-sysv,dbus,udev,kmod,linux-image-amd64,python3,iproute2,procps,busybox-static,polkitd,\
v4l-utils,gpiod,ustreamer,libcamera0.4,libcamera-ipa,\
gcc,make,linux-headers-amd64,linux-source-6.12,xz-utils

say() { printf 'guest: %s\n' "$*" >&2; }

# The sources of the image, so that an older one is noticed.
made_from=$({ echo "$packages"; cat "$here/guest.sh" "$here"/guest/* "$here"/guest/modules/*; } 2>/dev/null | sha256sum)
if [ "$(cat "$out/made-from" 2>/dev/null)" = "$made_from" ]; then exit 0; fi
if [ "$(id -u)" != 0 ]; then
    say "making the image takes root: sudo --preserve-env=TALLYCAM_MIRROR $0 $1"
    exit 1
fi
rm -f "$out/made-from"

# ---- The tree -------------------------------------------------------------------------------

if [ "$(cat "$out/packages" 2>/dev/null)" != "$packages" ]; then
    say "fetching and unpacking Debian 13"
    rm -rf --one-file-system "$root"
    # INITRD=No: ours, below, is smaller and faster than that of Debian's hook. Downloaded packages are kept for the
    # next image. force-unsafe-io: a temporary tree needs no sync for each file.
    mkdir -p "$out/debs"
    # shellcheck disable=SC2016 # The hook's own shell expands it.
    INITRD=No TMPDIR=$out mmdebstrap --quiet --mode=root --variant=minbase --components=main --architectures=amd64 \
        --include="$packages" --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --skip=download/empty,cleanup/apt/cache \
        --setup-hook='mkdir -p "$1/var/cache/apt/archives/partial"' \
        --setup-hook="find '$out/debs' -name '*.deb' -exec ln -t \"\$1/var/cache/apt/archives\" {} +" \
        --customize-hook="mv -n \"\$1\"/var/cache/apt/archives/*.deb '$out/debs'; rm -f \"\$1\"/var/cache/apt/archives/*.deb" \
        trixie "$root" ${TALLYCAM_MIRROR:+"deb $TALLYCAM_MIRROR trixie main"}
    echo "$packages" >"$out/packages"
fi
kernel=$(basename "$(ls -d "$root"/lib/modules/*-amd64)")

# ---- Modules that Debian's kernel lacks -------------------------------------------------------

say "building spi-mock and gpio-sim for $kernel"
work=$root/usr/src/e2e
rm -rf "$work"
mkdir -p "$work"
cp "$here"/guest/modules/* "$work"
tar -C "$work" --strip-components 1 -xf "$root/usr/src/linux-source-6.12.tar.xz" \
    linux-source-6.12/drivers/gpio/gpio-sim.c linux-source-6.12/kernel/irq/irq_sim.c
mv "$work/drivers/gpio/gpio-sim.c" "$work/gpio-sim-main.c"
# One function is not exported to modules; an exported one replaces it.
sed 's/irq_to_desc(irqnum)/irq_data_to_desc(irq_get_irq_data(irqnum))/' "$work/kernel/irq/irq_sim.c" >"$work/irq_sim.c"
chroot "$root" make -s -C "/lib/modules/$kernel/build" M=/usr/src/e2e modules
mkdir -p "$root/lib/modules/$kernel/updates"
cp "$work"/*.ko "$root/lib/modules/$kernel/updates/"
chroot "$root" depmod "$kernel"

# ---- The guest's own settings -------------------------------------------------------------------

echo guest >"$root/etc/hostname"
echo '/dev/vda / ext4 defaults 0 0' >"$root/etc/fstab"
printf '[Match]\nName=e*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n' >"$root/etc/systemd/network/10-e.network"
# The journal survives a power cut, as on an appliance.
mkdir -p "$root/var/log/journal" "$root/usr/local/lib/e2e"
cp "$here/guest/agent.py" "$here/guest/uvc_camera.py" "$root/usr/local/lib/e2e/"
cp "$here/guest/agent.service" "$root/etc/systemd/system/e2e-agent.service"
chroot "$root" systemctl --quiet enable e2e-agent.service systemd-networkd.service
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer getty@tty1.service serial-getty@ttyS0.service systemd-networkd-wait-online.service
# No repository: apt may only install from the package and the image.
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*

# ---- Kernel, initial RAM disk, disk -------------------------------------------------------------

cp "$root/boot/vmlinuz-$kernel" "$out/vmlinuz"
ram=$out/ram
rm -rf "$ram"
mkdir -p "$ram/bin" "$ram/dev" "$ram/root" "$ram/modules"
cp "$root/usr/bin/busybox" "$ram/bin/busybox"
install -m 755 "$here/guest/init" "$ram/init"
for module in virtio_pci virtio_blk ext4; do
    chroot "$root" modprobe --set-version "$kernel" --show-depends "$module"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r file; do
    name=$(basename "$file" .xz)
    case $file in
        *.xz) xz -dc "$root$file" >"$ram/modules/$name" ;;
        *) cp "$root$file" "$ram/modules/$name" ;;
    esac
    echo "$name" >>"$ram/modules/order"
done
(cd "$ram" && find . | bin/busybox cpio -o -H newc 2>/dev/null) >"$out/initrd"

say "writing the disk"
rm -rf "$work" "$out/disk.ext4"
truncate -s 4G "$out/disk.ext4"
mke2fs -q -F -t ext4 -L root -d "$root" "$out/disk.ext4"
echo "$made_from" >"$out/made-from"
