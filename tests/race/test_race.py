"""
Many clients at once in a handful of mailboxes of one account, each with its own
worker, against a model that knows what each of them was told (model.py).

LOFT_RACE_SECONDS for each variant (else 30 for the first, 15 for the others; 300 is
the nightly form), LOFT_RACE_CLIENTS (20), LOFT_RACE_SEED repeats what each client
does, as far as scheduling allows.
"""
import collections
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from client import Client  # noqa: E402
from foreign import Foreign  # noqa: E402
from imap import Closed, Imap, fetches  # noqa: E402
from model import World, now, token_of  # noqa: E402
from server import Server, Tunnel, wait_for  # noqa: E402

CLIENTS = int(os.environ.get("LOFT_RACE_CLIENTS", "20"))
SEED = os.environ.get("LOFT_RACE_SEED") or str(random.randrange(1 << 30))
BOXES = ["INBOX", "B1", "B2"]


def stock(c):
    """{name: (UIDVALIDITY, {uid: (token, flags)}, when)}, by a new session."""
    out = {}
    for r in c.ok('LIST "" *'):
        m = re.match(rb'\* LIST \(([^)]*)\) "/" "?([^"]*)"?$', r)
        if b"\\Noselect" in m[1] or b"\\NonExistent" in m[1]:
            continue
        name = m[2].decode()
        start = now()
        lines = c.ok(f'EXAMINE "{name}"')
        joined = b"\n".join(lines)
        validity = int(re.search(rb"UIDVALIDITY (\d+)", joined)[1])
        exists = int(re.search(rb"\* (\d+) EXISTS", joined)[1])
        rows = {}
        if exists:
            got = fetches(c.ok("FETCH 1:* (UID FLAGS BODY.PEEK[])"))
            for raw in got.values():
                m = re.match(rb"UID (\d+) FLAGS \(([^)]*)\) BODY\[\] "
                             rb"\{\d+\}\r\n(.*)$", raw, re.S)
                rows[int(m[1])] = (token_of(m[3]), {
                    f for f in m[2].decode().split() if f != "\\Recent"})
        assert len(rows) == exists, (name, exists, len(rows))
        out[name] = validity, rows, start
    return out


