#!/usr/bin/env python3
"""`mailvane scan` over whole files. usage: test_scan.py path/to/mailvane

TAP on stdout. The logs are those of tests/data/postfix and ones generated here;
counts come from `grep`-like searches, from arithmetic on what was generated, or
from comparing pages that must be the same.
"""

import bz2
import collections
import gzip
import json
import lzma
import os
import re
import shutil
import subprocess

import tap
from agent import promtool_on
from tap import LABORATORY, same, test
from tool import Tool

RUNS = {
    "main": "maillog.log",
    "syslog": "maillog_traditional.log",
    "inbound": "maillog.log",
    "special": "maillog.log",
    "queue": "maillog.log",
}
MTIME = 1795348800  # 2026-11-22T12:00:00Z
DONE, USAGE, WORLD = 0, 2, 3


class Page:
    """A text exposition, read by its own small grammar."""

    SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')
    LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')

    def __init__(self, text):
        self.samples, self.types = collections.defaultdict(list), {}
        assert text == "" or text.endswith("\n"), "the page does not end with a line feed"
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in self.types, f"{name} has two TYPE lines"
                self.types[name] = kind
            elif not line.startswith("# HELP "):
                self.add(line)

    def add(self, line):
        m = self.SAMPLE.fullmatch(line)
        assert m, f"no sample: {line!r}"
        labels = dict(self.LABEL.findall(m[2] or ""))
        self.samples[m[1]].append((labels, float(m[3])))

    def sum(self, name, **labels):
        want = labels.items()
        return sum(v for have, v in self.samples[name] if want <= have.items())

    def values(self, name, label):
        return {labels.get(label, "") for labels, _ in self.samples[name]}


