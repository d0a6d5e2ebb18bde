"""
Configurations as servers in the wild have them (tests/data/config): they load, nothing
in them is unknown, and what is printed of them reads as the same.
"""
import re
import subprocess

import configs
import pytest
from server import BUILD

# What a build without the driver says; nothing else may stop a sample.
DRIVERS = re.compile(r"(passdb|userdb) driver (sql|ldap) is not supported")
FATAL = re.compile(r"^\S+:\d+: error: ", re.M)


def config(path, *options):
    return subprocess.run([BUILD / "loftctl", "-c", path, "config", *options],
                          capture_output=True, text=True, timeout=20)


@pytest.fixture(params=configs.NAMES)
def sample(request, tmp_path):
    return configs.install(request.param, tmp_path)


def without_drivers(path):
    """The sample with users that every build can look up."""
    for file in path.parent.rglob("*"):
        if file.is_file() and file.suffix in (".conf", ".ext"):
            text = re.sub(r"^((?:pass|user)db)( sql)? \{\n(?:(?!^\}).)*?"
                          r"(?:driver = sql|query = )(?:(?!^\}).)*?^\}",
                          r"\1 {\n  driver = static\n"
                          r"  args = uid=1000 password=x\n}",
                          file.read_text(), flags=re.M | re.S)
            file.write_text(text)


def test_it_loads_and_nothing_is_unknown(sample):
    out = config(sample)
    errors = [line for line in out.stderr.splitlines() if FATAL.match(line)]
    assert [e for e in errors if not DRIVERS.search(e)] == []
    assert " is unknown" not in out.stderr
    assert out.returncode == (78 if errors else 0), out.stderr
    # whatever is left out says why
    for line in out.stderr.splitlines():
        assert not re.search(r" is ignored$", line), line


@pytest.mark.parametrize("options", [[], ["-n"]])
def test_what_is_printed_reads_as_the_same(sample, tmp_path, options):
    without_drivers(sample)
    first = config(sample, "-P", *options)
    assert first.returncode == 0, first.stderr
    again = tmp_path / "printed.conf"
    again.write_text(first.stdout)
    second = config(again, "-P", *options)
    assert second.returncode == 0, second.stderr
    assert second.stdout == first.stdout
    assert second.stderr == "", "it has no word that Loft does not use"
    whole = config(again, "-P"), config(sample, "-P")
    assert whole[0].stdout == whole[1].stdout


def test_only_what_differs_is_printed(sample, tmp_path):
    without_drivers(sample)
    changed = config(sample, "-n").stdout
    usual = config(tmp_path / "none", "-a")
    assert usual.returncode == 78
    empty = tmp_path / "empty.conf"
    empty.write_text("passdb {\n  driver = static\n  args = password=x\n}\n")
    usual = set(config(empty, "-a").stdout.splitlines())
    settings = [line for line in changed.splitlines()
                if line and not line.startswith(" ") and " = " in line]
    assert [line for line in settings if line in usual] == []


def test_secrets_are_hidden_unless_asked_for(sample):
    without_drivers(sample)
    assert "PRIVATE KEY" not in config(sample).stdout
    assert "ssl_key = # hidden" in config(sample, "-n").stdout
    assert "PRIVATE KEY" in config(sample, "-n", "-P").stdout


def test_what_they_say_counts(tmp_path):
    """A few settings of each, in either dialect, that must not get lost."""
    expected = {
        "debian-2.3": ["ssl = required", "mail_max_userip_connections = 40"],
        "debian-2.4": ["mail_location = maildir:%{home}/Maildir",
                       "acl_driver = vfile", "service_name = dovecot"],
        "docker-mailserver": ["mail_location = maildir:/var/mail/%d/%n",
                              "home = /var/mail/%d/%u",
                              "last_valid_uid = 5000"],
        "iredmail-2.4": ["ssl_min_protocol = TLSv1.3", 'prefix = "shared/$user/"',
                         "mail_max_userip_connections = 30"],
        "ispconfig": ["disable_plaintext_auth = no", "separator = .",
                      "unix_listener /var/spool/postfix/private/auth {"],
        "mailcow": ["mail_fsync = never", "mail_home = /var/vmail/%d/%n",
                    "prefix = Shared/%%u/", "mail_max_userip_connections = 500",
                    "acl_shared_dict = file:/var/vmail/shared-mailboxes.db"],
        "mailinabox": ["first_valid_uid = 0", "port = 0",
                       "mail_max_userip_connections = 20"],
        "nixos": ["mail_location = maildir:/var/vmail/%{domain}/%{username}:"
                  "INDEX=/var/lib/dovecot/indices/%{domain}/%{username}"],
    }
    for name, lines in expected.items():
        path = configs.install(name, tmp_path)
        without_drivers(path)
        printed = [x.strip() for x in config(path, "-n").stdout.splitlines()]
        assert [x for x in lines if x not in printed] == [], (name, printed)
