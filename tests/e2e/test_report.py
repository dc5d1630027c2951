#!/usr/bin/env python3
"""`mailvane report` over logs of which everything is known. usage: test_report.py path/to/mailvane

TAP on stdout.
"""

import gzip
import json
import os
import re
import subprocess

import tap
from tap import LABORATORY, same, test
from tool import Tool

LAB = os.path.join(LABORATORY, "main", "maillog.log")
GOOGLE = "gmail-smtp-in.l.google.com[142.250.1.26]:25"
YAHOO = "mta5.am0.yahoodns.net[67.195.204.72]:25"
OTHER = "mx.shop.example[192.0.2.25]:25"

SENT = ("2.0.0", "sent", "250 2.0.0 ok")
BUSY = ("4.3.2", "deferred", "host {host} said: 451 4.3.2 Internal server error, please try again "
        "later (in reply to end of DATA command)")
SPF = ("5.7.26", "bounced", "host {host} said: 550 5.7.26 Unauthenticated email is not accepted "
       "due to the domain's DMARC policy (in reply to end of DATA command)")
NOBODY = ("5.1.1", "bounced", "host {host} said: 550 5.1.1 User unknown (in reply to RCPT TO "
          "command)")
LISTED = ("5.7.1", "bounced", "host {host} said: 554 5.7.1 Service unavailable; Client host "
          "[203.0.113.9] blocked using zen.spamhaus.org (in reply to RCPT TO command)")


def delivery(second, number, relay, result, transport="smtp"):
    dsn, status, text = result
    stamp = f"2026-11-20T10:{second // 60 % 60:02}:{second % 60:02}Z"
    text = text.format(host=relay.rpartition(":")[0])
    return (f"{stamp} mx1 postfix/{transport}[7]: {number:010X}: to=<u{number}@d{number % 9}.example>, "
            f"relay={relay}, delay=1.5, delays=0.1/0.2/0.4/0.8, dsn={dsn}, status={status} ({text})\n")


def timeout(second, number, host):
    return (f"2026-11-20T10:{second // 60 % 60:02}:{second % 60:02}Z mx1 postfix/smtp[7]: "
            f"{number:010X}: to=<u@{host}>, relay=none, delay=31, delays=0.1/0/30/0, dsn=4.4.1, "
            f"status=deferred (connect to mx.{host}[192.0.2.77]:25: Connection timed out)\n")


class ReportTool(Tool):
    def report(self, *args, text="", env=None):
        return self.run("report", *args, stdin=text.encode(), env=env)

    def json(self, lines, *args):
        done = self.report("--json", *args, "-", text="".join(lines))
        same((done.returncode, done.stderr), (0, b""), "exit and stderr")
        return json.loads(done.stdout)


@test
def sums_are_those_of_the_events(tool):
    events = subprocess.run([tool.binary, "events", LAB], capture_output=True, check=True).stdout
    rows = [e for e in map(json.loads, events.splitlines()) if e["kind"] == "delivery"]
    report = json.loads(tool.report("--json", "--top", "100", LAB).stdout)
    same(report["attempts"], len(rows), "attempts")
    for status in ("sent", "deferred", "bounced", "expired"):
        same(report[status], sum(e["status"] == status for e in rows), status)
    same(report["first_attempts"], sum(e.get("first", False) for e in rows), "first attempts")
    causes = {c["cause"]: c["failed"] for c in report["causes"]}
    same(causes, {c: sum(e.get("cause") == c for e in rows) for c in causes}, "causes")
    same(sum(causes.values()), report["failed"], "a cause for each failure")
    same(sum(report["owners"].values()), report["failed"], "an owner for each failure")
    providers = {p["provider"]: p["failed"] for p in report["providers"]}
    same(sum(providers.values()), report["failed"], "failures by provider")
    same(sum(d["failed"] for d in report["domains"]), report["failed"], "failures by domain")


