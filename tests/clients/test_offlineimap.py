"""offlineimap: down, changes on both sides, up and down again."""
import os

import pytest
from helpers import message_ids, plain_message, server_ids

pytestmark = pytest.mark.program("offlineimap")


def sync(a):
    """Its STARTTLS races with its own reader thread and may crash: try again."""
    for last in (False, False, True):
        if "killed" not in run_once(a, last):
            return


def run_once(a, last):
    command = ["offlineimap", "-o", "-c", a.home / "rc"]
    if a.security != "starttls" or last:
        a.run(command)
        return ""
    out = a.run(["bash", "-c", '"$0" "$@"; s=$?; [ $s -le 128 ] || echo killed; '
                 "exit 0", *command])
    text = out.decode(errors="replace")
    if "Failed to start TLS" in text:
        return "killed"
    if "ERROR" in text:
        raise AssertionError(text[-4000:])
    return "killed" if text.rstrip().endswith("killed") else ""


def test_two_way(account):
    a = account
    a.fill(120)
    a.fill(10, "Birds")
    local = a.home / "local"
    a.file("rc", f"""\
[general]
accounts = Loft
metadata = {a.home}/meta
ui = basic
socktimeout = 60

[Account Loft]
localrepository = Local
remoterepository = Remote

[Repository Local]
type = Maildir
localfolders = {local}

[Repository Remote]
type = IMAP
remotehost = 127.0.0.1
remoteport = {a.port}
remoteuser = {a.user}
remotepass = {a.password}
ssl = {"yes" if a.security == "tls" else "no"}
starttls = {"yes" if a.security == "starttls" else "no"}
sslcacertfile = {a.cert}
auth_mechanisms = PLAIN, LOGIN
maxconnections = 1
""")
    sync(a)
    assert len(message_ids(local / "INBOX")) == 120
    assert len(message_ids(local / "Birds")) == 10

    c = a.client()
    c.ok("SELECT INBOX")
    c.ok("STORE 1:10 +FLAGS.SILENT (\\Seen)")
    c.ok("STORE 11:20 +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    assert c.append("INBOX", plain_message(500))[0] == "OK"
    c.logout()
    for path in list((local / "INBOX").glob("*/*")):
        text = path.read_text()
        if any(f"<{n}@example.org>" in text for n in range(31, 41)):
            base, _, letters = path.name.partition(":2,")
            os.rename(path, local / "INBOX" / "cur" / f"{base}:2,F{letters}")
    sync(a)

    want = {f"<{n}@example.org>": "" for n in (*range(1, 121), 500)
            if not 11 <= n <= 20}
    want.update({f"<{n}@example.org>": "S" for n in range(1, 11)})
    want.update({f"<{n}@example.org>": "F" for n in range(31, 41)})
    c = a.client()
    assert server_ids(c) == want
    c.logout()
    assert message_ids(local / "INBOX") == want
