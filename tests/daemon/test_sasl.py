"""Mechanisms that do not show the password, with real clients: GNU SASL (SCRAM, with
bindings to the TLS channel, CRAM-MD5) and mbsync through Cyrus SASL."""
import base64
import hashlib
import hmac
import os
import secrets
import shutil
import subprocess

import pytest

import daemons
import server as servers
from test_auth_socket import Mta

CLEAR = "pen, cil=1"

CONFIG = """
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 scram-sha-1-plus \
scram-sha-256-plus
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = {dir}/users
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
userdb {
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%u
}
"""

# user: the scheme of his password, the mechanisms that it serves
USERS = {
    "clear": ("PLAIN", {"CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}),
    "scram1": ("SCRAM-SHA-1.b64", {"SCRAM-SHA-1"}),
    "scram256": ("SCRAM-SHA-256", {"SCRAM-SHA-256"}),
    "cram": ("CRAM-MD5", {"CRAM-MD5"}),
    "hashed": ("SHA512-CRYPT", set()),
    "weak": ("PLAIN-MD5", set()),
}


def pw(scheme):
    return subprocess.run(
        [servers.BUILD / "loftctl", "pw", "-s", scheme, "-p", CLEAR], check=True,
        text=True, capture_output=True).stdout.strip()


@pytest.fixture(scope="module")
def served():
    d = daemons.Daemon("virtual" if os.geteuid() == 0 else "ordinary")
    d.conf.write_text(daemons.without_static(d.conf.read_text())
                      + d.fill(CONFIG))
    (d.dir / "users").write_text(
        "".join(f"{u}:{pw(s)}::::::\n" for u, (s, _) in USERS.items()))
    (d.dir / "users").chmod(0o644)
    d.start()
    yield d
    d.stop()
    shutil.rmtree(d.dir, ignore_errors=True)


def gsasl(d, mechanism, user, password=CLEAR, *more):
    if not shutil.which("gsasl"):
        pytest.skip("gsasl is not installed")
    return subprocess.run(
        ["gsasl", "--imap", f"--connect=127.0.0.1:{d.port}", "-m", mechanism,
         "-a", user, "-z", user, "-p", password, "--quality=qop-auth", *more],
        text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=30)


def logins(d, user):
    return [x for x in d.log().splitlines() if f"Login: user=<{user}>" in x]


@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize("user", USERS)
def test_gsasl(served, user, mechanism):
    before = len(logins(served, user))
    good = gsasl(served, mechanism, user, CLEAR, "--no-starttls")
    after = logins(served, user)[before:]
    if mechanism in USERS[user][1]:
        assert good.returncode == 0, good.stdout + good.stderr
        assert len(after) == 1 and f"method={mechanism}," in after[0]
        assert gsasl(served, mechanism, user, "wrong",
                     "--no-starttls").returncode != 0
    else:
        assert good.returncode != 0 and not after


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"])
def test_gsasl_binds_to_the_channel(served, mechanism):
    before = len(logins(served, "clear"))
    p = gsasl(served, mechanism, "clear", CLEAR, "--starttls",
              f"--x509-ca-file={served.dir}/cert.pem")
    assert p.returncode == 0, p.stdout + p.stderr
    assert f"method={mechanism}," in logins(served, "clear")[before:][0]


def test_mbsync(served, tmp_path):
    rc = tmp_path / "rc"
    rc.write_text(f"""\
IMAPAccount loft
Host 127.0.0.1
Port {served.port}
SSLType None
AuthMechs SCRAM-SHA-256
User clear
Pass "{CLEAR}"

IMAPStore far
Account loft

MaildirStore near
Path {tmp_path}/
Inbox {tmp_path}/INBOX

Channel loft
Far :far:
Near :near:
Create Near
SyncState *
""")
    before = len(logins(served, "clear"))
    subprocess.run(["mbsync", "-c", rc, "loft"], check=True, timeout=60,
                   stdin=subprocess.DEVNULL)
    assert "method=SCRAM-SHA-256," in logins(served, "clear")[before:][0]


# ---- what no client does ----

class Scram:
    """SCRAM-SHA-256 of our own; bound: type and data of the channel."""

    def __init__(self, user, gs2="n,,", data=b""):
        self.nonce = secrets.token_urlsafe(12)
        self.bare = f"n={user},r={self.nonce}"
        self.gs2, self.data = gs2, data

    def first(self):
        return (self.gs2 + self.bare).encode()

    def final(self, challenge, password):
        text = challenge.decode()
        nonce, salt, rounds = (x[2:] for x in text.split(","))
        assert nonce.startswith(self.nonce) and len(nonce) > len(self.nonce) + 15
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(),
                                     base64.b64decode(salt), int(rounds))
        key = hmac.digest(salted, b"Client Key", "sha256")
        bound = base64.b64encode(self.gs2.encode() + self.data).decode()
        last = f"c={bound},r={nonce}"
        message = f"{self.bare},{text},{last}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        self.server = b"v=" + base64.b64encode(hmac.digest(
            hmac.digest(salted, b"Server Key", "sha256"), message, "sha256"))
        return f"{last},p={base64.b64encode(proof).decode()}".encode()


