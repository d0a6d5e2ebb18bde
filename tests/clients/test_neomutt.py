"""neomutt, driven through a terminal: reads, flags, copies, deletes."""
import os
import pty
import select
import subprocess
import time

import pytest
from helpers import server_ids

pytestmark = pytest.mark.program("neomutt")


def neomutt(a, url, keys, extra="", timeout=60):
    """Runs neomutt with keys pushed; they have to end it."""
    rc = a.file("neomuttrc", f"""\
set imap_user = "{a.user}"
set imap_pass = "{a.password}"
set certificate_file = "{a.cert}"
set ssl_verify_host = no
set ssl_verify_dates = no
set ssl_starttls = {"yes" if a.security == "starttls" else "no"}
set ssl_force_tls = {"no" if a.security == "plain" else "yes"}
set folder = "{url}"
set record = ""
set delete = yes
set confirmappend = no
set confirmcreate = no
set quit = yes
set sleep_time = 0
set wait_key = no
set header_cache = ""
set mail_check = 60
set move = no
{extra}
""")
    master, slave = pty.openpty()
    p = subprocess.Popen(
        ["neomutt", "-n", "-F", str(rc), "-f", url + "INBOX", "-e", f"push '{keys}'"],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**os.environ, "HOME": str(a.home), "TERM": "xterm",
             "LC_ALL": "C.UTF-8", "LINES": "40", "COLUMNS": "120"})
    os.close(slave)
    screen, deadline = b"", time.monotonic() + timeout
    while True:
        if not select.select([master], [], [],
                             max(0, deadline - time.monotonic()))[0]:
            p.kill()
            p.wait()
            os.close(master)
            raise AssertionError(f"neomutt hangs: {screen[-2000:]!r}")
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        screen += data
    os.close(master)
    assert p.wait(10) == 0, screen[-2000:]
    return screen


def test_session(account):
    a = account
    a.fill(12)
    a.mail.folder("Birds")
    scheme = "imaps" if a.security == "tls" else "imap"
    url = f"{scheme}://127.0.0.1:{a.port}/"
    neomutt(a, url,
            "<flag-message><tag-pattern>~s Message.[34]$<enter>"
            f"<tag-prefix><copy-message>{url}Birds<enter>"
            "<delete-pattern>~s Message.5$<enter><sync-mailbox>"
            "<imap-logout-all><exit>")
    c = a.client()
    birds = server_ids(c, "Birds")
    assert set(birds) == {"<3@example.org>", "<4@example.org>"}
    inbox = server_ids(c)
    assert "<5@example.org>" not in inbox and len(inbox) == 11
    assert sum("F" in f for f in inbox.values()) == 1
    c.logout()
