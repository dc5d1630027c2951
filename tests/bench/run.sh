#!/bin/bash
# Benchmarks `mailvane scan`, and what else reads a Postfix log, on this machine.
#
#     tests/bench/run.sh build/mailvane
#
# Markdown on stdout, trouble on stderr. Every tool's counters are compared with the truth of the
# log before its time is believed; where they differ the exit status is 1. Tools
# that are not installed are left out with a line that says so.
set -euo pipefail
export LC_ALL=C

LONG_MESSAGES=151000   # about 1.2 million lines
SLICE_MESSAGES=12600   # about 100,000 lines, for the tools that need long
WIDE_MESSAGES=840000   # about a million recipients
PAIRS=5

here=$(cd "$(dirname "$0")" && pwd)
if [ $# -ne 1 ] || ! [ -x "$1" ]; then
    echo "usage: run.sh PATH_OF_MAILVANE" >&2
    exit 2
fi
mailvane=$(realpath "$1")
tmp=$(mktemp -d "${TMPDIR:-/tmp}/mailvane-bench.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
failed=0

measure() { "$tmp/measure" "$@"; }

# The middle one of the lines' numbers.
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# Column N of a measurement's last line.
column() { tail -n 1 "$2" | awk -v n="$1" '{ print $n }'; }

calc() { awk "BEGIN { printf \"$1\", $2 }"; }

# Rows "status dsn count" of a truth file, and of a counter in an exposition.
truth_rows() {
    awk -F'\t' 'NR > 1 { n[$2 " " $3] += $4 } END { for (k in n) print k, n[k] }' "$1" | sort
}
counter_rows() {
    awk -v name="$1{" 'index($0, name) == 1 {
        match($0, /status="[^"]*"/); s = substr($0, RSTART + 8, RLENGTH - 9)
        match($0, /dsn="[^"]*"/); d = substr($0, RSTART + 5, RLENGTH - 6)
        sub(/^.*} /, ""); n[s " " d] += $1
    } END { for (k in n) if (n[k]) print k, n[k] }' "$2" | sort
}

# check NAME COUNTER EXPOSITION TRUTH
check() {
    if ! diff <(truth_rows "$4") <(counter_rows "$2" "$3") >"$tmp/diff"; then
        echo "run.sh: $1 counted other than the truth (<); status, dsn, count:" >&2
        cat "$tmp/diff" >&2
        failed=1
    fi
}

build() {
    local source
    for source in genlog measure; do
        "${CC:-cc}" -std=c11 -D_GNU_SOURCE -O2 -o "$tmp/$source" "$here/$source.c"
    done
}

# mailvane and grep by turns, so that what else the machine does meets both.
bench_scan() {
    local log=$tmp/long.log lines bytes wall i
    "$tmp/genlog" --messages $LONG_MESSAGES --truth "$tmp/long.tsv" >"$log"
    lines=$(wc -l <"$log")
    bytes=$(wc -c <"$log")
    "$mailvane" scan "$log" >"$tmp/long.prom" 2>"$tmp/err" || { cat "$tmp/err" >&2; exit 3; }
    check "mailvane" mailvane_deliveries_total "$tmp/long.prom" "$tmp/long.tsv"
    # Not to /dev/null: grep stops at its first match there.
    grep -c status=deferred "$log" >"$tmp/grep.out"
    for ((i = 0; i < PAIRS; i++)); do
        measure "$tmp/scan.times" "$mailvane" scan "$log" >/dev/null 2>&1
        measure "$tmp/grep.times" grep -c status=deferred "$log" >"$tmp/grep.out"
    done
    wall=$(cut -d' ' -f1 "$tmp/scan.times" | median)
    scan_ns=$(calc %.3f "$wall * 1e9 / $lines")
    scan_cpu_ns=$(calc %.3f "$(cut -d' ' -f2 "$tmp/scan.times" | median) * 1e9 / $lines")
    echo "A log of $lines lines, $(calc %.0f "$bytes / 1e6") MB; medians of $PAIRS runs by turns:"
    echo
    echo "| | seconds | million lines/s | MB/s | peak memory, MB |"
    echo "|---|---|---|---|---|"
    row_of_scan "\`mailvane scan\`" "$tmp/scan.times" "$lines" "$bytes"
    row_of_scan "\`grep -c status=deferred\`" "$tmp/grep.times" "$lines" "$bytes"
    echo
    echo "mailvane's time is $(calc %.2f "$(paste -d' ' "$tmp/scan.times" "$tmp/grep.times" |
        awk '{ print $1 / $4 }' | median)") times grep's (median of the $PAIRS pairs' ratios)."
    echo
}

row_of_scan() {
    local wall peak
    wall=$(cut -d' ' -f1 "$2" | median)
    peak=$(cut -d' ' -f3 "$2" | sort -g | tail -n 1)
    echo "| $1 | $(calc %.3f "$wall") | $(calc %.2f "$3 / $wall / 1e6") |" \
        "$(calc %.0f "$4 / $wall / 1e6") | $(calc %.1f "$peak / 1024") |"
}

