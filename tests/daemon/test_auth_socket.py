"""The auth socket for MTAs: Dovecot's auth protocol, as a client speaks it."""
import base64
import os
import signal
import socket
import stat

import pytest

from server import wait_for

SOCKET = """
service auth {
  unix_listener {dir}/mta/auth {
    mode = 0660
  }
  unix_listener auth-client {
    mode = 0600
  }
  unix_listener auth-userdb {
    mode = 0600
  }
}
"""
TIMEOUT = 20


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


class Mta:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(TIMEOUT)
        self.s.connect(str(path))
        self.f = self.s.makefile("rb")

    def line(self):
        return self.f.readline().decode().rstrip("\n")

    def greet(self):
        lines = []
        while not lines or lines[-1] != "DONE":
            lines.append(self.line())
            assert lines[-1], lines
        self.send("VERSION\t1\t2", f"CPID\t{os.getpid()}")
        return lines

    def send(self, *lines):
        self.s.sendall("".join(x + "\n" for x in lines).encode())

    def ask(self, number, user, password, extra="secured"):
        self.send(f"AUTH\t{number}\tPLAIN\tservice=smtp\t{extra}\t"
                  f"rip=192.0.2.9\tresp={plain(user, password)}")
        return self.line()


@pytest.fixture
def served(daemon):
    d = daemon(start=False)
    (d.dir / "mta").mkdir()
    if d.kind == "ordinary" and os.geteuid() == 0:
        uid = (d.dir / "run").stat().st_uid
        os.chown(d.dir / "mta", uid, uid)
    d.conf.write_text(d.conf.read_text() + SOCKET.replace("{dir}", str(d.dir)))
    d.start()
    d.socket = d.dir / "mta/auth"
    wait_for("the socket", lambda: d.socket.exists())
    return d


def test_what_an_mta_asks_and_hears(served):
    m = Mta(served.socket)
    lines = m.greet()
    assert lines[0] == "VERSION\t1\t2"
    assert "MECH\tPLAIN\tplaintext" in lines
    assert [x.split("\t")[0] for x in lines if not x.startswith("MECH")] == [
        "VERSION", "SPID", "CUID", "COOKIE", "DONE"]
    assert m.ask(1, "anna", "secret") == "OK\t1\tuser=anna"
    assert m.ask(2, "anna", "wrong") == "FAIL\t2\tuser=anna"
    # Nothing was opened for it, and it counts as no session.
    assert served.who() == []
    assert not (served.dir / "mail/anna/Maildir").exists()
    m.send("AUTH\t3\tLOGIN\tservice=smtp")
    assert m.line() == "CONT\t3\tVXNlcm5hbWU6"
    m.send("CONT\t3\t" + base64.b64encode(b"bert").decode())
    assert m.line() == "CONT\t3\tUGFzc3dvcmQ6"
    m.send("CONT\t3\t" + base64.b64encode(b"secret").decode())
    assert m.line() == "OK\t3\tuser=bert"
    m.send("AUTH\t4\tLOGIN\tservice=smtp")
    assert m.line().startswith("CONT\t4\t")
    m.send("CANCEL\t4")
    assert m.line() == "FAIL\t4"
    m.send("AUTH\t5\tSCRAM-X\tservice=smtp\tresp=")
    assert m.line() == "FAIL\t5"
    m.send("FUTURE\t1\tx")
    assert m.ask(6, "anna", "secret") == "OK\t6\tuser=anna"


def test_many_at_once_and_in_any_order(served):
    clients = [Mta(served.socket) for _ in range(50)]
    for m in clients:
        m.greet()
    for k, m in enumerate(clients):
        for n in range(10):
            m.send(f"AUTH\t{n}\tPLAIN\tservice=smtp\tresp="
                   + plain("anna", "secret" if (n + k) % 2 else "wrong"))
    for k, m in enumerate(clients):
        got = {x[1]: x[0] for x in (m.line().split("\t") for _ in range(10))}
        assert got == {str(n): "OK" if (n + k) % 2 else "FAIL"
                       for n in range(10)}


GARBAGE = [
    b"GET / HTTP/1.0\r\n\r\n", b"AUTH\t1\tPLAIN\n", b"VERSION\t2\t0\n",
    b"VERSION\t1\t2\nAUTH\tx\tPLAIN\n", b"VERSION\t1\t2\nCONT\t9\teA==\n",
    b"VERSION\t1\t2\nAUTH\t1\t\n", b"VERSION\t1\t2\nAUTH\t1\tPLAIN\tresp=!\n",
    b"VERSION\t1\t2\n" + b"x" * 20000,
    b"VERSION\t1\t2\nAUTH\t1\tLOGIN\nAUTH\t1\tLOGIN\n", b"\0" * 100 + b"\n"]


def test_garbage_ends_that_connection_only(served):
    good = Mta(served.socket)
    good.greet()
    for n, garbage in enumerate(GARBAGE, 1):
        bad = Mta(served.socket)
        while bad.line() != "DONE":
            pass
        try:
            bad.s.sendall(garbage)
            while bad.line():
                pass
        except ConnectionError:
            pass
        assert good.ask(n, "anna", "secret") == f"OK\t{n}\tuser=anna"
        wait_for("a word about it", lambda: served.log().count(
            "a client of the auth socket sent what makes no sense") == n)


def test_one_that_does_not_read_or_leaves_hurts_nobody(served):
    deaf = Mta(served.socket)
    deaf.greet()
    line = f"AUTH\t1\tPLAIN\tresp={plain('anna', 'secret')}\n".encode()
    deaf.s.settimeout(0.2)
    try:
        for n in range(20000):
            deaf.s.sendall(line.replace(b"\t1\t", b"\t%d\t" % n))
    except OSError:
        pass
    gone = Mta(served.socket)
    gone.greet()
    gone.send(f"AUTH\t1\tPLAIN\tresp={plain('anna', 'wrong')}")
    gone.f.close()
    gone.s.close()
    m = Mta(served.socket)
    m.greet()
    assert m.ask(1, "bert", "secret") == "OK\t1\tuser=bert"


def test_the_sockets_stay_and_come_again(served):
    m = Mta(served.socket)
    m.greet()
    inode = served.socket.stat().st_ino
    mode = served.socket.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
    assert (served.dir / "run/auth-client").exists()
    assert not (served.dir / "run/auth-userdb").exists()
    served.ctl("reload")
    served.wait_log("reloaded")
    assert m.ask(1, "anna", "secret") == "OK\t1\tuser=anna"
    assert served.socket.stat().st_ino == inode
    os.kill(served.pid("auth"), signal.SIGKILL)
    assert m.line() == ""

    def answers():
        try:
            again = Mta(served.socket)
            again.greet()
            return again.ask(1, "anna", "secret") == "OK\t1\tuser=anna"
        except (OSError, AssertionError):
            return False
    wait_for("the new auth", answers)
    served.conf.write_text(served.conf.read_text().replace(
        "mode = 0660", "mode = 0"))
    served.ctl("reload")
    wait_for("the socket to go", lambda: not served.socket.exists())
    served.stop()
    assert not (served.dir / "run/auth-client").exists()
