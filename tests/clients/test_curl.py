"""curl: list, fetch, search, append, store, from the command line."""
import re

import pytest
from helpers import plain_message

pytestmark = pytest.mark.program("curl")


def curl(a, path, *words, check=True, password=None):
    scheme = "imaps" if a.security == "tls" else "imap"
    command = ["curl", "-sS", "--cacert", a.cert, "--max-time", "30",
               "-u", f"{a.user}:{password or a.password}"]
    if a.security == "starttls":
        command.append("--ssl-reqd")
    return a.run([*command, *words, f"{scheme}://localhost:{a.port}/{path}"],
                 check=check)


def test_read(account):
    account.fill(3)
    account.mail.folder("Birds")
    out = curl(account, "")
    assert b"INBOX" in out and b"Birds" in out
    assert curl(account, "INBOX;UID=2") == \
        plain_message(2).replace(b"\n", b"\r\n")
    assert curl(account, "INBOX;UID=2;SECTION=HEADER.FIELDS%20(SUBJECT)") \
        .strip() == b"Subject: Message 2"
    assert re.search(rb"\* SEARCH 3\b",
                     curl(account, "INBOX?SUBJECT%20%22Message%203%22"))


def test_write(account):
    message = account.home / "message"
    message.write_bytes(plain_message(9).replace(b"\n", b"\r\n"))
    curl(account, "INBOX", "-T", message)
    assert curl(account, "INBOX;MAILINDEX=1") == message.read_bytes()
    curl(account, "INBOX", "-X", "STORE 1 +FLAGS (\\Flagged)")
    assert b"FLAGS (\\Flagged \\Seen" in curl(account, "INBOX", "-X",
                                              "FETCH 1 FLAGS") \
        .replace(b"\\Recent ", b"").replace(b"\\Seen \\Flagged",
                                            b"\\Flagged \\Seen")


def test_wrong_password(account):
    out = curl(account, "", check=False, password="wrong")
    assert b"denied" in out.lower()
