"""
At least a thousand kills over all kinds of change. LOFT_CRASH_KILLS says how
many; a failure names kind and seed: tests/crash/driver.py KIND SEED KILLS
runs that again.
"""
import concurrent.futures
import os
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import driver  # noqa: E402
from server import TOP  # noqa: E402

HOOKS = os.environ.get("LOFT_HOOKS_BUILD", str(TOP / "build" / "hooks"))
KILLS = int(os.environ.get("LOFT_CRASH_KILLS", "1080"))
SEED = os.environ.get("LOFT_CRASH_SEED", "1")
TOTAL = {}


def start(pool, kind):
    n = -(-KILLS // len(driver.POINTS) // 2)
    return [pool.submit(driver.run, kind, f"{SEED}.{half}", n, HOOKS)
            for half in (0, 1)]


@pytest.fixture(scope="module")
def results():
    """All kinds at once, on as many processors as there are."""
    if not os.access(f"{HOOKS}/loft-worker", os.X_OK):
        pytest.fail("no build with test hooks: make hooks")
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        yield {kind: start(pool, kind) for kind in driver.POINTS}


@pytest.mark.parametrize("kind", driver.POINTS)
def test_kill(results, kind):
    got = [f.result() for f in results[kind]]
    for r in got:
        TOTAL[kind] = TOTAL.get(kind, 0) + r["kills"]
        if "broken" in r:
            pytest.fail("\n".join(f"{k}: {v}" for k, v in r.items()),
                        pytrace=False)
    print(f"{kind}: {sum(r['kills'] for r in got)} kills, "
          f"{sum(r['rounds'] for r in got)} rounds, {got[0]['by_point']}")
    # A few kills may all fall elsewhere.
    for point in driver.POINTS[kind] if KILLS >= 1000 else ():
        assert sum(r["by_point"].get(point, 0) for r in got), \
            f"nobody was killed at {point}"


def test_enough(results):
    for futures in results.values():
        concurrent.futures.wait(futures)
    total = sum(f.result()["kills"] for fs in results.values() for f in fs)
    print(f"{total} kills in all")
    assert total >= KILLS * 0.92


def test_every_kill_point_is_used():
    """A new KILL_POINT in the source has to come into driver.POINTS, or into a test."""
    if not (TOP / "maildir" / "change.c").exists():
        pytest.skip("the sources are not here")
    there = set()
    for folder in ("maildir", "worker", "common"):
        for path in (TOP / folder).glob("*.c"):
            there |= set(re.findall(r'KILL_POINT\("([^"]+)"\)',
                                    path.read_text()))
    # tests/interop/test_courier.py: a Maildir of Courier's is taken over once.
    assert there == {p for ps in driver.POINTS.values() for p in ps} | \
        {"courier-renamed"}
