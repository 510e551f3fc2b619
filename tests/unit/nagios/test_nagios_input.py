# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever the plugins are given: one line, an exit code of 0 to 3 that fits it, and never a traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nagios_samples import FILES, NAMES, PLUGINS, PRIMARY, STANDBY, altered, plugin, run

Ask = Callable[..., "tuple[int, str]"]
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
sky = plugin("sky_plugin")
PERF = re.compile(r"\w+=-?\d+(\.\d+)?(s|B)?(;[-\d.:~@]*){0,3}")


def assert_sound(name: str, code: int, line: str) -> None:
    """One line, its word fits the code, performance data well formed."""
    assert code in range(4)
    assert line.startswith(f"{NAMES[name]} {WORDS[code]} - "), line
    assert "\n" not in line
    assert "Traceback" not in line
    text, bar, data = line.partition(" | ")
    assert len(text) <= 1000
    assert bool(bar) == bool(data)
    for item in data.split():
        assert PERF.fullmatch(item), item


def paths(value: Any, prefix: str = "") -> list[str]:
    """Every dotted path into the snapshot."""
    found = []
    for key, inner in value.items():
        found.append(prefix + key)
        if isinstance(inner, dict):
            found += paths(inner, f"{prefix}{key}.")
    return found


BROKEN = {
    "empty": b"",
    "blank": b"\n",
    "truncated": json.dumps(STANDBY).encode()[:300],
    "binary": bytes(range(256)),
    "list": b"[]",
    "null": b"null",
    "nested": b"[" * 100000,
    "utf16": json.dumps(STANDBY).encode("utf-16"),
    "nothing": b"{}",
    "duplicate": b'{"format": 1, "format": 2}',
    "number": b"1" * 5000,
}


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_file_is_unknown_and_says_what_to_do(ask: Ask, name: str, kind: str) -> None:
    code, line = ask(name, BROKEN[kind])
    assert_sound(name, code, line)
    if kind != "utf16":  # Python's json reads that, too
        assert code == sky.UNKNOWN
        assert ": " in line


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("version", [0, 2, 99])
def test_other_format_is_unknown(ask: Ask, name: str, version: int) -> None:
    code, line = ask(name, altered(STANDBY, {"format": version}))
    assert code == sky.UNKNOWN
    assert "run role nagios_nrpe again" in line


@pytest.mark.parametrize("name", PLUGINS)
def test_missing_file_is_not_ok(name: str, tmp_path: Path) -> None:
    code, line = run(name, "--file", str(tmp_path / "none.json"))
    assert_sound(name, code, line)
    assert code in (sky.CRITICAL, sky.UNKNOWN)
    assert "systemctl status skyha" in line


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("place", ["/", "/proc/self/mem", "a\0b", "/dev/zero"])
def test_unreadable_file_is_unknown(name: str, place: str) -> None:
    code, line = run(name, "--file", place)
    assert_sound(name, code, line)
    assert code == sky.UNKNOWN


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another user")
@pytest.mark.parametrize("name", PLUGINS)
def test_file_of_another_user_is_unknown(name: str, tmp_path: Path) -> None:
    # A directory below tmp_path could not be entered by another user: everything needed lies in one that can.
    file = Path("/var/tmp") / f"sky-nagios-{os.getpid()}-{name}.json"
    try:
        file.write_text(json.dumps(STANDBY))
        file.chmod(0o600)
        # Asked for its help first: all that Python imports late is then loaded, while it still may read it.
        program = (
            f"import sys; sys.path.insert(0, {str(FILES)!r}); import os, {name} as p, sky_plugin as s; "
            "s.answer('X', p.parser, p.check, ['-h']); os.seteuid(65534); s.main('X', p.parser, p.check)"
        )
        # PYTHONPATH is how coverage is measured (conftest.py): that user could not write it down, and would say so in stderr.
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-c", program, "-f", str(file)], capture_output=True, text=True, check=False, env=env
        )
    finally:
        file.unlink()
    assert done.returncode == 3
    assert "Permission denied, NRPE must run as the user of PostgreSQL" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("path", paths(STANDBY))
