"""
Configuration files beside Dovecot itself: what Debian ships loads, every setting that it
mentions is known, and our samples of 2.3 are what its doveconf takes for one.
"""
import re
import shutil
import subprocess

import configs
import dovecot
import pytest
from server import BUILD

SHIPPED = dovecot.ROOT / "root" / "usr" / "share" / "dovecot"

# Settings that Debian's files show within a block that is a comment, too.
IN_BLOCKS = {"driver", "args", "type", "separator", "prefix", "location",
             "subscriptions", "list", "address", "port"}
# They ask for what Loft does not have; it says so and does not start.
REFUSED = {"login_access_sockets", "override_fields"}


def shipped(tmp_path, change=lambda text: text):
    dovecot.need()
    root = tmp_path / "dovecot"
    shutil.copytree(SHIPPED, root)
    (tmp_path / "file").write_text("a file\n")
    for path in root.rglob("*.conf*"):
        text = re.sub(r"^mail_location = mbox:.*", "mail_location = "
                      "maildir:~/Maildir", path.read_text(), flags=re.M)
        text = re.sub(r"<(/\S+)", f"<{tmp_path}/file", text)
        path.write_text(change(text))
    return subprocess.run([BUILD / "loftctl", "-c", root / "dovecot.conf",
                           "config", "-n"], capture_output=True, text=True,
                          timeout=20)


def test_what_debian_ships_loads(tmp_path):
    out = shipped(tmp_path)
    assert out.returncode == 0, out.stderr
    assert " unknown" not in out.stderr
    assert "driver = pam" in out.stdout


def test_every_setting_that_debian_mentions_is_known(tmp_path):
    out = shipped(tmp_path, lambda text: re.sub(
        r"^( *)#([a-z_0-9]+ *=)", r"\1\2", text, flags=re.M))
    unknown = set(re.findall(r": (\S+) is unknown", out.stderr))
    assert unknown <= IN_BLOCKS
    refused = re.findall(r": error: (?:\w+: )?(\w+)", out.stderr)
    assert set(refused) <= REFUSED
    assert out.stderr.count(" is ignored: ") > 100


@pytest.mark.parametrize("name", [n for n in configs.NAMES
                                  if not n.endswith("2.4")])
def test_our_samples_are_dovecots_language(name, tmp_path):
    dovecot.need()
    main = configs.install(name, tmp_path)
    for path in main.parent.rglob("*.conf"):
        text = re.sub(r"^\s*managesieve_\w+ *=.*\n", "", path.read_text(),
                      flags=re.M)
        path.write_text(re.sub(r"^( *protocols =.*)\bsieve\b", r"\1", text,
                               flags=re.M))
    r = subprocess.run([dovecot.ROOT / "doveconf", "-n", "-c", main],
                       capture_output=True, text=True, timeout=20)
    # users and folders are those of the machine that it is from
    said = [line for line in r.stderr.splitlines() if "doesn't exist" not in
            line and not re.search(r": access\(|setmntent", line)]
    assert said == []
