# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mutants of the register, the lease and the watchdog."""

from __future__ import annotations

from .mutant import LEASE, REGISTER, SCHEDULES, Mutant

ETCD = "tests/simulation/test_scenarios_etcd.py"
MEMBERS = "tests/unit/probes/test_etcd.py"

MUTANTS = (
    Mutant(
        "an operator's word over a silent register never ends",
        "policy/record.py",
        "    return 0 < record.epoch == record.overruled\n",
        "    return record.overruled > 0\n",
        (REGISTER,),
    ),
    Mutant(
        "a silent register holds nobody back",
        "policy/listening.py",
        "memory.register.code and (intent.by_operator or intent.takeover):\n",
        "memory.register.code:\n",
        (REGISTER,),
    ),
    Mutant(
        "a primary that is no holder serves on",
        "policy/holding.py",
        "    return in_force(config, memory) and memory.register.denied > 1 and not is_overruled(memory.record)\n",
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
    Mutant(
        "the heir does not wait for the watchdog of the holder",
        "policy/book.py",
        "    return max(watch.row_at, watch.promised_at) + by_any_clock(term)\n",
        "    return max(watch.row_at, watch.promised_at) + term / 2\n",
        LEASE,
    ),
    Mutant(
        "the heir forgets what it has promised",
        "policy/lease.py",
        "        promised_at = max(part.watch.promised_at, signs.promised_at)\n",
        "        promised_at = part.watch.promised_at\n",
        LEASE,
    ),
    Mutant(
        "a primary whose lease is over writes on until its watchdog bites",
        "policy/decide.py",
        "is_over(config, memory, seen, now):\n",
        "False:\n",
        LEASE,
    ),
    Mutant(
        "the watchdog is fed after the lease is over",
        "policy/lease.py",
        "    return Food(holds_until(config, hold), config.register.lease)\n",
        "    return Food(now + config.register.lease)\n",
        LEASE,
    ),
    Mutant(
        "a skyha that starts opens the watchdog before it holds",
        "policy/lease.py",
        "        return None if local.server is Server.DOWN else Food(0.0)\n",
        "        return None if local.server is Server.DOWN else Food(now + config.register.lease)\n",
        LEASE,
    ),
    Mutant(
        "skyha ends and leaves its host to the watchdog",
        "policy/holding.py",
        "(seen.leaving and seen.local.server is not Server.DOWN)",
        "False",
        LEASE,
    ),
    Mutant(
        "a primary whose PostgreSQL could not be started tries it again past its lease",
        "policy/holding.py",
        "    return has_renewed and is_guarded(memory) and may_write_now(config, memory, now)\n",
        "    return has_renewed and is_guarded(memory)\n",
        LEASE,
    ),
    Mutant(
        "who has handed over, and heard no answer, starts its PostgreSQL again",
        "policy/holding.py",
        "hold=book.gives_word(hold)",
        "hold=hold",
        (REGISTER,),
    ),
    Mutant(
        "a beat in the register is no life",
        "policy/patience.py",
        "    if beat_at is None or beat_at <= trouble.since or (trouble.beat_at is not None and beat_at <= trouble.beat_at):\n",
        "    if True:\n",
        (REGISTER,),
    ),
    Mutant(
        "a holder that renews, and serves again soon, is fenced like one that is silent",
        "policy/patience.py",
        "    if age(now, trouble.beat_at) <= BEAT_FRESH:",
        "    if False:",
        LEASE,
    ),
    Mutant(
        "a holder whose PostgreSQL hangs renews on",
        "policy/lease.py",
        "    return now - memory.own.down_since > config.timing.hang_timeout\n",
        "    return False\n",
        (REGISTER,),
    ),
    Mutant(
        "who may resign goes on asking for a start",
        "policy/boot.py",
        "        asks = not asks_no_more(config, memory, seen, now)\n",
        "        asks = True\n",
        (REGISTER,),
    ),
    Mutant(
        "a crashed primary with a register drops its VIP at once",
        "policy/boot.py",
        "    if keeps_vip(config, decision.memory, seen, now):\n",
        "    if False:\n",
        (REGISTER,),
    ),
    Mutant(
        "the majority of an etcd is a witness although the primary renews",
        "policy/holding.py",
        "    return age(now, watch.row_at) > by_any_clock(config.timing.least_lease)\n",
        "    return True\n",
        (ETCD,),
    ),
    Mutant(
        "any register's answer is a witness",
        "policy/holding.py",
        '    if config.register.engine != "etcd" or told is None',
        "    if told is None",
        (ETCD,),
    ),
    Mutant(
        "an order to an etcd is sent to the next member when its answer is lost",
        "probes/etcd.py",
        "        is_over = self._is_acting or now >= self._due or not self._left\n",
        "        is_over = now >= self._due or not self._left\n",
        (MEMBERS,),
    ),
    Mutant(
        "a transaction goes by the revision alone, which a restored etcd gives a second time",
        "probes/etcd_row.py",
        '                {**same, "target": "VALUE", "value": known.value},\n',
        "",
        (MEMBERS,),
    ),
    Mutant(
        "a lost answer of an etcd is taken for an order that was not carried out",
        "probes/etcd.py",
        "failure.code), self._is_acting, self._reached, at)\n",
        "failure.code), False, self._reached, at)\n",
        (MEMBERS,),
    ),
)
