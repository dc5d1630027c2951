#!/usr/bin/env python3
"""Following files, from outside: a writer that never sleeps, and every line counted once.

usage: test_follow.py DRIVER [SCENARIO...]     (DRIVER: tests/e2e/follow_driver.c)

following.py has the driver, and says what is expected of each scenario.
"""

import itertools
import os
import shutil

import tap
from following import Log, rotate_copytruncate, rotate_rename, same_lines, scenario
from tap import Skip, same

OVERFLOW_LIMIT = "/proc/sys/fs/inotify/max_queued_events"


# --- rotation, while it is written ----------------------------------------------------------------


def write_rotating(log, count, every, rotate):
    """So many lines, with a rotation wherever `every` of them were written."""
    for i in range(count):
        if i and i % every == 0:
            rotate(log)
        log.write()


def in_turn(*ways):
    """A rotation of the first way, then one of the next."""
    turns = itertools.cycle(ways)
    return lambda log: next(turns)(log)


def rotated_while_written(stage, rotate, count=4000, every=100):
    log, driver = stage.followed()
    write_rotating(log, count, every, rotate)
    same_lines(driver.stop(), log.written)
    return log, driver


def many(stage, rotate, count):
    log, driver = rotated_while_written(stage, rotate, 10000, 200)
    stats = driver.stats()
    same(stats[count], 49, "rotations")
    same(stats["lost_bytes"], 0, "lost_bytes")
    same(stats["read_bytes"], sum(map(len, log.written)), "read_bytes")


@scenario
def rename_every_200_lines(stage):
    many(stage, rotate_rename, "renames")


@scenario
def copytruncate_every_200_lines(stage):
    many(stage, rotate_copytruncate, "truncates")


@scenario
def rename_to_dates(stage):
    days = itertools.count(1)

    def rename(log):
        month, day = divmod(next(days), 10)
        os.rename(log.path, stage.path("mail-2024%02d%02d.log" % (month + 1, day + 1)))
        log.open()

    rotated_while_written(stage, rename)


@scenario
def copytruncate_to_dates(stage):
    days = itertools.count(1001)

    def copytruncate(log):
        shutil.copyfile(log.path, "%s-2024%04d" % (log.path, next(days)))
        log.truncate()

    rotated_while_written(stage, copytruncate)


@scenario
def rename_and_copytruncate_in_turn(stage):
    rotated_while_written(stage, in_turn(rotate_rename, rotate_copytruncate), every=200)


def all_rotations_at_once(stage, rotate, count):
    """The driver stands still while the log is rotated ten times."""
    log, driver = stage.followed()
    driver.wait_for(log.write(5))
    with driver.standing_still():
        for _ in range(10):
            log.write(20)
            rotate(log)
        log.write(5)
    got = driver.stop()
    same_lines(got, log.written)
    if got != log.written:
        raise AssertionError("the files were not read in the order of rotation")
    same(driver.stats()[count], 10, "rotations")


@scenario
def renames_while_stopped(stage):
    all_rotations_at_once(stage, rotate_rename, "renames")


@scenario
def copytruncates_while_stopped(stage):
    all_rotations_at_once(stage, rotate_copytruncate, "truncates")


@scenario
def truncated_without_copy(stage):
    log, driver = stage.followed()
    driver.wait_for(log.write(10))
    log.truncate()
    driver.wait_for(log.write(3))
    # Truncated and grown beyond what was read, unseen.
    with driver.standing_still():
        log.truncate()
        log.write(50)
    same_lines(driver.stop(), log.written)
    same(driver.stats()["truncates"], 2, "truncates")
    same(driver.stats()["lost_bytes"], 0, "lost_bytes")


@scenario
def same_content_again(stage):
    """Nobody can know whether these are new lines; the next ones count in any case."""
    path = stage.path("mail.log")
    log = Log(path).open()
    driver = stage.driver(path)
    log.write(10)
    driver.wait_for(log.written[-1])
    text = open(path).read()
    log.truncate()
    with open(path, "w") as again:
        again.write(text)
    driver.wait_for(log.write())
    got = driver.stop()
    same(got[-1], log.written[-1], "last line")
    if len(got) > 21:
        raise AssertionError("got %d lines, want 21 at most" % len(got))


