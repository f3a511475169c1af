#!/bin/sh
# Runs the arm64 tests under qemu-user; deploy/cross.sh starts it in the tool root, in /src.
#
#   deploy/cross-test.sh [WORD…]    only these: lib, a test program, or one and a module of it (lib/encode)
#
# A test that starts tallycam cannot start an arm64 program on a PC. A script in its place runs it with qemu-aarch64,
# so that nothing must be registered with this machine's kernel.
set -eu

triple=aarch64-unknown-linux-gnu
# Left out are tests that need programs or devices missing in the tool root: a browser, ffmpeg, curl, OpenCV,
# v4l2-ctl, µStreamer, python, systemd-analyze. The preloaded fake camera is a library of this machine. Counts of
# allocations or kernel objects would include qemu's own. Kills during a write are tested on the host, because the
# disk is the host's.
# A word is a test program, or a test program and a module of it.
default="lib embed encode vision/models vision/motion vision/network vision/properties vision/robustness vision/scenes \
pipeline/counting pipeline/lights pipeline/picture pipeline/running command/config command/password command/recount"
wanted=$(printf '%s\n' "${*:-$default}" | tr -s ' ' '\n')

# Tests within these that need something missing. The tool root has no ffprobe, and QEMU's user mode no SIOCOUTQ.
# There a child learns only by its exit status that a program is missing.
unfit="http::server::socket::tests::the_queues_of_a_tcp_socket_are_told_apart daemon::power::tests::without_systemctl_it_says_so \
media::film::tests::ffprobe_reads_an_avi_of_many_parts"
# shellcheck disable=SC2086 # A list of names.
skipped=$(printf ' --skip %s' $unfit)

say() { printf 'tallycam: %s\n' "$*" >&2; }

arguments=
for target in $(printf '%s\n' "$wanted" | cut -d/ -f1 | sort -u); do
    case $target in
        lib) arguments="$arguments --lib" ;;
        *) arguments="$arguments --test $target" ;;
    esac
done
# shellcheck disable=SC2086 # A list of arguments.
cargo test --locked --target "$triple" --no-run --message-format=json $arguments >/tmp/built

program=/build/$triple/debug/tallycam
if [ -e "$program" ] && ! head -c 2 "$program" | grep -q '#!'; then mv "$program" "$program.arm64"; fi
if [ -e "$program.arm64" ]; then
    printf '#!/bin/sh\nexec qemu-aarch64 %s "$@"\n' "$program.arm64" >"$program.part"
    chmod 755 "$program.part"
    mv "$program.part" "$program"
fi

failed=
sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' /tmp/built | grep /deps/ >/tmp/tests
while read -r test; do
    name=$(basename "$test" | sed 's/-[0-9a-f]*$//; s/^tallycam$/lib/')
    modules=$(printf '%s\n' "$wanted" | sed -n "s|^$name/\(.*\)|\1::|p" | tr '\n' ' ')
    say "$name" "$modules"
    # A test's own folder is the package's, as with cargo.
    # shellcheck disable=SC2086 # Lists of words.
    qemu-aarch64 "$test" --test-threads=2 $skipped $modules </dev/null || failed="$failed $name"
done </tmp/tests
# The next build must find its own product.
if [ -e "$program.arm64" ]; then mv "$program.arm64" "$program"; fi
if [ -n "$failed" ]; then
    say "failed:$failed"
    exit 1
fi
