#!/usr/bin/env python3
"""`mailvane explain`, and causes in scan and events. usage: test_explain.py path/to/mailvane

TAP on stdout. The causes wanted are those of tests/data/replies and of a log that is
written here, of which each line's cause is known.
"""

import collections
import json
import os
import re
import resource
import subprocess
import tempfile

import tap
from tap import LABORATORY, ROOT, same, test
from tool import Tool

REPLIES = os.path.join(ROOT, "tests", "data", "replies")
DONE, NOT_SO, USAGE = 0, 1, 2
KEYS = ["cause", "owner", "retry", "provider", "list", "code", "dsn", "meaning", "action", "avoid",
        "rule", "matched"]
OWNERS = {"recipient", "sender", "remote", "network", "unknown"}
RETRIES = {"no", "minutes", "hours", "days"}
UNHEARD = "xyzzy plugh"
STYLE = re.compile(rb"\x1b\[[0-9;]*m")


def table(name):
    with open(os.path.join(REPLIES, name), encoding="utf-8") as f:
        head, *rows = [line.rstrip("\n").split("\t") for line in f if line.strip()]
    return [dict(zip(head, row)) for row in rows]


def acceptable(row):
    return {row["cause"], *filter(None, row["also_acceptable"].split(","))}


class ExplainTool(Tool):
    def explain(self, *args, stdin=b"", env=None, status=DONE):
        done = self.run("explain", *args, stdin=stdin, env=env)
        what = " ".join(str(a) for a in args)[:200]
        same((done.returncode, done.stderr), (status, b""), f"explain {what}: exit and stderr")
        return done.stdout

    def json(self, *args, stdin=b"", status=DONE):
        out = self.explain("--json", *args, stdin=stdin, status=status)
        return [json.loads(line) for line in out.decode("utf-8").splitlines()]

    def rules(self, content, name="mine.rules"):
        """The configuration that names a file of rules, and that file."""
        path = self.write(name, content)
        return self.write("mailvane.yml", f"causes: [{path}]\n"), path


def fields(page):
    """A page's labels and texts, with its lines joined again."""
    got, label = {}, None
    for line in page.decode("utf-8").splitlines():
        label = line[:11].strip() or label
        got[label] = (got.get(label, "") + " " + line[11:]).strip()
    return got


# --- one reply -------------------------------------------------------------------------


@test
def everyday_replies(tool):
    for row in table("everyday.tsv"):
        page = tool.explain("--relay", row["provider"] or "other", "--phase", row["stage"], row["reply_text"])
        got = fields(page)
        assert got["Cause"] in acceptable(row), f"{row['name']}: got {got['Cause']}, want {row['cause']}"
        for label in ("Meaning", "Problem", "Retry", "Do", "Do not", "Why"):
            assert got.get(label), f"{row['name']}: nothing behind {label}"


@test
def json_from_stdin(tool):
    """One object for each line, in their order, keys in theirs."""
    rows = table("everyday.tsv")
    lines = [f"{r['stage']}\t{r['provider']}\t{r['reply_text']}" for r in rows]
    out = tool.explain("--json", "-", stdin="\n".join(lines).encode() + b"\n")
    answers = [json.loads(line, object_pairs_hook=collections.OrderedDict) for line in out.splitlines()]
    same(len(answers), len(rows), "answers")
    for row, answer in zip(rows, answers):
        same(list(answer), KEYS, f"{row['name']}: keys")
        assert answer["cause"] in acceptable(row), f"{row['name']}: got {answer['cause']}, want {row['cause']}"
        assert answer["owner"] in OWNERS - {"unknown"}, f"{row['name']}: owner {answer['owner']}"
        assert answer["retry"] in RETRIES, f"{row['name']}: retry {answer['retry']}"
        same(answer["provider"], row["provider"], f"{row['name']}: provider")
        if re.match(r"[45]\d\d ", row["reply_text"]):
            same(answer["code"], row["smtp_code"], f"{row['name']}: code")
        assert re.fullmatch(r"built-in causes\.rules:\d+", answer["rule"]), f"{row['name']}: rule {answer['rule']}"