@scenario
def late_file(stage):
    driver = stage.driver(stage.path("mail.log"))
    log = stage.log()
    driver.wait_for(log.write(10))
    log.write(10)
    same_lines(driver.stop(), log.written)


@scenario
def late_file_rotated_at_once(stage):
    driver = stage.driver(stage.path("mail.log"))
    log = stage.log()
    for _ in range(10):
        log.write(10)
        rotate_rename(log)
    log.write(10)
    same_lines(driver.stop(), log.written)


@scenario
def late_directory(stage):
    directory = stage.path("a/b/c")
    driver = stage.driver(directory + "/mail.log")
    os.makedirs(directory)
    log = Log(directory + "/mail.log").open()
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written)


@scenario
def directory_removed_and_recreated(stage):
    directory = stage.path("a/b")
    os.makedirs(directory)
    log = Log(directory + "/mail.log").open()
    driver = stage.driver(log.path)
    for _ in range(5):
        driver.wait_for(log.write(10))
        shutil.rmtree(stage.path("a"))
        os.makedirs(directory)
        log.open()
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written)


@scenario
def directory_moved_and_back(stage):
    directory = stage.path("logs")
    os.mkdir(directory)
    log = Log(directory + "/mail.log").open()
    log.write(3, expected=False)
    rotate_rename(log)
    driver = stage.driver(log.path)
    driver.wait_for(log.write(10))
    os.rename(directory, directory + ".away")
    other = Log(directory + "/mail.log", "b")
    os.mkdir(directory)
    other.open()
    driver.wait_for(other.write(10))
    shutil.rmtree(directory)
    os.rename(directory + ".away", directory)
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written + other.written)


@scenario
def symlink_switched(stage):
    os.mkdir(stage.path("one"))
    os.mkdir(stage.path("two"))
    one, two = stage.log("one/mail", "one"), stage.log("two/mail", "two")
    os.symlink(one.path, stage.path("mail.log"))
    driver = stage.driver(stage.path("mail.log"))
    driver.wait_for(one.write(10))
    os.symlink(two.path, stage.path("new"))
    os.rename(stage.path("new"), stage.path("mail.log"))
    driver.wait_for(two.write(10))
    one.write(5)
    same_lines(driver.stop(), one.written + two.written)


@scenario
def symlinked_directory_switched(stage):
    os.mkdir(stage.path("one"))
    os.mkdir(stage.path("two"))
    one, two = stage.log("one/mail.log", "one"), stage.log("two/mail.log", "two")
    os.symlink("one", stage.path("now"))
    driver = stage.driver(stage.path("now/mail.log"))
    driver.wait_for(one.write(10))
    os.unlink(stage.path("now"))
    os.symlink("two", stage.path("now"))
    driver.wait_for(two.write(10))
    same_lines(driver.stop(), one.written + two.written)


@scenario
def symlink_target_rotated(stage):
    os.mkdir(stage.path("target"))
    log = stage.log("target/real.log")
    os.symlink("target/real.log", stage.path("mail.log"))
    driver = stage.driver(stage.path("mail.log"))
    write_rotating(log, 2000, 100, rotate_rename)
    same_lines(driver.stop(), log.written)
    same(driver.stats()["renames"], 19, "renames")


@scenario
def symlink_dangling(stage):
    os.symlink("target/real.log", stage.path("mail.log"))
    driver = stage.driver(stage.path("mail.log"))
    os.mkdir(stage.path("target"))
    log = stage.log("target/real.log")
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written)


@scenario
def glob_with_new_matches(stage):
    logs = [Log(stage.path("mail%d.log" % i), "m%d" % i) for i in range(5)]
    logs[0].open().write(3, expected=False)
    driver = stage.driver(stage.path("mail*.log"))
    for i, log in enumerate(logs):
        if i:
            log.open()
        log.write(10)
    driver.wait_for(logs[4].written[-1])
    rotate_rename(logs[2])
    for log in logs:
        log.write(10)
    same_lines(driver.stop(), sum((log.written for log in logs), []))


@scenario
def glob_of_directories(stage):
    driver = stage.driver(stage.path("*/mail.log"))
    logs = []
    for i in range(3):
        os.mkdir(stage.path("host%d" % i))
        logs.append(stage.log("host%d/mail.log" % i, "h%d" % i))
        driver.wait_for(logs[-1].write(10))
    same_lines(driver.stop(), sum((log.written for log in logs), []))


