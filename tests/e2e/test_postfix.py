#!/usr/bin/env python3
"""The agent beside a real Postfix, whose mail goes to a peer that keeps its own record.

usage: test_postfix.py path/to/mailvane [STEP...]

TAP on stdout. Postfix runs on loopback with a configuration, a queue and a log of
its own below a temporary directory; the machine's own Postfix is neither used nor
touched. What the peer answered (smtp_peer.py) is the truth: /metrics must say the
same. The steps build on each other.
"""

import collections
import contextlib
import glob
import json
import os
import pwd
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import time

import tap
from agent import PATIENCE, Agent, Samples, free_port, until
from smtp_peer import BANNERS, SCRIPT, Peer
from tap import Skip, same, test

ADDRESSES = {"out-a": "127.0.2.11", "out-b": "127.0.2.12", "out-c": "127.0.2.13"}
LATER_ADDRESS = "127.0.2.22"
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1? 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
maillog_file_rotate_suffix = %Y%m%d-%H%M%S
transport_maps = texthash:{dir}/etc/transport
myhostname = mta.example
myorigin = news.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_transport = error:no local mail here
default_transport = error:no such domain here
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = none
default_destination_concurrency_failed_cohort_limit = 0
minimal_backoff_time = 1h
maximal_backoff_time = 2h
queue_run_delay = 1s
biff = no
"""


def why_not():
    """Why the test cannot run here; None if it can."""
    if os.geteuid() != 0:
        return "not root: Postfix cannot be started"
    if not shutil.which("postfix"):
        return "postfix is not installed"
    try:
        pwd.getpwnam("postfix")
    except KeyError:
        return "there is no user postfix"
    return None


class Postfix:
    """An instance of its own; `services` says the sending address of each transport."""

    def __init__(self, directory):
        self.dir, self.etc = directory, os.path.join(directory, "etc")
        self.log = os.path.join(directory, "mail.log")
        self.port = free_port()
        self.services = {name: ADDRESSES[name] for name in ("out-a", "out-b")}
        self.routes = {}
        for name in ("etc", "spool", "data"):
            os.mkdir(os.path.join(directory, name))
        shutil.chown(os.path.join(directory, "data"), "postfix")
        self.write("main.cf", MAIN.format(dir=directory))

    def write(self, name, text):
        """As an editor does: a file beside it, moved over the old one."""
        path = os.path.join(self.etc, name)
        with open(path + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(path + ".new", path)

    def configure(self):
        """Writes what depends on services and routes."""
        lines = (
            f"{name} unix - - n - - smtp -o syslog_name=postfix/{name}\n"
            f"  -o smtp_bind_address={address}\n"
            for name, address in self.services.items()
        )
        self.write("transport", "".join(f"{d} {r}\n" for d, r in self.routes.items()))
        self.write("master.cf", MASTER.format(port=self.port) + "".join(lines))

    def run(self, *command, must=True):
        done = subprocess.run(
            [command[0], "-c", self.etc, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if must and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stdout}")
        return done.stdout

    def queued(self, *queues):
        """The ids of the messages in these queues."""
        return [row["queue_id"] for row in self.queue() if row["queue_name"] in queues]

    def queue(self):
        return list(map(json.loads, self.run("postqueue", "-j").splitlines()))

    def is_running(self):
        return subprocess.call(["postfix", "-c", self.etc, "status"], **QUIET) == 0

    def send(self, messages):
        """Hands in (sender, recipients) over SMTP."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE) as client:
            for sender, recipients in messages:
                client.sendmail(sender, recipients, f"Subject: {sender}\n\nHello\n")

    def stop(self):
        """Ends it for certain, also half started."""
        for command in ("stop", "abort"):
            if self.is_running():
                self.run("postfix", command, must=False)


