#!/usr/bin/env python3
"""The agent's clock put back and forward: each line is counted once, and its year is right.

usage: test_clock.py path/to/mailvane path/to/faulty.so [SCENARIO...]
"""

import calendar
import contextlib
import glob
import os
import time

import tap
from agent import PATIENCE, until
from bench import Scraper, delivery, scenario, sent
from tap import Skip, same


class Clock:
    """The agent's wall clock, put forward and back; CLOCK_MONOTONIC and CLOCK_BOOTTIME go on."""

    def __init__(self, bench):
        found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        if not found:
            raise Skip("faketime is not installed")
        with open(bench.binary, "rb") as binary:
            if b"__asan_init" in binary.read():
                raise Skip("libfaketime does not start beside AddressSanitizer")
        self.file = os.path.join(bench.directory, "clock")
        self.bench = bench
        self.set(0)
        self.inside = (
            "env", "TZ=UTC", f"LD_PRELOAD={found[0]}", f"FAKETIME_TIMESTAMP_FILE={self.file}",
            "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1",
            "ASAN_OPTIONS=verify_asan_link_order=0",
        )

    def set(self, offset):
        self.offset = offset
        with open(self.file + ".new", "w", encoding="ascii") as out:
            out.write(f"{offset:+d}\n")
        os.rename(self.file + ".new", self.file)

    def set_to(self, moment):
        self.set(int(moment - time.time()))

    def now(self):
        return time.time() + self.offset

    @contextlib.contextmanager
    def writing(self):
        """What is written meanwhile is of the clock's time in the file system, too."""
        with self.bench.standing_still():
            yield
            os.utime(self.bench.log, (self.now(), self.now()))


DAY = 86400


@scenario
def clock_put_back(bench):
    """An hour, a day, a year: no counter lost, no series retired, timers go on, the state is saved."""
    bench.config += "series: { domains: 4 }\ncheck_interval: 1\n"
    clock = Clock(bench)
    scraper = Scraper()
    bench.start(inside=clock.inside)
    number = 0
    for offset in (0, -3600, -DAY, -400 * DAY, -401 * DAY, -10 * DAY, 0):
        clock.set(offset)
        with clock.writing():
            for _ in range(50):
                # All places are taken, and e.example waits for one that becomes free.
                for domain in "abcde" if offset else "abcd":
                    bench.append(delivery(number, f"{domain}.example").encode(), lines=1)
                    number += 1
        same(sent(bench.agent.scrape()), number, f"sent at {offset} s")
        scraper.scrape(bench)
        scraper.scrape(bench)

        def saved():
            at = bench.agent.scrape().sum("mailvane_checkpoint_timestamp_seconds")
            return abs(at - clock.now()) < PATIENCE

        until(saved, f"the state to be saved at {offset} s")
    domains = bench.agent.scrape().by("mailvane_domain_deliveries_total", "domain")
    same({(f"{d}.example",) for d in "abcd"} <= set(domains), True, f"a to d in {domains}")
    bench.kill()
    bench.start(inside=clock.inside)
    scraper.scrape(bench)
    same(sent(bench.agent.scrape()), number, "sent, after a kill")


@scenario
def clock_put_back_before_the_state(bench):
    """The state is of a later time than now: its places are still good, and rotations are read."""
    clock = Clock(bench)
    bench.begin(200, inside=clock.inside)
    bench.agent.stop()
    clock.set(-30 * DAY)
    for _ in range(2):
        bench.write(100)
        os.utime(bench.log, (clock.now(), clock.now()))
        bench.rename()
    bench.write(100)
    os.utime(bench.log, (clock.now(), clock.now()))
    bench.start(inside=clock.inside)
    bench.check("after")


@scenario
def clock_put_back_and_rotated(bench):
    """Rotated with files that are older than what was read: none of them is lost."""
    clock = Clock(bench)
    bench.begin(200, inside=clock.inside)
    clock.set(-DAY)
    for _ in range(5):
        with clock.writing():
            bench.write(50)
        bench.settle()
        bench.rename()
    with clock.writing():
        bench.write(50)
    bench.check("after")


# the agent's clock and the file's time; the stamp without a year; what it means
TURNS = (
    ("2027-12-31 23:59:58", "Dec 31 23:59:58", "2027-12-31 23:59:58"),
    ("2028-01-01 00:00:02", "Dec 31 23:59:59", "2027-12-31 23:59:59"),
    ("2028-01-01 00:00:03", "Jan  1 00:00:03", "2028-01-01 00:00:03"),
    ("2027-12-31 23:59:59", "Dec 31 23:59:59", "2027-12-31 23:59:59"),  # back over New Year
    ("2027-12-31 23:59:59", "Jan  1 00:00:01", "2028-01-01 00:00:01"),  # another clock's
    ("2028-02-28 23:59:59", "Feb 28 23:59:59", "2028-02-28 23:59:59"),
    ("2028-02-29 00:00:01", "Feb 29 00:00:01", "2028-02-29 00:00:01"),
    ("2028-03-01 00:00:01", "Feb 29 23:59:59", "2028-02-29 23:59:59"),
    ("2028-02-28 12:00:00", "Feb 29 11:00:00", "2028-02-29 11:00:00"),  # back before the leap day
    ("2027-02-28 23:59:59", "Mar  1 00:00:01", "2027-03-01 00:00:01"),  # a year back
    ("2029-03-01 00:00:01", "Feb 28 23:59:59", "2029-02-28 23:59:59"),  # two years on
    ("2029-03-01 00:00:02", "Feb 29 23:59:59", "2028-02-29 23:59:59"),
)


def moment(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


@scenario
def stamps_over_new_year_and_leap_day(bench):
    """Stamps without a year, while the clock steps over 31 December and 29 February, and back."""
    clock = Clock(bench)
    bench.start(inside=clock.inside)
    for number, (now, stamp, want) in enumerate(TURNS, 1):
        clock.set_to(moment(now))
        with clock.writing():
            bench.append(delivery(number, stamp=stamp).encode(), lines=1)
        samples = bench.settle()
        got = int(samples.sum("mailvane_log_last_line_timestamp_seconds"))
        same(time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(got)), want, f"{stamp!r} at {now}")
        same(sent(samples), number, f"sent after {stamp!r} at {now}")


if __name__ == "__main__":
    tap.main(__doc__, paths=2)
