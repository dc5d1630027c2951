#!/usr/bin/env python3
"""The agent from outside: what is written to a log is on /metrics, whatever happens to the log.

usage: test_agent.py path/to/mailvane [SCENARIO...]

TAP on stdout. Every scenario has a directory and an agent of its own; what must
be counted follows from the lines that the scenario wrote.
"""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

import tap
from agent import (MEMORY_GROWTH_KIB, NO_QUEUE, PERSON, Place, Samples, counted, promtool_on, sent,
                   until)
from tap import Skip, same

scenario = tap.scenario(Place)


# --- scenarios: the log ---------------------------------------------------------------


@scenario
def a_line_written_is_in_the_next_scrape(place):
    agent = place.follow()
    for number in range(1, 101):
        place.write()
        samples = agent.scrape()
        got = (
            samples.sum("mailvane_log_lines_total"),
            samples.sum("mailvane_deliveries_total", status="sent"),
        )
        same(got, (number, number), f"lines and deliveries after line {number}")


@scenario
def what_stood_there_before_is_not_counted(place):
    place.write(10)
    agent = place.start()
    same(sent(agent), 0, "sent before")
    place.write(3)
    same(sent(agent), 3, "sent after")


@scenario
def from_start_counts_what_stood_there(place):
    place.write(10)
    agent = place.start("--from-start")
    same(sent(agent), 10, "sent before")
    place.write(3)
    same(sent(agent), 13, "sent after")


@scenario
def a_log_that_appears_later(place):
    directory = place.path("later")
    log = os.path.join(directory, "mail.log")
    agent = place.start(config=f"sources: [{{ file: {log} }}]")
    os.mkdir(directory)
    until(lambda: agent.scrape(), "a scrape")
    place.write(7, path=log)
    same(sent(agent), 7, "sent")
    place.write(1, path=log)
    same(sent(agent), 8, "sent")


@scenario
def half_a_line_is_counted_when_it_is_whole(place):
    agent = place.follow()
    line = place.delivery()
    with open(place.log, "ab", buffering=0) as out:
        out.write(line[:100])
        same(sent(agent), 0, "sent with half a line")
        out.write(line[100:])
        same(sent(agent), 1, "sent with the whole")


@scenario
def rotation_by_rename(place):
    agent = place.follow()
    for turn in range(1, 21):
        place.write(50)
        os.rename(place.log, f"{place.log}.{turn}")
        # A syslog daemon goes on with the old file until it is told.
        place.write(25, path=f"{place.log}.{turn}")
        place.write(25)
    samples = agent.scrape()
    same(int(samples.sum("mailvane_deliveries_total")), place.lines, "deliveries")
    same(samples.sum("mailvane_log_rotations_total", kind="rename"), 20, "rotations")
    same(samples.sum("mailvane_log_lost_bytes_total"), 0, "bytes lost")


@scenario
def rotation_by_copytruncate(place):
    agent = place.follow()
    for turn in range(1, 21):
        place.write(50)
        # As logrotate does; what is written meanwhile would be lost to everybody.
        shutil.copyfile(place.log, f"{place.log}.{turn}")
        os.truncate(place.log, 0)
        place.write(25)
        same(sent(agent), place.lines, f"sent after truncation {turn}")
    samples = agent.scrape()
    same(samples.sum("mailvane_log_rotations_total", kind="truncate"), 20, "truncations")
    same(samples.sum("mailvane_log_lost_bytes_total"), 0, "bytes lost")


@scenario
def a_glob_of_logs(place):
    agent = place.start(config=f"sources: [{{ file: {place.path('*.log')} }}]")
    place.write(3, path=place.path("a.log"))
    place.write(4, path=place.path("b.log"))
    same(sent(agent), 7, "sent")


