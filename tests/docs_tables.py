# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Renders the tables of docs/failover.md, docs/alarms.md and docs/safety.md from the code. `python tests/docs_tables.py` writes them there;
tests/unit/test_docs.py checks that they are current."""

from __future__ import annotations

import re
import sys
from pathlib import Path as File

ROOT = File(__file__).parents[1]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.alarms import ALARMS  # noqa: E402  (needs the path above)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import PROFILES  # noqa: E402  (needs the path above)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.boot import Step, next_step  # noqa: E402
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Trouble  # noqa: E402
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.patience import cut_off, living, used_up  # noqa: E402
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Intent, Record, Stage  # noqa: E402
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.stages import STAGES, Found  # noqa: E402
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Look, Path, Peer, Role, Server, Sight  # noqa: E402

FAILOVER = ROOT / "docs/failover.md"
ALARM_PAGE = ROOT / "docs/alarms.md"
SAFETY = ROOT / "docs/safety.md"
MARGINS = ROOT / "plugins/module_utils/skyha/margins.py"
SIGHTS = (Sight.OK, Sight.ALIVE, Sight.SICK, Sight.STALLED, Sight.DROPPED, Sight.REFUSED, Sight.UNREACHABLE)


def patience() -> str:
    """What each pair of looks leads to: rows the VIP path, columns the vote path."""
    lines = [
        "| VIP \\ vote | " + " | ".join(sight.value for sight in SIGHTS) + " |",
        "| --- " * (len(SIGHTS) + 1) + "|",
    ]
    for vip in SIGHTS:
        cells = [_patience(vip, vote) for vote in SIGHTS]
        lines.append(f"| **{vip.value}** | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _patience(vip: Sight, vote: Sight) -> str:
    # Who accepts on the vote path: a proxy that refuses or cannot be reached accepted nothing.
    reached = vote not in (Sight.REFUSED, Sight.UNREACHABLE)
    looks = {Path.VIP: Look(vip), Path.VOTE: Look(vote, reached=reached)}
    if living(looks):
        return "alive"
    if cut_off(looks):
        return "cut off"
    timing = PROFILES["fast"]
    for name in ("restart_grace", "hang_timeout"):
        limit = getattr(timing, name)
        before = used_up(timing, Trouble(0.0, unreachable=99), looks, limit - 0.01)[0]
        if not before and used_up(timing, Trouble(0.0, unreachable=99), looks, limit)[0]:
            return name
    return "failures"


OWN = {
    "primary, served in this boot": (Role.PRIMARY, True, True),
    "primary, on record: no standby could be promoted": (Role.PRIMARY, False, False),
    "primary, a standby may have been promoted": (Role.PRIMARY, True, False),
    "standby": (Role.STANDBY, True, False),
    "no data directory": (Role.NONE, True, False),
    "data directory unreadable": (Role.UNKNOWN, True, False),
}
PEERS = {
    "primary, newer timeline": Peer(Server.UP, Role.PRIMARY, timeline=6, noted=True),
    "primary, same timeline": Peer(Server.UP, Role.PRIMARY, timeline=5),
    "standby, not promoted": Peer(Server.UP, Role.STANDBY, timeline=5),
    "standby, newer timeline": Peer(Server.UP, Role.STANDBY, timeline=6),
    "down or starting": Peer(Server.DOWN),
    "unreachable": Peer(Server.UNREACHABLE),
}


REWINDING = "a rewind was interrupted"
LAB_TESTS = ("comeback/test_*.py", "faults/rows*.py")
MARK = re.compile(r"Boot: (.+?) / (.+?)\.\"\"\"")


def step(own: str, peer: str) -> Step:
    """What a node does that finds itself as `own` (of OWN, or REWINDING) and its peer as `peer` (of PEERS)."""
    if own == REWINDING:
        record = Record(boot="b", role=Role.PRIMARY, intent=Intent(Stage.REWINDING, 0.0, 0.0, ""))
        return next_step(record, Role.PRIMARY, 5, PEERS[peer], False, False)[0]
    role, recorded, served = OWN[own]
    return next_step(Record(boot="b", role=role, standby_recorded=recorded), role, 5, PEERS[peer], served, False)[0]


def tried_on_the_lab() -> set[tuple[str, str]]:
    """The cells that tests on the lab try: their docstrings say `Boot: ROW / COLUMN.`"""
    files = [file for names in LAB_TESTS for file in (ROOT / "tests").glob(names)]
    found = {cell for file in files for cell in MARK.findall(file.read_text())}
    for own, peer in found:
        assert own in (*OWN, REWINDING), f"there is no row {own!r} in the boot table"
        assert peer in PEERS, f"there is no column {peer!r} in the boot table"
    return found


def boot() -> str:
    """The boot table: rows this node, columns the peer as SQL shows it; in bold what the lab tries."""
    lines = ["| this node \\ peer | " + " | ".join(PEERS) + " |", "| --- " * (len(PEERS) + 1) + "|"]
    lab = tried_on_the_lab()
    for own in (*OWN, REWINDING):
        cells = [(step(own, peer).value, (own, peer) in lab) for peer in PEERS]
        lines.append(f"| {own} | " + " | ".join(f"**{text}**" if bold else text for text, bold in cells) + " |")
    return "\n".join(lines)


def stages() -> str:
    """What becomes of each stage on record: rows the stages, columns what PostgreSQL of this node is found to be."""
    lines = ["| stage \\ PostgreSQL here | runs as primary | runs as standby | is down |", "| --- | --- | --- | --- |"]
    for stage in Stage:
        cells = [_handler(stage, found) for found in (Found.PRIMARY, Found.STANDBY, Found.DOWN)]
        lines.append(f"| **{stage.value}** | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _handler(stage: Stage, found: Found) -> str:
    handler = STAGES.get((stage, found))
    return found.value if handler is None else f"`{handler.__name__}` {(handler.__doc__ or '').rstrip('.')}"


def alarms() -> str:
    """Every alarm code with its severity, its meaning and its next step; the headings are what is linked to."""
    parts = []
    for code, alarm in ALARMS.items():
        disarms = " No failover works while it lasts." if alarm.disarms else ""
        parts += [
            f"### {code}",
            "",
            f"*{alarm.severity.value}.* {alarm.meaning}{disarms}",
            "",
            f"Next: {alarm.next}.",
            "",
        ]
    return "\n".join(parts[:-1])


def margins() -> str:
    """The times of margins.py, each with its reason: the comment above it."""
    lines = ["| `margins.py` | value | why |", "| --- | --- | --- |"]
    for comment, name, value in re.findall(r"((?:^# .*\n)+)^([A-Z_]+) = ([\d.]+)$", MARGINS.read_text(), re.MULTILINE):
        why = " ".join(line.lstrip("# ") for line in comment.splitlines())
        lines.append(f"| `{name}` | {float(value):g} | {why} |")
    return "\n".join(lines)


TABLES = {
    FAILOVER: {"patience": patience, "boot": boot, "stages": stages},
    ALARM_PAGE: {"alarms": alarms},
    SAFETY: {"margins": margins},
}


def rendered(doc: File) -> str:
    """The page with the tables between their marks made again."""
    text = doc.read_text()
    for name, make in TABLES[doc].items():
        marks = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        assert marks.search(text), f"{doc.name} has no marks for the table {name}"
        text = marks.sub(lambda match, make=make: match.group(1) + make() + "\n" + match.group(2), text)
    return text


if __name__ == "__main__":
    for page in TABLES:
        page.write_text(rendered(page))
