#!/bin/sh
# Builds the helpers through which tallycam reads libcamera's cameras: one binary for each soname of libcamera.
#
#   deploy/libcamera.sh build [amd64|arm64]…   target/libcamera/ARCH/libcamera-0.4 and -0.7, stripped and checked
#   deploy/libcamera.sh roots [amd64|arm64]…   only the file systems, which tests/libcamera runs the helpers in
#   deploy/libcamera.sh unit-tests             their unit tests as a program: target/libcamera/ARCH/unit-tests, for libcamera 0.7
#   deploy/libcamera.sh clippy                 clippy on the helpers
#
# The default is this machine's own architecture. The ABI of libcamera is not stable: a program built for 0.4 (Debian
# 13) does not start with 0.7 (Debian 13's backports, Raspberry Pi OS 13). The tool root is that of deploy/cross.sh.
# Compiler and linker see the C and C++ libraries of Debian 12 and, from libcamera's root, its headers and library.
# Beside libcamera the helpers therefore need nothing newer than Debian 12. Needs root, for mounts and chroot.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
cache=${TALLYCAM_CROSS:-$here/target/cross}
versions="0.4 0.7"
# Versions in Debian 12.
newest_glibc=2.36
newest_glibcxx=3.4.30
most_bytes=2000000

# shellcheck source=deploy/roots.sh
. "$here/deploy/roots.sh"

# ---- The file systems ------------------------------------------------------------------------

# A complete root of libcamera is made, only by unpacking. Its programs run by chroot, and those of arm64 by
# qemu-user.
make_libcamera() {
    case $1 in
        0.4) suite=trixie ;;
        0.7) suite="trixie trixie-backports" ;;
    esac
    made "libcamera-$1-$2" "$suite" --variant=extract --architectures="$2" --include=base-files,libcamera-dev,libcamera-ipa
}

make_roots() {
    "$here/deploy/cross.sh" run true
    for arch in "$@"; do
        made "build/sysroot-$arch" bookworm --variant=extract --architectures="$arch" \
            --include=libc6-dev,libgcc-12-dev,libstdc++-12-dev,linux-libc-dev,libgcc-s1
        for version in $versions; do make_libcamera "$version" "$arch"; done
    done
}

# ---- The commands ---------------------------------------------------------------------------

triple_of() {
    case $1 in
        amd64) echo x86_64-linux-gnu ;;
        arm64) echo aarch64-linux-gnu ;;
        *) give_up "no helper is made for $1" ;;
    esac
}

# newest NAME FILE: the newest version of NAME's symbols that FILE needs.
newest() {
    LC_ALL=C readelf --wide --dyn-syms "$2" | sed -n "s/.*@$1_\([0-9][0-9.]*\).*/\1/p" | sort -Vu | tail -n 1
}

is_newer() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1)" != "$2" ]; }

# check VERSION FILE: it starts on Debian 12 with that libcamera, and is small enough. Prints the figures.
check() {
    glibc=$(newest GLIBC "$2")
    glibcxx=$(newest GLIBCXX "$2")
    wants=$(LC_ALL=C readelf --wide --dynamic "$2" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
    bytes=$(stat -c %s "$2")
    say "$2: $bytes bytes; the newest symbols are GLIBC_$glibc and GLIBCXX_$glibcxx; it needs $wants"
    if is_newer "$glibc" "$newest_glibc"; then give_up "it would not start with glibc $newest_glibc"; fi
    if is_newer "$glibcxx" "$newest_glibcxx"; then give_up "it would not start with libstdc++ $newest_glibcxx"; fi
    for library in $wants; do
        case $library in
            "libcamera.so.$1" | "libcamera-base.so.$1") ;;
            libc.so.6 | libm.so.6 | libstdc++.so.6 | libgcc_s.so.1 | ld-linux-*) ;;
            *) give_up "$library is not on every system" ;;
        esac
    done
    if [ "$bytes" -gt "$most_bytes" ]; then give_up "it is larger than $most_bytes bytes"; fi
}

# The compiler's sysroot is Debian 12's; libcamera's headers and libraries are in a folder of their own. No other
# library of Debian 13 is visible to the compiler.
lay_libcamera() {
    version=$1 arch=$2 multiarch=$3
    laid=$cache/build/sysroot-$arch/libcamera-$version
    from=$cache/libcamera-$version-$arch/usr
    rm -rf "$laid"
    mkdir -p "$laid/lib/pkgconfig"
    cp -r "$from/include/libcamera" "$laid/include"
    cp -P "$from/lib/$multiarch/"libcamera.so* "$from/lib/$multiarch/"libcamera-base.so* "$laid/lib/"
    for name in libcamera libcamera-base; do
        sed "s|^prefix=.*|prefix=/libcamera-$version|; s|^libdir=.*|libdir=\${prefix}/lib|
            s|^includedir=.*|includedir=\${prefix}/include|; s|^Requires.private.*||; s|{includedir}/libcamera|{includedir}|" \
            "$from/lib/$multiarch/pkgconfig/$name.pc" >"$laid/lib/pkgconfig/$name.pc"
    done
}

