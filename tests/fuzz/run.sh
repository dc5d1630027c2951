#!/bin/sh
# Runs each fuzzer for a time on its seeds, two at once where there are two processors; a
# crash is left in build/fuzz/ and fails.
# usage: tests/fuzz/run.sh SECONDS FUZZER...
set -eu
seconds=$1
shift
if [ $# -ne 1 ]; then
    jobs=$(nproc)
    [ "$jobs" -lt 2 ] || jobs=2
    printf '%s\n' "$@" | xargs -n 1 -P "$jobs" "$0" "$seconds"
    exit
fi
name=$(basename "$1")
seeds=tests/fuzz/corpus/${name#fuzz_}
grown=build/fuzz/corpus/${name#fuzz_}
mkdir -p "$grown"
[ -d "$seeds" ] || seeds=
# shellcheck disable=SC2086
if "$1" -max_total_time="$seconds" -max_len=8192 -timeout=20 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="build/fuzz/$name-" "$grown" $seeds >"build/fuzz/$name.log" 2>&1; then
    echo "ok   $name $(sed -n 's/^stat::number_of_executed_units: */runs: /p' "build/fuzz/$name.log")"
else
    echo "FAIL $name"
    tail -40 "build/fuzz/$name.log"
    # The machine that found it may be gone tomorrow.
    for input in "build/fuzz/$name"-*; do
        [ ! -f "$input" ] || [ -x "$input" ] || { echo "$input:" && base64 "$input"; }
    done
    exit 1
fi
