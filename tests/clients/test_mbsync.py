"""mbsync: two-way synchronisation of 1,000 messages, changed on both sides."""
import os
import random

import pytest
from helpers import message_ids, plain_message, server_ids

pytestmark = pytest.mark.program("mbsync")
SSL = {"plain": "None", "starttls": "STARTTLS", "tls": "IMAPS"}


def configure(a, patterns="INBOX"):
    near = a.home / "near"
    near.mkdir(exist_ok=True)
    return a.file("mbsyncrc", f"""\
IMAPAccount loft
Host 127.0.0.1
Port {a.port}
SSLType {SSL[a.security]}
CertificateFile {a.cert}
User {a.user}
Pass {a.password}

IMAPStore far
Account loft

MaildirStore near
Path {near}/
Inbox {near}/INBOX
SubFolders Verbatim

Channel loft
Far :far:
Near :near:
Patterns {patterns}
Create Both
Remove Both
Expunge Both
SyncState *
"""), near


def flag_near(folder, ids, letter):
    for sub in ("cur", "new"):
        for path in list((folder / sub).iterdir()):
            text = path.read_text(errors="replace")
            if any(i in text for i in ids):
                base, _, letters = path.name.partition(":2,")
                letters = "".join(sorted(set(letters) | {letter}))
                os.rename(path, folder / "cur" / f"{base}:2,{letters}")


def test_two_way(account):
    rc, near = configure(account)
    account.fill(1000)
    inbox = near / "INBOX"

    account.run(["mbsync", "-c", rc, "loft"])
    assert len(message_ids(inbox)) == 1000

    r = random.Random(5)
    numbers = r.sample(range(1, 1001), 240)
    far_flag, far_gone = numbers[:60], numbers[60:120]
    near_flag, near_gone = numbers[120:180], numbers[180:]
    mid = "<{}@example.org>".format

    c = account.client()
    c.ok("SELECT INBOX")
    c.ok(f"UID STORE {','.join(map(str, far_flag))} +FLAGS.SILENT (\\Flagged)")
    c.ok(f"UID STORE {','.join(map(str, far_gone))} +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    for n in range(2001, 2021):
        assert c.append("INBOX", plain_message(n))[0] == "OK"
    flag_near(inbox, {mid(n) for n in near_flag}, "S")
    flag_near(inbox, {mid(n) for n in near_gone}, "T")
    for n in range(3001, 3021):
        (inbox / "cur" / f"near.{n}:2,").write_bytes(plain_message(n))
    c.logout()

    account.run(["mbsync", "-c", rc, "loft"])

    want = {mid(n): "" for n in (*range(1, 1001), *range(2001, 2021),
                                 *range(3001, 3021))}
    for n in far_gone + near_gone:
        del want[mid(n)]
    want.update({mid(n): "F" for n in far_flag})
    want.update({mid(n): "S" for n in near_flag})
    assert message_ids(inbox) == want
    c = account.client()
    assert server_ids(c) == want
    c.logout()

    # Nothing is left to do: a third run changes neither side.
    before = sorted(p.name for p in (inbox / "cur").iterdir())
    account.run(["mbsync", "-c", rc, "loft"])
    assert sorted(p.name for p in (inbox / "cur").iterdir()) == before


def test_folders(tls_account):
    """Folders with names in several scripts, made on either side."""
    a = tls_account
    for f in ("Birds/Small", "Entwürfe", "日本語"):
        a.fill(3, f)
    rc, near = configure(a, "*")
    a.run(["mbsync", "-c", rc, "loft"])
    got = {p.relative_to(near).as_posix() for p in near.rglob("cur")}
    assert got >= {"INBOX/cur", "Birds/Small/cur", "Entw&APw-rfe/cur",
                   "&ZeVnLIqe-/cur"}
    new = near / "Frogs"
    for sub in ("cur", "new", "tmp"):
        (new / sub).mkdir(parents=True)
    (new / "cur" / "x:2,S").write_bytes(plain_message(7))
    a.run(["mbsync", "-c", rc, "loft"])
    c = a.client()
    assert server_ids(c, "Frogs") == {"<7@example.org>": "S"}
    c.logout()
