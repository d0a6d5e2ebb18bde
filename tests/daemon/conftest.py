import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import daemons  # noqa: E402


@pytest.fixture(params=daemons.kinds())
def kind(request):
    try:
        if daemons.can_run(request.param):
            return request.param
    except OSError:
        pass
    pytest.skip("an ordinary user cannot reach the build")


@pytest.fixture
def daemon(kind):
    """make(extra lines): a running daemon of each kind in turn (start=False: not yet)."""
    made = []

    def make(extra="", start=True, **kw):
        d = daemons.Daemon(kind, extra, **kw)
        made.append(d)
        if start:
            d.start()
        return d
    yield make
    for d in made:
        try:
            if d.process:
                d.stop()
        finally:
            if os.environ.get("LOFT_TEST_KEEP"):
                print("kept:", d.dir, d.log()[-3000:])
            else:
                shutil.rmtree(d.dir, ignore_errors=True)
