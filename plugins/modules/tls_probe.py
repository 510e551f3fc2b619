#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: tls_probe
short_description: Look which certificate a PostgreSQL server shows
version_added: 0.2.0
author: The sky.pg_cluster authors (@sky-pg-cluster)
description:
  - Asks a PostgreSQL server for TLS, looks whether its certificate is signed by the CA that is given and names what it must, and says
    until when it lasts. Nobody logs in.
  - A server that is down, or has no TLS, is an answer, not a failure.
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
  address:
    description: IP address of the server.
    type: str
    required: true
  port:
    description: Its TCP port.
    type: int
    required: true
  cafile:
    description: File with the certificates of the CA, on the host where this runs.
    type: path
    required: true
  name:
    description: The name or address that the certificate must hold. The default is O(address).
    type: str
  timeout:
    description: Seconds that it may take.
    type: float
    default: 5.0
seealso:
  - module: sky.pg_cluster.port_probe
"""

EXAMPLES = r"""
- name: The server of the other node offers TLS that this node believes
  sky.pg_cluster.tls_probe:
    address: 192.168.169.111
    port: 1921
    cafile: /etc/sky-postgresql/ca.crt
  register: tls
  failed_when: tls.shown in ['plain', 'wrong']
"""

RETURN = r"""
shown:
  description: >-
    V(good), V(wrong) (a certificate that is not to be believed), V(plain) (it answers, without TLS), V(nothing) (no answer), or
    V(error) (this host itself failed, such as a O(cafile) that is missing).
  returned: always
  type: str
  sample: good
detail:
  description: The answer in words.
  returned: always
  type: str
  sample: its certificate is good
days:
  description: Days until the certificate, or that of the CA, ends; what is sooner.
  returned: where it is good
  type: float
  sample: 3649.9
serial:
  description: The certificate's serial number.
  returned: where it is good
  type: str
  sample: 3A4B5C
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import certificate


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "cafile": {"type": "path", "required": True},
            "name": {"type": "str"},
            "timeout": {"type": "float", "default": 5.0},
        },
        supports_check_mode=True,
    )
    given = module.params
    seen = certificate.look(
        given["address"], given["port"], given["name"] or given["address"], given["cafile"], given["timeout"]
    )
    result = {"changed": False, "shown": seen.shown.value, "detail": seen.detail}
    if seen.ends is not None:
        result["days"] = round((seen.ends - time.time()) / 86400, 1)
        result["serial"] = seen.serial
    module.exit_json(**result)


if __name__ == "__main__":
    main()
