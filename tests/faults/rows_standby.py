# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Standbys that must not take over, promotions that cannot, and nodes that come back."""

from __future__ import annotations

from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.lab import faults, lab, watch


def sees_its_primary(standby: str) -> None:
    """Wait until it does. What kept it from taking over must last until then: it would be fit and do so."""
    lab.wait_for("its primary", lambda: "no_failover" not in lab.status(standby)["alarms"], 120)


@row("replay paused on the standby, then the primary dies", "N+A")
def replay_paused(scene: Scene) -> None:
    lab.sql(scene.standby, "SELECT pg_wal_replay_pause()")
    scene.later(lab.sql, scene.standby, "SELECT pg_wal_replay_resume()")
    scene.alarm(scene.standby, "replay_paused")
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "no_failover", "paused")
    scene.quiet()
    assert not lab.is_writable(scene.standby)
    lab.lab("power", scene.primary, "on", "--wait")
    lab.wait_for("the primary serving again", lambda: lab.is_writable(scene.primary), 90)
    sees_its_primary(scene.standby)


@row("standby behind by more than the limit, then the primary dies", "N+A")
def standby_behind(scene: Scene) -> None:
    """Behind with what it received: what it has received and not replayed is not lost."""
    lab.on(scene.standby, "sh", "-c", "kill -STOP $(pgrep -f '[p]ostgres: .*walreceiver')")
    scene.later(lab.on, scene.standby, "sh", "-c", "pkill -CONT -f '[p]ostgres: .*walreceiver' || true")
    scene.alarm(scene.standby, "lag", within=120)
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "no_failover", "behind")
    scene.quiet()
    assert not lab.is_writable(scene.standby)
    lab.lab("power", scene.primary, "on", "--wait")
    sees_its_primary(scene.standby)


@row("a reader on the standby holds replay up when the primary dies", "F")
def reader_in_the_way(scene: Scene) -> None:
    """It is ended and named; what was received is replayed, and nothing is lost."""
    lab.sql(
        scene.primary,
        "DROP TABLE IF EXISTS read_there; CREATE TABLE read_there AS SELECT generate_series(1, 1000) AS n",
    )
    end = lab.sql(scene.primary, "SELECT pg_current_wal_flush_lsn()")
    lab.wait_for("the table", lambda: lab.sql(scene.standby, f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == "t", 30)
    reader = lab.connect(host=lab.HOSTS[scene.standby]["pg_cluster_address"])
    scene.later(reader.close)
    reader.autocommit = False
    reader.cursor().execute("SELECT count(*) FROM read_there")
    lab.sql(scene.primary, "ALTER TABLE read_there ADD COLUMN more int")
    waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event_type = 'Lock'"
    lab.wait_for("replay waiting", lambda: lab.sql(scene.standby, waits) == "t", 30)
    pid = reader.info.backend_pid
    faults.power_loss(scene.primary)
    scene.took_over()
    told = [event["text"] for event in watch.history(scene.standby) if event["kind"] == "reader_ended"]
    assert any(f"pid {pid} " in text for text in told), told


@row("failover again within the flap guard", "F+A")
def flap_guard(scene: Scene) -> None:
    """The node that came back may not take over at once when the new primary dies; an alarm says so."""
    scene.configure("flap_guard", "90")
    faults.power_loss(scene.primary)
    scene.took_over()
    lab.wait_for(
        "the old primary streaming",
        lambda: lab.status(scene.primary).get("streaming") and lab.status(scene.primary).get("role") == "standby",
        120,
    )
    lab.wait_for(
        "only the guard against it", lambda: list(lab.status(scene.primary)["not_armed"]) == ["flap_guard"], 60
    )
    faults.power_loss(scene.standby)
    scene.alarm(scene.primary, "no_failover", "too recent")
    scene.quiet()
    assert not lab.is_writable(scene.primary)
    lab.lab("power", scene.standby, "on", "--wait")
    sees_its_primary(scene.primary)


@row("promotion hangs", "F+A")
def promotion_hangs(scene: Scene) -> None:
    """Its startup process stands still. The proof of the fence is renewed meanwhile."""
    startup = "pgrep -f '[p]ostgres: .*startup recovering'"
    lab.on(scene.standby, "sh", "-c", f"kill -STOP $({startup})")
    scene.later(lab.on, scene.standby, "sh", "-c", f"kill -CONT $({startup}) || true")
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "promotion", within=150)
    scene.undo()
    scene.took_over()


