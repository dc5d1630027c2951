#!/usr/bin/env python3
"""Real Postfix logs against what their servers know. usage: test_truth.py path/to/mailvane ['RUN/LOG: TEST'...]

TAP on stdout. tests/data/postfix holds five runs of a laboratory: the logs, and
beside them what the scripted SMTP server answered (truth_server.tsv), what its
clients handed in (truth_inject.tsv) and what Postfix told the senders
(truth_dsn.tsv). Nothing here shares code with the parser under test: delivery
lines are read with one anchored regular expression.
"""

import collections
import csv
import functools
import json
import os
import re
import shutil

import tap
from tap import LABORATORY, same
from tool import Tool

LOGS = [
    ("main", "maillog.log"),
    ("syslog", "maillog_traditional.log"),
    ("syslog", "maillog_rfc3339.log"),
    ("inbound", "maillog.log"),
    ("special", "maillog.log"),
    ("queue", "maillog.log"),
]
MTIME = 1795348800  # 2026-11-22T12:00:00Z: the year of stamps that have none
RECORD_MAX = 2000  # postlogd(8) and the syslog daemon cut a record there

HEAD = (
    r"(?P<stamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00)"
    r" (?P<host>[\w.-]+) (?P<name>postfix(?:-bulk)?(?:/[\w.-]+)??)/"
)
DELIVERY = re.compile(
    HEAD + r"(?P<daemon>smtp|lmtp|local|virtual|pipe|discard|error|retry|qmgr|cleanup)\[\d+\]: "
    r"(?P<qid>[0-9A-Za-z]{6,20}): "
    r'to=<(?P<to>"(?:[^"\\]|\\.)*"@[^<>]*|[^"<>]*)>, (?:orig_to=<(?P<orig>[^<>]*)>, )?'
    r"relay=(?P<relay>[^ ,]+)(?:, conn_use=\d+)?, delay=(?P<delay>[\d.]+), "
    r"delays=(?P<delays>[\d.]+/[\d.]+/[\d.]+/[\d.]+), dsn=(?P<dsn>\d\.\d+\.\d+), "
    r"status=(?P<status>\w+)(?: \((?P<text>.*))?$"
)
EXPIRED = re.compile(
    HEAD + r"qmgr\[\d+\]: (?P<qid>[0-9A-Za-z]{6,20}): from=<[^>]*>, "
    r"status=(?P<status>(?:force-)?expired), returned to sender$"
)
SAID = re.compile(
    HEAD + r"(?:smtp|lmtp)\[\d+\]: (?P<qid>[0-9A-Za-z]{6,20}): host (?P<peer>[^ \[]+)"
    r"\[(?P<addr>[^\]]+)\] said: (?P<text>.*?)(?: \(in reply to (?P<command>[A-Za-z/ ]+)\))?$"
)
NO_REPLY = re.compile(r"/smtp\[\d+\]: warning: (\w+): non-ESMTP response from ")
REMOVED = re.compile(HEAD + r"qmgr\[\d+\]: (?P<qid>\w+): removed$")
REQUEUED = re.compile(HEAD + r"pickup\[\d+\]: (?P<qid>\w+): uid=\d+ from=<.*> orig_id=(?P<old>\w+)$")

STATUS = {"SOFTBOUNCE": "deferred", "force-expired": "expired"}
PROBES = {"deliverable", "undeliverable"}
STAGE_PHASE = {"mail": "mail", "rcpt": "rcpt", "data": "data", "eod": "end_of_data"}
COMMAND_PHASE = {
    "MAIL FROM command": "mail",
    "RCPT TO command": "rcpt",
    "DATA command": "data",
    "end of DATA command": "end_of_data",
}


def none_left(things, what):
    shown = "\n".join(str(x) for x in things[:5])
    assert not things, f"{len(things)} {what}, the first of them:\n{shown}"


def lines_of(run, log):
    with open(os.path.join(LABORATORY, run, log), encoding="utf-8", errors="surrogateescape") as f:
        return f.read().splitlines()


def table(run, name):
    path = os.path.join(LABORATORY, run, name)
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def unescape(text):
    """The bytes of a truth file's text field."""

    def one(match):
        word = match[1]
        return {b"\\": b"\\", b"n": b"\n"}.get(word) or bytes([int(word[1:], 16)])

    return re.sub(rb"\\(\\|n|x[0-9a-f]{2})", one, text.encode("ascii"))


