#!/usr/bin/env python3
"""The agent at work on a log that grows: what `make run` shows.

usage: run_demo.py path/to/mailvane [--listen HOST:PORT] [--rate LINES] [--seconds N]

A real Postfix log (tests/data/postfix/main) is written over and over into a
temporary file, with the time of now and, in each round, with queue ids of its
own: a message of the second round is another message. Nothing outside the
temporary directory is touched. Ends with Ctrl-C, or after --seconds.
"""

import argparse
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
LOG = os.path.join(HERE, "data", "postfix", "main", "maillog.log")
LISTEN = "127.0.0.1:9925"
TICK = 0.1  # seconds between two writes
LOG_BYTES_MAX = 8 << 20  # then the log is rotated, so that the disk does not fill
SHOW_AFTER = 4  # seconds until there is something to show
PATIENCE = 30

STAMP = re.compile(r"^[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d ")
HEX_WORD = re.compile(r"\b[0-9A-F]{6,}\b")
QUEUE_ID = re.compile(r"\]: (?:warning: )?([0-9A-F]{6,}): ")

# The transports of that log, with the public addresses that they stand for.
CONFIG = """\
sources: [{{ file: {log}, format: postfix }}]
web: {{ listen: ["{listen}"] }}
log: {{ level: warn }}
sending_ips:
  default: 203.0.113.13
  map:
    "postfix/out-203.0.113.10": 203.0.113.10
    "postfix/out-203.0.113.11": 203.0.113.11
    "postfix/pool-b": 203.0.113.12
"""

FIRST = "curl -s {url} | grep '^mailvane_deliveries_total.*google'"
COMMANDS = (
    ("Deliveries to one provider, by status and enhanced code:", FIRST),
    (
        "What fails at Microsoft, from which of our addresses:",
        "curl -s {url} | grep '^mailvane_deliveries_total.*microsoft' | grep -v '\"sent\"'",
    ),
    (
        "First attempts by sending address (retries left out):",
        "curl -s {url} | grep '^mailvane_first_attempts_total.*203.0.113.11'",
    ),
    (
        "Which domain is behind it:",
        "curl -s {url} | grep '^mailvane_domain_deliveries_total' | grep deferred",
    ),
    (
        "Lines read, and whether each was understood:",
        "curl -s {url} | grep '^mailvane_log_lines_total'",
    ),
)


class Trouble(Exception):
    """Why the demonstration cannot go on: a sentence."""


def is_free(listen):
    host, _, port = listen.rpartition(":")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, int(port)))
        except OSError:
            return False
    return True


def choose_listen(asked):
    """The address asked for, else the usual one, else any port that is free."""
    if asked:
        if not re.fullmatch(r"[0-9.]+:\d{1,5}", asked) or int(asked.rpartition(":")[2]) > 65535:
            raise Trouble(f'--listen: "{asked}" is no IPv4 address with a port')
        if not is_free(asked):
            raise Trouble(f"{asked} is taken or not an address of this machine; try another")
        return asked
    if is_free(LISTEN):
        return LISTEN
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{sock.getsockname()[1]}"
    print(f"{LISTEN} is taken; using {listen} instead.")
    return listen


