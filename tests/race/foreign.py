"""Another program in the same Maildir: delivers, marks, removes, moves files."""
import os

from client import Client
from model import LETTERS, NEVER, message, now


class Foreign:
    def __init__(self, world, mail, rng):
        self.w, self.mail, self.rng = world, mail, rng
        self.n = 0

    def unique(self):
        self.n += 1
        return f"{int(now())}.M{self.n}P1.elsewhere"

    def pick(self, box):
        """A file of cur/: (path, base, letters, uid, token), or None."""
        cur = os.path.join(self.mail.path(box), "cur")
        names = [n for n in os.listdir(cur) if ":2," in n]
        if not names:
            return None
        name = self.rng.choice(names)
        path = os.path.join(cur, name)
        base, _, letters = name.partition(":2,")
        uids = [u for u, b in self.mail.uidlist(box)[0].items() if b == base]
        try:
            with open(path, encoding="ascii") as f:
                token = next(x.split()[1] for x in f
                             if x.startswith("Subject:"))
        except FileNotFoundError:
            return None
        return path, base, letters, uids[-1] if uids else None, token

    def step(self):
        box = self.rng.choice(list(self.w.boxes))
        getattr(self, self.rng.choices(
            ["deliver", "mark", "remove", "move"], [5, 8, 1, 2])[0])(box)

    def deliver(self, box):
        token, base = self.w.token("x"), self.unique()
        folder = self.mail.path(box)
        temp = os.path.join(folder, "tmp", base)
        with open(temp, "wb") as f:
            f.write(message(token).replace(b"\r\n", b"\n"))
        self.w.unsure(self.w.boxes[box], token)
        os.rename(temp, os.path.join(folder, "new", base))
        self.w.delivered.append((self.w.boxes[box], token))
        self.w.count("delivery")

    def mark(self, box):
        if not (found := self.pick(box)) or found[3] is None:
            return
        path, base, letters, uid, _ = found
        flag = self.rng.choice(list(LETTERS))
        new = set(letters) ^ {LETTERS[flag]}
        on = LETTERS[flag] in new
        with self.w.lock:
            register = self.w.entry(self.w.boxes[box], uid).register(flag)
            op = (now(), NEVER, on)
            register.write(*op)
        try:
            os.rename(path, os.path.join(os.path.dirname(path),
                                         f"{base}:2,{''.join(sorted(new))}"))
        except FileNotFoundError:
            with self.w.lock:
                register.ops.remove(op)
            return
        self.w.foreign_flags.append((register, *op[::2]))
        self.w.count("mark")

    def remove(self, box):
        if not (found := self.pick(box)):
            return
        self.w.mark(self.w.boxes[box], found[4], now())
        try:
            os.unlink(found[0])
            self.w.count("removal")
        except FileNotFoundError:
            pass

    def move(self, box):
        if not (found := self.pick(box)):
            return
        path, base, letters, _, token = found
        to = self.rng.choice([b for b in self.w.boxes if b != box])
        self.w.mark(self.w.boxes[box], token, now())
        self.w.unsure(self.w.boxes[to], token)
        if self.rng.random() < 0.5:
            base = self.unique()
        try:
            os.rename(path, os.path.join(self.mail.path(to), "cur",
                                         f"{base}:2,{letters}"))
            self.w.count("file moved")
        except FileNotFoundError:
            pass

    def settle(self):
        """By now everybody has had to see what it did."""
        for register, start, value in self.w.foreign_flags:
            Client.acknowledge(self, [(register, start, value)], now())
