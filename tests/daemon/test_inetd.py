"""
Debian's inetd serves connections through `loftd -i`, beside a daemon that serves the same
accounts: they meet in the state and wake each other.
"""
import pwd
import re
import subprocess

import pytest

import unpacked
from imap import Closed, Imap, Late, search
from server import IS_ROOT, end_with_us, free_port, wait_for

PLAIN, TLS = 0, 1
# inetd starts services as the users that its table names.
AS_ROOT = pytest.mark.parametrize(
    "kind", ["virtual", "system"] if IS_ROOT else [], indirect=True)


@pytest.fixture
def inetd(daemon):
    """(a running daemon, the ports of inetd: plain and TLS from the first byte)"""
    root = unpacked.root("inetd", ["openbsd-inetd"], ["inetd"])
    d = daemon()
    ports = free_port(), free_port()
    conf = d.dir / "inetd-loft.conf"
    conf.write_text(d.conf.read_text()
                    .replace(f"port = {d.port}", f"port = {ports[PLAIN]}")
                    .replace(f"port = {d.tls_port}", f"port = {ports[TLS]}"))
    table = d.dir / "inetd.conf"
    table.write_text("".join(
        f"127.0.0.1:{port} stream tcp nowait {pwd.getpwuid(0).pw_name} "
        f"{d.build}/loftd loftd -i -c {conf}\n" for port in ports))
    p = subprocess.Popen([*unpacked.outside(root, "inetd"), "-i", "-R", "0", table],
                         stdin=subprocess.DEVNULL, preexec_fn=end_with_us)

    def listens():
        assert p.poll() is None, f"inetd ended with {p.returncode}"
        try:
            for i, port in enumerate(ports):
                c = Imap.connect(port, tls=i == TLS)
                c.greet()
                c.logout()
            return True
        except (ConnectionRefusedError, Closed, Late):
            return False
    wait_for("inetd", listens)
    yield d, ports
    p.terminate()
    p.wait(10)


@AS_ROOT
def test_it_logs_in_with_and_without_tls(inetd):
    d, ports = inetd
    tls = Imap.connect(ports[TLS], tls=True).login("anna")
    assert tls.append("INBOX", b"Subject: x\r\n\r\nx\r\n")[0] == "OK"
    tls.logout()
    c = Imap.connect(ports[PLAIN])
    assert b"STARTTLS" in c.greet()
    c.ok("STARTTLS")
    c.start_tls()
    c.login("anna")
    c.ok("SELECT INBOX")
    assert search(c, "ALL") == [1]
    c.logout()
    lines = re.findall(r"Login: user=<anna>, .* rip=127\.0\.0\.1, .*", d.log())
    assert len(lines) == 2 and all(", TLS, " in x for x in lines)
    # Whoever guesses is told apart, and counted by fail2ban, as elsewhere.
    c = Imap.connect(ports[PLAIN])
    c.greet()
    assert c.command("LOGIN anna wrong")[0] == "NO"
    c.close()
    d.wait_log("Disconnected (auth failed, 1 attempts in ")


@AS_ROOT
def test_sessions_of_daemon_and_inetd_wake_each_other(inetd):
    d, ports = inetd
    by = {"daemon": d.client("anna"), "inetd":
          Imap.connect(ports[PLAIN]).login("anna")}
    for c in by.values():
        c.ok("SELECT INBOX")
    there = 0
    for writer, sleeper in (("inetd", "daemon"), ("daemon", "inetd")):
        tag = by[sleeper].idle()
        assert by[writer].append("INBOX", b"Subject: x\r\n\r\nx\r\n")[0] == "OK"
        there += 1
        while b"%d EXISTS" % there not in by[sleeper].response():
            pass
        by[sleeper].done(tag)
        by[writer].ok("NOOP")
    # One expunges, the other may read it until it is told (RFC 2180 4.1.1).
    by["inetd"].ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    by["inetd"].ok("EXPUNGE")
    assert b"Subject: x" in b"".join(by["daemon"].ok("FETCH 1 BODY[HEADER]"))
    assert b"* 1 EXPUNGE" in by["daemon"].ok("NOOP")
    # And what is in use has one policy; who idles hears of it at once.
    by["inetd"].ok("CREATE Shared")
    other = d.client("anna")
    other.ok("SELECT Shared")
    by["daemon"].ok("SELECT Shared")
    by["daemon"].idle()
    by["inetd"].ok("DELETE Shared")
    assert by["daemon"].response(5).startswith(b"* BYE")
    other.start("NOOP")
    assert other.response().startswith(b"* BYE")
    by["inetd"].ok("NOOP")


@pytest.mark.parametrize("kind", ["virtual"] if IS_ROOT else [], indirect=True)
def test_a_reload_or_a_stop_of_the_daemon_is_nothing_to_them(inetd):
    d, ports = inetd
    c = Imap.connect(ports[TLS], tls=True).login("anna")
    c.ok("SELECT INBOX")
    d.ctl("reload")
    d.wait_log("reloaded: pool")
    c.ok("NOOP")
    d.stop()
    assert c.append("INBOX", b"Subject: x\r\n\r\nx\r\n")[0] == "OK"
    assert any(b"1 EXISTS" in x for x in c.ok("NOOP")) or search(c, "ALL") == [1]
    c.logout()