def blur(text):
    """Reply text as Postfix logs it, as far as both sides can be brought to one form."""
    if isinstance(text, bytes):
        text = text.replace(b"\n", b" ").decode("utf-8", "replace")
    return re.sub(r"[?\ufffd\x00-\x1f\x7f\udc80-\udcff]+", "?", text).strip()


def seconds(stamp):
    """Of the day: every run lasts for minutes, and none crosses midnight."""
    h, m, s = re.search(r"(\d\d):(\d\d):(\d\d)", stamp).groups()
    return int(h) * 3600 + int(m) * 60 + int(s)


class Log:
    """A log as the regular expressions read it, beside what the binary made of it."""

    def __init__(self, tool, run, log):
        self.run, self.name = run, f"{run}/{log}"
        self.path = tool.path(f"{run}-{log}")
        self.lines = lines_of(run, log)
        shutil.copyfile(os.path.join(LABORATORY, run, log), self.path)
        os.utime(self.path, (MTIME, MTIME))
        self.plain = self.read(tool)
        self.events = self.parse(self.read(tool, "--with-recipients"))
        self.results = [m for m in map(self.result, self.lines) if m]

    def read(self, tool, *flags):
        done = tool.run("events", *flags, self.path)
        same((done.returncode, done.stderr), (0, b""), f"events {self.name}: exit and stderr")
        return done.stdout.decode("utf-8")

    @staticmethod
    def parse(text):
        events = [json.loads(line) for line in text.splitlines()]
        return [e for e in events if e["kind"] in ("delivery", "probe")]

    @staticmethod
    def result(line):
        return DELIVERY.match(line) or EXPIRED.match(line)


class Laboratory(Tool):
    """The logs, of which each is read once."""

    def __init__(self, binary):
        super().__init__(binary)
        self.logs = {}

    def log(self, run, name):
        if (run, name) not in self.logs:
            self.logs[run, name] = Log(self, run, name)
        return self.logs[run, name]


def test(function):
    """A test of each log."""
    for run, name in LOGS:

        @functools.wraps(function)
        def test_one(laboratory, run=run, name=name):
            function(laboratory.log(run, name))

        test_one.__name__ = f"{run}/{name}: {function.__name__}"
        tap.test(test_one)
    return function


def status_of(match):
    return STATUS.get(match["status"], match["status"])


def is_expiry(match):
    return "delays" not in match.groupdict()


@test
def count_by_status(log):
    want = collections.Counter(status_of(m) for m in log.results)
    got = collections.Counter(e["status"] for e in log.events)
    same(got, want, "events by status")
    assert sum(want.values()) > 80, "the regular expression found too little to compare with"


@test
def no_status_line_escapes_the_regex(log):
    """Nothing that looks like a result is missing on both sides."""
    loose = re.compile(HEAD + r"\w+\[\d+\]: \w+: (?:to|from)=<.*status=(?!.*FAKE)")
    left = [x for x in log.lines if loose.match(x) and not log.result(x) and "/smtpx[" not in x]
    none_left(left, "lines")


@test
def events_one_by_one(log):
    same(len(log.events), len(log.results), "events")
    wrong = []
    for event, m in zip(log.events, log.results):
        want = {
            "queue_id": m["qid"],
            "status": status_of(m),
            "kind": "probe" if m["status"] in PROBES else "delivery",
        }
        if not is_expiry(m):
            relay = re.fullmatch(r"([^\[]+)\[([^\]]+)\](?::\d+)?", m["relay"])
            want |= {
                "dsn": m["dsn"],
                "recipient": m["to"].encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
                "delay": float(m["delay"]),
                "delays": [float(x) for x in m["delays"].split("/")],
                "relay_host": relay[1] if relay else None,
                "relay_ip": relay[2] if relay and "/" not in relay[2] else None,
            }
        got = {key: event.get(key) for key in want}
        if got != want or seconds(event["time"]) != seconds(m["stamp"]):
            wrong.append(f"got {event}\nwant {want} at {m['stamp']}")
    none_left(wrong, "events")


@test
def year_of_stamps(log):
    same({e["time"][:10] for e in log.events}, {"2026-11-22"}, "days")


class Memory:
    """(queue id, recipient) that were tried before, by a plain set."""

    def __init__(self):
        self.tried = collections.defaultdict(set)

    def follow(self, line):
        """Keeps pace with the log; true for the first attempt, None where it is no result."""
        requeued, removed = REQUEUED.match(line), REMOVED.match(line)
        m = DELIVERY.match(line)
        if requeued:
            self.tried[requeued["qid"]] = self.tried.pop(requeued["old"], set())
        elif removed:
            self.tried.pop(removed["qid"], None)
        elif m and m["status"] not in PROBES:
            first = m["to"] not in self.tried[m["qid"]]
            self.tried[m["qid"]].add(m["to"])
            return first
        return None


