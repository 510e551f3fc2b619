# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Both nodes are lost for good, disks and all: new hosts, and the cluster of before out of the repository."""

from __future__ import annotations

from tests.backup.repository import archived_up_to_now, restore, timed
from tests.lab import lab

IDENTIFIER = "SELECT system_identifier FROM pg_control_system()"


def test_cluster_comes_back_on_new_hosts(primary: str) -> None:
    lab.sql(primary, "CREATE TABLE dear AS SELECT generate_series(1, 1000) AS n")
    archived_up_to_now()
    was = lab.sql(primary, IDENTIFIER)
    lab.lab("down", *lab.NODES, timeout=300)
    lab.lab("up", timeout=900)
    with timed("site.yml on new hosts"):
        lab.playbook("site.yml", timeout=3000)
    empty = lab.primary()
    assert lab.sql(empty, IDENTIFIER) != was
    lab.wait_for(
        "the alarm that the repository is another server's",
        lambda: "is of another server" in str(lab.status(empty)["alarms"].get("backup_repository")),
        180,
        every=1,
    )
    with timed("restore on new hosts"):
        restore()
    lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
    node = lab.primary()
    assert lab.sql(node, IDENTIFIER) == was
    assert lab.sql(node, "SELECT count(*) FROM dear") == "1000"
    lab.sql(node, "DROP TABLE dear")
    archived_up_to_now()
    assert lab.changed(lab.playbook("site.yml")) == 0
    for one in lab.NODES:
        lab.on(one, "sh", "-c", "rm -rf /data/pgdata/pg_root.before-restore-* /data/pgdata/pg_root.old-*")
