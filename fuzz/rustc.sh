#!/bin/sh
# What fuzz/run compiles with (RUSTC_WRAPPER): tallycam's own crates tell libFuzzer which branches were taken and what was
# compared; what they are linked with does not, so that the search goes on in what is ours.
set -eu

case " $* " in
    *" --crate-name tallycam"*)
        exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
            -Cllvm-args=-sanitizer-coverage-trace-compares
        ;;
    *) exec "$@" ;;
esac
