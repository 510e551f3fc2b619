# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Odd values for an inventory: any text, and addresses of IPv6; and a node that nobody looked at."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

FEW = settings(max_examples=15, deadline=None)
# What a YAML file and a command line can hold; a template's own signs would be Ansible's to read.
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"], exclude_characters="{}"),
    min_size=1,
    max_size=12,
) | st.sampled_from(
    ["a b", "o'clock", 'say "x"', "back\\slash", "a:b", "#a", "x'; drop table y; --", "%h", "$(id)", " a "]
)
SIX = {"node1": "2001:db8::110", "node2": "2001:db8::111", "vote": "2001:db8::35", "monitor": "2001:db8::36"}
VIP6 = "2001:db8::116"
# A node that was not asked anything.
UNASKED: dict[str, Any] = {"__pg_cluster_node": {}, "__pg_cluster_holders": [], "ansible_play_hosts_all": []}
