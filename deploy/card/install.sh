#!/bin/sh
# Runs once on the Pi, as root, at the first start of a card that deploy/card.sh has prepared. Nothing is fetched.
boot=/boot/firmware
own=$boot/tallycam
exec >"$own/install.txt" 2>&1

# First of all: whatever happens below, the next start is an ordinary one. Only our words go.
sed -i -e 's| systemd.run="/bin/sh /boot/firmware/tallycam/install.sh" systemd.run_success_action=reboot systemd.run_failure_action=reboot systemd.unit=kernel-command-line.target||' "$boot/cmdline.txt"
sync -f "$boot/cmdline.txt"

# The service starts at the next start: in this one there is neither network nor camera.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive
dpkg --install "$own"/*.deb
code=$?
rm -f /usr/sbin/policy-rc.d

if [ $code = 0 ]; then
    # Port 80, which the service itself may not take.
    mkdir -p /etc/systemd/system/tallycam.socket.d
    printf '[Socket]\nListenStream=\nListenStream=80\n' >/etc/systemd/system/tallycam.socket.d/port.conf
    systemctl enable tallycam.socket tallycam.service
    sed -i 's|<port>8080</port>|<port>80</port>|' /etc/avahi/services/tallycam.service
    # The settings of tallycam.toml that are tallycam's own; name, network and users are Imager's here.
    if [ -e "$boot/tallycam.toml" ]; then tallycam card apply --settings-only --boot "$boot"; fi
    rm -f "$own"/*.deb
    echo "tallycam is installed"
else
    echo "tallycam could not be installed: dpkg says why above"
fi
sync
exit $code
