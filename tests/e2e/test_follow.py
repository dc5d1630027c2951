#!/usr/bin/env python3
"""Following files, from outside: a writer that never sleeps, and every line counted once.

usage: test_follow.py DRIVER [SCENARIO...]     (DRIVER: tests/e2e/follow_driver.c)

Each scenario writes lines "FILE-AGE NUMBER" and knows what it wrote. What the
driver printed must be the same lines, each once, and for each age of a file in
the order in which they were written.
"""
import collections
import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

OVERFLOW_LIMIT = "/proc/sys/fs/inotify/max_queued_events"


class Skip(Exception):
    pass


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


def equal(name, got, want):
    if got != want:
        raise AssertionError("%s: got %r, want %r" % (name, got, want))


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


# --- restarts ------------------------------------------------------------------------------------

class Mortal:
    """A driver with a state file, killed and started again. What it counted is in a file."""

    def __init__(self, binary, tmp, *patterns, every=1):
        self.state, self.out = tmp + "/state", tmp + "/out"
        self.args = [binary, "--stats", "--state", self.state, "--every", str(every), *patterns]
        self.process = None
        self.said = []
        open(self.out, "w").close()
        self.start(ready=True)

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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()

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


def restarts_at_random(binary, tmp, seed, logs=1):
    """Half of the seeds rotate to numbers, half to dates; two logs are followed by a glob."""
    rng = random.Random(seed)
    logs = [Log("%s/mail%d.log" % (tmp, i), "m%d" % i).open() for i in range(logs)]
    pattern = logs[0].path if len(logs) == 1 else tmp + "/mail?.log"
    rotators = [Rotator(log, rng, dates=seed % 2 == 0) for log in logs]
    with Mortal(binary, tmp, pattern, every=rng.choice((1, 1, 2, 7))) as driver:
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

def many(binary, tmp, rotate, count):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    for i in range(10000):
        if i and i % 200 == 0:
            rotate(log)
        log.write()
    same_lines(driver.stop(), log.written)
    stats = driver.stats()
    equal("rotations", stats[count], 49)
    equal("lost_bytes", stats["lost_bytes"], 0)
    equal("read_bytes", stats["read_bytes"], sum(map(len, log.written)))


def rename_every_200_lines(binary, tmp):
    many(binary, tmp, rotate_rename, "renames")


def copytruncate_every_200_lines(binary, tmp):
    many(binary, tmp, rotate_copytruncate, "truncates")


