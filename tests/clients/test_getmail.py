"""
getmail6: fetches new messages into a Maildir, once. It has no STARTTLS.

It waits for minutes for a child that was faster than itself: GETMAIL looks again.
"""
import os

import pytest
from helpers import SECURITY, message_ids, plain_message

GETMAIL = """\
import runpy, shutil, threading
import getmailcore.baseclasses as base

class Condition(threading.Condition):
    told = False

    def notify_all(self):
        self.told = True
        super().notify_all()

    def wait(self, timeout=None):
        for _ in range(int(timeout * 20)):
            if self.told or super().wait(0.05):
                return True
        return self.told

base.Condition = Condition
runpy.run_path(shutil.which("getmail"), run_name="__main__")
"""

pytestmark = pytest.mark.program("getmail")


@pytest.mark.parametrize("account", [s for s in SECURITY if s != "starttls"],
                         indirect=True)
def test_get(account):
    a = account
    a.fill(20)
    near = a.home / "near"
    for sub in ("cur", "new", "tmp"):
        (near / sub).mkdir(parents=True)
    rc = a.file("getmailrc", f"""\
[retriever]
type = {"SimpleIMAPSSLRetriever" if a.security == "tls" else "SimpleIMAPRetriever"}
server = 127.0.0.1
port = {a.port}
username = {a.user}
password = {a.password}
mailboxes = ("INBOX",)
{f"ca_certs = {a.cert}" if a.security == "tls" else ""}

[destination]
type = Maildir
path = {near}/

[options]
read_all = false
delete = false
""")
    command = ["/usr/bin/python3", "-c", GETMAIL, f"--getmaildir={a.home}",
               f"--rcfile={rc}"]
    if os.geteuid() == 0:
        # It refuses to deliver as root.
        a.run(["chown", "-R", "nobody", a.home])
        command = ["setpriv", "--reuid=nobody", "--regid=nogroup",
                   "--clear-groups", *command]
    a.run(command)
    assert len(message_ids(near)) == 20
    a.run(command)
    assert len(message_ids(near)) == 20
    c = a.client()
    assert c.append("INBOX", plain_message(99))[0] == "OK"
    c.logout()
    a.run(command)
    assert "<99@example.org>" in message_ids(near)
