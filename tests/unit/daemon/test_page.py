# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The status page: sound HTML, no script, nothing from elsewhere, and nothing that was seen can break out of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.alarms import ALARMS
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.page import alarms_page, page
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.peer import Told, shown, understand
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.status import Moment, as_text, broken, is_well
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Beat,
    Event,
    Look,
    Order,
    Outcome,
    Peer,
    Request,
    Role,
    Server,
    Sight,
    Task,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Path as Way
from daemon_samples import DROPPED, GOOD, PRIMARY, SILENT, STANDBY, World

VOID = {"meta", "br", "link", "img", "input"}


class Reader(HTMLParser):
    """Checks that every element is closed, in order; collects tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    assert "script" not in reader.tags
    assert not [name for name, _value in reader.attributes if name in ("src", "style") or name.startswith("on")]
    # Nothing leads out of the page but to what its alarms mean, on this node too.
    for name, value in reader.attributes:
        assert name != "href" or (value.startswith("/alarms#") and value[8:] in ALARMS), value
    return reader


def page_of(status: Mapping[str, Any], age: float) -> str:
    return page(from_json(status), age)


def standby_in_trouble() -> Any:
    world = World(STANDBY, "/nonexistent")
    world.turn(3)
    world.eyes.looks = {Way.VIP: SILENT, Way.VOTE: DROPPED}
    return world.turn(2)


def node_down() -> Any:
    world = World(PRIMARY, "/nonexistent")
    world.turn(2)
    world.eyes.here = dataclasses.replace(PRIMARY, server=Server.DOWN, vip_held=False, peer_streaming=False)
    return world.turn(2)


def test_standby_page_says_armed() -> None:
    text = read(page_of(World(STANDBY, "/nonexistent").turn(5), 0.5)).text
    for word in (
        "All is well",
        "Armed.",
        "node2 would fence node1 and take over",
        "VIP 198.51.100.116",
        "lag 0.0 s",
        "vote host",
    ):
        assert word in text


def test_trouble_is_said_at_once() -> None:
    text = read(page_of(standby_in_trouble(), 0.5)).text
    assert "The primary shows no life" in text
    assert "All is well" not in text


def test_node_that_is_starting_is_not_well_though_nothing_alarms_yet() -> None:
    here = dataclasses.replace(STANDBY, server=Server.STARTING, streaming=False)
    status = {**World(here, "/nonexistent").turn(1), "alarms": {}}
    reader = read(page_of(status, 0.5))
    assert "PostgreSQL is starting" in reader.text
    assert "All is well" not in reader.text


def test_primary_that_was_not_looked_at_yet_is_not_said_to_be_silent() -> None:
    world = World(STANDBY, "/nonexistent")
    status = world.turn(1)
    status["paths"] = {
        name: {**path, "sight": None, "age": None, "ok_age": None} for name, path in status["paths"].items()
    }
    assert "does not answer" not in read(page_of(status, 0.5)).text


def test_primary_page_draws_itself_with_the_vip() -> None:
    reader = read(page_of(World(PRIMARY, "/nonexistent").turn(5), 0.5))
    label = dict(reader.attributes)["aria-label"]
    assert label.startswith("node1: primary")
    assert "the VIP 198.51.100.116 is on node1; replication streams" in label


def of_primary(told: Told | None) -> Any:
    """A primary's status, with what its peer's skyha told of itself."""
    world = World(PRIMARY, "/nonexistent")
    status = world.turn(5)
    told_of = replace(from_json(status).around, peer_status=shown(told, world.clock.now))
    return to_json(replace(from_json(status), around=told_of))


def of_standby(**values: Any) -> Any:
    """What a standby's skyha serves, as its peer takes it."""
    served = {**World(STANDBY, "/nonexistent").turn(5), **values}
    return understand(as_text(served).encode(), "node2")[0]


def title(html: str) -> str:
    return html[html.index("<title>") + 7 : html.index("</title>")]


def test_primary_is_well_only_with_an_armed_standby() -> None:
    html = page_of(of_primary(Told(102.0, of_standby())), 0.5)
    text = read(html).text
    assert "All is well" in text
    assert "Armed. node2 would fence node1 and take over." in text
    assert title(html) == "Well: All is well - sky, node1"


