# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What systemd and the journal are told, and that neither can take the daemon down."""

from __future__ import annotations

import io
import logging
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.child import command
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.notify import (
    LineHandler,
    log_to_stderr,
    notify,
    status_line,
)


def receiver(address: str) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(address)
    channel.settimeout(5.0)
    return channel


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"skyha-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with receiver("\0" + name if abstract else name) as channel:
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name if abstract else name)
        notify("READY=1\nSTATUS=on duty")
        assert channel.recv(4096) == b"READY=1\nSTATUS=on duty"


@pytest.mark.parametrize("address", ["", "/nonexistent/socket"])
def test_without_a_systemd_that_listens_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("WATCHDOG=1")


def test_systemd_that_does_not_read_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(str(tmp_path / "notify")) as channel:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        for number in range(2000):  # far more than a datagram socket's queue takes
            notify(f"STATUS={number}")
        assert channel.recv(4096) == b"STATUS=0"


def test_status_is_one_line() -> None:
    """A second line would be another assignment for systemd."""
    assert status_line("down:\nwhy\tso\r\nMAINPID=1") == "STATUS=down: why so MAINPID=1"


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("skyha")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield logger
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.mark.parametrize(
    ("level", "priority"), [(logging.ERROR, 3), (logging.CRITICAL, 3), (logging.WARNING, 4), (logging.INFO, 6)]
)
def test_each_line_in_the_journal_has_its_priority(
    log: logging.Logger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    level: int,
    priority: int,
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1234")
    log_to_stderr()
    logging.getLogger("skyha.vip").log(level, "first\nsecond")
    assert capsys.readouterr().err == f"<{priority}>first\n<{priority}>second\n"


def test_on_a_terminal_lines_are_plain_and_debugging_is_left_out(
    log: logging.Logger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    log_to_stderr()
    log.debug("not told")
    log.info("")
    log.warning("100 %% of %s", "it")
    assert capsys.readouterr().err == "\n100 % of it\n"


@pytest.mark.parametrize("stream", ["full", "closed"])
def test_log_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    target = open("/dev/full", "w") if stream == "full" else io.StringIO()  # noqa: SIM115
    if stream == "closed":
        target.close()
    monkeypatch.setattr("sys.stderr", target)
    LineHandler().emit(logging.LogRecord("skyha", logging.ERROR, "file", 1, "lost", (), None))
    monkeypatch.undo()
    if stream == "full":
        with pytest.raises(OSError, match="No space left"):
            target.close()


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["--help"], 0, "usage: skyhad", ""),
        (["--version"], 0, "skyhad ", ""),
        (["--nonsense"], 2, "", "usage: skyhad"),
        (["--config=/nonexistent/skyha.conf"], 78, "", "/nonexistent/skyha.conf"),
        (["--config", "/nonexistent/skyha.conf"], 78, "", "/nonexistent/skyha.conf"),
    ],
)
def test_command_line_of_skyhad(tmp_path: Path, arguments: list[str], code: int, out: str, err: str) -> None:
    """A configuration that cannot be used is told to systemd, which shows it, and does not start it again (78)."""
    argv, environment = command("daemon.main")
    with receiver(str(tmp_path / "notify")) as channel:
        environment = {**environment, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        done = subprocess.run([*argv, *arguments], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == code
        assert out in done.stdout
        assert err in done.stderr
        assert "Traceback" not in done.stderr
        if code == 78:
            assert channel.recv(4096).startswith(b"STATUS=")