class Lab:
    """Postfix, the peer and the agent between them."""

    def __init__(self, binary):
        self.binary = binary
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="mailvane-postfix-"))
        os.chmod(self.dir, 0o755)  # Postfix' daemons run as the user postfix
        self.peer = Peer()
        self.postfix = Postfix(self.dir)
        self.agent = None
        self.number = 0
        self.messages = 0
        self.wanted = set()  # (key, domain) that the peer has to decide on
        self.compared = 0

    def start(self):
        self.route("out-a", "127.0.3.1", "a.example", "news.example")
        self.route("out-b", "127.0.3.2", "b.example")
        # A refused session names no recipient: such a domain gets one message only.
        for transport in ("out-a", "out-b"):
            for name, banner in BANNERS.items():
                self.route(transport, "127.0.3.3", f"{name}.{transport}.example", banner=banner)
        self.postfix.configure()
        config = f"sources: [{{ file: {self.postfix.log} }}]\n"
        config += f"sending_ips: {{ postfix: [{self.postfix.etc}] }}"
        self.agent = Agent(self.binary, self.dir, config)
        self.postfix.run("postfix", "start")

    def route(self, transport, address, *domains, banner=None):
        port = self.peer.listen(address, domains[0], banner)
        for domain in domains:
            self.postfix.routes[domain] = f"{transport}:[{address}]:{port}"

    def message(self, domain, *words, sender="news"):
        """A message for which every recipient is a new one, named by what the peer shall do."""
        self.number += 1
        recipients = [f"{word}-{self.number}@{domain}" for word in words]
        if domain.split(".")[0] in BANNERS:
            self.wanted.add(("banner", domain))
        elif sender == "spam":
            self.wanted.add((f"spam-{self.number}", None))
        else:
            self.wanted.update((r.split("@")[0], domain) for r in recipients)
        return f"{sender}-{self.number}@news.example", recipients

    def send(self, messages):
        self.messages += len(messages)
        self.postfix.send(messages)

    def every_answer(self, domain):
        """A message for each thing that the peer can do, and one for several at once."""
        messages = [self.message(domain, word) for word in SCRIPT if word != "spam"]
        messages.append(self.message(domain, "nouser", "ok", "busy", "ok2", "hostile"))
        messages.append(self.message(domain, "ok", sender="spam"))
        return messages

    def settle(self):
        """Until the peer has decided on all that was handed in, and nothing is under way."""

        def all_decided():
            rows = self.peer.record()
            done = {(r.key, r.domain) for r in rows} | {
                (r.key, None) for r in rows if r.key.startswith("spam-")
            }
            return self.wanted <= done

        until(lambda: self.is_idle() and all_decided(), "the peer to decide on all recipients")

    def is_idle(self):
        """Whether nothing is under way; what a reload has put off by a minute is hurried on."""
        for queue_id in self.postfix.queued("incoming"):
            self.postfix.run("postqueue", "-i", queue_id, must=False)
        return not self.postfix.queued("maildrop", "incoming", "active")

    def truth(self):
        """The record, added up as the families of metrics are."""
        rows = self.peer.record()
        firsts = list({(r.key, r.domain): r for r in reversed(rows)}.values())
        count = collections.Counter
        return {
            "deliveries": dict(count((r.status, r.dsn, r.sending_ip) for r in rows)),
            "first attempts": dict(count((r.status, r.sending_ip) for r in firsts)),
            "domains": dict(count((r.domain, r.status, r.dsn, r.sending_ip) for r in rows)),
        }

    def compare(self, samples, truth, what):
        """Against truth(); `samples` may be what a scan said, too."""
        deliveries = "mailvane_deliveries_total", "status", "dsn", "sending_ip"
        firsts = "mailvane_first_attempts_total", "status", "sending_ip"
        domains = "mailvane_domain_deliveries_total", "domain", *deliveries[1:]
        for name, family in zip(truth, (deliveries, firsts, domains)):
            got, want = samples.by(*family), truth[name]
            if got != want:
                keys = sorted(k for k in got.keys() | want.keys() if got.get(k) != want.get(k))
                rows = (f"{k}: got {got.get(k, 0)}, want {want.get(k, 0)}" for k in keys)
                raise AssertionError(f"{what}, {name}: {'; '.join(rows)}")

    def check(self, what):
        """The agent's counters become the record's. `finish` sees that they stay so."""
        self.settle()
        rows = len(self.peer.record())
        same(rows > self.compared, True, "new rows in the record")
        self.compared = rows

        def logged():
            return self.agent.scrape().sum("mailvane_deliveries_total") >= rows

        # The peer knows of an answer before Postfix logs it.
        until(logged, f"{rows} deliveries in the log")
        self.compare(self.agent.scrape(), self.truth(), what)

    def release(self):
        try:
            self.postfix.stop()
        finally:
            if self.agent:
                self.agent.kill()
            self.peer.close()
            shutil.rmtree(self.dir, ignore_errors=True)


