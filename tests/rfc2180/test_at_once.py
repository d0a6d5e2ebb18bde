"""
What must hold whatever the policy, when two do the same at once: one winner or both
kept, never lost, never doubled, and OK only to what happened. Each client is a
process of its own; commands are started together, then waited for.
"""
import collections
import os
import re
import shutil
import signal
import time

import pytest

from imap import Late, fetches
from server import Tunnel, wait_for

ROUNDS = 10
BIG = 3 << 20


@pytest.fixture
def place(request):
    """make(configuration): a Maildir whose clients end with the test."""
    made = []

    def make(extra=""):
        made.append(Tunnel(extra))
        return made[-1]
    yield make
    for t in made:
        shutil.rmtree(t.dir, ignore_errors=True)


def together(commands):
    """[(client, command)] begun at once; [(status, text, untagged)]."""
    tags = [c.start(text) for c, text in commands]
    return [c.finish(tag) for (c, _), tag in zip(commands, tags)]


def subjects(client, box):
    """{subject: how often} of a mailbox."""
    lines = b"\n".join(client.ok(f"EXAMINE {box}"))
    if int(re.search(rb"(\d+) EXISTS", lines)[1]) == 0:
        return collections.Counter()
    got = fetches(client.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]"))
    return collections.Counter(
        re.search(rb"Subject: (.*)\r", raw)[1] for raw in got.values())


def fill(t, n, box="INBOX", **kw):
    for uid in range(1, n + 1):
        t.mail.add(box, uid=uid, **kw)
    t.mail.write()


def numbers(r, kind):
    return [int(m[1]) for x in r if (m := re.match(rb"\* (\d+) " + kind, x))]


def copyuid(untagged):
    for r in untagged:
        if m := re.match(rb"\* OK \[COPYUID \d+ (\S+) ", r):
            return {u for part in m[1].decode().split(",")
                    for a, _, b in [part.partition(":")]
                    for u in range(int(a), int(b or a) + 1)}
    return set()


def test_two_move_the_same_messages(place):
    t = place()
    fill(t, 8 * ROUNDS)
    t.mail.folder("TO")
    one, two, see = (t.client("INBOX") for _ in range(3))
    for k in range(ROUNDS):
        uids = f"{8 * k + 1}:{8 * k + 8}"
        a, b = together([(one, f"UID MOVE {uids} TO"),
                         (two, f"UID MOVE {uids} TO")])
        assert "OK" in (a[0], b[0]), (a, b)
        for status, text, untagged in (a, b):
            moved = copyuid(untagged)
            assert status == "OK" or (b"[EXPUNGEISSUED]" in text and not moved)
        assert copyuid(a[2]) | copyuid(b[2]) == set(range(8 * k + 1, 8 * k + 9))
        assert not copyuid(a[2]) & copyuid(b[2])
    got = subjects(see, "TO")
    assert len(got) == 8 * ROUNDS and set(got.values()) == {1}
    assert not subjects(see, "INBOX")


def test_two_expunge_the_same_messages(place):
    t = place()
    fill(t, 50)
    one, two = t.client("INBOX"), t.client("INBOX")
    for k in range(ROUNDS):
        one.ok("STORE 1:4 +FLAGS.SILENT (\\Deleted)")
        a, b = together([(one, "EXPUNGE"), (two, "EXPUNGE")])
        assert a[0] == b[0] == "OK", (a, b)
        told = [numbers(x[2], b"EXPUNGE") for x in (a, b)]
        for c, n in zip((one, two), told):
            n += numbers(c.ok("NOOP"), b"EXPUNGE")
            assert sorted(n) == [1] * 4, told
    assert sum(subjects(one, "INBOX").values()) == 50 - 4 * ROUNDS


@pytest.mark.parametrize("verb", ["RENAME", "DELETE", "CREATE"])
def test_of_two_with_one_name_one_wins(place, verb):
    t = place()
    one, two = t.client(), t.client()
    for k in range(ROUNDS):
        if verb != "CREATE":
            one.ok(f"CREATE A{k}")
        words = [f"{verb} A{k}" + (f" B{k}{x}" if verb == "RENAME" else "")
                 for x in "xy"]
        got = together([(one, words[0]), (two, words[1])])
        assert sorted(r[0] for r in got) == ["NO", "OK"], got
        there = {x for x in (f"B{k}x", f"B{k}y") if two.command(
            f"STATUS {x} (MESSAGES)")[0] == "OK"}
        if verb == "RENAME":
            assert there == {f"B{k}{'xy'[[r[0] for r in got].index('OK')]}"}
        status = two.command(f"STATUS A{k} (MESSAGES)")[0]
        assert status == ("OK" if verb == "CREATE" else "NO")


def test_twenty_appends_at_once(place):
    t = place()
    clients = [t.client() for _ in range(20)]
    tags = []
    for i, c in enumerate(clients):
        tags.append(c.new_tag())
        raw = f"Subject: {i}\r\n\r\nx\r\n"
        c.send(f"{tags[-1]} APPEND INBOX {{{len(raw)}+}}\r\n{raw}\r\n")
    uids = set()
    for c, tag in zip(clients, tags):
        status, text, _ = c.finish(tag)
        assert status == "OK"
        uids.add(int(re.match(rb"\[APPENDUID \d+ (\d+)\]", text)[1]))
    assert uids == set(range(1, 21))
    assert subjects(clients[0], "INBOX") == {
        str(i).encode(): 1 for i in range(20)}


