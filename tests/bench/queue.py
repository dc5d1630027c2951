#!/usr/bin/env python3
"""What a look at a large deferred queue costs, beside a real Postfix.

usage: queue.py path/to/mailvane [MESSAGES]      (as root; default 100000)

A Postfix of its own (tests/e2e/test_postfix.py) gets that many deferred messages: copies
of queue files that it wrote itself, under names of their own. Then `postqueue -j >/dev/null` and looks of
the agent take turns. During each look lines are written to the log, and every scrape must
have them.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
from agent import Agent, until
from test_postfix import Lab, why_not

ROUNDS = 3
DOMAINS = 40


def fill(postfix, count):
    """Deferred messages by the thousand: one real one a domain, and copies of its files."""
    postfix.send([(f"s{i}@news.example", [f"r@d{i}.example"]) for i in range(DOMAINS)])
    until(lambda: len(postfix.queued("deferred")) == DOMAINS, "the first to be deferred")
    postfix.run("postfix", "stop")
    spool = os.path.join(postfix.dir, "spool")
    first = postfix_files(spool)
    for number in range(count - DOMAINS):
        name, path = first[number % len(first)]
        new = f"{number:05X}{name}"
        for queue in ("deferred", "defer"):
            old = path.replace("/deferred/", f"/{queue}/")
            target = os.path.join(spool, queue, new[0], new)
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            shutil.chown(os.path.dirname(target), "postfix")
            shutil.copyfile(old, target)
            shutil.chown(target, "postfix")
            os.chmod(target, 0o700 if queue == "deferred" else 0o600)
            later = time.time() + 3600
            os.utime(target, (later, later))
    # postsuper(1) renames the copies to match their inodes, and logs that as postfix.
    shutil.chown(postfix.log, "postfix")
    postfix.run("postfix", "start")


def postfix_files(spool):
    return [(name, os.path.join(where, name))
            for where, _, names in os.walk(os.path.join(spool, "deferred")) for name in names]


def postqueue(postfix):
    start = time.monotonic()
    subprocess.run(["postqueue", "-c", postfix.etc, "-j"], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - start


def scrape(agent):
    start = time.monotonic()
    samples = agent.scrape()
    return samples, time.monotonic() - start


def spread(times):
    """The median and the slowest, in milliseconds."""
    return f"{statistics.median(times) * 1000:.1f} and {max(times) * 1000:.1f} ms"


def a_look(lab, number):
    """Starts an agent that looks once; lines and scrapes go on meanwhile."""
    log = os.path.join(lab.dir, f"other-{number}.log")
    open(log, "w", encoding="ascii").close()
    config = (f"sources: [{{ file: {log} }}]\nsandbox: false\nqueue: [{{ interval: 3600, "
              f"timeout: 600, postfix: {lab.dir}/spool }}]\n")
    agent = Agent(lab.binary, lab.dir, config)
    before, lines, during, peak = agent.status_number("VmRSS"), 0, [], 0
    while not (samples := agent.scrape()).having("mailvane_queue_up", {}):
        with open(log, "a", encoding="ascii") as out:
            out.write("Nov 25 10:00:00 mx postfix/smtp[1]: statistics: x\n")
        lines += 1
        answer, waited = scrape(agent)
        got = answer.sum("mailvane_log_lines_total")
        during.append(waited)
        assert got == lines, f"lines: got {got}, want {lines}"
        peak = max(peak, agent.status_number("VmRSS"))
        time.sleep(0.02)
    took = samples.sum("mailvane_queue_collect_seconds")
    count = samples.sum("mailvane_queue_messages", queue="deferred")
    peak = max(peak, agent.status_number("VmRSS"))
    idle = [scrape(agent)[1] for _ in during]
    agent.stop()
    return took, count, during, idle, peak - before


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if why_not():
        sys.exit(why_not())
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    lab = Lab(os.path.abspath(sys.argv[1]))
    try:
        lab.postfix.routes = {f"d{i}.example": "out-a:[127.0.3.9]:9" for i in range(DOMAINS)}
        lab.postfix.configure()
        lab.postfix.run("postfix", "start")
        fill(lab.postfix, count)
        postqueue(lab.postfix)
        theirs, ours = [], []
        for number in range(ROUNDS):
            theirs.append(postqueue(lab.postfix))
            took, got, during, idle, grown = a_look(lab, number)
            ours.append(took)
            assert got == count, f"messages: got {got}, want {count}"
            print(f"look {took:.2f} s, postqueue -j {theirs[-1]:.2f} s; {len(during)} lines, each in "
                  f"the next scrape: median and slowest {spread(during)}, without a look "
                  f"{spread(idle)}; memory grew by {grown} KiB", flush=True)
        ratio = statistics.median(ours) / statistics.median(theirs)
        print(f"{count} messages: a look takes {ratio:.2f} times what postqueue -j takes")
    finally:
        lab.release()


if __name__ == "__main__":
    main()
