"""A running agent, its exposition, and a directory with a log for it: what tests of it share."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from tap import Skip, same

PATIENCE = 60  # seconds: only a limit, nothing is expected to take that long
SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
MEMORY_GROWTH_KIB = 4096
# The machine may have a Postfix, whose queue is nobody's business here.
NO_QUEUE = "queue: []\n"
# Who is shown what there is; a scraper is shown what is new to it at 0 first.
PERSON = "curl/7.88.1"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def promtool_on(page):
    """What `promtool check metrics` makes of a page: its status and its words."""
    promtool = shutil.which("promtool")
    if not promtool:
        raise Skip("promtool is not installed")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=page,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def until(condition, what):
    """Waits until the condition holds; returns what it gave."""
    end = time.monotonic() + PATIENCE
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE} s in vain for {what}")
        time.sleep(0.02)
    return result


class Samples:
    """One exposition: what its samples add up to."""

    def __init__(self, text):
        self.rows = []
        for line in text.splitlines():
            found = SAMPLE.match(line)
            if found:
                labels = dict(LABEL.findall(found[2] or ""))
                self.rows.append((found[1], labels, float(found[3])))

    def sum(self, metric, **labels):
        return sum(value for _, value in self.having(metric, labels))

    def having(self, metric, labels):
        return [
            (have, value)
            for name, have, value in self.rows
            if name == metric and all(have.get(k, "") == v for k, v in labels.items())
        ]

    def by(self, metric, *names):
        """The samples of a metric, added up by these labels; those that are 0 are left out."""
        sums = {}
        for have, value in self.having(metric, {}):
            key = tuple(have.get(name, "") for name in names)
            sums[key] = sums.get(key, 0) + int(value)
        return {key: value for key, value in sums.items() if value}


class Agent:
    """A running agent on a free port. `config` is YAML without the section `web`.

    `inside` is a command that in the end executes what follows it.
    """

    def __init__(self, binary, directory, config, *flags, listen="127.0.0.1:0", inside=()):
        self.config_file = os.path.join(directory, "mailvane.yml")
        with open(self.config_file, "w", encoding="utf-8") as out:
            queue = "" if "queue:" in config else NO_QUEUE
            out.write(f'{config}\n{queue}web: {{ listen: ["{listen}"] }}\n')
        self.said = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [*inside, binary, "--config.file", self.config_file, *flags],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # Ctrl-C is for the one who started us, who then stops the agent.
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._listen, daemon=True)
        self.reader.start()
        try:
            self.port = int(self.wait_said(r"listening on .*, port (\d+)")[1])
            until(self.is_ready, "the agent to be ready")
        except BaseException:
            self.kill()
            raise

    def _listen(self):
        for line in self.process.stderr:
            with self.changed:
                self.said.append(line)
                self.changed.notify_all()
        with self.changed:
            self.said.append("")
            self.changed.notify_all()

    def wait_said(self, pattern, after=0):
        """Waits for a message; `after`: how many lines it had said before."""

        def found():
            hits = (re.search(pattern, line) for line in self.said[after:])
            return next((hit for hit in hits if hit), None) or self.said[-1:] == [""]

        with self.changed:
            hit = self.changed.wait_for(found, PATIENCE)
        if not isinstance(hit, re.Match):
            raise AssertionError(f"got no message like {pattern!r} in {''.join(self.said)!r}")
        return hit

    def is_ready(self):
        return self.get("/-/ready")[0] == 200

    def request(self, method, path, agent=PERSON, source="127.0.0.1"):
        client = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=PATIENCE, source_address=(source, 0)
        )
        client.request(method, path, headers={"User-Agent": agent})
        answer = client.getresponse()
        body = answer.read().decode("utf-8")
        client.close()
        return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), body

    def get(self, path):
        status, _, body = self.request("GET", path)
        return status, body

    def scrape(self, agent=PERSON, source="127.0.0.1"):
        status, _, body = self.request("GET", "/metrics", agent, source)
        same(status, 200, "status of /metrics")
        return Samples(body)

    def status_number(self, name):
        """A number of /proc/PID/status."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))

    def process_state(self):
        """The letter that ps shows: T where it stands still."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stderr.close()
        return status

    def kill(self):
        """For the end of a scenario that failed; harmless after stop()."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


# --- a directory with a log -------------------------------------------------------------


class Place:
    """A scenario's directory, as a context; its agents end with it."""

    def __init__(self, binary):
        self.binary = binary
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="mailvane-agent-"))
        os.chmod(self.dir, 0o755)  # root's agent may become another user
        self.log = self.path("mail.log")
        self.agents = []
        self.lines = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, *flags, config=None, **how):
        config = config or f"sources: [{{ file: {self.log} }}]"
        agent = Agent(self.binary, self.dir, config, *flags, **how)
        self.agents.append(agent)
        return agent

    def follow(self):
        """An agent that has found an empty log."""
        self.write(0)
        return self.start()

    def run(self, *args):
        """A command that ends by itself: status, what it said on stderr."""
        done = self.done(*args)
        return done.returncode, done.stderr

    def check(self, path):
        """mailvane check: status, its findings on stdout."""
        done = self.done("check", "--config.file", path)
        return done.returncode, done.stdout

    def done(self, *args):
        return subprocess.run(
            [self.binary, *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def file(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)
        return self.path(name)

    def write(self, count=1, path=None, **fields):
        with open(path or self.log, "ab", buffering=0) as out:
            for _ in range(count):
                out.write(self.delivery(**fields))

    def delivery(self, domain="example.org", dsn="2.0.0", status="sent"):
        """A line of a delivery; each has a queue id of its own."""
        self.lines += 1
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime())
        return (
            f"{stamp} mx1 postfix/smtp[4711]: {self.lines:010X}: to=<secret.local.part@{domain}>, "
            f"relay=mx.example.org[192.0.2.1]:25, delay=1, delays=0.1/0.1/0.4/0.4, dsn={dsn}, "
            f"status={status} (250 2.0.0 Ok: to secret.local.part@{domain})\n"
        ).encode("ascii")

    def release(self):
        for agent in self.agents:
            agent.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


def sent(agent):
    return int(agent.scrape().sum("mailvane_deliveries_total", status="sent", dsn="2.0.0"))


def counted(agent):
    return int(agent.scrape().sum("mailvane_deliveries_total"))
