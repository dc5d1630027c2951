#!/usr/bin/env python3
"""Nothing lost, nothing twice: the agent with a state, killed and restarted in every way.

usage: test_restart.py path/to/mailvane path/to/faulty.so [SCENARIO...]

What must be counted is what `mailvane scan` counts of the same lines in one file, read once
from its beginning to its end. ROUNDS=N sets how often random_kills kills; SEED=N its dice.
"""

import errno
import gzip
import http.client
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
from tap import same, test  # noqa: E402
from test_agent import Agent, Samples, until  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
LAB = os.path.join(HERE, "..", "data", "postfix", "main", "maillog.log")
# What tells of the agent itself, and not of the log.
OWN = ("process_", "mailvane_build", "mailvane_checkpoint", "mailvane_series", "mailvane_log_behind",
       "mailvane_log_last", "mailvane_log_rotations", "mailvane_watch", "mailvane_scrape")


def counts(samples):
    """Every sample that is not 0, without the name of the log."""
    found = {}
    for name, labels, value in samples.rows:
        if name.startswith(OWN) or not value:
            continue
        labels = dict(labels)
        labels.pop("source", None)
        key = (name, tuple(sorted(labels.items())))
        found[key] = found.get(key, 0) + value
    return found


def differences(got, want):
    keys = sorted(k for k in set(got) | set(want) if abs(got.get(k, 0) - want.get(k, 0)) > 1e-6)
    return [f"{k}: got {got.get(k, 0)}, want {want.get(k, 0)}" for k in keys[:5]]


class Bench:
    """A log that is written, and an agent that reads it and may be killed."""

    def __init__(self, binary, faulty, directory, extra=""):
        self.binary, self.faulty, self.directory = binary, faulty, directory
        self.log = os.path.join(directory, "log", "mail.log")
        self.state = os.path.join(directory, "state", "state.db")
        self.whole = os.path.join(directory, "whole.log")
        self.config = (f"sources: [{{file: {self.log}}}]\nstate: {self.state}\n"
                       f"sandbox: false\n{extra}\n")
        os.makedirs(os.path.dirname(self.log))
        os.makedirs(os.path.dirname(self.state))
        with open(LAB, encoding="utf-8", errors="surrogateescape") as lab:
            self.lines = lab.readlines()
        self.at = 0
        self.written = 0
        self.agent = None
        open(self.log, "ab").close()
        open(self.whole, "ab").close()

    # --- the log

    def write(self, count):
        """So many lines of the laboratory's log, which begins anew at its end."""
        text = "".join(self.lines[(self.at + i) % len(self.lines)] for i in range(count))
        self.at += count
        self.written += count
        data = text.encode("utf-8", "surrogateescape")
        for path in (self.whole, self.log):
            with open(path, "ab") as out:
                out.write(data)

    def shift(self, keep=40):
        """mail.log.1 becomes mail.log.2, and so on."""
        names = [f"{self.log}.{n}" for n in range(keep, 0, -1)]
        for n, name in zip(range(keep, 0, -1), names):
            for ending in ("", ".gz"):
                if os.path.exists(name + ending):
                    os.rename(name + ending, f"{self.log}.{n + 1}{ending}")

    def rename(self):
        self.shift()
        os.rename(self.log, f"{self.log}.1")
        open(self.log, "ab").close()

    def copytruncate(self):
        self.shift()
        shutil.copy2(self.log, f"{self.log}.1")
        os.truncate(self.log, 0)

    def compress(self, number):
        name = f"{self.log}.{number}"
        if not os.path.exists(name):
            return
        with open(name, "rb") as plain, gzip.open(name + ".gz.tmp", "wb") as packed:
            shutil.copyfileobj(plain, packed)
        shutil.copystat(name, name + ".gz.tmp")
        os.rename(name + ".gz.tmp", name + ".gz")
        os.unlink(name)

    # --- the agent

    def start(self, *flags, inside=()):
        self.agent = Agent(self.binary, self.directory, self.config, *flags, inside=inside)
        return self.agent

    def kill(self):
        self.agent.stop(signal.SIGKILL)

    def lines_counted(self):
        return self.agent.scrape().sum("mailvane_log_lines_total")

    def settle(self):
        """Waits until all that was written is counted, and gives the samples of then."""
        until(lambda: self.lines_counted() >= self.written, f"{self.written} lines")
        self.agent.scrape()
        return self.agent.scrape()

    def truth(self):
        found = subprocess.run([self.binary, "scan", self.whole], capture_output=True, check=True)
        return Samples(found.stdout.decode())

    def check(self, what):
        samples = self.settle()
        wrong = differences(counts(samples), counts(self.truth()))
        same(wrong, [], what)
        return samples

    def close(self):
        if self.agent:
            self.agent.kill()


