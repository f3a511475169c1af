#!/bin/sh
# Installs the prerequisites of `make run`, `make test` and other targets.
#
#   deploy/prerequisites.sh run|demo|test|fuzz|fleet|cross|libcamera-test|deb|release|e2e|image|image-e2e
#
# Missing Debian packages are installed if this is root, if sudo works without a password, or if sudo can ask for it
# at a terminal. Otherwise the script prints the one line to type and exits with 1. Without any Rust, Debian's is one
# of these packages. A Rust that is too old was somebody's choice: the script prints the line that replaces it, and
# replaces it without asking only in automatic builds (CI=true).
set -eu

here=$(dirname "$0")
purpose=${1:-run}

say() { printf '%s\n' "$*" >&2; }

# give_up LINE...: the last words, with what to do.
give_up() {
    for line in "$@"; do say "$line"; done
    exit 1
}

# ---- Debian packages ------------------------------------------------------------------------

# packages PURPOSE: one per line, as "package" or "package:command", where the command is just as good.
packages() {
    if [ "$1" = cross ] || [ "$1" = libcamera-test ]; then
        # Rust and compilers come from a separate Debian. The last two count instructions.
        printf '%s\n' mmdebstrap:mmdebstrap binutils:readelf make:make ca-certificates gcc:cc libc6-dev
        printf '%s\n' qemu-user:qemu-aarch64 python3:python3
        # The pictures of a virtual camera, and the preloaded library.
        if [ "$1" = libcamera-test ]; then printf '%s\n' ffmpeg:ffmpeg g++:g++; fi
        return
    fi
    if [ "$1" = image ]; then
        # A tree for arm64, and the tools that assemble a card.
        printf '%s\n' mmdebstrap:mmdebstrap qemu-user-static:qemu-aarch64-static arch-test:arch-test dpkg-dev:dpkg-parsechangelog
        printf '%s\n' kmod:depmod device-tree-compiler:fdtput dosfstools:mkfs.vfat mtools:mcopy fdisk:sfdisk e2fsprogs:mke2fs
        printf '%s\n' binutils:readelf systemd:systemctl python3:python3 xz-utils:xz zstd:zstd make:make ca-certificates
        return
    fi
    if [ "$1" = image-e2e ]; then
        printf '%s\n' qemu-system-arm:qemu-system-aarch64 qemu-utils:qemu-img mtools:mcopy fdisk:sfdisk python3:python3 cpio:cpio
        # A Debian for arm64, laid out like Raspberry Pi OS.
        printf '%s\n' mmdebstrap:mmdebstrap qemu-user-static:qemu-aarch64-static arch-test:arch-test
        printf '%s\n' dosfstools:mkfs.vfat e2fsprogs:mke2fs
        printf '%s\n' openssl:openssl openssh-client:ssh dpkg:dpkg-deb
        return
    fi
    if [ "$1" = fleet ]; then
        # Broker and database, each started in a folder of its own.
        printf '%s\n' mosquitto mosquitto-clients:mosquitto_pub postgresql curl:curl python3:python3
        return
    fi
    # libjpeg-turbo is built from the source in its crate: a compiler and cmake.
    # ca-certificates: cargo fetches the crates over TLS, and Debian's comes without authorities.
    printf '%s\n' gcc:cc libc6-dev cmake:cmake make:make ca-certificates
    case $(uname -m) in
        # Without nasm it is built without SIMD. ARM needs no assembler of its own.
        x86_64 | i?86) echo nasm:nasm ;;
    esac
    if [ "$1" = e2e ]; then
        # The booted guest: its image, its disk, the emulator, and the script's interpreter.
        printf '%s\n' mmdebstrap:mmdebstrap e2fsprogs:mke2fs xz-utils:xz python3:python3
        printf '%s\n' qemu-system-x86:qemu-system-x86_64 qemu-utils:qemu-img
    fi
    # libFuzzer is C++.
    if [ "$1" = fuzz ]; then echo g++:g++; fi
    if [ "$1" = demo ]; then
        # The clip must be converted once.
        printf '%s\n' ffmpeg:ffmpeg
    fi
    if [ "$1" = deb ]; then
        # The packages' files, the strip program, and lintian.
        printf '%s\n' dpkg-dev:dpkg-parsechangelog binutils:strip python3:python3 lintian:lintian systemd:systemd-analyze
        case $(uname -m) in
            # For PWM pins.
            aarch64) printf '%s\n' git:git libclang-dev ;;
            *) echo binutils-aarch64-linux-gnu:aarch64-linux-gnu-strip ;;
        esac
    fi
    if [ "$1" = release ]; then
        # Lists of contents, and the one for Imager.
        printf '%s\n' dpkg-dev:dpkg-parsechangelog python3:python3 python3-jsonschema xz-utils:xz
    fi
    if [ "$1" = test ]; then
        # The fake camera; real clients and tools for it; a browser; the scripts; the units.
        printf '%s\n' libjpeg62-turbo-dev v4l-utils:v4l2-ctl ustreamer:ustreamer
        printf '%s\n' unzip:unzip libarchive-tools:bsdtar
        printf '%s\n' curl:curl ffmpeg:ffmpeg python3:python3 python3-opencv sqlite3:sqlite3
        printf '%s\n' mosquitto mosquitto-clients:mosquitto_sub openssl:openssl
        printf '%s\n' chromium chromium-driver shellcheck:shellcheck systemd:systemd-analyze
        # The program of the Pi's packages, which drives PWM pins, is compiled as well.
        printf '%s\n' git:git libclang-dev
    fi
}

