"""
Behind a proxy: Debian's HAProxy with both versions of the PROXY protocol, and web mail
that says in ID for whom it speaks. The log and auth see the client, not the proxy.
"""
import socket
import subprocess

import pytest

import daemons
import unpacked
from imap import Closed, Imap, Refused
from server import end_with_us, free_port, wait_for

pytestmark = pytest.mark.parametrize("kind", daemons.kinds()[:1], indirect=True)
CLIENT = "127.0.0.9"
V2 = b"\r\n\r\n\0\r\nQUIT\n"

LISTENERS = """
haproxy_trusted_networks = 127.0.0.1, 192.0.2.0/24
haproxy_timeout = 500 ms
service imap-login {{
  inet_listener proxied {{
    port = {plain}
    haproxy = yes
  }}
  inet_listener proxieds {{
    port = {tls}
    ssl = yes
    haproxy = yes
  }}
}}
"""

HAPROXY = """
defaults
  mode tcp
  timeout connect 10s
  timeout client 20s
  timeout server 20s
listen v1
  bind 127.0.0.1:{v1}
  server loft 127.0.0.1:{plain} send-proxy
listen v2
  bind 127.0.0.1:{v2}
  server loft 127.0.0.1:{tls} send-proxy-v2
listen offload
  bind 127.0.0.1:{offload} ssl crt {dir}/both.pem
  server loft 127.0.0.1:{plain} send-proxy-v2-ssl check
"""


def connect(port, source=CLIENT, tls=False):
    c = Imap(socket.create_connection(("127.0.0.1", port), 20, (source, 0)))
    if tls:
        c.start_tls()
    return c


@pytest.fixture
def proxied(daemon):
    """(a daemon, its ports that want a header)"""
    port = {"plain": free_port(), "tls": free_port()}
    return daemon(LISTENERS.format(**port)), port


@pytest.fixture
def haproxy(proxied):
    """(a daemon, HAProxy's ports)"""
    d, port = proxied
    root = unpacked.root("haproxy", ["haproxy"], ["haproxy"])
    port |= {name: free_port() for name in ("v1", "v2", "offload")}
    (d.dir / "both.pem").write_text(
        (d.dir / "cert.pem").read_text() + (d.dir / "key.pem").read_text())
    conf = d.dir / "haproxy.cfg"
    conf.write_text(HAPROXY.format(dir=d.dir, **port))
    p = subprocess.Popen([root / "haproxy", "-db", "-f", conf],
                         stdin=subprocess.DEVNULL, stderr=d.stderr,
                         stdout=d.stderr, preexec_fn=end_with_us)

    def listens():
        assert p.poll() is None, d.errors()
        try:
            connect(port["v1"]).greet()
            return True
        except (OSError, Closed):
            return False
    wait_for("HAProxy", listens)
    yield d, port
    p.terminate()
    p.wait(10)


def test_the_client_is_seen_through_haproxy(haproxy):
    d, port = haproxy
    ways = {"v1": False, "v2": True, "offload": True}
    for user, (way, tls) in zip(("anna", "bert", "carl"), ways.items()):
        c = connect(port[way], tls=tls)
        assert (b"STARTTLS" in c.greet()) == (not tls)
        with pytest.raises(Refused):
            c.ok(f"LOGIN {user} wrong")
        d.wait_log(f"({user},{CLIENT},<")
        c.login(user)
        assert (user, CLIENT) in [w[:2] for w in d.who()]
        line = next(x for x in d.log().splitlines()
                    if f"Login: user=<{user}>" in x)
        assert f"rip={CLIENT}, lip=127.0.0.1" in line
        assert (", TLS," in line) == tls
        c.ok("SELECT INBOX")
        c.ok("LOGOUT")


