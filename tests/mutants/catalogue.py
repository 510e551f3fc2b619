# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ways to break the runtime on purpose. Each is one change of its source; some test must turn red under it.

`tests` are tried in their order, the first red one is enough; `row` is a row of the fault suite for `--lab`.
"""

from __future__ import annotations

from . import daemon, data, failover, register, roles, signs, zero_loss

MUTANTS = (
    *failover.MUTANTS,
    *roles.MUTANTS,
    *data.MUTANTS,
    *daemon.MUTANTS,
    *register.MUTANTS,
    *signs.MUTANTS,
    *zero_loss.MUTANTS,
)
