"""
A client that does what occurs to it and holds what it is told against the model:
its numbers change only by EXPUNGE and EXISTS, and only where these may come.
"""
import re

from imap import Closed, Late
from model import FLAGS, KEYWORDS, NEVER, Broken, message, now, token_of

PATIENCE = 10           # seconds for an answer, on a machine that is overloaded
SLOW = 2
BY_NUMBER = ("FETCH", "STORE", "SEARCH")


def expand(text):
    out = []
    for part in text.decode().split(","):
        a, _, b = part.partition(":")
        a, b = int(a), int(b or a)
        out += range(min(a, b), max(a, b) + 1)
    return out


def as_set(numbers):
    return ",".join(str(n) for n in sorted(numbers))


class Running:
    """A command in progress."""

    def __init__(self, words, start):
        self.words, self.start = words, start
        first = words.split(" ", 1)[0]
        self.by_uid = first == "UID"
        self.verb = words.split(" ", 2)[1] if self.by_uid else first
        self.numbers = self.verb in BY_NUMBER and not self.by_uid
        self.fetched = set()    # UIDs
        self.told = set()       # UIDs whose flags came
        self.expunged = []      # UIDs, None: not known
        self.found = []
        self.copyuid = None
        self.status = self.text = None


class Client:
    def __init__(self, world, number, connect, rng):
        self.w, self.number, self.rng = world, number, rng
        self.connect = connect
        self.who = f"client {number}"
        self.c = None
        self.history = []
        self.gone()
        self.reconnects = 0

    def gone(self):
        self.box = self.validity = None
        self.uids, self.flags = [], {}
        self.read_only = False
        self.volatile = False

    def open(self):
        self.gone()
        self.c = self.connect(self)
        self.c.timeout = PATIENCE

    def fail(self, text):
        raise Broken(f"{self.who} in {self.box}: {text}")

    # ---- what the server says ----

    def untagged(self, r, run, held):
        """held: a command that uses numbers is on its way behind this one."""
        if m := re.match(rb"\* (\d+) EXISTS$", r):
            n = int(m[1])
            if self.selecting(run):
                self.uids = [None] * n
                return
            if n < len(self.uids):
                self.fail(f"EXISTS {n} after {len(self.uids)}")
            self.uids += [None] * (n - len(self.uids))
        elif m := re.match(rb"\* (\d+) EXPUNGE$", r):
            self.expunge(int(m[1]), run, held)
        elif m := re.match(rb"\* (\d+) FETCH \((.*)\)$", r, re.S):
            self.fetch(int(m[1]), m[2], run)
        elif r.startswith(b"* SEARCH"):
            run.found = [int(x) for x in r.split()[2:]]
        elif r.startswith(b"* BYE"):
            if not (self.volatile and b"has been deleted" in r):
                self.fail(f"{r!r}")
        elif m := re.match(rb"\* OK \[COPYUID (\d+) (\S+) (\S+)\]", r):
            run.copyuid = int(m[1]), expand(m[2]), expand(m[3])
        elif m := re.match(rb"\* OK \[UIDVALIDITY (\d+)\]", r):
            self.new_validity = int(m[1])
        elif m := re.match(rb"\* OK \[UIDNEXT (\d+)\]", r):
            self.uidnext = int(m[1])
        elif m := re.match(rb"\* STATUS .*\((.*)\)$", r):
            run.found = m[1].split()
        elif not re.match(rb"\* (\d+ RECENT|FLAGS \(|LIST \(|OK )", r):
            self.fail(f"not expected: {r[:300]!r}")

    @staticmethod
    def selecting(run):
        return run.verb in ("SELECT", "EXAMINE")

    def expunge(self, n, run, held):
        if run.numbers or (held and run.verb not in ("EXPUNGE", "MOVE")):
            self.fail(f"EXPUNGE {n} during {run.words!r}")
        if not 1 <= n <= len(self.uids):
            self.fail(f"EXPUNGE {n} of {len(self.uids)}")
        uid = self.uids.pop(n - 1)
        run.expunged.append(uid)
        if uid is not None:
            self.flags.pop(uid, None)
            self.w.told_expunge(self.validity, uid, now(), self.who)

    def fetch(self, n, attributes, run):
        if not 1 <= n <= len(self.uids):
            self.fail(f"FETCH {n} of {len(self.uids)}: {attributes[:200]!r}")
        m = re.search(rb"(?:^| )UID (\d+)", attributes.split(b"{")[0])
        uid = int(m[1]) if m else None
        if uid is None and run.by_uid:
            self.fail(f"no UID in {attributes[:200]!r} of {run.words!r}")
        if uid is not None:
            self.learn(n, uid)
            run.fetched.add(uid)
        uid = self.uids[n - 1]
        if uid is None:
            return
        if m := re.search(rb"BODY\[[^]]*\] \{\d+\}\r\n", attributes):
            text = attributes[m.end():]
            token = token_of(text)
            if b"BODY[] " in m[0]:
                whole = message(token)
                if text[:len(whole)] != whole:
                    self.fail(f"{token} is not whole: {text[:300]!r}")
            met = self.w.meet(self.validity, uid, token)
            met.seen = min(met.seen, now())
        if m := re.search(rb"FLAGS \(([^)]*)\)", attributes):
            flags = {f for f in m[1].decode().split() if f != "\\Recent"}
            run.told.add(uid)
            self.flags[uid] = flags
            self.w.saw_flags(self.validity, uid, flags, run.start, now(),
                             f"{self.who} by {run.words!r}")

    def learn(self, n, uid):
        old = self.uids[n - 1]
        if old not in (None, uid):
            self.fail(f"number {n} was UID {old}, is {uid}")
        self.uids[n - 1] = uid
        below = next((u for u in reversed(self.uids[:n - 1]) if u), 0)
        above = next((u for u in self.uids[n:] if u), 1 << 32)
        if not below < uid < above:
            self.fail(f"UID {uid} as number {n} between {below} and {above}")

    # ---- commands ----

    def finish(self, run, tag, held=False):
        want = tag.encode() + b" "
        try:
            while not (r := self.c.response(PATIENCE)).startswith(want):
                self.history.append(r[:200])
                self.untagged(r, run, held)
        except Late:
            self.fail(f"no answer to {run.words!r} for {PATIENCE} s")
        self.history.append(r[:200])
        run.end = now()
        if run.end - run.start > SLOW:
            self.w.slow.append((run.end - run.start, run.words))
        status, _, text = r[len(want):].partition(b" ")
        run.status, run.text = status.decode(), text
        if run.status == "BAD":
            self.fail(f"{run.words!r}: BAD {text!r}")
        if run.status == "NO" and b"[UNAVAILABLE]" in text:
            self.fail(f"{run.words!r}: NO {text!r}")
        if m := re.match(rb"\[COPYUID (\d+) (\S+) (\S+)\]", text):
            run.copyuid = int(m[1]), expand(m[2]), expand(m[3])
        self.w.count(f"{run.verb} {run.status}")
        return run

    def do(self, words):
        if self.c.buffer or not self.c.is_silent(0):
            # Nobody asked: only a deleted mailbox may say something.
            self.unasked()
        run = Running(words, now())
        self.history.append(words)
        return self.finish(run, self.c.start(words))

    def unasked(self):
        r = self.c.response(PATIENCE)
        self.history.append(r)
        if self.volatile and r.startswith(b"* BYE") and b"deleted" in r:
            raise Closed("deleted")
        self.fail(f"without a command: {r!r}")

    def know(self):
        """UIDs, tokens and flags of what is new."""
        first = next((i for i, u in enumerate(self.uids) if u is None or
                      self.w.entry(self.validity, u).token is None), None)
        if first is not None:
            run = self.do(f"FETCH {first + 1}:{len(self.uids)} "
                          "(UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            if run.status != "OK":
                self.expect_gone(run)

    def select(self, box, read_only=False):
        before, volatile = self.volatile, box not in self.w.boxes
        self.gone()
        self.new_validity = None
        start = now()
        # The one before may be deleted just now.
        self.volatile = before or volatile
        self.box = box
        if not volatile:
            largest = self.w.largest(self.w.boxes[box], start)
        run = self.do(f"{'EXAMINE' if read_only else 'SELECT'} {box}")
        self.volatile = volatile
        if run.status != "OK":
            if not volatile:
                self.fail(f"{run.words}: {run.status} {run.text!r}")
            self.gone()
            return False
        self.read_only = read_only
        self.validity = self.new_validity
        if not self.volatile and self.validity != self.w.boxes[box]:
            self.fail(f"UIDVALIDITY {self.validity}, was {self.w.boxes[box]}")
        if not self.volatile and self.uidnext <= largest:
            self.fail(f"UIDNEXT {self.uidnext}, but {largest} was given")
        if self.uids:
            n = len(self.uids)
            run = self.do("FETCH 1:* (UID FLAGS BODY.PEEK"
                          "[HEADER.FIELDS (SUBJECT)])")
            if run.status != "OK":
                self.expect_gone(run)
            elif None in self.uids[:n]:
                self.fail(f"FETCH 1:* was OK, without {self.uids.index(None)+1}")
        self.w.check_select(self.validity, set(self.uids) - {None}, start,
                            self.who)
        return True

    def expect_gone(self, run):
        """NO to a FETCH: only where no ghost can be kept."""
        if not (self.w.foreign or self.w.kills) or \
                b"[EXPUNGEISSUED]" not in run.text:
            self.fail(f"{run.words!r}: {run.status} {run.text!r}")

    def some(self, most=5):
        """Some UIDs that it knows."""
        known = [u for u in self.uids if u is not None]
        return self.rng.sample(known, min(len(known),
                                          self.rng.randint(1, most)))

    def numbers(self, uids):
        return [self.uids.index(u) + 1 for u in uids]

    def named(self, uids):
        """("UID ", set) or ("", set)."""
        if self.rng.random() < 0.5:
            return "UID ", as_set(uids)
        return "", as_set(self.numbers(uids))

    # ---- what it does ----

    def append(self):
        box = self.rng.choice(self.w.names())
        token = self.w.token(self.number)
        flags = self.rng.sample(FLAGS[:4] + KEYWORDS, self.rng.randint(0, 2))
        raw = message(token)
        run = Running(f"APPEND {box} ({' '.join(flags)}) {{{len(raw)}+}}",
                      now())
        if self.c.buffer or not self.c.is_silent(0):
            self.unasked()
        self.history.append(run.words)
        tag = self.c.new_tag()
        self.c.send(f"{tag} {run.words}\r\n".encode() + raw + b"\r\n")
        try:
            self.finish(run, tag)
        except Closed:
            if box in self.w.boxes:
                self.w.unsure(self.w.boxes[box], token)
            raise
        if run.status == "OK":
            m = re.match(rb"\[APPENDUID (\d+) (\d+)\]", run.text)
            if not m:
                self.fail(f"APPEND: OK {run.text!r}")
            self.w.born(int(m[1]), int(m[2]), token, run.end,
                        {f: [f in flags] for f in FLAGS}, run.words)
        elif box in self.w.boxes:
            self.fail(f"{run.words}: {run.status} {run.text!r}")

    def store(self):
        if not (uids := self.some(8)) or self.read_only:
            return
        uid, which = self.named(uids)
        op = self.rng.choice(["+", "+", "+", "-", "-", ""])
        silent = self.rng.choice(["", ".SILENT"])
        flags = self.rng.sample(FLAGS, self.rng.randint(1, 3))
        if op != "-" and self.rng.random() < 0.3:
            flags = list({*flags, "\\Deleted"})
        validity, start = self.validity, now()
        ops = [self.begin(validity, u, op, flags, start) for u in uids]
        for u in uids:
            self.w.entry(validity, u).story.append(
                f"{start:.6f} {self.who}: {op}FLAGS ({' '.join(flags)})")
        run = self.do(f"{uid}STORE {which} {op}FLAGS{silent} "
                      f"({' '.join(flags)})")
        if run.status == "OK":
            for registers in ops:
                self.acknowledge(registers, run.end)
            for u in uids:
                if silent and u in self.flags and u not in run.told:
                    old = self.flags[u]
                    self.flags[u] = (old | set(flags)) if op == "+" else \
                        (old - set(flags)) if op == "-" else set(flags)
                if not silent and u not in run.told and u in self.uids:
                    self.fail(f"{run.words!r}: OK, but not for UID {u}")
        elif b"[EXPUNGEISSUED]" not in run.text:
            self.fail(f"{run.words!r}: {run.status} {run.text!r}")
        else:
            if not any(self.w.may_be_dead(validity, u, now()) for u in uids):
                self.fail(f"{run.words!r}: {run.text!r}: none was expunged")
            # What was stored to, it was told of.
            for u, registers in zip(uids, ops):
                if u in run.told and not silent:
                    self.acknowledge(registers, run.end)

    def begin(self, validity, uid, op, flags, start):
        """Writes that may happen from now on."""
        with self.w.lock:
            m = self.w.entry(validity, uid)
            out = []
            for f in FLAGS:
                if f in flags or op == "":
                    value = f in flags and op != "-"
                    out.append((m.register(f), start, value))
                    m.register(f).write(start, NEVER, value)
            return out

    def acknowledge(self, registers, end):
        with self.w.lock:
            for r, start, value in registers:
                if (start, NEVER, value) in r.ops:
                    r.ops.remove((start, NEVER, value))
                r.write(start, end, value)

    def fetch_some(self):
        if not (uids := self.some(10)):
            return
        uid, which = self.named(uids)
        # What no command tells of stays unread.
        what = self.rng.choice(
            ["FLAGS", "(UID FLAGS)", "(UID BODY.PEEK[])", "(UID BODY[])",
             "(UID RFC822.SIZE ENVELOPE BODYSTRUCTURE INTERNALDATE)"])
        if "BODY[]" in what and self.read_only:
            what = "(UID BODY.PEEK[])"
        if what == "(UID BODY[])":
            # A ghost is read without being marked, so: perhaps.
            for u in uids:
                self.begin(self.validity, u, "+", ["\\Seen"], now())
        run = self.do(f"{uid}FETCH {which} {what}")
        if run.status != "OK":
            self.expect_gone(run)
        elif "UID" in what or uid:
            for u in uids:
                if u not in run.fetched:
                    self.fail(f"{run.words!r}: OK, but not for UID {u}")

    def search(self):
        if not self.uids:
            return
        uid = self.rng.choice(["", "UID "])
        flag = self.rng.choice(FLAGS)
        validity, view = self.validity, list(self.uids)
        key = {"\\Seen": "SEEN", "\\Flagged": "FLAGGED", "\\Draft": "DRAFT",
               "\\Answered": "ANSWERED", "\\Deleted": "DELETED"}.get(
                   flag, f"KEYWORD {flag}")
        negative = self.rng.random() < 0.5
        run = self.do(f"{uid}SEARCH {'NOT ' if negative else ''}{key}")
        if run.status != "OK":
            self.fail(f"{run.words!r}: {run.status} {run.text!r}")
        found = run.found
        if not uid:
            if any(not 1 <= n <= len(view) for n in found):
                self.fail(f"SEARCH {found} of {len(view)}")
            found = [view[n - 1] for n in found]
        elif None not in view and not set(found) <= set(view):
            self.fail(f"UID SEARCH {found} of {view}")
        for u in found:
            if u is not None:
                self.w.saw_flags(validity, u, set() if negative else {flag},
                                 run.start, run.end, f"{self.who} by "
                                 f"{run.words!r}", [flag])
        for u in view:          # what is not found is the contrary, or dead
            if u is not None and u not in found and \
                    not self.w.may_be_dead(validity, u, run.end):
                self.w.saw_flags(validity, u, {flag} if negative else set(),
                                 run.start, run.end, f"{self.who} by not "
                                 f"{run.words!r}", [flag])

    def expunge_some(self):
        if self.read_only:
            return
        uids = set(self.some(10)) if self.rng.random() < 0.4 else None
        if uids == set():
            return
        validity = self.validity
        attempt = self.w.expunging(validity, uids)
        try:
            run = self.do(f"UID EXPUNGE {as_set(uids)}" if uids else "EXPUNGE")
        finally:
            attempt[1] = now()
        if run.status != "OK":
            self.fail(f"{run.words!r}: {run.status} {run.text!r}")
        for u in self.w.expunged(validity, attempt, True, uids):
            if u in self.uids:
                self.fail(f"{run.words!r}: OK, but UID {u} is not told")

    def transfer(self):
        if not (uids := self.some(4)):
            return
        verb = "COPY" if self.read_only else self.rng.choice(["COPY", "MOVE"])
        box = self.rng.choice(self.w.names())
        uid, which = self.named(uids)
        validity, target = self.validity, self.w.boxes.get(box)
        start = now()
        if verb == "MOVE":
            for u in uids:
                self.w.may_die(validity, u, start)
        try:
            run = self.do(f"{uid}{verb} {which} {box}")
        except Closed:
            for u in uids:
                token = self.w.entry(validity, u).token
                if target and token:
                    self.w.unsure(target, token)
                if verb == "MOVE":
                    with self.w.lock:
                        self.w.torn.append((validity, u, target))
            raise
        if run.status == "OK":
            self.transferred(run, verb, validity, uids)
        elif b"[EXPUNGEISSUED]" in run.text:
            if run.copyuid:
                self.fail(f"{run.words!r}: NO, but {run.copyuid}")
            for u in uids:
                if not self.w.may_be_dead(validity, u, now()):
                    self.fail(f"{run.words!r}: {run.text!r}: {u} is not")
        elif target:
            self.fail(f"{run.words!r}: {run.status} {run.text!r}")

    def transferred(self, run, verb, validity, uids):
        if not run.copyuid:
            self.fail(f"{run.words!r}: OK without COPYUID: {run.text!r}")
        to, sources, targets = run.copyuid
        if not set(sources) <= set(uids) or len(sources) != len(targets) or \
                len(set(targets)) != len(targets) or targets != sorted(targets):
            self.fail(f"{run.words!r}: COPYUID {run.copyuid}")
        for u, new in zip(sources, targets):
            m = self.w.entry(validity, u)
            with self.w.lock:
                # To a ghost an acknowledged STORE did not happen.
                dead = self.w.may_be_dead(validity, u, run.end)
                self.w.born(to, new, m.token, run.end,
                            {f: [False, True] for f in FLAGS} if dead and
                            verb == "COPY" else
                            self.w.possible(validity, u, run.start, run.end),
                            f"{run.start:.6f} {self.who}: {run.words}")
                m.story.append(f"{run.start:.6f}-{run.end:.6f} {run.words}")
                if verb == "MOVE":
                    if m.moved:
                        self.fail(f"{m.token} (UID {u} of {validity}) was "
                                  f"moved twice: {m.moved} and {run.words!r}")
                    m.moved = run.words
                    m.must_go = True
        if verb == "MOVE" and set(sources) & set(self.uids):
            self.fail(f"{run.words!r}: moved {sources}, but no EXPUNGE")
        for u in set(uids) - set(sources):
            if not self.w.may_be_dead(validity, u, run.end):
                self.fail(f"{run.words!r}: OK without UID {u}")
            if verb == "COPY" and not (self.w.foreign or self.w.kills):
                self.fail(f"{run.words!r}: a ghost, UID {u}, was not copied")

    def noop(self):
        if not self.validity:
            return
        validity, start = self.validity, now()
        run = self.do(self.rng.choice(["NOOP", "CHECK", "NOOP"]))
        if run.status != "OK":
            self.fail(f"{run.words!r}: {run.status} {run.text!r}")
        self.know()
        known = set(self.uids)
        if None in known:
            return
        with self.w.lock:
            for (v, u), m in self.w.messages.items():
                if v == validity and u in known and m.told_dead < start and \
                        not self.w.foreign:
                    self.fail(f"UID {u} was expunged, and NOOP did not say so")
                if v == validity and u not in known and m.born < start and \
                        not self.w.may_be_dead(v, u, now()):
                    self.fail(f"UID {u} ({m.token}) was promised, and NOOP did "
                              "not say so")

    def idle(self):
        run = Running("IDLE", now())
        if self.c.buffer or not self.c.is_silent(0):
            self.unasked()
        self.history.append("IDLE")
        tag = self.c.start("IDLE")
        while not (r := self.c.response(PATIENCE)).startswith(b"+"):
            self.untagged(r, run, False)
        until = now() + self.rng.random() * 0.5
        while (left := until - now()) > 0:
            if self.c.buffer or not self.c.is_silent(left):
                r = self.c.response(PATIENCE)
                self.history.append(r[:200])
                self.untagged(r, run, False)
                if r.startswith(b"* BYE"):
                    raise Closed("deleted")
        self.c.line("DONE")
        self.finish(run, tag)

    def status(self):
        box = self.rng.choice(list(self.w.boxes))
        largest = self.w.largest(self.w.boxes[box], now())
        run = self.do(f"STATUS {box} (MESSAGES UIDNEXT UIDVALIDITY)")
        if run.status != "OK":
            self.fail(f"{run.words!r}: {run.status} {run.text!r}")
        f = run.found
        if int(f[f.index(b"UIDNEXT") + 1]) <= largest:
            self.fail(f"STATUS {f}, but UID {largest} was given")
        if int(f[f.index(b"UIDVALIDITY") + 1]) != self.w.boxes[box]:
            self.fail(f"STATUS {f} of {self.w.boxes[box]}")

    def close(self):
        verb = self.rng.choice(["CLOSE", "UNSELECT"])
        if verb == "CLOSE" and not self.read_only:
            attempt = self.w.expunging(self.validity, None)
            validity = self.validity
            try:
                run = self.do("CLOSE")
            finally:
                attempt[1] = now()
            self.w.expunged(validity, attempt, run.status == "OK")
        else:
            run = self.do(verb)
        if run.status != "OK":
            self.fail(f"{run.words!r}: {run.status} {run.text!r}")
        self.gone()

    def manage(self):
        """CREATE, DELETE, RENAME of mailboxes that others are in."""
        if self.volatile:
            self.do("UNSELECT")
            self.gone()
        name = self.rng.choice(self.w.volatile)
        verb = self.rng.choice(["CREATE", "CREATE", "DELETE", "RENAME"])
        words = f"{verb} {name}"
        if verb == "RENAME":
            words += " " + self.rng.choice(self.w.volatile)
        try:
            run = self.do(words)
        except Closed:
            with self.w.lock:
                self.w.unsure_boxes += 1
            raise
        if run.status == "NO" and not re.match(
                rb"\[(NONEXISTENT|ALREADYEXISTS|NEWNAME [^]]*|CANNOT)\]",
                run.text):
            self.fail(f"{words}: NO {run.text!r}")
        with self.w.lock:
            if run.status == "OK" and verb != "RENAME":
                self.w.n_boxes += 1 if verb == "CREATE" else -1

    def pipeline(self):
        """EXPUNGE is held back while numbers are on their way."""
        if not self.uids or None in self.uids:
            return
        verbs = [self.rng.choice([
            "NOOP", "UID FETCH 1:* (FLAGS)", "CHECK", "FETCH 1:* (UID FLAGS)",
            "SEARCH ALL", "UID SEARCH ALL", "FETCH 1 (UID)",
            "FETCH * (UID FLAGS)"]) for _ in range(self.rng.randint(2, 5))]
        if self.c.buffer or not self.c.is_silent(0):
            self.unasked()
        start, tags = now(), [self.c.new_tag() for _ in verbs]
        self.history.append(" | ".join(verbs))
        self.c.send("".join(f"{t} {v}\r\n" for t, v in zip(tags, verbs)))
        runs = [Running(v, start) for v in verbs]
        for i, (run, tag) in enumerate(zip(runs, tags)):
            self.finish(run, tag, any(r.numbers for r in runs[i + 1:]))
            if run.status == "NO":
                self.expect_gone(run)
            if run.status == "BAD":
                break

    def list(self):
        run = self.do('LIST "" *')
        if run.status != "OK":
            self.fail(f"{run.words!r}: {run.status} {run.text!r}")

    WEIGHTS = {"append": 9, "store": 24, "fetch_some": 16, "search": 8,
               "expunge_some": 7, "transfer": 10, "noop": 12, "idle": 3,
               "status": 3, "close": 2, "pipeline": 6, "list": 1,
               "manage": 3}

    def step(self):
        if len(self.history) > 400:
            del self.history[:200]
        if self.validity is None or self.rng.random() < 0.03:
            box = self.rng.choice(self.w.names())
            if not self.select(box, self.rng.random() < 0.1):
                return
        weights = dict(self.WEIGHTS)
        if len(self.uids) > 40:
            weights["append"] = 1
            weights["expunge_some"] = 20
        action = self.rng.choices(list(weights), weights.values())[0]
        getattr(self, action)()
        self.know()

    def run(self, until):
        """Until the time is over; reconnects when the server went away."""
        while now() < until:
            try:
                if self.c is None:
                    self.open()
                self.step()
            except Closed as e:
                self.closed(e)

    def closed(self, e):
        status = None
        if self.c:
            process = self.c.process
            self.c.close()
            status = process.returncode if process else None
        self.c = None
        self.history.append(f"closed: {e}")
        if status not in (None, 0) and not self.w.kills:
            self.fail(f"the worker ended with {status}")
        if not self.volatile and not self.w.kills:
            self.fail(f"the connection ended: {e}")
        self.reconnects += 1
        self.gone()
