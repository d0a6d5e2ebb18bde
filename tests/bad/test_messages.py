"""Message files as others leave them: line ends, sizes in names, odd bytes."""
import os
import re

import pytest

from imap import fetches, search

HEAD = b"From: a@example.org\nSubject: odd\n\n"
MESSAGES = {
    "lf": HEAD + b"one\ntwo\n",
    "crlf": (HEAD + b"one\ntwo\n").replace(b"\n", b"\r\n"),
    "mixed": HEAD.replace(b"\n", b"\r\n") + b"one\ntwo\r\nthree\n",
    "mixed header": b"From: a@example.org\r\nSubject: odd\n\r\none\r\ntwo\n",
    "lone cr": HEAD + b"one\rtwo\r\r\nthree\r",
    "no end": HEAD + b"one",
    "header only": b"Subject: odd\n",
    "body only": b"\nbody\n",
    "empty": b"",
    "one byte": b"x",
    "one line end": b"\n",
    "8 bits": b"From: J\xc3\xb6rg <a@example.org>\nSubject: gr\xfc\xdfe \xff\n\n"
              b"\xa4\n",
    "nul": b"From: a\0b@example.org\nSubject: odd\0\n\n\0\0one\0\n",
}


def wire(stored):
    """As IMAP has it: every line end CRLF, and 0x80 for what no string holds."""
    return re.sub(rb"(?<!\r)\n", b"\r\n", stored).replace(b"\0", b"\x80")


def string(raw, item):
    """The value of one item, literal or quoted, with its length checked."""
    at = raw.index(item) + len(item)
    m = re.compile(rb" \{(\d+)\}\r\n").match(raw, at)
    if m:
        value = raw[m.end():m.end() + int(m[1])]
        assert len(value) == int(m[1])
        assert raw[m.end() + int(m[1]):][:1] in (b"", b" ", b")")
        return value
    m = re.compile(rb' "((?:[^"\\]|\\.)*)"').match(raw, at)
    assert m, raw
    return re.sub(rb"\\(.)", rb"\1", m[1])


def add(mail, base, content, where="cur", info=":2,"):
    mail.folder("INBOX")
    path = os.path.join(mail.root, where, base + info)
    with open(path, "wb") as f:
        f.write(content)
    return path


def check(client, seq, want):
    """The message as a whole, its parts and pieces, and what they say of it."""
    raw = fetches(client.ok(
        f"FETCH {seq} (BODY.PEEK[] RFC822.HEADER RFC822.SIZE)"))[seq]
    assert string(raw, b"BODY[]") == want
    assert int(re.search(rb"RFC822.SIZE (\d+)", raw)[1]) == len(want)
    header = string(raw, b"RFC822.HEADER")
    raw = fetches(client.ok(f"FETCH {seq} (BODY.PEEK[HEADER] BODY.PEEK[TEXT])"))
    assert string(raw[seq], b"BODY[HEADER]") == header
    assert want == header + string(raw[seq], b"BODY[TEXT]")
    for at, n in ((0, 7), (5, 11), (len(want) // 2, 1000), (len(want), 5)):
        raw = fetches(client.ok(f"FETCH {seq} BODY.PEEK[]<{at}.{n}>"))[seq]
        assert string(raw, b"BODY[]<%d>" % at) == want[at:at + n]
    raw = fetches(client.ok(f"FETCH {seq} (RFC822.SIZE BODYSTRUCTURE "
                            "ENVELOPE BODY)"))[seq]
    # That a file is empty is not remembered: its name is asked again.
    if want:
        assert int(re.search(rb"RFC822.SIZE (\d+)", raw)[1]) == len(want)


@pytest.mark.parametrize("kind", MESSAGES)
def test_odd_message(tunnel, kind):
    t = tunnel()
    for n, (_, content) in enumerate(MESSAGES.items()):
        add(t.mail, f"{n + 10}.M{n}P1.test", content)
    c = t.client("INBOX")
    seq = list(MESSAGES).index(kind) + 1
    want = wire(MESSAGES[kind])
    check(c, seq, want)
    check(c, seq, want)
    # Larger or smaller is said of the wire's size, too.
    assert search(c, f"{seq} LARGER {max(len(want) - 1, 0)} "
                     f"SMALLER {len(want) + 1}", uid=False) == (
                         [seq] if want else [])
    # A copy is the same message.
    c.ok("CREATE Copy")
    c.ok(f"COPY {seq} Copy")
    c.ok("SELECT Copy")
    check(c, 1, want)
    c.logout()


def test_every_odd_message_at_once(tunnel):
    t = tunnel()
    for n, content in enumerate(MESSAGES.values()):
        add(t.mail, f"{n + 10}.M{n}P1.test", content, "new", "")
    c = t.client("INBOX")
    got = fetches(c.ok("FETCH 1:* (BODY.PEEK[] ENVELOPE FLAGS RFC822.SIZE)"))
    assert [string(got[i + 1], b"BODY[]") for i in range(len(MESSAGES))] == \
        [wire(m) for m in MESSAGES.values()]
    c.ok('SEARCH TEXT "one" SUBJECT odd FROM example OR BODY x SENTSINCE '
         '1-Jan-1990')
    c.logout()


@pytest.mark.parametrize("tail", [",S=5,W=6", ",S=99999,W=99999", ",S=0", ",W=0",
                                  ",W=18446744073709551615", ",S=-1,W=x",
                                  ",S=1,S=2,W=3,W=4"])
@pytest.mark.parametrize("kind", ["lf", "crlf", "empty"])
def test_wrong_sizes_in_names(tunnel, kind, tail):
    """What a name says of the size may be told until somebody reads the file."""
    t = tunnel()
    add(t.mail, f"10.M1P1.test{tail}", MESSAGES[kind])
    c = t.client("INBOX")
    want = wire(MESSAGES[kind])
    c.ok("FETCH 1 (RFC822.SIZE)")
    raw = fetches(c.ok("FETCH 1 (BODY.PEEK[])"))[1]
    assert string(raw, b"BODY[]") == want
    check(c, 1, want)
    c.logout()
    c = t.client("INBOX")
    check(c, 1, want)
    c.ok("CREATE Copy")
    c.ok("COPY 1 Copy")
    assert c.append("INBOX", want)[0] == "OK" if want else True
    c.ok("SELECT Copy")
    check(c, 1, want)
    c.logout()
