"""imapflow, the client library of many web services."""
import json
import os
import pathlib

import pytest

from server import TOP

pytestmark = pytest.mark.program("node")
MODULES = pathlib.Path(os.environ.get("LOFT_NODE_MODULES",
                                      TOP / "build" / "npm" / "node_modules"))


def test_session(account):
    if not (MODULES / "imapflow").is_dir():
        pytest.skip("imapflow is not installed; scripts/setup test")
    a = account
    a.fill(5)
    script = pathlib.Path(__file__).with_name("imapflow.js")
    out = json.loads(a.run(["node", script, a.port, a.security, a.user,
                            a.password], env={"NODE_PATH": str(MODULES)}))
    assert out["secure"] == (a.security != "plain")
    assert ["INBOX", "\\Inbox"] in out["folders"]
    assert out["exists"] == 5
    assert out["appended"] == 6
    assert out["subjects"][0][1] == "Message 1"
    uid, subject, flags, size, kind = out["subjects"][5]
    assert (uid, subject, size) == (6, "ü", 57)
    assert set(flags) - {"\\Recent"} == {"\\Seen", "$Label1"}
    assert out["source"].endswith("\r\n\r\nhello\r\n")
    assert out["found"] == [2]
    assert out["moved"] == [[2, 1], [3, 2]]
    assert out["left"] == [1, 5, 6]
    assert (out["status"]["messages"], out["status"]["uidNext"]) == (2, 3)
