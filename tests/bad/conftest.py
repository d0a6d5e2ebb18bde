"""Every test of bad input has a bystander whose session must not notice."""
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(autouse=True)
def bystander(request):
    """Another session on the shared server, if the test uses that."""
    if "server" not in request.fixturenames:
        yield None
        return
    server = request.getfixturevalue("server")
    name = "bystander"
    mail = server.maildir(name)
    mail.folder("INBOX")
    c = server.client(name)
    c.ok("SELECT INBOX")
    log = len(server.log())
    yield c
    assert c.ok("NOOP") == []
    c.logout()
    if request.node.get_closest_marker("may_crash"):
        return
    crashed = re.findall(r".*(?:panic|signal \d|SIGSEGV|SIGABRT).*",
                         server.log()[log:])
    assert not crashed, "\n".join(crashed)


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "may_crash: pages of a mapped file are damaged or cut off "
        "under the process; it may end by a signal, but alone")
