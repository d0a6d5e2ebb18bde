#!/usr/bin/python3
"""
make_sample.py DIR [--uid N --gid N]: a Maildir such as people have: some hundred
messages of every shape, threads, attachments, charsets, folders with names in
several scripts, flags and keywords. Always the same ones.
"""
import argparse
import base64
import email.utils
import os
import pathlib
import quopri
import random
import sys
from email.header import Header

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from maildirs import Maildir  # noqa: E402

PEOPLE = [("Anna Meyer", "anna@example.org"), ("Jürgen Groß", "jg@example.com"),
          ("Zoë Dubois", "zoe@example.net"), ("Иван Петров", "ivan@example.org"),
          ("佐藤 花子", "hanako@example.jp"), ("Lars Øster", "lars@example.no"),
          ("O'Brien, Pat", "pat.obrien@example.ie"), ("", "robot@example.org")]
SUBJECTS = ["Meeting on Thursday", "Rechnung für März", "Fotos vom Ausflug",
            "Ваш заказ отправлен", "会議の資料", "Re: quarterly figures",
            "Naïve question about the café", "Σχέδιο προγράμματος",
            "Reminder: the loft needs cleaning", "[birds] Who came home?"]
TEXTS = {
    "us-ascii": "The birds came home at six. All of them but two.\n",
    "iso-8859-1": "Die Tauben kehrten um sechs zurück, außer zweien. Schön!\n",
    "iso-8859-15": "Das Futter kostet 12 € im Monat, sagt Jürgen.\n",
    "windows-1252": "“Quotes” and an ellipsis… and 5 €.\n",
    "koi8-r": "Голуби вернулись домой в шесть часов.\n",
    "iso-2022-jp": "鳩は六時に帰ってきました。\n",
    "shift_jis": "会議は木曜日です。\n",
    "gb2312": "鸽子六点钟回家了。\n",
    "utf-8": "Τα περιστέρια γύρισαν στις έξι. 🕊\n",
}
FOLDERS = ["Sent", "Drafts", "Trash", "Junk", "Archive", "Archive/2023",
           "Archive/2024", "Lists", "Lists/Birds & Lofts", "Entwürfe",
           "Входящие", "日本語", "Café/Été", "Empty"]


def address(person):
    name, mail = person
    if not name:
        return mail
    if name.isascii():
        return email.utils.formataddr((name, mail))
    return f"{Header(name, 'utf-8').encode()} <{mail}>"


def encode(text, charset, how):
    raw = text.encode(charset)
    if how == "base64":
        return base64.encodebytes(raw)
    if how == "quoted-printable":
        return quopri.encodestring(raw)
    return raw


