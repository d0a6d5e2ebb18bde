"""
Where the owner's ids cannot be mapped, a session runs in a process of its own with
the owner's identity, and the worker passes bytes on. A hooks build can be told that
the kernel cannot (LOFT_NO_IDMAP).
"""
import os
import re
import shutil
import time

import pytest

import daemons
import server as servers
from imap import Closed
from server import wait_for

HOOKS = servers.BUILD / "hooks"
if not (HOOKS / "loftd").exists():
    HOOKS = servers.BUILD


@pytest.fixture
def daemon(monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("an ordinary user serves his own mail only")
    monkeypatch.setenv("LOFT_NO_IDMAP", "1")
    d = daemons.Daemon("system", build=HOOKS)
    d.start()
    if "idmap" in d.status()["home"][-1]:
        d.stop()
        pytest.skip("not a build with test hooks")
    yield d
    d.stop()
    shutil.rmtree(d.dir, ignore_errors=True)


def sessions_of(uid):
    out = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            if (os.stat(f"/proc/{p}").st_uid == uid and
                    b"--session" in open(f"/proc/{p}/cmdline", "rb").read()):
                out.append(int(p))
        except OSError:
            pass
    return out


@pytest.mark.parametrize("tls", [False, True])
def test_a_relayed_session_works(daemon, tls):
    c = daemon.client("anna", tls=tls)
    assert len(sessions_of(61001)) == 1
    big = b"Subject: x\r\n\r\n" + b"x" * 76 + b"\r\n"
    big += big[-78:] * 20000
    c.append("INBOX", big)
    c.ok("SELECT INBOX")
    text = b"".join(c.ok("FETCH 1 BODY.PEEK[]"))
    assert big in text
    mail = daemon.dir / "mail/anna/Maildir"
    assert {p.stat().st_uid for p in mail.rglob("*")} == {61001}
    tag = c.idle()
    daemon.client("anna").append("INBOX", b"Subject: y\r\n\r\n")
    while b"2 EXISTS" not in c.response():
        pass
    c.done(tag)
    c.logout()
    wait_for("the session's end", lambda: len(sessions_of(61001)) == 0)
    wait_for("the login in the log", lambda: re.search(
        r"Login: user=<anna>, method=PLAIN, rip=127\.0\.0\.1, "
        r"lip=127\.0\.0\.1, mpid=\d+" + (", TLS, session" if tls else ", secured"),
        daemon.log()))


def test_a_pipeline_in_both_directions_does_not_jam(daemon):
    c = daemon.client("anna")
    c.append("INBOX", b"Subject: x\r\n\r\n" + b"x" * 100000)
    c.ok("SELECT INBOX")
    n = 60
    c.pipeline(["FETCH 1 BODY.PEEK[]"] * n)
    c.ok("NOOP")


def test_a_client_that_leaves_ends_it(daemon):
    c = daemon.client("anna")
    assert len(sessions_of(61001)) == 1
    c.close()
    wait_for("the session's end", lambda: not sessions_of(61001))


def test_kick_and_stop_end_it(daemon):
    c, other = daemon.client("anna"), daemon.client("bert")
    daemon.ctl("kick", "anna")
    assert c.response().startswith(b"* BYE")
    wait_for("the session's end", lambda: not sessions_of(61001))
    other.ok("NOOP")
    daemon.ctl("stop")
    assert other.response().startswith(b"* BYE")
    assert daemon.process.wait(15) == 0
    wait_for("the session's end", lambda: not sessions_of(61002))


def test_a_killed_session_ends_its_connection(daemon):
    c = daemon.client("anna")
    os.kill(sessions_of(61001)[0], 9)
    with pytest.raises(Closed):
        while True:
            c.ok("NOOP")
            time.sleep(0.01)
