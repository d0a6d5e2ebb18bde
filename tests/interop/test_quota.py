"""
Quota on the same Maildirs and the same configuration file, Dovecot and Loft in turns:
each believes the maildirsize of the other, both tell clients the same, and both
refuse the same.
"""
import pathlib
import re

import pytest

import dovecot
import server
from dovecot import Loft
from maildirs import plain_message

EXTRA = """\
mail_plugins = quota
protocol imap {
  mail_plugins = $mail_plugins imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=40k:messages=20
  quota_rule2 = Trash:storage=+10k
  quota_rule3 = Junk:ignore
}
"""


def file_of(mail):
    return pathlib.Path(mail.root) / "maildirsize"


def size_of(mail):
    """What the file says: limits, bytes, messages."""
    head, *lines = file_of(mail).read_text().splitlines()
    pairs = [tuple(map(int, x.split())) for x in lines]
    return head, sum(b for b, _ in pairs), sum(m for _, m in pairs)


def truth(mail, skip=()):
    """What is on disk."""
    root = pathlib.Path(mail.root)
    files = [f for d in (root, *root.glob(".*")) if d.name not in skip
             for sub in ("cur", "new") for f in (d / sub).glob("*")]
    return sum(f.stat().st_size for f in files), len(files)


def told(c):
    """What a client is told of INBOX's quota."""
    lines = c.ok("GETQUOTAROOT INBOX")
    assert lines[0] == b'* QUOTAROOT INBOX "User quota"'
    m = re.fullmatch(rb'\* QUOTA "User quota" '
                     rb'\(STORAGE (\d+) 40 MESSAGE (\d+) 20\)', lines[1])
    return int(m[1]), int(m[2])


def work(c, n):
    """Changes of every kind."""
    for i in range(4):
        assert c.append("INBOX", message(100 * n + i, 700))[0] == "OK"
    c.ok("SELECT INBOX")
    c.ok("COPY 1:2 Lists")
    c.ok("STORE 1 +FLAGS (\\Deleted)")
    c.ok("EXPUNGE")
    c.ok("COPY 1 Junk")


def message(n, size):
    text = plain_message(n)
    return text + b"x" * (size - len(text)) if size > len(text) else text


@pytest.fixture
def world():
    dovecot.need()
    d = dovecot.Dovecot(extra=EXTRA)
    c = d.client()
    for name in ("Lists", "Junk", "Trash"):
        c.ok(f"CREATE {name}")
    c.logout()
    yield d, d.maildir()
    d.script("stop")


def inode(mail):
    return file_of(mail).stat().st_ino


def test_in_turns(world):
    d, mail = world
    c = d.client()
    work(c, 1)
    before = told(c)
    c.logout()
    d.sessions_over()
    was = inode(mail)
    d.stop()
    loft = Loft(d)
    c = d.client()
    # Loft counts for itself, comes to the same, and leaves the file alone.
    assert told(c) == before
    c.ok("NOOP")
    assert inode(mail) == was
    assert size_of(mail)[1:] == truth(mail, {".Junk"})
    work(c, 2)
    before = told(c)
    c.logout()
    loft.stop()
    assert size_of(mail) == ("40960S,20C", *truth(mail, {".Junk"}))
    was = inode(mail)
    d.script("start")
    c = d.client()
    # Dovecot believes it: it would replace the file if it counted anew.
    assert told(c) == before
    assert inode(mail) == was
    table = d.doveadm("-f", "tab", "quota", "get", "-u", "u0001")
    assert f"STORAGE\t{before[0]}\t40" in table
    d.doveadm("quota", "recalc", "-u", "u0001")
    assert told(c) == before
    c.logout()


def test_side_by_side():
    """Both at work in one account: what one counts, the other does not again."""
    dovecot.need()
    with server.Server(extra=EXTRA) as loft, \
            dovecot.Dovecot(mailroot=loft.dir / "mail", extra=EXTRA) as d:
        mail = d.maildir()
        theirs = d.client()
        for name in ("Lists", "Junk"):
            theirs.ok(f"CREATE {name}")
        work(theirs, 1)
        ours = loft.client("u0001")
        for n in range(3):
            assert ours.append("INBOX", message(500 + n, 700))[0] == "OK"
            assert theirs.append("INBOX", message(600 + n, 700))[0] == "OK"
        ours.ok("SELECT INBOX")
        ours.ok("STORE 1:2 +FLAGS (\\Deleted)")
        ours.ok("EXPUNGE")
        ours.ok("NOOP")
        assert told(ours) == told(theirs)
        assert size_of(mail)[1:] == truth(mail, {".Junk"})
        ours.logout()
        theirs.logout()


def test_both_refuse(world):
    d, mail = world
    c = d.client()
    big = message(1, 15000)
    assert c.append("INBOX", big)[0] == "OK"
    assert c.append("INBOX", big)[0] == "OK"

    def refusals():
        return [(c.append(box, big)[0],
                 b"[OVERQUOTA]" in c.append(box, big)[1])
                for box in ("INBOX", "Lists")]
    theirs = refusals()
    c.logout()
    d.sessions_over()
    d.stop()
    loft = Loft(d)
    c = d.client()
    assert refusals() == theirs == [("NO", True)] * 2
    # More is allowed in Trash, and what is in Junk does not count.
    assert c.append("Trash", big)[0] == "OK"
    assert c.append("Junk", big)[0] == "OK"
    assert c.append("Trash", big)[0] == "NO"
    assert told(c) == (44, 3)
    c.logout()
    loft.stop()
    # Over quota Dovecot trusts a file of one line only: this one is.
    assert file_of(mail).read_text().count("\n") == 2
    was = inode(mail)
    d.script("start")
    c = d.client()
    assert told(c) == (44, 3)
    assert inode(mail) == was
    c.logout()
