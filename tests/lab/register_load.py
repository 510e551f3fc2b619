# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs inside a node with its installed runtime (PYTHONPATH): asks the register what the skyhas of some clusters ask, all holders or all standbys.

Reads JSON from stdin: dsn (libpq's parameters, but for the login), passwords (login -> password; register_NAME is cluster NAME's), node (the
holder's name), holds (renew, else read), every and seconds. Prints how many questions were asked and answered, as JSON.
"""

import json
import sys
import time

from skyha import verbs
from skyha.probes.register import Register, wait_for
from skyha.words import Done, Missing

DEADLINE = 0.6  # skyha's own look_deadline
IDENTIFIER = "7300000000000000001"
EPOCH = 1


class Client:
    """One cluster's skyha, as far as the register sees it."""

    def __init__(self, order, login, password, due):
        self._order, self._due = order, due
        self._line = Register({**order["dsn"], "user": login, "password": password}, login[len("register_") :])
        self.asked = self.answered = 0

    @property
    def due(self):
        """When its next question is to be asked."""
        return self._due

    def ask(self):
        """One question, at its time; a holder without a row makes one."""
        node = self._order["node"]
        verb = verbs.renew(IDENTIFIER, node, EPOCH) if self._order["holds"] else verbs.read()
        answer = self._one(verb)
        if isinstance(answer, Missing) and self._order["holds"]:
            answer = self._one(verbs.found(IDENTIFIER, node, EPOCH, None))
        self.asked += 1
        self.answered += isinstance(answer, Done)
        self._due += self._order["every"]

    def _one(self, verb):
        self._line.ask(verb, time.monotonic(), DEADLINE)
        return wait_for(self._line)


def main():
    """Ask until the time is over; the clusters' questions are spread over the interval."""
    order = json.load(sys.stdin)
    began, logins = time.monotonic(), order["passwords"]
    clients = [
        Client(order, login, password, began + order["every"] * number / len(logins))
        for number, (login, password) in enumerate(logins.items())
    ]
    while time.monotonic() < began + order["seconds"]:
        client = min(clients, key=lambda one: one.due)
        time.sleep(max(0.0, client.due - time.monotonic()))
        client.ask()
    json.dump(
        {"asked": sum(one.asked for one in clients), "answered": sum(one.answered for one in clients)}, sys.stdout
    )


if __name__ == "__main__":
    main()
