"""Bad input from a client that has logged in."""
import os
import re
import time

import pytest
from helpers import answer, rss_kib, works

from imap import Closed, Late, search
from maildirs import plain_message
from server import wait_for


@pytest.fixture
def client(server, user):
    mail = server.maildir(user)
    for n in range(1, 6):
        mail.add("INBOX", uid=n)
    mail.write()
    c = server.client(user)
    c.mail, c.user = mail, user
    c.ok("SELECT INBOX")
    yield c
    c.close()


def test_line_under_the_limit(client):
    spec = ",".join(["1"] * 500_000)
    assert answer(client, f"a UID FETCH {spec} FLAGS\r\n".encode(), b"a") == b"OK"
    assert works(client)


def test_line_over_the_limit(client):
    data = b"a UID FETCH " + b"1," * 1_000_000 + b"1 FLAGS\r\n"
    got = answer(client, data, b"a")
    assert got in (b"BAD", b"NO", b"BYE")
    assert got == b"BYE" or works(client)


def test_literals_over_the_limit(client):
    """Many literals that are each small do not add up to more than a line may."""
    data = b"a SEARCH" + b" TEXT {60000+}\r\n" + b"x" * 60000
    data += (b" TEXT {60000+}\r\n" + b"x" * 60000) * 40 + b"\r\n"
    got = answer(client, data, b"a")
    assert got in (b"BAD", b"NO", b"BYE")
    assert got == b"BYE" or works(client)


@pytest.mark.parametrize("size", [b"4294967296", b"18446744073709551616",
                                  b"99999999999999999999999"])
def test_append_literal_beyond_reason(client, size):
    assert answer(client, b"a APPEND INBOX {" + size + b"}\r\n", b"a") \
        in (b"BAD", b"NO", b"BYE")


def test_append_over_the_message_limit(own_server, user):
    s = own_server("imap_max_message_size = 1M\n")
    s.maildir(user).folder("INBOX")
    c = s.client(user)
    assert answer(c, b"a APPEND INBOX {2000000}\r\n", b"a") == b"NO"
    data = b"b APPEND INBOX {2000000+}\r\n" + b"x" * 2_000_000 + b"\r\n"
    assert answer(c, data, b"b") in (b"NO", b"BYE")
    assert c.append("INBOX", plain_message(1))[0] == "OK" \
        if works(c) else True
    assert not os.listdir(s.dir / "mail" / user / "Maildir" / "tmp")


@pytest.mark.parametrize("n", [30, 1000, 100_000, 400_000])
def test_nested_search(client, n):
    data = b"a SEARCH " + b"(" * n + b"ALL" + b")" * n + b"\r\n"
    got = answer(client, data, b"a")
    assert got in (b"OK", b"BAD", b"NO")
    assert works(client)
    if n == 30:
        assert got == b"OK"


@pytest.mark.parametrize("key", [b"NOT ", b"OR ALL "])
def test_long_chain(client, key):
    data = b"a SEARCH " + key * 100_000 + b"ALL\r\n"
    assert answer(client, data, b"a", 60) in (b"OK", b"BAD", b"NO")
    assert works(client)


def test_many_list_wildcards(client):
    """A pattern must not cost exponential time."""
    client.ok('CREATE "' + "a" * 200 + '"')
    start = time.monotonic()
    client.command('LIST "" "' + "*a" * 100 + '*b"')
    assert time.monotonic() - start < 5


def test_a_million_ranges(own_server, user):
    s = own_server("imap_max_line_length = 32M\n")
    mail = s.maildir(user)
    mail.add("INBOX", uid=1)
    mail.write()
    c = s.client(user)
    c.ok("SELECT INBOX")
    spec = ",".join(f"{n * 3}:{n * 3 + 1}" for n in range(1, 1_000_001))
    start = time.monotonic()
    for command in ("UID FETCH {} FLAGS", "UID SEARCH UID {}",
                    "UID STORE {} +FLAGS (\\Seen)"):
        assert c.command(command.format(spec), 60)[0] in ("OK", "NO", "BAD")
    # Backwards, and overlapping: sorting must not be quadratic.
    spec = ",".join(f"{n}:{n + 5000}" for n in range(1_000_000, 0, -1))
    assert c.command(f"UID FETCH {spec} FLAGS", 60)[0] in ("OK", "NO", "BAD")
    assert time.monotonic() - start < 60
    assert works(c)


