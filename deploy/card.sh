#!/bin/sh
# Puts tallycam onto a card that Raspberry Pi Imager has just written with Raspberry Pi OS Lite (64-bit), 12 or 13. It
# is for cameras on a ribbon cable, which tallycam's own image does not support.
#
#   deploy/card.sh BOOTFOLDER [TALLYCAM.TOML]
#
# BOOTFOLDER is the folder of the card's first partition (`bootfs`) on this computer. The packages are those in
# target/deb, or in FOLDER with PACKAGES=FOLDER. The Pi installs them at its first start, without a network, and
# restarts once; Imager's settings stay. TALLYCAM.TOML is copied beside them: its settings and the page's password are
# applied at each start, everything else is left to Imager (docs/card.md).
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)

say() { printf 'tallycam: %s\n' "$*" >&2; }

give_up() {
    say "$1"
    if [ -n "${2:-}" ]; then say "hint: $2"; fi
    exit "${3:-1}"
}

usage="usage: deploy/card.sh BOOTFOLDER [TALLYCAM.TOML]"
case ${1:-} in
    -h | --help)
        # The comment at the top.
        sed -n '2,/^set /s/^#[[:space:]]\{0,1\}//p' "$0"
        exit
        ;;
    -*) give_up "$1: there is no such option; $usage" "" 64 ;;
esac
if [ $# -lt 1 ] || [ $# -gt 2 ]; then give_up "$usage" "" 64; fi
boot=$1
own=${2:-}
packages=${PACKAGES:-$here/target/deb}

if ! [ -f "$boot/cmdline.txt" ] || ! [ -f "$boot/config.txt" ]; then
    give_up "$boot is no boot partition of Raspberry Pi OS: there is no cmdline.txt" "the first partition, called bootfs"
fi
if [ -f "$boot/tallycam-report.txt" ] && ! [ -d "$boot/tallycam" ]; then
    give_up "$boot is a card of tallycam's own image, which has it already" "put tallycam.toml there, and start from it"
fi
if ! [ -f "$boot/kernel8.img" ]; then
    give_up "this system has no 64-bit kernel" "choose Raspberry Pi OS Lite (64-bit) in Imager"
fi
if [ -n "$own" ] && ! [ -f "$own" ]; then give_up "$own is not there"; fi

# The newest of several. Package names contain neither blanks nor line breaks.
# shellcheck disable=SC2012
package=$(ls -t "$packages"/tallycam_*_arm64.deb 2>/dev/null | head -n 1)
if [ -z "$package" ]; then
    give_up "there is no package for arm64 in $packages" "make deb, or PACKAGES=FOLDER"
fi
helpers=$packages/tallycam-libcamera_${package##*/tallycam_}

mkdir -p "$boot/tallycam"
rm -f "$boot"/tallycam/*.deb
cp "$package" "$boot/tallycam/"
if [ -e "$helpers" ]; then cp "$helpers" "$boot/tallycam/"; fi
if [ -n "$own" ]; then cp "$own" "$boot/tallycam.toml"; fi
cp "$here/deploy/card-install.sh" "$boot/tallycam/install.sh"

# On Raspberry Pi OS 12, Imager's settings already run firstrun.sh in this way. It runs our script, too, before the
# lines with which it removes itself. The initrd there finds the line by its text, so the text must stay.
if grep -q 'systemd\.run=' "$boot/cmdline.txt"; then
    script=$boot/firstrun.sh
    if ! [ -f "$script" ]; then
        if grep -q 'systemd\.run=/boot/firmware/tallycam/install\.sh' "$boot/cmdline.txt"; then
            say "the card was prepared before; it has the packages of now"
        else
            give_up "cmdline.txt runs a program at the first start that is not Imager's" "write the card again"
        fi
    elif ! grep -q 'tallycam/install\.sh' "$script"; then
        # shellcheck disable=SC2016 # The script's own.
        sed '1a\
for tallycam in /boot/firmware /boot; do [ ! -e "$tallycam/tallycam/install.sh" ] || { sh "$tallycam/tallycam/install.sh" --along; break; }; done' \
            "$script" >"$script.new"
        mv "$script.new" "$script"
    fi
else
    # One line, whatever its line ending.
    line=$(head -n 1 "$boot/cmdline.txt" | tr -d '\r')
    run="systemd.run=/boot/firmware/tallycam/install.sh systemd.run_success_action=reboot systemd.run_failure_action=reboot"
    printf '%s %s systemd.unit=kernel-command-line.target\n' "$line" "$run" >"$boot/cmdline.txt.new"
    sync
    mv "$boot/cmdline.txt.new" "$boot/cmdline.txt"
fi
sync
say "$(basename "$package")$([ ! -e "$helpers" ] || echo " and tallycam-libcamera") are on the card: eject it, and start the Pi from it"
say "it starts twice or three times; then the page is at http://NAME.local, and asks you to choose a password"
