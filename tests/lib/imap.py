"""
A raw IMAP client for tests: sends bytes, reads whole responses with their
literals, knows nothing about what a mailbox is. Every read has a deadline.
"""
import os
import re
import select
import socket
import ssl
import time

LITERAL = re.compile(rb"\{(\d+)\}$")
TIMEOUT = float(os.environ.get("LOFT_TEST_TIMEOUT", "20"))


class Closed(Exception):
    """The server ended the connection."""


class Late(Exception):
    """Nothing came before the deadline."""


class Refused(Exception):
    """A command was answered NO or BAD."""


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def trusting_context():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    return c


class Imap:
    """A connection. `sock` is any stream socket: TCP, TLS or a socketpair."""

    def __init__(self, sock, timeout=TIMEOUT, process=None):
        self.sock = sock
        self.timeout = timeout
        self.process = process
        self.buffer = b""
        self.tag = 0
        self.greeting = None

    @classmethod
    def connect(cls, port, tls=False, host="127.0.0.1", timeout=TIMEOUT):
        s = socket.create_connection((host, port), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c = cls(s, timeout)
        if tls:
            c.start_tls()
        return c

    def start_tls(self):
        if self.buffer:
            raise AssertionError(f"bytes before TLS: {self.buffer!r}")
        self.sock = trusting_context().wrap_socket(
            self.sock, server_hostname="localhost")

    # ---- bytes ----

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.sock.settimeout(self.timeout)
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as e:
            raise Closed(str(e)) from e

    def line(self, text):
        self.send((text.encode() if isinstance(text, str) else text) + b"\r\n")

    def fill(self, deadline):
        left = deadline - time.monotonic()
        pending = getattr(self.sock, "pending", lambda: 0)()
        if not pending and not select.select([self.sock], [], [],
                                             max(left, 0))[0]:
            raise Late(f"nothing after {self.buffer[:200]!r}")
        self.sock.settimeout(max(left, 0.05))
        try:
            data = self.sock.recv(1 << 16)
        except (TimeoutError, ssl.SSLWantReadError) as e:
            raise Late(f"nothing after {self.buffer[:200]!r}") from e
        except OSError as e:
            raise Closed(str(e)) from e
        if not data:
            raise Closed(f"end of stream after {self.buffer[:200]!r}")
        self.buffer += data

    def read_bytes(self, n, deadline):
        if n > 1 << 20:
            parts, have = [self.buffer], len(self.buffer)
            self.buffer = b""
            while have < n:
                self.fill(deadline)
                parts.append(self.buffer)
                have += len(self.buffer)
                self.buffer = b""
            self.buffer = b"".join(parts)
        while len(self.buffer) < n:
            self.fill(deadline)
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def read_line(self, deadline):
        start = 0
        while (at := self.buffer.find(b"\n", start)) < 0:
            start = len(self.buffer)
            self.fill(deadline)
        line, self.buffer = self.buffer[:at + 1], self.buffer[at + 1:]
        if not line.endswith(b"\r\n"):
            raise AssertionError(f"a line without CR: {line!r}")
        return line[:-2]

    def response(self, timeout=None):
        """One whole response: a line, and what follows its literals."""
        deadline = time.monotonic() + (timeout or self.timeout)
        out = self.read_line(deadline)
        while m := LITERAL.search(out):
            out += b"\r\n" + self.read_bytes(int(m[1]), deadline)
            out += self.read_line(deadline)
        return out

    def is_silent(self, seconds=0.2):
        """Nothing is there and nothing comes for a moment."""
        if self.buffer:
            return False
        pending = getattr(self.sock, "pending", lambda: 0)()
        return not pending and not select.select([self.sock], [], [], seconds)[0]

    def is_closed(self, timeout=None):
        """True when the stream ends without another byte."""
        try:
            self.fill(time.monotonic() + (timeout or self.timeout))
        except Closed:
            return not self.buffer
        except Late:
            pass
        return False

    # ---- commands ----

    def new_tag(self):
        self.tag += 1
        return f"t{self.tag}"

    def start(self, command):
        """Sends a command; its tag."""
        tag = self.new_tag()
        self.line(tag.encode() + b" " + (command.encode()
                                         if isinstance(command, str) else command))
        return tag

    def finish(self, tag, timeout=None):
        """Reads up to the tagged line: (status, tagged text, [untagged])."""
        untagged = []
        want = tag.encode() + b" "
        while True:
            r = self.response(timeout)
            if r.startswith(want):
                status, _, text = r[len(want):].partition(b" ")
                return status.decode(), text, untagged
            untagged.append(r)

    def command(self, command, timeout=None):
        return self.finish(self.start(command), timeout)

    def ok(self, command, timeout=None):
        """A command that must succeed; its untagged responses."""
        status, text, untagged = self.command(command, timeout)
        if status != "OK":
            raise Refused(f"{command[:200]!r}: {status} {text!r}")
        return untagged

    def ok_text(self, command):
        status, text, _ = self.command(command)
        if status != "OK":
            raise Refused(f"{command[:200]!r}: {status} {text!r}")
        return text

    def pipeline(self, commands):
        """Sends all in one go; [(status, text, untagged)] in order."""
        tags = [self.new_tag() for _ in commands]
        self.send(b"".join(f"{t} {c}\r\n".encode()
                           for t, c in zip(tags, commands)))
        return [self.finish(t) for t in tags]

    def greet(self, timeout=None):
        self.greeting = self.response(timeout)
        return self.greeting

    def login(self, user, password="secret"):
        if self.greeting is None:
            self.greet()
        self.ok(f"LOGIN {quote(user)} {quote(password)}")
        return self

    def append(self, folder, message, flags="", date=""):
        """APPEND with a synchronising literal; (status, text, untagged)."""
        tag = self.new_tag()
        words = [tag, "APPEND", quote(folder)] + [w for w in (
            f"({flags})" if flags else "", quote(date) if date else "") if w]
        self.line(" ".join(words) + " {%d}" % len(message))
        while True:
            r = self.response()
            if r.startswith(b"+"):
                break
            if r.startswith(tag.encode()):
                status, _, text = r[len(tag) + 1:].partition(b" ")
                return status.decode(), text, []
        self.send(message + b"\r\n")
        return self.finish(tag)

    def idle(self):
        tag = self.start("IDLE")
        r = self.response()
        while not r.startswith(b"+"):
            r = self.response()
        return tag

    def done(self, tag):
        self.line("DONE")
        return self.finish(tag)

    def logout(self):
        try:
            self.command("LOGOUT")
        except (Closed, Late):
            pass
        self.close()

    def abort(self):
        """Ends the connection as a broken network would (RST)."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 b"\1\0\0\0\0\0\0\0")
        except OSError:
            pass
        self.close()

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass
        if self.process:
            self.process.wait(self.timeout)


# ---- reading responses ----

def fetches(untagged):
    """{sequence number: raw attributes} of the FETCH responses."""
    out = {}
    for r in untagged:
        if m := re.match(rb"\* (\d+) FETCH \((.*)\)$", r, re.S):
            out[int(m[1])] = m[2]
    return out


def uids_flags(client, spec="1:*"):
    """{uid: set of flags} of the selected mailbox."""
    out = {}
    for raw in fetches(client.ok(f"UID FETCH {spec} (FLAGS)")).values():
        uid = int(re.search(rb"UID (\d+)", raw)[1])
        out[uid] = set(re.search(rb"FLAGS \(([^)]*)\)", raw)[1].split())
    return out


def search(client, keys, uid=True):
    for r in client.ok(f"{'UID ' if uid else ''}SEARCH {keys}"):
        if r.startswith(b"* SEARCH"):
            return [int(w) for w in r.split()[2:]]
    return []