def rename_to_dates(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    for i in range(4000):
        if i and i % 100 == 0:
            os.rename(log.path, "%s/mail-2024%02d%02d.log" % (tmp, i // 1000 + 1, i // 100 % 10 + 1))
            log.open()
        log.write()
    same_lines(driver.stop(), log.written)


def copytruncate_to_dates(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    for i in range(4000):
        if i and i % 100 == 0:
            shutil.copyfile(log.path, "%s-2024%04d" % (log.path, 1000 + i // 100))
            log.truncate()
        log.write()
    same_lines(driver.stop(), log.written)


def rename_and_copytruncate_in_turn(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    for i in range(4000):
        if i and i % 200 == 0:
            (rotate_rename if i % 400 else rotate_copytruncate)(log)
        log.write()
    same_lines(driver.stop(), log.written)


def all_rotations_at_once(binary, tmp, rotate, count):
    """The driver stands still while the log is rotated ten times."""
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    driver.wait_for(log.write(5))
    driver.process.send_signal(signal.SIGSTOP)
    for _ in range(10):
        log.write(20)
        rotate(log)
    log.write(5)
    driver.process.send_signal(signal.SIGCONT)
    got = driver.stop()
    same_lines(got, log.written)
    if got != log.written:
        raise AssertionError("the files were not read in the order of rotation")
    equal("rotations", driver.stats()[count], 10)


def renames_while_stopped(binary, tmp):
    all_rotations_at_once(binary, tmp, rotate_rename, "renames")


def copytruncates_while_stopped(binary, tmp):
    all_rotations_at_once(binary, tmp, rotate_copytruncate, "truncates")


def truncated_without_copy(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    driver.wait_for(log.write(10))
    log.truncate()
    driver.wait_for(log.write(3))
    # Truncated and grown beyond what was read, unseen.
    driver.process.send_signal(signal.SIGSTOP)
    log.truncate()
    log.write(50)
    driver.process.send_signal(signal.SIGCONT)
    same_lines(driver.stop(), log.written)
    equal("truncates", driver.stats()["truncates"], 2)
    equal("lost_bytes", driver.stats()["lost_bytes"], 0)


def same_content_again(binary, tmp):
    """Nobody can know whether these are new lines; the next ones count in any case."""
    path = tmp + "/mail.log"
    log = Log(path).open()
    driver = Driver(binary, path)
    log.write(10)
    driver.wait_for(log.written[-1])
    text = open(path).read()
    log.truncate()
    with open(path, "w") as again:
        again.write(text)
    driver.wait_for(log.write())
    got = driver.stop()
    equal("last line", got[-1], log.written[-1])
    if len(got) > 21:
        raise AssertionError("got %d lines, want 21 at most" % len(got))


def late_file(binary, tmp):
    driver = Driver(binary, tmp + "/mail.log")
    log = Log(tmp + "/mail.log").open()
    driver.wait_for(log.write(10))
    log.write(10)
    same_lines(driver.stop(), log.written)


def late_file_rotated_at_once(binary, tmp):
    driver = Driver(binary, tmp + "/mail.log")
    log = Log(tmp + "/mail.log").open()
    for _ in range(10):
        log.write(10)
        rotate_rename(log)
    log.write(10)
    same_lines(driver.stop(), log.written)


def late_directory(binary, tmp):
    directory = tmp + "/a/b/c"
    driver = Driver(binary, directory + "/mail.log")
    os.makedirs(directory)
    log = Log(directory + "/mail.log").open()
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written)


def directory_removed_and_recreated(binary, tmp):
    directory = tmp + "/a/b"
    os.makedirs(directory)
    log = Log(directory + "/mail.log").open()
    driver = Driver(binary, log.path)
    for _ in range(5):
        driver.wait_for(log.write(10))
        shutil.rmtree(tmp + "/a")
        os.makedirs(directory)
        log.open()
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written)


def directory_moved_and_back(binary, tmp):
    directory = tmp + "/logs"
    os.mkdir(directory)
    log = Log(directory + "/mail.log").open()
    log.write(3, expected=False)
    rotate_rename(log)
    driver = Driver(binary, log.path)
    driver.wait_for(log.write(10))
    os.rename(directory, directory + ".away")
    other = Log(directory + "/mail.log", "b")
    os.mkdir(directory)
    other.open()
    driver.wait_for(other.write(10))
    shutil.rmtree(directory)
    os.rename(directory + ".away", directory)
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written + other.written)


def symlink_switched(binary, tmp):
    os.mkdir(tmp + "/one")
    os.mkdir(tmp + "/two")
    one, two = Log(tmp + "/one/mail", "one").open(), Log(tmp + "/two/mail", "two").open()
    os.symlink(one.path, tmp + "/mail.log")
    driver = Driver(binary, tmp + "/mail.log")
    driver.wait_for(one.write(10))
    os.symlink(two.path, tmp + "/new")
    os.rename(tmp + "/new", tmp + "/mail.log")
    driver.wait_for(two.write(10))
    one.write(5)
    same_lines(driver.stop(), one.written + two.written)


def symlinked_directory_switched(binary, tmp):
    os.mkdir(tmp + "/one")
    os.mkdir(tmp + "/two")
    one, two = Log(tmp + "/one/mail.log", "one").open(), Log(tmp + "/two/mail.log", "two").open()
    os.symlink("one", tmp + "/now")
    driver = Driver(binary, tmp + "/now/mail.log")
    driver.wait_for(one.write(10))
    os.unlink(tmp + "/now")
    os.symlink("two", tmp + "/now")
    driver.wait_for(two.write(10))
    same_lines(driver.stop(), one.written + two.written)


def symlink_target_rotated(binary, tmp):
    os.mkdir(tmp + "/target")
    log = Log(tmp + "/target/real.log").open()
    os.symlink("target/real.log", tmp + "/mail.log")
    driver = Driver(binary, tmp + "/mail.log")
    for i in range(2000):
        if i and i % 100 == 0:
            rotate_rename(log)
        log.write()
    same_lines(driver.stop(), log.written)
    equal("renames", driver.stats()["renames"], 19)


def symlink_dangling(binary, tmp):
    os.symlink("target/real.log", tmp + "/mail.log")
    driver = Driver(binary, tmp + "/mail.log")
    os.mkdir(tmp + "/target")
    log = Log(tmp + "/target/real.log").open()
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written)


def glob_with_new_matches(binary, tmp):
    logs = [Log(tmp + "/mail%d.log" % i, "m%d" % i) for i in range(5)]
    logs[0].open().write(3, expected=False)
    driver = Driver(binary, tmp + "/mail*.log")
    for i, log in enumerate(logs):
        if i:
            log.open()
        log.write(10)
    driver.wait_for(logs[4].written[-1])
    rotate_rename(logs[2])
    for log in logs:
        log.write(10)
    same_lines(driver.stop(), sum((log.written for log in logs), []))


def glob_of_directories(binary, tmp):
    driver = Driver(binary, tmp + "/*/mail.log")
    logs = []
    for i in range(3):
        os.mkdir(tmp + "/host%d" % i)
        logs.append(Log(tmp + "/host%d/mail.log" % i, "h%d" % i).open())
        driver.wait_for(logs[-1].write(10))
    same_lines(driver.stop(), sum((log.written for log in logs), []))


def glob_that_matches_rotated_files(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, tmp + "/mail.log*")
    for i in range(2000):
        if i and i % 100 == 0:
            (rotate_rename if i % 200 else rotate_copytruncate)(log)
        log.write()
    same_lines(driver.stop(), log.written)


def glob_from_start(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    for _ in range(3):
        log.write(10)
        rotate_rename(log)
    log.write(10)
    driver = Driver(binary, "--from-start", tmp + "/mail.log*")
    driver.wait_for(log.written[-1])
    rotate_rename(log)
    log.write(10)
    got = driver.stop()
    same_lines(got, log.written)
    if got != log.written:
        raise AssertionError("the rotated files were not read first")


def from_start(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    log.write(10, expected=False)
    rotate_rename(log)
    log.write(10)
    driver = Driver(binary, "--from-start", log.path)
    log.write(10)
    same_lines(driver.stop(), log.written)


def from_end(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    log.write(10, expected=False)
    rotate_rename(log)
    log.write(10, expected=False)
    driver = Driver(binary, log.path)
    log.write(10)
    same_lines(driver.stop(), log.written)


def partial_line_completed_later(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    os.write(log.fd, b"a-1 begun before ")
    driver = Driver(binary, log.path)
    os.write(log.fd, b"and ended after the start\n")
    log.written.append("a-1 begun before and ended after the start\n")
    driver.wait_for(log.written[-1])
    for i in range(20):
        log.write(3)
        text = log.line()
        for byte in text.encode():
            os.write(log.fd, bytes([byte]))
        log.written.append(text)
    same_lines(driver.stop(), log.written)


def partial_line_and_rotation(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    driver.wait_for(log.write(3))
    text = log.line()
    os.write(log.fd, text[:5].encode())
    old = log.fd
    log.fd = -1
    rotate_rename(log)
    driver.wait_for(log.write(3))
    os.write(old, text[5:].encode())
    os.close(old)
    driver.wait_for(text)
    same_lines(driver.stop(), log.written + [text])


def long_line_skipped_and_counted(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    log.write(10)
    for _ in range(10):
        os.write(log.fd, b"z" * (1 << 20))
    os.write(log.fd, b"\n")
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written)
    equal("long_lines", driver.stats()["long_lines"], 1)


def overflow(binary, tmp):
    try:
        with open(OVERFLOW_LIMIT) as limit:
            usual = limit.read()
        with open(OVERFLOW_LIMIT, "w") as limit:
            limit.write("16")
    except OSError as why:
        raise Skip(str(why))
    logs = [Log(tmp + "/mail%d.log" % i, "m%d" % i).open() for i in range(8)]
    try:
        driver = Driver(binary, tmp + "/mail*.log")
        driver.process.send_signal(signal.SIGSTOP)
        for i in range(400):
            for log in logs:
                log.write()
                if i % 50 == 49:
                    rotate_rename(log)
        logs.append(Log(tmp + "/mail9.log", "m9").open())
        logs[-1].write(10)
        driver.process.send_signal(signal.SIGCONT)
        driver.wait_for(logs[-1].write(10))
        same_lines(driver.stop(), sum((log.written for log in logs), []))
        if driver.stats()["overflows"] == 0:
            raise AssertionError("got no overflow, want one")
    finally:
        with open(OVERFLOW_LIMIT, "w") as limit:
            limit.write(usual)


def inode_reuse(binary, tmp):
    """Deleted and made again many times: file systems like to give the same inode."""
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    for _ in range(30):
        last = log.write(5)
        driver.wait_for(last)
        os.unlink(log.path)
        log.open()
    driver.wait_for(log.write(5))
    same_lines(driver.stop(), log.written)
    equal("renames", driver.stats()["renames"], 0)


def inode_reuse_while_rotating(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    for i in range(100):
        driver.wait_for(log.write(5))
        (rotate_rename if i % 2 else rotate_copytruncate)(log, keep=2)
        if os.path.exists(log.path + ".2"):
            os.unlink(log.path + ".2")
    log.write(5)
    same_lines(driver.stop(), log.written)


def backup_copy_not_counted(binary, tmp, rotate):
    log = Log(tmp + "/mail.log").open()
    log.write(20)
    driver = Driver(binary, "--from-start", log.path)
    driver.wait_for(log.written[-1])
    for name in (".bak", ".2024", "-20240131"):
        shutil.copyfile(log.path, log.path + name)
        driver.wait_for(log.write(20))
    # And one made right before the rotation, unseen.
    driver.process.send_signal(signal.SIGSTOP)
    shutil.copyfile(log.path, log.path + ".20240201")
    log.write(5)
    rotate(log)
    log.write(5)
    driver.process.send_signal(signal.SIGCONT)
    driver.wait_for(log.written[-1])
    shutil.copyfile(log.path + ".1", log.path + ".20240202")
    rotate(log)
    log.write(5)
    same_lines(driver.stop(), log.written)


def backup_copy_and_rename(binary, tmp):
    backup_copy_not_counted(binary, tmp, rotate_rename)


def backup_copy_and_copytruncate(binary, tmp):
    backup_copy_not_counted(binary, tmp, rotate_copytruncate)


def old_file_unpacked_beside(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    driver.wait_for(log.write(10))
    other = Log(tmp + "/mail.log.7", "old").open()
    other.write(10)
    os.utime(other.path, (1e9, 1e9))
    rotate_rename(log)
    log.write(10)
    same_lines(driver.stop(), log.written)


def other_logs_with_a_longer_name(binary, tmp):
    log = Log(tmp + "/mail").open()
    others = [Log(tmp + "/mail" + end, "o").open() for end in (".err", ".warn-20240131", "-b2.log")]
    driver = Driver(binary, log.path)
    for _ in range(10):
        for one in [log] + others:
            one.write(10)
        rotate_rename(log)
        others.append(Log(tmp + "/mail.info%d" % len(others), "o").open())
    log.write(10)
    same_lines(driver.stop(), log.written)


def writer_continues_on_the_renamed_file(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    driver.wait_for(log.write(10))
    old = Log(log.path, "old")
    old.fd, log.fd = log.fd, -1
    rotate_rename(log)
    for _ in range(20):
        driver.wait_for(old.write(10))
        driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written + old.written)


def deleted_and_recreated(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    for _ in range(20):
        driver.wait_for(log.write(10))
        os.unlink(log.path)
        log.write(10)  # to the file without a name
        log.open()
    log.write(10)
    same_lines(driver.stop(), log.written)


def moved_back(binary, tmp):
    """An admin puts the rotated file back in its place: what was read stays read."""
    log = Log(tmp + "/mail.log").open()
    driver = Driver(binary, log.path)
    driver.wait_for(log.write(10))
    os.rename(log.path, log.path + ".1")
    other = Log(log.path, "b").open()
    driver.wait_for(other.write(10))
    os.rename(log.path + ".1", log.path)
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written + other.written)


def overlapping_sources(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    other = Log(tmp + "/mail.err", "err").open()
    os.symlink("mail.log", tmp + "/link.log")
    driver = Driver(binary, log.path, tmp + "/mail.*", tmp + "/link.log", tmp + "/../"
                    + os.path.basename(tmp) + "/mail.log")
    for i in range(1000):
        if i and i % 100 == 0:
            (rotate_rename if i % 200 else rotate_copytruncate)(log)
        log.write()
        other.write()
    got = driver.stop()
    same_lines(got, ["0 " + line for line in log.written] + ["1 " + line for line in other.written])


def made_readable_later(binary, tmp):
    """logrotate creates the new file before it gives it to the group that may read."""
    if os.getuid() != 0:
        raise Skip("needs root, to run the driver as somebody else")
    os.chmod(tmp, 0o755)
    copy = tmp + "/driver"
    shutil.copy(binary, copy)
    os.chmod(copy, 0o755)
    log = Log(tmp + "/mail.log").open()
    os.chmod(log.path, 0o600)
    driver = Driver(copy, log.path, user=65534)
    os.chmod(log.path, 0o644)
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written)


def killed_at_random(binary, tmp):
    for seed in range(1, 11):
        directory = "%s/%d" % (tmp, seed)
        os.mkdir(directory)
        try:
            restarts_at_random(binary, directory, seed, logs=2 if seed > 6 else 1)
        except AssertionError as why:
            raise AssertionError("seed %d: %s" % (seed, why))


def one_warning(driver, about):
    said = [line for line in driver.said if "level=warn" in line]
    if len(said) != 1 or about not in said[0]:
        raise AssertionError("got %r, want one warning about %s" % (said, about))


def gone_while_down(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Mortal(binary, tmp, log.path)
    log.write(10)
    driver.stop()
    os.unlink(log.path)
    log.open()
    log.write(10)
    driver.start(ready=True)
    same_lines(driver.stop(), log.written)
    one_warning(driver, log.path)


def damaged_archive(binary, tmp):
    log = Log(tmp + "/mail.log").open()
    driver = Mortal(binary, tmp, log.path)
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
    equal("the file after it", got[-10:], log.written[first:])
    equal("a part of it", got[:-10], log.written[:len(got) - 10])
    if len(got) < 1000:
        raise AssertionError("got %d lines, want what can be read" % len(got))


SCENARIOS = [
    rename_every_200_lines, copytruncate_every_200_lines, rename_to_dates, copytruncate_to_dates,
    rename_and_copytruncate_in_turn, renames_while_stopped, copytruncates_while_stopped,
    truncated_without_copy, same_content_again, late_file, late_file_rotated_at_once,
    late_directory, directory_removed_and_recreated, directory_moved_and_back, symlink_switched,
    symlinked_directory_switched, symlink_target_rotated, symlink_dangling, glob_with_new_matches,
    glob_of_directories, glob_that_matches_rotated_files, glob_from_start, from_start, from_end,
    partial_line_completed_later, partial_line_and_rotation, long_line_skipped_and_counted,
    overflow, inode_reuse, inode_reuse_while_rotating, backup_copy_and_rename,
    backup_copy_and_copytruncate, old_file_unpacked_beside, other_logs_with_a_longer_name,
    writer_continues_on_the_renamed_file, deleted_and_recreated, moved_back, overlapping_sources,
    made_readable_later, killed_at_random, gone_while_down, damaged_archive,
]


def run(scenario, binary):
    """The result as a TAP line without its number."""
    name = scenario.__name__
    tmp = os.path.realpath(tempfile.mkdtemp(prefix="follow-"))
    try:
        scenario(binary, tmp)
        return "ok", name
    except Skip as why:
        return "ok", "%s # SKIP %s" % (name, why)
    except AssertionError as why:
        return "not ok", "%s: %s" % (name, why)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    binary = os.path.abspath(sys.argv[1])
    chosen = [s for s in SCENARIOS if len(sys.argv) == 2 or s.__name__ in sys.argv[2:]]
    failed = 0
    print("1..%d" % len(chosen))
    for number, scenario in enumerate(chosen, 1):
        result, text = run(scenario, binary)
        failed += result != "ok"
        print("%s %d - %s" % (result, number, text), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