@test
def one_provider_with_a_fault(tool):
    lines = [delivery(i, i, GOOGLE, SENT) for i in range(200)]
    lines += [delivery(i, 1000 + i, YAHOO, BUSY if i % 2 else SENT) for i in range(100)]
    report = tool.json(lines)
    same(report["verdict_owner"], "remote", "owner")
    if not report["verdict"].startswith("It is the provider, yahoo: 100 % of such failures"):
        raise AssertionError(report["verdict"])
    if "50.0 % of all attempts failed, against 0.0 % elsewhere" not in report["verdict"]:
        raise AssertionError(report["verdict"])


@test
def our_own_fault_everywhere(tool):
    relays = [GOOGLE, YAHOO, OTHER]
    lines = [delivery(i, i, relays[i % 3], SPF if i % 5 == 0 else SENT) for i in range(300)]
    report = tool.json(lines)
    same(report["verdict_owner"], "sender", "owner")
    same(report["verdict"], "It is us: 100 % of 60 failures, at 3 of 3 providers, mostly auth-failed.",
         "verdict")


@test
def the_recipients(tool):
    lines = [delivery(i, i, [GOOGLE, OTHER][i % 2], NOBODY if i % 3 == 0 else SENT) for i in range(90)]
    report = tool.json(lines)
    same(report["verdict_owner"], "recipient", "owner")
    same(report["causes"][0]["cause"], "user-unknown", "cause")


@test
def the_network(tool):
    lines = [timeout(i, i, f"host{i}.example") for i in range(30)]
    lines += [delivery(i, 100 + i, GOOGLE, SENT) for i in range(30)]
    report = tool.json(lines)
    same((report["verdict_owner"], report["causes"][0]["cause"]), ("network", "network"), "verdict")


@test
def what_expired_failed_for_its_last_deferral(tool):
    lines = [delivery(0, 1, YAHOO, BUSY)]
    for number in (1, 2):
        lines.append(f"2026-11-20T10:01:00Z mx1 postfix/qmgr[7]: {number:010X}: "
                     "from=<a@b.example>, status=expired, returned to sender\n")
    report = tool.json(lines)
    causes = {c["cause"]: c["failed"] for c in report["causes"]}
    same(causes, {"remote-error": 2, "expired": 1}, "causes")


@test
def nothing_failed_and_nothing_at_all(tool):
    report = tool.json([delivery(i, i, GOOGLE, SENT) for i in range(5)])
    same((report["verdict"], report["failed"]), ("All is well: nothing failed.", 0), "all sent")
    report = tool.json([])
    same((report["attempts"], report["lines"]), (0, 0), "empty log")
    page = tool.report("-", text="")
    same((page.returncode, page.stderr), (0, b""), "an empty page")


@test
def what_changed_in_the_second_half(tool):
    lines = []
    for i in range(2000):
        relay = [GOOGLE, OTHER][i % 2]
        bad = relay == GOOGLE and i >= 1000 and i % 4 == 0
        lines.append(delivery(i, i, relay, LISTED if bad else SENT))
    report = tool.json(lines)
    changes = {c.get("provider") or c.get("cause"): c for c in report["changes"]}
    same(sorted(changes), ["google", "reputation-block"], "what changed")
    before, after = changes["google"]["before"], changes["google"]["after"]
    if before > 0.02 or not 0.45 < after < 0.55:
        raise AssertionError(f"google: {before} then {after}, want 0 then about a half")
    same(report["lists"], [{"list": "spamhaus-zen", "refusals": 250}], "block lists")
    same(report["older"], 0, "older")
    page = tool.report("-", text="".join(lines)).stdout.decode()
    if not re.search(r"^google +more: 0\.\d % of attempts, then \d\d\.\d %$", page, re.M):
        raise AssertionError(page)


@test
def a_steady_log_has_no_changes(tool):
    lines = [delivery(i, i, GOOGLE, BUSY if i % 3 == 0 else SENT) for i in range(3000)]
    same(tool.json(lines)["changes"], [], "changes")


