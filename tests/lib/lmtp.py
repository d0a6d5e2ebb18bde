"""A client of LMTP: Lmtp(path or port) says LHLO; mail() delivers."""
import socket

TIMEOUT = 30


class Lmtp:
    def __init__(self, where, hello="client.example", timeout=TIMEOUT):
        if isinstance(where, int):
            self.s = socket.create_connection(("127.0.0.1", where), timeout)
        else:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.settimeout(timeout)
            self.s.connect(str(where))
        self.f = self.s.makefile("rb")
        self.greeting = self.reply()
        if hello:
            self.features = self.say(f"LHLO {hello}")

    def reply(self):
        """All lines of one answer."""
        lines = []
        while not lines or lines[-1][3:4] == "-":
            line = self.f.readline().decode()
            if not line:
                raise EOFError(lines)
            lines.append(line.rstrip("\r\n"))
        return "\n".join(lines)

    def send(self, data):
        self.s.sendall(data if isinstance(data, bytes) else
                       data.encode() + b"\r\n")

    def say(self, line):
        self.send(line)
        return self.reply()

    def envelope(self, recipients, sender="sender@example.net"):
        """The answers to RCPT."""
        assert self.say(f"MAIL FROM:<{sender}>").startswith("250 ")
        return [self.say(f"RCPT TO:<{r}>") for r in recipients]

    def data(self, message, n):
        """The n answers to a message."""
        assert self.say("DATA").startswith("354 ")
        self.send(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return [self.reply() for _ in range(n)]

    def mail(self, recipients, message, sender="sender@example.net"):
        """Delivers to all; the answers after DATA."""
        answers = self.envelope(recipients, sender)
        assert all(x.startswith("250 ") for x in answers), answers
        return self.data(message, len(recipients))

    def is_closed(self):
        return self.f.read() == b""

    def close(self):
        self.f.close()
        self.s.close()
