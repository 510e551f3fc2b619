# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab as a whole: brought up, taken down, looked at."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence

from . import bmc, faults, hosts, image, keeper, machine, network, watchdogs
from .config import (
    ALL_HOSTS,
    CACHE,
    DEFAULT_SUITE,
    NETWORK,
    RUN,
    SHARED,
    STORAGE,
    SUITES,
    Host,
    LabError,
    chosen_hosts,
    host,
)
from .shell import podman, step


def up(suite: str, clusters: int) -> None:
    """From nothing, or from whatever is there, to running hosts and BMCs."""
    began = time.monotonic()
    machine.require_root()
    machine.only_one()
    machine.install_packages()
    if machine.is_stale():
        clear_stale()
    machine.prepare()
    if lost := hosts.lost_hosts():
        with step(f"removing {' '.join(item.name for item in lost)}, killed from outside with all that they ran"):
            remove(lost)
    before = hosts.states()
    try:
        bring_up(suite, clusters)
    except BaseException:
        if not before:
            print("lab: clearing away what was half made", file=sys.stderr)
            take_down()
        raise
    print(f"lab: up after {time.monotonic() - began:.1f} s", file=sys.stderr)


def bring_up(asked_suite: str, clusters: int) -> None:
    """Start what is not running yet, and wait until it has booted."""
    present = hosts.suite_of_lab()
    suite = asked_suite or present or DEFAULT_SUITE
    if suite not in SUITES:
        raise LabError(f"unknown suite '{suite}'; there are: {', '.join(SUITES)}")
    if present and suite != present:
        raise LabError(f"the lab is up with {present}; to have {suite}: lab/lab down, then lab/lab up --suite {suite}")
    wanted = chosen_hosts(clusters)
    known = hosts.states()
    if not known:
        shutil.rmtree(SHARED, ignore_errors=True)  # an earlier lab's
    name = "" if all(item.container in known for item in wanted) else image.ensure(suite)
    network.up()
    if watchdogs.start() and (running := [item.name for item in wanted if hosts.pid_of(item)]):
        print(f"lab: {' '.join(running)} find their watchdog again after power off and on", file=sys.stderr)
    with step(f"starting {' '.join(item.name for item in wanted)} ({suite})"):
        for item in wanted:
            if item.container not in known:
                hosts.create(item, name, suite)
            if known.get(item.container) == "paused":
                podman("unpause", item.container)
            hosts.power_on(item)
    with step("starting the BMCs"):
        for item in wanted:
            if item.bmc_address:
                bmc.start(item)
    keeper.start()
    with step("waiting until they have booted"):
        hosts.wait_ready(wanted)
    for item in wanted:
        podman("exec", item.container, "lab-apt-share", "link")


def stop_helpers() -> None:
    """End the keeper, the watchdogs and the BMCs."""
    keeper.stop()
    watchdogs.stop()
    for item in ALL_HOSTS:
        if item.bmc_address:
            bmc.stop(item)
            bmc.plug_in(item)


def clear_stale() -> None:
    """Clear away a lab that was cut off: by the machine's restart, or since its namespace is gone."""
    with step("clearing what an earlier lab left behind"):
        stop_helpers()
        for item in ALL_HOSTS:
            hosts.kill_without_podman(item)
        network.down()
        machine.clear_stale()


def take_down() -> None:
    """Remove hosts, BMCs, network and the namespace; the images stay."""
    if machine.is_stale():
        clear_stale()
    if RUN.exists():
        stop_helpers()
        faults.clear_all(list(ALL_HOSTS))
        if (RUN / "containers.conf").exists():
            hosts.remove_all()
            podman("network", "rm", "-f", NETWORK, check=False)
    network.down()
    machine.leave()


def remove(chosen: list[Host]) -> None:
    """Remove these hosts with their disks and stop their BMCs; the others stay as they are."""
    for item in chosen:
        if item.bmc_address:
            bmc.stop(item)
            bmc.plug_in(item)
        hosts.remove(item)
    faults.clear_all(chosen)


def down(names: Sequence[str], with_caches: bool) -> None:
    """Remove the named hosts, or the whole lab; with_caches: its images and downloads as well."""
    machine.require_root()
    machine.only_one()
    if names:
        chosen = [host(name) for name in names]
        if RUN.exists() and not machine.is_stale():
            with step(f"removing {' '.join(item.name for item in chosen)}"):
                remove(chosen)
        return
    with step("taking the lab down"):
        take_down()
    if with_caches:
        with step("removing images and downloads"):
            shutil.rmtree(STORAGE, ignore_errors=True)
            shutil.rmtree(CACHE, ignore_errors=True)


def status() -> list[dict[str, str]]:
    """A row for each host: its state, its faults, its BMC."""
    absent = not RUN.exists() or machine.is_stale()
    states = [(item, "absent") for item in ALL_HOSTS if item.cluster == 1] if absent else hosts.all_states()
    return [
        {
            "host": item.name,
            "address": item.address,
            "state": state,
            "faults": "" if absent else ", ".join(fault.in_words() for fault in faults.current(item)),
            "bmc": item.bmc_address,
            "bmc_state": "" if not item.bmc_address else "down" if absent else bmc.state(item),
        }
        for item, state in states
    ]
