#!/usr/bin/env python3
"""What the agent gives up, that it does its work without it, and what it tells its supervisor.

usage: test_sandbox.py path/to/mailvane [SCENARIO...]

TAP on stdout. What the kernel lacks is asserted either way: where there is landlock, files are
refused, where there is none, one warning says so; build/e2e/lacking takes it away from a kernel
that has it. Started as root, the agents become the user nobody.
"""

import ctypes
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import tap
from agent import PATIENCE, Place, counted, sent, until
from tap import ROOT, Skip, same

UNIT = os.path.join(ROOT, "packaging", "mailvane.service")
EXPOSURE_MAX = 2.0
IS_ROOT = os.geteuid() == 0
USER = "user: nobody\n" if IS_ROOT else ""
WATCHDOG_SECONDS = 0.2
SYS_LANDLOCK_CREATE_RULESET = 444  # the same number on every machine but Alpha


def has_landlock():
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1) > 0


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as lines:
        return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}


def start(place, *flags, config="", **how):
    """An agent that follows place.log, a directory below, and has given up all it can."""
    if how.pop("own_directory", True):
        os.makedirs(place.path("logs/app"), exist_ok=True)
        place.log = place.path("logs/app/mail.log")
    return place.start(*flags, config=f"sources: [{{ file: {place.log} }}]\n{USER}{config}", **how)


def lacking(place, what):
    return (os.path.join(os.path.dirname(place.binary), "e2e", "lacking"), what)


def warnings(agent):
    """Those of its start, of which the state is the last thing said."""
    agent.wait_said("msg=\"state: ")
    return [line for line in agent.said if "level=warn" in line]


def elsewhere(place):
    """A directory that no grant of the place reaches, readable for everybody."""
    directory = tempfile.mkdtemp(prefix="mailvane-elsewhere-")
    os.chmod(directory, 0o755)
    place.others.append(directory)
    return directory


class Ground(Place):
    def __init__(self, binary):
        super().__init__(binary)
        self.others = []

    def release(self):
        super().release()
        for directory in self.others:
            shutil.rmtree(directory, ignore_errors=True)


scenario = tap.scenario(Ground)


# --- what is given up -------------------------------------------------------------------


@scenario
def nothing_is_left_of_root(place):
    agent = start(place)
    status = status_of(agent.process.pid)
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb") + (("CapBnd",) if IS_ROOT else ()):
        same(int(status[name][0], 16), 0, name)
    same(status["NoNewPrivs"], ["1"], "NoNewPrivs")
    same(status["Seccomp"], ["2"], "Seccomp")
    want = pwd.getpwnam("nobody").pw_uid if IS_ROOT else os.geteuid()
    same(status["Uid"], [str(want)] * 4, "Uid")
    same("0" in status["Gid"] + status["Groups"], not IS_ROOT and 0 in os.getgroups(), "group root")
    same(len(warnings(agent)), 0 if has_landlock() else 1, f"warnings of {agent.said}")


@scenario
def no_memory_is_writable_and_executable(place):
    agent = start(place)
    # Its own maps are for itself alone where it is another user, so ask as root.
    with open(f"/proc/{agent.process.pid}/maps", encoding="utf-8") as maps:
        rows = [line.split()[1] for line in maps]
    same(len(rows) > 10, True, "mappings to look at")
    same([row for row in rows if "w" in row and "x" in row], [], "writable and executable")


@scenario
def a_low_port_is_bound_before_root_is_left(place):
    if not IS_ROOT:
        raise Skip("only root may bind a low port")
    for port in range(700, 1000):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) != 0:
                break
    agent = start(place, listen=f"127.0.0.1:{port}")
    same(agent.port, port, "port")
    same(status_of(agent.process.pid)["Uid"][0] != "0", True, "not root any more")


@scenario
def root_without_a_user_to_become_is_said_so(place):
    if not IS_ROOT:
        raise Skip("not started as root")
    agent = place.start()
    uid = int(status_of(agent.process.pid)["Uid"][0])
    try:
        same(uid, pwd.getpwnam("mailvane").pw_uid, "uid of the agent")
    except KeyError:
        same(uid, 0, "uid of the agent")
        same(sum("there is no user mailvane" in line for line in warnings(agent)), 1, "such warnings")
        same(int(status_of(agent.process.pid)["CapEff"][0], 16), 0, "CapEff")


