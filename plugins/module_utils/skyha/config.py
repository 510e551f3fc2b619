# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads /etc/skyha/skyha.conf into a checked, immutable Config.

The file is INI (configparser, no interpolation). A value that begins with a double quote is a JSON string, so that
blanks at its ends, '#' and ';' can be kept. No secret stands in it: passwords are in files of their own, of which it
holds the paths. `read` finds every problem at once and raises one ConfigError that names them all.
"""

from __future__ import annotations

import configparser
import dataclasses
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from .errors import ConfigError, may_pass
from .margins import ORDER_TAKES, PROOF_FRESH, PROOF_LATE, STALE, STOP_LIMIT, STREAM_LINGERS, TAKEN_BACK, by_any_clock

MAX_WAIT = 5.0  # seconds that the loop waits between two cycles at most


@dataclass(frozen=True)
class Timing:
    """How long to be patient. Seconds, but for the counts. The class seen on the VIP path picks the patience."""

    interval: float = 1.0  # between quiet cycles
    retry_interval: float = 0.1  # between cycles while something is wrong
    look_deadline: float = 0.6  # the longest that one look at one path takes
    failures_before_failover: int = 3  # looks in a row that found the primary unreachable
    restart_grace: float = 5.0  # refused / dropped: time for a restart in place
    hang_timeout: float = 6.0  # stalled: time for a slow server to answer
    fresh_every: float = 5.0  # the standby: a new connection along one of its paths; the primary: a look along its own
    arming_window: float = 15.0  # how long a good sign keeps a node armed
    bmc_check_interval: float = 60.0  # between two checks of the peer's BMC
    bmc_retry_interval: float = 10.0  # the same after a failed check
    fence_attempts: int = 60  # attempts to fence, then skyha waits for the operator
    fence_interval: float = 1.0  # between two attempts
    fence_deadline: float = 10.0  # the longest that one attempt takes, reading back included
    silence_deadline: float = 0.3  # after the fence: how long to listen whether anything still answers
    promote_deadline: float = 60.0  # for a failover to end, then an alarm; the promotion itself goes on
    start_deadline: float = 60.0  # for PostgreSQL to come up, then an alarm
    restart_attempts: int = 3  # in place, before the primary gives up and leaves it to the standby
    flap_guard: float = 300.0  # no second failover within that time of the last
    dad_wait: float = 0.3  # how long to listen for another holder before the VIP is taken
    switchover_deadline: float = 30.0  # for a switchover to hand over, then the old primary serves again

    @property
    def troubled_cycle(self) -> float:
        """The longest time from one look at a primary in trouble to the next: the peer's, this node's own, the pause."""
        return self.retry_interval + 2 * self.look_deadline

    @property
    def patience(self) -> float:
        """The longest time that a primary without a sign of life is waited for, a clean stop of it included."""
        unreachable = self.failures_before_failover * self.troubled_cycle
        return STOP_LIMIT + max(self.hang_timeout, self.restart_grace, unreachable) + self.troubled_cycle

    @property
    def failover_limit(self) -> float:
        """The longest time from the begin of the trouble to the begin of the last attempt to fence."""
        return self.patience + self.fence_attempts * (self.fence_deadline + self.fence_interval)

    @property
    def proof_limit(self) -> float:
        """The longest time from the begin of an attempt to fence to a promotion that it is the proof of."""
        return self.fence_deadline + PROOF_LATE + PROOF_FRESH + STALE + ORDER_TAKES

    @property
    def alone_after(self) -> float:
        """After so long without a streaming standby none can be in the middle of a failover any more (S3).

        Its evidence may be so old when its trouble begins: the stream lingers there, then the arming window; a switchover that
        was announced keeps it, and so does one restart of skyha.
        """
        evidence = STREAM_LINGERS + 2 * self.arming_window + self.switchover_deadline
        return by_any_clock(evidence + self.failover_limit + self.proof_limit + TAKEN_BACK)

    @property
    def fence_forgotten_after(self) -> float:
        """Seconds after which a peer that fenced this node, and has not promoted, must fence it again before it does.

        A fenced node that is back sooner (a reset, a fast boot) sees by SQL a standby that was not promoted, and that may
        change at any moment.
        """
        return by_any_clock(self.proof_limit)


# The document's own: every 2 s, 10 failures, whatever the failure looks like.
DOCUMENT = Timing(
    interval=2.0,
    retry_interval=2.0,
    look_deadline=2.0,
    failures_before_failover=10,
    restart_grace=20.0,
    hang_timeout=20.0,
    arming_window=60.0,
    flap_guard=0.0,
)
PROFILES: Mapping[str, Timing] = {"fast": Timing(), "document": DOCUMENT}


@dataclass(frozen=True)
class Agent:
    """One way to reach the peer's power. kind 'ipmi' or 'command'."""

    name: str
    kind: str
    address: str = ""
    port: int = 623
    user: str = ""
    password_file: str = ""
    privilege: str = "operator"  # callback, user, operator, administrator
    cipher: int = 3  # IPMI cipher suite; pyghmi speaks 3 and 17
    off: str = ""  # command agent: the command lines
    on: str = ""
    status: str = ""
    reset: str = ""


