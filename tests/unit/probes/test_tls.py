# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Heartbeats over TLS at a real PostgreSQL: whom they believe, and what a broken connection is taken for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import real_etcd
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import certificate
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.eyes import ProbeEyes
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Look, Shown, Sight
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Path as Way
from real_postgres import RealPostgres, make_root

HOST = "127.0.0.1"
DAYS = 400


class Server:
    """A PostgreSQL with a certificate by the role's scripts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.postgres = RealPostgres(root, "node1")
        self.ca("ca")
        self.certify("ca")

    @property
    def cafile(self) -> Path:
        """Whom skyha believes."""
        return self.root / "ca/ca.crt"

    def ca(self, name: str) -> None:
        """A CA of that name."""
        real_etcd.script("ca.sh", self.root / name, name, DAYS, "false")
        for path in (self.root / name, self.root / name / "ca.crt"):
            path.chmod(0o755 if path.is_dir() else 0o644)

    def certify(self, ca: str, names: str = HOST, days: int = DAYS) -> None:
        """The server's certificate is of this CA, names these and lasts so long."""
        made, place = self.root / ca, self.root / "place"
        place.mkdir(exist_ok=True)
        shutil.copy(made / "ca.crt", place)
        request = real_etcd.script(
            "request.sh", place, "server", names, "node1", real_etcd.ca_of(made), "false", "true"
        )
        real_etcd.put(place, real_etcd.script("sign.sh", made, names, days, "true", stdin=request), "server")
        for name in ("server.key", "server.crt"):
            shutil.copy(place / name, self.root / name)
            (self.root / name).chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(self.root / name, "postgres")

    def settings(self, ssl: str) -> None:
        """TLS on or off, and read."""
        with (self.postgres.data_dir / "postgresql.conf").open("a") as file:
            file.write(
                f"\nssl = {ssl}\nssl_cert_file = '{self.root}/server.crt'\nssl_key_file = '{self.root}/server.key'\n"
            )
        self.reload()

    def reload(self) -> None:
        """As the play reloads it."""
        self.postgres.run(["pg_ctl", "-D", str(self.postgres.data_dir), "reload"])
        time.sleep(0.3)

    def shows(self, cafile: Path | None = None) -> certificate.Certificate:
        """What a look at its certificate sees."""
        return certificate.look(HOST, self.postgres.port, HOST, str(cafile or self.cafile), 5.0)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    root = make_root()
    made = Server(root)
    try:
        made.postgres.initdb()
        made.settings("on")
        yield made
    finally:
        made.postgres.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def look(server: Server, make_config: Callable[..., Config]) -> Iterator[Callable[..., Look]]:
    """A heartbeat to the VIP, on a new connection too; the eyes are kept from one to the next with the same settings."""
    kept: dict[tuple[object, ...], ProbeEyes] = {}

    def take(sslmode: str = "verify-full", cafile: Path | None = None, fresh: bool = True) -> Look:
        if (sslmode, cafile) not in kept:
            settings = {"sslmode": sslmode, "sslrootcert": str(cafile or server.cafile)}
            kept[sslmode, cafile] = ProbeEyes(make_config(postgresql={**server.postgres.settings, **settings}))
        eyes = kept[sslmode, cafile]
        return eyes.look([Way.VIP], 3.0, [Way.VIP] if fresh else ())[Way.VIP]

    yield take
    for eyes in kept.values():
        eyes.close()


@pytest.fixture
def certified(server: Server) -> Iterator[Server]:
    """The test gives it another certificate, or none."""
    yield server
    server.certify("ca")
    server.settings("on")


def test_heartbeat_goes_over_tls(server: Server, look: Callable[..., Look]) -> None:
    assert look().sight is Sight.OK
    over = server.postgres.sql(
        "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'skyha'"
    )
    assert over == "t"


