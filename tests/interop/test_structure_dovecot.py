"""
ENVELOPE, BODY, BODYSTRUCTURE and BODY[section] of Loft and Dovecot side by side, byte
for byte: the messages of tests/data/mail, a generated corpus and the sample Maildir.
What differs is listed here by message, with the heading of maildir/VIOLATIONS.md that
explains it; a listed message that does not differ any more is a failure too.
"""
import pathlib
import re
import subprocess
import sys

import pytest

import dovecot
from imap import fetches
from server import TOP, Tunnel, scratch

ODD = TOP / "tests" / "data" / "mail"
VIOLATIONS = TOP / "maildir" / "VIOLATIONS.md"

# message: (items, heading)
DIFFERENT = {
    "address-at-only": ("ENVELOPE", "Address lists"),
    "address-broken": ("ENVELOPE", "Address lists"),
    "address-broken-2": ("ENVELOPE", "Address lists"),
    "address-broken-3": ("ENVELOPE", "Address lists"),
    "address-obsolete": ("ENVELOPE", "Address lists"),
    "nul-bytes": ("ENVELOPE", "NUL"),
    "folded-everything": ("ENVELOPE", "White space in headers"),
    "disposition-odd": ("STRUCTURE", "Content fields"),
    "disposition-odd-2": ("STRUCTURE", "Content fields"),
    "language-empty": ("STRUCTURE", "Content fields"),
    "empty-headers": ("STRUCTURE", "Content-Type that is none"),
    "multi-subtype-empty": ("STRUCTURE", "Content-Type that is none"),
    "multi-subtype-missing": ("STRUCTURE", "Content-Type that is none"),
    "type-empty-subtype": ("STRUCTURE", "Content-Type that is none"),
    "type-extra-slash": ("STRUCTURE", "Content-Type that is none"),
    "type-junk": ("STRUCTURE", "Content-Type that is none"),
    "type-no-subtype": ("STRUCTURE", "Content-Type that is none"),
    "type-trailing": ("STRUCTURE", "Parameters"),
    "type-trailing-2": ("STRUCTURE", "Parameters"),
    "type-unquoted": ("STRUCTURE", "Parameters"),
    "type-params-2231": ("STRUCTURE", "Parameters"),
    "type-params-2231-raw": ("STRUCTURE", "Parameters"),
    "multi-boundary-long": ("STRUCTURE PARTS", "Boundaries"),
    "multi-boundary-space-end": ("STRUCTURE PARTS", "Boundaries"),
    "multi-message": ("STRUCTURE PARTS", "Boundaries"),
    "message-rfc822-base64": ("PARTS", "Header subsets"),
    "message-rfc822-empty": ("PARTS", "Header subsets"),
    "message-rfc822-headers-only": ("PARTS", "Header subsets"),
    "long-name": ("FIELDS", "Header subsets"),
    "multi-headers-boundary": ("FIELDS", "Header subsets"),
    "not-a-header-line": ("FIELDS", "Header subsets"),
    "one-byte": ("FIELDS", "Header subsets"),
}

