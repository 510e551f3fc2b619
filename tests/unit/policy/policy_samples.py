# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes in good order, and a failover under way: what the tests of the policy begin with."""

from __future__ import annotations

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import Kind, Proof
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Intent, Record, Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Do,
    Local,
    Look,
    Path,
    Peer,
    Role,
    Seen,
    Server,
    Sight,
)
from node_samples import NODE2, changed, remembered

NOW = 1000.0
SERVES = Record("boot", role=Role.PRIMARY, timeline=3, served_boot="boot")
FOLLOWS = Record("boot", role=Role.STANDBY, timeline=3)
PRIMARY = Local(
    Server.UP,
    Role.PRIMARY,
    timeline=3,
    write_lsn=100,
    peer_streaming=True,
    standby_recorded=False,
    switching=False,
    paused_for=0.0,
    slots=("node2",),
    vip_held=True,
    clients_left=10,
)
STANDBY = Local(Server.UP, Role.STANDBY, timeline=3, receive_lsn=100, replay_lsn=100, replay_paused=False)
OK, SILENT, DROPPED = Look(Sight.OK, reached=True), Look(Sight.UNREACHABLE), Look(Sight.DROPPED, reached=True)
FAILED_HERE = Look(Sight.UNKNOWN, "no file descriptor is left")
CALM = {Path.VIP: OK, Path.VOTE: OK}
GONE = {Path.VIP: SILENT, Path.VOTE: DROPPED}
OFF = Peer(Server.UNREACHABLE)


def done(decision: Decision) -> list[Do]:
    """What is to be done, in order."""
    return [action.do for action in decision.actions]


def proven(at: float, by_operator: bool = False) -> dict[str, Proof]:
    """The fence, as proven then."""
    return {"proof": Proof(Kind.OPERATOR if by_operator else Kind.OFF, at, "read back")}


def failing_over(
    stage: Stage, at: float, looks: dict[Path, Look], by_operator: bool = False, **more: object
) -> Decision:
    """The decision at NOW in a failover that has been in this stage since `at`."""
    intent = Intent(stage, at, at, "why", attempts=1, proven_by=Kind.OPERATOR if by_operator else Kind.OFF)
    record = Record("boot", role=Role.STANDBY, timeline=3, intent=intent)
    memory = remembered(record, own={"lived_as": Role.STANDBY}, fence={"at": at, "last_receive": 100})
    return decide(NODE2, changed(memory, **more), Seen(STANDBY, looks), NOW)
