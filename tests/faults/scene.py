# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a row of the fault suite works with: who is who, the watch, and the verbs of its story."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.lab import lab, register
from tests.lab.watch import Watch

QUIET = 12.0  # longer than every patience of the profile `fast`


class Scene:
    """One row's run. What `later` was given is undone at its end, the last first, also when the row fails."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.primary = lab.primary()
        self.standby = lab.other(self.primary)
        self.now_primary = self.primary  # at the end
        self.named: list[str] = []  # the alarms that the row waited for, as 'node: code'
        self.lost_within: float | None = None  # what the row expects of O1, where it is not the usual
        self._undo = ExitStack()

    def later(self, undo: Callable[..., object], *arguments: str) -> None:
        """Undo this when the story is over."""
        self._undo.callback(undo, *arguments)

    def undo(self) -> None:
        """Undo everything now."""
        self._undo.close()

    def alarm(self, node: str, code: str, words: str = "", within: float = 90.0) -> None:
        """skyha on that node comes to raise this alarm, and its sentence has these words in it."""

        def told() -> bool:
            status = lab.status(node)
            alarms = {**status.get("alarms", {}), **(status.get("not_armed") or {})}
            assert code in alarms, f"alarms: {alarms}"
            assert words in alarms[code], alarms[code]
            return True

        lab.wait_for(f"the alarm {code} on {node}", told, within, every=0.3)
        self.named.append(code)

    def quiet(self, seconds: float = QUIET) -> None:
        """Time passes in which somebody might lose patience."""
        time.sleep(seconds)

    def commits(self, within: float = 40.0) -> None:
        """The client's commits get through (again)."""
        self.watch.wait_for_commits(within)

    def took_over(self, within: float = 90.0) -> None:
        """The standby becomes the primary with the VIP, and the client's commits go on there."""
        lab.wait_for(
            f"{self.standby} as primary with the VIP",
            lambda: lab.holds_vip(self.standby) and lab.is_writable(self.standby),
            within,
            every=0.2,
        )
        self.commits()

    def skyha(self, node: str, verb: str) -> None:
        """stop, start, restart it, for the time of the story."""
        lab.on(node, "systemctl", verb, "skyha")
        if verb == "stop":
            self.later(lab.on, node, "systemctl", "start", "skyha")

    def configure(self, key: str, value: str) -> None:
        """Another value in skyha.conf of both nodes, while the story lasts; the daemons start again with it."""
        for node in lab.NODES:
            lab.on(node, "sh", "-c", f"cp -pn {CONF} {CONF}.kept; sed -i 's/^{key} =.*/{key} = {value}/' {CONF}")
            lab.on(node, "systemctl", "restart", "skyha")
            self.later(_put_back, node)
        lab.wait_for("the cluster armed with it", lab.is_whole, 90, every=0.5)

    def leased(self) -> None:
        """The lease is in force: the standby may take over by time, and the primary's watchdog is fed."""
        lab.wait_for(
            "a lease in force",
            lambda: register.term(self.primary) > 0 and register.is_guarded(self.primary),
            60,
            every=0.3,
        )

    def noted(self, node: str, kind: str) -> int:
        """How many such events the node's history holds."""
        return int(lab.on(node, "sh", "-c", f'grep -c \'"kind":"{kind}"\' /var/lib/skyha/history.jsonl || true'))

    @contextmanager
    def unfenced(self) -> Iterator[None]:
        """The standby fences nobody meanwhile."""
        before = self.noted(self.standby, "fencing")
        yield
        assert self.noted(self.standby, "fencing") == before, "the old primary was fenced, and had handed over"

    def cut(self, sender: str, *receivers: str, port: int = 0) -> None:
        """Nothing that `sender` sends reaches any of `receivers`, from one instant on; each is a host or 'bmc:' and a node.

        The VIP goes with the primary. What a BMC sends is cut at one receiver only. port: only connections with that TCP port at an end.
        """
        place = {"bmc:node1": "bmc1", "bmc:node2": "bmc2"}
        if sender in place:
            (receiver,) = receivers
            lab.lab("cut", receiver, "--from", place[sender])
            self.later(lab.lab, "heal", receiver)
            return
        also = ("vip",) if self.primary in receivers else ()
        only = ("--port", str(port)) if port else ()
        lab.lab("cut", sender, *only, *(word for name in receivers + also for word in ("--to", place.get(name, name))))
        self.later(lab.lab, "heal", sender)

    def cut_both(self, one: str, other: str) -> None:
        """Nothing passes between the two."""
        self.cut(one, other)
        self.cut(other, one)


CONF = "/etc/skyha/skyha.conf"


def _put_back(node: str) -> None:
    lab.on(node, "sh", "-c", f"test ! -e {CONF}.kept || mv {CONF}.kept {CONF}; systemctl restart skyha")
