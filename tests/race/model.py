"""
What must be true of an account while many clients work in it. Clients tell it what
they begin, what was acknowledged and what they see; it says what cannot be.

A message is (UIDVALIDITY, UID) and carries a token. Times are time.monotonic().
For flags it is a regular register per message and flag: what is read was written
by an operation that no other one, finished before the read began, came after.
"""
import random
import re
import threading
import time

SYSTEM = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "\\Deleted"]
KEYWORDS = ["$Label1", "Birds", "Loft", "$Junk"]
FLAGS = SYSTEM + KEYWORDS
LETTERS = {"\\Seen": "S", "\\Flagged": "F", "\\Answered": "R", "\\Draft": "D",
           "\\Deleted": "T"}
NEVER = float("inf")


class Broken(AssertionError):
    """A promise was not kept."""


def now():
    return time.monotonic()


def message(token):
    n = random.Random(token).choice([0, 1, 5, 40, 300])
    return (f"From: race@example.org\r\nSubject: {token}\r\n"
            f"Message-ID: <{token}@example.org>\r\n\r\n"
            + f"{token} is whole.\r\n" * (n + 1)).encode()


def token_of(raw):
    m = re.search(rb"^Subject: (\S+)\r\n", raw, re.M)
    if not m:
        raise Broken(f"a message without its token: {raw[:200]!r}")
    return m[1].decode()


class Register:
    """One flag of one message: [start, end, value], end NEVER: perhaps not."""

    def __init__(self, first):
        self.ops = [(0.0, 0.0, v) for v in first]

    def write(self, start, end, value):
        self.ops.append((start, end, value))
        if len(self.ops) > 12:
            done = sorted(o[0] for o in self.ops if o[1] != NEVER)
            newest = done[-1] - 30      # readers may be as late as this
            self.ops = [o for o in self.ops if o[1] >= newest or not any(
                p[0] > o[1] and p[1] < newest for p in self.ops)]

    def values(self, start, end):
        seen = [o for o in self.ops if o[0] <= end]
        return {o[2] for o in seen if not any(
            p[0] > o[1] and p[1] < start for p in seen)}


class Message:
    def __init__(self):
        self.token = None
        self.story = []         # what was done to it, for who has to read it
        self.flags = {}         # name -> Register
        self.born = NEVER       # the answer that promised it
        self.seen = NEVER       # when it was fetched first
        self.moved = None       # the MOVE that took it away
        self.death = NEVER      # since when it may be expunged
        self.must_go = False    # an acknowledged command expunged it
        self.told_dead = NEVER  # a client was told of its EXPUNGE

    def register(self, flag):
        """Of a message whose flags nobody promised: could be either."""
        if flag not in self.flags:
            self.flags[flag] = Register([False, True])
        return self.flags[flag]


