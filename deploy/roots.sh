# Debian file systems made once and kept, for the scripts that read this file. They set $cache, the folder for them.
# shellcheck shell=sh
# shellcheck disable=SC2154 # $cache is theirs.

say() { printf 'tallycam: %s\n' "$*" >&2; }

give_up() {
    say "$1"
    shift
    for line in "$@"; do printf '%s\n' "$line" >&2; done
    exit 1
}

# Debian's archive as this machine's apt knows it, which may have no lists yet; cloud images name it in a file of
# mirrors. Empty if apt knows none: mmdebstrap then uses its own default.
mirror() {
    if [ -n "${TALLYCAM_MIRROR:-}" ]; then
        echo "$TALLYCAM_MIRROR"
        return
    fi
    apt-get --print-uris update 2>/dev/null | sed -n "s|^'\(.*\)/dists/.*|\1|p" | sort -u | while read -r site; do
        case $site in
            mirror+file:*) sed 's/[[:space:]].*//' "${site#mirror+file:}" ;;
            *) echo "$site" ;;
        esac
    done | grep '/debian/*$' | head -n 1
}

# Nothing may be mounted below a folder that is removed, because the removal would go through it.
remove() {
    if ! [ -e "$1" ]; then return; fi
    if grep -qF " $1/" /proc/self/mountinfo; then
        give_up "something is mounted in $1, so it is not removed" "Unmount it, or restart this machine, then try again."
    fi
    rm -rf --one-file-system "$1"
}

# Runs programs of arm64 like this machine's own, by qemu-user-static. The registration lasts while this script runs,
# unless there was one before.
emulate() {
    if [ "$(dpkg --print-architecture)" = arm64 ] || arch-test arm64 >/dev/null 2>&1; then return; fi
    table=/proc/sys/fs/binfmt_misc
    [ -e $table/register ] || mount -t binfmt_misc binfmt_misc $table || give_up "this kernel runs no programs of arm64"
    # shellcheck disable=SC2028 # The kernel reads the escapes.
    echo ':tallycam-arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:OCF' >$table/register
    trap 'echo -1 >/proc/sys/fs/binfmt_misc/tallycam-arm64' EXIT
}

# made NAME SUITE ARGUMENT…: the file system $cache/NAME, made by mmdebstrap with these arguments unless one with the
# same arguments exists. It gets its name once it is complete. SUITE may be two, "trixie trixie-backports": the last
# is preferred.
made() {
    name=$1
    suite=$2
    shift 2
    wanted="$suite $*"
    if [ -e "$cache/$name.made" ] && [ "$(cat "$cache/$name.made")" = "$wanted" ] && [ -d "$cache/$name" ]; then return; fi
    command -v mmdebstrap >/dev/null || give_up "mmdebstrap is not here" "    apt install mmdebstrap"
    from=$(mirror)
    say "making $cache/$name, a Debian $suite (some minutes, once)"
    rm -f "$cache/$name.made"
    remove "$cache/$name"
    remove "$cache/$name.part"
    mkdir -p "$cache"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    first=${suite%% *}
    preferred=${suite##* }
    if [ "$first" != "$preferred" ]; then
        [ -n "$from" ] || give_up "no mirror of Debian is known here" "Name one: TALLYCAM_MIRROR=http://…/debian"
        set -- "$@" --aptopt="APT::Default-Release \"$preferred\""
    fi
    # The last two are a mirror's line for each suite.
    set -- "$@" "$first" "$cache/$name.part"
    if [ -n "$from" ]; then set -- "$@" "deb $from $first main"; fi
    if [ "$first" != "$preferred" ]; then set -- "$@" "deb $from $preferred main"; fi
    unshare --mount mmdebstrap --quiet --keyring="$keyring" --aptopt='APT::Install-Recommends "false"' "$@" ||
        give_up "there is no $cache/$name" "Another archive may help: TALLYCAM_MIRROR=http://…/debian"
    mv "$cache/$name.part" "$cache/$name"
    printf '%s\n' "$wanted" >"$cache/$name.made"
}
