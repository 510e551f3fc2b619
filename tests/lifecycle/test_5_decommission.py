# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""decommission.yml asks, takes everything away that the roles made, and site.yml makes a new cluster afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab import lab, writer

PLAY = "playbooks/decommission.yml"
WORD = ("-e", "pg_cluster_decommission=sky")
LEFT = (
    "for f in /etc/skyha /opt/skyha /usr/local/bin/skyctl /etc/sky-postgresql /home/postgres/.pgpass /etc/sky-vote-proxy "
    "/etc/systemd/system/*sky* /etc/sky-pg-cluster /etc/sudoers.d/sky-pg-cluster /usr/local/nagios/libexec/check_vip "
    "/usr/local/nagios/etc/nrpe.cfg /etc/sky-backup /etc/sky-backup-ca /usr/local/sbin/sky-backup /var/spool/sky-backup "
    "/var/lib/sky-backup; do [ -e $f ] && echo $f; done; systemctl list-units --plain --no-legend '*sky*'; true"
)


def last_checkpoint(node: str) -> str:
    """Where the node's WAL ends, of a server that was shut down."""
    told = lab.on(node, "sh", "-c", "LC_ALL=C /usr/lib/postgresql/*/bin/pg_controldata /data/pgdata/pg_root")
    assert "shut down" in told, told[:400]
    return next(
        line.split(":")[1].strip() for line in told.splitlines() if line.startswith("Latest checkpoint location")
    )


@contextmanager
def written(acknowledgements: Path) -> Iterator[None]:
    """A client writes, and notes in this file what was acknowledged (a Watch would want a cluster at its end)."""
    with lab.connect() as connection, connection.cursor() as cursor:
        cursor.execute(writer.TABLE)
    with acknowledgements.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "tests.lab.writer"], stdout=file, cwd=lab.ROOT)
        try:
            lab.wait_for("the writer's first commits", lambda: acknowledgements.read_text().count("\n") > 10, 30)
            yield
        finally:
            process.terminate()
            process.wait(30)


def kept(node: str) -> set[int]:
    """The writer's rows in the data directory that the node has kept; its server runs for this alone."""
    script = f"""set -e; cd /tmp; PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
        ulimit -s 16384  # as the unit's, which is gone: else the configured depth of the stack is refused
        options="-c listen_addresses='' -c unix_socket_directories=/tmp -c logging_collector=off"
        pg_ctl start -s -w -D /data/pgdata/pg_root -l /tmp/kept.log -o "$options" >&2 || {{ cat /tmp/kept.log >&2; exit 1; }}
        psql -X -At -h /tmp -p {lab.PORT} -d postgres -c 'SELECT seq FROM lab_writer'
        pg_ctl stop -s -w -m fast -D /data/pgdata/pg_root"""
    return set(map(int, lab.on(node, "runuser", "-u", "postgres", "--", "sh", "-c", script).split()))


def test_wrong_name_or_a_check_changes_nothing(primary: str) -> None:
    with pytest.raises(RuntimeError, match="is not the name of the cluster"):
        lab.playbook(PLAY, "-e", "pg_cluster_decommission=other")
    assert lab.changed(lab.playbook(PLAY, "--check", *WORD, "-e", "pg_cluster_decommission_data=remove")) > 0
    assert lab.is_whole()


def test_decommissioned_hosts_hold_nothing_more_and_can_be_built_anew(primary: str, tmp_path: Path) -> None:
    lab.sql(primary, "CREATE TABLE IF NOT EXISTS kept (x int)")
    with written(tmp_path / "acknowledged"):
        assert lab.changed(lab.playbook(PLAY, *WORD)) > 0
    for host in lab.HOSTS:
        assert lab.on(host, "sh", "-c", LEFT).strip() == "", host
    # The data were not asked for: both nodes have all of them, the standby up to the primary's last record.
    ends = {last_checkpoint(node) for node in lab.NODES}
    assert len(ends) == 1, ends
    acknowledged = {int(line.split()[1]) for line in (tmp_path / "acknowledged").read_text().splitlines()}
    lost = acknowledged - kept(primary)
    print(f"decommissioned: {len(acknowledged)} commits until the end of service, {len(lost)} lost")
    assert not lost
    assert not any(lab.holds_vip(node) for node in lab.NODES)
    assert lab.changed(lab.playbook(PLAY, *WORD)) == 0
    assert lab.changed(lab.playbook(PLAY, *WORD, "-e", "pg_cluster_decommission_data=remove")) > 0
    for node in lab.NODES:
        lab.on(node, "test", "!", "-e", "/data/pgdata/pg_root")
    lab.playbook("site.yml", timeout=1500)
    lab.wait_for("the new cluster", lab.is_whole, 180, every=0.5)
    assert lab.sql(lab.primary(), "SELECT to_regclass('kept') IS NULL") == "t"
