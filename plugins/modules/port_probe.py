#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: port_probe
short_description: Probe a TCP port with one handshake
version_added: 0.1.0
author: The sky.pg_cluster authors (@sky-pg-cluster)
description:
  - Makes a TCP handshake with a port and says what came of it. Nothing is sent over the connection.
  - It tells a port that refuses from one that does not answer and from a host that cannot be reached. A port that is not
    open is an answer, not a failure, unless O(state) asks for another one.
attributes:
  check_mode:
    description: Can run in check mode and return the same answer, since it changes nothing.
    support: full
  diff_mode:
    description: Returns details on what has changed.
    support: none
  platform:
    description: Where it can be run.
    platforms: posix
    support: full
options:
  host:
    description: IP address or name of the host.
    type: str
    required: true
  port:
    description: The TCP port.
    type: int
    required: true
  timeout:
    description: Seconds that one handshake may take.
    type: float
    default: 2.0
  state:
    description:
      - The answer to wait for. The module fails when it has not come after all O(retries).
      - V(closed) is V(refused), V(timeout) or V(unreachable).
      - With V(any), the first answer is returned whatever it is.
    type: str
    choices: [any, open, closed, refused, timeout, unreachable]
    default: any
  retries:
    description: Attempts after the first one, while the answer is not as wanted.
    type: int
    default: 0
  delay:
    description: Seconds between two attempts.
    type: float
    default: 1.0
seealso:
  - module: sky.pg_cluster.pg_cluster_status
  - module: ansible.builtin.wait_for
"""

EXAMPLES = r"""
- name: The vote host's proxy accepts connections, even while the VIP is down
  sky.pg_cluster.port_probe:
    host: 192.168.101.35
    port: 11921
    state: open
    retries: 5

- name: Nobody has the VIP yet
  sky.pg_cluster.port_probe:
    host: 192.168.169.116
    port: 1921
    timeout: 1
  register: vip
  failed_when: vip.port_state == 'open'
"""

RETURN = r"""
port_state:
  description: >-
    V(open), V(refused) (the host lives, nobody listens), V(timeout) (no answer), V(unreachable) (the network says that there
    is no way, or the name is unknown), or V(error) (this host itself failed).
  returned: always
  type: str
  sample: open
latency_ms:
  description: Milliseconds that the last handshake took.
  returned: always
  type: float
  sample: 0.41
attempts:
  description: How many handshakes were made.
  returned: always
  type: int
  sample: 1
detail:
  description: The answer in words.
  returned: always
  type: str
  sample: "192.168.101.35 port 11921: open"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import tcp


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "timeout": {"type": "float", "default": 2.0},
            "state": {
                "type": "str",
                "default": "any",
                "choices": ["any", "open", "closed", "refused", "timeout", "unreachable"],
            },
            "retries": {"type": "int", "default": 0},
            "delay": {"type": "float", "default": 1.0},
        },
        supports_check_mode=True,
    )
    given = module.params
    if not 0 < given["port"] < 65536:
        module.fail_json(msg=f"port {given['port']} is no TCP port; set one from 1 to 65535")
    for name in ("timeout", "delay", "retries"):
        if given[name] < 0:
            module.fail_json(msg=f"{name} is {given[name]}; set 0 or more")

    answer, attempts, is_wanted = tcp.wait_for(
        lambda: tcp.probe(given["host"], given["port"], given["timeout"]),
        given["state"],
        given["retries"],
        given["delay"],
    )
    result = {
        "changed": False,
        "port_state": answer.port.value,
        "latency_ms": round(answer.latency * 1000, 3),
        "attempts": attempts,
        "detail": answer.detail,
    }
    if not is_wanted:
        module.fail_json(msg=f"{answer.detail}; after {attempts} attempts it is not {given['state']}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