def scenario(function):
    """A test with a bench of its own."""

    def run(subject):
        with tempfile.TemporaryDirectory(prefix="mailvane-restart.") as directory:
            bench = Bench(*subject, directory)
            try:
                function(bench)
            finally:
                bench.close()

    run.__name__ = function.__name__
    return test(run)


# --- restarts --------------------------------------------------------------------------


@scenario
def stopped_and_started(bench):
    """SIGTERM saves: the counters go on, and what was written meanwhile is counted."""
    bench.start()
    bench.write(500)
    bench.check("before")
    same(bench.agent.stop(), 0, "exit status")
    bench.write(700)
    bench.start()
    bench.check("after")


@scenario
def killed_at_once(bench):
    """Counted and not saved yet: it is read again, and counted once."""
    bench.start()
    bench.write(300)
    bench.settle()
    bench.kill()
    bench.start()
    bench.check("after")


@scenario
def rotated_while_down(bench):
    """Three rotations by rename: the old file to its end, the ones between, the new one."""
    bench.start()
    bench.write(200)
    bench.settle()
    bench.kill()
    for _ in range(3):
        bench.write(150)
        bench.rename()
    bench.write(50)
    bench.start()
    bench.check("after")


@scenario
def copied_and_truncated_while_down(bench):
    """The copy holds what was read, at the same place; what follows there is read on."""
    bench.start()
    bench.write(400)
    bench.settle()
    bench.kill()
    bench.write(100)
    bench.copytruncate()
    bench.write(60)
    bench.start()
    bench.check("after")


@scenario
def compressed_while_down(bench):
    """Found again by its content, as is what was compressed after it."""
    bench.start()
    bench.write(400)
    bench.settle()
    bench.kill()
    bench.write(300)
    bench.rename()
    bench.write(500)
    bench.rename()
    bench.compress(2)
    bench.compress(1)
    bench.write(100)
    bench.start()
    bench.check("after")


@scenario
def compressed_out_of_turn(bench):
    """What was rotated later is compressed, what was rotated before is not: read in order."""
    bench.start()
    bench.write(800)
    bench.settle()
    bench.kill()
    for count in (700, 600, 500, 400):
        bench.write(count)
        bench.rename()
    bench.compress(3)
    bench.compress(1)
    bench.write(100)
    bench.start()
    bench.check("after")


@scenario
def never_seen_before(bench):
    """A first start counts from the end; --from-start from the beginning."""
    bench.write(300)
    bench.start()
    same(bench.lines_counted(), 0, "lines of a first start")
    bench.agent.stop()
    os.unlink(bench.state)
    bench.start("--from-start")
    bench.check("from the start")
    # And not a second time: the state knows where it is.
    bench.agent.stop()
    bench.start("--from-start")
    bench.check("from the start, again")


@scenario
def random_kills(bench):
    """Killed at random under load, renamed, truncated and compressed: every counter is the truth's."""
    dice = random.Random(int(os.environ.get("SEED", "1")))
    rounds = int(os.environ.get("ROUNDS", "12"))
    bench.start()
    for number in range(rounds):
        for _ in range(dice.randint(3, 9)):
            bench.write(dice.randint(1, 120))
            what = dice.random()
            if what < 0.15:
                bench.rename()
            elif what < 0.25:
                bench.copytruncate()
            elif what < 0.35 and bench.agent.process.poll() is not None:
                bench.compress(dice.randint(2, 4))
            elif what < 0.5 and bench.agent.process.poll() is None:
                bench.kill()
            if dice.random() < 0.5:
                time.sleep(dice.random() * 0.05)
        if bench.agent.process.poll() is None:
            bench.kill()
        bench.start()
        bench.check(f"round {number + 1} of {rounds}")


