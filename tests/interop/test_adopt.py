"""
loftctl adopt --dry-run: says what a host that Dovecot serves would gain and lose, and
leaves no trace on it.
"""
import os
import re
import shutil
import subprocess

import pytest

import server as servers
from server import BUILD, IS_ROOT

CONF = """
protocols = imap lmtp sieve
ssl = no
mail_location = maildir:~/Maildir
mail_plugins = quota
first_valid_uid = 0
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
userdb {{
  driver = passwd-file
  args = {dir}/users
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
}}
"""


class Host:
    """Users with a Maildir each, as Dovecot leaves them."""

    def __init__(self, separator="/", extra=""):
        self.dir = servers.scratch()
        self.conf = self.dir / "dovecot.conf"
        self.conf.write_text(CONF.format(dir=self.dir, separator=separator) +
                             extra)
        self.lines = []
        self.user("anna")
        self.user("bert")

    def user(self, name):
        home = self.dir / name
        self.folder(home / "Maildir")
        self.folder(home / "Maildir" / ".Sent")
        self.lines.append(f"{name}:{{PLAIN}}x:1000:1000::{home}::")
        self.write("\n".join(self.lines) + "\n")

    def write(self, text):
        (self.dir / "users").write_text(text)

    def folder(self, path, messages=3):
        for sub in ("cur", "new", "tmp"):
            (path / sub).mkdir(parents=True)
        names = [f"12345678{i}.M{i}P1.host" for i in range(messages)]
        for n in names:
            (path / "cur" / f"{n},S=3:2,S").write_bytes(b"x\n\n")
        (path / "dovecot-uidlist").write_text(
            f"3 V1234 N{messages + 1} G{'ab' * 16}\n" + "".join(
                f"{i + 1} :{n},S=3\n" for i, n in enumerate(names)))
        return path

    def trace(self):
        """All about every file; of all but the configuration when it was read."""
        seen = {}
        for path in sorted(self.dir.rglob("*"), key=str) + [self.dir]:
            st = path.lstat()
            seen[str(path)] = (st.st_mode, st.st_ino, st.st_uid, st.st_size,
                               st.st_nlink, st.st_mtime_ns, st.st_ctime_ns,
                               # looking for files reads links itself
                               0 if path == self.conf or path.is_symlink()
                               else st.st_atime_ns)
        return seen

    def adopt(self, *users):
        # old enough that even relatime would note a read
        for path in self.dir.rglob("*"):
            st = path.lstat()
            os.utime(path, ns=(st.st_mtime_ns - 10**9, st.st_mtime_ns),
                     follow_symlinks=False)
        before = self.trace()
        r = subprocess.run([BUILD / "loftctl", "adopt", "--dry-run", self.conf,
                            *users], capture_output=True, text=True, timeout=60)
        assert self.trace() == before
        return r


@pytest.fixture
def host():
    made = []

    def make(*args, **kw):
        made.append(Host(*args, **kw))
        return made[-1]
    yield make
    for h in made:
        shutil.rmtree(h.dir)


def test_a_host_in_order(host):
    r = host().adopt()
    assert r.returncode == 0, r.stdout + r.stderr
    assert "LOST " not in r.stdout
    assert "2 users, 0 of them without mail; 4 folders, 12 messages" in r.stdout
    assert "protocols: sieve is ignored" in r.stdout
    assert re.search(r"works  0 findings that would lose something",
                     r.stdout)


def keywords(maildir):
    (maildir / "dovecot-keywords").write_text(
        "".join(f"{i} word{i}\n" for i in range(26)))


def compressed(maildir):
    (maildir / "cur" / "99.M1P1.host,S=900:2,S").write_bytes(
        b"\x1f\x8b\x08\0rest")


def flagged_compressed(maildir):
    (maildir / "cur" / "99.M1P1.host,S=900:2,SZ").write_bytes(b"xx")


def link(maildir):
    (maildir / ".Linked").symlink_to(maildir / ".Sent")


