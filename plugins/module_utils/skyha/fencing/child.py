# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The process in which the daemon fences: reads one request on standard input, answers with one line.

request: verb, deadline (seconds), levels (lists of config.Agent). The passwords are read here, from their files.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .. import config as configuration
from ..config_file import password
from ..errors import ConfigError, FenceError
from ..world import child
from . import ipmi
from .agents import Agent, as_answer
from .command import CommandAgent
from .levels import Broken, by_levels


def make(agent: configuration.Agent) -> Agent:
    """The agent that the configuration describes; raises FenceError."""
    secret = ""
    if agent.password_file:
        try:
            secret = password(agent.password_file) or ""
        except ConfigError as error:
            raise FenceError(f"fence agent {agent.name}: {error}") from error
    if agent.kind == "ipmi":
        return ipmi.IpmiAgent(
            agent.name, agent.address, agent.user, secret, agent.port or ipmi.PORT, agent.privilege, agent.cipher
        )
    lines = {verb: getattr(agent, verb) for verb in ("off", "on", "status", "reset")}
    return CommandAgent(agent.name, lines, agent.address, agent.user, secret, agent.port)


def handle(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Carry the request out."""
    began = time.monotonic()
    levels = [[_made(configuration.Agent(**agent)) for agent in level] for level in request["levels"]]
    try:
        done = by_levels(levels, str(request["verb"]), float(request["deadline"]))
    except FenceError as error:
        return {"error": str(error)}
    return as_answer(done, time.monotonic() - began)


def _made(agent: configuration.Agent) -> Agent:
    try:
        return make(agent)
    except FenceError as error:
        return Broken(f"fence agent {agent.name}", str(error))


def main() -> int:
    """Serve one request."""
    return child.serve(handle)


if __name__ == "__main__":
    raise SystemExit(main())
