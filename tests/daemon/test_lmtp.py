"""LMTP: what an MTA says and hears, what is in the mailbox then, who hears of it."""
import os
import re
import shutil
import signal
import stat

import pytest

from daemons import ORDINARY, SYSTEM, Daemon, kinds
from imap import fetches, search
from lmtp import Lmtp
from server import wait_for

SETTINGS = """
protocols = imap lmtp
lmtp_save_to_detail_mailbox = yes
hostname = mx.example.org
service lmtp {
  unix_listener {dir}/mta/lmtp {
    mode = 0660
  }
  inet_listener lmtp {
    port = {tls_port}
  }
}
"""
MESSAGE = (b"Message-ID: <one@example.net>\r\nSubject: one\r\n\r\n"
           b"body\r\n.dot\r\n")


def prepare(d, settings=SETTINGS):
    (d.dir / "mta").mkdir()
    if d.kind == "ordinary" and os.geteuid() == 0:
        os.chown(d.dir / "mta", ORDINARY, ORDINARY)
    text = d.conf.read_text().replace(f"port = {d.tls_port}", "port = 0")
    text += settings.replace("{dir}", str(d.dir)).replace(
        "{tls_port}", str(d.tls_port))
    # Somebody who is not there has to be unknown to the static one, too.
    if d.kind != "system":
        (d.dir / "known").write_text(
            "".join(f"{u}:{{PLAIN}}secret\n" for u in SYSTEM))
        text = text.replace("args = password=secret", f"args = {d.dir}/known"
                            ).replace("passdb {\n  driver = static",
                                      "passdb {\n  driver = passwd-file")
    d.conf.write_text(text)


def begin(d, settings=SETTINGS):
    prepare(d, settings)
    d.start()
    d.socket = d.dir / "mta/lmtp"
    wait_for("the socket", lambda: d.socket.exists())
    return d


@pytest.fixture
def served(daemon):
    """Of every kind in turn."""
    return begin(daemon(start=False))


@pytest.fixture
def one():
    """make(settings): of one kind; what is asked of it does not depend on that."""
    made = []

    def make(settings=""):
        made.append(Daemon(kinds()[0]))
        return begin(made[-1], SETTINGS + settings)
    yield make
    for d in made:
        d.stop()
        shutil.rmtree(d.dir, ignore_errors=True)


def content(client, folder="INBOX", number=1):
    client.ok(f"SELECT {folder}")
    got = fetches(client.ok(f"FETCH {number} BODY.PEEK[]"))[number]
    return got.split(b"}\r\n", 1)[1]


def test_a_message_and_what_is_in_front_of_it(served):
    c = Lmtp(served.socket)
    assert c.greeting == "220 mx.example.org Loft ready."
    assert set(x[4:] for x in c.features.splitlines()) == {
        "mx.example.org", "8BITMIME", "CHUNKING", "ENHANCEDSTATUSCODES",
        "PIPELINING", "SIZE 2147483648"}
    answer, = c.mail(["anna"], MESSAGE)
    session = re.fullmatch(r"250 2\.0\.0 <anna> (\S+) Saved", answer)[1]
    text = content(served.client("anna")).replace(b"\r\n", b"\n").decode()
    assert re.fullmatch(
        r"Return-Path: <sender@example\.net>\n"
        r"Delivered-To: anna\n"
        r"Received: from client\.example\n\tby mx\.example\.org with LMTP\n"
        rf"\tid {re.escape(session)}\n"
        r"\t\(envelope-from <sender@example\.net>\)\n"
        r"\tfor <anna>; \w{3}, +\d+ \w{3} \d{4} [0-9:]{8} [+-]\d{4}\n"
        r"Message-ID: <one@example\.net>\nSubject: one\n\nbody\n\.dot\n",
        text), text
    assert c.say("QUIT") == "221 2.0.0 Bye"
    assert c.is_closed()
    log = served.log()
    assert re.search(r" lmtp\(\d+\): Info: Connect from local\n", log)
    assert re.search(r" lmtp\(anna\)<\d+><" + re.escape(session) + r">: Info: "
                     r"msgid=<one@example\.net>: saved mail to INBOX\n", log)
    served.wait_log("Disconnect from local: Logged out (state=READY)")
    c = Lmtp(served.tls_port)
    c.mail(["bert"], MESSAGE, sender="")
    text = content(served.client("bert"))
    assert b"\r\nReceived: from client.example ([127.0.0.1])\r\n" in text
    assert text.startswith(b"Return-Path: <>\r\n")


