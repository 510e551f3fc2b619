# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""change_vip.yml and change_port.yml: there and back under clients that write to the old place and to the new one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab import lab
from tests.operations.plays import no_commit_lost, play, writing_to

NEW_VIP, NEW_PORT = "198.51.100.117", 1931
Inventory = Callable[..., tuple[str, ...]]


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """The arguments that lay an inventory with these values over the lab's. (-e would lie over what the plays set, too.)"""

    def write(**variables: Any) -> tuple[str, ...]:
        (tmp_path / "group_vars").mkdir(exist_ok=True)
        (tmp_path / "hosts.yml").write_text("all: {}\n")
        (tmp_path / "group_vars/all.yml").write_text(json.dumps(variables))
        return ("-i", str(tmp_path))

    return write


def addresses(node: str) -> list[str]:
    """All IPv4 addresses of the node's eth0."""
    return [
        each["local"]
        for each in json.loads(lab.on(node, "ip", "-j", "-4", "address", "show", "dev", "eth0"))[0]["addr_info"]
    ]


def longest_pause(*writers: list[tuple[float, int]]) -> float:
    """Seconds in which nobody could commit at either place. (For a moment the primary has both addresses.)"""
    times = sorted(at for acknowledged in writers for at, _ in acknowledged)
    return max(later - earlier for earlier, later in zip(times, times[1:]))


def none_lost(acknowledged: list[tuple[float, int]]) -> None:
    with lab.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT seq FROM lab_writer WHERE seq = ANY (%s)", ([seq for _, seq in acknowledged],))
        assert cursor.rowcount == len(acknowledged)


def test_vip_is_changed_and_back_while_clients_write(primary: str, standby: str, inventory: Inventory) -> None:
    started = [lab.sql(node, "SELECT pg_postmaster_start_time()") for node in lab.NODES]
    with no_commit_lost("change_vip") as watch, writing_to(NEW_VIP, lab.PORT) as elsewhere:
        play("change_vip", *inventory(pg_cluster_vip=NEW_VIP))
        assert elsewhere, "nobody could write to the new address"
        assert NEW_VIP in addresses(primary)
        for node in lab.NODES:
            assert lab.VIP not in addresses(node)
            assert lab.VIP not in lab.on(node, "cat", "/etc/skyha/skyha.conf")
        assert lab.changed(play("change_vip", *inventory(pg_cluster_vip=NEW_VIP))) == 0
        play("change_vip", *inventory())
    print(f"  no commits anywhere for {longest_pause(watch.report.acknowledged, elsewhere):.2f} s at most")
    none_lost(elsewhere)
    assert NEW_VIP not in addresses(primary) + addresses(standby)
    assert [lab.sql(node, "SELECT pg_postmaster_start_time()") for node in lab.NODES] == started
    assert lab.primary() == primary


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"pg_cluster_vip": lab.HOSTS["node2"]["pg_cluster_address"]}, "the address of node2 and the VIP"),
        ({"pg_cluster_vip": lab.HOSTS["monitor"]["pg_cluster_address"]}, "Another host answers for"),
        ({"pg_cluster_vip": NEW_VIP, "pg_cluster_vip_interface": "eth7"}, "has no network interface eth7"),
        ({"pg_cluster_vip_prefix": 99}, "a number from 1 to 32"),
        ({"pg_cluster_vip": NEW_VIP, "pg_cluster_port": NEW_PORT}, "change it by playbooks/change_port.yml"),
    ],
)
def test_vip_that_would_not_do_is_refused(
    primary: str, inventory: Inventory, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(RuntimeError) as refused:
        play("change_vip", *inventory(**values))
    assert said in " ".join(str(refused.value).split())
    assert lab.is_whole()
    assert not (lab.status(primary).get("paused") or {}).get("on")


def test_port_is_changed_and_back_while_clients_write(primary: str, inventory: Inventory) -> None:
    with no_commit_lost("change_port") as watch, writing_to(lab.VIP, NEW_PORT) as elsewhere:
        play("change_port", *inventory(pg_cluster_port=NEW_PORT))
        assert elsewhere, "nobody could write at the new port"
        started = lab.sql(primary, "SELECT pg_postmaster_start_time()")
        assert lab.changed(play("change_port", *inventory(pg_cluster_port=NEW_PORT))) == 0
        assert lab.sql(primary, "SELECT pg_postmaster_start_time()") == started
        play("change_port", *inventory())
    print(f"  no commits anywhere for {longest_pause(watch.report.acknowledged, elsewhere):.2f} s at most")
    none_lost(elsewhere)
    assert lab.primary() == primary


@pytest.mark.parametrize(("port", "said"), [(80, "a number from 1024 to 65535"), (8008, "is taken by")])
def test_port_that_would_not_do_is_refused(inventory: Inventory, port: int, said: str) -> None:
    with pytest.raises(RuntimeError) as refused:
        play("change_port", *inventory(pg_cluster_port=port))
    assert said in " ".join(str(refused.value).split())
    assert lab.is_whole()
