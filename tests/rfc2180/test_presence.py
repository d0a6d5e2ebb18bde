"""
References to a mailbox never leak: sessions are killed at random instants, a thousand
of them, and then a DELETE that others could refuse (RFC 2180 3.1) finds nobody.
LOFT_PRESENCE_KILLS says how many, LOFT_PRESENCE_SEED repeats when.
"""
import concurrent.futures
import os
import random
import shutil
import signal
import threading

from imap import Imap
from server import Tunnel, wait_for

KILLS = int(os.environ.get("LOFT_PRESENCE_KILLS", "1000"))
SEED = os.environ.get("LOFT_PRESENCE_SEED") or str(random.randrange(1 << 30))
AT_ONCE = 8

WORDS = ["SELECT FOO", "EXAMINE FOO", "FETCH 1:* (FLAGS)", "STORE 1 +FLAGS (\\Seen)",
         "STORE 2 +FLAGS.SILENT (\\Deleted)", "EXPUNGE", "UNSELECT", "SELECT INBOX",
         "COPY 1 FOO", "CLOSE", "NOOP"]


def killed_once(t, number):
    """A session with random commands, killed at a random moment."""
    r = random.Random(f"{SEED}.{number}")
    process, sock = t.spawn()
    words = ["SELECT FOO"] + [r.choice(WORDS) for _ in range(8)]
    try:
        sock.sendall(b"".join(b"a%d %s\r\n" % (i, w.encode())
                              for i, w in enumerate(words)))
    except OSError:
        pass
    # From before it has opened anything to after it has done all.
    timer = threading.Timer(r.random() * 0.1, lambda: os.killpg(
        process.pid, signal.SIGKILL))
    timer.start()
    c = Imap(sock, process=process)
    timer.join()
    c.close()
    return process.returncode


def test_a_thousand_killed_sessions_leave_no_reference():
    print("LOFT_PRESENCE_SEED", SEED)
    t = Tunnel("multiaccess_delete = refuse\n")
    for box in ("INBOX", "FOO"):
        for uid in range(1, 30):
            t.mail.add(box, uid=uid)
    t.mail.write()
    here = t.client("FOO")
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(lambda n: killed_once(t, n), range(KILLS)))
    assert ends.count(-signal.SIGKILL) > KILLS * 0.9, ends[:20]
    c = t.client()
    # One who lives counts.
    status, text, _ = c.command("DELETE FOO")
    assert (status, text[:7]) == ("NO", b"[INUSE]")
    here.logout()
    c.ok("DELETE FOO")
    c.logout()
    root = t.mail.root

    def left():
        last = t.client("INBOX")
        last.logout()
        return [name for where in ("tmp", "loft/sessions", "loft/deleted")
                if os.path.isdir(os.path.join(root, where))
                for name in os.listdir(os.path.join(root, where))]
    wait_for("everything to be swept", lambda: not left(), 10)
    shutil.rmtree(t.dir, ignore_errors=True)