@dataclass(frozen=True)
class Config:
    """The whole configuration of one node."""

    cluster: str
    node: str
    address: str
    peer: str
    peer_address: str
    vip: str
    vote_address: str
    bmc_address: str = ""  # this node's own BMC, which its peer's agents lead to; none of its own may
    vip_prefix: int = 24
    vip_interface: str = "eth0"
    vip_style: str = "iproute2"  # iproute2, or ifup: the document's `sudo ifup eth0:1`
    arp_announcements: int = 5
    vote_port: int = 11921
    port: int = 1921
    bin_dir: str = "/opt/pgsql/bin"
    data_dir: str = "/data/pgdata/pg_root"
    socket_dir: str = "/data/pgdata/pg_root"
    database: str = "sky_pg_cluster"
    user: str = "sky_pg_cluster"
    superuser: str = "postgres"  # over the Unix socket, as the operating system's user that runs skyhad (peer)
    passfile: str = "/home/postgres/.pgpass"
    sslmode: str = "disable"  # of the HA role's connections: a heartbeat holds no secret, SCRAM hides
    # the password, and TLS would cost a round trip and memory
    max_lag_seconds: float = 30.0  # the document's: 180
    max_lag_bytes: int = 0  # 0: no limit in bytes
    tablespace_policy: str = "alarm"  # or failover: what a tablespace that cannot be written means
    auto_rejoin: bool = True
    keep_slots: tuple[str, ...] = ()  # physical slots of others that the standby keeps a copy of
    fence_action: str = "off"  # or reset: the document's, the weaker proof
    power_on_after: bool = True  # switch the peer on again after a failover
    agents: tuple[Agent, ...] = ()
    profile: str = "fast"
    timing: Timing = Timing()
    state_dir: str = "/var/lib/skyha"
    run_dir: str = "/run/skyha"
    http_listen: tuple[str, ...] = ("127.0.0.1:8008",)
    hook_role_change: str = ""  # operator's commands, see docs/operations.md
    hook_failover: str = ""
    hook_fence_failed: str = ""
    hook_deadline: float = 30.0

    @property
    def peer_slot(self) -> str:
        """The peer's replication slot: its name, as far as PostgreSQL allows one (role streaming_replication)."""
        return slot_of(self.peer)

    @property
    def peer_http(self) -> str | None:
        """Where the peer serves HTTP, as ADDRESS:PORT: both nodes are set up alike. None: on no address of its own."""
        for listen in self.http_listen:
            host, _, port = listen.rpartition(":")
            if host.strip("[]") in (self.address, "0.0.0.0", "::"):
                return f"[{self.peer_address}]:{port}" if ":" in self.peer_address else f"{self.peer_address}:{port}"
        return None


def slot_of(node: str) -> str:
    """The name of a node's replication slot, as far as PostgreSQL allows its own."""
    return re.sub("[^a-z0-9_]", "_", node.lower())


