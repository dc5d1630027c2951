"""Following files, from outside: the driver at work, a log, and what is done with it.

Each scenario has a directory of its own, writes lines "FILE-AGE NUMBER" and knows what it wrote.
What the driver printed must be the same lines, each once, and for each age of a file in the
order in which they were written.
"""

import collections
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading

import tap


class Driver:
    """The driver at work; stop() gives what it printed."""

    def __init__(self, binary, *args, user=None):
        self.process = subprocess.Popen(
            [binary, "--stats", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=user)
        self.out = []
        self.reader = threading.Thread(target=self._collect)
        self.condition = threading.Condition()
        self.said = []
        while True:
            line = self.process.stderr.readline().decode()
            if not line or line == "ready\n":
                break
            self.said.append(line)
        self.reader.start()

    def _collect(self):
        for line in self.process.stdout:
            with self.condition:
                self.out.append(line.decode())
                self.condition.notify_all()

    def wait_for(self, line, seconds=60):
        """Until that line was printed: for scenarios in which an order of events matters."""
        with self.condition:
            if not self.condition.wait_for(lambda: line in self.out, seconds):
                raise AssertionError("got no %r, want it without any timer" % line)

    @contextlib.contextmanager
    def standing_still(self):
        """It sees afterwards, and at once, what is done meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.said += self.process.stderr.read().decode().splitlines()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        if self.process.returncode != 0:
            raise AssertionError("driver: status %d: %s" % (self.process.returncode, self.said))
        return self.out

    def stats(self, source=0):
        for line in self.said:
            words = line.split()
            if words[:2] == ["stats", "source=%d" % source]:
                return {k: int(v) for k, v in (w.split("=") for w in words[1:])}
        raise AssertionError("no stats in %s" % self.said)


class Log:
    """Writes numbered lines, one write(2) each, and remembers them by age of the file."""

    def __init__(self, path, tag="a"):
        self.path, self.tag = path, tag
        self.number = self.age = 0
        self.written = []
        self.fd = -1

    def open(self):
        self.close()
        self.age += 1
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        return self

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def line(self):
        text = "%s-%d %d" % (self.tag, self.age, self.number)
        # Of many lengths, so that the sizes of two ages are rarely equal.
        text += " " + "x" * (self.number * 7919 % 90) + "\n"
        self.number += 1
        return text

    def write(self, count=1, expected=True):
        for _ in range(count):
            text = self.line()
            os.write(self.fd, text.encode())
            if expected:
                self.written.append(text)
        return text

    def write_at_once(self, count):
        lines = [self.line() for _ in range(count)]
        os.write(self.fd, "".join(lines).encode())
        self.written += lines

    def truncate(self):
        os.ftruncate(self.fd, 0)
        self.age += 1


def ages(lines):
    by_age = collections.OrderedDict()
    for line in lines:
        by_age.setdefault(line.split(" ")[0], []).append(line)
    return by_age


def same_lines(got, want):
    count_got, count_want = collections.Counter(got), collections.Counter(want)
    if count_got != count_want:
        lost, extra = count_want - count_got, count_got - count_want
        raise AssertionError(
            "got %d lines, want %d; lost %d (first %r), too many %d (first %r)" % (
                len(got), len(want), sum(lost.values()), next(iter(lost), ""),
                sum(extra.values()), next(iter(extra), "")))
    got_ages, want_ages = ages(got), ages(want)
    for age, lines in want_ages.items():
        if got_ages[age] != lines:
            raise AssertionError("the lines of %s are not in the order of writing" % age)


class Stage:
    """A scenario's directory, as a context; its drivers end with it."""

    def __init__(self, binary):
        self.binary = binary
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="follow-"))
        self.drivers = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for driver in self.drivers:
            driver.process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def log(self, name="mail.log", tag="a"):
        return Log(self.path(name), tag).open()

    def driver(self, *args, binary=None, user=None):
        self.drivers.append(Driver(binary or self.binary, *args, user=user))
        return self.drivers[-1]

    def followed(self):
        """A log, and a driver that follows it."""
        log = self.log()
        return log, self.driver(log.path)


scenario = tap.scenario(Stage)


# --- rotation ------------------------------------------------------------------------------------


def shift(path, keep):
    """As logrotate: .1 becomes .2, and so on."""
    for i in range(keep - 1, 0, -1):
        if os.path.exists("%s.%d" % (path, i)):
            os.rename("%s.%d" % (path, i), "%s.%d" % (path, i + 1))


def rotate_rename(log, keep=100):
    shift(log.path, keep)
    os.rename(log.path, log.path + ".1")
    log.open()


def rotate_copytruncate(log, keep=100):
    shift(log.path, keep)
    shutil.copyfile(log.path, log.path + ".1")
    log.truncate()
