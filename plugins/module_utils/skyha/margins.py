# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The times that safety stands on, each with its reason (docs/safety.md shows them as a table). What follows from them and
from the settings is in config.Timing; how they must relate is asserted in tests/unit/test_margins.py.

One node waits for what the other may still do. Each measures on its own monotonic clock, so what is waited is longer than
what it waits for by CLOCK_DRIFT (docs/safety.md promises as much).
"""

from __future__ import annotations

# --- clocks and cycles

# A share: by how much the monotonic clock of one node may run faster than the other's.
CLOCK_DRIFT = 0.10
# By how much the end of a pause may differ before it is written anew, on the wall clock (by which the next boot goes) too.
WALL_DRIFT = 5.0
# What was seen so long ago is not acted upon: the host was frozen, or its disk stood still.
STALE = 5.0
# The longest wait between two cycles, whatever the decision wants.
MAX_WAIT = 5.0
# The longest that one action may take. The unit's watchdog must not bite within it.
LONGEST_STEP = 5.0
# From the watchdog's bite to the next cycle (TimeoutAbortSec, RestartSec). A failover is resumed within the arming window.
RESTART = 2.0

# --- the fence and its proof

# A BMC that says 'off' of a host that was on must say so twice, this far apart: some say what was ordered before it is so (power
# supplies need up to a second, sensors are read once a second).
SETTLES = 1.5
# Without a datagram of the peer's for so long it is silent. It proves nothing: this node looks at once, not up to a second later, and
# reads the peer's power meanwhile.
SILENCE = 0.3
# A power that was read as off so lately ends the patience. It proves nothing: the fence reads it again.
POWER_READ_HOLDS = 3.0
# How long a proven fence holds. After that the peer may have been switched on again.
PROOF_FRESH = 6.0
# A proof that comes so long after its attempt's deadline: this host stood still, it proves nothing of now.
PROOF_LATE = 2.0
# From the order to promote until PostgreSQL has it.
ORDER_TAKES = 1.0
# A promotion that was given up is taken back within this time (PostgreSQL is killed, and was killed again where that failed).
TAKEN_BACK = 10.0
# Something accepts connections so long after the BMC said 'off': the BMC is asked again.
LISTEN_LIMIT = 5.0
# A host that was read 'off' cannot serve again so soon: if it does, the BMC's word was wrong.
SOON = 10.0
# When a BMC has carried an order out, or never will. Some queue them for a minute.
ORDER_ACTS_WITHIN = 120.0
# How long it counts that the BMC said the peer is on, against an operator who says that it is off.
POWER_KNOWN = 60.0
# An operator's word that the peer is off must be used within this time.
WORD_HOLDS = 30.0
# How often that word is checked while PostgreSQL promotes by it.
WORD_EVERY = 2.0

# --- what a standby may conclude

# Either end of a broken stream may go on to show it (wal_sender_timeout, wal_receiver_timeout, with room).
STREAM_LINGERS = 30.0
# WAL that grew so lately still says that the primary's server writes.
WAL_FRESH = 2.0
# A holder that has renewed so lately is at work: it starts PostgreSQL, or hands over. It renews about once a second.
BEAT_FRESH = 2.0
# A look along the paths lasts so long at the least, however quick the network is: the vote host's proxy gives an unreachable VIP up after
# 0.3 s, and says so only then (*dropped*, not *stalled*).
LEAST_LOOK = 0.45
# An unreachable primary that answered again so lately: the next trouble is the same bad link.
FLAPPING = 10.0
# How long a server may shut down: TimeoutStopSec of sky-postgresql.service, after which systemd ends it by force.
STOP_LIMIT = 300.0
# The evidence from before does not age while the primary only starts up. Longer than all restarts in place together.
START_HOLDS = 300.0
# A count: so many checks in a row (of the BMC, of the record) that brought nothing make what they found unknown.
MISSED_CHECKS = 2.5
# Between two trials whether the record can be written. It is alarmed within a minute, a hanging disk included.
RECORD_EVERY = 30.0

# Between two looks at each member of the register's etcd; and so long they have to answer: skyha goes on without one.
MEMBERS_EVERY = 30.0
MEMBERS_DEADLINE = 3.0

# --- zero loss

# From the moment at which the walsender and a session have a new synchronous_standby_names until the checkpointer, that was told at the
# same time, is trusted to have been told: from then on it is seen whether it has read it.
SYNC_SETTLES = 1.0

# For so long after a quiet look an heir's promises go on: a slow cycle costs its primary nothing.
PROMISES_FOR = 10.0

# A mark that took longer to come back from the peer proves no boot of it: datagrams travel for milliseconds, and five leave a second.
ECHO_FRESH = 3.0

# --- what a primary may conclude

# Between two looks at its own server. After a longer gap it is not known whether a standby streamed in between.
ALONE_GAP = 10.0
# How long a primary trusts that nobody else has the VIP, beyond the time that listening for it takes.
FREE_TRUSTED = 1.0
# How long a standby that is about to be promoted counts the VIP as free. Not longer than a primary trusts it.
FREE_HOLDS = 1.0

# PostgreSQL that was shut down cleanly beside this daemon is left down for so long: who stops both units at once (systemctl stop skyha
# sky-postgresql) has told skyha by then; a start that was asked for before would come after all.
STOP_ORDER_COMES = 0.5
# A start of PostgreSQL that was asked for so long ago has come by now, or does not come: nothing of it is under way any more.
START_SETTLES = 1.0
# How long PostgreSQL of a holder is down until it hands over. Sooner than the standby, that is refused (restart_grace), would fence.
RESIGNS_AFTER = 2.5

# --- what both agree on

# An answer that is late, and so older than the order, does not undo a pause or resume that was just written.
PAUSE_SETTLES = 3.0
# The peer must have replayed the announcement of a switchover within this time. Nothing is stopped before.
ANNOUNCE_LIMIT = 10.0
# Beyond the peer's own interval: its skyha has read the announcement.
NOTICE = 0.2
# What a late stop leaves for seeing that the peer has all WAL. The peer's patience is used up soon after.
LOOK_AGAIN = 1.0
# So long before the peer no longer waits for a clean stop nothing is handed over any more: only one of them acts.
NO_RACE = 10.0


def by_any_clock(seconds: float) -> float:
    """How long to wait on this node's clock, so that `seconds` have passed on the other's."""
    return seconds * (1.0 + CLOCK_DRIFT)
