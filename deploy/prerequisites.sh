#!/bin/sh
# Sees to it that what `make run` or `make test` needs is there.
#
#   deploy/prerequisites.sh run|test
#
# Missing Debian packages are installed when this is root, or when sudo works without asking, or
# when somebody sits at a terminal whom sudo can ask. Otherwise the one line to type is printed
# and the exit code is 1. A missing or too old Rust is named with the line that mends it; only
# automatic builds (CI=true) get it installed without being asked.
set -eu

here=$(dirname "$0")
purpose=${1:-run}

say() { printf '%s\n' "$*" >&2; }

# give_up LINE...: what is to be done, as the last words.
give_up() {
    for line in "$@"; do say "$line"; done
    exit 1
}

# ---- Debian packages ------------------------------------------------------------------------

# packages PURPOSE: one a line, as "package" or "package:command that is as good".
packages() {
    # libjpeg-turbo is built from the source that its crate carries: a compiler and cmake.
    printf '%s\n' gcc:cc libc6-dev cmake:cmake make:make
    case $(uname -m) in
        # Without nasm it is built, but without SIMD. ARM needs no assembler of its own.
        x86_64 | i?86) echo nasm:nasm ;;
    esac
    if [ "$1" = test ]; then
        # The fake camera; real clients and tools that prove it; a browser; the scripts; the units.
        printf '%s\n' libjpeg62-turbo-dev v4l-utils:v4l2-ctl ustreamer:ustreamer
        printf '%s\n' curl:curl ffmpeg:ffmpeg python3:python3 python3-opencv
        printf '%s\n' chromium chromium-driver shellcheck:shellcheck systemd:systemd-analyze
    fi
}

is_installed() {
    dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

missing_packages() {
    packages "$1" | while IFS=: read -r package command; do
        if [ -n "$command" ] && command -v "$command" >/dev/null; then continue; fi
        if is_installed "$package"; then continue; fi
        printf '%s ' "$package"
    done
}

# as_root COMMAND...: fails without a word where nobody can become root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        return 1
    fi
}

# install PACKAGE...: or gives up with the line to type.
install() {
    if ! command -v apt-get >/dev/null; then
        give_up "tallycam needs what Debian calls: $*" "Install them as this system does, then try again."
    fi
    if as_root true; then
        say "tallycam: installing $*"
        # Lists may be old or absent; where they cannot be fetched, those at hand may still do.
        as_root apt-get -qq update >&2 || true
        if as_root apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@" >&2; then return; fi
    fi
    # One line for everything: a Rust that is missing, too, is named in it.
    give_up "tallycam needs these packages. Type this, then try again:" \
        "    sudo apt install $*$(rust_too)"
}

# ---- Rust -----------------------------------------------------------------------------------

# at_least WANTED FOUND: compares versions number by number.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

wanted_rust() {
    sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$here/../Cargo.toml"
}

# Nothing, when there is none.
found_rust() {
    if command -v cargo >/dev/null; then
        rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p'
    fi
}

# Whether Debian's packages of the newest Rust (rustc-web holds what browsers are built with) do.
debian_rust_will_do() {
    command -v apt-cache >/dev/null || return 1
    candidate=$(apt-cache policy rustc-web 2>/dev/null | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p')
    [ -n "$candidate" ] && at_least "$(wanted_rust)" "$candidate"
}

rust_is_new_enough() {
    found=$(found_rust)
    [ -n "$found" ] && at_least "$(wanted_rust)" "$found"
}

# Debian's packages that mend a missing or too old Rust.
rust_packages() {
    printf 'rustc-web cargo-web'
    if [ "$purpose" = test ]; then printf ' rust-web-clippy rustfmt-web'; fi
}

# " PACKAGE..." when Rust is to be mended by Debian's packages, else nothing.
rust_too() {
    if ! rust_is_new_enough && ! command -v rustup >/dev/null && debian_rust_will_do; then
        printf ' %s' "$(rust_packages)"
    fi
}

need_rust() {
    if rust_is_new_enough; then return; fi
    if [ "${CI:-}" = true ] && ! command -v rustup >/dev/null; then
        as_root apt-get -qq update >&2 || true
        if debian_rust_will_do; then
            # shellcheck disable=SC2046 # A list of packages.
            install $(rust_packages)
            return
        fi
    fi
    if [ -n "$found" ]; then
        say "tallycam needs Rust $(wanted_rust) or newer, this is Rust $found."
    else
        say "tallycam needs Rust $(wanted_rust) or newer, and there is none."
    fi
    say "Type this, then try again:"
    if command -v rustup >/dev/null; then
        give_up "    rustup update stable && rustup default stable"
    elif debian_rust_will_do; then
        give_up "    sudo apt install $(rust_packages)"
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
    run | test) ;;
    *)
        say "usage: deploy/prerequisites.sh run|test"
        exit 64
        ;;
esac

missing=$(missing_packages "$purpose")
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # A list of packages.
    install $missing
fi
need_rust
if [ "$purpose" = test ]; then need_rust_tools; fi
