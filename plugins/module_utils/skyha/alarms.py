# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every alarm code that skyha can raise: how bad it is, what it means, what to do. This is the only place that says so.

skyctl, the status page, the Nagios checks, the metrics and docs/alarms.md read it; tests/unit/test_alarms.py finds every code
in the source and demands its entry. The sentence beside a code says what was seen; what is written here holds for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .words import Do


class Severity(str, Enum):
    """How bad it is. The words are those of Nagios and of Prometheus' rules."""

    CRITICAL = "critical"  # clients are without a database, or the next failure makes it so: wake somebody
    WARNING = "warning"  # it passes by itself, was ordered, or can wait until the morning


@dataclass(frozen=True)
class Alarm:
    """What a code means.

    check: the Nagios check that shows it (check_sky_pg_clusterd shows what no other does).
    rule: the rule in monitoring/prometheus-rules.yml that shows it, where one of its own does.
    disarms: as a reason in `not_armed`: a failover would not work while it lasts.
    """

    severity: Severity
    meaning: str
    next: str
    check: str = "check_sky_pg_clusterd"
    rule: str = ""
    disarms: bool = False


_BAD, _MILD = Severity.CRITICAL, Severity.WARNING
_ALIVE, _ARMED = "check_sky_pg_clusterd", "check_skyha_armed"


def _against(severity: Severity, meaning: str, step: str, check: str = _ARMED) -> Alarm:
    """A reason against a failover."""
    return Alarm(severity, meaning, step, check, "" if check == _ALIVE else "SkyhaNotArmed", disarms=True)


def _of_backup(severity: Severity, meaning: str, step: str, rule: str) -> Alarm:
    """What check_sky_backup shows."""
    return Alarm(severity, meaning, step, "check_sky_backup", rule)


# Actions without which clients stay without a database, or two nodes may write.
_VITAL = (Do.START_POSTGRES, Do.STOP_POSTGRES, Do.KILL_POSTGRES, Do.PROMOTE, Do.PROMOTE_PEER, Do.ADD_VIP, Do.DROP_VIP)

