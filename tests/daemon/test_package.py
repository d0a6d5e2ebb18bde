"""What the Debian package brings besides the programs (scripts/package-test tries it)."""
import re
import subprocess

from server import BUILD, TOP, make_certificate


def test_its_configuration_is_understood_to_the_last_word(tmp_path):
    make_certificate(tmp_path)
    text = (TOP / "debian/loft.conf").read_text()
    text = re.sub(r"</etc/ssl/certs/\S+", f"<{tmp_path}/cert.pem", text)
    text = re.sub(r"</etc/ssl/private/\S+", f"<{tmp_path}/key.pem", text)
    (tmp_path / "loft.conf").write_text(text)
    r = subprocess.run([BUILD / "loftd", "-n", "-c", tmp_path / "loft.conf"],
                       text=True, capture_output=True)
    assert (r.returncode, r.stderr) == (0, "")
    # The identities that it names are those that the package makes.
    made = re.search(r"for user in (.*); do",
                     (TOP / "debian/loft.postinst").read_text())[1].split()
    assert set(made) == set(re.findall(r"^default_\w+_user = (\w+)$", r.stdout,
                                       re.M))


def test_its_version_is_that_of_the_programs():
    version = re.search(r"AC_INIT\(\[loft\], \[(.*?)\]",
                        (TOP / "configure.ac").read_text())[1]
    assert (TOP / "debian/changelog").read_text().startswith(f"loft ({version}) ")