# As many lines, once of a thousand domains, once with a domain for each recipient.
bench_domains() {
    echo "| recipient domains | lines | seconds | peak memory, MB | scrape, bytes |"
    echo "|---|---|---|---|---|"
    row_of_domains "1000" --domains 1000
    row_of_domains "one for each recipient" --distinct
    echo
}

row_of_domains() {
    local name=$1 lines
    shift
    rm -f "$tmp/wide.times"
    # Through a pipe: the log would have a gigabyte.
    "$tmp/genlog" --messages $WIDE_MESSAGES "$@" |
        measure "$tmp/wide.times" "$mailvane" scan - >"$tmp/wide.prom" 2>"$tmp/err"
    lines=$("$tmp/genlog" --messages $WIDE_MESSAGES "$@" --truth "$tmp/wide.tsv" | wc -l)
    check "mailvane" mailvane_deliveries_total "$tmp/wide.prom" "$tmp/wide.tsv"
    [ "$name" = 1000 ] || name="$(cut -f1 "$tmp/wide.tsv" | sed 1d | uniq | wc -l), $name"
    echo "| $name | $lines | $(calc %.2f "$(column 1 "$tmp/wide.times")") |" \
        "$(calc %.1f "$(column 3 "$tmp/wide.times") / 1024") | $(wc -c <"$tmp/wide.prom") |"
}

# cost NAME LINES TIMES BASE_WALL BASE_CPU: a row of the table of costs
cost() {
    local wall cpu
    wall=$(calc %.3f "($(column 1 "$3") - $4) * 1e9 / $2")
    cpu=$(calc %.3f "($(column 2 "$3") - $5) * 1e9 / $2")
    echo "| $1 | $2 | $(calc %.0f "$wall") | $(calc %.0f "$cpu") |" \
        "$(calc %.1f "$wall / $scan_ns") | $(calc %.1f "$cpu / $scan_cpu_ns") |"
}

# In one go, without the time that it needs to start.
# Our own program counts what can be checked; mtail's own is what its users run.
bench_mtail() {
    local program
    command -v mtail >/dev/null || { echo "| mtail: not installed | | | | | |"; return; }
    mkdir -p "$tmp/mtail" && : >"$tmp/empty.log"
    for program in "$here/postfix.mtail" /usr/share/doc/mtail/examples/postfix.mtail; do
        [ -e "$program" ] || continue
        run_mtail "$tmp/mtail.base" "$tmp/empty.log" "$program"
        run_mtail "$tmp/mtail.times" "$tmp/slice.log" "$program"
        cost "mtail, ${program/#$here/tests\/bench}" "$slice_lines" \
            "$tmp/mtail.times" "$(column 1 "$tmp/mtail.base")" "$(column 2 "$tmp/mtail.base")"
        case $program in "$here"/*) check mtail deliveries_total "$tmp/mtail.prom" "$tmp/slice.tsv" ;; esac
    done
}

run_mtail() {
    measure "$1" mtail -log_dir "$tmp/mtail" --one_shot --one_shot_format=prometheus \
        --progs "$3" --logs "$2" >"$tmp/mtail.prom" 2>/dev/null
}

bench_exporter() {
    local binary
    binary=$(command -v prometheus-postfix-exporter) ||
        { echo "| prometheus-postfix-exporter: not installed | | | | | |"; return; }
    if python3 "$here/exporter.py" "$binary" "$tmp/slice.log" "$tmp/exporter.times"; then
        cost "prometheus-postfix-exporter $(dpkg-query -Wf '${Version}' \
            prometheus-postfix-exporter 2>/dev/null || true)" "$slice_lines" \
            "$tmp/exporter.times" 0 0
    else
        echo "| prometheus-postfix-exporter: did not count all lines | | | | | |"
        failed=1
    fi
}

bench_others() {
    "$tmp/genlog" --messages $SLICE_MESSAGES --truth "$tmp/slice.tsv" >"$tmp/slice.log"
    slice_lines=$(wc -l <"$tmp/slice.log")
    echo "| | lines | ns a line | CPU ns a line | times mailvane's | times mailvane's CPU |"
    echo "|---|---|---|---|---|---|"
    echo "| \`mailvane scan\` | $(wc -l <"$tmp/long.log") | $(calc %.0f "$scan_ns") |" \
        "$(calc %.0f "$scan_cpu_ns") | 1 | 1 |"
    bench_mtail
    bench_exporter
    echo
    echo "mtail runs with --one_shot, its start taken off; its second program is its own example. The exporter"
    echo "follows a file, so its time by the clock holds what it waits; it does not parse the lines"
    echo "of postfix/NAME/smtp, three deliveries of ten."
}

build
bench_scan
bench_domains
bench_others
exit "$failed"