class ScanTool(Tool):
    def scan(self, *args, stdin=b"", status=DONE):
        done = self.run("scan", *args, stdin=stdin)
        errors = done.stderr.decode()
        same(done.returncode, status, f"exit of scan {args} ({errors.strip()})")
        return done.stdout.decode("utf-8")

    def page(self, *args, **kwargs):
        return Page(self.scan(*args, **kwargs))

    def events(self, *args):
        done = self.run("events", *args)
        same((done.returncode, done.stderr), (DONE, b""), f"events {args}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def write(self, name, content):
        path = super().write(name, content)
        os.utime(path, (MTIME, MTIME))
        return path


def log_path(run):
    return os.path.join(LABORATORY, run, RUNS[run])


def log_bytes(run):
    with open(log_path(run), "rb") as f:
        return f.read()


def delivery_line(number, domain, status="sent", dsn="2.0.0", text="250 2.0.0 ok"):
    return (
        f"Nov 22 03:{number // 60 % 60:02}:{number % 60:02} mx postfix/smtp[1]: {number + 16**6:X}: "
        f"to=<u@{domain}>, relay=mx.{domain}[192.0.2.1]:25, delay=1, delays=0.5/0/0.2/0.3, "
        f"dsn={dsn}, status={status} ({text})\n"
    )


def check_sums(page, events, what):
    """Both families of deliveries hold every event, by status too."""
    deliveries = [e for e in events if e["kind"] == "delivery"]
    for status in ("sent", "deferred", "bounced", "expired"):
        want = sum(e["status"] == status for e in deliveries)
        for name in ("mailvane_deliveries_total", "mailvane_domain_deliveries_total"):
            same(page.sum(name, status=status), want, f"{what}: {name}, {status}")
    same(page.sum("mailvane_deliveries_total"), len(deliveries), f"{what}: all deliveries")
    same(page.sum("mailvane_domain_deliveries_total"), len(deliveries), f"{what}: all by domain")


def series(page, name, *labels):
    """The family's values summed up to these labels."""
    got = collections.Counter()
    for have, value in page.samples[name]:
        got[tuple(have.get(label, "") for label in labels)] += value
    return +got


@test
def sums_are_the_events(tool):
    for run in RUNS:
        events = tool.events(log_path(run))
        page = tool.page(log_path(run))
        assert len(events) > 200, f"{run}: too few events to compare with"
        check_sums(page, events, run)
        deliveries = [e for e in events if e["kind"] == "delivery"]
        same(
            page.sum("mailvane_first_attempts_total"),
            sum(e.get("first", False) for e in deliveries),
            f"{run}: first attempts",
        )
        want = collections.Counter((e["provider"], e["status"], e["dsn"]) for e in deliveries)
        got = series(page, "mailvane_deliveries_total", "provider", "status", "dsn")
        same(got, want, f"{run}: by provider, status and dsn")
        want = collections.Counter((e.get("recipient_domain", ""), e["dsn"]) for e in deliveries)
        got = series(page, "mailvane_domain_deliveries_total", "domain", "dsn")
        same(got, want, f"{run}: by domain and dsn")


@test
def probes_are_no_deliveries(tool):
    text = log_bytes("special").decode("utf-8", "replace")
    page = tool.page(log_path("special"))
    for result in ("deliverable", "undeliverable"):
        want = len(re.findall(rf", status={result} \(", text))
        assert want > 0, f"no {result} in the log"
        same(page.sum("mailvane_address_probes_total", result=result), want, result)
    same(page.values("mailvane_deliveries_total", "status") & {"deliverable"}, set(), "statuses")


@test
def histograms(tool):
    """Buckets rise, the last is the count, and the sum is that of the log's own figures."""
    text = log_bytes("main").decode("utf-8", "replace")
    page = tool.page(log_path("main"))
    same(page.types["mailvane_delivery_delay_seconds"], "histogram", "type")
    name = "mailvane_delivery_delay_seconds"
    delays = re.findall(r", delays=([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+), dsn=", text)
    for at, stage in enumerate(("before_queue", "in_queue", "connect", "transmit")):
        want = sum(float(x[at]) for x in delays)
        got = page.sum(f"{name}_sum", stage=stage)
        assert abs(got - want) < 1e-6 * max(1, want), f"{stage}: sum: got {got}, want {want}"
        same(page.sum(f"{name}_count", stage=stage), len(delays), f"{stage}: count")
        same(page.sum(f"{name}_bucket", stage=stage, le="+Inf"), len(delays), f"{stage}: +Inf")
        want = sum(float(x[at]) <= 1 for x in delays)
        same(page.sum(f"{name}_bucket", stage=stage, le="1.0"), want, f'{stage}: le="1.0"')
    rising = collections.defaultdict(list)
    for labels, value in page.samples[f"{name}_bucket"]:
        rising[(labels["provider"], labels["stage"])].append((float(labels["le"]), value))
    for key, buckets in rising.items():
        same(sorted(buckets), sorted(buckets, key=lambda b: (b[1], b[0])), f"{key}: buckets")
    sent = [float(x) for x in re.findall(r", delay=([\d.]+), delays=[\d./]+, dsn=[\d.]+, status=sent \(", text)]
    same(page.sum("mailvane_delivery_latency_seconds_count"), len(sent), "latency: count")


@test
def inbound_counts(tool):
    """What smtpd, postscreen, cleanup and qmgr log, counted by looking for their words."""
    text = log_bytes("inbound").decode("utf-8", "replace")
    page = tool.page(log_path("inbound"))
    smtpd = r"(?m)^.{15} \S+ postfix/(?:submission/)?smtpd\[\d+\]: "
    for event, words in (
        ("connect", "connect from "),
        ("disconnect", "disconnect from "),
        ("lost_connection", "lost connection after "),
        ("timeout", "timeout after "),
        ("too_many_errors", "too many errors after "),
    ):
        got = page.sum("mailvane_smtpd_connections_total", event=event)
        same(got, len(re.findall(smtpd + words, text)), event)
    rejects = re.findall(smtpd + r"(?:NOQUEUE|[0-9A-Za-z]+): (?:milter-|proxy-)?reject: (\S+) from [^ ]+: (\d{3}) ", text)
    assert len(rejects) > 50, "too few rejections in the log"
    same(page.sum("mailvane_smtpd_rejections_total"), len(rejects), "rejections")
    phases = {"CONNECT": "connect", "RCPT": "rcpt", "MAIL": "mail", "DATA": "data", "HELO": "ehlo",
              "EHLO": "ehlo", "END-OF-MESSAGE": "end_of_data", "BDAT": "data", "STARTTLS": "starttls"}
    want = collections.Counter((phases.get(phase, ""), code) for phase, code in rejects)
    got = series(page, "mailvane_smtpd_rejections_total", "phase", "code")
    same(got, want, "rejections by phase and code")
    want = len(re.findall(r"(?m)warning: \S+\[\S+\]: SASL \S+ authentication failed", text))
    same(page.sum("mailvane_sasl_failures_total"), want, "SASL failures")
    screen = r"(?m)^.{15} \S+ postfix/postscreen\[\d+\]: "
    for action, words in (("connect", "CONNECT from"), ("pass_new", "PASS NEW"), ("pass_old", "PASS OLD"),
                          ("pregreet", "PREGREET"), ("dnsbl", "DNSBL rank"), ("hangup", "HANGUP"),
                          ("disconnect", "DISCONNECT"), ("reject", "NOQUEUE: reject:")):
        got = page.sum("mailvane_postscreen_total", action=action)
        same(got, len(re.findall(screen + words, text)), f"postscreen {action}")
    want = len(re.findall(r"(?m)/qmgr\[\d+\]: \w+: removed$", text))
    same(page.sum("mailvane_messages_removed_total"), want, "removed")
    want = len(re.findall(r"(?m)/cleanup\[\d+\]: \w+: message-id=", text))
    same(page.sum("mailvane_messages_received_total"), want, "received")
    for severity in ("warning", "error", "fatal", "panic"):
        want = len(re.findall(rf"(?m)^.{{15}} \S+ postfix/[\w/-]+\[\d+\]: {severity}: ", text))
        same(page.sum("mailvane_mta_messages_total", severity=severity), want, severity)


@test
def every_line_has_an_outcome(tool):
    for run in RUNS:
        page = tool.page(log_path(run))
        want = log_bytes(run).count(b"\n")
        same(page.sum("mailvane_log_lines_total"), want, f"{run}: lines")
        same(page.sum("mailvane_log_lines_total", outcome="malformed"), 0, f"{run}: malformed")
        same(page.sum("mailvane_log_read_bytes_total"), len(log_bytes(run)), f"{run}: bytes")


@test
def three_domains(tool):
    """With places for three, the busiest three have them and the sums stay."""
    config = tool.write("three.yml", "series: { domains: 3 }\n")
    for run in RUNS:
        events = tool.events(log_path(run))
        page = tool.page("--config.file", config, log_path(run))
        check_sums(page, events, run)
        shown = page.values("mailvane_domain_deliveries_total", "domain") - {"", "other"}
        same(len(shown), 3, f"{run}: domains shown")
    lines = [delivery_line(i, d) for i, d in enumerate(["a.example"] * 9 + ["b.example"] * 5 + ["c.example"] * 7)]
    lines += [delivery_line(100 + i, f"once{i}.example") for i in range(12)]
    page = tool.page("--config.file", config, tool.write("busiest.log", "".join(lines)))
    got = series(page, "mailvane_domain_deliveries_total", "domain")
    # Twelve names are tracked: those of a single delivery give way to each other.
    want = {("a.example",): 9, ("b.example",): 5, ("c.example",): 7, ("other",): 12}
    same(dict(got), want, "deliveries by domain")


@test
def twenty_thousand_domains(tool):
    """A stranger's names grow neither the page nor lose a count; the busy one stays."""
    lines = []
    for i in range(20000):
        status, dsn = (("sent", "2.0.0"), ("deferred", "4.7.1"), ("bounced", "5.1.1"))[i % 3]
        lines.append(delivery_line(i, f"stranger{i}.example", status, dsn, "said so"))
        if i % 100 == 0:
            lines.append(delivery_line(i, "busy.example"))
    path = tool.write("strangers.log", "".join(lines))
    text = tool.scan(path)
    page = Page(text)
    same(page.sum("mailvane_deliveries_total"), 20200, "deliveries")
    same(page.sum("mailvane_domain_deliveries_total"), 20200, "deliveries by domain")
    shown = page.values("mailvane_domain_deliveries_total", "domain") - {"", "other"}
    assert len(shown) <= 500, f"domains shown: got {len(shown)}, want at most 500"
    busy = page.sum("mailvane_domain_deliveries_total", domain="busy.example")
    assert busy >= 190, f"busy.example: got {busy}, want nearly all of its 200"
    assert len(text) < 1 << 20, f"the page: got {len(text)} bytes, want less than 1 MiB"


@test
def hundred_thousand_label_values(tool):
    """The other labels that a remote can choose are bounded as well."""
    lines = [
        delivery_line(i, "x.example", "bounced", f"5.{i // 1000}.{i % 1000}", "no") for i in range(50000)
    ]
    text = tool.scan(tool.write("codes.log", "".join(lines)))
    page = Page(text)
    same(page.sum("mailvane_deliveries_total"), 50000, "deliveries")
    same(page.sum("mailvane_domain_deliveries_total"), 50000, "deliveries by domain")
    codes = page.values("mailvane_deliveries_total", "dsn")
    assert len(codes) <= 257, f"codes: got {len(codes)}, want at most 256 and other"
    assert "other" in codes, "codes: no other"


def zstd(content):
    return subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=True).stdout


