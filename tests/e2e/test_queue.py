#!/usr/bin/env python3
"""The mail queue on /metrics: the laboratory's snapshot, a showq that misbehaves, a spool.

usage: test_queue.py path/to/mailvane [SCENARIO...]

TAP on stdout. What the queue holds is what postqueue and qshape said of the snapshot
(tests/data/postfix/queue/snapshot), or what the scenario has put there.
"""

import collections
import glob
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import time

import tap
from agent import MEMORY_GROWTH_KIB, PATIENCE, Place, promtool_on, sent, until
from queue_peer import END, Showq, message
from tap import LABORATORY, ROOT, Skip, same

SNAPSHOT = os.path.join(LABORATORY, "queue", "snapshot")
EXIM = os.path.join(ROOT, "tests", "data", "exim")
SENDMAIL = os.path.join(ROOT, "tests", "data", "sendmail")
OPENSMTPD = os.path.join(ROOT, "tests", "data", "opensmtpd")
BANDS = ["300", "600", "1200", "2400", "4800", "9600", "19200", "38400", "76800", "+Inf"]
REFUSED = "connect to mx.refused.example[127.60.0.1]:25: Connection refused"
GREY = "host mx.a.example[192.0.2.1] said: 450 4.2.0 Greylisted, try again (in reply to RCPT TO)"


def snapshot(name, mode="r"):
    with open(os.path.join(SNAPSHOT, name), mode) as file:
        return file.read()


def snapshot_rows():
    return [json.loads(line) for line in snapshot("postqueue-j.json").splitlines()]


def aged(raw, seconds):
    """The same list with every arrival so much later."""
    return re.sub(
        rb"(?<=\0time\0)\d+(?=\0)", lambda at: str(int(at[0]) + seconds).encode(), raw
    )


