#!/usr/bin/env python3
"""The agent under the eyes of real Prometheis: what increase() makes of a series that is new.

usage: test_prometheus.py path/to/mailvane [SCENARIO...]

TAP on stdout. Each Prometheus is a process of the test's own, on loopback and a free port,
with its configuration and its storage below a temporary directory; the machine's service is
neither used nor touched. Nothing is asserted about time: every wait has a limit and no more.
"""

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import tap
from agent import PATIENCE, Place, free_port, until
from tap import Skip, same

INTERVAL = 1  # seconds between two scrapes
CONFIG = """\
global: {{ scrape_interval: {interval}s, scrape_timeout: {interval}s }}
scrape_configs:
  - job_name: mailvane
    static_configs: [ {{ targets: ["127.0.0.1:{port}"] }} ]
"""
REFUSED = 'mailvane_deliveries_total{dsn="5.7.1",provider="google"}'


class Prometheus:
    """A Prometheus that scrapes one agent."""

    def __init__(self, program, directory, agent_port):
        os.mkdir(directory)
        self.port = free_port()
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(interval=INTERVAL, port=agent_port))
        self.said = os.path.join(directory, "stderr")
        with open(self.said, "wb") as errors:
            self.process = subprocess.Popen(
                [
                    program,
                    f"--config.file={config}",
                    f"--storage.tsdb.path={os.path.join(directory, 'data')}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=directory,
                start_new_session=True,
            )

    def ask(self, expression):
        """The values of an instant query; [] while it does not answer yet."""
        if self.process.poll() is not None:
            with open(self.said, encoding="utf-8", errors="replace") as said:
                raise AssertionError(f"prometheus has ended: {said.read()[-1000:]}")
        query = urllib.parse.urlencode({"query": expression})
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{query}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                rows = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is starting
                return []
            raise AssertionError(f"{expression}: {error}: {error.read()[:500]!r}") from error
        except OSError:
            return []
        return [float(row["value"][1]) for row in rows]

    def scrapes(self):
        return sum(self.ask("count_over_time(mailvane_build_info[1h])"))

    def wait_scrapes(self, want):
        """Until it has scraped so many times."""
        until(lambda: self.scrapes() >= want, f"{want} scrapes")

    def seen(self, expression=REFUSED):
        """All samples that it has of a series, oldest first."""
        query = urllib.parse.urlencode({"query": f"{expression}[1h]"})
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{query}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            rows = json.load(answer)["data"]["result"]
        same(len(rows) <= 1, True, f"one series of {expression} at most")
        return [float(value) for row in rows for _, value in row["values"]]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Room(Place):
    """A scenario's directory, with its agent and its Prometheis."""

    def __init__(self, binary):
        super().__init__(binary)
        self.program = shutil.which("prometheus")
        self.prometheis = []

    def watch(self, agent, scrapes=0):
        """A Prometheus that has scraped the agent so many times."""
        if not self.program:
            raise Skip("prometheus is not installed")
        directory = self.path(f"prometheus-{len(self.prometheis)}")
        prometheus = Prometheus(self.program, directory, agent.port)
        self.prometheis.append(prometheus)
        prometheus.wait_scrapes(scrapes)
        return prometheus

    def refuse(self, count=1):
        """Deliveries that Google refused."""
        with open(self.log, "ab", buffering=0) as out:
            for _ in range(count):
                line = self.delivery(dsn="5.7.1", status="bounced")
                out.write(line.replace(b"relay=mx.example.org", b"relay=aspmx.l.google.com"))

    def release(self):
        for prometheus in self.prometheis:
            prometheus.stop()
        super().release()


scenario = tap.scenario(Room)


def wait_increase(prometheus, what):
    """Until increase() is above 0; it must never be above what can have happened."""
    return until(lambda: sum(prometheus.ask(f"increase({REFUSED}[1m])")) > 0, what)


@scenario
def the_first_refusal_is_an_increase(room):
    agent = room.follow()
    prometheus = room.watch(agent, scrapes=2)
    same(prometheus.seen(), [], "samples before the first refusal")
    room.refuse()
    wait_increase(prometheus, "increase() > 0 at the first ever 5.7.1")
    got = prometheus.seen()
    same(got[:2], [0, 1], "the first samples: 0 once, then the value")
    same(prometheus.ask(f"resets({REFUSED}[1h])"), [0], "resets")


@scenario
def two_prometheis_on_one_host(room):
    agent = room.follow()
    both = [room.watch(agent, scrapes=2) for _ in range(2)]
    room.refuse()
    for name, prometheus in zip(("first", "second"), both):
        wait_increase(prometheus, f"increase() > 0 at the {name}")
        same(prometheus.seen()[:2], [0, 1], f"the first samples of the {name}")
    samples = agent.scrape()
    same(samples.sum("mailvane_scrapers"), 2, "scrapers")


@scenario
def the_first_refusal_before_prometheus_came(room):
    agent = room.follow()
    room.refuse()
    same(agent.scrape().sum("mailvane_deliveries_total", dsn="5.7.1"), 1, "counted")
    prometheus = room.watch(agent)
    wait_increase(prometheus, "increase() > 0")
    same(prometheus.seen()[:2], [0, 1], "the first samples")


def expect_old_total(prometheus, total, what):
    """It has the total from its first sample on, and an increase only of what comes now."""
    prometheus.wait_scrapes(4)
    same(set(prometheus.seen()), {total}, f"samples of {what}")
    same(prometheus.ask(f"increase({REFUSED}[1m])"), [0], f"increase of {what}")


@scenario
def a_late_prometheus_sees_no_burst(room):
    agent = room.follow()
    early = room.watch(agent, scrapes=2)
    room.refuse(50)
    wait_increase(early, "increase() > 0 at the early one")
    early.wait_scrapes(early.scrapes() + 2)
    late = room.watch(agent)
    expect_old_total(late, 50, "a total that is older than the late one")
    room.refuse()
    wait_increase(late, "increase() > 0 at the late one")
    same(set(late.seen()), {50, 51}, "all samples of the late one")


@scenario
def old_lines_are_no_burst(room):
    room.refuse(50)
    agent = room.start("--from-start")
    prometheus = room.watch(agent)
    expect_old_total(prometheus, 50, "a total of lines from before the start")
    room.refuse()
    wait_increase(prometheus, "increase() > 0 of what came later")
    same(set(prometheus.seen()), {50, 51}, "all samples")


@scenario
def a_prometheus_that_was_away(room):
    """It comes back on a new connection, and what it has not seen is 0 for it once."""
    agent = room.follow()
    first = room.watch(agent, scrapes=2)
    first.stop()
    room.refuse()
    second = room.watch(agent)
    wait_increase(second, "increase() > 0 after a restart of Prometheus")
    same(second.seen()[:2], [0, 1], "the first samples")
    same(agent.scrape().sum("mailvane_scrapers"), 1, "scrapers: it is the same")


if __name__ == "__main__":
    tap.main(__doc__)
