# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A daemon that runs in a thread, with the world behind it faked, and skyctl beside it."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli import main as module
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.serve import Serving
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local
from daemon_samples import World
from node_samples import configured

CONF = """[cluster]
name = sky
[node]
name = {node}
address = 127.0.0.1
[peer]
name = {peer}
address = 127.0.0.9
[vip]
address = 198.51.100.116
interface = lo
[vote]
address = 198.51.100.35
[agent bmc]
kind = ipmi
address = 198.51.100.213
user = test
password_file = /nonexistent/bmc.password
[http]
listen = {listen}
[paths]
run_dir = {run}
state_dir = {run}
"""


class Node:
    """A daemon whose cycles a thread turns, and skyctl beside it."""

    def __init__(self, local: Local, directory: Path, listen: str = "") -> None:
        """listen: where it serves HTTP as well."""
        self.world = World(local, str(directory))
        config = configured(self.world.config, http={"listen": tuple(filter(None, [listen]))})
        self.world.config = self.world.daemon.config = config
        self.file = directory / "skyha.conf"
        self.file.write_text(CONF.format(node=config.node.name, peer=config.peer.name, run=directory, listen=listen))
        # skyctl measures ages by the real clock.
        self.world.clock.monotonic = time.monotonic  # type: ignore[method-assign]
        self.world.clock.wall = time.time  # type: ignore[method-assign]
        self.serving = Serving(self.world.daemon.doors(), lambda level, text: None)
        self.serving.open_doors()
        self.serving.start()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._turns, daemon=True)
        self.world.daemon.turn()
        self._thread.start()

    def _turns(self) -> None:
        while not self._stop.wait(0.02):
            self.world.daemon.turn()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(2.0)
        self.serving.stop()
        self.serving.join(2.0)

    def skyctl(self, *arguments: str) -> tuple[int, str]:
        out = io.StringIO()
        code = module.main(["--config", str(self.file), *arguments], out)
        return code, out.getvalue()


def free_port() -> int:
    """A TCP port that is free on every address."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(look: Callable[[], Any], wanted: Any) -> Any:
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        found = look()
        if found == wanted or (isinstance(found, str) and wanted in found):
            return found
        time.sleep(0.05)
    raise AssertionError(found)
