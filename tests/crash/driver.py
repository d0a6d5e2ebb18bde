"""
Kills workers (SIGKILL) at each step of what they do, while another session is at
work in the same mailbox, and then looks whether anything that was promised is
broken. A run has one account and one kind of operation; each round is

  victim (LOFT_KILL=point:n in its environment, or killed from outside) works,
  a witness that has INBOX open works at the same time,
  a fresh session takes stock of every folder: the rules below must hold.

What each operation may leave behind when its answer never came is in the
functions named after it.
"""
import os
import pathlib
import random
import re
import shutil
import signal
import threading
import time
import traceback

from imap import Closed, Late, fetches
from server import Tunnel, wait_for

POINTS = {
    "append": ["deliver-finished", "add-placed", "add-uidlist", "add-committed",
               "add-synced", "maildirsize-written"],
    "store": ["store-renamed", "store-committed", "late-renamed"],
    "expunge": ["expunge-renamed", "expunge-committed"],
    "ghosts": ["ghost-unlinked"],
    "copy": ["copy-linked", "add-placed", "add-uidlist", "add-committed"],
    "move": ["add-placed", "add-uidlist", "add-committed", "move-committed"],
    "across": ["across-linked", "across-claimed", "across-added"],
    "create": ["create-built"],
    "delete": ["delete-renamed", "delete-committed", "deleted-removed"],
    "rename": ["rename-intent", "rename-dir", "rename-dirs"],
    "scan": ["scan-uidlist", "scan-moved", "scan-rewritten"],
}


# Of a worker, and of its parent, which says it as a shell would.
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)


def kill(process):
    """The whole group: a tunnel's worker may be a child of its own."""
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


# Small enough that some names are changed after the OK.
EXTRA = {"store": "maildir_store_batch = 3\n",
         "across": "acl_driver = vfile\n"}


# Every kind is counted, too.
QUOTA = """\
mail_plugins = quota imap_quota
plugin {
  quota = maildir:User quota
  quota_rule = *:bytes=1G:messages=100000
}
"""


class Broken(AssertionError):
    """A promise was not kept."""


def demand(condition, text):
    if not condition:
        raise Broken(text)


def message(token):
    n = random.Random(token).choice([0, 1, 10, 200])
    return (f"From: crash@example.org\r\nSubject: {token}\r\n"
            f"Message-ID: <{token}@example.org>\r\n\r\n"
            + f"{token} is whole.\r\n" * (n + 1)).encode()


def token_of(raw):
    m = re.search(rb"^Subject: (\S+)\r\n", raw, re.M)
    demand(m, f"a message without its token: {raw[:200]!r}")
    token = m[1].decode()
    demand(raw == message(token), f"{token} is not whole: {len(raw)} bytes")
    return token


class Witness:
    """A session that stays; it checks that its numbers are always consistent."""

    def __init__(self, tunnel):
        self.c = tunnel.client()
        self.open()

    def open(self):
        self.uids = []
        self.take(self.c.ok("SELECT INBOX"))
        self.look()

    def take(self, untagged):
        for r in untagged:
            if m := re.match(rb"\* (\d+) EXISTS$", r):
                n = int(m[1])
                demand(n >= len(self.uids), f"EXISTS {n} after {len(self.uids)}")
                self.uids += [None] * (n - len(self.uids))
            elif m := re.match(rb"\* (\d+) EXPUNGE$", r):
                demand(1 <= int(m[1]) <= len(self.uids),
                       f"EXPUNGE {m[1]} of {len(self.uids)}")
                del self.uids[int(m[1]) - 1]
            elif m := re.match(rb"\* (\d+) FETCH \(.*?\bUID (\d+)", r):
                n, uid = int(m[1]), int(m[2])
                demand(1 <= n <= len(self.uids), f"FETCH {n} of {len(self.uids)}")
                old = self.uids[n - 1]
                demand(old in (None, uid), f"number {n} was UID {old}, is {uid}")
                self.uids[n - 1] = uid

    def look(self):
        self.take(self.c.ok("NOOP"))
        if self.uids:
            self.take(self.c.ok("FETCH 1:* (UID)"))
        demand(None not in self.uids, f"numbers without UIDs: {self.uids}")
        demand(self.uids == sorted(set(self.uids)), f"not ascending: {self.uids}")

    def start(self, command):
        return self.c.start(command)

    def finish(self, tag):
        status, text, untagged = self.c.finish(tag)
        self.take(untagged)
        return status, text


