"""
Under systemd: what it is told, the sockets that it hands down, and what its unit file
takes away from the processes.
"""
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import daemons
import unpacked
from imap import Imap
from server import BUILD, IS_ROOT, TOP, free_port, wait_for

# Nothing here depends on who the workers are.
ONE = pytest.mark.parametrize("kind", daemons.kinds()[:1], indirect=True)


class Listener:
    """In systemd's place: the socket of NOTIFY_SOCKET."""

    def __init__(self, name):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(name)
        if not name.startswith("\0"):
            os.chmod(name, 0o666)
        self.env = name.replace("\0", "@")

    def next(self, timeout=15):
        """The next datagram, as a dictionary."""
        self.sock.settimeout(timeout)
        text = self.sock.recv(4096).decode()
        return dict(line.split("=", 1) for line in text.split("\n"))

    def until(self, name):
        while name not in (heard := self.next()):
            pass
        return heard


@pytest.fixture
def notify(request, daemon, monkeypatch):
    """(a daemon that is not started, what it tells)"""
    d = daemon(start=False)
    name = getattr(request, "param", "{}/notify").format(d.dir / "run")
    heard = Listener(name)
    monkeypatch.setenv("NOTIFY_SOCKET", heard.env)
    yield d, heard
    heard.sock.close()


@ONE
def test_ready_reload_and_stop_are_told(notify):
    d, heard = notify
    d.start()
    assert heard.next() == {"READY": "1", "MAINPID": str(d.process.pid),
                            "STATUS": "Serving"}
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    d.process.send_signal(signal.SIGHUP)
    reloading = heard.next()
    assert reloading["RELOADING"] == "1"
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert before <= int(reloading["MONOTONIC_USEC"]) <= after
    assert heard.next()["STATUS"] == "Serving; reloaded"
    # One that fails at once, and one whose pool does not start.
    good = d.conf.read_text()
    for bad in "mail_location = mdbox:~/mdbox\n", "ssl_cert = nonsense\n":
        d.conf.write_text(good + bad)
        d.process.send_signal(signal.SIGHUP)
        assert heard.next()["RELOADING"] == "1"
        again = heard.next()
        assert again["READY"] == "1" and "failed" in again["STATUS"]
    d.client("anna").ok("NOOP")
    d.process.send_signal(signal.SIGTERM)
    assert heard.next()["STOPPING"] == "1"
    assert d.process.wait(15) == 0


@ONE
@pytest.mark.parametrize("notify", ["\0{}"], indirect=True)
def test_the_watchdog_hears_of_a_master_that_runs(notify, monkeypatch):
    d, heard = notify
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    d.start()
    begin = time.monotonic()
    for _ in range(5):
        assert heard.until("WATCHDOG") == {"WATCHDOG": "1"}
    assert time.monotonic() - begin < 5
    # Of one that does not run it hears nothing.
    os.kill(d.process.pid, signal.SIGSTOP)
    try:
        wait_for("the stop", lambda: open(
            f"/proc/{d.process.pid}/stat").read().split()[2] == "T")
        heard.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                heard.sock.recv(4096)
        with pytest.raises(TimeoutError):
            heard.next(0.5)
    finally:
        os.kill(d.process.pid, signal.SIGCONT)
    heard.until("WATCHDOG")


@ONE
def test_a_watchdog_that_is_another_process_is_not_told(notify, monkeypatch):
    d, heard = notify
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    d.start()
    assert heard.next()["READY"] == "1"
    d.client("anna").ok("NOOP")
    d.process.send_signal(signal.SIGTERM)
    assert heard.next()["STOPPING"] == "1"


# ---- sockets ----

def activate(d, addresses, config):
    """loftd as systemd starts it: by the first connection, with these sockets."""
    d.conf.write_text(d.conf.read_text() + config)
    words = [w for a in addresses for w in ("-l", str(a))]
    d.prefix = unpacked.here_or_outside(
        "systemd", "systemd", "systemd-socket-activate") + words
    d.start()


def greeting(port, host="127.0.0.1", tls=False):
    c = Imap.connect(port, host=host, tls=tls)
    try:
        return c.greet()
    finally:
        c.close()


