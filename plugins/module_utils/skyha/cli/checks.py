# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl check-config: what the daemon would refuse, and what it would only suffer from."""

from __future__ import annotations

import os
import socket
from typing import TextIO

from ..config import Config
from ..daemon.main import read_all
from ..errors import ConfigError
from .text import Paint, clean


def check_config(path: str, out: TextIO, paint: Paint) -> int:
    """Names every problem of the file on a line of its own; 0: it can be used, 78: it cannot."""
    try:
        config = read_all(path)
    except ConfigError as error:
        for problem in error.problems:
            out.write(paint(clean(problem), "bad") + "\n")
        return 78
    for warning in warnings(config):
        out.write(paint(f"warning: {clean(warning)}", "warn") + "\n")
    out.write(
        paint(
            f"{clean(path)} can be used: {config.node.name} of {config.cluster.name}, peer {config.peer.name}, profile {config.timing.profile}",
            "good",
        )
        + "\n"
    )
    return 0


def warnings(config: Config) -> list[str]:
    """What is not right on this host at this moment, though the file as such can be used."""
    found = []
    for agent in config.agents:
        if agent.password_file:
            found += _secret(agent.password_file, f"[agent {agent.name}] password_file")
    found += _secret(config.postgresql.passfile, "[postgresql] passfile")
    for program in ("pg_ctl", "pg_rewind", "pg_controldata"):
        if not os.path.exists(os.path.join(config.postgresql.bin_dir, program)):
            found.append(f"[postgresql] bin_dir = {config.postgresql.bin_dir}: {program} is not there")
    if config.postgresql.verifies and not os.access(config.postgresql.sslrootcert, os.R_OK):
        found.append(f"[postgresql] sslrootcert = {config.postgresql.sslrootcert}: there is no such file")
    if config.has_backup and not os.path.exists(config.backup.config):
        found.append(f"[backup] config = {config.backup.config}: there is no such file")
    if not os.path.isdir(config.postgresql.data_dir):
        found.append(f"[postgresql] data_dir = {config.postgresql.data_dir}: there is no such directory")
    if config.vip.interface not in (name for _index, name in socket.if_nameindex()):
        found.append(f"[vip] interface = {config.vip.interface}: this host has no such interface")
    return found


def _secret(path: str, what: str) -> list[str]:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return [f"{what} = {path}: {error.strerror}"]
    return [f"{what} = {path}: others may read it; chmod 0400 it"] if mode & 0o077 else []
