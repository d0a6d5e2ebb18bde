"""
A private Dovecot to compare with: Dovecot() starts one on free loopback ports over
a folder of Maildirs, in the scratch root that scripts/dovecot-root makes. Tests that
need it call need() first, which skips them with the reason where it cannot be had.
"""
import functools
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

from imap import Imap
from maildirs import Maildir
from server import BUILD, IS_ROOT, MAIL_UID, TOP, mail_owner, scratch, wait_for

ROOT = pathlib.Path(os.environ.get("DOVECOT_ROOT", TOP / "build" / "dovecot"))
SCRIPT = TOP / "tests" / "bench" / "dovecot.sh"


@functools.cache
def why_not():
    """None, or why there is no Dovecot here."""
    r = subprocess.run([TOP / "scripts" / "dovecot-root", ROOT], text=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, timeout=600)
    if r.returncode == 0:
        return None
    return (r.stderr.strip().splitlines() or ["dovecot-root failed"])[-1]


def need():
    if why := why_not():
        pytest.skip(why)


def free_ports():
    """A port whose successor is free too."""
    while True:
        with socket.socket() as a, socket.socket() as b:
            a.bind(("127.0.0.1", 0))
            port = a.getsockname()[1]
            try:
                b.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue


class Dovecot:
    """
    mailroot: folder of homes (each with its Maildir), made when not given. extra:
    lines for the end of the configuration. Users u0001 ..., password "secret".
    """

    def __init__(self, mailroot=None, extra="", users=20):
        self.dir = scratch()
        self.port = free_ports()
        self.tls_port = self.port + 1
        self.mailroot = pathlib.Path(mailroot or self.dir / "mail")
        self.env = {**os.environ, "DOVECOT_ROOT": str(ROOT), "EXTRA": extra,
                    "NUSERS": str(users)}
        self.mailroot.mkdir(exist_ok=True)
        if IS_ROOT:
            os.chown(self.mailroot, MAIL_UID, MAIL_UID)
        self.conf = self.dir / "dovecot.conf"
        self.pid = int(self.script("start"))

    def script(self, verb):
        r = subprocess.run([SCRIPT, verb, self.dir, str(self.port),
                            self.mailroot], env=self.env, timeout=60, text=True,
                           stdin=subprocess.DEVNULL, capture_output=True)
        if r.returncode != 0:
            raise AssertionError(f"dovecot.sh {verb}: {r.stderr}{self.log()}")
        return r.stdout.strip()

    def doveadm(self, *words):
        """Its output. Needs the server (the users are asked of it)."""
        return subprocess.run([ROOT / "doveadm", "-c", self.conf, *words],
                              check=True, capture_output=True, text=True,
                              timeout=60).stdout

    def log(self):
        path = self.dir / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def complaints(self):
        """Lines of the log that are no Info."""
        return [x for x in self.log().splitlines() if " Info: " not in x]

    def maildir(self, user="u0001"):
        home = self.mailroot / user
        home.mkdir(exist_ok=True)
        if IS_ROOT:
            os.chown(home, MAIL_UID, MAIL_UID)
        return Maildir(home / "Maildir", mail_owner())

    def client(self, user="u0001", folder=None, tls=False):
        c = Imap.connect(self.tls_port if tls else self.port, tls=tls)
        c.login(user)
        if folder:
            c.ok(f'SELECT "{folder}"')
        return c

    def sessions_over(self):
        """Waits until no imap process of this server is left with a mailbox."""
        def none_left():
            kids = subprocess.run(["ps", "-o", "args=", "--ppid",
                                   str(self.pid)], text=True,
                                  capture_output=True).stdout
            return not any(k.endswith("/imap") for k in kids.split())
        wait_for("the end of Dovecot's sessions", none_left)

    def stop(self):
        self.script("stop")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        if "LOFT_TEST_KEEP" not in os.environ:
            shutil.rmtree(self.dir, ignore_errors=True)


class Loft:
    """Our server on the configuration of a Dovecot that does not run."""

    def __init__(self, d):
        self.d = d
        self.err = open(d.dir / "loft.stderr", "ab")
        self.process = subprocess.Popen(
            [BUILD / "loftd", "-F", "-c", d.conf], stdin=subprocess.DEVNULL,
            stdout=self.err, stderr=self.err, start_new_session=True)

        def answers():
            assert self.process.poll() is None, \
                (d.dir / "loft.stderr").read_text() + d.log()
            try:
                Imap.connect(d.port, timeout=5).greet()
                return True
            except OSError:
                return False
        wait_for("Loft's greeting", answers)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0
        self.err.close()
