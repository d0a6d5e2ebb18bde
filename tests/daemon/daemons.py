"""Servers of every identity: as root with one owner of all mail, as root with
system users (each account its own uid), as an ordinary user."""
import os
import pathlib
import signal
import subprocess

import pytest

import server as servers
from imap import Closed, Imap, Late

ORDINARY = 61234
SYSTEM = {"anna": 61001, "bert": 61002, "carl": 61003}

PASSWD_FILE = """
passdb {
  driver = passwd-file
  args = {dir}/users
}
userdb {
  driver = passwd-file
  args = {dir}/users
}
"""


def without_static(text):
    """The basic configuration less its passdb and userdb."""
    head, rest = text.split("passdb {", 1)
    return head + "namespace" + rest.split("namespace", 1)[1]


class Daemon(servers.Server):
    """
    kind: "virtual" (as root), "system" (as root) or "ordinary". prefix: what runs loftd.
    """
    prefix = ()

    def __init__(self, kind, extra="", **kw):
        self.kind = kind
        config = servers.BASIC.replace("{{", "{").replace("}}", "}")
        if kind == "system":
            config = without_static(config).replace(
                "first_valid_uid = {uid}", "first_valid_uid = 61000")
            extra = PASSWD_FILE + extra
        super().__init__(extra=extra, config=config, start=False, **kw)
        if kind == "system":
            self.write_users({u: "{PLAIN}secret" for u in SYSTEM})
            (self.dir / "mail").chmod(0o755)
            for user, uid in SYSTEM.items():
                home = self.dir / "mail" / user
                home.mkdir(mode=0o700)
                os.chown(home, uid, uid)
        if kind == "ordinary" and os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{ORDINARY}:{ORDINARY}",
                            str(self.dir)], check=True)

    def fill(self, text):
        if self.kind == "ordinary" and os.geteuid() == 0:
            text = text.replace("uid={uid} gid={gid}",
                                f"uid={ORDINARY} gid={ORDINARY}")
            text = text.replace("first_valid_uid = {uid}",
                                f"first_valid_uid = {ORDINARY}")
        return super().fill(text)

    def write_users(self, passwords):
        lines = []
        for user, password in passwords.items():
            uid = SYSTEM[user]
            lines.append(f"{user}:{password}:{uid}:{uid}::"
                         f"{self.dir}/mail/{user}::")
        tmp = self.dir / "users.new"
        tmp.write_text("\n".join(lines) + "\n")
        tmp.chmod(0o600)
        tmp.rename(self.dir / "users")

    def start(self):
        as_user = {}
        if self.kind == "ordinary" and os.geteuid() == 0:
            as_user = {"user": ORDINARY, "group": ORDINARY,
                       "extra_groups": []}
        self.stderr = open(self.dir / "stderr", "ab")
        self.process = subprocess.Popen(
            [*self.prefix, self.build / "loftd", "-F", "-c", self.conf],
            stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr,
            start_new_session=True, **as_user)

        def answers():
            if self.process.poll() is not None:
                raise AssertionError(
                    f"loftd ended with {self.process.returncode}:\n"
                    f"{self.errors()}{self.log()}")
            try:
                c = Imap.connect(self.port, timeout=5)
                c.greet()
                c.close()
                return True
            except (OSError, Closed, Late):
                return False
        servers.wait_for("the server's greeting", answers)
        servers.wait_for("its roles", lambda: not any(
            "starting" in words for words in self.status().values()))

    def status(self):
        """{"auth": "...", "pool 1": "...", ...}"""
        out = {}
        for line in self.ctl("status").stdout.splitlines():
            words = line.split("\t")
            name = words[0] + " " + words[1] if words[0] == "pool" else words[0]
            out[name] = words[1:]
        return out

    def pid(self, role):
        words = self.status()[role]
        return int(words[1] if role.startswith("pool") else words[0])

    def pools(self):
        return [n for n in self.status() if n.startswith("pool")]

    def who(self):
        """[(user, address, pid)]"""
        rows = self.ctl("who").stdout.splitlines()[1:]
        return [(r.split()[0], r.split()[3], int(r.split()[2])) for r in rows]

    def worker_of(self, user):
        return servers.wait_for(
            f"a session of {user}",
            lambda: [p for u, _, p in self.who() if u == user])[0]


def kinds():
    if os.geteuid() == 0:
        return ["virtual", "system", "ordinary"]
    return ["ordinary"]


def can_run(kind):
    """Whether the build can be executed by that identity."""
    if kind != "ordinary" or os.geteuid() != 0:
        return True
    return subprocess.run(
        [servers.BUILD / "loftctl", "pw", "-s", "PLAIN", "-p", "x"],
        user=ORDINARY, group=ORDINARY, extra_groups=[],
        capture_output=True).returncode == 0


def never_relaying(make, kind):
    """The fixture `daemon`, for what only workers that have the account can do."""
    def make_one(*args, **kw):
        d = make(*args, **kw)
        if kind == "system" and "idmap" not in d.status()["home"][-1]:
            pytest.skip("ids cannot be mapped here: accounts are relayed")
        return d
    return make_one
