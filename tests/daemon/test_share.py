"""Mailboxes of others: who is let in, to what, and what both see of each other."""
import os
import pathlib
import re
import signal

import pytest

from imap import Closed, Refused, fetches
from server import wait_for

SHARED = """
namespace others {
  type = shared
  prefix = shared/%%u/
  separator = /
  location = maildir:%%h/Maildir
  subscriptions = no
}
namespace all {
  type = public
  prefix = Public/
  separator = /
  location = maildir:{dir}/public
}
acl_driver = vfile
acl_shared_dict = file:{dir}/sharing/boxes
"""
TEAM = "shared/anna/Team"
MESSAGE = "Subject: {}\r\n\r\nbody\r\n"


def append(c, folder, n):
    for i in range(n):
        text = MESSAGE.format(i + 1)
        c.ok(f"APPEND {folder} {{{len(text)}+}}\r\n{text}")


def refused(c, command):
    """The text of the NO."""
    with pytest.raises(Refused) as e:
        c.ok(command)
    return str(e.value)


def serve(daemon, extra=""):
    d = daemon(start=False)
    d.conf.write_text(d.conf.read_text() + extra + SHARED.replace(
        "{dir}", str(d.dir)))
    (d.dir / "sharing").mkdir()
    d.start()
    if not d.has_mounts():
        assert b")) NIL NIL" in d.client("bert").ok("NAMESPACE")[0]
        pytest.skip("no mounts here: nobody comes to mailboxes of others")
    if d.kind == "system" and "idmap" not in d.status()["home"][-1]:
        pytest.skip("ids cannot be mapped here: accounts are relayed")
    return d


@pytest.fixture
def shared(daemon):
    return serve(daemon)


@pytest.fixture
def team(shared):
    """Seven messages in anna's Team, on which bert has rights."""
    a = shared.client("anna")
    a.ok("CREATE Team")
    append(a, "Team", 7)
    a.ok("SETACL Team bert lrste")
    return shared, a, shared.client("bert")


def test_namespaces_are_told(shared):
    c = shared.client("bert")
    lines = c.ok("NAMESPACE")
    assert lines[0].startswith(
        b'* NAMESPACE (("" "/")) (("shared/" "/")) (("Public/" "/"))')


def test_one_with_rights_reads_and_sets_what_he_may(team):
    d, a, b = team
    a.ok("SELECT Team")
    lines = b.ok(f"SELECT {TEAM}")
    assert b"* 7 EXISTS" in [line.strip() for line in lines]
    b.ok(r"STORE 1 +FLAGS (\Seen \Flagged)")
    a.ok("NOOP")
    assert rb"\Seen" in b"".join(b.ok("FETCH 1 FLAGS"))
    assert rb"\Flagged" not in b"".join(a.ok("FETCH 1 FLAGS"))
    assert rb"\Seen" in b"".join(a.ok("FETCH 1 FLAGS"))
    assert b"body" in b"".join(b.ok("FETCH 2 BODY[TEXT]"))
    assert "NOPERM" in refused(b, f"COPY 1 {TEAM}")
    assert "NOPERM" in refused(
        b, f"APPEND {TEAM} {{{len(MESSAGE)}+}}\r\n{MESSAGE}")
    b.ok("CREATE Mine")
    b.ok("COPY 1:3 Mine")
    lines = b.ok("STATUS Mine (MESSAGES)")
    assert b"MESSAGES 3" in lines[0]


def test_moves_take_it_from_one_account_to_the_other(team):
    d, a, b = team
    b.ok("CREATE Mine")
    b.ok(f"SELECT {TEAM}")
    b.ok("MOVE 1:3 Mine")
    assert b"MESSAGES 3" in b.ok("STATUS Mine (MESSAGES)")[0]
    assert b"MESSAGES 4" in a.ok("STATUS Team (MESSAGES)")[0]
    a.ok("SETACL Team bert +i")
    b.ok("SELECT Mine")
    b.ok(f"MOVE 1 {TEAM}")
    assert b"MESSAGES 5" in a.ok("STATUS Team (MESSAGES)")[0]
    assert b"MESSAGES 2" in b.ok("STATUS Mine (MESSAGES)")[0]


