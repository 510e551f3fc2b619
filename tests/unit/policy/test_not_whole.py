# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node whose data is not all there is not started, not armed, and says which disk is missing."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.storage import (
    moved_on_purpose,
    not_whole,
    remember_mounts,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local, Place, Role, Server
from node_samples import remembered
from policy_samples import FOLLOWS

DISK = Place("pg_tblspc/16402", "/data2/ts", "/data2", True)
ROOT = dataclasses.replace(DISK, mount="/")
EMPTY = dataclasses.replace(ROOT, whole=False)
KNOWN = remembered(dataclasses.replace(FOLLOWS, mounts={"/data2/ts": "/data2"}))
NEW = remembered(FOLLOWS)
DOWN = Local(Server.DOWN, Role.STANDBY, timeline=3)
STREAMS = Local(Server.UP, Role.STANDBY, timeline=3, streaming=True)


def at(local: Local, *places: Place) -> Local:
    return dataclasses.replace(local, places=places)


@pytest.mark.parametrize("local", [DOWN, STREAMS])
class TestWhole:
    def test_all_there(self, local: Local) -> None:
        assert not_whole(KNOWN, at(local, DISK)) is None
        assert not_whole(NEW, at(local, ROOT)) is None

    @pytest.mark.parametrize("memory", [KNOWN, NEW])
    def test_empty_directory_is_named(self, local: Local, memory: Memory) -> None:
        obstacle = not_whole(memory, at(local, EMPTY))
        assert obstacle is not None
        assert "/data2/ts (pg_tblspc/16402) does not hold PostgreSQL's files" in obstacle.text

    def test_files_on_another_file_system_than_before_are_not_those(self, local: Local) -> None:
        """Replaying WAL makes directories and files where the disk should be."""
        obstacle = not_whole(KNOWN, at(local, ROOT))
        assert obstacle is not None
        assert "is on / and was on /data2, which is not mounted" in obstacle.text

    def test_a_disk_of_its_own_below_the_old_one_is_fine(self, local: Local) -> None:
        assert not_whole(KNOWN, at(local, dataclasses.replace(DISK, mount="/data2/ts"))) is None

    def test_what_is_not_known_is_not_taken_for_whole(self, local: Local) -> None:
        assert not_whole(KNOWN, local) is not None
        assert not_whole(NEW, local) is None, "there never was anything to look at"


class TestMemory:
    def test_a_server_that_streams_is_remembered(self) -> None:
        assert remember_mounts(NEW, at(STREAMS, DISK)).record.mounts == {"/data2/ts": "/data2"}

    def test_a_tablespace_that_was_dropped_is_forgotten(self) -> None:
        assert remember_mounts(KNOWN, at(STREAMS)).record.mounts == {}

    @pytest.mark.parametrize("local", [DOWN, dataclasses.replace(STREAMS, streaming=False)])
    def test_one_that_does_not_is_not(self, local: Local) -> None:
        assert remember_mounts(NEW, at(local, DISK)).record.mounts == {}

    @pytest.mark.parametrize("place", [ROOT, EMPTY])
    def test_what_is_missing_is_not_forgotten(self, place: Place) -> None:
        assert remember_mounts(KNOWN, at(STREAMS, place)).record.mounts == {"/data2/ts": "/data2"}

    def test_an_operator_may_have_moved_it_if_it_is_there(self) -> None:
        assert moved_on_purpose(KNOWN, at(DOWN, ROOT)).record.mounts == {"/data2/ts": "/"}
        assert moved_on_purpose(KNOWN, at(DOWN, EMPTY)) == KNOWN