ALARMS: Mapping[str, Alarm] = {
    # --- what stops a failover (policy/armed.py and policy/standby.py) ---
    "vote_path": _against(
        _BAD,
        "No heartbeat came through the vote host: nobody could tell a dead primary from a cut cable.",
        "on the vote host look at sky-vote-proxy.service; from here try psql through the vote port",
    ),
    "replication": _against(
        _BAD,
        "The standby receives no WAL: a failover would lose what was committed since.",
        "look at PostgreSQL's log on the standby for what its WAL receiver says",
    ),
    "note": _against(
        _BAD,
        "The primary's skyha has not written down that this standby may be promoted.",
        "is skyha running on the primary? 'systemctl status skyha' there",
    ),
    "record": Alarm(
        _BAD,
        "skyha's record cannot be written: what is not on record is not done, so nothing would be promoted.",
        "make room on the file system of /var/lib/skyha, see 'df' and 'df -i'; it must belong to the user that runs skyhad",
        disarms=True,
    ),
    "register": _against(
        _BAD,
        "The register does not answer: without it nothing is promoted.",
        "the alarm's text names what was asked: on the vote host look at sky-register.service, with etcd on the members at sky-etcd.service; from "
        "here try its port",
    ),
    "heir": _against(
        _BAD,
        "The register does not name this standby as the primary's heir, so it could not take over.",
        "it is named once it streams and is on the primary's record, and (zero loss) has everything: see 'skyctl explain' there; if the "
        "primary is dead for good, and what the sentence says may be lost, 'skyctl takeover' here",
    ),
    "not_holder": Alarm(
        _BAD,
        "PostgreSQL runs here as primary, and the register says that the other node may write: it is stopped.",
        "see the history of both nodes for how it came to run",
    ),
    "lease_over": Alarm(
        _BAD,
        "Neither the register nor the standby let this primary write on, and the standby may take over: PostgreSQL here is stopped.",
        "see to the register (sky-register.service on the vote host; sky-etcd.service on the members) and the network; it starts again as soon as "
        "the register says so, or by 'skyctl takeover' here where the peer is off for good",
    ),
    "watchdog": Alarm(
        _MILD,
        "This host's watchdog cannot be leant on, so there is no lease while it is the primary: only a fence lets the standby take over.",
        "see the alarm's text; 'ls -l /dev/watchdog*' and the kernel's log tell of the device",
    ),
    "signs": Alarm(
        _MILD,
        "The nodes' signs of life do not arrive: a primary that dies is seen up to a second later. A lease goes on by the register alone: the "
        "primary would stop if that were lost.",
        "see that the UDP port is open both ways, skyha runs on both nodes, and /etc/skyha/signs.key is the same there",
    ),
    "register_member": Alarm(
        _MILD,
        "A member of the register's etcd does not answer, or not well: with a majority gone the register would be silent.",
        "look at sky-etcd.service on the host that the alarm's text names; one that lost its data joins as role register_etcd's README says",
    ),
    "register_missing": _against(
        _BAD,
        "The register has no row of this cluster: it was made anew. The primary makes one while its standby streams.",
        "see that the standby streams; if the login is another cluster's, see [register] in skyha.conf",
    ),
    "register_back": _against(
        _BAD,
        "The register is older than what this node has seen of it (restored, or made anew): nothing of it counts.",
        "see that the standby streams: the primary writes a newer row then",
    ),
    "register_foreign": _against(
        _BAD,
        "The register's row belongs to another cluster of the same name.",
        "give one of the two another name, or remove the old row (decommission.yml of that cluster)",
    ),
    "bmc": _against(
        _BAD,
        "The peer's BMC cannot be used, or contradicts what was seen: the peer could not be fenced.",
        "'skyctl fence-test'; see to the BMC's address, user, password and its network",
        "check_fence",
    ),
    "fence_device": Alarm(
        _MILD,
        "A device by which the peer could be switched off does not answer, or contradicts another; a failover would use another level.",
        "'skyctl fence-test' names it; see to its address, user and password, to the outlet that it is set for, and its network",
        "check_fence",
    ),
    "not_standby": _against(
        _BAD,
        "PostgreSQL here is no running standby.",
        "look at 'systemctl status sky-postgresql' and PostgreSQL's log on this node",
    ),
    "catch_up": _against(
        _MILD,
        "The standby was started and has not caught up with its primary yet.",
        "wait; if it stays, look at PostgreSQL's log on the standby",
    ),
    "lag": _against(
        _BAD,
        "The standby was too far behind: a failover would lose more than the limit allows.",
        "look at the load, the network and 'select * from pg_stat_wal_receiver'; the limit is [failover] max_lag_seconds",
        "check_standby_lag",
    ),
    "replay_paused": _against(
        _BAD, "Somebody has paused WAL replay on the standby.", "on the standby: select pg_wal_replay_resume();"
    ),
    "paused": _against(_MILD, "An operator has paused the cluster: nothing automatic happens.", "'skyctl resume'"),
    "fence_distrusted": _against(
        _BAD,
        "A BMC said off, and the host answered after that: its word is no proof any more.",
        "make sure that the BMC configured is that of the peer, then 'skyctl acknowledge'",
    ),
    "flap_guard": _against(
        _MILD,
        "The last failover is so recent that no second one may follow.",
        "wait; find out meanwhile why the last one happened: 'skyctl history 1' on the new primary",
    ),
    "switchover": _against(_MILD, "A switchover is under way.", "wait"),
    "evidence": _against(
        _BAD,
        "When the primary fell silent, something that a failover leans on had not been seen working.",
        "mend what the sentence names; if the primary is dead for good, 'skyctl takeover' on the standby",
    ),
    "too_late": _against(
        _BAD,
        "The primary was given up so long ago that it may have noted that it is alone, and would serve after a fence.",
        "make sure that its host is off and stays off, then 'skyctl takeover' on the standby",
    ),
    "cut_off": _against(
        _BAD,
        "Neither the primary nor the vote port is reached: it may be this node that is cut off, so nobody is fenced.",
        "look at this node's own network and at the vote host; if the primary is dead for good, 'skyctl takeover' here",
        _ALIVE,
    ),
    "vip_elsewhere": _against(
        _BAD,
        "Another host answers for the VIP while the primary lives: clients reach the wrong host, and a fence would not change that.",
        "find the host that answers for the VIP: 'ip neigh', 'arping'",
        _ALIVE,
    ),
    "blind": _against(
        _BAD,
        "This node cannot look at all (no memory, no open files left ...): what it does not see proves nothing.",
        "look at this node's memory, its open files (skyha.service) and the kernel's log",
        _ALIVE,
    ),
    "no_failover": _against(
        _BAD,
        "The primary shows no life, and this standby may not take over.",
        "is the primary dead? Start it again if that can be done, or mend what the sentence names; if it is dead for good, "
        "'skyctl takeover' here",
        _ALIVE,
    ),
    "fence_failed": _against(
        _BAD,
        "The primary shows no life and could not be switched off, so nothing is promoted.",
        "mend the BMC; or make sure that the host is off and run 'skyctl confirm-off'",
        _ALIVE,
    ),
    # --- a failover under way ---
    "trouble": Alarm(_MILD, "The primary shows no life; it is not yet given up.", "wait some seconds"),
    "fencing": Alarm(
        _BAD, "The primary is given up and is being switched off.", "wait; 'skyctl status' shows how far it is"
    ),
    "listening": Alarm(
        _BAD,
        "The BMC says that the primary is off, and something still answers.",
        "is the BMC that of the peer? Else find the host that answers for the VIP: 'ip neigh', 'arping'",
    ),
    "promotion": Alarm(
        _BAD,
        "PostgreSQL was told to promote and does not leave recovery.",
        "look at PostgreSQL's log on this node: replay may wait for a reader (pg_stat_activity) or for the disk",
    ),
    "stopping": Alarm(
        _MILD,
        "PostgreSQL on the primary is being stopped as planned: nobody is fenced for that.",
        "wait for its end; if it hangs see PostgreSQL's log there, after 300 s it counts as a failure",
    ),
    "renews": Alarm(
        _BAD,
        "Nothing is seen of the primary along either path, but it renews in the register, so it lives: nobody is fenced.",
        "look at the link between the nodes, and on the vote host at sky-vote-proxy.service; do clients reach the primary?",
    ),
    "handed_over": Alarm(
        _BAD,
        "A switchover handed over to the peer, and the peer is not primary yet; this node does not serve meanwhile.",
        "look at the peer: 'skyctl status' and PostgreSQL's log there; if it is gone for good, 'skyctl takeover' here",
    ),
    "failover": Alarm(
        _MILD,
        "A failover made this node the primary, and nobody has read of it.",
        "'skyctl history 1', see that the old primary is back as a standby, then 'skyctl acknowledge'",
        rule="SkyhaFailoverHappened",
    ),
    # --- a primary, or a node that is down ---
    "standby": Alarm(
        _BAD,
        "No standby streams: if the primary dies now, nothing can take over.",
        "look at the other node: 'systemctl status skyha sky-postgresql' there; or run failover_rebuild.yml",
        "check_standby_lag",
        "SkyStandbyNotStreaming",
    ),
    # --- zero loss, on the primary (policy/sync.py) ---
    "commits_wait": Alarm(
        _BAD,
        "Commits wait for a standby that is gone, hung or slow: clients hang in them. It is given up after sync_patience, once the register has heard.",
        "see to the standby or to the register, whichever is back sooner; if neither will be, see 'Zero loss' in docs/operations.md",
        rule="SkyhaCommitsWait",
    ),
    "not_protected": Alarm(
        _MILD,
        "Zero loss does not hold now: what is committed is on this node only, and the standby does not take over by itself.",
        "read the sentence: it says what skyha waits for, and mostly ends by itself; else look at the standby",
        rule="SkyhaNotProtected",
    ),
    "sync_overridden": Alarm(
        _BAD,
        "Somebody's setting of synchronous_standby_names stands over skyha's, so no commit can be relied upon to be on the standby.",
        "select name, setting, sourcefile from pg_settings where name = 'synchronous_standby_names'; then alter system reset it, or take it out of "
        "there",
    ),
    "sync_double": Alarm(
        _BAD,
        "Two standbys stream by the name of the peer: commits may have waited for the wrong one, so none is the heir.",
        "select pid, client_addr, application_name from pg_stat_replication; stop the one that is not the peer, or give it another application_name",
    ),
    "sync_lowered": Alarm(
        _MILD,
        "Roles or databases have a synchronous_commit of their own by which their commits do not wait for the standby: a failover may lose them.",
        "alter role ... reset synchronous_commit (or alter database ...), unless that is meant",
    ),
    "two_primaries": Alarm(
        _BAD,
        "Both nodes run as primary.",
        "keep clients off, and stop PostgreSQL on the node with the older timeline ('skyctl status' on both)",
        rule="SkyClusterTwoPrimaries",
    ),
    "unlawful": Alarm(
        _BAD,
        "PostgreSQL runs as primary, and skyha did not start it: it gets no VIP.",
        "see 'A standby was promoted by hand' and 'Only the old primary comes back' in docs/operations.md: "
        "'skyctl takeover' here, if the peer is gone for good",
    ),
    "other_cluster": Alarm(
        _BAD,
        "The data here, or PostgreSQL on the peer, belongs to another cluster.",
        "is the right disk mounted, and data_dir the right directory? On purpose: 'A new cluster on nodes that had one' in "
        "docs/operations.md",
    ),
    "storage": Alarm(
        _BAD,
        "A tablespace's files, or the WAL's, are not where they were: PostgreSQL is not started over that, and not promoted.",
        "mount the disk that is named ('findmnt', /etc/fstab); nothing else is to be done",
        disarms=True,
    ),
    "no_data": Alarm(
        _BAD,
        "The data directory that this node's record speaks of is not there.",
        "mount the data directory's disk; if it is lost for good run failover_rebuild.yml",
    ),
    "down": Alarm(
        _BAD,
        "PostgreSQL does not run on this node, or does not answer.",
        "read the sentence: it says what skyha waits for; then PostgreSQL's log and 'systemctl status sky-postgresql'; if it "
        "waits for a peer that is gone for good, 'skyctl takeover' here",
    ),
    "replay_lag": Alarm(
        _MILD,
        "The standby has received WAL that it has not replayed for longer than the limit: nothing of it is lost, queries there read old data.",
        "end the readers that the sentence names (pg_terminate_backend), or look at the load of the standby",
        "check_standby_lag",
    ),
    "vip_conflict": Alarm(
        _BAD,
        "Another host answers for the VIP, or it could not be listened for one.",
        "find the host that answers for the VIP: 'ip neigh', 'arping'",
        "check_vip",
        "SkyClusterVipConflict",
    ),
    "power_on": Alarm(
        _MILD,
        "The old primary was switched off by a failover and could not be switched on again.",
        "switch it on by hand, and see to its BMC ('skyctl fence-test')",
    ),
    "slots": Alarm(
        _MILD,
        "A replication slot that is not skyha's holds WAL, or is lost or left behind.",
        "select * from pg_replication_slots; see 'Slots of others' in docs/operations.md",
    ),
    "slot_lost": Alarm(
        _BAD,
        "The standby's replication slot has lost WAL that it needs.",
        "run failover_rebuild.yml, unless that node catches up from an archive",
    ),
    "checkpoint": Alarm(
        _BAD,
        "PostgreSQL makes no checkpoints: WAL grows without bound.",
        "ps -C postgres u | grep checkpointer (state T: stopped, kill -CONT it); PostgreSQL's log; df of pg_wal",
    ),
    "connections": Alarm(
        _MILD,
        "All connections for clients are in use: new clients are refused.",
        "select usename, state, count(*) from pg_stat_activity group by 1, 2; or raise max_connections",
    ),
    "local": _against(
        _BAD,
        "PostgreSQL here answers skyha's own question with an error.",
        "if skyha's objects are missing run the role ha_schema (site.yml --tags ha_schema); see PostgreSQL's log",
        _ALIVE,
    ),
    "wrong_server": Alarm(
        _BAD,
        "A path that should lead to the primary leads to a standby, to this node itself, or to another cluster: what answers there "
        "says nothing of the primary.",
        "on the vote host see where sky-vote-proxy.service forwards to; find who holds the VIP: 'ip neigh', 'arping'",
    ),
    "path_vip": Alarm(
        _MILD,
        "The primary lives, but the heartbeat through the VIP fails.",
        "see what the sentence says; try psql to the VIP from this node",
    ),
    "path_vote": Alarm(
        _MILD,
        "The primary lives, but the heartbeat through the vote host fails.",
        "on the vote host look at sky-vote-proxy.service and what it forwards to",
    ),
    # --- the backups (policy/backup.py): none of them stops a failover ---
    "backup_old": _of_backup(
        _MILD,
        "There is no backup, or the newest one is older than it may be: a restore would have to replay more WAL, or is not possible.",
        "'skyctl backup'; on the nodes 'systemctl list-timers \"sky-backup*\"' and the journal of what failed",
        "SkyBackupOld",
    ),
    "backup_repository": _of_backup(
        _MILD,
        "The repository does not answer this node: it could neither back up nor restore, and as primary not archive.",
        "what the sentence says is pgBackRest's own word: see to the repository's host, the way there and the keys, then 'skyctl backup'",
        "SkyBackupRepository",
    ),
    "backup_damaged": _of_backup(
        _BAD,
        "The newest backup found pages of the database that do not fit their checksums: a disk or memory of the primary damages data.",
        "see the backup's log for the files; have the hardware examined; compare with the standby before a backup that was good expires",
        "SkyBackupDamaged",
    ),
    "backup_unverified": _of_backup(
        _MILD,
        "The last trial of a backup by a restore failed, is too old, or there was none: nobody knows whether a restore would work.",
        "run the trial again and read what it says; 'skyctl backup' shows the last one",
        "SkyBackupUnverified",
    ),
    "archive": _of_backup(
        _MILD,
        "WAL does not get into the archive, or lacks there: a restore ends before now, and pg_wal grows.",
        "PostgreSQL's log on the primary names what pgBackRest says; where the archive lacks WAL take a new backup",
        "SkyArchiveFails",
    ),
    "archive_off": _of_backup(
        _MILD,
        "Backups are configured, and PostgreSQL archives nothing: a restore ends with the newest backup.",
        "run site.yml, which sets archive_mode and archive_command; archive_mode needs a restart",
        "SkyArchiveOff",
    ),
    "wal_disk": _of_backup(
        _MILD,
        "The disk of the WAL gets full, or how full it is cannot be told.",
        "'skyctl backup' and 'skyctl explain': an archive that fails, a slot that holds WAL; else make room. Never delete files of pg_wal",
        "SkyWalDisk",
    ),
    "wal_disk_full": _of_backup(
        _BAD,
        "The disk of the WAL is nearly full: PostgreSQL stops once it is.",
        "make room at once, but never delete files of pg_wal; 'skyctl backup' and 'skyctl explain' say what holds WAL",
        "SkyWalDiskFull",
    ),
    "certificate": Alarm(
        _MILD,
        "PostgreSQL's certificate, or that of its CA, ends within 30 days, or until when it lasts is not known. Once it has ended the servers serve "
        "on, but let in nobody new who looks at it: neither the standby, nor skyha, so there is no failover.",
        "playbooks/rotate_certificates.yml makes new ones; where they are given, give new ones first; a CA's own certificate is renewed by site.yml",
    ),
    "certificate_bad": Alarm(
        _BAD,
        "PostgreSQL's certificate is not one to believe, or ends within 7 days: the standby and skyha do not get in again once their connections end.",
        "playbooks/rotate_certificates.yml makes new ones; where they are given, give new ones first",
    ),
    "backup_report": _of_backup(
        _MILD,
        "What is known of the backups is old or cannot be read: whether they are good is not known.",
        "on that node 'systemctl status sky-backup-report.timer', 'journalctl -u sky-backup-report'",
        "SkyBackupReport",
    ),
    # --- what skyha was to do and could not ---
    **{
        f"action_{do.value}": Alarm(
            _BAD if do in _VITAL else _MILD,
            f"skyha's action '{do.value}' fails; it is tried again.",
            "see what the sentence says, and 'journalctl -u skyha'",
        )
        for do in Do
    },
}
_UNLISTED = Alarm(
    _BAD, "This skyha does not know the code: the nodes run different versions.", "'skyctl explain' on the other node"
)


def of(code: str) -> Alarm:
    """What the code means. One that is not listed (another version's) is taken seriously."""
    return ALARMS.get(code, _UNLISTED)
