"""
The sample configurations of tests/data/config, put where they can be read: /etc/dovecot
is the sample's own folder then, and files that they name (certificates, keys, file
values) lie below it.
"""
import pathlib
import re
import shutil

SAMPLES = pathlib.Path(__file__).resolve().parents[1] / "data" / "config"
NAMES = sorted(p.parent.name for p in SAMPLES.glob("*/dovecot.conf"))

# What a setting reads: "<path" (2.3), or the path itself (2.4).
READ = re.compile(r"^(\s*\w+\s*=\s*(?:<\s*)?)(/\S+)", re.M)
READERS = re.compile(r"^\s*(?:\w+\s*=\s*<|(?:ssl_server_)?(?:cert|key|dh)_file\s*=)")


def content_of(path):
    """By its name: a key, a certificate or something else."""
    if re.search(r"key", path):
        return (SAMPLES / "debian-2.3" / "snakeoil.key").read_text()
    if re.search(r"cer|crt|pem|chain", path):
        return (SAMPLES / "debian-2.3" / "snakeoil.pem").read_text()
    return "nothing of interest\n"


def install(name, directory):
    """A copy of the sample in directory; the path of its main file."""
    root = pathlib.Path(directory) / name
    shutil.copytree(SAMPLES / name, root, dirs_exist_ok=True)

    def below(match):
        path = pathlib.Path(match.group(2))
        if not READERS.match(match.group(0)):
            return match.group(0)
        if not path.is_relative_to(root):
            path = root / "elsewhere" / match.group(2).lstrip("/")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content_of(match.group(2)))
        return match.group(1) + str(path)

    for path in [p for p in root.rglob("*") if p.is_file()]:
        if path.suffix not in (".key", ".pem"):
            text = path.read_text().replace("/etc/dovecot/", f"{root}/")
            path.write_text(READ.sub(below, text))
    return root / "dovecot.conf"
