#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_cluster_status
short_description: The cluster as one of its nodes sees it
version_added: 0.1.0
author: The sky.pg_cluster authors (@sky-pg-cluster)
description:
  - Runs on a node, as the user that PostgreSQL runs as, and tells the role, timeline, WAL positions and lag of this node, who
    holds the VIP, who answers through the VIP and through the vote host, the peer's state, and whether skyha would fail over.
  - Nothing is written. A node, peer or path that is dead is data, not a failure.
  - Where O(config) is there, it says what is not given here.
attributes:
  check_mode:
    description: Can run in check mode and return the same answer, since it changes nothing.
    support: full
  diff_mode:
    description: Returns details on what has changed.
    support: none
  platform:
    description: Where it can be run.
    platforms: linux
    support: full
requirements:
  - psycopg2
options:
  config:
    description: skyha's configuration file. It may be missing.
    type: path
    default: /etc/skyha/skyha.conf
  node:
    description: Name of this node.
    type: str
  peer:
    description: Name of the other node.
    type: str
  peer_address:
    description: IP address of the other node.
    type: str
  vip:
    description: The address that clients use.
    type: str
  vote_address:
    description: IP address of the vote host.
    type: str
  vote_port:
    description: Port of the vote host's proxy. The default is 11921.
    type: int
  port:
    description: Port of PostgreSQL. The default is 1921.
    type: int
  database:
    description: Database of the HA role. The default is V(sky_pg_cluster).
    type: str
  user:
    description: The HA role. The default is V(sky_pg_cluster).
    type: str
  superuser:
    description: Role for the connection over the Unix socket. The default is V(postgres).
    type: str
  passfile:
    description: File with the HA role's passwords. The default is V(/home/postgres/.pgpass).
    type: path
  sslmode:
    description: Of the connections over TCP. The default is V(disable).
    type: str
    choices: [disable, prefer, require, verify-ca, verify-full]
  sslrootcert:
    description: File with the certificates of the CA, for the modes that verify.
    type: path
  data_dir:
    description: Data directory. The default is V(/data/pgdata/pg_root).
    type: path
  socket_dir:
    description: Directory of the Unix socket. The default is the data directory.
    type: path
  bin_dir:
    description: Directory of PostgreSQL's programs. The default is V(/opt/pgsql/bin).
    type: path
  run_dir:
    description: Where skyha writes its status. The default is V(/run/skyha).
    type: path
  look_timeout:
    description: Seconds for one look at everything.
    type: float
    default: 2.0
  wait_for:
    description:
      - What must be seen before the module returns, as name and value. It fails when that has not come by O(wait_timeout).
      - Names are V(role), V(server), V(timeline), V(streaming), V(peer_streaming), V(vip_held), V(vip_path), V(vote_path),
        V(primary), V(peer_role), V(peer_server), V(skyha), V(armed), V(paused), and V(lag_bytes), which is a limit.
    type: dict
    default: {}
  wait_timeout:
    description: Seconds to wait.
    type: float
    default: 60.0
  delay:
    description: Seconds between two looks.
    type: float
    default: 0.5
seealso:
  - module: sky.pg_cluster.port_probe
"""

EXAMPLES = r"""
- name: Look
  sky.pg_cluster.pg_cluster_status:
  become: true
  become_user: postgres
  register: here

- name: Wait until node2 streams, and skyha would fail over
  sky.pg_cluster.pg_cluster_status:
    wait_for:
      role: standby
      streaming: true
      vote_path: ok
      armed: true
    wait_timeout: 120
  become: true
  become_user: postgres
  when: inventory_hostname == 'node2'