def test_without_a_right_there_is_no_mailbox(team):
    d, a, b = team
    a.ok("CREATE Private")
    a.ok("CREATE Other")
    a.ok("SETACL Other carl lr")
    for name in ("shared/anna/Private", "shared/anna/Other",
                 "shared/anna/nowhere", "shared/nobody/Team",
                 "shared/anna/INBOX"):
        for command in ("SELECT", "GETACL", "MYRIGHTS", "DELETE"):
            assert "BYE" not in refused(b, f'{command} "{name}"')
        assert f" {name}".encode() not in b"".join(
            b.ok(f'LIST "" "{name}*"')).replace(TEAM.encode(), b"")
    for name in ("shared/anna/Private", "shared/anna/Other",
                 "shared/anna/nowhere", "shared/nobody/Team"):
        assert "NONEXISTENT" in refused(b, f'STATUS "{name}" (MESSAGES)')
    assert "crashes=0" in d.ctl("status").stdout


def test_a_name_leads_nowhere_else(team):
    d, a, b = team
    for name in ("../anna/Team", "shared/anna/../../x", "shared/./Team",
                 "shared/../anna", "shared/anna/.Team", "shared/anna/Team/.."):
        refused(b, f'SELECT "{name}"')
    b.ok(f"SELECT {TEAM}")
    assert "crashes=0" in d.ctl("status").stdout


def test_a_right_that_is_taken_away_is_gone_with_the_next_command(team):
    d, a, b = team
    b.ok(f"SELECT {TEAM}")
    a.ok("SETACL Team bert lr")
    assert "NOPERM" in refused(b, r"STORE 1 +FLAGS (\Seen)")
    b.ok("FETCH 1 FLAGS")
    a.ok("DELETEACL Team bert")
    with pytest.raises((Closed, Refused)):
        b.ok("FETCH 1 FLAGS")
    c = d.client("bert")
    assert "NONEXISTENT" in refused(c, f"SELECT {TEAM}")


def test_what_is_expunged_stays_readable_for_the_other(team):
    """RFC 2180 4.1.1 and 4.4, across two users."""
    d, a, b = team
    a.ok("SELECT Team")
    b.ok(f"SELECT {TEAM}")
    a.ok(r"STORE 4:7 +FLAGS.SILENT (\Deleted)")
    a.ok("EXPUNGE")
    assert len(fetches(b.ok("FETCH 1:7 BODY.PEEK[TEXT]"))) == 7
    lines = b.ok("NOOP")
    assert sum(line.strip().endswith(b"EXPUNGE") for line in lines) == 4
    b.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    b.ok("EXPUNGE")
    lines = a.ok("NOOP")
    assert b"* 1 EXPUNGE" in [line.strip() for line in lines]


def test_who_idles_hears_of_the_other(team):
    d, a, b = team
    b.ok(f"SELECT {TEAM}")
    tag = b.idle()
    append(a, "Team", 1)
    assert b"8 EXISTS" in b.response()
    b.done(tag)


def test_delete_and_rename_meet_the_other(team):
    """RFC 2180 3.3, 3.4 and NEWNAME, across two users."""
    d, a, b = team
    a.ok("CREATE Sub")
    b.ok(f"SELECT {TEAM}")
    a.ok("RENAME Team New")
    b.ok("FETCH 1 FLAGS")
    b.ok(r"STORE 1 +FLAGS (\Seen)")
    a.ok("SELECT New")
    assert rb"\Seen" in b"".join(a.ok("FETCH 1 FLAGS"))
    c = d.client("bert")
    assert f"NEWNAME {TEAM} shared/anna/New" in refused(c, f"SELECT {TEAM}")
    assert "NEWNAME" not in refused(d.client("carl"), f"SELECT {TEAM}")
    c.ok("SELECT shared/anna/New")
    a.ok("DELETE New")
    for who in (b, c):
        with pytest.raises((Closed, Refused)):
            who.ok("NOOP")
            who.ok("NOOP")
    a.ok("CREATE New")
    assert b"MESSAGES 0" in a.ok("STATUS New (MESSAGES)")[0]


def listed(c, command):
    """Names, attributes."""
    return {line.split(b" ")[-1].decode(): line.split(b")")[0][8:].decode()
            for line in c.ok(command)}


