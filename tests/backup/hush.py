# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a secret of the backups could be seen: what site.yml prints of their files, logs, journals, reports, and every process of a backup."""

from __future__ import annotations

import os
import subprocess

from tests.backup.repository import CONFIG
from tests.lab import lab, secrets
from tests.operations.plays import play

LOGS = (
    "cat /var/log/sky-backup/* /run/sky-backup/report.json /var/lib/sky-backup/check.json 2>/dev/null; "
    "journalctl --no-pager -o cat --since -15min"
)


def shown() -> set[str]:
    """The secrets that are seen while their files are written again, and a backup is taken and checked."""
    known = secrets.all_of_them()
    assert "pg_backup_cipher_pass" in known
    assert "pg_backup_s3_key_secret" in known
    hosts = [host for host in lab.HOSTS if lab.on(host, "sh", "-c", f"ls {CONFIG} 2>/dev/null || :").strip()]
    assert hosts
    with secrets.Processes(known) as processes:
        for host in hosts:
            lab.on(host, "sh", "-c", f"echo >>{CONFIG}")
        program = [str(lab.ROOT / ".venv/bin/ansible-playbook"), "-i", "inventory/lab", "site.yml"]
        done = subprocess.run(
            [*program, "--tags", "pg_backup_configure", "-vvv", "--diff"],
            cwd=lab.ROOT,
            env={**os.environ, secrets.MARK: "1", "ANSIBLE_FORCE_COLOR": "0"},
            capture_output=True,
            text=True,
            timeout=1800,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        assert lab.changed(done.stdout) > 0
        told = done.stdout + done.stderr + play("backup", pg_backup_type="incr") + play("backup_check")
    told += "".join(lab.on(host, "sh", "-c", LOGS) for host in hosts)
    assert "new backup label" in told
    return {*secrets.seen_in(told, known), *processes.found}
