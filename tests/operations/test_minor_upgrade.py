# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""minor_upgrade.yml between the two minor versions that the distribution's mirrors carry (release and security updates)."""

from __future__ import annotations

import pytest

from tests.lab import lab
from tests.operations.plays import kinds, no_commit_lost, play, setting


def versions(node: str) -> list[str]:
    """What apt could install, the newest first."""
    rows = lab.on(node, "sh", "-c", "apt-get update -qq; apt-cache madison postgresql-15").splitlines()
    return [row.split("|")[1].strip() for row in rows]


@pytest.mark.long
def test_minor_versions_change_with_one_pause_and_no_lost_commit(primary: str, standby: str) -> None:
    known = versions(primary)
    if len(set(known)) < 2:
        pytest.skip(f"the mirrors carry one minor version only: {known}")
    new, old = known[0], known[-1]
    with no_commit_lost(f"from {new} to {old}") as watch:
        play("minor_upgrade", minor_upgrade_version=old)
    assert lab.primary() == standby
    assert kinds(watch).count("switched") == 1
    assert "fencing" not in kinds(watch)
    short = old.split("-")[0]
    assert [setting(node, "server_version").split()[0] for node in lab.NODES] == [short, short]

    with no_commit_lost(f"from {old} to the newest") as watch:
        play("minor_upgrade")
    assert lab.primary() == primary
    assert kinds(watch).count("switched") == 1
    short = new.split("-")[0]
    assert [setting(node, "server_version").split()[0] for node in lab.NODES] == [short, short]
    assert lab.changed(play("minor_upgrade")) == 0


def test_check_mode_tells_what_would_come_and_changes_nothing(primary: str) -> None:
    before = [setting(node, "server_version") for node in lab.NODES]
    old = versions(primary)[-1]
    output = play("minor_upgrade", "--check", minor_upgrade_version=old)
    other = f"(Debian {old})" not in before[0]
    for node in lab.NODES:
        assert f"{node} has {'packages' if other else 'no packages'} to get and" in output
    assert [setting(node, "server_version") for node in lab.NODES] == before
    assert lab.primary() == primary