@scenario
def lines_that_are_not_understood_are_counted(place):
    agent = place.follow()
    with open(place.log, "ab", buffering=0) as out:
        out.write(b"\x00\xff\xfe nothing at all\n\n" + b"x" * 5000 + b"\n")
        out.write(b"Nov 22 10:00:00 mx1 kernel: not mail\n")
        out.write(b"Nov 22 10:00:00 mx1 postfix/smtp[1]: 1A2B3C: to=<a@b.example>, status=\n")
        out.write(b"y" * (1 << 20) + b"\n")
    place.write(1)
    samples = agent.scrape()
    same(int(samples.sum("mailvane_log_lines_total")), 6, "lines")
    same(int(samples.sum("mailvane_log_lines_total", outcome="malformed")), 1, "malformed")
    same(int(samples.sum("mailvane_log_long_lines_total")), 1, "lines that are too long")
    same(int(samples.sum("mailvane_deliveries_total")), 1, "deliveries")


# --- scenarios: new series ------------------------------------------------------------------


def refused(agent, who):
    """The samples of the one series of 5.7.1, as a scraper is shown them."""
    return [v for _, v in agent.scrape(who).having("mailvane_deliveries_total", {"dsn": "5.7.1"})]


def expect_scrapers(agent, known, forgotten):
    samples = agent.scrape()
    same(samples.sum("mailvane_scrapers"), known, "scrapers")
    same(samples.sum("mailvane_scrapers_forgotten_total"), forgotten, "scrapers forgotten")


@scenario
def a_new_series_is_born_at_zero(place):
    agent = place.follow()
    for who in ("first", "second"):
        same(refused(agent, who), [], f"5.7.1 for the {who} scraper, before there was any")
    place.write(3, dsn="5.7.1", status="bounced")
    same(refused(agent, "first"), [0], "the first scraper, at once")
    same(refused(agent, PERSON), [3], "a person")
    place.write(1, dsn="5.7.1", status="bounced")
    same(refused(agent, "first"), [4], "the first scraper, again")
    same(agent.request("HEAD", "/metrics", "second")[0], 200, "HEAD")
    same(refused(agent, "second"), [0], "the second scraper")
    same(refused(agent, "second"), [4], "the second scraper, again")
    # It comes for the first time, and 5.7.1 is as old as some seconds.
    same(refused(agent, "third"), [0], "the third scraper")
    same(refused(agent, "third"), [4], "the third scraper, again")
    expect_scrapers(agent, 3, 0)


@scenario
def histograms_are_born_at_zero(place):
    agent = place.follow()
    agent.scrape("scraper")
    place.write(2)
    for want in (0, 2):
        samples = agent.scrape("scraper")
        for name in ("bucket", "sum", "count"):
            rows = samples.having(f"mailvane_delivery_latency_seconds_{name}", {})
            got = max(value for _, value in rows)
            same(got, want, f"_{name} of the latency (each took 1 s)")


@scenario
def what_old_lines_made_is_not_new(place):
    place.write(5, dsn="5.7.1", status="bounced")
    agent = place.start("--from-start")
    same(refused(agent, "scraper"), [5], "5.7.1 for a scraper that comes later")
    domains = agent.scrape("another").sum("mailvane_domain_deliveries_total")
    same(domains, 5, "deliveries by domain")
    lines = agent.scrape("a third").sum("mailvane_log_lines_total")
    same(lines, 5, "lines")


@scenario
def more_scrapers_than_are_remembered(place):
    agent = place.follow()
    for _ in range(2):
        agent.scrape("regular")
    for number in range(100):
        agent.scrape(f"stranger {number}")
    place.write(1, dsn="5.7.1", status="bounced")
    same(refused(agent, "regular"), [0], "the one that comes regularly")
    expect_scrapers(agent, 16, 85)


@scenario
def first_attempts_are_there_at_zero(place):
    place.write(0)
    for config, ip in (("", ""), ("sending_ips: { default: 192.0.2.1 }", "192.0.2.1")):
        agent = place.start(config=f"sources: [{{ file: {place.log} }}]\n{config}")
        samples = agent.scrape("scraper")
        for provider, where in (("google", ip), ("other", ip), ("local", "")):
            rows = samples.having(
                "mailvane_first_attempts_total", {"provider": provider, "sending_ip": where}
            )
            got = sorted((labels["status"], value) for labels, value in rows)
            want = [("bounced", 0), ("deferred", 0), ("sent", 0)]
            same(got, want, f"totals of {provider} from {where!r}")
    config = "sending_ips: { default: 192.0.2.1, map: { out-b: 192.0.2.2 } }"
    agent = place.start(config=f"sources: [{{ file: {place.log} }}]\n{config}")
    rows = agent.scrape("scraper").having("mailvane_first_attempts_total", {})
    same(rows, [], "totals where addresses differ")