@pytest.mark.parametrize("bad", [
    b"FETCH 1 BODY[", b"FETCH 1 BODY[1..2]", b"FETCH 1 BODY[0]",
    b"FETCH 1 BODY[99999999999]", b"FETCH 1 BODY[]<0.99999999999999999999>",
    b"FETCH 1 BODY[]<-1.5>", b"FETCH 4294967296 FLAGS", b"FETCH 1:4294967296 FLAGS",
    b"FETCH , FLAGS", b"FETCH 1,, FLAGS", b"FETCH 1: FLAGS", b"FETCH :1 FLAGS",
    b"FETCH -1 FLAGS", b"FETCH 1 (FLAGS", b"FETCH 1 FLAGS)", b"FETCH",
    b"FETCH 1 BODY[HEADER.FIELDS ()]", b"FETCH 1 BODY[HEADER.FIELDS]",
    b"FETCH 1 BODY[MIME]", b"STORE 1 FLAGS (\\)", b"STORE 1 FLAGS (\xff)",
    b"STORE 1 FLAGS (a]b)", b"STORE 1 +FLAGS (\\Recent)", b"STORE 1 ?FLAGS (x)",
    b"SEARCH BEFORE yesterday", b"SEARCH ON 31-Feb-2020x", b"SEARCH LARGER -1",
    b"SEARCH LARGER 99999999999999999999999", b"SEARCH (", b"SEARCH )",
    b"SEARCH CHARSET", b"SEARCH HEADER x", b"COPY 1", b"COPY 1 a b",
    b"RENAME a", b"RENAME a b c", b"STATUS INBOX", b"STATUS INBOX (", b"LIST a",
    b"SELECT \"a\0b\"", b"SELECT {4+}\r\na\0bc", b"CREATE \"\"", b"DELETE \"\"",
    b"SUBSCRIBE", b"APPEND INBOX", b"APPEND INBOX (\\Seen) x", b"UID", b"UID 5",
    b"UID APPEND x {1+}\r\nx", b"IDLE x", b"MOVE 1", b"ENABLE", b"ID x",
    b"NAMESPACE x", b"UID EXPUNGE", b"UID EXPUNGE x"])
def test_bad_grammar(client, bad):
    got = answer(client, b"a " + bad + b"\r\n", b"a")
    assert got in (b"BAD", b"NO"), got
    assert works(client)


@pytest.mark.parametrize("name", [
    "../x", "..", ".", "/x", "x//y", "a/../b", "x\x01y", "a" * 5000,
    "&AGE-", "&", "&ZZ", "&2AA-", "\x7f", "cur", "x/", "~", "~/x", "a.b",
    "loft", "dovecot-uidlist", "x/cur", "INBOX/", "inbox/x/.."])
def test_odd_mailbox_names(server, client, name):
    """Whatever the answer, it is one, and nothing outside is made."""
    before = sorted(os.listdir(server.dir / "mail" / client.user))
    for verb in ("CREATE", "SUBSCRIBE", "STATUS", "SELECT", "UNSELECT", "DELETE"):
        words = [verb] + ([] if verb == "UNSELECT" else ['"' + name + '"']) + \
            (["(MESSAGES)"] if verb == "STATUS" else [])
        status, _, _ = client.command(" ".join(words))
        assert status in ("OK", "NO", "BAD")
    assert sorted(os.listdir(server.dir / "mail" / client.user)) == before
    client.ok("SELECT INBOX")
    assert len(search(client, "ALL")) == 5


def test_nul_in_a_message(client):
    """RFC 3501 has no NUL in literals: refused, or kept byte for byte."""
    body = b"Subject: nul\r\n\r\na\0b\r\n"
    status, _, _ = client.append("INBOX", body)
    assert status in ("OK", "NO", "BAD")
    if status == "OK":
        client.ok("NOOP")
        r = client.ok("FETCH 6 BODY.PEEK[]")
        assert any(b"a" in x and b"b" in x for x in r)
    assert works(client)


def test_message_of_nothing_but_headers_parts_and_depth(client):
    """A body that nests a thousand times is shown somehow, in bounded time."""
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n"
                    b"--b%d\r\n" % (n, n) for n in range(1000))
    wide = b"Content-Type: multipart/mixed; boundary=w\r\n\r\n" + \
        b"--w\r\n\r\nx\r\n" * 20000
    nest = b"Content-Type: message/rfc822\r\n\r\n" * 2000
    for body in (deep, wide, nest, b"X: " + b"y" * 500_000 + b"\r\n\r\n",
                 b"A:b\r\n" * 50000 + b"\r\n", b"", b"\r\n", b"\0" * 10):
        if body:
            client.append("INBOX", body)
    client.ok("NOOP")
    start = time.monotonic()
    status, _, _ = client.command("FETCH 1:* (ENVELOPE BODYSTRUCTURE "
                                  "BODY.PEEK[1.1.1.1.1] BODY.PEEK[1.MIME])", 60)
    assert status in ("OK", "NO")
    assert time.monotonic() - start < 20
    assert works(client)


def test_disconnect_in_a_literal(server, client):
    log = len(server.log())
    client.line("a APPEND INBOX {100000}")
    assert client.response().startswith(b"+")
    client.send(b"x" * 50000)
    client.abort()
    c = server.client(client.user)
    c.ok("SELECT INBOX")
    assert len(search(c, "ALL")) == 5
    wait_for("its end in the log", lambda: re.search(
        rf"imap\({client.user}\).*Connection closed", server.log()[log:]))
    tmp = os.path.join(client.mail.root, "tmp")
    wait_for("an empty tmp/", lambda: not os.listdir(tmp))
    c.logout()


