"""File names that no delivery agent should give, and moves that others make."""
import os
import re
import shutil

import pytest

from imap import fetches, search, uids_flags
from maildirs import UIDVALIDITY

# (directory, name, flags that it has); the name is bytes, as the disk has it.
NAMES = {
    "plain": ("cur", b"1.M1P1.test:2,", set()),
    "no info": ("cur", b"2.M1P1.test", set()),
    "one byte": ("cur", b"3:2,S", {b"\\Seen"}),
    "252 bytes": ("cur", b"4" + b"x" * 251 + b":2,", set()),
    "250 bytes": ("cur", b"5" + b"x" * 249 + b":2,", set()),
    "221 bytes": ("cur", b"6" + b"x" * 220 + b":2,", set()),
    "255 bytes in new": ("new", b"7" + b"x" * 254, set()),
    "not UTF-8": ("cur", b"8.\xff\xfe\x80:2,", set()),
    "UTF-8": ("new", "9.t\u00e4ube".encode(), set()),
    "blank": ("cur", b"10 M1 P1:2,", set()),
    "quote": ("cur", b"11\"back\\slash'$(x)`%s%n:2,", set()),
    "control": ("cur", b"12.\1\33[1m\177\t:2,", set()),
    "fields": ("cur", b"13.M1,S=x,W=,b=c,,=:2,", set()),
    "letters not in order": ("cur", b"14.M1:2,SRF",
                             {b"\\Seen", b"\\Answered", b"\\Flagged"}),
    "letters twice": ("cur", b"15.M1:2,SSS", {b"\\Seen"}),
    "unknown letters": ("cur", b"16.M1:2,PSXY9", {b"\\Seen"}),
    "many unknown letters": ("cur", b"17.M1:2,S" + b"X" * 100, {b"\\Seen"}),
    "more after a comma": ("cur", b"18.M1:2,S,rest,of:it", {b"\\Seen"}),
    "experimental info": ("cur", b"19.M1:1,S", set()),
    "colon": ("cur", b"20.M1:", set()),
    "half an info": ("cur", b"21.M1:2", set()),
    "flags in new": ("new", b"22.M1:2,FS", {b"\\Flagged", b"\\Seen"}),
    "empty info in new": ("new", b"23.M1:2,", set()),
}
NOT_MESSAGES = [b".24.M1:2,", b":2,S", b"25.\r\n:2,", b"26.x\ny:2,"]
ORDER = list(NAMES)
LONGEST = ["252 bytes", "255 bytes in new"]	# no room for a letter


def put(mail, where, name, content):
    mail.folder("INBOX")
    path = os.path.join(mail.root.encode(), where.encode(), name)
    with open(path, "wb") as f:
        f.write(content)
    return path


def text(kind):
    return f"Subject: {kind}\r\n\r\nbody of {kind}\r\n".encode()


def bodies(client):
    """{uid: body} of all messages that can be read."""
    out = {}
    for raw in fetches(client.ok("UID FETCH 1:* BODY.PEEK[]")).values():
        uid = int(re.search(rb"UID (\d+)", raw)[1])
        out[uid] = re.search(rb"\{\d+\}\r\n(.*\r\n)", raw, re.S)[1]
    return out


def kind_of(body):
    return re.match(rb"Subject: (.*)\r\n", body)[1].decode()


def flags_by_kind(client):
    of = {u: kind_of(b) for u, b in bodies(client).items()}
    return {of[u]: f - {b"\\Recent"} for u, f in uids_flags(client).items()}


@pytest.fixture
def account(tunnel):
    t = tunnel()
    for kind in ORDER:
        where, name, _ = NAMES[kind]
        put(t.mail, where, name, text(kind))
    for name in NOT_MESSAGES:
        put(t.mail, "cur", name, b"not a message\n")
    return t