def test_what_one_may_see_is_listed(team):
    d, a, b = team
    a.ok("CREATE Team/Sub/Deep")
    a.ok("CREATE Team/Private")
    a.ok("SETACL Team/Sub/Deep bert l")
    a.ok("SETACL Team/Private bert \"\"")
    for pattern in ("*", "shared/*", "sh*"):
        names = listed(b, f'LIST "" "{pattern}"')
        names.pop("INBOX", None)
        if pattern == "shared/*":
            names["shared"] = r"\Noselect \HasChildren"
        assert names == {
            "shared": r"\Noselect \HasChildren",
            "shared/anna": r"\Noselect \HasChildren",
            "shared/anna/Team": r"\HasChildren \UnMarked",
            "shared/anna/Team/Sub": r"\Noselect \HasChildren",
            "shared/anna/Team/Sub/Deep": r"\HasNoChildren \UnMarked",
        }
    assert set(listed(b, 'LIST "" "%"')) == {"INBOX", "shared"}
    assert set(listed(b, 'LIST "shared/" "%"')) == {"shared/anna"}
    assert set(listed(b, 'LIST "" "shared/anna/%"')) == {TEAM}
    assert set(listed(b, f'LIST "" {TEAM}/Sub/*')) == {
        f"{TEAM}/Sub/Deep"}
    assert listed(b, 'LIST "" shared/carl/*') == {}
    assert listed(b, 'LIST "" shared/nobody/*') == {}
    c = d.client("carl")
    assert set(listed(c, 'LIST "" "*"')) == {"INBOX"}
    # Of anyone's mailboxes those of the others know, who is in the file.
    a.ok("SETACL Team/Private anyone l")
    assert f"{TEAM}/Private" in listed(c, 'LIST "" "*"')
    assert set(listed(a, 'LIST "" "*"')) == {
        "INBOX", "Team", "Team/Sub", "Team/Sub/Deep", "Team/Private"}
    boxes = (pathlib.Path(d.dir) / "sharing/boxes").read_text()
    assert boxes == ("shared/shared-boxes/user/bert/anna\n1\n"
                     "shared/shared-boxes/anyone/anna\n1\n")
    lines = b.ok(f'LIST "" {TEAM} RETURN (MYRIGHTS)')
    assert lines[1] == f"* MYRIGHTS {TEAM} lrste".encode()


def test_another_makes_renames_and_deletes_mailboxes(team):
    """RFC 4314 4: k on what is above, x on the mailbox."""
    d, a, b = team
    for command in (f"CREATE {TEAM}/Sub", f"DELETE {TEAM}",
                    f"RENAME {TEAM} {TEAM}/Sub", "CREATE shared/anna/Top"):
        assert "NOPERM" in refused(b, command)
    assert "NONEXISTENT" in refused(d.client("carl"), f"CREATE {TEAM}/Sub")
    assert "NONEXISTENT" in refused(b, "CREATE shared/nobody/x")
    # The nearest above that is there counts: none.
    assert "NOPERM" in refused(b, "CREATE shared/anna/nowhere/x")
    assert not (pathlib.Path(d.dir) / "mail/nobody").exists()
    a.ok("SETACL Team bert +ikx")
    b.ok(f"CREATE {TEAM}/Sub")
    assert "ALREADYEXISTS" in refused(b, f"CREATE {TEAM}/Sub")
    assert a.ok("GETACL Team/Sub")[0].endswith(b"bert lrsikxte")
    append(b, f"{TEAM}/Sub", 2)
    b.ok(f"SELECT {TEAM}/Sub")
    a.ok("SELECT Team/Sub")
    b.ok(f"RENAME {TEAM}/Sub {TEAM}/New")
    assert b"2" in b"".join(b.ok("UID SEARCH ALL"))
    assert rb"\Recent" not in b"".join(a.ok("FETCH 1 UID"))
    assert "CANNOT" in refused(b, f"RENAME {TEAM}/New Mine")
    assert "CANNOT" in refused(b, f"RENAME {TEAM}/New shared/carl/New")
    b.ok(f"DELETE {TEAM}/New")
    assert "BAD" in str(pytest.raises(Refused, b.ok, "FETCH 1 UID").value)
    with pytest.raises((Closed, Refused)):
        a.ok("NOOP")
        a.ok("NOOP")
    assert "imap(bert): in the account of anna: Info: Mailbox deleted: " \
        "Team.New" in d.log()


