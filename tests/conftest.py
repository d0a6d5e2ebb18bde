"""Makes tests/lib importable and turns *.imap files into tests."""
import itertools
import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))

import server as servers  # noqa: E402
import transcript as transcripts  # noqa: E402

COUNT = itertools.count(1)
SHARED = {}


def shared_server(config=""):
    """The one server of all tests of one configuration: one at a time."""
    if SHARED.get("config") != config:
        end_shared()
        SHARED["config"] = config
    if "failure" in SHARED:
        raise AssertionError("no server: " + SHARED["failure"])
    if "server" not in SHARED:
        try:
            SHARED["server"] = servers.Server(extra=config)
        except Exception as e:
            SHARED["failure"] = str(e)
            raise
    return SHARED["server"]


def end_shared():
    s = SHARED.get("server")
    SHARED.clear()
    if s:
        s.stop()
        drop(s)


def drop(thing):
    if os.environ.get("LOFT_TEST_KEEP"):
        print("kept:", thing.dir, file=sys.stderr)
    else:
        shutil.rmtree(thing.dir, ignore_errors=True)


def pytest_sessionfinish(session):
    end_shared()


def new_user():
    return f"t{next(COUNT):04d}"


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".imap":
        return TranscriptFile.from_parent(parent, path=file_path)
    return None


def pytest_collection_modifyitems(items):
    """A server for each configuration, not for each transcript."""
    items.sort(key=lambda i: getattr(i, "extra", ""))


class TranscriptFile(pytest.File):
    def collect(self):
        for v in transcripts.Transcript(self.path).variants:
            words = ",".join(x.partition(" = ")[2] or x for x in v)
            item = TranscriptItem.from_parent(
                self, name=self.path.stem + (words and f"[{words}]"))
            item.transcript = transcripts.Transcript(self.path, v)
            item.extra = "".join(x + "\n" for x in item.transcript.config)
            yield item
            if v == transcripts.Transcript(self.path).variants[0] \
                    and self.path.parent.name == "rfc2180":
                yield self.alone(v)
                if (item := self.shared(v)) is not None:
                    yield item

    def alone(self, v):
        """The same where each mailbox has a state of its own."""
        item = TranscriptItem.from_parent(self, name=self.path.stem + "[rights]")
        item.transcript = transcripts.Transcript(self.path, v)
        item.transcript.enter_alone()
        item.extra = "".join(x + "\n" for x in item.transcript.config)
        return item

    def shared(self, v):
        """The same where all clients but the first are another user."""
        item = TranscriptItem.from_parent(
            self, name=self.path.stem + "[users]")
        item.transcript = transcripts.Transcript(self.path, v)
        if not item.transcript.share():
            return None
        item.extra = "".join(x + "\n" for x in item.transcript.config)
        return item


class TranscriptItem(pytest.Item):
    transcript, extra = None, ""

    def runtest(self):
        if os.environ.get("LOFT_VIA") == "tunnel":
            if self.transcript.shared:
                pytest.skip("one user alone has a tunnel")
            own = servers.Tunnel(extra=self.extra)
            try:
                if not transcripts.play_in_tunnel(self.transcript, own):
                    pytest.skip("it is about logging in")
            finally:
                drop(own)
            return
        server = shared_server(self.extra)
        if self.transcript.shared and not server.has_mounts():
            pytest.skip("no mounts here: nobody comes to mailboxes of others")
        transcripts.play(self.transcript, server, new_user())

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, (AssertionError, OSError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, 0, self.name


@pytest.fixture
def server():
    return shared_server()


@pytest.fixture
def user():
    return new_user()


@pytest.fixture
def own_server(request):
    """make(extra lines): a server of the test's own, gone after it."""
    made = []

    def make(extra="", **kw):
        made.append(servers.Server(extra=extra, **kw))
        return made[-1]
    yield make
    for s in made:
        s.stop()
        drop(s)


@pytest.fixture
def tunnel():
    """make(extra lines): an account served by single workers."""
    made = []

    def make(extra="", **kw):
        made.append(servers.Tunnel(extra=extra, **kw))
        return made[-1]
    yield make
    for t in made:
        drop(t)