@test
def json_of_one(tool):
    answer, = tool.json("550-5.1.1 <u@example.org>: No such user here 550 5.1.1 and no other")
    same(list(answer), KEYS, "keys")
    same([answer[k] for k in ("cause", "owner", "retry", "provider", "list", "code", "dsn")],
         ["user-unknown", "recipient", "no", "", "", "550", "5.1.1"], "values")
    assert answer["matched"] and answer["matched"] in "<@>: no such user here and no other", answer["matched"]
    retries = [tool.json(reply)[0]["retry"] for reply in ("452 4.2.2 mailbox is over quota",
                                                          "550 5.1.1 no such user here")]
    same(retries, ["days", "no"], "retry of a full mailbox and of none")


@test
def columns_of_stdin(tool):
    """Phase and host in front; a host is looked up, empty ones are those of the flags."""
    config, _ = tool.rules("greylisted phase=rcpt provider=google /xyzzy/\n"
                           "throttled provider=google /xyzzy/\n"
                           "expired phase=end_of_data provider=yahoo /xyzzy/\n"
                           "policy phase=connect /xyzzy/\n")
    rows = (
        ("rcpt\tgoogle\txyzzy", "greylisted", "google"),
        ("rcpt\taspmx.l.google.com\txyzzy", "greylisted", "google"),
        ("data\tASPMX.L.google.com.\txyzzy", "throttled", "google"),
        ("\tgoogle\txyzzy", "throttled", "google"),
        ("eod\tyahoo\txyzzy", "expired", "yahoo"),
        ("end_of_data\tyahoo\txyzzy", "expired", "yahoo"),
        ("connect\t\txyzzy", "policy", "cox"),
        ("connect\tmx.example.org\txyzzy", "policy", "other"),
        ("connect\tsomebody\txyzzy", "policy", "somebody"),
        ("xyzzy", "policy", "cox"),
        ("xyzzy\r", "policy", "cox"),
        ("rcpt\tgoogle\txyzzy\twith\ttabs", "greylisted", "google"),
    )
    stdin = "\n".join(row[0] for row in rows).encode()  # without a line feed at the end
    answers = tool.json("--config.file", config, "--relay", "cox", "--phase", "connect", "-", stdin=stdin)
    same(len(answers), len(rows), "answers")
    for (line, cause, provider), answer in zip(rows, answers):
        same((answer["cause"], answer["provider"]), (cause, provider), repr(line))


@test
def domain_and_relay(tool):
    for args, want in (
        (["--domain", "gmail.com"], "google"),
        (["--relay", "mta7.am0.yahoodns.net"], "yahoo"),
        (["--relay", "mta7.am0.yahoodns.net", "--domain", "gmail.com"], "yahoo"),
        (["--domain", "example.org"], "other"),
        ([], ""),
    ):
        answer, = tool.json(*args, "550 no such user here")
        same(answer["provider"], want, f"{args}: provider")


@test
def unknown_reply(tool):
    for args in ((), ("--json",)):
        done = tool.run("explain", *args, UNHEARD)
        same((done.returncode, done.stderr), (NOT_SO, b""), f"{args}: exit and stderr")
    page = fields(tool.explain(UNHEARD, status=NOT_SO))
    same((page["Cause"], page["Problem"]), ("unknown", "unknown"), "page")
    answer, = tool.json(UNHEARD, status=NOT_SO)
    same((answer["cause"], answer["owner"], answer["rule"], answer["matched"]), ("unknown", "unknown", "", ""),
         "answer")
    both = f"550 no such user here\n{UNHEARD}\n550 no such user here\n".encode()
    same([a["cause"] for a in tool.json("-", stdin=both, status=NOT_SO)],
         ["user-unknown", "unknown", "user-unknown"], "one of three unknown")
    same(tool.explain("-", stdin=b""), b"", "no replies")


