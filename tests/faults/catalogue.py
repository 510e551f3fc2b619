# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All rows, in the order in which they are told and played."""

from __future__ import annotations

from tests.faults import (  # noqa: F401  (each enters its rows)
    rows_document,
    rows_hiccup,
    rows_host,
    rows_links,
    rows_operator,
    rows_postgres,
    rows_skyha,
    rows_standby,
    rows_storage,
    rows_switchover,
    rows_vote,
)
from tests.faults.rows import ROWS as _ENTERED
from tests.lab import register

HAS_REGISTER = register.ENGINE != "none"
if HAS_REGISTER:  # its own faults are played, too
    from tests.faults import rows_etcd, rows_lease, rows_register, rows_resign  # noqa: F401  (these likewise)

ORDER = (
    "document",
    "postgres",
    "host",
    "links",
    "hiccup",
    "vote",
    "register",
    "lease",
    "resign",
    "etcd",
    "standby",
    "storage",
    "skyha",
    "switchover",
    "operator",
)
_PLAYED = [
    one for one in _ENTERED if not (HAS_REGISTER and one.without_register) and one.engine in ("", register.ENGINE)
]
ROWS = sorted(_PLAYED, key=lambda one: ORDER.index(one.group))
