"""
Certificates: by the name that a client asks for, by the kind of key that it knows, and
replaced while sessions go on.
"""
import os
import shutil
import socket
import ssl
import subprocess

import pytest

import daemons
from imap import Closed, Imap
from server import TOP, wait_for

pytestmark = pytest.mark.parametrize("kind", daemons.kinds()[:1], indirect=True)


def make(d, name, key="ec"):
    """d.dir/NAME.pem and NAME.key: a certificate of that name."""
    kinds = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
             "rsa": ["rsa:2048"]}
    subprocess.run(["openssl", "req", "-x509", "-newkey", *kinds[key], "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-keyout",
                    d.dir / f"{name}.key", "-out", d.dir / f"{name}.pem"],
                   check=True, capture_output=True)


def shown(d, name=None, ciphers=None, starttls=False):
    """The common name of the certificate that a client is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    with socket.create_connection(
            ("127.0.0.1", d.port if starttls else d.tls_port), 20) as s:
        if starttls:
            c = Imap(s)
            c.greet()
            c.ok("STARTTLS")
        with context.wrap_socket(s, server_hostname=name) as t:
            der = t.getpeercert(binary_form=True)
            assert t.recv(5) == b"* OK " if not starttls else True
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout",
                           "-subject", "-nameopt", "multiline"], input=der,
                          check=True, capture_output=True).stdout.decode()
    return text.rpartition("= ")[2].strip()


HOSTS = """
local_name "a.example alias.example" {
  ssl_cert = <{dir}/a.example.pem
  ssl_key = <{dir}/a.example.key
}
local_name *.b.example {
  ssl_server_cert_file = {dir}/b.example.pem
  ssl_server_key_file = {dir}/b.example.key
  ssl_alt_cert = <{dir}/b-rsa.pem
  ssl_alt_key = <{dir}/b-rsa.key
}
"""


@pytest.fixture
def hosts(daemon):
    d = daemon(HOSTS, start=False)
    for name in "a.example", "b.example":
        make(d, name)
    make(d, "b-rsa", "rsa")
    d.start()
    return d


def test_who_asks_for_a_name_is_shown_its_certificate(hosts):
    d = hosts
    for name, want in ((None, "localhost"), ("a.example", "a.example"),
                       ("ALIAS.example", "a.example"),
                       ("x.b.example", "b.example"), ("b.example", "localhost"),
                       ("x.y.b.example", "localhost"),
                       ("other.example", "localhost")):
        assert shown(d, name) == want
    assert shown(d, "a.example", starttls=True) == "a.example"


def test_who_knows_one_kind_of_key_only_is_shown_that(hosts):
    d = hosts
    assert shown(d, "x.b.example", "ECDHE-ECDSA-AES128-GCM-SHA256") == \
        "b.example"
    assert shown(d, "x.b.example", "ECDHE-RSA-AES128-GCM-SHA256") == "b-rsa"
    with pytest.raises(ssl.SSLError):
        shown(d, "a.example", "ECDHE-RSA-AES128-GCM-SHA256")
    # For all names: a second pair of the server itself.
    make(d, "rsa", "rsa")
    d.conf.write_text(d.conf.read_text() + f"""
ssl_alt_cert = <{d.dir}/rsa.pem
ssl_alt_key = <{d.dir}/rsa.key
""")
    d.ctl("reload")
    d.wait_log("reloaded: pool 2 serves")
    wait_for("the old pool's end", lambda: d.pools() == ["pool 2"])
    assert shown(d, ciphers="ECDHE-RSA-AES128-GCM-SHA256") == "rsa"
    assert shown(d) == "localhost"
    # Two of one kind: one would never be shown. The old ones stay in force.
    d.conf.write_text(d.conf.read_text() + f"""
ssl_alt_cert = <{d.dir}/a.example.pem
ssl_alt_key = <{d.dir}/a.example.key
""")
    d.ctl("reload")
    d.wait_log("ssl_alt_cert: its key is of the same kind as that of ssl_cert")
    d.wait_log("the reload failed, the old one serves on")
    assert shown(d, ciphers="ECDHE-RSA-AES128-GCM-SHA256") == "rsa"


@pytest.mark.parametrize("how", ["rename", "link"])
def test_replaced_files_are_taken_into_use_by_themselves(daemon, how):
    """As certbot does it (links that lead to the newest files), and as others do."""
    d = daemon(start=False)
    files = [d.dir / "cert.pem", d.dir / "key.pem"]
    if how == "link":
        (d.dir / "archive").mkdir()
        for f in files:
            f.rename(d.dir / "archive" / f.name)
            f.symlink_to(d.dir / "archive" / f.name)
    d.start()
    c = d.client("anna", tls=True)
    idle = d.client("anna")
    idle.ok("SELECT INBOX")
    tag = idle.idle()
    make(d, "new.example")
    made = [d.dir / "new.example.pem", d.dir / "new.example.key"]
    for f, new in zip(files, made):
        if how == "rename":
            os.replace(new, f)
        else:
            f.with_suffix(".tmp").symlink_to(new)
            os.replace(f.with_suffix(".tmp"), f)
    # The configuration stays: a half written one is nothing for a renewal.
    d.conf.write_text("rubbish {\n")
    wait_for("the new certificate", lambda: shown(d) == "new.example")
    d.wait_log("certificates were replaced: a new pool takes them into use")
    c.ok("SELECT INBOX")
    assert c.append("INBOX", b"Subject: x\r\n\r\nx\r\n")[0] == "OK"
    assert idle.response() == b"* 1 EXISTS"
    idle.done(tag)


def test_what_does_not_belong_together_is_not_taken_into_use(daemon):
    d = daemon()
    make(d, "one.example")
    make(d, "two.example")
    shutil.copy(d.dir / "one.example.pem", d.dir / "cert.pem")
    d.wait_log("ssl_key: the key does not belong to the certificate")
    d.wait_log("the reload failed, the old one serves on")
    assert shown(d) == "localhost"
    shutil.copy(d.dir / "one.example.key", d.dir / "key.pem")
    wait_for("the whole pair", lambda: shown(d) == "one.example")
    # One that is missing is not used either; written anew, with the same, no pool starts.
    pools = d.pools()
    text = (d.dir / "key.pem").read_bytes()
    (d.dir / "key.pem").unlink()
    (d.dir / "key.pem").write_bytes(text)
    shutil.copy(d.dir / "two.example.key", d.dir / "key.new")
    os.replace(d.dir / "key.new", d.dir / "key.pem")
    shutil.copy(d.dir / "two.example.pem", d.dir / "cert.pem")
    wait_for("the other pair", lambda: shown(d) == "two.example")
    assert len(set(d.pools()) - set(pools)) == 1


def test_a_start_without_a_usable_certificate_fails(daemon):
    d = daemon(start=False)
    (d.dir / "cert.pem").write_text("rubbish")
    with pytest.raises((AssertionError, Closed)):
        d.start()
    assert "ssl_cert: no certificate in PEM form found" in d.log()
    assert d.process.returncode == 75
