# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the machine under the lab must offer: packages, a pure cgroup2 tree, podman's configuration."""

from __future__ import annotations

import fcntl
import os
import pathlib
import shutil
import sys
from typing import IO

from .config import RUN, STORAGE, LabError
from .shell import podman, run, step

PACKAGES = (
    "podman",
    "crun",
    "netavark",
    "conmon",
    "iptables",
    "nftables",
    "iproute2",
    "mmdebstrap",
    "openipmi",
    "debian-archive-keyring",
    "ca-certificates",
)
NAMESPACE = RUN / "ns" / "mnt"
BOOT_ID = pathlib.Path("/proc/sys/kernel/random/boot_id")
# The document's nofile limit; a machine whose root may not go so high gets what it allows.
WANTED_LIMITS = {"nofile": 131072, "nproc": 131072}

_lock: IO[str] | None = None  # held open until we exit


def require_root() -> None:
    """The lab makes containers with their own init, bridges and addresses."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: run it with sudo, or as root")


def only_one() -> None:
    """Wait for another `up` or `down` of this machine to end; ours holds the lock until it exits."""
    global _lock
    _lock = open("/run/sky-lab.lock", "w", encoding="utf-8")  # noqa: SIM115  (held on purpose)
    try:
        fcntl.flock(_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("lab: another lab/lab up or down is at work; waiting for it", file=sys.stderr)
        fcntl.flock(_lock, fcntl.LOCK_EX)


def install_packages() -> None:
    """Install those of PACKAGES that are missing (Debian, Ubuntu)."""
    if not shutil.which("dpkg-query"):
        raise LabError(
            f"this machine has no dpkg; the lab runs on Debian or Ubuntu (elsewhere install: {', '.join(PACKAGES)})"
        )
    missing = [
        name
        for name in PACKAGES
        if "ok installed" not in run("dpkg-query", "-W", "-f", "${Status}", name, check=False).stdout
    ]
    if not missing:
        return
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    with step(f"installing {' '.join(missing)}"):
        run("apt-get", "update", timeout=300)
        run("apt-get", "install", "-y", "--no-install-recommends", *missing, timeout=900)


def is_stale() -> bool:
    """Is what lies in RUN from an earlier boot, or without its namespace? (/run may be on a disk.)"""
    if not RUN.exists():
        return False
    mark = RUN / "boot_id"
    if not mark.exists() or mark.read_text() != BOOT_ID.read_text():
        return True
    return NAMESPACE.exists() and not namespace_works()


def namespace_works() -> bool:
    return run("nsenter", f"--mount={NAMESPACE}", "true", check=False).returncode == 0


def clear_stale() -> None:
    """Forget a cut off lab, whose processes are dead. Podman then sees a fresh boot, as it would on a tmpfs."""
    drop_namespace()
    shutil.rmtree(RUN, ignore_errors=True)
    # Address records of a former boot: podman would call the addresses 'already allocated'.
    pathlib.Path("/run/containers/networks/ipam.db").unlink(missing_ok=True)


def drop_namespace() -> None:
    """Let go of the private mount namespace, if there is one."""
    run("umount", "-l", str(NAMESPACE), check=False)
    run("umount", "-l", str(NAMESPACE.parent), check=False)
    NAMESPACE.unlink(missing_ok=True)


def has_pure_cgroup2() -> bool:
    return pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists()


def prepare() -> None:
    """Make RUN: podman's configuration, and on machines with hybrid cgroups the private mount namespace."""
    fresh = not (RUN / "boot_id").exists()
    RUN.mkdir(mode=0o700, exist_ok=True)
    (RUN / "boot_id").write_text(BOOT_ID.read_text())
    write_podman_config()
    if not has_pure_cgroup2() and not NAMESPACE.exists():
        with step("hybrid cgroups: making a private mount namespace with a cgroup2 tree"):
            make_namespace()
    if fresh:
        # Hosts of a lab that the machine's restart cut off lack what lay in RUN. They are made again, in seconds.
        podman("rm", "-f", "-a", "-t", "0")


def make_namespace() -> None:
    """crun wants one cgroup2 tree; the machine's own mounts stay as they are."""
    folder = NAMESPACE.parent
    folder.mkdir(exist_ok=True)
    run("mount", "--bind", str(folder), str(folder))
    # A namespace can only be pinned to a file whose mount is private.
    run("mount", "--make-private", str(folder))
    NAMESPACE.touch()
    # A namespace is only pinned to a file if its number is higher than the caller's own. Newer kernels number per CPU,
    # so where we are in a namespace already (a container), only some of the CPUs give such a number.
    for cpu in sorted(os.sched_getaffinity(0)):
        done = run(
            "taskset",
            "-c",
            str(cpu),
            "unshare",
            f"--mount={NAMESPACE}",
            "--propagation",
            "private",
            "sh",
            "-ec",
            "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup",
            check=False,
        )
        if done.returncode == 0 and namespace_works():
            return
    drop_namespace()
    raise LabError(
        "this machine has hybrid cgroups, and a private mount namespace with a cgroup2 tree cannot be made: "
        f"{done.stderr.strip()}. Boot it with systemd.unified_cgroup_hierarchy=1, or use another machine"
    )


def allowed_limit(name: str) -> int:
    """The hard limit that this machine's root may give a host: the wanted one, or its own."""
    wanted = WANTED_LIMITS[name]
    if name == "nproc":
        # podman lowers its own process limit to this while it starts, and a host's cannot be higher.
        wanted = min(wanted, int(pathlib.Path("/proc/sys/kernel/pid_max").read_text()))
    if run("prlimit", f"--{name}={wanted}:{wanted}", "true", check=False).returncode == 0:
        return wanted
    hard = run("prlimit", f"--{name}", "--noheadings", "--output", "HARD").stdout.strip()
    return wanted if hard == "unlimited" else min(wanted, int(hard))


def write_podman_config() -> None:
    """The lab's own storage and settings, apart from any podman that the machine's owner uses."""
    manager = "systemd" if pathlib.Path("/run/systemd/system").exists() else "cgroupfs"
    limits = ", ".join(f'"{name}={allowed_limit(name)}:{allowed_limit(name)}"' for name in WANTED_LIMITS)
    (RUN / "containers.conf").write_text(f"""\
[containers]
default_ulimits = [{limits}]
pids_limit = 0
log_driver = "k8s-file"
[engine]
runtime = "crun"
cgroup_manager = "{manager}"
events_logger = "none"
tmp_dir = "{RUN}/libpod"
[network]
network_backend = "netavark"
network_config_dir = "{RUN}/networks"
""")
    (RUN / "storage.conf").write_text(f"""\
[storage]
driver = "overlay"
graphroot = "{STORAGE}/storage"
runroot = "{RUN}/storage"
""")


def leave() -> None:
    """Let go of the namespace and of RUN, after the hosts are gone."""
    # podman mounts its storage folders upon themselves; in the namespace they go with it, outside they do not.
    run("umount", "-l", str(STORAGE / "storage" / "overlay"), check=False)
    drop_namespace()
    shutil.rmtree(RUN, ignore_errors=True)
