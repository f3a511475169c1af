#!/bin/sh
# Builds and tests tallycam for 64-bit Raspberry Pis on any Debian PC, without a container engine.
#
#   deploy/cross.sh build          the program: target/cross/arm64/tallycam, stripped and checked
#   deploy/cross.sh test [WORD…]   the tests that qemu-user can run, or only those with such names
#   deploy/cross.sh run COMMAND…   any command in the tool root, with this folder at /src
#
# mmdebstrap makes two file systems once, kept in $TALLYCAM_CROSS (default target/cross). `root` is a Debian 13 with
# Debian's newest Rust, the standard library for arm64, clang and qemu-user. `sysroot` has the C library and headers
# of a Debian 12 for arm64. Compiler and linker see only `sysroot`, so the program starts on Debian 12 and newer.
# Everything runs in its own mount namespace, so nothing stays mounted, even after a crash. Needs root, for mounts and
# chroot.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
cache=${TALLYCAM_CROSS:-$here/target/cross}
triple=aarch64-unknown-linux-gnu
# LED strips at PWM pins of a Pi, useful only there.
features=${TALLYCAM_FEATURES-pwm}
# The C library of the oldest supported systems: Debian 12, Raspberry Pi OS 12.
newest_glibc=2.36
# Maximum size of the stripped program in bytes.
most_bytes=31000000
# These make it small, beside the profile in Cargo.toml. Thin LTO saves a tenth.
# Packed relative relocations are read by glibc 2.36. Equal functions have one copy, less is inlined, and repeated
# instructions are outlined, which saves another tenth.
small="-Clink-arg=-Wl,-z,pack-relative-relocs -Clink-arg=-Wl,--icf=all -Cllvm-args=-inline-threshold=30"
small="$small -Cllvm-args=-enable-machine-outliner=always"
# As in .cargo/config.toml, which is for the building machine.
hardened="-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"

# shellcheck source=deploy/roots.sh
. "$here/deploy/roots.sh"

# ---- The two file systems -------------------------------------------------------------------

tools=ca-certificates,make,cmake,git,clang,lld,llvm,libclang-dev,pkgconf,rustc-web,cargo-web,libstd-rust-web-dev:arm64,qemu-user
headers=libc6-dev,libgcc-12-dev,linux-libc-dev,libgcc-s1

make_roots() {
    made sysroot bookworm --variant=extract --architectures=arm64 --include="$headers"
    made root trixie --variant=apt --architectures=amd64,arm64 --include="$tools" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*'
}

# inside COMMAND…: runs it in the tool root, in /src. LDFLAGS: CMake tries its compiler with a linker that also knows
# arm64.
inside() {
    for folder in src sysroot build cargo; do mkdir -p "$cache/root/$folder"; done
    registry=${CARGO_HOME:-$HOME/.cargo}
    if ! [ -d "$registry/registry" ]; then registry=$cache/cargo; fi
    mkdir -p "$registry/registry" "$registry/git" "$cache/build"
    # shellcheck disable=SC2016 # The inner shell's own.
    unshare --mount sh -c '
        set -eu
        root=$1 source=$2 cache=$3 registry=$4 small=$5 hardened=$6
        shift 6
        mount --make-rprivate /
        mount --bind "$source" "$root/src"
        mount --bind "$cache/build" "$root/build"
        mount --bind "$cache/sysroot" "$root/sysroot"
        mount --bind "$registry" "$root/cargo"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -t sysfs -o ro sys "$root/sys" || true
        mount -t tmpfs tmp "$root/tmp"
        # Host names and certificates are those of this machine.
        if [ -e /etc/resolv.conf ]; then
            [ -e "$root/etc/resolv.conf" ] || : >"$root/etc/resolv.conf"
            mount --bind "$(readlink -f /etc/resolv.conf)" "$root/etc/resolv.conf"
        fi
        mount --bind /etc/ssl/certs "$root/etc/ssl/certs"
        exec chroot "$root" env -C /src -i HOME=/tmp LANG=C.UTF-8 TERM="${TERM:-dumb}" \
            PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            ${http_proxy+http_proxy="$http_proxy"} ${https_proxy+https_proxy="$https_proxy"} \
            ${CARGO_BUILD_JOBS+CARGO_BUILD_JOBS="$CARGO_BUILD_JOBS"} \
            ${SOURCE_DATE_EPOCH+SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH"} \
            CARGO_HOME=/cargo CARGO_TARGET_DIR=/build CARGO_INCREMENTAL=0 \
            CARGO_PROFILE_RELEASE_LTO=thin LDFLAGS=-fuse-ld=lld \
            CC_aarch64_unknown_linux_gnu=clang AR_aarch64_unknown_linux_gnu=llvm-ar \
            CFLAGS_aarch64_unknown_linux_gnu="--target=aarch64-linux-gnu --sysroot=/sysroot $hardened" \
            BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu="--sysroot=/sysroot" RPI_WS281X_SYSROOT=/sysroot \
            CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=clang \
            CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Clink-arg=--target=aarch64-linux-gnu -Clink-arg=--sysroot=/sysroot -Clink-arg=-fuse-ld=lld --remap-path-prefix=/cargo/registry/src=crates $small" \
            QEMU_LD_PREFIX=/sysroot "$@"
    ' sh "$cache/root" "$here" "$cache" "$registry" "$small" "$hardened" "$@"
}

# ---- The commands ---------------------------------------------------------------------------

# check PROGRAM: it starts on the oldest system, needs only the C library, and is small enough. Prints the figures.
check() {
    newest=$(LC_ALL=C readelf --wide --dyn-syms "$1" | sed -n 's/.*@GLIBC_\([0-9][0-9.]*\).*/\1/p' | sort -Vu | tail -n 1)
    wants=$(LC_ALL=C readelf --wide --dynamic "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
    bytes=$(stat -c %s "$1")
    say "$1: $bytes bytes; the newest symbol is of GLIBC_$newest; it needs $wants"
    if [ "$(printf '%s\n%s\n' "$newest" "$newest_glibc" | sort -V | tail -n 1)" != "$newest_glibc" ]; then
        give_up "it would not start with glibc $newest_glibc"
    fi
    for library in $wants; do
        case $library in
            libc.so.6 | libm.so.6 | libgcc_s.so.1 | ld-linux-aarch64.so.1) ;;
            *) give_up "$library is not on every system" ;;
        esac
    done
    if [ "$bytes" -gt "$most_bytes" ]; then give_up "it is larger than $most_bytes bytes"; fi
}

build() {
    began=$(date +%s)
    inside cargo build --locked --release --target "$triple" ${features:+--features "$features"}
    inside llvm-strip --strip-all --remove-section=.comment -o /build/tallycam "/build/$triple/release/tallycam"
    check "$cache/build/tallycam"
    mkdir -p "$cache/arm64"
    mv "$cache/build/tallycam" "$cache/arm64/tallycam"
    # It is given to the user who called sudo.
    if [ -n "${SUDO_UID:-}" ]; then chown -R "$SUDO_UID:${SUDO_GID:-0}" "$cache/arm64"; fi
    say "built in $(($(date +%s) - began)) s"
}

what=${1:-build}
if [ $# -gt 0 ]; then shift; fi
case $what in
    build | test | run) ;;
    *)
        say "usage: deploy/cross.sh build | test [WORD…] | run COMMAND…"
        exit 64
        ;;
esac
if [ "$(id -u)" != 0 ]; then
    give_up "root is needed for chroot and mounts: put sudo before it"
fi
make_roots
case $what in
    build) build ;;
    test) inside sh deploy/cross-test.sh "$@" ;;
    run) inside "$@" ;;
esac
