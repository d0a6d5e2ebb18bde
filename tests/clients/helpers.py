"""What the tests of real clients share: an account, and how to reach it."""
import email
import os
import subprocess

from maildirs import plain_message

SECURITY = ["plain", "starttls", "tls"]


class Account:
    """A fresh account on the shared server, reached in one of three ways."""

    def __init__(self, server, user, security, home):
        self.server, self.user, self.security = server, user, security
        self.home = home
        self.mail = server.maildir(user)
        self.mail.folder("INBOX")
        self.port = server.tls_port if security == "tls" else server.port
        self.cert = server.dir / "cert.pem"
        self.password = "secret"

    def fill(self, n, folder="INBOX", first=1, size=0):
        for i in range(first, first + n):
            self.mail.add(folder, plain_message(i, size), uid=i)
        self.mail.write()

    def client(self):
        return self.server.client(self.user)

    def run(self, command, check=True, timeout=120, **kw):
        env = {**os.environ, "HOME": str(self.home), "LC_ALL": "C.UTF-8",
               "TERM": "xterm", **kw.pop("env", {})}
        p = subprocess.run([str(c) for c in command], env=env, timeout=timeout,
                           stdin=kw.pop("stdin", subprocess.DEVNULL),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
        if check and p.returncode != 0:
            raise AssertionError(f"{command[0]} ended with {p.returncode}:\n"
                                 f"{p.stdout.decode(errors='replace')[-4000:]}")
        return p.stdout

    def file(self, name, text, mode=0o600):
        path = self.home / name
        path.write_text(text)
        path.chmod(mode)
        return path


def message_ids(folder):
    """{Message-ID: flag letters} of a Maildir folder; twice is an error."""
    out = {}
    for sub in ("cur", "new"):
        for path in (folder / sub).iterdir():
            m = email.message_from_bytes(path.read_bytes())
            mid = m["Message-ID"]
            assert mid not in out, f"{mid} is there twice"
            out[mid] = "".join(sorted(c for c in path.name.partition(":2,")[2]
                                      if c.isupper()))
    return out


LETTER = {b"\\Seen": "S", b"\\Answered": "R", b"\\Flagged": "F",
          b"\\Deleted": "T", b"\\Draft": "D"}


def server_ids(client, folder="INBOX"):
    """{Message-ID: flag letters} as the server tells."""
    client.ok(f'EXAMINE "{folder}"')
    out = {}
    for r in client.ok(
            "UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"):
        if b"BODY[HEADER.FIELDS" not in r:
            continue
        mid = r.partition(b"<")[2].partition(b">")[0].decode()
        mid = f"<{mid}>"
        flags = r.partition(b"FLAGS (")[2].partition(b")")[0].split()
        assert mid not in out, f"{mid} is there twice"
        out[mid] = "".join(sorted(LETTER[f] for f in flags if f in LETTER))
    client.ok("CLOSE")
    return out