class Race:
    def __init__(self, connect, fresh, maildir, kills=False, foreign=False,
                 seconds=15):
        self.seconds = float(os.environ.get("LOFT_RACE_SECONDS", seconds))
        self.w = World(SEED)
        self.w.kills, self.w.foreign = kills, foreign
        self.fresh, self.maildir = fresh, maildir
        print("LOFT_RACE_SEED", SEED)
        self.kills = 0
        self.prepare()
        self.clients = [Client(self.w, i, connect,
                               random.Random(f"{SEED}.{i}"))
                        for i in range(CLIENTS)]
        self.foreign = Foreign(self.w, maildir, random.Random(f"{SEED}.x")) \
            if foreign else None
        self.stop = threading.Event()

    def prepare(self):
        c = self.fresh()
        for box in BOXES:
            if box != "INBOX":
                c.ok(f"CREATE {box}")
            lines = b"\n".join(c.ok(f"EXAMINE {box}"))
            self.w.boxes[box] = int(re.search(rb"UIDVALIDITY (\d+)",
                                              lines)[1])
        c.logout()

    def work(self, client, until):
        try:
            while now() < until and not self.stop.is_set():
                client.run(min(until, now() + 0.2))
        except BaseException as e:      # of a thread: for the main one to say
            if not self.stop.is_set():
                self.w.failures.append((client, e))
            self.stop.set()

    def kill_some(self, until, rng):
        """A random worker every 100 ms."""
        try:
            while now() < until and not self.stop.wait(0.1):
                c = rng.choice(self.clients).c
                try:
                    if c and c.process.poll() is None:
                        os.killpg(c.process.pid, signal.SIGKILL)
                        self.kills += 1
                except ProcessLookupError:
                    pass
        except BaseException as e:
            self.w.failures.append((None, e))
            self.stop.set()

    def edit(self, until):
        try:
            while now() < until and not self.stop.wait(0.02):
                self.foreign.step()
        except BaseException as e:
            self.w.failures.append((None, e))
            self.stop.set()

    def run(self):
        until = now() + self.seconds
        threads = [threading.Thread(target=self.work, args=(c, until))
                   for c in self.clients]
        if self.w.kills:
            threads.append(threading.Thread(target=self.kill_some, args=(
                until, random.Random(f"{SEED}.k"))))
        if self.foreign:
            threads.append(threading.Thread(target=self.edit, args=(until,)))
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.report()
        for client, e in self.w.failures:
            if client:
                print(f"---- the last of {client.who}:")
                for line in client.history[-40:]:
                    print("   ", line)
            raise e
        if self.w.kills:
            assert self.kills > self.seconds, "hardly anybody was killed"
        self.end()

    def report(self):
        print(f"{sum(self.w.counts.values())} commands, "
              f"{len(self.w.messages)} messages, {self.kills} kills")
        print(" ".join(f"{k}:{n}" for k, n in sorted(self.w.counts.items())))
        if self.w.slow:
            print("slower than 2 s:", sorted(self.w.slow)[-5:])

    # ---- in the end ----

    def end(self):
        if self.foreign:
            self.foreign.settle()
        c = self.fresh()
        if self.foreign:        # as long as the law of stamps needs
            time.sleep(0.1)
        final = stock(c)
        for name, (validity, rows, start) in final.items():
            for uid, (token, flags) in rows.items():
                self.w.meet(validity, uid, token)
                self.w.saw_flags(validity, uid, flags, start, now(),
                                 f"a new session in {name}")
        self.w.check_end({n: v[:2] for n, v in final.items()})
        self.check_boxes(set(final) - set(BOXES))
        for client in self.clients:
            self.agree(client, {v[0]: v[1] for v in final.values()})
        for client in self.clients:
            if client.c:
                client.c.logout()
                status = client.c.process and client.c.process.returncode
                assert not status, f"{client.who}: ended with {status}"
        again = stock(c)
        c.logout()
        assert {n: v[:2] for n, v in again.items()} == \
            {n: v[:2] for n, v in final.items()}, "changed by nobody"
        self.swept()
        for name, (_, rows, _) in again.items():
            self.check_disk(name, rows)
        # The Maildir is the truth: without the state it is all the same.
        shutil.rmtree(pathlib.Path(self.maildir.root) / "loft")
        c = self.fresh()
        rebuilt = stock(c)
        c.logout()
        assert {n: v[:2] for n, v in rebuilt.items()} == \
            {n: v[:2] for n, v in final.items()}, "not the same when rebuilt"

    def check_boxes(self, names):
        assert names <= set(self.w.volatile), names
        assert abs(len(names) - self.w.n_boxes) <= self.w.unsure_boxes, (
            f"{names} are there, {self.w.n_boxes} by the answers")

    def agree(self, client, by_validity):
        """What it was told is what is there."""
        if not client.c:
            return
        try:
            client.do("NOOP")       # with no mailbox, too: was it killed?
            client.noop()
            client.know()
        except Closed as e:
            client.closed(e)
            return
        if client.validity not in by_validity:
            assert client.validity is None or client.volatile
            return
        rows = by_validity[client.validity]
        assert client.uids == sorted(rows), (
            f"{client.who} in {client.box}: sees {client.uids}, "
            f"a new session {sorted(rows)}")
        for uid, (token, flags) in rows.items():
            assert client.flags[uid] == flags, (
                f"{client.who} in {client.box}: {token} (UID {uid}) has "
                f"{client.flags[uid]}, a new session says {flags}",
                client.history[-60:])

    def swept(self):
        root = pathlib.Path(self.maildir.root)

        def left():
            c = self.fresh()
            c.ok("SELECT INBOX")
            c.logout()
            return [*root.rglob("tmp/*"), *(root / "loft/sessions").glob("*"),
                    *(root / "loft/deleted").glob("*"),
                    *(root / "loft").glob("new.*")]
        try:
            wait_for("tmp/ and loft/ to be swept", lambda: not left(), 8)
        except Exception:
            raise AssertionError(f"left: {left()}") from None

    def check_disk(self, name, rows):
        folder = pathlib.Path(self.maildir.path(name))
        files = collections.Counter(
            p.name.split(":2,")[0] for sub in ("cur", "new")
            for p in (folder / sub).iterdir())
        assert not files or max(files.values()) == 1, f"{name}: {files}"
        text = (folder / "dovecot-uidlist").read_text().splitlines()[1:]
        lines = [(int(x.split()[0]), x.partition(" :")[2]) for x in text]
        named = collections.Counter(b for _, b in lines)
        twice = [b for b in files if named[b] != 1]
        assert not twice, f"{name}: uidlist has {twice} not once"
        uids = [u for u, _ in lines]
        assert uids == sorted(set(uids)), f"{name}: UIDs {uids}"
        assert {u for u, b in lines if b in files} == set(rows), name
        for uid, base in lines:
            if base in files:
                path = next(p for sub in ("cur", "new") for p in
                            (folder / sub).glob(f"{base}*"))
                raw = path.read_bytes()
                token = re.search(rb"^Subject: (\S+)", raw, re.M)[1].decode()
                assert token == rows[uid][0], (name, uid, token, rows[uid])


def complaints(text):
    """A chroot, say, allows no user namespaces; sessions are relayed then."""
    return [x for x in text.splitlines() if re.search(
        r"\b(Panic|Fatal|Error|panic|fatal|error):|damaged|Sanitizer|signal \d"
        r"|runtime error|cannot|assert", x) and not re.search(
        r" home: (Error: cannot make a user namespace for"
        r"|Warning: accounts are handed out as)", x)]


def race_in_tunnel(**kw):
    # Batches small enough that names follow late, too.
    t = Tunnel(extra="maildir_store_batch = 3\n")

    def connect(client):
        return t.client()

    race = Race(connect, t.client, t.mail, **kw)
    try:
        race.run()
    finally:
        text = t.log() + t.errors()
        bad = complaints(text)
        print("log:", *bad[-20:], sep="\n")
        if "LOFT_TEST_KEEP" in os.environ or bad or sys.exc_info()[0]:
            print("kept:", t.dir)
    assert not bad
    return t


def drop(t):
    if "LOFT_TEST_KEEP" not in os.environ:
        shutil.rmtree(t.dir, ignore_errors=True)


def test_clients_among_themselves():
    drop(race_in_tunnel(seconds=30))


def test_a_worker_is_killed_every_100_ms():
    drop(race_in_tunnel(kills=True))


def test_another_program_edits_the_maildir():
    drop(race_in_tunnel(foreign=True))


def test_through_a_server():
    s = Server()
    mail = s.maildir("anna")

    def connect(_=None):
        return s.client("anna")

    try:
        race = Race(connect, connect, mail)
        race.run()
        bad = complaints(s.log() + s.errors())
        assert not bad, bad[-20:]
    finally:
        s.stop()
    drop(s)