@test
def many_pages(tool):
    replies = ["550 no such user here", "452 4.2.2 mailbox is over quota", "xyzzy " + "x" * 300]
    page = tool.explain("-", stdin="\n\n".join(replies).encode(), status=NOT_SO).decode()
    heads = [re.split(r"^(?:Reply|Cause) +", p, flags=re.M)[1:] for p in page.split("\n\n")]
    same([(" ".join(reply.split()), cause.split()[0]) for reply, cause in heads],
         [(replies[0], "user-unknown"), (replies[1], "mailbox-full"), (replies[2][:240], "unknown")],
         "pages, a blank line between them, and none for a blank line")
    same(tool.explain(replies[0]).split()[0], b"Cause", "a page for the one that was asked for")


@test
def replies_are_shown_without_addresses(tool):
    """And a long one is cut between two characters."""
    page = tool.explain("-", stdin=b"550 <anna.smith@example.com>: no such user here\n").decode()
    same("anna" in page, False, f"a name on the page: {page}")
    for filler in range(4):
        reply = "550 no such user here " + "x" * filler + "\u65e5" * 200
        page = tool.explain("-", stdin=reply.encode()).decode("utf-8")
        same("\ufffd" in page, False, "half a character")


@test
def unusable_arguments(tool):
    for name, args in (
        ("no operand", ()),
        ("no operand with a flag", ("--json",)),
        ("two operands", ("550 no", "such user")),
        ("a reply beside --list", ("--list", "550 no")),
        ("an unknown flag", ("--colour", "550 no")),
        ("a short flag", ("-j", "550 no")),
        ("a value for a flag without", ("--json=yes", "550 no")),
        ("a flag without its value", ("--relay",)),
        ("an unknown phase", ("--phase", "rctp", "550 no")),
        ("a phase in capitals", ("--phase", "RCPT", "550 no")),
        ("a configuration that is not there", ("--config.file", os.path.join(tool.scratch, "none.yml"), "550 no")),
    ):
        done = tool.run("explain", *args)
        said = done.stderr.decode().splitlines()
        same((done.returncode, done.stdout, len(said)), (USAGE, b"", 1), f"{name}: exit, stdout, sentences ({said})")
    for phase in ("connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "end_of_data", "eod",
                  "queue", "local"):
        tool.explain("--phase", phase, "550 no such user here")


@test
def list_of_causes(tool):
    text = tool.explain("--list").decode()
    names = [line.split()[0] for line in text.splitlines() if not line.startswith(" ")]
    same((len(names), len(set(names)), names[-1]), (23, 23, "unknown"), "names")
    exam = {row["cause"] for row in table("replies.tsv")}
    same(set(names), exam | {"unknown"}, "the causes of the exam")
    rows = re.split(r"\n(?=\S)", text.strip())
    for name, row in zip(names, rows):
        words = row.split()
        assert words[1].strip("()") in OWNERS and len(words) > 4, f"{name}: {row!r}"
    for line in tool.explain("--list", "--json").decode().splitlines():
        row = json.loads(line)
        same((row["cause"], row["owner"] in OWNERS), (names.pop(0), True), "the same as JSON")
        assert {row["retry_temporary"], row["retry_permanent"]} <= RETRIES, line


# --- the terminal ----------------------------------------------------------------------


@test
def colour_on_a_terminal_alone(tool):
    args = ("explain", "550 5.1.1 no such user here")
    plain = tool.explain(*args[1:])
    assert b"\x1b" not in plain, "escapes where stdout is no terminal"
    shown = tool.on_terminal(*args)
    assert len(STYLE.findall(shown)) > 5, f"no colour on a terminal: {shown!r}"
    assert b"\x1b" not in STYLE.sub(b"", shown), "escapes other than styles"
    same(STYLE.sub(b"", shown).replace(b"\r\n", b"\n"), plain, "the text without its colours")
    assert shown.count(b"\x1b[0m") and shown.rindex(b"\x1b[0m") == shown.rindex(b"\x1b"), "a style is left on"
    same(tool.on_terminal(*args, env={"NO_COLOR": "1"}).replace(b"\r\n", b"\n"), plain, "NO_COLOR=1")
    same(tool.on_terminal(*args, env={"NO_COLOR": ""}), shown, "NO_COLOR= (no-color.org: not set)")
    assert b"\x1b" not in tool.on_terminal("explain", "--list", env={"NO_COLOR": "1"}), "--list with NO_COLOR"
    assert b"\x1b" not in tool.explain("--list"), "--list to a file"


