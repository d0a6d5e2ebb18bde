#!/usr/bin/python3
"""mkmaildir.py - deterministic Maildir corpus generator.

  mkmaildir.py --n 10000 --seed 1 DIR            a Maildir (cur/new/tmp), LF line ends
  mkmaildir.py --n 100000 --text 500 DIR         the same of small messages
  mkmaildir.py --n 10000 --seed 1 --cyrus DIR    files "1." "2." ... with CRLF line ends

The same --n/--seed give the same messages in both forms.  Sizes are lognormal,
median about 8 KB and mean about 30 KB (capped at 4 MB) unless --text says otherwise.  Shapes: text/plain in
several charsets and encodings, multipart/alternative, multipart/mixed with base64
attachments, forwarded message/rfc822; threads through References/In-Reply-To.
"""
import argparse, base64, math, os, quopri, random, sys, time
from email.header import Header

WORDS = """the of and to in is that for it as was with be by on not he his but at are this have from or had
an they which one you were all her she there would their we him been has when who will no more if out so up said
what its about than into them can only other time new some could these two may first then do any like my now over
such our man me even most made after also did many off before must well back through years much where your way
report meeting budget quarter invoice contract delivery schedule review project customer server update release
question answer please regards attached document draft proposal agenda minutes travel booking order payment account
figures summary analysis deadline team office manager department system network storage backup migration""".split()
RARE = ["xylophone", "quixotic", "zeppelin", "marmalade", "obsidian"]
LATIN = "Grüße aus Köln, schöne Fahrräder für Ärzte; déjà vu à la carte; señor años; smörgåsbord på øen".split()
CYR = "Добрый день, прошу рассмотреть договор и сообщить сроки оплаты по счёту за прошлый месяц".split()
JAP = "お世話になっております 会議の資料を送付いたします ご確認をお願いします よろしくお願いいたします".split()
FIRST = "Anna Ben Carla David Eva Frank Greta Hans Ines Jan Karin Luis Mara Nils Olga Paul Rita Sven Tina Uwe Zoë Jürgen".split()
LAST = "Meyer Schmidt Smith Jones Garcia Rossi Novak Ivanov Sato Larsen Müller Dubois Kowalski Andersson".split()
DOMS = ["example.org", "example.com", "example.net", "mail.example.org", "lists.example.com"]
DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
MONS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
BASE = 1577836800          # 2020-01-01


def date822(t):
    g = time.gmtime(t)
    return "%s, %d %s %d %02d:%02d:%02d +0000" % (DAYS[g.tm_wday], g.tm_mday, MONS[g.tm_mon - 1], g.tm_year,
                                                  g.tm_hour, g.tm_min, g.tm_sec)


