#!/bin/sh
# Makes the card image: everything that makes a Pi a tallycam, from Debian packages only. `make image` calls it.
#
#   deploy/image/build.sh PACKAGE    PACKAGE is tallycam_…_arm64.deb
#
# It makes target/image/tallycam-VERSION-pi-arm64.img.xz, a list of all its packages with versions and SHA-256, and
# the unpacked image, which tests/image boots. KERNEL=backports (default) or stable selects one of Debian 13's
# kernels. WITH_FFMPEG=1 adds ffmpeg. TALLYCAM_MIRROR names another archive; with one of snapshot.debian.org and the
# same package the image is reproduced byte for byte.
#
# Needs root, for a chroot: Debian's packages configure themselves, as arm64 programs under qemu-user. It uses no loop
# devices and mounts only in its own namespace. Debian's part of the root is made once and kept.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
own=$here/deploy/image
mkdir -p "${TALLYCAM_IMAGE:=$here/target/image}"
cache=$(readlink -f "$TALLYCAM_IMAGE")
kernel=${KERNEL:-backports}
# Sizes in MiB of the first partition, and of the third before it grows; start of the first.
fat=160
state=64
begin=4
# The initrd recognises the card by this mark in its partition table.
mark=7a11ca4d
packed_most=200000000

# shellcheck source=deploy/roots.sh
. "$here/deploy/roots.sh"

[ $# = 1 ] || give_up "usage: deploy/image/build.sh tallycam_…_arm64.deb"
[ "$(id -u)" = 0 ] || give_up "root is needed for chroot: put sudo before it"
[ "$(dpkg-deb -f "$1" Architecture)" = arm64 ] || give_up "$1 is not for arm64"
package=$(readlink -f "$1")
version=$(dpkg-deb -f "$package" Version)
case $kernel in
    backports) release=trixie-backports ;;
    stable) release=trixie ;;
    *) give_up "KERNEL=$kernel: backports or stable" ;;