def test_uidvalidity_is_never_used_again_whoever_comes_first(team):
    d, a, b = team
    a.ok("SETACL Team bert +kx")
    seen = []
    for _ in range(4):
        b.ok(f"CREATE {TEAM}/Sub")
        seen += [line for line in b.ok(f"STATUS {TEAM}/Sub (UIDVALIDITY)")]
        b.ok(f"DELETE {TEAM}/Sub")
    assert len(set(seen)) == 4


def test_what_a_session_does_itself_is_in_its_way_no_more(daemon):
    d = serve(daemon, "multiaccess_delete = refuse\n"
              "multiaccess_rename = refuse\n")
    a = d.client("anna")
    a.ok("CREATE Team")
    a.ok("SETACL Team bert lrkx")
    b, c = d.client("bert"), d.client("bert")
    b.ok(f"CREATE {TEAM}/Sub")
    b.ok(f"SELECT {TEAM}/Sub")
    c.ok(f"SELECT {TEAM}/Sub")
    assert "INUSE" in refused(b, f"RENAME {TEAM}/Sub {TEAM}/New")
    assert "INUSE" in refused(b, f"DELETE {TEAM}/Sub")
    c.ok("CLOSE")
    b.ok(f"RENAME {TEAM}/Sub {TEAM}/New")
    b.ok(f"DELETE {TEAM}/New")


def test_the_owner_is_refused_while_another_is_in_it(daemon):
    shared = serve(daemon, "multiaccess_delete = refuse\n"
                   "multiaccess_rename = refuse\n")
    a = shared.client("anna")
    a.ok("CREATE Team")
    a.ok("SETACL Team bert lr")
    b = shared.client("bert")
    b.ok(f"SELECT {TEAM}")
    assert "INUSE" in refused(a, "DELETE Team")
    assert "INUSE" in refused(a, "RENAME Team New")
    b.ok("CLOSE")
    a.ok("DELETE Team")


def test_the_dead_are_in_nobodys_way(daemon):
    d = serve(daemon, "multiaccess_delete = refuse\n")
    a = d.client("anna")
    a.ok("CREATE Team")
    append(a, "Team", 3)
    a.ok("SETACL Team bert lr")
    b = d.client("bert")
    b.ok(f"SELECT {TEAM}")
    pid = d.worker_of("bert")
    os.kill(pid, signal.SIGKILL)
    with pytest.raises((Closed, OSError)):
        b.ok("NOOP")
    a.ok("DELETE Team")
    wait_for("the mail of it to go", lambda: not list(
        (pathlib.Path(d.dir) / "mail/anna/Maildir/loft/deleted").iterdir()))


def test_what_the_dead_kept_goes_though_nobody_comes(team):
    d, a, b = team
    kept = pathlib.Path(d.dir) / "mail/anna/Maildir/.Team/tmp"

    def ghosts():
        return list(kept.glob("loft-ghost.*"))
    b.ok(f"SELECT {TEAM}")
    b.ok("FETCH 1:* UID")
    a.ok("SELECT Team")
    a.ok(r"STORE 4:7 +FLAGS.SILENT (\Deleted)")
    a.ok("EXPUNGE")
    a.ok("LOGOUT")
    assert len(ghosts()) == 4
    assert len(fetches(b.ok("FETCH 1:7 BODY.PEEK[TEXT]"))) == 7
    os.kill(d.worker_of("bert"), signal.SIGKILL)
    wait_for("what was kept to go", lambda: not ghosts())


def test_who_may_give_rights_gives_them(team):
    d, a, b = team
    a.ok("SETACL Team bert +a")
    assert b.ok(f"GETACL {TEAM}") == [
        f"* ACL {TEAM} anna lrswipkxtea bert lrstea".encode()]
    assert b.ok(f"LISTRIGHTS {TEAM} anna")[0].startswith(
        f"* LISTRIGHTS {TEAM} anna la ".encode())
    assert b.ok(f"LISTRIGHTS {TEAM} bert")[0].startswith(
        f'* LISTRIGHTS {TEAM} bert "" l '.encode())
    b.ok(f"SETACL {TEAM} carl lr")
    assert b"carl lr" in a.ok("GETACL Team")[0]