# --- scenarios: HTTP ----------------------------------------------------------------------


@scenario
def pages(place):
    agent = place.follow()
    for path, kind, part in (
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "# TYPE mailvane_build_info gauge"),
        ("/", "text/html; charset=utf-8", 'href="/metrics"'),
        ("/-/healthy", "text/plain; charset=utf-8", "healthy"),
        ("/-/ready", "text/plain; charset=utf-8", "ready"),
    ):
        status, headers, body = agent.request("GET", path)
        same((status, headers.get("content-type")), (200, kind), f"GET {path}")
        same(part in body, True, f"{part!r} in GET {path}")
        status, headers, body = agent.request("HEAD", path)
        same((status, headers.get("content-type"), body), (200, kind, ""), f"HEAD {path}")
        same(int(headers["content-length"]) > 0, True, f"content-length of HEAD {path}")


@scenario
def refused_requests(place):
    agent = place.follow()
    for method, path, want in (
        ("GET", "/nothing", 404),
        ("HEAD", "/nothing", 404),
        ("GET", "/metrics/", 404),
        ("POST", "/metrics", 405),
        ("PUT", "/", 405),
        ("DELETE", "/-/healthy", 405),
    ):
        same(agent.request(method, path)[0], want, f"{method} {path}")
    status, headers, _ = agent.request("POST", "/metrics")
    same((status, headers.get("allow")), (405, "GET, HEAD"), "POST /metrics and its Allow")


@scenario
def another_telemetry_path(place):
    place.write(1)
    agent = place.start("--web.telemetry-path", "/figures", "--from-start")
    same(agent.get("/metrics")[0], 404, "GET /metrics")
    status, body = agent.get("/figures")
    same(status, 200, "GET /figures")
    same(int(Samples(body).sum("mailvane_deliveries_total")), 1, "deliveries")
    same('href="/figures"' in agent.get("/")[1], True, "a link on /")


@scenario
def promtool_has_nothing_to_say(place):
    agent = place.follow()
    place.write(3)
    place.write(2, dsn="4.7.28", status="deferred", domain='"\\odd')
    same(promtool_on(agent.get("/metrics")[1]), (0, ""), "promtool check metrics")


# --- scenarios: signals, arguments, configuration ------------------------------------------


@scenario
def sigterm_and_sigint_end_it(place):
    for number in (signal.SIGTERM, signal.SIGINT):
        agent = place.start()
        same(agent.stop(number), 0, f"status after {number.name}")
        same("stopping" in "".join(agent.said), True, f"'stopping' after {number.name}")
        with socket.socket() as sock:
            same(sock.connect_ex(("127.0.0.1", agent.port)) != 0, True, "port is closed")


@scenario
def sighup_does_not_end_it(place):
    agent = place.follow()
    place.write(2)
    for _ in range(3):
        before = len(agent.said)
        agent.process.send_signal(signal.SIGHUP)
        agent.wait_said("SIGHUP", before)
    place.write(2)
    same(sent(agent), 4, "sent")
    same(agent.stop(), 0, "status")


@scenario
def a_port_in_use(place):
    agent = place.start()
    status, said = place.run("--web.listen-address", f"127.0.0.1:{agent.port}")
    same(status, 3, "status")
    errors = [line for line in said.splitlines() if not line.startswith("ts=")]
    same(len(errors), 1, f"sentences in {errors}")
    same(str(agent.port) in errors[0], True, f"the port in {errors[0]!r}")