esac
packages=$(sed 's/#.*//' "$own/packages" | tr -s '\n ' ',,' | sed 's/^,//; s/,$//')${WITH_FFMPEG:+,ffmpeg}
# Everything made here carries this date.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(dpkg-parsechangelog -l "$here/deploy/debian/changelog" -S Timestamp)}
export SOURCE_DATE_EPOCH LC_ALL=C.UTF-8 TZ=UTC
umask 022
began=$(date +%s)
archive=$(mirror)
archive=${archive:-http://deb.debian.org/debian}
archive=${archive%/}
root=$cache/root
extra=$cache/extra
name=tallycam-$version-pi-arm64
mkdir -p "$cache/debs"

# ---- Debian's part ----------------------------------------------------------------------------

sources() {
    for suite in trixie trixie-updates trixie-backports; do echo "deb $archive $suite main non-free-firmware"; done
    echo "deb ${TALLYCAM_SECURITY:-${archive%/debian}/debian-security} trixie-security main non-free-firmware"
}

# Kept while it would be made from the same packages and sources.
make_base() {
    wanted="$packages $(sources)"
    if [ -d "$cache/base" ] && [ "$(cat "$cache/base.made" 2>/dev/null)" = "$wanted" ]; then return; fi
    say "making Debian's part of the card (some minutes, once)"
    rm -f "$cache/base.made"
    remove "$cache/base"
    # force-unsafe-io: an unused tree needs no sync for each file. Downloaded packages are kept for the next run.
    # shellcheck disable=SC2016 # The hooks' own shell expands it.
    sources | unshare --mount mmdebstrap --quiet --mode=root --variant=minbase --architectures=arm64 --include="$packages" \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --skip=download/empty,cleanup/apt/cache,cleanup/apt/lists \
        --setup-hook='mkdir -p "$1/var/cache/apt/archives/partial"' \
        --setup-hook="find '$cache/debs' -name '*.deb' -exec ln -f -t \"\$1/var/cache/apt/archives\" {} +" \
        --customize-hook="mv -n \"\$1\"/var/cache/apt/archives/*.deb '$cache/debs'; rm -f \"\$1\"/var/cache/apt/archives/*.deb" \
        trixie "$cache/base" - || give_up "Debian's part of the card could not be made"
    # The list of packages looks up the installed ones there.
    rm -rf "$cache/base.lists"
    mkdir "$cache/base.lists"
    mv "$cache"/base/var/lib/apt/lists/*_Packages "$cache/base.lists/"
    printf '%s\n' "$wanted" >"$cache/base.made"
}

# fetch_apt WORD…: apt as on an empty Debian for arm64.
fetch_apt() {
    apt-get -qq -o Dir="$extra/apt" -o Dir::State::status="$extra/apt/status" -o APT::Architecture=arm64 \
        -o APT::Architectures=arm64 -o Acquire::Languages=none -o APT::Install-Recommends=false \
        -o Dir::Etc::TrustedParts="$extra/apt/keys" "$@"
}

# Kernel, firmware and busybox are unpacked, not installed: none of them runs here, and little of the first two goes
# into the root.
fetch_extra() {
    wanted="$kernel $(sources) $(cat "$cache/base.made")"
    if [ "$(cat "$extra.made" 2>/dev/null)" = "$wanted" ]; then return; fi
    rm -rf "$extra" "$extra.made"
    mkdir -p "$extra/apt/etc/apt/apt.conf.d" "$extra/apt/etc/apt/preferences.d" "$extra/apt/keys" "$extra/tree" \
        "$extra/apt/var/lib/apt/lists/partial" "$extra/apt/var/cache/apt/archives/partial" "$extra/debs"
    : >"$extra/apt/status"
    cp /usr/share/keyrings/debian-archive-keyring.gpg "$extra/apt/keys/"
    sources >"$extra/apt/etc/apt/sources.list"
    fetch_apt update
    # The kernel's parts are those that its metapackage depends on.
    parts=$(fetch_apt --print-uris -t "$release" install linux-image-arm64 | sed -n "s/^[^ ]* \(linux-[^_]*\)_[^ ]*_arm64.deb .*/\1/p")
    [ -n "$parts" ] || give_up "no kernel was found in $release"
    # shellcheck disable=SC2086 # Several names.
    (cd "$extra/debs" && fetch_apt -o APT::Sandbox::User=root -t "$release" download $parts raspi-firmware busybox-static)
    for deb in "$extra"/debs/*.deb; do dpkg-deb -x "$deb" "$extra/tree"; done
    printf '%s\n' "$wanted" >"$extra.made"
}

# ---- The root ---------------------------------------------------------------------------------

# inside COMMAND…: runs it in the root.
inside() {
    # shellcheck disable=SC2016 # The inner shell's own.
    unshare --mount sh -c '
        root=$1
        shift
        mount --make-rprivate /
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs tmp "$root/tmp"
        mount -t tmpfs run "$root/run"
        exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"
    ' sh "$root" "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" "$@"
}

# The program, and the user that owns its state: the same id in every image.
install_package() {
    cp "$package" "$root/tallycam.deb"
    printf 'u tallycam 980\n' >"$root/etc/sysusers.d/tallycam-number.conf"
    inside systemd-sysusers tallycam-number.conf
    inside dpkg --force-unsafe-io --install /tallycam.deb >/dev/null
    rm "$root/tallycam.deb" "$root/etc/sysusers.d/tallycam-number.conf"
    # The package's default is for a machine with a local user; a card is claimed over the network.
    sed -i '/^\[access\]/,/^\[/ s/^#claim = "here"/claim = "network"/' "$root/etc/tallycam/config.toml"
    grep -q '^claim = "network"' "$root/etc/tallycam/config.toml" || give_up "config.toml has no [access] claim to set"
    sed -i 's|<port>8080</port>|<port>80</port>|' "$root/etc/avahi/services/tallycam.service"
    # If an IPv6 address changes while avahi announces it, avahi mistakes itself for another machine:
    # tallycam-2.local.
    sed -i 's/^use-ipv6=yes/use-ipv6=no/' "$root/etc/avahi/avahi-daemon.conf"
    grep -q '^use-ipv6=no' "$root/etc/avahi/avahi-daemon.conf" || give_up "avahi-daemon.conf has no use-ipv6 to set"
    # A card has no battery for its clock, and often no time server: the page sets it.
    install -D -m 644 "$here/systemd/tallycam-set-clock.conf" "$root/etc/systemd/system/tallycam.service.d/set-clock.conf"
    install -m 644 "$here/systemd/tallycam.polkit" "$root/etc/polkit-1/rules.d/tallycam-power.rules"
}

settle_units() {
    for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
        getty@.service serial-getty@.service systemd-networkd-wait-online.service systemd-firstboot.service systemd-machine-id-commit.service \
        systemd-update-done.service systemd-rfkill.service systemd-rfkill.socket systemd-networkd-persistent-storage.service \
        systemd-pcrlock-make-policy.service systemd-hibernate-clear.service systemd-pstore.service kmod-static-nodes.service \
        systemd-modules-load.service systemd-remount-fs.service systemd-network-generator.service systemd-udev-load-credentials.service \
        sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount \
        dev-mqueue.mount modprobe@configfs.service modprobe@fuse.service modprobe@drm.service modprobe@efi_pstore.service; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    # Started on demand: by the page that switches off, or by SSH.
    rm "$root/usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service"
    systemctl --quiet --root="$root" disable ssh.service ssh.socket wpa_supplicant.service 2>/dev/null || true
    systemctl --quiet --root="$root" enable systemd-networkd.service systemd-resolved.service systemd-timesyncd.service \
        avahi-daemon.service card-zram.service tallycam.service tallycam.socket
    # Set-up from the boot partition, and updates.
    for unit in tallycam-card.service tallycam-update.path tallycam-update.service; do
        install -m 644 "$here/systemd/$unit" "$root/etc/systemd/system/"
        systemctl --quiet --root="$root" enable "$unit"
    done
}

make_root() {
    remove "$root"
    cp -a "$cache/base" "$root"
    mkdir -p "$root/state" "$root/boot/firmware" "$root/etc/sysusers.d" "$root/etc/polkit-1/rules.d"
    install_package
    cp -r --no-preserve=ownership "$own/root/." "$root/"
    chmod 440 "$root/etc/sudoers.d/card"
    settle_units
    ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
    ln -sf /state/system/random-seed "$root/var/lib/systemd/random-seed"
    mkdir -p "$root/var/lib/systemd/timesync" "$root/var/lib/tallycam"
    {
        echo "version=$version"
        echo "built=$(date -d "@$SOURCE_DATE_EPOCH" +%F)"
        echo "kernel=$(basename "$extra"/tree/usr/lib/modules/*)"
    } >"$root/etc/tallycam/card"
    # The clock is never before this. And /etc and /var need no update from /usr at each start.
    : >"$root/usr/lib/clock-epoch"
    : >"$root/etc/.updated"
    : >"$root/var/.updated"
    # No keys and identities, no lists and logs, nothing that only an installation needs.
    rm -rf "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" "$root/var/lib/dbus/machine-id" "$root"/var/lib/apt/lists/* \
        "$root"/var/cache/* "$root"/var/log/* "$root"/var/backups/* "$root"/usr/share/doc-base "$root"/usr/share/info \
        "$root/usr/share/lintian" "$root/usr/share/bug" "$root"/etc/*- "$root/usr/lib/udev/hwdb.d" \
        "$root"/usr/share/bash-completion/completions/[a-su-z]* "$root"/usr/share/zsh/vendor-completions/_[a-su-z]* 
    printf 'uninitialized\n' >"$root/etc/machine-id"
    # The same for every archive that was used.
    rm -f "$root"/etc/apt/sources.list.d/*
    for suite in trixie trixie-updates; do echo "deb http://deb.debian.org/debian $suite main non-free-firmware"; done >"$root/etc/apt/sources.list"
    echo "deb http://deb.debian.org/debian-security trixie-security main non-free-firmware" >>"$root/etc/apt/sources.list"
}

# The parts of the kernel that a Pi needs, in their place.
install_kernel() {
    modules=$(basename "$extra"/tree/usr/lib/modules/*)
    mkdir -p "$root/usr/lib/modules/$modules"
    cp -r "$extra/tree/usr/lib/modules/$modules/kernel" "$extra/tree/usr/lib/modules/$modules"/modules.* "$root/usr/lib/modules/$modules/"
    depmod -b "$root" "$modules"
    "$own/slim.py" "$root/usr/lib/modules/$modules" "$own/left-out"
    depmod -b "$root" "$modules"
}

# ---- The card ---------------------------------------------------------------------------------

# pins DTB NAME PHANDLE FUNCTION PIN…: a group of pins that a device names by PHANDLE. Numbers are hexadecimal.
pins() {
    dtb=$1 node=/soc/gpio@7e200000/$2 phandle=$3 function=$4
    shift 4
    fdtput -c "$dtb" "$node"
    fdtput -t x "$dtb" "$node" phandle "$phandle"
    fdtput -t x "$dtb" "$node" brcm,function "$function"
    fdtput -t x "$dtb" "$node" brcm,pins "$@"
}

# spi DTB: enables a Pi's first SPI bus. Debian's device trees leave it off, and dtparam cannot change that.
spi() {
    bus=/soc/spi@7e204000
    fdtget "$1" $bus status >/dev/null 2>&1 || return 0
    gpio=$(fdtget -t x "$1" /soc/gpio@7e200000 phandle)
    # The driver needs its two chip selects as ordinary pins.
    pins "$1" card-spi0-pins f001 4 9 a b
    pins "$1" card-spi0-selects f002 1 8 7
    fdtput -t s "$1" $bus pinctrl-names default
    fdtput -t x "$1" $bus pinctrl-0 f001 f002
    fdtput -t x "$1" $bus cs-gpios "$gpio" 8 1 "$gpio" 7 1
    for select in 0 1; do
        fdtput -c "$1" $bus/spidev@$select
        # A name that the kernel's spidev accepts; it has none for "anything".
        fdtput -t s "$1" $bus/spidev@$select compatible lwn,bk4
        fdtput -t x "$1" $bus/spidev@$select reg $select
        fdtput -t i "$1" $bus/spidev@$select spi-max-frequency 125000000
    done
    fdtput -t s "$1" $bus status okay
}

make_boot() {
    boot=$cache/boot
    rm -rf "$boot"
    mkdir -p "$boot"
    firmware=$extra/tree/usr/lib/raspi-firmware
    cp "$firmware/bootcode.bin" "$firmware/start.elf" "$firmware/start4.elf" "$firmware/fixup.dat" "$firmware/fixup4.dat" "$boot/"
    cp "$(find "$extra/tree/usr/lib/modules" "$extra/tree/boot" -name 'vmlinuz*' 2>/dev/null | head -n 1)" "$boot/vmlinuz"
    find "$extra/tree/usr/lib" -path '*/broadcom/bcm2*-rpi-*.dtb' -exec cp -t "$boot" {} +
    for dtb in "$boot"/*.dtb; do spi "$dtb"; done
    "$own/initrd.py" "$root" "$modules" "$extra/tree/usr/bin/busybox" "$own/init" "$boot/initrd.img"
    cp "$own/config.txt" "$boot/"
    echo "tallycam.card=$mark console=serial0,115200 console=tty0 net.ifnames=0 systemd.gpt_auto=0 systemd.ssh_auto=0 panic=10 quiet" >"$boot/cmdline.txt"
    if [ -e "$own/tallycam.toml" ]; then cp "$own/tallycam.toml" "$boot/"; fi
}

# Every time stamp becomes the same date.
clamp() {
    find "$@" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference -d "@$SOURCE_DATE_EPOCH" {} +
    # Reading changes access times, also those of folders; so a folder comes after its content.
    find "$@" -depth -exec touch --no-dereference -a -d "@$SOURCE_DATE_EPOCH" {} +
}

# ext4 NAME MIB LABEL NUMBER TREE OPTION…: makes a file system $part/NAME. It uses the root's own mke2fs, so that the
# result is the same on every machine. Its UUID is the same in each image: label and place distinguish it from others.
ext4() {
    # shellcheck disable=SC2016 # The inner shell's own.
    unshare --mount sh -c '
        base=$1
        mount --make-rprivate /
        mount --bind "$2" "$base/mnt"
        mount --bind "$3" "$base/media"
        mount -t proc proc "$base/proc"
        shift 3
        exec chroot "$base" env -i PATH=/usr/sbin:/usr/bin "$@"
    ' sh "$cache/base" "$5" "$part" "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" mke2fs -q -F -t ext4 -b 4096 -m 0 -L "$3" -d /mnt \
        -U "$mark-0000-4000-8000-00000000000$4" -E "hash_seed=$mark-0000-4000-8000-0000000000ff,nodiscard,lazy_itable_init=0" \
        "$6" "$7" ${8:+"$8" "$9"} "/media/$1" "$2m"
}

make_image() {
    image=$cache/$name.img
    part=$cache/part
    rm -rf "$part"
    mkdir -p "$part/empty"
    size=$(($(du -sm --apparent-size "$root" | cut -f 1) * 110 / 100 + 16))
    clamp "$root" "$cache/boot" "$part/empty"
    mkfs.vfat --invariant -F 32 -n TALLYCAM -C "$part/fat" $((fat * 1024)) >/dev/null
    (cd "$cache/boot" && mcopy -m -s -Q -i "$part/fat" ./* ::/)
    ext4 root $size rootfs 1 "$root" -O ^has_journal,^resize_inode
    ext4 state $state state 2 "$part/empty" -i 65536 -J size=8
    rm -f "$image"
    truncate -s $((begin + fat + size + state))M "$image"
    sfdisk -q "$image" <<END
label: dos
label-id: 0x$mark
unit: sectors
start=$((begin * 2048)), size=$((fat * 2048)), type=c, bootable
start=$(((begin + fat) * 2048)), size=$((size * 2048)), type=83
start=$(((begin + fat + size) * 2048)), size=$((state * 2048)), type=83
END
    at=$begin
    for of in "fat $fat" "root $size" "state $state"; do
        dd if="$part/${of% *}" of="$image" bs=1M seek=$at conv=notrunc,sparse status=none
        at=$((at + ${of#* }))
    done
    rm -rf "$part"
}

emulate
make_base
fetch_extra
say "Debian's part: $(($(date +%s) - began)) s"
began=$(date +%s)
make_root
install_kernel
make_boot
make_image
"$own/list.py" "$root/var/lib/dpkg/status" "$package" "$cache/base.lists" "$extra/apt/var/lib/apt/lists" -- "$extra"/debs/*.deb >"$cache/$name.packages"
say "the image: $(($(date +%s) - began)) s; packing it"
began=$(date +%s)
# Blocks of one size give the same bytes with any number of threads.
xz -T0 -6 --block-size=32MiB --keep --force "$image"
(cd "$cache" && sha256sum "$name.img.xz" "$name.img" "$name.packages" >"$name.sha256")
if [ -n "${SUDO_UID:-}" ]; then chown "$SUDO_UID:${SUDO_GID:-0}" "$cache" "$cache/$name".*; fi
packed=$(stat -c %s "$image.xz")
say "$image.xz: $packed bytes, unpacked $(stat -c %s "$image"), packed in $(($(date +%s) - began)) s; $(wc -l <"$cache/$name.packages") packages"
if [ "$packed" -gt $packed_most ] && [ -z "${WITH_FFMPEG:-}" ]; then give_up "it is larger than $packed_most bytes"; fi