def test_primary_whose_standby_is_not_armed_says_why_and_is_not_well() -> None:
    told = Told(102.0, of_standby(armed=False, not_armed={"lag": "99 s behind"}, alarms={"lag": "99 s behind"}))
    html = page_of(of_primary(told), 0.5)
    text = read(html).text
    assert "All is well" not in text
    assert "Not armed. node2 would not take over:99 s behind" in text
    assert "critical on node2: 99 s behindNext: look at the load" in text
    assert title(html) == "Critical: 1 alarm - sky, node1"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (None, "its skyha was not asked yet"),
        (Told(102.0, None, "skyha of node2 does not answer: timed out"), "does not answer: timed out"),
        (Told(50.0, of_standby()), "its skyha was last heard 5"),
        (Told(102.0, of_standby(), "", 99.0), "its skyha was last heard 10"),
        (Told(102.0, of_standby(state="stopped")), "its skyha is stopped"),
    ],
)
def test_primary_that_does_not_know_says_so(told: Told | None, why: str) -> None:
    status = of_primary(told)
    text = read(page_of(status, 0.5)).text
    assert not is_well(from_json(status))
    assert "Whether a failover would work is not known" in text
    assert "Not known. Only node2 could say it: " in text
    assert why in text


def test_both_nodes_stand_side_by_side_and_the_old_one_is_grey() -> None:
    fresh = page_of(of_primary(Told(102.0, of_standby())), 0.5)
    assert "node1 (here)node2" in read(fresh).text
    assert "primarystandby" in read(fresh).text
    old = page_of(of_primary(Told(50.0, of_standby())), 0.5)
    assert "node2, 5" in read(old).text
    assert '<td class="good">up</td><td class="dim">up</td>' in old


def test_what_was_looked_at_long_ago_is_grey_with_its_age() -> None:
    status = of_primary(None)
    status["peer_seen"] = {"server": "up", "role": "primary", "timeline": 1, "detail": "", "age": 921.0}
    assert '<td class="dim">primary, up; looked at 15 min ago</td>' in page_of(status, 0.5)


def test_alarm_tells_its_severity_how_long_it_is_on_and_the_next_step() -> None:
    world = World(dataclasses.replace(PRIMARY, peer_streaming=False), "/nonexistent")
    world.turn(30)
    html = page_of(world.turn(1), 0.5)
    assert "critical, for 30 s on node1: no standby streams" in read(html).text
    assert 'href="/alarms#standby"' in html


def test_every_alarm_linked_to_is_explained() -> None:
    reader = Reader()
    reader.feed(alarms_page())
    assert reader.open == []
    assert {value for name, value in reader.attributes if name == "id"} == set(ALARMS)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"state": "running"}', b"[" * 100_000])