def test_strange_names_are_messages(account):
    t = account
    c = t.client("INBOX")
    uids = {kind_of(b): u for u, b in bodies(c).items()}
    assert set(uids) == set(ORDER)
    assert flags_by_kind(c) == {k: NAMES[k][2] for k in ORDER}
    assert bodies(c) == {u: text(k) for k, u in uids.items()}
    for kind in ORDER:
        assert search(c, f'SUBJECT "{kind}"')
    c.logout()
    # The same UIDs for another session, and after the state is gone.
    for forget in (False, True):
        if forget:
            shutil.rmtree(os.path.join(t.mail.root, "loft"))
        c = t.client("INBOX")
        assert {kind_of(b): u for u, b in bodies(c).items()} == uids
        assert flags_by_kind(c) == {k: NAMES[k][2] for k in ORDER}
        c.logout()


def test_examine_renames_nothing(account):
    t = account
    before = set(t.mail.files().values())
    c = t.client()
    c.ok("EXAMINE INBOX")
    assert {kind_of(b) for b in bodies(c).values()} == set(ORDER)
    c.ok("CREATE Copy")
    c.ok("COPY 1:* Copy")
    c.logout()
    assert set(t.mail.files().values()) == before


@pytest.mark.parametrize("kind", ORDER)
def test_a_strange_name_can_be_worked_with(account, kind):
    t = account
    c = t.client("INBOX")
    uid = next(u for u, b in bodies(c).items() if kind_of(b) == kind)
    others = {k: f for k, f in flags_by_kind(c).items() if k != kind}
    c.ok("CREATE Copy")
    c.ok(f"UID COPY {uid} Copy")
    longest = kind in LONGEST
    status, said, _ = c.command(f"UID STORE {uid} +FLAGS (\\Draft)")
    assert status == ("NO" if longest else "OK"), said
    want = NAMES[kind][2] | (set() if longest else {b"\\Draft"})
    assert flags_by_kind(c)[kind] == want
    peer = t.client("INBOX")
    assert flags_by_kind(peer) == {**others, kind: want}
    # Out of the way, while another session still reads it.
    status, said, _ = c.command(f"UID MOVE {uid} Copy")
    assert status == "OK", said
    assert kind not in flags_by_kind(c)
    # By number: nothing tells the peer of it before its message was read.
    seq = sorted([*uids_flags(c), uid]).index(uid) + 1
    assert text(kind) in fetches(peer.ok(f"FETCH {seq} BODY.PEEK[]"))[seq]
    peer.ok("NOOP")
    assert flags_by_kind(peer) == others
    peer.ok("SELECT Copy")
    assert [kind_of(b) for b in bodies(peer).values()] == [kind, kind]
    peer.logout()
    assert flags_by_kind(c) == others
    c.logout()


@pytest.mark.parametrize("kind", [k for k in ORDER if k not in LONGEST])
def test_a_strange_name_can_be_expunged(account, kind):
    t = account
    c = t.client("INBOX")
    uid = next(u for u, b in bodies(c).items() if kind_of(b) == kind)
    c.ok(f"UID STORE {uid} +FLAGS (\\Deleted)")
    peer = t.client("INBOX")
    c.ok("EXPUNGE")
    seq = sorted([*uids_flags(c), uid]).index(uid) + 1
    assert uid not in uids_flags(c)
    assert text(kind) in fetches(peer.ok(f"FETCH {seq} BODY.PEEK[]"))[seq]
    peer.logout()
    c.ok("NOOP")
    c.logout()
    c = t.client("INBOX")
    assert set(flags_by_kind(c)) == set(ORDER) - {kind}
    c.logout()


def test_one_base_in_new_and_cur(tunnel):
    """One of them is the message; the other stays on disk and changes nothing."""
    t = tunnel()
    put(t.mail, "cur", b"1.M1P1.test:2,S", text("in cur"))
    put(t.mail, "new", b"1.M1P1.test", text("in new"))
    put(t.mail, "cur", b"2.M1P1.test:2,", text("second"))
    for _ in range(3):
        c = t.client("INBOX")
        got = {u: kind_of(b) for u, b in bodies(c).items()}
        assert got[1] in ("in cur", "in new") and got[2] == "second"
        assert len(got) == 2
        c.logout()
    found = [open(os.path.join(t.mail.root, sub, n), "rb").read()
             for sub in ("cur", "new")
             for n in os.listdir(os.path.join(t.mail.root, sub))]
    assert sorted(found) == sorted(map(text, ("in cur", "in new", "second")))
    # The same appears while a session has the mailbox open.
    c = t.client("INBOX")
    put(t.mail, "new", b"2.M1P1.test", text("twin"))
    c.ok("NOOP")
    assert len(bodies(c)) == 2
    assert c.append("INBOX", text("third"))[0] == "OK"
    assert sorted(bodies(c)) == [1, 2, 3]
    c.logout()


