# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rows of the fault suite: what breaks, what must come of it, and how a row is played and judged.

Expectations: N nobody is fenced or promoted; F fenced, promoted, VIP moved; R repaired in place; A an alarm that names
the cause; S a switchover that ends cleanly, on either node. The oracles O1 to O5 are held in every row.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from tests.faults import matrix
from tests.faults.scene import Scene
from tests.lab import faults, lab
from tests.lab.watch import Report, Watch

Story = Callable[[Scene], None]
Stage = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True)
class Row:
    """One fault."""

    name: str
    expect: str  # letters, see above
    story: Story
    group: str
    selection: bool = False  # part of `make test`
    outage: float | None = None  # N and R: seconds that clients may be without, where writes can go on
    tried: bool = False  # N: a fence that fails, or is called off, belongs to the story
    before: Stage | None = None  # what is set up on the primary beforehand, and taken away afterwards
    without_register: str = ""  # why it is not played where the lab has a register, and so a lease
    engine: str = ""  # the only engine of a register with which it is played

    @property
    def slug(self) -> str:
        """The test's name."""
        return re.sub("[^a-z0-9]+", "-", self.name.lower()).strip("-")


ROWS: list[Row] = []
NO_HEIR = "whoever stops skyha on a primary with a register takes the heir back"


def row(
    name: str,
    expect: str,
    selection: bool = False,
    outage: float | None = None,
    tried: bool = False,
    before: Stage | None = None,
    without_register: str = "",
    engine: str = "",
) -> Callable[[Story], Story]:
    """Enter the story that follows as a row."""

    def enter(story: Story) -> Story:
        group = story.__module__.rsplit("rows_", 1)[-1]
        ROWS.append(Row(name, expect, story, group, selection, outage, tried, before, without_register, engine))
        return story

    return enter


def play(one: Row, noted: bool = True) -> None:
    """Play a row on a whole cluster, make the cluster whole again under the same watch, judge; note the result if wanted."""
    faults.make_whole()
    began = time.monotonic()
    try:
        with one.before(lab.primary()) if one.before else nullcontext():
            scene, failure = _watched(one)
    except Exception as error:
        if noted:
            matrix.note(one.name, seen="", broken=f"broke off: {error}"[:150], took=time.monotonic() - began)
        raise
    report = scene.watch.report
    seen, broken = seen_in(one, report, scene), ""
    try:
        if failure is not None:
            raise failure
        report.check() if scene.lost_within is None else report.check(scene.lost_within)
        judge(one, seen, report, scene)
    except AssertionError as error:
        broken = str(error).partition("\n")[0][:150] or "a step of its story"
        raise AssertionError(f"{error}\n{report.story()}") from error
    finally:
        took = time.monotonic() - began
        if noted:
            matrix.note(
                one.name,
                seen=seen,
                broken=broken,
                outage=report.outage,
                acknowledged=len(report.acknowledged),
                lost=len(report.lost),
                named=scene.named,
                took=took,
            )


def _watched(one: Row) -> tuple[Scene, AssertionError | None]:
    with Watch() as watch:
        scene = Scene(watch)
        failure: AssertionError | None = None
        try:
            one.story(scene)
        except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
            # Told below, together with what the nodes did.
            failure = AssertionError(str(error))
        faults.heal()  # first of all power: much of the rest is undone inside the hosts
        scene.undo()
        faults.make_whole()
        scene.now_primary = lab.primary()
    return scene, failure


def seen_in(one: Row, report: Report, scene: Scene) -> str:
    """What happened, in the letters of the expectations, from the nodes' own histories. R is told where it is expected: in
    other rows a start of PostgreSQL belongs to the repair after the story."""
    letters = []
    # With a register the new holder may promote itself before it is told to.
    handed_over = report.happened("switchover") and not report.happened("fencing")
    if report.happened("promoted") and not handed_over:
        letters.append("F")
    elif report.happened("switchover") and scene.now_primary == scene.standby:
        letters.append("S")
    elif report.happened("fencing"):
        letters.append("N (fence tried)")
    elif "R" in one.expect and any(report.happened(kind, scene.primary) for kind in ("starting", "vip_taken")):
        letters.append("R")
    else:
        letters.append("N")
    return "+".join([*letters, *(["A"] if scene.named else [])])


def judge(one: Row, seen: str, report: Report, scene: Scene) -> None:
    """Hold what was seen against what was expected."""
    fencing = report.happened("fencing")
    if "or" not in one.expect:
        assert (seen[0] == "F") == ("F" in one.expect), f"expected {one.expect}, seen {seen}"
        assert "F" in one.expect or one.tried or not fencing, f"expected {one.expect}, seen {seen}"
    assert "R" not in one.expect or seen[0] in one.expect, f"expected {one.expect}, seen {seen}"
    if "A" in one.expect:
        assert "A" in seen, f"expected {one.expect}, seen {seen}"
    if one.outage is not None:
        assert report.outage < one.outage, (
            f"clients were without for {report.outage:.1f} s, {one.outage:g} s are allowed"
        )
    if "S" not in one.expect:
        serves = scene.standby if seen[0] == "F" else scene.primary
        assert scene.now_primary == serves, f"{scene.now_primary} is primary in the end, expected was {serves}"
