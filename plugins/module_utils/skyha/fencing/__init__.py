# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's power, through its BMC.

agents     what an agent is, and the rule of fencing: what counts as done, and as proof
ipmi       agents of kind ipmi (pyghmi)
command    agents of kind command: any fence agent or ipmitool
levels     several agents for one host: their order, and which must do it together
child      the process in which the daemon fences
"""

from __future__ import annotations
