# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small file system, in a file, for the directory of a service that is stopped: shell commands that bring it there, fill it, and
bring it back. The file and what else is needed lie beside the directory.
"""

from __future__ import annotations


def onto(home: str, megabytes: int) -> str:
    """The directory moves onto a file system of its own, of about that size."""
    image, small = _places(home)
    make = f"truncate -s {megabytes}M {image} && mkfs.ext4 -q -m 0 {image} && mkdir -p {small} && mount -o loop {image} {small}"
    move = f"cp -a {home}/. {small}/ && chown --reference={home} {small} && chmod --reference={home} {small}"
    return f"{make} && {move} && rm -rf {small}/lost+found && umount {small} && mount -o loop {image} {home}"


def back(home: str) -> str:
    """It is again where it was, with what it holds now. After a reboot of the host it is not mounted, and the service has lived on in
    what was there before."""
    image, small = _places(home)
    moved = f"mount -o loop {image} {small} && cp -a {small}/. {home}/ && umount {small}"
    clean = f"find {home} -mindepth 1 -delete"
    return f"if mountpoint -q {home}; then umount {home} && {clean} && {moved}; fi && rm -rf {image} {small}"


def fill(home: str) -> str:
    """Not a byte is left on it."""
    most = f"fallocate -l $(($(df --output=avail -B1 {home} | tail -1) - 4000000)) {home}/fill"
    return f"mountpoint -q {home} && {{ {most}; cat /dev/zero >> {home}/fill 2>/dev/null || true; }}"


def free(home: str) -> str:
    """There is space again."""
    return f"rm -f {home}/fill"


def _places(home: str) -> tuple[str, str]:
    return f"{home}.img", f"{home}.small"