@row("promotion hangs, and somebody switches the fenced node on again", "F")
def back_too_soon(scene: Scene) -> None:
    """It sees a standby that was not promoted. It must not serve: the promotion goes through seconds later."""
    startup = "pgrep -f '[p]ostgres: .*startup recovering'"
    lab.on(scene.standby, "sh", "-c", f"kill -STOP $({startup})")
    scene.later(lab.on, scene.standby, "sh", "-c", f"kill -CONT $({startup}) || true")
    faults.power_loss(scene.primary)
    lab.wait_for(
        "the order to promote", lambda: (lab.status(scene.standby)["intent"] or {}).get("stage") == "promoting", 60
    )
    lab.lab("power", scene.primary, "on")
    lab.wait_for("the fenced node with a look at its peer", lambda: _has_looked(scene.primary), 30, every=0.05)
    scene.undo()
    scene.took_over()


def _has_looked(node: str) -> bool:
    """Its skyha has decided what to do; or it is off, since it was fenced again."""
    try:
        said = str(lab.status(node).get("sentence", ""))
    except RuntimeError:
        return "off" in lab.lab("power", node, "status")
    return "starting" in said or "not promoted" in said


@row("the VIP cannot be added after the promotion", "F+A")
def vip_cannot_be_added(scene: Scene) -> None:
    """skyha there lacks the right to change addresses."""
    folder = "/etc/systemd/system/skyha.service.d"
    drop_in = "[Service]\nCapabilityBoundingSet=\nCapabilityBoundingSet=CAP_NET_RAW\nAmbientCapabilities=\nAmbientCapabilities=CAP_NET_RAW\n"
    lab.on(scene.standby, "sh", "-c", f"mkdir -p {folder}; cat > {folder}/lab.conf", stdin=drop_in)
    restart = ("sh", "-c", f"rm -rf {folder}; systemctl daemon-reload; systemctl restart skyha")
    scene.later(lab.on, scene.standby, *restart)
    lab.on(scene.standby, "sh", "-c", "systemctl daemon-reload; systemctl restart skyha")
    lab.wait_for("the cluster armed", lab.is_whole, 90, every=0.5)
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "action_add_vip")
    scene.undo()
    scene.took_over()


@row("another host answers for the VIP when it is to be taken", "F+A")
def alien(scene: Scene) -> None:
    """It is not taken while that host answers. The fence listens as well, so the promotion waits, too."""
    faults.power_loss(scene.primary)
    _alien(scene)
    _alien_is_named(scene)
    scene.quiet()
    assert not lab.holds_vip(scene.standby)
    scene.undo()
    scene.took_over()


@row("another host answers for the VIP that the primary lost", "N+A", tried=True)
def alien_on_a_live_primary(scene: Scene) -> None:
    _alien(scene)
    faults.drop_vip(scene.primary)
    scene.alarm(scene.primary, "vip_conflict")
    assert not lab.holds_vip(scene.primary)


@row("another host answers for the VIP that the primary lost, for longer than the grace", "N+A")
def alien_for_long(scene: Scene) -> None:
    """The primary lives, and a fence could lead to no promotion while that host answers. It takes the VIP again afterwards."""
    _alien(scene)
    faults.drop_vip(scene.primary)
    scene.alarm(scene.standby, "vip_elsewhere")
    scene.quiet(12)
    assert not lab.holds_vip(scene.standby)


def _alien_is_named(scene: Scene) -> None:
    """At the fence (the promotion waits), or where the standby's ARP cache still leads to the fenced host, when the VIP is to be taken."""
    codes = {"listening", "vip_conflict"}
    lab.wait_for("an alarm", lambda: lab.status(scene.standby)["alarms"].keys() & codes, 60)
    scene.named.extend(sorted(lab.status(scene.standby)["alarms"].keys() & codes))


def _alien(scene: Scene) -> None:
    lab.on("monitor", "ip", "address", "add", f"{lab.VIP}/24", "dev", "eth0")
    scene.later(lab.on, "monitor", "ip", "address", "del", f"{lab.VIP}/24", "dev", "eth0")


