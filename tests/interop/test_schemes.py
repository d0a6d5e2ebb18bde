"""Passwords that loftctl pw made, as Dovecot sees them. (Dovecot's own are vectors in
tests/unit/test_password.c.)"""
import subprocess

import dovecot
from imap import Imap
from server import BUILD

CLEAR = "pa ss, 1!"


def pw(*words, text=None):
    return subprocess.run([BUILD / "loftctl", "pw", *words], text=True, timeout=30,
                          input=text, capture_output=True)


def test_dovecot_takes_what_loftctl_made():
    dovecot.need()
    schemes = pw("-l").stdout.split()
    assert len(schemes) > 25
    users = {s.lower(): pw("-s", s, "-p", CLEAR, "-u", s.lower()).stdout.strip()
             for s in schemes}
    # In a passwd-file a colon would end the password.
    users["plain.b64"] = pw("-s", "plain.b64", "-p", CLEAR).stdout.strip()
    with dovecot.Dovecot(users=1) as d:
        (d.dir / "passwd").write_text(
            "".join(f"{u}:{stored}\n" for u, stored in users.items()))
        for user in users:
            c = Imap.connect(d.port)
            c.greet()
            c.ok(f'LOGIN {user} "{CLEAR}"')
            c.close()


def test_words_and_exit_codes_are_those_of_doveadm():
    made = pw("-s", "sha256.hex", "-p", "x")
    assert (made.returncode, made.stdout) == (0, "{SHA256.HEX}2d711642b726b0440162"
                                              "7ca9fbac32f5c8530fb1903cc4db02258717921a4881\n")
    assert pw("-p", "x").stdout.startswith("{CRYPT}$2y$05$")
    assert pw("-s", "BLF-CRYPT", "-r", "6", "-p", "x").stdout.startswith(
        "{BLF-CRYPT}$2y$06$")
    seen = pw("-t", "{PLAIN}x", "-p", "x")
    assert (seen.returncode, seen.stdout) == (0, "{PLAIN}x (verified)\n")
    assert pw("-s", "CRAM-MD5", "-V", "-p", "x").stdout == \
        "{CRAM-MD5}4638c77f1a70c6fda4ddfa6fbe34e6ee090a0f0088f15da8fed5e0a5ff2b4152" \
        " (verified)\n"
    for words, what in ((("-t", "{PLAIN}x", "-p", "y"), "Password mismatch"),
                        (("-t", "{FOO}x", "-p", "y"), "Unknown scheme"),
                        (("-t", "x", "-p", "y"), "Missing {scheme} prefix"),
                        (("-s", "FOO", "-p", "y"), "Unknown scheme"),
                        (("-s", "DIGEST-MD5", "-p", "y"), "-u USER")):
        bad = pw(*words)
        assert (bad.returncode, bad.stdout) == (75, "") and what in bad.stderr
    assert pw("-x").returncode == 64
    assert pw("-s", "PLAIN", text="abc\nabc\n").stdout == "{PLAIN}abc\n"
    assert pw("-s", "PLAIN", text="abc\n").stdout == "{PLAIN}abc\n"
    assert "match" in pw("-s", "PLAIN", text="abc\nabd\n").stderr
    assert pw("-s", "PLAIN", text="").returncode == 75