@scenario
def a_user_that_there_is_not_ends_it(place):
    if not IS_ROOT:
        raise Skip("not started as root")
    for name, words in (("mailvane-is-no-user", "no user"), ("root", "is root")):
        config = f"sources: [{{ file: {place.log} }}]\nuser: {name}\n"
        path = place.file("user.yml", config + 'web: { listen: ["127.0.0.1:0"] }\n')
        status, said = place.run("--config.file", path)
        errors = [line for line in said.splitlines() if not line.startswith("ts=")]
        same((status, len(errors)), (3, 1), f"{name}: status, sentences of {said!r}")
        same(words in errors[0] and name in errors[0], True, f"{name}: named in {errors[0]!r}")
        same(place.run("check", "--config.file", path)[0], 1, f"{name}: status of check")


@scenario
def without_a_sandbox_nothing_is_given_up(place):
    agent = place.start(config=f"sources: [{{ file: {place.log} }}]\nsandbox: false\n")
    mine, its = status_of("self"), status_of(agent.process.pid)
    for name in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"):
        same(its[name], mine[name], name)


@scenario
def what_the_kernel_lacks_is_one_warning(place):
    place.write(0)
    for what, words in (("landlock", "landlock is skipped"), ("seccomp", "filter of system calls is")):
        agent = start(place, inside=lacking(place, what))
        before = sent(agent)
        place.write(1)
        same(sent(agent) - before, 1, f"{what}: sent")
        same(status_of(agent.process.pid)["NoNewPrivs"], ["1"], f"{what}: NoNewPrivs")
        same(agent.stop(), 0, f"{what}: status")
        # Now that it has ended, all that it said has been read.
        said = warnings(agent)
        same(sum(words in line for line in said), 1, f"{what}: warnings in {said}")
        same(len(said), 1 if has_landlock() or what == "landlock" else 2, f"{what}: in {said}")


# --- files that were not configured -----------------------------------------------------


def postfix_of(place):
    """A configuration of Postfix, and a copy of its main.cf where the agent has no business."""
    os.makedirs(place.path("postfix"))
    main = "smtp_bind_address = 192.0.2.1\n"
    place.file("postfix/main.cf", main)
    place.file("postfix/master.cf", "smtp unix - - n - - smtp\n")
    forbidden = os.path.join(elsewhere(place), "main.cf")
    with open(forbidden, "w", encoding="utf-8") as out:
        out.write(main)
    return f"sending_ips: {{ postfix: [{place.path('postfix')}] }}\n", forbidden


def look_at(place, agent, forbidden):
    """Has the agent read a main.cf that leads to the forbidden file; what it says of it."""
    os.unlink(place.path("postfix/main.cf"))
    before = len(agent.said)
    os.symlink(forbidden, place.path("postfix/main.cf"))
    agent.process.send_signal(signal.SIGHUP)
    return agent.wait_said(
        r"(?:sending addresses stay as they were: .*|read Postfix' configuration again)", before
    )[0]


@scenario
def a_file_that_was_not_configured_is_refused_in_one_sentence(place):
    config, forbidden = postfix_of(place)
    agent = start(place, config=config)
    said = look_at(place, agent, forbidden)
    path = place.path("postfix/main.cf")
    refused = path in said and "Permission denied" in said
    same(refused, has_landlock(), f"refused where there is landlock, in {said!r}")
    place.write(2)
    same(sent(agent), 2, "sent afterwards")


@scenario
def without_landlock_only_permissions_refuse_a_file(place):
    config, forbidden = postfix_of(place)
    agent = start(place, config=config, inside=lacking(place, "landlock"))
    same(look_at(place, agent, forbidden), "read Postfix' configuration again", "what it says")


# --- following, without the rights -------------------------------------------------------


@scenario
def rotation_by_rename(place):
    agent = start(place)
    place.write(0)
    for turn in range(1, 6):
        place.write(10)
        os.rename(place.log, f"{place.log}.{turn}")
        place.write(5, path=f"{place.log}.{turn}")
        place.write(5)
        same(counted(agent), place.lines, f"deliveries after rotation {turn}")


@scenario
def rotation_by_copytruncate(place):
    agent = start(place)
    place.write(0)
    for turn in range(1, 6):
        place.write(10)
        same(counted(agent), place.lines, f"deliveries before truncation {turn}")
        shutil.copyfile(place.log, f"{place.log}.{turn}")
        os.truncate(place.log, 0)
        place.write(5)
        same(counted(agent), place.lines, f"deliveries after truncation {turn}")