@row("fenced node boots while it cannot reach its peer", "F+A")
def returns_cut_off(scene: Scene) -> None:
    faults.power_loss(scene.primary)
    faults.network_cut(scene.primary)
    scene.took_over()
    lab.wait_for("the old primary on", lambda: lab.lab("power", scene.primary, "status").strip() == "on", 60)
    scene.alarm(scene.primary, "down", "may have been promoted")
    scene.quiet()
    assert not lab.is_writable(scene.primary)
    assert not lab.holds_vip(scene.primary)


@row("pg_rewind impossible", "F+A")
def rewind_impossible(scene: Scene) -> None:
    """WAL that it needs is gone. The old data stay as they are until an operator says to rebuild."""
    old = scene.primary
    lab.on(old, "systemctl", "disable", "-q", "skyha")
    faults.power_loss(old)
    scene.took_over()
    lab.wait_for("the old primary's host", lambda: lab.on(old, "systemctl", "is-system-running", check=False), 90)
    control = f"{faults.DATA}/global/pg_control"
    lab.on(old, "sh", "-c", f"find {faults.DATA}/pg_wal -maxdepth 1 -type f -delete")
    before = lab.on(old, "sh", "-c", f"sha256sum {control}; find {faults.DATA}/base -type f | sort | sha256sum")
    lab.on(old, "systemctl", "enable", "-q", "--now", "skyha")
    scene.alarm(old, "down", "failover_rebuild.yml")
    scene.quiet()
    after = lab.on(old, "sh", "-c", f"sha256sum {control}; find {faults.DATA}/base -type f | sort | sha256sum")
    assert after == before, "its data were touched"
    lab.playbook("failover_rebuild.yml")


@row("standby gone for days: its slot is bounded before WAL fills the primary's disk", "N+A", outage=5)
def slot_bounded(scene: Scene) -> None:
    primary, standby = scene.primary, scene.standby
    bounds = "ALTER SYSTEM SET {};\nSELECT pg_reload_conf()"
    for setting in ("max_slot_wal_keep_size = '64MB'", "wal_keep_size = '16MB'", "max_wal_size = '64MB'"):
        lab.sql(primary, bounds.format(setting))
    for name in ("max_slot_wal_keep_size", "wal_keep_size", "max_wal_size"):
        scene.later(lab.sql, primary, f"ALTER SYSTEM RESET {name};\nSELECT pg_reload_conf()")
    faults.power_loss(standby)
    step = "SELECT pg_logical_emit_message(true, 'lab', 'x');\nSELECT pg_switch_wal();\n"
    lab.sql(primary, step * 12 + "CHECKPOINT;\n" + step * 12 + "CHECKPOINT;\n")
    lost = f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{standby}'"
    lab.wait_for("the slot given up", lambda: lab.sql(primary, lost) in ("lost", ""), 60)
    size = int(lab.sql(primary, "SELECT sum(size) FROM pg_ls_waldir()"))
    assert size < 400 * 1024 * 1024, f"{size} bytes of WAL are kept"
    scene.alarm(primary, "standby")
    scene.alarm(primary, "slot_lost", "failover_rebuild.yml")
    lab.wait_for("the slot made again", lambda: lab.sql(primary, lost) == "", 30)
    lab.lab("power", standby, "on", "--wait")
    scene.alarm(standby, "replication", within=120)
    lab.playbook("failover_rebuild.yml")


@row("the standby is promoted by hand, past skyha", "N+A", outage=3)
def promoted_by_hand(scene: Scene) -> None:
    """The lawful primary serves on; nothing that its clients were told is lost. The other one is stopped, until it is rebuilt."""
    scene.lost_within = 0.0
    lab.on(scene.standby, "systemctl", "stop", "lab-inside")  # its commits there would be what nobody promised to keep
    scene.later(lab.playbook, "sky.pg_cluster.failover_rebuild")
    lab.sql(scene.standby, "SELECT pg_promote(false)")
    scene.alarm(scene.standby, "unlawful", "by hand", within=20)
    lab.wait_for("the one promoted by hand to be stopped", lambda: not lab.is_writable(scene.standby), 20, every=0.2)
    scene.quiet()
    scene.commits()
    assert lab.is_writable(scene.primary)
    assert lab.holds_vip(scene.primary)
    assert not lab.is_writable(scene.standby)
    scene.alarm(scene.standby, "unlawful", "by hand", within=5)
