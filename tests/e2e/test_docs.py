#!/usr/bin/env python3
"""The documentation against the program. usage: test_docs.py path/to/mailvane [TEST...]

TAP on stdout. What the program says of itself (its help, its list of causes, its metrics)
must stand in README.md, man/mailvane.1 and docs/.
"""

import json
import os
import re

import tap
from tap import LABORATORY, ROOT, same, test
from tool import Tool

SUBCOMMANDS_MIN, METRICS_MIN, RULES_MIN, FAULTS_MIN = 5, 20, 100, 40  # fewer: a search found nothing
LINE_NUMBER = re.compile(r"(data/causes\.rules):\d+")


def none_missing(missing, found, at_least, where):
    if missing:
        raise AssertionError(f"{where}: got no {', '.join(missing)}, want them all")
    if found < at_least:
        raise AssertionError(f"{where}: got {found} names to look for, want {at_least} or more")


def text_of(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def run(tool, *args):
    done = tool.run(*args)
    same(done.returncode, 0, f"mailvane {' '.join(args)}: exit")
    return done.stdout.decode("utf-8")


def listed_causes(tool):
    return [json.loads(line) for line in run(tool, "explain", "--list", "--json").splitlines()]


def readme_causes():
    """The rows of the README's table of causes: cause, whose, meaning, action."""
    head, _, rest = text_of("README.md").partition("| cause | whose |")
    same(bool(head and rest), True, "README.md has a table of causes")
    rows = [line for line in rest.split("\n\n")[0].splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows]


def subcommands(tool):
    return re.findall(r"^ +mailvane ([a-z]+) ", run(tool, "--help"), re.MULTILINE)


def man_sections():
    """The text of man/mailvane.1 by subcommand; "" is the agent's."""
    parts = re.split(r"^\.S[sh] (.*)$", text_of("man", "mailvane.1"), flags=re.MULTILINE)
    names = {"The agent": "", "DESCRIPTION": "general"}
    sections = {names.get(name, name.replace("mailvane ", "")): text
                for name, text in zip(parts[1::2], parts[2::2])}
    for name, text in sections.items():
        if "The flags are those of\n.Cm scan" in text:
            sections[name] = text + sections["scan"]
    return sections


@test
def the_readme_has_the_causes(tool):
    wanted = [[c["cause"], c["owner"], c["meaning"], c["action"]] for c in listed_causes(tool)]
    got = readme_causes()
    same([row[0] for row in got], [row[0] for row in wanted], "README.md: the causes in order")
    for mine, want in zip(got, wanted):
        same(mine, want, f"README.md: the row of {want[0]}")


@test
def the_readme_has_the_causes_of_all_rules(_tool):
    rows = [line.split()[0] for line in text_of("data", "causes.rules").splitlines()
            if line.strip() and not line.startswith("#")]
    ruled = set(rows) - {"list"}
    missing = sorted(ruled - {row[0] for row in readme_causes()})
    none_missing(missing, len(rows), RULES_MIN, "README.md")


@test
def the_readme_explains_as_the_program_does(tool):
    """The example is real, but for the line of the rule, which moves with each new one."""
    shown = re.search(r"^    \$ (mailvane explain --relay (\S+) \\\n +'(.*)')\n((?:    .*\n)+)",
                      text_of("README.md"), re.MULTILINE)
    same(bool(shown), True, "README.md has an example of explain")
    page = run(tool, "explain", "--relay", shown[2], shown[3])
    got = "".join(line[4:] + "\n" for line in shown[4].splitlines())
    same(LINE_NUMBER.sub(r"\1:N", got), LINE_NUMBER.sub(r"\1:N", page), "README.md: the example")


@test
def the_manual_has_the_flags(tool):
    sections = man_sections()
    found = subcommands(tool)
    none_missing([s for s in found if s not in sections], len(found), SUBCOMMANDS_MIN,
                 "man/mailvane.1")
    for name in ["", *found]:
        flags = re.findall(r"^  --(\S+)", run(tool, *filter(None, [name, "--help"])),
                           re.MULTILINE)
        missing = [f"--{flag}" for flag in flags if flag != "help" and
                   not re.search(rf"^\.It Fl -{re.escape(flag)}( |$)", sections[name], re.MULTILINE)]
        none_missing(missing, len(flags), 2, f"man/mailvane.1, section {name or 'The agent'}")


@test
def the_metrics_are_described(tool):
    log = os.path.join(LABORATORY, "main", "maillog.log")
    names = re.findall(r"^# HELP (\S+)", run(tool, "scan", log), re.MULTILINE)
    page = text_of("docs", "metrics.md")
    none_missing([name for name in names if f"| `{name}` |" not in page], len(names), METRICS_MIN,
                 "docs/metrics.md")


@test
def the_tests_of_faults_are_there(_tool):
    """Each name of a test in docs/faults.md is a function of a test, and each that is all faults is named."""
    rows = [line.strip("|").split(" | ")[-1] for line in text_of("docs", "faults.md").splitlines()
            if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row)}
    folder = os.path.join(ROOT, "tests")
    sources = [text_of("tests", part, name) for part in ("e2e", "unit")
               for name in os.listdir(os.path.join(folder, part)) if name.startswith("test_")]
    there = set(re.findall(r"(?:def|void|\(\") ?([a-z0-9_]+)[(\"]", "\n".join(sources)))
    none_missing(sorted(named - there), len(named), FAULTS_MIN, "tests/")
    wanted = [name for part in ("faults", "clock", "port")
              for name in re.findall(r"^@scenario\n(?:@long\n)?def ([a-z0-9_]+)",
                                     text_of("tests", "e2e", f"test_{part}.py"), re.MULTILINE)]
    none_missing(sorted(set(wanted) - named), len(wanted), FAULTS_MIN // 3, "docs/faults.md")


if __name__ == "__main__":
    tap.main(__doc__, Tool)
