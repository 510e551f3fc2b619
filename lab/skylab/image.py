# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosts' image: a bare Debian with systemd, made with mmdebstrap (or upon a ready image, LAB_IMAGE)."""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import shutil
import tempfile

from .config import CACHE, LAB_DIR
from .shell import podman, run, step

# What a minimal Debian server has; the roles bring all else.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "python3",
    "python3-apt",
    "iproute2",
    "iputils-ping",
    "procps",
    "kmod",
    "ca-certificates",
    "netbase",
    "tzdata",
)
# A host of the RHEL family has these too, or brings them by dnf: image/el-like.sh makes RPMs of some.
EL_LIKE_PACKAGES = (
    "dnf",
    "rpm",
    "createrepo-c",
    "firewalld",
    "network-manager",
    "nftables",
    "sudo",
    "acl",
    "iputils-arping",
    "passwd",
    "python3-venv",
    "python3-psycopg2",
    "python3-packaging",
    "python3-cryptography",
    "python3-dateutil",
    "postgresql-15",
    "haproxy",
    "nagios-nrpe-server",
)
FINISH = LAB_DIR / "image" / "finish.sh"
EL_LIKE = LAB_DIR / "image" / "el-like.sh"
CA_FOLDER = pathlib.Path("/usr/local/share/ca-certificates")
# Settings of the machine's apt that its hosts need as well to reach the mirror.
APT_SETTINGS = re.compile(r"^Acquire::(\w+::)?(Proxy|Proxy-Auto-Detect|Check-Valid-Until|Check-Date|CAInfo|Retries)\b")


def ensure(suite: str) -> str:
    """Make sure that the image for the suite is there; returns its name."""
    base = os.environ.get("LAB_IMAGE", "")
    apt_config = machine_apt_config()
    scripts = [script.read_text() for script in scripts_of(suite)]
    recipe = "\n".join([suite, base, mirror(), apt_config, *scripts, *packages_of(suite), *map(str, extra_cas())])
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    name = f"localhost/sky-lab:{suite}-{digest}"
    if podman("image", "exists", name, check=False).returncode == 0:
        return name
    CACHE.mkdir(parents=True, exist_ok=True)
    tar = CACHE / f"image-{suite}-{digest}.tar"
    with tempfile.TemporaryDirectory(prefix="sky-lab-image-") as name_of_folder:
        folder = pathlib.Path(name_of_folder)
        (folder / "apt.conf").write_text(apt_config)
        for script in scripts_of(suite):
            shutil.copy(script, folder)
        (folder / "ca").mkdir()
        for path in extra_cas():
            shutil.copy(path, folder / "ca")
        if base:
            build_upon(base, name, folder, suite)
            return name
        if not tar.exists():
            bootstrap(suite, tar, folder)
    with step(f"importing {tar.name}"):
        podman("import", "--change", "CMD /sbin/init", str(tar), name)
    return name


def debian_of(suite: str) -> str:
    """The Debian underneath."""
    return "bookworm" if suite == "el-like" else suite


def packages_of(suite: str) -> tuple[str, ...]:
    """What the image is made of."""
    return (*PACKAGES, *EL_LIKE_PACKAGES) if suite == "el-like" else PACKAGES


def scripts_of(suite: str) -> list[pathlib.Path]:
    """What runs in the new image, in this order."""
    return [EL_LIKE, FINISH] if suite == "el-like" else [FINISH]


def bootstrap(suite: str, tar: pathlib.Path, folder: pathlib.Path) -> None:
    """Make the root file system with mmdebstrap; folder holds what finish.sh needs."""
    part = tar.with_suffix(".part.tar")
    with step(f"making the image {suite} with mmdebstrap"):
        try:
            run(
                "mmdebstrap",
                "--variant=minbase",
                f"--include={','.join(packages_of(suite))}",
                f"--aptopt={folder}/apt.conf",
                # Keep the package lists: the hosts need not fetch them again.
                "--skip=cleanup/apt/lists",
                "--dpkgopt=force-unsafe-io",
                "--customize-hook=mkdir -p $1/var/tmp/lab-setup",
                f"--customize-hook=sync-in {folder} /var/tmp/lab-setup",
                *(f"--customize-hook=chroot $1 sh /var/tmp/lab-setup/{script.name}" for script in scripts_of(suite)),
                debian_of(suite),
                str(part),
                *sources(debian_of(suite)),
                timeout=900,
            )
            for old in set(CACHE.glob(f"image-{suite}-*.tar")) - {part}:
                old.unlink()
            part.rename(tar)
        finally:
            part.unlink(missing_ok=True)


def build_upon(base: str, name: str, folder: pathlib.Path, suite: str) -> None:
    """Add to a ready image what a lab host needs. (Not by `podman build`: it raises limits that root may not.)"""
    script = (
        "cp /var/tmp/lab-setup/apt.conf /etc/apt/apt.conf.d/90machine && apt-get update"
        f" && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {' '.join(packages_of(suite))}"
    ) + "".join(f" && sh /var/tmp/lab-setup/{script.name}" for script in scripts_of(suite))
    with step(f"making the lab's image upon {base}"):
        podman(
            "create",
            "--name",
            "sky-image",
            "--replace",
            "--network=host",
            "--privileged",
            base,
            "sh",
            "-c",
            script,
            timeout=900,
        )
        try:
            podman("cp", str(folder), "sky-image:/var/tmp/lab-setup")
            podman("start", "--attach", "sky-image", timeout=900)
            podman("commit", "--change", "CMD /sbin/init", "sky-image", name)
        finally:
            podman("rm", "-f", "-t", "0", "sky-image", check=False)


def extra_cas() -> list[pathlib.Path]:
    """Certificates that the machine's owner added to its trust store."""
    return sorted(CA_FOLDER.glob("*.crt")) if CA_FOLDER.is_dir() else []


def machine_apt_config() -> str:
    """The machine's proxy and date settings of apt, in apt's own form; '' if it has none."""
    lines = run("apt-config", "dump").stdout.splitlines()
    return "".join(f"{line}\n" for line in lines if APT_SETTINGS.match(line))


def mirror() -> str:
    """The mirror to install from: LAB_MIRROR, or '' for the distribution's own, as mmdebstrap knows it."""
    return os.environ.get("LAB_MIRROR", "").rstrip("/")


def sources(suite: str) -> list[str]:
    """mmdebstrap's arguments for the package sources; a mirror keeps security updates beside the archive."""
    base = mirror()
    if not base:
        return []
    return [
        f"deb {base} {suite} main",
        f"deb {base} {suite}-updates main",
        f"deb {base}-security {suite}-security main",
    ]
