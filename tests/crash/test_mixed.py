"""
Kills a worker (SIGKILL) at a step boundary of its writes, again and again, while
another session has the mailbox open, and checks after each death what must hold:

- what was acknowledged is there, once and whole; what was not is there or not,
  never half, never twice;
- no UID ever means another message, UIDs only grow;
- no flag that a later session saw is lost;
- the other session's numbers stay what it was told;
- in the end nothing is left in tmp/ and no ghost.

LOFT_MIXED_KILLS (default 300) deaths; LOFT_CRASH_SEED repeats a run. The kill
points are those of common/killpoint.h, which only the hooks build has.
"""
import os
import pathlib
import random
import re
import shutil

import pytest

from imap import Closed
from server import BUILD, Tunnel, wait_for

HOOKS = pathlib.Path(os.environ.get("LOFT_HOOKS_BUILD", BUILD / "hooks"))
KILLS = int(os.environ.get("LOFT_MIXED_KILLS", "300"))
BOXES = ["INBOX", "A", "B"]
SYSTEM = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft"]


def fetches(untagged):
    """{number: answer} of those with a UID: flags that changed come besides."""
    found = (re.match(rb"\* (\d+) FETCH ", r) for r in untagged)
    return {int(m[1]): m.string for m in found if m and b"UID " in m.string}


def parse_fetch(data):
    uid = int(re.search(rb"UID (\d+)", data)[1])
    flags = set(re.search(rb"FLAGS \(([^)]*)\)", data)[1].decode().split())
    text = re.search(rb"BODY\[\] \{(\d+)\}\r\n", data)
    body = data[text.end():text.end() + int(text[1])] if text else None
    return uid, flags - {"\\Recent"}, body


class View:
    """Another session, which knows only what it was told."""

    def __init__(self, tunnel):
        self.c = tunnel.client()
        self.uids = []
        self.exists = 0
        self.take(self.c.ok("SELECT INBOX"))
        self.learn()

    def take(self, untagged):
        for r in untagged:
            m = re.match(rb"\* (\d+) (EXISTS|EXPUNGE)", r)
            if m and m[2] == b"EXISTS":
                assert int(m[1]) >= self.exists, r
                self.exists = int(m[1])
            elif m:
                n = int(m[1])
                assert 1 <= n <= self.exists, r
                self.exists -= 1
                if n <= len(self.uids):
                    del self.uids[n - 1]

    def learn(self):
        new = self.exists - len(self.uids)
        if new:
            first = len(self.uids) + 1
            last = self.exists
            untagged = self.c.ok(f"FETCH {first}:{last} (UID)")
            got = fetches(untagged)
            self.take(untagged)
            for n in range(first, last + 1):
                self.uids.append(int(re.search(rb"UID (\d+)", got[n])[1]))
            assert self.uids == sorted(set(self.uids)), self.uids

    def check(self):
        """By number and by UID it is the same, ghosts included."""
        if self.exists:
            status, text, untagged = self.c.command("FETCH 1:* (UID FLAGS)")
            got = fetches(untagged)
            # A message whose mover died has left without a ghost.
            assert status == "OK" or b"[EXPUNGEISSUED]" in text, text
            for n, uid in enumerate(self.uids, 1):
                if n not in got and status == "NO":
                    continue
                assert n in got, f"message {n} is missing: {self.uids}"
                assert parse_fetch(got[n])[0] == uid, (n, self.uids, got[n])
            self.take(untagged)
            self.learn()
        self.take(self.c.ok("NOOP"))
        self.learn()


class World:
    """What must be true, and what was ever seen."""

    def __init__(self, rng):
        self.rng = rng
        self.next = 0
        self.tokens = {b: {} for b in BOXES}    # uid -> (token, flags)
        self.ever = {}                          # (box, uidvalidity, uid) -> token
        self.extra = set()                      # mailboxes beside BOXES

    def new_message(self):
        self.next += 1
        token = f"token-{self.next:06d}"
        size = self.rng.choice([10, 500, 5000])
        return token, (f"Subject: {token}\r\n\r\n" + "x" * size
                       + f"\r\nend {token}\r\n").encode()

    def look(self, tunnel):
        """The truth, by a session of its own: {box: {uid: (token, flags)}}."""
        seen = {}
        c = tunnel.client()
        for box in BOXES:
            status = b"\n".join(c.ok(f"EXAMINE {box}"))
            validity = int(re.search(rb"UIDVALIDITY (\d+)", status)[1])
            nextuid = int(re.search(rb"UIDNEXT (\d+)", status)[1])
            exists = int(re.search(rb"\* (\d+) EXISTS", status)[1])
            seen[box] = {}
            rows = c.ok("UID FETCH 1:* (FLAGS BODY.PEEK[])") if exists else []
            for data in fetches(rows).values():
                uid, flags, body = parse_fetch(data)
                token = re.match(rb"Subject: (\S+)", body)[1].decode()
                assert body.endswith(f"\r\nend {token}\r\n".encode()), \
                    f"{box} {uid}: not whole"
                old = self.ever.setdefault((box, validity, uid), token)
                assert old == token, f"{box}: UID {uid} was {old}, is {token}"
                assert uid < nextuid
                seen[box][uid] = (token, flags)
            assert len(seen[box]) == exists, (box, exists, rows)
        listed = {re.search(rb'"?([^" ]+)"?$', r)[1].decode()
                  for r in c.ok('LIST "" *') if b"\\NonExistent" not in r
                  and b"\\Noselect" not in r}
        c.logout()
        return seen, listed - set(BOXES)


