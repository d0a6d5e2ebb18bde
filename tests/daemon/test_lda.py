"""loft-lda: options and exit codes of dovecot-lda, as mail servers call it."""
import os
import re
import shutil
import subprocess

import pytest

from daemons import ORDINARY, SYSTEM, kinds
from imap import fetches, search
from test_lmtp import prepare

USAGE, NOUSER, TEMPFAIL = 64, 67, 75
MESSAGE = b"Message-ID: <two@example.net>\nSubject: two\n\nbody\n.\nend\n"


@pytest.fixture
def lda(daemon):
    """lda(words, message, uid): a daemon that does not serve LMTP, and who calls it."""
    d = daemon(start=False)
    prepare(d, "")
    d.start()
    # Whom the mail belongs to can execute it.
    program = shutil.copy(d.build / "loft-lda", d.dir / "loft-lda")

    def run(*words, message=MESSAGE, uid=None):
        who = {} if uid is None else {
            "user": uid, "group": uid, "extra_groups": []}
        return subprocess.run([program, "-c", d.conf, *words], input=message,
                              capture_output=True, timeout=60, **who)
    run.daemon = d
    return run


def mail_uid(d):
    return SYSTEM["anna"] if d.kind == "system" else \
        ORDINARY if d.kind == "ordinary" else 5000


def test_as_a_mail_server_calls_it(lda):
    d = lda.daemon
    uid = mail_uid(d) if os.geteuid() == 0 else None
    assert lda("-d", "anna", "-f", "joe@example.net", "-a", "anna@example.org",
               "-e", uid=uid).returncode == 0
    client = d.client("anna")
    client.ok("SELECT INBOX")
    # Nothing is put in front, and what mbox has there is taken off.
    body = b"".join(fetches(client.ok("FETCH 1 BODY.PEEK[]")).values())
    assert body.split(b"}\r\n", 1)[1] == MESSAGE.replace(b"\n", b"\r\n")
    tag = client.idle()
    assert lda("-d", "anna", message=b"From joe Mon\n" + MESSAGE,
               uid=uid).returncode == 0
    assert client.response() == b"* 2 EXISTS"
    client.done(tag)
    body = b"".join(fetches(client.ok("FETCH 2 BODY.PEEK[]")).values())
    assert body.split(b"}\r\n", 1)[1] == MESSAGE.replace(b"\n", b"\r\n")
    r = lda("-d", "nobody", uid=uid)
    assert r.returncode == NOUSER
    assert b"550 5.1.1 <nobody> User doesn't exist: nobody" in r.stderr
    assert "saved mail to INBOX" in d.log() and "lda(anna)<" in d.log()
    assert "Connect from" not in d.log()


def test_mailboxes(lda):
    d = lda.daemon
    if d.kind != kinds()[0]:
        pytest.skip("does not depend on who serves")
    assert lda("-d", "anna", "-m", "Gr\u00fc\u00dfe/a+b=c").returncode == 0
    assert "save failed to open mailbox" in d.log()
    assert lda("-d", "anna", "-m", "Gr\u00fc\u00dfe/a+b=c",
               "-o", "lda_mailbox_autocreate=yes",
               "-o", "lda_mailbox_autosubscribe=yes").returncode == 0
    client = d.client("anna")
    client.ok("SELECT Gr&APwA3w-e/a+b=c")
    assert search(client, "ALL") == [1]
    assert any(b"Gr&APwA3w-e/a+b=c" in x for x in client.ok('LSUB "" *'))
    client.ok("SELECT INBOX")
    assert search(client, "ALL") == [1]
    big = b"Subject: x\n\n" + b"0123456789abcde\n" * 20000
    path = d.dir / "message"
    path.write_bytes(big)
    assert lda("-d", "anna", "-p", path, message=b"").returncode == 0
    assert lda("-d", "anna", message=b"").returncode == 0
    client.ok("NOOP")
    got = fetches(client.ok("FETCH 2:3 RFC822.SIZE"))
    assert got == {2: b"RFC822.SIZE %d" % (len(big) + 20002),
                   3: b"RFC822.SIZE 0"}


def test_what_does_not_work(lda):
    d = lda.daemon
    assert lda("-x").returncode == USAGE
    assert lda("-d", "anna", "surplus").returncode == USAGE
    assert lda("-d", "anna", "-p", "/nonexistent").returncode == TEMPFAIL
    # A daemon of an ordinary user cannot see that somebody is root.
    uid = mail_uid(d) if os.geteuid() == 0 else None
    r = lda("-d", "anna", "-o", "mail_uid=0", uid=uid)
    assert r.returncode == 0 and b"-o mail_uid=0 is ignored" in r.stderr
    if os.geteuid() == 0:
        # Somebody else's.
        assert lda("-d", "anna", uid=61999).returncode == TEMPFAIL
        assert re.search(r"uid \d+ wants to deliver to user anna, whose mail "
                         rf"belongs to uid {mail_uid(d)}: only root and that "
                         "uid may", d.log())
    client = d.client("anna")
    client.ok("SELECT INBOX")
    assert search(client, "ALL") == [1]
    d.stop()
    r = lda("-d", "anna", uid=uid)
    assert r.returncode == TEMPFAIL and b"loftd is not running" in r.stderr
