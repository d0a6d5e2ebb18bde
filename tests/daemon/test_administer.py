"""What loftctl shows and changes of accounts: sessions, ghosts, kick, policy."""
import contextlib
import json
import os
import signal
import socket

import pytest

import daemons
import server as servers
from imap import Refused
from server import wait_for

MESSAGE = "Subject: x\r\n\r\nbody\r\n"
REFUSES = "multiaccess_delete=refuse"


def append(c, folder="INBOX", n=1):
    for _ in range(n):
        c.ok(f"APPEND {folder} {{{len(MESSAGE)}+}}\r\n{MESSAGE}")


def rows(d, *words):
    return json.loads(d.ctl(words[0], *(
        [words[1]] if words[0] == "policy" else []), "-f", "json",
        *words[2 if words[0] == "policy" else 1:]).stdout)


def fails(d, *words):
    """(exit code, what it says)"""
    r = d.ctl(*words, check=False)
    assert r.stdout == ""
    return r.returncode, r.stderr


def counts(d):
    """session=, served=, crashes= of the pool that serves."""
    words = [w[-1] for n, w in d.status().items()
             if n.startswith("pool") and "serving" in w][0]
    return dict(w.split("=") for w in words.split())


@pytest.fixture
def daemon(daemon, kind):
    return daemons.never_relaying(daemon, kind)


@pytest.fixture(params=["in the account", "in its own state"])
def ghosts(daemon, request):
    """Two sessions of anna in Work; the first expunged 1 of 3, the second knows not."""
    d = daemon("acl_driver = vfile\n")
    a, b = d.client("anna"), d.client("anna")
    a.ok("CREATE Work")
    if request.param == "in its own state":
        a.ok("SETACL Work bert lr")
    append(a, "Work", 3)
    a.ok("SELECT Work")
    b.ok("SELECT Work")
    a.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    a.ok("EXPUNGE")
    return d, a, b


def test_sessions_show_what_each_has_open(ghosts):
    d, a, b = ghosts
    bert = d.client("bert")
    mine = rows(d, "sessions", "-u", "anna")
    assert [(s["username"], s["mailbox"], s["ip"]) for s in mine] == [
        ("anna", "Work", "127.0.0.1")] * 2
    assert {int(s["pid"]) for s in mine} == {
        p for u, _, p in d.who() if u == "anna"}
    assert sorted((s["backlog"], s["ghosts"]) for s in mine) == [
        ("0", "0"), ("1", "1")]
    behind, ahead = sorted(mine, key=lambda s: int(s["cursor"]))
    assert behind["backlog"] == "1" and ahead["backlog"] == "0"
    assert "delete=disconnect rename=follow expunge=ghost" in mine[0]["policy"]
    assert all(s["memory"].endswith(" KiB") for s in mine)
    b.ok("NOOP")
    a.ok("NOOP")
    everybody = rows(d, "sessions")
    assert sorted(s["username"] for s in everybody) == ["anna", "anna", "bert"]
    idle = [s for s in everybody if s["username"] == "bert"][0]
    assert (idle["mailbox"], idle["cursor"]) == ("-", "-")
    assert all(s["idle"].endswith(" s") for s in everybody)
    bert.ok("NOOP")


def test_formats_say_the_same(ghosts):
    d, _, _ = ghosts
    want = rows(d, "ghosts", "-u", "anna")
    assert [(g["mailbox"], g["uid"]) for g in want] == [("Work", "1")]
    names = list(want[0])
    tab = d.ctl("ghosts", "-f", "tab", "-u", "anna").stdout.splitlines()
    assert [line.split("\t") for line in tab] == [
        names, list(want[0].values())]
    flow = d.ctl("ghosts", "-f", "flow", "-u", "anna").stdout
    assert flow == " ".join(f"{k}={v}" for k, v in want[0].items()) + "\n"
    table = d.ctl("ghosts", "-u", "anna").stdout.splitlines()
    assert table[0].split() == names
    assert table[1].split() == list(want[0].values())
    assert json.loads(d.ctl("ghosts", "-f", "json", "-u", "bert").stdout) == []
    assert d.ctl("who", "-f", "json").stdout.startswith('[{"username":"anna"')
    assert fails(d, "who", "-f", "xml")[0] == 64