@test
def since_leaves_out_what_is_older(tool):
    lines = [delivery(i, i, GOOGLE, SENT) for i in range(100)]
    same(tool.json(lines, "--since", "2026-11-20T10:01:00Z")["attempts"], 40, "a stamp")
    same(tool.json(lines, "--since", "2026-11-20 10:00:50")["attempts"], 50, "local time")
    nothing = tool.json(lines, "--since", "2026-11-21")
    same((nothing["attempts"], nothing["older"]), (0, 100), "a later day")
    page = tool.report("--since", "2026-11-21", "-", text="".join(lines)).stdout.decode()
    same(page.splitlines()[:3], ["100 lines of 1 file", "100 older attempts left out", "0 attempts"], "a later day's page")


@test
def the_worst_stands_first(tool):
    """Causes and lists come in another order than they are counted in."""
    lines = []
    for zone, times in (("zen.spamhaus.org", 2), ("bl.spamcop.net", 5), ("b.barracudacentral.org", 3)):
        text = LISTED[2].replace("zen.spamhaus.org", zone)
        lines += [delivery(i, len(lines) + i, OTHER, (*LISTED[:2], text)) for i in range(times)]
    lines += [delivery(i, 100 + i, OTHER, NOBODY) for i in range(20)]
    report = tool.json(lines)
    same([(row["list"], row["refusals"]) for row in report["lists"]],
         [("spamcop", 5), ("barracuda", 3), ("spamhaus-zen", 2)], "lists")
    same([(row["cause"], row["failed"]) for row in report["causes"]],
         [("user-unknown", 20), ("reputation-block", 10)], "causes")
    page = tool.report("-", text="".join(lines)).stdout.decode()
    found = re.findall(r"^(spamcop|barracuda|spamhaus-zen) ", page, re.M)
    same(found, ["spamcop", "barracuda", "spamhaus-zen"], "lists on the page")


@test
def files_of_all_kinds(tool):
    lines = "".join(delivery(i, i, GOOGLE, SENT) for i in range(10)).encode()
    plain, packed = tool.write("a.log", lines), tool.write("b.log.gz", gzip.compress(lines))
    report = json.loads(tool.report("--json", plain, packed).stdout)
    same((report["attempts"], report["files"], report["lines"]), (20, 2, 20), "two files")


@test
def bad_arguments_get_one_sentence(tool):
    for args, part in (
        (["--since", "yesterday", LAB], b'--since "yesterday" is no time'),
        (["--since", "2026-02-30", LAB], b'--since "2026-02-30" is no time'),
        (["--top", "0", LAB], b'--top "0" is no number'),
        (["--top", "ten", LAB], b'--top "ten" is no number'),
        (["--nonsense", LAB], b"unknown flag --nonsense"),
    ):
        done = tool.report(*args)
        same((done.returncode, done.stdout, done.stderr.count(b"\n")), (2, b"", 1), str(args))
        if part not in done.stderr:
            raise AssertionError(done.stderr)
    done = tool.report("/nonexistent.log", LAB)
    same(done.returncode, 3, "a file that is not there")
    if b"1070 attempts" not in done.stdout:
        raise AssertionError("the other file was not read")


@test
def pages_keep_to_the_width(tool):
    for width in (64, 80, 100, 120):
        page = tool.report(LAB, env={"COLUMNS": str(width)}).stdout.decode()
        long = [line for line in page.splitlines() if len(line) > width]
        same(long, [], f"lines over {width} columns")
        if "\x1b" in page:
            raise AssertionError("colour where there is no terminal")


@test
def progress_on_a_terminal_only(tool):
    path = tool.write("large.log", b"2026-11-20T10:00:00Z mx1 postfix/qmgr[1]: 1A2B3C4D5E: removed\n" * 600000)
    shown = tool.on_terminal("report", path, stdout=subprocess.DEVNULL)
    if not re.search(rb"\d %", shown) or not shown.endswith(b"\r\x1b[K"):
        raise AssertionError(shown[-80:])
    same(tool.report(path).stderr, b"", "stderr that is no terminal")


if __name__ == "__main__":
    tap.main(__doc__, ReportTool)
