"""What the tests of bad input share."""
from imap import Closed, Late


def last_words(client, timeout=15):
    """What the server says until it closes: [responses]; Late if it does not."""
    said = []
    while True:
        try:
            said.append(client.response(timeout))
        except Closed:
            return said


def answer(client, data, tag, timeout=30):
    """
    Sends raw bytes and reads to the tagged line: b"OK", b"NO", b"BAD", or b"BYE"
    when the server ended the session with it.
    """
    try:
        client.send(data)
    except Closed:
        pass
    bye = False
    while True:
        try:
            r = client.response(timeout)
        except Closed:
            assert bye, "the connection ended without BYE"
            return b"BYE"
        if r.startswith(b"* BYE"):
            bye = True
        if r.startswith(tag + b" "):
            return r.split()[1]


def works(client):
    try:
        client.ok("NOOP")
        return True
    except (Closed, Late):
        return False


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0
