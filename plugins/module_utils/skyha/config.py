# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What /etc/skyha/skyha.conf can say: one dataclass per section, each key once, with its type, its rule and its default.

A key without a default must be set. `config_file.py` reads the file into a checked Config. No secret stands in it: passwords
are in files of their own, of which it holds the paths.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Callable

from .margins import (
    MAX_WAIT,
    ORDER_TAKES,
    PROOF_FRESH,
    PROOF_LATE,
    STALE,
    STOP_LIMIT,
    STREAM_LINGERS,
    TAKEN_BACK,
    by_any_clock,
)

# --- the rules, each raises ValueError with what a value must be -----------------------------------------------------------


def _positive(value: float) -> None:
    if not value > 0:
        raise ValueError("must be more than 0")


def _port(value: int) -> None:
    if not 0 < value < 65536:
        raise ValueError("must be a port, 1 to 65535")


def _address(value: str) -> None:
    try:
        if value:  # an empty one is not set
            ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("must be an IP address (a name would need a resolver that may be down)") from None


def _one_of(*choices: str) -> Callable[[str], None]:
    def rule(value: str) -> None:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")

    return rule


def place(endpoint: str) -> tuple[str, int]:
    """ADDRESS:PORT taken apart; raises ValueError."""
    address, _, port = endpoint.rpartition(":")
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if "://" in endpoint or not port.isdecimal() or (":" in bare and bare == address):
        raise ValueError("must be ADDRESS:PORT each ([ADDRESS]:PORT for IPv6), without https:// (it is always TLS)")
    _address(bare or "?")
    _port(int(port))
    return bare, int(port)


def _endpoints(value: tuple[str, ...]) -> None:
    for endpoint in value:
        place(endpoint)
    if len(set(map(place, value))) < len(value):
        raise ValueError("names a member twice")


Address = Annotated[str, _address]
Port = Annotated[int, _port]
Seconds = Annotated[float, _positive]  # a time that may be 0 is a float
Count = Annotated[int, _positive]

# --- the sections ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cluster:
    """[cluster]"""

    name: str


@dataclass(frozen=True)
class Node:
    """[node]: this node."""

    name: str
    address: Address
    bmc_address: Address = ""  # this node's own BMC, which its peer's agents lead to; none of its own may


@dataclass(frozen=True)
class Peer:
    """[peer]: the other node."""

    name: str
    address: Address

    @property
    def slot(self) -> str:
        """Its replication slot: its name, as far as PostgreSQL allows one (role streaming_replication)."""
        return slot_of(self.name)


@dataclass(frozen=True)
class Vip:
    """[vip]"""

    address: Address
    prefix: int = 24
    interface: str = "eth0"
    style: Annotated[str, _one_of("iproute2", "ifup")] = "iproute2"  # ifup: the document's `sudo ifup eth0:1`
    arp_announcements: int = 5


@dataclass(frozen=True)
class Vote:
    """[vote]: the vote host's proxy."""

    address: Address
    port: Port = 11921


@dataclass(frozen=True)
class Postgresql:
    """[postgresql]: the server here, and how its peer's is spoken to."""

    port: Port = 1921
    bin_dir: str = "/opt/pgsql/bin"
    data_dir: str = "/data/pgdata/pg_root"
    socket_dir: str = "/data/pgdata/pg_root"
    database: str = "sky_pg_cluster"
    user: str = "sky_pg_cluster"
    superuser: str = "postgres"  # over the Unix socket, as the operating system's user that runs skyhad (peer)
    # Where the user that PostgreSQL runs as does errands for skyhad; '': skyhad is that user itself (world/errand.py).
    errands: str = ""
    passfile: str = "/home/postgres/.pgpass"
    # Of the HA role's connections. verify-full: the server's certificate is signed by one of sslrootcert and names the address that was
    # meant; verify-ca: it is signed by one of them.
    sslmode: Annotated[str, _one_of("disable", "prefer", "require", "verify-ca", "verify-full")] = "disable"
    sslrootcert: str = ""

    @property
    def verifies(self) -> bool:
        """Is a server believed only if its certificate is good?"""
        return self.sslmode.startswith("verify-")


@dataclass(frozen=True)
class Failover:
    """[failover]: what may be lost, and what is done alone."""

    max_lag_seconds: float = 30.0  # the document's: 180
    max_lag_bytes: int = 0  # 0: no limit in bytes
    # What a tablespace that cannot be written means.
    tablespace_policy: Annotated[str, _one_of("alarm", "failover")] = "alarm"
    auto_rejoin: bool = True
    keep_slots: tuple[str, ...] = ()  # physical slots of others that the standby keeps a copy of


