# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A test that is broken off in the middle (test_guard.py), with all that tests start."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from fake_bmc import bmc
from real_postgres import RealPostgres


def test_that_waits(postgres: RealPostgres, tmp_path: Path) -> None:
    sleeper = f"sleep 300.{os.getpid()}"
    with bmc(tmp_path / "power") as port, subprocess.Popen(sleeper.split(), start_new_session=True):
        told = Path(os.environ["TELL"])
        told.with_suffix(".new").write_text(f"{postgres.root} {port} {sleeper}")
        told.with_suffix(".new").rename(told)
        time.sleep(300)