def test_wrong_type_anywhere_is_told_and_no_traceback(ask: Ask, name: str, path: str) -> None:
    values: tuple[Any, ...] = (None, [], {}, "x", -1, 1e308, True, float("nan"), float("inf"), 10**400)
    for value in values:
        for base in (STANDBY, PRIMARY):
            code, line = ask(name, altered(base, {path: value}))
            assert_sound(name, code, line)


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize(
    "argv",
    [
        ["--nonsense"],
        ["-w"],
        ["-w", "x"],
        ["-c", "20:10"],
        ["-c", ""],
        ["-w", "@"],
        ["-w", ":"],
        ["-t", "0"],
        ["-t", "soon"],
        ["-t", "nan"],
        ["-t", "-1"],
        ["extra"],
        ["-m", "1e99"],
        ["--warn", "1"],
        ["-w", "٣"],
        ["-w", "1\n2"],
        ["--=%s"],
        ["%d%(x)s"],
    ],
)
def test_wrong_option_is_unknown_and_points_to_help(name: str, argv: list[str]) -> None:
    code, line = run(name, *argv)
    assert_sound(name, code, line)
    assert code == sky.UNKNOWN
    assert f"see {name} --help" in line


@pytest.mark.parametrize("name", PLUGINS)
def test_help_and_version(name: str) -> None:
    code, text = run(name, "--help")
    assert code == sky.UNKNOWN  # as the guidelines want
    for word in ("--warning", "--critical", "--timeout", "--version", "--file", name):
        assert word in text
    assert max(map(len, text.splitlines())) <= 130
    assert run(name, "-V") == (sky.UNKNOWN, f"{name} {sky.VERSION} (sky.pg_cluster)")


@pytest.mark.parametrize("name", PLUGINS)
def test_timeout_is_kept(name: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    began = time.monotonic()
    code, line = run(name, "--file", str(pipe), "-t", "0.2")
    assert time.monotonic() - began < 2
    assert code == sky.UNKNOWN
    assert "no answer within the timeout" in line


@pytest.mark.parametrize("name", PLUGINS)
def test_as_a_program(name: str, tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    file.write_text(json.dumps(altered(STANDBY, {"written_monotonic": time.monotonic()})))
    done = subprocess.run(
        [sys.executable, "-ES", FILES / f"{name}.py", "-f", file],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert_sound(name, 0, done.stdout.rstrip("\n"))
    assert done.stdout.count("\n") == 1


def test_the_line_survives_a_terminal_that_cannot_print_it(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    file.write_text(json.dumps(altered(STANDBY, {"written_monotonic": time.monotonic(), "bmc.error": "密码错误"})))
    done = subprocess.run(
        [sys.executable, "-ES", FILES / "check_fence.py", "-f", file],
        capture_output=True,
        check=False,
        env={"PYTHONIOENCODING": "ascii", "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    assert done.returncode == 2
    assert done.stderr == b""
    assert done.stdout.startswith(b"FENCE CRITICAL - ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SHARED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SHARED
@given(name=st.sampled_from(PLUGINS), path=st.sampled_from(paths(STANDBY)), value=JSON, primary=st.booleans())
def test_any_value_anywhere(ask: Ask, name: str, path: str, value: Any, primary: bool) -> None:
    assert_sound(name, *ask(name, altered(PRIMARY if primary else STANDBY, {path: value})))


@SHARED
@given(name=st.sampled_from(PLUGINS), raw=st.binary(max_size=200))
def test_any_bytes(ask: Ask, name: str, raw: bytes) -> None:
    code, line = ask(name, raw)
    assert_sound(name, code, line)
    assert code == sky.UNKNOWN


@SHARED
@given(name=st.sampled_from(PLUGINS), end=st.integers(0, len(json.dumps(STANDBY)) - 1))
def test_any_truncation_is_unknown(ask: Ask, name: str, end: int) -> None:
    code, line = ask(name, json.dumps(STANDBY).encode()[:end])
    assert_sound(name, code, line)
    assert code == sky.UNKNOWN


@SHARED
@given(name=st.sampled_from(PLUGINS), argv=st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_any_options(name: str, argv: list[str]) -> None:
    code, text = run(name, *argv)
    assert code in range(4)
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("10", [0, 5, 10], [-1, 11]),
        ("10:", [10, 1e9], [9.9, -5]),
        ("~:10", [-1e9, 10], [10.1]),
        ("10:20", [10, 20], [9, 21]),
        ("@10:20", [9, 21], [10, 20]),
        ("@10", [11, -1], [0, 10]),
        (":10", [0, 10], [-1, 11]),
        ("1.5", [1.5], [1.6]),
        ("-5:-1", [-3], [0]),
    ],
)
def test_ranges(text: str, good: list[float], bad: list[float]) -> None:
    range_ = sky.Range(text)
    assert [value for value in good if range_.alerts(value)] == []
    assert [value for value in bad if not range_.alerts(value)] == []


@given(st.text(max_size=12))
def test_a_range_is_understood_or_refused(text: str) -> None:
    try:
        range_ = sky.Range(text)
    except ValueError:
        return
    assert range_.low <= range_.high
