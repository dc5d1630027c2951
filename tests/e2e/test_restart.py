#!/usr/bin/env python3
"""Nothing lost, nothing twice: the agent with a state, killed and restarted in every way.

usage: test_restart.py path/to/mailvane path/to/faulty.so [SCENARIO...]

bench.py says what must be counted. ROUNDS=N sets how often random_kills kills; SEED=N its dice.
"""

import contextlib
import errno
import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import time

import tap
from agent import Agent, until
from bench import LAB, Scraper, scenario
from tap import same

# --- restarts --------------------------------------------------------------------------


@scenario
def stopped_and_started(bench):
    """SIGTERM saves: the counters go on, and what was written meanwhile is counted."""
    bench.start()
    bench.write(500)
    bench.check("before")
    same(bench.agent.stop(), 0, "exit status")
    bench.write(700)
    bench.start()
    bench.check("after")


@scenario
def killed_at_once(bench):
    """Counted and not saved yet: it is read again, and counted once."""
    bench.begin(300)
    bench.kill()
    bench.start()
    bench.check("after")


@scenario
def killed_soon_after_every_start(bench):
    """What was read is saved soon: such an agent gets on, and does not read the same for ever."""
    soon = []
    for _ in range(5):
        bench.write(50)
        begun = time.monotonic()
        bench.start("--from-start")
        until(lambda: bench.saved_offset() == os.path.getsize(bench.log), "saved")
        soon.append(time.monotonic() - begun)
        bench.kill()
    same(min(soon) < 1.5, True, f"saved within 1.5 s of a start, once of {soon}")
    bench.start("--from-start")
    bench.check("after")


@scenario
def rotated_while_down(bench):
    """Three rotations by rename: the old file to its end, the ones between, the new one."""
    bench.begin(200)
    bench.kill()
    for _ in range(3):
        bench.write(150)
        bench.rename()
    bench.write(50)
    bench.start()
    bench.check("after")


@scenario
def copied_and_truncated_while_down(bench):
    """The copy holds what was read, at the same place; what follows there is read on."""
    bench.begin(400)
    bench.kill()
    bench.write(100)
    bench.copytruncate()
    bench.write(60)
    bench.start()
    bench.check("after")


@scenario
def compressed_while_down(bench):
    """Found again by its content, as is what was compressed after it."""
    bench.begin(400)
    bench.kill()
    bench.write(300)
    bench.rename()
    bench.write(500)
    bench.rename()
    bench.compress(2)
    bench.compress(1)
    bench.write(100)
    bench.start()
    bench.check("after")


@scenario
def compressed_out_of_turn(bench):
    """What was rotated later is compressed, what was rotated before is not: read in order."""
    bench.begin(800)
    bench.kill()
    for count in (700, 600, 500, 400):
        bench.write(count)
        bench.rename()
    bench.compress(3)
    bench.compress(1)
    bench.write(100)
    bench.start()
    bench.check("after")


@scenario
def never_seen_before(bench):
    """A first start counts from the end; --from-start from the beginning."""
    bench.write(300)
    bench.start()
    same(bench.lines_counted(), 0, "lines of a first start")
    bench.agent.stop()
    os.unlink(bench.state)
    bench.start("--from-start")
    bench.check("from the start")
    # And not a second time: the state knows where it is.
    bench.agent.stop()
    bench.start("--from-start")
    bench.check("from the start, again")


@scenario
def random_kills(bench):
    """Killed at random under load, renamed, truncated and compressed: every counter is the truth's."""
    dice = random.Random(int(os.environ.get("SEED", "1")))
    rounds = int(os.environ.get("ROUNDS", "12"))
    bench.start()
    for number in range(rounds):
        for _ in range(dice.randint(3, 9)):
            bench.write(dice.randint(1, 120))
            what = dice.random()
            if what < 0.15:
                bench.rename()
            elif what < 0.25:
                bench.copytruncate()
            elif what < 0.35 and bench.agent.process.poll() is not None:
                bench.compress(dice.randint(2, 4))
            elif what < 0.5 and bench.agent.process.poll() is None:
                bench.kill()
            if dice.random() < 0.5:
                time.sleep(dice.random() * 0.05)
        if bench.agent.process.poll() is None:
            bench.kill()
        bench.start()
        bench.check(f"round {number + 1} of {rounds}")


@scenario
def scraper_sees_no_reset(bench):
    """Whatever happens to the agent: no counter goes back, and each begins at 0."""
    dice = random.Random(3)
    scraper = Scraper()
    bench.start()
    scraper.scrape(bench)
    for _ in range(25):
        bench.write(dice.randint(1, 200))
        if dice.random() < 0.3:
            bench.rename()
        scraper.scrape(bench)
        if dice.random() < 0.5:
            scraper.scrape(bench)
        if dice.random() < 0.4:
            bench.kill()
            bench.start()
            scraper.scrape(bench)
    bench.check("at the end")