class Run:
    def __init__(self, kind, seed, build, directory=None):
        self.kind, self.r = kind, random.Random(f"{kind}{seed}")
        self.t = Tunnel(extra=QUOTA + EXTRA.get(kind, ""), build=build,
                        directory=directory)
        self.t.mail.folder("INBOX")
        self.t.mail.folder("Other")
        if kind == "across":
            self.t.mail.add_rights("Other", "anyone ")
        self.n, self.kills, self.rounds = 0, 0, 0
        self.owner = {}         # (UIDVALIDITY, UID) -> token, for ever
        self.gone = set()       # expunged, and somebody was told
        self.by_point = {}
        c = self.t.client()
        for folder in ("INBOX", "Other"):
            for _ in range(8):
                demand(c.append(folder, message(self.token()))[0] == "OK", "APPEND")
        c.logout()
        self.now = self.stock()
        self.witness = Witness(self.t)

    def token(self):
        self.n += 1
        return f"{self.kind}-{self.n}"

    # ---- taking stock ----

    def stock(self):
        """{folder: (UIDVALIDITY, {uid: (token, flags)})}, by a fresh session."""
        c = self.t.client()
        out = {}
        for r in c.ok('LIST "" *'):
            m = re.match(rb'\* LIST \(([^)]*)\) "/" "?([^"]*)"?$', r)
            if not m or b"\\Noselect" in m[1] or b"\\NonExistent" in m[1]:
                continue
            name = m[2].decode()
            untagged = c.ok(f'EXAMINE "{name}"')
            joined = b"\n".join(untagged)
            validity = int(re.search(rb"UIDVALIDITY (\d+)", joined)[1])
            exists = int(re.search(rb"\* (\d+) EXISTS", joined)[1])
            got = {}
            if exists:
                for raw in fetches(c.ok("FETCH 1:* (UID FLAGS BODY.PEEK[])")) \
                        .values():
                    m = re.match(rb"UID (\d+) FLAGS \(([^)]*)\) BODY\[\] "
                                 rb"\{\d+\}\r\n(.*)$", raw, re.S)
                    demand(m, f"a FETCH that is not one: {raw[:200]!r}")
                    flags = frozenset(m[2].decode().split()) - {"\\Recent"}
                    got[int(m[1])] = (token_of(m[3]), flags)
            demand(len(got) == exists, f"{name}: {exists} EXISTS, {len(got)} there")
            for uid, (token, _) in got.items():
                self.own(validity, uid, token)
            out[name] = (validity, got)
        c.logout()
        return out

    def own(self, validity, uid, token):
        old = self.owner.setdefault((validity, uid), token)
        demand(old == token, f"UID {uid} of {validity} was {old}, is {token}")

    def where(self, stock, token):
        return [(f, uid) for f, (_, m) in stock.items()
                for uid, (t, _) in m.items() if t == token]

    # ---- one round ----

    def round(self):
        self.rounds += 1
        point = self.point = self.r.choice(POINTS[self.kind])
        from_outside = self.r.random() < 0.25
        env = {} if from_outside else {
            "LOFT_KILL": f"{point}:{self.r.choice([1, 1, 1, 2, 3])}"}
        before = self.now
        promise = getattr(self, self.kind)(before)
        tag = self.witness_works()
        c = self.t.client(env=env, greet=False)
        timer = None
        if from_outside:
            timer = threading.Timer(self.r.random() * 0.03,
                                    lambda: kill(c.process))
            timer.start()
        check = promise.check
        try:
            demand(c.greet().startswith(b"* PREAUTH"), f"{c.greeting!r}")
            promise(c)
            c.logout()
        except Closed:
            pass
        finally:
            if timer:
                timer.cancel()
                timer.join()
        c.close()
        status = c.process.returncode
        demand(status in (0, *KILLED), f"the victim ended with {status}")
        killed = status in KILLED
        if killed:
            self.kills += 1
            name = "outside" if from_outside else point
            self.by_point[name] = self.by_point.get(name, 0) + 1
        if tag:
            status, text = self.witness.finish(tag)
            demand(status == "OK", f"the witness got {status} {text!r}")
        if self.kind == "ghosts":
            self.witness.open()
        after = self.stock()
        self.witness.look()
        demand(self.witness.uids == sorted(after["INBOX"][1]),
               f"the witness sees {self.witness.uids}, "
               f"a new session {sorted(after['INBOX'][1])}")
        check(before, after)
        if killed:
            self.count(after)
        self.now = after
        self.tidy_up()

    def count(self, stock):
        """The quota is what is there; so is maildirsize, once who asked has left."""
        c = self.t.client()
        told = c.ok('GETQUOTA "User quota"')[-1]
        c.ok("NOOP")
        c.logout()
        root = pathlib.Path(self.t.mail.root)
        here = [f for d in (root, *root.glob(".*")) for sub in ("cur", "new")
                for f in (d / sub).glob("*")]
        there = (sum(f.stat().st_size for f in here), len(here))
        demand(there[1] == sum(len(m) for _, m in stock.values()),
               f"{there[1]} files, {stock}")
        demand(told == b'* QUOTA "User quota" (STORAGE %d 1048576 MESSAGE %d '
               b'100000)' % (-(-there[0] // 1024), there[1]),
               f"{there} bytes and files, and {told.decode()}")
        lines = (root / "maildirsize").read_text().splitlines()[1:]
        sums = tuple(sum(int(x.split()[i]) for x in lines) for i in (0, 1))
        demand(sums == there, f"{there} bytes and files, maildirsize says {sums}")

    def witness_works(self):
        """Something harmless to the checks, at the same time as the victim."""
        if not self.witness.uids or self.kind == "ghosts":
            return None
        uid = self.r.choice(self.witness.uids)
        return self.witness.start(self.r.choice([
            f"UID STORE {uid} +FLAGS ($W)", f"UID STORE {uid} -FLAGS ($W)",
            "FETCH 1:* (UID BODY.PEEK[])", "UID SEARCH TEXT whole", "NOOP"]))

    def tidy_up(self):
        """Keeps the account small, with an ordinary session."""
        inbox = self.now["INBOX"][1]
        extra = [n for n in self.now if n not in ("INBOX", "Other")]
        if len(inbox) < 30 and len(self.now["Other"][1]) < 30 and not extra \
                and len(inbox) > 3:
            return
        c = self.t.client()
        for name in sorted(extra, key=len, reverse=True):
            c.ok(f'DELETE "{name}"')
        for name in ("INBOX", "Other"):
            uids = sorted(self.now[name][1])
            c.ok(f'SELECT "{name}"')
            if len(uids) > 12:
                c.ok(f"UID STORE {uids[0]}:{uids[-12]} +FLAGS.SILENT (\\Deleted)")
                c.ok("EXPUNGE")
            while len(uids) < 6:
                demand(c.append(name, message(self.token()))[0] == "OK", "APPEND")
                uids.append(0)
        c.logout()
        self.now = self.stock()
        self.witness.look()

    # ---- what does not change ----

    def same(self, before, after, but=(), flags=frozenset()):
        """Every message that `but` does not name is where it was, unchanged."""
        for name, (validity, messages) in before.items():
            demand(name in after, f"{name} is gone")
            demand(after[name][0] == validity, f"UIDVALIDITY of {name} changed")
            for uid, (token, old) in messages.items():
                if token in but:
                    continue
                new = after[name][1].get(uid)
                demand(new, f"{token} (UID {uid} of {name}) is gone")
                demand(new[0] == token, f"UID {uid} was {token}, is {new[0]}")
                demand(new[1] - {"$W"} - flags == old - {"$W"} - flags,
                       f"{token}: flags were {set(old)}, are {set(new[1])}")

    def nothing_new(self, before, after, but=()):
        for name, (_, messages) in after.items():
            old = before.get(name, (0, {}))[1]
            for uid, (token, _) in messages.items():
                demand(uid in old or token in but,
                       f"{token} (UID {uid} of {name}) came from nowhere")

    # ---- operations: each gives a function that does it, with .check ----

    def append(self, before):
        tokens = [self.token() for _ in range(self.r.randint(1, 4))]
        acked = {}

        def act(c):
            for token in tokens:
                status, text, _ = c.append("Other" if token == tokens[-1] else
                                           "INBOX", message(token), "\\Flagged")
                demand(status == "OK", f"APPEND: {status} {text!r}")
                m = re.match(rb"\[APPENDUID (\d+) (\d+)\]", text)
                acked[token] = (int(m[1]), int(m[2]))
                self.own(*acked[token], token)

        def check(old, new):
            self.same(old, new)
            self.nothing_new(old, new, tokens)
            for token in tokens:
                found = self.where(new, token)
                demand(len(found) <= 1, f"{token} is there {len(found)} times")
                if token in acked:
                    demand(found, f"{token} was acknowledged and is gone")
                    name, uid = found[0]
                    demand((new[name][0], uid) == acked[token],
                           f"{token} is UID {uid}, promised {acked[token]}")
                    demand("\\Flagged" in new[name][1][uid][1],
                           f"{token} has lost its flag")
        act.check = check
        return act

    def targets(self, before, most=6):
        uids = sorted(before["INBOX"][1])
        return self.r.sample(uids, min(len(uids), self.r.randint(1, most)))

    def store(self, before):
        uids = self.targets(before)
        flag = self.r.choice(["\\Seen", "\\Answered", "Birds", "Loft", "\\Draft"])
        add = self.r.random() < 0.6
        done = []

        def act(c):
            c.ok("SELECT INBOX")
            c.ok(f"UID STORE {','.join(map(str, uids))} {'+-'[not add]}FLAGS "
                 f"({flag})")
            done.append(True)

        def check(old, new):
            self.nothing_new(old, new)
            self.same(old, new, flags={flag})
            for uid, (token, flags) in new["INBOX"][1].items():
                had = flag in old["INBOX"][1][uid][1]
                if uid not in uids:
                    demand((flag in flags) == had, f"{token}: {flag} came or went")
                elif done:
                    demand((flag in flags) == add,
                           f"{token}: an acknowledged STORE of {flag} is lost")
        act.check = check
        return act

    def expunge(self, before):
        # With those that an earlier victim flagged and did not live to expunge.
        uids = sorted({*self.targets(before),
                       *(u for u, (_, f) in before["INBOX"][1].items()
                         if "\\Deleted" in f)})
        tokens = {before["INBOX"][1][u][0] for u in uids}
        told, done = [], []

        def act(c):
            c.ok("SELECT INBOX")
            view = sorted(before["INBOX"][1])
            c.ok(f"UID STORE {','.join(map(str, uids))} +FLAGS.SILENT (\\Deleted)")
            tag = c.start("EXPUNGE")
            while not (r := c.response()).startswith(tag.encode()):
                if m := re.match(rb"\* (\d+) EXPUNGE$", r):
                    told.append(view.pop(int(m[1]) - 1))
            demand(r.split()[1] == b"OK", f"EXPUNGE: {r!r}")
            done.append(True)

        def check(old, new):
            self.same(old, new, but=tokens, flags={"\\Deleted"})
            self.nothing_new(old, new)
            demand(set(told) <= set(uids), f"{told} expunged, not {uids}")
            if done:
                demand(sorted(told) == sorted(uids), f"told {told} of {uids}")
            for uid in told:
                demand(uid not in new["INBOX"][1], f"UID {uid} is back")
            for uid in uids:
                if uid in new["INBOX"][1]:
                    demand(new["INBOX"][1][uid][0] == old["INBOX"][1][uid][0],
                           f"UID {uid} is another message")
        act.check = check
        return act

    def copy(self, before):
        return self.transfer(before, "COPY")

    def move(self, before):
        return self.transfer(before, "MOVE")

    def across(self, before):
        """To a mailbox that is an account of its own: there may be a copy."""
        return self.transfer(before, "MOVE")

    def transfer(self, before, verb):
        uids = sorted(self.targets(before))
        names = {u: before["INBOX"][1][u][0] for u in uids}
        told = {}       # source UID -> (UIDVALIDITY, UID) promised
        done = []

        def read_code(text):
            m = re.search(rb"\[COPYUID (\d+) (\S+) (\S+)\]", text)
            if m:
                for a, b in zip(expand(m[2]), expand(m[3])):
                    told[a] = (int(m[1]), b)
                    self.own(int(m[1]), b, names[a])

        def act(c):
            c.ok("SELECT INBOX")
            tag = c.start(f"UID {verb} {','.join(map(str, uids))} Other")
            while True:
                r = c.response()
                read_code(r)
                if r.startswith(tag.encode()):
                    break
            demand(r.split()[1] == b"OK", f"{verb}: {r!r}")
            demand(set(told) == set(uids), f"COPYUID names {told} of {uids}")
            done.append(True)

        def check(old, new):
            tokens = set(names.values())
            moved = verb == "MOVE"
            self.same(old, new, but=tokens if moved else ())
            self.nothing_new(old, new, tokens)
            other = new["Other"][1]
            for uid, token in names.items():
                count_old = [f for f, _ in self.where(old, token)].count("Other")
                there = [u for u, (t, _) in other.items() if t == token]
                stays = uid in new["INBOX"][1]
                demand(len(there) - count_old in (0, 1),
                       f"{token} was copied {len(there) - count_old} times")
                arrived = len(there) > count_old
                if moved:
                    demand(stays or arrived, f"{token} is lost")
                    demand(not (stays and arrived) or
                           (self.kind == "across" and not done),
                           f"{token} is in both mailboxes after MOVE")
                if uid in told:
                    demand((new["Other"][0], told[uid][1]) == told[uid]
                           and told[uid][1] in other,
                           f"{token}: COPYUID promised {told[uid]}")
                    if moved and done:
                        demand(not stays, f"{token} was moved and is still there")
                for u in there:
                    if (new["Other"][0], u) == told.get(uid):
                        demand(other[u][1] - {"$W"} ==
                               old["INBOX"][1][uid][1] - {"$W"},
                               f"{token}: flags changed on the way")
        act.check = check
        return act

    def create(self, before):
        names = [f"New{self.rounds}", f"New{self.rounds}/sub"]
        acked = []

        def act(c):
            for name in names:
                c.ok(f"CREATE {name}")
                acked.append(name)

        def check(old, new):
            self.same(old, new)
            self.nothing_new(old, new)
            for name in acked:
                demand(name in new, f"{name} was created and is not there")
            demand(set(new) - set(old) <= set(names),
                   f"mailboxes from nowhere: {set(new) - set(old)}")
            for name in set(new) - set(old):
                demand(not new[name][1], f"{name} is not empty")
        act.check = check
        return act

    def prepare(self, names, each=3):
        """Mailboxes with messages, made by an ordinary session."""
        c = self.t.client()
        for name in names:
            c.ok(f"CREATE {name}")
            for _ in range(each):
                demand(c.append(name, message(self.token()))[0] == "OK", "APPEND")
        c.logout()
        self.now = self.stock()
        return self.now

    def delete(self, before):
        name = f"Old{self.rounds}"
        before.update(self.prepare([name]))
        done = []

        def act(c):
            c.ok(f"DELETE {name}")
            done.append(True)

        def check(old, new):
            rest = {k: v for k, v in old.items() if k != name}
            self.same(rest, new)
            demand(set(new) <= set(old), f"new: {set(new) - set(old)}")
            if done:
                demand(name not in new, f"{name} was deleted and is there")
            elif name in new:
                self.same({name: old[name]}, new)
        act.check = check
        return act

    def rename(self, before):
        name, to = f"A{self.rounds}", f"B{self.rounds}"
        tree = [name, f"{name}/x", f"{name}/x/y", f"{name}/z"]
        before.update(self.prepare(tree, 1))
        done = []

        def act(c):
            c.ok(f"RENAME {name} {to}")
            done.append(True)

        def check(old, new):
            self.same({k: v for k, v in old.items() if k not in tree}, new)
            moved = [n for n in tree if to + n[len(name):] in new]
            stayed = [n for n in tree if n in new]
            demand(len(moved) + len(stayed) == len(tree),
                   f"moved {moved}, stayed {stayed}")
            demand(not (moved and stayed), f"half renamed: {moved}, {stayed}")
            if done:
                demand(not stayed, f"renamed, and {stayed} stayed")
            for n in tree:
                here = to + n[len(name):] if moved else n
                self.same({here: old[n]}, new)
        act.check = check
        return act

    def scan(self, before):
        """Another program delivers; the victim is killed when it takes notice."""
        tokens = []
        uidlist = pathlib.Path(self.t.mail.root) / "dovecot-uidlist"

        def act(c):
            for _ in range(self.r.randint(1, 4)):
                token = self.token()
                tokens.append(token)
                self.t.mail.add("INBOX", message(token).replace(b"\r\n", b"\n"),
                                new=self.r.random() < 0.7)
            if self.point == "scan-rewritten":
                # A line is lost: the list is written anew. Not earlier: the
                # witness would mend it.
                lines = uidlist.read_bytes().splitlines(keepends=True)
                del lines[self.r.randrange(1, len(lines))]
                less = uidlist.with_name("dovecot-uidlist.less")
                less.write_bytes(b"".join(lines))
                less.replace(uidlist)
            c.ok("SELECT INBOX")
            c.ok("UID FETCH 1:* (FLAGS)")

        def check(old, new):
            self.same(old, new)
            self.nothing_new(old, new, tokens)
            for token in tokens:
                found = self.where(new, token)
                demand(len(found) == 1, f"{token} is there {len(found)} times")
        act.check = check
        return act

    def ghosts(self, before):
        """
        The witness expunges what the victim still has in its view, and leaves;
        the victim is told, and so is the one who takes the ghosts away.
        """
        uids = self.targets(before, 3)
        tokens = {before["INBOX"][1][u][0] for u in uids}
        gone = []

        def act(c):
            c.ok("SELECT INBOX")
            w = self.witness
            spec = ",".join(map(str, uids))
            w.take(w.c.ok(f"UID STORE {spec} +FLAGS.SILENT (\\Deleted)"))
            w.take(w.c.ok(f"UID EXPUNGE {spec}"))
            w.c.ok("UNSELECT")
            gone.append(True)
            got = c.ok(f"FETCH 1:{len(before['INBOX'][1])} (BODY.PEEK[])")
            demand(len(fetches(got)) == len(before["INBOX"][1]),
                   f"{len(got)} of {len(before['INBOX'][1])} readable")
            c.ok("NOOP")
            # It sweeps while its client has nothing to say. (Where a victim of
            # a moment ago is not swept itself yet, the ghosts wait for that.)
            tmp = os.path.join(self.t.mail.root, "tmp")
            try:
                wait_for("the ghosts to go", lambda: not any(
                    n.startswith("loft-ghost.") for n in os.listdir(tmp)), 1.2)
            except Late:
                pass
            c.ok("NOOP")

        def check(old, new):
            self.same(old, new, but=tokens)
            self.nothing_new(old, new)
            if gone:
                demand(not set(uids) & set(new["INBOX"][1]), f"{uids} are back")
        act.check = check
        return act

    # ---- at the end ----

    def finish(self):
        """Everybody leaves; what the dead left behind is swept away."""
        self.witness.c.logout()
        root = pathlib.Path(self.t.mail.root)

        def leftovers():
            c = self.t.client()
            for name in self.now:
                c.ok(f'SELECT "{name}"')
            c.logout()
            return [str(p.relative_to(root)) for p in root.rglob("*")
                    if p.is_file() and (p.parent.name == "tmp"
                                        or p.name.startswith("loft-ghost."))
                    or p.parent.parent.name == "loft"
                    and p.parent.name == "deleted"]
        try:
            wait_for("an empty tmp/", lambda: not leftovers(), 8)
        except Exception as e:
            raise Broken(f"left behind: {leftovers()}") from e
        after = self.stock()
        demand({k: v[0] for k, v in after.items()} ==
               {k: v[0] for k, v in self.now.items()}, "folders changed")
        self.same(self.now, after)
        self.nothing_new(self.now, after)
        for name, (validity, messages) in after.items():
            rows, head = self.t.mail.uidlist(name)
            files = {b.split(",")[0] for b in self.t.mail.files(name)}
            known = {b.split(",")[0] for b in rows.values()}
            demand(f"V{validity}" in head, f"{name}: {head} has another V")
            demand(len(files) == len(messages),
                   f"{name}: {len(files)} files, {len(messages)} messages")
            demand(files <= known, f"{name}: without a UID: {files - known}")
            demand(set(messages) <= set(rows), f"{name}: UIDs not in the list")


def odd_lines(t):
    return "\n".join([x for x in (t.errors() + t.log()).splitlines()
                      if "Info:" not in x][-12:])


def expand(text):
    out = []
    for part in text.split(b","):
        a, _, b = part.partition(b":")
        out += range(int(a), int(b or a) + 1)
    return out


def run(kind, seed, kills, build, limit=60):
    """
    Rounds of one kind until `kills` victims have died: {kind, kills, rounds,
    by_point} or {broken}, with what led to it. The account is removed if all
    is well.
    """
    r = None
    end = time.monotonic() + limit
    try:
        r = Run(kind, seed, build)
        while r.kills < kills and time.monotonic() < end:
            r.round()
        r.finish()
    except Exception as e:
        where = r.t if r else None
        return {"kind": kind, "seed": seed, "broken": f"{type(e).__name__}: {e}",
                "rounds": r.rounds if r else 0, "kills": r.kills if r else 0,
                "kept": str(where.dir) if where else "",
                "trace": traceback.format_exc()[-1500:],
                "log": odd_lines(where) if where else ""}
    shutil.rmtree(r.t.dir, ignore_errors=True)
    return {"kind": kind, "seed": seed, "kills": r.kills, "rounds": r.rounds,
            "by_point": r.by_point}


if __name__ == "__main__":
    import sys
    words = sys.argv[1:]
    print(run(words[0], words[1], int(words[2]),
              os.environ.get("LOFT_HOOKS_BUILD", "build/hooks"), 600))
