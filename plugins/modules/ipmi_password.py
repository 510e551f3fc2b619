#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmi_password
short_description: A BMC user's new password, verified by a login
version_added: 0.1.0
author: The sky.pg_cluster authors (@sky-pg-cluster)
description:
  - Sees to it that a BMC accepts a new password of its user, and only then puts that password into O(password_file), from where
    skyha reads it at its next look at the BMC.
  - Where the BMC accepts the new password already (an operator has set it there), only the file is changed. Else the password
    is set by IPMI, which needs a user of privilege ADMINISTRATOR, O(admin_user), or the user itself where it is one.
  - Where the BMC took a password and then does not let its user in with it, in whatever way, the one before is put back.
attributes:
  check_mode:
    description: Logs in, and tells what would be changed. Whether the BMC would let the password be set is not known then.
    support: full
  diff_mode:
    description: Returns details on what has changed.
    support: none
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
    description: User of the BMC whose password it is.
    type: str
    required: true
  password:
    description: The new password, 20 bytes at most.
    type: str
    required: true
  password_file:
    description: File that holds the present password, and gets the new one once it is accepted. It must be there.
    type: path
    required: true
  privilege_level:
    description: Privilege level of the user's session.
    type: str
    choices: [callback, user, operator, administrator]
    default: operator
  cipher:
    description: The cipher suite that the BMC is set to. Both are tried, the better one first.
    type: int
    choices: [3, 17]
    default: 3
  admin_user:
    description: A user of privilege ADMINISTRATOR. Empty, and O(user) sets its own password.
    type: str
    default: ""
  admin_password:
    description: Its password.
    type: str
    default: ""
  timeout:
    description: Seconds for each command.
    type: float
    default: 15.0
seealso:
  - module: sky.pg_cluster.ipmi_fence
"""

EXAMPLES = r"""
- name: Hand skyha the password that an operator set on the BMC
  sky.pg_cluster.ipmi_password:
    address: 192.168.179.212
    user: test
    password: "{{ vault_bmc_password_node2 }}"
    password_file: /etc/skyha/bmc.password
"""

RETURN = r"""
set_on_bmc:
  description: Whether the password was set (in check mode would be set) by IPMI.
  returned: success
  type: bool
file_changed:
  description: Whether the file got (in check mode would get) another password.
  returned: success
  type: bool
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config_file import password as read_password
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import ConfigError, FenceError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing import ipmi, password


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 623},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "password_file": {"type": "path", "required": True, "no_log": False},
            "privilege_level": {"type": "str", "default": "operator", "choices": list(ipmi.PRIVILEGES)},
            "cipher": {"type": "int", "default": 3, "choices": list(ipmi.CIPHERS)},
            "admin_user": {"type": "str", "default": ""},
            "admin_password": {"type": "str", "default": "", "no_log": True},
            "timeout": {"type": "float", "default": 15.0},
        },
        supports_check_mode=True,
    )
    if ipmi.IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("pyghmi"), exception=str(ipmi.IMPORT_ERROR))
    given = module.params
    path = given["password_file"]

    def connect(user: str, secret: str, privilege: str) -> ipmi.IpmiAgent:
        return ipmi.IpmiAgent(
            given["address"], given["address"], user, secret, given["port"], privilege, given["cipher"]
        )

    try:
        old = read_password(path) or ""
        wanted = password.Change(
            given["user"],
            given["password"],
            old,
            given["privilege_level"],
            given["admin_user"],
            given["admin_password"],
        )
        was_set = password.change(connect, wanted, given["timeout"], dry=module.check_mode, apart=password.in_child)
    except (ConfigError, FenceError) as error:
        module.fail_json(msg=str(error))
    if old != given["password"] and not module.check_mode:
        try:
            _write(module, path, given["password"])
        except OSError as error:
            module.fail_json(
                msg=f"{path}: cannot be written: {error}; the BMC has the new password already: run this again"
            )
    changed = was_set or old != given["password"]
    module.exit_json(changed=changed, set_on_bmc=was_set, file_changed=old != given["password"])


def _write(module: AnsibleModule, path: str, secret: str) -> None:
    """Replace the file in one step; owner and mode stay."""
    number, name = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".password-")
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(secret + "\n")
    module.atomic_move(name, path)


if __name__ == "__main__":
    main()