@test
def first_attempts(log):
    memory, want = Memory(), []
    for line in log.lines:
        first = memory.follow(line)
        if first is not None:
            want.append((first, line))
    got = [e.get("first") for e in log.events if e["kind"] == "delivery" and "recipient" in e]
    same(len(got), len(want), "results of a recipient")
    wrong = [f"got first={g}, want {w}: {line[:160]}" for g, (w, line) in zip(got, want) if g != w]
    none_left(wrong, "events")


class Slot:
    """One place in the log that can tell of one refusal."""

    def __init__(self, where, when, text, whole):
        self.where, self.when, self.text, self.whole = where, when, blur(text), whole

    def fits(self, row):
        """The line is written after the reply, and after QUIT has been answered."""
        if not -2 <= self.when - row["second"] <= 40:
            return False
        # Lines that were no reply are quoted as well; a cut record lacks its end.
        return row["text"] in self.text if self.whole else self.text[-300:] in row["text"]


def event_slots(log, slots):
    """What events tell: by recipient, address, phase and code."""
    for event, m in zip(log.events, log.results):
        if is_expiry(m) or not event.get("code") or m["status"] in ("sent", "deliverable"):
            continue
        addr = re.search(r"\[([^\]]+)\]", m["relay"])
        whole = (m["text"] or "").endswith(")")
        phase = event.get("phase")
        # The end of a cut record, which says in reply to what, is lost.
        if addr and (phase in STAGE_PHASE.values() or not whole):
            key = (m["to"], addr[1], phase if whole else None, event["code"])
            slots[key].append(Slot(event, seconds(m["stamp"]), m["text"], whole))


def said_slots(log, slots):
    """ "QUEUEID: host X said:" is logged where another MX follows: for each recipient that
    RCPT TO refused, once for all of the message elsewhere."""
    recipients = collections.defaultdict(set)
    for m in log.results:
        if not is_expiry(m):
            recipients[m["qid"]].add(m["to"])
    lines = []
    for m in filter(None, map(SAID.match, log.lines)):
        phase, line = COMMAND_PHASE.get(m["command"]), []
        lines.append(line)
        shared = Slot(m[0], seconds(m["stamp"]), m["text"], bool(m["command"]))
        for rcpt in recipients[m["qid"]]:
            slot = shared if phase == "rcpt" else Slot(m[0], shared.when, m["text"], shared.whole)
            slots[(rcpt, m["addr"], phase, None)].append(slot)
            line.append(slot)
    return lines


def pair(rows, slots):
    """A maximum matching (Kuhn): which slot each row has."""
    taken = {}

    def choices(row):
        rcpt, addr, phase = row["key"]
        for key in ((rcpt, addr, phase, row["code"]), (rcpt, addr, None, row["code"]),
                    (rcpt, addr, phase, None), (rcpt, addr, None, None)):
            yield from (slot for slot in slots.get(key, ()) if slot.fits(row))

    def place(row, seen):
        for slot in choices(row):
            if id(slot) not in seen:
                seen.add(id(slot))
                if slot not in taken or place(taken[slot], seen):
                    taken[slot] = row
                    return True
        return False

    missing = [row for row in rows if not place(row, set())]
    return taken, missing


def refusal_rows(run):
    before = None
    for row in table(run, "truth_server.tsv"):
        if row["scope"] == "rcpt" and row["stage"] in STAGE_PHASE and row["code"][:1] in tuple("345"):
            # A line that is no reply is read over: with pipelined commands the next
            # answer is then taken for that recipient's, and the last one gets none.
            shifted = before and not before["code"] and before["reply"] and all(
                before[x] == row[x] for x in ("server_time", "sender", "relay_ip", "stage"))
            rcpt = unescape((before if shifted else row)["rcpt"]).decode("utf-8", "surrogateescape")
            row["second"] = float(row["server_time"]) % 86400
            row["key"] = (rcpt, row["relay_ip"], STAGE_PHASE[row["stage"]])
            row["text"] = blur(unescape(row["reply"]))
            yield row
        before = row


