# Common parts of deploy/deb.sh and deploy/deb-libcamera.sh, which read this file. $architecture is Debian's word.
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # $architecture is theirs, and so is what is made of it.

# The Makefile puts cargo-deb there.
PATH=$PWD/target/tools/bin:$PATH

say() { printf 'tallycam: %s\n' "$*" >&2; }

case $architecture in
    amd64) triple=x86_64-unknown-linux-gnu ;;
    arm64) triple=aarch64-unknown-linux-gnu ;;
    *)
        say "$architecture: packages are made for amd64 and arm64"
        exit 64
        ;;
esac

made=target/deb
version=$(dpkg-parsechangelog -l deploy/debian/changelog -S Version)
# The same sources give the same package, byte for byte.
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l deploy/debian/changelog -S Timestamp)
export SOURCE_DATE_EPOCH

# strip knows one machine; LLVM's knows all.
stripper() {
    if [ "$(dpkg --print-architecture)" = "$architecture" ]; then
        echo strip
        return
    fi
    gnu=$(echo "$triple" | sed 's/-unknown//')-strip
    if command -v "$gnu" >/dev/null; then echo "$gnu"; else echo llvm-strip; fi
}

# newest LIBRARY PROGRAM…: the newest version of LIBRARY's symbols (GLIBC, GLIBCXX) that a PROGRAM needs.
newest() {
    library=$1
    shift
    LC_ALL=C readelf --wide --dyn-syms "$@" | sed -n "s/.*@${library}_\([0-9][0-9.]*\).*/\1/p" | sort -Vu | tail -n 1
}

# needed PROGRAM…: the libraries that they are linked against.
needed() {
    LC_ALL=C readelf --wide --dynamic "$@" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u | tr '\n' ' '
}
