"""
Private servers for tests: Server is a whole loftd on free loopback ports,
Tunnel one worker on a socketpair (`loft-worker -P`), which starts in no time.
LOFT_BUILD names the build to test.
"""
import ctypes
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import tempfile
import time

from imap import Closed, Imap, Late
from maildirs import Maildir

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LOFT_BUILD", TOP / "build")).resolve()
MAIL_UID = 5000
IS_ROOT = os.geteuid() == 0

BASIC = """\
base_dir = {dir}/run
log_path = {dir}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = no
auth_failure_delay = 100 msecs
mail_max_userip_connections = 0
first_valid_uid = {uid}
mail_location = maildir:~/Maildir
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
  process_min_avail = 2
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, timeout=20):
    """For things that nobody announces: looks again until it is so."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Late(f"waited {timeout} s for {what}")
        time.sleep(0.01)
    return value


LIBC = ctypes.CDLL(None)


def end_with_us():
    """In the child: SIGTERM when the tests are gone (PR_SET_PDEATHSIG)."""
    LIBC.prctl(1, signal.SIGTERM)


def make_certificate(directory):
    subprocess.run([TOP / "scripts" / "mkcert", str(directory)], check=True,
                   stdout=subprocess.DEVNULL)


def scratch():
    """A folder that the mail's uid can enter (pytest's own are 0700)."""
    d = pathlib.Path(tempfile.mkdtemp(prefix="loft-test-"))
    d.chmod(0o755)
    return d


def mail_owner():
    return (MAIL_UID, MAIL_UID) if IS_ROOT else None


class Server:
    """
    extra: lines put after the basic configuration (later ones win).
    config: a whole configuration instead, with {dir}, {port} ... in it.
    """

    def __init__(self, extra="", config=None, directory=None, start=True,
                 build=BUILD):
        self.dir = pathlib.Path(directory) if directory else scratch()
        self.build = pathlib.Path(build)
        self.port, self.tls_port = free_port(), free_port()
        self.process = None
        (self.dir / "mail").mkdir(exist_ok=True)
        (self.dir / "run").mkdir(exist_ok=True)
        if IS_ROOT:
            os.chown(self.dir / "mail", MAIL_UID, MAIL_UID)
        if not (self.dir / "cert.pem").exists():
            make_certificate(self.dir)
        self.conf = self.dir / "loft.conf"
        self.conf.write_text(self.fill(config or BASIC) + self.fill(extra))
        if start:
            self.start()

    def fill(self, text):
        uid = MAIL_UID if IS_ROOT else os.getuid()
        gid = MAIL_UID if IS_ROOT else os.getgid()
        if text is not BASIC:
            text = text.replace("{", "{{").replace("}", "}}")
            for name in ("dir", "uid", "gid", "port", "tls_port"):
                text = text.replace("{{" + name + "}}", "{" + name + "}")
        return text.format(dir=self.dir, uid=uid, gid=gid, port=self.port,
                           tls_port=self.tls_port)

    def start(self):
        self.stderr = open(self.dir / "stderr", "ab")
        self.process = subprocess.Popen(
            [self.build / "loftd", "-F", "-c", self.conf],
            stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr,
            start_new_session=True, preexec_fn=end_with_us)

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
        wait_for("the server's greeting", answers)

    def errors(self):
        return (self.dir / "stderr").read_text(errors="replace")

    def log(self):
        path = self.dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_log(self, text, timeout=10):
        """text: a string or a compiled pattern."""
        def there():
            return text in self.log() if isinstance(text, str) else \
                text.search(self.log())
        return wait_for(f"{text!r} in the log", there, timeout)

    def maildir(self, user):
        home = self.dir / "mail" / user
        home.mkdir(exist_ok=True)
        if IS_ROOT:
            os.chown(home, MAIL_UID, MAIL_UID)
        return Maildir(home / "Maildir", mail_owner())

    def client(self, user=None, tls=False):
        c = Imap.connect(self.tls_port if tls else self.port, tls=tls)
        c.greet()
        return c.login(user) if user else c

    def ctl(self, *words, check=True):
        return subprocess.run([self.build / "loftctl", "-c", self.conf, *words],
                              check=check, capture_output=True, text=True,
                              timeout=30)

    def has_mounts(self):
        """Whether home hands folders out as mounts of their own."""
        def home():
            for line in self.ctl("status").stdout.splitlines():
                if line.startswith("home\t") and "starting" not in line:
                    return line
            return None
        return "mounts" in wait_for("the home role", home)

    def stop(self, kill=False):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                raise
        self.stderr.close()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Tunnel:
    """
    One account without a server: each client() is a worker of its own on the
    same Maildir, with the caller's rights.
    """

    CONFIG = """\
log_path = {dir}/log
base_dir = {dir}/run
mail_location = maildir:{dir}/Maildir
mail_fsync = {fsync}
ssl = no
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
}}
"""

    def __init__(self, extra="", build=BUILD, fsync="optimized", directory=None):
        self.dir = pathlib.Path(directory) if directory else scratch()
        (self.dir / "run").mkdir(exist_ok=True)
        self.build = pathlib.Path(build)
        self.conf = self.dir / "loft.conf"
        self.conf.write_text(
            self.CONFIG.format(dir=self.dir, fsync=fsync) + extra)
        self.mail = Maildir(self.dir / "Maildir")

    def spawn(self, env=None):
        """(process, our end of the socketpair)"""
        ours, theirs = socket.socketpair()
        with open(self.dir / "stderr", "ab") as err:
            p = subprocess.Popen(
                [self.build / "loft-worker", "-P", "-c", self.conf],
                stdin=theirs, stdout=theirs, stderr=err,
                start_new_session=True,
                env={**os.environ, "HOME": str(self.dir), **(env or {})})
        theirs.close()
        return p, ours

    def client(self, folder=None, env=None, greet=True):
        p, ours = self.spawn(env)
        c = Imap(ours, process=p)
        if not greet:
            return c
        greeting = c.greet()
        if not greeting.startswith(b"* PREAUTH"):
            raise AssertionError(f"greeting {greeting!r}")
        if folder:
            c.ok(f'SELECT "{folder}"')
        return c

    def log(self):
        path = self.dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def errors(self):
        return (self.dir / "stderr").read_text(errors="replace")


def caller_name():
    return pwd.getpwuid(os.geteuid()).pw_name
