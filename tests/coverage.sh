#!/bin/sh
# Runs the fuzzers' seeds, the unit tests and the golden tests of a build that counts lines,
# and prints how many lines of each file were reached. A file below 90 % fails.
# usage: tests/coverage.sh DIRECTORY FILE...
set -eu
out=$1
shift
rm -rf "$out/raw" && mkdir -p "$out/raw"
export LLVM_PROFILE_FILE="$PWD/$out/raw/%p-%m.profraw" TZ=UTC LC_ALL=C.UTF-8
failed=
objects=
for source in tests/fuzz/fuzz_*.c tests/unit/test_*.c; do
    name=$(basename "$source" .c)
    case $name in
    fuzz_*) seeds="-runs=0 tests/fuzz/corpus/${name#fuzz_}" ;;
    *) seeds= ;;
    esac
    # shellcheck disable=SC2086
    "$out/$name" $seeds >"$out/$name.log" 2>&1 || failed="$failed $name"
    objects="$objects -object $out/$name"
done
python3 tests/golden/run.py "$out/mailvane" >"$out/golden.log" 2>&1 || failed="$failed golden"
[ -z "$failed" ] || echo "failed, and counted as far as they came:$failed (see $out)"
llvm-profdata-14 merge -sparse -o "$out/all.profdata" "$out"/raw/*.profraw
# shellcheck disable=SC2086
llvm-cov-14 export -summary-only -instr-profile "$out/all.profdata" "$out/mailvane" $objects "$@" \
    >"$out/lines.json"
python3 tests/coverage.py "$out/lines.json"
[ -z "$failed" ]
