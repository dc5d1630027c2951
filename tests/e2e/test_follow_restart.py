#!/usr/bin/env python3
"""Following files over restarts, from outside: a driver with a state file, killed at any time.

usage: test_follow_restart.py DRIVER [SCENARIO...]     (DRIVER: tests/e2e/follow_driver.c)

following.py says what is expected of each scenario.
"""

import glob
import os
import random
import shutil
import signal
import subprocess
import time

import tap
from following import Stage, rotate_rename, same_lines, scenario
from tap import same


class Mortal:
    """A driver with a state file, killed and started again. What it counted is in a file."""

    def __init__(self, stage, *patterns, every=1):
        self.state, self.out = stage.path("state"), stage.path("out")
        self.args = [stage.binary, "--stats", "--state", self.state, "--every", str(every),
                     *patterns]
        self.process = None
        self.said = []
        open(self.out, "w").close()
        self.start(ready=True)
        stage.drivers.append(self)

    def start(self, ready=False):
        with open(self.out, "r+b") as out:
            self.process = subprocess.Popen(self.args, stdout=out, stderr=subprocess.PIPE)
        line = ""
        while ready and line != "ready\n":
            line = self.process.stderr.readline().decode()
            self.said.append(line)

    def end(self):
        self.said += self.process.stderr.read().decode().splitlines()
        self.process.stderr.close()
        return self.process.wait()

    def kill(self):
        self.process.kill()
        self.end()

    def wait_for_bytes(self, count, seconds=30):
        until = time.monotonic() + seconds
        while os.path.getsize(self.out) < count:
            if time.monotonic() > until:
                raise AssertionError("got %d bytes, want %d" % (os.path.getsize(self.out), count))
            time.sleep(0.001)

    def stop(self):
        """Reads what there is, and gives all lines that were ever counted."""
        self.process.send_signal(signal.SIGTERM)
        if self.end() != 0:
            raise AssertionError("driver: %s" % self.said)
        with open(self.out) as out:
            return out.readlines()


class Rotator:
    """What a host does with a log, at random."""

    def __init__(self, log, rng, dates):
        self.log, self.rng, self.dates = log, rng, dates
        self.day = 0

    def write(self):
        if self.rng.randrange(4) == 0:
            self.log.write_at_once(self.rng.randrange(12000))
        else:
            self.log.write(self.rng.randrange(1, 30))

    def name(self):
        """For the file to be rotated; numbers move the others out of its way."""
        path = self.log.path
        if self.dates:
            self.day += 1
            return "%s-2026%04d" % (path, 1000 + self.day)
        for i in range(200, 0, -1):
            for end in ("", ".gz"):
                if os.path.exists("%s.%d%s" % (path, i, end)):
                    os.rename("%s.%d%s" % (path, i, end), "%s.%d%s" % (path, i + 1, end))
        return path + ".1"

    def rename(self):
        os.rename(self.log.path, self.name())
        if self.rng.randrange(3) == 0:
            self.log.write(self.rng.randrange(1, 5))  # the writer has not reopened yet
        self.log.open()

    def copytruncate(self):
        shutil.copyfile(self.log.path, self.name())
        self.log.truncate()

    def compress(self):
        """All but the newest few."""
        plain = [p for p in glob.glob(glob.escape(self.log.path) + "[.-]*") if p[-3:] != ".gz"]
        plain.sort(key=lambda p: int(p[len(self.log.path) + 1:]), reverse=not self.dates)
        for path in plain[:max(0, len(plain) - self.rng.randrange(3))]:
            subprocess.run(["gzip", path], check=True)

    def act(self, up):
        moves = [self.write, self.write, self.write, self.rename, self.copytruncate]
        if not up:
            moves.append(self.compress)
        self.rng.choice(moves)()


def restarts_at_random(stage, seed, logs=1):
    """Half of the seeds rotate to numbers, half to dates; two logs are followed by a glob."""
    rng = random.Random(seed)
    logs = [stage.log("mail%d.log" % i, "m%d" % i) for i in range(logs)]
    pattern = logs[0].path if len(logs) == 1 else stage.path("mail?.log")
    rotators = [Rotator(log, rng, dates=seed % 2 == 0) for log in logs]
    driver = Mortal(stage, pattern, every=rng.choice((1, 1, 2, 7)))
    for _ in range(25):
        for _ in range(rng.randrange(5)):
            rng.choice(rotators).act(up=True)
        if rng.randrange(4) == 0:
            # Once all is read, anything may be compressed.
            driver.wait_for_bytes(sum(len(line) for log in logs for line in log.written))
            rng.choice(rotators).compress()
        time.sleep(rng.random() * rng.choice((0.001, 0.02)))
        driver.kill()
        for _ in range(rng.randrange(6)):
            rng.choice(rotators).act(up=False)
        driver.start(ready=rng.randrange(2))
    driver.kill()
    for log in logs:
        log.write(1)
    driver.start(ready=True)
    same_lines(driver.stop(), sum((log.written for log in logs), []))


# --- scenarios -----------------------------------------------------------------------------------


@scenario
def killed_at_random(stage):
    for seed in range(1, 11):
        try:
            with Stage(stage.binary) as own:
                restarts_at_random(own, seed, logs=2 if seed > 6 else 1)
        except AssertionError as why:
            raise AssertionError("seed %d: %s" % (seed, why))


def one_warning(driver, about):
    said = [line for line in driver.said if "level=warn" in line]
    if len(said) != 1 or about not in said[0]:
        raise AssertionError("got %r, want one warning about %s" % (said, about))


@scenario
def gone_while_down(stage):
    log = stage.log()
    driver = Mortal(stage, log.path)
    log.write(10)
    driver.stop()
    os.unlink(log.path)
    log.open()
    log.write(10)
    driver.start(ready=True)
    same_lines(driver.stop(), log.written)
    one_warning(driver, log.path)


@scenario
def damaged_archive(stage):
    log = stage.log()
    driver = Mortal(stage, log.path)
    log.write(10)
    driver.stop()
    log.write_at_once(20000)
    rotate_rename(log)
    subprocess.run(["gzip", log.path + ".1"], check=True)
    os.truncate(log.path + ".1.gz", os.path.getsize(log.path + ".1.gz") // 2)
    first = log.number
    log.write(10)
    driver.start(ready=True)
    got = driver.stop()
    one_warning(driver, ".1.gz")
    same(got[-10:], log.written[first:], "the file after it")
    same(got[:-10], log.written[:len(got) - 10], "a part of it")
    if len(got) < 1000:
        raise AssertionError("got %d lines, want what can be read" % len(got))


if __name__ == "__main__":
    tap.main(__doc__)