def b64(data):
    return base64.b64encode(data).decode()


def exchange(c, mechanism, scram, password):
    """The salt and the last line."""
    c.line(f"s AUTHENTICATE {mechanism} {b64(scram.first())}")
    line = c.response()
    if not line.startswith(b"+ "):
        return None, line
    challenge = base64.b64decode(line[2:])
    c.line(b64(scram.final(challenge, password)))
    line = c.response()
    if line.startswith(b"+ "):
        assert base64.b64decode(line[2:]) == scram.server
        c.line("")
        line = c.response()
    return challenge.split(b",s=")[1], line


def test_nobody_is_told_from_a_wrong_password(served):
    seen = {}
    for user in ("clear", "scram256", "hashed", "nobody", "nobody"):
        salt, line = exchange(served.client(), "SCRAM-SHA-256", Scram(user),
                              "wrong")
        assert line.startswith(b"s NO [AUTHENTICATIONFAILED]")
        assert salt.endswith(b",i=4096") and len(salt) == 24 + 7
        assert seen.setdefault(user, salt) == salt
    assert len(set(seen.values())) == 4


def test_a_channel_that_is_another_is_refused(served):
    c = served.client(tls=True)
    end = c.sock.getpeercert(binary_form=True)
    right = hashlib.sha256(end).digest()
    gs2 = "p=tls-server-end-point,,"
    m = "SCRAM-SHA-256-PLUS"
    for scram, password in ((Scram("clear", gs2, bytes(32)), CLEAR),
                            (Scram("clear", gs2), CLEAR),
                            (Scram("clear", gs2, right), "wrong")):
        assert exchange(served.client(tls=True), m, scram, password)[1].startswith(
            b"s NO [AUTHENTICATIONFAILED]")
    # A client that was made to think that there are no bindings.
    assert exchange(c, "SCRAM-SHA-256", Scram("clear", "y,,"),
                    CLEAR)[1].startswith(b"s NO")
    assert exchange(c, m, Scram("clear", gs2, right), CLEAR)[1].startswith(b"s OK")
    plain = served.client()
    assert exchange(plain, m, Scram("clear", gs2, right), CLEAR)[1].startswith(b"s NO")


def offered(client):
    words = b" ".join(client.ok("CAPABILITY")).decode().split()
    return {w[5:] for w in words if w.startswith("AUTH=")}


def test_what_is_offered_and_when(served):
    plain = {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}
    assert offered(served.client()) == plain
    assert offered(served.client(tls=True)) == plain | {
        "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"}


def test_weak_schemes_wait_for_the_setting(served):
    status, text, _ = served.client().command(f'LOGIN weak "{CLEAR}"')
    assert status == "NO" and text.startswith(b"[UNAVAILABLE]")
    served.wait_log("scheme PLAIN-MD5 is weak and refused")
    served.conf.write_text(served.conf.read_text()
                           + "auth_allow_weak_schemes = yes\n")
    served.ctl("reload")
    servers.wait_for("a login", lambda: served.client().command(
        f'LOGIN weak "{CLEAR}"')[0] == "OK")


def test_an_mta_may_ask_so_too(served):
    m = Mta(served.dir / "run/auth-client")
    lines = m.greet()
    assert "MECH\tSCRAM-SHA-256\tmutual-auth" in lines
    assert not [x for x in lines if "PLUS" in x]
    scram = Scram("scram256")
    m.send(f"AUTH\t7\tSCRAM-SHA-256\tservice=smtp\tresp={b64(scram.first())}")
    challenge = base64.b64decode(m.line().removeprefix("CONT\t7\t"))
    m.send("CONT\t7\t" + b64(scram.final(challenge, CLEAR)))
    assert m.line() == "CONT\t7\t" + b64(scram.server)
    m.send("CONT\t7\t")
    assert m.line() == "OK\t7\tuser=scram256"
    m.send("AUTH\t8\tCRAM-MD5\tservice=smtp")
    challenge = base64.b64decode(m.line().removeprefix("CONT\t8\t"))
    answer = hmac.new(CLEAR.encode(), challenge, "md5").hexdigest()
    m.send("CONT\t8\t" + b64(f"cram {answer}".encode()))
    assert m.line() == "OK\t8\tuser=cram"