def test_flags_of_both_are_kept(place):
    t = place("maildir_store_batch = 3\n")
    fill(t, 12)
    one, two, see = (t.client("INBOX") for _ in range(3))
    for a, b in (("+FLAGS.SILENT (\\Seen)", "+FLAGS.SILENT (\\Flagged Own)"),
                 ("-FLAGS.SILENT (\\Seen)", "+FLAGS.SILENT (\\Answered)"),
                 ("+FLAGS.SILENT (Other)", "-FLAGS.SILENT (\\Flagged)")):
        got = together([(one, "STORE 1:* " + a), (two, "STORE 1:* " + b)])
        assert [r[0] for r in got] == ["OK", "OK"]
    want = {b"\\Answered", b"Own", b"Other"}
    for c in (one, two, see):
        c.ok("NOOP")
        for raw in fetches(c.ok("FETCH 1:* FLAGS")).values():
            flags = set(re.search(rb"FLAGS \((.*)\)", raw)[1].split())
            assert flags - {b"\\Recent"} == want


def test_a_uidvalidity_is_never_given_again(place):
    t = place("multiaccess_delete = ghost\n")
    one, two = t.client(), t.client()
    seen = []
    for _ in range(4):
        for c in (one, two):
            c.ok("CREATE FOO")
            text = b"".join(c.ok("STATUS FOO (UIDVALIDITY)"))
            seen.append(int(re.search(rb"UIDVALIDITY (\d+)", text)[1]))
            c.ok("DELETE FOO")
    assert seen == sorted(set(seen)), seen


@pytest.mark.parametrize("policy", ["ghost", "partial", "nil"])
def test_what_is_expunged_while_it_is_sent_is_whole_or_not_there(place, policy):
    t = place(f"multiaccess_expunge = {policy}\n")
    fill(t, 6, size=BIG)
    one, two = t.client("INBOX"), t.client("INBOX")
    tag = one.start("FETCH 1:* (UID BODY.PEEK[])")
    # In the middle of the first message, and not read further.
    head = one.read_line(time.monotonic() + 20)
    two.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    two.ok("EXPUNGE")
    one.buffer = head + b"\r\n" + one.buffer
    status, text, untagged = one.finish(tag)
    got = fetches(untagged)
    assert got
    for raw in got.values():
        m = re.match(rb"UID (\d+) BODY\[\] (?:\{(\d+)\}\r\n(.*)|\"\")$", raw,
                     re.S)
        if m[2]:
            assert len(m[3]) == int(m[2]) > BIG
            assert m[3].startswith(b"From: Sender %d " % int(m[1]))
            assert m[3].endswith(b"x\r\n")
        else:
            assert policy == "nil"
    assert (status == "OK" and len(got) == 6) if policy != "partial" else (
        (status, len(got)) == ("OK", 6) or
        (status == "NO" and text.startswith(b"[EXPUNGEISSUED]")))
    assert numbers(one.ok("NOOP"), b"EXPUNGE") == [1] * 6


@pytest.mark.parametrize("how", ["does not read", "is stopped"])
def test_nobody_waits_for_a_client(place, how):
    """Its commands end only when all of the others' have."""
    t = place()
    fill(t, 6, size=BIG)
    slow, two, idle = (t.client("INBOX") for _ in range(3))
    idle.idle()
    tag = slow.start("FETCH 1:* (UID BODY.PEEK[])")
    head = slow.read_line(time.monotonic() + 20)
    if how == "is stopped":
        os.kill(slow.process.pid, signal.SIGSTOP)
    two.ok("STORE 1:3 +FLAGS.SILENT (\\Deleted)")
    two.ok("EXPUNGE")
    assert two.append("INBOX", b"A: b\r\n\r\nx\r\n")[0] == "OK"
    two.ok("CREATE TO")
    two.ok("UID MOVE 4 TO")
    # And who idles hears of it.
    while idle.response() != b"* 4 EXISTS":
        pass
    third = t.client("INBOX")
    third.logout()
    if how == "is stopped":
        os.kill(slow.process.pid, signal.SIGCONT)
    slow.buffer = head + b"\r\n" + slow.buffer
    status, _, untagged = slow.finish(tag)
    assert status == "OK" and len(fetches(untagged)) == 6


def test_who_does_not_read_is_not_waited_for_by_a_delete(place):
    t = place()
    t.mail.folder("FOO")
    fill(t, 6, "FOO", size=BIG)
    slow, two = t.client("FOO"), t.client()
    slow.start("FETCH 1:* (UID BODY.PEEK[])")
    slow.read_line(time.monotonic() + 20)
    two.ok("DELETE FOO")
    two.ok("CREATE FOO")
    assert not subjects(two, "FOO")
    slow.close()


@pytest.mark.parametrize("leave", ["LOGOUT", "UNSELECT", "CLOSE", "NOOP",
                                   "SELECT TO", "disconnect"])
def test_ghosts_go_with_the_last_who_may_name_them(place, leave):
    t = place()
    fill(t, 3)
    t.mail.folder("TO")
    one, two, three = (t.client("INBOX") for _ in range(3))
    one.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    one.ok("EXPUNGE")
    tmp = os.path.join(t.mail.root, "tmp")
    assert len(os.listdir(tmp)) == 2
    two.ok("UNSELECT")
    assert len(os.listdir(tmp)) == 2
    if leave == "disconnect":
        three.close()
    else:
        three.command(leave)
    try:
        wait_for("tmp/ to be empty", lambda: not os.listdir(tmp), 10)
    except Late:
        raise AssertionError(f"after {leave}: {os.listdir(tmp)}") from None
