# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the cluster's Nagios plugins share: the snapshot of skyha, the options, the one line and the exit code.

The plugins follow the Monitoring Plugins guidelines. They read only the file that skyha writes after each cycle
(FORMAT 1 of skyha's daemon/published.py): nothing is asked over the network and nothing is locked, so a plugin cannot
disturb the daemon. Standard library only, for they run where nothing else may be installed.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

VERSION = "1.0.0"
FORMAT = 1
STATUS = "/run/skyha/status.json"
MAX_BYTES = 4 * 1024 * 1024
MAX_TEXT = 900  # NRPE's older packets carry 1024 bytes

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_SEVERITY = (OK, UNKNOWN, WARNING, CRITICAL)


class Unknown(Exception):
    """The plugin cannot tell: the text says why and what to do."""


class Unreadable(Unknown):
    """There is no snapshot, or not a present one: skyha does not run, or hangs."""


class Done(Exception):
    """The options were a question about the plugin itself (--help, --version)."""


class Range:
    """A threshold of the guidelines: `10`, `10:`, `~:10`, `10:20`, `@10:20`. Alert outside (with @: inside) of it."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for what is no range."""
        number = r"-?[0-9]+(?:\.[0-9]*)?"
        match = re.fullmatch(rf"(@?)(?:(~|{number}|):)?({number}|)", text, re.ASCII)
        if match is None or not text.strip("@"):
            raise ValueError(f"{text!r} is not a range; 10, 10:, ~:10, 10:20 and @10:20 are")
        inside, low, high = match.groups()
        if not low and not high:
            raise ValueError(f"{text!r} is not a range: it has no number")
        self.text = text
        self.inside = bool(inside)
        self.low = -math.inf if low == "~" else float(low or 0)
        self.high = float(high) if high else math.inf
        if self.low > self.high:
            raise ValueError(f"{text!r} is not a range: it begins after its end")

    def __str__(self) -> str:
        return self.text

    def alerts(self, value: float) -> bool:
        """Does this value call for the alert?"""
        return (self.low <= value <= self.high) == self.inside


class Parser(argparse.ArgumentParser):
    """Options whose errors are UNKNOWN with one line, as the guidelines want."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(
            prog=name,
            description=text,
            add_help=False,
            allow_abbrev=False,
            # With a width: argparse would import shutil to ask the terminal, which costs every check 5 ms.
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=100),
        )
        add = self.add_argument
        add("-h", "--help", action="store_true", help="this text")
        add("-V", "--version", action="store_true", help="the version")
        add("-v", "--verbose", action="count", default=0, help="accepted, as the guidelines want; changes nothing")
        add("-t", "--timeout", type=seconds, default=10.0, metavar="SECONDS", help="give up after (%(default)g)")
        add("-f", "--file", default=STATUS, help="skyha's snapshot (%(default)s)")
        add(
            "-m",
            "--max-age",
            type=seconds,
            default=15.0,
            metavar="SECONDS",
            help="an older snapshot says nothing about now (%(default)g)",
        )

    def thresholds(self, what: str, warning: str, critical: str) -> None:
        """Add -w and -c, ranges of `what`."""
        for flag, name, default in (("-w", "warning", warning), ("-c", "critical", critical)):
            self.add_argument(
                flag,
                f"--{name}",
                type=as_range,
                default=None if not default else Range(default),
                metavar="RANGE",
                help=f"{what} ({default or 'see below'})",
            )

    def error(self, message: str) -> NoReturn:
        """A wrong option; argparse would write two lines to stderr and exit with 2, which means CRITICAL."""
        raise Unknown(f"{message}; see {self.prog} --help")


def as_range(text: str) -> Range:
    """For argparse: a Range."""
    try:
        return Range(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def seconds(text: str) -> float:
    """For argparse: seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds between 0 and 86400")
    return value


class Snapshot:
    """skyha's snapshot, read with suspicion: every get names the type that it expects."""

    def __init__(self, data: Mapping[str, Any], age: float) -> None:
        self._data = data
        self.age = age  # seconds since it was written

    def get(self, path: str, *types: type) -> Any:
        """The value at a dotted path; raises Unknown when it is missing or of another type.

        An int passes for a float, a bool passes for neither; numbers must be finite.
        """
        value: Any = self._data
        for key in path.split("."):
            if not isinstance(value, dict) or key not in value:
                raise Unknown(
                    f"the snapshot has no {path!r}: plugins and skyha are of different versions; run role "
                    "nagios_nrpe again"
                )
            value = value[key]
        wanted = {*types, int} if float in types else set(types)
        wrong = type(value) not in wanted or (isinstance(value, float) and not math.isfinite(value))
        if wrong:
            names = " or ".join(kind.__name__ for kind in types)
            raise Unknown(
                f"{path!r} in the snapshot is {shorten(repr(value), 40)}, not {names}: another program writes "
                "that file, or plugins and skyha are of different versions"
            )
        return value

    def texts(self, path: str) -> dict[str, str]:
        """The dictionary of sentences at `path`."""
        value = self.get(path, dict)
        for sentence in value.values():
            if not isinstance(sentence, str):
                raise Unknown(f"{path!r} in the snapshot holds something else than sentences")
        return dict(value)

    def of_peer(self) -> tuple[Snapshot | None, str]:
        """What the peer's skyha says of itself, and why that says nothing of now ('' where it does).

        (None, '') where it cannot be asked: no address in [http] listen is one that the peer could have too.
        """
        if not self._data.get("peer_status") or not self.get("peer_http", str):
            return None, ""
        problem, told = self.get("peer_status.problem", str), self.get("peer_status.status", dict, type(None))
        return (None, problem or "it told nothing") if problem or told is None else (Snapshot(told, self.age), "")

    def is_critical(self, code: str) -> bool:
        """Does skyha call this alarm or reason critical? One that it says nothing of is."""
        return self._of_code(code, "severity") != "warning"

    def shown_by(self, code: str) -> str:
        """The check that shows this alarm."""
        return self._of_code(code, "check")

    def _of_code(self, code: str, what: str) -> str:
        meaning = self.get("codes", dict).get(code)
        return str(meaning.get(what, "")) if isinstance(meaning, dict) else ""

    @property
    def role(self) -> str:
        """primary, standby, none, unknown."""
        return str(self.get("role", str))


def read(path: str, max_age: float, now: float) -> Snapshot:
    """The snapshot of a running skyha; `now` is this host's monotonic clock. Raises Unreadable or Unknown."""
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Unreadable(f"skyha does not run (there is no {path}): systemctl status skyha") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Unknown(f"{path} cannot be read: {reason}; NRPE must run as the user of PostgreSQL") from None
    if len(raw) > MAX_BYTES:
        raise Unknown(f"{path} is larger than {MAX_BYTES} bytes: that is no snapshot of skyha")
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise Unknown(
            f"{path} is not whole JSON: another program writes that file, or its disk is full (df /run)"
        ) from None
    if not isinstance(data, dict):
        raise Unknown(f"{path} holds no object: that is no snapshot of skyha")
    snapshot = Snapshot(data, 0.0)
    version = snapshot.get("format", int)
    if version != FORMAT:
        raise Unknown(f"{path} is of format {version}, this plugin knows {FORMAT}: run role nagios_nrpe again")
    snapshot.age = now - snapshot.get("written_monotonic", float)
    if snapshot.age < -1:
        raise Unreadable(f"{path} was written before the last boot of this host: systemctl status skyha")
    snapshot.age = max(0.0, snapshot.age)
    state = snapshot.get("state", str)
    if state != "running":
        problems = "".join(f": {problem}" for problem in snapshot.get("problems", list))
        raise Unreadable(f"skyha is {state}{problems}; see systemctl status skyha")
    if snapshot.age > max_age:
        raise Unreadable(f"skyha has not completed a cycle for {snapshot.age:.0f} s: journalctl -u skyha")
    return snapshot


def perf(
    label: str, value: float | None, unit: str = "", warning: object = "", critical: object = "", low: object = ""
) -> str:
    """One item of performance data; empty when there is no value."""
    if value is None:
        return ""
    return ";".join((f"{label}={number(value)}{unit}", str(warning), str(critical), str(low))).rstrip(";")


def number(value: float) -> str:
    """As ranges and performance data want it: no exponent, no needless digits."""
    return str(value) if isinstance(value, int) else f"{value:.3f}".rstrip("0").rstrip(".")


def judge(value: float, warning: Range | None, critical: Range | None) -> int:
    """The state that the ranges give a value."""
    if critical is not None and critical.alerts(value):
        return CRITICAL
    return WARNING if warning is not None and warning.alerts(value) else OK


def worst(states: Sequence[int]) -> int:
    """The state that counts of several; a known trouble outweighs what is not known."""
    return max(states, key=_SEVERITY.index, default=OK)


def shorten(text: str, most: int) -> str:
    """`text` on one line, without control characters and the bar that begins performance data, at most so long.

    Nor semicolons: Nagios would show each as a colon.
    """
    text = "".join(char if char.isprintable() else " " for char in text).replace("|", "/").replace(";", ",")
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."


Check = Callable[[argparse.Namespace, Callable[[], Snapshot]], "tuple[int, str, Sequence[str]]"]


def answer(
    name: str,
    make_parser: Callable[[], Parser],
    check: Check,
    argv: Sequence[str],
    now: Callable[[], float] = time.monotonic,
) -> tuple[int, str]:
    """The exit code and what to print. Never raises. `name` begins the line (SKYHA, LAG ...)."""
    items: Sequence[str] = ()
    try:
        parser = make_parser()
        options = parser.parse_args(list(argv))
        if options.help:
            return UNKNOWN, parser.format_help().rstrip()
        if options.version:
            return UNKNOWN, f"{parser.prog} {VERSION} (sky.pg_cluster)"
        signal.signal(signal.SIGALRM, _late)
        signal.setitimer(signal.ITIMER_REAL, options.timeout)
        try:
            state, text, items = check(options, lambda: read(options.file, options.max_age, now()))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Unknown as error:
        state, text = UNKNOWN, str(error)
    except Exception as error:  # never a traceback: Nagios would show its first line only
        state, text = UNKNOWN, f"an error in the plugin itself ({type(error).__name__}: {error}); please report it"
    data = " ".join(item for item in items if item)
    line = shorten(f"{name} {WORDS[state]} - {text}", MAX_TEXT)
    return state, f"{line} | {data}" if data else line


def _late(_signal: int, _frame: object) -> NoReturn:
    raise Unknown("no answer within the timeout: the host is overloaded, or /run hangs")


def main(name: str, make_parser: Callable[[], Parser], check: Check) -> NoReturn:
    """Run as a program."""
    state, text = answer(name, make_parser, check, sys.argv[1:])
    try:
        sys.stdout.write(text.encode("utf-8", "replace").decode("utf-8") + "\n")
        sys.stdout.flush()
    except UnicodeEncodeError:  # the C locale of an old Python
        sys.stdout.write(text.encode("ascii", "replace").decode("ascii") + "\n")
    except OSError:
        pass  # nobody reads; the exit code still tells
    raise SystemExit(state)
