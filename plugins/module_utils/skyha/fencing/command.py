# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fence agents of kind command: any fence agent, or ipmitool, as command lines of the configuration.

Examples (the document's, with no password on any command line):

    off    = fence_ipmilan lanplus=1 privlvl=operator        status = fence_ipmilan lanplus=1 privlvl=operator
    off    = fence_ilo ssl=1                                 status = fence_ilo ssl=1
    off    = fence_rsa                                       status = fence_rsa
    reset  = ipmitool -I lanplus -C 3 -L OPERATOR -E -H {address} -U {user} power reset
    status = ipmitool -I lanplus -C 3 -L OPERATOR -E -H {address} -U {user} power status

A program whose name begins with fence_ is spoken to as fence agents want it: by lines key=value on its standard input
(action, ipaddr, login, passwd, ipport, and the words key=value of the command line), since an agent with any argument
ignores its standard input. Every program finds the password in SKYHA_FENCE_PASSWORD and IPMI_PASSWORD (ipmitool -E).

Exit code 0 is success. A status is off where the program says so in words, 'power is off' or 'Status: OFF' (ipmitool with
exit code 0, fence agents with 2), or where a fence_ program ends with 2 and names no other status. From any other program 2 without a word proves
nothing: shells, Python and many tools end so when they are called wrongly. Where exit code and words differ, nothing counts.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping

from ..errors import FenceError
from ..words import Power

_SAID = re.compile(r"(?im)^.*\b(?:power is|status:)\s+(on|off)\s*$")
_SAID_ELSE = re.compile(r"(?im)^\s*status:\s+(?!on\b|off\b)\S")
_OFF_CODE = 2


class CommandAgent:
    """A fence agent by command lines: verb -> command line."""

    def __init__(
        self, name: str, lines: Mapping[str, str], address: str = "", user: str = "", password: str = "", port: int = 0
    ) -> None:
        """Raises FenceError for a command line that cannot be split, or a password that fence agents cannot be told."""
        self.where = f"fence agent {name}" + (f" at {address}" if address else "")
        self._lines = {verb: line for verb, line in lines.items() if line}
        self._values = {"address": address, "user": user, "port": str(port or "")}
        self._password = password
        if "\n" in password:
            raise FenceError(f"{self.where}: the password holds a line break, which no fence agent can be told")
        for verb, line in self._lines.items():
            try:
                if not shlex.split(line):
                    raise ValueError("it is empty")
            except ValueError as error:
                raise FenceError(f"{self.where}: the command line of {verb} cannot be used: {error}") from error

    def status(self, deadline: float) -> Power:
        """See agents.Agent."""
        code, text = self._run("status", deadline)
        said = {word.lower() for word in _SAID.findall(text)}
        if len(said) > 1 or code not in (0, _OFF_CODE):
            if code not in (0, _OFF_CODE):
                raise FenceError(f"{self.where}: status failed with exit code {code}: {self._clean(text)}")
            return Power.UNKNOWN
        by_code = Power.OFF if code == _OFF_CODE else Power.ON
        if not said and by_code is Power.OFF and not self._is_fence_agent("status"):
            raise FenceError(
                f"{self.where}: status ended with exit code 2 and did not say 'Status: OFF', which many a program does "
                f"that is called wrongly: {self._clean(text)}; print that line when the power is off"
            )
        if not said:
            return Power.UNKNOWN if _SAID_ELSE.search(text) else by_code
        by_words = Power(said.pop())
        return Power.UNKNOWN if by_code is Power.OFF and by_words is Power.ON else by_words

    def order(self, verb: str, deadline: float) -> None:
        """See agents.Agent."""
        code, text = self._run(verb, deadline)
        if code:
            raise FenceError(f"{self.where}: {verb} failed with exit code {code}: {self._clean(text)}")

    def close(self) -> None:
        """Nothing to forget."""

    def _run(self, verb: str, deadline: float) -> tuple[int, str]:
        line = self._lines.get(verb)
        if line is None:
            raise FenceError(f"{self.where}: has no command line for {verb}; set one")
        words = [self._fill(word) for word in shlex.split(line)]
        text = ""
        if os.path.basename(words[0]).startswith("fence_"):
            words, text = self._as_fence_agent(words, verb)
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin",
            "LC_ALL": "C",
            "SKYHA_FENCE_PASSWORD": self._password,
            "IPMI_PASSWORD": self._password,
            "SKYHA_FENCE_ACTION": verb,
            "SKYHA_FENCE_ADDRESS": self._values["address"],
            "SKYHA_FENCE_USER": self._values["user"],
        }
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise FenceError(
                f"{self.where}: {words[0]} cannot be run: {error}; install it, or set its full path"
            ) from error
        try:
            out, _err = process.communicate(text.encode("utf-8"), timeout=max(0.1, deadline))
        except subprocess.TimeoutExpired:
            raise FenceError(f"{self.where}: {words[0]} did not end within {deadline:.3g} s ({verb})") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return process.returncode, out.decode("utf-8", "replace")

    def _is_fence_agent(self, verb: str) -> bool:
        return os.path.basename(shlex.split(self._lines[verb])[0]).startswith("fence_")

    def _as_fence_agent(self, words: list[str], verb: str) -> tuple[list[str], str]:
        """The words that stay arguments, and what goes to standard input (old and new fence agents know these keys)."""
        action = {"reset": "reboot", "cycle": "reboot"}.get(verb, verb)
        options = {
            "action": action,
            "ipaddr": self._values["address"],
            "login": self._values["user"],
            "passwd": self._password,
            "ipport": self._values["port"],
        }
        arguments = [word for word in words[1:] if "=" not in word or word.startswith("-")]
        if arguments:  # then it reads no standard input, and the line must say everything
            return words, ""
        options.update({word.partition("=")[0]: word.partition("=")[2] for word in words[1:]})
        return words[:1], "".join(f"{key}={value}\n" for key, value in options.items() if value)

    def _fill(self, word: str) -> str:
        for key, value in self._values.items():
            word = word.replace("{" + key + "}", value)
        return word

    def _clean(self, text: str) -> str:
        """What the program said, short, and surely without the password."""
        joined = " ".join(text.split())[-300:]
        return joined.replace(self._password, "***") if self._password else joined
