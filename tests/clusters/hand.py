# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A process of its own per cluster, since tests.lab knows one cluster (LAB_CLUSTER): so two are watched side by side.

Run as `python -m tests.clusters.hand`: a JSON list [name, argument …] per line on stdin is a call of one of the functions
below, its result goes as one JSON line to stdout. `Cluster` is the other end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from tests.lab import faults, lab
from tests.lab.watch import Watch, history


class Hand:
    """What can be asked of the cluster."""

    watch: Watch | None = None

    def nodes(self) -> list[str]:
        return list(lab.NODES)

    def whole(self) -> str:
        """Heal, wait until the cluster is whole; its primary."""
        faults.make_whole(400)
        return lab.primary()

    def primary(self) -> str:
        return lab.primary()

    def timeline(self) -> int:
        return int(lab.sql(lab.primary(), "SELECT timeline_id FROM pg_control_checkpoint()"))

    def events(self, since: float) -> list[str]:
        """Kinds of what skyha noted on both nodes since that monotonic time."""
        return [event["kind"] for node in lab.NODES for event in history(node) if event.get("monotonic", 0) >= since]

    def armed(self) -> bool:
        return bool(lab.status(lab.other(lab.primary())).get("armed"))

    def answered_through_the_vote_port(self) -> str:
        """Address of the server that a query through the cluster's vote port reached."""
        with lab.connect(lab.VOTE, lab.VOTE_PORT) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT host(inet_server_addr())")
            return str(cursor.fetchone()[0])

    def begin(self) -> float:
        """Begin to write and to watch."""
        self.watch = Watch()
        self.watch.__enter__()
        return time.monotonic()

    def power_loss(self) -> str:
        """Cut the primary's power; the node."""
        node = lab.primary()
        faults.power_loss(node)
        return node

    def writes_again_on(self, node: str, since: float) -> None:
        assert self.watch is not None
        lab.wait_for(f"{node} as primary with the VIP", lambda: lab.holds_vip(node) and lab.is_writable(node), 90)
        lab.wait_for("the client's next commit", lambda: self.watch.resumed(since), 30)  # type: ignore[union-attr]

    def end(self) -> dict[str, Any]:
        """End the watch and hold the oracles; what was seen."""
        assert self.watch is not None
        watch, self.watch = self.watch, None
        watch.__exit__(None, None, None)
        watch.report.check()
        kinds = sorted({event["kind"] for events in watch.report.history.values() for event in events})
        lost = len(watch.report.lost)
        return {"outage": watch.report.outage, "commits": len(watch.report.acknowledged), "lost": lost, "kinds": kinds}


class Cluster:
    """A cluster of the lab, by the name of its group; calls are those of Hand. AssertionError with what went wrong there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.clusters.hand"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=lab.ROOT,
            env={**os.environ, "PYTHONPATH": str(lab.ROOT), "LAB_CLUSTER": name},
        )

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of Hand; its result."""
        self.send(name, *arguments)
        return self.answer()

    def send(self, name: str, *arguments: Any) -> None:
        """The call without its answer, so that two clusters can be asked at once."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """The answer to what was sent."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the hand of cluster {self.name} died: {self._process.wait()}"
        told = json.loads(line)
        assert "error" not in told, f"cluster {self.name}: {told['error']}"
        return told["result"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def main() -> int:
    """Answer until stdin ends."""
    hand = Hand()
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            told: dict[str, Any] = {"result": getattr(hand, name)(*arguments)}
        except Exception as error:
            told = {"error": f"{name}: {type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    if hand.watch is not None:
        hand.watch.__exit__(None, None, None)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
