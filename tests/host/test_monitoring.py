# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the monitoring host sees: through the real check_nrpe, on Nagios' own page, and from /metrics."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from testinfra.host import Host

from tests.lab import lab, places
from tests.lab.places import CHECKS, MONITOR, address, nrpe


@pytest.fixture(scope="module", autouse=True)
def no_old_failover() -> None:
    """A failover of an earlier test warns until it is acknowledged: here somebody has read it."""
    for node in lab.NODES:
        if not lab.status(node).get("failover", {}).get("noted", True):
            lab.on(node, "skyctl", "acknowledge")


@pytest.mark.parametrize("node", lab.NODES)
@pytest.mark.parametrize("command", CHECKS)
def test_check_is_ok_through_nrpe(node: str, command: str) -> None:
    lab.wait_for(f"{command} on {node} is OK", lambda: nrpe(node, command)[0] == places.OK, 30)
    line = nrpe(node, command)[1]
    assert line.startswith(f"{CHECKS[command][0]} OK - ")
    assert "\n" not in line


@pytest.mark.parametrize("node", lab.NODES)
def test_nrpe_runs_as_the_owner_of_postgresql(hosts: dict[str, Host], node: str) -> None:
    host = hosts[node]
    # One look: NRPE forks for every question, so of two looks the second may be at a process that has gone.
    assert set(host.check_output("ps -C nrpe -o user=").split()) == {"postgres"}
    unit = host.service("nagios-nrpe-server")
    assert unit.is_running
    assert unit.is_enabled


@pytest.mark.parametrize("node", lab.NODES)
def test_nrpe_answers_only_the_monitoring_hosts(hosts: dict[str, Host], node: str) -> None:
    config = hosts[node].file("/usr/local/nagios/etc/nrpe.cfg").content_string.splitlines()
    assert f"allowed_hosts=127.0.0.1,{MONITOR}" in config
    assert "dont_blame_nrpe=0" in config
    # The vote host is no monitoring host: its packets do not even reach NRPE.
    tried = hosts["vote"].run("timeout 3 bash -c %s", f"exec 3<>/dev/tcp/{address(node)}/5666")
    assert tried.rc != 0


@pytest.mark.parametrize("node", lab.NODES)
def test_network_cannot_give_arguments(node: str) -> None:
    code, text = nrpe(node, "check_fence", "-a", "--file=/etc/passwd")
    assert code != places.OK
    assert "root:" not in text


def test_page_shows_every_service_green() -> None:
    lab.wait_for("Nagios' page is green", places.is_all_green, 90, every=1)
    found = places.services()
    assert set(places.PORTS) <= set(found)
    assert len(found) == len(places.PORTS) + 2 * len(CHECKS)


def test_page_shows_nothing_but_the_cluster() -> None:
    """The example checks of Nagios' own host are left out (nagios_nrpe_localhost: false): one red for ever hides others."""
    hosts = json.loads(places.nagios("statusjson.cgi?query=hostlist"))["data"]["hostlist"]
    assert set(hosts) == {*lab.NODES, "sky-vip", "sky-vote"}


@pytest.mark.parametrize(
    "path", ["/nagios4/", "/nagios4/cgi-bin/status.cgi", "/nagios4/cgi-bin/cmd.cgi", "/cgi-bin/nagios4/cmd.cgi"]
)
def test_page_wants_a_password(path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{MONITOR}{path}", timeout=5)
    assert refused.value.code == 401


def test_web_password_is_not_readable_to_others(hosts: dict[str, Host]) -> None:
    file = hosts["monitor"].file("/etc/nagios4/htdigest.users")
    assert (file.user, file.group, oct(file.mode)) == ("root", "www-data", "0o640")


def test_a_dead_daemon_turns_red_and_green_again(standby: str) -> None:
    lab.wait_for("Nagios' page is green", places.is_all_green, 90, every=1)
    try:
        lab.on(standby, "systemctl", "stop", "skyha")
        lab.wait_for(
            "Nagios' page is red", lambda: places.services()[f"{standby}/skyha alive"] == places.RED, 60, every=0.5
        )
        code, line = nrpe(standby, "check_skyha_armed")
        assert code == places.CRITICAL
        assert "nothing would fail over to this node" in line
    finally:
        lab.on(standby, "systemctl", "start", "skyha")
    lab.wait_for("Nagios' page is green again", places.is_all_green, 90, every=1)


@pytest.mark.parametrize("node", lab.NODES)
def test_metrics_are_served_to_the_monitoring_host(node: str) -> None:
    found = places.metrics(node)
    assert found["skyha_running"] == 1
    assert any(name.startswith("skyha_info{") for name in found)


@pytest.mark.parametrize("node", lab.NODES)
def test_health_checks_follow_the_role(node: str, primary: str) -> None:
    answers = {path: places.http(node, path)[0] for path in ("/health", "/primary", "/replica")}
    assert answers == {
        "/health": 200,
        "/primary": 200 if node == primary else 503,
        "/replica": 503 if node == primary else 200,
    }
    assert places.http(node, "/primary", "HEAD") == (answers["/primary"], "")
    assert places.http(node, "/elsewhere")[0] == 404
    for method in ("POST", "PUT", "DELETE"):
        assert places.http(node, "/", method)[0] == 405


@pytest.mark.parametrize("node", lab.NODES)
def test_page_is_not_for_everybody(node: str) -> None:
    # The vote host is no monitoring host.
    with pytest.raises(RuntimeError, match=r"timed out|unreachable|refused"):
        places.http(node, "/", host="vote")