def check_width(text, width, what):
    """No line is wider, but one that is a single word behind its label."""
    longest = 0
    for line in text.splitlines():
        longest = max(longest, len(line))
        words = re.sub(r"^(?:[A-Z][a-z]+(?: [a-z]+)? {2,}| +)", "", line).split(" ")
        if len(line) > width and len(words) > 1:
            raise AssertionError(f"{what}: a line of {len(line)} columns: {line!r}")
    return longest


@test
def width(tool):
    reply = "550 5.7.1 Empfänger nicht bekannt: no such user here, " + "and some more words " * 12
    config, _ = tool.rules("user-unknown /no such .*/\n")
    args = ("--config.file", config, reply)
    for columns, want in ((None, 80), ("40", 40), ("60", 60), ("100", 100), ("120", 120), ("1", 40), ("39", 40),
                          ("121", 120), ("100000", 120), ("0", 80), ("many", 80), ("-5", 80), ("", 80)):
        env = {} if columns is None else {"COLUMNS": columns}
        longest = check_width(tool.explain(*args, env=env).decode(), want, f"COLUMNS={columns}")
        assert longest > want - 15, f"COLUMNS={columns}: got {longest} columns, want up to {want}"
        check_width(tool.explain("--list", env=env).decode(), want, f"--list, COLUMNS={columns}")
    for columns, want in ((30, 40), (40, 40), (72, 72), (120, 120), (300, 120)):
        shown = tool.on_terminal("explain", *args, columns=columns, env={"NO_COLOR": "1"}).decode()
        longest = check_width(shown, want, f"a terminal of {columns}")
        assert longest > want - 15, f"a terminal of {columns}: got {longest} columns, want up to {want}"


HOSTILE = [
    b"550 xyzzy \x1b[2J\x1b]0;title\x07 \x1bc",
    b"550 xyzzy \x9b2J \xc2\x9b31m \xc2\x85 \xc2\x90",
    b"550 xyzzy \x08\x08\x08 \x0b\x0c\x0e\x0f\x7f\r550 5.1.1 ok",
    b"550 xyzzy \xff\xfe\xc0\x80 \xed\xa0\x80",
    b"\x1b[31mrcpt\t\x1b[32mgoogle\t550 xyzzy",
    b"rcpt\t\x1b[2Jmx\t550 xyzzy \xc2\x9b2J",
    b"\x1b[2J\x9b2J\tx\t550 xyzzy",
]
# Everything that a terminal might obey: C0 but the line's end, DEL, and C1 in UTF-8.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def check_safe(seen, what):
    text = seen.replace(b"\r\n", b"\n").decode("utf-8")  # which must be valid
    bad = UNSAFE.search(text)
    assert not bad, f"{what}: {bad[0]!r} in {text[max(0, bad.start() - 40):bad.end() + 40]!r}"


@test
def control_bytes_stay_away(tool):
    """Neither on the page nor on stderr; the rule matches all of the reply, so all is shown."""
    config, _ = tool.rules("policy /.*xyzzy(?s:.*)/\n")
    flags = ("explain", "--config.file", config)
    for reply in HOSTILE:
        check_safe(tool.on_terminal(*flags, reply, env={"NO_COLOR": "1"}), f"operand {reply!r}")
        check_safe(tool.on_terminal(*flags, "--relay", reply, "550 xyzzy", env={"NO_COLOR": "1"}), f"relay {reply!r}")
        check_safe(tool.run(*flags, "-", stdin=reply + b"\n").stdout, f"stdin {reply!r}")
    check_safe(tool.run(*flags, "-", stdin=b"550 xyzzy\0\x1b[2J\0").stdout, "NUL bytes")


