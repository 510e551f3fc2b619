# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ways to break the runtime on purpose. Each is one change of its source; some test must turn red under it.

`tests` are tried in their order, the first red one is enough; `row` is a row of the fault suite for `--lab`.
"""

from __future__ import annotations

from dataclasses import dataclass

SCENARIOS = "tests/simulation/test_scenarios.py"
STUMBLING = "tests/simulation/test_scenarios_stumbling.py"
SWITCHOVER = "tests/simulation/test_scenarios_switchover.py"
PRIMARY = "tests/unit/policy/test_primary.py"
OPERATOR = "tests/simulation/test_scenarios_operator.py"
SCHEDULES = "tests/simulation/test_schedules.py"
PROOF = "tests/simulation/test_fence_proof.py"
BOOT = "tests/simulation/test_boot.py"
STORAGE = "tests/simulation/test_scenarios_storage.py"
REFUSES = "tests/unit/world/test_rewind_refuses.py"
REGISTER = "tests/simulation/test_scenarios_register.py"
UNKNOWN = "tests/simulation/test_scenarios_unknown.py"


@dataclass(frozen=True)
class Mutant:
    """One deliberate fault of the source below plugins/module_utils/skyha."""

    name: str
    file: str
    old: str  # stands there exactly once
    new: str
    tests: tuple[str, ...]
    row: str = ""


MUTANTS = (
    Mutant(
        "promote without waiting for the fence",
        "policy/failover.py",
        "    if memory.word.confirmed_off:\n        return proven(",
        "    if True:\n        return proven(",
        (SCENARIOS, SCHEDULES),
        row="primary cut off from everything, BMC reachable",
    ),
    Mutant(
        "the fence's proof is not asked for",
        "policy/failover.py",
        "        if outcome.proof:\n",
        "        if True:\n",
        (SCENARIOS, SCHEDULES),
        row="BMC says done, power stays on",
    ),
    Mutant(
        "unknown power taken for off",
        "fencing/agents.py",
        "            if power is wanted:\n",
        "            if power is wanted or power is Power.UNKNOWN:\n",
        ("tests/unit/fencing/test_agents.py",),
    ),
    Mutant(
        "the order accepted is proof enough",
        "fencing/agents.py",
        "    _read_back(agent, verb, wanted, until, clock, sleep)\n",
        "",
        ("tests/unit/fencing/test_agents.py",),
    ),
    Mutant(
        "promote though something still answers after the fence",
        "policy/failover.py",
        "    if seen.looks[Path.VIP].sight is Sight.UNREACHABLE and before is not None and received == before:\n",
        "    if True:\n",
        (PROOF,),
    ),
    Mutant(
        "an old proof of the fence is trusted",
        "policy/proof.py",
        " if proof.kind is Kind.OPERATOR else PROOF_FRESH\n",
        " if proof.kind is Kind.OPERATOR else 6.0e9\n",
        (STUMBLING, SCENARIOS, SCHEDULES),
    ),
    Mutant(
        "a fenced node that is back before the promotion is through serves",
        "config.py",
        "        return by_any_clock(self.proof_limit)\n",
        "        return 0.0\n",
        ("tests/simulation/test_fence_proof.py",),
        row="promotion hangs, and somebody switches the fenced node on again",
    ),
    Mutant(
        "a BMC that says off of a host that answers is leant on",
        "policy/armed.py",
        "_peer_lived_at(memory) > memory.upkeep.bmc_off_at",
        "_peer_lived_at(memory) > memory.upkeep.bmc_off_at + 1e9",
        ("tests/simulation/test_fence_proof.py",),
    ),
    Mutant(
        "an operator's word is not checked while PostgreSQL promotes",
        "policy/failover.py",
        "intent.by_operator and not is_younger(memory.fence.proof, WORD_EVERY, now)",
        "intent.by_operator and not is_younger(memory.fence.proof, 1e9, now)",
        (OPERATOR,),
    ),
    Mutant(
        "a takeover goes on over a sign of life",
        "policy/takeover.py",
        "    if why is not None:\n        event",
        "    if False:\n        event",
        (OPERATOR,),
    ),
    Mutant(
        "a takeover believes an operator whom the BMC contradicts",
        "policy/failover.py",
        "    if failed.power is Power.ON:\n",
        "    if False:\n",
        (OPERATOR,),
    ),
    Mutant(
        "a proof that was read long ago counts",
        "policy/proof.py",
        "took <= config.timing.fence_deadline + PROOF_LATE:\n",
        "took <= config.timing.fence_deadline + 1e9:\n",
        ("tests/simulation/test_fence_proof.py",),
    ),
    Mutant(
        "the vote port is ignored",
        "policy/patience.py",
        "    return vote is None or not vote.reached\n",
        "    return False\n",
        ("tests/unit/policy/test_patience.py", SCENARIOS),
        row="standby cut off from everything",
    ),
    Mutant(
        "no patience",
        "policy/patience.py",
        "    enough, sentence = trouble.unreachable >= needed,",
        "    enough, sentence = trouble.unreachable >= 1,",
        ("tests/unit/policy/test_patience.py", SCENARIOS),
    ),
    Mutant(
        "a failover called off is no sign of a link that goes up and down",
        "policy/failover.py",
        "    recovered_at = now if answers else",
        "    recovered_at = now if False else",
        ("tests/unit/policy/test_failover.py",),
    ),
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
        "a link that goes up and down gets no more patience",
        "policy/patience.py",
        "    if trouble.flapping:\n",
        "    if False:\n",
        ("tests/unit/policy/test_patience.py",),
    ),
    Mutant(
        "no second look between two attempts at the fence",
        "policy/failover.py",
        '        return _call_off(config, memory, intent, now, f"the primary answers again: {life}", events)\n    if is_paused',
        "        pass\n    if is_paused",
        (SCENARIOS, STUMBLING, SCHEDULES),
    ),
    Mutant(
        "a standby that is not armed is promoted",
        "policy/standby.py",
        "    against = {**trouble.not_armed, **unfit(config, memory, seen.local, now)}\n",
        "    against = unfit(config, memory, seen.local, now)\n",
        (SCENARIOS, SCHEDULES),
        row="vote proxy up but not forwarding from the start, then the primary dies",
    ),
    Mutant(
        "an unfit standby is promoted",
        "policy/standby.py",
        "    against = {**trouble.not_armed, **unfit(config, memory, seen.local, now)}\n",
        "    against = dict(trouble.not_armed)\n",
        (SCENARIOS, SCHEDULES),
        row="replay paused on the standby, then the primary dies",
    ),
    Mutant(
        "no lag is ever seen",
        "policy/armed.py",
        "    return max(0.0, memory.heard.sampled_at - memory.heard.covered_at)\n",
        "    return 0.0\n",
        (SCENARIOS, "tests/unit/policy/test_remember.py", SCHEDULES),
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
        "an old primary that gives way keeps the VIP",
        "policy/primary.py",
        "            (Action(Do.DROP_VIP), Action(Do.KILL_POSTGRES)),\n",
        "            (Action(Do.KILL_POSTGRES),),\n",
        (PRIMARY,),
    ),
    Mutant(
        "an old primary does not give way",
        "policy/primary.py",
        "    if newer and not is_paused(memory.record, now):\n",
        "    if False:\n",
        (PRIMARY,),
    ),
    Mutant(
        "a standby keeps a VIP that it holds",
        "policy/decide.py",
        "seen.local.vip_held and seen.local.role is Role.STANDBY and",
        "False and",
        (PRIMARY,),
    ),
    Mutant(
        "the VIP is taken though another host answers for it",
        "policy/vip.py",
        "    free = None if conflict else now\n",
        "    free = now\n",
        (PRIMARY, f"{SCENARIOS}::TestNobodyIsFenced::test_another_host_answers_for_the_vip"),
        row="another host answers for the VIP that the primary lost",
    ),
    Mutant(
        "no listening counts as nobody there",
        "probes/eyes.py",
        "                error,\n            )\n            return True\n",
        "                error,\n            )\n            return False\n",
        ("tests/unit/probes/test_eyes.py",),
    ),
    Mutant(
        "a former primary serves again whatever its peer is",
        "policy/boot.py",
        "    if served_in_this_boot:\n",
        "    if True:\n",
        ("tests/unit/policy/test_boot_table.py", BOOT),
    ),
    Mutant(
        "the standby is not noted on disk before it is armed",
        "policy/primary.py",
        "            memory = replace(memory, record=replace(memory.record, standby_recorded=True))\n",
        "            pass\n",
        (PRIMARY, BOOT),
    ),
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
        "                os.fsync(file.fileno())\n",
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
        "no flap guard",
        "policy/memory.py",
        "    return max(0.0, config.timing.flap_guard - (now - memory.record.failover_at))\n",
        "    return 0.0\n",
        (f"{SCENARIOS}::TestNobodyIsFenced::test_second_failure_within_the_flap_guard",),
    ),
    Mutant(
        "the pause is ignored",
        "policy/record.py",
        "    return record.paused and (record.paused_until is None or now < record.paused_until)\n",
        "    return False\n",
        (f"{STUMBLING}::TestStumblingOnTheWay::test_pause_in_the_middle_of_a_failover",),
    ),
    Mutant(
        "a switchover does not wait for the last WAL",
        "policy/switchover.py",
        "    behind = not has_received(seen.peer, seen.local.write_lsn)\n",
        "    behind = running_standby(seen.peer) is None\n",
        (f"{SWITCHOVER}::TestSwitchover", SCHEDULES),
    ),
    Mutant(
        "a switchover keeps the VIP while it stops",
        "policy/switchover.py",
        "        (Action(Do.DROP_VIP), Action(Do.STOP_POSTGRES)),\n",
        "        (Action(Do.STOP_POSTGRES),),\n",
        (PRIMARY,),
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
        "an announcement of the VIP that says nothing",
        "probes/arp.py",
        "            link.send(packet(_REPLY, own, ip, own, ip))\n",
        "",
        ("tests/unit/probes/test_arp.py",),
    ),
    Mutant(
        "a failing fsync of a tablespace counts as a dead primary",
        "policy/patience.py",
        '        if look is not None and look.sight is Sight.SICK and tablespace_policy == "failover":\n',
        "        if look is not None and look.sight is Sight.SICK:\n",
        ("tests/unit/policy/test_patience.py", SCENARIOS, SCHEDULES),
        row="disk of one tablespace dead, tablespace_policy alarm",
    ),
    Mutant(
        "used up connections are not named",
        "policy/primary.py",
        "seen.local.clients_left <= 0:\n",
        "seen.local.clients_left <= -99:\n",
        (PRIMARY,),
        row="max_connections used up by clients",
    ),
    Mutant(
        "a primary that only ever starts up disarms its standby",
        "policy/standby.py",
        "    if not all(look.starting for look in life):\n",
        "    if True:\n",
        (f"{SCENARIOS}::TestRepairedInPlace::test_server_that_starts_up_for_long_and_never_comes_up_fails_over",),
    ),
    Mutant(
        "a failover that comes too late, when the old primary may have noted that it is alone",
        "policy/standby.py",
        "    if now - trouble.since > config.timing.failover_limit:\n",
        "    if False:\n",
        ("tests/unit/policy/test_standby.py",),
    ),
    Mutant(
        "a primary that is not told of its standby takes that for none",
        "policy/remember.py",
        "local.role is Role.PRIMARY and local.peer_streaming is False\n",
        "local.role is Role.PRIMARY and not local.peer_streaming\n",
        (UNKNOWN,),
    ),
    Mutant(
        "a look that failed here is taken for the primary's life",
        "words.py",
        "        return self.sight in (Sight.OK, Sight.ALIVE, Sight.SICK)\n",
        "        return self.sight in (Sight.OK, Sight.ALIVE, Sight.SICK, Sight.UNKNOWN)\n",
        (UNKNOWN,),
    ),
    Mutant(
        "a look that failed here is taken for the primary's death",
        "policy/standby.py",
        "    if life is None and blind(seen.looks):\n",
        "    if False:\n",
        (UNKNOWN,),
    ),
    Mutant(
        "times that one node waits for the other leave no room for a clock that runs fast",
        "margins.py",
        "    return seconds * (1.0 + CLOCK_DRIFT)\n",
        "    return seconds\n",
        ("tests/unit/test_margins.py",),
    ),
    Mutant(
        "a standby is promoted though it cannot see whether WAL arrives",
        "policy/failover.py",
        "    if received is None:\n",
        "    if False:\n",
        (UNKNOWN,),
    ),
    Mutant(
        "whoever is on a newer timeline is given way to, though a hand promoted it",
        "policy/primary.py",
        "        and peer.noted is True\n",
        "",
        (PRIMARY, "tests/simulation/test_scenarios_by_hand.py"),
        row="the standby is promoted by hand, past skyha",
    ),
    Mutant(
        "a promotion by hand is taken for lawful",
        "policy/primary.py",
        "    return not (memory.word.confirmed_off or was_told) or _lawful_is_seen(seen)\n",
        "    return False\n",
        (PRIMARY, "tests/simulation/test_scenarios_by_hand.py"),
    ),
    Mutant(
        "a slow stop of the primary's server counts as its death",
        "policy/standby.py",
        "    trouble = shutting_down(config.timing, trouble, seen.peer, now)\n",
        "",
        ("tests/simulation/test_scenarios_stops.py",),
        row="PostgreSQL restarted by the system's upgrade tools (systemctl restart), with a slow stop",
    ),
    Mutant(
        "a stop that hangs is waited for without end",
        "policy/patience.py",
        "now - since > STOP_LIMIT:\n",
        "False:\n",
        ("tests/simulation/test_scenarios_stops.py",),
    ),
    Mutant(
        "a postmaster that lets nobody in is never found",
        "policy/standby.py",
        "        return memory, BOTH\n",
        "        return memory, ()\n",
        ("tests/unit/policy/test_standby.py",),
    ),
    Mutant(
        "a BMC that has only ever said off arms",
        "policy/armed.py",
        "    elif age(now, memory.upkeep.bmc_on_at) > MISSED_CHECKS * config.timing.bmc_check_interval:\n",
        "    elif False:\n",
        (PROOF,),
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
        "an operator's word over a silent register never ends",
        "policy/holding.py",
        "    return 0 < memory.record.epoch == memory.record.overruled\n",
        "    return memory.record.overruled > 0\n",
        (REGISTER,),
    ),
    Mutant(
        "a silent register holds nobody back",
        "policy/failover.py",
        "memory.register.code and (intent.by_operator or intent.takeover):\n",
        "memory.register.code:\n",
        (REGISTER,),
    ),
    Mutant(
        "a primary that is no holder serves on",
        "policy/holding.py",
        "    return in_force(config, memory) and memory.register.denied > 1 and not is_overruled(memory)\n",
        "    return False\n",
        (REGISTER,),
    ),
    Mutant(
        "a take names the row of now, not the one from before the proof",
        "policy/holding.py",
        "            return memory, verbs.take(own, node, row)\n",
        "            return memory, verbs.take(own, node, part.row)\n",
        (REGISTER, SCHEDULES),
    ),
)
