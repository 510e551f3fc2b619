# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's looks at a real PostgreSQL."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import datadir
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.datadir import Control, Disk, Postmaster
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.eyes import (
    ProbeEyes,
    local_without_sql,
    peer_from,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.race import Answer
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Path, Role, Server, Sight
from fake_postgres import FakePostgres
from real_postgres import RealPostgres


@pytest.fixture
def eyes(real_config: Config) -> Iterator[ProbeEyes]:
    found = ProbeEyes(real_config)
    yield found
    found.close()


class TestPrimary:
    """A running primary."""

    def test_heartbeat_commits_and_tells_the_primarys_state(self, eyes: ProbeEyes, postgres: RealPostgres) -> None:
        looks = eyes.look([Path.VIP, Path.VOTE], 2.0, [Path.VIP, Path.VOTE])
        assert {look.sight for look in looks.values()} == {Sight.OK}
        beat = looks[Path.VIP].beat
        assert beat is not None
        assert (beat.timeline, beat.standby_recorded, beat.paused_for) == (1, False, 0.0)
        assert beat.lsn > 0
        assert beat.system_identifier
        assert beat.system_identifier == eyes.local(2.0).system_identifier

    def test_local_tells_role_timeline_and_position(self, eyes: ProbeEyes) -> None:
        local = eyes.local(2.0)
        assert (local.server, local.role, local.timeline, local.streaming) == (Server.UP, Role.PRIMARY, 1, False)
        assert local.write_lsn > 0
        assert local.vip_held, "the VIP of these tests is the loopback address"

    def test_peer_is_asked_on_its_own_address(self, eyes: ProbeEyes) -> None:
        peer = eyes.peer(2.0)
        assert (peer.server, peer.role, peer.timeline) == (Server.UP, Role.PRIMARY, 1)

    @pytest.mark.parametrize(
        ("change", "paused_for"),
        [
            ("paused = true, paused_until = NULL", float("inf")),
            ("paused = true, paused_until = now() + interval '1 hour'", 3600),
            ("paused = true, paused_until = now() - interval '1 hour'", 0.0),
        ],
    )
    def test_pause_comes_with_the_heartbeat(
        self, eyes: ProbeEyes, postgres: RealPostgres, change: str, paused_for: float | None
    ) -> None:
        postgres.sql(f"UPDATE sky_pg_cluster.cluster_control SET {change}")
        try:
            beat = eyes.look([Path.VIP], 2.0, ())[Path.VIP].beat
            local = eyes.local(2.0)
        finally:
            postgres.sql("UPDATE sky_pg_cluster.cluster_control SET paused = false, paused_until = NULL")
        assert beat is not None
        for seen in (beat.paused_for, local.paused_for):
            assert seen == (pytest.approx(paused_for, abs=60) if paused_for else 0.0)

    def test_note_of_another_timeline_does_not_count(self, eyes: ProbeEyes, postgres: RealPostgres) -> None:
        postgres.sql("UPDATE sky_pg_cluster.cluster_control SET standby_recorded = true, recorded_timeline = 7")
        try:
            beat = eyes.look([Path.VIP], 2.0, ())[Path.VIP].beat
            local = eyes.local(2.0)
        finally:
            postgres.sql("UPDATE sky_pg_cluster.cluster_control SET standby_recorded = false, recorded_timeline = NULL")
        assert beat is not None
        assert not beat.standby_recorded
        assert not local.standby_recorded

    @pytest.mark.parametrize(("line", "noted"), [(1, True), (7, False), ("NULL", False)])
    def test_note_of_its_timeline_is_read_here_and_by_the_peer(
        self, eyes: ProbeEyes, postgres: RealPostgres, line: object, noted: bool
    ) -> None:
        postgres.sql(f"UPDATE sky_pg_cluster.cluster_control SET recorded_timeline = {line}")
        try:
            assert (eyes.local(2.0).noted, eyes.peer(2.0).noted) == (noted, noted)
        finally:
            postgres.sql("UPDATE sky_pg_cluster.cluster_control SET recorded_timeline = NULL")

    def test_missing_function_is_life_and_named(self, eyes: ProbeEyes, postgres: RealPostgres) -> None:
        postgres.sql("ALTER FUNCTION sky_pg_cluster.cluster_keepalive_test() RENAME TO away")
        try:
            look = eyes.look([Path.VIP], 2.0, ())[Path.VIP]
        finally:
            postgres.sql("ALTER FUNCTION sky_pg_cluster.away() RENAME TO cluster_keepalive_test")
        assert look.sight is Sight.ALIVE
        assert "cluster_keepalive_test" in look.detail

    def test_killed_session_wakes_the_loop_and_is_replaced(self, eyes: ProbeEyes, postgres: RealPostgres) -> None:
        eyes.look([Path.VIP], 2.0, ())
        postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'skyha'")
        time.sleep(0.1)
        before = set(eyes.descriptors())
        for fd in before:
            eyes.absorb(fd)
        assert len(eyes.descriptors()) < len(before)
        assert eyes.look([Path.VIP], 2.0, ())[Path.VIP].sight is Sight.OK

    def test_stopped_postmaster_is_stalled_and_said_to_be_stopped(
        self, real_config: Config, postgres: RealPostgres
    ) -> None:
        running = datadir.postmaster(str(postgres.data_dir))
        assert running is not None
        fresh = ProbeEyes(real_config)
        os.kill(running.pid, signal.SIGSTOP)
        try:
            local = fresh.local(0.4)
            look = fresh.look([Path.VIP], 0.4, [Path.VIP])[Path.VIP]
        finally:
            os.kill(running.pid, signal.SIGCONT)
            fresh.close()
        assert local.server is Server.STALLED
        assert "stopped" in local.detail
        assert (look.sight, look.reached) == (Sight.STALLED, True)


def test_server_that_shuts_down_says_so_until_its_end(
    make_config: Callable[..., Config], postgres: RealPostgres
) -> None:
    """Its last checkpoint may take long; the VIP is gone by then, its own address tells."""
    other = RealPostgres(postgres.root, "slow")
    other.initdb()
    eyes = ProbeEyes(make_config(postgresql={"port": other.port}, vote={"port": other.port}))
    pid = int(other.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"))
    os.kill(pid, signal.SIGSTOP)
    try:
        assert eyes.look_around([Path.VIP], 2.0, ())[1].server is Server.UP
        other.run(["pg_ctl", "-D", str(other.data_dir), "-m", "fast", "-W", "stop"])
        until = time.monotonic() + 10.0
        while not eyes.look_around([Path.VIP], 2.0, [Path.VIP])[1].stopping and time.monotonic() < until:
            pass
        for _look in range(3):
            looks, peer = eyes.look_around([Path.VIP, Path.VOTE], 2.0, [Path.VIP, Path.VOTE])
            assert (peer.server, peer.stopping) == (Server.STARTING, True)
            assert {look.sight for look in looks.values()} == {Sight.ALIVE}
    finally:
        os.kill(pid, signal.SIGCONT)
        other.stop()
        eyes.close()
    assert not eyes.peer(2.0).stopping


def test_server_that_is_down_is_seen_from_its_directory(
    make_config: Callable[..., Config], postgres: RealPostgres
) -> None:
    other = RealPostgres(postgres.root, "down")
    other.run(["initdb", "-D", str(other.data_dir), "-A", "trust", "-U", "postgres", "-N"])
    eyes = ProbeEyes(make_config(postgresql=other.settings))
    local = eyes.local(1.0)
    assert (local.server, local.role, local.timeline, local.clean_shutdown) == (Server.DOWN, Role.PRIMARY, 1, True)
    (other.data_dir / "standby.signal").touch()
    assert eyes.local(1.0).role is Role.STANDBY
    eyes.close()


def test_path_to_a_standby_is_alive_but_no_heartbeat(fake: FakePostgres, make_config: Callable[..., Config]) -> None:
    fake.row = ()
    eyes = ProbeEyes(make_config(postgresql={"port": fake.port}))
    look = eyes.look([Path.VIP], 1.0, ())[Path.VIP]
    eyes.close()
    assert (look.sight, look.beat) == (Sight.ALIVE, None)
    assert "standby" in look.detail


RUNNING = Postmaster(4711, "starting", stopped=False)
DEAD = Disk(Role.PRIMARY, None, Control(3, clean=True))


@pytest.mark.parametrize(
    ("answer", "disk", "server"),
    [
        (Answer(Sight.REFUSED), DEAD, Server.DOWN),
        (Answer(Sight.DROPPED), DEAD, Server.DOWN),
        (Answer(Sight.REFUSED), dataclasses.replace(DEAD, postmaster=RUNNING), Server.STARTING),
        (Answer(Sight.ALIVE, code="57P03"), dataclasses.replace(DEAD, postmaster=RUNNING), Server.STARTING),
        (Answer(Sight.ALIVE, "in any language"), dataclasses.replace(DEAD, postmaster=RUNNING), Server.STARTING),
        (Answer(Sight.ALIVE), dataclasses.replace(DEAD, postmaster=Postmaster(1, "ready", False)), Server.UP),
        (Answer(Sight.STALLED), dataclasses.replace(DEAD, postmaster=RUNNING), Server.STALLED),
        (Answer(Sight.UNREACHABLE), DEAD, Server.STALLED),
        (Answer(Sight.REFUSED), Disk(Role.UNKNOWN, None, None, "it does not answer"), Server.STALLED),
        (Answer(Sight.UNKNOWN), DEAD, Server.UNKNOWN),
        (Answer(Sight.ALIVE), dataclasses.replace(DEAD, postmaster=Postmaster(1, "ready", True)), Server.STALLED),
    ],
)
def test_local_state_without_sql(answer: Answer, disk: Disk, server: Server) -> None:
    assert local_without_sql(answer, disk).server is server


@pytest.mark.parametrize("status", ["ready", "standby"])
def test_a_server_that_is_ready_and_does_not_answer_is_not_only_starting(status: str) -> None:
    disk = dataclasses.replace(DEAD, postmaster=Postmaster(4711, status, stopped=False))
    told = local_without_sql(Answer(Sight.REFUSED, "connection refused at port 1921"), disk).detail
    assert status in told
    assert "connection refused at port 1921" in told
    assert "another port" in told
    assert (
        "another port"
        not in local_without_sql(Answer(Sight.REFUSED), dataclasses.replace(DEAD, postmaster=RUNNING)).detail
    )


@pytest.mark.parametrize(
    ("answer", "server"),
    [
        (Answer(Sight.UNREACHABLE), Server.UNREACHABLE),
        (Answer(Sight.REFUSED), Server.DOWN),
        (Answer(Sight.STALLED), Server.STALLED),
        (Answer(Sight.ALIVE, code="57P03"), Server.STARTING),
        (Answer(Sight.ALIVE, code="28P01"), Server.UP),
        (Answer(Sight.DROPPED), Server.UNKNOWN),
        (Answer(Sight.UNKNOWN), Server.UNKNOWN),
    ],
)
def test_peer_state(answer: Answer, server: Server) -> None:
    assert peer_from(answer).server is server


@pytest.mark.parametrize("vip", ["198.51.100.116", "2001:db8::116"])
def test_vip_that_could_not_be_listened_for_counts_as_taken(make_config: Callable[..., Config], vip: str) -> None:
    """An interface that is not there: nothing is known, so nothing is taken."""
    eyes = ProbeEyes(make_config(vip={"address": vip, "interface": "nonesuch0"}))
    assert eyes.vip_conflict(0.05) is True
    eyes.close()
