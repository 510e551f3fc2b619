#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmi_fence
short_description: Power of a host through its BMC, read back
version_added: 0.1.0
author: The sky.pg_cluster authors (@sky-pg-cluster)
description:
  - Asks or changes a host's power by IPMI 2.0 over LAN (iDRAC, iLO, and the like), with the client that skyha fences with.
  - V(on) and V(off) are idempotent and are read back from the BMC. V(cycle), V(reset), V(diag) and V(soft) are actions, done
    whenever the host is on.
  - A power state that cannot be read is a failure, never V(off).
attributes:
  check_mode:
    description: Asks for the power state, and predicts.
    support: full
  diff_mode:
    description: Shows the power before and after.
    support: full
  platform:
    description: Where it can be run; the host must reach the BMC.
    platforms: posix
    support: full
requirements:
  - pyghmi, on the host where the module runs
options:
  address:
    description: Address of the BMC.
    type: str
    required: true
  port:
    description: UDP port of the BMC.
    type: int
    default: 623
  user:
    description: User of the BMC.
    type: str
    required: true
  password:
    description: Its password, 20 bytes at most.
    type: str
    required: true
  privilege_level:
    description: Privilege level of the session. V(operator) is the least that can change the power.
    type: str
    choices: [callback, user, operator, administrator]
    default: operator
  cipher:
    description: The cipher suite that the BMC is set to. Both are tried, the better one first.
    type: int
    choices: [3, 17]
    default: 3
  action:
    description:
      - V(status) only asks.
      - V(off) is a hard power off, with no clean shutdown. V(soft) asks the operating system to shut down.
      - V(cycle) switches off and on, V(reset) is a hard reset, V(diag) a diagnostic interrupt (NMI).
    type: str
    choices: [status, 'on', 'off', cycle, reset, diag, soft]
    default: status
  verify:
    description: Read the power back after V(on), V(off) and V(reset), until it is as wanted.
    type: bool
    default: true
  timeout:
    description: Seconds for everything together.
    type: float
    default: 15.0
seealso:
  - module: community.general.ipmi_power
"""

EXAMPLES = r"""
- name: Ask for the power of node1
  sky.pg_cluster.ipmi_fence:
    address: 192.168.179.213
    user: test
    password: "{{ pg_cluster_bmc_password }}"
  delegate_to: localhost

- name: Switch node1 off, and see that it is off
  sky.pg_cluster.ipmi_fence:
    address: 192.168.179.213
    user: test
    password: "{{ pg_cluster_bmc_password }}"
    action: 'off'
"""

RETURN = r"""
power:
  description: The power as read last, V(on) or V(off); V(unknown) where it was not read back after the action.
  returned: success
  type: str
  sample: 'off'
previous:
  description: The power before.
  returned: success
  type: str
  sample: 'on'
proof:
  description: Whether the host is proved to be off (or to have been reset, the weaker proof).
  returned: success
  type: bool
  sample: true
detail:
  description: What happened, in words.
  returned: success
  type: str
  sample: "BMC 192.168.179.213 at 192.168.179.213 port 623: power is off, read back"
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import FenceError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing import agents, ipmi


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 623},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "privilege_level": {"type": "str", "default": "operator", "choices": list(ipmi.PRIVILEGES)},
            "cipher": {"type": "int", "default": 3, "choices": list(ipmi.CIPHERS)},
            "action": {"type": "str", "default": "status", "choices": list(agents.VERBS)},
            "verify": {"type": "bool", "default": True},
            "timeout": {"type": "float", "default": 15.0},
        },
        supports_check_mode=True,
    )
    if ipmi.IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("pyghmi"), exception=str(ipmi.IMPORT_ERROR))
    given = module.params
    try:
        agent = ipmi.IpmiAgent(
            given["address"],
            given["address"],
            given["user"],
            given["password"],
            given["port"],
            given["privilege_level"],
            given["cipher"],
        )
        before = agents.carry_out(agent, "status", given["timeout"])
        done = before
        if module.check_mode:
            done = agents.predict(before.power, given["action"], agent.where)
        elif given["action"] != "status":
            done = agents.carry_out(agent, given["action"], given["timeout"], given["verify"])
        agent.close()
    except FenceError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=done.changed,
        power=done.power.value,
        previous=before.power.value,
        proof=done.proof,
        detail=done.detail,
        diff={"before": {"power": before.power.value}, "after": {"power": done.power.value}},
    )


if __name__ == "__main__":
    main()