def test_each_recipient_has_an_answer_and_one_copy(served):
    c = Lmtp(served.socket)
    assert [x.split(" ", 2)[0] for x in c.envelope(
        ["anna", "nobody", "bert+No/Such", "anna+x", "ANNA", "carl"])] == [
            "250", "550", "250", "250", "250", "250"]
    answers = c.data(MESSAGE, 5)
    assert all(x.startswith("250 2.0.0 <") for x in answers)
    assert [x.split()[2] for x in answers] == [
        "<anna>", "<bert+No/Such>", "<anna+x>", "<ANNA>", "<carl>"]
    for user, n in (("anna", 2), ("bert", 1), ("carl", 1)):
        client = served.client(user)
        client.ok("SELECT INBOX")
        assert search(client, "ALL") == list(range(1, n + 1))
        # Who else got it, nobody can read.
        text = content(client)
        assert b"Delivered-To: " + user.encode() in text
        assert b"\tfor <" not in text
    # The detail's mailbox was not there.
    assert "save failed to open mailbox No/Such: Mailbox doesn't exist" in \
        served.log()
    assert c.say("RCPT TO:<nobody+x@y>") == "503 5.5.0 MAIL needed first"
    assert c.envelope(["nobody+x@y"]) == [
        "550 5.1.1 <nobody+x@y> User doesn't exist: nobody@y"]
    assert c.say("DATA") == "503 5.5.0 No valid recipients"


def test_the_detail_is_a_mailbox(one):
    served = one()
    client = served.client("anna")
    client.ok("CREATE Lists/c")
    c = Lmtp(served.socket)
    assert c.mail(["anna+Lists/c"], MESSAGE)[0].startswith("250 ")
    client.ok('SELECT "Lists/c"')
    assert search(client, "ALL") == [1]
    # Names that can be none do not lead out of anything.
    for detail in ("../../x", "a//b", "..", "~x"):
        assert c.mail([f"anna+{detail}"], MESSAGE)[0].startswith("250 ")
    client.ok("SELECT INBOX")
    assert search(client, "ALL") == [1, 2, 3, 4]
    with open(served.conf, "a") as f:
        f.write("lda_mailbox_autocreate = yes\n"
                "lda_mailbox_autosubscribe = yes\n")
    served.ctl("reload")
    served.wait_log("reloaded")
    c = Lmtp(served.socket)
    assert c.mail(["anna+New/Box"], MESSAGE)[0].startswith("250 ")
    client.ok('SELECT "New/Box"')
    assert search(client, "ALL") == [1]
    assert any(b"New/Box" in x for x in client.ok('LSUB "" *'))


def test_who_idles_hears_of_it(served):
    client = served.client("anna")
    client.ok("SELECT INBOX")
    tag = client.idle()
    Lmtp(served.socket).mail(["anna"], MESSAGE)
    assert client.response() == b"* 1 EXISTS"
    client.done(tag)


