"""
loftctl, called doveadm, beside Dovecot's own on the same Maildirs and the same
configuration: what scripts ask has the same answer and the same exit code, what they
change leaves the same mail behind.
"""
import json
import re
import subprocess

import pytest

import dovecot
from maildirs import plain_message
from server import BUILD

EXTRA = """\
mail_plugins = acl
plugin {
  acl = vfile
}
"""

PARTS = (b"From: a@example.org\nSubject: =?utf-8?Q?W=C3=B6rld?=\n"
         b"Received: one\nReceived: two\nMIME-Version: 1.0\n"
         b"Date: Tue, 1 Feb 2022 10:00:01 +0100\n"
         b"Content-Type: multipart/mixed; boundary=x\n\n"
         b"--x\n\nfirst\n--x\nContent-Type: text/html\n\n<p>second\n--x--\n")

ASKED = [
    ("mailbox", "list"),
    ("mailbox", "list", "A*"),
    ("mailbox", "list", "-7", "B*", "Work"),
    ("mailbox", "status", "messages unseen uidnext uidvalidity guid vsize",
     "*"),
    ("-f", "tab", "mailbox", "status", "messages vsize", "INBOX", "Work"),
    ("-f", "json", "mailbox", "status", "messages", "INBOX"),
    ("-f", "pager", "mailbox", "status", "messages unseen", "INBOX"),
    ("mailbox", "status", "-t", "messages vsize", "*"),
    ("mailbox", "status", "messages", "Nix"),
    ("mailbox", "status", "messages bogus", "INBOX"),
    ("search", "all"),
    ("search", "mailbox", "INBOX", "seen"),
    ("search", "mailbox", "Work", "or", "flagged"),
    ("search", "flagged", "OR", "answered"),
    ("search", "(", "flagged", "OR", "answered", ")", "uid", "2:9"),
    ("search", "flagged", "OR", "answered", "deleted"),
    ("search", "NOT", "seen", "mailbox", "IN*"),
    ("search", "subject", "wörld"),
    ("search", "header", "received", "two"),
    ("search", "body", "number", "from", "sender5"),
    ("search", "larger", "1k"),
    ("search", "keyword", "Junk"),
    ("search", "mailbox", "INBOX", "2:3"),
    ("search", "since", "1w", "mailbox", "INBOX"),
    ("search", "sentsince", "1-Jan-2022"),
    ("search", "since", "1700000000", "uid", "1"),
    ("search", "mailbox", "Nix", "all"),
    ("search", "mailbox", "Nix", "OR", "flagged"),
    ("search", "bogus"),
    ("search",),
    ("fetch", "uid seq mailbox user", "mailbox", "INBOX", "1:3"),
    ("fetch", "mailbox-guid uid", "all"),
    ("fetch", "uid hdr.subject hdr.subject.utf8 hdr.received hdr.x-nix",
     "header", "received", "one"),
    ("fetch", "hdr uid", "mailbox", "INBOX", "uid", "4"),
    ("fetch", "body uid", "mailbox", "INBOX", "uid", "4"),
    ("fetch", "size.physical size.virtual date.received date.sent guid "
     "date.sent.unixtime date.received.unixtime", "mailbox", "INBOX",
     "uid", "1,12"),
    ("fetch", "imap.envelope imap.body imap.bodystructure", "mailbox", "INBOX",
     "uid", "1,12"),
    ("-f", "json", "fetch", "uid text", "mailbox", "INBOX", "uid", "4"),
    ("fetch", "bogus", "all"),
    ("fetch", "uid"),
    ("expunge", "all"),
    ("expunge", "mailbox", "INBOX"),
    ("acl", "get", "Nix"),
    ("acl", "rights", "Work"),
]

CHANGED = [
    ("mailbox", "create", "New", "Arch/2022", "Böse"),
    ("mailbox", "create", "New"),
    ("mailbox", "create", "bad//name"),
    ("mailbox", "create", "-s", "Sub"),
    ("mailbox", "subscribe", "New", "Nowhere"),
    ("mailbox", "unsubscribe", "Work", "Never"),
    ("mailbox", "list", "-s"),
    ("flags", "add", "\\Flagged $Work", "mailbox", "INBOX", "uid", "1:3"),
    ("flags", "remove", "\\Flagged", "mailbox", "INBOX", "uid", "2"),
    ("flags", "replace", "\\Seen junk", "mailbox", "INBOX", "uid", "3"),
    ("flags", "add", "\\Bogus", "mailbox", "INBOX", "all"),
    ("copy", "New", "mailbox", "INBOX", "uid", "1:3"),
    ("fetch", "uid", "savedsince", "1 hour", "mailbox", "New"),
    ("search", "savedbefore", "1 hour", "mailbox", "New"),
    ("copy", "Nix", "mailbox", "INBOX", "uid", "1"),
    ("move", "Arch/2022", "mailbox", "INBOX", "uid", "5:6"),
    ("expunge", "mailbox", "Work", "uid", "1"),
    ("expunge", "mailbox", "Nix", "all"),
    ("mailbox", "rename", "Sub", "Sub2"),
    ("mailbox", "delete", "Sub2"),
    ("mailbox", "delete", "Nix"),
    ("acl", "set", "Work", "user=u0009", "lookup", "read"),
    ("acl", "set", "Work", "anyone", "lookup"),
    ("acl", "set", "Work", "user=u0009", "bogus"),
    ("acl", "get", "Work"),
    ("acl", "add", "Work", "user=u0009", "write", "insert"),
    ("acl", "remove", "Work", "user=u0009", "read"),
    ("acl", "delete", "Work", "anyone"),
    ("acl", "get", "Work"),
    ("mailbox", "list"),
    ("mailbox", "status", "messages unseen uidnext", "*"),
    ("fetch", "mailbox uid flags size.virtual", "all"),
]