"""

RETURN = r"""
cluster:
  description: The picture.
  returned: always
  type: dict
  contains:
    node:
      description: This node.
      type: str
    server:
      description: V(up), V(starting), V(stalled), V(down) or V(unknown).
      type: str
    role:
      description: V(primary), V(standby), V(none) (no data directory) or V(unknown).
      type: str
    primary:
      description: Name of the primary, null where none is known, V(both) where both nodes are.
      type: str
    timeline:
      description: This node's timeline; null, as all that stands below, where it could not be seen.
      type: int
    lsn:
      description: WAL positions in bytes, V(write), V(receive) and V(replay).
      type: dict
    lag_bytes:
      description: On a standby, bytes of WAL that it has not received.
      type: int
    streaming:
      description: Whether this standby's WAL receiver streams.
      type: bool
    peer_streaming:
      description: Whether the peer streams from this primary.
      type: bool
    pending_restart:
      description: Changed settings of this node that wait for a restart.
      type: list
      elements: str
    vip_held:
      description: Whether this node holds the VIP.
      type: bool
    paths:
      description: What was seen through the V(vip) and through the V(vote) host, and which node answered.
      type: dict
    peer:
      description: The other node, asked on its own address.
      type: dict
    skyha:
      description: skyha's own word; V(state) is V(absent) where it does not run.
      type: dict
looks:
  description: How often it was looked.
  returned: always
  type: int
missing:
  description: What of O(wait_for) was not seen.
  returned: always
  type: list
  elements: str
"""

import time

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import ConfigError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import picture, session

# option -> the section and key of skyha.conf that it replaces
_FROM_CONFIG = {
    "node": ("node", "name"),
    "peer": ("peer", "name"),
    "peer_address": ("peer", "address"),
    "vip": ("vip", "address"),
    "vote_address": ("vote", "address"),
    "vote_port": ("vote", "port"),
    "port": ("postgresql", "port"),
    "database": ("postgresql", "database"),
    "user": ("postgresql", "user"),
    "superuser": ("postgresql", "superuser"),
    "passfile": ("postgresql", "passfile"),
    "sslmode": ("postgresql", "sslmode"),
    "sslrootcert": ("postgresql", "sslrootcert"),
    "data_dir": ("postgresql", "data_dir"),
    "socket_dir": ("postgresql", "socket_dir"),
    "bin_dir": ("postgresql", "bin_dir"),
    "run_dir": ("paths", "run_dir"),
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "path", "default": "/etc/skyha/skyha.conf"},
            "node": {"type": "str"},
            "peer": {"type": "str"},
            "peer_address": {"type": "str"},
            "vip": {"type": "str"},
            "vote_address": {"type": "str"},
            "vote_port": {"type": "int"},
            "port": {"type": "int"},
            "database": {"type": "str"},
            "user": {"type": "str"},
            "superuser": {"type": "str"},
            "passfile": {"type": "path", "no_log": False},
            "sslmode": {"type": "str", "choices": ["disable", "prefer", "require", "verify-ca", "verify-full"]},
            "sslrootcert": {"type": "path"},
            "data_dir": {"type": "path"},
            "socket_dir": {"type": "path"},
            "bin_dir": {"type": "path"},
            "run_dir": {"type": "path"},
            "look_timeout": {"type": "float", "default": 2.0},
            "wait_for": {"type": "dict", "default": {}},
            "wait_timeout": {"type": "float", "default": 60.0},
            "delay": {"type": "float", "default": 0.5},
        },
        supports_check_mode=True,
    )
    if session.IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("psycopg2"), exception=str(session.IMPORT_ERROR))
    given, expected = module.params, module.params["wait_for"]
    unknown = sorted(set(expected) - set(picture.FACTS))
    if unknown:
        module.fail_json(msg=f"wait_for: {', '.join(unknown)} cannot be waited for; known: {', '.join(picture.FACTS)}")
    try:
        config = picture.configuration(given["config"], {place: given[name] for name, place in _FROM_CONFIG.items()})
    except ConfigError as error:
        module.fail_json(msg=str(error))

    seen, looks, missing = picture.wait_for(
        lambda: picture.take(config, given["look_timeout"]),
        expected,
        given["wait_timeout"],
        given["delay"],
        time.monotonic,
        time.sleep,
    )
    result = {"changed": False, "cluster": seen, "looks": looks, "missing": missing}
    if missing:
        module.fail_json(msg=f"after {given['wait_timeout']:g} s: {'; '.join(missing)}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