# section -> key -> field of Config (an empty string: the field of the same name)
_SECTIONS: Mapping[str, Mapping[str, str]] = {
    "cluster": {"name": "cluster"},
    "node": {"name": "node", "address": "address", "bmc_address": "bmc_address"},
    "peer": {"name": "peer", "address": "peer_address"},
    "vip": {
        "address": "vip",
        "prefix": "vip_prefix",
        "interface": "vip_interface",
        "style": "vip_style",
        "arp_announcements": "arp_announcements",
    },
    "vote": {"address": "vote_address", "port": "vote_port"},
    "postgresql": {
        key: key
        for key in ("port", "bin_dir", "data_dir", "socket_dir", "database", "user", "superuser", "passfile", "sslmode")
    },
    "failover": {
        key: key for key in ("max_lag_seconds", "max_lag_bytes", "tablespace_policy", "auto_rejoin", "keep_slots")
    },
    "fence": {"action": "fence_action", "power_on_after": "power_on_after"},
    "http": {"listen": "http_listen"},
    "paths": {"state_dir": "state_dir", "run_dir": "run_dir"},
    "hooks": {
        "role_change": "hook_role_change",
        "failover": "hook_failover",
        "fence_failed": "hook_fence_failed",
        "deadline": "hook_deadline",
    },
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "vip_style": ("iproute2", "ifup"),
    "tablespace_policy": ("alarm", "failover"),
    "fence_action": ("off", "reset"),
    "sslmode": ("disable", "prefer", "require"),
    "kind": ("ipmi", "command"),
    "privilege": ("callback", "user", "operator", "administrator"),
}
_ADDRESSES = ("address", "peer_address", "vip", "vote_address", "bmc_address")
_POSITIVE = (
    "interval",
    "retry_interval",
    "look_deadline",
    "failures_before_failover",
    "fence_attempts",
    "fence_deadline",
    "silence_deadline",
    "promote_deadline",
    "start_deadline",
    "bmc_check_interval",
    "arming_window",
    "fresh_every",
    "hook_deadline",
)
_PORTS = ("port", "vote_port")


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
    values: dict[str, Any] = {}
    for section in parser.sections():
        if section == "timing" or section.startswith("agent "):
            continue
        if section not in _SECTIONS:
            problems.append(f"{path}: unknown section [{section}]; known: {', '.join(_SECTIONS)}, timing, agent NAME")
            continue
        _take(parser[section], section, _SECTIONS[section], Config, values, problems, path)
    profile, timing = _timing(parser, problems, path)
    agents = tuple(
        _agent(parser[name], name, problems, path) for name in parser.sections() if name.startswith("agent ")
    )
    required = [f.name for f in dataclasses.fields(Config) if f.default is dataclasses.MISSING]
    for name in required:
        if not values.get(name):
            section, key = next((s, k) for s, keys in _SECTIONS.items() for k, f in keys.items() if f == name)
            if not any(f"[{section}] {key} " in problem for problem in problems):
                problems.append(f"{path}: [{section}] {key} is missing; set it")
            values.setdefault(name, "")
    config = Config(**{**values, "profile": profile, "timing": timing, "agents": agents})
    problems += [f"{path}: {problem}" for problem in _contradictions(config)]
    if problems:
        raise ConfigError(problems)
    return config


def _timing(parser: configparser.ConfigParser, problems: list[str], path: str) -> tuple[str, Timing]:
    keys = dict(parser["timing"]) if parser.has_section("timing") else {}
    profile = keys.pop("profile", "fast")
    if profile not in PROFILES:
        problems.append(f"{path}: [timing] profile = {profile!r} is not one of {', '.join(PROFILES)}")
    values: dict[str, Any] = {}
    _take(keys, "timing", {f.name: f.name for f in dataclasses.fields(Timing)}, Timing, values, problems, path)
    return profile, dataclasses.replace(PROFILES.get(profile, Timing()), **values)


def _agent(section: Mapping[str, str], title: str, problems: list[str], path: str) -> Agent:
    values: dict[str, Any] = {"name": title[len("agent ") :].strip(), "kind": ""}
    known = {f.name: f.name for f in dataclasses.fields(Agent) if f.name != "name"}
    _take(section, title, known, Agent, values, problems, path)
    agent = Agent(**values)
    needed = {"ipmi": ("address", "user", "password_file"), "command": ("off", "status")}.get(agent.kind)
    if needed is None:
        problems.append(f"{path}: [{title}] kind = {agent.kind!r} is not one of ipmi, command")
    for key in needed or ():
        if not getattr(agent, key):
            problems.append(f"{path}: [{title}] {key} is missing; a fence agent of kind {agent.kind} needs it")
    return agent


