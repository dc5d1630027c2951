#!/usr/bin/env python3
"""What the state costs: the benchmark log fed live to an agent without and with one, by turns.

usage: checkpoint.py path/to/mailvane [path/to/benchmark.log]

Markdown on stdout. The agent's own CPU time for the whole log is compared (user and system),
since the time until it is counted depends on the writer as well; both are shown. The log is fed
several times over: what is done once at a start must not look like what is done every two seconds.
"""

import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

PAIRS = 5
TIMES = 4
PIECE = 256 << 10


def cpu_seconds(pid):
    """To the nanosecond, where times(2) counts hundredths of a second."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as stat:
        return int(stat.read().split()[0]) / 1e9


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return answer.read().decode()


def wait_ready(port):
    """What is written before the log is followed is not new to it."""
    for _ in range(500):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=10).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit("checkpoint.py: the agent does not become ready")


def total(page, name):
    rows = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.M)
    return sum(float(row) for row in rows)


def feed(binary, text, lines, with_state):
    """CPU seconds, wall seconds, and the longest save seen, for one run over the log."""
    with tempfile.TemporaryDirectory(prefix="mailvane-bench.") as folder:
        log, config = os.path.join(folder, "mail.log"), os.path.join(folder, "mailvane.yml")
        open(log, "wb").close()
        with open(config, "w", encoding="utf-8") as out:
            out.write(f'sources: [{{file: {log}}}]\nweb: {{listen: ["127.0.0.1:0"]}}\n')
            if with_state:
                out.write(f"state: {folder}/state.db\n")
        agent = subprocess.Popen([binary, "--config.file", config], stderr=subprocess.PIPE,
                                 text=True)
        port = next(int(m[1]) for m in (re.search(r"listening on .* port (\d+)", line)
                                        for line in agent.stderr) if m)
        wait_ready(port)
        saves = 0.0
        start = time.monotonic()
        with open(log, "ab", buffering=0) as out:
            for _ in range(TIMES):
                for at in range(0, len(text), PIECE):
                    out.write(text[at:at + PIECE])
                    time.sleep(0.002)
        while total(page := scrape(port), "mailvane_log_lines_total") < lines * TIMES:
            if time.monotonic() - start > 60:
                sys.exit("checkpoint.py: not all lines were counted within a minute")
            saves = max(saves, total(page, "mailvane_checkpoint_duration_seconds"))
            time.sleep(0.05)
        wall = time.monotonic() - start
        spent = cpu_seconds(agent.pid)
        saves = max(saves, total(page, "mailvane_checkpoint_duration_seconds"))
        agent.send_signal(signal.SIGTERM)
        agent.wait()
        agent.stderr.close()
        return spent, wall, saves


def benchmark_log():
    """The log of run.sh, about 1.2 million lines."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "genlog.c")
    with tempfile.TemporaryDirectory(prefix="mailvane-bench.") as folder:
        program = os.path.join(folder, "genlog")
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-std=c11", "-D_GNU_SOURCE", "-O2", "-o", program, source],
                       check=True)
        return subprocess.run([program, "--messages", "151000"], capture_output=True,
                              check=True).stdout


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: checkpoint.py path/to/mailvane [path/to/benchmark.log]")
    if len(sys.argv) == 3:
        with open(sys.argv[2], "rb") as log:
            text = log.read()
    else:
        text = benchmark_log()
    lines = text.count(b"\n")
    runs = {False: [], True: []}
    for _ in range(PAIRS):
        for with_state in runs:
            runs[with_state].append(feed(sys.argv[1], text, lines, with_state))
    print(f"The same log fed live to the agent {TIMES} times over, medians of {PAIRS} runs by turns:\n")
    print("| | CPU, s | until counted, s | longest save seen, ms |")
    print("|---|---|---|---|")
    for with_state, rows in runs.items():
        cpu, wall, _ = (statistics.median(column) for column in zip(*rows))
        longest = max(row[2] for row in rows) * 1000
        print(f"| {'with' if with_state else 'without'} a state | {cpu:.2f} | {wall:.2f} |"
              f" {f'{longest:.1f}' if with_state else ''} |")
    ratio = statistics.median(b[0] / a[0] for a, b in zip(runs[False], runs[True]))
    print(f"\nThe state costs {100 * (ratio - 1):.1f} % of CPU time (median of the pairs' ratios).")


if __name__ == "__main__":
    main()
