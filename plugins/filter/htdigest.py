# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A line of Apache's file of users for digest authentication."""

from __future__ import annotations

import hashlib
from typing import Any


def htdigest(password: str, user: str, realm: str) -> str:
    """USER:REALM:HASH. MD5 is what the protocol knows; a control node in FIPS mode refuses it where it is called a protection."""
    secret = f"{user}:{realm}:{password}".encode()
    return f"{user}:{realm}:{hashlib.md5(secret, usedforsecurity=False).hexdigest()}"


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {"htdigest": htdigest}
