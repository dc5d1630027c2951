#!/usr/bin/env python3
"""Times prometheus-postfix-exporter on a log, for run.sh.

usage: exporter.py BINARY LOG OUT

It reads only what is appended, so it is started on an empty file; then the whole
log is appended at once, and /metrics is asked until the counters say that all of
it was read. Appends "SECONDS CPU_SECONDS PEAK_KB" to OUT, as measure does. Exit
status 1: it did not count all lines in time.
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

TIMEOUT = 120
POLL = 0.1
MISSING = "missing-showq"  # it goes on without the queue's socket


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def expected(log):
    """What its counters must reach. It knows postfix/smtp alone, not postfix/NAME/smtp, and
    counts each delivery in four histograms, one a stage, under one (empty) label."""
    deliveries = len(re.findall(rb" postfix/smtp\[\d+\]: .*, delays=", log))
    removed = len(re.findall(rb" postfix/qmgr\[\d+\]: \w+: removed\n", log))
    return {
        "postfix_smtp_delivery_delay_seconds_count": 4 * deliveries,
        "postfix_qmgr_messages_removed_total": removed,
    }


def counters(port, names):
    sums = dict.fromkeys(names, 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        for line in page.read().decode().splitlines():
            name = re.split(r"[{ ]", line, maxsplit=1)[0]
            if name in sums:
                sums[name] += float(line.rsplit(" ", 1)[1])
    return sums


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))


def wait_for(port, want):
    """The seconds until the counters are there; None if they never are."""
    start, got = time.monotonic(), {}
    while time.monotonic() - start < TIMEOUT:
        try:
            got = counters(port, want)
        except OSError:
            got = {}
        if got == want:
            return time.monotonic() - start
        time.sleep(POLL)
    print(f"exporter: got {got}, want {want}", file=sys.stderr)
    return None


def run(binary, log, folder):
    path, port = os.path.join(folder, "mail.log"), free_port()
    open(path, "wb").close()
    want = expected(log)
    process = subprocess.Popen(
        [binary, f"--web.listen-address=127.0.0.1:{port}", f"--postfix.logfile_path={path}",
         f"--postfix.showq_path={os.path.join(folder, MISSING)}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if wait_for(port, dict.fromkeys(want, 0)) is None:
            return None
        cpu = cpu_seconds(process.pid)
        with open(path, "ab", buffering=0) as out:
            if out.write(log) != len(log):
                return None
        wall = wait_for(port, want)
        if wall is None:
            return None
        return wall, cpu_seconds(process.pid) - cpu, peak_kb(process.pid)
    finally:
        process.kill()
        process.wait()


def main():
    binary, source, out = sys.argv[1:]
    with open(source, "rb") as f:
        log = f.read()
    folder = tempfile.mkdtemp(prefix="mailvane-bench-")
    try:
        took = run(binary, log, folder)
    finally:
        shutil.rmtree(folder)
    if took is None:
        return 1
    with open(out, "a") as f:
        f.write("%.6f %.6f %d\n" % took)
    return 0


if __name__ == "__main__":
    sys.exit(main())
