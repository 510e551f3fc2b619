# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every directed link between the nodes, the vote host and the BMCs cut on its own, and the cuts that belong together."""

from __future__ import annotations

from tests.faults import flapping
from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.lab import faults, lab

# sender, receiver, who names it, by which alarm
LINKS = [
    ("primary", "standby", "standby", "path_vip"),
    ("standby", "primary", "standby", "path_vip"),
    ("primary", "vote", "standby", "path_vote"),
    ("vote", "primary", "standby", "path_vote"),
    ("standby", "vote", "standby", "path_vote"),
    ("vote", "standby", "standby", "path_vote"),
    ("standby", "the primary's BMC", "standby", "bmc"),
    ("the primary's BMC", "standby", "standby", "bmc"),
    ("primary", "the standby's BMC", "primary", "bmc"),
    ("the standby's BMC", "primary", "primary", "bmc"),
]


def _host(scene: Scene, name: str) -> str:
    return {
        "primary": scene.primary,
        "standby": scene.standby,
        "the primary's BMC": f"bmc:{scene.primary}",
        "the standby's BMC": f"bmc:{scene.standby}",
    }.get(name, name)


def _one_way(sender: str, receiver: str, who: str, code: str) -> None:
    @row(f"one way cut: {sender} to {receiver}", "N+A", outage=5)
    def story(scene: Scene) -> None:
        scene.cut(_host(scene, sender), _host(scene, receiver))
        if code == "bmc":  # else a minute passes until the next check
            scene.skyha(_host(scene, who), "restart")
        scene.alarm(_host(scene, who), code)
        scene.quiet()


for link in LINKS:
    _one_way(*link)


@row("link primary-standby cut, both still reach the vote host", "N+A", outage=5)
def nodes_apart(scene: Scene) -> None:
    scene.cut_both(scene.primary, scene.standby)
    scene.alarm(scene.standby, "replication")
    scene.quiet(3)


@row("link primary-vote host cut", "N+A", outage=5)
def primary_and_vote_apart(scene: Scene) -> None:
    scene.cut_both(scene.primary, "vote")
    scene.alarm(scene.standby, "vote_path")
    scene.quiet(3)


@row("link standby-vote host cut", "N+A", outage=5)
def standby_and_vote_apart(scene: Scene) -> None:
    scene.cut_both(scene.standby, "vote")
    scene.alarm(scene.standby, "vote_path")
    scene.quiet(3)


@row("primary cut off from everything, BMC reachable", "F", selection=True)
def primary_cut_off(scene: Scene) -> None:
    """Its own PostgreSQL goes on accepting local commits until the fence, and not one after it (O2)."""
    faults.network_cut(scene.primary)
    scene.took_over()


@row("primary cut off by one-way loss: nobody gets what it sends", "F")
def primary_mute(scene: Scene) -> None:
    # In one instant: what the clients are told after the standby was cut off is lost rightfully, and would not be the last moment.
    scene.cut(scene.primary, scene.standby, "vote", "gateway")
    scene.took_over()


@row("standby cut off from everything", "N", outage=5)
def standby_cut_off(scene: Scene) -> None:
    faults.network_cut(scene.standby)
    scene.quiet()


@row("the switch dies: everybody cut off from everybody", "N")
def switch_dies(scene: Scene) -> None:
    for host in (*lab.NODES, "vote"):
        faults.network_cut(host)
    scene.quiet()
    for host in ("vote", scene.standby, scene.primary):  # its ports come up one after the other
        lab.lab("heal", host)
    scene.quiet()


@row("the primary's link flaps every second", "N")
def primary_flaps(scene: Scene) -> None:
    flapping.flap(scene.primary, times=8)
    scene.commits()


@row("the standby's link flaps every second", "N", outage=5)
def standby_flaps(scene: Scene) -> None:
    flapping.flap(scene.standby, times=8)
    scene.commits()


@row("30 % of all packets lost at the primary", "N")
def primary_loses(scene: Scene) -> None:
    lab.lab("loss", scene.primary, "30")
    scene.quiet(40)


@row("30 % of all packets lost at the standby", "N", outage=5)
def standby_loses(scene: Scene) -> None:
    lab.lab("loss", scene.standby, "30")
    scene.quiet(40)
