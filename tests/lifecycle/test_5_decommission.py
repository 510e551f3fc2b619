# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""decommission.yml asks, takes everything away that the roles made, and site.yml makes a new cluster afterwards."""

from __future__ import annotations

import pytest

from tests.lab import lab

PLAY = "playbooks/decommission.yml"
WORD = ("-e", "pg_cluster_decommission=sky")
LEFT = (
    "for f in /etc/skyha /opt/skyha /usr/local/bin/skyctl /etc/sky-postgresql /home/postgres/.pgpass /etc/sky-vote-proxy "
    "/etc/systemd/system/*sky* /etc/sky-pg-cluster /etc/sudoers.d/sky-pg-cluster /usr/local/nagios/libexec/check_vip "
    "/usr/local/nagios/etc/nrpe.cfg; do [ -e $f ] && echo $f; done; systemctl list-units --plain --no-legend '*sky*'; true"
)


def last_checkpoint(node: str) -> str:
    """Where the node's WAL ends, of a server that was shut down."""
    told = lab.on(node, "sh", "-c", "LC_ALL=C /usr/lib/postgresql/*/bin/pg_controldata /data/pgdata/pg_root")
    assert "shut down" in told, told[:400]
    return next(
        line.split(":")[1].strip() for line in told.splitlines() if line.startswith("Latest checkpoint location")
    )


def test_wrong_name_changes_nothing(primary: str) -> None:
    with pytest.raises(RuntimeError, match="is not the name of the cluster"):
        lab.playbook(PLAY, "-e", "pg_cluster_decommission=other")
    assert lab.is_whole()


def test_decommissioned_hosts_hold_nothing_more_and_can_be_built_anew(primary: str, standby: str) -> None:
    lab.sql(primary, "CREATE TABLE IF NOT EXISTS kept (x int)")
    assert lab.changed(lab.playbook(PLAY, *WORD)) > 0
    for host in lab.HOSTS:
        assert lab.on(host, "sh", "-c", LEFT).strip() == "", host
    # The data were not asked for: both nodes have all of them, the standby up to the primary's last record.
    ends = {last_checkpoint(node) for node in lab.NODES}
    assert len(ends) == 1, ends
    assert not any(lab.holds_vip(node) for node in lab.NODES)
    assert lab.changed(lab.playbook(PLAY, *WORD)) == 0
    assert lab.changed(lab.playbook(PLAY, *WORD, "-e", "pg_cluster_decommission_data=remove")) > 0
    for node in lab.NODES:
        lab.on(node, "test", "!", "-e", "/data/pgdata/pg_root")
    lab.playbook("site.yml", timeout=1500)
    lab.wait_for("the new cluster", lab.is_whole, 180, every=0.5)
    assert lab.sql(lab.primary(), "SELECT to_regclass('kept') IS NULL") == "t"