class Sample:
    def __init__(self, seed=7):
        self.r = random.Random(seed)
        self.n = 0
        self.recent = []

    def header(self, charset="utf-8"):
        self.n += 1
        msgid = f"<sample.{self.n}@loft.example>"
        subject = self.r.choice(SUBJECTS)
        lines = [f"Return-Path: <{self.r.choice(PEOPLE)[1]}>",
                 f"Received: from mx.example.org by mail.example.org\n\t"
                 f"with ESMTP id {self.n:08x}; Mon, 1 Jan 2024 00:00:00 +0000",
                 f"From: {address(self.r.choice(PEOPLE))}",
                 "To: " + ",\n ".join(address(p) for p in self.r.sample(
                     PEOPLE, self.r.randint(1, 3)))]
        if self.r.random() < 0.3:
            lines.append(f"Cc: {address(self.r.choice(PEOPLE))}")
        if self.recent and self.r.random() < 0.4:
            parent, old, refs = self.r.choice(self.recent[-20:])
            subject = old if old.startswith("Re: ") else "Re: " + old
            lines += [f"In-Reply-To: {parent}",
                      "References: " + "\n ".join((refs + [parent])[-10:])]
            refs = refs + [parent]
        else:
            refs = []
        self.recent.append((msgid, subject, refs))
        encoded = subject if subject.isascii() else \
            Header(subject, charset if charset in ("utf-8", "koi8-r")
                   and self.can(subject, charset) else "utf-8").encode()
        self.date = 1700000000 + self.n * 7919
        lines += [f"Subject: {encoded}", f"Message-ID: {msgid}",
                  f"Date: {email.utils.formatdate(self.date)}",
                  "MIME-Version: 1.0"]
        return lines

    @staticmethod
    def can(text, charset):
        try:
            text.encode(charset)
            return True
        except UnicodeEncodeError:
            return False

    def text_part(self):
        charset = self.r.choice(list(TEXTS))
        how = "7bit" if charset in ("us-ascii", "iso-2022-jp") else \
            self.r.choice(["8bit", "quoted-printable", "base64"])
        if charset in ("shift_jis", "gb2312"):
            how = "base64"
        body = encode(TEXTS[charset] * self.r.randint(1, 12), charset, how)
        return ([f"Content-Type: text/plain; charset={charset}",
                 f"Content-Transfer-Encoding: {how}"], body)

    def html_part(self):
        html = "<html><body><p>The <b>birds</b> came home: été, Tür.</p></body></html>\n"
        return (["Content-Type: text/html; charset=utf-8",
                 "Content-Transfer-Encoding: quoted-printable"],
                quopri.encodestring(html.encode()))

    def attachment(self):
        name, kind, data = self.r.choice([
            ("dove.png", "image/png", self.r.randbytes(self.r.randint(500, 9000))),
            ("report.pdf", "application/pdf",
             self.r.randbytes(self.r.randint(2000, 60000))),
            ("Übersicht März.csv", "text/csv", "Taube;Zeit\nKöln;6:00\n".encode())])
        if name.isascii():
            disposition = f'attachment; filename="{name}"'
        else:
            disposition = "attachment;\n filename*=utf-8''" + \
                "".join(chr(b) if chr(b).isalnum() and b < 128 or b == 46
                        else f"%{b:02X}" for b in name.encode())
        return ([f"Content-Type: {kind}", f"Content-Disposition: {disposition}",
                 "Content-Transfer-Encoding: base64"], base64.encodebytes(data))

    def multipart(self, kind, parts):
        mark = f"=_{kind}_{self.n}_{len(parts)}"
        body = b"This is a message in MIME format.\n"
        for headers, content in parts:
            body += f"\n--{mark}\n".encode() + "\n".join(headers).encode() \
                + b"\n\n" + content
        return ([f'Content-Type: multipart/{kind};\n boundary="{mark}"'],
                body + f"\n--{mark}--\n".encode())

    def message(self):
        head = self.header()
        x = self.r.random()
        if x < 0.4:
            fields, body = self.text_part()
        elif x < 0.6:
            fields, body = self.multipart("alternative",
                                          [self.text_part(), self.html_part()])
        elif x < 0.85:
            inner = self.multipart("alternative",
                                   [self.text_part(), self.html_part()])
            fields, body = self.multipart("mixed", [
                inner, *(self.attachment() for _ in range(self.r.randint(1, 3)))])
        elif x < 0.93:
            saved = head, self.date
            forwarded = self.message()
            head, self.date = saved
            fields, body = self.multipart("mixed", [
                self.text_part(), (["Content-Type: message/rfc822"], forwarded)])
        elif x < 0.97:
            fields, body = self.multipart("signed", [
                self.text_part(),
                (["Content-Type: application/pgp-signature; name=signature.asc"],
                 b"-----BEGIN PGP SIGNATURE-----\n(not one)\n"
                 b"-----END PGP SIGNATURE-----\n")])
        else:
            fields, body = [], b"No MIME headers worth the name here.\n"
        return "\n".join(head + fields).encode() + b"\n\n" + body


def build(root, owner=None, inbox=160, each=16):
    """Makes the Maildir; {folder: number of messages}."""
    sample, mail = Sample(), Maildir(root, owner)
    counts = {}
    for folder in ["INBOX", *FOLDERS]:
        mail.folder(folder, uidvalidity=1700000000 + len(counts))
        n = 0 if folder == "Empty" else inbox if folder == "INBOX" else each
        for i in range(n):
            content = sample.message()
            flags = [f for f, p in (("\\Seen", 0.7), ("\\Answered", 0.2),
                                    ("\\Flagged", 0.1), ("$Forwarded", 0.1),
                                    ("Birds", 0.05)) if sample.r.random() < p]
            mail.add(folder, content, uid=i + 1, flags=flags, date=sample.date)
        counts[folder] = n
    extra = sorted((pathlib.Path(__file__).parent / "mail").glob("*.eml"))
    for i, path in enumerate(extra):
        mail.add("Lists", path.read_bytes(), uid=each + 1 + i)
    counts["Lists"] += len(extra)
    for _ in range(5):
        mail.add("INBOX", sample.message(), new=True, date=sample.date)
    counts["INBOX"] += 5
    mail.write()
    mail.subscribe("INBOX", *FOLDERS)
    return counts


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("directory")
    p.add_argument("--uid", type=int)
    p.add_argument("--gid", type=int)
    o = p.parse_args()
    os.makedirs(o.directory, mode=0o700, exist_ok=True)
    owner = (o.uid, o.gid if o.gid is not None else o.uid) \
        if o.uid is not None else None
    counts = build(o.directory, owner)
    print(f"{sum(counts.values())} messages in {len(counts)} folders")


if __name__ == "__main__":
    main()