class Feeder(threading.Thread):
    """Appends the log's lines at a steady rate, endlessly."""

    def __init__(self, path, rate):
        super().__init__(daemon=True)
        self.path, self.rate = path, rate
        self.ending = threading.Event()
        self.written = 0
        with open(LOG, encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            self.lines = [STAMP.sub("", line) for line in lines]
        self.ids = {m[1] for m in map(QUEUE_ID.search, self.lines) if m}

    def rounds(self):
        """Lines without a stamp; what a round adds to its queue ids is no other round's."""

        def renew(found):
            return f"{found[0]}{number:X}" if found[0] in self.ids else found[0]

        for number in itertools.count():
            for line in self.lines:
                yield HEX_WORD.sub(renew, line)

    def batch(self, rounds, count):
        """So many lines, stamped as rsyslog does."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        stamp += f".{int(now % 1 * 1e6):06d}+00:00 "
        lines = "".join(stamp + next(rounds) for _ in range(count))
        return lines.encode("utf-8", "surrogateescape")

    def run(self):
        rounds = self.rounds()
        start = time.monotonic()
        while not self.ending.is_set():
            with open(self.path, "ab", buffering=0) as out:
                while out.tell() < LOG_BYTES_MAX and not self.ending.wait(TICK):
                    due = int((time.monotonic() - start) * self.rate) - self.written
                    out.write(self.batch(rounds, due))
                    self.written += due
            if not self.ending.is_set():
                os.replace(self.path, self.path + ".1")

    def end(self):
        self.ending.set()
        self.join(PATIENCE)


def start_agent(binary, directory, listen, log):
    config = os.path.join(directory, "mailvane.yml")
    with open(config, "w", encoding="utf-8") as out:
        out.write(CONFIG.format(log=log, listen=listen))
    # Ctrl-C is for this script, which then stops the agent.
    return subprocess.Popen([binary, "--config.file", config], start_new_session=True)


def wait_ready(agent, listen):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if agent.poll() is not None:
            raise Trouble(f"mailvane ended with status {agent.returncode}")
        try:
            with urllib.request.urlopen(f"http://{listen}/-/ready", timeout=PATIENCE):
                return
        except OSError:
            time.sleep(0.05)
    raise Trouble(f"mailvane does not answer on {listen}")


def introduce(listen, log):
    url = f"http://{listen}/metrics"
    print(f"\nmailvane follows {log}\nand serves {url} (a page for people: http://{listen}/)\n")
    print("Try, in another terminal:\n")
    for what, command in COMMANDS:
        print(f"  # {what}\n  {command.format(url=url)}\n", flush=True)


def show_first(listen):
    url = f"http://{listen}/metrics"
    command = FIRST.format(url=url)
    pattern = command.split("'")[1]
    # As curl: to a scraper new series would be shown at 0 first.
    request = urllib.request.Request(url, headers={"User-Agent": "curl/7.88.1"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        lines = answer.read().decode("utf-8").splitlines()
    print(f"$ {command}")
    for line in lines:
        if re.search(pattern, line):
            print(line)
    print("\nCtrl-C ends it.", flush=True)


def stay(agent, feeder, seconds):
    """Until Ctrl-C, the time asked for, or trouble."""
    end = time.monotonic() + seconds if seconds is not None else float("inf")
    while time.monotonic() < end:
        if agent.poll() is not None:
            raise Trouble(f"mailvane ended with status {agent.returncode}")
        if not feeder.is_alive():
            raise Trouble("the log is not written any more; is the disk full?")
        time.sleep(min(TICK, max(0, end - time.monotonic())))


def show(binary, listen, rate, seconds, directory):
    log = os.path.join(directory, "mail.log")
    with open(log, "xb"):
        pass
    agent = start_agent(binary, directory, listen, log)
    feeder = Feeder(log, rate)
    began = time.monotonic()
    try:
        wait_ready(agent, listen)
        introduce(listen, log)
        feeder.start()
        stay(agent, feeder, SHOW_AFTER if seconds is None else min(SHOW_AFTER, seconds))
        show_first(listen)
        stay(agent, feeder, None if seconds is None else seconds - (time.monotonic() - began))
    finally:
        if feeder.is_alive():
            feeder.end()
        if agent.poll() is None:
            agent.terminate()
            agent.wait(PATIENCE)
        print(f"\n{feeder.written} lines written; mailvane ended with status {agent.returncode}.")
    return 1 if agent.returncode else 0


def positive(text):
    number = float(text)
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("binary", help="the program, build/mailvane")
    parser.add_argument("--listen", metavar="HOST:PORT", help=f"default {LISTEN}, if it is free")
    parser.add_argument("--rate", type=positive, default=200, help="lines a second (200)")
    parser.add_argument("--seconds", type=positive, help="end by itself after that time")
    return parser.parse_args()


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # A shell has its background commands ignore it, and we would, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    directory = None
    try:
        if not os.access(args.binary, os.X_OK):
            raise Trouble(f"{args.binary} is not there; `make` builds it")
        if not os.access(LOG, os.R_OK):
            raise Trouble(f"{LOG} cannot be read")
        listen = choose_listen(args.listen)
        directory = tempfile.mkdtemp(prefix="mailvane-demo-")
        return show(os.path.abspath(args.binary), listen, args.rate, args.seconds, directory)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # Who read what we print has gone; Python shall not complain at the end again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Trouble as why:
        print(f"run_demo: {why}", file=sys.stderr)
        return 1
    finally:
        if directory:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