# helper CARGO WORD… for $version and $arch. The build scripts of libcamera's crates notice a change of the version.
helper() {
    multiarch=$(triple_of "$arch")
    triple=$(echo "$multiarch" | sed 's/-linux/-unknown-linux/')
    lay_libcamera "$version" "$arch" "$multiarch"
    under=$(echo "$triple" | tr - _)
    cargo=$1 command=$2
    shift 2
    set -- "$cargo" "$command" --locked --release --target "$triple" --package tallycam-libcamera --features helper "$@"
    upper=$(echo "$under" | tr '[:lower:]' '[:upper:]')
    flags="--target=$multiarch --sysroot=/build/sysroot-$arch"
    # As in .cargo/config.toml.
    hardened="-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"
    # As a flag: cargo's own setting would apply to build scripts, too, and build them again for each architecture.
    link="-Clinker=clang -Clink-arg=--target=$multiarch -Clink-arg=--sysroot=/build/sysroot-$arch -Clink-arg=-fuse-ld=lld"
    link="$link -Clink-arg=-Wl,--allow-shlib-undefined -Clink-arg=-Wl,--icf=all -Lnative=/build/sysroot-$arch/libcamera-$version/lib"
    link="$link --remap-path-prefix=/cargo/registry/src=crates"
    "$here/deploy/cross.sh" run env CARGO_TARGET_DIR=/build/libcamera \
        PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR="/build/sysroot-$arch" \
        PKG_CONFIG_LIBDIR="/build/sysroot-$arch/libcamera-$version/lib/pkgconfig" \
        "CC_$under=clang" "CXX_$under=clang++" "AR_$under=llvm-ar" "CXXFLAGS_$under=$flags $hardened" "CFLAGS_$under=$flags $hardened" \
        "BINDGEN_EXTRA_CLANG_ARGS_$under=$flags" \
        "CARGO_TARGET_${upper}_RUSTFLAGS=$link" \
        CARGO_PROFILE_RELEASE_OPT_LEVEL=s CARGO_PROFILE_RELEASE_DEBUG=false \
        "$@"
}

build() {
    began=$(date +%s)
    for arch in "$@"; do
        for version in $versions; do
            helper cargo build
            out=target/libcamera/$arch
            mkdir -p "$here/$out"
            "$here/deploy/cross.sh" run llvm-strip --strip-all --remove-section=.comment \
                -o "/src/$out/libcamera-$version" "/build/libcamera/$triple/release/tallycam-libcamera"
            check "$version" "$here/$out/libcamera-$version"
        done
    done
    # They are given to the user who called sudo.
    if [ -n "${SUDO_UID:-}" ]; then chown -R "$SUDO_UID:${SUDO_GID:-0}" "$here/target/libcamera"; fi
    say "built in $(($(date +%s) - began)) s"
}

unit_tests() {
    arch=$1 version=0.7
    said=$(helper cargo test --no-run --bin tallycam-libcamera 2>&1) || give_up "the unit tests cannot be built" "$said"
    program=$(echo "$said" | sed -n 's/.*Executable unittests.*(\(.*\)).*/\1/p')
    mkdir -p "$here/target/libcamera/$arch"
    "$here/deploy/cross.sh" run cp "$program" "/src/target/libcamera/$arch/unit-tests"
}

what=${1:-build}
if [ $# -gt 0 ]; then shift; fi
if [ "$(id -u)" != 0 ]; then give_up "root is needed for chroot and mounts: put sudo before it"; fi
if [ $# = 0 ]; then set -- "$(dpkg --print-architecture)"; fi
case $what in
    build)
        make_roots "$@"
        build "$@"
        ;;
    roots) make_roots "$@" ;;
    unit-tests)
        make_roots "$1"
        unit_tests "$1"
        ;;
    clippy)
        make_roots "$1"
        "$here/deploy/cross.sh" run sh -c 'test -e /usr/bin/cargo-clippy || { apt-get -qq update && apt-get -qq install -y rust-web-clippy; }'
        arch=$1
        # By its path: cargo would first search among the tools installed by this machine's user.
        for version in $versions; do helper /usr/bin/cargo-clippy clippy -- -D warnings; done
        ;;
    *)
        say "usage: deploy/libcamera.sh build | roots | unit-tests | clippy [amd64|arm64]…"
        exit 64
        ;;
esac