ITEMS = {
    "SIZE": ["RFC822.SIZE"],
    "ENVELOPE": ["ENVELOPE"],
    "STRUCTURE": ["BODY", "BODYSTRUCTURE"],
    "MESSAGE": [
        "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "RFC822.HEADER",
        "BODY.PEEK[header]<3.20>", "BODY.PEEK[]<7.100>", "BODY.PEEK[]<19.1>",
        "BODY.PEEK[]<20.1>", "BODY.PEEK[]<33.3>", "BODY.PEEK[Text]<3.10>",
        "BODY.PEEK[]<0.1000000>", "BODY.PEEK[]<99999999999.1>",
        "BODY.PEEK[HEADER.FIELDS (from SUBJECT \"To\" \" continued\")]",
        "BODY.PEEK[HEADER.FIELDS (No-Such-Field)]",
        "BODY.PEEK[HEADER.FIELDS (from)]<3.9>",
        "BODY.PEEK[header.fields.not (From subject to)]",
        "BODY.PEEK[HEADER.FIELDS.NOT (\"x y\")]<5.50>"],
    "FIELDS": ["BODY.PEEK[HEADER.FIELDS (From \"\")]"],
    "PARTS": [
        "BODY.PEEK[1]", "BODY.PEEK[1.MIME]", "BODY.PEEK[1.HEADER]",
        "BODY.PEEK[1.TEXT]", "BODY.PEEK[1]<1.7>", "BODY.PEEK[1.MIME]<3.7>",
        "BODY.PEEK[2]", "BODY.PEEK[2.mime]", "BODY.PEEK[2.HEADER]",
        "BODY.PEEK[2.TEXT]", "BODY.PEEK[1.1]", "BODY.PEEK[1.1.MIME]",
        "BODY.PEEK[1.1.HEADER]", "BODY.PEEK[1.2]", "BODY.PEEK[1.2.MIME]",
        "BODY.PEEK[1.2.TEXT]", "BODY.PEEK[1.2.1]", "BODY.PEEK[1.2.1.MIME]",
        "BODY.PEEK[1.2.2]", "BODY.PEEK[1.1.1]", "BODY.PEEK[1.1.1.1]",
        "BODY.PEEK[2.1]", "BODY.PEEK[2.2]", "BODY.PEEK[3]",
        "BODY.PEEK[3.MIME]", "BODY.PEEK[4]", "BODY.PEEK[5]",
        "BODY.PEEK[5.MIME]", "BODY.PEEK[9999]<0.50>", "BODY.PEEK[10000]",
        "BODY.PEEK[1.HEADER.FIELDS (Subject)]",
        "BODY.PEEK[1.HEADER.FIELDS.NOT (Subject)]",
        "BODY.PEEK[2.HEADER.FIELDS (Subject)]"],
}


class Both:
    """One set of messages, {name: bytes}, with a session of each server."""

    def __init__(self, server, user, messages):
        self.names = list(messages)
        self.tunnel = Tunnel(fsync="never")
        for mail in self.tunnel.mail, server.maildir(user):
            mail.folder("INBOX")
            for i, content in enumerate(messages.values()):
                mail.add(content=content, uid=i + 1, flags="\\Seen")
            mail.write()
        self.loft = self.tunnel.client("INBOX")
        self.dovecot = server.client(user, "INBOX")
        self.answers = {}

    def close(self):
        self.loft.logout()
        self.dovecot.logout()

    def ask(self, item):
        """({number: Loft's answer}, {number: Dovecot's answer})"""
        if item not in self.answers:
            self.answers[item] = tuple(
                fetches(c.ok(f"FETCH 1:* ({item})", 120))
                for c in (self.loft, self.dovecot))
        return self.answers[item]

    def is_same(self, item, n):
        ours, theirs = (x[n] for x in self.ask(item))
        if ours == theirs:
            return True
        label, _, value = ours.rpartition(b" ")
        if value != b"NIL":
            return False
        # a part that is not there: VIOLATIONS.md, "Parts that do not exist"
        if theirs == label + b" {0}\r\n":
            return True
        above = re.sub(r"\.1([].])", r"\1", item)
        if above == item:
            return False
        return theirs.partition(b" ")[2] == self.ask(above)[1][n].partition(b" ")[2]

    def different(self, kind):
        """{name: items}"""
        out = {}
        for item in ITEMS[kind]:
            for n, name in enumerate(self.names, 1):
                if not self.is_same(item, n):
                    out.setdefault(name, []).append(item)
        return out

    def show(self, different):
        lines = []
        for name, items in list(different.items())[:5]:
            ours, theirs = (x[self.names.index(name) + 1]
                            for x in self.ask(items[0]))
            lines += [f"{name} {items}", f"  Loft    {ours[:600]!r}",
                      f"  Dovecot {theirs[:600]!r}"]
        return "\n".join(lines)


