"""fetchmail: polls a mailbox empty, and leaves it alone with keep."""
import pytest
from helpers import server_ids

pytestmark = pytest.mark.program("fetchmail")
OPTIONS = {"plain": "sslproto ''", "starttls": "sslproto tls1.2+",
           "tls": "ssl"}


def poll(a, keep):
    rc = a.file("fetchmailrc", f"""\
poll 127.0.0.1 service {a.port} protocol IMAP auth password
  user "{a.user}" password "{a.password}" is "someone" here
  {OPTIONS[a.security]} sslcertfile "{a.cert}" no sslcertck
  {"keep" if keep else "nokeep"} fetchall mda "cat >> {a.home}/got"
""", 0o700)
    a.run(["fetchmail", "-f", rc, "--nosyslog", "--nodetach", "--pidfile",
           a.home / "pid", "-i", a.home / "ids"])
    return (a.home / "got").read_bytes()


def test_poll(account):
    account.fill(25)
    got = poll(account, keep=True)
    for n in range(1, 26):
        assert got.count(f"This is message {n}.\n".encode()) == 1
    c = account.client()
    assert len(server_ids(c)) == 25
    (account.home / "got").unlink()
    got = poll(account, keep=False)
    assert got.count(b"This is message ") == 25
    assert server_ids(c) == {}
    c.logout()
