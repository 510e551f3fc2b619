# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must survive a pg_rewind that breaks off: the mark that one is under way, and beside it what it would take from this node.

pg_rewind begins by emptying the files that it will copy and removing those that the new primary lacks (seen with 15.20). Among
them are this node's own configuration, its WAL and the histories of its timelines; the next attempt reads both of these, from
the last common checkpoint to the end. In the state directory:

    rewind-unfinished/of     which data directory this is about
    rewind-unfinished/wal/   its WAL and histories, until pg_rewind has ended well
    rewind-unfinished/own/   its configuration, certificates and keys, while pg_rewind writes
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..errors import WorldError
from .diverged import copy_wal
from .store import sync_directory

NAME = "rewind-unfinished"
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_OWN_ENDINGS = (".conf", ".crt", ".key", ".pem")
_OWN_DIRECTORIES = ("", "conf.d")


class Unfinished:
    """The mark of this node's pg_rewind. Everything is on disk when a method returns; they raise WorldError."""

    def __init__(self, state_dir: str, data_dir: str) -> None:
        self._state, self._data = state_dir, data_dir
        self._mark = os.path.join(state_dir, NAME)

    @property
    def exists(self) -> bool:
        """Whether a pg_rewind was begun and has not ended well."""
        return os.path.exists(self._mark)

    def begin(self, of: str, first: str, last: str, segment_size: int) -> str:
        """Set the mark, and keep the WAL from the segment `first` to `last`; why that could not be, else ''.

        of: what tells this data directory from another, as long as pg_rewind has not ended.
        """
        new, problem = self._mark + ".new", ""
        with _told(self._mark, "nothing was rewound; see to the room and the rights there"):
            _remove(new)
            os.mkdir(new, 0o700)
            try:
                wal = os.path.join(self._data, "pg_wal")
                copy_wal(wal, _needed(wal, first, last), os.path.join(new, "wal"), segment_size)
            except OSError as error:
                problem = f"without its WAL kept for another attempt, should this one break off: {error}"
                _remove(os.path.join(new, "wal"))
            with open(os.path.join(new, "of"), "w", encoding="ascii") as file:
                file.write(of)
                file.flush()
                os.fsync(file.fileno())
            sync_directory(new)
            _remove(self._mark)
            _move(new, self._mark)
        return problem

    def put_back(self, of: str) -> bool:
        """After an attempt that broke off: its WAL and configuration go back to where they were. Whether there was one.

        A mark of another data directory (this one was built again by hand) is none.
        """
        with _told(self._mark, f"what it keeps cannot be put back into {self._data}"):
            try:
                with open(os.path.join(self._mark, "of"), encoding="ascii") as file:
                    if file.read() != of:
                        return False
            except FileNotFoundError:
                return False
            _copy(os.path.join(self._mark, "wal"), os.path.join(self._data, "pg_wal"))
        self.put_back_own()
        return True

    def keep_own(self) -> None:
        """The files of the data directory that are this node's own, which pg_rewind replaces by the peer's."""
        own = os.path.join(self._mark, "own")
        with _told(own, "nothing was rewound; see to the room and the rights there"):
            _remove(own + ".new")
            for directory in _OWN_DIRECTORIES:
                there, target = os.path.join(self._data, directory), os.path.join(own + ".new", directory)
                os.makedirs(target, 0o700)
                for name in os.listdir(there) if os.path.isdir(there) else ():
                    path = os.path.join(there, name)
                    if name.endswith(_OWN_ENDINGS) and os.path.isfile(path) and not os.path.islink(path):
                        _copy_file(path, os.path.join(target, name))
                sync_directory(target)
            _remove(own)
            _move(own + ".new", own)

    def put_back_own(self) -> None:
        """The reverse. They are kept no longer: what is changed in them from now on is to last."""
        own = os.path.join(self._mark, "own")
        with _told(own, f"what it keeps cannot be put back into {self._data}"):
            for directory in _OWN_DIRECTORIES:
                _copy(os.path.join(own, directory), os.path.join(self._data, directory))
            _take_away(own)

    def end(self) -> None:
        """pg_rewind has ended well: take the mark away."""
        with _told(self._mark, f"it cannot be removed; see to the rights of {self._state}"):
            _take_away(self._mark)


def _needed(wal: str, first: str, last: str) -> Sequence[str]:
    """Segments of all timelines up to that of `last` (the checkpoint may be on an older one), and the histories."""
    return sorted(
        name
        for name in os.listdir(wal)
        if name.endswith(".history")
        or (_SEGMENT.fullmatch(name) and first[8:] <= name[8:] <= last[8:] and name[:8] <= last[:8])
    )


@contextmanager
def _told(path: str, meaning: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorldError(f"{path}: {error}; {meaning}") from error


def _copy(source: str, target: str) -> None:
    """Copy the files of a directory, if there is one, into another."""
    names = [name for name in os.listdir(source) if name not in _OWN_DIRECTORIES] if os.path.isdir(source) else []
    for name in names:
        os.makedirs(target, 0o700, exist_ok=True)
        _copy_file(os.path.join(source, name), os.path.join(target, name))
    if names:
        sync_directory(target)


def _copy_file(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    shutil.copymode(source, target)
    with open(target, "rb") as file:
        os.fsync(file.fileno())


def _move(source: str, target: str) -> None:
    os.rename(source, target)
    sync_directory(os.path.dirname(target))


def _take_away(path: str) -> None:
    """Remove a directory, if it is there, at once: half of it would count as the whole."""
    if os.path.exists(path):
        _remove(path + ".new")
        _move(path, path + ".new")
        _remove(path + ".new")


def _remove(path: str) -> None:
    if os.path.exists(path):
        shutil.rmtree(path)