def test_policies_set_at_run_time_are_everybodys(team):
    d, a, b = team
    a.ok("SELECT Team")
    b.ok(f"SELECT {TEAM}")
    b.ok(r"STORE 7 +FLAGS.SILENT (\Deleted)")
    assert d.ctl("policy", "set", "-u", "anna", "Team*",
                 "expunge=refuse").returncode == 0
    assert "INUSE" in refused(b, "EXPUNGE")
    a.ok("CREATE Team/Sub")
    c = d.client("bert")
    append(a, "Team/Sub", 1)
    c.ok(f"SELECT {TEAM}/Sub")
    a.ok("SELECT Team/Sub")
    c.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    assert "INUSE" in refused(c, "EXPUNGE")
    assert d.ctl("policy", "unset", "-u", "anna", "Team*").returncode == 0
    c.ok("EXPUNGE")


def test_subscriptions_to_mailboxes_of_others(team):
    d, a, b = team
    b.ok(f"SUBSCRIBE {TEAM}")
    assert [line for line in b.ok('LSUB "" "*"') if TEAM.encode() in line]
    lines = b.ok('LIST "" "*" RETURN (SUBSCRIBED MYRIGHTS)')
    assert any(TEAM.encode() in line and rb"\Subscribed" in line
               for line in lines)
    assert any(line.startswith(f"* MYRIGHTS {TEAM} lrste".encode())
               for line in lines)
    assert len(b.ok(f'LIST "" {TEAM}')) == 1
    a.ok("DELETEACL Team bert")
    lines = b.ok('LIST (SUBSCRIBED) "" "*"')
    assert any(TEAM.encode() in line and rb"\NonExistent" in line
               for line in lines)
    b.ok(f"UNSUBSCRIBE {TEAM}")
    assert b.ok('LSUB "" "*"') == []
    with open(pathlib.Path(d.dir) / "mail/bert/Maildir/subscriptions") as f:
        assert "shared" not in f.read()


def test_public_mailboxes(shared):
    root = pathlib.Path(shared.dir) / "public"
    for sub in ("", "/cur", "/new", "/tmp"):
        (root / f".News{sub}").mkdir(parents=True, exist_ok=True)
    (root / ".News/dovecot-acl").write_text("anyone lrsi\n")
    owner = 61001 if shared.kind == "system" else (
        pathlib.Path(shared.dir) / "mail").stat().st_uid
    for path in (root, *root.rglob("*")):
        os.chown(path, owner, owner)
    a, b = shared.client("anna"), shared.client("bert")
    append(a, "Public/News", 1)
    b.ok("SELECT Public/News")
    assert b"body" in b"".join(b.ok("FETCH 1 BODY[TEXT]"))
    append(b, "Public/News", 1)
    assert b"MESSAGES 2" in a.ok("STATUS Public/News (MESSAGES)")[0]
    assert {"Public", "Public/News"} <= set(listed(b, 'LIST "" "*"'))
    for command in ("CREATE Public/x", "DELETE Public/News",
                    "RENAME Public/News Public/x"):
        assert "NOPERM" in refused(a, command)
    # The root's own list says who makes mailboxes at the top.
    (root / "dovecot-acl").write_text("user=anna lrkxa\n")
    os.chown(root / "dovecot-acl", owner, owner)
    a.ok("CREATE Public/x")
    assert "NONEXISTENT" in refused(b, "SELECT Public/x")
    assert "NOPERM" in refused(b, "CREATE Public/y")
    a.ok("RENAME Public/x Public/z")
    a.ok("DELETE Public/z")
    assert {p.stat().st_uid for p in root.rglob("*")} == {owner}


def seen_by(c, messages="1:*"):
    """Which have \\Seen."""
    return sorted(n for n, raw in fetches(c.ok(
        f"FETCH {messages} FLAGS")).items() if rb"\Seen" in raw)


@pytest.fixture
def private(daemon):
    d = serve(daemon, "multiaccess_seen = private\n")
    a = d.client("anna")
    a.ok("CREATE Team")
    append(a, "Team", 7)
    a.ok("SETACL Team anyone lrswite")
    a.ok("SELECT Team")
    b, c = d.client("bert"), d.client("carl")
    for who in (b, c):
        who.ok(f"SELECT {TEAM}")
    return d, a, b, c