def inode(port, address="0100007F"):
    """Of the socket that listens there, from /proc/net."""
    for table in "/proc/net/tcp", "/proc/net/tcp6":
        for row in open(table).read().splitlines()[1:]:
            words = row.split()
            if words[1].endswith(f":{port:04X}") and words[3] == "0A":
                return words[9]
    return None


@ONE
def test_sockets_are_found_by_address_not_by_order(daemon):
    d = daemon(start=False)
    other = free_port()
    activate(d, [f"127.0.0.1:{other}", f"127.0.0.1:{d.tls_port}",
                 f"127.0.0.1:{d.port}"], "")
    assert b"OK" in greeting(d.port)
    assert b"OK" in greeting(d.tls_port, tls=True)
    d.wait_log(f"127.0.0.1:{other}, a socket of systemd, is in no "
               "inet_listener: closed")
    with pytest.raises(ConnectionRefusedError):
        greeting(other)
    # They stay over a reload, and who is there stays, too.
    before, c = inode(d.port), d.client("anna")
    d.ctl("reload")
    d.wait_log("reloaded: pool")
    assert inode(d.port) == before
    assert b"OK" in greeting(d.tls_port, tls=True)
    c.ok("NOOP")


@ONE
def test_a_bare_port_of_systemd_is_both_wildcards(daemon):
    d = daemon(start=False)
    activate(d, [d.tls_port, d.port], "listen = *, ::\n")
    for host in "127.0.0.1", "::1":
        assert b"OK" in greeting(d.port, host)
        assert b"OK" in greeting(d.tls_port, host, tls=True)
    assert "cannot listen" not in d.log() + d.errors()
    before = inode(d.port)
    d.ctl("reload")
    d.wait_log("reloaded: pool")
    assert inode(d.port) == before
    assert b"OK" in greeting(d.port)


@ONE
def test_what_is_no_listening_socket_is_not_used(daemon):
    d = daemon(start=False)
    d.prefix = ["/bin/sh", "-c", "LISTEN_FDS=2 LISTEN_PID=$$ exec \"$@\" "
                "3</dev/null 4</dev/null", "sh"]
    d.start()
    assert b"OK" in greeting(d.port)
    for fd in 3, 4:
        assert f"descriptor {fd} of systemd is no listening TCP" in d.errors()


# ---- the unit file ----

def unit():
    return (TOP / "daemon/loft.service").read_text()


def test_the_units_are_what_systemd_understands(tmp_path):
    analyze = unpacked.here_or_outside("systemd", "systemd", "systemd-analyze")
    subprocess.run(["make", "-s", "-C", TOP, "install-systemd", f"B={BUILD}",
                    f"DESTDIR={tmp_path}", "unitdir=/units",
                    f"sbindir={BUILD}"], check=True)
    for name in "loft.service", "loft.socket":
        r = subprocess.run([*analyze, "verify", "--man=no", "--recursive-errors=no",
                            tmp_path / "units" / name], text=True,
                           capture_output=True)
        assert not re.search(r"loft\.(service|socket):", r.stderr), r.stderr
        assert r.returncode == 0


@pytest.mark.parametrize("kind", ["system"] if IS_ROOT else [], indirect=True)
def test_the_rights_of_the_unit_are_enough(daemon, kind):
    """Mounts, mapped ids, empty roots, seccomp: with its capabilities only."""
    words = re.search(r"^CapabilityBoundingSet=(.*)$", unit(), re.M)[1].split()
    assert "NoNewPrivileges=yes" in unit()
    d = daemon(start=False)
    d.prefix = ["setpriv", "--no-new-privs", "--bounding-set",
                ",".join(["-all"] + ["+" + w[4:].lower() for w in words])]
    without = daemon()
    d.start()
    c = d.client("anna", tls=True)
    c.ok("SELECT INBOX")
    for role in "auth", "home", "notify", "workers":
        assert d.status()[role][-1] == without.status()[role][-1]
    owners = {p.stat().st_uid for p in (d.dir / "mail/anna").rglob("*")}
    assert owners == {61001}
    d.ctl("reload")
    d.wait_log("reloaded: pool")
    d.client("bert").ok("NOOP")
