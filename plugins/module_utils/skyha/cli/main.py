# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl: see and steer this cluster's skyha."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, Callable, TextIO

from .. import __version__
from ..config import Config
from ..daemon.main import CONFIG, RUN_DIR, read_all
from ..daemon.status import is_well
from ..errors import ConfigError
from ..world.history import read as read_history
from . import backup, checks, explain, forget, history, orders, sources, table, takeover
from .completion import script
from .text import Paint, paint_for, wrap

EXIT = """exit codes:
  0   done; status: all is well
  1   the order was refused or failed, or what was asked for is not there
  2   wrong usage
  3   skyha does not run here, or does not answer
  4   status, explain: there are alarms, or a failover would not work now;
      backup: there are alarms of the backups, or nothing is known of them
  5   not permitted: that is for root and skyha's own user only
  78  the configuration cannot be used

Orders (switchover, takeover, confirm-off, rejoin, pause, resume, acknowledge,
fence-test, forget-rewind) and the history are for root and skyha's own
user, the rest is for everybody.
Colour is used on a terminal only, and not where NO_COLOR is set."""
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """A duration such as 90, 90s, 30m, 2h, 1d in seconds; raises ArgumentTypeError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d|)", text.strip())
    if match is None or float(match.group(1)) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 90s, 30m, 2h or 1d")
    return float(match.group(1)) * _UNITS[match.group(2)]


def positive(text: str) -> int:
    """A whole number of 1 or more; raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="skyctl",
        description="See and steer this cluster's skyha. Works on both nodes.",
        epilog=EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--config", default=CONFIG, metavar="FILE", help=f"skyha's configuration (default: {CONFIG})")
    top.add_argument("--version", action="version", version=f"skyctl {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, text: str, more: str = "") -> argparse.ArgumentParser:
        return verbs.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}. {more}".strip(),
            epilog=EXIT,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    one = verb("status", "both nodes side by side, and the alarms")
    one.add_argument("--json", action="store_true", help="as JSON")
    one.add_argument(
        "--watch", nargs="?", type=seconds, const=2.0, metavar="SECONDS", help="again and again (default: every 2 s)"
    )
    verb("explain", "what would happen if the primary died now, and what would stop it")
    one = verb("backup", "what is known of this node's backups, and the room for its WAL")
    one.add_argument("--json", action="store_true", help="as JSON")
    verb(
        "backup-report",
        "look at the backups and write the report that skyha reads",
        "\nA timer does it each minute, as the database's user.",
    )
    one = verb("history", "the last events; with N the timeline of one failover or switchover")
    one.add_argument("number", nargs="?", type=positive, metavar="N", help="which one, counted from the newest (1)")
    one.add_argument(
        "-n", "--events", type=positive, default=30, metavar="COUNT", help="how many events to show (default: 30)"
    )
    one.add_argument("--json", action="store_true", help="as JSON: the events, or with N one story with its phases")
    one = verb("switchover", "make the standby the primary, as planned work", "To be given on the primary.")
    one.add_argument(
        "--wait", nargs="?", type=seconds, const=90.0, metavar="SECONDS", help="follow it to its end (at most 90 s)"
    )
    one.add_argument("--force", action="store_true", help="although the standby is not armed (its BMC is broken ...)")
    verb(
        "rejoin", "make this old primary a standby by pg_rewind now", "\nWhere auto_rejoin is off, or it failed before."
    )
    one = verb("pause", "nothing automatic happens on either node")
    one.add_argument(
        "--for", dest="length", type=seconds, metavar="DURATION", help="90s, 30m, 2h, 1d; default: until resumed"
    )
    verb("resume", "end the pause")
    one = verb(
        "takeover",
        "make this node the primary when its peer is dead and no failover follows",
        "\nSays what is known and what may be lost, asks for the peer's name, fences it\n"
        "where its BMC answers, and never overrides a sign of life.\n"
        "0: this node is the primary with the VIP.",
    )
    _peers_name(one, orders.FOLLOW)
    one = verb(
        "confirm-off",
        "tell skyha that the peer is off, where its BMC cannot",
        "\nFor a failover under way that waits for proof; 'takeover' is for all else.\n"
        "Asks for the peer's name. 0: this node is the primary with the VIP.",
    )
    _peers_name(one, orders.FOLLOW)
    verb("acknowledge", "the failover warning was read")
    verb("fence-test", "ask the peer's BMC for its power status; nothing is switched")
    verb(
        "forget-rewind",
        "drop the note of a pg_rewind that broke off: the data are others now",
        "\nOnly while skyha is stopped. failover_rebuild.yml does it by itself.",
    )
    one = verb("check-config", "check a configuration file")
    one.add_argument("file", nargs="?", metavar="FILE", help="default: that of --config")
    one = verb("completion", "print the completion script of a shell")
    one.add_argument("shell", choices=["bash"])
    return top


def _peers_name(one: argparse.ArgumentParser, wait: float) -> None:
    one.add_argument("--yes", metavar="NAME", help="the peer's name, for scripts: do not ask")
    one.add_argument(
        "--wait",
        type=seconds,
        default=wait,
        metavar="SECONDS",
        help=f"answer after so long at most (default: {wait:g} s)",
    )


