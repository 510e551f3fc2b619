# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The times that safety stands on, each with its reason. What follows from them and from the settings is in config.Timing.

One node waits for what the other may still do. Each measures on its own monotonic clock, so what is waited is longer than
what it waits for by CLOCK_DRIFT (docs/safety.md promises as much).
"""

from __future__ import annotations

# By how much the monotonic clock of one node may run faster than the other's.
CLOCK_DRIFT = 0.10
# Seconds that a proven fence holds; after that the peer may have been switched on again.
PROOF_FRESH = 6.0
# A proof that comes so long after its attempt's deadline: this host stood still, it proves nothing of now.
PROOF_LATE = 2.0
# What was seen so long ago is not acted upon: the host was frozen, or its disk stood still.
STALE = 5.0
# Seconds from the order to promote until PostgreSQL has it.
ORDER_TAKES = 1.0
# Seconds that either end of a broken stream may go on to show it (wal_sender_timeout, wal_receiver_timeout, with room).
STREAM_LINGERS = 30.0
# Seconds that a server may shut down: TimeoutStopSec of sky-postgresql.service, after which systemd ends it by force.
STOP_LIMIT = 300.0
# Seconds in which a promotion that was given up is taken back (PostgreSQL is killed, and was killed again where that failed).
TAKEN_BACK = 10.0


def by_any_clock(seconds: float) -> float:
    """How long to wait on this node's clock, so that `seconds` have passed on the other's."""
    return seconds * (1.0 + CLOCK_DRIFT)