@dataclass(frozen=True)
class Fence:
    """[fence]"""

    action: Annotated[str, _one_of("off", "reset")] = "off"  # reset: the document's, the weaker proof
    power_on_after: bool = True  # switch the peer on again after a failover
    # Names of agents, tried in this order; of those joined by '+' (two power supplies) each must switch off. '': as they stand in the file
    levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Register:
    """[register]: where it stands which node may write."""

    # none: nowhere, so the fence is the only proof; external: a PostgreSQL that exists, with the same functions; etcd: a key there
    engine: Annotated[str, _one_of("none", "vote_host", "external", "etcd")] = "none"
    address: Address = ""
    port: Port = 11920
    user: str = ""  # '': register_CLUSTER
    passfile: str = "/etc/skyha/register.pgpass"  # in libpq's format, a line for this user; mode 0600
    sslmode: Annotated[str, _one_of("disable", "prefer", "require")] = "disable"  # of a PostgreSQL
    lease: Seconds = 3.0  # for so long a renewal lets the holder write, while an heir stands in the register
    # Of etcd: the members, always by TLS, the nearest first; the certificates by which they are known; and a file with the user's password
    endpoints: Annotated[tuple[str, ...], _endpoints] = ()
    cafile: str = ""
    password_file: str = "/etc/skyha/register.password"

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """The members' addresses and ports."""
        return tuple(map(place, self.endpoints))

    @property
    def where(self) -> str:
        """For people."""
        if self.engine == "etcd":
            return ", ".join(self.endpoints)
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Watchdog:
    """[watchdog]: the timer that resets this host unless skyha feeds it."""

    device: str = ""  # '': none, so there is no lease
    timeout: Count = 4  # whole seconds, as drivers have it


@dataclass(frozen=True)
class Signs:
    """[signs]: the datagrams by which both skyhas tell each other that they live. A lease needs them; without one they make looks quicker."""

    port: int = 0  # UDP, the same on both nodes; 0: none
    keyfile: str = "/etc/skyha/signs.key"  # what signs them: the same text on both nodes; mode 0600


@dataclass(frozen=True)
class Replication:
    """[replication]: what a commit that was acknowledged is worth."""

    # zero_loss: a commit waits until the standby has it too, and only a standby that has everything is ever promoted by itself
    mode: Annotated[str, _one_of("async", "zero_loss")] = "async"
    sync_commit: Annotated[str, _one_of("on", "remote_apply")] = "on"  # zero_loss: synchronous_commit
    sync_patience: Seconds = (
        3.0  # zero_loss: for so long commits wait for a standby that is gone; then it is the heir no more
    )


@dataclass(frozen=True)
class Backup:
    """[backup]: what `skyctl backup-report` looks at, and how old it may be. Without a stanza no backups are configured."""

    stanza: str = ""  # pgBackRest's name of this cluster
    config: str = "/etc/sky-backup/pgbackrest.conf"  # pgBackRest's configuration
    max_age: Seconds = 108000.0  # of the newest backup
    archive_max_age: Seconds = 600.0  # for so long a finished piece of WAL may wait for the archive
    verify_max_age: Seconds = 777600.0  # since a backup was last tried by a restore
    queue_directory: str = "/var/spool/sky-backup"  # pgBackRest's spool-path


@dataclass(frozen=True)
class Agent:
    """[agent NAME]: one way to reach the peer's power."""

    name: str
    kind: Annotated[str, _one_of("ipmi", "command")] = ""
    address: Address = ""
    port: Port = 0  # 0: IPMI's own; a command is told none, as each fence agent has one of its own
    user: str = ""
    password_file: str = ""
    privilege: Annotated[str, _one_of("callback", "user", "operator", "administrator")] = "operator"
    cipher: int = 3  # IPMI cipher suite; pyghmi speaks 3 and 17
    off: str = ""  # command agent: the command lines
    on: str = ""
    status: str = ""
    reset: str = ""


@dataclass(frozen=True)
class Http:
    """[http]"""

    listen: tuple[str, ...] = ("127.0.0.1:8008",)


@dataclass(frozen=True)
class Paths:
    """[paths]"""

    state_dir: str = "/var/lib/skyha"
    run_dir: str = "/run/skyha"
    rewind_dir: str = ""  # what a pg_rewind keeps, writable to who does the errands; '': state_dir

    @property
    def of_rewinds(self) -> str:
        """The directory of what a pg_rewind keeps."""
        return self.rewind_dir or self.state_dir


@dataclass(frozen=True)
class Hooks:
    """[hooks]: the operator's commands, see docs/operations.md."""

    role_change: str = ""
    failover: str = ""
    fence_failed: str = ""
    deadline: Seconds = 30.0