@scenario
def glob_that_matches_rotated_files(stage):
    log = stage.log()
    driver = stage.driver(stage.path("mail.log*"))
    write_rotating(log, 2000, 100, in_turn(rotate_rename, rotate_copytruncate))
    same_lines(driver.stop(), log.written)


@scenario
def glob_from_start(stage):
    log = stage.log()
    for _ in range(3):
        log.write(10)
        rotate_rename(log)
    log.write(10)
    driver = stage.driver("--from-start", stage.path("mail.log*"))
    driver.wait_for(log.written[-1])
    rotate_rename(log)
    log.write(10)
    got = driver.stop()
    same_lines(got, log.written)
    if got != log.written:
        raise AssertionError("the rotated files were not read first")


@scenario
def from_start(stage):
    log = stage.log()
    log.write(10, expected=False)
    rotate_rename(log)
    log.write(10)
    driver = stage.driver("--from-start", log.path)
    log.write(10)
    same_lines(driver.stop(), log.written)


@scenario
def from_end(stage):
    log = stage.log()
    log.write(10, expected=False)
    rotate_rename(log)
    log.write(10, expected=False)
    driver = stage.driver(log.path)
    log.write(10)
    same_lines(driver.stop(), log.written)


@scenario
def partial_line_completed_later(stage):
    log = stage.log()
    os.write(log.fd, b"a-1 begun before ")
    driver = stage.driver(log.path)
    os.write(log.fd, b"and ended after the start\n")
    log.written.append("a-1 begun before and ended after the start\n")
    driver.wait_for(log.written[-1])
    for i in range(20):
        log.write(3)
        text = log.line()
        for byte in text.encode():
            os.write(log.fd, bytes([byte]))
        log.written.append(text)
    same_lines(driver.stop(), log.written)


@scenario
def partial_line_and_rotation(stage):
    log, driver = stage.followed()
    driver.wait_for(log.write(3))
    text = log.line()
    os.write(log.fd, text[:5].encode())
    old = log.fd
    log.fd = -1
    rotate_rename(log)
    driver.wait_for(log.write(3))
    os.write(old, text[5:].encode())
    os.close(old)
    driver.wait_for(text)
    same_lines(driver.stop(), log.written + [text])


@scenario
def long_line_skipped_and_counted(stage):
    log, driver = stage.followed()
    log.write(10)
    for _ in range(10):
        os.write(log.fd, b"z" * (1 << 20))
    os.write(log.fd, b"\n")
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written)
    same(driver.stats()["long_lines"], 1, "long_lines")


@scenario
def overflow(stage):
    try:
        with open(OVERFLOW_LIMIT) as limit:
            usual = limit.read()
        with open(OVERFLOW_LIMIT, "w") as limit:
            limit.write("16")
    except OSError as why:
        raise Skip(str(why))
    logs = [stage.log("mail%d.log" % i, "m%d" % i) for i in range(8)]
    try:
        driver = stage.driver(stage.path("mail*.log"))
        with driver.standing_still():
            for i in range(400):
                for log in logs:
                    log.write()
                    if i % 50 == 49:
                        rotate_rename(log)
            logs.append(stage.log("mail9.log", "m9"))
            logs[-1].write(10)
        driver.wait_for(logs[-1].write(10))
        same_lines(driver.stop(), sum((log.written for log in logs), []))
        if driver.stats()["overflows"] == 0:
            raise AssertionError("got no overflow, want one")
    finally:
        with open(OVERFLOW_LIMIT, "w") as limit:
            limit.write(usual)


@scenario
def inode_reuse(stage):
    """Deleted and made again many times: file systems like to give the same inode."""
    log, driver = stage.followed()
    for _ in range(30):
        last = log.write(5)
        driver.wait_for(last)
        os.unlink(log.path)
        log.open()
    driver.wait_for(log.write(5))
    same_lines(driver.stop(), log.written)
    same(driver.stats()["renames"], 0, "renames")


@scenario
def inode_reuse_while_rotating(stage):
    log, driver = stage.followed()
    for i in range(100):
        driver.wait_for(log.write(5))
        (rotate_rename if i % 2 else rotate_copytruncate)(log, keep=2)
        if os.path.exists(log.path + ".2"):
            os.unlink(log.path + ".2")
    log.write(5)
    same_lines(driver.stop(), log.written)