@test
def control_bytes_stay_away_from_json(tool):
    config, _ = tool.rules("policy /.*xyzzy(?s:.*)/\n")
    for reply in HOSTILE:
        out = tool.run("explain", "--config.file", config, "--json", "-", stdin=reply + b"\n").stdout
        json.loads(out)
        check_safe(out, f"{reply!r}")


@test
def control_bytes_stay_away_from_stderr(tool):
    for reply in HOSTILE:
        check_safe(tool.run("explain", "-", stdin=reply + b"\n").stderr, f"stderr of {reply!r}")


@test
def long_replies(tool):
    """A reply of megabytes is read and explained like any other."""
    answer, = tool.json("-", stdin=b"550 5.1.1 no such user here " + b"x" * (2 << 20) + b"\n")
    same(answer["cause"], "user-unknown", "a line of two megabytes")


@test
def a_line_without_an_end(tool):
    """Is cut, however long it is, and what follows is explained all the same."""
    with tempfile.TemporaryFile() as file:
        file.write(b"550 5.1.1 user unknown\n")
        file.seek(256 << 20)  # bytes that are 0, and take no room
        file.write(b"\n550 5.2.2 mailbox full\n")
        file.seek(0)
        done = subprocess.run([tool.binary, "explain", "--json", "-"], stdin=file,
                              stdout=subprocess.PIPE, check=False)  # fmt: skip
    causes = [json.loads(line)["cause"] for line in done.stdout.splitlines()]
    want = ["user-unknown", "unknown", "mailbox-full"]
    same((done.returncode, causes), (NOT_SO, want), "status and causes")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    same(peak < 200, True, f"peak memory of {peak} MiB")


def logged_texts():
    """What the laboratory's log says in brackets of deliveries that failed, and its dsn, by line."""
    path = os.path.join(LABORATORY, "main", "maillog.log")
    with open(path, encoding="latin-1") as log:
        found = [re.search(r" dsn=([45][.0-9]+), status=\w+ \((.*?)\)?$", line) for line in log]
    return path, [match.groups() for match in found if match]


@test
def as_the_log_quotes_it(tool):
    """Host and stage stand in the text: explain's verdict is that of the log."""
    path, texts = logged_texts()
    events = [json.loads(line) for line in tool.run("events", path).stdout.splitlines()]
    want = [e["cause"] for e in events if e.get("status") in ("deferred", "bounced", "undeliverable")]
    got = tool.json("-", stdin="\n".join(text for _, text in texts).encode("latin-1"), status=NOT_SO)
    same((len(want), len(got)), (len(texts), len(texts)), "failures in events, and explained")
    # The log's dsn, which Postfix may have put in the server's place, is not in the text.
    wrong = [(a, b["cause"], text) for a, b, (dsn, text) in zip(want, got, texts)
             if a != b["cause"] and b["dsn"] == dsn]  # fmt: skip
    same(wrong, [], "other verdicts than the log's")


# --- rules of one's own ----------------------------------------------------------------


@test
def users_rules_win(tool):
    config, path = tool.rules("# mine\nthrottled /no such user/\nlist mine /listed at mine/\n"
                              "reputation-block /listed at/\n")
    answer, = tool.json("--config.file", config, "550 5.1.1 no such user here")
    same((answer["cause"], answer["rule"], answer["matched"]), ("throttled", f"{path}:2", "no such user"), "mine")
    answer, = tool.json("550 5.1.1 no such user here")
    same(answer["cause"], "user-unknown", "without the file")
    answer, = tool.json("--config.file", config, "452 4.2.2 mailbox is over quota")
    same(answer["cause"], "mailbox-full", "what mine do not know")
    answer, = tool.json("--config.file", config, "550 5.7.1 you are listed at mine.example")
    same((answer["cause"], answer["list"]), ("reputation-block", "mine"), "a list of mine")
    page = fields(tool.explain("--config.file", config, "550 5.7.1 you are listed at mine.example"))
    same(page["Block list"], "mine", "the list on the page")
    second = tool.write("second.rules", "policy /no such user/\nexpired /xyzzy/\n")
    config = tool.write("two.yml", f"causes:\n  - {path}\n  - {second}\n")
    answers = tool.json("--config.file", config, "-", stdin=b"550 no such user\nxyzzy\n")
    same([a["rule"] for a in answers], [f"{path}:2", f"{second}:2"], "the first file before the second")


