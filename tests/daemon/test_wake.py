"""What wakes a session in IDLE, and what does when that is not to be had."""
import os
import re
import shutil

import pytest

import server as servers
from server import wait_for

HOOKS = servers.BUILD / "hooks"


@pytest.fixture
def hooked(request):
    """make(watches that fail): a server whose notify cannot watch that many."""
    made = []

    def make(failures):
        if not (HOOKS / "loftd").exists():
            pytest.skip("needs make hooks")
        os.environ["LOFT_WATCH_FAILS"] = str(failures)
        try:
            made.append(servers.Server(build=HOOKS))
        finally:
            del os.environ["LOFT_WATCH_FAILS"]
        return made[-1]
    yield make
    for s in made:
        s.stop()


def idler(server, user):
    c = server.client(user)
    c.ok("SELECT INBOX")
    return c, c.idle()


def watches(server):
    """How many directories notify watches."""
    pid = int(re.search(r"^notify\t(\d+)", server.ctl("status").stdout,
                        re.M)[1])
    text = ""
    for fd in os.scandir(f"/proc/{pid}/fdinfo"):
        with open(fd.path, encoding="ascii") as f:
            text += f.read()
    return text.count("inotify wd:")


def test_what_cannot_be_watched_is_polled(hooked):
    s = hooked(1 << 30)
    mail = s.maildir("anna")
    mail.folder()
    c, _ = idler(s, "anna")
    s.wait_log("fs.inotify.max_user_watches")
    mail.add(new=True)
    # A session looks for itself every 30 s only.
    assert c.response(20) == b"* 1 EXISTS"
    assert watches(s) == 0
    # What another session does does not need a watch.
    d = s.client("anna")
    assert d.append("INBOX", b"A: b\r\n\r\nx\r\n")[0] == "OK"
    while c.response(20) != b"* 2 EXISTS":
        pass


def test_what_could_not_be_watched_is_tried_again(hooked):
    s = hooked(5)
    mail = s.maildir("anna")
    mail.folder()
    c, tag = idler(s, "anna")
    wait_for("new/, cur/ and loft/ to be watched", lambda: watches(s) == 3)
    mail.add(new=True)
    assert c.response(20) == b"* 1 EXISTS"
    c.response()
    assert c.done(tag)[0] == "OK"
    wait_for("nothing to be watched any more", lambda: watches(s) == 0)


def test_a_delivery_wakes_all_who_idle(own_server):
    """One of them at once, who takes it over; the others are told by that one."""
    s = own_server()
    mail = s.maildir("anna")
    mail.folder()
    idlers = [idler(s, "anna")[0] for _ in range(12)]
    for n in range(1, 4):
        mail.add(new=True)
        for c in idlers:
            while c.response() != b"* %d EXISTS" % n:
                pass


def test_a_delivery_wakes_who_cannot_take_it_over(own_server):
    """Nobody but EXAMINE: each sees it without any of them having changed a thing."""
    s = own_server()
    mail = s.maildir("anna")
    mail.folder()
    idlers = []
    for _ in range(3):
        c = s.client("anna")
        c.ok("EXAMINE INBOX")
        c.idle()
        idlers.append(c)
    mail.add(new=True)
    for c in idlers:
        assert c.response() == b"* 1 EXISTS"
    assert os.listdir(os.path.join(mail.root, "new"))


def test_a_tunnel_wakes_the_daemons_sessions(own_server):
    s = own_server()
    mail = s.maildir("anna")
    mail.add(uid=1)
    mail.write()
    c, _ = idler(s, "anna")
    word = os.path.join(mail.root, "loft", "changed")
    assert not os.path.exists(word)
    t = servers.Tunnel(directory=servers.scratch())
    t.conf.write_text(t.conf.read_text().replace(f"{t.dir}/Maildir",
                                                 str(mail.root)))
    d = t.client("INBOX")
    d.ok("STORE 1 +FLAGS (\\Flagged)")
    assert b"\\Flagged" in c.response()
    wait_for("a word to the daemon", lambda: os.path.exists(word))
    d.logout()
    shutil.rmtree(t.dir)
