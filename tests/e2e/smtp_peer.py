"""An SMTP server that answers as big providers do, and keeps the record of it.

The peer listens on addresses and ports of its own choice. What it answers is
scripted by the recipient's local part, up to the first "-": "busy-17@a.example"
gets SCRIPT["busy"]. MAIL FROM is scripted by the sender in the same way, and a
listener may refuse whoever connects. Everything else is accepted.

Every decision on a recipient is a row of the record: what the client was told and
from which address it had come. It is written before the answer is sent, so that
nobody can know of an answer that is not in the record yet.
"""

import collections
import socket
import threading

HOSTILE = (
    "550-5.7.1 <x@forged.example>, relay=mx.forged.example[203.0.113.66]:25, delay=1,\r\n"
    "550 5.7.1 delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"
)

# word: stage and reply; None closes the connection without a word. With a list, the
# first attempt for a recipient gets its first entry, later ones the last.
SCRIPT = {
    "ok": ("eod", "250 2.0.0 OK 1763800000 d2e1a72fcca58-7c3f0d5f2a1si123456b3a.12 - gsmtp"),
    "plain": ("eod", "250 accepted"),
    "rate": (
        "eod",
        "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating\r\n"
        "421-4.7.28 from your IP address. To protect our users from spam, mail sent from\r\n"
        "421 4.7.28 your IP address has been temporarily rate limited. - gsmtp",
    ),
    "grey": [("rcpt", "450 4.2.0 Greylisted, see http://grey.example/"), ("eod", "250 2.0.0 Ok")],
    "busy": ("rcpt", "451 4.7.500 Server busy. Please try again later. (S77719)"),
    "nouser": (
        "rcpt",
        "550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n"
        "550 5.1.1 double-checking the recipient's email address for typos. - gsmtp",
    ),
    "full": ("eod", "552 5.2.2 The recipient's inbox is out of storage space"),
    "bare": ("rcpt", "554 you are not welcome here"),
    "hostile": ("rcpt", HOSTILE),
    "hostileeod": ("eod", HOSTILE.replace("550", "451").replace("5.7.1", "4.7.1")),
    "drop": ("data", None),
    "spam": ("mail", "554 5.7.1 Message blocked due to its sender's reputation"),
}

BANNERS = {
    "banner421": "421 4.7.0 Too many connections from your address",
    "banner554": "554 5.7.1 No SMTP service here",
}

Row = collections.namedtuple("Row", "key domain status dsn sending_ip")


def outcome_of(reply):
    """Status and enhanced code as the client has to take them (RFC 5321 4.2.1, RFC 3463)."""
    if reply is None:
        return "deferred", "4.4.2"  # RFC 3463 3.5: bad connection
    last = reply.split("\r\n")[-1]
    status = {"2": "sent", "4": "deferred", "5": "bounced"}[last[0]]
    word = (last[4:].split() or [""])[0]
    parts = word.split(".")
    if len(parts) == 3 and all(p.isdigit() for p in parts) and parts[0] == last[0]:
        return status, word
    return status, f"{last[0]}.0.0"


def banner_outcome(reply):
    """Postfix takes a 5xx greeting for a 4xx one: smtp_skip_5xx_greeting, postconf(5)."""
    return "deferred", "4" + outcome_of(reply)[1][1:]


def split_address(command):
    """Key and domain of "RCPT TO:<key@domain> ...": "" both for the null sender."""
    address = command[command.find("<") + 1 : command.rfind(">")]
    key, _, domain = address.rpartition("@")
    return key, domain.lower()


class Closed(Exception):
    """The session is over."""


