"""`loftd -P` as mbsync's and neomutt's tunnel: no server, no login, the caller's mail."""
import os
import pathlib
import subprocess

import pytest
from helpers import message_ids
from test_mbsync import flag_near
from test_neomutt import neomutt

from imap import search
from maildirs import Maildir, plain_message
from server import BUILD, Tunnel

COMMAND = f"{BUILD}/loftd -P"


class Caller:
    """Has ~/Maildir and nothing else: what helpers.Account is for a server's user."""
    user, password, cert, security = "nobody", "none", "/nonexistent", "plain"

    def __init__(self, home):
        self.home = home
        self.mail = Maildir(home / "Maildir")
        for n in range(1, 31):
            self.mail.add("INBOX", plain_message(n), uid=n)
        self.mail.folder("Birds")
        self.mail.write()

    def file(self, name, text):
        path = self.home / name
        path.write_text(text)
        path.chmod(0o600)
        return path


@pytest.fixture
def caller(home):
    return Caller(home)


def letters(caller, folder="INBOX"):
    """{number of the message: its flag letters} on disk."""
    return {int(mid[1:].partition("@")[0]): flags for mid, flags in
            message_ids(pathlib.Path(caller.mail.path(folder))).items()}


@pytest.mark.program("mbsync")
def test_mbsync(caller, home):
    near = home / "near"
    near.mkdir()
    rc = caller.file("mbsyncrc", f"""\
IMAPAccount loft
Tunnel "{COMMAND}"

IMAPStore far
Account loft

MaildirStore near
Path {near}/
Inbox {near}/INBOX

Channel loft
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")

    def sync():
        r = subprocess.run(["mbsync", "-c", rc, "loft"], text=True, timeout=60,
                           stdin=subprocess.DEVNULL, capture_output=True,
                           env={**os.environ, "HOME": str(home)})
        assert r.returncode == 0, r.stdout + r.stderr
    sync()
    assert len(message_ids(near / "INBOX")) == 30
    assert (near / "Birds" / "cur").is_dir()
    # Both sides change, one of them while somebody else has the mailbox open.
    t = Tunnel(directory=home)
    c = t.client("INBOX")
    c.ok("UID STORE 3 +FLAGS.SILENT (\\Flagged)")
    flag_near(near / "INBOX", {"<7@example.org>"}, "T")
    (near / "INBOX" / "cur" / "mine:2,S").write_bytes(plain_message(99))
    sync()
    assert b"* 7 EXPUNGE" in c.ok("NOOP")
    assert search(c, "SEEN") == [31]
    c.logout()
    far = letters(caller)
    assert 7 not in far and far[3] == "F" and far[99] == "S"
    assert {f"<{n}@example.org>": f for n, f in far.items()} == \
        message_ids(near / "INBOX")


@pytest.mark.program("neomutt")
def test_neomutt(caller):
    neomutt(caller, "imap://nowhere.example/",
            "<flag-message><tag-pattern>~s Message.[34]$<enter>"
            "<tag-prefix><copy-message>=Birds<enter>"
            "<delete-pattern>~s Message.5$<enter><sync-mailbox>"
            "<imap-logout-all><exit>",
            extra=f'set tunnel = "{COMMAND}"\nset tunnel_is_secure = yes')
    far = letters(caller)
    assert 5 not in far and len(far) == 29
    assert sum("F" in f for f in far.values()) == 1
    assert set(letters(caller, "Birds")) == {3, 4}
