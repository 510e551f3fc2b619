# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyha: watches a two-node PostgreSQL cluster and fails it over.

The rooms, each importing only from those before it:

    words     the words of the product as types, and the ports behind which the world stands
    config    /etc/skyha/skyha.conf, read and checked
    probes    one look at one thing with a deadline (TCP, SQL)
    world     PostgreSQL, the VIP, the clock, files: what the daemon touches
    fencing   the peer's power, through its BMC
    policy    the decision: pure functions of what was seen
    daemon    the loop, its memory on disk, the history
    cli       skyctl
"""

from __future__ import annotations

__version__ = "0.1.0"