@test
def refusals_of_the_server(log):
    """Each one is an event with that code and phase, or was followed by another MX."""
    rows, slots = list(refusal_rows(log.run)), collections.defaultdict(list)
    event_slots(log, slots)
    in_events = {slot for some in slots.values() for slot in some}
    lines = said_slots(log, slots)
    taken, missing = pair(rows, slots)
    missing = [f"{row['key']} {row['code']} at {row['second']:.0f}: {row['reply'][:90]}" for row in missing]
    none_left(missing, f"of {len(rows)} refusals are in no event")
    # From a garbled reply on, pipelined commands get each other's answers.
    garbled = {m[1] for x in log.lines for m in [NO_REPLY.search(x)] if m}
    invented = [slot.where for slot in in_events if slot not in taken]
    invented = [event for event in invented if event["queue_id"] not in garbled]
    none_left(invented, "events with a code that no server gave")
    unused = [line[0].where for line in lines if line and not any(slot in taken for slot in line)]
    none_left(unused, 'lines "host X said" that no refusal accounts for')


@test
def notices_to_senders(log):
    """Postfix' own final status, made without going through the log."""
    rows = table(log.run, "truth_dsn.tsv")
    last = {}
    for event in log.events:
        if event["kind"] == "delivery" and "recipient" in event:
            last.setdefault((event["queue_id"], event["recipient"]), []).append(event)
    wrong, compared = [], 0
    for row in rows:
        rcpt = row["final_recipient"].partition(";")[2].strip()
        events = last.get((row["queue_id"], unescape(rcpt).decode("utf-8", "replace")), [])
        bounced = [e for e in events if e["status"] == "bounced"]
        if row["action"] == "failed" and bounced:
            compared += 1
            if bounced[-1]["dsn"] != row["status"]:
                wrong.append(f"{row['queue_id']}: got {bounced[-1]['dsn']}, want {row['status']}")
    none_left(wrong, "statuses")
    assert compared >= len(rows) / 4, f"only {compared} of {len(rows)} notices were compared"


@test
def forged_lines_are_no_events(log):
    """amavis is another program, and postfix/smtpx no daemon of Postfix."""
    forged = [e for e in log.events if re.match(r"(fake|forged|c)@", e.get("recipient", ""))]
    none_left(forged, "events for recipients that only other programs named")
    forged = {m[1] for x in log.lines for m in [re.search(r"(?:smtpx|amavis)\[.*\b([0-9A-F]{10})\b", x)] if m}
    none_left([e for e in log.events if e["queue_id"] in forged], "events with their queue ids")
    if log.run == "syslog":
        assert len(forged) > 10, "the log holds no such lines"


def local_part(address):
    return address.rpartition("@")[0].strip('"')


def local_parts(run):
    """Of six bytes and more that are no plain word, which a reply may hold by itself."""
    found = set()
    for name in ("truth_server.tsv", "truth_inject.tsv"):
        for row in table(run, name):
            local = local_part(unescape(row["rcpt"]).decode("utf-8", "replace"))
            if len(local) >= 6 and not re.fullmatch(r"[a-z]+", local):
                found.add(local)
    return found


def find_word(word, text):
    return re.search(r"(?<![A-Za-z0-9])" + re.escape(word) + r"(?![A-Za-z0-9])", text)


def strings_of(value):
    if isinstance(value, dict):
        return [x for v in value.values() for x in strings_of(v)]
    if isinstance(value, list):
        return [x for v in value for x in strings_of(v)]
    return [value] if isinstance(value, str) else []


@test
def local_parts_stay_here(log):
    """No local part that the lab used is in the output, whosesoever event it is."""
    locals_ = sorted(local_parts(log.run))
    assert len(locals_) > 20, "too few local parts to look for"
    text = "\n".join(x for line in log.plain.splitlines() for x in strings_of(json.loads(line)))
    leaked = []
    for local in locals_:
        hit = find_word(local, text)
        if hit:
            leaked.append(f"{local}: ...{text[max(0, hit.start() - 60) : hit.end() + 20]!r}")
    none_left(leaked, f"of {len(locals_)} local parts are in the output")


@test
def own_local_part_stays_here(log):
    """An event without its recipient does not name it in another member either."""
    plain = log.parse(log.plain)
    same(len(plain), len(log.events), "events without recipients")
    leaked = []
    for hidden, event in zip(plain, log.events):
        local = local_part(event.get("recipient", ""))
        text = "\n".join(strings_of(hidden))
        if len(local) >= 6 and find_word(local, text):
            leaked.append(f"{local}: {hidden.get('reply')!r}")
    none_left(sorted(set(leaked)), "different replies name their recipient")
    assert all("recipient" not in e for e in plain), "a whole recipient is in the output"


if __name__ == "__main__":
    tap.main(__doc__, Laboratory)
