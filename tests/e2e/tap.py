"""What the end-to-end tests share: a list of tests, a comparison that says both sides, TAP."""

import sys

tests = []


class Skip(Exception):
    """The reason why a test cannot run here."""


def test(function):
    tests.append(function)
    return function


def long(function):
    """For a test that runs only where it is named: `make torture` does."""
    function.is_long = True
    return function


def same(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def run(subject, wanted=()):
    """Runs the tests that are not long, or those that are named, on the subject; the exit status."""
    chosen = [t for t in tests
              if (t.__name__ in wanted if wanted else not getattr(t, "is_long", False))]
    failed = 0
    print(f"1..{len(chosen)}")
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


def usage(text):
    sys.exit(f"usage: {text}")
