#!/usr/bin/env python3
"""The HTTP endpoint over real sockets. usage: test_http.py path/to/http_driver [TEST...]

TAP on stdout. The driver serves "/", "/metrics" (which counts its calls) and
"/big" (16 MiB). What takes long (idle and slow clients, a client that stays)
is started first and looked at last.
"""

import contextlib
import http.client
import re
import signal
import socket
import subprocess
import threading
import time

import tap
from agent import PATIENCE
from tap import Skip, same, test

IDLE = 15  # HTTP_IDLE_SECONDS
REQUEST = 30  # HTTP_REQUEST_SECONDS
PEER_MAX = 64  # HTTP_CONNECTIONS_PEER_MAX
BIG = 16 << 20


class Server:
    def __init__(self, driver, address):
        self.process = subprocess.Popen(
            [driver, address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        words = self.process.stdout.readline().split()
        if len(words) != 2 or words[0] != "port":
            raise RuntimeError(f"{address}: no port: {self.process.stderr.read()}")
        self.port = int(words[1])

    def connect(self, source="127.0.0.1", receive_buffer=None, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE)
        if family == socket.AF_INET:
            sock.bind((source, 0))
        sock.connect((host, self.port))
        return sock

    def get(self, path="/metrics", source="127.0.0.1", host="127.0.0.1", method="GET"):
        client = http.client.HTTPConnection(
            host,
            self.port,
            timeout=PATIENCE,
            source_address=(source, 0) if ":" not in host else None,
        )
        client.request(method, path)
        answer = client.getresponse()
        body = answer.read()
        client.close()
        return answer, body

    def raw(self, request, source="127.0.0.1"):
        """All that comes back until the server closes; a reset ends it as well."""
        with self.connect(source) as sock:
            try:
                sock.sendall(request)
            except ConnectionError:
                pass
            return read_all(sock)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


def read_all(sock):
    got = b""
    try:
        while chunk := sock.recv(65536):
            got += chunk
    except ConnectionError:
        pass
    return got


def is_closed(sock):
    """Whether the server has ended this connection; what it sent before is dropped."""
    sock.settimeout(0)
    try:
        while sock.recv(1 << 20):
            pass
        return True
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def until(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


class Laggards:
    """Clients that mean to stay for ever, each in its own way, and one that may.

    They have a server of their own, so that nothing but time ends them.
    """

    def __init__(self, server):
        self.started = time.monotonic()
        idle = server.connect("127.0.0.6")
        half = server.connect("127.0.0.6")
        half.sendall(b"GET /metrics HT")
        kept = server.connect("127.0.0.6")
        kept.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        deaf = server.connect("127.0.0.6", receive_buffer=4096)
        deaf.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        self.silent = {"idle": idle, "half a line": half, "kept alive": kept, "not reading": deaf}
        self.dripping = server.connect("127.0.0.6")
        self.dripping.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: ")
        self.steady = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        self.steady.connect()
        self.own = self.steady.sock.getsockname()
        self.scraper = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        self.ask(self.scraper, "/metrics")
        self.known_by = self.scraper.sock.getsockname()
        self.trouble = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.stay_busy, daemon=True)
        self.thread.start()

    def stay_busy(self):
        """Beside the other tests, so that none of them makes these two idle."""
        while not self.over.wait(1):
            try:
                self.dripping.send(b"x")
            except OSError:
                pass
            try:
                self.ask_steady()
            except Exception as error:  # reported by check_steady
                self.trouble = self.trouble or error

    def ask(self, client, path):
        client.request("GET", path)
        answer = client.getresponse()
        answer.read()
        same(answer.status, 200, path)

    def ask_steady(self):
        self.ask(self.steady, "/")
        assert self.steady.sock and self.steady.sock.getsockname() == self.own, "was closed"

    def check_silent(self):
        # To look is to read, and "not reading" must not do that before its time is over.
        time.sleep(max(0, self.started + IDLE + 5 - time.monotonic()))
        got = len(read_all(self.silent["not reading"]))
        assert got < BIG, f"not reading: was waited for, and sent all {got} bytes"
        for name, sock in self.silent.items():
            assert until(lambda s=sock: is_closed(s)), f"{name}: never closed"
            sock.close()

    def check_dripping(self):
        assert until(lambda: is_closed(self.dripping), REQUEST + PATIENCE), "stays open"

    def check_steady(self):
        time.sleep(max(0, self.started + REQUEST + 5 - time.monotonic()))
        self.over.set()
        self.thread.join(PATIENCE)
        if self.trouble:
            raise self.trouble
        self.ask_steady()
        self.steady.close()

    def check_scraper(self):
        time.sleep(max(0, self.started + REQUEST + 5 - time.monotonic()))
        self.ask(self.scraper, "/metrics")
        same(self.scraper.sock and self.scraper.sock.getsockname(), self.known_by, "its connection")
        self.scraper.close()


class Sides:
    """Two servers: one is tried, the other has clients that mean to stay for ever. A context."""

    def __init__(self, driver):
        self.driver = driver
        self.server = Server(driver, "0.0.0.0:0")
        self.patient = Server(driver, "0.0.0.0:0")
        self.laggards = Laggards(self.patient)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in self.server, self.patient:
            if each.process.poll() is None:
                each.process.kill()


server_test = tap.scenario(lambda sides: contextlib.nullcontext(sides.server))


def headers_of(answer):
    return {k.lower(): v for k, v in answer.getheaders() if k.lower() != "date"}


@server_test
def get_page(server):
    answer, body = server.get()
    same(answer.status, 200, "status")
    assert re.fullmatch(rb"scrapes_total \d+\n", body), body
    same(
        headers_of(answer),
        {
            "content-type": "text/plain; version=0.0.4; charset=utf-8",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "content-length": str(len(body)),
        },
        "headers",
    )


@server_test
def page_is_written_at_each_request(server):
    first, second = (int(server.get()[1].split()[1]) for _ in range(2))
    same(second, first + 1, "count")


@server_test
def query_is_ignored(server):
    same(server.get("/metrics?name=x&y")[0].status, 200, "status")


@server_test
def landing_page(server):
    answer, body = server.get("/")
    same(answer.getheader("Content-Type"), "text/html; charset=utf-8", "type")
    assert b"<title>mailvane</title>" in body and b'href="/metrics"' in body, body


@server_test
def head_has_the_headers_of_get(server):
    for path in "/", "/big", "/none":
        got, body = server.get(path)
        head, nothing = server.get(path, method="HEAD")
        same(head.status, got.status, path)
        same(headers_of(head), headers_of(got), path)
        same(nothing, b"", path)
        same(int(head.getheader("Content-Length")), len(body), path)
    raw = server.raw(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert raw.endswith(b"\r\n\r\n") and raw.count(b"\r\n\r\n") == 1, raw


@server_test
def not_found(server):
    answer, body = server.get("/metrics/")
    same(answer.status, 404, "status")
    same(body, b"404 Not Found\n", "body")


@server_test
def other_methods(server):
    for method in "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW":
        answer, _ = server.get(method=method)
        same(answer.status, 405, method)
        same(answer.getheader("Allow"), "GET, HEAD", method)


@server_test
def bodies_are_refused(server):
    for head in b"Content-Length: 100000000", b"Transfer-Encoding: chunked":
        for method, status in (b"GET", b"413"), (b"POST", b"405"):
            request = method + b" /metrics HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n"
            got = server.raw(request + b"ffff\r\n" + b"x" * 65535)
            # The rest of the body is never read, so the close may be a reset.
            assert got == b"" or got.startswith(b"HTTP/1.1 " + status), got


@server_test
def http_1_0(server):
    got = server.raw(b"GET /metrics HTTP/1.0\r\n\r\n")
    assert re.match(rb"HTTP/1\.[01] 200 OK\r\n", got), got
    assert b"\r\n\r\nscrapes_total " in got, got


@server_test
def keep_alive(server):
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    client.connect()
    own = client.sock.getsockname()
    for path, status in ("/metrics", 200), ("/none", 404), ("/metrics", 200), ("/big", 200):
        client.request("GET", path)
        answer = client.getresponse()
        answer.read()
        same(answer.status, status, path)
        assert client.sock and client.sock.getsockname() == own, f"closed after {path}"
    client.close()


@server_test
def pipelined(server):
    one = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    got = server.raw(one * 200 + last)
    counts = [int(n) for n in re.findall(rb"\r\n\r\nscrapes_total (\d+)\n", got)]
    same(len(counts), 200, "answers")
    same(counts, list(range(counts[0], counts[0] + 200)), "order")
    assert got.endswith(b"404 Not Found\n"), got[-200:]


@server_test
def request_in_pieces(server):
    with server.connect() as sock:
        for byte in b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n":
            sock.sendall(bytes([byte]))
        got = read_all(sock)
    assert got.startswith(b"HTTP/1.1 200 OK\r\n"), got


@server_test
def half_closed_client_gets_its_answer(server):
    with server.connect() as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        got = read_all(sock)
    assert b"\r\n\r\nscrapes_total " in got, got


@server_test
def garbage(server):
    requests = [
        b"\r\n\r\n\r\n\r\nQ\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET /metrics HTTP/7.3\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n: x\r\n no name\r\n\r\n",
        b"GET " + b"/\xff%zz%00%" * 50 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        bytes(range(256)) * 20 + b"\r\n\r\n",
    ]
    for request in requests:
        with server.connect() as sock:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            got = read_all(sock)
        assert b" 200 OK" not in got, (request, got)
        same(server.get()[0].status, 200, f"after {request[:40]!r}")


@server_test
def oversized_request(server):
    for request in (
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1000000 + b"\r\n\r\n",
        b"GET /" + b"a" * 1000000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 100000 + b"\r\n",
    ):
        got = server.raw(request)
        assert got == b"" or re.match(rb"HTTP/1\.1 4(13|14|31) ", got), got[:200]
    same(server.get()[0].status, 200, "afterwards")


@server_test
def big_page_is_whole(server):
    answer, body = server.get("/big")
    same(len(body), BIG, "length")


@server_test
def many_clients_gone_in_the_middle(server):
    for _ in range(20):
        with server.connect() as sock:
            sock.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
            sock.recv(1000)
    same(server.get()[0].status, 200, "afterwards")


@server_test
def memory_of_answers_is_bounded(server):
    readers = []
    for left in reversed(range(20)):
        # The last one means to read, so it must be able to before its deadline.
        sock = server.connect("127.0.0.20", receive_buffer=4096 if left else None)
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        sock.recv(1)
        readers.append(sock)
    # 20 answers of 16 MiB are far over the bound: the first are cut off short, the last is not.
    got = len(read_all(readers[0]))
    assert got < BIG, f"the first got all of its {got} bytes"
    last = b""
    while len(last) < BIG and (chunk := readers[-1].recv(1 << 20)):
        last += chunk
    assert len(last) >= BIG, f"the last got {len(last)} bytes"
    for sock in readers:
        sock.close()


@server_test
def slow_clients_do_not_hold_up_others(server):
    slow = [server.connect() for _ in range(200)]
    for sock in slow:
        try:
            sock.sendall(b"GET /metr")
        except ConnectionError:
            pass
    same(server.get(source="127.0.0.2")[0].status, 200, "another address")
    assert until(lambda: sum(map(is_closed, slow)) >= 200 - PEER_MAX), "too many of one address"
    for sock in slow:
        sock.close()
    assert until(lambda: reachable(server)), "the address itself, afterwards"


def reachable(server, source="127.0.0.1"):
    try:
        return server.get(source=source)[0].status == 200
    except (ConnectionError, http.client.HTTPException):
        return False


@server_test
def recovers_from_the_limit(server):
    # Both addresses take their whole share, which is all that there is.
    full = [server.connect(f"127.0.0.{3 + n // PEER_MAX}") for n in range(2 * PEER_MAX)]
    for sock in full:
        sock.sendall(b"GET /")
    waiting = server.connect("127.0.0.5")
    waiting.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    waiting.settimeout(0.3)
    try:
        raise AssertionError(f"served at the limit: {waiting.recv(100)!r}")
    except TimeoutError:
        waiting.settimeout(PATIENCE)
    for sock in full:
        sock.close()
    got = read_all(waiting)
    assert got.startswith(b"HTTP/1.1 200 OK\r\n"), got
    assert until(lambda: reachable(server, "127.0.0.3")), "afterwards"


# --- addresses ---------------------------------------------------------------------------


def expect_refused(sides, address, pattern):
    done = subprocess.run(
        [sides.driver, address], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    same(done.returncode, 3, address)
    assert re.fullmatch(pattern + "\n", done.stderr), f"{address}: {done.stderr!r}"


def expect_quiet_end(server, what="end"):
    same(server.stop(), (0, ""), f"{what}: status and stderr")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False


@test
def port_in_use(sides):
    first = Server(sides.driver, "127.0.0.1:0")
    address = f"127.0.0.1:{first.port}"
    expect_refused(sides, address, f"cannot listen on {address}: Address already in use")
    expect_refused(sides, f":{first.port}", f"cannot listen on :{first.port}: Address already in use")
    expect_quiet_end(first, "the first")
    second = Server(sides.driver, address)
    same(second.get()[0].status, 200, "restarted on the same port")
    expect_quiet_end(second, "the second")


@test
def bad_addresses(sides):
    for address, pattern in (
        ("127.0.0.1", 'listen address "127.0.0.1": want HOST:PORT .*'),
        ("192.0.2.1:0", "cannot listen on 192.0.2.1:0: Cannot assign requested address"),
        ("::1:80", 'listen address "::1:80": an IPv6 address is written .*'),
    ):
        expect_refused(sides, address, pattern)


@test
def every_address(sides):
    server = Server(sides.driver, ":0")
    same(server.get()[0].status, 200, "IPv4")
    same(server.get(host="127.0.0.9")[0].status, 200, "another IPv4")
    if has_ipv6():
        same(server.get(host="::1")[0].status, 200, "IPv6")
    expect_quiet_end(server)


@test
def name(sides):
    server = Server(sides.driver, "localhost:0")
    same(server.get()[0].status, 200, "IPv4 of localhost")
    expect_quiet_end(server)


@test
def ipv6(sides):
    if not has_ipv6():
        raise Skip("there is no IPv6")
    server = Server(sides.driver, "[::1]:0")
    same(server.get(host="::1")[0].status, 200, "IPv6")
    expect_quiet_end(server)


# --- those that stay, and the end ----------------------------------------------------------


@test
def silent_clients_are_ended(sides):
    sides.laggards.check_silent()


@test
def dripping_client_is_ended(sides):
    """Never idle, never done: ended all the same."""
    sides.laggards.check_dripping()


@test
def steady_client_stays(sides):
    """Older than any deadline, and welcome, since each request was quick."""
    sides.laggards.check_steady()


@test
def silent_scraper_keeps_its_connection(sides):
    """Silent for longer than others may be, between two requests for a page that is kept."""
    sides.laggards.check_scraper()


@server_test
def quiet_end(server):
    expect_quiet_end(server)


@test
def patient_end(sides):
    expect_quiet_end(sides.patient)


if __name__ == "__main__":
    tap.main(__doc__, Sides)
