# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One backup host keeps both clusters' backups, each with its own pass phrase; the last test takes moon away."""

from __future__ import annotations

import json
import re

from tests.clusters.hand import Cluster
from tests.lab import lab

Pair = tuple[Cluster, Cluster]
TWO = ("-i", "inventory/lab-two")
CONFIG = "/etc/sky-backup/pgbackrest.conf"


def backrest(host: str, *words: str, check: bool = True) -> str:
    """pgBackRest on that host, as the user that runs it."""
    command = " ".join(["pgbackrest", f"--config={CONFIG}", *words])
    return lab.on(host, "runuser", "-u", "postgres", "--", "sh", "-c", f"cd /; {command} 2>&1", check=check)


def backups(stanza: str) -> list[str]:
    """Labels of the whole ones."""
    (found,) = json.loads(backrest("backup", f"--stanza={stanza}", "--output=json", "info"))
    return [one["label"] for one in found.get("backup", []) if not one["error"]]


def timers() -> set[str]:
    """The backup host's, as systemd has them."""
    return set(
        re.findall(r"sky-backup-\w+-\w+\.timer", lab.on("backup", "systemctl", "list-timers", "--all", "--no-pager"))
    )


def test_each_has_its_place_and_its_pass_phrase(clusters: Pair) -> None:
    passes = re.findall(r"repo1-cipher-pass=(.*)", lab.on("backup", "cat", CONFIG))
    assert len(set(passes)) == 2
    for name in ("sky", "moon"):
        lab.wait_for(f"a backup of {name}", lambda name=name: backups(name), 180, every=1.0)


def test_backup_of_one_is_none_of_the_other(clusters: Pair) -> None:
    before = {name: backups(name) for name in ("sky", "moon")}
    lab.playbook("playbooks/backup.yml", *TWO, "--limit", "moon,backup_hosts", "-e", "pg_backup_type=incr")
    assert len(backups("moon")) == len(before["moon"]) + 1
    assert backups("sky") == before["sky"]


def test_node_of_one_cannot_read_the_others(clusters: Pair) -> None:
    asked = [
        "--repo1-host=198.51.100.37",
        "--repo1-host-type=tls",
        "--repo1-host-port=8432",
        f"--repo1-host-config={CONFIG}",
    ]
    asked += [f"--repo1-host-{name}-file=/etc/sky-backup/{file}" for name, file in
              (("ca", "ca.crt"), ("cert", "host.crt"), ("key", "host.key"))]  # fmt: skip
    assert "full backup" in backrest("node3", *asked, "--stanza=moon", "info")
    assert "full backup" not in backrest("node3", *asked, "--stanza=sky", "info", check=False)


def test_cluster_that_is_taken_away_leaves_the_others_backups(clusters: Pair) -> None:
    sky, moon = clusters
    kept, of_moon = backups("sky"), backups("moon")
    word = ("-e", "pg_cluster_decommission=moon")
    lab.playbook("playbooks/decommission.yml", *TWO, "--limit", "moon", *word)
    assert timers() == {f"sky-backup-sky-{job}.timer" for job in ("full", "diff", "check")}
    assert backups("sky") == kept
    assert lab.on("backup", "sh", "-c", "ls -d /var/lib/pgbackrest/backup/moon").strip(), "what is left of moon's data"
    lab.playbook("playbooks/backup.yml", "-e", "pg_backup_type=incr")
    assert len(backups("sky")) == len(kept) + 1
    assert lab.changed(lab.playbook("playbooks/decommission.yml", *TWO, "--limit", "moon", *word)) == 0
    # The same data, and so the same place in the repository.
    lab.playbook("site.yml", *TWO, timeout=1800)
    moon.call("whole")
    sky.call("whole")
    assert backups("moon")[: len(of_moon)] == of_moon