# --- the steps -----------------------------------------------------------------------


@test
def every_answer_is_counted(lab):
    messages = lab.every_answer("a.example") + lab.every_answer("b.example")
    messages += [
        lab.message(domain, "ok")
        for domain in lab.postfix.routes
        if domain.split(".")[0] in BANNERS
    ]
    lab.send(messages)
    lab.check("all answers")
    truth = lab.truth()["deliveries"]
    same(len(truth) >= 20, True, f"the record has many kinds of results (got {len(truth)})")
    same({ip for _, _, ip in truth}, {ADDRESSES["out-a"], ADDRESSES["out-b"]}, "its addresses")


@test
def hostile_replies_forge_nothing(lab):
    body = lab.agent.get("/metrics")[1]
    same("forged" in body, False, "what the peer forged is on /metrics")
    hostile = [r for r in lab.peer.record() if r.key.startswith("hostile")]
    same(len(hostile) >= 6, True, f"hostile answers were given (got {len(hostile)})")


@test
def retries_are_no_first_attempts(lab):
    deferred = len(lab.postfix.queued("deferred"))
    same(deferred >= 12, True, f"messages are deferred (got {deferred})")
    before = len(lab.peer.record())
    lab.postfix.run("postqueue", "-f")
    until(lambda: len(lab.peer.record()) >= before + deferred, "the retries")
    lab.check("retries")
    grey = [r.status for r in lab.peer.record() if r.key.startswith("grey")]
    same(sorted(grey), ["deferred"] * 2 + ["sent"] * 2, "what became of greylisted recipients")


@test
def a_reload(lab):
    lab.send(lab.every_answer("a.example"))
    before = int(time.time())
    lab.postfix.run("postfix", "reload")
    lab.send(lab.every_answer("b.example"))
    lab.check("reload")
    changes = lab.agent.scrape().by("mailvane_last_change_timestamp_seconds", "change")
    same(sorted(changes), [("mta_configuration",), ("mta_reload",), ("mta_start",)], "changes")
    same(changes[("mta_start",)] <= before <= changes[("mta_reload",)] <= time.time(), True,
         f"start, {before}, reload of {changes}")


@test
def a_rotation_by_rename(lab):
    lab.send(lab.every_answer("a.example"))
    os.rename(lab.postfix.log, lab.postfix.log + ".1")
    # Postfix goes on with the old file until it is told.
    lab.send(lab.every_answer("b.example"))
    lab.postfix.run("postfix", "reload")
    lab.send(lab.every_answer("a.example"))
    until(lambda: os.path.exists(lab.postfix.log), "a new log")
    lab.check("rotation")


@test
def postfix_logrotate(lab):
    rotate = subprocess.Popen(["postfix", "-c", lab.postfix.etc, "logrotate"], **QUIET)
    lab.send(lab.every_answer("a.example") + lab.every_answer("b.example"))
    same(rotate.wait(PATIENCE), 0, "status of postfix logrotate")
    same(len(glob.glob(lab.postfix.log + ".*.gz")), 1, "logs that it compressed")
    lab.send(lab.every_answer("b.example"))
    lab.check("postfix logrotate")
    samples = lab.agent.scrape()
    same(samples.sum("mailvane_log_rotations_total", kind="rename"), 2, "rotations")


@test
def a_change_of_master_cf(lab):
    before = len(lab.agent.said)
    lab.route("out-c", "127.0.3.4", "c.example")
    lab.postfix.services["out-c"] = ADDRESSES["out-c"]
    lab.postfix.services["out-b"] = LATER_ADDRESS
    lab.postfix.configure()
    lab.agent.wait_said("read Postfix' configuration again", before)
    lab.postfix.run("postfix", "reload")
    lab.send(lab.every_answer("c.example") + lab.every_answer("b.example"))
    lab.check("new transport")
    sent_from = {ip for _, _, ip in lab.truth()["deliveries"]}
    same(sent_from, {*ADDRESSES.values(), LATER_ADDRESS}, "addresses in the record")


