# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A BMC in a process of its own, by pyghmi: RMCP+ on loopback, with a power state and faults.

    python fake_bmc.py PASSWORD STATE_FILE [FAULT]

prints its port. The state file holds 'on' or 'off'. FAULT: stuck (accepts orders, does nothing), slow (obeys after 0.5 s).
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def bmc(state: Path, password: str = "FEFETESTf12345112", fault: str = "", power: str = "on") -> Iterator[int]:
    """Run one; its port."""
    state.write_text(power)
    process = subprocess.Popen(
        [sys.executable, __file__, password, str(state), fault], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def main(password: str, state: Path, fault: str) -> None:
    from pyghmi.ipmi.bmc import Bmc
    from pyghmi.ipmi.private.serversession import ServerSession

    answer = ServerSession.create_open_session_response

    def sha1_only(self: ServerSession, request: bytearray) -> bytearray:
        # pyghmi's server speaks SHA-1 only, but does not tell a client that offers SHA-256
        return bytearray([request[0], 0x11, 0, 0]) + request[4:8] if request[12] != 1 else answer(self, request)

    ServerSession.create_open_session_response = sha1_only

    class Fake(Bmc):
        orders = state.with_suffix(".orders")

        def get_power_state(self) -> str:
            return state.read_text()

        def _obey(self, verb: str, power: str | None) -> None:
            with open(self.orders, "a", encoding="ascii") as file:
                file.write(verb + "\n")
            if power is not None and fault != "stuck":
                threading.Timer(0.5 if fault == "slow" else 0.0, self._set, [power]).start()

        def _set(self, power: str) -> None:
            new = state.with_suffix(".new")
            new.write_text(power)
            new.replace(state)

        def power_off(self) -> None:
            self._obey("off", "off")

        def power_on(self) -> None:
            self._obey("on", "on")

        def power_cycle(self) -> None:
            self._obey("cycle", None)

        def power_reset(self) -> None:
            self._obey("reset", None)

        def pulse_diag(self) -> None:
            self._obey("diag", None)

        def power_shutdown(self) -> None:
            self._obey("soft", "off")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fake = Fake({"test": password}, port=port, address="::ffff:127.0.0.1")
    print(port, flush=True)
    fake.listen()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
