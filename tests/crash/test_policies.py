"""
The dead are in nobody's way: sessions that were killed do not count for the
policies of RFC 2180 3.1, 3.2 and 4.1.4, and what they kept is given back.
"""
import os
import signal

from server import Tunnel, wait_for


def kill(client):
    os.kill(client.process.pid, signal.SIGKILL)
    client.process.wait()


def test_a_dead_session_does_not_keep_a_mailbox_from_being_deleted():
    t = Tunnel("multiaccess_delete = refuse\n")
    one, two = t.client(), t.client()
    one.ok("CREATE FOO")
    two.ok("SELECT FOO")
    status, text, _ = one.command("DELETE FOO")
    assert status == "NO" and text.startswith(b"[INUSE]"), text
    kill(two)
    one.ok("DELETE FOO")


def test_a_dead_session_does_not_keep_messages_from_being_expunged():
    t = Tunnel("multiaccess_expunge = refuse\n")
    one = t.client()
    one.append("INBOX", b"A: b\r\n\r\nx\r\n", "\\Deleted")
    two = t.client("INBOX")
    one.ok("SELECT INBOX")
    status, text, _ = one.command("EXPUNGE")
    assert status == "NO" and text.startswith(b"[INUSE]"), text
    kill(two)
    one.ok("EXPUNGE")


def test_a_dead_session_does_not_keep_the_name_of_a_ghost():
    t = Tunnel("multiaccess_delete = ghost\n")
    one, two = t.client(), t.client()
    one.ok("CREATE FOO")
    two.ok("SELECT FOO")
    one.ok("DELETE FOO")
    status, text, _ = one.command("CREATE FOO")
    assert status == "NO" and text.startswith(b"[INUSE]"), text
    kill(two)
    one.ok("CREATE FOO")
    deleted = t.dir / "Maildir" / "loft" / "deleted"
    wait_for("the ghost to go", lambda: not any(deleted.iterdir()), 2)
