#!/bin/sh
# The compiler of fuzz/run (RUSTC_WRAPPER). tallycam's own crates report branches and comparisons to libFuzzer; their
# dependencies do not, so that the search stays in our code.
set -eu

case " $* " in
    *" --crate-name tallycam"*)
        exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
            -Cllvm-args=-sanitizer-coverage-trace-compares
        ;;
    *) exec "$@" ;;
esac
