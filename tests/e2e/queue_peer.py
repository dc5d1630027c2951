"""A stand-in for Postfix' showq(8): a spool whose public/showq answers as a test wants."""

import os
import socket
import threading
import time

END = b"\0"


def message(queue, arrived, recipients, size=1000):
    """The attributes of a message; recipients are (address, reason)."""
    parts = ["queue_name", queue, "queue_id", "A1", "time", str(int(arrived)), "size", str(size),
             "forced_expire", "0", "sender", "s@news.example"]  # fmt: skip
    for address, reason in recipients:
        parts += ["recipient", address, "reason", reason]
    return b"".join(p.encode() + b"\0" for p in parts) + END


class Showq:
    """`answer(client)` is called for each connection, which is then closed."""

    def __init__(self, spool, answer):
        self.spool, self.answer, self.asked = spool, answer, 0
        os.makedirs(os.path.join(spool, "public"), exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(spool, "public", "showq"))
        self.listener.listen(8)
        self.closed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.asked += 1
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client):
        with client:
            try:
                self.answer(client)
            except OSError:
                pass

    def says(self, data):
        self.answer = lambda client: client.sendall(data)

    def hangs(self, data=b""):
        def answer(client):
            client.sendall(data)
            # Until the agent gives up.
            client.settimeout(60)
            client.recv(1)

        self.answer = answer

    def drips(self, data, pause):
        def answer(client):
            for byte in data:
                client.sendall(bytes([byte]))
                time.sleep(pause)

        self.answer = answer

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(os.path.join(self.spool, "public", "showq"))
