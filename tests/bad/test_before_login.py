"""Bad input from who has not logged in: little is allowed, soon it is over."""
import errno
import os
import socket
import time

import pytest
from helpers import answer, last_words, works

from imap import Closed, Imap


@pytest.fixture
def stranger(server):
    c = Imap.connect(server.port)
    c.greet()
    yield c
    c.close()


def test_line_of_7_kib_is_read(stranger):
    assert answer(stranger, b"a NOOP " + b"x" * 7000 + b"\r\n", b"a") == b"BAD"
    assert works(stranger)


@pytest.mark.parametrize("size", [9000, 100_000, 3_000_000])
def test_long_line(stranger, size):
    assert answer(stranger, b"a LOGIN " + b"x" * size + b" y\r\n", b"a") \
        in (b"BAD", b"BYE")


def test_endless_line(stranger):
    """Without a line end nothing is kept for ever: it ends with BYE."""
    try:
        for _ in range(2000):
            stranger.send(b"x" * 65536)
    except Closed:
        pass
    assert not works(stranger)


@pytest.mark.parametrize("literal", [b"{9000}", b"{99999999}",
                                     b"{4294967296}", b"{18446744073709551616}",
                                     b"{99999999999999999999999999}"])
def test_large_literal(stranger, literal):
    """It is refused before it is sent: no continuation."""
    assert answer(stranger, b"a LOGIN " + literal + b"\r\n", b"a") \
        in (b"BAD", b"NO", b"BYE")


def test_large_literal_that_does_not_wait(stranger):
    data = b"a LOGIN {100000+}\r\n" + b"x" * 100000 + b" y\r\n"
    assert answer(stranger, data, b"a") in (b"BAD", b"NO", b"BYE")


@pytest.mark.parametrize("bad", [
    b"a LOGIN {-1}\r\n", b"a LOGIN {}\r\n", b"a LOGIN {1x}\r\n",
    b"a LOGIN {1\r\n", b"a LOGIN \"x\r\n", b"a LOGIN \"\\x\" y\r\n",
    b"a LOGIN a\0b c\r\n", b"a LOGIN {3+}\r\na\0b c\r\n",
    b"a LOGIN \xff\xfe c\r\n", b"a AUTHENTICATE\r\n",
    b"a AUTHENTICATE PLAIN !!!!\r\n", b"a AUTHENTICATE PLAIN =\r\n",
    b"a AUTHENTICATE PLAIN " + b"QUFB" * 1000 + b"\r\n",
    b"a AUTHENTICATE PLAIN AAAA\r\n", b"a \r\n", b"a  NOOP\r\n"])
def test_bad_grammar(stranger, bad):
    assert answer(stranger, bad, b"a") in (b"BAD", b"NO", b"BYE")


def test_nul_bytes_only(stranger):
    stranger.send(b"\0" * 5000 + b"\r\n")
    r = stranger.response()
    assert r.startswith((b"* BAD", b"* BYE"))


def test_three_bad_commands(server, stranger):
    log = len(server.log())
    for n in range(3):
        stranger.line(f"a{n} FROBNICATE")
    said = last_words(stranger)
    assert [r for r in said if r.startswith(b"* BYE")]
    assert len([r for r in said if b" BAD " in r]) >= 2
    server.wait_log("Too many invalid commands")
    assert "Too many invalid commands" in server.log()[log:]


def test_three_failed_logins(server, stranger, user):
    log = len(server.log())
    start = time.monotonic()
    for n in range(3):
        stranger.line(f"a{n} LOGIN {user} wrong{n}")
    said = last_words(stranger)
    assert len([r for r in said if b"NO [AUTHENTICATIONFAILED]" in r]) >= 2
    assert [r for r in said if r.startswith(b"* BYE")]
    assert time.monotonic() - start >= 0.2    # auth_failure_delay
    server.wait_log("auth failed, 3 attempts")
    assert f"user=<{user}>" in server.log()[log:]
    assert "wrong1" not in server.log()[log:]


def test_a_good_command_in_between_does_not_help(stranger):
    for n in range(6):
        stranger.line(f"a{n} FROBNICATE")
        stranger.line(f"b{n} LOGIN x wrong")
    assert [r for r in last_words(stranger) if r.startswith(b"* BYE")]


@pytest.mark.parametrize("half", [b"", b"a", b"a LOGIN x", b"a LOGIN {5+}\r\nab",
                                  b"a LOGIN {5}\r\n", b"a AUTHENTICATE PLAIN\r\n"])
def test_silence(own_server, half):
    s = own_server("login_timeout = 2 secs\n")
    c = Imap.connect(s.port)
    c.greet()
    start = time.monotonic()
    c.send(half)
    said = last_words(c)
    assert 1 < time.monotonic() - start < 8
    assert said[-1].startswith(b"* BYE"), said
    s.wait_log("Inactivity")


def test_dripping_bytes(own_server):
    """A byte now and then does not make the time to log in longer."""
    s = own_server("login_timeout = 2 secs\n")
    c = Imap.connect(s.port)
    c.greet()
    start = time.monotonic()
    try:
        while time.monotonic() - start < 10:
            c.send(b"x")
            if not c.is_silent(0.1):
                break
    except Closed:
        pass
    assert time.monotonic() - start < 8


def test_disconnect_at_once(server):
    """Many that connect and are gone: workers come back, nobody is refused."""
    for n in range(60):
        s = socket.create_connection(("127.0.0.1", server.port))
        if n % 3 == 0:
            s.sendall(b"a LOGIN {10}\r\n")
        if n % 3 == 1:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1" + b"\0" * 7)
        s.close()
    c = Imap.connect(server.port)
    c.greet()
    assert works(c)
    c.logout()


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03",
                                     b"\x16\x03\x01\xff\xff" + b"\xaa" * 70000,
                                     os.urandom(4096), b"a1 NOOP\r\n", b""],
                         ids=["http", "header", "long record", "random", "imap",
                              "nothing"])
def test_tls_garbage(server, garbage):
    s = socket.create_connection(("127.0.0.1", server.tls_port), timeout=15)
    try:
        s.sendall(garbage)
        s.shutdown(socket.SHUT_WR)
        while s.recv(4096):
            pass
    except OSError as e:
        # It may have ended before all was said.
        assert e.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN), e
    s.close()
    c = server.client(tls=True)
    c.logout()


def test_tls_garbage_after_starttls(server):
    c = Imap.connect(server.port)
    c.greet()
    c.ok("STARTTLS")
    c.send(b"a NOOP\r\n" + os.urandom(1000))
    try:
        while c.sock.recv(4096):
            pass
    except OSError:
        pass
    c.close()


def test_command_injected_before_tls(server):
    """What came in the clear behind STARTTLS is not run inside TLS."""
    c = Imap.connect(server.port)
    c.greet()
    c.send(b"a STARTTLS\r\nb NOOP\r\n")
    r = c.response()
    if r.startswith(b"a OK"):
        if c.buffer:
            assert not c.buffer.startswith(b"b OK")
            return
        c.start_tls()
        assert c.is_silent(0.5)
    else:
        assert r.startswith(b"a BAD"), r


def test_tls_handshake_that_stalls(own_server):
    s = own_server("login_timeout = 2 secs\n")
    sock = socket.create_connection(("127.0.0.1", s.tls_port), timeout=10)
    sock.sendall(b"\x16\x03\x01")
    start = time.monotonic()
    try:
        while sock.recv(100):
            pass
    except ConnectionResetError:
        pass
    assert time.monotonic() - start < 8