def main(arguments: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """The command; returns the exit code."""
    out = out if out is not None else sys.stdout
    asked = parser().parse_args(arguments)
    paint = paint_for(out)
    try:
        if asked.verb == "completion":
            out.write(script(parser()))
            return 0
        if asked.verb == "check-config":
            return checks.check_config(asked.file or asked.config, out, paint)
        return _dispatch(asked, out, paint)
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(wrap(problem) + "\n")
        return 78
    except sources.NotAllowed as error:
        sys.stderr.write(wrap(f"not permitted: {error}; run it as root: sudo skyctl {asked.verb}") + "\n")
        return 5
    except sources.Refused as error:
        sys.stderr.write(wrap(f"refused: {error}") + "\n")
        return 1
    except sources.NotRunning as error:
        sys.stderr.write(
            wrap(f"skyha does not run here ({error}). Next: 'systemctl status skyha', 'journalctl -u skyha -n 50'")
            + "\n"
        )
        return 3
    except BrokenPipeError:
        # The reader has gone (skyctl history | head): no traceback, and none at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return 130


def _dispatch(asked: argparse.Namespace, out: TextIO, paint: Paint) -> int:
    if asked.verb in ("status", "explain"):
        return _show(asked, out, paint)
    config = read_all(asked.config)
    if asked.verb == "history":
        return _history(asked, config, out, paint)
    if asked.verb == "backup":
        return backup.show(config, asked.json, out, paint)
    if asked.verb == "backup-report":
        return backup.make(config, out, paint)
    desk = orders.Desk(config, out, paint)
    verbs: dict[str, Callable[[], int]] = {
        "pause": lambda: orders.pause(desk, asked.length),
        "resume": lambda: orders.resume(desk),
        "acknowledge": lambda: orders.acknowledge(desk),
        "switchover": lambda: orders.switchover(desk, asked.wait, asked.force),
        "rejoin": lambda: orders.rejoin(desk),
        "takeover": lambda: takeover.takeover(desk, asked.yes, sys.stdin.readline, asked.wait),
        "confirm-off": lambda: orders.confirm_off(desk, asked.yes, sys.stdin.readline, asked.wait),
        "fence-test": lambda: orders.fence_test(desk),
        "forget-rewind": lambda: forget.forget_rewind(desk),
    }
    return verbs[asked.verb]()


def _show(asked: argparse.Namespace, out: TextIO, paint: Paint) -> int:
    """status and explain; a configuration that cannot be read hides only the peer."""
    config: Config | None = None
    problem = ""
    try:
        config = read_all(asked.config)
    except ConfigError as error:
        problem = "; ".join(error.problems)
    while True:
        mine = sources.here(config.paths.run_dir if config else RUN_DIR, config.http.listen if config else ())
        theirs = sources.peer(config) if config else sources.View(None, f"not asked: {problem}")
        if asked.verb == "explain":
            out.write(explain.explain(config, mine, theirs, paint) + "\n")
        elif asked.json:
            json.dump(_as_data(mine, theirs), out, indent=None if asked.watch else 2)
            out.write("\n")
        else:
            text = table.table(mine, theirs, paint)
            if problem and mine.status is not None and not mine.status.run.problems:
                text += "\n" + paint(wrap(problem), "bad")
            out.write(("\033[H\033[2J" if asked.watch and out.isatty() else "") + text + "\n")
        out.flush()
        if not getattr(asked, "watch", None):
            return _code(mine, theirs)
        time.sleep(asked.watch)


def _as_data(mine: sources.View, theirs: sources.View) -> dict[str, Any]:
    return {
        name: {"live": view.is_live, "problem": view.problem, "age": round(view.age, 3), "status": view.told}
        for name, view in (("here", mine), ("peer", theirs))
    }


def _code(mine: sources.View, theirs: sources.View) -> int:
    if not mine.is_live or mine.status is None:
        return 5 if mine.gap is sources.Gap.CLOSED else 3
    return 0 if theirs.is_live and all(map(is_well, sources.acquainted(mine, theirs))) else 4


def _history(asked: argparse.Namespace, config: Config, out: TextIO, paint: Paint) -> int:
    try:
        entries: list[Any] = list(_whole(read_history(config.paths.state_dir)))
    except PermissionError as error:
        raise sources.NotAllowed(str(error)) from error
    except OSError as error:
        sys.stderr.write(wrap(f"the history cannot be read: {error}") + "\n")
        return 1
    if asked.number is None:
        text = json.dumps(entries[-asked.events :]) if asked.json else history.events(entries, asked.events, paint)
        out.write(text + "\n")
        return 0
    if asked.json:
        found = history.as_data(entries)
        told = json.dumps(found[asked.number - 1]) if asked.number <= len(found) else None
    else:
        told = history.one(entries, asked.number, paint)
    if told is None:
        sys.stderr.write("There are not so many failovers and switchovers on record; 'skyctl history' lists them.\n")
        return 1
    out.write(told + "\n")
    return 0


def _whole(entries: Iterable[Any]) -> Iterable[Any]:
    return (entry for entry in entries if isinstance(entry.get("wall"), (int, float)) and "kind" in entry)


if __name__ == "__main__":
    raise SystemExit(main())