class World:
    def __init__(self, seed):
        self.seed = seed
        self.lock = threading.RLock()
        self.n = 0
        self.messages = {}      # (validity, uid) -> Message
        self.boxes = {}         # stable name -> validity
        self.maybe = {}         # (validity, token) -> arrivals nobody confirmed
        self.torn = []          # (validity, uid, target): moves whose mover died
        self.delivered = []     # (validity, token) by another program
        self.foreign_flags = [] # its changes, as Client.begin gives them
        self.suspects = []      # (message key, text): only if it lives in the end
        self.attempts = {}      # validity -> [start, end, UIDs] of EXPUNGEs
        self.marked = {}        # (validity, token) -> when removal began
        self.foreign = False    # another program is at work
        self.kills = False
        self.counts = {}
        self.slow = []
        self.failures = []
        self.volatile = ["V0", "V1", "V2"]      # created and deleted
        self.n_boxes = self.unsure_boxes = 0    # of these

    def fail(self, text):
        raise Broken(text)

    def names(self):
        return [*self.boxes, *self.boxes, *self.volatile]

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def token(self, who):
        with self.lock:
            self.n += 1
            return f"t{self.n:06d}-{who}"

    # ---- messages ----

    def entry(self, validity, uid):
        with self.lock:
            m = self.messages.get((validity, uid))
            if m is None:
                m = self.messages[validity, uid] = Message()
            return m

    def meet(self, validity, uid, token):
        """Somebody says that this UID is this message."""
        with self.lock:
            m = self.entry(validity, uid)
            if m.token is None:
                m.token = token
                m.death = min(m.death,
                              self.marked.get((validity, token), NEVER))
            elif token not in (None, m.token):
                self.fail(f"UID {uid} of {validity} was {m.token}, "
                          f"is {token}")
            return m

    def born(self, validity, uid, token, end, flags, how):
        """Acknowledged. flags: {name: possible values}."""
        with self.lock:
            m = self.meet(validity, uid, token)
            if m.born != NEVER:
                self.fail(f"UID {uid} of {validity} was given twice ({token})")
            m.born = end
            m.story.append(f"{end:.6f} {how}")
            for f in FLAGS:
                # It may have been written to before we heard of its birth.
                r = m.register(f)
                r.ops = Register(flags.get(f, [False])).ops + [
                    o for o in r.ops if o[0] > 0]

    def unsure(self, validity, token):
        """It may arrive: whoever brought it died, or is no client."""
        with self.lock:
            key = validity, token
            self.maybe[key] = self.maybe.get(key, 0) + 1

    def may_die(self, validity, uid, start):
        with self.lock:
            m = self.entry(validity, uid)
            m.death = min(m.death, start)

    def mark(self, validity, token, start):
        """Another program is about to remove all of this token."""
        with self.lock:
            self.marked.setdefault((validity, token), start)
            for (v, _), m in self.messages.items():
                if v == validity and m.token == token:
                    m.death = min(m.death, start)

    def expunging(self, validity, uids):
        """An EXPUNGE begins; give what this returns to expunged()."""
        attempt = [now(), NEVER, uids]
        with self.lock:
            self.attempts.setdefault(validity, []).append(attempt)
        return attempt

    def expunged(self, validity, attempt, ok, view=None):
        """It is over. ok: what surely carried \\Deleted is gone."""
        start, attempt[1] = attempt[0], now()
        surely = []
        with self.lock:
            for (v, uid), m in self.messages.items():
                if v == validity and ok and m.born < start and \
                        m.token and m.death == NEVER and \
                        (view is None or uid in view) and \
                        m.register("\\Deleted").values(start, now()) == {True}:
                    m.must_go = True
                    surely.append(uid)
        return surely

    def may_be_dead(self, validity, uid, at):
        with self.lock:
            m = self.entry(validity, uid)
            if m.death <= at:
                return True
            r = m.register("\\Deleted")
            for start, end, uids in self.attempts.get(validity, []):
                if start <= at and (uids is None or uid in uids) and \
                        True in r.values(start, min(end, at)):
                    m.death = start
                    return True
            return False

    def told_expunge(self, validity, uid, at, who):
        with self.lock:
            m = self.entry(validity, uid)
            if not self.may_be_dead(validity, uid, at):
                self.fail(f"{who}: {m.token} (UID {uid} of {validity}) was "
                          "expunged, and nobody could have done that")
            m.told_dead = min(m.told_dead, at)

    # ---- flags ----

    def write(self, validity, uid, op, flags, start, end):
        """op: "+", "-" or "" (set); end NEVER when it may not have happened."""
        with self.lock:
            m = self.entry(validity, uid)
            for f in FLAGS:
                if f in flags:
                    m.register(f).write(start, end, op != "-")
                elif op == "":
                    m.register(f).write(start, end, False)

    def possible(self, validity, uid, start, end):
        with self.lock:
            m = self.entry(validity, uid)
            return {f: m.register(f).values(start, end) for f in FLAGS}

    def saw_flags(self, validity, uid, flags, start, end, who,
                  only=FLAGS):
        with self.lock:
            m = self.entry(validity, uid)
            for f in only:
                r = m.register(f)
                if (f in flags) not in r.values(start, end):
                    text = (f"{who}: {m.token} (UID {uid} of {validity}) "
                            f"{'has' if f in flags else 'lacks'} {f} at "
                            f"{start:.6f}-{end:.6f}; written: "
                            f"{sorted(r.ops)[-8:]} "
                            f"death {m.death:.6f}; story: "
                            + "; ".join(m.story[-12:]))
                    if self.may_be_dead(validity, uid, end):
                        self.suspects.append(((validity, uid), text))
                    else:
                        self.fail(text)

    # ---- stock ----

    def check_select(self, validity, uids, start, who):
        """A session that began at `start` sees these UIDs."""
        with self.lock:
            for (v, uid), m in self.messages.items():
                if v != validity:
                    continue
                if uid not in uids and min(m.born, m.seen) < start and \
                        m.told_dead == NEVER and \
                        not self.may_be_dead(v, uid, now()):
                    self.fail(f"{who}: {m.token} (UID {uid} of {v}) was "
                              "promised and is not there")
                if uid in uids and m.told_dead < start:
                    self.fail(f"{who}: {m.token} (UID {uid} of {v}) is back "
                              "after its EXPUNGE")

    def largest(self, validity, before):
        with self.lock:
            return max((u for (v, u), m in self.messages.items()
                        if v == validity and m.born < before), default=0)

    def check_end(self, stock):
        """stock: {name: (validity, {uid: (token, flags)})} in the end."""
        alive = {}
        for name, (validity, rows) in stock.items():
            for uid, (token, flags) in rows.items():
                alive[validity, uid] = token
                self.meet(validity, uid, token)
        for key, m in self.messages.items():
            validity, uid = key
            if key in alive:
                if m.must_go:
                    self.fail(f"{m.token} {key} was removed, acknowledged, "
                              "and is still there")
                if m.told_dead != NEVER:
                    self.fail(f"{m.token} {key} is there after its EXPUNGE")
            elif min(m.born, m.seen) != NEVER and \
                    validity in [v for v, _ in stock.values()] and \
                    not self.may_be_dead(validity, uid, NEVER):
                self.fail(f"{m.token} {key} was promised and is lost")
        extra = {}
        for key, token in alive.items():
            m = self.messages[key]
            if m.born == NEVER:
                extra.setdefault((key[0], token), []).append(key[1])
        for (validity, token), uids in extra.items():
            most = self.maybe.get((validity, token), 0)
            if len(uids) > most and validity in self.boxes.values():
                self.fail(f"{token} came from nowhere: UIDs {uids} of "
                          f"{validity}, at most {most} expected")
        for key, text in self.suspects:
            if key in alive:
                self.fail(text)
        self.check_torn(alive, extra)
        met = {(v, m.token) for (v, _), m in self.messages.items()}
        for key in self.delivered:
            if key not in met and key not in self.marked:
                self.fail(f"{key} was delivered and nobody ever saw it")

    def check_torn(self, alive, extra):
        """A MOVE that was cut off: here or there."""
        for validity, uid, target in self.torn:
            m = self.messages[validity, uid]
            there = [k for k, x in self.messages.items()
                     if k[0] == target and x.token == m.token]
            if target is None or m.token is None or m.moved or \
                    validity not in self.boxes.values() or \
                    True in m.register("\\Deleted").values(0, NEVER):
                continue
            if (validity, uid) not in alive and not there:
                self.fail(f"{m.token} (UID {uid} of {validity}) was lost by a "
                          "MOVE that was cut off")
            others = [t for t in self.torn if t[2] == target and
                      self.messages[t[:2]].token == m.token]
            if (validity, uid) in alive and len(others) == 1 == \
                    self.maybe.get((target, m.token)) and \
                    extra.get((target, m.token)):
                self.fail(f"{m.token} was doubled by a MOVE that was cut off")
