"""Disks that are full, read-only, forbidden or damaged."""
import os
import pathlib
import shutil
import subprocess

import pytest
from helpers import works

from imap import Closed, Refused, search, uids_flags
from maildirs import plain_message
from server import IS_ROOT, MAIL_UID


def code(text):
    return text.split(b"]")[0].lstrip(b"[") if text.startswith(b"[") else b""


@pytest.fixture
def small_disk(server, user):
    """An account on a file system of 3 MiB."""
    if not IS_ROOT:
        pytest.skip("mounting needs root")
    home = pathlib.Path(server.maildir(user).root).parent
    done = subprocess.run(["mount", "-t", "tmpfs", "-o",
                           f"size=3m,mode=700,uid={MAIL_UID},gid={MAIL_UID}",
                           "tmpfs", str(home)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    mail = server.maildir(user)
    mail.folder("INBOX")
    yield mail
    subprocess.run(["umount", "-l", str(home)], check=True)


def test_full_disk(server, user, small_disk):
    mail = small_disk
    for n in range(1, 6):
        mail.add("INBOX", uid=n)
    mail.write()
    c = server.client(user)
    c.ok("SELECT INBOX")
    big = plain_message(9, 700_000).replace(b"\n", b"\r\n")
    said = [c.append("INBOX", big) for _ in range(6)]
    assert "NO" in [s for s, _, _ in said]
    refused = [t for s, t, _ in said if s == "NO"]
    assert all(code(t) in (b"UNAVAILABLE", b"OVERQUOTA", b"LIMIT")
               for t in refused), refused
    stored = [s for s, _, _ in said].count("OK")
    filler = os.path.join(mail.root, "filler")
    try:
        with open(filler, "wb", buffering=0) as f:
            while True:
                f.write(b"x" * 4096)
    except OSError:
        pass
    # Reading goes on; what cannot be written is refused; the session lives.
    assert len(search(c, "ALL")) == 5 + stored
    assert len(c.ok("UID FETCH 1:5 BODY.PEEK[]")) >= 5
    for command in ("CREATE Birds", "UID STORE 1 +FLAGS (\\Flagged)",
                    "SUBSCRIBE Birds", "UID COPY 1:5 INBOX"):
        assert c.command(command)[0] in ("OK", "NO")
    assert works(c)
    assert os.listdir(os.path.join(mail.root, "tmp")) == []
    # Room again: all is well, and nobody's UID has changed.
    if os.path.exists(filler):
        os.unlink(filler)
    c.ok("UID STORE 6:* +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    assert c.append("INBOX", plain_message(10))[0] == "OK"
    assert search(c, "UID 1:5") == [1, 2, 3, 4, 5]
    c.logout()


@pytest.fixture
def account(server, user):
    mail = server.maildir(user)
    for n in range(1, 4):
        mail.add("INBOX", uid=n)
        mail.add("Birds", uid=n)
    mail.write()
    return mail


def set_modes(path, directory, file):
    for root, dirs, files in os.walk(path, topdown=False):
        for name in files:
            os.chmod(os.path.join(root, name), file)
        for name in dirs:
            os.chmod(os.path.join(root, name), directory)
    os.chmod(path, directory)


def test_read_only_mailbox(server, user, account):
    """No right to write in the folder: it can be read, and says READ-ONLY."""
    path = account.path("Birds")
    # A name that is not spelled as we would, and cannot be spelled anew.
    found = account.by_uid("Birds", 2)
    os.rename(found, found.replace(":2,", ":2,SRF"))
    set_modes(path, 0o500, 0o400)
    try:
        c = server.client(user)
        try:
            c.ok("SELECT Birds")
        except Refused as e:
            assert "NOPERM" in str(e) or "UNAVAILABLE" in str(e)
            c.ok("SELECT INBOX")
            c.logout()
            return
        assert len(search(c, "ALL")) == 3
        assert len(c.ok("FETCH 1:3 BODY.PEEK[]")) == 3
        status, text, _ = c.command("STORE 1 +FLAGS (\\Flagged)")
        assert status == "NO", text
        status, text, _ = c.command("UID COPY 1 Birds")
        assert status == "NO", text
        status, text, _ = c.append("Birds", plain_message(9))
        assert (status, code(text)) == ("NO", b"NOPERM")
        assert c.command("DELETE Birds")[0] in ("NO", "OK")
        assert works(c)
        c.logout()
    finally:
        if os.path.isdir(path):
            set_modes(path, 0o700, 0o600)


def test_permission_denied(server, user, account):
    """A folder that cannot be entered is not an empty one."""
    log = len(server.log())
    path = account.path("Birds")
    os.chmod(path, 0)
    try:
        c = server.client(user)
        status, text, _ = c.command("SELECT Birds")
        assert status == "NO" and code(text) in (b"NOPERM", b"UNAVAILABLE"), text
        assert "Birds" in server.log()[log:]
        assert c.command("STATUS Birds (MESSAGES)")[0] == "NO"
        c.ok('LIST "" *')
        c.ok("SELECT INBOX")
        assert len(search(c, "ALL")) == 3
        c.logout()
    finally:
        os.chmod(path, 0o700)
    c = server.client(user)
    c.ok("SELECT Birds")
    assert search(c, "ALL") == [1, 2, 3]
    c.logout()


def test_unreadable_message(server, user, account):
    account.folder("INBOX")
    os.chmod(account.by_uid("INBOX", 2), 0)
    c = server.client(user)
    c.ok("SELECT INBOX")
    status, _, untagged = c.command("UID FETCH 1:3 BODY.PEEK[TEXT]")
    assert status in ("OK", "NO")
    got = b"".join(untagged)
    assert b"This is message 1." in got and b"This is message 3." in got
    assert search(c, "ALL") == [1, 2, 3]
    c.logout()


V = 1000000001
BAD_UIDLISTS = {
    "empty": b"",
    "binary": os.urandom(3000),
    "only a header": b"3 V1000000001 N4 G00000000000000000000000000000001\n",
    "no header": b"1 :760686726.M000001P1.test\n",
    "a header cut short": b"3 V1000",
    "nonsense numbers": b"3 V-1 N99999999999999\n-5 :x\n0 :y\nabc :z\n",
    "descending UIDs": b"3 V1000000001 N9\n7 :a\n5 :b\n",
    "a UID twice": b"3 V1000000001 N9\n5 :a\n5 :b\n",
    "the largest UID": b"3 V1000000001 N4294967295\n4294967294 :a\n",
    "NULs": b"3 V1000000001 N4\n" + b"\0" * 500,
    "a long line": b"3 V1000000001 N4\n1 :" + b"x" * 300000 + b"\n",
    "a path in a name": b"3 V1000000001 N4\n1 :../../../etc/passwd\n",
    "another version": b"9 V1000000001 N4\n1 :a\n",
}


@pytest.mark.parametrize("what", BAD_UIDLISTS)
def test_corrupt_uidlist(server, user, account, what):
    """
    Each message is there once, under a UID of its own, and stays; the other
    folder is as it was; the log says what was wrong with what.
    """
    log = len(server.log())
    path = os.path.join(account.path("Birds"), "dovecot-uidlist")
    with open(path, "wb") as f:
        f.write(BAD_UIDLISTS[what])
    c = server.client(user)
    status, text, _ = c.command("SELECT Birds")
    if status == "NO":
        assert code(text) in (b"CORRUPTION", b"UNAVAILABLE")
    else:
        uids = search(c, "ALL")
        assert len(set(uids)) == 3
        r = c.ok("UID FETCH 1:* BODY.PEEK[TEXT]")
        assert all(f"This is message {n}.".encode() in b"".join(r)
                   for n in (1, 2, 3))
        other = server.client(user)
        other.ok("SELECT Birds")
        assert search(other, "ALL") == uids
        other.logout()
    c.ok("SELECT INBOX")
    assert search(c, "ALL") == [1, 2, 3]
    c.logout()
    # Of the last line a reader may see a half: that is no damage.
    if what not in ("empty", "only a header", "NULs"):
        assert "uidlist" in server.log()[log:], server.log()[log:]


def fill(server, user):
    mail = server.maildir(user)
    for n in range(1, 21):
        mail.add("INBOX", uid=n * 2, flags="\\Seen" if n % 3 == 0 else "")
    mail.write()
    c = server.client(user)
    c.ok("SELECT INBOX")
    c.ok("UID STORE 4 +FLAGS ($Label Birds)")
    before = uids_flags(c)
    c.logout()
    return mail, before


TEARS = {
    "cut in half": lambda p: os.truncate(p, os.path.getsize(p) // 2),
    "empty": lambda p: os.truncate(p, 0),
    "garbage at the start": lambda p: damage(p, 0, 4096),
    "garbage in the middle": lambda p: damage(p, 16384, 100_000),
    "garbage everywhere": lambda p: damage(p, 0, os.path.getsize(p)),
    "gone": os.unlink,
}


def damage(path, offset, n):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(os.urandom(max(min(n, os.path.getsize(path) - offset), 0)))


@pytest.mark.may_crash
@pytest.mark.parametrize("how", TEARS)
def test_torn_state(server, user, how):
    """
    The state is not to be trusted: whoever comes next is served from the
    Maildir, with the same UIDs, flags and keywords; damage that shows only in
    the middle of a session ends that one session in words.
    """
    mail, before = fill(server, user)
    found = list(pathlib.Path(mail.root).rglob("data.mdb"))
    assert len(found) == 1
    TEARS[how](found[0])
    for _ in range(3):
        try:
            c = server.client(user)
            c.ok("SELECT INBOX")
            got = uids_flags(c)
            c.logout()
            break
        except (Closed, Refused):
            continue
    else:
        pytest.fail("the account cannot be used")
    strip = {u: f - {b"\\Recent"} for u, f in got.items()}
    assert strip == {u: f - {b"\\Recent"} for u, f in before.items()}


def test_state_removed_while_in_use(server, user):
    mail, before = fill(server, user)
    c = server.client(user)
    c.ok("SELECT INBOX")
    shutil.rmtree(os.path.join(mail.root, "loft"))
    try:
        c.command("NOOP")
        c.command("UID STORE 2 +FLAGS (\\Flagged)")
    except Closed:
        pass
    c.close()
    c = server.client(user)
    c.ok("SELECT INBOX")
    assert set(uids_flags(c)) == set(before)
    c.logout()


@pytest.mark.may_crash
def test_state_damaged_while_in_use(server, user):
    mail, before = fill(server, user)
    c = server.client(user)
    c.ok("SELECT INBOX")
    data = next(pathlib.Path(mail.root).rglob("data.mdb"))
    damage(data, 0, os.path.getsize(data))
    try:
        for _ in range(5):
            c.command("NOOP")
            c.command("UID STORE 2 +FLAGS (\\Flagged)")
    except Closed:
        pass
    c.close()
    for _ in range(3):
        try:
            c = server.client(user)
            c.ok("SELECT INBOX")
            assert set(uids_flags(c)) == set(before)
            c.logout()
            return
        except (Closed, Refused):
            continue
    pytest.fail("the account cannot be used")


def test_maildir_gone(server, user, account):
    """Not there at all is unavailable or new, never somebody else's."""
    c = server.client(user)
    c.ok("SELECT Birds")
    shutil.rmtree(account.root)
    try:
        c.command("NOOP")
        c.command("FETCH 1 BODY.PEEK[]")
    except Closed:
        pass
    c.close()
    c = server.client(user)
    assert works(c)
    c.logout()


def test_links_that_lead_out(server, user, account):
    """A symbolic link out of the account is not followed."""
    secret = server.dir / "secret"
    secret.write_text("Subject: secret\n\nnot for you\n")
    secret.chmod(0o644)
    cur = os.path.join(account.root, "cur")
    os.symlink(secret, os.path.join(cur, "1.link.test:2,"))
    os.symlink("../../../../../../../../etc/passwd",
               os.path.join(cur, "2.link.test:2,"))
    os.symlink("/etc", os.path.join(account.root, ".Etc"))
    os.mkfifo(os.path.join(cur, "3.fifo.test:2,"))
    os.mkdir(os.path.join(cur, "4.dir.test:2,"))
    c = server.client(user)
    c.ok("SELECT INBOX")
    status, _, untagged = c.command("UID FETCH 1:* BODY.PEEK[]", 20)
    assert status in ("OK", "NO")
    got = b"".join(untagged)
    assert b"root:" not in got and b"not for you" not in got
    assert b"This is message 3." in got
    c.command("SELECT Etc")
    assert works(c)
    c.logout()