def test_only_trusted_proxies_with_a_header_are_let_in(proxied):
    d, port = proxied
    header = b"PROXY TCP4 198.51.100.7 203.0.113.1 4000 143\r\n"
    c = connect(port["plain"])
    c.send(header)
    assert c.is_closed()
    d.wait_log(f"{CLIENT} is not in haproxy_trusted_networks: disconnected")
    for wrong in (b"a1 LOGIN anna secret\r\n", V2 + b"\x31\x11\0\x0c" + bytes(12),
                  V2 + b"\x21\x11\0\x04" + bytes(4), V2 + b"\x21\x11\xff\xff",
                  b"PROXY TCP4 198.51.100.7 x 1 2\r\n", b"PROXY " + b"x" * 200):
        c = connect(port["plain"], "127.0.0.1")
        c.send(wrong)
        assert c.is_closed(), wrong
    assert d.log().count("what it sent is no PROXY header") == 6
    c = connect(port["plain"], "127.0.0.1")
    c.send(header[:20])
    assert c.is_closed()
    d.wait_log("its PROXY header did not come within haproxy_timeout")
    # Bit by bit, and with all that follows in one go.
    c = connect(port["plain"], "127.0.0.1")
    for i in range(len(header)):
        c.send(header[i:i + 1])
    assert b"OK" in c.greet()
    c = connect(port["plain"], "127.0.0.1")
    body = bytes([198, 51, 100, 7, 203, 0, 113, 1]) + b"\x0f\xa0\0\x8f"
    c.send(V2 + b"\x21\x11\0" + bytes([len(body)]) + body + b"a NOOP\r\n")
    c.greet()
    assert c.response().startswith(b"a OK")
    # A health check speaks for itself.
    c = connect(port["plain"], "127.0.0.1")
    c.send(V2 + b"\x20\0\0\0")
    assert b"OK" in c.greet()


def test_no_header_is_taken_where_none_is_due(daemon):
    d = daemon()
    c = Imap.connect(d.port)
    c.greet()
    c.send(b"PROXY TCP4 198.51.100.7 203.0.113.1 4000 143\r\n")
    assert c.response().startswith(b"PROXY BAD")
    c.login("anna")
    d.wait_log("user=<anna>, method=PLAIN, rip=127.0.0.1")


def test_web_mail_that_is_trusted_says_where_its_user_is(daemon):
    d = daemon("login_trusted_networks = 127.0.0.1\n"
               "disable_plaintext_auth = yes\n")
    words = ('ID ("name" "Roundcube" "x-originating-ip" "198.51.100.7" '
             '"x-originating-port" "4000" "x-connected-ip" "203.0.113.1" '
             '"x-session-id" "abc/def+1" "x-proxy-ttl" "4" '
             '"x-forward-thing" "x")')
    c = connect(d.port, "127.0.0.1")
    c.greet()
    c.ok(words)
    with pytest.raises(Refused):
        c.ok("LOGIN anna wrong")
    c.login("anna")
    d.wait_log("(anna,198.51.100.7,<abc/def+1>): Password mismatch")
    d.wait_log("user=<anna>, method=PLAIN, rip=198.51.100.7, lip=203.0.113.1, ")
    assert "ID sent: name=Roundcube\n" in d.log()
    # After login, and from elsewhere, these are words like any others.
    c.ok('ID ("x-originating-ip" "198.51.100.8")')
    c = connect(d.port)
    c.greet()
    c.ok(words)
    c.login("bert")
    d.wait_log(f"user=<bert>, method=PLAIN, rip={CLIENT}, ")
    assert "x-originating-ip=198.51.100.7" in d.log()
    # What is no address, or would end its field in the log.
    c = connect(d.port, "127.0.0.1")
    c.greet()
    c.ok('ID ("x-originating-ip" "a b" "x-session-id" "<x>")')
    d.wait_log("ID: a b is no address: ignored")
    c.login("carl")
    d.wait_log("user=<carl>, method=PLAIN, rip=127.0.0.1, ")
    assert "<<x>>" not in d.log()
