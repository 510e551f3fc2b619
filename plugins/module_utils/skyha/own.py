# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does a fence agent lead to the very node that would use it? The collection's filters ask this of the inventory, skyha of its file."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterator, Sequence

# A user who fences may bear any name.
_USERS = ("login", "user", "username")
# Not at '/': a file may be called after the node that reads it.
_BETWEEN = r"[\s,@]+"


def leads_home(address: str, lines: Sequence[str], name: str, addresses: Sequence[str]) -> str | None:
    """What of an agent, with this address and these command lines, is the node's own, by its name and its addresses; None: nothing."""
    own = {plain(one) for one in addresses if one}
    if address and plain(address) in own:
        return address
    for line in lines:
        for value in _values(line):
            is_name = name and value.lower().partition(".")[0] == name.lower().partition(".")[0]
            if plain(value) in own or (is_name and not _is_address(value)):
                return value
    return None


def plain(address: str) -> str:
    """An address as it is compared: IPv6 has many spellings."""
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    return str(ipaddress.ip_address(bare)) if _is_address(bare) else address.lower()


def _values(line: str) -> Iterator[str]:
    """What a command line names: its words but the program, without 'key=' and '--key='."""
    try:
        words = shlex.split(line)[1:]
    except ValueError:  # it is refused elsewhere
        return
    for word in words:
        key, is_given, value = word.partition("=")
        if not is_given:
            yield from re.split(_BETWEEN, word)
        elif key.lstrip("-") not in _USERS:
            yield from re.split(_BETWEEN, value)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
