"""
The files that Loft and Dovecot share, written by the one and read by the other:
Loft's own code (mailfiles.c) beside a running Dovecot.
"""
import os
import pathlib
import re
import subprocess
import threading

import pytest

import dovecot
from imap import search, uids_flags
from maildirs import plain_message
from server import BUILD, IS_ROOT, MAIL_UID, TOP, scratch

MESSAGE = b"Subject: by Dovecot\r\n\r\nbody\r\n"
FLOOR = 1732312345678901


@pytest.fixture(scope="module")
def server():
    dovecot.need()
    with dovecot.Dovecot(users=50) as d:
        yield d


@pytest.fixture(scope="module")
def program():
    """mailfiles, linked with the build that is tested."""
    where = scratch() / "mailfiles"
    subprocess.run(
        ["cc", "-std=c2x", "-O1", "-g", "-I.", "-D_GNU_SOURCE", "-include",
         "config.h", "-o", where, "tests/interop/mailfiles.c",
         BUILD / "libmaildir.a", BUILD / "libcommon.a"], check=True, cwd=TOP)
    yield where
    where.unlink()
    where.parent.rmdir()


class Account:
    """One user's Maildir, with our program and Dovecot's sessions on it."""
    count = 0

    def __init__(self, server, program):
        Account.count += 1
        self.server, self.program = server, program
        self.may_complain = False
        self.user = f"u{Account.count:04d}"
        self.mail = server.maildir(self.user)
        self.mail.folder("INBOX")
        self.dir = pathlib.Path(self.mail.root)

    def as_owner(self):
        return {"user": MAIL_UID, "group": MAIL_UID,
                "extra_groups": []} if IS_ROOT else {}

    def ours(self, verb, *words, folder="INBOX"):
        r = subprocess.run(
            [self.program, verb, self.mail.path(folder), *map(str, words)],
            check=True, capture_output=True, text=True, timeout=30,
            stdin=subprocess.DEVNULL, **self.as_owner())
        return r.stdout.splitlines()

    def uidlist(self, folder="INBOX"):
        """(validity, next, guid, floor, others, {uid: base}) as we read it."""
        head, *lines = self.ours("uidlist", folder=folder)
        validity, nxt, guid, floor, *others = head.split(" ")
        rows = dict(x.split(" ", 1) for x in lines)
        return (int(validity), int(nxt), guid, int(floor),
                " ".join(others), {int(k): v for k, v in rows.items()})

    def dovecot(self, folder="INBOX"):
        return self.server.client(self.user, folder)

    def status(self, folder="INBOX"):
        c = self.dovecot(None)
        line = c.ok(f'STATUS "{folder}" (UIDVALIDITY UIDNEXT MESSAGES)')[0]
        c.logout()
        return {k.decode(): int(v) for k, v in
                re.findall(rb"([A-Z]+) (\d+)", line[line.index(b"("):])}

    def inode(self, folder="INBOX"):
        return os.stat(self.mail.path(folder) + "/dovecot-uidlist").st_ino


@pytest.fixture
def account(server, program):
    a = Account(server, program)
    before = len(server.complaints())
    yield a
    server.sessions_over()
    assert a.may_complain or server.complaints()[before:] == []


def text_of(client, uid):
    return b"".join(client.ok(f"UID FETCH {uid} (BODY.PEEK[])"))


def test_dovecot_serves_a_uidlist_of_ours(account):
    """UIDVALIDITY, UIDs and the next UID are what our file says."""
    names = [account.mail.add(content=plain_message(n)) for n in range(1, 6)]
    account.ours("new", 1234567890, FLOOR, *names)
    account.mail.remove("INBOX", 5)
    account.mail.remove("INBOX", 2)
    c = account.dovecot()
    assert sorted(uids_flags(c)) == [1, 3, 4]
    for uid in (1, 3, 4):
        assert b"Subject: Message %d\r\n" % uid in text_of(c, uid)
    c.logout()
    assert account.status() == {"UIDVALIDITY": 1234567890, "UIDNEXT": 6,
                                "MESSAGES": 3}


def test_lines_that_we_append_keep_their_uids_in_an_open_session(account):
    names = [account.mail.add() for _ in range(3)]
    account.ours("new", 77, FLOOR, *names)
    c = account.dovecot()
    assert sorted(uids_flags(c)) == [1, 2, 3]
    more = [account.mail.add(content=plain_message(n)) for n in (41, 42)]
    account.ours("append", *reversed(more))
    c.ok("NOOP")
    assert sorted(uids_flags(c)) == [1, 2, 3, 4, 5]
    # Ours, in the order of our lines and not in that of the names.
    assert b"Subject: Message 42\r\n" in text_of(c, 4)
    assert b"Subject: Message 41\r\n" in text_of(c, 5)
    c.logout()


