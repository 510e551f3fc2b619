# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster as a drawing (inline SVG): two nodes, the vote host, the VIP, and the ways between them.

Drawn for a column as narrow as a telephone's; state is told by words and dashes as well as by colour.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..words import Role
from .markup import escape
from .published import Status, Way
from .status import role_text

WIDTH, HEIGHT = 360, 274
BOX = 134  # width of a node's box
LEFT, RIGHT = 6, WIDTH - 6 - BOX
_GOOD = ("ok",)
_WARN = ("alive", "sick", "stalled", "unknown")
# An ok that is older says nothing of now (the primary looks along its paths every 5 s or so).
OLD = 30.0


@dataclass(frozen=True)
class _Node:
    name: str
    address: str
    role: str
    state: str  # good, warn, bad, dim
    line: str
    vip: bool


def drawing(status: Status) -> str:
    """The SVG element."""
    here, there = _here(status), _there(status)
    left, right = sorted((here, there), key=lambda node: node.name)
    x = {left.name: LEFT, right.name: RIGHT}
    vote = status.place.vote
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_words(status, here, there))}">',
        "<defs>"
        + "".join(
            f'<marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0L8 4L0 8z" class="tip {kind}"/></marker>'
            for kind in ("good", "warn", "bad", "dim")
        )
        + "</defs>",
    ]
    holder = next((node for node in (here, there) if node.vip), None)
    parts += _ways(status, here, there, x, "" if holder is None else holder.name)
    parts += [
        f'<g class="box dim"><rect x="110" y="8" width="140" height="46" rx="7"/><text x="180" y="27" class="name">vote host</text>'
        f'<text x="180" y="44" class="small">{escape(_short(vote.address, 18))}:{vote.port}</text></g>'
    ]
    for node in (left, right):
        parts += _box(node, x[node.name], node.name == here.name)
    if holder is not None:
        parts.append(
            f'<g class="vip"><rect x="{x[holder.name] + 2}" y="148" width="130" height="22" rx="11"/>'
            f'<text x="{x[holder.name] + BOX // 2}" y="163" class="small">VIP {escape(_short(status.around.vip.address, 16))}</text></g>'
        )
    return "".join(parts) + "</svg>"


def _here(status: Status) -> _Node:
    here, place = status.postgres, status.place
    state = "bad" if here.server != "up" else "warn" if status.verdict.alarms else "good"
    line = f"timeline {here.timeline or 'unknown'}" if here.server == "up" else here.server
    if here.lag.seconds is not None:
        line = f"lag {here.lag.seconds:.1f} s"
    return _Node(place.node, place.address, role_text(status), state, line, bool(status.around.vip.held))


def _there(status: Status) -> _Node:
    """The peer, from what this node saw of it: directly, along the paths, or by replication."""
    name, address, role = status.place.peer, status.place.peer_address, status.postgres.role
    seen, paths = status.around.peer_seen, status.around.paths
    if role == "primary" and status.postgres.streaming:
        return _Node(name, address, "standby", "good", "streaming", False)
    if role == "standby" and any(map(_is_good, paths.by_name.values())):
        has_vip = _is_good(paths.vip) and status.around.vip.held is False
        return _Node(name, address, "primary", "good", "answers", has_vip)
    if role == "standby" and any(path.sight is not None for path in paths.by_name.values()):
        return _Node(name, address, "primary?", "bad", "does not answer", False)
    if seen is not None and seen.age is not None and seen.age < OLD:
        state = "warn" if seen.server == "up" else "bad"
        if seen.role == Role.UNKNOWN.value:
            return _Node(name, address, seen.server, state, "", False)
        return _Node(name, address, seen.role, state, seen.server, False)
    return _Node(name, address, "unknown", "dim", "not seen", False)


def _is_good(path: Way) -> bool:
    return path.sight in _GOOD and path.age is not None and path.age < OLD


def _box(node: _Node, x: int, is_here: bool) -> list[str]:
    middle = x + BOX // 2
    tag = '<tspan class="here"> (here)</tspan>' if is_here else ""
    return [
        f'<g class="box {node.state}"><rect x="{x}" y="176" width="{BOX}" height="92" rx="7"/>',
        f'<text x="{middle}" y="198" class="name">{escape(_short(node.name, 16 if not is_here else 10))}{tag}</text>',
        f'<text x="{middle}" y="215" class="small">{escape(_short(node.address, 20))}</text>',
        f'<text x="{middle}" y="237" class="role">{escape(node.role)}</text>',
        f'<text x="{middle}" y="256" class="small">{escape(_short(node.line, 20))}</text></g>',
    ]


def _ways(status: Status, here: _Node, there: _Node, x: dict[str, int], holder: str) -> list[str]:
    """Where this node looks: its line to the vote host, the vote host's line to the primary, its own to the VIP."""
    center = {name: left + BOX // 2 for name, left in x.items()}
    primary: str | None = (
        here.name if here.role == "primary" else there.name if there.role.startswith("primary") else None
    )
    vip, vote = status.around.paths.vip, status.around.paths.vote
    reached = vote.reached
    parts = []
    # A line ends at the VIP's sign where it is drawn above the box, else at the box.
    end = 146 if primary == holder else 174
    if primary is not None:
        from_vote = 128 if center[primary] < WIDTH // 2 else 232
        # Seen from the standby: at its side of the gap between the boxes, and at the primary's.
        near, far = (RIGHT, LEFT + BOX) if center[primary] < WIDTH // 2 else (LEFT + BOX, RIGHT)
        if primary != here.name:
            at_vote = 128 if center[here.name] < WIDTH // 2 else 232
            parts.append(_line(center[here.name], 176, at_vote, 54, _class(vote, reached)))
            parts.append(_line(from_vote, 54, center[primary], end, _class(vote, None)))
            parts.append(_line(near, 198, far, 198, _class(vip, None)))
            parts.append(_label("heartbeat", 190))
        else:
            parts.append(_line(center[here.name] - 10, end, from_vote - 10, 54, _class(vote, reached)))
            parts.append(_line(from_vote + 10, 54, center[here.name] + 10, end, _class(vote, None)))
        # Replication flows from the primary.
        parts.append(_line(far, 246, near, 246, {True: "good", False: "bad", None: "dim"}[status.postgres.streaming]))
        parts.append(_label("replication", 238))
    label = f"vote path: {vote.sight or 'not looked at'}"
    parts.append(_label(label, 104))
    return parts


def _label(text: str, y: int) -> str:
    return f'<text x="{WIDTH // 2}" y="{y}" class="small halo">{escape(text)}</text>'


def _class(path: Way, reached: bool | None) -> str:
    if path.sight is None:
        return "dim"
    if path.sight in _GOOD or reached:
        return "good"
    return "warn" if path.sight in _WARN else "bad"


def _line(x1: int, y1: int, x2: int, y2: int, kind: str) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="way {kind}" marker-end="url(#{kind})"/>'


def _words(status: Status, here: _Node, there: _Node) -> str:
    """The drawing in words, for who cannot see it."""
    holder = here.name if here.vip else there.name if there.vip else "no node that was seen"
    return (
        f"{here.name}: {here.role}, {here.line}; {there.name}: {there.role}, {there.line}; the VIP {status.around.vip.address} "
        f"is on {holder}; replication "
        + {True: "streams", False: "does not stream", None: "may stream or not"}[status.postgres.streaming]
    )


def _short(text: object, most: int) -> str:
    string = str(text)
    return string if len(string) <= most else string[: most - 1] + "…"
