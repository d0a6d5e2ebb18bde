"""
A worker that tries to get out (XBREAKOUT, worker/test_hooks.c) fails with every
attempt, before login as after it: as root with one owner of all mail, as root with
system users, as an ordinary user. Needs the hooks build beside the one under test.
"""
import os
import pathlib
import shutil
import sys

import pytest

import server as servers

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "daemon"))

import daemons  # noqa: E402

HOOKS = servers.BUILD / "hooks"
if not (HOOKS / "loftd").exists():
    HOOKS = servers.BUILD
# An ordinary user's worker runs as that user: before login nothing but an empty
# root keeps it from files, which needs user namespaces.
BEFORE_LOGIN_ORDINARY = {"open-passwd", "open-other", "open-dotdot",
                         "open-proc", "write-tmp", "write-root"}


def attempts(client, other, pid):
    """{name: errno name, None when it got out}"""
    out = {}
    status, text, untagged = client.command(f'XBREAKOUT "{other}" {pid}')
    if status == "BAD" and b"nknown" in text:
        pytest.skip("not a build with test hooks")
    assert status == "OK", text
    for line in untagged:
        words = line.split()
        if words[1] == b"XBREAKOUT":
            out[words[2].decode()] = (words[5].decode()
                                      if words[3] == b"FAILED" else None)
    assert len(out) > 30
    return out


def escaped(found):
    return sorted(name for name, errno in found.items() if errno is None)


@pytest.fixture(params=daemons.kinds())
def daemon(request):
    d = daemons.Daemon(request.param, build=HOOKS)
    if not daemons.can_run(request.param):
        pytest.skip("an ordinary user cannot reach the build")
    d.start()
    yield d
    d.stop()
    shutil.rmtree(d.dir, ignore_errors=True)


@pytest.fixture
def other(daemon):
    """A session of bert's, his worker, and a file of his."""
    c = daemon.client("bert")
    c.ok("APPEND INBOX {3+}\r\n\r\nx")
    mail = daemon.dir / "mail" / "bert" / "Maildir"
    files = [p for d in ("new", "cur") for p in (mail / d).iterdir()]
    return c, daemon.worker_of("bert"), files[0]


def test_before_login(daemon, other):
    client, pid, path = other
    c = daemon.client()
    found = attempts(c, path, pid)
    out = set(escaped(found))
    if "chroot" not in daemon.status()["workers"][-1]:
        out -= BEFORE_LOGIN_ORDINARY
    assert not out
    client.ok("NOOP")
    c.ok("NOOP")


def test_after_login(daemon, other):
    client, pid, path = other
    c = daemon.client("anna")
    c.ok("SELECT INBOX")
    assert not escaped(attempts(c, path, pid))
    client.ok("NOOP")
    c.ok("APPEND INBOX {3+}\r\n\r\nx")
    assert not (daemon.dir / "mail/anna/Maildir/dev").exists()
    assert not (daemon.dir / "mail/anna/Maildir/link").is_symlink()


SHARED = """
namespace others {
  type = shared
  prefix = shared/%%u/
  separator = /
}
"""


@pytest.mark.parametrize("kind", [k for k in daemons.kinds()
                                  if k != "ordinary"])
def test_in_a_folder_of_somebody_else(kind):
    """Landlock cannot be had then: mounts must do."""
    d = daemons.Daemon(kind, build=HOOKS)
    d.conf.write_text(d.conf.read_text() + SHARED)
    d.start()
    try:
        if not d.has_mounts():
            pytest.skip("no mounts here")
        b = d.client("bert")
        b.ok("CREATE Team")
        b.ok("SETACL Team anna lrs")
        b.ok("CREATE Private")
        b.ok("APPEND Private {3+}\r\n\r\nx")
        mail = d.dir / "mail/bert/Maildir/.Private"
        path = [p for s in ("new", "cur") for p in (mail / s).iterdir()][0]
        pid = d.worker_of("bert")
        c = d.client("anna")
        c.ok("SELECT shared/bert/Team")
        assert not escaped(attempts(c, path, pid))
        b.ok("NOOP")
        c.ok("NOOP")
    finally:
        d.stop()
        shutil.rmtree(d.dir, ignore_errors=True)


def test_tunnel_after_login():
    t = servers.Tunnel(build=HOOKS)
    secret = t.dir / "outside"
    secret.write_text("x")
    c = t.client()
    found = attempts(c, secret, os.getpid())
    shutil.rmtree(t.dir, ignore_errors=True)
    assert not escaped(found)
