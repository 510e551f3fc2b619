# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A picture of the cluster from one node, for people and playbooks. Nothing is written; a dead node is data.

It needs neither skyha nor the objects of the role ha_schema; where skyha runs, its own word is added.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Mapping
from typing import Any, Callable

from ..config import Cluster, Config, Node, Peer, Vip, Vote, laid_over
from ..config_file import read
from ..words import Local, Role, Server, Sight
from . import queries
from .datadir import DataDir
from .eyes import local_without_sql, peer_from
from .netlink import addresses
from .race import Answer, Line, Target, look

_STALE_AFTER = 15.0  # seconds after which skyha's status is no longer believed
_PATH = """SELECT r.yes, CASE WHEN r.yes THEN 0 ELSE pg_current_wal_lsn() - '0/0' END,
       extract(epoch FROM pg_postmaster_start_time())::float8
  FROM (SELECT pg_is_in_recovery() AS yes) r"""

# The looks over this node's own socket.
_LOCAL = ("local", "started", "waiting")

# What wait_for may ask for: the names of the flat facts.
FACTS = (
    "role",
    "server",
    "timeline",
    "streaming",
    "peer_streaming",
    "vip_held",
    "vip_path",
    "vote_path",
    "primary",
    "peer_role",
    "peer_server",
    "skyha",
    "armed",
    "paused",
    "lag_bytes",
)


def configuration(path: str, given: Mapping[tuple[str, str], Any]) -> Config:
    """skyha's configuration where the file at `path` is there, with what is `given` (not None) instead of keys of its sections;
    raises ConfigError."""
    if os.path.exists(path):
        config = read(path)
    else:
        config = Config(Cluster(""), Node(os.uname().nodename, ""), Peer("", ""), Vip(""), Vote(""))
        data_dir = given.get(("postgresql", "data_dir")) or config.postgresql.data_dir
        config = laid_over(config, {"postgresql": {"socket_dir": data_dir}})
    for (section, key), value in given.items():
        if value is not None:
            config = laid_over(config, {section: {key: value}})
    return config