class Scraper:
    """One that remembers what it was shown, as Prometheus does."""

    def __init__(self):
        self.last = {}
        self.first = True

    def scrape(self, bench):
        client = http.client.HTTPConnection("127.0.0.1", bench.agent.port, timeout=60)
        client.request("GET", "/metrics", headers={"User-Agent": "Prometheus/2.42.0"})
        samples = Samples(client.getresponse().read().decode("utf-8"))
        client.close()
        now = {(n, tuple(sorted(labels.items()))): value for n, labels, value in samples.rows
               if n.endswith(("_total", "_count", "_bucket", "_sum")) and not n.startswith("process_")}
        resets = [f"{k}: {self.last[k]} then {v}" for k, v in now.items() if v < self.last.get(k, 0)]
        same(resets[:5], [], "counters that went back")
        gone = [k for k in self.last if k not in now]
        same(gone[:5], [], "counters that are gone")
        born = [f"{k}: {v}" for k, v in now.items() if k not in self.last and v]
        if not self.first:
            same(born[:5], [], "counters that were born with a value")
        self.first = False
        self.last = now


@scenario
def scraper_sees_no_reset(bench):
    """Whatever happens to the agent: no counter goes back, and each begins at 0."""
    dice = random.Random(3)
    scraper = Scraper()
    bench.start()
    scraper.scrape(bench)
    for _ in range(25):
        bench.write(dice.randint(1, 200))
        if dice.random() < 0.3:
            bench.rename()
        scraper.scrape(bench)
        if dice.random() < 0.5:
            scraper.scrape(bench)
        if dice.random() < 0.4:
            bench.kill()
            bench.start()
            scraper.scrape(bench)
    bench.check("at the end")


# --- the state file -----------------------------------------------------------------------


def corrupt(bench, change, says, aside=True):
    bench.start()
    bench.write(200)
    bench.settle()
    same(bench.agent.stop(), 0, "exit status")
    change(bench.state)
    bench.start()
    bench.agent.wait_said(says)
    copies = [n for n in os.listdir(os.path.dirname(bench.state)) if ".corrupt-" in n]
    same(bool(copies), aside, "a copy set aside")
    before = bench.lines_counted()
    bench.write(100)
    until(lambda: bench.lines_counted() == before + 100, "the lines since")


@scenario
def state_of_garbage(bench):
    """Moved aside, one sentence, and counting goes on."""

    def garbage(path):
        with open(path, "wb") as out:
            out.write(b"\0garbage" * 4000)

    corrupt(bench, garbage, r"state\.db: is damaged; it was moved to .*corrupt")