def test_released_ghosts_are_gone_for_who_had_them(ghosts):
    d, _, b = ghosts
    work = d.dir / "mail/anna/Maildir/.Work"
    assert any(b"body" in x for x in b.ok("FETCH 1 BODY.PEEK[TEXT]"))
    holders = [s["pid"] for s in rows(d, "sessions", "-u", "anna")
               if s["ghosts"] == "1"]
    ghost, = rows(d, "ghosts", "-u", "anna", "Work")
    assert ghost["pids"].split(",") == holders and ghost["since"] != "-"
    assert len(os.listdir(work / "tmp")) == 1
    said = d.ctl("ghosts", "release", "-u", "anna", "Work").stdout
    assert said == "1 expunged message released\n"
    assert os.listdir(work / "tmp") == []
    assert rows(d, "ghosts", "-u", "anna") == []
    d.ctl("policy", "set", "-u", "anna", "Work", "expunge=partial")
    with pytest.raises(Refused, match="EXPUNGEISSUED"):
        b.ok("FETCH 1 BODY.PEEK[TEXT]")
    assert any(b"body" in x for x in b.ok("FETCH 2 BODY.PEEK[TEXT]"))
    d.wait_log("user anna: ghosts-release Work: done")


def test_a_deleted_mailbox_shows_until_its_last_session_left(daemon):
    d = daemon("multiaccess_delete = ghost\n")
    a, b = d.client("anna"), d.client("anna")
    a.ok("CREATE Work")
    b.ok("SELECT Work")
    a.ok("DELETE Work")
    kept, = rows(d, "ghosts", "-u", "anna")
    assert (kept["mailbox"], kept["uid"]) == ("Work (deleted)", "-")
    assert kept["pids"] == [s["pid"] for s in rows(
        d, "sessions", "-u", "anna") if s["mailbox"] == "Work (deleted)"][0]
    b.ok("LOGOUT")
    b.close()
    wait_for("the mailbox to go", lambda: not rows(d, "ghosts", "-u", "anna"))


def test_kick_by_mailbox_process_and_user(daemon):
    d = daemon()
    a, b, c = (d.client("anna") for _ in range(3))
    a.ok("CREATE Work")
    a.ok("SELECT INBOX")
    b.ok("SELECT Work")
    c.ok("SELECT Work")
    assert "2 sessions" in d.ctl("kick", "-u", "anna", "Work").stdout
    assert b.response().startswith(b"* BYE")
    assert c.response().startswith(b"* BYE")
    a.ok("NOOP")
    assert fails(d, "kick", "-u", "anna", "Elsewhere")[0] == 68
    wait_for("both to be counted out", lambda: len(d.who()) == 1)
    d.ctl("kick", str(d.who()[0][2]))
    assert a.response().startswith(b"* BYE")
    assert fails(d, "kick", "1")[0] == 68
    d.wait_log("kicks 2 sessions of ")


def test_policy_counts_from_the_next_command_on_and_after_a_restart(daemon):
    d = daemon()
    a, b = d.client("anna"), d.client("anna")
    a.ok("CREATE Work")
    b.ok("SELECT Work")
    d.ctl("policy", "set", "-u", "anna", "W*", REFUSES)
    with pytest.raises(Refused, match="INUSE"):
        a.ok("DELETE Work")
    got = {p["setting"]: p for p in rows(d, "policy", "get", "-u", "anna",
                                         "Work")}
    assert got["multiaccess_delete"] == {
        "setting": "multiaccess_delete", "value": "refuse",
        "source": "run time", "pattern": "W*"}
    assert got["multiaccess_store"]["source"] == "global"
    assert rows(d, "policy", "list", "-u", "anna") == [
        {"pattern": "W*", "settings": REFUSES}]
    d.wait_log(f"user anna: policy-set W* {REFUSES}: done")
    d.stop()
    d.start()
    a, b = d.client("anna"), d.client("anna")
    b.ok("SELECT Work")
    with pytest.raises(Refused, match="INUSE"):
        a.ok("DELETE Work")
    d.ctl("policy", "unset", "-u", "anna", "W*", "delete")
    assert rows(d, "policy", "list", "-u", "anna") == []
    a.ok("DELETE Work")
    assert b.response().startswith(b"* BYE")


