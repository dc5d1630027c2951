#!/bin/sh
# Runs unit tests under valgrind: an error, or memory that nobody frees, fails.
# usage: tests/valgrind.sh TEST...
set -eu
status=0
for test in "$@"; do
    name=$(basename "$test")
    options=
    case $name in
    # Seals memory, and forbids system calls and files that valgrind itself needs.
    test_sandbox) continue ;;
    # Counts the descriptors of its process: those of valgrind are among them.
    test_process) continue ;;
    # PCRE2's compiled patterns look at whole words, of which they use what was written.
    test_classifier | test_classifier_memory) options=--undef-value-errors=no ;;
    esac
    # shellcheck disable=SC2086
    if valgrind -q --error-exitcode=9 --leak-check=full $options "$test" >"$test.valgrind" 2>&1; then
        echo "ok   $name"
    else
        echo "FAIL $name"
        grep -v '^\[ ' "$test.valgrind" | tail -60
        status=1
    fi
done
exit $status
