"""The program as a command that ends by itself, and a directory for what it reads: a context."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import tempfile
import termios

END_OF_OUTPUT = b"\0end of output\0"


class Tool:
    def __init__(self, binary):
        self.binary = binary
        self.directory = tempfile.TemporaryDirectory(prefix="mailvane-tool-")
        self.scratch = self.directory.name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.directory.cleanup()

    def environment(self, more=None):
        env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
        return {**env, "TZ": "UTC", "TERM": "xterm", **(more or {})}

    def run(self, *args, stdin=b"", env=None):
        return subprocess.run([self.binary, *args], input=stdin, capture_output=True,
                              env=self.environment(env), check=False, timeout=300)

    def on_terminal(self, *args, columns=80, env=None, stdout=None):
        """What a terminal of that width gets to see; stdout may go elsewhere.

        A terminal's last bytes can get lost when its only writer goes: a shell says that
        all was written, and our own end of it stays open until then.
        """
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
        command = '"$@"; printf "\\000end of output\\000" >&2'
        with subprocess.Popen(["sh", "-c", command, "sh", self.binary, *args], stdin=subprocess.DEVNULL,
                              stdout=theirs if stdout is None else stdout, stderr=theirs,
                              env=self.environment(env)):
            seen = b""
            while not seen.endswith(END_OF_OUTPUT):
                if not select.select([ours], [], [], 120)[0]:
                    raise AssertionError(f"a terminal waits for the end of {args}: {seen[-200:]!r}")
                seen += os.read(ours, 65536)
        os.close(ours)
        os.close(theirs)
        return seen.removesuffix(END_OF_OUTPUT)

    def path(self, name):
        return os.path.join(self.scratch, name)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path
