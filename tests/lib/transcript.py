"""Reads and plays transcripts; the format is in tests/proto/README.md."""
import ast
import itertools
import pathlib
import re
import shlex

from imap import Closed, Imap, Late
from maildirs import UIDVALIDITY

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
LINE = re.compile(r"(?P<who>[CS])(?P<n>\d*)(?P<kind>[u?|]?)(?P<colon>:?)"
                  r"(?: (?P<text>.*))?$")
# Names of mailboxes that transcripts of RFC 2180 share between users.
SHARED = re.compile(r"(?<![\w/])(BAR|BAZ|FOO|FRED|OLD|OTHER)(?!\w)")
NAMESPACE = """\
namespace others {
  type = shared
  prefix = shared/%%u/
  separator = /
}""".split("\n")
HOLE = re.compile(r"<<(?:(?P<name>[a-z]\w*)(?P<re>:.*?)?|(?P<only>.*?))>>|\.\.\.")


class Mismatch(AssertionError):
    pass


class Transcript:
    """variant: one of its .variants, by default the first."""

    def __init__(self, path, variant=None):
        self.path = pathlib.Path(path)
        self.title, self.source = "", ""
        self.config, self.also = [], []
        self.mailboxes, self.messages, self.starts = [], [], {}
        self.rights = []
        self.entered = self.shared = False
        self.steps = []
        lines = self.path.read_text(encoding="utf-8").split("\n")
        end = lines.index("")
        for i, line in enumerate(lines[:end]):
            self.header_line(i + 1, line)
        for i, line in enumerate(lines[end:], end + 1):
            self.body_line(i, line)
        if not self.title or not self.steps:
            raise Mismatch(f"{path}: no title, or nothing said")
        either = [["select", "examine"]] if any(
            "|" in how for how, _ in self.starts.values()) else []
        # It holds with each choice of its alternatives.
        self.variants = list(itertools.product(*self.also, *either))
        self.choose(variant or self.variants[0])

    def enter_alone(self):
        """All mailboxes that are there from the start have a list of rights."""
        self.entered = True
        self.config.append("acl_driver = vfile")

    def share(self):
        """
        Every client but C1 is another user, who comes to the mailboxes of C1's. False:
        it is about an INBOX, which cannot be shared.
        """
        self.shared = True
        self.config += NAMESPACE
        return all(m["name"] != "INBOX"
                   for m in self.mailboxes + self.messages)

    def choose(self, variant):
        self.config += variant[:len(self.also)]
        self.starts = {n: (variant[-1] if "|" in how else how, name)
                       for n, (how, name) in self.starts.items()}

    def bad(self, number, line):
        raise Mismatch(f"{self.path.name}:{number}: not understood: {line}")

    def header_line(self, number, line):
        if line.startswith("#"):
            return
        if line == "|" or line.startswith("| "):
            self.messages[-1].setdefault("lines", []).append(line[2:])
            return
        key, colon, rest = line.partition(": ")
        if not colon:
            self.bad(number, line)
        if key == "Title":
            self.title = rest
        elif key == "Source":
            self.source = rest
        elif key == "Config":
            self.config.append(rest)
        elif key == "Also":
            name, _, values = rest.partition(" = ")
            self.also.append([f"{name} = {v}" for v in values.split(" | ")])
        elif key in ("Mailbox", "Message"):
            (self.mailboxes if key == "Mailbox" else self.messages).extend(
                each_uid(options(rest)))
        elif key == "Rights":
            self.rights.append(shlex.split(rest))
        elif key == "Start":
            m = re.match(r"(?:C(\d*) )?(connect|greet|login|select|examine"
                         r"|select\|examine)"
                         r"(?: (.*))?$", rest)
            if not m:
                self.bad(number, line)
            self.starts[m[1] or ""] = (m[2], m[3])
        else:
            self.bad(number, line)

    def body_line(self, number, line):
        if not line.strip() or line.startswith("#"):
            return
        if line == "|" or line.startswith("| "):
            self.steps[-1][1].setdefault("lines", []).append(line[2:])
        elif line.startswith("! "):
            self.steps.append((number, {"who": "!", "text": line[2:]}))
        else:
            m = LINE.match(line)
            if not m or bool(m["colon"]) == (m["kind"] == "|"):
                self.bad(number, line)
            self.steps.append((number, {"who": m["who"], "n": m["n"],
                                        "kind": m["kind"],
                                        "text": m["text"] or ""}))


def options(text):
    words = shlex.split(text.replace("\\", "\\\\"))
    out = {"name": words[0]}
    for w in words[1:]:
        key, eq, value = w.partition("=")
        out[key] = value if eq else True
    return out


def each_uid(o):
    """One for each of uid=4:7."""
    first, colon, last = str(o.get("uid", "")).partition(":")
    return [{**o, "uid": str(u)} for u in range(int(first), int(last) + 1)] \
        if colon else [o]


def content_of(message):
    if "lines" in message:
        return "".join(x + "\n" for x in message["lines"]).encode()
    if "data" in message:
        return (DATA / message["data"]).read_bytes()
    return None


def flags_of(message):
    return message.get("flags", "").replace(",", " ")


