#!/usr/bin/env python3
"""The agent's port under those who mean it ill: scrapes stay right beside them.

usage: test_port.py path/to/mailvane path/to/faulty.so [SCENARIO...]

test_http.py has the server alone. SEED=N is what the nonsense is made of.
"""

import contextlib
import http.client
import os
import random
import resource
import socket

import tap
from agent import PATIENCE, until
from bench import QUARANTINE, delivery, scenario, sent
from tap import Skip, same

STRANGERS = 10000


@contextlib.contextmanager
def descriptors(count):
    """So many more files may be open, by us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = count + 500
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, need), max(hard, need)))
    except (ValueError, OSError) as why:
        raise Skip(f"{count} files cannot be open: {why}") from why
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@scenario
def ten_thousand_connections(bench):
    """All from one address and never closed by it: another one is answered at any time."""
    bench.start(inside=QUARANTINE)
    before = bench.agent.status_number("VmRSS")
    strangers = []
    with descriptors(STRANGERS):
        try:
            for number in range(STRANGERS):
                sock = socket.socket()
                strangers.append(sock)
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", bench.agent.port))
                with contextlib.suppress(OSError):
                    sock.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: "[:number % 40])
                if number % 1000 == 999:
                    bench.append(delivery(number).encode(), lines=1)
                    samples = bench.agent.scrape(source="127.0.0.2")
                    same(sent(samples), bench.written, f"sent, beside {number + 1}")
            same(len(strangers), STRANGERS, "connections")
            bench.check_flat(before, "with 10,000 connections")
        finally:
            for sock in strangers:
                sock.close()
    until(lambda: sent_or_none(bench) == bench.written, "the address itself to be answered again")


def sent_or_none(bench):
    try:
        return sent(bench.agent.scrape())
    except (OSError, http.client.HTTPException):
        return None


def nonsense(dice):
    """A request that is none: random bytes, a good one with bytes changed, cut off, or too much."""
    good = b"GET /metrics HTTP/1.1\r\nHost: a\r\nUser-Agent: Prometheus/2.42.0\r\n\r\n"
    kind = dice.randrange(6)
    if kind == 0:
        return dice.randbytes(dice.randrange(4000))
    if kind == 1:
        changed = bytearray(good)
        for _ in range(dice.randrange(1, 6)):
            changed[dice.randrange(len(changed))] = dice.randrange(256)
        return bytes(changed)
    if kind == 2:
        return good[:dice.randrange(len(good))]
    if kind == 3:
        return good[:-2] + b"X-%d: " % dice.randrange(9) + b"y" * dice.randrange(1 << 17) + b"\r\n\r\n"
    if kind == 4:
        return good[:-2] + b"A: b\r\n" * dice.randrange(1 << 13) + b"\r\n"
    return good * dice.randrange(1, 40) + dice.randbytes(dice.randrange(30))


@scenario
def nonsense_on_the_port(bench):
    """Random bytes, huge headers, pipelines and halves of requests: scrapes stay right beside them."""
    dice = random.Random(int(os.environ.get("SEED", "1")))
    bench.start(inside=QUARANTINE)
    before = 0
    open_ones = []
    for number in range(500):
        if number == 50:
            before = bench.agent.status_number("VmRSS")
        sock = socket.create_connection(("127.0.0.1", bench.agent.port), PATIENCE,
                                        source_address=(f"127.0.0.{3 + number % 4}", 0))
        # Nobody reads here, so what does not fit at once is not sent.
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.send(nonsense(dice))
        open_ones.append(sock)
        if len(open_ones) > 20:
            open_ones.pop(dice.randrange(len(open_ones))).close()
        if number % 50 == 49:
            bench.write(10)
            bench.settle()
    for sock in open_ones:
        sock.close()
    bench.check("afterwards")
    bench.check_flat(before, "from a tenth of the nonsense to its end")
    same(bench.agent.stop(), 0, "exit status")


if __name__ == "__main__":
    tap.main(__doc__, paths=2)