@test
def compressed_files(tool):
    """The same page, whatever the packing; the name does not tell it, the first bytes do."""
    content = log_bytes("queue")
    path = tool.write("mail.log", content)
    want = tool.scan(path)
    packers = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    if shutil.which("zstd"):
        packers["zst"] = zstd
    for name, pack in packers.items():
        tool.write("mail.log", pack(content))
        same(tool.scan(path), want, name)
    tool.write("mail.log", gzip.compress(content[:60000]) + gzip.compress(content[60000:]))
    same(tool.scan(path), want, "two gzip members, one behind the other")


@test
def standard_input(tool):
    content = log_bytes("queue")
    path = tool.write("mail.log", content)
    want = tool.scan(path).replace(f'source="{path}"', 'source="stdin"')
    # The years of the stamps are read against now there, and only one gauge shows them.
    drop = re.compile(r"(?m)^mailvane_log_last_line_timestamp_seconds\{.*\n")
    same(drop.sub("", tool.scan("-", stdin=content)), drop.sub("", want), "page of -")


@test
def compressed_standard_input(tool):
    """A pipe cannot be handed to a tool from its beginning: it is refused, and not read as lines."""
    packed = gzip.compress(log_bytes("queue"))
    for command in ("scan", "events", "report"):
        done = tool.run(command, "-", stdin=packed)
        same((done.returncode, done.stderr.decode().splitlines()[0]),
             (WORLD, "mailvane: stdin: is compressed; let `gzip -dc` read it first"), command)
    same(tool.run("report", "-", stdin=packed).stdout, b"", "no report of nothing")