def wait_for(
    attempt: Callable[[], dict[str, Any]],
    expected: Mapping[str, Any],
    timeout: float,
    delay: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> tuple[dict[str, Any], int, list[str]]:
    """Look until the picture shows what is expected, or until the deadline; the last picture, looks, what is missing."""
    until, looks = clock() + timeout, 0
    while True:
        seen = attempt()
        looks += 1
        absent = missing(seen, expected)
        if not absent or clock() + delay > until:
            return seen, looks, absent
        sleep(delay)


def take(config: Config, deadline: float, clock: Callable[[], float] = time.monotonic) -> dict[str, Any]:
    """One look at everything, in at most about two times `deadline` seconds."""
    lines = {
        "local": Line(Target("local", queries.local_dsn(config, "postgres"), queries.local_sql(config, notes=False))),
        "started": Line(Target("started", queries.local_dsn(config, "postgres"), _PATH)),
        "waiting": Line(Target("waiting", queries.local_dsn(config, "postgres"), queries.PENDING_RESTART)),
        "peer": Line(
            Target(
                "peer",
                queries.tcp_dsn(config, config.peer.address, config.postgresql.port, deadline),
                queries.peer_sql(notes=False),
            )
        ),
        "vip": Line(
            Target("vip", queries.tcp_dsn(config, config.vip.address, config.postgresql.port, deadline), _PATH)
        ),
        "vote": Line(Target("vote", queries.tcp_dsn(config, config.vote.address, config.vote.port, deadline), _PATH)),
    }
    wanted = {name: line for name, line in lines.items() if name in _LOCAL or line.target.dsn["hostaddr"]}
    answers = dict(zip(wanted, look(list(wanted.values()), deadline, clock=clock)))
    for line in lines.values():
        line.close()
    local = _local(config, answers["local"], deadline)
    started = _started(answers["started"])
    peer = peer_from(answers["peer"]) if "peer" in answers else None
    paths = {name: _path(answers.get(name), config, started) for name in ("vip", "vote")}
    skyha = status(config.paths.run_dir)
    primary_lsn = max(
        [int(answer.row[1]) for name, answer in answers.items() if name in ("vip", "vote") and answer.row]
        + [local.write_lsn or 0]
    )
    return {
        "node": config.node.name,
        "server": local.server.value,
        "role": local.role.value,
        "detail": local.detail,
        "timeline": local.timeline,
        "lsn": {"write": local.write_lsn, "receive": local.receive_lsn, "replay": local.replay_lsn},
        "streaming": local.streaming,
        "peer_streaming": local.peer_streaming,
        "replay_paused": local.replay_paused,
        "slots": None if local.slots is None else list(local.slots),
        "pending_restart": list(answers["waiting"].row[0]) if answers["waiting"].row else [],
        "lag_bytes": _lag(local, primary_lsn),
        "vip_held": local.vip_held,
        "paths": paths,
        "primary": _primary(config, local, peer.role if peer else Role.UNKNOWN, paths),
        "peer": None
        if peer is None
        else {
            "name": config.peer.name,
            "server": peer.server.value,
            "role": peer.role.value,
            "timeline": peer.timeline,
            "detail": peer.detail,
        },
        "skyha": skyha,
    }


def flat(picture: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that can be waited for: name -> value."""
    skyha, peer = picture["skyha"], picture["peer"] or {}
    return {
        **{
            name: picture[name]
            for name in (
                "role",
                "server",
                "timeline",
                "streaming",
                "peer_streaming",
                "vip_held",
                "primary",
                "lag_bytes",
            )
        },
        "vip_path": picture["paths"]["vip"]["sight"],
        "vote_path": picture["paths"]["vote"]["sight"],
        "peer_role": peer.get("role"),
        "peer_server": peer.get("server"),
        "skyha": skyha["state"],
        "armed": skyha.get("armed"),
        "paused": (skyha.get("paused") or {}).get("on"),
    }


def missing(picture: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """What of `expected` the picture does not show, a sentence each. lag_bytes is a limit, all else must be equal."""
    facts, found = flat(picture), []
    for name, value in expected.items():
        fact = facts[name]
        if name == "lag_bytes":
            holds = fact is not None and fact <= int(value)
        elif isinstance(fact, bool) or isinstance(value, bool):
            holds = fact is not None and bool(fact) == _truth(value)
        else:
            holds = fact is not None and str(fact) == str(value)
        if not holds:
            found.append(f"{name} is {fact}, not {value}")
    return found


def status(run_dir: str, wall: Callable[[], float] = time.time) -> dict[str, Any]:
    """skyha's own word, from the status that it writes each cycle; state 'absent' where it does not run."""
    path = os.path.join(run_dir, "status.json")
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
            written = float(told["written"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {"state": "absent", "detail": f"{path}: {error}"}
    age = wall() - written
    if age > _STALE_AFTER and told.get("state") == "running":
        return {"state": "silent", "detail": f"{path} is {age:.0f} s old", "age": age}
    names = (
        "state",
        "problems",
        "sentence",
        "role",
        "armed",
        "not_armed",
        "alarms",
        "paused",
        "intent",
        "version",
        "profile",
    )
    return {**{name: told.get(name) for name in names}, "age": round(age, 3)}


def _local(config: Config, answer: Answer, deadline: float) -> Local:
    try:
        held: bool | None = any(one.address == config.vip.address for one in addresses())
    except OSError:
        held = None
    if answer.sight is Sight.OK and answer.row:
        return dataclasses.replace(queries.local(answer.row), vip_held=held)
    disk = DataDir(config.postgresql.data_dir, config.postgresql.bin_dir).look(deadline)
    return dataclasses.replace(local_without_sql(answer, disk), vip_held=held)


def _started(answer: Answer) -> float | None:
    return float(answer.row[2]) if answer.sight is Sight.OK and answer.row else None


def _path(answer: Answer | None, config: Config, started: float | None) -> dict[str, Any]:
    """One path; answered_by tells this node from the other by when the answering server was started."""
    if answer is None:
        return {"sight": "unknown", "detail": "no address is set", "latency_ms": None, "answered_by": None}
    sight, answered_by, detail = answer.sight, None, answer.detail
    if sight is Sight.OK and answer.row:
        answered_by = config.node.name if float(answer.row[2]) == started else config.peer.name or "another"
        if answer.row[0]:
            sight, detail = Sight.ALIVE, "in recovery: this path leads to a standby"
    return {
        "sight": sight.value,
        "detail": detail,
        "latency_ms": round(answer.latency * 1000, 2),
        "answered_by": answered_by,
    }


def _lag(local: Local, primary_lsn: int) -> int | None:
    if local.role is not Role.STANDBY or local.server is not Server.UP or local.receive_lsn is None or not primary_lsn:
        return None
    return max(0, primary_lsn - local.receive_lsn)


def _primary(config: Config, local: Local, peer: Role, paths: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Who is the primary; None where nobody is known to be, 'both' where both are."""
    here = local.role is Role.PRIMARY and local.server is Server.UP
    there = peer is Role.PRIMARY
    if here and there:
        return "both"
    if here or there:
        return config.node.name if here else config.peer.name
    return next((path["answered_by"] for path in paths.values() if path["sight"] == "ok"), None)


def _truth(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() in ("yes", "true", "on", "1")
