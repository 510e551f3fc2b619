# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Watches a cluster during a fault and judges it by the oracles.

O1 no acknowledged commit is lost (or as many as were allowed), O2 the two nodes never accept commits at the same
time, O3 the VIP is on at most one running node, and on a writable one, O4 no promotion without proof of the fence,
O5 the outage is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import lab, writer

FOLDER = "/var/lib/lab"
LOG = f"{FOLDER}/inside.log"
UNIT = f"""[Service]
User=postgres
ExecStart=/usr/bin/python3 {FOLDER}/inside.py {lab.SOCKET} {LOG}
Restart=always
RestartSec=0.2
StartLimitIntervalSec=0
[Install]
WantedBy=multi-user.target
"""
INSIDE = (Path(__file__).parent / "inside.py").read_text()
ZERO_LOSS = os.environ.get("LAB_REPLICATION") == "zero_loss"  # inventory/lab
LOST_WITHIN = 0.0 if ZERO_LOSS else 1.0
# Beside the client that measures the outage: what it does every 20 ms would hardly ever be in the last instant.
FAST_CLIENTS = 3 if ZERO_LOSS else 0
TABLES = f"{writer.TABLE}; CREATE TABLE IF NOT EXISTS lab_inside (at timestamptz)"

WITHOUT_POWER = ("writes no more", "has handed over")  # policy/failover.py: proven by the lease, or by its own word


@dataclass
class Report:
    """What a watch saw."""

    acknowledged: list[tuple[float, int]] = field(default_factory=list)
    by_others: list[tuple[float, int]] = field(default_factory=list)  # the same of the clients at full speed
    accepted: dict[str, list[float]] = field(default_factory=dict)
    vip_twice: list[float] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    power: dict[str, list[tuple[float, int]]] = field(default_factory=dict)  # node -> (since when, its init; 0: off)

    @property
    def outage(self) -> float:
        """O5: the longest hole between acknowledged commits, in seconds."""
        return max(
            (later[0] - earlier[0] for earlier, later in zip(self.acknowledged, self.acknowledged[1:])),
            default=float("inf"),
        )

    @property
    def hole(self) -> tuple[float, float]:
        """Where that hole was: monotonic times of the commits before and after it."""
        pairs = list(zip(self.acknowledged, self.acknowledged[1:]))
        before, after = max(pairs, key=lambda pair: pair[1][0] - pair[0][0])
        return before[0], after[0]

    def check(self, lost_within: float = LOST_WITHIN) -> None:
        """Hold O1 to O4 against what was seen; AssertionError names the one that broke.

        lost_within: replication is asynchronous here, so a failover may lose what was acknowledged in its last moments:
        in so many seconds before clients lost the old primary. 0 where the mode promises that nothing is lost.
        """
        assert self.acknowledged, "O5: not one commit was acknowledged"
        late = [seq for seq in self.lost if not self._was_last_moment(seq, lost_within)]
        assert not late, (
            f"O1: {len(self.lost)} acknowledged commits are lost, {len(late)} of them too early: {late[:5]}"
        )
        self._check_one_writer()
        assert not self.vip_twice, f"O3: both nodes held the VIP at {self.vip_twice[:3]}"
        self._check_fences()

    def _check_one_writer(self) -> None:
        marks = sorted((at, node) for node, times in self.accepted.items() for at in times)
        turns = [node for index, (_, node) in enumerate(marks) if index == 0 or marks[index - 1][1] != node]
        promotions = sum(
            event["kind"] in ("promoted", "found_primary") for events in self.history.values() for event in events
        )
        assert len(turns) <= 1 + promotions, (
            f"O2: commits were accepted on both nodes in turns: {turns} with {promotions} promotions"
        )

    def _was_last_moment(self, seq: int, seconds: float) -> bool:
        """Was it acknowledged in the last `seconds` before the next hole that is long enough for a failover?"""
        at = next(at for at, number in self.acknowledged + self.by_others if number == seq)
        times = [time for time, _ in self.acknowledged if time >= at]
        hole = next((early for early, late in zip(times, times[1:]) if late - early > 1.0), float("inf"))
        return hole - at <= seconds

    def _check_fences(self) -> None:
        for node, events in self.history.items():
            kinds = [event["kind"] for event in events]
            for index, kind in enumerate(kinds):
                if kind != "promoted":
                    continue
                assert "fenced" in kinds[:index], f"O4: {node} was promoted without proof of a fence: {kinds}"
                last = [event for event in events[:index] if event["kind"] == "fenced"][-1]
                if any(words in last["text"] for words in WITHOUT_POWER):  # whatever its power is: O2 judges that
                    continue
                fenced, peer, promoted = last["monotonic"], lab.other(node), events[index]["monotonic"]
                assert self._was_off(peer, fenced - 1.0, promoted), f"O4: {peer} was not off when {node} was promoted"

    def _was_off(self, node: str, since: float, until: float) -> bool:
        marks = self.power.get(node, [])
        ends = [at for at, _ in marks[1:]] + [float("inf")]
        return any(not pid and at <= until and end >= since for (at, pid), end in zip(marks, ends))

    def happened(self, kind: str, node: str = "") -> list[dict[str, Any]]:
        """The events of one kind, on that node or on both."""
        return [e for name, events in self.history.items() if node in ("", name) for e in events if e["kind"] == kind]

    def story(self) -> str:
        """Both nodes' histories as one, seconds since the first line, for a person who asks what went wrong."""
        lines = [(event["monotonic"], node, event) for node, events in self.history.items() for event in events]
        lines.sort(key=lambda line: line[0])
        began = lines[0][0] if lines else 0.0
        told = [f"{at - began:8.2f}  {node}  {event['kind']:<16} {event['text']}" for at, node, event in lines]
        return "\n".join(
            [*told, f"longest hole between acknowledged commits: {self.outage:.2f} s, lost: {len(self.lost)}"]
        )