BAD_CONFIGS = (
    # name, text, line:column, words of the sentence
    ("unknown key", "sources:\n  - file: /x\nquues: 1\n", "3:1", "quues"),
    ("unknown key in a section", "web:\n  telemetry_pth: /m\n", "2:3", "telemetry_path"),
    ("wrong type", "series:\n  domains: many\n", "2:12", "many"),
    ("list for a number", "series:\n  domains: [1]\n", "2:12", "domains"),
    ("too small", "series: { domains: 0 }\n", "1:20", "10000"),
    ("too large", "series: { domains: 10001 }\n", "1:20", "10000"),
    ("no address", "sending_ips:\n  default: 300.1.1.1\n", "2:12", "300.1.1.1"),
    ("unknown format", "sources:\n  - { file: /x, format: qmail }\n", "2:25", "qmail"),
    ("twice the same key", "check_interval: 5\ncheck_interval: 6\n", "2:1", "check_interval"),
    ("not of this version", "own_domains: [a.example]\n", "1:1", "own_domains"),
    ("broken YAML", "sources: [\n", "2:1", ""),
    ("a level that there is not", "log: { level: loud }\n", "1:15", "loud"),
)


@scenario
def bad_configurations(place):
    for name, text, where, words in BAD_CONFIGS:
        path = place.file("bad.yml", text)
        for command in ([], ["check"]):
            status, said = place.run(*command, "--config.file", path)
            what = f"{name}, {' '.join(command) or 'agent'}"
            same(status, 2, f"{what}: status, with {said!r}")
            same(len(said.splitlines()), 1, f"{what}: lines of {said!r}")
            same(f"{path}:{where}: " in said, True, f"{what}: {where} in {said!r}")
            same(words in said, True, f"{what}: {words!r} in {said!r}")


@scenario
def missing_configurations(place):
    directory = place.path("directory.yml")
    os.mkdir(directory)
    for name, path in (("missing", place.path("no.yml")), ("a directory", directory)):
        for command in ([], ["check"]):
            status, said = place.run(*command, "--config.file", path)
            same((status, len(said.splitlines())), (2, 1), f"{name}: status, lines of {said!r}")
            same(path in said, True, f"{name}: the path in {said!r}")


BAD_FLAGS = (
    ["--no-such-flag"],
    ["-x"],
    ["--config.file"],
    ["--from-start=yes"],
    ["--log.level", "loud"],
    ["--log.format", "xml"],
    ["--web.telemetry-path", "metrics"],
    ["operand"],
    ["--from-start", "operand"],
    ["scan", "--format", "qmail", "-"],
    ["events", "--no-such-flag"],
    ["check", "operand"],
)


@scenario
def bad_flags(place):
    for flags in BAD_FLAGS:
        status, said = place.run(*flags)
        same((status, len(said.splitlines())), (2, 1), f"{flags}: status, lines of {said!r}")


@scenario
def unusable_listen_addresses(place):
    place.write(0)
    config = place.file("good.yml", f"sources: [{{ file: {place.log} }}]\n")
    for address, want in (("nonsense", 2), ("", 2), (":99999", 2), ("[::1", 2), ("192.0.2.1:0", 3)):
        status, said = place.run("--config.file", config, "--web.listen-address", address)
        errors = [line for line in said.splitlines() if not line.startswith("ts=")]
        same((status, len(errors)), (want, 1), f"{address}: status, sentences of {said!r}")
        same(f'"{address}"' in errors[0] or want == 3, True, f"{address}: named in {errors}")
        same("--web.listen-address" in errors[0], want == 2, f"{address}: the flag in {errors}")
    # In the file it is a mistake of the configuration, too.
    broken = place.file("broken.yml", 'web: { listen: ["[::1:9925"] }\n')
    for command in ([], ["check"]):
        status, said = place.run(*command, "--config.file", broken)
        same((status, "[::1:9925" in said), (2, True), f"{command}: {said!r}")


def changed(agent):
    rows = agent.scrape().having("mailvane_last_change_timestamp_seconds", {})
    return {have["change"]: int(value) for have, value in rows}


@scenario
def changes_of_the_mta_are_told(place):
    """By its log, and kept over a restart: the line is not read again."""
    place.write(0)
    config = f"sources: [{{ file: {place.log} }}]\nstate: {place.path('state.db')}\nsandbox: false\n"
    agent = place.start(config=config)
    same(changed(agent), {}, "changes that nobody told of")
    version = "version 3.7.11, configuration /etc/postfix"
    with open(place.log, "a", encoding="ascii") as log:
        log.write(f"2026-01-04T10:12:21+00:00 mx1 postfix/master[7]: daemon started -- {version}\n"
                  f"2026-01-04T10:12:25+00:00 mx1 postfix/master[7]: reload -- {version}\n")
    want = {"mta_start": 1767521541, "mta_reload": 1767521545}  # by date(1)
    until(lambda: changed(agent) == want, f"changes {want}")
    same(agent.stop(), 0, "status")
    same(changed(place.start(config=config)), want, "changes after a restart")


