"""
Metrics: what OpenMetrics' own strict parser reads, numbers that follow what clients do,
and no name or address of anybody in them.
"""
import re
import shutil
import socket
import stat
import time

import pytest
from prometheus_client.openmetrics import parser

import server as servers

DELAY = "auth_failure_delay = 0\n"


def ask(server, request=b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", address=None):
    """(head, body) of an answer over the unix socket, or TCP."""
    with socket.socket(socket.AF_INET if address else socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(address or str(server.dir / "run" / "metrics"))
        s.sendall(request)
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    head, _, body = answer.decode().partition("\r\n\r\n")
    return head, body


def scrape(server):
    """{(sample name, its labels): value}, as the parser has it."""
    head, body = ask(server)
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert "application/openmetrics-text; version=1.0.0" in head
    assert f"Content-Length: {len(body.encode())}\r\n" in head
    values = {}
    for family in parser.text_string_to_metric_families(body):
        assert family.documentation
        for s in family.samples:
            key = s.name, tuple(sorted(s.labels.items()))
            assert key not in values
            values[key] = s.value
    return values


def value(values, name, **labels):
    return values.get((name, tuple(sorted(labels.items()))), 0)


def until(server, what, condition):
    """Scrapes (answers are a second old at most) until it is so."""
    result = {}

    def so():
        result["values"] = scrape(server)
        return condition(result["values"])
    servers.wait_for(what, so)
    return result["values"]


@pytest.fixture
def server():
    s = servers.Server(extra=DELAY, start=False)
    s.start()
    yield s
    s.stop()
    shutil.rmtree(s.dir)


def test_numbers_follow_what_clients_do(server):
    a, b = server.client("anna"), server.client("anna")
    for c in (a, b):
        c.ok("SELECT INBOX")
    for _ in range(2):
        a.append("INBOX", b"Subject: x\r\n\r\nx\r\n")
    for c in (a, b):
        c.ok("NOOP")
    assert a.command("FETCH 99999999999 x")[0] == "BAD"
    assert a.command("SELECT nowhere")[0] == "NO"
    a.ok("SELECT INBOX")
    a.ok("STORE 1 +FLAGS (\\Deleted)")
    a.ok("EXPUNGE")
    b.ok("FETCH 1 FLAGS")		# a ghost now; it may not be told
    bad = server.client()
    bad.command("LOGIN anna-the-secret wrong-password")
    bad.close()
    v = until(server, "the failed login", lambda v: value(
        v, "loft_auth_attempts_total", result="password") == 1)
    assert value(v, "loft_auth_attempts_total", result="success") == 2
    assert value(v, "loft_workers", state="session") == 2
    assert value(v, "loft_workers", state="idle") >= 1
    assert value(v, "loft_messages_stored_total") == 2
    assert value(v, "loft_messages_expunged_total") == 1
    assert value(v, "loft_ghosts_made_total") == 1
    assert value(v, "loft_expunges_untold") == 1
    assert value(v, "loft_command_replies_total", command="SELECT",
                 reply="no") == 1
    assert value(v, "loft_command_replies_total", command="FETCH",
                 reply="bad") == 1
    assert value(v, "loft_command_replies_total", command="EXPUNGE",
                 reply="ok") == 1
    count = value(v, "loft_command_duration_seconds_count", command="SELECT")
    assert count == 4
    assert value(v, "loft_command_duration_seconds_bucket", command="SELECT",
                 le="10.0") <= count
    assert 0 < value(v, "loft_command_duration_seconds_sum",
                     command="SELECT") < 60
    b.ok("NOOP")
    for c in (a, b):
        c.logout()
    v = until(server, "the end of the sessions", lambda v: value(
        v, "loft_workers", state="session") == 0)
    assert value(v, "loft_expunges_untold") == 0
    assert value(v, "loft_command_duration_seconds_count",
                 command="LOGOUT") == 2, "the dead count on"


def test_nobody_is_named(server):
    c = server.client("anna.secretive")
    c.ok('CREATE "Private Matters"')
    bad = server.client()
    bad.command("LOGIN otto.hidden xyzzy")
    until(server, "the login", lambda v: value(
        v, "loft_auth_attempts_total", result="password"))
    body = ask(server)[1]
    for word in ("anna", "otto", "secretive", "Private", "xyzzy", "127.0.0.1"):
        assert word not in body
    labels = set(re.findall(r'(\w+)="', body))
    assert labels == {"version", "state", "result", "command", "le", "reply"}


def test_counters_outlive_a_reload(server):
    server.client("anna").logout()
    first = until(server, "the session", lambda v: value(
        v, "loft_command_duration_seconds_count", command="LOGOUT") >= 1)
    server.ctl("reload")
    server.wait_log("reloaded")
    servers.wait_for("the old pool's end", lambda: server.ctl(
        "status").stdout.count("\npool") == 1)
    second = until(server, "the new pool", lambda v: value(
        v, "loft_workers", state="idle") >= 1)
    for (name, labels), n in first.items():
        if name.endswith(("_total", "_count", "_bucket", "_sum")):
            assert second[name, labels] >= n, (name, labels)


def test_anybody_may_fetch_them_and_garbage_harms_nobody(server):
    path = server.dir / "run" / "metrics"
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert ask(server, b"GET / HTTP/1.0\r\n\r\n")[0].startswith(
        "HTTP/1.1 200")
    head, body = ask(server, b"HEAD /metrics HTTP/1.1\r\n\r\n")
    assert head.startswith("HTTP/1.1 200") and body == ""
    for request, status in [
            (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
            (b"GET /etc/passwd HTTP/1.1\r\n\r\n", "404"),
            (b"GET /metricsx HTTP/1.1\r\n\r\n", "404"),
            (b"\0\1\2\r\n\r\n", "400"), (b"x" * 8192, "400")]:
        try:
            assert ask(server, request)[0].startswith(f"HTTP/1.1 {status}")
        except ConnectionResetError:
            assert len(request) > 8000
    # those that say nothing take no place for long, and mail goes on
    silent = []
    for _ in range(12):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(path))
        silent.append(s)
    server.client("anna").logout()
    for s in silent:
        s.close()
    servers.wait_for("room for another", lambda: ask_or_none(server))


def ask_or_none(server):
    try:
        return ask(server)[0].startswith("HTTP/1.1 200")
    except OSError:
        return None


def test_a_port_if_asked_for():
    port = servers.free_port()
    s = servers.Server(extra=f"metrics_listen = 127.0.0.1:{port}\n")
    try:
        head, body = ask(s, address=("127.0.0.1", port))
        assert head.startswith("HTTP/1.1 200")
        assert body.endswith("# EOF\n")
        assert not scrape_of(body, time.time())
    finally:
        s.stop()
        shutil.rmtree(s.dir)


def scrape_of(body, now):
    """Whether it says that it was started in the future."""
    return float(re.search(r"loft_start_time_seconds (\d+)", body)[1]) > now


def test_the_dashboard_asks_for_what_there_is(server):
    import json
    text = (servers.TOP / "doc" / "grafana.json").read_text()
    board = json.loads(text)
    asked = set()
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            asked |= set(re.findall(r"\bloft_\w+", target["expr"]))
    server.client("anna").logout()
    until(server, "a session", lambda v: value(
        v, "loft_command_duration_seconds_count", command="LOGOUT"))
    there = {name for name, _ in scrape(server)}
    assert asked and asked <= there, asked - there
