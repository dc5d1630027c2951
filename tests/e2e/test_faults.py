#!/usr/bin/env python3
"""Faults of the world around the agent: each line is counted once, whatever happens there.

usage: test_faults.py path/to/mailvane path/to/faulty.so [SCENARIO...]

docs/faults.md has the whole list, with the faults that other programs test: test_clock.py and
test_port.py go on here. `make torture` names the long ones; MANY_LINES=N and ROTATIONS=N set how
long.
"""

import contextlib
import errno
import os
import random
import re
import shutil
import signal
import subprocess

import tap
from agent import MEMORY_GROWTH_KIB, until
from bench import QUARANTINE, delivery, scenario, sent
from tap import Skip, long, same

QUEUE_LIMIT = "/proc/sys/fs/inotify/max_queued_events"
LINE_MAX = 64 << 10  # LINE_MAX_BYTES


def replace_link(target, link):
    os.symlink(target, link + ".new")
    os.rename(link + ".new", link)


# --- inotify's queue ----------------------------------------------------------------------------


@contextlib.contextmanager
def small_queue():
    """inotify's queue of who starts meanwhile is small; how long it is. Without rights: as it is."""
    with open(QUEUE_LIMIT, encoding="ascii") as limit:
        usual = limit.read()
    try:
        with open(QUEUE_LIMIT, "w", encoding="ascii") as limit:
            limit.write("64")
    except OSError:
        yield int(usual)
        return
    try:
        yield 64
    finally:
        with open(QUEUE_LIMIT, "w", encoding="ascii") as limit:
            limit.write(usual)