@scenario
def changes_of_configuration_are_told(place):
    """Of any file beside main.cf that is not hidden; before the start, of main.cf and master.cf."""
    place.write(0)
    os.mkdir(place.path("etc"))
    for name, text in ("main.cf", ""), ("master.cf", "smtp unix - - n - - smtp\n"):
        place.file(f"etc/{name}", text)
    first = int(os.stat(place.path("etc/master.cf")).st_ctime)
    agent = place.start(config=f"sources: [{{ file: {place.log} }}]\n"
                               f"sending_ips: {{ postfix: [{place.path('etc')}] }}\n")
    same(changed(agent), {"mta_configuration": first}, "when it changed before the start")
    until(lambda: int(time.time()) > first, "the next second")
    said = len(agent.said)
    place.file("etc/.main.cf.swp", "")
    agent.wait_said("read Postfix' configuration again", said)
    same(changed(agent), {"mta_configuration": first}, "after somebody looked at it")
    before = int(time.time())
    place.file("etc/transport", "")
    until(lambda: changed(agent)["mta_configuration"] > first, "the change")
    told = changed(agent)["mta_configuration"]
    same(before <= told <= time.time(), True, f"{told} is now")


@scenario
def check_says_what_is_wrong(place):
    place.write(1)
    good = place.file("good.yml", f"sources: [{{ file: {place.log} }}]\n{NO_QUEUE}")
    absent = place.file("absent.yml", f"sources: [{{ file: {place.path('no.log')} }}]\n")
    nodir = place.file("nodir.yml", f"sending_ips: {{ postfix: [{place.path('nodir')}] }}\n")
    for path, want in ((good, 0), (absent, 1), (nodir, 1), (place.path("none.yml"), 2)):
        same(place.check(path)[0], want, f"check of {path}")
    os.mkdir(place.path("a-directory"))
    for log in (place.path("a-directory"), "/dev/null"):
        path = place.file("no-log.yml", f"sources: [{{ file: {log} }}]\n")
        status, said = place.check(path)
        same((status, f"problem  {log}: is no regular file" in said), (1, True), f"check: {said!r}")


@scenario
def check_looks_at_the_state(place):
    """What the agent could not go on from is no file that check calls good."""
    place.write(1)
    other = place.path("songs.db")
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE songs(name TEXT)")
    text = place.file("notes.txt", "eight byte")
    os.mkdir(place.path("a-directory"))
    rows = (
        (place.path("new.db"), 0, "ok       state "),
        (place.file("empty.db", ""), 0, "ok       state "),
        (text, 1, "is no state file of mailvane"),
        (other, 1, "is no state file of mailvane"),
        (place.path("a-directory"), 1, "is no regular file"),
        ("/dev/null", 1, "is no regular file"),
    )
    for state, want, words in rows:
        config = f"sources: [{{ file: {place.log} }}]\nstate: {state}\n{NO_QUEUE}"
        path = place.file("state.yml", config)
        status, said = place.check(path)
        same((status, words in said), (want, True), f"check with {state}: {said!r}")
    newer = place.path("newer.db")  # as the state files of mailvane are marked, "mvan"
    with sqlite3.connect(newer) as db:
        db.execute(f"PRAGMA application_id = {0x6d76616e}")
        db.execute("PRAGMA user_version = 99")
    path = place.file("state.yml", f"sources: [{{ file: {place.log} }}]\nstate: {newer}\n")
    status, said = place.check(path)
    same((status, "is of a newer version" in said), (1, True), f"check of a newer one: {said!r}")


