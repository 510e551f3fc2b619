# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's verbs: words to deeds."""

from __future__ import annotations

import argparse
import json
import os
import sys

from . import bmc, faults, hosts, keeper, watchdogs, whole
from .config import ALL_HOSTS, PODMAN, RUN, SUITES, VIPS, LabError, address_of, host
from .faults import Fault
from .shell import podman

EPILOG = """\
variables: LAB_SUITE bookworm|trixie|el-like; LAB_HOSTS the hosts to bring up ("node1 node2 vote"); LAB_IMAGE a ready image
to build upon, instead of mmdebstrap; LAB_MIRROR the Debian mirror to install from.

targets of cut: a host's name, vip, vip2, gateway, bmc1 (node1's BMC), bmc2 …, or an address. Network faults stay over power
off and on, until heal.
"""


def up(args: argparse.Namespace) -> None:
    whole.up(args.suite or os.environ.get("LAB_SUITE", ""), args.clusters)


def down(args: argparse.Namespace) -> None:
    whole.down(args.hosts, args.all)


def status(args: argparse.Namespace) -> None:
    rows = whole.status()
    if args.json:
        print(json.dumps(rows, indent=2))
        return
    titles = ("host", "address", "state", "faults", "bmc", "bmc_state")
    table = [tuple(title.replace("_", " ") for title in titles)] + [
        tuple(row[key] or "-" for key in titles) for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def power(args: argparse.Namespace) -> None:
    item = host(args.host)
    if args.to == "status":
        print("on" if hosts.pid_of(item) else "off")
        return
    if args.with_bmc and args.to not in ("on", "off"):
        raise LabError(f"--with-bmc goes with on and off, not with {args.to}")
    if args.with_bmc and args.to == "on":
        bmc.start(item)
    with hosts.power_lock(item):
        if args.with_bmc and args.to == "off":
            hosts.power_off(item, besides=bmc.cut_power(item))
        else:
            {"on": hosts.power_on, "off": hosts.power_off, "reset": hosts.reset, "soft": hosts.soft_off}[args.to](item)
    if args.wait and args.to in ("on", "reset"):
        hosts.wait_ready([item])


def shell(args: argparse.Namespace) -> None:
    item = host(args.host)
    terminal = ["-it"] if sys.stdin.isatty() else ["-i"]
    command = args.command or ["bash", "-l"]
    os.execv(PODMAN, [PODMAN, "exec", *terminal, item.container, *command])


def pause(args: argparse.Namespace) -> None:
    podman(args.verb, host(args.host).container)


def cut(args: argparse.Namespace) -> None:
    item = host(args.host)
    if args.port and not (args.to or args.source or args.both):
        raise LabError("--port goes with --to, --from or --both: a cable has no ports")
    if not 0 <= args.port <= 65535:
        raise LabError(f"--port is a TCP port, not {args.port}")
    wanted = [Fault("to", address_of(name), port=args.port) for name in args.to + args.both]
    wanted += [Fault("from", address_of(name), port=args.port) for name in args.source + args.both]
    faults.add(item, hosts.pid_of(item), *(wanted or [Fault("cut")]))


def loss(args: argparse.Namespace) -> None:
    if not 0 < args.percent <= 100:
        raise LabError(f"loss is a percentage over 0 and up to 100, not {args.percent:g}")
    item = host(args.host)
    faults.add(item, hosts.pid_of(item), Fault("loss", percent=args.percent))


def heal(args: argparse.Namespace) -> None:
    for item in ALL_HOSTS if args.host == "all" else [host(args.host)]:
        if args.host != "all" or faults.current(item):
            with hosts.power_lock(item):  # one that is just being switched on has no cable yet
                faults.heal(item, hosts.pid_of(item))


def bmc_verb(args: argparse.Namespace) -> None:
    item, action, value = host(args.host), args.action, args.value
    if action in ("password", "slow", "late", "early") and value is None:
        raise LabError(f"lab/lab bmc {item.name} {action} needs a value ('' puts the lab's own back)")
    if action == "lie" and value not in bmc.LIES:
        raise LabError(f"lab/lab bmc {item.name} lie on|full|off")
    if action == "status":
        print(bmc.state(item))
    elif action == "password":
        bmc.set_password(item, value)
    elif action == "lie":
        bmc.set_fault(item, "lie", bmc.LIES[value])
    elif action in ("slow", "late", "early"):
        bmc.set_fault(item, action, "" if value in ("", "0", "off") else str(float(value)))
    elif action in ("pause", "unpause"):
        bmc.pause(item, action == "pause")
    else:
        {"start": bmc.start, "stop": bmc.stop, "heal": bmc.heal}[action](item)


def watchdog_verb(args: argparse.Namespace) -> None:
    item, action = host(args.host), args.action
    if action == "coarse" and not (args.value or "").isdigit():
        raise LabError(f"lab/lab watchdog {item.name} coarse SECONDS")
    if action == "status":
        print(watchdogs.state(item))
    elif action == "heal":
        watchdogs.heal(item)
    else:
        watchdogs.set_fault(item, action, args.value or "")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="lab/lab",
        description="Four systemd hosts and two BMCs on this machine, to try the cluster on.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, function, text: str, with_host: bool = True) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text)
        made.set_defaults(function=function)
        if with_host:
            made.add_argument("host", metavar="HOST", help="node1, node2, vote, monitor; node3, node4")
        return made

    made = verb("up", up, "bring the lab up, from whatever state it is in", False)
    made.add_argument("--suite", choices=SUITES, help="the hosts' Debian (default: LAB_SUITE, or bookworm)")
    made.add_argument(
        "--clusters", type=int, choices=sorted(VIPS), default=1, help="2: also node3 and node4, for a second cluster"
    )
    made = verb("down", down, "remove hosts, BMCs and network", False)
    made.add_argument("hosts", nargs="*", metavar="HOST", help="remove these hosts only (default: the whole lab)")
    made.add_argument("--all", action="store_true", help="remove images and downloaded packages, too")
    made = verb("status", status, "show hosts, faults and BMCs", False)
    made.add_argument("--json", action="store_true", help="for programs")
    # `podman` is handled in main(): its arguments are podman's own.
    verb("podman", None, "run podman where the lab's hosts live (any podman arguments)", False)
    made = verb("shell", shell, "a shell, or a command, on a host")
    made.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD")
    made = verb("power", power, "switch a host; what its BMC does, without the BMC")
    made.add_argument("to", choices=("on", "off", "reset", "soft", "status"))
    made.add_argument("--wait", action="store_true", help="with on and reset: until it has booted")
    made.add_argument(
        "--with-bmc", action="store_true", help="with off and on: its BMC too, which hangs on the same power"
    )
    verb("pause", pause, "freeze a host: a hang")
    verb("unpause", pause, "let a frozen host go on")
    made = verb("cut", cut, "pull the host's network cable, or block one path in one direction")
    made.add_argument("--to", action="append", default=[], metavar="TARGET", help="drop what the host sends to TARGET")
    made.add_argument(
        "--from",
        action="append",
        default=[],
        dest="source",
        metavar="TARGET",
        help="drop what TARGET sends to the host",
    )
    made.add_argument("--both", action="append", default=[], metavar="TARGET", help="both directions")
    made.add_argument(
        "--port", type=int, default=0, metavar="PORT", help="only TCP connections with this port at either end"
    )
    made = verb("loss", loss, "lose a share of the host's packets, both ways")
    made.add_argument("percent", type=float, metavar="PERCENT")
    verb("heal", heal, "remove the host's network faults (HOST may be 'all')")
    made = verb(
        "bmc",
        bmc_verb,
        "a BMC and its faults: start, stop, status, pause, unpause, password PW, "
        "lie on (says done, does nothing) | full (its status lies, too) | off, slow SECONDS, late SECONDS, early SECONDS, heal",
    )
    made.add_argument(
        "action",
        choices=("start", "stop", "status", "pause", "unpause", "password", "lie", "slow", "late", "early", "heal"),
    )
    made.add_argument("value", nargs="?")
    made = verb(
        "watchdog",
        watchdog_verb,
        "a host's watchdog and its faults: status, nowayout (never put to rest), stuck (no call comes back), toothless "
        "(never bites), coarse SECONDS (takes multiples of that only), heal",
    )
    made.add_argument("action", choices=("status", *watchdogs.FAULTS, "heal"))
    made.add_argument("value", nargs="?")
    return top


def main() -> int:
    """Entry point: 0, or 1 with the error in words."""
    if sys.argv[1:2] == ["podman"]:
        os.execv(PODMAN, [PODMAN, *sys.argv[2:]])
    if sys.argv[1:2] == ["keeper"]:
        keeper.watch()
        return 0
    if sys.argv[1:2] == ["watchdogs"]:
        watchdogs.watch()
        return 0
    args = parser().parse_args()
    try:
        if args.function not in (up, down, status) and not (RUN / "containers.conf").exists():
            raise LabError("the lab is not up; run lab/lab up")
        args.function(args)
    except (LabError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