class Queue:
    """A place with a spool and somebody who answers for it: a context."""

    def __init__(self, binary):
        self.place = Place(binary)
        self.spool = self.place.path("spool")
        self.showq = Showq(self.spool, lambda client: client.sendall(END))
        self.place.write(0)

    def start(self, interval=1, timeout=1):
        return self.place.start(
            config=f"sources: [{{ file: {self.place.log} }}]\n"
            f"queue: [{{ postfix: {self.spool}, interval: {interval}, timeout: {timeout} }}]\n"
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.place.release()


scenario = tap.scenario(Queue)


def up(agent):
    return {have["mta"]: v for have, v in agent.scrape().having("mailvane_queue_up", {})}


def looked(agent):
    """The samples behind the first look that worked."""
    return until(lambda: up(agent).get("postfix") == 1 and agent.scrape(), "a look")


def failed(agent):
    return until(lambda: up(agent).get("postfix") == 0 and agent.scrape(), "a look that fails")


def depths(samples):
    return samples.by("mailvane_queue_messages", "queue")


# --- the snapshot ----------------------------------------------------------------------


@scenario
def the_snapshot_as_postqueue_tells_it(queue):
    queue.showq.says(snapshot("showq.raw.bin", "rb"))
    samples = looked(queue.start(interval=3600))
    count, rows = collections.Counter, snapshot_rows()
    same(depths(samples), dict(count((r["queue_name"],) for r in rows)), "messages")
    sizes = count()
    for row in rows:
        sizes[(row["queue_name"],)] += row["message_size"]
    same(samples.by("mailvane_queue_bytes", "queue"), dict(sizes), "bytes")
    domains = count(
        (row["queue_name"], to["address"].rpartition("@")[2].lower())
        for row in rows for to in row["recipients"]
    )  # fmt: skip
    same(samples.by("mailvane_queue_recipients", "queue", "domain"), dict(domains), "recipients")
    for name in "age", "cause":
        got = samples.sum(f"mailvane_queue_{name}_recipients", queue="deferred")
        want = sum(n for (where, _), n in domains.items() if where == "deferred")
        same(got, want, f"recipients by {name}")


@scenario
def the_ages_as_qshape_tells_them(queue):
    """The list is made as old as it was when qshape looked, and older by whole bands.

    qshape passes over what postsuper -e has made expire; postqueue does not.
    """
    taken = int(float(snapshot("taken_at.txt")))
    total = next(x for x in snapshot("qshape-deferred.txt").splitlines() if "TOTAL" in x).split()
    want = [int(n) for n in total[2:]]
    want[0] += sum(len(r["recipients"]) for r in snapshot_rows() if r["forced_expire"])
    raw = snapshot("showq.raw.bin", "rb")
    # None of the snapshot is as old as a minute, so that a band's bound is far from all.
    agent = queue.start()
    for bands in range(len(BANDS)):
        older = 0 if bands == 0 else 300 * 2 ** (bands - 1) + 60

        def answer(client, older=older):
            client.sendall(aged(raw, int(time.time()) - taken - older))

        queue.showq.answer = answer
        shape = {(BANDS[i + bands],): n for i, n in enumerate(want) if n}

        def right(shape=shape):
            return agent_ages(agent) == shape

        until(right, f"ages {shape}")


def agent_ages(agent):
    rows = agent.scrape().having("mailvane_queue_age_recipients", {})
    sums = collections.Counter()
    for have, value in rows:
        if have["queue"] == "deferred":
            sums[(have["age"],)] += int(value)
    return dict(sums)


@scenario
def reasons_become_causes(queue):
    now = time.time()
    queue.showq.says(
        message("deferred", now, [("a@a.example", GREY), ("b@b.example", REFUSED)])
        + message("deferred", now, [("c@gmail.com", "")])
        + message("active", now, [("d@a.example", "")])
        + END
    )
    samples = looked(queue.start())
    took = samples.sum("mailvane_queue_collect_seconds")
    same(0 < took < 10, True, "a look takes its time, however short")
    same(samples.having("mailvane_queue_counts_only", {}), [({"mta": "postfix"}, 0)], "counts only")
    got = samples.by("mailvane_queue_cause_recipients", "provider", "cause", "owner")
    want = {
        ("other", "greylisted", "remote"): 1,
        ("other", "network", "network"): 1,
        ("google", "unknown", "unknown"): 1,
    }
    same(got, want, "causes")


@scenario
def the_provider_is_whom_the_mail_went_to(queue):
    """A domain that no table knows goes to Google, says the log; then the queue says so, too."""
    queue.showq.says(message("deferred", time.time(), [("a@hosted.example", "")]) + END)
    agent = queue.start()
    same(looked(agent).by("mailvane_queue_recipients", "provider"), {("other",): 1}, "before")
    line = queue.place.delivery("hosted.example").replace(
        b"mx.example.org", b"aspmx.l.google.com"
    )
    with open(queue.place.log, "ab") as log:
        log.write(line)
    until(
        lambda: agent.scrape().by("mailvane_queue_recipients", "provider") == {("google",): 1},
        "the provider",
    )


HOSTILE = (
    "secret@a.example", "SECRET@A.Example.", '"secret,b@c.example"@a.example', "secret", "secret@",
    '"secret@b.example', '"secret\\"@b.example', "secret@b@a.example", "secret@a.example\n# EOF",
    "secret@<b>a.example</b>", 'secret@a.example",mta="x', "secret@a\x01\x1b[2Jb.example", "secret@\udcff.example",
    "<secret@a.example>", "secret@[192.0.2.1]", "secret@" + "a." * 200 + "example",
    "x" * 4090 + "@secret@a.example", "@secret:secret@a.example", "secret%b.example@a.example",
)  # fmt: skip
# What base/domain.h takes for a domain, as in a log: escaped it breaks nothing.
ODD_DOMAINS = {"a.example>", "b.example", r'a.example\",mta=\"x', "<b>a.example</b>"}


@scenario
def hostile_addresses(queue):
    """Whatever they are made of, no local part is told, and what is told breaks no line."""
    parts = [message("deferred", time.time(), [(to, f"host x said: 550 5.1.1 <{to}>: secret unknown")])
             for to in (x.encode("utf-8", "surrogateescape").decode("latin-1") for x in HOSTILE)]  # fmt: skip
    queue.showq.says(b"".join(parts).replace("\xff".encode(), b"\xff") + END)
    state = queue.place.path("state.db")
    config = f"sources: [{{ file: {queue.place.log} }}]\nstate: {state}\n"
    config += f"queue: [{{ postfix: {queue.spool}, interval: 1 }}]\n"
    agent = queue.place.start(config=config)
    samples = looked(agent)
    same(samples.sum("mailvane_queue_recipients"), len(HOSTILE), "recipients")
    domains = {domain for (domain,) in samples.by("mailvane_queue_recipients", "domain")}
    same(domains - {"a.example", "[192.0.2.1]", ""}, ODD_DOMAINS, "domains")
    metrics, page = (agent.get(path)[1] for path in ("/metrics", "/"))
    same("<b>" in page, False, "an element of theirs")
    same(promtool_on(metrics)[0], 0, "promtool")
    told = [metrics, page]
    told += [report(queue, f"{{ postfix: {queue.spool} }}", *flags)[1] for flags in ((), ("--json",))]
    same(agent.stop(), 0, "status")
    told += agent.said
    with open(state, encoding="latin-1") as file:
        same("secret" in file.read().lower(), False, "a local part in the state")
    for text in told:
        same("secret" in text.lower(), False, f"a local part in {text}")
        same(re.findall(r"[^\x20-\x7e\n]", text), [], f"bytes of theirs in {text}")


# --- a showq that misbehaves ------------------------------------------------------------


@scenario
def a_queue_that_empties_is_zero(queue):
    queue.showq.says(message("hold", time.time(), [("a@a.example", "")]) + END)
    agent = queue.start()
    same(depths(looked(agent)), {("hold",): 1}, "messages")
    queue.showq.says(END)
    until(lambda: not depths(agent.scrape()), "an empty queue")
    samples = agent.scrape()
    names = {have["queue"] for have, _ in samples.having("mailvane_queue_messages", {})}
    same(names, {"maildrop", "incoming", "active", "deferred", "hold"}, "queues that are 0")
    same(samples.having("mailvane_queue_recipients", {}), [], "recipients")


def bad_answers(now):
    good = message("deferred", now, [("a@a.example", GREY)])
    return {
        "nothing at all": b"",
        "closed between messages": good,
        "half an attribute": good + b"queue_name\0defer",
        "half a value": good[:-20],
        "garbage": b"220 mx.example ESMTP\r\n\0",
        "bytes of any kind": bytes(range(256)) * 200,
        "bytes behind the end": good + END + b"x",
    }


@scenario
def bad_answers_fail_and_leave_nothing(queue):
    """Each is a look that failed; what was known stays for two of them and goes with the third."""
    good = message("deferred", time.time(), [("a@a.example", GREY)]) + END
    queue.showq.says(good)
    agent = queue.start()
    fds = None
    for name, answer in bad_answers(time.time()).items():
        queue.showq.says(good)
        samples = looked(agent)
        same(depths(samples), {("deferred",): 1}, f"messages before {name}")
        fds = fds or samples.sum("process_open_fds")
        queue.showq.says(answer)
        samples = failed(agent)
        same(depths(samples), {("deferred",): 1}, f"messages after one failure: {name}")
    same(agent.scrape().sum("process_open_fds") <= fds + 1, True, "descriptors are closed")
    until(lambda: not agent.scrape().having("mailvane_queue_messages", {}), "values to go")
    samples = agent.scrape()
    for metric in ("recipients", "age_recipients", "oldest_age_seconds", "collect_seconds",
                   "look_age_seconds"):  # fmt: skip
        same(samples.having(f"mailvane_queue_{metric}", {}), [], metric)
    same(up(agent), {"postfix": 0}, "up")
    queue.showq.says(good)
    same(depths(looked(agent)), {("deferred",): 1}, "messages after all")
    agent.wait_said("queue postfix: can be read")
    same(agent.stop(), 0, "status")


@scenario
def a_showq_that_hangs(queue):
    """The look is given up; lines and scrapes go on meanwhile."""
    queue.showq.hangs(message("deferred", time.time(), [("a@a.example", GREY)]))
    agent = queue.start(timeout=2)
    until(lambda: queue.showq.asked, "a look")
    for number in range(1, 20):
        queue.place.write()
        same(sent(agent), number, "sent while the look hangs")
    failed(agent)
    agent.wait_said("nothing was said for 2 seconds")
    same(agent.scrape().having("mailvane_queue_messages", {}), [], "messages of half a look")
    queue.showq.says(END)
    looked(agent)


@scenario
def a_showq_that_drips(queue):
    data = message("deferred", time.time(), [("a@a.example", GREY)]) + END
    queue.showq.drips(data, 0.01)
    agent = queue.start()
    same(depths(looked(agent)), {("deferred",): 1}, "messages")


def is_sanitized(queue):
    with open(queue.place.binary, "rb") as binary:
        return b"__asan_init" in binary.read()


def an_hour_a_second(queue):
    """Runs what follows with a clock that goes 3600 times as fast."""
    found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not found:
        raise Skip("faketime is not installed")
    if is_sanitized(queue):
        raise Skip("libfaketime does not start beside AddressSanitizer")
    return ("env", f"LD_PRELOAD={found[0]}", "FAKETIME=+0 x3600")


def drip_for_ever(client):
    client.sendall(message("deferred", time.time(), [("a@a.example", "x")])[:-2])
    while True:
        client.sendall(b"x")
        time.sleep(0.01)


@scenario
def a_showq_that_never_ends(queue):
    """It says something all the time, and yet the look is given up."""
    queue.showq.answer = drip_for_ever
    inside = an_hour_a_second(queue)
    config = f"sources: [{{ file: {queue.place.log} }}]\n"
    config += f"queue: [{{ postfix: {queue.spool}, timeout: 3600, interval: 3600 }}]\n"
    agent = queue.place.start(config=config, inside=inside)
    agent.wait_said("spool: the look is not complete after 3600 seconds")
    same(up(agent), {"postfix": 0}, "up")
    done = subprocess.run([*inside, queue.place.binary, "report", "--queue", "--config.file",
                           agent.config_file], capture_output=True, text=True, timeout=PATIENCE,
                          check=False)  # fmt: skip
    same((done.returncode, done.stdout), (3, ""), "status and page of the report")
    want = "mailvane: report: the queue of postfix: "
    want += f"{queue.spool}: the look is not complete after 3600 seconds\n"
    same(done.stderr, want, "sentence")


@scenario
def nobody_listens(queue):
    queue.showq.close()
    agent = queue.start()
    failed(agent)
    agent.wait_said("is Postfix running")
    queue.showq = Showq(queue.spool, lambda client: client.sendall(END))
    looked(agent)


@scenario
def a_hundred_thousand_domains_with_a_reason_each(queue):
    """Strangers choose both: what does not fit is "other", and memory does not grow by it."""
    now, many = time.time(), 100_000
    reason = "host mx{0}.x.example[192.0.2.1] said: 450 4.2.{1} No {0} (in reply to RCPT TO)"
    agent = queue.start(timeout=60)
    looked(agent)
    before = agent.status_number("VmRSS")
    queue.showq.says(b"".join(
        message("deferred", now, [(f"a@d{i}.example", reason.format(i, i % 1000))])
        for i in range(many)
    ) + END)  # fmt: skip
    until(lambda: depths(agent.scrape()) == {("deferred",): many}, "all of them")
    grown = agent.status_number("VmHWM") - before
    # AddressSanitizer keeps what was freed.
    flat = grown < MEMORY_GROWTH_KIB or is_sanitized(queue)
    same(flat, True, f"growth below 4 MiB (got {grown} KiB)")
    samples = agent.scrape()
    for name in "recipients", "age_recipients", "cause_recipients":
        same(samples.sum(f"mailvane_queue_{name}"), many, name)
    domains = samples.by("mailvane_queue_recipients", "domain")
    same(("other",) in domains and len(domains) <= 501, True, f"{len(domains)} domains")


@scenario
def half_a_look_is_not_shown(queue):
    good = message("deferred", time.time(), [("a@a.example", GREY)])
    queue.showq.says(good + END)
    agent = queue.start(timeout=60)
    same(depths(looked(agent)), {("deferred",): 1}, "messages")
    queue.showq.hangs(good * 5)
    asked = queue.showq.asked
    until(lambda: queue.showq.asked > asked, "a second look")
    same(depths(agent.scrape()), {("deferred",): 1}, "messages while the second look is under way")
    age = agent.scrape().sum("mailvane_queue_look_age_seconds")
    until(lambda: agent.scrape().sum("mailvane_queue_look_age_seconds") > age, "the age to grow")
    same(agent.stop(signal.SIGTERM), 0, "status")


# --- the spool ---------------------------------------------------------------------------


@scenario
def a_spool_whose_socket_is_not_there(queue):
    """Counts only, and one sentence."""
    queue.showq.close()
    for number, where in enumerate(("active", "hold", "deferred/A", "deferred/B", "deferred/B")):
        os.makedirs(os.path.join(queue.spool, where), exist_ok=True)
        queue.place.file(os.path.join("spool", where, f"4F00{number}"), "x" * 100)
    queue.place.file("spool/hold/not-a-queue.file", "x")
    agent = queue.start()
    samples = looked(agent)
    same(depths(samples), {("active",): 1, ("hold",): 1, ("deferred",): 3}, "messages")
    same(samples.having("mailvane_queue_bytes", {}), [], "bytes")
    same(samples.having("mailvane_queue_oldest_age_seconds", {}), [], "ages")
    same(samples.by("mailvane_queue_counts_only", "mta"), {("postfix",): 1}, "counts only")
    agent.wait_said("queue postfix: .*public/showq")
    status, _ = queue.place.run("check", "--config.file", agent.config_file)
    same(status, 1, "status of check")


def within(got, want, what):
    same(abs(got - want) <= want / 20, True, f"{what}: got {got}, want {want} or nearly")


@scenario
def the_file_system_of_the_spool(queue):
    """As statvfs has it, at each scrape: the next look may be an hour away."""
    agent = queue.start(interval=3600)
    samples = looked(agent)
    fs = os.statvfs(queue.spool)
    free = samples.sum("mailvane_spool_free_bytes", path=queue.spool)
    within(free, fs.f_bavail * fs.f_frsize, "bytes")
    within(samples.sum("mailvane_spool_free_inodes", path=queue.spool), fs.f_favail, "inodes")
    with open(queue.place.path("large"), "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 512 << 20)
        until(lambda: agent.scrape().sum("mailvane_spool_free_bytes") < free - (256 << 20),
              "the free bytes of now")  # fmt: skip


@scenario
def what_a_look_takes(queue):
    """And how old it is, in seconds, by a clock of ours."""
    slow = message("hold", time.time(), [("a@a.example", "")])

    def answer(client):
        client.sendall(slow)
        time.sleep(2)
        client.sendall(END)

    queue.showq.answer = answer
    agent = queue.start(interval=3600, timeout=60)
    until(lambda: queue.showq.asked, "the look to begin")
    began = time.monotonic()
    samples = looked(agent)
    latest = time.monotonic()
    took = samples.sum("mailvane_queue_collect_seconds")
    same(1.9 < took <= latest - began + 0.5, True, f"a look took {took} of {latest - began} s")
    age = samples.sum("mailvane_queue_look_age_seconds")
    same(took <= age <= latest - began + 0.5, True, f"it is {age} s old")


@scenario
def looks_that_take_long_are_rare(queue):
    """Nine times as long lies between two, whether they work or not."""
    for complete in True, False:
        answered = []

        def answer(client, complete=complete, answered=answered):
            time.sleep(1)
            client.sendall(END if complete else b"220 mx.example ESMTP\r\n\0")
            answered.append(time.monotonic())

        queue.showq.answer = answer
        agent = queue.start(interval=1, timeout=60)
        until(lambda answered=answered: len(answered) == 2, "a second look")
        # The second began a second before it was answered.
        rest = answered[1] - 1 - answered[0]
        same(rest > 8.5, True, f"complete: {complete}: {rest:.1f} s lie between two looks")
        same(agent.stop(), 0, "status")


@scenario
def a_spool_that_goes(queue):
    """The room on a file system that cannot be asked any more is no figure of now."""
    agent = queue.start()
    looked(agent)
    os.rename(queue.spool, queue.spool + ".away")
    for name in "bytes", "inodes":
        until(lambda name=name: not agent.scrape().having(f"mailvane_spool_free_{name}", {}), name)
    os.rename(queue.spool + ".away", queue.spool)
    until(lambda: agent.scrape().having("mailvane_spool_free_bytes", {"path": queue.spool}), "it")


@scenario
def two_instances(queue):
    other = queue.place.path("postfix-bulk")
    second = Showq(other, lambda client: client.sendall(END))
    second.says(message("hold", time.time(), [("a@a.example", "")]) * 2 + END)
    queue.showq.says(message("hold", time.time(), [("a@a.example", "")]) + END)
    agent = queue.place.start(
        config=f"sources: [{{ file: {queue.place.log} }}]\n"
        f"queue: [{{ postfix: {queue.spool} }}, {{ postfix: {other}, interval: 1 }}]"
    )
    until(lambda: up(agent) == {"spool": 1, "postfix-bulk": 1}, "both")
    got = agent.scrape().by("mailvane_queue_messages", "mta", "queue")
    same(got, {("spool", "hold"): 1, ("postfix-bulk", "hold"): 2}, "messages")
    # Each is looked at in an interval of its own; the first one's is 30 s.
    asked = second.asked
    until(lambda: second.asked >= asked + 2, "more looks at the second")
    same(queue.showq.asked, 1, "looks at the first")


@scenario
def one_that_hangs_is_no_matter_of_the_other(queue):
    other = queue.place.path("postfix-bulk")
    second = Showq(other, lambda client: client.sendall(END))
    queue.showq.hangs(message("hold", time.time(), [("a@a.example", "")]))
    agent = queue.place.start(
        config=f"sources: [{{ file: {queue.place.log} }}]\n"
        f"queue: [{{ postfix: {queue.spool} }}, {{ postfix: {other}, interval: 1 }}]"
    )
    until(lambda: second.asked >= 3, "looks at the second")
    same((up(agent), queue.showq.asked), ({"postfix-bulk": 1}, 1), "what is known")


@scenario
def turned_off(queue):
    agent = queue.place.start(config=f"sources: [{{ file: {queue.place.log} }}]\nqueue: []\n")
    same(agent.scrape().having("mailvane_queue_up", {}), [], "looks")
    same(queue.showq.asked, 0, "connections")


@scenario
def check_knows_the_queue(queue):
    agent = queue.start()
    looked(agent)
    same(queue.place.run("check", "--config.file", agent.config_file)[0], 0, "status of check")
    queue.showq.close()
    same(queue.place.run("check", "--config.file", agent.config_file)[0], 1, "without showq")
    message_dir = queue.place.path("smtpd/queue/c5/c5d0aa11")
    os.makedirs(message_dir)
    with gzip.open(os.path.join(message_dir, "c5d0aa1111111111"), "w") as envelope:
        envelope.write(b"version: 3\n")
    path = queue.place.file("compressed.yml", f"sources: [{{ file: {queue.place.log} }}]\n"
                            f"queue: [{{ opensmtpd: {queue.place.path('smtpd')} }}]\n")  # fmt: skip
    same(queue.place.run("check", "--config.file", path)[0], 1, "with envelopes that none can read")


# --- report --queue ---------------------------------------------------------------------


def report(queue, spools, *flags):
    """Status, what was printed, what was said."""
    path = queue.place.file("report.yml", f"queue: [{spools}]\n")
    done = queue.place.done("report", "--queue", "--config.file", path, *flags)
    same("@" in done.stdout, False, f"an address is shown: {done.stdout}")
    return done.returncode, done.stdout, done.stderr


def answer_as_old_as_the_snapshot(client):
    taken = int(float(snapshot("taken_at.txt")))
    client.sendall(aged(snapshot("showq.raw.bin", "rb"), int(time.time()) - taken))


def qshape_rows(name="qshape-deferred.txt"):
    """The numbers of each domain, and of TOTAL, as qshape gave them."""
    rows = [line.split() for line in snapshot(name).splitlines()[1:]]
    return {row[0]: [int(n) for n in row[1:]] for row in rows if row}


@scenario
def report_as_qshape_tells_it(queue):
    queue.showq.answer = answer_as_old_as_the_snapshot
    want = qshape_rows()
    status, printed, _ = report(queue, f"{{ postfix: {queue.spool} }}", "--json")
    same(status, 0, "status")
    told = json.loads(printed)["queues"][0]
    deferred = next(q for q in told["queues"] if q["queue"] == "deferred")
    got = {row["domain"]: [row["recipients"], *row["ages"].values()] for row in deferred["domains"]}
    got["TOTAL"] = [deferred["recipients"], *deferred["ages"].values()]
    same(got, want, "domains by age")
    expiring = sum(len(r["recipients"]) for r in snapshot_rows() if r["forced_expire"])
    same(deferred["left_out"], expiring, "what postsuper -e made expire")
    same(list(deferred["ages"]), BANDS, "bands")
    status, page, _ = report(queue, f"{{ postfix: {queue.spool} }}")
    shown = [line.split() for line in page.split("postfix, deferred\n")[1].split("\n\n")[0].splitlines()]
    shown = {row[0]: [int(n) for n in row[1:]] for row in shown[3:]}
    same((status, shown), (0, want), "the page")
    same("postfix: why they were put off, and what to do" in page, True, f"advice in {page}")


@scenario
def report_of_all_queues_as_qshape_tells_it(queue):
    """All of them together."""
    queue.showq.answer = answer_as_old_as_the_snapshot
    _, printed, _ = report(queue, f"{{ postfix: {queue.spool} }}", "--json")
    sums = collections.defaultdict(lambda: [0] * (len(BANDS) + 1))
    for told in json.loads(printed)["queues"][0]["queues"]:
        for row in [*told["domains"], {**told, "domain": "TOTAL"}]:
            for at, number in enumerate([row["recipients"], *row["ages"].values()]):
                sums[row["domain"]][at] += number
    same(dict(sums), qshape_rows("qshape-all.txt"), "domains by age")


@scenario
def report_has_the_busiest_and_the_rest(queue):
    now = time.time()
    queue.showq.says(message("deferred", now - 700, [("a@a.example", GREY)] * 3)
                     + message("deferred", now, [("b@b.example", REFUSED)] * 2)
                     + message("deferred", now, [("c@c.example", "")]) + END)
    _, printed, _ = report(queue, f"{{ postfix: {queue.spool} }}", "--json", "--top", "1")
    told = json.loads(printed)["queues"][0]
    deferred = next(q for q in told["queues"] if q["queue"] == "deferred")
    got = [(d["domain"], d["ages"]["1200"], d["ages"]["300"]) for d in deferred["domains"]]
    same(got, [("a.example", 3, 0), ("other", 0, 3)], "domains")
    causes = [(c["cause"], c["owner"], c["recipients"]) for c in told["causes"]]
    want = [("greylisted", "remote", 3), ("network", "network", 2), ("unknown", "unknown", 1)]
    same(causes, want, "causes")


@scenario
def report_goes_on_behind_a_queue_that_hangs(queue):
    queue.showq.hangs(message("deferred", time.time(), [("a@a.example", GREY)]))
    spools = f"{{ postfix: {queue.spool}, timeout: 1 }}, {{ exim: {exim_samples(queue)} }}"
    status, page, said = report(queue, spools)
    same(status, 3, "status")
    same("nothing was said for 1 seconds" in said, True, f"sentence: {said}")
    same(("exim, queued" in page, "deferred" in page), (True, False), f"page: {page}")


@scenario
def report_of_queues_that_all_fail(queue):
    """A sentence for each on stderr, and what reads JSON is told as well."""
    queue.showq.says(b"220 mx.example ESMTP\r\n\0")
    nowhere = queue.place.path("nowhere")
    spools = f"{{ postfix: {queue.spool} }}, {{ exim: {nowhere} }}"
    status, printed, said = report(queue, spools, "--json")
    same(status, 3, "status")
    rows = {row["mta"]: row for row in json.loads(printed)["queues"]}
    whys = {
        "postfix": f"{queue.spool}/public/showq: a list that does not begin with queue_name",
        "exim": f"{nowhere}/input: No such file or directory",
    }
    same({mta: row["error"] for mta, row in rows.items()}, whys, "errors")
    same(rows["exim"]["spool"], nowhere, "spool")
    want = [f"mailvane: report: the queue of {mta}: {why}" for mta, why in whys.items()]
    same(said.splitlines(), want, "sentences")


@scenario
def report_of_no_queue(queue):
    for spools, flags, status, words in (
        ("", (), 3, "no queue is configured"),
        ("", ("some.log",), 2, 'no file is read here, such as "some.log"'),
        ("", ("--since", "1d"), 2, "--since is of logs"),
        ("", ("--top", "0"), 2, '"0" is no number from 1 to 100'),
    ):
        got, printed, said = report(queue, spools, *flags)
        same((got, printed, words in said, said.count("\n")), (status, "", True, 1), f"{flags}: {said}")
    queue.showq.says(END)
    status, page, _ = report(queue, f"{{ postfix: {queue.spool} }}")
    same((status, page), (0, f"postfix: nothing waits in {queue.spool}\n"), "an empty queue")


# --- the page for a person --------------------------------------------------------------


def page_rows(agent, heading):
    """The numbers of each row below a heading of the page at /."""
    _, page = agent.get("/")
    same("secret" in page or "@" in page, False, f"an address is shown: {page}")
    part = page.partition(f"<h2>{heading}</h2>")[2].partition("<h2>")[0]
    rows = re.findall(r"<tr><th>(.*?)</th>(.*?)</tr>", part)[1:]
    return {name: [int(n) for n in re.findall(r"<td>(\d+)</td>", cells)] for name, cells in rows}


@scenario
def the_page_tells_silence_from_nothing(queue):
    def shown(text):
        return re.search(f"<h2>postfix</h2>[^#]*{text}", agent.get("/")[1])

    agent = queue.start()
    until(lambda: shown("Nothing waits, 0 seconds ago."), "an empty queue")
    queue.showq.says(b"220 mx.example ESMTP\r\n\0")
    until(lambda: shown("The last look: .*public/showq: a list that does not begin"), "a failure")
    until(lambda: not agent.scrape().having("mailvane_queue_messages", {}), "values to go")
    same(bool(shown("The last look: .*public/showq")), True, "the failure is still told")


@scenario
def the_page_as_qshape_tells_it(queue):
    queue.showq.answer = answer_as_old_as_the_snapshot
    agent = queue.start(interval=3600)
    looked(agent)
    same(page_rows(agent, "postfix, deferred"), qshape_rows(), "domains by age")
    same("postfix, incoming" in agent.get("/")[1], False, "an empty queue is shown")


@scenario
def the_page_has_nothing_that_is_not_known(queue):
    """Half a look is not shown, and what three looks could not confirm goes."""
    good = message("deferred", time.time(), [("a@a.example", GREY)])
    queue.showq.says(good + END)
    agent = queue.start()
    looked(agent)
    want = {name: [1, 1] + [0] * 9 for name in ("TOTAL", "a.example")}
    same(page_rows(agent, "postfix, deferred"), want, "the look that worked")
    queue.showq.says(good * 5)
    failed(agent)
    same(page_rows(agent, "postfix, deferred"), want, "after a look that failed in the middle")
    until(lambda: not page_rows(agent, "postfix, deferred"), "the table to go")


# --- the usual places --------------------------------------------------------------------


def in_usual_places(**spools):
    """Runs what follows where /var/spool holds these alone: a name and what is there, None: nothing."""
    steps = ["mount -t tmpfs tmpfs /var/spool"]
    for name, spool in spools.items():
        steps += [f"mkdir /var/spool/{name}"]
        steps += [f"mount --bind '{spool}' /var/spool/{name}"] if spool else []
    rights = ["--map-root-user"] if os.geteuid() else []
    inside = ("unshare", "--mount", *rights, "sh", "-c", " && ".join([*steps, 'exec "$@"']), "sh")
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode != 0:
        raise Skip("no mount namespace can be had")
    return inside


def check_inside(queue, inside, text):
    path = queue.place.file("check.yml", f"sources: [{{ file: {queue.place.log} }}]\n{text}\n")
    done = subprocess.run(
        [*inside, queue.place.binary, "check", "--config.file", path],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@scenario
def the_usual_queues_are_found(queue):
    """Where nothing is said of queues; an empty list says that there are none."""
    inside = in_usual_places(postfix=queue.spool, exim4=exim_samples(queue))
    config = f"sources: [{{ file: {queue.place.log} }}]\nqueue:\n"
    agent = queue.place.start(config=config, inside=inside)
    until(lambda: up(agent) == {"postfix": 1, "exim": 1}, "a look at both")
    same(agent.scrape().sum("mailvane_queue_messages", mta="exim"), len(exim_listing()), "messages")
    agent.stop()
    agent = queue.place.start(config=config.replace("queue:", "queue: []"), inside=inside)
    same(up(agent), {}, "looks where none was asked for")


@scenario
def a_usual_queue_out_of_reach_is_but_a_note(queue):
    """Nobody asked for it; where somebody did, it is a problem."""
    inside = in_usual_places(postfix=None, exim4=None)
    why = "/var/spool/postfix/public/showq: "
    for text, want in (("", "note "), ("queue: [{ postfix: /var/spool/postfix }]", "problem ")):
        status, said = check_inside(queue, inside, text)
        same(status, 0 if want == "note " else 1, f"status of check: {said}")
        lines = [line for line in said.splitlines() if why in line]
        same([line.startswith(want) for line in lines], [True], f"{want} in {said}")
        same("exim" in said, False, f"a spool without a queue is said to be one: {said}")


# --- Exim ----------------------------------------------------------------------------------


def exim_listing(run="default"):
    """What exim -bp said of the samples: (bytes, recipients) by message."""
    with open(os.path.join(EXIM, run, "exim-bp.txt"), encoding="ascii") as file:
        blocks = file.read().strip().split("\n\n")
    return [(int(b.split()[1]), [x.strip() for x in b.splitlines()[1:]]) for b in blocks]


def exim_samples(queue, run="default"):
    """The samples' spool, split as with split_spool_directory."""
    spool = queue.place.path("exim4")
    shutil.copytree(os.path.join(EXIM, run, "spool"), os.path.join(spool, "input", "a"))
    return spool


def start_spool(queue, mta, spool):
    agent = queue.place.start(
        config=f"sources: [{{ file: {queue.place.log} }}]\n"
        f"queue: [{{ {mta}: {spool}, interval: 1 }}]"
    )
    until(lambda: up(agent).get(mta) == 1, "a look")
    return agent


def start_exim(queue, spool):
    return start_spool(queue, "exim", spool)


def exim_as_its_listing_tells_it(queue, run):
    samples = start_exim(queue, exim_samples(queue, run)).scrape()
    listing = exim_listing(run)
    same(depths(samples), {("queued",): len(listing)}, "messages")
    same(samples.sum("mailvane_queue_bytes"), sum(size for size, _ in listing), "bytes")
    domains = collections.Counter(
        (to.rpartition("@")[2],) for _, recipients in listing for to in recipients
    )
    same(samples.by("mailvane_queue_recipients", "domain"), dict(domains), "recipients")
    same(samples.sum("mailvane_queue_age_recipients"), domains.total(), "recipients by age")


@scenario
def exim_of_default_settings(queue):
    exim_as_its_listing_tells_it(queue, "default")


@scenario
def exim_of_another_run(queue):
    """With headers that Exim has added itself, and more options in front of the recipients."""
    exim_as_its_listing_tells_it(queue, "all")


@scenario
def exim_frozen_and_half_delivered(queue):
    """A message of six recipients: one in the tree, one in the journal; it is frozen."""
    spool = queue.place.path("exim4")
    os.makedirs(os.path.join(spool, "input"))
    now = int(time.time())
    head = (
        "1xUy3a-00004n-2x-H\nexim 100 102\n<s@b.example>\n"
        f"{now - 700} 3\n-frozen {now}\n-local\nNN tree@got.example\n6\n"
        "a@a.example\nB@A.example\ntree@got.example\njournal@got.example\n"
        "e@b.example e@x.example 11,-1#1\nf@c.example\n\n010  From: x\n \n"
    )
    queue.place.file("exim4/input/1xUy3a-00004n-2x-H", head)
    queue.place.file("exim4/input/1xUy3a-00004n-2x-J", "journal@got.example\n")
    queue.place.file("exim4/input/1xUy3a-00004n-2x-D", "1xUy3a-00004n-2x-D\nbody\n")
    for name, text in (("1xUy3b-00004n-2x-H", "garbage"), ("1xUy3c-00004n-2x-H", ""),
                       ("-H", "-H\n"), ("1xUy3d-00004n-2x-H", head)):  # fmt: skip
        queue.place.file(f"exim4/input/{name}", text)
    samples = start_exim(queue, spool).scrape()
    same(depths(samples), {("frozen",): 1}, "messages")
    want = {("a.example",): 2, ("b.example",): 1, ("c.example",): 1}
    same(samples.by("mailvane_queue_recipients", "domain"), want, "recipients")
    same(samples.by("mailvane_queue_age_recipients", "age"), {("1200",): 4}, "ages")
    same(samples.sum("mailvane_queue_bytes", queue="frozen"), 10 + 5 + 1, "bytes")


@scenario
def exim_files_that_are_none(queue):
    """They count, and one sentence names the first; no more of them when they are gone."""
    spool = exim_samples(queue)
    bad = [f"exim4/input/a/1xUy3{x}-00004n-2x-H" for x in "xyz"]
    for name in bad:
        queue.place.file(name, "garbage\n")
    agent = start_exim(queue, spool)
    samples = agent.scrape()
    same(samples.sum("mailvane_queue_unreadable_messages", mta="exim"), 3, "unreadable")
    same(depths(samples), {("queued",): len(exim_listing())}, "messages")
    agent.wait_said("a message cannot be read: 1xUy3[xyz]-00004n-2x-H: it is no header file")
    _, page, _ = report(queue, f"{{ exim: {spool} }}")
    same("exim: 3 messages are missing here." in page, True, f"how many are missing in {page}")
    os.unlink(queue.place.path(bad[0]))
    os.unlink(queue.place.path(bad[1]))
    until(lambda: agent.scrape().sum("mailvane_queue_unreadable_messages") == 1, "one of three")
    os.unlink(queue.place.path(bad[2]))
    agent.wait_said("queue exim: can be read")
    rows = agent.scrape().having("mailvane_queue_unreadable_messages", {})
    same(rows, [({"mta": "exim"}, 0)], "unreadable, and it is said to be 0")
    said = [line for line in agent.said if "cannot be read" in line]
    same(len(said), 1, f"sentences, of {said}")


# --- Sendmail ------------------------------------------------------------------------------


def sendmail_listing(name="mailq-v.txt"):
    """What mailq -v said of the MTA's queue: id, size, the message's reason and recipients."""
    with open(os.path.join(SENDMAIL, name), encoding="ascii") as file:
        text = file.read().split("MTA Queue status...")[1]
    found = re.findall(
        r"^(\w{14})[*X-]? +(\d+) +(?:\d+\+)?\w+ \d+ \d+:\d+ <.*>\n +\((.*)\)\n((?:\t.*\n)+)",
        text, re.MULTILINE,
    )  # fmt: skip
    same(len(found), int(re.search(r"\((\d+) requests\)", text)[1]), "messages in the listing")
    return {
        name: (int(size), reason, re.findall(r"<(.*)>", to)) for name, size, reason, to in found
    }


def sendmail_samples(queue, names):
    """Control files for these of the listing: the one that was kept, with the others' lines."""
    spool = queue.place.path("mqueue")
    os.makedirs(spool)
    with open(os.path.join(SENDMAIL, "qf6AM3H5wi000557"), "rb") as file:
        sample = file.read()
    for name in names:
        _, reason, to = sendmail_listing()[name]
        control = re.sub(rb"(?m)^M.*$", b"M" + reason.encode(), sample)
        rows = b"\n".join(f"RPFD:<{one}>".encode() for one in to)
        control = re.sub(rb"(?m)^R.*$", lambda _, rows=rows: rows, control)
        same(name != "6AM3H5wi000557" or control == sample, True, "the sample is as it was")
        with open(os.path.join(spool, f"qf{name}"), "wb") as file:
            file.write(control)
        shutil.copy(os.path.join(SENDMAIL, "df6AM3H5wi000557"), os.path.join(spool, f"df{name}"))
    return spool


# What the listing's reasons are, read by a postmaster.
SENDMAIL_CAUSES = {
    "reply: read error from": "network",
    "Deferred: 454 4.7.0 TLS handshake": "tls-failure",
    "Deferred: 421 4.4.2": "network",
    "host map: lookup": "recipient-dns",
    "Deferred: Connection refused by": "network",
}


def sendmail_cause(reason):
    hits = [cause for text, cause in SENDMAIL_CAUSES.items() if reason.startswith(text)]
    return hits[0] if hits else "unknown"


@scenario
def sendmail_as_its_listing_tells_it(queue):
    listing = sendmail_listing()
    samples = start_spool(queue, "sendmail", sendmail_samples(queue, listing)).scrape()
    same(depths(samples), {("queued",): len(listing)}, "messages")
    same(samples.sum("mailvane_queue_bytes"), sum(size for size, _, _ in listing.values()), "bytes")
    domains = collections.Counter(
        (to.rpartition("@")[2],) for _, _, recipients in listing.values() for to in recipients
    )
    same(samples.by("mailvane_queue_recipients", "domain"), dict(domains), "recipients")
    causes = collections.Counter(
        (sendmail_cause(reason),) for _, reason, to in listing.values() for _ in to
    )
    same(samples.by("mailvane_queue_cause_recipients", "cause"), dict(causes), "causes")
    same(samples.sum("mailvane_queue_unreadable_messages"), 0, "unreadable")
    # mailq shows minutes of UTC: Nov 22 03:17.
    arrived = time.time() - samples.sum("mailvane_queue_oldest_age_seconds", queue="queued")
    same(time.strftime("%b %d %H:%M", time.gmtime(arrived)), "Nov 22 03:17", "arrival")


@scenario
def sendmail_states_are_told(queue):
    """One queued, one quarantined, one lost, one that cannot be understood."""
    spool = sendmail_samples(queue, ["6AM3H5wi000557", "6AM3H9cd000581", "6AM3HCrE000605"])
    os.rename(os.path.join(spool, "qf6AM3H9cd000581"), os.path.join(spool, "hf6AM3H9cd000581"))
    os.rename(os.path.join(spool, "qf6AM3HCrE000605"), os.path.join(spool, "Qf6AM3HCrE000605"))
    queue.place.file("mqueue/qf6AM3H7nj000570", "V9\nT1\n.\n")
    agent = start_spool(queue, "sendmail", spool)
    samples = agent.scrape()
    want = {("queued",): 1, ("quarantined",): 1, ("lost",): 1}
    same(depths(samples), want, "messages")
    same(samples.sum("mailvane_queue_unreadable_messages", mta="sendmail"), 1, "unreadable")
    agent.wait_said("qf6AM3H7nj000570: its version is not known")


@scenario
def check_reads_a_file_of_the_spool(queue):
    """Its directory can be read by all, its files by root alone; the agent becomes nobody."""
    name = "6AM3H5wi000557"
    spool = sendmail_samples(queue, [name])
    config = f"sources: [{{ file: {queue.place.log} }}]\nqueue: [{{ sendmail: {spool} }}]\n"
    config += "user: nobody\n" if os.geteuid() == 0 else ""
    path = queue.place.file("check.yml", config)
    for mode, want in ((0o644, "ok"), (0o600 if os.geteuid() == 0 else 0, "problem")):
        os.chmod(os.path.join(spool, f"qf{name}"), mode)
        status, said = queue.place.check(path)
        line = next(x for x in said.splitlines() if spool in x)
        same((status, line.split()[0]), (want == "problem", want), said)
    same(f"qf{name}: Permission denied; let mailvane's user read it" in line, True, line)


# --- OpenSMTPD -----------------------------------------------------------------------------

OPENSMTPD_CAUSES = {
    "450 LLL": "remote-error",
    "421 4.4.2": "network",
    "452 4.3.1": "remote-error",
    "450 mailbox busy": "remote-error",
    "Temporary failure in MX lookup": "recipient-dns",
}


def opensmtpd_as_its_listing_tells_it(queue, run):
    """smtpctl show queue: id|family|type|agent|sender|rcpt|dest|ctime|...|error, of what was kept."""
    spool = queue.place.path("smtpd")
    shutil.copytree(os.path.join(OPENSMTPD, run, "spool"), spool)
    files = [os.path.join(at, name) for at, _, names in os.walk(spool) for name in names]
    kept = {os.path.basename(path) for path in files} - {"message"}
    with open(os.path.join(OPENSMTPD, run, "smtpctl-show-queue.txt"), encoding="ascii") as file:
        rows = [line.rstrip("\n").split("|", 13) for line in file]
    rows = [row for row in rows if row[0] in kept]
    same(len(rows), len(kept), "envelopes in the listing")
    samples = start_spool(queue, "opensmtpd", spool).scrape()
    same(depths(samples), {("queue",): len({row[0][:8] for row in rows})}, "messages")
    sizes = sum(os.path.getsize(path) for path in files if path.endswith("/message"))
    same(samples.sum("mailvane_queue_bytes"), sizes, "bytes")
    domains = collections.Counter((row[6].rpartition("@")[2],) for row in rows)
    same(samples.by("mailvane_queue_recipients", "domain"), dict(domains), "recipients")
    causes = collections.Counter(
        (next(c for text, c in OPENSMTPD_CAUSES.items() if row[13].startswith(text)),)
        for row in rows if row[13]
    )  # fmt: skip
    same(samples.by("mailvane_queue_cause_recipients", "cause"), dict(causes), "causes")
    arrived = time.time() - samples.sum("mailvane_queue_oldest_age_seconds", queue="queue")
    oldest = min(int(row[7]) for row in rows)
    same(abs(arrived - oldest) < PATIENCE, True, f"arrival {arrived} is about {oldest}")


@scenario
def opensmtpd_mx(queue):
    opensmtpd_as_its_listing_tells_it(queue, "mx")


@scenario
def opensmtpd_smart(queue):
    opensmtpd_as_its_listing_tells_it(queue, "smart")


@scenario
def opensmtpd_that_compresses(queue):
    spool = queue.place.path("smtpd")
    os.makedirs(os.path.join(spool, "queue", "6e", "6e601779"))
    with open(os.path.join(spool, "queue", "6e", "6e601779", "6e6017797322825d"), "wb") as file:
        file.write(gzip.compress(b"version: 3\n"))
    agent = start_spool(queue, "opensmtpd", spool)
    samples = agent.scrape()
    same(samples.sum("mailvane_queue_unreadable_messages", mta="opensmtpd"), 1, "unreadable")
    same(depths(samples), {}, "messages")
    agent.wait_said(r"6e6017797322825d: it is compressed \(queue compression\)")


if __name__ == "__main__":
    tap.main(__doc__)
