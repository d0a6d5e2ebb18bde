"""Postfix and Exim let users authenticate by the auth socket (scripts/mta-root)."""
import base64
import functools
import os
import pathlib
import shutil
import smtplib
import subprocess

import pytest

import server as servers
from server import IS_ROOT, TOP

ROOT = pathlib.Path(os.environ.get("MTA_ROOT", TOP / "build" / "mta"))
POSTFIX = 903		# in that root

SOCKET = """
service auth {
  unix_listener {dir}/mta/auth {
    mode = 0666
  }
}
"""

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
myhostname = example.org
mydestination =
maillog_file = /dev/stdout
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {dir}/mta/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
alias_maps =
"""

MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""

EXIM = """
primary_hostname = example.org
spool_directory = {dir}/spool
log_file_path = {dir}/spool/%slog
tls_advertise_hosts =
auth_advertise_hosts = *
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  accept authenticated = *
  deny message = relay denied
begin authenticators
one:
  driver = dovecot
  public_name = PLAIN
  server_socket = {dir}/mta/auth
  server_set_id = $auth1
two:
  driver = dovecot
  public_name = LOGIN
  server_socket = {dir}/mta/auth
  server_set_id = $auth1
"""


@functools.cache
def why_not():
    """None, or why there are no MTAs here."""
    if not IS_ROOT:
        return "Postfix's master needs to be root"
    r = subprocess.run([TOP / "scripts" / "mta-root", ROOT], text=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, timeout=300)
    return None if r.returncode == 0 else (
        r.stderr.strip().splitlines() or ["mta-root failed"])[-1]


@pytest.fixture
def served():
    if why := why_not():
        pytest.skip(why)
    d = servers.Server(start=False)
    (d.dir / "mta").mkdir()
    d.conf.write_text(d.conf.read_text() + SOCKET.replace("{dir}", str(d.dir)))
    d.start()
    servers.wait_for("the socket", (d.dir / "mta/auth").exists)
    yield d
    d.stop()
    shutil.rmtree(d.dir, ignore_errors=True)


@pytest.fixture
def postfix(served):
    port, conf = servers.free_port(), served.dir / "postfix"
    for name in ("postfix", "data", "queue", "queue/public", "queue/pid"):
        (served.dir / name).mkdir()
    for name in ("active", "defer", "deferred", "bounce", "incoming",
                 "maildrop", "private"):
        (served.dir / "queue" / name).mkdir()
        os.chown(served.dir / "queue" / name, POSTFIX, POSTFIX)
    for name in ("data", "queue/public"):
        os.chown(served.dir / name, POSTFIX, POSTFIX)
    (conf / "main.cf").write_text(MAIN_CF.format(dir=served.dir))
    (conf / "master.cf").write_text(MASTER_CF.format(port=port))
    with open(served.dir / "postfix.log", "wb") as log:
        p = subprocess.Popen([ROOT / "master", "-c", conf, "-d"], stdout=log,
                             stderr=log, stdin=subprocess.DEVNULL)

    def connection():
        try:
            return smtplib.SMTP("127.0.0.1", port, timeout=20)
        except OSError:
            assert p.poll() is None, (served.dir / "postfix.log").read_text()
            return None
    yield servers.wait_for("Postfix", connection)
    p.terminate()
    p.wait(20)


def test_postfix_asks(served, postfix):
    postfix.ehlo()
    assert postfix.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
    with pytest.raises(smtplib.SMTPAuthenticationError):
        postfix.login("anna", "wrong")
    postfix.mail("a@example.org")
    assert postfix.rcpt("b@elsewhere.example")[0] == 554
    postfix.rset()
    assert postfix.login("anna", "secret")[0] == 235
    postfix.mail("a@example.org")
    assert postfix.rcpt("b@elsewhere.example")[0] == 250
    assert "static(anna,127.0.0.1" in served.log()


def test_exim_asks(served):
    (served.dir / "spool").mkdir()
    conf = served.dir / "exim.conf"
    conf.write_text(EXIM.format(dir=served.dir))

    def says(*lines):
        talk = "".join(x + "\r\n" for x in ("EHLO x", *lines, "QUIT"))
        r = subprocess.run([ROOT / "exim4", "-C", conf, "-bh", "192.0.2.7"],
                           input=talk, capture_output=True, text=True,
                           timeout=60)
        return [x[:3] for x in r.stdout.splitlines() if x[3:4] == " "
                and x[:3].isdigit()][2:-1]

    def b64(text):
        return base64.b64encode(text.encode()).decode()
    mail = ("MAIL FROM:<a@example.org>", "RCPT TO:<b@elsewhere.example>")
    assert says("AUTH PLAIN " + b64("\0anna\0secret"), *mail) == [
        "235", "250", "250"]
    assert says("AUTH PLAIN " + b64("\0anna\0wrong"), *mail) == [
        "535", "250", "550"]
    assert says("AUTH LOGIN", b64("bert"), b64("secret"), *mail) == [
        "334", "334", "235", "250", "250"]
