"""Limits that come with the user: from a passwd-file, a static userdb, over a relay."""
import os

import pytest

import server as servers

QUOTA = """\
mail_plugins = quota imap_quota
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=50k
}
"""

FILE = """\
userdb {
  driver = passwd-file
  args = {dir}/users
}
"""

USERS = """\
anna::{uid}:{gid}::{dir}/mail/anna::userdb_quota_rule=*:storage=1k
bert::{uid}:{gid}::{dir}/mail/bert::
carl::{uid}:{gid}::{dir}/mail/carl::userdb_quota_rule=*:storage=lots
dora::{uid}:{gid}::{dir}/mail/dora::userdb_quota_storage_size=3k userdb_quota_rule2=Junk:ignore
"""


def start(config, build=servers.BUILD, uid=None):
    s = servers.Server(start=False, build=build)
    text = servers.BASIC
    if FILE in config:
        at = text.index("userdb {{")
        text = text[:at] + text[text.index("namespace inbox"):]
    s.conf.write_text(text.format(dir=s.dir, port=s.port, tls_port=s.tls_port,
                                  **ids()) + config.replace("{dir}", str(s.dir)))
    own = ids()
    if uid:
        own = {"uid": uid, "gid": uid}
        for name in ("anna", "bert", "carl", "dora"):
            home = s.dir / "mail" / name
            home.mkdir()
            os.chown(home, uid, uid)
    users = s.dir / "users"
    users.write_text("".join(
        x.format(dir=s.dir, **own) for x in USERS.splitlines(keepends=True)))
    users.chmod(0o644)
    s.start()
    return s


def ids():
    uid = servers.MAIL_UID if servers.IS_ROOT else os.getuid()
    gid = servers.MAIL_UID if servers.IS_ROOT else os.getgid()
    return {"uid": uid, "gid": gid}


def limit(s, user):
    c = s.client(user)
    line = c.ok('GETQUOTA "User quota"')[-1]
    refused = c.append("INBOX", b"x" * 1500 + b"\r\n")[0]
    c.logout()
    return line, refused


def check(s):
    assert limit(s, "anna") == (b'* QUOTA "User quota" (STORAGE 0 1)', "NO")
    assert limit(s, "bert") == (b'* QUOTA "User quota" (STORAGE 0 50)', "OK")
    # Wrong for one user: what counts for all counts for him, and a line says so.
    assert limit(s, "carl")[0] == b'* QUOTA "User quota" (STORAGE 0 50)'
    s.wait_log("user carl: quota_rule in userdb: the value must be a number")
    assert limit(s, "dora") == (b'* QUOTA "User quota" (STORAGE 0 3)', "OK")
    s.wait_log("Quota exceeded: user=<anna> mailbox INBOX")


def test_passwd_file():
    with start(QUOTA + FILE) as s:
        check(s)


def test_administrator():
    with start(QUOTA + FILE) as s:
        assert limit(s, "bert")[1] == "OK"
        size = s.dir / "mail" / "bert" / "Maildir" / "maildirsize"
        size.write_text("hello\n")
        table = s.ctl("quota", "get", "-f", "tab", "-u", "bert").stdout
        assert table.splitlines() == [
            "Quota name\tType\tValue\tLimit\t%",
            "User quota\tSTORAGE\t2\t50\t4", "User quota\tMESSAGE\t1\t-\t0"]
        assert s.ctl("quota", "recalc", "-u", "bert").stdout == ""
        assert size.read_text() == "51200S\n1501 1\n"
        assert "Error" not in s.log()
        # Without a user, and for one who is none.
        assert s.ctl("quota", "get", check=False).returncode == 64
        assert s.ctl("quota", "get", "-u", "nobody",
                     check=False).returncode == 67


def test_static():
    with start(QUOTA) as s:
        text = s.conf.read_text()
        assert "home=" in text
        s.conf.write_text(text.replace("home=", "quota_rule=*:storage=2k home=",
                                       1))
        s.stop()
        s.start()
        assert limit(s, "anna")[0] == b'* QUOTA "User quota" (STORAGE 0 2)'


def test_relayed(monkeypatch):
    hooks = servers.BUILD / "hooks"
    if not servers.IS_ROOT or not (hooks / "loftd").exists():
        pytest.skip("needs root and a build with test hooks")
    monkeypatch.setenv("LOFT_NO_IDMAP", "1")
    with start(QUOTA + FILE, build=hooks, uid=6123) as s:
        check(s)