def test_what_one_has_seen_is_his_own(private):
    d, a, b, c = private
    b.ok(r"STORE 1:2 +FLAGS (\Seen \Flagged)")
    c.ok("FETCH 3 BODY[TEXT]")
    a.ok(r"STORE 4 +FLAGS (\Seen)")
    for who, numbers in ((a, [4]), (b, [1, 2]), (c, [3])):
        who.ok("NOOP")
        assert seen_by(who) == numbers
        assert rb"\Flagged" in b"".join(who.ok("FETCH 1 FLAGS"))
        assert who.ok("SEARCH SEEN")[0].split()[2:] == [
            str(n).encode() for n in numbers]
    # Others are not told, and it lasts.
    assert not [x for x in b.ok("NOOP") if b"FETCH" in x]
    again = d.client("bert")
    assert b"UNSEEN 5" in again.ok(f"STATUS {TEAM} (UNSEEN)")[0]
    lines = b"".join(again.ok(f"SELECT {TEAM}"))
    assert b"[UNSEEN 3]" in lines and seen_by(again) == [1, 2]
    b.ok(r"STORE 1 -FLAGS.SILENT (\Seen)")
    b.ok(r"STORE 2 FLAGS (\Flagged)")
    assert seen_by(b) == []
    b.ok(r"STORE 6 FLAGS (\Seen)")
    assert seen_by(b) == [6] and seen_by(a) == [4]


def test_ones_other_session_hears_of_it(private):
    d, a, b, c = private
    other = d.client("bert")
    other.ok(f"SELECT {TEAM}")
    assert seen_by(other) == []
    tag = other.idle()
    b.ok(r"STORE 2 +FLAGS (\Seen)")
    assert re.match(rb"\* 2 FETCH \(.*\\Seen", other.response())
    other.done(tag)
    other.ok(r"STORE 2 -FLAGS (\Seen)")
    lines = b.ok("NOOP")
    assert len(lines) == 1 and b"* 2 FETCH" in lines[0]
    assert not [x for x in c.ok("NOOP") if b"FETCH" in x]


def test_what_is_seen_goes_along_with_a_copy(private):
    d, a, b, c = private
    b.ok("CREATE Mine")
    b.ok(r"STORE 1:2 +FLAGS (\Seen)")
    b.ok("COPY 1:3 Mine")
    assert b"UNSEEN 1" in b.ok("STATUS Mine (UNSEEN)")[0]
    text = MESSAGE.format(8)
    b.ok(f"APPEND {TEAM} (\\Seen) {{{len(text)}+}}\r\n{text}")
    assert b"UNSEEN 8" in c.ok(f"STATUS {TEAM} (UNSEEN)")[0]
    assert b"UNSEEN 8" in a.ok("STATUS Team (UNSEEN)")[0]
    b.ok("SELECT Mine")
    b.ok(f"MOVE 1 {TEAM}")
    b.ok(f"SELECT {TEAM}")
    assert seen_by(b) == [1, 2, 8, 9]
    c.ok("NOOP")
    assert seen_by(c) == []
    root = pathlib.Path(d.dir) / "mail/anna/Maildir/.Team/cur"
    assert not [p for p in root.iterdir() if "S" in p.name.split(":2,")[1]]


def test_seen_in_a_namespace_with_indexpvt(daemon):
    d = daemon(start=False)
    d.conf.write_text(d.conf.read_text() + SHARED.replace(
        "/Maildir\n", "/Maildir:INDEXPVT=~/pvt/%%u\n").replace(
        "{dir}", str(d.dir)))
    (d.dir / "sharing").mkdir()
    d.start()
    if not d.has_mounts():
        pytest.skip("no mounts here: nobody comes to mailboxes of others")
    a = d.client("anna")
    a.ok("CREATE Team")
    append(a, "Team", 3)
    a.ok("SETACL Team bert lrswite")
    b = d.client("bert")
    b.ok(f"SELECT {TEAM}")
    b.ok(r"STORE 1 +FLAGS (\Seen)")
    a.ok("SELECT Team")
    assert seen_by(a) == [] and seen_by(b) == [1]
    assert d.ctl("policy", "set", "-u", "anna", "Team",
                 "seen=shared").returncode == 0
    b.ok(f"SELECT {TEAM}")
    assert seen_by(b) == []
    b.ok(r"STORE 2 +FLAGS (\Seen)")
    a.ok("NOOP")
    assert seen_by(a) == [2]
