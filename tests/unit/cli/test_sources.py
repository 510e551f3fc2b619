# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where skyctl learns how things stand, when what answers is slow, wrong or nobody."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli import sources
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import from_json

Serve = Callable[[socket.socket, bytes], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answers every caller of a listening socket with these bytes."""
    listeners: list[socket.socket] = []

    def start(listener: socket.socket, answer: bytes) -> None:
        listener.listen(8)
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        threading.Thread(target=run, daemon=True).start()

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def over_http(serve: Serve, answer: bytes) -> sources.View:
    listener = socket.create_server(("127.0.0.1", 0))
    serve(listener, answer)
    return sources.over_http(f"127.0.0.1:{listener.getsockname()[1]}", 5.0)


def body(status: object) -> bytes:
    data = json.dumps(status).encode()
    return HEAD % len(data) + data


def test_status_of_a_running_daemon_is_live(serve: Serve) -> None:
    view = over_http(serve, body({"state": "running", "node": "node2"}))
    assert (view.is_live, view.status) == (True, from_json({"state": "running", "node": "node2"}))


def test_daemon_that_says_it_is_stopped_is_not_live(serve: Serve) -> None:
    view = over_http(serve, body({"state": "stopped", "sentence": "skyha is stopped"}))
    assert (view.is_live, view.problem) == (False, "skyha is stopped")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (body([1, 2]), "is no status of skyha"),
        (HEAD % 5 + b"\xff\xfe{[]", "is no status of skyha"),
        (HEAD % 100_000 + b"[" * 100_000, "is no status of skyha"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "answers 503"),
        (b"SSH-2.0-OpenSSH\r\n", "does not answer"),
        (b"", "does not answer"),
    ],
)
def test_what_is_no_status_is_named(serve: Serve, answer: bytes, problem: str) -> None:
    view = over_http(serve, answer)
    assert view.status is None
    assert problem in view.problem


def test_nobody_on_the_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert f"skyha at 127.0.0.1:{port} does not answer" in sources.over_http(f"127.0.0.1:{port}").problem


@pytest.mark.parametrize("answer", [b"", b"no json\n", b"[]\n", b"{}\n", b"[" * 100_000 + b"\n"])
def test_stranger_on_the_control_socket_is_no_skyha(
    serve: Serve, answer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("skyha.sock")
    serve(listener, answer)
    with pytest.raises(sources.NotRunning, match="is no answer of skyha"):
        sources.ask(".", {"order": "status"})


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"ok": False, "code": "not_permitted", "error": "in whatever words"}, sources.NotAllowed),
        ({"ok": False, "code": "paused", "error": "orders are taken from root only"}, sources.Refused),
        ({"ok": False, "error": "a skyha of before the codes"}, sources.Refused),
    ],
)
def test_answer_is_told_apart_by_its_code(
    serve: Serve, tmp_path: Path, answer: dict[str, object], kind: type[Exception]
) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "skyha.sock"))
    serve(listener, json.dumps(answer).encode() + b"\n")
    with pytest.raises(kind, match=str(answer["error"])):
        sources.ask(str(tmp_path), {"order": "pause"})


def test_refusal_is_told(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("skyha.sock")
    serve(listener, b'{"ok": false, "error": "no"}\n')
    with pytest.raises(sources.Refused, match="no"):
        sources.ask(".", {"order": "switchover"})


def test_without_a_daemon_its_last_file_is_shown_as_old(tmp_path: Path) -> None:
    file = tmp_path / sources.STATUS_FILE
    file.write_text(json.dumps({"state": "running", "written_monotonic": time.monotonic() - 100}))
    view = sources.here(str(tmp_path))
    assert not view.is_live
    assert view.age >= 100
    assert "does not answer" in view.problem


@pytest.mark.parametrize("text", ["", "[]", '{"state": "running"}', '{"written_monotonic": []}', "[" * 100_000])
def test_file_that_is_damaged_is_no_status(tmp_path: Path, text: str) -> None:
    (tmp_path / sources.STATUS_FILE).write_text(text)
    view = sources.here(str(tmp_path))
    assert view.status is None
    assert "skyha does not run" in view.problem


def test_who_may_not_ask_reads_what_is_written_each_cycle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(run_dir: str, _question: object) -> None:
        raise sources.NotAllowed(f"{run_dir}: Permission denied")

    monkeypatch.setattr(sources, "ask", ask)
    assert sources.here(str(tmp_path)).gap is sources.Gap.CLOSED, "there is nothing"
    now = time.monotonic()
    told = {"state": "running", "node": "node2", "written_monotonic": now}
    (tmp_path / "status.json").write_text(json.dumps(told))
    assert sources.here(str(tmp_path)).is_live
    (tmp_path / "status.json").write_text(json.dumps({**told, "written_monotonic": now - 60}))
    assert "has not completed a cycle for 6" in sources.here(str(tmp_path)).problem
