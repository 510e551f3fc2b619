# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mutants of the signs of life between both skyhas, and of what is made of their news."""

from __future__ import annotations

from .mutant import REGISTER, Mutant

SIGNS = ("tests/unit/world/test_talk.py", "tests/unit/world/test_signs.py")

MUTANTS = (
    Mutant(
        "a boot of the peer is believed without a mark that came back",
        "world/talk.py",
        "        if not is_own or sign.echo <= self._came_back or now - sign.echo > ECHO_FRESH:\n",
        "        if False:\n",
        SIGNS,
    ),
    Mutant(
        "a boot of the peer that is over is believed again",
        "world/talk.py",
        "sign.echo <= self._came_back or ",
        "",
        SIGNS,
    ),
    Mutant(
        "a mark that comes back is a promise",
        "world/talk.py",
        "            if sign.is_promise and (",
        "            if (",
        SIGNS,
    ),
    Mutant(
        "a mark is promised again and again",
        "world/talk.py",
        " and self._newest != self._promised\n",
        "\n",
        SIGNS,
    ),
    Mutant(
        "a promise that left is not noted",
        "world/talk.py",
        "            self._promised_at = at\n",
        "            pass\n",
        SIGNS,
    ),
    Mutant(
        "news end one look after the other",
        "daemon/loop.py",
        "wants.yields and not self._yielded\n",
        "wants.yields\n",
        ("tests/unit/daemon/test_daemon.py",),
    ),
    Mutant(
        "whoever hears of another holder asks no register before it looks",
        "policy/standby.py",
        "    if epoch is None or epoch <= memory.watch.asked_for:\n",
        "    if True:\n",
        ("tests/unit/policy/test_holding.py",),
    ),
    Mutant(
        "a hand-over that fails is asked for without a pause",
        "policy/holding.py",
        " and not was_asked:\n",
        ":\n",
        (REGISTER,),
    ),
)
