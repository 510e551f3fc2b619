# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads /etc/skyha/skyha.conf into a checked, immutable Config.

The file is INI (configparser, no interpolation). A value that begins with a double quote is a JSON string, so that
blanks at its ends, '#' and ';' can be kept. `read` finds every problem at once and raises one ConfigError that names
them all.
"""

from __future__ import annotations

import configparser
import dataclasses
import itertools
import json
import re
import typing
from collections.abc import Mapping
from typing import Any, Callable

from .config import PROFILES, Agent, Backup, Config, Timing, slot_of
from .errors import ConfigError, may_pass
from .margins import PROOF_FRESH
from .own import leads_home

# The sections by name; those of the agents have names of their own.
_SECTIONS = {name: kind for name, kind in typing.get_type_hints(Config).items() if name != "agents"}


def read(path: str) -> Config:
    """Read and check the configuration file at `path`; raises ConfigError with every problem found."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            [f"{path}: cannot be read: {error}; run the role skyha_daemon, or mend the file"], may_pass(error)
        ) from error
    return parse(text, path)


def parse(text: str, path: str = "skyha.conf") -> Config:
    """The same for a text; `path` is only named in the errors."""
    parser = configparser.ConfigParser(
        interpolation=None, strict=True, delimiters=("=",), comment_prefixes=("#", ";"), default_section=""
    )
    try:
        parser.read_string(text, path)
    except configparser.Error as error:
        raise ConfigError([f"{path}: {' '.join(str(error).split())}"]) from error
    problems: list[str] = []
    sections = {name: parser[name] for name in parser.sections()}
    known: dict[str, Mapping[str, str]] = {name: sections.pop(name, {}) for name in _SECTIONS}
    agents = {name: sections.pop(name) for name in list(sections) if name.startswith("agent ")}
    problems += [f"unknown section [{name}]; known: {', '.join(_SECTIONS)}, agent NAME" for name in sections]
    profile = _profile(known["timing"], problems)
    values = {name: _taken(known[name], name, kind, problems) for name, kind in _SECTIONS.items()}
    config = Config(
        **{name: kind(**values[name]) for name, kind in _SECTIONS.items() if name != "timing"},
        timing=dataclasses.replace(profile, **values["timing"]),
        agents=tuple(_agent(keys, name, problems) for name, keys in agents.items()),
    )
    problems += _contradictions(config)
    if problems:
        raise ConfigError([f"{path}: {problem}" for problem in problems])
    return config


def _profile(timing: Mapping[str, str], problems: list[str]) -> Timing:
    name = timing.get("profile", "fast")
    if name not in PROFILES:
        problems.append(f"[timing] profile = {name!r} is not one of {', '.join(PROFILES)}")
    return PROFILES.get(name, Timing())


def _agent(keys: Mapping[str, str], title: str, problems: list[str]) -> Agent:
    agent = Agent(title[len("agent ") :].strip(), **_taken(keys, title, Agent, problems, given=("name",)))
    needed = {"ipmi": ("address", "user", "password_file"), "command": ("off", "status")}.get(agent.kind)
    if needed is None:
        problems.append(f"[{title}] kind = {agent.kind!r} is not one of ipmi, command")
    for key in needed or ():
        if not getattr(agent, key):
            problems.append(f"[{title}] {key} is missing; a fence agent of kind {agent.kind} needs it")
    return agent


def _taken(
    keys: Mapping[str, str], title: str, kind: type, problems: list[str], given: tuple[str, ...] = ()
) -> dict[str, Any]:
    """One section's keys by the types and rules that its dataclass declares, but for those that are `given` by other means."""
    fields = {field.name: field for field in dataclasses.fields(kind) if field.name not in given}
    types, ruled = typing.get_type_hints(kind), typing.get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    for key, raw in keys.items():
        if key not in fields:
            problems.append(f"[{title}] {key} is unknown; known: {', '.join(sorted(fields))}")
            continue
        try:
            value = _CONVERT[types[key]](_unquote(raw))
            for rule in getattr(ruled[key], "__metadata__", ()):
                rule(value)
        except ValueError as error:
            problems.append(f"[{title}] {key} = {raw!r}: {error}")
            continue
        values[key] = value
    for key, field in fields.items():
        if field.default is dataclasses.MISSING and not values.get(key):
            if not any(problem.startswith(f"[{title}] {key} ") for problem in problems):
                problems.append(f"[{title}] {key} is missing; set it")
            values[key] = ""
    return values