@test
def mistakes_in_users_rules(tool):
    for name, text, place, words in (
        ("a cause", "policy /a/\npolcy /b/\n", "2:1", '"polcy" is no cause'),
        ("a code", "policy code=55 /a/\n", "1:13", '"55" is no reply code'),
        ("a phase", "policy phase=rctp\n", "1:14", '"rctp" is no phase'),
        ("a pattern", "policy /a(b/\n", "1:12", "is no pattern"),
        ("a pattern without end", "# x\n\n  policy /ab\n", "3:10", "it must end with /"),
        ("an empty pattern", "policy //\n", "1:8", "is an empty pattern"),
        ("a list without a pattern", "list zen\n", "1:6", '"zen" is a block list without'),
        ("a control byte", "pol\x1b[2Jicy /a/\n", "1:1", "pol?[2Jicy"),
    ):
        config, path = tool.rules(text)
        done = tool.run("explain", "--config.file", config, "550 no such user here")
        said = done.stderr.decode()
        same((done.returncode, done.stdout, said.count("\n")), (USAGE, b"", 1), f"{name}: exit, stdout, sentences")
        assert f" {path}:{place}: " in said and words in said, f"{name}: got {said!r}, want {path}:{place}: {words}"
    config = tool.write("none.yml", f"causes: [{tool.scratch}/none.rules]\n")
    done = tool.run("explain", "--config.file", config, "550 no such user here")
    same((done.returncode, done.stderr.count(b"\n")), (USAGE, 1), "a file that is not there")
    assert b"/none.rules" in done.stderr, f"the file is not named: {done.stderr!r}"


@test
def a_pattern_that_costs_too_much_is_said_so(tool):
    config, _ = tool.rules("policy /(?:x+x+)+[yz]/\n")
    done = tool.run("explain", "--json", "--config.file", config, "550 5.2.2 " + "x" * 60 + "! xxy")
    same((json.loads(done.stdout)["cause"], done.returncode), ("mailbox-full", DONE), "cause, exit")
    said = b"mailvane: explain: searches that cost too much were stopped, and count as no match: 1\n"
    same(done.stderr, said, "stderr")
    done = tool.run("explain", "--config.file", config, "550 5.2.2 xxy")
    same((fields(done.stdout)["Cause"], done.stderr), ("policy", b""), "where it does not")


@test
def rules_far_down(tool):
    """A long path and a long match do not fit into one line of evidence: it is cut."""
    config, path = tool.rules("policy /xyzzy.+/\n", "/".join(["d" * 200] * 5 + ["far.rules"]))
    page = tool.explain("--config.file", config, "550 5.1.1 xyzzy" + " abcde" * 200)
    same(fields(page)["Cause"], "policy", "cause")
    answer, = tool.json("--config.file", config, "550 5.1.1 xyzzy" + " abcde" * 200)
    same(answer["cause"], "policy", "cause in JSON")


# --- scan and events -------------------------------------------------------------------

MARK = "zzmarkzz"
STAMP = "Nov 22 03:10:%02d mx "


def delivery(number, domain, status, dsn, text, relay=True):
    return ((STAMP + "postfix/smtp[1]: %X: to=<u@%s>, relay=%s, delay=1, delays=0.5/0/0.2/0.3, dsn=%s, "
             "status=%s (%s)\n")
            % (number % 60, number + 16**6, domain, f"mx.{domain}[192.0.2.1]:25" if relay else "none", dsn, status,
               text))