def test_certificate_of_another_ca_is_a_sign_of_life_and_no_heartbeat(
    certified: Server, look: Callable[..., Look]
) -> None:
    certified.ca("other")
    certified.certify("other")
    certified.reload()
    seen = look()
    assert seen.sight is Sight.ALIVE, "it answers, so nobody is fenced; and it is not armed by that"
    assert "certificate verify failed" in seen.detail
    assert certified.shows().shown is Shown.WRONG


def test_certificate_that_names_another_host_is_believed_by_verify_ca_only(
    certified: Server, look: Callable[..., Look]
) -> None:
    certified.certify("ca", "198.51.100.77,node7")
    certified.reload()
    seen = look()
    assert seen.sight is Sight.ALIVE
    assert "does not match" in seen.detail
    assert look("verify-ca").sight is Sight.OK
    assert certified.shows().shown is Shown.WRONG


def test_server_without_tls_is_alive_and_says_so(certified: Server, look: Callable[..., Look]) -> None:
    certified.settings("off")
    seen = look()
    assert seen.sight is Sight.ALIVE
    assert "does not support SSL" in seen.detail
    assert certified.shows().shown is Shown.PLAIN


def test_certificate_that_has_ended_is_a_sign_of_life_though_the_kept_connection_answers(
    certified: Server, look: Callable[..., Look]
) -> None:
    assert look().sight is Sight.OK
    certified.certify("ca", days=-1)
    certified.reload()
    assert look(fresh=False).sight is Sight.OK, "who is in stays in"
    seen = look()
    assert seen.sight is Sight.ALIVE
    assert "certificate has expired" in seen.detail or "certificate verify failed" in seen.detail
    assert "expired" in certified.shows().detail


def test_ca_that_cannot_be_read_here_says_nothing_of_the_server(server: Server, look: Callable[..., Look]) -> None:
    missing = server.root / "missing.crt"
    assert look(cafile=missing).sight is Sight.UNKNOWN
    assert server.shows(missing).shown is Shown.ERROR


def test_certificate_is_one_for_strict_readers_too(server: Server) -> None:
    """Python from 3.13 on, Go: they want the extensions that old openssl left out."""
    strict = ["openssl", "verify", "-x509_strict", "-CAfile", str(server.cafile), str(server.root / "server.crt")]
    done = subprocess.run(strict, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_look_tells_when_certificate_and_ca_end(server: Server) -> None:
    seen = server.shows()
    assert seen.shown is Shown.GOOD, seen.detail
    assert seen.until == pytest.approx(time.time() + DAYS * 86400, abs=3600)
    assert seen.ca_until == pytest.approx(time.time() + DAYS * 86400, abs=3600)
    before = seen.serial
    server.certify("ca")
    assert server.shows().serial == before, "it shows what the server has read"
    server.reload()
    assert server.shows().serial != before


def test_new_certificate_drops_no_connection(server: Server, look: Callable[..., Look]) -> None:
    assert look().sight is Sight.OK
    pids = "SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity WHERE application_name = 'skyha'"
    before = server.postgres.sql(pids)
    server.certify("ca")
    server.reload()
    assert look(fresh=False).sight is Sight.OK
    assert server.postgres.sql(pids) == before


def test_postmaster_that_is_killed_is_dropped_or_refused_and_never_alive(
    server: Server, look: Callable[..., Look]
) -> None:
    """A text that is not known counts as life, and there would be no failover."""
    assert look().sight is Sight.OK
    pid = int((server.postgres.data_dir / "postmaster.pid").read_text().splitlines()[0])
    children = [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and f"PPid:\t{pid}\n" in _status(entry)]
    for one in [pid, *children]:
        os.kill(one, signal.SIGKILL)
    try:
        seen = [look(fresh=fresh) for fresh in (False, True, True)]
        assert {one.sight for one in seen} <= {Sight.DROPPED, Sight.REFUSED}, [one.detail for one in seen]
        assert server.shows().shown is Shown.NOTHING
    finally:
        # Nobody may have taken note of its end yet, and then its pid still counts.
        for left in (server.postgres.data_dir / "postmaster.pid", *server.root.glob(".s.PGSQL.*")):
            left.unlink()
        server.postgres.start()


def _status(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""