is_installed() {
    dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

missing_packages() {
    packages "$1" | while IFS=: read -r package command; do
        if [ -n "$command" ] && command -v "$command" >/dev/null; then continue; fi
        # Other distributions have other package names, so only commands are checked there.
        if [ -z "$command" ] && ! command -v dpkg-query >/dev/null; then continue; fi
        if is_installed "$package"; then continue; fi
        printf '%s ' "$package"
    done
}

# may_install PACKAGE...: this is root or can become root.
may_install() {
    if [ "$(id -u)" = 0 ]; then return; fi
    command -v sudo >/dev/null || return 1
    if sudo -n true 2>/dev/null; then return; fi
    [ -t 0 ] || return 1
    say "tallycam: sudo may ask for your password, to install $*"
    sudo true
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# On a system that has just started, its own upgrades may hold the lock for some minutes.
apt_get() {
    as_root apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@"
}

# The line that installs PACKAGE..., as this user can type it. A new system has no package lists yet.
apt_line() {
    update="apt update"
    install="apt install --no-install-recommends $*"
    if [ "$(id -u)" = 0 ]; then
        echo "    $update && $install"
    elif command -v sudo >/dev/null; then
        echo "    sudo $update && sudo $install"
    else
        echo "    su - -c '$update && $install'"
    fi
}

# install [PACKAGE...]: installs these, and Debian's Rust if needed; or gives up with the line to type.
install() {
    if ! command -v apt-get >/dev/null; then
        if [ $# = 0 ]; then return; fi
        give_up "tallycam needs what Debian calls: $*" "Install them as this system does, then try again."
    fi
    # shellcheck disable=SC2046 # Lists of packages.
    if may_install "$@" $(rust_packages_that_mend); then
        # Lists may be old or absent; if they cannot be fetched, the present ones may still do.
        apt_get update >&2 || true
        if rust_is_wanted; then set -- "$@" $(rust_packages_that_mend); fi
        if [ $# = 0 ]; then return; fi
        say "tallycam: installing $* (this may take some minutes)"
        # Installed packages are not removed for it without asking, except in an automatic build.
        removal=--no-remove
        if [ "${CI:-}" = true ]; then removal=; fi
        # Hundreds of lines, useful only if it fails.
        # shellcheck disable=SC2086 # One option, or none.
        if printed=$(apt_get install -y $removal --no-install-recommends "$@" 2>&1); then return; fi
        say "$printed"
    elif [ $# != 0 ]; then
        # One line for everything.
        if ! rust_is_new_enough; then say_which_rust; fi
        set -- "$@" $(rust_packages_that_mend)
    else
        return 0
    fi
    give_up "tallycam needs these packages. Type this, then try again:" "$(apt_line "$@")"
}

# install_all LIST: installs packages, and then those that were removed for them: beside Debian's qemu-system-x86 apt
# cannot keep a qemu-utils of its backports.
install_all() {
    # shellcheck disable=SC2086 # A list of packages.
    install $1
    lost=$(missing_packages "$purpose")
    # shellcheck disable=SC2086
    if [ -n "$lost" ] && command -v apt-get >/dev/null; then install $lost; fi
}

# ---- Rust -----------------------------------------------------------------------------------

# at_least WANTED FOUND: compares versions number by number.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

wanted_rust() {
    sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$here/../Cargo.toml"
}

# Empty, if there is none.
found_rust() {
    if command -v cargo >/dev/null; then
        rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p'
    fi
}

# Debian's packages of the newest Rust (rustc-web is for building browsers) are new enough.
debian_rust_will_do() {
    command -v apt-cache >/dev/null || return 1
    candidate=$(apt-cache policy rustc-web 2>/dev/null | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p')
    if [ -n "$candidate" ]; then
        at_least "$(wanted_rust)" "$candidate"
    else
        # Before the first `apt update` nothing has a candidate. Debian has it from version 12 on.
        # shellcheck disable=SC2016 # apt's own way to name a field.
        [ -z "$(apt-get indextargets --format '$(FILENAME)' 'Created-By: Packages' 2>/dev/null)" ] &&
            [ "$(os_release ID)" = debian ] && at_least 12 "$(os_release VERSION_ID)"
    fi
}

# os_release FIELD: os-release(5).
os_release() {
    sed -n "s/^$1=//p" /etc/os-release 2>/dev/null | tr -d '"'
}

rust_is_new_enough() {
    # A cross build brings its own.
    case $purpose in fleet | cross | libcamera-test | image | image-e2e) return ;; esac
    found=$(found_rust)
    [ -n "$found" ] && at_least "$(wanted_rust)" "$found"
}

# Debian's packages that replace a missing or too old Rust.
rust_packages() {
    printf 'rustc-web cargo-web'
    if [ "$purpose" = test ]; then printf ' rust-web-clippy rustfmt-web'; fi
}

# The same; empty if nothing is wrong or these packages would not help.
rust_packages_that_mend() {
    if ! rust_is_new_enough && ! command -v rustup >/dev/null && debian_rust_will_do; then
        rust_packages
    fi
}

# Debian's Rust may be installed without asking.
rust_is_wanted() {
    ! rust_is_new_enough && ! command -v rustup >/dev/null && { [ -z "$found" ] || [ "${CI:-}" = true ]; }
}

say_which_rust() {
    if [ -n "$found" ]; then
        say "tallycam needs Rust $(wanted_rust) or newer, this is Rust $found."
    else
        say "tallycam needs Rust $(wanted_rust) or newer, and there is none."
    fi
}

need_rust() {
    if rust_is_new_enough; then return; fi
    say_which_rust
    say "Type this, then try again:"
    if command -v rustup >/dev/null; then
        give_up "    rustup update stable && rustup default stable"
    elif debian_rust_will_do; then
        # shellcheck disable=SC2046 # A list of packages.
        give_up "$(apt_line $(rust_packages))"
    else
        give_up "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    fi
}

# clippy and rustfmt, which a small installation of Rust leaves out.
need_rust_tools() {
    if cargo clippy --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1; then return; fi
    if command -v rustup >/dev/null; then
        rustup component add clippy rustfmt >&2
    elif is_installed rustc-web; then
        install rust-web-clippy rustfmt-web
    else
        give_up "tallycam's tests need clippy and rustfmt for the Rust that is installed here."
    fi
}

# ---------------------------------------------------------------------------------------------

case $purpose in
    run | demo | test | fuzz | fleet | cross | libcamera-test | deb | release | e2e | image | image-e2e) ;;
    *)
        say "usage: deploy/prerequisites.sh run|demo|test|fuzz|fleet|cross|libcamera-test|deb|release|e2e|image|image-e2e"
        exit 64
        ;;
esac

missing=$(missing_packages "$purpose")
case $purpose in
    fleet | cross | libcamera-test | image | image-e2e)
        if [ -n "$missing" ]; then install_all "$missing"; fi
        exit
        ;;
esac
if [ -n "$missing" ] || rust_is_wanted; then install_all "$missing"; fi
need_rust
if [ "$purpose" = test ]; then need_rust_tools; fi