def said(domain, reply, command):
    return f"host mx.{domain}[192.0.2.1] said: {reply} (in reply to {command} command)"


# domain, status, dsn, text, cause, owner, phase, code, list; each as often as its place says
FAILURES = [
    ("a.example", "bounced", "5.1.1", said("a.example", "550 5.1.1 <u@a.example>: no such user here", "RCPT TO"),
     "user-unknown", "recipient", "rcpt", "550", ""),
    ("b.example", "deferred", "4.2.2", said("b.example", "452 4.2.2 mailbox is over quota", "RCPT TO"),
     "mailbox-full", "recipient", "rcpt", "452", ""),
    ("c.example", "deferred", "4.2.0", said("c.example", "450 4.2.0 <u@c.example>: Recipient address rejected: "
                                            "Greylisted, see http://postgrey.example.org/", "RCPT TO"),
     "greylisted", "remote", "rcpt", "450", ""),
    ("d.example", "deferred", "4.4.1", "connect to mx.d.example[192.0.2.1]:25: Connection timed out",
     "network", "network", "connect", "", ""),
    ("e.example", "bounced", "5.3.4", said("e.example", "552 5.3.4 Message size exceeds fixed limit", "MAIL FROM"),
     "too-large", "sender", "mail", "552", ""),
    ("f.example", "bounced", "5.7.1", said("f.example", "554 5.7.1 Service unavailable; Client host [203.0.113.5] "
                                           "blocked using zen.spamhaus.org", "RCPT TO"),
     "reputation-block", "sender", "rcpt", "554", "spamhaus-zen"),
    ("g.example", "bounced", "5.7.1", said("g.example", "550 5.7.1 203.0.113.5 is listed at mine.example", "end of DATA"),
     "reputation-block", "sender", "end_of_data", "550", "mine"),
]


def log_of_failures():
    """The log, and how often each of its rows stands in it."""
    lines, counts, number = [], [], 0
    for at, row in enumerate(FAILURES, 1):
        for _ in range(at):
            number += 1
            lines.append(delivery(number, row[0], row[1], row[2], row[3], relay="connect to" not in row[3]))
        counts.append(at)
    for _ in range(5):
        number += 1
        lines.append(delivery(number, "sent.example", "sent", "2.0.0", "250 2.0.0 ok"))
    lines.append((STAMP + "postfix/qmgr[2]: 4jXDyt1qYXz1hgjN: from=<a@out.example>, status=expired, returned to sender\n") % 59)
    return "".join(lines), counts


SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')


def samples(text, name):
    got = []
    for line in text.splitlines():
        m = SAMPLE.fullmatch(line)
        if m and m[1] == name:
            got.append((dict(LABEL.findall(m[2] or "")), float(m[3])))
    return got


def total(text, name, **labels):
    """Summed over the series with these labels; one that is empty is left out of the page."""
    return sum(v for have, v in samples(text, name) if all(have.get(k, "") == w for k, w in labels.items()))


def check_sums(page, what):
    want = total(page, "mailvane_deliveries_total") - total(page, "mailvane_deliveries_total", status="sent")
    same(total(page, "mailvane_delivery_failures_total"), want, f"{what}: failures are the deliveries not sent")
    for status in ("deferred", "bounced", "expired"):
        same(total(page, "mailvane_delivery_failures_total", status=status),
             total(page, "mailvane_deliveries_total", status=status), f"{what}: {status}")
    same(total(page, "mailvane_delivery_failures_total", status="sent"), 0, f"{what}: sent")
    return want


