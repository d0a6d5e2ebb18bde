"""
Users and passwords that the system has: PAM (a real stack), shadow, passwd. Nothing of
the host is changed: PAM's services come from a folder of the test (a hooks build looks
there), passwd and shadow are put over the host's in a mount namespace.
"""
import os
import pathlib
import subprocess

import pytest

import daemons
import server as servers
from imap import Refused

HOOKS = servers.BUILD / "hooks"

STACK = """\
auth [success=1 default=ignore] pam_exec.so expose_authtok quiet {dir}/check
auth requisite pam_deny.so
auth required pam_permit.so
account [success=1 default=ignore] pam_exec.so quiet {dir}/account
account requisite pam_deny.so
account required pam_permit.so
"""

CHECK = """\
#!/bin/sh
password=$(tr -d '\\0')
echo "$PAM_USER $PAM_RHOST $PAM_SERVICE" >>{dir}/asked
[ "$PAM_USER:$password" = "anna:se cret" ] || [ "$PAM_USER:$password" = bert:x ]
"""

ACCOUNT = """\
#!/bin/sh
[ "$PAM_USER" != bert ]
"""


def write(path, text):
    path.write_text(text)
    path.chmod(0o755)


# Who the users are is another matter.
PAM_KINDS = pytest.mark.parametrize(
    "kind", [k for k in daemons.kinds() if k != "system"], indirect=True)


@pytest.fixture
def pam(daemon, kind, monkeypatch):
    if not (HOOKS / "loftd").exists():
        pytest.skip("not a build with test hooks")
    d = daemon(start=False, build=HOOKS)
    for name, text in (("check", CHECK), ("account", ACCOUNT)):
        write(d.dir / name, text.replace("{dir}", str(d.dir)))
    services = d.dir / "pam.d"
    services.mkdir(mode=0o755)
    write(services / "loft-imap", STACK.replace("{dir}", str(d.dir)))
    d.dir.chmod(0o777)
    head, rest = d.conf.read_text().split("passdb {", 1)
    d.conf.write_text(head + "passdb {\n  driver = pam\n  args = loft-%s\n}\n" +
                      rest.split("}", 1)[1])
    monkeypatch.setenv("LOFT_PAM_DIR", str(services))
    d.start()
    return d


@PAM_KINDS
def test_pam_says_who_may_in(pam):
    pam.client().ok('LOGIN anna "se cret"')
    assert (pam.dir / "asked").read_text() == "anna 127.0.0.1 loft-imap\n"
    with pytest.raises(Refused, match="AUTHENTICATIONFAILED"):
        pam.client().ok("LOGIN anna wrong")
    pam.wait_log("pam(anna,127.0.0.1,<")
    pam.wait_log("pam_authenticate() failed: Authentication failure "
                 "(Password mismatch?)")
    # The password is right, the account is not.
    with pytest.raises(Refused, match="AUTHENTICATIONFAILED"):
        pam.client().ok("LOGIN bert x")
    pam.wait_log("pam(bert,127.0.0.1): pam_acct_mgmt() failed")
    assert pam.ctl("auth", "test", "anna", "se cret").returncode == 0
    assert pam.ctl("auth", "test", "anna", "no", check=False).returncode == 77


@PAM_KINDS
def test_a_service_that_is_not_there_lets_nobody_in(pam):
    (pam.dir / "pam.d" / "loft-imap").unlink()
    with pytest.raises(Refused, match="UNAVAILABLE|AUTHENTICATIONFAILED"):
        pam.client().ok('LOGIN anna "se cret"')


USERS = """\
anna:x:61001:61001::{dir}/mail/anna:/bin/false
bert:x:61002:61002::{dir}/mail/bert:/bin/false
carl:x:61003:61003::{dir}/mail/carl:/bin/false
"""


@pytest.fixture
def system(monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("only root reads shadow")
    if subprocess.run(["unshare", "--mount", "true"],
                      capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces here")
    d = daemons.Daemon("system")
    secret = subprocess.run(["openssl", "passwd", "-6", "secret"], check=True,
                            capture_output=True, text=True).stdout.strip()
    etc = d.dir / "etc"
    etc.mkdir()
    write(etc / "passwd", pathlib.Path("/etc/passwd").read_text() +
          USERS.replace("{dir}", str(d.dir)))
    write(etc / "shadow", f"anna:{secret}:19000:0:99999:7:::\n"
          f"bert:!{secret}:19000:0:99999:7:::\n"
          f"carl:{secret}:19000:0:99999:7::19001:\n")
    head = d.conf.read_text().split("passdb {", 1)[0]
    d.conf.write_text(head + "passdb {\n  driver = shadow\n}\n"
                      "userdb {\n  driver = prefetch\n}\n"
                      "userdb {\n  driver = passwd\n}\n"
                      "first_valid_uid = 61000\n")
    d.prefix = ["unshare", "--mount", "sh", "-ec",
                f"mount --bind {etc}/passwd /etc/passwd\n"
                f"mount --bind {etc}/shadow /etc/shadow\nexec \"$@\"", "sh"]
    yield d
    d.stop()


def test_shadow_and_passwd_serve_system_users(system):
    system.start()
    c = system.client("anna")
    c.append("INBOX", b"Subject: x\r\n\r\n")
    c.logout()
    mail = system.dir / "mail/anna/Maildir"
    assert {p.stat().st_uid for p in mail.rglob("*")} == {61001}
    for user, password in (("anna", "wrong"), ("bert", "secret"),
                           ("carl", "secret"), ("nobody-here", "secret")):
        with pytest.raises(Refused, match="AUTHENTICATIONFAILED"):
            system.client().ok(f"LOGIN {user} {password}")
    system.wait_log("shadow(nobody-here,127.0.0.1,<")
    system.wait_log("unknown user")
    # A reload keeps it, and everybody who is there.
    assert system.ctl("reload").returncode == 0
    system.client("anna").ok("NOOP")