@test
def last_line_and_line_ends(tool):
    line = delivery_line(1, "a.example")
    for name, content in (
        ("no newline at the end", line + line.rstrip("\n")),
        ("CR LF", (line + line).replace("\n", "\r\n")),
        ("blank lines", "\n\n" + line + "\n" + line),
        ("NUL bytes around", "\0\0\n" + line + "\0\n" + line),
        ("bytes that are no UTF-8", b"\xff\xfe\n" + (line + line).encode()),
    ):
        page = tool.page(tool.write("ends.log", content))
        same(page.sum("mailvane_deliveries_total", status="sent", dsn="2.0.0"), 2, name)


@test
def endless_line(tool):
    """A line that is longer than any buffer is passed over; those around it count."""
    line = delivery_line(1, "a.example")
    content = line + "x" * (20 << 20) + line + line
    page = tool.page(tool.write("long.log", content))
    same(page.sum("mailvane_deliveries_total"), 2, "deliveries")


@test
def hostile_label_values(tool):
    """A domain with quotes, backslashes and broken UTF-8 cannot break the page."""
    evil = 'evil"}\\ 1.example'
    lines = [
        delivery_line(1, "a.example").replace("u@a.example", f"u@{evil}"),
        delivery_line(2, "a.example").replace("u@a.example", "u@back\\slash.example"),
        delivery_line(3, "a.example").replace("u@a.example", "u@\udcff\udcfe.example"),
    ]
    content = "".join(lines).encode("utf-8", "surrogateescape")
    page = tool.page(tool.write("evil.log", content))
    same(page.sum("mailvane_domain_deliveries_total"), 3, "deliveries")
    got = page.values("mailvane_domain_deliveries_total", "domain")
    assert "back\\\\slash.example" in got, f"escaped backslash: got {got}"


@test
def empty_file(tool):
    page = tool.page(tool.write("empty.log", ""))
    same(page.sum("mailvane_deliveries_total"), 0, "deliveries")
    same(page.sum("mailvane_messages_received_total"), 0, "received")
    assert "mailvane_messages_received_total" in page.samples, "counters without labels start at 0"


