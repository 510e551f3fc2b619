# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An object storage (S3, by TLS) on the machine beside the lab: moto's server, which keeps everything in memory."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import lab

FOLDER = lab.ROOT / ".cache/storage"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
ADDRESS, PORT = lab.SETTINGS["pg_backup_s3_endpoint"].split(":")
BUCKET = lab.SETTINGS["pg_backup_s3_bucket"]
CA_FILE = lab.SETTINGS["pg_backup_s3_ca_file"]  # on the nodes
INSTALL = 900.0


def _python() -> Path:
    """The interpreter that has moto, installed where it is not, or where another version is wanted."""
    venv, stamp = FOLDER / "venv", FOLDER / "installed"
    if not stamp.exists() or stamp.read_text() != REQUIREMENTS.read_text():
        shutil.rmtree(FOLDER, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True, timeout=INSTALL)
        pip = [venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]
        subprocess.run(pip, check=True, timeout=INSTALL)
        stamp.write_text(REQUIREMENTS.read_text())
    return venv / "bin/python"


def _certificate() -> tuple[Path, Path]:
    """Key and certificate of the server; it is its own CA. pgBackRest looks for an address among the host names."""
    key, certificate = FOLDER / "key.pem", FOLDER / "certificate.pem"
    names = f"subjectAltName=IP:{ADDRESS},DNS:{ADDRESS}"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=storage"]
    command += ["-addext", names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    key.chmod(0o600)
    return key, certificate


def _ask(path: str, method: str = "GET") -> str:
    trust = ssl.create_default_context(cafile=str(FOLDER / "certificate.pem"))
    request = urllib.request.Request(f"https://{ADDRESS}:{PORT}/{path}", method=method)
    with urllib.request.urlopen(request, timeout=10, context=trust) as answer:
        return str(answer.read().decode())


def keys(prefix: str) -> list[str]:
    """What the bucket holds, at most 1000."""
    return re.findall(r"<Key>(.*?)</Key>", _ask(f"{BUCKET}?list-type=2&prefix={prefix}"))


_CONTENT = """import sys, boto3
address, ca, key, secret, bucket, name = sys.argv[1:]
client = boto3.client("s3", endpoint_url=address, verify=ca, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1")
sys.stdout.buffer.write(client.get_object(Bucket=bucket, Key=name)["Body"].read())"""


def content(key: str) -> bytes:
    """One object as it is kept."""
    access = [lab.SETTINGS["pg_backup_s3_key"], lab.SETTINGS["pg_backup_s3_key_secret"]]
    words = [f"https://{ADDRESS}:{PORT}", FOLDER / "certificate.pem", *access, BUCKET, key]
    return subprocess.run([_python(), "-c", _CONTENT, *words], check=True, capture_output=True, timeout=60).stdout


@contextmanager
def running() -> Iterator[None]:
    """The server with an empty bucket; both nodes know its certificate."""
    python = _python()
    key, certificate = _certificate()
    with (FOLDER / "log").open("w") as log:
        command = [python, Path(__file__).with_name("s3_server.py"), ADDRESS, PORT, certificate, key]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            lab.wait_for("the object storage", lambda: _is_made(server), 60, every=0.5)
            for node in lab.NODES:
                lab.on(node, "sh", "-c", f"cat >{CA_FILE} && chmod 644 {CA_FILE}", stdin=certificate.read_text())
            yield
        finally:
            server.terminate()
            server.wait(30)


def _is_made(server: subprocess.Popen[bytes]) -> bool:
    assert server.poll() is None, (FOLDER / "log").read_text()[-2000:]
    try:
        _ask(BUCKET, "PUT")
    except urllib.error.HTTPError as error:
        raise RuntimeError(error.read().decode()) from error
    return True
