"""
Dovecot -> Loft -> Dovecot -> Loft on the same Maildirs and the same configuration
file, each for a while, with mbsync as the client that must not notice: after a
switch it fetches nothing that it has, and UIDs, UIDVALIDITY, flags, keywords and
subscriptions are what the other server said.
"""
import re
import shutil
import subprocess

import pytest

import dovecot
from dovecot import Loft
from imap import uids_flags
from maildirs import plain_message

FOLDERS = ["INBOX", "Sent", "Lists/c", "B&APw-cher", "Archive"]


@pytest.fixture
def world(tmp_path):
    dovecot.need()
    if not shutil.which("mbsync"):
        pytest.skip("mbsync is not installed")
    d = dovecot.Dovecot()
    mail = d.maildir()
    for n in range(1, 121):
        mail.add("INBOX", plain_message(n), flags="\\Seen" if n % 3 else "",
                 new=n > 110)
    for n in range(30):
        mail.add("Sent", plain_message(1000 + n), flags="\\Seen \\Answered")
        mail.add("Lists/c", plain_message(2000 + n))
    mail.write()
    c = d.client()
    for name in FOLDERS[3:]:
        c.ok(f'CREATE "{name}"')
    for name in FOLDERS[1:4]:
        c.ok(f'SUBSCRIBE "{name}"')
    c.logout()
    rc = tmp_path / "mbsyncrc"
    near = tmp_path / "near"
    near.mkdir()
    rc.write_text(f"""\
IMAPAccount a
Host 127.0.0.1
Port {d.port}
SSLType None
User u0001
Pass secret

IMAPStore far
Account a

MaildirStore near
Path {near}/
Inbox {near}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
Remove Near
Expunge Near
SyncState *
""")
    yield d, rc, near
    d.script("stop")


def fetched(rc):
    """Runs mbsync; how many messages it asked the server for."""
    r = subprocess.run(["mbsync", "-Dn", "-c", rc, "all"], text=True,
                       capture_output=True, timeout=120, errors="replace")
    assert r.returncode == 0, r.stdout[-3000:] + r.stderr[-3000:]
    return len(re.findall(r"^.*>>> \d+ UID FETCH \d+ \(.*BODY\.PEEK\[\]",
                          r.stdout + r.stderr, re.M))


def snapshot(d):
    """What a client can know of all mailboxes."""
    c = d.client()
    out = {}
    for name in FOLDERS:
        status = c.ok(f'STATUS "{name}" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)')
        # Dovecot quotes a name that we give as an atom, and may speak first.
        out[name] = sorted(re.search(rb"\(([^)]*)\)", b" ".join(
            r for r in status if r.startswith(b"* STATUS")))[1].split())
        exists = c.ok(f'EXAMINE "{name}"')
        if any(re.fullmatch(rb"\* 0 EXISTS", r) for r in exists):
            continue
        out[name, "flags"] = {u: f - {b"\\Recent"}
                              for u, f in uids_flags(c).items()}
        out[name, "sizes"] = sorted(
            re.search(rb"UID \d+ RFC822.SIZE \d+|RFC822.SIZE \d+ UID \d+",
                      r)[0].split()[-1]
            for r in c.ok("UID FETCH 1:* (UID RFC822.SIZE)") if b"SIZE" in r)
    out["subscribed"] = {r.split(b" ")[-1].strip(b'"')
                         for r in c.ok('LSUB "" *')}
    c.logout()
    return out


def work(d, n):
    """A day's changes, each of which both servers must keep; new messages."""
    c = d.client()
    c.ok("SELECT INBOX")
    uids = sorted(uids_flags(c))
    new = 0
    for i in range(4):
        status, _, _ = c.append("INBOX", plain_message(10000 * n + i),
                                "\\Flagged")
        assert status == "OK"
        new += 1
    c.ok(f"UID STORE {uids[1]}:{uids[4]} +FLAGS (\\Answered work-{n})")
    c.ok(f"UID STORE {uids[5]} FLAGS (\\Seen $Forwarded later)")
    c.ok(f"UID STORE {uids[6]},{uids[7]} +FLAGS (\\Deleted)")
    c.ok("EXPUNGE")
    c.ok(f"UID COPY {uids[8]}:{uids[10]} Archive")
    c.ok(f"UID MOVE {uids[11]} Lists/c")
    c.ok(f"{'UN' if n % 2 else ''}SUBSCRIBE Sent")
    c.logout()
    # The copies are new to the client, too.
    return new + 3 + 1


def test_nobody_notices(world):
    d, rc, near = world
    assert fetched(rc) == 180
    assert fetched(rc) == 0
    new = work(d, 1)
    assert fetched(rc) == new
    loft = None
    for n in range(2, 6):
        told = snapshot(d)
        if loft is None:
            d.sessions_over()
            d.stop()
            loft = Loft(d)
        else:
            loft.stop()
            loft = None
            d.script("start")
        who = "Dovecot" if loft is None else "Loft"
        now = snapshot(d)
        for key in told:
            if now[key] != told[key] and isinstance(told[key], dict):
                print({u: (told[key].get(u), now[key].get(u))
                       for u in told[key] | now[key]
                       if told[key].get(u) != now[key].get(u)})
            assert now[key] == told[key], f"{key} seen by {who}, round {n}"
        assert fetched(rc) == 0, f"{who} made the client fetch again"
        new = work(d, n)
        assert fetched(rc) == new, f"changes under {who}"
    if loft is not None:
        loft.stop()
    # A chroot, say, allows no user namespaces; sessions are relayed then.
    errors = [x for x in d.complaints() if "inotify" not in x
              and "home: Error: cannot make a user namespace for" not in x
              and re.search(r"Error|Panic|Fatal", x)]
    assert not errors, errors
