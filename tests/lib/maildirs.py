"""Builds Maildirs as Dovecot and delivery agents would have left them."""
import base64
import os
import pathlib
import shutil

LETTERS = {"\\answered": "R", "\\seen": "S", "\\deleted": "T",
           "\\draft": "D", "\\flagged": "F"}
UIDVALIDITY = 1000000001


def utf7(name):
    """A mailbox name in modified UTF-7 (RFC 3501 5.1.3)."""
    out, wide = [], []

    def flush():
        if wide:
            b64 = base64.b64encode("".join(wide).encode("utf-16-be"))
            out.append("&" + b64.rstrip(b"=").decode().replace("/", ",") + "-")
            wide.clear()
    for c in name:
        if " " <= c <= "~":
            flush()
            out.append("&-" if c == "&" else c)
        else:
            wide.append(c)
    flush()
    return "".join(out)


def plain_message(n, size=0):
    """What a message is where a test does not say: LF lines, deterministic."""
    text = (f"From: Sender {n} <sender{n}@example.org>\n"
            f"To: Reader <reader@example.org>\n"
            f"Subject: Message {n}\n"
            f"Date: Mon, 7 Feb 1994 21:52:{n % 60:02d} -0800\n"
            f"Message-ID: <{n}@example.org>\n"
            f"\n"
            f"This is message {n}.\n").encode()
    line = b"x" * 71 + b"\n"
    return text + line * max((size - len(text)) // len(line), 0)


class Maildir:
    """
    A Maildir++ tree that is being made: add messages, then write(). `owner` is
    (uid, gid) when the tests run as root and the mail belongs to another.
    """

    def __init__(self, root, owner=None):
        self.root = str(root)
        self.owner = owner
        self.folders = {}
        self.serial = 0

    def path(self, folder="INBOX", separator="/"):
        if folder.upper() == "INBOX":
            return self.root
        return os.path.join(self.root, "." + utf7(folder).replace(separator, "."))

    def own(self, *paths):
        if self.owner:
            for p in paths:
                os.chown(p, *self.owner, follow_symlinks=False)

    def folder(self, name="INBOX", uidvalidity=UIDVALIDITY, uidnext=None):
        if name not in self.folders:
            path = self.path(name)
            for d in (self.root, path, *(os.path.join(path, s)
                                         for s in ("cur", "new", "tmp"))):
                os.makedirs(d, mode=0o700, exist_ok=True)
                self.own(d)
            if path != self.root:
                marker = os.path.join(path, "maildirfolder")
                open(marker, "w").close()
                self.own(marker)
            self.folders[name] = {"uids": [], "keywords": [],
                                  "validity": uidvalidity, "next": uidnext}
        return self.folders[name]

    def letters(self, folder, flags):
        """'\\Seen $Label' or a list of these -> 'Sa'."""
        f = self.folder(folder)
        out = set()
        for word in flags.split() if isinstance(flags, str) else flags:
            if word.lower() in LETTERS:
                out.add(LETTERS[word.lower()])
            else:
                if word not in f["keywords"]:
                    f["keywords"].append(word)
                out.add(chr(ord("a") + f["keywords"].index(word)))
        return "".join(sorted(out))

    def add(self, folder="INBOX", content=None, uid=None, flags="", new=False,
            date=None, size=0):
        """
        Writes one message file; the base name. date: seconds (INTERNALDATE).
        Files made without uid stay out of dovecot-uidlist.
        """
        f = self.folder(folder)
        self.serial += 1
        if content is None:
            content = plain_message(uid or self.serial, size)
        when = int(date if date is not None else 760686725 + self.serial)
        base = f"{when}.M{self.serial:06d}P1.test"
        letters = self.letters(folder, flags)
        where = os.path.join(self.path(folder), "new", base) if new else \
            os.path.join(self.path(folder), "cur", f"{base}:2,{letters}")
        temp = os.path.join(self.path(folder), "tmp", base)
        with open(temp, "wb") as out:
            out.write(content)
        os.utime(temp, (when, when))
        os.chmod(temp, 0o600)
        self.own(temp)
        os.rename(temp, where)
        if uid:
            f["uids"].append((uid, base))
        return base

    def write(self):
        """Writes dovecot-uidlist and dovecot-keywords of every folder."""
        for name, f in self.folders.items():
            path = self.path(name)
            if f["uids"] or f["next"]:
                top = max([u for u, _ in f["uids"]], default=0) + 1
                self.put(os.path.join(path, "dovecot-uidlist"), "".join(
                    [f"3 V{f['validity']} N{f['next'] or top} "
                     f"G{f['validity']:032x}\n"] +
                    [f"{u} :{base}\n" for u, base in sorted(f["uids"])]))
            if f["keywords"]:
                self.put(os.path.join(path, "dovecot-keywords"), "".join(
                    f"{i} {k}\n" for i, k in enumerate(f["keywords"])))

    def set_rights(self, folder, line):
        """dovecot-acl with this line, as another program replaces it."""
        path = os.path.join(self.path(folder), "dovecot-acl")
        self.put(path + ".new", line + "\n")
        os.rename(path + ".new", path)

    def add_rights(self, folder, line):
        path = os.path.join(self.path(folder), "dovecot-acl")
        old = pathlib.Path(path).read_text() if os.path.exists(path) else ""
        self.set_rights(folder, old + line)

    def put(self, path, text):
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, 0o600)
        self.own(path)

    def subscribe(self, *names, separator="/"):
        self.put(os.path.join(self.root, "subscriptions"), "V\t2\n\n" + "".join(
            utf7(n).replace(separator, "\t") + "\n" for n in names))

    # What other programs do to a Maildir while it is served.

    def files(self, folder="INBOX"):
        """{base name: path} of what is in cur/ and new/."""
        out = {}
        for sub in ("cur", "new"):
            d = os.path.join(self.path(folder), sub)
            for name in sorted(os.listdir(d)):
                out[name.split(":2,")[0]] = os.path.join(d, name)
        return out

    def uidlist(self, folder="INBOX"):
        """({uid: base name}, header fields) as the file has them now."""
        with open(os.path.join(self.path(folder), "dovecot-uidlist"),
                  encoding="utf-8", errors="surrogateescape") as f:
            head = f.readline().split()
            rows = {}
            for line in f:
                left, _, name = line.rstrip("\n").partition(" :")
                rows[int(left.split()[0])] = name.split(":2,")[0]
        return rows, head

    def by_uid(self, folder, uid):
        base = self.uidlist(folder)[0][uid]
        found = self.files(folder)
        for name, path in found.items():
            if name.split(",")[0] == base.split(",")[0]:
                return path
        raise KeyError(f"no file of UID {uid} in {folder}")

    def remove(self, folder, uid):
        os.unlink(self.by_uid(folder, uid))

    def set_flags(self, folder, uid, flags):
        old = self.by_uid(folder, uid)
        base = os.path.basename(old).split(":2,")[0]
        os.rename(old, os.path.join(self.path(folder), "cur",
                                    f"{base}:2,{self.letters(folder, flags)}"))

    def remove_folder(self, folder):
        shutil.rmtree(self.path(folder))

    def set_policy(self, pattern, settings):
        """The rule of loft-policy for a pattern, in place of the one there was."""
        path = pathlib.Path(self.root) / "loft-policy"
        old = path.read_text().splitlines() if path.exists() else []
        lines = [x for x in old if x.split("\t")[0] != pattern]
        temp = path.with_name("loft-policy.other")
        temp.write_text("\n".join([*lines, f"{pattern}\t{settings}", ""]))
        os.replace(temp, path)

    def rename_folder(self, old, new):
        os.rename(self.path(old), self.path(new))