class Watch:
    """Runs the writer, one inside writer per node and a look at the VIP; a context manager."""

    def __init__(self) -> None:
        self.report = Report(accepted={node: [] for node in lab.NODES})
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._processes: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()
        self._history_from: dict[str, float] = {}

    def __enter__(self) -> Watch:
        with lab.connect() as connection, connection.cursor() as cursor:
            cursor.execute(TABLES)
        self.began = time.monotonic()
        for node in lab.NODES:
            self._start_inside(node)
        self._start(self._write, self.report.acknowledged)
        for number in range(1, FAST_CLIENTS + 1):
            self._start(self._write, self.report.by_others, "0", str(number))
        self._start(self._look)
        lab.wait_for("the writer's first commits", lambda: len(self.report.acknowledged) > 10, 15)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._lock:
            for process in self._processes:
                process.terminate()
        for thread in self._threads:
            thread.join(15)
        for node in lab.NODES:
            self._end_inside(node)
        self._collect()

    def resumed(self, after: float) -> bool:
        """Has a commit been acknowledged after this monotonic time?"""
        return bool(self.report.acknowledged) and self.report.acknowledged[-1][0] > after

    def wait_for_commits(self, timeout: float) -> None:
        """Wait until commits made from now on are acknowledged."""
        now = time.monotonic()
        lab.wait_for("commits again", lambda: self.resumed(now), timeout)

    def _start(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _write(self, acknowledged: list[tuple[float, int]], *arguments: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.writer", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=lab.ROOT,
            env={**os.environ, "PYTHONPATH": str(lab.ROOT)},
        )
        with self._lock:
            self._processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            at, seq = line.split()
            acknowledged.append((float(at), int(seq)))
        process.wait()

    def _start_inside(self, node: str) -> None:
        """A service of the node's own, so that it starts again after a power cut. (A session from outside would keep
        the host's end waiting for the machine's init to bury it.)"""
        unit = "/etc/systemd/system/lab-inside.service"
        files = f"install -d -o postgres {FOLDER} && cat > {FOLDER}/inside.py && rm -f {LOG} && printf '%s' '{UNIT}' > {unit}"
        start = "systemctl daemon-reload && systemctl enable -q lab-inside && systemctl restart lab-inside"
        lab.on(node, "sh", "-c", f"{files} && {start}", stdin=INSIDE)

    def _end_inside(self, node: str) -> None:
        """Take the service away again, and read what it wrote, also on a host that is off."""
        if lab.pid_of(node):
            lab.on(node, "sh", "-c", "systemctl disable -q --now lab-inside", check=False)
            lines = Path(f"/proc/{lab.pid_of(node)}/root{LOG}").read_text().splitlines()
        else:
            with tempfile.TemporaryDirectory() as folder:
                lab.lab("podman", "cp", f"sky-{node}:{LOG}", f"{folder}/log")
                lines = Path(folder, "log").read_text().splitlines()
        self.report.accepted[node] = [float(line) for line in lines if line]

    def _look(self) -> None:
        """Who holds the VIP, and who has power; from outside, and without a process of its own."""
        while not self._over.wait(0.05):
            if all(lab.holds_vip(node) for node in lab.NODES):
                self.report.vip_twice.append(time.monotonic())
            for node in lab.NODES:
                marks, pid = self.report.power.setdefault(node, []), lab.pid_of(node)
                if not marks or marks[-1][1] != pid:
                    marks.append((time.monotonic(), pid))

    def _collect(self) -> None:
        """The histories since the watch began, and which acknowledged commits are missing on the present primary."""
        for node in lab.NODES:
            if lab.pid_of(node):
                self.report.history[node] = [
                    event for event in history(node) if event.get("monotonic", 0) >= self.began
                ]
        acknowledged = {seq for _, seq in self.report.acknowledged + self.report.by_others}
        with lab.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT seq FROM lab_writer WHERE seq >= %s", (min(acknowledged, default=0),))
            self.report.lost = sorted(acknowledged - {row[0] for row in cursor.fetchall()})


def history(node: str) -> list[dict[str, Any]]:
    """skyha's events on that node, oldest first."""
    text = lab.on(
        node, "sh", "-c", "cat /var/lib/skyha/history.jsonl.1 /var/lib/skyha/history.jsonl 2>/dev/null || true"
    )
    events = []
    for line in text.splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:  # a line torn by a power cut
            continue
    return events
