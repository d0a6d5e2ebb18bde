"""The processes: who may log in, what a reload, a crash and a stop cost."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from imap import Closed, Imap, Late, Refused
from server import IS_ROOT, wait_for


# The others have a static passdb, which knows everybody.
PASSWD_FILE_ONLY = pytest.mark.parametrize(
    "kind", ["system"] if IS_ROOT else [], indirect=True)


def is_alive(pid):
    try:
        state = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def append(c, text="Subject: x\r\n\r\nbody\r\n", folder="INBOX"):
    c.ok(f"APPEND {folder} {{{len(text)}+}}\r\n{text}")


def test_a_user_logs_in_and_leaves_files_of_his_own(daemon, kind):
    d = daemon()
    c = d.client("anna")
    append(c)
    c.ok("SELECT INBOX")
    assert any(b" 1 EXISTS" in x for x in c.ok("NOOP") + [b"* 1 EXISTS"])
    c.ok("LOGOUT")
    owners = {(p.stat().st_uid, p.stat().st_gid)
              for p in (d.dir / "mail" / "anna" / "Maildir").rglob("*")}
    if kind == "system":
        assert owners == {(61001, 61001)}
    assert len(owners) == 1
    assert os.stat(d.dir / "mail/anna/Maildir").st_mode & 0o077 == 0
    d.wait_log("imap-login: Info: Login: user=<anna>, method=PLAIN, "
               "rip=127.0.0.1, lip=127.0.0.1, mpid=")


def test_two_users_at_once_have_their_own_mail(daemon):
    d = daemon()
    a, b = d.client("anna"), d.client("bert", tls=True)
    append(a)
    append(a)
    append(b)
    assert any(b"MESSAGES 2" in x for x in a.ok("STATUS INBOX (MESSAGES)"))
    assert any(b"MESSAGES 1" in x for x in b.ok("STATUS INBOX (MESSAGES)"))


def test_a_wrong_password_is_refused_after_a_delay(daemon):
    d = daemon("auth_failure_delay = 300 msecs\n")
    c = d.client()
    begin = time.monotonic()
    with pytest.raises(Refused) as e:
        c.ok("LOGIN anna wrong")
    assert b"AUTHENTICATIONFAILED" in str(e.value).encode()
    assert time.monotonic() - begin >= 0.3
    c.close()
    d.wait_log("(auth failed, 1 attempts in ")
    assert re.search(r"imap-login: Info: Disconnected \(auth failed, 1 "
                     r"attempts in \d+ secs\): user=<anna>, method=PLAIN, "
                     r"rip=127\.0\.0\.1, lip=127\.0\.0\.1, ", d.log())
    assert re.search(r"auth: Info: (static|passwd-file)\(anna,127\.0\.0\.1,"
                     r"<[^>]+>\): Password mismatch", d.log())


@PASSWD_FILE_ONLY
def test_an_unknown_user_is_named_in_the_log(daemon):
    d = daemon()
    with pytest.raises(Refused):
        d.client().ok("LOGIN nobody secret")
    d.wait_log("passwd-file(nobody,127.0.0.1,<")
    d.wait_log(">): unknown user")


def test_names_are_normalised_and_checked(daemon):
    d = daemon()
    d.client().ok("LOGIN ANNA secret")
    d.wait_log("user=<anna>")
    with pytest.raises(Refused):
        d.client().ok('LOGIN "../anna" secret')


@PASSWD_FILE_ONLY
def test_a_changed_password_counts_at_once(daemon):
    d = daemon()
    d.client("anna").ok("LOGOUT")
    made = d.ctl("pw", "-s", "SHA512-CRYPT", "-p", "other").stdout.strip()
    assert made.startswith("{SHA512-CRYPT}$6$")
    d.write_users({"anna": made, "bert": "{PLAIN}secret"})
    with pytest.raises(Refused):
        d.client().ok("LOGIN anna secret")
    d.client().ok("LOGIN anna other")


def test_sessions_of_one_user_and_address_are_limited(daemon):
    d = daemon("mail_max_userip_connections = 2\n")
    a, b = d.client("anna"), d.client("anna")
    with pytest.raises(Refused) as e:
        d.client().ok("LOGIN anna secret")
    assert "Maximum number of connections" in str(e.value)
    d.client("bert")
    a.ok("LOGOUT")
    wait_for("the session to be counted out",
             lambda: len([w for w in d.who() if w[0] == "anna"]) == 1)
    d.client("anna")
    b.ok("NOOP")


def test_who_status_and_auth_test(daemon, kind):
    d = daemon()
    c = d.client("anna")
    assert ("anna", "127.0.0.1") in [w[:2] for w in d.who()]
    status = d.status()
    assert {"auth", "home", "notify", "workers", "master"} <= set(status)
    assert "seccomp" in status["workers"][-1]
    assert "landlock" in status["workers"][-1]
    if kind != "ordinary":
        assert "chroot" in status["workers"][-1]
        assert "mounts" in status["home"][-1]
    assert d.ctl("auth", "test", "anna", "secret").returncode == 0
    assert d.ctl("auth", "test", "anna", "no", check=False).returncode == 77
    c.ok("NOOP")


def test_kick_says_bye(daemon):
    d = daemon()
    c, other = d.client("anna"), d.client("bert")
    assert d.ctl("kick", "anna").returncode == 0
    assert c.response().startswith(b"* BYE")
    other.ok("NOOP")
    assert d.ctl("kick", "carl", check=False).returncode == 68


def test_a_reload_keeps_sessions_and_takes_new_settings(daemon):
    d = daemon()
    c = d.client("anna")
    old = d.pools()
    d.conf.write_text(d.conf.read_text() + "login_greeting = Reloaded.\n")
    d.ctl("reload")

    def greets():
        new = d.client()
        text = new.greeting
        new.close()
        return b"Reloaded." in text
    wait_for("the new greeting", greets)
    append(c)
    assert set(old) <= set(d.pools())
    c.ok("LOGOUT")
    wait_for("the old pool to end", lambda: not set(old) & set(d.pools()))


def test_a_broken_configuration_leaves_the_old_one(daemon):
    d = daemon()
    good = d.conf.read_text()
    d.conf.write_text(good + "mail_location = mdbox:~/mdbox\n")
    r = d.ctl("reload", check=False)
    assert r.returncode == 78 and "mdbox" in r.stderr
    d.client("anna").ok("NOOP")


def test_a_reload_follows_listen(daemon):
    d = daemon()
    c = d.client("anna")
    d.conf.write_text(d.conf.read_text() + "listen = 127.0.0.2\n")
    done = d.ctl("reload")
    assert "restart" not in done.stdout + done.stderr
    d.wait_log("reloaded: pool")
    assert "a reload does not change" not in d.log()
    there = Imap.connect(d.port, host="127.0.0.2")
    there.login("bert")

    def refuses():
        try:
            Imap.connect(d.port).close()
        except ConnectionRefusedError:
            return True
        return False
    wait_for("the old address to be free", refuses)
    c.ok("NOOP")


def test_a_moved_log_is_opened_again(daemon):
    d = daemon()
    c = d.client("bert")
    (d.dir / "log").rename(d.dir / "log.1")
    old = d.pools()
    d.ctl("log", "reopen")
    wait_for("the old pool to retire",
             lambda: d.status()[old[0]][2] == "retiring")
    d.client("anna")
    d.wait_log("Login: user=<anna>")
    with pytest.raises(Refused):
        d.client().ok("LOGIN anna wrong")
    d.wait_log("Password mismatch")
    c.ok("NOOP")


def test_info_lines_have_a_log_of_their_own(daemon):
    d = daemon(extra="info_log_path = {dir}/info\nmail_debug = yes\n")
    info = d.dir / "info"

    def told(text):
        wait_for(f"{text!r} in the info log", lambda: text in
                 info.read_text(errors="replace") if info.exists() else False)
    d.client("anna").ok("NOOP")
    told("Login: user=<anna>")
    told("Debug: ")
    with pytest.raises(Refused):
        d.client().ok("LOGIN anna wrong")
    told("Password mismatch")
    assert "Info: " not in d.log() and "Debug: " not in d.log()
    info.rename(d.dir / "info.1")
    d.ctl("log", "reopen")
    wait_for("the new pool", lambda: d.client("bert").ok("NOOP") is not None and
             info.exists() and "Login: user=<bert>" in info.read_text())
    # Without the setting they come back, after a reload.
    d.conf.write_text(d.conf.read_text().replace("info_log_path", "#"))
    d.ctl("reload")
    d.wait_log("reloaded: pool")
    wait_for("the new pool", lambda: d.client("anna").ok("NOOP") is not None and
             "Login: user=<anna>" in d.log())
    with pytest.raises(Refused):
        d.client().ok("LOGIN anna wrong")
    d.wait_log("Password mismatch")


def test_log_to_stderr(daemon):
    d = daemon(extra="log_path = /dev/stderr\n")
    d.client("anna")
    wait_for("the line", lambda: "Login: user=<anna>" in d.errors())
    d.ctl("log", "reopen")
    d.client("bert")
    wait_for("the line", lambda: "Login: user=<bert>" in d.errors())
    assert not (d.dir / "log").exists()


@pytest.fixture
def syslog():
    """What comes to /dev/log, where this machine has none."""
    if not IS_ROOT:
        pytest.skip("/dev/log needs root")
    if os.path.lexists("/dev/log"):
        pytest.skip("there is a syslog daemon")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        s.settimeout(20)
        try:
            yield s
        finally:
            os.unlink("/dev/log")


def test_log_to_syslog(daemon, syslog):
    d = daemon(extra="log_path = syslog\n")
    d.client("anna")

    def heard(pattern):
        while not re.search(pattern, syslog.recv(8192)):
            pass
    heard(rb"^<22>\w{3} [ \d]\d [\d:]{8} dovecot: imap-login: Login: "
          rb"user=<anna>")
    d.ctl("log", "reopen")
    with pytest.raises(Refused):
        d.client().ok("LOGIN anna wrong")
    heard(rb"Password mismatch")
    # A reload leads to a file, and lines of the master, too.
    d.conf.write_text(d.conf.read_text().replace(
        "log_path = syslog\n", f"log_path = {d.dir}/log\n"))
    d.ctl("reload")
    d.wait_log("master: Info: reloaded")
    d.conf.write_text(d.conf.read_text() + "log_path = syslog\n")
    d.ctl("reload")
    heard(rb"dovecot: master: reloaded")
    with pytest.raises(Refused):
        d.client().ok("LOGIN bert wrong")
    heard(rb"Password mismatch")


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGABRT])
def test_what_a_dead_session_left_is_swept_at_once(daemon, sig):
    """Without anybody who opens the account, or any other, later."""
    d = daemon()
    a = d.client("anna")
    victim = d.worker_of("anna")
    append(a)
    append(a)
    a.ok("SELECT INBOX")
    b = d.client("anna")
    b.ok("SELECT INBOX")
    b.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    b.ok("EXPUNGE")
    b.ok("LOGOUT")
    maildir = d.dir / "mail" / "anna" / "Maildir"
    assert len(list((maildir / "tmp").glob("loft-ghost.*"))) == 2
    wait_for("the other to be gone", lambda: len(list(
        (maildir / "loft" / "sessions").iterdir())) == 1)
    os.kill(victim, sig)
    wait_for("the sweep", lambda: not list((maildir / "tmp").iterdir()) and
             not list((maildir / "loft" / "sessions").iterdir()))
    # A relayed session is another process, which sees its client go and ends.
    if d.kind != "system" or "idmap" in d.status()["home"][-1]:
        d.wait_log("sweeping 1 dead session of user anna")
    wait_for("nobody", lambda: d.who() == [])


@pytest.mark.parametrize("role", ["auth", "home", "notify"])
def test_a_killed_role_comes_back(daemon, role):
    d = daemon()
    c = d.client("anna")
    old = d.pid(role)
    os.kill(old, signal.SIGKILL)
    wait_for("the role's successor",
             lambda: d.status()[role][1] == "up" and d.pid(role) != old)
    append(c)

    def logs_in():
        try:
            d.client("bert").ok("NOOP")
            return True
        except (Refused, Closed):
            return False
    wait_for("logins", logs_in)


def test_a_killed_pool_costs_no_session(daemon):
    d = daemon()
    c = d.client("anna")
    old = d.pools()[-1]
    pid = d.pid(old)
    os.kill(pid, signal.SIGKILL)

    def logs_in():
        try:
            d.client("bert").ok("NOOP")
            return True
        except (OSError, Closed, Late):
            return False
    wait_for("the new pool", logs_in)
    append(c)
    d.ctl("kick", "anna")
    assert c.response().startswith(b"* BYE")


def test_a_killed_worker_costs_its_own_session(daemon):
    d = daemon()
    c, other = d.client("anna"), d.client("bert")
    os.kill(d.worker_of("anna"), signal.SIGKILL)
    with pytest.raises(Closed):
        c.ok("NOOP")
    other.ok("NOOP")
    d.client("anna").ok("SELECT INBOX")


def test_a_crash_brings_a_new_pool(daemon):
    d = daemon()
    b, c = d.client("bert"), d.client("anna")
    old = d.pools()
    os.kill(d.worker_of("anna"), signal.SIGABRT)
    wait_for("a new pool", lambda: set(d.pools()) - set(old))
    d.client("anna").ok("NOOP")
    b.ok("NOOP")
    with pytest.raises(Closed):
        c.ok("NOOP")


def test_stop_says_bye_and_leaves_nobody(daemon):
    d = daemon()
    c = d.client("anna")
    pids = [d.worker_of("anna")]
    pids += [d.pid(r) for r in ("auth", "home", "notify", d.pools()[0])]
    pid_file = (d.dir / "run" / "master.pid").read_text()
    assert int(pid_file) == d.process.pid
    d.ctl("stop")
    assert c.response().startswith(b"* BYE")
    assert d.process.wait(15) == 0
    wait_for("everybody's end", lambda: not any(map(is_alive, pids)))
    assert not (d.dir / "run" / "master.pid").exists()


def test_an_immediate_stop(daemon):
    d = daemon()
    c = d.client("anna")
    worker = d.worker_of("anna")
    d.ctl("stop", "now")
    with pytest.raises(Closed):
        c.ok("NOOP")
    assert d.process.wait(5) == 0
    wait_for("the worker's end", lambda: not is_alive(worker))


def test_a_killed_master_lets_sessions_end_and_frees_the_port(daemon):
    d = daemon()
    c = d.client("anna")
    pool = d.pid(d.pools()[0])
    d.process.kill()
    d.process.wait()
    append(c)
    d.start()
    d.client("bert").ok("NOOP")
    c.ok("LOGOUT")
    wait_for("the old pool's end", lambda: not is_alive(pool))


def test_idle_is_woken_by_sessions_and_by_deliveries(daemon):
    d = daemon()
    a, b = d.client("anna"), d.client("anna")
    a.ok("SELECT INBOX")
    tag = a.idle()
    append(b)
    assert b"1 EXISTS" in a.response()
    new = d.dir / "mail/anna/Maildir/new"
    path = new.parent / "tmp" / "outside"
    path.write_bytes(b"Subject: y\n\n")
    st = new.stat()
    os.chown(path, st.st_uid, st.st_gid)
    path.rename(new / "1.outside")
    wanted = time.monotonic() + 10
    while b"2 EXISTS" not in a.response():
        assert time.monotonic() < wanted
    a.done(tag)


def test_idle_is_woken_after_notify_was_killed(daemon):
    d = daemon()
    a = d.client("anna")
    a.ok("SELECT INBOX")
    a.idle()
    old = d.pid("notify")
    os.kill(old, signal.SIGKILL)
    wait_for("its successor",
             lambda: d.status()["notify"][1] == "up" and
             d.pid("notify") != old)
    append(d.client("anna"))
    assert b"1 EXISTS" in a.response()


def test_nobody_waits_for_a_stopped_session(daemon):
    d = daemon()
    c = d.client("anna")
    c.ok("SELECT INBOX")
    worker = d.worker_of("anna")
    os.kill(worker, signal.SIGSTOP)
    other = d.client("anna")
    begin = time.monotonic()
    append(other)
    assert time.monotonic() - begin < 5
    os.kill(worker, signal.SIGCONT)
    c.ok("NOOP")


def test_nobody_waits_long_for_one_stopped_at_work(daemon):
    """Stopped at random moments, in transactions and holding locks, too."""
    d = daemon()
    other = d.client("anna")
    other.ok("SELECT INBOX")
    mine = {d.worker_of("anna")}
    for i in range(12):
        busy = d.client("anna")
        worker = wait_for("its worker",
                          lambda: {p for _, _, p in d.who()} - mine).pop()
        busy.send(b"".join(b"p%d APPEND INBOX {3+}\r\n\r\nx\r\n" % k
                           for k in range(200)))
        time.sleep(0.005 + 0.003 * i)
        os.kill(worker, signal.SIGSTOP)
        begin = time.monotonic()
        append(other)
        assert time.monotonic() - begin < 4
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        wait_for("its end", lambda: not is_alive(worker))
        busy.close()
        other.ok("NOOP")


def test_inetd_serves_one_connection(daemon, kind):
    import daemons
    d = daemon(start=False)
    ours, theirs = socket.socketpair()
    as_user = {}
    if kind == "ordinary" and os.geteuid() == 0:
        as_user = {"user": daemons.ORDINARY, "group": daemons.ORDINARY,
                   "extra_groups": []}
    p = subprocess.Popen([d.build / "loftd", "-i", "-c", d.conf],
                         stdin=theirs, stdout=theirs, stderr=theirs,
                         **as_user)
    theirs.close()
    c = Imap(ours)
    c.greet()
    c.ok("LOGIN anna secret")
    append(c)
    c.ok("SELECT INBOX")
    c.ok("LOGOUT")
    assert p.wait(10) == 0


def inetd(d, port):
    """A connection to that port, with loftd -i at its other end: (client, process)."""
    import daemons
    as_user = {}
    if d.kind == "ordinary" and os.geteuid() == 0:
        as_user = {"user": daemons.ORDINARY, "group": daemons.ORDINARY,
                   "extra_groups": []}
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen()
        ours = socket.create_connection(("127.0.0.1", port))
        theirs, _ = s.accept()
    with theirs:
        p = subprocess.Popen([d.build / "loftd", "-i", "-c", d.conf],
                             stdin=theirs, stdout=theirs, stderr=theirs,
                             **as_user)
    return Imap(ours), p


@pytest.mark.parametrize("how", ["plain", "starttls", "tls"])
def test_inetd_knows_tls_by_the_port(daemon, how):
    d = daemon(start=False)
    c, p = inetd(d, d.tls_port if how == "tls" else d.port)
    if how == "tls":
        c.start_tls()
    greeting = c.greet()
    assert (b"STARTTLS" in greeting) == (how != "tls"), greeting
    if how == "starttls":
        c.ok("STARTTLS")
        c.start_tls()
    c.ok("LOGIN anna secret")
    append(c)
    c.ok("SELECT INBOX")
    c.ok("LOGOUT")
    assert p.wait(10) == 0
    tls = re.search(r"Login: user=<anna>.*", d.log())[0]
    assert ("TLS" in tls) == (how != "plain"), tls


@pytest.mark.skipif(not IS_ROOT, reason="the port 993 needs root")
@pytest.mark.parametrize("kind", ["virtual"], indirect=True)
def test_inetd_on_the_port_of_imaps(daemon):
    """Also where no inet_listener has it."""
    d = daemon(start=False)
    try:
        c, p = inetd(d, 993)
    except OSError as e:
        pytest.skip(f"port 993: {e}")
    c.start_tls()
    c.login("anna")
    c.ok("LOGOUT")
    assert p.wait(10) == 0


def test_listening_sockets_of_systemd_are_used(daemon, kind):
    import daemons
    d = daemon(start=False)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", d.port))
    s.listen()
    script = ('exec 3<&%d; export LISTEN_FDS=1 LISTEN_PID=$$; '
              'exec "$0" -F -c "$1"' % s.fileno())
    as_user = {}
    if kind == "ordinary" and os.geteuid() == 0:
        as_user = {"user": daemons.ORDINARY, "group": daemons.ORDINARY,
                   "extra_groups": []}
    p = subprocess.Popen(["bash", "-c", script, d.build / "loftd", d.conf],
                         pass_fds=[s.fileno()], stdin=subprocess.DEVNULL,
                         stderr=open(d.dir / "stderr", "wb"), **as_user)
    try:
        c = Imap.connect(d.port)
        c.greet()
        c.ok("LOGIN anna secret")
    finally:
        p.terminate()
        assert p.wait(15) == 0
        s.close()
