# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What happened in a world, for a person to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import World


def story(world: World, title: str = "") -> str:
    """A line per event: seconds, who, what."""
    lines = [title] if title else []
    lines += [f"{when:9.3f}  {who:<12} {text}" for when, who, text in world.story]
    return "\n".join([*lines, *(f"BROKEN: {text}" for text in world.broken)])
