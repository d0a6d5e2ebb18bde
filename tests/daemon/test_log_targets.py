"""Where log lines go: a file, stderr, syslog, and journald that started us."""
import os
import re
import shutil
import socket
import subprocess

import pytest

import server as servers
from server import IS_ROOT

LINES = {"master": r"master: (?:Info: )?Loft \S+ starting up",
         "login": r"imap-login: (?:Info: )?Login: user=<anna>, method=PLAIN, "
                  r"rip=127.0.0.1, lip=127.0.0.1, mpid=\d+, secured, session=<\S+>",
         "logout": r"imap\(anna\)<\d+><\S+>: (?:Info: )?Disconnected: Logged out in=",
         "auth": r"auth: (?:Info: )?static\(anna,127.0.0.1,<\S+>\): Password mismatch"}


class Collected(servers.Server):
    """Its log comes in over a socket, or its stderr."""

    def run(self, argv, stderr, env=None):
        self.stderr = open(os.devnull)
        self.process = subprocess.Popen(
            [*argv, self.build / "loftd", "-F", "-c", self.conf],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
            env={**os.environ, **(env or {})}, start_new_session=True,
            preexec_fn=servers.end_with_us)


@pytest.fixture
def server():
    made = []

    def make(log_path):
        made.append(Collected(extra=f"log_path = {log_path}\n", start=False))
        made[-1].maildir("anna")
        return made[-1]
    yield make
    for s in made:
        s.stop()
        shutil.rmtree(s.dir)


def play(server):
    c = servers.wait_for("the greeting", lambda: try_connect(server))
    assert c.command("LOGIN anna wrong")[0] == "NO"
    c.login("anna")
    c.logout()


def try_connect(server):
    try:
        return server.client()
    except OSError:
        return None


def collect(sock, wanted):
    """Reads until every pattern was there; what was read, in its pieces."""
    pieces = []
    sock.settimeout(20)
    while not all(re.search(p, "".join(pieces)) for p in wanted):
        pieces.append(sock.recv(65536).decode())
        assert pieces[-1] != "", "the log ended"
    return pieces


@pytest.mark.parametrize("kind", ["file", "stderr"])
def test_files_and_stderr_get_lines_with_dates(server, kind):
    s = server("{dir}/log" if kind == "file" else "/dev/stderr")
    with open(s.dir / "stderr", "ab") as err:
        s.run([], err)
    play(s)
    path = s.dir / ("log" if kind == "file" else "stderr")
    servers.wait_for("the lines", lambda: all(
        re.search(p, path.read_text()) for p in LINES.values()))
    for pattern in LINES.values():
        assert re.search(r"^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d " +
                         pattern.replace("(?:Info: )?", "Info: "),
                         path.read_text(), re.M), pattern


def test_journald_gets_priorities_instead_of_dates(server):
    s = server("/dev/stderr")
    ours, theirs = socket.socketpair()
    st = os.fstat(theirs.fileno())
    s.run([], theirs, {"JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"})
    theirs.close()
    play(s)
    lines = "".join(collect(ours, LINES.values())).splitlines()
    assert all(re.match(r"<[0-7]>", x) for x in lines), lines
    for pattern in LINES.values():
        pattern = "<6>" + pattern.replace("(?:Info: )?", "")
        assert any(re.match(pattern, x) for x in lines), pattern


def test_what_is_not_journalds_stream_gets_dates(server):
    s = server("/dev/stderr")
    ours, theirs = socket.socketpair()
    s.run([], theirs, {"JOURNAL_STREAM": "1:2"})
    theirs.close()
    assert re.match(r"[A-Z][a-z]{2} \d\d ", collect(
        ours, [LINES["master"]])[0])


# A /dev of our own with a stand-in for syslogd.
OWN_DEV = """
mount -t tmpfs none "$0/dev"
cp -a /dev/null /dev/zero /dev/random /dev/urandom "$0/dev"
ln -s "$0/syslog" "$0/dev/log"
mount --bind "$0/dev" /dev
exec "$@"
"""


@pytest.mark.skipif(not IS_ROOT, reason="needs a /dev of its own")
def test_syslog_gets_facility_tag_and_priority(server):
    s = server("syslog")
    (s.dir / "dev").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(s.dir / "syslog"))
        (s.dir / "syslog").chmod(0o666)
        s.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec",
               OWN_DEV, s.dir], None)
        play(s)
        datagrams = collect(ours, LINES.values())
    for pattern in LINES.values():
        shape = (r"<22>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d dovecot: " +
                 pattern.replace("(?:Info: )?", ""))
        assert any(re.match(shape, d) for d in datagrams), pattern