class Player:
    """
    One run of a transcript. connect(): an Imap with its greeting unread. Where it is
    shared, all mailboxes lie below T, on which everybody has all rights.
    """

    def __init__(self, transcript, maildir, connect, user):
        self.t, self.mail, self.connect = transcript, maildir, connect
        self.clients, self.lines = {}, {}
        self.vars = {"user": user}
        self.said = []

    def prefix(self, n):
        if not self.t.shared:
            return ""
        return "T/" if n == "1" else f"shared/{self.vars['user']}/T/"

    def named(self, n, text):
        """As client n writes the names in a text."""
        if not self.t.shared:
            return text
        text = re.sub(r'^(\S+ L(IST|SUB)) "" ',
                      rf'\1 "{self.prefix(n)}" ', text)
        return SHARED.sub(self.prefix(n) + r"\1", text)

    def user_of(self, n):
        other = self.t.shared and n != "1"
        return self.vars["user"] + ("guest" if other else "")

    def build(self):
        subscribed = []
        if self.t.shared:
            self.mail.folder("T")
        for m in self.t.mailboxes:
            self.mail.folder(self.named("1", m["name"]), int(m.get("uidvalidity", UIDVALIDITY)),
                             int(m["uidnext"]) if "uidnext" in m else None)
            if m.get("subscribed"):
                subscribed.append(m["name"])
        self.mail.folder("INBOX")
        for m in self.t.messages:
            self.mail.add(self.named("1", m["name"]), content_of(m),
                          flags=flags_of(m), uid=int(m["uid"]) if "uid" in m else None,
                          new=bool(m.get("new")), size=int(m.get("size", 0)),
                          date=m.get("date"))
        self.mail.write()
        for name, *entry in self.t.rights:
            self.mail.add_rights(name, " ".join(entry))
        for name in self.mail.folders:
            if name != "INBOX" and self.t.shared:
                self.mail.add_rights(name, "anyone lrswipkxtea")
            elif name != "INBOX" and self.t.entered:
                self.mail.add_rights(name, "anyone ")
        if subscribed:
            self.mail.subscribe(*subscribed)

    def client(self, n):
        if n not in self.clients:
            how, name = self.t.starts.get(n, self.t.starts.get("", ("login", "")))
            c = self.clients[n] = self.connect()
            self.lines[n] = []
            if how != "connect":
                c.greet()
            if how in ("login", "select", "examine") \
                    and not c.greeting.startswith(b"* PREAUTH"):
                c.login(self.user_of(n))
            if how in ("select", "examine"):
                c.ok(f'{how.upper()} "{self.named(n, name)}"')
        return self.clients[n]

    # ---- playing ----

    def play(self):
        self.build()
        for n in self.t.starts:
            self.client(n)
        self.steps = steps = [(number, {**s, "text": self.named(
            s.get("n", "1"), s["text"])}) for number, s in self.played()]
        i = 0
        while i < len(steps):
            number, s = steps[i]
            try:
                i = self.step(i, s)
            except (Mismatch, Closed, Late, AssertionError) as e:
                raise Mismatch(
                    f"{self.t.path.name}:{number}: {s['text']}\n  {e}\n"
                    "the conversation:\n" + "\n".join(self.said[-40:])) from e
        for n in self.clients:
            self.end(n)

    def played(self):
        """All steps but LSUB of others: their lists of subscriptions are their own."""
        tag = None
        for number, s in self.t.steps:
            m = re.match(r"(\S+) (LSUB )?", s["text"])
            if self.t.shared and s.get("n") != "1" and s["who"] == "C" \
                    and m and m[2]:
                tag = m[1]
            if tag is None:
                yield number, s
            elif s["who"] == "S" and s["text"].startswith(tag + " "):
                tag = None

    def step(self, i, s):
        steps = self.steps
        if s["who"] == "!":
            self.outside(shlex.split(s["text"]), s)
            return i + 1
        self.client(s["n"])
        if s["who"] == "C":
            if s["kind"] == "|":
                raise Mismatch("a literal line without {=} before it")
            return self.say(i)
        if s["kind"] == "u":
            group = []
            while i < len(steps) and steps[i][1].get("kind") == "u" \
                    and steps[i][1]["n"] == s["n"]:
                group.append(steps[i][1]["text"])
                i += 1
            self.expect_any_order(s["n"], group)
            return i
        if s["kind"] == "?":
            while (line := self.peek(s["n"], 0.2)) is not None \
                    and self.match(s["text"], line):
                self.take(s["n"])
            return i + 1
        self.expect(s["n"], s["text"])
        return i + 1

    def say(self, i):
        """Sends a line, and the literals that follow it."""
        steps = self.steps
        s = steps[i][1]
        n, text, c = s["n"], self.fill(s["text"]), self.client(s["n"])
        i += 1
        if text.startswith("("):
            self.act(n, c, text)
            return i
        m = re.search(r"\{=(\+?)\}$", text)
        if not m:
            self.said.append(f"C{n}: {text}")
            c.line(text)
            return i
        # What the server says before the literal is played in its place.
        j = i
        while steps[j][1]["who"] == "S":
            j += 1
        literal = b""
        while j < len(steps) and steps[j][1].get("kind") == "|":
            literal += self.fill(steps[j][1]["text"]).encode() + b"\r\n"
            steps_end = j = j + 1
        text = text[:m.start()] + "{%d%s}" % (len(literal), m[1])
        self.said.append(f"C{n}: {text}")
        c.line(text)
        while steps[i][1]["who"] == "S":
            i = self.step(i, steps[i][1])
        self.said.append(f"C{n}: ({len(literal)} bytes)")
        c.send(literal)
        return steps_end

    def act(self, n, c, text):
        self.said.append(f"C{n}: {text}")
        if text == "(starttls)":
            c.start_tls()
        elif text == "(close)":
            c.close()
            del self.clients[n], self.lines[n]
        elif text.startswith("(raw) "):
            raw = ast.literal_eval('b"' + text[6:].replace('"', '\\"') + '"')
            c.send(raw)
        else:
            raise Mismatch(f"no such action: {text}")

    def outside(self, words, s):
        verb, name = words[0], words[1]
        self.said.append("! " + s["text"])
        if verb == "deliver":
            o = {**options(s["text"].partition(" ")[2]), **s}
            self.mail.add(name, content_of(o), flags=flags_of(o),
                          new="flags" not in o)
        elif verb == "remove":
            self.mail.remove(name, int(words[2]))
        elif verb == "flags":
            flags = words[2:] and s["text"].split()[3:] or [""]
            self.mail.set_flags(name, int(words[2]), flags[0].replace(",", " "))
        elif verb == "mkfolder":
            self.mail.folder(name)
        elif verb == "rmfolder":
            self.mail.remove_folder(name)
        elif verb == "mvfolder":
            self.mail.rename_folder(name, words[2])
        elif verb == "rights":
            self.mail.set_rights(name, " ".join(words[2:]))
        elif verb == "policy":
            self.mail.set_policy(name, " ".join(words[2:]))
        else:
            raise Mismatch(f"no such act of another program: {verb}")

    # ---- what comes ----

    def peek(self, n, timeout=None):
        if not self.lines[n]:
            try:
                r = self.client(n).response(timeout)
            except Late:
                if timeout:
                    return None
                raise
            except Closed:
                if timeout:
                    return None
                raise
            self.lines[n] = r.decode("utf-8", "surrogateescape").split("\r\n")
        return self.lines[n][0]

    def take(self, n):
        line = self.lines[n].pop(0)
        self.said.append(f"S{n}: {line}")
        return line

    def expect(self, n, text):
        if text == "(nothing)":
            if self.lines[n] or not self.clients[n].is_silent():
                raise Mismatch(f"got {self.peek(n)!r} instead of nothing")
        elif text == "(closed)":
            if self.lines[n] or not self.clients[n].is_closed():
                raise Mismatch("the connection has not ended")
            self.clients.pop(n).close()
        else:
            line = self.peek(n)
            if not self.match(text, line):
                raise Mismatch(f"got {line!r}")
            self.take(n)

    def expect_any_order(self, n, group):
        group = list(group)
        while group:
            line = self.peek(n)
            for text in group:
                if self.match(text, line):
                    group.remove(text)
                    self.take(n)
                    break
            else:
                raise Mismatch(f"got {line!r}, expected one of {group}")

    # ---- patterns ----

    def fill(self, text):
        return re.sub(r"<<([a-z]\w*)>>",
                      lambda m: self.vars.get(m[1], m[0]), text)

    def match(self, text, line):
        text, out, at, names = self.fill(text), "", 0, []
        for m in HOLE.finditer(text):
            out += re.escape(text[at:m.start()])
            at = m.end()
            if m[0] == "...":
                out += ".*"
            elif m["name"] and m["re"]:
                names.append(m["name"])
                out += f"(?P<{m['name']}>{m['re'][1:]})"
            else:
                out += f"(?:{m['name'] or m['only']})"
        found = re.fullmatch(out + re.escape(text[at:]), line, re.S)
        if found:
            self.vars.update({k: found[k] for k in names})
        return bool(found)

    def end(self, n):
        c = self.clients[n]
        if self.lines.get(n):
            raise Mismatch(f"C{n}: not mentioned: {self.lines[n]}")
        try:
            status, _, untagged = c.command("LOGOUT")
        except Closed as e:
            raise Mismatch(f"C{n}: the connection was gone at the end") from e
        if status != "OK" or [r for r in untagged if not r.startswith(b"* BYE")]:
            raise Mismatch(f"C{n}: not mentioned: {untagged}\n"
                           "the conversation:\n" + "\n".join(self.said[-40:]))
        c.close()


    def needs_login(self):
        return any(how in ("connect", "greet")
                   for how, _ in self.t.starts.values())


def play(t, server, user):
    Player(t, server.maildir(user),
           lambda: Imap.connect(server.port), user).play()


def play_in_tunnel(t, tunnel):
    """Without a server; False: the transcript is about logging in."""
    player = Player(t, tunnel.mail,
                    lambda: tunnel.client(greet=False), "nobody")
    if player.needs_login():
        return False
    player.play()
    return True
