# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl explain: what would happen if the primary died now, and what would stop it, each with its next step."""

from __future__ import annotations

from ..config import Config
from .sources import Status, View
from .table import not_running
from .text import Paint, wrap

# code (policy/armed.py and the alarms) -> what to do about it
NEXT = {
    "vote_path": "on the vote host look at sky-vote-proxy.service; from here try: port_probe or psql through the vote port",
    "replication": "look at 'skyctl status', and at PostgreSQL's log on this node for what the WAL receiver says",
    "record": "make room on the file system of /var/lib/skyha, see 'df' and 'df -i'; it must belong to the user that runs skyhad",
    "note": "is skyha running on the primary? 'systemctl status skyha' there",
    "bmc": "'skyctl fence-test'; see to the BMC's address, user, password and its network",
    "not_standby": "look at 'systemctl status sky-postgresql' and PostgreSQL's log on this node",
    "catch_up": "wait; if it stays, look at replication",
    "lag": "look at the load, the network and 'select * from pg_stat_wal_receiver'; the limit is [failover] max_lag_seconds",
    "replay_paused": "select pg_wal_replay_resume();",
    "paused": "skyctl resume",
    "fence_distrusted": "make sure that the BMC configured is that of the peer, then 'skyctl acknowledge'",
    "flap_guard": "wait, or look into why the last failover happened: 'skyctl history 1'",
    "switchover": "wait",
    "standby": "look at the other node: 'systemctl status skyha sky-postgresql' there, or run failover_rebuild.yml",
    "failover": "read 'skyctl history 1', then 'skyctl acknowledge'",
    "listening": "is the BMC that of the peer? else find the host that answers for the VIP: 'ip neigh', 'arping'",
    "vip_conflict": "find the host that answers for the VIP: 'ip neigh', 'arping'",
    "slots": "select * from pg_replication_slots; see 'Slots of others' in docs/operations.md",
    "slot_lost": "run failover_rebuild.yml, unless that node catches up from an archive",
    "checkpoint": "ps -C postgres u | grep checkpointer (state T: stopped, kill -CONT it); PostgreSQL's log; df of pg_wal",
    "connections": "select usename, state, count(*) from pg_stat_activity group by 1, 2; or raise max_connections",
    "local": "if skyha's objects are missing run the role ha_schema (site.yml --tags ha_schema); see PostgreSQL's log",
    "fence_failed": "mend the BMC; or make sure that the host is off and run 'skyctl confirm-off'",
    "unlawful": "see 'Only the old primary comes back' in docs/operations.md",
    "other_cluster": "is the right disk mounted, and data_dir the right directory? On purpose: 'A new cluster on nodes that had one' "
    "in docs/operations.md",
    "no_data": "mount the data directory's disk; if it is lost for good run failover_rebuild.yml",
    "stopping": "wait for its end; if it hangs see PostgreSQL's log there, after 300 s it counts as a failure",
    "blind": "look at this node's memory, its open files (skyha.service) and the kernel's log",
    "cut_off": "look at this node's own network and at the vote host",
}


def explain(config: Config | None, mine: View, theirs: View, paint: Paint) -> str:
    """The answer of `skyctl explain`."""
    if mine.is_unknown:
        return not_running(mine, paint)
    if not mine.is_live or mine.status is None:
        return (
            not_running(mine, paint)
            + "\n"
            + wrap("Meanwhile this node does not take over, and nobody keeps the VIP here.")
        )
    status = mine.status
    lines = [wrap(f"{status['node']}: {status['sentence']}"), ""]
    standby = status if status["role"] == "standby" else theirs.status if theirs.is_live else None
    if status["role"] == "standby":
        lines += _standby(config, status, paint)
    elif status["role"] == "primary":
        lines += _primary(config, status, paint)
        if standby is not None and standby.get("role") == "standby":
            lines += ["", *_standby(config, standby, paint)]
        else:
            lines += [
                "",
                wrap(
                    f"Whether {status['peer']} would take over only its own skyha can say: "
                    f"{theirs.problem or 'it is no running standby'}."
                ),
            ]
    lines += _alarms(status, paint)
    return "\n".join(lines)


def _standby(config: Config | None, status: Status, paint: Paint) -> list[str]:
    node, peer = status["node"], status["peer"]
    if status["armed"]:
        return [
            paint(wrap(f"Nothing would stop {node} from taking over if {peer} died now."), "good"),
            *_steps(config, status),
        ]
    lines = [paint(wrap(f"{node} would NOT take over if {peer} died now:"), "bad")]
    for code, reason in status["not_armed"].items():
        lines += _reason(code, reason)
    return lines


def _steps(config: Config | None, status: Status) -> list[str]:
    if config is None:
        return []
    timing = config.timing
    looks = timing.failures_before_failover
    fence = "reset" if config.fence_action == "reset" else "switched off and read back until it is off"
    return [
        wrap(
            f"host gone: {looks} looks without an answer, about {looks * (timing.look_deadline + timing.retry_interval):.1f} s",
            "  - ",
        ),
        wrap(f"PostgreSQL gone, host alive: {timing.restart_grace:g} s for a restart in place", "  - "),
        wrap(f"PostgreSQL hangs: {timing.hang_timeout:g} s", "  - "),
        wrap(
            f"then: {status['peer']} is {fence}, up to {timing.fence_attempts} attempts; promotion; the VIP",
            "  - ",
        ),
    ]


def _primary(config: Config | None, status: Status, paint: Paint) -> list[str]:
    if status["server"] != "up":
        return []
    attempts = "" if config is None else f" (up to {config.timing.restart_attempts} times)"
    lines = [wrap(f"If PostgreSQL crashes here, skyha starts it again in place{attempts}.")]
    if status["streaming"] is None:
        lines.append(
            paint(wrap("Whether a standby streams is not known: PostgreSQL here does not tell skyha."), "warn")
        )
    elif not status["streaming"]:
        lines.append(paint(wrap(f"No standby streams: if {status['node']} dies now, nothing can take over."), "bad"))
    return lines


def _alarms(status: Status, paint: Paint) -> list[str]:
    rest = {code: text for code, text in status["alarms"].items() if code not in status["not_armed"]}
    if not rest:
        return []
    lines = ["", paint("Alarms", "bold")]
    for code, text in rest.items():
        lines += _reason(code, text)
    return lines


def _reason(code: str, text: str) -> list[str]:
    lines = [wrap(text, "  - ")]
    if code in NEXT:
        lines.append(wrap(f"next: {NEXT[code]}", "    "))
    return lines