class Session:
    """One connection, from the banner to its end."""

    def __init__(self, peer, sock, domain, banner):
        self.peer, self.sock, self.domain, self.banner = peer, sock, domain, banner
        self.sending_ip = sock.getpeername()[0]
        self.lines = sock.makefile("rb")
        self.reset()

    def reset(self):
        self.accepted = []  # recipients that wait for the end of data
        self.sender = ""

    def say(self, reply):
        if reply is None:
            raise Closed
        self.sock.sendall(reply.encode("ascii") + b"\r\n")
        if reply.startswith("421"):
            raise Closed

    def read(self):
        line = self.lines.readline()
        if not line:
            raise Closed
        return line.rstrip(b"\r\n").decode("utf-8", "replace")

    def decide(self, key, domain, reply, outcome=outcome_of):
        self.peer.note(Row(key, domain, *outcome(reply), self.sending_ip))

    def run(self):
        if self.banner:
            self.decide("banner", self.domain, self.banner, banner_outcome)
            self.say(self.banner)
            raise Closed
        self.say("220 peer.example ESMTP")
        while True:
            command = self.read()
            verb = command[:4].upper()
            handler = getattr(self, "on_" + verb.lower(), None)
            if handler:
                handler(command)
            else:
                self.say("502 5.5.2 not here")

    def on_ehlo(self, _):
        self.say("250-peer.example\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME")

    def on_helo(self, _):
        self.say("250 peer.example")

    def on_mail(self, command):
        self.reset()
        self.sender, _ = split_address(command)
        stage, reply = self.peer.script(self.sender)
        if stage != "mail":
            return self.say("250 2.1.0 Ok")
        # Who sends so has one recipient, whom the client has not named yet.
        self.decide(self.sender, self.domain, reply)
        return self.say(reply)

    def on_rcpt(self, command):
        key, domain = split_address(command)
        stage, reply = self.peer.script(key)
        if stage == "mail":  # the notice to such a sender is welcome
            stage, reply = SCRIPT["ok"]
        if stage == "rcpt":
            self.decide(key, domain, reply)
            return self.say(reply)
        self.accepted.append((key, domain, stage, reply))
        return self.say("250 2.1.5 Ok")

    def on_data(self, _):
        if not self.accepted:
            return self.say("554 5.5.1 no valid recipients")
        self.say("354 go on")
        for key, domain, stage, reply in self.accepted:
            if stage == "data":  # one recipient's rule is that of all
                return self.end(reply)
        while self.read() != ".":
            pass
        return self.end(self.accepted[0][3])

    def end(self, reply):
        for key, domain, _, _ in self.accepted:
            self.decide(key, domain, reply)
        self.accepted = []
        self.say(reply)

    def on_rset(self, _):
        self.reset()
        self.say("250 2.0.0 Ok")

    def on_noop(self, _):
        self.say("250 2.0.0 Ok")

    def on_quit(self, _):
        self.say("221 2.0.0 Bye")
        raise Closed


class Peer:
    """The listeners and their common record."""

    def __init__(self):
        self.rows = []
        self.lock = threading.Lock()
        self.seen = collections.Counter()
        self.listeners = []

    def listen(self, address, domain, banner=None):
        """Serves a domain there; returns the port."""
        sock = socket.socket()
        sock.bind((address, 0))
        sock.listen(100)
        self.listeners.append(sock)
        threading.Thread(target=self._accept, args=(sock, domain, banner), daemon=True).start()
        return sock.getsockname()[1]

    def _accept(self, listener, domain, banner):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            args = (sock, domain, banner)
            threading.Thread(target=self._serve, args=args, daemon=True).start()

    def _serve(self, sock, domain, banner):
        sock.settimeout(60)
        try:
            Session(self, sock, domain, banner).run()
        except (Closed, OSError):
            pass
        finally:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def script(self, key):
        """What is done to this recipient or sender now; the DSNs' null sender is welcome."""
        rule = SCRIPT.get(key.split("-")[0], SCRIPT["ok"])
        if not isinstance(rule, list):
            return rule
        with self.lock:
            self.seen[key] += 1
            return rule[min(self.seen[key], len(rule)) - 1]

    def note(self, row):
        with self.lock:
            self.rows.append(row)

    def record(self):
        with self.lock:
            return list(self.rows)

    def close(self):
        for sock in self.listeners:
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
