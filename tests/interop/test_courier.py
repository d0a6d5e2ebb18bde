"""A Maildir that Courier-IMAP left: UIDs, subscriptions and keywords are taken over."""
import os
import pathlib

import pytest

from imap import Closed, uids_flags
from server import BUILD, Tunnel

HOOKS = BUILD / "hooks"


def put(path, text):
    pathlib.Path(path).write_text(text)


@pytest.fixture
def world():
    t = Tunnel(build=HOOKS)
    names = [t.mail.add("INBOX", flags="\\Seen" if n == 1 else "") for n in range(4)]
    for n in range(2):
        t.mail.add("Lists", flags="")
    root = pathlib.Path(t.mail.root)
    keywords = root / "courierimapkeywords"
    keywords.mkdir()
    put(root / "courierimapuiddb", "1 1234 40\n" + "".join(
        f"{10 + n} {name}\n" for n, name in enumerate(names)))
    put(root / "courierimapsubscribed", "INBOX.Lists\nINBOX\n")
    put(keywords / ":list", f"$Work\nurgent\n\n{names[0]}:0 1\n{names[1]}:1\n"
        f"{names[2]}:0\n{names[3]}:7 x\nno such message:0\nno colon\n")
    # The third's changed twice since, the fourth's once; the last word counts.
    put(keywords / f".5000.{names[2]}", "urgent\n")
    put(keywords / f".5001.{names[2]}", "later\n")
    put(keywords / f".4000.{names[3]}", "")
    put(keywords / names[3], "$Work\nlater\n")
    (root / ".Lists" / "courierimapkeywords").mkdir()
    return t


WANTED = {10: {"$Work", "urgent"}, 11: {"\\Seen", "urgent"}, 12: {"later"},
          13: {"$Work", "later"}}


def look(client):
    client.ok("SELECT INBOX")
    return {uid: {f.decode() for f in flags} - {"\\Recent"}
            for uid, flags in uids_flags(client).items()}


def kept(root):
    return {p.name: p.read_text() for p in root.glob("courierimap*/*")} | \
        {p.name: p.read_text() for p in root.glob("courierimap*") if p.is_file()}


def test_a_maildir_of_couriers_is_taken_over(world):
    root = pathlib.Path(world.mail.root)
    before = kept(root)
    c = world.client()
    untagged = c.ok("SELECT INBOX")
    assert any(b"UIDVALIDITY 1234" in u for u in untagged), untagged
    assert look(c) == WANTED
    subscribed = b" ".join(c.ok('LSUB "" "*"'))
    assert b"Lists" in subscribed and b"INBOX" in subscribed
    c.logout()
    # What is on disk says it to others, and Courier's files are as they were.
    assert (root / "dovecot-keywords").read_text().split() == [
        "0", "$Work", "1", "urgent", "2", "later"]
    assert sorted(name.partition(":2,")[2] for name in os.listdir(root / "cur")) == \
        ["Sb", "ab", "ac", "c"]
    assert kept(root) == before
    # No keywords: no file of them.
    c = world.client("Lists")
    c.logout()
    assert not (root / ".Lists" / "dovecot-keywords").exists()


@pytest.mark.parametrize("n", [1, 3])
def test_who_is_killed_over_it_is_made_good(world, n):
    c = world.client(env={"LOFT_KILL": f"courier-renamed:{n}"})
    with pytest.raises(Closed):
        c.command("SELECT INBOX")
    c.close()
    c = world.client()
    assert look(c) == WANTED
    c.logout()


def test_once_taken_over_couriers_word_counts_no_more(world):
    c = world.client()
    assert look(c) == WANTED
    c.ok("UID STORE 10 -FLAGS (urgent)")
    c.logout()
    for f in pathlib.Path(world.mail.root, "loft").rglob("*.mdb"):
        f.unlink()
    c = world.client()
    assert look(c) == {**WANTED, 10: {"$Work"}}
    c.logout()