@scenario
def killed_while_it_catches_up(bench):
    """What a scrape shows of a long log is saved but for what the next start reads for its first scrape."""
    with open(LAB, "rb") as lab:
        text = lab.read()
    scraper = Scraper()

    def shown():
        scraper.scrape(bench)
        return scraper.last["mailvane_log_read_bytes_total", (("source", bench.log),)]

    bench.start()
    with open(bench.log, "ab", buffering=0) as log:
        log.write(text)
        # Every series is there and saved: nothing but what follows asks for a save.
        until(lambda: shown() == len(text), "all of the first time")
        until(lambda: bench.saved_offset() == len(text), "saved")
        shown()
        for _ in range((160 << 20) // len(text)):
            log.write(text)
    seen = 0
    while seen < 100 << 20:
        seen, saved = shown(), bench.saved_offset()
        same(seen - saved <= 16 << 20, True, f"{seen} bytes shown, {saved} saved")
    bench.kill()
    bench.start()
    scraper.scrape(bench)


@scenario
def clock_set_back_between_two_looks(bench):
    """Rotated thrice unseen, with the times of an hour ago: the names tell that they are newer."""
    bench.begin(200)
    bench.agent.process.send_signal(signal.SIGSTOP)
    for _ in range(3):
        bench.write(50)
        past = time.time() - 3600
        os.utime(bench.log, (past, past))
        bench.rename()
    bench.write(50)
    bench.agent.process.send_signal(signal.SIGCONT)
    bench.check("after")


# --- the state file -----------------------------------------------------------------------

MOVED = r"state\.db: is damaged; it was moved to .*corrupt"


def corrupt(bench, change, says, aside=True):
    """Says it, counts it, keeps what was there, and goes on counting."""
    bench.begin(200)
    same(bench.agent.stop(), 0, "exit status")
    change(bench.state)
    bench.start()
    bench.agent.wait_said(says)
    copies = [n for n in os.listdir(bench.state_directory) if ".corrupt-" in n]
    same(bool(copies), aside, "a copy set aside")
    same(bench.agent.scrape().sum("mailvane_checkpoint_failures_total"), 1, "failures")
    before = bench.lines_counted()
    bench.write(100)
    until(lambda: bench.lines_counted() == before + 100, "the lines since")


def executing(statement):
    """The same as a change that SQLite makes."""

    def change(path):
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute(statement)

    return change


@scenario
def state_of_garbage(bench):
    """Moved aside, one sentence, and counting goes on."""

    def garbage(path):
        with open(path, "wb") as out:
            out.write(b"\0garbage" * 4000)

    corrupt(bench, garbage, MOVED)


@scenario
def state_cut_short(bench):
    corrupt(bench, lambda path: os.truncate(path, os.path.getsize(path) // 2), MOVED)


@scenario
def state_with_a_hole(bench):
    """A whole database whose counters are not: nothing of it is believed."""
    corrupt(bench, executing("DELETE FROM chunk WHERE place % 2 = 0"), MOVED)


@scenario
def state_with_impossible_counters(bench):
    """Whole chunks whose content cannot be."""
    corrupt(bench, executing("UPDATE chunk SET bytes = randomblob(length(bytes))"), MOVED)


@scenario
def state_of_a_newer_version(bench):
    """Left alone: that version will want it."""
    corrupt(bench, executing("PRAGMA user_version = 99"), r"is of a newer version of mailvane", aside=False)
    with sqlite3.connect(bench.state) as db:
        same(db.execute("PRAGMA user_version").fetchone()[0], 99, "version")


@scenario
def state_of_somebody_else(bench):
    def other(path):
        os.unlink(path)
        executing("CREATE TABLE songs(name TEXT)")(path)

    corrupt(bench, other, r"is no state file of mailvane", aside=False)


@scenario
def state_path_mistyped(bench):
    """What never was a state file is left as it is, byte for byte."""
    with open(bench.state, "w", encoding="ascii") as out:
        out.write("dear diary")
    bench.start()
    bench.agent.wait_said(r"is no state file of mailvane")
    bench.write(100)
    bench.check("nothing kept, all counted")
    with open(bench.state, encoding="ascii") as text:
        same(text.read(), "dear diary", "somebody's file")
    same([n for n in os.listdir(bench.state_directory) if "corrupt" in n], [], "moved")


def count_unsaved(bench):
    """An agent that cannot save its state says so, and counts."""
    bench.start()
    bench.agent.wait_said(r"the state is not saved: .*; counting goes on")
    bench.write(100)
    until(lambda: bench.lines_counted() == 100, "100 lines")


@scenario
def state_in_no_directory(bench):
    os.rmdir(bench.state_directory)
    count_unsaved(bench)


@scenario
def state_behind_a_link(bench):
    """/var or /var/lib may be a symbolic link."""
    real = os.path.join(bench.directory, "elsewhere")
    os.rename(bench.state_directory, real)
    os.symlink(real, bench.state_directory)
    bench.begin(200)
    bench.kill()
    bench.write(100)
    bench.start()
    bench.check("after")


@scenario
def start_that_failed(bench):
    """One source is refused: the places of the others are not forgotten by that."""
    bench.begin(200)
    same(bench.agent.stop(), 0, "exit status")
    bench.write(100)
    config = os.path.join(bench.directory, "bad.yml")
    with open(config, "w", encoding="utf-8") as out:
        out.write(bench.config.replace("sources: [", f"sources: [{{file: {bench.directory}/}}, ")
                  + '\nweb: { listen: ["127.0.0.1:0"] }\n')
    failed = subprocess.run([bench.binary, "--config.file", config], capture_output=True,
                            text=True, timeout=60, check=False)
    same(failed.returncode, 3, f"exit status of a bad start: {failed.stderr[-300:]}")
    bench.start()
    bench.check("after")


@scenario
def state_used_twice(bench):
    """A second agent says so and counts without it."""
    bench.start()
    other = tempfile.mkdtemp(dir=bench.directory)
    second = Agent(bench.binary, other, bench.config)
    try:
        second.wait_said(r"is used by another mailvane")
    finally:
        second.kill()


class FailingDisk:
    """An agent that has counted lines, on a disk that works until it is told to fail."""

    def __init__(self, bench):
        self.when = os.path.join(bench.directory, "now")
        bench.begin(200, inside=bench.preloading_faulty(f"FAULTY_WHEN={self.when}",
                                                        "FAULTY_PATH=state.db"))

    def fail(self, error):
        with open(self.when, "w", encoding="ascii") as out:
            out.write(str(error))

    def recover(self):
        os.unlink(self.when)


def failing_disk(bench, error):
    """A save fails, and is made up for when the disk has recovered."""
    disk = FailingDisk(bench)
    time.sleep(2.5)
    disk.fail(error)
    bench.write(300)
    bench.check("while the disk fails")
    bench.agent.wait_said(r"the state is not saved: .*state\.db: .*; counting goes on")
    failures = bench.agent.scrape().sum("mailvane_checkpoint_failures_total")
    assert failures >= 1, "no failure was counted"
    said = len(bench.agent.said)
    disk.recover()
    bench.agent.wait_said(r"the state is saved again", said)
    bench.kill()
    bench.start()
    bench.agent.scrape()
    samples = bench.check("after the disk recovered")
    assert samples.sum("mailvane_checkpoint_failures_total") >= failures, "failures were forgotten"


@scenario
def disk_full(bench):
    failing_disk(bench, errno.ENOSPC)


@scenario
def disk_broken(bench):
    failing_disk(bench, errno.EIO)


@scenario
def killed_while_the_disk_fails(bench):
    """The last whole state is what is gone on from: all since is read again."""
    disk = FailingDisk(bench)
    disk.fail(errno.ENOSPC)
    bench.write(300)
    bench.settle()
    bench.agent.wait_said(r"the state is not saved")
    bench.kill()
    disk.recover()
    bench.start()
    bench.check("after")


@scenario
def state_directory_is_read_only(bench):
    """Nothing can be written there: said, and counted without."""
    if os.geteuid() == 0:
        # Root may write anywhere; a directory is no place for a file of that name.
        os.mkdir(bench.state)
    else:
        os.chmod(bench.state_directory, 0o500)
    count_unsaved(bench)


@scenario
def state_keeps_no_addresses(bench):
    """No local part of the log is in the file, nor in its log."""
    with open(LAB, encoding="utf-8", errors="replace") as lab:
        text = lab.read()
    people = {w.split("@")[0] for w in
              (p.split("<")[-1] for p in text.replace(">", " ").split()) if "@" in w}
    people = {p.encode() for p in people if len(p) > 7 and p.isalnum()}
    bench.begin(4000)
    same(bench.agent.stop(), 0, "exit status")
    assert len(people) > 10, "the laboratory's log names too few people"
    for name in os.listdir(bench.state_directory):
        with open(os.path.join(bench.state_directory, name), "rb") as kept:
            held = kept.read()
        same([p for p in people if p in held], [], f"people in {name}")


if __name__ == "__main__":
    tap.main(__doc__, paths=2)