def backup_copy_not_counted(stage, rotate):
    log = stage.log()
    log.write(20)
    driver = stage.driver("--from-start", log.path)
    driver.wait_for(log.written[-1])
    for name in (".bak", ".2024", "-20240131"):
        shutil.copyfile(log.path, log.path + name)
        driver.wait_for(log.write(20))
    # And one made right before the rotation, unseen.
    with driver.standing_still():
        shutil.copyfile(log.path, log.path + ".20240201")
        log.write(5)
        rotate(log)
        log.write(5)
    driver.wait_for(log.written[-1])
    shutil.copyfile(log.path + ".1", log.path + ".20240202")
    rotate(log)
    log.write(5)
    same_lines(driver.stop(), log.written)


@scenario
def backup_copy_and_rename(stage):
    backup_copy_not_counted(stage, rotate_rename)


@scenario
def backup_copy_and_copytruncate(stage):
    backup_copy_not_counted(stage, rotate_copytruncate)


@scenario
def old_file_unpacked_beside(stage):
    log, driver = stage.followed()
    driver.wait_for(log.write(10))
    other = stage.log("mail.log.7", "old")
    other.write(10)
    os.utime(other.path, (1e9, 1e9))
    rotate_rename(log)
    log.write(10)
    same_lines(driver.stop(), log.written)


@scenario
def other_logs_with_a_longer_name(stage):
    log = stage.log("mail")
    others = [stage.log("mail" + end, "o") for end in (".err", ".warn-20240131", "-b2.log")]
    driver = stage.driver(log.path)
    for _ in range(10):
        for one in [log] + others:
            one.write(10)
        rotate_rename(log)
        others.append(stage.log("mail.info%d" % len(others), "o"))
    log.write(10)
    same_lines(driver.stop(), log.written)


@scenario
def writer_continues_on_the_renamed_file(stage):
    log, driver = stage.followed()
    driver.wait_for(log.write(10))
    old = Log(log.path, "old")
    old.fd, log.fd = log.fd, -1
    rotate_rename(log)
    for _ in range(20):
        driver.wait_for(old.write(10))
        driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written + old.written)


@scenario
def deleted_and_recreated(stage):
    log, driver = stage.followed()
    for _ in range(20):
        driver.wait_for(log.write(10))
        os.unlink(log.path)
        log.write(10)  # to the file without a name
        log.open()
    log.write(10)
    same_lines(driver.stop(), log.written)


@scenario
def moved_back(stage):
    """An admin puts the rotated file back in its place: what was read stays read."""
    log, driver = stage.followed()
    driver.wait_for(log.write(10))
    os.rename(log.path, log.path + ".1")
    other = Log(log.path, "b").open()
    driver.wait_for(other.write(10))
    os.rename(log.path + ".1", log.path)
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written + other.written)


@scenario
def overlapping_sources(stage):
    log = stage.log()
    other = stage.log("mail.err", "err")
    os.symlink("mail.log", stage.path("link.log"))
    driver = stage.driver(log.path, stage.path("mail.*"), stage.path("link.log"), stage.path("../")
                    + os.path.basename(stage.dir) + "/mail.log")
    for i in range(1000):
        if i and i % 100 == 0:
            (rotate_rename if i % 200 else rotate_copytruncate)(log)
        log.write()
        other.write()
    got = driver.stop()
    same_lines(got, ["0 " + line for line in log.written] + ["1 " + line for line in other.written])


@scenario
def made_readable_later(stage):
    """logrotate creates the new file before it gives it to the group that may read."""
    if os.getuid() != 0:
        raise Skip("needs root, to run the driver as somebody else")
    os.chmod(stage.dir, 0o755)
    copy = stage.path("driver")
    shutil.copy(stage.binary, copy)
    os.chmod(copy, 0o755)
    log = stage.log()
    os.chmod(log.path, 0o600)
    driver = stage.driver(log.path, binary=copy, user=65534)
    os.chmod(log.path, 0o644)
    driver.wait_for(log.write(10))
    same_lines(driver.stop(), log.written)


if __name__ == "__main__":
    tap.main(__doc__)