def test_dovecot_keeps_our_header_field_when_it_appends(account):
    names = [account.mail.add() for _ in range(3)]
    account.ours("new", 88, FLOOR, *names)
    before = account.inode()
    c = account.dovecot()
    for _ in range(3):
        assert c.append("INBOX", MESSAGE)[0] == "OK"
    c.logout()
    account.server.sessions_over()
    validity, nxt, _, floor, _, rows = account.uidlist()
    assert (validity, nxt, floor, sorted(rows)) == (88, 7, FLOOR,
                                                    [1, 2, 3, 4, 5, 6])
    # It did append: the file is the same one.
    assert account.inode() == before


def test_dovecot_keeps_our_header_field_when_it_rewrites(account):
    names = [account.mail.add() for _ in range(40)]
    account.ours("new", 99, FLOOR, *names)
    with open(account.dir / "dovecot-uidlist", encoding="ascii") as f:
        text = f.read()
    account.mail.put(account.dir / "dovecot-uidlist",
                     text.replace(f"L{FLOOR}", f"L{FLOOR} Zmore Yet", 1))
    guid, before = account.uidlist()[2], account.inode()
    c = account.dovecot()
    # It rewrites when a quarter of the lines are dead and it has to write.
    c.ok("UID STORE 1:25 +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    c.logout()
    account.server.sessions_over()
    account.mail.add(new=True)
    c = account.dovecot()
    assert sorted(uids_flags(c)) == [*range(26, 42)]
    c.logout()
    account.server.sessions_over()
    assert account.inode() != before, "Dovecot did not rewrite"
    validity, nxt, same_guid, floor, others, rows = account.uidlist()
    assert (validity, nxt, floor) == (99, 42, FLOOR)
    assert same_guid == guid
    assert others == "Zmore Yet"
    assert sorted(rows) == [*range(26, 42)]


def test_our_header_field_outlives_repairs(account):
    """What an administrator does to a folder with doveadm."""
    names = [account.mail.add() for _ in range(3)]
    account.ours("new", 55, FLOOR, *names)
    account.dovecot().logout()
    account.server.doveadm("force-resync", "-u", account.user, "INBOX")
    assert account.uidlist()[:4:3] == (55, FLOOR)
    before = account.inode()
    account.server.doveadm("mailbox", "update", "-u", account.user,
                           "--min-next-uid", "50", "INBOX")
    assert account.inode() != before
    assert account.uidlist()[:4] == (55, 50, account.uidlist()[2], FLOOR)
    assert account.status()["UIDNEXT"] == 50


@pytest.mark.parametrize("old, new, uids", [
    (" G0123456789abcdef0123456789abcdef", "", [1, 2, 3]),
    ("\n3 :", "\n2 :", [1, 2, 4]),
    ("\n3 :", "\n3 ", [1, 2, 4]),
    ("\n3 :", "\n", [1, 2, 4]),
], ids=["guid", "order", "colon", "uid"])
def test_our_header_field_outlives_damage(account, old, new, uids):
    account.may_complain = True
    names = [account.mail.add() for _ in range(3)]
    text = f"3 V57 N4 G0123456789abcdef0123456789abcdef L{FLOOR}\n" + "".join(
        f"{n} :{name}\n" for n, name in enumerate(names, 1))
    assert old in text
    account.mail.put(account.dir / "dovecot-uidlist", text.replace(old, new))
    c = account.dovecot()
    assert sorted(uids_flags(c)) == uids
    assert c.append("INBOX", MESSAGE)[0] == "OK"
    c.logout()
    account.server.sessions_over()
    validity, _, guid, floor, _, rows = account.uidlist()
    assert (validity, floor, len(guid)) == (57, FLOOR, 32)
    assert sorted(rows) == [*uids, max(uids) + 1]


def test_a_lost_uidlist_shows_by_its_guid(account):
    """Our field is gone then, though UIDVALIDITY is not."""
    names = [account.mail.add() for _ in range(3)]
    account.ours("new", 56, FLOOR, *names)
    account.dovecot().logout()
    account.server.sessions_over()
    guid = account.uidlist()[2]
    os.unlink(account.dir / "dovecot-uidlist")
    account.dovecot().logout()
    account.server.sessions_over()
    validity, _, another, floor, _, rows = account.uidlist()
    assert (validity, floor) == (56, 0)
    assert another != guid
    assert min(rows) > 3


def test_our_rewrite_is_read_by_dovecot(account):
    c = account.dovecot()
    for _ in range(4):
        assert c.append("INBOX", MESSAGE)[0] == "OK"
    c.logout()
    account.server.sessions_over()
    before = account.uidlist()
    seen = account.status()
    account.ours("rewrite", FLOOR)
    after = account.uidlist()
    assert after[3] == FLOOR
    assert (before[:3], before[5]) == (after[:3], after[5])
    assert account.status() == seen
    c = account.dovecot()
    assert sorted(uids_flags(c)) == [1, 2, 3, 4]
    assert c.append("INBOX", MESSAGE)[0] == "OK"
    assert sorted(uids_flags(c)) == [1, 2, 3, 4, 5]
    c.logout()
    assert account.uidlist()[3] == FLOOR


def test_both_append_in_turns(account):
    """One numbering, whoever writes; nothing twice."""
    c = account.dovecot()
    told = {}
    for n in range(1, 21, 2):
        text = c.append("INBOX", MESSAGE)[1]
        told[int(re.search(rb"APPENDUID \d+ (\d+)", text)[1])] = "dovecot"
        base = account.mail.add()
        account.ours("append", base)
        told[account.uidlist()[1] - 1] = base
    c.ok("NOOP")
    assert sorted(told) == [*range(1, 21)]
    assert sorted(uids_flags(c)) == [*range(1, 21)]
    rows = account.uidlist()[5]
    for uid, base in told.items():
        assert base in ("dovecot", rows[uid])
    c.logout()


def test_keywords_of_ours_are_dovecots(account):
    account.ours("keywords", "$Label1", "NonJunk", "Work-2")
    account.mail.folder("INBOX")["keywords"] = ["$Label1", "NonJunk", "Work-2"]
    names = [account.mail.add(flags=f) for f in
             ("\\Seen $Label1", "NonJunk Work-2", "\\Flagged \\Answered")]
    account.ours("new", 5, FLOOR, *names)
    c = account.dovecot()
    flags = {k: v - {b"\\Recent"} for k, v in uids_flags(c).items()}
    assert flags == {1: {b"\\Seen", b"$Label1"}, 2: {b"NonJunk", b"Work-2"},
                     3: {b"\\Flagged", b"\\Answered"}}
    assert search(c, "KEYWORD work-2") == [2]
    # And one that Dovecot adds is ours afterwards, the others unmoved.
    c.ok("UID STORE 3 +FLAGS (Later)")
    c.logout()
    account.server.sessions_over()
    assert account.ours("keywords") == ["0 $Label1", "1 NonJunk", "2 Work-2",
                                        "3 Later"]
    assert [p for p in os.listdir(account.dir / "cur") if p.endswith("FRd")]


def subscribed(client):
    return sorted(re.search(rb'"?/"? "?([^"]*)"?$', r)[1].decode()
                  for r in client.ok('LSUB "" "*"') if b"LSUB" in r)


@pytest.mark.parametrize("start", [None, "Old\nOld.Sub\n", "V\t2\n\nOld\n"])
def test_subscriptions_of_both(account, start):
    if start is not None:
        account.mail.put(account.dir / "subscriptions", start)
    for name in ("A/B", "A/B/C", "Entwürfe"):
        account.mail.folder(name)
    account.ours("subs", "+A.B", "+A.B.C", "+INBOX", "+Entw&APw-rfe")
    c = account.dovecot(None)
    both = {"A/B", "A/B/C", "INBOX", "Entw&APw-rfe"}
    both |= {"Old"} if start else set()
    both |= {"Old/Sub"} if start and "Old.Sub" in start else set()
    assert subscribed(c) == sorted(both)
    c.ok('CREATE "New"')
    c.ok('SUBSCRIBE "New"')
    c.ok('UNSUBSCRIBE "A/B"')
    c.logout()
    ours = {x.replace(".", "/") for x in account.ours("subs")}
    assert ours == both - {"A/B"} | {"New"}
    account.ours("subs", "-A.B.C", "-New")
    c = account.dovecot(None)
    assert subscribed(c) == sorted(both - {"A/B", "A/B/C"})
    c.logout()


def test_uidvalidity_counts_on_from_either(account):
    c = account.dovecot(None)
    values = []
    for n in range(4):
        c.ok(f'CREATE "F{n}"')
        values.append(account.status(f"F{n}")["UIDVALIDITY"])
        values.append(int(account.ours("validity")[0]))
    c.logout()
    assert values == sorted(set(values))


def test_dovecot_waits_for_our_lock(account):
    account.ours("new", 6, FLOOR, account.mail.add())
    c = account.dovecot()
    with subprocess.Popen([account.program, "hold", account.dir],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          **account.as_owner()) as p:
        assert p.stdout.readline() == b"held\n"
        result = []
        t = threading.Thread(
            target=lambda: result.append(c.append("INBOX", MESSAGE)))
        t.start()
        t.join(0.5)
        assert t.is_alive(), "Dovecot did not wait"
        p.stdin.close()
        p.wait(10)
    t.join(20)
    assert result[0][0] == "OK"
    c.logout()
    assert sorted(account.uidlist()[5]) == [1, 2]


def test_dovecot_breaks_the_lock_of_one_of_us_that_died(account):
    account.ours("new", 6, FLOOR, account.mail.add())
    with subprocess.Popen([account.program, "hold", account.dir],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          **account.as_owner()) as p:
        assert p.stdout.readline() == b"held\n"
        p.kill()
        p.wait(10)
    assert (account.dir / "dovecot-uidlist.lock").exists()
    c = account.dovecot()
    assert c.append("INBOX", MESSAGE)[0] == "OK"
    c.logout()
    assert sorted(account.uidlist()[5]) == [1, 2]