class Gen:
    def __init__(self, seed, text):
        self.r = random.Random(seed)
        self.text_size = text
        self.recent = []                  # (msgid, subject, references)
        # pools, so that a big corpus takes seconds and not hours
        self.paras = [self.paragraph(WORDS) for _ in range(400)]
        self.lat = [self.paragraph(WORDS + LATIN * 3) for _ in range(100)]
        self.cyr = [self.paragraph(CYR) for _ in range(60)]
        self.jap = [self.paragraph(JAP) for _ in range(60)]
        self.blob = base64.encodebytes(self.r.randbytes(3 << 20)).split(b"\n")[:-1]

    def paragraph(self, words):
        r, lines, line = self.r, [], ""
        for _ in range(r.randint(20, 110)):
            w = r.choice(words)
            if len(line) + len(w) > 71:
                lines.append(line)
                line = w
            else:
                line = line + " " + w if line else w
        lines.append(line)
        return "\n".join(lines) + ".\n"

    def text(self, pool, size):
        out, n = [], 0
        while n < size:
            p = self.r.choice(pool)
            out.append(p)
            n += len(p) + 1
        if self.r.random() < 0.01:
            out.append("Keyword: %s\n" % self.r.choice(RARE))
        return "\n".join(out)

    def attach(self, size):
        k = max(1, size // 77)
        out = []
        while k > 0:
            s = self.r.randrange(len(self.blob))
            part = self.blob[s:s + k]
            out += part
            k -= len(part)
        return b"\n".join(out) + b"\n"

    def addr(self):
        r = self.r
        f, l = r.choice(FIRST), r.choice(LAST)
        name = f + " " + l
        if not name.isascii():
            name = Header(name, "utf-8").encode()
        a = "%s.%s" % (f, l)
        a = a.encode("ascii", "ignore").decode().lower()
        return "%s <%s@%s>" % (name, a, r.choice(DOMS))

    def textpart(self, size):
        """(headers, body) of one text/plain part."""
        r, k = self.r, self.r.random()
        if k < 0.55:
            return "Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 7bit\n", \
                self.text(self.paras, size).encode("ascii", "replace")
        if k < 0.80:
            cs = r.choice(["utf-8", "iso-8859-1", "windows-1252"])
            b = quopri.encodestring(self.text(self.lat, size).encode(cs, "replace"))
            return "Content-Type: text/plain; charset=%s\nContent-Transfer-Encoding: quoted-printable\n" % cs, b
        if k < 0.90:
            cs = r.choice(["utf-8", "koi8-r"])
            b = base64.encodebytes(self.text(self.cyr, size // 2).encode(cs, "replace"))
            return "Content-Type: text/plain; charset=%s\nContent-Transfer-Encoding: base64\n" % cs, b
        if k < 0.95:
            b = base64.encodebytes(self.text(self.jap, size // 4).encode("utf-8"))
            return "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n", b
        return "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n", \
            self.text(self.lat, size).encode("utf-8")

    def alternative(self, size, b):
        h, t = self.textpart(size // 3)
        html = b"<html><body>" + self.text(self.paras, size * 2 // 3).replace("\n\n", "</p>\n<p class=3D\"x\">").encode() + \
            b"</body></html>\n"
        bb = b.encode()
        body = b"--" + bb + b"\n" + h.encode() + b"\n" + t + b"\n--" + bb + \
            b"\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" + html + \
            b"\n--" + bb + b"--\n"
        return 'Content-Type: multipart/alternative; boundary="%s"\n' % b, body

    def message(self, i, t):
        r = self.r
        size = min(4 << 20, max(900, int(math.exp(math.log(self.text_size) + 1.56 * r.gauss(0, 1)))))
        mid = "<%d.%08x@%s>" % (i, r.getrandbits(32), r.choice(DOMS))
        if self.recent and r.random() < 0.6:
            pm, subj, refs = r.choice(self.recent)
            subj = subj if subj.startswith("Re: ") else "Re: " + subj
            refs = (refs + [pm])[-12:]
        else:
            pm, refs = None, []
            subj = " ".join(r.choice(WORDS) for _ in range(r.randint(2, 8))).capitalize()
            if r.random() < 0.12:
                subj = Header(subj + " " + r.choice(r.choice([LATIN, CYR, JAP])), "utf-8").encode()
        self.recent.append((mid, subj, refs))
        if len(self.recent) > 200:
            self.recent.pop(0)
        h = []
        for hop in range(r.randint(1, 4)):
            h.append("Received: from mx%d.%s (mx%d.%s [192.0.2.%d])\n\tby in.example.org (Postfix) with ESMTPS id %010X\n"
                     "\tfor <user@example.org>; %s\n" % (hop, r.choice(DOMS), hop, r.choice(DOMS), r.randint(1, 254),
                                                         r.getrandbits(40), date822(t)))
        if r.random() < 0.7:
            h.append("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=s1;\n\th=from:to:subject:date;"
                     " bh=%s;\n\tb=%s\n" % (self.blob[i % 5000][:44].decode(), "\n\t ".join(
                         x.decode() for x in self.blob[i % 5000:i % 5000 + 4])))
        h.append("From: %s\n" % self.addr())
        h.append("To: %s\n" % ",\n\t".join(self.addr() for _ in range(r.choice([1, 1, 1, 2, 3, 8]))))
        if r.random() < 0.3:
            h.append("Cc: %s\n" % ",\n\t".join(self.addr() for _ in range(r.randint(1, 5))))
        h.append("Subject: %s\n" % subj)
        h.append("Date: %s\n" % date822(t))
        h.append("Message-ID: %s\n" % mid)
        if pm:
            h.append("In-Reply-To: %s\nReferences: %s\n" % (pm, "\n\t".join(refs)))
        h.append("MIME-Version: 1.0\n")
        if r.random() < 0.4:
            h.append("List-Id: <list%d.lists.example.com>\nPrecedence: list\n" % r.randint(1, 40))
        k, b = r.random(), "=_%016x" % r.getrandbits(64)
        if k < 0.40 or size < 2500:
            ch, body = self.textpart(size)
        elif k < 0.70 and size < 200000:
            ch, body = self.alternative(size, b)
        else:
            tsz = min(size // 4, 6000)
            if k < 0.90:
                ih, ib = self.alternative(tsz, b + "a")
            else:
                ih, ib = self.textpart(tsz)
            out = [b"This is a multi-part message in MIME format.\n--", b.encode(), b"\n", ih.encode(), b"\n", ib]
            left, parts = size - tsz, r.choice([1, 1, 2, 3])
            for p in range(parts):
                if k > 0.96 and p == 0 and left < 100000:
                    fh, fb = self.textpart(left // parts)
                    out += [b"\n--", b.encode(), b"\nContent-Type: message/rfc822\n\nFrom: ", self.addr().encode(),
                            b"\nSubject: forwarded ", r.choice(WORDS).encode(), b"\nDate: ", date822(t - 86400).encode(),
                            b"\nMIME-Version: 1.0\n", fh.encode(), b"\n", fb]
                else:
                    ty, ex = r.choice([("application/pdf", "pdf"), ("image/jpeg", "jpg"), ("application/zip", "zip"),
                                       ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx")])
                    fn = "%s-%d.%s" % (r.choice(WORDS), r.randint(1, 999), ex)
                    out += [b"\n--", b.encode(), ('\nContent-Type: %s; name="%s"\nContent-Transfer-Encoding: base64\n'
                            'Content-Disposition: attachment; filename="%s"\n\n' % (ty, fn, fn)).encode(),
                            self.attach(left // parts)]
            out += [b"\n--", b.encode(), b"--\n"]
            ch, body = 'Content-Type: multipart/mixed; boundary="%s"\n' % b, b"".join(out)
        h.append(ch)
        return "".join(h).encode() + b"\n" + body


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("dir")
    ap.add_argument("--n", type=int, default=1000)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--text", type=int, default=6400, help="median size of the text")
    ap.add_argument("--cyrus", action="store_true")
    a = ap.parse_args()
    g, r2 = Gen(a.seed, a.text), random.Random(a.seed + 7)
    os.makedirs(a.dir, exist_ok=True)
    if not a.cyrus:
        for s in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(a.dir, s), exist_ok=True)
    total, sizes, t = 0, [], BASE
    for i in range(1, a.n + 1):
        t += r2.randint(1, 1500)
        m = g.message(i, t)
        k = r2.random()
        flags = "S" if k < .60 else "RS" if k < .72 else "FS" if k < .75 else "" if k < .98 else "DS"
        usec = r2.randrange(1000000)
        if a.cyrus:
            m = m.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            fn = os.path.join(a.dir, "%d." % i)
        else:
            fn = os.path.join(a.dir, "cur", "%d.M%dP%d.mx1,S=%d,W=%d:2,%s" %
                              (t, usec, 1000 + i % 30000, len(m), len(m) + m.count(b"\n"), flags))
        fd = os.open(fn, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, m)
        os.close(fd)
        os.utime(fn, (t, t))
        total += len(m)
        sizes.append(len(m))
    sizes.sort()
    print("n=%d bytes=%d mean=%d median=%d max=%d" % (a.n, total, total // a.n, sizes[a.n // 2], sizes[-1]))


if __name__ == "__main__":
    main()