@scenario
def a_log_directory_that_is_made_anew(place):
    agent = start(place)
    for turn in range(1, 4):
        place.write(7)
        same(sent(agent), place.lines, f"sent before removal {turn}")
        shutil.rmtree(os.path.dirname(place.log))
        os.mkdir(os.path.dirname(place.log))
    place.write(7)
    same(sent(agent), place.lines, "sent at the end")


@scenario
def a_log_directory_that_appears_later(place):
    directory = place.path("not/yet/there")
    place.log = os.path.join(directory, "mail.log")
    agent = start(place, own_directory=False)
    os.makedirs(directory)
    place.write(3)
    same(sent(agent), 3, "sent")


@scenario
def links_that_are_switched(place):
    for name in ("a", "b"):
        os.makedirs(place.path(f"runs/{name}"))
        place.write(0, path=place.path(f"runs/{name}/mail.log"))
    os.symlink("a", place.path("runs/current"))
    place.log = place.path("runs/current/mail.log")
    agent = start(place, own_directory=False)
    place.write(2)
    same(sent(agent), 2, "sent before")
    os.symlink("b", place.path("runs/next"))
    os.rename(place.path("runs/next"), place.path("runs/current"))
    place.write(3)
    same(sent(agent), 5, "sent after")


def switch_away(place, config):
    """Switches a log's link to where nothing of the configuration lies, but for sandbox_paths."""
    directory = elsewhere(place)
    os.makedirs(place.path("logs/app"))
    place.write(0, path=place.path("logs/app/here.log"))
    os.symlink("here.log", place.path("logs/app/linked.log"))
    place.log = place.path("logs/app/linked.log")
    agent = start(place, own_directory=False, config=config.format(directory))
    there = os.path.join(directory, "mail.log")
    place.write(2, path=there)
    before = len(agent.said)
    os.symlink(there, place.log + ".next")
    os.rename(place.log + ".next", place.log)
    agent.process.send_signal(signal.SIGHUP)
    return agent, before


@scenario
def a_link_switched_to_a_path_of_the_sandbox_is_followed(place):
    agent, _ = switch_away(place, "sandbox_paths: [{}]\n")
    until(lambda: sent(agent) == 2, "what stands behind the link")


@scenario
def a_link_switched_elsewhere_is_said_to_be_closed(place):
    agent, before = switch_away(place, "")
    if has_landlock():
        agent.wait_said(r"cannot open .*/linked\.log: Permission denied", before)
    else:
        until(lambda: sent(agent) == 2, "what stands behind the link")


@scenario
def process_metrics_are_still_there(place):
    agent = start(place)
    samples = agent.scrape()
    for name in ("process_cpu_seconds_total", "process_open_fds", "process_start_time_seconds"):
        same(len(samples.having(name, {})), 1, name)
    same(samples.sum("process_open_fds") > 5, True, "process_open_fds is counted")


# --- the supervisor -----------------------------------------------------------------------


class Supervisor:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0"))
        self.socket.settimeout(PATIENCE)
        if not address.startswith("@"):
            os.chmod(address, 0o777)
        self.inside = ("env", f"NOTIFY_SOCKET={address}")

    def heard(self):
        """The next message that is no ping."""
        while (message := self.socket.recv(4096).decode("utf-8")) == "WATCHDOG=1":
            pass
        return message

    def wait_ping(self):
        while self.socket.recv(4096) != b"WATCHDOG=1":
            pass

    def waiting(self):
        """How many messages there are now; takes them."""
        self.socket.setblocking(False)
        count = 0
        try:
            while self.socket.recv(4096):
                count += 1
        except BlockingIOError:
            self.socket.settimeout(PATIENCE)
        return count


def supervise(place, address, *environment):
    supervisor = Supervisor(address)
    agent = start(place, inside=(*supervisor.inside, *environment))
    if any("built without libsystemd" in line for line in warnings(agent)):
        raise Skip("built without libsystemd")
    return agent, supervisor


@scenario
def readiness_reload_and_end_are_told(place):
    for address in (place.path("notify"), f"@mailvane-test-{os.getpid()}"):
        agent, supervisor = supervise(place, address)
        same(supervisor.heard(), "STATUS=reading the logs", "first message")
        same(supervisor.heard(), "READY=1\nSTATUS=following 1 log", "second message")
        same(agent.get("/-/ready")[0], 200, "status of /-/ready")
        agent.process.send_signal(signal.SIGHUP)
        same(supervisor.heard().split("\n")[0], "RELOADING=1", "message after SIGHUP")
        same(supervisor.heard(), "READY=1", "message after the reload")
        same(agent.stop(), 0, "status")
        same(supervisor.heard(), "STOPPING=1\nSTATUS=stopping", "message at the end")


