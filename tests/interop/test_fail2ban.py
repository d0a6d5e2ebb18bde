"""
Debian's fail2ban reads our log: every failed login is found with its address, no
successful one, and nobody can have somebody else's address banned.
"""
import base64
import functools
import itertools
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

import server as servers
from imap import Closed, Imap
from server import TOP

ROOT = pathlib.Path(os.environ.get("FAIL2BAN_ROOT",
                                   TOP / "build" / "fail2ban"))
PACKAGES = ["fail2ban", "python3", "python3-minimal", "python3.11",
            "python3.11-minimal", "libpython3.11-minimal",
            "libpython3.11-stdlib"]

USERS = """
auth_username_chars =
auth_username_format =
"""


@functools.cache
def why_not():
    """None, or why there is no fail2ban here."""
    r = subprocess.run([TOP / "scripts" / "scratch-root", ROOT, *PACKAGES,
                        "--", "fail2ban-regex"], text=True, timeout=600,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)
    if r.returncode == 0:
        return None
    return (r.stderr.strip().splitlines() or ["scratch-root failed"])[-1]


def found(log, mode="normal"):
    """[(address, line)] of what its filter for dovecot finds."""
    r = subprocess.run(
        [ROOT / "fail2ban-regex", "-o", "<ip>\t<matches>", log,
         f"/etc/fail2ban/filter.d/dovecot.conf[mode={mode}]"],
        capture_output=True, text=True, timeout=60)
    assert r.returncode in (0, 1), r.stdout + r.stderr
    return [tuple(x.split("\t", 1)) for x in r.stdout.splitlines()
            if "\t" in x]


@pytest.fixture(scope="module")
def server():
    if why := why_not():
        pytest.skip(why)
    head, rest = servers.BASIC.split("passdb {{", 1)
    rest = rest.split("userdb {{", 1)[1]
    s = servers.Server(config=(head + """
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
userdb {{""" + rest).replace("{{", "{").replace("}}", "}"), extra=USERS,
                       start=False)
    (s.dir / "users").write_text("anna:{PLAIN}secret\n"
                                 "far:{PLAIN}secret::::::"
                                 "allow_nets=192.0.2.0/24\n")
    s.start()
    s.maildir("anna")
    yield s
    s.stop()
    shutil.rmtree(s.dir)


def from_address(server, address):
    c = Imap(socket.create_connection(("127.0.0.1", server.port), timeout=20,
                                      source_address=(address, 0)))
    c.greet()
    return c


def plain(user, password):
    return "AUTHENTICATE PLAIN " + base64.b64encode(
        f"\0{user}\0{password}".encode()).decode()


FAILURES = [
    "LOGIN anna wrong", plain("anna", "wrong"), "LOGIN nobody secret",
    "LOGIN far secret",		# from an address that may not
    'LOGIN "a b@c d>, (x)" secret',
]

FORGED = [
    "x,6.6.6.6): Unknown user",
    "x>, method=PLAIN, rip=6.6.6.6, session=<a",
    "x,6.6.6.6): pam_authenticate() failed: Permission denied",
    "x\nauth: static(x,6.6.6.6): Password mismatch",
    "Disconnected (auth failed, 1 attempts): user=<x>, rip=6.6.6.6",
]


def fail(client, command):
    assert client.command(command)[0] == "NO"
    client.close()


def give_name(client, name):
    """The name as a literal: it may hold anything but NUL."""
    client.send(b"a LOGIN {%d+}\r\n%s {5+}\r\nwrong\r\n" %
                (len(name), name.encode()))
    while not client.read_line(time.monotonic() + 20).startswith(b"a "):
        pass
    client.close()


def succeed(server):
    """Sessions that are in order, with words that might be mistaken."""
    for tls in (False, True):
        c = server.client("anna", tls=tls)
        c.ok("SELECT INBOX")
        c.logout()
    c = server.client("anna")
    c.ok('ID ("name" "Disconnected (auth failed, 9 attempts): '
         'user=<x>, method=PLAIN, rip=6.6.6.6" "version" "1")')
    c.command('SELECT "x (auth failed, 3 attempts): rip=6.6.6.6"')
    c.abort()
    server.client().close()		# only looked
    server.client().logout()


def fail_often(client):
    try:
        for i in range(3):
            client.command(f"LOGIN anna wrong{i}")
    except Closed:
        pass
    client.close()


def test_every_failed_login_is_found_and_nobody_else_is(server):
    addresses = (f"127.0.0.{n}" for n in itertools.count(10))
    bad = {}
    for command in FAILURES:
        fail(from_address(server, a := next(addresses)), command)
        bad[a] = 1
    for name in FORGED:
        give_name(from_address(server, a := next(addresses)), name)
        bad[a] = 1
    fail_often(from_address(server, a := next(addresses)))
    bad[a] = 3
    succeed(server)
    for address in bad:
        server.wait_log(re.compile(
            rf"auth failed, \d attempts.*rip={re.escape(address)},"))
    server.wait_log(re.compile(r"Connection closed .*in=\d"))
    server.wait_log(re.compile(r"Aborted login \(no auth attempts"))
    assert server.log().count("imap-login: Info: Login: user=<anna>") == 3

    for mode in ("normal", "aggressive"):
        hits = found(server.dir / "log", mode)
        assert {a for a, _ in hits} - {"127.0.0.1"} == set(bad), mode
        for address, n in bad.items():
            lines = [line for a, line in hits if a == address]
            assert sum(f"auth failed, {n} attempts" in x for x in lines) == 1
        # the rest are connections without a login, where those are asked for
        for address, line in hits:
            assert address in bad or (mode == "aggressive" and
                                      "no auth attempts" in line), line
