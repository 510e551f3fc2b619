# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a random schedule can break, and how often it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import faults_hand as hand
from . import faults_hosts as hosts
from . import faults_links as links
from . import faults_postgres as postgres
from .scene import Scene, Undo


@dataclass(frozen=True)
class Fault:
    """`begin` breaks something and returns how to repair it; it is chosen as often as its weight says."""

    begin: Callable[[Scene], Undo]
    weight: int

    @property
    def name(self) -> str:
        """As the story tells it."""
        return self.begin.__name__


FAULTS = (
    Fault(hosts.power_off, 6),
    Fault(hosts.mains_off, 3),
    Fault(hosts.reboot, 3),
    Fault(hosts.reboot_both, 2),
    Fault(hosts.freeze, 5),
    Fault(postgres.crash, 4),
    Fault(postgres.hang, 4),
    Fault(postgres.break_postgres, 2),
    Fault(hand.stop_by_hand, 2),
    Fault(postgres.sick, 1),
    Fault(postgres.mute, 1),
    Fault(postgres.slow, 2),
    Fault(postgres.replay_lag, 1),
    Fault(postgres.slow_replication, 2),
    Fault(postgres.replay_paused, 1),
    Fault(postgres.promotion_hangs, 2),
    Fault(hosts.store_fails, 2),
    Fault(hosts.hand_fails, 4),
    Fault(hosts.blind, 4),
    Fault(hosts.asks_in_vain, 3),
    Fault(hosts.kill_skyha, 8),
    Fault(hosts.skyha_off, 2),
    Fault(hand.drop_vip, 2),
    Fault(links.alien, 1),
    Fault(links.cut_link, 7),
    Fault(links.isolate, 6),
    Fault(links.switch_dies, 2),
    Fault(links.loss, 2),
    Fault(links.vote, 4),
    Fault(links.bmc, 4),
    Fault(links.cut_bmc, 2),
    Fault(postgres.walsender_stops, 1),
    Fault(hosts.rewind_impossible, 1),
    Fault(hosts.clock_jumps, 1),
    Fault(hand.switchover, 6),
    Fault(hand.pause, 2),
    Fault(hand.confirm_off, 4),
)
REGISTER_FAULTS = (Fault(links.register, 12), Fault(links.register_late, 6))
LEASE_FAULTS = (
    *REGISTER_FAULTS,
    Fault(links.datagrams_late, 6),
    Fault(links.datagrams_again, 3),
    Fault(hosts.skyha_stopped, 6),
    Fault(hosts.watchdog_breaks, 4),
    Fault(hosts.power_with_bmc, 10),
)
ZERO_LOSS_FAULTS = (
    Fault(postgres.walsender_stops, 8),
    Fault(postgres.standby_slow, 8),
    Fault(postgres.checkpointer_busy, 6),
    Fault(postgres.sync_overridden, 3),
    Fault(postgres.sync_fails, 4),
)
