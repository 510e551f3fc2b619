# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What keeps WAL on this node: its replication slots, whoever they belong to, and a checkpoint that does not come.

Asked for now and then only: none of it changes within seconds.
"""

from __future__ import annotations

from ..words import Slot, Wal
from .session import Row

WAL = """SELECT
  (SELECT coalesce(json_agg(json_build_array(slot_name, slot_type = 'logical', active, coalesce(wal_status = 'lost', false),
       CASE WHEN wal_status IS DISTINCT FROM 'lost' THEN h.lsn - restart_lsn END) ORDER BY slot_name), '[]')
     FROM pg_replication_slots WHERE NOT temporary),
  pg_size_bytes(current_setting('max_slot_wal_keep_size')), pg_size_bytes(current_setting('wal_keep_size')),
  pg_size_bytes(current_setting('max_wal_size')), extract(epoch FROM current_setting('checkpoint_timeout')::interval)::float8,
  CASE WHEN NOT r.yes THEN c.redo_lsn - '0/0' END, CASE WHEN NOT r.yes THEN h.lsn - c.redo_lsn END
  FROM (SELECT pg_is_in_recovery() AS yes) r
 CROSS JOIN LATERAL (SELECT CASE WHEN r.yes THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn) h
 CROSS JOIN pg_control_checkpoint() c"""


def wal(row: Row) -> Wal:
    """The row of WAL."""
    slots, slot_limit, keep, most, timeout, redo, since = row
    return Wal(
        slots=tuple(
            Slot(str(name), bool(logical), bool(active), bool(lost), None if kept is None else int(kept))
            for name, logical, active, lost, kept in slots
        ),
        slot_limit=int(slot_limit) if slot_limit >= 0 else None,
        kept_anyway=max(int(keep), int(most)),
        max_wal_size=int(most),
        checkpoint_timeout=float(timeout),
        redo_lsn=None if redo is None else int(redo),
        since_checkpoint=None if since is None else int(since),
    )
