# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosts: made once, switched on and off, their disks kept."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator

from . import faults, network, watchdog
from .config import ALL_HOSTS, CACHE, NETWORK, RUN, SHARED, STORAGE, Host, LabError
from .shell import podman, run

READY = ("running", "degraded")


def states() -> dict[str, str]:
    """Podman's state of each lab container that exists, by container name: running, paused, exited, created …"""
    done = podman("ps", "-a", "--filter", "label=sky.lab", "--format", "json")
    return {item["Names"][0]: item["State"] for item in json.loads(done.stdout)}


def power_state(state: str | None) -> str:
    """A person's word for podman's state; None means that there is no such container."""
    if state is None:
        return "absent"
    return {"running": "running", "paused": "paused"}.get(state, "off")


def lost_hosts() -> list[Host]:
    """Hosts that podman takes for running while nothing runs: their processes and conmon, which tells podman of an end,
    were killed from outside (as when a container that held the lab, or a CI job, was ended). Podman can only remove them."""
    lost = []
    for host in ALL_HOSTS:
        done = podman(
            "container", "inspect", "-f", "{{.State.Status}} {{.State.ConmonPid}}", host.container, check=False
        )
        status, _, conmon = done.stdout.strip().partition(" ")
        if status not in ("running", "paused", "stopping") or pid_of(host):
            continue
        try:
            name, state = pathlib.Path(f"/proc/{conmon}/stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            lost.append(host)
            continue
        if name != "conmon" or state.split()[0] == "Z":
            lost.append(host)
    return lost


def suite_of_lab() -> str:
    """Suite of the hosts that exist; '' if there are none."""
    done = podman("ps", "-a", "--filter", "label=sky.lab", "--format", '{{index .Labels "sky.suite"}}')
    return next(iter(done.stdout.split()), "")


def pid_of(host: Host) -> int:
    """Process id of the host's init, 0 when it is off. Read from podman's files: no podman call, a millisecond.
    The id is believed only if that process is in the container's cgroup (ids are used again), and lives."""
    try:
        pid = int((RUN / "hosts" / f"{host.name}.pid").read_text())
        container_id = (RUN / "hosts" / f"{host.name}.cid").read_text().strip()
        process = pathlib.Path(f"/proc/{pid}")
        if container_id not in (process / "cgroup").read_text():
            return 0
        return 0 if (process / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z" else pid
    except (OSError, ValueError):
        return 0


def create(host: Host, image: str, suite: str) -> None:
    """Make the host's container, off."""
    archives = CACHE / "apt" / suite
    archives.mkdir(parents=True, exist_ok=True)
    (RUN / "hosts").mkdir(exist_ok=True)
    cid_file = RUN / "hosts" / f"{host.name}.cid"
    cid_file.unlink(missing_ok=True)
    journal = STORAGE / "journal" / host.name
    shutil.rmtree(journal, ignore_errors=True)
    journal.mkdir(parents=True)
    SHARED.mkdir(parents=True, exist_ok=True)
    new_boot_id(host)
    podman(
        "create",
        "--name",
        host.container,
        "--hostname",
        host.name,
        "--label",
        "sky.lab=1",
        "--label",
        f"sky.suite={suite}",
        "--systemd=always",
        "--privileged",
        "--pids-limit=-1",
        "--network",
        NETWORK,
        "--ip",
        host.address,
        "--mac-address",
        host.mac,
        # /etc/hosts and resolv.conf are the host's own files, so that roles can replace them.
        "--no-hosts",
        "--dns=none",
        "--volume",
        f"{archives}:/var/cache/lab-apt",
        # A file system that all hosts have, as one of an NFS server.
        "--volume",
        f"{SHARED}:/srv/shared",
        "--tmpfs",
        "/run:mode=755",
        "--tmpfs",
        "/tmp:mode=1777",
        # systemd mode would put a tmpfs there: the journal must survive a power cut.
        "--volume",
        f"{journal}:/var/log/journal",
        # The kernel is the machine's; a boot id of its own lets a host's reboot be seen.
        "--volume",
        f"{boot_id_file(host)}:/proc/sys/kernel/random/boot_id:ro",
        *watchdog.volumes(host),
        "--shm-size=4g",
        "--cidfile",
        str(cid_file),
        "--pidfile",
        str(RUN / "hosts" / f"{host.name}.pid"),
        image,
        "/sbin/init",
    )
    with tempfile.TemporaryDirectory() as folder:
        etc = pathlib.Path(folder)
        (etc / "hosts").write_text(f"127.0.0.1\tlocalhost\n{host.address}\t{host.name}\n")
        (etc / "hostname").write_text(f"{host.name}\n")
        (etc / "resolv.conf").write_text(resolv_conf())
        podman("cp", f"{folder}/.", f"{host.container}:/etc/")


def boot_id_file(host: Host) -> pathlib.Path:
    return RUN / "hosts" / f"{host.name}.boot_id"


def new_boot_id(host: Host) -> None:
    """Written in place: the host has this very file mounted."""
    boot_id_file(host).write_text(f"{uuid.uuid4()}\n")


def resolv_conf() -> str:
    """The machine's name servers, as far as a host can reach them."""
    upstream = pathlib.Path("/run/systemd/resolve/resolv.conf")
    source = upstream if upstream.exists() else pathlib.Path("/etc/resolv.conf")
    lines = [line for line in source.read_text().splitlines() if line.startswith(("nameserver", "search"))]
    return "".join(f"{line}\n" for line in lines if "nameserver 127." not in line)


@contextlib.contextmanager
def power_lock(host: Host) -> Iterator[None]:
    """One power order at a time for a host, whether from a person or from its BMC."""
    with open(RUN / "hosts" / f"{host.name}.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def power_on(host: Host) -> None:
    """Switch the host on; does not wait until it has booted. On a running host: nothing."""
    if pid_of(host):
        return
    new_boot_id(host)
    port = RUN / "hosts" / f"{host.name}.port"
    port.unlink(missing_ok=True)  # its name may be another host's by now
    deadline = time.monotonic() + 10
    podman("start", host.container)
    while not (pid := pid_of(host)):
        # An end that podman had not noted yet: then `start` saw a running host and did nothing.
        if time.monotonic() > deadline:
            raise LabError(f"{host.name} does not start; look at lab/lab podman logs {host.container}")
        time.sleep(0.1)
        podman("start", host.container)
    # What lab/podman says for `podman mount`; a link, so that it stays right over power cycles.
    link = RUN / "hosts" / f"{host.name}.root"
    link.unlink(missing_ok=True)
    link.symlink_to(f"/proc/{pid}/root")
    faults.apply(host, pid)
    # For lab/chassis, which has no time to look for it.
    port.write_text(network.port_of(host, pid))


def power_off(host: Host, timeout: float = 20, besides: Callable[[], None] = lambda: None) -> None:
    """Cut the host's power: its link and every process of it die at once, and what `besides` ends. Of a host that is off:
    only that."""
    pid = pid_of(host)
    if not pid:
        besides()
        return
    # The link first, some milliseconds before: the machine's kernel would take leave of the dead host's peers, with a FIN
    # or a RST for each of its connections, and refuse new ones. A real host says nothing. A new link comes with power on.
    port = network.port_of(host, pid)
    if port:
        run("ip", "link", "set", port, "down", check=False)
    besides()
    # The whole cgroup at once, frozen or not. Killing init alone (podman kill) hangs on a frozen host in which somebody
    # has a session open: the session's outer half is frozen too and cannot take leave of the inner one.
    with contextlib.suppress(OSError):
        pathlib.Path(f"/proc/{pid}/root/sys/fs/cgroup/cgroup.kill").write_text("1")
    deadline = time.monotonic() + timeout
    while pid_of(host):
        if time.monotonic() > deadline:
            raise LabError(f"{host.name} is still on after {timeout:.0f} s; look at process {pid}")
        time.sleep(0.02)


def reset(host: Host) -> None:
    """Power cut and back at once. Meanwhile the BMC reads 'on'; a host that is off stays off, as with hardware."""
    if not pid_of(host):
        return
    mark = RUN / "bmc" / host.name / "resetting"
    if host.bmc_address:
        mark.touch()
    try:
        power_off(host)
        power_on(host)
    finally:
        mark.unlink(missing_ok=True)


def soft_off(host: Host) -> None:
    """Ask the host to shut down, as a BMC's ACPI signal does. Returns at once."""
    # SIGRTMIN+4 is systemd's 'poweroff'.
    podman("kill", "-s", "SIGRTMIN+4", host.container)


def boot_state(host: Host) -> str:
    """What systemd says of its boot (running, degraded, starting …); 'off', or '' while it does not answer."""
    pid = pid_of(host)
    if not pid:
        return "off"
    done = run("nsenter", "-t", str(pid), "-a", "systemctl", "is-system-running", check=False, timeout=20)
    return done.stdout.strip()


def wait_ready(hosts: list[Host], timeout: float = 240) -> None:
    """Wait until each host has booted; LabError with what hangs after timeout seconds."""
    deadline = time.monotonic() + timeout
    waiting = list(hosts)
    while waiting:
        waiting = [host for host in waiting if boot_state(host) not in READY]
        if waiting and time.monotonic() > deadline:
            host = waiting[0]
            log = podman("logs", "--tail", "15", host.container, check=False)
            raise LabError(
                f"{host.name} has not booted after {timeout:.0f} s (systemd says "
                f"'{boot_state(host)}'). Its console:\n{log.stdout}{log.stderr}"
            )
        time.sleep(0.1 if waiting else 0)


def _remove_containers(which: str, check: bool) -> None:
    """Of a host killed from outside, the first removal only notes that nothing runs; the second removes it."""
    if podman("rm", "-f", "-t", "0", which, check=False).returncode:
        podman("rm", "-f", "-t", "0", which, check=check)


def remove(host: Host) -> None:
    """Remove the host with its disk; one that is not there: nothing."""
    power_off(host)
    _remove_containers(host.container, check=True)
    for name in ("pid", "cid", "root", "boot_id", "lock", "port"):
        (RUN / "hosts" / f"{host.name}.{name}").unlink(missing_ok=True)


def remove_all() -> None:
    """Remove all hosts and their disks, and whatever else was run through lab/podman."""
    _remove_containers("-a", check=False)


def kill_without_podman(host: Host) -> None:
    """Power cut for a host that podman cannot be asked about any more."""
    pid = pid_of(host)
    if not pid:
        return
    parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    # conmon first: at its container's end it would call podman, which makes RUN again behind our back.
    if pathlib.Path(f"/proc/{parent}/comm").read_text().strip() == "conmon":
        os.kill(parent, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


def all_states() -> list[tuple[Host, str]]:
    """Every host with its state: running, paused, off, absent. Those of a second cluster only where they are there."""
    known = states()
    return [
        (host, power_state(known.get(host.container)))
        for host in ALL_HOSTS
        if host.cluster == 1 or host.container in known
    ]
