#!/usr/bin/env python3
"""How long it takes from a line in the log to its count on /metrics.

usage: latency.py [--count N] PATH_OF_MAILVANE

Starts the agent on a loopback port over a log of its own, appends one delivery at
a time, and asks /metrics over one kept connection until the counter has moved.
Prints the 50th, 95th and 99th percentile in milliseconds; the time of the scrape
that shows the count is part of it. Exit status 1: a delivery was never counted.
"""
import argparse
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

COUNTER = b"mailvane_deliveries_total{"
TIMEOUT = 10.0  # for the agent to start, and for each line
PAUSE = 0.01  # between lines, so that the agent has gone to sleep again

CONFIG = """sources:
  - file: {log}
    format: postfix
web: {{ listen: ["127.0.0.1:{port}"] }}
"""


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def delivery(number):
    stamp = time.strftime("%b %e %H:%M:%S")
    return (f"{stamp} mx1 postfix/smtp[4711]: {number + 0xA000000000:X}: to=<user{number}@gmail.com>, "
            "relay=gmail-smtp-in.l.google.com[142.250.102.26]:25, delay=0.5, delays=0.1/0.01/0.19/0.2, "
            "dsn=2.0.0, status=sent (250 2.0.0 OK)\n").encode()


def deliveries(connection):
    """The sum of the counter, over the connection that stays open."""
    connection.request("GET", "/metrics", headers={"Accept": "text/plain;version=0.0.4"})
    reply = connection.getresponse()
    body = reply.read()
    if reply.status != 200:
        raise Failed(f"/metrics: status {reply.status}")
    return sum(float(line.rsplit(b" ", 1)[1])
               for line in body.split(b"\n") if line.startswith(COUNTER))


def wait_ready(process, port):
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        try:
            deliveries(connection)
            return connection
        except OSError:
            connection.close()
            time.sleep(0.02)
    raise Failed("the agent does not answer")


def append_and_wait(log, connection, number):
    """Milliseconds until the counter moved; by exactly one, or something is wrong."""
    want = number + 1
    start = time.perf_counter()
    os.write(log, delivery(number))
    while True:
        got = deliveries(connection)
        took = time.perf_counter() - start
        if got == want:
            return took * 1000
        if got > want or took > TIMEOUT:
            raise Failed(f"delivery {want}: the counter is {got:g} after {took:.1f} s")


def percentile(values, share):
    """The nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def run(binary, folder, count):
    path, port = os.path.join(folder, "mail.log"), free_port()
    config = os.path.join(folder, "mailvane.yml")
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with open(config, "w") as f:
        f.write(CONFIG.format(log=path, port=port))
    with open(os.path.join(folder, "stderr"), "w+b") as errors:
        process = subprocess.Popen([binary, "--config.file", config], stderr=errors)
        try:
            connection = wait_ready(process, port)
            append_and_wait(log, connection, 0)  # a new series is shown at 0 first
            took = []
            for number in range(1, count + 1):
                time.sleep(PAUSE)
                took.append(append_and_wait(log, connection, number))
            return took
        except Failed:
            errors.seek(0)
            sys.stderr.write(errors.read().decode(errors="replace"))
            raise
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def main():
    parser = argparse.ArgumentParser(description="Time from a log line to its count on /metrics.")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("mailvane")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="mailvane-latency-")
    try:
        took = run(args.mailvane, folder, args.count)
    except (Failed, OSError, http.client.HTTPException) as problem:
        print(f"latency: {problem}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder)
    print(f"{args.count} deliveries, from write to visible, in ms: "
          + ", ".join(f"p{share} {percentile(took, share):.2f}" for share in (50, 95, 99)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
