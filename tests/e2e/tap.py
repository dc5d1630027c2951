"""What the end-to-end tests share: a list of tests, a comparison that says both sides, TAP."""

import collections
import contextlib
import functools
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The runs of a laboratory with a real Postfix: its logs, and what is known of them.
LABORATORY = os.path.join(ROOT, "tests", "data", "postfix")

tests = []


class Skip(Exception):
    """The reason why a test cannot run here."""


def test(function):
    tests.append(function)
    return function


def scenario(prepare):
    """As @test, for functions of what prepare(subject) gives: a context, each has its own."""

    def decorate(function):
        @functools.wraps(function)
        def run_in_its_own(subject):
            with prepare(subject) as given:
                function(given)

        return test(run_in_its_own)

    return decorate


def long(function):
    """For a test that runs only where it is named: `make torture` does."""
    function.is_long = True
    return function


def differing(got, want):
    """Of counters and pages only what differs; anything else as it is."""
    if isinstance(want, collections.Counter):
        keys = [k for k in {**got, **want} if got.get(k, 0) != want[k]]
        return {k: got.get(k, 0) for k in keys}, {k: want[k] for k in keys}
    if isinstance(want, str) and isinstance(got, str) and "\n" in want:
        g, w = got.splitlines(), want.splitlines()
        more, less = [x for x in g if x not in w][:5], [x for x in w if x not in g][:5]
        return (more, less) if more or less else (got, want)
    return got, want


def same(got, want, what):
    if got != want:
        got, want = differing(got, want)
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def run(subject, wanted=()):
    """Runs the tests that are not long, or those that are named, on the subject; the exit status."""
    chosen = [t for t in tests
              if (t.__name__ in wanted if wanted else not getattr(t, "is_long", False))]
    failed = 0
    print(f"1..{len(chosen)}", flush=True)
    for number, function in enumerate(chosen, 1):
        try:
            function(subject)
            print(f"ok {number} - {function.__name__}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {function.__name__} # SKIP {reason}", flush=True)
        except Exception as why:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {function.__name__}")
            name = "" if isinstance(why, AssertionError) else f"{type(why).__name__}: "
            print("\n".join(f"# {x}" for x in f"{name}{why}"[:2000].splitlines()), flush=True)
    return 1 if failed or not chosen else 0


def main(usage, prepare=contextlib.nullcontext, paths=1):
    """A test program: PATH... [TEST...]. The subject is what prepare(PATH or [PATH...]) gives.

    That is a context, which lasts for all the tests; where it cannot be had, it says why (Skip).
    """
    if len(sys.argv) < 1 + paths:
        sys.exit(usage)
    given = [os.path.abspath(path) for path in sys.argv[1:1 + paths]]
    try:
        with prepare(given[0] if paths == 1 else given) as subject:
            sys.exit(run(subject, sys.argv[1 + paths:]))
    except Skip as reason:
        print(f"1..0 # SKIP {reason}")
