#!/bin/sh
# Installs tallycam on another machine over SSH and prints its address.
#
#   deploy/install.sh [USER@]HOST [FOLDER]
#
# FOLDER holds the packages (target/deb, where `make deb` puts them). The other machine names its architecture. A
# tallycam-libcamera of the same version is installed, too, with the libcamera that it recommends. The user there must
# be root, or allowed to use sudo; ssh and sudo ask for passwords as they always do.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)

say() { printf 'tallycam: %s\n' "$*" >&2; }

usage="usage: deploy/install.sh [USER@]HOST [FOLDER]"
case ${1:-} in
    -h | --help)
        # The comment at the top.
        sed -n '2,/^set /s/^#[[:space:]]\{0,1\}//p' "$0"
        exit
        ;;
    # ssh would take it for one of its own options.
    -*)
        say "$1: there is no such option; $usage"
        exit 64
        ;;
esac
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    say "$usage"
    exit 64
fi
host=$1
folder=${2:-$here/target/deb}

# One connection, so that the password is asked for once.
control=$(mktemp -d)
trap 'ssh -o ControlPath="$control/ssh" -O exit "$host" 2>/dev/null || true; rm -rf "$control"' EXIT
there() { ssh -o ControlMaster=auto -o ControlPersist=120 -o ControlPath="$control/ssh" "$@"; }

architecture=$(there "$host" dpkg --print-architecture) || {
    say "$host cannot be reached, or is no Debian"
    exit 1
}
# The newest of several. Package names contain neither blanks nor line breaks.
# shellcheck disable=SC2012
package=$(ls -t "$folder"/tallycam_*_"$architecture".deb 2>/dev/null | head -n 1)
if [ -z "$package" ]; then
    say "there is no package for $architecture in $folder"
    say "hint: make deb (32-bit systems are not built for: install the 64-bit Raspberry Pi OS)"
    exit 1
fi

# The helpers for a camera on a ribbon cable, if they were built as well.
helpers=$folder/tallycam-libcamera_${package##*/tallycam_}
names=
for package in "$package" "$helpers"; do
    if ! [ -e "$package" ]; then continue; fi
    say "$(basename "$package") goes to $host"
    name=/tmp/$(basename "$package")
    there "$host" "cat > '$name.part' && mv '$name.part' '$name'" <"$package"
    names="$names '$name'"
done

# The rest is one script on the other machine. -t: sudo may ask at this terminal. An edited configuration stays. On a
# system that has just started, its own upgrades may hold the lock for some minutes.
tty=
if [ -t 0 ]; then tty=-t; fi
# shellcheck disable=SC2016,SC2086 # The variables are those of the other machine; -t or nothing.
there $tty "$host" 'sudo=; if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
apt_get() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 "$@"; }
apt_get update || true
apt_get -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    install -y --allow-downgrades --reinstall '"$names"' || exit 1
rm -f '"$names"'
tries=0
until systemctl is-active -q tallycam; do
    tries=$((tries + 1))
    if [ "$tries" -gt 60 ] || systemctl is-failed -q tallycam; then
        $sudo systemctl status --no-pager --lines=20 tallycam
        exit 1
    fi
    sleep 1
done
state=$(systemctl show -p StatusText --value tallycam)
echo "tallycam: $state"
# The service is active then, too, and its page says so.
case $state in "The configuration is wrong"*) exit 1 ;; esac
# The service itself reports that it is ready; the page answers from then on. Only lines of this start count: earlier
# ones had other ports, and perhaps another password.
$sudo journalctl --sync || true
start=$(systemctl show -p InvocationID --value tallycam)
said=$($sudo journalctl -q -o cat "_SYSTEMD_INVOCATION_ID=$start")
printf "%s\n" "$said" | sed -n "s/^open http/ready: open http/p" | tail -n 1
printf "%s\n" "$said" | grep "^tallycam: the password for changing" | tail -n 1'
