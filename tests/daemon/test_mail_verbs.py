"""loftctl's mail verbs beside sessions: they hear of what it changes, and are asked."""
import contextlib
import json
import os
import socket
import subprocess

import pytest

import daemons
from server import wait_for

MESSAGE = b"Subject: x\n\nbody\n"
SYSTEM = [k for k in daemons.kinds() if k != "ordinary"][-1:] or ["ordinary"]
one_kind = pytest.mark.parametrize("kind", SYSTEM, indirect=True)


def ask(d, *words, data=b""):
    """(exit code, what it says)"""
    r = subprocess.run([d.build / "loftctl", "-c", d.conf, *words], input=data,
                       capture_output=True, timeout=60)
    return r.returncode, (r.stdout + r.stderr).decode()


@pytest.fixture
def daemon(daemon, kind):
    return daemons.never_relaying(daemon, kind)


def test_who_idles_hears_of_all_that_loftctl_does(daemon):
    d = daemon()
    c = d.client("anna")
    c.ok("CREATE Work")
    c.ok("SELECT INBOX")
    tag = c.idle()
    assert ask(d, "save", "-u", "anna", data=MESSAGE) == (0, "")
    assert c.response() == b"* 1 EXISTS"
    assert c.response().startswith(b"* 1 RECENT")
    assert ask(d, "flags", "add", "-u", "anna", "\\Flagged", "mailbox",
               "INBOX", "all") == (0, "")
    assert c.response() == b"* 1 FETCH (FLAGS (\\Flagged \\Recent))"
    assert ask(d, "copy", "-u", "anna", "INBOX", "mailbox", "INBOX",
               "all") == (0, "")
    assert c.response() == b"* 2 EXISTS"
    assert c.response().startswith(b"* 2 RECENT")
    assert ask(d, "move", "-u", "anna", "Work", "mailbox", "INBOX", "1") == (
        0, "")
    assert c.response() == b"* 1 EXPUNGE"
    assert ask(d, "expunge", "-u", "anna", "mailbox", "INBOX", "flagged") == (
        0, "")
    line = c.response()
    # Marked first, which may be told, too.
    assert (c.response() if b"Deleted" in line else line) == b"* 1 EXPUNGE"
    assert ask(d, "mailbox", "delete", "-u", "anna", "INBOX")[0] == 65
    c.done(tag)
    c.ok("SELECT Work")
    assert ask(d, "mailbox", "delete", "-u", "anna", "Work") == (0, "")
    assert c.response().startswith(b"* BYE")
    d.wait_log("user anna: mailbox delete Work: done")
    assert "crashes=0" in d.ctl("status").stdout


@one_kind
def test_policies_of_rfc_2180_count_for_it(daemon):
    d = daemon("multiaccess_expunge = refuse\nmultiaccess_delete = refuse\n"
               "multiaccess_rename = refuse\n")
    c = d.client("anna")
    c.ok("CREATE Work")
    ask(d, "save", "-u", "anna", "-m", "Work", data=MESSAGE)
    c.ok("SELECT Work")
    for words in (("expunge", "-u", "anna", "mailbox", "Work", "all"),
                  ("move", "-u", "anna", "INBOX", "mailbox", "Work", "all"),
                  ("mailbox", "delete", "-u", "anna", "Work"),
                  ("mailbox", "rename", "-u", "anna", "Work", "Else")):
        code, said = ask(d, *words)
        assert (code, "in use" in said) == (75, True), said
    # What was refused left no mark.
    assert c.ok("FETCH 1 (FLAGS)")[0].count(b"Deleted") == 0
    c.ok("UNSELECT")
    assert ask(d, "expunge", "-u", "anna", "mailbox", "Work", "all") == (0, "")


@one_kind
def test_mail_from_outside_has_a_date_of_arrival(daemon):
    d = daemon()
    ask(d, "save", "-u", "anna", data=MESSAGE)
    new = next((d.dir / "mail/anna/Maildir").glob("new"))
    path = new / "1000000000.M1P1.host"
    path.write_bytes(MESSAGE)
    os.utime(path, (1000000000, 1000000000))
    os.chown(path, new.stat().st_uid, new.stat().st_gid)
    uid = ("fetch", "-u", "anna", "uid")
    assert ask(d, *uid, "before", "2002-01-01") == (0, "uid: 2\n")
    assert ask(d, *uid, "savedbefore", "2002-01-01") == (0, "")
    assert ask(d, *uid, "savedsince", "1h", "before", "1w") == (0, "uid: 2\n")
    assert ask(d, "force-resync", "-u", "anna", "*") == (0, "")


@one_kind
def test_many_users_one_after_the_other(daemon, tmp_path):
    d = daemon()
    if d.kind != "system":
        pytest.skip("the passdb of the others knows everybody")
    for user in ("anna", "bert"):
        ask(d, "save", "-u", user, data=MESSAGE)
    status = ("mailbox", "status", "messages", "INBOX")
    want = ["anna INBOX messages=1", "bert INBOX messages=1",
            "carl INBOX messages=0"]
    for who, rows in (("-A",), want), (("-u", "[ab]*"), []), (
            ("-u", "*a*"), [want[0], want[2]]), (("-u", "?e?t"), [want[1]]):
        code, said = ask(d, *status[:2], *who, *status[2:])
        assert (code, sorted(said.splitlines())) == (0, rows)
    names = tmp_path / "names"
    names.write_text("carl\nnobody\nanna\n")
    code, said = ask(d, "-f", "json", *status[:2], "-F", str(names),
                     *status[2:])
    assert code == 67 and "(nobody): Error: User doesn't exist" in said
    assert json.loads(said.splitlines()[0]) == [
        {"username": u, "mailbox": "INBOX", "messages": n}
        for u, n in (("carl", "0"), ("anna", "1"))]
    with open(d.dir / "users", "a") as f:
        f.write("# dora:{PLAIN}x\n")
    assert ask(d, "expunge", "-A", "mailbox", "INBOX", "all") == (0, "")
    assert ask(d, "search", "-A", "all") == (0, "")


@one_kind
def test_what_breaks_off_leaves_nothing(daemon):
    d = daemon()
    start = b"admin\tanna\tmail\n"
    for words in (b"", b"save\t--\n", b"save\t--\n9999\nabc",
                  b"save\t--\nabc\n", b"save\t--\n5\nhello",
                  b"\001\001\001\n", b"search\n", b"nothing\t--\n",
                  b"search\t--\t(\t(\n", b"x" * 2000000):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
            s.connect(str(d.dir / "run/loftctl"))
            s.sendall(start)
            assert s.recv(2) == b"+\n"
            with contextlib.suppress(OSError):
                s.sendall(words)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
    wait_for("the workers to end", lambda: json.loads(d.ctl(
        "sessions", "-u", "anna", "-f", "json").stdout) == [])
    assert ask(d, "mailbox", "status", "-u", "anna", "messages", "*") == (
        0, "INBOX messages=0\n")
    tmp = d.dir / "mail/anna/Maildir/tmp"
    assert os.listdir(tmp) == []
    assert "crashes=0" in d.ctl("status").stdout