@scenario
def state_cut_short(bench):
    corrupt(bench, lambda path: os.truncate(path, os.path.getsize(path) // 2),
            r"state\.db: is damaged; it was moved to .*corrupt")


@scenario
def state_with_a_hole(bench):
    """A whole database whose counters are not: nothing of it is believed."""

    def hole(path):
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM chunk WHERE place % 2 = 0")

    corrupt(bench, hole, r"state\.db: is damaged; it was moved to .*corrupt")


@scenario
def state_with_impossible_counters(bench):
    """Whole chunks whose content cannot be."""

    def noise(path):
        with sqlite3.connect(path) as db:
            db.execute("UPDATE chunk SET bytes = randomblob(length(bytes))")

    corrupt(bench, noise, r"state\.db: is damaged; it was moved to .*corrupt")


@scenario
def state_of_a_newer_version(bench):
    """Left alone: that version will want it."""

    def newer(path):
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")

    corrupt(bench, newer, r"is of a newer version of mailvane", aside=False)
    with sqlite3.connect(bench.state) as db:
        same(db.execute("PRAGMA user_version").fetchone()[0], 99, "version")
    same(bench.agent.scrape().sum("mailvane_checkpoint_failures_total"), 1, "failures")


@scenario
def state_of_somebody_else(bench):
    def other(path):
        os.unlink(path)
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE songs(name TEXT)")

    corrupt(bench, other, r"is no state file of mailvane", aside=False)


@scenario
def state_in_no_directory(bench):
    os.rmdir(os.path.dirname(bench.state))
    bench.start()
    bench.agent.wait_said(r"the state is not saved: .*; counting goes on")
    bench.write(100)
    until(lambda: bench.lines_counted() == 100, "100 lines")


@scenario
def state_used_twice(bench):
    """A second agent says so and counts without it."""
    bench.start()
    other = tempfile.mkdtemp(dir=bench.directory)
    second = Agent(bench.binary, other, bench.config)
    try:
        second.wait_said(r"is used by another mailvane")
    finally:
        second.kill()


def failing_disk(bench, error):
    """A save fails, and is made up for when the disk has recovered."""
    when = os.path.join(bench.directory, "now")
    bench.start(inside=("env", f"LD_PRELOAD={bench.faulty}", f"FAULTY_WHEN={when}",
                        "FAULTY_PATH=state.db", "ASAN_OPTIONS=verify_asan_link_order=0"))
    bench.write(200)
    bench.settle()
    time.sleep(2.5)
    with open(when, "w", encoding="ascii") as out:
        out.write(str(error))
    bench.write(300)
    bench.check("while the disk fails")
    bench.agent.wait_said(r"the state is not saved: .*state\.db: .*; counting goes on")
    failures = bench.agent.scrape().sum("mailvane_checkpoint_failures_total")
    assert failures >= 1, "no failure was counted"
    said = len(bench.agent.said)
    os.unlink(when)
    bench.agent.wait_said(r"the state is saved again", said)
    bench.kill()
    bench.start()
    bench.agent.scrape()
    samples = bench.check("after the disk recovered")
    assert samples.sum("mailvane_checkpoint_failures_total") >= failures, "failures were forgotten"


@scenario
def disk_full(bench):
    failing_disk(bench, errno.ENOSPC)


@scenario
def disk_broken(bench):
    failing_disk(bench, errno.EIO)


@scenario
def killed_while_the_disk_fails(bench):
    """The last whole state is what is gone on from: all since is read again."""
    when = os.path.join(bench.directory, "now")
    bench.start(inside=("env", f"LD_PRELOAD={bench.faulty}", f"FAULTY_WHEN={when}",
                        "FAULTY_PATH=state.db", "ASAN_OPTIONS=verify_asan_link_order=0"))
    bench.write(200)
    bench.settle()
    with open(when, "w", encoding="ascii") as out:
        out.write(str(errno.ENOSPC))
    bench.write(300)
    bench.settle()
    bench.agent.wait_said(r"the state is not saved")
    bench.kill()
    os.unlink(when)
    bench.start()
    bench.check("after")


@scenario
def state_directory_is_read_only(bench):
    """Nothing can be written there: said, and counted without."""
    if os.geteuid() == 0:
        # Root may write anywhere; a directory is no place for a file of that name.
        os.mkdir(bench.state)
    else:
        os.chmod(os.path.dirname(bench.state), 0o500)
    bench.start()
    bench.agent.wait_said(r"the state is not saved: .*; counting goes on")
    bench.write(100)
    until(lambda: bench.lines_counted() == 100, "100 lines")


@scenario
def state_keeps_no_addresses(bench):
    """No local part of the log is in the file, nor in its log."""
    with open(LAB, encoding="utf-8", errors="replace") as lab:
        text = lab.read()
    people = {w.split("@")[0] for w in
              (p.split("<")[-1] for p in text.replace(">", " ").split()) if "@" in w}
    people = {p.encode() for p in people if len(p) > 7 and p.isalnum()}
    bench.start()
    bench.write(4000)
    bench.settle()
    same(bench.agent.stop(), 0, "exit status")
    assert len(people) > 10, "the laboratory's log names too few people"
    for name in os.listdir(os.path.dirname(bench.state)):
        with open(os.path.join(os.path.dirname(bench.state), name), "rb") as kept:
            held = kept.read()
        same([p for p in people if p in held], [], f"people in {name}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        tap.usage("test_restart.py path/to/mailvane path/to/faulty.so [SCENARIO...]")
    paths = [os.path.abspath(path) for path in sys.argv[1:3]]
    sys.exit(tap.run(paths, sys.argv[3:]))
