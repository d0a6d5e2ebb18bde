"""Programs of Debian's packages, unpacked and not installed (scripts/scratch-root)."""
import functools
import os
import shutil
import subprocess

import pytest

from server import TOP


@functools.cache
def make(name, packages, programs):
    """(the folder, None), or why there is none."""
    root = TOP / "build" / name
    r = subprocess.run([TOP / "scripts" / "scratch-root", root, *packages, "--",
                        *programs], text=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       timeout=600)
    return root, None if r.returncode == 0 else (
        r.stderr.strip().splitlines() or ["scratch-root failed"])[-1]


def root(name, packages, programs):
    """The folder in which the programs are, each to run in a root of its own."""
    folder, why = make(name, tuple(packages), tuple(programs))
    if why:
        pytest.skip(why)
    return folder


def outside(folder, program):
    """
    The words that run one of them where we are, with the libraries that it brought: for
    those that execute ours.
    """
    path = (folder / "programs" / program).read_text().strip()
    places = {str(p.parent) for p in (folder / "root/usr/lib").rglob("*.so*")
              if p.parent.name != "gconv"}
    return ["env", "LD_LIBRARY_PATH=" + ":".join(sorted(places)),
            f"{folder}/root{path}"]


def here_or_outside(name, package, program):
    """The host's own where it has it, else as above."""
    if found := shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
        return [found]
    return outside(root(name, [package], [program]), program)
