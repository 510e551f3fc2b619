# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mutants of the data: tablespaces that are missing, pg_rewind, the new primary's checkpoint."""

from __future__ import annotations

from .mutant import BOOT, REFUSES, STORAGE, Mutant

MUTANTS = (
    Mutant(
        "a pg_rewind that broke off is done again without this node's WAL",
        "world/unfinished.py",
        '            _copy(os.path.join(self._mark, "wal"), os.path.join(self._data, "pg_wal"))\n',
        "",
        ("tests/unit/world/test_rewind_steps.py",),
    ),
    Mutant(
        "settings emptied by a pg_rewind that broke off are taken for this node's own",
        "world/unfinished.py",
        "        self.put_back_own()\n        return True\n",
        "        return True\n",
        ("tests/unit/world/test_rewind_steps.py",),
    ),
    Mutant(
        "a half rewound data directory is started",
        "policy/boot.py",
        "    if record.intent is not None and record.intent.stage is Stage.REWINDING:\n        return Step.REJOIN",
        "    if record.intent is not None and record.intent.stage is Stage.REWINDING:\n        return Step.START",
        ("tests/unit/policy/test_boot_table.py", BOOT),
    ),
    Mutant(
        "data of another cluster is started, and over a tablespace that is not mounted",
        "policy/boot.py",
        "    obstacle = not_ours(memory, local) or not_whole(memory, local)\n",
        "    obstacle = None\n",
        (STORAGE,),
    ),
    Mutant(
        "a standby without its tablespace is armed",
        "policy/armed.py",
        "        found[obstacle.code] = obstacle.text\n",
        "        pass\n",
        (STORAGE,),
    ),
    Mutant(
        "the new primary makes no checkpoint of its own, and nobody can be rewound from it for minutes",
        "policy/primary.py",
        "        actions += (Action(Do.CHECKPOINT),)\n",
        "",
        (STORAGE,),
    ),
    Mutant(
        "pg_rewind does not wait for the new primary's first checkpoint",
        "world/source.py",
        "        _on_its_timeline(server, int(timeline), patience)\n",
        "",
        (REFUSES,),
    ),
    Mutant(
        "a pg_rewind that did nothing counts as done",
        "world/rewind.py",
        "    _check_result(control, _control(runner, tools, data), source, fork)\n",
        "",
        (REFUSES,),
    ),
    Mutant(
        "pg_rewind empties the last good copy of a tablespace",
        "world/rewind.py",
        "    _refuse_in_bulk(data, tools, request, tried.stdout, mine, fork)\n",
        "",
        (REFUSES,),
    ),
)
