# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mutants of the daemon: its record and its evidence, its clocks, what it makes of an error."""

from __future__ import annotations

from .mutant import PROOF, STUMBLING, Mutant

MUTANTS = (
    Mutant(
        "acting though the record could not be written",
        "daemon/loop.py",
        "            return False\n        self._saved",
        "            return True\n        self._saved",
        (f"{STUMBLING}::TestStumblingOnTheWay::test_record_that_cannot_be_written_stops_everything",),
    ),
    Mutant(
        "the record is not synced to the disk",
        "world/store.py",
        "        os.fsync(file.fileno())\n",
        "",
        ("tests/unit/world/test_store.py",),
    ),
    Mutant(
        "what was seen before the host froze is acted upon",
        "daemon/loop.py",
        "self.ports.clock.monotonic() - seen_at > STALE)",
        "self.ports.clock.monotonic() - seen_at > 5.0e9)",
        (f"{STUMBLING}::TestStumblingOnTheWay::test_standby_frozen_between_the_decision_to_fence_and_the_deed",),
    ),
    Mutant(
        "the wall clock instead of the monotonic one",
        "world/clock.py",
        "        return time.monotonic()\n",
        "        return time.time()\n",
        ("tests/unit/world/test_clock.py",),
        row="the standby's clock jumps a minute ahead while the primary stands still for a moment",
    ),
    Mutant(
        "times that one node waits for the other leave no room for a clock that runs fast",
        "margins.py",
        "    return seconds * (1.0 + CLOCK_DRIFT)\n",
        "    return seconds\n",
        ("tests/unit/test_margins.py",),
    ),
    Mutant(
        "a skyha that is killed leaves nothing to the next one",
        "daemon/loop.py",
        "        if noted is not None:\n",
        "        if False:\n",
        (STUMBLING,),
        row="skyha killed -9 every two seconds during a failover",
    ),
    Mutant(
        "another configuration's evidence is taken over",
        "daemon/evidence_json.py",
        '        if (values.pop("boot"), values.pop("config")) != (boot, _name(config)):\n',
        '        if (values.pop("boot"), values.pop("config"))[0] != boot:\n',
        (STUMBLING,),
    ),
    Mutant(
        "one that is no longer armed leaves its old evidence",
        "daemon/loop.py",
        "        if known is None and (not self._noted or in_doubt(decision.memory) or has_not_looked):\n",
        "        if known is None:\n",
        (PROOF,),
    ),
    Mutant(
        "'too many clients' counts as death",
        "probes/meaning.py",
        "    return Failure(Sight.ALIVE, line, code)\n",
        "    return Failure(Sight.DROPPED, line, code)\n",
        ("tests/unit/probes/test_meaning.py",),
    ),
    Mutant(
        "'starting up' counts as death",
        "probes/meaning.py",
        "        return Failure(Sight.ALIVE, line, STARTING, _STOPPING in low)\n",
        "        return Failure(Sight.REFUSED, line, STARTING)\n",
        ("tests/unit/probes/test_meaning.py",),
    ),
    Mutant(
        "PostgreSQL that was stopped together with skyha is started again",
        "margins.py",
        "STOP_ORDER_COMES = 0.5\n",
        "STOP_ORDER_COMES = 0.0\n",
        ("tests/simulation/test_scenarios_stops.py",),
    ),
    Mutant(
        "whatever process postmaster.pid names is sent the signal",
        "world/postgres.py",
        "if server.errands and not datadir.is_of_owner(running.pid, server.data_dir):",
        "if server.errands and not running.pid:",
        ("tests/unit/world/test_errand.py::TestSignals",),
    ),
    Mutant(
        "an errand that was refused counts as done",
        "world/errand.py",
        'if "error" in answer:',
        'if "refused" in answer:',
        ("tests/unit/world/test_errand.py::TestAnswers",),
    ),
)
