"""The program as a command that ends by itself, and a directory for what it reads: a context."""

import os
import subprocess
import tempfile


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

    def path(self, name):
        return os.path.join(self.scratch, name)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path
