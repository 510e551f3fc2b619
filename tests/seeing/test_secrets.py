# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No secret of the inventory is shown: not on the pages, in metrics, logs and journals, not to `ps`, not by -vvv.

Every search is tried on a planted one, too: it must be found wherever it was put.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

import pytest

from tests.lab import faults, lab, places, secrets

SECRETS = secrets.all_of_them()
# What writes these files again has every secret in hand.
FILES = {
    "node1": ["/etc/skyha/*.password", "~postgres/.pgpass"],
    "node2": ["/etc/skyha/*.password", "~postgres/.pgpass"],
    "monitor": ["/etc/nagios4/htdigest.users"],
}
# The roles that are given a secret. (That the others show none is seen when the cluster is built: tests/host/test_secrets.py.)
ROLES = "streaming_replication,ha_schema,skyha_daemon,nagios_nrpe"
DECOY = {"decoy": "PLANTED_decoy_4711"}


@dataclass
class Watched:
    """The processes that were watched during a site.yml and a failover, and what the playbook printed."""

    processes: secrets.Processes
    output: str


def site(*arguments: str) -> str:
    """These roles of site.yml with all that they can print."""
    program = str(lab.ROOT / ".venv/bin/ansible-playbook")
    done = subprocess.run(
        [program, "-i", "inventory/lab", "site.yml", "--tags", ROLES, "-vvv", "--diff", *arguments],
        cwd=lab.ROOT,
        env={**os.environ, secrets.MARK: "1", "ANSIBLE_FORCE_COLOR": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def watched(whole_cluster: None) -> Watched:
    """Write every file of secrets again by site.yml, then fail over, and watch all processes meanwhile."""
    lab.on("node1", "skyctl", "pause")  # nobody fails over while the password files are away
    for host, files in FILES.items():
        lab.on(host, "sh", "-c", f"rm -f {' '.join(files)}")
    with secrets.Processes(SECRETS) as processes:
        output = site()
        for node in lab.NODES:
            lab.on(node, "skyctl", "resume")
        faults.make_whole()
        faults.power_loss(lab.primary())
        faults.make_whole()
    return Watched(processes, output)


def test_playbook_shows_none_at_its_most_talkative(watched: Watched) -> None:
    assert "TASK [sky.pg_cluster.skyha_daemon" in watched.output
    changed = [line for line in watched.output.splitlines() if line.startswith("changed: [")]
    assert len(changed) >= 5, "the files of secrets were not written again"
    assert secrets.seen_in(watched.output, SECRETS) == []


def test_check_mode_shows_none(watched: Watched) -> None:
    for host, files in FILES.items():
        lab.on(host, "sh", "-c", f"for f in {' '.join(files)}; do cp -p $f $f.kept; echo other >> $f; done")
    try:
        output = site("--check")
    finally:
        for host, files in FILES.items():
            lab.on(host, "sh", "-c", f"for f in {' '.join(files)}; do mv $f.kept $f; done")
    assert "TASK [sky.pg_cluster.skyha_daemon" in output
    assert secrets.seen_in(output, SECRETS) == []


def test_no_process_shows_any(watched: Watched) -> None:
    assert watched.processes.count > 500
    assert sorted(watched.processes.found) == []


def test_a_process_that_shows_one_is_found() -> None:
    with secrets.Processes(DECOY) as processes:
        lab.on("node1", "sh", "-c", f"sh -c 'sleep 2; true' {DECOY['decoy']}")
        lab.on("node2", "env", f"PGPASSWORD={DECOY['decoy']}", "sleep", "2")
        subprocess.run(["sleep", "2"], env={secrets.MARK: "1", "PASSWORD": DECOY["decoy"]}, check=True)
    said = "\n".join(sorted(processes.found))
    for words in (
        "node1: the command line of sh",
        "node2: the environment of sleep",
        "control machine: the environment of",
    ):
        assert words in said, said


SHOWN = {
    "monitor": {
        "Nagios' objects, status and log": "cat /etc/nagios4/conf.d/*.cfg /var/lib/nagios4/*.dat /var/log/nagios4/*.log",
        "journal": "journalctl --no-pager -o export --all | tr -cd '[:print:]\\n'",
        "processes": "ps -eo args; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; true",
    }
} | {
    node: {
        "status": "cat /run/skyha/status.json; skyctl status; skyctl status --json; true",
        "explain": "skyctl explain; skyctl fence-test; skyctl check-config; true",
        "history": "cat /var/lib/skyha/history.jsonl*; skyctl history; skyctl history 1 --json; true",
        "state": "cat /var/lib/skyha/state.json",
        "configuration": "cat /etc/skyha/skyha.conf /usr/local/nagios/etc/nrpe.cfg",
        "journal": "journalctl --no-pager -o export --all | tr -cd '[:print:]\\n'",
        "PostgreSQL's log": "cat /var/applog/pg_log/*/*/*",
        "PostgreSQL's own view": "runuser -u postgres -- bash -lc \"psql -X -At -c 'select query from pg_stat_activity' "
        "-c 'select conninfo from pg_stat_wal_receiver' -c 'select name, setting from pg_settings' "
        "-c 'select * from pg_file_settings'\"",
        "processes": "ps -eo args; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; true",
    }
    for node in lab.NODES
}


@pytest.mark.parametrize(("host", "what"), [(host, what) for host, all_of in SHOWN.items() for what in all_of])
def test_host_shows_none(watched: Watched, host: str, what: str) -> None:
    text = lab.on(host, "sh", "-c", SHOWN[host][what])
    assert len(text) > 40, f"nothing to search in: {text!r}"
    assert secrets.seen_in(text, SECRETS) == []


def test_http_and_nagios_show_none(watched: Watched, primary: str, standby: str) -> None:
    shown = [places.http(node, path)[1] for node in lab.NODES for path in ("/", "/status.json", "/metrics", "/health")]
    shown.append(places.nagios("status.cgi?host=all"))
    shown += [
        places.nagios(f"extinfo.cgi?type=2&host={node}&service={name.replace(' ', '+')}")
        for node in lab.NODES
        for _, name in places.CHECKS.values()
    ]
    shown.append(places.nagios("config.cgi?type=commands"))
    for text in shown:
        assert len(text) > 20
        assert secrets.seen_in(text, SECRETS) == []


def test_world_readable_files_hold_none() -> None:
    """What anybody on a host may read below /etc, /run, /var and /usr/local."""
    look = (
        "umask 077; patterns=$(mktemp); cat > $patterns; find /etc /run /var/lib /var/log /usr/local /opt /tmp -xdev -type f -perm -004 "
        "-size -20M -print0 2>/dev/null | xargs -0 grep -lFf $patterns; rm $patterns"
    )
    for host in lab.HOSTS:
        assert lab.on(host, "sh", "-c", look, stdin="\n".join(SECRETS.values())).split() == [], host


def test_a_planted_one_is_found_in_a_log_and_a_journal() -> None:
    lab.on("node1", "systemd-cat", "-t", "decoy", "echo", DECOY["decoy"])
    look = SHOWN["node1"]["journal"]
    lab.wait_for("it in the journal", lambda: secrets.seen_in(lab.on("node1", "sh", "-c", look), DECOY), 10, every=0.5)
    assert secrets.seen_in(f"psql: password {DECOY['decoy']} failed", DECOY) == ["decoy"]
