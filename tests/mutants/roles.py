# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mutants of who serves: the primary and its VIP, a node that starts, a switchover, an operator's pause."""

from __future__ import annotations

from .mutant import BOOT, PRIMARY, SCENARIOS, SCHEDULES, STUMBLING, SWITCHOVER, UNKNOWN, Mutant

MUTANTS = (
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
        "an announcement of the VIP that says nothing",
        "probes/arp.py",
        "            link.send(packet(_REPLY, own, ip, own, ip))\n",
        "",
        ("tests/unit/probes/test_arp.py",),
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
        "a primary that is not told of its standby takes that for none",
        "policy/remember.py",
        "local.role is Role.PRIMARY and local.peer_streaming is False\n",
        "local.role is Role.PRIMARY and not local.peer_streaming\n",
        (UNKNOWN,),
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
)
