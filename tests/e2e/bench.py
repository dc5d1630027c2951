"""What tests of the agent with a state share: a log that is written, an agent that may be killed.

What must be counted is what `mailvane scan` counts of the same lines in one file, read once
from its beginning to its end.
"""

import contextlib
import gzip
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile

import tap
from agent import MEMORY_GROWTH_KIB, Agent, Samples, until
from tap import LABORATORY, same

LAB = os.path.join(LABORATORY, "main", "maillog.log")
# What tells of the agent itself, and not of the log.
OWN = ("process_", "mailvane_build", "mailvane_checkpoint", "mailvane_series", "mailvane_log_behind",
       "mailvane_log_last", "mailvane_log_rotations", "mailvane_watch", "mailvane_scrape")

# What append_long writes is not in the truth's file: tests say how often it is counted.
LONG = "mailvane_log_long_lines_total"


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


# A sanitizer keeps what was freed for a while; that is no growth of the agent's.
QUARANTINE = ("env", "ASAN_OPTIONS=quarantine_size_mb=1:verify_asan_link_order=0")


def delivery(number, domain="example.org", stamp="Nov 22 03:27:15", reply="250 2.0.0 Ok"):
    """A line of a delivery that was sent."""
    return (f"{stamp} mx1 postfix/smtp[4711]: {number:06X}0A: to=<someone@{domain}>, "
            "relay=mx.example.org[192.0.2.1]:25, delay=1, delays=0.1/0.1/0.4/0.4, dsn=2.0.0, "
            f"status=sent ({reply})\n")


def sent(samples):
    return int(samples.sum("mailvane_deliveries_total", status="sent"))


class Bench:
    """A log that is written, and an agent that reads it and may be killed."""

    def __init__(self, binary, faulty, directory, extra=""):
        self.binary, self.faulty, self.directory = binary, faulty, directory
        self.log_directory = os.path.join(directory, "log")
        self.log = os.path.join(self.log_directory, "mail.log")
        self.state_directory = os.path.join(directory, "state")
        self.state = os.path.join(self.state_directory, "state.db")
        self.whole = os.path.join(directory, "whole.log")
        self.config = (f"sources: [{{file: {self.log}}}]\nstate: {self.state}\n"
                       f"sandbox: false\n{extra}\n")
        os.mkdir(self.log_directory)
        os.mkdir(self.state_directory)
        with open(LAB, encoding="utf-8", errors="surrogateescape") as lab:
            self.lines = lab.readlines()
        self.at = 0
        self.written = self.skipped = 0
        self.agent = None
        open(self.log, "ab").close()
        open(self.whole, "ab").close()

    # --- the log

    def line(self, number):
        """Each time round the stamps are an hour later: no log says the same twice."""
        turn, at = divmod(number, len(self.lines))
        return self.lines[at].replace(" 03:", f" {(3 + turn) % 24:02}:", 1)

    def write(self, count):
        """So many lines of the laboratory's log, which begins anew at its end."""
        text = "".join(self.line(self.at + i) for i in range(count))
        self.at += count
        self.written += count
        self.append(text.encode("utf-8", "surrogateescape"))

    def append(self, data, lines=0, places=None):
        """Bytes as they are, and how many lines are to be counted for them."""
        self.written += lines
        for path in places or (self.whole, self.log):
            with open(path, "ab") as out:
                out.write(data)

    def append_long(self, data):
        """Bytes of a line that is too long: the truth does not know of them."""
        self.append(data, places=(self.log,))
        self.skipped += len(data)

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

    def begin(self, count, inside=()):
        """An agent that has counted so many lines."""
        self.start(inside=inside)
        self.write(count)
        self.settle()

    def preloading_faulty(self, *settings):
        """What the agent runs inside of, for a disk that fails as the settings say."""
        return ("env", f"LD_PRELOAD={self.faulty}", *settings,
                "ASAN_OPTIONS=verify_asan_link_order=0")

    def kill(self):
        self.agent.stop(signal.SIGKILL)

    @contextlib.contextmanager
    def standing_still(self):
        """The agent sees afterwards, and at once, what is done meanwhile."""
        self.agent.process.send_signal(signal.SIGSTOP)
        until(lambda: self.agent.process_state() == "T", "the agent to stand still")
        try:
            yield
        finally:
            self.agent.process.send_signal(signal.SIGCONT)

    def lines_counted(self):
        return self.agent.scrape().sum("mailvane_log_lines_total")

    def settle(self):
        """Waits until all that was written is counted, and gives the samples of then."""
        until(lambda: self.lines_counted() >= self.written, f"{self.written} lines")
        self.agent.scrape()
        return self.agent.scrape()

    def saved_offset(self):
        """How far the log was read, by the state file of an agent that runs."""
        with contextlib.closing(sqlite3.connect(f"file:{self.state}?mode=ro", uri=True)) as db:
            return db.execute("SELECT max(offset) FROM file").fetchone()[0] or 0

    def truth(self):
        found = subprocess.run([self.binary, "scan", self.whole], capture_output=True, check=True)
        return Samples(found.stdout.decode())

    def check(self, what):
        samples = self.settle()
        want = counts(self.truth())
        if self.skipped:
            want["mailvane_log_read_bytes_total", ()] += self.skipped
        wrong = differences({k: v for k, v in counts(samples).items() if k[0] != LONG}, want)
        same(wrong, [], what)
        return samples

    def check_flat(self, before, what):
        """Against VmRSS before."""
        grown = self.agent.status_number("VmRSS") - before
        same(grown < MEMORY_GROWTH_KIB, True, f"growth below 4 MiB {what} (got {grown} KiB)")

    def close(self):
        if self.agent:
            self.agent.kill()


@contextlib.contextmanager
def new_bench(subject):
    """A bench of its own; the subject is [the binary, the disk that fails]."""
    with tempfile.TemporaryDirectory(prefix="mailvane-bench.") as directory:
        bench = Bench(*subject, directory)
        try:
            yield bench
        finally:
            bench.close()


scenario = tap.scenario(new_bench)


class Scraper:
    """One that remembers what it was shown, as Prometheus does."""

    def __init__(self):
        self.last = {}
        self.first = True

    def scrape(self, bench):
        samples = bench.agent.scrape("Prometheus/2.42.0")
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
