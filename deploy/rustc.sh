#!/bin/sh
# What `make test` compiles tallycam's own crates with: cargo runs it in rustc's place (RUSTC_WORKSPACE_WRAPPER), and so
# clippy looks on while the tests are compiled, and rustdoc reads the library after it. Lints and documentation need no
# pass of their own: `cargo clippy` and `cargo doc` first check two hundred crates that the tests have to compile anyhow,
# a quarter of an hour on a slow machine.
#
#   deploy/rustc.sh RUSTC ARGUMENT...       whatever is found is an error
set -eu

# documentation ARGUMENT...: rustdoc with what rustc was given, but for how and where code is written.
documentation() {
    leave_out=
    for argument; do
        shift
        case $leave_out$argument in
            --emit=*) ;;
            --out-dir) leave_out=directory: ;;
            directory:*)
                leave_out=
                set -- "$@" --out-dir "$argument/../../doc"
                ;;
            *) set -- "$@" "$argument" ;;
        esac
    done
    rustdoc "$@" -Dwarnings
}

case " $* " in
    *" --crate-name tallycam "*" --crate-type lib "*)
        clippy-driver "$@" -Dwarnings
        shift
        documentation "$@"
        ;;
    *) exec clippy-driver "$@" -Dwarnings ;;
esac
