"""Mailboxes, folders and messages of the sizes that Loft promises to serve."""
import hashlib
import os
import re
import shutil
import tempfile

import pytest

from imap import fetches, search, uids_flags
from maildirs import UIDVALIDITY
from server import wait_for

MESSAGES = 100_000
FOLDERS = 10_000
PATIENCE = 120		# a limit for what hangs, not a measurement
GIB = 1 << 30


def status_kib(pid, field):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(rf"{field}:\s+(\d+)", f.read())[1])


def disk_has(path, size):
    return shutil.disk_usage(path).free >= size


# ---- many messages ----

def fill(mail, n):
    """n small messages; links to a thousand files, which costs no disk."""
    mail.folder("INBOX")
    cur = os.path.join(mail.root, "cur")
    texts = []
    for i in range(n // 1000 or 1):
        texts.append(os.path.join(mail.root, "tmp", f"text{i}"))
        with open(texts[-1], "w") as f:
            f.write(f"From: a@example.org\nSubject: text {i}\n\nHello {i}.\n")
    lines = [f"3 V{UIDVALIDITY} N{n + 1} G{UIDVALIDITY:032x}\n"]
    for uid in range(1, n + 1):
        base = f"{760686725 + uid}.M{uid:06d}P1.test"
        os.link(texts[uid % len(texts)], os.path.join(
            cur, base + (":2,S" if uid % 4 == 0 else ":2,")))
        lines.append(f"{uid} :{base}\n")
    for t in texts:
        os.unlink(t)
    mail.put(os.path.join(mail.root, "dovecot-uidlist"), "".join(lines))


def flags_of_all(client):
    """{uid: flags}, each message once and in order."""
    uids, out = [], {}
    for r in client.ok("UID FETCH 1:* FLAGS", PATIENCE):
        m = re.fullmatch(rb"\* (\d+) FETCH \((?:UID (\d+) FLAGS \(([^)]*)\)|"
                         rb"FLAGS \(([^)]*)\) UID (\d+))\)", r)
        assert m, r
        uid = int(m[2] or m[5])
        assert int(m[1]) == len(uids) + 1
        uids.append(uid)
        out[uid] = set((m[3] if m[2] else m[4]).split()) - {b"\\Recent"}
    assert uids == sorted(set(uids))
    return out


def test_100000_messages(tunnel):
    t = tunnel(fsync="never")
    fill(t.mail, MESSAGES)
    c = t.client()
    said = c.ok("SELECT INBOX", PATIENCE)
    assert b"* %d EXISTS" % MESSAGES in said
    flags = flags_of_all(c)
    assert len(flags) == MESSAGES
    assert [u for u, f in flags.items() if f == {b"\\Seen"}] == \
        list(range(4, MESSAGES + 1, 4))
    assert len(search(c, "SEEN")) == MESSAGES // 4
    assert search(c, f"UID {MESSAGES - 1}:* UNSEEN") == [MESSAGES - 1]
    told = fetches(c.ok("STORE 1:* +FLAGS (\\Flagged)", PATIENCE))
    assert len(told) == MESSAGES
    assert all(b"\\Flagged" in f for f in told.values())
    c.ok("UID STORE 1:%d +FLAGS.SILENT (\\Deleted)" % (MESSAGES // 2), PATIENCE)
    gone = [r for r in c.ok("EXPUNGE", PATIENCE) if r.endswith(b" EXPUNGE")]
    assert len(gone) == MESSAGES // 2
    left = flags_of_all(c)
    assert list(left) == list(range(MESSAGES // 2 + 1, MESSAGES + 1))
    assert all(b"\\Flagged" in f for f in left.values())
    c.logout()
    # On disk it is as it was told: names, and what Dovecot would read.
    names = os.listdir(os.path.join(t.mail.root, "cur"))
    assert len(names) == MESSAGES // 2
    assert all("F" in n.partition(":2,")[2] for n in names)
    c = t.client()
    assert b"* %d EXISTS" % (MESSAGES // 2) in c.ok("SELECT INBOX", PATIENCE)
    assert flags_of_all(c) == left
    c.logout()


# ---- many folders ----

def names_of(untagged):
    out = []
    for r in untagged:
        m = re.fullmatch(rb'\* (?:LIST|LSUB) \([^)]*\) "/" "?([^"]*)"?', r)
        assert m, r
        out.append(m[1].decode())
    return out


def test_10000_folders(tunnel):
    # 40,000 directories: in memory where there is room, removing takes long.
    shm = "/dev/shm"
    fast = os.access(shm, os.W_OK) and disk_has(shm, GIB // 4)
    t = tunnel(fsync="never", directory=tempfile.mkdtemp(
        prefix="loft-test-", dir=shm if fast else None))
    t.mail.folder("INBOX")
    made = [f"Lists/{n // 100:02d}/{n % 100:02d}" for n in range(FOLDERS)]
    for name in made:
        path = t.mail.path(name)
        for d in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(path, d), mode=0o700)
    subscribed = made[::3]
    t.mail.subscribe(*subscribed)
    c = t.client()
    said = [n for n in names_of(c.ok('LIST "" Lists/*', PATIENCE))
            if n.count("/") == 2]
    assert sorted(said) == made
    assert len(set(said)) == len(said)
    assert len(names_of(c.ok('LIST "" Lists/42/%', PATIENCE))) == 100
    assert sorted(names_of(c.ok('LSUB "" *', PATIENCE))) == subscribed
    for n in range(20):
        c.ok(f"CREATE Lists/New/{n}")
    assert len(names_of(c.ok('LIST "" Lists/New/%', PATIENCE))) == 20
    for name in (made[0], made[FOLDERS // 2], made[-1], "Lists/New/7"):
        assert c.append(name, b"Subject: x\r\n\r\ny\r\n")[0] == "OK"
        said = c.ok(f"STATUS {name} (MESSAGES UIDNEXT)")
        assert said[0].endswith(b"(MESSAGES 1 UIDNEXT 2)"), said
    c.ok(f"SELECT {made[-1]}")
    assert len(uids_flags(c)) == 1
    c.ok("RENAME Lists/New Lists/Newer", PATIENCE)
    assert len(names_of(c.ok('LIST "" Lists/Newer/%', PATIENCE))) == 20
    c.logout()


# ---- a large message ----

def block(i):
    """64 KiB of lines that differ from block to block."""
    line = (b"%08d " % i) + b"x" * 53 + b"\r\n"
    return line * 1024


def test_a_message_of_a_gibibyte(tunnel):
    t = tunnel(fsync="never")
    if not disk_has(t.dir, 4 * GIB):
        pytest.skip("the disk has less than 4 GiB free")
    t.mail.folder("INBOX")
    c = t.client("INBOX")
    head = b"Subject: large\r\n\r\n"
    sent = hashlib.sha256(head)
    size = len(head) + GIB
    c.line("a APPEND INBOX {%d}" % size)
    assert c.response().startswith(b"+")
    c.send(head)
    for i in range(GIB // 65536):
        b = block(i)
        sent.update(b)
        c.send(b)
    c.send(b"\r\n")
    assert c.finish("a", PATIENCE)[0] == "OK"
    raw = fetches(c.ok("FETCH 1 RFC822.SIZE"))[1]
    assert raw == b"RFC822.SIZE %d" % size
    c.line("b FETCH 1 BODY.PEEK[]")
    got, left = hashlib.sha256(), size
    line = b""
    while not line.endswith(b"\r\n"):
        line += c.sock.recv(1)
    assert line == b"* 1 FETCH (BODY[] {%d}\r\n" % size
    while left:
        data = c.sock.recv(min(left, 1 << 20))
        assert data
        got.update(data)
        left -= len(data)
    assert c.response() == b")"
    assert c.finish("b")[0] == "OK"
    assert got.hexdigest() == sent.hexdigest()
    # A piece from its middle, and what IMAP makes of its structure.
    raw = fetches(c.ok("FETCH 1 BODY.PEEK[]<%d.10>" % (GIB // 2 + len(head))))
    assert raw[1].endswith(b"{10}\r\n" + (b"%08d x" % (GIB // 2 // 65536)))
    raw = fetches(c.ok("FETCH 1 BODYSTRUCTURE", PATIENCE))[1]
    assert b"%d %d" % (GIB, GIB // 64) in raw
    peak = status_kib(c.process.pid, "VmHWM")
    # What is mapped of the file counts there too, as long as it is resident.
    assert peak < 64 * 1024, peak
    c.logout()


# ---- many keywords ----

def test_more_keywords_than_letters(tunnel):
    t = tunnel()
    t.mail.folder("INBOX")
    t.mail.add("INBOX", uid=1)
    t.mail.add("INBOX", uid=2)
    t.mail.write()
    c = t.client("INBOX")
    words = [f"Key{n:02d}" for n in range(64)]
    want = {1: {w.encode() for w in words[:40]},
            2: {w.encode() for w in words[20:]}}
    for w in words[:40]:
        c.ok(f"STORE 1 +FLAGS ({w})")
    c.ok("STORE 2 +FLAGS (%s)" % " ".join(words[20:]))
    status, text, _ = c.command("STORE 1 +FLAGS (OneTooMany)")
    assert (status, text.split()[0]) == ("NO", b"[LIMIT]")
    # A message comes in all the same, without the keyword.
    assert c.append("INBOX", b"Subject: x\r\n\r\n", "Key05 Another")[0] == "OK"
    want[3] = {b"Key05"}

    def held(client):
        return {u: f - {b"\\Recent"} for u, f in uids_flags(client).items()}
    assert held(c) == want
    c.logout()
    for _ in range(2):
        c = t.client("INBOX")
        assert held(c) == want
        assert search(c, "KEYWORD Key63") == [2]
        assert search(c, "KEYWORD Key05") == [1, 3]
        c.logout()
    # What has letters is in the names, for whoever comes after us.
    letters = re.search(r":2,(.*)", t.mail.by_uid("INBOX", 1))[1]
    assert letters == "".join(chr(ord("a") + n) for n in range(26))
    # A keyword that no message carries any more goes on being known.
    c = t.client("INBOX")
    c.ok("STORE 2 -FLAGS (Key63)")
    c.ok("STORE 2 +FLAGS (key63)")
    assert held(c) == want
    c.logout()


def test_many_sessions_of_one_folder(tunnel):
    """Their references are all counted and all gone in the end."""
    t = tunnel(fsync="never")
    for uid in range(1, 11):
        t.mail.add("INBOX", uid=uid)
    t.mail.write()
    clients = [t.client("INBOX") for _ in range(100)]
    clients[0].ok("STORE 1:5 +FLAGS (\\Deleted)")
    clients[0].ok("EXPUNGE")
    for c in clients[1:]:
        assert len([r for r in c.ok("NOOP") if r.endswith(b"EXPUNGE")]) == 5
    for c in clients:
        c.logout()
    c = t.client("INBOX")
    wait_for("the ghosts to go", lambda: c.ok("NOOP") is not None and not [
        x for x in os.listdir(os.path.join(t.mail.root, "tmp"))
        if x.startswith("loft-ghost")])
    c.logout()