def _unquote(raw: str) -> str:
    if not raw.startswith('"'):
        return raw
    try:
        value = json.loads(raw)
    except ValueError:
        value = None
    if not isinstance(value, str):
        raise ValueError('a value that begins with " must be one whole JSON string')
    if "\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise ValueError("holds a NUL or half a surrogate pair, which no file or program can be given")
    return value


def _boolean(text: str) -> bool:
    words = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
    if text.lower() not in words:
        raise ValueError("must be yes or no")
    return words[text.lower()]


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not 0 <= value < float("inf"):
        raise ValueError("must be a number of 0 or more")
    return value


def _integer(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("must be a whole number of 0 or more")
    return int(text)


_CONVERT: Mapping[object, Callable[[str], Any]] = {
    str: str,
    int: _integer,
    float: _number,
    bool: _boolean,
    tuple[str, ...]: lambda text: tuple(text.replace(",", " ").split()),
}


def _never_fails_over(timing: Timing) -> list[str]:
    """Times with which a standby says 'armed', and no failover would ever get through."""
    found = []
    cycle = max(timing.quiet_cycle, timing.troubled_cycle)
    if timing.arming_window < 2 * cycle:
        found.append(
            f"[timing] arming_window = {timing.arming_window:g} is too short: two looks may be {cycle:g} s apart (interval or "
            f"retry_interval, and twice look_deadline), so every sign would have expired when it is asked for; set at least {2 * cycle:g}"
        )
    listening = 2 * (timing.silence_deadline + timing.look_deadline)
    if listening > PROOF_FRESH - 1.0:
        found.append(
            f"[timing] silence_deadline = {timing.silence_deadline:g} and look_deadline = {timing.look_deadline:g} are too long: to "
            f"listen twice takes {listening:g} s, and the proof of a fence expires after {PROOF_FRESH:g} s, so nothing would be "
            f"promoted; their sum may be {(PROOF_FRESH - 1.0) / 2:g} at most"
        )
    return found


def _no_lease(config: Config) -> list[str]:
    """A register, a lease and a watchdog that do not go together."""
    found = []
    register, watchdog, timing = config.register, config.watchdog, config.timing
    if not config.has_register:
        if watchdog.device:
            found.append(
                f"[watchdog] device = {watchdog.device}, but [register] engine is none: nothing would feed it; leave it out, or "
                "set a register"
            )
        return found
    for key in ("endpoints", "cafile") if register.engine == "etcd" else ("address",):
        if not getattr(register, key):
            found.append(f"[register] {key} is missing; engine {register.engine} needs it")
    if register.endpoints and register.engine != "etcd":
        found.append(
            f"[register] endpoints are an etcd's, but engine is {register.engine}: leave them out, or set engine = etcd"
        )
    if register.lease < timing.least_lease:
        found.append(
            f"[register] lease = {register.lease:g} is too short: with interval, retry_interval and look_deadline as they are a "
            f"renewal that is lost and the next one take {timing.least_lease:g} s; set at least that"
        )
    if watchdog.timeout <= timing.quiet_cycle:
        found.append(
            f"[watchdog] timeout = {watchdog.timeout} is too short: where the lease is over skyha stops PostgreSQL within a cycle, which "
            f"takes up to {timing.quiet_cycle:g} s, and this would reset the host first; set more"
        )
    if watchdog.device and not config.signs.port:
        found.append(
            f"[watchdog] device = {watchdog.device}, but [signs] port is 0: without the peer's promises a register that is lost would "
            "stop the primary; set a port, the same on both nodes"
        )
    return found


def _fences_home(config: Config, agent: Agent) -> list[str]:
    """An agent that would switch off the node that uses it, or that can switch nothing."""
    node, where = config.node, f"[agent {agent.name}]"
    home = leads_home(
        agent.address,
        (agent.status, agent.off, agent.on, agent.reset),
        node.name,
        (node.bmc_address, node.address, config.vip.address),
    )
    if home is not None:
        what = {node.bmc_address: "its own BMC's address", config.vip.address: "the VIP"}.get(home, "its own")
        return [
            f"{where} leads to {home}, which is {what}: this node would switch itself off; it must be the way to the power of "
            f"{config.peer.name}"
        ]
    if agent.kind == "ipmi" and agent.address == config.peer.address:
        return [
            f"{where} address {agent.address} is the peer itself, which is not there when it matters; it must be its BMC's"
        ]
    return []


def _levels(config: Config) -> list[str]:
    """[fence] levels name each agent once."""
    named = [name for level in config.fence.levels for name in level.split("+")]
    known = [agent.name for agent in config.agents]
    found = [f"[fence] levels names {name!r}, and there is no [agent {name}]" for name in named if name not in known]
    found += [
        f"[agent {name}] is there twice; each needs a name of its own" for name in {*known} if known.count(name) > 1
    ]
    for name in {*known} if named else ():
        if named.count(name) != 1:
            found.append(f"[agent {name}] is {named.count(name)} times in [fence] levels; each agent is in one level")
    if config.fence.action == "reset" and any("+" in level for level in config.fence.levels):
        found.append(
            "[fence] action = reset, but a level has several agents: a reset of one after the other never ends the host's power; "
            "set action = off"
        )
    return found


def _contradictions(config: Config) -> list[str]:
    """What each value allows but all together do not."""
    found = _never_fails_over(config.timing) + _no_lease(config) + _levels(config)
    if config.postgresql.verifies != bool(config.postgresql.sslrootcert):
        found.append(
            f"[postgresql] sslrootcert is {'missing' if config.postgresql.verifies else 'there'}, and sslmode is {config.postgresql.sslmode}: "
            "verify-ca and verify-full need the file with the CA's certificates, the others do not look at it"
        )
    if config.zero_loss and not config.has_register:
        found.append(
            "[replication] mode = zero_loss needs a [register]: there it stands whether the standby has everything; set one, or mode async"
        )
    if config.backup != Backup() and not config.has_backup:
        found.append(
            "[backup] stanza is missing: without it no backups are looked at; set it, or leave the section out"
        )
    addresses = {
        "[node] address": config.node.address,
        "[peer] address": config.peer.address,
        "[vip] address": config.vip.address,
    }
    for (first, one), (second, other) in itertools.combinations(addresses.items(), 2):
        if one and one == other:
            found.append(f"{first} and {second} are both {one}; each needs its own")
    for slot in config.failover.keep_slots:
        if not re.fullmatch("[a-z0-9_]{1,63}", slot) or slot in (slot_of(config.node.name), config.peer.slot):
            found.append(f"[failover] keep_slots: {slot!r} is a node's own slot, or no name of a slot (a-z, 0-9, _)")
    if config.node.name and config.node.name == config.peer.name:
        found.append(f"[node] name and [peer] name are both {config.node.name}; each node needs its own")
    if not config.agents and not config.has_lease:
        found.append(
            "no [agent NAME] section, and no [watchdog] with a [register]: without a way to fence the peer, or a lease that runs out, "
            "nothing could ever be promoted"
        )
    for agent in config.agents:
        found += _fences_home(config, agent)
        if config.fence.action == "reset" and agent.kind == "command" and not agent.reset:
            found.append(f"[agent {agent.name}] reset is missing, but [fence] action is reset")
    if config.vip.prefix > (128 if ":" in config.vip.address else 32):
        found.append(f"[vip] prefix {config.vip.prefix} is too long for {config.vip.address}")
    return found


def password(path: str) -> str | None:
    """The password in the file at `path`, less one newline at its end; raises ConfigError."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: the password cannot be read: {error}"]) from error
    return text[:-1] if text.endswith("\n") else text
