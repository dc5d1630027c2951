#!/usr/bin/env python3
"""Golden tests: what each log must be read as. usage: run.py path/to/mailvane [NAME...]

TAP on stdout. FORMAT/NAME.log is a log as an MTA writes it; NAME.events beside it
holds the events that `mailvane events --format FORMAT` must print for it, in order:
one JSON object a line, compared as objects. They are written from the MTA's
grammar, never pasted from the program's output.

Lines in front that begin with '#' say:
    # kinds: delivery probe        which kinds are listed (these two by default)
    # mtime: 2026-11-22T12:00:00Z  the log file's time (this one by default)
    # each: {"kind":"delivery"}    members that every object below has, unless it gives
                                   another value; null takes one away
Other lines with '#' are remarks. The time zone is UTC.

Why a delivery failed is judged by rules that have replies of their own (tests/data/replies):
cause, owner and list are compared only where an object gives them.
"""

import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = {"delivery", "probe"}
VERDICT = {"cause", "owner", "list"}
MTIME = "2026-11-22T12:00:00Z"


class Case:
    def __init__(self, form, name):
        self.form, self.name = form, name
        self.log = os.path.join(HERE, form, f"{name}.log")
        self.kinds, self.mtime, self.each = KINDS, MTIME, {}
        self.events = []
        with open(os.path.join(HERE, form, f"{name}.events"), encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                self.read(number, line.strip())

    def read(self, number, line):
        if line.startswith("# kinds:"):
            self.kinds = set(line.partition(":")[2].split())
        elif line.startswith("# mtime:"):
            self.mtime = line.partition(":")[2].strip()
        elif line.startswith("# each:"):
            self.each = json.loads(line.partition(":")[2])
        elif line and not line.startswith("#"):
            whole = {**self.each, **json.loads(line)}
            event = {k: v for k, v in whole.items() if v is not None}
            self.events.append((number, event))


def run(binary, case, scratch):
    """The events of these kinds that the binary prints."""
    path = os.path.join(scratch, f"{case.name}.log")
    shutil.copyfile(case.log, path)
    moment = datetime.datetime.fromisoformat(case.mtime.replace("Z", "+00:00")).timestamp()
    os.utime(path, (moment, moment))
    done = subprocess.run(
        [binary, "events", "--format", case.form, path],
        capture_output=True,
        env={**os.environ, "TZ": "UTC"},
        check=False,
        timeout=60,
    )
    if done.returncode or done.stderr:
        return f"exit {done.returncode}: {done.stderr.decode()}", []
    events = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
    return None, [e for e in events if e["kind"] in case.kinds]


def difference(got, want):
    """The members that differ."""
    keys = [k for k in {**want, **got} if got.get(k) != want.get(k)]
    return ", ".join(f"{k}: got {got.get(k)!r}, want {want.get(k)!r}" for k in keys)


def compare(got, case):
    faults = []
    for event, (number, want) in zip(got, case.events):
        event = {k: v for k, v in event.items() if k in want or k not in VERDICT}
        if event != want:
            where = f"{case.name}.events:{number} ({want.get('queue_id', want['kind'])})"
            faults.append(f"{where}: {difference(event, want)}")
    if len(got) != len(case.events):
        faults.append(f"got {len(got)} events, want {len(case.events)}")
        faults += [f"too many: {json.dumps(e)}" for e in got[len(case.events) :]]
        faults += [f"missing: {json.dumps(e)}" for _, e in case.events[len(got) :]]
    return faults


def find_cases(names):
    cases = []
    for form in sorted(os.listdir(HERE)):
        folder = os.path.join(HERE, form)
        if os.path.isdir(folder):
            cases += [(form, f[:-4]) for f in sorted(os.listdir(folder)) if f.endswith(".log")]
    return [c for c in cases if not names or c[1] in names]


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: run.py path/to/mailvane [NAME...]")
    cases, failed = find_cases(sys.argv[2:]), 0
    print(f"1..{len(cases)}")
    with tempfile.TemporaryDirectory(prefix="mailvane-golden-") as scratch:
        for number, (form, name) in enumerate(cases, 1):
            try:
                case = Case(form, name)
                fault, got = run(sys.argv[1], case, scratch)
                faults = [fault] if fault else compare(got, case)
            except (OSError, ValueError) as error:
                faults = [str(error)]
            failed += bool(faults)
            print(f"{'not ok' if faults else 'ok'} {number} - {form}/{name}")
            for fault in faults:
                print("\n".join(f"# {x}" for x in fault.splitlines()))
    sys.exit(1 if failed else 0)


main()
