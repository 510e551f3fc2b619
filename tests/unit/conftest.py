# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers that the unit tests talk to."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

for directory in (Path(__file__).parent, Path(__file__).parent / "modules"):
    sys.path.insert(0, str(directory))

import guard  # noqa: E402
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config, Timing  # noqa: E402
from fake_postgres import FakePostgres  # noqa: E402
from node_samples import NODE1, configured  # noqa: E402
from real_postgres import RealPostgres, make_root  # noqa: E402

# In the background of a shell these two are ignored, and so by all that the tests start: then nothing ends by them.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
guard.start()


@pytest.fixture
def fake() -> Iterator[FakePostgres]:
    """A server that misbehaves as told."""
    server = FakePostgres()
    yield server
    server.close()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that everybody may read, unlike those that pytest makes."""
    directory = Path(tempfile.mkdtemp(prefix=guard.prefix("skyha"), dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def postgres() -> Iterator[RealPostgres]:
    """A real primary. Tests leave it as they found it."""
    root = make_root()
    server = RealPostgres(root, "node1")
    try:
        server.initdb()
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., Config]:
    """A configuration with everything on loopback, and short times."""

    def make(**sections: Any) -> Config:
        here = configured(
            NODE1,
            node={"address": "127.0.0.1"},
            peer={"address": "127.0.0.1"},
            vip={"address": "127.0.0.1", "interface": "lo", "prefix": 32},
            vote={"address": "127.0.0.1"},
            postgresql={"passfile": "/nonexistent"},
            paths={"state_dir": str(tmp_path), "run_dir": str(tmp_path)},
            timing=Timing(look_deadline=0.5),
        )
        return configured(here, **sections)

    return make


@pytest.fixture
def real_config(postgres: RealPostgres, make_config: Callable[..., Config]) -> Config:
    """The configuration of the node with the real primary."""
    return make_config(
        postgresql=postgres.settings,
        vote={"port": postgres.port},
    )