@pytest.mark.parametrize("command", [b"a FETCH 1:5 BODY.PEEK[]\r\n",
                                     b"a UID STORE 1:5 +FLAGS (\\Seen)\r\n",
                                     b"a IDLE\r\n", b"a NOOP", b""])
def test_disconnect_in_a_command(server, client, command):
    client.send(command)
    client.abort()
    c = server.client(client.user)
    c.ok("SELECT INBOX")
    assert len(search(c, "ALL")) == 5
    c.logout()


def test_slow_reader(own_server, user):
    """Who does not read is let go after the time, and holds up nobody."""
    s = own_server("imap_write_timeout = 2 secs\n")
    mail = s.maildir(user)
    for n in range(1, 4):
        mail.add("INBOX", uid=n, size=8_000_000)
    mail.write()
    slow, other = s.client(user), s.client(user)
    slow.ok("SELECT INBOX")
    other.ok("SELECT INBOX")
    slow.start("FETCH 1:3 BODY.PEEK[]")
    start = time.monotonic()
    # The other works on the same messages meanwhile.
    other.ok("STORE 1:3 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    assert time.monotonic() - start < 5
    wait_for("its end in the log", lambda: re.search(
        rf"imap\({user}\).*Disconnected", s.log()), 20)
    got = 0
    slow.sock.settimeout(10)
    try:
        while data := slow.sock.recv(1 << 20):
            got += len(data)
    except OSError:
        pass
    assert got < 24_000_000
    assert works(other)


def test_reader_that_is_only_slow(own_server, user):
    """Who reads a little at a time is not slow enough to be let go."""
    s = own_server("imap_write_timeout = 3 secs\n")
    mail = s.maildir(user)
    mail.add("INBOX", uid=1, size=4_000_000)
    mail.write()
    c = s.client(user)
    c.ok("SELECT INBOX")
    tag = c.start("FETCH 1 BODY.PEEK[]")
    got, start = b"", time.monotonic()
    while tag.encode() + b" OK" not in got[-200:]:
        assert time.monotonic() - start < 60
        data = c.sock.recv(65536)
        assert data, "let go"
        got += data
        # A pause by the clock is what this test is about.
        time.sleep(0.05)
    assert len(got) > 4_000_000


def test_no_leak_by_bad_commands(tunnel):
    t = tunnel()
    for n in range(1, 50):
        t.mail.add("INBOX", uid=n)
    t.mail.write()
    c = t.client("INBOX")
    bad = ["FETCH 1 (FLAGS", "SEARCH ((((((", "STORE 1 FLAGS (\\x y",
           "LIST \"\" \"" + "%" * 3000 + "\"", "SELECT " + "x" * 2000,
           "UID FETCH " + "1," * 5000 + "x FLAGS", "FETCH 1:49 ENVELOPE",
           "SEARCH TEXT nothing", "STATUS nothing (MESSAGES)"]
    sizes = []
    for round_ in range(12):
        for _ in range(60):
            c.pipeline(bad)
            c.ok("SELECT INBOX")
        sizes.append(rss_kib(c.process.pid))
    assert sizes[-1] - sizes[3] < 400, sizes
    c.logout()


def test_memory_does_not_grow_with_the_message(tunnel):
    t = tunnel()
    t.mail.folder("INBOX")
    c = t.client("INBOX")
    assert c.append("INBOX", plain_message(1))[0] == "OK"
    c.ok("FETCH 1 BODY.PEEK[]")
    before = rss_kib(c.process.pid)
    big = b"Subject: big\r\n\r\n" + (b"y" * 76 + b"\r\n") * 600_000
    assert c.append("INBOX", big)[0] == "OK"
    c.ok("NOOP")
    c.start("FETCH 2 BODY.PEEK[TEXT]")
    peak = 0
    seen = 0
    while seen < len(big) - 16:
        data = c.sock.recv(1 << 20)
        assert data
        seen += len(data)
        with open(f"/proc/{c.process.pid}/status") as f:
            status = dict(x.split(":", 1) for x in f.read().splitlines()
                          if ":" in x)
        peak = max(peak, int(status["RssAnon"].split()[0]))
    assert peak < before + 8000, (before, peak)


def test_too_many_bad_commands_after_login(client):
    """After login nobody is thrown out for a typing error."""
    for n in range(50):
        client.line(f"a{n} FROBNICATE")
        assert client.response().startswith(b"a%d BAD" % n)
    assert works(client)


def test_tags(client):
    for tag in (b"x" * 1000, b"\xff", b"a b", b"\"a\"", b"{1}", b"(", b"%"):
        client.send(tag + b" NOOP\r\n")
        try:
            client.response(2)
        except (Closed, Late):
            pass
        client.buffer = b""
        if not works(client):
            break
    else:
        return
    pytest.fail(f"the session ended after tag {tag!r}")