@test
def several_files(tool):
    """Two halves are the whole; the memory of queue ids goes on from file to file."""
    content = log_bytes("main")
    cut = content.index(b"\n", len(content) // 2) + 1
    one, two = tool.write("one.log", content[:cut]), tool.write("two.log", content[cut:])
    whole = tool.page(tool.write("whole.log", content))
    halves = tool.page(one, two)
    for name, labels in (
        ("mailvane_deliveries_total", ("provider", "status", "dsn")),
        ("mailvane_domain_deliveries_total", ("domain", "status", "dsn")),
        ("mailvane_first_attempts_total", ("provider", "status")),
        ("mailvane_log_lines_total", ("format", "outcome")),
    ):
        same(series(halves, name, *labels), series(whole, name, *labels), name)
    same(halves.values("mailvane_log_lines_total", "source"), {one, two}, "sources")


@test
def seeds_do_not_show(tool):
    """Every run hashes with another seed; the page is the same to the byte."""
    path = log_path("main")
    first = tool.scan(path)
    for _ in range(3):
        same(tool.scan(path), first, "page")


def sentences(done):
    """What stderr says besides the line of throughput."""
    lines = done.stderr.decode().splitlines()
    return [x for x in lines if not re.fullmatch(r"mailvane: \d+ lines, \d+ bytes in .*", x)]


@test
def throughput_line(tool):
    done = tool.run("scan", log_path("queue"))
    lines = done.stderr.decode().splitlines()
    same(len(lines), 1, f"lines on stderr ({lines})")
    want = log_bytes("queue")
    head = f"mailvane: {want.count(bytes([10]))} lines, {len(want)} bytes in "
    assert lines[0].startswith(head), f"got {lines[0]!r}, want {head!r}..."


@test
def bytes_behind_gzip(tool):
    """gzip warns of them, after it has given all: nothing is damaged."""
    path = tool.write("padded.gz", gzip.compress(log_bytes("queue")) + b"padding of a tape")
    lines = re.findall(r"^mailvane_log_lines_total\{.*\} (\d+)$", tool.scan(path), re.M)
    same(sum(map(int, lines)), log_bytes("queue").count(b"\n"), "lines")


@test
def own_names_in_another_form(tool):
    """Servers fold the case, and name the mailbox without what stands behind its +."""
    replies = ("unknown user: \"anna.smith\"", "ANNA.SMITH: no such user", "<Anna.Smith+News>: gone",
               "mailbox anna.smith+news is full")
    lines = "".join(
        f"2026-11-20T10:00:00Z mx1 postfix/smtp[7]: {i:010X}: to=<Anna.Smith+news@a.example>, relay=none, "
        f"delay=1, delays=0/0/1/0, dsn=5.1.1, status=bounced ({reply})\n" for i, reply in enumerate(replies))
    done = tool.run("events", "-", stdin=lines.encode())
    told = [json.loads(line)["reply"] for line in done.stdout.splitlines()]
    same(told, ["unknown user: \"*\"", "*: no such user", "<*>: gone", "mailbox * is full"], "replies")


@test
def damaged_gzip(tool):
    packed = gzip.compress(log_bytes("main"))
    for name, content in (
        ("cut short", packed[: len(packed) // 2]),
        ("rubbish within", packed[:3000] + b"\0" * 64 + packed[3064:]),
        ("a wrong checksum", packed[:-8] + b"\1\2\3\4" + packed[-4:]),
        ("a head and no more", packed[:10]),
    ):
        path = tool.write("damaged.gz", content)
        done = tool.run("scan", path)
        said = sentences(done)
        same(done.returncode, WORLD, f"{name}: exit ({said})")
        same(len(said), 1, f"{name}: sentences ({said})")
        assert path in said[0], f"{name}: the file is not named: {said}"


@test
def missing_file(tool):
    path = tool.write("there.log", delivery_line(1, "a.example"))
    missing = tool.path("missing.log")
    for name, bad in (("missing", missing), ("a directory", tool.scratch)):
        for order in ((bad, path), (path, bad)):
            done = tool.run("scan", *order)
            said = sentences(done)
            same(done.returncode, WORLD, f"{name}: exit")
            same(len(said), 1, f"{name}: sentences ({said})")
            assert bad in said[0], f"{name}: the file is not named: {said}"
            page = Page(done.stdout.decode())
            same(page.sum("mailvane_deliveries_total"), 1, f"{name}: the other file's deliveries")


@test
def unusable_arguments(tool):
    path = tool.write("there.log", delivery_line(1, "a.example"))
    for name, args in (
        ("an unknown flag", ("scan", "--colour", path)),
        ("an unknown format", ("scan", "--format", "qmail", path)),
        ("a flag without its value", ("scan", "--format")),
        ("an unknown flag of events", ("events", "--colour", path)),
        ("an unknown subcommand", ("scam", path)),
        ("a configuration that is not there", ("scan", "--config.file", tool.path("none.yml"), path)),
        ("an unknown key", ("scan", "--config.file", tool.write("key.yml", "serie: {}\n"), path)),
        ("no room for domains", ("scan", "--config.file", tool.write("zero.yml", "series: { domains: 0 }\n"), path)),
    ):
        done = tool.run(*args)
        said = done.stderr.decode().splitlines()
        same(done.returncode, USAGE, f"{name}: exit ({said})")
        same(len(said), 1, f"{name}: sentences ({said})")
        same(done.stdout, b"", f"{name}: stdout")


@test
def promtool_is_silent(tool):
    for run in RUNS:
        same(promtool_on(tool.scan(log_path(run))), (0, ""), f"{run}: promtool")


if __name__ == "__main__":
    tap.main(__doc__, ScanTool)
