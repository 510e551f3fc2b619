# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A good configuration as text, and what the reader finds wrong with others."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config_file
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import ConfigError

GOOD = """
[cluster]
name = sky
[node]
name = node1
address = 198.51.100.110
[peer]
name = node2
address = 198.51.100.111
[vip]
address = 198.51.100.116
[vote]
address = 198.51.100.35
[agent bmc]
kind = ipmi
address = 198.51.100.212
user = test
password_file = /etc/skyha/bmc.password
"""
REGISTER = """
[register]
engine = vote_host
address = 198.51.100.35
"""

ETCD = """
[register]
engine = etcd
endpoints = 198.51.100.110:11923, [2001:db8::5]:11923
cafile = /etc/skyha/register-ca.crt
"""


def problems(text: str) -> str:
    """The sentences with which it is refused."""
    with pytest.raises(ConfigError) as raised:
        config_file.parse(text)
    return "\n".join(raised.value.problems)