@scenario
def an_agent_that_hangs_does_not_feed_the_watchdog(place):
    usec = f"WATCHDOG_USEC={int(WATCHDOG_SECONDS * 1e6)}"
    agent, supervisor = supervise(place, place.path("notify"), usec)
    supervisor.wait_ping()
    supervisor.wait_ping()
    agent.process.send_signal(signal.SIGSTOP)
    until(lambda: agent.process_state() == "T", "the agent to stand still")
    supervisor.waiting()
    time.sleep(3 * WATCHDOG_SECONDS)
    same(supervisor.waiting(), 0, "messages while it stands still")
    agent.process.send_signal(signal.SIGCONT)
    supervisor.wait_ping()


# --- the unit -------------------------------------------------------------------------------


def analyze(*args):
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not installed")
    done = subprocess.run(["systemd-analyze", "--no-pager", *args], capture_output=True, text=True,
                          timeout=PATIENCE, check=False)
    return done.stdout + done.stderr


@scenario
def the_unit_is_exposed_by_no_more_than_two(_place):
    said = analyze("security", "--offline=true", UNIT)
    level = re.search(r"Overall exposure level for mailvane\.service: ([0-9.]+)", said)
    same(bool(level), True, f"a level in {said[-500:]!r}")
    same(float(level[1]) <= EXPOSURE_MAX, True, f"at most {EXPOSURE_MAX} (got {level[1]})")


@scenario
def the_unit_names_no_group_that_may_be_missing(_place):
    """A unit whose group is not there does not start: only those count that every Debian has."""
    master = "/usr/share/base-passwd/group.master"
    if not os.path.exists(master):
        raise Skip("Debian's list of groups is not here")
    with open(master, encoding="ascii") as rows, open(UNIT, encoding="utf-8") as unit:
        there = {row.split(":")[0] for row in rows}
        named = re.findall(r"^SupplementaryGroups=(.*)$", unit.read(), re.MULTILINE)
    named = {name for row in named for name in row.split()}
    same(named - there, set(), "groups that may be missing")
    same("adm" in named, True, "group adm, for the logs")


def calls_of(name):
    """The system calls of a set of systemd's, or the one that is named."""
    if not name.startswith("@"):
        return {name}
    lines = [line.strip() for line in analyze("syscall-filter", name).splitlines()[1:]]
    names = [line for line in lines if line and not line.startswith("#")]
    return set().union(*(calls_of(name) for name in names))


def calls_of_the_unit():
    """As systemd.exec(5) reads SystemCallFilter=: a first line that allows, others that add or take."""
    allowed = set()
    with open(UNIT, encoding="utf-8") as lines:
        for value in re.findall(r"^SystemCallFilter=(.*)$", lines.read(), re.MULTILINE):
            named = set().union(*(calls_of(name) for name in value.lstrip("~").split()))
            allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed


def within_reach(place):
    """Programs beside the log: nobody may not pass the directory that the project was built in."""
    os.makedirs(place.path("e2e"))
    shutil.copy(lacking(place, "others")[0], place.path("e2e"))
    place.binary = shutil.copy(place.binary, place.dir)


@scenario
def the_calls_of_the_unit_are_enough(place):
    calls = calls_of_the_unit()
    same({"epoll_wait", "landlock_restrict_self"} <= calls, True, "a list of calls")
    same(bool({"mount", "setuid", "bpf", "keyctl"} & calls), False, "calls that are none of ours")
    names = place.file("calls", "".join(f"{name}\n" for name in sorted(calls)))
    within_reach(place)
    drop = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--bounding-set=-all")
    # (A sanitizer build would trace itself at its end to look for leaks.)
    as_the_unit = ("env", "ASAN_OPTIONS=detect_leaks=0", "sh", "-c", f'exec "$@" <{names}', "sh")
    agent = start(place, inside=(*(drop if IS_ROOT else ()), *as_the_unit, *lacking(place, "others")))
    place.write(5)
    same(sent(agent), 5, "sent")
    os.rename(place.log, place.log + ".1")
    place.write(5)
    same(sent(agent), 10, "sent after rotation")
    agent.process.send_signal(signal.SIGHUP)
    place.write(1)
    same(sent(agent), 11, "sent after SIGHUP")
    same(status_of(agent.process.pid)["Seccomp"], ["2"], "Seccomp")
    same(agent.stop(), 0, "status")


if __name__ == "__main__":
    tap.main(__doc__)
