#!/bin/sh
# Installs tallycam and tallycam-libcamera with apt on Debian 12, 13 and 13 with backports, and prints which helper
# fits there. Then it upgrades a Debian 13 to its backports, and checks again.
#
#   tests/libcamera/packages.sh [FOLDER]
#
# FOLDER holds the packages for this machine (target/deb, where `make deb` puts them). Needs root, mounts and Debian's
# archive. deploy/roots.sh makes the file systems once, and they stay unchanged: installed files are in memory above
# them.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
cache=${TALLYCAM_CROSS:-$here/target/cross}
folder=$(cd "${1:-$here/target/deb}" && pwd)
architecture=$(dpkg --print-architecture)

# shellcheck source=deploy/roots.sh
. "$here/deploy/roots.sh"

if [ "$(id -u)" != 0 ] || ! unshare --mount true 2>/dev/null; then
    say "LEFT OUT: tests/libcamera/packages.sh takes root, and mounts"
    exit
fi
version=$(dpkg-parsechangelog -l "$here/deploy/debian/changelog" -S Version)
for name in tallycam tallycam-libcamera; do
    package=$folder/${name}_${version}_$architecture.deb
    [ -e "$package" ] || give_up "there is no $package" "    make deb-$architecture deb-libcamera-$architecture"
done

# Runs in each root as its shell: `expect VERSION…` names the helpers that must fit.
# shellcheck disable=SC2016 # Its own shell expands it.
inside='
set -eu
debs=/var/tmp/debs
fail() { echo "FAILED: $*" >&2; exit 1; }
quietly() { "$@" >/var/tmp/log 2>&1 || { tail -n 30 /var/tmp/log; fail "$*"; }; }
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
apt_get() { quietly apt-get -q -o APT::Install-Recommends=true -o APT::Sandbox::User=root "$@"; }
backports() {
    mirror=$(sed -n "s/^deb \(.*\) trixie main$/\1/p" /etc/apt/sources.list)
    echo "deb $mirror trixie-backports main" >>/etc/apt/sources.list
}
install() {
    apt_get update
    apt_get install -y "$@" "$debs"/tallycam_*.deb "$debs"/tallycam-libcamera_*.deb
}
expect() {
    fits=
    for helper in /usr/lib/tallycam/libcamera-*; do
        code=0
        said=$("$helper" --probe 2>&1) || code=$?
        echo "    $helper --probe: $code, $(echo "$said" | head -n 1)"
        case $code in
            0) fits="$fits ${helper##*-}" ;;
            127) ;;
            *) fail "$helper ended with $code" ;;
        esac
    done
    [ "$fits" = "${1:+ $1}" ] || fail "there fit:$fits; expected: ${1:-none}"
    tallycam check --no-camera 2>&1 | sed -n "s/^.\{2\}libcamera/    tallycam check: libcamera/p"
    echo "    installed: $(dpkg-query -W -f "\${db:Status-Abbrev} \${Package} \${Version}\n" "libcamera*" tallycam\* |
        sed -n "s/^ii  *//p" | paste -sd, | sed "s/,/, /g")"
}
. /etc/os-release
echo "$PRETTY_NAME $what"
'

# on ROOT WHAT COMMANDS: runs them in a root, with a file system in memory above it for all writes.
on() {
    made "packages-$1" "$1" --variant=apt --include=systemd,passwd,ca-certificates
    mkdir -p "$cache/packages"
    # shellcheck disable=SC2016 # Its own shell expands it.
    unshare --mount sh -c '
        set -eu
        above=$1 below=$2 debs=$3 what=$4 commands=$5
        mount --make-rprivate /
        mount -t tmpfs -o size=3G above "$above"
        mkdir "$above/new" "$above/work" "$above/root"
        mount -t overlay -o "lowerdir=$below,upperdir=$above/new,workdir=$above/work" root "$above/root"
        root=$above/root
        mkdir -p "$root/var/tmp/debs"
        mount --bind "$debs" "$root/var/tmp/debs"
        mount -t proc proc "$root/proc"
        mount -t sysfs -o ro sys "$root/sys" || true
        mount --rbind /dev "$root/dev"
        # Host names as on this machine.
        if [ -e /etc/resolv.conf ]; then cat /etc/resolv.conf >"$root/etc/resolv.conf"; fi
        exec chroot "$root" env -C / -i PATH=/usr/sbin:/usr/bin:/sbin:/bin what="$what" \
            ${http_proxy+http_proxy="$http_proxy"} ${https_proxy+https_proxy="$https_proxy"} sh -c "$commands"
    ' sh "$cache/packages" "$cache/packages-$1" "$folder" "$2" "$inside$3"
}

on bookworm "" 'install; expect ""'
on trixie "" 'install; expect 0.4'
on trixie "with its backports, from which libcamera is taken" 'backports; install -t trixie-backports; expect "0.7"'
# shellcheck disable=SC2016 # Its own shell expands it.
on trixie "upgraded to its backports" '
install
expect 0.4
ours() { stat -c "%i %Z %n" /usr/lib/tallycam/* /usr/bin/tallycam; dpkg-query -W tallycam tallycam-libcamera; }
before=$(ours)
backports
apt_get update
apt_get full-upgrade -y -t trixie-backports
echo "  after apt full-upgrade:"
expect "0.4 0.7"
apt_get autoremove -y
echo "  after apt autoremove:"
expect 0.7
[ "$before" = "$(ours)" ] || fail "tallycam was touched"
echo "  tallycam and tallycam-libcamera are as they were"'
echo "packages.sh: all as expected"