def counts(state):
    out = {}
    for box, rows in state.items():
        for token, _ in rows.values():
            out[box, token] = out.get((box, token), 0) + 1
    return out


class Victim:
    """One session that works until it dies, and what it was told."""

    def __init__(self, world, tunnel, kill):
        self.w = world
        self.box = world.rng.choice(BOXES)
        self.may = []       # effects nobody confirmed: {(box, token): delta}
        self.must = []      # confirmed ones
        self.flags = []     # confirmed flags: (box, uid, op, flag)
        self.maybe_flags = set()
        self.boxes = set(world.extra)
        self.unsure_boxes = set()
        self.rows = dict(world.tokens[self.box])
        try:
            self.c = tunnel.client(env={"LOFT_KILL": kill})
        except Closed:
            self.c = None   # died cleaning up after the one before

    def effect(self, delta, command):
        """Runs a command whose whole effect is `delta`."""
        self.may = [delta]
        status = command()
        self.may = []
        if status == "OK":
            self.must.append(delta)
        return status == "OK"

    def append(self):
        box = self.w.rng.choice(BOXES)
        token, text = self.w.new_message()
        self.effect({(box, token): 1},
                    lambda: self.c.append(box, text, "\\Seen")[0])

    def pick(self):
        uids = sorted(self.rows)
        n = min(len(uids), self.w.rng.choice([1, 1, 2, 5]))
        return sorted(self.w.rng.sample(uids, n)) if n else []

    def spec(self, uids):
        return ",".join(map(str, uids))

    def store(self):
        uids = self.pick()
        flag = self.w.rng.choice(SYSTEM + ["work", "later"])
        op = self.w.rng.choice("+-")
        if uids:
            self.maybe_flags |= {(self.box, u) for u in uids}
            status, _, _ = self.c.command(
                f"UID STORE {self.spec(uids)} {op}FLAGS ({flag})")
            if status == "OK":
                self.flags += [(self.box, u, op, flag) for u in uids]

    def expunge(self):
        uids = self.pick()
        if not uids:
            return
        self.maybe_flags |= {(self.box, u) for u in uids}
        self.c.command(f"UID STORE {self.spec(uids)} +FLAGS (\\Deleted)")
        # One effect a message: a death in the middle leaves some.
        self.may = [{(self.box, self.rows[u][0]): -1} for u in uids]
        status, _, _ = self.c.command(f"UID EXPUNGE {self.spec(uids)}")
        if status == "OK":
            self.must += self.may
            for u in uids:
                del self.rows[u]
        self.may = []

    def transfer(self, move):
        to = self.w.rng.choice([b for b in BOXES if b != self.box])
        uids = self.pick()
        if not uids:
            return
        self.may = []
        for u in uids:
            d = {(to, self.rows[u][0]): 1}
            if move:
                d[self.box, self.rows[u][0]] = -1
            self.may.append(d)
        status, _, _ = self.c.command(
            f"UID {'MOVE' if move else 'COPY'} {self.spec(uids)} {to}")
        if status == "OK":
            self.must += self.may
            for u in uids if move else []:
                del self.rows[u]
        self.may = []

    def tree(self):
        """CREATE, RENAME and DELETE of mailboxes beside the three."""
        free = f"T{self.w.rng.randrange(4)}"
        mine = sorted(self.boxes)
        action = self.w.rng.choice(["CREATE", "RENAME", "DELETE"])
        if action == "CREATE" or not mine:
            names, command = {free}, f"CREATE {free}"
        elif action == "DELETE":
            old = self.w.rng.choice(mine)
            names, command = {old}, f"DELETE {old}"
        else:
            old = self.w.rng.choice(mine)
            names, command = {old, free}, f"RENAME {old} {free}"
        self.unsure_boxes = names
        status, _, _ = self.c.command(command)
        self.unsure_boxes = set()
        if status == "OK":
            verb, *n = command.split()
            if verb == "CREATE":
                self.boxes.add(n[0])
            else:
                self.boxes.discard(n[0])
                if verb == "RENAME":
                    self.boxes.add(n[1])

    def work(self):
        """True when it was killed."""
        acts = [self.append, self.append, self.store, self.expunge,
                lambda: self.transfer(True), lambda: self.transfer(False),
                self.tree]
        if self.c is None:
            return True
        try:
            self.c.ok(f"SELECT {self.box}")
            for _ in range(25):
                self.w.rng.choice(acts)()
            self.c.logout()
            return False
        except Closed:
            self.c.close()
            assert self.c.process.returncode == 137, self.c.process.returncode
            return True