def test_two_names_of_one_base_in_cur(tunnel):
    t = tunnel()
    put(t.mail, "cur", b"1.M1P1.test:2,", text("one"))
    put(t.mail, "cur", b"1.M1P1.test:2,S", text("two"))
    for _ in range(2):
        c = t.client("INBOX")
        assert len(bodies(c)) == 1
        c.logout()
    assert len(os.listdir(os.path.join(t.mail.root, "cur"))) == 2


@pytest.mark.parametrize("info", [b"", b":2,", b":2,F"])
def test_mutt_moves_a_message_back_to_new(tunnel, info):
    """"Toggle new" renames cur/x:2,S to new/x, at times with flags."""
    t = tunnel()
    for uid in (1, 2, 3):
        t.mail.add("INBOX", uid=uid, content=text(f"m{uid}"), flags="\\Seen")
    t.mail.write()
    c = t.client("INBOX")
    assert uids_flags(c)[2] == {b"\\Seen"}
    path = t.mail.by_uid("INBOX", 2).encode()
    base = os.path.basename(path).split(b":")[0]
    os.rename(path, os.path.join(t.mail.root.encode(), b"new", base + info))
    c.ok("NOOP")
    want = {b"\\Flagged"} if info.endswith(b"F") else set()
    assert {u: f - {b"\\Recent"} for u, f in uids_flags(c).items()} == {
        1: {b"\\Seen"}, 2: want, 3: {b"\\Seen"}}
    assert bodies(c)[2] == text("m2")
    c.ok("UID STORE 2 +FLAGS (\\Answered)")
    c.logout()
    c = t.client("INBOX")
    assert uids_flags(c)[2] - {b"\\Recent"} == want | {b"\\Answered"}
    assert t.mail.uidlist()[0][2].encode() == base
    c.logout()


def with_crlf(mail, name):
    path = os.path.join(mail.root, name)
    with open(path, "rb") as f:
        data = f.read()
    with open(path, "wb") as f:
        f.write(data.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("version", [3, 1])
def test_uidlist_with_crlf(tunnel, version):
    """Edited on another system: Dovecot drops a CR at the end of a line."""
    t = tunnel()
    for uid in (10, 20, 30):
        t.mail.add("INBOX", uid=uid, flags="$Label1")
    t.mail.subscribe("Birds")
    t.mail.folder("Birds")
    t.mail.write()
    if version == 1:
        rows, _ = t.mail.uidlist()
        t.mail.put(os.path.join(t.mail.root, "dovecot-uidlist"),
                   f"1 {UIDVALIDITY} 31\n" +
                   "".join(f"{u} {b}\n" for u, b in rows.items()))
    for name in ("dovecot-uidlist", "dovecot-keywords", "subscriptions"):
        with_crlf(t.mail, name)
    c = t.client()
    said = c.ok("SELECT INBOX")
    assert any(b"[UIDVALIDITY %d]" % UIDVALIDITY in r for r in said)
    assert {u: f - {b"\\Recent"} for u, f in uids_flags(c).items()} == {
        u: {b"$Label1"} for u in (10, 20, 30)}
    assert c.append("INBOX", text("new"))[0] == "OK"
    assert sorted(uids_flags(c)) == [10, 20, 30, 31]
    assert [r for r in c.ok('LSUB "" *') if b"Birds\"" in r or
            r.endswith(b"Birds")]
    c.ok("UID STORE 31 +FLAGS ($Label1 Other)")
    c.ok("SUBSCRIBE INBOX")
    c.logout()
    c = t.client("INBOX")
    assert sorted(uids_flags(c)) == [10, 20, 30, 31]
    assert uids_flags(c)[31] - {b"\\Recent"} == {b"$Label1", b"Other"}
    assert len(c.ok('LSUB "" *')) == 2
    c.logout()