@scenario
def the_state_is_no_log_under_another_name(place):
    """It would be made a database, and lines be written into that."""
    place.write(0)
    os.symlink(place.dir, place.path("link"))
    os.symlink(place.log, place.path("other.log"))
    for state in (place.log, place.path("link/mail.log"), place.path("other.log"),
                  place.log.replace("/mail.log", "//mail.log"), place.path("link/not-yet.log")):
        sources = f"[{{ file: {place.log} }}, {{ file: {place.path('not-yet.log')} }}]"
        path = place.file("state.yml", f"sources: {sources}\nstate: {state}\n")
        for command in ([], ["check"]):
            status, said = place.run(*command, "--config.file", path)
            same((status, "a log that is followed" in said), (2, True), f"{command} {state}: {said!r}")
    same(os.path.getsize(place.log), 0, "bytes of the log")


@scenario
def check_of_nothing_that_is_configured(place):
    """Without a configuration the agent starts, so check has something to look at."""
    if os.path.exists("/etc/mailvane/mailvane.yml"):
        raise Skip("this host has a configuration")
    done = place.done("check")
    same(done.stdout.splitlines()[0], "ok       configuration none: the defaults", "the first finding")
    same(done.returncode in (0, 1), True, f"status {done.returncode}")


@scenario
def check_looks_as_the_agents_user(place):
    """Root may read everything; the user that the agent becomes may not."""
    if os.geteuid() != 0:
        raise Skip("not started as root")
    place.write(1)
    os.chmod(place.log, 0o600)
    config = f"sources: [{{ file: {place.log} }}]\n{NO_QUEUE}"
    as_root = place.file("root.yml", config + "sandbox: false\n")
    as_nobody = place.file("nobody.yml", config + f"user: nobody\nstate: {place.path('s.db')}\n")
    same(place.check(as_root)[0], 0, "check of a log as root")
    status, said = place.check(as_nobody)
    same((status, said.count("problem")), (1, 2), f"log and state in {said!r}")


# --- scenarios: what it costs, what it tells -------------------------------------------------


# The agent watches the directories above a log, too; others work in those of this
# machine. So the log gets a file system of its own, which only the agent sees.
ALONE = (
    "unshare", "--mount", *(["--map-root-user"] if os.geteuid() else []),
    "sh", "-c", 'mount -t tmpfs tmpfs /media && : > /media/mail.log && exec "$@"', "sh",
)  # fmt: skip


@scenario
def idle_means_asleep(place):
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode != 0:
        raise Skip("no mount namespace can be had")
    agent = place.start(config="sources: [{ file: /media/mail.log }]", inside=ALONE)
    agent.scrape()
    name = "voluntary_ctxt_switches"
    before = -1
    while (now := agent.status_number(name)) != before:
        before = now
        time.sleep(0.2)
    time.sleep(3)
    grown = agent.status_number(name) - before
    same(grown <= 2, True, f"at most 2 wake-ups in 3 idle seconds (got {grown})")


@scenario
def no_local_part_leaves_the_process(place):
    for form in ("logfmt", "json"):
        place.write(5)
        agent = place.start("--from-start", "--log.level", "debug", "--log.format", form)
        place.write(50, dsn="5.1.1", status="bounced")
        os.rename(place.log, place.log + "." + form)
        place.write(5, domain='"\\odd')
        shown = agent.get("/metrics")[1] + agent.get("/")[1]
        same(agent.stop(), 0, "status")
        shown += "".join(agent.said)
        same("secret.local.part" in shown, False, f"a local part in pages or {form}")
        if form == "json":
            for line in filter(None, agent.said):
                json.loads(line)


@scenario
def memory_does_not_follow_the_domains(place):
    agent = place.follow()

    def fill(first, count):
        with open(place.log, "ab") as out:
            for number in range(first, first + count):
                status, dsn = (("sent", "2.0.0"), ("deferred", "4.7.1"))[number % 2]
                out.write(place.delivery(f"d{number}.example", dsn, status))
        same(counted(agent), first + count, "deliveries")
        return agent.status_number("VmRSS")

    before = fill(0, 3000)
    after = fill(3000, 297000)
    grown = after - before
    same(grown < MEMORY_GROWTH_KIB, True, f"growth below 4 MiB (got {grown} KiB to {after} KiB)")
    domains = agent.scrape().by("mailvane_domain_deliveries_total", "domain")
    same(len(domains) <= 501, True, f"at most 501 values of domain (got {len(domains)})")
    same(sum(domains.values()), place.lines, "deliveries over all domains")


if __name__ == "__main__":
    tap.main(__doc__)