def add(total, delta, sign=1):
    for key, d in delta.items():
        total[key] = total.get(key, 0) + sign * d


def check_counts(before, after, v):
    expected = counts(before)
    for delta in v.must:
        add(expected, delta)
    got = counts(after)
    # What was under way is done or not, message by message; of messages that are
    # the same, any number.
    for delta in {tuple(sorted(d.items())): d for d in v.may}.values():
        for _ in range(v.may.count(delta)):
            if all(got.get(k, 0) == expected.get(k, 0) for k in delta):
                break
            add(expected, delta)
    expected = {k: n for k, n in expected.items() if n}
    assert got == expected, (
        f"lost: { {k: n for k, n in expected.items() if got.get(k, 0) < n} }, "
        f"too many: { {k: n for k, n in got.items() if expected.get(k, 0) < n} }, "
        f"under way: {v.may}")


def check_flags(before, after, v):
    for box, rows in before.items():
        for uid, (token, flags) in rows.items():
            if uid in after[box] and (box, uid) not in v.maybe_flags:
                assert after[box][uid][1] == flags, (box, uid, token)
    last = {}
    for box, uid, op, flag in v.flags:
        last[box, uid, flag] = op
    for (box, uid, flag), op in last.items():
        # A later command that was cut off may have changed it again.
        if uid in after[box] and v.c and v.c.process.returncode == 0:
            assert (flag in after[box][uid][1]) == (op == "+"), (
                box, uid, flag, op, after[box][uid])


@pytest.mark.skipif(not (HOOKS / "loft-worker").exists(),
                    reason="no build with kill points (make hooks)")
def test_whatever_it_was_doing():
    seed = int(os.environ.get("LOFT_CRASH_SEED",
                              random.randrange(1 << 30)))
    print("LOFT_CRASH_SEED", seed)
    rng = random.Random(seed)
    t = Tunnel(build=HOOKS, fsync="never", extra="maildir_store_batch = 2\n")
    world = World(rng)
    c = t.client()
    for box in BOXES[1:]:
        c.ok(f"CREATE {box}")
    for box in BOXES:
        for _ in range(5):
            assert c.append(box, world.new_message()[1])[0] == "OK"
    c.logout()
    world.tokens, _ = world.look(t)
    other = View(t)
    kills = rounds = 0
    while kills < KILLS and rounds < 4 * KILLS:
        rounds += 1
        v = Victim(world, t, f"*:{rng.randrange(1, 30)}")
        died = v.work()
        kills += died
        after, listed = world.look(t)
        check_counts(world.tokens, after, v)
        check_flags(world.tokens, after, v)
        assert listed - v.unsure_boxes == v.boxes - v.unsure_boxes
        other.check()
        world.tokens, world.extra = after, listed
        for box in BOXES:       # bounded, however long the run
            while len(world.tokens[box]) > 25:
                world.tokens[box].pop(next(iter(world.tokens[box])))
                trim(t, world, box)
    other.c.logout()
    assert kills >= KILLS

    def is_clean():
        t.client("INBOX").logout()
        left = [p for p in (t.dir / "Maildir").rglob("tmp/*")]
        left += list((t.dir / "Maildir/loft/sessions").glob("*"))
        left += list((t.dir / "Maildir/loft/deleted").glob("*"))
        left += list((t.dir / "Maildir/loft").glob("new.*"))
        return not left
    wait_for("tmp/ and loft/ to be swept", is_clean)
    final, _ = world.look(t)
    assert counts(final) == counts(world.tokens)
    shutil.rmtree(t.dir)


def trim(t, world, box):
    """Expunges the oldest messages, so that the run does not slow down."""
    keep = world.tokens[box]
    c = t.client(box)
    gone = ",".join(str(u) for u in sorted(
        int(re.search(rb"UID (\d+)", r)[1])
        for r in fetches(c.ok("UID FETCH 1:* (UID)")).values())
        if u not in keep)
    if gone:
        c.ok(f"UID STORE {gone} +FLAGS.SILENT (\\Deleted)")
        c.ok(f"UID EXPUNGE {gone}")
    c.logout()