def bad_name(maildir):
    for sub in ("cur", "new", "tmp"):
        (maildir / ".caf\u00e9" / sub).mkdir(parents=True)


def bad_list(maildir):
    (maildir / ".Sent" / "dovecot-uidlist").write_text("rubbish\n")


def private_seen(maildir):
    (maildir / "dovecot.index.pvt").write_bytes(b"\7\2")


def dbox(maildir):
    (maildir / "mailboxes").mkdir()


LOSSES = {
    "keywords": (keywords, r"all 26 letters for keywords are taken"),
    "compressed": (compressed, r"1: messages are compressed"),
    "flagged": (flagged_compressed, r"1: messages are compressed"),
    "link": (link, r"symbolic links.*"),
    "name": (bad_name, r"no mailbox names"),
    "list": (bad_list, r"dovecot-uidlist is damaged"),
    "seen": (private_seen, r"dovecot\.index\.pvt"),
    "dbox": (dbox, r"another format \(dbox\)"),
}


@pytest.mark.parametrize("what", LOSSES)
def test_what_would_be_lost_is_named(host, what):
    make, says = LOSSES[what]
    h = host()
    make(h.dir / "bert" / "Maildir")
    r = h.adopt()
    assert r.returncode == 1, r.stdout
    assert re.search(r"LOST   user bert: .*" + says, r.stdout), r.stdout
    assert "user anna" not in r.stdout


def test_a_separator_within_a_name(host):
    h = host(separator="-")
    h.folder(h.dir / "anna" / "Maildir" / ".to-do")
    r = h.adopt()
    assert r.returncode == 1
    assert "have the separator" in r.stdout and ".to-do" in r.stdout


def test_what_only_wants_attention(host):
    h = host()
    maildir = h.dir / "anna" / "Maildir"
    (maildir / "cur" / "88.M1P1.host,S=1:2,S").write_bytes(b"xxxx")
    (maildir / "maildirsize").write_text("0S\n")
    (h.dir / "anna" / ".dovecot.sieve").write_text("keep;\n")
    r = h.adopt()
    assert r.returncode == 0, r.stdout
    for words in ("1 file names claim a wrong size", "there are quotas",
                  "there are Sieve scripts"):
        assert words in r.stdout


def test_users_that_are_none(host):
    h = host()
    h.write("\n".join(h.lines) + "\nno colons here\n")
    r = h.adopt()
    assert r.returncode == 1
    assert f"{h.dir}/users:3: this line is no user" in r.stdout


def test_a_configuration_that_loft_refuses(host):
    r = host(extra="mail_plugins = mail_crypt\n"
             "passdb {\n  driver = lua\n}\n").adopt()
    assert r.returncode == 1
    assert "LOST " in r.stdout and "mail_crypt" in r.stdout
    assert "driver lua" in r.stdout


def test_users_by_name_and_no_configuration(host):
    h = host()
    r = h.adopt("bert")
    assert r.returncode == 0 and "1 users, 0 of them" in r.stdout
    r = subprocess.run([BUILD / "loftctl", "adopt", "--dry-run",
                        h.dir / "nowhere"], capture_output=True, text=True)
    assert r.returncode == 78 and "there is no" in r.stderr
    r = subprocess.run([BUILD / "loftctl", "adopt"], capture_output=True,
                       text=True)
    assert r.returncode == 64 and "--dry-run" in r.stderr


@pytest.mark.skipif(not IS_ROOT, reason="root reads everything")
def test_mail_that_cannot_be_read(host):
    h = host()
    (h.dir / "bert" / "Maildir").chmod(0)
    r = subprocess.run([BUILD / "loftctl", "adopt", "--dry-run", h.conf],
                       capture_output=True, text=True, user=61234, group=61234,
                       extra_groups=[]) if os.access(BUILD, os.X_OK) else None
    assert r and r.returncode == 1
    assert re.search(r"LOST   user bert: \S+ cannot be read", r.stdout)
