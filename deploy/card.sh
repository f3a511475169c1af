#!/bin/sh
# Puts tallycam onto a card that has just been written with Raspberry Pi OS Lite (64-bit), 12 or 13: installed at its first start,
# without a network. For cameras on a ribbon cable; the card image (make image) knows USB and network cameras.
#
#   deploy/card.sh BOOTFOLDER [tallycam.toml]
#
# BOOTFOLDER is where the card's first partition ("bootfs") shows up on this machine. The packages are those of target/deb (make
# deb), or of the folder TALLYCAM_PACKAGES. What Raspberry Pi Imager was told (name, Wi-Fi, user, key) stays as it is. Settings of
# tallycam.toml: docs/card.md. May be run again on the same card before its first start.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
packages=${TALLYCAM_PACKAGES:-$here/target/deb}

say() { printf 'tallycam: %s\n' "$*" >&2; }
give_up() {
    say "$1"
    if [ -n "${2:-}" ]; then say "hint: $2"; fi
    exit "${3:-1}"
}

if [ $# -lt 1 ] || [ $# -gt 2 ]; then give_up "usage: deploy/card.sh BOOTFOLDER [tallycam.toml]" "" 64; fi
boot=$1
settings=${2:-}
if ! [ -e "$boot/cmdline.txt" ] || ! [ -e "$boot/config.txt" ]; then
    give_up "$boot is not the first partition of a Raspberry Pi OS card" "it holds cmdline.txt and config.txt, and is called bootfs"
fi
if ! [ -e "$boot/kernel8.img" ]; then
    give_up "the system on this card is not a 64-bit one" "choose Raspberry Pi OS Lite (64-bit) in Raspberry Pi Imager"
fi
if [ -n "$settings" ] && ! [ -r "$settings" ]; then give_up "$settings cannot be read"; fi

# newest NAME: the newest package of that name. Packages' names hold neither blanks nor line breaks.
# shellcheck disable=SC2012
newest() { ls -t "$packages/$1"_*_arm64.deb 2>/dev/null | head -n 1; }
program=$(newest tallycam)
helpers=$(newest tallycam-libcamera)
if [ -z "$program" ] || [ -z "$helpers" ]; then
    give_up "there are no packages for arm64 in $packages" "make deb, or TALLYCAM_PACKAGES=FOLDER"
fi

mkdir -p "$boot/tallycam"
rm -f "$boot/tallycam"/*.deb
cp "$program" "$helpers" "$here/deploy/card/install.sh" "$boot/tallycam/"
if [ -n "$settings" ]; then cp "$settings" "$boot/tallycam.toml"; fi

# How Imager has its own script run at the first start of Raspberry Pi OS 12: its script takes all of these words away when it has
# run, so ours is called from it. Beside cloud-init (13) the words are ours alone.
run=/boot/firmware/tallycam/install.sh
if [ -e "$boot/firstrun.sh" ]; then
    if ! grep -q "$run" "$boot/firstrun.sh"; then
        { head -n 1 "$boot/firstrun.sh"; echo "sh $run"; tail -n +2 "$boot/firstrun.sh"; } >"$boot/firstrun.new"
        mv "$boot/firstrun.new" "$boot/firstrun.sh"
    fi
elif ! grep -q "$run" "$boot/cmdline.txt"; then
    words="systemd.run=\"/bin/sh $run\" systemd.run_success_action=reboot systemd.run_failure_action=reboot"
    # One line: the firmware reads no other.
    printf '%s %s systemd.unit=kernel-command-line.target\n' "$(head -n 1 "$boot/cmdline.txt" | tr -d '\r')" "$words" >"$boot/cmdline.new"
    mv "$boot/cmdline.new" "$boot/cmdline.txt"
fi
sync -f "$boot/cmdline.txt"
say "$(basename "$program") and $(basename "$helpers") are on the card. Eject it, and start the Pi:"
say "after about three minutes the page is at http://NAME.local, NAME being what Imager was told (else raspberrypi)."
say "What its first start did stands in tallycam/install.txt on the same partition."