@dataclass(frozen=True)
class Timing:
    """[timing]: how long to be patient. Seconds, but for the counts. The class seen on the VIP path picks the patience."""

    profile: str = "fast"  # of PROFILES: where the other keys' defaults come from
    interval: Seconds = 1.0  # between quiet cycles
    retry_interval: Seconds = 0.1  # between cycles while something is wrong
    look_deadline: Seconds = 0.6  # the longest that one look at one path takes
    failures_before_failover: Count = 3  # looks in a row that found the primary unreachable
    restart_grace: float = 5.0  # refused / dropped: time for a restart in place
    hang_timeout: float = 6.0  # stalled: time for a slow server to answer
    standstill_timeout: float = 2.0  # stalled, and its skyha is silent, too, or says that PostgreSQL is stopped
    fresh_every: Seconds = 5.0  # the standby: a new connection along one path; the primary: a look along its own
    arming_window: Seconds = 15.0  # how long a good sign keeps a node armed
    bmc_check_interval: Seconds = 60.0  # between two checks of the peer's BMC
    bmc_retry_interval: float = 10.0  # the same after a failed check
    fence_attempts: Count = 60  # attempts to fence, then skyha waits for the operator
    fence_interval: float = 1.0  # between two attempts
    fence_deadline: Seconds = 10.0  # the longest that one attempt takes, reading back included
    silence_deadline: Seconds = 0.3  # after the fence: how long to listen whether anything still answers
    promote_deadline: Seconds = 60.0  # for a failover to end, then an alarm; the promotion itself goes on
    start_deadline: Seconds = 60.0  # for PostgreSQL to come up, then an alarm
    restart_attempts: int = 3  # in place, before the primary gives up and leaves it to the standby
    flap_guard: float = 300.0  # no second failover within that time of the last
    dad_wait: float = 0.3  # how long to listen for another holder before the VIP is taken
    switchover_deadline: Seconds = 30.0  # for a switchover to hand over, then the old primary serves again

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
    def quiet_cycle(self) -> float:
        """The longest time from one look of a node without trouble to the next: its own, the peer's, the pause."""
        return min(self.interval, MAX_WAIT) + 2 * self.look_deadline

    @property
    def least_lease(self) -> float:
        """The shortest lease in which a renewal may be lost, and the next one is answered, with the server here and the peer well."""
        return min(self.interval, MAX_WAIT) + self.look_deadline + self.troubled_cycle

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
    profile="document",
    interval=2.0,
    retry_interval=2.0,
    look_deadline=2.0,
    failures_before_failover=10,
    restart_grace=20.0,
    hang_timeout=20.0,
    standstill_timeout=20.0,
    arming_window=60.0,
    flap_guard=0.0,
)
PROFILES: Mapping[str, Timing] = {"fast": Timing(), "document": DOCUMENT}


@dataclass(frozen=True)
class Config:
    """The whole configuration of one node."""

    cluster: Cluster
    node: Node
    peer: Peer
    vip: Vip
    vote: Vote
    postgresql: Postgresql = Postgresql()
    failover: Failover = Failover()
    fence: Fence = Fence()
    register: Register = Register()
    watchdog: Watchdog = Watchdog()
    signs: Signs = Signs()
    replication: Replication = Replication()
    backup: Backup = Backup()
    agents: tuple[Agent, ...] = ()
    http: Http = Http()
    paths: Paths = Paths()
    hooks: Hooks = Hooks()
    timing: Timing = Timing()

    @property
    def fences(self) -> tuple[tuple[Agent, ...], ...]:
        """The levels: in each, the agents that must all switch off."""
        if not self.fence.levels:
            return tuple((agent,) for agent in self.agents)
        named = {agent.name: agent for agent in self.agents}
        return tuple(tuple(named[name] for name in level.split("+")) for level in self.fence.levels)

    @property
    def has_register(self) -> bool:
        """Does a register say who may write?"""
        return self.register.engine != "none"

    @property
    def has_backup(self) -> bool:
        """Are backups configured?"""
        return bool(self.backup.stanza)

    @property
    def zero_loss(self) -> bool:
        """Do commits wait for the standby while it may take over?"""
        return self.replication.mode == "zero_loss"

    @property
    def has_lease(self) -> bool:
        """May the peer take over by time, where the power of this host cannot be proven off?"""
        return self.has_register and bool(self.watchdog.device)

    @property
    def register_user(self) -> str:
        """Its login for this cluster, as roles vote_host_register and register_etcd make it."""
        return self.register.user or f"register_{self.cluster.name}"

    @property
    def peer_http(self) -> str | None:
        """Where the peer serves HTTP, as ADDRESS:PORT: both nodes are set up alike. None: on no address of its own."""
        for listen in self.http.listen:
            host, _, port = listen.rpartition(":")
            if host.strip("[]") in (self.node.address, "0.0.0.0", "::"):
                peer = self.peer.address
                return f"[{peer}]:{port}" if ":" in peer else f"{peer}:{port}"
        return None


def laid_over(config: Config, sections: Mapping[str, Mapping[str, Any]]) -> Config:
    """The configuration with some keys of some sections instead."""
    changed = {name: dataclasses.replace(getattr(config, name), **keys) for name, keys in sections.items()}
    return dataclasses.replace(config, **changed)


def sync_names(node: str) -> str:
    """What synchronous_standby_names says where commits wait for this node: its application_name (role streaming_replication)."""
    quoted = node.replace('"', '""')
    return f'FIRST 1 ("{quoted}")' if node else ""


def slot_of(node: str) -> str:
    """The name of a node's replication slot, as far as PostgreSQL allows its own."""
    return re.sub("[^a-z0-9_]", "_", node.lower())