SAVED = b"Subject: saved\r\n\r\nline\n"


def fill(mail):
    for n in range(1, 12):
        flags = ["\\Seen", "\\Flagged", "", "\\Answered \\Seen"][n % 4]
        mail.add("INBOX", plain_message(n, 3000 if n == 9 else 0),
                 flags=flags)
    mail.add("INBOX", PARTS, flags="Junk")
    for n in range(20, 23):
        mail.add("Work", plain_message(n))
    mail.folder("B&APY-k")
    mail.subscribe("Work")
    mail.write()


def words_for(user, words):
    """doveadm takes -u behind the verb."""
    at = 2 if words[0] == "-f" else 0
    at += 2 if words[at] in ("mailbox", "flags", "acl") else 1
    return [*words[:at], "-u", user, *words[at:]]


class Doveadm:
    def __init__(self, program, conf):
        self.start = [program, "-c", conf]

    def ask(self, *words, data=b""):
        r = subprocess.run([*self.start, *words], input=data, timeout=60,
                           capture_output=True)
        return r.returncode, r.stdout.decode(), r.stderr.decode()

    def play(self, user, script):
        """[(exit code, what it says)], the user's name and recency aside."""
        return [self.plain(user, words, self.ask(*words_for(user, words)))
                for words in script]

    @staticmethod
    def plain(user, words, answer):
        code, out, err = answer
        # Its usage goes to stdout or stderr, its errors say more than ours.
        out = out.replace(user, "USER").replace(" \\Recent", "").replace(
            "\\Recent", "")
        lines = [re.sub(" +", " ", x).strip() for x in out.splitlines()]
        if "json" in words:
            lines = json.loads(out)
        if "acl" in words and "json" not in words:
            lines = [" ".join(sorted(x.split())) for x in lines]
        # The order of mailboxes is that of a directory there.
        if "fetch" not in words or "all" in words:
            lines = sorted(lines, key=str)
        return " ".join(words), code, lines if code != 64 else []


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What Dovecot says to everything, and our doveadm on the same mail."""
    dovecot.need()
    d = dovecot.Dovecot(extra=EXTRA, users=3)
    for user in ("u0001", "u0002", "u0003"):
        fill(d.maildir(user))
    real = Doveadm(dovecot.ROOT / "doveadm", d.conf)
    said = {"asked": real.play("u0001", ASKED),
            "changed": real.play("u0002", CHANGED),
            "save": [real.ask("save", "-u", "u0002", "-m", "Work", data=SAVED),
                     real.ask("save", "-u", "u0002", "-m", "Nix", data=SAVED)],
            "unknown": real.ask("search", "-u", "no/body", "all")}
    said["saved"] = real.ask("fetch", "-u", "u0002", "text", "mailbox", "Work",
                             "subject", "saved")
    d.stop()
    link = tmp_path_factory.mktemp("bin") / "doveadm"
    link.symlink_to(BUILD / "loftctl")
    loft = dovecot.Loft(d)
    yield said, Doveadm(link, d.conf), d
    loft.stop()


def check(said, ours):
    differ = [f"{a}\n  ours: {b[1:]}" for a, b in zip(said, ours) if a != b]
    assert not differ, "\n".join(differ)


def test_what_is_asked_has_the_same_answer(both):
    said, doveadm, _ = both
    check(said["asked"], doveadm.play("u0001", ASKED))


def test_what_is_changed_leaves_the_same_mail(both):
    said, doveadm, _ = both
    check(said["changed"], doveadm.play("u0003", CHANGED))


def test_a_saved_message_is_stored_the_same(both):
    said, doveadm, _ = both
    ours = [doveadm.ask("save", "-u", "u0003", "-m", box, data=SAVED)
            for box in ("Work", "Nix")]
    assert [x[:2] for x in ours] == [x[:2] for x in said["save"]]
    assert doveadm.ask("fetch", "-u", "u0003", "text", "mailbox", "Work",
                       "subject", "saved") == said["saved"]


def test_an_unknown_user_is_one(both):
    said, doveadm, _ = both
    assert doveadm.ask("search", "-u", "no/body", "all") == said["unknown"]
