# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl forget-rewind: what was noted of a pg_rewind that broke off, once the data directory is another one."""

from __future__ import annotations

import os

from ..errors import WorldError
from ..world.unfinished import Unfinished
from .orders import Desk
from .sources import NotAllowed, NotRunning, Refused


def forget_rewind(desk: Desk) -> int:
    """Take the note and what it keeps away, where skyha does not run: one that runs may be in the middle of a pg_rewind."""
    state_dir = desk.config.paths.of_rewinds
    try:
        desk.status()
    except NotRunning:
        pass
    else:
        raise Refused(
            "skyha runs here, and what it notes of a pg_rewind is its own: stop it first (systemctl stop skyha)"
        )
    if os.path.exists(state_dir) and not os.access(state_dir, os.W_OK | os.X_OK):
        raise NotAllowed(f"{state_dir} cannot be written")
    noted = Unfinished(state_dir, desk.config.postgresql.data_dir)
    if not noted.exists:
        desk.say("Nothing is noted of a pg_rewind that broke off.")
        return 0
    try:
        noted.end()
    except WorldError as error:
        desk.say(str(error), "bad")
        return 1
    desk.say("What was noted of a pg_rewind that broke off is gone, and what it kept of the old data directory.")
    return 0