def test_pipelined_and_in_chunks(one):
    served = one()
    c = Lmtp(served.socket)
    c.send(b"MAIL FROM:<> BODY=8BITMIME SIZE=99\r\nRCPT TO:<anna>\r\n"
           b"RCPT TO:<bert>\r\nDATA\r\n")
    assert [c.reply()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
    c.send(b"Subject: x\r\n\r\n" + b"x" * 100000 + b"\r\n.\r\n"
           b"MAIL FROM:<a@b>\r\nRCPT TO:<carl>\r\nBDAT 17\r\nSubject: y\r\n\r\n"
           b"1\r\nBDAT 0\r\nBDAT 5 LAST\r\n2\r\n.\xffQUIT\r\n")
    assert [c.reply()[:3] for _ in range(8)] == [
        "250", "250", "250", "250", "250", "250", "250", "221"]
    assert content(served.client("carl")).endswith(
        b"Subject: y\r\n\r\n1\r\n2\r\n.\xff")
    c = Lmtp(served.socket)
    c.send(b"BDAT 6\r\nQUIT\r\nRSET\r\n")
    assert c.reply() == "503 5.5.0 MAIL needed first"
    assert c.reply() == "250 2.0.0 OK"
    assert c.say("BDAT x").startswith("501 ")
    assert c.is_closed()


BAD = [
    ("HELO x", "500 5.5.1"), ("LHLO", "501 5.5.4"), ("FOO", "500 5.5.1"),
    ("MAIL", "501 5.5.4"), ("MAIL FROM:a@b", "501 5.5.4"),
    ("MAIL FROM:<a@b> SIZE=x", "501 5.5.4"),
    ("MAIL FROM:<a@b> SIZE=9999999999999", "552 5.3.4"),
    ("MAIL FROM:<a@b> BODY=BINARYMIME", "555 5.5.4"),
    ("MAIL FROM:<a@b> AUTH=<>", "555 5.5.4"), ("RCPT TO:<anna>", "503 5.5.0"),
    ("DATA", "503 5.5.0"), ("NOOP \x01", "500 5.5.2"), ("", "500 5.5.2"),
    ("NOOP " + "x" * 9000, "500 5.5.2"), ("VRFY anna", "252 2.3.3"),
    ("STARTTLS", "502 5.5.1")]


def test_what_makes_no_sense(one):
    served = one()
    c = Lmtp(served.socket)
    for line, answer in BAD:
        assert c.say(line).startswith(answer), line
    assert c.envelope(["anna"])[0][:3] == "250"
    assert c.say("MAIL FROM:<a@b>") == "503 5.5.0 MAIL already given"
    assert c.say("RCPT TO:<anna> NOTIFY=NEVER")[:3] == "555"
    assert c.say("RCPT TO:<>")[:3] == "501"
    assert c.data(MESSAGE, 1)[0][:3] == "250"
    c = Lmtp(served.socket)
    for _ in range(19):
        c.say("FOO")
    assert c.say("FOO") == "500 5.5.1 Unknown command"
    assert c.reply() == "421 4.7.0 mx.example.org Too many invalid commands."
    assert c.is_closed()


def test_bounds(one):
    d = one("lmtp_max_message_size = 100k\nlmtp_max_recipients = 2\n"
            "lmtp_idle_timeout = 1s\n")
    c = Lmtp(d.socket)
    assert "SIZE 102400" in c.features
    assert [x[:9] for x in c.envelope(["anna", "bert", "carl"])] == [
        "250 2.1.5", "250 2.1.5", "452 4.5.3"]
    big = b"Subject: x\r\n\r\n" + b"x" * 150000 + b"\r\n"
    assert [x[:9] for x in c.data(big, 2)] == ["552 5.3.4"] * 2
    assert c.mail(["anna"], MESSAGE)[0][:3] == "250"
    assert c.reply() == "421 4.4.2 mx.example.org Disconnected for inactivity."
    assert c.is_closed()
    client = d.client("anna")
    client.ok("SELECT INBOX")
    assert search(client, "ALL") == [1]


def test_a_message_that_breaks_off_is_none(one):
    served = one()
    c = Lmtp(served.socket)
    c.envelope(["anna"])
    c.say("DATA")
    c.send(b"Subject: x\r\n\r\nhalf")
    c.close()
    served.wait_log("(state=DATA)")
    client = served.client("anna")
    client.ok("SELECT INBOX")
    assert search(client, "ALL") == []


def test_what_is_not_there_for_now_is_tried_again(served):
    c = Lmtp(served.socket)
    os.kill(served.pid("auth"), signal.SIGKILL)
    # The one that is started in its place is found by the same connection.
    assert wait_for("an answer of the new auth", lambda: [
        x for x in [c.say("RSET") and c.envelope(["anna"])[0]]
        if x[:3] == "250"])
    # A Maildir that cannot be made.
    home = served.dir / "mail/bert"
    if home.is_dir():
        home.rmdir()
    home.write_text("no directory\n")
    c.say("RSET")
    answers = c.mail(["bert", "anna"], MESSAGE)
    assert answers[0] == "451 4.3.0 <bert> Temporary internal error"
    assert answers[1][:3] == "250"
    home.unlink()
    assert "the message for user bert was not delivered" in served.log()


def test_the_sockets_stay_and_go(one):
    served = one()
    mode = served.socket.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
    # Dovecot's own, without being named.
    usual = served.dir / "run/lmtp"
    assert stat.S_IMODE(usual.stat().st_mode) == 0o666
    c = Lmtp(usual)
    inode = served.socket.stat().st_ino
    served.conf.write_text(served.conf.read_text().replace(
        "mode = 0660", "mode = 0600"))
    served.ctl("reload")
    served.wait_log("reloaded")
    # Who is there is served on, the others by the new pool at the same place.
    assert c.mail(["anna"], MESSAGE)[0][:3] == "250"
    assert served.socket.stat().st_ino == inode
    assert stat.S_IMODE(served.socket.stat().st_mode) == 0o600
    served.conf.write_text(served.conf.read_text().replace(
        "mode = 0600", "mode = 0"))
    served.ctl("reload")
    wait_for("the socket to go", lambda: not served.socket.exists())
    assert Lmtp(usual).say("NOOP")[:3] == "250"
    served.stop()
    assert not usual.exists()


QUOTA = """
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=4k
  quota_grace = 0
}
"""


@pytest.mark.parametrize("settings, refusal", [
    ("", "552 5.2.2 "),
    ("plugin {\n  quota_full_tempfail = yes\n}\n", "452 4.2.2 ")])
def test_full_mailbox(one, settings, refusal):
    """Who is full is refused; who gets the same message and has room has it."""
    d = one("mail_plugins = quota\n" + QUOTA + settings)
    a, b = "anna", "bert"
    c = Lmtp(d.socket)
    large = MESSAGE + b"x" * 2500 + b"\r\n"
    assert c.mail([a], large)[0].startswith("250 ")
    answers = c.mail([a, b], large)
    assert answers[0].startswith(refusal) and answers[1].startswith("250 ")
    assert c.mail([a], MESSAGE)[0].startswith("250 ")
    c.close()
    client = d.client(a)
    client.ok("SELECT INBOX")
    assert search(client, "ALL") == [1, 2]