def queue_families(rows):
    """What postqueue said, added up as the families of metrics are."""
    count = collections.Counter
    bytes_ = count()
    for row in rows:
        bytes_[(row["queue_name"],)] += row["message_size"]
    domains = [(row["queue_name"], to["address"].rpartition("@")[2])
               for row in rows for to in row["recipients"]]  # fmt: skip
    return {
        "mailvane_queue_messages": dict(count((row["queue_name"],) for row in rows)),
        "mailvane_queue_bytes": dict(bytes_),
        "mailvane_queue_recipients": dict(count(domains)),
    }


@test
def the_queue_is_what_postqueue_tells(lab):
    """While nothing moves. The hold queue is made by hand, since nobody else puts mail there."""
    held = lab.postfix.queued("deferred")[:2]
    for queue_id in held:
        lab.postfix.run("postsuper", "-h", queue_id)
    directory = os.path.join(lab.dir, "looking")
    os.mkdir(directory)
    config = f"queue: [{{ postfix: {lab.dir}/spool, interval: 1 }}]\n"
    with open(os.path.join(directory, "mail.log"), "w", encoding="ascii"):
        pass
    sources = f"sources: [{{ file: {directory}/mail.log }}]\n"
    agent = Agent(lab.binary, directory, f"{sources}{config}sandbox: false")
    try:
        want = queue_families(lab.postfix.queue())
        same(len(want["mailvane_queue_messages"]) >= 2, True, "deferred and held messages")

        def agrees():
            samples = agent.scrape()
            got = {name: samples.by(name, "queue", *(["domain"] if "recip" in name else []))
                   for name in want}  # fmt: skip
            return got == want

        until(agrees, f"the queue as postqueue told it: {want}")
        causes = agent.scrape().by("mailvane_queue_cause_recipients", "cause")
        same(("greylisted",) in causes, True, f"causes {causes}")
        same(agent.stop(), 0, "status of the agent that looked")
    finally:
        agent.kill()


@test
def without_group_postdrop(lab):
    """Root without capabilities is nobody: one sentence, and no value."""
    directory = os.path.join(lab.dir, "looking")
    config = f"queue: [{{ postfix: {lab.dir}/spool, interval: 1 }}]\n"
    sources = f"sources: [{{ file: {directory}/mail.log }}]\n"
    agent = Agent(lab.binary, directory, sources + config)
    try:
        agent.wait_said("public/showq: Permission denied; only group postdrop")
        same(agent.scrape().sum("mailvane_queue_up"), 0, "up")
        same(agent.scrape().having("mailvane_queue_messages", {}), [], "messages")
    finally:
        agent.kill()


@test
def what_is_left_at_the_end(lab):
    """Nothing was counted twice, nothing lost; a scan of the same logs says the same."""
    lab.postfix.stop()
    same(lab.postfix.is_running(), False, "Postfix runs")
    samples = lab.agent.scrape()
    lab.compare(samples, lab.truth(), "at the end")
    logs = sorted(glob.glob(lab.postfix.log + "*"))
    scan = subprocess.run([lab.binary, "scan", "--config.file", lab.agent.config_file, *logs],
                          capture_output=True, text=True, timeout=PATIENCE, check=True)  # fmt: skip
    scanned = Samples(scan.stdout)
    lines = "mailvane_log_lines_total"
    same(samples.by(lines, "outcome"), scanned.by(lines, "outcome"), "lines, by agent and scan")
    same(samples.by(lines, "outcome").keys(), {("event",), ("quiet",)}, "outcomes")
    for metric in ("mailvane_log_lost_bytes_total", "mailvane_watch_overflows_total"):
        same(samples.sum(metric), 0, metric)
    notices = sum(r.domain == "news.example" for r in lab.peer.record())
    same(samples.sum("mailvane_messages_received_total"), lab.messages + notices, "received")
    same(lab.agent.stop(), 0, "status of the agent")


@contextlib.contextmanager
def running_lab(binary):
    reason = why_not()
    if reason:
        raise Skip(reason)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    lab = Lab(binary)
    try:
        lab.start()
        yield lab
    finally:
        lab.release()


if __name__ == "__main__":
    tap.main(__doc__, running_lab)
