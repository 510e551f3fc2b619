# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What role vote_host_balance writes for both engines. (The program balance itself is no package; a stand-in is run.)"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
INVENTORIES = ("-i", "inventory/lab", "-i", "inventory/lab-two")
# Notes its arguments and its process, then stays.
STAND_IN = """#!/bin/sh
echo "$$ $*" >> "$(dirname "$0")/calls"
exec sleep 60
"""


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """render(VARIABLE=value, …): the directory with the files; the same variables are rendered once."""
    done: dict[str, Path] = {}

    def rendered(**variables: Any) -> Path:
        key = json.dumps(variables, sort_keys=True)
        if key not in done:
            out = tmp_path_factory.mktemp("vote")
            local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "out": str(out)}
            subprocess.run(
                [Path(sys.executable).parent / "ansible-playbook", *INVENTORIES, "tests/unit/roles/vote_host.yml", "-e"]
                + [json.dumps({**local, "__vote_host_balance_program": f"{out}/balance", **variables})],
                cwd=ROOT,
                check=True,
                capture_output=True,
            )
            done[key] = out
        return done[key]

    return rendered


def test_haproxy_has_a_proxy_and_a_bound_of_its_own_per_cluster(render: Callable[..., Path]) -> None:
    text = (render(vote_host_balance_max_connections=40) / "haproxy.cfg").read_text()
    sections = text.split("listen ")[1:]
    assert [section.split()[0] for section in sections] == ["vote_11921", "vote_11922"]
    sky, moon = sections
    assert "bind *:11922" in moon
    assert "server vip 198.51.100.126:1921" in moon
    assert "bind *:11921" in sky
    assert "server vip 198.51.100.116:1921" in sky
    assert all("maxconn 40\n" in section for section in sections)
    # What all may have together is never less than the sum: no cluster can take another's share.
    assert "global\n    log stdout format raw daemon notice\n    maxconn 90\n" in text
    # What was taken away is not served on by the process from before the reload.
    assert "    hard-stop-after 10s\n" in text


def test_vote_port_forwards_for_the_nodes_of_its_cluster_and_whom_it_was_told(render: Callable[..., Path]) -> None:
    wanted = {"pg_cluster_vote_client_cidrs": []}
    told = [line for line in (render(**wanted) / "haproxy.cfg").read_text().splitlines() if "reject" in line]
    assert (
        told[0].strip() == "tcp-request connection reject unless { src 198.51.100.110 198.51.100.111 198.51.100.116 }"
    )
    assert len(told) == 2  # one per cluster
    assert "198.51.100.110" not in told[1]
    named = render(pg_cluster_vote_client_cidrs=["203.0.113.0/24"])
    assert "198.51.100.116 203.0.113.0/24 }" in (named / "haproxy.cfg").read_text()


def test_address_to_listen_on_can_be_chosen(render: Callable[..., Path]) -> None:
    out = render(vote_host_balance_bind_address="198.51.100.35")
    assert "bind 198.51.100.35:11921" in (out / "haproxy.cfg").read_text()
    assert "-b 198.51.100.35 11921 " in (out / "balance.sh").read_text()


@pytest.mark.parametrize(
    ("engine", "lines"),
    [
        ("haproxy", ["Type=notify", "User=haproxy", "ExecReload=/bin/kill -USR2 $MAINPID"]),
        ("balance", ["Type=exec", "DynamicUser=true", "ExecStart=/bin/sh /etc/sky-vote-proxy/balance.sh"]),
    ],
)
def test_unit_fits_the_engine(render: Callable[..., Path], engine: str, lines: list[str]) -> None:
    unit = (render(vote_host_balance_engine=engine) / "sky-vote-proxy.service").read_text().splitlines()
    assert set(lines) <= set(unit)
    assert {"Restart=always", "WantedBy=multi-user.target"} <= set(unit)


def test_balance_runs_once_per_cluster_and_all_end_with_one(render: Callable[..., Path]) -> None:
    out = render()
    program, calls = out / "balance", out / "calls"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    calls.unlink(missing_ok=True)
    script = subprocess.Popen(["sh", out / "balance.sh"], start_new_session=True)
    try:
        deadline = time.monotonic() + 20
        while not calls.exists() or len(calls.read_text().splitlines()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        began = [line.split(maxsplit=1) for line in calls.read_text().splitlines()]
        assert sorted(arguments for _, arguments in began) == [
            "-f -t 5 -T 5 11921 198.51.100.116:1921",
            "-f -t 5 -T 5 11922 198.51.100.126:1921",
        ]
        os.kill(int(began[0][0]), signal.SIGTERM)
        # systemd then ends the rest of the unit and starts it again.
        assert script.wait(20) != 0
    finally:
        os.killpg(script.pid, signal.SIGKILL)