def _take(
    section: Mapping[str, str],
    title: str,
    known: Mapping[str, str],
    owner: type,
    values: dict[str, Any],
    problems: list[str],
    path: str,
) -> None:
    """Convert one section's keys into `values`, by the types that the dataclass `owner` declares."""
    types = {f.name: str(f.type) for f in dataclasses.fields(owner)}
    for key, raw in section.items():
        if key not in known:
            problems.append(f"{path}: [{title}] {key} is unknown; known: {', '.join(sorted(known))}")
            continue
        name = known[key]
        try:
            value = _CONVERT[types[name]](_unquote(raw))
            _check(name, value)
        except ValueError as error:
            problems.append(f"{path}: [{title}] {key} = {raw!r}: {error}")
            continue
        values[name] = value


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


_CONVERT: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "int": _integer,
    "float": _number,
    "bool": _boolean,
    "tuple[str, ...]": lambda text: tuple(text.replace(",", " ").split()),
}


def _check(name: str, value: Any) -> None:
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ValueError(f"must be one of {', '.join(_CHOICES[name])}")
    if name in _POSITIVE and not value > 0:
        raise ValueError("must be more than 0")
    if name in _PORTS and not 0 < value < 65536:
        raise ValueError("must be a port, 1 to 65535")
    if name in _ADDRESSES and value:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError("must be an IP address (a name would need a resolver that may be down)") from None


def _never_fails_over(timing: Timing) -> list[str]:
    """Times with which a standby says 'armed', and no failover would ever get through."""
    found = []
    cycle = max(min(timing.interval, MAX_WAIT) + 2 * timing.look_deadline, timing.troubled_cycle)
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


def _contradictions(config: Config) -> list[str]:
    """What each value allows but all together do not."""
    found = _never_fails_over(config.timing)
    addresses = {"[node] address": config.address, "[peer] address": config.peer_address, "[vip] address": config.vip}
    for first, second in (
        ("[node] address", "[peer] address"),
        ("[node] address", "[vip] address"),
        ("[peer] address", "[vip] address"),
    ):
        if addresses[first] and addresses[first] == addresses[second]:
            found.append(f"{first} and {second} are both {addresses[first]}; each needs its own")
    for slot in config.keep_slots:
        if not re.fullmatch("[a-z0-9_]{1,63}", slot) or slot in (slot_of(config.node), config.peer_slot):
            found.append(f"[failover] keep_slots: {slot!r} is a node's own slot, or no name of a slot (a-z, 0-9, _)")
    if config.node and config.node == config.peer:
        found.append(f"[node] name and [peer] name are both {config.node}; each node needs its own")
    if not config.agents:
        found.append("no [agent NAME] section: without a way to fence the peer nothing could ever be promoted")
    for agent in config.agents:
        if agent.address and agent.address == config.bmc_address:
            found.append(
                f"[agent {agent.name}] address {agent.address} is this node's own BMC ([node] bmc_address): the node would "
                "switch itself off; it must be the way to the peer's power"
            )
        if agent.kind == "ipmi" and agent.address in (config.address, config.peer_address, config.vip):
            found.append(
                f"[agent {agent.name}] address {agent.address} is a node's own or the VIP; it must be the BMC's"
            )
        if config.fence_action == "reset" and agent.kind == "command" and not agent.reset:
            found.append(f"[agent {agent.name}] reset is missing, but [fence] action is reset")
    if (config.vip and ":" in config.vip and config.vip_prefix > 128) or (
        ":" not in config.vip and config.vip_prefix > 32
    ):
        found.append(f"[vip] prefix {config.vip_prefix} is too long for {config.vip}")
    return found


def password(path: str) -> str | None:
    """The password in the file at `path`, less one newline at its end; raises ConfigError."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: the password cannot be read: {error}"]) from error
    return text[:-1] if text.endswith("\n") else text
