#!/bin/sh
# Compiles tallycam's own crates for `make test`. Cargo runs it in place of rustc (RUSTC_WORKSPACE_WRAPPER): clippy checks while the
# tests are compiled, and rustdoc reads the library afterwards. This saves separate runs for lints and documentation: `cargo clippy`
# and `cargo doc` first check two hundred crates that the tests compile anyway, a quarter of an hour on a slow machine.
#
#   deploy/rustc.sh RUSTC ARGUMENT...       every finding is an error
set -eu

# documentation ARGUMENT...: rustdoc with rustc's arguments, except those about code generation and output.
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
    *" --crate-name tallycam "*" --crate-type lib "* | *" --crate-name tallycam_"*" --crate-type lib "*)
        clippy-driver "$@" -Dwarnings
        shift
        documentation "$@"
        ;;
    *) exec clippy-driver "$@" -Dwarnings ;;
esac