@pytest.fixture(scope="module")
def server():
    dovecot.need()
    with dovecot.Dovecot() as d:
        yield d


@pytest.fixture(scope="module")
def odd(server):
    both = Both(server, "u0001", {p.stem: p.read_bytes()
                                  for p in sorted(ODD.glob("*.eml"))})
    yield both
    both.close()


def maildir_messages(path):
    return {str(p.relative_to(path)): p.read_bytes()
            for p in sorted(pathlib.Path(path).glob("**/cur/*"))}


@pytest.fixture(scope="module", params=["generated", "sample"])
def ordinary(server, request):
    where = scratch() / "mail"
    if request.param == "generated":
        command = [TOP / "tests" / "bench" / "mkmaildir.py", "--n", "300",
                   "--seed", "11", where]
    else:
        command = [TOP / "tests" / "data" / "make_sample.py", where]
    subprocess.run([sys.executable, *command], check=True, timeout=120,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    odd_ones = {p.read_bytes() for p in ODD.glob("*.eml")}
    messages = {name: content for name, content in
                maildir_messages(where).items() if content not in odd_ones}
    assert len(messages) >= 100
    both = Both(server, {"generated": "u0002", "sample": "u0003"}[request.param],
                messages)
    yield both
    both.close()


@pytest.mark.parametrize("kind", ITEMS)
def test_odd_messages(odd, kind):
    """Only the listed messages differ, and they do."""
    listed = {name for name, (kinds, _) in DIFFERENT.items()
              if kind in kinds.split()}
    different = odd.different(kind)
    unlisted = {k: v for k, v in different.items() if k not in listed}
    assert not unlisted, odd.show(unlisted)
    assert not listed - different.keys(), "these are the same now"


@pytest.mark.parametrize("kind", ITEMS)
def test_ordinary_messages(ordinary, kind):
    different = ordinary.different(kind)
    assert not different, ordinary.show(different)


def test_the_cache_gives_the_same(odd):
    """A second session gets its texts from the state, not from the files."""
    again = odd.tunnel.client("INBOX")
    for item in "ENVELOPE", "BODY", "BODYSTRUCTURE", "RFC822.SIZE":
        assert fetches(again.ok(f"FETCH 1:* ({item})")) == odd.ask(item)[0]
    again.logout()


def test_sections_that_are_refused(odd):
    """BAD from both, or from us where Dovecot is more generous than RFC 3501."""
    for section in ("[foo]", "[MIME]", "[1.]", "[HEADER.FIELDS ()]",
                    "[HEADER.FIELDS(a)]", "[TEXT.1]", "[1.2.foo]"):
        for client in odd.loft, odd.dovecot:
            assert client.command(f"FETCH 1 BODY.PEEK{section}")[0] == "BAD"
    for section in "[0]", "[1.0]", "[]<0>", "[]<0.0>":
        assert odd.loft.command(f"FETCH 1 BODY.PEEK{section}")[0] == "BAD"


def test_a_literal_as_a_field_name(odd):
    for client in odd.loft, odd.dovecot:
        tag = client.new_tag()
        client.send(tag.encode() + b" FETCH 1 BODY.PEEK[HEADER.FIELDS ({7+}\r\n"
                    b"subject)]\r\n")
        status, _, untagged = client.finish(tag)
        assert status == "OK"
        assert untagged[0].startswith(
            b'* 1 FETCH (BODY[HEADER.FIELDS ("SUBJECT")] {')


def test_every_difference_is_explained():
    text = VIOLATIONS.read_text()
    headings = set(re.findall(r"^## (.*)$", text, re.M))
    for name, (_, heading) in DIFFERENT.items():
        assert heading in headings, heading
        assert f"`{name}`" in text, f"{name} is not in VIOLATIONS.md"
