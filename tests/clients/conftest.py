import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from helpers import SECURITY, Account  # noqa: E402


@pytest.fixture
def home():
    d = pathlib.Path(tempfile.mkdtemp(prefix="loft-home-"))
    yield d
    shutil.rmtree(d, ignore_errors=True)


@pytest.fixture(params=SECURITY)
def account(request, server, user, home):
    return Account(server, user, request.param, home)


@pytest.fixture
def tls_account(server, user, home):
    return Account(server, user, "tls", home)


@pytest.fixture(autouse=True)
def needs_program(request):
    """A client that is not on this machine is skipped by its marker."""
    marker = request.node.get_closest_marker("program")
    if marker and not shutil.which(marker.args[0]):
        pytest.skip(f"{marker.args[0]} is not installed")


def pytest_configure(config):
    config.addinivalue_line("markers", "program(name): the client it runs")