def test_answer_that_is_no_status_is_none(body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        understand(body, "node2")


def test_status_of_another_node_is_not_the_peers() -> None:
    with pytest.raises(ValueError, match="it is of node 'node2'"):
        understand(as_text(World(STANDBY, "/nonexistent").turn(5)).encode(), "node9")


def test_what_does_not_run_only_was_primary() -> None:
    reader = read(page_of(node_down(), 0.5))
    assert "was primary" in reader.text
    assert dict(reader.attributes)["aria-label"].startswith("node1: was primary, down")


def failed_over() -> Any:
    """A node that was promoted, with the story of it."""
    world = World(PRIMARY, "/nonexistent")
    for kind, seconds in (("trouble", 2.0), ("fencing", 1.0), ("fenced", 0.5), ("promoted", 0.1), ("vip_taken", 5.0)):
        world.daemon.teller.add(Event(kind, f"it was {kind}", "alarm"))
        world.clock.now += seconds
    world.turn(1)
    memory = world.daemon.loop.memory
    record = dataclasses.replace(memory.record, failover_noted=False)
    world.daemon.loop.memory = dataclasses.replace(memory, record=record)
    return world.turn(1)


def test_failover_is_told_with_its_phases_until_it_is_acknowledged() -> None:
    text = read(page_of(failed_over(), 0.5)).text
    assert "Last failover to node1: " in text
    assert "3.60 s (detect 2.00 s, fence 1.00 s, promote 0.50 s, vip 0.10 s)" in text
    assert "It was not acknowledged (skyctl acknowledge)." in text
    assert "1 alarm" in text
    assert "All is well" not in text


def test_fencing_under_way_is_the_headline() -> None:
    world = World(STANDBY, "/nonexistent")
    world.turn(3)
    world.eyes.looks = {Way.VIP: SILENT, Way.VOTE: DROPPED}
    status = world.turn(20)
    assert status["intent"]["stage"] == "fencing"
    reader = read(page_of(status, 0.5))
    assert ("class", "banner bad") in reader.attributes
    assert "node2: fencingstandby, fencing of node1" in reader.text
    assert "Under way." in reader.text


@pytest.mark.parametrize(("seconds", "told"), [(None, "yes, until resumed"), (600.0, "yes, for 600 s more")])
def test_pause_is_told_with_its_end(seconds: float | None, told: str) -> None:
    world = World(STANDBY, "/nonexistent")
    world.turn(2)
    world.daemon.submit(Request(Order.PAUSE, "anna", seconds))
    assert told in read(page_of(world.turn(1), 0.5)).text


@pytest.mark.parametrize(
    ("behind", "told"), [(0, "0 bytes"), (2048, "2.0 KiB"), (3 << 20, "3.0 MiB"), (5 << 30, "5.0 GiB")]
)
def test_lag_is_told_in_units_for_people(behind: int, told: str) -> None:
    at = STANDBY.receive_lsn
    world = World(STANDBY, "/nonexistent")
    world.turn(3)
    ahead = dataclasses.replace(GOOD, beat=Beat(at + behind, 1, True))
    world.eyes.looks = {Way.VIP: ahead, Way.VOTE: ahead}
    assert told in read(page_of(world.turn(1), 0.5)).text


def test_lag_that_is_not_known_is_not_told_as_none() -> None:
    world = World(STANDBY, "/nonexistent")
    world.eyes.looks = {Way.VIP: SILENT, Way.VOTE: DROPPED}
    text = read(page_of(world.turn(2), 0.5)).text
    assert "Lagunknown" in text
    assert "last heartbeat never" in text
    assert "Peer's BMCnot asked yet" in text


def test_bmc_that_fails_is_named_with_the_reason() -> None:
    world = World(STANDBY, "/nonexistent")
    world.turn(2)
    world.tasks.over.append(Outcome(Task.CHECK_BMC, False, "wrong password"))
    assert "cannot be used: the BMC of node1 cannot be used: wrong password" in read(page_of(world.turn(1), 0.5)).text


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        (Peer(Server.UP, Role.PRIMARY, 2), ("node2 itself", "primary, up; looked at 0 s ago")),
        (
            Peer(Server.UNREACHABLE, detail="no answer within 0.8 s"),
            ("unreachable: no answer within 0.8 s; looked at 0 s ago",),
        ),
    ],
)
def test_peer_as_it_was_seen_itself(peer: Peer, told: tuple[str, ...]) -> None:
    """A node that is down looks at the peer, whose role may be all that is known of the cluster."""
    world = World(PRIMARY, "/nonexistent")
    world.eyes.peer = lambda _deadline: peer  # type: ignore[method-assign]
    world.turn(2)
    world.eyes.here = dataclasses.replace(PRIMARY, server=Server.DOWN, vip_held=False, peer_streaming=False)
    reader = read(page_of(world.turn(3), 0.5))
    for word in told:
        assert word in reader.text
    drawn = dict(reader.attributes)["aria-label"]
    assert ("node2: primary" if peer.role is Role.PRIMARY else "node2: unreachable") in drawn


@pytest.mark.parametrize(
    "status",
    [
        standby_in_trouble(),
        failed_over(),
        node_down(),
        World(STANDBY, "/nonexistent").published,
        to_json(broken(None, "misconfigured", ["[node] address is missing"], Moment(1.0, 2.0, 2.0, 3))),
    ],
)
def test_page_is_sound_in_every_state(status: Any) -> None:
    read(page_of(status, 0.5))


def test_stale_status_is_marked() -> None:
    assert "has not completed a cycle for 99 s" in read(page_of(World(STANDBY, "/nonexistent").turn(1), 99.0)).text


def test_alarms_are_listed() -> None:
    world = World(dataclasses.replace(STANDBY, streaming=False), "/nonexistent")
    text = read(page_of(world.turn(3), 0.5)).text
    assert "Not armed." in text
    assert "replication does not stream" in text


def test_what_was_seen_cannot_break_out() -> None:
    evil = "</style><script>alert(1)</script>\"'&"
    world = World(dataclasses.replace(STANDBY, detail=evil), "/nonexistent")
    world.eyes.looks = {way: Look(Sight.ALIVE, evil, 0.1, True) for way in Way}
    world.daemon.teller.add(Event("odd", evil))
    html = page_of(world.turn(3), 0.5)
    read(html)
    assert "<script" not in html


def test_refreshes_itself_and_fits_a_telephone() -> None:
    attributes = read(page_of(World(STANDBY, "/nonexistent").turn(1), 0.5)).attributes
    assert ("http-equiv", "refresh") in attributes
    assert ("content", "width=device-width,initial-scale=1") in attributes
