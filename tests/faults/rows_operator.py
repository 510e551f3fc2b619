# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dead ends of the automatic failover, and the one order that leads out of each: skyctl takeover."""

from __future__ import annotations

from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.lab import faults, lab

HBA = f"{faults.DATA}/pg_hba.conf"
PROXY = "/etc/sky-vote-proxy/haproxy.cfg"
RELOAD = "runuser -u postgres -- bash -lc 'pg_ctl reload || true'"
STATE = "/var/lib/skyha/state.json"


def takeover(scene: Scene, alarm: str = "no_failover") -> None:
    """Nothing is promoted, the alarm names the order, and the order answers only when this node is the primary with the VIP."""
    scene.alarm(scene.standby, alarm, "skyctl takeover")
    scene.quiet()
    assert not lab.is_writable(scene.standby)
    said = lab.on(scene.standby, "skyctl", "takeover", "--yes", scene.primary, timeout=130)
    assert f"{scene.standby} is the primary on timeline" in " ".join(said.split()), said
    assert lab.is_writable(scene.standby)
    assert lab.holds_vip(scene.standby)
    scene.took_over()


def dead_for_good(node: str) -> None:
    lab.lab("bmc", node, "stop")
    faults.power_loss(node)


@row("primary, its BMC and the vote host die together, an operator orders the takeover", "F+A", selection=True)
def vote_host_dies_too(scene: Scene) -> None:
    faults.power_loss("vote")
    dead_for_good(scene.primary)
    scene.alarm(scene.standby, "cut_off", "skyctl takeover")
    said = " ".join(lab.on(scene.standby, "skyctl", "confirm-off", "--yes", scene.primary, check=False).split())
    assert "it may be this node that is cut off" in said
    assert "skyctl takeover" in said
    takeover(scene, "cut_off")


@row("only the standby comes back, for good, and an operator orders the takeover", "F+A", selection=True)
def only_the_standby_for_good(scene: Scene) -> None:
    faults.power_loss(scene.standby)
    dead_for_good(scene.primary)
    lab.lab("power", scene.standby, "on", "--wait")
    takeover(scene)


@row("default_transaction_read_only is on when the primary dies, an operator orders the takeover", "F+A")
def read_only_default(scene: Scene) -> None:
    lab.sql(scene.primary, "ALTER SYSTEM SET default_transaction_read_only = on;\nSELECT pg_reload_conf()")
    own = f"{faults.DATA}/postgresql.auto.conf"
    scene.later(lab.on, scene.primary, "sh", "-c", f"sed -i /default_transaction_read_only/d {own}; {RELOAD}")
    scene.later(lab.lab, "power", scene.primary, "on", "--wait")
    scene.alarm(scene.standby, "vote_path")
    faults.power_loss(scene.primary)
    takeover(scene)


@row("a damaged record is moved away and the primary is dead, an operator orders the takeover", "F+A")
def damaged_record(scene: Scene) -> None:
    lab.on(scene.standby, "systemctl", "stop", "skyha")
    lab.on(scene.standby, "sh", "-c", f"echo '{{' > {STATE}")
    dead_for_good(scene.primary)
    lab.on(scene.standby, "rm", STATE)
    lab.on(scene.standby, "systemctl", "restart", "skyha")
    takeover(scene)


@row("the vote path leads to the standby itself when the primary dies, an operator orders the takeover", "F+A")
def vote_path_leads_here(scene: Scene) -> None:
    here = lab.HOSTS[scene.standby]["pg_cluster_address"]
    command = f"cp -p {PROXY} {PROXY}.kept; sed -i 's/server vip [0-9.]*:/server vip {here}:/' {PROXY}; systemctl reload sky-vote-proxy"
    lab.on("vote", "sh", "-c", command)
    scene.later(lab.on, "vote", "sh", "-c", f"mv {PROXY}.kept {PROXY}; systemctl reload sky-vote-proxy")
    scene.alarm(scene.standby, "vote_path")
    dead_for_good(scene.primary)
    takeover(scene)


@row("the heartbeat is locked out by pg_hba.conf when the primary dies, an operator orders the takeover", "F+A")
def locked_out(scene: Scene) -> None:
    command = f"cp -p {HBA} {HBA}.kept; sed -i '1i host all sky_pg_cluster 0.0.0.0/0 reject' {HBA}"
    lab.on(scene.primary, "sh", "-c", command)
    scene.later(lab.on, scene.primary, "sh", "-c", f"test ! -e {HBA}.kept || mv {HBA}.kept {HBA}; {RELOAD}")
    scene.later(lab.lab, "power", scene.primary, "on", "--wait")
    lab.sql(scene.primary, "SELECT pg_reload_conf()")
    scene.alarm(scene.standby, "vote_path")
    faults.power_loss(scene.primary)
    takeover(scene)