@pytest.mark.parametrize("words, code, says", [
    (("policy", "set", "-u", "anna", "INBOX", "delete=perhaps"), 64, "value"),
    (("policy", "set", "-u", "anna", "INBOX", "delete"), 64, "missing"),
    (("policy", "set", "-u", "anna", "INBOX", "colour=red"), 64, "unknown"),
    (("policy", "set", "-u", "anna", "Nowhere*", "delete=ghost"), 64,
     "no such mailbox"),
    (("policy", "unset", "-u", "anna", "INBOX"), 64, "no such rule"),
    (("policy", "set", "-u", "anna", "INBOX"), 64, "usage"),
    (("policy", "get", "INBOX"), 64, "usage"),
    (("policy", "get", "-u", "anna", "../../bert"), 64, "name"),
    (("ghosts", "-u", "anna", "a//b"), 64, "name"),
    (("ghosts",), 64, "usage"),
    (("sessions", "-u", "anna", "INBOX"), 64, "usage"),
    (("sessions", "-u", "../anna"), 67, "no such user"),
    (("sessions", "-u", "an\tna"), 64, "TAB"),
    (("admin", "anna", "no-such-word"), 64, "no such command"),
    (("admin", "anna", "ghosts", "1", "2", "3"), 64, "too many"),
    (("admin", "a" * 1500, "ghosts"), 64, "unknown request"),
])
def test_a_wrong_request_gets_a_sentence(daemon, words, code, says):
    d = daemon()
    d.client("anna").ok("CREATE Work")
    got, text = fails(d, *words)
    assert (got, says in text) == (code, True), text
    assert "crashes=0" in d.ctl("status").stdout


# The passdb of the others knows everybody.
@pytest.mark.parametrize("kind", [k for k in daemons.kinds() if k == "system"],
                         indirect=True)
def test_an_unknown_user_has_no_account(daemon):
    d = daemon()
    assert fails(d, "sessions", "-u", "dora") == (67, "there is no such user\n")
    assert not (d.dir / "mail/dora").exists()


def test_dead_sessions_are_not_shown(daemon):
    d = daemon()
    a, b = d.client("anna"), d.client("anna")
    a.ok("SELECT INBOX")
    b.ok("SELECT INBOX")
    pid = max(int(s["pid"]) for s in rows(d, "sessions", "-u", "anna"))
    os.kill(pid, signal.SIGKILL)
    wait_for("its process to go", lambda: not os.path.exists(f"/proc/{pid}"))
    assert [int(s["pid"]) != pid
            for s in rows(d, "sessions", "-u", "anna")] == [True]


def test_an_administrator_counts_nowhere_and_gets_in_at_the_limit(daemon):
    d = daemon("mail_max_userip_connections = 1\n"
               "service imap {\n  process_limit = 2\n}\n")
    a = d.client("anna")
    b = d.client("bert")
    before = counts(d)
    for _ in range(3):
        assert len(rows(d, "sessions", "-u", "anna")) == 1
    after = counts(d)
    assert {k: after[k] for k in ("session", "served", "crashes")} == {
        k: before[k] for k in ("session", "served", "crashes")}
    assert len(d.who()) == 2
    a.ok("NOOP")
    b.ok("NOOP")


def test_sessions_of_the_pool_before_a_reload_are_shown_and_kicked(daemon):
    d = daemon()
    a = d.client("anna")
    a.ok("SELECT INBOX")
    for _ in range(2):
        d.ctl("reload")
        assert [s["mailbox"] for s in rows(d, "sessions", "-u", "anna")] == [
            "INBOX"]
    d.ctl("kick", "-u", "anna", "INBOX")
    assert a.response().startswith(b"* BYE")


def test_a_client_that_goes_away_or_does_not_read_is_nobodys_worry(daemon):
    d = daemon()
    c = d.client("anna")
    for _ in range(3):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
            s.connect(str(d.dir / "run/loftctl"))
            s.sendall(b"admin\tanna\tsessions\n")
    assert len(rows(d, "sessions", "-u", "anna")) == 1
    c.ok("NOOP")
    assert "crashes=0" in d.ctl("status").stdout


def test_a_relayed_account_says_that_it_cannot(monkeypatch):
    hooks = servers.BUILD / "hooks"
    if os.geteuid() != 0 or not (hooks / "loftd").exists():
        pytest.skip("needs root and a build with test hooks")
    monkeypatch.setenv("LOFT_NO_IDMAP", "1")
    d = daemons.Daemon("system", build=hooks)
    d.start()
    try:
        code, text = fails(d, "sessions", "-u", "anna")
        assert code == 69 and "cannot be mapped" in text
        d.client("anna").ok("NOOP")
    finally:
        d.stop()
