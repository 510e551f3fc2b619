# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A short program, run to its end."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from ..errors import WorldError
from ..margins import LONGEST_STEP


def run(command: Sequence[str], hint: str = "") -> None:
    """Raises WorldError where it failed, or took too long; `hint`: what to look at where it says no."""
    text = " ".join(command)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LONGEST_STEP,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise WorldError(f"{text}: {error}") from error
    if done.returncode:
        said = " ".join(done.stdout.decode("utf-8", "replace").split())[-300:]
        raise WorldError("; ".join(filter(None, [f"{text}: exit code {done.returncode}: {said}", hint])))
