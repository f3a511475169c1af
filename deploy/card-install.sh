#!/bin/sh
# First start of a card prepared by deploy/card.sh: installs the packages beside this script, without a network. The
# next start is the system's own, whether this one succeeds or not; tallycam-install.txt has the log.
#
#   install.sh [--along]     --along: another script runs it, and ends the first start itself
set -u

folder=$(cd "$(dirname "$0")" && pwd)
boot=$(dirname "$folder")
log=$boot/tallycam-install.txt

again() {
    rm -f /usr/sbin/policy-rc.d
    if [ "${1:-}" != --along ]; then
        # Otherwise each start would be the first one. FAT has no journal: each step is synced before the next.
        sed 's| systemd\.run[^ ]*||g; s| systemd\.unit=kernel-command-line\.target||g' "$boot/cmdline.txt" >"$boot/cmdline.new" &&
            sync && mv "$boot/cmdline.new" "$boot/cmdline.txt"
    fi
    sync
}

install_packages() {
    # No service is started now; the next start does that.
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    # The helpers recommend a libcamera, which Raspberry Pi OS already has.
    DEBIAN_FRONTEND=noninteractive dpkg --force-confold --install "$folder"/*.deb || return 1
    # As on tallycam's own card: the page is on port 80, and the first browser on the network sets the first password.
    mkdir -p /etc/systemd/system/tallycam.socket.d
    printf '[Socket]\nListenStream=\nListenStream=80\n' >/etc/systemd/system/tallycam.socket.d/port.conf
    systemctl enable tallycam.socket || return 1
    sed -i 's|<port>8080</port>|<port>80</port>|' /etc/avahi/services/tallycam.service
    sed -i '/^\[access\]/,/^\[/ s/^#claim = "here"/claim = "network"/' /etc/tallycam/config.toml
    if [ -f "$boot/tallycam.toml" ]; then
        mkdir -p /etc/systemd/system/tallycam.service.d
        cat >/etc/systemd/system/tallycam.service.d/settings.conf <<'UNIT'
# Made by deploy/card.sh: tallycam.toml on the boot partition is applied at each start of the service (docs/card.md).
[Service]
ExecStartPre=+-sh -c 'test ! -e /boot/firmware/tallycam.toml || exec /usr/bin/tallycam card apply --settings'
UNIT
    fi
}

install_packages >"$log" 2>&1
result=$?
if [ "$result" -eq 0 ]; then
    echo "tallycam is installed." >>"$log"
else
    echo "tallycam is not installed: what stands above says why. The packages are in $folder." >>"$log"
fi
again "$@"
# Only once nothing needs it any more.
if [ "$result" -eq 0 ] && ! grep -q 'tallycam/install\.sh' "$boot/cmdline.txt"; then
    rm -rf "$folder"
    sync
fi
exit 0
