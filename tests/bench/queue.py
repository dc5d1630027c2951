#!/usr/bin/env python3
"""What a look at a large queue costs: of a real Postfix, and of the other MTAs' spools.

usage: queue.py path/to/mailvane [MESSAGES [MTA...]]      (as root; default 100000 and all)

Postfix: an instance of its own (tests/e2e/test_postfix.py) gets that many deferred messages,
copies of queue files that it wrote itself, under names of their own. Then `postqueue -j
>/dev/null` and looks of the agent take turns. Exim, Sendmail, OpenSMTPD: copies of the files
below tests/data; `cat` of them to /dev/null stands beside.

During each look lines are written to the log, and every scrape must have them. How long the
agent's loop was away at a time is measured from within (tests/bench/slices.c): scrapes wait
for a processor and for Python, too, as those of an agent do that looks at nothing while the
other program runs.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "data")
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
# pylint: disable=wrong-import-position
from agent import Agent, until
from test_postfix import Lab, why_not

ROUNDS = 3
DOMAINS = 40
STALL_MS = 10  # that none may exceed


# --- spools ---------------------------------------------------------------------------


class Postfix:
    """The laboratory of tests/e2e/test_postfix.py with deferred messages by the thousand."""

    name, queue, beside = "postfix", "deferred", "postqueue -j"

    def __init__(self, binary, count):
        if why_not():
            sys.exit(why_not())
        self.lab = Lab(binary)
        self.dir, self.spool = self.lab.dir, os.path.join(self.lab.dir, "spool")
        postfix = self.lab.postfix
        postfix.routes = {f"d{i}.example": "out-a:[127.0.3.9]:9" for i in range(DOMAINS)}
        postfix.configure()
        postfix.run("postfix", "start")
        self.fill(postfix, count)

    def fill(self, postfix, count):
        """One real message a domain, and copies of its files."""
        postfix.send([(f"s{i}@news.example", [f"r@d{i}.example"]) for i in range(DOMAINS)])
        until(lambda: len(postfix.queued("deferred")) == DOMAINS, "the first to be deferred")
        postfix.run("postfix", "stop")
        first = [(name, os.path.join(where, name))
                 for where, _, names in os.walk(os.path.join(self.spool, "deferred"))
                 for name in names]  # fmt: skip
        for number in range(count - DOMAINS):
            name, path = first[number % len(first)]
            for queue in ("deferred", "defer"):
                self.copy(path.replace("/deferred/", f"/{queue}/"), queue, f"{number:05X}{name}")
        # postsuper(1) renames the copies to match their inodes, and logs that as postfix.
        shutil.chown(postfix.log, "postfix")
        postfix.run("postfix", "start")

    def copy(self, old, queue, new):
        target = os.path.join(self.spool, queue, new[0], new)
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        shutil.chown(os.path.dirname(target), "postfix")
        shutil.copyfile(old, target)
        shutil.chown(target, "postfix")
        os.chmod(target, 0o700 if queue == "deferred" else 0o600)
        later = time.time() + 3600
        os.utime(target, (later, later))

    def other(self):
        subprocess.run(["postqueue", "-c", self.lab.postfix.etc, "-j"],
                       stdout=subprocess.DEVNULL, check=True)  # fmt: skip

    def release(self):
        self.lab.release()


class Files:
    """A spool of copies; numbers stand where the files have names of their own."""

    queue, beside = "queued", "cat"

    def __init__(self, _binary, count):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="mailvane-queue-"))
        os.chmod(self.dir, 0o755)
        self.spool = os.path.join(self.dir, "spool")
        self.fill(count)

    def put(self, name, data):
        path = os.path.join(self.spool, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(data)

    def other(self):
        subprocess.run(["sh", "-c", f"find {self.spool} -type f -print0 | xargs -0 cat"],
                       stdout=subprocess.DEVNULL, check=True)  # fmt: skip

    def release(self):
        shutil.rmtree(self.dir)


def read(*path):
    with open(os.path.join(DATA, *path), "rb") as file:
        return file.read()


class Exim(Files):
    """Split in 62 directories, as with split_spool_directory."""

    name = "exim"

    def fill(self, count):
        old = "1xUy3a-00004n-2x"
        files = {which: read("exim", "default", "spool", f"{old}-{which}") for which in "HD"}
        for number in range(count):
            new = f"1x{number % 62:02d}3a-{number:06d}-2x"
            for which, data in files.items():
                self.put(f"input/{number % 62}/{new}-{which}",
                         data.replace(old.encode(), new.encode()))  # fmt: skip


class Sendmail(Files):
    """One directory, as on most hosts."""

    name = "sendmail"

    def fill(self, count):
        files = {which: read("sendmail", f"{which}6AM3H5wi000557") for which in ("qf", "df")}
        for number in range(count):
            for which, data in files.items():
                self.put(f"{which}6AM3H5wi{number:06d}", data)


class OpenSMTPD(Files):
    """A directory for each message."""

    name, queue = "opensmtpd", "queue"

    def fill(self, count):
        old = os.path.join("opensmtpd", "mx", "spool", "queue", "6e", "6e601779")
        envelope, message = read(old, "6e6017797322825d"), read(old, "message")
        for number in range(count):
            new = f"{number:08x}"
            self.put(f"queue/{new[-2:]}/{new}/{new}7322825d", envelope)
            self.put(f"queue/{new[-2:]}/{new}/message", message)


SPOOLS = (Postfix, Exim, Sendmail, OpenSMTPD)


# --- looks ----------------------------------------------------------------------------


def timed(function, *args):
    start = time.monotonic()
    result = function(*args)
    return result, time.monotonic() - start


def spread(times):
    """The median and the slowest, in milliseconds."""
    return f"{statistics.median(times) * 1000:.1f} and {max(times) * 1000:.1f} ms"


def slices(path, since):
    """Milliseconds that the loop was away at a time: all, of CPU time, without what others had."""
    with open(path, encoding="ascii") as lines:
        rows = [[int(n) for n in line.split()] for line in lines]
    return [(wall / 1000, cpu / 1000, (wall - queued) / 1000)
            for when, wall, cpu, queued in rows if when - wall > since * 1e6]  # fmt: skip


def start_agent(spool, binary, preload, number, queue):
    log = os.path.join(spool.dir, f"other-{number}.log")
    path = os.path.join(spool.dir, f"slices-{number}")
    for name in log, path:
        open(name, "w", encoding="ascii").close()
    os.chmod(path, 0o666)
    config = f"sources: [{{ file: {log} }}]\nsandbox: false\nqueue: [{queue}]\n"
    inside = ("env", f"LD_PRELOAD={preload}", f"SLICES={path}")
    return Agent(binary, spool.dir, config, inside=inside), log, path


def without_a_queue(spool, binary, preload):
    """The memory of an agent that looks at nothing; its scrapes while the other program runs."""
    agent = start_agent(spool, binary, preload, "idle", "")[0]
    other, scrapes = threading.Thread(target=spool.other), []
    other.start()
    while other.is_alive():
        scrapes.append(timed(agent.scrape)[1])
        time.sleep(0.02)
    memory = agent.status_number("VmHWM")
    agent.stop()
    return memory, scrapes


def a_look(spool, binary, preload, number):
    """Lines and scrapes go on meanwhile; what is to be said of it."""
    since = time.monotonic()
    agent, log, path = start_agent(spool, binary, preload, number, "{ interval: 3600, timeout: 600, "
                                   f"{spool.name}: {spool.spool} }}")  # fmt: skip
    lines, during = 0, []
    while not (samples := agent.scrape()).having("mailvane_queue_up", {}):
        with open(log, "a", encoding="ascii") as out:
            out.write("Nov 25 10:00:00 mx postfix/smtp[1]: statistics: x\n")
        lines += 1
        answer, waited = timed(agent.scrape)
        got = answer.sum("mailvane_log_lines_total")
        during.append(waited)
        assert got == lines, f"lines: got {got}, want {lines}"
        time.sleep(0.02)
    took = samples.sum("mailvane_queue_collect_seconds")
    count = samples.sum("mailvane_queue_messages", queue=spool.queue)
    memory = agent.status_number("VmHWM")
    agent.stop()
    return took, count, during, memory, slices(path, since)


def measure(spool, binary, preload, count):
    spool.other()
    memory, others = without_a_queue(spool, binary, preload)
    theirs, ours, longest = [], [], 0
    for number in range(ROUNDS):
        theirs.append(timed(spool.other)[1])
        took, got, during, peak, busy = a_look(spool, binary, preload, number)
        ours.append(took)
        assert got == count, f"messages: got {got}, want {count}"
        wall, cpu, own = (max(column) for column in zip((0, 0, 0), *busy))
        longest = max(longest, own)
        print(f"{spool.name}: look {took:.2f} s, {spool.beside} {theirs[-1]:.2f} s; the loop was away "
              f"for {wall:.1f} ms at most, without what others had the processor {own:.1f} ms, of CPU "
              f"time {cpu:.1f} ms; {len(during)} lines, each in the next scrape: "
              f"median and slowest {spread(during)}; {peak - memory} KiB more than without a queue", flush=True)  # fmt: skip
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"{spool.name}: {count} messages: a look takes {ratio:.2f} times what {spool.beside} takes; "
          f"no stall of its own of more than {longest:.1f} ms (the bound is {STALL_MS}); scrapes of an agent without "
          f"a queue while {spool.beside} runs: median and slowest {spread(others)}", flush=True)  # fmt: skip
    return longest <= STALL_MS


def build_preload(directory):
    out = os.path.join(directory, "slices.so")
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC",
                    "-shared", "-o", out, os.path.join(HERE, "slices.c"), "-ldl"], check=True)  # fmt: skip
    return out


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    binary = os.path.abspath(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    wanted = sys.argv[3:] or [kind.name for kind in SPOOLS]
    good = True
    with tempfile.TemporaryDirectory(prefix="mailvane-bench-") as directory:
        preload = build_preload(directory)
        for kind in SPOOLS:
            if kind.name not in wanted:
                continue
            spool = kind(binary, count)
            try:
                good &= measure(spool, binary, preload, count)
            finally:
                spool.release()
    sys.exit(None if good else f"a stall of more than {STALL_MS} ms")


if __name__ == "__main__":
    main()