@scenario
def watch_queue_overflows_while_files_are_rotated(bench):
    """More events than inotify's queue holds, rotations among them: counted, and no line is lost."""
    with small_queue() as length:
        bench.start()
    bench.write(100)
    bench.settle()
    noise = os.path.join(bench.log_directory, "noise")
    with bench.standing_still():
        # Two events each, which are not alike, so that none is merged: no rotation finds room.
        for _ in range(length // 2 + 1):
            open(noise, "w", encoding="ascii").close()
            os.unlink(noise)
        for turn in range(12):
            bench.write(50)
            (bench.copytruncate if turn % 3 == 2 else bench.rename)()
        bench.write(50)
    samples = bench.check("after the overflow")
    assert samples.sum("mailvane_watch_overflows_total") > 0, "got no overflow, want one"
    bench.write(10)
    bench.rename()
    bench.write(10)
    bench.check("afterwards")


# --- files --------------------------------------------------------------------------------------


def new_log(bench, inode):
    """A new log of 400 lines, of this inode number if that is to be had; whether it was."""
    names = [f"{bench.log}-candidate{n}" for n in range(500)]
    made = []
    for name in names:
        open(name, "xb").close()
        made.append(name)
        if os.stat(name).st_ino == inode:
            break
    os.rename(made.pop(), bench.log)
    for name in made:
        os.unlink(name)
    bench.write(400)
    return os.stat(bench.log).st_ino == inode


def holds_deleted(agent):
    folder = f"/proc/{agent.process.pid}/fd"
    for name in os.listdir(folder):
        # It may be closed while we look.
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(os.path.join(folder, name)).endswith("mail.log.1 (deleted)"):
                return True
    return False


# With the time of birth that most file systems know, and without.
BIRTHS = ((), ("FAULTY_UNBORN=1",))


def each_birth(bench, scene):
    """The scene until the inode number was had again: others make files on this disk, too."""
    for births in BIRTHS:
        inside = bench.preloading_faulty(*births)
        for _ in range(20):
            bench.start(inside=inside)
            bench.write(100)
            bench.check(f"before, {births}")
            again = scene(inside)
            bench.check(f"after, {births}")
            bench.agent.stop()
            if again:
                break
        else:
            raise Skip("this file system does not give an inode number again")


@scenario
def inode_number_again_while_up(bench):
    """A rotated file is deleted, the next log gets its inode number: the content decides."""

    def scene(_inside):
        bench.rename()
        bench.write(50)
        bench.settle()
        inode = os.stat(f"{bench.log}.1").st_ino
        os.unlink(f"{bench.log}.1")

        def is_let_go():
            bench.agent.process.send_signal(signal.SIGHUP)
            return not holds_deleted(bench.agent)

        until(is_let_go, "the deleted file to be closed")
        os.rename(bench.log, f"{bench.log}.1")
        return new_log(bench, inode)

    each_birth(bench, scene)


@scenario
def inode_number_again_while_down(bench):
    """The log is deleted while nobody watches, the new one has its inode number and is longer."""

    def scene(inside):
        inode = os.stat(bench.log).st_ino
        bench.agent.stop()
        os.unlink(bench.log)
        again = new_log(bench, inode)
        bench.start(inside=inside)
        return again

    each_birth(bench, scene)


@scenario
def inode_number_again_and_the_old_file_copied(bench):
    """What was read is a copy with another number, what has its number is new: both are read."""

    def scene(inside):
        inode = os.stat(bench.log).st_ino
        bench.kill()
        bench.write(80)
        bench.shift()
        shutil.copy2(bench.log, f"{bench.log}.1")
        os.unlink(bench.log)
        again = new_log(bench, inode)
        bench.start(inside=inside)
        return again

    each_birth(bench, scene)


@scenario
def directory_made_anew_while_down(bench):
    """The log's directory is removed and made again: the new log is read from its beginning."""
    bench.begin(200)
    bench.agent.stop()
    shutil.rmtree(bench.log_directory)
    os.mkdir(bench.log_directory)
    bench.write(300)
    bench.start()
    bench.agent.wait_said(r"level=warn.*mail\.log")
    bench.check("made anew")
    bench.write(10)
    bench.check("afterwards")


@scenario
def directory_missing_at_the_start(bench):
    """The log's directory is gone when the agent starts again, and comes back later."""
    bench.begin(200)
    bench.agent.stop()
    shutil.rmtree(bench.log_directory)
    bench.start()
    os.mkdir(bench.log_directory)
    bench.write(300)
    bench.check("made anew")


@scenario
def link_switched_while_down(bench):
    """The log is a link that leads elsewhere after a restart: the new target from its beginning."""
    folder = bench.log_directory
    os.unlink(bench.log)
    for name in ("one", "two"):
        os.mkdir(os.path.join(folder, name))
        open(os.path.join(folder, name, "mail.log"), "wb").close()
    os.symlink("one/mail.log", bench.log)
    bench.begin(200)
    bench.agent.stop()
    replace_link("two/mail.log", bench.log)
    bench.write(300)
    bench.start()
    bench.check("switched")
    bench.agent.stop()
    bench.write(10)
    bench.start()
    bench.check("started once more")


# --- a disk that is full ------------------------------------------------------------------------


class FullDisk:
    """A small file system at the log's place, which only the agent and we can see."""

    def __init__(self, bench, path, kib):
        rights = [] if os.geteuid() == 0 else ["--map-root-user"]
        script = (f'mount -t tmpfs -o size={kib}k tmpfs "{path}" && : > "{path}/mail.log" && '
                  'exec "$@"')
        self.inside = ("unshare", "--mount", *rights, "sh", "-c", script, "sh")
        if subprocess.run([*self.inside, "true"], capture_output=True, check=False).returncode:
            raise Skip("no file system can be mounted")
        self.bench, self.path = bench, path
        self.left = b""

    def file(self, name):
        return f"/proc/{self.bench.agent.process.pid}/root{self.path}/{name}"

    def write(self, name, data):
        """As a syslog daemon does; what does not fit is left. True where all was written."""
        out = os.open(self.file(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            while data:
                data = data[os.write(out, data):]
        except OSError as why:
            same(why.errno, errno.ENOSPC, "the error of a full disk")
        finally:
            os.close(out)
        self.left = data
        return not data

    def fill(self):
        """Lines until one of them does not fit; how many did."""
        for number in range(1 << 20):
            if not self.write("mail.log", delivery(number).encode()):
                return number
        raise AssertionError("got no full disk, want one")


@scenario
def log_on_a_full_disk(bench):
    """The log ends in a part of a line: counted once, when there is room for the rest of it."""
    disk = FullDisk(bench, bench.log_directory, 256)
    bench.start(inside=disk.inside)
    disk.write("ballast", b"x" * 65536)
    disk.write("mail.log", b"x" * 4000 + b"\n")
    whole = disk.fill()
    assert 0 < len(disk.left) < len(delivery(0)), "got no part of a line"
    same(sent(bench.agent.scrape()), whole, "sent, with half a line")
    for _ in range(3):
        rest = disk.left
        same(disk.write("mail.log", rest), False, "room on the full disk")
        same(sent(bench.agent.scrape()), whole, "sent, while nothing fits")
    os.unlink(disk.file("ballast"))
    same(disk.write("mail.log", disk.left), True, "room for the rest")
    same(sent(bench.agent.scrape()), whole + 1, "sent, with the whole line")
    disk.write("mail.log", delivery(1 << 20).encode())
    same(sent(bench.agent.scrape()), whole + 2, "sent, with one more")


@scenario
def state_on_a_full_disk(bench):
    """A file system without a free byte below the state: said, and made up for when there is room."""
    disk = FullDisk(bench, bench.state_directory, 8192)
    bench.begin(50, inside=disk.inside)
    disk.write("ballast", b"x" * (8 << 20))
    bench.write(2000)
    bench.check("on the full disk")
    bench.agent.wait_said(r"the state is not saved: .*state\.db: .*; counting goes on")
    said = len(bench.agent.said)
    os.unlink(disk.file("ballast"))
    bench.agent.wait_said(r"the state is saved again", said)
    samples = bench.check("with room again")
    assert samples.sum("mailvane_checkpoint_failures_total") > 0, "no failure was counted"


# --- lines --------------------------------------------------------------------------------------


@scenario
def line_of_ten_megabytes(bench):
    """Skipped and counted as one; the next line counts, and memory does not follow its length."""
    bench.begin(200, inside=QUARANTINE)
    before = bench.agent.status_number("VmRSS")
    for _ in range(10):
        bench.append_long(b"z" * (1 << 20))
        bench.agent.scrape()
        bench.check_flat(before, "within the line")
    bench.append_long(b"\n")
    bench.write(1)
    samples = bench.check("after")
    same(samples.sum("mailvane_log_long_lines_total"), 1, "long lines")
    bench.check_flat(before, "after the line")


@scenario
def line_of_ten_megabytes_over_a_restart(bench):
    """Stopped or killed in the middle of it, rotated meanwhile or not: counted as one all the same."""
    lines = 0
    for how in (signal.SIGTERM, signal.SIGKILL):
        for rotated in (False, True):
            what = f"{how.name}, {'rotated' if rotated else 'as it was'}"
            bench.start()
            bench.write(50)
            bench.append_long(b"z" * (5 << 20))
            size = os.path.getsize(bench.log)
            bench.agent.scrape()
            if how == signal.SIGKILL:
                # All of it, or up to the last bytes that a line too long may leave in the buffer.
                until(lambda: bench.saved_offset() > size - LINE_MAX,
                      f"its middle to be saved ({what})")
            bench.agent.stop(how)
            bench.append_long(b"z" * (5 << 20) + b"\n")
            bench.write(10)
            if rotated:
                bench.rename()
            bench.write(10)
            bench.start()
            samples = bench.check(what)
            lines += 1
            same(samples.sum("mailvane_log_long_lines_total"), lines, f"long lines ({what})")
            bench.agent.stop()


# what stands where a line stands; deliveries that it gives
ODD = (
    (b"\0" * 5000 + b"\n", 0),  # what a file system leaves after a loss of power
    (b"\0" * 300000 + b"\n", 0),  # and more than a line may have: too long
    (delivery(1, reply="250 2.0.0 \0\xff\xfe").encode("latin-1"), 1),
    (delivery(2, reply="250 \xc0\xaf\xed\xa0\x80\xf5\x80\x80\x80").encode("latin-1"), 1),
    (delivery(3, domain="a\0b.example").encode("latin-1"), 1),
    (delivery(4, domain="\xff\xfe.example").encode("latin-1"), 1),
    (delivery(5, domain="\xe4\xb8.example").encode("latin-1"), 1),  # cut within a character
    (delivery(6, reply="250 \x1b[2J\r\x07\x7f").encode("latin-1"), 1),
    (b"\0\0\0" + delivery(7).encode(), 0),  # no stamp at its beginning
    (delivery(8).encode().replace(b"/smtp", b"/sm\0tp"), 0),  # no program that is known
    (b"\xff" * 60000 + b"\n", 0),
    (delivery(9, domain="after.example").encode(), 1),
)


@scenario
def nuls_and_invalid_utf8(bench):
    """Wherever they stand, the line is one, the next line counts, and the page is valid text."""
    bench.start()
    for number, (line, _) in enumerate(ODD):
        too_long = len(line) > LINE_MAX
        bench.append(line, lines=0 if too_long else 1)
        samples = bench.settle()
        same(samples.sum("mailvane_log_lines_total"), bench.written, f"lines after row {number}")
        want = sum(deliveries for _, deliveries in ODD[:number + 1])
        same(sent(samples), want, f"sent after row {number}")
    same(samples.sum("mailvane_log_long_lines_total"), 1, "long lines")
    domains = samples.by("mailvane_domain_deliveries_total", "domain")
    same(domains, {("",): 3, ("example.org",): 3, ("after.example",): 1}, "domains")
    page = bench.agent.get("/metrics")[1]  # which must be UTF-8 to be read at all
    odd = sorted({c for c in page if c != "\n" and not c.isprintable()})
    same(odd, [], "characters of the page that nobody can read")


# --- signals ------------------------------------------------------------------------------------


@scenario
def storm_of_sighups(bench):
    """Thousands of SIGHUPs while the log is written and rotated, Postfix read again with each."""
    postfix = os.path.join(bench.directory, "postfix")
    os.mkdir(postfix)
    for name, text in (("main.cf", "smtp_bind_address = 192.0.2.1\n"), ("master.cf", "")):
        with open(os.path.join(postfix, name), "w", encoding="ascii") as out:
            out.write(text)
    bench.config += f"sending_ips: {{ postfix: [{postfix}] }}\n"
    dice = random.Random(int(os.environ.get("SEED", "1")))
    bench.start()
    for number in range(5000):
        bench.agent.process.send_signal(signal.SIGHUP)
        if number % 20 == 0:
            bench.write(dice.randint(1, 30))
        if number % 500 == 250:
            (bench.rename if dice.random() < 0.5 else bench.copytruncate)()
    # (The truth does not know Postfix's addresses.)
    samples = bench.settle()
    same(samples.sum("mailvane_log_lines_total"), bench.written, "lines")
    same(samples.sum("mailvane_log_lost_bytes_total"), 0, "bytes lost")
    assert sum("SIGHUP" in line for line in bench.agent.said) > 1, "the storm was not seen"
    bench.agent.wait_said("read Postfix' configuration again")
    same(bench.agent.stop(), 0, "exit status")


# --- memory -------------------------------------------------------------------------------------


@scenario
def memory_over_a_thousand_rotations(bench):
    """What is remembered of rotated files has a bound: no growth from a tenth of them to the last."""
    rotations = int(os.environ.get("ROTATIONS", "1000"))
    bench.start(inside=QUARANTINE)
    before = 0
    for number in range(rotations):
        bench.write(20)
        if number >= 5:
            os.unlink(f"{bench.log}.5")
        bench.rename()
        # A page is written when all is read; few of them are worth reading.
        bench.agent.request("HEAD", "/metrics")
        if number % 50 == 49:
            bench.settle()
        if number == rotations // 10:
            before = bench.agent.status_number("VmRSS")
    samples = bench.check("after all rotations")
    same(samples.sum("mailvane_log_rotations_total"), rotations, "rotations")
    bench.check_flat(before, f"over {rotations} rotations")


def many_lines():
    return int(os.environ.get("MANY_LINES", "10000000"))


def chunks(total, size=50000):
    """That many deliveries to 20,000 domains, some of them refused, in chunks of whole lines."""
    for first in range(0, total, size):
        lines = (delivery(n, f"d{n * 7919 % 20000}.example",
                          reply=f"250 2.0.0 Ok: queued as {n * 48271 % 2147483647:X}")
                 for n in range(first, min(first + size, total)))
        yield "".join(line if n % 5 else line.replace("dsn=2.0.0, status=sent (250 2.0.0 Ok",
                                                      "dsn=4.7.1, status=deferred (450 4.7.1 No")
                      for n, line in enumerate(lines)).encode()


@scenario
@long
def memory_over_many_lines(bench):
    """MANY_LINES through the agent, rotated on the way: no growth from a tenth of them to the last."""
    total, done, before = many_lines(), 0, 0
    bench.start(inside=QUARANTINE)
    for chunk in chunks(total):
        with open(bench.log, "ab") as out:
            out.write(chunk)
        done += chunk.count(b"\n")
        until(lambda: bench.lines_counted() >= done, f"{done} lines")
        os.rename(bench.log, f"{bench.log}.1")
        open(bench.log, "ab").close()
        if not before and done >= total // 10:
            before = bench.agent.status_number("VmRSS")
    samples = bench.agent.scrape()
    same(samples.sum("mailvane_log_lines_total"), total, "lines")
    same(samples.sum("mailvane_deliveries_total"), total, "deliveries")
    bench.check_flat(before, f"over {total} lines")


@scenario
@long
def memory_of_scan_over_many_lines(bench):
    """MANY_LINES through scan, which are piped into it: no growth from a tenth of them to the last."""
    total, done, before, after = many_lines(), 0, 0, 0
    command = [*QUARANTINE, bench.binary, "scan", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as scan:
        for chunk in chunks(total):
            scan.stdin.write(chunk)
            scan.stdin.flush()
            done += chunk.count(b"\n")
            with open(f"/proc/{scan.pid}/status", encoding="ascii") as status:
                after = int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])
            if not before and done >= total // 10:
                before = after
        page = scan.communicate()[0].decode()
    same(scan.returncode, 0, "exit status")
    lines = re.findall(r"^mailvane_log_lines_total\{.*\} (\d+)$", page, re.MULTILINE)
    same(sum(map(int, lines)), total, "lines")
    same(after - before < MEMORY_GROWTH_KIB, True, f"growth below 4 MiB (got {after - before} KiB)")


if __name__ == "__main__":
    tap.main(__doc__, paths=2)
