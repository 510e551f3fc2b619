# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""rotate_passwords.yml: new passwords on a cluster that serves, stays armed and keeps streaming."""

from __future__ import annotations

import json
import threading

import pytest

from tests.lab import lab, secrets
from tests.lab.watch import Watch

PLAY = "playbooks/rotate_passwords.yml"
# ipmi_sim 2.0.33 keeps only the first 16 bytes of a password that is set by IPMI, and the rest of the one before: the 17th
# is that of the lab's passwords.
BMC = "BMC_new_password2"
REFUSED = "BMC_new_password9"
NEW = {
    "pg_cluster_replication_password": "REPLICA:new\\1",
    "pg_cluster_ha_password": "HA'new 1",
    "pg_cluster_bmc_password": BMC,
}
ADMIN = {"pg_cluster_bmc_admin_user": "admin", "pg_cluster_bmc_admin_password": "BMC_lab_321"}


def extra(values: dict[str, str]) -> list[str]:
    return ["-e", json.dumps(values)]


def shown_in(told: str) -> list[str]:
    """The names of the secrets, old and new, that a run has printed: as they are, or as JSON and a password file have them."""
    new = {**NEW, **ADMIN, "refused": REFUSED}
    known = {**secrets.all_of_them(), **{f"new {name}": value for name, value in new.items()}}
    del known["new pg_cluster_bmc_admin_user"]
    forms = {
        name: {value, json.dumps(value)[1:-1], value.replace("\\", "\\\\").replace(":", "\\:")}
        for name, value in known.items()
    }
    return sorted(name for name, written in forms.items() if any(form in told for form in written))


class Armed:
    """Samples whether the standby is armed, and its WAL receiver's process, until told to end."""

    def __init__(self, primary: str, standby: str) -> None:
        self.primary, self.standby = primary, standby
        self.not_armed: list[object] = []
        self.samples = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Armed:
        self.receiver = lab.sql(self.standby, "SELECT pid FROM pg_stat_wal_receiver")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)

    def _sample(self) -> None:
        while not self._over.wait(0.3):
            status = lab.status(self.standby)
            self.samples += 1
            if not status.get("armed"):
                self.not_armed.append(status.get("not_armed"))


def logs_in(node: str, user: str, password: str, database: str) -> bool:
    """Does the node's server take this password? Asked on the node: from elsewhere it rejects the HA role."""
    dsn = (
        f"host={lab.HOSTS[node]['pg_cluster_address']} port={lab.PORT} user={user} dbname={database} connect_timeout=5"
    )
    script = f"PGPASSWORD=$(cat) psql -X -w -c '' '{dsn}' 2>&1 || true"
    told = lab.on(node, "sh", "-c", script, stdin=password)
    if told and "password authentication failed" not in told:
        raise RuntimeError(told)
    return not told


def test_new_passwords_lock_nobody_out_and_a_broken_off_run_is_gone_on_with(primary: str, standby: str) -> None:
    with Watch() as watch, Armed(primary, standby) as armed:
        assert lab.changed(lab.playbook(PLAY, "--check", *extra({**NEW, **ADMIN}))) > 0
        assert logs_in(primary, "sky_pg_cluster", lab.SETTINGS["pg_cluster_ha_password"], "sky_pg_cluster")
        told = lab.playbook(PLAY, "-vvv", "--diff", *extra({**NEW, **ADMIN}))
        assert lab.changed(told) > 0
        assert "module_args" in told, "not as talkative as the search needs"
        assert shown_in(told) == []
        assert lab.changed(lab.playbook(PLAY, *extra({**NEW, **ADMIN}))) == 0
        watch.wait_for_commits(10)
        # Running replication went on over the same connection.
        assert lab.sql(standby, "SELECT pid FROM pg_stat_wal_receiver WHERE status = 'streaming'") == armed.receiver
        # A new one succeeds as well, on the new password.
        lab.sql(primary, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
        lab.wait_for(
            "replication again",
            lambda: lab.sql(standby, "SELECT status FROM pg_stat_wal_receiver") == "streaming",
            30,
        )
    watch.report.check()
    assert not watch.report.lost
    print(
        f"rotated: {len(watch.report.acknowledged)} commits, none lost, outage {watch.report.outage:.2f} s, "
        f"{armed.samples} looks found the standby armed"
    )
    assert armed.samples > 5
    assert not armed.not_armed, armed.not_armed[:3]
    events = [event["text"] for events in watch.report.history.values() for event in events]
    assert not [text for text in events if "password" in text]
    for node in lab.NODES:
        assert logs_in(node, "sky_pg_cluster", NEW["pg_cluster_ha_password"], "sky_pg_cluster")
        assert not logs_in(node, "sky_pg_cluster", lab.SETTINGS["pg_cluster_ha_password"], "sky_pg_cluster")
        assert "power is on" in lab.on(node, "skyctl", "fence-test")
        assert lab.on(node, "cat", "/etc/skyha/bmc.password") == BMC + "\n"

    go_on_after_it_was_broken_off(primary)


def go_on_after_it_was_broken_off(primary: str) -> None:
    """The database has the inventory's passwords already, the files have not; the BMCs were set by an operator."""
    replica, ha = (lab.SETTINGS[f"pg_cluster_{name}_password"] for name in ("replication", "ha"))
    lab.sql(primary, f"ALTER ROLE replica PASSWORD '{replica}'; ALTER ROLE sky_pg_cluster PASSWORD '{ha}'")
    for node in lab.NODES:
        lab.lab("bmc", node, "heal")
    assert lab.changed(lab.playbook(PLAY)) > 0
    for node in lab.NODES:
        assert "power is on" in lab.on(node, "skyctl", "fence-test")
        assert replica in lab.on(node, "cat", "/home/postgres/.pgpass")


def test_bmc_that_takes_no_such_password_leaves_all_as_it_was(primary: str) -> None:
    before = [lab.on(node, "cat", "/etc/skyha/bmc.password") for node in lab.NODES]
    with pytest.raises(RuntimeError, match="ADMINISTRATOR") as failed:
        lab.playbook(PLAY, "-vvv", *extra({"pg_cluster_bmc_password": BMC}))
    assert shown_in(str(failed.value)) == []
    assert [lab.on(node, "cat", "/etc/skyha/bmc.password") for node in lab.NODES] == before


def test_bmc_that_takes_a_password_and_then_refuses_it_gets_the_old_one_back(primary: str, standby: str) -> None:
    before = [lab.on(node, "cat", "/etc/skyha/bmc.password") for node in lab.NODES]
    with pytest.raises(RuntimeError, match="then refused a login with it; the old one was put back") as failed:
        lab.playbook(PLAY, "-vvv", "--tags", "bmc", *extra({"pg_cluster_bmc_password": REFUSED, **ADMIN}))
    assert shown_in(str(failed.value)) == []
    assert [lab.on(node, "cat", "/etc/skyha/bmc.password") for node in lab.NODES] == before
    for node in lab.NODES:
        assert "power is on" in lab.on(node, "skyctl", "fence-test")
    assert lab.status(standby)["armed"]