@test
def failures_by_cause(tool):
    log, counts = log_of_failures()
    config, _ = tool.rules("list mine /listed at mine/\nreputation-block /listed at mine/\n")
    done = tool.run("scan", "--config.file", config, tool.write("failures.log", log))
    same(done.returncode, DONE, f"exit of scan ({done.stderr!r})")
    page = done.stdout.decode("utf-8")
    for row, count in zip(FAILURES, counts):
        _, status, _, _, cause, owner, phase, code, _ = row
        got = total(page, "mailvane_delivery_failures_total", status=status, cause=cause, owner=owner, phase=phase,
                    code=code, provider="other", sending_ip="")
        same(got, count, f"{cause}: failures")
    same(total(page, "mailvane_delivery_failures_total", status="expired", cause="expired", owner="network"), 1,
         "expired")
    same(check_sums(page, "failures.log"), sum(counts) + 1, "deliveries not sent")
    for row, count in zip(FAILURES, counts):
        if row[8]:
            same(total(page, "mailvane_listed_total", list=row[8], provider="other"), count, f"{row[8]}: listed")
    same(total(page, "mailvane_listed_total"), sum(c for r, c in zip(FAILURES, counts) if r[8]), "all listed")


@test
def events_by_cause(tool):
    log, counts = log_of_failures()
    config, _ = tool.rules("list mine /listed at mine/\nreputation-block /listed at mine/\n")
    done = tool.run("events", "--config.file", config, tool.write("failures.log", log))
    same((done.returncode, done.stderr), (DONE, b""), "exit and stderr of events")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    got = collections.Counter(tuple(e.get(k, "") for k in ("status", "cause", "owner", "phase", "code", "list"))
                              for e in events if e["kind"] == "delivery")
    want = collections.Counter({(r[1], r[4], r[5], r[6], r[7], r[8]): c for r, c in zip(FAILURES, counts)})
    want[("sent", "", "", "", "250", "")] = 5
    want[("expired", "expired", "network", "queue", "", "")] = 1
    for key in {*got, *want}:
        same(got[key], want[key], f"events of {key}")


@test
def sums_over_real_logs(tool):
    causes = {row["cause"] for row in table("replies.tsv")} | {"unknown"}
    for run in sorted(os.listdir(LABORATORY)):
        for name in sorted(os.listdir(os.path.join(LABORATORY, run))):
            if not name.endswith(".log"):
                continue
            page = tool.run("scan", os.path.join(LABORATORY, run, name)).stdout.decode("utf-8")
            check_sums(page, f"{run}/{name}")
            for labels, _ in samples(page, "mailvane_delivery_failures_total"):
                assert labels["cause"] in causes and labels["owner"] in OWNERS, f"{run}/{name}: {labels}"


@test
def replies_never_become_labels(tool):
    """Whatever a server says, no byte of it stands on the page."""
    texts = [
        f"550 5.7.1 {MARK} blocked using {MARK}.example.org",
        f'550 5.7.1 "}}\\n{MARK} listed by {MARK}, see https://{MARK}.spamhaus.org/zen',
        f"550 5.1.1 no such user {MARK}",
        f"4.7.1 {MARK}",
        f"599 5.999.999 {MARK}",
        f"\x1b[2J{MARK}\udcff",
    ]
    lines = []
    for number, text in enumerate(texts * 3):
        lines.append(delivery(number, "a.example", "bounced", "5.7.1", said("a.example", text, "RCPT TO")))
        lines.append(delivery(100 + number, "a.example", "deferred", "4.7.1", text))
    log = tool.write("hostile.log", "".join(lines).encode("utf-8", "surrogateescape"))
    page = tool.run("scan", log).stdout.decode("utf-8")
    same(check_sums(page, "hostile.log"), len(lines), "deliveries not sent")
    assert MARK not in page, [line for line in page.splitlines() if MARK in line][:3]
    shipped = re.compile(r"[a-z0-9.-]{0,40}")
    for labels, _ in samples(page, "mailvane_listed_total"):
        assert shipped.fullmatch(labels["list"]), f"list: {labels['list']!r}"
    for labels, _ in samples(page, "mailvane_delivery_failures_total"):
        assert re.fullmatch(r"\d{3}|", labels.get("code", "")), f"code: {labels['code']!r}"


if __name__ == "__main__":
    tap.main(__doc__, ExplainTool)
